/* episode.c - an episode's beginning and its judgement. */
#include "core/json.h"
#include "core/mem.h"
#include "env/os/check.h"
#include "env/os/os.h"
#include "env/os/selfcheck.h"
#include <string.h>

enum { PARAMS_MAX = 16, PARAM_BYTES = 100 << 10 };
#define INIT_TIMEOUT 120.0 /* of init scripts and checks: some of the benchmark's sleep */
#define DEFAULT_TIMEOUT 30.0

double os_step_timeout(const os_env *e)
{
    return e->base.opts.step_timeout > 0 ? e->base.opts.step_timeout : DEFAULT_TIMEOUT;
}

const char *os_gold(const os_env *e, size_t i)
{
    return json_string_value(json_array_get(json_object_get(e->task, "gold"), i));
}

/* A script as arguments of a process: interpreter, code, what it is given. params: (n). */
static cmat_status script_args(const json_t *script, const char *const *params, size_t n,
                               const char *argv[PARAMS_MAX + 8], cmat_error *err)
{
    const char *language = cmat_json_str(script, "language", "bash");
    const char *code = cmat_json_str(script, "code", NULL);
    size_t k = 0;
    if (!code)
        return cmat_fail(err, CMAT_ERR_FORMAT, "os: a script has no \"code\"");
    const bool bash = strcmp(language, "bash") == 0;
    if (!bash && strcmp(language, "python") != 0)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "os: no scripts are run in \"%s\"", language);
    argv[k++] = bash ? "bash" : "python3";
    argv[k++] = "-c";
    argv[k++] = code;
    if (bash && n)
        argv[k++] = "--";
    for (size_t i = 0; i < n; i++)
        argv[k++] = params[i];
    argv[k] = NULL;
    return CMAT_OK;
}

static cmat_status run_script(os_env *e, const json_t *script, const char *const *params, size_t n,
                              os_output *o, cmat_error *err)
{
    const char *argv[PARAMS_MAX + 8];
    cmat_status st = script_args(script, params, n, argv, err);
    const os_run r = {.argv = argv,
                      .cwd = cmat_json_str(e->task, "cwd", "/root"),
                      .timeout = INIT_TIMEOUT,
                      .cap = PARAM_BYTES};
    return st == CMAT_OK ? os_sandbox_run(e->sandbox, &r, o, err) : st;
}

/* ---- beginning ---- */

void os_episode_end(os_env *e)
{
    json_decref(e->task);
    e->task = NULL;
    e->finished = e->looked = e->judged = false;
    e->n_failed = e->n_none = 0;
    cmat_buf_clear(&e->answer);
    cmat_buf_clear(&e->printed);
    cmat_buf_clear(&e->seen);
}

static cmat_status run_init(os_env *e, cmat_error *err)
{
    const json_t *init = json_object_get(e->task, "init"), *script;
    size_t i;
    cmat_status st = CMAT_OK;
    json_array_foreach(init, i, script)
    {
        os_output o = {0};
        if ((st = run_script(e, script, NULL, 0, &o, err)) == CMAT_OK && o.status != 0)
            st = cmat_fail(err, CMAT_ERR_STATE, "os: init script %zu ended with status %d", i + 1,
                           o.status);
        os_output_clear(&o);
        if (st != CMAT_OK)
            break;
    }
    return st;
}

static cmat_status run_start(os_env *e, cmat_error *err)
{
    os_output o = {0};
    const os_run r = {.script = cmat_json_str(e->task, "start", NULL), .timeout = INIT_TIMEOUT};
    if (!r.script)
        return CMAT_OK;
    cmat_status st = os_sandbox_run(e->sandbox, &r, &o, err);
    os_output_clear(&o);
    return st;
}

