/* train/optim.c */
#include "train/optim.h"
#include "core/mem.h"
#include <math.h>

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
    if (o->k && o->k->device) {
        o->k->free(o->at.m);
        o->k->free(o->at.v);
        o->k->free(o->at.best);
    }
    cmat_free_big(o->m);
    cmat_free_big(o->v);
    cmat_free_big(o->best);
    *o = (cmat_optim){0};
}

static float *place(const cmat_kernel_ops *k, const float *x, size_t n)
{
    float *p = k->alloc(n * sizeof *p);
    if (p)
        k->upload(p, x, n * sizeof *p);
    return p;
}

cmat_status cmat_optim_place(cmat_optim *o, const cmat_kernel_ops *k, float *params,
                             cmat_error *err)
{
    o->k = k;
    o->at = (cmat_optim_arrays){.params = params, .m = o->m, .v = o->v, .best = o->best};
    if (!k->device)
        return CMAT_OK;
    o->at.m = place(k, o->m, o->n);
    o->at.v = place(k, o->v, o->n);
    o->at.best = o->best ? place(k, o->best, o->n) : NULL;
    if (!o->at.m || !o->at.v || !o->at.best != !o->best)
        return cmat_fail(err, CMAT_ERR_NOMEM, "train: no memory for the optimiser on %s", k->name);
    return CMAT_OK;
}

void cmat_optim_fetch(cmat_optim *o)
{
    if (!o->k || !o->k->device)
        return;
    o->k->download(o->params, o->at.params, o->n * sizeof(float));
    o->k->download(o->m, o->at.m, o->n * sizeof(float));
    o->k->download(o->v, o->at.v, o->n * sizeof(float));
    if (o->best)
        o->k->download(o->best, o->at.best, o->n * sizeof(float));
}

void cmat_optim_keep_best(cmat_optim *o)
{
    o->k->copy(o->at.best, o->at.params, o->n);
}

void cmat_optim_restore_best(cmat_optim *o)
{
    if (o->best && o->best_step >= 0)
        o->k->copy(o->at.params, o->at.best, o->n);
}

double cmat_optim_lr(const cmat_tune_options *opts, int64_t step, int64_t n_steps)
{
    if (opts->schedule == CMAT_SCHEDULE_RANGE)
        return opts->lr * pow(opts->min_lr,
                              n_steps > 1 ? (double)(n_steps - step) / (double)(n_steps - 1) : 0);
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

void cmat_optim_step(cmat_optim *o, float *grad, const cmat_tune_options *opts, double lr)
{
    o->norm = o->k->norm(grad, o->n);
    if (opts->grad_clip > 0 && o->norm > opts->grad_clip)
        o->k->scale(grad, (float)(opts->grad_clip / o->norm), o->n);
    o->k->adamw(o->at.params, grad, o->at.m, o->at.v, o->n, (float)lr, (float)opts->beta1,
                (float)opts->beta2, (float)opts->eps, (float)opts->weight_decay, ++o->t);
}
