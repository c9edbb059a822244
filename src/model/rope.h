/* model/rope.h - rotary positions: the ways in which a context is stretched, and the tables that
 * the kernels read. Each function changes the divisors of the frequencies
 *   f_i = theta^(-2i/n_rot) / divisors[i],   0 <= i < n_rot/2. */
#ifndef CMAT_MODEL_ROPE_H
#define CMAT_MODEL_ROPE_H
#include "kernel/kernel.h"
#include "model/config.h"

/* No stretching: divisors and magnitude 1. */
void cmat_rope_plain(cmat_rope_config *r, float theta);
/* Position interpolation (arXiv 2306.15595): all frequencies are divided by factor. */
void cmat_rope_linear(cmat_rope_config *r, float factor);
/* Frequency i is divided by factors[i], n of them (longrope, arXiv 2402.13753, and GGUF's
 * rope_freqs). */
void cmat_rope_factors(cmat_rope_config *r, const float *factors, int n);

/* Llama 3.1: wavelengths over n_ctx_orig / low_freq_factor are stretched by factor, those under
 * n_ctx_orig / high_freq_factor are kept, with a ramp between them. */
void cmat_rope_llama3(cmat_rope_config *r, int n_rot, const cmat_rope_scaling *o);
/* YaRN (arXiv 2309.00071, section 3.2): frequencies that turn more than beta_fast times within
 * n_ctx_orig are kept, those under beta_slow times are divided by factor, with a ramp over the
 * index between them; the magnitude, if not given, is 0.1 ln(factor) + 1. */
void cmat_rope_yarn(cmat_rope_config *r, int n_rot, const cmat_rope_scaling *o);
/* NTK-aware interpolation: theta times alpha^(n_rot / (n_rot - 2)), so that the highest frequency
 * stays and the lowest is divided by alpha. */
void cmat_rope_ntk(cmat_rope_config *r, int n_rot, float alpha);
/* The magnitude that longrope gives to a context stretched from n_ctx_orig by factor. */
float cmat_rope_longrope_magnitude(float factor, int n_ctx_orig);

/* The (1 + n, n_ctx, n_rot/2, 2) table of r and n stretches of it, freed with cmat_free_big:
 * position p of a text turned by stretch i is row i n_ctx + p. CMAT_ERR_FORMAT: a divisor is not
 * above 0. CMAT_ERR_NOMEM. */
cmat_status cmat_rope_table_new(float **out, const cmat_model_config *c, const cmat_rope_config *r,
                                const cmat_rope_stretch *stretches, int n, cmat_error *err);
/* Multiplies the queries (T, n_heads head_dim), rows ldx apart, of late positions as c->logn says
 * ("logn attention": keeps the entropy of attention as texts grow). rows (T): of the table. */
void cmat_rope_logn(const cmat_model_config *c, float *q, int ldx, const int32_t *rows, int T);
/* Turns q and k, whose heads lie side by side (T, n_heads, head_dim), rows ldx apart, by a table
 * in k's memory; table NULL: leaves them. Where only a part of a head is turned, head by head. */
static inline void cmat_rope_heads(const cmat_kernel_ops *k, const cmat_model_config *c, float *x,
                                   int ldx, const float *table, const int32_t *pos, int T,
                                   int n_heads, bool inverse)
{
    const int n_calls = c->n_rot == c->head_dim ? 1 : n_heads;
    for (int i = 0; table && i < n_calls; i++)
        k->rope(x + (size_t)i * (size_t)c->head_dim, ldx, table, pos, T, n_heads / n_calls,
                c->n_rot, c->rope_neox, inverse);
}
#endif
