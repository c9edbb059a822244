/* env/house/sexp.h - the brackets and words of PDDL.
 *
 * Words are folded to lower case, as PDDL ignores case; ';' begins a comment. */
#ifndef CMAT_ENV_HOUSE_SEXP_H
#define CMAT_ENV_HOUSE_SEXP_H
#include "cmat/error.h"
#include "core/mem.h"

typedef struct house_sexp house_sexp;
struct house_sexp {
    const char *word; /* NULL: a list */
    house_sexp *first, *next;
    int line;
};

/* Reads one bracketed list; `what` names the text in messages ("problem"). The result lives in the
 * arena. CMAT_ERR_FORMAT with the line, CMAT_ERR_LIMIT for what is too deep or too long. */
cmat_status house_sexp_parse(house_sexp **out, cmat_arena *arena, const char *text, size_t len,
                             const char *what, cmat_error *err);
/* The first word of a list, or "". */
const char *house_sexp_head(const house_sexp *s);
/* The first element of a list's list that begins with this word (":init"), or NULL. */
const house_sexp *house_sexp_find(const house_sexp *list, const char *head);
#endif
