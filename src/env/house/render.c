/* env/house/render.c - a grammar's text for a state. */
#include "env/house/grammar_impl.h"
#include <string.h>

#define MAX_DEPTH 32
#define MAX_TEXT (1u << 20)
#define MAX_BOUND 32
#define MAX_WORK 20000000 /* facts looked at for one text; ALFWorld's take some hundreds */

/* The objects that are known by a name. */
typedef struct {
    struct {
        const char *name;
        int type, object;
    } items[MAX_BOUND];
    int n;
} bindings;

typedef struct {
    const house_grammar *g;
    const house_state *s;
    cmat_buf *out;
    bindings b;
    int depth;
    long work;
    bool failed; /* too deep, too long, too much work */
} renderer;

static void render_symbols(renderer *r, const grammar_symbol *s);

static int find_bound(const bindings *b, const grammar_var *v)
{
    for (int i = b->n - 1; i >= 0; i--)
        if (strcmp(b->items[i].name, v->name) == 0 && (!v->type || b->items[i].type == v->type_id))
            return b->items[i].object;
    return -1;
}

static bool is_bound_to(const bindings *b, int object)
{
    for (int i = 0; i < b->n; i++)
        if (b->items[i].object == object)
            return true;
    return false;
}

/* Binds the atom's free variables to a fact's objects; different variables are different things.
 * False: they do not fit. */
static bool bind_fact(renderer *r, const grammar_atom *a, const int *objects)
{
    const house_pddl *p = r->g->p;
    for (int i = 0; i < a->n_args; i++) {
        const grammar_var *v = &a->args[i];
        const int known = find_bound(&r->b, v);
        if (known >= 0 && known != objects[i])
            return false;
        if (known >= 0)
            continue;
        if (r->b.n == MAX_BOUND || is_bound_to(&r->b, objects[i]) ||
            !house_pddl_is_a(p, p->objects[objects[i]].type, v->type_id))
            return false;
        r->b.items[r->b.n].name = v->name;
        r->b.items[r->b.n].type = v->type_id;
        r->b.items[r->b.n++].object = objects[i];
    }
    return true;
}

typedef bool (*on_match)(renderer *r, void *user); /* true ends the search */

/* Each way in which the condition holds, in the order of the names. */
static bool match(renderer *r, const grammar_atom *a, on_match then, void *user)
{
    int wanted[HOUSE_MAX_ARGS], objects[HOUSE_MAX_ARGS];
    if (!a)
        return then(r, user);
    if (a->predicate_id < 0)
        return false;
    for (int i = 0; i < a->n_args; i++)
        wanted[i] = find_bound(&r->b, &a->args[i]);
    house_facts f = house_facts_of(r->g->p, r->s, a->predicate_id, wanted, a->made_false);
    while (house_facts_next(&f, objects)) {
        const int n = r->b.n;
        r->failed |= ++r->work > MAX_WORK;
        const bool stop = bind_fact(r, a, objects) && match(r, a->next, then, user);
        r->b.n = n;
        if (stop || r->failed)
            return stop;
    }
    return false;
}

static bool enough(renderer *r, void *user)
{
    (void)r;
    (void)user;
    return true;
}

static const char *term_text(renderer *r, const grammar_expr *e)
{
    const int o = e->part == PART_TEXT ? -1 : find_bound(&r->b, &e->var);
    switch (e->part) {
    case PART_TEXT:
        return e->text;
    case PART_A:
        return o < 0 ? "" : "a";
    case PART_THE:
        return o < 0 ? "" : "the";
    case PART_ID:
        return o < 0 ? "" : r->g->p->objects[o].name;
    default:
        return o < 0 ? "" : r->g->names[o];
    }
}

static void render_expr(renderer *r, const grammar_expr *e)
{
    const size_t before = r->out->len;
    for (; e && r->out->len == before; e = e->otherwise)
        for (const grammar_expr *t = e; t; t = t->plus)
            cmat_buf_puts(r->out, term_text(r, t));
}

static void render_rule(renderer *r, const grammar_rule *rule)
{
    if (!rule || r->depth >= MAX_DEPTH || r->out->len > MAX_TEXT) {
        r->failed = true;
        return;
    }
    r->depth++;
    for (const grammar_choice *c = rule->choices; c && !r->failed; c = c->next) {
        if (c->condition && !match(r, c->condition, enough, NULL))
            continue;
        render_symbols(r, c->symbols);
        break;
    }
    r->depth--;
}

typedef struct {
    const grammar_symbol *symbol;
    size_t n, last; /* items written; where the last of them begins */
} item_list;

static void render_one(renderer *r, const grammar_symbol *s)
{
    if (s->kind == SYMBOL_RULE)
        render_rule(r, s->rule);
    else
        render_expr(r, s->expr);
}

static bool add_item(renderer *r, void *user)
{
    item_list *l = user;
    if (l->symbol->list && l->n > 0)
        render_rule(r, r->g->list_separator);
    l->last = r->out->len;
    l->n++;
    render_one(r, l->symbol);
    return r->failed;
}

/* The separator before the last item is another one. */
static void mend_last(renderer *r, const item_list *l)
{
    cmat_buf item = {0}, separator = {0}, *out = r->out;
    cmat_buf_add(&item, out->data + l->last, out->len - l->last);
    r->out = &separator;
    render_rule(r, r->g->list_separator);
    r->out = out;
    cmat_buf_truncate(out, l->last - separator.len);
    render_rule(r, r->g->list_last);
    cmat_buf_add(out, item.data, item.len);
    cmat_buf_clear(&item);
    cmat_buf_clear(&separator);
}

static void render_symbols(renderer *r, const grammar_symbol *s)
{
    for (; s && !r->failed; s = s->next) {
        item_list l = {.symbol = s};
        if (s->kind == SYMBOL_TEXT)
            cmat_buf_puts(r->out, s->text);
        else if (s->each)
            match(r, s->given, add_item, &l);
        else
            add_item(r, &l);
        if (s->kind != SYMBOL_TEXT && s->list && !r->failed) {
            if (l.n == 0)
                render_rule(r, r->g->list_empty);
            else if (l.n > 1)
                mend_last(r, &l);
        }
    }
}

static renderer start(const house_grammar *g, const house_state *s, cmat_buf *out)
{
    return (renderer){.g = g, .s = s, .out = out};
}

static void bind_move(renderer *r, const house_move *m)
{
    const house_schema *a = &r->g->p->actions[m->action];
    for (int i = 0; i < a->n_params; i++) {
        r->b.items[r->b.n].name = a->var_names[i] + 1; /* "?r" */
        r->b.items[r->b.n].type = a->var_types[i];
        r->b.items[r->b.n++].object = m->args[i];
    }
}

bool house_grammar_command(const house_grammar *g, const house_state *s, const house_move *m,
                           cmat_buf *out)
{
    renderer r = start(g, s, out);
    bind_move(&r, m);
    render_symbols(&r, g->of[m->action]->command);
    return !r.failed;
}

bool house_grammar_feedback(const house_grammar *g, const house_state *s, const house_move *m,
                            cmat_buf *out)
{
    renderer r = start(g, s, out);
    bind_move(&r, m);
    render_symbols(&r, g->of[m->action]->feedback);
    return !r.failed;
}

bool house_grammar_say(const house_grammar *g, const house_state *s, const char *name,
                       cmat_buf *out)
{
    renderer r = start(g, s, out);
    render_rule(&r, house_grammar_rule(g, name, strlen(name)));
    return !r.failed;
}
