/* env/web/element.h - what a person could use on a page: links, buttons, fields, each with a
 * number, a role, a name and a state (after WAI-ARIA and the accessible name computation, cut
 * down). */
#ifndef CMAT_ENV_WEB_ELEMENT_H
#define CMAT_ENV_WEB_ELEMENT_H
#include "env/web/page.h"

enum { WEB_NAME_MAX = 80, WEB_VALUE_MAX = 200, WEB_OPTIONS_SHOWN = 40, WEB_ELEMENTS_MAX = 500 };

typedef enum { WEB_NO_OP, WEB_CLICK, WEB_TYPE, WEB_SELECT, WEB_MORE, WEB_BACK } web_op;
const char *web_op_name(web_op op);               /* "CLICK" */
web_op web_op_find(const char *name, size_t len); /* whatever the case; WEB_NO_OP: none */

/* "link", "button", "textbox", "combobox", "checkbox", "radio" ...; the tag where there is none. */
const char *web_role(const web_page *p, int node);
/* Appends the name, at most WEB_NAME_MAX bytes. */
void web_name(const web_page *p, int node, cmat_buf *out);
/* Appends role, name in quotes, and state: combobox "Size": S | M | L, now "M". */
void web_describe(const web_page *p, int node, cmat_buf *out);

bool web_is_visible(const web_page *p, int node); /* it and what it is in */
bool web_is_enabled(const web_page *p, int node);
/* Something to act on: a link, a button, a field. */
bool web_is_actor(const web_page *p, int node);
bool web_takes_text(const web_page *p, int node);

/* The options of a <select>, or of a recorded element with options below it: into out (cap), how
 * many there are. */
size_t web_options(const web_page *p, int node, int *out, size_t cap);
void web_option_label(const web_page *p, int option, cmat_buf *out);
/* The option of this label or value, letter case aside; WEB_NO_NODE: none. */
int web_option_find(const web_page *p, int node, const char *label);
/* The option chosen now: the selected one, else the first. */
int web_option_now(const web_page *p, int node);

/* A page as text: its texts in order, a line for each block, a row's cells in one line, and between
 * them the elements as "[3] button "Send"". */
typedef struct {
    cmat_buf text;
    int *elements; /* (n): element number k + 1 is node elements[k] */
    size_t n, cap;
    size_t left_out; /* bytes that did not fit */
} web_view;
void web_view_clear(web_view *v);
/* From byte `from` of the text on (at a line's beginning), at most budget bytes, cut at a line's
 * end. The elements are numbered, also those that are not within; no more than
 * WEB_ELEMENTS_MAX. */
void web_view_make(web_view *v, const web_page *p, size_t from, size_t budget);
#endif
