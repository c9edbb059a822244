/* kl_trainer.c - one text through tuning's forward pass and loss. */
#include "kl_trainer.h"
#include "core/mem.h"
#include "train/pass.h"
#include <stdlib.h>

struct kl_trainer {
    cmat_pass *pass;
    cmat_batch batch;
    int max_tokens;
};

cmat_status kl_trainer_new(kl_trainer **out, cmat_model *m, int max_tokens, cmat_error *err)
{
    const cmat_pass_options o = {.max_rows = max_tokens};
    kl_trainer *t = cmat_xcalloc(1, sizeof *t);
    t->max_tokens = max_tokens;
    cmat_batch_init(&t->batch, max_tokens);
    *out = t;
    return cmat_pass_new(&t->pass, m, NULL, 0, &o, err);
}

void kl_trainer_free(kl_trainer *t)
{
    if (!t)
        return;
    cmat_pass_free(t->pass);
    cmat_batch_clear(&t->batch);
    free(t);
}

static cmat_status batch_from(kl_trainer *t, const int32_t *tokens, int n, cmat_error *err)
{
    cmat_train_set set = {0};
    cmat_clusters c = {0};
    cmat_plan p;
    cmat_train_set_add(&set, tokens, NULL, n, 0);
    cmat_status st = cmat_clusters_init(&c, &set, t->max_tokens, false, err);
    if (st == CMAT_OK) {
        cmat_plan_init(&p, &c, false, 0, 0);
        cmat_batch_fill(&t->batch, &c, &p, 0);
        cmat_plan_clear(&p);
    }
    cmat_clusters_clear(&c);
    cmat_train_set_clear(&set);
    return st;
}

/* The head, as cmat_pass_loss has it, without the loss. */
static void head(const kl_trainer *t, float *logits)
{
    cmat_pass *p = t->pass;
    const cmat_model_config *c = &p->model->config;
    const int D = c->n_embd, V = c->n_vocab;
    for (int i = 0, n; i < t->batch.n_rows; i += n) {
        n = t->batch.n_rows - i < p->head_rows ? t->batch.n_rows - i : p->head_rows;
        p->k->rmsnorm(p->hxn, NULL, p->x + (size_t)i * (size_t)D, p->base.output_norm, n, D,
                      c->rms_eps);
        p->k->matmul(logits + (size_t)i * (size_t)V, V, p->hxn, D, &p->base.output, n, false);
    }
}

cmat_status kl_trainer_run(kl_trainer *t, const int32_t *tokens, int n, float *logits,
                           float *logprobs, cmat_error *err)
{
    cmat_status st = batch_from(t, tokens, n, err);
    if (st != CMAT_OK)
        return st;
    cmat_pass_forward(t->pass, &t->batch, false);
    if (logits)
        head(t, logits);
    if (logprobs)
        logprobs[0] = 0;
    for (int i = 0; logprobs && i < t->batch.n_loss; i++) {
        cmat_row_group one = {.row = i, .n = 1, .adapter = 0};
        cmat_batch b = t->batch; /* the loss of a single row */
        double loss = 0;
        b.loss_groups = &one;
        b.n_loss_groups = 1;
        cmat_pass_loss(t->pass, &b, NULL, &loss);
        logprobs[i + 1] = (float)-loss;
    }
    return CMAT_OK;
}
