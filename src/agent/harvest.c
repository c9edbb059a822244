/* harvest.c - rows for Actor and Checker out of the records of episodes. */
#include "agent/harvest.h"
#include "agent/checker.h"
#include "agent/lesson_pool.h"
#include "agent/reflect.h"
#include "agent/trajectory.h"
#include "agent/verdict.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include <stdlib.h>
#include <string.h>

/* A Checker row that waits for the balance. */
typedef struct {
    json_t *messages;
    char *task, *kind;
    bool accept;
} verdict_row;

typedef struct {
    cmat_store *store; /* where the records' shared texts are; NULL: in the records */
    const cmat_prompts *prompts;
    const cmat_harvest_options *opts;
    cmat_dataset *actor, *checker;
    cmat_harvest_counts *counts;
    const char *source;    /* "episode" or "gold" */
    json_t *dialogues;     /* object: task -> array of the dialogues taken */
    json_t *judged;        /* object: task, newline, action -> true */
    verdict_row *verdicts; /* (n_verdicts) */
    size_t n_verdicts, cap_verdicts;
    cmat_lesson_pool *lessons; /* NULL: none are shown */
    bool slipping;             /* first actions are the environment's slips */
    cmat_status status;        /* of what went wrong in a callback */
    cmat_error *err;
} harvest;

/* --- rows --- */

static cmat_status add_row(harvest *h, cmat_dataset *ds, json_t *messages, const char *role,
                           const char *task, const char *kind, const char *source)
{
    cmat_status st = cmat_dataset_add(ds, messages, NULL, 1, "harvest", h->err);
    if (st != CMAT_OK)
        return st;
    json_t *extra = ds->items[ds->n - 1].extra;
    json_object_set_new(extra, "role", json_string(role));
    json_object_set_new(extra, "task", json_string(task));
    json_object_set_new(extra, "kind", json_string(kind));
    json_object_set_new(extra, "source", json_string(source));
    return CMAT_OK;
}

/* A text of the record: in the store under the name kept as `key`, or in the record itself. The
 * caller's. */
static cmat_status record_text(harvest *h, const json_t *json, const char *key, char **text)
{
    char *member = cmat_xasprintf("%s_text", key);
    const char *here = cmat_json_str(json, member, NULL);
    free(member);
    *text = cmat_xstrdup(here);
    if (here || !h->store)
        return here ? CMAT_OK
                    : cmat_fail(h->err, CMAT_ERR_FORMAT, "harvest: a record has no %s", key);
    return cmat_store_get_text(h->store, cmat_json_str(json, key, ""), text, h->err);
}

static const json_t *last_attempt(const json_t *step)
{
    const json_t *attempts = json_object_get(step, "attempts");
    return json_array_get(attempts, json_array_size(attempts) - 1);
}

/* Whether what was run in this step belongs into a dialogue to learn from. */
static bool is_clean(const json_t *step)
{
    return json_object_get(step, "observation") && !cmat_json_bool(step, "error", false);
}

/* The dialogue of the first n steps as it would have gone without what was sent back or failed. */
static void add_clean_steps(cmat_trajectory *t, const json_t *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *step = json_array_get(steps, i);
        if (!is_clean(step))
            continue;
        cmat_trajectory_add(t, CMAT_TURN_REPLY, cmat_json_str(last_attempt(step), "reply", ""));
        cmat_trajectory_add(t, CMAT_TURN_OBSERVATION, cmat_json_str(step, "observation", ""));
    }
}

static void begin_dialogue(cmat_trajectory *t, const json_t *json, const char *system)
{
    t->raw = cmat_json_bool(json, "raw_observations", false);
    t->passing = cmat_json_str(json, "passing", NULL);
    cmat_trajectory_add(t, CMAT_TURN_SYSTEM, system);
    cmat_trajectory_add(t, CMAT_TURN_TASK, cmat_json_str(json, "start", ""));
}

/* The messages of a dialogue without the observation after its last reply; NULL when nobody spoke.
 */
static json_t *dialogue_messages(const harvest *h, cmat_trajectory *t)
{
    json_t *messages = cmat_trajectory_messages(t, h->prompts, NULL, 0, NULL);
    if (t->items[t->n - 1].kind == CMAT_TURN_OBSERVATION)
        json_array_remove(messages, json_array_size(messages) - 1);
    if (json_array_size(messages) > 2)
        return messages;
    json_decref(messages);
    return NULL;
}

