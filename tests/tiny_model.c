/* tests/tiny_model.c - writes a tiny random-weight llama GGUF. */
#include "tiny_model.h"

#include "core/mem.h"
#include "core/rng.h"
#include "core/text.h"
#include "model/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TENSORS 1024

/* In order of rank; each left and right side is a byte or an earlier merge. */
static const char *const merges[TINY_N_MERGES] = {"t h", "h e", "Ġ t",  "i n",   "e r", "a n",
                                                  "r e", "o n", "a t",  "Ġt he", "Ġ a", "o r",
                                                  "e n", "Ġ s", "an d", "in g"};

static const char chatml[] =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const tiny_model_options tiny_model_small = {.n_layers = 2,
                                             .n_heads = 2,
                                             .n_kv_heads = 1,
                                             .n_embd = 32,
                                             .n_ff = 32,
                                             .n_ctx = 128,
                                             .seed = 11,
                                             .std = 0.15f};

typedef struct {
    cmat_gguf_writer *w;
    cmat_rng rng;
    float std;
    void *data[MAX_TENSORS];
    int n_data;
} builder;

/* GPT-2's printable stand-in for each byte, in the order of the ids. */
static void byte_tokens(char names[256][5])
{
    int n = 0;
    uint32_t next = 256;
    for (int pass = 0; pass < 2; pass++) /* printable ones first, as they are; then the others */
        for (uint32_t b = 0; b < 256; b++) {
            bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            if (printable == (pass == 0)) {
                int len = cmat_utf8_encode(pass == 0 ? b : next++, names[n]);
                names[n++][len] = 0;
            }
        }
}

static void write_vocab(cmat_gguf_writer *w, int n_vocab, const char *const *more)
{
    static char bytes[256][5];
    const char **tokens = cmat_xcalloc((size_t)n_vocab, sizeof *tokens);
    int32_t *types = cmat_xcalloc((size_t)n_vocab, sizeof *types);
    char **made = cmat_xcalloc((size_t)n_vocab, sizeof *made);
    byte_tokens(bytes);
    for (int i = 0; i < n_vocab; i++) {
        types[i] = 1;
        if (i < 256) {
            tokens[i] = bytes[i];
        } else if (i < TINY_EOT) {
            const char *m = merges[i - 256], *sp = strchr(m, ' ');
            tokens[i] = made[i] = cmat_xasprintf("%.*s%s", (int)(sp - m), m, sp + 1);
        } else if (i < TINY_VOCAB) {
            static const char *const special[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
            tokens[i] = special[i - TINY_EOT];
            types[i] = 3; /* control */
        } else if (more && *more) {
            tokens[i] = *more++;
        } else {
            tokens[i] = made[i] = cmat_xasprintf("<unused_%d>", i);
            types[i] = 5; /* unused */
        }
    }
    cmat_gguf_writer_str(w, "tokenizer.ggml.model", "gpt2");
    cmat_gguf_writer_str(w, "tokenizer.ggml.pre", "gpt-2");
    cmat_gguf_writer_strings(w, "tokenizer.ggml.tokens", tokens, (size_t)n_vocab);
    cmat_gguf_writer_i32s(w, "tokenizer.ggml.token_type", types, (size_t)n_vocab);
    cmat_gguf_writer_strings(w, "tokenizer.ggml.merges", merges, TINY_N_MERGES);
    cmat_gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", TINY_IM_START);
    cmat_gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", TINY_IM_END);
    cmat_gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", false);
    cmat_gguf_writer_str(w, "tokenizer.chat_template", chatml);
    for (int i = 0; i < n_vocab; i++)
        free(made[i]);
    free(made);
    free(types);
    free(tokens);
}

static void add(builder *b, const char *name, cmat_type type, int64_t n_in, int64_t n_out,
                float mean)
{
    size_t n = (size_t)(n_in * (n_out ? n_out : 1));
    const cmat_type_info *info = cmat_type_get(type);
    float *x = cmat_xmalloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = mean + b->std * (float)cmat_rng_normal(&b->rng);
    void *data = cmat_xmalloc(n / (size_t)info->block_weights * (size_t)info->block_bytes);
    info->from_f32(x, data, n);
    free(x);
    if (b->n_data == MAX_TENSORS)
        abort();
    b->data[b->n_data++] = data;
    cmat_gguf_writer_tensor(b->w, name, type, n_out ? 2 : 1, (int64_t[]){n_in, n_out}, data);
}

static void add_layer(builder *b, const tiny_model_options *o, int layer)
{
    int64_t D = o->n_embd, F = o->n_ff, kv = D / o->n_heads * o->n_kv_heads;
    const struct {
        const char *name;
        int64_t n_in, n_out;
    } t[] = {{"attn_norm", D, 0}, {"attn_q", D, D},      {"attn_k", D, kv},
             {"attn_v", D, kv},   {"attn_output", D, D}, {"ffn_norm", D, 0},
             {"ffn_gate", D, F},  {"ffn_up", D, F},      {"ffn_down", F, D}};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, t[i].name);
        add(b, name, t[i].n_out ? o->type : CMAT_TYPE_F32, t[i].n_in, t[i].n_out,
            t[i].n_out ? 0.0f : 1.0f);
    }
}

