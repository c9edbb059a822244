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
