/* env/db/slips.c - plausible wrong actions: the gold statement with one thing changed, as a model
 * would get it wrong. Practice for a Checker, and for an Actor that is sent back. */
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/db/env.h"
#include "env/db/lex.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))
enum { MAX_TOKENS = 160, TRIES = 12 };

typedef struct {
    const db_env *e;
    cmat_rng *rng;
    const char *sql;
    db_token tokens[MAX_TOKENS];
    int n;
    int table; /* of the first FROM, INTO or UPDATE; -1: not found */
} slip;

static int below(slip *s, int n)
{
    return (int)cmat_rng_below(s->rng, (uint64_t)n);
}

static bool read_tokens(slip *s)
{
    const char *p = s->sql;
    const db_schema *schema = &s->e->world->schema;
    s->table = -1;
    for (s->n = 0; s->n < MAX_TOKENS; s->n++) {
        db_token t = s->tokens[s->n] = db_lex_next(&p, s->e->mysql);
        if (t.type == DB_TOKEN_END)
            break;
        if (t.type == DB_TOKEN_BAD)
            return false;
        const db_token *before = s->n ? &s->tokens[s->n - 1] : NULL;
        if (s->table < 0 && before &&
            (db_token_is(before, "FROM") || db_token_is(before, "INTO") ||
             db_token_is(before, "UPDATE"))) {
            cmat_buf name = {0};
            db_token_text(&t, s->e->mysql, &name);
            s->table = db_schema_find_table(schema, cmat_buf_str(&name));
            cmat_buf_clear(&name);
        }
    }
    return s->n > 3 && s->n < MAX_TOKENS && s->table >= 0;
}

/* The statement with the text of tokens from..to-1 replaced. */
static void splice(const slip *s, int from, int to, const char *text, cmat_buf *out)
{
    const char *start = s->tokens[from].s, *end = s->tokens[to - 1].s + s->tokens[to - 1].n;
    cmat_buf_add(out, s->sql, (size_t)(start - s->sql));
    cmat_buf_puts(out, text);
    cmat_buf_puts(out, end);
}

/* One of the tokens that fit, at random; -1: none. */
static int choose(slip *s, bool (*fits)(const slip *, int))
{
    int found = -1, n = 0;
    for (int i = 0; i < s->n; i++)
        if (fits(s, i) && below(s, ++n) == 0)
            found = i;
    return found;
}

static int column_of(const slip *s, int i, int *table)
{
    const db_schema *schema = &s->e->world->schema;
    const db_token *t = &s->tokens[i];
    int c = -1;
    if (t->type != DB_TOKEN_NAME && t->type != DB_TOKEN_QUOTED)
        return -1;
    cmat_buf name = {0}, of = {0};
    db_token_text(t, s->e->mysql, &name);
    *table = s->table;
    if (i >= 2 && db_token_is(t - 1, ".")) {
        db_token_text(t - 2, s->e->mysql, &of);
        *table = db_schema_find_table(schema, cmat_buf_str(&of));
    }
    if (*table >= 0)
        c = db_table_find_column(&schema->tables[*table], cmat_buf_str(&name));
    cmat_buf_clear(&name);
    cmat_buf_clear(&of);
    return c;
}

static bool is_column(const slip *s, int i)
{
    int table;
    return column_of(s, i, &table) >= 0;
}

static bool is_text(const slip *s, int i)
{
    return s->tokens[i].type == DB_TOKEN_STRING;
}

static bool wrong_column(slip *s, cmat_buf *out)
{
    int i = choose(s, is_column), table, c = i < 0 ? -1 : column_of(s, i, &table);
    if (c < 0 || s->e->world->schema.tables[table].n_columns < 2)
        return false;
    const db_table *t = &s->e->world->schema.tables[table];
    int other = below(s, t->n_columns - 1);
    cmat_buf name = {0};
    db_name_add(&name, t->columns[other + (other >= c)].name, s->e->quote);
    splice(s, i, i + 1, cmat_buf_str(&name), out);
    cmat_buf_clear(&name);
    return true;
}

