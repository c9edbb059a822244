/* env/shop/shop.c - the shop: WebShop's task of buying what is asked for, as text. */
#include "env/shop/shop.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/choices.h"
#include "env/shop/pages.h"
#include <stdlib.h>
#include <string.h>

enum {
    SHORT_STEPS = 15,
    AGENTBENCH_STEPS = 10,
    SHORT_BUDGET = 1600,
    AGENTBENCH_BUDGET = 8000,
    THOUGHT_MAX = 200,
    WORDS_MAX = 300 /* of a search */
};

static const char short_rules[] =
    "You shop in a web shop: find the product that is asked for, choose its options, buy it.\n"
    "search[words] on the search page finds products. click[x] clicks what stands in [brackets] on "
    "the page.\n"
    "Open a product by its code. Choose every option that is asked for. Look at the price. End "
    "with "
    "click[buy now].\n"
    "You may think in one line first: Think: ...\n"
    "Then write one action.\n";

static const char agentbench_rules[] =
    "You are web shopping. You are told what to buy and have to follow that instruction. Every "
    "round "
    "you "
    "see an observation and a list of available actions, and answer with one action.\n"
    "Searching is possible where the list says so; of the clickables you can click each one.\n"
    "An action has one of these forms:\n"
    "search[keywords]\n"
    "click[value]\n"
    "An action that is not valid does nothing. The keywords are up to you and should be chosen "
    "with "
    "care; the value to click must be one of the list.\n"
    "Your answer has this form:\n\n"
    "Thought:\nI think ...\n\nAction:\nclick[something]\n\n"
    "Here is one example.\n"
    "Observation:\nWebShop [SEP] Instruction: [SEP] i need a tin of loose green tea that is "
    "organic, "
    "8 ounces, and price lower than 20.00 dollars [SEP] Search\n\n"
    "Available Actions:\n{'has_search_bar': True, 'clickables': ['search']}\n"
    "Thought:\nI think I should search for the tea by its kind and size.\n\n"
    "Action:\nsearch[organic loose green tea 8 ounces]\n"
    "Observation:\nInstruction: [SEP] i need a tin of loose green tea that is organic, 8 ounces, "
    "and "
    "price lower than 20.00 dollars [SEP] Back to Search [SEP] Page 1 (Total results: 2) [SEP] "
    "Next > "
    "[SEP] TEA0000017 [SEP] Hill Garden Organic Green Tea, Loose Leaf [SEP] $14.5 [SEP] TEA0000102 "
    "[SEP] Morning Black Tea Bags [SEP] $6.0\n\n"
    "Available Actions:\n{'has_search_bar': False, 'clickables': ['back to search', 'next >', "
    "'tea0000017', 'tea0000102']}\n"
    "Thought:\nI think the first product is what is asked for.\n\n"
    "Action:\nclick[tea0000017]\n"
    "Observation:\nInstruction: [SEP] i need a tin of loose green tea that is organic, 8 ounces, "
    "and "
    "price lower than 20.00 dollars [SEP] Back to Search [SEP] < Prev [SEP] size [SEP] 4 ounce "
    "[SEP] "
    "8 ounce [SEP] Hill Garden Organic Green Tea, Loose Leaf [SEP] Price: $14.5 [SEP] Rating: N.A. "
    "[SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now\n\n"
    "Available Actions:\n{'has_search_bar': False, 'clickables': ['back to search', '< prev', "
    "'description', 'features', 'reviews', 'buy now', '4 ounce', '8 ounce']}\n"
    "Thought:\nI think the size has to be chosen before buying.\n\n"
    "Action:\nclick[8 ounce]\n";

/* ---- open and close ---- */

static void end_episode(shop_env *e)
{
    shop_goal_clear(&e->goal);
    json_decref(e->task);
    e->task = NULL;
    shop_world_unref(e->world);
    e->world = NULL;
    e->reward = (shop_reward){0};
    e->n_replies = e->n_wrong = 0;
}

static void shop_close(cmat_env *env)
{
    shop_env *e = (shop_env *)env;
    end_episode(e);
    shop_play_clear(&e->play);
    shop_world_unref(e->own);
    shop_pool_unref(e->pool);
    shop_action_clear(&e->action);
    cmat_buf_clear(&e->text);
    free(e->listed);
    free(e);
}

static cmat_status load(shop_world **out, const char *name, void *unused, cmat_error *err)
{
    (void)unused;
    return shop_world_load(out, name, err);
}

