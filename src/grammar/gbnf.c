/* grammar/gbnf.c - llama.cpp's grammar format (grammars/README.md there). */
#include "core/text.h"
#include "grammar/rules.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LENGTH = 4 << 20, MAX_NESTED = 100, MAX_COUNT = 100000, MAX_RULES = 20000 };

typedef struct {
    grammar_rules *g;
    const char *text, *at, *end;
    size_t *lines; /* (n_lines): where each begins */
    size_t n_lines;
    int depth;
    cmat_error *err;
    bool failed;
} reader;

static void place(const reader *r, const char *at, int *line, int *column)
{
    const size_t offset = (size_t)(at - r->text);
    size_t lo = 0, hi = r->n_lines;
    while (hi - lo > 1) {
        const size_t mid = (lo + hi) / 2;
        if (r->lines[mid] <= offset)
            lo = mid;
        else
            hi = mid;
    }
    *line = (int)lo + 1;
    *column = (int)(offset - r->lines[lo]) + 1;
}

static void find_lines(reader *r)
{
    size_t cap = 0;
    r->lines = cmat_xgrow(NULL, &cap, 1, sizeof *r->lines);
    r->lines[r->n_lines++] = 0;
    for (const char *p = r->text; p < r->end; p++) {
        if (*p != '\n')
            continue;
        r->lines = cmat_xgrow(r->lines, &cap, r->n_lines + 1, sizeof *r->lines);
        r->lines[r->n_lines++] = (size_t)(p + 1 - r->text);
    }
}

static grammar_expr *fail(reader *r, const char *at, cmat_status st, const char *why)
{
    int line, column;
    place(r, at, &line, &column);
    if (!r->failed)
        cmat_fail(r->err, st, "%s: line %d, column %d: %s", r->g->what, line, column, why);
    r->failed = true;
    return NULL;
}

static char peek(const reader *r)
{
    return r->at < r->end ? *r->at : '\0';
}