cmat_status os_episode_begin(os_env *e, const cmat_task *task, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    os_episode_end(e);
    e->task = json_incref(task->json);
    if (!e->sandbox)
        st = os_selfcheck_once(e->host, err);
    if (st == CMAT_OK && !e->sandbox)
        st = os_sandbox_open(&e->sandbox, e->host, &os_limits_default, err);
    if (st == CMAT_OK)
        st = os_sandbox_fresh(e->sandbox, cmat_json_str(e->task, "cwd", "/root"), err);
    if (st == CMAT_OK)
        st = run_init(e, err);
    if (st == CMAT_OK)
        st = run_start(e, err);
    if (st != CMAT_OK) {
        os_sandbox_close(e->sandbox); /* a broken one is not used again */
        e->sandbox = NULL;
        os_episode_end(e);
        return cmat_fail_prefix(err, st, "task %s", task->id);
    }
    return CMAT_OK;
}

/* ---- judgement ---- */

typedef struct {
    char *param[PARAMS_MAX]; /* (n), each the chain's own */
    size_t n;
} chain;

static void chain_add(chain *c, const char *s, size_t n)
{
    if (c->n < PARAMS_MAX)
        c->param[c->n++] = cmat_xstrndup(s, strnlen(s, n));
}

/* One link: a helper compares the answer with the last output; a script must end with status 0,
 * and what it prints is the next parameter. */
static cmat_status chain_link(os_env *e, chain *c, const json_t *link, bool *ok, cmat_error *err)
{
    os_output o = {0};
    const char *name = cmat_json_str(link, "match", NULL);
    if (name) {
        const os_match match = os_match_find(name);
        if (!match)
            return cmat_fail(err, CMAT_ERR_FORMAT, "os: no check is called \"%s\"", name);
        *ok = c->n >= 2 && match(c->param[0], c->param[c->n - 1]);
        return CMAT_OK;
    }
    const json_t *script = json_is_null(link) ? json_object_get(e->task, "example") : link;
    cmat_status st = run_script(e, script, (const char *const *)c->param, c->n, &o, err);
    *ok = st == CMAT_OK && o.status == 0;
    if (*ok)
        chain_add(c, cmat_buf_str(&o.out), o.out.len);
    os_output_clear(&o);
    return st;
}

static cmat_status run_chain(os_env *e, const json_t *check, bool *ok, cmat_error *err)
{
    chain c = {0};
    const json_t *link;
    size_t i;
    cmat_status st = CMAT_OK;
    chain_add(&c, cmat_buf_str(&e->answer),
              e->answer.len < PARAM_BYTES ? e->answer.len : PARAM_BYTES);
    *ok = json_array_size(check) > 0;
    json_array_foreach(check, i, link)
    {
        if (st == CMAT_OK && *ok)
            st = chain_link(e, &c, link, ok, err);
    }
    for (i = 0; i < c.n; i++)
        free(c.param[i]);
    return st;
}

/* The answer against the task's own: equal but for spaces around it, or found by the pattern. */
static bool answer_matches(const os_env *e, const char *answer, const char *regex)
{
    const char *given = cmat_buf_str(&e->answer);
    if (regex)
        return os_match_regex(given, regex);
    const os_match match = os_match_find(cmat_json_str(e->task, "match", "string"));
    return match && match(given, answer);
}

cmat_status os_episode_score(cmat_env *env, double *score, cmat_error *err)
{
    os_env *e = (os_env *)env;
    bool ok = false;
    cmat_status st = CMAT_OK;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "os: no task has been set");
    const char *answer = cmat_json_str(e->task, "answer", NULL);
    const char *regex = cmat_json_str(e->task, "regex", NULL);
    if (!e->judged && e->finished) {
        if (answer || regex)
            ok = answer_matches(e, answer, regex);
        else
            st = run_chain(e, json_object_get(e->task, "check"), &ok, err);
        e->judged = st == CMAT_OK;
        e->score = ok ? 1 : 0;
    }
    *score = e->judged ? e->score : 0;
    return st;
}
