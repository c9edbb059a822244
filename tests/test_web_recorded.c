/* test_web_recorded.c - recorded steps of the web: what files hold them, how they are asked and
 * judged in both styles, hostile text in them. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/web/tree.h"
#include "env/web/web.h"
#include "hostile.h"
#include "player.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const styles[] = {"short", "agentbench"};

static cmat_env *open_env(const char *style)
{
    return player_open("web", (cmat_env_options){.style = style, .seed = 7});
}

static const char mind2web[] =
    "[{\"annotation_id\": \"ann-1\", \"website\": \"tock\", \"confirmed_task\": \"Check for pickup "
    "in "
    "Boston\", \"action_reprs\": [\"[select]  Type -> SELECT: Pickup\", \"[button]  Search -> "
    "CLICK\"], "
    "\"actions\": [{\"action_uid\": \"u1\", \"cleaned_html\": \"<html backend_node_id='1'><div "
    "backend_node_id='2'><a backend_node_id='3' aria_label='Home'/><select backend_node_id='4' "
    "aria_label='Type'><option backend_node_id='5'><text backend_node_id='6'>Dine "
    "in</text></option>"
    "<option backend_node_id='7'><text backend_node_id='8'>Pickup</text></option></select><button "
    "backend_node_id='9'><text>Search</text></button><p backend_node_id='11'><text>a</text></p><p "
    "backend_node_id='12'><text>b</text></p><p "
    "backend_node_id='13'><text>c</text></p></div></html>\", "
    "\"operation\": {\"op\": \"SELECT\", \"value\": \"Pickup\"}, \"pos_candidates\": "
    "[{\"backend_node_id\": \"4\"}], \"neg_candidates\": [{\"backend_node_id\": \"3\"}, "
    "{\"backend_node_id\": \"9\"}, {\"backend_node_id\": \"11\"}, {\"backend_node_id\": \"12\"}, "
    "{\"backend_node_id\": \"13\"}, {\"backend_node_id\": \"2\"}]}, "
    "{\"action_uid\": \"u2\", \"cleaned_html\": \"<html backend_node_id='1'><button "
    "backend_node_id='9'><text>Search</text></button><a backend_node_id='3' "
    "aria_label='Home'/></html>\", "
    "\"operation\": {\"op\": \"CLICK\", \"value\": \"\"}, \"pos_candidates\": "
    "[{\"backend_node_id\": "
    "\"9\"}], \"neg_candidates\": [{\"backend_node_id\": \"3\"}]}]}]";

static void load_mind2web(cmat_task_list *l)
{
    cmat_error err;
    if (web_import_text(mind2web, strlen(mind2web), "m.json", l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(l->n, 2);
}

static double figure(cmat_env *env, const char *name)
{
    json_t *m = json_object();
    env->ops->measures(env, m);
    const double x = cmat_json_num(m, name, -1);
    json_decref(m);
    return x;
}

static void test_recorded(void **unused)
{
    (void)unused;
    cmat_task_list l = {0};
    load_mind2web(&l);
    assert_string_equal(l.items[0].kind, "mind2web SELECT");
    assert_string_equal(cmat_json_str(l.items[0].json, "website", ""), "tock");
    assert_int_equal(json_array_size(json_object_get(l.items[1].json, "before")), 1);
    /* steps of one person's task share the part of the id before '#' */
    assert_int_equal(strcspn(l.items[0].id, "#"), strcspn(l.items[1].id, "#"));
    assert_true(strncmp(l.items[0].id, l.items[1].id, strcspn(l.items[0].id, "#")) == 0);
    for (int s = 0; s < 2; s++) {
        cmat_env *env = open_env(styles[s]);
        for (size_t i = 0; i < l.n; i++)
            assert_true(player_oracle(env, &l.items[i], PLAYER_STRICT) == 1);
        assert_true(figure(env, "element accuracy") == 1 && figure(env, "action F1") == 1);
        cmat_env_close(env);
    }
    static const struct {
        const char *say;
        double element, f1;
        const char *kind;
    } cases[] = {{"SELECT 3: pickup", 1, 0.5, "wrong action or value"},
                 {"SELECT 3: Pickup now", 1, 0.8, "wrong action or value"},
                 {"CLICK 3", 1, 0, "wrong action or value"},
                 {"SELECT 2: Pickup", 0, 1, "wrong element"},
                 {"SELECT 3: Pickup", 1, 1, NULL}};
    cmat_env *env = open_env(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cmat_obs obs = {0};
        double score;
        assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, NULL), CMAT_OK);
        assert_non_null(strstr(obs.text.data, "[3] combobox \"Type\": Dine in | Pickup"));
        assert_int_equal(cmat_env_step(env, cases[i].say, &obs, NULL), CMAT_OK);
        assert_true(env->done);
        assert_true(fabs(figure(env, "element accuracy") - cases[i].element) < 1e-9);
        assert_true(fabs(figure(env, "action F1") - cases[i].f1) < 1e-9);
        cmat_env_score(env, &score, NULL);
        assert_true(score == (cases[i].kind == NULL));
        if (cases[i].kind)
            assert_string_equal(env->ops->error_kind(env), cases[i].kind);
        cmat_obs_clear(&obs);
    }
    cmat_env_close(env);
    cmat_task_list_clear(&l);
}