/* True when this dialogue of the task is new and there is room for it; remembers it then. */
static bool is_wanted(harvest *h, const char *task, json_t *messages)
{
    json_t *taken = json_object_get(h->dialogues, task);
    size_t i;
    json_t *other;
    if (!taken) {
        taken = json_array();
        json_object_set_new(h->dialogues, task, taken);
    }
    if (h->opts->max_per_task > 0 && json_array_size(taken) >= (size_t)h->opts->max_per_task)
        return false;
    json_array_foreach(taken, i, other) if (json_equal(other, messages)) return false;
    json_array_append_new(taken, json_deep_copy(messages));
    return true;
}

static const char *gold_of(const json_t *json)
{
    const json_t *gold = json_object_get(json_object_get(json, "task"), "gold");
    const char *s = json_string_value(json_is_array(gold) ? json_array_get(gold, 0) : gold);
    return s ? s : "";
}

static void draw_rng(const harvest *h, const char *task, uint64_t salt, cmat_rng *rng)
{
    cmat_rng_init_sub(rng, h->opts->seed, cmat_fnv1a(task, strlen(task)) + salt);
}

/* In a share of the rows, lessons stand before the task as they do in an episode. */
static void show_lessons(const harvest *h, const cmat_episode_row *row, json_t *messages)
{
    cmat_rng rng;
    cmat_buf b = {0};
    draw_rng(h, row->task_id, h->slipping ? 1 : 2, &rng);
    if (!h->lessons || (int)cmat_rng_below(&rng, 100) >= h->opts->lessons)
        return;
    json_t *task = json_array_get(messages, 1);
    cmat_lesson_pool_draw(h->lessons, h->prompts,
                          cmat_json_str(json_object_get(row->json, "task"), "instruction", ""),
                          gold_of(row->json), &rng, &b);
    cmat_buf_puts(&b, cmat_json_str(task, "content", ""));
    json_object_set_new(task, "content", cmat_json_text(b.data, b.len));
    cmat_buf_clear(&b);
}

/* --- the Actor's --- */

/* Of all replies only the last is learned. */
static void weigh_last(json_t *messages)
{
    size_t i;
    json_t *m;
    json_array_foreach(messages, i, m) if (strcmp(cmat_json_str(m, "role", ""), "assistant") == 0 &&
                                           i + 1 < json_array_size(messages))
        json_object_set_new(m, "weight", json_integer(0));
}

/* A row for a step whose first actions were sent back: only the corrected reply has weight. */
static cmat_status add_repair(harvest *h, const cmat_episode_row *row, const char *system, size_t n)
{
    const json_t *steps = json_object_get(row->json, "steps"), *step = json_array_get(steps, n);
    const json_t *attempts = json_object_get(step, "attempts");
    if (json_array_size(attempts) < 2 ||
        !json_is_true(json_object_get(last_attempt(step), "right")))
        return CMAT_OK;
    cmat_trajectory t = {0};
    begin_dialogue(&t, row->json, system);
    add_clean_steps(&t, steps, n);
    size_t i;
    const json_t *a;
    json_array_foreach(attempts, i, a)
    {
        cmat_trajectory_add(&t, CMAT_TURN_REPLY, cmat_json_str(a, "reply", ""));
        if (i + 1 < json_array_size(attempts))
            cmat_trajectory_add(&t, CMAT_TURN_OBJECTION, cmat_json_str(a, "objection", ""));
    }
    json_t *messages = dialogue_messages(h, &t);
    cmat_trajectory_clear(&t);
    weigh_last(messages);
    h->counts->n_actor++;
    h->counts->n_repairs++;
    show_lessons(h, row, messages);
    return add_row(h, h->actor, messages, "actor", row->task_id, row->kind, "repair");
}

/* Where observations hold parts that pass, each reply was given before another view of what had
 * been before it: a row for each. */
