/* env/db/sql_acceptor.c - an acceptor of replies whose SQL always parses and names only what is
 * there.
 *
 * A push-down automaton: sql_grammar.c says which terminals may come; names and keywords are
 * spelled in word trees; scopes (one a SELECT) keep which tables a name may belong to:
 * - before FROM, plain columns narrow the tables that FROM may name; "table.column" makes that
 * table needed, by FROM or by a JOIN, which then must come;
 * - after FROM of one table, its columns may stand plain; with a JOIN all columns are qualified.
 * The state is plain data; what may come next depends on nothing else. */
#include "core/acceptor.h"
#include "core/hash.h"
#include "core/mem.h"
#include "env/db/db.h"
#include "env/db/sql_grammar.h"
#include "env/db/word_tree.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_STACK = 112,
    DEEP_STACK = 64, /* above this nothing new is nested */
    MAX_SCOPES = 4,
    MAX_JOINS = 4,     /* a SELECT */
    MAX_BRANCHES = 80, /* commas, ANDs, operators ... of a statement: a small model may loop */
    MAX_LINE = 160,    /* bytes of a thought */
    MAX_STRING = 200,  /* bytes of a text */
    MAX_DIGITS = 84    /* bytes of a number: more than CMAT_ACCEPTOR_AHEAD, so that places in one
                          share a key */
};

typedef struct {
    uint64_t need; /* tables of qualified columns seen before FROM */
    uint64_t cand; /* tables that have all the plain columns seen before FROM */
    uint64_t tabs; /* after FROM: its tables */
    uint8_t n_joins;
    bool plain;              /* a plain column was used */
    bool star, agg, grouped; /* "*" or an aggregate was used; aggregates may come; GROUP BY or an
                                aggregate came */
} scope;

/* M_BEYOND: behind a text or line that was looked at alone */
typedef enum {
    M_START,
    M_WORD,
    M_NUM,
    M_STR,
    M_STR_END,
    M_JSON,
    M_JSON_ESCAPE,
    M_LINE,
    M_BEYOND
} mode;
typedef enum { NUM_SIGN, NUM_ZERO, NUM_INT, NUM_DOT, NUM_FRAC } num_state;

typedef struct {
    uint64_t allowed; /* terminals that may come; of the parser, computed at each token's start */
    uint64_t columns; /* tables whose plain columns may come */
    uint64_t tables;  /* tables that may be named */
    uint64_t used;    /* INSERT: columns named so far */
    scope scopes[MAX_SCOPES + 1];
    uint32_t node;     /* M_WORD */
    int16_t table;     /* of the "table." before a column; else 0 */
    int16_t target;    /* the table written to */
    uint16_t n_values; /* INSERT: values still to come */
    uint16_t n_branches;
    uint8_t mode, num;
    bool whole;              /* LIMIT: no sign, no decimals */
    bool alone;              /* a text or line only: what follows is not known */
    uint8_t length;          /* bytes of the text, line or number so far */
    uint8_t rest, low, high; /* UTF-8: bytes still to come, and the next one's range */
    uint8_t depth;           /* scopes[1..depth] are open */
    uint8_t sp;
    uint8_t stack[MAX_STACK];
} state;
_Static_assert(sizeof(state) <= CMAT_ACCEPTOR_STATE_MAX, "the state fits");

typedef struct {
    cmat_acceptor base;
    const db_schema *schema;
    db_sql_sets sets;
    db_word_tree tree;
    uint32_t root;        /* keywords, tables, plain columns */
    uint32_t *table_root; /* of each table: its columns */
    uint64_t writable;    /* tables that are no views */
    bool mysql, agentbench;
    char quote;
} acceptor;

static uint64_t table_bit(int t)
{
    return (uint64_t)1 << (t < 63 ? t : 63);
}

/* ---- the parser ---- */

static bool scope_satisfied(const state *s)
{
    const scope *c = &s->scopes[s->depth];
    return (c->need & ~c->tabs) == 0;
}

static bool nullable(const acceptor *a, const state *s, int nt)
{
    if (nt == N_JOINS)
        return scope_satisfied(s);
    if (nt == N_FROMPART) {
        const scope *c = &s->scopes[s->depth];
        return !c->plain && !c->star && !c->need;
    }
    if (nt == N_VREST)
        return s->n_values == 0;
    return a->sets.nullable[nt - N_TERMINALS];
}