/* AgentBench's elimination: turned down everywhere is an invalid action, F1 0. */
static void test_elimination(void **unused)
{
    (void)unused;
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    load_mind2web(&l);
    cmat_env *env = open_env("agentbench");
    assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, NULL), CMAT_OK);
    assert_non_null(
        strstr(obs.text.data, "Task: Check for pickup in Boston\nPrevious actions:\nNone\n"));
    assert_non_null(strstr(obs.text.data, "\nA. None of the above\nB. <"));
    assert_non_null(strstr(obs.text.data, "\nF. <")); /* seven candidates: five now, two later */
    assert_int_equal(cmat_env_step(env, "Answer: A.", &obs, NULL), CMAT_OK);
    assert_false(env->done);
    assert_non_null(strstr(obs.text.data, "\nC. <"));
    assert_null(strstr(obs.text.data, "\nD. <"));
    assert_int_equal(cmat_env_step(env, "no idea", &obs, NULL), CMAT_OK);
    assert_true(env->done && obs.invalid_action && obs.invalid_format);
    assert_true(figure(env, "action F1") == 0);
    /* a letter that is not there counts as none; then one left alone ends it */
    assert_int_equal(cmat_env_reset(env, &l.items[1], &obs, NULL), CMAT_OK);
    cmat_facts f = {0};
    assert_int_equal(cmat_env_dry_run(env, "Answer: F.\nAction: CLICK", &f, NULL), CMAT_OK);
    assert_int_equal(f.verdict, CMAT_FACT_BAD);
    assert_int_equal(cmat_env_step(env, "Answer: B.\nAction: CLICK", &obs, NULL), CMAT_OK);
    assert_true(env->done && figure(env, "action F1") == 1);
    cmat_facts_clear(&f);
    cmat_obs_clear(&obs);
    cmat_env_close(env);
    cmat_task_list_clear(&l);
}

/* A task as the published files have it: attributes are JSON within a string, the page is XML. */
#define PUBLISHED                                                                                 \
    "{\"annotation_id\": \"p\", \"website\": \"w\", \"confirmed_task\": \"Pick it up\", "         \
    "\"action_reprs\": [\"[div]  a -> CLICK\", \"[select]  Type -> SELECT: Pickup\"], "           \
    "\"actions\": [{\"action_uid\": \"u\", \"operation\": {\"original_op\": \"SELECT\", \"op\": " \
    "\"SELECT\", \"value\": \"Pickup\"}, \"cleaned_html\": \"<html backend_node_id=\\\"1\\\">\\n" \
    "<select backend_node_id=\\\"2\\\" aria_label=\\\"Type\\\">\\n<option "                       \
    "backend_node_id=\\\"3\\\">\\n"                                                               \
    "<text backend_node_id=\\\"4\\\">Pickup</text>\\n</option>\\n</select>\\n"                    \
    "<a backend_node_id=\\\"5\\\" title=\\\"x\\\"/>\\n</html>\", \"pos_candidates\": [{\"tag\": " \
    "\"select\", \"backend_node_id\": \"2\", \"attributes\": \"{\\\"class\\\": \\\"a } ] "        \
    "b\\\"}\"}], "                                                                                \
    "\"neg_candidates\": [{\"backend_node_id\": \"5\", \"attributes\": \"{\\\"a\\\": "            \
    "\\\"[{\\\"\"}]}]}"

