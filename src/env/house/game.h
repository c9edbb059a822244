/* env/house/game.h - one game: a problem, its words, and the names of its things; and a play of it.
 *
 * A game never changes once loaded and is shared by reference; a play belongs to one thread. */
#ifndef CMAT_ENV_HOUSE_GAME_H
#define CMAT_ENV_HOUSE_GAME_H
#include "core/buf.h"
#include "env/house/grammar.h"
#include <jansson.h>

typedef struct {
    int refs;
    house_pddl *pddl;
    house_search *search;
    house_grammar *grammar;
    char **names;    /* (pddl->n_objects): "drawer 2" */
    char *task;      /* "Your task is to: ..." */
    json_t *gold;    /* array of commands, or NULL */
    char sha256[65]; /* of domain, grammar and problem */
} house_game;

#define HOUSE_FILE_MAX (8u << 20)

/* Reads a game from a game.tw-pddl file's JSON (pddl_domain, pddl_problem, grammar; walkthrough).
 * `what` names it in messages. *out is the caller's (house_game_unref). */
cmat_status house_game_new(house_game **out, const json_t *j, const char *what, cmat_error *err);
cmat_status house_game_load(house_game **out, const char *path, cmat_error *err);
house_game *house_game_ref(house_game *g);
void house_game_unref(house_game *g); /* accepts NULL */

typedef struct {
    house_game *game;
    house_state state;
    bool won;
    /* What may be said now, sorted, each once; made when first asked for after a change. */
    house_move *moves; /* (n_moves) */
    size_t n_moves, cap_moves;
    cmat_buf text;         /* of the commands */
    const char **commands; /* (n_commands) into text, sorted as strcmp does */
    size_t *move_of;       /* (n_commands) */
    size_t n_commands, cap_commands;
    bool fresh; /* moves and commands are those of the state */
} house_play;

/* Starts at the beginning; p is all zero, or was used before. */
void house_play_start(house_play *p, house_game *game);
void house_play_clear(house_play *p);
/* Appends what is seen first: the room, a line, the task. */
cmat_status house_play_intro(house_play *p, cmat_buf *out, cmat_error *err);
/* CMAT_ERR_FORMAT, CMAT_ERR_LIMIT: the game's conditions or rules cannot be worked out. */
cmat_status house_play_list(house_play *p, cmat_error *err);
/* Says a command, blanks around it ignored: appends the answer. One that is not possible changes
 * nothing ("Nothing happens.", *possible false). */
cmat_status house_play_say(house_play *p, const char *command, cmat_buf *out, bool *possible,
                           cmat_error *err);
#endif
