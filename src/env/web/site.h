/* env/web/site.h - small web sites made from a seed: forms, menus, dates, tables, paging, login.
 *
 * A site is a JSON object (in the task, member "site"), a server without a socket: a request and
 * the state go in, a page and the new state come out. The recorded back end asks it directly, the
 * browser's back end through HTTP on loopback; both see the same pages.
 *
 *   {"kind": "form", "title", "submit", "fields": [{"label", "type": "text|select|radio|checkbox",
 *       "options": [...], "goal": value}]}
 *   {"kind": "menu", "title", "items": [{"label", "items": [... "leaf"]}], "goal": [i, j, k]}
 *   {"kind": "date", "title", "submit", "month": "2026-03", "goal": "2026-05-17"}
 *   {"kind": "table", "title", "submit", "columns": [...], "rows": [[...]], "goal": row}
 *   {"kind": "paging", "title", "submit", "items": [...], "per_page": n, "goal": item}
 *   {"kind": "login", "title", "user", "password", "settings": [{"label", "options", "now"}],
 *       "goal": [setting, option]} */
#ifndef CMAT_ENV_WEB_SITE_H
#define CMAT_ENV_WEB_SITE_H
#include "core/rng.h"
#include "env/env.h"
#include "env/web/element.h"

typedef struct {
    bool in;   /* logged in */
    bool done; /* what was asked for has been sent, rightly or not */
    bool won;
} web_site_state;

typedef struct {
    int status;         /* 200, 303, 404 */
    char location[512]; /* of a 303 */
    cmat_buf body;      /* HTML */
} web_response;         /* all zero is empty; clear with cmat_buf_clear(&r.body) */

/* CMAT_ERR_FORMAT: not a site as above; the others may then be called without further checks. */
cmat_status web_site_check(const json_t *site, cmat_error *err);
/* target: path and query, "/send?x=1"; form: the body of a POST (urlencoded), NULL for GET. */
void web_site_respond(const json_t *site, web_site_state *st, const char *target, const char *form,
                      web_response *out);
/* The decoded value of a urlencoded parameter, appended to out; false: there is none. */
bool web_param(const char *form, const char *name, cmat_buf *out);
void web_urlencode(const char *s, cmat_buf *out);

/* What to do next on the page that is shown, to reach the goal from wherever one is. False: it is
 * reached, or the page is none of the site's. */
typedef struct {
    web_op op;
    int node;
    char value[WEB_VALUE_MAX + 1];
} web_move;
bool web_site_solve(const json_t *site, const web_page *page, web_move *out);

/* site_make.c: n tasks of a split, the kinds in turn, each solved. */
cmat_status web_site_generate(int split, size_t n, uint64_t seed, cmat_task_list *out,
                              cmat_error *err);
/* The number of days of a month, and its first one's day of the week (0 Monday). */
int web_month_days(int year, int month);
int web_month_first(int year, int month);
/* Of "2026-03", years 1900 to 2999; false: it is none (NULL too). */
bool web_month_read(const char *s, int *year, int *month);
#endif
