/* tests/fuzz/fuzz_shop.c - libFuzzer target: any bytes as what the shop reads.
 *
 * The first byte chooses: a products file, the words of a text, two phrases, a title, a reply in
 * either style, a snapshot, a line of what was bought. Every error must be one line; a dry run
 * changes nothing; a reward is between 0 and 1. */
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/shop/analysis.h"
#include "env/shop/fuzzy.h"
#include "env/shop/make.h"
#include "env/shop/nouns.h"
#include "env/shop/shop.h"
#include "env/shop/site_session.h"
#include "fuzz_env.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const cmat_error *err)
{
    if (!err->msg[0] || strchr(err->msg, '\n'))
        abort();
}

static const cmat_task *good_task(void)
{
    static cmat_task_list l;
    if (!l.n && shop_generate(NULL, 0, 1, 7, &l, NULL) != CMAT_OK)
        abort();
    return &l.items[0];
}

static cmat_env *good_env(bool agentbench)
{
    static cmat_env *envs[2];
    const cmat_env_options o = {.style = agentbench ? "agentbench" : "short", .like = envs[0]};
    if (!envs[agentbench] && cmat_env_open(&envs[agentbench], "shop", &o, NULL) != CMAT_OK)
        abort();
    return envs[agentbench];
}

/* A customer goes through the shop and buys what is there. */
static void walk(const shop_world *w)
{
    shop_play p = {0};
    json_t *attributes = json_pack("[s]", "red");
    json_t *options = json_object();
    const shop_product *q = &w->products[0];
    if (q->n_options > 0)
        json_object_set_new(options, q->options[0].name,
                            json_string(q->options[0].values.items[0]));
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "asin", q->asin, "name", q->title,
                          "query", q->query, "product_category", q->product_category, "attributes",
                          attributes, "options", options);
    shop_goal g;
    cmat_buf query = {0}, action = {0};
    if (!j || shop_goal_init(&g, j, "fuzz", NULL) != CMAT_OK)
        abort();
    shop_play_start(&p, w);
    if (shop_plan_search(w, &g, "red", &query))
        shop_play_search(&p, cmat_buf_str(&query));
    for (int i = 0; i < 8 && p.page != SHOP_DONE && p.page != SHOP_SEARCH; i++) {
        cmat_buf_truncate(&action, 0);
        shop_plan_next(&p, &g, cmat_buf_str(&query), &action);
        char *label = cmat_xstrndup(action.data + 6, action.len > 7 ? action.len - 7 : 0);
        shop_play_click(&p, label);
        free(label);
    }
    if (p.item) {
        const char *chosen[SHOP_OPTIONS_MAX];
        const size_t n = shop_play_chosen(&p, chosen);
        const double r = shop_reward_of(p.item, &g, chosen, n).total;
        if (!(r >= 0 && r <= 1))
            abort();
    }
    shop_play_clear(&p);
    shop_goal_clear(&g);
    json_decref(j);
    cmat_buf_clear(&query);
    cmat_buf_clear(&action);
}

static void products(const char *data, size_t size)
{
    char path[40];
    shop_world *w = NULL;
    cmat_error err = {0};
    const int fd = memfd_create("products", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (shop_world_load(&w, path, &err) == CMAT_OK)
        walk(w);
    else
        check(&err);
    shop_world_unref(w);
    close(fd);
}

static void reply(const char *text, bool agentbench)
{
    fuzz_reply(good_env(agentbench), good_task(), text);
}

static void snapshot(const char *data, size_t size)
{
    cmat_env *env = good_env(false);
    cmat_obs obs = {0};
    cmat_error err = {0};
    cmat_env_snapshot s = {0};
    cmat_buf_add(&s.state, data, size);
    if (cmat_env_reset(env, good_task(), &obs, &err) != CMAT_OK)
        abort();
    if (cmat_env_restore(env, &s, &err) != CMAT_OK)
        check(&err);
    else if (!env->done && cmat_env_step(env, "click[< prev]", &obs, &err) != CMAT_OK)
        abort();
    cmat_env_snapshot_clear(&s);
    cmat_obs_clear(&obs);
}

static void bought(const char *line)
{
    shop_sessions all = {0};
    shop_session *s;
    shop_pool *pool = shop_pool_ref(((shop_env *)good_env(false))->pool);
    cmat_buf out = {0};
    if (shop_session_new(&all, pool, NULL, good_task()->json, &s, NULL) != CMAT_OK)
        abort();
    if (shop_session_parse(s, line)) {
        shop_session_print(s, &out);
        if (!shop_session_parse(s, cmat_buf_str(&out)))
            abort();
    }
    shop_session_find(&all, line);
    cmat_buf_clear(&out);
    shop_sessions_clear(&all);
    shop_pool_unref(pool);
}

static void words(const char *text, size_t size)
{
    cmat_buf inert = {0}, out = {0};
    cmat_text_inert(&inert, text, size);
    const size_t n = shop_words(&out, cmat_buf_str(&inert), inert.len);
    size_t total = 0;
    const char *p = cmat_buf_str(&out);
    for (size_t i = 0; i < n; i++, p += strlen(p) + 1)
        total += strlen(p);
    if (total > inert.len || p != cmat_buf_str(&out) + out.len)
        abort();
    shop_analyse(&out, text, size);
    cmat_buf_clear(&inert);
    cmat_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *text = cmat_xstrndup((const char *)data + 1, size - 1), *second = strchr(text, '\n');
    cmat_buf out = {0};
    switch (data[0] % 8) {
    case 0:
        products(text, size - 1);
        break;
    case 1:
        words(text, strlen(text));
        break;
    case 2:
        if (second)
            *second++ = 0;
        const int r = shop_token_set_ratio(text, second ? second : ""),
                  back = shop_token_set_ratio(second ? second : "", text);
        if (r < 0 || r > 100 || r != back)
            abort();
        break;
    case 3:
        shop_nouns(&out, text);
        break;
    case 4:
        reply(text, false);
        break;
    case 5:
        reply(text, true);
        break;
    case 6:
        snapshot(text, size - 1);
        break;
    default:
        bought(text);
    }
    cmat_buf_clear(&out);
    free(text);
    return 0;
}
