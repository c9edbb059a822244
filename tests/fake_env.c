/* fake_env.c - see fake_env.h. */
#include "fake_env.h"
#include "core/json.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    cmat_env env; /* first */
    json_t *task;
    char said[64];
} fake_env;

static cmat_status fake_open(cmat_env **out, const cmat_env_options *opts, cmat_error *err)
{
    (void)err;
    fake_env *f = cmat_xcalloc(1, sizeof *f);
    f->env.opts = *opts;
    *out = &f->env;
    return CMAT_OK;
}

static void fake_close(cmat_env *env)
{
    json_decref(((fake_env *)env)->task);
    free(env);
}

static cmat_status fake_reset(cmat_env *env, const cmat_task *task, cmat_obs *obs, cmat_error *err)
{
    (void)err;
    fake_env *f = (fake_env *)env;
    json_decref(f->task);
    f->task = json_incref(task->json);
    f->said[0] = '\0';
    cmat_buf_puts(&obs->text, task->instruction);
    return CMAT_OK;
}

static void fake_prompt(cmat_env *env, cmat_buf *out)
{
    (void)env;
    cmat_buf_puts(out, "Rules: say the word.");
}

static cmat_status fake_step(cmat_env *env, const char *reply, cmat_obs *obs, cmat_error *err)
{
    fake_env *f = (fake_env *)env;
    if (strcmp(reply, "break") == 0)
        return cmat_fail(err, CMAT_ERR_IO, "fake: the world has ended");
    if (strncmp(reply, "say ", 4) == 0) {
        snprintf(f->said, sizeof f->said, "%s", reply + 4);
        obs->done = true;
    } else if (strcmp(reply, "look") == 0) {
        cmat_buf_puts(&obs->text, cmat_json_str(f->task, "world", "nothing"));
    } else if (strcmp(reply, "fail") == 0) {
        cmat_buf_puts(&obs->text, "error: it failed");
        obs->error = true;
    } else if (strcmp(reply, "forbidden") == 0) {
        obs->invalid_action = obs->done = true;
    } else {
        obs->invalid_format = obs->done = true;
    }
    return CMAT_OK;
}

static cmat_status fake_dry_run(cmat_env *env, const char *reply, cmat_facts *facts,
                                cmat_error *err)
{
    (void)env;
    (void)err;
    facts->facts = json_pack("{s:b}", "parses", 1);
    if (strstr(reply, "badcol")) {
        facts->verdict = CMAT_FACT_BAD;
        cmat_buf_puts(&facts->text, "there is no column badcol");
    } else if (strstr(reply, "zero")) {
        facts->verdict = CMAT_FACT_NOTE;
        cmat_buf_puts(&facts->text, "0 rows match");
    } else {
        cmat_buf_puts(&facts->text, "it parses");
    }
    return CMAT_OK;
}

static cmat_status fake_score(cmat_env *env, double *score, cmat_error *err)
{
    fake_env *f = (fake_env *)env;
    const char *gold = json_string_value(json_array_get(json_object_get(f->task, "gold"), 0));
    if (!gold)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "fake: no gold");
    *score = strcmp(f->said, gold) == 0;
    return CMAT_OK;
}

static bool fake_oracle(cmat_env *env, cmat_buf *out)
{
    const char *gold =
        json_string_value(json_array_get(json_object_get(((fake_env *)env)->task, "gold"), 0));
    if (!gold || env->done)
        return false;
    cmat_buf_printf(out, "say %s", gold);
    return true;
}

static const char *fake_error_kind(cmat_env *env)
{
    return ((fake_env *)env)->said[0] ? "wrong value" : NULL;
}

const cmat_env_ops fake_env_ops = {
    .name = "fake",
    .summary = "say the word",
    .open = fake_open,
    .close = fake_close,
    .reset = fake_reset,
    .prompt = fake_prompt,
    .step = fake_step,
    .dry_run = fake_dry_run,
    .score = fake_score,
    .oracle = fake_oracle,
    .error_kind = fake_error_kind,
};

void fake_task(cmat_task_list *l, const char *id, const char *kind, const char *gold,
               const char *world)
{
    char *instruction = cmat_xasprintf("Say the word of task %s.", id);
    json_t *j = json_pack("{s:s, s:s, s:s}", "id", id, "kind", kind, "instruction", instruction);
    if (gold)
        json_object_set_new(j, "gold", json_pack("[s]", gold));
    if (world)
        json_object_set_new(j, "world", cmat_json_text(world, strlen(world)));
    cmat_task t;
    if (cmat_task_init(&t, j, NULL) != CMAT_OK)
        abort();
    cmat_task_list_add(l, t);
    json_decref(j);
    free(instruction);
}

char *fake_temp_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = cmat_xasprintf("%s/cmat-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        abort();
    return dir;
}
