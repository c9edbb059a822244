/* env/db/domain_bank.h - what domains.c draws from: domains as text, and lists of words.
 *
 * A column is "NAMES = KIND ARGUMENTS ?PERCENT *": names that mean the same, split by |; how its
 * values are made; how many are missing; * when the column may be left out. Kinds:
 *   person first last company city country street email phone flag text (a remark)
 *   int LO HI, year LO HI, real LO HI, money LO HI, pct, time, date LO HI (years),
 *   after DAYS (a date that follows the row's last one), of A,B,C (a category),
 *   code PATTERN (# digit, @ letter), mix A,B/C,D (one of each list, in this order; @given,
 * @family,
 *   @city, @adjective and @noun stand for the banks below), ref TABLE (a foreign key; one with ?
 *   goes when its table is left out). */
#ifndef CMAT_ENV_DB_DOMAIN_BANK_H
#define CMAT_ENV_DB_DOMAIN_BANK_H

enum { DOMAIN_MAX_TABLES = 10, DOMAIN_MAX_COLUMNS = 12 };

typedef struct {
    const char *names;      /* "book|volume": the first is what ref calls it by */
    int min_rows, max_rows; /* as drawn */
    const char *columns[DOMAIN_MAX_COLUMNS + 1];
} domain_table;

typedef struct {
    const char *name;
    domain_table tables[DOMAIN_MAX_TABLES + 1];
} domain_spec;

/* Both end with a NULL name. */
extern const domain_spec domain_bank_culture[], domain_bank_services[], domain_bank_work[];

typedef struct {
    const char *city, *country;
} domain_place;

typedef struct {
    const char *name;
    const char *const *items; /* NULL at the end */
} domain_words;

extern const domain_place domain_places[];     /* a NULL city at the end */
extern const domain_words domain_word_banks[]; /* a NULL name at the end */
extern const char *const domain_extra_columns[];
#endif
