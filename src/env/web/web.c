/* web.c - the web as an environment. */
#include "env/web/web.h"
#include "core/json.h"
#include "core/text.h"
#include "env/choices.h"
#include "env/web/shop_pages.h"
#include <stdlib.h>
#include <string.h>

enum {
    SHORT_STEPS = 30,
    AGENTBENCH_STEPS = 200, /* several questions make one action */
    SHORT_BUDGET = 4000,
    AGENTBENCH_BUDGET = 8000,
    THOUGHT_MAX = 200,
    MAX_BAD = 3 /* replies without an action in a recorded step */
};
#define PASSING "'''\n"
#define BROWSER "browser"

/* ---- open and close ---- */

static void end_episode(web_env *e)
{
    json_decref(e->task);
    e->task = NULL;
    web_page_clear(&e->page);
    web_browser_clear(&e->browser);
    web_tab_close(e->tab);
    e->tab = NULL;
    if (*e->shop_url)
        shop_site_end(e->shop, e->shop_url);
    *e->shop_url = '\0';
    json_decref(e->before);
    e->before = NULL;
    free(e->left);
    e->left = NULL;
    e->from = e->n_left = e->n_group = 0;
    e->view.n = 0;
    e->n_bad = 0;
    e->judged = e->element_right = e->recorded = false;
    e->f1 = 0;
    e->picked = WEB_NO_NODE;
}

/* The world: nothing, or "browser" with hosts beside loopback after a colon. */
static cmat_status open_world(web_env *e, const cmat_env_options *opts, cmat_error *err)
{
    const char *path = opts->path;
    const web_env *like = (const web_env *)opts->like;
    const size_t n = strlen(BROWSER);
    if (!path || !*path)
        return CMAT_OK;
    if (strncmp(path, BROWSER, n) != 0 || (path[n] && path[n] != ':'))
        return cmat_fail(err, CMAT_ERR_ARG,
                         "env web: the world is \"browser\" or \"browser:host,host:port\", not "
                         "\"%s\"",
                         path);
    if (like && like->chrome && like->base.opts.path && strcmp(like->base.opts.path, path) == 0) {
        e->chrome = web_chrome_ref(like->chrome);
        return CMAT_OK;
    }
    return web_chrome_open(&e->chrome, path[n] ? path + n + 1 : NULL, err);
}

static cmat_status web_open(cmat_env **out, const cmat_env_options *opts, cmat_error *err)
{
    web_env *e = cmat_xcalloc(1, sizeof *e);
    cmat_status st = open_world(e, opts, err);
    if (st != CMAT_OK) {
        free(e);
        return st;
    }
    e->base.opts = *opts;
    e->agentbench = cmat_env_is_agentbench(opts);
    if (e->base.opts.max_steps == 0)
        e->base.opts.max_steps = e->agentbench ? AGENTBENCH_STEPS : SHORT_STEPS;
    if (e->base.opts.obs_budget == 0)
        e->base.opts.obs_budget = e->agentbench ? AGENTBENCH_BUDGET : SHORT_BUDGET;
    end_episode(e);
    *out = &e->base;
    return CMAT_OK;
}

static void web_close(cmat_env *env)
{
    web_env *e = (web_env *)env;
    end_episode(e);
    web_chrome_unref(e->chrome);
    web_view_clear(&e->view);
    free(e->actions);
    free(e->open);
    cmat_buf_clear(&e->words);
    free(e);
}

/* ---- reset ---- */

static bool string_list(const json_t *a, size_t least)
{
    const json_t *s;
    size_t i;
    json_array_foreach(a, i, s) if (!json_is_string(s)) return false;
    return json_array_size(a) >= least;
}

static cmat_status start_recorded(web_env *e, cmat_error *err)
{
    const json_t *html = json_object_get(e->task, "html");
    const char *op = cmat_json_str(e->task, "op", "");
    const web_op found = web_op_find(op, strlen(op));
    if (found < WEB_CLICK || found > WEB_SELECT)
        return cmat_fail(err, CMAT_ERR_FORMAT, "web: \"op\" is none of CLICK, TYPE, SELECT");
    if (!string_list(json_object_get(e->task, "candidates"), 1) ||
        !string_list(json_object_get(e->task, "positives"), 0))
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "web: \"candidates\" and \"positives\" are not lists of node ids");
    e->recorded = true;
    e->before = json_is_array(json_object_get(e->task, "before")) &&
                        string_list(json_object_get(e->task, "before"), 0)
                    ? json_copy(json_object_get(e->task, "before"))
                    : json_array();
    cmat_status st =
        web_page_parse(&e->page, json_string_value(html), json_string_length(html), err);
    if (st != CMAT_OK)
        return st;
    web_ask_start(e);
    return e->view.n > 0
               ? CMAT_OK
               : cmat_fail(err, CMAT_ERR_FORMAT, "web: none of the candidates is on the page");
}

