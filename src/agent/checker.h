/* agent/checker.h - what the Checker is shown; its replies are agent/verdict.h's. */
#ifndef CMAT_AGENT_CHECKER_H
#define CMAT_AGENT_CHECKER_H
#include "agent/prompt.h"
#include "core/buf.h"
#include <jansson.h>

/* The Checker's prompt, also used to make its training rows. history and facts may be NULL. New
 * reference. */
json_t *cmat_checker_messages(const cmat_prompts *prompts, const char *system, const char *task,
                              const char *history, const char *action, const char *facts);
/* What the first n steps of a record ran and saw, cut to its newest part, for that prompt; "" for
 * none. */
void cmat_episode_history(const json_t *steps, size_t n, cmat_buf *out);
/* Appends what speaks against an action in a dry run's text: its lines "wrong: ..." and "note:
 * ...", without these words, joined by "; "; the whole text where there are none. */
void cmat_facts_reason(const char *text, cmat_buf *out);
/* Appends {role, content}. */
void cmat_add_message(json_t *messages, const char *role, const char *content);
#endif
