/* cmd_ask.c - `cmat ask`: one question to the agent of a database. */
#include "agent/scheduler.h"
#include "cli/commands.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/db_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_common common;
    char *model, *run, *checker;
    int64_t rows;
    bool write, untuned, trace;
} ask_opts;

static const cmat_option options[] = {
    {"run", CMAT_OPT_STR, offsetof(ask_opts, run), NULL, 0, 0, NULL, "DIR",
     "the run whose adapters act (default: runs/ and the database's name)", 'r'},
    {"model", CMAT_OPT_STR, offsetof(ask_opts, model), NULL, 0, 0, NULL, "FILE",
     "model file or name", 'm'},
    {"untuned", CMAT_OPT_BOOL, offsetof(ask_opts, untuned), NULL, 0, 0, NULL, NULL,
     "leave the adapters out", 0},
    {"write", CMAT_OPT_BOOL, offsetof(ask_opts, write), NULL, 0, 0, NULL, NULL,
     "let a change reach the file, after you have said yes", 'w'},
    {"rows", CMAT_OPT_INT, offsetof(ask_opts, rows), "20", 1, 1000, NULL, "N", "rows shown", 'n'},
    {"trace", CMAT_OPT_BOOL, offsetof(ask_opts, trace), NULL, 0, 0, NULL, NULL,
     "show every step of the episode", 0},
    {"checker", CMAT_OPT_STR, offsetof(ask_opts, checker), NULL, 0, 0, NULL, "MODE",
     "off, facts, model or both (default: what did best in the run)", 0},
    CLI_COMMON_OPTIONS(ask_opts),
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

/* Runs the statement on a private copy: {"columns": [...], "rows": [[...]], "changed": n} or
 * {"error": "..."}. */
static cmat_status run_statement(const char *path, const char *sql, size_t max_rows, json_t **out,
                                 cmat_error *err)
{
    db_image *image = NULL;
    db_conn *conn = NULL;
    db_conn_options co = {.max_rows = max_rows};
    db_result r = {0};
    json_t *columns = json_array(), *rows = json_array();
    cmat_status st = db_image_open(&image, path, 0, err);

    if (st == CMAT_OK)
        st = db_conn_open(&conn, image, &co, err);
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
    db_image_unref(image);
    return st;
}

static void print_inert(const char *s, size_t n)
{
    cmat_buf b = {0};
    cmat_text_inert(&b, s, n);
    fputs(cmat_buf_str(&b), stdout);
    cmat_buf_clear(&b);
}

static char *cell_text(const json_t *v)
{
    if (json_is_string(v))
        return cmat_xstrdup(json_string_value(v));
    if (json_is_integer(v))
        return cmat_xasprintf("%lld", (long long)json_integer_value(v));
    if (json_is_real(v))
        return cmat_xasprintf("%.10g", json_real_value(v));
    return cmat_xstrdup("NULL");
}

static size_t display_width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void print_table(const json_t *result)
{
    enum { MAX_WIDTH = 40 };
    const json_t *columns = json_object_get(result, "columns"),
                 *rows = json_object_get(result, "rows");
    size_t n = json_array_size(columns), *width = cmat_xcalloc(n, sizeof *width);

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i <= json_array_size(rows); i++) {
            if (pass)
                fputs("  ", stdout);
            for (size_t c = 0; c < n; c++) {
                char *s = cell_text(i ? json_array_get(json_array_get(rows, i - 1), c)
                                      : json_array_get(columns, c));
                size_t w = display_width(s);
                if (pass) {
                    print_inert(s, strlen(s));
                    printf("%*s", c + 1 < n ? (int)(w < width[c] ? width[c] - w : 0) + 2 : 0, "");
                } else if (w > width[c]) {
                    width[c] = w > MAX_WIDTH ? MAX_WIDTH : w;
                }
                free(s);
            }
            if (pass)
                putchar('\n');
        }
    }
    if (json_is_true(json_object_get(result, "more")))
        puts("  ... more rows");
    free(width);
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
            char *s = cell_text(json_array_get(json_array_get(rows, i), c));
            cmat_buf_printf(b, "%s%s", c ? ", " : "", s);
            free(s);
        }
    }
    if (n > 10 || json_is_true(json_object_get(result, "more")))
        cmat_buf_puts(b, "; ...");
}

static bool confirm_change(void *user, const char *sql, int64_t changed)
{
    char question[64];
    (void)user;
    printf("%s\n", sql);
    fflush(stdout);
    snprintf(question, sizeof question, "This changes %lld row%s. Do it?", (long long)changed,
             changed == 1 ? "" : "s");
    return cli_confirm(question);
}

