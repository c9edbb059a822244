/* env/house/pddl.c - domain and problem to tables. Order of reading: types, objects, predicates,
 * then what refers to them, then the facts' numbers. */
#include "env/house/pddl.h"
#include "env/house/sexp.h"
#include <stdlib.h>
#include <string.h>

#define MAX_TYPES 256
#define MAX_OBJECTS 5000
#define MAX_PREDICATES 256
#define MAX_ACTIONS 64
#define MAX_BITS ((size_t)1 << 25) /* facts that could be; ALFWorld's games have about 50,000 */

typedef struct {
    house_pddl *p;
    cmat_arena scratch;   /* the brackets, gone afterwards: names are copied */
    house_schema *schema; /* being read */
    const char *what;     /* "domain" or "problem" */
    cmat_error *err;
} reader;

static cmat_status wrong(reader *r, const house_sexp *at, const char *msg, const char *name)
{
    return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: line %d: %s%s%.60s", r->what, at ? at->line : 1,
                     msg, name ? " " : "", name ? name : "");
}

/* ---- names ---- */

static const char *keep(reader *r, const char *word)
{
    return cmat_arena_strdup(&r->p->arena, word);
}

int house_pddl_type(const house_pddl *p, const char *name)
{
    for (int i = 0; i < p->n_types; i++)
        if (strcmp(p->types[i].name, name) == 0)
            return i;
    return -1;
}

static int object_order(const void *a, const void *b)
{
    return strcmp(((const house_object *)a)->name, ((const house_object *)b)->name);
}

int house_pddl_object(const house_pddl *p, const char *name)
{
    const house_object key = {.name = name};
    const house_object *o =
        bsearch(&key, p->objects, (size_t)p->n_objects, sizeof *p->objects, object_order);
    return o ? (int)(o - p->objects) : -1;
}

int house_pddl_predicate(const house_pddl *p, const char *name)
{
    for (int i = 0; i < p->n_predicates; i++)
        if (strcmp(p->predicates[i].name, name) == 0)
            return i;
    return -1;
}

bool house_pddl_is_a(const house_pddl *p, int type, int wanted)
{
    for (int depth = 0; type >= 0 && depth <= p->n_types; depth++) {
        if (type == wanted)
            return true;
        type = p->types[type].parent;
    }
    return false;
}

/* A type that nobody declared has no objects; the name is taken all the same, as Fast Downward
 * does. */
static cmat_status add_type(reader *r, const house_sexp *at, int *type)
{
    house_pddl *p = r->p;
    *type = house_pddl_type(p, at->word);
    if (*type >= 0)
        return CMAT_OK;
    if (p->n_types == MAX_TYPES)
        return wrong(r, at, "too many types", NULL);
    p->types[p->n_types] = (house_type){.name = keep(r, at->word), .parent = -1};
    *type = p->n_types++;
    return CMAT_OK;
}

/* The type after "-" of the typed list's item s ("a b - t"); `object` where there is none. */
static cmat_status type_of_item(reader *r, const house_sexp *s, int *type)
{
    static const house_sexp root = {.word = "object"};
    for (; s; s = s->next) {
        if (!s->word)
            return wrong(r, s, "a bracket inside a typed list", NULL);
        if (strcmp(s->word, "-") == 0) {
            if (!s->next || !s->next->word)
                return wrong(r, s, "no type after '-'", NULL);
            return add_type(r, s->next, type);
        }
    }
    return add_type(r, &root, type);
}

/* Steps through a typed list: *item is the next name, with its type; NULL at the end. */
static cmat_status next_typed(reader *r, const house_sexp **s, const house_sexp **item, int *type)
{
    while (*s && (*s)->word && strcmp((*s)->word, "-") == 0)
        *s = (*s)->next ? (*s)->next->next : NULL;
    *item = *s;
    if (!*s)
        return CMAT_OK;
    cmat_status st = type_of_item(r, *s, type);
    *s = (*s)->next;
    return st;
}

static cmat_status read_types(reader *r, const house_sexp *list)
{
    const house_sexp root = {.word = "object", .line = 1}, *s = list ? list->first->next : NULL;
    const house_sexp *item;
    int object, type, parent = -1;
    cmat_status st = add_type(r, &root, &object);
    while (st == CMAT_OK && s) {
        if ((st = next_typed(r, &s, &item, &parent)) != CMAT_OK || !item)
            break;
        if ((st = add_type(r, item, &type)) == CMAT_OK && type != object)
            r->p->types[type].parent = parent;
    }
    return st;
}

