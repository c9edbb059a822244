/* tests/test_practice.c - practice at scale: questions made from single tables and searched for,
 * slips with the reasons that they are sent back with, lessons in rows, splits by page. */
#include "agent/harvest.h"
#include "agent/lesson_pool.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/db/db.h"
#include "env/db/env.h"
#include "env/db/splits.h"
#include "env/db/wiki.h"
#include "env/db/wiki_impl.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *temp_path(void)
{
    char *path = cmat_xstrdup("/tmp/cmat-test-practice-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return path;
}

static void drop(char *path)
{
    unlink(path);
    free(path);
}

static void write_text(const char *path, const char *text)
{
    assert_int_equal(cmat_write_file(path, text, strlen(text), NULL), CMAT_OK);
}

static const char riders[] =
    "{\"table\": \"t/1.csv\", \"columns\": [\"Rider\", \"Team\", \"Points\", \"Crowd\", \"Date\"], "
    "\"rows\": ["
    "[\"Ana Lima\", \"Norte\", \"25\", \"9,800\", \"March 2, 2010\"], "
    "[\"Bo Berg\", \"Sud\", \"20\", \"12,450\", \"March 9, 2010\"], "
    "[\"Zoe O'Neil\", \"Norte\", \"16\", \"700\", \"April 4, 2010\"], "
    "[\"Rui Sa\", \"Sud\", \"13\", \"3,000\", \"April 11, 2010\"], "
    "[\"Kim Oh\", \"Norte\", \"11\", \"15,000\", \"May 1, 2010\"]]}\n";

static void make(const char *questions, const db_wiki_options *o, cmat_task_list *l)
{
    char *q = temp_path(), *t = temp_path();
    cmat_error err;
    write_text(q, questions);
    write_text(t, riders);
    if (db_wiki_tasks(q, t, o, l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    drop(q);
    drop(t);
}

static const cmat_task *find(const cmat_task_list *l, const char *question)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].instruction, question) == 0)
            return &l->items[i];
    return NULL;
}

static const char *sql_of(const cmat_task_list *l, const char *question)
{
    const cmat_task *t = find(l, question);
    return t ? cmat_json_str(t->json, "sql", "") : "none";
}

/* SQL for questions whose answer alone is known; what no candidate says is passed over. */
static void test_search(void **state)
{
    (void)state;
    cmat_task_list l = {0};
    const db_wiki_options o = {.n_select = 100, .split = -1};
    make(
        "{\"question\": \"how many riders are from norte?\", \"table\": \"t/1.csv\", \"answer\": "
        "[\"3\"]}\n"
        "{\"question\": \"which rider had the most points?\", \"table\": \"t/1.csv\", \"answer\": "
        "[\"Ana Lima\"]}\n"
        "{\"question\": \"what was the largest crowd?\", \"table\": \"t/1.csv\", \"answer\": "
        "[\"15,000\"]}\n"
        "{\"question\": \"what team did bo berg ride for?\", \"table\": \"t/1.csv\", \"answer\": "
        "[\"Sud\"]}\n"
        "{\"question\": \"how many more points did ana lima have than rui sa?\", \"table\": "
        "\"t/1.csv\", \"answer\": [\"12\"]}\n"
        "{\"question\": \"who has more points, bo berg or kim oh?\", \"table\": \"t/1.csv\", "
        "\"answer\": [\"Bo Berg\"]}\n"
        "{\"question\": \"how many races were in april?\", \"table\": \"t/1.csv\", \"answer\": "
        "[\"2\"]}\n"
        "{\"question\": \"who came before rui sa?\", \"table\": \"t/1.csv\", \"answer\": [\"Zoe "
        "O'Neil\"]}\n"
        "{\"question\": \"what team did kim oh ride for?\", \"table\": \"t/1.csv\", \"answer\": "
        "[\"Sud\"]}\n",
        &o, &l);
    assert_int_equal(l.n, 7);
    assert_non_null(strstr(sql_of(&l, "how many riders are from norte?"), "COUNT(*)"));
    assert_non_null(
        strstr(sql_of(&l, "which rider had the most points?"), "ORDER BY Points + 0 DESC"));
    assert_non_null(
        strstr(sql_of(&l, "what was the largest crowd?"), "MAX(REPLACE(Crowd, ',', '') + 0)"));
    assert_non_null(
        strstr(sql_of(&l, "what team did bo berg ride for?"), "WHERE Rider = 'Bo Berg'"));
    assert_non_null(
        strstr(sql_of(&l, "how many more points did ana lima have than rui sa?"), ") - ("));
    assert_non_null(strstr(sql_of(&l, "how many races were in april?"), "LIKE '%April%'"));
    assert_null(find(&l, "who came before rui sa?"));
    assert_null(find(&l, "what team did kim oh ride for?")); /* its answer is wrong */
    cmat_task_list_clear(&l);
}

static int doubled(const char *s)
{
    return strstr(s, "  ") || strstr(s, "{") || strstr(s, "[") || strstr(s, "a(n)") ||
           strstr(s, "with with") || strstr(s, "the the ") || strstr(s, "is is ");
}

