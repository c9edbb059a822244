/* env/kg/sparql.c - a graph behind a SPARQL 1.1 endpoint: each question about a set is a query. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/kg/http.h"
#include "env/kg/ontology.h"
#include "env/kg/store.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FREEBASE "http://rdf.freebase.com/ns/"

typedef struct {
    kg_graph base;
    kg_http *http;
    char *graph;      /* IRI of the named graph that is asked; NULL: the endpoint's default */
    char *prefix;     /* names stand for IRIs that begin so */
    kg_store *schema; /* relations, types and their fits; NULL: none */
    kg_ontology onto; /* instead of it; may be empty */
    json_t *iris;     /* object: relations met so far, name -> IRI, where prefix + name is not it */
    bool inverses;
} kg_sparql;

typedef struct {
    const kg_sparql *g;
    kg_expr *e;
    cmat_buf text;
    int n_vars;
} query;

/* ---- writing queries ---- */

/* What may not stand in an IRI is escaped, so that a name cannot end it. */
static void put_iri(query *q, const char *prefix, const char *name)
{
    cmat_buf_putc(&q->text, '<');
    cmat_buf_puts(&q->text, strstr(name, "://") ? "" : prefix);
    for (const unsigned char *s = (const unsigned char *)name; *s; s++)
        if (*s <= 0x20 || strchr("<>\"{}|^`\\", *s) || *s == 0x7f)
            cmat_buf_printf(&q->text, "%%%02X", *s);
        else
            cmat_buf_putc(&q->text, (char)*s);
    cmat_buf_putc(&q->text, '>');
}

static void put_relation(query *q, const char *name)
{
    bool inverse;
    const kg_relation *r = q->g->schema ? kg_store_relation(q->g->schema, name, &inverse) : NULL;
    name += *name == '^';
    put_iri(q, q->g->prefix, r ? r->iri : cmat_json_str(q->g->iris, name, name));
}

static void put_term(query *q, int i, int var)
{
    if (q->e[i].op == KG_ENTITY)
        put_iri(q, q->g->prefix, q->e[i].name);
    else
        cmat_buf_printf(&q->text, "?v%d", var);
}

static void put_filters(query *q, int i, int var)
{
    const kg_expr *x = &q->e[i];
    if (x->op == KG_ENTITY) {
        cmat_buf_printf(&q->text, "FILTER(?v%d != ", var);
        put_iri(q, q->g->prefix, x->name);
        cmat_buf_puts(&q->text, ")\n");
        return;
    }
    put_filters(q, x->a, var);
    if (x->op == KG_AND)
        put_filters(q, x->b, var);
}

static void put_set(query *q, int i, int var, bool last);

/* var: of the set i, whose nodes are reached from another set. */
static void put_step(query *q, int i, int var)
{
    const kg_expr *x = &q->e[i];
    const int from = ++q->n_vars;
    const bool inverse = *x->name == '^';
    put_set(q, x->a, from, false);
    if (inverse)
        cmat_buf_printf(&q->text, "?v%d ", var);
    else
        put_term(q, x->a, from);
    cmat_buf_putc(&q->text, ' ');
    put_relation(q, x->name);
    cmat_buf_putc(&q->text, ' ');
    if (inverse)
        put_term(q, x->a, from);
    else
        cmat_buf_printf(&q->text, "?v%d", var);
    cmat_buf_puts(&q->text, " .\n");
    if (inverse && q->e[x->a].op != KG_ENTITY)
        cmat_buf_printf(&q->text, "FILTER(!isLiteral(?v%d))\n", from);
}

static void put_extreme(query *q, int i, int var)
{
    const kg_expr *x = &q->e[i];
    const int value = ++q->n_vars, other = ++q->n_vars, best = ++q->n_vars;
    put_set(q, x->a, var, false);
    cmat_buf_printf(&q->text, "?v%d ", var);
    put_relation(q, x->name);
    cmat_buf_printf(&q->text, " ?v%d .\n{ SELECT ?v%d WHERE {\n", value, best);
    put_set(q, x->a, other, false);
    put_filters(q, x->a, other);
    cmat_buf_printf(&q->text, "?v%d ", other);
    put_relation(q, x->name);
    cmat_buf_printf(&q->text, " ?v%d .\n} ORDER BY %s(?v%d) LIMIT 1 }\nFILTER(?v%d = ?v%d)\n", best,
                    x->op == KG_ARGMAX ? "DESC" : "ASC", best, value, best);
}

