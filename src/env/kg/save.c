/* env/kg/save.c - a collected graph as an SQLite file (store.h). */
#include "core/fs.h"
#include "core/mem.h"
#include "core/progress.h"
#include "env/kg/build_impl.h"
#include "env/kg/store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char schema_sql[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE type(id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
    "CREATE TABLE relation(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, iri TEXT NOT NULL,"
    " domain INTEGER NOT NULL, range INTEGER NOT NULL, neighbors INTEGER NOT NULL,"
    " attribute INTEGER NOT NULL, n INTEGER NOT NULL);"
    "CREATE TABLE node(id INTEGER PRIMARY KEY, name TEXT NOT NULL, label TEXT, num REAL,"
    " literal INTEGER NOT NULL);"
    "CREATE TABLE edge(s INTEGER, r INTEGER, o INTEGER, PRIMARY KEY(s, r, o)) WITHOUT ROWID;"
    "CREATE TABLE has(node INTEGER, r INTEGER, PRIMARY KEY(node, r)) WITHOUT ROWID;"
    "CREATE TABLE fit(a INTEGER, b INTEGER, PRIMARY KEY(a, b)) WITHOUT ROWID;";

typedef struct {
    kg_build *b;
    sqlite3 *db;
    const char *path;
    char *prefix; /* of IRIs, which names are written without */
    cmat_progress *progress;
    int64_t done;
} saving;

static cmat_status fail(const saving *x, cmat_error *err)
{
    return cmat_fail(err, CMAT_ERR_IO, "kg: write %s: %s", x->path, sqlite3_errmsg(x->db));
}

static cmat_status run_sql(saving *x, const char *sql, cmat_error *err)
{
    return sqlite3_exec(x->db, sql, NULL, NULL, NULL) == SQLITE_OK ? CMAT_OK : fail(x, err);
}

static cmat_status start(saving *x, sqlite3_stmt **q, const char *sql, cmat_error *err)
{
    return sqlite3_prepare_v2(x->db, sql, -1, q, NULL) == SQLITE_OK ? CMAT_OK : fail(x, err);
}

static cmat_status put(saving *x, sqlite3_stmt *q, cmat_error *err)
{
    if (sqlite3_step(q) != SQLITE_DONE)
        return fail(x, err);
    sqlite3_reset(q);
    if (++x->done % 4096 == 0)
        cmat_progress_set(x->progress, x->done);
    return CMAT_OK;
}

/* ---- nodes and their prefix ---- */

static size_t namespace_len(const char *iri)
{
    size_t n = 0;
    if (!strstr(iri, "://"))
        return 0;
    for (size_t i = 0; iri[i]; i++)
        if (iri[i] == '/' || iri[i] == '#')
            n = i + 1;
    return iri[n] ? n : 0;
}

/* The namespace of more than half of the nodes that are no values; "" for none. */
static char *common_prefix(const kg_build *b)
{
    kg_names spaces = {0};
    size_t *count = NULL, cap = 0, n = 0;
    char *out = NULL;
    for (size_t i = 0; i < b->nodes.n; i++) {
        const char *name = kg_names_get(&b->nodes, (uint32_t)i);
        const size_t len = namespace_len(name);
        n += !b->literal[i];
        if (b->literal[i] || len == 0)
            continue;
        const size_t before = spaces.n;
        const uint32_t s = kg_names_add(&spaces, name, len);
        count = cmat_xgrow(count, &cap, spaces.n, sizeof *count);
        count[s] = spaces.n > before ? 1 : count[s] + 1;
    }
    for (size_t s = 0; s < spaces.n; s++)
        if (2 * count[s] > n)
            out = cmat_xstrdup(kg_names_get(&spaces, (uint32_t)s));
    kg_names_clear(&spaces);
    free(count);
    return out ? out : cmat_xstrdup("");
}

