/* model/adapter.c - adapters in memory: LoRA's layout, and what all methods share. */
#include "model/adapter.h"

#include "core/mem.h"
#include "model/adapter_internal.h"
#include "model/method.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RANK 1024

static cmat_status check_config(const cmat_lora_config *c, cmat_error *err)
{
    if (c->rank < 1 || c->rank > MAX_RANK)
        return cmat_fail(err, CMAT_ERR_ARG, "adapter: rank %d (1 to %d are allowed)", c->rank,
                         MAX_RANK);
    if (!isfinite(c->alpha) || c->alpha <= 0)
        return cmat_fail(err, CMAT_ERR_ARG, "adapter: alpha %g is not above 0", (double)c->alpha);
    if (!(c->dropout >= 0 && c->dropout < 1))
        return cmat_fail(err, CMAT_ERR_ARG, "adapter: dropout %g is not within [0, 1)",
                         (double)c->dropout);
    if (!c->targets || c->targets >> CMAT_N_LAYER_WEIGHTS)
        return cmat_fail(err, CMAT_ERR_ARG, "adapter: targets 0x%x name no matrices", c->targets);
    return CMAT_OK;
}

/* Places a module's pairs, w of layer l and the n - 1 after it, at *p: A, every B, every m. With *p
 * NULL only counts. norms: where DoRA's derived values go. */
static size_t place_module(cmat_adapter *a, int l, int w, int n, float *p, float *norms)
{
    const cmat_weight *weights = &a->model->layers[l].w[w];
    cmat_lora_pair *pairs = &a->pairs[(size_t)l * CMAT_N_LAYER_WEIGHTS + (size_t)w];
    const size_t rank = (size_t)a->config.rank;
    size_t at = rank * (size_t)weights->n_in;
    for (int i = 0; i < n; at += rank * (size_t)weights[i++].n_out)
        if (p) {
            pairs[i].a = p;
            pairs[i].b = p + at;
        }
    for (int i = 0; a->config.dora && i < n; at += (size_t)weights[i++].n_out)
        if (p) {
            pairs[i].m = p + at;
            pairs[i].inv_norm = norms;
            pairs[i].gain = norms + weights[i].n_out;
            norms += 2 * (size_t)weights[i].n_out;
        }
    return at;
}

/* Gives the pairs of every wanted module their place in one block, in layer, module order. A module
 * that holds several matrices has one A, which its pairs share, and their Bs one after the other.
 */
static cmat_status place_params(cmat_adapter *a, const bool *wanted, cmat_error *err)
{
    const cmat_arch *arch = a->model->config.arch;
    float *p = NULL, *norms = NULL;
    for (int pass = 0; pass < 2; pass++) {
        size_t n_rows = 0, used = 0;
        for (int l = 0; l < a->model->config.n_layers; l++)
            for (int w = 0, n; w < CMAT_N_LAYER_WEIGHTS; w += n) {
                const cmat_weight *weights = &a->model->layers[l].w[w];
                bool want = false;
                n = cmat_arch_module_size(arch, w);
                for (int i = 0; i < n; i++)
                    want |= wanted[(size_t)l * CMAT_N_LAYER_WEIGHTS + (size_t)(w + i)];
                if (!want)
                    continue;
                used += place_module(a, l, w, n, p ? p + used : NULL,
                                     norms ? norms + 2 * n_rows : NULL);
                for (int i = 0; i < n; i++) {
                    n_rows += (size_t)weights[i].n_out;
                    a->config.targets |= 1u << (w + i);
                }
            }
        if (pass == 1)
            break;
        a->n_params = used;
        a->params = p = cmat_alloc_big_zero(used, sizeof(float));
        if (a->config.dora)
            a->norms = norms = cmat_alloc_big_zero(n_rows, 2 * sizeof(float));
        if (!p || (a->config.dora && !norms))
            return cmat_fail(err, CMAT_ERR_NOMEM, "adapter: no memory for %zu parameters", used);
    }
    return CMAT_OK;
}

cmat_status cmat_adapter_make(cmat_adapter **out, const cmat_model *m,
                              const cmat_lora_config *config, const bool *wanted, cmat_error *err)
{
    *out = NULL;
    cmat_status st = check_config(config, err);
    if (st != CMAT_OK)
        return st;
    cmat_adapter *a = cmat_adapter_alloc(config->dora ? &cmat_method_dora : &cmat_method_lora, m);
    a->config = *config;
    a->scale = config->alpha / (config->rslora ? sqrtf((float)config->rank) : (float)config->rank);
    if ((st = place_params(a, wanted, err)) != CMAT_OK) {
        cmat_adapter_free(a);
        return st;
    }
    *out = a;
    return CMAT_OK;
}

