/* env/db/db.h - the database environment: worlds, episodes, and the parts that plug into them.
 *
 * A world is a user's SQLite file or a server's database (opts.path: a path, or an address as in
 * url.h), or tasks that bring their table inline (member "table", AgentBench's format): these run
 * in SQLite, or on the server that opts.path names. Everything in a db_world is made once and
 * shared.
 *
 * A task: {"id", "env": "db", "kind", "instruction", "gold": ["SELECT ...", ...] (statements), and
 *   "type": "select" (default: scored by the answer) or "write" (scored by the tables afterwards),
 *   "answer": ["a", "b"] (select; left out: running gold's last statement gives it),
 *   "answer_md5" (AgentBench's table hash), "table": {"table_name", "table_info": {"columns",
 * "rows"}}, "mysql": true (emulate MySQL's habits), "note": text added after the instruction} */
#ifndef CMAT_ENV_DB_H
#define CMAT_ENV_DB_H
#include "core/acceptor.h"
#include "env/db/flavour.h"
#include "env/db/schema.h"
#include "env/db/server.h"
#include "env/db/sqlite.h"
#include "env/db/values.h"
#include "env/env.h"
#include <stdatomic.h>

typedef struct db_world {
    atomic_int refs;
    char *path; /* NULL: made from a task's own table */
    db_image
        *image; /* the frozen database that episodes copy; of a server's, what was read of it */
    db_schema schema;
    db_values values;
    bool mysql;        /* tables made with MySQL's comparison rules */
    db_server *server; /* where episodes act; NULL: on the image */
    json_t *table;     /* on a server: the task's own, or NULL */
} db_world;

cmat_status db_world_open(db_world **out, const char *path, cmat_error *err);
/* From a task's "table" (one object, or an array of them). server: where episodes act, or NULL. */
cmat_status db_world_inline(db_world **out, const json_t *table, bool mysql, db_server *server,
                            cmat_error *err);
/* An episode's connection. */
cmat_status db_world_connect(const db_world *w, db_conn **out, const db_conn_options *opts,
                             cmat_error *err);
/* How names are quoted (schema.h) and texts spelled in the SQL that the world takes. benchmark: a
 * task whose SQL is MySQL's wherever it runs. */
char db_world_quote(const db_world *w, bool benchmark);
bool db_world_mysql(const db_world *w, bool benchmark);
db_flavour db_world_flavour(const db_world *w);
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
    bool mysql;           /* texts as MySQL spells them */
    char quote;           /* of names (schema.h); 0: SQLite's, or MySQL's */
    db_flavour flavour;   /* whose functions there are */
} db_constraint_input;
cmat_status db_constraint(cmat_acceptor **out, const db_constraint_input *in, cmat_error *err);

/* import.c: AgentBench's dbbench file (JSON lines) into tasks. */
cmat_status db_import(const char *path, cmat_task_list *out, cmat_error *err);
#endif
