/* test_kg.c - the knowledge graph: imports, tools and their words in both styles, made questions,
 * AgentBench's closed graph, MetaQA, facts, constraint, snapshots, hostile names. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/kg/kg.h"
#include "env/kg/link.h"
#include "hostile.h"
#include "http_server.h"
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

static char folder[] = "/tmp/cmat-test-kg-XXXXXX";
static char *films; /* the graph that most tests use */

static char *file(const char *name, const void *text, size_t len)
{
    char *path = cmat_path_join(folder, name);
    assert_int_equal(cmat_write_file(path, text, len, NULL), CMAT_OK);
    return path;
}

static int set_up(void **unused)
{
    (void)unused;
    cmat_buf b = {0};
    if (!mkdtemp(folder) || setenv("CMAT_HOME", folder, 1) != 0)
        return -1;
    for (int i = 0; i < 60; i++)
        cmat_buf_printf(&b,
                        "Film %d|directed_by|Director %d\nFilm %d|starred_actors|Actor, the %d\n"
                        "Film %d|starred_actors|Actor (%d)\nFilm %d|release_year|%d\n",
                        i, i % 9, i, i % 13, i, i % 7, i, 1960 + i % 30);
    cmat_buf_puts(&b, "Film 3|written_by|Director 4\nFilm 5|written_by|Director 4\n");
    films = file("films.txt", b.data, b.len);
    cmat_buf_clear(&b);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    char *command = cmat_xasprintf("rm -r '%s'", folder);
    const int rc = system(command);
    free(command);
    free(films);
    return rc;
}

static cmat_env *open_env(const char *world, const char *style)
{
    return player_open("kg", (cmat_env_options){.path = world, .style = style});
}

static const char both_task[] =
    "{\"id\": \"t\", \"env\": \"kg\", \"instruction\": \"which?\", \"entities\": {\"Director 3\": "
    "\"Director 3\", \"Actor, the 3\": \"Actor, the 3\"}, \"gold\": [\"get_relations(Director "
    "3)\", "
    "\"get_neighbors(Director 3, ^directed_by)\", \"get_relations(Actor, the 3)\", "
    "\"get_neighbors(Actor, the 3, ^starred_actors)\", \"intersection(#0, #1)\"], \"answer\": "
    "[\"Film "
    "3\"]}";

