/* env/db/schema.c - reading an SQLite schema, and finding names in it.
 *
 * Foreign keys are the declared ones; where a table declares none on a column called x_id, the
 * table x with a single primary key of a fitting type is taken for its target. */
#include "env/db/schema.h"
#include "core/text.h"
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_TABLES = 500, MAX_COLUMNS = 2000, SAMPLE_CHARS = 32 };

/* SQLite's rules for the affinity of a declared type, in its order (datatype3.html, 3.1). */
static db_affinity affinity_of(const char *type)
{
    if (strcasestr(type, "INT"))
        return DB_AFFINITY_INTEGER;
    if (strcasestr(type, "CHAR") || strcasestr(type, "CLOB") || strcasestr(type, "TEXT"))
        return DB_AFFINITY_TEXT;
    if (!*type || strcasestr(type, "BLOB"))
        return DB_AFFINITY_BLOB;
    if (strcasestr(type, "REAL") || strcasestr(type, "FLOA") || strcasestr(type, "DOUB"))
        return DB_AFFINITY_REAL;
    return DB_AFFINITY_NUMERIC;
}

static const char *text_of(sqlite3_stmt *st, int i)
{
    const char *s = (const char *)sqlite3_column_text(st, i);
    return s ? s : "";
}

static cmat_status prepare(sqlite3 *db, sqlite3_stmt **st, const char *sql, cmat_error *err)
{
    if (sqlite3_prepare_v2(db, sql, -1, st, NULL) != SQLITE_OK)
        return cmat_fail(err, CMAT_ERR_FORMAT, "db: schema: %s", sqlite3_errmsg(db));
    return CMAT_OK;
}

static cmat_status step_end(sqlite3 *db, int rc, cmat_error *err)
{
    if (rc == SQLITE_DONE)
        return CMAT_OK;
    return cmat_fail(err, CMAT_ERR_FORMAT, "db: schema: %s", sqlite3_errmsg(db));
}

/* Table names in order of creation. Shadow and virtual tables' own tables are left out. */
static cmat_status read_tables(db_schema *s, sqlite3 *db, cmat_error *err)
{
    sqlite3_stmt *st = NULL;
    size_t cap = 0;
    cmat_status rc =
        prepare(db, &st,
                "SELECT l.name, l.type, l.wr FROM pragma_table_list l"
                " LEFT JOIN sqlite_schema m ON m.name = l.name AND m.type IN ('table', 'view')"
                " WHERE l.schema = 'main' AND l.type IN ('table', 'view', 'virtual')"
                " AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY m.rowid",
                err);
    if (rc != CMAT_OK)
        return rc;
    int step;
    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        if (s->n_tables == MAX_TABLES) {
            sqlite3_finalize(st);
            free(s->tables);
            s->tables = NULL;
            return cmat_fail(err, CMAT_ERR_LIMIT, "db: schema: more than %d tables", MAX_TABLES);
        }
        s->tables = cmat_xgrow(s->tables, &cap, (size_t)s->n_tables + 1, sizeof *s->tables);
        db_table *t = &s->tables[s->n_tables++];
        memset(t, 0, sizeof *t);
        t->name = cmat_arena_strdup(&s->arena, text_of(st, 0));
        t->view = !strcmp(text_of(st, 1), "view");
        t->without_rowid = sqlite3_column_int(st, 2) != 0;
        t->n_rows = -1;
    }
    rc = step_end(db, step, err);
    sqlite3_finalize(st);
    return rc;
}

