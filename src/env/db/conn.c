/* env/db/conn.c - what all connections of episodes share. */
#include "env/db/conn.h"
#include "core/mem.h"
#include "env/db/lex.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void db_conn_init(db_conn *c, const db_conn_ops *ops, const db_conn_options *opts)
{
    c->ops = ops;
    c->o = opts ? *opts : (db_conn_options){0};
    if (c->o.timeout <= 0)
        c->o.timeout = 5;
    if (c->o.max_rows == 0)
        c->o.max_rows = 1000;
    if (c->o.max_bytes == 0)
        c->o.max_bytes = (size_t)1 << 20;
}

void db_conn_clear(db_conn *c)
{
    while (c->n_touched)
        free(c->touched[--c->n_touched]);
    free(c->touched);
    c->touched = NULL;
    c->cap_touched = 0;
}

void db_conn_touch(db_conn *c, const char *table)
{
    for (size_t i = 0; i < c->n_touched; i++)
        if (!strcasecmp(c->touched[i], table))
            return;
    c->touched = cmat_xgrow(c->touched, &c->cap_touched, c->n_touched + 1, sizeof *c->touched);
    c->touched[c->n_touched++] = cmat_xstrdup(table);
}

void db_first_word(const char *sql, bool mysql, char head[16])
{
    db_token t = db_lex_next(&sql, mysql);
    while (db_token_is(&t, "("))
        t = db_lex_next(&sql, mysql);
    size_t n = t.type == DB_TOKEN_NAME && t.n < 16 ? t.n : 0;
    for (size_t i = 0; i < n; i++)
        head[i] = (char)toupper((unsigned char)t.s[i]);
    head[n] = 0;
}

void db_result_fail(db_result *r, const char *msg)
{
    r->ok = false;
    sqlite3_snprintf(sizeof r->error, r->error, "%s", msg);
    for (char *s = r->error; *s; s++)
        if ((unsigned char)*s < 0x20)
            *s = ' ';
}

void db_result_clear(db_result *r)
{
    free(r->rows);
    cmat_arena_clear(&r->arena);
    memset(r, 0, sizeof *r);
}

void db_plan_clear(db_plan *p)
{
    cmat_buf_clear(&p->text);
    memset(p, 0, sizeof *p);
}

void db_conn_close(db_conn *c)
{
    if (c)
        c->ops->close(c);
}

bool db_conn_written(const db_conn *c)
{
    return c->written;
}

cmat_status db_conn_run(db_conn *c, const char *sql, db_result *r, cmat_error *err)
{
    memset(r, 0, sizeof *r);
    return c->ops->run(c, sql, true, r, err);
}

cmat_status db_conn_try(db_conn *c, const char *sql, db_result *r, cmat_error *err)
{
    memset(r, 0, sizeof *r);
    return c->ops->run(c, sql, false, r, err);
}

bool db_conn_plan(db_conn *c, const char *sql, db_plan *out)
{
    *out = (db_plan){.cost = -1, .rows = -1};
    return c->ops->plan(c, sql, out);
}

cmat_status db_conn_save(db_conn *c, cmat_buf *out, cmat_error *err)
{
    if (!c->ops->save)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "db: %s: a server's state cannot be set aside",
                         c->ops->name);
    return c->ops->save(c, out, err);
}

cmat_status db_conn_load(db_conn *c, const void *state, size_t len, cmat_error *err)
{
    if (!c->ops->load)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "db: %s: a server's state cannot be set aside",
                         c->ops->name);
    return c->ops->load(c, state, len, err);
}
