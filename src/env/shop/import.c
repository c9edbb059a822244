/* env/shop/import.c - tasks out of WebShop's files, and the shop that a task is in. */
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/shop/files.h"
#include "env/shop/make.h"
#include "env/shop/shop.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 10, COMBINATIONS_MAX = 1000, NO_LIMIT = 1000000 };

int shop_split_of(const char *key)
{
    const uint64_t part = cmat_fnv1a(key, strlen(key)) * 0x9e3779b97f4a7c15u >> 32;
    return part % 10 == 0 ? 2 : part % 10 == 1 ? 1 : 0;
}

/* ---- the solver ---- */

/* Plays the goal through; its actions as a new array, NULL: it cannot be had with a reward of 1. */
static json_t *solve(const shop_world *w, const shop_goal *g, const char *instruction)
{
    shop_play p = {0};
    cmat_buf query = {0}, action = {0};
    json_t *way = json_array();
    double reward = 0;
    shop_play_start(&p, w);
    if (shop_plan_search(w, g, instruction, &query))
        while (p.page != SHOP_DONE && json_array_size(way) < STEPS_MAX) {
            cmat_buf_truncate(&action, 0);
            shop_plan_next(&p, g, cmat_buf_str(&query), &action);
            const char *said = cmat_buf_str(&action);
            char *arg = cmat_xstrndup(strchr(said, '[') + 1, strlen(strchr(said, '[')) - 2);
            json_array_append_new(way, cmat_json_text(said, action.len));
            if (*said == 's')
                shop_play_search(&p, arg);
            const bool done = *said == 's' || (!strpbrk(arg, "[]\n") && shop_play_click(&p, arg));
            free(arg);
            if (!done)
                break;
        }
    if (p.page == SHOP_DONE) {
        const char *chosen[SHOP_OPTIONS_MAX];
        const size_t n = shop_play_chosen(&p, chosen);
        reward = shop_reward_of(p.item, g, chosen, n).total;
    }
    if (reward < 1) {
        json_decref(way);
        way = NULL;
    }
    shop_play_clear(&p);
    cmat_buf_clear(&query);
    cmat_buf_clear(&action);
    return way;
}

/* The content decides: what is asked for, in which words. */
static void task_id(char id[32], const json_t *goal, const char *instruction)
{
    char hex[65];
    cmat_buf b = {0};
    cmat_json_print(&b, goal);
    cmat_buf_puts(&b, instruction);
    cmat_sha256_hex(b.data, b.len, hex);
    snprintf(id, 32, "shop-%.16s", hex);
    cmat_buf_clear(&b);
}

cmat_status shop_add_task(const shop_world *w, json_t *goal, const char *instruction,
                          const json_t *where, cmat_task_list *out, cmat_error *err)
{
    shop_goal g;
    char id[32];
    cmat_task t;
    cmat_status st = shop_goal_init(&g, goal, "shop", err);
    if (st != CMAT_OK)
        return st;
    json_t *gold = solve(w, &g, instruction);
    if (gold) {
        const shop_product *p = shop_world_find(w, g.asin);
        task_id(id, goal, instruction);
        json_t *j = json_pack("{s:s, s:s, s:o, s:o, s:O, s:O}", "id", id, "env", "shop", "kind",
                              cmat_json_text(*p->category ? p->category : "other",
                                             strlen(*p->category ? p->category : "other")),
                              "instruction", cmat_json_text(instruction, strlen(instruction)),
                              "goal", goal, "gold", gold);
        json_object_update_missing(j, (json_t *)where);
        if ((st = cmat_task_init(&t, j, err)) == CMAT_OK)
            cmat_task_list_add(out, t);
        json_decref(j);
        json_decref(gold);
    }
    shop_goal_clear(&g);
    return st;
}

/* ---- goals of a product ---- */

typedef struct {
    const shop_world *world;
    json_t *where;
    cmat_task_list *out;
} importing;

/* WebShop's limit: two of the next four tens above the price, the higher of the two. Which ones is
 * random there; here the product decides. */
static double price_limit(const shop_product *p, const char *key)
{
    double tens[4];
    size_t n = 0;
    cmat_rng rng;
    for (int i = 1; i < 100 && n < 4; i++)
        if (10.0 * i > p->price)
            tens[n++] = 10.0 * i;
    if (n < 2)
        return NO_LIMIT;
    cmat_rng_init(&rng, cmat_fnv1a(key, strlen(key)));
    const size_t a = (size_t)cmat_rng_below(&rng, n), b = (size_t)cmat_rng_below(&rng, n - 1);
    const size_t other = b + (b >= a);
    return tens[a > other ? a : other];
}

