/* train/tune.c - the loop: plan an epoch, take steps, validate, keep the best, save.
 *
 * Everything that decides the next step is in cmat_tune_state, the optimiser's arrays and the
 * options: an epoch's plan comes from (seed, epoch), a batch's dropout from (seed, epoch, batch).
 */
#include "core/cancel.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/pass.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cmat_model *model;
    cmat_adapter *const *adapters;
    int n;
    const cmat_tune_options *opts;
    cmat_train_set train_set, valid_set; /* with virtual tokens; empty when there are none */
    cmat_clusters train, valid;
    cmat_plan plan, valid_plan; /* of state.epoch; of the validation set */
    int64_t plan_epoch;
    cmat_pass *pass;
    cmat_batch batch;
    cmat_optim optim[CMAT_TUNE_MAX_ADAPTERS];
    cmat_tune_state state;
    int64_t n_steps, saved_step, first_step; /* first_step: where this call began */
    double start;
    cmat_metrics metrics;
    char *checkpoint;
    char identity[65];
} tuner;

static int64_t steps_of_epoch(const tuner *t, const cmat_plan *p)
{
    return ((int64_t)p->n_batches + t->opts->grad_accum - 1) / t->opts->grad_accum;
}

/* Packing differs a little by epoch, so that steps are counted by planning all of them. */
static int64_t count_steps(const tuner *t)
{
    int64_t n = 0;
    if (t->opts->max_steps > 0)
        return t->opts->max_steps;
    const uint64_t n_epochs = (uint64_t)ceil(t->opts->epochs - 1e-9);
    for (uint64_t e = 0; e < n_epochs; e++) {
        const double left = t->opts->epochs - (double)e;
        cmat_plan p;
        cmat_plan_init(&p, &t->train, true, (uint64_t)t->opts->seed, e);
        double steps = (double)steps_of_epoch(t, &p);
        n += (int64_t)ceil(left < 1 ? steps * left - 1e-9 : steps);
        cmat_plan_clear(&p);
    }
    return n;
}

static void need_plan(tuner *t)
{
    if (t->plan_epoch == t->state.epoch)
        return;
    cmat_plan_clear(&t->plan);
    cmat_plan_init(&t->plan, &t->train, true, (uint64_t)t->opts->seed, (uint64_t)t->state.epoch);
    t->plan_epoch = t->state.epoch;
}

/* ---- identity: what a checkpoint must agree with ---- */

static void hash_set(cmat_buf *b, const char *name, const cmat_train_set *set)
{
    uint64_t h = 0xcbf29ce484222325ULL;
    for (size_t i = 0; set && i < set->n; i++) {
        const cmat_sample *s = &set->items[i];
        uint64_t part[4] = {h, cmat_fnv1a(s->tokens, (size_t)s->n * sizeof *s->tokens),
                            cmat_fnv1a(s->weights, (size_t)s->n * sizeof *s->weights),
                            (uint64_t)s->adapter};
        h = cmat_fnv1a(part, sizeof part);
    }
    cmat_buf_printf(b, "%s %016llx\n", name, (unsigned long long)h);
}

static void make_identity(tuner *t, const cmat_train_set *train, const cmat_train_set *valid)
{
    static const char *const free_to_change[] = {"resume", "train_memory", "save_every",
                                                 "device", "max_minutes",  "tensorboard"};
    cmat_buf b = {0};
    json_t *o = cmat_options_to_json(cmat_tune_option_table, t->opts);
    for (size_t i = 0; i < sizeof free_to_change / sizeof *free_to_change; i++)
        json_object_del(o, free_to_change[i]);
    cmat_json_print(&b, o);
    json_decref(o);
    cmat_buf_printf(&b, "\nmodel %s\n", t->model->path ? cmat_model_hash(t->model) : "memory");
    for (int i = 0; i < t->n; i++) {
        const cmat_adapter *a = t->adapters[i];
        cmat_buf_printf(&b, "adapter %s %d %a %a %d %x %d %d %d %d %016llx\n",
                        cmat_adapter_method(a), a->config.rank, (double)a->config.alpha,
                        (double)a->config.dropout, (int)a->config.rslora, a->config.targets,
                        a->n_virtual, (int)a->prompt.encoder, a->prompt.hidden,
                        a->prompt.lstm_layers,
                        (unsigned long long)cmat_fnv1a(a->params, a->n_params * sizeof(float)));
    }
    hash_set(&b, "train", train);
    hash_set(&b, "valid", valid);
    cmat_sha256_hex(b.data, b.len, t->identity);
    cmat_buf_clear(&b);
}

