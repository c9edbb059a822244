/* env/house/symbols.c - the text of a grammar rule, its expressions and its conditions. */
#include "env/house/grammar_impl.h"
#include <ctype.h>
#include <string.h>

typedef struct {
    house_grammar *g;
    const char *start, *p;
    const char *where; /* the rule's name */
    cmat_error *err;
} reader;

static cmat_status wrong(const reader *r, const char *msg)
{
    return cmat_fail(r->err, CMAT_ERR_FORMAT, "grammar: %.60s: byte %zu: %s", r->where,
                     (size_t)(r->p - r->start), msg);
}

static void skip(reader *r, const char *end)
{
    while (r->p < end && isspace((unsigned char)*r->p))
        r->p++;
}

/* A run of name bytes; "" when there is none. */
static const char *read_word(reader *r, const char *end, bool dots)
{
    const char *start = r->p;
    while (r->p < end && (isalnum((unsigned char)*r->p) || *r->p == '_' || *r->p == '\'' ||
                          *r->p == '-' || *r->p == '@' || (dots && *r->p == '.')))
        r->p++;
    return cmat_arena_strndup(&r->g->arena, start, (size_t)(r->p - start));
}

/* ---- conditions ---- */

static cmat_status read_var(reader *r, const char *end, grammar_var *v)
{
    skip(r, end);
    v->name = read_word(r, end, false);
    if (!*v->name)
        return wrong(r, "a variable is missing");
    skip(r, end);
    if (r->p < end && *r->p == ':') {
        r->p++;
        skip(r, end);
        v->type = read_word(r, end, false);
        return *v->type ? CMAT_OK : wrong(r, "a type is missing");
    }
    size_t n = strlen(v->name); /* its name is its type */
    while (n > 1 && v->name[n - 1] == '\'')
        n--;
    v->type = cmat_arena_strndup(&r->g->arena, v->name, n);
    return CMAT_OK;
}

static cmat_status read_atom(reader *r, const char *end, grammar_atom **out)
{
    static const char no[] = "not_";
    grammar_atom *a = *out = cmat_arena_alloc(&r->g->arena, sizeof *a);
    skip(r, end);
    a->predicate = read_word(r, end, false);
    a->made_false = strncmp(a->predicate, no, strlen(no)) == 0;
    if (a->made_false)
        a->predicate += strlen(no);
    skip(r, end);
    if (!*a->predicate || r->p >= end || *r->p++ != '(')
        return wrong(r, "not a fact");
    for (;;) {
        skip(r, end);
        if (a->n_args == 0 && r->p < end && *r->p == ')') {
            r->p++;
            return CMAT_OK;
        }
        if (a->n_args == HOUSE_MAX_ARGS)
            return wrong(r, "too many arguments");
        cmat_status st = read_var(r, end, &a->args[a->n_args++]);
        if (st != CMAT_OK)
            return st;
        skip(r, end);
        if (r->p < end && *r->p == ',')
            r->p++;
        else if (r->p < end && *r->p == ')') {
            r->p++;
            return CMAT_OK;
        } else
            return wrong(r, "',' or ')' is missing");
    }
}

cmat_status house_condition_parse(house_grammar *g, const char *text, size_t len, const char *where,
                                  grammar_atom **out, cmat_error *err)
{
    reader r = {.g = g, .start = text, .p = text, .where = where, .err = err};
    const char *end = text + len;
    for (int n = 0;; n++) {
        if (n == 32)
            return wrong(&r, "too many facts in a condition");
        cmat_status st = read_atom(&r, end, out);
        if (st != CMAT_OK)
            return st;
        out = &(*out)->next;
        skip(&r, end);
        if (r.p == end)
            return CMAT_OK;
        if (*r.p++ != '&')
            return wrong(&r, "'&' is missing");
    }
}

/* ---- expressions ---- */

static cmat_status read_term(reader *r, const char *end, grammar_expr **out)
{
    static const struct {
        const char *name;
        expr_part part;
    } parts[] = {{"", PART_NAME},
                 {"name", PART_NAME},
                 {"id", PART_ID},
                 {"indefinite", PART_A},
                 {"definite", PART_THE}};
    grammar_expr *e = *out = cmat_arena_alloc(&r->g->arena, sizeof *e);
    skip(r, end);
    if (r->p < end && *r->p == '\'') {
        const char *close = memchr(r->p + 1, '\'', (size_t)(end - r->p - 1));
        if (!close)
            return wrong(r, "a quoted text is never closed");
        e->part = PART_TEXT;
        e->text = cmat_arena_strndup(&r->g->arena, r->p + 1, (size_t)(close - r->p - 1));
        r->p = close + 1;
        return CMAT_OK;
    }
    const char *word = read_word(r, end, true), *dot = strchr(word, '.');
    if (!*word || dot == word)
        return wrong(r, "a variable is missing");
    e->var.name = dot ? cmat_arena_strndup(&r->g->arena, word, (size_t)(dot - word)) : word;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(parts[i].name, dot ? dot + 1 : "") == 0) {
            e->part = parts[i].part;
            return CMAT_OK;
        }
    return wrong(r, "only name, id, definite and indefinite are known of a thing");
}

