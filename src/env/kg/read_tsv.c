/* env/kg/read_tsv.c - graphs in lines of fields: triples between tabs or bars, OpenKE's folders,
 * roles. */
#include "core/buf.h"
#include "core/fs.h"
#include "core/mem.h"
#include "core/progress.h"
#include "env/kg/build.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *at, *end; /* of what is left of the file */
    const char *path;
    size_t number; /* of the last line given, from 1 */
    cmat_map map;
} lines;
typedef struct {
    const char *s;
    size_t len;
} field;

static cmat_status lines_open(lines *l, const char *path, cmat_error *err)
{
    *l = (lines){.path = path};
    const cmat_status st = cmat_map_open(&l->map, path, err);
    l->at = (const char *)l->map.data;
    l->end = l->at ? l->at + l->map.len : NULL;
    return st;
}

static bool lines_next(lines *l, field *line)
{
    if (l->at == l->end)
        return false;
    const char *nl = memchr(l->at, '\n', (size_t)(l->end - l->at));
    line->s = l->at;
    line->len = (size_t)((nl ? nl : l->end) - l->at);
    if (line->len && line->s[line->len - 1] == '\r')
        line->len--;
    l->at = nl ? nl + 1 : l->end;
    l->number++;
    return true;
}

/* Cuts a line at each separator (' ': any white space): how many fields it has, `max` of them kept.
 */
static size_t split(field line, char separator, field *out, size_t max)
{
    const char *p = line.s, *end = line.s + line.len;
    size_t n = 0;
    while (p <= end) {
        const char *q = p;
        while (q < end && *q != separator && !(separator == ' ' && *q == '\t'))
            q++;
        if (separator != ' ' || q > p) {
            if (n < max)
                out[n] = (field){p, (size_t)(q - p)};
            n++;
        }
        p = q + 1;
    }
    return n;
}

static cmat_status bad_line(const lines *l, const char *why, cmat_error *err)
{
    return cmat_fail(err, CMAT_ERR_FORMAT, "%s: line %zu: %s", l->path, l->number, why);
}

cmat_status kg_read_tsv(kg_build *b, const char *path, cmat_error *err)
{
    lines l;
    field line, f[3];
    char separator = 0;
    size_t bad = 0, first_bad = 0;
    cmat_status st = lines_open(&l, path, err);
    cmat_progress *p = cmat_progress_new("read graph", (int64_t)l.map.len);
    while (st == CMAT_OK && lines_next(&l, &line)) {
        if (line.len == 0)
            continue;
        if (!separator)
            separator = memchr(line.s, '\t', line.len) ? '\t' : '|';
        if (split(line, separator, f, 3) != 3) {
            first_bad = bad++ ? first_bad : l.number;
            kg_build_skip(b);
            continue;
        }
        const uint32_t s = kg_build_node(b, f[0].s, f[0].len);
        st = kg_build_triple(b, s, kg_build_relation(b, f[1].s, f[1].len),
                             kg_build_node(b, f[2].s, f[2].len), err);
        if (l.number % 4096 == 0)
            cmat_progress_set(p, (int64_t)(l.at - (const char *)l.map.data));
    }
    cmat_progress_free(p);
    if (st == CMAT_OK && bad > kg_build_n_triples(b)) {
        l.number = first_bad;
        st = bad_line(&l, "not three fields between tabs or bars", err);
    }
    cmat_map_close(&l.map);
    return st;
}

/* ---- OpenKE ---- */

/* "/m/027rn" is m.027rn, "/film/film/genre" film.film.genre, as Freebase's dumps have them. */
static void dotted(cmat_buf *out, field name)
{
    for (size_t i = 0; i < name.len; i++)
        if (i > 0 || name.s[0] != '/')
            cmat_buf_putc(out, name.s[0] == '/' && name.s[i] == '/' ? '.' : name.s[i]);
}

static uint32_t dotted_node(kg_build *b, field name)
{
    cmat_buf clean = {0};
    dotted(&clean, name);
    const uint32_t id = kg_build_node(b, cmat_buf_str(&clean), clean.len);
    cmat_buf_clear(&clean);
    return id;
}

static uint32_t dotted_relation(kg_build *b, field name)
{
    cmat_buf clean = {0};
    dotted(&clean, name);
    const uint32_t id = kg_build_relation(b, cmat_buf_str(&clean), clean.len);
    cmat_buf_clear(&clean);
    return id;
}

/* A number of the file's, or SIZE_MAX. */
static size_t number(field f)
{
    size_t v = 0;
    if (f.len == 0 || f.len > 10)
        return SIZE_MAX;
    for (size_t i = 0; i < f.len; i++) {
        if (f.s[i] < '0' || f.s[i] > '9')
            return SIZE_MAX;
        v = 10 * v + (size_t)(f.s[i] - '0');
    }
    return v;
}

