/* env/os/make.h - tasks made from a seed: families, each a kind of thing to find out or to change.
 */
#ifndef CMAT_ENV_OS_MAKE_H
#define CMAT_ENV_OS_MAKE_H
#include "core/buf.h"
#include "core/rng.h"
#include <stdbool.h>
#include <stddef.h>

enum { OS_GOLD_MAX = 3 };

/* A task in the making. What it asks for is either what the last gold command prints, or what
 * `check` (a script) finds done. */
typedef struct {
    cmat_rng *rng;
    const char *kind;
    bool number; /* the answer is one */
    cmat_buf instruction, init, start, check;
    cmat_buf dir; /* the folder it is about, for the family's own use */
    cmat_buf gold[OS_GOLD_MAX];
    int n_gold;
} os_draft;
void os_draft_clear(os_draft *d);

typedef struct {
    const char *name;
    void (*make)(os_draft *d);
} os_family;
extern const os_family os_families_files[], os_families_text[], os_families_system[],
    os_families_change[]; /* ended by a NULL name */

/* ---- for the families ---- */

size_t os_below(os_draft *d, size_t n);                    /* 0..n-1 */
int os_between(os_draft *d, int lo, int hi);               /* both included */
const char *os_pick(os_draft *d, const char *const *list); /* ended by NULL */
/* n different ones, in a random order; n is at most the list's length. */
void os_pick_many(os_draft *d, const char *const *list, const char **out, size_t n);
void os_gold_add(os_draft *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One of up to three ways to say it, each a format with the same arguments. */
void os_say(os_draft *d, const char *const *ways, ...);

extern const char *const os_folders[],
    *const os_stems[], *const os_extensions[], *const os_people[], *const os_words[],
                                                                       *const os_cities[],
                                                                           *const os_levels[],
                                                                               *const os_services[];
#endif
