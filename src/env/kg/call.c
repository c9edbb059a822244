/* env/kg/call.c - calls as text: "get_neighbors(Tom Hanks, film.actor.film)". Entities' labels may
 * hold commas and parentheses: the longest label that fits is taken. */
#include "env/kg/play.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *skip_spaces(const char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

/* The text up to the next comma or parenthesis, for messages. */
static void quote_word(const char *s, cmat_buf *out)
{
    size_t n = strcspn(s, ",)\n");
    while (n > 0 && s[n - 1] == ' ')
        n--;
    kg_clean_label(out, s, n < 80 ? n : 80);
}

/* "#3", "variable #3". NULL: it is none. */
static const char *read_variable(const kg_play *p, const char *s, int *out, kg_problem *problem)
{
    char *end;
    if (strncasecmp(s, "variable ", 9) == 0)
        s = skip_spaces(s + 9);
    if (*s != '#' || !isdigit((unsigned char)s[1]))
        return NULL;
    const unsigned long k = strtoul(s + 1, &end, 10);
    *out = kg_play_variable(p, k);
    if (*out < 0)
        *problem = KG_NO_VARIABLE;
    return end;
}

static const char *read_entity(const kg_play *p, const char *s, bool by_name, int *out)
{
    const char *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < p->n_entities; i++) {
        const char *names[] = {by_name ? NULL : p->items[i].label, p->exprs[i].name};
        for (int k = 0; k < 2; k++) {
            const size_t n = names[k] ? strlen(names[k]) : 0;
            if (n <= most || strncmp(s, names[k], n) != 0)
                continue;
            const char *after = skip_spaces(s + n);
            if (*after != ',' && *after != ')')
                continue;
            most = n;
            best = s + n;
            *out = (int)i;
        }
    }
    return best;
}

static void variables_line(const kg_play *p, cmat_buf *why)
{
    const size_t n = kg_play_n_variables(p);
    if (n == 0)
        cmat_buf_puts(why, "; there are no variables yet");
    else
        cmat_buf_printf(why, "; the last is #%zu", n - 1);
}

static const char *read_element(const kg_play *p, const char *s, bool by_name, int *out,
                                kg_problem *problem, cmat_buf *why)
{
    const char *end;
    s = skip_spaces(s);
    *problem = KG_FINE;
    if ((end = read_variable(p, s, out, problem))) {
        if (*problem != KG_FINE) {
            cmat_buf_puts(why, "there is no variable ");
            quote_word(s, why);
            variables_line(p, why);
        }
        return end;
    }
    if ((end = read_entity(p, s, by_name, out)))
        return end;
    *problem = *s && *s != ')' && *s != ',' ? KG_NO_ENTITY : KG_BAD_SYNTAX;
    if (*problem == KG_NO_ENTITY) {
        cmat_buf_puts(why, "the question has no entity \"");
        quote_word(s, why);
        cmat_buf_puts(why, "\"");
    } else {
        cmat_buf_puts(why, "an argument is missing");
    }
    return s;
}

static const char *read_relation(const char *s, kg_call *c, kg_problem *problem, cmat_buf *why)
{
    s = skip_spaces(s);
    size_t n = strcspn(s, ",)\n"), keep;
    for (keep = n; keep > 0 && isspace((unsigned char)s[keep - 1]);)
        keep--;
    if (keep == 0) {
        *problem = KG_BAD_SYNTAX;
        cmat_buf_puts(why, "an argument is missing");
        return s;
    }
    cmat_buf clean = {0};
    kg_clean_label(&clean, s, keep);
    snprintf(c->relation, sizeof c->relation, "%s", clean.data);
    cmat_buf_clear(&clean);
    return s + n;
}

static kg_tool tool_of(const char *name, size_t len)
{
    for (int t = 0; t < KG_N_TOOLS; t++)
        if (strlen(kg_tool_names[t]) == len && memcmp(kg_tool_names[t], name, len) == 0)
            return (kg_tool)t;
    return KG_N_TOOLS;
}

static kg_problem wants(const char **at, char wanted, const char *name, cmat_buf *why)
{
    *at = skip_spaces(*at);
    if (**at == wanted) {
        ++*at;
        return KG_FINE;
    }
    cmat_buf_printf(
        why, wanted == ',' ? "%s takes two arguments" : "the call of %s does not end with \")\"",
        name);
    return KG_BAD_SYNTAX;
}

kg_problem kg_call_read(const kg_play *p, const char *text, bool by_name, kg_call *c, cmat_buf *why)
{
    const char *s = text + strspn(text, " \t\r\n"), *name = s;
    kg_problem problem = KG_FINE;
    size_t len = 0;
    while (isalnum((unsigned char)s[len]) || s[len] == '_')
        len++;
    *c = (kg_call){.a = -1, .b = -1};
    if (len == 0 || s[len] != '(') {
        cmat_buf_puts(why, "there is no call");
        return KG_NO_CALL;
    }
    c->tool = tool_of(name, len);
    if (c->tool == KG_N_TOOLS) {
        cmat_buf_printf(why, "there is no tool %.*s", len < 40 ? (int)len : 40, name);
        return KG_NO_TOOL;
    }
    s = read_element(p, s + len + 1, by_name, &c->a, &problem, why);
    const bool two = c->tool == KG_INTERSECTION || c->tool == KG_GET_NEIGHBORS ||
                     c->tool == KG_GET_ARGMAX || c->tool == KG_GET_ARGMIN;
    if (problem == KG_FINE && two) {
        problem = wants(&s, ',', kg_tool_names[c->tool], why);
        if (problem == KG_FINE && c->tool == KG_INTERSECTION)
            s = read_element(p, s, by_name, &c->b, &problem, why);
        else if (problem == KG_FINE)
            s = read_relation(s, c, &problem, why);
    }
    return problem == KG_FINE ? wants(&s, ')', kg_tool_names[c->tool], why) : problem;
}

void kg_call_write(const kg_play *p, const kg_call *c, bool by_name, cmat_buf *out)
{
    const int args[] = {c->a, c->tool == KG_INTERSECTION ? c->b : -1};
    cmat_buf_printf(out, "%s(", kg_tool_names[c->tool]);
    for (int k = 0; k < 2 && args[k] >= 0; k++) {
        cmat_buf_puts(out, k ? ", " : "");
        if ((size_t)args[k] >= p->n_entities)
            cmat_buf_printf(out, "#%zu", (size_t)args[k] - p->n_entities);
        else
            cmat_buf_puts(out, by_name ? p->exprs[args[k]].name : p->items[args[k]].label);
    }
    if (c->tool == KG_GET_NEIGHBORS || c->tool == KG_GET_ARGMAX || c->tool == KG_GET_ARGMIN)
        cmat_buf_printf(out, ", %s", c->relation);
    cmat_buf_putc(out, ')');
}
