/* train/find_lr.c */
#include "train/find_lr.h"
#include "core/mem.h"
#include <math.h>
#include <stdlib.h>

#define SMOOTHING 0.9
#define MUST_FALL 0.99 /* of the first loss, to be more than noise between batches */
enum { MIN_POINTS = 10, SLOPE_STEPS = 3 };

typedef struct {
    cmat_lr_range *range;
    size_t cap;
    double mean; /* exponential mean, not yet corrected for its start at 0 */
    double best;
    bool stop;
    const cmat_tune_options *user; /* whose on_step hears of every step, too */
} test;

static void on_step(void *user, const cmat_tune_metrics *m)
{
    test *t = user;
    cmat_lr_range *r = t->range;
    if (m->has_eval)
        return;
    t->mean = SMOOTHING * t->mean + (1 - SMOOTHING) * m->loss;
    const double smooth = t->mean / (1 - pow(SMOOTHING, (double)r->n + 1));
    r->points = cmat_xgrow(r->points, &t->cap, r->n + 1, sizeof *r->points);
    r->points[r->n++] = (cmat_lr_point){m->learning_rate, m->loss, smooth};
    if (r->n == 1 || smooth < t->best)
        t->best = smooth;
    if (r->n > MIN_POINTS && (smooth > 4 * t->best || smooth > 1.5 * r->points[0].smooth))
        t->stop = r->diverged = true;
    if (t->user->on_step)
        t->user->on_step(t->user->user, m);
}

/* Slope over a few steps each way; the rates' logarithms are equally far apart. */
static double slope_at(const cmat_lr_range *r, size_t i)
{
    const size_t a = i >= SLOPE_STEPS ? i - SLOPE_STEPS : 0,
                 b = i + SLOPE_STEPS < r->n ? i + SLOPE_STEPS : r->n - 1;
    return (r->points[b].smooth - r->points[a].smooth) / (double)(b - a);
}

static cmat_status suggest(cmat_lr_range *r, cmat_error *err)
{
    size_t low = 0, steep = 0;
    if (r->n < MIN_POINTS)
        return cmat_fail(err, CMAT_ERR_STATE,
                         "find-lr: %zu steps before the loss exploded are too few to tell (start "
                         "from a lower rate)",
                         r->n);
    for (size_t i = 1; i < r->n; i++)
        low = r->points[i].smooth < r->points[low].smooth ? i : low;
    for (size_t i = 1; i < low; i++)
        steep = !steep || slope_at(r, i) < slope_at(r, steep) ? i : steep;
    if (!steep || r->points[low].smooth > MUST_FALL * r->points[0].smooth)
        return cmat_fail(err, CMAT_ERR_STATE,
                         "find-lr: the loss did not fall between %g and %g (more steps, or higher "
                         "rates?)",
                         r->points[0].lr, r->points[r->n - 1].lr);
    r->lowest = r->points[low].lr;
    r->steepest = r->points[steep].lr;
    r->suggested = r->steepest < r->lowest / 10 ? r->steepest : r->lowest / 10;
    return CMAT_OK;
}

cmat_status cmat_find_lr(cmat_lr_range *out, cmat_model *m, const cmat_adapter *a,
                         const cmat_train_set *set, const cmat_tune_options *opts, double lr_from,
                         double lr_to, int64_t steps, cmat_error *err)
{
    cmat_tune_options o = *opts;
    test t = {.range = out, .user = opts};
    cmat_adapter *copy = NULL;
    *out = (cmat_lr_range){0};
    if (!(lr_from > 0) || !(lr_to > lr_from) || steps < MIN_POINTS)
        return cmat_fail(err, CMAT_ERR_ARG,
                         "find-lr: %lld steps from %g to %g (at least %d, to a higher rate)",
                         (long long)steps, lr_from, lr_to, MIN_POINTS);
    cmat_status st = cmat_adapter_copy(&copy, a, err);
    if (st != CMAT_OK)
        return st;
    o.schedule = CMAT_SCHEDULE_RANGE;
    o.lr = lr_to;
    o.min_lr = lr_from / lr_to;
    o.max_steps = steps;
    o.run_dir = NULL;
    o.on_step = on_step;
    o.user = &t;
    o.stop = &t.stop;
    st = cmat_tune(m, copy, set, NULL, &o, NULL, err);
    cmat_adapter_free(copy);
    if (st == CMAT_ERR_STATE && out->n >= MIN_POINTS) { /* no longer a finite loss */
        out->diverged = true;
        st = CMAT_OK;
    }
    if (st == CMAT_OK)
        st = suggest(out, err);
    if (st != CMAT_OK)
        cmat_lr_range_clear(out);
    return st;
}

void cmat_lr_range_clear(cmat_lr_range *r)
{
    free(r->points);
    *r = (cmat_lr_range){0};
}
