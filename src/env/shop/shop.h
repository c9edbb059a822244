/* env/shop/shop.h - what the files of the shop environment share. */
#ifndef CMAT_ENV_SHOP_SHOP_H
#define CMAT_ENV_SHOP_SHOP_H
#include "env/env.h"
#include "env/shop/play.h"
#include "env/shop/reply.h"

typedef struct {
    cmat_env base;
    bool agentbench;
    shop_pool *pool;
    shop_world *own;   /* of options.path; NULL: tasks say which */
    shop_world *world; /* of the episode */
    shop_play play;
    json_t *task; /* NULL before the first reset */
    shop_goal goal;
    const char *instruction;
    shop_reward reward; /* all zero before something was bought */
    int n_replies, n_wrong;
    shop_action action;  /* scratch */
    const char **listed; /* (n_listed) what `actions` gave last, pointing into text */
    size_t n_listed;
    cmat_buf text;
} shop_env;

/* The world that a task is in: a new reference. own: of options.path, may be NULL. CMAT_ERR_FORMAT:
 * the task does not say, or its product is not there. */
cmat_status shop_task_world(shop_pool *pool, shop_world *own, const json_t *task, shop_world **out,
                            cmat_error *err);

/* Puts the action in a reply into e->action. */
void shop_env_read(shop_env *e, const char *reply);
cmat_status shop_env_dry_run(cmat_env *env, const char *reply, cmat_facts *facts, cmat_error *err);

/* ---- tasks (import.c, make.c) ---- */

/* The folder or file of a WebShop data set (files.h), or JSONL of tasks. */
cmat_status shop_import(const char *path, cmat_task_list *out, cmat_error *err);
/* n tasks in shops made from the seed, or, with a world, about its own products. */
cmat_status shop_generate(shop_world *own, int split, size_t n, uint64_t seed, cmat_task_list *out,
                          cmat_error *err);
/* Adds the task of a goal that a customer who knows it can carry out for a reward of 1, in at most
 * ten steps; otherwise adds none. `where` (borrowed) has the members that say which shop it is. */
cmat_status shop_add_task(const shop_world *w, json_t *goal, const char *instruction,
                          const json_t *where, cmat_task_list *out, cmat_error *err);
/* The split that a product's tasks belong to: 8 in 10 train, 1 validation, 1 held out. */
int shop_split_of(const char *key);

/* ---- the customer who knows (plan.c) ---- */

/* Words with which the goal's product is found, on the first page if there are such: appended to
 * out. False: with none of them. */
bool shop_plan_search(const shop_world *w, const shop_goal *g, const char *instruction,
                      cmat_buf *out);
/* The next action ("click[buy now]") towards the goal, appended to out; false: there is none.
 * query: as shop_plan_search gave it. */
bool shop_plan_next(const shop_play *p, const shop_goal *g, const char *query, cmat_buf *out);
#endif