static void import_all(const char *text, size_t n_want, cmat_task_list *l)
{
    cmat_error err;
    if (web_import_text(text, strlen(text), "f.json", l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(l->n, n_want);
}

static void test_published(void **unused)
{
    (void)unused;
    cmat_task_list l = {0};
    import_all("[" PUBLISHED ", " PUBLISHED "]\n", 2, &l);
    import_all(PUBLISHED "\n" PUBLISHED, 4, &l);
    assert_string_equal(cmat_json_str(l.items[0].json, "html", ""),
                        "<html backend_node_id=\"1\"> <select backend_node_id=\"2\" "
                        "aria_label=\"Type\"> <option backend_node_id=\"3\"> <text>Pickup</text>"
                        "</option></select><a backend_node_id=\"5\" title=\"x\"></a></html>");
    cmat_task_list_clear(&l);
    /* a file that was cut is told so, even between two tasks */
    static const char *const cut[] = {"[" PUBLISHED, "[" PUBLISHED ",\n", "[" PUBLISHED ", {\"a\""};
    for (size_t i = 0; i < 3; i++) {
        cmat_error err = {0};
        assert_int_equal(web_import_text(cut[i], strlen(cut[i]), "f.json", &l, &err),
                         CMAT_ERR_FORMAT);
        assert_non_null(strstr(err.msg, i < 2 ? "f.json: the list has no end: the file is cut"
                                              : "f.json: entry 2 (byte "));
        cmat_task_list_clear(&l);
    }
}

/* One step a row, with JSON in strings or not, and what was done before told in both ways. */
static void test_rows(void **unused)
{
    (void)unused;
    static const char file[] =
        "{\"annotation_id\": \"a\", \"confirmed_task\": \"t\", \"action_uid\": \"u1\", "
        "\"cleaned_html\": \"<html backend_node_id='0'><a backend_node_id='1'/><a "
        "backend_node_id='2'/></html>\", \"operation\": \"{\\\"op\\\": \\\"TYPE\\\", "
        "\\\"value\\\": \\\"x\\\"}\", \"pos_candidates\": [\"{\\\"backend_node_id\\\": "
        "\\\"1\\\"}\"], \"neg_candidates\": \"[{\\\"backend_node_id\\\": \\\"2\\\"}]\", "
        "\"action_reprs\": [\"one\", \"two\", \"three\"], \"target_action_index\": \"2\"}\n"
        "{\"annotation_id\": \"a\", \"confirmed_task\": \"t\", \"action_uid\": \"u2\", "
        "\"cleaned_html\": \"<html backend_node_id='0'><a backend_node_id='1'/></html>\", "
        "\"operation\": {\"op\": \"CLICK\"}, \"pos_candidates\": [{\"backend_node_id\": \"1\"}], "
        "\"neg_candidates\": [], \"previous_actions\": [\"1\", \"2\", \"3\", \"4\", \"5\", "
        "\"6\"]}\n";
    cmat_task_list l = {0};
    import_all(file, 2, &l);
    const json_t *before = json_object_get(l.items[0].json, "before");
    assert_int_equal(json_array_size(before), 2);
    assert_string_equal(json_string_value(json_array_get(before, 1)), "two");
    assert_int_equal(json_array_size(json_object_get(l.items[0].json, "candidates")), 2);
    assert_string_equal(cmat_json_str(l.items[0].json, "op", ""), "TYPE");
    before = json_object_get(l.items[1].json, "before");
    assert_int_equal(json_array_size(before), WEB_BEFORE);
    assert_string_equal(json_string_value(json_array_get(before, 0)), "2");
    cmat_env *env = open_env("agentbench");
    for (size_t i = 0; i < l.n; i++)
        assert_true(player_oracle(env, &l.items[i], PLAYER_STRICT) == 1);
    cmat_env_close(env);
    cmat_task_list_clear(&l);
}

/* F1 as the benchmark's own program gives it. */
static void test_agentbench_f1(void **unused)
{
    (void)unused;
    static const struct {
        const char *say;
        double f1;
    } cases[] = {{"Answer: B.\nAction: SELECT\nValue: Pickup", 1},
                 {"Answer: B.\nAction: SELECT\nValue: \"Pickup\"", 0.5},
                 {"Answer: B.\nAction: SELECT\nValue: Pickup now", 0.8},
                 {"Answer: B.\nAction: SELECT\nValue:Pickup", 2.0 / 3},
                 {"Answer: B.\nAction: CLICK\nValue: Pickup", 0.5},
                 {"Answer: B.\nAction: CLICK\nValue: y", 0},
                 {"Answer: B.\nValue: Pickup", 2.0 / 3},
                 {"Answer: B.", 0}};
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    import_all(PUBLISHED, 1, &l);
    cmat_env *env = open_env("agentbench");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, NULL), CMAT_OK);
        assert_int_equal(cmat_env_step(env, cases[i].say, &obs, NULL), CMAT_OK);
        if (fabs(figure(env, "action F1") - cases[i].f1) > 1e-9)
            fail_msg("%s: %g", cases[i].say, figure(env, "action F1"));
        assert_true(env->done && figure(env, "element accuracy") == 1);
    }
    cmat_obs_clear(&obs);
    cmat_env_close(env);
    cmat_task_list_clear(&l);
}

