/* report.c - the report's page: figures, charts, tables; episodes come from report_episode.c. */
#include "eval/report.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "eval/evaluate.h"
#include "eval/report_episode.h"
#include "eval/svg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One measurement: a column of the tables. */
typedef struct {
    const char *stage, *label;
    bool whole; /* by kind and with all its episodes too */
    const json_t *summary;
} column;

enum { MAX_COLUMNS = 8 };
typedef struct {
    const char *dir;
    json_t *run, *state;
    bool learned;                /* a run of the loop, not just one measurement */
    column columns[MAX_COLUMNS]; /* those that are there, in the order a reader wants them */
    size_t n_columns;
    cmat_store *store;
    cmat_buf out;
} page;

static const char style[] =
    "<style>\n"
    ":root{color-scheme:light "
    "dark;--ink:#1b1f24;--soft:#5b6570;--line:#d5dae0;--bar:#3a6ea5;--back:#fff;--box:#f4f6f8;"
    "--good:#1a7f37;--bad:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa4af;--line:#39424c;--bar:#"
    "6ea8e0;--back:#14181d;"
    "--box:#1d232a;--good:#56d364;--bad:#ff7b72}}\n"
    "body{font:16px/1.5 "
    "system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:60rem;margin:2rem auto;"
    "padding:0 1rem}\n"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid "
    "var(--line)}\n"
    "table{border-collapse:collapse;margin:.8rem 0}th,td{padding:.2rem .8rem .2rem "
    "0;text-align:left;"
    "border-bottom:1px solid var(--line);vertical-align:top}td.n,th.n{text-align:right}\n"
    "figure{margin:1rem "
    "0}figcaption{color:var(--soft);font-size:.9rem}svg{width:100%;max-width:46rem;height:auto}\n"
    "svg text{font:11px system-ui,sans-serif;fill:var(--ink)}svg .tick{fill:var(--soft)}\n"
    ".bar{fill:var(--bar);opacity:.75}.grid{stroke:var(--line)}.interval{stroke:var(--ink);fill:"
    "none;stroke-width:1.4}"
    ".line{stroke:var(--bar);fill:none;stroke-width:1.8}\n"
    "pre{background:var(--box);padding:.5rem "
    ".7rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;"
    "font-size:.85rem;margin:.3rem 0}\n"
    "details{margin:.25rem "
    "0}summary{cursor:pointer}.who{color:var(--soft);font-size:.85rem}.good{color:var(--good)}"
    ".bad{color:var(--bad)}.big{font-size:1.3rem}\n"
    "</style>\n";

static void esc(page *p, const char *s)
{
    cmat_text_html(&p->out, s, strlen(s));
}

static const json_t *stage(const page *p, const char *name)
{
    return json_object_get(p->state, name);
}

static cmat_svg_bar bar_of(const char *label, const json_t *success)
{
    return (cmat_svg_bar){.label = label,
                          .rate = cmat_json_num(success, "rate", 0),
                          .low = cmat_json_num(success, "low", 0),
                          .high = cmat_json_num(success, "high", 0),
                          .right = (size_t)cmat_json_int(success, "right", 0),
                          .n = (size_t)cmat_json_int(success, "n", 0)};
}

static const column measurements[] = {{"eval", "this run", true, NULL},
                                      {"heldout-before", "untuned", true, NULL},
                                      {"heldout-after", "tuned agent", true, NULL},
                                      {"heldout-off", "tuned, Checker off", false, NULL},
                                      {"heldout-facts", "tuned, Checker facts", false, NULL},
                                      {"heldout-both", "tuned, Checker both", false, NULL},
                                      {"heldout-lessons", "tuned, with lessons", false, NULL}};

static void find_columns(page *p)
{
    for (size_t i = 0; i < sizeof measurements / sizeof *measurements; i++)
        if (stage(p, measurements[i].stage)) {
            p->columns[p->n_columns] = measurements[i];
            p->columns[p->n_columns++].summary = stage(p, measurements[i].stage);
        }
}

