/* kernel/kernel.c - which tables there are, which one to use, and what they share. */
#include "kernel/kernel.h"
#include "core/log.h"
#include <math.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const cmat_kernel_ops *cmat_kernel_find(const char *name)
{
    for (int i = 0; cmat_kernels[i]; i++)
        if (!strcmp(cmat_kernels[i]->name, name))
            return cmat_kernels[i]->available() ? cmat_kernels[i] : NULL;
    return NULL;
}

const cmat_kernel_ops *cmat_kernel_best(void)
{
    const char *name = getenv("CMAT_KERNEL");
    const cmat_kernel_ops *named = name && *name ? cmat_kernel_find(name) : NULL, *best = NULL;
    if (named && !named->device)
        return named;
    for (int i = 0; cmat_kernels[i]; i++)
        if (!cmat_kernels[i]->device && cmat_kernels[i]->available())
            best = cmat_kernels[i];
    if (name && *name && !named)
        cmat_warn("kernel: CMAT_KERNEL=%s cannot run here; using %s", name, best->name);
    return best;
}

cmat_status cmat_kernel_for_tuning(const cmat_kernel_ops **out, const char *name,
                                   const cmat_kernel_ops *other, cmat_error *err)
{
    const char *env = getenv("CMAT_KERNEL");
    *out = other;
    if (name && *name) {
        if ((*out = cmat_kernel_find(name)))
            return CMAT_OK;
        for (int i = 0; cmat_kernels[i]; i++)
            if (strcmp(cmat_kernels[i]->name, name) == 0)
                return cmat_fail(err, CMAT_ERR_ARG, "device: %s cannot run here%s%s", name,
                                 cmat_kernels[i]->describe ? ": " : "",
                                 cmat_kernels[i]->describe ? cmat_kernels[i]->describe() : "");
        return cmat_fail(err, CMAT_ERR_ARG, "device: this build has no \"%.32s\"", name);
    }
    const cmat_kernel_ops *named = env && *env ? cmat_kernel_find(env) : NULL;
    if (named && named->device)
        *out = named;
    return CMAT_OK;
}

void cmat_rope_table(float *cos_sin, int n_ctx, int d, float base, const float *factors)
{
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads) if (n_ctx > 1 << 14)
    for (int i = 0; i < d / 2; i++) {
        const double factor = factors ? (double)factors[i] : 1;
        const double freq = pow((double)base, -2.0 * i / d) / factor;
        for (int p = 0; p < n_ctx; p++) {
            float *cs = cos_sin + (size_t)p * (size_t)d + 2 * (size_t)i;
            cs[0] = (float)cos(p * freq);
            cs[1] = (float)sin(p * freq);
        }
    }
}

/* The only state of this layer. Not omp_set_num_threads: that holds for the calling thread only. */
static atomic_int threads;

void cmat_threads_set(int n)
{
    atomic_store(&threads, n > 0 ? n : 0);
}

int cmat_threads(void)
{
    const int n = atomic_load(&threads);
    return n ? n : omp_get_max_threads();
}

void cmat_matmul_set(const cmat_kernel_ops *k, const cmat_product *p, int n, const float *x,
                     int ldx, int T)
{
    if (k->matmul_set) {
        k->matmul_set(p, n, x, ldx, T);
        return;
    }
    for (int i = 0; i < n; i++)
        k->matmul(p[i].y, p[i].ldy, x, ldx, p[i].w, T, false);
}

void cmat_lora_forward_run(const cmat_kernel_ops *k, float *y, int ldy, float *u, int ldu,
                           const float *x, int ldx, const cmat_lora_rows *l, int n)
{
    if (k->lora_forward) {
        k->lora_forward(y, ldy, u, ldu, x, ldx, l, n);
        return;
    }
    k->gemm(false, true, n, l->rank, l->n_in, 1, x, ldx, l->a, l->n_in, 0, u, ldu);
    if (y)
        k->gemm(false, true, n, l->n_out, l->rank, l->scale, u, ldu, l->b, l->rank, 1, y, ldy);
}

void cmat_lora_backward_run(const cmat_kernel_ops *k, const cmat_lora_grads *g)
{
    const cmat_lora_rows *l = g->lora;
    if (k->lora_backward) {
        k->lora_backward(g);
        return;
    }
    k->gemm(true, false, l->n_out, l->rank, g->n, l->scale, g->dy, g->lddy, g->u, g->ldu, 1, g->db,
            l->rank);
    k->gemm(false, false, g->n, l->rank, l->n_out, l->scale, g->dy, g->lddy, l->b, l->rank, 0,
            g->du, l->rank);
    k->gemm(true, false, l->rank, l->n_in, g->n, 1, g->du, l->rank, g->x, g->ldx, 1, g->da,
            l->n_in);
    if (g->dx)
        k->gemm(false, false, g->n, l->n_in, l->rank, 1, g->du, l->rank, l->a, l->n_in, 1, g->dx,
                g->lddx);
}

void cmat_weight_grad_run(const cmat_kernel_ops *k, const cmat_outer *o)
{
    if (k->weight_grad)
        k->weight_grad(o);
    else
        k->gemm(true, false, o->n_out, o->n_in, o->T, 1, o->dy, o->lddy, o->x, o->ldx, 1, o->dw,
                o->n_in);
}
