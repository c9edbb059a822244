/* tests/player.h - environments in tests: opened, played, scored. What goes wrong in them fails the
 * test; what they answer is the test's to look at. */
#ifndef PLAYER_H
#define PLAYER_H
#include "env/env.h"

cmat_env *player_open(const char *name, cmat_env_options o);
cmat_task player_task(const char *json);
void player_reset(cmat_env *env, const cmat_task *t, cmat_obs *obs);
/* What is observed, until obs is used again. */
const char *player_step(cmat_env *env, const char *reply, cmat_obs *obs);
/* One reply; what is observed must hold `part`. */
void player_expect(cmat_env *env, const char *reply, const char *part);
double player_score(cmat_env *env);
/* The constraint allows this reply (there may be none). */
bool player_accepts(cmat_env *env, const char *reply);
/* The Checker's facts about a reply are of this level and say `part`, and finding them out has
 * changed nothing. */
void player_facts(cmat_env *env, const char *reply, cmat_fact_level level, const char *part);

typedef enum {
    PLAYER_STRICT, /* no reply of the oracle's may be an error, bad to the Checker, or refused by
                    * the constraint */
    PLAYER_FOREIGN_GOLD /* a benchmark's own gold, which is not always without fault */
} player_rules;
/* Plays the oracle to the end; the score. */
double player_oracle(cmat_env *env, const cmat_task *t, player_rules rules);
#endif
