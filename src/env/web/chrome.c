/* chrome.c - tabs in one Chromium: what a page shows comes back as HTML with its live state written
 * into it, so that the rest of the environment sees the same kind of page as without a browser. */
#include "env/web/chrome.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "env/web/browse.h"
#include "env/web/driver.h"
#include "env/web/serve.h"
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct web_chrome {
    int n_refs;
    char *allow;
    pthread_mutex_t lock; /* of the driver: a window is chosen, then commanded */
    web_driver *driver;
    web_server *server;
    shop_site *shop;
    char *window;  /* the browser's first, kept so that it stays open */
    char *current; /* the one that commands go to; NULL: not known */
    struct web_tab *tabs;
};

struct web_tab {
    web_chrome *chrome; /* a reference */
    char *window;
    char token[WEB_TOKEN]; /* of a made site, else "" */
    web_page page;
    char *url, *hidden_id;
    struct web_tab *next; /* of the chrome's open ones */
};

/* Numbers the elements (data-cmat), takes links out of new windows, and returns the page as HTML
 * with what fields hold now and what is hidden in it. */
static const char read_script[] =
    "const all = [...document.documentElement.querySelectorAll('*')].slice(0, 20000);"
    "all.forEach((e, i) => {"
    "  e.setAttribute('data-cmat', i);"
    "  if (e.target && e.removeAttribute) e.removeAttribute('target'); });"
    "const copy = document.documentElement.cloneNode(true);"
    "const twins = copy.querySelectorAll('*');"
    "all.forEach((e, i) => {"
    "  const c = twins[i], tag = e.tagName;"
    "  if (!c) return;"
    "  const shown = !e.checkVisibility || e.checkVisibility({visibilityProperty: true});"
    "  if (!shown && tag != 'OPTION' && tag != 'OPTGROUP') c.setAttribute('hidden', '');"
    "  if (tag == 'TEXTAREA' || (tag == 'INPUT' && e.type != 'file'))"
    "    c.setAttribute('value', e.value);"
    "  if (tag == 'INPUT' && /^(checkbox|radio)$/.test(e.type))"
    "    c.toggleAttribute('checked', e.checked);"
    "  if (tag == 'OPTION') c.toggleAttribute('selected', e.selected);"
    "  if (e.disabled) c.setAttribute('disabled', ''); });"
    "for (const e of copy.querySelectorAll('script,style,head')) e.remove();"
    "window.cmatSeen = true;"
    "return [location.href, copy.outerHTML.slice(0, 8000000)];";

/* ---- the browser ---- */

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

static cmat_status start(web_chrome *c, cmat_error *err)
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
    cmat_status st = web_server_open(&c->server, err);
    if (st != CMAT_OK)
        return st;
    json_t *args = json_array();
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        add_arg(args, plain[i], "");
    add_network(args, c->allow, web_server_port(c->server));
    if (geteuid() == 0) { /* Chromium refuses to start otherwise */
        add_arg(args, "--no-sandbox", "");
        cmat_warn("web: running as root: Chromium runs without its own sandbox");
    }
    st = web_driver_open(&c->driver, args, err);
    json_decref(args);
    json_t *window = NULL;
    if (st == CMAT_OK)
        st = web_driver_call(c->driver, "GET", "/window", NULL, &window, err);
    if (json_is_string(window))
        c->window = cmat_xstrdup(json_string_value(window));
    else if (st == CMAT_OK)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "web: the browser has no window");
    json_decref(window);
    if (st != CMAT_OK) {
        web_driver_close(c->driver);
        web_server_close(c->server);
        c->driver = NULL;
        c->server = NULL;
    }
    return st;
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
    web_driver_close(c->driver);
    web_server_close(c->server);
    shop_site_close(c->shop);
    pthread_mutex_destroy(&c->lock);
    free(c->allow);
    free(c->window);
    free(c->current);
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

/* ---- tabs; the chrome's lock is held ---- */

static cmat_status call(web_tab *t, const char *path, json_t *body, json_t **value, cmat_error *err)
{
    return web_driver_call(t->chrome->driver, "POST", path, body, value, err);
}

static cmat_status choose_window(web_chrome *c, const char *window, cmat_error *err)
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

static cmat_status read_page(web_tab *t, cmat_error *err)
{
    json_t *value = NULL;
    cmat_status st = call(t, "/execute/sync",
                          json_pack("{s:s, s:[]}", "script", read_script, "args"), &value, err);
    const json_t *html = json_array_get(value, 1);
    const char *url = json_string_value(json_array_get(value, 0));
    if (st == CMAT_OK && (!url || !json_is_string(html)))
        st = cmat_fail(err, CMAT_ERR_FORMAT, "web: the browser gave no page");
    if (st == CMAT_OK) {
        web_page_clear(&t->page);
        free(t->url);
        t->url = cmat_xstrdup(url);
        st = web_page_parse(&t->page, json_string_value(html), json_string_length(html), err);
    }
    const int hidden =
        st == CMAT_OK && t->hidden_id ? web_page_find(&t->page, "id", t->hidden_id) : WEB_NO_NODE;
    if (hidden != WEB_NO_NODE)
        web_page_set(&t->page, hidden, "hidden", "");
    json_decref(value);
    return st;
}

