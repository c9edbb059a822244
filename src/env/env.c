/* env/env.c - the list of environments, and what holds for all of them: steps are counted, limits
 * kept, an ended episode takes no action. */
#include "env/env.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include <stdlib.h>
#include <string.h>

extern const cmat_env_ops cmat_env_db, cmat_env_house, cmat_env_kg, cmat_env_os, cmat_env_shop,
    cmat_env_web;
const cmat_env_ops *const cmat_envs[] = {
    &cmat_env_db, &cmat_env_house, &cmat_env_kg, &cmat_env_os, &cmat_env_shop, &cmat_env_web, NULL};

cmat_status cmat_task_init(cmat_task *t, json_t *json, cmat_error *err)
{
    const char *id = cmat_json_str(json, "id", NULL);
    const char *instruction = cmat_json_str(json, "instruction", NULL);
    memset(t, 0, sizeof *t);
    if (!json_is_object(json))
        return cmat_fail(err, CMAT_ERR_FORMAT, "task: not a JSON object");
    if (!id || !*id)
        return cmat_fail(err, CMAT_ERR_FORMAT, "task: member \"id\" is missing or not a string");
    if (!instruction || !*instruction)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "task %s: member \"instruction\" is missing or not a string", id);
    t->json = json_incref(json);
    t->id = id;
    t->instruction = instruction;
    t->kind = cmat_json_str(json, "kind", "other");
    return CMAT_OK;
}

void cmat_task_clear(cmat_task *t)
{
    json_decref(t->json);
    memset(t, 0, sizeof *t);
}

void cmat_task_hash(const cmat_task *t, char hex[65])
{
    cmat_buf b = {0};
    cmat_json_print(&b, t->json);
    cmat_sha256_hex(cmat_buf_str(&b), b.len, hex);
    cmat_buf_clear(&b);
}

void cmat_task_list_add(cmat_task_list *l, cmat_task t)
{
    l->items = cmat_xgrow(l->items, &l->cap, l->n + 1, sizeof *l->items);
    l->items[l->n++] = t;
}

void cmat_task_list_clear(cmat_task_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        cmat_task_clear(&l->items[i]);
    free(l->items);
    memset(l, 0, sizeof *l);
}

cmat_status cmat_task_list_load(cmat_task_list *l, const char *path, cmat_error *err)
{
    json_t *all = cmat_jsonl_load(path, err);
    if (!all)
        return err ? err->status : CMAT_ERR_FORMAT;
    cmat_status st = CMAT_OK;
    size_t n = l->n;
    for (size_t i = 0; st == CMAT_OK && i < json_array_size(all); i++) {
        cmat_task t;
        if ((st = cmat_task_init(&t, json_array_get(all, i), err)) == CMAT_OK)
            cmat_task_list_add(l, t);
        else
            st = cmat_fail_prefix(err, st, "%s: entry %zu", path, i + 1);
    }
    while (st != CMAT_OK && l->n > n)
        cmat_task_clear(&l->items[--l->n]);
    json_decref(all);
    return st;
}

cmat_status cmat_task_list_save(const cmat_task_list *l, const char *path, cmat_error *err)
{
    cmat_buf out = {0};
    for (size_t i = 0; i < l->n; i++) {
        cmat_json_print(&out, l->items[i].json);
        cmat_buf_putc(&out, '\n');
    }
    cmat_status st = cmat_write_file(path, cmat_buf_str(&out), out.len, err);
    cmat_buf_clear(&out);
    return st;
}

static int hex_order(const void *a, const void *b)
{
    return memcmp(a, b, 64);
}

void cmat_task_list_hash(const cmat_task_list *l, char hex[65])
{
    char(*all)[65] = cmat_xcalloc(l->n + 1, sizeof *all);
    for (size_t i = 0; i < l->n; i++)
        cmat_task_hash(&l->items[i], all[i]);
    qsort(all, l->n, sizeof *all, hex_order);
    cmat_sha256_hex(all, l->n * sizeof *all, hex);
    free(all);
}

void cmat_obs_clear(cmat_obs *o)
{
    cmat_buf_clear(&o->text);
    memset(o, 0, sizeof *o);
}

void cmat_facts_clear(cmat_facts *f)
{
    json_decref(f->facts);
    cmat_buf_clear(&f->text);
    memset(f, 0, sizeof *f);
}

void cmat_env_snapshot_clear(cmat_env_snapshot *s)
{
    cmat_buf_clear(&s->state);
    memset(s, 0, sizeof *s);
}

const cmat_env_ops *cmat_env_find(const char *name)
{
    for (size_t i = 0; cmat_envs[i]; i++)
        if (!strcmp(cmat_envs[i]->name, name))
            return cmat_envs[i];
    return NULL;
}

bool cmat_env_is_agentbench(const cmat_env_options *opts)
{
    return opts->style && strcmp(opts->style, "agentbench") == 0;
}

cmat_status cmat_env_open(cmat_env **out, const char *name, const cmat_env_options *opts,
                          cmat_error *err)
{
    *out = NULL;
    const cmat_env_ops *ops = cmat_env_find(name);
    if (!ops)
        return cmat_fail(err, CMAT_ERR_NOT_FOUND, "env: no environment is called \"%s\"", name);
    return cmat_env_open_ops(out, ops, opts, err);
}

