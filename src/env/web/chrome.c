/* chrome.c - one Chromium for many episodes: starts it, keeps it on its allow-list, starts another
 * when it has ended. */
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "env/web/chrome_impl.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add_arg(json_t *args, const char *fmt, const char *value)
{
    char *s = cmat_xasprintf("%s%s", fmt, value);
    json_array_append_new(args, json_string(s));
    free(s);
}

/* Loopback and the allowed hosts in the browser's two lists: whom to reach without the refusing
 * proxy, and whose names to look up. allow has been checked. */
static void add_network(json_t *args, const char *allow, int port)
{
    cmat_buf bypass = {0}, rules = {0};
    char proxy[40];
    cmat_buf_puts(&bypass, "127.0.0.1;localhost;*.localhost;[::1]");
    cmat_buf_puts(&rules,
                  "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost, "
                  "EXCLUDE [::1]");
    for (const char *p = allow; p && *p;) {
        const size_t n = strcspn(p, ","), host = strcspn(p, ":,");
        cmat_buf_printf(&bypass, ";%.*s", (int)n, p);
        cmat_buf_printf(&rules, ", EXCLUDE %.*s", (int)host, p);
        p += n + (p[n] == ',');
    }
    snprintf(proxy, sizeof proxy, "127.0.0.1:%d", port);
    add_arg(args, "--proxy-server=http://", proxy);
    add_arg(args, "--proxy-bypass-list=", bypass.data);
    add_arg(args, "--host-resolver-rules=", rules.data);
    add_arg(args, "--force-webrtc-ip-handling-policy=", "disable_non_proxied_udp");
    cmat_buf_clear(&bypass);
    cmat_buf_clear(&rules);
}

static cmat_status start_driver(web_chrome *c, cmat_error *err)
{
    static const char *const plain[] = {"--headless=new",
                                        "--disable-gpu",
                                        "--no-first-run",
                                        "--disable-extensions",
                                        "--disable-background-networking",
                                        "--disable-component-update",
                                        "--disable-sync",
                                        "--disable-default-apps",
                                        "--disable-dev-shm-usage",
                                        "--disable-quic",
                                        "--no-pings",
                                        "--mute-audio",
                                        "--window-size=1280,1600"};
    json_t *args = json_array();
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        add_arg(args, plain[i], "");
    add_network(args, c->allow, web_server_port(c->server));
    if (geteuid() == 0) { /* Chromium refuses to start otherwise */
        add_arg(args, "--no-sandbox", "");
        if (c->generation == 0)
            cmat_warn("web: running as root: Chromium runs without its own sandbox");
    }
    cmat_status st = web_driver_open(&c->driver, args, err);
    json_decref(args);
    return st;
}

/* Puts the browser away; the server, which holds the made sites' states, stays. */
static void end_driver(web_chrome *c)
{
    web_driver_close(c->driver);
    c->driver = NULL;
    while (c->n_idle > 0)
        free(c->idle[--c->n_idle]);
    free(c->window);
    free(c->current);
    c->window = c->current = NULL;
}

cmat_status web_chrome_start(web_chrome *c, cmat_error *err)
{
    json_t *window = NULL;
    cmat_status st = CMAT_OK;
    if (c->driver)
        return CMAT_OK;
    if (!c->server)
        st = web_server_open(&c->server, err);
    if (st == CMAT_OK)
        st = start_driver(c, err);
    if (st == CMAT_OK)
        st = web_driver_call(c->driver, "GET", "/window", NULL, &window, err);
    if (json_is_string(window))
        c->window = cmat_xstrdup(json_string_value(window));
    else if (st == CMAT_OK)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "web: the browser has no window");
    json_decref(window);
    c->generation++;
    if (st != CMAT_OK)
        end_driver(c);
    return st;
}

bool web_chrome_has_ended(web_chrome *c)
{
    json_t *all = NULL;
    const bool lives = c->driver && web_driver_call(c->driver, "GET", "/window/handles", NULL, &all,
                                                    NULL) == CMAT_OK;
    json_decref(all);
    if (c->driver && !lives) {
        cmat_warn("web: the browser has ended; another is started when one is needed");
        end_driver(c);
    }
    return !lives;
}

/* host, host:port, *.host; nothing that could add to the browser's rules. */
static bool is_host_list(const char *s)
{
    for (; s && *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr(".-_*:,", *s))
            return false;
    return true;
}

cmat_status web_chrome_open(web_chrome **out, const char *allow, cmat_error *err)
{
    *out = NULL;
    if (!is_host_list(allow))
        return cmat_fail(err, CMAT_ERR_ARG, "web: \"%s\" is no list of hosts (host,host:port)",
                         allow);
    web_chrome *c = cmat_xcalloc(1, sizeof *c);
    c->n_refs = 1;
    c->allow = cmat_xstrdup(allow);
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return CMAT_OK;
}

web_chrome *web_chrome_ref(web_chrome *c)
{
    pthread_mutex_lock(&c->lock);
    c->n_refs++;
    pthread_mutex_unlock(&c->lock);
    return c;
}

void web_chrome_unref(web_chrome *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    const int left = --c->n_refs;
    pthread_mutex_unlock(&c->lock);
    if (left > 0)
        return;
    end_driver(c);
    web_server_close(c->server);
    shop_site_close(c->shop);
    pthread_mutex_destroy(&c->lock);
    free(c->allow);
    free(c);
}

size_t web_chrome_refused(const web_chrome *c)
{
    return c->server ? web_server_refused(c->server) : 0;
}

cmat_status web_chrome_shop(web_chrome *c, shop_site **out, cmat_error *err)
{
    pthread_mutex_lock(&c->lock);
    cmat_status st = c->shop ? CMAT_OK : shop_site_open(&c->shop, &(shop_site_options){0}, err);
    *out = c->shop;
    pthread_mutex_unlock(&c->lock);
    return st;
}

/* ---- windows; the chrome's lock is held ---- */

cmat_status web_chrome_choose(web_chrome *c, const char *window, cmat_error *err)
{
    if (c->current && strcmp(c->current, window) == 0)
        return CMAT_OK;
    free(c->current);
    c->current = NULL;
    cmat_status st = web_driver_call(c->driver, "POST", "/window",
                                     json_pack("{s:s}", "handle", window), NULL, err);
    if (st == CMAT_OK)
        c->current = cmat_xstrdup(window);
    return st;
}

static bool is_ours(const web_chrome *c, const char *window)
{
    bool ours = c->window && strcmp(c->window, window) == 0;
    for (const web_tab *t = c->tabs; t; t = t->next)
        ours |= t->window && strcmp(t->window, window) == 0;
    for (size_t i = 0; i < c->n_idle; i++)
        ours |= strcmp(c->idle[i], window) == 0;
    return ours;
}

void web_chrome_close_windows(web_chrome *c)
{
    json_t *all = NULL, *w;
    size_t i;
    if (web_driver_call(c->driver, "GET", "/window/handles", NULL, &all, NULL) != CMAT_OK)
        return;
    json_array_foreach(all, i, w)
    {
        if (!json_is_string(w) || is_ours(c, json_string_value(w)))
            continue;
        if (web_chrome_choose(c, json_string_value(w), NULL) == CMAT_OK)
            web_driver_call(c->driver, "DELETE", "/window", NULL, NULL, NULL);
        free(c->current); /* it is no more */
        c->current = NULL;
    }
    json_decref(all);
}
