/* env/db/domain_plan.c - from a seed to a schema: tables of a domain, names, keys, types. */
#include "env/db/domain_plan.h"
#include "core/buf.h"
#include "env/db/phrases.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))

enum { NAMING_SNAKE, NAMING_CAMEL, NAMING_PASCAL, NAMING_UPPER, NAMING_SPACES };

static const struct {
    const char *name;
    plan_kind kind;
    const char *types[4]; /* by plan_style.type_style */
} kinds[] = {
    {"person", PLAN_PERSON, {"TEXT", "VARCHAR(80)", "TEXT", "varchar"}},
    {"first", PLAN_FIRST, {"TEXT", "VARCHAR(40)", "TEXT", "varchar"}},
    {"last", PLAN_LAST, {"TEXT", "VARCHAR(40)", "TEXT", "varchar"}},
    {"company", PLAN_COMPANY, {"TEXT", "VARCHAR(80)", "TEXT", "varchar"}},
    {"city", PLAN_CITY, {"TEXT", "VARCHAR(40)", "TEXT", "varchar"}},
    {"country", PLAN_COUNTRY, {"TEXT", "VARCHAR(40)", "TEXT", "varchar"}},
    {"street", PLAN_STREET, {"TEXT", "VARCHAR(120)", "TEXT", "varchar"}},
    {"email", PLAN_EMAIL, {"TEXT", "VARCHAR(120)", "TEXT", "varchar"}},
    {"phone", PLAN_PHONE, {"TEXT", "VARCHAR(24)", "TEXT", "varchar"}},
    {"text", PLAN_TEXT, {"TEXT", "TEXT", "TEXT", "text"}},
    {"code", PLAN_CODE, {"TEXT", "VARCHAR(20)", "CHAR(20)", "varchar"}},
    {"mix", PLAN_MIX, {"TEXT", "VARCHAR(100)", "TEXT", "varchar"}},
    {"of", PLAN_OF, {"TEXT", "VARCHAR(30)", "TEXT", "varchar"}},
    {"time", PLAN_TIME, {"TEXT", "TIME", "TEXT", "time"}},
    {"date", PLAN_DATE, {"TEXT", "DATE", "DATE", "date"}},
    {"after", PLAN_AFTER, {"TEXT", "DATE", "DATE", "date"}},
    {"int", PLAN_INT, {"INTEGER", "INT", "INTEGER", "int"}},
    {"year", PLAN_YEAR, {"INTEGER", "SMALLINT", "INTEGER", "int"}},
    {"flag", PLAN_FLAG, {"INTEGER", "BOOLEAN", "INTEGER", "boolean"}},
    {"real", PLAN_REAL, {"REAL", "FLOAT", "REAL", "double"}},
    {"money", PLAN_MONEY, {"REAL", "DECIMAL(10,2)", "NUMERIC", "double"}},
    {"pct", PLAN_PCT, {"REAL", "FLOAT", "REAL", "double"}},
    {"ref", PLAN_REF, {"INTEGER", "INT", "INTEGER", "int"}},
};

int plan_below(plan *p, int n)
{
    return (int)cmat_rng_below(&p->rng, (uint64_t)n);
}

bool plan_chance(plan *p, int percent)
{
    return plan_below(p, 100) < percent;
}

plan_list plan_split(plan *p, const char *text, char sep)
{
    plan_list l = {0};
    size_t n = 1;
    for (const char *s = text; *s; s++)
        n += *s == sep;
    l.items = cmat_arena_alloc(&p->arena, n * sizeof(*l.items));
    for (const char *s = text;; s++) {
        const char *end = strchr(s, sep);
        size_t len = end ? (size_t)(end - s) : strlen(s);
        l.items[l.n++] = cmat_arena_strndup(&p->arena, s, len);
        if (!end)
            return l;
        s = end;
    }
}

const char *plan_variant(plan *p, const char *names)
{
    plan_list l = plan_split(p, names, '|');
    return l.items[plan_below(p, l.n)];
}

/* ---- columns from their text ---- */

static void find_lists(plan *p, plan_column *c)
{
    plan_list parts = plan_split(p, c->args, '/');
    if (c->kind == PLAN_OF) {
        plan_list all = plan_split(p, c->args, ',');
        cmat_rng_shuffle(&p->rng, all.items, (size_t)all.n, sizeof(*all.items));
        if (all.n > 3) /* a part of the values, for some databases */
            all.n = plan_chance(p, 50) ? all.n : 3 + plan_below(p, all.n - 2);
        c->lists[c->n_lists++] = all;
        return;
    }
    for (int i = 0; i < parts.n && i < PLAN_MAX_LISTS; i++) {
        plan_list l = plan_split(p, parts.items[i], ',');
        cmat_rng_shuffle(&p->rng, l.items, (size_t)l.n, sizeof(*l.items));
        c->lists[c->n_lists++] = l;
    }
}

