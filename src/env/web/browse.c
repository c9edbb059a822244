/* browse.c - see browse.h. */
#include "env/web/browse.h"
#include "core/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- pages ---- */

static void note_edits(web_browser *b);

static void show(web_browser *b, const char *url, const char *form)
{
    web_response r = {0};
    char *at = cmat_xstrdup(url);
    web_site_respond(b->site, &b->state, at, form, &r);
    for (int i = 0; r.status == 303 && i < 5; i++) {
        free(at);
        at = cmat_xstrdup(r.location);
        web_site_respond(b->site, &b->state, at, NULL, &r);
    }
    web_page_clear(&b->page);
    web_page_parse(&b->page, cmat_buf_str(&r.body), r.body.len, NULL);
    cmat_buf_clear(&r.body);
    free(b->url);
    b->url = at;
    note_edits(b);
}

static void remember(web_browser *b)
{
    if (b->n_history == WEB_HISTORY) {
        free(b->history[0]);
        memmove(b->history, b->history + 1, (WEB_HISTORY - 1) * sizeof *b->history);
        b->n_history--;
    }
    b->history[b->n_history++] = cmat_xstrdup(b->url);
}

void web_browser_start(web_browser *b, const json_t *site, const char *url)
{
    web_browser_clear(b);
    b->site = site;
    show(b, url ? url : "/", NULL);
}

void web_browser_clear(web_browser *b)
{
    web_page_clear(&b->page);
    free(b->url);
    while (b->n_history > 0)
        free(b->history[--b->n_history]);
    cmat_buf_clear(&b->edits);
    *b = (web_browser){0};
}

/* ---- fields ---- */

static bool same_attr(const web_page *p, int a, int b, const char *name)
{
    const char *x = web_page_attr(p, a, name), *y = web_page_attr(p, b, name);
    return x && y && strcmp(x, y) == 0;
}

static int form_of(const web_page *p, int node)
{
    for (; node != WEB_NO_NODE; node = p->nodes[node].parent)
        if (web_page_is(p, node, "form"))
            return node;
    return WEB_NO_NODE;
}

static bool is_type(const web_page *p, int node, const char *type)
{
    const char *t = web_page_attr(p, node, "type");
    return t && strcasecmp(t, type) == 0;
}

static void check(web_page *p, int node)
{
    if (is_type(p, node, "checkbox")) {
        web_page_set(p, node, "checked", web_page_attr(p, node, "checked") ? NULL : "");
        return;
    }
    for (int i = 0; i < (int)p->n; i++) /* the others of its group */
        if (is_type(p, i, "radio") && same_attr(p, i, node, "name") &&
            form_of(p, i) == form_of(p, node))
            web_page_set(p, i, "checked", NULL);
    web_page_set(p, node, "checked", "");
}

static void choose(web_page *p, int select, int option)
{
    for (int i = select + 1; i < p->nodes[select].end; i++)
        if (web_page_is(p, i, "option"))
            web_page_set(p, i, "selected", i == option ? "" : NULL);
}

/* What all fields hold, so that equal states are equal bytes however they came about. */
static void note_edits(web_browser *b)
{
    const web_page *p = &b->page;
    cmat_buf_truncate(&b->edits, 0);
    for (int i = 0; i < (int)p->n; i++) {
        if (web_page_is(p, i, "select"))
            cmat_buf_printf(&b->edits, "%d\t%d\n", i, web_option_now(p, i));
        else if (is_type(p, i, "checkbox") || is_type(p, i, "radio"))
            cmat_buf_printf(&b->edits, "%d\t%d\n", i, web_page_attr(p, i, "checked") != NULL);
        else if (web_takes_text(p, i) && web_page_attr(p, i, "value"))
            cmat_buf_printf(&b->edits, "%d\t%s\n", i, web_page_attr(p, i, "value"));
    }
}

static void put_edits(web_browser *b, const char *edits)
{
    web_page *p = &b->page;
    while (*edits) {
        char *end;
        const long i = strtol(edits, &end, 10);
        const size_t len = strcspn(end, "\n");
        if (*end != '\t' || i < 0 || i >= (long)p->n)
            return;
        char *value = cmat_xstrndup(end + 1, len - 1);
        if (web_page_is(p, (int)i, "select"))
            choose(p, (int)i, atoi(value));
        else if (is_type(p, (int)i, "checkbox") || is_type(p, (int)i, "radio"))
            web_page_set(p, (int)i, "checked", *value == '1' ? "" : NULL);
        else
            web_page_set(p, (int)i, "value", value);
        free(value);
        edits = end + len + (end[len] == '\n');
    }
    note_edits(b);
}

/* ---- forms ---- */

static void add_pair(cmat_buf *out, const char *name, const char *value)
{
    cmat_buf_puts(out, out->len ? "&" : "");
    web_urlencode(name, out);
    cmat_buf_putc(out, '=');
    web_urlencode(value ? value : "", out);
}

/* The form's data set, with the button that sent it (HTML, "constructing the entry list"). */
static void collect(const web_page *p, int form, int button, cmat_buf *out)
{
    for (int i = form + 1; i < p->nodes[form].end; i++) {
        const char *name = web_page_attr(p, i, "name"), *value = web_page_attr(p, i, "value");
        if (!name || !*name || web_page_attr(p, i, "disabled"))
            continue;
        if (web_page_is(p, i, "select")) {
            const int option = web_option_now(p, i);
            cmat_buf label = {0};
            const char *v = option == WEB_NO_NODE ? NULL : web_page_attr(p, option, "value");
            if (option != WEB_NO_NODE && !v)
                web_page_text(p, option, WEB_VALUE_MAX, &label);
            if (option != WEB_NO_NODE)
                add_pair(out, name, v ? v : cmat_buf_str(&label));
            cmat_buf_clear(&label);
        } else if (is_type(p, i, "checkbox") || is_type(p, i, "radio")) {
            if (web_page_attr(p, i, "checked"))
                add_pair(out, name, value ? value : "on");
        } else if (i == button || web_takes_text(p, i) || is_type(p, i, "hidden")) {
            add_pair(out, name, value);
        }
    }
}

