/* train/metrics.c */
#include "train/metrics.h"
#include "core/buf.h"
#include "core/fs.h"
#include "core/json.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_METRICS = 1 << 30 };

/* Appends the whole lines of text that belong to steps up to `step`. */
static void keep_lines(cmat_buf *out, const char *text, size_t len, int64_t step)
{
    const char *end = text + len;
    while (text < end) {
        const char *nl = memchr(text, '\n', (size_t)(end - text));
        if (!nl)
            return; /* cut short by the kill */
        json_t *j = json_loadb(text, (size_t)(nl - text), 0, NULL);
        if (j && cmat_json_int(j, "step", INT64_MAX) <= step)
            cmat_buf_add(out, text, (size_t)(nl - text) + 1);
        json_decref(j);
        text = nl + 1;
    }
}

static cmat_status drop_later(const char *path, int64_t step, cmat_error *err)
{
    char *text = NULL;
    size_t len = 0;
    cmat_buf out = {0};
    cmat_status st = cmat_read_file(path, MAX_METRICS, &text, &len, err);
    if (st != CMAT_OK)
        return st;
    keep_lines(&out, text, len, step);
    if (out.len != len)
        st = cmat_write_file(path, cmat_buf_str(&out), out.len, err);
    cmat_buf_clear(&out);
    free(text);
    return st;
}

cmat_status cmat_metrics_open(cmat_metrics *m, const char *dir, int64_t step, bool tensorboard,
                              cmat_error *err)
{
    cmat_status st = CMAT_OK;
    *m = (cmat_metrics){.path = cmat_path_join(dir, "metrics.jsonl")};
    if (cmat_path_exists(m->path))
        st = drop_later(m->path, step, err);
    if (st == CMAT_OK && !(m->f = fopen(m->path, "a")))
        st = cmat_fail(err, CMAT_ERR_IO, "train: open %s: %s", m->path, strerror(errno));
    if (st == CMAT_OK && tensorboard)
        st = cmat_tfevents_open(&m->events, dir, step, err);
    if (st != CMAT_OK)
        cmat_metrics_close(m);
    return st;
}

void cmat_metrics_close(cmat_metrics *m)
{
    if (m->f)
        fclose(m->f);
    cmat_tfevents_close(m->events);
    free(m->path);
    *m = (cmat_metrics){0};
}

static cmat_status flush(cmat_metrics *m, int printed, cmat_error *err)
{
    if (printed < 0 || fflush(m->f) != 0)
        return cmat_fail(err, CMAT_ERR_IO, "train: write %s: %s", m->path, strerror(errno));
    return CMAT_OK;
}

cmat_status cmat_metrics_step(cmat_metrics *m, const cmat_tune_metrics *x, cmat_error *err)
{
    if (!m->f)
        return CMAT_OK;
    int n = fprintf(m->f,
                    "{\"epoch\": %.6g, \"grad_norm\": %.9g, \"learning_rate\": %.9g, "
                    "\"loss\": %.9g, \"rows\": %" PRId64 ", \"step\": %" PRId64
                    ", \"tok_s\": %.6g, \"tokens\": %" PRId64 "}\n",
                    x->epoch, x->grad_norm, x->learning_rate, x->loss, x->rows, x->step, x->tok_s,
                    x->tokens);
    const cmat_tf_scalar scalars[] = {{"train/loss", x->loss},
                                      {"train/learning_rate", x->learning_rate},
                                      {"train/grad_norm", x->grad_norm},
                                      {"train/epoch", x->epoch},
                                      {"train/tok_s", x->tok_s}};
    cmat_status st = flush(m, n, err);
    if (st == CMAT_OK && m->events)
        st = cmat_tfevents_add(m->events, x->step, scalars, sizeof scalars / sizeof *scalars, err);
    return st;
}

cmat_status cmat_metrics_eval(cmat_metrics *m, const cmat_tune_metrics *x, cmat_error *err)
{
    if (!m->f)
        return CMAT_OK;
    int n = fprintf(m->f, "{\"epoch\": %.6g, \"eval_loss\": %.9g, \"step\": %" PRId64 "}\n",
                    x->epoch, x->eval_loss, x->step);
    cmat_status st = flush(m, n, err);
    if (st == CMAT_OK && m->events)
        st = cmat_tfevents_add(m->events, x->step, &(cmat_tf_scalar){"eval/loss", x->eval_loss}, 1,
                               err);
    return st;
}
