/* cli/line.h - a line from the keyboard, with completion of what may be said. */
#ifndef CMAT_CLI_LINE_H
#define CMAT_CLI_LINE_H
#include "core/buf.h"
#include <stdbool.h>
#include <stddef.h>

/* What a line may be: (n) sorted strings, or, where they depend on what is typed, what `after`
 * gives for it. Neither: anything, without completion. */
typedef struct {
    const char *const *words;
    size_t n;
    size_t (*after)(void *user, const cmat_buf *line, const char *const **words);
    void *user;
} cli_choices;

/* Reads one line, without its newline, into *out (emptied first); false at the end of input. On a
 * terminal Tab completes to what all fitting choices share and then lists them; Ctrl-U empties the
 * line, Ctrl-D on an empty one ends the input. Elsewhere lines are read as they come. */
bool cli_line_read(const char *prompt, cli_choices choices, cmat_buf *out);

/* Appends to *out what all choices that begin with its text share beyond it; the number of them. */
size_t cli_line_complete(cli_choices choices, cmat_buf *out);
#endif