/* Lines "name id" after a line with their number: the build's number of each id. */
static cmat_status read_ids(kg_build *b, const char *folder, const char *name, bool relations,
                            uint32_t **out, size_t *n, cmat_error *err)
{
    char *path = cmat_path_join(folder, name);
    lines l;
    field line, f[2];
    size_t cap = 0;
    *n = 0;
    cmat_status st = lines_open(&l, path, err);
    if (st == CMAT_OK)
        lines_next(&l, &line); /* the number of entries */
    while (st == CMAT_OK && lines_next(&l, &line)) {
        if (line.len == 0)
            continue;
        const size_t n_fields = split(line, ' ', f, 2);
        const size_t id = n_fields == 2 ? number(f[1]) : SIZE_MAX;
        if (id > 50000000) {
            st = bad_line(&l, "not a name and a number", err);
            break;
        }
        const size_t before = *n;
        *out = cmat_xgrow(*out, &cap, id + 1, sizeof **out);
        *n = id + 1 > before ? id + 1 : before;
        for (size_t i = before; i < *n; i++)
            (*out)[i] = KG_NONE;
        (*out)[id] = relations ? dotted_relation(b, f[0]) : dotted_node(b, f[0]);
    }
    cmat_map_close(&l.map);
    free(path);
    return st;
}

typedef struct {
    uint32_t *nodes, *relations;
    size_t n_nodes, n_relations;
} openke;

static cmat_status read_triples(kg_build *b, const openke *k, const char *folder, const char *name,
                                cmat_error *err)
{
    char *path = cmat_path_join(folder, name);
    lines l;
    field line, f[3];
    cmat_status st = cmat_path_exists(path) ? lines_open(&l, path, err) : CMAT_ERR_NOT_FOUND;
    if (st == CMAT_ERR_NOT_FOUND) {
        free(path);
        return CMAT_OK; /* not every data set has all three parts */
    }
    if (st == CMAT_OK)
        lines_next(&l, &line);
    while (st == CMAT_OK && lines_next(&l, &line)) {
        if (line.len == 0)
            continue;
        const size_t n_fields = split(line, ' ', f, 3);
        const size_t s = n_fields == 3 ? number(f[0]) : SIZE_MAX;
        const size_t o = n_fields == 3 ? number(f[1]) : SIZE_MAX;
        const size_t r = n_fields == 3 ? number(f[2]) : SIZE_MAX;
        if (s >= k->n_nodes || o >= k->n_nodes || r >= k->n_relations)
            st = bad_line(&l, "not three numbers of two entities and a relation", err);
        else
            st = kg_build_triple(b, k->nodes[s], k->relations[r], k->nodes[o], err);
    }
    cmat_map_close(&l.map);
    free(path);
    return st;
}

static cmat_status read_labels(kg_build *b, const char *folder, cmat_error *err)
{
    char *path = cmat_path_join(folder, "entity2text.txt");
    lines l;
    field line, f[2];
    cmat_status st = CMAT_OK;
    if (cmat_path_exists(path) && (st = lines_open(&l, path, err)) == CMAT_OK) {
        while (lines_next(&l, &line))
            if (split(line, '\t', f, 2) >= 2)
                kg_build_label(b, dotted_node(b, f[0]), f[1].s, f[1].len);
        cmat_map_close(&l.map);
    }
    free(path);
    return st;
}

cmat_status kg_read_openke(kg_build *b, const char *folder, cmat_error *err)
{
    static const char *const parts[] = {"train2id.txt", "valid2id.txt", "test2id.txt"};
    openke k = {0};
    cmat_status st = read_ids(b, folder, "entity2id.txt", false, &k.nodes, &k.n_nodes, err);
    if (st == CMAT_OK)
        st = read_ids(b, folder, "relation2id.txt", true, &k.relations, &k.n_relations, err);
    for (size_t i = 0; st == CMAT_OK && i < sizeof parts / sizeof *parts; i++)
        st = read_triples(b, &k, folder, parts[i], err);
    if (st == CMAT_OK)
        st = read_labels(b, folder, err);
    free(k.nodes);
    free(k.relations);
    return st;
}

/* ---- roles ---- */

cmat_status kg_read_roles(kg_build *b, const char *path, cmat_error *err)
{
    lines l;
    field line, f[3];
    cmat_status st = lines_open(&l, path, err);
    while (st == CMAT_OK && lines_next(&l, &line)) {
        char *word[3] = {0};
        if (line.len == 0 || line.s[0] == '#')
            continue;
        if (split(line, ' ', f, 3) < 3 || line.len > 4096) {
            st = bad_line(&l, "not \"domain relation range\"", err);
            break;
        }
        for (int i = 0; i < 3; i++)
            word[i] = cmat_xstrndup(f[i].s, f[i].len);
        kg_build_role(b, word[1], word[0], word[2]);
        for (int i = 0; i < 3; i++)
            free(word[i]);
    }
    cmat_map_close(&l.map);
    return st;
}
