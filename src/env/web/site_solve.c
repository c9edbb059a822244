/* site_solve.c - the way to a made site's goal, from whatever page is shown. It looks at the page
 * only, as an Actor does. */
#include "core/json.h"
#include "env/web/site.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const json_t *site;
    const web_page *page;
    web_move *move;
} solving;

static bool named(const web_page *p, int node, const char *role, const char *name)
{
    cmat_buf own = {0};
    if (!web_is_actor(p, node) || strcmp(web_role(p, node), role) != 0)
        return false;
    web_name(p, node, &own);
    const bool same = strcmp(cmat_buf_str(&own), name) == 0;
    cmat_buf_clear(&own);
    return same;
}

/* The nth (from 0) element of this role and name; WEB_NO_NODE: there is none. */
static int find(const web_page *p, const char *role, const char *name, int nth)
{
    for (int i = 0; i < (int)p->n; i++)
        if (named(p, i, role, name) && nth-- == 0)
            return i;
    return WEB_NO_NODE;
}

static bool act(const solving *s, web_op op, int node, const char *value)
{
    if (node == WEB_NO_NODE)
        return false;
    s->move->op = op;
    s->move->node = node;
    snprintf(s->move->value, sizeof s->move->value, "%s", value);
    return true;
}

static bool click(const solving *s, const char *role, const char *name, int nth)
{
    return act(s, WEB_CLICK, find(s->page, role, name, nth), "");
}

static bool home(const solving *s)
{
    return click(s, "link", "Home", 0);
}

/* Puts a value into a text field or a list; false: it has it, *missing: there is no such field. */
static bool put(const solving *s, const char *role, const char *label, const char *value,
                bool *missing)
{
    const int node = find(s->page, role, label, 0);
    cmat_buf now = {0};
    *missing = node == WEB_NO_NODE;
    if (*missing)
        return false;
    const bool list = strcmp(role, "combobox") == 0;
    if (list && web_option_now(s->page, node) != WEB_NO_NODE)
        web_option_label(s->page, web_option_now(s->page, node), &now);
    else if (!list && web_page_attr(s->page, node, "value"))
        cmat_buf_puts(&now, web_page_attr(s->page, node, "value"));
    const bool has = strcmp(cmat_buf_str(&now), value) == 0;
    cmat_buf_clear(&now);
    return !has && act(s, list ? WEB_SELECT : WEB_TYPE, node, value);
}

static bool solve_form(const solving *s)
{
    const json_t *f;
    size_t i;
    bool missing = false;
    json_array_foreach(json_object_get(s->site, "fields"), i, f)
    {
        const char *type = cmat_json_str(f, "type", ""), *label = cmat_json_str(f, "label", "");
        const json_t *goal = json_object_get(f, "goal");
        const bool box = strcmp(type, "checkbox") == 0, radio = strcmp(type, "radio") == 0;
        if (!box && !radio) {
            if (put(s, strcmp(type, "select") == 0 ? "combobox" : "textbox", label,
                    json_string_value(goal), &missing))
                return true;
            if (missing)
                return home(s);
            continue;
        }
        const int node =
            find(s->page, box ? "checkbox" : "radio", box ? label : json_string_value(goal), 0);
        if (node == WEB_NO_NODE)
            return home(s);
        if ((web_page_attr(s->page, node, "checked") != NULL) != (radio || json_is_true(goal)))
            return act(s, WEB_CLICK, node, "");
    }
    return click(s, "button", cmat_json_str(s->site, "submit", ""), 0);
}

/* Deeper along the goal where a link leads there, else back to the beginning. */
static bool solve_menu(const solving *s)
{
    const json_t *goal = json_object_get(s->site, "goal"),
                 *items = json_object_get(s->site, "items");
    const char *labels[16];
    int n = 0, heading = 0;
    for (size_t k = 0; k < json_array_size(goal) && k < 16; k++) {
        const json_t *item =
            json_array_get(items, (size_t)json_integer_value(json_array_get(goal, k)));
        labels[n++] =
            json_is_string(item) ? json_string_value(item) : cmat_json_str(item, "label", "");
        items = json_object_get(item, "items");
    }
    for (int i = 0; i < (int)s->page->n; i++)
        heading = web_page_is(s->page, i, "h2") ? i : heading;
    cmat_buf at = {0};
    if (heading)
        web_page_text(s->page, heading, WEB_NAME_MAX, &at);
    int next = 0;
    for (int k = 0; k < n && heading; k++)
        if (strcmp(cmat_buf_str(&at), labels[k]) == 0)
            next = k + 1;
    cmat_buf_clear(&at);
    return next < n &&
           ((!heading || next > 0) && click(s, "link", labels[next], 0) ? true : home(s));
}

