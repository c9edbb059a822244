/* env/shop/product.c - products out of JSON, and the world they make. */
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/shop/analysis.h"
#include "env/shop/world.h"
#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    shop_world base;
    atomic_int refs;
    cmat_arena arena; /* of everything below */
    shop_product *products;
    size_t cap;
    uint32_t *by_asin; /* (base.n) sorted by ASIN */
    shop_index *index;
} world;

/* ---- strings ---- */

/* At most max bytes of the string, whole characters. */
static const char *keep(world *w, const char *s, size_t len, size_t max)
{
    if (len > max)
        len = cmat_utf8_valid_prefix(s, max);
    return cmat_arena_strndup(&w->arena, s, len);
}

static const char *text_of(world *w, const json_t *j, size_t max)
{
    char number[40];
    if (json_is_string(j))
        return keep(w, json_string_value(j), json_string_length(j), max);
    if (!json_is_number(j))
        return "";
    snprintf(number, sizeof number, "%.15g", json_number_value(j));
    return cmat_arena_strdup(&w->arena, number);
}

/* The first of two members that is there. */
static const json_t *either(const json_t *p, const char *key, const char *other)
{
    const json_t *j = json_object_get(p, key);
    return j ? j : json_object_get(p, other);
}

static const char *lower_of(world *w, const char *s)
{
    cmat_buf b = {0};
    cmat_text_lower(&b, s, strlen(s));
    const char *kept = cmat_arena_strndup(&w->arena, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return kept;
}

/* A list of strings, or one string as a list of it. */
static shop_list list_of(world *w, const json_t *j, size_t max)
{
    const size_t n = json_is_string(j) ? 1 : json_array_size(j);
    shop_list l = {.n = n < SHOP_LIST_MAX ? n : SHOP_LIST_MAX};
    l.items = cmat_arena_alloc(&w->arena, (l.n + 1) * sizeof *l.items);
    for (size_t i = 0; i < l.n; i++)
        l.items[i] = text_of(w, json_is_string(j) ? j : json_array_get(j, i), max);
    return l;
}

static const char *joined(world *w, const shop_list *l)
{
    cmat_buf b = {0};
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0)
            cmat_buf_putc(&b, ' ');
        cmat_buf_puts(&b, l->items[i]);
    }
    const char *kept = cmat_arena_strndup(&w->arena, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return kept;
}

/* ---- options ---- */

