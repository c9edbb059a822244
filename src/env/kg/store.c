/* env/kg/store.c - a graph in an SQLite file: sets of nodes as sorted arrays of ids. */
#include "env/kg/store.h"
#include "core/fs.h"
#include "core/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cmat_status kg_store_fail(const kg_store *s, const char *what, cmat_error *err)
{
    const int rc = sqlite3_errcode(s->db);
    return cmat_fail(err,
                     rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT ? CMAT_ERR_FORMAT : CMAT_ERR_IO,
                     "kg: %s: %s: %s", s->path, what, sqlite3_errmsg(s->db));
}

static const char *column(sqlite3_stmt *q, int i)
{
    const char *text = (const char *)sqlite3_column_text(q, i);
    return text ? text : "";
}

/* ---- sets ---- */

static int id_order(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void set_sort(kg_set *s)
{
    size_t n = 0;
    if (s->n > 1)
        qsort(s->ids, s->n, sizeof *s->ids, id_order);
    for (size_t i = 0; i < s->n; i++)
        if (n == 0 || s->ids[n - 1] != s->ids[i])
            s->ids[n++] = s->ids[i];
    s->n = n;
}

static bool set_has(const kg_set *s, uint32_t id)
{
    return s->n > 0 && bsearch(&id, s->ids, s->n, sizeof id, id_order);
}

static void set_remove(kg_set *s, uint32_t id)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->ids[i] != id)
            s->ids[n++] = s->ids[i];
    s->n = n;
}

/* Adds the ids that the statement gives. */
static cmat_status gather(kg_store *s, sqlite3_stmt *q, kg_set *out, size_t *cap, cmat_error *err)
{
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        if (out->n >= KG_SET_MAX) {
            sqlite3_reset(q);
            return cmat_fail(err, CMAT_ERR_LIMIT, "more than %u nodes", KG_SET_MAX);
        }
        out->ids = cmat_xgrow(out->ids, cap, out->n + 1, sizeof *out->ids);
        out->ids[out->n++] = (uint32_t)sqlite3_column_int64(q, 0);
    }
    sqlite3_reset(q);
    return rc == SQLITE_DONE ? CMAT_OK : kg_store_fail(s, "read", err);
}

static cmat_status entity_set(kg_store *s, const char *name, kg_set *out, cmat_error *err)
{
    size_t cap = 0;
    sqlite3_bind_text(s->id_of, 1, name, -1, SQLITE_STATIC);
    const cmat_status st = gather(s, s->id_of, out, &cap, err);
    sqlite3_clear_bindings(s->id_of);
    return st;
}

static cmat_status neighbor_set(kg_store *s, const kg_set *from, const char *relation, kg_set *out,
                                cmat_error *err)
{
    bool inverse;
    const kg_relation *r = kg_store_relation(s, relation, &inverse);
    size_t cap = 0;
    cmat_status st = CMAT_OK;
    for (size_t i = 0; r && st == CMAT_OK && i < from->n; i++) {
        sqlite3_stmt *q = inverse ? s->in : s->out;
        sqlite3_bind_int64(q, 1, from->ids[i]);
        sqlite3_bind_int(q, 2, r->id);
        st = gather(s, q, out, &cap, err);
        if (out->n > 2 * KG_SET_MAX / 3)
            set_sort(out);
    }
    if (st == CMAT_OK)
        set_sort(out);
    return st;
}

static void and_set(const kg_set *a, const kg_set *b, kg_set *out)
{
    const kg_set *few = a->n < b->n ? a : b, *many = few == a ? b : a;
    out->ids = cmat_xmalloc((few->n + 1) * sizeof *out->ids);
    for (size_t i = 0; i < few->n; i++)
        if (set_has(many, few->ids[i]))
            out->ids[out->n++] = few->ids[i];
}

/* The nodes whose greatest (least) value of the attribute is the set's: all of them. */
static cmat_status extreme_set(kg_store *s, const kg_set *from, const char *attribute, bool least,
                               kg_set *out, cmat_error *err)
{
    bool inverse, any = false;
    const kg_relation *r = kg_store_relation(s, attribute, &inverse);
    double best = 0;
    size_t cap = 0;
    for (size_t i = 0; r && !inverse && i < from->n; i++) {
        int rc;
        sqlite3_bind_int64(s->nums, 1, from->ids[i]);
        sqlite3_bind_int(s->nums, 2, r->id);
        while ((rc = sqlite3_step(s->nums)) == SQLITE_ROW) {
            const double v = sqlite3_column_double(s->nums, 0);
            if (any && (least ? v > best : v < best))
                continue;
            if (!any || v != best)
                out->n = 0;
            any = true;
            best = v;
            out->ids = cmat_xgrow(out->ids, &cap, out->n + 1, sizeof *out->ids);
            out->ids[out->n++] = from->ids[i];
        }
        sqlite3_reset(s->nums);
        if (rc != SQLITE_DONE)
            return kg_store_fail(s, "read", err);
    }
    set_sort(out);
    return CMAT_OK;
}