static int or_default(int v, int def)
{
    return v ? v : def;
}

void tiny_model_write(const char *path, const tiny_model_options *opts)
{
    tiny_model_options o = opts ? *opts : (tiny_model_options){0};
    o.n_layers = or_default(o.n_layers, 2);
    o.n_heads = or_default(o.n_heads, 4);
    o.n_kv_heads = or_default(o.n_kv_heads, 2);
    o.n_embd = or_default(o.n_embd, 64);
    o.n_ff = or_default(o.n_ff, 128);
    o.n_ctx = or_default(o.n_ctx, 512);
    o.n_vocab = o.n_vocab > TINY_VOCAB ? o.n_vocab : TINY_VOCAB;

    builder b = {.w = cmat_gguf_writer_new(), .std = o.std > 0 ? o.std : 0.05f};
    cmat_rng_init(&b.rng, o.seed);
    cmat_gguf_writer_str(b.w, "general.architecture", "llama");
    cmat_gguf_writer_str(b.w, "general.name", "tiny");
    cmat_gguf_writer_u32(b.w, "llama.block_count", (uint32_t)o.n_layers);
    cmat_gguf_writer_u32(b.w, "llama.context_length", (uint32_t)o.n_ctx);
    cmat_gguf_writer_u32(b.w, "llama.embedding_length", (uint32_t)o.n_embd);
    cmat_gguf_writer_u32(b.w, "llama.feed_forward_length", (uint32_t)o.n_ff);
    cmat_gguf_writer_u32(b.w, "llama.attention.head_count", (uint32_t)o.n_heads);
    cmat_gguf_writer_u32(b.w, "llama.attention.head_count_kv", (uint32_t)o.n_kv_heads);
    cmat_gguf_writer_f32(b.w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    cmat_gguf_writer_u32(b.w, "llama.rope.dimension_count", (uint32_t)(o.n_embd / o.n_heads));
    cmat_gguf_writer_f32(b.w, "llama.rope.freq_base", 10000.0f);
    cmat_gguf_writer_u32(b.w, "llama.vocab_size", (uint32_t)o.n_vocab);
    write_vocab(b.w, o.n_vocab, o.more);
    add(&b, "token_embd.weight", o.type, o.n_embd, o.n_vocab, 0);
    add(&b, "output_norm.weight", CMAT_TYPE_F32, o.n_embd, 0, 1);
    if (o.untied)
        add(&b, "output.weight", o.type, o.n_embd, o.n_vocab, 0);
    for (int i = 0; i < o.n_layers; i++)
        add_layer(&b, &o, i);

    cmat_error err = {0};
    if (cmat_gguf_writer_save(b.w, path, &err) != CMAT_OK) {
        fprintf(stderr, "tiny_model_write: %s\n", err.msg);
        abort();
    }
    cmat_gguf_writer_free(b.w);
    for (int i = 0; i < b.n_data; i++)
        free(b.data[i]);
}

char *tiny_tmp_path(const char *name)
{
    const char *dir = getenv("CMAT_TMP");
    if (!dir)
        dir = getenv("TMPDIR");
    return cmat_xasprintf("%s/cmat-%d-%s", dir ? dir : "/tmp", (int)getpid(), name);
}
