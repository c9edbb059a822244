/* env/kg/kg.h - the environment: a question about a knowledge graph, answered by seven tools.
 *
 * A task: {"id", "env": "kg", "kind", "instruction": the question, "entities": {label: name of a
 * node}, "gold": ["get_relations(NAME)", ...], "answer": [names of nodes, or the number]}. Gold
 * calls write entities by their names; the last variable that they make is the answer. */
#ifndef CMAT_ENV_KG_KG_H
#define CMAT_ENV_KG_KG_H
#include "env/env.h"
#include "env/kg/play.h"

typedef struct {
    cmat_env base;
    bool agentbench;
    kg_graph *graph; /* NULL: no world was given */
    kg_play play;
    json_t *task;
    int n_errors; /* calls that could not be run */
    /* What can be done now, made when it is asked for. */
    kg_list calls;
    const char **actions; /* (calls.n) */
    bool calls_known;
} kg_env;

/* Our JSONL, AgentBench's list of questions, or MetaQA's lines ({"q", "entity", "qtype",
 * "answers"}). */
cmat_status kg_import(const char *path, cmat_task_list *out, cmat_error *err);
/* Makes questions of 1 to 4 steps, conjunctions, counts and superlatives from a store (make.c). */
cmat_status kg_make(kg_graph *g, int split, size_t n, uint64_t seed, cmat_task_list *out,
                    cmat_error *err);
/* Adds the task's entities to an empty play, in the order of their labels. */
cmat_status kg_task_entities(const json_t *task, kg_play *p, cmat_error *err);
/* The next gold call from where the play is; CMAT_ERR_NOT_FOUND: there are none, or they cannot be
 * read. */
cmat_status kg_gold_next(const json_t *task, kg_play *p, kg_call *out);

/* Labels (strings, max of them at most, in their order) of what was given as the answer, and how
 * many nodes that is; of a count the number. An empty array: there is no answer yet. */
cmat_status kg_answer(cmat_env *env, size_t max, json_t **labels, size_t *n, cmat_error *err);

/* F1 of two sets of names as AgentBench counts it: 0 when nothing is shared. */
double kg_f1(const kg_list *predicted, const kg_list *gold);
#endif