static void add_limit(cmat_buf *text, double limit)
{
    if (limit < NO_LIMIT)
        cmat_buf_printf(text, ", and price lower than %.2f dollars", limit);
}

static json_t *goal_of(const shop_product *p, const json_t *attributes, json_t *options,
                       double limit)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:O, s:o, s:f}", "asin", p->asin, "name", p->title,
                     "query", p->query, "product_category", p->product_category, "attributes",
                     attributes, "options", options, "price_upper", limit);
}

static int name_order(const void *a, const void *b)
{
    return strcmp((*(const shop_option *const *)a)->name, (*(const shop_option *const *)b)->name);
}

/* One goal for each way to choose the options, as WebShop makes them of items_ins_v2. */
static cmat_status add_combinations(importing *in, const shop_product *p, const char *instruction,
                                    const json_t *attributes, cmat_error *err)
{
    const shop_option *sorted[SHOP_OPTIONS_MAX] = {0};
    const double limit = price_limit(p, p->asin);
    size_t n = 1;
    cmat_status st = CMAT_OK;
    for (size_t o = 0; o < p->n_options; o++) {
        sorted[o] = &p->options[o];
        n = n > COMBINATIONS_MAX ? n : n * p->options[o].values.n;
    }
    qsort(sorted, p->n_options, sizeof *sorted, name_order);
    for (size_t k = 0; st == CMAT_OK && k < n && k < COMBINATIONS_MAX; k++) {
        json_t *options = json_object();
        cmat_buf text = {0};
        size_t rest = k;
        cmat_buf_puts(&text, instruction);
        for (size_t o = 0; o < p->n_options; o++) {
            const shop_list *v = &sorted[o]->values;
            const char *value = v->items[rest % v->n];
            rest /= v->n;
            json_object_set_new(options, sorted[o]->name, json_string(value));
            cmat_buf_printf(&text, "%s%s: %s", o ? ", and " : " with ", sorted[o]->name, value);
        }
        add_limit(&text, limit);
        json_t *goal = goal_of(p, attributes, options, limit);
        st = shop_add_task(in->world, goal, cmat_buf_str(&text), in->where, in->out, err);
        json_decref(goal);
        cmat_buf_clear(&text);
    }
    return st;
}

/* People's instructions, which a product may bring along. */
static cmat_status add_human(void *arg, json_t *entry, size_t number, cmat_error *err)
{
    importing *in = arg;
    const json_t *j = shop_product_json(entry), *all = json_object_get(j, "instructions"), *one;
    const shop_product *p = shop_world_find(in->world, cmat_json_str(j, "asin", ""));
    cmat_status st = CMAT_OK;
    size_t i;
    (void)number;
    if (!p)
        return CMAT_OK;
    json_array_foreach(all, i, one)
    {
        const json_t *attributes = json_object_get(one, "instruction_attributes");
        json_t *options = json_object_get(one, "instruction_options");
        const char *said = cmat_json_str(one, "instruction", "");
        cmat_buf text = {0};
        size_t n = strlen(said);
        if (json_array_size(attributes) == 0 || st != CMAT_OK)
            continue;
        while (n > 0 && said[n - 1] == '.')
            n--;
        cmat_buf_add(&text, said, n);
        const double limit = price_limit(p, said);
        add_limit(&text, limit);
        json_t *goal = goal_of(p, attributes, options ? json_incref(options) : json_array(), limit);
        st = shop_add_task(in->world, goal, cmat_buf_str(&text), in->where, in->out, err);
        json_decref(goal);
        cmat_buf_clear(&text);
    }
    return st;
}

static int id_order(const void *a, const void *b)
{
    return strcmp(((const cmat_task *)a)->id, ((const cmat_task *)b)->id);
}

