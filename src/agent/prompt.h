/* agent/prompt.h - the prompts: files under prompts/, also built in.
 *
 * A file begins with the line "# cmat prompt: NAME, version N"; the rest is its text, where
 * {{name}} stands for a value. One final newline is not part of the text. Values are put in as they
 * are and never looked at again, so that {{...}} inside data stays plain text. */
#ifndef CMAT_AGENT_PROMPT_H
#define CMAT_AGENT_PROMPT_H
#include "cmat/error.h"
#include "core/buf.h"
#include <jansson.h>

typedef enum {
    CMAT_PROMPT_ACTOR_SYSTEM,   /* environment */
    CMAT_PROMPT_ACTOR_TASK,     /* memory, task */
    CMAT_PROMPT_OBSERVATION,    /* observation */
    CMAT_PROMPT_REJECT,         /* reason */
    CMAT_PROMPT_CHECKER_SYSTEM, /* environment (optional) */
    CMAT_PROMPT_CHECKER_TASK,   /* task, history, action, facts */
    CMAT_PROMPT_CHECKER_FACTS,  /* facts */
    CMAT_PROMPT_LESSON,         /* task (optional), lesson */
    CMAT_PROMPT_EXAMPLE,        /* task, lesson */
    CMAT_PROMPT_REFLECT_SYSTEM,
    CMAT_PROMPT_REFLECT_TASK, /* task, trajectory, reason */
    CMAT_N_PROMPTS
} cmat_prompt_id;

typedef struct {
    const char *name, *text; /* text with its header line */
} cmat_builtin_prompt;
extern const cmat_builtin_prompt cmat_builtin_prompts[]; /* ends with a NULL name */

typedef struct cmat_prompts cmat_prompts;
/* Each prompt comes from DIR/NAME.txt where that exists, else from the program. dir NULL:
 * $CMAT_PROMPTS. CMAT_ERR_FORMAT with file and line for a wrong header, an unknown name in {{}}, a
 * missing one. */
cmat_status cmat_prompts_load(cmat_prompts **out, const char *dir, cmat_error *err);
/* The same for an environment: where there is a prompt ENV_NAME (a file, or built in), it stands in
 * NAME's place. env NULL: none. */
cmat_status cmat_prompts_load_env(cmat_prompts **out, const char *dir, const char *env,
                                  cmat_error *err);
void cmat_prompts_free(cmat_prompts *p); /* accepts NULL */
/* {"actor_system": {"version": 1, "sha256": "..."}, ...} for run.json. New reference. */
json_t *cmat_prompts_identity(const cmat_prompts *p);

typedef struct {
    const char *name, *value; /* value NULL: "" */
} cmat_prompt_var;
/* Appends the prompt with its values; vars ends with a NULL name. A name without a value gives "".
 */
void cmat_prompt_render(const cmat_prompts *p, cmat_prompt_id id, const cmat_prompt_var *vars,
                        cmat_buf *out);

/* Appends text that came from a tool so that it can stand between <data> and </data>: control
 * characters and invalid UTF-8 become U+FFFD, and whatever looks like our marks or like a chat
 * template's control tokens ("</data>", "<|im_end|>") gets a space after the '<'. */
void cmat_prompt_add_data(cmat_buf *out, const char *text, size_t len);
#endif
