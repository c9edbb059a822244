/* env/house/house.c - the house: ALFWorld's household tasks as a text world. */
#include "env/house/house.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/choices.h"
#include "env/house/make.h"
#include "env/house/plan.h"
#include "env/house/reply.h"
#include <stdlib.h>
#include <string.h>

enum { SHORT_STEPS = 50, AGENTBENCH_STEPS = 35, THOUGHT_MAX = 200 };
#define OFFERS "AVAILABLE ACTIONS: "

static const char short_rules[] =
    "You do a task in a house by text commands, one a turn: look, inventory, go to R, open R, "
    "close "
    "R, take O from R, move O to R, clean O with R, heat O with R, cool O with R, use O, slice O "
    "with O, examine X.\n"
    "To find a thing, go to places and open what is closed. Only what is here can be done; else "
    "nothing happens.\n"
    "You may think in one line first: Think: ...\n"
    "Then write the command.\n";

static const char agentbench_rules[] =
    "You are in a household and have a task to do there, step by step. First you are told what is "
    "around you and what the task is. In each turn you get the list of the actions that are open "
    "to "
    "you and choose one of them; only these count. Write nothing but\n"
    "ACTION: the action you choose\n"
    "or, when you want to think first,\n"
    "THOUGHT: what you think\n"
    " ACTION: the action you choose\n"
    "After each action you see what came of it. \"Nothing happens.\" means that the action was not "
    "possible: try another one.\n"
    "Here is one example.\n"
    "You are in the middle of a room. Looking quickly around you, you see a cabinet 1, a fridge 1, "
    "a "
    "microwave 1, and a sidetable 1.\n"
    "Your task is to: heat some egg and put it on sidetable.\n"
    "THOUGHT: I look for an egg first, most likely in the fridge. Then I heat it with the "
    "microwave "
    "and bring it to the sidetable.\n ACTION: go to fridge 1\n"
    "The fridge 1 is closed.\n"
    "ACTION: open fridge 1\n"
    "You open the fridge 1. The fridge 1 is open. In it, you see a egg 1, and a lettuce 1.\n"
    "ACTION: take egg 1 from fridge 1\n"
    "You pick up the egg 1 from the fridge 1.\n"
    "ACTION: go to microwave 1\n"
    "The microwave 1 is closed.\n"
    "ACTION: heat egg 1 with microwave 1\n"
    "You heat the egg 1 using the microwave 1.\n"
    "ACTION: go to sidetable 1\n"
    "On the sidetable 1, you see a fork 1.\n"
    "ACTION: move egg 1 to sidetable 1\n"
    "You move the egg 1 to the sidetable 1.\n";

/* ---- open and close ---- */

static void end_episode(house_env *e)
{
    json_decref(e->task);
    e->task = NULL;
    free(e->gold_at);
    e->gold_at = NULL;
    e->n_gold = 0;
    e->n_replies = e->n_impossible = 0;
    e->n_done = 0;
    house_seeker_free(e->seeker);
    e->seeker = NULL;
    memset(e->last, 0, sizeof e->last);
}

static cmat_status house_open(cmat_env **out, const cmat_env_options *opts, cmat_error *err)
{
    (void)err;
    house_env *e = cmat_xcalloc(1, sizeof *e);
    e->base.opts = *opts;
    e->agentbench = cmat_env_is_agentbench(opts);
    if (e->base.opts.max_steps == 0)
        e->base.opts.max_steps = e->agentbench ? AGENTBENCH_STEPS : SHORT_STEPS;
    *out = &e->base;
    return CMAT_OK;
}

static void house_close(cmat_env *env)
{
    house_env *e = (house_env *)env;
    end_episode(e);
    house_play_clear(&e->play);
    cmat_buf_clear(&e->command);
    free(e->done);
    free(e);
}

/* ---- observations ---- */

static void offer(const house_env *e, cmat_buf *out)
{
    if (!e->agentbench)
        return;
    cmat_buf_puts(out, " " OFFERS);
    for (size_t i = 0; i < e->play.n_commands; i++)
        cmat_buf_printf(out, "%s%s", i ? "\n" : "", e->play.commands[i]);
    cmat_buf_putc(out, '\n');
}

