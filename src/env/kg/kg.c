/* env/kg/kg.c - the environment's table: episodes over a graph; see kg.h. */
#include "env/kg/kg.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/choices.h"
#include "env/kg/text.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 15, LIST_BUDGET = 4000, THOUGHT_MAX = 200 };

/* ---- open and close ---- */

static void forget_calls(kg_env *e)
{
    kg_list_clear(&e->calls);
    free(e->actions);
    e->actions = NULL;
    e->calls_known = false;
}

static void end_episode(kg_env *e)
{
    kg_play_clear(&e->play);
    json_decref(e->task);
    e->task = NULL;
    e->n_errors = 0;
    forget_calls(e);
}

static cmat_status kg_open(cmat_env **out, const cmat_env_options *opts, cmat_error *err)
{
    const kg_env *like = (const kg_env *)opts->like;
    cmat_status st = CMAT_OK;
    kg_env *e = cmat_xcalloc(1, sizeof *e);
    e->base.opts = *opts;
    e->agentbench = cmat_env_is_agentbench(opts);
    e->play.answer = -1;
    if (e->base.opts.max_steps == 0)
        e->base.opts.max_steps = MAX_STEPS;
    if (e->base.opts.obs_budget == 0)
        e->base.opts.obs_budget = LIST_BUDGET;
    if (like && like->graph)
        e->graph = kg_graph_ref(like->graph);
    else if (opts->path)
        st = kg_graph_open(&e->graph, opts->path, opts->step_timeout, err);
    if (st != CMAT_OK) {
        free(e);
        return st;
    }
    *out = &e->base;
    return CMAT_OK;
}

static void kg_close(cmat_env *env)
{
    kg_env *e = (kg_env *)env;
    end_episode(e);
    kg_graph_unref(e->graph);
    free(e);
}

/* ---- reset and step ---- */

static cmat_status kg_reset(cmat_env *env, const cmat_task *task, cmat_obs *obs, cmat_error *err)
{
    kg_env *e = (kg_env *)env;
    end_episode(e);
    if (!e->graph)
        return cmat_fail(err, CMAT_ERR_ARG, "kg: --world says which graph the tasks are about");
    kg_play_init(&e->play, e->graph);
    const cmat_status st = kg_task_entities(task->json, &e->play, err);
    if (st != CMAT_OK)
        return st;
    e->task = json_incref(task->json);
    kg_first_view(&e->play, task->instruction, e->agentbench, &obs->text);
    return CMAT_OK;
}

static void kg_prompt(cmat_env *env, cmat_buf *out)
{
    cmat_buf_puts(out, kg_rules(((kg_env *)env)->agentbench));
}

static cmat_status run_call(kg_env *e, const kg_call *c, cmat_obs *obs, cmat_error *err)
{
    const kg_list *list;
    kg_problem problem = KG_FINE;
    int made;
    cmat_status st = CMAT_OK;
    kg_play_run(&e->play, c, &made);
    if (c->tool == KG_ANSWER) {
        obs->done = true;
        cmat_buf_puts(&obs->text, e->agentbench ? "" : "answered");
    } else if (made >= 0) {
        st = kg_show_variable(&e->play, made, e->agentbench, &obs->text, err);
    } else {
        st = kg_play_list(&e->play, c->a, c->tool == KG_GET_ATTRIBUTES, &list, &problem, err);
        kg_show_list(list, e->agentbench, (size_t)e->base.opts.obs_budget, &obs->text);
    }
    return st;
}

static cmat_status kg_step(cmat_env *env, const char *reply, cmat_obs *obs, cmat_error *err)
{
    kg_env *e = (kg_env *)env;
    kg_reply r = {0};
    cmat_status st = CMAT_OK;
    forget_calls(e);
    kg_reply_read(&e->play, reply, e->agentbench, &r);
    if (r.problem == KG_FINE)
        st = kg_play_check(&e->play, &r.call, &r.problem, &r.why, err);
    if (st == CMAT_OK && r.problem == KG_FINE) {
        st = run_call(e, &r.call, obs, err);
    } else if (st == CMAT_OK) {
        e->n_errors++;
        obs->error = true;
        obs->invalid_format = r.problem == KG_NO_CALL || r.problem == KG_BAD_SYNTAX;
        kg_show_problem(&r, r.problem, cmat_buf_str(&r.why), e->agentbench, &obs->text);
    }
    kg_reply_clear(&r);
    return st;
}

/* ---- facts ---- */

