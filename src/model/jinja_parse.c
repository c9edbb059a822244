/* Builds the tree of a chat template: its statements. */
#include "model/jinja_parser.h"

static jinja_node *body_parse(jinja_parser *p, const char *const *ends);

/* --- statements ------------------------------------------------------------------------------- */

static void block_end(jinja_parser *p)
{
    jp_need_kind(p, JT_BLOCK_END, "expected '%}' before");
}

static void end_tag(jinja_parser *p, const char *name)
{
    if (p->st != CMAT_OK)
        return;
    p->t++; /* JT_BLOCK_BEGIN, since body_parse stopped there */
    if (!jp_take_name(p, name))
        jp_fail_tok(p, CMAT_ERR_FORMAT, p->t, "unexpected");
    block_end(p);
}

static bool next_tag_is(const jinja_parser *p, const char *name)
{
    return p->st == CMAT_OK && p->t->kind == JT_BLOCK_BEGIN && jp_tok_is(p->t + 1, JT_NAME, name);
}

static void targets_parse(jinja_parser *p, jinja_node *n)
{
    bool paren = jp_take_op(p, "(");
    do {
        const jinja_token *k = p->t;
        jp_need_kind(p, JT_NAME, "expected a variable's name before");
        if (p->st != CMAT_OK)
            return;
        jp_names_add(p, n, jp_name_copy(p, k));
    } while (jp_take_op(p, ",") && p->t->kind == JT_NAME);
    if (paren)
        jp_need_op(p, ")");
}

/* The body of a statement that makes a frame of its own. */
static jinja_node *inner_parse(jinja_parser *p, const char *const *ends)
{
    const bool soft = p->soft;
    p->soft = false;
    jinja_node *n = body_parse(p, ends);
    p->soft = soft;
    return n;
}

/* for names in a [if b]: c [else: d] */
static jinja_node *for_parse(jinja_parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    jinja_node *n = jp_node_new(p, JN_FOR, at);
    targets_parse(p, n);
    if (p->st == CMAT_OK && !jp_take_name(p, "in"))
        return jp_fail_tok(p, CMAT_ERR_FORMAT, p->t, "expected 'in' before");
    n->a = jp_logic_parse(p, true);
    if (jp_is_op(p, ",")) { /* a tuple written without brackets */
        jinja_node *list = jp_node_new(p, JN_LIST, at);
        jp_items_add(p, list, n->a);
        while (jp_take_op(p, ","))
            jp_items_add(p, list, jp_logic_parse(p, true));
        n->a = list;
    }
    if (jp_take_name(p, "if"))
        n->b = jp_expr_parse(p);
    if (p->st == CMAT_OK && jp_is_name(p, "recursive"))
        return jp_fail_tok(p, CMAT_ERR_UNSUPPORTED, p->t, "not supported: loop that is");
    block_end(p);
    p->loops++;
    n->c = inner_parse(p, ends);
    p->loops--;
    if (next_tag_is(p, "else")) {
        end_tag(p, "else");
        n->d = inner_parse(p, ends + 1);
    }
    end_tag(p, "endfor");
    return n;
}

/* items: condition, body, condition, body ...; c: the else part */
static jinja_node *if_parse(jinja_parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    jinja_node *n = jp_node_new(p, JN_IF, at);
    const bool soft = p->soft;
    p->soft = true;
    do {
        jp_items_add(p, n, jp_tuple_parse(p));
        block_end(p);
        jp_items_add(p, n, body_parse(p, ends));
        if (!next_tag_is(p, "elif"))
            break;
        p->t += 2;
    } while (p->st == CMAT_OK);
    if (next_tag_is(p, "else")) {
        end_tag(p, "else");
        n->c = body_parse(p, ends + 2);
    }
    end_tag(p, "endif");
    p->soft = soft;
    return n;
}

/* set names = a; set name.attribute = a (name is the attribute); set name[|filter]: a body c */
static jinja_node *set_parse(jinja_parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"endset", NULL};
    jinja_node *n = jp_node_new(p, JN_SET, at);
    targets_parse(p, n);
    if (p->st == CMAT_OK && n->n_names == 1 && jp_take_op(p, ".")) {
        const jinja_token *k = p->t;
        jp_need_kind(p, JT_NAME, "expected a name after '.', before");
        if (p->st == CMAT_OK)
            n->name = jp_name_copy(p, k);
    }
    if (jp_take_op(p, "=")) {
        n->a = jp_tuple_parse(p);
        block_end(p);
        return n;
    }
    if (p->st == CMAT_OK && (n->n_names != 1 || n->name))
        return jp_fail_tok(p, CMAT_ERR_FORMAT, p->t, "expected '=' before");
    n->kind = JN_SET_BLOCK;
    while (jp_take_op(p, "|"))
        n->b = jp_filter_parse(p, n->b);
    block_end(p);
    n->c = inner_parse(p, ends);
    end_tag(p, "endset");
    return n;
}

/* Parameters: args, with their defaults or NULL. */
static void params_parse(jinja_parser *p, jinja_node *n)
{
    jp_need_op(p, "(");
    while (p->st == CMAT_OK && !jp_is_op(p, ")")) {
        const jinja_token *k = p->t;
        jp_need_kind(p, JT_NAME, "expected a parameter's name before");
        if (p->st == CMAT_OK)
            jp_args_add(p, n, jp_name_copy(p, k), jp_take_op(p, "=") ? jp_expr_parse(p) : NULL);
        if (!jp_take_op(p, ","))
            break;
    }
    jp_need_op(p, ")");
}