/* A value miscopied: cut short, a letter lost or doubled, the case or a plural changed. */
static bool wrong_spelling(slip *s, cmat_buf *out)
{
    int i = choose(s, is_text);
    cmat_buf v = {0}, w = {0}, lit = {0};
    if (i < 0)
        return false;
    db_token_text(&s->tokens[i], s->e->mysql, &v);
    if (v.len < 3) {
        cmat_buf_clear(&v);
        return false;
    }
    size_t n = v.len, at = (size_t)below(s, (int)n);
    bool ascii = true;
    for (size_t k = 0; k < n; k++)
        ascii = ascii && (unsigned char)v.data[k] < 0x80 && v.data[k] != '%';
    const char *blank = ascii ? strrchr(v.data, ' ') : NULL;
    int how = below(s, 5);
    if (how == 0 && blank)
        cmat_buf_add(&w, v.data, (size_t)(blank - v.data));
    else if (how == 1)
        for (size_t k = 0; k < n; k++)
            cmat_buf_putc(&w, (char)tolower((unsigned char)v.data[k]));
    else if (how == 2 && isalpha((unsigned char)v.data[n - 1]))
        cmat_buf_printf(&w, "%.*s%s", (int)(v.data[n - 1] == 's' ? n - 1 : n), v.data,
                        v.data[n - 1] == 's' ? "" : "s");
    else if (how == 3)
        cmat_buf_printf(&w, "%.*s%s", (int)at, v.data, v.data + at + 1);
    else
        cmat_buf_printf(&w, "%.*s%s", (int)at + 1, v.data, v.data + at);
    bool ok = ascii && w.len > 0 && strcmp(cmat_buf_str(&w), v.data) != 0;
    if (ok) {
        db_literal_add(&lit, w.data);
        splice(s, i, i + 1, lit.data, out);
    }
    cmat_buf_clear(&v);
    cmat_buf_clear(&w);
    cmat_buf_clear(&lit);
    return ok;
}

/* Another value of the column that the text is compared with. */
static bool wrong_value(slip *s, cmat_buf *out)
{
    int i = choose(s, is_text), table = s->table, c = -1;
    for (int k = i - 1; k >= 0 && k >= i - 4 && c < 0; k--)
        c = column_of(s, k, &table);
    if (i < 0 || c < 0)
        return false;
    size_t n = 0;
    bool complete;
    const db_value_entry *e = db_values_column(&s->e->world->values, table, c, &n, &complete);
    if (n < 2)
        return false;
    cmat_buf lit = {0};
    db_literal_add(&lit, e[below(s, (int)n)].text);
    splice(s, i, i + 1, lit.data, out);
    cmat_buf_clear(&lit);
    return true;
}

static bool wrong_table(slip *s, cmat_buf *out)
{
    const db_schema *schema = &s->e->world->schema;
    int at = -1, other = below(s, schema->n_tables);
    if (schema->n_tables < 2 || other == s->table || strstr(s->sql, " JOIN "))
        return false;
    for (int i = 1; i < s->n && at < 0; i++)
        if (db_token_is(&s->tokens[i - 1], "FROM") || db_token_is(&s->tokens[i - 1], "INTO") ||
            db_token_is(&s->tokens[i - 1], "UPDATE"))
            at = i;
    if (at < 0)
        return false;
    cmat_buf name = {0};
    db_name_add(&name, schema->tables[other].name, s->e->quote);
    splice(s, at, at + 1, cmat_buf_str(&name), out);
    cmat_buf_clear(&name);
    return true;
}

/* Without its last condition. */
static bool lost_condition(slip *s, cmat_buf *out)
{
    const char *where = strstr(s->sql, " WHERE "), *and = NULL;
    if (!where || strchr(where, '('))
        return false;
    for (const char *p = where; (p = strstr(p, " AND ")); p++)
        and = p;
    if (strstr(where, " BETWEEN "))
        and = NULL;
    const char *from = and? and : where;
    if (!and&&strncmp(s->sql, "SELECT", 6) != 0)
        return false; /* a change of all rows would be too crude */
    const char *end = from + strlen(from);
    static const char *const tails[] = {" GROUP BY ", " ORDER BY ", " LIMIT "};
    for (int k = 0; k < LEN(tails); k++) {
        const char *t = strstr(from, tails[k]);
        end = t && t < end ? t : end;
    }
    cmat_buf_printf(out, "%.*s%s", (int)(from - s->sql), s->sql, end);
    return true;
}