/* A ranker's places count: a step whose target is not among the ten is there, and lost. */
static void test_ranked(void **unused)
{
    (void)unused;
    static const char file[] =
        "[{\"annotation_id\": \"a\", \"confirmed_task\": \"t\", \"actions\": [{\"action_uid\": "
        "\"u\", "
        "\"cleaned_html\": \"<html><a backend_node_id='1'>x</a><a backend_node_id='2'>y</a><a "
        "backend_node_id='3'>z</a></html>\", \"operation\": {\"op\": \"CLICK\"}, "
        "\"pos_candidates\": "
        "[{\"backend_node_id\": \"1\", \"rank\": 10}], \"neg_candidates\": [{\"backend_node_id\": "
        "\"2\", "
        "\"rank\": 0}, {\"backend_node_id\": \"3\", \"rank\": 9}]}]}]";
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    cmat_buf reply = {0};
    cmat_env *env = open_env(NULL);
    assert_int_equal(web_import_text(file, strlen(file), "f", &l, NULL), CMAT_OK);
    assert_int_equal(json_array_size(json_object_get(l.items[0].json, "candidates")), 2);
    assert_int_equal(json_array_size(json_object_get(l.items[0].json, "positives")), 0);
    assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, NULL), CMAT_OK);
    assert_false(env->ops->oracle(env, &reply));
    assert_int_equal(cmat_env_step(env, "CLICK 1", &obs, NULL), CMAT_OK);
    assert_true(env->done && player_score(env) == 0);
    assert_true(figure(env, "action F1") == 0);
    cmat_buf_clear(&reply);
    cmat_obs_clear(&obs);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

static void test_three_bad_replies(void **unused)
{
    (void)unused;
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    load_mind2web(&l);
    cmat_env *env = open_env(NULL);
    assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, NULL), CMAT_OK);
    for (int i = 0; i < 3; i++) {
        assert_false(env->done);
        assert_int_equal(cmat_env_step(env, "hm", &obs, NULL), CMAT_OK);
        assert_true(obs.error && obs.invalid_format);
    }
    assert_true(env->done);
    assert_string_equal(env->ops->error_kind(env), "no action");
    cmat_obs_clear(&obs);
    cmat_env_close(env);
    cmat_task_list_clear(&l);
}

/* ---- hostile text ---- */