static bool solve_date(const solving *s)
{
    int y = 0, m = 0, d = 0, at_m = 0, at_y = 0;
    char word[20] = "", day[24];
    static const char *const names =
        "JanuaryFebruaryMarchAprilMayJuneJulyAugustSeptemberOctober"
        "NovemberDecember";
    sscanf(cmat_json_str(s->site, "goal", ""), "%4d-%2d-%2d", &y, &m, &d);
    for (int i = 0; i < (int)s->page->n; i++)
        if (web_page_is(s->page, i, "input") && web_page_attr(s->page, i, "value") &&
            strcmp(web_page_attr(s->page, i, "value"), cmat_json_str(s->site, "goal", "")) == 0)
            return click(s, "button", cmat_json_str(s->site, "submit", ""), 0);
    for (int i = 0; i < (int)s->page->n; i++)
        if (web_page_is(s->page, i, "h2") && i + 1 < (int)s->page->n && s->page->nodes[i + 1].text)
            sscanf(s->page->nodes[i + 1].text, "%19s %d", word, &at_y);
    const char *found = *word ? strstr(names, word) : NULL;
    for (const char *c = names; found && c <= found; c++)
        at_m += *c >= 'A' && *c <= 'Z';
    if (!found)
        return home(s);
    const int months = 12 * (y - at_y) + m - at_m;
    if (months != 0)
        return click(s, "link", months > 0 ? "Next month" : "Previous month", 0);
    snprintf(day, sizeof day, "%d", d);
    return click(s, "link", day, 0);
}

static bool solve_paging(const solving *s)
{
    const json_t *items = json_object_get(s->site, "items");
    const size_t goal = (size_t)cmat_json_int(s->site, "goal", 0);
    const char *want = json_string_value(json_array_get(items, goal));
    const int per = (int)cmat_json_int(s->site, "per_page", 5);
    int page = 0;
    if (!want)
        return false;
    if (find(s->page, "link", want, 0) != WEB_NO_NODE)
        return click(s, "link", want, 0);
    for (int i = 0; i < (int)s->page->n; i++) {
        if (web_page_is(s->page, i, "h2") && i + 1 < (int)s->page->n && s->page->nodes[i + 1].text)
            return strcmp(s->page->nodes[i + 1].text, want) == 0
                       ? click(s, "button", cmat_json_str(s->site, "submit", ""), 0)
                       : click(s, "link", "Back to the list", 0);
        if (s->page->nodes[i].text)
            sscanf(s->page->nodes[i].text, "Page %d of", &page);
    }
    if (page == 0)
        return home(s);
    return click(s, "link", (int)goal / per + 1 > page ? "Next" : "Previous", 0);
}

static bool solve_login(const solving *s)
{
    bool missing = false;
    const char *user = cmat_json_str(s->site, "user", "");
    const json_t *goal = json_object_get(s->site, "goal"), *t;
    size_t i;
    if (put(s, "textbox", "User name", user, &missing))
        return true;
    if (!missing)
        return put(s, "password box", "Password", cmat_json_str(s->site, "password", ""),
                   &missing) ||
               click(s, "button", "Log in", 0);
    json_array_foreach(json_object_get(s->site, "settings"), i, t)
    {
        const bool wanted = json_integer_value(json_array_get(goal, 0)) == (json_int_t)i;
        const char *value = cmat_json_str(t, "now", "");
        if (wanted)
            value = json_string_value(
                json_array_get(json_object_get(t, "options"),
                               (size_t)json_integer_value(json_array_get(goal, 1))));
        if (put(s, "combobox", cmat_json_str(t, "label", ""), value, &missing))
            return true;
        if (missing)
            return home(s);
    }
    return click(s, "button", "Save", 0);
}

bool web_site_solve(const json_t *site, const web_page *page, web_move *out)
{
    const solving s = {site, page, out};
    const char *kind = cmat_json_str(site, "kind", "");
    *out = (web_move){.node = WEB_NO_NODE};
    if (strcmp(kind, "form") == 0)
        return solve_form(&s);
    if (strcmp(kind, "menu") == 0)
        return solve_menu(&s);
    if (strcmp(kind, "date") == 0)
        return solve_date(&s);
    if (strcmp(kind, "paging") == 0)
        return solve_paging(&s);
    if (strcmp(kind, "login") == 0)
        return solve_login(&s);
    return click(&s, "button", cmat_json_str(site, "submit", ""),
                 (int)cmat_json_int(site, "goal", 0)) ||
           home(&s);
}
