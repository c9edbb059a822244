/* bench/bench_grammar.c - what constrained decoding costs: masks and, beside them, decoding steps.
 *
 * usage: bench_grammar MODEL.gguf [steps [ENV[=WORLD]...]]
 *
 * Sixteen sequences decode together, without a constraint and then each under the same grammar, all
 * on this thread. One figure a line: the time of a free step; for each grammar the time of a mask
 * (mean over all tokens of all sequences, those made anew and those that were kept), its share of a
 * free step at 16 sequences, how many masks were asked for, and the tokens that were forced.
 *
 * ENV: the oracle's replies in sixteen tasks that the environment makes (from WORLD), under what it
 * lets an Actor write, in our short style. */
#include "core/cancel.h"
#include "core/mem.h"
#include "env/env.h"
#include "grammar/grammar.h"
#include "model/engine.h"
#include "model/token_mask.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEQS = 16, PROMPT = 32 };

static const struct {
    const char *name;
    char kind; /* j: JSON schema, g: GBNF, r: regular expression */
    const char *text;
} grammars[] = {
    {"json object", 'j',
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":"
     "\"integer\"},\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"address\":{"
     "\"type\":\"object\",\"properties\":{\"street\":{\"type\":\"string\"},\"zip\":{\"type\":"
     "\"string\",\"pattern\":\"^[0-9]{5}$\"}},\"required\":[\"street\",\"zip\"]}},\"required\":["
     "\"name\",\"age\",\"tags\",\"address\"]}"},
    {"json any value", 'j', "{}"},
    {"sums (gbnf)", 'g',
     "root ::= sum\nsum ::= term ([-+] sum)?\nterm ::= num | \"(\" sum \")\"\nnum ::= [0-9]+"},
    {"words (regex)", 'r', "[A-Z][a-z]+( [a-z]+)*\\."},
};
enum { N_GRAMMARS = sizeof grammars / sizeof *grammars };

static void check(cmat_status st, const cmat_error *err)
{
    if (st == CMAT_OK)
        return;
    fprintf(stderr, "bench_grammar: %s\n", err->msg);
    exit(1);
}

static cmat_acceptor *compile(int g)
{
    cmat_acceptor *a = NULL;
    cmat_error err = {0};
    cmat_status st;
    if (grammars[g].kind == 'j') {
        json_t *j = json_loads(grammars[g].text, 0, NULL);
        st = cmat_grammar_json_schema(&a, j, NULL, &err);
        json_decref(j);
    } else if (grammars[g].kind == 'g') {
        st = cmat_grammar_gbnf(&a, grammars[g].text, NULL, &err);
    } else {
        st = cmat_grammar_regex(&a, grammars[g].text, NULL, &err);
    }
    check(st, &err);
    return a;
}

/* Seconds of one step of SEQS free sequences. */
static double free_step(cmat_model *m, int n_steps)
{
    const cmat_engine_options eo = {.n_ctx = PROMPT + n_steps + 8, .n_seqs = SEQS};
    cmat_engine *e = NULL;
    cmat_error err = {0};
    cmat_rng rng;
    double started = 0;
    int n_busy = 1, n = -2; /* the prompts, and one step to warm up */
    cmat_rng_init(&rng, 1);
    check(cmat_engine_new(&e, m, &eo, &err), &err);
    for (int s = 0; s < SEQS; s++) {
        int32_t tokens[PROMPT];
        for (int i = 0; i < PROMPT; i++)
            tokens[i] = (int32_t)cmat_rng_below(&rng, (uint64_t)m->config.n_vocab);
        const cmat_gen_request req = {
            .tokens = tokens,
            .n_tokens = PROMPT,
            .max_tokens = n_steps + 4,
            .sampling = {
                .temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = (uint64_t)s + 1}};
        check(cmat_engine_submit(e, &req, NULL, &err), &err);
    }
    for (; n < n_steps && n_busy == (n < 0 ? n_busy : SEQS); n++) {
        if (n == 0)
            started = cmat_now();
        check(cmat_engine_step(e, &n_busy, &err), &err);
    }
    const double seconds = (cmat_now() - started) / (n > 0 ? n : 1);
    cmat_engine_free(e);
    return seconds;
}

