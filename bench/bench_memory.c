/* bench/bench_memory.c - how much memory tuning a model of a given shape takes.
 *
 *   bench_memory FILE [LAYERS [BATCH_TOKENS [RUN_TOKENS]]]
 *
 * Writes FILE, a random Q4_0 model with the widths of a 7B one (4096, 32 heads, 11008, vocabulary
 * 32000; 32 LAYERS make 6.6 billion weights), prints the plan for LoRA of rank 16 on all seven
 * matrices at BATCH_TOKENS (512), then really tunes one step of RUN_TOKENS (0: none) and prints the
 * process's peak, the base's file pages counted, beside the plan for that. */
#include "core/fs.h"
#include "core/mem.h"
#include "model/gguf.h"
#include "train/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { D = 4096, F = 11008, HEADS = 32, VOCAB = 32000 };

static double memory_line(const char *key)
{
    char *text = NULL;
    size_t n;
    double mb = 0;
    if (cmat_read_file("/proc/self/status", 1 << 20, &text, &n, NULL) == CMAT_OK) {
        const char *p = strstr(text, key);
        mb = p ? strtod(p + strlen(key), NULL) * 1024 / 1e6 : 0;
    }
    free(text);
    return mb;
}

/* Q4_0 blocks of small random weights; every tensor begins at the buffer's start. */
static void *random_blocks(size_t weights)
{
    const cmat_type_info *info = cmat_type_get(CMAT_TYPE_Q4_0);
    const size_t n = weights / (size_t)info->block_weights, size = (size_t)info->block_bytes;
    unsigned char *data = cmat_xmalloc(n * size);
    cmat_rng rng;
    cmat_rng_init(&rng, 1);
    for (size_t i = 0; i < n; i++) {
        static const unsigned char scale[2] = {0x66, 0x18}; /* 0.0022 as float16: std about 0.01 */
        memcpy(data + i * size, scale, sizeof scale);
        for (size_t j = 2; j < size; j++)
            data[i * size + j] = (unsigned char)cmat_rng_u64(&rng);
    }
    return data;
}

static void write_vocab(cmat_gguf_writer *w)
{
    const char **tokens = cmat_xcalloc(VOCAB, sizeof *tokens);
    char(*text)[12] = cmat_xcalloc(VOCAB, sizeof *text);
    int32_t *types = cmat_xcalloc(VOCAB, sizeof *types);
    for (int i = 0; i < VOCAB; i++) {
        snprintf(text[i], sizeof text[i],
                 i < 94    ? "%c"
                 : i == 94 ? "ab"
                           : "<%d>",
                 i < 94 ? i + 33 : i);
        tokens[i] = text[i];
        types[i] = i < 95 ? 1 : 5; /* unused */
    }
    cmat_gguf_writer_str(w, "tokenizer.ggml.model", "gpt2");
    cmat_gguf_writer_str(w, "tokenizer.ggml.pre", "gpt-2");
    cmat_gguf_writer_strings(w, "tokenizer.ggml.tokens", tokens, VOCAB);
    cmat_gguf_writer_i32s(w, "tokenizer.ggml.token_type", types, VOCAB);
    cmat_gguf_writer_strings(w, "tokenizer.ggml.merges", (const char *[]){"a b"}, 1);
    free(tokens);
    free(text);
    free(types);
}

static cmat_status write_model(const char *path, int n_layers, cmat_error *err)
{
    static const struct {
        const char *name;
        int64_t n_in, n_out;
    } parts[] = {{"attn_norm", D, 0}, {"attn_q", D, D},      {"attn_k", D, D},
                 {"attn_v", D, D},    {"attn_output", D, D}, {"ffn_norm", D, 0},
                 {"ffn_gate", D, F},  {"ffn_up", D, F},      {"ffn_down", F, D}};
    cmat_gguf_writer *w = cmat_gguf_writer_new();
    void *blocks = random_blocks((size_t)D * VOCAB);
    float *ones = cmat_xmalloc(D * sizeof *ones);
    for (int i = 0; i < D; i++)
        ones[i] = 1;
    cmat_gguf_writer_str(w, "general.architecture", "llama");
    cmat_gguf_writer_u32(w, "llama.block_count", (uint32_t)n_layers);
    cmat_gguf_writer_u32(w, "llama.context_length", 4096);
    cmat_gguf_writer_u32(w, "llama.embedding_length", D);
    cmat_gguf_writer_u32(w, "llama.feed_forward_length", F);
    cmat_gguf_writer_u32(w, "llama.attention.head_count", HEADS);
    cmat_gguf_writer_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5F);
    cmat_gguf_writer_u32(w, "llama.vocab_size", VOCAB);
    write_vocab(w);
    cmat_gguf_writer_tensor(w, "token_embd.weight", CMAT_TYPE_Q4_0, 2, (int64_t[]){D, VOCAB},
                            blocks);
    cmat_gguf_writer_tensor(w, "output.weight", CMAT_TYPE_Q4_0, 2, (int64_t[]){D, VOCAB}, blocks);
    cmat_gguf_writer_tensor(w, "output_norm.weight", CMAT_TYPE_F32, 1, (int64_t[]){D}, ones);
    for (int l = 0; l < n_layers; l++)
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%d.%s.weight", l, parts[i].name);
            cmat_gguf_writer_tensor(
                w, name, parts[i].n_out ? CMAT_TYPE_Q4_0 : CMAT_TYPE_F32, parts[i].n_out ? 2 : 1,
                (int64_t[]){parts[i].n_in, parts[i].n_out}, parts[i].n_out ? blocks : (void *)ones);
        }
    cmat_status st = cmat_gguf_writer_save(w, path, err);
    cmat_gguf_writer_free(w);
    free(blocks);
    free(ones);
    return st;
}