/* ---- one step ---- */

static uint64_t dropout_seed(const tuner *t, int64_t batch)
{
    cmat_rng r;
    cmat_rng_init_sub(&r, (uint64_t)t->opts->seed ^ 0xd20b0u,
                      ((uint64_t)t->state.epoch << 32) + (uint64_t)batch);
    return cmat_rng_u64(&r);
}

static void sum_weights(const cmat_batch *b, double *weights)
{
    for (int g = 0; g < b->n_loss_groups; g++)
        for (int i = 0; i < b->loss_groups[g].n; i++)
            weights[b->loss_groups[g].adapter] +=
                (double)b->loss_weights[b->loss_groups[g].row + i];
}

/* Gradients of the mean loss over batches first .. first+n-1; *loss is that mean over adapters. */
static cmat_status accumulate(tuner *t, int64_t first, int64_t n, double *weights, double *loss,
                              cmat_error *err)
{
    float scale[CMAT_TUNE_MAX_ADAPTERS] = {0};
    double sums[CMAT_TUNE_MAX_ADAPTERS] = {0}, total = 0, total_weight = 0;
    for (int64_t i = first; i < first + n; i++) {
        cmat_batch_fill(&t->batch, &t->train, &t->plan, (size_t)i);
        sum_weights(&t->batch, weights);
    }
    for (int a = 0; a < t->n; a++)
        scale[a] = weights[a] > 0 ? (float)(1.0 / weights[a]) : 0.0F;
    cmat_pass_zero_grads(t->pass);
    for (int64_t i = first; i < first + n; i++) {
        cmat_batch_fill(&t->batch, &t->train, &t->plan, (size_t)i);
        t->pass->dropout = true;
        t->pass->drop_seed = dropout_seed(t, i);
        cmat_pass_forward(t->pass, &t->batch, true);
        cmat_pass_loss(t->pass, &t->batch, scale, sums);
        cmat_pass_backward(t->pass, &t->batch);
        t->state.tokens += t->batch.n_tokens;
        t->state.rows += t->batch.n_rows;
    }
    for (int a = 0; a < t->n; a++) {
        total += sums[a];
        total_weight += weights[a];
    }
    *loss = total / total_weight;
    return cmat_pass_finish_grads(t->pass, err);
}

static double epoch_done(const tuner *t)
{
    if (t->plan_epoch != t->state.epoch || !t->plan.n_batches)
        return (double)t->state.epoch;
    return (double)t->state.epoch + (double)t->state.next_batch / (double)t->plan.n_batches;
}

static cmat_status train_step(tuner *t, cmat_error *err)
{
    cmat_tune_state *s = &t->state;
    double weights[CMAT_TUNE_MAX_ADAPTERS] = {0}, norm2 = 0, start = cmat_now();
    int64_t n = t->opts->grad_accum, tokens = s->tokens;
    cmat_tune_metrics x = {.step = s->step + 1, .n_steps = t->n_steps};
    cmat_status st;

    need_plan(t);
    if (n > (int64_t)t->plan.n_batches - s->next_batch)
        n = (int64_t)t->plan.n_batches - s->next_batch;
    if ((st = accumulate(t, s->next_batch, n, weights, &x.loss, err)) != CMAT_OK)
        return st;
    x.learning_rate = cmat_optim_lr(t->opts, x.step, t->n_steps);
    for (int a = 0; a < t->n; a++) {
        if (weights[a] <= 0)
            continue;
        cmat_optim_step(&t->optim[a], t->pass->grads[a], t->opts, x.learning_rate);
        cmat_pass_refresh(t->pass, a);
        norm2 += t->optim[a].norm * t->optim[a].norm;
    }
    x.grad_norm = sqrt(norm2);
    if ((st = t->pass->k->check(err)) != CMAT_OK)
        return st;
    if (!isfinite(x.loss) || !isfinite(x.grad_norm))
        return cmat_fail(err, CMAT_ERR_STATE,
                         "train: step %lld: the %s is not a finite number (a lower learning rate "
                         "may help)",
                         (long long)x.step, isfinite(x.loss) ? "gradient" : "loss");
    s->step++;
    s->next_batch += n;
    x.epoch = epoch_done(t);
    if (s->next_batch == (int64_t)t->plan.n_batches) {
        s->epoch++;
        s->next_batch = 0;
    }
    if (s->step == 1)
        s->first_loss = x.loss;
    s->loss = x.loss;
    x.tokens = s->tokens;
    x.rows = s->rows;
    x.tok_s = (double)(s->tokens - tokens) / (cmat_now() - start);
    if (t->opts->on_step)
        t->opts->on_step(t->opts->user, &x);
    return cmat_metrics_step(&t->metrics, &x, err);
}