/* Cuts " *" and " ?20" from the end. */
static void read_marks(plan_column *c, char *text)
{
    for (;;) {
        char *last = strrchr(text, ' ');
        if (!last || (last[1] != '?' && strcmp(last, " *") != 0))
            return;
        if (last[1] == '?')
            c->null_percent = atoi(last + 2);
        else
            c->optional = true;
        *last = 0;
    }
}

static plan_column read_column(plan *p, const char *text)
{
    plan_column c = {.ref = -1, .skew = 1};
    const char *equals = strstr(text, " = ");
    char *rest = cmat_arena_strdup(&p->arena, equals + 3);
    read_marks(&c, rest);
    size_t word = strcspn(rest, " ");
    c.names = cmat_arena_strndup(&p->arena, text, (size_t)(equals - text));
    c.args = rest + word + (rest[word] == ' ');
    for (int i = 0; i < LEN(kinds); i++)
        if (strlen(kinds[i].name) == word && strncmp(kinds[i].name, rest, word) == 0) {
            c.kind = kinds[i].kind;
            c.type = kinds[i].types[p->style.type_style];
        }
    if (c.kind == PLAN_OF || c.kind == PLAN_MIX) {
        find_lists(p, &c);
    } else if (c.kind != PLAN_REF && c.kind != PLAN_CODE && *c.args) {
        char *end;
        c.lo = strtod(c.args, &end);
        c.hi = strtod(end, NULL);
    }
    return c;
}

/* ---- which tables ---- */

static int spec_find(const domain_spec *d, const char *name)
{
    size_t n = strlen(name);
    for (int t = 0; d->tables[t].names; t++)
        if (strncmp(d->tables[t].names, name, n) == 0 && strchr("|", d->tables[t].names[n]))
            return t;
    return -1;
}

/* Takes table t and all that it cannot do without; false, with nothing taken, when the set would
 * grow past max. */
static bool take_table(plan *p, bool *taken, int *n, int t, int max)
{
    bool before[DOMAIN_MAX_TABLES];
    int n_before = *n;
    if (t < 0 || taken[t])
        return t >= 0;
    memcpy(before, taken, sizeof before);
    taken[t] = true;
    bool ok = ++*n <= max;
    for (const char *const *c = p->domain->tables[t].columns; *c && ok; c++) {
        plan_column col = read_column(p, *c);
        if (col.kind == PLAN_REF && !col.null_percent)
            ok = take_table(p, taken, n, spec_find(p->domain, col.args), max);
    }
    if (!ok) {
        memcpy(taken, before, sizeof before);
        *n = n_before;
    }
    return ok;
}

static int count_refs(const domain_table *spec)
{
    int n = 0;
    for (const char *const *c = spec->columns; *c; c++)
        n += strstr(*c, " = ref ") && !strchr(*c, '?');
    return n;
}

static void pick_tables(plan *p, int index_of[DOMAIN_MAX_TABLES])
{
    bool taken[DOMAIN_MAX_TABLES] = {false};
    int n = 0, n_specs = 0, order[DOMAIN_MAX_TABLES];
    for (; p->domain->tables[n_specs].names; n_specs++)
        order[n_specs] = n_specs;
    cmat_rng_shuffle(&p->rng, order, (size_t)n_specs, sizeof(*order));
    int want = 3 + plan_below(p, PLAN_MAX_TABLES - 2), first = 0;
    while (count_refs(&p->domain->tables[order[first]]) == 0)
        first++; /* tables that nothing joins would be little practice */
    take_table(p, taken, &n, order[first], PLAN_MAX_TABLES);
    for (int i = 0; i < n_specs && n < want; i++)
        take_table(p, taken, &n, order[i], n < 3 ? PLAN_MAX_TABLES : want);
    for (int i = 0; i < n_specs && n < 3; i++)
        take_table(p, taken, &n, order[i], PLAN_MAX_TABLES);
    cmat_rng_shuffle(&p->rng, order, (size_t)n_specs, sizeof(*order));
    for (int i = 0; i < n_specs; i++) {
        index_of[order[i]] = taken[order[i]] ? p->n_tables : -1;
        if (taken[order[i]])
            p->tables[p->n_tables++].spec = &p->domain->tables[order[i]];
    }
}

