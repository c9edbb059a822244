/* env/kg/text.c - rules, observations and replies; see text.h. */
#include "env/kg/text.h"
#include "core/mem.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { EXAMPLES = 3, FEW = 64, REPLY_MAX = 16384 }; /* members shown, of sets of up to FEW */

static const char short_rules[] =
    "You answer a question from a knowledge graph by calls, one a turn. X is an entity of the "
    "question "
    "or a variable (#0, #1, ...), A and B are variables.\n"
    "get_relations(X): lists the relations of X; ^relation is one that leads to X, followed "
    "backwards.\n"
    "get_neighbors(X, relation): makes a variable of what the relation leads to; after "
    "get_relations(X).\n"
    "intersection(A, B): makes a variable of what is in both.\n"
    "get_attributes(A): lists numbers and dates of A.\n"
    "argmax(A, attribute), argmin(A, attribute): make a variable of what has the greatest or "
    "least; "
    "after get_attributes(A).\n"
    "count(A): makes a variable that is the number of A.\n"
    "answer(A): ends with A as the answer.\n"
    "You may think in one line first: Think: ...\n"
    "Then write the call.\n";

static const char agentbench_rules[] =
    "You answer questions from what a knowledge base holds. These tools look into it:\n"
    "1. get_relations(variable) -> relations: all relations that start from an entity of the "
    "question, "
    "or from the entities of a variable, for example get_relations(Marie Curie). Its argument is "
    "an "
    "entity or a variable such as #0, nothing else.\n"
    "2. get_neighbors(variable, relation) -> variable: what the relation leads to, for example "
    "get_neighbors(Marie Curie, people.person.profession). The relation must be one that "
    "get_relations "
    "has listed for the same variable.\n"
    "3. intersection(variable1, variable2) -> variable: what is in both. Both must be of one "
    "type.\n"
    "4. get_attributes(variable) -> attributes: the numerical attributes of a variable, wanted "
    "only for "
    "questions with a superlative.\n"
    "5. argmax(variable, attribute) -> variable: what has the greatest value of an attribute that "
    "get_attributes has listed.\n"
    "6. argmin(variable, attribute) -> variable: what has the least.\n"
    "7. count(variable) -> int: the number of entities in a variable.\n"
    "Each variable has a number, from #0 on. When one is the answer to the question, say so with "
    "'Final Answer: #id', for example Final Answer: #3.\n"
    "Take one action in a turn and wait for its observation. At most 15 actions are allowed. "
    "Write\n"
    "Thought: what you think\n"
    "Action: one call\n"
    "Here is one example.\n"
    "Question: which authors wrote both a novel set in venice and a travel book?\n"
    "Entities: [Venice, Travel literature]\n"
    "Thought: First I look for what is known of Venice.\n"
    "Action: get_relations(Venice)\n"
    "Observation: [book.setting.works_set_here, location.location.containedby]\n"
    "Thought: Works set in Venice come first.\n"
    "Action: get_neighbors(Venice, book.setting.works_set_here)\n"
    "Observation: variable #0, which are instances of book.book\n"
    "Thought: Who wrote them is a relation of #0.\n"
    "Action: get_relations(#0)\n"
    "Observation: [book.book.author, book.book.genre]\n"
    "Thought: Their authors are wanted.\n"
    "Action: get_neighbors(#0, book.book.author)\n"
    "Observation: variable #1, which are instances of book.author\n"
    "Thought: Now the authors of travel books.\n"
    "Action: get_relations(Travel literature)\n"
    "Observation: [book.genre.authors, book.genre.books]\n"
    "Thought: The genre leads to its authors.\n"
    "Action: get_neighbors(Travel literature, book.genre.authors)\n"
    "Observation: variable #2, which are instances of book.author\n"
    "Thought: The answer is in both #1 and #2.\n"
    "Action: intersection(#1, #2)\n"
    "Observation: variable #3, which are instances of book.author\n"
    "Thought: #3 are the authors who did both.\n"
    "Final Answer: #3\n";

const char *kg_rules(bool agentbench)
{
    return agentbench ? agentbench_rules : short_rules;
}

void kg_first_view(const kg_play *p, const char *question, bool agentbench, cmat_buf *out)
{
    cmat_buf_printf(
        out, agentbench ? "A new question: %s\nEntities: [" : "Question: %s\nEntities: ", question);
    for (size_t i = 0; i < p->n_entities; i++)
        cmat_buf_printf(out, "%s%s", i == 0 ? "" : agentbench ? ", " : "; ", p->items[i].label);
    if (agentbench)
        cmat_buf_putc(out, ']');
}

