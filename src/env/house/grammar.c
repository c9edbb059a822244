/* env/house/grammar.c - the grammar's file: actions with template, feedback and rules of their own,
 * and blocks of rules as JSON. */
#include "core/json.h"
#include "env/house/grammar_impl.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RULES 2000

typedef struct {
    house_grammar *g;
    const char *start, *p;
    json_t
        *rules; /* name: [{"rhs", "condition"}]; a later block's name replaces an earlier one's */
    cmat_error *err;
} reader;

static int line_of(const reader *r, const char *at)
{
    int line = 1;
    for (const char *p = r->start; p < at; p++)
        line += *p == '\n';
    return line;
}

static cmat_status wrong(const reader *r, const char *at, const char *msg)
{
    return cmat_fail(r->err, CMAT_ERR_FORMAT, "grammar: line %d: %s", line_of(r, at), msg);
}

/* Blanks, and comments from '#' to the end of the line. */
static void skip(reader *r)
{
    for (;; r->p++) {
        if (*r->p == '#')
            r->p += strcspn(r->p, "\n");
        if (!isspace((unsigned char)*r->p))
            return;
    }
}

static bool take(reader *r, const char *token)
{
    skip(r);
    if (strncmp(r->p, token, strlen(token)) != 0)
        return false;
    r->p += strlen(token);
    return true;
}

/* :: "text"; or, block, :: """text"""; (the caller's to free) */
static cmat_status read_value(reader *r, bool block, char **out)
{
    const char *mark = block ? "\"\"\"" : "\"";
    if (!take(r, "::"))
        return wrong(r, r->p, "'::' is missing");
    if (!take(r, mark))
        return wrong(r, r->p, "a quoted text is missing");
    const char *end = strstr(r->p, mark);
    if (!end)
        return wrong(r, r->p, "a quoted text is never closed");
    *out = cmat_xstrndup(r->p, (size_t)(end - r->p));
    r->p = end + strlen(mark);
    if (take(r, ";"))
        return CMAT_OK;
    free(*out);
    *out = NULL;
    return wrong(r, r->p, "';' is missing");
}

static cmat_status read_rules(reader *r)
{
    char *text = NULL;
    const char *at = r->p;
    cmat_status st = read_value(r, true, &text);
    if (st != CMAT_OK)
        return st;
    json_error_t je;
    json_t *j = json_loads(text, 0, &je);
    if (!j || !json_is_object(j))
        st = cmat_fail(r->err, CMAT_ERR_FORMAT, "grammar: the rules of line %d: line %d: %s",
                       line_of(r, at), j ? 1 : je.line, j ? "not a JSON object" : je.text);
    else
        json_object_update(r->rules, j);
    json_decref(j);
    free(text);
    return st;
}

static cmat_status read_text(reader *r, const char **out)
{
    char *text = NULL;
    cmat_status st = read_value(r, false, &text);
    if (st == CMAT_OK)
        *out = cmat_arena_strdup(&r->g->arena, text);
    free(text);
    return st;
}

static cmat_status read_name(reader *r, const char **out)
{
    skip(r);
    size_t n = 0;
    while (isalnum((unsigned char)r->p[n]) || (r->p[n] && strchr("_/-", r->p[n])))
        n++;
    if (n == 0)
        return wrong(r, r->p, "an action without a name");
    char *name = cmat_arena_strndup(&r->g->arena, r->p, n);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    r->p += n;
    *out = name;
    return CMAT_OK;
}

static cmat_status read_action(reader *r)
{
    grammar_action *a = cmat_arena_alloc(&r->g->arena, sizeof *a);
    cmat_status st = read_name(r, &a->name);
    if (st == CMAT_OK && !take(r, "{"))
        st = wrong(r, r->p, "'{' is missing");
    while (st == CMAT_OK && !take(r, "}")) {
        char *unused = NULL;
        if (take(r, "template"))
            st = read_text(r, &a->command_text);
        else if (take(r, "feedback"))
            st = read_text(r, &a->feedback_text);
        else if (take(r, "grammar"))
            st = read_rules(r);
        else if (take(r, "pddl"))
            st = read_value(r, true, &unused);
        else
            st = wrong(r, r->p, "not template, feedback, grammar or pddl");
        free(unused);
    }
    if (st == CMAT_OK && (!a->command_text || !a->feedback_text))
        st = wrong(r, r->p, "an action without template or feedback");
    /* A later action of the same name goes first. */
    a->next = r->g->actions;
    r->g->actions = a;
    return st;
}

static cmat_status read_choice(reader *r, const char *name, const json_t *j, grammar_choice **out)
{
    house_grammar *g = r->g;
    const char *rhs = cmat_json_str(j, "rhs", NULL), *condition = cmat_json_str(j, "condition", "");
    grammar_choice *c = *out = cmat_arena_alloc(&g->arena, sizeof *c);
    if (!rhs)
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "grammar: rule %.60s: \"rhs\" is missing", name);
    cmat_status st = house_symbols_parse(g, rhs, name, &c->symbols, r->err);
    if (st == CMAT_OK && *condition)
        st = house_condition_parse(g, condition, strlen(condition), name, &c->condition, r->err);
    return st;
}