/* Without the prefix, unless another node is called so. */
static const char *short_name(const saving *x, uint32_t node)
{
    const char *name = kg_names_get(&x->b->nodes, node);
    const size_t n = strlen(x->prefix);
    if (n == 0 || x->b->literal[node] || strncmp(name, x->prefix, n) != 0 || !name[n])
        return name;
    return kg_names_find(&x->b->nodes, name + n, strlen(name + n)) == KG_NONE ? name + n : name;
}

static cmat_status save_nodes(saving *x, cmat_error *err)
{
    const kg_build *b = x->b;
    sqlite3_stmt *q = NULL;
    cmat_status st = start(x, &q, "INSERT INTO node VALUES(?,?,?,?,?)", err);
    for (size_t i = 0; st == CMAT_OK && i < b->nodes.n; i++) {
        const char *name = short_name(x, (uint32_t)i);
        double num;
        bool is_date;
        sqlite3_bind_int64(q, 1, (int64_t)i);
        sqlite3_bind_text(q, 2, name, -1, SQLITE_STATIC);
        if (b->label[i])
            sqlite3_bind_text(q, 3, b->labels.data + b->label[i] - 1, -1, SQLITE_STATIC);
        else
            sqlite3_bind_null(q, 3);
        if (kg_number(name, &num, &is_date))
            sqlite3_bind_double(q, 4, num);
        else
            sqlite3_bind_null(q, 4);
        sqlite3_bind_int(q, 5, b->literal[i]);
        st = put(x, q, err);
    }
    sqlite3_finalize(q);
    return st;
}

/* ---- the rest ---- */

static cmat_status save_meta(saving *x, cmat_error *err)
{
    const kg_build *b = x->b;
    char *about = cmat_xasprintf("%s: %zu triples, %zu nodes, %zu relations", b->source, b->n,
                                 b->nodes.n, b->iris.n);
    const char *rows[][2] = {{"about", about},
                             {"source", b->source},
                             {"prefix", x->prefix},
                             {"inverses", b->one_way ? "0" : "1"}};
    sqlite3_stmt *q = NULL;
    cmat_status st = start(x, &q, "INSERT INTO meta VALUES(?,?)", err);
    for (size_t i = 0; st == CMAT_OK && i < sizeof rows / sizeof *rows; i++) {
        cmat_buf inert = {0};
        kg_clean_label(&inert, rows[i][1], strlen(rows[i][1]));
        sqlite3_bind_text(q, 1, rows[i][0], -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 2, cmat_buf_str(&inert), -1, SQLITE_TRANSIENT);
        st = put(x, q, err);
        cmat_buf_clear(&inert);
    }
    sqlite3_finalize(q);
    free(about);
    return st;
}

static cmat_status save_schema(saving *x, cmat_error *err)
{
    const kg_build *b = x->b;
    sqlite3_stmt *q = NULL;
    cmat_status st = start(x, &q, "INSERT INTO type VALUES(?,?)", err);
    for (size_t i = 0; st == CMAT_OK && i < b->types.n; i++) {
        sqlite3_bind_int64(q, 1, (int64_t)i);
        sqlite3_bind_text(q, 2, kg_names_get(&b->types, (uint32_t)i), -1, SQLITE_STATIC);
        st = put(x, q, err);
    }
    sqlite3_finalize(q);
    q = NULL;
    if (st == CMAT_OK)
        st = start(x, &q, "INSERT INTO relation VALUES(?,?,?,?,?,?,?,?)", err);
    for (size_t i = 0; st == CMAT_OK && i < b->iris.n; i++) {
        const kg_build_rel *r = &b->relations[i];
        sqlite3_bind_int64(q, 1, (int64_t)i + 1);
        sqlite3_bind_text(q, 2, kg_names_get(&b->relation_names, r->name), -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 3, kg_names_get(&b->iris, (uint32_t)i), -1, SQLITE_STATIC);
        sqlite3_bind_int(q, 4, r->domain);
        sqlite3_bind_int(q, 5, r->range);
        sqlite3_bind_int(q, 6, r->neighbors);
        sqlite3_bind_int(q, 7, r->attribute);
        sqlite3_bind_int64(q, 8, (int64_t)r->n);
        st = put(x, q, err);
    }
    sqlite3_finalize(q);
    q = NULL;
    if (st == CMAT_OK)
        st = start(x, &q, "INSERT INTO fit VALUES(?,?)", err);
    for (size_t i = 0; st == CMAT_OK && i < b->n_fit; i++) {
        sqlite3_bind_int64(q, 1, b->fit[i].node);
        sqlite3_bind_int64(q, 2, b->fit[i].type);
        st = put(x, q, err);
    }
    sqlite3_finalize(q);
    return st;
}

