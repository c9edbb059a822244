/* env/kg/make.h - parts of the generator of questions: words for a set, and a second opinion on it.
 */
#ifndef CMAT_ENV_KG_MAKE_H
#define CMAT_ENV_KG_MAKE_H
#include "core/rng.h"
#include "env/kg/play.h"
#include "env/kg/store.h"

/* Appends a question whose answer is element i of the play. */
void kg_question(const kg_store *s, const kg_play *p, int i, cmat_rng *rng, cmat_buf *out);
/* Whether one SQL statement over the graph's triples, written from the expression alone, gives the
 * same nodes (number) as the tools gave. */
bool kg_verify(kg_store *s, const kg_play *p, int i, const kg_list *values);
#endif
