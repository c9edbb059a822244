/* env/db/db.c - the database environment: prompts, episodes, actions. Scoring is in score.c, the
 * Checker's facts in facts.c. */
#include "env/db/db.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/db/env.h"
#include "env/db/render.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SHORT_STEPS = 6, AGENTBENCH_STEPS = 15, SHORT_BUDGET = 600 };

static const char short_rules[] =
    "You work with a database by SQL. Answer questions from it; change it when asked.\n"
    "You may think in one line first: Think: ...\n"
    "Then write exactly one action:\n"
    "SQL: <one statement> to run it and look at the result\n"
    "Final: <one statement> whose rows, or whose change, are the answer\n"
    "Answer: [\"...\"] to give the answer as a list\n";

static const char agentbench_rules[] =
    "You operate a MySQL database to answer a question or to carry out a change. Explain your "
    "thinking, then "
    "choose one of two actions in each round.\n"
    "To run a statement, write the line \"Action: Operation\" and then one SQL block with a single "
    "statement "
    "on one line:\n"
    "Action: Operation\n"
    "```sql\n"
    "SELECT * FROM table WHERE condition;\n"
    "```\n"
    "I run it and show you the result exactly as the database gives it; long results are cut. "
    "Write nothing "
    "after the block.\n"
    "When you know the answer, commit to it in this form:\n"
    "Action: Answer\n"
    "Final Answer: [\"ANSWER1\", \"ANSWER2\"]\n"
    "The list must be on one line and every answer must be as precise as it stands in the table. "
    "For a change "
    "(INSERT, DELETE, UPDATE) the answer may be anything once the change is done.\n";

/* ---- open and close ---- */

static void end_episode(db_env *e)
{
    db_conn_close(e->conn);
    e->conn = NULL;
    json_decref(e->task);
    e->task = NULL;
    json_decref(e->answer);
    e->answer = NULL;
    cmat_buf_clear(&e->question);
    cmat_buf_clear(&e->last_sql);
    e->answered = e->answer_rows = e->looked = e->thought = e->bare_ok = false;
    e->n_statements = 0;
}

/* Back to the world of the path, where there is one. */
static void drop_table(db_env *e)
{
    db_world_unref(e->world);
    e->world = e->home ? db_world_ref(e->home) : NULL;
    json_decref(e->table);
    e->table = NULL;
    e->inline_world = false;
}

static void db_close(cmat_env *env)
{
    db_env *e = (db_env *)env;
    end_episode(e);
    drop_table(e);
    db_world_unref(e->world);
    db_world_unref(e->home);
    free(e);
}

static bool same_path(const char *a, const char *b)
{
    return (!a && !b) || (a && b && !strcmp(a, b));
}

static cmat_status db_open(cmat_env **out, const cmat_env_options *opts, cmat_error *err)
{
    db_env *e = cmat_xcalloc(1, sizeof *e);
    e->base.opts = *opts;
    e->agentbench = cmat_env_is_agentbench(opts);
    if (e->base.opts.max_steps == 0)
        e->base.opts.max_steps = e->agentbench ? AGENTBENCH_STEPS : SHORT_STEPS;
    if (e->base.opts.obs_budget == 0)
        e->base.opts.obs_budget = SHORT_BUDGET;
    const db_env *like = (const db_env *)opts->like;
    cmat_status st = CMAT_OK;
    if (opts->path && like && same_path(like->base.opts.path, opts->path) && like->home)
        e->home = db_world_ref(like->home);
    else if (opts->path)
        st = db_world_open(&e->home, opts->path, err);
    if (st != CMAT_OK) {
        free(e);
        return st;
    }
    drop_table(e);
    *out = &e->base;
    return CMAT_OK;
}

const db_world *db_env_world(const cmat_env *env)
{
    return ((const db_env *)env)->world;
}

/* ---- reset ---- */

size_t db_env_n_gold(const db_env *e)
{
    const json_t *gold = json_object_get(e->task, "gold");
    return json_is_string(gold) ? 1 : json_array_size(gold);
}

const char *db_env_gold(const db_env *e, size_t i)
{
    const json_t *gold = json_object_get(e->task, "gold");
    return json_is_string(gold) ? json_string_value(gold)
                                : json_string_value(json_array_get(gold, i));
}

/* The task's own world, kept while the same table comes again (several samples of one task). Where
 * a server is open, it is made there. */
