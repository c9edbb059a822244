/* test_house.c - the house: what TextWorld answered, made houses and their planner, facts,
 * snapshots, both styles, broken games. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/house/house.h"
#include "env/house/make.h"
#include "env/house/plan.h"
#include "env/house/reply.h"
#include "env/house/text.h"
#include "house_compare.h"
#include "player.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cmat_env *open_env(const char *style)
{
    return player_open("house", (cmat_env_options){.style = style});
}

static void make(int split, size_t n, uint64_t seed, cmat_task_list *l)
{
    cmat_error err;
    if (house_generate(split, n, seed, l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(l->n, n);
}

/* What TextWorld said in houses of ours, one of each kind of task. */
static void test_vectors(void **unused)
{
    (void)unused;
    char *path = cmat_path_join(getenv("CMAT_TEST_ROOT"), "tests/vectors/house_own.jsonl");
    cmat_error err;
    json_t *walks = cmat_jsonl_load(path, &err), *w;
    size_t i, n_steps = 0;
    assert_non_null(walks);
    assert_true(json_array_size(walks) >= 10);
    json_array_foreach(walks, i, w)
    {
        house_game *g = NULL;
        assert_int_equal(house_compare_game(w, NULL, &g, &err), CMAT_OK);
        assert_true(house_compare_walk(w, g, &n_steps));
        house_game_unref(g);
    }
    assert_true(n_steps > 150);
    json_decref(walks);
    free(path);
}

static void test_oracle(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(NULL), *bench = open_env("agentbench");
    for (int split = 0; split < 3; split++) {
        cmat_task_list l = {0};
        make(split, 12, 3, &l);
        for (size_t i = 0; i < l.n; i++) {
            assert_true(player_oracle(env, &l.items[i], PLAYER_STRICT) == 1);
            assert_true(player_oracle(bench, &l.items[i], PLAYER_STRICT) == 1);
        }
        cmat_task_list_clear(&l);
    }
    cmat_env_close(env);
    cmat_env_close(bench);
}