/* PEFT's kaiming_uniform_(a=sqrt(5)) on A (rank, n_in): uniform within 1 / sqrt(n_in). */
static void init_a(const cmat_adapter *a, cmat_rng *rng)
{
    for (int l = 0; l < a->model->config.n_layers; l++)
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
            const cmat_lora_pair *pair = cmat_adapter_pair(a, l, k);
            size_t n_in = (size_t)a->model->layers[l].w[k].n_in;
            double bound = 1 / sqrt((double)n_in);
            if (!cmat_arch_module_size(a->model->config.arch, k))
                continue; /* shares an earlier one's */
            for (size_t i = 0; pair->a && i < n_in * (size_t)a->config.rank; i++)
                pair->a[i] = (float)((2 * cmat_rng_double(rng) - 1) * bound);
        }
}

cmat_status cmat_adapter_new(cmat_adapter **out, const cmat_model *m,
                             const cmat_lora_config *config, cmat_rng *rng, cmat_error *err)
{
    size_t n_pairs = (size_t)m->config.n_layers * CMAT_N_LAYER_WEIGHTS;
    bool *wanted = cmat_xcalloc(n_pairs, sizeof *wanted);
    for (size_t i = 0; i < n_pairs; i++)
        wanted[i] = config->targets >> (i % CMAT_N_LAYER_WEIGHTS) & 1;
    cmat_status st = cmat_adapter_make(out, m, config, wanted, err);
    free(wanted);
    if (st != CMAT_OK)
        return st;
    init_a(*out, rng);
    if (config->dora)
        cmat_dora_init(*out);
    return CMAT_OK;
}

cmat_status cmat_adapter_make_like(cmat_adapter **out, const cmat_adapter *from, cmat_error *err)
{
    size_t n_pairs = (size_t)from->model->config.n_layers * CMAT_N_LAYER_WEIGHTS;
    bool *wanted = cmat_xcalloc(n_pairs, sizeof *wanted);
    for (size_t i = 0; i < n_pairs; i++)
        wanted[i] = from->pairs[i].a != NULL;
    cmat_status st = cmat_adapter_make(out, from->model, &from->config, wanted, err);
    free(wanted);
    return st;
}

/* ---- all methods ---- */

const cmat_method *const cmat_methods[] = {&cmat_method_lora,     &cmat_method_dora,
                                           &cmat_method_p_tuning, &cmat_method_prompt,
                                           &cmat_method_prefix,   NULL};

cmat_adapter *cmat_adapter_alloc(const cmat_method *method, const cmat_model *m)
{
    cmat_adapter *a = cmat_xcalloc(1, sizeof *a);
    a->method = method;
    a->model = m;
    a->pairs = cmat_xcalloc((size_t)m->config.n_layers * CMAT_N_LAYER_WEIGHTS, sizeof *a->pairs);
    return a;
}

cmat_status cmat_adapter_copy(cmat_adapter **out, const cmat_adapter *from, cmat_error *err)
{
    cmat_status st = from->method->make_like(out, from, err);
    if (st != CMAT_OK)
        return st;
    memcpy((*out)->params, from->params, from->n_params * sizeof(float));
    (*out)->name = cmat_xstrdup(from->name);
    cmat_adapter_refresh(*out);
    return CMAT_OK;
}

void cmat_adapter_refresh(cmat_adapter *a)
{
    if (a->method->refresh)
        a->method->refresh(a);
}

void cmat_adapter_backward(const cmat_adapter *a, const float *dserved, float *dparams)
{
    if (a->encoder)
        a->method->backward(a, dserved, dparams);
}

const char *cmat_adapter_method(const cmat_adapter *a)
{
    return a->method->name;
}

double cmat_adapter_lr(const cmat_adapter *a)
{
    return a->method->lr;
}

void cmat_adapter_free(cmat_adapter *a)
{
    if (!a)
        return;
    if (a->served != a->params)
        cmat_free_big(a->served);
    cmat_free_big(a->params);
    cmat_free_big(a->norms);
    cmat_free_big(a->unpermuted);
    if (a->tuned)
        free(a->tuned->layers);
    free(a->tuned);
    cmat_prompt_encoder_free(a->encoder);
    free(a->pairs);
    free(a->name);
    free(a);
}