static cmat_status read_columns(db_schema *s, db_table *t, sqlite3 *db, cmat_error *err)
{
    sqlite3_stmt *st = NULL;
    cmat_status rc = prepare(db, &st,
                             "SELECT name, type, \"notnull\", dflt_value, pk, hidden"
                             " FROM pragma_table_xinfo(?1) WHERE hidden <> 1",
                             err);
    if (rc != CMAT_OK)
        return rc;
    sqlite3_bind_text(st, 1, t->name, -1, SQLITE_STATIC);
    db_column *cols = NULL;
    size_t cap = 0;
    int n = 0, step;
    while ((step = sqlite3_step(st)) == SQLITE_ROW && n < MAX_COLUMNS) {
        cols = cmat_xgrow(cols, &cap, (size_t)n + 1, sizeof *cols);
        db_column *c = &cols[n++];
        memset(c, 0, sizeof *c);
        c->name = cmat_arena_strdup(&s->arena, text_of(st, 0));
        c->type = cmat_arena_strdup(&s->arena, text_of(st, 1));
        if (sqlite3_column_type(st, 3) != SQLITE_NULL)
            c->def = cmat_arena_strdup(&s->arena, text_of(st, 3));
        c->affinity = affinity_of(c->type);
        c->not_null = sqlite3_column_int(st, 2) != 0;
        c->pk = sqlite3_column_int(st, 4);
        c->generated = sqlite3_column_int(st, 5) >= 2;
        c->fk = -1;
        t->n_pk += c->pk > 0;
    }
    rc = n == MAX_COLUMNS
             ? cmat_fail(err, CMAT_ERR_LIMIT, "db: schema: table %s has over %d columns", t->name,
                         MAX_COLUMNS - 1)
             : step_end(db, step, err);
    sqlite3_finalize(st);
    t->columns = cmat_arena_alloc(&s->arena, ((size_t)n + 1) * sizeof *t->columns);
    if (n)
        memcpy(t->columns, cols, (size_t)n * sizeof *cols);
    free(cols);
    t->n_columns = n;
    if (n > s->max_columns)
        s->max_columns = n;
    if (t->n_pk == 1 && !t->without_rowid)
        for (int i = 0; i < n; i++)
            t->columns[i].rowid = t->columns[i].pk && !strcasecmp(t->columns[i].type, "INTEGER");
    return rc;
}

/* The column of table t that a foreign key with no named target means: its primary key's. */
static int pk_column(const db_table *t, int seq)
{
    for (int i = 0; i < t->n_columns; i++)
        if (t->columns[i].pk == seq + 1)
            return i;
    return -1;
}

static void fk_add(db_table *t, db_fk **fks, size_t *cap, db_fk fk)
{
    *fks = cmat_xgrow(*fks, cap, (size_t)t->n_fks + 1, sizeof **fks);
    if (t->columns[fk.column].fk < 0)
        t->columns[fk.column].fk = t->n_fks;
    (*fks)[t->n_fks++] = fk;
}

static cmat_status declared_keys(db_schema *s, db_table *t, sqlite3 *db, db_fk **fks, size_t *cap,
                                 cmat_error *err)
{
    sqlite3_stmt *st = NULL;
    cmat_status rc = prepare(db, &st,
                             "SELECT id, seq, \"table\", \"from\", \"to\""
                             " FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
                             err);
    if (rc != CMAT_OK)
        return rc;
    sqlite3_bind_text(st, 1, t->name, -1, SQLITE_STATIC);
    int step;
    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        db_fk fk = {.key = sqlite3_column_int(st, 0)};
        fk.ref_table = db_schema_find_table(s, text_of(st, 2));
        fk.column = db_table_find_column(t, text_of(st, 3));
        if (fk.ref_table < 0 || fk.column < 0)
            continue; /* a dangling key: SQLite allows it */
        const db_table *ref = &s->tables[fk.ref_table];
        fk.ref_column = sqlite3_column_type(st, 4) == SQLITE_NULL
                            ? pk_column(ref, sqlite3_column_int(st, 1))
                            : db_table_find_column(ref, text_of(st, 4));
        if (fk.ref_column >= 0)
            fk_add(t, fks, cap, fk);
    }
    rc = step_end(db, step, err);
    sqlite3_finalize(st);
    return rc;
}

static bool is_number(db_affinity a)
{
    return a == DB_AFFINITY_INTEGER || a == DB_AFFINITY_REAL || a == DB_AFFINITY_NUMERIC;
}

/* True when table is stem, or its plural (customers, boxes, categories). */
static bool names_table(const char *table, const char *stem, size_t n)
{
    size_t len = strlen(table);
    if (len < n || n == 0)
        return false;
    if (!strncasecmp(table, stem, n) &&
        (len == n || !strcasecmp(table + n, "s") || !strcasecmp(table + n, "es")))
        return true;
    return n > 1 && tolower((unsigned char)stem[n - 1]) == 'y' &&
           !strncasecmp(table, stem, n - 1) && !strcasecmp(table + n - 1, "ies");
}