static cmat_status shop_open(cmat_env **out, const cmat_env_options *opts, cmat_error *err)
{
    const shop_env *like = (const shop_env *)opts->like;
    shop_env *e = cmat_xcalloc(1, sizeof *e);
    e->base.opts = *opts;
    e->agentbench = cmat_env_is_agentbench(opts);
    if (e->base.opts.max_steps == 0)
        e->base.opts.max_steps = e->agentbench ? AGENTBENCH_STEPS : SHORT_STEPS;
    if (e->base.opts.obs_budget == 0)
        e->base.opts.obs_budget = e->agentbench ? AGENTBENCH_BUDGET : SHORT_BUDGET;
    e->pool = like ? shop_pool_ref(like->pool) : shop_pool_new();
    const cmat_status st =
        opts->path ? shop_pool_get(e->pool, opts->path, load, NULL, &e->own, err) : CMAT_OK;
    if (st != CMAT_OK) {
        shop_close(&e->base);
        return st;
    }
    *out = &e->base;
    return CMAT_OK;
}

/* ---- observations ---- */

static void observe(shop_env *e, cmat_buf *out)
{
    const size_t budget = (size_t)e->base.opts.obs_budget;
    if (!e->agentbench) {
        shop_page_short(out, &e->play, budget);
        return;
    }
    if (e->play.page == SHOP_DONE) {
        shop_page_seps(out, &e->play, e->instruction, budget);
        return;
    }
    cmat_buf_puts(out, "Observation:\n");
    const size_t room = budget > 100 ? budget - 40 : budget; /* for the two headings */
    shop_page_seps(out, &e->play, e->instruction, room / 5 * 3);
    cmat_buf_puts(out, "\n\nAvailable Actions:\n");
    shop_page_offers(out, &e->play, room / 5 * 2);
}

static cmat_status shop_reset(cmat_env *env, const cmat_task *task, cmat_obs *obs, cmat_error *err)
{
    shop_env *e = (shop_env *)env;
    end_episode(e);
    cmat_status st = shop_task_world(e->pool, e->own, task->json, &e->world, err);
    if (st == CMAT_OK)
        st = shop_goal_init(&e->goal, json_object_get(task->json, "goal"), task->id, err);
    if (st != CMAT_OK)
        return st;
    e->task = json_incref(task->json);
    e->instruction = cmat_json_str(task->json, "instruction", "");
    shop_play_start(&e->play, e->world);
    if (!e->agentbench) {
        cmat_buf_puts(&obs->text, "Task: ");
        cmat_text_inert(&obs->text, e->instruction, strlen(e->instruction));
        cmat_buf_putc(&obs->text, '\n');
    }
    observe(e, &obs->text);
    return CMAT_OK;
}

static void shop_prompt(cmat_env *env, cmat_buf *out)
{
    cmat_buf_puts(out, ((shop_env *)env)->agentbench ? agentbench_rules : short_rules);
}

/* ---- steps ---- */

void shop_env_read(shop_env *e, const char *reply)
{
    if (e->agentbench)
        shop_reply_agentbench(&e->action, reply);
    else
        shop_reply_short(&e->action, reply);
}

static void no_action(shop_env *e, cmat_obs *obs)
{
    obs->error = obs->invalid_format = true;
    if (e->agentbench) { /* the benchmark ends the sample there */
        obs->done = true;
        return;
    }
    cmat_buf_puts(&obs->text, "There is no action in this: write search[words] or click[x].\n");
    observe(e, &obs->text);
}

static void buy(shop_env *e)
{
    const char *chosen[SHOP_OPTIONS_MAX];
    const size_t n = shop_play_chosen(&e->play, chosen);
    e->reward = shop_reward_of(e->play.item, &e->goal, chosen, n);
}

static cmat_status shop_step(cmat_env *env, const char *reply, cmat_obs *obs, cmat_error *err)
{
    shop_env *e = (shop_env *)env;
    bool possible = true;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "shop: no task has been set");
    shop_env_read(e, reply);
    e->n_replies++;
    if (e->action.verb == SHOP_NO_ACTION) {
        e->n_wrong++;
        no_action(e, obs);
        return CMAT_OK;
    }
    if (e->action.verb == SHOP_SAY_SEARCH)
        shop_play_search(&e->play, cmat_buf_str(&e->action.arg));
    else
        possible = e->action.verb == SHOP_SAY_CLICK &&
                   shop_play_click(&e->play, cmat_buf_str(&e->action.arg));
    if (e->play.page == SHOP_DONE) {
        buy(e);
        obs->done = true;
    }
    obs->error = !possible;
    e->n_wrong += !possible;
    if (!possible && !e->agentbench)
        cmat_buf_puts(&obs->text, "That cannot be clicked here.\n");
    observe(e, &obs->text);
    return CMAT_OK;
}

/* ---- actions and constraint ---- */