/* A crawled value has white space around it and slashes in it; all are in lower case. */
static const char *value_of(world *w, const json_t *j)
{
    const json_t *inner = json_is_object(j) ? json_object_get(j, "value") : NULL;
    const char *s = text_of(w, inner ? inner : j, SHOP_VALUE_MAX);
    if (!inner)
        return lower_of(w, s);
    cmat_buf b = {0};
    s += strspn(s, " \t\r\n");
    for (; *s; s++)
        if (*s == '/')
            cmat_buf_puts(&b, " | ");
        else
            cmat_buf_putc(&b, *s);
    while (b.len > 0 && strchr(" \t\r\n", b.data[b.len - 1]))
        cmat_buf_truncate(&b, b.len - 1);
    const char *kept = lower_of(w, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return kept;
}

static void read_options(world *w, shop_product *p, const json_t *options)
{
    const char *name;
    const json_t *values;
    p->options = cmat_arena_alloc(&w->arena, SHOP_OPTIONS_MAX * sizeof *p->options);
    json_object_foreach((json_t *)options, name, values)
    {
        const size_t n = json_array_size(values);
        if (p->n_options == SHOP_OPTIONS_MAX || n == 0)
            continue;
        shop_option *o = &p->options[p->n_options++];
        o->name = lower_of(w, keep(w, name, strlen(name), SHOP_VALUE_MAX));
        o->values.items = cmat_arena_alloc(&w->arena, n * sizeof *o->values.items);
        for (size_t i = 0; i < n && i < SHOP_VALUES_MAX; i++) {
            const char *v = value_of(w, json_array_get(values, i));
            if (*v)
                o->values.items[o->values.n++] = v;
        }
        p->n_options -= o->values.n == 0;
    }
}

/* ---- price ---- */

void shop_python_float(cmat_buf *out, double x)
{
    char s[40];
    for (int digits = 1; digits <= 17; digits++) { /* the shortest that reads back the same */
        snprintf(s, sizeof s, "%.*g", digits, x);
        if (strtod(s, NULL) == x)
            break;
    }
    if (strchr(s, 'e') && x >= 1 && x < 1e16)
        snprintf(s, sizeof s, "%.0f", x);
    cmat_buf_puts(out, s);
    if (!strpbrk(s, ".en"))
        cmat_buf_puts(out, ".0");
}

/* "$12.99$15" to 12.99, 15; how many of them there are, at most two. */
static size_t prices_of(const char *s, double out[2])
{
    size_t n = 0;
    while (n < 2 && (s = strchr(s, '$')) != NULL) {
        char digits[32];
        size_t k = 0;
        for (s++; *s && *s != '$'; s++)
            if ((isdigit((unsigned char)*s) || *s == '.') && k + 1 < sizeof digits)
                digits[k++] = *s;
        digits[k] = 0;
        out[n++] = strtod(digits, NULL);
    }
    return n;
}

static void read_price(world *w, shop_product *p, const json_t *pricing)
{
    double prices[2] = {100, 0};
    size_t n = 0;
    cmat_buf tag = {0};
    if (json_is_string(pricing))
        n = prices_of(json_string_value(pricing), prices);
    for (size_t i = 0; i < 2 && i < json_array_size(pricing); i++)
        prices[n++] = json_number_value(json_array_get(pricing, i));
    if (json_is_number(pricing))
        prices[n++] = json_number_value(pricing);
    p->price = n == 2 ? (prices[0] + prices[1]) / 2 : prices[0];
    cmat_buf_putc(&tag, '$');
    shop_python_float(&tag, prices[0]);
    if (n == 2) {
        cmat_buf_puts(&tag, " to $");
        shop_python_float(&tag, prices[1]);
    }
    p->price_tag = cmat_arena_strndup(&w->arena, cmat_buf_str(&tag), tag.len);
    cmat_buf_clear(&tag);
}

/* ---- products ---- */

static void read_reviews(world *w, shop_product *p, const json_t *reviews)
{
    const size_t n = json_array_size(reviews);
    p->reviews = cmat_arena_alloc(&w->arena, (n + 1) * sizeof *p->reviews);
    for (size_t i = 0; i < n && i < SHOP_LIST_MAX; i++) {
        const json_t *r = json_array_get(reviews, i);
        p->reviews[p->n_reviews++] =
            (shop_review){text_of(w, json_object_get(r, "title"), SHOP_TITLE_MAX),
                          text_of(w, either(r, "score", "stars"), SHOP_VALUE_MAX),
                          text_of(w, either(r, "body", "review"), SHOP_TEXT_MAX)};
    }
}

static void read_product(world *w, shop_product *p, const json_t *j)
{
    const json_t *options = either(j, "options", "customization_options");
    cmat_buf query = {0};
    p->title = text_of(w, either(j, "Title", "name"), SHOP_TITLE_MAX);
    p->description = text_of(w, either(j, "Description", "full_description"), SHOP_TEXT_MAX);
    p->category = text_of(w, json_object_get(j, "category"), SHOP_VALUE_MAX);
    p->product_category = text_of(w, json_object_get(j, "product_category"), SHOP_TITLE_MAX);
    p->rating = text_of(w, json_object_get(j, "Rating"), SHOP_VALUE_MAX);
    p->rating = *p->rating ? p->rating : "N.A.";
    cmat_buf_puts(&query, text_of(w, json_object_get(j, "query"), SHOP_VALUE_MAX));
    while (query.len > 0 && query.data[query.len - 1] == ' ')
        cmat_buf_truncate(&query, query.len - 1);
    p->query = cmat_buf_str(&query);
    p->query = lower_of(w, p->query + strspn(p->query, " "));
    cmat_buf_clear(&query);
    p->bullets = list_of(w, either(j, "BulletPoints", "small_description"), SHOP_TEXT_MAX);
    p->attributes = list_of(w, either(j, "Attributes", "attributes"), SHOP_VALUE_MAX);
    read_options(w, p, options);
    read_price(w, p, json_object_get(j, "pricing"));
    read_reviews(w, p, json_object_get(j, "Reviews"));
    p->asin_lower = lower_of(w, p->asin);
    p->title_lower = lower_of(w, p->title);
    p->description_lower = lower_of(w, p->description);
    p->bullets_lower = lower_of(w, joined(w, &p->bullets));
}

/* What WebShop indexes: title, description, first bullet point, options. */
static void index_product(world *w, const shop_product *p, cmat_buf *text)
{
    cmat_buf_truncate(text, 0);
    cmat_buf_printf(text, "%s %s %s ", p->title_lower, p->description_lower,
                    p->bullets.n ? p->bullets.items[0] : "");
    for (size_t i = 0; i < p->n_options; i++) {
        const shop_option *o = &p->options[i];
        cmat_buf_printf(text, "%s%s: ", i ? ", and " : "", o->name);
        for (size_t k = 0; k < o->values.n; k++)
            cmat_buf_printf(text, "%s%s", k ? ", " : "", o->values.items[k]);
    }
    shop_index_add(w->index, p->asin, cmat_buf_str(text), text->len);
}

static int asin_order(const void *a, const void *b, void *vw)
{
    const world *w = vw;
    return strcasecmp(w->products[*(const uint32_t *)a].asin,
                      w->products[*(const uint32_t *)b].asin);
}

const json_t *shop_product_json(const json_t *entry)
{
    const json_t *p = json_object_get(entry, "product");
    return json_is_object(p) ? p : json_is_object(entry) ? entry : NULL;
}

static bool good_asin(const char *asin)
{
    const size_t n = strlen(asin);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)asin[i]))
            return false;
    return n > 0 && n <= 10 && strcmp(asin, "nan") != 0;
}