static cmat_status read_objects(reader *r, const house_sexp *list)
{
    house_pddl *p = r->p;
    const house_sexp *s = list ? list->first->next : NULL, *item;
    int type = -1;
    while (s) {
        cmat_status st = next_typed(r, &s, &item, &type);
        if (st != CMAT_OK)
            return st;
        if (!item)
            break;
        if (p->n_objects == MAX_OBJECTS)
            return cmat_fail(r->err, CMAT_ERR_LIMIT, "%s: line %d: more than %d objects", r->what,
                             item->line, MAX_OBJECTS);
        p->objects[p->n_objects++] = (house_object){.name = keep(r, item->word), .type = type};
    }
    return CMAT_OK;
}

/* Sorts the objects, drops doubles, and numbers them within their types. */
static cmat_status number_objects(reader *r)
{
    house_pddl *p = r->p;
    int n = 0;
    if (p->n_objects > 0)
        qsort(p->objects, (size_t)p->n_objects, sizeof *p->objects, object_order);
    for (int i = 0; i < p->n_objects; i++) {
        if (n > 0 && strcmp(p->objects[n - 1].name, p->objects[i].name) == 0) {
            if (p->objects[n - 1].type != p->objects[i].type)
                return cmat_fail(r->err, CMAT_ERR_FORMAT, "problem: object %.60s has two types",
                                 p->objects[i].name);
            continue;
        }
        p->objects[n++] = p->objects[i];
    }
    p->n_objects = n;
    house_object *exact = cmat_arena_alloc(&p->arena, ((size_t)n + 1) * sizeof *exact);
    memcpy(exact, p->objects, (size_t)n * sizeof *exact);
    p->objects = exact;
    for (int t = 0; t < p->n_types; t++)
        p->types[t].objects = cmat_arena_alloc(&p->arena, ((size_t)n + 1) * sizeof(int));
    for (int i = 0; i < n; i++) {
        house_type *t = &p->types[p->objects[i].type];
        p->objects[i].index = t->n_objects;
        t->objects[t->n_objects++] = i;
    }
    return CMAT_OK;
}

static cmat_status read_predicates(reader *r, const house_sexp *list)
{
    house_pddl *p = r->p;
    for (const house_sexp *s = list ? list->first->next : NULL; s; s = s->next) {
        const house_sexp *a, *item;
        if (!*house_sexp_head(s))
            return wrong(r, s, "a predicate is (name ?arguments)", NULL);
        if (p->n_predicates == MAX_PREDICATES)
            return wrong(r, s, "too many predicates", NULL);
        house_predicate *q = &p->predicates[p->n_predicates++];
        *q = (house_predicate){.name = keep(r, s->first->word)};
        for (a = s->first->next; a;) {
            int type = -1;
            cmat_status st = next_typed(r, &a, &item, &type);
            if (st != CMAT_OK)
                return st;
            if (!item)
                break;
            if (q->n_args == HOUSE_MAX_ARGS)
                return wrong(r, s, "too many arguments of predicate", q->name);
            q->types[q->n_args++] = type;
        }
    }
    return CMAT_OK;
}

/* ---- formulas ---- */

static int find_var(const house_schema *s, const char *name)
{
    for (int i = s ? s->n_vars - 1 : -1; i >= 0; i--)
        if (strcmp(s->var_names[i], name) == 0)
            return i;
    return -1;
}

static cmat_status add_vars(reader *r, const house_sexp *list, int *first, int *n)
{
    house_schema *sc = r->schema;
    const house_sexp *s = list->first, *item;
    *first = sc->n_vars;
    while (s) {
        int type = -1;
        cmat_status st = next_typed(r, &s, &item, &type);
        if (st != CMAT_OK)
            return st;
        if (!item)
            break;
        if (sc->n_vars == HOUSE_MAX_VARS)
            return wrong(r, item, "too many variables", NULL);
        if (item->word[0] != '?')
            return wrong(r, item, "a variable begins with '?':", item->word);
        sc->var_names[sc->n_vars] = keep(r, item->word);
        sc->var_types[sc->n_vars++] = type;
    }
    *n = sc->n_vars - *first;
    return CMAT_OK;
}

/* The argument's type, or -1. */
static int arg_type(const reader *r, int arg)
{
    return arg < 0 ? r->schema->var_types[~arg] : r->p->objects[arg].type;
}

