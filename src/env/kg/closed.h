/* env/kg/closed.h - AgentBench's questions, and the small graph that their gold calls walk on.
 *
 * The questions are about Freebase, which few have at hand. What the gold calls say of it is enough
 * for a graph on which they give the gold answers: the named nodes, unnamed ones in between, and
 * beside them relations of the same types, drawn from Freebase's ontology, that lead elsewhere. */
#ifndef CMAT_ENV_KG_CLOSED_H
#define CMAT_ENV_KG_CLOSED_H
#include "core/buf.h"
#include <stdbool.h>

/* "get_neighbors(m.01,film.film.genre)" in its parts; the third may be missing. False: it is no
 * call. Names with a comma cannot be read so. */
bool kg_gold_split(const char *call, char *tool, size_t size, cmat_buf *a, cmat_buf *b);
#endif