/* Takes out the nodes that set i was made from. */
static cmat_status leave_out(kg_store *s, kg_expr *e, int i, kg_set *out, cmat_error *err)
{
    const kg_set *one;
    cmat_status st;
    if (e[i].op != KG_ENTITY) {
        st = leave_out(s, e, e[i].a, out, err);
        return st == CMAT_OK && e[i].op == KG_AND ? leave_out(s, e, e[i].b, out, err) : st;
    }
    if ((st = kg_store_set(s, e, i, &one, err)) == CMAT_OK && one->n)
        set_remove(out, one->ids[0]);
    return st;
}

cmat_status kg_store_set(kg_store *s, kg_expr *e, int i, const kg_set **out, cmat_error *err)
{
    kg_expr *x = &e[i];
    const kg_set *a = NULL, *b = NULL;
    kg_set made = {0};
    cmat_status st = CMAT_OK;
    *out = &x->set;
    if (x->set.known)
        return CMAT_OK;
    if (x->op != KG_ENTITY)
        st = kg_store_set(s, e, x->a, &a, err);
    if (st == CMAT_OK && x->op == KG_AND)
        st = kg_store_set(s, e, x->b, &b, err);
    if (st != CMAT_OK)
        return st;
    switch (x->op) {
    case KG_ENTITY:
        st = entity_set(s, x->name, &made, err);
        break;
    case KG_NEIGHBORS:
        st = neighbor_set(s, a, x->name, &made, err);
        break;
    case KG_AND:
        and_set(a, b, &made);
        break;
    case KG_ARGMAX:
    case KG_ARGMIN:
        st = extreme_set(s, a, x->name, x->op == KG_ARGMIN, &made, err);
        break;
    case KG_COUNT:
        break;
    }
    if (st == CMAT_OK && x->op != KG_ENTITY && x->op != KG_COUNT)
        st = leave_out(s, e, i, &made, err);
    if (st != CMAT_OK) {
        free(made.ids);
        return st;
    }
    made.known = true;
    x->set = made;
    return CMAT_OK;
}

/* ---- what is asked ---- */

