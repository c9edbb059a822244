/* env/kg/read_rdf.c - N-Triples, Turtle, N-Quads and TriG, parsed by serd. */
#include "core/mem.h"
#include "core/progress.h"
#include "env/kg/build.h"
#include <errno.h>
#include <serd/serd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define RDF "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
#define RDFS "http://www.w3.org/2000/01/rdf-schema#"

typedef struct {
    kg_build *b;
    SerdEnv *env; /* prefixes of a Turtle file */
    const char *path;
    FILE *file;
    cmat_progress *progress;
    size_t n;
    cmat_status st; /* of the first thing that went wrong, with its message */
    cmat_error err;
} reading;

typedef struct {
    const char *s;
    size_t len;
    SerdNode owned; /* an expanded name, to be freed */
} term;

static term term_of(reading *r, const SerdNode *n)
{
    term t = {.owned = SERD_NODE_NULL};
    if (n->type == SERD_CURIE || n->type == SERD_URI) {
        t.owned = serd_env_expand_node(r->env, n);
        if (t.owned.buf) {
            t.s = (const char *)t.owned.buf;
            t.len = t.owned.n_bytes;
            return t;
        }
    }
    t.s = (const char *)n->buf;
    t.len = n->n_bytes;
    return t;
}

/* A blank node as "_:name", so that it cannot be taken for a value. */
static uint32_t node_of(kg_build *b, const SerdNode *n, const term *t)
{
    if (n->type != SERD_BLANK || t->len > 1000)
        return kg_build_node(b, t->s, t->len);
    char name[1024];
    const int len = snprintf(name, sizeof name, "_:%.*s", (int)t->len, t->s);
    return kg_build_node(b, name, (size_t)len);
}

static bool is_label(const char *p)
{
    static const char *const names[] = {RDFS "label",
                                        "http://www.w3.org/2004/02/skos/core#prefLabel",
                                        "http://xmlns.com/foaf/0.1/name", "http://schema.org/name",
                                        "http://rdf.freebase.com/ns/type.object.name"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(p, names[i]) == 0)
            return true;
    return false;
}

static cmat_status take(reading *r, const term *s, const term *p, const term *o,
                        const SerdNode *subject, const SerdNode *object, const SerdNode *lang)
{
    kg_build *b = r->b;
    const bool literal = object->type == SERD_LITERAL;
    if (literal && lang && lang->buf && strncasecmp((const char *)lang->buf, "en", 2) != 0)
        return CMAT_OK; /* as AgentBench's queries: English, or without a language */
    if (strcmp(p->s, RDFS "domain") == 0 || strcmp(p->s, RDFS "range") == 0) {
        const bool domain = p->s[strlen(RDFS)] == 'd';
        kg_build_role(b, s->s, domain ? o->s : NULL, domain ? NULL : o->s);
        return CMAT_OK;
    }
    if (strcmp(p->s, RDFS "subClassOf") == 0)
        return CMAT_OK;
    const uint32_t from = node_of(b, subject, s);
    if (strcmp(p->s, RDF "type") == 0) {
        kg_build_instance(b, from, o->s, o->len);
        return CMAT_OK;
    }
    if (literal && is_label(p->s)) {
        kg_build_label(b, from, o->s, o->len);
        return CMAT_OK;
    }
    const uint32_t to = node_of(b, object, o);
    if (literal)
        kg_build_literal(b, to);
    return kg_build_triple(b, from, kg_build_relation(b, p->s, p->len), to, &r->err);
}

static SerdStatus on_statement(void *handle, SerdStatementFlags flags, const SerdNode *graph,
                               const SerdNode *subject, const SerdNode *predicate,
                               const SerdNode *object, const SerdNode *datatype,
                               const SerdNode *lang)
{
    reading *r = handle;
    (void)flags;
    (void)graph;
    (void)datatype;
    term s = term_of(r, subject), p = term_of(r, predicate), o = {0};
    if (object->type == SERD_LITERAL)
        o = (term){.s = (const char *)object->buf, .len = object->n_bytes, .owned = SERD_NODE_NULL};
    else
        o = term_of(r, object);
    if (r->st == CMAT_OK && s.s && p.s && o.s)
        r->st = take(r, &s, &p, &o, subject, object, lang);
    serd_node_free(&s.owned);
    serd_node_free(&p.owned);
    serd_node_free(&o.owned);
    if (++r->n % 4096 == 0)
        cmat_progress_set(r->progress, ftell(r->file));
    return r->st == CMAT_OK ? SERD_SUCCESS : SERD_FAILURE;
}

static SerdStatus on_base(void *handle, const SerdNode *uri)
{
    return serd_env_set_base_uri(((reading *)handle)->env, uri);
}

static SerdStatus on_prefix(void *handle, const SerdNode *name, const SerdNode *uri)
{
    return serd_env_set_prefix(((reading *)handle)->env, name, uri);
}

/* Keeps the first message, as one line. */
static SerdStatus on_error(void *handle, const SerdError *e)
{
    reading *r = handle;
    char text[160];
    if (r->st != CMAT_OK)
        return SERD_SUCCESS;
    va_list ap;
    va_copy(ap, *e->args);
    vsnprintf(text, sizeof text, e->fmt, ap);
    va_end(ap);
    text[strcspn(text, "\r\n")] = '\0';
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            *c = '?';
    r->st = cmat_fail(&r->err, CMAT_ERR_FORMAT, "%s: line %u, column %u: %s", r->path, e->line,
                      e->col, text);
    return SERD_SUCCESS;
}

static SerdSyntax syntax_of(const char *path)
{
    static const struct {
        const char *end;
        SerdSyntax syntax;
    } all[] = {{".nt", SERD_NTRIPLES}, {".nq", SERD_NQUADS}, {".trig", SERD_TRIG}};
    const size_t n = strlen(path);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const size_t m = strlen(all[i].end);
        if (n >= m && strcasecmp(path + n - m, all[i].end) == 0)
            return all[i].syntax;
    }
    return SERD_TURTLE;
}

cmat_status kg_read_rdf(kg_build *b, const char *path, cmat_error *err)
{
    reading r = {.b = b, .path = path};
    struct stat info;
    r.file = fopen(path, "rb");
    if (!r.file)
        return cmat_fail(err, CMAT_ERR_IO, "kg: open %s: %s", path, strerror(errno));
    r.progress =
        cmat_progress_new("read graph", fstat(fileno(r.file), &info) == 0 ? info.st_size : 0);
    r.env = serd_env_new(NULL);
    SerdReader *reader =
        serd_reader_new(syntax_of(path), &r, NULL, on_base, on_prefix, on_statement, NULL);
    serd_reader_set_strict(reader, true);
    serd_reader_set_error_sink(reader, on_error, &r);
    const SerdStatus status = serd_reader_read_file_handle(reader, r.file, (const uint8_t *)path);
    if (r.st == CMAT_OK && status > SERD_FAILURE)
        r.st = cmat_fail(&r.err, CMAT_ERR_FORMAT, "%s: after %zu statements: %s", path, r.n,
                         (const char *)serd_strerror(status));
    serd_reader_free(reader);
    serd_env_free(r.env);
    cmat_progress_free(r.progress);
    fclose(r.file);
    if (r.st != CMAT_OK && err)
        *err = r.err;
    return r.st;
}
