/* env/shop/reply.c - see reply.h. */
#include "env/shop/reply.h"
#include <stddef.h>
#include <string.h>
#include <strings.h>

void shop_action_clear(shop_action *a)
{
    cmat_buf_clear(&a->arg);
    a->verb = SHOP_NO_ACTION;
}

static void start(shop_action *a)
{
    a->verb = SHOP_NO_ACTION;
    cmat_buf_truncate(&a->arg, 0);
}

/* The verb before "[" at s, by strncasecmp or strncmp; its length with the bracket, or 0. */
static size_t verb_at(const char *s, int (*same)(const char *, const char *, size_t),
                      shop_verb *verb)
{
    *verb = SHOP_NO_ACTION;
    if (same(s, "search[", 7) == 0)
        *verb = SHOP_SAY_SEARCH;
    else if (same(s, "click[", 6) == 0)
        *verb = SHOP_SAY_CLICK;
    return *verb == SHOP_SAY_SEARCH ? 7 : *verb == SHOP_SAY_CLICK ? 6 : 0;
}

static bool is_thought(const char *line)
{
    return strncasecmp(line, "think:", 6) == 0 || strncasecmp(line, "thought:", 8) == 0;
}

void shop_reply_short(shop_action *a, const char *reply)
{
    start(a);
    while (*reply) {
        const size_t len = strcspn(reply, "\n"), lead = strspn(reply, " \t\r");
        const char *line = reply + (lead < len ? lead : len), *end = reply + len;
        if (line < end && !is_thought(line)) {
            shop_verb verb;
            const size_t n = verb_at(line, strncasecmp, &verb);
            while (end > line && end[-1] != ']')
                end--;
            if (n > 0 && end > line + n + 1) {
                a->verb = verb;
                cmat_buf_add(&a->arg, line + n, (size_t)(end - 1 - line) - n);
            }
            return;
        }
        reply += len + (reply[len] == '\n');
    }
}

/* The end of (search|click)\[.+?] at s, or NULL. */
static const char *match(const char *s)
{
    shop_verb verb;
    const size_t n = verb_at(s, strncmp, &verb);
    if (n == 0 || !s[n] || s[n] == '\n')
        return NULL;
    const size_t inner = strcspn(s + n + 1, "]\n");
    return s[n + 1 + inner] == ']' ? s + n + 1 + inner : NULL;
}

/* (.+)\[(.+)\]: the first part is greedy, so that the last bracket with something behind it counts.
 */
static void read_match(shop_action *a, const char *s, const char *end)
{
    const char *open = end - 2;
    while (*open != '[')
        open--;
    verb_at(s, strncmp, &a->verb);
    if (open != strchr(s, '['))
        a->verb = SHOP_SAY_OTHER;
    cmat_buf_add(&a->arg, open + 1, (size_t)(end - open - 1));
}

void shop_reply_agentbench(shop_action *a, const char *reply)
{
    start(a);
    for (const char *p = reply; (p = strstr(p, "ction:")) != NULL; p += 6) {
        if (p == reply || (p[-1] != 'A' && p[-1] != 'a'))
            continue;
        const char *s = p + 6, *end;
        s += strspn(s, " ");
        s += strspn(s, "\n");
        s += strspn(s, " ");
        if ((end = match(s)) != NULL) {
            read_match(a, s, end);
            return;
        }
    }
}