/* Off the gold way, and with something useless in hand, the oracle still gets there. */
static void test_planner_recovers(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(NULL);
    cmat_task_list l = {0};
    cmat_rng rng;
    cmat_rng_init(&rng, 5);
    make(0, 12, 4, &l);
    env->opts.max_steps = 200;
    for (size_t i = 0; i < l.n; i++) {
        cmat_obs obs = {0};
        cmat_buf reply = {0};
        cmat_error err;
        assert_int_equal(cmat_env_reset(env, &l.items[i], &obs, &err), CMAT_OK);
        for (int k = 0; k < 30 && !env->done; k++) {
            const char *const *actions, *take = NULL;
            size_t n = env->ops->actions(env, &actions);
            for (size_t a = 0; a < n; a++)
                if (strncmp(actions[a], "take ", 5) == 0)
                    take = actions[a];
            assert_int_equal(
                cmat_env_step(env, take ? take : actions[cmat_rng_below(&rng, n)], &obs, &err),
                CMAT_OK);
        }
        while (!env->done && env->ops->oracle(env, &reply)) {
            assert_int_equal(cmat_env_step(env, reply.data, &obs, &err), CMAT_OK);
            cmat_buf_truncate(&reply, 0);
        }
        assert_true(player_score(env) == 1);
        cmat_buf_clear(&reply);
        cmat_obs_clear(&obs);
    }
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

static void goal_key(const cmat_task *t, char *out, size_t size)
{
    const json_t *g = json_object_get(json_object_get(t->json, "house"), "goal");
    snprintf(out, size, "%s %s %s", cmat_json_str(g, "kind", ""), cmat_json_str(g, "object", ""),
             cmat_json_str(g, "receptacle", ""));
}

/* The same seed gives the same tasks; no goal of one split occurs in another; all kinds occur. */
static void test_generator(void **unused)
{
    (void)unused;
    cmat_task_list a = {0}, b = {0}, split[3] = {{0}};
    char one[65], other[65];
    json_t *kinds = json_object();
    make(0, 30, 9, &a);
    make(0, 30, 9, &b);
    cmat_task_list_hash(&a, one);
    cmat_task_list_hash(&b, other);
    assert_string_equal(one, other);
    cmat_task_list_clear(&b);
    make(0, 30, 10, &b);
    cmat_task_list_hash(&b, other);
    assert_string_not_equal(one, other);
    for (size_t i = 0; i < a.n; i++)
        json_object_set_new(kinds, a.items[i].kind, json_true());
    assert_int_equal(json_object_size(kinds), 6);
    for (int s = 0; s < 3; s++)
        make(s, 25, 2, &split[s]);
    for (int s = 0; s < 3; s++)
        for (int t = s + 1; t < 3; t++)
            for (size_t i = 0; i < split[s].n; i++)
                for (size_t k = 0; k < split[t].n; k++) {
                    char x[200], y[200];
                    goal_key(&split[s].items[i], x, sizeof x);
                    goal_key(&split[t].items[k], y, sizeof y);
                    assert_string_not_equal(x, y);
                }
    for (int s = 0; s < 3; s++)
        cmat_task_list_clear(&split[s]);
    cmat_task_list_clear(&a);
    cmat_task_list_clear(&b);
    json_decref(kinds);
}

static void test_snapshots(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(NULL);
    cmat_task_list l = {0};
    cmat_env_snapshot s = {0};
    cmat_obs obs = {0};
    cmat_buf first = {0}, reply = {0};
    cmat_error err;
    uint64_t start, h;
    make(0, 2, 1, &l);
    assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, &err), CMAT_OK);
    assert_int_equal(cmat_env_hash(env, &start, &err), CMAT_OK);
    assert_int_equal(cmat_env_snapshot_take(env, &s, &err), CMAT_OK);
    for (int round = 0; round < 3; round++) { /* the same way three times, from the same place */
        while (!env->done) {
            cmat_buf_truncate(&reply, 0);
            assert_true(env->ops->oracle(env, &reply));
            assert_int_equal(cmat_env_step(env, reply.data, &obs, &err), CMAT_OK);
        }
        if (round == 0)
            cmat_buf_puts(&first, obs.text.data);
        assert_string_equal(first.data, obs.text.data);
        assert_true(player_score(env) == 1);
        assert_int_equal(cmat_env_hash(env, &h, &err), CMAT_OK);
        assert_true(h != start);
        assert_int_equal(cmat_env_restore(env, &s, &err), CMAT_OK);
        assert_int_equal(env->steps, 0);
        assert_false(env->done);
        assert_int_equal(cmat_env_hash(env, &h, &err), CMAT_OK);
        assert_true(h == start);
        assert_true(player_score(env) == 0);
    }
    s.state.len--; /* of another size: another task's */
    assert_int_equal(cmat_env_restore(env, &s, &err), CMAT_ERR_STATE);
    cmat_env_snapshot_clear(&s);
    cmat_obs_clear(&obs);
    cmat_buf_clear(&first);
    cmat_buf_clear(&reply);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

static void dry(cmat_env *env, const char *reply, cmat_fact_level level, const char *nearest)
{
    cmat_facts f = {0};
    cmat_error err;
    uint64_t before, after;
    assert_int_equal(cmat_env_hash(env, &before, &err), CMAT_OK);
    assert_int_equal(cmat_env_dry_run(env, reply, &f, &err), CMAT_OK);
    assert_int_equal(cmat_env_hash(env, &after, &err), CMAT_OK);
    assert_true(before == after);
    assert_int_equal(f.verdict, level);
    assert_int_equal(cmat_json_bool(f.facts, "admissible", true), level == CMAT_FACT_OK);
    if (nearest)
        assert_string_equal(cmat_json_str(f.facts, "nearest", ""), nearest);
    cmat_facts_clear(&f);
}