/* a + b or c: '+' binds closer. */
static cmat_status read_expr(reader *r, const char *end, grammar_expr **out)
{
    grammar_expr *head = NULL, **link = out;
    for (int n = 0; n < 64; n++) {
        cmat_status st = read_term(r, end, link);
        if (st != CMAT_OK)
            return st;
        head = head ? head : *link;
        grammar_expr *last = *link;
        skip(r, end);
        if (r->p == end)
            return CMAT_OK;
        if (*r->p == '+') {
            r->p++;
            link = &last->plus;
        } else if (end - r->p > 3 && strncmp(r->p, "or ", 3) == 0) {
            r->p += 3;
            link = &head->otherwise;
            head = NULL;
        } else {
            return wrong(r, "'+' or \"or\" is missing");
        }
    }
    return wrong(r, "too long an expression");
}

/* ---- symbols ---- */

static cmat_status read_rule(reader *r, grammar_symbol *s)
{
    const char *end = strchr(r->p + 1, '#');
    if (!end)
        return wrong(r, "'#' is never closed");
    s->kind = SYMBOL_RULE;
    s->text = cmat_arena_strndup(&r->g->arena, r->p + 1, (size_t)(end - r->p - 1));
    r->p = end + 1;
    return CMAT_OK;
}

/* {expression}, {expression | condition}, {#rule# | condition} */
static cmat_status read_braces(reader *r, grammar_symbol *s)
{
    const char *close = strchr(r->p, '}');
    if (!close)
        return wrong(r, "'{' is never closed");
    const char *bar = memchr(r->p, '|', (size_t)(close - r->p)), *end = bar ? bar : close;
    cmat_status st;
    r->p++;
    skip(r, end);
    if (r->p < end && *r->p == '#') {
        if ((st = read_rule(r, s)) == CMAT_OK && r->p > end)
            st = wrong(r, "'#' is never closed");
        skip(r, end);
        if (st == CMAT_OK && r->p != end)
            st = wrong(r, "text after a rule's name");
    } else {
        s->kind = SYMBOL_EXPR;
        st = read_expr(r, end, &s->expr);
    }
    if (st == CMAT_OK && bar) {
        s->each = true;
        st = house_condition_parse(r->g, bar + 1, (size_t)(close - bar - 1), r->where, &s->given,
                                   r->err);
    }
    r->p = close + 1;
    return st;
}

static cmat_status read_list(reader *r, grammar_symbol *s)
{
    cmat_status st;
    r->p++;
    s->list = true;
    if (*r->p != '{')
        return wrong(r, "'[' without '{'");
    if ((st = read_braces(r, s)) != CMAT_OK)
        return st;
    return *r->p++ == ']' ? CMAT_OK : wrong(r, "'[' is never closed");
}

static void read_plain(reader *r, grammar_symbol *s)
{
    const size_t n = strcspn(r->p, "[{#");
    s->kind = SYMBOL_TEXT;
    s->text = cmat_arena_strndup(&r->g->arena, r->p, n);
    r->p += n;
}

/* TextWorld's reader drops blanks where a symbol begins a line. */
static void skip_line_start(reader *r)
{
    if (r->p == r->start || r->p[-1] == '\n')
        while (isspace((unsigned char)*r->p))
            r->p++;
}

cmat_status house_symbols_parse(house_grammar *g, const char *text, const char *where,
                                grammar_symbol **out, cmat_error *err)
{
    reader r = {.g = g, .start = text, .p = text, .where = where, .err = err};
    cmat_status st = CMAT_OK;
    for (skip_line_start(&r); *r.p && st == CMAT_OK; skip_line_start(&r)) {
        grammar_symbol *s = *out = cmat_arena_alloc(&g->arena, sizeof *s);
        if (*r.p == '[')
            st = read_list(&r, s);
        else if (*r.p == '{')
            st = read_braces(&r, s);
        else if (*r.p == '#')
            st = read_rule(&r, s);
        else
            read_plain(&r, s);
        out = &s->next;
    }
    return st;
}
