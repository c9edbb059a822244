/* model/pull_http.c - downloads a file by HTTP into NAME.part and continues a broken download.
 *
 * Beside the part lies NAME.part.from: the URL, and the ETag the server gave. A part from another
 * URL is thrown away; with an ETag the server is asked to continue only if the file is still the
 * same one (If-Range), else it sends the whole file again. */
#include "core/buf.h"
#include "core/cancel.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/progress.h"
#include "core/text.h"
#include "model/pull_internal.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define MAX_STALLED \
    4 /* attempts in a row that bring nothing; one that brings bytes counts from 0 again */
#define MAX_REDIRECTS 5
#define MAX_ETAG 200

typedef struct {
    const char *url, *part;
    const cmat_http_options *options;
    char *from; /* the .from file */
    char etag[MAX_ETAG + 1];
    int fd;
    curl_off_t have;  /* bytes in the part at the start of an attempt */
    curl_off_t total; /* of the whole file, as an answer 416 says; -1: unknown */
    int write_errno;
    bool too_long;  /* more came than the file has */
    curl_off_t got; /* bytes in the part */
    cmat_progress *progress;
    bool progress_total;
} download;

/* ---- the part and what it is a part of ---- */

static void save_from(const download *d)
{
    char *text = cmat_xasprintf("%s\n%s\n", d->url, d->etag);
    cmat_write_file(d->from, text, strlen(text), NULL); /* lost: the next call starts over */
    free(text);
}

/* Reads the .from file: true when the part belongs to this URL. */
static bool load_from(download *d)
{
    char *text = NULL;
    size_t len, n = strlen(d->url);
    bool same = cmat_read_file(d->from, 65536, &text, &len, NULL) == CMAT_OK &&
                strncmp(text, d->url, n) == 0 && text[n] == '\n';
    if (same) {
        size_t k = strcspn(text + n + 1, "\n");
        if (k <= MAX_ETAG) {
            memcpy(d->etag, text + n + 1, k);
            d->etag[k] = 0;
        }
    }
    free(text);
    return same;
}

static cmat_status restart(download *d, cmat_error *err)
{
    d->have = 0;
    d->etag[0] = 0;
    if (ftruncate(d->fd, 0) != 0 || lseek(d->fd, 0, SEEK_SET) != 0)
        return cmat_fail(err, CMAT_ERR_IO, "write %s: %s", d->part, strerror(errno));
    save_from(d);
    return CMAT_OK;
}

static cmat_status open_part(download *d, cmat_error *err)
{
    d->fd = open(d->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (d->fd < 0)
        return cmat_fail(err, CMAT_ERR_IO, "write %s: %s", d->part, strerror(errno));
    if (flock(d->fd, LOCK_EX | LOCK_NB) != 0)
        return cmat_fail(err, CMAT_ERR_STATE, "%s: another process is downloading it", d->part);
    if (!load_from(d))
        return restart(d, err);
    return CMAT_OK;
}

/* ---- one attempt ---- */

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
    download *d = user;
    size_t left = size * n;
    if (d->options->has_size && (curl_off_t)left > d->options->size - d->got) {
        d->too_long = true;
        return 0;
    }
    d->got += (curl_off_t)left;
    while (left) {
        ssize_t k = write(d->fd, data, left);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0) {
            d->write_errno = errno;
            return 0;
        }
        data += k;
        left -= (size_t)k;
    }
    return size * n;
}

/* Notes the ETag; a redirect's or an error's is overwritten by that of the final answer. */
static size_t on_header(char *line, size_t size, size_t n, void *user)
{
    download *d = user;
    size_t len = size * n;
    if (len > 5 && strncmp(line, "HTTP/", 5) == 0 && d->have == 0)
        d->etag[0] = 0;
    if (len > 5 && strncasecmp(line, "etag:", 5) == 0 && d->have == 0) {
        size_t a = 5, b = len;
        while (a < b && (line[a] == ' ' || line[a] == '\t'))
            a++;
        while (b > a && (unsigned char)line[b - 1] <= ' ')
            b--;
        if (b - a <= MAX_ETAG && line[a] == '"' &&
            !memchr(line + a, 0, b - a)) { /* strong ones only */
            memcpy(d->etag, line + a, b - a);
            d->etag[b - a] = 0;
        }
    }
    if (len > 23 && strncasecmp(line, "content-range: bytes */", 23) == 0) {
        d->total = 0;
        for (size_t i = 23;
             i < len && line[i] >= '0' && line[i] <= '9' && d->total < (curl_off_t)1 << 50; i++)
            d->total = d->total * 10 + line[i] - '0';
    }
    if (len <= 2 && d->have == 0)
        save_from(d);
    return len;
}

