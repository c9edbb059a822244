/* tab.c - an episode's window: what its page shows comes back as HTML with its live state written
 * into it, so that the rest of the environment sees the same kind of page as without a browser. */
#include "core/json.h"
#include "core/text.h"
#include "env/web/browse.h"
#include "env/web/chrome_impl.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Numbers the elements (data-cmat), takes links out of new windows, and returns the page as HTML
 * with what fields hold now and what is hidden in it. With an argument that is true, only when the
 * document is another than the one that was read last, and all there. */
static const char read_script[] =
    "if (arguments[0] && (window.cmatSeen || document.readyState != 'complete')) return null;"
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

/* ---- pages; the chrome's lock is held ---- */

static cmat_status call(web_tab *t, const char *path, json_t *body, json_t **value, cmat_error *err)
{
    return web_driver_call(t->chrome->driver, "POST", path, body, value, err);
}

static cmat_status take_page(web_tab *t, const json_t *value, cmat_error *err)
{
    const json_t *html = json_array_get(value, 1);
    const char *url = json_string_value(json_array_get(value, 0));
    if (!url || !json_is_string(html))
        return cmat_fail(err, CMAT_ERR_IO, "web: the browser gave no page");
    web_page_clear(&t->page);
    free(t->url);
    t->url = cmat_xstrdup(url);
    cmat_status st =
        web_page_parse(&t->page, json_string_value(html), json_string_length(html), err);
    const int hidden =
        st == CMAT_OK && t->hidden_id ? web_page_find(&t->page, "id", t->hidden_id) : WEB_NO_NODE;
    if (hidden != WEB_NO_NODE)
        web_page_set(&t->page, hidden, "hidden", "");
    return st;
}

/* Reads the page when the window shows another document than the one that was read last, or after
 * so many milliseconds. */
static cmat_status read_page(web_tab *t, int ms, cmat_error *err)
{
    enum { PAUSE = 10 };
    for (int waited = 0;; waited += PAUSE) {
        const bool last = waited >= ms;
        json_t *value = NULL;
        cmat_status st =
            call(t, "/execute/sync",
                 json_pack("{s:s, s:[b]}", "script", read_script, "args", !last), &value, err);
        if (st == CMAT_OK && (last || json_is_array(value))) {
            st = take_page(t, value, err);
            json_decref(value);
            return st;
        }
        json_decref(value);
        if (st != CMAT_OK &&
            (st != CMAT_ERR_STATE || last)) /* else the document went away under it */
            return st;
        usleep(1000 * PAUSE);
    }
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

/* A window for the tab: a made site's may be one that an earlier site has had. */
static cmat_status take_window(web_tab *t, bool site, cmat_error *err)
{
    web_chrome *c = t->chrome;
    json_t *value = NULL;
    while (site && c->n_idle > 0) {
        t->window = c->idle[--c->n_idle];
        if (web_chrome_choose(c, t->window, NULL) == CMAT_OK)
            return CMAT_OK;
        free(t->window);
        t->window = NULL;
    }
    /* a command needs a window that is open, and the last one may have been closed */
    cmat_status st = web_chrome_choose(c, c->window, err);
    if (st == CMAT_OK)
        st = call(t, "/window/new", json_pack("{s:s}", "type", "tab"), &value, err);
    const char *window = cmat_json_str(value, "handle", NULL);
    if (st == CMAT_OK && !window)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "web: the browser gave no window");
    if (window)
        t->window = cmat_xstrdup(window);
    json_decref(value);
    return st == CMAT_OK ? web_chrome_choose(c, t->window, err) : st;
}

static cmat_status go(web_tab *t, const web_tab_options *o, const char *url, cmat_error *err)
{
    const int ms = (int)(1000 * (o->timeout > 0 ? o->timeout : 20));
    cmat_status st = take_window(t, o->site != NULL, err);
    if (st == CMAT_OK)
        st = call(t, "/timeouts", json_pack("{s:i, s:i}", "pageLoad", ms, "script", ms), NULL, err);
    if (st == CMAT_OK && !o->site)
        st = forget(t, url, err);
    if (st == CMAT_OK &&
        (st = call(t, "/url", json_pack("{s:s}", "url", url), NULL, err)) != CMAT_OK)
        st = cmat_fail_prefix(err, CMAT_ERR_IO, "web: %s", url);
    if (st == CMAT_OK && o->site) /* the way back to an earlier site */
        st = call(t, "/goog/cdp/execute",
                  json_pack("{s:s, s:{}}", "cmd", "Page.resetNavigationHistory", "params"), NULL,
                  err);
    return st == CMAT_OK ? read_page(t, 0, err) : st;
}

/* In the browser that runs, or a new one. */
static cmat_status open_page(web_tab *t, const web_tab_options *o, cmat_error *err)
{
    web_chrome *c = t->chrome;
    char own[80];
    const char *url = o->url;
    cmat_status st = web_chrome_start(c, err);
    if (st != CMAT_OK)
        return st;
    t->generation = c->generation;
    if (o->site) {
        if (!*t->token)
            web_server_add(c->server, o->site, t->token);
        snprintf(own, sizeof own, "http://%s.localhost:%d/", t->token, web_server_port(c->server));
        url = own;
    }
    return go(t, o, url, err);
}

cmat_status web_tab_open(web_tab **out, web_chrome *c, const web_tab_options *o, cmat_error *err)
{
    web_tab *t = cmat_xcalloc(1, sizeof *t);
    *out = NULL;
    t->chrome = web_chrome_ref(c);
    t->hidden_id = cmat_xstrdup(o->hidden_id);
    pthread_mutex_lock(&c->lock);
    t->next = c->tabs;
    c->tabs = t;
    cmat_status st = open_page(t, o, err);
    if (st != CMAT_OK && c->driver && web_chrome_has_ended(c)) {
        free(t->window);
        t->window = NULL;
        st = open_page(t, o, err);
    }
    pthread_mutex_unlock(&c->lock);
    if (st == CMAT_OK)
        *out = t;
    else
        web_tab_close(t);
    return st;
}

/* Nothing of a made site can act after its end: its window may serve the next one. */
static void give_window(web_tab *t)
{
    web_chrome *c = t->chrome;
    if (*t->token && t->window && t->generation == c->generation && c->n_idle < WEB_IDLE_MAX) {
        c->idle[c->n_idle++] = t->window;
        t->window = NULL;
    }
    web_chrome_close_windows(c);
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
        give_window(t);
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
    const char *now = web_page_attr(&t->page, node, "value");
    st = now && !*now ? CMAT_OK : on_element(t, node, "/clear", NULL, err);
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
    cmat_status st = t->chrome->driver && t->generation == t->chrome->generation
                         ? web_chrome_choose(t->chrome, t->window, &own)
                         : CMAT_ERR_IO;
    if (st == CMAT_OK)
        st = do_it(t, op, node, value, &own);
    if (st == CMAT_OK)
        st = read_page(t, patience(&t->page, op, node), &own);
    if (st == CMAT_ERR_STATE) {
        *ok = false;
        cmat_buf_puts(note, "That cannot be done: ");
        cmat_text_inert(note, own.msg, strlen(own.msg));
        cmat_buf_putc(note, '.');
        st = read_page(t, 0, &own);
    }
    if (st != CMAT_OK &&
        (t->generation != t->chrome->generation || web_chrome_has_ended(t->chrome)))
        st =
            cmat_fail(&own, CMAT_ERR_IO, "web: the browser ended, and this episode's page with it");
    pthread_mutex_unlock(&t->chrome->lock);
    if (st != CMAT_OK && err)
        *err = own;
    return st;
}
