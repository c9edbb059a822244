/* env/house/sexp.c - see sexp.h. */
#include "env/house/sexp.h"
#include <ctype.h>
#include <string.h>

#define MAX_DEPTH 64
#define MAX_NODES 200000

typedef struct {
    cmat_arena *arena;
    const char *p, *end, *what;
    int line;
    size_t n_nodes;
    cmat_error *err;
} reader;

static void skip(reader *r)
{
    for (; r->p < r->end; r->p++) {
        if (*r->p == ';')
            while (r->p + 1 < r->end && r->p[1] != '\n')
                r->p++;
        else if (*r->p == '\n')
            r->line++;
        else if (!isspace((unsigned char)*r->p))
            return;
    }
}

static house_sexp *node_new(reader *r)
{
    house_sexp *s = cmat_arena_alloc(r->arena, sizeof *s);
    s->line = r->line;
    r->n_nodes++;
    return s;
}

static bool is_word_byte(char c)
{
    return c != '(' && c != ')' && c != ';' && c != '\0' && !isspace((unsigned char)c);
}

static cmat_status read_word(reader *r, house_sexp **out)
{
    const char *start = r->p;
    while (r->p < r->end && is_word_byte(*r->p))
        r->p++;
    if (r->p == start)
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: line %d: a NUL byte", r->what, r->line);
    *out = node_new(r);
    char *word = cmat_arena_strndup(r->arena, start, (size_t)(r->p - start));
    for (char *c = word; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    (*out)->word = word;
    return CMAT_OK;
}

static cmat_status read_list(reader *r, int depth, house_sexp **out)
{
    *out = node_new(r);
    house_sexp **link = &(*out)->first;
    cmat_status st = CMAT_OK;
    const int line = r->line;
    if (depth > MAX_DEPTH)
        return cmat_fail(r->err, CMAT_ERR_LIMIT, "%s: line %d: brackets nested deeper than %d",
                         r->what, r->line, MAX_DEPTH);
    r->p++;
    while (st == CMAT_OK) {
        skip(r);
        if (r->p >= r->end)
            return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: the bracket of line %d is never closed",
                             r->what, line);
        if (r->n_nodes >= MAX_NODES)
            return cmat_fail(r->err, CMAT_ERR_LIMIT, "%s: more than %d words", r->what, MAX_NODES);
        if (*r->p == ')') {
            r->p++;
            return CMAT_OK;
        }
        st = *r->p == '(' ? read_list(r, depth + 1, link) : read_word(r, link);
        if (st == CMAT_OK)
            link = &(*link)->next;
    }
    return st;
}

cmat_status house_sexp_parse(house_sexp **out, cmat_arena *arena, const char *text, size_t len,
                             const char *what, cmat_error *err)
{
    reader r = {.arena = arena, .p = text, .end = text + len, .what = what, .line = 1, .err = err};
    *out = NULL;
    skip(&r);
    if (r.p >= r.end || *r.p != '(')
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: line %d: does not begin with a bracket", what,
                         r.line);
    cmat_status st = read_list(&r, 0, out);
    skip(&r);
    if (st == CMAT_OK && r.p < r.end)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: line %d: text after the last bracket", what,
                       r.line);
    return st;
}

const char *house_sexp_head(const house_sexp *s)
{
    return s && !s->word && s->first && s->first->word ? s->first->word : "";
}

const house_sexp *house_sexp_find(const house_sexp *list, const char *head)
{
    for (const house_sexp *s = list->first; s; s = s->next)
        if (strcmp(house_sexp_head(s), head) == 0)
            return s;
    return NULL;
}
