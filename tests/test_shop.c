/* test_shop.c - the shop: words and search as Lucene has them, WebShop's reward, made shops and the
 * oracle, both styles, snapshots, broken files. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/shop/analysis.h"
#include "env/shop/fuzzy.h"
#include "env/shop/make.h"
#include "env/shop/nouns.h"
#include "env/shop/shop.h"
#include "player.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static cmat_env *open_env(const char *style, const char *path, const cmat_env *like)
{
    return player_open("shop", (cmat_env_options){.style = style, .path = path, .like = like});
}

static void make(int split, size_t n, uint64_t seed, cmat_task_list *l)
{
    cmat_error err;
    if (shop_generate(NULL, split, n, seed, l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(l->n, n);
}

/* ---- words, search ---- */

static void terms_are(const char *text, const char *want)
{
    cmat_buf terms = {0}, line = {0};
    const size_t n = shop_analyse(&terms, text, strlen(text));
    const char *p = cmat_buf_str(&terms);
    for (size_t i = 0; i < n; i++, p += strlen(p) + 1)
        cmat_buf_printf(&line, "%s%s", i ? " " : "", p);
    assert_string_equal(cmat_buf_str(&line), want);
    cmat_buf_clear(&terms);
    cmat_buf_clear(&line);
}

/* As Lucene 8.7's StandardTokenizer, EnglishPossessiveFilter, LowerCaseFilter, StopFilter and
 * PorterStemFilter gave them. */
static void test_words(void **unused)
{
    (void)unused;
    terms_are("The women's Running Shoes, size 7.5-8 (2 pairs)",
              "women run shoe size 7.5 8 2 pair");
    terms_are("non-slip 1,000 mAh u.s.a. rock'n'roll a_b x:y",
              "non slip 1,000 mah u.s.a rock'n'rol a_b x:y");
    terms_are("relational conditional hopping hoping flies agreed plastered caresses",
              "relat condit hop hope fli agre plaster caress");
    terms_are("it is to be or not", "");
    terms_are("\xe2\x98\x85 caf\xc3\xa9 \xe6\x9c\xa8\xe6\x9d\x90 30\xc2\xb0",
              "\xe2\x98\x85 caf\xc3\xa9 \xe6\x9c\xa8 \xe6\x9d\x90 30");
    terms_are("generalization oscillators apology possibly analogies",
              "gener oscil apolog possibl analog");
    terms_are("", "");
}

static void test_ranking(void **unused)
{
    (void)unused;
    static const char *const docs[][2] = {
        {"b", "red wool hat"},
        {"a", "red wool hat"},
        {"c", "a red hat with a very long text about green socks and more of them"},
        {"d", "green socks"}};
    uint32_t hits[4];
    float scores[4];
    shop_index *x = shop_index_new();
    for (size_t i = 0; i < 4; i++)
        shop_index_add(x, docs[i][0], docs[i][1], strlen(docs[i][1]));
    shop_index_finish(x);
    assert_int_equal(shop_index_search(x, "Red hats", 8, hits, scores, 4), 3);
    assert_int_equal(hits[0], 1); /* equal scores go by id */
    assert_int_equal(hits[1], 0);
    assert_true(scores[0] == scores[1] && scores[1] > scores[2]);
    /* idf ln(1 + 1.5/3.5), length 3 of an average of 18/4 */
    const double idf = log(1 + 1.5 / 3.5), tf = 1 / (1 + 0.9 * (0.6 + 0.4 * 3 / (18 / 4.0)));
    assert_true(fabs(scores[0] - 2 * idf * tf) < 1e-6);
    assert_int_equal(shop_index_search(x, "the", 3, hits, NULL, 4), 0);
    assert_int_equal(shop_index_search(x, "very red hat", 12, hits, NULL, 1), 1);
    assert_int_equal(hits[0], 2);
    shop_index_free(x);
}

/* ---- reward ---- */

