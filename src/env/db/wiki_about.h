/* env/db/wiki_about.h - what the makers of questions about one table (wiki_count.c, wiki_rank.c,
 * wiki_pair.c, wiki_ask.c) share: columns, cells and conditions, picked at random, with their
 * words. */
#ifndef CMAT_ENV_DB_WIKI_ABOUT_H
#define CMAT_ENV_DB_WIKI_ABOUT_H
#include "env/db/wiki_impl.h"

#define ASK_LEN(a) ((int)(sizeof(a) / sizeof(*(a))))

/* What a question speaks of; strings are SQL, or words. */
typedef struct {
    int lead;           /* the column that names rows */
    const char *T, *S;  /* table, lead column */
    const char *s, *ss; /* "player", "players" */
} ask_about;
/* Of the present table; false: no column names its rows. */
bool ask_begin(wiki *w, ask_about *a);

/* A column of the wanted sort, not `except`; -1: none. */
enum { ASK_ANY, ASK_NUMBERS, ASK_REPEATED, ASK_WORDS };
int ask_pick(wiki *w, int sort, int except);
int ask_n_distinct(const wiki_table *t, int c);
/* Every cell of the column is a number. */
bool ask_all_numbers(const wiki_table *t, int c);
bool ask_is_time(const char *header); /* "year", "week" */
const char *ask_plural(wiki *w, const char *s);

/* A cell that can be said, and its row; NULL: none. */
const char *ask_cell(wiki *w, int c, int *row);
/* The same of the lead column, where it names one row. */
const char *ask_name_row(wiki *w, const ask_about *a, int *row);
double ask_value(const wiki_table *t, int row, int c);
const char *ask_equals(wiki *w, int c, const char *v); /* "Club = 'Ajax'" */

typedef struct {
    const char *sql, *words; /* "Club = 'Ajax'", "with club Ajax" */
    int column;
    bool equal;
    const char *value;
} ask_filter;
/* A condition that more than one row may meet, not on column `except`. */
bool ask_pick_filter(wiki *w, int except, ask_filter *f);

#define ASK_SAY(w, d, templates, ...)                                \
    phrase_say(&(d)->text, &(w)->rng, templates, ASK_LEN(templates), \
               (phrase_slot[]){__VA_ARGS__, {0}})

typedef struct {
    bool (*make)(wiki *w, wiki_draft *d, const ask_about *a);
    int weight;
} ask_maker; /* lists end with a NULL */
extern const ask_maker ask_counts[], ask_ranks[], ask_pairs[];
#endif