static cmat_status print_plan(cmat_model *m, cmat_adapter *a, cmat_tune_options *o, int tokens,
                              cmat_error *err)
{
    static const char *const keeps[] = {"f32", "bf16", "recompute"};
    cmat_status st = CMAT_OK;
    o->batch_tokens = tokens;
    for (int keep = 0; st == CMAT_OK && keep < 3; keep++) {
        cmat_tune_memory x;
        o->keep = keep;
        if ((st = cmat_tune_count_memory(&x, m, &a, 1, o, false, err)) == CMAT_OK)
            printf(
                "plan_%s_%d_tokens_mb base %.0f params %.0f optimiser %.0f activations %.0f "
                "total %.0f\n",
                keeps[keep], tokens, (double)x.base / 1e6, (double)x.params / 1e6,
                (double)x.optimiser / 1e6, (double)x.activations / 1e6, (double)x.total / 1e6);
    }
    return st; /* o->keep is recompute now */
}

static cmat_status run_step(cmat_model *m, cmat_adapter *a, cmat_tune_options *o, int tokens,
                            cmat_error *err)
{
    cmat_train_set set = {0};
    cmat_tune_result r;
    int32_t *ids = cmat_xcalloc((size_t)tokens + 1, sizeof *ids);
    for (int i = 0; i <= tokens; i++)
        ids[i] = (i * 37 + 11) % 95;
    cmat_train_set_add(&set, ids, NULL, tokens + 1, 0);
    o->batch_tokens = tokens;
    o->max_steps = 1;
    cmat_status st = cmat_tune(m, a, &set, NULL, o, &r, err);
    if (st == CMAT_OK)
        printf("step_loss %.4f\nstep_seconds %.1f\npeak_mb %.0f\n", r.loss, r.seconds,
               memory_line("VmHWM:"));
    free(ids);
    cmat_train_set_clear(&set);
    return st;
}

int main(int argc, char **argv)
{
    const int n_layers = argc > 2 ? atoi(argv[2]) : 32, plan = argc > 3 ? atoi(argv[3]) : 512,
              tokens = argc > 4 ? atoi(argv[4]) : 0;
    cmat_lora_config c = CMAT_LORA_DEFAULT;
    cmat_tune_options o = {0};
    cmat_model *m = NULL;
    cmat_adapter *a = NULL;
    cmat_error err;
    cmat_rng rng;
    if (argc < 2 || n_layers < 1 || plan < 8 || tokens < 0) {
        fprintf(stderr, "bench_memory FILE [LAYERS [BATCH_TOKENS [RUN_TOKENS]]]\n");
        return 2;
    }
    cmat_rng_init(&rng, 1);
    cmat_status st = write_model(argv[1], n_layers, &err);
    if (st == CMAT_OK)
        st = cmat_model_open(&m, argv[1], NULL, &err);
    if (st == CMAT_OK)
        st = cmat_adapter_new(&a, m, &c, &rng, &err);
    if (st == CMAT_OK)
        st = cmat_options_init(cmat_tune_option_table, &o, &err);
    if (st == CMAT_OK)
        st = print_plan(m, a, &o, plan, &err);
    if (st == CMAT_OK && tokens > 0 && (st = print_plan(m, a, &o, tokens, &err)) == CMAT_OK)
        st = run_step(m, a, &o, tokens, &err);
    if (st != CMAT_OK)
        fprintf(stderr, "bench_memory: %s\n", err.msg);
    cmat_adapter_free(a);
    cmat_model_free(m);
    return st != CMAT_OK;
}
