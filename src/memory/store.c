/* store.c - the store's file: schema, transactions, episodes, verdicts, texts, meta. */
#include "memory/store.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "memory/store_impl.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE_APPLICATION_ID 0x636d6174 /* "cmat" */
#define STORE_VERSION 1

static const char schema_sql[] =
    "CREATE TABLE episodes("
    " id INTEGER PRIMARY KEY, phase TEXT NOT NULL, round INTEGER NOT NULL, task_id TEXT NOT NULL,"
    " k INTEGER NOT NULL, kind TEXT NOT NULL, checker TEXT NOT NULL, score REAL, outcome TEXT NOT "
    "NULL,"
    " error_kind TEXT, n_turns INTEGER NOT NULL, n_prompt INTEGER NOT NULL, n_tokens INTEGER NOT "
    "NULL,"
    " seconds REAL NOT NULL, created INTEGER NOT NULL, json TEXT NOT NULL,"
    " UNIQUE(phase, round, task_id, k));"
    "CREATE TABLE verdicts("
    " id INTEGER PRIMARY KEY, episode_id INTEGER NOT NULL REFERENCES episodes(id) ON DELETE "
    "CASCADE,"
    " step INTEGER NOT NULL, attempt INTEGER NOT NULL, source TEXT NOT NULL, accepted INTEGER NOT "
    "NULL,"
    " executed INTEGER NOT NULL, right INTEGER, reason TEXT);"
    "CREATE INDEX verdicts_episode ON verdicts(episode_id);"
    "CREATE TABLE lessons("
    " id INTEGER PRIMARY KEY, origin TEXT NOT NULL, kind TEXT NOT NULL, task TEXT NOT NULL,"
    " schema TEXT NOT NULL, lesson TEXT NOT NULL, created INTEGER NOT NULL,"
    " uses INTEGER NOT NULL DEFAULT 0, wins INTEGER NOT NULL DEFAULT 0, UNIQUE(kind, task, "
    "lesson));"
    "CREATE VIRTUAL TABLE lessons_fts USING fts5(task, schema, lesson, tokenize='porter "
    "unicode61');"
    "CREATE TABLE texts(name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;";

cmat_status cmat_store_fail(cmat_store *s, const char *what, cmat_error *err)
{
    int rc = sqlite3_errcode(s->db);
    bool damaged = rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT;
    return cmat_fail(err, damaged ? CMAT_ERR_FORMAT : CMAT_ERR_IO, "store %s: %s: %s", s->path,
                     what, sqlite3_errmsg(s->db));
}

cmat_status cmat_store_exec(cmat_store *s, const char *sql, const char *what, cmat_error *err)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return cmat_store_fail(s, what, err);
    return CMAT_OK;
}

cmat_status cmat_store_prepare(cmat_store *s, sqlite3_stmt **stmt, const char *sql,
                               const char *what, cmat_error *err)
{
    if (sqlite3_prepare_v2(s->db, sql, -1, stmt, NULL) != SQLITE_OK)
        return cmat_store_fail(s, what, err);
    return CMAT_OK;
}

cmat_status cmat_store_run(cmat_store *s, sqlite3_stmt *stmt, const char *what, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        ;
    if (rc != SQLITE_DONE)
        st = cmat_store_fail(s, what, err);
    sqlite3_finalize(stmt);
    return st;
}

cmat_status cmat_store_end(cmat_store *s, cmat_status st, const char *what, cmat_error *err)
{
    if (st == CMAT_OK)
        st = cmat_store_exec(s, "COMMIT", what, err);
    if (st != CMAT_OK)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return st;
}

void cmat_store_bind(sqlite3_stmt *stmt, int index, const char *text)
{
    sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC);
}

const char *cmat_store_column(sqlite3_stmt *stmt, int index)
{
    const unsigned char *text = sqlite3_column_text(stmt, index);
    return text ? (const char *)text : "";
}