/* The game's own beginning without its greeting, the paragraphs a line each. */
static cmat_status first_view(house_env *e, cmat_buf *out, cmat_error *err)
{
    cmat_buf intro = {0};
    cmat_status st = house_play_intro(&e->play, &intro, err);
    const char *p = cmat_buf_str(&intro), *body = strstr(p, "\n\n");
    if (e->agentbench)
        cmat_buf_puts(out, "Here is your task. ");
    for (p = body ? body + 2 : p; *p; p++) {
        cmat_buf_putc(out, *p);
        if (*p == '\n' && p[1] == '\n')
            p++;
    }
    cmat_buf_clear(&intro);
    return st;
}

/* ---- reset and step ---- */

/* The game stays while the same task comes again (several samples of it). */
static cmat_status use_game(house_env *e, const cmat_task *task, cmat_error *err)
{
    char hash[sizeof e->game_of];
    house_game *g = NULL;
    cmat_task_hash(task, hash);
    if (e->play.game && strcmp(e->game_of, hash) == 0) {
        house_play_start(&e->play, e->play.game);
        return CMAT_OK;
    }
    cmat_status st = house_task_game(task, &g, err);
    if (st != CMAT_OK)
        return st;
    house_play_start(&e->play, g);
    house_game_unref(g);
    memcpy(e->game_of, hash, sizeof hash);
    return CMAT_OK;
}

static cmat_status house_reset(cmat_env *env, const cmat_task *task, cmat_obs *obs, cmat_error *err)
{
    house_env *e = (house_env *)env;
    end_episode(e);
    cmat_status st = use_game(e, task, err);
    if (st == CMAT_OK)
        st = house_play_list(&e->play, err);
    if (st == CMAT_OK)
        st = first_view(e, &obs->text, err);
    if (st != CMAT_OK)
        return st;
    e->seeker = house_seeker_new(cmat_buf_str(&obs->text));
    offer(e, &obs->text);
    e->task = json_incref(task->json);
    return CMAT_OK;
}

static void house_prompt(cmat_env *env, cmat_buf *out)
{
    cmat_buf_puts(out, ((house_env *)env)->agentbench ? agentbench_rules : short_rules);
}

/* The command that a reply comes to; false: it holds none. */
static bool read_command(house_env *e, const char *reply)
{
    if (!e->agentbench)
        return house_reply_short(reply, &e->command);
    if (!house_reply_agentbench(reply, &e->command))
        return false;
    const char *meant =
        house_closest_bleu(e->play.commands, e->play.n_commands, cmat_buf_str(&e->command));
    if (meant) {
        cmat_buf_truncate(&e->command, 0);
        cmat_buf_puts(&e->command, meant);
    }
    return true;
}

static void no_command(house_env *e, cmat_obs *obs)
{
    obs->error = true;
    if (e->agentbench) {
        obs->done = obs->invalid_action = true;
        return;
    }
    obs->invalid_format = true;
    cmat_buf_puts(&obs->text, "Nothing happens.");
}

/* AgentBench gives up when the last three of more than three replies are the same. */
static bool goes_round(house_env *e, const char *reply)
{
    const uint64_t h = cmat_fnv1a(reply, strlen(reply));
    const bool round = e->n_replies >= 3 && e->last[0] == h && e->last[1] == h;
    e->last[0] = e->last[1];
    e->last[1] = h;
    e->n_replies++;
    return round;
}

static uint64_t state_hash(const house_state *s)
{
    return cmat_fnv1a(s->bits, s->n_words * sizeof *s->bits);
}

/* A command in a state of that hash. */
static uint64_t done_key(uint64_t state, const char *command)
{
    return state * 0x9e3779b97f4a7c15u ^ cmat_fnv1a(command, strlen(command));
}

static void remember(house_env *e, const char *command)
{
    e->done = cmat_xgrow(e->done, &e->cap_done, e->n_done + 1, sizeof *e->done);
    e->done[e->n_done++] = done_key(state_hash(&e->play.state), command);
}

static bool was_done(const house_env *e, uint64_t key)
{
    for (size_t i = 0; i < e->n_done; i++)
        if (e->done[i] == key)
            return true;
    return false;
}

static cmat_status house_step(cmat_env *env, const char *reply, cmat_obs *obs, cmat_error *err)
{
    house_env *e = (house_env *)env;
    bool possible;
    cmat_status st = house_play_list(&e->play, err);
    if (st != CMAT_OK)
        return st;
    if (!read_command(e, reply)) {
        no_command(e, obs);
        return CMAT_OK;
    }
    remember(e, cmat_buf_str(&e->command));
    st = house_play_say(&e->play, cmat_buf_str(&e->command), &obs->text, &possible, err);
    if (st == CMAT_OK)
        st = house_play_list(&e->play, err);
    if (st != CMAT_OK)
        return st;
    house_seeker_see(e->seeker, cmat_buf_str(&e->command), cmat_buf_str(&obs->text));
    e->n_impossible += !possible;
    obs->error = !possible;
    obs->done = e->play.won;
    offer(e, &obs->text);
    if (goes_round(e, reply) && e->agentbench) {
        e->play.won = false; /* the benchmark counts it as failed, whatever was reached */
        obs->done = obs->invalid_action = true;
    }
    return CMAT_OK;
}