static cmat_status build_rules(reader *r)
{
    const char *name;
    json_t *choices;
    if (json_object_size(r->rules) > MAX_RULES)
        return cmat_fail(r->err, CMAT_ERR_LIMIT, "grammar: more than %d rules", MAX_RULES);
    json_object_foreach(r->rules, name, choices)
    {
        grammar_rule *rule = cmat_arena_alloc(&r->g->arena, sizeof *rule);
        grammar_choice **link = &rule->choices;
        size_t i;
        json_t *j;
        rule->name = cmat_arena_strdup(&r->g->arena, name);
        rule->next = r->g->rules;
        r->g->rules = rule;
        json_array_foreach(choices, i, j)
        {
            cmat_status st = read_choice(r, name, j, link);
            if (st != CMAT_OK)
                return st;
            link = &(*link)->next;
        }
    }
    return CMAT_OK;
}

static cmat_status read_document(reader *r)
{
    cmat_status st = CMAT_OK;
    for (skip(r); st == CMAT_OK && *r->p; skip(r)) {
        if (take(r, "grammar"))
            st = read_rules(r);
        else if (take(r, "action"))
            st = read_action(r);
        else
            st = wrong(r, r->p, "neither an action nor a grammar");
    }
    if (st == CMAT_OK)
        st = build_rules(r);
    for (grammar_action *a = r->g->actions; a && st == CMAT_OK; a = a->next) {
        st = house_symbols_parse(r->g, a->command_text, a->name, &a->command, r->err);
        if (st == CMAT_OK)
            st = house_symbols_parse(r->g, a->feedback_text, a->name, &a->feedback, r->err);
    }
    return st;
}

cmat_status house_grammar_parse(house_grammar **out, const char *text, cmat_error *err)
{
    house_grammar *g = cmat_xcalloc(1, sizeof *g);
    reader r = {.g = g, .start = text, .p = text, .rules = json_object(), .err = err};
    cmat_status st = read_document(&r);
    json_decref(r.rules);
    *out = st == CMAT_OK ? g : NULL;
    if (st != CMAT_OK)
        house_grammar_free(g);
    return st;
}

void house_grammar_free(house_grammar *g)
{
    if (!g)
        return;
    cmat_arena_clear(&g->arena);
    free(g);
}

const grammar_rule *house_grammar_rule(const house_grammar *g, const char *name, size_t len)
{
    for (const grammar_rule *r = g->rules; r; r = r->next)
        if (strlen(r->name) == len && memcmp(r->name, name, len) == 0)
            return r;
    return NULL;
}

/* ---- binding ---- */

static void bind_atoms(house_grammar *g, grammar_atom *a)
{
    for (; a; a = a->next) {
        a->predicate_id = house_pddl_predicate(g->p, a->predicate);
        if (a->predicate_id >= 0 && g->p->predicates[a->predicate_id].n_args != a->n_args)
            a->predicate_id = -1;
        for (int i = 0; i < a->n_args; i++)
            a->args[i].type_id = house_pddl_type(g->p, a->args[i].type);
    }
}

static void bind_symbols(house_grammar *g, grammar_symbol *s)
{
    for (; s; s = s->next) {
        if (s->kind == SYMBOL_RULE)
            s->rule = house_grammar_rule(g, s->text, strlen(s->text));
        bind_atoms(g, s->given);
    }
}

cmat_status house_grammar_bind(house_grammar *g, const house_pddl *p, const char *const *names,
                               cmat_error *err)
{
    g->p = p;
    g->names = names;
    g->of = cmat_arena_alloc(&g->arena, ((size_t)p->n_actions + 1) * sizeof *g->of);
    for (grammar_rule *r = g->rules; r; r = r->next)
        for (grammar_choice *c = r->choices; c; c = c->next) {
            bind_atoms(g, c->condition);
            bind_symbols(g, c->symbols);
        }
    for (grammar_action *a = g->actions; a; a = a->next) {
        bind_symbols(g, a->command);
        bind_symbols(g, a->feedback);
    }
    for (int i = 0; i < p->n_actions; i++) {
        const grammar_action *a = g->actions;
        while (a && strcmp(a->name, p->actions[i].name) != 0)
            a = a->next;
        if (!a)
            return cmat_fail(err, CMAT_ERR_FORMAT, "grammar: nothing about the action %.60s",
                             p->actions[i].name);
        g->of[i] = a;
    }
    g->list_empty = house_grammar_rule(g, "list_empty", strlen("list_empty"));
    g->list_separator = house_grammar_rule(g, "list_separator", strlen("list_separator"));
    g->list_last = house_grammar_rule(g, "list_last_separator", strlen("list_last_separator"));
    return CMAT_OK;
}
