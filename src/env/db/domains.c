/* env/db/domains.c - practice databases: the tables of a plan written and filled with rows. */
#include "env/db/domains.h"
#include "core/buf.h"
#include "core/fs.h"
#include "core/hash.h"
#include "env/db/domain_plan.h"
#include "env/db/schema.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))

enum { SEEN_SIZE = 8192 /* > 4 times the rows of the largest table */ };

typedef struct {
    plan p;
    sqlite3 *db;
    sqlite3_stmt *stmt;
    cmat_status st;
    cmat_error *err;
    uint64_t seen[SEEN_SIZE]; /* hashes of the names given in this table; 0: free */
} maker;

/* What the values of one row share. */
typedef struct {
    int number; /* of the row, from 0 */
    const char *first, *last;
    const domain_place *place;
    int ref_table, ref_row; /* of the last reference; the table is -1 when there is none yet */
    int day;                /* the last date, in days since 1970; 0: none yet */
} row_facts;

typedef struct {
    enum { CELL_NULL, CELL_INT, CELL_REAL, CELL_TEXT } type;
    int64_t i;
    double d;
    char text[200];
} cell;

static void fail(maker *m)
{
    if (m->st == CMAT_OK)
        m->st = cmat_fail(m->err, CMAT_ERR_IO, "domain: %s", sqlite3_errmsg(m->db));
}

static const char *from_bank(maker *m, const char *name)
{
    const domain_words *w = domain_word_banks;
    while (w->name && strcmp(w->name, name) != 0)
        w++;
    int n = 0;
    while (w->name && w->items[n])
        n++;
    return n ? w->items[plan_below(&m->p, n)] : "";
}

static row_facts new_row(maker *m, int number)
{
    int n = 0;
    while (domain_places[n].city)
        n++;
    /* a database knows a part of the world: half of the places, from a start of its own */
    int from = (int)(m->p.domain->name[0] * 7u + (unsigned)m->p.tables[0].n_rows * 11u) % n;
    return (row_facts){.number = number,
                       .ref_table = -1,
                       .first = from_bank(m, "given"),
                       .last = from_bank(m, "family"),
                       .place = &domain_places[(from + plan_below(&m->p, n / 2)) % n]};
}

/* A number in 0..1, near 0 more often when skew > 1. */
static double skewed(maker *m, double skew)
{
    return pow(cmat_rng_double(&m->p.rng), skew);
}

static void set_text(cell *v, const char *s)
{
    v->type = CELL_TEXT;
    snprintf(v->text, sizeof v->text, "%s", s);
}

/* Days since 1970 as a civil date (Howard Hinnant's days algorithm, proleptic Gregorian). */
static void day_text(maker *m, int day, char *out, size_t size)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int z = day + 719468, era = z / 146097, doe = z - era * 146097;
    int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int d = doy - (153 * mp + 2) / 5 + 1, mon = mp < 10 ? mp + 3 : mp - 9;
    int y = yoe + era * 400 + (mon <= 2);
    switch (m->p.style.date_style) {
    case 1:
    case 2:
        snprintf(out, size, "%04d-%02d-%02d %02d:%02d:00", y, mon, d, 7 + plan_below(&m->p, 13),
                 plan_below(&m->p, 12) * 5);
        break;
    case 3:
        snprintf(out, size, "%02d.%02d.%04d", d, mon, y);
        break;
    case 4:
        snprintf(out, size, "%s %d, %d", months[mon - 1], d, y);
        break;
    default:
        snprintf(out, size, "%04d-%02d-%02d", y, mon, d);
    }
}

static void make_code(maker *m, const char *pattern, cell *v)
{
    size_t n = 0;
    v->type = CELL_TEXT;
    for (; *pattern && n + 1 < sizeof v->text; pattern++)
        v->text[n++] = (char)(*pattern == '#'   ? '0' + plan_below(&m->p, 10)
                              : *pattern == '@' ? 'A' + plan_below(&m->p, 26)
                                                : *pattern);
    v->text[n] = 0;
}

static void make_mix(maker *m, const plan_column *c, const row_facts *r, cell *v)
{
    cmat_buf b = {0};
    for (int i = 0; i < c->n_lists; i++) {
        const char *s = c->lists[i].items[plan_below(&m->p, c->lists[i].n)];
        if (strcmp(s, "@city") == 0)
            s = r->place->city;
        else if (*s == '@')
            s = from_bank(m, s + 1);
        cmat_buf_printf(&b, "%s%s", b.len && *s ? " " : "", s);
    }
    set_text(v, cmat_buf_str(&b));
    cmat_buf_clear(&b);
}

