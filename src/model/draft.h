/* model/draft.h - guesses at the tokens to come, by looking up what followed the last few tokens
 * when they stood in the text before ("prompt lookup": speculative decoding, arXiv 2211.17192,
 * whose draft model is the text itself). */
#ifndef CMAT_MODEL_DRAFT_H
#define CMAT_MODEL_DRAFT_H
#include <stddef.h>
#include <stdint.h>

enum { CMAT_DRAFT_MAX = 7 };

typedef struct {
    int32_t tokens[CMAT_DRAFT_MAX];
    int n;       /* guessed */
    int n_run;   /* of them that this step computes as well */
    float trust; /* how often the first guess was right lately, 0..1 */
} cmat_draft;

void cmat_draft_init(cmat_draft *d);
/* Guesses what follows tokens (n), and how many of the guesses are worth a row: most at most. */
void cmat_draft_guess(cmat_draft *d, const int32_t *tokens, size_t n, int most);
/* Takes note of what came: right of the guesses that were computed were right; came, the first new
 * token. */
void cmat_draft_judge(cmat_draft *d, int right, int32_t came);
#endif