/* ---- validation ---- */

/* Sums over a set; false: the user asked to stop. */
static bool eval_sums(cmat_pass *pass, cmat_batch *b, const cmat_clusters *c, const cmat_plan *p,
                      double *sums, double *weights)
{
    pass->dropout = false;
    for (size_t i = 0; i < p->n_batches; i++) {
        if (cmat_cancelled())
            return false;
        cmat_batch_fill(b, c, p, i);
        sum_weights(b, weights);
        cmat_pass_forward(pass, b, false);
        cmat_pass_loss(pass, b, NULL, sums);
    }
    return true;
}

static bool eval_due(const tuner *t)
{
    const cmat_tune_state *s = &t->state;
    if (!t->valid.set || s->evaluated == s->step)
        return false;
    if (s->step == 0 || s->step >= t->n_steps)
        return true;
    return t->opts->eval_every > 0 ? s->step % t->opts->eval_every == 0 : s->next_batch == 0;
}

/* Validates and takes the parameters of each adapter that became better. */
static cmat_status validate(tuner *t, cmat_error *err)
{
    cmat_tune_state *s = &t->state;
    double sums[CMAT_TUNE_MAX_ADAPTERS] = {0}, weights[CMAT_TUNE_MAX_ADAPTERS] = {0};
    double total = 0, total_weight = 0;
    bool gain = false;
    if (!eval_sums(t->pass, &t->batch, &t->valid, &t->valid_plan, sums, weights))
        return CMAT_OK; /* the loop sees the flag and leaves */
    for (int a = 0; a < t->n; a++) {
        cmat_optim *o = &t->optim[a];
        double loss = weights[a] > 0 ? sums[a] / weights[a] : INFINITY;
        total += sums[a];
        total_weight += weights[a];
        if (weights[a] > 0 && !(loss < o->best_loss))
            continue;
        /* without samples of its own an adapter keeps its newest parameters */
        gain = gain || weights[a] > 0;
        o->best_loss = loss;
        o->best_step = s->step;
        cmat_optim_keep_best(o);
    }
    s->evals_without_gain = gain ? 0 : s->evals_without_gain + 1;
    s->evaluated = s->step;
    cmat_tune_metrics x = {.step = s->step,
                           .n_steps = t->n_steps,
                           .epoch = epoch_done(t),
                           .loss = s->loss,
                           .tokens = s->tokens,
                           .rows = s->rows,
                           .has_eval = true,
                           .eval_loss = total / total_weight};
    if (!s->has_eval)
        s->eval_start = x.eval_loss;
    s->has_eval = true;
    if (t->opts->on_step)
        t->opts->on_step(t->opts->user, &x);
    return cmat_metrics_eval(&t->metrics, &x, err);
}

/* ---- the loop ---- */

static cmat_status save(tuner *t, cmat_error *err)
{
    for (int a = 0; a < t->n; a++)
        cmat_optim_fetch(&t->optim[a]);
    cmat_status st = t->pass->k->check(err);
    if (st != CMAT_OK || !t->checkpoint)
        return st;
    st = cmat_checkpoint_save(t->checkpoint, t->identity, &t->state, t->optim, t->n, err);
    if (st == CMAT_OK)
        t->saved_step = t->state.step;
    return st;
}

