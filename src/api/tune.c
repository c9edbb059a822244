/* tune.c - cmat_session_tune: an adapter from files of conversations. */
#include "api/api.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/progress.h"
#include "data/dataset.h"
#include "eval/loss_curve.h"
#include "train/find_lr.h"
#include "train/memory.h"

#include <stdlib.h>
#include <string.h>

#define AT(m) offsetof(cmat_session_tune_options, m)
const cmat_option cmat_session_tune_option_table[] = {
    {"adapter", CMAT_OPT_STR, AT(adapter), NULL, 0, 0, NULL, "DIR",
     "start from this adapter instead of a new one", 'a'},
    {"valid", CMAT_OPT_STR, AT(valid), NULL, 0, 0, NULL, "FILE", "rows for validation", 0},
    {"valid-share", CMAT_OPT_FLOAT, AT(valid_share), "0.05", 0, 0.9, NULL, "X",
     "without --valid: this share of the rows", 0},
    {"find-lr", CMAT_OPT_BOOL, AT(find_lr), NULL, 0, 0, NULL, NULL,
     "tune nothing: try rising learning rates for --max-steps (100) steps and suggest one", 0},
    {"plan", CMAT_OPT_BOOL, AT(plan), NULL, 0, 0, NULL, NULL,
     "tune nothing: say what memory it would take", 0},
    {"find-lr-from", CMAT_OPT_FLOAT, AT(find_from), "1e-6", 1e-12, 10, NULL, "X", "the first rate",
     0},
    {"find-lr-to", CMAT_OPT_FLOAT, AT(find_to), "1", 1e-12, 1000, NULL, "X", "the last rate", 0},
    CMAT_OPTION_TABLE(AT(method), cmat_method_option_table),
    {"max-len", CMAT_OPT_INT, AT(max_len), "0", 0, 1e6, NULL, "N",
     "leave out longer rows; 0: the model's context", 0},
    CMAT_OPTION_TABLE(AT(tune), cmat_tune_option_table),
    {0},
};

static cmat_status load_rows(const cmat_session_tune_options *o, const char *const *files, size_t n,
                             cmat_dataset *train, cmat_dataset *valid, cmat_error *err)
{
    cmat_dataset all = {0};
    cmat_status st = CMAT_OK;

    for (size_t i = 0; st == CMAT_OK && i < n; i++)
        st = cmat_dataset_load(&all, files[i], CMAT_DATA_AUTO, NULL, err);
    if (st == CMAT_OK && o->valid) {
        st = cmat_dataset_load(valid, o->valid, CMAT_DATA_AUTO, NULL, err);
        for (size_t i = 0; i < all.n; i++)
            cmat_dataset_add_row(train, &all.items[i]);
    } else if (st == CMAT_OK) {
        cmat_dataset_split(&all, o->valid_share, (uint64_t)o->tune.seed, train, valid);
    }
    if (st == CMAT_OK && !train->n)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "there are no rows to learn from");
    cmat_dataset_clear(&all);
    return st;
}

/* n_virtual: the adapter's virtual tokens take room of the context, too. */
static cmat_status load_sets(cmat_session *s, const cmat_session_tune_options *o, int n_virtual,
                             const char *const *files, size_t n, cmat_train_set *train,
                             cmat_train_set *valid, cmat_error *err)
{
    cmat_dataset train_rows = {0}, valid_rows = {0};
    size_t n_tokens, n_loss;
    const int room = cmat_config_train_ctx(&s->model->config) - n_virtual;
    int max_len = o->max_len > 0 && o->max_len < room ? (int)o->max_len : room;
    cmat_status st = load_rows(o, files, n, &train_rows, &valid_rows, err);

    if (st == CMAT_OK)
        st = cmat_train_set_add_dataset(train, s->model, &train_rows, max_len, 0, err);
    if (st == CMAT_OK)
        st = cmat_train_set_add_dataset(valid, s->model, &valid_rows, max_len, 0, err);
    cmat_dataset_clear(&train_rows);
    cmat_dataset_clear(&valid_rows);
    if (st != CMAT_OK)
        return st;
    cmat_train_set_count(train, &n_tokens, &n_loss);
    cmat_info("%zu rows, %zu tokens, %zu of them with loss; %zu rows for validation", train->n,
              n_tokens, n_loss, valid->n);
    if (train->n_too_long)
        cmat_warn("%zu rows left out: longer than --max-len or the model's context",
                  train->n_too_long);
    return CMAT_OK;
}

static cmat_status start_adapter(cmat_session *s, const cmat_session_tune_options *o,
                                 cmat_adapter **out, cmat_error *err)
{
    cmat_rng rng;

    if (o->adapter)
        return cmat_adapter_load(out, s->model, o->adapter, err);
    cmat_rng_init(&rng, (uint64_t)o->tune.seed);
    return cmat_method_adapter(out, s->model, &o->method, &rng, err);
}

static void on_step(void *user, const cmat_tune_metrics *m)
{
    cmat_progress_set_total(user, m->n_steps);
    cmat_progress_note(user, "loss %.3f, %.0f tokens/s", m->loss, m->tok_s);
    cmat_progress_set(user, m->step);
}

