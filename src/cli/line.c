/* line.c - a line editor of the smallest kind: append, erase, complete. */
#include "cli/line.h"
#include "core/mem.h"
#include "core/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { CTRL_C = 3, CTRL_D = 4, TAB = 9, CTRL_U = 21, ESCAPE = 27, ERASE = 127 };
#define LISTED 40 /* choices shown at most */

static bool fits(const char *word, const cmat_buf *line)
{
    return strncmp(word, cmat_buf_str(line), line->len) == 0;
}

size_t cli_line_complete(cli_choices choices, cmat_buf *out)
{
    const char *first = NULL;
    size_t n = 0, shared = 0;
    for (size_t i = 0; i < choices.n; i++) {
        const char *w = choices.words[i];
        if (!fits(w, out))
            continue;
        size_t same = 0;
        if (n++ == 0) {
            first = w;
            shared = strlen(w);
        }
        while (same < shared && w[same] == first[same])
            same++;
        shared = same;
    }
    if (n > 0)
        cmat_buf_add(out, first + out->len, shared - out->len);
    return n;
}

/* A choice holds text of the world: it is shown inert. */
static void show(const char *s, size_t len)
{
    cmat_buf b = {0};
    cmat_text_inert(&b, s, len);
    fputs(cmat_buf_str(&b), stderr);
    cmat_buf_clear(&b);
}

static void list(cli_choices choices, const char *prompt, const cmat_buf *line)
{
    size_t n = 0;
    fputs("\r\n", stderr);
    for (size_t i = 0; i < choices.n; i++)
        if (fits(choices.words[i], line) && n++ < LISTED) {
            fputs("  ", stderr);
            show(choices.words[i], strlen(choices.words[i]));
            fputs("\r\n", stderr);
        }
    if (n > LISTED)
        fprintf(stderr, "  ... and %zu more\r\n", n - LISTED);
    fputs(prompt, stderr);
    show(cmat_buf_str(line), line->len);
}

static void complete(cli_choices choices, const char *prompt, cmat_buf *line)
{
    if (choices.after)
        choices.n = choices.after(choices.user, line, &choices.words);
    const size_t before = line->len, n = cli_line_complete(choices, line);
    if (line->len > before)
        show(line->data + before, line->len - before);
    else if (n > 1)
        list(choices, prompt, line);
    else if (n == 0)
        fputc('\a', stderr);
}

static void erase(cmat_buf *line, size_t to)
{
    while (line->len > to) {
        const unsigned char c = (unsigned char)line->data[line->len - 1];
        cmat_buf_truncate(line, line->len - 1);
        if ((c & 0xc0) != 0x80)
            fputs("\b \b", stderr);
    }
}

/* Where the last character begins. */
static size_t last_char(const cmat_buf *line)
{
    size_t at = line->len ? line->len - 1 : 0;
    while (at > 0 && ((unsigned char)line->data[at] & 0xc0) == 0x80)
        at--;
    return at;
}

/* Takes keys until the line ends. */
static bool edit(const char *prompt, cli_choices choices, cmat_buf *line)
{
    unsigned char c;
    while (read(STDIN_FILENO, &c, 1) == 1) {
        if (c == '\r' || c == '\n')
            return true;
        if (c == CTRL_C || (c == CTRL_D && line->len == 0))
            return false;
        if (c == TAB)
            complete(choices, prompt, line);
        else if (c == ERASE || c == '\b')
            erase(line, last_char(line));
        else if (c == CTRL_U)
            erase(line, 0);
        else if (c == ESCAPE) { /* arrow keys and the like: "ESC [ letter" */
            if (read(STDIN_FILENO, &c, 1) == 1 && c == '[')
                while (read(STDIN_FILENO, &c, 1) == 1 && (c < '@' || c > '~'))
                    ;
        } else if (c >= ' ') {
            cmat_buf_putc(line, (char)c);
            fputc(c, stderr);
        }
    }
    return line->len > 0;
}

static bool read_plain(cmat_buf *out)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n = getline(&line, &cap, stdin);
    if (n > 0 && line[n - 1] == '\n')
        n--;
    if (n > 0)
        cmat_buf_add(out, line, (size_t)n);
    free(line);
    return n >= 0;
}

bool cli_line_read(const char *prompt, cli_choices choices, cmat_buf *out)
{
    struct termios old, raw;
    cmat_buf_truncate(out, 0);
    fputs(prompt, stderr);
    if ((choices.n == 0 && !choices.after) || !isatty(STDIN_FILENO) ||
        tcgetattr(STDIN_FILENO, &old) != 0)
        return read_plain(out);
    raw = old;
    raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
        return read_plain(out);
    const bool more = edit(prompt, choices, out);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &old);
    fputs("\n", stderr);
    return more;
}
