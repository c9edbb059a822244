/* env/db/tasks.h - inside the User of databases: what the question families share.
 *
 * A family looks at the schema, picks a table, columns and values with the generator's random
 * numbers, and fills a db_draft: question, gold SQL, thought. The driver (tasks.c) runs the SQL
 * and keeps the draft only if its answer is clear. Strings live in the generator's arena until the
 * next draft. */
#ifndef CMAT_ENV_DB_TASKS_H
#define CMAT_ENV_DB_TASKS_H
#include "env/db/db.h"
#include "env/db/phrases.h"

/* What a column means to people. */
typedef enum {
    COL_ID = 1,       /* a key, or half of one */
    COL_NUMBER = 2,   /* quantities: worth comparing and adding up */
    COL_DATE = 4,     /* ISO dates, perhaps with a time */
    COL_CATEGORY = 8, /* few distinct texts */
    COL_NAME = 16,    /* nearly unique text: names a row */
    COL_TEXT = 32,    /* other text */
    COL_FLAG = 64,    /* 0 and 1, or years and other small sets of integers */
    COL_OTHER = 128   /* blobs, mixed types, empty */
} db_role;

typedef struct {
    db_role role;
    bool numeric;       /* literals without quotes */
    bool money;         /* shown with two decimals now and then */
    bool whole;         /* integers only */
    const char *human;  /* "unit price", "date placed" */
    const char *plural; /* "unit prices" */
    const char *verb;   /* "placed" for placed_on, else NULL */
    int64_t n_null, n_distinct, n_values;
    double min, max;
} db_column_terms;

typedef struct {
    const char *one, *many; /* "order item", "order items" */
    int label;              /* the column that names a row, -1: none */
    int key;                /* the single primary key column, -1: none */
    int64_t n_rows;
    db_column_terms *cols;
} db_table_terms;

typedef struct {
    const db_world *world;
    const db_schema *s;
    db_table_terms *tables;
    sqlite3 *db;   /* read-only, for looking at rows */
    db_conn *conn; /* an episode's connection, for running gold SQL */
    cmat_rng rng;
    char quote;
    cmat_arena terms; /* as long as the generator */
    cmat_arena arena; /* one draft */
} db_gen;

typedef struct {
    const char *sql, *think;
    cmat_buf text; /* the question */
    bool writes;
    int n_rows; /* rows that the answer must have; 0: any number up to the limit */
    int top; /* > 0: the answer is the first `top` rows of rank_sql's order; ties at the border drop
                it */
    const char
        *rank_sql; /* gives the ordering values, at least top + 1 of them where there are so many */
} db_draft;

typedef struct {
    const char *name;
    int weight;
    bool (*make)(db_gen *g, db_draft *d);
} db_family;

/* One list a file, ended by a NULL name. */
extern const db_family db_families_filter[], db_families_rank[], db_families_group[],
    db_families_join[], db_families_nested[], db_families_plain[], db_families_reach[],
    db_families_write[];

/* True when the acceptor lets the oracle's reply through: "Think: ...", then "Final: ...". */
bool db_oracle_accepted(const cmat_acceptor *a, const char *think, const char *sql);

/* How many bytes of a thought to keep: the grammar takes only so many, and a long one ends where
 * its conditions or columns begin. */
size_t db_thought_length(const char *think);

cmat_status db_gen_open(db_gen *g, db_world *world, cmat_error *err);
void db_gen_close(db_gen *g);

/* ---- picking ---- */
int gen_below(db_gen *g, int n);
bool gen_chance(db_gen *g, int percent);
/* A random table with rows (writable: no view); -1: none. */
int gen_table(db_gen *g, bool writable);
/* A random column of table t whose role is in the mask, -1: none. except: a column left out (-1:
 * none). */
int gen_column(db_gen *g, int t, int roles, int except);
/* What rows of t are called by: the label, or the key; -1: neither. */
int gen_shown(db_gen *g, int t);
/* A value of the column as it is stored, fit to be said; NULL: none found. */
const char *gen_value(db_gen *g, int t, int c);
/* A foreign key of one column from t; with t < 0, of any table (*child). -1: none. */
int gen_fk(db_gen *g, int t, int *child);

/* ---- SQL text ---- */
const char *gen_name(db_gen *g, const char *name); /* quoted when needed */
const char *gen_tab(db_gen *g, int t);
const char *gen_col(db_gen *g, int t, int c, bool qualified);
const char *gen_literal(db_gen *g, int t, int c, const char *value);
const char *gen_fmt(db_gen *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *gen_join(db_gen *g, int child, int fk); /* "a JOIN b ON a.x = b.y" */
double gen_double(db_gen *g,
                  const char *sql); /* first value of a look at the database, 0 when none */
const char *gen_text(db_gen *g, const char *sql); /* the same as text, NULL when none */
/* A number as SQL text: "12", "0.5". */
const char *gen_number(db_gen *g, double x, bool whole);

/* ---- words ---- */
/* A value as a person writes it: dates in many forms, some text in quotes. */
const char *gen_say_value(db_gen *g, int t, int c, const char *value);
/* What another table's row is called in t: "manager" for manager_id, "customer" for customer_id. */
const char *gen_ref_name(db_gen *g, int t, int fk);
const char *gen_fill(db_gen *g, const char *tmpl, const phrase_slot *slots);
void gen_say(db_gen *g, db_draft *d, const char *const *templates, int n, const phrase_slot *slots);
#define GEN_SAY(g, d, templates, ...)                                         \
    gen_say(g, d, templates, (int)(sizeof(templates) / sizeof(*(templates))), \
            (phrase_slot[]){__VA_ARGS__, {0}})
#define GEN_FILL(g, tmpl, ...) gen_fill(g, tmpl, (phrase_slot[]){__VA_ARGS__, {0}})

/* ---- conditions ---- */
enum {
    COND_EQ = 1,
    COND_CMP = 2,
    COND_RANGE = 4,
    COND_YEAR = 8,
    COND_MONTH = 16,
    COND_DAY_CMP = 32,
    COND_DAYS = 64,
    COND_LIKE = 128,
    COND_NULL = 256,
    COND_NOT_NULL = 512,
    COND_NOT_EQ = 1024,
    COND_KEY = 2048,
    COND_COMMON = COND_EQ | COND_CMP | COND_YEAR | COND_MONTH | COND_DAY_CMP,
    COND_ANY = 4095 - COND_KEY
};
typedef struct {
    int column;
    const char *sql;    /* "status = 'shipped'" */
    const char *post;   /* after a noun: "with status shipped", "placed in 2025" */
    const char *pred;   /* after "the": "status is shipped" */
    const char *period; /* YEAR and MONTH: "2025", "May 2025", "May" */
} db_cond;
/* A condition of one of the kinds on table t (but not on column except). */
bool gen_cond(db_gen *g, int t, int kinds, int except, bool qualified, db_cond *out);
#endif
