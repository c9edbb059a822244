/* env/shop/pages.c - see pages.h. */
#include "env/shop/pages.h"
#include "core/text.h"
#include <stdlib.h>
#include <string.h>

enum { SHORT_TITLE = 90, SHORT_VALUES = 40 };

/* ---- cutting ---- */

/* Appends s inert, without line breaks, at most max bytes of it. */
static void add_line(cmat_buf *out, const char *s, size_t max)
{
    const size_t len = strlen(s), at = out->len,
                 n = len > max ? cmat_utf8_valid_prefix(s, max) : len;
    cmat_text_inert(out, s, n);
    for (size_t i = at; i < out->len; i++)
        if (out->data[i] == '\n' || out->data[i] == '\t')
            out->data[i] = ' ';
    if (n < len)
        cmat_buf_puts(out, "...");
}

/* What was added from `from` on, cut to the budget, with a note. */
static void cut(cmat_buf *out, size_t from, size_t budget)
{
    static const char note[] = " [cut]";
    if (out->len - from <= budget)
        return;
    const size_t room = budget > strlen(note) ? budget - strlen(note) : 0;
    cmat_buf_truncate(out, from + cmat_utf8_valid_prefix(out->data + from, room));
    cmat_buf_puts(out, note);
}

/* ---- with [SEP] ---- */

typedef struct {
    cmat_buf *out;
    size_t from, budget;
} seps;

/* The next text of the page; once the budget is reached nothing is added any more. An empty one is
 * no text of the page's. */
static void sep(seps *s, const char *before, const char *text)
{
    const size_t used = s->out->len - s->from;
    if ((!*text && !*before) || used > s->budget)
        return;
    if (used > 0)
        cmat_buf_puts(s->out, " [SEP] ");
    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    cmat_buf_puts(s->out, before);
    const size_t room = s->budget - used + 4; /* enough to be seen as cut */
    cmat_text_inert(s->out, text, len > room ? cmat_utf8_valid_prefix(text, room) : len);
}

static void sep_results(seps *s, const shop_play *p)
{
    char line[80];
    size_t first;
    const size_t n = shop_play_shown(p, &first);
    snprintf(line, sizeof line, "Page %d (Total results: %zu)", p->page_no, p->n_hits);
    sep(s, line, "");
    if (p->page_no > 1)
        sep(s, "< Prev", "");
    sep(s, "Next >", "");
    for (size_t i = 0; i < n; i++) {
        const shop_product *q = &p->world->products[p->hits[first + i]];
        sep(s, "", q->asin);
        sep(s, "", q->title);
        sep(s, "", q->price_tag);
    }
}

static void sep_item(seps *s, const shop_product *q)
{
    for (size_t o = 0; o < q->n_options; o++) {
        sep(s, "", q->options[o].name);
        for (size_t i = 0; i < q->options[o].values.n; i++)
            sep(s, "", q->options[o].values.items[i]);
    }
    sep(s, "", q->title);
    sep(s, "Price: ", q->price_tag);
    sep(s, "Rating: ", q->rating);
    sep(s, "Description", "");
    sep(s, "Features", "");
    sep(s, "Reviews", "");
    sep(s, "Buy Now", "");
}

static void sep_reviews(seps *s, const shop_product *q)
{
    for (size_t i = 0; i < q->n_reviews; i++) {
        cmat_buf title = {0};
        cmat_buf_printf(&title, "\"%s\"", q->reviews[i].title);
        sep(s, "", cmat_buf_str(&title));
        sep(s, "", q->reviews[i].score);
        sep(s, "", q->reviews[i].body);
        cmat_buf_clear(&title);
    }
}

void shop_page_seps(cmat_buf *out, const shop_play *p, const char *instruction, size_t budget)
{
    seps s = {out, out->len, budget};
    if (p->page == SHOP_DONE) {
        cmat_buf_puts(out, "Thank you for shopping with us!");
        return;
    }
    if (p->page == SHOP_SEARCH)
        sep(&s, "WebShop", "");
    sep(&s, "Instruction:", "");
    sep(&s, "", instruction);
    sep(&s, p->page == SHOP_SEARCH ? "Search" : "Back to Search", "");
    if (p->page == SHOP_RESULTS)
        sep_results(&s, p);
    if (p->page > SHOP_RESULTS)
        sep(&s, "< Prev", "");
    if (p->page == SHOP_ITEM)
        sep_item(&s, p->item);
    else if (p->page == SHOP_DESCRIPTION)
        sep(&s, "", p->item->description);
    else if (p->page == SHOP_REVIEWS)
        sep_reviews(&s, p->item);
    for (size_t i = 0; p->page == SHOP_FEATURES && i < p->item->bullets.n; i++)
        sep(&s, "", p->item->bullets.items[i]);
    cut(out, s.from, budget);
}

/* A string as Python's repr quotes it; what cannot be printed is inert already. */
static void add_repr(cmat_buf *out, const char *s)
{
    const char quote = strchr(s, '\'') && !strchr(s, '"') ? '"' : '\'';
    cmat_buf_putc(out, quote);
    for (; *s; s++) {
        if (*s == quote || *s == '\\')
            cmat_buf_putc(out, '\\');
        cmat_buf_putc(out, *s);
    }
    cmat_buf_putc(out, quote);
}