/* ---- names ---- */

static void pick_style(plan *p)
{
    static const int namings[] = {NAMING_SNAKE,  NAMING_SNAKE,  NAMING_SNAKE, NAMING_SNAKE,
                                  NAMING_SNAKE,  NAMING_SNAKE,  NAMING_SNAKE, NAMING_SNAKE,
                                  NAMING_SNAKE,  NAMING_SNAKE,  NAMING_SNAKE, NAMING_CAMEL,
                                  NAMING_CAMEL,  NAMING_CAMEL,  NAMING_CAMEL, NAMING_PASCAL,
                                  NAMING_PASCAL, NAMING_PASCAL, NAMING_UPPER, NAMING_SPACES};
    static const char *const prefixes[] = {"t", "tbl"};
    plan_style *s = &p->style;
    s->naming = namings[plan_below(p, LEN(namings))];
    s->plurals = plan_chance(p, 55);
    s->key_style = plan_below(p, 6);
    s->ref_style = plan_chance(p, 70) ? 0 : 1 + plan_below(p, 3);
    s->type_style = plan_chance(p, 45) ? 0 : 1 + plan_below(p, 3);
    s->date_style = plan_chance(p, 82) ? 0 : 1 + plan_below(p, 4);
    s->case_style = plan_chance(p, 55) ? 0 : 1 + plan_below(p, 2);
    s->abbreviate = plan_chance(p, 14);
    s->declared_keys = plan_chance(p, 85);
    s->text_keys = plan_chance(p, 20);
    s->odd_starts = plan_chance(p, 35);
    s->table_prefix = s->naming == NAMING_SNAKE && plan_chance(p, 8)
                          ? prefixes[plan_below(p, LEN(prefixes))]
                          : NULL;
    s->column_prefix = s->naming != NAMING_SPACES && plan_chance(p, 5);
    if (s->naming == NAMING_SPACES && s->ref_style == 2)
        s->ref_style = 0;
    if (!s->declared_keys)
        s->ref_style = 0; /* found by their names */
}

static const char *abbreviated(plan *p, const char *words)
{
    static const char *const shorter[][2] = {
        {"number", "no"},       {"quantity", "qty"},      {"date", "dt"},
        {"amount", "amt"},      {"description", "descr"}, {"department", "dept"},
        {"address", "addr"},    {"category", "cat"},      {"average", "avg"},
        {"percent", "pct"},     {"telephone", "tel"},     {"organisation", "org"},
        {"maximum", "max"},     {"minimum", "min"},       {"manager", "mgr"},
        {"reference", "ref"},   {"position", "pos"},      {"appointment", "appt"},
        {"transaction", "txn"}, {"building", "bldg"}};
    cmat_buf b = {0};
    plan_list l = plan_split(p, words, ' ');
    for (int i = 0; i < l.n; i++) {
        const char *w = l.items[i];
        for (int k = 0; k < LEN(shorter); k++)
            if (strcmp(w, shorter[k][0]) == 0)
                w = shorter[k][1];
        cmat_buf_printf(&b, "%s%s", i ? " " : "", w);
    }
    const char *s = cmat_arena_strdup(&p->arena, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return s;
}

const char *plan_style_words(plan *p, const char *words)
{
    if (p->style.abbreviate)
        words = abbreviated(p, words);
    char *s = cmat_arena_strdup(&p->arena, words), *to = s;
    bool start = true;
    for (const char *from = words; *from; from++) {
        char c = *from;
        bool up = p->style.naming == NAMING_UPPER ||
                  (start && (p->style.naming == NAMING_PASCAL || p->style.naming == NAMING_SPACES ||
                             (p->style.naming == NAMING_CAMEL && to > s)));
        start = c == ' ';
        if (c != ' ')
            *to++ = up ? (char)toupper((unsigned char)c) : c;
        else if (p->style.naming == NAMING_SNAKE || p->style.naming == NAMING_UPPER)
            *to++ = '_';
        else if (p->style.naming == NAMING_SPACES)
            *to++ = ' ';
    }
    *to = 0;
    return s;
}

static bool table_name_used(const plan *p, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcasecmp(p->tables[i].name, name) == 0)
            return true;
    return false;
}

