/* env/db/wiki_impl.h - what the makers of tasks on one inline table share; not for users.
 *
 * A maker fills a wiki_draft about the present table; wiki_keep runs its statement there, and adds
 * the task when it gives a clear answer, or changes a row, and lies in the Actor's grammar. Strings
 * live in w->arena until the next table. */
#ifndef CMAT_ENV_DB_WIKI_IMPL_H
#define CMAT_ENV_DB_WIKI_IMPL_H
#include "env/db/db.h"
#include "env/db/phrases.h"
#include "env/db/wiki_table.h"

enum { WIKI_MAX_COLUMNS = 14, WIKI_MAX_ROWS = 90, WIKI_POOL = 48 };

/* Cells of earlier tables by their column's header: values that a table could hold but does not. */
typedef struct {
    json_t *by_header; /* header in lower case -> array of at most WIKI_POOL texts */
} wiki_pool;

typedef struct {
    cmat_rng rng;
    cmat_task_list *out;
    cmat_error *err;
    cmat_arena arena;
    wiki_pool pool;
    /* the present table; NULL between tables */
    const wiki_table *t;
    json_t *json;
    db_world *world;
    db_conn *conn;
    cmat_acceptor *acceptor;
} wiki;

typedef struct {
    const char *kind, *sql, *think;
    cmat_buf text;
    bool writes;
    const json_t *known; /* what the answer must be; NULL: whatever comes, if it is clear */
} wiki_draft;

/* Makes t the present table: its world is opened. False: it does not open. */
bool wiki_begin(wiki *w, const wiki_table *t);
void wiki_end(wiki *w); /* also of nothing begun; keeps some cells in the pool */
/* Adds the draft's task if it is good; clears d->text. */
cmat_status wiki_keep(wiki *w, wiki_draft *d, bool *added);
/* The answer of a statement on the present table, NULL when it fails. New reference. */
json_t *wiki_answer(wiki *w, const char *sql);
/* Both are sets of the same texts; numbers by value. */
bool wiki_same_answers(const json_t *got, const json_t *known);

int wiki_below(wiki *w, int n);
bool wiki_chance(wiki *w, int percent);
const char *wiki_fmt(wiki *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *wiki_fill(wiki *w, const char *tmpl, const phrase_slot *slots);
#define WIKI_FILL(w, tmpl, ...) wiki_fill(w, tmpl, (phrase_slot[]){__VA_ARGS__, {0}})
const char *wiki_name(wiki *w, const char *name);  /* `Home team`, or bare where that is enough */
const char *wiki_text(wiki *w, const char *value); /* 'it''s' */
const char *wiki_col(wiki *w, int c);
/* The column as a number: MySQL compares and sums texts by their leading digits, and commas end
 * these. */
const char *wiki_number(wiki *w, int c);
/* The same before < 5, where MySQL takes a text as a number by itself. */
const char *wiki_compared(wiki *w, int c);
const char *wiki_lower(wiki *w, const char *header); /* "home team", "W-L-T" */
const char *wiki_quoted(wiki *w, const char *value);
bool wiki_sayable(const char *value);
bool wiki_number_of(const char *s, double *x); /* "1,200": 1200 */

/* wiki_write.c: rows to add and to change. False: nothing came to mind. */
bool wiki_insert(wiki *w, wiki_draft *d);
bool wiki_update(wiki *w, wiki_draft *d);
/* wiki_clause.c: "on 8 March 2007" for (date, 8 March 2007), "5 wins", "with a capacity of 300".
 */
const char *wiki_clause(wiki *w, const char *header, const char *value, bool numeric);
/* The same where only a noun fits, after "with": "5 wins", "a capacity of 300". */
const char *wiki_noun(wiki *w, const char *header, const char *value, bool numeric);
/* wiki_search.c: a question whose answer is known, but not its SQL: {question, answer}. Adds it
 * when a simple statement that fits its words gives that answer. */
cmat_status wiki_search_question(wiki *w, const json_t *q, bool *added);
/* wiki_ask.c: questions of our own. */
bool wiki_ask(wiki *w, wiki_draft *d);
#endif
