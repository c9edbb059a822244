/* tree.c - see tree.h. The quirks are Mind2Web's: a text counts as a descendant, an element without
 * attributes and texts and with at most one child gives its place to that child, a value's words
 * of 15 letters and more are left out. */
#include "env/web/tree.h"
#include "core/text.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_DEPTH = 5,
    MAX_DESCENDANTS = 50,
    MAX_SIBLING = 3,
    VALUE_WORDS = 5, /* of an attribute */
    META_WORDS = 20, /* of all of them, and of a text */
    WORD_BYTES = 15, /* words of so many characters are left out */
    CHOICE_WORDS = 10
};

static const char *const told[] = {
    "role",       "aria_role",   "type",          "alt",         "aria_description",
    "aria_label", "label",       "title",         "name",        "text_value",
    "value",      "placeholder", "input_checked", "input_value", "option_selected",
    "class"};
enum { N_TOLD = sizeof told / sizeof *told };

static void keep_siblings(const web_page *p, int node, bool *keep)
{
    int near[2 * MAX_SIBLING + 1] = {0}, n = 0, after = -1;
    const int parent = p->nodes[node].parent;
    if (parent == WEB_NO_NODE)
        return;
    /* a window of the last few, until three have come after the node */
    for (int c = parent + 1; c < p->nodes[parent].end && after < MAX_SIBLING; c = p->nodes[c].end) {
        if (p->nodes[c].text)
            continue;
        if (after < 0 && n > MAX_SIBLING) {
            memmove(near, near + 1, (size_t)(n - 1) * sizeof *near);
            n--;
        }
        near[n++] = c;
        if (after >= 0)
            after++;
        else if (c == node)
            after = 0;
    }
    for (int i = 0; i < n; i++)
        keep[near[i]] = true;
}

static int depth_below(const web_page *p, int node, int top)
{
    int d = 0;
    for (; node != top; node = p->nodes[node].parent)
        d++;
    return d;
}

void web_tree_keep(const web_page *p, const int *candidates, size_t n, bool *keep)
{
    for (size_t k = 0; k < n; k++) {
        const int c = candidates[k];
        int left = MAX_DESCENDANTS;
        for (int i = c; i != WEB_NO_NODE; i = p->nodes[i].parent)
            keep[i] = true;
        for (int i = c + 1; i < p->nodes[c].end && left > 0; i++)
            if (depth_below(p, i, c) <= MAX_DEPTH + 1) {
                keep[i] = true;
                left--;
            }
        keep_siblings(p, c, keep);
    }
    for (size_t i = 1; i < p->n; i++) /* a text stays with its element, and only so */
        if (p->nodes[i].text)
            keep[i] = keep[p->nodes[i].parent];
}

static bool is_candidate(const int *candidates, size_t n, int node, size_t *k)
{
    for (*k = 0; *k < n; ++*k)
        if (candidates[*k] == node)
            return true;
    return false;
}

static bool tells(const char *attr)
{
    for (int i = 0; i < N_TOLD; i++)
        if (strcmp(told[i], attr) == 0)
            return true;
    return false;
}

static bool has_told(const web_node *n)
{
    for (int i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].value && tells(n->attrs[i].name))
            return true;
    return false;
}

/* What is left of the kept nodes: shown[i], (page->n). */
static void collapse(const web_page *p, const bool *keep, const int *candidates, size_t n,
                     bool *shown)
{
    int *children = cmat_xcalloc(p->n, sizeof *children);
    bool *text = cmat_xcalloc(p->n, sizeof *text);
    size_t k;
    for (int i = (int)p->n - 1; i >= 0; i--) {
        const web_node *nd = &p->nodes[i];
        if (!keep[i])
            continue;
        shown[i] = nd->text || nd->parent == WEB_NO_NODE || text[i] || children[i] > 1 ||
                   is_candidate(candidates, n, i, &k) || has_told(nd);
        if (nd->parent == WEB_NO_NODE)
            continue;
        children[nd->parent] += shown[i] ? 1 : children[i];
        text[nd->parent] |= nd->text != NULL;
    }
    free(children);
    free(text);
}

