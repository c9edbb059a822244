/* env/db/server_guard.c - which statements an agent may send to a server, by their words.
 *
 * The server keeps the bounds that matter (a read-only transaction, the role's rights, the
 * statement's time); this keeps out what it would allow: sessions' settings, transactions, locks,
 * files, other databases. Text that the server might read otherwise than we do (executable
 * comments, dollar quotes, E'' strings) is refused as a whole, so that nothing hides in it. */
#include "env/db/lex.h"
#include "env/db/server_impl.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_SQL = 100000 };

static const char *const reads[] = {"SELECT",   "WITH", "VALUES",  "TABLE", "SHOW",
                                    "DESCRIBE", "DESC", "EXPLAIN", NULL};
static const char *const writes[] = {"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", NULL};
static const char *const changes[] = {"CREATE", "DROP", "ALTER", "TRUNCATE", "RENAME", NULL};
/* What CREATE, DROP and ALTER may be about. */
static const char *const kinds[] = {"TABLE", "VIEW", "INDEX", NULL};
static const char *const before_kind[] = {"OR", "REPLACE", "UNIQUE", "TEMPORARY", "TEMP", NULL};
/* Functions that reach beyond the statement; prefixes end with '*'. */
static const char *const functions[] = {"load_file",
                                        "get_lock",
                                        "release_lock",
                                        "release_all_locks",
                                        "is_used_lock",
                                        "master_*",
                                        "sys_*",
                                        "set_config",
                                        "dblink*",
                                        "lo_*",
                                        "query_to_*",
                                        "table_to_*",
                                        "schema_to_*",
                                        "database_to_*",
                                        "cursor_to_*",
                                        "ts_stat",
                                        "nextval",
                                        "setval",
                                        "benchmark",
                                        "pg_*",
                                        "current_setting",
                                        "txid_*",
                                        NULL};
static const char *const allowed[] = {"pg_typeof", "pg_size_pretty", NULL};

static bool in_list(const char *const *list, const char *s, size_t n)
{
    for (; *list; list++) {
        size_t k = strlen(*list);
        bool prefix = (*list)[k - 1] == '*';
        if (prefix ? n >= k - 1 && !strncasecmp(*list, s, k - 1)
                   : n == k && !strncasecmp(*list, s, n))
            return true;
    }
    return false;
}

static bool refuse(db_result *r, const char *what, const char *s, size_t n)
{
    char msg[160];
    sqlite3_snprintf(sizeof msg, msg, "not allowed here: %s%s%.*s", what, n ? " " : "",
                     (int)(n < 60 ? n : 60), s);
    db_result_fail(r, msg);
    r->denied = true;
    return false;
}

/* White space and comments that the server might not take for such. */
static bool plain_space(const db_token *t, bool mysql)
{
    for (size_t i = 0; i + 1 < t->n; i++) {
        if (t->s[i] == '/' && t->s[i + 1] == '*')
            return false;
        if (mysql && t->s[i] == '-' && t->s[i + 1] == '-' && i + 2 < t->n &&
            !isspace((unsigned char)t->s[i + 2]))
            return false;
        if ((t->s[i] == '-' && t->s[i + 1] == '-') || t->s[i] == '#')
            while (i < t->n && t->s[i] != '\n')
                i++;
    }
    return true;
}

/* Text that both read alike; the name of what is not, or NULL. */
static const char *doubtful(const db_token *t, const db_token *before, bool mysql)
{
    static const char *const string_kinds[] = {"E", "U", NULL};
    if (t->type == DB_TOKEN_SPACE)
        return plain_space(t, mysql) ? NULL : "comments of this kind";
    if (t->type == DB_TOKEN_BAD || t->type == DB_TOKEN_PARAM)
        return mysql && *t->s == '@' ? NULL : "this sign:";
    if (mysql)
        return t->type == DB_TOKEN_QUOTED && *t->s == '[' ? "brackets" : NULL;
    if (t->type == DB_TOKEN_QUOTED && *t->s != '"')
        return *t->s == '[' ? NULL : "names in backquotes";
    if (memchr(t->s, '$', t->n) && t->type != DB_TOKEN_STRING && t->type != DB_TOKEN_QUOTED)
        return "dollar signs";
    if (t->type == DB_TOKEN_STRING && before->s + before->n == t->s &&
        in_list(string_kinds, before->s, before->n))
        return "strings with escapes";
    if ((t->type == DB_TOKEN_STRING || t->type == DB_TOKEN_QUOTED) && *before->s == '&' &&
        before->s + 1 == t->s)
        return "strings with escapes";
    return NULL;
}

