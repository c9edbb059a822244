/* tidy.c - any bytes to balanced tags.
 *
 * Why before gumbo: HTML5's tree construction would rearrange Mind2Web's pages, which are XML
 * (<button/> is empty there, a <tr> may stand anywhere, a <title> has elements in it); and gumbo
 * has no cap on depth or size, so that a hostile page could exhaust stack or memory. Tags are found
 * by HTML5's tokenizer rules (quotes count only after '='), so that gumbo sees the same tags. */
#include "core/text.h"
#include "env/web/page.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

typedef struct {
    const char *name;
    size_t len;
} open_tag;

typedef struct {
    const char *p, *end;
    cmat_buf *out;
    size_t from; /* of *out, where this page begins */
    size_t n_tags;
    open_tag open[WEB_DEPTH_MAX];
    int depth, deeper; /* deeper: open elements that were left out */
    bool xml, cut;
} tidy;

static bool one_of(const char *name, size_t len, const char *list)
{
    for (const char *w = list; *w;) {
        const size_t n = strcspn(w, " ");
        if (n == len && strncasecmp(w, name, len) == 0)
            return true;
        w += n + (w[n] == ' ');
    }
    return false;
}

/* HTML5's white space; page.c has made \r and \f spaces. */
static bool space(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

bool web_tag_is_void(const char *name, size_t len)
{
    return one_of(name, len,
                  "area base br col embed hr img input link meta param source track wbr");
}

static bool same(const open_tag *t, const char *name, size_t len)
{
    return t->len == len && strncasecmp(t->name, name, len) == 0;
}

static void put_name(tidy *t, const char *lead, const char *name, size_t len)
{
    cmat_buf_puts(t->out, lead);
    for (size_t i = 0; i < len && i < 40; i++)
        cmat_buf_putc(
            t->out, isalnum((unsigned char)name[i]) ? (char)tolower((unsigned char)name[i]) : '-');
}

static void close_top(tidy *t)
{
    const open_tag *o = &t->open[--t->depth];
    put_name(t, "</c-", o->name, o->len);
    cmat_buf_putc(t->out, '>');
}

/* Ends elements whose end tag may be left out, when an element that cannot be in them begins:
 * closes an open `which`, unless one of `within` is nearer. */
static void imply_end(tidy *t, const char *which, const char *within)
{
    for (int i = t->depth; i-- > 0;) {
        if (one_of(t->open[i].name, t->open[i].len, which)) {
            while (t->depth > i)
                close_top(t);
            return;
        }
        if (one_of(t->open[i].name, t->open[i].len, within))
            return;
    }
}

static void imply_ends(tidy *t, const char *name, size_t len)
{
    if (one_of(name, len, "li"))
        imply_end(t, "li", "ul ol menu");
    else if (one_of(name, len, "option optgroup"))
        imply_end(t, "option", "select datalist");
    else if (one_of(name, len, "td th"))
        imply_end(t, "td th", "tr table");
    else if (one_of(name, len, "tr tbody thead tfoot"))
        imply_end(t, "tr", "table");
    else if (one_of(name, len, "dt dd"))
        imply_end(t, "dt dd", "dl");
    else if (one_of(name, len, "p div ul ol dl table form section h1 h2 h3 h4 h5 h6 hr pre"))
        imply_end(t, "p", "button td th li dd div form section article main nav a span label");
}

/* Past a value, at what follows '='. */
static const char *skip_value(const char *p, const char *end)
{
    while (p < end && space(*p))
        p++;
    if (p < end && (*p == '"' || *p == '\'')) {
        const char *q = memchr(p + 1, *p, (size_t)(end - p - 1));
        return q ? q + 1 : end;
    }
    while (p < end && *p != '>' && !space(*p))
        p++;
    return p;
}

/* Past the attributes of a start tag: to its '>' or the end. *empty: it is a "/>". */
static const char *skip_attrs(const char *p, const char *end, bool *empty)
{
    *empty = false;
    while (p < end && *p != '>') {
        if (space(*p) || *p == '/') {
            *empty = *p++ == '/';
            continue;
        }
        *empty = false;
        p++; /* whatever begins a name, '=' too */
        while (p < end && !space(*p) && *p != '/' && *p != '>' && *p != '=')
            p++;
        const char *q = p;
        while (q < end && space(*q))
            q++;
        if (q < end && *q == '=')
            p = skip_value(q + 1, end);
    }
    return p;
}

/* Past the text of an element that holds nothing but text: to its "</name". */
static const char *raw_end(const char *p, const char *end, const char *name, size_t len)
{
    while (p < end) {
        const char *q = memchr(p, '<', (size_t)(end - p));
        if (!q)
            return end;
        if ((size_t)(end - q) > len + 1 && q[1] == '/' && strncasecmp(q + 2, name, len) == 0)
            return q;
        p = q + 1;
    }
    return end;
}

static void put_text(tidy *t, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '<')
            cmat_buf_puts(t->out, "&lt;");
        else
            cmat_buf_putc(t->out, p[i]);
    }
}