/* Patterns that bind ?v<var> to the nodes of set i; of an entity nothing, it stands for itself. */
static void put_set(query *q, int i, int var, bool last)
{
    const kg_expr *x = &q->e[i];
    switch (x->op) {
    case KG_ENTITY:
    case KG_COUNT:
        return;
    case KG_NEIGHBORS:
        put_step(q, i, var);
        break;
    case KG_AND:
        put_set(q, x->a, var, false);
        put_set(q, x->b, var, false);
        break;
    case KG_ARGMAX:
    case KG_ARGMIN:
        put_extreme(q, i, var);
        break;
    }
    if (last || !q->g->base.last_only)
        put_filters(q, i, var);
}

static void put_from(query *q)
{
    if (q->g->graph) {
        cmat_buf_puts(&q->text, " FROM ");
        put_iri(q, "", q->g->graph);
    }
    cmat_buf_puts(&q->text, " WHERE {\n");
}

/* ---- reading results ---- */

/* Without the prefix, unless the schema's graph keeps it: there a value is called the same. */
static const char *short_name(const kg_sparql *g, const char *value)
{
    const size_t n = strlen(g->prefix);
    if (n == 0 || strncmp(value, g->prefix, n) != 0 || !value[n])
        return value;
    const bool kept = g->schema && g->schema->base.ops->has(&g->schema->base, value);
    return kept ? value : value + n;
}

/* As AgentBench reads a value: shortened, and without the time zone of Freebase's dates. */
static void add_value(const kg_sparql *g, const json_t *binding, kg_list *out)
{
    const char *value = cmat_json_str(binding, "value", NULL);
    cmat_buf text = {0};
    if (!value)
        return;
    if (strcmp(cmat_json_str(binding, "type", ""), "bnode") == 0 && strncmp(value, "_:", 2) != 0)
        cmat_buf_puts(&text, "_:");
    cmat_buf_puts(&text, short_name(g, value));
    if (text.len > 6 && strcmp(text.data + text.len - 6, "-08:00") == 0)
        cmat_buf_truncate(&text, text.len - 6);
    kg_list_add(out, cmat_buf_str(&text));
    cmat_buf_clear(&text);
}

static cmat_status ask(kg_sparql *g, const query *q, kg_list *out, cmat_error *err)
{
    json_t *answer, *row, *binding;
    const char *name;
    size_t i;
    const cmat_status st = kg_http_query(g->http, cmat_buf_str(&q->text), &answer, err);
    if (st != CMAT_OK)
        return st;
    const json_t *rows = json_object_get(json_object_get(answer, "results"), "bindings");
    json_array_foreach(rows, i, row) json_object_foreach(row, name, binding)
        add_value(g, binding, out);
    json_decref(answer);
    kg_list_sort(out);
    return CMAT_OK;
}

/* ---- what is asked ---- */

/* A relation's IRI as the name that is shown; NULL: it is none that the tool lists. */
static const char *relation_name(kg_sparql *g, const char *iri, bool attributes, cmat_buf *out)
{
    cmat_buf_truncate(out, 0);
    if (g->schema) {
        const size_t n = strlen(g->prefix);
        for (size_t i = 0; i < g->schema->n_relations; i++) {
            const kg_relation *r = &g->schema->relations[i];
            const char *full = r->iri;
            if ((strcmp(full, iri) == 0 ||
                 (n && strncmp(full, g->prefix, n) == 0 && strcmp(full + n, iri) == 0)) &&
                (attributes ? r->attribute : r->neighbors))
                return r->name;
        }
        return NULL;
    }
    const kg_list *listed = attributes ? &g->onto.listed_attributes : &g->onto.listed;
    if (listed->n)
        return kg_list_has(listed, iri) ? iri : NULL;
    if (strstr(iri, "#type") || strstr(iri, "#label"))
        return NULL;
    kg_clean_name(out, iri, strlen(iri));
    if (strcmp(out->data, iri) != 0)
        json_object_set_new(g->iris, out->data, json_string(iri));
    return out->data;
}