/* A word for another: the wrong aggregate, order or comparison. */
static bool wrong_word(slip *s, cmat_buf *out)
{
    static const char *const swaps[][2] = {
        {"SUM", "AVG"},  {"AVG", "SUM"},   {"MAX", "MIN"}, {"MIN", "MAX"}, {"COUNT", "SUM"},
        {"DESC", "ASC"}, {">", "<"},       {"<", ">"},     {">=", ">"},    {"<=", "<"},
        {"AND", "OR"},   {"DISTINCT", ""}, {"=", "!="}};
    int found = -1, with = -1, n = 0;
    for (int i = 0; i < s->n; i++)
        for (int k = 0; k < LEN(swaps); k++)
            if (db_token_is(&s->tokens[i], swaps[k][0]) && below(s, ++n) == 0) {
                found = i;
                with = k;
            }
    if (found < 0)
        return false;
    if (!*swaps[with][1]) /* DISTINCT and its blank */
        cmat_buf_printf(out, "%.*s%s", (int)(s->tokens[found].s - s->sql), s->sql,
                        s->tokens[found].s + s->tokens[found].n + 1);
    else
        splice(s, found, found + 1, swaps[with][1], out);
    return true;
}

/* A new row or a change that misses one of its columns. */
static bool lost_column(slip *s, cmat_buf *out)
{
    const char *set = strstr(s->sql, " SET "), *where = set ? strstr(set, " WHERE ") : NULL;
    if (!set || !where)
        return false;
    const char *comma = NULL;
    bool quoted = false;
    for (const char *p = set; p < where; p++) {
        quoted = *p == '\'' ? !quoted : quoted;
        if (!quoted && *p == ',')
            comma = p;
    }
    if (!comma)
        return false;
    cmat_buf_printf(out, "%.*s%s", (int)(comma - s->sql), s->sql, where);
    return true;
}

/* Whether the Actor's grammar would let it be written. */
static bool writable(const db_env *e, const char *reply)
{
    cmat_acceptor *a = NULL;
    cmat_env *env = (cmat_env *)&e->base;
    char state[CMAT_ACCEPTOR_STATE_MAX] = {0};
    if (env->ops->constraint(env, &a, NULL) != CMAT_OK)
        return false;
    bool ok = true;
    a->ops->start(a, state);
    for (const char *p = reply; *p && ok; p++)
        ok = a->ops->step(a, state, (uint8_t)*p);
    ok = ok && a->ops->done(a, state);
    cmat_acceptor_free(a);
    return ok;
}

/* The thought that goes with a slip: the gold's, with the same change where it shows. */
static void add_thought(const db_env *e, const char *gold, const char *sql, cmat_buf *out)
{
    const char *think = cmat_json_str(e->task, "think", "");
    size_t n = strlen(gold), m = strlen(sql), a = 0, z = 0;
    if (!*think)
        return;
    while (gold[a] && gold[a] == sql[a])
        a++;
    while (z < n - a && z < m - a && gold[n - 1 - z] == sql[m - 1 - z])
        z++;
    while (a > 0 && !strchr(" (", gold[a - 1])) /* whole words */
        a--;
    while (z > 0 && !strchr(" ),", gold[n - z]))
        z--;
    char *old = cmat_xstrndup(gold + a, n - a - z);
    const char *at = *old ? cmat_text_find(think, old) : NULL;
    cmat_buf_puts(out, "Think: ");
    if (at)
        cmat_buf_printf(out, "%.*s%.*s%s", (int)(at - think), think, (int)(m - a - z), sql + a,
                        at + strlen(old));
    else
        cmat_buf_puts(out, think);
    cmat_buf_putc(out, '\n');
    free(old);
}

bool db_env_slip(cmat_env *env, cmat_rng *rng, cmat_buf *out)
{
    static bool (*const kinds[])(slip *, cmat_buf *) = {
        wrong_column, wrong_column,   wrong_spelling, wrong_spelling, wrong_value,
        wrong_table,  lost_condition, lost_condition, wrong_word,     lost_column};
    const db_env *e = (const db_env *)env;
    slip s = {.e = e, .rng = rng};
    if (e->agentbench || !e->task || !e->world || db_env_n_gold(e) != 1 || env->steps > 0)
        return false;
    s.sql = db_env_gold(e, 0);
    if (!s.sql || !read_tokens(&s))
        return false;
    cmat_buf sql = {0}, reply = {0};
    bool ok = false;
    for (int i = 0; i < TRIES && !ok; i++) {
        cmat_buf_truncate(&sql, 0);
        cmat_buf_truncate(&reply, 0);
        if (!kinds[below(&s, LEN(kinds))](&s, &sql) || strcmp(cmat_buf_str(&sql), s.sql) == 0)
            continue;
        add_thought(e, s.sql, cmat_buf_str(&sql), &reply);
        cmat_buf_printf(&reply, "Final: %s", cmat_buf_str(&sql));
        ok = writable(e, reply.data);
    }
    if (ok)
        cmat_buf_puts(out, reply.data);
    cmat_buf_clear(&sql);
    cmat_buf_clear(&reply);
    return ok;
}
