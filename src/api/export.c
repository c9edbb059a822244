/* export.c - cmat_session_export: models and adapters for other programs. */
#include "model/export.h"
#include "api/api.h"
#include "core/log.h"

#include <string.h>

#define AT(m) offsetof(cmat_session_export_options, m)
enum { FORMAT_AUTO, FORMAT_GGUF_LORA, FORMAT_PEFT, FORMAT_PEFT_F16, FORMAT_GGUF, FORMAT_HF };
const cmat_option cmat_session_export_option_table[] = {
    {"adapter", CMAT_OPT_STR, AT(adapter), NULL, 0, 0, NULL, "DIR",
     "the adapter: PEFT folder or GGUF LoRA file", 'a'},
    {"format", CMAT_OPT_ENUM, AT(format), "auto", 0, 0,
     "auto|gguf-lora|peft|peft-f16|gguf|safetensors", NULL,
     "gguf-lora: an adapter for llama.cpp; peft: for Python's peft (peft-f16: half the size); "
     "gguf, "
     "safetensors: a model, the adapter merged into it; auto: gguf-lora for an adapter without "
     "--type, else gguf",
     0},
    {"type", CMAT_OPT_STR, AT(type), NULL, 0, 0, NULL, "TYPE",
     "of the weights: F32, F16, BF16; for gguf (default Q8_0) also Q8_0, Q6_K, Q5_K_M, Q5_1, Q5_0, "
     "Q4_K_M, Q4_1, Q4_0",
     0},
    {"max-kl", CMAT_OPT_FLOAT, AT(max_kl), "0", 0, 100, NULL, "X",
     "fail when the mean KL divergence from the source is above this many nats a token; 0: the "
     "type's own bound",
     0},
    {0},
};

static cmat_export_options options_of(const cmat_session_export_options *o, bool has_adapter)
{
    cmat_export_options e = {.type = o->type, .max_kl = o->max_kl};
    switch (o->format) {
    case FORMAT_GGUF_LORA:
        e.format = CMAT_EXPORT_GGUF_LORA;
        break;
    case FORMAT_PEFT:
    case FORMAT_PEFT_F16:
        e.format = CMAT_EXPORT_PEFT;
        if (o->format == FORMAT_PEFT_F16 && !o->type)
            e.type = "F16";
        break;
    case FORMAT_HF:
        e.format = CMAT_EXPORT_SAFETENSORS;
        break;
    case FORMAT_GGUF:
        e.format = CMAT_EXPORT_GGUF;
        break;
    default:
        e.format = has_adapter && !o->type ? CMAT_EXPORT_GGUF_LORA : CMAT_EXPORT_GGUF;
    }
    return e;
}

cmat_status cmat_session_export(cmat_session *s, const char *out, const char *options,
                                char **result, cmat_error *err)
{
    static const char *const names[] = {[CMAT_EXPORT_GGUF_LORA] = "gguf-lora",
                                        [CMAT_EXPORT_PEFT] = "peft",
                                        [CMAT_EXPORT_GGUF] = "gguf",
                                        [CMAT_EXPORT_SAFETENSORS] = "safetensors"};
    cmat_session_export_options o = {0};
    cmat_adapter *own = NULL;
    cmat_export_result r;
    cmat_status st = cmat_api_options(cmat_session_export_option_table, &o, options, err);

    if (st != CMAT_OK)
        return st;
    if (o.adapter)
        st = cmat_adapter_load(&own, s->model, o.adapter, err);
    if (st == CMAT_OK) {
        const cmat_adapter *a = own ? own : s->adapter;
        const cmat_export_options e = options_of(&o, a != NULL);
        st = cmat_export(s->model, a, out, &e, &r, err);
        if (st == CMAT_OK)
            cmat_api_result(json_pack("{s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:I}", "out", out,
                                      "format", names[e.format], "type", r.type, "bytes",
                                      (json_int_t)r.bytes, "mean_kl", r.mean_kl, "max_kl", r.max_kl,
                                      "max_diff", r.max_diff, "same_top", r.same_top, "tokens",
                                      (json_int_t)r.n_tokens),
                            result);
    }
    cmat_adapter_free(own);
    cmat_options_clear(cmat_session_export_option_table, &o);
    return st;
}