/* An object that the domain names but the problem lacks: a number beside all others. */
enum { NOBODY = INT32_MAX };

static cmat_status read_args(reader *r, const house_sexp *s, int *args, int *n)
{
    *n = 0;
    for (; s; s = s->next) {
        if (!s->word)
            return wrong(r, s, "a bracket where a name should be", NULL);
        if (*n == HOUSE_MAX_ARGS)
            return wrong(r, s, "too many arguments", NULL);
        int v = s->word[0] == '?' ? find_var(r->schema, s->word) : -1;
        int o = s->word[0] == '?' ? -1 : house_pddl_object(r->p, s->word);
        if (s->word[0] == '?' && v < 0)
            return wrong(r, s, "unknown variable", s->word);
        if (s->word[0] != '?' && o < 0 && strcmp(r->what, "domain") != 0)
            return wrong(r, s, "unknown object", s->word);
        args[(*n)++] = v >= 0 ? ~v : o >= 0 ? o : NOBODY;
    }
    return CMAT_OK;
}

static cmat_status read_atom(reader *r, const house_sexp *s, int *predicate, int *args, int *n)
{
    if (!*house_sexp_head(s))
        return wrong(r, s, "not an atom", NULL);
    *predicate = house_pddl_predicate(r->p, s->first->word);
    if (*predicate < 0)
        return wrong(r, s, "unknown predicate", s->first->word);
    cmat_status st = read_args(r, s->first->next, args, n);
    if (st != CMAT_OK)
        return st;
    house_predicate *q = &r->p->predicates[*predicate];
    if (*n != q->n_args)
        return wrong(r, s, "wrong number of arguments of", q->name);
    for (int i = 0; i < *n; i++)
        if (args[i] != NOBODY && arg_type(r, args[i]) != q->types[i])
            q->any[i] = true;
    return CMAT_OK;
}

static cmat_status read_formula(reader *r, const house_sexp *s, house_formula **out);

static cmat_status read_parts(reader *r, const house_sexp *s, house_formula *parent)
{
    house_formula **link = &parent->sub;
    for (; s; s = s->next) {
        cmat_status st = read_formula(r, s, link);
        if (st != CMAT_OK)
            return st;
        link = &(*link)->next;
    }
    return CMAT_OK;
}

static house_formula_kind formula_kind(const char *head)
{
    static const struct {
        const char *word;
        house_formula_kind kind;
    } words[] = {{"and", HOUSE_AND},       {"or", HOUSE_OR},         {"not", HOUSE_NOT},
                 {"exists", HOUSE_EXISTS}, {"forall", HOUSE_FORALL}, {"=", HOUSE_EQUAL}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].word, head) == 0)
            return words[i].kind;
    return HOUSE_ATOM;
}

static cmat_status read_formula(reader *r, const house_sexp *s, house_formula **out)
{
    house_formula *f = *out = cmat_arena_alloc(&r->p->arena, sizeof *f);
    if (s->word)
        return wrong(r, s, "a condition is in brackets, not", s->word);
    f->kind = s->first ? formula_kind(house_sexp_head(s)) : HOUSE_TRUE;
    const house_sexp *rest = s->first ? s->first->next : NULL;
    switch (f->kind) {
    case HOUSE_TRUE:
        return CMAT_OK;
    case HOUSE_ATOM:
        return read_atom(r, s, &f->predicate, f->args, &f->n_args);
    case HOUSE_EQUAL: {
        cmat_status st = read_args(r, rest, f->args, &f->n_args);
        return st == CMAT_OK && f->n_args != 2 ? wrong(r, s, "= takes two arguments", NULL) : st;
    }
    case HOUSE_NOT:
        if (!rest || rest->next)
            return wrong(r, s, "not takes one condition", NULL);
        return read_parts(r, rest, f);
    case HOUSE_EXISTS:
    case HOUSE_FORALL: {
        if (!rest || rest->word || !rest->next || rest->next->next)
            return wrong(r, s, "a quantifier takes variables and one condition", NULL);
        cmat_status st = add_vars(r, rest, &f->first_var, &f->n_vars);
        if (st == CMAT_OK)
            st = read_parts(r, rest->next, f);
        /* The names end here; the variables' places stay taken. */
        for (int i = 0; i < f->n_vars; i++)
            r->schema->var_names[f->first_var + i] = "";
        return st;
    }
    default:
        return read_parts(r, rest, f);
    }
}

