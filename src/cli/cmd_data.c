/* cmd_data.c - `cmat data preview`: rows as the model will see them, and what is learned of them.
 */
#include "cli/commands.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "data/dataset.h"
#include "train/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    cli_common common;
    char *model;
    int64_t n, from, max_len;
    int colour;
} data_opts;

static const cmat_option options[] = {
    {"model", CMAT_OPT_STR, offsetof(data_opts, model), NULL, 0, 0, NULL, "FILE",
     "whose template and tokens are used", 'm'},
    {"rows", CMAT_OPT_INT, offsetof(data_opts, n), "3", 0, 1e9, NULL, "N", "rows shown", 'n'},
    {"from", CMAT_OPT_INT, offsetof(data_opts, from), "1", 1, 1e12, NULL, "I", "the first of them",
     0},
    {"max-len", CMAT_OPT_INT, offsetof(data_opts, max_len), "0", 0, 1e6, NULL, "N",
     "as for `cmat tune`: longer rows are left out; 0: the model's context", 0},
    {"color", CMAT_OPT_ENUM, offsetof(data_opts, colour), "auto", 0, 0, "auto|always|never", "WHEN",
     "colour what is learned; without colour it stands between « and »", 0},
    CLI_COMMON_OPTIONS(data_opts),
    {0},
};

