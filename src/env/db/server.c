/* env/db/server.c - opening a server, and what links share. */
#include "env/db/server.h"
#include "core/mem.h"
#include "core/rng.h"
#include "env/db/server_impl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static const db_link_ops *const links[] = {&db_mariadb, &db_postgres};

static const db_link_ops *find_link(const char *scheme)
{
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        for (const char *const *s = links[i]->schemes; *s; s++)
            if (!strcmp(*s, scheme))
                return links[i];
    return NULL;
}

void db_place_name(char name[DB_PLACE_MAX])
{
    uint64_t x = 0;
    if (getrandom(&x, sizeof x, 0) != sizeof x)
        x = (uint64_t)time(NULL) * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)&x;
    snprintf(name, DB_PLACE_MAX, DB_PLACE_PREFIX "%lld_%016llx", (long long)time(NULL),
             (unsigned long long)x);
}

long long db_place_made(const char *name)
{
    long long seconds = 0;
    int end = 0;
    if (sscanf(name, DB_PLACE_PREFIX "%lld_%*16[0-9a-f]%n", &seconds, &end) != 1 || end == 0 ||
        name[end])
        return 0;
    return seconds;
}

cmat_status db_link_do(db_link *l, db_result *r, cmat_error *err, const char *fmt, ...)
{
    cmat_buf sql = {0};
    db_result own = {0}, *to = r ? r : &own;
    const db_caps caps = {.max_rows = 2000000, .max_bytes = (size_t)256 << 20};
    va_list ap;
    va_start(ap, fmt);
    cmat_buf_vprintf(&sql, fmt, ap);
    va_end(ap);
    db_result_clear(to);
    l->ops->query(l, sql.data, &caps, to);
    cmat_status st = to->ok ? CMAT_OK
                            : cmat_fail(err, l->lost ? CMAT_ERR_IO : CMAT_ERR_FORMAT, "db: %s: %s",
                                        l->ops->name, to->error);
    db_result_clear(&own);
    cmat_buf_clear(&sql);
    return st;
}

const char *db_cell(const db_result *r, size_t row, int column)
{
    if (row >= r->n_rows || column >= r->n_columns)
        return "";
    const char *s = r->rows[row * (size_t)r->n_columns + (size_t)column].text;
    return s ? s : "";
}

db_value *db_result_row(db_result *r)
{
    const size_t n = (size_t)r->n_columns;
    r->rows = cmat_xgrow(r->rows, &r->cap_rows, (r->n_rows + 1) * n + 1, sizeof *r->rows);
    memset(r->rows + r->n_rows * n, 0, n * sizeof *r->rows);
    return r->rows + r->n_rows++ * n;
}

cmat_status db_server_link(const db_server *s, db_link **out, cmat_error *err)
{
    return s->ops->open(out, &s->url, err);
}

static cmat_status list_places(db_server *s, db_link *l, cmat_error *err)
{
    db_result r = {0};
    cmat_status st = db_link_do(l, &r, err, "%s", s->ops->places_sql);
    for (size_t i = 0; st == CMAT_OK && i < r.n_rows; i++) {
        s->places = cmat_xgrow(s->places, &s->cap_places, s->n_places + 1, sizeof *s->places);
        const char *home = db_cell(&r, i, 1);
        s->places[s->n_places++] = (struct db_place){.name = cmat_xstrdup(db_cell(&r, i, 0)),
                                                     .home = *home == '1' || *home == 't'};
    }
    db_result_clear(&r);
    return st;
}

cmat_status db_server_open(db_server **out, const char *url, cmat_error *err)
{
    db_server *s = cmat_xcalloc(1, sizeof *s);
    db_link *l = NULL;
    atomic_init(&s->refs, 1);
    cmat_status st = db_url_parse(&s->url, url, err);
    if (st == CMAT_OK && !(s->ops = find_link(s->url.scheme)))
        st = cmat_fail(err, CMAT_ERR_ARG,
                       "db: \"%s\" is no kind of server that cmat knows (mysql, mariadb, "
                       "postgresql)",
                       s->url.scheme);
    if (st == CMAT_OK)
        st = db_server_link(s, &l, err);
    if (st == CMAT_OK && !s->url.allow_superuser)
        st = s->ops->judge_role(l, &s->url, err);
    if (st == CMAT_OK) {
        s->ops->sweep(l);
        st = list_places(s, l, err);
    }
    if (l) {
        s->product = l->product;
        l->ops->close(l);
    }
    if (st != CMAT_OK) {
        db_server_unref(s);
        s = NULL;
    }
    *out = s;
    return st;
}

db_server *db_server_ref(db_server *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void db_server_unref(db_server *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    while (s->n_places)
        free(s->places[--s->n_places].name);
    free(s->places);
    db_url_clear(&s->url);
    free(s);
}

const char *db_server_name(const db_server *s)
{
    return s->product ? s->product : s->ops->name;
}

char db_server_quote(const db_server *s)
{
    return s->ops->quote;
}

bool db_server_mysql(const db_server *s)
{
    return s->ops->mysql;
}
