/* table.c - summaries as plain text for a terminal. */
#include "core/json.h"
#include "core/text.h"
#include "eval/evaluate.h"
#include <string.h>

#define NAME_WIDTH 28

static void rate_line(cmat_buf *out, const char *name, const json_t *r)
{
    cmat_buf_printf(out, "  %-*.*s %4lld of %4lld  %5.1f %%  [%5.1f, %5.1f]\n", NAME_WIDTH,
                    NAME_WIDTH, name, (long long)cmat_json_int(r, "right", 0),
                    (long long)cmat_json_int(r, "n", 0), 100 * cmat_json_num(r, "rate", 0),
                    100 * cmat_json_num(r, "low", 0), 100 * cmat_json_num(r, "high", 0));
}

static void counts_lines(cmat_buf *out, const char *title, const json_t *counts)
{
    const char *key;
    json_t *v;
    bool first = true;
    json_object_foreach((json_t *)counts, key, v)
    {
        if (json_integer_value(v) == 0)
            continue;
        cmat_buf_printf(out, "%s%s %lld", first ? title : ", ", key,
                        (long long)json_integer_value(v));
        first = false;
    }
    if (!first)
        cmat_buf_putc(out, '\n');
}

static void percent(cmat_buf *out, const char *name, const json_t *value)
{
    if (json_is_number(value))
        cmat_buf_printf(out, ", %s %.0f %%", name, 100 * json_number_value(value));
    else
        cmat_buf_printf(out, ", %s not known", name);
}

static void checker_lines(cmat_buf *out, const char *mode, const json_t *c)
{
    if (cmat_json_int(c, "verdicts", 0) == 0)
        return;
    cmat_buf_printf(
        out, "Checker (%s): %lld verdicts, %lld rejected (%lld wrong, %lld right actions)", mode,
        (long long)cmat_json_int(c, "verdicts", 0), (long long)cmat_json_int(c, "rejected", 0),
        (long long)cmat_json_int(c, "caught", 0), (long long)cmat_json_int(c, "false_alarms", 0));
    percent(out, "precision", json_object_get(c, "precision"));
    percent(out, "recall", json_object_get(c, "recall"));
    cmat_buf_printf(out, "; %lld episodes repaired\n", (long long)cmat_json_int(c, "repaired", 0));
    size_t i;
    const json_t *r;
    json_array_foreach(json_object_get(c, "reasons"), i, r)
    {
        if (i == 3)
            break;
        const char *reason = cmat_json_str(r, "reason", "");
        size_t len = strcspn(reason, "\n");
        cmat_buf_printf(out, "  %4lld x ", (long long)cmat_json_int(r, "n", 0));
        cmat_text_inert(out, reason, cmat_utf8_valid_prefix(reason, len < 90 ? len : 90));
        cmat_buf_putc(out, '\n');
    }
}

static void mean_lines(cmat_buf *out, const json_t *summary)
{
    const char *name;
    json_t *v;
    if (json_object_get(summary, "mean_score"))
        cmat_buf_printf(out, "Mean score: %.1f %%\n",
                        100 * cmat_json_num(summary, "mean_score", 0));
    json_object_foreach(json_object_get(summary, "measures"), name, v)
        cmat_buf_printf(out, "Mean %s: %.1f %%\n", name, 100 * json_number_value(v));
    const json_t *macro = json_object_get(summary, "macro");
    if (!macro)
        return;
    cmat_buf_printf(out, "Means of %lld groups of steps: success %.1f %%, every step right %.1f %%",
                    (long long)cmat_json_int(macro, "n_groups", 0),
                    100 * cmat_json_num(macro, "success", 0),
                    100 * cmat_json_num(macro, "whole", 0));
    json_object_foreach(json_object_get(macro, "measures"), name, v)
        cmat_buf_printf(out, ", %s %.1f %%", name, 100 * json_number_value(v));
    cmat_buf_putc(out, '\n');
}

void cmat_eval_table(const json_t *summary, cmat_buf *out)
{
    const json_t *cost = json_object_get(summary, "cost");
    cmat_buf_printf(out, "%-*s        right   success   95 %% interval\n", NAME_WIDTH, "");
    rate_line(out, "all tasks", json_object_get(summary, "success"));
    if (json_object_get(summary, "any_sample"))
        rate_line(out, "right in any sample", json_object_get(summary, "any_sample"));
    size_t i;
    const json_t *kind;
    json_array_foreach(json_object_get(summary, "by_kind"), i, kind)
        rate_line(out, cmat_json_str(kind, "kind", ""), kind);
    mean_lines(out, summary);
    const json_t *agentbench = json_object_get(summary, "agentbench");
    if (agentbench)
        cmat_buf_printf(out, "AgentBench's average of SELECT, INSERT and UPDATE: %.1f\n",
                        cmat_json_num(agentbench, "overall_cat_accuracy", 0));
    counts_lines(out, "Outcomes: ", json_object_get(summary, "outcomes"));
    counts_lines(out, "Errors: ", json_object_get(summary, "error_kinds"));
    cmat_buf_printf(out, "An episode: %.1f turns, %.0f tokens read, %.0f written, %.1f s\n",
                    cmat_json_num(cost, "turns", 0), cmat_json_num(cost, "prompt_tokens", 0),
                    cmat_json_num(cost, "tokens", 0), cmat_json_num(cost, "seconds", 0));
    checker_lines(out, cmat_json_str(summary, "checker_mode", ""),
                  json_object_get(summary, "checker"));
}

