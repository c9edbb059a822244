/* tests/test_reproducible.c - what a text gets depends on the text alone: to the bit the same with
 * any number of threads, alone and among others, from cached beginnings and from computed ones. And
 * the trainer's log-probabilities are those that the sampler saw, within a bound. */
#include "model/engine.h"
#include "train_util.h"

/* How far a log-probability of the trainer may be from the one the sampler saw: the engine's cache
 * keeps keys and values as halves, with 11 bits; and from what scoring gives, which keeps floats as
 * the trainer does. All go by kernels of their own, and where a row lies in the trainer's batch
 * decides in which order it sums. */
#define SAMPLER_BOUND 2e-2F
#define LOGPROB_BOUND 2e-3F

enum { N = 6, SHARED = 56, LONGEST = 110, NEW = 24 };

typedef struct {
    int32_t tokens[N][LONGEST];
    int n[N];
} prompts;

typedef struct {
    cmat_gen_result r[N];
} results;

static cmat_adapter *adapter;

static int open_all(void **state)
{
    const cmat_lora_config lora = CMAT_LORA_DEFAULT;
    cmat_rng rng;
    (void)state;
    model = tiny_model_open(&(tiny_model_options){.n_embd = 128,
                                                  .n_ff = 320,
                                                  .n_heads = 4,
                                                  .n_kv_heads = 2,
                                                  .std = 0.2F,
                                                  .seed = 8,
                                                  .type = CMAT_TYPE_Q4_1},
                            NULL);
    cmat_rng_init(&rng, 3);
    OK(cmat_adapter_new(&adapter, model, &lora, &rng, &err));
    for (size_t i = 0; i < adapter->n_params; i++)
        adapter->params[i] = 0.1F * (float)cmat_rng_normal(&rng);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    cmat_adapter_free(adapter);
    cmat_model_free(model);
    return 0;
}

/* Prompts that begin alike and end differently, each of another length. */
static prompts make_prompts(void)
{
    prompts p;
    cmat_rng rng;
    cmat_rng_init(&rng, 12);
    for (int i = 0; i < N; i++) {
        p.n[i] = SHARED + 3 + 7 * i;
        for (int k = 0; k < p.n[i]; k++)
            p.tokens[i][k] =
                i > 0 && k < SHARED ? p.tokens[0][k] : (int32_t)cmat_rng_below(&rng, TINY_EOT);
    }
    return p;
}

static cmat_engine *engine_new(int n_batch)
{
    const cmat_engine_options o = {.n_ctx = 256, .n_seqs = N, .n_batch = n_batch};
    cmat_engine *e = NULL;
    OK(cmat_engine_new(&e, model, &o, &err));
    return e;
}

/* Prompts first .. first+n-1 of p gone on with; every other one by the adapter. */
static void generate(cmat_engine *e, const prompts *p, int first, int n, results *out)
{
    uint64_t ids[N];
    cmat_gen_result r;
    int busy = 1;
    for (int i = first; i < first + n; i++) {
        cmat_gen_request q = {.tokens = p->tokens[i],
                              .n_tokens = (size_t)p->n[i],
                              .max_tokens = NEW,
                              .sampling = CMAT_SAMPLING_DEFAULT,
                              .adapter = i % 2 ? adapter : NULL};
        q.sampling.temperature = i % 3 ? 1 : 0;
        q.sampling.seed = (uint64_t)i;
        OK(cmat_engine_submit(e, &q, &ids[i], &err));
    }
    while (busy)
        OK(cmat_engine_step(e, &busy, &err));
    while (cmat_engine_collect(e, &r))
        for (int i = first; i < first + n; i++)
            if (ids[i] == r.id)
                out->r[i] = r;
}

static void results_clear(results *x)
{
    for (int i = 0; i < N; i++)
        cmat_gen_result_clear(&x->r[i]);
}