/* Nothing of earlier episodes is left for a page of a real server: cookies, and what its origin has
 * stored. (Made sites have a host of their own each.) */
static cmat_status forget(web_tab *t, const char *url, cmat_error *err)
{
    const char *host = strstr(url, "://");
    const size_t n = host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : 0;
    cmat_status st =
        call(t, "/goog/cdp/execute",
             json_pack("{s:s, s:{}}", "cmd", "Network.clearBrowserCookies", "params"), NULL, err);
    if (st == CMAT_OK && n > 0)
        st = call(t, "/goog/cdp/execute",
                  json_pack("{s:s, s:{s:s%, s:s}}", "cmd", "Storage.clearDataForOrigin", "params",
                            "origin", url, n, "storageTypes", "all"),
                  NULL, err);
    return st;
}

static cmat_status go(web_tab *t, const web_tab_options *o, const char *url, cmat_error *err)
{
    json_t *value = NULL;
    const int ms = (int)(1000 * (o->timeout > 0 ? o->timeout : 20));
    /* a command needs a window that is open, and the last one may have been closed */
    cmat_status st = choose_window(t->chrome, t->chrome->window, err);
    if (st == CMAT_OK)
        st = call(t, "/window/new", json_pack("{s:s}", "type", "tab"), &value, err);
    const char *window = cmat_json_str(value, "handle", NULL);
    if (st == CMAT_OK && !window)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "web: the browser gave no window");
    if (window)
        t->window = cmat_xstrdup(window);
    json_decref(value);
    if (st == CMAT_OK)
        st = choose_window(t->chrome, t->window, err);
    if (st == CMAT_OK)
        st = call(t, "/timeouts", json_pack("{s:i, s:i}", "pageLoad", ms, "script", ms), NULL, err);
    if (st == CMAT_OK && !o->site)
        st = forget(t, url, err);
    if (st == CMAT_OK &&
        (st = call(t, "/url", json_pack("{s:s}", "url", url), NULL, err)) != CMAT_OK)
        st = cmat_fail_prefix(err, CMAT_ERR_IO, "web: %s", url);
    return st == CMAT_OK ? read_page(t, err) : st;
}

cmat_status web_tab_open(web_tab **out, web_chrome *c, const web_tab_options *o, cmat_error *err)
{
    web_tab *t = cmat_xcalloc(1, sizeof *t);
    char own[80];
    const char *url = o->url;
    cmat_status st = CMAT_OK;
    *out = NULL;
    t->chrome = web_chrome_ref(c);
    t->hidden_id = cmat_xstrdup(o->hidden_id);
    pthread_mutex_lock(&c->lock);
    t->next = c->tabs;
    c->tabs = t;
    if (!c->driver)
        st = start(c, err);
    if (st == CMAT_OK && o->site) {
        web_server_add(c->server, o->site, t->token);
        snprintf(own, sizeof own, "http://%s.localhost:%d/", t->token, web_server_port(c->server));
        url = own;
    }
    if (st == CMAT_OK)
        st = go(t, o, url, err);
    pthread_mutex_unlock(&c->lock);
    if (st == CMAT_OK)
        *out = t;
    else
        web_tab_close(t);
    return st;
}

static bool is_ours(const web_chrome *c, const char *window)
{
    bool ours = c->window && strcmp(c->window, window) == 0;
    for (const web_tab *t = c->tabs; t; t = t->next)
        ours |= t->window && strcmp(t->window, window) == 0;
    return ours;
}

/* Closes the windows that are no tab's (any more): this one's, and those that its pages opened. */
static void close_windows(web_chrome *c)
{
    json_t *all = NULL, *w;
    size_t i;
    if (web_driver_call(c->driver, "GET", "/window/handles", NULL, &all, NULL) != CMAT_OK)
        return;
    json_array_foreach(all, i, w)
    {
        if (!json_is_string(w) || is_ours(c, json_string_value(w)))
            continue;
        if (choose_window(c, json_string_value(w), NULL) == CMAT_OK)
            web_driver_call(c->driver, "DELETE", "/window", NULL, NULL, NULL);
        free(c->current); /* it is no more */
        c->current = NULL;
    }
    json_decref(all);
}

void web_tab_close(web_tab *t)
{
    if (!t)
        return;
    web_chrome *c = t->chrome;
    pthread_mutex_lock(&c->lock);
    for (web_tab **at = &c->tabs; *at; at = &(*at)->next)
        if (*at == t) {
            *at = t->next;
            break;
        }
    if (c->driver)
        close_windows(c);
    pthread_mutex_unlock(&c->lock);
    if (*t->token)
        web_server_drop(c->server, t->token);
    web_page_clear(&t->page);
    free(t->window);
    free(t->url);
    free(t->hidden_id);
    free(t);
    web_chrome_unref(c);
}

const web_page *web_tab_page(const web_tab *t)
{
    return &t->page;
}

const char *web_tab_url(const web_tab *t)
{
    return t->url ? t->url : "";
}