void kg_show_list(const kg_list *l, bool agentbench, size_t budget, cmat_buf *out)
{
    const size_t start = out->len;
    size_t i = 0;
    cmat_buf_puts(out, agentbench ? "Observation: [" : l->n == 0 ? "none" : "");
    for (; i < l->n && out->len - start + strlen(kg_list_get(l, i)) < budget; i++)
        cmat_buf_printf(out, "%s%s", i ? ", " : "", kg_list_get(l, i));
    if (i < l->n)
        cmat_buf_printf(out, "%s(%zu more)", i ? ", " : "", l->n - i);
    if (agentbench)
        cmat_buf_putc(out, ']');
}

cmat_status kg_show_variable(kg_play *p, int made, bool agentbench, cmat_buf *out, cmat_error *err)
{
    const kg_item *it = &p->items[made];
    const size_t k = (size_t)made - p->n_entities;
    const bool number = p->exprs[made].op == KG_COUNT;
    const char *type = *it->type ? it->type : "thing";
    kg_list some = {0};
    size_t n = 0;
    if (agentbench && number)
        cmat_buf_printf(out, "Observation: variable #%zu, which is a number", k);
    else if (agentbench)
        cmat_buf_printf(out, "Observation: variable #%zu, which are instances of %s", k, type);
    if (agentbench)
        return CMAT_OK;
    cmat_status st = p->graph->ops->size(p->graph, p->exprs, made, &n, err);
    if (st == CMAT_OK && n <= FEW)
        st = p->graph->ops->values(p->graph, p->exprs, made, 0, &some, err);
    if (st != CMAT_OK && st != CMAT_ERR_LIMIT && st != CMAT_ERR_UNSUPPORTED)
        return st;
    if (st != CMAT_OK)
        cmat_buf_printf(out, "#%zu: %s, too many to count", k, type);
    else if (number)
        cmat_buf_printf(out, "#%zu: the number %s", k, some.n ? kg_list_get(&some, 0) : "0");
    else
        cmat_buf_printf(out, "#%zu: %zu %s", k, n, type);
    for (size_t i = 0; st == CMAT_OK && !number && i < some.n && i < EXAMPLES; i++) {
        cmat_buf_puts(out, i ? "; " : " (");
        p->graph->ops->label(p->graph, kg_list_get(&some, i), out);
    }
    if (st == CMAT_OK && !number && some.n)
        cmat_buf_puts(out, some.n > EXAMPLES ? "; ...)" : ")");
    kg_list_clear(&some);
    return CMAT_OK;
}

void kg_write_reply(const kg_play *p, const kg_call *c, bool agentbench, cmat_buf *out)
{
    if (agentbench && c->tool == KG_ANSWER) {
        cmat_buf_printf(out, "Final Answer: #%zu", (size_t)c->a - p->n_entities);
        return;
    }
    if (agentbench)
        cmat_buf_puts(out, "Action: ");
    kg_call_write(p, c, false, out);
}

/* ---- reading replies ---- */

void kg_reply_clear(kg_reply *r)
{
    cmat_buf_clear(&r->why);
    cmat_buf_clear(&r->said);
    memset(r, 0, sizeof *r);
}

static bool is_thought(const char *line, size_t len)
{
    return (len >= 6 && strncasecmp(line, "Think:", 6) == 0) ||
           (len >= 8 && strncasecmp(line, "Thought:", 8) == 0);
}

/* The first line that is not empty and no thought. */
static void read_short(const kg_play *p, const char *reply, kg_reply *r)
{
    for (const char *s = reply; *s;) {
        s += strspn(s, " \t\r\n");
        const size_t len = strcspn(s, "\n");
        if (*s && !is_thought(s, len)) {
            char *line = cmat_xstrndup(s, len);
            r->problem = kg_call_read(p, line, false, &r->call, &r->why);
            free(line);
            return;
        }
        s += len;
    }
    r->problem = KG_NO_CALL;
    cmat_buf_puts(&r->why, "there is no call");
}

/* "(?:Find|Final) Answer: #(\d+)", the first anywhere. */
static bool find_answer(const kg_play *p, const char *text, kg_reply *r)
{
    for (const char *s = text; (s = strstr(s, " Answer: #")); s += 10) {
        const bool before = (s - text >= 4 && strncmp(s - 4, "Find", 4) == 0) ||
                            (s - text >= 5 && strncmp(s - 5, "Final", 5) == 0);
        if (!before || !isdigit((unsigned char)s[10]))
            continue;
        r->call = (kg_call){.tool = KG_ANSWER, .b = -1};
        r->call.a = kg_play_variable(p, strtoul(s + 10, NULL, 10));
        if (r->call.a < 0) {
            r->problem = KG_NO_VARIABLE;
            cmat_buf_puts(&r->why, "there is no such variable");
        }
        return true;
    }
    return false;
}

