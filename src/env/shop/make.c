/* env/shop/make.c - made shops and requests in them. */
#include "env/shop/make.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/shop/shop.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_PRODUCTS = 240,
    N_DOMAINS = 4, /* of a shop */
    PER_SHOP = 32, /* tasks at most */
    TRIES = 400,   /* shops to draw for a list of tasks, beyond one for each PER_SHOP */
    MAX_ATTRIBUTES = 5
};

static size_t below(cmat_rng *rng, size_t n)
{
    return (size_t)cmat_rng_below(rng, n);
}

static size_t length_of(const char *const *list)
{
    size_t n = 0;
    while (list[n])
        n++;
    return n;
}

static const char *any(cmat_rng *rng, const char *const *list)
{
    return list[below(rng, length_of(list))];
}

/* n different ones of the list, in its order: places into out. */
static void pick(cmat_rng *rng, size_t len, size_t n, size_t *out)
{
    for (size_t i = 0, left = n; i < len && left > 0; i++)
        if (below(rng, len - i) < left)
            out[n - left--] = i;
}

/* ---- products ---- */

static void add_title_case(cmat_buf *out, const char *s)
{
    bool start = true;
    for (; *s; s++) {
        cmat_buf_putc(out, start ? (char)toupper((unsigned char)*s) : *s);
        start = *s == ' ';
    }
}

static json_t *string_of(cmat_buf *b)
{
    json_t *j = json_string(cmat_buf_str(b));
    cmat_buf_clear(b);
    return j;
}

static json_t *make_options(cmat_rng *rng, const shop_type_bank *type)
{
    json_t *options = json_object();
    for (size_t i = 0; i < 3 && type->options[i]; i++) {
        const shop_option_bank *o = type->options[i];
        size_t places[32], n = (size_t)o->least + below(rng, (size_t)(o->most - o->least) + 1);
        const size_t len = length_of(o->pool);
        json_t *values = json_array();
        n = n < len ? n : len;
        pick(rng, len, n, places);
        for (size_t k = 0; k < n; k++)
            json_array_append_new(values, json_string(o->pool[places[k]]));
        json_object_set_new(options, o->name, values);
    }
    return options;
}

static json_t *make_title(const shop_type_bank *type, const char *brand, const char *use,
                          const json_t *attributes)
{
    cmat_buf b = {0};
    cmat_buf_printf(&b, "%s ", brand);
    add_title_case(&b, json_string_value(json_array_get(attributes, 0)));
    cmat_buf_putc(&b, ' ');
    add_title_case(&b, type->name);
    cmat_buf_puts(&b, ", ");
    add_title_case(&b, json_string_value(json_array_get(attributes, 1)));
    cmat_buf_puts(&b, ", for ");
    add_title_case(&b, use);
    return string_of(&b);
}

/* A bullet point for each attribute: what the title does not say is found here. */
static json_t *make_bullets(cmat_rng *rng, const shop_type_bank *type, const char *use,
                            const json_t *attributes)
{
    json_t *bullets = json_array();
    const json_t *a;
    size_t i;
    json_array_foreach(attributes, i, a)
    {
        cmat_buf b = {0};
        char *attribute = cmat_xstrdup(json_string_value(a));
        attribute[0] = (char)toupper((unsigned char)attribute[0]);
        switch (below(rng, 3)) {
        case 0:
            cmat_buf_printf(&b, "%s: this %s is made for %s.", attribute, type->name, use);
            break;
        case 1:
            cmat_buf_printf(&b, "%s - a %s that keeps its promise: %s.", attribute, type->name,
                            use);
            break;
        default:
            cmat_buf_printf(&b, "%s. Each %s was tried by customers: %s.", attribute, type->name,
                            use);
        }
        free(attribute);
        json_array_append_new(bullets, string_of(&b));
    }
    return bullets;
}

static json_t *make_reviews(cmat_rng *rng)
{
    static const char *const titles[] = {"As described", "Good value", "Not for me", "Well made",
                                         "Fast delivery"};
    json_t *reviews = json_array();
    for (size_t n = below(rng, 3); n > 0; n--)
        json_array_append_new(reviews, json_pack("{s:s, s:i, s:s}", "title", titles[below(rng, 5)],
                                                 "score", (int)(2 + below(rng, 4)), "body",
                                                 "I have used it for some weeks now."));
    return reviews;
}