static bool says_nothing(const char *value)
{
    static const char *const empty[] = {"hidden", "none", "presentation", "null", "undefined"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        if (strcasecmp(value, empty[i]) == 0)
            return true;
    return strncasecmp(value, "http", 4) == 0;
}

static size_t n_characters(const char *s, size_t n)
{
    size_t c = 0;
    for (size_t i = 0; i < n; i++)
        c += ((unsigned char)s[i] & 0xc0) != 0x80;
    return c;
}

/* The value's first short words in lower case. */
static void value_words(const char *value, cmat_buf *out)
{
    int n = 0;
    for (const char *w = value; *w && n < VALUE_WORDS;) {
        const size_t len = strcspn(w, " ");
        if (len > 0 && n_characters(w, len) < WORD_BYTES) {
            if (n++ > 0)
                cmat_buf_putc(out, ' ');
            cmat_text_lower(out, w, len);
        }
        w += len + (w[len] == ' ');
    }
}

/* Appends at most META_WORDS words of s, each after a space. gaps: what is shown as a space (of a
 * text quotes too, of attributes they stay). */
static void put_words(cmat_buf *out, const char *s, const char *gaps)
{
    for (int n = 0; *s && n < META_WORDS;) {
        const size_t len = strcspn(s, gaps);
        if (len > 0) {
            cmat_buf_putc(out, ' ');
            cmat_buf_add(out, s, len);
        }
        n += s[len] != '"'; /* a quote was within a word when words were counted */
        s += len + (s[len] != '\0');
    }
}

static void put_meta(const web_node *n, cmat_buf *out)
{
    cmat_buf meta = {0}, value = {0};
    const char *seen[N_TOLD] = {NULL};
    char *copies[N_TOLD];
    int n_seen = 0;
    for (int t = 0; t < N_TOLD; t++) {
        const char *v = NULL;
        bool again = false;
        for (int a = 0; a < n->n_attrs && !v; a++)
            if (strcmp(n->attrs[a].name, told[t]) == 0)
                v = n->attrs[a].value;
        if (!v || says_nothing(v))
            continue;
        cmat_buf_truncate(&value, 0);
        value_words(v, &value);
        for (int s = 0; s < n_seen; s++)
            again |= strcmp(seen[s], cmat_buf_str(&value)) == 0;
        if (value.len == 0 || again)
            continue;
        copies[n_seen] = cmat_xstrdup(value.data);
        seen[n_seen] = copies[n_seen];
        n_seen++;
        cmat_buf_printf(&meta, "%s%s", meta.len ? " " : "", value.data);
    }
    put_words(out, cmat_buf_str(&meta), " ");
    for (int s = 0; s < n_seen; s++)
        free(copies[s]);
    cmat_buf_clear(&meta);
    cmat_buf_clear(&value);
}

/* The shown nodes of from .. end, each tag and text after a space. */
static void put_nodes(const web_page *p, const bool *shown, int from, const int *candidates,
                      size_t n, cmat_buf *out)
{
    int stack[WEB_DEPTH_MAX + 2], depth = 0;
    const int end = p->nodes[from].end;
    size_t k;
    for (int i = from; i <= end; i++) {
        while (depth > 0 && (i == end || p->nodes[stack[depth - 1]].end <= i))
            cmat_buf_printf(out, " </%s>", p->nodes[stack[--depth]].tag);
        if (i == end || !shown[i])
            continue;
        const web_node *nd = &p->nodes[i];
        if (nd->text) {
            put_words(out, nd->text, " \"");
            continue;
        }
        cmat_buf_printf(out, " <%s", nd->tag);
        const size_t bare = out->len;
        if (is_candidate(candidates, n, i, &k))
            cmat_buf_printf(out, " id=%zu", k);
        put_meta(nd, out);
        bool empty = !nd->open;
        for (int c = i + 1; c < nd->end && empty; c++)
            empty = !shown[c];
        cmat_buf_puts(out, !empty ? ">" : out->len > bare ? " />" : "/>");
        if (!empty)
            stack[depth++] = i;
    }
}

static bool *shown_of(const web_page *p, const int *candidates, size_t n)
{
    bool *keep = cmat_xcalloc(p->n, sizeof *keep), *shown = cmat_xcalloc(p->n, sizeof *shown);
    web_tree_keep(p, candidates, n, keep);
    collapse(p, keep, candidates, n, shown);
    free(keep);
    return shown;
}

void web_tree_repr(const web_page *p, const int *candidates, size_t n, cmat_buf *out)
{
    cmat_buf line = {0};
    bool *shown = shown_of(p, candidates, n);
    put_nodes(p, shown, 0, candidates, n, &line);
    cmat_buf_puts(out, cmat_buf_str(&line) + (line.len > 0));
    cmat_buf_clear(&line);
    free(shown);
}

void web_tree_choice(const web_page *p, const int *candidates, size_t n, size_t k, cmat_buf *out)
{
    cmat_buf line = {0};
    bool *shown = shown_of(p, candidates, n);
    put_nodes(p, shown, candidates[k], candidates, n, &line);
    const char *s = cmat_buf_str(&line) + (line.len > 0);
    size_t len = 0;
    for (int words = 0; words < CHOICE_WORDS && s[len]; words++) {
        len += strcspn(s + len, " ");
        if (words + 1 < CHOICE_WORDS && s[len])
            len++;
    }
    cmat_buf_add(out, s, len);
    cmat_buf_clear(&line);
    free(shown);
}
