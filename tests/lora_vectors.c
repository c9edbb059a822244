/* Writes what tests/vectors/check_lora_grads.py compares with PyTorch and PEFT:
 *
 *   lora_vectors MODEL.gguf OUT_DIR
 *
 * OUT_DIR/adapter: an adapter tuned for some steps on two samples; OUT_DIR/grads: the gradients of
 * their mean loss at that point, in the adapter's own file format; OUT_DIR/logits.f32: the first
 * sample's logits (n, V); OUT_DIR/samples.json: tokens, loss weights and our loss. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/engine.h"
#include "train/pass.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const texts[] = {
    "List the customers of Porto. SELECT name FROM customers WHERE city = 'Porto' ORDER BY name;",
    "List the customers of Porto. There are three of them: Ana, Rui and Joaquim; none from 1998."};

static void make_set(cmat_train_set *set, const cmat_model *m)
{
    for (size_t i = 0; i < 2; i++) {
        int32_t *tokens = NULL;
        size_t n = 0, cap = 0;
        cmat_tokenizer_encode(m->tokenizer, texts[i], strlen(texts[i]), false, &tokens, &n, &cap);
        float *weights = cmat_xcalloc(n, sizeof *weights);
        for (size_t k = 9; k < n; k++)
            weights[k] = i ? 0.5F : 1.0F;
        cmat_train_set_add(set, tokens, weights, (int)n, 0);
        free(weights);
        free(tokens);
    }
}

static json_t *samples_json(const cmat_train_set *set, double loss)
{
    json_t *list = json_array();
    for (size_t i = 0; i < set->n; i++) {
        json_t *tokens = json_array(), *weights = json_array();
        for (int k = 0; k < set->items[i].n; k++) {
            json_array_append_new(tokens, json_integer(set->items[i].tokens[k]));
            json_array_append_new(weights, json_real((double)set->items[i].weights[k]));
        }
        json_array_append_new(list, json_pack("{s:o, s:o}", "tokens", tokens, "weights", weights));
    }
    return json_pack("{s:o, s:f}", "samples", list, "loss", loss);
}

/* The gradients, into the adapter's own place; returns the mean loss. */
static cmat_status gradients(cmat_model *m, cmat_adapter *a, const cmat_train_set *set,
                             double *loss, cmat_error *err)
{
    cmat_clusters c;
    cmat_plan p;
    cmat_batch b;
    cmat_pass *pass = NULL;
    double sums[CMAT_TUNE_MAX_ADAPTERS] = {0}, weight = 0;
    cmat_status st = cmat_clusters_init(&c, set, 256, true, err);
    if (st == CMAT_OK)
        st = cmat_pass_new(
            &pass, m, &a, 1,
            &(cmat_pass_options){.max_rows = 256, .keep = CMAT_KEEP_F32, .backward = true}, err);
    if (st != CMAT_OK)
        return st;
    cmat_plan_init(&p, &c, false, 0, 0);
    cmat_batch_init(&b, 256);
    cmat_batch_fill(&b, &c, &p, 0); /* both fit one batch */
    for (int i = 0; i < b.n_loss; i++)
        weight += (double)b.loss_weights[i];
    float scale = (float)(1 / weight);
    cmat_pass_forward(pass, &b, true);
    cmat_pass_loss(pass, &b, &scale, sums);
    cmat_pass_backward(pass, &b);
    *loss = sums[0] / weight;
    memcpy(a->params, pass->grads[0], a->n_params * sizeof(float));
    cmat_pass_free(pass);
    cmat_batch_clear(&b);
    cmat_plan_clear(&p);
    cmat_clusters_clear(&c);
    return CMAT_OK;
}

static cmat_status write_all(cmat_model *m, const char *dir, cmat_error *err)
{
    cmat_lora_config cfg = CMAT_LORA_DEFAULT;
    cmat_adapter *a = NULL;
    cmat_train_set set = {0};
    cmat_tune_options o = {0};
    cmat_rng rng;
    char *adapter = cmat_path_join(dir, "adapter"), *grads = cmat_path_join(dir, "grads");
    char *logits = cmat_path_join(dir, "logits.f32"),
         *samples = cmat_path_join(dir, "samples.json");
    double loss = 0;
    make_set(&set, m);
    size_t n = (size_t)set.items[0].n, V = (size_t)m->config.n_vocab;
    float *out = cmat_xmalloc(n * V * sizeof *out);

    cfg.rank = 8;
    cmat_rng_init(&rng, 1);
    cmat_status st = cmat_options_init(cmat_tune_option_table, &o, err);
    if (st == CMAT_OK)
        st = cmat_adapter_new(&a, m, &cfg, &rng, err);
    o.max_steps = 4;
    o.lr = 1e-3;
    o.batch_tokens = 256;
    if (st == CMAT_OK)
        st = cmat_tune(m, a, &set, NULL, &o, NULL, err);
    if (st == CMAT_OK)
        st = cmat_adapter_save(a, adapter, err);
    if (st == CMAT_OK)
        st = cmat_model_logits(m, a, set.items[0].tokens, n, out, err);
    if (st == CMAT_OK)
        st = cmat_write_file(logits, out, n * V * sizeof *out, err);
    if (st == CMAT_OK)
        st = gradients(m, a, &set, &loss, err);
    if (st == CMAT_OK)
        st = cmat_adapter_save(a, grads, err);
    json_t *j = samples_json(&set, loss);
    if (st == CMAT_OK)
        st = cmat_json_save(samples, j, err);
    json_decref(j);
    cmat_adapter_free(a);
    cmat_train_set_clear(&set);
    free(out);
    free(adapter);
    free(grads);
    free(logits);
    free(samples);
    return st;
}

int main(int argc, char **argv)
{
    cmat_error err;
    cmat_model *m = NULL;
    if (argc != 3) {
        fprintf(stderr, "lora_vectors MODEL.gguf OUT_DIR\n");
        return 2;
    }
    cmat_status st = cmat_mkdir_p(argv[2], &err);
    if (st == CMAT_OK)
        st = cmat_model_open(&m, argv[1], NULL, &err);
    if (st == CMAT_OK)
        st = write_all(m, argv[2], &err);
    if (st != CMAT_OK)
        fprintf(stderr, "lora_vectors: %s\n", err.msg);
    cmat_model_free(m);
    return st != CMAT_OK;
}