/* The same tokens with the same log-probabilities, bit by bit. */
static void assert_same(const results *a, const results *b)
{
    size_t n = 0;
    for (int i = 0; i < N; i++) {
        assert_int_equal(a->r[i].n_tokens, b->r[i].n_tokens);
        assert_memory_equal(a->r[i].tokens, b->r[i].tokens, a->r[i].n_tokens * sizeof(int32_t));
        assert_memory_equal(a->r[i].logprobs, b->r[i].logprobs, a->r[i].n_tokens * sizeof(float));
        n += a->r[i].n_tokens;
    }
    assert_true(n > N * NEW / 2); /* something was generated */
}

static void generate_all(const prompts *p, int n_batch, results *out)
{
    cmat_engine *e = engine_new(n_batch);
    generate(e, p, 0, N, out);
    cmat_engine_free(e);
}

static void threads_change_no_text(void **state)
{
    (void)state;
    const prompts p = make_prompts();
    results one = {0}, more = {0};
    cmat_threads_set(1);
    generate_all(&p, 0, &one);
    for (int n = 2; n <= 3; n++) {
        cmat_threads_set(n);
        generate_all(&p, 0, &more);
        assert_same(&one, &more);
        results_clear(&more);
    }
    cmat_threads_set(1);
    results_clear(&one);
}

/* Alone, among others whose prompts come in pieces of any size, and behind cached beginnings. */
static void company_changes_no_text(void **state)
{
    (void)state;
    static const int pieces[] = {17, 48, 256};
    const prompts p = make_prompts();
    results alone = {0}, together = {0};
    for (int i = 0; i < N; i++) {
        cmat_engine *e = engine_new(0);
        generate(e, &p, i, 1, &alone);
        assert_int_equal(alone.r[i].n_cached, 0);
        cmat_engine_free(e);
    }
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
        cmat_engine *e = engine_new(pieces[k]);
        for (int round = 0; round < 2; round++) { /* the second finds whole prompts in the cache */
            generate(e, &p, 0, N, &together);
            assert_same(&alone, &together);
            assert_true(together.r[4].n_cached > 0 && together.r[5].n_cached > 0);
            results_clear(&together);
        }
        cmat_engine_free(e);
    }
    results_clear(&alone);
}

/* Log-probabilities that the trainer has for set's samples (those without weight stay 0), into out
 * (set->n, LONGEST + NEW). Sample i goes through adapter i % 2. */
static void trainer_logprobs(const cmat_train_set *set, cmat_adapter *const *adapters,
                             int n_adapters, bool share, float (*out)[LONGEST + NEW])
{
    fixture f;
    fixture_init(&f, set, adapters, n_adapters, 1024, share, CMAT_KEEP_F32);
    cmat_plan_clear(&f.p);
    cmat_plan_init(&f.p, &f.c, false, 0, 0);
    assert_int_equal(f.p.n_batches, 1);
    cmat_batch_fill(&f.b, &f.c, &f.p, 0);
    cmat_pass_forward(f.pass, &f.b, false);
    /* loss rows come sample by sample, those of one adapter together */
    int at = 0;
    for (int a = 0; a < f.b.n_loss_groups; a++) {
        for (size_t u = 0; u < set->n; u++) {
            const size_t i = f.p.order[u];
            const cmat_sample *s = &set->items[i];
            if (s->adapter != f.b.loss_groups[a].adapter)
                continue;
            for (int k = 1; k < s->n; k++) {
                if (s->weights[k] == 0)
                    continue;
                cmat_row_group one = {.row = at, .n = 1, .adapter = s->adapter};
                cmat_batch b = f.b;
                double loss[CMAT_TUNE_MAX_ADAPTERS] = {0};
                assert_int_equal(f.b.targets[at], s->tokens[k]);
                b.loss_groups = &one;
                b.n_loss_groups = 1;
                cmat_pass_loss(f.pass, &b, NULL, loss);
                out[i][k] = (float)-loss[s->adapter];
                at++;
            }
        }
    }
    assert_int_equal(at, f.b.n_loss);
    fixture_clear(&f);
}

/* Prompts and what was generated after them, with the loss on the latter; base and adapter are
 * adapters 0 and 1. */