/* A task of the shop's: a session on its site, whose first page is the tab's. */
static cmat_status start_shop(web_env *e, const cmat_task *task, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    if (!e->chrome)
        return cmat_fail(err, CMAT_ERR_ARG, "web: a task of the shop needs --world browser");
    if ((st = web_chrome_shop(e->chrome, &e->shop, err)) == CMAT_OK)
        st = shop_site_start(e->shop, task, e->shop_url, err);
    return st;
}

static cmat_status start_live(web_env *e, const cmat_task *task, cmat_error *err)
{
    web_tab_options o = {.site = json_object_get(e->task, "site"),
                         .url = cmat_json_str(e->task, "url", NULL),
                         .timeout = e->base.opts.step_timeout};
    cmat_status st = CMAT_OK;
    if (web_is_shop_task(e->task)) {
        if ((st = start_shop(e, task, err)) != CMAT_OK)
            return st;
        o.site = NULL;
        o.url = e->shop_url;
        o.hidden_id = "reward"; /* the end page tells the score */
    }
    if (!o.site && !o.url)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "web: none of \"html\", \"site\" and \"url\" says what page it is");
    if (o.site && (st = web_site_check(o.site, err)) != CMAT_OK)
        return st;
    if (!o.site && !e->chrome)
        return cmat_fail(err, CMAT_ERR_ARG, "web: a task with \"url\" needs --world browser");
    if (e->chrome)
        st = web_tab_open(&e->tab, e->chrome, &o, err);
    else
        web_browser_start(&e->browser, o.site, NULL);
    if (st != CMAT_OK)
        return st;
    e->before = json_array();
    web_ask_start(e);
    return CMAT_OK;
}

static cmat_status web_reset(cmat_env *env, const cmat_task *task, cmat_obs *obs, cmat_error *err)
{
    web_env *e = (web_env *)env;
    end_episode(e);
    e->task = json_incref(task->json);
    cmat_status st = json_is_string(json_object_get(e->task, "html")) ? start_recorded(e, err)
                                                                      : start_live(e, task, err);
    if (st != CMAT_OK) {
        end_episode(e);
        return st;
    }
    web_ask(e, &obs->text);
    return CMAT_OK;
}

/* ---- the goal ---- */

/* Of a task with "url": {"check": {"url": part, "text": part}}, all that are there. */
static bool check_holds(const web_env *e)
{
    const json_t *check = json_object_get(e->task, "check");
    const char *url = cmat_json_str(check, "url", NULL), *text = cmat_json_str(check, "text", NULL);
    return (url || text) && (!url || strstr(web_tab_url(e->tab), url)) &&
           (!text || cmat_text_find(cmat_buf_str(&e->view.text), text));
}

static web_site_state state_of(const web_env *e)
{
    if (!e->tab)
        return e->browser.state;
    web_site_state s = web_tab_state(e->tab);
    double score = 0;
    if (*e->shop_url)
        s.won =
            shop_site_score(e->shop, e->shop_url, &score, &s.done, NULL) == CMAT_OK && score >= 1;
    else if (!json_object_get(e->task, "site"))
        s.won = s.done = check_holds(e);
    return s;
}

static web_op gold_op(const web_env *e)
{
    const char *op = cmat_json_str(e->task, "op", "");
    return web_op_find(op, strlen(op));
}

static const char *gold_value(const web_env *e)
{
    return gold_op(e) == WEB_CLICK ? "" : cmat_json_str(e->task, "value", "");
}

static bool is_right(const web_env *e, int node)
{
    const json_t *ids = json_object_get(e->task, "positives"), *id;
    const char *own = node == WEB_NO_NODE ? NULL : web_page_attr(&e->page, node, "backend_node_id");
    size_t k;
    json_array_foreach(ids, k, id) if (own && strcmp(own, json_string_value(id)) == 0) return true;
    return false;
}

/* ---- steps ---- */

/* A recorded step is over: nothing is told about right or wrong. As AgentBench counts, where no
 * element is right no action is, and a value given with CLICK is a word too many. */