static cmat_status finish(tuner *t, cmat_tune_end end, cmat_error *err)
{
    for (int a = 0; a < t->n; a++) {
        cmat_optim_restore_best(&t->optim[a]);
        cmat_pass_refresh(t->pass, a);
    }
    t->state.finished = true;
    t->state.end = end;
    return save(t, err);
}

static bool time_is_up(const tuner *t)
{
    return t->opts->max_minutes > 0 && t->state.step > t->first_step &&
           cmat_now() - t->start >= 60 * t->opts->max_minutes;
}

/* Saves where the run stands, so that it can go on from here, then takes the best so far. */
static cmat_status stop_for_time(tuner *t, cmat_error *err)
{
    cmat_status st = t->state.step != t->saved_step ? save(t, err) : CMAT_OK;
    if (st == CMAT_OK && t->valid.set && t->state.evaluated != t->state.step)
        st = validate(t, err);
    if (st != CMAT_OK)
        return st;
    for (int a = 0; a < t->n; a++) {
        cmat_optim_restore_best(&t->optim[a]);
        cmat_pass_refresh(t->pass, a);
        cmat_optim_fetch(&t->optim[a]);
    }
    t->state.finished = true; /* for this call: not in the checkpoint */
    t->state.end = CMAT_TUNE_TIME_UP;
    return t->pass->k->check(err);
}

static cmat_status run(tuner *t, cmat_error *err)
{
    cmat_tune_state *s = &t->state;
    cmat_status st = CMAT_OK;
    t->first_step = s->step;
    while (st == CMAT_OK && !s->finished) {
        int64_t every = t->opts->save_every;
        if (eval_due(t))
            st = validate(t, err);
        if (st != CMAT_OK)
            break;
        if (cmat_cancelled()) {
            st = s->step != t->saved_step ? save(t, err) : CMAT_OK;
            return st != CMAT_OK
                       ? st
                       : cmat_fail(err, CMAT_ERR_CANCELLED, "train: stopped at step %lld of %lld",
                                   (long long)s->step, (long long)t->n_steps);
        }
        if (s->step >= t->n_steps)
            st = finish(t, CMAT_TUNE_FINISHED, err);
        else if (t->opts->patience > 0 && s->evals_without_gain >= t->opts->patience)
            st = finish(t, CMAT_TUNE_EARLY_STOP, err);
        else if (t->opts->stop && *t->opts->stop)
            st = finish(t, CMAT_TUNE_EARLY_STOP, err);
        else if (time_is_up(t))
            st = stop_for_time(t, err);
        else {
            if (every > 0 && s->step % every == 0 && s->step != t->saved_step)
                st = save(t, err);
            if (st == CMAT_OK)
                st = train_step(t, err);
        }
    }
    return st;
}

static cmat_status open_run_dir(tuner *t, cmat_error *err)
{
    const char *dir = t->opts->run_dir;
    cmat_status st = cmat_mkdir_p(dir, err);
    if (st != CMAT_OK)
        return st;
    t->checkpoint = cmat_path_join(dir, "checkpoint.cmat");
    if (t->opts->resume) {
        st = cmat_checkpoint_load(t->checkpoint, t->identity, &t->state, t->optim, t->n, err);
        if (st == CMAT_OK) {
            for (int a = 0; a < t->n; a++)
                cmat_adapter_refresh(t->adapters[a]);
            t->saved_step = t->state.step;
            if (!t->state.finished)
                cmat_info("going on from step %lld of %lld", (long long)t->state.step,
                          (long long)t->n_steps);
        } else if (st != CMAT_ERR_NOT_FOUND)
            return st;
    }
    return cmat_metrics_open(&t->metrics, dir, t->saved_step < 0 ? -1 : t->state.step,
                             t->opts->tensorboard && !t->state.finished, err);
}

