/* page.c - gumbo's tree to an array, and what is asked of it. */
#include "env/web/page.h"
#include "core/text.h"
#include <gumbo.h>
#include <stdlib.h>
#include <string.h>

/* The bytes of the white space at c, Unicode's too; 0: there is none. */
static int space_at(const char *c)
{
    uint32_t cp;
    if ((uint8_t)*c < 0x80)
        return *c == ' ' || *c == '\n' || *c == '\t';
    const int n = cmat_utf8_decode(c, strnlen(c, 4), &cp);
    return cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 ||
                   cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000
               ? n
               : 0;
}

/* Inert text with white space squeezed, at most max bytes of whole characters. */
static const char *squeeze(web_page *p, const char *s, size_t max)
{
    cmat_buf inert = {0}, out = {0}; /* again inert: entities may have spelt control characters */
    const size_t n = strlen(s);
    bool gap = false;
    if (n > 4 * max)
        p->cut = true;
    cmat_text_inert(&inert, s, n > 4 * max ? cmat_utf8_valid_prefix(s, 4 * max) : n);
    for (const char *c = cmat_buf_str(&inert); *c; c++) {
        const int space = space_at(c);
        if (space > 0) {
            gap = out.len > 0;
            c += space - 1;
            continue;
        }
        if (gap)
            cmat_buf_putc(&out, ' ');
        gap = false;
        cmat_buf_putc(&out, *c);
    }
    if (out.len > max) {
        p->cut = true;
        cmat_buf_truncate(&out, cmat_utf8_valid_prefix(out.data, max));
    }
    const char *kept = cmat_arena_strndup(&p->arena, cmat_buf_str(&out), out.len);
    cmat_buf_clear(&inert);
    cmat_buf_clear(&out);
    return kept;
}

static int add_node(web_page *p, int parent)
{
    p->nodes = cmat_xgrow(p->nodes, &p->cap, p->n + 1, sizeof *p->nodes);
    p->nodes[p->n] = (web_node){.parent = parent, .end = (int)p->n + 1};
    return (int)p->n++;
}

static void add_text(web_page *p, int parent, const char *text)
{
    const char *s = squeeze(p, text, WEB_TEXT_MAX);
    if (!*s)
        return;
    const int i = add_node(p, parent);
    p->nodes[i].text = s;
}

/* The name that a tag had before tidy.c. */
static const char *own_name(web_page *p, const GumboElement *e)
{
    GumboStringPiece s = e->original_tag;
    gumbo_tag_from_original_text(&s);
    if (s.length > 2 && s.data)
        return cmat_arena_strndup(&p->arena, s.data + 2, s.length - 2);
    return "div";
}

static void add_attrs(web_page *p, int node, const GumboElement *e)
{
    web_attr *attrs = cmat_arena_alloc(&p->arena, (e->attributes.length + 1) * sizeof *attrs);
    int n = 0;
    for (unsigned i = 0; i < e->attributes.length && i < 64; i++) {
        const GumboAttribute *a = e->attributes.data[i];
        const size_t len = strlen(a->name);
        if (len > 60 || strcmp(a->name, "style") == 0 || strncmp(a->name, "on", 2) == 0) {
            /* a style matters only where it hides the element */
            if (strcmp(a->name, "style") == 0 &&
                (strstr(a->value, "display:none") || strstr(a->value, "display: none") ||
                 strstr(a->value, "visibility:hidden")))
                attrs[n++] = (web_attr){"hidden", ""};
            continue;
        }
        char *name = cmat_arena_strdup(&p->arena, squeeze(p, a->name, 60));
        for (char *c = name; *c; c++)
            *c = *c == '-' ? '_' : *c;
        attrs[n++] = (web_attr){name, squeeze(p, a->value, WEB_ATTR_MAX)};
    }
    p->nodes[node].attrs = attrs;
    p->nodes[node].n_attrs = n;
}

static void add_children(web_page *p, int parent, const GumboVector *children);

static bool begins_with_text(const GumboVector *children)
{
    const GumboNode *first = children->length > 0 ? children->data[0] : NULL;
    return first && (first->type == GUMBO_NODE_WHITESPACE || first->type == GUMBO_NODE_TEXT);
}

/* Depth is bounded by tidy.c. */
static void add(web_page *p, int parent, const GumboNode *g)
{
    if (g->type == GUMBO_NODE_TEXT || g->type == GUMBO_NODE_WHITESPACE ||
        g->type == GUMBO_NODE_CDATA) {
        add_text(p, parent, g->v.text.text);
        return;
    }
    if (g->type != GUMBO_NODE_ELEMENT)
        return;
    const char *tag = own_name(p, &g->v.element);
    if (strcmp(tag, "text") == 0) { /* Mind2Web's texts */
        add_children(p, parent, &g->v.element.children);
        return;
    }
    const int i = add_node(p, parent);
    p->nodes[i].tag = tag;
    p->nodes[i].open = begins_with_text(&g->v.element.children);
    add_attrs(p, i, &g->v.element);
    add_children(p, i, &g->v.element.children);
    p->nodes[i].end = (int)p->n;
}

static void add_children(web_page *p, int parent, const GumboVector *children)
{
    for (unsigned i = 0; i < children->length; i++)
        add(p, parent, children->data[i]);
}

/* Of <html><body> as gumbo makes them: the body. */
static const GumboNode *body_of(const GumboNode *root)
{
    const GumboVector *v = &root->v.element.children;
    for (unsigned i = 0; i < v->length; i++) {
        const GumboNode *c = v->data[i];
        if (c->type == GUMBO_NODE_ELEMENT && c->v.element.tag == GUMBO_TAG_BODY)
            return c;
    }
    return root;
}