/* NO_COLOR, CLICOLOR_FORCE and TERM=dumb are obeyed. */
static bool use_colour(int when)
{
    const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE"), *term = getenv("TERM");
    if (when)
        return when == 1;
    if (no && *no)
        return false;
    if (force && *force && strcmp(force, "0") != 0)
        return true;
    return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

/* The text of tokens from..to-1, which have one weight. */
static void run_text(cmat_buf *out, const cmat_model *m, const cmat_sample *s, int from, int to)
{
    cmat_buf raw = {0};
    for (int i = from; i < to; i++) {
        size_t n;
        const char *bytes = cmat_tokenizer_bytes(m->tokenizer, s->tokens[i], &n);
        cmat_buf_add(&raw, bytes, n);
    }
    cmat_text_inert(out, cmat_buf_str(&raw), raw.len);
    cmat_buf_clear(&raw);
}

static int run_end(const cmat_sample *s, int from)
{
    int to = from + 1;
    while (to < s->n && s->weights[to] == s->weights[from])
        to++;
    return to;
}

static void print_sample(const cmat_model *m, const cmat_sample *s, bool colour)
{
    cmat_buf b = {0};
    for (int from = 0, to; from < s->n; from = to) {
        const float w = s->weights[from];
        to = run_end(s, from);
        /* green: counts in full; yellow: with another weight; faint: not learned */
        if (colour)
            cmat_buf_puts(&b, w == 0 ? "\x1b[2m" : w == 1 ? "\x1b[32m" : "\x1b[33m");
        else if (w != 0)
            cmat_buf_puts(&b, "«");
        run_text(&b, m, s, from, to);
        if (colour)
            cmat_buf_puts(&b, "\x1b[0m");
        else if (w != 0)
            cmat_buf_puts(&b, "»");
        if (w != 0 && w != 1)
            cmat_buf_printf(&b, "(x%g)", (double)w);
    }
    fwrite(b.data, 1, b.len, stdout);
    if (b.len && b.data[b.len - 1] != '\n')
        putchar('\n');
    cmat_buf_clear(&b);
}

static json_t *sample_json(const cmat_model *m, const cmat_sample *s)
{
    json_t *runs = json_array();
    for (int from = 0, to; from < s->n; from = to) {
        cmat_buf b = {0};
        to = run_end(s, from);
        run_text(&b, m, s, from, to);
        json_array_append_new(runs,
                              json_pack("{s:s%, s:i, s:f}", "text", cmat_buf_str(&b), b.len,
                                        "tokens", to - from, "weight", (double)s->weights[from]));
        cmat_buf_clear(&b);
    }
    return runs;
}

static int loss_tokens(const cmat_sample *s)
{
    int n = 0;
    for (int i = 0; i < s->n; i++)
        n += s->weights[i] != 0;
    return n;
}

/* Shows row i, whose samples stand in set: one, or none when it was left out. */
static void show_row(const data_opts *o, const cmat_model *m, const cmat_dataset *ds, size_t i,
                     const cmat_train_set *set, json_t *list)
{
    const cmat_row *row = &ds->items[i];
    const cmat_sample *s = set->n ? &set->items[0] : NULL;
    const char *why = set->n_too_long ? "too long" : "nothing to learn";
    const bool colour = use_colour(o->colour);
    if (o->common.json) {
        json_array_append_new(list, json_pack("{s:I, s:s, s:i, s:i, s:o}", "row", (json_int_t)i + 1,
                                              "id", row->id, "tokens", s ? s->n : 0, "loss_tokens",
                                              s ? loss_tokens(s) : 0, "runs",
                                              s ? sample_json(m, s) : json_array()));
        return;
    }
    printf("%s--- row %zu of %zu, line %zu, id %s: ", colour ? "\x1b[1m" : "", i + 1, ds->n,
           row->line, row->id);
    if (s)
        printf("%d tokens, %d of them learned", s->n, loss_tokens(s));
    else
        printf("left out: %s", why);
    puts(colour ? "\x1b[0m" : "");
    if (s)
        print_sample(m, s, colour);
}

static cmat_status preview(const data_opts *o, const cmat_model *m, const cmat_dataset *ds,
                           cmat_error *err)
{
    size_t n_tokens = 0, n_loss = 0, left_out = 0, longest = 0;
    json_t *list = json_array();
    cmat_status st = CMAT_OK;
    for (size_t i = 0; st == CMAT_OK && i < ds->n; i++) {
        cmat_train_set set = {0};
        st = cmat_train_set_add_row(&set, m, &ds->items[i], (int)o->max_len, 0, err);
        if (st != CMAT_OK) {
            st = cmat_fail_prefix(err, st, "row %s", ds->items[i].id);
            break;
        }
        if ((int64_t)i + 1 >= o->from && (int64_t)i + 1 < o->from + o->n)
            show_row(o, m, ds, i, &set, list);
        left_out += set.n == 0;
        if (set.n) {
            const size_t n = (size_t)set.items[0].n;
            n_tokens += n;
            n_loss += (size_t)loss_tokens(&set.items[0]);
            longest = n > longest ? n : longest;
        }
        cmat_train_set_clear(&set);
    }
    if (st == CMAT_OK && o->common.json) {
        json_t *all =
            json_pack("{s:O, s:I, s:I, s:I, s:I, s:I}", "preview", list, "rows", (json_int_t)ds->n,
                      "left_out", (json_int_t)left_out, "tokens", (json_int_t)n_tokens,
                      "loss_tokens", (json_int_t)n_loss, "longest", (json_int_t)longest);
        cli_print_json(all);
        json_decref(all);
    } else if (st == CMAT_OK) {
        printf(
            "%zu rows (%zu left out), %zu tokens, %.1f %% of them learned, the longest row %zu\n",
            ds->n, left_out, n_tokens, n_tokens ? 100.0 * (double)n_loss / (double)n_tokens : 0,
            longest);
    }
    json_decref(list);
    return st;
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    const data_opts *o = vopts;
    cmat_dataset ds = {0};
    cmat_data_format found = CMAT_DATA_AUTO;
    cli_model m;
    cmat_status st;

    if (strcmp(args[0], "preview") != 0)
        return cmat_fail(err, CMAT_ERR_ARG, "there is no `cmat data %s`: preview is", args[0]);
    if (n_args < 2)
        return cmat_fail(err, CMAT_ERR_ARG, "cmat data preview: which FILE?");
    for (int i = 1; i < n_args; i++)
        if ((st = cmat_dataset_load(&ds, args[i], CMAT_DATA_AUTO, &found, err)) != CMAT_OK) {
            cmat_dataset_clear(&ds);
            return st;
        }
    st = cli_model_open(&m, o->model, NULL, NULL, err);
    if (st == CMAT_OK && !o->common.json && !o->common.quiet)
        printf("format: %s\n", cmat_data_format_names[found]);
    if (st == CMAT_OK)
        st = preview(o, m.model, &ds, err);
    cli_model_close(&m);
    cmat_dataset_clear(&ds);
    return st;
}

const cli_command cli_data = {
    .name = "data",
    .summary = "look at rows before they are tuned on: tokens, and which of them are learned",
    .usage = "preview [options] FILE...",
    .text =
        "preview shows rows as the model will see them, with its template and special tokens. What "
        "the loss is taken\n"
        "on is green (yellow where its weight is not 1); with NO_COLOR or into a file it stands "
        "between « and ».\n\n"
        "Examples:\n"
        "  cmat data preview chats.jsonl\n"
        "  cmat data preview --rows 1 --from 20 --color always chats.jsonl | less -R\n"
        "  cmat data preview --json chats.jsonl",
    .options = options,
    .opts_size = sizeof(data_opts),
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
