/* env/shop/html.c - see html.h. */
#include "env/shop/html.h"
#include "core/text.h"
#include <ctype.h>
#include <string.h>

/* ---- parts ---- */

void shop_html_text(cmat_buf *out, const char *s)
{
    cmat_buf inert = {0};
    cmat_text_inert(&inert, s, strlen(s));
    cmat_text_html(out, cmat_buf_str(&inert), inert.len);
    cmat_buf_clear(&inert);
}

static void address_text(cmat_buf *out, const char *s)
{
    for (; *s; s++)
        if (isalnum((unsigned char)*s) || strchr("-._~", *s))
            cmat_buf_putc(out, *s);
        else if (*s == ' ')
            cmat_buf_putc(out, '+');
        else
            cmat_buf_printf(out, "%%%02X", (unsigned char)*s);
}

void shop_html_begin(cmat_buf *out, const char *title)
{
    cmat_buf_puts(out,
                  "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>");
    shop_html_text(out, title);
    cmat_buf_puts(out,
                  "</title>\n<style>body{font:16px sans-serif;max-width:50em;margin:1em auto}"
                  "li{margin:.4em 0}fieldset{margin:.5em 0}</style>\n</head>\n<body>\n");
}

void shop_html_end(cmat_buf *out)
{
    cmat_buf_puts(out, "</body>\n</html>\n");
}

static void begin(cmat_buf *out, const shop_html *h, const char *title)
{
    shop_html_begin(out, title);
    cmat_buf_puts(out, "<p id=\"instruction-text\">Instruction: ");
    shop_html_text(out, h->instruction);
    cmat_buf_puts(out, "</p>\n");
}

static void link_to(cmat_buf *out, const shop_html *h, const char *where, const char *class,
                    const char *text)
{
    cmat_buf_printf(out, "<a class=\"%s\" href=\"%s%s", class, h->base, where);
    if (*where) {
        cmat_buf_puts(out, "?q=");
        address_text(out, h->words);
        cmat_buf_printf(out, "&amp;page=%d", h->page_no);
    }
    cmat_buf_puts(out, "\">");
    shop_html_text(out, text);
    cmat_buf_puts(out, "</a>\n");
}

/* The same search at another page. */
static void link_to_page(cmat_buf *out, const shop_html *h, int page_no, const char *text)
{
    shop_html there = *h;
    there.page_no = page_no;
    link_to(out, &there, "search", "btn", text);
}

/* ---- pages ---- */

void shop_html_search(cmat_buf *out, const shop_html *h)
{
    begin(out, h, "WebShop");
    cmat_buf_printf(out,
                    "<h1>WebShop</h1>\n<form method=\"get\" action=\"%ssearch\">\n"
                    "<input id=\"search_input\" type=\"text\" name=\"q\" placeholder=\"Search...\" "
                    "aria-label=\"Search\" maxlength=\"1000\" required>\n"
                    "<button class=\"btn\" type=\"submit\">Search</button>\n</form>\n",
                    h->base);
    shop_html_end(out);
}

void shop_html_results(cmat_buf *out, const shop_html *h, const shop_world *w, const uint32_t *hits,
                       size_t n)
{
    const size_t first = (size_t)(h->page_no - 1) * SHOP_PAGE;
    begin(out, h, "Results");
    link_to(out, h, "", "btn", "Back to Search");
    cmat_buf_printf(out, "<h1>Page %d (Total results: %zu)</h1>\n", h->page_no, n);
    if (h->page_no > 1)
        link_to_page(out, h, h->page_no - 1, "< Prev");
    if (first + SHOP_PAGE < n)
        link_to_page(out, h, h->page_no + 1, "Next >");
    cmat_buf_puts(out, "<ul>\n");
    for (size_t i = first; i < n && i < first + SHOP_PAGE; i++) {
        const shop_product *p = &w->products[hits[i]];
        char where[32];
        snprintf(where, sizeof where, "item/%s", p->asin);
        cmat_buf_puts(out, "<li>");
        link_to(out, h, where, "product-link", p->asin);
        cmat_buf_puts(out, "<span class=\"product-title\">");
        shop_html_text(out, p->title);
        cmat_buf_puts(out, "</span> <span class=\"product-price\">");
        shop_html_text(out, p->price_tag);
        cmat_buf_puts(out, "</span></li>\n");
    }
    cmat_buf_puts(out, "</ul>\n");
    shop_html_end(out);
}