/* "customer_id", "CustomerId" and "customerid": the length of "customer"; 0: no such name. */
static size_t id_stem(const char *name)
{
    size_t n = strlen(name);
    if (n > 3 && !strcasecmp(name + n - 3, "_id"))
        return n - 3;
    if (n > 2 && (!strcmp(name + n - 2, "Id") || !strcmp(name + n - 2, "ID")))
        return n - 2;
    return 0;
}

static void inferred_keys(db_schema *s, db_table *t, db_fk **fks, size_t *cap)
{
    int key = t->n_fks ? (*fks)[t->n_fks - 1].key + 1 : 0;
    for (int i = 0; i < t->n_columns; i++) {
        const db_column *c = &t->columns[i];
        size_t stem = c->fk >= 0 || (c->pk && t->n_pk == 1) ? 0 : id_stem(c->name);
        for (int j = 0; stem && j < s->n_tables; j++) {
            const db_table *ref = &s->tables[j];
            int pk = ref->n_pk == 1 ? pk_column(ref, 0) : -1;
            if (ref == t || pk < 0 || !names_table(ref->name, c->name, stem) ||
                is_number(ref->columns[pk].affinity) != is_number(c->affinity))
                continue;
            db_fk fk = {
                .column = i, .ref_table = j, .ref_column = pk, .key = key, .inferred = true};
            key++;
            fk_add(t, fks, cap, fk);
            break;
        }
    }
}

static cmat_status read_keys(db_schema *s, db_table *t, sqlite3 *db, cmat_error *err)
{
    db_fk *fks = NULL;
    size_t cap = 0;
    cmat_status rc = declared_keys(s, t, db, &fks, &cap, err);
    if (!t->view)
        inferred_keys(s, t, &fks, &cap);
    t->fks = cmat_arena_alloc(&s->arena, ((size_t)t->n_fks + 1) * sizeof *fks);
    if (t->n_fks)
        memcpy(t->fks, fks, (size_t)t->n_fks * sizeof *fks);
    free(fks);
    return rc;
}

/* A cell for people: one line, at most SAMPLE_CHARS characters; BLOBs by their size. */
static const char *sample_text(db_schema *s, sqlite3_stmt *st, int i)
{
    int type = sqlite3_column_type(st, i);
    if (type == SQLITE_NULL)
        return NULL;
    if (type == SQLITE_BLOB)
        return cmat_arena_printf(&s->arena, "<%d bytes>", sqlite3_column_bytes(st, i));
    const char *text = text_of(st, i);
    size_t n = 0, chars = 0;
    while (text[n] && (chars < SAMPLE_CHARS || ((unsigned char)text[n] & 0xC0) == 0x80)) {
        chars += ((unsigned char)text[n] & 0xC0) != 0x80;
        n++;
    }
    char *out = text[n] ? cmat_arena_printf(&s->arena, "%.*s...", (int)n, text)
                        : cmat_arena_strndup(&s->arena, text, n);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    return out;
}

static cmat_status read_rows(db_schema *s, db_table *t, sqlite3 *db, cmat_error *err)
{
    cmat_buf sql = {0};
    sqlite3_stmt *st = NULL;
    cmat_status rc = CMAT_OK;
    if (!t->view) {
        cmat_buf_puts(&sql, "SELECT count(*) FROM ");
        db_name_add(&sql, t->name, '"');
        /* A virtual table whose module is missing here cannot be read: it stays without rows. */
        if (sqlite3_prepare_v2(db, sql.data, -1, &st, NULL) == SQLITE_OK &&
            sqlite3_step(st) == SQLITE_ROW)
            t->n_rows = sqlite3_column_int64(st, 0);
        sqlite3_finalize(st);
        st = NULL;
        cmat_buf_truncate(&sql, 0);
    }
    cmat_buf_puts(&sql, "SELECT * FROM ");
    db_name_add(&sql, t->name, '"');
    cmat_buf_printf(&sql, " LIMIT %d", DB_MAX_SAMPLES);
    if (sqlite3_prepare_v2(db, sql.data, -1, &st, NULL) != SQLITE_OK)
        goto done;
    int n = sqlite3_column_count(st), step;
    while ((step = sqlite3_step(st)) == SQLITE_ROW && t->n_samples < DB_MAX_SAMPLES) {
        const char **row = cmat_arena_alloc(&s->arena, ((size_t)t->n_columns + 1) * sizeof *row);
        for (int i = 0; i < n && i < t->n_columns; i++)
            row[i] = sample_text(s, st, i);
        t->samples[t->n_samples++] = row;
    }
    if (step == SQLITE_CORRUPT || step == SQLITE_NOTADB)
        rc = step_end(db, step, err);
done:
    sqlite3_finalize(st);
    cmat_buf_clear(&sql);
    return rc;
}