static cmat_status read_effect(reader *r, const house_sexp *s, const house_formula *when,
                               house_effect ***link)
{
    const char *head = house_sexp_head(s);
    const house_sexp *rest = s->first ? s->first->next : NULL;
    cmat_status st = CMAT_OK;
    if (strcmp(head, "increase") == 0)
        return CMAT_OK; /* costs play no part */
    if (strcmp(head, "and") == 0) {
        for (; rest && st == CMAT_OK; rest = rest->next)
            st = read_effect(r, rest, when, link);
        return st;
    }
    if (strcmp(head, "when") == 0) {
        house_formula *condition;
        if (when || !rest || !rest->next || rest->next->next)
            return wrong(r, s, "when takes a condition and an effect", NULL);
        if ((st = read_formula(r, rest, &condition)) != CMAT_OK)
            return st;
        return read_effect(r, rest->next, condition, link);
    }
    if (strcmp(head, "forall") == 0)
        return wrong(r, s, "forall in an effect is not supported", NULL);
    if (r->schema->n_effects++ == HOUSE_MAX_EFFECTS)
        return wrong(r, s, "too many effects", NULL);
    house_effect *e = cmat_arena_alloc(&r->p->arena, sizeof *e);
    e->when = when;
    e->add = strcmp(head, "not") != 0;
    if (!e->add && (!rest || rest->next))
        return wrong(r, s, "not takes one atom", NULL);
    if ((st = read_atom(r, e->add ? s : rest, &e->predicate, e->args, &e->n_args)) != CMAT_OK)
        return st;
    r->p->predicates[e->predicate].fluent = true;
    **link = e;
    *link = &e->next;
    return CMAT_OK;
}

/* The value after a keyword of an action, or NULL. */
static const house_sexp *action_part(const house_sexp *action, const char *keyword)
{
    for (const house_sexp *s = action->first; s; s = s->next)
        if (s->word && strcmp(s->word, keyword) == 0)
            return s->next;
    return NULL;
}

static cmat_status read_action(reader *r, const house_sexp *s)
{
    house_pddl *p = r->p;
    const house_sexp *name = s->first->next, *params = action_part(s, ":parameters");
    const house_sexp *pre = action_part(s, ":precondition"), *effect = action_part(s, ":effect");
    if (!name || !name->word)
        return wrong(r, s, "an action without a name", NULL);
    if (p->n_actions == MAX_ACTIONS)
        return wrong(r, s, "too many actions", NULL);
    house_schema *a = r->schema = &p->actions[p->n_actions++];
    *a = (house_schema){.name = keep(r, name->word)};
    int first;
    cmat_status st = CMAT_OK;
    if (params && params->word)
        return wrong(r, params, "parameters are in brackets", NULL);
    if (params)
        st = add_vars(r, params, &first, &a->n_params);
    if (st == CMAT_OK && pre)
        st = read_formula(r, pre, &a->pre);
    house_effect **link = &a->effects;
    if (st == CMAT_OK && effect)
        st = effect->word ? wrong(r, effect, "an effect is in brackets", NULL)
                          : read_effect(r, effect, NULL, &link);
    return st;
}

/* ---- the numbers of facts ---- */

static cmat_status place_facts(reader *r)
{
    house_pddl *p = r->p;
    size_t at = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < p->n_predicates; i++) {
            house_predicate *q = &p->predicates[i];
            size_t n = 1;
            if (q->fluent != (pass == 0))
                continue;
            for (int k = 0; k < q->n_args; k++) {
                q->size[k] = q->any[k] ? p->n_objects : p->types[q->types[k]].n_objects;
                n *= (size_t)q->size[k];
                if (n > MAX_BITS)
                    break;
            }
            if (n > MAX_BITS || at + n > MAX_BITS)
                return cmat_fail(r->err, CMAT_ERR_LIMIT,
                                 "problem: too many objects: predicate %.60s could have more than "
                                 "%zu facts",
                                 q->name, MAX_BITS);
            q->first = at;
            at += n;
        }
        if (pass == 0)
            p->n_fluent = at;
    }
    p->n_bits = at;
    p->init = cmat_arena_alloc(&p->arena, (at / 64 + 1) * sizeof *p->init);
    return CMAT_OK;
}