web_site_state web_tab_state(const web_tab *t)
{
    return *t->token ? web_server_state(t->chrome->server, t->token) : (web_site_state){0};
}

/* ---- actions ---- */

/* The browser's name for a node of the page: "/element/ID", the caller's to free(). */
static cmat_status find_element(web_tab *t, int node, char **path, cmat_error *err)
{
    const char *number = web_page_attr(&t->page, node, "data_cmat");
    char css[64];
    json_t *value = NULL;
    const char *key;
    json_t *id;
    *path = NULL;
    if (!number)
        return cmat_fail(err, CMAT_ERR_STATE, "no such element");
    snprintf(css, sizeof css, "[data-cmat=\"%.20s\"]", number);
    cmat_status st = call(
        t, "/element", json_pack("{s:s, s:s}", "using", "css selector", "value", css), &value, err);
    json_object_foreach(value, key, id) if (!*path && json_is_string(id)) *path =
        cmat_xasprintf("/element/%s", json_string_value(id));
    json_decref(value);
    return st;
}

static cmat_status on_element(web_tab *t, int node, const char *command, json_t *body,
                              cmat_error *err)
{
    char *path, *whole;
    cmat_status st = find_element(t, node, &path, err);
    if (st != CMAT_OK) {
        json_decref(body);
        free(path);
        return st;
    }
    whole = cmat_xasprintf("%s%s", path ? path : "", command);
    st = call(t, whole, body, NULL, err);
    free(whole);
    free(path);
    return st;
}

static cmat_status do_it(web_tab *t, web_op op, int node, const char *value, cmat_error *err)
{
    cmat_status st;
    if (op == WEB_BACK)
        return call(t, "/back", NULL, NULL, err);
    if (op == WEB_CLICK)
        return on_element(t, node, "/click", NULL, err);
    if (op == WEB_SELECT)
        return on_element(t, web_option_find(&t->page, node, value), "/click", NULL, err);
    st = on_element(t, node, "/clear", NULL, err);
    if (st == CMAT_OK && *value)
        st = on_element(t, node, "/value", json_pack("{s:s}", "text", value), err);
    return st;
}

static bool in_form(const web_page *p, int node)
{
    while (node != WEB_NO_NODE && !web_page_is(p, node, "form"))
        node = p->nodes[node].parent;
    return node != WEB_NO_NODE;
}

/* How long another page may be in coming, in milliseconds: a click returns when it was made, and a
 * form is sent, or a link followed, a little later. */
static int patience(const web_page *p, web_op op, int node)
{
    const char *href = op == WEB_CLICK ? web_page_attr(p, node, "href") : NULL;
    const char *role = op == WEB_CLICK ? web_role(p, node) : "", *type;
    if (op == WEB_SELECT)
        return 50;
    if (href)
        return *href == '#' || strncmp(href, "javascript:", 11) == 0 ? 50 : 3000;
    if (strcmp(role, "button") != 0)
        return 0;
    type = web_page_attr(p, node, "type");
    return in_form(p, node) &&
                   !(type && (strcasecmp(type, "button") == 0 || strcasecmp(type, "reset") == 0))
               ? 3000
               : 50;
}

/* Waits until the window shows another document than the one that was read last, at most so long.
 */
static cmat_status wait_for_page(web_tab *t, int ms, cmat_error *err)
{
    static const char script[] = "return !window.cmatSeen && document.readyState == 'complete';";
    cmat_status st = CMAT_OK;
    bool come = ms == 0;
    for (int waited = 0; st == CMAT_OK && !come && waited <= ms; waited += 10) {
        json_t *value = NULL;
        st = call(t, "/execute/sync", json_pack("{s:s, s:[]}", "script", script, "args"), &value,
                  err);
        come = json_is_true(value);
        json_decref(value);
        if (st == CMAT_ERR_STATE) /* the document went away under the script */
            st = CMAT_OK;
        if (!come)
            usleep(10000);
    }
    return st;
}

cmat_status web_tab_act(web_tab *t, web_op op, int node, const char *value, bool *ok,
                        cmat_buf *note, cmat_error *err)
{
    const char *unfit = op == WEB_BACK ? NULL : web_unfit(&t->page, op, node, value);
    cmat_error own = {0};
    *ok = !unfit;
    if (unfit) {
        cmat_buf_printf(note, "That cannot be done: %s.", unfit);
        return CMAT_OK;
    }
    pthread_mutex_lock(&t->chrome->lock);
    cmat_status st = choose_window(t->chrome, t->window, &own);
    if (st == CMAT_OK)
        st = do_it(t, op, node, value, &own);
    if (st == CMAT_OK)
        st = wait_for_page(t, patience(&t->page, op, node), &own);
    if (st == CMAT_ERR_STATE) {
        *ok = false;
        cmat_buf_puts(note, "That cannot be done: ");
        cmat_text_inert(note, own.msg, strlen(own.msg));
        cmat_buf_putc(note, '.');
        st = CMAT_OK;
    }
    if (st == CMAT_OK)
        st = read_page(t, &own);
    pthread_mutex_unlock(&t->chrome->lock);
    if (st != CMAT_OK && err)
        *err = own;
    return st;
}
