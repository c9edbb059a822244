/* llm_remote.c - text from any server that speaks OpenAI's chat completions, through libcurl's
 * multi interface.
 *
 * What a peer sends is capped, its redirects are not followed, and its texts are made inert before
 * they stand in a message. A request is tried again after a dropped connection, a time-out, 408,
 * 429 and 5xx, later each time; everything else is final. */
#include "agent/llm.h"
#include "core/buf.h"
#include "core/cancel.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BACKOFF 30.0
#define MESSAGE_BYTES 300 /* of a server's own words in an error */
#define BYTES_PER_TOKEN 3 /* a cautious estimate */

typedef struct remote_llm remote_llm;

typedef struct {
    remote_llm *owner;
    void *tag;
    char *body; /* the request, JSON */
    CURL *easy; /* NULL while it waits */
    cmat_buf response;
    bool too_big;
    int n_tries;
    double submitted, not_before;
    char curl_error[CURL_ERROR_SIZE];
} remote_request;

struct remote_llm {
    cmat_llm llm; /* first */
    char *url;
    char *models[CMAT_N_ROLES];
    char *model;
    struct curl_slist *headers;
    CURLM *multi;
    cmat_llm_remote_limits limits;
    remote_request **pending; /* (n_pending) waiting or under way, in the order of submission */
    size_t n_pending, cap_pending;
    int n_active;
    cmat_llm_reply *ready; /* (n_ready) */
    size_t n_ready, cap_ready;
};

/* --- one request --- */

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    remote_request *q = user;
    if (n > q->owner->limits.max_body || q->response.len > q->owner->limits.max_body - n) {
        q->too_big = true;
        return 0; /* ends the transfer */
    }
    cmat_buf_add(&q->response, data, n * size);
    return n * size;
}

static void request_stop(remote_request *q)
{
    if (!q->easy)
        return;
    curl_multi_remove_handle(q->owner->multi, q->easy);
    curl_easy_cleanup(q->easy);
    q->easy = NULL;
    q->owner->n_active--;
}

static void request_free(remote_request *q)
{
    request_stop(q);
    cmat_buf_clear(&q->response);
    free(q->body);
    free(q);
}

