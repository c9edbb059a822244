/* element.c - roles, names, states, and the page as text. */
#include "env/web/element.h"
#include "core/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const op_names[] = {"", "CLICK", "TYPE", "SELECT", "MORE", "BACK"};

const char *web_op_name(web_op op)
{
    return op_names[op];
}

web_op web_op_find(const char *name, size_t len)
{
    for (int i = WEB_CLICK; i <= WEB_BACK; i++)
        if (strlen(op_names[i]) == len && strncasecmp(op_names[i], name, len) == 0)
            return (web_op)i;
    return WEB_NO_OP;
}

static bool in_list(const char *word, const char *list)
{
    const size_t n = strlen(word);
    for (const char *w = list; *w;) {
        const size_t len = strcspn(w, " ");
        if (len == n && strncasecmp(w, word, n) == 0)
            return true;
        w += len + (w[len] == ' ');
    }
    return false;
}

static const char *input_role(const char *type)
{
    static const struct {
        const char *types, *role;
    } roles[] = {{"button submit reset image", "button"},
                 {"checkbox", "checkbox"},
                 {"radio", "radio"},
                 {"search", "searchbox"},
                 {"number", "spinbutton"},
                 {"range", "slider"},
                 {"password", "password box"},
                 {"file", "file box"},
                 {"date", "date box"},
                 {"time", "time box"}};
    for (size_t i = 0; type && i < sizeof roles / sizeof *roles; i++)
        if (in_list(type, roles[i].types))
            return roles[i].role;
    return "textbox";
}

const char *web_role(const web_page *p, int node)
{
    static const struct {
        const char *tag, *role;
    } roles[] = {{"a", "link"},           {"button", "button"},  {"select", "combobox"},
                 {"textarea", "textbox"}, {"summary", "button"}, {"img", "image"},
                 {"option", "option"},    {"label", "label"},    {"td", "cell"},
                 {"th", "column header"}};
    const char *said = web_page_attr(p, node, "role"), *tag = p->nodes[node].tag;
    if (!tag)
        return "text";
    if (said && *said && strlen(said) <= 20 && !in_list(said, "presentation none generic"))
        return said;
    if (strcmp(tag, "input") == 0)
        return input_role(web_page_attr(p, node, "type"));
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(tag, roles[i].tag) == 0)
            return roles[i].role;
    return tag;
}

bool web_takes_text(const web_page *p, int node)
{
    const char *editable = web_page_attr(p, node, "contenteditable");
    if (web_page_is(p, node, "input"))
        return !in_list(input_role(web_page_attr(p, node, "type")), "button checkbox radio") &&
               !(web_page_attr(p, node, "type") &&
                 in_list(web_page_attr(p, node, "type"), "hidden file range"));
    return web_page_is(p, node, "textarea") || (editable && strcmp(editable, "false") != 0) ||
           in_list(web_role(p, node), "textbox searchbox spinbutton");
}

bool web_is_actor(const web_page *p, int node)
{
    const char *tag = p->nodes[node].tag, *type = web_page_attr(p, node, "type");
    if (!tag)
        return false;
    if (strcmp(tag, "input") == 0)
        return !type || strcasecmp(type, "hidden") != 0;
    if (strcmp(tag, "a") == 0)
        return web_page_attr(p, node, "href") != NULL || web_page_attr(p, node, "role") != NULL;
    return in_list(tag, "button select textarea summary") ||
           in_list(web_role(p, node),
                   "button link tab menuitem checkbox radio switch textbox "
                   "searchbox combobox option menuitemcheckbox menuitemradio");
}

static bool hides(const web_page *p, int node)
{
    const char *aria = web_page_attr(p, node, "aria_hidden");
    const char *box = web_page_attr(p, node, "bounding_box_rect"); /* Mind2Web: x,y,width,height */
    const char *tag = p->nodes[node].tag;
    double w = 1, h = 1;
    if (web_page_attr(p, node, "hidden") || (aria && strcmp(aria, "true") == 0))
        return true;
    if (tag && in_list(tag, "head datalist"))
        return true;
    return box && sscanf(box, "%*f,%*f,%lf,%lf", &w, &h) == 2 && (w <= 0 || h <= 0) &&
           p->nodes[node].end == node + 1;
}