/* ---- facts, constraint, actions ---- */

static cmat_status house_dry_run(cmat_env *env, const char *reply, cmat_facts *facts,
                                 cmat_error *err)
{
    house_env *e = (house_env *)env;
    cmat_status st = house_play_list(&e->play, err);
    if (st != CMAT_OK)
        return st;
    if (!read_command(e, reply)) {
        facts->verdict = CMAT_FACT_BAD;
        facts->facts = json_pack("{s:b, s:b}", "parses", 0, "admissible", 0);
        cmat_buf_puts(&facts->text, "wrong: there is no command");
        return CMAT_OK;
    }
    const char *said = cmat_buf_str(&e->command);
    const char *near = house_closest_edit(e->play.commands, e->play.n_commands, said);
    const bool possible = near && strcmp(near, said) == 0;
    facts->facts = json_object();
    json_object_set_new(facts->facts, "parses", json_true());
    json_object_set_new(facts->facts, "admissible", json_boolean(possible));
    json_object_set_new(facts->facts, "outcome", cmat_json_text(said, strlen(said)));
    if (possible) {
        cmat_buf_puts(&facts->text, "possible");
        return CMAT_OK;
    }
    facts->verdict = CMAT_FACT_BAD;
    cmat_buf_puts(&facts->text, "wrong: not possible here and now");
    if (near) {
        json_object_set_new(facts->facts, "nearest", cmat_json_text(near, strlen(near)));
        cmat_buf_printf(&facts->text, "; the nearest that is: %s", near);
    }
    return CMAT_OK;
}

static size_t house_actions(cmat_env *env, const char *const **out)
{
    house_env *e = (house_env *)env;
    if (!e->play.game || house_play_list(&e->play, NULL) != CMAT_OK)
        return 0;
    *out = e->play.commands;
    return e->play.n_commands;
}

/* The possible commands but for those that were said in this very state before, into out; their
 * number. Nothing is chance here: such a command would bring about what it did then, and whoever
 * goes round in a circle would do so to the end. */
static size_t not_done(const house_env *e, const char **out)
{
    const uint64_t state = state_hash(&e->play.state);
    size_t n = 0;
    for (size_t i = 0; i < e->play.n_commands; i++)
        if (!was_done(e, done_key(state, e->play.commands[i])))
            out[n++] = e->play.commands[i];
    return n;
}

static cmat_status house_constraint(cmat_env *env, cmat_acceptor **out, cmat_error *err)
{
    house_env *e = (house_env *)env;
    cmat_choices_options o = {.think = e->agentbench ? "THOUGHT: " : "Think: ",
                              .think_max = THOUGHT_MAX,
                              .lead = e->agentbench ? "ACTION: " : NULL};
    *out = NULL;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "house: no task has been set");
    cmat_status st = house_play_list(&e->play, err);
    if (st != CMAT_OK)
        return st;
    o.choices = e->play.commands;
    o.n = e->play.n_commands;
    const char **fresh = e->agentbench ? NULL : cmat_xcalloc(o.n + 1, sizeof *fresh);
    const size_t n_fresh = fresh ? not_done(e, fresh) : 0;
    if (n_fresh > 0) {
        o.choices = fresh;
        o.n = n_fresh;
    }
    *out = cmat_choices_new(&o);
    free(fresh);
    return CMAT_OK;
}

/* ---- score, oracle ---- */

static cmat_status house_score(cmat_env *env, double *score, cmat_error *err)
{
    const house_env *e = (const house_env *)env;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "house: no task has been set");
    *score = e->play.won ? 1 : 0;
    return CMAT_OK;
}

/* Plays the task's own way once aside, to know its states. */
static void walk_gold(house_env *e)
{
    const json_t *gold = json_object_get(e->task, "gold"), *step;
    house_play p = {0};
    cmat_buf text = {0};
    size_t i;
    bool possible = true;
    e->gold_at = cmat_xcalloc(json_array_size(gold) + 1, sizeof *e->gold_at);
    house_play_start(&p, e->play.game);
    json_array_foreach(gold, i, step)
    {
        const char *command = json_string_value(step);
        e->gold_at[i] = state_hash(&p.state);
        if (!command || house_play_say(&p, command, &text, &possible, NULL) != CMAT_OK || !possible)
            break;
        e->n_gold = i + 1;
    }
    house_play_clear(&p);
    cmat_buf_clear(&text);
}

