/* shop_compare.c - not a test: the shop's parts for tests/shop_reference.py, which compares them
 * with the originals.
 *
 * usage: shop_compare products SEED            the products of a made shop, a line each
 *        shop_compare search PRODUCTS          a search a line in; ASIN:score ... out
 *        shop_compare reward PRODUCTS          {"goal", "asin", "options": [...]} a line in;
 *                                              {"r_type", "title_score", ..., "total"} out
 *        shop_compare words, terms, nouns      a text a line in; words out, tabs between them
 *        shop_compare likeness                 two phrases, a tab between them, in; the ratio out
 */
#include "core/json.h"
#include "core/mem.h"
#include "env/shop/analysis.h"
#include "env/shop/fuzzy.h"
#include "env/shop/make.h"
#include "env/shop/nouns.h"
#include "env/shop/reward.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int stop(const cmat_error *err)
{
    fprintf(stderr, "%s\n", err->msg);
    return 1;
}

static json_t *strings(const shop_list *l)
{
    json_t *a = json_array();
    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(a, json_string(l->items[i]));
    return a;
}

static int print_products(const shop_world *w)
{
    for (size_t i = 0; i < w->n; i++) {
        const shop_product *p = &w->products[i];
        json_t *options = json_object();
        for (size_t o = 0; o < p->n_options; o++)
            json_object_set_new(options, p->options[o].name, strings(&p->options[o].values));
        json_t *j = json_pack(
            "{s:s, s:s, s:s, s:o, s:o, s:o, s:[f], s:s, s:s, s:s}", "asin", p->asin, "Title",
            p->title, "Description", p->description, "BulletPoints", strings(&p->bullets),
            "Attributes", strings(&p->attributes), "options", options, "pricing", p->price,
            "category", p->category, "query", p->query, "product_category", p->product_category);
        json_dumpf(j, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(j);
    }
    return 0;
}

/* Returns false at the end of the input. */
static bool read_line(char **line, size_t *cap, size_t *len)
{
    const ssize_t n = getline(line, cap, stdin);
    if (n < 0)
        return false;
    *len = (size_t)n - (n > 0 && (*line)[n - 1] == '\n');
    (*line)[*len] = 0;
    return true;
}

static void search(const shop_world *w, const char *line, size_t len)
{
    uint32_t hits[SHOP_HITS];
    float scores[SHOP_HITS];
    const size_t n = shop_index_search(w->index, line, len, hits, scores, SHOP_HITS);
    for (size_t i = 0; i < n; i++)
        printf("%s%s:%.9g", i ? " " : "", w->products[hits[i]].asin, (double)scores[i]);
    putchar('\n');
}

static int reward(const shop_world *w, const char *line, size_t len)
{
    const char *chosen[SHOP_OPTIONS_MAX];
    cmat_error err = {0};
    shop_goal g;
    size_t n = 0, i;
    const json_t *option;
    json_t *j = cmat_json_parse(line, len, "reward", &err);
    if (!j || shop_goal_init(&g, json_object_get(j, "goal"), "reward", &err) != CMAT_OK)
        return stop(&err);
    const shop_product *p = shop_world_find(w, cmat_json_str(j, "asin", ""));
    json_array_foreach(json_object_get(j, "options"), i, option) if (n < SHOP_OPTIONS_MAX)
        chosen[n++] = json_string_value(option);
    if (!p)
        return fprintf(stderr, "no such product\n"), 1;
    const shop_reward r = shop_reward_of(p, &g, chosen, n);
    json_t *out =
        json_pack("{s:f, s:f, s:b, s:b, s:b, s:i, s:i, s:f}", "r_type", r.r_type, "title_score",
                  r.title_score, "query_match", r.query_match, "category_match", r.category_match,
                  "price_ok", r.price_ok, "attributes", (int)r.n_attributes, "options",
                  (int)r.n_options, "total", r.total);
    json_dumpf(out, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(out);
    json_decref(j);
    shop_goal_clear(&g);
    return 0;
}

static void print_words(const cmat_buf *words, size_t n)
{
    const char *w = cmat_buf_str(words);
    for (size_t i = 0; i < n; i++, w += strlen(w) + 1)
        printf("%s%s", i ? "\t" : "", w);
    putchar('\n');
}

static int each_line(const char *what, const shop_world *w)
{
    char *line = NULL;
    size_t cap = 0, len;
    int bad = 0;
    while (!bad && read_line(&line, &cap, &len)) {
        cmat_buf words = {0};
        char *tab = strchr(line, '\t');
        if (strcmp(what, "search") == 0)
            search(w, line, len);
        else if (strcmp(what, "reward") == 0)
            bad = reward(w, line, len);
        else if (strcmp(what, "words") == 0)
            print_words(&words, shop_words(&words, line, len));
        else if (strcmp(what, "terms") == 0)
            print_words(&words, shop_analyse(&words, line, len));
        else if (strcmp(what, "nouns") == 0)
            print_words(&words, shop_nouns(&words, line));
        else if (strcmp(what, "likeness") == 0 && tab) {
            *tab = 0;
            printf("%d\n", shop_token_set_ratio(line, tab + 1));
        } else {
            bad = fprintf(stderr, "unknown: %s\n", what);
        }
        cmat_buf_clear(&words);
    }
    free(line);
    return bad;
}

int main(int argc, char **argv)
{
    shop_world *w = NULL;
    cmat_error err = {0};
    cmat_status st = CMAT_OK;
    if (argc < 2)
        return fprintf(stderr, "usage: shop_compare WHAT [SEED or PRODUCTS]\n"), 2;
    const bool made = strcmp(argv[1], "products") == 0;
    if (argc > 2)
        st = made ? shop_make_world(&w, strtoull(argv[2], NULL, 10), &err)
                  : shop_world_load(&w, argv[2], &err);
    if (st != CMAT_OK)
        return stop(&err);
    const int bad = made && w ? print_products(w) : each_line(argv[1], w);
    shop_world_unref(w);
    return bad;
}
