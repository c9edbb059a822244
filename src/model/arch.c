/* model/arch.c - the table of architectures and the names of their tensors. */
#include "model/arch.h"
#include <stdio.h>
#include <string.h>

const char *const cmat_weight_names[CMAT_N_LAYER_WEIGHTS] = {"q",    "k",  "v",   "o",
                                                             "gate", "up", "down"};

/* GGUF gives modules one name over all architectures. */
static const char *const gguf_names[CMAT_N_MODULES] = {
    [CMAT_W_Q] = "attn_q",
    [CMAT_W_K] = "attn_k",
    [CMAT_W_V] = "attn_v",
    [CMAT_W_O] = "attn_output",
    [CMAT_W_GATE] = "ffn_gate",
    [CMAT_W_UP] = "ffn_up",
    [CMAT_W_DOWN] = "ffn_down",
    [CMAT_MODULE_QKV] = "attn_qkv",
    [CMAT_MODULE_GATE_UP] = "ffn_up",
    [CMAT_MODULE_ATTN_NORM] = "attn_norm",
    [CMAT_MODULE_FFN_NORM] = "ffn_norm",
    [CMAT_MODULE_Q_NORM] = "attn_q_norm",
    [CMAT_MODULE_K_NORM] = "attn_k_norm",
    [CMAT_MODULE_POST_ATTN_NORM] = "post_attention_norm",
    [CMAT_MODULE_POST_FFN_NORM] = "post_ffw_norm",
    [CMAT_MODULE_TOKEN_EMBD] = "token_embd",
    [CMAT_MODULE_OUTPUT_NORM] = "output_norm",
    [CMAT_MODULE_OUTPUT] = "output",
};

static const char *const hf_llama[CMAT_N_MODULES] = {
    [CMAT_W_Q] = "model.layers.%d.self_attn.q_proj",
    [CMAT_W_K] = "model.layers.%d.self_attn.k_proj",
    [CMAT_W_V] = "model.layers.%d.self_attn.v_proj",
    [CMAT_W_O] = "model.layers.%d.self_attn.o_proj",
    [CMAT_W_GATE] = "model.layers.%d.mlp.gate_proj",
    [CMAT_W_UP] = "model.layers.%d.mlp.up_proj",
    [CMAT_W_DOWN] = "model.layers.%d.mlp.down_proj",
    [CMAT_MODULE_ATTN_NORM] = "model.layers.%d.input_layernorm",
    [CMAT_MODULE_FFN_NORM] = "model.layers.%d.post_attention_layernorm",
    [CMAT_MODULE_Q_NORM] = "model.layers.%d.self_attn.q_norm",
    [CMAT_MODULE_K_NORM] = "model.layers.%d.self_attn.k_norm",
    [CMAT_MODULE_TOKEN_EMBD] = "model.embed_tokens",
    [CMAT_MODULE_OUTPUT_NORM] = "model.norm",
    [CMAT_MODULE_OUTPUT] = "lm_head",
};

static const char *const hf_qwen[CMAT_N_MODULES] = {
    [CMAT_MODULE_QKV] = "transformer.h.%d.attn.c_attn",
    [CMAT_W_O] = "transformer.h.%d.attn.c_proj",
    [CMAT_W_GATE] = "transformer.h.%d.mlp.w2",
    [CMAT_W_UP] = "transformer.h.%d.mlp.w1",
    [CMAT_W_DOWN] = "transformer.h.%d.mlp.c_proj",
    [CMAT_MODULE_ATTN_NORM] = "transformer.h.%d.ln_1",
    [CMAT_MODULE_FFN_NORM] = "transformer.h.%d.ln_2",
    [CMAT_MODULE_TOKEN_EMBD] = "transformer.wte",
    [CMAT_MODULE_OUTPUT_NORM] = "transformer.ln_f",
    [CMAT_MODULE_OUTPUT] = "lm_head",
};

static const char *const hf_gemma3[CMAT_N_MODULES] = {
    [CMAT_W_Q] = "model.layers.%d.self_attn.q_proj",
    [CMAT_W_K] = "model.layers.%d.self_attn.k_proj",
    [CMAT_W_V] = "model.layers.%d.self_attn.v_proj",
    [CMAT_W_O] = "model.layers.%d.self_attn.o_proj",
    [CMAT_W_GATE] = "model.layers.%d.mlp.gate_proj",
    [CMAT_W_UP] = "model.layers.%d.mlp.up_proj",
    [CMAT_W_DOWN] = "model.layers.%d.mlp.down_proj",
    [CMAT_MODULE_ATTN_NORM] = "model.layers.%d.input_layernorm",
    [CMAT_MODULE_FFN_NORM] = "model.layers.%d.pre_feedforward_layernorm",
    [CMAT_MODULE_Q_NORM] = "model.layers.%d.self_attn.q_norm",
    [CMAT_MODULE_K_NORM] = "model.layers.%d.self_attn.k_norm",
    [CMAT_MODULE_POST_ATTN_NORM] = "model.layers.%d.post_attention_layernorm",
    [CMAT_MODULE_POST_FFN_NORM] = "model.layers.%d.post_feedforward_layernorm",
    [CMAT_MODULE_TOKEN_EMBD] = "model.embed_tokens",
    [CMAT_MODULE_OUTPUT_NORM] = "model.norm",
    [CMAT_MODULE_OUTPUT] = "lm_head",
};