static cmat_status import_goals(importing *in, const shop_files *files, cmat_error *err)
{
    json_t *said = files->goals ? cmat_json_load(files->goals, err) : json_object();
    cmat_status st = said ? CMAT_OK : CMAT_ERR_FORMAT;
    for (size_t i = 0; st == CMAT_OK && i < in->world->n; i++) {
        const shop_product *p = &in->world->products[i];
        const json_t *j = json_object_get(said, p->asin);
        const char *instruction = cmat_json_str(j, "instruction", NULL);
        const json_t *attributes = json_object_get(j, "instruction_attributes");
        if (instruction && json_array_size(attributes) > 0)
            st = add_combinations(in, p, instruction, attributes, err);
    }
    if (st == CMAT_OK)
        st = shop_file_read(files->products, add_human, in, err);
    json_decref(said);
    return st;
}

static cmat_status import_shop(const char *path, cmat_task_list *out, cmat_error *err)
{
    shop_files files;
    shop_world *w = NULL;
    char real[PATH_MAX];
    const size_t before = out->n;
    cmat_status st = shop_files_find(&files, path, err);
    if (st != CMAT_OK)
        return st;
    st = shop_world_load(&w, files.products, err);
    if (st == CMAT_OK) {
        importing in = {
            w, json_pack("{s:s}", "path", realpath(files.products, real) ? real : files.products),
            out};
        st = import_goals(&in, &files, err);
        json_decref(in.where);
    }
    if (st == CMAT_OK && out->n == before)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND,
                       "%s: no goals: neither items_ins_v2*.json beside it nor instructions in it",
                       files.products);
    if (out->n > before)
        qsort(out->items + before, out->n - before, sizeof *out->items, id_order);
    while (st != CMAT_OK && out->n > before)
        cmat_task_clear(&out->items[--out->n]);
    shop_world_unref(w);
    shop_files_clear(&files);
    return st;
}

/* ---- which of the two a file is ---- */

static cmat_status first_entry(void *arg, json_t *entry, size_t number, cmat_error *err)
{
    (void)number;
    *(bool *)arg = json_is_string(json_object_get(entry, "instruction")) &&
                   json_is_string(json_object_get(entry, "id"));
    return cmat_fail(err, CMAT_ERR_CANCELLED, "seen");
}

cmat_status shop_import(const char *path, cmat_task_list *out, cmat_error *err)
{
    bool tasks = false;
    const size_t len = strlen(path);
    if (!cmat_path_is_dir(path) && len > 6 && strcmp(path + len - 6, ".jsonl") == 0) {
        const cmat_status st = shop_file_read(path, first_entry, &tasks, err);
        if (st != CMAT_OK && st != CMAT_ERR_CANCELLED)
            return st;
    }
    return tasks ? cmat_task_list_load(out, path, err) : import_shop(path, out, err);
}

/* ---- the shop of a task ---- */

static cmat_status open_named(shop_world **out, const char *name, void *unused, cmat_error *err)
{
    (void)unused;
    return shop_world_load(out, name, err);
}

static cmat_status open_made(shop_world **out, const char *name, void *seed, cmat_error *err)
{
    (void)name;
    return shop_make_world(out, *(const uint64_t *)seed, err);
}

cmat_status shop_task_world(shop_pool *pool, shop_world *own, const json_t *task, shop_world **out,
                            cmat_error *err)
{
    const char *id = cmat_json_str(task, "id", ""), *path = cmat_json_str(task, "path", NULL);
    const json_t *made = json_object_get(json_object_get(task, "shop"), "seed");
    const json_t *goal = json_object_get(task, "goal");
    cmat_status st = CMAT_OK;
    *out = NULL;
    if (json_is_integer(made)) {
        uint64_t seed = (uint64_t)json_integer_value(made);
        char name[40];
        snprintf(name, sizeof name, "made shop %llu", (unsigned long long)seed);
        st = shop_pool_get(pool, name, open_made, &seed, out, err);
    } else if (own) {
        *out = shop_world_ref(own);
    } else if (path) {
        st = shop_pool_get(pool, path, open_named, NULL, out, err);
    } else {
        st = cmat_fail(err, CMAT_ERR_FORMAT,
                       "neither \"path\" nor \"shop\" says which shop, and none was given");
    }
    if (st != CMAT_OK)
        return cmat_fail_prefix(err, st, "task %s", id);
    const char *asin = cmat_json_str(goal, "asin", "");
    const shop_product *p = shop_world_find(*out, asin);
    if (!p || strcmp(p->title, cmat_json_str(goal, "name", "")) != 0) {
        st = cmat_fail(err, CMAT_ERR_FORMAT, "task %s: its product %s is not in %s", id, asin,
                       (*out)->name);
        shop_world_unref(*out);
        *out = NULL;
    }
    return st;
}