static void size_text(const kg_play *p, const kg_call *c, size_t n, cmat_buf *out)
{
    const bool list = c->tool == KG_GET_RELATIONS || c->tool == KG_GET_ATTRIBUTES;
    const char *type = p->items[c->a].type;
    if (c->tool == KG_GET_NEIGHBORS)
        type = p->graph->ops->range(p->graph, c->relation);
    if (c->tool == KG_GET_COUNT || (c->tool == KG_ANSWER && p->exprs[c->a].op == KG_COUNT))
        cmat_buf_puts(out, "a number");
    else
        cmat_buf_printf(out, "%zu %s", n,
                        list ? (c->tool == KG_GET_RELATIONS ? "relations" : "attributes")
                        : (type && *type) ? type
                                          : "nodes");
}

static const char *problem_name(kg_problem problem)
{
    static const char *const names[] = {
        [KG_FINE] = "",
        [KG_NO_CALL] = "no call",
        [KG_BAD_SYNTAX] = "syntax",
        [KG_NO_TOOL] = "no such tool",
        [KG_NO_VARIABLE] = "no such variable",
        [KG_NO_ENTITY] = "no such entity",
        [KG_NOT_A_SET] = "not a variable",
        [KG_NOT_LISTED] = "not listed before",
        [KG_NO_RELATION] = "no such relation",
        [KG_TYPES_DIFFER] = "types differ",
        [KG_TOO_LARGE] = "too large",
    };
    return names[problem];
}

/* Facts of a call that can be run: how much it finds, and whether that is new. */
static cmat_status good_facts(kg_env *e, const kg_call *c, cmat_facts *facts, kg_problem *problem,
                              cmat_error *err)
{
    kg_play *p = &e->play;
    const bool list = c->tool == KG_GET_RELATIONS || c->tool == KG_GET_ATTRIBUTES;
    size_t n;
    const cmat_status st = kg_play_size(p, c, &n, problem, err);
    if (st != CMAT_OK || *problem != KG_FINE)
        return st;
    json_object_set_new(facts->facts, "size", json_integer((json_int_t)n));
    const bool again = list && p->items[c->a].listed[c->tool == KG_GET_ATTRIBUTES];
    if (n == 0 || again) {
        facts->verdict = CMAT_FACT_NOTE;
        cmat_buf_puts(&facts->text, "note: ");
    }
    size_text(p, c, n, &facts->text);
    if (again)
        cmat_buf_puts(&facts->text, ", listed before");
    return CMAT_OK;
}

static cmat_status kg_dry_run(cmat_env *env, const char *reply, cmat_facts *facts, cmat_error *err)
{
    kg_env *e = (kg_env *)env;
    kg_reply r = {0};
    kg_problem problem;
    cmat_status st = CMAT_OK;
    kg_reply_read(&e->play, reply, e->agentbench, &r);
    problem = r.problem;
    const bool parses = problem == KG_FINE;
    facts->facts = json_object();
    json_object_set_new(facts->facts, "parses", json_boolean(parses));
    if (parses) {
        json_object_set_new(facts->facts, "tool", json_string(kg_tool_names[r.call.tool]));
        st = kg_play_check(&e->play, &r.call, &problem, &r.why, err);
    }
    if (st == CMAT_OK && problem == KG_FINE)
        st = good_facts(e, &r.call, facts, &problem, err);
    if (st == CMAT_OK && problem != KG_FINE) {
        facts->verdict = problem == KG_TOO_LARGE ? CMAT_FACT_NOTE : CMAT_FACT_BAD;
        json_object_set_new(facts->facts, "problem", json_string(problem_name(problem)));
        cmat_buf_printf(&facts->text, "%s: %s", problem == KG_TOO_LARGE ? "note" : "wrong",
                        r.why.len ? r.why.data : "that is too much to work out");
    }
    kg_reply_clear(&r);
    return st;
}

/* ---- what can be done ---- */

static size_t kg_actions(cmat_env *env, const char *const **out)
{
    kg_env *e = (kg_env *)env;
    if (!e->task)
        return 0;
    if (!e->calls_known) {
        if (kg_play_calls(&e->play, &e->calls, NULL) != CMAT_OK) {
            forget_calls(e);
            return 0;
        }
        e->actions = cmat_xcalloc(e->calls.n + 1, sizeof *e->actions);
        for (size_t i = 0; i < e->calls.n; i++)
            e->actions[i] = kg_list_get(&e->calls, i);
        e->calls_known = true;
    }
    *out = e->actions;
    return e->calls.n;
}

