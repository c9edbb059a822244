/* model/config_read.h - what the two readers of hyper-parameters share. */
#ifndef CMAT_MODEL_CONFIG_READ_H
#define CMAT_MODEL_CONFIG_READ_H
#include "model/config.h"

/* A file of hyper-parameters. Keys are the file's own; a JSON null counts as absent. */
typedef struct cmat_hparams cmat_hparams;
struct cmat_hparams {
    bool json;
    const char *prefix; /* put before keys: "llama." */
    const char *what;   /* "the file", "config.json": for messages */
    bool (*has)(const cmat_hparams *h, const char *key);
    /* CMAT_ERR_FORMAT: not a number, or not a whole one. */
    cmat_status (*get)(const cmat_hparams *h, const char *key, bool whole, double *out,
                       cmat_error *err);
};

/* A hyper-parameter within [min, max]; absent: def, or CMAT_ERR_FORMAT when def is NAN. */
cmat_status cmat_hparam_int(const cmat_hparams *h, const char *key, int min, int max, double def,
                            int *out, cmat_error *err);
cmat_status cmat_hparam_float(const cmat_hparams *h, const char *key, double min, double max,
                              double def, float *out, cmat_error *err);
/* The first Qwen's: contexts of more than n_orig tokens, up to c->n_ctx, are stretched by NTK-aware
 * bases that go by the text's length. After c->rope. */
void cmat_config_dynamic_ntk(cmat_model_config *c, int n_orig);
/* longrope: c->rope has the factors of texts of up to n_orig tokens and the magnitude,
 * c->stretches[0].rope, when `longer`, the factors of longer ones; without them n_orig is all there
 * is of the context. */
void cmat_config_longrope(cmat_model_config *c, bool longer, int n_orig);
/* The sizes that every architecture has; c->arch is set. */
cmat_status cmat_hparams_sizes(cmat_model_config *c, const cmat_hparams *h, cmat_error *err);
/* Flags of all layers by the architecture's pattern, from c->window; full_every: 0, or instead of
 * the architecture's. */
void cmat_config_layers(cmat_model_config *c, int full_every, int no_rope_every);
#endif
