/* env/house/make.h - new houses: a seeded generator, and the games it makes.
 *
 * A house is JSON, kept in its task ("house"), so that the task is whole by itself:
 * {"receptacles": ["cabinet", "cabinet", "fridge", ...] their kinds, "objects": [["apple", 2], ...]
 * kind and what it is in (a place in receptacles), "at": where one starts, a place in receptacles
 * or -1 (the middle of the room), "goal": {"kind": "pick_heat_then_place", "object": "apple",
 * "receptacle": "countertop"}, "text": "heat some apple and put it on countertop."} */
#ifndef CMAT_ENV_HOUSE_MAKE_H
#define CMAT_ENV_HOUSE_MAKE_H
#include "env/env.h"
#include <jansson.h>

/* The members of a game.tw-pddl file for a house: a new reference; NULL with err set when the house
 * is not well formed. */
json_t *house_spec_game(const json_t *house, cmat_error *err);

/* n tasks of a split, each solved by the planner. A goal (kind, object, receptacle) belongs to one
 * split only, and so do its houses. */
cmat_status house_generate(int split, size_t n, uint64_t seed, cmat_task_list *out,
                           cmat_error *err);
#endif
