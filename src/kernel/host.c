/* kernel/host.c - memory and the moving of data for the tables whose memory is the host's. */
#include "core/mem.h"
#include "kernel/plain.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *cmat_host_alloc(size_t bytes)
{
    return cmat_alloc_big(bytes, 1);
}

void cmat_host_free(void *p)
{
    cmat_free_big(p);
}

/* Without pushing the machine into swap. */
size_t cmat_host_memory(void)
{
    FILE *f = fopen("/proc/meminfo", "r");
    char line[256];
    size_t kb = 0;
    if (!f)
        return 0;
    while (!kb && fgets(line, sizeof line, f))
        if (strncmp(line, "MemAvailable:", 13) == 0)
            kb = strtoull(line + 13, NULL, 10);
    fclose(f);
    return kb * 1024;
}

void cmat_host_move(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

cmat_status cmat_host_check(cmat_error *err)
{
    (void)err;
    return CMAT_OK;
}

void cmat_host_copy(float *y, const float *x, size_t n)
{
    memcpy(y, x, n * sizeof *y);
}

void cmat_host_zero(float *y, size_t n)
{
    memset(y, 0, n * sizeof *y);
}

/* bfloat16 as in cmat_f32_to_bf16, without the NaN case: a NaN ends the run anyway, and rounding
 * never makes a finite value one. Plain loops, so that the compiler makes vectors of them. */
void cmat_host_narrow(uint16_t *y, const float *x, size_t n)
{
#pragma omp parallel for schedule(static) num_threads(cmat_threads())
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], sizeof u);
        y[i] = (uint16_t)((u + 0x7fffU + ((u >> 16) & 1U)) >> 16);
    }
}

void cmat_host_widen(float *y, const uint16_t *x, size_t n)
{
#pragma omp parallel for schedule(static) num_threads(cmat_threads())
    for (size_t i = 0; i < n; i++) {
        uint32_t u = (uint32_t)x[i] << 16;
        memcpy(&y[i], &u, sizeof u);
    }
}

void cmat_host_gather(float *y, const float *x, const int32_t *rows, int n, int D)
{
    for (int i = 0; i < n; i++)
        memcpy(y + (size_t)i * (size_t)D, x + (size_t)rows[i] * (size_t)D, (size_t)D * sizeof *y);
}

void cmat_host_scatter(float *y, const float *x, const int32_t *rows, int n, int D)
{
    for (int i = 0; i < n; i++)
        memcpy(y + (size_t)rows[i] * (size_t)D, x + (size_t)i * (size_t)D, (size_t)D * sizeof *y);
}

static uint64_t mix(uint64_t z)
{ /* splitmix64's finaliser */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

void cmat_host_dropout(float *y, int ldy, const float *x, int ldx, int n, int width,
                       const cmat_dropout *drop, bool accumulate)
{
    const uint64_t below = (uint64_t)((double)drop->rate * 4294967296.0);
    const float up = 1.0F / (1.0F - drop->rate);
#pragma omp parallel for schedule(static) num_threads(cmat_threads())
    for (int i = 0; i < n; i++) {
        const float *xi = x + (size_t)i * (size_t)ldx;
        float *yi = y + (size_t)i * (size_t)ldy;
        uint64_t base = mix(drop->seed + 0x9e3779b97f4a7c15ULL * (uint64_t)(drop->row + i + 1));
        for (int j = 0; j < width; j++) {
            bool dropped = (mix(base + (uint64_t)j) >> 32) < below;
            float v = dropped ? 0.0F : xi[j] * up;
            yi[j] = accumulate ? yi[j] + v : v;
        }
    }
}

double cmat_host_norm(const float *x, size_t n)
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
                s += (double)x[j] * (double)x[j];
            part[i] += s;
        }
    double sum = 0;
    for (size_t i = 0; i < N_PART; i++)
        sum += part[i];
    return sqrt(sum);
}