static void start_tag(tidy *t, const char *name, size_t len, const char *attrs, const char *close,
                      bool empty)
{
    if (!t->xml) {
        empty = empty || web_tag_is_void(name, len);
        imply_ends(t, name, len);
    }
    if (t->depth == WEB_DEPTH_MAX) {
        t->deeper += !empty;
        t->cut = true;
        return;
    }
    put_name(t, "<c-", name, len);
    t->cut |= close - attrs > WEB_RUN_MAX;
    if (attrs < close && close - attrs <= WEB_RUN_MAX) {
        cmat_buf_putc(t->out, ' ');
        cmat_buf_add(t->out, attrs, (size_t)(close - attrs));
    }
    cmat_buf_putc(t->out, '>');
    t->n_tags++;
    t->open[t->depth++] = (open_tag){name, len};
    if (empty)
        close_top(t);
}

static void end_tag(tidy *t, const char *name, size_t len)
{
    if (!t->xml && web_tag_is_void(name, len))
        return;
    if (t->deeper > 0) {
        t->deeper--;
        return;
    }
    for (int i = t->depth; i-- > 0;)
        if (same(&t->open[i], name, len)) {
            while (t->depth > i)
                close_top(t);
            return;
        }
}

static size_t name_len(const char *p, const char *end)
{
    size_t n = 0;
    while (p + n < end && !space(p[n]) && p[n] != '/' && p[n] != '>')
        n++;
    return n;
}

/* At '<': one tag, comment or lone bracket. */
static void tag(tidy *t)
{
    const char *p = t->p, *end = t->end;
    const bool closing = p + 1 < end && p[1] == '/';
    const char *name = p + 1 + closing;
    if (end - p >= 4 && memcmp(p, "<!--", 4) == 0) {
        const char *q = memmem(p + 4, (size_t)(end - p - 4), "-->", 3);
        t->p = q ? q + 3 : end;
        return;
    }
    if (name < end && (*name == '!' || *name == '?')) {
        const char *q = memchr(p, '>', (size_t)(end - p));
        t->p = q ? q + 1 : end;
        return;
    }
    if (name >= end || !isalpha((unsigned char)*name)) {
        cmat_buf_puts(t->out, "&lt;");
        t->p = p + 1;
        return;
    }
    const size_t len = name_len(name, end);
    bool empty;
    const char *attrs = name + len, *close = skip_attrs(attrs, end, &empty);
    t->p = close < end ? close + 1 : end;
    if (close == end) { /* cut within a tag: as browsers do, it is no tag at all */
        t->cut = true;
        return;
    }
    if (closing) {
        end_tag(t, name, len);
        return;
    }
    if (one_of(name, len, "script style") ||
        (!t->xml && one_of(name, len, "template noframes iframe xmp noembed"))) {
        if (!empty)
            t->p = raw_end(t->p, end, name, len);
        return;
    }
    start_tag(t, name, len, attrs, close - empty, empty);
    if (!empty && !t->xml && one_of(name, len, "textarea title")) {
        const char *q = raw_end(t->p, end, name, len);
        put_text(t, t->p, (size_t)(q - t->p));
        t->p = q;
    }
}

bool web_is_snapshot(const char *html, size_t len)
{
    static const char mark[] = "backend_node_id=";
    const char *p = html, *end = html + len;
    while (p < end && !(p + 1 < end && *p == '<' && isalpha((unsigned char)p[1])))
        p++;
    const char *close = p < end ? memchr(p, '>', (size_t)(end - p)) : NULL;
    return close && memmem(p, (size_t)(close - p), mark, sizeof mark - 1);
}

bool web_tidy(const char *html, size_t len, bool xml, cmat_buf *out)
{
    tidy t = {.p = html, .end = html + len, .out = out, .from = out->len, .xml = xml};
    while (t.p < t.end && !(t.n_tags >= WEB_TAGS_MAX || out->len - t.from > WEB_TIDY_MAX)) {
        if (*t.p == '<') {
            tag(&t);
            continue;
        }
        const char *q = memchr(t.p, '<', (size_t)(t.end - t.p));
        size_t n = (size_t)((q ? q : t.end) - t.p);
        if (n > WEB_RUN_MAX) {
            n = cmat_utf8_valid_prefix(t.p, WEB_RUN_MAX);
            t.cut = true;
        }
        put_text(&t, t.p, n);
        t.p = q ? q : t.end;
    }
    t.cut |= t.p < t.end;
    while (t.depth > 0)
        close_top(&t);
    return !t.cut;
}
