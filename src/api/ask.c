/* ask.c - cmat_session_ask: one question to the agent of a database. */
#include "agent/scheduler.h"
#include "api/api.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "env/db/db.h"

#include <stdlib.h>
#include <string.h>

#define AT(m) offsetof(cmat_ask_options, m)
const cmat_option cmat_ask_option_table[] = {
    {"run", CMAT_OPT_STR, AT(run), NULL, 0, 0, NULL, "DIR",
     "the run whose adapters act (default: runs/ and the database's name)", 'r'},
    {"untuned", CMAT_OPT_BOOL, AT(untuned), NULL, 0, 0, NULL, NULL, "leave the adapters out", 0},
    {"rows", CMAT_OPT_INT, AT(rows), "20", 1, 1000, NULL, "N", "rows shown", 'n'},
    {"checker", CMAT_OPT_STR, AT(checker), NULL, 0, 0, NULL, "MODE",
     "off, facts, model or both (default: what did best in the run)", 0},
    {0},
};

static void keep_episode(void *user, const cmat_task *task, const cmat_episode_row *row)
{
    (void)task;
    *(json_t **)user = json_deep_copy(row->json);
}

/* The statement of the reply that ended the episode, or NULL; the caller's to free(). */
static char *statement_of(const char *reply)
{
    static const char *const marks[] = {"Final:", "SQL:"};

    for (size_t i = 0; reply && i < 2; i++) {
        const char *s = strstr(reply, marks[i]);
        if (s) {
            s += strlen(marks[i]);
            s += strspn(s, " \n");
            size_t n = strlen(s);
            while (n && strchr(" \n;", s[n - 1]))
                n--;
            return cmat_xstrndup(s, n);
        }
    }
    return NULL;
}

static json_t *last_attempt(const json_t *episode)
{
    json_t *steps = json_object_get(episode, "steps");
    json_t *step = json_array_get(steps, json_array_size(steps) - 1);
    json_t *attempts = json_object_get(step, "attempts");
    return json_array_get(attempts, json_array_size(attempts) - 1);
}

static json_t *value_json(const db_value *v)
{
    switch (v->type) {
    case DB_VALUE_INT:
        return json_integer(v->i);
    case DB_VALUE_REAL:
        return json_real(v->d);
    case DB_VALUE_TEXT:
        return cmat_json_text(v->text, v->len);
    default:
        return json_null();
    }
}

/* A connection for one statement that changes nothing lasting. */
static cmat_status connect_once(const char *path, size_t max_rows, db_world **world, db_conn **conn,
                                cmat_error *err)
{
    db_conn_options co = {.max_rows = max_rows};
    db_image *image = NULL;
    cmat_status st;

    if (db_is_url(path)) {
        st = db_world_open(world, path, err);
        return st == CMAT_OK ? db_world_connect(*world, conn, &co, err) : st;
    }
    st = db_image_open(&image, path, 0, err);
    if (st == CMAT_OK)
        st = db_conn_open(conn, image, &co, err);
    db_image_unref(image);
    return st;
}

/* Runs the statement on a private copy: {"columns": [...], "rows": [[...]], "changed": n} or
 * {"error": "..."}. */
static cmat_status run_statement(const char *path, const char *sql, size_t max_rows, json_t **out,
                                 cmat_error *err)
{
    db_world *world = NULL;
    db_conn *conn = NULL;
    db_result r = {0};
    json_t *columns = json_array(), *rows = json_array();
    cmat_status st = connect_once(path, max_rows, &world, &conn, err);

    if (st == CMAT_OK)
        st = db_conn_run(conn, sql, &r, err);
    for (int c = 0; c < r.n_columns; c++)
        json_array_append_new(columns, cmat_json_text(r.columns[c], strlen(r.columns[c])));
    for (size_t i = 0; i < r.n_rows; i++) {
        json_t *row = json_array();
        for (int c = 0; c < r.n_columns; c++)
            json_array_append_new(row, value_json(&r.rows[i * (size_t)r.n_columns + (size_t)c]));
        json_array_append_new(rows, row);
    }
    *out = json_pack("{s:o, s:o, s:b, s:b, s:I}", "columns", columns, "rows", rows, "more",
                     (int)r.more, "writes", (int)r.writes, "changed", (json_int_t)r.changed);
    if (st == CMAT_OK && !r.ok)
        json_object_set_new(*out, "error", cmat_json_text(r.error, strlen(r.error)));
    db_result_clear(&r);
    db_conn_close(conn);
    db_world_unref(world);
    return st;
}

