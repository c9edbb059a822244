/* env/shop/site.c - the shop's web server (libmicrohttpd): one thread, loopback only. */
#include "env/shop/site.h"
#include "core/mem.h"
#include "env/shop/html.h"
#include "env/shop/site_session.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 1000, PAGE_MAX = 1000, OFFERED_MAX = 1000, CONNECTIONS = 128, TIMEOUT = 60 };

struct shop_site {
    struct MHD_Daemon *daemon;
    int port;
    pthread_mutex_t lock; /* of everything below */
    shop_pool *pool;
    shop_world *own;
    shop_sessions sessions;
    const cmat_task_list *offered;
};

/* One request while it comes in. */
typedef struct {
    struct MHD_PostProcessor *post;
    cmat_buf options[SHOP_OPTIONS_MAX]; /* values of the fields option-0 ... */
} request;

/* What is answered. */
typedef struct {
    unsigned status;
    cmat_buf body;
    cmat_buf location; /* for a redirection */
} answer;

/* ---- answers ---- */

static void message(answer *a, unsigned status, const char *title, const char *text)
{
    a->status = status;
    shop_html_message(&a->body, title, text);
}

static void not_found(answer *a)
{
    message(a, MHD_HTTP_NOT_FOUND, "Not found", "There is no such page in this shop.");
}

static void redirect(answer *a, const shop_session *s, const char *where)
{
    a->status = MHD_HTTP_SEE_OTHER;
    cmat_buf_printf(&a->location, "/s/%s/%s", s->id, where);
}

static enum MHD_Result send_answer(struct MHD_Connection *c, answer *a)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        a->body.len, (void *)cmat_buf_str(&a->body), MHD_RESPMEM_MUST_COPY);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", "text/html; charset=utf-8");
    MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'");
    if (a->location.len)
        MHD_add_response_header(r, "Location", cmat_buf_str(&a->location));
    const enum MHD_Result sent = MHD_queue_response(c, a->status, r);
    MHD_destroy_response(r);
    cmat_buf_clear(&a->body);
    cmat_buf_clear(&a->location);
    return sent;
}

/* ---- pages ---- */

static const char *argument(struct MHD_Connection *c, const char *name)
{
    const char *v = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name);
    return v ? v : "";
}

static void results(answer *a, const shop_session *s, const shop_html *h)
{
    shop_play p = {0};
    shop_play_start(&p, s->world);
    shop_play_search(&p, h->words);
    shop_html_results(&a->body, h, s->world, p.hits, p.n_hits);
    shop_play_clear(&p);
}

/* The value of each option that the form says, if the product has it. */
static void buy(answer *a, shop_session *s, const shop_product *p, const request *r)
{
    int chosen[SHOP_OPTIONS_MAX];
    for (size_t o = 0; o < SHOP_OPTIONS_MAX; o++) {
        chosen[o] = -1;
        for (size_t i = 0; o < p->n_options && i < p->options[o].values.n; i++)
            if (strcmp(p->options[o].values.items[i], cmat_buf_str(&r->options[o])) == 0)
                chosen[o] = (int)i;
    }
    shop_session_buy(s, p, chosen);
    redirect(a, s, "done");
}

static void item_page(answer *a, shop_session *s, const shop_html *h, const char *path, bool post,
                      const request *r)
{
    const size_t n = strcspn(path, "/");
    char *asin = cmat_xstrndup(path, n);
    const shop_product *p = shop_world_find(s->world, asin);
    const char *rest = path + n + (path[n] == '/');
    free(asin);
    if (!p || (post && strcmp(rest, "buy") != 0))
        not_found(a);
    else if (post)
        buy(a, s, p, r);
    else if (!*rest)
        shop_html_item(&a->body, h, p);
    else if (!shop_html_subpage(&a->body, h, p, rest))
        not_found(a);
}

static void session_page(shop_site *site, struct MHD_Connection *c, answer *a, const char *url,
                         bool post, const request *r)
{
    shop_session *s = shop_session_find(&site->sessions, url);
    if (!s) {
        not_found(a);
        return;
    }
    char base[SHOP_SESSION_ID + 8];
    const char *path = url + 3 + SHOP_SESSION_ID;
    const int page = (int)strtol(argument(c, "page"), NULL, 10);
    shop_html h = {base, json_string_value(json_object_get(s->task, "instruction")),
                   argument(c, "q"),
                   page < 1          ? 1
                   : page > PAGE_MAX ? PAGE_MAX
                                     : page};
    snprintf(base, sizeof base, "/s/%s/", s->id);
    path += *path == '/';
    if (strlen(h.words) > WORDS_MAX)
        message(a, MHD_HTTP_BAD_REQUEST, "Too long", "A search has at most 1000 characters.");
    else if (s->bought && strcmp(path, "done") != 0)
        redirect(a, s, "done");
    else if (strncmp(path, "item/", 5) == 0)
        item_page(a, s, &h, path + 5, post, r);
    else if (post)
        not_found(a);
    else if (!*path)
        shop_html_search(&a->body, &h);
    else if (strcmp(path, "search") == 0 && *h.words)
        results(a, s, &h);
    else if (strcmp(path, "done") == 0 && s->bought)
        shop_html_done(&a->body, &h, s->bought, s->reward);
    else if (strcmp(path, "done") == 0 || strcmp(path, "search") == 0)
        redirect(a, s, "");
    else
        not_found(a);
}

