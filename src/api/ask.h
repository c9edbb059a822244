/* api/ask.h - what the files of cmat_session_ask share: how each world's answer is told. */
#ifndef CMAT_API_ASK_H
#define CMAT_API_ASK_H
#include "api/api.h"
#include "core/buf.h"

/* The attempt that was run last in an episode's record; borrowed. */
const json_t *cmat_ask_last_attempt(const json_t *episode);
/* What the Checker said of it, in one line, in b or a constant. */
const char *cmat_ask_checker(const json_t *attempt, cmat_buf *b);

/* The result of a call, new, from the episode's record. */
cmat_status cmat_ask_db_result(const cmat_ask_options *o, const char *database, json_t *episode,
                               json_t **out, cmat_error *err);
cmat_status cmat_ask_kg_result(const cmat_ask_options *o, const char *world, json_t *task,
                               json_t *episode, json_t **out, cmat_error *err);
/* The task for the agent of a graph: the question, and the entities that it names. New. */
cmat_status cmat_ask_kg_task(const cmat_ask_options *o, const char *world, const char *question,
                             json_t **out, cmat_error *err);
#endif
