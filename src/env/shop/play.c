/* env/shop/play.c - WebShop's pages and what leads from one to another. */
#include "env/shop/play.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/shop/analysis.h"
#include <stdlib.h>
#include <string.h>

static void forget_item(shop_play *p)
{
    p->item = NULL;
    for (size_t i = 0; i < SHOP_OPTIONS_MAX; i++)
        p->chosen[i] = -1;
}

static void to_search_page(shop_play *p)
{
    p->page = SHOP_SEARCH;
    cmat_buf_truncate(&p->keywords, 0);
    p->page_no = 0;
    p->n_hits = 0;
    forget_item(p);
}

void shop_play_start(shop_play *p, const shop_world *world)
{
    p->world = world;
    to_search_page(p);
}

void shop_play_clear(shop_play *p)
{
    cmat_buf_clear(&p->keywords);
    memset(p, 0, sizeof *p);
}

size_t shop_play_shown(const shop_play *p, size_t *first)
{
    *first = (size_t)(p->page_no - 1) * SHOP_PAGE;
    if (*first >= p->n_hits)
        return 0;
    return p->n_hits - *first < SHOP_PAGE ? p->n_hits - *first : SHOP_PAGE;
}

size_t shop_play_chosen(const shop_play *p, const char *out[SHOP_OPTIONS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; p->item && i < p->item->n_options; i++)
        if (p->chosen[i] >= 0)
            out[n++] = p->item->options[i].values.items[p->chosen[i]];
    return n;
}

/* ---- what can be clicked ---- */

typedef struct {
    shop_click *items;
    size_t n, cap;
} click_list;

static void add(click_list *c, shop_click what)
{
    c->items = cmat_xgrow(c->items, &c->cap, c->n + 1, sizeof *c->items);
    what.order = (int)c->n;
    c->items[c->n++] = what;
}

static int label_order(const void *va, const void *vb)
{
    const shop_click *a = va, *b = vb;
    const int order = strcmp(a->label, b->label);
    return order ? order : a->order - b->order;
}

static int page_order(const void *va, const void *vb)
{
    return ((const shop_click *)va)->order - ((const shop_click *)vb)->order;
}

static void drop_doubles(click_list *c)
{
    size_t n = 0;
    qsort(c->items, c->n, sizeof *c->items, label_order);
    for (size_t i = 0; i < c->n; i++) {
        if (n == 0 || strcmp(c->items[n - 1].label, c->items[i].label) != 0) {
            c->items[n++] = c->items[i];
            continue;
        }
        const int place = c->items[n - 1].order;
        c->items[n - 1] = c->items[i];
        c->items[n - 1].order = place;
    }
    c->n = n;
    qsort(c->items, c->n, sizeof *c->items, page_order);
}

static void add_results(click_list *c, const shop_play *p)
{
    size_t first;
    const size_t n = shop_play_shown(p, &first);
    if (p->page_no > 1)
        add(c, (shop_click){.label = "< prev", .kind = SHOP_PREV});
    add(c, (shop_click){.label = "next >", .kind = SHOP_NEXT});
    for (size_t i = 0; i < n; i++) {
        const shop_product *q = &p->world->products[p->hits[first + i]];
        add(c, (shop_click){.label = q->asin_lower, .kind = SHOP_PRODUCT, .product = q});
    }
}

/* WebShop goes by the label alone: an option's value that is called like a button is that button.
 */
static bool is_button(const char *label)
{
    static const char *const buttons[] = {"back to search", "< prev",  "description",
                                          "features",       "reviews", "buy now"};
    for (size_t i = 0; i < sizeof buttons / sizeof *buttons; i++)
        if (strcmp(label, buttons[i]) == 0)
            return true;
    return false;
}

