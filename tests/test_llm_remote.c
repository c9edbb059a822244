/* test_llm_remote.c - the remote source of text against a small HTTP server in a thread, which
 * drops connections, fails, is slow, and sends too much. */
#include "agent/llm.h"
#include "core/buf.h"
#include "core/json.h"
#include "core/mem.h"
#include "http_server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What the server does with its i-th connection; the last entry holds for all further ones. */
typedef enum {
    OK,
    DROP,
    DROP_HALFWAY,
    ERROR_500,
    ERROR_429,
    ERROR_401,
    CONTEXT,
    HUGE_BODY,
    SLOW,
    NOT_JSON,
    NO_CHOICE,
    ESCAPES,
    DEEP
} deed;
static const char ok_body[] =
    "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"hello "
    "\\u00e9\"},\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3}}";

typedef struct {
    http_server http;
    const deed *deeds;
    int n_deeds;
    char last[8192]; /* the last request */
} server;

static void respond(int fd, const char *status, const char *extra, const char *body)
{
    char *text = cmat_xasprintf(
        "HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n%sContent-Length: "
        "%zu\r\n\r\n%s",
        status, extra, strlen(body), body);
    http_send(fd, text, strlen(text));
    free(text);
}

static void send_huge(int fd)
{
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"x\":\"";
    char block[4096];
    memset(block, 'x', sizeof block);
    http_send(fd, head, sizeof head - 1);
    for (int i = 0; i < 2048; i++)
        http_send(fd, block, sizeof block);
}

static void serve_one(int fd, deed d)
{
    static const char *const bodies[] = {
        [ERROR_500] = "{\"error\":{\"message\":\"on fire\"}}",
        [ERROR_429] = "busy",
        [ERROR_401] = "{\"error\":{\"message\":\"bad key\\u001b[31m\\nreally\"}}",
        [CONTEXT] =
            "{\"error\":{\"message\":\"This model's maximum context length is 4096 tokens.\"}}",
        [NOT_JSON] = "<html>",
        [NO_CHOICE] = "{\"choices\":[]}",
        [DEEP] = ""};
    if (d == OK)
        respond(fd, "200 OK", "", ok_body);
    else if (d == DROP_HALFWAY)
        http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"cho", 47);
    else if (d == ERROR_500)
        respond(fd, "500 Oops", "", bodies[d]);
    else if (d == ERROR_429)
        respond(fd, "429 Busy", "Retry-After: 0\r\n", bodies[d]);
    else if (d == ERROR_401)
        respond(fd, "401 No", "", bodies[d]);
    else if (d == CONTEXT)
        respond(fd, "400 Bad Request", "", bodies[d]);
    else if (d == HUGE_BODY)
        send_huge(fd);
    else if (d == SLOW)
        usleep(350 * 1000);
    else if (d == NOT_JSON || d == NO_CHOICE)
        respond(fd, "200 OK", "", bodies[d]);
    else if (d == DEEP) {
        char *deep = cmat_xcalloc(1, 100001);
        memset(deep, '[', 100000);
        respond(fd, "200 OK", "", deep);
        free(deep);
    }
}

static void serve(http_server *http, int fd, const char *request)
{
    server *s = http->user;
    const int i = http->n_requests - 1;
    const deed d = s->deeds[i < s->n_deeds ? i : s->n_deeds - 1];
    if (d == DROP)
        return;
    snprintf(s->last, sizeof s->last, "%s", request);
    serve_one(fd, d);
}

static void server_start(server *s, const deed *deeds, int n)
{
    *s = (server){.deeds = deeds, .n_deeds = n};
    http_server_start(&s->http, serve, s);
}

static cmat_llm *connect_to(const server *s, const char *key)
{
    char *url = http_server_url(&s->http, "v1/");
    cmat_llm *llm;
    cmat_error err;
    cmat_llm_remote_limits limits = CMAT_LLM_REMOTE_LIMITS_DEFAULT;
    assert_int_equal(cmat_llm_remote_new(&llm, url, "base", key, &err), CMAT_OK);
    free(url);
    limits.backoff = 0.01;
    limits.timeout = 0.2;
    limits.max_tries = 3;
    limits.max_body = 1 << 20;
    cmat_llm_remote_set_limits(llm, &limits);
    return llm;
}

