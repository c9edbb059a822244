/* env/kg/open.c - what a world's path names, and stores kept in the user's data folder. */
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "env/kg/build.h"
#include "env/kg/store.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

kg_graph *kg_graph_ref(kg_graph *g)
{
    g->refs++;
    return g;
}

void kg_graph_unref(kg_graph *g)
{
    if (!g || --g->refs > 0)
        return;
    g->ops->close(g);
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcasecmp(s + n - m, end) == 0;
}

typedef cmat_status (*reader)(kg_build *b, const char *path, cmat_error *err);

/* Which reader takes the file; NULL with err: none. */
static reader reader_of(const char *path, cmat_error *err)
{
    static const char *const rdf[] = {".nt", ".ttl", ".nq", ".trig", ".n3"};
    static const char *const packed[] = {".xz", ".gz", ".bz2", ".zst", ".zip"};
    for (size_t i = 0; i < sizeof rdf / sizeof *rdf; i++)
        if (ends_with(path, rdf[i]))
            return kg_read_rdf;
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
        if (ends_with(path, packed[i])) {
            cmat_fail(err, CMAT_ERR_UNSUPPORTED, "kg: %s: is packed; unpack it first", path);
            return NULL;
        }
    if (ends_with(path, ".rdf") || ends_with(path, ".owl") || ends_with(path, ".xml")) {
        cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                  "kg: %s: RDF/XML is not read; turn it into N-Triples (rapper -o ntriples)", path);
        return NULL;
    }
    if (ends_with(path, ".json"))
        return kg_read_closed;
    if (!cmat_path_is_dir(path))
        return kg_read_tsv;
    char *ids = cmat_path_join(path, "entity2id.txt");
    const bool openke = cmat_path_exists(ids);
    free(ids);
    if (openke)
        return kg_read_openke;
    cmat_fail(err, CMAT_ERR_NOT_FOUND, "kg: %s: a folder without entity2id.txt", path);
    return NULL;
}

/* A name for the store that changes with the file: its place, size and time, and those of what is
 * read with it. */
static char *cache_path(const char *path)
{
    char real[PATH_MAX], hex[65];
    cmat_buf id = {0};
    char *roles = cmat_xasprintf("%s.roles", path);
    char *beside = cmat_xstrndup(path, (size_t)(cmat_path_base(path) - path));
    char *onto = cmat_xasprintf("%sontology/fb_roles", beside);
    char *vocab = cmat_xasprintf("%sontology/vocab.json", beside);
    const char *files[] = {path, roles, onto, vocab};
    const int n = ends_with(path, ".json") ? 4 : 2;
    struct stat info;
    cmat_buf_printf(&id, "%d %s", KG_STORE_VERSION, realpath(path, real) ? real : path);
    for (int i = 0; i < n; i++)
        if (stat(files[i], &info) == 0)
            cmat_buf_printf(&id, " %lld %lld.%ld", (long long)info.st_size,
                            (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    cmat_sha256_hex(id.data, id.len, hex);
    char *home = cmat_data_home(), *folder = cmat_path_join(home, "kg");
    char *base = cmat_xasprintf("%.60s-%.16s.kg", cmat_path_base(path), hex);
    char *out = cmat_path_join(folder, base);
    cmat_buf_clear(&id);
    free(roles);
    free(beside);
    free(onto);
    free(vocab);
    free(home);
    free(folder);
    free(base);
    return out;
}

static cmat_status import(const char *path, reader read, const char *to, cmat_error *err)
{
    char *roles = cmat_xasprintf("%s.roles", path);
    char *folder = cmat_xstrndup(to, (size_t)(cmat_path_base(to) - to));
    kg_build *b = kg_build_new(cmat_path_base(path));
    cmat_status st = cmat_mkdir_p(folder, err);
    if (st == CMAT_OK && cmat_path_exists(roles))
        st = kg_read_roles(b, roles, err);
    if (st == CMAT_OK)
        st = read(b, path, err);
    if (st == CMAT_OK && kg_build_n_triples(b) == 0)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "kg: %s: holds no triples", path);
    if (st == CMAT_OK)
        st = kg_build_save(b, to, err);
    if (st == CMAT_OK) {
        cmat_info("kg: %s imported: %zu triples; kept in %s", path, kg_build_n_triples(b), to);
        if (kg_build_n_skipped(b))
            cmat_warn("kg: %s: %zu lines or names were left out", path, kg_build_n_skipped(b));
    }
    kg_build_free(b);
    free(roles);
    free(folder);
    return st;
}

/* A .json file is an endpoint's description or AgentBench's list of tasks. */
static bool is_description(const char *path)
{
    char head[64] = "";
    FILE *f = ends_with(path, ".json") ? fopen(path, "rb") : NULL;
    const size_t n = f ? fread(head, 1, sizeof head - 1, f) : 0;
    if (f)
        fclose(f);
    head[n] = '\0';
    return head[strspn(head, " \t\r\n")] == '{';
}

bool kg_is_address(const char *path)
{
    return strncasecmp(path, "http://", 7) == 0 || strncasecmp(path, "https://", 8) == 0;
}

bool kg_is_graph(const char *path)
{
    static const char *const ends[] = {".nt",  ".ttl",  ".nq",  ".trig", ".n3",  ".rdf", ".owl",
                                       ".xml", ".json", ".tsv", ".csv",  ".txt", ".kg"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(path, ends[i]))
            return true;
    return kg_is_address(path) || cmat_path_is_dir(path) || kg_store_is(path);
}

cmat_status kg_graph_open(kg_graph **out, const char *path, double timeout, cmat_error *err)
{
    *out = NULL;
    if (kg_is_address(path))
        return kg_sparql_open(out, path, timeout, err);
    if (!cmat_path_exists(path))
        return cmat_fail(err, CMAT_ERR_NOT_FOUND, "kg: %s: no such file", path);
    if (is_description(path))
        return kg_sparql_open(out, path, timeout, err);
    if (kg_store_is(path))
        return kg_store_open(out, path, err);
    const reader read = reader_of(path, err);
    if (!read)
        return err ? err->status : CMAT_ERR_UNSUPPORTED;
    char *to = cache_path(path);
    cmat_status st = cmat_path_exists(to) ? CMAT_OK : import(path, read, to, err);
    if (st == CMAT_OK)
        st = kg_store_open(out, to, err);
    free(to);
    return st;
}