static cmat_status request_start(remote_request *q, cmat_error *err)
{
    remote_llm *r = q->owner;
    cmat_buf_truncate(&q->response, 0);
    q->too_big = false;
    q->curl_error[0] = '\0';
    q->n_tries++;
    if (!(q->easy = curl_easy_init()))
        return cmat_fail(err, CMAT_ERR_NOMEM, "remote: libcurl gives no handle");
    r->n_active++;
    curl_easy_setopt(q->easy, CURLOPT_URL, r->url);
    curl_easy_setopt(q->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(q->easy, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(q->easy, CURLOPT_POSTFIELDS, q->body);
    curl_easy_setopt(q->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(q->body));
    curl_easy_setopt(q->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(q->easy, CURLOPT_WRITEDATA, q);
    curl_easy_setopt(q->easy, CURLOPT_ERRORBUFFER, q->curl_error);
    curl_easy_setopt(q->easy, CURLOPT_PRIVATE, q);
    curl_easy_setopt(q->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(q->easy, CURLOPT_TIMEOUT_MS, (long)(r->limits.timeout * 1000));
    curl_easy_setopt(q->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(r->limits.connect_timeout * 1000));
    CURLMcode mc = curl_multi_add_handle(r->multi, q->easy);
    if (mc != CURLM_OK)
        return cmat_fail(err, CMAT_ERR_IO, "remote: %s", curl_multi_strerror(mc));
    return CMAT_OK;
}

/* --- reading the answer --- */

/* The server's own words: OpenAI's error.message, or the start of the body; inert, one line. */
static void server_words(const remote_request *q, char *out, size_t size)
{
    cmat_buf text = {0};
    json_t *j =
        json_loadb(cmat_buf_str(&q->response), q->response.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *error = json_object_get(j, "error");
    const char *words =
        json_is_string(error) ? json_string_value(error) : cmat_json_str(error, "message", NULL);
    if (!words)
        words = cmat_buf_str(&q->response);
    size_t len = strlen(words);
    cmat_text_inert(&text, words,
                    len < MESSAGE_BYTES ? len : cmat_utf8_valid_prefix(words, MESSAGE_BYTES));
    snprintf(out, size, "%s", cmat_buf_str(&text));
    for (char *p = out; *p; p++)
        if (*p == '\n' || *p == '\t')
            *p = ' ';
    cmat_buf_clear(&text);
    json_decref(j);
}

/* AgentBench, too, tells a full context by the words of the error. */
static bool says_context_limit(const char *words)
{
    static const char *const signs[] = {"context length",  "context_length", "context size",
                                        "maximum context", "context window", "prompt is too long",
                                        "too many tokens"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (cmat_text_find(words, signs[i]))
            return true;
    return false;
}

static cmat_status read_answer(const remote_request *q, cmat_llm_reply *reply)
{
    json_error_t je;
    json_t *j =
        json_loadb(cmat_buf_str(&q->response), q->response.len, JSON_REJECT_DUPLICATES, &je);
    if (!j)
        return cmat_fail(&reply->err, CMAT_ERR_FORMAT, "remote %s: the answer is not JSON: %s",
                         q->owner->url, je.text);
    const json_t *choice = json_array_get(json_object_get(j, "choices"), 0);
    const json_t *content = json_object_get(json_object_get(choice, "message"), "content");
    cmat_status st = CMAT_OK;
    if (json_is_string(content))
        reply->text = cmat_xstrndup(json_string_value(content), json_string_length(content));
    else if (!json_is_null(content))
        st = cmat_fail(&reply->err, CMAT_ERR_FORMAT,
                       "remote %s: the answer has no choices[0].message.content", q->owner->url);
    const json_t *usage = json_object_get(j, "usage");
    const int64_t n_prompt = cmat_json_int(usage, "prompt_tokens", 0);
    const int64_t n_tokens = cmat_json_int(usage, "completion_tokens", 0);
    reply->n_prompt = n_prompt > 0 ? (size_t)n_prompt : 0;
    reply->n_tokens = n_tokens > 0 ? (size_t)n_tokens : 0;
    json_decref(j);
    return st;
}

/* What came of a try: *again says whether another one is worth it. */
static cmat_status judge_try(remote_request *q, CURLcode code, cmat_llm_reply *reply, bool *again)
{
    const char *url = q->owner->url;
    long http = 0;
    *again = false;
    if (q->too_big)
        return cmat_fail(&reply->err, CMAT_ERR_LIMIT,
                         "remote %s: the answer is longer than %zu bytes", url,
                         q->owner->limits.max_body);
    if (code != CURLE_OK) {
        *again = true;
        return cmat_fail(&reply->err, CMAT_ERR_IO, "remote %s: %s", url,
                         q->curl_error[0] ? q->curl_error : curl_easy_strerror(code));
    }
    curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &http);
    if (http == 200)
        return read_answer(q, reply);
    char words[MESSAGE_BYTES * 3 + 1];
    server_words(q, words, sizeof words);
    if ((http == 400 || http == 413 || http == 422) && says_context_limit(words)) {
        reply->context_limit = true;
        return CMAT_OK;
    }
    *again = http == 408 || http == 429 || http >= 500;
    return cmat_fail(&reply->err, http == 404 ? CMAT_ERR_NOT_FOUND : CMAT_ERR_IO,
                     "remote %s: HTTP %ld: %s", url, http, words);
}

static double wait_before(const remote_request *q)
{
    double wait = q->owner->limits.backoff;
    for (int i = 1; i < q->n_tries && wait < MAX_BACKOFF; i++)
        wait *= 2;
    curl_off_t asked = 0;
    if (curl_easy_getinfo(q->easy, CURLINFO_RETRY_AFTER, &asked) == CURLE_OK &&
        (double)asked > wait)
        wait = (double)asked;
    return wait < MAX_BACKOFF ? wait : MAX_BACKOFF;
}

static void forget_pending(remote_llm *r, const remote_request *q)
{
    size_t i = 0;
    while (r->pending[i] != q)
        i++;
    memmove(&r->pending[i], &r->pending[i + 1], (r->n_pending - i - 1) * sizeof(remote_request *));
    r->n_pending--;
}

static void finish_try(remote_llm *r, remote_request *q, CURLcode code)
{
    cmat_llm_reply reply = {.tag = q->tag};
    bool again;
    reply.status = judge_try(q, code, &reply, &again);
    if (again && q->n_tries < r->limits.max_tries) {
        q->not_before = cmat_now() + wait_before(q);
        request_stop(q);
        cmat_llm_reply_clear(&reply);
        return;
    }
    if (again)
        cmat_fail_prefix(&reply.err, reply.status, "after %d tries", q->n_tries);
    if (!reply.text)
        reply.text = cmat_xstrdup("");
    reply.seconds = cmat_now() - q->submitted;
    r->ready = cmat_xgrow(r->ready, &r->cap_ready, r->n_ready + 1, sizeof *r->ready);
    r->ready[r->n_ready++] = reply;
    forget_pending(r, q);
    request_free(q);
}

/* --- the operations --- */

static json_t *body_json(const remote_llm *r, const cmat_llm_request *req)
{
    const cmat_sampling *s = &req->sampling;
    const char *model = r->models[req->role] ? r->models[req->role] : r->model;
    json_t *j = json_object();
    json_object_set_new(j, "model", json_string(model));
    json_object_set(j, "messages", req->messages);
    json_object_set_new(j, "max_tokens", json_integer(req->max_tokens));
    json_object_set_new(j, "temperature", json_real(s->temperature));
    if (s->temperature > 0) {
        json_object_set_new(j, "top_p", json_real(s->top_p));
        json_object_set_new(j, "seed", json_integer((json_int_t)(s->seed & 0x7fffffff)));
    }
    if (req->stop && req->stop[0]) {
        json_t *stop = json_array();
        for (size_t i = 0; req->stop[i]; i++)
            json_array_append_new(stop, json_string(req->stop[i]));
        json_object_set_new(j, "stop", stop);
    }
    return j;
}

static cmat_status remote_submit(cmat_llm *llm, const cmat_llm_request *req, cmat_error *err)
{
    (void)err;
    remote_llm *r = (remote_llm *)llm;
    remote_request *q = cmat_xcalloc(1, sizeof *q);
    json_t *j = body_json(r, req);
    cmat_buf body = {0};
    cmat_json_print(&body, j);
    json_decref(j);
    q->owner = r;
    q->tag = req->tag;
    q->body = cmat_buf_detach(&body);
    q->submitted = cmat_now();
    r->pending =
        cmat_xgrow(r->pending, &r->cap_pending, r->n_pending + 1, sizeof(remote_request *));
    r->pending[r->n_pending++] = q;
    return CMAT_OK;
}

/* Starts what may start; *wait is set to the milliseconds until the next may. */
static cmat_status start_waiting(remote_llm *r, int *wait, cmat_error *err)
{
    const double now = cmat_now();
    *wait = 250;
    for (size_t i = 0; i < r->n_pending && r->n_active < r->limits.max_connections; i++) {
        remote_request *q = r->pending[i];
        if (q->easy)
            continue;
        if (q->not_before > now) {
            const int ms = (int)((q->not_before - now) * 1000) + 1;
            *wait = ms < *wait ? ms : *wait;
            continue;
        }
        cmat_status st = request_start(q, err);
        if (st != CMAT_OK)
            return st;
    }
    return CMAT_OK;
}

static void read_finished(remote_llm *r)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(r->multi, &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        remote_request *q = NULL;
        const CURLcode code = m->data.result; /* m is gone once its handle is removed */
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&q);
        finish_try(r, q, code);
    }
}

static cmat_status remote_poll(cmat_llm *llm, cmat_llm_reply *out, size_t cap, size_t *n,
                               cmat_error *err)
{
    remote_llm *r = (remote_llm *)llm;
    *n = 0;
    while (r->n_ready == 0 && r->n_pending > 0) {
        int wait, running;
        if (cmat_cancelled())
            return cmat_fail(err, CMAT_ERR_CANCELLED, "interrupted");
        cmat_status st = start_waiting(r, &wait, err);
        if (st != CMAT_OK)
            return st;
        CURLMcode mc = curl_multi_perform(r->multi, &running);
        read_finished(r);
        if (mc == CURLM_OK && r->n_ready == 0)
            mc = curl_multi_poll(r->multi, NULL, 0, wait, NULL);
        if (mc != CURLM_OK)
            return cmat_fail(err, CMAT_ERR_IO, "remote %s: %s", r->url, curl_multi_strerror(mc));
    }
    *n = r->n_ready < cap ? r->n_ready : cap;
    if (*n == 0)
        return CMAT_OK;
    memcpy(out, r->ready, *n * sizeof *out);
    memmove(r->ready, r->ready + *n, (r->n_ready - *n) * sizeof *out);
    r->n_ready -= *n;
    return CMAT_OK;
}

static size_t remote_count(cmat_llm *llm, const char *text)
{
    (void)llm;
    return (strlen(text) + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
}

static int remote_n_ctx(cmat_llm *llm)
{
    return ((remote_llm *)llm)->limits.n_ctx;
}

static void remote_cancel(cmat_llm *llm)
{
    remote_llm *r = (remote_llm *)llm;
    while (r->n_pending > 0)
        request_free(r->pending[--r->n_pending]);
    while (r->n_ready > 0)
        cmat_llm_reply_clear(&r->ready[--r->n_ready]);
}

static void remote_free(cmat_llm *llm)
{
    remote_llm *r = (remote_llm *)llm;
    remote_cancel(llm);
    for (int i = 0; i < CMAT_N_ROLES; i++)
        free(r->models[i]);
    free(r->model);
    free(r->url);
    curl_slist_free_all(r->headers);
    curl_multi_cleanup(r->multi);
    free(r->pending);
    free(r->ready);
    free(r);
}

static const cmat_llm_ops remote_ops = {
    .name = "remote",
    .submit = remote_submit,
    .poll = remote_poll,
    .count_tokens = remote_count,
    .n_ctx = remote_n_ctx,
    .cancel = remote_cancel,
    .free = remote_free,
};

static void add_header(remote_llm *r, char *line)
{
    r->headers = curl_slist_append(r->headers, line);
    free(line);
}

cmat_status cmat_llm_remote_new(cmat_llm **out, const char *url, const char *model, const char *key,
                                cmat_error *err)
{
    *out = NULL;
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return cmat_fail(err, CMAT_ERR_ARG, "remote: \"%s\" should begin with http:// or https://",
                         url);
    if (key && strpbrk(key, "\r\n"))
        return cmat_fail(err, CMAT_ERR_ARG, "remote: the key has a line break in it");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return cmat_fail(err, CMAT_ERR_IO, "remote: libcurl cannot start");
    remote_llm *r = cmat_xcalloc(1, sizeof *r);
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    r->llm.ops = &remote_ops;
    r->limits = (cmat_llm_remote_limits)CMAT_LLM_REMOTE_LIMITS_DEFAULT;
    r->url = cmat_xasprintf("%.*s/chat/completions", (int)len, url);
    r->model = cmat_xstrdup(model && *model ? model : "default");
    r->multi = curl_multi_init();
    add_header(r, cmat_xstrdup("Content-Type: application/json"));
    add_header(r, cmat_xstrdup("Expect:")); /* some servers do not answer "100-continue" */
    if (key && *key)
        add_header(r, cmat_xasprintf("Authorization: Bearer %s", key));
    *out = &r->llm;
    return CMAT_OK;
}

void cmat_llm_remote_set_model(cmat_llm *llm, cmat_role role, const char *model)
{
    remote_llm *r = (remote_llm *)llm;
    free(r->models[role]);
    r->models[role] = cmat_xstrdup(model);
}

void cmat_llm_remote_set_limits(cmat_llm *llm, const cmat_llm_remote_limits *limits)
{
    ((remote_llm *)llm)->limits = *limits;
}