/* Gives the single integer of a query or pragma. */
static cmat_status query_int(cmat_store *s, const char *sql, int64_t *out, cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st = cmat_store_prepare(s, &q, sql, "read", err);
    if (st != CMAT_OK)
        return st;
    if (sqlite3_step(q) == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else
        st = cmat_store_fail(s, "read", err);
    sqlite3_finalize(q);
    return st;
}

/* Checks that the file is a store of this version; makes the tables in an empty file. */
static cmat_status schema_check(cmat_store *s, bool read_only, cmat_error *err)
{
    cmat_status st;
    int64_t app = 0, version = 0, n_tables = 0;
    if ((st = query_int(s, "PRAGMA application_id", &app, err)) != CMAT_OK ||
        (st = query_int(s, "PRAGMA user_version", &version, err)) != CMAT_OK ||
        (st = query_int(s, "SELECT count(*) FROM sqlite_master", &n_tables, err)) != CMAT_OK)
        return st;
    if (app == STORE_APPLICATION_ID && version > STORE_VERSION)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "store %s: has version %d, this program knows %d", s->path, (int)version,
                         STORE_VERSION);
    if (app == STORE_APPLICATION_ID && version == STORE_VERSION)
        return CMAT_OK;
    if (n_tables > 0 || app != 0 || read_only)
        return cmat_fail(err, CMAT_ERR_FORMAT, "store %s: is not a cmat store", s->path);
    if ((st = cmat_store_exec(s, schema_sql, "make tables", err)) != CMAT_OK)
        return st;
    char sql[96];
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d",
             STORE_APPLICATION_ID, STORE_VERSION);
    return cmat_store_exec(s, sql, "make tables", err);
}

static cmat_status store_setup(cmat_store *s, bool read_only, cmat_error *err)
{
    cmat_status st;
    sqlite3_busy_timeout(s->db, 10000);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (read_only)
        return schema_check(s, true, err);
    /* The check comes before WAL is switched on, so that a stranger's file is left as it is. */
    if ((st = cmat_store_exec(s, "BEGIN IMMEDIATE", "lock", err)) != CMAT_OK)
        return st;
    st = cmat_store_end(s, schema_check(s, false, err), "make tables", err);
    if (st != CMAT_OK)
        return st;
    return cmat_store_exec(
        s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON", "set up",
        err);
}

cmat_status cmat_store_open(cmat_store **out, const char *path, bool read_only, cmat_error *err)
{
    *out = NULL;
    cmat_store *s = cmat_xcalloc(1, sizeof *s);
    s->path = cmat_xstrdup(path);
    int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    cmat_status st = CMAT_OK;
    if (read_only && !cmat_path_exists(path))
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "store %s: no such file", path);
    else if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK)
        st = s->db ? cmat_store_fail(s, "open", err)
                   : cmat_fail(err, CMAT_ERR_NOMEM, "store %s: open: out of memory", path);
    else
        st = store_setup(s, read_only, err);
    if (st != CMAT_OK) {
        cmat_store_close(s);
        return st;
    }
    *out = s;
    return CMAT_OK;
}

void cmat_store_close(cmat_store *s)
{
    if (!s)
        return;
    sqlite3_close(s->db);
    free(s->path);
    free(s);
}

/* --- episodes --- */

static cmat_status insert_episode(cmat_store *s, const cmat_episode_row *row, bool *added,
                                  cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st = cmat_store_prepare(
        s, &q,
        "INSERT INTO episodes(phase, round, task_id, k, kind, checker, score, outcome, error_kind, "
        "n_turns,"
        " n_prompt, n_tokens, seconds, created, json)"
        " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,strftime('%s','now'),?) ON CONFLICT DO NOTHING",
        "put episode", err);
    if (st != CMAT_OK)
        return st;
    cmat_buf json = {0};
    cmat_json_print(&json, row->json);
    cmat_store_bind(q, 1, row->phase);
    sqlite3_bind_int(q, 2, row->round);
    cmat_store_bind(q, 3, row->task_id);
    sqlite3_bind_int(q, 4, row->k);
    cmat_store_bind(q, 5, row->kind ? row->kind : "");
    cmat_store_bind(q, 6, row->checker ? row->checker : "");
    if (!isnan(row->score)) /* left unbound: NULL */
        sqlite3_bind_double(q, 7, row->score);
    cmat_store_bind(q, 8, row->outcome);
    cmat_store_bind(q, 9, row->error_kind);
    sqlite3_bind_int(q, 10, row->n_turns);
    sqlite3_bind_int64(q, 11, row->n_prompt);
    sqlite3_bind_int64(q, 12, row->n_tokens);
    sqlite3_bind_double(q, 13, row->seconds);
    cmat_store_bind(q, 14, cmat_buf_str(&json));
    st = cmat_store_run(s, q, "put episode", err);
    *added = st == CMAT_OK && sqlite3_changes(s->db) > 0;
    cmat_buf_clear(&json);
    return st;
}

