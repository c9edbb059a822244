/* env/house/house.h - what the files of the house environment share. */
#ifndef CMAT_ENV_HOUSE_ENV_H
#define CMAT_ENV_HOUSE_ENV_H
#include "env/env.h"
#include "env/house/game.h"
#include "env/house/seeker.h"

typedef struct {
    cmat_env base;
    bool agentbench;
    house_play play;
    json_t *task;     /* of the episode */
    char game_of[80]; /* the id and content of the task that play.game was made for */
    uint64_t last[2]; /* hashes of the last replies (AgentBench ends at the third of a kind) */
    int n_replies, n_impossible;
    cmat_buf command;     /* scratch */
    house_seeker *seeker; /* has seen what the Actor has seen */
    uint64_t *done;       /* (n_done) what was said in which state */
    size_t n_done, cap_done;
    uint64_t *gold_at; /* (n_gold + 1) the states on the task's own way, once asked for */
    size_t n_gold;
} house_env;

/* Tasks of a folder with game.tw-pddl files, of one such file, of AgentBench's list of them, or of
 * our JSONL. */
cmat_status house_import(const char *path, cmat_task_list *out, cmat_error *err);
/* The game of a task: "path" and "sha256" of a file, or "house" (make.h). */
cmat_status house_task_game(const cmat_task *task, house_game **out, cmat_error *err);
/* The kind of task that a game's problem asks for: "pick_two_obj" ... */
const char *house_kind_of(const char *problem);
#endif