/* A database or schema beside the agent's own: one of the user's, or another episode's. */
/* place: the episode's; NULL: it acts in the user's database. */
static bool other_place(const db_server *s, const char *name, const char *place)
{
    for (size_t i = 0; i < s->n_places; i++)
        if (!strcasecmp(s->places[i].name, name) && (place || !s->places[i].home))
            return true;
    return db_place_made(name) != 0 && (!place || strcasecmp(name, place) != 0);
}

typedef struct {
    db_token before; /* the token before this one */
    cmat_buf name;   /* its text, where it is a name, else "" */
    int n;           /* tokens so far */
    bool into, kind_known, kind_ok;
} walk;

/* CREATE [OR REPLACE] [TEMP] TABLE: is it one of the kinds? */
static void see_kind(walk *w, const db_token *t)
{
    if (w->kind_known || w->n == 0 || in_list(before_kind, t->s, t->n))
        return;
    w->kind_known = true;
    w->kind_ok = in_list(kinds, t->s, t->n);
}

static bool see(const db_server *s, const char *place, walk *w, const db_token *t,
                db_statement *out, db_result *r)
{
    const char *name = cmat_buf_str(&w->name);
    /* Qualified by it; ALTER TABLE ... SET SCHEMA; another episode's in whatever way. */
    if (*name && (db_token_is(t, ".") || out->ddl || db_place_made(name) != 0) &&
        other_place(s, name, place))
        return refuse(r, s->ops->ending, name, w->name.len);
    if (*name && db_token_is(t, "(") && in_list(functions, name, w->name.len) &&
        !in_list(allowed, name, w->name.len))
        return refuse(r, "function", name, w->name.len);
    w->into |= db_token_is(t, "INTO") || db_token_is(t, "OUTFILE") || db_token_is(t, "DUMPFILE");
    if (!strcmp(out->head, "WITH") && t->type == DB_TOKEN_NAME && in_list(writes, t->s, t->n) &&
        !db_token_is(t, "REPLACE"))
        out->writes = true;
    if (!strcmp(out->head, "EXPLAIN") && db_token_is(t, "ANALYZE"))
        return refuse(r, "EXPLAIN ANALYZE", "", 0);
    if (out->ddl)
        see_kind(w, t);
    return true;
}

static bool see_all(const db_server *s, const char *sql, const char *place, db_statement *out,
                    walk *w, db_result *r)
{
    db_token t, space_before = {DB_TOKEN_END, "", 0};
    const bool mysql = s->ops->mysql;
    for (const char *p = sql; (t = db_lex(p, mysql)).type != DB_TOKEN_END; p = t.s + t.n) {
        const char *doubt = doubtful(&t, &space_before, mysql);
        if (doubt)
            return refuse(r, doubt, t.type == DB_TOKEN_SPACE ? "" : t.s,
                          t.type == DB_TOKEN_SPACE ? 0 : t.n);
        space_before = t;
        if (t.type == DB_TOKEN_SPACE)
            continue;
        if (!see(s, place, w, &t, out, r))
            return false;
        w->before = t;
        w->n++;
        cmat_buf_truncate(&w->name, 0);
        if (t.type == DB_TOKEN_NAME || t.type == DB_TOKEN_QUOTED)
            db_token_text(&t, mysql, &w->name);
    }
    return see(s, place, w, &t, out, r);
}

bool db_server_guard(const db_server *s, const char *sql, bool own, const char *place,
                     db_statement *out, db_result *r)
{
    walk w = {.before = {DB_TOKEN_END, "", 0}};
    db_first_word(sql, s->ops->mysql, out->head);
    sqlite3_snprintf(sizeof r->head, r->head, "%s", out->head);
    const size_t n = strlen(out->head);
    if (strlen(sql) > MAX_SQL) {
        db_result_fail(r, "the statement is too long");
        return false;
    }
    if (n == 0) {
        db_result_fail(r, "the statement is empty");
        return false;
    }
    out->writes = in_list(writes, out->head, n);
    out->ddl = in_list(changes, out->head, n);
    if (!out->writes && !out->ddl && !in_list(reads, out->head, n))
        return refuse(r, out->head, "", 0);
    if (out->ddl && !own)
        return refuse(r, out->head, "", 0);
    const bool seen = see_all(s, sql, place, out, &w, r);
    cmat_buf_clear(&w.name);
    if (!seen)
        return false;
    if (!db_lex_one_statement(sql, s->ops->mysql)) {
        db_result_fail(r, "one statement at a time");
        return false;
    }
    if (w.into && !out->writes)
        return refuse(r, "SELECT INTO", "", 0);
    if (out->ddl && strcmp(out->head, "TRUNCATE") != 0 && !w.kind_ok)
        return refuse(r, out->head, "of this kind", 12);
    out->writes |= out->ddl;
    return true;
}