static void headline(page *p)
{
    cmat_svg_bar bars[MAX_COLUMNS];
    const json_t *a = stage(p, "heldout-before"), *b = stage(p, "heldout-after");
    json_t *c = NULL;

    for (size_t i = 0; i < p->n_columns; i++)
        bars[i] = bar_of(p->columns[i].label, json_object_get(p->columns[i].summary, "success"));
    if (a && b && cmat_eval_compare(a, b, &c, NULL) == CMAT_OK)
        cmat_buf_printf(
            &p->out,
            "<p class=\"big\">From <b>%.1f %%</b> to <b>%.1f %%</b> of %lld held-out tasks: a "
            "difference of "
            "%+.1f points (95 %% interval %+.1f to %+.1f, exact McNemar p = %.2g).</p>\n",
            100 * cmat_json_num(c, "rate_a", 0), 100 * cmat_json_num(c, "rate_b", 0),
            (long long)cmat_json_int(c, "n", 0), 100 * cmat_json_num(c, "difference", 0),
            100 * cmat_json_num(c, "low", 0), 100 * cmat_json_num(c, "high", 0),
            cmat_json_num(c, "p", 1));
    json_decref(c);
    if (p->n_columns)
        cmat_svg_bars(&p->out,
                      p->learned ? "Success on held-out tasks, with 95 % intervals (Wilson)"
                                 : "Success, with its 95 % interval (Wilson)",
                      bars, p->n_columns);
}

static void by_round(page *p)
{
    cmat_svg_bar bars[64];
    char names[64][40];
    size_t n = 0;

    for (int r = 1; r <= 30; r++)
        for (int role = 1; role <= 2 && n < 64; role++) {
            char key[40];
            snprintf(key, sizeof key, "valid-%s-%d", cmat_role_names[role], r);
            if (!stage(p, key))
                continue;
            snprintf(names[n], sizeof names[n], "round %d, %s", r, cmat_role_names[role]);
            bars[n] = bar_of(names[n], json_object_get(stage(p, key), "success"));
            n++;
        }
    if (!n)
        return;
    cmat_buf_puts(&p->out, "<h2>Rounds</h2>\n");
    cmat_svg_bars(&p->out,
                  "Success on validation tasks after each tuning; the better policy is kept", bars,
                  n);
}

/* The column "loss" of a metrics.jsonl; *y is the caller's to free(). */
static size_t read_losses(const char *path, double **y)
{
    json_t *rows = cmat_path_exists(path) ? cmat_jsonl_load(path, NULL) : NULL;
    size_t n = 0;

    *y = cmat_xcalloc(json_array_size(rows) + 1, sizeof **y);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *v = json_object_get(json_array_get(rows, i), "loss");
        if (json_is_number(v))
            (*y)[n++] = json_number_value(v);
    }
    json_decref(rows);
    return n;
}

static void losses(page *p)
{
    for (int role = 1; role <= 2; role++) {
        cmat_svg_line lines[8];
        double *ys[8];
        char names[8][16], title[64];
        size_t n = 0;
        for (int r = 1; r <= 8; r++) {
            char *path =
                cmat_xasprintf("%s/rounds/%d/%s/metrics.jsonl", p->dir, r, cmat_role_names[role]);
            size_t len = read_losses(path, &ys[n]);
            free(path);
            snprintf(names[n], sizeof names[n], "round %d", r);
            lines[n] = (cmat_svg_line){.name = names[n], .y = ys[n], .n = len};
            if (len)
                n++;
            else
                free(ys[n]);
        }
        snprintf(title, sizeof title, "Loss of the %s's tuning, by optimiser step",
                 cmat_role_names[role]);
        if (n)
            cmat_svg_lines(&p->out, title, "step", lines, n);
        for (size_t i = 0; i < n; i++)
            free(ys[i]);
    }
}

static void cell_rate(page *p, const json_t *success)
{
    if (success)
        cmat_buf_printf(
            &p->out, "<td class=\"n\">%.0f %% <span class=\"who\">(%lld / %lld)</span></td>",
            100 * cmat_json_num(success, "rate", 0), (long long)cmat_json_int(success, "right", 0),
            (long long)cmat_json_int(success, "n", 0));
    else
        cmat_buf_puts(&p->out, "<td class=\"n\">-</td>");
}

static const json_t *kind_of(const json_t *summary, const char *kind)
{
    size_t i;
    json_t *k;
    json_array_foreach(json_object_get(summary, "by_kind"), i, k)
    {
        if (strcmp(cmat_json_str(k, "kind", ""), kind) == 0)
            return k;
    }
    return NULL;
}

static void table_begin(page *p, const char *title, const char *what)
{
    cmat_buf_printf(&p->out, "<h2>%s</h2>\n<table><tr><th>%s</th>", title, what);
}

static void head_cell(page *p, const char *label)
{
    cmat_buf_printf(&p->out, "<th class=\"n\">%s</th>", label);
}