/* The terminals that may follow, from the stack alone. *whole: nothing needs to. */
static uint64_t follow(const acceptor *a, const state *s, bool *whole)
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

static uint64_t outer_tables(const state *s)
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
static void filter_names(const acceptor *a, state *s)
{
    const scope *c = &s->scopes[s->depth];
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

static uint64_t columns_of(const acceptor *a, int t)
{
    return a->tree.nodes[a->table_root[t]].below.owners;
}

static void filter_depth(const acceptor *a, state *s)
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
    if (s->depth >= MAX_SCOPES - 1 || s->sp > DEEP_STACK) {
        drop(f, BIT(T_EXISTS));
        drop(f, BIT(T_SELECT));
    }
    if (s->sp > DEEP_STACK)
        drop(f, BIT(T_LP) | BIT(T_F1) | BIT(T_F2) | BIT(T_F3) | BIT(T_ROUND) | BIT(T_SUBSTR) |
                    BIT(T_CAST) | BIT(T_AGG) | BIT(T_COUNT));
    if (s->n_branches >= MAX_BRANCHES) {
        if (*f & BIT(T_OR))
            *f &= ~(BIT(T_AND) | BIT(T_OR));
        if (*f & (BIT(T_FROM) | BIT(T_RP) | BIT(T_LIMIT)))
            *f &= ~BIT(T_COMMA);
        *f &= ~BIT(T_ARITH);
        if (s->sp && s->stack[s->sp - 1] == N_JREST)
            *f &= ~BIT(T_JCOMMA);
    }
}

static void prepare(const acceptor *a, state *s)
{
    bool whole;
    s->mode = M_START;
    s->node = 0;
    s->num = s->length = s->rest = s->low = s->high = 0;
    s->allowed = follow(a, s, &whole);
    filter_depth(a, s);
    filter_names(a, s);
}

static bool run_action(state *s, int action)
{
    scope *c = &s->scopes[s->depth];
    switch (action) {
    case A_PUSH:
        if (s->depth >= MAX_SCOPES)
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

static uint8_t pop(state *s)
{
    uint8_t x = s->stack[--s->sp];
    s->stack[s->sp] = 0;
    return x;
}

/* Runs the actions on top of the stack. */
static bool settle(state *s)
{
    while (s->sp && db_sql_is_action(s->stack[s->sp - 1]))
        if (!run_action(s, pop(s)))
            return false;
    return true;
}

/* Takes terminal t off the stack, expanding what stands before it. */
static bool parse(const acceptor *a, state *s, int t)
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
            if (s->sp + p->n > MAX_STACK)
                return false;
            for (int i = p->n; i > 0; i--)
                s->stack[s->sp++] = p->body[i - 1];
        }
    }
    return false;
}

/* ---- what a token means ---- */

