/* test_shop_hostile.c - hostile text (hostile.h) in every field of a product: what the Actor, the
 * Checker and a browser see is cut, visible and text. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/shop/html.h"
#include "env/shop/shop.h"
#include "hostile.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BUDGET = 900 };

/* The bytes as a JSON string; those that are no UTF-8 stay as they are. */
static void add_string(cmat_buf *out, const hostile_text *h)
{
    cmat_buf_putc(out, '"');
    for (size_t i = 0; i < h->len; i++) {
        const unsigned char c = (unsigned char)h->text[i];
        if (c == '"' || c == '\\')
            cmat_buf_printf(out, "\\%c", c);
        else if (c == 0)
            cmat_buf_putc(out, ' ');
        else if (c < 0x20)
            cmat_buf_printf(out, "\\u%04x", c);
        else
            cmat_buf_putc(out, (char)c);
    }
    cmat_buf_putc(out, '"');
}

/* A file with one product that says the text wherever it says anything. */
static char *write_shop(const char *dir, const hostile_text *h)
{
    static const char *const fields[] = {"Description", "Rating", "category", "product_category",
                                         "query"};
    char *path = cmat_path_join(dir, "products.jsonl");
    cmat_buf b = {0};
    cmat_error err;
    cmat_buf_puts(&b, "{\"asin\": \"B000000001\", \"pricing\": [5.0], \"Title\": \"kettle\", ");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        cmat_buf_printf(&b, "\"%s\": ", fields[i]);
        add_string(&b, h);
        cmat_buf_puts(&b, ", ");
    }
    cmat_buf_puts(&b, "\"BulletPoints\": [\"kettle\", ");
    add_string(&b, h);
    cmat_buf_puts(&b, "], \"Attributes\": [");
    add_string(&b, h);
    cmat_buf_puts(&b, ", \"tin\"], \"options\": {\"size\": [\"small\", ");
    add_string(&b, h);
    cmat_buf_puts(&b, "], ");
    add_string(&b, h);
    cmat_buf_puts(&b, ": [\"one\"]}, \"Reviews\": [{\"title\": ");
    add_string(&b, h);
    cmat_buf_puts(&b, ", \"score\": 5, \"body\": ");
    add_string(&b, h);
    cmat_buf_puts(&b, "}]}\n");
    /* and one whose title it is */
    cmat_buf_puts(&b, "{\"asin\": \"B000000002\", \"BulletPoints\": [\"kettle\"], \"Title\": ");
    add_string(&b, h);
    cmat_buf_puts(&b, "}\n");
    assert_int_equal(cmat_write_file(path, b.data, b.len, &err), CMAT_OK);
    cmat_buf_clear(&b);
    return path;
}

static cmat_task make_task(const char *path, const char *instruction)
{
    cmat_task t;
    cmat_error err;
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s, s:[s, s], s:{s:s}, s:f}}",
                          "id", "shop-x", "env", "shop", "instruction", instruction, "path", path,
                          "goal", "asin", "B000000001", "name", "kettle", "query", "x",
                          "product_category", "x", "attributes", "tin", instruction, "options",
                          "size", instruction, "price_upper", 4.0);
    assert_non_null(j);
    assert_int_equal(cmat_task_init(&t, j, &err), CMAT_OK);
    json_decref(j);
    return t;
}

static void do_and_check(cmat_env *env, const hostile_text *h, const char *action)
{
    cmat_obs obs = {0};
    cmat_facts facts = {0};
    cmat_acceptor *a = NULL;
    cmat_error err;
    char *reply = cmat_xasprintf("%s%s", env->opts.max_steps == 99 ? "Action: " : "", action);
    assert_int_equal(cmat_env_dry_run(env, reply, &facts, &err), CMAT_OK);
    hostile_check_text(h->name, &facts.text, 8192);
    assert_int_equal(env->ops->constraint(env, &a, &err), CMAT_OK);
    cmat_acceptor_free(a);
    assert_int_equal(cmat_env_step(env, reply, &obs, &err), CMAT_OK);
    hostile_check(h->name, &obs, BUDGET);
    cmat_facts_clear(&facts);
    cmat_obs_clear(&obs);
    free(reply);
}

