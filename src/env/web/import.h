/* env/web/import.h - what the readers of files of tasks share (import*.c). */
#ifndef CMAT_ENV_WEB_IMPORT_H
#define CMAT_ENV_WEB_IMPORT_H
#include "env/env.h"

typedef struct {
    const char *what; /* names the source in messages */
    cmat_task_list *out;
    size_t n_left_out; /* steps whose target is not on the page */
} web_importing;

/* One recorded step on its way into a task; all borrowed. */
typedef struct {
    const char *source, *kind, *website, *instruction;
    const char *group, *step; /* identities: of the person's whole task, of the step in it */
    const char *html;
    size_t html_len;
    json_t *candidates, *positives; /* arrays of node ids */
    const json_t *before;           /* array of strings */
    const char *op, *value;
    size_t top; /* candidates kept at most */
} web_import_step;

/* Adds the step as a task with what stands around its candidates on the page; or counts it as left
 * out, when it has positives and none of them is there. */
cmat_status web_import_add(web_importing *im, const web_import_step *s, cmat_error *err);

/* One entry of a file each: a task of Mind2Web's own files, one of its steps with the task's
 * members beside the step's (as SeeAct and Multimodal-Mind2Web have it), one as a question
 * ("instances"), a MiniWoB demonstration. */
cmat_status web_import_mind2web(web_importing *im, const json_t *task, cmat_error *err);
cmat_status web_import_mind2web_row(web_importing *im, const json_t *row, cmat_error *err);
cmat_status web_import_instance(web_importing *im, const json_t *instance, cmat_error *err);
cmat_status web_import_demo(web_importing *im, const json_t *demo, cmat_error *err);
#endif