static cmat_status use_table(db_env *e, const json_t *table, bool mysql, cmat_error *err)
{
    db_server *server = e->home ? e->home->server : NULL;
    if (e->inline_world && e->table && e->world->mysql == mysql && json_equal(e->table, table))
        return CMAT_OK;
    if (e->home && !server)
        return cmat_fail(err, CMAT_ERR_ARG, "db: the task brings its own table, but %s is open",
                         e->base.opts.path);
    drop_table(e);
    db_world_unref(e->world);
    e->world = NULL;
    cmat_status st = db_world_inline(&e->world, table, mysql, server, err);
    e->inline_world = st == CMAT_OK;
    e->table = st == CMAT_OK ? json_incref((json_t *)table) : NULL;
    return st;
}

static cmat_status use_home(db_env *e, cmat_error *err)
{
    drop_table(e);
    if (!e->home)
        return cmat_fail(err, CMAT_ERR_ARG, "db: no database is open and the task brings no table");
    if (e->home->schema.n_tables == 0)
        return cmat_fail(err, CMAT_ERR_ARG, "db: %s: the database has no tables",
                         e->base.opts.path);
    return CMAT_OK;
}

static void first_view(db_env *e, cmat_buf *out)
{
    if (e->agentbench) {
        cmat_buf_puts(out, cmat_buf_str(&e->question));
        return;
    }
    if (e->inline_world) {
        db_schema_prompt_options o = DB_SCHEMA_PROMPT_DEFAULT;
        o.n_samples = 3;
        o.quote = e->quote;
        o.types = !e->benchmark;
        o.budget = 1500;
        cmat_buf_puts(out, "Table: ");
        db_schema_prompt(&e->world->schema, &o, out);
    }
    cmat_buf hints = {0};
    db_hints_options h = {.quote = e->quote};
    if (db_hints_add(&e->world->values, &e->world->schema, e->instruction, &h, &hints) > 0)
        cmat_buf_printf(out, "Found in the data:\n%s", hints.data);
    cmat_buf_clear(&hints);
    /* A benchmark's note repeats the table's name and headers, which stand above. */
    cmat_buf_printf(out, "Question: %s",
                    e->inline_world ? e->instruction : cmat_buf_str(&e->question));
}

static cmat_status db_reset(cmat_env *env, const cmat_task *task, cmat_obs *obs, cmat_error *err)
{
    db_env *e = (db_env *)env;
    end_episode(e);
    const json_t *table = json_object_get(task->json, "table");
    e->benchmark = cmat_json_bool(task->json, "mysql", false);
    cmat_status st = table ? use_table(e, table, e->benchmark, err) : use_home(e, err);
    if (st == CMAT_OK) {
        e->mysql = db_world_mysql(e->world, e->benchmark);
        e->quote = db_world_quote(e->world, e->benchmark);
        db_conn_options o = {.timeout = env->opts.step_timeout,
                             .mysql = e->benchmark,
                             .max_columns = e->world->schema.max_columns};
        st = db_world_connect(e->world, &e->conn, &o, err);
    }
    if (st != CMAT_OK)
        return cmat_fail_prefix(err, st, "task %s", task->id);
    e->task = json_incref(task->json);
    e->instruction = task->instruction;
    e->write_task = !strcmp(cmat_json_str(e->task, "type", "select"), "write");
    cmat_buf_puts(&e->question, task->instruction);
    const char *note = cmat_json_str(e->task, "note", "");
    if (*note)
        cmat_buf_printf(&e->question, "\n%s", note);
    first_view(e, &obs->text);
    return CMAT_OK;
}

static void db_prompt(cmat_env *env, cmat_buf *out)
{
    const db_env *e = (const db_env *)env;
    cmat_buf_puts(out, e->agentbench ? agentbench_rules : short_rules);
    if (!e->home || e->inline_world || e->home->schema.n_tables == 0)
        return;
    db_schema_prompt_options o = DB_SCHEMA_PROMPT_DEFAULT;
    o.quote = db_world_quote(e->home, false);
    if (e->home->server && !e->agentbench)
        cmat_buf_printf(
            out, "It is a database of %s: write its SQL. The month of a date d is %s.\n",
            db_server_name(e->home->server), db_flavour_month(db_world_flavour(e->home)));
    cmat_buf_puts(out, "Tables:\n");
    db_schema_prompt(&e->home->schema, &o, out);
}

/* ---- step ---- */

void db_env_action(const db_env *e, const char *reply, db_action *a)
{
    if (e->agentbench)
        db_reply_agentbench(reply, a);
    else
        db_reply_short(reply, a);
}

/* A reply that is little more than "OK", "Done." or "Sure": the paper's first kind of error. */
static bool is_bare_ok(const char *reply)
{
    static const char *const words[] = {"ok",  "okay",      "done",       "sure",
                                        "yes", "certainly", "understood", NULL};
    while (*reply && !isalpha((unsigned char)*reply))
        reply++;
    size_t n = 0;
    while (isalpha((unsigned char)reply[n]))
        n++;
    for (size_t i = 0; words[i]; i++)
        if (strlen(words[i]) == n && !strncasecmp(words[i], reply, n) && strlen(reply) < 200)
            return true;
    return false;
}

