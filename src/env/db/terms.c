/* env/db/terms.c - a schema in people's words: what columns mean, what rows are called, values said
 * aloud. */
#include "core/text.h"
#include "env/db/tasks.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))

int gen_below(db_gen *g, int n)
{
    return (int)cmat_rng_below(&g->rng, (uint64_t)n);
}

bool gen_chance(db_gen *g, int percent)
{
    return gen_below(g, 100) < percent;
}

const char *gen_fmt(db_gen *g, const char *fmt, ...)
{
    va_list ap;
    cmat_buf b = {0};
    va_start(ap, fmt);
    cmat_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    const char *s = cmat_arena_strndup(&g->arena, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return s;
}

const char *gen_fill(db_gen *g, const char *tmpl, const phrase_slot *slots)
{
    cmat_buf b = {0};
    phrase_fill(&b, &g->rng, tmpl, slots);
    const char *s = cmat_arena_strndup(&g->arena, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return s;
}

void gen_say(db_gen *g, db_draft *d, const char *const *templates, int n, const phrase_slot *slots)
{
    phrase_say(&d->text, &g->rng, templates, n, slots);
}

static bool name_ends(const char *name, const char *tail)
{
    size_t n = strlen(name), k = strlen(tail);
    return n >= k && strcasecmp(name + n - k, tail) == 0;
}

static bool name_has(const char *name, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (cmat_text_find(name, words[i]))
            return true;
    return false;
}

static const char *keep(db_gen *g, cmat_buf *b)
{
    const char *s = cmat_arena_strndup(&g->terms, cmat_buf_str(b), b->len);
    cmat_buf_clear(b);
    return s;
}

/* "placed" of "placed_on": a verb that dates things, or NULL. */
static const char *date_verb(db_gen *g, const char *human)
{
    static const char *const odd[] = {"paid", "sent",   "sold", "made", "built",
                                      "born", "bought", "shot", "won"};
    size_t n = strcspn(human, " ");
    const char *rest = human + n;
    if (strcmp(rest, " on") && strcmp(rest, " at") && strcmp(rest, " date") && *rest)
        return NULL;
    bool verb = n > 3 && strncmp(human + n - 2, "ed", 2) == 0;
    for (int i = 0; i < LEN(odd); i++)
        verb = verb || (strlen(odd[i]) == n && strncmp(human, odd[i], n) == 0);
    return verb ? cmat_arena_strndup(&g->terms, human, n) : NULL;
}

static void name_column(db_gen *g, const db_column *col, db_column_terms *c)
{
    cmat_buf b = {0};
    phrase_humanise(&b, col->name);
    c->human = keep(g, &b);
    if (c->role == COL_DATE && (c->verb = date_verb(g, c->human)) != NULL)
        c->human = cmat_arena_printf(&g->terms, "date %s", c->verb);
    if (c->role == COL_DATE && c->verb) {
        c->plural = cmat_arena_printf(&g->terms, "dates %s", c->verb);
    } else {
        phrase_plural(&b, c->human);
        c->plural =
            name_ends(c->human, "s") && !name_ends(c->human, "ss") && !name_ends(c->human, "us")
                ? (cmat_buf_clear(&b), c->human)
                : keep(g, &b);
    }
}

typedef struct {
    int64_t n_int, n_real, n_text, n_blob, n_date, max_len, n_bad;
} column_counts;

static void count_column(db_gen *g, const db_table *t, const db_column *col, db_column_terms *c,
                         column_counts *n)
{
    cmat_buf q = {0};
    cmat_buf name = {0}, tab = {0};
    db_name_add(&name, col->name, g->quote);
    db_name_add(&tab, t->name, g->quote);
    const char *x = cmat_buf_str(&name);
    cmat_buf_printf(&q,
                    "SELECT count(*), count(%s), count(DISTINCT %s), sum(typeof(%s) = 'integer'), "
                    "sum(typeof(%s) = 'real'), sum(typeof(%s) = 'text'), sum(typeof(%s) = 'blob'), "
                    "sum(%s GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]*'), max(length(%s)), "
                    "min(%s), max(%s) "
                    "FROM (SELECT %s FROM %s LIMIT 200000)",
                    x, x, x, x, x, x, x, x, x, x, x, cmat_buf_str(&tab));
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(g->db, cmat_buf_str(&q), -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW) {
        c->n_values = sqlite3_column_int64(st, 1);
        c->n_null = sqlite3_column_int64(st, 0) - c->n_values;
        c->n_distinct = sqlite3_column_int64(st, 2);
        *n = (column_counts){sqlite3_column_int64(st, 3),
                             sqlite3_column_int64(st, 4),
                             sqlite3_column_int64(st, 5),
                             sqlite3_column_int64(st, 6),
                             sqlite3_column_int64(st, 7),
                             sqlite3_column_int64(st, 8),
                             0};
        c->min = sqlite3_column_double(st, 9);
        c->max = sqlite3_column_double(st, 10);
    } else {
        n->n_bad = 1;
    }
    sqlite3_finalize(st);
    cmat_buf_clear(&q);
    cmat_buf_clear(&name);
    cmat_buf_clear(&tab);
}

static bool is_id_name(const char *name)
{
    return strcasecmp(name, "id") == 0 || name_ends(name, "_id") || name_ends(name, " id") ||
           name_ends(name, "Id") || name_ends(name, "uuid");
}

static void read_column(db_gen *g, int ti, int ci)
{
    static const char *const money[] = {"price",  "cost", "total",   "amount", "salary",
                                        "refund", "fee",  "revenue", "budget"};
    const db_table *t = &g->s->tables[ti];
    const db_column *col = &t->columns[ci];
    db_column_terms *c = &g->tables[ti].cols[ci];
    column_counts n = {0};
    count_column(g, t, col, c, &n);
    int64_t numbers = n.n_int + n.n_real, v = c->n_values;
    c->numeric = v > 0 && numbers == v;
    c->whole = v > 0 && n.n_int == v;
    if (v == 0 || n.n_bad || n.n_blob || (numbers && n.n_text))
        c->role = COL_OTHER;
    else if (col->fk >= 0 || (t->n_pk == 1 && col->pk) || (is_id_name(col->name) && !n.n_real))
        c->role = COL_ID;
    else if (n.n_date == v && n.max_len <= 26)
        c->role = COL_DATE;
    else if (c->numeric)
        c->role = c->whole && c->n_distinct <= 2 ? COL_FLAG : COL_NUMBER;
    else if (c->n_distinct <= 60 && c->n_distinct * 2 <= v)
        c->role = COL_CATEGORY;
    else if (c->n_distinct * 100 >= v * 90 && n.max_len <= 80)
        c->role = COL_NAME;
    else
        c->role = COL_TEXT;
    /* years and codes are compared, but nobody adds them up */
    if (c->role == COL_NUMBER && c->whole &&
        (name_ends(col->name, "year") || name_ends(col->name, "code") ||
         name_ends(col->name, "number") ||
         (c->min > 1000 && c->max < 2200 && c->max - c->min < 400)))
        c->role = COL_FLAG;
    c->money = c->role == COL_NUMBER && !c->whole && name_has(col->name, money, LEN(money));
    name_column(g, col, c);
}

static int find_label(const db_table *t, const db_table_terms *terms)
{
    static const char *const good[] = {"name",      "title",    "label",
                                       "full_name", "fullname", "username"};
    int best = -1;
    for (int c = 0; c < t->n_columns; c++) {
        if (terms->cols[c].role != COL_NAME)
            continue;
        if (best < 0)
            best = c;
        for (int k = 0; k < LEN(good); k++)
            if (strcasecmp(t->columns[c].name, good[k]) == 0)
                return c;
        if (name_ends(t->columns[c].name, "name") && !name_ends(t->columns[best].name, "name"))
            best = c;
    }
    return best;
}

static void read_table(db_gen *g, int ti)
{
    const db_table *t = &g->s->tables[ti];
    db_table_terms *terms = &g->tables[ti];
    terms->cols = cmat_arena_alloc(&g->terms, sizeof(*terms->cols) *
                                                  (size_t)(t->n_columns ? t->n_columns : 1));
    terms->key = -1;
    for (int c = 0; c < t->n_columns; c++) {
        read_column(g, ti, c);
        if (t->columns[c].pk && t->n_pk == 1)
            terms->key = c;
    }
    terms->n_rows = t->n_rows;
    if (t->n_rows < 0 && t->n_columns) /* a view */
        terms->n_rows = terms->cols[0].n_values + terms->cols[0].n_null;
    terms->label = find_label(t, terms);
    cmat_buf b = {0}, one = {0};
    phrase_humanise(&b, t->name);
    phrase_singular(&one, cmat_buf_str(&b));
    bool plural = strcmp(cmat_buf_str(&b), cmat_buf_str(&one)) != 0;
    if (!plural) {
        cmat_buf_truncate(&b, 0);
        phrase_plural(&b, cmat_buf_str(&one));
    }
    terms->one = keep(g, &one);
    terms->many = keep(g, &b);
}

cmat_status db_gen_open(db_gen *g, db_world *world, cmat_error *err)
{
    memset(g, 0, sizeof *g);
    g->world = world;
    g->s = &world->schema;
    g->quote = db_world_quote(world, world->mysql);
    cmat_status st = db_image_connect(world->image, &g->db, err);
    db_conn_options o = {.timeout = 5,
                         .max_rows = 200,
                         .mysql = world->mysql,
                         .max_columns = world->schema.max_columns};
    if (st == CMAT_OK)
        st = db_world_connect(world, &g->conn, &o, err);
    if (st == CMAT_OK) {
        g->tables = cmat_arena_alloc(&g->terms, sizeof(*g->tables) * (size_t)(g->s->n_tables + 1));
        for (int t = 0; t < g->s->n_tables; t++)
            read_table(g, t);
    } else {
        db_gen_close(g);
    }
    return st;
}

void db_gen_close(db_gen *g)
{
    db_conn_close(g->conn);
    sqlite3_close(g->db);
    cmat_arena_clear(&g->terms);
    cmat_arena_clear(&g->arena);
    memset(g, 0, sizeof *g);
}

/* Large and small tables alike, but not those that are empty. */
int gen_table(db_gen *g, bool writable)
{
    for (int tries = 0; tries < 40 && g->s->n_tables > 0; tries++) {
        int t = gen_below(g, g->s->n_tables);
        if (g->tables[t].n_rows > 0 && !(writable && g->s->tables[t].view))
            return t;
    }
    return -1;
}

int gen_column(db_gen *g, int t, int roles, int except)
{
    if (t < 0)
        return -1;
    int n = 0, found = -1;
    for (int c = 0; c < g->s->tables[t].n_columns; c++)
        if (c != except && (g->tables[t].cols[c].role & roles) && gen_below(g, ++n) == 0)
            found = c;
    return found;
}

int gen_shown(db_gen *g, int t)
{
    return t < 0 ? -1 : g->tables[t].label >= 0 ? g->tables[t].label : g->tables[t].key;
}

/* Short printable text without what would be changed on its way through a question. */
static bool sayable(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > 60 || s[0] == ' ' || s[n - 1] == ' ' || cmat_utf8_valid_prefix(s, n) != n ||
        strstr(s, "  "))
        return false;
    for (; *s; s++)
        if ((unsigned char)*s < 32 || *s == '\\' || *s == '`' || *s == 127 ||
            strncmp(s, "a(n) ", 5) == 0 || (*s == ' ' && strchr(",.?", s[1])))
            return false;
    return true;
}

const char *gen_value(db_gen *g, int t, int c)
{
    if (t < 0 || c < 0 || g->tables[t].cols[c].role == COL_OTHER)
        return NULL;
    size_t n = 0;
    bool complete;
    const db_value_entry *e = db_values_column(&g->world->values, t, c, &n, &complete);
    for (int tries = 0; n && tries < 4; tries++) {
        const char *s = e[cmat_rng_below(&g->rng, n)].text;
        bool odd_number = g->tables[t].cols[c].numeric && strpbrk(s, "eEnN"); /* 1.0e+20, Inf */
        if (sayable(s) && !odd_number)
            return cmat_arena_strdup(&g->arena, s);
    }
    return NULL;
}

int gen_fk(db_gen *g, int t, int *child)
{
    for (int tries = 0; tries < 60; tries++) {
        int k = t >= 0 ? t : gen_below(g, g->s->n_tables);
        const db_table *tab = &g->s->tables[k];
        if (tab->n_fks == 0 || g->tables[k].n_rows <= 0) {
            if (t >= 0)
                return -1;
            continue;
        }
        int f = gen_below(g, tab->n_fks);
        bool many = false;
        for (int i = 0; i < tab->n_fks; i++)
            many = many || (i != f && tab->fks[i].key == tab->fks[f].key && !tab->fks[f].inferred);
        if (many || tab->fks[f].ref_table == k || g->tables[tab->fks[f].ref_table].n_rows <= 0)
            continue;
        if (child)
            *child = k;
        return f;
    }
    return -1;
}

/* ---- SQL text ---- */

const char *gen_name(db_gen *g, const char *name)
{
    cmat_buf b = {0};
    db_name_add(&b, name, g->quote);
    const char *s = cmat_arena_strdup(&g->arena, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return s;
}

const char *gen_tab(db_gen *g, int t)
{
    return gen_name(g, g->s->tables[t].name);
}

const char *gen_col(db_gen *g, int t, int c, bool qualified)
{
    const char *col = gen_name(g, g->s->tables[t].columns[c].name);
    return qualified ? gen_fmt(g, "%s.%s", gen_tab(g, t), col) : col;
}

const char *gen_literal(db_gen *g, int t, int c, const char *value)
{
    if (g->tables[t].cols[c].numeric)
        return value;
    cmat_buf b = {0};
    db_literal_add(&b, value);
    const char *s = cmat_arena_strdup(&g->arena, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return s;
}

const char *gen_join(db_gen *g, int child, int fk)
{
    const db_fk *f = &g->s->tables[child].fks[fk];
    return gen_fmt(g, "%s JOIN %s ON %s = %s", gen_tab(g, child), gen_tab(g, f->ref_table),
                   gen_col(g, child, f->column, true),
                   gen_col(g, f->ref_table, f->ref_column, true));
}

const char *gen_text(db_gen *g, const char *sql)
{
    sqlite3_stmt *st = NULL;
    const char *s = NULL;
    if (sqlite3_prepare_v2(g->db, sql, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
        s = cmat_arena_strdup(&g->arena, (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    return s;
}

double gen_double(db_gen *g, const char *sql)
{
    const char *s = gen_text(g, sql);
    return s ? strtod(s, NULL) : 0;
}

const char *gen_number(db_gen *g, double x, bool whole)
{
    if (whole || x == floor(x))
        return gen_fmt(g, "%.0f", x);
    const char *s = gen_fmt(g, "%.2f", x);
    size_t n = strlen(s);
    while (s[n - 1] == '0')
        n--;
    return cmat_arena_strndup(&g->arena, s, s[n - 1] == '.' ? n - 1 : n);
}

/* ---- words ---- */

const char *gen_say_value(db_gen *g, int t, int c, const char *value)
{
    const db_column_terms *col = &g->tables[t].cols[c];
    if (col->role == COL_DATE) {
        cmat_buf b = {0};
        phrase_date(&b, &g->rng, value);
        const char *s = cmat_arena_strdup(&g->arena, cmat_buf_str(&b));
        cmat_buf_clear(&b);
        return s;
    }
    if (col->money && gen_chance(g, 30))
        return gen_fmt(g, "%.2f", strtod(value, NULL));
    if (col->numeric)
        return value;
    bool quoted = strlen(value) < 3 || strpbrk(value, ",?!'\"") || gen_chance(g, 30);
    if (!quoted)
        return value;
    return strchr(value, '\'') || gen_chance(g, 30) ? gen_fmt(g, "\"%s\"", value)
                                                    : gen_fmt(g, "'%s'", value);
}

const char *gen_ref_name(db_gen *g, int t, int fk)
{
    const db_fk *f = &g->s->tables[t].fks[fk];
    const char *human = g->tables[t].cols[f->column].human;
    size_t n = strlen(human);
    if (n > 3 && strcmp(human + n - 3, " id") == 0)
        return cmat_arena_strndup(&g->arena, human, n - 3);
    return g->tables[f->ref_table].one;
}
