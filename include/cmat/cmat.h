/* cmat/cmat.h - libcmat: small language models tuned into dependable agents, on this machine.
 *
 * A session holds a model. With it a program generates text, tunes adapters, evaluates and evolves
 * agents, and asks them. Options are a JSON object as text, with the names that `cmat COMMAND
 * --help` lists ("max_tokens" for --max-tokens); NULL stands for all defaults. Results are JSON as
 * text too, the same that the command prints with --json; they are the caller's to pass to
 * cmat_string_free. An output that the caller does not want may be NULL.
 *
 * Every call but cmat_cancel belongs to one thread at a time; kernels inside use all threads.
 *
 *     cmat_session *s;
 *     cmat_error err;
 *     char *answer;
 *     if (cmat_session_open(&s, NULL, NULL, &err) == CMAT_OK &&
 *         cmat_session_ask(s, "shop.sqlite", "How many orders are open?", NULL, &answer, &err) ==
 *             CMAT_OK)
 *         puts(answer);
 */
#ifndef CMAT_CMAT_H
#define CMAT_CMAT_H
#include "cmat/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

const char *cmat_version(void);
void cmat_string_free(char *s); /* accepts NULL */

/* What the library writes on stderr; CMAT_MESSAGES_PROGRESS until this is called. */
typedef enum {
    CMAT_MESSAGES_NONE,
    CMAT_MESSAGES_WARNINGS,
    CMAT_MESSAGES_PROGRESS /* warnings, notes, progress bars with the time left */
} cmat_messages;
void cmat_set_messages(cmat_messages which);
/* Threads of the kernels from now on; 0: one a core. */
void cmat_set_threads(int n);
/* Asks the call that is running, in whatever thread, to stop soon: it then returns
 * CMAT_ERR_CANCELLED with everything saved, and the same call goes on later. May be called from a
 * signal handler. cmat_uncancel takes it back. */
void cmat_cancel(void);
void cmat_uncancel(void);

/* A loaded model. */
typedef struct cmat_session cmat_session;
/* model: a GGUF file's path, a name among the models that `cmat pull` got, or NULL for the default
 * one. CMAT_ERR_NOT_FOUND: there is none. options: "adapter", "force_adapter", "n_ctx", "n_seqs".
 */
cmat_status cmat_session_open(cmat_session **out, const char *model, const char *options,
                              cmat_error *err);
void cmat_session_close(cmat_session *s); /* accepts NULL */

/* Called with each new piece of text, always whole UTF-8 characters. */
typedef void (*cmat_on_text)(void *user, const char *text, size_t len);
/* Goes on from a text as it is. Options: "max_tokens", "temperature", "top_k", "top_p", "min_p",
 * "repeat_penalty", "seed", "stop"; what the text must look like: one of "grammar" (GBNF),
 * "json_schema", "regex", "choices" (all as text; a schema may be an object), and "trigger",
 * "trigger_end" for free text around it. *result: {"text", "finish_reason", "usage", "seconds"}. */
cmat_status cmat_session_complete(cmat_session *s, const char *text, const char *options,
                                  cmat_on_text on_text, void *user, char **result, cmat_error *err);
/* Answers a conversation in the model's own chat template. messages: [{"role", "content"}, ...]. */
cmat_status cmat_session_chat(cmat_session *s, const char *messages, const char *options,
                              cmat_on_text on_text, void *user, char **result, cmat_error *err);

/* Tunes a LoRA adapter on n files of conversations and writes it to the folder `out` (PEFT's
 * format), with checkpoints: the same call goes on where an earlier one was stopped. The session's
 * own adapter plays no part; "adapter" names one to start from. */
cmat_status cmat_session_tune(cmat_session *s, const char *const *files, size_t n, const char *out,
                              const char *options, char **result, cmat_error *err);

/* Writes the session's model, or an adapter of it, in another program's format to `out`, reads it
 * back and compares. Options: "format", "type", "adapter" (default: the session's own), "max_kl".
 * *result: {"out", "format", "type", "bytes", "mean_kl", "max_kl", "max_diff", "same_top",
 * "tokens"}. CMAT_ERR_STATE: too far from its source; then nothing stands under the name. */
cmat_status cmat_session_export(cmat_session *s, const char *out, const char *options,
                                char **result, cmat_error *err);

/* Plays tasks in an environment (`cmat env list`) and sums up. Options: those of `cmat eval`.
 * s may be NULL when "url" names a server, or "actor" is "oracle". *result: the summary, as `--out`
 * writes it. */
cmat_status cmat_session_eval(cmat_session *s, const char *env, const char *options, char **result,
                              cmat_error *err);

/* The collaborative tuning loop on an environment, in the folder that "run" names; goes on where an
 * earlier call was stopped. Options: those of `cmat evolve`. */
cmat_status cmat_session_evolve(cmat_session *s, const char *env, const char *options,
                                char **result, cmat_error *err);

/* One question to the agent of a world, which is only read: a database (an SQLite file, a server's
 * address) or a knowledge graph (a file of triples, an endpoint's address). Options: "run" (the
 * folder of the agent; default: runs/ and the world's name), "untuned", "rows", "checker",
 * "entities".
 * *result, of a database: {"sql", "checker", "result": {"columns", "rows", "writes", "changed"},
 * "answer", "episode"}; "sql" is null when the agent wrote no statement. Of a graph: {"entities":
 * {label: name}, "calls": [{"call", "gave"}], "checker", "answers": [label], "n", "answer",
 * "episode"}; "n" is 0 when it gave no answer. */
cmat_status cmat_session_ask(cmat_session *s, const char *world, const char *question,
                             const char *options, char **result, cmat_error *err);

/* Runs one INSERT, UPDATE or DELETE on a database, in a transaction of its own. confirm (NULL: yes)
 * sees how many rows changed before the commit; when it says no, everything is as it was and the
 * call returns CMAT_ERR_CANCELLED. CMAT_ERR_ARG: the statement is wrong, or none of the three. */
cmat_status cmat_database_apply(const char *database, const char *sql,
                                bool (*confirm)(void *user, const char *sql, int64_t changed),
                                void *user, int64_t *changed, cmat_error *err);

#ifdef __cplusplus
}
#endif
#endif
