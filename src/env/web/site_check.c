/* site_check.c - is a task's "site" one of those in site.h? */
#include "core/json.h"
#include "env/web/site.h"
#include <string.h>

static const char *str(const json_t *j, const char *key)
{
    return cmat_json_str(j, key, "");
}

static bool is_kind(const json_t *site, const char *kind)
{
    return strcmp(str(site, "kind"), kind) == 0;
}

static bool strings(const json_t *a, size_t least, size_t most)
{
    const json_t *s;
    size_t i;
    if (!json_is_array(a) || json_array_size(a) < least || json_array_size(a) > most)
        return false;
    json_array_foreach(a, i, s) if (!json_is_string(s)) return false;
    return true;
}

static const char *check_form(const json_t *site)
{
    const json_t *f;
    size_t i;
    if (json_array_size(json_object_get(site, "fields")) == 0)
        return "fields";
    json_array_foreach(json_object_get(site, "fields"), i, f)
    {
        const char *type = str(f, "type");
        const json_t *goal = json_object_get(f, "goal");
        const bool choice = strcmp(type, "select") == 0 || strcmp(type, "radio") == 0;
        if (choice && !strings(json_object_get(f, "options"), 1, 100))
            return "fields: options";
        if (!choice && strcmp(type, "text") != 0 && strcmp(type, "checkbox") != 0)
            return "fields: type";
        if (strcmp(type, "checkbox") == 0 ? !json_is_boolean(goal) : !json_is_string(goal))
            return "fields: goal";
    }
    return NULL;
}

static bool menu_items_ok(const json_t *items, int depth)
{
    const json_t *i;
    size_t k;
    if (depth > 8 || !json_is_array(items))
        return false;
    json_array_foreach(items, k,
                       i) if (!json_is_string(i) &&
                              !menu_items_ok(json_object_get(i, "items"), depth + 1)) return false;
    return true;
}

static const char *check_rest(const json_t *site)
{
    const json_t *row, *goal = json_object_get(site, "goal"), *s;
    size_t i;
    int y, m, d;
    if (is_kind(site, "menu"))
        return !menu_items_ok(json_object_get(site, "items"), 0) ? "items"
               : json_array_size(goal) == 0                      ? "goal"
                                                                 : NULL;
    if (is_kind(site, "date"))
        return !web_month_read(cmat_json_str(site, "month", NULL), &y, &m) ? "month"
               : sscanf(str(site, "goal"), "%4d-%2d-%2d", &y, &m, &d) != 3 || m < 1 || m > 12
                   ? "goal"
                   : NULL;
    if (is_kind(site, "table")) {
        if (!strings(json_object_get(site, "columns"), 1, 50))
            return "columns";
        json_array_foreach(json_object_get(site, "rows"), i,
                           row) if (!strings(row, 1, 50)) return "rows";
        return json_is_integer(goal) ? NULL : "goal";
    }
    if (is_kind(site, "paging"))
        return !strings(json_object_get(site, "items"), 1, 10000) ? "items"
               : cmat_json_int(site, "per_page", 5) < 1 ||
                       cmat_json_int(site, "per_page", 5) > 10000
                   ? "per_page"
               : json_is_integer(goal) ? NULL
                                       : "goal";
    json_array_foreach(json_object_get(site, "settings"), i,
                       s) if (!strings(json_object_get(s, "options"), 1, 100)) return "settings";
    s = json_array_get(json_object_get(site, "settings"),
                       (size_t)json_integer_value(json_array_get(goal, 0)));
    return !*str(site, "user") ? "user"
           : !json_is_string(json_array_get(json_object_get(s, "options"),
                                            (size_t)json_integer_value(json_array_get(goal, 1))))
               ? "goal"
               : NULL;
}

cmat_status web_site_check(const json_t *site, cmat_error *err)
{
    static const char *const kinds[] = {"form", "menu", "date", "table", "paging", "login"};
    bool known = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        known |= is_kind(site, kinds[i]);
    if (!json_is_object(site) || !known)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "site: kind is none of form, menu, date, table, paging, login");
    const char *wrong = is_kind(site, "form") ? check_form(site) : check_rest(site);
    if (wrong)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "site: member \"%s\" is missing or not what it should be", wrong);
    return CMAT_OK;
}