cmat_status shop_world_new(shop_world **out, const char *name, const json_t *products,
                           cmat_error *err)
{
    world *w = cmat_xcalloc(1, sizeof *w);
    json_t *known = json_object();
    const json_t *entry;
    size_t i, n = 0;
    cmat_buf text = {0};
    atomic_init(&w->refs, 1);
    w->index = shop_index_new();
    w->products =
        cmat_arena_alloc(&w->arena, (json_array_size(products) + 1) * sizeof *w->products);
    json_array_foreach(products, i, entry)
    {
        const json_t *j = shop_product_json(entry);
        const char *asin = cmat_json_str(j, "asin", "");
        if (!good_asin(asin) || json_object_get(known, asin))
            continue;
        json_object_set_new(known, asin, json_true());
        w->products[n].asin = cmat_arena_strdup(&w->arena, asin);
        read_product(w, &w->products[n], j);
        index_product(w, &w->products[n++], &text);
    }
    shop_index_finish(w->index);
    cmat_buf_clear(&text);
    json_decref(known);
    w->by_asin = cmat_arena_alloc(&w->arena, (n + 1) * sizeof *w->by_asin);
    for (uint32_t k = 0; k < n; k++)
        w->by_asin[k] = k;
    qsort_r(w->by_asin, n, sizeof *w->by_asin, asin_order, w);
    w->base = (shop_world){w->products, n, w->index, cmat_arena_strdup(&w->arena, name)};
    *out = &w->base;
    if (n > 0)
        return CMAT_OK;
    shop_world_unref(*out);
    *out = NULL;
    return cmat_fail(err, CMAT_ERR_FORMAT, "%s: no product with a valid \"asin\" is in it", name);
}

shop_world *shop_world_ref(shop_world *w)
{
    atomic_fetch_add(&((world *)w)->refs, 1);
    return w;
}

void shop_world_unref(shop_world *base)
{
    world *w = (world *)base;
    if (!w || atomic_fetch_sub(&w->refs, 1) > 1)
        return;
    shop_index_free(w->index);
    cmat_arena_clear(&w->arena);
    free(w);
}

const shop_product *shop_world_find(const shop_world *base, const char *asin)
{
    const world *w = (const world *)base;
    size_t lo = 0, hi = base->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const shop_product *p = &w->products[w->by_asin[mid]];
        const int order = strcasecmp(asin, p->asin);
        if (order == 0)
            return p;
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}
