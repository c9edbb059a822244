/* cmd_tune.c - `cmat tune`: a LoRA adapter from a file of conversations. */
#include "cli/commands.h"
#include "core/fs.h"
#include "core/mem.h"
#include "core/progress.h"
#include "core/text.h"
#include "data/dataset.h"
#include "train/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_common common;
    char *model, *adapter, *out, *valid, *targets;
    int64_t rank, max_len, batch_tokens, grad_accum, max_steps, warmup, eval_every, patience,
        save_every, seed;
    double alpha, dropout, lr, epochs, weight_decay, grad_clip, valid_share;
    bool rslora, resume, share_prefix;
    int schedule, keep;
} tune_opts;

#define AT(m) offsetof(tune_opts, m)
static const cmat_option options[] = {
    {"model", CMAT_OPT_STR, AT(model), NULL, 0, 0, NULL, "FILE", "the base model", 'm'},
    {"out", CMAT_OPT_STR, AT(out), NULL, 0, 0, NULL, "DIR",
     "where the adapter goes (PEFT's format), with checkpoints and metrics.jsonl", 'o'},
    {"adapter", CMAT_OPT_STR, AT(adapter), NULL, 0, 0, NULL, "DIR",
     "start from this adapter instead of a new one", 'a'},
    {"valid", CMAT_OPT_STR, AT(valid), NULL, 0, 0, NULL, "FILE", "rows for validation", 0},
    {"valid-share", CMAT_OPT_FLOAT, AT(valid_share), "0.05", 0, 0.9, NULL, "X",
     "without --valid: this share of the rows", 0},
    {"targets", CMAT_OPT_STR, AT(targets), "q,k,v,o,gate,up,down", 0, 0, NULL, "LIST",
     "matrices to adapt", 0},
    {"rank", CMAT_OPT_INT, AT(rank), "16", 1, 512, NULL, "R", "LoRA rank", 0},
    {"alpha", CMAT_OPT_FLOAT, AT(alpha), "32", 0.001, 1e4, NULL, "X",
     "LoRA alpha; the scale is alpha / rank", 0},
    {"dropout", CMAT_OPT_FLOAT, AT(dropout), "0", 0, 0.9, NULL, "P", "on the input of A", 0},
    {"rslora", CMAT_OPT_BOOL, AT(rslora), NULL, 0, 0, NULL, NULL, "scale by alpha / sqrt(rank)", 0},
    {"lr", CMAT_OPT_FLOAT, AT(lr), "5e-4", 1e-8, 1, NULL, "X", "peak learning rate", 0},
    {"schedule", CMAT_OPT_ENUM, AT(schedule), "cosine", 0, 0, "cosine|linear|constant", NULL,
     "of the learning rate", 0},
    {"warmup-steps", CMAT_OPT_INT, AT(warmup), "-1", -1, 1e9, NULL, "N",
     "-1: a twentieth of all steps", 0},
    {"weight-decay", CMAT_OPT_FLOAT, AT(weight_decay), "0", 0, 1, NULL, "X", "AdamW's", 0},
    {"grad-clip", CMAT_OPT_FLOAT, AT(grad_clip), "1", 0, 1e6, NULL, "X",
     "norm of the gradient at most; 0: off", 0},
    {"epochs", CMAT_OPT_FLOAT, AT(epochs), "1", 0.001, 1e4, NULL, "N", "passes over the rows", 0},
    {"max-steps", CMAT_OPT_INT, AT(max_steps), "0", 0, 1e9, NULL, "N", "instead of epochs", 0},
    {"batch-tokens", CMAT_OPT_INT, AT(batch_tokens), "2048", 16, 1e6, NULL, "N", "rows of one pass",
     0},
    {"grad-accum", CMAT_OPT_INT, AT(grad_accum), "1", 1, 1e4, NULL, "N",
     "passes of one optimiser step", 0},
    {"max-len", CMAT_OPT_INT, AT(max_len), "0", 0, 1e6, NULL, "N",
     "leave out longer rows; 0: the model's context", 0},
    {"eval-every", CMAT_OPT_INT, AT(eval_every), "0", 0, 1e9, NULL, "N", "steps; 0: once an epoch",
     0},
    {"patience", CMAT_OPT_INT, AT(patience), "0", 0, 1e6, NULL, "N",
     "evaluations without gain before stopping; 0: never", 0},
    {"save-every", CMAT_OPT_INT, AT(save_every), "50", 0, 1e9, NULL, "N",
     "steps between checkpoints", 0},
    {"keep", CMAT_OPT_ENUM, AT(keep), "f32", 0, 0, "f32|bf16|recompute", NULL,
     "what the forward pass keeps: more memory or more time", 0},
    {"share-prefix", CMAT_OPT_BOOL, AT(share_prefix), "true", 0, 0, NULL, NULL,
     "compute shared beginnings once", 0},
    {"resume", CMAT_OPT_BOOL, AT(resume), "true", 0, 0, NULL, NULL,
     "go on from --out's checkpoint when there is one", 0},
    {"seed", CMAT_OPT_INT, AT(seed), "1", 0, 9e15, NULL, "N",
     "of order, dropout and the new adapter", 0},
    CLI_COMMON_OPTIONS(tune_opts),
    {0},
};

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
            return cmat_fail(err, CMAT_ERR_ARG,
                             "--targets: \"%.*s\" is none of q,k,v,o,gate,up,down", (int)n, s);
        *bits |= 1u << w;
        s += n + (s[n] == ',');
    }
    return *bits ? CMAT_OK : cmat_fail(err, CMAT_ERR_ARG, "--targets: nothing to adapt");
}

