/* train/memory.c */
#include "train/memory.h"
#include "train/pass.h"

static size_t weight_bytes(const cmat_weight *w)
{
    const cmat_type_info *info = cmat_type_get(w->type);
    return (size_t)w->n_in / (size_t)info->block_weights * (size_t)info->block_bytes *
           (size_t)w->n_out;
}

static size_t base_bytes(const cmat_model *m)
{
    size_t n = weight_bytes(&m->token_embd) + (m->config.tied ? 0 : weight_bytes(&m->output));
    for (int l = 0; l < m->config.n_layers; l++)
        for (int w = 0; w < CMAT_N_LAYER_WEIGHTS; w++)
            n += weight_bytes(&m->layers[l].w[w]);
    return n;
}

cmat_status cmat_tune_count_memory(cmat_tune_memory *out, cmat_model *m,
                                   cmat_adapter *const *adapters, int n_adapters,
                                   const cmat_tune_options *opts, bool validates, cmat_error *err)
{
    const bool full = n_adapters > 0 && adapters[0]->tuned; /* the base itself is not read again */
    *out = (cmat_tune_memory){.base = full ? 0 : base_bytes(m)};
    for (int i = 0; i < n_adapters; i++) {
        out->params += adapters[i]->n_params * sizeof(float);
        if (adapters[i]->encoder)
            out->params += adapters[i]->n_served * sizeof(float);
        out->optimiser += adapters[i]->n_params * sizeof(float) * (validates ? 3 : 2);
    }
    cmat_status st = cmat_pass_count(&out->activations, m, adapters, n_adapters,
                                     &(cmat_pass_options){.max_rows = (int)opts->batch_tokens,
                                                          .keep = (cmat_keep)opts->keep,
                                                          .backward = true},
                                     err);
    out->total = out->base + out->params + out->optimiser + out->activations;
    return st;
}