/* A page with the text in it as it is, in an attribute and in the title, and a task on it. */
static json_t *hostile_task(const hostile_text *h)
{
    cmat_buf html = {0};
    cmat_buf_puts(&html, "<html><button backend_node_id=\"1\" aria-label=\"");
    if (h->len < 10000)
        cmat_text_html(&html, h->text, h->len);
    cmat_buf_puts(&html, "\">ok</button><select backend_node_id=\"2\"><option>");
    cmat_buf_add(&html, h->text, h->len < 10000 ? h->len : 0);
    cmat_buf_puts(&html, "</option></select><p backend_node_id=\"3\">");
    cmat_buf_add(&html, h->text, h->len);
    cmat_buf_puts(&html, "</p><a backend_node_id=\"4\">after</a></html>");
    json_t *j = json_pack("{s:s, s:s, s:o, s:s, s:[s, s, s], s:[s], s:[o]}", "id", "h",
                          "instruction", "i", "html", cmat_json_text(html.data, html.len), "op",
                          "CLICK", "candidates", "1", "2", "3", "positives", "1", "before",
                          cmat_json_text(h->text, h->len < 10000 ? h->len : 10000));
    cmat_buf_clear(&html);
    return j;
}

/* As it is, without JSON: what the page says in each way of showing it. */
static void show_hostile(const hostile_text *h)
{
    cmat_buf html = {0}, out = {0};
    web_page p;
    web_view v = {0};
    cmat_buf_puts(&html, "<p>");
    cmat_buf_add(&html, h->text, h->len);
    cmat_buf_puts(&html, "</p><a href=/>link</a>");
    assert_int_equal(web_page_parse(&p, html.data, html.len, NULL), CMAT_OK);
    web_view_make(&v, &p, 0, 4000);
    hostile_check_text(h->name, &v.text, 4000);
    const int c[] = {(int)p.n - 1};
    web_tree_repr(&p, c, 1, &out);
    hostile_check_text(h->name, &out, 0);
    web_view_clear(&v);
    web_page_clear(&p);
    cmat_buf_clear(&html);
    cmat_buf_clear(&out);
}

static void test_hostile(void **unused)
{
    (void)unused;
    cmat_env *envs[] = {open_env("short"), open_env("agentbench")};
    size_t n;
    const hostile_text *h = hostile_texts(&n);
    for (size_t i = 0; i < n; i++) {
        json_t *j = hostile_task(&h[i]);
        cmat_task t;
        show_hostile(&h[i]);
        assert_int_equal(cmat_task_init(&t, j, NULL), CMAT_OK);
        for (int s = 0; s < 2; s++) {
            cmat_obs obs = {0};
            cmat_facts f = {0};
            cmat_error err;
            if (cmat_env_reset(envs[s], &t, &obs, &err) != CMAT_OK)
                fail_msg("%s: %s", h[i].name, err.msg);
            hostile_check(h[i].name, &obs, 0);
            assert_int_equal(
                cmat_env_dry_run(envs[s], h[i].len < 10000 ? h[i].text : "CLICK 1", &f, NULL),
                CMAT_OK);
            hostile_check_text(h[i].name, &f.text, CMAT_FACTS_MAX);
            assert_int_equal(
                cmat_env_dry_run(envs[s], s ? "Answer: B.\nAction: CLICK" : "CLICK 1", &f, NULL),
                CMAT_OK);
            hostile_check_text(h[i].name, &f.text, CMAT_FACTS_MAX);
            assert_true(player_oracle(envs[s], &t, PLAYER_STRICT) == 1);
            cmat_facts_clear(&f);
            cmat_obs_clear(&obs);
        }
        cmat_task_clear(&t);
        json_decref(j);
    }
    cmat_env_close(envs[0]);
    cmat_env_close(envs[1]);
}

/* ---- import ---- */

