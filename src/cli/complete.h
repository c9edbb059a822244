/* cli/complete.h - what may be typed next, where an environment says so by a constraint only. */
#ifndef CMAT_CLI_COMPLETE_H
#define CMAT_CLI_COMPLETE_H
#include "core/acceptor.h"
#include "core/buf.h"

/* Lines that begin with `line` and go on as the acceptor wants it: by what must come next, when
 * only one thing may, else by each of the words that may stand there. */
typedef struct {
    const cmat_acceptor *acceptor;
    const cmat_buf *before; /* what was said before this line, with its newlines */
    cmat_buf text;          /* the words, with NULs between them */
    const char **words;
    size_t n, cap;
} cli_completion; /* acceptor and before set, the rest zero */

/* The lines, sorted, the completion's until its next call; 0: none, or too many to tell (free
 * text). For cli_choices.after: user is a cli_completion. */
size_t cli_completion_after(void *user, const cmat_buf *line, const char *const **words);
void cli_completion_clear(cli_completion *c);
/* The acceptor takes text as a whole. */
bool cli_is_whole(const cmat_acceptor *a, const cmat_buf *text);
#endif
