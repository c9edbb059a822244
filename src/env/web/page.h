/* env/web/page.h - a web page as a tree in document order.
 *
 * HTML goes through tidy.c (tags balanced, depth and size capped, scripts and styles dropped), then
 * gumbo, then into one array: node 0 is the root, the descendants of node i are i + 1 .. end - 1.
 * Mind2Web's cleaned pages, which are XML, whose text stands in <text> elements and whose
 * attributes are spelt with underscores, come out like any other page. All text is inert: valid
 * UTF-8 without control characters, white space squeezed. */
#ifndef CMAT_ENV_WEB_PAGE_H
#define CMAT_ENV_WEB_PAGE_H
#include "cmat/error.h"
#include "core/buf.h"
#include "core/mem.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WEB_HTML_MAX = 16 << 20, /* bytes of a page that are looked at */
    WEB_TIDY_MAX = 4 << 20,  /* bytes of tags and text kept of them */
    WEB_TAGS_MAX = 60000,    /* elements kept */
    WEB_RUN_MAX = 64 << 10,  /* bytes of one text or tag that tidy.c passes on */
    WEB_DEPTH_MAX = 256,     /* of nesting; deeper elements join the one above */
    WEB_TEXT_MAX = 2000,     /* bytes of one text */
    WEB_ATTR_MAX = 500,      /* bytes of an attribute's value */
    WEB_NO_NODE = -1
};

typedef struct {
    const char *name, *value;
} web_attr;

typedef struct {
    const char *tag;  /* lower case; NULL: text */
    const char *text; /* of a text, never empty; NULL for elements */
    int parent;       /* WEB_NO_NODE for the root */
    int end;          /* one past the last descendant */
    web_attr *attrs;
    int n_attrs;
    bool open; /* there was white space or text right after its start tag: <p> </p>, not <p/> */
} web_node;

typedef struct {
    cmat_arena arena;
    web_node *nodes; /* (n) */
    size_t n, cap;
    bool xml; /* a snapshot as Mind2Web has them: what begins ends with its tag or "/>" only */
    bool cut; /* a cap was met: something was left out */
} web_page;   /* all zero is empty */

/* Reads a page of any bytes. A page without an element gets a root <html>. CMAT_ERR_LIMIT: longer
 * than WEB_HTML_MAX. */
cmat_status web_page_parse(web_page *out, const char *html, size_t len, cmat_error *err);
void web_page_clear(web_page *p);
/* The attribute's value, or NULL. "aria_label" and "aria-label" are the same name. */
const char *web_page_attr(const web_page *p, int node, const char *name);
/* Sets or (value NULL) removes an attribute: what a form field holds now. */
void web_page_set(web_page *p, int node, const char *name, const char *value);
bool web_page_is(const web_page *p, int node, const char *tag);
/* The first element whose attribute has this value, or WEB_NO_NODE. */
int web_page_find(const web_page *p, const char *attr, const char *value);
/* Appends the text below a node, its parts separated by spaces, cut at max bytes. */
void web_page_text(const web_page *p, int node, size_t max, cmat_buf *out);
/* Appends HTML that web_page_parse reads back into the same tree: nodes with keep (n) only, NULL:
 * all. */
void web_page_html(const web_page *p, const bool *keep, cmat_buf *out);

/* tidy.c: appends the page's HTML with balanced tags, each called "c-" + its name, so that gumbo
 * keeps their nesting as it is. False: a cap was met. */
bool web_tidy(const char *html, size_t len, bool xml, cmat_buf *out);
/* Its first tag has a backend_node_id, as in Mind2Web's pages. */
bool web_is_snapshot(const char *html, size_t len);
/* Elements that never have content. */
bool web_tag_is_void(const char *name, size_t len);
#endif