static void test_miniwob(void **unused)
{
    (void)unused;
    static const char demos[] =
        "{\"demo\": \"x/click-option/a.json.gz\", \"utterance\": \"Select a and click Submit.\", "
        "\"steps\": "
        "[{\"op\": \"CLICK\", \"ref\": -3, \"value\": \"\", \"elements\": [{\"ref\": 2, \"tag\": "
        "\"div\", "
        "\"id\": \"wrap\"}, {\"ref\": 4, \"tag\": \"input_radio\", \"id\": \"ch0\"}, {\"ref\": -3, "
        "\"tag\": "
        "\"t\", \"text\": \"a <b>\"}, {\"ref\": 7, \"tag\": \"button\", \"text\": \"Submit\"}]}, "
        "{\"op\": \"CLICK\", \"ref\": 7, \"value\": \"\", \"elements\": null}, "
        "{\"op\": \"CLICK\", \"ref\": 99, \"value\": \"\", \"elements\": null}]}\n\n"
        "{\"demo\": \"x/enter/b\", \"utterance\": \"Type\", \"steps\": [{\"op\": \"TYPE\", "
        "\"ref\": 1, "
        "\"value\": \"hi\", \"elements\": [{\"ref\": 1, \"tag\": \"input_text\", \"value\": "
        "\"h\"}, "
        "{\"ref\": 5, \"tag\": \"select\"}, {\"ref\": 6, \"tag\": \"option\", \"text\": "
        "\"o\"}]}]}\n";
    cmat_task_list l = {0};
    cmat_error err;
    if (web_import_text(demos, strlen(demos), "d.jsonl", &l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(l.n, 3); /* the step whose target is missing is left out */
    assert_string_equal(l.items[0].kind, "miniwob click-option");
    assert_int_equal(json_array_size(json_object_get(l.items[0].json, "candidates")),
                     3); /* no box */
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(l.items[1].json, "before"), 0)),
        "[label]  a <b> -> CLICK");
    for (int s = 0; s < 2; s++) {
        cmat_env *env = open_env(styles[s]);
        for (size_t i = 0; i < l.n; i++)
            if (player_oracle(env, &l.items[i], PLAYER_STRICT) != 1)
                fail_msg("%s", l.items[i].id);
        cmat_env_close(env);
    }
    cmat_task_list_clear(&l);
}

static void test_bad_files(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "[{",
        "{\"a\": ",
        "[3]",
        "x",
        "{\"instances\": [{}]}",
        ("\xfd"
         "7zXZ\0abc"),
        "PK\x03\x04x",
        "\x1f\x8bx",
        "[{\"confirmed_task\": \"t\", \"actions\": [{\"operation\": {\"op\": \"FLY\"}}]}]",
        "{\"id\": 3}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cmat_task_list l = {0};
        cmat_error err = {0};
        if (web_import_text(bad[i], strlen(bad[i]) + (bad[i][0] == '\xfd' ? 4 : 0), "f", &l,
                            &err) == CMAT_OK)
            fail_msg("%s", bad[i]);
        assert_true(err.msg[0] && !strchr(err.msg, '\n'));
        cmat_task_list_clear(&l);
    }
    /* cut anywhere: an error or fewer tasks, never a crash */
    for (size_t n = 0; n < strlen(mind2web); n += 7) {
        cmat_task_list l = {0};
        web_import_text(mind2web, n, "cut", &l, NULL);
        cmat_task_list_clear(&l);
    }
    cmat_task_list l = {0};
    cmat_error err;
    assert_int_not_equal(web_import("/nonexistent", &l, &err), CMAT_OK);
}

/* Every task of a data set that is there: the oracle gets all of them. */
static void play_data(const char *name, size_t least)
{
    char *path = cmat_path_join(getenv("CMAT_TEST_ROOT"), name);
    if (!cmat_path_exists(path)) {
        free(path);
        return;
    }
    cmat_task_list l = {0};
    cmat_error err;
    if (web_import(path, &l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_true(l.n >= least);
    for (int s = 0; s < 2; s++) {
        cmat_env *env = open_env(styles[s]);
        for (size_t i = 0; i < l.n; i++)
            if (player_oracle(env, &l.items[i], PLAYER_STRICT) != 1)
                fail_msg("%s: %s", path, l.items[i].id);
        cmat_env_close(env);
    }
    cmat_task_list_clear(&l);
    free(path);
}

static void test_data(void **unused)
{
    (void)unused;
    play_data("../shared/data/mind2web/skillgen_train_100.json", 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recorded),
                                       cmocka_unit_test(test_elimination),
                                       cmocka_unit_test(test_published),
                                       cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_agentbench_f1),
                                       cmocka_unit_test(test_ranked),
                                       cmocka_unit_test(test_three_bad_replies),
                                       cmocka_unit_test(test_hostile),
                                       cmocka_unit_test(test_miniwob),
                                       cmocka_unit_test(test_bad_files),
                                       cmocka_unit_test(test_data)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
