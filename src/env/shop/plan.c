/* env/shop/plan.c - how a customer who knows the product goes about buying it. */
#include "core/mem.h"
#include "core/text.h"
#include "env/shop/analysis.h"
#include "env/shop/shop.h"
#include <stdlib.h>
#include <string.h>

enum { QUERY_MAX = 300 };

/* Its place among the hits, or SHOP_HITS. */
static size_t rank_of(const shop_world *w, const shop_product *p, const char *query)
{
    uint32_t hits[SHOP_HITS];
    const size_t n = shop_index_search(w->index, query, strlen(query), hits, NULL, SHOP_HITS);
    for (size_t i = 0; i < n; i++)
        if (&w->products[hits[i]] == p)
            return i;
    return SHOP_HITS;
}

/* Words for a search box: lower case, on one line, without brackets. */
static void add_words(cmat_buf *out, const char *s)
{
    cmat_buf lower = {0};
    cmat_text_lower(&lower, s, strlen(s));
    if (out->len > 0)
        cmat_buf_putc(out, ' ');
    for (const char *p = cmat_buf_str(&lower); *p; p++) {
        const bool bad = strchr("[]", *p) || (unsigned char)*p < 0x20 || *p == 0x7f;
        cmat_buf_putc(out, bad ? ' ' : *p);
    }
    cmat_buf_clear(&lower);
}

/* What one would type: the kind of product with what it should be; then the request's own words;
 * then the title. */
static void candidate(const shop_goal *g, const char *instruction, int k, cmat_buf *out)
{
    cmat_buf_truncate(out, 0);
    if (k == 0) {
        for (size_t i = 0; i < g->attributes.n; i++)
            add_words(out, g->attributes.items[i]);
        add_words(out, g->query);
        for (size_t i = 0; i < g->n_options; i++)
            add_words(out, g->options[i].value);
    } else {
        add_words(out, k == 1 ? instruction : g->name);
    }
    if (out->len > QUERY_MAX) { /* at a word's end */
        size_t n = QUERY_MAX;
        while (n > 0 && out->data[n] != ' ')
            n--;
        cmat_buf_truncate(out, n);
    }
}

bool shop_plan_search(const shop_world *w, const shop_goal *g, const char *instruction,
                      cmat_buf *out)
{
    const shop_product *p = shop_world_find(w, g->asin);
    cmat_buf query = {0}, best = {0};
    size_t least = SHOP_HITS;
    for (int k = 0; p && k < 3 && least >= SHOP_PAGE; k++) {
        candidate(g, instruction, k, &query);
        const size_t rank = rank_of(w, p, cmat_buf_str(&query));
        if (rank < least) {
            least = rank;
            cmat_buf_truncate(&best, 0);
            cmat_buf_puts(&best, cmat_buf_str(&query));
        }
    }
    cmat_buf_puts(out, cmat_buf_str(&best));
    cmat_buf_clear(&query);
    cmat_buf_clear(&best);
    return least < SHOP_HITS;
}

/* The value of the item's options that a wish means: of the option it names, else of any, else one
 * that is much the same. False: there is none. */
static bool find_value(const shop_product *q, const shop_wish *wish, size_t *option, size_t *value)
{
    for (int pass = 0; pass < 3; pass++)
        for (*option = 0; *option < q->n_options; ++*option) {
            const shop_option *o = &q->options[*option];
            if (pass == 0 && (!wish->name || strcmp(o->name, wish->name) != 0))
                continue;
            for (*value = 0; *value < o->values.n; ++*value) {
                const char *v = o->values.items[*value];
                if (pass < 2 ? strcmp(v, wish->value) == 0 : shop_option_met(wish, &v, 1))
                    return true;
            }
        }
    return false;
}

/* The next value to choose, or NULL: all are. */
static const char *next_value(const shop_play *p, const shop_goal *g)
{
    for (size_t i = 0; i < g->n_options; i++) {
        size_t o, v;
        if (find_value(p->item, &g->options[i], &o, &v) && p->chosen[o] != (int)v)
            return p->item->options[o].values.items[v];
    }
    return NULL;
}

static void results_next(const shop_play *p, const shop_goal *g, const char *query, cmat_buf *out)
{
    size_t rank = SHOP_HITS;
    for (size_t i = 0; i < p->n_hits; i++)
        if (strcmp(p->world->products[p->hits[i]].asin, g->asin) == 0)
            rank = i;
    const int page = (int)(rank / SHOP_PAGE) + 1;
    if (strcmp(cmat_buf_str(&p->keywords), query) != 0 || rank == SHOP_HITS)
        cmat_buf_puts(out, "click[back to search]");
    else if (page != p->page_no)
        cmat_buf_puts(out, page > p->page_no ? "click[next >]" : "click[< prev]");
    else
        cmat_buf_printf(out, "click[%s]", p->world->products[p->hits[rank]].asin_lower);
}

bool shop_plan_next(const shop_play *p, const shop_goal *g, const char *query, cmat_buf *out)
{
    if (p->page == SHOP_DONE)
        return false;
    if (p->page == SHOP_SEARCH) {
        cmat_buf_printf(out, "search[%s]", query);
    } else if (p->page == SHOP_RESULTS) {
        results_next(p, g, query, out);
    } else if (strcmp(p->item->asin, g->asin) != 0) {
        cmat_buf_puts(out, "click[back to search]");
    } else if (p->page != SHOP_ITEM) {
        cmat_buf_puts(out, "click[< prev]");
    } else {
        const char *value = next_value(p, g);
        cmat_buf_printf(out, "click[%s]", value ? value : "buy now");
    }
    return true;
}