static void test_facts_and_mistakes(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(NULL);
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    cmat_acceptor *a = NULL;
    cmat_error err;
    make(0, 1, 7, &l);
    assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, &err), CMAT_OK);
    dry(env, "look", CMAT_FACT_OK, NULL);
    dry(env, "Think: hm\nLOOK ", CMAT_FACT_OK, NULL);
    dry(env, "lok", CMAT_FACT_BAD, "look");
    dry(env, "go to garbagecan 11", CMAT_FACT_BAD, "go to garbagecan 1");
    dry(env, "", CMAT_FACT_BAD, NULL);
    dry(env, "Think: nothing more", CMAT_FACT_BAD, NULL);
    static const char *const wrong[] = {"dance", "", "go to \x1b[2J", "take a from b\nlook"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(cmat_env_step(env, wrong[i], &obs, &err), CMAT_OK);
        assert_string_equal(obs.text.data, "Nothing happens.");
        assert_true(obs.error);
        assert_false(obs.done);
    }
    assert_int_equal(env->ops->constraint(env, &a, &err), CMAT_OK);
    _Alignas(16) unsigned char state[CMAT_ACCEPTOR_STATE_MAX] = {0};
    a->ops->start(a, state);
    for (const char *p = "go to garbagecan 1"; *p; p++)
        assert_true(a->ops->step(a, state, (uint8_t)*p));
    assert_true(a->ops->done(a, state));
    assert_false(a->ops->step(a, state, '7'));
    cmat_acceptor_free(a);
    env->opts.max_steps = 6; /* 4 taken */
    assert_int_equal(cmat_env_step(env, "look", &obs, &err), CMAT_OK);
    assert_false(obs.done);
    assert_int_equal(cmat_env_step(env, "look", &obs, &err), CMAT_OK);
    assert_true(obs.done && obs.task_limit);
    assert_string_equal(env->ops->error_kind(env), "impossible commands");
    cmat_obs_clear(&obs);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

/* What was said in a state is not offered in that state again, so that nobody goes round in a
 * circle; AgentBench's style knows nothing of it. */
static void test_no_circles(void **unused)
{
    (void)unused;
    static const struct {
        const char *style, *lead;
    } styles[] = {{NULL, ""}, {"agentbench", "ACTION: "}};
    cmat_task_list l = {0};
    make(0, 1, 7, &l);
    for (size_t k = 0; k < 2; k++) {
        cmat_env *env = open_env(styles[k].style);
        cmat_env_snapshot s = {0};
        cmat_obs obs = {0};
        cmat_error err;
        char a[80], b[80];
        snprintf(a, sizeof a, "%sgo to garbagecan 1", styles[k].lead);
        snprintf(b, sizeof b, "%sgo to sidetable 1", styles[k].lead);
        player_reset(env, &l.items[0], &obs);
        for (int i = 0; i < 2; i++) {
            player_expect(env, a, "You arrive at garbagecan 1.");
            assert_true(player_accepts(env, b) == (k == 1 || i == 0));
            player_expect(env, b, "You arrive at sidetable 1.");
        }
        assert_true(player_accepts(env, a) == (k == 1));
        snprintf(a, sizeof a, "%slook", styles[k].lead);
        assert_true(player_accepts(env, a));
        assert_int_equal(cmat_env_snapshot_take(env, &s, &err), CMAT_OK);
        assert_int_equal(cmat_env_restore(env, &s, &err), CMAT_OK);
        snprintf(a, sizeof a, "%sgo to garbagecan 1", styles[k].lead);
        assert_true(player_accepts(env, a)); /* what came before is another story's */
        cmat_env_snapshot_clear(&s);
        cmat_obs_clear(&obs);
        cmat_env_close(env);
    }
    cmat_task_list_clear(&l);
}