static cmat_status check_options(const cmat_tune_options *o, int n, cmat_error *err)
{
    if (n < 1 || n > CMAT_TUNE_MAX_ADAPTERS)
        return cmat_fail(err, CMAT_ERR_ARG, "train: 1 to %d adapters, not %d",
                         CMAT_TUNE_MAX_ADAPTERS, n);
    if (!(o->lr > 0) || o->batch_tokens < 1 || o->batch_tokens > INT32_MAX / 2 ||
        o->grad_accum < 1 || (o->max_steps <= 0 && !(o->epochs > 0)))
        return cmat_fail(err, CMAT_ERR_ARG,
                         "train: lr, batch-tokens, grad-accum and epochs must be above 0");
    return CMAT_OK;
}

static cmat_status check_adapters(const cmat_train_set *set, int n, cmat_error *err)
{
    for (size_t i = 0; set && i < set->n; i++)
        if (set->items[i].adapter >= n)
            return cmat_fail(err, CMAT_ERR_ARG, "train: sample %zu is for adapter %d of %d", i,
                             set->items[i].adapter, n);
    return CMAT_OK;
}

static bool any_virtual(cmat_adapter *const *adapters, int n)
{
    bool any = false;
    for (int a = 0; a < n; a++)
        any = any || adapters[a]->n_virtual > 0;
    return any;
}

/* Puts virtual tokens before the samples when adapters have some: then *set is `own`. */
static cmat_status put_virtual(tuner *t, const cmat_train_set **set, cmat_train_set *own,
                               cmat_error *err)
{
    if (!any_virtual(t->adapters, t->n))
        return CMAT_OK;
    cmat_status st = cmat_train_set_with_virtual(own, *set, t->adapters, t->n,
                                                 cmat_config_train_ctx(&t->model->config), err);
    *set = own;
    return st;
}

static cmat_status tuner_init(tuner *t, const cmat_train_set *train, const cmat_train_set *valid,
                              cmat_error *err)
{
    const cmat_tune_options *o = t->opts;
    bool has_valid = valid && valid->n > 0;
    int max_rows = (int)o->batch_tokens;
    cmat_status st = check_options(o, t->n, err);
    t->state.evaluated = t->saved_step = t->plan_epoch = -1;
    if (st != CMAT_OK || (st = check_adapters(train, t->n, err)) != CMAT_OK ||
        (st = check_adapters(valid, t->n, err)) != CMAT_OK)
        return st;
    if ((st = put_virtual(t, &train, &t->train_set, err)) != CMAT_OK ||
        (st = cmat_clusters_init(&t->train, train, max_rows, o->share_prefix, err)) != CMAT_OK)
        return st;
    if (has_valid) {
        st = put_virtual(t, &valid, &t->valid_set, err);
        if (st == CMAT_OK)
            st = cmat_clusters_init(&t->valid, valid, max_rows, o->share_prefix, err);
        if (st != CMAT_OK)
            return cmat_fail_prefix(err, st, "validation set");
        cmat_plan_init(&t->valid_plan, &t->valid, false, 0, 0);
    }
    t->n_steps = count_steps(t);
    cmat_batch_init(&t->batch, max_rows);
    make_identity(t, train, valid);
    for (int a = 0; a < t->n; a++)
        if ((st = cmat_optim_init(&t->optim[a], t->adapters[a], has_valid, err)) != CMAT_OK)
            return st;
    if (o->run_dir && (st = open_run_dir(t, err)) != CMAT_OK)
        return st;
    if (t->state.finished)
        return CMAT_OK;
    cmat_pass_options po = {.max_rows = max_rows,
                            .keep = (cmat_keep)o->keep,
                            .backward = true,
                            .memory = (size_t)o->memory};
    if ((st = cmat_kernel_for_tuning(&po.kernel, o->device, t->model->kernel, err)) != CMAT_OK ||
        (st = cmat_pass_new(&t->pass, t->model, t->adapters, t->n, &po, err)) != CMAT_OK)
        return st;
    for (int a = 0; st == CMAT_OK && a < t->n; a++)
        st = cmat_optim_place(&t->optim[a], t->pass->k, t->pass->params[a], err);
    return st;
}

static void tuner_clear(tuner *t)
{
    for (int a = 0; a < t->n; a++)
        cmat_optim_clear(&t->optim[a]);
    cmat_metrics_close(&t->metrics);
    cmat_plan_clear(&t->plan);
    cmat_plan_clear(&t->valid_plan);
    cmat_clusters_clear(&t->train);
    cmat_clusters_clear(&t->valid);
    cmat_train_set_clear(&t->train_set);
    cmat_train_set_clear(&t->valid_set);
    cmat_batch_clear(&t->batch);
    cmat_pass_free(t->pass);
    free(t->checkpoint);
}