static cmat_status load_rows(const tune_opts *o, int n_args, char **args, cmat_dataset *train,
                             cmat_dataset *valid, cmat_error *err)
{
    cmat_dataset all = {0};
    cmat_status st = CMAT_OK;

    for (int i = 0; st == CMAT_OK && i < n_args; i++)
        st = cmat_dataset_load(&all, args[i], CMAT_DATA_AUTO, NULL, err);
    if (st == CMAT_OK && o->valid) {
        st = cmat_dataset_load(valid, o->valid, CMAT_DATA_AUTO, NULL, err);
        for (size_t i = 0; i < all.n; i++)
            cmat_dataset_add_row(train, &all.items[i]);
    } else if (st == CMAT_OK) {
        cmat_dataset_split(&all, o->valid_share, (uint64_t)o->seed, train, valid);
    }
    if (st == CMAT_OK && !train->n)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "there are no rows to learn from");
    cmat_dataset_clear(&all);
    return st;
}

static void on_step(void *user, const cmat_tune_metrics *m)
{
    cmat_progress_set_total(user, m->n_steps);
    cmat_progress_note(user, "loss %.3f, %.0f tokens/s", m->loss, m->tok_s);
    cmat_progress_set(user, m->step);
}

static cmat_status tune(const tune_opts *o, cli_model *m, const cmat_train_set *train,
                        const cmat_train_set *valid, cmat_tune_result *res, cmat_error *err)
{
    cmat_tune_options to;
    size_t n_tokens, n_loss;
    cmat_status st = cmat_options_init(cmat_tune_option_table, &to, err);

    if (st != CMAT_OK)
        return st;
    to.lr = o->lr;
    to.schedule = o->schedule;
    to.warmup_steps = o->warmup;
    to.weight_decay = o->weight_decay;
    to.grad_clip = o->grad_clip;
    to.epochs = o->epochs;
    to.max_steps = o->max_steps;
    to.batch_tokens = o->batch_tokens;
    to.grad_accum = o->grad_accum;
    to.eval_every = o->eval_every;
    to.patience = o->patience;
    to.save_every = o->save_every;
    to.keep = o->keep;
    to.share_prefix = o->share_prefix;
    to.resume = o->resume;
    to.seed = o->seed;
    free(to.run_dir);
    to.run_dir = o->out;
    cmat_train_set_count(train, &n_tokens, &n_loss);
    fprintf(stderr, "%zu rows, %zu tokens, %zu of them with loss; %zu rows for validation\n",
            train->n, n_tokens, n_loss, valid->n);
    cmat_progress *p = NULL;
    if (!o->common.quiet) {
        p = cmat_progress_new("tune", 0);
        to.on_step = on_step;
        to.user = p;
    }
    st = cmat_tune(m->model, m->adapter, train, valid, &to, res, err);
    cmat_progress_free(p);
    return st;
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    tune_opts *o = vopts;
    cmat_lora_config config = {.rank = (int)o->rank,
                               .alpha = (float)o->alpha,
                               .dropout = (float)o->dropout,
                               .rslora = o->rslora};
    cmat_dataset train_rows = {0}, valid_rows = {0};
    cmat_train_set train = {0}, valid = {0};
    cmat_tune_result res;
    cmat_rng rng;
    cli_model m = {0};
    cmat_status st;

    if (!o->out)
        return cmat_fail(err, CMAT_ERR_ARG, "--out DIR says where the adapter goes");
    if ((st = parse_targets(o->targets, &config.targets, err)) != CMAT_OK ||
        (st = load_rows(o, n_args, args, &train_rows, &valid_rows, err)) != CMAT_OK ||
        (st = cli_model_open(&m, o->model, o->adapter, NULL, err)) != CMAT_OK ||
        (st = cmat_model_prepare(m.model, CMAT_USE_BACKWARD | CMAT_USE_PROMPT, err)) != CMAT_OK)
        goto done;
    cmat_rng_init(&rng, (uint64_t)o->seed);
    if (!m.adapter && (st = cmat_adapter_new(&m.adapter, m.model, &config, &rng, err)) != CMAT_OK)
        goto done;
    if ((st = cmat_train_set_add_dataset(&train, m.model, &train_rows, (int)o->max_len, 0, err)) !=
            CMAT_OK ||
        (st = cmat_train_set_add_dataset(&valid, m.model, &valid_rows, (int)o->max_len, 0, err)) !=
            CMAT_OK ||
        (st = cmat_mkdir_p(o->out, err)) != CMAT_OK ||
        (st = tune(o, &m, &train, &valid, &res, err)) != CMAT_OK ||
        (st = cmat_adapter_save(m.adapter, o->out, err)) != CMAT_OK)
        goto done;
    if (o->common.json) {
        json_t *j = json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:I}", "adapter", o->out, "steps",
                              (json_int_t)res.steps, "tokens", (json_int_t)res.tokens, "first_loss",
                              res.first_loss, "loss", res.loss, "seconds", res.seconds, "memory",
                              (json_int_t)res.memory);
        if (res.has_eval) {
            json_object_set_new(j, "eval_start", json_real(res.eval_start));
            json_object_set_new(j, "eval_loss", json_real(res.eval_loss[0]));
        }
        cli_print_json(j);
        json_decref(j);
    } else {
        char t[32];
        cmat_text_seconds(t, sizeof t, res.seconds);
        printf("%lld steps in %s, loss %.3f to %.3f", (long long)res.steps, t, res.first_loss,
               res.loss);
        if (res.has_eval)
            printf(", validation %.3f to %.3f", res.eval_start, res.eval_loss[0]);
        printf("\nadapter: %s\n", o->out);
    }
done:
    cmat_train_set_clear(&train);
    cmat_train_set_clear(&valid);
    cmat_dataset_clear(&train_rows);
    cmat_dataset_clear(&valid_rows);
    cli_model_close(&m);
    return st;
}

const cli_command cli_tune = {
    .name = "tune",
    .summary = "a LoRA adapter from a file of conversations",
    .usage = "--out DIR [options] FILE...",
    .text =
        "Files are JSON lines with OpenAI's `messages`, Alpaca or ShareGPT; which one is found "
        "out. The loss is on\n"
        "assistant turns only. Shared beginnings (a system prompt) are computed once a batch. A "
        "run that was\n"
        "stopped goes on from its last checkpoint and ends in the same bytes.\n\n"
        "Examples:\n"
        "  cmat tune --out runs/mine chats.jsonl\n"
        "  cmat tune --out runs/mine --rank 8 --targets q,v --epochs 3 --lr 2e-4 a.jsonl b.jsonl",
    .options = options,
    .opts_size = sizeof(tune_opts),
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
