/* env/db/server_impl.h - inside of db_server, for the files server*.c and mirror.c. */
#ifndef CMAT_ENV_DB_SERVER_IMPL_H
#define CMAT_ENV_DB_SERVER_IMPL_H
#include "env/db/link.h"
#include "env/db/server.h"

struct db_server {
    atomic_int refs;
    const db_link_ops *ops;
    const char *product; /* as the link told, or NULL */
    db_url url;
    struct db_place {
        char *name;
        bool home; /* where the address leads */
    } * places;    /* the databases or schemas that the role sees */
    size_t n_places, cap_places;
};

cmat_status db_server_link(const db_server *s, db_link **out, cmat_error *err);

/* What a statement is, by its words. */
typedef struct {
    char head[16];
    bool writes, ddl;
} db_statement;
/* server_guard.c: false when an agent may not run it; r says why. own: in a place of its own, where
 * tables may be made; place is that place's name. */
bool db_server_guard(const db_server *s, const char *sql, bool own, const char *place,
                     db_statement *out, db_result *r);
#endif
