/* env/house/plan.h - finds a way to the goal. */
#ifndef CMAT_ENV_HOUSE_PLAN_H
#define CMAT_ENV_HOUSE_PLAN_H
#include "env/house/game.h"

/* A short way from a state to the goal, as an array of commands (a new reference; empty where the
 * goal holds already); NULL: none was found. Breadth-first over the moves that matter for the
 * things that the goal speaks of: a shortest way for the things chosen, of some choices the best.
 */
json_t *house_plan(const house_game *g, const house_state *from);
#endif