static int by_subject(const void *a, const void *b)
{
    const kg_triple *x = a, *y = b;
    if (x->s != y->s)
        return x->s < y->s ? -1 : 1;
    if (x->r != y->r)
        return x->r < y->r ? -1 : 1;
    return (x->o > y->o) - (x->o < y->o);
}

static cmat_status save_edges(saving *x, cmat_error *err)
{
    kg_build *b = x->b;
    sqlite3_stmt *q = NULL;
    cmat_status st = start(x, &q, "INSERT INTO edge VALUES(?,?,?)", err);
    if (b->n > 1)
        qsort(b->triples, b->n, sizeof *b->triples, by_subject);
    for (size_t i = 0; st == CMAT_OK && i < b->n; i++) {
        sqlite3_bind_int64(q, 1, b->triples[i].s);
        sqlite3_bind_int64(q, 2, (int64_t)b->triples[i].r + 1);
        sqlite3_bind_int64(q, 3, b->triples[i].o);
        st = put(x, q, err);
    }
    sqlite3_finalize(q);
    if (st == CMAT_OK)
        st = run_sql(
            x,
            "CREATE INDEX edge_in ON edge(o, r, s);"
            "INSERT INTO has SELECT DISTINCT s, r FROM edge;"
            "INSERT INTO has SELECT DISTINCT o, -r FROM edge JOIN node ON node.id = o WHERE "
            "NOT literal;"
            "CREATE UNIQUE INDEX node_name ON node(name);",
            err);
    return st;
}

static cmat_status write_all(saving *x, cmat_error *err)
{
    char sql[200];
    cmat_status st;
    snprintf(sql, sizeof sql,
             "PRAGMA application_id=%d; PRAGMA user_version=%d; PRAGMA journal_mode=OFF; PRAGMA "
             "synchronous=OFF; BEGIN",
             KG_STORE_ID, KG_STORE_VERSION);
    if ((st = run_sql(x, sql, err)) != CMAT_OK || (st = run_sql(x, schema_sql, err)) != CMAT_OK ||
        (st = save_meta(x, err)) != CMAT_OK || (st = save_schema(x, err)) != CMAT_OK ||
        (st = save_nodes(x, err)) != CMAT_OK || (st = save_edges(x, err)) != CMAT_OK)
        return st;
    return run_sql(x, "COMMIT", err);
}

cmat_status kg_build_save(kg_build *b, const char *path, cmat_error *err)
{
    char *tmp = cmat_xasprintf("%s.tmp-%ld", path, (long)getpid());
    saving x = {.b = b, .path = path};
    cmat_status st = CMAT_OK;
    remove(tmp);
    kg_infer(b);
    x.prefix = common_prefix(b);
    x.progress = cmat_progress_new("write graph", (int64_t)(b->n + b->nodes.n));
    if (sqlite3_open_v2(tmp, &x.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        st = fail(&x, err);
    if (st == CMAT_OK)
        st = write_all(&x, err);
    sqlite3_close(x.db);
    cmat_progress_free(x.progress);
    if (st == CMAT_OK)
        st = cmat_rename(tmp, path, err);
    else
        remove(tmp);
    free(x.prefix);
    free(tmp);
    return st;
}
