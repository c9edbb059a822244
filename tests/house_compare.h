/* house_compare.h - a walk recorded in TextWorld against ours. */
#ifndef HOUSE_COMPARE_H
#define HOUSE_COMPARE_H
#include "env/house/house.h"

/* The game of a walk: of its "task", or the file "game" below dir. */
cmat_status house_compare_game(const json_t *walk, const char *dir, house_game **out,
                               cmat_error *err);
/* Plays the walk's steps; *n_steps grows by those that were the same. False at the first that
 * differs, which is told on stdout. */
bool house_compare_walk(const json_t *walk, house_game *game, size_t *n_steps);
#endif