static cmat_status add_step_rows(harvest *h, const cmat_episode_row *row, const char *system)
{
    const json_t *steps = json_object_get(row->json, "steps");
    cmat_status st = CMAT_OK;
    for (size_t i = 0; st == CMAT_OK && i < json_array_size(steps); i++) {
        cmat_trajectory t = {0};
        if (!is_clean(json_array_get(steps, i)))
            continue;
        begin_dialogue(&t, row->json, system);
        add_clean_steps(&t, steps, i + 1);
        cmat_trajectory_drop(&t);
        json_t *messages = dialogue_messages(h, &t);
        cmat_trajectory_clear(&t);
        weigh_last(messages);
        st = add_row(h, h->actor, messages, "actor", row->task_id, row->kind, h->source);
    }
    return st;
}

static cmat_status add_actor_rows(harvest *h, const cmat_episode_row *row)
{
    const json_t *steps = json_object_get(row->json, "steps");
    char *system = NULL;
    cmat_status st = record_text(h, row->json, "system", &system);
    if (st != CMAT_OK)
        return st;
    cmat_trajectory t = {0};
    begin_dialogue(&t, row->json, system);
    add_clean_steps(&t, steps, json_array_size(steps));
    json_t *messages = h->slipping ? NULL : dialogue_messages(h, &t);
    cmat_trajectory_clear(&t);
    for (size_t i = 0; st == CMAT_OK && h->slipping && i < json_array_size(steps); i++)
        st = add_repair(h, row, system, i);
    if (messages && is_wanted(h, row->task_id, messages)) {
        if (cmat_json_str(row->json, "passing", NULL)) {
            json_decref(messages);
            st = add_step_rows(h, row, system);
        } else {
            show_lessons(h, row, messages);
            st = add_row(h, h->actor, messages, "actor", row->task_id, row->kind, h->source);
        }
        h->counts->n_actor++;
        h->counts->n_gold += strcmp(h->source, "gold") == 0;
        for (size_t i = 0; st == CMAT_OK && h->opts->repairs && i < json_array_size(steps); i++)
            st = add_repair(h, row, system, i);
    } else {
        json_decref(messages);
    }
    free(system);
    return st;
}

/* --- the Checker's --- */

/* Why an action was wrong, in words that the verdict's acceptor takes. */
static void add_reason(cmat_buf *out, const cmat_episode_row *row, const json_t *step,
                       const json_t *attempt)
{
    cmat_buf text = {0};
    const json_t *facts = json_object_get(attempt, "facts");
    const char *level = cmat_json_str(facts, "verdict", "ok");
    if (strcmp(level, "ok") != 0)
        cmat_facts_reason(cmat_json_str(facts, "text", ""), &text);
    else if (cmat_json_bool(attempt, "executed", false) && cmat_json_bool(step, "error", false))
        cmat_buf_printf(&text, "it fails: %s", cmat_json_str(step, "observation", ""));
    else if (cmat_json_bool(attempt, "executed", false) && row->error_kind &&
             strcmp(row->error_kind, "other") != 0)
        cmat_buf_puts(&text, row->error_kind);
    else
        cmat_buf_puts(&text, "it does not do what the task asks");
    const char *p = cmat_buf_str(&text);
    p += strspn(p, " \n");
    size_t len = strcspn(p, "\n");
    if (len > CMAT_REASON_MAX)
        len = cmat_utf8_valid_prefix(p, CMAT_REASON_MAX);
    size_t before = out->len;
    cmat_prompt_add_data(out, p, len);
    for (char *c = out->data + before; *c; c++)
        if (*c == '\t')
            *c = ' ';
    if (out->len - before > CMAT_REASON_MAX)
        cmat_buf_truncate(out,
                          before + cmat_utf8_valid_prefix(out->data + before, CMAT_REASON_MAX));
    cmat_buf_clear(&text);
}

/* Whether the Checker's model would be asked about this action, and it is not known yet. */
static bool is_case(harvest *h, const cmat_episode_row *row, const json_t *attempt)
{
    const json_t *facts = json_object_get(attempt, "facts");
    if (!json_is_boolean(json_object_get(attempt, "right")))
        return false;
    if (h->opts->checker_facts &&
        (!facts || strcmp(cmat_json_str(facts, "verdict", ""), "bad") == 0))
        return false;
    char *key = cmat_xasprintf("%s\n%s", row->task_id, cmat_json_str(attempt, "reply", ""));
    const bool known = json_object_get(h->judged, key) != NULL;
    json_object_set_new(h->judged, key, json_true());
    free(key);
    return !known;
}

