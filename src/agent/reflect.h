/* agent/reflect.h - lessons from failed episodes (Reflexion, arXiv 2303.11366) and worked examples
 * from right ones, into the store's long-term memory.
 *
 * Small models reflect badly: where the gold is known (training tasks) a lesson is made from the
 * difference between it and what was done, without a model. */
#ifndef CMAT_AGENT_REFLECT_H
#define CMAT_AGENT_REFLECT_H
#include "agent/scheduler.h"

typedef struct {
    int max_lessons; /* cap of the store's lessons and examples; the least useful go */
    bool by_model; /* the Actor's model writes the lesson where no gold is known; else such episodes
                      give none */
    int max_tokens; /* of such a lesson */
    const char
        *world; /* what retrieval knows a record's world by where it names none; may be NULL */
    const char *origin; /* name of the run, put before phase, round and task; may be NULL */
} cmat_reflect_options;
#define CMAT_REFLECT_OPTIONS_DEFAULT         \
    {                                        \
        .max_lessons = 500, .max_tokens = 96 \
    }

typedef struct {
    size_t n_lessons, n_examples; /* added; one that was there already does not count */
} cmat_reflect_counts;

/* Goes through the episodes of a phase and round: one lesson a failed task, one example a task that
 * was done right. llm may be NULL unless by_model. Running it twice adds nothing. */
cmat_status cmat_reflect(cmat_store *store, cmat_llm *llm, const cmat_prompts *prompts,
                         const char *phase, int round, const cmat_reflect_options *opts,
                         cmat_reflect_counts *counts, cmat_error *err);

/* The lesson that the difference between an action and the gold teaches, appended to out: "asked X,
 * do not use a; use b". error_kind and observation may be NULL. False: nothing could be said. */
bool cmat_reflect_template(const char *task, const char *action, const char *gold,
                           const char *error_kind, const char *observation, cmat_buf *out);
#endif
