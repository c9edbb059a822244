/* shop_pages.c - see shop_pages.h. */
#include "env/web/shop_pages.h"
#include "core/json.h"
#include "core/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool web_is_shop_task(const json_t *task)
{
    return strcmp(cmat_json_str(task, "env", ""), "shop") == 0;
}

/* What stands between the brackets of gold action k, the caller's to free(); NULL: no such action.
 */
static char *argument(const json_t *gold, size_t k, const char *verb)
{
    const char *s = json_string_value(json_array_get(gold, k));
    const size_t n = strlen(verb);
    const char *end = s ? strrchr(s, ']') : NULL;
    if (!end || strncmp(s, verb, n) != 0 || s[n] != '[')
        return NULL;
    return cmat_xstrndup(s + n + 1, (size_t)(end - s) - n - 1);
}

static bool act(web_move *m, web_op op, int node, const char *value)
{
    *m = (web_move){.op = op, .node = node};
    snprintf(m->value, sizeof m->value, "%s", value);
    return node != WEB_NO_NODE;
}

/* The first element of this role whose name is (whole) or begins with a text. */
static int find(const web_page *p, const char *role, const char *name, bool whole)
{
    cmat_buf own = {0};
    int found = WEB_NO_NODE;
    for (int i = 0; i < (int)p->n && found == WEB_NO_NODE; i++) {
        if (!web_is_actor(p, i) || strcmp(web_role(p, i), role) != 0)
            continue;
        cmat_buf_truncate(&own, 0);
        web_name(p, i, &own);
        if (whole ? strcasecmp(cmat_buf_str(&own), name) == 0
                  : strncasecmp(cmat_buf_str(&own), name, strlen(name)) == 0)
            found = i;
    }
    cmat_buf_clear(&own);
    return found;
}

static int find_item(const web_page *p, const char *asin)
{
    for (int i = 0; i < (int)p->n; i++) {
        const char *href = web_page_is(p, i, "a") ? web_page_attr(p, i, "href") : NULL;
        const char *item = href ? strstr(href, "item/") : NULL;
        if (item && strncasecmp(item + 5, asin, strlen(asin)) == 0)
            return i;
    }
    return WEB_NO_NODE;
}

static bool on_item(const json_t *gold, const web_page *p, int buy, web_move *m)
{
    for (size_t k = 2; k + 1 < json_array_size(gold); k++) {
        char *option = argument(gold, k, "click");
        const int radio = option ? find(p, "radio", option, true) : WEB_NO_NODE;
        free(option);
        if (radio != WEB_NO_NODE && !web_page_attr(p, radio, "checked"))
            return act(m, WEB_CLICK, radio, "");
    }
    return act(m, WEB_CLICK, buy, "");
}

bool web_shop_solve(const json_t *task, const web_page *p, web_move *m)
{
    const json_t *gold = json_object_get(task, "gold");
    char *words = argument(gold, 0, "search"), *asin = argument(gold, 1, "click");
    const int buy = find(p, "button", "Buy Now", true);
    const int item = asin ? find_item(p, asin) : WEB_NO_NODE, next = find(p, "link", "Next", false);
    const int box = find(p, "textbox", "", false), search = find(p, "button", "Search", true);
    bool found = false;
    if (words && asin && buy != WEB_NO_NODE) {
        found = on_item(gold, p, buy, m);
    } else if (words && asin && (item != WEB_NO_NODE || next != WEB_NO_NODE)) {
        found = act(m, WEB_CLICK, item != WEB_NO_NODE ? item : next, "");
    } else if (words && asin && box != WEB_NO_NODE) {
        const char *now = web_page_attr(p, box, "value");
        found = now && strcmp(now, words) == 0 ? act(m, WEB_CLICK, search, "")
                                               : act(m, WEB_TYPE, box, words);
    } else if (words && asin) {
        found = act(m, WEB_CLICK, find(p, "link", "Back to Search", false), "");
    }
    free(words);
    free(asin);
    return found;
}