static void item_options(cmat_buf *out, const shop_product *p)
{
    for (size_t o = 0; o < p->n_options; o++) {
        cmat_buf_puts(out, "<fieldset><legend>");
        shop_html_text(out, p->options[o].name);
        cmat_buf_puts(out, "</legend>\n");
        for (size_t i = 0; i < p->options[o].values.n; i++) {
            const char *v = p->options[o].values.items[i];
            cmat_buf_printf(out,
                            "<label for=\"option-%zu-%zu\"><input type=\"radio\" "
                            "id=\"option-%zu-%zu\" name=\"option-%zu\" value=\"",
                            o, i, o, i, o);
            shop_html_text(out, v);
            cmat_buf_puts(out, "\"> ");
            shop_html_text(out, v);
            cmat_buf_puts(out, "</label>\n");
        }
        cmat_buf_puts(out, "</fieldset>\n");
    }
}

void shop_html_item(cmat_buf *out, const shop_html *h, const shop_product *p)
{
    static const char *const subpages[][2] = {
        {"description", "Description"}, {"features", "Features"}, {"reviews", "Reviews"}};
    begin(out, h, p->title);
    link_to(out, h, "", "btn", "Back to Search");
    link_to(out, h, "search", "btn", "< Prev");
    cmat_buf_puts(out, "<h1>");
    shop_html_text(out, p->title);
    cmat_buf_puts(out, "</h1>\n<p>Price: ");
    shop_html_text(out, p->price_tag);
    cmat_buf_puts(out, "</p>\n<p>Rating: ");
    shop_html_text(out, p->rating);
    cmat_buf_puts(out, "</p>\n");
    for (size_t i = 0; i < 3; i++) {
        char where[48];
        snprintf(where, sizeof where, "item/%s/%s", p->asin, subpages[i][0]);
        link_to(out, h, where, "btn", subpages[i][1]);
    }
    cmat_buf_printf(out, "<form method=\"post\" action=\"%sitem/%s/buy\">\n", h->base, p->asin);
    item_options(out, p);
    cmat_buf_puts(out,
                  "<button class=\"btn purchase\" type=\"submit\">Buy Now</button>\n</form>\n");
    shop_html_end(out);
}

static void reviews(cmat_buf *out, const shop_product *p)
{
    for (size_t i = 0; i < p->n_reviews; i++) {
        const char *const parts[] = {p->reviews[i].title, p->reviews[i].score, p->reviews[i].body};
        cmat_buf_puts(out, "<div class=\"review\">");
        for (size_t k = 0; k < 3; k++) {
            cmat_buf_puts(out, "<p>");
            shop_html_text(out, parts[k]);
            cmat_buf_puts(out, "</p>");
        }
        cmat_buf_puts(out, "</div>\n");
    }
}

bool shop_html_subpage(cmat_buf *out, const shop_html *h, const shop_product *p, const char *which)
{
    char back[32];
    const bool description = strcmp(which, "description") == 0,
               features = strcmp(which, "features") == 0;
    if (!description && !features && strcmp(which, "reviews") != 0)
        return false;
    begin(out, h, p->title);
    link_to(out, h, "", "btn", "Back to Search");
    snprintf(back, sizeof back, "item/%s", p->asin);
    link_to(out, h, back, "btn", "< Prev");
    if (description) {
        cmat_buf_puts(out, "<p class=\"product-info\">");
        shop_html_text(out, p->description);
        cmat_buf_puts(out, "</p>\n");
    } else if (features) {
        cmat_buf_puts(out, "<ul>\n");
        for (size_t i = 0; i < p->bullets.n; i++) {
            cmat_buf_puts(out, "<li class=\"product-info\">");
            shop_html_text(out, p->bullets.items[i]);
            cmat_buf_puts(out, "</li>\n");
        }
        cmat_buf_puts(out, "</ul>\n");
    } else {
        reviews(out, p);
    }
    shop_html_end(out);
    return true;
}

void shop_html_done(cmat_buf *out, const shop_html *h, const shop_product *p, double reward)
{
    begin(out, h, "Thank you");
    cmat_buf_puts(out, "<h1>Thank you for shopping with us!</h1>\n<p>You bought ");
    shop_html_text(out, p->title);
    cmat_buf_printf(out, ".</p>\n<p id=\"reward\">Your score (min 0.0, max 1.0): %.6g</p>\n",
                    reward);
    shop_html_end(out);
}

void shop_html_message(cmat_buf *out, const char *title, const char *text)
{
    shop_html_begin(out, title);
    cmat_buf_puts(out, "<h1>");
    shop_html_text(out, title);
    cmat_buf_puts(out, "</h1>\n<p>");
    shop_html_text(out, text);
    cmat_buf_puts(out, "</p>\n");
    shop_html_end(out);
}
