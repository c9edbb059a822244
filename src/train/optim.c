/* train/optim.c */
#include "train/optim.h"
#include "core/mem.h"
#include <math.h>
#include <string.h>

cmat_status cmat_optim_init(cmat_optim *o, cmat_adapter *a, bool keep_best, cmat_error *err)
{
    *o =
        (cmat_optim){.params = a->params, .n = a->n_params, .best_loss = INFINITY, .best_step = -1};
    o->m = cmat_alloc_big_zero(o->n, sizeof(float));
    o->v = cmat_alloc_big_zero(o->n, sizeof(float));
    if (keep_best)
        o->best = cmat_alloc_big_zero(o->n, sizeof(float));
    if (o->m && o->v && (o->best || !keep_best))
        return CMAT_OK;
    cmat_optim_clear(o);
    return cmat_fail(err, CMAT_ERR_NOMEM, "train: no memory for the optimiser: %.0f MB needed",
                     (double)a->n_params * sizeof(float) * (keep_best ? 3 : 2) / 1e6);
}

void cmat_optim_clear(cmat_optim *o)
{
    cmat_free_big(o->m);
    cmat_free_big(o->v);
    cmat_free_big(o->best);
    *o = (cmat_optim){0};
}

double cmat_optim_lr(const cmat_tune_options *opts, int64_t step, int64_t n_steps)
{
    int64_t warmup = opts->warmup_steps >= 0 ? opts->warmup_steps : n_steps / 20;
    if (step <= warmup)
        return opts->lr * (double)step / (double)(warmup + 1);
    double left =
        1.0 - (double)(step - 1 - warmup) / (double)(n_steps > warmup ? n_steps - warmup : 1);
    if (left < 0)
        left = 0;
    double f = 1;
    if (opts->schedule == CMAT_SCHEDULE_COSINE)
        f = 0.5 * (1.0 + cos(M_PI * (1.0 - left)));
    else if (opts->schedule == CMAT_SCHEDULE_LINEAR)
        f = left;
    return opts->lr * (opts->min_lr + (1.0 - opts->min_lr) * f);
}

double cmat_optim_norm(const float *g, size_t n)
{
    enum { BLOCK = 1 << 16, N_PART = 256 };
    double part[N_PART] = {0};
    size_t n_blocks = (n + BLOCK - 1) / BLOCK;
    /* Part i sums blocks i, i + N_PART, ... in order. */
#pragma omp parallel for schedule(static) num_threads(cmat_threads())
    for (size_t i = 0; i < N_PART; i++)
        for (size_t b = i; b < n_blocks; b += N_PART) {
            size_t end = (b + 1) * BLOCK < n ? (b + 1) * BLOCK : n;
            double s = 0;
            for (size_t j = b * BLOCK; j < end; j++)
                s += (double)g[j] * (double)g[j];
            part[i] += s;
        }
    double sum = 0;
    for (size_t i = 0; i < N_PART; i++)
        sum += part[i];
    return sqrt(sum);
}

void cmat_optim_step(cmat_optim *o, const cmat_kernel_ops *k, float *grad,
                     const cmat_tune_options *opts, double lr)
{
    o->norm = cmat_optim_norm(grad, o->n);
    if (opts->grad_clip > 0 && o->norm > opts->grad_clip)
        k->scale(grad, (float)(opts->grad_clip / o->norm), o->n);
    k->adamw(o->params, grad, o->m, o->v, o->n, (float)lr, (float)opts->beta1, (float)opts->beta2,
             (float)opts->eps, (float)opts->weight_decay, ++o->t);
}
