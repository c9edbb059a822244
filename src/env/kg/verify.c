/* env/kg/verify.c - a set as one SQL statement, beside the tools' way of finding it. */
#include "env/kg/make.h"
#include <stdlib.h>
#include <string.h>

static void add_set(const kg_store *s, const kg_play *p, int i, cmat_buf *out);

/* The nodes that set i was made from. */
static void add_made_from(const kg_play *p, int i, cmat_buf *out)
{
    const kg_expr *e = &p->exprs[i];
    if (e->op == KG_ENTITY) {
        char *name = sqlite3_mprintf("%Q", e->name);
        cmat_buf_printf(out, "%sSELECT id FROM node WHERE name = %s",
                        out->data[out->len - 1] == '(' ? "" : " UNION ", name);
        sqlite3_free(name);
        return;
    }
    add_made_from(p, e->a, out);
    if (e->op == KG_AND)
        add_made_from(p, e->b, out);
}

static void add_neighbors(const kg_store *s, const kg_play *p, int i, cmat_buf *out)
{
    bool inverse;
    const kg_relation *r = kg_store_relation(s, p->exprs[i].name, &inverse);
    cmat_buf_printf(out, "SELECT %s FROM edge WHERE r = %d AND %s IN (", inverse ? "s" : "o",
                    r ? r->id : 0, inverse ? "o" : "s");
    add_set(s, p, p->exprs[i].a, out);
    cmat_buf_puts(out, ")");
}

static void add_extreme(const kg_store *s, const kg_play *p, int i, cmat_buf *out)
{
    bool inverse;
    const kg_relation *r = kg_store_relation(s, p->exprs[i].name, &inverse);
    cmat_buf from = {0};
    cmat_buf_printf(
        &from, "FROM edge JOIN node ON node.id = o WHERE num IS NOT NULL AND r = %d AND s IN (",
        r ? r->id : 0);
    add_set(s, p, p->exprs[i].a, &from);
    cmat_buf_printf(out, "SELECT s %s) AND num = (SELECT %s(num) %s))", from.data,
                    p->exprs[i].op == KG_ARGMAX ? "max" : "min", from.data);
    cmat_buf_clear(&from);
}

static void add_set(const kg_store *s, const kg_play *p, int i, cmat_buf *out)
{
    const kg_expr *e = &p->exprs[i];
    if (e->op == KG_ENTITY) {
        char *name = sqlite3_mprintf("%Q", e->name);
        cmat_buf_printf(out, "SELECT id FROM node WHERE name = %s", name);
        sqlite3_free(name);
        return;
    }
    cmat_buf_puts(out, "SELECT * FROM (");
    if (e->op == KG_NEIGHBORS) {
        add_neighbors(s, p, i, out);
    } else if (e->op == KG_AND) {
        add_set(s, p, e->a, out);
        cmat_buf_puts(out, " INTERSECT ");
        add_set(s, p, e->b, out);
    } else {
        add_extreme(s, p, i, out);
    }
    cmat_buf_puts(out, " EXCEPT SELECT * FROM (");
    add_made_from(p, i, out);
    cmat_buf_puts(out, "))");
}

bool kg_verify(kg_store *s, const kg_play *p, int i, const kg_list *values)
{
    const bool count = p->exprs[i].op == KG_COUNT;
    cmat_buf sql = {0};
    sqlite3_stmt *q = NULL;
    size_t n = 0;
    bool same = true;
    cmat_buf_puts(&sql, count ? "SELECT count(*) FROM (" : "SELECT name FROM node WHERE id IN (");
    add_set(s, p, count ? p->exprs[i].a : i, &sql);
    cmat_buf_puts(&sql, ")");
    int rc = sqlite3_prepare_v2(s->db, sql.data, -1, &q, NULL);
    while (rc == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(q, 0);
        same = same && name && kg_list_has(values, name);
        n++;
    }
    sqlite3_finalize(q);
    cmat_buf_clear(&sql);
    return rc == SQLITE_OK && same && n == values->n;
}