cmat_status cmat_tune_many(cmat_model *m, cmat_adapter *const *adapters, int n_adapters,
                           const cmat_train_set *train, const cmat_train_set *valid,
                           const cmat_tune_options *opts, cmat_tune_result *res, cmat_error *err)
{
    cmat_tune_options own = *opts;
    if (own.lr == 0 && n_adapters > 0)
        own.lr = cmat_adapter_lr(adapters[0]);
    tuner t = {
        .model = m, .adapters = adapters, .n = n_adapters, .opts = &own, .start = cmat_now()};
    cmat_status st = tuner_init(&t, train, valid, err);
    if (st == CMAT_OK)
        st = run(&t, err);
    if (res) {
        *res = (cmat_tune_result){.steps = t.state.step,
                                  .tokens = t.state.tokens,
                                  .rows = t.state.rows,
                                  .first_loss = t.state.first_loss,
                                  .loss = t.state.loss,
                                  .has_eval = t.state.has_eval,
                                  .eval_start = t.state.eval_start,
                                  .seconds = cmat_now() - t.start,
                                  .memory = t.pass ? t.pass->arena_size : 0,
                                  .end = st == CMAT_ERR_CANCELLED ? CMAT_TUNE_CANCELLED
                                                                  : (cmat_tune_end)t.state.end};
        for (int a = 0; a < n_adapters && a < CMAT_TUNE_MAX_ADAPTERS; a++) {
            res->eval_loss[a] = t.optim[a].best_loss;
            res->best_step[a] = t.optim[a].best_step;
        }
    }
    tuner_clear(&t);
    return st;
}

cmat_status cmat_tune_eval(cmat_model *m, cmat_adapter *const *adapters, int n_adapters,
                           const cmat_train_set *set, const cmat_tune_options *opts, double *loss,
                           cmat_error *err)
{
    double sums[CMAT_TUNE_MAX_ADAPTERS] = {0}, weights[CMAT_TUNE_MAX_ADAPTERS] = {0};
    double total = 0, total_weight = 0;
    cmat_train_set own = {0};
    cmat_clusters c = {0};
    cmat_plan p = {0};
    cmat_batch b = {0};
    cmat_pass *pass = NULL;
    int max_rows = (int)opts->batch_tokens;
    cmat_pass_options po = {
        .max_rows = max_rows, .keep = CMAT_KEEP_F32, .memory = (size_t)opts->memory};
    cmat_status st = CMAT_OK;
    if (any_virtual(adapters, n_adapters)) {
        st = cmat_train_set_with_virtual(&own, set, adapters, n_adapters,
                                         cmat_config_train_ctx(&m->config), err);
        set = &own;
    }
    if (st != CMAT_OK ||
        (st = cmat_clusters_init(&c, set, max_rows, opts->share_prefix, err)) != CMAT_OK)
        goto done;
    if ((st = cmat_kernel_for_tuning(&po.kernel, opts->device, m->kernel, err)) != CMAT_OK ||
        (st = cmat_pass_new(&pass, m, adapters, n_adapters, &po, err)) != CMAT_OK)
        goto done;
    cmat_plan_init(&p, &c, false, 0, 0);
    cmat_batch_init(&b, max_rows);
    if (!eval_sums(pass, &b, &c, &p, sums, weights)) {
        st = cmat_fail(err, CMAT_ERR_CANCELLED, "train: evaluation stopped");
        goto done;
    }
    if ((st = pass->k->check(err)) != CMAT_OK)
        goto done;
    for (int a = 0; a < CMAT_TUNE_MAX_ADAPTERS; a++) {
        total += sums[a];
        total_weight += weights[a];
    }
    *loss = total / total_weight;
done:
    cmat_pass_free(pass);
    cmat_batch_clear(&b);
    cmat_plan_clear(&p);
    cmat_clusters_clear(&c);
    cmat_train_set_clear(&own);
    return st;
}
