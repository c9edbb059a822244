/* sql_parse.c - the parser behind the SQL acceptor: what may follow, what a token means. */
#include "env/db/sql_parse.h"
#include <string.h>

enum {
    DEEP_STACK = 64, /* above this nothing new is nested */
    MAX_JOINS = 4    /* a SELECT */
};

static bool scope_satisfied(const db_sql_state *s)
{
    const db_sql_scope *c = &s->scopes[s->depth];
    return (c->need & ~c->tabs) == 0;
}

static bool nullable(const db_sql_acceptor *a, const db_sql_state *s, int nt)
{
    if (nt == N_JOINS)
        return scope_satisfied(s);
    if (nt == N_FROMPART) {
        const db_sql_scope *c = &s->scopes[s->depth];
        return !c->plain && !c->star && !c->need;
    }
    if (nt == N_VREST)
        return s->n_values == 0;
    return a->sets.nullable[nt - N_TERMINALS];
}

uint64_t db_sql_follow(const db_sql_acceptor *a, const db_sql_state *s, bool *whole)
{
    uint64_t set = 0;
    for (int i = s->sp - 1; i >= 0; i--) {
        int x = s->stack[i];
        /* a query inside a query gives one column */
        if (db_sql_is_action(x) || (x == N_ITEMREST && s->depth >= 2))
            continue;
        if (x < N_TERMINALS) {
            *whole = false;
            return set | BIT(x);
        }
        set |= a->sets.first[x - N_TERMINALS];
        if (!nullable(a, s, x)) {
            *whole = false;
            return set;
        }
    }
    *whole = true;
    return set;
}

static int count_bits(uint64_t x)
{
    return __builtin_popcountll(x);
}

static uint64_t outer_tables(const db_sql_state *s)
{
    uint64_t t = 0;
    for (int i = 1; i <= s->depth; i++)
        t |= s->scopes[i].tabs;
    return t;
}

/* Drops `bits` when something else is left. */
static void drop(uint64_t *allowed, uint64_t bits)
{
    if (*allowed & ~bits)
        *allowed &= ~bits;
}

/* Sets the names that may come, and takes away what would lead nowhere. */
static void filter_names(const db_sql_acceptor *a, db_sql_state *s)
{
    const db_sql_scope *c = &s->scopes[s->depth];
    uint64_t *f = &s->allowed;
    s->columns = s->tables = 0;
    if (*f & BIT(T_COL)) {
        s->columns = c->tabs ? (c->n_joins ? 0 : c->tabs) : (c->need ? 0 : c->cand);
        if (!s->columns)
            *f &= ~BIT(T_COL);
    }
    if (*f & BIT(T_QTAB)) {
        if (c->tabs)
            s->tables = outer_tables(s);
        else if (!c->plain)
            s->tables = count_bits(c->need) >= MAX_JOINS ? c->need : ~(uint64_t)0;
        if (!s->tables)
            *f &= ~BIT(T_QTAB);
    }
    if (*f & BIT(T_TAB)) {
        uint64_t rest = c->need & ~c->tabs;
        if (!c->tabs)
            s->tables = c->plain ? c->cand : ~(uint64_t)0; /* what is needed may still be joined */
        else
            s->tables = rest && count_bits(rest) >= MAX_JOINS - c->n_joins ? rest : ~c->tabs;
    }
    if (*f & BIT(T_WTAB))
        s->tables = a->writable;
    if (*f & BIT(T_JOIN)) {
        uint64_t all = a->tree.nodes[a->root].below.tables;
        if (c->plain || c->n_joins >= MAX_JOINS || !(all & ~c->tabs))
            *f &= ~BIT(T_JOIN);
    }
}

static uint64_t columns_of(const db_sql_acceptor *a, int t)
{
    return a->tree.nodes[a->table_root[t]].below.owners;
}

static void filter_depth(const db_sql_acceptor *a, db_sql_state *s)
{
    uint64_t *f = &s->allowed;
    if (!s->scopes[s->depth].agg)
        *f &= ~(BIT(T_AGG) | BIT(T_COUNT));
    if (s->n_values == 0 && s->sp && s->stack[s->sp - 1] == N_VREST)
        *f &= ~BIT(T_COMMA);
    if (s->sp && s->stack[s->sp - 1] == N_ICREST && (columns_of(a, s->target) & ~s->used) == 0)
        *f &= ~BIT(T_COMMA);
    if (s->depth >= 2 && s->sp && (s->stack[s->sp - 1] == N_ITEMS || s->stack[s->sp - 1] == N_DIST))
        *f &= ~BIT(T_STAR);
    /* ORDER BY 3 and GROUP BY 3 would mean the third column */
    if (s->sp > 1 && (s->stack[s->sp - 1] == N_OEXPR || s->stack[s->sp - 2] == N_GREST))
        *f &= ~BIT(T_NUM);
    if (!a->writable)
        *f &= ~(BIT(T_INSERT) | BIT(T_UPDATE) | BIT(T_DELETE));
    if (s->depth >= DB_SQL_MAX_SCOPES - 1 || s->sp > DEEP_STACK) {
        drop(f, BIT(T_EXISTS));
        drop(f, BIT(T_SELECT));
    }
    if (s->sp > DEEP_STACK)
        drop(f, BIT(T_LP) | BIT(T_F1) | BIT(T_F2) | BIT(T_F3) | BIT(T_ROUND) | BIT(T_SUBSTR) |
                    BIT(T_CAST) | BIT(T_AGG) | BIT(T_COUNT));
    if (s->n_branches >= DB_SQL_MAX_BRANCHES) {
        if (*f & BIT(T_OR))
            *f &= ~(BIT(T_AND) | BIT(T_OR));
        if (*f & (BIT(T_FROM) | BIT(T_RP) | BIT(T_LIMIT)))
            *f &= ~BIT(T_COMMA);
        *f &= ~BIT(T_ARITH);
        if (s->sp && s->stack[s->sp - 1] == N_JREST)
            *f &= ~BIT(T_JCOMMA);
    }
}