/* thefuzz 0.22.1's fuzz.token_set_ratio */
static void test_token_sets(void **unused)
{
    (void)unused;
    static const struct {
        const char *a, *b;
        int want;
    } cases[] = {
        {"tea tree", "tea tree", 100},
        {"essential oil", "essential oils", 96},
        {"cool powder snow", "powder snow", 100},
        {"hair growth", "hair loss", 62},
        {"bpa free", "bpa-free!", 100},
        {"", "x", 0},
        {"black", "white", 0},
        {"x-large", "xx-large", 93},
        {"xx large", "color x large", 77},
        {"caf\xc3\xa9 noir", "caf noir", 100},
        {"60x40x40cm", "60x40x40 cm", 95},
        {"red_style_99234", "floral purple", 29},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int got = shop_token_set_ratio(cases[i].a, cases[i].b);
        if (got != cases[i].want)
            fail_msg("\"%s\", \"%s\": %d, not %d", cases[i].a, cases[i].b, got, cases[i].want);
    }
    assert_string_equal(shop_colour_in("deep sky blue"), "blue");
    assert_string_equal(shop_colour_in("black and blue"), "black");
    assert_null(shop_colour_in("xl"));
    assert_null(shop_colour_of_pair("color", "dark blue"));
    assert_string_equal(shop_colour_of_pair("color", "teal"), "teal");
}