static void add_case(harvest *h, const cmat_episode_row *row, const char *system, size_t n,
                     const json_t *attempt)
{
    const json_t *steps = json_object_get(row->json, "steps"),
                 *task = json_object_get(row->json, "task");
    const char *facts = cmat_json_str(json_object_get(attempt, "facts"), "text", "");
    cmat_buf history = {0}, reply = {0};
    const bool accept = json_is_true(json_object_get(attempt, "right"));
    cmat_episode_history(steps, n, &history);
    json_t *messages = cmat_checker_messages(
        h->prompts, system, cmat_json_str(task, "instruction", ""), cmat_buf_str(&history),
        cmat_json_str(attempt, "reply", ""), h->opts->checker_facts ? facts : NULL);
    cmat_buf_puts(&reply, accept ? "accept" : "reject: ");
    if (!accept)
        add_reason(&reply, row, json_array_get(steps, n), attempt);
    cmat_add_message(messages, "assistant", cmat_buf_str(&reply));
    h->verdicts = cmat_xgrow(h->verdicts, &h->cap_verdicts, h->n_verdicts + 1, sizeof *h->verdicts);
    h->verdicts[h->n_verdicts++] = (verdict_row){.messages = messages,
                                                 .task = cmat_xstrdup(row->task_id),
                                                 .kind = cmat_xstrdup(row->kind),
                                                 .accept = accept};
    cmat_buf_clear(&history);
    cmat_buf_clear(&reply);
}

static cmat_status add_cases(harvest *h, const cmat_episode_row *row)
{
    size_t i, a;
    const json_t *step, *attempt;
    char *system = NULL;
    cmat_status st = record_text(h, row->json, "checker_system", &system);
    if (st != CMAT_OK)
        return st;
    json_array_foreach(json_object_get(row->json, "steps"), i, step) json_array_foreach(
        json_object_get(step, "attempts"), a, attempt) if (is_case(h, row, attempt))
        add_case(h, row, system, i, attempt);
    free(system);
    return CMAT_OK;
}

/* Drops rows of the more frequent answer, chosen by the seed, until both are as many. */
static void balance(harvest *h)
{
    size_t n_accept = 0;
    for (size_t i = 0; i < h->n_verdicts; i++)
        n_accept += h->verdicts[i].accept;
    const size_t n_reject = h->n_verdicts - n_accept;
    const bool drop = n_accept > n_reject;
    size_t left = drop ? n_accept : n_reject, keep = drop ? n_reject : n_accept;
    cmat_rng rng;
    cmat_rng_init_sub(&rng, h->opts->seed, 0x62616c616e6365);
    size_t n = 0;
    for (size_t i = 0; i < h->n_verdicts; i++) {
        verdict_row v = h->verdicts[i];
        bool take = true;
        if (v.accept == drop) { /* keep of left, each equally likely (Knuth's algorithm S) */
            take = cmat_rng_below(&rng, left) < keep;
            left--;
            keep -= take;
        }
        if (take) {
            h->verdicts[n++] = v;
        } else {
            json_decref(v.messages);
            free(v.task);
            free(v.kind);
        }
    }
    h->n_verdicts = n;
}

/* Moves the Checker's rows into their set. */
static cmat_status settle(harvest *h, cmat_status st)
{
    if (st == CMAT_OK && h->opts->balance && (strcmp(h->source, "gold") != 0 || h->opts->slips > 0))
        balance(h);
    for (size_t i = 0; i < h->n_verdicts; i++) {
        verdict_row *v = &h->verdicts[i];
        if (st == CMAT_OK) {
            st = add_row(h, h->checker, v->messages, "checker", v->task, v->kind, h->source);
            h->counts->n_accept += v->accept;
            h->counts->n_reject += !v->accept;
        } else {
            json_decref(v->messages);
        }
        free(v->task);
        free(v->kind);
    }
    free(h->verdicts);
    json_decref(h->dialogues);
    json_decref(h->judged);
    return st;
}

/* --- whole harvests --- */