/* AgentBench's words for the calls, sorted anew. */
static void in_its_words(const kg_list *calls, kg_list *out)
{
    cmat_buf text = {0};
    for (size_t i = 0; i < calls->n; i++) {
        const char *call = kg_list_get(calls, i);
        const bool answer = strncmp(call, "answer(", 7) == 0;
        cmat_buf_truncate(&text, 0);
        cmat_buf_printf(&text, "%s%s",
                        answer ? "Final Answer: " : "Action: ", call + (answer ? 7 : 0));
        if (answer)
            cmat_buf_truncate(&text, text.len - 1);
        kg_list_add(out, text.data);
    }
    kg_list_sort(out);
    cmat_buf_clear(&text);
}

static cmat_status kg_constraint(cmat_env *env, cmat_acceptor **out, cmat_error *err)
{
    kg_env *e = (kg_env *)env;
    const char *const *actions = NULL;
    cmat_choices_options o = {.think = e->agentbench ? "Thought: " : "Think: ",
                              .think_max = THOUGHT_MAX};
    *out = NULL;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "kg: no task has been set");
    o.n = kg_actions(env, &actions);
    o.choices = actions;
    if (!e->agentbench) {
        *out = cmat_choices_new(&o);
        return CMAT_OK;
    }
    kg_list words = {0};
    in_its_words(&e->calls, &words);
    const char **list = cmat_xcalloc(words.n + 1, sizeof *list);
    for (size_t i = 0; i < words.n; i++)
        list[i] = kg_list_get(&words, i);
    o.choices = list;
    o.n = words.n;
    *out = cmat_choices_new(&o);
    free(list);
    kg_list_clear(&words);
    return CMAT_OK;
}

/* ---- score ---- */

typedef struct {
    double f1, exact, executed;
} judgement;

/* Only what was given as the answer counts; what the endpoint cannot work out is nothing. */
static cmat_status judge(kg_env *e, judgement *j, cmat_error *err)
{
    kg_list predicted = {0}, gold = {0};
    const json_t *answer;
    size_t i;
    cmat_status st = CMAT_OK;
    *j = (judgement){0};
    if (!e->task || !json_is_array(json_object_get(e->task, "answer")))
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "kg: the task has no answer to compare with");
    json_array_foreach(json_object_get(e->task, "answer"), i, answer)
    {
        char *plain = cmat_json_plain(answer);
        kg_list_add(&gold, plain);
        free(plain);
    }
    kg_list_sort(&gold);
    if (e->play.answer >= 0)
        st = e->graph->ops->values(e->graph, e->play.exprs, e->play.answer, 0, &predicted, err);
    if (st == CMAT_ERR_LIMIT || st == CMAT_ERR_UNSUPPORTED)
        st = CMAT_OK;
    if (st == CMAT_OK) {
        j->f1 = kg_f1(&predicted, &gold);
        j->exact = e->play.answer >= 0 && predicted.n == gold.n && (gold.n == 0 || j->f1 >= 1);
        j->executed = predicted.n > 0;
    }
    kg_list_clear(&predicted);
    kg_list_clear(&gold);
    return st;
}

cmat_status kg_answer(cmat_env *env, size_t max, json_t **labels, size_t *n, cmat_error *err)
{
    kg_env *e = (kg_env *)env;
    const kg_graph_ops *ops = e->graph->ops;
    const int at = e->play.answer;
    kg_list names = {0};
    cmat_status st = CMAT_OK;
    *labels = json_array();
    *n = 0;
    if (at >= 0)
        st = ops->values(e->graph, e->play.exprs, at, 0, &names, err);
    *n = names.n;
    for (size_t i = 0; st == CMAT_OK && i < names.n && i < max; i++) {
        cmat_buf label = {0};
        ops->label(e->graph, kg_list_get(&names, i), &label);
        json_array_append_new(*labels, cmat_json_text(cmat_buf_str(&label), label.len));
        cmat_buf_clear(&label);
    }
    kg_list_clear(&names);
    return st;
}

static cmat_status kg_score(cmat_env *env, double *score, cmat_error *err)
{
    judgement j;
    const cmat_status st = judge((kg_env *)env, &j, err);
    *score = st == CMAT_OK ? j.f1 : 0;
    return st;
}

static void kg_measures(cmat_env *env, json_t *out)
{
    judgement j;
    if (judge((kg_env *)env, &j, NULL) != CMAT_OK)
        return;
    json_object_set_new(out, "F1", json_real(j.f1));
    json_object_set_new(out, "exact match", json_real(j.exact));
    json_object_set_new(out, "executability", json_real(j.executed));
}

