/* tests/test_house_seeker.c - the player that searches: it gets there, from what it has seen alone,
 * and what it shows can be played again. */
#include "agent/harvest.h"
#include "core/json.h"
#include "env/house/kinds.h"
#include "env/house/make.h"
#include "env/house/seeker.h"
#include "player.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void make(int split, size_t n, uint64_t seed, cmat_task_list *l)
{
    cmat_error err;
    if (house_generate(split, n, seed, l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
}

/* Plays on to the end; the number of replies, or -1: not solved. */
static int play(cmat_env *env, bool strict)
{
    cmat_obs obs = {0};
    cmat_buf reply = {0};
    int n = 0;
    while (!env->done && env->ops->teacher(env, &reply)) {
        if (strict && !player_accepts(env, reply.data))
            fail_msg("the constraint refuses %s", reply.data);
        player_step(env, reply.data, &obs);
        if (strict && obs.error)
            fail_msg("%s: %s", reply.data, cmat_buf_str(&obs.text));
        cmat_buf_truncate(&reply, 0);
        n++;
    }
    cmat_obs_clear(&obs);
    cmat_buf_clear(&reply);
    return player_score(env) == 1 ? n : -1;
}

static void test_solves(void **unused)
{
    (void)unused;
    cmat_env *env[] = {player_open("house", (cmat_env_options){0}),
                       player_open("house", (cmat_env_options){.style = "agentbench"})};
    for (int split = 0; split < 3; split++) {
        cmat_task_list l = {0};
        make(split, 20, 11, &l);
        for (size_t i = 0; i < l.n; i++)
            for (int style = 0; style < 2; style++) {
                cmat_obs obs = {0};
                env[style]->opts.max_steps = 50;
                player_reset(env[style], &l.items[i], &obs);
                if (play(env[style], true) < 1)
                    fail_msg("%s is not solved", l.items[i].id);
                cmat_obs_clear(&obs);
            }
        cmat_task_list_clear(&l);
    }
    for (int style = 0; style < 2; style++)
        cmat_env_close(env[style]);
}

/* ---- knowing no more than was seen ---- */

/* The same task with the first thing of the goal's kind elsewhere; false: it fits nowhere else. */
static bool move_hidden(const cmat_task *from, cmat_task *to)
{
    json_t *j = json_deep_copy(from->json), *house = json_object_get(j, "house"), *object;
    const json_t *goal = json_object_get(house, "goal"), *place;
    const char *kind = cmat_json_str(goal, "object", "");
    size_t i, k;
    cmat_error err;
    bool moved = false;
    json_array_foreach(json_object_get(house, "objects"), i, object)
    {
        if (strcmp(json_string_value(json_array_get(object, 0)), kind) != 0)
            continue;
        json_array_foreach(json_object_get(house, "receptacles"), k, place)
        {
            const char *name = json_string_value(place);
            if (moved || (json_int_t)k == json_integer_value(json_array_get(object, 1)) ||
                strcmp(name, cmat_json_str(goal, "receptacle", "")) == 0 ||
                !house_goes_into(house_object_find(kind), house_receptacle_find(name)))
                continue;
            json_array_set_new(object, 1, json_integer((json_int_t)k));
            moved = true;
        }
        break;
    }
    if (moved && cmat_task_init(to, j, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    json_decref(j);
    return moved;
}

/* Plays both at once while they look the same; the number of replies until they do not, or until
 * another thing of the kind has served. */
static int play_alike(cmat_env *env[2], const cmat_task *tasks)
{
    cmat_obs obs[2] = {{.done = false}, {.done = false}};
    cmat_buf reply[2] = {{0}};
    int n = 0;
    for (int i = 0; i < 2; i++)
        player_reset(env[i], &tasks[i], &obs[i]);
    while (!env[0]->done && !env[1]->done &&
           strcmp(cmat_buf_str(&obs[0].text), cmat_buf_str(&obs[1].text)) == 0) {
        for (int i = 0; i < 2; i++) {
            cmat_buf_truncate(&reply[i], 0);
            assert_true(env[i]->ops->teacher(env[i], &reply[i]));
        }
        assert_string_equal(reply[0].data, reply[1].data);
        for (int i = 0; i < 2; i++)
            player_step(env[i], reply[i].data, &obs[i]);
        n++;
    }
    for (int i = 0; i < 2; i++) {
        cmat_obs_clear(&obs[i]);
        cmat_buf_clear(&reply[i]);
    }
    return n;
}

static void test_knows_what_it_saw(void **unused)
{
    (void)unused;
    cmat_env *env[] = {player_open("house", (cmat_env_options){0}),
                       player_open("house", (cmat_env_options){0})};
    cmat_task_list l = {0};
    int n = 0, longest = 0, as_planned = 0;
    make(0, 30, 12, &l);
    for (size_t i = 0; i < l.n; i++) {
        cmat_task pair[] = {l.items[i], {0}};
        if (!move_hidden(&pair[0], &pair[1]))
            continue;
        const int alike = play_alike(env, pair);
        longest = alike > longest ? alike : longest;
        n++;
        for (int k = 0; k < 2; k++)
            assert_true(play(env[k], true) >= 0);
        cmat_task_clear(&pair[1]);
        cmat_obs obs = {0};
        player_reset(env[0], &l.items[i], &obs);
        as_planned +=
            play(env[0], true) == (int)json_array_size(json_object_get(l.items[i].json, "gold"));
        cmat_obs_clear(&obs);
    }
    assert_true(n > 15);
    assert_true(longest > 5);
    assert_true(as_planned < n / 2); /* who does not know where things are needs longer */
    cmat_task_list_clear(&l);
    for (int i = 0; i < 2; i++)
        cmat_env_close(env[i]);
}

/* ---- what it does, sentence by sentence ---- */

typedef struct {
    const char *command, *answer; /* command NULL: it has nothing to say */
} turn;

static void follow(const char *view, const turn *turns)
{
    house_seeker *s = house_seeker_new(view);
    cmat_buf out = {0};
    for (; turns->answer; turns++) {
        cmat_buf_truncate(&out, 0);
        assert_true(house_seeker_next(s, &out) == (turns->command != NULL));
        if (!turns->command)
            break;
        assert_string_equal(cmat_buf_str(&out), turns->command);
        house_seeker_see(s, turns->command, turns->answer);
    }
    cmat_buf_clear(&out);
    house_seeker_free(s);
}

#define VIEW                                                                                       \
    "You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a cabinet " \
    "1, a countertop 2, a countertop 1, a fridge 1, a sinkbasin 1, a stoveburner 1, and a "        \
    "toaster "                                                                                     \
    "1.\nYour task is to: "

static void test_order_and_memory(void **unused)
{
    (void)unused;
    /* Open places before closed ones, as the view names them; the second thing was seen on the
     * way. The target is not searched. */
    static const turn two[] = {
        {"go to countertop 2",
         "You arrive at countertop 2. On the countertop 2, you see a fork 1."},
        {"go to countertop 1",
         "You arrive at countertop 1. On the countertop 1, you see a cup 3, "
         "and a cup 2."},
        {"take cup 3 from countertop 1", "You pick up the cup 3 from the countertop 1."},
        {"go to cabinet 1", "You arrive at cabinet 1. The cabinet 1 is closed."},
        {"open cabinet 1",
         "You open the cabinet 1. The cabinet 1 is open. In it, you see nothing."},
        {"move cup 3 to cabinet 1", "You move the cup 3 to the cabinet 1."},
        {"go to countertop 1", "You arrive at countertop 1. On the countertop 1, you see a cup 2."},
        {"take cup 2 from countertop 1", "You pick up the cup 2 from the countertop 1."},
        {"go to cabinet 1",
         "You arrive at cabinet 1. The cabinet 1 is open. In it, you see a cup 3."},
        {"move cup 2 to cabinet 1", "You move the cup 2 to the cabinet 1."},
        {NULL, NULL}};
    /* Cabinets 2 and 1 are side by side: one cannot go from one to the other. What is found dirty
     * where it is to go is taken and cleaned all the same. */
    static const turn clean[] = {
        {"go to countertop 2", "You arrive at countertop 2. On the countertop 2, you see nothing."},
        {"go to countertop 1", "You arrive at countertop 1. On the countertop 1, you see nothing."},
        {"go to sinkbasin 1", "You arrive at sinkbasin 1. On the sinkbasin 1, you see nothing."},
        {"go to cabinet 2", "You arrive at cabinet 2. The cabinet 2 is closed."},
        {"open cabinet 2",
         "You open the cabinet 2. The cabinet 2 is open. In it, you see a cup 1."},
        {"go to cabinet 1", "Nothing happens."},
        {"examine cabinet 1", "The cabinet 1 is closed."},
        {"open cabinet 1",
         "You open the cabinet 1. The cabinet 1 is open. In it, you see a plate 1."},
        {"take plate 1 from cabinet 1", "You pick up the plate 1 from the cabinet 1."},
        {"go to sinkbasin 1", "You arrive at sinkbasin 1. On the sinkbasin 1, you see nothing."},
        {"clean plate 1 with sinkbasin 1", "You clean the plate 1 using the sinkbasin 1."},
        {"go to cabinet 1",
         "You arrive at cabinet 1. The cabinet 1 is open. In it, you see nothing."},
        {"move plate 1 to cabinet 1", "You move the plate 1 to the cabinet 1."},
        {NULL, NULL}};
    /* What cannot be done is not said again. */
    static const turn stuck[] = {{"go to countertop 2", "Nothing happens."},
                                 {"examine countertop 2", "Nothing happens."},
                                 {NULL, ""},
                                 {NULL, NULL}};
    static const turn none[] = {{NULL, ""}, {NULL, NULL}};
    follow(VIEW "put two cup in cabinet.", two);
    follow(VIEW "put a clean plate in cabinet.", clean);
    follow(VIEW "find some cup and put it in cabinet.", stuck);
    follow(VIEW "cool some pan and put it in microwave.\n",
           (const turn[]){
               {"go to countertop 2",
                "You arrive at countertop 2. On the countertop 2, you see a pan 1."},
               {"take pan 1 from countertop 2", "You pick up the pan 1 from the countertop 2."},
               {"go to fridge 1", "You arrive at fridge 1. The fridge 1 is closed."},
               {"cool pan 1 with fridge 1", "You cool the pan 1 using the fridge 1."},
               {NULL, ""}, /* there is no microwave */
               {NULL, NULL}});
    follow(VIEW "dance.", none);
    follow("you see ", none);
    follow("", none);
}

/* Put into an unknown state, it first looks at what it holds. */
static void test_after_restore(void **unused)
{
    (void)unused;
    cmat_env *env = player_open("house", (cmat_env_options){.max_steps = 200});
    cmat_task_list l = {0};
    make(0, 6, 13, &l);
    for (size_t i = 0; i < l.n; i++) {
        cmat_obs obs = {0};
        cmat_buf reply = {0};
        cmat_env_snapshot s = {0};
        cmat_error err;
        player_reset(env, &l.items[i], &obs);
        for (int k = 0; k < 100 && strncmp(cmat_buf_str(&reply), "take ", 5) != 0; k++) {
            cmat_buf_truncate(&reply, 0);
            assert_true(env->ops->teacher(env, &reply));
            player_step(env, reply.data, &obs);
        }
        assert_int_equal(cmat_env_snapshot_take(env, &s, &err), CMAT_OK);
        assert_true(play(env, false) > 0);
        assert_int_equal(cmat_env_restore(env, &s, &err), CMAT_OK);
        cmat_buf_truncate(&reply, 0);
        assert_true(env->ops->teacher(env, &reply));
        assert_string_equal(reply.data, "inventory");
        assert_true(play(env, false) > 0);
        cmat_env_snapshot_clear(&s);
        cmat_buf_clear(&reply);
        cmat_obs_clear(&obs);
    }
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

/* ---- rows ---- */

static const cmat_task *task_of(const cmat_task_list *l, const char *id)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].id, id) == 0)
            return &l->items[i];
    fail_msg("no task %s", id);
    return NULL;
}

static void test_rows_replay(void **unused)
{
    (void)unused;
    cmat_run_config rc = {.env = "house", .env_opts = {.style = "short"}};
    cmat_harvest_options ho = CMAT_HARVEST_OPTIONS_DEFAULT;
    cmat_task_list l = {0};
    cmat_dataset rows = {0};
    cmat_error err;
    make(0, 12, 14, &l);
    assert_int_equal(cmat_options_init(cmat_agent_option_table, &rc.opts, &err), CMAT_OK);
    assert_int_equal(cmat_harvest_gold(&rc, &l, NULL, NULL, -1, &ho, &rows, NULL, NULL, &err),
                     CMAT_OK);
    assert_int_equal(rows.n, l.n);
    cmat_env *env = player_open("house", (cmat_env_options){0});
    for (size_t i = 0; i < rows.n; i++) {
        const json_t *m;
        size_t k;
        cmat_obs obs = {0};
        player_reset(env, task_of(&l, cmat_json_str(rows.items[i].extra, "task", "")), &obs);
        json_array_foreach(rows.items[i].messages, k, m)
        {
            if (strcmp(cmat_json_str(m, "role", ""), "assistant") != 0)
                continue;
            player_step(env, cmat_json_str(m, "content", ""), &obs);
            assert_false(obs.error);
        }
        assert_true(player_score(env) == 1);
        cmat_obs_clear(&obs);
    }
    cmat_env_close(env);
    cmat_dataset_clear(&rows);
    cmat_options_clear(cmat_agent_option_table, &rc.opts);
    cmat_task_list_clear(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_solves),           cmocka_unit_test(test_knows_what_it_saw),
        cmocka_unit_test(test_order_and_memory), cmocka_unit_test(test_after_restore),
        cmocka_unit_test(test_rows_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