static void judge(web_env *e, int node, const web_reply *r, cmat_obs *obs)
{
    const bool lost =
        node == WEB_NO_NODE || json_array_size(json_object_get(e->task, "positives")) == 0;
    const char *value = r->op == WEB_CLICK && !e->agentbench ? "" : r->value;
    e->judged = true;
    e->element_right = is_right(e, node);
    e->f1 = lost ? 0 : web_action_f1(r->op, value, gold_op(e), gold_value(e));
    obs->done = true;
    if (node == WEB_NO_NODE) { /* AgentBench counts it so */
        obs->error = obs->invalid_action = true;
        cmat_buf_puts(&obs->text, "No element was chosen.");
        return;
    }
    cmat_buf told = {0};
    web_ask_told(&e->page, node, r->op, r->value, &told);
    cmat_buf_printf(&obs->text, "Noted: %s", cmat_buf_str(&told));
    cmat_buf_clear(&told);
}

/* Acts on a live page and shows what came of it. */
static cmat_status act(web_env *e, int node, const web_reply *r, cmat_obs *obs, cmat_error *err)
{
    cmat_buf told = {0};
    bool ok = true;
    cmat_status st = CMAT_OK;
    if (node != WEB_NO_NODE)
        web_ask_told(web_env_page(e), node, r->op, r->value, &told);
    else
        cmat_buf_puts(&told, web_op_name(r->op));
    if (e->tab)
        st = web_tab_act(e->tab, r->op, node, r->value, &ok, &obs->text, err);
    else
        ok = web_browser_act(&e->browser, r->op, node, r->value, &obs->text);
    if (st == CMAT_OK && ok)
        json_array_append_new(e->before, cmat_json_text(told.data, told.len));
    cmat_buf_clear(&told);
    if (st != CMAT_OK)
        return st;
    obs->error = !ok;
    if (obs->text.len > 0)
        cmat_buf_putc(&obs->text, '\n');
    e->from = 0;
    web_ask_start(e);
    obs->done = state_of(e).done;
    web_ask(e, &obs->text);
    return CMAT_OK;
}

static void bad_reply(web_env *e, const char *why, cmat_obs *obs)
{
    obs->error = obs->invalid_format = true;
    cmat_buf_printf(&obs->text, "That is no action: %s.", why);
    if (e->recorded && ++e->n_bad >= MAX_BAD) {
        obs->done = true;
        return;
    }
    cmat_buf_putc(&obs->text, '\n');
    web_ask(e, &obs->text);
}

static void show_more(web_env *e, cmat_obs *obs)
{
    e->from = e->view.left_out > 0 ? e->from + e->view.text.len : 0;
    web_view_make(&e->view, web_env_page(e), e->from, (size_t)e->base.opts.obs_budget);
    web_ask(e, &obs->text);
}

static cmat_status step_short(web_env *e, const char *reply, cmat_obs *obs, cmat_error *err)
{
    web_reply r;
    const char *why;
    if (!web_reply_short(reply, &r, &why)) {
        bad_reply(e, why, obs);
        return CMAT_OK;
    }
    if (r.op == WEB_MORE && !e->recorded) {
        show_more(e, obs);
        return CMAT_OK;
    }
    const int node = web_ask_element(e, &r);
    if (node == WEB_NO_NODE && (r.op != WEB_BACK || e->recorded)) {
        bad_reply(e, "no element has that number", obs);
        obs->invalid_format = false;
        obs->invalid_action = obs->done;
        return CMAT_OK;
    }
    if (!e->recorded)
        return act(e, node, &r, obs, err);
    judge(e, node, &r, obs);
    return CMAT_OK;
}

static cmat_status step_agentbench(web_env *e, const char *reply, cmat_obs *obs, cmat_error *err)
{
    web_reply r;
    if (!web_reply_agentbench(reply, &r))
        obs->error = obs->invalid_format = true; /* counts as A */
    if (!web_ask_answer(e, &r)) {
        web_ask(e, &obs->text);
        return CMAT_OK;
    }
    if (e->recorded) {
        judge(e, e->picked, &e->pick, obs);
        return CMAT_OK;
    }
    if (e->picked != WEB_NO_NODE && e->pick.op != WEB_NO_OP)
        return act(e, e->picked, &e->pick, obs, err);
    obs->error = true;
    cmat_buf_puts(&obs->text,
                  e->picked == WEB_NO_NODE ? "No element was chosen.\n" : "No action was named.\n");
    web_ask_start(e);
    web_ask(e, &obs->text);
    return CMAT_OK;
}

static cmat_status web_step(cmat_env *env, const char *reply, cmat_obs *obs, cmat_error *err)
{
    web_env *e = (web_env *)env;
    return e->agentbench ? step_agentbench(e, reply, obs, err) : step_short(e, reply, obs, err);
}

/* ---- constraint, actions ---- */

