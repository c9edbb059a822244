/* test_shop_site.c - the shop's web site: what a browser gets, step by step, by plain HTTP. */
#include "core/mem.h"
#include "env/shop/site.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    cmat_env *env;
    cmat_task_list tasks;
    shop_site *site;
} fixture;

static int set_up(void **state)
{
    fixture *f = cmat_xcalloc(1, sizeof *f);
    cmat_error err;
    assert_int_equal(cmat_env_open(&f->env, "shop", NULL, &err), CMAT_OK);
    assert_int_equal(f->env->ops->generate(f->env, 0, 3, 5, &f->tasks, &err), CMAT_OK);
    const cmat_status st = shop_site_open(&f->site, &(shop_site_options){.like = f->env}, &err);
    if (st == CMAT_ERR_UNSUPPORTED)
        print_message("%s\n", err.msg);
    else
        assert_int_equal(st, CMAT_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    shop_site_close(f->site);
    cmat_task_list_clear(&f->tasks);
    cmat_env_close(f->env);
    free(f);
    return 0;
}

/* Sends one request and reads the whole answer, head and body, into out. */
static int ask(int port, const char *method, const char *path, const char *body, cmat_buf *out)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char block[4096];
    ssize_t n;
    int status = 0;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    char *request = cmat_xasprintf(
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\nContent-Type: "
        "application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n%s",
        method, path, port, strlen(body), body);
    assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    free(request);
    cmat_buf_truncate(out, 0);
    while ((n = read(fd, block, sizeof block)) > 0)
        cmat_buf_add(out, block, (size_t)n);
    close(fd);
    assert_int_equal(sscanf(cmat_buf_str(out), "HTTP/1.1 %d", &status), 1);
    return status;
}

static void expect(int port, const char *base, const char *path, const char *part)
{
    cmat_buf out = {0};
    char *whole = cmat_xasprintf("%s%s", base, path);
    assert_int_equal(ask(port, "GET", whole, "", &out), 200);
    if (!strstr(out.data, part))
        fail_msg("%s lacks \"%s\": %s", path, part, out.data);
    assert_null(strstr(out.data, "<script"));
    free(whole);
    cmat_buf_clear(&out);
}