static void head_end(page *p)
{
    for (size_t i = 0; i < p->n_columns; i++)
        head_cell(p, p->columns[i].label);
    cmat_buf_puts(&p->out, "</tr>\n");
}

static void row_begin(page *p, const char *name)
{
    cmat_buf_puts(&p->out, "<tr><td>");
    esc(p, name);
    cmat_buf_puts(&p->out, "</td>");
}

static void row_end(page *p)
{
    cmat_buf_puts(&p->out, "</tr>\n");
}

static void table_end(page *p)
{
    cmat_buf_puts(&p->out, "</table>\n");
}

static void number_cell(page *p, const json_t *v, double factor, const char *unit)
{
    if (json_is_number(v))
        cmat_buf_printf(&p->out, "<td class=\"n\">%.4g%s</td>", factor * json_number_value(v),
                        unit);
    else
        cmat_buf_puts(&p->out, "<td class=\"n\">-</td>");
}

static void by_kind(page *p)
{
    const json_t *last = NULL;
    size_t i, c;
    json_t *k;

    for (c = 0; c < p->n_columns; c++)
        if (p->columns[c].whole)
            last = p->columns[c].summary;
    if (!last)
        return;
    table_begin(p, "By kind of task", "kind");
    for (c = 0; c < p->n_columns; c++)
        if (p->columns[c].whole)
            head_cell(p, p->columns[c].label);
    row_end(p);
    json_array_foreach(json_object_get(last, "by_kind"), i, k)
    {
        const char *kind = cmat_json_str(k, "kind", "");
        row_begin(p, kind);
        for (c = 0; c < p->n_columns; c++)
            if (p->columns[c].whole)
                cell_rate(p, kind_of(p->columns[c].summary, kind));
        row_end(p);
    }
    table_end(p);
}

/* What an environment measures beside success: F1, element accuracy, averages by group. */
static void means_table(page *p)
{
    json_t *all[MAX_COLUMNS], *m;
    size_t i, most = 0;

    for (i = 0; i < p->n_columns; i++) {
        all[i] = cmat_eval_means(p->columns[i].summary);
        if (json_array_size(all[i]) > json_array_size(all[most]))
            most = i;
    }
    if (p->n_columns && json_array_size(all[most])) {
        table_begin(p, "Further measures (means)", "");
        head_end(p);
        json_array_foreach(all[most], i, m)
        {
            const char *name = cmat_json_str(m, "name", "");
            row_begin(p, name);
            for (size_t c = 0; c < p->n_columns; c++)
                number_cell(p, cmat_eval_mean_of(all[c], name), 100, " %");
            row_end(p);
        }
        table_end(p);
    }
    for (i = 0; i < p->n_columns; i++)
        json_decref(all[i]);
}

/* One object of counts (outcomes, error kinds), a column a measurement. */
static void counts_table(page *p, const char *member, const char *title)
{
    json_t *keys = json_object();
    const char *key;
    json_t *v;

    for (size_t i = 0; i < p->n_columns; i++)
        json_object_foreach(json_object_get(p->columns[i].summary, member), key, v)
            json_object_set_new(keys, key, json_null());
    if (json_object_size(keys)) {
        table_begin(p, title, "");
        head_end(p);
        json_object_foreach(keys, key, v)
        {
            row_begin(p, key);
            for (size_t i = 0; i < p->n_columns; i++)
                cmat_buf_printf(&p->out, "<td class=\"n\">%lld</td>",
                                (long long)cmat_json_int(
                                    json_object_get(p->columns[i].summary, member), key, 0));
            row_end(p);
        }
        table_end(p);
    }
    json_decref(keys);
}

static void checker_table(page *p)
{
    static const struct {
        const char *member, *label, *unit;
        double factor;
    } rows[] = {{"verdicts", "actions looked at", "", 1},
                {"rejected", "sent back", "", 1},
                {"caught", "wrong ones sent back", "", 1},
                {"false_alarms", "right ones sent back", "", 1},
                {"repaired", "episodes repaired by it", "", 1},
                {"precision", "precision", " %", 100},
                {"recall", "recall", " %", 100}};

    table_begin(p, "The Checker", "");
    head_end(p);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        row_begin(p, rows[r].label);
        for (size_t i = 0; i < p->n_columns; i++)
            number_cell(
                p,
                json_object_get(json_object_get(p->columns[i].summary, "checker"), rows[r].member),
                rows[r].factor, rows[r].unit);
        row_end(p);
    }
    table_end(p);
}

