/* tests/test_env_masks.c - masks under environments' constraints: what one acceptor's places share
 * with another's is what a plain walk of each gives. */
#include "core/mem.h"
#include "env/choices.h"
#include "env/db/db.h"
#include "env/os/os.h"
#include "model/token_mask.h"
#include "tiny_model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_STEPS = 150 };

/* Tokens that reach beyond the end of a line, a text or free words ("Ċ" is a newline, "Ġ" a blank).
 */
static const char *const reaching[] = {
    "Ċl",     "Ċlook",   "Ċgo",     "ĊACT", "ĊACTION:", "Ċclick", "ĊCL", "ĊSQL",
    "ĊFinal", "ĊF",      "ĊBash",   "ĊA",   "ĊAnswer",  "'Ġ",     "')",  "''",
    "',Ġ",    "'ĠAND",   "'ĠORDER", "\"]",  "\",Ġ",     "]Ċ",     "):",  "ĊĊ",
    "hello",  "Ġselect", "Ġfrom",   "Ġ(",   "ĠWHERE",   "aĊ",     NULL};

typedef struct {
    cmat_gguf *gguf;
    cmat_tokenizer *tokenizer;
    cmat_token_trie *trie;
    cmat_mask_cache *shared; /* for all acceptors of a test */
    char *path;
    cmat_rng rng;
} fixture;

static int set_up(void **state)
{
    fixture *f = cmat_xcalloc(1, sizeof *f);
    cmat_error err;
    f->path = tiny_tmp_path("masks.gguf");
    const tiny_model_options o = {
        .n_vocab = TINY_VOCAB + (int)(sizeof reaching / sizeof *reaching) - 1, .more = reaching};
    tiny_model_write(f->path, &o);
    assert_int_equal(cmat_gguf_open(&f->gguf, f->path, &err), CMAT_OK);
    assert_int_equal(cmat_tokenizer_new(&f->tokenizer, f->gguf, &err), CMAT_OK);
    f->trie = cmat_token_trie_new(f->tokenizer);
    f->shared = cmat_mask_cache_new(f->trie);
    cmat_rng_init(&f->rng, 5);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    cmat_mask_cache_free(f->shared);
    cmat_token_trie_free(f->trie);
    cmat_tokenizer_free(f->tokenizer);
    cmat_gguf_close(f->gguf);
    unlink(f->path);
    free(f->path);
    free(f);
    return 0;
}

/* One random text: at each place the shared mask and a walk that knows of nothing but the place.
 * Takes a; returns what was written. */
static char *check_walk(fixture *f, cmat_acceptor *a)
{
    const cmat_acceptor_ops *ops = a->ops;
    cmat_acceptor_ops plain_ops = *ops;
    const uint64_t identity = a->identity;
    cmat_buf text = {0};
    cmat_cursor c;
    assert_true(identity != 0);
    plain_ops.inner = NULL;
    cmat_cursor_start(&c, a);
    for (int i = 0; i < MAX_STEPS; i++) {
        const cmat_mask *x = cmat_mask_get(f->shared, a, &c), *y;
        int32_t token = 0;
        size_t len;
        a->ops = &plain_ops;
        a->identity = 0;
        y = cmat_mask_get(f->shared, a, &c);
        a->ops = ops;
        a->identity = identity;
        const size_t bytes = (size_t)(f->trie->n_vocab + 63) / 64 * sizeof(uint64_t);
        if (x->allowed.n != y->allowed.n || memcmp(x->allowed.bits, y->allowed.bits, bytes) != 0)
            fail_msg("%s: another mask after \"%s\"", ops->name, cmat_buf_str(&text));
        assert_int_equal(x->done, y->done);
        assert_int_equal(x->n_forced, y->n_forced);
        const bool end = x->n_text == 0 || (x->done && cmat_rng_below(&f->rng, 4) == 0);
        if (!end)
            do
                token = (int32_t)cmat_rng_below(&f->rng, (uint64_t)f->trie->n_vocab);
            while (!cmat_token_set_has(&x->allowed, token) ||
                   cmat_tokenizer_is_end(f->tokenizer, token));
        cmat_mask_put(f->shared, x);
        cmat_mask_put(f->shared, y);
        if (end)
            break;
        const char *p = cmat_tokenizer_bytes(f->tokenizer, token, &len);
        assert_true(cmat_cursor_feed(&c, a, p, len));
        cmat_buf_add(&text, p, len);
    }
    cmat_acceptor_free(a);
    cmat_buf_puts(&text, "");
    return text.data;
}

