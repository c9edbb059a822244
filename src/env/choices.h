/* env/choices.h - the constraint of an environment whose actions can be listed: a thought if
 * wanted, then one of the listed actions, so that an action always parses. */
#ifndef CMAT_ENV_CHOICES_H
#define CMAT_ENV_CHOICES_H
#include "core/acceptor.h"
#include <stdbool.h>

typedef struct {
    const char *think; /* "Think: ": before one line of thought, which may be left out; NULL: none.
                        * Its first byte begins neither lead nor a choice */
    int think_max;     /* bytes of that line at most; 0: 200 */
    const char *lead;  /* before the action ("ACTION: "); NULL: nothing */
    const char *const *choices; /* (n) sorted as strcmp does, none empty; copied */
    size_t n;
    const char *free_lead; /* "search[": also allowed, then any words (no brackets, one line), then
                            * free_end; NULL: not. No choice begins with it */
    char free_end;         /* ']' */
    const bool *open; /* (n): any words may follow choice i, or none, to the end; no other choice
                       * begins with it. NULL: after none */
    int free_max;     /* bytes of such words at most; 0: 200 */
} cmat_choices_options;

/* The caller's (cmat_acceptor_free). No two choices may be equal; one may begin another. */
cmat_acceptor *cmat_choices_new(const cmat_choices_options *o);
#endif