static void submit(cmat_llm *llm, void *tag, cmat_role role)
{
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", "say \"hello\"");
    const cmat_llm_request req = {.role = role,
                                  .messages = messages,
                                  .max_tokens = 5,
                                  .sampling = CMAT_SAMPLING_DEFAULT,
                                  .tag = tag};
    assert_int_equal(llm->ops->submit(llm, &req, NULL), CMAT_OK);
    json_decref(messages);
}

/* One request to a server that does the given things. *tries: connections it saw. */
static cmat_llm_reply ask(const deed *deeds, int n, int *tries)
{
    server s;
    cmat_llm_reply r[4];
    size_t got = 0;
    cmat_error err;
    int tag;
    server_start(&s, deeds, n);
    cmat_llm *llm = connect_to(&s, "secret-key");
    submit(llm, &tag, CMAT_ROLE_ACTOR);
    assert_int_equal(llm->ops->poll(llm, r, 4, &got, &err), CMAT_OK);
    assert_int_equal(got, 1);
    assert_ptr_equal(r[0].tag, &tag);
    assert_null(strstr(r[0].err.msg, "secret"));
    assert_null(strchr(r[0].err.msg, '\n'));
    assert_int_equal(llm->ops->poll(llm, r + 1, 3, &got, &err), CMAT_OK);
    assert_int_equal(got, 0); /* nothing is pending */
    cmat_llm_free(llm);
    http_server_stop(&s.http);
    *tries = s.http.n_requests;
    return r[0];
}

static void test_answer(void **state)
{
    (void)state;
    server s;
    cmat_llm_reply r;
    size_t n;
    server_start(&s, (const deed[]){OK}, 1);
    cmat_llm *llm = connect_to(&s, "secret-key");
    cmat_llm_remote_set_model(llm, CMAT_ROLE_CHECKER, "tuned-checker");
    submit(llm, NULL, CMAT_ROLE_CHECKER);
    assert_int_equal(llm->ops->poll(llm, &r, 1, &n, NULL), CMAT_OK);
    assert_int_equal(n, 1);
    assert_int_equal(r.status, CMAT_OK);
    assert_string_equal(r.text, "hello \xc3\xa9");
    assert_int_equal(r.n_prompt, 12);
    assert_int_equal(r.n_tokens, 3);
    assert_int_equal(strncmp(s.last, "POST /v1/chat/completions ", 26), 0);
    assert_non_null(strstr(s.last, "Authorization: Bearer secret-key"));
    const char *body = strstr(s.last, "\r\n\r\n") + 4;
    json_t *j = cmat_json_parse(body, strlen(body), "request", NULL);
    assert_string_equal(cmat_json_str(j, "model", ""), "tuned-checker");
    assert_int_equal(cmat_json_int(j, "max_tokens", 0), 5);
    assert_string_equal(
        cmat_json_str(json_array_get(json_object_get(j, "messages"), 0), "content", ""),
        "say \"hello\"");
    json_decref(j);
    cmat_llm_reply_clear(&r);
    cmat_llm_free(llm);
    http_server_stop(&s.http);
}

static void test_tries_again(void **state)
{
    (void)state;
    static const deed cases[][3] = {{DROP, DROP, OK},
                                    {ERROR_500, ERROR_429, OK},
                                    {DROP_HALFWAY, ERROR_500, OK},
                                    {SLOW, OK, OK}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int tries;
        cmat_llm_reply r = ask(cases[i], 3, &tries);
        assert_int_equal(r.status, CMAT_OK);
        assert_string_equal(r.text, "hello \xc3\xa9");
        assert_int_equal(tries, i == 3 ? 2 : 3);
        cmat_llm_reply_clear(&r);
    }
}