cmat_status db_schema_read(db_schema *s, sqlite3 *db, cmat_error *err)
{
    memset(s, 0, sizeof *s);
    cmat_status rc = read_tables(s, db, err);
    for (int i = 0; rc == CMAT_OK && i < s->n_tables; i++)
        rc = read_columns(s, &s->tables[i], db, err);
    for (int i = 0; rc == CMAT_OK && i < s->n_tables; i++)
        rc = read_keys(s, &s->tables[i], db, err);
    for (int i = 0; rc == CMAT_OK && i < s->n_tables; i++)
        rc = read_rows(s, &s->tables[i], db, err);
    if (rc != CMAT_OK)
        db_schema_clear(s);
    return rc;
}

void db_schema_clear(db_schema *s)
{
    free(s->tables);
    cmat_arena_clear(&s->arena);
    memset(s, 0, sizeof *s);
}

int db_schema_find_table(const db_schema *s, const char *name)
{
    for (int i = 0; i < s->n_tables; i++)
        if (!strcasecmp(s->tables[i].name, name))
            return i;
    return -1;
}

int db_table_find_column(const db_table *t, const char *name)
{
    for (int i = 0; i < t->n_columns; i++)
        if (!strcasecmp(t->columns[i].name, name))
            return i;
    return -1;
}

/* Over lower-cased bytes, underscores as blanks; SIZE_MAX for long names. */
static size_t distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    const char *text[2] = {a, b};
    char folded[2][MAX];
    const size_t n = strlen(a), m = strlen(b);
    if (n > MAX || m > MAX)
        return SIZE_MAX;
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; text[t][i]; i++)
            folded[t][i] = text[t][i] == '_' ? ' ' : (char)tolower((unsigned char)text[t][i]);
    return cmat_text_distance(folded[0], n, folded[1], m);
}

/* How far a candidate is, a contained name counting as near; SIZE_MAX: too far to be meant. */
static size_t far_from(const char *name, const char *candidate)
{
    size_t n = strlen(name), d = distance(name, candidate);
    if (n >= 3 && strlen(candidate) >= 3 &&
        (strcasestr(candidate, name) || strcasestr(name, candidate)))
        d = d > 3 ? 3 : d;
    return d <= 1 + n / 3 || d <= 3 ? d : SIZE_MAX;
}

const char *db_schema_nearest(const db_schema *s, int table, bool columns, const char *name)
{
    const char *best = NULL;
    size_t best_d = SIZE_MAX, limit = strlen(name) < 4 ? 2 : SIZE_MAX;
    for (int i = 0; i < s->n_tables; i++) {
        const db_table *t = &s->tables[i];
        if (table >= 0 && table != i)
            continue;
        for (int j = 0; j < (columns ? t->n_columns : 1); j++) {
            const char *candidate = columns ? t->columns[j].name : t->name;
            size_t d = far_from(name, candidate);
            if (d < best_d && d < limit) {
                best_d = d;
                best = candidate;
            }
        }
    }
    return best;
}

