/* reply.c - see reply.h. */
#include "env/web/reply.h"
#include "core/text.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* quotes: they are no part of it. */
static void set_value(web_reply *r, const char *s, size_t n, bool quotes)
{
    while (n > 0 && isspace((unsigned char)*s)) {
        s++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        n--;
    if (quotes && n >= 2 && s[0] == '"' && s[n - 1] == '"') {
        s++;
        n -= 2;
    }
    n = cmat_utf8_valid_prefix(s, n < WEB_VALUE_MAX ? n : WEB_VALUE_MAX);
    memcpy(r->value, s, n);
    r->value[n] = '\0';
}

static bool is_thought(const char *line)
{
    return strncasecmp(line, "plan:", 5) == 0 || strncasecmp(line, "think:", 6) == 0 ||
           strncasecmp(line, "thought:", 8) == 0;
}

/* "3", "[3]"; 0: neither. */
static int number(const char **p)
{
    const char *s = *p + strspn(*p, " \t[");
    char *end;
    const long n = isdigit((unsigned char)*s) ? strtol(s, &end, 10) : 0;
    if (n <= 0 || n > 1000000)
        return 0;
    *p = end + (*end == ']');
    return (int)n;
}

static bool read_line(const char *s, size_t len, web_reply *out, const char **why)
{
    const size_t word = strcspn(s, " \t:[\n");
    const char *end = s + len;
    *why = "an action begins with CLICK, TYPE or SELECT";
    out->op = web_op_find(s, word < len ? word : len);
    if (out->op == WEB_NO_OP)
        return false;
    if (out->op == WEB_MORE || out->op == WEB_BACK)
        return true;
    s += word;
    *why = "after the action comes an element's number";
    if ((out->element = number(&s)) == 0 || s > end)
        return false;
    if (out->op == WEB_CLICK)
        return true;
    s += strspn(s, " \t");
    if (s < end && *s == ':')
        s++;
    set_value(out, s, s < end ? (size_t)(end - s) : 0, true);
    *why = "after SELECT and the number comes a colon and the option";
    return out->op != WEB_SELECT || out->value[0];
}

bool web_reply_short(const char *text, web_reply *out, const char **why)
{
    *out = (web_reply){0};
    *why = "there is no action";
    while (*text) {
        text += strspn(text, " \t\r");
        const size_t len = strcspn(text, "\n");
        if (len > 0 && !is_thought(text))
            return read_line(text, len, out, why);
        text += len + (text[len] == '\n');
    }
    return false;
}

/* What follows the mark at its first place where one of the words stands; NULL: nowhere. */
static const char *after(const char *text, const char *mark)
{
    const char *p = strstr(text, mark);
    return p ? p + strlen(mark) : NULL;
}

bool web_reply_agentbench(const char *text, web_reply *out)
{
    bool answered = false;
    *out = (web_reply){0};
    for (const char *p = text; (p = after(p, "Answer: ")) && !answered;)
        if (*p >= 'A' && *p <= 'F') {
            out->element = *p - 'A';
            answered = true;
        }
    for (const char *p = text; (p = after(p, "Action: ")) && out->op == WEB_NO_OP;)
        for (web_op op = WEB_CLICK; op <= WEB_SELECT; op++)
            if (strncmp(p, web_op_name(op), strlen(web_op_name(op))) == 0)
                out->op = op;
    const char *value = after(text, "Value: ");
    if (value)
        set_value(out, value, strcspn(value, "\n"), false);
    return answered || out->op != WEB_NO_OP;
}

/* ---- F1 ---- */

enum { MAX_TOKENS = 128 };
typedef struct {
    const char *s;
    size_t len;
} token;

/* The different words of s. */
static size_t add_tokens(token *set, size_t n, const char *s)
{
    while (n < MAX_TOKENS) {
        s += strspn(s, " \t\r\n\f\v");
        const size_t len = strcspn(s, " \t\r\n\f\v");
        bool again = false;
        if (len == 0)
            break;
        for (size_t i = 0; i < n; i++)
            again |= set[i].len == len && memcmp(set[i].s, s, len) == 0;
        if (!again)
            set[n++] = (token){s, len};
        s += len;
    }
    return n;
}

double web_action_f1(web_op op, const char *value, web_op gold_op, const char *gold_value)
{
    token a[MAX_TOKENS], b[MAX_TOKENS];
    const size_t n_a = add_tokens(a, add_tokens(a, 0, web_op_name(op)), value);
    const size_t n_b = add_tokens(b, add_tokens(b, 0, web_op_name(gold_op)), gold_value);
    size_t both = 0;
    if (n_a == 0 || n_b == 0)
        return n_a == n_b;
    for (size_t i = 0; i < n_a; i++)
        for (size_t j = 0; j < n_b; j++)
            both += a[i].len == b[j].len && memcmp(a[i].s, b[j].s, a[i].len) == 0;
    return both ? 2.0 * (double)both / (double)(n_a + n_b) : 0;
}