static void make_of(maker *m, const plan_column *c, cell *v)
{
    const plan_list *l = &c->lists[0];
    set_text(v, l->items[(int)(skewed(m, c->skew) * l->n)]);
    if (m->p.style.case_style == 0)
        return;
    v->text[0] = (char)toupper((unsigned char)v->text[0]);
    if (m->p.style.case_style == 2 && strlen(v->text) <= 12)
        for (char *s = v->text; *s; s++)
            *s = *s == ' ' ? '_' : (char)toupper((unsigned char)*s);
}

static void make_email(const row_facts *r, cell *v)
{
    static const char *const hosts[] = {"example.com", "example.org", "example.net",
                                        "mail.example"};
    char name[80];
    snprintf(name, sizeof name, "%s.%s", r->first, r->last);
    for (char *s = name; *s; s++)
        *s = (char)tolower((unsigned char)*s);
    v->type = CELL_TEXT;
    snprintf(v->text, sizeof v->text, "%s%d@%s", name, r->number % 97,
             hosts[r->number % LEN(hosts)]);
}

static void make_ref(maker *m, const plan_table *t, const plan_column *c, row_facts *r, cell *v)
{
    const plan_table *to = &m->p.tables[c->ref];
    /* a row of the same table points back, so that there are no rings */
    int n = to == t ? r->number : to->n_rows;
    if (n == 0) {
        v->type = CELL_NULL;
        return;
    }
    int row = (int)(skewed(m, c->skew) * n);
    if (r->ref_table == c->ref && r->ref_row == row)
        row = (row + 1) % n; /* no team plays against itself */
    r->ref_table = c->ref;
    r->ref_row = row;
    int key = to->keys[row];
    v->type = CELL_INT;
    v->i = key;
    if (to->text_key) {
        v->type = CELL_TEXT;
        snprintf(v->text, sizeof v->text, "%s%04d", to->key_prefix, key);
    }
}

static void make_number(maker *m, const plan_column *c, cell *v)
{
    double x = c->lo + (c->hi - c->lo) * skewed(m, c->skew);
    v->type = CELL_REAL;
    if (c->kind == PLAN_MONEY) {
        static const double ends[] = {0, 0, 0.5, 0.99, 0.95, 0.25};
        double part = plan_chance(&m->p, 60) ? ends[plan_below(&m->p, LEN(ends))]
                                             : plan_below(&m->p, 100) / 100.0;
        v->d = c->hi > 5000 ? round(x / 10) * 10 + (plan_chance(&m->p, 30) ? part : 0)
                            : round((floor(x) + part) * 100) / 100;
    } else if (c->kind == PLAN_REAL) {
        v->d = round(x * 10) / 10;
    } else if (c->kind == PLAN_PCT) {
        v->d = round(skewed(m, c->skew) * 1000) / 10;
    } else {
        v->type = CELL_INT;
        v->i = c->kind == PLAN_FLAG ? plan_chance(&m->p, 70)
                                    : (int64_t)(c->lo + (c->hi - c->lo + 1) * skewed(m, c->skew));
    }
}

static void make_date(maker *m, const plan_column *c, row_facts *r, cell *v)
{
    if (c->kind == PLAN_AFTER && r->day)
        r->day += 1 + plan_below(&m->p, c->lo > 1 ? (int)c->lo : 30);
    else if (c->kind == PLAN_AFTER)
        r->day = 18600 + plan_below(&m->p, 1500);
    else
        r->day = (int)(365.2425 * (c->lo - 1970)) +
                 plan_below(&m->p, (int)(365.2425 * (c->hi - c->lo + 1)));
    v->type = CELL_TEXT;
    day_text(m, r->day, v->text, sizeof v->text);
}