static cmat_status insert_verdict(cmat_store *s, int64_t episode, const cmat_verdict_row *v,
                                  cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st = cmat_store_prepare(
        s, &q,
        "INSERT INTO verdicts(episode_id, step, attempt, source, accepted, executed, right, reason)"
        " VALUES(?,?,?,?,?,?,?,?)",
        "put verdict", err);
    if (st != CMAT_OK)
        return st;
    sqlite3_bind_int64(q, 1, episode);
    sqlite3_bind_int(q, 2, v->step);
    sqlite3_bind_int(q, 3, v->attempt);
    cmat_store_bind(q, 4, v->source);
    sqlite3_bind_int(q, 5, v->accepted);
    sqlite3_bind_int(q, 6, v->executed);
    if (v->right >= 0)
        sqlite3_bind_int(q, 7, v->right);
    cmat_store_bind(q, 8, v->reason);
    return cmat_store_run(s, q, "put verdict", err);
}

static cmat_status count_use(cmat_store *s, int64_t lesson, bool won, cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st =
        cmat_store_prepare(s, &q, "UPDATE lessons SET uses=uses+1, wins=wins+? WHERE id=?",
                           "count a lesson's use", err);
    if (st != CMAT_OK)
        return st;
    sqlite3_bind_int(q, 1, won);
    sqlite3_bind_int64(q, 2, lesson);
    return cmat_store_run(s, q, "count a lesson's use", err);
}

cmat_status cmat_store_put_episode(cmat_store *s, const cmat_episode_row *row,
                                   const cmat_verdict_row *verdicts, size_t n_verdicts,
                                   const int64_t *lessons, size_t n_lessons, bool *added,
                                   cmat_error *err)
{
    bool is_new = false;
    cmat_status st = cmat_store_exec(s, "BEGIN IMMEDIATE", "put episode", err);
    if (st != CMAT_OK)
        return st;
    st = insert_episode(s, row, &is_new, err);
    int64_t id = sqlite3_last_insert_rowid(s->db);
    for (size_t i = 0; st == CMAT_OK && is_new && i < n_verdicts; i++)
        st = insert_verdict(s, id, &verdicts[i], err);
    for (size_t i = 0; st == CMAT_OK && is_new && i < n_lessons; i++)
        st = count_use(s, lessons[i], row->score >= 1, err);
    st = cmat_store_end(s, st, "put episode", err);
    if (added)
        *added = st == CMAT_OK && is_new;
    return st;
}

/* A statement about one episode, its first four parameters bound. */
static cmat_status prepare_episode(cmat_store *s, sqlite3_stmt **q, const char *sql,
                                   const char *what, const char *phase, int round,
                                   const char *task_id, int k, cmat_error *err)
{
    const cmat_status st = cmat_store_prepare(s, q, sql, what, err);
    if (st != CMAT_OK)
        return st;
    cmat_store_bind(*q, 1, phase);
    sqlite3_bind_int(*q, 2, round);
    cmat_store_bind(*q, 3, task_id);
    sqlite3_bind_int(*q, 4, k);
    return CMAT_OK;
}

cmat_status cmat_store_has_episode(cmat_store *s, const char *phase, int round, const char *task_id,
                                   int k, bool *found, cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st = prepare_episode(
        s, &q, "SELECT 1 FROM episodes WHERE phase=? AND round=? AND task_id=? AND k=?",
        "find episode", phase, round, task_id, k, err);
    if (st != CMAT_OK)
        return st;
    int rc = sqlite3_step(q);
    *found = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = cmat_store_fail(s, "find episode", err);
    sqlite3_finalize(q);
    return st;
}

