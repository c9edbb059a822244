/* model/arch.h - the architectures: one table of what tells them apart.
 *
 * All are decoders of one shape: RMSNorm, grouped-query attention over rotary positions, a gated
 * feed-forward network. An architecture is a name, the names of its tensors and a few flags; the
 * forward passes (model/forward.c, train/forward_train.c), the backward pass, adapters and exports
 * go by these and by the configuration alone. */
#ifndef CMAT_MODEL_ARCH_H
#define CMAT_MODEL_ARCH_H
#include <stdbool.h>
#include <stddef.h>

/* The matrices of a layer that adapters may change. */
enum {
    CMAT_W_Q,
    CMAT_W_K,
    CMAT_W_V,
    CMAT_W_O,
    CMAT_W_GATE,
    CMAT_W_UP,
    CMAT_W_DOWN,
    CMAT_N_LAYER_WEIGHTS
};

/* Everything in a checkpoint that has a name: first the matrices above. */
enum {
    CMAT_MODULE_QKV = CMAT_N_LAYER_WEIGHTS, /* q, k and v in one matrix, in this order */
    CMAT_MODULE_GATE_UP,                    /* gate and up in one matrix */
    CMAT_MODULE_ATTN_NORM,
    CMAT_MODULE_FFN_NORM,
    CMAT_MODULE_Q_NORM,
    CMAT_MODULE_K_NORM,
    CMAT_MODULE_POST_ATTN_NORM,
    CMAT_MODULE_POST_FFN_NORM,
    CMAT_N_LAYER_MODULES,
    CMAT_MODULE_TOKEN_EMBD = CMAT_N_LAYER_MODULES, /* these belong to no layer */
    CMAT_MODULE_OUTPUT_NORM,
    CMAT_MODULE_OUTPUT,
    CMAT_N_MODULES
};

typedef struct {
    const char *name;           /* general.architecture of a GGUF, and its keys' first part */
    const char *model_types[4]; /* model_type of a config.json, NULL at the end */
    const char *const *hf;      /* (CMAT_N_MODULES) Hugging Face's names; NULL: has none */
    bool interleaved;           /* rows of q and k in a GGUF are in the order of adjacent pairs */
    bool qkv_bias;              /* q, k and v have biases */
    bool qk_norm;               /* each head of q and k is normalised before it is turned */
    bool post_norms;            /* what attention and the network give is normalised, then added */
    bool gelu;                  /* the gate goes through gelu (tanh form) instead of silu */
    bool fused_qkv, fused_gate_up;
    bool norm_plus_one; /* Hugging Face's norm weights lack 1; a GGUF's have it */
    bool embd_sqrt;     /* embeddings are multiplied with sqrt(n_embd) */
    bool dynamic_ntk;   /* may have texts longer than it was trained on, by dynamic NTK and logn */
    bool ff_half;       /* the feed-forward length in the file counts gate and up together */
    int no_rope_every;  /* layers with (index + 1) divisible by this are not turned; 0: none */
    int full_every;     /* with a window: layers with (index + 1) divisible by this see all; 0: none
                         * do */
    int wide_scale_layers; /* a GGUF of so many layers leaves out that its scores are divided by
                            * sqrt(n_embd / n_heads) instead of sqrt(head_dim); 0: none does */
    float local_theta;     /* rope base of windowed layers; 0: the same as the others */
    float default_theta;   /* where a config.json does not tell */
} cmat_arch;

extern const cmat_arch cmat_archs[]; /* name NULL at the end */

/* NULL: there is none of that name. */
const cmat_arch *cmat_arch_find(const char *gguf_name);
const cmat_arch *cmat_arch_find_hf(const char *model_type);
/* "llama, qwen2, ...": for messages. */
void cmat_arch_list(char *out, size_t size);

enum { CMAT_MODULE_NAME_MAX = 96 };
/* The module's name without ".weight": "blk.3.attn_q" or "model.layers.3.self_attn.q_proj". hf:
 * Hugging Face's. layer is not used by modules that belong to none. */
void cmat_module_name(char out[CMAT_MODULE_NAME_MAX], const cmat_arch *a, bool hf, int module,
                      int layer);
/* The module of the checkpoint that holds matrix w (CMAT_W_*): w itself, or the fused one. */
int cmat_arch_module_of(const cmat_arch *a, int w);
/* How many matrices, from w on, that module holds; 0: it begins with an earlier one. */
int cmat_arch_module_size(const cmat_arch *a, int w);

/* "q", "k", "v", "o", "gate", "up", "down" */
extern const char *const cmat_weight_names[CMAT_N_LAYER_WEIGHTS];
#endif