static void make_value(maker *m, const plan_table *t, const plan_column *c, row_facts *r, cell *v)
{
    plan *p = &m->p;
    v->type = CELL_TEXT;
    switch (c->kind) {
    case PLAN_KEY:
        v->type = t->text_key ? CELL_TEXT : CELL_INT;
        v->i = t->keys[r->number];
        snprintf(v->text, sizeof v->text, "%s%04d", t->key_prefix, t->keys[r->number]);
        break;
    case PLAN_PERSON:
        snprintf(v->text, sizeof v->text, "%s %s", r->first, r->last);
        break;
    case PLAN_FIRST:
        set_text(v, r->first);
        break;
    case PLAN_LAST:
        set_text(v, r->last);
        break;
    case PLAN_COMPANY:
        snprintf(v->text, sizeof v->text, "%s %s", from_bank(m, "company start"),
                 from_bank(m, "company end"));
        break;
    case PLAN_CITY:
        set_text(v, r->place->city);
        break;
    case PLAN_COUNTRY:
        set_text(v, r->place->country);
        break;
    case PLAN_STREET:
        snprintf(v->text, sizeof v->text, "%d %s", 1 + plan_below(p, 199), from_bank(m, "street"));
        break;
    case PLAN_EMAIL:
        make_email(r, v);
        break;
    case PLAN_PHONE:
        make_code(m, "+## ### #######", v);
        break;
    case PLAN_TEXT:
        set_text(v, from_bank(m, "remark"));
        break;
    case PLAN_CODE:
        make_code(m, c->args, v);
        break;
    case PLAN_MIX:
        make_mix(m, c, r, v);
        break;
    case PLAN_OF:
        make_of(m, c, v);
        break;
    case PLAN_TIME:
        snprintf(v->text, sizeof v->text, "%02d:%02d", 6 + plan_below(p, 17),
                 plan_below(p, 4) * 15);
        break;
    case PLAN_DATE:
    case PLAN_AFTER:
        make_date(m, c, r, v);
        break;
    case PLAN_REF:
        make_ref(m, t, c, r, v);
        break;
    default:
        make_number(m, c, v);
    }
}

/* True when no row of the table has had this name: it is marked as used. */
static bool new_name(maker *m, const char *name)
{
    uint64_t h = cmat_fnv1a(name, strlen(name)) | 1;
    size_t i = (h >> 7) % SEEN_SIZE;
    for (; m->seen[i]; i = (i + 1) % SEEN_SIZE)
        if (m->seen[i] == h)
            return false;
    m->seen[i] = h;
    return true;
}

/* The first column that names rows: its values should differ. */
static int naming_column(const plan_table *t)
{
    for (int c = 0; c < t->n_columns; c++) {
        plan_kind k = t->columns[c].kind;
        if (k == PLAN_MIX || k == PLAN_PERSON || k == PLAN_COMPANY || k == PLAN_CODE)
            return c;
    }
    return -1;
}