static void list(shop_env *e, const char *text, size_t *ends)
{
    cmat_buf_puts(&e->text, text);
    cmat_buf_putc(&e->text, 0);
    ends[e->n_listed++] = e->text.len;
}

static int text_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What can be clicked as actions, in a line, without brackets inside: e->listed, sorted. */
static void list_actions(shop_env *e, bool with_search)
{
    shop_click *clicks;
    const size_t n = shop_play_clicks(&e->play, &clicks);
    size_t *ends = cmat_xcalloc(n + 2, sizeof *ends);
    cmat_buf one = {0};
    e->n_listed = 0;
    cmat_buf_truncate(&e->text, 0);
    for (size_t i = 0; i < n; i++) {
        if (clicks[i].kind == SHOP_NOTHING || strpbrk(clicks[i].label, "[]\r\n"))
            continue;
        cmat_buf_truncate(&one, 0);
        cmat_buf_printf(&one, "click[%s]", clicks[i].label);
        list(e, cmat_buf_str(&one), ends);
    }
    if (with_search && e->play.page == SHOP_SEARCH) {
        cmat_buf_truncate(&one, 0);
        cmat_buf_puts(&one, "search[");
        for (const char *p = e->instruction; *p && one.len < WORDS_MAX; p++)
            cmat_buf_putc(&one, strchr("[]\r\n", *p) ? ' ' : *p);
        cmat_buf_truncate(&one, cmat_utf8_valid_prefix(one.data, one.len));
        cmat_buf_putc(&one, ']');
        list(e, cmat_buf_str(&one), ends);
    }
    e->listed = cmat_xrealloc(e->listed, (e->n_listed + 1) * sizeof *e->listed);
    for (size_t i = 0; i < e->n_listed; i++)
        e->listed[i] = e->text.data + (i ? ends[i - 1] : 0);
    qsort(e->listed, e->n_listed, sizeof *e->listed, text_order);
    cmat_buf_clear(&one);
    free(ends);
    free(clicks);
}

static size_t shop_actions(cmat_env *env, const char *const **out)
{
    shop_env *e = (shop_env *)env;
    if (!e->task)
        return 0;
    list_actions(e, true);
    *out = e->listed;
    return e->n_listed;
}

static cmat_status shop_constraint(cmat_env *env, cmat_acceptor **out, cmat_error *err)
{
    shop_env *e = (shop_env *)env;
    *out = NULL;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "shop: no task has been set");
    list_actions(e, false);
    *out = cmat_choices_new(&(cmat_choices_options){
        .think = e->agentbench ? "Thought:\n" : "Think: ",
        .think_max = THOUGHT_MAX,
        .lead = e->agentbench ? "Action:\n" : NULL,
        .choices = e->listed,
        .n = e->n_listed,
        .free_lead = e->play.page == SHOP_SEARCH ? "search[" : NULL,
        .free_end = ']',
        .free_max = WORDS_MAX,
    });
    return CMAT_OK;
}

/* ---- score, oracle ---- */

static cmat_status shop_score(cmat_env *env, double *score, cmat_error *err)
{
    const shop_env *e = (const shop_env *)env;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "shop: no task has been set");
    *score = e->reward.total;
    return CMAT_OK;
}

/* The words that the task's own way searches for. */
static bool gold_query(const shop_env *e, cmat_buf *out)
{
    const char *first = json_string_value(json_array_get(json_object_get(e->task, "gold"), 0));
    const size_t n = first ? strlen(first) : 0;
    if (n < 8 || strncmp(first, "search[", 7) != 0 || first[n - 1] != ']')
        return shop_plan_search(e->world, &e->goal, e->instruction, out);
    cmat_buf_add(out, first + 7, n - 8);
    return true;
}

static bool shop_oracle(cmat_env *env, cmat_buf *out)
{
    shop_env *e = (shop_env *)env;
    cmat_buf query = {0};
    bool found = false;
    if (!e->task || env->done)
        return false;
    if (gold_query(e, &query)) {
        cmat_buf_puts(out, e->agentbench ? "Action:\n" : "");
        found = shop_plan_next(&e->play, &e->goal, cmat_buf_str(&query), out);
    }
    cmat_buf_clear(&query);
    return found;
}

/* A click on the search page, words without brackets, a search for nothing that is there. */
static bool shop_slip(cmat_env *env, cmat_rng *rng, cmat_buf *out)
{
    const shop_env *e = (const shop_env *)env;
    if (!e->task)
        return false;
    cmat_buf_puts(out, e->agentbench ? "Action:\n" : "");
    switch (cmat_rng_below(rng, 3)) {
    case 0:
        cmat_buf_puts(out, "click[buy now]");
        break;
    case 1:
        cmat_buf_printf(out, "search %s", e->goal.query);
        break;
    default:
        cmat_buf_printf(out, "click[%s]", e->goal.query);
    }
    return true;
}

