/* loss_curve.c */
#include "eval/loss_curve.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "eval/svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_METRICS = 1 << 30, MAX_STEPS = 1 << 26 };

/* One line's step and losses; NAN where it has none. */
static bool read_line(const char *text, size_t len, int64_t *step, double *loss, double *eval)
{
    json_t *j = json_loadb(text, len, 0, NULL);
    const json_t *l = json_object_get(j, "loss"), *e = json_object_get(j, "eval_loss");
    *step = cmat_json_int(j, "step", -1);
    *loss = json_is_number(l) ? json_number_value(l) : NAN;
    *eval = json_is_number(e) ? json_number_value(e) : NAN;
    json_decref(j);
    return *step >= 0 && *step < MAX_STEPS;
}

static void fill_gaps(double *y, size_t n)
{
    size_t first = 0;
    while (first < n && isnan(y[first]))
        first++;
    for (size_t i = 0; i < n && first < n; i++)
        if (isnan(y[i]))
            y[i] = i < first ? y[first] : y[i - 1];
}

/* Slot i is step i + 1; a validation before the first step counts for the first. */
static cmat_status add_lines(cmat_loss_curve *c, const char *text, size_t len, const char *path,
                             cmat_error *err)
{
    const char *at = text, *end = text + len;
    size_t cap = 0, cap_eval = 0;
    for (size_t line = 1; at < end; line++) {
        const char *nl = memchr(at, '\n', (size_t)(end - at));
        const size_t n = (size_t)((nl ? nl : end) - at);
        int64_t step;
        double loss, eval;
        if (n && !read_line(at, n, &step, &loss, &eval))
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: line %zu is not a step", path, line);
        at += n + 1;
        if (!n)
            continue;
        const size_t slot = step > 0 ? (size_t)step - 1 : 0;
        c->loss = cmat_xgrow(c->loss, &cap, slot + 1, sizeof *c->loss);
        c->eval = cmat_xgrow(c->eval, &cap_eval, slot + 1, sizeof *c->eval);
        for (; c->n <= slot; c->n++)
            c->loss[c->n] = c->eval[c->n] = NAN;
        c->loss[slot] = isnan(loss) ? c->loss[slot] : loss;
        c->eval[slot] = isnan(eval) ? c->eval[slot] : eval;
    }
    return CMAT_OK;
}

cmat_status cmat_loss_curve_load(cmat_loss_curve *c, const char *dir, cmat_error *err)
{
    char *path = cmat_path_join(dir, "metrics.jsonl"), *text = NULL;
    size_t len;
    *c = (cmat_loss_curve){0};
    cmat_status st = cmat_read_file(path, MAX_METRICS, &text, &len, err);
    if (st == CMAT_OK)
        st = add_lines(c, text, len, path, err);
    free(text);
    free(path);
    if (st != CMAT_OK) {
        cmat_loss_curve_clear(c);
        return st;
    }
    fill_gaps(c->loss, c->n);
    fill_gaps(c->eval, c->n);
    if (c->n && isnan(c->eval[0])) {
        free(c->eval);
        c->eval = NULL;
    }
    if (c->n && isnan(c->loss[0]))
        c->n = 0; /* nothing but validations */
    return CMAT_OK;
}

void cmat_loss_curve_clear(cmat_loss_curve *c)
{
    free(c->loss);
    free(c->eval);
    *c = (cmat_loss_curve){0};
}

size_t cmat_loss_curve_means(const cmat_loss_curve *c, double *out, size_t n)
{
    if (n > c->n)
        n = c->n;
    for (size_t i = 0; i < n; i++) {
        const size_t from = c->n * i / n, to = c->n * (i + 1) / n;
        double sum = 0;
        for (size_t k = from; k < to; k++)
            sum += c->loss[k];
        out[i] = sum / (double)(to - from);
    }
    return n;
}

cmat_status cmat_loss_curve_save(const cmat_loss_curve *c, const char *path, cmat_error *err)
{
    const cmat_svg_line lines[] = {{"loss", c->loss, c->n}, {"validation", c->eval, c->n}};
    cmat_buf b = {0};
    cmat_svg_lines_file(&b, "Loss by step", "step", lines, c->eval ? 2 : 1);
    cmat_status st = cmat_write_file(path, cmat_buf_str(&b), b.len, err);
    cmat_buf_clear(&b);
    return st;
}
