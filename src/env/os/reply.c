/* reply.c - the action in a reply. */
#include "env/os/reply.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

void os_action_clear(os_action *a)
{
    cmat_buf_clear(&a->text);
    memset(a, 0, sizeof *a);
}

/* Without spaces at both ends. */
static void add_trimmed(cmat_buf *out, const char *s, size_t n)
{
    while (n > 0 && isspace((unsigned char)*s)) {
        s++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        n--;
    cmat_buf_add(out, s, n);
}

/* The word that an action's line begins with. */
static bool begins(const char *line, const char *word)
{
    while (*line == ' ' || *line == '\t')
        line++;
    return strncasecmp(line, word, strlen(word)) == 0;
}

/* The content of the first ``` block at or after s; false: there is none. */
static bool first_block(const char *s, cmat_buf *out)
{
    const char *open = strstr(s, "```");
    const char *from = open ? strchr(open, '\n') : NULL;
    if (!from)
        return false;
    const char *end = strstr(from, "\n```");
    if (!end) { /* cut off, or closed on its last line */
        end = strstr(from + 1, "```");
        end = end ? end : from + strlen(from);
    }
    if (end > from)
        cmat_buf_add(out, from + 1, (size_t)(end - from - 1));
    return true;
}

/* Where the script that begins at s ends: before a line that is another action. */
static const char *script_end(const char *s)
{
    for (const char *p = strchr(s, '\n'); p; p = strchr(p + 1, '\n'))
        if (begins(p + 1, "answer:") || begins(p + 1, "think:") || begins(p + 1, "bash:"))
            return p;
    return s + strlen(s);
}

static void take_script(const char *s, os_action *a)
{
    const char *p = s + strspn(s, " \t\r\n");
    a->type = OS_ACTION_BASH;
    if (strncmp(p, "```", 3) == 0 && first_block(p, &a->text))
        return;
    add_trimmed(&a->text, s, (size_t)(script_end(s) - s));
}

void os_reply_short(const char *reply, os_action *a)
{
    memset(a, 0, sizeof *a);
    for (const char *line = reply; *line && a->type == OS_ACTION_NONE;) {
        const char *end = strchrnul(line, '\n'), *colon = strchr(line, ':');
        if (begins(line, "think:")) {
            a->thought = true;
        } else if (begins(line, "bash:")) {
            take_script(colon + 1, a);
        } else if (begins(line, "answer:")) {
            a->type = OS_ACTION_ANSWER;
            add_trimmed(&a->text, colon + 1, strlen(colon + 1)); /* it may have several lines */
        } else if (begins(line, "finish")) {
            a->type = OS_ACTION_FINISH;
        } else if (begins(line, "```")) {
            take_script(line, a);
        }
        line = *end ? end + 1 : end;
    }
    if (a->type == OS_ACTION_BASH && a->text.len == 0)
        a->type = OS_ACTION_NONE;
}

/* Python's str.startswith on lower case. */
static bool starts(const char *s, size_t n, const char *word)
{
    return n >= strlen(word) && strncasecmp(s, word, strlen(word)) == 0;
}

/* answer(...): what is between the first "(" and the last ")" of the line; false: not both. */
static bool take_answer(const char *s, size_t n, os_action *a)
{
    const char *open = memchr(s, '(', n), *close = memrchr(s, ')', n);
    if (!open || !close)
        return false;
    a->type = OS_ACTION_ANSWER;
    if (close > open)
        cmat_buf_add(&a->text, open + 1, (size_t)(close - open - 1));
    return true;
}

static void take_blocks(const char *reply, os_action *a)
{
    static const char mark[] = "```bash\n";
    bool first = true;
    a->type = OS_ACTION_BASH;
    for (const char *p = reply; (p = strstr(p, mark));) {
        const char *from = p + sizeof mark - 1, *end = strstr(from, "\n```");
        if (!end)
            break;
        if (!first)
            cmat_buf_puts(&a->text, "\n\n");
        cmat_buf_add(&a->text, from, (size_t)(end - from));
        first = false;
        p = end + 4;
    }
}

void os_reply_agentbench(const char *reply, os_action *a)
{
    memset(a, 0, sizeof *a);
    a->thought = strstr(reply, "Think:") != NULL;
    bool bash = false;
    /* The regular expression Act:\s*(.+), all matches; each later valid one replaces the former. */
    for (const char *p = reply; (p = strstr(p, "Act:"));) {
        const char *s = p + 4;
        while (isspace((unsigned char)*s))
            s++;
        const size_t n = strcspn(s, "\n");
        if (n == 0)
            break;
        os_action next = {0};
        bool valid = true, is_bash = false;
        if (starts(s, n, "bash"))
            is_bash = true;
        else if (starts(s, n, "finish"))
            next.type = OS_ACTION_FINISH;
        else if (!starts(s, n, "answer") || !take_answer(s, n, &next))
            valid = false;
        if (valid) {
            const bool thought = a->thought;
            os_action_clear(a);
            *a = next;
            a->thought = thought;
            bash = is_bash;
        }
        p = s + n;
    }
    if (bash)
        take_blocks(reply, a);
}