cmat_status cmat_store_drop_episode(cmat_store *s, const char *phase, int round,
                                    const char *task_id, int k, const char *outcome,
                                    cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    const cmat_status st = prepare_episode(
        s, &q, "DELETE FROM episodes WHERE phase=? AND round=? AND task_id=? AND k=? AND outcome=?",
        "delete an episode", phase, round, task_id, k, err);
    if (st != CMAT_OK)
        return st;
    cmat_store_bind(q, 5, outcome);
    return cmat_store_run(s, q, "delete an episode", err);
}

/* Binds the filter "(?1 IS NULL OR phase=?1) AND (?2 < 0 OR round=?2)". */
static void bind_filter(sqlite3_stmt *q, const char *phase, int round)
{
    cmat_store_bind(q, 1, phase);
    sqlite3_bind_int(q, 2, round);
}

static cmat_status read_episode(cmat_store *s, sqlite3_stmt *q, bool with_json,
                                cmat_episode_row *row, cmat_error *err)
{
    *row = (cmat_episode_row){
        .phase = cmat_store_column(q, 1),
        .round = sqlite3_column_int(q, 2),
        .task_id = cmat_store_column(q, 3),
        .k = sqlite3_column_int(q, 4),
        .kind = cmat_store_column(q, 5),
        .checker = cmat_store_column(q, 6),
        .score = sqlite3_column_type(q, 7) == SQLITE_NULL ? NAN : sqlite3_column_double(q, 7),
        .outcome = cmat_store_column(q, 8),
        .error_kind = (const char *)sqlite3_column_text(q, 9),
        .n_turns = sqlite3_column_int(q, 10),
        .n_prompt = sqlite3_column_int64(q, 11),
        .n_tokens = sqlite3_column_int64(q, 12),
        .seconds = sqlite3_column_double(q, 13),
    };
    if (sqlite3_column_type(q, 15) == SQLITE_TEXT) {
        const char *measures = cmat_store_column(q, 15);
        row->measures = json_loads(measures, 0, NULL);
    }
    if (!with_json)
        return CMAT_OK;
    char what[512];
    snprintf(what, sizeof what, "store %s: episode %lld", s->path,
             (long long)sqlite3_column_int64(q, 0));
    const char *text = cmat_store_column(q, 14);
    row->json = cmat_json_parse(text, strlen(text), what, err);
    return row->json ? CMAT_OK : CMAT_ERR_FORMAT;
}

cmat_status cmat_store_each_episode(cmat_store *s, const char *phase, int round, bool with_json,
                                    cmat_episode_fn fn, void *user, cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st =
        cmat_store_prepare(s, &q,
                           "SELECT id, phase, round, task_id, k, kind, checker, score, outcome, "
                           "error_kind, n_turns, n_prompt,"
                           " n_tokens, seconds, CASE WHEN ?3 THEN json END,"
                           " CASE WHEN json_valid(json) THEN json_extract(json, '$.measures') END"
                           " FROM episodes"
                           " WHERE (?1 IS NULL OR phase=?1) AND (?2 < 0 OR round=?2) ORDER BY "
                           "phase, round, task_id, k",
                           "read episodes", err);
    if (st != CMAT_OK)
        return st;
    bind_filter(q, phase, round);
    sqlite3_bind_int(q, 3, with_json);
    int rc = SQLITE_DONE;
    bool more = true;
    while (st == CMAT_OK && more && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        cmat_episode_row row;
        if ((st = read_episode(s, q, with_json, &row, err)) == CMAT_OK)
            more = fn(user, sqlite3_column_int64(q, 0), &row);
        json_decref((json_t *)row.measures);
        json_decref(row.json);
    }
    if (st == CMAT_OK && more && rc != SQLITE_DONE)
        st = cmat_store_fail(s, "read episodes", err);
    sqlite3_finalize(q);
    return st;
}