static void note_action(db_env *e, const char *reply, const db_action *a, const db_result *r)
{
    e->thought |= a->thought;
    if (a->type == DB_ACTION_NONE)
        e->bare_ok |= is_bare_ok(reply);
    if (a->type == DB_ACTION_SQL || a->type == DB_ACTION_FINAL) {
        cmat_buf_truncate(&e->last_sql, 0);
        cmat_buf_puts(&e->last_sql, cmat_buf_str(&a->sql));
        e->n_statements++;
        e->looked |= a->type == DB_ACTION_SQL && !r->writes;
    }
}

/* Rows as a benchmark's labels put them: one flat list, "none" for nothing. */
static json_t *benchmark_answer(const db_result *r)
{
    json_t *list = json_array();
    size_t n = r->n_rows * (size_t)r->n_columns;
    for (size_t i = 0; i < n; i++) {
        cmat_buf b = {0};
        if (r->rows[i].type == DB_VALUE_NULL)
            cmat_buf_puts(&b, "none");
        else
            db_value_text(&r->rows[i], &b);
        json_array_append_new(list, cmat_json_text(cmat_buf_str(&b), b.len));
        cmat_buf_clear(&b);
    }
    if (n == 0)
        json_array_append_new(list, json_string("none"));
    return list;
}

static cmat_status run_statement(db_env *e, const db_action *a, db_result *r, cmat_obs *obs,
                                 cmat_error *err)
{
    cmat_status st = db_conn_run(e->conn, cmat_buf_str(&a->sql), r, err);
    if (st != CMAT_OK)
        return st;
    obs->error = !r->ok;
    if (e->agentbench)
        db_render_python(r, &obs->text);
    else
        db_render_short(r, (size_t)e->base.opts.obs_budget, &obs->text);
    if (a->type == DB_ACTION_FINAL && r->ok) {
        obs->done = e->answered = true;
        e->answer_rows = r->n_columns > 0;
        e->answer = e->benchmark ? benchmark_answer(r) : db_result_answer(r);
    }
    return CMAT_OK;
}

static void give_answer(db_env *e, db_action *a, cmat_obs *obs)
{
    e->answer = a->answer;
    a->answer = NULL;
    e->answered = obs->done = true;
}

static void no_action(db_env *e, cmat_obs *obs)
{
    obs->error = obs->invalid_format = true;
    if (e->agentbench)
        obs->done = true; /* v0.2: validation failed */
    else
        cmat_buf_puts(&obs->text,
                      "error: no action. Write a line that begins with SQL:, Final: or Answer:");
}

static cmat_status db_step(cmat_env *env, const char *reply, cmat_obs *obs, cmat_error *err)
{
    db_env *e = (db_env *)env;
    db_action a;
    db_result r = {0};
    cmat_status st = CMAT_OK;
    db_env_action(e, reply, &a);
    if (a.type == DB_ACTION_SQL || a.type == DB_ACTION_FINAL)
        st = run_statement(e, &a, &r, obs, err);
    note_action(e, reply, &a, &r);
    if (a.type == DB_ACTION_ANSWER)
        give_answer(e, &a, obs);
    else if (a.type == DB_ACTION_NONE)
        no_action(e, obs);
    db_result_clear(&r);
    db_action_clear(&a);
    return st;
}

/* ---- oracle ---- */

static void agentbench_operation(const char *sql, cmat_buf *out)
{
    cmat_buf_puts(out, "I run the statement.\nAction: Operation\n```sql\n");
    for (; *sql; sql++)
        cmat_buf_putc(out, *sql == '\n' ? ' ' : *sql);
    cmat_buf_puts(out, "\n```");
}

/* The answer as a Python list: the task's own, or what the gold gives. */
static bool agentbench_answer(db_env *e, cmat_buf *out)
{
    json_t *answer = json_incref(json_object_get(e->task, "answer"));
    db_result r = {0};
    db_conn *c = NULL;
    if (!answer && !e->write_task && db_env_run_gold(e, &c, &r, NULL) == CMAT_OK)
        answer = db_result_answer(&r);
    db_conn_close(c);
    db_result_clear(&r);
    if (!answer && !e->write_task)
        return false;
    cmat_buf_puts(out, "I know the answer.\nAction: Answer\nFinal Answer: ");
    if (answer)
        cmat_json_print(out, answer);
    else
        cmat_buf_puts(out, "[\"done\"]");
    json_decref(answer);
    return true;
}

