/* env/house/reply.h - the command in a reply, and which possible command is meant. */
#ifndef CMAT_ENV_HOUSE_REPLY_H
#define CMAT_ENV_HOUSE_REPLY_H
#include "core/buf.h"
#include <stdbool.h>
#include <stddef.h>

/* Our style: the first line that is not empty and no thought ("Think: ..."), lower case. False:
 * there is none. */
bool house_reply_short(const char *reply, cmat_buf *command);
/* AgentBench's: what follows the first "ACTION:" on its line, lower case. */
bool house_reply_agentbench(const char *reply, cmat_buf *command);
bool house_reply_thought(const char *reply);

/* Of AgentBench's rule: the command with the best BLEU (NLTK's sentence_bleu of its words against
 * the reply's, smoothing 4) if that is above 0.01; the reply itself when it is among them, or when
 * none comes near (NULL). commands: (n) sorted. */
const char *house_closest_bleu(const char *const *commands, size_t n, const char *said);
/* The command with the fewest bytes to change, the first of equals; NULL for n 0. */
const char *house_closest_edit(const char *const *commands, size_t n, const char *said);
/* NLTK's sentence_bleu([reference], candidate) with smoothing 4 and uniform weights up to 4. */
double house_bleu(const char *reference, const char *candidate);
#endif