static bool only_child_is_html(const GumboVector *v)
{
    const GumboNode *only = NULL;
    for (unsigned i = 0; i < v->length; i++) {
        const GumboNode *c = v->data[i];
        if (c->type == GUMBO_NODE_WHITESPACE)
            continue;
        if (only || c->type != GUMBO_NODE_ELEMENT)
            return false;
        only = c;
    }
    return only && only->v.element.original_tag.length >= 7 &&
           strncmp(only->v.element.original_tag.data, "<c-html", 7) == 0;
}

cmat_status web_page_parse(web_page *out, const char *html, size_t len, cmat_error *err)
{
    cmat_buf tidy = {0}, inert = {0};
    *out = (web_page){0};
    if (len > WEB_HTML_MAX)
        return cmat_fail(err, CMAT_ERR_LIMIT, "page: longer than %d MiB", WEB_HTML_MAX >> 20);
    char *plain = cmat_xstrndup(html, len);
    for (size_t i = 0; i < len; i++)
        plain[i] = plain[i] == '\r' || plain[i] == '\f' ? ' ' : plain[i];
    cmat_text_inert(&inert, plain, len);
    free(plain);
    out->xml = web_is_snapshot(cmat_buf_str(&inert), inert.len);
    out->cut = !web_tidy(cmat_buf_str(&inert), inert.len, out->xml, &tidy);
    GumboOptions o = kGumboDefaultOptions;
    o.max_errors = 0;
    GumboOutput *g = gumbo_parse_with_options(&o, cmat_buf_str(&tidy), tidy.len);
    const GumboVector *top = &body_of(g->root)->v.element.children;
    if (only_child_is_html(top)) {
        add_children(out, WEB_NO_NODE, top);
    } else {
        const int root = add_node(out, WEB_NO_NODE);
        out->nodes[root].tag = "html";
        add_children(out, root, top);
        out->nodes[root].end = (int)out->n;
    }
    gumbo_destroy_output(&o, g);
    cmat_buf_clear(&inert);
    cmat_buf_clear(&tidy);
    return CMAT_OK;
}

void web_page_clear(web_page *p)
{
    free(p->nodes);
    cmat_arena_clear(&p->arena);
    *p = (web_page){0};
}

const char *web_page_attr(const web_page *p, int node, const char *name)
{
    const web_node *n = &p->nodes[node];
    for (int i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].value && strcmp(n->attrs[i].name, name) == 0)
            return n->attrs[i].value;
    return NULL;
}

void web_page_set(web_page *p, int node, const char *name, const char *value)
{
    web_node *n = &p->nodes[node];
    const char *kept = value ? cmat_arena_strdup(&p->arena, value) : NULL;
    for (int i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0) {
            n->attrs[i].value = kept;
            return;
        }
    if (!value)
        return;
    web_attr *more = cmat_arena_alloc(&p->arena, ((size_t)n->n_attrs + 1) * sizeof *more);
    if (n->n_attrs > 0)
        memcpy(more, n->attrs, (size_t)n->n_attrs * sizeof *more);
    more[n->n_attrs] = (web_attr){cmat_arena_strdup(&p->arena, name), kept};
    n->attrs = more;
    n->n_attrs++;
}

bool web_page_is(const web_page *p, int node, const char *tag)
{
    return p->nodes[node].tag && strcmp(p->nodes[node].tag, tag) == 0;
}

int web_page_find(const web_page *p, const char *attr, const char *value)
{
    for (int i = 0; i < (int)p->n; i++) {
        const char *v = web_page_attr(p, i, attr);
        if (v && strcmp(v, value) == 0)
            return i;
    }
    return WEB_NO_NODE;
}

void web_page_text(const web_page *p, int node, size_t max, cmat_buf *out)
{
    const size_t from = out->len;
    for (int i = node; i < p->nodes[node].end && out->len - from <= max; i++) {
        if (!p->nodes[i].text)
            continue;
        if (out->len > from)
            cmat_buf_putc(out, ' ');
        cmat_buf_puts(out, p->nodes[i].text);
    }
    if (out->len - from > max)
        cmat_buf_truncate(out, from + cmat_utf8_valid_prefix(out->data + from, max));
}

static void put_escaped(cmat_buf *out, const char *s)
{
    cmat_text_html(out, s, strlen(s));
}

void web_page_html(const web_page *p, const bool *keep, cmat_buf *out)
{
    int stack[WEB_DEPTH_MAX + 2], depth = 0;
    for (int i = 0; i <= (int)p->n; i++) {
        while (depth > 0 && (i == (int)p->n || p->nodes[stack[depth - 1]].end <= i)) {
            const char *tag = p->nodes[stack[--depth]].tag;
            if (p->xml || !web_tag_is_void(tag, strlen(tag)))
                cmat_buf_printf(out, "</%s>", tag);
        }
        if (i == (int)p->n || (keep && !keep[i]))
            continue;
        const web_node *n = &p->nodes[i];
        if (n->text) { /* in an element of its own, so that two texts stay two */
            const bool raw = !p->xml && (web_page_is(p, n->parent, "title") ||
                                         web_page_is(p, n->parent, "textarea"));
            cmat_buf_puts(out, raw ? "" : "<text>");
            put_escaped(out, n->text);
            cmat_buf_puts(out, raw ? "" : "</text>");
            continue;
        }
        cmat_buf_printf(out, "<%s", n->tag);
        for (int a = 0; a < n->n_attrs; a++) {
            if (!n->attrs[a].value)
                continue;
            cmat_buf_printf(out, " %s=\"", n->attrs[a].name);
            put_escaped(out, n->attrs[a].value);
            cmat_buf_putc(out, '"');
        }
        cmat_buf_puts(out, p->xml && n->open ? "> " : ">");
        stack[depth++] = i;
    }
}