/* AgentBench's protocol: the offered actions, the nearest by BLEU, three of a kind, no action. */
static void test_agentbench(void **unused)
{
    (void)unused;
    cmat_env *env = open_env("agentbench");
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    cmat_error err;
    make(0, 1, 7, &l);
    assert_int_equal(env->opts.max_steps, 35);
    assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, &err), CMAT_OK);
    assert_memory_equal(obs.text.data, "Here is your task. You are in the middle of a room.", 51);
    const char *offers = strstr(obs.text.data, " AVAILABLE ACTIONS: go to ");
    assert_non_null(offers);
    assert_non_null(strstr(offers, "\nlook\n"));
    assert_non_null(strstr(obs.text.data, "\nYour task is to: "));
    assert_null(strstr(obs.text.data, "Welcome"));
    /* not one of them, but near one */
    assert_int_equal(cmat_env_step(env, "THOUGHT: ok\n ACTION: Go to the garbagecan 1", &obs, &err),
                     CMAT_OK);
    assert_memory_equal(obs.text.data, "You arrive at garbagecan 1. ", 28);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cmat_env_step(env, "ACTION: look", &obs, &err), CMAT_OK);
        assert_int_equal(obs.done, i == 2);
    }
    assert_true(obs.invalid_action);
    assert_int_equal(cmat_env_reset(env, &l.items[0], &obs, &err), CMAT_OK);
    assert_int_equal(cmat_env_step(env, "look", &obs, &err), CMAT_OK);
    assert_true(obs.done && obs.invalid_action);
    cmat_obs_clear(&obs);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

