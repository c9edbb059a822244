/* train/method_options.c - which method tunes, as the command line, recipes and run.json see it. */
#include "train/train.h"
#include <stddef.h>
#include <string.h>

#define AT(member) offsetof(cmat_method_options, member)

const cmat_option cmat_method_option_table[] = {
    {"method", CMAT_OPT_ENUM, AT(method), "lora", 0, 0,
     "lora|dora|p-tuning|prompt-tuning|prefix-tuning|full", "METHOD",
     "what is tuned: something small beside the frozen base, or (full) all its weights", 0},
    {"targets", CMAT_OPT_STR, AT(targets), "q,k,v,o,gate,up,down", 0, 0, NULL, "LIST",
     "LoRA, DoRA: matrices to adapt", 0},
    {"rank", CMAT_OPT_INT, AT(rank), "16", 1, 512, NULL, "R", "LoRA, DoRA: rank", 0},
    {"alpha", CMAT_OPT_FLOAT, AT(alpha), "32", 0.001, 1e4, NULL, "X",
     "LoRA, DoRA: alpha; the scale is alpha / rank", 0},
    {"dropout", CMAT_OPT_FLOAT, AT(dropout), "0", 0, 0.9, NULL, "P",
     "LoRA, DoRA: on the input of A, in training", 0},
    {"rslora", CMAT_OPT_BOOL, AT(rslora), NULL, 0, 0, NULL, NULL,
     "LoRA, DoRA: scale by alpha / sqrt(rank)", 0},
    {"virtual-tokens", CMAT_OPT_INT, AT(virtual_tokens), "20", 1, 65536, NULL, "N",
     "P-Tuning, prompt, prefix: virtual tokens before a text", 0},
    {"encoder", CMAT_OPT_ENUM, AT(encoder), "auto", 0, 0, "auto|none|mlp|lstm", "NET",
     "what virtual tokens are tuned through: P-Tuning mlp (auto) or lstm, prefix none (auto) or "
     "mlp",
     0},
    {"encoder-hidden", CMAT_OPT_INT, AT(encoder_hidden), "0", 0, 65536, NULL, "N",
     "hidden units of the encoder; 0: the model's width, at most 1024", 0},
    {"encoder-layers", CMAT_OPT_INT, AT(encoder_layers), "2", 1, 8, NULL, "N", "layers of the LSTM",
     0},
    {"init-text", CMAT_OPT_STR, AT(init_text), NULL, 0, 0, NULL, "TEXT",
     "prompt, prefix: start from this text instead of random tokens", 0},
    {0}};

static cmat_status parse_targets(const char *list, unsigned *bits, cmat_error *err)
{
    *bits = 0;
    for (const char *s = list; *s;) {
        size_t n = strcspn(s, ",");
        int w = 0;
        while (w < CMAT_N_LAYER_WEIGHTS &&
               (strlen(cmat_weight_names[w]) != n || memcmp(cmat_weight_names[w], s, n) != 0))
            w++;
        if (w == CMAT_N_LAYER_WEIGHTS)
            return cmat_fail(err, CMAT_ERR_ARG, "targets: \"%.*s\" is none of q,k,v,o,gate,up,down",
                             (int)n, s);
        *bits |= 1u << w;
        s += n + (s[n] == ',');
    }
    return *bits ? CMAT_OK : cmat_fail(err, CMAT_ERR_ARG, "targets: nothing to adapt");
}

static cmat_status prompt_adapter(cmat_adapter **out, const cmat_model *m,
                                  const cmat_method_options *o, cmat_rng *rng, cmat_error *err)
{
    static const cmat_prompt_kind kinds[] = {[CMAT_TUNE_P_TUNING] = CMAT_PROMPT_P_TUNING,
                                             [CMAT_TUNE_PROMPT] = CMAT_PROMPT_EMBEDDINGS,
                                             [CMAT_TUNE_PREFIX] = CMAT_PROMPT_PREFIX};
    cmat_prompt_config c = {.kind = kinds[o->method],
                            .n_virtual = (int)o->virtual_tokens,
                            .hidden = (int)o->encoder_hidden,
                            .lstm_layers = (int)o->encoder_layers,
                            .init_text = o->init_text};
    if (o->encoder > 0)
        c.encoder = (cmat_encoder_kind)(o->encoder - 1);
    else if (o->method == CMAT_TUNE_P_TUNING)
        c.encoder = CMAT_ENCODER_MLP;
    if (o->method == CMAT_TUNE_PROMPT && c.encoder != CMAT_ENCODER_NONE)
        return cmat_fail(err, CMAT_ERR_ARG, "encoder: prompt tuning has none (p-tuning has)");
    return cmat_adapter_new_prompt(out, m, &c, rng, err);
}

cmat_status cmat_method_adapter(cmat_adapter **out, const cmat_model *m,
                                const cmat_method_options *o, cmat_rng *rng, cmat_error *err)
{
    cmat_lora_config config = {.rank = (int)o->rank,
                               .alpha = (float)o->alpha,
                               .dropout = (float)o->dropout,
                               .rslora = o->rslora,
                               .dora = o->method == CMAT_TUNE_DORA};
    *out = NULL;
    if (o->method == CMAT_TUNE_FULL)
        return cmat_adapter_new_full(out, m, err);
    if (o->method != CMAT_TUNE_LORA && o->method != CMAT_TUNE_DORA)
        return prompt_adapter(out, m, o, rng, err);
    cmat_status st = parse_targets(o->targets, &config.targets, err);
    return st == CMAT_OK ? cmat_adapter_new(out, m, &config, rng, err) : st;
}