/* Words that a server reserves and SQLite does not. */
static const char *const maria_words[] = {
    "ACCESSIBLE",    "ASENSITIVE", "BEFORE",     "BIGINT",        "BINARY",      "BLOB",
    "BOTH",          "CALL",       "CHANGE",     "CHAR",          "CHARACTER",   "CONDITION",
    "CONTINUE",      "CONVERT",    "CURSOR",     "DATABASES",     "DEC",         "DECIMAL",
    "DECLARE",       "DELAYED",    "DESCRIBE",   "DETERMINISTIC", "DISTINCTROW", "DIV",
    "DOUBLE",        "DUAL",       "ELSEIF",     "ENCLOSED",      "ESCAPED",     "EXIT",
    "FETCH",         "FLOAT",      "FORCE",      "FULLTEXT",      "GENERAL",     "GRANT",
    "HIGH_PRIORITY", "INFILE",     "INOUT",      "INSENSITIVE",   "INT",         "INTEGER",
    "INTERVAL",      "ITERATE",    "KEYS",       "KILL",          "LEADING",     "LEAVE",
    "LINEAR",        "LINES",      "LOAD",       "LOCALTIME",     "LOCK",        "LONG",
    "LONGTEXT",      "LOOP",       "MAXVALUE",   "MOD",           "MODIFIES",    "NUMERIC",
    "OPTIMIZE",      "OPTION",     "OPTIONALLY", "OUT",           "OUTFILE",     "PRECISION",
    "PROCEDURE",     "PURGE",      "READ",       "READS",         "REAL",        "REPEAT",
    "REQUIRE",       "RESIGNAL",   "RETURN",     "REVOKE",        "RLIKE",       "SCHEMA",
    "SCHEMAS",       "SENSITIVE",  "SEPARATOR",  "SHOW",          "SIGNAL",      "SMALLINT",
    "SPATIAL",       "SPECIFIC",   "SQL",        "SSL",           "STARTING",    "TERMINATED",
    "TINYINT",       "TRAILING",   "UNDO",       "UNLOCK",        "UNSIGNED",    "USAGE",
    "USE",           "VARBINARY",  "VARCHAR",    "VARYING",       "WHILE",       "WRITE",
    "XOR",           "ZEROFILL",   NULL};
static const char *const postgres_words[] = {"ANALYSE",
                                             "ANY",
                                             "ARRAY",
                                             "ASYMMETRIC",
                                             "AUTHORIZATION",
                                             "BINARY",
                                             "BOTH",
                                             "CONCURRENTLY",
                                             "CURRENT_CATALOG",
                                             "CURRENT_ROLE",
                                             "CURRENT_SCHEMA",
                                             "CURRENT_USER",
                                             "FALSE",
                                             "FETCH",
                                             "FREEZE",
                                             "GRANT",
                                             "ILIKE",
                                             "LATERAL",
                                             "LEADING",
                                             "LOCALTIME",
                                             "LOCALTIMESTAMP",
                                             "ONLY",
                                             "PLACING",
                                             "SESSION_USER",
                                             "SIMILAR",
                                             "SOME",
                                             "SYMMETRIC",
                                             "TABLESAMPLE",
                                             "TRAILING",
                                             "TRUE",
                                             "USER",
                                             "VARIADIC",
                                             "VERBOSE",
                                             NULL};

static bool is_word(const char *const *words, const char *name)
{
    for (; *words; words++)
        if (!strcasecmp(*words, name))
            return true;
    return false;
}

bool db_name_is_bare(const char *name, char quote)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    for (const char *p = name; *p; p++)
        if ((!isalnum((unsigned char)*p) && *p != '_') ||
            (quote == DB_QUOTE_POSTGRES && isupper((unsigned char)*p)))
            return false;
    if ((quote == DB_QUOTE_MARIADB && is_word(maria_words, name)) ||
        (quote == DB_QUOTE_POSTGRES && is_word(postgres_words, name)))
        return false;
    return !sqlite3_keyword_check(name, (int)strlen(name));
}

void db_quoted_add(cmat_buf *out, const char *name, char mark)
{
    cmat_buf_putc(out, mark);
    for (const char *p = name; *p; p++) {
        if (*p == mark)
            cmat_buf_putc(out, mark);
        cmat_buf_putc(out, *p);
    }
    cmat_buf_putc(out, mark);
}

void db_name_add(cmat_buf *out, const char *name, char quote)
{
    if (db_name_is_bare(name, quote))
        cmat_buf_puts(out, name);
    else
        db_quoted_add(out, name,
                      quote == DB_QUOTE_MARIADB    ? '`'
                      : quote == DB_QUOTE_POSTGRES ? '"'
                                                   : quote);
}

void db_literal_add(cmat_buf *out, const char *value)
{
    cmat_buf_putc(out, '\'');
    for (const char *p = value; *p; p++) {
        if (*p == '\'')
            cmat_buf_putc(out, '\'');
        cmat_buf_putc(out, *p);
    }
    cmat_buf_putc(out, '\'');
}