static cmat_train_set make_samples(const prompts *p, const results *r)
{
    cmat_train_set set = {0};
    for (int i = 0; i < N; i++) {
        int32_t tokens[LONGEST + NEW];
        float weights[LONGEST + NEW] = {0};
        const int n = p->n[i] + (int)r->r[i].n_tokens;
        memcpy(tokens, p->tokens[i], (size_t)p->n[i] * sizeof *tokens);
        memcpy(tokens + p->n[i], r->r[i].tokens, r->r[i].n_tokens * sizeof *tokens);
        for (int k = p->n[i]; k < n; k++)
            weights[k] = 1;
        cmat_train_set_add(&set, tokens, weights, n, i % 2);
    }
    assert_int_equal(set.n, N);
    return set;
}

static void trainer_says_what_the_sampler_saw(void **state)
{
    (void)state;
    const cmat_lora_config lora = CMAT_LORA_DEFAULT;
    const prompts p = make_prompts();
    results r = {0};
    cmat_rng rng;
    cmat_adapter *base = NULL; /* as it is made, an adapter changes nothing */
    cmat_rng_init(&rng, 5);
    OK(cmat_adapter_new(&base, model, &lora, &rng, &err));
    cmat_adapter *const adapters[] = {base, adapter};
    generate_all(&p, 0, &r);
    cmat_train_set set = make_samples(&p, &r);
    for (int share = 0; share < 2; share++) {
        float got[N][LONGEST + NEW] = {{0}}, scored[LONGEST + NEW];
        float sampler = 0, scorer = 0;
        trainer_logprobs(&set, adapters, 2, share, got);
        for (int i = 0; i < N; i++) {
            const cmat_sample *one = &set.items[i];
            OK(cmat_model_logprobs(model, adapters[one->adapter], one->tokens, (size_t)one->n,
                                   scored, &err));
            for (size_t k = 0; k < r.r[i].n_tokens; k++) {
                const size_t at = (size_t)p.n[i] + k;
                sampler = fmaxf(sampler, fabsf(got[i][at] - r.r[i].logprobs[k]));
                scorer = fmaxf(scorer, fabsf(got[i][at] - scored[at]));
            }
        }
        print_message(
            "the trainer's log-probabilities%s: largest difference from the sampler's "
            "%.2e, from scoring %.2e\n",
            share ? ", shared beginnings" : "", (double)sampler, (double)scorer);
        assert_true(sampler < SAMPLER_BOUND);
        assert_true(scorer < LOGPROB_BOUND);
    }
    cmat_train_set_clear(&set);
    cmat_adapter_free(base);
    results_clear(&r);
}

/* A sample's log-probabilities in training: the same bits with any number of threads, and within
 * the bound alone and packed with others. */
static void company_changes_no_loss(void **state)
{
    (void)state;
    const prompts p = make_prompts();
    results r = {0};
    cmat_adapter *const adapters[] = {adapter, adapter};
    generate_all(&p, 0, &r);
    cmat_train_set set = make_samples(&p, &r);
    float packed[N][LONGEST + NEW] = {{0}}, threaded[N][LONGEST + NEW] = {{0}};
    trainer_logprobs(&set, adapters, 2, false, packed);
    cmat_threads_set(2);
    trainer_logprobs(&set, adapters, 2, false, threaded);
    cmat_threads_set(1);
    assert_memory_equal(packed, threaded, sizeof packed);
    for (int i = 0; i < N; i++) {
        float alone[1][LONGEST + NEW] = {{0}};
        cmat_train_set one = {0};
        cmat_train_set_add(&one, set.items[i].tokens, set.items[i].weights, set.items[i].n, 0);
        trainer_logprobs(&one, adapters, 1, false, alone);
        for (int k = 0; k < LONGEST + NEW; k++)
            assert_float_equal(alone[0][k], packed[i][k], LOGPROB_BOUND);
        cmat_train_set_clear(&one);
    }
    cmat_train_set_clear(&set);
    results_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_no_text),
        cmocka_unit_test(company_changes_no_text),
        cmocka_unit_test(trainer_says_what_the_sampler_saw),
        cmocka_unit_test(company_changes_no_loss),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
