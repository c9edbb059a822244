/* env/house/seeker.h - a player that knows what the Actor knows: the first view, its own commands,
 * and what was answered to them. What it does can be learned from the text alone, as the planner's
 * way (plan.h), which knows where everything is, cannot.
 *
 * It looks at the places where the thing may be (kinds.h), in the order in which the first view
 * names them: those that stand open, then those to be opened, then all others. What it sees on the
 * way it remembers. The same texts lead to the same commands. */
#ifndef CMAT_ENV_HOUSE_SEEKER_H
#define CMAT_ENV_HOUSE_SEEKER_H
#include "core/buf.h"
#include <stdbool.h>

typedef struct house_seeker house_seeker;

/* From the first view ("... you see a desk 1 ... Your task is to: ..."). The caller's
 * (house_seeker_free); never NULL. One that cannot read the task has nothing to say. */
house_seeker *house_seeker_new(const char *view);
void house_seeker_free(house_seeker *s); /* accepts NULL */
/* Forgets all but the first view, and looks first at what is in its hands: the world may be any. */
void house_seeker_forget(house_seeker *s);
/* A command was said, whoever chose it, and the answer seen. */
void house_seeker_see(house_seeker *s, const char *command, const char *answer);
/* Appends the next command. False: nothing is left to try. */
bool house_seeker_next(house_seeker *s, cmat_buf *out);
#endif