bool web_is_visible(const web_page *p, int node)
{
    const char *type = web_page_attr(p, node, "type");
    if (web_page_is(p, node, "input") && type && strcasecmp(type, "hidden") == 0)
        return false;
    for (; node != WEB_NO_NODE; node = p->nodes[node].parent)
        if (hides(p, node))
            return false;
    return true;
}

bool web_is_enabled(const web_page *p, int node)
{
    const char *aria = web_page_attr(p, node, "aria_disabled");
    return !web_page_attr(p, node, "disabled") && !(aria && strcmp(aria, "true") == 0);
}

/* ---- names ---- */

/* The element that a <label> is for; WEB_NO_NODE: none. */
static int label_target(const web_page *p, int label)
{
    const char *id = web_page_attr(p, label, "for");
    if (id)
        return web_page_find(p, "id", id);
    for (int i = label + 1; i < p->nodes[label].end; i++)
        if (p->nodes[i].tag && in_list(p->nodes[i].tag, "input select textarea"))
            return i;
    return WEB_NO_NODE;
}

static int label_of(const web_page *p, int node)
{
    const char *id = web_page_attr(p, node, "id");
    for (int i = p->nodes[node].parent; i != WEB_NO_NODE; i = p->nodes[i].parent)
        if (web_page_is(p, i, "label"))
            return i;
    for (int i = 0; id && i < (int)p->n; i++) {
        const char *target = web_page_is(p, i, "label") ? web_page_attr(p, i, "for") : NULL;
        if (target && strcmp(target, id) == 0)
            return i;
    }
    return WEB_NO_NODE;
}

/* A label's words, without those of the field in it. */
static void label_text(const web_page *p, int label, cmat_buf *out)
{
    const size_t from = out->len;
    for (int i = label + 1; i < p->nodes[label].end; i++) {
        if (p->nodes[i].tag && in_list(p->nodes[i].tag, "select textarea button")) {
            i = p->nodes[i].end - 1;
            continue;
        }
        if (p->nodes[i].text)
            cmat_buf_printf(out, "%s%s", out->len > from ? " " : "", p->nodes[i].text);
    }
}

static bool is_field(const web_page *p, int node)
{
    return p->nodes[node].tag && in_list(p->nodes[node].tag, "input select textarea");
}

void web_name(const web_page *p, int node, cmat_buf *out)
{
    static const char *const first[] = {"aria_label", "aria_description"};
    static const char *const last[] = {"alt",        "title", "placeholder",
                                       "text_value", "label", "name"};
    const size_t from = out->len;
    const char *v = NULL;
    for (size_t i = 0; i < 2 && !v; i++)
        if ((v = web_page_attr(p, node, first[i])) && !*v)
            v = NULL;
    if (!v && web_page_is(p, node, "input") && strcmp(web_role(p, node), "button") == 0)
        v = web_page_attr(p, node, "value");
    if (v)
        cmat_buf_puts(out, v);
    else if (is_field(p, node) && label_of(p, node) != WEB_NO_NODE)
        label_text(p, label_of(p, node), out);
    else if (!is_field(p, node))
        web_page_text(p, node, WEB_NAME_MAX, out);
    for (size_t i = 0; i < sizeof last / sizeof *last && out->len == from; i++)
        if ((v = web_page_attr(p, node, last[i])))
            cmat_buf_puts(out, v);
    /* a picture in it, then whatever else tells something */
    for (int i = node + 1; i < p->nodes[node].end && out->len == from; i++)
        if ((v = web_page_attr(p, i, "alt")) || (v = web_page_attr(p, i, "title")) ||
            (v = web_page_attr(p, i, "aria_label")))
            cmat_buf_puts(out, v);
    if (out->len == from && (v = web_page_attr(p, node, "id")))
        cmat_buf_puts(out, v);
    if (out->len == from && (v = web_page_attr(p, node, "class")))
        cmat_buf_puts(out, v);
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '"')
            out->data[i] = '\'';
    if (out->len - from > WEB_NAME_MAX) {
        cmat_buf_truncate(out, from + cmat_utf8_valid_prefix(out->data + from, WEB_NAME_MAX - 3));
        cmat_buf_puts(out, "...");
    }
}