static void costs(page *p)
{
    static const char *const members[][2] = {{"turns", "turns"},
                                             {"prompt_tokens", "tokens read"},
                                             {"tokens", "tokens written"},
                                             {"seconds", "seconds"}};

    table_begin(p, "Cost of an episode (means)", "");
    for (size_t c = 0; c < 4; c++)
        head_cell(p, members[c][1]);
    row_end(p);
    for (size_t i = 0; i < p->n_columns; i++) {
        row_begin(p, p->columns[i].label);
        for (size_t c = 0; c < 4; c++)
            number_cell(
                p, json_object_get(json_object_get(p->columns[i].summary, "cost"), members[c][0]),
                1, "");
        row_end(p);
    }
    table_end(p);
}

static void identity(page *p)
{
    char *text = json_dumps(p->run, JSON_INDENT(2) | JSON_SORT_KEYS);

    cmat_buf_puts(&p->out,
                  "<h2>What was run</h2>\n<details><summary>every option, versions, hashes "
                  "(run.json)</summary><pre>");
    esc(p, text ? text : "");
    cmat_buf_puts(&p->out, "</pre></details>\n");
    free(text);
}

static cmat_status load_json(const char *dir, const char *name, json_t **out, cmat_error *err)
{
    char *path = cmat_path_join(dir, name);
    cmat_status st = CMAT_OK;
    *out = NULL;
    if (cmat_path_exists(path) && !(*out = cmat_json_load(path, err)))
        st = CMAT_ERR_FORMAT;
    free(path);
    return st;
}

/* A run of the loop has run.json and state.json; `cmat eval --run` leaves eval.json. */
static cmat_status load(page *p, cmat_error *err)
{
    json_t *eval = NULL;
    cmat_status st = load_json(p->dir, "run.json", &p->run, err);
    p->learned = p->run != NULL;
    if (st == CMAT_OK && p->learned)
        st = load_json(p->dir, "state.json", &p->state, err);
    else if (st == CMAT_OK && (st = load_json(p->dir, "eval.json", &eval, err)) == CMAT_OK &&
             eval) {
        p->run = json_incref(json_object_get(eval, "run"));
        p->state = json_pack("{s:O*}", "eval", json_object_get(eval, "summary"));
    }
    json_decref(eval);
    if (st == CMAT_OK && !p->run)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND,
                       "%s is no run folder: it has neither run.json nor eval.json", p->dir);
    char *store = cmat_path_join(p->dir, "store.db");
    if (st == CMAT_OK && cmat_path_exists(store))
        st = cmat_store_open(&p->store, store, true, err);
    free(store);
    if (!p->state)
        p->state = json_object();
    find_columns(p);
    return st;
}

cmat_status cmat_report_run(const char *run_dir, const char *path, cmat_error *err)
{
    page p = {.dir = run_dir};
    const char *world;
    cmat_status st = load(&p, err);

    if (st != CMAT_OK)
        goto done;
    world = cmat_json_str(json_object_get(p.run, "world"), "path",
                          cmat_json_str(p.run, "env", "an environment"));
    cmat_buf_puts(&p.out,
                  "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                  "<meta name=\"viewport\" content=\"width=device-width\"><title>cmat: ");
    esc(&p, cmat_path_base(world));
    cmat_buf_printf(&p.out, "</title>\n%s</head><body>\n<h1>%s", style,
                    p.learned ? "An agent for " : "An evaluation on ");
    esc(&p, cmat_path_base(world));
    cmat_buf_puts(&p.out, "</h1>\n");
    headline(&p);
    by_round(&p);
    losses(&p);
    by_kind(&p);
    means_table(&p);
    counts_table(&p, "outcomes", "How episodes ended");
    counts_table(&p, "error_kinds", "What went wrong");
    checker_table(&p);
    costs(&p);
    for (size_t i = 0; st == CMAT_OK && p.store && i < p.n_columns; i++)
        if (p.columns[i].whole)
            st = cmat_report_episodes(&p.out, p.store, p.columns[i].stage, p.columns[i].label, err);
    identity(&p);
    cmat_buf_puts(&p.out, "</body></html>\n");
    if (st == CMAT_OK)
        st = cmat_write_file(path, p.out.data, p.out.len, err);
done:
    cmat_store_close(p.store);
    json_decref(p.run);
    json_decref(p.state);
    cmat_buf_clear(&p.out);
    return st;
}
