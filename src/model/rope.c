/* model/rope.c - stretching of rotary positions, and their tables. */
#include "model/rope.h"
#include "core/mem.h"
#include <math.h>

static const double TWO_PI = 6.283185307179586;

void cmat_rope_plain(cmat_rope_config *r, float theta)
{
    r->theta = theta;
    r->magnitude = 1;
    for (int i = 0; i < CMAT_MAX_ROPE_DIM / 2; i++)
        r->divisors[i] = 1;
    r->scaling = (cmat_rope_scaling){.kind = CMAT_ROPE_PLAIN};
}

void cmat_rope_linear(cmat_rope_config *r, float factor)
{
    for (int i = 0; i < CMAT_MAX_ROPE_DIM / 2; i++)
        r->divisors[i] *= factor;
    r->scaling = (cmat_rope_scaling){.kind = CMAT_ROPE_LINEAR, .factor = factor};
}

void cmat_rope_factors(cmat_rope_config *r, const float *factors, int n)
{
    for (int i = 0; i < n; i++)
        r->divisors[i] *= factors[i];
    r->scaling = (cmat_rope_scaling){.kind = CMAT_ROPE_FACTORS};
}

void cmat_rope_llama3(cmat_rope_config *r, int n_rot, const cmat_rope_scaling *o)
{
    for (int i = 0; i < n_rot / 2; i++) {
        const double wavelength = TWO_PI * pow((double)r->theta, 2.0 * i / n_rot);
        const double turns = o->n_ctx_orig / wavelength;
        double kept = (turns - (double)o->low_freq_factor) /
                      ((double)o->high_freq_factor - (double)o->low_freq_factor);
        kept = turns < (double)o->low_freq_factor    ? 0
               : turns > (double)o->high_freq_factor ? 1
                                                     : kept;
        r->divisors[i] *= (float)(1 / ((1 - kept) / (double)o->factor + kept));
    }
    r->scaling = *o;
    r->scaling.kind = CMAT_ROPE_LLAMA3;
}

/* The index whose frequency turns `turns` times within n_ctx positions. */
static double yarn_index(double turns, int n_rot, double theta, int n_ctx)
{
    return n_rot * log(n_ctx / (turns * TWO_PI)) / (2 * log(theta));
}

void cmat_rope_yarn(cmat_rope_config *r, int n_rot, const cmat_rope_scaling *o)
{
    const double theta = (double)r->theta, factor = (double)o->factor;
    const double low =
        fmax(floor(yarn_index((double)o->beta_fast, n_rot, theta, o->n_ctx_orig)), 0);
    const double high =
        fmin(ceil(yarn_index((double)o->beta_slow, n_rot, theta, o->n_ctx_orig)), n_rot - 1);
    for (int i = 0; i < n_rot / 2; i++) {
        const double ramp = fmin(fmax((i - low) / fmax(high - low, 0.001), 0), 1);
        r->divisors[i] *= (float)(1 / (ramp / factor + 1 - ramp));
    }
    r->magnitude = o->attention_factor > 0 ? o->attention_factor
                   : factor > 1            ? (float)(0.1 * log(factor) + 1)
                                           : 1;
    r->scaling = *o;
    r->scaling.kind = CMAT_ROPE_YARN;
}

void cmat_rope_ntk(cmat_rope_config *r, int n_rot, float alpha)
{
    for (int i = 0; i < n_rot / 2 && n_rot > 2; i++)
        r->divisors[i] *= (float)pow((double)alpha, 2.0 * i / (n_rot - 2));
}

float cmat_rope_longrope_magnitude(float factor, int n_ctx_orig)
{
    if (factor <= 1 || n_ctx_orig < 2)
        return 1;
    return (float)sqrt(1 + log((double)factor) / log((double)n_ctx_orig));
}

static cmat_status table_fill(float *table, const cmat_model_config *c, const cmat_rope_config *r,
                              cmat_error *err)
{
    const size_t n = (size_t)c->n_ctx * (size_t)c->n_rot;
    for (int i = 0; i < c->n_rot / 2; i++)
        if (!(r->divisors[i] > 0) || isinf(r->divisors[i]))
            return cmat_fail(err, CMAT_ERR_FORMAT, "model: rope factor %d is %g", i,
                             (double)r->divisors[i]);
    cmat_rope_table(table, c->n_ctx, c->n_rot, r->theta, r->divisors);
    for (size_t i = 0; r->magnitude != 1 && i < n; i++)
        table[i] *= r->magnitude;
    return CMAT_OK;
}

cmat_status cmat_rope_table_new(float **out, const cmat_model_config *c, const cmat_rope_config *r,
                                const cmat_rope_stretch *stretches, int n, cmat_error *err)
{
    const size_t rows = (size_t)(1 + n) * (size_t)c->n_ctx;
    size_t size;
    *out = NULL;
    if (rows > INT32_MAX || !cmat_mul(rows, (size_t)c->n_rot, &size) ||
        !(*out = cmat_alloc_big(size, sizeof(float))))
        return cmat_fail(err, CMAT_ERR_NOMEM, "model: no memory for a context of %d tokens",
                         c->n_ctx);
    cmat_status st = table_fill(*out, c, r, err);
    for (int i = 0; i < n && st == CMAT_OK; i++)
        st = table_fill(*out + (size_t)(1 + i) * (size_t)c->n_ctx * (size_t)c->n_rot, c,
                        &stretches[i].rope, err);
    if (st == CMAT_OK)
        return CMAT_OK;
    cmat_free_big(*out);
    *out = NULL;
    return st;
}

void cmat_rope_logn(const cmat_model_config *c, float *q, int ldx, const int32_t *rows, int T)
{
    const int width = c->n_heads * c->head_dim;
    for (int t = 0; c->logn && t < T; t++) {
        const int pos = rows[t] % c->n_ctx;
        const float by = pos < c->logn ? 1 : (float)(log(pos + 1.0) / log((double)c->logn));
        for (int i = 0; by != 1 && i < width; i++)
            q[(size_t)t * (size_t)ldx + (size_t)i] *= by;
    }
}
