/* env/db/domain_plan.h - inside the maker of practice databases: the schema that a seed gives. */
#ifndef CMAT_ENV_DB_DOMAIN_PLAN_H
#define CMAT_ENV_DB_DOMAIN_PLAN_H
#include "core/mem.h"
#include "core/rng.h"
#include "env/db/domain_bank.h"
#include <stdbool.h>
#include <stdint.h>

enum { PLAN_MAX_TABLES = 8, PLAN_MAX_COLUMNS = DOMAIN_MAX_COLUMNS + 4, PLAN_MAX_LISTS = 6 };

typedef enum {
    PLAN_PERSON,
    PLAN_FIRST,
    PLAN_LAST,
    PLAN_COMPANY,
    PLAN_CITY,
    PLAN_COUNTRY,
    PLAN_STREET,
    PLAN_EMAIL,
    PLAN_PHONE,
    PLAN_TEXT,
    PLAN_CODE,
    PLAN_MIX,
    PLAN_OF,
    PLAN_TIME,
    PLAN_DATE,
    PLAN_AFTER,
    PLAN_INT,
    PLAN_YEAR,
    PLAN_FLAG,
    PLAN_REAL,
    PLAN_MONEY,
    PLAN_PCT,
    PLAN_REF,
    PLAN_KEY
} plan_kind;

typedef struct {
    const char **items;
    int n;
} plan_list;

typedef struct {
    plan_kind kind;
    const char *names; /* variants, split by | */
    const char *args;
    const char *name; /* as it stands in the schema */
    const char *type; /* declared */
    int null_percent;
    bool optional, not_null, unique;
    int ref; /* PLAN_REF: the table of the plan */
    double lo, hi, skew;
    plan_list lists[PLAN_MAX_LISTS]; /* mix: one each; of: the first */
    int n_lists;
} plan_column;

typedef struct {
    const domain_table *spec;
    const char *words; /* the variant chosen, singular: "loan item" */
    const char *name;
    plan_column columns[PLAN_MAX_COLUMNS];
    int n_columns;
    bool text_key; /* keys like "BO0012" */
    bool pair_key; /* a link table: its first two references are its key, it has no own */
    const char *key_prefix;
    int n_rows;
    int *keys; /* n_rows numbers */
} plan_table;

/* What holds for a whole database. */
typedef struct {
    int naming;  /* plan_naming */
    int plurals; /* tables: 0 singular, 1 plural */
    int key_style, ref_style, type_style, date_style, case_style;
    bool abbreviate, declared_keys, text_keys, odd_starts;
    const char *table_prefix; /* words put before: "t", "tbl", or NULL */
    bool column_prefix;       /* columns start with the table's letters */
} plan_style;

typedef struct {
    const domain_spec *domain;
    plan_style style;
    plan_table tables[PLAN_MAX_TABLES];
    int n_tables;
    cmat_rng rng;
    cmat_arena arena;
} plan;

void plan_make(plan *p, uint64_t seed); /* p: anything */
void plan_clear(plan *p);

/* ---- for both files ---- */
int plan_below(plan *p, int n);
bool plan_chance(plan *p, int percent);
/* One of the variants of "a|b|c". */
const char *plan_variant(plan *p, const char *names);
plan_list plan_split(plan *p, const char *text, char sep);
/* Words in lower case ("loan date") in the database's style: loan_date, LoanDate ... */
const char *plan_style_words(plan *p, const char *words);
#endif