/* On the task's own way its next step, elsewhere the planner's. */
static bool house_oracle(cmat_env *env, cmat_buf *out)
{
    house_env *e = (house_env *)env;
    if (!e->task || env->done)
        return false;
    if (!e->gold_at)
        walk_gold(e);
    const uint64_t here = state_hash(&e->play.state);
    const char *next = NULL;
    json_t *way = NULL;
    for (size_t i = e->n_gold; i-- > 0 && !next;)
        if (e->gold_at[i] == here)
            next = json_string_value(json_array_get(json_object_get(e->task, "gold"), i));
    if (!next) {
        way = house_plan(e->play.game, &e->play.state);
        next = json_string_value(json_array_get(way, 0));
    }
    if (next)
        cmat_buf_printf(out, "%s%s", e->agentbench ? "ACTION: " : "", next);
    json_decref(way);
    return next != NULL;
}

/* The player that searches. */
static bool house_teacher(cmat_env *env, cmat_buf *out)
{
    house_env *e = (house_env *)env;
    const size_t before = out->len;
    if (!e->task || env->done)
        return false;
    cmat_buf_puts(out, e->agentbench ? "ACTION: " : "");
    if (house_seeker_next(e->seeker, out))
        return true;
    cmat_buf_truncate(out, before);
    return false;
}

static const char *house_error_kind(cmat_env *env)
{
    const house_env *e = (const house_env *)env;
    if (e->play.won)
        return NULL;
    if (e->n_replies == 0)
        return "no command";
    return 2 * e->n_impossible > e->n_replies ? "impossible commands" : "goal not reached";
}

/* ---- snapshots ---- */

typedef struct {
    uint64_t last[2];
    int32_t n_replies, won;
} snapshot_head;

static cmat_status house_snapshot(cmat_env *env, cmat_buf *out, cmat_error *err)
{
    const house_env *e = (const house_env *)env;
    snapshot_head h = {.won = e->play.won};
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "house: no task has been set");
    if (e->agentbench) { /* elsewhere what was said before does not matter */
        memcpy(h.last, e->last, sizeof h.last);
        h.n_replies = e->n_replies < 3 ? e->n_replies : 3;
    }
    cmat_buf_add(out, &h, sizeof h);
    cmat_buf_add(out, e->play.state.bits, 2 * e->play.state.n_words * sizeof *e->play.state.bits);
    return CMAT_OK;
}

static cmat_status house_restore(cmat_env *env, const void *state, size_t len, cmat_error *err)
{
    house_env *e = (house_env *)env;
    const size_t n = 2 * e->play.state.n_words * sizeof *e->play.state.bits;
    snapshot_head h;
    if (!e->task || len != sizeof h + n)
        return cmat_fail(err, CMAT_ERR_STATE, "house: the snapshot is of another task");
    memcpy(&h, state, sizeof h);
    memcpy(e->play.state.bits, (const char *)state + sizeof h, n);
    memcpy(e->last, h.last, sizeof h.last);
    if (e->agentbench)
        e->n_replies = h.n_replies;
    e->play.won = h.won;
    e->play.fresh = false;
    e->n_done = 0;
    house_seeker_forget(e->seeker); /* it has not seen what has become of the world */
    return CMAT_OK;
}

static cmat_status house_generate_op(cmat_env *env, int split, size_t n, uint64_t seed,
                                     cmat_task_list *out, cmat_error *err)
{
    (void)env;
    return house_generate(split, n, seed, out, err);
}

extern const cmat_env_ops cmat_env_house;
const cmat_env_ops cmat_env_house = {
    .name = "house",
    .summary = "household tasks in a text world (ALFWorld)",
    .passing = OFFERS,
    .open = house_open,
    .close = house_close,
    .generate = house_generate_op,
    .import = house_import,
    .reset = house_reset,
    .prompt = house_prompt,
    .step = house_step,
    .dry_run = house_dry_run,
    .constraint = house_constraint,
    .score = house_score,
    .oracle = house_oracle,
    .teacher = house_teacher,
    .actions = house_actions,
    .snapshot = house_snapshot,
    .restore = house_restore,
    .error_kind = house_error_kind,
};