static jinja_node *macro_parse(jinja_parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"endmacro", NULL};
    jinja_node *n = jp_node_new(p, JN_MACRO, at);
    const jinja_token *k = p->t;
    int loops = p->loops;
    jp_need_kind(p, JT_NAME, "expected a macro's name before");
    if (p->st != CMAT_OK)
        return NULL;
    n->name = jp_name_copy(p, k);
    n->name_len = k->len;
    params_parse(p, n);
    block_end(p);
    p->loops = 0;
    n->c = inner_parse(p, ends);
    p->loops = loops;
    end_tag(p, "endmacro");
    return n;
}

/* call[(parameters)] a: the body c is the macro's caller() */
static jinja_node *call_block_parse(jinja_parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"endcall", NULL};
    jinja_node *n = jp_node_new(p, JN_CALL_BLOCK, at);
    if (jp_is_op(p, "("))
        params_parse(p, n);
    n->a = jp_unary_parse(p, false);
    if (p->st == CMAT_OK && n->a->kind != JN_CALL)
        return jp_fail_tok(p, CMAT_ERR_FORMAT, at, "expected a call in");
    block_end(p);
    n->c = inner_parse(p, ends);
    end_tag(p, "endcall");
    return n;
}

/* filter a: c */
static jinja_node *filter_block_parse(jinja_parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"endfilter", NULL};
    jinja_node *n = jp_node_new(p, JN_FILTER_BLOCK, at);
    do
        n->a = jp_filter_parse(p, n->a);
    while (jp_take_op(p, "|"));
    block_end(p);
    n->c = inner_parse(p, ends);
    end_tag(p, "endfilter");
    return n;
}

/* {% generation %} marks what an assistant wrote; it prints its body. */
static jinja_node *generation_parse(jinja_parser *p)
{
    static const char *const ends[] = {"endgeneration", NULL};
    block_end(p);
    jinja_node *n = body_parse(p, ends);
    end_tag(p, "endgeneration");
    return n;
}

static jinja_node *jump_parse(jinja_parser *p, const jinja_token *at)
{
    if (p->loops == 0)
        return jp_fail_tok(p, CMAT_ERR_FORMAT, at, "outside of a loop:");
    jinja_node *n = jp_node_new(p, jp_tok_is(at, JT_NAME, "break") ? JN_BREAK : JN_CONTINUE, at);
    block_end(p);
    return n;
}

static jinja_node *statement_parse(jinja_parser *p)
{
    const jinja_token *k = ++p->t;
    jp_need_kind(p, JT_NAME, "expected a statement before");
    if (p->st != CMAT_OK)
        return NULL;
    if (jp_tok_is(k, JT_NAME, "for"))
        return for_parse(p, k);
    if (jp_tok_is(k, JT_NAME, "if"))
        return if_parse(p, k);
    if (jp_tok_is(k, JT_NAME, "set"))
        return set_parse(p, k);
    if (jp_tok_is(k, JT_NAME, "macro"))
        return macro_parse(p, k);
    if (jp_tok_is(k, JT_NAME, "call"))
        return call_block_parse(p, k);
    if (jp_tok_is(k, JT_NAME, "filter"))
        return filter_block_parse(p, k);
    if (jp_tok_is(k, JT_NAME, "generation"))
        return generation_parse(p);
    if (jp_tok_is(k, JT_NAME, "break") || jp_tok_is(k, JT_NAME, "continue"))
        return jump_parse(p, k);
    return jp_fail_tok(p, CMAT_ERR_UNSUPPORTED, k, "not supported: statement");
}

static bool at_end(const jinja_parser *p, const char *const *ends)
{
    for (; *ends; ends++) {
        if (next_tag_is(p, *ends))
            return true;
    }
    return false;
}

/* Statements up to a tag of one of the names, which is left, or with none to the end of the
 * template. */
static jinja_node *body_parse(jinja_parser *p, const char *const *ends)
{
    static const char *const none[] = {NULL};
    const jinja_token *start = p->t;
    if (p->st != CMAT_OK || !jp_enter(p))
        return NULL;
    jinja_node *n = jp_node_new(p, JN_BODY, start);
    while (p->st == CMAT_OK && !at_end(p, ends ? ends : none)) {
        const jinja_token *k = p->t;
        jinja_node *item = NULL;
        if (k->kind == JT_EOF) {
            if (ends)
                jp_fail_tok(p, CMAT_ERR_FORMAT, start, "block without an end");
            break;
        }
        if (k->kind == JT_TEXT) {
            item = jp_node_new(p, JN_TEXT, k);
            item->name = k->s;
            item->name_len = k->len;
            p->t++;
        } else if (k->kind == JT_VAR_BEGIN) {
            item = jp_node_new(p, JN_OUTPUT, k);
            p->t++;
            item->a = jp_tuple_parse(p);
            jp_need_kind(p, JT_VAR_END, "expected '}}' before");
        } else {
            item = statement_parse(p);
        }
        jp_items_add(p, n, item);
    }
    p->depth--;
    return n;
}

cmat_status jinja_parse(cmat_arena *a, const jinja_tokens *t, jinja_node **out, cmat_error *err)
{
    jinja_parser p = {.arena = a, .t = t->items, .err = err};
    *out = body_parse(&p, NULL);
    if (p.unknown)
        jp_fail_tok(&p, CMAT_ERR_UNSUPPORTED, p.unknown, p.unknown_what);
    return p.st;
}
