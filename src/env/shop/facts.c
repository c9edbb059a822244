/* env/shop/facts.c - what the Checker is told about a reply before it is carried out: can it be
 * done here, and which of the wishes the item in question meets. */
#include "core/json.h"
#include "core/text.h"
#include "env/shop/shop.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    const shop_env *e;
    cmat_facts *f;
} finder;

static void say(finder *d, cmat_fact_level level, const char *head, const char *what)
{
    if (d->f->text.len)
        cmat_buf_putc(&d->f->text, '\n');
    if (level > d->f->verdict)
        d->f->verdict = level;
    cmat_buf_puts(&d->f->text, level == CMAT_FACT_BAD    ? "wrong: "
                               : level == CMAT_FACT_NOTE ? "note: "
                                                         : "");
    cmat_buf_puts(&d->f->text, head);
    cmat_text_inert(&d->f->text, what, strlen(what));
}

static json_t *text(const char *s)
{
    return cmat_json_text(s, strlen(s));
}

/* Which attributes a product meets: into "attributes_met" and "attributes_missing". */
static void attributes(finder *d, const shop_product *p)
{
    const shop_list *asked = &d->e->goal.attributes;
    json_t *met = json_array(), *missing = json_array();
    for (size_t i = 0; i < asked->n; i++) {
        const bool is = shop_attribute_met(p, asked->items[i]);
        json_array_append_new(is ? met : missing, text(asked->items[i]));
        if (!is)
            say(d, CMAT_FACT_NOTE, "the product does not say that it is: ", asked->items[i]);
    }
    json_object_set_new(d->f->facts, "attributes_met", met);
    json_object_set_new(d->f->facts, "attributes_missing", missing);
}

static void price(finder *d, const shop_product *p)
{
    const bool within = p->price <= d->e->goal.price_upper;
    json_object_set_new(d->f->facts, "price", json_real(p->price));
    json_object_set_new(d->f->facts, "price_within_limit", json_boolean(within));
    if (!within)
        say(d, CMAT_FACT_NOTE, "its price is above the limit: ", p->price_tag);
}

/* Is there a value of the item that would meet the wish? */
static bool offered(const shop_product *p, const shop_wish *w)
{
    for (size_t o = 0; o < p->n_options; o++)
        for (size_t i = 0; i < p->options[o].values.n; i++)
            if (shop_option_met(w, &p->options[o].values.items[i], 1))
                return true;
    return false;
}

static void options(finder *d, const shop_play *p)
{
    const shop_goal *g = &d->e->goal;
    const char *chosen[SHOP_OPTIONS_MAX];
    const size_t n = shop_play_chosen(p, chosen);
    json_t *met = json_array(), *missing = json_array();
    for (size_t i = 0; i < g->n_options; i++) {
        const shop_wish *w = &g->options[i];
        const bool is = shop_option_met(w, chosen, n);
        json_array_append_new(is ? met : missing, text(w->value));
        if (!is)
            say(d, CMAT_FACT_NOTE,
                offered(p->item, w) ? "asked for and offered here, but not chosen: "
                                    : "asked for, but not offered here: ",
                w->value);
    }
    json_object_set_new(d->f->facts, "options_met", met);
    json_object_set_new(d->f->facts, "options_missing", missing);
}

static const shop_click *find(const shop_click *clicks, size_t n, const char *label)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(clicks[i].label, label) == 0 && clicks[i].kind != SHOP_NOTHING)
            return &clicks[i];
    return NULL;
}

/* What clicking would come to, in the state that it leads to. */
static void about_click(finder *d, const shop_click *c)
{
    shop_play after = d->e->play; /* read only; shares keywords */
    if (c->kind == SHOP_PRODUCT) {
        after.item = c->product;
    } else if (c->kind == SHOP_OPTION) {
        after.chosen[c->option] = c->value;
    } else if (c->kind != SHOP_BUY) {
        say(d, CMAT_FACT_OK, "possible", "");
        return;
    }
    json_object_set_new(d->f->facts, "item", text(after.item->asin));
    attributes(d, after.item);
    price(d, after.item);
    if (c->kind == SHOP_BUY)
        options(d, &after);
    if (d->f->text.len == 0)
        say(d, CMAT_FACT_OK, "possible; what was asked for is met as far as chosen", "");
}

static void not_here(finder *d, const shop_click *clicks, size_t n)
{
    cmat_buf list = {0};
    say(d, CMAT_FACT_BAD, "that cannot be clicked on this page", "");
    for (size_t i = 0; i < n && list.len < 200; i++)
        if (clicks[i].kind != SHOP_NOTHING)
            cmat_buf_printf(&list, "%s%.60s", list.len ? ", " : "", clicks[i].label);
    if (list.len)
        say(d, CMAT_FACT_BAD, "these can be: ", cmat_buf_str(&list));
    else
        say(d, CMAT_FACT_BAD, "search[words] is what can be done here", "");
    cmat_buf_clear(&list);
}

/* Is a word of the search in the request? Small models copy "search[words]" as it stands. */
static bool is_about(const char *words, const char *request)
{
    static const char between[] = " \t,.;:!?\"'()-";
    char word[64];
    for (words += strspn(words, between); *words; words += strspn(words, between)) {
        const size_t n = strcspn(words, between);
        if (n > 1 && n < sizeof word) {
            memcpy(word, words, n);
            word[n] = 0;
            if (strcasestr(request, word))
                return true;
        }
        words += n;
    }
    return false;
}

static void about_search(finder *d, const char *words)
{
    const shop_world *w = d->e->play.world;
    uint32_t hits[SHOP_HITS];
    const size_t n = shop_index_search(w->index, words, strlen(words), hits, NULL, SHOP_HITS);
    json_object_set_new(d->f->facts, "results", json_integer((json_int_t)n));
    if (n == 0)
        say(d, CMAT_FACT_NOTE, "no product has any of these words", "");
    else if (!is_about(words, d->e->instruction))
        say(d, CMAT_FACT_NOTE, "none of these words is in what is asked for: ", d->e->instruction);
    else
        say(d, CMAT_FACT_OK, "possible", "");
}

cmat_status shop_env_dry_run(cmat_env *env, const char *reply, cmat_facts *facts, cmat_error *err)
{
    shop_env *e = (shop_env *)env;
    finder d = {e, facts};
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "shop: no task has been set");
    shop_env_read(e, reply);
    const char *arg = cmat_buf_str(&e->action.arg);
    facts->facts = json_object();
    json_object_set_new(
        facts->facts, "parses",
        json_boolean(e->action.verb == SHOP_SAY_SEARCH || e->action.verb == SHOP_SAY_CLICK));
    if (e->action.verb == SHOP_SAY_SEARCH) {
        about_search(&d, arg);
    } else if (e->action.verb == SHOP_SAY_CLICK) {
        shop_click *clicks;
        const size_t n = shop_play_clicks(&e->play, &clicks);
        const shop_click *c = find(clicks, n, arg);
        json_object_set_new(facts->facts, "admissible", json_boolean(c != NULL));
        if (c)
            about_click(&d, c);
        else
            not_here(&d, clicks, n);
        free(clicks);
    } else {
        say(&d, CMAT_FACT_BAD, "there is no action: search[words] or click[what is on the page]",
            "");
    }
    return CMAT_OK;
}