static cmat_status list(kg_sparql *g, kg_expr *e, int i, bool attributes, bool inverse,
                        kg_list *out, cmat_error *err)
{
    query q = {.g = g, .e = e};
    kg_list iris = {0};
    cmat_buf name = {0}, shown = {0};
    cmat_buf_puts(&q.text, "SELECT DISTINCT ?r");
    put_from(&q);
    put_set(&q, i, 0, true);
    if (inverse)
        cmat_buf_puts(&q.text, "?o ?r ");
    put_term(&q, i, 0);
    cmat_buf_puts(&q.text, inverse ? " .\n" : " ?r ?o .\n");
    if (inverse && e[i].op != KG_ENTITY)
        cmat_buf_puts(&q.text, "FILTER(!isLiteral(?v0))\n");
    if (attributes && !g->schema && !g->onto.listed_attributes.n)
        cmat_buf_puts(&q.text,
                      "FILTER(isNumeric(?o) || regex(str(datatype(?o)), \"date|gYear\"))\n");
    cmat_buf_puts(&q.text, "}");
    const cmat_status st = ask(g, &q, &iris, err);
    for (size_t k = 0; st == CMAT_OK && k < iris.n; k++) {
        const char *known = relation_name(g, kg_list_get(&iris, k), attributes, &name);
        if (!known)
            continue;
        cmat_buf_truncate(&shown, 0);
        cmat_buf_printf(&shown, "%s%s", inverse ? "^" : "", known);
        kg_list_add(out, shown.data);
    }
    kg_list_clear(&iris);
    cmat_buf_clear(&name);
    cmat_buf_clear(&shown);
    cmat_buf_clear(&q.text);
    return st;
}

static cmat_status sparql_relations(kg_graph *base, kg_expr *e, int i, kg_list *out,
                                    cmat_error *err)
{
    kg_sparql *g = (kg_sparql *)base;
    cmat_status st = list(g, e, i, false, false, out, err);
    if (st == CMAT_OK && g->inverses)
        st = list(g, e, i, false, true, out, err);
    kg_list_sort(out);
    return st;
}

static cmat_status sparql_attributes(kg_graph *base, kg_expr *e, int i, kg_list *out,
                                     cmat_error *err)
{
    const cmat_status st = list((kg_sparql *)base, e, i, true, false, out, err);
    kg_list_sort(out);
    return st;
}

static void put_select(query *q, int i, bool count)
{
    cmat_buf_puts(&q->text, count ? "SELECT (COUNT(DISTINCT ?v0) AS ?n)" : "SELECT DISTINCT ?v0");
    put_from(q);
    cmat_buf_puts(&q->text,
                  "FILTER(!isLiteral(?v0) || lang(?v0) = \"\" || langMatches(lang(?v0), "
                  "\"en\"))\n");
    put_set(q, i, 0, true);
    cmat_buf_puts(&q->text, "}");
}

static cmat_status sparql_values(kg_graph *base, kg_expr *e, int i, size_t max, kg_list *out,
                                 cmat_error *err)
{
    query q = {.g = (kg_sparql *)base, .e = e};
    if (e[i].op == KG_ENTITY) {
        kg_list_add(out, e[i].name);
        return CMAT_OK;
    }
    put_select(&q, e[i].op == KG_COUNT ? e[i].a : i, e[i].op == KG_COUNT);
    if (max)
        cmat_buf_printf(&q.text, " LIMIT %zu", max);
    const cmat_status st = ask((kg_sparql *)base, &q, out, err);
    cmat_buf_clear(&q.text);
    return st;
}

static cmat_status sparql_size(kg_graph *base, kg_expr *e, int i, size_t *n, cmat_error *err)
{
    query q = {.g = (kg_sparql *)base, .e = e};
    kg_list number = {0};
    cmat_status st = CMAT_OK;
    *n = 1;
    if (e[i].op == KG_ENTITY || e[i].op == KG_COUNT)
        return CMAT_OK;
    put_select(&q, i, true);
    st = ask((kg_sparql *)base, &q, &number, err);
    if (st == CMAT_OK)
        *n = number.n ? strtoul(kg_list_get(&number, 0), NULL, 10) : 0;
    kg_list_clear(&number);
    cmat_buf_clear(&q.text);
    return st;
}

static const char *sparql_range(kg_graph *base, const char *relation)
{
    kg_sparql *g = (kg_sparql *)base;
    if (g->schema)
        return g->schema->base.ops->range(&g->schema->base, relation);
    if (!g->onto.relations)
        return "";
    return *relation == '^' ? kg_ontology_domain(&g->onto, relation + 1)
                            : kg_ontology_range(&g->onto, relation);
}

static bool sparql_fits(kg_graph *base, const char *a, const char *b)
{
    kg_sparql *g = (kg_sparql *)base;
    if (g->schema)
        return g->schema->base.ops->fits(&g->schema->base, a, b);
    return strcmp(a, b) == 0; /* AgentBench's rule */
}

static void sparql_label(kg_graph *base, const char *name, cmat_buf *out)
{
    kg_sparql *g = (kg_sparql *)base;
    if (g->schema)
        g->schema->base.ops->label(&g->schema->base, name, out);
    else
        kg_clean_label(out, name, strlen(name));
}