static void name_table(plan *p, int t)
{
    plan_table *tab = &p->tables[t];
    for (int tries = 0; tries < 9; tries++) {
        cmat_buf b = {0};
        tab->words = tries < 8 ? plan_variant(p, tab->spec->names)
                               : cmat_arena_printf(&p->arena, "%s record", tab->words);
        if (p->style.table_prefix)
            cmat_buf_printf(&b, "%s ", p->style.table_prefix);
        if (p->style.plurals)
            phrase_plural(&b, tab->words);
        else
            cmat_buf_puts(&b, tab->words);
        tab->name = plan_style_words(p, cmat_buf_str(&b));
        cmat_buf_clear(&b);
        if (!table_name_used(p, t, tab->name))
            break;
    }
    /* a prefix of keys: the first letters of the words */
    char letters[3] = {(char)toupper((unsigned char)tab->words[0]), 0, 0};
    const char *second = strchr(tab->words, ' ');
    letters[1] = (char)toupper((unsigned char)(second ? second[1] : tab->words[1]));
    tab->key_prefix = cmat_arena_strdup(&p->arena, letters);
}

static bool column_name_used(const plan_table *t, const char *name)
{
    for (int i = 0; i < t->n_columns; i++)
        if (strcasecmp(t->columns[i].name, name) == 0)
            return true;
    return false;
}

static const char *key_words(plan *p, const plan_table *t)
{
    switch (p->style.key_style) {
    case 0:
    case 1:
        return "id";
    case 2:
    case 3:
        return cmat_arena_printf(&p->arena, "%s id", t->words);
    case 4:
        return cmat_arena_printf(&p->arena, "%s %s", t->words, t->text_key ? "code" : "no");
    default:
        return t->text_key ? "code" : cmat_arena_printf(&p->arena, "%s key", t->words);
    }
}

static const char *ref_words(plan *p, const plan_column *c, int tries)
{
    const plan_table *to = &p->tables[c->ref];
    const char *words = plan_variant(p, c->names);
    /* a reference that is named like its table follows the table's name */
    size_t n = strcspn(to->spec->names, "|");
    if (strlen(c->names) >= n && strncmp(c->names, to->spec->names, n) == 0 &&
        strchr("|", c->names[n]) && tries == 0)
        words = to->words;
    switch (p->style.ref_style) {
    case 1:
        return cmat_arena_strdup(&p->arena, words);
    case 2:
        return cmat_arena_printf(&p->arena, "fk %s", words);
    case 3:
        return cmat_arena_printf(&p->arena, "%s %s", words, to->text_key ? "code" : "no");
    default:
        return cmat_arena_printf(&p->arena, "%s id", words);
    }
}

/* False: no free name. */
static bool name_column(plan *p, const plan_table *t, plan_column *c)
{
    for (int tries = 0; tries < 8; tries++) {
        const char *words = c->kind == PLAN_KEY   ? key_words(p, t)
                            : c->kind == PLAN_REF ? ref_words(p, c, tries)
                                                  : plan_variant(p, c->names);
        if (p->style.column_prefix && c->kind != PLAN_REF &&
            strncmp(words, t->words, strlen(t->words)))
            words = cmat_arena_printf(&p->arena, "%.3s %s", t->words, words);
        c->name = plan_style_words(p, words);
        if (!column_name_used(t, c->name))
            return true;
    }
    return false;
}

/* ---- tables ---- */

static void add_column(plan *p, plan_table *t, plan_column c)
{
    if (t->n_columns == PLAN_MAX_COLUMNS || !name_column(p, t, &c))
        return;
    if (c.kind == PLAN_REF && p->tables[c.ref].text_key)
        c.type = kinds[PLAN_CODE].types[p->style.type_style];
    c.not_null = c.null_percent == 0 && plan_chance(p, 45);
    c.skew = 1 + plan_below(p, 3) * 0.6;
    t->columns[t->n_columns++] = c;
}

static bool wanted(plan *p, const int *index_of, plan_column *c)
{
    if (c->kind == PLAN_REF)
        return (c->ref = index_of[spec_find(p->domain, c->args)]) >= 0;
    if (c->null_percent)
        c->null_percent = plan_chance(p, 25) ? 0 : 1 + plan_below(p, c->null_percent * 2);
    return !c->optional || plan_chance(p, 60);
}

static bool referenced(const plan *p, const domain_table *spec)
{
    size_t n = strcspn(spec->names, "|");
    for (int i = 0; p->domain->tables[i].names; i++)
        for (const char *const *c = p->domain->tables[i].columns; *c; c++) {
            const char *ref = strstr(*c, " = ref ");
            if (ref && strncmp(ref + 7, spec->names, n) == 0 && strchr(" ", ref[7 + n]))
                return true;
        }
    return false;
}

static bool dated(const plan_column *c)
{
    return c->kind == PLAN_DATE || c->kind == PLAN_AFTER;
}