static const char *label(const download *d)
{
    return d->options->label ? d->options->label : "download";
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    download *d = user;
    (void)up_total;
    (void)up_now;
    if (total > 0 && !d->progress_total) {
        cmat_progress_free(d->progress);
        d->progress = cmat_progress_new(label(d), d->have + total);
        d->progress_total = true;
    }
    cmat_progress_set(d->progress, d->have + now);
    return cmat_cancelled() ? 1 : 0;
}

/* Free bytes where the part lies, so that a download that cannot fit fails at its start. */
static curl_off_t free_bytes(const download *d)
{
    struct statvfs v;
    if (fstatvfs(d->fd, &v) != 0)
        return 0; /* 0: no limit */
    uint64_t bytes = (uint64_t)v.f_bavail * v.f_frsize;
    return bytes > INT64_MAX ? 0 : (curl_off_t)bytes + 1;
}

static CURLcode attempt(download *d, CURL *c, char *message)
{
    struct curl_slist *headers = NULL;
    d->have = lseek(d->fd, 0, SEEK_END);
    d->got = d->have;
    d->total = -1;
    d->write_errno = 0;
    if (d->have > 0 && d->etag[0]) {
        char *h = cmat_xasprintf("If-Range: %s", d->etag);
        headers = curl_slist_append(NULL, h);
        free(h);
    }
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, d->have);
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, free_bytes(d));
    message[0] = 0;
    CURLcode code = curl_easy_perform(c);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return code;
}

/* What every request has. curl sends the token to the url's own host only (unless told otherwise by
 * CURLOPT_UNRESTRICTED_AUTH). */
static void set_common(CURL *c, const char *url, const char *token, char *message)
{
    bool https = strncasecmp(url, "https:", 6) == 0;
    curl_easy_setopt(c, CURLOPT_URL, url);
    if (token) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, token);
    }
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 30L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "cmat/" CMAT_VERSION);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, message);
}

static void set_options(download *d, CURL *c, char *message)
{
    set_common(c, d->url, d->options->token, message);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, d);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, d);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, d);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
}

/* ---- the whole ---- */

/* What to do after an attempt that failed. */
typedef enum { GIVE_UP, CONTINUE, START_OVER, COMPLETE } verdict;

static verdict judge(const download *d, CURL *c, CURLcode code)
{
    long http = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &http);
    if (d->have > 0 && http == 416 && d->total == d->have)
        return COMPLETE; /* the last call ended between the last byte and the rename */
    if (d->have > 0 && (code == CURLE_RANGE_ERROR || http == 416))
        return START_OVER; /* the server has another file, or sends only whole ones */
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return http == 429 || http >= 500 ? CONTINUE : GIVE_UP;
    switch (code) {
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_HTTP2_STREAM:
        return CONTINUE;
    default:
        return GIVE_UP;
    }
}