static void submit(web_browser *b, int button)
{
    const int form = form_of(&b->page, button);
    const char *action = web_page_attr(&b->page, form, "action");
    const char *method = web_page_attr(&b->page, form, "method");
    cmat_buf data = {0}, target = {0};
    collect(&b->page, form, button, &data);
    cmat_buf_puts(&target, action && *action == '/' ? action : b->url);
    const bool post = method && strcasecmp(method, "post") == 0;
    if (!post)
        cmat_buf_printf(&target, "?%s", cmat_buf_str(&data));
    remember(b);
    show(b, cmat_buf_str(&target), post ? cmat_buf_str(&data) : NULL);
    cmat_buf_clear(&data);
    cmat_buf_clear(&target);
}

/* ---- actions ---- */

const char *web_unfit(const web_page *p, web_op op, int node, const char *value)
{
    if (!web_is_visible(p, node))
        return "it is not visible";
    if (!web_is_enabled(p, node))
        return "it is disabled";
    if (op == WEB_TYPE && !web_takes_text(p, node))
        return "text cannot be typed into it";
    if (op == WEB_SELECT && !web_page_is(p, node, "select"))
        return "it is no list to select from";
    if (op == WEB_SELECT && web_option_find(p, node, value) == WEB_NO_NODE)
        return "it has no such option";
    return NULL;
}

static bool click(web_browser *b, int node, cmat_buf *note)
{
    web_page *p = &b->page;
    const char *href = web_page_is(p, node, "a") ? web_page_attr(p, node, "href") : NULL;
    if (href) {
        if (*href != '/' || href[1] == '/') {
            cmat_buf_puts(note, "That link leads out of the site; it was not followed.");
            return false;
        }
        char *target = cmat_xstrdup(href);
        remember(b);
        show(b, target, NULL);
        free(target);
        return true;
    }
    const bool button = web_page_is(p, node, "button") || is_type(p, node, "submit");
    if (button && !is_type(p, node, "button") && form_of(p, node) != WEB_NO_NODE) {
        submit(b, node);
    } else if (is_type(p, node, "checkbox") || is_type(p, node, "radio")) {
        check(p, node);
        note_edits(b);
    }
    return true;
}

bool web_browser_act(web_browser *b, web_op op, int node, const char *value, cmat_buf *note)
{
    if (op == WEB_BACK) {
        if (b->n_history == 0) {
            cmat_buf_puts(note, "There is no page before this one.");
            return false;
        }
        char *url = b->history[--b->n_history];
        show(b, url, NULL);
        free(url);
        return true;
    }
    const char *unfit = web_unfit(&b->page, op, node, value);
    if (unfit) {
        cmat_buf_printf(note, "That cannot be done: %s.", unfit);
        return false;
    }
    if (op == WEB_CLICK)
        return click(b, node, note);
    if (op == WEB_SELECT)
        choose(&b->page, node, web_option_find(&b->page, node, value));
    else
        web_page_set(&b->page, node, "value", *value ? value : NULL);
    note_edits(b);
    return true;
}

/* ---- state ---- */

void web_browser_save(const web_browser *b, cmat_buf *out)
{
    cmat_buf_printf(out, "%d%d%d\n%s\n%d\n", b->state.in, b->state.done, b->state.won, b->url,
                    b->n_history);
    for (int i = 0; i < b->n_history; i++)
        cmat_buf_printf(out, "%s\n", b->history[i]);
    cmat_buf_puts(out, cmat_buf_str(&b->edits));
}

/* One line, the caller's to free(); NULL: there is none. */
static char *take_line(const char **p)
{
    const size_t len = strcspn(*p, "\n");
    if (!(*p)[len])
        return NULL;
    char *line = cmat_xstrndup(*p, len);
    *p += len + 1;
    return line;
}

bool web_browser_load(web_browser *b, const char *state, size_t len)
{
    char *text = cmat_xstrndup(state, len), *lines[WEB_HISTORY] = {NULL};
    const char *p = text;
    char *flags = take_line(&p), *url = take_line(&p), *count = take_line(&p);
    const int n = count ? atoi(count) : -1;
    bool ok = flags && strlen(flags) == 3 && url && *url == '/' && n >= 0 && n <= WEB_HISTORY;
    for (int i = 0; ok && i < n; i++)
        ok = (lines[i] = take_line(&p)) != NULL;
    if (ok) {
        const web_site_state saved = {flags[0] == '1', flags[1] == '1', flags[2] == '1'};
        const json_t *site = b->site;
        web_browser_clear(b);
        b->site = site;
        b->state = saved; /* it decides what the page says */
        show(b, url, NULL);
        b->state = saved;
        put_edits(b, p);
        for (int i = 0; i < n; i++)
            b->history[b->n_history++] = lines[i];
    } else {
        for (int i = 0; i < WEB_HISTORY; i++)
            free(lines[i]);
    }
    free(flags);
    free(url);
    free(count);
    free(text);
    return ok;
}
