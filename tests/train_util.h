/* tests/train_util.h - losses and gradients of small sets, for tests of tuning methods. */
#ifndef TRAIN_UTIL_H
#define TRAIN_UTIL_H
#include "model_util.h"
#include "train/pass.h"
#include "train/train.h"
#include <math.h>
#include <string.h>

#define OK(call) assert_ok((call), &err, __LINE__)

static cmat_error err;
static cmat_model *model;             /* the test opens it */
static const cmat_kernel_ops *kernel; /* that tunes; NULL: the model's own */

static inline void assert_ok(cmat_status st, const cmat_error *e, int line)
{
    if (st != CMAT_OK)
        fail_msg("line %d: %s: %s", line, cmat_status_name(st), e->msg);
}

static inline void remove_dir(const char *dir)
{
    char *cmd = cmat_xasprintf("rm -rf '%s'", dir);
    assert_int_equal(system(cmd), 0);
    free(cmd);
}

/* Relative size of the difference of two vectors. */
static inline double difference(const float *a, const float *b, size_t n)
{
    double d = 0, s = 0;
    for (size_t i = 0; i < n; i++) {
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        s += (double)a[i] * (double)a[i];
    }
    return sqrt(d / (s + 1e-30));
}

static inline int open_small_model(void **state)
{
    (void)state;
    model = tiny_model_open(&tiny_model_small, NULL);
    return 0;
}

static inline int close_model(void **state)
{
    (void)state;
    cmat_model_free(model);
    return 0;
}

static inline cmat_tune_options default_options(void)
{
    cmat_tune_options o = {0};
    OK(cmat_options_init(cmat_tune_option_table, &o, &err));
    return o;
}

typedef struct {
    cmat_train_set set;
    cmat_clusters c;
    cmat_plan p;
    cmat_batch b;
    cmat_pass *pass;
    cmat_adapter *const *adapters;
    int n;
} fixture;

static inline void fixture_init(fixture *f, const cmat_train_set *set,
                                cmat_adapter *const *adapters, int n, int max_rows, bool share,
                                cmat_keep keep)
{
    f->adapters = adapters;
    f->n = n;
    OK(cmat_train_set_with_virtual(&f->set, set, adapters, n, 128, &err));
    OK(cmat_clusters_init(&f->c, &f->set, max_rows, share, &err));
    cmat_plan_init(&f->p, &f->c, true, 3, 0);
    cmat_batch_init(&f->b, max_rows);
    OK(cmat_pass_new(&f->pass, model, adapters, n,
                     &(cmat_pass_options){
                         .max_rows = max_rows, .keep = keep, .backward = true, .kernel = kernel},
                     &err));
}

/* The first adapter's gradients, in the host's memory: the caller frees them. */
static inline float *host_grads(const fixture *f)
{
    const size_t n = f->adapters[0]->n_params;
    float *grads = cmat_xmalloc(n * sizeof *grads);
    f->pass->k->download(grads, f->pass->grads[0], n * sizeof *grads);
    OK(f->pass->k->check(&err));
    return grads;
}

static inline void fixture_clear(fixture *f)
{
    cmat_pass_free(f->pass);
    cmat_batch_clear(&f->b);
    cmat_plan_clear(&f->p);
    cmat_clusters_clear(&f->c);
    cmat_train_set_clear(&f->set);
}

/* The sum of losses; with their gradients when backward. */
static inline double run_all(fixture *f, bool backward)
{
    float scales[CMAT_TUNE_MAX_ADAPTERS];
    double loss[CMAT_TUNE_MAX_ADAPTERS] = {0}, sum = 0;
    for (int i = 0; i < CMAT_TUNE_MAX_ADAPTERS; i++)
        scales[i] = 1;
    for (int i = 0; i < f->n; i++)
        cmat_adapter_refresh(f->adapters[i]);
    if (backward)
        cmat_pass_zero_grads(f->pass);
    for (size_t i = 0; i < f->p.n_batches; i++) {
        f->pass->drop_seed = 100 + i;
        cmat_batch_fill(&f->b, &f->c, &f->p, i);
        cmat_pass_forward(f->pass, &f->b, backward);
        cmat_pass_loss(f->pass, &f->b, backward ? scales : NULL, loss);
        if (backward)
            cmat_pass_backward(f->pass, &f->b);
    }
    if (backward)
        OK(cmat_pass_finish_grads(f->pass, &err));
    for (int i = 0; i < CMAT_TUNE_MAX_ADAPTERS; i++)
        sum += loss[i];
    return sum;
}

/* n samples that begin with one of two texts of `prefix` tokens, then differ for own to own + 4;
 * loss on some of the last tokens. */
static inline void make_set(cmat_train_set *set, int n, int prefix, int own, int n_adapters,
                            uint64_t seed)
{
    cmat_rng rng;
    int32_t tokens[128];
    float weights[128];
    *set = (cmat_train_set){0};
    cmat_rng_init(&rng, seed);
    for (int i = 0; i < n; i++) {
        const int len = prefix + own + (int)cmat_rng_below(&rng, 5);
        for (int j = 0; j < len; j++) {
            tokens[j] = j < prefix ? (j * 7 + 31 * (i % 2)) % 250 : (int)cmat_rng_below(&rng, 250);
            weights[j] = j < prefix + 4 || j % 5 == 0 ? 0.0F : 0.5F + 0.5F * (float)(i % 3);
        }
        cmat_train_set_add(set, tokens, weights, len, i % n_adapters);
    }
}

#endif
