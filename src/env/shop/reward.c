/* env/shop/reward.c - see reward.h. */
#include "env/shop/reward.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/shop/fuzzy.h"
#include "env/shop/nouns.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- goals ---- */

static cmat_status read_wishes(shop_goal *g, const json_t *options, const char *what,
                               cmat_error *err)
{
    const char *name;
    const json_t *value;
    size_t i;
    const bool named = json_is_object(options);
    g->options = cmat_xcalloc(1 + (named ? json_object_size(options) : json_array_size(options)),
                              sizeof *g->options);
    if (named) {
        json_object_foreach((json_t *)options, name, value) g->options[g->n_options++] =
            (shop_wish){name, json_string_value(value)};
    } else {
        json_array_foreach(options, i, value) g->options[g->n_options++] =
            (shop_wish){NULL, json_string_value(value)};
    }
    for (i = 0; i < g->n_options; i++)
        if (!g->options[i].value)
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: goal: an option is not a string", what);
    return CMAT_OK;
}

cmat_status shop_goal_init(shop_goal *g, const json_t *j, const char *what, cmat_error *err)
{
    const json_t *attributes = json_object_get(j, "attributes"), *a;
    size_t i;
    *g = (shop_goal){.price_upper = cmat_json_num(j, "price_upper", 1e6)};
    const struct {
        const char *key, **to;
    } members[] = {{"asin", &g->asin},
                   {"name", &g->name},
                   {"query", &g->query},
                   {"product_category", &g->product_category}};
    for (i = 0; i < sizeof members / sizeof *members; i++) {
        const cmat_status st = cmat_json_need_str(j, members[i].key, what, members[i].to, err);
        if (st != CMAT_OK)
            return st;
    }
    g->attributes.items =
        cmat_xcalloc(json_array_size(attributes) + 1, sizeof *g->attributes.items);
    json_array_foreach(attributes, i, a) if (json_is_string(a))
        g->attributes.items[g->attributes.n++] = json_string_value(a);
    const cmat_status st = read_wishes(g, json_object_get(j, "options"), what, err);
    if (st != CMAT_OK)
        shop_goal_clear(g);
    return st;
}

void shop_goal_clear(shop_goal *g)
{
    free(g->attributes.items);
    free(g->options);
    *g = (shop_goal){0};
}

/* ---- attributes, options ---- */

bool shop_attribute_met(const shop_product *p, const char *attribute)
{
    for (size_t i = 0; i < p->attributes.n; i++)
        if (shop_alike(p->attributes.items[i], attribute))
            return true;
    return strstr(p->title_lower, attribute) || strstr(p->bullets_lower, attribute) ||
           strstr(p->description_lower, attribute);
}

/* Python's repr writes what cannot be printed as letters and digits, which the matching of a pair
 * then sees: a no-break space is "xa0". */
static void add_as_repr(cmat_buf *out, const char *s)
{
    const size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        uint32_t c = 0;
        const int len = cmat_utf8_decode(s + i, n - i, &c);
        const size_t step = len > 0 ? (size_t)len : 1;
        const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
        const bool prints = c == ' ' || !(k >= UTF8PROC_CATEGORY_ZS || k == UTF8PROC_CATEGORY_CN);
        if (prints)
            cmat_buf_add(out, s + i, step);
        else if (c == '\n' || c == '\t' || c == '\r')
            cmat_buf_putc(out, c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        else
            cmat_buf_printf(out, c < 0x100 ? " x%02x" : c < 0x10000 ? " u%04x" : " U%08x", c);
        i += step;
    }
}

/* Goals made by WebShop have their options as pairs, and its colours are then looked for among the
 * pair's two strings instead of in the value: the pair stands for itself otherwise. */
