/* serve.c - see serve.h. */
#include "env/web/serve.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

enum { FORM_MAX = 1 << 20, REQUEST_SECONDS = 30 };

typedef struct served {
    char token[WEB_TOKEN];
    const json_t *site;
    web_site_state state;
    struct served *next;
} served;

struct web_server {
    struct MHD_Daemon *daemon;
    int port;
    pthread_mutex_t lock; /* of what follows */
    served *sites;
    size_t n_refused;
};

static served *find(web_server *s, const char *token, size_t len)
{
    for (served *v = s->sites; v; v = v->next)
        if (strlen(v->token) == len && strncasecmp(v->token, token, len) == 0)
            return v;
    return NULL;
}

/* The site of a Host header, "TOKEN.localhost:PORT". */
static served *site_of(web_server *s, const char *host)
{
    const char *dot = host ? strchr(host, '.') : NULL;
    if (!dot || strncasecmp(dot, ".localhost", 10) != 0 || (dot[10] && dot[10] != ':'))
        return NULL;
    return find(s, host, (size_t)(dot - host));
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const char *text,
                             size_t len, const char *location)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(len, (void *)text, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(r, "Content-Type", "text/html; charset=utf-8");
    MHD_add_response_header(r, "Cache-Control", "no-store");
    if (location)
        MHD_add_response_header(r, "Location", location);
    const enum MHD_Result done = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return done;
}

static enum MHD_Result refuse(web_server *s, struct MHD_Connection *c)
{
    static const char text[] =
        "<!DOCTYPE html><html><head><title>Not allowed</title></head><body><p>This "
        "address is not on the allow-list.</p></body></html>";
    pthread_mutex_lock(&s->lock);
    s->n_refused++;
    pthread_mutex_unlock(&s->lock);
    return reply(c, MHD_HTTP_FORBIDDEN, text, strlen(text), NULL);
}

static enum MHD_Result add_query(void *user, enum MHD_ValueKind kind, const char *key,
                                 const char *value)
{
    cmat_buf *target = user;
    (void)kind;
    cmat_buf_putc(target, strchr(target->data, '?') ? '&' : '?');
    web_urlencode(key, target);
    cmat_buf_putc(target, '=');
    web_urlencode(value ? value : "", target);
    return MHD_YES;
}

static enum MHD_Result respond(web_server *s, served *v, struct MHD_Connection *c, const char *url,
                               const char *form)
{
    web_response r = {0};
    cmat_buf target = {0};
    cmat_buf_puts(&target, url);
    MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, add_query, &target);
    web_site_respond(v->site, &v->state, target.data, form, &r);
    pthread_mutex_unlock(&s->lock);
    const enum MHD_Result done = reply(c, (unsigned)r.status, cmat_buf_str(&r.body), r.body.len,
                                       r.status == 303 ? r.location : NULL);
    cmat_buf_clear(&target);
    cmat_buf_clear(&r.body);
    return done;
}

/* libmicrohttpd calls this first with the headers alone, then with parts of the body, then at its
 * end. */
static enum MHD_Result handle(void *user, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *n_upload, void **state)
{
    web_server *s = user;
    cmat_buf *body = *state;
    const bool post = strcmp(method, "POST") == 0;
    (void)version;
    if (!body) {
        *state = cmat_xcalloc(1, sizeof *body);
        return MHD_YES;
    }
    if (*n_upload > 0) {
        if (body->len + *n_upload <= FORM_MAX)
            cmat_buf_add(body, upload, *n_upload);
        *n_upload = 0;
        return MHD_YES;
    }
    pthread_mutex_lock(&s->lock);
    served *v =
        *url == '/' ? site_of(s, MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host")) : NULL;
    if (v && (post || strcmp(method, "GET") == 0))
        return respond(s, v, c, url, post ? cmat_buf_str(body) : NULL);
    pthread_mutex_unlock(&s->lock);
    return refuse(s, c);
}

static void completed(void *user, struct MHD_Connection *c, void **state,
                      enum MHD_RequestTerminationCode why)
{
    cmat_buf *body = *state;
    (void)user, (void)c, (void)why;
    if (body)
        cmat_buf_clear(body);
    free(body);
    *state = NULL;
}

static void quiet(void *user, const char *fmt, va_list ap)
{
    (void)user, (void)fmt, (void)ap;
}

cmat_status web_server_open(web_server **out, cmat_error *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    web_server *s = cmat_xcalloc(1, sizeof *s);
    *out = NULL;
    pthread_mutex_init(&s->lock, NULL);
    s->daemon = MHD_start_daemon(
        MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle,
        s, MHD_OPTION_EXTERNAL_LOGGER, quiet, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at,
        MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)REQUEST_SECONDS, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        s->daemon ? MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info) {
        web_server_close(s);
        return cmat_fail(err, CMAT_ERR_IO, "web: a server on loopback cannot be started: %s",
                         strerror(errno));
    }
    s->port = info->port;
    *out = s;
    return CMAT_OK;
}

void web_server_close(web_server *s)
{
    if (!s)
        return;
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    while (s->sites) {
        served *v = s->sites;
        s->sites = v->next;
        free(v);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int web_server_port(const web_server *s)
{
    return s->port;
}

size_t web_server_refused(web_server *s)
{
    pthread_mutex_lock(&s->lock);
    const size_t n = s->n_refused;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void web_server_add(web_server *s, const json_t *site, char token[WEB_TOKEN])
{
    served *v = cmat_xcalloc(1, sizeof *v);
    uint64_t r = 0;
    if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
        r = (uint64_t)(uintptr_t)v; /* no secret: it keeps episodes apart */
    snprintf(v->token, sizeof v->token, "s%016llx", (unsigned long long)r);
    v->site = site;
    memcpy(token, v->token, WEB_TOKEN);
    pthread_mutex_lock(&s->lock);
    v->next = s->sites;
    s->sites = v;
    pthread_mutex_unlock(&s->lock);
}

void web_server_drop(web_server *s, const char *token)
{
    pthread_mutex_lock(&s->lock);
    for (served **at = &s->sites; *at; at = &(*at)->next)
        if (strcmp((*at)->token, token) == 0) {
            served *v = *at;
            *at = v->next;
            free(v);
            break;
        }
    pthread_mutex_unlock(&s->lock);
}

web_site_state web_server_state(web_server *s, const char *token)
{
    pthread_mutex_lock(&s->lock);
    const served *v = find(s, token, strlen(token));
    const web_site_state state = v ? v->state : (web_site_state){0};
    pthread_mutex_unlock(&s->lock);
    return state;
}