/* The call as AgentBench tells it again: its arguments up to the first ")", with ", " between them.
 */
static void note_said(const char *call, kg_reply *r)
{
    const char *open = strchr(call, '('), *close = strchr(open, ')');
    cmat_buf args = {0};
    r->closed = close && close > open + 1;
    kg_clean_label(&r->said, call, (size_t)(open - call));
    if (!r->closed)
        return;
    for (const char *s = open + 1; s < close; s++) {
        if (*s != ',') {
            cmat_buf_putc(&args, *s);
            continue;
        }
        while (args.len && args.data[args.len - 1] == ' ')
            cmat_buf_truncate(&args, args.len - 1);
        cmat_buf_puts(&args, ", ");
        s += strspn(s + 1, " ");
    }
    cmat_buf_putc(&r->said, '(');
    kg_clean_label(&r->said, cmat_buf_str(&args), args.len);
    cmat_buf_putc(&r->said, ')');
    cmat_buf_clear(&args);
}

/* The first call on the line that names a tool, else the first of all. */
static const char *find_call(const char *line)
{
    const char *first = NULL;
    for (const char *open = strchr(line, '('); open; open = strchr(open + 1, '(')) {
        const char *s = open;
        while (s > line && (isalnum((unsigned char)s[-1]) || s[-1] == '_'))
            s--;
        if (s == open)
            continue;
        first = first ? first : s;
        for (int t = 0; t < KG_ANSWER; t++)
            if (strlen(kg_tool_names[t]) == (size_t)(open - s) &&
                strncmp(kg_tool_names[t], s, (size_t)(open - s)) == 0)
                return s;
    }
    return first;
}

static void read_agentbench(const kg_play *p, char *text, kg_reply *r)
{
    char *rest = NULL, *end = strstr(text, "Observation:");
    if (end)
        *end = '\0';
    for (char *s = text; (s = strstr(s, "\\_"));)
        memmove(s, s + 1, strlen(s));
    if (find_answer(p, text, r))
        return;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "Action", 6) != 0 || !strchr(line, ':'))
            continue;
        const char *call = find_call(strchr(line, ':') + 1);
        if (!call) {
            r->problem = KG_BAD_SYNTAX;
            cmat_buf_puts(&r->why, "there is no call");
            return;
        }
        note_said(call, r);
        r->problem = kg_call_read(p, call, false, &r->call, &r->why);
        if (r->problem == KG_FINE && r->call.tool == KG_ANSWER)
            r->problem = KG_NO_TOOL; /* it has other words for that */
        return;
    }
    r->problem = KG_NO_CALL;
    cmat_buf_puts(&r->why, "there is no line \"Action: ...\"");
}

void kg_reply_read(const kg_play *p, const char *reply, bool agentbench, kg_reply *r)
{
    const size_t len = strnlen(reply, REPLY_MAX);
    char *text = cmat_xstrndup(reply, len);
    kg_reply_clear(r);
    if (agentbench)
        read_agentbench(p, text, r);
    else
        read_short(p, text, r);
    free(text);
}

void kg_show_problem(const kg_reply *r, kg_problem problem, const char *why, bool agentbench,
                     cmat_buf *out)
{
    const char *said = cmat_buf_str(&r->said);
    if (!agentbench) {
        cmat_buf_printf(out, "error: %s", why);
    } else if (problem == KG_NO_CALL) {
        cmat_buf_puts(out, "No executable function found! Need to recheck the action.");
    } else if (!*said) {
        cmat_buf_puts(out, problem == KG_NO_VARIABLE
                               ? "Invalid variable id! Need to recheck the action."
                               : "Function is not executed!");
    } else if (problem == KG_NO_TOOL || !r->closed) {
        cmat_buf_printf(
            out,
            "I may make a syntax error when calling %.*s (e.g., unmatched parenthesis). I "
            "need to fix it and reuse the tool",
            (int)strcspn(said, "("), said);
    } else if (strncmp(said, "intersection(", 13) == 0) {
        cmat_buf_printf(
            out,
            "%s cannot be executed. The two variables are not of the same type. You may "
            "further explore them by call get_relations",
            said);
    } else {
        cmat_buf_printf(out, "%s cannot be executed. You may make a mistake and need to fix it.",
                        said);
    }
}