static void take(harvest *h, const cmat_episode_row *row)
{
    const bool right = row->score >= 1;
    h->counts->n_episodes++;
    h->counts->n_right += right;
    if (right && h->actor && h->status == CMAT_OK)
        h->status = add_actor_rows(h, row);
    if (h->checker && h->status == CMAT_OK)
        h->status = add_cases(h, row);
}

static bool take_stored(void *user, int64_t id, const cmat_episode_row *row)
{
    harvest *h = user;
    (void)id;
    take(h, row);
    return h->status == CMAT_OK;
}

static void begin(harvest *h, const cmat_prompts *prompts, const cmat_harvest_options *opts,
                  cmat_dataset *actor, cmat_dataset *checker, cmat_harvest_counts *counts,
                  const char *source, cmat_error *err)
{
    *h = (harvest){.prompts = prompts,
                   .opts = opts,
                   .actor = actor,
                   .checker = checker,
                   .counts = counts,
                   .source = source,
                   .err = err};
    h->dialogues = json_object();
    h->judged = json_object();
}

cmat_status cmat_harvest(cmat_store *store, const cmat_prompts *prompts, const char *phase,
                         int round, const cmat_harvest_options *opts, cmat_dataset *actor,
                         cmat_dataset *checker, cmat_harvest_counts *counts, cmat_error *err)
{
    harvest h;
    cmat_harvest_counts own = {0};
    begin(&h, prompts, opts, actor, checker, counts ? counts : &own, "episode", err);
    h.store = store;
    cmat_status st = cmat_store_each_episode(store, phase, round, true, take_stored, &h, err);
    return settle(&h, st != CMAT_OK ? st : h.status);
}

/* What an episode leaves for the rows of the others: its right reply, or what its slip teaches. */
static void remember(harvest *h, const cmat_episode_row *row)
{
    const json_t *step = json_array_get(json_object_get(row->json, "steps"), 0),
                 *first = json_array_get(json_object_get(step, "attempts"), 0);
    const char *task = cmat_json_str(json_object_get(row->json, "task"), "instruction", ""),
               *gold = gold_of(row->json), *reply = cmat_json_str(first, "reply", "");
    cmat_buf lesson = {0};
    if (!h->slipping)
        cmat_buf_puts(&lesson, reply);
    else
        cmat_reflect_template(task, reply, gold, row->error_kind, NULL, &lesson);
    if (lesson.len)
        cmat_lesson_pool_add(h->lessons, task, gold, lesson.data, !h->slipping);
    cmat_buf_clear(&lesson);
}

static void take_played(void *user, const cmat_task *task, const cmat_episode_row *row)
{
    (void)task;
    harvest *h = user;
    if (h->lessons && (row->score >= 1 || h->slipping))
        remember(h, row);
    if (row->score >= 1 || h->slipping)
        take(h, row);
}

/* Answers in the Actor's place; the request's tag is its episode. */
static char *oracle_reply(void *user, const cmat_llm_request *req)
{
    harvest *h = user;
    cmat_env *env = cmat_episode_env(req->tag);
    cmat_buf out = {0};
    const cmat_task *task = cmat_episode_task(req->tag);
    cmat_rng rng;
    draw_rng(h, task->id, 3, &rng);
    cmat_buf_puts(&out,
                  ""); /* what cannot be answered ends as a wrong episode, which is not kept */
    const bool first = json_array_size(req->messages) == 2;
    if (!h->slipping || !first || !env->ops->slip(env, &rng, &out))
        (env->ops->teacher ? env->ops->teacher : env->ops->oracle)(env, &out);
    return cmat_buf_detach(&out);
}

static bool mark_solved(void *user, int64_t id, const cmat_episode_row *row)
{
    (void)id;
    if (row->score >= 1)
        json_object_set_new(user, row->task_id, json_true());
    return true;
}

/* The tasks without a right episode; they stay the caller's. */
static cmat_status find_unsolved(const cmat_task_list *tasks, cmat_store *store, const char *phase,
                                 int round, cmat_task_list *out, cmat_error *err)
{
    json_t *solved = json_object();
    cmat_status st = CMAT_OK;
    if (store)
        st = cmat_store_each_episode(store, phase, round, false, mark_solved, solved, err);
    for (size_t i = 0; st == CMAT_OK && i < tasks->n; i++)
        if (!json_object_get(solved, tasks->items[i].id))
            cmat_task_list_add(out, tasks->items[i]);
    json_decref(solved);
    return st;
}

