/* model/draft.c - see draft.h. */
#include "model/draft.h"

enum { LONGEST = 4, SHORTEST = 2, BACK = 4096 }; /* tokens that must agree; how far back to look */

/* What follows when the guesses seldom come true: nothing is computed for them. */
static const float WORTH = 0.35F, STEP = 0.2F;

void cmat_draft_init(cmat_draft *d)
{
    *d = (cmat_draft){.trust = 0.5F};
}

/* The end of the latest earlier place where the last tokens stood, as many as can be of LONGEST;
 * 0: none with SHORTEST. */
static size_t look_up(const int32_t *tokens, size_t n)
{
    size_t best = 0;
    int longest = SHORTEST - 1;
    const size_t first = n > BACK ? n - BACK : 1;
    for (size_t end = n - 1; end >= first; end--) {
        int same = 0;
        while (same < LONGEST && (size_t)same < end &&
               tokens[end - 1 - (size_t)same] == tokens[n - 1 - (size_t)same])
            same++;
        if (same > longest) {
            longest = same;
            best = end;
            if (same == LONGEST)
                break;
        }
    }
    return best;
}

void cmat_draft_guess(cmat_draft *d, const int32_t *tokens, size_t n, int most)
{
    const size_t at = n > SHORTEST ? look_up(tokens, n) : 0;
    d->n = d->n_run = 0;
    for (size_t i = at; at && i < n && d->n < CMAT_DRAFT_MAX; i++)
        d->tokens[d->n++] = tokens[i];
    if (d->trust >= WORTH) {
        const int worth = 1 + (int)(d->trust * (CMAT_DRAFT_MAX - 1));
        d->n_run = worth < d->n ? worth : d->n;
        d->n_run = d->n_run < most ? d->n_run : most < 0 ? 0 : most;
    }
}

void cmat_draft_judge(cmat_draft *d, int right, int32_t came)
{
    if (d->n == 0)
        return;
    for (int i = 0; i < right; i++)
        d->trust += STEP * (1 - d->trust);
    if (d->n_run ? right < d->n_run : d->tokens[0] != came)
        d->trust -= STEP * d->trust;
    else if (!d->n_run)
        d->trust += STEP * (1 - d->trust);
    d->n = d->n_run = 0;
}