static const char *kg_error_kind(cmat_env *env)
{
    kg_env *e = (kg_env *)env;
    judgement j;
    if (e->play.answer < 0)
        return 2 * e->n_errors > env->steps ? "calls that cannot be run" : "no answer";
    if (judge(e, &j, NULL) != CMAT_OK || j.f1 >= 1)
        return NULL;
    return j.executed == 0 ? "empty answer" : j.f1 > 0 ? "answer in part" : "wrong answer";
}

/* ---- oracle and slips ---- */

static bool kg_oracle(cmat_env *env, cmat_buf *out)
{
    kg_env *e = (kg_env *)env;
    kg_call c;
    if (!e->task || env->done || kg_gold_next(e->task, &e->play, &c) != CMAT_OK)
        return false;
    kg_write_reply(&e->play, &c, e->agentbench, out);
    return true;
}

/* A first call that comes too early, or names what is not there. */
static bool kg_slip(cmat_env *env, cmat_rng *rng, cmat_buf *out)
{
    kg_env *e = (kg_env *)env;
    const json_t *call;
    size_t i;
    kg_call c;
    if (!e->task || e->play.n_entities == 0)
        return false;
    const char *label = e->play.items[cmat_rng_below(rng, e->play.n_entities)].label;
    cmat_buf_puts(out, e->agentbench ? "Action: " : "");
    switch (cmat_rng_below(rng, 4)) {
    case 0:
        json_array_foreach(json_object_get(e->task, "gold"), i, call)
        {
            const char *text = json_string_value(call);
            cmat_buf why = {0};
            const bool good = text && kg_call_read(&e->play, text, true, &c, &why) == KG_FINE &&
                              c.tool == KG_GET_NEIGHBORS;
            cmat_buf_clear(&why);
            if (good) {
                kg_call_write(&e->play, &c, false, out);
                return true;
            }
        }
        cmat_buf_puts(out, "get_relations(#0)");
        return true;
    case 1:
        cmat_buf_puts(out, "get_relations(#0)");
        return true;
    case 2:
        cmat_buf_printf(out, "count(%s)", label);
        return true;
    default:
        cmat_buf_printf(out, "get_relations(%.*s", (int)strlen(label) - 1, label);
        cmat_buf_truncate(out, cmat_utf8_valid_prefix(out->data, out->len));
        cmat_buf_putc(out, ')');
        return true;
    }
}

/* ---- the rest of the table ---- */

static cmat_status kg_snapshot(cmat_env *env, cmat_buf *out, cmat_error *err)
{
    const kg_env *e = (const kg_env *)env;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "kg: no task has been set");
    kg_play_save(&e->play, out);
    return CMAT_OK;
}

static cmat_status kg_restore(cmat_env *env, const void *state, size_t len, cmat_error *err)
{
    kg_env *e = (kg_env *)env;
    forget_calls(e);
    if (!e->task || !kg_play_restore(&e->play, state, len))
        return cmat_fail(err, CMAT_ERR_STATE, "kg: the snapshot is of another task");
    return CMAT_OK;
}

static cmat_status kg_generate(cmat_env *env, int split, size_t n, uint64_t seed,
                               cmat_task_list *out, cmat_error *err)
{
    kg_env *e = (kg_env *)env;
    if (!e->graph)
        return cmat_fail(err, CMAT_ERR_ARG, "kg: --world says which graph to make tasks from");
    return kg_make(e->graph, split, n, seed, out, err);
}

extern const cmat_env_ops cmat_env_kg;
const cmat_env_ops cmat_env_kg = {
    .name = "kg",
    .summary =
        "questions about a knowledge graph: a file of triples or a SPARQL endpoint (AgentBench)",
    .world = "a graph: .nt, .ttl, .tsv, a SPARQL endpoint's address ...",
    .open = kg_open,
    .close = kg_close,
    .generate = kg_generate,
    .import = kg_import,
    .reset = kg_reset,
    .prompt = kg_prompt,
    .step = kg_step,
    .dry_run = kg_dry_run,
    .constraint = kg_constraint,
    .score = kg_score,
    .oracle = kg_oracle,
    .actions = kg_actions,
    .snapshot = kg_snapshot,
    .restore = kg_restore,
    .slip = kg_slip,
    .measures = kg_measures,
    .error_kind = kg_error_kind,
};
