/* env/db/snapshot.c - an episode's database set aside, and brought back.
 *
 * A database that holds what its image holds needs no bytes at all. Any other is packed anew
 * (VACUUM), with the counters in its header cleared, so that equal content gives equal bytes
 * whatever led to it. */
#include "env/db/conn.h"
#include "env/db/mysql.h"
#include <string.h>

static const size_t most_bytes = (size_t)64 << 20;

/* Counters that say how often the file was changed, not what it holds (fileformat2.html, 1.3). */
static void clear_counters(unsigned char *file)
{
    static const struct {
        size_t at, n;
    } counters[] = {{24, 4}, {40, 4}, {92, 8}};
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        memset(file + counters[i].at, 0, counters[i].n);
}

static cmat_status same_as_image(db_lite *c, bool *same, cmat_error *err)
{
    db_conn *fresh = NULL;
    char ours[33] = "", theirs[33] = "";
    *same = !c->private_copy;
    if (*same || c->base.ddl)
        return CMAT_OK;
    cmat_status st = db_conn_open(&fresh, c->image, &c->base.o, err);
    if (st == CMAT_OK)
        st = db_conn_hash(&c->base, &c->base, NULL, ours, err);
    if (st == CMAT_OK)
        st = db_conn_hash(fresh, &c->base, NULL, theirs, err);
    *same = st == CMAT_OK && (c->base.n_touched == 0 || !strcmp(ours, theirs));
    db_conn_close(fresh);
    return st;
}

/* The database's pages, packed, in a block for sqlite3_free. */
static cmat_status pack(db_lite *c, unsigned char **data, size_t *len, cmat_error *err)
{
    sqlite3_int64 n = 0;
    sqlite3 *db = NULL;
    unsigned char *pages = sqlite3_serialize(c->db, "main", &n, 0);
    db_image im = {.data = pages, .len = (size_t)n};
    char *tmp = NULL;
    *data = NULL;
    if (!pages || n < 100)
        return cmat_fail(err, CMAT_ERR_NOMEM, "db: no memory to set the database aside");
    cmat_status st = db_image_attach(&im, true, (size_t)n + ((size_t)1 << 20), &db, &tmp, err);
    sqlite3_free(pages);
    if (st == CMAT_OK && c->base.o.mysql)
        st = db_mysql_register(db, err);
    if (st == CMAT_OK && sqlite3_exec(db, "VACUUM", NULL, NULL, NULL) != SQLITE_OK)
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED, "db: the database cannot be set aside: %s",
                       sqlite3_errmsg(db));
    if (st == CMAT_OK && !(*data = sqlite3_serialize(db, "main", &n, 0)))
        st = cmat_fail(err, CMAT_ERR_NOMEM, "db: no memory to set the database aside");
    *len = (size_t)n;
    sqlite3_close(db);
    return st;
}

cmat_status db_lite_save(db_conn *base, cmat_buf *out, cmat_error *err)
{
    db_lite *c = (db_lite *)base;
    unsigned char *data = NULL;
    size_t len = 0;
    bool same;
    cmat_status st = same_as_image(c, &same, err);
    if (st != CMAT_OK || same)
        return st;
    if (c->tmp || c->image->len > most_bytes)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "db: a database over 64 MiB is not set aside once it was written to");
    if ((st = pack(c, &data, &len, err)) == CMAT_OK) {
        clear_counters(data);
        cmat_buf_add(out, data, len);
    }
    sqlite3_free(data);
    return st;
}

cmat_status db_lite_load(db_conn *base, const void *state, size_t len, cmat_error *err)
{
    db_lite *c = (db_lite *)base;
    if (len == 0 && !c->private_copy)
        return CMAT_OK;
    cmat_status st = db_lite_replace(c, state, len, err);
    if (st != CMAT_OK)
        return st;
    db_conn_clear(base);
    base->written = base->ddl = len > 0; /* which tables were written to is not known */
    return CMAT_OK;
}