static shop_goal goal_from(json_t **j, const char *text)
{
    shop_goal g;
    cmat_error err;
    *j = json_loads(text, 0, NULL);
    assert_non_null(*j);
    if (shop_goal_init(&g, *j, "test", &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return g;
}

static void test_reward(void **unused)
{
    (void)unused;
    const char *attributes[] = {"tea tree", "essential oil", "natural ingredients"};
    shop_product p = {.query = "query 1",
                      .product_category = "a \xe2\x80\xba b \xe2\x80\xba c",
                      .title = "Mens Basketball Sneakers Shoes",
                      .attributes = {attributes, 3},
                      .title_lower = "",
                      .bullets_lower = "",
                      .description_lower = "",
                      .price = 35};
    json_t *j;
    shop_goal g =
        goal_from(&j,
                  "{\"asin\": \"A\", \"query\": \"query 1\", \"product_category\": \"a "
                  "\xe2\x80\xba b \xe2\x80\xba c\", "
                  "\"name\": \"Mens Basketball Sneakers Shoes\", \"price_upper\": 40, "
                  "\"attributes\": [\"tea tree\", \"essential oils\", \"natural ingredients\"], "
                  "\"options\": [\"grey\", \"xl\"]}");
    const char *chosen[] = {"xl", "light grey"};
    assert_true(shop_reward_of(&p, &g, chosen, 2).total == 1);
    assert_true(fabs(shop_reward_of(&p, &g, chosen, 1).total - 5.0 / 6) < 1e-12);
    p.price = 40.5;
    assert_true(fabs(shop_reward_of(&p, &g, chosen, 2).total - 5.0 / 6) < 1e-12);
    p.price = 40;
    p.attributes.n = 0;
    p.bullets_lower = "this shampoo has essential oils and smells like lemons";
    p.description_lower = "made with natural ingredients";
    shop_reward r = shop_reward_of(&p, &g, chosen, 2);
    assert_int_equal(r.n_attributes, 2);
    assert_true(fabs(r.total - 5.0 / 6) < 1e-12);
    p.query = "query 2";
    p.product_category = "a \xe2\x80\xba a \xe2\x80\xba d";
    p.title = "Kitchen Cabinet Knob";
    r = shop_reward_of(&p, &g, chosen, 2);
    assert_false(r.query_match || r.category_match);
    assert_true(r.title_score == 0 && r.r_type == 0 && r.total == 0);
    p.product_category = "c \xe2\x80\xba x \xe2\x80\xba a";
    assert_true(shop_reward_of(&p, &g, chosen, 2).category_match);
    shop_goal_clear(&g);
    json_decref(j);
    /* pairs, as in WebShop's own goals: the colour is not looked for inside the value */
    shop_wish w = {"color", "christmasgoo12"};
    const char *same[] = {"christmasgoo12"}, *blue[] = {"sky blue"};
    assert_false(shop_option_met(&w, same, 1));
    w.name = NULL;
    assert_true(shop_option_met(&w, same, 1));
    w = (shop_wish){"color", "navy blue"};
    assert_true(shop_option_met(&w, blue, 1));
}

/* What Lucene and WebShop's own goal.py said about a made shop (tests/shop_reference.py). */
static void test_vectors(void **unused)
{
    (void)unused;
    char *path = cmat_path_join(getenv("CMAT_TEST_ROOT"), "tests/vectors/shop.json");
    cmat_error err = {0};
    json_t *v = cmat_json_load(path, &err), *one;
    shop_world *w = NULL;
    size_t i;
    assert_non_null(v);
    assert_int_equal(
        shop_make_world(&w, (uint64_t)json_integer_value(json_object_get(v, "seed")), &err),
        CMAT_OK);
    assert_true(json_array_size(json_object_get(v, "searches")) >= 10);
    json_array_foreach(json_object_get(v, "searches"), i, one)
    {
        const char *words = cmat_json_str(one, "words", "");
        const json_t *want = json_object_get(one, "hits"), *id;
        uint32_t hits[SHOP_HITS];
        size_t k;
        const size_t n = shop_index_search(w->index, words, strlen(words), hits, NULL, SHOP_HITS);
        assert_true(n >= json_array_size(want));
        json_array_foreach(want, k, id)
            assert_string_equal(w->products[hits[k]].asin, json_string_value(id));
    }
    assert_true(json_array_size(json_object_get(v, "rewards")) >= 40);
    json_array_foreach(json_object_get(v, "rewards"), i, one)
    {
        const json_t *options = json_object_get(one, "options"), *option;
        const char *chosen[SHOP_OPTIONS_MAX];
        shop_goal g;
        size_t k;
        assert_int_equal(shop_goal_init(&g, json_object_get(one, "goal"), "vector", &err), CMAT_OK);
        json_array_foreach(options, k, option) chosen[k] = json_string_value(option);
        const shop_product *p = shop_world_find(w, cmat_json_str(one, "asin", ""));
        assert_non_null(p);
        const shop_reward r = shop_reward_of(p, &g, chosen, json_array_size(options));
        assert_true(fabs(r.total - cmat_json_num(one, "total", -1)) < 1e-9);
        assert_true(r.r_type == cmat_json_num(one, "r_type", -1));
        shop_goal_clear(&g);
    }
    shop_world_unref(w);
    json_decref(v);
    free(path);
}

/* spaCy's words, and which of them it takes for nouns. */
static void test_nouns(void **unused)
{
    (void)unused;
    static const struct {
        const char *title, *want;
    } cases[] = {
        {"Women's Running Shoes, Non-Slip (Pack of 2)", "women running shoes non slip pack"},
        {"3-Piece Dining Set for Kitchen & Bath", "piece dining set kitchen bath"},
        {"HDMI Cable 10ft | 4K 60Hz w/ Gold Plugs", "hdmi cable ft | k 60hz gold plugs"},
        {"Made for the Best of You", "best"},
        {"(Red,Blue) \"Tin\" Kettle...1.7 L", "red blue tin kettle l"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cmat_buf b = {0}, line = {0};
        const size_t n = shop_nouns(&b, cases[i].title);
        const char *p = cmat_buf_str(&b);
        for (size_t k = 0; k < n; k++, p += strlen(p) + 1)
            cmat_buf_printf(&line, "%s%s", k ? " " : "", p);
        assert_string_equal(cmat_buf_str(&line), cases[i].want);
        cmat_buf_clear(&b);
        cmat_buf_clear(&line);
    }
}

/* ---- episodes ---- */

static void test_oracle(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(NULL, NULL, NULL), *bench = open_env("agentbench", NULL, env);
    json_t *questions = json_object();
    for (int split = 0; split < 3; split++) {
        cmat_task_list l = {0};
        make(split, 40, 3, &l);
        for (size_t i = 0; i < l.n; i++) {
            assert_true(player_oracle(env, &l.items[i], PLAYER_STRICT) == 1);
            assert_true(player_oracle(bench, &l.items[i], PLAYER_STRICT) == 1);
            const json_t *seen = json_object_get(questions, l.items[i].instruction);
            assert_true(!seen || json_integer_value(seen) == split);
            json_object_set_new(questions, l.items[i].instruction, json_integer(split));
        }
        cmat_task_list_clear(&l);
    }
    json_decref(questions);
    cmat_env_close(env); /* the other one keeps what they shared */
    cmat_task_list l = {0};
    make(0, 1, 3, &l);
    assert_true(player_oracle(bench, &l.items[0], PLAYER_STRICT) == 1);
    cmat_task_list_clear(&l);
    cmat_env_close(bench);
}

static void test_generator(void **unused)
{
    (void)unused;
    cmat_task_list a = {0}, b = {0}, c = {0};
    char ha[65], hb[65], hc[65];
    make(0, 50, 9, &a);
    make(0, 50, 9, &b);
    make(0, 50, 10, &c);
    cmat_task_list_hash(&a, ha);
    cmat_task_list_hash(&b, hb);
    cmat_task_list_hash(&c, hc);
    assert_string_equal(ha, hb);
    assert_string_not_equal(ha, hc);
    size_t with_options = 0, kinds = 0;
    for (size_t i = 0; i < a.n; i++) {
        const json_t *goal = json_object_get(a.items[i].json, "goal");
        with_options += json_object_size(json_object_get(goal, "options")) > 0;
        kinds += i > 0 && strcmp(a.items[i].kind, a.items[0].kind) != 0;
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(a.items[i].id, a.items[k].id);
    }
    assert_true(with_options > 25 && kinds > 10);
    cmat_task_list_clear(&a);
    cmat_task_list_clear(&b);
    cmat_task_list_clear(&c);
}

/* From anywhere the oracle finds back: other pages, wrong products, wrong options. */
static void test_oracle_recovers(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(NULL, NULL, NULL);
    cmat_task_list l = {0};
    cmat_rng rng;
    cmat_rng_init(&rng, 5);
    make(1, 12, 4, &l);
    env->opts.max_steps = 100;
    for (size_t i = 0; i < l.n; i++) {
        cmat_obs obs = {0};
        cmat_buf reply = {0};
        player_reset(env, &l.items[i], &obs);
        for (int k = 0; k < 25; k++) {
            const char *const *actions;
            const size_t n = env->ops->actions(env, &actions);
            const char *a = actions[cmat_rng_below(&rng, n)];
            if (strcmp(a, "click[buy now]") == 0)
                continue;
            cmat_buf_truncate(&reply, 0);
            cmat_buf_puts(&reply, a);
            player_step(env, reply.data, &obs);
            assert_false(obs.error);
        }
        while (!env->done) {
            cmat_buf_truncate(&reply, 0);
            assert_true(env->ops->oracle(env, &reply));
            player_step(env, reply.data, &obs);
        }
        assert_true(player_score(env) == 1);
        cmat_buf_clear(&reply);
        cmat_obs_clear(&obs);
    }
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

static void test_snapshots(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(NULL, NULL, NULL);
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    cmat_env_snapshot s[12] = {0};
    uint64_t hash[12], h;
    cmat_buf reply = {0};
    cmat_error err;
    size_t n = 0;
    make(0, 1, 8, &l);
    player_reset(env, &l.items[0], &obs);
    for (; n < 12; n++) {
        assert_int_equal(cmat_env_snapshot_take(env, &s[n], &err), CMAT_OK);
        assert_int_equal(cmat_env_hash(env, &hash[n], &err), CMAT_OK);
        assert_true(n == 0 || hash[n] != hash[n - 1]);
        cmat_buf_truncate(&reply, 0);
        if (!env->ops->oracle(env, &reply))
            break;
        player_step(env, reply.data, &obs);
    }
    assert_true(env->done && n >= 3);
    for (size_t i = 0; i <= n; i++) { /* in any order, played to the end from there */
        const size_t k = i * 5 % (n + 1);
        assert_int_equal(cmat_env_restore(env, &s[k], &err), CMAT_OK);
        assert_int_equal(cmat_env_hash(env, &h, &err), CMAT_OK);
        assert_true(h == hash[k]);
        assert_true((player_score(env) == 1) == (k == n));
        while (!env->done) {
            cmat_buf_truncate(&reply, 0);
            assert_true(env->ops->oracle(env, &reply));
            player_step(env, reply.data, &obs);
        }
        assert_true(player_score(env) == 1);
        assert_int_equal(cmat_env_hash(env, &h, &err), CMAT_OK);
        assert_true(h == hash[n]);
    }
    for (size_t i = 0; i < s[n].state.len; i++) { /* any changed byte is refused or fits */
        cmat_env_snapshot bad = {.steps = 1};
        cmat_buf_add(&bad.state, s[n].state.data, s[n].state.len);
        bad.state.data[i] = (char)(bad.state.data[i] ^ 0x55);
        cmat_env_restore(env, &bad, &err);
        cmat_env_snapshot_clear(&bad);
    }
    s[0].state.len = 7;
    assert_int_equal(cmat_env_restore(env, &s[0], &err), CMAT_ERR_STATE);
    for (size_t i = 0; i < 12; i++)
        cmat_env_snapshot_clear(&s[i]);
    cmat_buf_clear(&reply);
    cmat_obs_clear(&obs);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

/* ---- pages ---- */

static const char shop_lines[] =
    "{\"id\": \"B000000001\", \"product\": {\"asin\": \"B000000001\", \"Title\": \"Blue Tin "
    "Kettle\", "
    "\"Description\": \"Boils.\", \"BulletPoints\": [\"It's quick\", \"bpa free\"], \"pricing\": "
    "[12.0, 15.5], "
    "\"options\": {\"size\": [\"small\", \"large\"], \"color\": [\"blue\", \"features\"]}, "
    "\"Attributes\": "
    "[\"heat resistant\"], \"query\": \"kettles\", \"category\": \"kitchen\", "
    "\"product_category\": \"A \xe2\x80\xba B\", "
    "\"instructions\": [{\"instruction\": \"i need a large kettle.\", \"instruction_attributes\": "
    "[\"heat resistant\"], \"instruction_options\": [\"large\"]}]}}\n"
    "\n"
    "{\"asin\": \"B000000002\", \"name\": \"Red Kettle\", \"full_description\": \"Red.\", "
    "\"small_description\": "
    "\"One bullet\", \"pricing\": \"$9.99\", \"customization_options\": {\"Color\": [{\"value\": "
    "\" Red/White \", "
    "\"image\": null}]}, \"query\": \" Kettles \", \"category\": \"kitchen\", "
    "\"product_category\": \"A\"}\n"
    "{\"asin\": \"B000000002\", \"name\": \"The same again\"}\n"
    "{\"asin\": \"much too long an asin\", \"name\": \"x\"}\n";

/* A folder with the file and a task of its one goal. */
static char *shop_folder(cmat_task_list *l)
{
    char *dir = cmat_xstrdup("/tmp/cmat-test-XXXXXX");
    cmat_error err;
    assert_non_null(mkdtemp(dir));
    char *path = cmat_path_join(dir, "products.jsonl");
    assert_int_equal(cmat_write_file(path, shop_lines, strlen(shop_lines), &err), CMAT_OK);
    if (cmat_env_import(cmat_env_find("shop"), dir, l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(l->n, 1);
    free(path);
    return dir;
}

static void remove_folder(char *dir)
{
    char *path = cmat_path_join(dir, "products.jsonl");
    remove(path);
    remove(dir);
    free(path);
    free(dir);
}

/* What WebShop's pages and AgentBench's loop say. */
static void test_agentbench(void **unused)
{
    (void)unused;
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    char *dir = shop_folder(&l);
    cmat_env *env = open_env("agentbench", dir, NULL);
    assert_int_equal(env->opts.max_steps, 10);
    player_reset(env, &l.items[0], &obs);
    char *want = cmat_xasprintf(
        "Observation:\nWebShop [SEP] Instruction: [SEP] %s [SEP] Search\n\nAvailable "
        "Actions:\n{'has_search_bar': True, 'clickables': ['search']}",
        l.items[0].instruction);
    assert_string_equal(obs.text.data, want);
    free(want);
    assert_memory_equal(l.items[0].instruction, "i need a large kettle, and price lower than ", 44);
    player_step(env, "Thought:\nI think so.\n\nAction:\nsearch[kettle]", &obs);
    assert_non_null(
        strstr(obs.text.data,
               " [SEP] Back to Search [SEP] Page 1 (Total results: 2) [SEP] Next > [SEP] B0"));
    assert_non_null(strstr(obs.text.data, "B000000001 [SEP] Blue Tin Kettle [SEP] $12.0 to $15.5"));
    assert_non_null(strstr(obs.text.data, "B000000002 [SEP] Red Kettle [SEP] $9.99"));
    assert_non_null(strstr(
        obs.text.data, "{'has_search_bar': False, 'clickables': ['back to search', 'next >', 'b0"));
    player_step(env, "action: click[B000000001]", &obs);
    assert_non_null(strstr(
        obs.text.data,
        "[SEP] Back to Search [SEP] < Prev [SEP] size [SEP] small [SEP] large [SEP] color [SEP] "
        "blue "
        "[SEP] features [SEP] Blue Tin Kettle [SEP] Price: $12.0 to $15.5 [SEP] Rating: N.A. "
        "[SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now\n"));
    assert_non_null(strstr(
        obs.text.data,
        "['back to search', '< prev', 'description', 'features', 'reviews', 'buy now', 'small', "
        "'large', 'blue']}"));
    player_step(env, "Action: click[features]", &obs); /* the page, not the colour */
    assert_non_null(strstr(obs.text.data, "[SEP] < Prev [SEP] It's quick [SEP] bpa free\n"));
    assert_non_null(strstr(obs.text.data, "'clickables': ['back to search', '< prev']}"));
    player_step(env, "Action: click[< Prev]", &obs);
    player_step(env, "Action: click[large]", &obs);
    player_step(env, "Action: click[no such thing]", &obs); /* nothing happens, the page again */
    assert_true(obs.error && !obs.done);
    assert_non_null(strstr(obs.text.data, "Blue Tin Kettle"));
    player_step(env, "Action: click[a[buy now]", &obs);
    assert_true(obs.error && !obs.done);
    player_step(env, "Action: \nclick[Buy Now] and more", &obs);
    assert_true(obs.done);
    assert_string_equal(obs.text.data, "Thank you for shopping with us!");
    assert_true(player_score(env) == 1);
    player_reset(env, &l.items[0], &obs);
    player_step(env, "I will click[buy now]", &obs);
    assert_true(obs.done && obs.invalid_format && player_score(env) == 0);
    player_reset(env, &l.items[0], &obs);
    for (int i = 0; i < 10; i++)
        player_step(env, "Action: search[blue]", &obs);
    assert_true(obs.done && obs.task_limit);
    cmat_obs_clear(&obs);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
    remove_folder(dir);
}

static void constrained(cmat_env *env, const char *reply, bool want)
{
    if (player_accepts(env, reply) != want)
        fail_msg("\"%s\" is %sallowed", reply, want ? "not " : "");
}

static void test_short(void **unused)
{
    (void)unused;
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    char *dir = shop_folder(&l);
    cmat_env *env = open_env(NULL, NULL, NULL); /* the task says where its shop is */
    player_reset(env, &l.items[0], &obs);
    assert_non_null(strstr(obs.text.data, "Task: i need a large kettle"));
    player_facts(env, "kettle", CMAT_FACT_BAD, "wrong: there is no action");
    player_facts(env, "click[search]", CMAT_FACT_BAD, "search[words]");
    player_facts(env, "search[kettle]", CMAT_FACT_OK, "possible");
    player_facts(env, "search[spaceship]", CMAT_FACT_NOTE, "no product");
    player_facts(env, "search[tin]", CMAT_FACT_NOTE,
                 "none of these words is in what is asked for: i need");
    constrained(env, "search[a kettle]", true);
    constrained(env, "Think: I look.\nsearch[kettle \xc3\xa9]", true);
    constrained(env, "search[]", false);
    constrained(env, "search[a]b]", false);
    constrained(env, "click[search]", false);
    player_step(env, "sing a song", &obs);
    assert_true(obs.error && obs.invalid_format && !obs.done);
    player_step(env, "Think: well\nSearch[Blue kettle]", &obs);
    assert_non_null(strstr(obs.text.data, "[b000000001] Blue Tin Kettle $12.0 to $15.5\n"));
    player_facts(env, "click[b000000002]", CMAT_FACT_NOTE,
                 "note: the product does not say that it is: heat resistant");
    player_facts(env, "click[b000000001]", CMAT_FACT_OK, "possible");
    player_facts(env, "click[b000000009]", CMAT_FACT_BAD, "these can be: back to search");
    constrained(env, "click[b000000002]", true);
    constrained(env, "search[kettle]", false);
    player_step(env, "click[b000000001]", &obs);
    assert_non_null(strstr(obs.text.data, "size: [small] [large]\n"));
    player_facts(env, "click[buy now]", CMAT_FACT_NOTE,
                 "note: asked for and offered here, but not chosen: large");
    constrained(env, "click[large]", true);
    constrained(env, "click[larger]", false);
    player_step(env, "click[large]", &obs);
    assert_non_null(strstr(obs.text.data, "size: [small] [large] chosen: large\n"));
    player_facts(env, "click[buy now]", CMAT_FACT_OK, "possible");
    player_step(env, "click[small]", &obs);
    player_step(env, "click[buy now]", &obs);
    assert_true(obs.done && fabs(player_score(env) - 2.0 / 3) < 1e-12);
    assert_string_equal(env->ops->error_kind(env), "wrong options");
    cmat_obs_clear(&obs);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
    remove_folder(dir);
}

/* ---- files ---- */

static void refused(const char *name, const char *text, const char *what)
{
    char dir[] = "/tmp/cmat-test-XXXXXX";
    cmat_task_list l = {0};
    cmat_error err = {0};
    assert_non_null(mkdtemp(dir));
    char *path = cmat_path_join(dir, name);
    assert_int_equal(cmat_write_file(path, text, strlen(text), &err), CMAT_OK);
    assert_int_not_equal(cmat_env_import(cmat_env_find("shop"), path, &l, &err), CMAT_OK);
    assert_null(strchr(err.msg, '\n'));
    if (!strstr(err.msg, what))
        fail_msg("\"%s\" lacks \"%s\"", err.msg, what);
    assert_int_equal(l.n, 0);
    remove(path);
    remove(dir);
    free(path);
}

static void test_broken_files(void **unused)
{
    (void)unused;
    cmat_task_list l = {0};
    cmat_error err = {0};
    refused("products.jsonl", "{\"asin\": ", "line 1");
    refused("products.jsonl", "{\"asin\": \"B1\", \"name\": \"x\"}\n{\"asin\"", "line 2");
    refused("products.jsonl", "{\"asin\": \"B1\", \"name\": \"x\"}\n", "no goals");
    refused("products.jsonl", "7\n\"x\"\n[]\n", "no product");
    refused("items_shuffle.json", "[", "items_shuffle.json");
    refused("items_ins_v2.json", "{}", "products");
    refused("products.jsonl",
            "\xfd"
            "7zXZ",
            "xz -dk");
    assert_int_equal(cmat_env_import(cmat_env_find("shop"), "/nowhere", &l, &err),
                     CMAT_ERR_NOT_FOUND);
    /* bytes that are no text are replaced */
    char dir[] = "/tmp/cmat-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = cmat_path_join(dir, "products.jsonl");
    static const char bytes[] = "{\"asin\": \"B1\", \"name\": \"a\xff\xfe b\"}\n";
    shop_world *w = NULL;
    assert_int_equal(cmat_write_file(path, bytes, strlen(bytes), &err), CMAT_OK);
    assert_int_equal(shop_world_load(&w, path, &err), CMAT_OK);
    assert_string_equal(w->products[0].title, "a\xef\xbf\xbd\xef\xbf\xbd b");
    assert_string_equal(w->products[0].price_tag, "$100.0");
    shop_world_unref(w);
    remove(path);
    remove(dir);
    free(path);
}

/* A task whose product is not in its shop, or that says no shop, cannot be played. */
static void test_wrong_tasks(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(NULL, NULL, NULL);
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    cmat_error err;
    make(0, 1, 2, &l);
    json_t *where = json_incref(json_object_get(l.items[0].json, "shop"));
    json_object_del(l.items[0].json, "shop");
    assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, &err), CMAT_ERR_FORMAT);
    json_object_set_new(l.items[0].json, "shop", json_pack("{s:i}", "seed", 1));
    assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, &err), CMAT_ERR_FORMAT);
    json_object_set_new(l.items[0].json, "shop", where);
    player_reset(env, &l.items[0], &obs);
    json_object_set_new(json_object_get(l.items[0].json, "goal"), "name", json_string("Other"));
    assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, &err), CMAT_ERR_FORMAT);
    cmat_obs_clear(&obs);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),        cmocka_unit_test(test_ranking),
        cmocka_unit_test(test_token_sets),   cmocka_unit_test(test_reward),
        cmocka_unit_test(test_vectors),      cmocka_unit_test(test_nouns),
        cmocka_unit_test(test_oracle),       cmocka_unit_test(test_oracle_recovers),
        cmocka_unit_test(test_generator),    cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_agentbench),   cmocka_unit_test(test_short),
        cmocka_unit_test(test_broken_files), cmocka_unit_test(test_wrong_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