static bool db_oracle(cmat_env *env, cmat_buf *out)
{
    db_env *e = (db_env *)env;
    size_t n = e->task ? db_env_n_gold(e) : 0, at = (size_t)env->steps;
    const json_t *answer = json_object_get(e->task, "answer");
    const char *sql = at < n ? db_env_gold(e, at) : NULL;
    if (!sql && n > 0 && !e->write_task && !e->agentbench) /* reading too much has done no harm */
        sql = db_env_gold(e, n - 1);
    if (e->agentbench) {
        if (!sql)
            return n + json_array_size(answer) > 0 && agentbench_answer(e, out);
        agentbench_operation(sql, out);
        return true;
    }
    const char *think = cmat_json_str(e->task, "think", "");
    if (*think && at == 0)
        cmat_buf_printf(out, "Think: %s\n", think);
    if (sql) {
        cmat_buf_printf(out, "%s: %s", at + 1 < n ? "SQL" : "Final", sql);
        return true;
    }
    if (n > 0 || !json_is_array(answer))
        return false;
    cmat_buf_puts(out, "Answer: ");
    cmat_json_print(out, answer);
    return true;
}

/* ---- snapshots ---- */

/* The answer's length and text, then the database. What error_kind looks at is left out: it says
 * how one came here, not where one is. */
static cmat_status db_snapshot(cmat_env *env, cmat_buf *out, cmat_error *err)
{
    const db_env *e = (const db_env *)env;
    const size_t start = out->len;
    if (!e->conn)
        return cmat_fail(err, CMAT_ERR_STATE, "db: no task has been set");
    char *answer = e->answer ? json_dumps(e->answer, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    uint32_t head[3] = {answer ? (uint32_t)strlen(answer) : 0, e->answered, e->answer_rows};
    cmat_buf_add(out, head, sizeof head);
    cmat_buf_add(out, answer ? answer : "", head[0]);
    free(answer);
    cmat_status st = db_conn_save(e->conn, out, err);
    if (st != CMAT_OK)
        cmat_buf_truncate(out, start);
    return st;
}

static cmat_status db_restore(cmat_env *env, const void *state, size_t len, cmat_error *err)
{
    db_env *e = (db_env *)env;
    uint32_t head[3] = {0};
    const char *p = (const char *)state + sizeof head;
    if (e->conn && len >= sizeof head)
        memcpy(head, state, sizeof head);
    if (!e->conn || len < sizeof head || head[0] > len - sizeof head)
        return cmat_fail(err, CMAT_ERR_STATE, "db: the snapshot is of another task");
    cmat_status st = db_conn_load(e->conn, p + head[0], len - sizeof head - head[0], err);
    if (st != CMAT_OK)
        return st;
    json_decref(e->answer);
    e->answer = head[0] ? json_loadb(p, head[0], JSON_DECODE_ANY, NULL) : NULL;
    e->answered = head[1] != 0;
    e->answer_rows = head[2] != 0;
    return CMAT_OK;
}

/* ---- parts that plug in ---- */

static cmat_status db_generate_op(cmat_env *env, int split, size_t n, uint64_t seed,
                                  cmat_task_list *out, cmat_error *err)
{
    db_env *e = (db_env *)env;
    if (!e->home)
        return cmat_fail(err, CMAT_ERR_ARG, "db: tasks are made from a database; none is open");
    return db_generate(e->home, split, n, seed, out, err);
}

static cmat_status db_constraint_op(cmat_env *env, cmat_acceptor **out, cmat_error *err)
{
    db_env *e = (db_env *)env;
    *out = NULL;
    if (!e->world || !e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "db: no task has been set");
    db_constraint_input in = {.schema = &e->world->schema,
                              .values = &e->world->values,
                              .question = cmat_buf_str(&e->question),
                              .agentbench = e->agentbench,
                              .mysql = e->mysql,
                              .quote = e->quote,
                              .flavour = db_world_flavour(e->world)};
    return db_constraint(out, &in, err);
}

extern const cmat_env_ops cmat_env_db;
const cmat_env_ops cmat_env_db = {
    .name = "db",
    .summary = "an SQL database: answer questions, make changes",
    .world = "an SQLite file, or a server's database: mysql://..., postgresql://...",
    .open = db_open,
    .close = db_close,
    .generate = db_generate_op,
    .import = db_import,
    .reset = db_reset,
    .prompt = db_prompt,
    .step = db_step,
    .dry_run = db_env_dry_run,
    .constraint = db_constraint_op,
    .score = db_env_score,
    .oracle = db_oracle,
    .snapshot = db_snapshot,
    .restore = db_restore,
    .slip = db_env_slip,
    .error_kind = db_env_error_kind,
};