static void fill_table(plan *p, int ti, const int *index_of)
{
    plan_table *t = &p->tables[ti];
    plan_column key = {.kind = PLAN_KEY, .ref = -1, .not_null = t->text_key};
    key.type = t->text_key ? kinds[PLAN_CODE].types[p->style.type_style] : "INTEGER";
    if (!t->pair_key)
        add_column(p, t, key);
    plan_column rest[DOMAIN_MAX_COLUMNS + 2];
    int n = 0, n_refs = 0;
    for (const char *const *c = t->spec->columns; *c; c++) {
        plan_column col = read_column(p, *c);
        if (wanted(p, index_of, &col))
            rest[n++] = col;
    }
    int n_extra = 0, extra = -1;
    while (domain_extra_columns[n_extra])
        n_extra++;
    for (int k = plan_chance(p, 35) ? 1 + plan_chance(p, 30) : 0; k > 0; k--) {
        /* the second comes from what follows the first */
        extra += 1 + plan_below(p, n_extra - extra - 1);
        rest[n] = read_column(p, domain_extra_columns[extra]);
        n += wanted(p, index_of, &rest[n]);
        if (extra == n_extra - 1)
            break;
    }
    /* references first, or last, or where they stand; the name column keeps its place */
    int order = plan_below(p, 3);
    for (int i = 0; i < n && (order == 0 || t->pair_key); i++)
        if (rest[i].kind == PLAN_REF) {
            plan_column c = rest[i];
            memmove(&rest[n_refs + 1], &rest[n_refs], sizeof(c) * (size_t)(i - n_refs));
            rest[n_refs++] = c;
        }
    for (int k = 0; k < 3 && n > 3 && !t->pair_key && plan_chance(p, 50); k++) {
        int a = 1 + plan_below(p, n - 1), b = 1 + plan_below(p, n - 1);
        plan_column c = rest[a];
        if (dated(&rest[a]) || dated(&rest[b]))
            continue; /* a later date follows the earlier one */
        rest[a] = rest[b];
        rest[b] = c;
    }
    for (int i = 0; i < n; i++)
        add_column(p, t, rest[i]);
}

static void number_rows(plan *p, plan_table *t)
{
    static const int starts[] = {101, 1000, 1001, 5000, 10001, 20240};
    double lo = t->spec->min_rows, hi = t->spec->max_rows;
    t->n_rows = (int)(lo * pow(hi / lo, cmat_rng_double(&p->rng)));
    t->keys = cmat_arena_alloc(&p->arena, sizeof(*t->keys) * (size_t)t->n_rows);
    int next = p->style.odd_starts && plan_chance(p, 60) ? starts[plan_below(p, LEN(starts))] : 1;
    bool gaps = plan_chance(p, 12);
    for (int i = 0; i < t->n_rows; i++) {
        t->keys[i] = next;
        next += gaps ? 1 + plan_below(p, 3) : 1;
    }
}

/* Two references and little more, and no other table refers to it. */
static bool is_link(const plan *p, const domain_table *spec)
{
    int n = 0;
    while (spec->columns[n])
        n++;
    return n <= 5 && count_refs(spec) >= 2 && !referenced(p, spec);
}

static int count_domains(const domain_spec *d)
{
    int n = 0;
    while (d[n].name)
        n++;
    return n;
}

static const domain_spec *pick_domain(plan *p)
{
    const domain_spec *banks[] = {domain_bank_culture, domain_bank_services, domain_bank_work};
    int total = 0;
    for (int i = 0; i < LEN(banks); i++)
        total += count_domains(banks[i]);
    int k = plan_below(p, total), i = 0;
    for (; k >= count_domains(banks[i]); i++)
        k -= count_domains(banks[i]);
    return &banks[i][k];
}

void plan_make(plan *p, uint64_t seed)
{
    int index_of[DOMAIN_MAX_TABLES];
    memset(p, 0, sizeof *p);
    cmat_rng_init_sub(&p->rng, seed, 0x736368656d61u);
    p->domain = pick_domain(p);
    pick_style(p);
    pick_tables(p, index_of);
    for (int t = 0; t < p->n_tables; t++) {
        plan_table *tab = &p->tables[t];
        tab->pair_key = is_link(p, tab->spec) && plan_chance(p, 40);
        tab->text_key = !tab->pair_key && p->style.text_keys && plan_chance(p, 60);
        name_table(p, t);
        number_rows(p, tab);
    }
    for (int t = 0; t < p->n_tables; t++)
        fill_table(p, t, index_of);
}

void plan_clear(plan *p)
{
    cmat_arena_clear(&p->arena);
}