static void wish_text(cmat_buf *out, const shop_wish *w)
{
    const char *colour =
        w->name ? shop_colour_of_pair(w->name, w->value) : shop_colour_in(w->value);
    if (colour) {
        cmat_buf_puts(out, colour);
    } else if (w->name) {
        add_as_repr(out, w->name);
        cmat_buf_putc(out, ' ');
        add_as_repr(out, w->value);
    } else {
        cmat_buf_puts(out, w->value);
    }
}

bool shop_option_met(const shop_wish *wish, const char *const *chosen, size_t n)
{
    cmat_buf text = {0};
    bool met = false;
    wish_text(&text, wish);
    for (size_t i = 0; i < n && !met; i++) {
        const char *colour = shop_colour_in(chosen[i]);
        met = shop_alike(colour ? colour : chosen[i], cmat_buf_str(&text));
    }
    cmat_buf_clear(&text);
    return met;
}

/* ---- type ---- */

/* The category's parts ("A › B › C") without white space around them, each with a NUL behind it. */
static size_t category_parts(cmat_buf *out, const char *category)
{
    static const char sign[] = "\xe2\x80\xba";
    size_t n = 0;
    for (;;) {
        const char *end = strstr(category, sign);
        size_t len = end ? (size_t)(end - category) : strlen(category);
        while (len > 0 && strchr(" \t\r\n", *category)) {
            category++;
            len--;
        }
        while (len > 0 && strchr(" \t\r\n", category[len - 1]))
            len--;
        cmat_buf_add(out, category, len);
        cmat_buf_putc(out, 0);
        n++;
        if (!end)
            return n;
        category = end + strlen(sign);
    }
}

static bool among(const char *word, const char *words, size_t n)
{
    for (; n > 0; n--, words += strlen(words) + 1)
        if (strcmp(word, words) == 0)
            return true;
    return false;
}

/* How many different words of a are in b. */
static size_t n_shared(const cmat_buf *a, size_t n_a, const cmat_buf *b, size_t n_b)
{
    const char *first = cmat_buf_str(a), *w = first;
    size_t n = 0;
    for (size_t i = 0; i < n_a; i++, w += strlen(w) + 1)
        n += !among(w, first, i) && among(w, cmat_buf_str(b), n_b);
    return n;
}

static size_t shared_by(const char *a, const char *b, size_t (*words)(cmat_buf *, const char *),
                        size_t *n_b)
{
    cmat_buf of_a = {0}, of_b = {0};
    const size_t n_a = words(&of_a, a);
    *n_b = words(&of_b, b);
    const size_t n = n_shared(&of_a, n_a, &of_b, *n_b);
    cmat_buf_clear(&of_a);
    cmat_buf_clear(&of_b);
    return n;
}

static void rate_type(shop_reward *r, const shop_product *p, const shop_goal *g)
{
    size_t n, n_goal;
    r->query_match = strcmp(p->query, g->query) == 0;
    r->category_match =
        shared_by(p->product_category, g->product_category, category_parts, &n) >= 2;
    n = shared_by(p->title, g->name, shop_nouns, &n_goal);
    r->title_score = n_goal ? (double)n / (double)n_goal : 0.2;
    r->r_type = r->query_match || r->category_match || r->title_score > 0.2 ? 1 : 0.5;
    if (r->title_score < 0.1)
        r->r_type = 0.1;
    if (r->title_score == 0)
        r->r_type = 0;
}

shop_reward shop_reward_of(const shop_product *p, const shop_goal *g, const char *const *chosen,
                           size_t n)
{
    shop_reward r = {.price_ok = p->price <= g->price_upper};
    rate_type(&r, p, g);
    for (size_t i = 0; i < g->attributes.n; i++)
        r.n_attributes += shop_attribute_met(p, g->attributes.items[i]);
    for (size_t i = 0; i < g->n_options; i++)
        r.n_options += shop_option_met(&g->options[i], chosen, n);
    r.total = r.r_type * (double)(r.n_attributes + r.n_options + r.price_ok) /
              (double)(g->attributes.n + g->n_options + 1);
    return r;
}