/* What the masks of one grammar, or of one environment's, took. */
typedef struct {
    double compiling, spent, worst; /* seconds */
    long n_grammars, n_masks, n_forced;
} costs;

static const cmat_mask *timed_mask(costs *c, cmat_mask_cache *cache, const cmat_acceptor *a,
                                   const cmat_cursor *at)
{
    const double begun = cmat_now();
    const cmat_mask *m = cmat_mask_get(cache, a, at);
    const double took = cmat_now() - begun;
    c->spent += took;
    c->worst = took > c->worst ? took : c->worst;
    c->n_masks++;
    return m;
}

static void print_costs(const char *name, const costs *c, double step)
{
    printf(
        "%-16s compile us %8.0f  mask us %7.1f  worst us %7.0f  %% of a step at %d: %5.2f  "
        "masks %ld  forced tokens %ld\n",
        name, c->compiling / (double)c->n_grammars * 1e6, c->spent / (double)c->n_masks * 1e6,
        c->worst * 1e6, SEQS, 100 * SEQS * (c->compiling + c->spent) / (double)c->n_masks / step,
        c->n_masks, c->n_forced);
}

/* The masks of SEQS sequences of n_tokens, whose tokens are chosen at random, a closing quote more
 * often, so that the whole grammar is seen. */
static void masks(const cmat_token_trie *trie, int g, int n_tokens, double step)
{
    const cmat_tokenizer *t = trie->tokenizer;
    const double begun = cmat_now();
    cmat_acceptor *a = compile(g);
    costs cost = {.compiling = cmat_now() - begun, .n_grammars = 1};
    cmat_mask_cache *cache = cmat_mask_cache_new(trie);
    cmat_rng rng;
    int32_t *ids = NULL;
    size_t n_ids = 0, ids_cap = 0;
    cmat_tokenizer_encode(t, "\"", 1, false, &ids, &n_ids, &ids_cap);
    const int32_t quote = n_ids == 1 ? ids[0] : -1;
    free(ids);
    cmat_rng_init(&rng, 3);
    for (int s = 0; s < SEQS; s++) {
        cmat_cursor c;
        cmat_cursor_start(&c, a);
        for (int i = 0; i < n_tokens;) {
            size_t len;
            const char *bytes;
            const cmat_mask *m = timed_mask(&cost, cache, a, &c);
            if (m->n_text == 0 || (m->done && cmat_rng_below(&rng, 8) == 0)) {
                cmat_cursor_start(&c, a); /* the next text */
            } else if (m->n_forced > 0) {
                for (int k = 0; k < m->n_forced; k++) {
                    bytes = cmat_tokenizer_bytes(t, m->forced[k], &len);
                    cmat_cursor_feed(&c, a, bytes, len);
                }
                i += m->n_forced;
                cost.n_forced += m->n_forced;
            } else {
                int32_t token = quote;
                if (quote < 0 || !cmat_token_set_has(&m->allowed, quote) || cmat_rng_below(&rng, 6))
                    do {
                        token = (int32_t)cmat_rng_below(&rng, (uint64_t)trie->n_vocab);
                        if (m->allowed.ids)
                            token = m->allowed.ids[cmat_rng_below(&rng, (uint64_t)m->allowed.n)];
                    } while (!cmat_token_set_has(&m->allowed, token) ||
                             cmat_tokenizer_is_end(t, token));
                bytes = cmat_tokenizer_bytes(t, token, &len);
                cmat_cursor_feed(&c, a, bytes, len);
                i++;
            }
            cmat_mask_put(cache, m);
        }
    }
    print_costs(grammars[g].name, &cost, step);
    cmat_mask_cache_free(cache);
    cmat_acceptor_free(a);
}