static const json_t *find_kind(const json_t *summary, const char *kind)
{
    size_t i;
    const json_t *k;
    json_array_foreach(json_object_get(summary, "by_kind"), i,
                       k) if (strcmp(cmat_json_str(k, "kind", ""), kind) == 0) return k;
    return NULL;
}

static void rate_cell(cmat_buf *out, const json_t *r)
{
    char cell[64] = "-";
    if (r)
        snprintf(cell, sizeof cell, "%5.1f [%.1f, %.1f]", 100 * cmat_json_num(r, "rate", 0),
                 100 * cmat_json_num(r, "low", 0), 100 * cmat_json_num(r, "high", 0));
    cmat_buf_printf(out, "  %-20s", cell);
}

static void end_row(cmat_buf *out)
{
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        cmat_buf_truncate(out, out->len - 1);
    cmat_buf_putc(out, '\n');
}

/* A line a mean, of all runs that have it. */
static void mean_rows(const json_t *const *summaries, size_t n, cmat_buf *out)
{
    json_t *names = cmat_eval_means(summaries[0]), *m;
    size_t j;
    json_array_foreach(names, j, m)
    {
        const char *name = cmat_json_str(m, "name", "");
        cmat_buf_printf(out, "  %-*.*s", NAME_WIDTH, NAME_WIDTH, name);
        for (size_t i = 0; i < n; i++) {
            char cell[32] = "-";
            json_t *means = cmat_eval_means(summaries[i]);
            const json_t *v = cmat_eval_mean_of(means, name);
            if (v)
                snprintf(cell, sizeof cell, "%5.1f", 100 * json_number_value(v));
            cmat_buf_printf(out, "  %-20s", cell);
            json_decref(means);
        }
        end_row(out);
    }
    json_decref(names);
}

void cmat_eval_table_runs(const char *const *names, const json_t *const *summaries, size_t n,
                          cmat_buf *out)
{
    if (n == 0)
        return;
    cmat_buf_printf(out, "%-*s", NAME_WIDTH + 2, "success, % [95 % interval]");
    for (size_t i = 0; i < n; i++)
        cmat_buf_printf(out, "  %-20.20s", names[i]);
    end_row(out);
    cmat_buf_printf(out, "  %-*s", NAME_WIDTH, "all tasks");
    for (size_t i = 0; i < n; i++)
        rate_cell(out, json_object_get(summaries[i], "success"));
    end_row(out);
    size_t j;
    const json_t *kind;
    json_array_foreach(json_object_get(summaries[0], "by_kind"), j, kind)
    {
        const char *name = cmat_json_str(kind, "kind", "");
        cmat_buf_printf(out, "  %-*.*s", NAME_WIDTH, NAME_WIDTH, name);
        for (size_t i = 0; i < n; i++)
            rate_cell(out, find_kind(summaries[i], name));
        end_row(out);
    }
    mean_rows(summaries, n, out);
}

void cmat_eval_table_compare(const json_t *c, const char *name_a, const char *name_b, cmat_buf *out)
{
    cmat_buf_printf(
        out,
        "%s %.1f %%, %s %.1f %% of the same %lld tasks: difference %+.1f points, 95 %% interval "
        "[%+.1f, %+.1f], p = %.2g\n(right in both %lld, only in %s %lld, only in %s %lld, in "
        "neither %lld)\n",
        name_a, 100 * cmat_json_num(c, "rate_a", 0), name_b, 100 * cmat_json_num(c, "rate_b", 0),
        (long long)cmat_json_int(c, "n", 0), 100 * cmat_json_num(c, "difference", 0),
        100 * cmat_json_num(c, "low", 0), 100 * cmat_json_num(c, "high", 0),
        cmat_json_num(c, "p", 1), (long long)cmat_json_int(c, "both", 0), name_a,
        (long long)cmat_json_int(c, "only_a", 0), name_b, (long long)cmat_json_int(c, "only_b", 0),
        (long long)cmat_json_int(c, "neither", 0));
    size_t i;
    const json_t *m;
    json_array_foreach(json_object_get(c, "means"), i, m) cmat_buf_printf(
        out,
        "mean %s: %s %.1f %%, %s %.1f %%: difference %+.1f points, 95 %% interval "
        "[%+.1f, %+.1f]\n",
        cmat_json_str(m, "name", ""), name_a, 100 * cmat_json_num(m, "mean_a", 0), name_b,
        100 * cmat_json_num(m, "mean_b", 0), 100 * cmat_json_num(m, "difference", 0),
        100 * cmat_json_num(m, "low", 0), 100 * cmat_json_num(m, "high", 0));
}