/* ---- open and close ---- */

static void sparql_close(kg_graph *base)
{
    kg_sparql *g = (kg_sparql *)base;
    kg_http_free(g->http);
    if (g->schema)
        kg_graph_unref(&g->schema->base);
    kg_ontology_clear(&g->onto);
    json_decref(g->iris);
    free(g->graph);
    free(g->prefix);
    free(g);
}

static const kg_graph_ops sparql_ops = {
    .close = sparql_close,
    .relations = sparql_relations,
    .attributes = sparql_attributes,
    .values = sparql_values,
    .size = sparql_size,
    .range = sparql_range,
    .fits = sparql_fits,
    .label = sparql_label,
};

/* A file that the description names lies beside it. */
static char *beside(const char *path, const char *name)
{
    char *folder = cmat_xstrndup(path, (size_t)(cmat_path_base(path) - path));
    char *out = cmat_path_join(*folder ? folder : ".", name);
    free(folder);
    return out;
}

static cmat_status load_schema(kg_sparql *g, const json_t *j, const char *path, cmat_error *err)
{
    const char *schema = cmat_json_str(j, "schema", NULL);
    const char *ontology = cmat_json_str(j, "ontology", NULL);
    char *file = schema || ontology ? beside(path, schema ? schema : ontology) : NULL;
    kg_graph *store = NULL;
    cmat_status st = CMAT_OK;
    if (schema) {
        st = kg_store_is(file)
                 ? kg_store_open(&store, file, err)
                 : cmat_fail(err, CMAT_ERR_ARG, "%s: \"schema\" is not a .kg file", path);
        g->schema = (kg_store *)store;
    } else if (ontology) {
        st = kg_ontology_load(&g->onto, file, err);
        if (st == CMAT_ERR_NOT_FOUND)
            st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: no fb_roles in %s", path, file);
    }
    free(file);
    return st;
}

/* SELECT rather than ASK, which Virtuoso answers in a form of its own. */
static cmat_status ping(kg_sparql *g, const char *url, cmat_error *err)
{
    query q = {.g = g};
    kg_list found = {0};
    cmat_buf_puts(&q.text, "SELECT ?p");
    put_from(&q);
    cmat_buf_puts(&q.text, "?s ?p ?o } LIMIT 1");
    cmat_status st = ask(g, &q, &found, err);
    if (st != CMAT_OK)
        st = cmat_fail_prefix(err, st, "kg");
    else if (found.n == 0)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "kg: %s: holds no triples%s%s", url,
                       g->graph ? " in the graph " : "", g->graph ? g->graph : "");
    kg_list_clear(&found);
    cmat_buf_clear(&q.text);
    return st;
}

static bool is_address(const char *s)
{
    return strncasecmp(s, "http://", 7) == 0 || strncasecmp(s, "https://", 8) == 0;
}

cmat_status kg_sparql_open(kg_graph **out, const char *path, double timeout, cmat_error *err)
{
    json_t *j = is_address(path) ? json_pack("{s:s}", "sparql", path) : cmat_json_load(path, err);
    const char *url = cmat_json_str(j, "sparql", NULL);
    kg_sparql *g;
    cmat_status st = CMAT_OK;
    *out = NULL;
    if (!url || !is_address(url)) {
        json_decref(j);
        return j ? cmat_fail(err, CMAT_ERR_FORMAT,
                             "%s: has no \"sparql\", the http address of an endpoint", path)
                 : CMAT_ERR_FORMAT;
    }
    g = cmat_xcalloc(1, sizeof *g);
    g->base.ops = &sparql_ops;
    g->base.refs = 1;
    g->http = kg_http_new(url, timeout);
    g->graph = cmat_xstrdup(cmat_json_str(j, "graph", NULL));
    g->iris = json_object();
    st = load_schema(g, j, path, err);
    const bool own = g->schema != NULL; /* an imported graph's ways, else Freebase's */
    g->prefix = cmat_xstrdup(cmat_json_str(j, "prefix", own ? g->schema->prefix : FREEBASE));
    g->inverses = cmat_json_bool(j, "inverses", own && g->schema->inverses);
    g->base.last_only = cmat_json_bool(j, "last_only", !own);
    if (st == CMAT_OK)
        st = ping(g, url, err);
    json_decref(j);
    if (st != CMAT_OK) {
        sparql_close(&g->base);
        return st;
    }
    *out = &g->base;
    return CMAT_OK;
}