static cmat_status failed(const download *d, CURLcode code, const char *message, cmat_error *err)
{
    cmat_buf b = {0};
    if (cmat_cancelled())
        return cmat_fail(err, CMAT_ERR_CANCELLED,
                         "download %s: stopped; the next pull continues it", d->url);
    if (d->too_long)
        return cmat_fail(err, CMAT_ERR_FORMAT, "download %s: longer than the %lld bytes it has",
                         d->url, (long long)d->options->size);
    if (d->write_errno)
        return cmat_fail(err, CMAT_ERR_IO, "write %s: %s", d->part, strerror(d->write_errno));
    if (code == CURLE_FILESIZE_EXCEEDED)
        return cmat_fail(err, CMAT_ERR_IO, "download %s: larger than the free space at %s", d->url,
                         d->part);
    const char *why = message[0] ? message : curl_easy_strerror(code);
    cmat_text_inert(&b, why, strlen(why));
    cmat_status st = cmat_fail(err, CMAT_ERR_IO, "download %s: %s", d->url, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return st;
}

static cmat_status fetch(download *d, CURL *c, cmat_error *err)
{
    char message[CURL_ERROR_SIZE] = "";
    set_options(d, c, message);
    for (int stalled = 0;;) {
        CURLcode code = attempt(d, c, message);
        if (code == CURLE_OK)
            return CMAT_OK;
        verdict v = judge(d, c, code);
        if (v == COMPLETE)
            return CMAT_OK;
        stalled = lseek(d->fd, 0, SEEK_END) > d->have ? 0 : stalled + 1;
        if (v == GIVE_UP || stalled == MAX_STALLED || cmat_cancelled())
            return failed(d, code, message, err);
        if (v == START_OVER) {
            cmat_status st = restart(d, err);
            if (st != CMAT_OK)
                return st;
        } else {
            const struct timespec pause = {stalled / 2, 100000000 + stalled % 2 * 400000000};
            cmat_warn("download %s: %s; going on", d->url,
                      message[0] ? message : curl_easy_strerror(code));
            nanosleep(&pause, NULL);
        }
    }
}

/* A whole file of another length than it should have is of no use. */
static cmat_status size_check(download *d, cmat_error *err)
{
    const curl_off_t size = lseek(d->fd, 0, SEEK_END);
    if (!d->options->has_size || size == d->options->size)
        return CMAT_OK;
    return cmat_fail(err, CMAT_ERR_FORMAT, "download %s: %lld bytes, expected %lld", d->url,
                     (long long)size, (long long)d->options->size);
}

cmat_status cmat_pull_http(const cmat_http_options *o, cmat_error *err)
{
    download d = {.url = o->url,
                  .part = o->part,
                  .options = o,
                  .fd = -1,
                  .from = cmat_xasprintf("%s.from", o->part)};
    cmat_status st = CMAT_OK;
    CURL *c = NULL;
    if (strpbrk(o->url, "\r\n") || (o->token && strpbrk(o->token, "\r\n"))) {
        st = cmat_fail(err, CMAT_ERR_ARG, "a URL or a token with a line break");
        goto done;
    }
    if ((st = open_part(&d, err)) != CMAT_OK)
        goto done;
    if (!(c = curl_easy_init())) {
        st = cmat_fail(err, CMAT_ERR_NOMEM, "curl: cannot be set up");
        goto done;
    }
    d.progress = cmat_progress_new(label(&d), 0);
    if (!o->has_size || lseek(d.fd, 0, SEEK_END) != o->size) /* else it is whole already */
        st = fetch(&d, c, err);
    cmat_progress_free(d.progress);
    if (st == CMAT_OK)
        st = size_check(&d, err);
    if (st == CMAT_OK && fsync(d.fd) != 0)
        st = cmat_fail(err, CMAT_ERR_IO, "write %s: %s", d.part, strerror(errno));
    /* nothing that could be continued: leave nothing behind */
    if (st != CMAT_OK && (st == CMAT_ERR_FORMAT || lseek(d.fd, 0, SEEK_END) == 0))
        unlink(d.part);
    if (st == CMAT_OK || !cmat_path_exists(d.part))
        unlink(d.from);
done:
    curl_easy_cleanup(c);
    if (d.fd >= 0)
        close(d.fd);
    free(d.from);
    return st;
}

/* ---- short answers ---- */

typedef struct {
    cmat_buf *out;
    size_t max;
    bool too_long;
} answer;

static size_t on_text(char *data, size_t size, size_t n, void *user)
{
    answer *a = user;
    if (size * n > a->max - a->out->len) {
        a->too_long = true;
        return 0;
    }
    cmat_buf_add(a->out, data, size * n);
    return size * n;
}

cmat_status cmat_pull_text(const char *url, const char *token, size_t max, cmat_buf *out,
                           cmat_error *err)
{
    char message[CURL_ERROR_SIZE] = "";
    answer a = {.out = out, .max = max};
    long http = 0;
    CURLcode code = CURLE_OK;
    if (token && strpbrk(token, "\r\n"))
        return cmat_fail(err, CMAT_ERR_ARG, "a token with a line break");
    CURL *c = curl_easy_init();
    if (!c)
        return cmat_fail(err, CMAT_ERR_NOMEM, "curl: cannot be set up");
    set_common(c, url, token, message);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_text);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &a);
    for (int i = 0; i < MAX_STALLED; i++) {
        const struct timespec pause = {0, 200000000};
        cmat_buf_truncate(out, 0);
        code = curl_easy_perform(c);
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &http);
        const bool later = code == CURLE_HTTP_RETURNED_ERROR
                               ? http == 429 || http >= 500
                               : code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR ||
                                     code == CURLE_GOT_NOTHING;
        if (!later || cmat_cancelled())
            break;
        nanosleep(&pause, NULL);
    }
    curl_easy_cleanup(c);
    if (code == CURLE_OK)
        return CMAT_OK;
    if (a.too_long)
        return cmat_fail(err, CMAT_ERR_LIMIT, "%s: an answer of over %zu bytes", url, max);
    if (code == CURLE_HTTP_RETURNED_ERROR && (http == 401 || http == 403))
        return cmat_fail(err, CMAT_ERR_IO, "%s: %ld: there is no such model, or it needs %s", url,
                         http, token ? "another HF_TOKEN" : "a token (HF_TOKEN)");
    cmat_buf b = {0};
    const char *why = message[0] ? message : curl_easy_strerror(code);
    cmat_text_inert(&b, why, strlen(why));
    cmat_status st = cmat_fail(err, http == 404 ? CMAT_ERR_NOT_FOUND : CMAT_ERR_IO, "%s: %s", url,
                               cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return st;
}