static json_t *make_product(cmat_rng *rng, const shop_domain_bank *d)
{
    static const char digits[] = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    size_t n_types = 0, places[MAX_ATTRIBUTES];
    while (d->types[n_types].name)
        n_types++;
    const shop_type_bank *type = &d->types[below(rng, n_types)];
    char asin[11] = "M", brand[40];
    for (size_t i = 1; i < 10; i++)
        asin[i] = digits[below(rng, sizeof digits - 1)];
    snprintf(brand, sizeof brand, "%s%s", any(rng, shop_brand_starts), any(rng, shop_brand_ends));
    const char *use = any(rng, d->uses);
    const size_t n = 3 + below(rng, MAX_ATTRIBUTES - 2);
    json_t *attributes = json_array();
    pick(rng, length_of(d->attributes), n, places);
    cmat_rng_shuffle(rng, places, n, sizeof *places);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(attributes, json_string(d->attributes[places[i]]));
    const double price = type->price_from +
                         (double)below(rng, (size_t)(type->price_to - type->price_from)) +
                         (below(rng, 2) ? 0.99 : 0.5);
    cmat_buf path = {0}, text = {0};
    cmat_buf_printf(&path, "%s \xe2\x80\xba ", d->path);
    add_title_case(&path, type->query);
    cmat_buf_printf(&text, "The %s %s for %s. %s quality, sent within two days.", brand, type->name,
                    use, below(rng, 2) ? "Lasting" : "Honest");
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:[f], s:s, s:s, s:o, s:o}", "asin", asin,
                     "Title", make_title(type, brand, use, attributes), "Description",
                     string_of(&text), "BulletPoints", make_bullets(rng, type, use, attributes),
                     "Attributes", attributes, "options", make_options(rng, type), "pricing", price,
                     "category", d->category, "query", type->query, "product_category",
                     string_of(&path), "Reviews", make_reviews(rng));
}

cmat_status shop_make_world(shop_world **out, uint64_t seed, cmat_error *err)
{
    cmat_rng rng;
    size_t domains[N_DOMAINS];
    char name[40];
    json_t *products = json_array();
    cmat_rng_init(&rng, seed);
    snprintf(name, sizeof name, "made shop %llu", (unsigned long long)seed);
    pick(&rng, shop_n_domains, N_DOMAINS, domains);
    for (size_t i = 0; i < N_PRODUCTS; i++)
        json_array_append_new(products, make_product(&rng, &shop_domains[domains[i % N_DOMAINS]]));
    const cmat_status st = shop_world_new(out, name, products, err);
    json_decref(products);
    return st;
}

/* ---- requests ---- */

/* Attributes asked for: some of the product's own. A set of them on a kind of product belongs to
 * one split, whatever shop it is in. */
static json_t *choose_attributes(cmat_rng *rng, const shop_product *p, int split)
{
    size_t places[SHOP_LIST_MAX];
    const size_t most = p->attributes.n < 3 ? p->attributes.n : 3, n = 1 + below(rng, most);
    json_t *chosen = json_array();
    cmat_buf key = {0};
    pick(rng, p->attributes.n, n, places);
    cmat_buf_puts(&key, p->query);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(chosen, json_string(p->attributes.items[places[i]]));
    for (size_t i = 0; i < p->attributes.n; i++) /* sorted, so that their order does not matter */
        for (size_t k = 0; k < n; k++) {
            size_t before = 0;
            for (size_t m = 0; m < n; m++)
                before +=
                    strcmp(p->attributes.items[places[m]], p->attributes.items[places[k]]) < 0;
            if (before == i)
                cmat_buf_printf(&key, "|%s", p->attributes.items[places[k]]);
        }
    if (shop_split_of(cmat_buf_str(&key)) != split) {
        json_decref(chosen);
        chosen = NULL;
    }
    cmat_buf_clear(&key);
    return chosen;
}

static void add_list(cmat_buf *out, const json_t *words)
{
    const size_t n = json_array_size(words);
    for (size_t i = 0; i < n; i++)
        cmat_buf_printf(out, "%s%s",
                        i == 0       ? ""
                        : i + 1 == n ? " and "
                                     : ", ",
                        json_string_value(json_array_get(words, i)));
}

static void write_request(cmat_rng *rng, const shop_product *p, const json_t *attributes,
                          const json_t *options, double limit, cmat_buf *out)
{
    static const char *const starts[] = {"i need ", "i am looking for ", "find me ",
                                         "i want to buy ", "show me "};
    const char *name;
    const json_t *value;
    size_t i = 0;
    cmat_buf_puts(out, starts[below(rng, 5)]);
    if (below(rng, 2)) {
        add_list(out, attributes);
        cmat_buf_printf(out, " %s", p->query);
    } else {
        cmat_buf_printf(out, "%s that are ", p->query);
        add_list(out, attributes);
    }
    const int way = (int)below(rng, 3);
    json_object_foreach((json_t *)options, name, value)
    {
        const char *v = json_string_value(value);
        if (way == 0)
            cmat_buf_printf(out, "%s%s: %s", i ? ", and " : " with ", name, v);
        else if (way == 1)
            cmat_buf_printf(out, ", %s %s", name, v);
        else
            cmat_buf_printf(out, "%s%s", i ? ", " : " in ", v);
        i++;
    }
    if (limit < 1e6)
        cmat_buf_printf(out, ", and price lower than %.2f dollars", limit);
}

