/* session.c - opening and closing a session, and what all its calls share. */
#include "api/api.h"
#include "core/cancel.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/progress.h"
#include "env/db/url.h"
#include "env/kg/graph.h"
#include "model/hub.h"
#include "model/pull.h"

#include <stdlib.h>
#include <string.h>

#define AT(m) offsetof(cmat_session_options, m)
const cmat_option cmat_session_option_table[] = {
    {"adapter", CMAT_OPT_STR, AT(adapter), NULL, 0, 0, NULL, "DIR", "a LoRA adapter (PEFT folder)",
     'a'},
    {"n-ctx", CMAT_OPT_INT, AT(n_ctx), "4096", 16, 1e6, NULL, "N",
     "longest sequence, as far as the model's context goes", 0},
    {"force-adapter", CMAT_OPT_BOOL, AT(force_adapter), NULL, 0, 0, NULL, NULL,
     "apply adapters of another base or tokenizer all the same", 0},
    {"n-seqs", CMAT_OPT_INT, AT(n_seqs), "1", 1, 1024, NULL, "N", "sequences decoded together", 0},
    {0},
};

const char *cmat_version(void)
{
    return CMAT_VERSION;
}

void cmat_string_free(char *s)
{
    free(s);
}

void cmat_set_messages(cmat_messages which)
{
    cmat_progress_set_quiet(which != CMAT_MESSAGES_PROGRESS);
    cmat_log_set_level(which == CMAT_MESSAGES_PROGRESS   ? CMAT_LOG_INFO
                       : which == CMAT_MESSAGES_WARNINGS ? CMAT_LOG_WARN
                                                         : CMAT_LOG_NONE);
}

void cmat_cancel(void)
{
    cmat_cancel_set(true);
}

void cmat_uncancel(void)
{
    cmat_cancel_set(false);
}

void cmat_set_threads(int n)
{
    cmat_threads_set(n);
}

cmat_status cmat_api_options(const cmat_option *table, void *opts, const char *json,
                             cmat_error *err)
{
    json_t *j = NULL;
    cmat_status st = cmat_options_init(table, opts, err);

    if (st == CMAT_OK && json) {
        j = cmat_json_parse(json, strlen(json), "options", err);
        st = j ? cmat_options_from_json(table, opts, j, "options: ", err) : CMAT_ERR_FORMAT;
    }
    if (st != CMAT_OK)
        cmat_options_clear(table, opts);
    json_decref(j);
    return st;
}

void cmat_api_result(json_t *j, char **out)
{
    if (out)
        *out = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    json_decref(j);
}

char *cmat_api_default_run(const char *database)
{
    const char *base = cmat_path_base(database), *dot = strrchr(base, '.');
    db_url u = {0};
    char *run;
    if (db_is_url(database) && db_url_parse(&u, database, NULL) == CMAT_OK)
        run = cmat_xasprintf("runs/%s", u.database && !strchr(u.database, '/') ? u.database : "db");
    else
        run = cmat_xasprintf("runs/%.*s", dot && dot > base ? (int)(dot - base) : (int)strlen(base),
                             base);
    db_url_clear(&u);
    return run;
}

cmat_status cmat_api_find_world(const char *world, cmat_error *err)
{
    db_url u = {0};
    cmat_status st = CMAT_OK;
    if (db_is_url(world))
        st = db_url_parse(&u, world, err);
    else if (!kg_is_address(world) && !cmat_path_exists(world))
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: no such file", world);
    db_url_clear(&u);
    return st;
}

cmat_status cmat_api_model_open(cmat_model **out, const char *name, cmat_error *err)
{
    char *path = cmat_model_find(name);
    cmat_status st;

    if (!path && name && cmat_hub_is_name(name))
        return cmat_fail(err, CMAT_ERR_NOT_FOUND,
                         "model %s is not in the hub's cache: `cmat pull %s` gets it", name, name);
    if (!path && name)
        return cmat_fail(err, CMAT_ERR_NOT_FOUND,
                         "model %s: no such file, and none of that name under $CMAT_HOME/models",
                         name);
    if (!path)
        return cmat_fail(err, CMAT_ERR_NOT_FOUND,
                         "the default model is not here yet: `cmat pull` gets it");
    st = cmat_model_open(out, path, NULL, err);
    free(path);
    return st == CMAT_OK ? cmat_model_prepare(*out, CMAT_USE_DECODE | CMAT_USE_PROMPT, err) : st;
}

cmat_status cmat_session_open(cmat_session **out, const char *model, const char *options,
                              cmat_error *err)
{
    cmat_session *s = cmat_xcalloc(1, sizeof *s);
    cmat_status st = cmat_api_options(cmat_session_option_table, &s->opts, options, err);

    *out = NULL;
    if (st != CMAT_OK) {
        free(s);
        return st;
    }
    st = cmat_api_model_open(&s->model, model, err);
    if (st == CMAT_OK)
        s->model->any_adapter = s->opts.force_adapter;
    if (st == CMAT_OK && s->opts.adapter)
        st = cmat_adapter_load(&s->adapter, s->model, s->opts.adapter, err);
    if (st == CMAT_OK)
        *out = s;
    else
        cmat_session_close(s);
    return st;
}

void cmat_session_close(cmat_session *s)
{
    if (!s)
        return;
    cmat_engine_free(s->engine);
    cmat_adapter_free(s->adapter);
    cmat_model_free(s->model);
    cmat_options_clear(cmat_session_option_table, &s->opts);
    free(s);
}