static void name_meaning(const acceptor *a, state *s, int t, const db_word_node *w)
{
    scope *c = &s->scopes[s->depth];
    switch (t) {
    case T_COL:
        c->plain = true;
        if (!c->tabs)
            c->cand &= w->here.owners;
        break;
    case T_QTAB:
        s->table = w->table;
        if (!c->tabs)
            c->need |= table_bit(w->table);
        break;
    case T_TCOL:
        s->table = 0;
        break;
    case T_TAB:
        c->n_joins = (uint8_t)(c->n_joins + (c->tabs != 0));
        c->tabs |= table_bit(w->table);
        break;
    case T_WTAB:
        c->tabs = table_bit(w->table);
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

static void word_meaning(state *s, int t)
{
    scope *c = &s->scopes[s->depth];
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

/* The token is complete: moves the parser on. */
static bool finish(const acceptor *a, state *s, int t)
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
    prepare(a, s);
    return true;
}

/* ---- the lexer ---- */

static uint32_t start_root(const acceptor *a, const state *s)
{
    if (s->allowed & BIT(T_TCOL))
        return a->table_root[s->table];
    if (s->allowed & (BIT(T_ICOL) | BIT(T_UCOL)))
        return a->table_root[s->target];
    return a->root;
}

/* What of a word's meanings may come now. */
static uint64_t possible(const state *s, const db_word_info *w)
{
    const uint64_t named = BIT(T_COL) | BIT(T_QTAB) | BIT(T_TAB) | BIT(T_WTAB) | BIT(T_ICOL);
    uint64_t both = w->terminals & s->allowed, ok = both & ~named;
    if (w->owners & s->columns)
        ok |= both & BIT(T_COL);
    if (w->tables & s->tables)
        ok |= both & (BIT(T_QTAB) | BIT(T_TAB) | BIT(T_WTAB));
    if (w->owners & ~s->used)
        ok |= both & BIT(T_ICOL);
    return ok;
}

/* One byte of text that must be UTF-8 without control characters. */
static bool text_byte(state *s, uint8_t b, int max)
{
    if (s->length >= max)
        return false;
    if (s->rest) {
        if (b < s->low || b > s->high)
            return false;
        s->rest--;
        s->low = 0x80;
        s->high = 0xbf;
    } else if (b >= 0x80) {
        if (b < 0xc2 || b > 0xf4 || s->length + 4 > max)
            return false;
        s->rest = b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
        s->low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
        s->high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
    } else if (b < 0x20 || b == 0x7f) {
        return false;
    }
    if (!s->rest)
        s->low = s->high = 0;
    s->length++;
    return true;
}

static bool num_byte(state *s, uint8_t b)
{
    bool digit = b >= '0' && b <= '9';
    if (s->length >= MAX_DIGITS)
        return false;
    s->length++;
    switch (s->num) {
    case NUM_SIGN:
        s->num = b == '0' ? NUM_ZERO : NUM_INT;
        return digit;
    case NUM_ZERO:
        s->num = NUM_DOT;
        return b == '.' && !s->whole && s->length < MAX_DIGITS;
    case NUM_INT:
        if (digit)
            return true;
        s->num = NUM_DOT;
        return b == '.' && !s->whole && s->length < MAX_DIGITS;
    default:
        s->num = NUM_FRAC;
        return digit;
    }
}

static bool num_ends(const state *s)
{
    return s->num == NUM_ZERO || s->num == NUM_INT || s->num == NUM_FRAC;
}

static bool start_byte(const acceptor *a, state *s, uint8_t b)
{
    if (b == '\'' && (s->allowed & BIT(T_STR))) {
        s->mode = M_STR;
        return true;
    }
    if (b == '"' && (s->allowed & BIT(T_JSTR))) {
        s->mode = M_JSON;
        return true;
    }
    if ((s->allowed & BIT(T_NUM)) && ((b >= '0' && b <= '9') || (b == '-' && !s->whole))) {
        s->mode = M_NUM;
        s->num = b == '-' ? NUM_SIGN : b == '0' ? NUM_ZERO : NUM_INT;
        s->length = 1;
        return true;
    }
    if ((s->allowed & BIT(T_LINE)) && (b != 'A' || s->allowed == BIT(T_LINE))) {
        s->mode = M_LINE;
        return text_byte(s, b, MAX_LINE);
    }
    uint32_t n = db_word_child(&a->tree, start_root(a, s), b);
    if (!n || !possible(s, &a->tree.nodes[n].below))
        return false;
    s->mode = M_WORD;
    s->node = n;
    return true;
}

static bool word_byte(const acceptor *a, state *s, uint8_t b)
{
    uint32_t n = db_word_child(&a->tree, s->node, b);
    if (n && possible(s, &a->tree.nodes[n].below)) {
        s->node = n;
        return true;
    }
    uint64_t t = possible(s, &a->tree.nodes[s->node].here);
    return t && finish(a, s, __builtin_ctzll(t)) && start_byte(a, s, b);
}

/* A text or line ends. */
static bool finish_text(const acceptor *a, state *s, int t)
{
    if (!s->alone)
        return finish(a, s, t);
    s->mode = M_BEYOND;
    return true;
}

static bool sql_text_byte(const acceptor *a, state *s, uint8_t b)
{
    if (b == '\'' && !s->rest) {
        s->mode = M_STR_END;
        return true;
    }
    return !(b == '\\' && a->mysql) && text_byte(s, b, MAX_STRING);
}

static bool json_byte(const acceptor *a, state *s, uint8_t b)
{
    if (s->mode == M_JSON_ESCAPE) {
        s->mode = M_JSON;
        s->length++;
        return strchr("\"\\/bfnrt", b) && b;
    }
    if (b == '"' && !s->rest)
        return finish_text(a, s, T_JSTR);
    if (b == '\\' && !s->rest) {
        s->mode = M_JSON_ESCAPE;
        return s->length++ + 1 < MAX_STRING;
    }
    return text_byte(s, b, MAX_STRING);
}

static bool sql_step(const cmat_acceptor *base, void *p, uint8_t b)
{
    const acceptor *a = (const acceptor *)base;
    state *s = p;
    switch ((mode)s->mode) {
    case M_START:
        return start_byte(a, s, b);
    case M_WORD:
        return word_byte(a, s, b);
    case M_NUM:
        if (num_ends(s) && !(b >= '0' && b <= '9') && b != '.')
            return finish(a, s, T_NUM) && start_byte(a, s, b);
        return num_byte(s, b);
    case M_STR:
        return sql_text_byte(a, s, b);
    case M_STR_END:
        if (b == '\'') { /* '' is one quote */
            s->mode = M_STR;
            return s->length++ < MAX_STRING;
        }
        return finish_text(a, s, T_STR) && (s->alone || start_byte(a, s, b));
    case M_LINE:
        if (b == '\n' && !s->rest)
            return finish_text(a, s, T_LINE);
        return text_byte(s, b, MAX_LINE);
    case M_BEYOND:
        return false;
    default:
        return json_byte(a, s, b);
    }
}

static bool sql_done(const cmat_acceptor *base, const void *p)
{
    const acceptor *a = (const acceptor *)base;
    state s = *(const state *)p;
    bool whole = false, ok = true;
    if (s.mode == M_WORD) {
        uint64_t t = possible(&s, &a->tree.nodes[s.node].here);
        ok = t && finish(a, &s, __builtin_ctzll(t));
    } else if (s.mode == M_NUM) {
        ok = num_ends(&s) && finish(a, &s, T_NUM);
    } else if (s.mode == M_STR_END) {
        ok = finish(a, &s, T_STR);
    } else if (s.mode != M_START) {
        ok = false;
    }
    if (ok)
        follow(a, &s, &whole);
    return ok && whole;
}

/* Counters count only near their limits, so that all places in a long text share one mask. */
static uint64_t sql_key(const cmat_acceptor *base, const void *p)
{
    (void)base;
    state s = *(const state *)p;
    int max = s.mode == M_LINE ? MAX_LINE : s.mode == M_NUM ? MAX_DIGITS : MAX_STRING;
    if (s.length + CMAT_ACCEPTOR_AHEAD <= max)
        s.length = 0;
    if (s.n_branches + 8 <= MAX_BRANCHES)
        s.n_branches = 0;
    if (s.mode != M_START && s.mode != M_WORD)
        s.allowed = s.columns = s.tables = 0;
    uint64_t h = cmat_fnv1a(&s, offsetof(state, stack) + s.sp);
    return h ? h : 1;
}

/* Texts and lines are alike wherever they stand, in every database. */
static void sql_inner(const cmat_acceptor *base, const void *p, void *inner)
{
    const state *s = p;
    state *alone = inner;
    (void)base;
    if (s->mode == M_START || s->mode == M_WORD || s->mode == M_NUM)
        *alone = *s;
    else
        *alone = (state){.mode = s->mode,
                         .length = s->length,
                         .rest = s->rest,
                         .low = s->low,
                         .high = s->high,
                         .alone = true};
}

static bool sql_unknown(const cmat_acceptor *base, const void *p)
{
    (void)base;
    return ((const state *)p)->mode == M_BEYOND;
}

static void sql_start(const cmat_acceptor *base, void *p)
{
    const acceptor *a = (const acceptor *)base;
    state *s = p;
    s->stack[s->sp++] = a->agentbench ? N_BENCH : N_SHORT;
    prepare(a, s);
}

static void sql_free(cmat_acceptor *base)
{
    acceptor *a = (acceptor *)base;
    db_word_tree_clear(&a->tree);
    free(a->table_root);
    free(a);
}

static const cmat_acceptor_ops sql_ops = {.name = "sql",
                                          .start = sql_start,
                                          .step = sql_step,
                                          .done = sql_done,
                                          .key = sql_key,
                                          .inner = sql_inner,
                                          .unknown = sql_unknown,
                                          .free = sql_free};

/* ---- building ---- */

/* Adds a name bare where it may stand so, and in quotes. tail follows it: "." of a qualifier. */
static void add_name(acceptor *a, uint32_t root, const char *name, const char *tail,
                     const db_word_info *info, int table, int column)
{
    const char *quotes = a->mysql ? "`" : a->quote == DB_QUOTE_POSTGRES ? "\"" : "\"`";
    cmat_buf b = {0};
    if (db_name_is_bare(name, a->quote)) {
        cmat_buf_printf(&b, "%s%s", name, tail);
        db_word_add(&a->tree, root, b.data, b.len, info, table, column);
    }
    for (; *quotes; quotes++) {
        cmat_buf_truncate(&b, 0);
        cmat_buf_putc(&b, *quotes);
        for (const char *p = name; *p; p++) {
            if (*p == *quotes)
                cmat_buf_putc(&b, *p);
            cmat_buf_putc(&b, *p);
        }
        cmat_buf_putc(&b, *quotes);
        cmat_buf_puts(&b, tail);
        db_word_add(&a->tree, root, b.data, b.len, info, table, column);
    }
    cmat_buf_clear(&b);
}

static void add_table(acceptor *a, int t)
{
    const db_table *table = &a->schema->tables[t];
    uint64_t bit = table_bit(t);
    db_word_info name = {BIT(T_TAB) | (table->view ? 0 : BIT(T_WTAB)), bit, 0};
    db_word_info dotted = {BIT(T_QTAB), bit, 0};
    a->table_root[t] = db_word_root(&a->tree);
    if (table->n_columns == 0)
        return;
    add_name(a, a->root, table->name, "", &name, t, -1);
    add_name(a, a->root, table->name, ".", &dotted, t, -1);
    for (int c = 0; c < table->n_columns; c++) {
        const db_column *col = &table->columns[c];
        uint64_t write = col->generated ? 0 : BIT(T_ICOL) | BIT(T_UCOL);
        db_word_info plain = {BIT(T_COL), 0, bit};
        db_word_info own = {BIT(T_TCOL) | write, 0, write ? (uint64_t)1 << (c < 63 ? c : 63) : 0};
        add_name(a, a->root, col->name, "", &plain, -1, -1);
        add_name(a, a->table_root[t], col->name, "", &own, -1, c);
    }
    if (!table->view)
        a->writable |= bit;
}

/* Everything that the grammar takes from outside. */
static void identify(acceptor *a)
{
    const db_schema *s = a->schema;
    cmat_buf all = {0};
    cmat_buf_printf(&all, "%d%d%c", a->mysql, a->agentbench, a->quote);
    for (int t = 0; t < s->n_tables; t++) {
        const db_table *table = &s->tables[t];
        cmat_buf_printf(&all, "\n%d%zu %s", table->view, strlen(table->name), table->name);
        for (int c = 0; c < table->n_columns; c++) {
            const db_column *col = &table->columns[c];
            cmat_buf_printf(&all, "\n %d%zu %s", col->generated, strlen(col->name), col->name);
        }
    }
    a->base.identity = cmat_acceptor_identity_of(sql_ops.name, all.data, all.len);
    a->base.inner_identity = cmat_acceptor_identity_of("a text of sql", &a->mysql, sizeof a->mysql);
    cmat_buf_clear(&all);
}

cmat_status db_constraint(cmat_acceptor **out, const db_constraint_input *in, cmat_error *err)
{
    *out = NULL;
    if (in->schema->n_tables == 0)
        return cmat_fail(err, CMAT_ERR_ARG, "db: a database without tables gives nothing to ask");
    acceptor *a = cmat_xcalloc(1, sizeof(*a));
    a->base = (cmat_acceptor){.ops = &sql_ops, .state_size = sizeof(state)};
    a->schema = in->schema;
    a->mysql = in->mysql;
    a->quote = in->quote ? in->quote : '"';
    a->agentbench = in->agentbench;
    db_sql_sets_make(&a->sets);
    a->root = db_word_root(&a->tree);
    a->table_root = cmat_xcalloc((size_t)in->schema->n_tables, sizeof(*a->table_root));
    for (const db_sql_word *w = db_sql_words; w->text; w++)
        db_word_add(&a->tree, a->root, w->text, strlen(w->text),
                    &(db_word_info){BIT(w->terminal), 0, 0}, -1, -1);
    for (int t = 0; t < in->schema->n_tables; t++)
        add_table(a, t);
    identify(a);
    *out = &a->base;
    return CMAT_OK;
}