static void bind(maker *m, int k, const cell *v)
{
    if (v->type == CELL_INT)
        sqlite3_bind_int64(m->stmt, k, v->i);
    else if (v->type == CELL_REAL)
        sqlite3_bind_double(m->stmt, k, v->d);
    else if (v->type == CELL_TEXT)
        sqlite3_bind_text(m->stmt, k, v->text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(m->stmt, k);
}

static void add_row(maker *m, const plan_table *t, int number, int naming)
{
    row_facts r = new_row(m, number);
    for (int c = 0; c < t->n_columns; c++) {
        const plan_column *col = &t->columns[c];
        cell v = {0};
        make_value(m, t, col, &r, &v);
        for (int tries = 0; c == naming && !new_name(m, v.text) && tries < 30; tries++) {
            int day = r.day;
            r = new_row(m, number);
            r.day = day;
            make_value(m, t, col, &r, &v);
        }
        bool missing = col->null_percent > 0 && plan_chance(&m->p, col->null_percent);
        if (missing)
            v.type = CELL_NULL;
        bind(m, c + 1, &v);
    }
    if (sqlite3_step(m->stmt) != SQLITE_DONE)
        fail(m);
    sqlite3_reset(m->stmt);
}

static void fill_table(maker *m, const plan_table *t)
{
    cmat_buf b = {0};
    cmat_buf_puts(&b, "INSERT OR IGNORE INTO ");
    db_name_add(&b, t->name, '"');
    for (int c = 0; c < t->n_columns; c++)
        cmat_buf_puts(&b, c ? ",?" : " VALUES(?");
    cmat_buf_puts(&b, ")");
    if (sqlite3_prepare_v2(m->db, cmat_buf_str(&b), -1, &m->stmt, NULL) != SQLITE_OK)
        fail(m);
    cmat_buf_clear(&b);
    memset(m->seen, 0, sizeof m->seen);
    int naming = naming_column(t);
    for (int i = 0; i < t->n_rows && m->st == CMAT_OK; i++)
        add_row(m, t, i, naming);
    sqlite3_finalize(m->stmt);
    m->stmt = NULL;
}

/* The column that holds the key of t; NULL for a link table. */
static const plan_column *key_column(const plan_table *t)
{
    for (int c = 0; c < t->n_columns; c++)
        if (t->columns[c].kind == PLAN_KEY)
            return &t->columns[c];
    return NULL;
}

static void add_pair_key(cmat_buf *b, const plan_table *t)
{
    int n = 0;
    for (int c = 0; c < t->n_columns && n < 2; c++)
        if (t->columns[c].kind == PLAN_REF && t->columns[c].null_percent == 0) {
            cmat_buf_puts(b, n++ ? ", " : ", PRIMARY KEY (");
            db_name_add(b, t->columns[c].name, '"');
        }
    if (n)
        cmat_buf_puts(b, ")");
}

static void create_table(maker *m, const plan_table *t)
{
    cmat_buf b = {0};
    cmat_buf_puts(&b, "CREATE TABLE ");
    db_name_add(&b, t->name, '"');
    for (int c = 0; c < t->n_columns; c++) {
        const plan_column *col = &t->columns[c];
        cmat_buf_puts(&b, c ? ", " : " (");
        db_name_add(&b, col->name, '"');
        cmat_buf_printf(
            &b, " %s%s%s", col->type, col->kind == PLAN_KEY ? " PRIMARY KEY" : "",
            col->not_null && !(col->ref >= 0 && &m->p.tables[col->ref] == t) ? " NOT NULL" : "");
        if (col->kind == PLAN_REF && m->p.style.declared_keys) {
            const plan_table *to = &m->p.tables[col->ref];
            cmat_buf_puts(&b, " REFERENCES ");
            db_name_add(&b, to->name, '"');
            cmat_buf_puts(&b, "(");
            db_name_add(&b, key_column(to)->name, '"');
            cmat_buf_puts(&b, ")");
        }
    }
    if (t->pair_key)
        add_pair_key(&b, t);
    cmat_buf_puts(&b, ")");
    if (m->st == CMAT_OK && sqlite3_exec(m->db, cmat_buf_str(&b), NULL, NULL, NULL) != SQLITE_OK)
        fail(m);
    cmat_buf_clear(&b);
}

static void make_all(maker *m, uint64_t seed)
{
    if (sqlite3_exec(
            m->db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA page_size=4096; BEGIN",
            NULL, NULL, NULL) != SQLITE_OK)
        fail(m);
    for (int t = 0; t < m->p.n_tables && m->st == CMAT_OK; t++)
        create_table(m, &m->p.tables[t]);
    for (int t = 0; t < m->p.n_tables && m->st == CMAT_OK; t++) {
        cmat_rng_init_sub(&m->p.rng, seed, 1 + (uint64_t)t);
        fill_table(m, &m->p.tables[t]);
    }
    if (m->st == CMAT_OK && sqlite3_exec(m->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        fail(m);
}

cmat_status db_domain_make(const char *path, uint64_t seed, cmat_error *err)
{
    char *tmp = cmat_xasprintf("%s.tmp-%ld", path, (long)getpid());
    maker *m = cmat_xcalloc(1, sizeof(*m));
    m->err = err;
    unlink(tmp);
    if (sqlite3_open_v2(tmp, &m->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK) {
        m->st = cmat_fail(err, CMAT_ERR_IO, "domain: create %s: %s", tmp, sqlite3_errmsg(m->db));
    } else {
        plan_make(&m->p, seed);
        make_all(m, seed);
    }
    if (sqlite3_close(m->db) != SQLITE_OK && m->st == CMAT_OK)
        m->st = cmat_fail(err, CMAT_ERR_IO, "domain: close %s", tmp);
    if (m->st == CMAT_OK)
        m->st = cmat_rename(tmp, path, err);
    if (m->st != CMAT_OK)
        unlink(tmp);
    cmat_status st = m->st;
    plan_clear(&m->p);
    free(m);
    free(tmp);
    return st;
}