void shop_page_offers(cmat_buf *out, const shop_play *p, size_t budget)
{
    shop_click *clicks;
    cmat_buf label = {0};
    const size_t n = shop_play_clicks(p, &clicks), from = out->len;
    cmat_buf_printf(out, "{'has_search_bar': %s, 'clickables': [",
                    p->page == SHOP_SEARCH ? "True" : "False");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            cmat_buf_puts(out, ", ");
        const size_t before = out->len;
        cmat_buf_truncate(&label, 0);
        add_line(&label, clicks[i].label, SHOP_VALUE_MAX);
        add_repr(out, cmat_buf_str(&label));
        if (out->len - from + 10 > budget) {
            cmat_buf_truncate(out, before);
            cmat_buf_puts(out, "...");
            break;
        }
    }
    cmat_buf_puts(out, "]}");
    cmat_buf_clear(&label);
    free(clicks);
}

/* ---- short ---- */

static void short_results(cmat_buf *out, const shop_play *p)
{
    size_t first;
    const size_t n = shop_play_shown(p, &first);
    for (size_t i = 0; i < n; i++) {
        const shop_product *q = &p->world->products[p->hits[first + i]];
        cmat_buf_printf(out, "[%s] ", q->asin_lower);
        add_line(out, q->title, SHORT_TITLE);
        cmat_buf_printf(out, " %s\n", q->price_tag);
    }
    if (n == 0)
        cmat_buf_puts(out, "Nothing was found.\n");
    cmat_buf_printf(out, "%s[next >] [back to search]", p->page_no > 1 ? "[< prev] " : "");
}

static void short_option(cmat_buf *out, const shop_option *o, int chosen)
{
    add_line(out, o->name, SHOP_VALUE_MAX);
    cmat_buf_putc(out, ':');
    for (size_t i = 0; i < o->values.n; i++) {
        if (i == SHORT_VALUES) {
            cmat_buf_printf(out, " and %zu more", o->values.n - i);
            break;
        }
        cmat_buf_puts(out, " [");
        add_line(out, o->values.items[i], SHOP_VALUE_MAX);
        cmat_buf_putc(out, ']');
    }
    if (chosen >= 0) {
        cmat_buf_puts(out, " chosen: ");
        add_line(out, o->values.items[chosen], SHOP_VALUE_MAX);
    }
    cmat_buf_putc(out, '\n');
}

static void short_item(cmat_buf *out, const shop_play *p)
{
    const shop_product *q = p->item;
    add_line(out, q->title, 2 * SHORT_TITLE);
    cmat_buf_printf(out, "\nprice: %s\n", q->price_tag);
    for (size_t o = 0; o < q->n_options; o++)
        short_option(out, &q->options[o], p->chosen[o]);
    cmat_buf_puts(out, "[description] [features] [reviews] [< prev] [back to search] [buy now]");
}

static void short_subpage(cmat_buf *out, const shop_play *p, size_t budget)
{
    static const char ways[] = "\n[< prev] [back to search]";
    const shop_product *q = p->item;
    const size_t from = out->len;
    if (p->page == SHOP_DESCRIPTION)
        add_line(out, q->description, budget);
    for (size_t i = 0; p->page == SHOP_FEATURES && i < q->bullets.n; i++) {
        cmat_buf_puts(out, i ? "\n- " : "- ");
        add_line(out, q->bullets.items[i], budget);
    }
    for (size_t i = 0; p->page == SHOP_REVIEWS && i < q->n_reviews; i++) {
        cmat_buf_printf(out, "%s- ", i ? "\n" : "");
        add_line(out, q->reviews[i].score, SHOP_VALUE_MAX);
        cmat_buf_puts(out, " ");
        add_line(out, q->reviews[i].title, budget);
        cmat_buf_puts(out, ": ");
        add_line(out, q->reviews[i].body, budget);
    }
    if (out->len == from)
        cmat_buf_puts(out, "There is nothing here.");
    cut(out, from, budget > 200 ? budget - 100 : budget);
    cmat_buf_puts(out, ways);
}

static void short_where(cmat_buf *out, const shop_play *p)
{
    static const char *const names[] = {[SHOP_ITEM] = "a product",
                                        [SHOP_DESCRIPTION] = "its description",
                                        [SHOP_FEATURES] = "its features",
                                        [SHOP_REVIEWS] = "its reviews"};
    if (p->page == SHOP_RESULTS)
        cmat_buf_printf(out, "You see %zu results, page %d of %zu.\n", p->n_hits, p->page_no,
                        (p->n_hits + SHOP_PAGE - 1) / SHOP_PAGE);
    else if (p->page > SHOP_RESULTS)
        cmat_buf_printf(out, "You see %s.\n", names[p->page]);
}

void shop_page_short(cmat_buf *out, const shop_play *p, size_t budget)
{
    const size_t from = out->len;
    if (p->page == SHOP_SEARCH) {
        cmat_buf_puts(out, "You see the search page.\n" SHOP_PAGE_MARK "search[words]");
        return;
    }
    if (p->page == SHOP_DONE) {
        cmat_buf_puts(out, "Thank you for shopping with us!");
        return;
    }
    short_where(out, p);
    cmat_buf_puts(out, SHOP_PAGE_MARK);
    if (p->page == SHOP_RESULTS)
        short_results(out, p);
    else if (p->page == SHOP_ITEM)
        short_item(out, p);
    else
        short_subpage(out, p, budget);
    cut(out, from, budget);
}