static cmat_status web_constraint(cmat_env *env, cmat_acceptor **out, cmat_error *err)
{
    web_env *e = (web_env *)env;
    *out = NULL;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "web: no task has been set");
    web_ask_actions(e, false);
    const cmat_choices_options o = {.think = e->agentbench ? "Thought: " : "Plan: ",
                                    .think_max = THOUGHT_MAX,
                                    .choices = e->actions,
                                    .open = e->open,
                                    .free_max = WEB_VALUE_MAX,
                                    .n = e->n_actions};
    *out = cmat_choices_new(&o);
    return CMAT_OK;
}

static size_t web_actions(cmat_env *env, const char *const **out)
{
    web_env *e = (web_env *)env;
    if (!e->task)
        return 0;
    web_ask_actions(e, true);
    *out = e->actions;
    return e->n_actions;
}

/* ---- score, oracle ---- */

static cmat_status web_score(cmat_env *env, double *score, cmat_error *err)
{
    const web_env *e = (const web_env *)env;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "web: no task has been set");
    bool bought;
    if (*e->shop_url)
        return shop_site_score(e->shop, e->shop_url, score, &bought, err);
    *score = e->recorded ? e->judged && e->element_right && e->f1 >= 1 : state_of(e).won;
    return CMAT_OK;
}

static void web_measures(cmat_env *env, json_t *out)
{
    const web_env *e = (const web_env *)env;
    if (!e->recorded)
        return;
    json_object_set_new(out, "element accuracy", json_real(e->element_right));
    json_object_set_new(out, "action F1", json_real(e->f1));
}

/* What a person did, or what leads on to the goal. */
static bool right_move(const web_env *e, web_move *m)
{
    if (*e->shop_url)
        return web_shop_solve(e->task, web_env_page(e), m);
    if (!e->recorded)
        return web_site_solve(json_object_get(e->task, "site"), web_env_page(e), m);
    *m = (web_move){.op = gold_op(e), .node = WEB_NO_NODE};
    for (size_t i = 0; i < e->view.n && m->node == WEB_NO_NODE; i++)
        if (is_right(e, e->view.elements[i]))
            m->node = e->view.elements[i];
    const char *value = gold_value(e);
    const size_t n = cmat_utf8_valid_prefix(value, strnlen(value, WEB_VALUE_MAX));
    memcpy(m->value, value, n);
    m->value[n] = '\0';
    return m->node != WEB_NO_NODE;
}

static bool web_oracle(cmat_env *env, cmat_buf *out)
{
    web_env *e = (web_env *)env;
    web_move m;
    if (!e->task || env->done || !right_move(e, &m))
        return false;
    const int *from = e->agentbench ? e->group : e->view.elements;
    const size_t n = e->agentbench ? e->n_group : e->view.n;
    size_t k = 0;
    while (k < n && from[k] != m.node)
        k++;
    if (e->agentbench && k == n)
        cmat_buf_puts(out, "Answer: A.");
    else if (e->agentbench)
        cmat_buf_printf(out, "Answer: %c.\nAction: %s", 'B' + (int)k, web_op_name(m.op));
    else if (k == n)
        return false;
    else
        cmat_buf_printf(out, "%s %zu", web_op_name(m.op), k + 1);
    if (k < n && m.op != WEB_CLICK)
        cmat_buf_printf(out, "%s%s", e->agentbench ? "\nValue: " : ": ", m.value);
    return true;
}

static const char *web_error_kind(cmat_env *env)
{
    const web_env *e = (const web_env *)env;
    if (e->recorded)
        return !e->judged                                  ? "no action"
               : e->picked == WEB_NO_NODE && e->agentbench ? "no element chosen"
               : !e->element_right                         ? "wrong element"
               : e->f1 < 1                                 ? "wrong action or value"
                                                           : NULL;
    const web_site_state s = state_of(e);
    return s.won ? NULL : s.done ? "wrong values sent" : "goal not reached";
}

static cmat_status web_generate(cmat_env *env, int split, size_t n, uint64_t seed,
                                cmat_task_list *out, cmat_error *err)
{
    (void)env;
    return web_site_generate(split, n, seed, out, err);
}

extern const cmat_env_ops cmat_env_web;
const cmat_env_ops cmat_env_web = {
    .name = "web",
    .summary = "web pages: recorded steps (Mind2Web), made sites, a real browser",
    .passing = PASSING,
    .open = web_open,
    .close = web_close,
    .generate = web_generate,
    .import = web_import,
    .reset = web_reset,
    .prompt = web_env_prompt,
    .step = web_step,
    .dry_run = web_env_dry_run,
    .constraint = web_constraint,
    .score = web_score,
    .oracle = web_oracle,
    .actions = web_actions,
    .snapshot = web_env_snapshot,
    .restore = web_env_restore,
    .measures = web_measures,
    .error_kind = web_error_kind,
};