static cmat_status has_oracle(const cmat_run_config *config, cmat_error *err)
{
    const cmat_env_ops *ops = config->env_ops ? config->env_ops : cmat_env_find(config->env);
    if (!ops)
        return cmat_fail(err, CMAT_ERR_NOT_FOUND, "harvest: no environment is called \"%s\"",
                         config->env);
    if (!ops->oracle)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "harvest: the environment %s has no worked answers", ops->name);
    return CMAT_OK;
}

/* Plays the tasks with worked answers, or, when slipping, with a wrong first action. */
static cmat_status play(harvest *h, const cmat_run_config *config, const cmat_task_list *tasks,
                        cmat_error *err)
{
    cmat_run_config c = *config;
    c.store = NULL;
    c.phase = "gold";
    c.opts.checker = h->slipping ? CMAT_CHECKER_FACTS : CMAT_CHECKER_OFF;
    c.opts.retry = CMAT_RETRY_REASON;
    c.opts.max_rejects = 1;
    c.opts.samples = 1;
    c.opts.constraint = c.opts.lessons = false;
    c.opts.judge_rejected = h->slipping;
    c.opts.record_facts = h->checker && h->opts->checker_facts;
    c.opts.concurrency = 1; /* rows in the order of the tasks */
    c.on_episode = take_played;
    c.user = h;
    c.llm = cmat_llm_scripted_new(oracle_reply, h);
    cmat_llm_scripted_set_n_ctx(c.llm, 1 << 20);
    cmat_status st = cmat_agent_run(&c, tasks, NULL, err);
    cmat_llm_free(c.llm);
    return st;
}

/* A share of the tasks, each with a slip first. */
static cmat_status play_slips(harvest *h, const cmat_run_config *c, const cmat_task_list *tasks,
                              cmat_error *err)
{
    cmat_task_list some = {0};
    cmat_rng rng;
    const cmat_env_ops *ops = c->env_ops ? c->env_ops : cmat_env_find(c->env);
    if (!ops->slip)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "harvest: the environment %s has no slips",
                         ops->name);
    for (size_t i = 0; i < tasks->n; i++) {
        draw_rng(h, tasks->items[i].id, 4, &rng);
        if ((int)cmat_rng_below(&rng, 100) < h->opts->slips)
            cmat_task_list_add(&some, tasks->items[i]);
    }
    h->slipping = true;
    cmat_status st = play(h, c, &some, err);
    h->slipping = false;
    free(some.items); /* the tasks in it are the caller's */
    return st;
}

cmat_status cmat_harvest_gold(const cmat_run_config *config, const cmat_task_list *tasks,
                              cmat_store *unsolved_in, const char *phase, int round,
                              const cmat_harvest_options *opts, cmat_dataset *actor,
                              cmat_dataset *checker, cmat_harvest_counts *counts, cmat_error *err)
{
    harvest h;
    cmat_harvest_counts own = {0};
    cmat_task_list unsolved = {0};
    cmat_prompts *prompts = NULL;
    cmat_run_config c = *config;
    cmat_status st = has_oracle(config, err);
    if (st == CMAT_OK && !c.prompts &&
        (st = cmat_prompts_load_env(&prompts, NULL, c.env_ops ? c.env_ops->name : c.env, err)) ==
            CMAT_OK)
        c.prompts = prompts;
    if (st == CMAT_OK)
        st = find_unsolved(tasks, unsolved_in, phase, round, &unsolved, err);
    begin(&h, c.prompts, opts, actor, checker, counts ? counts : &own, "gold", err);
    if (st == CMAT_OK && opts->lessons > 0)
        h.lessons = cmat_lesson_pool_new();
    if (st == CMAT_OK && opts->slips > 0)
        st = play_slips(&h, &c, &unsolved, err);
    if (st == CMAT_OK)
        st = play(&h, &c, &unsolved, err);
    st = settle(&h, st != CMAT_OK ? st : h.status);
    cmat_lesson_pool_free(h.lessons);
    free(unsolved.items); /* the tasks in it are the caller's */
    cmat_prompts_free(prompts);
    return st;
}
