/* tests/fuzz/fuzz_kg.c - libFuzzer target: any bytes as a graph, as what describes one, as
 * questions, or as an Actor's replies.
 *
 * The first byte chooses. Every error must be one line; a dry run changes nothing; what can be
 * listed can be run. */
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "env/kg/build_impl.h"
#include "env/kg/kg.h"
#include "fuzz_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char scratch[] = "/tmp/cmat-fuzz-kg-XXXXXX";

static void remove_scratch(void)
{
    char *command = cmat_xasprintf("rm -rf '%s'", scratch);
    if (system(command) != 0)
        perror(command);
    free(command);
}

static const char *folder(void)
{
    static bool made;
    if (!made &&
        (!mkdtemp(scratch) || setenv("CMAT_HOME", scratch, 1) != 0 || atexit(remove_scratch) != 0))
        abort();
    made = true;
    cmat_log_set_level(CMAT_LOG_NONE);
    return scratch;
}

static char *file(const char *name, const void *data, size_t size)
{
    char *path = cmat_path_join(folder(), name);
    if (cmat_write_file(path, data, size, NULL) != CMAT_OK)
        abort();
    return path;
}

static void check(cmat_status st, const cmat_error *err)
{
    if (st != CMAT_OK && (!err->msg[0] || strchr(err->msg, '\n')))
        abort();
}

/* Reads it, saves it, and plays a made question on it when there is one. */
static void as_graph(cmat_status (*read)(kg_build *b, const char *path, cmat_error *err),
                     const char *name, const uint8_t *data, size_t size)
{
    char *path = file(name, data, size), *store = cmat_path_join(folder(), "g.kg");
    kg_build *b = kg_build_new(name);
    cmat_error err = {0};
    cmat_status st = read(b, path, &err);
    check(st, &err);
    if (st == CMAT_OK && kg_build_n_triples(b) > 0) {
        cmat_task_list l = {0};
        cmat_env *env = NULL;
        const cmat_env_options o = {.path = store};
        if (kg_build_save(b, store, &err) != CMAT_OK ||
            cmat_env_open(&env, "kg", &o, &err) != CMAT_OK)
            abort(); /* what was imported can be opened */
        check(env->ops->generate(env, 0, 2, 1, &l, &err), &err);
        for (size_t i = 0; i < l.n; i++) {
            cmat_obs obs = {0};
            cmat_buf reply = {0};
            double score = 0;
            if (cmat_env_reset(env, &l.items[i], &obs, &err) != CMAT_OK)
                abort();
            while (!env->done && env->ops->oracle(env, &reply)) {
                if (cmat_env_step(env, reply.data, &obs, &err) != CMAT_OK || obs.error)
                    abort();
                cmat_buf_truncate(&reply, 0);
            }
            if (cmat_env_score(env, &score, &err) != CMAT_OK || score < 1)
                abort();
            cmat_obs_clear(&obs);
            cmat_buf_clear(&reply);
        }
        cmat_task_list_clear(&l);
        cmat_env_close(env);
    }
    kg_build_free(b);
    free(path);
    free(store);
}

static cmat_status read_with_roles(kg_build *b, const char *path, cmat_error *err)
{
    static const char graph[] = "a\tr.s.t\tb\nb\tr.s.u\t3\nc\tr.s.t\tb\n";
    const cmat_status st = kg_read_roles(b, path, err);
    char *triples = st == CMAT_OK ? file("roles.tsv", graph, strlen(graph)) : NULL;
    const cmat_status read = triples ? kg_read_tsv(b, triples, err) : st;
    free(triples);
    return read;
}

static void as_questions(const uint8_t *data, size_t size)
{
    char *path = file("questions.json", data, size);
    cmat_task_list l = {0};
    cmat_error err = {0};
    check(kg_import(path, &l, &err), &err);
    cmat_task_list_clear(&l);
    free(path);
}

static cmat_env *good_env(bool agentbench)
{
    static cmat_env *envs[2];
    static const char graph[] =
        "One, two\tmade\tx\nOne, two\tmade\ty\nThree\tmade\tx\nx\tyear\t1990\ny\tyear\t1991\n";
    if (!envs[agentbench]) {
        char *path = file("good.tsv", graph, strlen(graph));
        const cmat_env_options o = {.path = path, .style = agentbench ? "agentbench" : "short"};
        if (cmat_env_open(&envs[agentbench], "kg", &o, NULL) != CMAT_OK)
            abort();
        free(path);
    }
    return envs[agentbench];
}

/* Lines between "~" are replies, one after the other. */
static void as_replies(const char *text, bool agentbench)
{
    static cmat_task t;
    cmat_env *env = good_env(agentbench);
    cmat_obs obs = {0};
    cmat_facts facts = {0};
    cmat_error err = {0};
    char *copy = cmat_xstrdup(text), *rest = NULL;
    if (!t.json) {
        json_t *j = json_pack("{s:s, s:s, s:{s:s, s:s}, s:[s]}", "id", "t", "instruction", "q",
                              "entities", "One, two", "One, two", "Three", "Three", "answer", "x");
        if (cmat_task_init(&t, j, NULL) != CMAT_OK)
            abort();
        json_decref(j);
    }
    if (cmat_env_reset(env, &t, &obs, &err) != CMAT_OK)
        abort();
    for (char *reply = strtok_r(copy, "~", &rest); reply && !env->done;
         reply = strtok_r(NULL, "~", &rest)) {
        const char *const *actions;
        fuzz_step(env, reply, &obs, &facts);
        if (env->ops->actions(env, &actions) == 0)
            abort();
    }
    cmat_obs_clear(&obs);
    cmat_facts_clear(&facts);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    folder();
    char *text = NULL;
    switch (data[0] % 8) {
    case 0:
        as_graph(kg_read_tsv, "f.tsv", data + 1, size - 1);
        break;
    case 1:
        as_graph(kg_read_rdf, "f.ttl", data + 1, size - 1);
        break;
    case 2:
        as_graph(kg_read_rdf, "f.nt", data + 1, size - 1);
        break;
    case 3:
        as_graph(read_with_roles, "f.roles", data + 1, size - 1);
        break;
    case 4:
        as_graph(kg_read_closed, "f.json", data + 1, size - 1);
        break;
    case 5:
        as_questions(data + 1, size - 1);
        break;
    default:
        text = cmat_xstrndup((const char *)data + 1, size - 1);
        as_replies(text, data[0] % 8 == 7);
        free(text);
    }
    return 0;
}