/* NLTK 3.10: sentence_bleu([reference.split()], candidate.split(), smoothing_function=method4). */
static void test_bleu(void **unused)
{
    (void)unused;
    static const struct {
        const char *reference, *candidate;
        double want;
    } cases[] = {
        {"go to cabinet 1", "go to the cabinet 1", 0.171418148548},
        {"take apple 1 from table 1", "take apple 1", 0.211795452591},
        {"look", "open fridge", 0},
        {"open fridge 1", "open", 0.135335283237},
        {"go to desk 1", "go to desk 1 now please", 0.508132748155},
        {"take mug 1 from shelf 2", "take mug 1 from shelf 1", 0.759835685652},
        {"go to go to", "go to go go to", 0.356179202254},
        {"look", "look", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double got = house_bleu(cases[i].reference, cases[i].candidate);
        assert_true(fabs(got - cases[i].want) < 1e-9);
    }
    static const char *const commands[] = {"go to bed 1", "go to desk 1", "look"};
    assert_string_equal(house_closest_bleu(commands, 3, "walk to desk 1"), "go to desk 1");
    assert_null(house_closest_bleu(commands, 3, "dance"));
    assert_null(house_closest_bleu(commands, 3, ""));
    assert_null(house_closest_edit(commands, 0, "look"));
}

/* ---- broken games ---- */

static json_t *good_game(void)
{
    cmat_task_list l = {0};
    make(0, 1, 7, &l);
    json_t *j = house_spec_game(json_object_get(l.items[0].json, "house"), NULL);
    assert_non_null(j);
    cmat_task_list_clear(&l);
    return j;
}

/* Loading fails with one line, in which `what` occurs. */
static void refuses(json_t *game, const char *what)
{
    house_game *g = NULL;
    cmat_error err = {0};
    const cmat_status st = house_game_new(&g, game, "bad.tw-pddl", &err);
    assert_int_not_equal(st, CMAT_OK);
    assert_null(g);
    assert_null(strchr(err.msg, '\n'));
    if (!strstr(err.msg, what) || !strstr(err.msg, "bad.tw-pddl"))
        fail_msg("\"%s\" lacks \"%s\"", err.msg, what);
    json_decref(game);
}

static json_t *with(const char *member, const char *text)
{
    json_t *j = good_game();
    json_object_set_new(j, member, json_string(text));
    return j;
}

static char *repeated(const char *head, const char *part, size_t n, const char *tail)
{
    cmat_buf b = {0};
    cmat_buf_puts(&b, head);
    for (size_t i = 0; i < n; i++)
        cmat_buf_printf(&b, part, i);
    cmat_buf_puts(&b, tail);
    return cmat_buf_detach(&b);
}

static void test_broken_games(void **unused)
{
    (void)unused;
    refuses(json_array(), "not a JSON object");
    refuses(json_object(), "pddl_domain");
    refuses(with("pddl_problem", ""), "problem: line 1");
    refuses(with("pddl_problem", "(define (:init))"), "no goal");
    refuses(with("pddl_problem", "(define (:init (flies a)) (:goal ()))"),
            "unknown predicate flies");
    refuses(with("pddl_problem", "(define (:init (opened a)) (:goal ()))"), "unknown object a");
    refuses(with("pddl_problem", "(define (:goal (opened ?x)))"), "unknown variable ?x");
    refuses(with("pddl_domain", "(define (:action a :effect (forall (?x) (p ?x))))"), "forall");
    refuses(with("grammar", "action look {"), "grammar: line 1");
    refuses(with("grammar", "grammar :: \"\"\"{]\"\"\";"), "the rules of line 1");
    refuses(with("grammar", ""), "nothing about the action look");
    refuses(with("grammar", "grammar :: \"\"\"{\"x\": [{\"rhs\": \"{a | \"}]}\"\"\";"), "'{'");
    char *deep = repeated("(define (:goal ", "(and ", 5000, "");
    refuses(with("pddl_problem", deep), "nested deeper");
    free(deep);
    char *many = repeated("(define (:objects ", "o%zu ", 6000, "- object) (:goal ()))");
    refuses(with("pddl_problem", many), "more than 5000 objects");
    free(many);
    char *wide = repeated("(define (:objects ", "o%zu ", 4000, "- object) (:goal ()))");
    json_t *j = with("pddl_problem", wide);
    json_object_set_new(j, "pddl_domain",
                        json_string("(define (:types object) (:predicates (p ?a ?b ?c)))"));
    refuses(j, "too many objects");
    free(wide);
    /* Rules that go round are told when they are used. */
    j = good_game();
    json_object_set_new(j, "grammar",
                        json_string("grammar :: \"\"\"{\"task\": [{\"rhs\": \"#task#\"}]}\"\"\";"));
    json_object_set_new(j, "pddl_domain", json_string("(define (:types t))"));
    json_object_set_new(j, "pddl_problem", json_string("(define (:goal ()))"));
    refuses(j, "task");
}

/* A game cut anywhere is refused or plays; it never crashes. */
static void test_cut_games(void **unused)
{
    (void)unused;
    static const char *const members[] = {"pddl_domain", "grammar", "pddl_problem"};
    json_t *good = good_game();
    for (size_t m = 0; m < 3; m++) {
        const char *whole = cmat_json_str(good, members[m], "");
        const size_t len = strlen(whole);
        for (size_t n = 0; n < len; n += 1 + len / 40) {
            json_t *j = json_deep_copy(good);
            json_object_set_new(j, members[m], json_stringn(whole, n));
            house_game *g = NULL;
            cmat_error err = {0};
            if (house_game_new(&g, j, "cut", &err) == CMAT_OK) {
                house_play p = {0};
                cmat_buf out = {0};
                bool possible;
                house_play_start(&p, g);
                house_play_intro(&p, &out, &err);
                house_play_say(&p, "look", &out, &possible, &err);
                house_play_clear(&p);
                cmat_buf_clear(&out);
            } else {
                assert_null(strchr(err.msg, '\n'));
            }
            house_game_unref(g);
            json_decref(j);
        }
    }
    json_decref(good);
}

static void test_bad_houses(void **unused)
{
    (void)unused;
    static const char *const houses[] = {
        "{}",
        "{\"receptacles\": [\"bed\"], \"text\": \"x\", \"at\": 5}",
        "{\"receptacles\": [\"cloud\"], \"text\": \"x\"}",
        "{\"receptacles\": [1], \"text\": \"x\"}",
        "{\"receptacles\": [\"bed\"], \"objects\": [[\"book\", 3]], \"text\": \"x\"}",
        "{\"receptacles\": [\"bed\"], \"objects\": [[\"moon\", 0]], \"text\": \"x\"}",
        "{\"receptacles\": [\"bed\"], \"objects\": [7], \"text\": \"x\"}",
        "{\"receptacles\": [\"bed\"], \"text\": \"x\", \"goal\": {\"kind\": \"fly\"}}",
        "{\"receptacles\": [\"bed\"], \"text\": \"\\\"}]\"}",
    };
    for (size_t i = 0; i < sizeof houses / sizeof *houses; i++) {
        json_t *h = json_loads(houses[i], 0, NULL);
        cmat_error err = {0};
        assert_non_null(h);
        assert_null(house_spec_game(h, &err));
        assert_memory_equal(err.msg, "house: ", 7);
        json_decref(h);
    }
}

/* Files: a folder in any order gives the same ids and hash; a changed game is not played. */
static void test_import(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/cmat-test-XXXXXX";
    cmat_task_list made = {0}, l = {0};
    cmat_env *env = open_env(NULL);
    cmat_obs obs = {0};
    cmat_error err;
    char *path[2], *sub[2];
    assert_non_null(mkdtemp(dir));
    make(0, 2, 11, &made);
    for (size_t i = 0; i < 2; i++) {
        json_t *j = house_spec_game(json_object_get(made.items[i].json, "house"), &err);
        json_object_set(j, "walkthrough", json_object_get(made.items[i].json, "gold"));
        sub[i] = cmat_xasprintf("%s/%zu", dir, i);
        path[i] = cmat_path_join(sub[i], "game.tw-pddl");
        assert_int_equal(cmat_mkdir_p(sub[i], &err), CMAT_OK);
        assert_int_equal(cmat_json_save(path[i], j, &err), CMAT_OK);
        json_decref(j);
    }
    assert_int_equal(cmat_env_import(env->ops, dir, &l, &err), CMAT_OK);
    assert_int_equal(l.n, 2);
    assert_true(strcmp(l.items[0].id, l.items[1].id) < 0);
    for (size_t i = 0; i < 2; i++)
        assert_true(player_oracle(env, &l.items[i], PLAYER_STRICT) == 1);
    json_t *j = cmat_json_load(path[0], &err);
    json_object_set_new(j, "pddl_domain", json_string(house_domain));
    cmat_buf text = {0};
    cmat_buf_printf(&text, "%s ; changed", house_domain);
    json_object_set_new(j, "pddl_domain", json_string(text.data));
    assert_int_equal(cmat_json_save(path[0], j, &err), CMAT_OK);
    json_decref(j);
    cmat_buf_clear(&text);
    cmat_env_close(env); /* forgets the games */
    env = open_env(NULL);
    cmat_status st[2];
    for (size_t i = 0; i < 2; i++)
        st[i] = cmat_env_reset(env, &l.items[i], &obs, &err);
    assert_true((st[0] == CMAT_ERR_FORMAT) != (st[1] == CMAT_ERR_FORMAT));
    cmat_task_list_clear(&l);
    assert_int_equal(cmat_env_import(env->ops, "/nonexistent", &l, &err), CMAT_ERR_NOT_FOUND);
    for (size_t i = 0; i < 2; i++) {
        remove(path[i]);
        remove(sub[i]);
        free(path[i]);
        free(sub[i]);
    }
    assert_int_equal(cmat_env_import(env->ops, dir, &l, &err), CMAT_ERR_NOT_FOUND);
    remove(dir);
    cmat_obs_clear(&obs);
    cmat_task_list_clear(&made);
    cmat_env_close(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),          cmocka_unit_test(test_oracle),
        cmocka_unit_test(test_planner_recovers), cmocka_unit_test(test_generator),
        cmocka_unit_test(test_snapshots),        cmocka_unit_test(test_facts_and_mistakes),
        cmocka_unit_test(test_agentbench),       cmocka_unit_test(test_bleu),
        cmocka_unit_test(test_broken_games),     cmocka_unit_test(test_cut_games),
        cmocka_unit_test(test_bad_houses),       cmocka_unit_test(test_import),
        cmocka_unit_test(test_no_circles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