static json_t *result_json(const char *out, const cmat_tune_result *r)
{
    static const char *const ends[] = {"finished", "early stop", "cancelled", "time is up"};
    json_t *j = json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:I, s:s}", "adapter", out, "steps",
                          (json_int_t)r->steps, "tokens", (json_int_t)r->tokens, "first_loss",
                          r->first_loss, "loss", r->loss, "seconds", r->seconds, "memory",
                          (json_int_t)r->memory, "end", ends[r->end]);
    if (r->has_eval) {
        json_object_set_new(j, "eval_start", json_real(r->eval_start));
        json_object_set_new(j, "eval_loss", json_real(r->eval_loss[0]));
    }
    return j;
}

/* {"suggested_lr", ..., "points": [{"lr", "loss", "smooth"}]} */
static cmat_status find_lr(cmat_session *s, const cmat_session_tune_options *o,
                           const cmat_adapter *a, const cmat_train_set *set, char **result,
                           cmat_error *err)
{
    cmat_lr_range r;
    cmat_status st = cmat_find_lr(&r, s->model, a, set, &o->tune, o->find_from, o->find_to,
                                  o->tune.max_steps ? o->tune.max_steps : 100, err);
    if (st != CMAT_OK)
        return st;
    json_t *points = json_array();
    for (size_t i = 0; i < r.n; i++)
        json_array_append_new(points, json_pack("{s:f, s:f, s:f}", "lr", r.points[i].lr, "loss",
                                                r.points[i].loss, "smooth", r.points[i].smooth));
    cmat_api_result(json_pack("{s:f, s:f, s:f, s:b, s:o}", "suggested_lr", r.suggested, "steepest",
                              r.steepest, "lowest", r.lowest, "diverged", (int)r.diverged, "points",
                              points),
                    result);
    cmat_lr_range_clear(&r);
    return CMAT_OK;
}

/* Bytes by what takes them. */
static cmat_status plan(cmat_session *s, const cmat_session_tune_options *o, cmat_adapter *a,
                        bool validates, char **result, cmat_error *err)
{
    cmat_tune_memory x;
    cmat_status st = cmat_tune_count_memory(&x, s->model, &a, 1, &o->tune, validates, err);
    if (st == CMAT_OK)
        cmat_api_result(json_pack("{s:I, s:I, s:I, s:I, s:I}", "base", (json_int_t)x.base, "params",
                                  (json_int_t)x.params, "optimiser", (json_int_t)x.optimiser,
                                  "activations", (json_int_t)x.activations, "total",
                                  (json_int_t)x.total),
                        result);
    return st;
}

/* loss.svg in the run folder, and the curve in at most CURVE_POINTS points into j. */
static cmat_status add_curve(json_t *j, const char *out, cmat_error *err)
{
    enum { CURVE_POINTS = 60 };
    double means[CURVE_POINTS];
    cmat_loss_curve c;
    char *path = cmat_path_join(out, "loss.svg");
    json_t *list = json_array();
    cmat_status st = cmat_loss_curve_load(&c, out, err);
    if (st == CMAT_OK && c.n)
        st = cmat_loss_curve_save(&c, path, err);
    const size_t n = st == CMAT_OK ? cmat_loss_curve_means(&c, means, CURVE_POINTS) : 0;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_real(means[i]));
    json_object_set_new(j, "loss_curve", list);
    if (st == CMAT_OK)
        cmat_loss_curve_clear(&c);
    free(path);
    return st;
}

cmat_status cmat_session_tune(cmat_session *s, const char *const *files, size_t n, const char *out,
                              const char *options, char **result, cmat_error *err)
{
    cmat_session_tune_options o = {0};
    cmat_train_set train = {0}, valid = {0};
    cmat_adapter *adapter = NULL;
    cmat_tune_result res;
    cmat_status st = cmat_api_options(cmat_session_tune_option_table, &o, options, err);

    if (st != CMAT_OK)
        return st;
    cmat_progress *p = cmat_progress_new("tune", 0);
    if ((st = start_adapter(s, &o, &adapter, err)) != CMAT_OK ||
        (st = load_sets(s, &o, adapter->n_virtual, files, n, &train, &valid, err)) != CMAT_OK ||
        (st = o.find_lr || o.plan ? CMAT_OK : cmat_mkdir_p(out, err)) != CMAT_OK)
        goto done;
    o.tune.run_dir = out;
    o.tune.on_step = on_step;
    o.tune.user = p;
    if (o.plan) {
        st = plan(s, &o, adapter, valid.n > 0, result, err);
        goto done;
    }
    if (o.find_lr) {
        st = find_lr(s, &o, adapter, &train, result, err);
        goto done;
    }
    if ((st = cmat_tune(s->model, adapter, &train, &valid, &o.tune, &res, err)) != CMAT_OK ||
        (st = cmat_adapter_save(adapter, out, err)) != CMAT_OK)
        goto done;
    json_t *j = result_json(out, &res);
    if (adapter->tuned)
        json_object_set_new(j, "model", json_sprintf("%s/%s", out, CMAT_FULL_MODEL_FILE));
    st = add_curve(j, out, err);
    cmat_api_result(j, result);
done:
    cmat_progress_free(p);
    cmat_adapter_free(adapter);
    cmat_train_set_clear(&train);
    cmat_train_set_clear(&valid);
    cmat_options_clear(cmat_session_tune_option_table, &o);
    return st;
}