/* ---- options ---- */

size_t web_options(const web_page *p, int node, int *out, size_t cap)
{
    size_t n = 0;
    for (int i = node + 1; i < p->nodes[node].end; i++)
        if (web_page_is(p, i, "option")) {
            if (n < cap)
                out[n] = i;
            n++;
        }
    return n;
}

void web_option_label(const web_page *p, int option, cmat_buf *out)
{
    const size_t from = out->len;
    const char *v;
    web_page_text(p, option, WEB_NAME_MAX, out);
    if (out->len == from &&
        ((v = web_page_attr(p, option, "label")) || (v = web_page_attr(p, option, "value"))))
        cmat_buf_puts(out, v);
}

int web_option_find(const web_page *p, int node, const char *label)
{
    cmat_buf own = {0};
    int found = WEB_NO_NODE;
    for (int pass = 0; pass < 2 && found == WEB_NO_NODE; pass++)
        for (int i = node + 1; i < p->nodes[node].end && found == WEB_NO_NODE; i++) {
            const char *value = web_page_attr(p, i, "value");
            if (!web_page_is(p, i, "option"))
                continue;
            cmat_buf_truncate(&own, 0);
            web_option_label(p, i, &own);
            if (pass == 0 ? strcasecmp(cmat_buf_str(&own), label) == 0
                          : value && strcasecmp(value, label) == 0)
                found = i;
        }
    cmat_buf_clear(&own);
    return found;
}

int web_option_now(const web_page *p, int node)
{
    int first = WEB_NO_NODE;
    for (int i = node + 1; i < p->nodes[node].end; i++) {
        if (!web_page_is(p, i, "option"))
            continue;
        if (web_page_attr(p, i, "selected") || web_page_attr(p, i, "option_selected"))
            return i;
        if (first == WEB_NO_NODE)
            first = i;
    }
    return first;
}

/* ---- descriptions ---- */

static void put_options(const web_page *p, int node, cmat_buf *out)
{
    int options[WEB_OPTIONS_SHOWN];
    const size_t n = web_options(p, node, options, WEB_OPTIONS_SHOWN);
    const int now = web_option_now(p, node);
    for (size_t i = 0; i < n && i < WEB_OPTIONS_SHOWN; i++) {
        cmat_buf_puts(out, i ? " | " : ": ");
        web_option_label(p, options[i], out);
    }
    if (n > WEB_OPTIONS_SHOWN)
        cmat_buf_printf(out, " | and %zu more", n - WEB_OPTIONS_SHOWN);
    if (now != WEB_NO_NODE && n > 0) {
        cmat_buf_puts(out, ", now \"");
        web_option_label(p, now, out);
        cmat_buf_putc(out, '"');
    }
}

void web_describe(const web_page *p, int node, cmat_buf *out)
{
    const char *role = web_role(p, node), *value = web_page_attr(p, node, "value");
    if (!value)
        value = web_page_attr(p, node, "input_value");
    cmat_buf_printf(out, "%s \"", role);
    web_name(p, node, out);
    cmat_buf_putc(out, '"');
    if (in_list(role, "checkbox radio switch"))
        cmat_buf_puts(out,
                      web_page_attr(p, node, "checked") || web_page_attr(p, node, "input_checked")
                          ? " on"
                          : " off");
    else if (web_page_is(p, node, "select"))
        put_options(p, node, out);
    else if (web_takes_text(p, node) && value && *value)
        cmat_buf_printf(out, ", now \"%.*s\"",
                        (int)cmat_utf8_valid_prefix(value, strnlen(value, WEB_NAME_MAX)), value);
    if (!web_is_enabled(p, node))
        cmat_buf_puts(out, " (disabled)");
}