cmat_status cmat_store_each_verdict(cmat_store *s, const char *phase, int round, cmat_verdict_fn fn,
                                    void *user, cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st = cmat_store_prepare(s, &q,
                                        "SELECT e.task_id, e.k, v.step, v.attempt, v.source, "
                                        "v.accepted, v.executed, v.right, v.reason"
                                        " FROM verdicts v JOIN episodes e ON e.id = v.episode_id"
                                        " WHERE (?1 IS NULL OR phase=?1) AND (?2 < 0 OR round=?2) "
                                        "ORDER BY phase, round, task_id, k, v.id",
                                        "read verdicts", err);
    if (st != CMAT_OK)
        return st;
    bind_filter(q, phase, round);
    int rc = SQLITE_DONE;
    bool more = true;
    while (more && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        cmat_verdict_row row = {
            .step = sqlite3_column_int(q, 2),
            .attempt = sqlite3_column_int(q, 3),
            .source = cmat_store_column(q, 4),
            .accepted = sqlite3_column_int(q, 5) != 0,
            .executed = sqlite3_column_int(q, 6) != 0,
            .right = sqlite3_column_type(q, 7) == SQLITE_NULL ? -1 : sqlite3_column_int(q, 7),
            .reason = (const char *)sqlite3_column_text(q, 8),
        };
        more = fn(user, cmat_store_column(q, 0), sqlite3_column_int(q, 1), &row);
    }
    if (more && rc != SQLITE_DONE)
        st = cmat_store_fail(s, "read verdicts", err);
    sqlite3_finalize(q);
    return st;
}

cmat_status cmat_store_delete_episodes(cmat_store *s, const char *phase, int round, cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st = cmat_store_prepare(
        s, &q, "DELETE FROM episodes WHERE (?1 IS NULL OR phase=?1) AND (?2 < 0 OR round=?2)",
        "delete episodes", err);
    if (st != CMAT_OK)
        return st;
    bind_filter(q, phase, round);
    return cmat_store_run(s, q, "delete episodes", err);
}

/* --- texts and meta --- */

cmat_status cmat_store_put_text(cmat_store *s, const char *text, char *hex, cmat_error *err)
{
    char digest[65];
    cmat_sha256_hex(text, strlen(text), digest);
    memcpy(hex, digest, 16);
    hex[16] = '\0';
    sqlite3_stmt *q = NULL;
    cmat_status st = cmat_store_prepare(
        s, &q, "INSERT INTO texts(name, text) VALUES(?,?) ON CONFLICT DO NOTHING", "put text", err);
    if (st != CMAT_OK)
        return st;
    cmat_store_bind(q, 1, hex);
    cmat_store_bind(q, 2, text);
    return cmat_store_run(s, q, "put text", err);
}

/* Gives one text by its key, or NULL in *out when there is none. */
static cmat_status get_one(cmat_store *s, const char *sql, const char *key, char **out,
                           cmat_error *err)
{
    *out = NULL;
    sqlite3_stmt *q = NULL;
    cmat_status st = cmat_store_prepare(s, &q, sql, "read", err);
    if (st != CMAT_OK)
        return st;
    cmat_store_bind(q, 1, key);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *out = cmat_xstrdup(cmat_store_column(q, 0));
    else if (rc != SQLITE_DONE)
        st = cmat_store_fail(s, "read", err);
    sqlite3_finalize(q);
    return st;
}

cmat_status cmat_store_get_text(cmat_store *s, const char *hex, char **text, cmat_error *err)
{
    cmat_status st = get_one(s, "SELECT text FROM texts WHERE name=?", hex, text, err);
    if (st == CMAT_OK && !*text)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "store %s: no text named %s", s->path, hex);
    return st;
}

cmat_status cmat_store_put_meta(cmat_store *s, const char *key, const json_t *value,
                                cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st = cmat_store_prepare(s, &q,
                                        "INSERT INTO meta(key, value) VALUES(?,?) ON CONFLICT(key) "
                                        "DO UPDATE SET value=excluded.value",
                                        "put meta", err);
    if (st != CMAT_OK)
        return st;
    cmat_buf json = {0};
    cmat_json_print(&json, value);
    cmat_store_bind(q, 1, key);
    cmat_store_bind(q, 2, cmat_buf_str(&json));
    st = cmat_store_run(s, q, "put meta", err);
    cmat_buf_clear(&json);
    return st;
}

cmat_status cmat_store_get_meta(cmat_store *s, const char *key, json_t **out, cmat_error *err)
{
    char *text = NULL;
    *out = NULL;
    cmat_status st = get_one(s, "SELECT value FROM meta WHERE key=?", key, &text, err);
    if (st == CMAT_OK && text && !(*out = cmat_json_parse(text, strlen(text), key, err)))
        st = CMAT_ERR_FORMAT;
    free(text);
    return st;
}