/* What a person asked for, in a line: one value, a list, or how many rows. */
static void answer_line(const json_t *result, cmat_buf *b)
{
    const json_t *rows = json_object_get(result, "rows");
    size_t n = json_array_size(rows),
           n_columns = json_array_size(json_object_get(result, "columns"));

    if (json_is_true(json_object_get(result, "writes"))) {
        long long changed = (long long)json_integer_value(json_object_get(result, "changed"));
        cmat_buf_printf(b, "%lld row%s would change", changed, changed == 1 ? "" : "s");
        return;
    }
    if (!n) {
        cmat_buf_puts(b, "nothing fits");
        return;
    }
    for (size_t i = 0; i < n && i < 10; i++) {
        if (i)
            cmat_buf_puts(b, "; ");
        for (size_t c = 0; c < n_columns; c++) {
            char *s = cmat_json_plain(json_array_get(json_array_get(rows, i), c));
            cmat_buf_printf(b, "%s%s", c ? ", " : "", s);
            free(s);
        }
    }
    if (n > 10 || json_is_true(json_object_get(result, "more")))
        cmat_buf_puts(b, "; ...");
}

static const char *checker_said(const json_t *attempt, cmat_buf *b)
{
    const json_t *facts = json_object_get(attempt, "facts"),
                 *checker = json_object_get(attempt, "checker");
    const char *text = cmat_json_str(facts, "text", ""),
               *reply = cmat_json_str(checker, "reply", NULL);

    if (reply)
        cmat_buf_printf(b, "%s", reply);
    if (*text)
        cmat_buf_printf(b, "%s%s", b->len ? "; " : "", text);
    for (size_t i = 0; i < b->len; i++)
        if (b->data[i] == '\n')
            b->data[i] = i + 1 < b->len ? ';' : ' ';
    return b->len ? b->data : "off";
}

/* Loads the adapters that the run shipped; without a run the base acts, and says so. */
static cmat_status load_roles(const cmat_ask_options *o, const char *run, cmat_model *m,
                              cmat_adapter **actor, cmat_adapter **checker, cmat_error *err)
{
    char *actor_dir = cmat_path_join(run, "adapters/actor"),
         *checker_dir = cmat_path_join(run, "adapters/checker");
    cmat_status st = CMAT_OK;

    if (o->untuned)
        ;
    else if (!cmat_path_is_dir(actor_dir))
        cmat_warn("no tuned agent under %s: the untuned model answers (`cmat evolve` makes one)",
                  run);
    else {
        st = cmat_adapter_load(actor, m, actor_dir, err);
        if (st == CMAT_OK && cmat_path_is_dir(checker_dir))
            st = cmat_adapter_load(checker, m, checker_dir, err);
    }
    free(actor_dir);
    free(checker_dir);
    return st;
}

/* How the run's agent acts: its agent.json, where there is one, then what this call says. */
static cmat_status load_agent(const cmat_ask_options *o, const char *run, cmat_agent_options *agent,
                              cmat_error *err)
{
    char *path = cmat_path_join(run, "agent.json");
    json_t *j = NULL;
    cmat_status st = cmat_options_init(cmat_agent_option_table, agent, err);

    if (st == CMAT_OK && !o->untuned && cmat_path_exists(path)) {
        j = cmat_json_load(path, err);
        st = j ? cmat_options_from_json(cmat_agent_option_table, agent, j, path, err)
               : CMAT_ERR_FORMAT;
    }
    if (st == CMAT_OK && o->checker)
        st = cmat_options_set(cmat_agent_option_table, agent, "checker", o->checker, "--", err);
    agent->samples = 1;
    agent->record_facts = true;
    json_decref(j);
    free(path);
    return st;
}