/* ---- the page as text ---- */

typedef struct {
    const web_page *p;
    web_view *v;
    bool gap; /* something has to go between this and what was before */
} writing;

static bool is_block(const char *tag)
{
    return in_list(tag,
                   "address article aside blockquote body dd details dialog div dl dt fieldset "
                   "figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li "
                   "main nav ol option p pre section summary table tbody thead tfoot tr ul br "
                   "caption");
}

static void break_line(writing *w)
{
    cmat_buf *out = &w->v->text;
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        cmat_buf_putc(out, '\n');
    w->gap = false;
}

static void put_gap(writing *w, const char *gap)
{
    if (w->gap)
        cmat_buf_puts(&w->v->text, gap);
    w->gap = true;
}

static void put_element(writing *w, int node)
{
    web_view *v = w->v;
    put_gap(w, " ");
    v->elements = cmat_xgrow(v->elements, &v->cap, v->n + 1, sizeof *v->elements);
    v->elements[v->n++] = node;
    cmat_buf_printf(&v->text, "[%zu] ", v->n);
    web_describe(w->p, node, &v->text);
}

static bool label_is_told(const web_page *p, int node)
{
    if (!web_page_is(p, node, "label"))
        return false;
    const int target = label_target(p, node);
    return target != WEB_NO_NODE && web_is_actor(p, target) && web_is_visible(p, target);
}

/* Nodes in document order; blocks end a line before and after, cells are parted by bars. */
static void put_page(writing *w)
{
    const web_page *p = w->p;
    int ends[WEB_DEPTH_MAX + 2], depth = 0; /* of the blocks that are open */
    int silent = 0;                         /* texts up to here are a label's */
    int n_labels = 0;
    for (int i = 0; i < (int)p->n; i++) {
        const web_node *n = &p->nodes[i];
        while (depth > 0 && ends[depth - 1] <= i) {
            depth--;
            break_line(w);
        }
        if (n->text) {
            if (i < silent)
                continue;
            put_gap(w, " ");
            cmat_buf_puts(&w->v->text, n->text);
            continue;
        }
        if (hides(p, i)) {
            i = n->end - 1;
            continue;
        }
        if (is_block(n->tag)) {
            break_line(w);
            ends[depth++] = n->end;
        } else if (in_list(n->tag, "td th") && w->gap) {
            cmat_buf_puts(&w->v->text, " |");
        }
        if (w->v->n < WEB_ELEMENTS_MAX && web_is_actor(p, i) && web_is_visible(p, i)) {
            put_element(w, i);
            if (!web_page_is(p, i, "div"))
                i = n->end - 1;
        } else if (n_labels < WEB_ELEMENTS_MAX && label_is_told(p, i)) {
            n_labels++;
            silent = n->end > silent ? n->end : silent;
        }
    }
    break_line(w);
}

void web_view_clear(web_view *v)
{
    cmat_buf_clear(&v->text);
    free(v->elements);
    *v = (web_view){0};
}

void web_view_make(web_view *v, const web_page *p, size_t from, size_t budget)
{
    writing w = {.p = p, .v = v};
    cmat_buf_truncate(&v->text, 0);
    v->n = v->left_out = 0;
    put_page(&w);
    cmat_buf *t = &v->text;
    from = from < t->len ? from : t->len;
    if (from > 0) {
        memmove(t->data, t->data + from, t->len - from);
        cmat_buf_truncate(t, t->len - from);
    }
    if (t->len <= budget)
        return;
    size_t keep = cmat_utf8_valid_prefix(t->data, budget);
    for (size_t i = keep; i > keep / 2; i--)
        if (t->data[i - 1] == '\n') {
            keep = i;
            break;
        }
    v->left_out = t->len - keep;
    cmat_buf_truncate(t, keep);
}