/* The type as a short word: what can be stored, not how much ("varchar(190)" is text,
 * "decimal(10,2)" decimal), so that the columns fit; a list of values stays. */
static void type_text(const db_column *c, cmat_buf *out)
{
    const char *t = c->type;
    if (!*t)
        return;
    cmat_buf_putc(out, ' ');
    if (strncasecmp(t, "ENUM", 4) == 0 || strncasecmp(t, "SET(", 4) == 0) {
        cmat_buf_puts(out, t);
    } else if (strcasestr(t, "CHAR") || strcasestr(t, "TEXT") || strcasestr(t, "CLOB")) {
        cmat_buf_puts(out, "text");
    } else if (strncasecmp(t, "INTEGER", 7) == 0) {
        cmat_buf_puts(out, "int");
    } else if (strncasecmp(t, "DOUBLE", 6) == 0) {
        cmat_buf_puts(out, "double");
    } else {
        for (; *t && *t != '('; t++)
            cmat_buf_putc(out, (char)tolower((unsigned char)*t));
    }
}

/* "customer_id int pk -> customers" */
static void column_text(const db_schema *s, const db_table *t, const db_column *c,
                        const db_schema_prompt_options *o, cmat_buf *out)
{
    db_name_add(out, c->name, o->quote);
    if (o->types)
        type_text(c, out);
    if (c->pk)
        cmat_buf_puts(out, " pk");
    if (c->fk >= 0) {
        cmat_buf_puts(out, " -> ");
        db_name_add(out, s->tables[t->fks[c->fk].ref_table].name, o->quote);
    }
}

/* Appends the table's line; columns past `room` bytes become "...". False when some were cut. */
static bool table_line(const db_schema *s, const db_table *t, const db_schema_prompt_options *o,
                       size_t room, cmat_buf *out)
{
    size_t start = out->len;
    db_name_add(out, t->name, o->quote);
    cmat_buf_putc(out, '(');
    for (int i = 0; i < t->n_columns; i++) {
        size_t before = out->len;
        if (i)
            cmat_buf_puts(out, ", ");
        column_text(s, t, &t->columns[i], o, out);
        if (out->len - start > room && i > 0) {
            cmat_buf_truncate(out, before);
            cmat_buf_puts(out, ", ...)\n");
            return false;
        }
    }
    cmat_buf_puts(out, ")\n");
    return true;
}

static void sample_line(const db_table *t, int row, cmat_buf *out)
{
    cmat_buf_puts(out, row ? "     " : "e.g. ");
    for (int i = 0; i < t->n_columns; i++) {
        const char *text = t->samples[row][i];
        cmat_buf_printf(out, "%s%s", i ? " | " : "", text ? text : "NULL");
    }
    cmat_buf_putc(out, '\n');
}

/* Writes everything with at most `samples` rows a table and `room` bytes a table line. */
static bool prompt_with(const db_schema *s, const db_schema_prompt_options *o, int samples,
                        size_t room, cmat_buf *out)
{
    bool whole = true;
    for (int i = 0; i < s->n_tables; i++) {
        const db_table *t = &s->tables[i];
        whole &= table_line(s, t, o, room, out);
        for (int r = 0; r < samples && r < t->n_samples; r++)
            sample_line(t, r, out);
    }
    return whole;
}

void db_schema_prompt(const db_schema *s, const db_schema_prompt_options *o, cmat_buf *out)
{
    size_t start = out->len;
    for (int samples = o->n_samples; samples >= 0; samples--) {
        cmat_buf_truncate(out, start);
        prompt_with(s, o, samples, SIZE_MAX, out);
        if (out->len - start <= o->budget)
            return;
    }
    /* Not even the columns fit: every table keeps its name and as many columns as its share allows.
     */
    size_t room = s->n_tables ? o->budget / (size_t)s->n_tables : o->budget;
    cmat_buf_truncate(out, start);
    prompt_with(s, o, 0, room < 24 ? 24 : room - 8, out);
    size_t kept = out->len - start;
    if (kept > o->budget) {
        size_t end = start + o->budget;
        while (end > start && out->data[end - 1] != '\n')
            end--;
        cmat_buf_truncate(out, end);
    }
    cmat_buf_puts(out, "(not every column or table fits here; ask the database for the rest)\n");
}