static void test_shopping(void **state)
{
    fixture *f = *state;
    char url[SHOP_URL_MAX];
    cmat_buf out = {0}, form = {0}, kept = {0};
    cmat_error err;
    double score;
    bool bought;
    if (!f->site)
        skip();
    const cmat_task *t = &f->tasks.items[0];
    const json_t *goal = json_object_get(t->json, "goal");
    const char *asin = json_string_value(json_object_get(goal, "asin"));
    const int port = shop_site_port(f->site);
    assert_int_equal(shop_site_start(f->site, t, url, &err), CMAT_OK);
    const char *base = strstr(url, "/s/");
    assert_non_null(base);
    expect(port, base, "", "id=\"search_input\"");
    expect(port, base, "", "Instruction: ");
    char *path = cmat_xasprintf("search?q=%s&page=1", asin); /* not in any text */
    expect(port, base, path, "Total results: 0");
    free(path);
    expect(port, base, "search?q=for+the+made&page=2", "Page 2");
    path = cmat_xasprintf("item/%s", asin);
    expect(port, base, path, "Buy Now");
    free(path);
    for (int i = 0; i < 3; i++) {
        static const char *const pages[] = {"description", "features", "reviews"};
        path = cmat_xasprintf("item/%s/%s?q=x", asin, pages[i]);
        expect(port, base, path, "&lt; Prev");
        free(path);
    }
    /* the values of the form in the order of the page's options */
    path = cmat_xasprintf("%sitem/%s", base, asin);
    assert_int_equal(ask(port, "GET", path, "", &out), 200);
    const char *name;
    const json_t *value;
    json_object_foreach(json_object_get(goal, "options"), name, value)
    {
        char *legend = cmat_xasprintf("<legend>%s</legend>", name);
        const char *p = strstr(out.data, legend);
        assert_non_null(p);
        p = strstr(p, "name=\"option-");
        cmat_buf_printf(&form, "%soption-%c=", form.len ? "&" : "", p[13]);
        for (const char *v = json_string_value(value); *v; v++)
            cmat_buf_printf(&form, "%%%02x", (unsigned char)*v);
        free(legend);
    }
    free(path);
    assert_int_equal(shop_site_score(f->site, url, &score, &bought, &err), CMAT_OK);
    assert_true(!bought && score == 0);
    path = cmat_xasprintf("%sitem/%s/buy", base, asin);
    assert_int_equal(ask(port, "POST", path, cmat_buf_str(&form), &out), 303);
    assert_int_equal(shop_site_score(f->site, base, &score, &bought, &err), CMAT_OK);
    assert_true(bought && score == 1);
    expect(port, base, "done", "<p id=\"reward\">Your score (min 0.0, max 1.0): 1</p>");
    /* bought is bought, until it is given back; and it can be set again */
    assert_int_equal(ask(port, "POST", path, "", &out), 303);
    assert_int_equal(ask(port, "GET", base, "", &out), 303);
    assert_int_equal(shop_site_get(f->site, url, &kept, &err), CMAT_OK);
    assert_int_equal(shop_site_return(f->site, url, &err), CMAT_OK);
    assert_int_equal(shop_site_score(f->site, url, &score, &bought, &err), CMAT_OK);
    assert_true(!bought && score == 0);
    expect(port, base, "", "search_input");
    assert_int_equal(shop_site_set(f->site, url, "B0 99=1", &err), CMAT_ERR_STATE);
    assert_int_equal(shop_site_set(f->site, url, kept.data, &err), CMAT_OK);
    assert_int_equal(shop_site_score(f->site, url, &score, &bought, &err), CMAT_OK);
    assert_true(bought && score == 1);
    shop_site_end(f->site, url);
    assert_int_equal(shop_site_score(f->site, url, &score, &bought, &err), CMAT_ERR_NOT_FOUND);
    assert_int_equal(ask(port, "GET", base, "", &out), 404);
    free(path);
    cmat_buf_clear(&out);
    cmat_buf_clear(&form);
    cmat_buf_clear(&kept);
}

static void test_entrance(void **state)
{
    fixture *f = *state;
    cmat_buf out = {0};
    if (!f->site)
        skip();
    const int port = shop_site_port(f->site);
    shop_site_offer(f->site, &f->tasks);
    expect(port, "/", "", "href=\"/start?task=2\"");
    assert_int_equal(ask(port, "GET", "/start?task=1", "", &out), 303);
    const char *to = strstr(out.data, "Location: /s/");
    assert_non_null(to);
    char *base = cmat_xstrndup(to + 10, strcspn(to + 10, "\r"));
    expect(port, base, "", "search_input");
    free(base);
    static const char *const missing[] = {
        "/start?task=3", "/start?task=x", "/start", "/s/", "/s/0123456789abcdef/", "/x", "/s/../"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        assert_int_equal(ask(port, "GET", missing[i], "", &out), 404);
    assert_int_equal(ask(port, "DELETE", "/", "", &out), 405);
    cmat_buf_clear(&out);
}

/* What a customer types comes back as text. */
static void test_escapes(void **state)
{
    fixture *f = *state;
    char url[SHOP_URL_MAX];
    cmat_buf out = {0};
    cmat_error err;
    if (!f->site)
        skip();
    const int port = shop_site_port(f->site);
    assert_int_equal(shop_site_start(f->site, &f->tasks.items[0], url, &err), CMAT_OK);
    char *path = cmat_xasprintf(
        "%ssearch?q=%%22%%3E%%3Cscript%%3Ered%%3C%%2Fscript%%3E%%ff&page=999", strstr(url, "/s/"));
    assert_int_equal(ask(port, "GET", path, "", &out), 200);
    assert_null(strstr(out.data, "<script"));
    free(path);
    shop_site *second = NULL;
    assert_int_equal(shop_site_open(&second, &(shop_site_options){.port = port}, &err),
                     CMAT_ERR_IO);
    assert_null(second);
    cmat_buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shopping),
                                       cmocka_unit_test(test_entrance),
                                       cmocka_unit_test(test_escapes)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