static cmat_status maybe_write(const ask_opts *o, const char *path, const char *sql,
                               const json_t *result, cmat_error *err)
{
    db_apply_options ao = {.confirm = confirm_change};
    int64_t changed = 0;
    cmat_status st;

    if (!json_is_true(json_object_get(result, "writes")) || json_object_get(result, "error"))
        return CMAT_OK;
    if (!o->write) {
        fputs("Nothing was written; with --write it would be, after asking you.\n", stderr);
        return CMAT_OK;
    }
    st = db_apply(path, sql, &ao, &changed, err);
    if (st == CMAT_ERR_CANCELLED) {
        fputs("Left as it was.\n", stderr);
        return CMAT_OK;
    }
    if (st == CMAT_OK)
        fprintf(stderr, "Done: %lld row%s changed.\n", (long long)changed, changed == 1 ? "" : "s");
    return st;
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

static cmat_status show(const ask_opts *o, const char *path, const json_t *episode, cmat_error *err)
{
    const json_t *attempt = last_attempt(episode);
    char *sql = statement_of(cmat_json_str(attempt, "reply", NULL));
    json_t *result = NULL;
    cmat_buf checker = {0}, answer = {0};
    cmat_status st = CMAT_OK;

    if (sql)
        st = run_statement(path, sql, (size_t)o->rows, &result, err);
    if (st != CMAT_OK)
        goto done;
    if (result && !json_object_get(result, "error"))
        answer_line(result, &answer);
    if (o->common.json) {
        json_t *j = json_pack("{s:s?, s:s, s:O?, s:s, s:O}", "sql", sql, "checker",
                              checker_said(attempt, &checker), "result", result, "answer",
                              cmat_buf_str(&answer), "episode", episode);
        cli_print_json(j);
        json_decref(j);
    } else if (!sql) {
        puts("The agent wrote no statement. Its last words:");
        print_inert(cmat_json_str(attempt, "reply", ""),
                    strlen(cmat_json_str(attempt, "reply", "")));
        putchar('\n');
    } else {
        printf("SQL:     %s\nChecker: ", sql);
        checker_said(attempt, &checker);
        print_inert(checker.len ? checker.data : "off", checker.len ? checker.len : 3);
        putchar('\n');
        if (json_object_get(result, "error"))
            printf("Error:   %s\n", cmat_json_str(result, "error", ""));
        else {
            if (!json_is_true(json_object_get(result, "writes"))) {
                puts("Rows:");
                print_table(result);
            }
            fputs("Answer:  ", stdout);
            print_inert(answer.data, answer.len);
            putchar('\n');
        }
    }
    fflush(stdout);
    if (sql && !o->common.json)
        st = maybe_write(o, path, sql, result, err);
done:
    cmat_buf_clear(&checker);
    cmat_buf_clear(&answer);
    json_decref(result);
    free(sql);
    return st;
}

static void print_trace(const json_t *episode)
{
    char *text = json_dumps(json_object_get(episode, "steps"), JSON_INDENT(2) | JSON_SORT_KEYS);
    fprintf(stderr, "%s\n", text ? text : "");
    free(text);
}

/* Loads the adapters that the run shipped; without a run the base acts, and says so. */
static cmat_status load_roles(const ask_opts *o, const char *run, cmat_model *m,
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
static cmat_status load_agent(const ask_opts *o, const char *run, cmat_agent_options *agent,
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

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    ask_opts *o = vopts;
    char *run_dir = o->run ? cmat_xstrdup(o->run) : cli_default_run(args[0]);
    cmat_engine_options eo = {.n_seqs = 4, .n_ctx = 4096};
    cli_model m = {0};
    cmat_adapter *actor = NULL, *checker = NULL;
    cmat_llm *llm = NULL;
    cmat_task_list tasks = {0};
    cmat_task task = {0};
    json_t *episode = NULL, *description;
    cmat_agent_options agent;
    cmat_status st;

    (void)n_args;
    if (!cmat_path_exists(args[0])) {
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: no such file", args[0]);
        goto done;
    }
    if ((st = load_agent(o, run_dir, &agent, err)) != CMAT_OK ||
        (st = cli_model_open(&m, o->model, NULL, &eo, err)) != CMAT_OK ||
        (st = load_roles(o, run_dir, m.model, &actor, &checker, err)) != CMAT_OK ||
        (st = cmat_llm_local_new(&llm, m.engine, m.model, err)) != CMAT_OK)
        goto done;
    cmat_llm_local_set_adapter(llm, CMAT_ROLE_ACTOR, actor);
    cmat_llm_local_set_adapter(llm, CMAT_ROLE_CHECKER, checker);
    description = json_pack("{s:s, s:s, s:s, s:o}", "id", "ask", "env", "db", "kind", "ask",
                            "instruction", cmat_json_text(args[1], strlen(args[1])));
    st = cmat_task_init(&task, description, err);
    json_decref(description);
    if (st != CMAT_OK)
        goto done;
    cmat_task_list_add(&tasks, task);
    cmat_run_config rc = {.env = "db",
                          .env_opts = {.path = args[0]},
                          .llm = llm,
                          .phase = "ask",
                          .opts = agent,
                          .on_episode = keep_episode,
                          .user = &episode};
    st = cmat_agent_run(&rc, &tasks, NULL, err);
    if (st == CMAT_OK && !episode)
        st = cmat_fail(err, CMAT_ERR_STATE, "the episode gave no result");
    if (st == CMAT_OK && o->trace)
        print_trace(episode);
    if (st == CMAT_OK)
        st = show(o, args[0], episode, err);
done:
    json_decref(episode);
    cmat_task_list_clear(&tasks);
    cmat_llm_free(llm);
    cmat_engine_free(m.engine);
    m.engine = NULL;
    cmat_adapter_free(actor);
    cmat_adapter_free(checker);
    cli_model_close(&m);
    free(run_dir);
    return st;
}

const cli_command cli_ask = {
    .name = "ask",
    .summary = "ask the agent of a database one question",
    .usage = "[options] DATABASE QUESTION",
    .text =
        "Prints the SQL, what the Checker said, the rows and the answer. The agent works on a "
        "private copy: your\n"
        "file is only changed with --write, after you have seen the statement and said yes.\n\n"
        "Examples:\n"
        "  cmat ask examples/shop.sqlite \"Which three products sold best in May?\"\n"
        "  cmat ask --write mine.sqlite \"Set the status of order 17 to shipped.\"\n"
        "  cmat ask --json --checker off mine.sqlite \"How many customers are there?\"",
    .options = options,
    .opts_size = sizeof(ask_opts),
    .min_args = 2,
    .max_args = 2,
    .run = run,
};
