/* memory/store.h - a run's long-term memory on disk: episodes, verdicts, lessons.
 *
 * One SQLite file in WAL mode. An episode that was put is on disk (synchronous=FULL) before the
 * call returns, together with its verdicts and the use counts of its lessons, in one transaction: a
 * run that is killed at any moment finds there exactly what it had reported done. A store belongs
 * to one thread at a time; several processes may open the same file. */
#ifndef CMAT_MEMORY_STORE_H
#define CMAT_MEMORY_STORE_H
#include "cmat/error.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cmat_store cmat_store;

/* Opens or makes the store. ":memory:" makes one that is not kept. A file that is not a cmat store
 * is refused (CMAT_ERR_FORMAT) and left as it is; one of a newer version is CMAT_ERR_UNSUPPORTED.
 * read_only: the file must exist and is never written. */
cmat_status cmat_store_open(cmat_store **out, const char *path, bool read_only, cmat_error *err);
void cmat_store_close(cmat_store *s); /* accepts NULL */

/* An episode. (phase, round, task_id, k) is its key. */
typedef struct {
    const char *phase; /* "collect", "eval" or a name of the caller's, such as "eval-facts" */
    int round;
    const char *task_id;
    int k;                      /* which sample of the task */
    const char *kind;           /* of the task; for tables by kind */
    const char *checker;        /* checker mode: "off", "facts", "model", "both" */
    double score;               /* 0..1; NAN: the environment could not judge */
    const json_t *measures;     /* object: further figures by name, also a member of json; NULL */
    const char *outcome;        /* AgentBench's class: "completed", "context limit", ... */
    const char *error_kind;     /* NULL: none */
    int n_turns;                /* replies of the Actor */
    int64_t n_prompt, n_tokens; /* tokens read and written, Actor and Checker together */
    double seconds;
    json_t *json; /* all steps (FORMATS.md); borrowed */
} cmat_episode_row;

typedef struct {
    int step, attempt;
    const char *source; /* "facts", "note" or "model" */
    bool accepted, executed;
    int right;          /* 1: the action was right, 0: wrong, -1: not known */
    const char *reason; /* may be NULL */
} cmat_verdict_row;

/* Puts an episode with its verdicts and counts a use (and a win when the score is at least 1) for
 * each lesson it was shown. An episode of the same key that is there already stays as it is
 * (*added, which may be NULL, is then false). */
cmat_status cmat_store_put_episode(cmat_store *s, const cmat_episode_row *row,
                                   const cmat_verdict_row *verdicts, size_t n_verdicts,
                                   const int64_t *lessons, size_t n_lessons, bool *added,
                                   cmat_error *err);
/* Whether an episode of this key is there. */
cmat_status cmat_store_has_episode(cmat_store *s, const char *phase, int round, const char *task_id,
                                   int k, bool *found, cmat_error *err);
/* Deletes the episode of this key when it ended with that outcome. */
cmat_status cmat_store_drop_episode(cmat_store *s, const char *phase, int round,
                                    const char *task_id, int k, const char *outcome,
                                    cmat_error *err);
/* Calls fn for each episode of a phase (NULL: all) and round (-1: all), ordered by phase, round,
 * task id, k, so that the order does not depend on when they ended. Strings and json are borrowed
 * during the call (json is NULL unless with_json). fn returning false ends the walk (CMAT_OK). fn
 * may not write to s. */
typedef bool (*cmat_episode_fn)(void *user, int64_t id, const cmat_episode_row *row);
cmat_status cmat_store_each_episode(cmat_store *s, const char *phase, int round, bool with_json,
                                    cmat_episode_fn fn, void *user, cmat_error *err);
/* Likewise for verdicts, with the key of their episode. */
typedef bool (*cmat_verdict_fn)(void *user, const char *task_id, int k,
                                const cmat_verdict_row *row);
cmat_status cmat_store_each_verdict(cmat_store *s, const char *phase, int round, cmat_verdict_fn fn,
                                    void *user, cmat_error *err);
/* Deletes the episodes of a phase (NULL: all) and round (-1: all). */
cmat_status cmat_store_delete_episodes(cmat_store *s, const char *phase, int round,
                                       cmat_error *err);

/* Texts that many episodes share (system prompts), kept once under their name: hex must hold 17
 * bytes. */
cmat_status cmat_store_put_text(cmat_store *s, const char *text, char *hex, cmat_error *err);
/* *text is the caller's to free(). CMAT_ERR_NOT_FOUND. */
cmat_status cmat_store_get_text(cmat_store *s, const char *hex, char **text, cmat_error *err);

/* Small values of the run: JSON under a key. get gives a new reference, NULL in *out when absent.
 */
cmat_status cmat_store_put_meta(cmat_store *s, const char *key, const json_t *value,
                                cmat_error *err);
cmat_status cmat_store_get_meta(cmat_store *s, const char *key, json_t **out, cmat_error *err);
#endif