static void test_gives_up(void **state)
{
    (void)state;
    static const struct {
        deed d;
        cmat_status status;
        int tries;
        const char *words;
    } cases[] = {{DROP, CMAT_ERR_IO, 3, "after 3 tries"},
                 {ERROR_500, CMAT_ERR_IO, 3, "HTTP 500: on fire"},
                 {SLOW, CMAT_ERR_IO, 3, "after 3 tries"},
                 {ERROR_401, CMAT_ERR_IO, 1, "HTTP 401: bad key"},
                 {HUGE_BODY, CMAT_ERR_LIMIT, 1, "longer than 1048576 bytes"},
                 {NOT_JSON, CMAT_ERR_FORMAT, 1, "not JSON"},
                 {NO_CHOICE, CMAT_ERR_FORMAT, 1, "choices[0]"},
                 {DEEP, CMAT_ERR_FORMAT, 1, "not JSON"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int tries;
        cmat_llm_reply r = ask(&cases[i].d, 1, &tries);
        assert_int_equal(r.status, cases[i].status);
        if (!strstr(r.err.msg, cases[i].words))
            fail_msg("\"%s\" does not say \"%s\"", r.err.msg, cases[i].words);
        assert_null(strchr(r.err.msg, '\x1b'));
        assert_int_equal(tries, cases[i].tries);
        assert_string_equal(r.text, "");
        cmat_llm_reply_clear(&r);
    }
}

static void test_context_limit(void **state)
{
    (void)state;
    int tries;
    cmat_llm_reply r = ask((const deed[]){CONTEXT}, 1, &tries);
    assert_int_equal(r.status, CMAT_OK);
    assert_true(r.context_limit);
    assert_string_equal(r.text, "");
    cmat_llm_reply_clear(&r);
}

/* Many requests at once, some of which fail at first: each is answered once. */
static void test_many(void **state)
{
    (void)state;
    server s;
    deed deeds[40];
    int tags[30], seen[30] = {0};
    for (int i = 0; i < 40; i++)
        deeds[i] = i % 4 == 1 && i < 32 ? DROP : OK;
    server_start(&s, deeds, 40);
    cmat_llm *llm = connect_to(&s, NULL);
    for (int i = 0; i < 30; i++)
        submit(llm, &tags[i], CMAT_ROLE_ACTOR);
    int left = 30;
    while (left > 0) {
        cmat_llm_reply r[4];
        size_t n;
        assert_int_equal(llm->ops->poll(llm, r, 4, &n, NULL), CMAT_OK);
        assert_in_range(n, 1, 4);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(r[i].status, CMAT_OK);
            seen[(int *)r[i].tag - tags]++;
            cmat_llm_reply_clear(&r[i]);
        }
        left -= (int)n;
    }
    for (int i = 0; i < 30; i++)
        assert_int_equal(seen[i], 1);
    submit(llm, &tags[0], CMAT_ROLE_ACTOR);
    cmat_llm_free(llm); /* with a request under way */
    http_server_stop(&s.http);
}

static void test_arguments(void **state)
{
    (void)state;
    cmat_llm *llm;
    cmat_error err;
    assert_int_equal(cmat_llm_remote_new(&llm, "file:///etc/passwd", "m", NULL, &err),
                     CMAT_ERR_ARG);
    assert_int_equal(cmat_llm_remote_new(&llm, "http://x", "m", "a\r\nX: y", &err), CMAT_ERR_ARG);
    assert_null(llm);
    /* nobody listens there */
    server s;
    server_start(&s, (const deed[]){OK}, 1);
    llm = connect_to(&s, NULL);
    http_server_stop(&s.http);
    cmat_llm_reply r;
    size_t n;
    submit(llm, NULL, CMAT_ROLE_ACTOR);
    assert_int_equal(llm->ops->poll(llm, &r, 1, &n, &err), CMAT_OK);
    assert_int_equal(r.status, CMAT_ERR_IO);
    assert_non_null(strstr(r.err.msg, "127.0.0.1"));
    cmat_llm_reply_clear(&r);
    cmat_llm_free(llm);
}

int main(void)
{
    /* a proxy of the user's is not for this */
    setenv("no_proxy", "127.0.0.1", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),   cmocka_unit_test(test_tries_again),
        cmocka_unit_test(test_gives_up), cmocka_unit_test(test_context_limit),
        cmocka_unit_test(test_many),     cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