void db_sql_prepare(const db_sql_acceptor *a, db_sql_state *s)
{
    bool whole;
    s->mode = M_START;
    s->node = 0;
    s->num = s->length = s->rest = s->low = s->high = 0;
    s->allowed = db_sql_follow(a, s, &whole);
    filter_depth(a, s);
    filter_names(a, s);
}

static bool run_action(db_sql_state *s, int action)
{
    db_sql_scope *c = &s->scopes[s->depth];
    switch (action) {
    case A_PUSH:
        if (s->depth >= DB_SQL_MAX_SCOPES)
            return false;
        c = &s->scopes[++s->depth];
        memset(c, 0, sizeof *c);
        c->cand = ~(uint64_t)0;
        c->agg = true;
        break;
    case A_POP:
        memset(c, 0, sizeof *c);
        s->depth--;
        break;
    case A_AGG_OFF:
        c->agg = false;
        break;
    case A_AGG_ON:
        c->agg = true;
        break;
    default: /* A_DEC */
        if (s->n_values)
            s->n_values--;
    }
    return true;
}

static uint8_t pop(db_sql_state *s)
{
    uint8_t x = s->stack[--s->sp];
    s->stack[s->sp] = 0;
    return x;
}

/* Runs the actions on top of the stack. */
static bool settle(db_sql_state *s)
{
    while (s->sp && db_sql_is_action(s->stack[s->sp - 1]))
        if (!run_action(s, pop(s)))
            return false;
    return true;
}

/* Takes terminal t off the stack, expanding what stands before it. */
static bool parse(const db_sql_acceptor *a, db_sql_state *s, int t)
{
    while (s->sp) {
        int x = pop(s);
        if (db_sql_is_action(x)) {
            if (!run_action(s, x))
                return false;
        } else if (x < N_TERMINALS) {
            return x == t;
        } else {
            int k = a->sets.choice[x - N_TERMINALS][t];
            if (!k)
                continue; /* empty */
            const db_sql_production *p = &db_sql_productions[k - 1];
            if (s->sp + p->n > DB_SQL_MAX_STACK)
                return false;
            for (int i = p->n; i > 0; i--)
                s->stack[s->sp++] = p->body[i - 1];
        }
    }
    return false;
}

/* ---- what a token means ---- */

static void name_meaning(const db_sql_acceptor *a, db_sql_state *s, int t, const db_word_node *w)
{
    db_sql_scope *c = &s->scopes[s->depth];
    switch (t) {
    case T_COL:
        c->plain = true;
        if (!c->tabs)
            c->cand &= w->here.owners;
        break;
    case T_QTAB:
        s->table = w->table;
        if (!c->tabs)
            c->need |= db_sql_table_bit(w->table);
        break;
    case T_TCOL:
        s->table = 0;
        break;
    case T_TAB:
        c->n_joins = (uint8_t)(c->n_joins + (c->tabs != 0));
        c->tabs |= db_sql_table_bit(w->table);
        break;
    case T_WTAB:
        c->tabs = db_sql_table_bit(w->table);
        s->target = w->table;
        break;
    case T_ICOL:
        s->n_values++;
        s->used |= (uint64_t)1 << (w->column < 63 ? w->column : 63);
        break;
    case T_VALUES:
        s->used = 0;
        break;
    case T_VALUES_ALL:
        s->n_values = 0;
        for (int i = 0; i < a->schema->tables[s->target].n_columns; i++)
            s->n_values =
                (uint16_t)(s->n_values + !a->schema->tables[s->target].columns[i].generated);
        break;
    default:
        break;
    }
}

static void word_meaning(db_sql_state *s, int t)
{
    db_sql_scope *c = &s->scopes[s->depth];
    switch (t) {
    case T_STAR:
        c->star = c->star || s->stack[s->sp - 1] != T_RP; /* not that of COUNT(*) */
        break;
    case T_AGG:
    case T_COUNT:
        c->grouped = c->star = true;
        break;
    case T_WHERE:
    case T_SET:
        c->agg = false;
        break;
    case T_GROUP:
        c->agg = false;
        c->grouped = true;
        break;
    case T_HAVING:
        c->agg = true;
        break;
    case T_ORDER:
        c->agg = c->grouped;
        break;
    case T_LIMIT:
    case T_OFFSET:
        s->whole = true;
        break;
    case T_COMMA:
    case T_JCOMMA:
    case T_AND:
    case T_OR:
    case T_ARITH:
        s->n_branches++;
        break;
    default:
        break;
    }
}

bool db_sql_finish(const db_sql_acceptor *a, db_sql_state *s, int t)
{
    const db_word_node *w = &a->tree.nodes[s->node];
    if (t == T_NUM)
        s->whole = false;
    if (!parse(a, s, t))
        return false;
    name_meaning(a, s, t, w);
    word_meaning(s, t);
    if (!settle(s))
        return false;
    db_sql_prepare(a, s);
    return true;
}