static void skip(reader *r, bool over_lines)
{
    for (; r->at < r->end; r->at++) {
        if (*r->at == '#') {
            while (r->at < r->end && *r->at != '\n')
                r->at++;
            if (r->at == r->end)
                return;
        }
        if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r' && (*r->at != '\n' || !over_lines))
            return;
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* The rule of the name at the reader, new when it is not known yet; -1: there is no name. */
static int name(reader *r)
{
    const char *start = r->at;
    char text[128];
    while (r->at < r->end && is_word(*r->at))
        r->at++;
    if (r->at == start) {
        fail(r, start, CMAT_ERR_FORMAT, "a rule's name is missing");
        return -1;
    }
    if ((size_t)(r->at - start) >= sizeof text) {
        fail(r, start, CMAT_ERR_LIMIT, "a name of more than 127 letters");
        return -1;
    }
    memcpy(text, start, (size_t)(r->at - start));
    text[r->at - start] = '\0';
    for (size_t i = 0; i < r->g->n_rules; i++) {
        if (strcmp(r->g->rules[i].name, text) == 0)
            return (int)i;
    }
    if (r->g->n_rules >= MAX_RULES) {
        fail(r, start, CMAT_ERR_LIMIT, "more than 20000 rules");
        return -1;
    }
    const int rule = grammar_rule_new(r->g, text, NULL);
    place(r, start, &r->g->rules[rule].line, &r->g->rules[rule].column);
    return rule;
}

/* One character of a literal or a class, escapes resolved. */
static bool character(reader *r, uint32_t *cp)
{
    static const char letters[] = "ntr\"\\[]-", values[] = "\n\t\r\"\\[]-";
    const char *start = r->at, *s;
    int n_hex = 0, n;
    if (peek(r) != '\\') {
        n = cmat_utf8_decode(r->at, (size_t)(r->end - r->at), cp);
        if (n == 0)
            fail(r, start, CMAT_ERR_FORMAT, "not UTF-8");
        r->at += n;
        return n > 0;
    }
    r->at++;
    const char c = peek(r);
    r->at += r->at < r->end;
    if (c && (s = strchr(letters, c))) {
        *cp = (uint8_t)values[s - letters];
        return true;
    }
    n_hex = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    *cp = 0;
    for (n = 0; n < n_hex && isxdigit((unsigned char)peek(r)); n++, r->at++)
        *cp = *cp << 4 |
              (uint32_t)(isdigit((unsigned char)*r->at) ? *r->at - '0' : (*r->at | 32) - 'a' + 10);
    if (n_hex == 0 || n < n_hex || *cp > GRAMMAR_LAST_POINT || (*cp >= 0xd800 && *cp <= 0xdfff)) {
        fail(r, start, CMAT_ERR_FORMAT,
             "not an escape: \\n \\t \\r \\\" \\\\ \\[ \\] \\xHH "
             "\\uHHHH \\UHHHHHHHH are");
        return false;
    }
    return true;
}

static grammar_expr *literal(reader *r)
{
    const char *start = r->at++;
    cmat_buf b = {0};
    grammar_expr *e = NULL;
    while (!r->failed && r->at < r->end && *r->at != '"') {
        uint32_t cp;
        char bytes[4];
        if (character(r, &cp))
            cmat_buf_add(&b, bytes, (size_t)cmat_utf8_encode(cp, bytes));
    }
    if (!r->failed && peek(r) != '"')
        fail(r, start, CMAT_ERR_FORMAT, "the literal does not end");
    r->at++;
    if (!r->failed)
        e = grammar_text(r->g, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return e;
}

static grammar_expr *class(reader *r)
{
    const char *start = r->at++;
    grammar_points p = {0};
    grammar_expr *e = NULL;
    bool invert = false;
    if (peek(r) == '^') {
        invert = true;
        r->at++;
    }
    while (!r->failed && r->at < r->end && *r->at != ']') {
        uint32_t lo, hi;
        if (!character(r, &lo))
            break;
        hi = lo;
        if (peek(r) == '-' && r->at + 1 < r->end && r->at[1] != ']') {
            r->at++;
            if (!character(r, &hi))
                break;
        }
        if (hi < lo)
            fail(r, start, CMAT_ERR_FORMAT, "a range must go from a character to a later one");
        grammar_points_add(&p, lo, hi);
    }
    if (!r->failed && peek(r) != ']')
        fail(r, start, CMAT_ERR_FORMAT, "\"[\" without \"]\"");
    r->at++;
    if (!r->failed) {
        if (invert)
            grammar_points_invert(&p);
        else
            grammar_points_sort(&p);
        e = grammar_set(r->g, p.ranges, p.n);
    }
    grammar_points_clear(&p);
    return e;
}

static grammar_expr *alternatives(reader *r, bool nested);

static grammar_expr *group(reader *r)
{
    const char *start = r->at++;
    grammar_expr *e;
    if (++r->depth > MAX_NESTED)
        return fail(r, start, CMAT_ERR_LIMIT, "groups are nested too deep");
    skip(r, true);
    e = alternatives(r, true);
    r->depth--;
    if (!r->failed && peek(r) != ')')
        return fail(r, start, CMAT_ERR_FORMAT, "\"(\" without \")\"");
    r->at++;
    return e;
}

static grammar_expr *item(reader *r)
{
    switch (peek(r)) {
    case '"':
        return literal(r);
    case '[':
        return class(r);
    case '(':
        return group(r);
    case '.': {
        const grammar_range any = {0, GRAMMAR_LAST_POINT};
        r->at++;
        return grammar_set(r->g, &any, 1);
    }
    case '<':
    case '!':
        return fail(r, r->at, CMAT_ERR_UNSUPPORTED, "tokens (<...>, !<...>) are not supported");
    default: {
        const int rule = name(r);
        return rule < 0 ? NULL : grammar_call(r->g, rule);
    }
    }
}

static bool count(reader *r, int *out)
{
    long n = 0;
    const char *start = r->at;
    while (isdigit((unsigned char)peek(r)) && n <= MAX_COUNT)
        n = n * 10 + (*r->at++ - '0');
    if (r->at == start)
        fail(r, start, CMAT_ERR_FORMAT, "a number of repetitions is missing");
    else if (n > MAX_COUNT)
        fail(r, start, CMAT_ERR_LIMIT, "more than 100000 repetitions");
    *out = (int)n;
    return !r->failed;
}

static bool braces(reader *r, bool nested, int *min, int *max)
{
    const char *start = r->at++;
    *min = 0;
    skip(r, nested);
    if (peek(r) != ',' && !count(r, min))
        return false;
    *max = *min;
    skip(r, nested);
    if (peek(r) == ',') {
        r->at++;
        *max = -1;
        skip(r, nested);
        if (peek(r) != '}' && !count(r, max))
            return false;
        skip(r, nested);
    }
    if (peek(r) != '}' || (*max >= 0 && *max < *min)) {
        fail(r, start, CMAT_ERR_FORMAT, "not a repetition: {m}, {m,}, {m,n} are");
        return false;
    }
    r->at++;
    return true;
}

static grammar_expr *repeated(reader *r, bool nested)
{
    grammar_expr *e = item(r);
    skip(r, nested);
    while (!r->failed && r->at < r->end && strchr("*+?{", *r->at)) {
        int min = 0, max = -1;
        if (*r->at == '{') {
            if (!braces(r, nested, &min, &max))
                return NULL;
        } else {
            min = *r->at == '+';
            max = *r->at == '?' ? 1 : -1;
            r->at++;
        }
        e = grammar_repeat(r->g, e, min, max);
        skip(r, nested);
    }
    return r->failed ? NULL : e;
}

static grammar_expr *sequence(reader *r, bool nested)
{
    grammar_list l = {0};
    while (!r->failed && r->at < r->end && !strchr("|)\n", *r->at)) {
        grammar_expr *e = repeated(r, nested);
        if (e)
            grammar_list_add(&l, e);
    }
    return grammar_cat(r->g, &l);
}

static grammar_expr *alternatives(reader *r, bool nested)
{
    grammar_list l = {0};
    grammar_list_add(&l, sequence(r, nested));
    while (!r->failed && peek(r) == '|') {
        r->at++;
        skip(r, true); /* a rule may go on behind "|" on the next line */
        grammar_list_add(&l, sequence(r, nested));
    }
    return grammar_alt(r->g, &l);
}

/* A line that begins with "|" goes on with the rule before it. */
static grammar_expr *body(reader *r)
{
    grammar_list l = {0};
    grammar_list_add(&l, alternatives(r, false));
    for (;;) {
        const char *line_end = r->at;
        if (r->failed)
            break;
        skip(r, true);
        if (peek(r) != '|') {
            r->at = line_end;
            break;
        }
        r->at++;
        skip(r, true);
        grammar_list_add(&l, alternatives(r, false));
    }
    return grammar_alt(r->g, &l);
}

static void rule(reader *r)
{
    const char *start = r->at;
    const int k = name(r);
    grammar_expr *e;
    if (k < 0)
        return;
    if (r->g->rules[k].body) {
        fail(r, start, CMAT_ERR_FORMAT, "the rule is defined a second time");
        return;
    }
    place(r, start, &r->g->rules[k].line, &r->g->rules[k].column);
    skip(r, false);
    if (r->end - r->at < 3 || memcmp(r->at, "::=", 3) != 0) {
        fail(r, r->at, CMAT_ERR_FORMAT, "\"::=\" is missing");
        return;
    }
    r->at += 3;
    skip(r, true);
    e = body(r);
    if (r->failed)
        return;
    r->g->rules[k].body = e;
    if (r->at < r->end && *r->at != '\n')
        fail(r, r->at, CMAT_ERR_FORMAT, "a new line is missing before what follows the rule");
    skip(r, true);
}

static cmat_status read_rules(grammar_rules *g, const char *text, cmat_error *err)
{
    const size_t n = strlen(text);
    cmat_error local = {0};
    reader r = {.g = g, .text = text, .at = text, .end = text + n, .err = &local};
    g->root = -1;
    if (n > MAX_LENGTH)
        return cmat_fail(err, CMAT_ERR_LIMIT, "%s: %zu bytes, at most %d", g->what, n, MAX_LENGTH);
    find_lines(&r);
    skip(&r, true);
    while (!r.failed && r.at < r.end)
        rule(&r);
    for (size_t i = 0; i < g->n_rules && !r.failed; i++) {
        const grammar_rule *k = &g->rules[i];
        if (!k->body) {
            cmat_fail(&local, CMAT_ERR_FORMAT, "%s: line %d, column %d: rule \"%s\" is not defined",
                      g->what, k->line, k->column, k->name);
            r.failed = true;
        }
        if (strcmp(k->name, "root") == 0)
            g->root = (int)i;
    }
    if (!r.failed && g->root < 0) {
        cmat_fail(&local, CMAT_ERR_FORMAT, "%s: there is no rule named \"root\"", g->what);
        r.failed = true;
    }
    free(r.lines);
    if (!r.failed)
        return CMAT_OK;
    if (err)
        *err = local;
    return local.status;
}

cmat_status cmat_grammar_gbnf(cmat_acceptor **out, const char *text,
                              const cmat_grammar_trigger *trigger, cmat_error *err)
{
    grammar_rules g = {.what = "grammar"};
    cmat_status st = read_rules(&g, text, err);
    *out = NULL;
    if (st != CMAT_OK) {
        grammar_rules_clear(&g);
        return st;
    }
    return grammar_compile(out, &g, trigger, err);
}
