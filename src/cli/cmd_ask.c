/* cmd_ask.c - `cmat ask`: one question to the agent of a database or of a knowledge graph. */
#include "api/api.h"
#include "cli/commands.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/db/db.h"
#include "env/kg/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_common common;
    cmat_ask_options ask;
    char *model, *world;
    bool write, trace;
} ask_opts;

static const cmat_option options[] = {
    CMAT_OPTION_TABLE(offsetof(ask_opts, ask), cmat_ask_option_table),
    {"model", CMAT_OPT_STR, offsetof(ask_opts, model), NULL, 0, 0, NULL, "FILE",
     "model file or name", 'm'},
    {"database", CMAT_OPT_STR, offsetof(ask_opts, world), NULL, 0, 0, NULL, "DB",
     "the database (or graph), where it is not the first word: a file or an address", 'd'},
    {"write", CMAT_OPT_BOOL, offsetof(ask_opts, write), NULL, 0, 0, NULL, NULL,
     "let a change reach the file, after you have said yes", 'w'},
    {"trace", CMAT_OPT_BOOL, offsetof(ask_opts, trace), NULL, 0, 0, NULL, NULL,
     "show every step of the episode", 0},
    CLI_COMMON_OPTIONS(ask_opts),
    {0},
};

static void print_inert(const char *s)
{
    cmat_buf b = {0};
    cmat_text_inert(&b, s, strlen(s));
    fputs(cmat_buf_str(&b), stdout);
    cmat_buf_clear(&b);
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
                char *s = cmat_json_plain(i ? json_array_get(json_array_get(rows, i - 1), c)
                                            : json_array_get(columns, c));
                size_t w = display_width(s);
                if (pass) {
                    print_inert(s);
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
    int64_t changed = 0;
    cmat_status st;

    if (!json_is_true(json_object_get(result, "writes")) || json_object_get(result, "error"))
        return CMAT_OK;
    if (!o->write) {
        fputs("Nothing was written; with --write it would be, after asking you.\n", stderr);
        return CMAT_OK;
    }
    st = cmat_database_apply(path, sql, confirm_change, NULL, &changed, err);
    if (st == CMAT_ERR_CANCELLED) {
        fputs("Left as it was.\n", stderr);
        return CMAT_OK;
    }
    if (st == CMAT_OK)
        fprintf(stderr, "Done: %lld row%s changed.\n", (long long)changed, changed == 1 ? "" : "s");
    return st;
}

static void line(const char *name, const char *text)
{
    printf("%-9s", name);
    print_inert(text);
    putchar('\n');
}

/* Every call with what it gave, then the answer. */
static void show_graph(const json_t *answer)
{
    const json_t *call;
    size_t i;
    json_array_foreach(json_object_get(answer, "calls"), i, call)
    {
        cmat_buf b = {0};
        cmat_buf_printf(&b, "%s  =>  %s", cmat_json_str(call, "call", ""),
                        cmat_json_str(call, "gave", ""));
        for (size_t k = 0; k < b.len; k++)
            b.data[k] = b.data[k] == '\n' ? ' ' : b.data[k];
        line(i ? "" : "Calls:", cmat_buf_str(&b));
        cmat_buf_clear(&b);
    }
    line("Checker:", cmat_json_str(answer, "checker", ""));
    if (json_integer_value(json_object_get(answer, "n")) == 0)
        puts("The agent gave no answer.");
    else
        line("Answer:", cmat_json_str(answer, "answer", ""));
}

static void show_database(const json_t *answer)
{
    const json_t *result = json_object_get(answer, "result");
    const char *sql = cmat_json_str(answer, "sql", NULL);

    if (!sql) {
        puts("The agent wrote no statement. Its last words:");
        line("", cmat_json_str(answer, "reply", ""));
        return;
    }
    line("SQL:", sql);
    line("Checker:", cmat_json_str(answer, "checker", ""));
    if (json_object_get(result, "error")) {
        line("Error:", cmat_json_str(result, "error", ""));
        return;
    }
    if (!json_is_true(json_object_get(result, "writes"))) {
        puts("Rows:");
        print_table(result);
    }
    line("Answer:", cmat_json_str(answer, "answer", ""));
}

static void print_trace(const json_t *episode)
{
    char *text = json_dumps(json_object_get(episode, "steps"), JSON_INDENT(2) | JSON_SORT_KEYS);
    fprintf(stderr, "%s\n", text ? text : "");
    free(text);
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    ask_opts *o = vopts;
    cmat_session *s = NULL;
    char *ask = cli_options_text(cmat_ask_option_table, &o->ask), *text = NULL;
    json_t *answer = NULL;
    const char *world = o->world ? o->world : args[0], *question = args[n_args - 1];
    cmat_status st = CMAT_OK;

    if (n_args != (o->world ? 1 : 2))
        st = cmat_fail(err, CMAT_ERR_ARG, "ask: a database or graph and a question are needed");
    if (st == CMAT_OK) /* before the seconds that a model takes */
        st = cmat_api_find_world(world, err);
    if (st == CMAT_OK && o->write && (db_is_url(world) || kg_is_graph(world)))
        st = cmat_fail(err, CMAT_ERR_ARG, "ask: --write changes a file's database; %s is only read",
                       world);
    if (st == CMAT_OK)
        st = cli_session_open(&s, o->model, NULL, 4096, err);
    if (st == CMAT_OK)
        st = cmat_session_ask(s, world, question, ask, &text, err);
    if (st == CMAT_OK) {
        answer = cli_take_result(text);
        if (o->trace)
            print_trace(json_object_get(answer, "episode"));
        if (o->common.json)
            cli_print_json(answer);
        else
            json_object_get(answer, "calls") ? show_graph(answer) : show_database(answer);
        fflush(stdout);
        if (!o->common.json)
            st = maybe_write(o, world, cmat_json_str(answer, "sql", ""),
                             json_object_get(answer, "result"), err);
    }
    json_decref(answer);
    cmat_session_close(s);
    free(ask);
    return st;
}

const cli_command cli_ask = {
    .name = "ask",
    .summary = "ask the agent of a database or a knowledge graph one question",
    .usage = "[options] WORLD QUESTION",
    .text =
        "Of a database: prints the SQL, what the Checker said, the rows and the answer. The agent "
        "works on a private\n"
        "copy: your file is only changed with --write, after you have seen the statement and said "
        "yes. A server's\n"
        "database (mysql://user@host/db, postgresql://user@host/db) is never changed; its password "
        "comes from\n"
        "~/.my.cnf or MYSQL_PWD, ~/.pgpass or PGPASSWORD.\n"
        "Of a graph (.nt, .ttl, .tsv, .txt, .csv, .kg, a SPARQL endpoint): prints the calls, what "
        "each gave, and the answer.\n"
        "The question names what it is about as the graph does; --entities says it otherwise.\n\n"
        "Examples:\n"
        "  cmat ask examples/shop.sqlite \"Which three products sold best in May?\"\n"
        "  cmat ask --write mine.sqlite \"Set the status of order 17 to shipped.\"\n"
        "  cmat ask --json --checker off mine.sqlite \"How many customers are there?\"\n"
        "  cmat ask --database mysql://me@localhost/shop \"How many orders are open?\"\n"
        "  cmat ask films.tsv \"Who directed Leaves of Grass?\"\n"
        "  cmat ask --entities \"Tom Hanks\" http://localhost:8890/sparql \"What did he act in?\"",
    .options = options,
    .opts_size = sizeof(ask_opts),
    .min_args = 1,
    .max_args = 2,
    .run = run,
};
