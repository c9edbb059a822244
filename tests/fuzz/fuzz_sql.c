/* tests/fuzz/fuzz_sql.c - libFuzzer target: any bytes as an Actor's reply to the database
 * environment.
 *
 * The first byte chooses style and MySQL's habits; the rest is the reply, tried dry and then run.
 * The frozen world must stay as it is, and every error must be one line. */
#include "core/json.h"
#include "env/db/db.h"
#include "env/db/env.h"
#include "env/db/lex.h"
#include "env/db/mysql.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char task_json[] =
    "{\"id\": \"f\", \"instruction\": \"Add 'x' to t where n is 2\", \"type\": \"write\", \"gold\":"
    " [\"UPDATE t SET a = 'x' WHERE n = 2\"], \"table\": {\"table_name\": \"t\", \"table_info\": "
    "{\"columns\":"
    " [{\"name\": \"n\"}, {\"name\": \"a\"}, {\"name\": \"two words\"}], \"rows\": [[\"1\", \"p\", "
    "null],"
    " [\"2\", \"Montr\xC3\xA9"
    "al\", \"5 kg\"], [\"30\", \"it's\", \"\"]]}}}";

/* One environment a style and dialect, kept, as an episode is started by reset. */
static cmat_env *open_env(bool agentbench, bool mysql, cmat_task *task)
{
    cmat_env *env = NULL;
    cmat_env_options o = {.style = agentbench ? "agentbench" : "short", .step_timeout = 0.2};
    json_t *j = json_loads(task_json, 0, NULL);
    json_object_set_new(j, "mysql", json_boolean(mysql));
    if (cmat_task_init(task, j, NULL) != CMAT_OK || cmat_env_open(&env, "db", &o, NULL) != CMAT_OK)
        abort();
    json_decref(j);
    return env;
}

static void episode(cmat_env *env, const cmat_task *task, const char *reply)
{
    cmat_obs obs = {0};
    cmat_facts facts = {0};
    cmat_error err = {0};
    char before[33], after[33];
    double score;
    if (cmat_env_reset(env, task, &obs, &err) != CMAT_OK)
        abort();
    db_env *e = (db_env *)env;
    db_conn_hash(e->conn, NULL, NULL, before, NULL);
    if (cmat_env_dry_run(env, reply, &facts, &err) != CMAT_OK)
        abort();
    if (db_conn_hash(e->conn, NULL, NULL, after, NULL) != CMAT_OK || strcmp(before, after) != 0)
        abort(); /* a dry run changes nothing */
    if (cmat_env_step(env, reply, &obs, &err) != CMAT_OK)
        abort();
    if (cmat_env_score(env, &score, &err) != CMAT_OK || score < 0 || score > 1)
        abort();
    env->ops->error_kind(env);
    cmat_obs_clear(&obs);
    cmat_facts_clear(&facts);
}

/* The lexer moves forward and covers every byte. */
static void lex_all(const char *text, bool mysql)
{
    size_t n = 0;
    for (db_token t = db_lex(text, mysql); t.type != DB_TOKEN_END; t = db_lex(text + n, mysql)) {
        if (t.n == 0 || t.s != text + n)
            abort();
        n += t.n;
    }
    if (n != strlen(text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cmat_env *envs[4];
    static cmat_task tasks[4];
    if (size < 1)
        return 0;
    int k = data[0] & 3;
    char *reply = malloc(size);
    memcpy(reply, data + 1, size - 1);
    reply[size - 1] = 0;
    if (!envs[k])
        envs[k] = open_env(k & 1, k & 2, &tasks[k]);
    lex_all(reply, k & 2);
    json_decref(db_python_list(reply));
    episode(envs[k], &tasks[k], reply);
    free(reply);
    return 0;
}
