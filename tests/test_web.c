/* test_web.c - the web: pages of any bytes, Mind2Web's view of them, replies and figures, made
 * sites in both styles, facts, constraint, snapshots. */
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/web/tree.h"
#include "env/web/web.h"
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

static web_page parse(const char *html)
{
    web_page p;
    assert_int_equal(web_page_parse(&p, html, strlen(html), NULL), CMAT_OK);
    return p;
}

static void make(int split, size_t n, uint64_t seed, cmat_task_list *l)
{
    const size_t before = l->n;
    cmat_error err;
    if (web_site_generate(split, n, seed, l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(l->n - before, n);
}

static bool is_listed(cmat_env *env, const char *text)
{
    const char *const *all;
    const size_t n = env->ops->actions(env, &all);
    for (size_t i = 0; i < n; i++)
        if (strncmp(all[i], text, strlen(all[i])) == 0)
            return true;
    return false;
}

/* ---- pages ---- */

static void test_page(void **unused)
{
    (void)unused;
    web_page p = parse(
        "<!DOCTYPE html><title>T &amp; U</title><script>if (a < b) x('</p>')</script>"
        "<ul><li>One<li>Two <b>bold</b></ul><a/>after<br>x<input value='a>b'"
        " aria-label=\"L\"><p>para<p>graph<td>cell</td><!-- no -->");
    cmat_buf b = {0};
    web_page_text(&p, 0, 1000, &b);
    assert_string_equal(b.data, "T & U One Two bold after x para graph cell");
    int n_li = 0;
    for (int i = 0; i < (int)p.n; i++) {
        n_li += web_page_is(&p, i, "li");
        assert_true(p.nodes[i].end > i && p.nodes[i].end <= (int)p.n);
        assert_true(i == 0 ? p.nodes[i].parent == WEB_NO_NODE : p.nodes[i].parent < i);
        if (web_page_is(&p, i, "a")) /* <a/> is empty */
            assert_int_equal(p.nodes[i].end, i + 1);
        if (web_page_is(&p, i, "li")) /* the second is not in the first */
            assert_true(web_page_is(&p, p.nodes[i].parent, "ul"));
    }
    assert_int_equal(n_li, 2);
    const int input = web_page_find(&p, "aria_label", "L");
    assert_true(input > 0);
    assert_string_equal(web_page_attr(&p, input, "value"), "a>b");
    web_page_set(&p, input, "value", NULL);
    assert_null(web_page_attr(&p, input, "value"));
    web_page_set(&p, input, "checked", "");
    assert_non_null(web_page_attr(&p, input, "checked"));
    /* what is written is read back into the same tree */
    cmat_buf html = {0};
    web_page_html(&p, NULL, &html);
    web_page q = parse(html.data);
    assert_int_equal(p.n, q.n);
    for (size_t i = 0; i < p.n; i++) {
        assert_int_equal(p.nodes[i].end, q.nodes[i].end);
        if (p.nodes[i].text)
            assert_string_equal(p.nodes[i].text, q.nodes[i].text);
        else
            assert_string_equal(p.nodes[i].tag, q.nodes[i].tag);
    }
    web_page_clear(&p);
    web_page_clear(&q);
    cmat_buf_clear(&b);
    cmat_buf_clear(&html);
}

/* A tag's end must be the same for tidy.c and gumbo, or markup would get past the caps. */
static void test_tag_ends(void **unused)
{
    (void)unused;
    static const char *const tricks[] = {"<a =\">\"><i>x</i>", "<a b='>' c=\">\" d=x/>y<i>",
                                         "<a\n=\n\"'>'\"><i>", "<a b = >c<i>",
                                         "<a/b/=c'>'<i>",      "<a \"'>'<i>",
                                         "<a b=c\"d>\"<i>",    "<a b=\"unfinished><i>",
                                         "< a><<i>",           "<a<b>"};
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        web_page p = parse(tricks[i]);
        for (int k = 1; k < (int)p.n; k++) /* nothing but what tidy.c named */
            if (p.nodes[k].tag)
                assert_true(strcmp(p.nodes[k].tag, "a") == 0 || strcmp(p.nodes[k].tag, "i") == 0 ||
                            strcmp(p.nodes[k].tag, "a-b") == 0);
        web_page_clear(&p);
    }
}

static void test_caps(void **unused)
{
    (void)unused;
    const size_t n = 10u << 20;
    char *big = cmat_xmalloc(n + 1);
    web_page p;
    cmat_error err;
    memset(big, 'x', n); /* one line of 10 MB */
    big[n] = '\0';
    assert_int_equal(web_page_parse(&p, big, n, &err), CMAT_OK);
    assert_true(p.cut && p.n == 2 && strlen(p.nodes[1].text) <= WEB_TEXT_MAX);
    web_page_clear(&p);
    for (size_t i = 0; i + 5 <= n; i += 5) /* two million levels */
        memcpy(big + i, "<div>", 5);
    assert_int_equal(web_page_parse(&p, big, n, &err), CMAT_OK);
    assert_true(p.cut && p.n <= WEB_DEPTH_MAX + 2);
    web_page_clear(&p);
    for (size_t i = 0; i + 4 <= n; i += 4) /* many elements beside one another */
        memcpy(big + i, "<hr>", 4);
    assert_int_equal(web_page_parse(&p, big, n, &err), CMAT_OK);
    assert_true(p.cut && p.n <= WEB_TAGS_MAX + 2);
    web_page_clear(&p);
    char *huge = cmat_xcalloc(1, WEB_HTML_MAX + 2);
    memset(huge, 'x', WEB_HTML_MAX + 1);
    assert_int_equal(web_page_parse(&p, huge, WEB_HTML_MAX + 1, &err), CMAT_ERR_LIMIT);
    web_page_clear(&p);
    free(huge);
    free(big);
}

/* Mind2Web's view, checked by hand against its rules. */
static void test_tree(void **unused)
{
    (void)unused;
    web_page p = parse(
        "<html backend_node_id=\"1\"><div backend_node_id=\"2\"><div backend_node_id=\"3\">"
        "<a backend_node_id=\"4\" aria_label=\"Tock Home Page\" class=\"x\"></a>"
        "<button backend_node_id=\"5\" aria_label=\"Book a reservation. Toggle open\">"
        "<span backend_node_id=\"6\"><text backend_node_id=\"7\">Book a \"table\"</text>"
        "</span></button></div><div backend_node_id=\"8\"><select backend_node_id=\"9\" "
        "type=\"hidden\" title=\"kind averyveryverylongword\"><option "
        "backend_node_id=\"10\"><text>One</text></option></select></div></div></html>");
    const int c[] = {web_page_find(&p, "backend_node_id", "5"),
                     web_page_find(&p, "backend_node_id", "9")};
    cmat_buf b = {0};
    web_tree_repr(&p, c, 2, &b);
    assert_string_equal(b.data,
                        "<html> <div> <div> <a tock home page x /> <button id=0 book a "
                        "reservation. toggle open> <span> Book a table </span> </button> "
                        "</div> <select id=1 kind> <option> One </option> </select> </div> "
                        "</html>");
    cmat_buf_truncate(&b, 0);
    web_tree_choice(&p, c, 2, 1, &b);
    assert_string_equal(b.data, "<select id=1 kind> <option> One </option> </select>");
    cmat_buf_truncate(&b, 0);
    web_tree_choice(&p, c, 2, 0, &b);
    assert_string_equal(b.data, "<button id=0 book a reservation. toggle open> <span> Book a");
    cmat_buf_clear(&b);
    web_page_clear(&p);
}

/* Pages that are XML, as Mind2Web's program reads them: what is in a title, a frame or a field is
 * elements, only "/>" and end tags end one, space after a start tag stays. */
static void test_snapshot_page(void **unused)
{
    (void)unused;
    static const char page[] =
        "<html backend_node_id=\"1\"> <p backend_node_id=\"2\"> <div backend_node_id=\"3\" "
        "title='say \"hi\"'> <text backend_node_id=\"4\">a \"b\" c</text> </div> </p> "
        "<title backend_node_id=\"5\"><text backend_node_id=\"6\">T</text> </title> "
        "<iframe backend_node_id=\"7\" name=\"\xc3\x89T\xc3\x89\"><input backend_node_id=\"8\"> "
        "<text backend_node_id=\"9\">in\xe2\x80\x89put</text></input> </iframe> "
        "<a backend_node_id=\"10\" alt=\"e\"> <svg backend_node_id=\"11\"/> </a> "
        "<a backend_node_id=\"12\" alt=\"f\"/> </html>";
    static const char want[] =
        "<html> <div id=0 say \"hi\"> a b c </div> <title id=1> T </title> "
        "<iframe id=2 \xc3\xa9t\xc3\xa9> <input> in put </input> </iframe> <a e> </a> <a f /> "
        "</html>";
    web_page p = parse(page);
    assert_true(p.xml);
    const int c[] = {web_page_find(&p, "backend_node_id", "3"),
                     web_page_find(&p, "backend_node_id", "5"),
                     web_page_find(&p, "backend_node_id", "7")};
    cmat_buf b = {0}, html = {0};
    web_tree_repr(&p, c, 3, &b);
    assert_string_equal(b.data, want);
    web_page_html(&p, NULL, &html); /* and so after it was written and read */
    web_page q = parse(html.data);
    assert_int_equal(p.n, q.n);
    cmat_buf_truncate(&b, 0);
    web_tree_repr(&q, c, 3, &b);
    assert_string_equal(b.data, want);
    web_page_clear(&p);
    web_page_clear(&q);
    cmat_buf_clear(&b);
    cmat_buf_clear(&html);
}

static void test_view(void **unused)
{
    (void)unused;
    web_page p = parse(
        "<h1>Order</h1><form><p><label for=n>Your <i>name</i></label> <input id=n value=Ada></p>"
        "<label>Size <select><option>S<option selected>M</select></label>"
        "<label><input type=checkbox checked> Gift</label><input type=hidden name=h>"
        "<button disabled>Send</button></form><table><tr><td>Lamp<td>20.00<td><button>Buy</button>"
        "</table><p style='display:none'>secret <a href=/x>x</a></p><a>no link</a>"
        "<a href=/y><img alt='Picture'></a>");
    web_view v = {0};
    web_view_make(&v, &p, 0, 10000);
    assert_string_equal(
        v.text.data,
        "Order\n[1] textbox \"Your name\", now \"Ada\"\n[2] combobox \"Size\": S | M, now "
        "\"M\" [3] checkbox \"Gift\" on [4] button \"Send\" (disabled)\nLamp | 20.00 | "
        "[5] button \"Buy\"\nno link [6] link \"Picture\"\n");
    assert_int_equal(v.n, 6);
    assert_int_equal(v.left_out, 0);
    web_view_make(&v, &p, 0, 80);
    assert_true(v.text.len <= 80 && v.left_out > 0 && v.n == 6);
    assert_int_equal(v.text.data[v.text.len - 1], '\n');
    assert_string_equal(web_unfit(&p, WEB_CLICK, v.elements[3], ""), "it is disabled");
    assert_non_null(web_unfit(&p, WEB_TYPE, v.elements[1], "x"));
    assert_non_null(web_unfit(&p, WEB_SELECT, v.elements[1], "XL"));
    assert_null(web_unfit(&p, WEB_SELECT, v.elements[1], "s"));
    web_view_clear(&v);
    web_page_clear(&p);
}

/* ---- replies ---- */

static void test_replies(void **unused)
{
    (void)unused;
    web_reply r;
    const char *why;
    assert_true(web_reply_short("Plan: go\nCLICK 12", &r, &why));
    assert_true(r.op == WEB_CLICK && r.element == 12);
    assert_true(web_reply_short("type [3]: \"New York\"\nCLICK 1", &r, &why));
    assert_true(r.op == WEB_TYPE && r.element == 3);
    assert_string_equal(r.value, "New York");
    assert_true(web_reply_short("TYPE 3:", &r, &why) && !r.value[0]);
    assert_true(web_reply_short("SELECT 4: a: b", &r, &why));
    assert_string_equal(r.value, "a: b");
    assert_true(web_reply_short("BACK", &r, &why) && r.op == WEB_BACK);
    static const char *const bad[] = {"",         "Plan: only", "PRESS 3",
                                      "CLICK",    "CLICK x",    "CLICK 0",
                                      "CLICK -3", "SELECT 3",   "CLICK 99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(web_reply_short(bad[i], &r, &why));
        assert_true(*why);
    }
    assert_true(web_reply_agentbench("Thought: x\nAnswer: C.\nAction: SELECT\nValue: Pickup ", &r));
    assert_true(r.element == 2 && r.op == WEB_SELECT);
    assert_string_equal(r.value, "Pickup");
    assert_true(web_reply_agentbench("Answer: A.", &r) && r.element == 0 && r.op == WEB_NO_OP);
    assert_true(web_reply_agentbench("Answer: none, Answer: F", &r) && r.element == 5);
    assert_false(web_reply_agentbench("I do not know", &r));
    /* F1 of sets of words */
    assert_true(web_action_f1(WEB_CLICK, "", WEB_CLICK, "") == 1);
    assert_true(web_action_f1(WEB_CLICK, "", WEB_TYPE, "x") == 0);
    assert_true(fabs(web_action_f1(WEB_TYPE, "new york", WEB_TYPE, "york city") - 2.0 / 3) < 1e-12);
    assert_true(web_action_f1(WEB_TYPE, "b a a", WEB_TYPE, "a b") == 1);
}

/* ---- made sites ---- */

static void test_oracle(void **unused)
{
    (void)unused;
    for (int s = 0; s < 2; s++) {
        cmat_env *env = open_env(styles[s]);
        for (int split = 0; split < 3; split++) {
            cmat_task_list l = {0};
            make(split, 18, 3, &l);
            for (size_t i = 0; i < l.n; i++)
                if (player_oracle(env, &l.items[i], PLAYER_STRICT) != 1)
                    fail_msg("%s %s", styles[s], l.items[i].instruction);
            cmat_task_list_clear(&l);
        }
        cmat_env_close(env);
    }
}

/* The gold that a task carries is what the oracle says, and reaches the goal. */
static void test_gold(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(NULL);
    cmat_task_list l = {0};
    make(0, 12, 11, &l);
    for (size_t i = 0; i < l.n; i++) {
        cmat_obs obs = {0};
        const json_t *gold = json_object_get(l.items[i].json, "gold"), *g;
        size_t k;
        assert_int_equal(cmat_env_reset(env, &l.items[i], &obs, NULL), CMAT_OK);
        json_array_foreach(gold, k, g)
            assert_int_equal(cmat_env_step(env, json_string_value(g), &obs, NULL), CMAT_OK);
        assert_true(env->done);
        assert_true(player_score(env) == 1);
        cmat_obs_clear(&obs);
    }
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

/* Random actions first: the oracle gets there from anywhere, unless something wrong was sent. */
static void test_recovers(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(NULL);
    cmat_task_list l = {0};
    cmat_rng rng;
    size_t n_won = 0, n_sent = 0;
    cmat_rng_init(&rng, 5);
    make(0, 30, 4, &l);
    env->opts.max_steps = 200;
    for (size_t i = 0; i < l.n; i++) {
        cmat_obs obs = {0};
        cmat_buf reply = {0};
        double score = 0;
        assert_int_equal(cmat_env_reset(env, &l.items[i], &obs, NULL), CMAT_OK);
        for (int k = 0; k < 6 && !env->done; k++) {
            const char *const *actions;
            const size_t n = env->ops->actions(env, &actions);
            assert_int_equal(cmat_env_step(env, actions[cmat_rng_below(&rng, n)], &obs, NULL),
                             CMAT_OK);
        }
        const bool sent = env->done;
        while (!env->done && env->ops->oracle(env, &reply)) {
            assert_int_equal(cmat_env_step(env, reply.data, &obs, NULL), CMAT_OK);
            cmat_buf_truncate(&reply, 0);
        }
        score = player_score(env);
        assert_true(sent || score == 1);
        n_won += !sent && score == 1;
        n_sent += sent;
        cmat_buf_clear(&reply);
        cmat_obs_clear(&obs);
    }
    assert_true(n_won >= 10 && n_sent > 0);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

/* The same seed gives the same tasks, another others; no question is in two splits. */
static void test_generator(void **unused)
{
    (void)unused;
    cmat_task_list a = {0}, b = {0}, c = {0}, other = {0};
    char one[65], two[65];
    json_t *seen = json_object(), *kinds = json_object();
    make(0, 60, 9, &a);
    make(0, 60, 9, &b);
    make(0, 60, 10, &other);
    cmat_task_list_hash(&a, one);
    cmat_task_list_hash(&b, two);
    assert_string_equal(one, two);
    cmat_task_list_hash(&other, two);
    assert_string_not_equal(one, two);
    make(1, 30, 9, &c);
    make(2, 30, 9, &c);
    for (size_t i = 0; i < a.n; i++) {
        json_object_set_new(seen, a.items[i].instruction, json_true());
        json_object_set_new(kinds, a.items[i].kind, json_true());
    }
    for (size_t i = 0; i < other.n; i++)
        json_object_set_new(seen, other.items[i].instruction, json_true());
    for (size_t i = 0; i < c.n; i++)
        assert_null(json_object_get(seen, c.items[i].instruction));
    assert_int_equal(json_object_size(kinds), 6);
    json_decref(seen);
    json_decref(kinds);
    cmat_task_list_clear(&a);
    cmat_task_list_clear(&b);
    cmat_task_list_clear(&c);
    cmat_task_list_clear(&other);
}

static void test_dates(void **unused)
{
    (void)unused;
    assert_int_equal(web_month_first(2026, 11), 6); /* a Sunday */
    assert_int_equal(web_month_first(2024, 2), 3);
    assert_int_equal(web_month_first(2000, 1), 5);
    assert_int_equal(web_month_days(2024, 2), 29);
    assert_int_equal(web_month_days(1900, 2), 28);
    assert_int_equal(web_month_days(2026, 12), 31);
}

static void test_wrong_values(void **unused)
{
    (void)unused;
    static const char site[] =
        "{\"id\": \"x\", \"env\": \"web\", \"instruction\": \"i\", \"site\": {\"kind\": \"login\", "
        "\"title\": "
        "\"T\", \"user\": \"u\", \"password\": \"p\", \"settings\": [{\"label\": \"L\", "
        "\"options\": [\"a\", "
        "\"b\"], \"now\": \"a\"}], \"goal\": [0, 1]}}";
    json_t *j = cmat_json_parse(site, strlen(site), "t", NULL);
    cmat_env *env = open_env(NULL);
    cmat_task t;
    cmat_obs obs = {0};
    assert_int_equal(cmat_task_init(&t, j, NULL), CMAT_OK);
    assert_int_equal(cmat_env_reset(env, &t, &obs, NULL), CMAT_OK);
    static const struct {
        const char *say, *see;
        bool error;
    } steps[] = {{"TYPE 2: u", "textbox \"User name\", now \"u\"", false},
                 {"TYPE 3: wrong", "password box", false},
                 {"CLICK 4", "Wrong user name or password.", false},
                 {"SELECT 2: x", "That cannot be done: it is no list", true},
                 {"CLICK 44", "no element has that number", true},
                 {"FLY 2", "an action begins with", true},
                 {"BACK", "[2] textbox", false},
                 {"TYPE 2: u", "[2]", false},
                 {"TYPE 3: p", "[3]", false},
                 {"CLICK 4", "Logged in as u", false},
                 {"CLICK 4", "Your request was received", false}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_int_equal(cmat_env_step(env, steps[i].say, &obs, NULL), CMAT_OK);
        if (!strstr(obs.text.data, steps[i].see))
            fail_msg("%s: %s", steps[i].say, obs.text.data);
        assert_int_equal(obs.error, steps[i].error);
    }
    assert_true(env->done); /* saved, but nothing was changed */
    assert_true(player_score(env) == 0);
    assert_string_equal(env->ops->error_kind(env), "wrong values sent");
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
    json_decref(j);
    cmat_env_close(env);
}

static void test_broken_tasks(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "{}",
        "{\"site\": 3}",
        "{\"site\": {\"kind\": \"shop\"}}",
        "{\"site\": {\"kind\": \"form\"}}",
        ("{\"site\": {\"kind\": \"form\", \"fields\": [{\"label\": \"a\", \"type\": \"select\", "
         "\"goal\": \"x\"}]}}"),
        "{\"site\": {\"kind\": \"menu\", \"items\": [{}], \"goal\": [0]}}",
        "{\"site\": {\"kind\": \"date\", \"month\": \"2026-13\", \"goal\": \"2026-01-01\"}}",
        "{\"site\": {\"kind\": \"table\", \"columns\": [\"a\"], \"rows\": [3], \"goal\": 0}}",
        "{\"site\": {\"kind\": \"paging\", \"items\": [\"a\"], \"per_page\": 0, \"goal\": 0}}",
        "{\"site\": {\"kind\": \"login\", \"user\": \"u\", \"settings\": [], \"goal\": [0, 1]}}",
        "{\"html\": \"<a>\", \"op\": \"FLY\"}",
        "{\"html\": \"<a>\", \"op\": \"CLICK\"}",
        "{\"html\": \"<a>\", \"op\": \"CLICK\", \"candidates\": [\"7\"], \"positives\": []}",
        "{\"html\": \"<a>\", \"op\": \"CLICK\", \"candidates\": [7]}",
        "{\"url\": \"http://127.0.0.1/\"}"};
    cmat_env *env = open_env(NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *j = cmat_json_parse(bad[i], strlen(bad[i]), "t", NULL);
        cmat_task t;
        cmat_obs obs = {0};
        cmat_error err = {0};
        double score;
        json_object_set_new(j, "id", json_string("x"));
        json_object_set_new(j, "instruction", json_string("x"));
        assert_int_equal(cmat_task_init(&t, j, NULL), CMAT_OK);
        if (cmat_env_reset(env, &t, &obs, &err) == CMAT_OK)
            fail_msg("%s", bad[i]);
        assert_true(err.msg[0] && !strchr(err.msg, '\n'));
        assert_int_equal(cmat_env_score(env, &score, NULL), CMAT_ERR_STATE);
        cmat_task_clear(&t);
        json_decref(j);
        cmat_obs_clear(&obs);
    }
    cmat_env_close(env);
}

/* ---- snapshots and facts ---- */

static void test_snapshots(void **unused)
{
    (void)unused;
    for (int s = 0; s < 2; s++) {
        cmat_env *env = open_env(styles[s]);
        cmat_task_list l = {0};
        make(0, 6, 21, &l);
        for (size_t i = 0; i < l.n; i++) {
            cmat_obs obs = {0}, again = {0};
            cmat_buf reply = {0};
            cmat_facts facts = {0};
            cmat_env_snapshot snap = {0};
            assert_int_equal(cmat_env_reset(env, &l.items[i], &obs, NULL), CMAT_OK);
            while (!env->done) {
                uint64_t before, after, back;
                cmat_buf_truncate(&reply, 0);
                assert_true(env->ops->oracle(env, &reply));
                assert_int_equal(cmat_env_hash(env, &before, NULL), CMAT_OK);
                assert_int_equal(cmat_env_dry_run(env, reply.data, &facts, NULL), CMAT_OK);
                assert_int_equal(cmat_env_hash(env, &after, NULL), CMAT_OK);
                assert_true(before == after); /* facts change nothing */
                assert_int_equal(cmat_env_snapshot_take(env, &snap, NULL), CMAT_OK);
                assert_int_equal(cmat_env_step(env, reply.data, &obs, NULL), CMAT_OK);
                assert_int_equal(cmat_env_hash(env, &after, NULL), CMAT_OK);
                assert_true(before != after);
                assert_int_equal(cmat_env_restore(env, &snap, NULL), CMAT_OK);
                assert_int_equal(cmat_env_hash(env, &back, NULL), CMAT_OK);
                assert_true(back == before);
                assert_int_equal(cmat_env_step(env, reply.data, &again, NULL), CMAT_OK);
                assert_string_equal(obs.text.data, again.text.data);
                assert_int_equal(cmat_env_hash(env, &back, NULL), CMAT_OK);
                assert_true(back == after);
            }
            assert_int_equal(env->ops->restore(env, "rubbish", 7, NULL), CMAT_ERR_STATE);
            cmat_env_snapshot_clear(&snap);
            cmat_facts_clear(&facts);
            cmat_buf_clear(&reply);
            cmat_obs_clear(&obs);
            cmat_obs_clear(&again);
        }
        cmat_task_list_clear(&l);
        cmat_env_close(env);
    }
}

/* ---- constraint ---- */

static void test_constraint(void **unused)
{
    (void)unused;
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    make(0, 1, 2, &l); /* a form */
    cmat_env *env = open_env(NULL);
    assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, NULL), CMAT_OK);
    assert_true(player_accepts(env, "CLICK 1") &&
                player_accepts(env, "Plan: first the name\nTYPE 2: Ada Ö \"x\""));
    assert_true(player_accepts(env, "TYPE 2: ") && player_accepts(env, "BACK"));
    assert_false(player_accepts(env, "CLICK 2")); /* a text field */
    assert_false(player_accepts(env, "CLICK 99") || player_accepts(env, "TYPE 1: x") ||
                 player_accepts(env, "Plan: x"));
    assert_false(player_accepts(env, "TYPE 2: a\nb") || player_accepts(env, "") ||
                 player_accepts(env, "MORE"));
    assert_true(is_listed(env, "TYPE 2: Ada") && is_listed(env, "BACK"));
    cmat_obs_clear(&obs);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),          cmocka_unit_test(test_tag_ends),
        cmocka_unit_test(test_caps),          cmocka_unit_test(test_tree),
        cmocka_unit_test(test_snapshot_page), cmocka_unit_test(test_view),
        cmocka_unit_test(test_replies),       cmocka_unit_test(test_oracle),
        cmocka_unit_test(test_gold),          cmocka_unit_test(test_recovers),
        cmocka_unit_test(test_generator),     cmocka_unit_test(test_dates),
        cmocka_unit_test(test_wrong_values),  cmocka_unit_test(test_broken_tasks),
        cmocka_unit_test(test_snapshots),     cmocka_unit_test(test_constraint)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
