/* env/db/db.h - the database environment: worlds, episodes, and the parts that plug into them.
 *
 * A world is a user's SQLite file (opts.path) or, without one, tasks that bring their table inline
 * (member "table", AgentBench's format). Everything in a db_world is made once and shared.
 *
 * A task: {"id", "env": "db", "kind", "instruction", "gold": ["SELECT ...", ...] (statements), and
 *   "type": "select" (default: scored by the answer) or "write" (scored by the tables afterwards),
 *   "answer": ["a", "b"] (select; left out: running gold's last statement gives it),
 *   "answer_md5" (AgentBench's table hash), "table": {"table_name", "table_info": {"columns",
 * "rows"}}, "mysql": true (emulate MySQL's habits), "note": text added after the instruction} */
#ifndef CMAT_ENV_DB_H
#define CMAT_ENV_DB_H
#include "core/acceptor.h"
#include "env/db/schema.h"
#include "env/db/sqlite.h"
#include "env/db/values.h"
#include "env/env.h"
#include <stdatomic.h>

typedef struct db_world {
    atomic_int refs;
    char *path;      /* NULL: made from a task's own table */
    db_image *image; /* the frozen database that episodes copy */
    db_schema schema;
    db_values values;
    bool mysql; /* tables made with MySQL's comparison rules */
} db_world;

cmat_status db_world_open(db_world **out, const char *path, cmat_error *err);
/* From a task's "table" (one object, or an array of them). */
cmat_status db_world_inline(db_world **out, const json_t *table, bool mysql, cmat_error *err);
db_world *db_world_ref(db_world *w);
void db_world_unref(db_world *w); /* accepts NULL */

/* An open "db" environment's world; NULL where tasks bring their own and none has been reset yet.
 */
const db_world *db_env_world(const cmat_env *env);

/* tasks.c: makes tasks from the world's own schema and rows. */
cmat_status db_generate(db_world *world, int split, size_t n, uint64_t seed, cmat_task_list *out,
                        cmat_error *err);

/* sql_acceptor.c: what the next reply may look like. Everything is borrowed until the acceptor
 * is freed. */
typedef struct {
    const db_schema *schema;
    const db_values *values;
    const char *question; /* instruction and note: values may be copied from it */
    bool agentbench;      /* prompt style: else "short" */
    bool mysql;
} db_constraint_input;
cmat_status db_constraint(cmat_acceptor **out, const db_constraint_input *in, cmat_error *err);

/* import.c: AgentBench's dbbench file (JSON lines) into tasks. */
cmat_status db_import(const char *path, cmat_task_list *out, cmat_error *err);
#endif