static const char *shop_error_kind(cmat_env *env)
{
    const shop_env *e = (const shop_env *)env;
    const shop_reward *r = &e->reward;
    if (!e->task || r->total >= 1)
        return NULL;
    if (e->play.page != SHOP_DONE)
        return 2 * e->n_wrong > e->n_replies ? "impossible actions" : "nothing bought";
    if (r->r_type < 1)
        return "wrong kind of product";
    if (r->n_options < e->goal.n_options)
        return "wrong options";
    return r->n_attributes < e->goal.attributes.n ? "wrong attributes" : "too expensive";
}

/* ---- snapshots ---- */

typedef struct {
    int32_t page, page_no, item;      /* item: number of the product, -1: none */
    int32_t chosen[SHOP_OPTIONS_MAX]; /* the keywords follow */
} snapshot_head;

static cmat_status shop_snapshot(cmat_env *env, cmat_buf *out, cmat_error *err)
{
    const shop_env *e = (const shop_env *)env;
    const shop_play *p = &e->play;
    snapshot_head h = {.page = p->page, .page_no = p->page_no, .item = -1};
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "shop: no task has been set");
    if (p->item)
        h.item = (int32_t)(p->item - p->world->products);
    for (size_t i = 0; i < SHOP_OPTIONS_MAX; i++)
        h.chosen[i] = p->chosen[i];
    cmat_buf_add(out, &h, sizeof h);
    cmat_buf_add(out, cmat_buf_str(&p->keywords), p->keywords.len);
    return CMAT_OK;
}

static bool fits(const shop_env *e, const snapshot_head *h)
{
    if (h->page < 0 || h->page > SHOP_DONE || h->page_no < 0 || h->item < -1 ||
        h->item >= (int64_t)e->world->n || (h->page > SHOP_RESULTS && h->item < 0) ||
        (h->page == SHOP_RESULTS && h->page_no < 1))
        return false;
    const shop_product *q = h->item < 0 ? NULL : &e->world->products[h->item];
    for (size_t i = 0; i < SHOP_OPTIONS_MAX; i++)
        if (h->chosen[i] < -1 ||
            (h->chosen[i] >= 0 &&
             (!q || i >= q->n_options || (size_t)h->chosen[i] >= q->options[i].values.n)))
            return false;
    return true;
}

static cmat_status shop_restore(cmat_env *env, const void *state, size_t len, cmat_error *err)
{
    shop_env *e = (shop_env *)env;
    snapshot_head h = {0};
    if (e->task && len >= sizeof h)
        memcpy(&h, state, sizeof h);
    if (!e->task || len < sizeof h || !fits(e, &h))
        return cmat_fail(err, CMAT_ERR_STATE, "shop: the snapshot is of another task");
    char *words = cmat_xstrndup((const char *)state + sizeof h, len - sizeof h);
    shop_play_start(&e->play, e->world);
    if (h.page_no > 0)
        shop_play_search(&e->play, words);
    free(words);
    e->play.page = (shop_page)h.page;
    e->play.page_no = h.page_no;
    e->play.item = h.item < 0 ? NULL : &e->world->products[h.item];
    for (size_t i = 0; i < SHOP_OPTIONS_MAX; i++)
        e->play.chosen[i] = h.chosen[i];
    e->reward = (shop_reward){0};
    if (e->play.page == SHOP_DONE)
        buy(e);
    return CMAT_OK;
}

static cmat_status shop_generate_op(cmat_env *env, int split, size_t n, uint64_t seed,
                                    cmat_task_list *out, cmat_error *err)
{
    return shop_generate(env ? ((shop_env *)env)->own : NULL, split, n, seed, out, err);
}

extern const cmat_env_ops cmat_env_shop;
const cmat_env_ops cmat_env_shop = {
    .name = "shop",
    .summary = "buying what is asked for in a web shop (WebShop)",
    .passing = SHOP_PAGE_MARK,
    .open = shop_open,
    .close = shop_close,
    .generate = shop_generate_op,
    .import = shop_import,
    .reset = shop_reset,
    .prompt = shop_prompt,
    .step = shop_step,
    .dry_run = shop_env_dry_run,
    .constraint = shop_constraint,
    .score = shop_score,
    .oracle = shop_oracle,
    .actions = shop_actions,
    .snapshot = shop_snapshot,
    .restore = shop_restore,
    .slip = shop_slip,
    .error_kind = shop_error_kind,
};