static json_t *choose_options(cmat_rng *rng, const shop_product *p)
{
    json_t *options = json_object();
    for (size_t o = 0; o < p->n_options; o++) {
        const shop_list *v = &p->options[o].values;
        if (below(rng, 5) > 0) /* now and then one does not mind */
            json_object_set_new(options, p->options[o].name,
                                json_string(v->items[below(rng, v->n)]));
    }
    return options;
}

/* One request for the product, when its wishes belong to the split and can be met. */
static cmat_status ask_for(cmat_rng *rng, const shop_world *w, const shop_product *p, int split,
                           const json_t *where, cmat_task_list *out, cmat_error *err)
{
    json_t *attributes = choose_attributes(rng, p, split), *options = choose_options(rng, p);
    const double above = 10 * (double)(1 + (int)(p->price / 10) + (int)below(rng, 4));
    const double limit = below(rng, 6) == 0 ? 1e6 : above;
    cmat_buf text = {0};
    cmat_status st = CMAT_OK;
    if (attributes) {
        write_request(rng, p, attributes, options, limit, &text);
        json_t *goal =
            json_pack("{s:s, s:s, s:s, s:s, s:O, s:O, s:f}", "asin", p->asin, "name", p->title,
                      "query", p->query, "product_category", p->product_category, "attributes",
                      attributes, "options", options, "price_upper", limit);
        st = shop_add_task(w, goal, cmat_buf_str(&text), where, out, err);
        json_decref(goal);
    }
    cmat_buf_clear(&text);
    json_decref(attributes);
    json_decref(options);
    return st;
}

typedef struct {
    int split;
    size_t n; /* wanted */
    json_t *known;
    cmat_task_list *out;
} asking;

/* Drops the last task when one of the same id is there. */
static void drop_known(asking *a, size_t before)
{
    if (a->out->n == before)
        return;
    cmat_task *t = &a->out->items[a->out->n - 1];
    if (json_object_get(a->known, t->id)) {
        cmat_task_clear(t);
        a->out->n--;
    } else {
        json_object_set_new(a->known, t->id, json_true());
    }
}

/* Up to `most` requests in one shop. own_split: a product belongs to one split (shops of files). */
static cmat_status ask_in(asking *a, cmat_rng *rng, const shop_world *w, const json_t *where,
                          size_t most, bool own_split, cmat_error *err)
{
    const size_t begin = a->out->n;
    cmat_status st = CMAT_OK;
    for (size_t i = 0; st == CMAT_OK && i < 12 * most; i++) {
        const size_t before = a->out->n;
        if (before - begin == most || before == a->n)
            break;
        const shop_product *p = &w->products[below(rng, w->n)];
        if (p->attributes.n == 0 || !*p->query || (own_split && shop_split_of(p->asin) != a->split))
            continue;
        st = ask_for(rng, w, p, a->split, where, a->out, err);
        drop_known(a, before);
    }
    return st;
}

static cmat_status ask_in_made(asking *a, cmat_rng *rng, cmat_error *err)
{
    const uint64_t seed = 3 * (cmat_rng_u64(rng) >> 20) + (uint64_t)a->split;
    json_t *where = json_pack("{s:{s:I}}", "shop", "seed", (json_int_t)seed);
    shop_world *w = NULL;
    cmat_status st = shop_make_world(&w, seed, err);
    if (st == CMAT_OK)
        st = ask_in(a, rng, w, where, PER_SHOP, false, err);
    shop_world_unref(w);
    json_decref(where);
    return st;
}

cmat_status shop_generate(shop_world *own, int split, size_t n, uint64_t seed, cmat_task_list *out,
                          cmat_error *err)
{
    asking a = {split, out->n + n, json_object(), out};
    cmat_rng rng;
    cmat_status st = CMAT_OK;
    cmat_rng_init_sub(&rng, seed, (uint64_t)split);
    if (own) {
        json_t *where = json_pack("{s:s}", "path", own->name);
        st = ask_in(&a, &rng, own, where, n, true, err);
        json_decref(where);
    }
    for (size_t i = 0; !own && st == CMAT_OK && out->n < a.n && i < n / 8 + TRIES; i++)
        st = ask_in_made(&a, &rng, err);
    json_decref(a.known);
    if (st == CMAT_OK && out->n < a.n)
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED, "shop: only %zu of %zu tasks could be made",
                       out->n + n - a.n, n);
    return st;
}