/* Every made question reads as a sentence, and its SQL gives its answer on its table. */
static void test_ask(void **state)
{
    (void)state;
    cmat_task_list l = {0};
    cmat_error err;
    const db_wiki_options o = {
        .n_ask = 300, .n_insert = 60, .n_update = 60, .seed = 5, .split = -1};
    make("", &o, &l);
    assert_true(l.n > 150);
    json_t *kinds = json_object();
    for (size_t i = 0; i < l.n; i++) {
        const json_t *j = l.items[i].json;
        db_world *w = NULL;
        db_conn *c = NULL;
        db_result r = {0};
        db_conn_options co = {.timeout = 2, .max_rows = 100, .mysql = true, .max_columns = 14};
        if (doubled(l.items[i].instruction))
            fail_msg("clumsy: %s", l.items[i].instruction);
        assert_int_equal(db_world_inline(&w, json_object_get(j, "table"), true, NULL, &err),
                         CMAT_OK);
        assert_int_equal(db_conn_open(&c, w->image, &co, &err), CMAT_OK);
        assert_int_equal(db_conn_run(c, cmat_json_str(j, "sql", ""), &r, &err), CMAT_OK);
        assert_true(r.ok);
        if (cmat_json_bool(j, "writes", false))
            assert_true(r.changed >= 1);
        else
            assert_true(r.n_rows >= 1 && json_array_size(json_object_get(j, "answer")) > 0);
        json_object_set_new(kinds, l.items[i].kind, json_true());
        db_result_clear(&r);
        db_conn_close(c);
        db_world_unref(w);
    }
    const char *const wanted[] = {"counting", "ranking", "other", "comparison", "INSERT", "UPDATE"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_non_null(json_object_get(kinds, wanted[i]));
    json_decref(kinds);
    cmat_task_list_clear(&l);
}

static void test_words(void **state)
{
    (void)state;
    wiki w = {0};
    cmat_rng_init(&w.rng, 1);
    assert_string_equal(wiki_lower(&w, "Home Team"), "home team");
    assert_string_equal(wiki_lower(&w, "W-L-T"), "W-L-T");
    assert_string_equal(wiki_lower(&w, "US viewers"), "US viewers");
    for (int i = 0; i < 50; i++) {
        const char *s = wiki_clause(&w, "Date", "8 March 2007", false);
        assert_non_null(strstr(s, "8 March 2007"));
        assert_non_null(strstr(wiki_noun(&w, "Wins", "5", true), "5"));
        s = wiki_clause(&w, "Total number emigrated or removed", "12,000", true);
        assert_non_null(cmat_text_find(s, "total number emigrated or removed"));
    }
    cmat_arena_clear(&w.arena);
}

/* What is told of a new row, without a word such as "insert", names nobody whom a row has: that
 * would be a change. */
static void test_told(void **state)
{
    (void)state;
    cmat_task_list l = {0};
    const db_wiki_options o = {.n_insert = 500, .seed = 8, .split = -1};
    static const char *const names[] = {"Ana Lima", "Bo Berg", "Zoe O'Neil", "Rui Sa", "Kim Oh"};
    size_t n_told = 0;
    make("", &o, &l);
    for (size_t i = 0; i < l.n; i++) {
        const char *q = l.items[i].instruction, *sql = cmat_json_str(l.items[i].json, "sql", "");
        if (strstr(sql, "(Rider") && cmat_text_find(q, " is listed ")) {
            n_told++;
            for (size_t k = 0; k < 5; k++)
                assert_null(strstr(sql, names[k]));
        }
    }
    assert_true(n_told > 3);
    cmat_task_list_clear(&l);
}

/* Tables of one page fall into one split, and splits are about as large as they should be. */
static void test_page_splits(void **state)
{
    (void)state;
    int n[3] = {0};
    char id[40], other[40];
    for (int page = 0; page < 2000; page++) {
        snprintf(id, sizeof id, "2-%d-1", 10000000 + 37 * page);
        snprintf(other, sizeof other, "1-%d-14", 10000000 + 37 * page);
        assert_int_equal(db_wiki_split(id), db_wiki_split(other));
        n[db_wiki_split(id)]++;
    }
    assert_true(n[DB_SPLIT_TRAIN] > 1800 && n[DB_SPLIT_VALIDATION] > 30 &&
                n[DB_SPLIT_HELD_OUT] > 30);
}

/* ---- rows ---- */

static void make_rows(const cmat_task_list *l, int slips, int lessons, cmat_dataset *actor,
                      cmat_dataset *checker)
{
    cmat_run_config c = {.env = "db"};
    cmat_harvest_options o = CMAT_HARVEST_OPTIONS_DEFAULT;
    cmat_error err;
    o.slips = slips;
    o.lessons = lessons;
    assert_int_equal(cmat_options_init(cmat_agent_option_table, &c.opts, &err), CMAT_OK);
    if (cmat_harvest_gold(&c, l, NULL, NULL, -1, &o, actor, checker, NULL, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
}

static const json_t *message(const cmat_row *r, size_t i)
{
    return json_array_get(r->messages, i);
}

/* Each row that begins with a slip has the reason that a dry run of this slip really gives, learns
 * only the last reply, and that is not the slip. */
static void test_slips(void **state)
{
    (void)state;
    cmat_task_list l = {0};
    cmat_dataset actor = {0}, checker = {0};
    const db_wiki_options o = {.n_ask = 80, .n_insert = 30, .n_update = 30, .seed = 6, .split = -1};
    size_t n_repairs = 0, n_accept = 0, n_reject = 0;
    make("", &o, &l);
    make_rows(&l, 100, 0, &actor, &checker);
    cmat_env *env = NULL;
    cmat_env_options eo = {.style = "short"};
    assert_int_equal(cmat_env_open(&env, "db", &eo, NULL), CMAT_OK);
    for (size_t i = 0; i < actor.n; i++) {
        const cmat_row *r = &actor.items[i];
        if (strcmp(cmat_json_str(r->extra, "source", ""), "repair") != 0)
            continue;
        n_repairs++;
        assert_int_equal(json_array_size(r->messages), 5);
        const char *slip = cmat_json_str(message(r, 2), "content", ""),
                   *objection = cmat_json_str(message(r, 3), "content", ""),
                   *right = cmat_json_str(message(r, 4), "content", "");
        assert_string_not_equal(slip, right);
        assert_true(json_number_value(json_object_get(message(r, 2), "weight")) == 0);
        assert_null(json_object_get(message(r, 4), "weight"));
        assert_non_null(strstr(objection, "The Checker did not let this action through: "));
        const char *task_id = cmat_json_str(r->extra, "task", "");
        for (size_t k = 0; k < l.n; k++) {
            if (strcmp(l.items[k].id, task_id) != 0)
                continue;
            cmat_obs obs = {0};
            cmat_facts facts = {0};
            assert_int_equal(cmat_env_reset(env, &l.items[k], &obs, NULL), CMAT_OK);
            assert_int_equal(cmat_env_dry_run(env, slip, &facts, NULL), CMAT_OK);
            assert_true(facts.verdict != CMAT_FACT_OK);
            const char *p = strstr(facts.text.data, ": ");
            char said[24];
            snprintf(said, sizeof said, "%.20s", p ? p + 2 : facts.text.data);
            assert_non_null(strstr(objection, said));
            cmat_facts_clear(&facts);
            cmat_obs_clear(&obs);
            break;
        }
    }
    assert_true(n_repairs > 15);
    for (size_t i = 0; i < checker.n; i++) {
        const char *verdict = cmat_json_str(message(&checker.items[i], 2), "content", "");
        n_accept += strcmp(verdict, "accept") == 0;
        n_reject += strncmp(verdict, "reject: ", 8) == 0;
    }
    assert_true(n_accept > 20);
    assert_int_equal(n_accept, n_reject);
    assert_int_equal(n_accept + n_reject, checker.n);
    cmat_env_close(env);
    cmat_dataset_clear(&actor);
    cmat_dataset_clear(&checker);
    cmat_task_list_clear(&l);
}

/* About the wanted share of rows shows lessons, as the prompt puts them, and none its own answer.
 */
static void test_lessons(void **state)
{
    (void)state;
    cmat_task_list l = {0};
    cmat_dataset with = {0}, without = {0};
    const db_wiki_options o = {.n_ask = 100, .seed = 7, .split = -1};
    size_t n = 0;
    make("", &o, &l);
    make_rows(&l, 30, 50, &with, NULL);
    make_rows(&l, 0, 0, &without, NULL);
    for (size_t i = 0; i < with.n; i++) {
        const char *task = cmat_json_str(message(&with.items[i], 1), "content", "");
        const bool lesson = strncmp(task, "Lesson from a similar task (", 28) == 0,
                   example = strncmp(task, "A similar task: ", 16) == 0;
        assert_non_null(strstr(task, "Table: "));
        n += lesson || example;
        if (lesson || example) { /* the right statement stands nowhere above */
            const json_t *reply =
                message(&with.items[i], json_array_size(with.items[i].messages) - 1);
            const char *final = strstr(cmat_json_str(reply, "content", ""), "Final: ");
            assert_non_null(final);
            for (const char *p = task; (p = strstr(p, final + 7)); p++)
                assert_true(p[strlen(final + 7)] != '\n');
        }
    }
    assert_true(n * 10 > with.n * 3 && n * 10 < with.n * 7);
    for (size_t i = 0; i < without.n; i++)
        assert_int_equal(
            strncmp(cmat_json_str(message(&without.items[i], 1), "content", ""), "Table: ", 7), 0);
    cmat_dataset_clear(&with);
    cmat_dataset_clear(&without);
    cmat_task_list_clear(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),      cmocka_unit_test(test_ask),
        cmocka_unit_test(test_words),       cmocka_unit_test(test_told),
        cmocka_unit_test(test_page_splits), cmocka_unit_test(test_slips),
        cmocka_unit_test(test_lessons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
