/* news.c - see news.h. */
#include "env/os/box/news.h"
#include <string.h>

static bool has_line(const char *text, const char *line, size_t n)
{
    for (const char *p = text; *p;) {
        const char *end = strchrnul(p, '\n');
        if ((size_t)(end - p) == n && memcmp(p, line, n) == 0)
            return true;
        p = *end ? end + 1 : end;
    }
    return false;
}

/* Variables that change by themselves or are the driver's own. */
static bool passing_variable(const char *line, size_t n)
{
    static const char *const all[] = {"_",
                                      "BASHOPTS",
                                      "BASHPID",
                                      "BASH_ARGC",
                                      "BASH_ARGV",
                                      "BASH_ARGV0",
                                      "BASH_CMDS",
                                      "BASH_COMMAND",
                                      "BASH_EXECUTION_STRING",
                                      "BASH_LINENO",
                                      "BASH_REMATCH",
                                      "BASH_SOURCE",
                                      "BASH_SUBSHELL",
                                      "BASH_VERSINFO",
                                      "COMP_WORDBREAKS",
                                      "DIRSTACK",
                                      "EPOCHREALTIME",
                                      "EPOCHSECONDS",
                                      "EUID",
                                      "FUNCNAME",
                                      "GROUPS",
                                      "HISTCMD",
                                      "LINENO",
                                      "PIPESTATUS",
                                      "PPID",
                                      "PWD",
                                      "RANDOM",
                                      "SECONDS",
                                      "SHELLOPTS",
                                      "SHLVL",
                                      "SRANDOM",
                                      "UID",
                                      "BASH_ALIASES"};
    if (n < 11 || memcmp(line, "declare -", 9) != 0)
        return false;
    const char *name = memchr(line + 9, ' ', n - 9);
    if (!name)
        return true;
    size_t len = strcspn(++name, "=\n");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strlen(all[i]) == len && memcmp(all[i], name, len) == 0)
            return true;
    return len > 6 && memcmp(name, "__box_", 6) == 0;
}

void box_news_lines(const char *text, const char *before, box_bytes *out)
{
    for (const char *p = text; *p;) {
        const char *end = strchrnul(p, '\n');
        const size_t n = (size_t)(end - p);
        if (!passing_variable(p, n) && !has_line(before, p, n)) {
            box_add(out, p, n);
            box_add(out, "\n", 1);
        }
        p = *end ? end + 1 : end;
    }
}

void box_news_functions(const char *text, box_bytes *out)
{
    const char *own = strstr(text, "__box_status ()"), *end = own ? strstr(own, "\n}\n") : NULL;
    if (!end) {
        box_add(out, text, strlen(text));
        return;
    }
    box_add(out, text, (size_t)(own - text));
    box_add(out, end + 3, strlen(end + 3));
}
