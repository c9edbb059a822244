/* env/db/sql_acceptor.c - an acceptor of replies whose SQL always parses and names only what is
 * there.
 *
 * A push-down automaton: names and keywords are spelled in word trees here, sql_parse.c knows which
 * may come. The state is plain data; what may come next depends on nothing else. */
#include "core/hash.h"
#include "core/mem.h"
#include "env/db/sql_parse.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_LINE = 160,   /* bytes of a thought */
    MAX_STRING = 200, /* bytes of a text */
    MAX_DIGITS = 84   /* bytes of a number: more than CMAT_ACCEPTOR_AHEAD, so that places in one
                         share a key */
};

/* ---- the lexer ---- */

static uint32_t start_root(const db_sql_acceptor *a, const db_sql_state *s)
{
    if (s->allowed & BIT(T_TCOL))
        return a->table_root[s->table];
    if (s->allowed & (BIT(T_ICOL) | BIT(T_UCOL)))
        return a->table_root[s->target];
    return a->root;
}

/* What of a word's meanings may come now. */
static uint64_t possible(const db_sql_state *s, const db_word_info *w)
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
static bool text_byte(db_sql_state *s, uint8_t b, int max)
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

static bool num_byte(db_sql_state *s, uint8_t b)
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

static bool num_ends(const db_sql_state *s)
{
    return s->num == NUM_ZERO || s->num == NUM_INT || s->num == NUM_FRAC;
}

static bool start_byte(const db_sql_acceptor *a, db_sql_state *s, uint8_t b)
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

static bool word_byte(const db_sql_acceptor *a, db_sql_state *s, uint8_t b)
{
    uint32_t n = db_word_child(&a->tree, s->node, b);
    if (n && possible(s, &a->tree.nodes[n].below)) {
        s->node = n;
        return true;
    }
    uint64_t t = possible(s, &a->tree.nodes[s->node].here);
    return t && db_sql_finish(a, s, __builtin_ctzll(t)) && start_byte(a, s, b);
}

/* A text or line ends. */
static bool finish_text(const db_sql_acceptor *a, db_sql_state *s, int t)
{
    if (!s->alone)
        return db_sql_finish(a, s, t);
    s->mode = M_BEYOND;
    return true;
}

static bool sql_text_byte(const db_sql_acceptor *a, db_sql_state *s, uint8_t b)
{
    if (b == '\'' && !s->rest) {
        s->mode = M_STR_END;
        return true;
    }
    return !(b == '\\' && a->mysql) && text_byte(s, b, MAX_STRING);
}

static bool json_byte(const db_sql_acceptor *a, db_sql_state *s, uint8_t b)
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
    const db_sql_acceptor *a = (const db_sql_acceptor *)base;
    db_sql_state *s = p;
    switch ((db_sql_mode)s->mode) {
    case M_START:
        return start_byte(a, s, b);
    case M_WORD:
        return word_byte(a, s, b);
    case M_NUM:
        if (num_ends(s) && !(b >= '0' && b <= '9') && b != '.')
            return db_sql_finish(a, s, T_NUM) && start_byte(a, s, b);
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
    const db_sql_acceptor *a = (const db_sql_acceptor *)base;
    db_sql_state s = *(const db_sql_state *)p;
    bool whole = false, ok = true;
    if (s.mode == M_WORD) {
        uint64_t t = possible(&s, &a->tree.nodes[s.node].here);
        ok = t && db_sql_finish(a, &s, __builtin_ctzll(t));
    } else if (s.mode == M_NUM) {
        ok = num_ends(&s) && db_sql_finish(a, &s, T_NUM);
    } else if (s.mode == M_STR_END) {
        ok = db_sql_finish(a, &s, T_STR);
    } else if (s.mode != M_START) {
        ok = false;
    }
    if (ok)
        db_sql_follow(a, &s, &whole);
    return ok && whole;
}

/* Counters count only near their limits, so that all places in a long text share one mask. */
static uint64_t sql_key(const cmat_acceptor *base, const void *p)
{
    (void)base;
    db_sql_state s = *(const db_sql_state *)p;
    int max = s.mode == M_LINE ? MAX_LINE : s.mode == M_NUM ? MAX_DIGITS : MAX_STRING;
    if (s.length + CMAT_ACCEPTOR_AHEAD <= max)
        s.length = 0;
    if (s.n_branches + 8 <= DB_SQL_MAX_BRANCHES)
        s.n_branches = 0;
    if (s.mode != M_START && s.mode != M_WORD)
        s.allowed = s.columns = s.tables = 0;
    uint64_t h = cmat_fnv1a(&s, offsetof(db_sql_state, stack) + s.sp);
    return h ? h : 1;
}

/* Texts and lines are alike wherever they stand, in every database. */
static void sql_inner(const cmat_acceptor *base, const void *p, void *inner)
{
    const db_sql_state *s = p;
    db_sql_state *alone = inner;
    (void)base;
    if (s->mode == M_START || s->mode == M_WORD || s->mode == M_NUM)
        *alone = *s;
    else
        *alone = (db_sql_state){.mode = s->mode,
                                .length = s->length,
                                .rest = s->rest,
                                .low = s->low,
                                .high = s->high,
                                .alone = true};
}

static bool sql_unknown(const cmat_acceptor *base, const void *p)
{
    (void)base;
    return ((const db_sql_state *)p)->mode == M_BEYOND;
}

static void sql_start(const cmat_acceptor *base, void *p)
{
    const db_sql_acceptor *a = (const db_sql_acceptor *)base;
    db_sql_state *s = p;
    s->stack[s->sp++] = a->agentbench ? N_BENCH : N_SHORT;
    db_sql_prepare(a, s);
}

static void sql_free(cmat_acceptor *base)
{
    db_sql_acceptor *a = (db_sql_acceptor *)base;
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
static void add_name(db_sql_acceptor *a, uint32_t root, const char *name, const char *tail,
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

static void add_table(db_sql_acceptor *a, int t)
{
    const db_table *table = &a->schema->tables[t];
    uint64_t bit = db_sql_table_bit(t);
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
static void identify(db_sql_acceptor *a, db_flavour flavour)
{
    const db_schema *s = a->schema;
    cmat_buf all = {0};
    cmat_buf_printf(&all, "%d%d%d%c", a->mysql, a->agentbench, (int)flavour, a->quote);
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
    db_sql_acceptor *a = cmat_xcalloc(1, sizeof(*a));
    a->base = (cmat_acceptor){.ops = &sql_ops, .state_size = sizeof(db_sql_state)};
    a->schema = in->schema;
    a->mysql = in->mysql;
    a->quote = in->quote ? in->quote : '"';
    a->agentbench = in->agentbench;
    db_sql_sets_make(&a->sets);
    a->root = db_word_root(&a->tree);
    a->table_root = cmat_xcalloc((size_t)in->schema->n_tables, sizeof(*a->table_root));
    const unsigned known = 1u << in->flavour | (in->mysql ? DB_SQL_HABITS : 0);
    for (const db_sql_word *w = db_sql_words; w->text; w++)
        if (!w->only || w->only & known)
            db_word_add(&a->tree, a->root, w->text, strlen(w->text),
                        &(db_word_info){BIT(w->terminal), 0, 0}, -1, -1);
    for (int t = 0; t < in->schema->n_tables; t++)
        add_table(a, t);
    identify(a, in->flavour);
    *out = &a->base;
    return CMAT_OK;
}
