/* test_agent_db.c - the agent over the real database environment: what the Checker says of real
 * SQL, worked answers as rows, and that these rows are within what the Actor is allowed to write.
 */
#include "agent/harvest.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "fake_env.h"
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A small database with something to ask about. */
static char *make_database(const char *dir)
{
    char *path = cmat_path_join(dir, "pets.sqlite");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    cmat_buf sql = {0};
    cmat_buf_puts(&sql,
                  "BEGIN; CREATE TABLE owners(id INTEGER PRIMARY KEY, name TEXT, city TEXT);"
                  "CREATE TABLE pets(id INTEGER PRIMARY KEY, owner_id INTEGER REFERENCES "
                  "owners(id), name TEXT,"
                  " species TEXT, weight REAL, born TEXT);");
    static const char *const species[] = {"cat", "dog", "parrot", "hamster"};
    static const char *const cities[] = {"Lyon", "Porto", "Graz", "Cork", "Turku"};
    for (int i = 1; i <= 40; i++)
        cmat_buf_printf(&sql, "INSERT INTO owners VALUES(%d, 'Owner %c%d', '%s');", i, 'A' + i % 26,
                        i, cities[i % 5]);
    for (int i = 1; i <= 160; i++)
        cmat_buf_printf(
            &sql, "INSERT INTO pets VALUES(%d, %d, 'Pet %d', '%s', %d.5, '20%02d-%02d-11');", i,
            1 + i * 7 % 40, i, species[i * i % 4 ? i % 4 : 0], 2 + i % 37, 10 + i % 12, 1 + i % 12);
    cmat_buf_puts(&sql, "COMMIT;");
    assert_int_equal(sqlite3_exec(db, sql.data, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    cmat_buf_clear(&sql);
    return path;
}

typedef struct {
    int n;          /* requests */
    int n_refused;  /* oracle's replies that the constraint does not take */
    bool objection; /* the second prompt named the wrong column */
    cmat_task_list tasks;
    char *path, *dir;
} world;

static bool allowed(const cmat_acceptor *a, const char *text)
{
    _Alignas(16) unsigned char st[CMAT_ACCEPTOR_STATE_MAX] = {0};
    a->ops->start(a, st);
    for (const char *p = text; *p; p++)
        if (!a->ops->step(a, st, (uint8_t)*p))
            return false;
    return a->ops->done(a, st);
}

/* First a column that is not there, then what the oracle says. */
static char *answer(void *user, const cmat_llm_request *req)
{
    world *w = user;
    cmat_env *env = cmat_episode_env(req->tag);
    const size_t n = json_array_size(req->messages);
    w->n++;
    if (n == 2)
        return cmat_xstrdup("Final: SELECT no_such_column FROM pets");
    const char *last = cmat_json_str(json_array_get(req->messages, n - 1), "content", "");
    w->objection = w->objection || strstr(last, "no_such_column");
    cmat_buf out = {0};
    cmat_buf_puts(&out, "");
    env->ops->oracle(env, &out);
    assert_false(req->constraint && allowed(req->constraint, "I do not know."));
    if (!req->constraint || !allowed(req->constraint, out.data)) {
        print_message("not allowed: %s\n", out.data);
        w->n_refused++;
    }
    return cmat_buf_detach(&out);
}

static int set_up(void **state)
{
    world *w = cmat_xcalloc(1, sizeof *w);
    cmat_env *env;
    cmat_error err = {0};
    w->dir = fake_temp_dir();
    w->path = make_database(w->dir);
    const cmat_env_options o = {.path = w->path};
    if (cmat_env_open(&env, "db", &o, &err) != CMAT_OK ||
        env->ops->generate(env, 0, 25, 3, &w->tasks, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    cmat_env_close(env);
    assert_true(w->tasks.n >= 10);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    cmat_task_list_clear(&w->tasks);
    unlink(w->path);
    rmdir(w->dir);
    free(w->path);
    free(w->dir);
    free(w);
    return 0;
}

static cmat_run_config config_for(const world *w)
{
    cmat_run_config c = CMAT_RUN_CONFIG_DEFAULT;
    c.env = "db";
    c.env_opts.path = w->path;
    c.opts.concurrency = 6;
    return c;
}

/* Every task is right after the first, impossible action was sent back for its unknown column. */
static void test_facts_of_real_sql(void **state)
{
    world *w = *state;
    cmat_run_config c = config_for(w);
    cmat_run_stats stats;
    cmat_error err;
    c.llm = cmat_llm_scripted_new(answer, w);
    cmat_llm_scripted_set_n_ctx(c.llm, 1 << 16);
    if (cmat_agent_run(&c, &w->tasks, &stats, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(stats.n_run, w->tasks.n);
    assert_int_equal(stats.n_right, w->tasks.n);
    assert_true(w->objection);
    assert_int_equal(w->n_refused, 0);
    assert_true(w->n >= 2 * (int)w->tasks.n);
    cmat_llm_free(c.llm);
}

static void test_gold_rows(void **state)
{
    world *w = *state;
    const cmat_run_config c = config_for(w);
    const cmat_harvest_options o = CMAT_HARVEST_OPTIONS_DEFAULT;
    cmat_dataset actor = {0}, checker = {0};
    cmat_harvest_counts counts = {0};
    cmat_error err;
    if (cmat_harvest_gold(&c, &w->tasks, NULL, NULL, 0, &o, &actor, &checker, &counts, &err) !=
        CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(actor.n, w->tasks.n);
    assert_true(checker.n >= w->tasks.n);
    for (size_t i = 0; i < actor.n; i++) {
        const json_t *m = actor.items[i].messages;
        assert_non_null(strstr(cmat_json_str(json_array_get(m, 0), "content", ""), "species"));
        assert_string_equal(cmat_json_str(json_array_get(m, json_array_size(m) - 1), "role", ""),
                            "assistant");
        /* all rows share the system prompt, which training and the cache make use of */
        assert_string_equal(
            cmat_json_str(json_array_get(m, 0), "content", ""),
            cmat_json_str(json_array_get(actor.items[0].messages, 0), "content", ""));
    }
    cmat_dataset_clear(&actor);
    cmat_dataset_clear(&checker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_facts_of_real_sql),
                                       cmocka_unit_test(test_gold_rows)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