static void begin(cmat_env *env, const cmat_task *t, const char *wanted)
{
    cmat_obs obs = {0};
    cmat_error err;
    if (cmat_env_reset(env, t, &obs, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    if (!strstr(cmat_buf_str(&obs.text), wanted))
        fail_msg("first: %s", cmat_buf_str(&obs.text));
    cmat_obs_clear(&obs);
}

static void test_short_style(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(films, NULL);
    cmat_task t = player_task(both_task);
    begin(env, &t, "Question: which?\nEntities: Actor, the 3; Director 3");
    player_expect(env, "get_neighbors(Director 3, ^directed_by)",
                  "get_relations(Director 3) must come first");
    player_expect(env, "Think: first the films\nget_relations(Director 3)", "^directed_by");
    player_expect(env, "get_neighbors(Director 3, ^directed_yb)", "the nearest is ^directed_by");
    player_expect(env, "get_neighbors(Director 3, ^directed_by)", "#0: 7 ");
    player_expect(env, "get_relations(Actor, the 3)", "^starred_actors");
    player_expect(env, "get_neighbors(Actor, the 3, ^starred_actors)", "#1: 5 ");
    player_expect(env, "intersection(#0, #4)", "there is no variable #4; the last is #1");
    player_expect(env, "intersection(#0, Director 3)", "is an entity");
    player_expect(env, "get_relations(Nobody)", "no entity \"Nobody\"");
    player_expect(env, "look around", "there is no call");
    player_expect(env, "jump(#0)", "no tool jump");
    player_expect(env, "count(#0", "does not end with");
    player_expect(env, "intersection(#0, #1)", "#2: 1 ");
    player_expect(env, "answer(#2)", "");
    assert_true(env->done);
    assert_true(player_score(env) == 1);
    begin(env, &t, "which?");
    player_expect(env, "get_relations(Director 3)", "directed");
    player_expect(env, "get_neighbors(Director 3, ^directed_by)", "#0: 7 ");
    player_expect(env, "get_attributes(#0)", "release_year");
    player_expect(env, "argmax(#0, release_year)", "#1: 1 ");
    player_expect(env, "argmin(#0, release_year)", "(Film 30)");
    player_expect(env, "count(#0)", "#3: the number 7");
    player_expect(env, "count(#3)", "is a number");
    player_expect(env, "get_relations(#0)", "release_year, starred_actors, written_by");
    player_expect(env, "get_neighbors(#0, starred_actors)", "#4: ");
    player_expect(env, "intersection(#0, #4)", "different types");
    player_expect(env, "answer(#0)", "");
    const double p = 1.0 / 7, f1 = 2 * p / (p + 1);
    assert_true(fabs(player_score(env) - f1) < 1e-9); /* one of seven is right */
    json_t *m = json_object();
    env->ops->measures(env, m);
    assert_true(cmat_json_num(m, "exact match", -1) == 0 &&
                cmat_json_num(m, "executability", -1) == 1);
    assert_string_equal(env->ops->error_kind(env), "answer in part");
    json_decref(m);
    cmat_task_clear(&t);
    cmat_env_close(env);
}

/* The words of AgentBench's own tools. */
static void test_agentbench_style(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(films, "agentbench");
    cmat_task t = player_task(both_task);
    begin(env, &t, "A new question: which?\nEntities: [Actor, the 3, Director 3]");
    player_expect(env, "I think so.", "No executable function found! Need to recheck the action.");
    player_expect(env, "Action: hm", "Function is not executed!");
    player_expect(env, "Final Answer: #0", "Invalid variable id! Need to recheck the action.");
    player_expect(
        env, "Action: get_neighbors(Director 3,   ^directed_by)",
        "get_neighbors(Director 3, ^directed_by) cannot be executed. You may make a mistake and "
        "need to "
        "fix it.");
    player_expect(env, "Action: get_relations(Director 3",
                  "I may make a syntax error when calling get_relations");
    player_expect(env, "Thought: it\nAction: get_relations(Director 3)\nObservation: made up",
                  "Observation: [^");
    player_expect(env, "Action 1: get_neighbors(Director 3, ^directed\\_by)",
                  "Observation: variable #0, which "
                  "are instances of ");
    player_expect(
        env, "Action: intersection(#0, #9)",
        "intersection(#0, #9) cannot be executed. The two variables are not of the same type. You "
        "may "
        "further explore them by call get_relations");
    player_expect(env, "Action: count(variable #0)", "Observation: variable #1, which is a number");
    player_expect(env, "Find Answer: #1", "");
    assert_true(env->done && player_score(env) == 0);
    cmat_task_clear(&t);
    cmat_env_close(env);
}

static void make(cmat_env *env, int split, size_t n, uint64_t seed, cmat_task_list *l)
{
    cmat_error err;
    if (env->ops->generate(env, split, n, seed, l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
}

/* Made questions: solved by their gold, the same for the same seed, apart between the splits. */
static void test_made_questions(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(films, NULL), *bench = NULL;
    const cmat_env_options o = {.path = films, .style = "agentbench", .like = env};
    assert_int_equal(cmat_env_open(&bench, "kg", &o, NULL), CMAT_OK);
    cmat_task_list split[3] = {{0}}, again = {0};
    json_t *kinds = json_object(), *starts = json_object();
    char one[65], other[65];
    for (int s = 0; s < 3; s++) {
        make(env, s, 30, 5, &split[s]);
        for (size_t i = 0; i < split[s].n; i++) {
            const cmat_task *t = &split[s].items[i];
            const json_t *name;
            const char *label;
            assert_true(player_oracle(env, t, PLAYER_STRICT) == 1);
            assert_true(player_oracle(bench, t, PLAYER_STRICT) == 1);
            json_object_set_new(kinds, t->kind, json_true());
            json_object_foreach(json_object_get(t->json, "entities"), label, name)
            {
                const json_t *of = json_object_get(starts, json_string_value(name));
                if (of)
                    assert_int_equal(json_integer_value(of), s);
                json_object_set_new(starts, json_string_value(name), json_integer(s));
            }
        }
    }
    assert_int_equal(json_object_size(kinds), 7);
    make(env, 0, 30, 5, &again);
    cmat_task_list_hash(&split[0], one);
    cmat_task_list_hash(&again, other);
    assert_string_equal(one, other);
    for (int s = 0; s < 3; s++)
        cmat_task_list_clear(&split[s]);
    cmat_task_list_clear(&again);
    json_decref(kinds);
    json_decref(starts);
    cmat_env_close(env);
    cmat_env_close(bench);
}

static bool accepted(cmat_env *env, const char *text)
{
    _Alignas(16) unsigned char state[CMAT_ACCEPTOR_STATE_MAX] = {0};
    cmat_acceptor *a = NULL;
    bool good = true;
    assert_int_equal(env->ops->constraint(env, &a, NULL), CMAT_OK);
    a->ops->start(a, state);
    for (const char *p = text; *p && good; p++)
        good = a->ops->step(a, state, (uint8_t)*p);
    good = good && a->ops->done(a, state);
    cmat_acceptor_free(a);
    return good;
}

/* A random player with the listed calls: each is accepted and runs; going back gives the same. */
static void test_actions_and_snapshots(void **unused)
{
    (void)unused;
    static const char *const styles[] = {"short", "agentbench"};
    for (int k = 0; k < 2; k++) {
        cmat_env *env = open_env(films, styles[k]);
        cmat_task t = player_task(both_task);
        cmat_env_snapshot s = {0};
        cmat_obs obs = {0};
        cmat_facts facts = {0};
        cmat_buf first = {0};
        cmat_rng rng;
        cmat_error err;
        cmat_rng_init(&rng, 7);
        begin(env, &t, "which?");
        for (int step = 0; step < 14 && !env->done; step++) {
            const char *const *actions;
            const size_t n = env->ops->actions(env, &actions);
            uint64_t before, after;
            char say_it[600];
            assert_true(n > 0);
            const char *action = actions[cmat_rng_below(&rng, n)];
            const bool answer = strncmp(action, "answer(", 7) == 0;
            if (k == 0)
                snprintf(say_it, sizeof say_it, "%s", action);
            else
                snprintf(say_it, sizeof say_it, answer ? "Final Answer: %.*s" : "Action: %.*s",
                         (int)strlen(action) - (answer ? 8 : 0), action + (answer ? 7 : 0));
            assert_true(accepted(env, say_it));
            assert_false(accepted(env, "get_neighbors(#7, nowhere)"));
            assert_int_equal(cmat_env_hash(env, &before, &err), CMAT_OK);
            assert_int_equal(cmat_env_dry_run(env, say_it, &facts, &err), CMAT_OK);
            assert_int_equal(cmat_env_hash(env, &after, &err), CMAT_OK);
            assert_true(before == after && facts.verdict != CMAT_FACT_BAD);
            assert_int_equal(cmat_env_snapshot_take(env, &s, &err), CMAT_OK);
            assert_int_equal(cmat_env_step(env, say_it, &obs, &err), CMAT_OK);
            assert_false(obs.error);
            cmat_buf_truncate(&first, 0);
            cmat_buf_puts(&first, cmat_buf_str(&obs.text));
            assert_int_equal(cmat_env_restore(env, &s, &err), CMAT_OK);
            assert_int_equal(cmat_env_hash(env, &after, &err), CMAT_OK);
            assert_true(before == after);
            assert_int_equal(cmat_env_step(env, say_it, &obs, &err), CMAT_OK);
            assert_string_equal(cmat_buf_str(&first), cmat_buf_str(&obs.text));
        }
        cmat_env_snapshot_clear(&s);
        cmat_facts_clear(&facts);
        cmat_obs_clear(&obs);
        cmat_buf_clear(&first);
        cmat_task_clear(&t);
        cmat_env_close(env);
    }
}

static void test_facts(void **unused)
{
    (void)unused;
    cmat_env *env = open_env(films, NULL);
    cmat_task t = player_task(both_task);
    cmat_buf slip = {0};
    cmat_rng rng;
    cmat_rng_init(&rng, 1);
    begin(env, &t, "which?");
    for (int i = 0; i < 20; i++) { /* practice replies are wrong at the start */
        cmat_buf_truncate(&slip, 0);
        assert_true(env->ops->slip(env, &rng, &slip));
        player_facts(env, slip.data, CMAT_FACT_BAD, "wrong: ");
    }
    player_facts(env, "get_relations(Director 3)", CMAT_FACT_OK, "1 relations");
    player_facts(env, "get_neighbors(#0, x)", CMAT_FACT_BAD, "there are no variables yet");
    player_expect(env, "get_relations(Director 3)", "");
    player_facts(env, "get_relations(Director 3)", CMAT_FACT_NOTE, "listed before");
    player_facts(env, "get_neighbors(Director 3, ^directed_by)", CMAT_FACT_OK, "7 ");
    player_facts(env, "get_neighbors(Director 3, written_by)", CMAT_FACT_BAD, "no relation");
    player_expect(env, "get_neighbors(Director 3, ^directed_by)", "");
    player_expect(env, "get_relations(Actor, the 3)", "");
    player_expect(env, "get_neighbors(Actor, the 3, ^starred_actors)", "");
    player_facts(env, "intersection(#0, #1)", CMAT_FACT_OK, "1 ");
    player_facts(env, "answer(#1)", CMAT_FACT_OK, "5 ");
    cmat_buf_clear(&slip);
    cmat_task_clear(&t);
    cmat_env_close(env);
}

/* Two questions of AgentBench's form, their closed graph and the ontology beside it. */
static void test_closed_graph(void **unused)
{
    (void)unused;
    static const char questions[] =
        "[{\"question\": \"who made both?\", \"qid\": \"1\", \"entities\": {\"One, two\": \"m.1\", "
        "\"Two\": \"m.2\"}, \"actions\": [\"get_relations(m.1)\", "
        "\"get_neighbors(m.1,film.film.director)\", \"get_relations(#0)\", "
        "\"get_neighbors(#0,people.person.place)\", \"get_relations(m.2)\", "
        "\"get_neighbors(m.2,film.film.place)\", \"intersection(#1,#2)\", \"get_attributes(#3)\", "
        "\"argmin(#3,place.place.age)\"], \"answer\": [{\"answer_argument\": \"m.9\", "
        "\"entity_name\": "
        "\"Nine\"}]}, {\"question\": \"how many?\", \"qid\": \"2\", \"entities\": {\"Two\": "
        "\"m.2\"}, "
        "\"actions\": [\"get_relations(m.2)\", \"get_neighbors(m.2,film.film.cast)\", "
        "\"count(#0)\"], "
        "\"answer\": [{\"answer_argument\": \"4\"}]}]";
    static const char roles[] =
        "film.film film.film.director people.person\npeople.person "
        "people.person.place place.place\nfilm.film film.film.place "
        "place.place\nplace.place place.place.age type.int\nfilm.film "
        "film.film.cast people.person\nfilm.film film.film.genre film.genre\n"
        "film.genre film.genre.films film.film\n";
    static const char vocab[] =
        "{\"relations\": [\"film.film.director\", \"people.person.place\", \"film.film.place\", "
        "\"film.film.cast\", \"film.film.genre\", \"film.genre.films\"], \"attributes\": "
        "[\"place.place.age\"]}";
    char *dir = cmat_path_join(folder, "ontology");
    assert_int_equal(cmat_mkdir_p(dir, NULL), CMAT_OK);
    char *path = file("train.json", questions, strlen(questions));
    char *a = file("ontology/fb_roles", roles, strlen(roles));
    char *b = file("ontology/vocab.json", vocab, strlen(vocab));
    cmat_env *env = open_env(path, "agentbench");
    cmat_task_list l = {0};
    cmat_error err;
    if (cmat_env_import(env->ops, path, &l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(l.n, 2);
    for (size_t i = 0; i < l.n; i++)
        assert_true(player_oracle(env, &l.items[i], PLAYER_STRICT) == 1);
    const cmat_task *first = &l.items[strcmp(l.items[0].kind, "count") == 0];
    begin(env, first, "who made both?");
    player_expect(env, "Action: get_relations(One, two)", "film.film.genre"); /* a relation aside */
    player_expect(env, "Action: get_neighbors(One, two, film.film.director)",
                  "instances of people.person");
    cmat_task_list_clear(&l);
    cmat_env_close(env);
    free(dir);
    free(path);
    free(a);
    free(b);
}

static void test_metaqa(void **unused)
{
    (void)unused;
    static const char lines[] =
        "{\"q\": \"films by [Director 4]'s writers\", \"entity\": \"Director 4\", \"qtype\": "
        "\"writer_to_movie_to_year\", \"answers\": [\"1963\", \"1965\"]}\n";
    char *path = file("q.jsonl", lines, strlen(lines));
    cmat_env *env = open_env(films, NULL);
    cmat_task_list l = {0};
    assert_int_equal(cmat_env_import(env->ops, path, &l, NULL), CMAT_OK);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.items[0].kind, "2-hop");
    assert_true(player_oracle(env, &l.items[0], PLAYER_STRICT) == 1);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
    free(path);
}

static const char turtle[] =
    "@prefix x: <http://example.org/> .\n"
    "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
    "x:knows rdfs:range x:Person .\n"
    "x:ann a x:Person ; rdfs:label \"Ann\"@en, \"Anna\"@de ; x:knows x:bob, x:cid ; x:born 1970 .\n"
    "x:bob a x:Person ; rdfs:label \"Bob\" ; x:born 1980 ; x:lives x:rome .\n"
    "x:cid a x:Person ; x:born \"1990-05-01\" ; x:lives x:rome ; x:motto \"carpe\"@la, "
    "\"seize\"@en .\n";

static void test_rdf(void **unused)
{
    (void)unused;
    char *path = file("people.ttl", turtle, strlen(turtle));
    kg_graph *g = NULL;
    cmat_error err;
    const cmat_status st = kg_graph_open(&g, path, 0, &err);
    if (st == CMAT_ERR_UNSUPPORTED) {
        print_message("built without serd: %s\n", err.msg);
        free(path);
        skip();
    }
    if (st != CMAT_OK)
        fail_msg("%s", err.msg);
    kg_graph_unref(g);
    cmat_env *env = open_env(path, NULL);
    cmat_task t = player_task(
        "{\"id\": \"t\", \"instruction\": \"q\", \"entities\": {\"Ann\": \"ann\"}, "
        "\"answer\": [\"cid\"]}");
    begin(env, &t, "Entities: Ann");
    player_expect(env, "get_relations(Ann)", "born, knows");
    player_expect(env, "get_neighbors(Ann, knows)", "#0: 2 Person (Bob; cid)");
    player_expect(env, "get_relations(#0)", "^knows, born, lives, motto");
    player_expect(env, "get_neighbors(#0, motto)", "(seize)");
    player_expect(env, "get_attributes(#0)", "born");
    player_expect(env, "argmax(#0, born)", "(cid)");
    player_expect(env, "answer(#2)", "");
    assert_true(player_score(env) == 1);
    cmat_task_clear(&t);
    cmat_env_close(env);
    free(path);
}

static void refuse(const char *name, const char *text, const char *wanted)
{
    char *path = file(name, text, strlen(text));
    kg_graph *g = NULL;
    cmat_error err = {0};
    if (kg_graph_open(&g, path, 0, &err) == CMAT_OK || !strstr(err.msg, wanted) ||
        strchr(err.msg, '\n'))
        fail_msg("%s: %s", name, err.msg);
    free(path);
}

static void test_bad_worlds(void **unused)
{
    (void)unused;
    cmat_env *env = NULL;
    cmat_obs obs = {0};
    cmat_error err;
    refuse("a.tsv", "one line\nanother\n", "line 1: not three fields");
    refuse("b.tsv", "", "holds no triples");
    refuse("c.tsv.xz", "x", "unpack it first");
    refuse("d.owl", "<rdf/>", "N-Triples");
    refuse("e.json", "{\"url\": 1}", "\"sparql\"");
    refuse("f.json", "[1, 2]", "holds no triples");
    refuse("g.json", "{\"sparql\": \"http://127.0.0.1:1/sparql\"}", "127.0.0.1:1");
    const cmat_env_options o = {.path = "/nowhere.nt"}, no_world = {0};
    assert_int_equal(cmat_env_open(&env, "kg", &o, &err), CMAT_ERR_NOT_FOUND);
    assert_int_equal(cmat_env_open(&env, "kg", &no_world, &err), CMAT_OK);
    cmat_task t = player_task(both_task);
    assert_int_equal(cmat_env_reset(env, &t, &obs, &err), CMAT_ERR_ARG);
    assert_non_null(strstr(err.msg, "--world"));
    cmat_env_close(env);
    env = open_env(films, NULL);
    cmat_task stranger =
        player_task("{\"id\": \"t\", \"instruction\": \"q\", \"entities\": {\"Ann\": \"ann\"}}");
    assert_int_equal(cmat_env_reset(env, &stranger, &obs, &err), CMAT_ERR_NOT_FOUND);
    cmat_env_close(env);
    cmat_task_clear(&t);
    cmat_task_clear(&stranger);
    cmat_obs_clear(&obs);
}

/* A damaged store is refused or answers, and never crashes. */
static void test_damaged_store(void **unused)
{
    (void)unused;
    char *text = NULL;
    size_t len;
    char *find = cmat_xasprintf("ls %s/kg/films.txt-*.kg", folder), path[400] = "";
    FILE *p = popen(find, "r");
    assert_non_null(p);
    assert_non_null(fgets(path, sizeof path, p));
    pclose(p);
    path[strcspn(path, "\n")] = '\0';
    assert_int_equal(cmat_read_file(path, 1 << 24, &text, &len, NULL), CMAT_OK);
    cmat_task t = player_task(both_task);
    for (size_t k = 0; k < 60; k++) {
        char *copy = cmat_xmalloc(len);
        memcpy(copy, text, len);
        const size_t at = k < 30 ? 100 + k * 7 : (k * 7919) % len;
        copy[at] = (char)(copy[at] ^ (k % 2 ? 0xff : 0x10));
        char *bad = file("bad.kg", copy, k < 50 ? len : len * (k - 49) / 12);
        const cmat_env_options o = {.path = bad};
        cmat_env *env = NULL;
        cmat_obs obs = {0};
        cmat_error err;
        if (cmat_env_open(&env, "kg", &o, &err) == CMAT_OK) {
            if (cmat_env_reset(env, &t, &obs, &err) == CMAT_OK)
                (void)cmat_env_step(env, "get_relations(Director 3)", &obs, &err);
            cmat_env_close(env);
        }
        cmat_obs_clear(&obs);
        free(bad);
        free(copy);
    }
    cmat_task_clear(&t);
    free(find);
    free(text);
}

/* Whatever a name, a label or a relation holds: cut, visible, one line. */
static void test_hostile(void **unused)
{
    (void)unused;
    size_t n;
    const hostile_text *h = hostile_texts(&n);
    for (size_t i = 0; i < n; i++) {
        cmat_buf b = {0};
        char name[40], path_name[60];
        snprintf(name, sizeof name, "Node %zu", i);
        for (int k = 0; k < 3; k++) {
            const char *parts[] = {name, "rel", "x"};
            for (int f = 0; f < 3; f++) {
                if (f == (k + 1) % 3)
                    for (size_t c = 0; c < h[i].len;
                         c++) { /* one line of three fields it must stay */
                        const char ch = h[i].text[c];
                        cmat_buf_putc(&b, ch == '\n' || ch == '\t' || ch == '\r' || !ch ? ' ' : ch);
                    }
                else
                    cmat_buf_puts(&b, parts[f]);
                cmat_buf_putc(&b, f < 2 ? '\t' : '\n');
            }
        }
        cmat_buf_printf(&b, "%s\trel\ty\n%s\trel\tz\n", name, name);
        snprintf(path_name, sizeof path_name, "hostile%zu.tsv", i);
        char *path = file(path_name, b.data, b.len);
        cmat_env *env = open_env(path, NULL);
        json_t *j = json_pack("{s:s, s:s, s:{s:s}, s:[s]}", "id", "t", "instruction",
                              h[i].utf8 && h[i].len ? h[i].text : "q", "entities", name, name,
                              "answer", "x");
        cmat_task t;
        cmat_obs obs = {0};
        cmat_facts facts = {0};
        cmat_error err;
        assert_int_equal(cmat_task_init(&t, j, &err), CMAT_OK);
        assert_int_equal(cmat_env_reset(env, &t, &obs, &err), CMAT_OK);
        hostile_check(h[i].name, &obs, 0);
        for (int step = 0; step < 12; step++) {
            const char *const *actions;
            const size_t n_actions = env->ops->actions(env, &actions);
            cmat_buf shown = {0};
            assert_true(n_actions > 0);
            char *action = cmat_xstrdup(actions[(size_t)step % n_actions]);
            if (strncmp(action, "answer", 6) == 0)
                snprintf(action, 6, "count");
            cmat_buf_puts(&shown, action);
            hostile_check_text(h[i].name, &shown, 2000);
            assert_int_equal(cmat_env_dry_run(env, action, &facts, &err), CMAT_OK);
            hostile_check_text(h[i].name, &facts.text, CMAT_FACTS_MAX);
            assert_int_equal(cmat_env_step(env, action, &obs, &err), CMAT_OK);
            hostile_check(h[i].name, &obs, 5000);
            cmat_buf_clear(&shown);
            free(action);
        }
        if (strlen(h[i].text) == h[i].len) {
            assert_int_equal(cmat_env_step(env, h[i].text, &obs, &err), CMAT_OK);
            hostile_check(h[i].name, &obs, 5000);
        }
        cmat_facts_clear(&facts);
        cmat_obs_clear(&obs);
        cmat_task_clear(&t);
        json_decref(j);
        cmat_env_close(env);
        remove(path);
        free(path);
        cmat_buf_clear(&b);
    }
}

/* ---- endpoints ---- */

typedef struct {
    int status;
    const char *body;
    char asked[8192]; /* the last request */
} canned;

static void answer(http_server *s, int fd, const char *request)
{
    canned *c = s->user;
    cmat_buf head = {0};
    snprintf(c->asked, sizeof c->asked, "%s", request);
    cmat_buf_printf(&head, "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                    c->status, strlen(c->body), c->body);
    http_send(fd, head.data, head.len);
    cmat_buf_clear(&head);
}

#define ROWS(rows) "{\"head\": {}, \"results\": {\"bindings\": [" rows "]}}"
#define FREE(name) \
    "{\"v0\": {\"type\": \"uri\", \"value\": \"http://rdf.freebase.com/ns/" name "\"}}"

/* What AgentBench does with its endpoint; whatever the server says, a reply never ends the program.
 */
static void test_endpoint(void **unused)
{
    (void)unused;
    canned c = {.status = 200, .body = ROWS(FREE("x"))};
    http_server s;
    http_server_start(&s, answer, &c);
    char *url = http_server_url(&s, "sparql");
    cmat_env *env = open_env(url, "agentbench");
    cmat_task t = player_task(
        "{\"id\": \"t\", \"instruction\": \"q\", \"entities\": {\"Ann\": \"m.1>\"}, "
        "\"answer\": [\"m.2\", \"1970-05-01\"]}");
    begin(env, &t, "Entities: [Ann]");
    c.body = ROWS(FREE("people.person.friend") "," FREE("type.object.name"));
    player_expect(env, "Action: get_relations(Ann)",
                  "Observation: [people.person.friend, type.object.name]");
    assert_non_null(
        strstr(c.asked, "rdf.freebase.com%2Fns%2Fm.1%253E%3E")); /* the ">" is escaped */
    player_expect(env, "Action: get_neighbors(Ann, people.person.friend)",
                  "variable #0, which are instances of");
    c.status = 500;
    c.body = "Virtuoso 42000 Error: The estimated execution time is too long\n\x1b[31mmore";
    player_expect(env, "Action: get_relations(#0)", "get_relations(#0) cannot be executed.");
    c.status = 200;
    c.body = ROWS("");
    player_expect(env, "Action: get_attributes(#0)", "Observation: []");
    player_expect(env, "Final Answer: #0", "");
    c.body =
        ROWS(FREE("m.2") ", {\"v0\": {\"type\": \"literal\", \"value\": \"1970-05-01-08:00\"}}");
    assert_true(player_score(env) == 1);
    assert_non_null(strstr(c.asked, "FILTER%28%3Fv0%20%21%3D%20"));
    static const char *const odd[] = {"", "no JSON", "[]", "{\"results\": 3}",
                                      ROWS("{\"v0\": {}}, 3, {\"v0\": 1}")};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        cmat_obs obs = {0};
        cmat_error err = {0};
        begin(env, &t, "q");
        c.body = odd[i];
        if (cmat_env_step(env, "Action: get_relations(Ann)", &obs, &err) != CMAT_OK)
            assert_true(err.msg[0] && !strchr(err.msg, '\n'));
        cmat_obs_clear(&obs);
    }
    cmat_task_clear(&t);
    cmat_env_close(env);
    http_server_stop(&s);
    free(url);
}

/* "LABEL=NAME ..." of what the question names. */
static void check_link(kg_graph *g, const char *question, const char *wanted)
{
    json_t *found = NULL, *name;
    const char *label;
    cmat_error err = {0};
    cmat_buf b = {0};
    if (kg_link(g, question, &found, &err) != CMAT_OK)
        fail_msg("%s: %s", question, err.msg);
    json_object_foreach(found, label, name)
        cmat_buf_printf(&b, "%s%s=%s", b.len ? " " : "", label, json_string_value(name));
    if (strcmp(cmat_buf_str(&b), wanted) != 0)
        fail_msg("%s: found %s", question, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    json_decref(found);
}

static void test_links(void **unused)
{
    (void)unused;
    static const char text[] =
        "<http://x/m1> <http://x/directed> <http://x/m2> .\n"
        "<http://x/m1> <http://x/seen> \"often\" .\n"
        "<http://x/m3> <http://x/directed> <http://x/m2> .\n"
        "<http://x/m4> <http://x/directed> <http://x/m3> .\n"
        "<http://x/m1> <http://www.w3.org/2000/01/rdf-schema#label> \"Ann Smith\" .\n"
        "<http://x/m4> <http://www.w3.org/2000/01/rdf-schema#label> \"Ann Smith\" .\n"
        "<http://x/m2> <http://www.w3.org/2000/01/rdf-schema#label> \"\u00c4rger im Haus!\" .\n"
        "<http://x/m3> <http://www.w3.org/2000/01/rdf-schema#label> \"the seen\" .\n";
    char *path = file("link.nt", text, strlen(text));
    kg_graph *g = NULL;
    json_t *found = NULL;
    cmat_error err = {0};
    assert_int_equal(kg_graph_open(&g, films, 0, &err), CMAT_OK);
    check_link(g, "Who directed Film 12?", "Film 12=Film 12");
    check_link(g, "who directed film 12 and FILM 1's sequel", "Film 12=Film 12 Film 1=Film 1");
    check_link(g, "In what was Actor, the 3 (not \"Actor (3)\")?",
               "Actor, the 3=Actor, the 3 Actor (3)=Actor (3)");
    check_link(g, "what is this", "");
    check_link(g, "", "");
    check_link(g, " ? \xff\xc3 ' ", "");
    assert_int_equal(kg_link_named(g, " film 7; Director 2 ;; ", &found, &err), CMAT_OK);
    assert_int_equal(json_object_size(found), 2);
    assert_string_equal(cmat_json_str(found, "Film 7", ""), "Film 7");
    json_decref(found);
    assert_int_equal(kg_link_named(g, "Film 7; Film 777", &found, &err), CMAT_ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "Film 777"));
    assert_null(found);
    kg_graph_unref(g);
    if (kg_graph_open(&g, path, 0, &err) == CMAT_OK) { /* of two with one label the one with more */
        check_link(g, "What did ANN SMITH direct?", "Ann Smith=m1");
        check_link(g, "Who made \"\u00e4rger im haus!\"?", "\u00c4rger im Haus!=m2");
        check_link(g, "what has the seen?", "the seen=m3"); /* small letters, but nothing else */
        check_link(g, "Was Ann Smith the seen?", "Ann Smith=m1");
        kg_graph_unref(g);
    } else {
        assert_int_equal(err.status, CMAT_ERR_UNSUPPORTED); /* built without RDF */
    }
    free(path);
}

/* Many at once over one graph, and no matter which is closed first. */
static void test_shared(void **unused)
{
    (void)unused;
    cmat_env *envs[64];
    cmat_task t = player_task(both_task);
    envs[0] = open_env(films, NULL);
    for (int i = 1; i < 64; i++) {
        const cmat_env_options o = {.path = films, .like = envs[i - 1]};
        assert_int_equal(cmat_env_open(&envs[i], "kg", &o, NULL), CMAT_OK);
        assert_ptr_equal(((kg_env *)envs[i])->graph, ((kg_env *)envs[0])->graph);
    }
    cmat_env_close(envs[0]);
    for (int i = 1; i < 64; i++)
        assert_true(player_oracle(envs[i], &t, PLAYER_STRICT) == 1);
    for (int i = 1; i < 64; i++)
        cmat_env_close(envs[i]);
    cmat_task_clear(&t);
}

static void test_values(void **unused)
{
    (void)unused;
    static const struct {
        const char *less, *more;
    } pairs[] = {{"9", "10"},
                 {"-3", "2.5"},
                 {"1969-12-31", "1970"},
                 {"1970", "1970-02-01"},
                 {"-0044-03", "1"},
                 {"2001-01-01T08:00:00", "2001-01-01T09:30:00"}};
    static const char *const none[] = {"",    "x",          "0x10",      "inf",
                                       "nan", "1970-13-01", "12 apples", "1e999"};
    double a, b;
    bool date;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_true(kg_number(pairs[i].less, &a, &date) && kg_number(pairs[i].more, &b, &date) &&
                    a < b);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(kg_number(none[i], &a, &date));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_short_style),
        cmocka_unit_test(test_agentbench_style),
        cmocka_unit_test(test_made_questions),
        cmocka_unit_test(test_actions_and_snapshots),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_closed_graph),
        cmocka_unit_test(test_metaqa),
        cmocka_unit_test(test_rdf),
        cmocka_unit_test(test_bad_worlds),
        cmocka_unit_test(test_damaged_store),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_endpoint),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_shared),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
