/* slips.c - a first reply that is wrong in one respect, as a small model writes them. */
#include "core/json.h"
#include "core/mem.h"
#include "env/os/os.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The script without its k-th byte. */
static char *without(const char *s, size_t k)
{
    char *t = cmat_xstrdup(s);
    memmove(t + k, t + k + 1, strlen(t + k));
    return t;
}

/* The place of the n-th byte of `set` in s, counted from a random one; false: there is none. */
static bool random_byte(const char *s, const char *set, cmat_rng *rng, size_t *at)
{
    size_t n = 0;
    for (const char *p = s; *p; p++)
        n += strchr(set, *p) != NULL;
    if (n == 0)
        return false;
    size_t k = (size_t)cmat_rng_below(rng, n);
    for (const char *p = s; *p; p++)
        if (strchr(set, *p) && k-- == 0) {
            *at = (size_t)(p - s);
            return true;
        }
    return false;
}

/* A quote or a bracket is missing. */
static char *unbalanced(const char *gold, cmat_rng *rng)
{
    size_t at;
    return random_byte(gold, "'\"()", rng, &at) ? without(gold, at) : NULL;
}

/* Two letters of the command's name are swapped, or one is gone. */
static char *misspelt(const char *gold, cmat_rng *rng)
{
    size_t n = 0;
    while (isalpha((unsigned char)gold[n]))
        n++;
    if (n < 2)
        return NULL;
    if (n == 2 || cmat_rng_below(rng, 2))
        return without(gold, (size_t)cmat_rng_below(rng, n));
    char *t = cmat_xstrdup(gold);
    const size_t k = (size_t)cmat_rng_below(rng, n - 1);
    t[k] = gold[k + 1];
    t[k + 1] = gold[k];
    return t;
}

/* A path that is not there: one letter of it is gone. */
static char *wrong_path(const char *gold, cmat_rng *rng)
{
    const char *slash = strchr(gold, '/');
    if (!slash || !isalpha((unsigned char)slash[1]) || !isalpha((unsigned char)slash[2]))
        return NULL;
    size_t n = 1;
    while (isalpha((unsigned char)slash[n]))
        n++;
    return without(gold, (size_t)(slash - gold) + 1 + (size_t)cmat_rng_below(rng, n - 1));
}

/* An option is left out. */
static char *no_option(const char *gold, cmat_rng *rng)
{
    char *t = cmat_xstrdup(gold), *dash = NULL;
    size_t n = 0;
    for (char *p = t; (p = strstr(p, " -")); p += 2)
        if (isalpha((unsigned char)p[2]) && cmat_rng_below(rng, ++n) == 0)
            dash = p;
    if (dash) {
        const size_t len = 1 + strcspn(dash + 1, " ");
        memmove(dash, dash + len, strlen(dash + len) + 1);
        return t;
    }
    free(t);
    return NULL;
}

bool os_env_slip(cmat_env *env, cmat_rng *rng, cmat_buf *out)
{
    static char *(*const kinds[])(const char *gold, cmat_rng *rng) = {unbalanced, misspelt,
                                                                      wrong_path, no_option};
    enum { N = sizeof kinds / sizeof *kinds };
    os_env *e = (os_env *)env;
    const char *gold = e->task ? os_gold(e, 0) : NULL;
    if (!gold || strchr(gold, '\n'))
        return false;
    if (cmat_rng_below(rng, 6) == 0 && json_object_get(e->task, "answer")) {
        os_say_answer(e, "0", 1, out);
        return true; /* an answer before looking */
    }
    const size_t first = (size_t)cmat_rng_below(rng, N);
    for (size_t i = 0; i < N; i++) {
        char *wrong = kinds[(first + i) % N](gold, rng);
        if (wrong) {
            os_say_bash(e, wrong, out);
            free(wrong);
            return true;
        }
    }
    return false;
}
