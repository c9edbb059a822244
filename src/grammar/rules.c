/* grammar/rules.c - building expressions. */
#include "grammar/rules.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void grammar_rules_clear(grammar_rules *g)
{
    const char *what = g->what;
    cmat_arena_clear(&g->arena);
    free(g->rules);
    *g = (grammar_rules){.what = what};
}

int grammar_rule_new(grammar_rules *g, const char *name, grammar_expr *body)
{
    g->rules = cmat_xgrow(g->rules, &g->cap, g->n_rules + 1, sizeof *g->rules);
    g->rules[g->n_rules] = (grammar_rule){.name = cmat_arena_strdup(&g->arena, name), .body = body};
    return (int)g->n_rules++;
}

void grammar_list_add(grammar_list *l, grammar_expr *e)
{
    l->items = cmat_xgrow(l->items, &l->cap, l->n + 1, sizeof(grammar_expr *));
    l->items[l->n++] = e;
}

static grammar_expr *expr(grammar_rules *g, grammar_kind kind)
{
    grammar_expr *e = cmat_arena_alloc(&g->arena, sizeof *e);
    e->kind = kind;
    return e;
}

grammar_expr *grammar_text(grammar_rules *g, const char *text, size_t n)
{
    grammar_expr *e = expr(g, EXPR_TEXT);
    e->text = cmat_arena_strndup(&g->arena, text, n);
    e->n = n;
    return e;
}

grammar_expr *grammar_set(grammar_rules *g, const grammar_range *ranges, size_t n)
{
    grammar_expr *e = expr(g, EXPR_SET);
    grammar_range *copy = cmat_arena_alloc(&g->arena, (n ? n : 1) * sizeof *copy);
    if (n)
        memcpy(copy, ranges, n * sizeof *copy);
    e->ranges = copy;
    e->n = n;
    return e;
}

static grammar_expr *from_list(grammar_rules *g, grammar_kind kind, grammar_list *l)
{
    grammar_expr *e;
    if (l->n == 1) {
        e = l->items[0];
    } else if (l->n == 0) {
        e = kind == EXPR_ALT ? grammar_set(g, NULL, 0) : grammar_text(g, "", 0);
    } else {
        e = expr(g, kind);
        e->items = cmat_arena_alloc(&g->arena, l->n * sizeof(grammar_expr *));
        memcpy(e->items, l->items, l->n * sizeof(grammar_expr *));
        e->n = l->n;
    }
    free(l->items);
    *l = (grammar_list){0};
    return e;
}

grammar_expr *grammar_cat(grammar_rules *g, grammar_list *l)
{
    return from_list(g, EXPR_CAT, l);
}

grammar_expr *grammar_alt(grammar_rules *g, grammar_list *l)
{
    return from_list(g, EXPR_ALT, l);
}

grammar_expr *grammar_cat_of(grammar_rules *g, size_t n, ...)
{
    grammar_list l = {0};
    va_list ap;
    va_start(ap, n);
    for (size_t i = 0; i < n; i++)
        grammar_list_add(&l, va_arg(ap, grammar_expr *));
    va_end(ap);
    return grammar_cat(g, &l);
}

grammar_expr *grammar_repeat(grammar_rules *g, grammar_expr *e, int min, int max)
{
    grammar_expr *r = expr(g, EXPR_REPEAT);
    r->items = cmat_arena_alloc(&g->arena, sizeof(grammar_expr *));
    r->items[0] = e;
    r->n = 1;
    r->min = min;
    r->max = max;
    return r;
}

grammar_expr *grammar_call(grammar_rules *g, int rule)
{
    grammar_expr *e = expr(g, EXPR_CALL);
    e->rule = rule;
    return e;
}

grammar_expr *grammar_until(grammar_rules *g, const char *text, bool open)
{
    grammar_expr *e = grammar_text(g, text, strlen(text));
    e->kind = EXPR_UNTIL;
    e->open = open;
    return e;
}

void grammar_points_add(grammar_points *p, uint32_t lo, uint32_t hi)
{
    p->ranges = cmat_xgrow(p->ranges, &p->cap, p->n + 1, sizeof *p->ranges);
    p->ranges[p->n++] = (grammar_range){lo, hi};
}

static int range_order(const void *pa, const void *pb)
{
    const grammar_range *a = pa, *b = pb;
    return (a->lo > b->lo) - (a->lo < b->lo);
}

void grammar_points_sort(grammar_points *p)
{
    size_t n = 0;
    if (p->n == 0)
        return;
    qsort(p->ranges, p->n, sizeof *p->ranges, range_order);
    for (size_t i = 1; i < p->n; i++) {
        if (p->ranges[i].lo > p->ranges[n].hi + 1)
            p->ranges[++n] = p->ranges[i];
        else if (p->ranges[i].hi > p->ranges[n].hi)
            p->ranges[n].hi = p->ranges[i].hi;
    }
    p->n = n + 1;
}

void grammar_points_invert(grammar_points *p)
{
    grammar_points out = {0};
    uint32_t next = 0;
    grammar_points_sort(p);
    for (size_t i = 0; i < p->n; i++) {
        if (p->ranges[i].lo > next)
            grammar_points_add(&out, next, p->ranges[i].lo - 1);
        next = p->ranges[i].hi + 1;
    }
    if (next <= GRAMMAR_LAST_POINT)
        grammar_points_add(&out, next, GRAMMAR_LAST_POINT);
    free(p->ranges);
    *p = out;
}

void grammar_points_clear(grammar_points *p)
{
    free(p->ranges);
    *p = (grammar_points){0};
}