static const char *const hf_phi3[CMAT_N_MODULES] = {
    [CMAT_MODULE_QKV] = "model.layers.%d.self_attn.qkv_proj",
    [CMAT_W_O] = "model.layers.%d.self_attn.o_proj",
    [CMAT_MODULE_GATE_UP] = "model.layers.%d.mlp.gate_up_proj",
    [CMAT_W_DOWN] = "model.layers.%d.mlp.down_proj",
    [CMAT_MODULE_ATTN_NORM] = "model.layers.%d.input_layernorm",
    [CMAT_MODULE_FFN_NORM] = "model.layers.%d.post_attention_layernorm",
    [CMAT_MODULE_TOKEN_EMBD] = "model.embed_tokens",
    [CMAT_MODULE_OUTPUT_NORM] = "model.norm",
    [CMAT_MODULE_OUTPUT] = "lm_head",
};

/* In the order in which messages name them. */
const cmat_arch cmat_archs[] = {
    {.name = "llama",
     .model_types = {"llama", "mistral"},
     .hf = hf_llama,
     .interleaved = true,
     .default_theta = 10000},
    {.name = "qwen",
     .model_types = {"qwen"},
     .hf = hf_qwen,
     .qkv_bias = true,
     .fused_qkv = true,
     .dynamic_ntk = true,
     .ff_half = true,
     .default_theta = 10000},
    {.name = "qwen2",
     .model_types = {"qwen2"},
     .hf = hf_llama,
     .qkv_bias = true,
     .default_theta = 10000},
    {.name = "qwen3",
     .model_types = {"qwen3"},
     .hf = hf_llama,
     .qk_norm = true,
     .default_theta = 10000},
    {.name = "gemma3",
     .model_types = {"gemma3_text", "gemma3"},
     .hf = hf_gemma3,
     .qk_norm = true,
     .post_norms = true,
     .gelu = true,
     .norm_plus_one = true,
     .embd_sqrt = true,
     .full_every = 6,
     .wide_scale_layers = 62, /* the 27B */
     .local_theta = 10000,
     .default_theta = 1000000},
    {.name = "phi3",
     .model_types = {"phi3"},
     .hf = hf_phi3,
     .fused_qkv = true,
     .fused_gate_up = true,
     .default_theta = 10000},
    {.name = "smollm3",
     .model_types = {"smollm3"},
     .hf = hf_llama,
     .interleaved = true,
     .no_rope_every = 4,
     .default_theta = 2000000},
    {0},
};

const cmat_arch *cmat_arch_find(const char *gguf_name)
{
    for (const cmat_arch *a = cmat_archs; a->name; a++)
        if (strcmp(a->name, gguf_name) == 0)
            return a;
    return NULL;
}

const cmat_arch *cmat_arch_find_hf(const char *model_type)
{
    for (const cmat_arch *a = cmat_archs; a->name; a++)
        for (int i = 0; a->model_types[i]; i++)
            if (strcmp(a->model_types[i], model_type) == 0)
                return a;
    return NULL;
}

void cmat_arch_list(char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (const cmat_arch *a = cmat_archs; a->name && n < size; a++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", a->name);
}

void cmat_module_name(char out[CMAT_MODULE_NAME_MAX], const cmat_arch *a, bool hf, int module,
                      int layer)
{
    const char *name = hf ? a->hf[module] : gguf_names[module];
    const char *place = hf ? strstr(name, "%d") : NULL;
    if (place)
        snprintf(out, CMAT_MODULE_NAME_MAX, "%.*s%d%s", (int)(place - name), name, layer,
                 place + 2);
    else if (!hf && module < CMAT_N_LAYER_MODULES)
        snprintf(out, CMAT_MODULE_NAME_MAX, "blk.%d.%s", layer, name);
    else
        snprintf(out, CMAT_MODULE_NAME_MAX, "%s", name);
}

int cmat_arch_module_of(const cmat_arch *a, int w)
{
    if (a->fused_qkv && w <= CMAT_W_V)
        return CMAT_MODULE_QKV;
    if (a->fused_gate_up && (w == CMAT_W_GATE || w == CMAT_W_UP))
        return CMAT_MODULE_GATE_UP;
    return w;
}

int cmat_arch_module_size(const cmat_arch *a, int w)
{
    const int module = cmat_arch_module_of(a, w);
    int n = 1;
    if (w > 0 && module >= CMAT_N_LAYER_WEIGHTS && cmat_arch_module_of(a, w - 1) == module)
        return 0;
    while (w + n < CMAT_N_LAYER_WEIGHTS && module >= CMAT_N_LAYER_WEIGHTS &&
           cmat_arch_module_of(a, w + n) == module)
        n++;
    return n;
}
