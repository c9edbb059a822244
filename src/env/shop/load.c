/* env/shop/load.c - products files, and the worlds that are open. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/shop/files.h"
#include "env/shop/world.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- entries of a file ---- */

/* Parses text whose bytes may be anything. */
static json_t *parse(const char *s, size_t n, const char *what, cmat_error *err)
{
    if (cmat_utf8_valid_prefix(s, n) == n)
        return cmat_json_parse(s, n, what, err);
    cmat_buf b = {0};
    cmat_text_inert(&b, s, n);
    json_t *j = cmat_json_parse(cmat_buf_str(&b), b.len, what, err);
    cmat_buf_clear(&b);
    return j;
}

typedef cmat_status each_entry(void *arg, json_t *entry, size_t number, cmat_error *err);

static cmat_status read_lines(const cmat_map *m, const char *path, each_entry *each, void *arg,
                              cmat_error *err)
{
    const char *p = (const char *)m->data, *end = p + m->len;
    cmat_status st = CMAT_OK;
    for (size_t line = 1; st == CMAT_OK && p < end; line++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        const size_t n = (size_t)((stop ? stop : end) - p);
        char what[300];
        size_t blank = 0;
        while (blank < n && strchr(" \t\r", p[blank]) && p[blank])
            blank++;
        if (blank < n) {
            snprintf(what, sizeof what, "%.250s: line %zu", path, line);
            json_t *j = parse(p, n, what, err);
            st = j ? each(arg, j, line, err) : CMAT_ERR_FORMAT;
            json_decref(j);
        }
        p += n + 1;
    }
    return st;
}

static cmat_status read_array(const cmat_map *m, const char *path, each_entry *each, void *arg,
                              cmat_error *err)
{
    json_t *all = parse((const char *)m->data, m->len, path, err), *entry;
    size_t i;
    cmat_status st = all ? CMAT_OK : CMAT_ERR_FORMAT;
    json_array_foreach(all, i, entry) if (st == CMAT_OK) st = each(arg, entry, i + 1, err);
    json_decref(all);
    return st;
}

cmat_status shop_file_read(const char *path, each_entry *each, void *arg, cmat_error *err)
{
    cmat_map m;
    cmat_status st = cmat_map_open(&m, path, err);
    if (st != CMAT_OK)
        return st;
    size_t at = 0;
    while (at < m.len && strchr(" \t\r\n", m.data[at]) && m.data[at])
        at++;
    if (m.len > SHOP_FILE_MAX)
        st = cmat_fail(err, CMAT_ERR_LIMIT, "%s: is larger than 1 GiB", path);
    else if ((st = cmat_check_unpacked(path, m.data, m.len, err)) == CMAT_OK)
        st = at < m.len && m.data[at] == '[' ? read_array(&m, path, each, arg, err)
                                             : read_lines(&m, path, each, arg, err);
    cmat_map_close(&m);
    return st;
}

/* ---- a world from a file ---- */

typedef struct {
    json_t *products; /* only what the world needs of each */
    json_t *extra;    /* ASIN: {"attributes": [...]}; NULL: no such file */
} reading;

/* Lets go of what is not needed (pictures, the crawl's own fields), which is most of a file. */
static cmat_status take_product(void *arg, json_t *entry, size_t number, cmat_error *err)
{
    static const char *const wanted[] = {
        "asin",    "Title",        "name",     "Description",       "full_description",
        "options", "BulletPoints", "query",    "small_description", "customization_options",
        "pricing", "Attributes",   "category", "product_category",  "attributes",
        "Reviews", "Rating",
    };
    reading *r = arg;
    const json_t *p = shop_product_json(entry);
    json_t *kept = json_object();
    (void)number;
    (void)err;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        json_object_set(kept, wanted[i], json_object_get(p, wanted[i]));
    if (!json_object_get(kept, "Attributes") && !json_object_get(kept, "attributes")) {
        const char *asin = cmat_json_str(kept, "asin", "");
        json_object_set(kept, "Attributes",
                        json_object_get(json_object_get(r->extra, asin), "attributes"));
    }
    json_array_append_new(r->products, kept);
    return CMAT_OK;
}

cmat_status shop_world_load(shop_world **out, const char *path, cmat_error *err)
{
    reading r = {0};
    shop_files files;
    *out = NULL;
    cmat_status st = shop_files_find(&files, path, err);
    if (st != CMAT_OK)
        return st;
    if (files.goals && !(r.extra = cmat_json_load(files.goals, err)))
        st = CMAT_ERR_FORMAT;
    r.products = json_array();
    if (st == CMAT_OK)
        st = shop_file_read(files.products, take_product, &r, err);
    if (st == CMAT_OK)
        st = shop_world_new(out, files.products, r.products, err);
    json_decref(r.products);
    json_decref(r.extra);
    shop_files_clear(&files);
    return st;
}

/* ---- the pool ---- */

enum { KEPT = 8 };

struct shop_pool {
    atomic_int refs;
    pthread_mutex_t lock;
    struct {
        char *name;
        shop_world *world;
        uint64_t used; /* when, by the count of look-ups */
    } kept[KEPT];
    uint64_t now;
};

shop_pool *shop_pool_new(void)
{
    shop_pool *p = cmat_xcalloc(1, sizeof *p);
    atomic_init(&p->refs, 1);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

shop_pool *shop_pool_ref(shop_pool *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void shop_pool_unref(shop_pool *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) > 1)
        return;
    for (size_t i = 0; i < KEPT; i++) {
        free(p->kept[i].name);
        shop_world_unref(p->kept[i].world);
    }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

cmat_status shop_pool_get(shop_pool *p, const char *name,
                          cmat_status (*make)(shop_world **out, const char *name, void *arg,
                                              cmat_error *err),
                          void *arg, shop_world **out, cmat_error *err)
{
    size_t oldest = 0;
    cmat_status st = CMAT_OK;
    *out = NULL;
    pthread_mutex_lock(&p->lock);
    p->now++;
    for (size_t i = 0; i < KEPT && !*out; i++) {
        if (p->kept[i].name && strcmp(p->kept[i].name, name) == 0) {
            *out = shop_world_ref(p->kept[i].world);
            p->kept[i].used = p->now;
        }
        if (p->kept[i].used < p->kept[oldest].used)
            oldest = i;
    }
    if (!*out && (st = make(out, name, arg, err)) == CMAT_OK) {
        free(p->kept[oldest].name);
        shop_world_unref(p->kept[oldest].world);
        p->kept[oldest].name = cmat_xstrdup(name);
        p->kept[oldest].world = shop_world_ref(*out);
        p->kept[oldest].used = p->now;
    }
    pthread_mutex_unlock(&p->lock);
    return st;
}