static cmat_status run_episode(cmat_llm *llm, const cmat_agent_options *agent, const char *database,
                               const char *question, json_t **episode, cmat_error *err)
{
    cmat_task_list tasks = {0};
    cmat_task task = {0};
    cmat_run_config rc = {.env = "db",
                          .env_opts = {.path = database},
                          .llm = llm,
                          .phase = "ask",
                          .opts = *agent,
                          .on_episode = keep_episode,
                          .user = episode};
    json_t *description = json_pack("{s:s, s:s, s:s, s:o}", "id", "ask", "env", "db", "kind", "ask",
                                    "instruction", cmat_json_text(question, strlen(question)));
    cmat_status st = cmat_task_init(&task, description, err);

    json_decref(description);
    if (st != CMAT_OK)
        return st;
    cmat_task_list_add(&tasks, task);
    st = cmat_agent_run(&rc, &tasks, NULL, err);
    if (st == CMAT_OK && !*episode)
        st = cmat_fail(err, CMAT_ERR_STATE, "the episode gave no result");
    cmat_task_list_clear(&tasks);
    return st;
}

/* What the caller gets, from the episode: its statement is run once more, for its rows. */
static cmat_status describe(const cmat_ask_options *o, const char *database, json_t *episode,
                            char **out, cmat_error *err)
{
    const json_t *attempt = last_attempt(episode);
    const char *reply = cmat_json_str(attempt, "reply", NULL);
    char *sql = statement_of(reply);
    json_t *result = NULL;
    cmat_buf checker = {0}, answer = {0};
    cmat_status st = CMAT_OK;

    if (sql)
        st = run_statement(database, sql, (size_t)o->rows, &result, err);
    if (st == CMAT_OK) {
        if (result && !json_object_get(result, "error"))
            answer_line(result, &answer);
        cmat_api_result(json_pack("{s:s?, s:s?, s:s, s:O?, s:s, s:O}", "sql", sql, "reply", reply,
                                  "checker", checker_said(attempt, &checker), "result", result,
                                  "answer", cmat_buf_str(&answer), "episode", episode),
                        out);
    }
    cmat_buf_clear(&checker);
    cmat_buf_clear(&answer);
    json_decref(result);
    free(sql);
    return st;
}

static cmat_status ask(cmat_session *s, const cmat_ask_options *o, const char *database,
                       const char *question, char **result, cmat_error *err)
{
    char *run = o->run ? cmat_xstrdup(o->run) : cmat_api_default_run(database);
    cmat_engine_options eo = {.n_seqs = 4, .n_ctx = (int)s->opts.n_ctx};
    cmat_adapter *actor = NULL, *checker = NULL;
    cmat_engine *engine = NULL;
    cmat_llm *llm = NULL;
    cmat_agent_options agent;
    json_t *episode = NULL;
    cmat_status st;

    if ((st = load_agent(o, run, &agent, err)) != CMAT_OK ||
        (st = load_roles(o, run, s->model, &actor, &checker, err)) != CMAT_OK ||
        (st = cmat_engine_new(&engine, s->model, &eo, err)) != CMAT_OK ||
        (st = cmat_llm_local_new(&llm, engine, s->model, err)) != CMAT_OK)
        goto done;
    cmat_llm_local_set_adapter(llm, CMAT_ROLE_ACTOR, actor ? actor : s->adapter);
    cmat_llm_local_set_adapter(llm, CMAT_ROLE_CHECKER, checker);
    if ((st = run_episode(llm, &agent, database, question, &episode, err)) == CMAT_OK)
        st = describe(o, database, episode, result, err);
done:
    json_decref(episode);
    cmat_llm_free(llm);
    cmat_engine_free(engine);
    cmat_adapter_free(actor);
    cmat_adapter_free(checker);
    free(run);
    return st;
}

cmat_status cmat_session_ask(cmat_session *s, const char *database, const char *question,
                             const char *options, char **result, cmat_error *err)
{
    cmat_ask_options o;
    cmat_status st;

    if ((st = cmat_api_find_database(database, err)) != CMAT_OK)
        return st;
    if ((st = cmat_api_options(cmat_ask_option_table, &o, options, err)) != CMAT_OK)
        return st;
    st = ask(s, &o, database, question, result, err);
    cmat_options_clear(cmat_ask_option_table, &o);
    return st;
}

cmat_status cmat_database_apply(const char *database, const char *sql,
                                bool (*confirm)(void *user, const char *sql, int64_t changed),
                                void *user, int64_t *changed, cmat_error *err)
{
    db_apply_options o = {.confirm = confirm, .user = user};
    int64_t n = 0;
    cmat_status st = CMAT_OK;

    if (db_is_url(database))
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                       "%s: a server's data is only read: run the statement there yourself",
                       database);
    else
        st = db_apply(database, sql, &o, &n, err);
    if (changed)
        *changed = n;
    return st;
}