/* ---- the entrance ---- */

static void entrance(const shop_site *site, answer *a)
{
    const cmat_task_list *l = site->offered;
    shop_html_begin(&a->body, "Tasks");
    cmat_buf_puts(&a->body, "<h1>What is to be bought?</h1>\n<ol>\n");
    for (size_t i = 0; l && i < l->n && i < OFFERED_MAX; i++) {
        cmat_buf_printf(&a->body, "<li><a href=\"/start?task=%zu\">", i);
        shop_html_text(&a->body, l->items[i].instruction);
        cmat_buf_puts(&a->body, "</a></li>\n");
    }
    cmat_buf_puts(&a->body, "</ol>\n");
    shop_html_end(&a->body);
}

static void start_task(shop_site *site, answer *a, const char *which)
{
    char *end;
    cmat_error err = {0};
    shop_session *s = NULL;
    const unsigned long i = strtoul(which, &end, 10);
    if (!*which || *end || !site->offered || i >= site->offered->n)
        not_found(a);
    else if (shop_session_new(&site->sessions, site->pool, site->own, site->offered->items[i].json,
                              &s, &err) != CMAT_OK)
        message(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "Error", err.msg);
    else
        redirect(a, s, "");
}

/* Pages of other sites must not get here by a name of their own that leads to this machine. */
static bool from_here(const shop_site *site, struct MHD_Connection *c)
{
    const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
    char by_number[32], by_name[32];
    snprintf(by_number, sizeof by_number, "127.0.0.1:%d", site->port);
    snprintf(by_name, sizeof by_name, "localhost:%d", site->port);
    return !host || strcmp(host, by_number) == 0 || strcmp(host, by_name) == 0;
}

static void route(shop_site *site, struct MHD_Connection *c, answer *a, const char *url, bool post,
                  const request *r)
{
    a->status = MHD_HTTP_OK;
    if (!from_here(site, c))
        message(a, MHD_HTTP_FORBIDDEN, "Forbidden", "This shop answers to 127.0.0.1 only.");
    else if (strncmp(url, "/s/", 3) == 0)
        session_page(site, c, a, url, post, r);
    else if (!post && strcmp(url, "/") == 0)
        entrance(site, a);
    else if (!post && strcmp(url, "/start") == 0)
        start_task(site, a, argument(c, "task"));
    else
        not_found(a);
}

/* ---- requests ---- */