/* One reply, token by token as the tokenizer writes what is left of it. */
static void reply_masks(costs *cost, const cmat_tokenizer *t, cmat_mask_cache *cache, cmat_env *env,
                        const char *reply)
{
    cmat_acceptor *a = NULL;
    cmat_error err = {0};
    cmat_cursor c;
    size_t at = 0, n = strlen(reply), len;
    const double begun = cmat_now();
    check(env->ops->constraint(env, &a, &err), &err);
    cost->compiling += cmat_now() - begun;
    cost->n_grammars++;
    for (cmat_cursor_start(&c, a); at < n;) {
        const cmat_mask *m = timed_mask(cost, cache, a, &c);
        int32_t *ids = NULL;
        size_t n_ids = 0, cap = 0;
        const size_t before = at;
        for (int i = 0; i < m->n_forced; i++) {
            const char *bytes = cmat_tokenizer_bytes(t, m->forced[i], &len);
            if (len > n - at || memcmp(bytes, reply + at, len) != 0)
                break;
            cmat_cursor_feed(&c, a, bytes, len);
            at += len;
            cost->n_forced++;
        }
        if (at == before) {
            cmat_tokenizer_encode(t, reply + at, n - at, false, &ids, &n_ids, &cap);
            const char *bytes = n_ids ? cmat_tokenizer_bytes(t, ids[0], &len) : NULL;
            if (!bytes || !cmat_cursor_feed(&c, a, bytes, len)) {
                fprintf(stderr, "bench_grammar: %s: the oracle may not write: %s\n", env->ops->name,
                        reply);
                exit(1);
            }
            at += len;
        }
        free(ids);
        cmat_mask_put(cache, m);
    }
    cmat_acceptor_free(a);
}

/* NAME or NAME=WORLD */
static void env_masks(const cmat_token_trie *trie, const char *what, double step)
{
    const char *world = strchr(what, '=');
    char *name = cmat_xasprintf("%.*s", (int)strcspn(what, "="), what);
    const cmat_env_options o = {.path = world ? world + 1 : NULL};
    cmat_env *env = NULL;
    cmat_task_list tasks = {0};
    cmat_buf reply = {0};
    cmat_obs obs = {0};
    cmat_error err = {0};
    costs cost = {0};
    cmat_mask_cache *cache = cmat_mask_cache_new(trie);
    check(cmat_env_open(&env, name, &o, &err), &err);
    if (!env->ops->generate || !env->ops->oracle || !env->ops->constraint)
        check(cmat_fail(&err, CMAT_ERR_ARG, "%s: no tasks, oracle or constraint", name), &err);
    check(env->ops->generate(env, 0, SEQS, 1, &tasks, &err), &err);
    for (size_t i = 0; i < tasks.n; i++) {
        check(cmat_env_reset(env, &tasks.items[i], &obs, &err), &err);
        while (!env->done && env->ops->oracle(env, &reply)) {
            reply_masks(&cost, trie->tokenizer, cache, env, cmat_buf_str(&reply));
            check(cmat_env_step(env, cmat_buf_str(&reply), &obs, &err), &err);
            cmat_buf_truncate(&reply, 0);
        }
    }
    print_costs(name, &cost, step);
    cmat_mask_cache_free(cache);
    cmat_obs_clear(&obs);
    cmat_buf_clear(&reply);
    cmat_task_list_clear(&tasks);
    cmat_env_close(env);
    free(name);
}

int main(int argc, char **argv)
{
    const int n_steps = argc > 2 ? atoi(argv[2]) : 20;
    cmat_error err = {0};
    cmat_model *m = NULL;
    if (argc < 2 || n_steps < 1) {
        fprintf(stderr, "usage: bench_grammar MODEL.gguf [steps [ENV[=WORLD]...]]\n");
        return 2;
    }
    check(cmat_model_open(&m, argv[1], NULL, &err), &err);
    const double step = free_step(m, n_steps);
    cmat_token_trie *trie = cmat_token_trie_new(m->tokenizer);
    printf("free step at %d  ms %8.2f\n", SEQS, step * 1e3);
    for (int g = 0; g < N_GRAMMARS; g++)
        masks(trie, g, 200, step);
    for (int i = 3; i < argc; i++)
        env_masks(trie, argv[i], step);
    cmat_token_trie_free(trie);
    cmat_model_free(m);
    return 0;
}
