/* env/kg/http.c - see http.h. */
#include "env/kg/http.h"
#include "core/buf.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX (64u << 20)

struct kg_http {
    CURL *curl;
    struct curl_slist *headers;
    char *url;
    cmat_buf body;
};

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    kg_http *h = user;
    if (h->body.len + size * n > BODY_MAX)
        return 0;
    cmat_buf_add(&h->body, data, size * n);
    return size * n;
}

kg_http *kg_http_new(const char *url, double timeout)
{
    kg_http *h = cmat_xcalloc(1, sizeof *h);
    h->url = cmat_xstrdup(url);
    h->curl = curl_easy_init();
    h->headers = curl_slist_append(NULL, "Accept: application/sparql-results+json");
    if (!h->curl)
        abort();
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)(1000 * (timeout > 0 ? timeout : 30)));
    return h;
}

void kg_http_free(kg_http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    curl_slist_free_all(h->headers);
    cmat_buf_clear(&h->body);
    free(h->url);
    free(h);
}

/* What the server said of a query it refused, as one short line. */
static cmat_status refused(kg_http *h, long code, cmat_error *err)
{
    cmat_buf line = {0};
    const char *body = cmat_buf_str(&h->body);
    const size_t n = strcspn(body, "\r\n");
    cmat_text_inert(&line, body, n < 200 ? n : 200);
    const cmat_status st = cmat_fail(err, CMAT_ERR_UNSUPPORTED, "%s: answers %ld%s%s", h->url, code,
                                     line.len ? ": " : "", cmat_buf_str(&line));
    cmat_buf_clear(&line);
    return st;
}

cmat_status kg_http_query(kg_http *h, const char *sparql, json_t **out, cmat_error *err)
{
    CURLcode rc = CURLE_OK;
    long code = 0;
    char *escaped = curl_easy_escape(h->curl, sparql, 0);
    char *fields = cmat_xasprintf("query=%s", escaped ? escaped : "");
    *out = NULL;
    curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, fields);
    for (int turn = 0; turn < 2;
         turn++) { /* a connection kept open may have been closed meanwhile */
        cmat_buf_truncate(&h->body, 0);
        rc = curl_easy_perform(h->curl);
        if (rc == CURLE_OK || rc == CURLE_OPERATION_TIMEDOUT || rc == CURLE_WRITE_ERROR)
            break;
    }
    curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, NULL);
    curl_free(escaped);
    free(fields);
    if (rc == CURLE_OPERATION_TIMEDOUT || rc == CURLE_WRITE_ERROR)
        return cmat_fail(err, CMAT_ERR_LIMIT, "%s: %s", h->url,
                         rc == CURLE_WRITE_ERROR ? "the answer is too long" : "no answer in time");
    if (rc != CURLE_OK)
        return cmat_fail(err, CMAT_ERR_IO, "%s: %s", h->url, curl_easy_strerror(rc));
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code != 200)
        return refused(h, code, err);
    *out = cmat_json_parse(cmat_buf_str(&h->body), h->body.len, h->url, err);
    if (!*out)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: does not answer in SPARQL's JSON", h->url);
    return CMAT_OK;
}