static void add_item(click_list *c, const shop_play *p)
{
    static const struct {
        const char *label;
        shop_page page;
    } subpages[] = {
        {"description", SHOP_DESCRIPTION}, {"features", SHOP_FEATURES}, {"reviews", SHOP_REVIEWS}};
    add(c, (shop_click){.label = "< prev", .kind = SHOP_PREV});
    for (size_t i = 0; i < 3; i++)
        add(c, (shop_click){
                   .label = subpages[i].label, .kind = SHOP_SUBPAGE, .page = subpages[i].page});
    add(c, (shop_click){.label = "buy now", .kind = SHOP_BUY});
    for (size_t o = 0; o < p->item->n_options; o++) {
        const shop_list *v = &p->item->options[o].values;
        for (size_t i = 0; i < v->n; i++)
            if (!is_button(v->items[i]))
                add(c, (shop_click){.label = v->items[i],
                                    .kind = SHOP_OPTION,
                                    .option = (int)o,
                                    .value = (int)i});
    }
}

size_t shop_play_clicks(const shop_play *p, shop_click **out)
{
    click_list c = {0};
    if (p->page == SHOP_SEARCH)
        add(&c, (shop_click){.label = "search", .kind = SHOP_NOTHING});
    else if (p->page != SHOP_DONE)
        add(&c, (shop_click){.label = "back to search", .kind = SHOP_TO_SEARCH});
    if (p->page == SHOP_RESULTS)
        add_results(&c, p);
    else if (p->page == SHOP_ITEM)
        add_item(&c, p);
    else if (p->page == SHOP_DESCRIPTION || p->page == SHOP_FEATURES || p->page == SHOP_REVIEWS)
        add(&c, (shop_click){.label = "< prev", .kind = SHOP_PREV});
    if (c.n > 1)
        drop_doubles(&c);
    *out = c.items;
    return c.n;
}

/* ---- moves ---- */

void shop_play_search(shop_play *p, const char *words)
{
    cmat_buf lower = {0};
    cmat_text_lower(&lower, words, strlen(words));
    cmat_buf_truncate(&p->keywords, 0);
    cmat_buf_puts(&p->keywords, cmat_buf_str(&lower));
    cmat_buf_clear(&lower);
    p->n_hits = shop_index_search(p->world->index, cmat_buf_str(&p->keywords), p->keywords.len,
                                  p->hits, NULL, SHOP_HITS);
    p->page = SHOP_RESULTS;
    p->page_no = 1;
    forget_item(p);
}

static void follow(shop_play *p, const shop_click *c)
{
    switch (c->kind) {
    case SHOP_TO_SEARCH:
        to_search_page(p);
        break;
    case SHOP_PREV:
        if (p->page == SHOP_RESULTS) {
            p->page_no--;
        } else if (p->page == SHOP_ITEM) {
            p->page = SHOP_RESULTS;
            forget_item(p);
        } else {
            p->page = SHOP_ITEM;
        }
        break;
    case SHOP_NEXT:
        p->page_no++;
        break;
    case SHOP_PRODUCT:
        p->item = c->product;
        p->page = SHOP_ITEM;
        break;
    case SHOP_OPTION:
        p->chosen[c->option] = c->value;
        break;
    case SHOP_SUBPAGE:
        p->page = c->page;
        break;
    case SHOP_BUY:
        p->page = SHOP_DONE;
        break;
    case SHOP_NOTHING:
        break;
    }
}

bool shop_play_click(shop_play *p, const char *label)
{
    shop_click *clicks;
    cmat_buf lower = {0};
    const size_t n = shop_play_clicks(p, &clicks);
    bool found = false;
    cmat_text_lower(&lower, label, strlen(label));
    for (size_t i = 0; i < n && !found; i++)
        if (strcmp(clicks[i].label, cmat_buf_str(&lower)) == 0 && clicks[i].kind != SHOP_NOTHING) {
            follow(p, &clicks[i]);
            found = true;
        }
    cmat_buf_clear(&lower);
    free(clicks);
    return found;
}