cmat_status cmat_env_open_ops(cmat_env **out, const cmat_env_ops *ops, const cmat_env_options *opts,
                              cmat_error *err)
{
    cmat_env_options own = opts ? *opts : (cmat_env_options){0};
    *out = NULL;
    if (own.max_steps < 0 || own.obs_budget < 0 || own.step_timeout < 0)
        return cmat_fail(err, CMAT_ERR_ARG, "env %s: a limit is negative", ops->name);
    if (own.style && strcmp(own.style, "short") != 0 && !cmat_env_is_agentbench(&own))
        return cmat_fail(err, CMAT_ERR_ARG, "env %s: no style is called \"%s\" (short, agentbench)",
                         ops->name, own.style);
    if (own.like && own.like->ops != ops)
        own.like = NULL;
    /* The environment keeps these strings for as long as it lives. */
    char *path = cmat_xstrdup(own.path), *style = cmat_xstrdup(own.style);
    own.path = path;
    own.style = style;
    cmat_status st = ops->open(out, &own, err);
    if (st != CMAT_OK) {
        free(path);
        free(style);
        *out = NULL;
        return st;
    }
    (*out)->ops = ops;
    (*out)->opts.path = path;
    (*out)->opts.style = style;
    (*out)->opts.like = NULL;
    (*out)->done = true; /* until the first reset */
    return CMAT_OK;
}

void cmat_env_close(cmat_env *env)
{
    if (!env)
        return;
    char *path = (char *)env->opts.path, *style = (char *)env->opts.style;
    env->ops->close(env);
    free(path);
    free(style);
}

/* What a world says is data: valid, visible text of at most max bytes, whatever is in the world. An
 * environment keeps its own, smaller budget; this holds for all. */
static void tame(cmat_buf *text, size_t max)
{
    const size_t whole = text->len, looked = whole < max ? whole : max;
    bool plain = true;
    for (size_t i = 0; i < looked && plain; i++) {
        const unsigned char c = (unsigned char)text->data[i];
        plain = (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t';
    }
    if (!plain) {
        cmat_buf inert = {0};
        size_t n = looked;
        for (int back = 0;
             looked < whole && back < 3 && ((unsigned char)text->data[n] & 0xc0) == 0x80; back++)
            n--; /* no character is cut in two */
        cmat_text_inert(&inert, text->data, n);
        cmat_buf_clear(text);
        *text = inert;
    }
    if (whole <= max && text->len <= max)
        return;
    if (text->len > max)
        cmat_buf_truncate(text, cmat_utf8_valid_prefix(text->data, max));
    cmat_buf_printf(text, "\n(cut: the whole text has %zu bytes)", whole);
}

cmat_status cmat_env_reset(cmat_env *env, const cmat_task *task, cmat_obs *obs, cmat_error *err)
{
    cmat_obs_clear(obs);
    env->steps = 0;
    env->done = true;
    cmat_status st = env->ops->reset(env, task, obs, err);
    tame(&obs->text, CMAT_OBS_MAX);
    env->done = st != CMAT_OK || obs->done;
    return st;
}

cmat_status cmat_env_step(cmat_env *env, const char *reply, cmat_obs *obs, cmat_error *err)
{
    cmat_obs_clear(obs);
    if (env->done)
        return cmat_fail(err, CMAT_ERR_STATE, "env %s: the episode has ended", env->ops->name);
    env->steps++;
    cmat_status st = env->ops->step(env, reply, obs, err);
    tame(&obs->text, CMAT_OBS_MAX);
    if (st == CMAT_OK && !obs->done && env->opts.max_steps > 0 && env->steps >= env->opts.max_steps)
        obs->done = obs->task_limit = true;
    env->done = st != CMAT_OK || obs->done;
    return st;
}

cmat_status cmat_env_dry_run(cmat_env *env, const char *reply, cmat_facts *facts, cmat_error *err)
{
    cmat_facts_clear(facts);
    if (!env->ops->dry_run) {
        facts->facts = json_object();
        return CMAT_OK;
    }
    cmat_status st = env->ops->dry_run(env, reply, facts, err);
    tame(&facts->text, CMAT_FACTS_MAX);
    return st;
}

cmat_status cmat_env_score(cmat_env *env, double *score, cmat_error *err)
{
    *score = 0;
    if (!env->ops->score)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "env %s: cannot judge", env->ops->name);
    return env->ops->score(env, score, err);
}

cmat_status cmat_env_import(const cmat_env_ops *ops, const char *path, cmat_task_list *out,
                            cmat_error *err)
{
    return ops->import ? ops->import(path, out, err) : cmat_task_list_load(out, path, err);
}

cmat_status cmat_env_snapshot_take(cmat_env *env, cmat_env_snapshot *out, cmat_error *err)
{
    cmat_env_snapshot_clear(out);
    if (!env->ops->snapshot)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "env %s: has no snapshots", env->ops->name);
    out->steps = env->steps;
    out->done = env->done;
    return env->ops->snapshot(env, &out->state, err);
}

cmat_status cmat_env_restore(cmat_env *env, const cmat_env_snapshot *s, cmat_error *err)
{
    if (!env->ops->restore)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "env %s: has no snapshots", env->ops->name);
    cmat_status st = env->ops->restore(env, cmat_buf_str(&s->state), s->state.len, err);
    if (st == CMAT_OK) {
        env->steps = s->steps;
        env->done = s->done;
    }
    return st;
}

cmat_status cmat_env_hash(cmat_env *env, uint64_t *hash, cmat_error *err)
{
    cmat_env_snapshot s = {0};
    cmat_status st = cmat_env_snapshot_take(env, &s, err);
    *hash = cmat_fnv1a(cmat_buf_str(&s.state), s.state.len);
    cmat_env_snapshot_clear(&s);
    return st;
}