const kg_relation *kg_store_relation(const kg_store *s, const char *name, bool *inverse)
{
    size_t lo = 0, hi = s->n_relations;
    *inverse = *name == '^';
    if (*inverse && !s->inverses)
        return NULL;
    name += *inverse;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int c = strcmp(s->relations[mid].name, name);
        if (c == 0)
            return &s->relations[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static void add_relation(const kg_store *s, int r, bool attributes, kg_list *out)
{
    const kg_relation *rel = s->by_id[r < 0 ? -r : r];
    char name[KG_LABEL_MAX + 16];
    if (!rel ||
        (attributes ? !rel->attribute || r < 0 : !rel->neighbors || (r < 0 && !s->inverses)))
        return;
    snprintf(name, sizeof name, "%s%s", r < 0 ? "^" : "", rel->name);
    kg_list_add(out, name);
}

static cmat_status list_relations(kg_store *s, kg_expr *e, int i, bool attributes, kg_list *out,
                                  cmat_error *err)
{
    const kg_set *set;
    cmat_status st = kg_store_set(s, e, i, &set, err);
    uint8_t *seen = cmat_xcalloc((size_t)s->max_relation + 1, 2);
    for (size_t k = 0; st == CMAT_OK && k < set->n; k++) {
        int rc;
        sqlite3_bind_int64(s->has, 1, set->ids[k]);
        while ((rc = sqlite3_step(s->has)) == SQLITE_ROW) {
            const int r = sqlite3_column_int(s->has, 0), id = r < 0 ? -r : r;
            if (id > s->max_relation || seen[2 * id + (r < 0)])
                continue;
            seen[2 * id + (r < 0)] = 1;
            add_relation(s, r, attributes, out);
        }
        sqlite3_reset(s->has);
        if (rc != SQLITE_DONE)
            st = kg_store_fail(s, "read", err);
    }
    free(seen);
    kg_list_sort(out);
    return st;
}

static cmat_status store_relations(kg_graph *g, kg_expr *e, int i, kg_list *out, cmat_error *err)
{
    return list_relations((kg_store *)g, e, i, false, out, err);
}

static cmat_status store_attributes(kg_graph *g, kg_expr *e, int i, kg_list *out, cmat_error *err)
{
    return list_relations((kg_store *)g, e, i, true, out, err);
}

static cmat_status store_size(kg_graph *g, kg_expr *e, int i, size_t *n, cmat_error *err)
{
    const kg_set *set;
    *n = 1;
    if (e[i].op == KG_COUNT)
        return CMAT_OK;
    const cmat_status st = kg_store_set((kg_store *)g, e, i, &set, err);
    *n = st == CMAT_OK ? set->n : 0;
    return st;
}

static cmat_status store_values(kg_graph *g, kg_expr *e, int i, size_t max, kg_list *out,
                                cmat_error *err)
{
    kg_store *s = (kg_store *)g;
    const kg_set *set;
    cmat_status st = kg_store_set(s, e, e[i].op == KG_COUNT ? e[i].a : i, &set, err);
    if (st == CMAT_OK && e[i].op == KG_COUNT) {
        char number[24];
        snprintf(number, sizeof number, "%zu", set->n);
        kg_list_add(out, number);
        return CMAT_OK;
    }
    for (size_t k = 0; st == CMAT_OK && k < set->n && (max == 0 || k < max); k++) {
        sqlite3_bind_int64(s->name_of, 1, set->ids[k]);
        if (sqlite3_step(s->name_of) == SQLITE_ROW)
            kg_list_add(out, column(s->name_of, 0));
        else
            st = kg_store_fail(s, "a node's name", err);
        sqlite3_reset(s->name_of);
    }
    kg_list_sort(out);
    return st;
}

static const char *store_range(kg_graph *g, const char *relation)
{
    const kg_store *s = (const kg_store *)g;
    bool inverse;
    const kg_relation *r = kg_store_relation(s, relation, &inverse);
    return r ? s->types[inverse ? r->domain : r->range] : NULL;
}

static int type_of(const kg_store *s, const char *name)
{
    for (int t = 0; t < s->n_types; t++)
        if (strcmp(s->types[t], name) == 0)
            return t;
    return -1;
}

static bool store_fits(kg_graph *g, const char *a, const char *b)
{
    const kg_store *s = (const kg_store *)g;
    if (strcmp(a, b) == 0 || !*a || !*b)
        return true;
    const int x = type_of(s, a), y = type_of(s, b);
    if (x < 0 || y < 0)
        return false;
    const size_t bit = (size_t)x * (size_t)s->n_types + (size_t)y;
    return s->fit[bit / 8] >> bit % 8 & 1;
}

static bool store_has(kg_graph *g, const char *name)
{
    kg_store *s = (kg_store *)g;
    kg_set set = {0};
    const bool found = entity_set(s, name, &set, NULL) == CMAT_OK && set.n > 0;
    free(set.ids);
    return found;
}

static void store_label(kg_graph *g, const char *name, cmat_buf *out)
{
    kg_store *s = (kg_store *)g;
    sqlite3_stmt *q = NULL;
    const char *label = name;
    if (sqlite3_prepare_v2(s->db, "SELECT label FROM node WHERE name=?", -1, &q, NULL) ==
        SQLITE_OK) {
        sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
        if (sqlite3_step(q) == SQLITE_ROW && sqlite3_column_type(q, 0) == SQLITE_TEXT)
            label = column(q, 0);
    }
    kg_clean_label(out, label, strlen(label));
    sqlite3_finalize(q);
}

static cmat_status store_find(kg_graph *g, bool (*wanted)(void *user, const char *label),
                              void (*found)(void *user, const char *label, const char *name,
                                            size_t n_triples),
                              void *user, cmat_error *err)
{
    kg_store *s = (kg_store *)g;
    sqlite3_stmt *all = NULL, *count = NULL;
    int rc = SQLITE_ERROR;
    if (sqlite3_prepare_v2(s->db, "SELECT id, name, ifnull(label, name) FROM node", -1, &all,
                           NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(s->db,
                           "SELECT (SELECT count(*) FROM edge WHERE s=?1) +"
                           " (SELECT count(*) FROM edge WHERE o=?1)",
                           -1, &count, NULL) == SQLITE_OK)
        while ((rc = sqlite3_step(all)) == SQLITE_ROW) {
            if (!wanted(user, column(all, 2)))
                continue;
            sqlite3_bind_int64(count, 1, sqlite3_column_int64(all, 0));
            const size_t n =
                sqlite3_step(count) == SQLITE_ROW ? (size_t)sqlite3_column_int64(count, 0) : 0;
            sqlite3_reset(count);
            found(user, column(all, 2), column(all, 1), n);
        }
    const cmat_status st = rc == SQLITE_DONE ? CMAT_OK : kg_store_fail(s, "its nodes", err);
    sqlite3_finalize(all);
    sqlite3_finalize(count);
    return st;
}

/* ---- open and close ---- */

static void store_close(kg_graph *g)
{
    kg_store *s = (kg_store *)g;
    sqlite3_stmt *all[] = {s->out, s->in, s->has, s->name_of, s->id_of, s->nums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sqlite3_finalize(all[i]);
    sqlite3_close(s->db);
    for (size_t i = 0; i < s->n_relations; i++) {
        free(s->relations[i].name);
        free(s->relations[i].iri);
    }
    for (int t = 0; t < s->n_types; t++)
        free(s->types[t]);
    free(s->relations);
    free(s->by_id);
    free(s->types);
    free(s->fit);
    free(s->path);
    free(s->prefix);
    free(s);
}

static const kg_graph_ops store_ops = {
    .close = store_close,
    .relations = store_relations,
    .attributes = store_attributes,
    .values = store_values,
    .size = store_size,
    .range = store_range,
    .fits = store_fits,
    .has = store_has,
    .label = store_label,
    .find = store_find,
};

bool kg_store_is(const char *path)
{
    char head[72] = "";
    FILE *f = fopen(path, "rb");
    const size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    const unsigned char *id = (const unsigned char *)head + 68; /* application_id, big-endian */
    return n == sizeof head && memcmp(head, "SQLite format 3", 16) == 0 &&
           ((uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3]) ==
               KG_STORE_ID;
}

static int64_t pragma(kg_store *s, const char *sql)
{
    sqlite3_stmt *q = NULL;
    int64_t v = -1;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        v = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return v;
}

/* Calls row for each row of a query. */
static cmat_status each_row(kg_store *s, const char *sql,
                            cmat_status (*row)(kg_store *s, sqlite3_stmt *q, cmat_error *err),
                            cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
    cmat_status st = rc == SQLITE_OK ? CMAT_OK : kg_store_fail(s, "open", err);
    while (st == CMAT_OK && (rc = sqlite3_step(q)) == SQLITE_ROW)
        st = row(s, q, err);
    if (st == CMAT_OK && rc != SQLITE_DONE)
        st = kg_store_fail(s, "open", err);
    sqlite3_finalize(q);
    return st;
}

static cmat_status damaged(const kg_store *s, cmat_error *err)
{
    return cmat_fail(err, CMAT_ERR_FORMAT, "kg: %s: is damaged; remove it", s->path);
}

static cmat_status meta_row(kg_store *s, sqlite3_stmt *q, cmat_error *err)
{
    (void)err;
    if (strcmp(column(q, 0), "prefix") == 0 && !s->prefix)
        s->prefix = cmat_xstrdup(column(q, 1));
    if (strcmp(column(q, 0), "inverses") == 0)
        s->inverses = strcmp(column(q, 1), "1") == 0;
    return CMAT_OK;
}

static cmat_status type_row(kg_store *s, sqlite3_stmt *q, cmat_error *err)
{
    const int id = sqlite3_column_int(q, 0);
    if (id < 0 || id >= s->n_types || s->types[id])
        return damaged(s, err);
    s->types[id] = cmat_xstrdup(column(q, 1));
    return CMAT_OK;
}

static cmat_status relation_row(kg_store *s, sqlite3_stmt *q, cmat_error *err)
{
    kg_relation r = {.id = sqlite3_column_int(q, 0),
                     .domain = sqlite3_column_int(q, 3),
                     .range = sqlite3_column_int(q, 4),
                     .neighbors = sqlite3_column_int(q, 5) != 0,
                     .attribute = sqlite3_column_int(q, 6) != 0,
                     .n = sqlite3_column_int64(q, 7)};
    if (r.id < 1 || r.id > s->max_relation || r.domain < 0 || r.domain >= s->n_types ||
        r.range < 0 || r.range >= s->n_types || strlen(column(q, 1)) > KG_LABEL_MAX + 8)
        return damaged(s, err);
    r.name = cmat_xstrdup(column(q, 1));
    r.iri = cmat_xstrdup(column(q, 2));
    s->relations[s->n_relations++] = r;
    return CMAT_OK;
}

static cmat_status fit_row(kg_store *s, sqlite3_stmt *q, cmat_error *err)
{
    const int a = sqlite3_column_int(q, 0), b = sqlite3_column_int(q, 1);
    if (a < 0 || b < 0 || a >= s->n_types || b >= s->n_types)
        return damaged(s, err);
    for (int turn = 0; turn < 2; turn++) {
        const size_t bit = (size_t)(turn ? b : a) * (size_t)s->n_types + (size_t)(turn ? a : b);
        s->fit[bit / 8] |= (uint8_t)(1u << bit % 8);
    }
    return CMAT_OK;
}

static cmat_status load_schema(kg_store *s, cmat_error *err)
{
    const int64_t n_types = pragma(s, "SELECT coalesce(max(id), -1) + 1 FROM type");
    const int64_t max = pragma(s, "SELECT coalesce(max(id), 0) FROM relation");
    const int64_t n = pragma(s, "SELECT count(*) FROM relation");
    cmat_status st;
    if (n_types < 0 || n_types > 50000 || max < 0 || max > 10000000 || n < 0 || n > max)
        return damaged(s, err);
    s->n_types = (int)n_types;
    s->max_relation = (int)max;
    s->types = cmat_xcalloc((size_t)n_types + 1, sizeof *s->types);
    s->relations = cmat_xcalloc((size_t)n + 1, sizeof *s->relations);
    s->by_id = cmat_xcalloc((size_t)max + 1, sizeof *s->by_id);
    s->fit = cmat_xcalloc(((size_t)n_types * (size_t)n_types + 8) / 8, 1);
    if ((st = each_row(s, "SELECT key, value FROM meta", meta_row, err)) != CMAT_OK ||
        (st = each_row(s, "SELECT id, name FROM type", type_row, err)) != CMAT_OK)
        return st;
    for (int t = 0; t < s->n_types; t++)
        if (!s->types[t])
            return damaged(s, err);
    if ((st = each_row(s,
                       "SELECT id, name, iri, domain, range, neighbors, attribute, n FROM relation "
                       "ORDER BY name COLLATE BINARY",
                       relation_row, err)) != CMAT_OK)
        return st;
    for (size_t i = 0; i < s->n_relations; i++)
        s->by_id[s->relations[i].id] = &s->relations[i];
    return each_row(s, "SELECT a, b FROM fit", fit_row, err);
}

static cmat_status prepare(kg_store *s, cmat_error *err)
{
    const struct {
        sqlite3_stmt **at;
        const char *sql;
    } all[] = {{&s->out, "SELECT o FROM edge WHERE s=? AND r=?"},
               {&s->in, "SELECT s FROM edge WHERE o=? AND r=?"},
               {&s->has, "SELECT r FROM has WHERE node=?"},
               {&s->name_of, "SELECT name FROM node WHERE id=?"},
               {&s->id_of, "SELECT id FROM node WHERE name=?"},
               {&s->nums,
                "SELECT num FROM edge JOIN node ON node.id=edge.o WHERE s=? AND r=? AND num "
                "IS NOT NULL"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (sqlite3_prepare_v3(s->db, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT, all[i].at, NULL) !=
            SQLITE_OK)
            return kg_store_fail(s, "open", err);
    return CMAT_OK;
}

cmat_status kg_store_open(kg_graph **out, const char *path, cmat_error *err)
{
    kg_store *s = cmat_xcalloc(1, sizeof *s);
    cmat_status st = CMAT_OK;
    *out = NULL;
    s->base.ops = &store_ops;
    s->base.refs = 1;
    s->path = cmat_xstrdup(path);
    if (!cmat_path_exists(path))
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "kg: %s: no such file", path);
    else if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        st = kg_store_fail(s, "open", err);
    if (st == CMAT_OK) {
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        sqlite3_exec(s->db, "PRAGMA mmap_size=1073741824; PRAGMA cache_size=-4096", NULL, NULL,
                     NULL);
        if (pragma(s, "PRAGMA application_id") != KG_STORE_ID)
            st = cmat_fail(err, CMAT_ERR_FORMAT, "kg: %s: is not a graph that cmat has imported",
                           path);
        else if (pragma(s, "PRAGMA user_version") != KG_STORE_VERSION)
            st = cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                           "kg: %s: is of another version of cmat; import the graph again", path);
    }
    if (st == CMAT_OK && (st = load_schema(s, err)) == CMAT_OK)
        st = prepare(s, err);
    if (st != CMAT_OK) {
        store_close(&s->base);
        return st;
    }
    if (!s->prefix)
        s->prefix = cmat_xstrdup("");
    *out = &s->base;
    return CMAT_OK;
}