static void visit(const char *path, const char *style, const hostile_text *h)
{
    static const char *const way[] = {"search[kettle]",    "click[b000000002]", "click[< prev]",
                                      "click[b000000001]", "click[features]",   "click[< prev]",
                                      "click[reviews]",    "click[< prev]",     "click[small]",
                                      "click[description]"};
    cmat_env *env = NULL;
    cmat_obs obs = {0};
    cmat_error err;
    const cmat_env_options o = {
        .style = style, .obs_budget = BUDGET, .max_steps = strcmp(style, "short") ? 99 : 98};
    assert_int_equal(cmat_env_open(&env, "shop", &o, &err), CMAT_OK);
    cmat_task t = make_task(path, h->utf8 && h->len > 0 && h->len < 4000 ? h->text : "buy it");
    if (cmat_env_reset(env, &t, &obs, &err) != CMAT_OK)
        fail_msg("%s: %s", h->name, err.msg);
    hostile_check(h->name, &obs, h->len + BUDGET); /* the task is the user's */
    for (size_t i = 0; i < sizeof way / sizeof *way; i++)
        do_and_check(env, h, way[i]);
    char *action = cmat_xasprintf("click[%s]", h->len < 4000 ? h->text : "x");
    do_and_check(env, h, action); /* the Actor may say it too */
    if (!env->done)
        do_and_check(env, h, "click[< prev]");
    if (!env->done)
        do_and_check(env, h, "click[buy now]");
    free(action);
    cmat_task_clear(&t);
    cmat_obs_clear(&obs);
    cmat_env_close(env);
}

/* No tag, attribute or character that the text brought along. */
static void browse(const char *path, const hostile_text *h)
{
    static const char *const subpages[] = {"description", "features", "reviews"};
    const uint32_t hits[] = {0, 1};
    shop_world *w = NULL;
    cmat_error err;
    cmat_buf out = {0};
    assert_int_equal(shop_world_load(&w, path, &err), CMAT_OK);
    char *words = cmat_xstrndup(h->text, h->len < 500 ? h->len : 500);
    const shop_html page = {"/s/0/", words, words, 1};
    shop_html_search(&out, &page);
    shop_html_results(&out, &page, w, hits, w->n);
    for (size_t i = 0; i < w->n; i++) {
        shop_html_item(&out, &page, &w->products[i]);
        for (size_t k = 0; k < 3; k++)
            assert_true(shop_html_subpage(&out, &page, &w->products[i], subpages[k]));
        shop_html_done(&out, &page, &w->products[i], 0.5);
    }
    static const char *const marks[] = {"<script",    "<img",       "<!--", "<a href=\"java",
                                        "onerror=\"", "</textarea", "<im",  "<|"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strstr(out.data, marks[i]))
            fail_msg("%s: %s got through", h->name, marks[i]);
    assert_int_equal(cmat_utf8_valid_prefix(out.data, out.len), out.len);
    assert_null(strchr(out.data, 0x1b));
    cmat_buf_clear(&out);
    free(words);
    shop_world_unref(w);
}

static void test_products(void **unused)
{
    (void)unused;
    size_t n;
    const hostile_text *h = hostile_texts(&n);
    char dir[] = "/tmp/cmat-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < n; i++) {
        hostile_text one = h[i];
        if (one.len > 300000)
            one.len = 300000; /* what it holds is cut at 64 KiB */
        char *path = write_shop(dir, &one);
        visit(path, "short", &one);
        visit(path, "agentbench", &one);
        browse(path, &one);
        remove(path);
        free(path);
    }
    /* one line of 10 MB */
    hostile_text whole = h[n - 1];
    char *path = cmat_path_join(dir, "products.jsonl");
    cmat_buf b = {0};
    cmat_error err;
    shop_world *w = NULL;
    cmat_buf_puts(&b, "{\"asin\": \"B1\", \"Title\": ");
    add_string(&b, &whole);
    cmat_buf_puts(&b, "}\n");
    assert_int_equal(cmat_write_file(path, b.data, b.len, &err), CMAT_OK);
    assert_int_equal(shop_world_load(&w, path, &err), CMAT_OK);
    assert_true(strlen(w->products[0].title) <= SHOP_TITLE_MAX);
    shop_world_unref(w);
    cmat_buf_clear(&b);
    remove(path);
    free(path);
    remove(dir);
}

/* Replies of an Actor may hold anything as well. */
static void test_replies(void **unused)
{
    (void)unused;
    size_t n;
    const hostile_text *h = hostile_texts(&n);
    cmat_task_list l = {0};
    cmat_error err;
    assert_int_equal(shop_generate(NULL, 0, 1, 4, &l, &err), CMAT_OK);
    for (int style = 0; style < 2; style++) {
        cmat_env *env = NULL;
        const cmat_env_options o = {.style = style ? "agentbench" : "short", .obs_budget = BUDGET};
        assert_int_equal(cmat_env_open(&env, "shop", &o, &err), CMAT_OK);
        for (size_t i = 0; i < n; i++) {
            cmat_obs obs = {0};
            char *search = cmat_xasprintf("Action: search[%s]", h[i].text);
            const char *const replies[] = {h[i].text, search, search + 8};
            for (size_t k = 0; k < 3; k++) {
                assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, &err), CMAT_OK);
                assert_int_equal(cmat_env_step(env, replies[k], &obs, &err), CMAT_OK);
                hostile_check(h[i].name, &obs, BUDGET);
            }
            cmat_obs_clear(&obs);
            free(search);
        }
        cmat_env_close(env);
    }
    cmat_task_list_clear(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products),
                                       cmocka_unit_test(test_replies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