/* Lists that differ, and thoughts, free words and open ends of different lengths. */
static void test_choices(void **state)
{
    static const char *const rooms[] = {"go to bed 1", "go to desk 1", "look"},
                             *const goods[] = {"click[back]", "click[buy now]"},
                             *const pages[] = {"CLICK e1", "TYPE e2 "};
    static const bool open[] = {false, true};
    const cmat_choices_options lists[] = {
        {.think = "Think: ", .choices = rooms, .n = 3},
        {.think = "THOUGHT: ", .lead = "ACTION: ", .choices = rooms, .n = 2},
        {.think = "Think: ",
         .think_max = 90,
         .choices = goods,
         .n = 2,
         .free_lead = "search[",
         .free_end = ']',
         .free_max = 100},
        {.choices = goods, .n = 2, .free_lead = "find(", .free_end = ')'},
        {.think = "Plan: ", .think_max = 70, .choices = pages, .open = open, .n = 2},
    };
    for (int i = 0; i < 150; i++)
        free(check_walk(*state, cmat_choices_new(&lists[i % 5])));
    /* the same twice, and one byte that differs */
    cmat_acceptor *a = cmat_choices_new(&lists[0]), *b = cmat_choices_new(&lists[0]);
    cmat_choices_options other = lists[0];
    static const char *const others[] = {"go to bed 1", "go to desk 2", "look"};
    other.choices = others;
    cmat_acceptor *c = cmat_choices_new(&other);
    assert_true(a->identity == b->identity && a->identity != c->identity);
    assert_true(a->inner_identity == c->inner_identity && a->inner_identity != a->identity);
    cmat_acceptor_free(a);
    cmat_acceptor_free(b);
    cmat_acceptor_free(c);
}

static cmat_acceptor *sql(db_world *w, bool agentbench, bool mysql)
{
    const db_constraint_input in = {.schema = &w->schema,
                                    .values = &w->values,
                                    .question = "",
                                    .agentbench = agentbench,
                                    .mysql = mysql};
    cmat_acceptor *a;
    cmat_error err;
    assert_int_equal(db_constraint(&a, &in, &err), CMAT_OK);
    return a;
}

static void test_sql(void **state)
{
    static const char *const schemas[] = {
        "CREATE TABLE films(id INTEGER PRIMARY KEY, title TEXT, year INT)",
        "CREATE TABLE a(b TEXT, c INT); CREATE TABLE films(id INTEGER PRIMARY KEY, name TEXT)"};
    db_world *worlds[2];
    cmat_error err;
    for (int i = 0; i < 2; i++) {
        char *path = tiny_tmp_path("masks.sqlite");
        sqlite3 *db;
        unlink(path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, schemas[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(db_world_open(&worlds[i], path, &err), CMAT_OK);
        unlink(path);
        free(path);
    }
    int n_texts = 0;
    for (int i = 0; i < 80; i++) {
        char *text = check_walk(*state, sql(worlds[i % 2], i & 2, i & 4));
        n_texts += strchr(text, '\'') != NULL || strncmp(text, "Think", 5) == 0;
        free(text);
    }
    assert_true(n_texts > 20); /* which is where places share */
    cmat_acceptor *a = sql(worlds[0], false, false), *b = sql(worlds[0], false, false),
                  *c = sql(worlds[1], false, false), *d = sql(worlds[0], false, true);
    assert_true(a->identity == b->identity && a->identity != c->identity);
    assert_true(a->inner_identity == c->inner_identity && a->inner_identity != d->inner_identity);
    cmat_acceptor *const all[] = {a, b, c, d};
    for (int i = 0; i < 4; i++)
        cmat_acceptor_free(all[i]);
    for (int i = 0; i < 2; i++)
        db_world_unref(worlds[i]);
}

static void test_os(void **state)
{
    for (int i = 0; i < 60; i++)
        free(check_walk(*state, os_acceptor_new(i % 2, i % 3)));
}

/* More masks than are kept: what is in use stays, what was used lately too. */
static void test_shelf(void **state)
{
    fixture *f = *state;
    cmat_acceptor *a = os_acceptor_new(false, true);
    cmat_cursor start;
    cmat_cursor_start(&start, a);
    const cmat_mask *held = cmat_mask_get(f->shared, a, &start);
    const int n = held->allowed.n;
    enum { MORE = 20000 };
    for (int i = 0; i < MORE; i++) {
        const char *const choice = "look";
        cmat_acceptor *b = cmat_choices_new(
            &(cmat_choices_options){.choices = &choice, .n = 1, .think_max = 100 + i % 1000});
        b->identity = cmat_acceptor_identity_new();
        cmat_cursor c;
        cmat_cursor_start(&c, b);
        cmat_mask_put(f->shared, cmat_mask_get(f->shared, b, &c));
        cmat_acceptor_free(b);
    }
    const cmat_mask *again = cmat_mask_get(f->shared, a, &start);
    assert_ptr_equal(again, held);
    assert_int_equal(again->allowed.n, n);
    cmat_mask_put(f->shared, again);
    cmat_mask_put(f->shared, held);
    cmat_acceptor_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_sql),
        cmocka_unit_test(test_os),
        cmocka_unit_test(test_shelf),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