static enum MHD_Result field(void *arg, enum MHD_ValueKind kind, const char *key, const char *file,
                             const char *type, const char *encoding, const char *data,
                             uint64_t offset, size_t size)
{
    request *r = arg;
    char *end;
    (void)kind;
    (void)file;
    (void)type;
    (void)encoding;
    (void)offset;
    if (strncmp(key, "option-", 7) != 0)
        return MHD_YES;
    const unsigned long o = strtoul(key + 7, &end, 10);
    if (*end || o >= SHOP_OPTIONS_MAX || r->options[o].len + size > 2 * SHOP_VALUE_MAX)
        return MHD_YES;
    cmat_buf_add(&r->options[o], data, size);
    return MHD_YES;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **state)
{
    shop_site *site = arg;
    const bool post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    answer a = {0};
    (void)version;
    if (!*state) {
        request *r = cmat_xcalloc(1, sizeof *r);
        *state = r;
        if (post)
            r->post = MHD_create_post_processor(c, 4096, field, r);
        return MHD_YES;
    }
    request *r = *state;
    if (*size > 0) {
        if (r->post)
            MHD_post_process(r->post, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (r->post) { /* the last field is told when it ends */
        MHD_destroy_post_processor(r->post);
        r->post = NULL;
    }
    pthread_mutex_lock(&site->lock);
    if (post || strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
        strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
        route(site, c, &a, url, post, r);
    else
        message(&a, MHD_HTTP_METHOD_NOT_ALLOWED, "Not allowed", "Only GET and POST are answered.");
    pthread_mutex_unlock(&site->lock);
    return send_answer(c, &a);
}

static void finished(void *arg, struct MHD_Connection *c, void **state,
                     enum MHD_RequestTerminationCode code)
{
    request *r = *state;
    (void)arg;
    (void)c;
    (void)code;
    if (!r)
        return;
    if (r->post)
        MHD_destroy_post_processor(r->post);
    for (size_t i = 0; i < SHOP_OPTIONS_MAX; i++)
        cmat_buf_clear(&r->options[i]);
    free(r);
    *state = NULL;
}

/* ---- open and close ---- */

static cmat_status load(shop_world **out, const char *name, void *unused, cmat_error *err)
{
    (void)unused;
    return shop_world_load(out, name, err);
}

static cmat_status listen_on(shop_site *s, int port, cmat_error *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    errno = 0;
    s->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, (uint16_t)port, NULL, NULL, handle, s,
                         MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT,
                         MHD_OPTION_NOTIFY_COMPLETED, finished, NULL, MHD_OPTION_END);
    if (!s->daemon)
        return cmat_fail(err, CMAT_ERR_IO, "shop: port %d of 127.0.0.1: %s", port,
                         errno ? strerror(errno) : "cannot be opened");
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    s->port = info ? info->port : port;
    return CMAT_OK;
}

cmat_status shop_site_open(shop_site **out, const shop_site_options *o, cmat_error *err)
{
    shop_site *s = cmat_xcalloc(1, sizeof *s);
    const shop_env *like = (const shop_env *)o->like;
    cmat_status st = CMAT_OK;
    pthread_mutex_init(&s->lock, NULL);
    s->pool = like ? shop_pool_ref(like->pool) : shop_pool_new();
    if (o->path)
        st = shop_pool_get(s->pool, o->path, load, NULL, &s->own, err);
    else if (like && like->own)
        s->own = shop_world_ref(like->own);
    if (st == CMAT_OK)
        st = listen_on(s, o->port, err);
    if (st != CMAT_OK) {
        shop_site_close(s);
        s = NULL;
    }
    *out = s;
    return st;
}

void shop_site_close(shop_site *s)
{
    if (!s)
        return;
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    shop_sessions_clear(&s->sessions);
    shop_world_unref(s->own);
    shop_pool_unref(s->pool);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int shop_site_port(const shop_site *s)
{
    return s->port;
}

void shop_site_offer(shop_site *s, const cmat_task_list *tasks)
{
    pthread_mutex_lock(&s->lock);
    s->offered = tasks;
    pthread_mutex_unlock(&s->lock);
}

/* ---- sessions from outside ---- */

cmat_status shop_site_start(shop_site *s, const cmat_task *task, char url[SHOP_URL_MAX],
                            cmat_error *err)
{
    shop_session *session = NULL;
    url[0] = 0;
    pthread_mutex_lock(&s->lock);
    const cmat_status st =
        shop_session_new(&s->sessions, s->pool, s->own, task->json, &session, err);
    if (st == CMAT_OK)
        snprintf(url, SHOP_URL_MAX, "http://127.0.0.1:%d/s/%s/", s->port, session->id);
    pthread_mutex_unlock(&s->lock);
    return st;
}

/* The session of an address, the lock held; NULL with err set and the lock let go. */
static shop_session *locked(shop_site *s, const char *url, cmat_error *err)
{
    pthread_mutex_lock(&s->lock);
    shop_session *session = shop_session_find(&s->sessions, url);
    if (!session) {
        pthread_mutex_unlock(&s->lock);
        cmat_fail(err, CMAT_ERR_NOT_FOUND, "shop: no session has the address %.100s", url);
    }
    return session;
}

cmat_status shop_site_score(shop_site *s, const char *url, double *score, bool *bought,
                            cmat_error *err)
{
    const shop_session *session = locked(s, url, err);
    *score = session ? session->reward : 0;
    *bought = session && session->bought;
    if (!session)
        return CMAT_ERR_NOT_FOUND;
    pthread_mutex_unlock(&s->lock);
    return CMAT_OK;
}

cmat_status shop_site_return(shop_site *s, const char *url, cmat_error *err)
{
    return shop_site_set(s, url, "", err);
}

cmat_status shop_site_get(shop_site *s, const char *url, cmat_buf *out, cmat_error *err)
{
    const shop_session *session = locked(s, url, err);
    if (!session)
        return CMAT_ERR_NOT_FOUND;
    shop_session_print(session, out);
    pthread_mutex_unlock(&s->lock);
    return CMAT_OK;
}

cmat_status shop_site_set(shop_site *s, const char *url, const char *bought, cmat_error *err)
{
    shop_session *session = locked(s, url, err);
    if (!session)
        return CMAT_ERR_NOT_FOUND;
    const bool fits = shop_session_parse(session, bought);
    pthread_mutex_unlock(&s->lock);
    return fits ? CMAT_OK
                : cmat_fail(err, CMAT_ERR_STATE, "shop: what was bought is of another shop");
}

void shop_site_end(shop_site *s, const char *url)
{
    pthread_mutex_lock(&s->lock);
    shop_session_end(&s->sessions, shop_session_find(&s->sessions, url));
    pthread_mutex_unlock(&s->lock);
}