size_t house_pddl_bit(const house_pddl *p, int predicate, const int *objects)
{
    const house_predicate *q = &p->predicates[predicate];
    size_t at = 0;
    for (int i = 0; i < q->n_args; i++) {
        const int o = objects[i];
        if (o < 0 || o >= p->n_objects || (!q->any[i] && p->objects[o].type != q->types[i]))
            return SIZE_MAX;
        at = at * (size_t)q->size[i] + (size_t)(q->any[i] ? o : p->objects[o].index);
    }
    return q->first + at;
}

/* The atoms of the start are read twice: first for the index spaces, then for the facts. */
static cmat_status read_init(reader *r, const house_sexp *list, bool set)
{
    house_pddl *p = r->p;
    for (const house_sexp *s = list ? list->first->next : NULL; s; s = s->next) {
        int predicate, n, args[HOUSE_MAX_ARGS];
        if (strcmp(house_sexp_head(s), "=") == 0)
            continue; /* a cost */
        cmat_status st = read_atom(r, s, &predicate, args, &n);
        if (st != CMAT_OK)
            return st;
        if (!set)
            continue;
        const size_t bit = house_pddl_bit(p, predicate, args);
        for (int i = 0; i < n; i++)
            p->objects[args[i]].named = true;
        p->predicates[predicate].n_true += !(p->init[bit / 64] >> (bit % 64) & 1);
        p->init[bit / 64] |= (uint64_t)1 << (bit % 64);
    }
    return CMAT_OK;
}

static cmat_status read_goal(reader *r, const house_sexp *goal)
{
    r->schema = &r->p->goal;
    r->p->goal.name = "goal";
    if (!goal || !goal->first->next || goal->first->next->next)
        return wrong(r, goal, "no goal, or more than one", NULL);
    return read_formula(r, goal->first->next, &r->p->goal.pre);
}

static cmat_status read_all(reader *r, const house_sexp *domain, const house_sexp *problem)
{
    const house_sexp *init = house_sexp_find(problem, ":init");
    cmat_status st;
    r->what = "domain";
    if ((st = read_types(r, house_sexp_find(domain, ":types"))) != CMAT_OK ||
        (st = read_objects(r, house_sexp_find(domain, ":constants"))) != CMAT_OK)
        return st;
    r->what = "problem";
    if ((st = read_objects(r, house_sexp_find(problem, ":objects"))) != CMAT_OK)
        return st;
    r->what = "domain";
    if ((st = read_predicates(r, house_sexp_find(domain, ":predicates"))) != CMAT_OK ||
        (st = number_objects(r)) != CMAT_OK)
        return st;
    for (const house_sexp *s = domain->first; s && st == CMAT_OK; s = s->next)
        if (strcmp(house_sexp_head(s), ":action") == 0)
            st = read_action(r, s);
    if (st != CMAT_OK)
        return st;
    r->what = "problem";
    if ((st = read_goal(r, house_sexp_find(problem, ":goal"))) != CMAT_OK)
        return st;
    r->schema = NULL;
    if ((st = read_init(r, init, false)) != CMAT_OK || (st = place_facts(r)) != CMAT_OK)
        return st;
    return read_init(r, init, true);
}

cmat_status house_pddl_parse(house_pddl **out, const char *domain, const char *problem,
                             cmat_error *err)
{
    house_pddl *p = cmat_xcalloc(1, sizeof *p);
    reader r = {.p = p, .err = err};
    house_sexp *d, *q;
    *out = NULL;
    p->types = cmat_arena_alloc(&p->arena, MAX_TYPES * sizeof *p->types);
    p->objects = cmat_arena_alloc(&r.scratch, MAX_OBJECTS * sizeof *p->objects);
    p->predicates = cmat_arena_alloc(&p->arena, MAX_PREDICATES * sizeof *p->predicates);
    p->actions = cmat_arena_alloc(&p->arena, MAX_ACTIONS * sizeof *p->actions);
    cmat_status st = house_sexp_parse(&d, &r.scratch, domain, strlen(domain), "domain", err);
    if (st == CMAT_OK)
        st = house_sexp_parse(&q, &r.scratch, problem, strlen(problem), "problem", err);
    if (st == CMAT_OK)
        st = read_all(&r, d, q);
    cmat_arena_clear(&r.scratch);
    if (st != CMAT_OK) {
        house_pddl_free(p);
        return st;
    }
    *out = p;
    return CMAT_OK;
}

void house_pddl_free(house_pddl *p)
{
    if (!p)
        return;
    cmat_arena_clear(&p->arena);
    free(p);
}
