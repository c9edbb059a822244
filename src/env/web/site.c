/* site.c - what a made site answers. */
#include "env/web/site.h"
#include "core/json.h"
#include "core/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int param_int(const char *form, const char *name, int def)
{
    cmat_buf v = {0};
    char *end;
    long n = def;
    if (web_param(form, name, &v) && v.len > 0) {
        n = strtol(v.data, &end, 10);
        n = *end || n < 0 || n > 1000000 ? def : n;
    }
    cmat_buf_clear(&v);
    return (int)n;
}

/* ---- dates ---- */

int web_month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

int web_month_first(int year, int month)
{
    /* Zeller's congruence for day 1, shifted so that Monday is 0 */
    const int m = month < 3 ? month + 12 : month, y = month < 3 ? year - 1 : year;
    const int h = (1 + 13 * (m + 1) / 5 + y + y / 4 - y / 100 + y / 400) % 7; /* 0 Saturday */
    return (h + 5) % 7;
}

bool web_month_read(const char *s, int *year, int *month)
{
    return s && sscanf(s, "%4d-%2d", year, month) == 2 && *year >= 1900 && *year <= 2999 &&
           *month >= 1 && *month <= 12;
}

/* ---- parts of pages ---- */

static void text(cmat_buf *out, const char *s)
{
    cmat_text_html(out, s ? s : "", s ? strlen(s) : 0);
}

static const char *str(const json_t *j, const char *key)
{
    return cmat_json_str(j, key, "");
}

static void begin(const json_t *site, cmat_buf *out)
{
    cmat_buf_puts(out, "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    text(out, str(site, "title"));
    cmat_buf_puts(out, "</title></head><body><nav><a href=\"/\">Home</a></nav><h1>");
    text(out, str(site, "title"));
    cmat_buf_puts(out, "</h1>");
}

static void end(cmat_buf *out)
{
    cmat_buf_puts(out, "</body></html>");
}

static void link_to(cmat_buf *out, const char *href, const char *label)
{
    cmat_buf_printf(out, "<a href=\"%s\">", href);
    text(out, label);
    cmat_buf_puts(out, "</a> ");
}

static void button(cmat_buf *out, const char *label)
{
    cmat_buf_puts(out, "<button type=\"submit\">");
    text(out, label);
    cmat_buf_puts(out, "</button>");
}

static void finish(web_site_state *st, bool won, web_response *out)
{
    st->done = true;
    st->won = won;
    out->status = 303;
    snprintf(out->location, sizeof out->location, "/done");
}

static void send_to(web_response *out, const char *where)
{
    out->status = 303;
    snprintf(out->location, sizeof out->location, "%s", where);
}

/* ---- the kinds ---- */

static void put_options(cmat_buf *out, const json_t *options, const char *now)
{
    const json_t *o;
    size_t i;
    json_array_foreach(options, i, o)
    {
        const char *s = json_string_value(o);
        cmat_buf_printf(out, "<option%s>", now && strcmp(now, s) == 0 ? " selected" : "");
        text(out, s);
        cmat_buf_puts(out, "</option>");
    }
}

static void form_page(const json_t *site, cmat_buf *out)
{
    const json_t *f, *o;
    size_t i, k;
    cmat_buf_puts(out, "<form method=\"post\" action=\"/send\">");
    json_array_foreach(json_object_get(site, "fields"), i, f)
    {
        const char *type = str(f, "type"), *label = str(f, "label");
        if (strcmp(type, "radio") == 0) {
            cmat_buf_puts(out, "<fieldset><legend>");
            text(out, label);
            cmat_buf_puts(out, "</legend>");
            json_array_foreach(json_object_get(f, "options"), k, o)
            {
                cmat_buf_printf(out, "<label><input type=\"radio\" name=\"f%zu\" value=\"", i);
                text(out, json_string_value(o));
                cmat_buf_puts(out, "\"> ");
                text(out, json_string_value(o));
                cmat_buf_puts(out, "</label>");
            }
            cmat_buf_puts(out, "</fieldset>");
            continue;
        }
        cmat_buf_printf(out, "<p><label for=\"i%zu\">", i);
        text(out, label);
        cmat_buf_puts(out, "</label> ");
        if (strcmp(type, "select") == 0) {
            cmat_buf_printf(out, "<select id=\"i%zu\" name=\"f%zu\">", i, i);
            put_options(out, json_object_get(f, "options"), NULL);
            cmat_buf_puts(out, "</select>");
        } else if (strcmp(type, "checkbox") == 0) {
            cmat_buf_printf(out, "<input type=\"checkbox\" id=\"i%zu\" name=\"f%zu\" value=\"on\">",
                            i, i);
        } else {
            cmat_buf_printf(out, "<input type=\"text\" id=\"i%zu\" name=\"f%zu\">", i, i);
        }
        cmat_buf_puts(out, "</p>");
    }
    button(out, str(site, "submit"));
    cmat_buf_puts(out, "</form>");
}

static void form_send(const json_t *site, web_site_state *st, const char *form, web_response *out)
{
    const json_t *f;
    size_t i;
    bool right = true;
    json_array_foreach(json_object_get(site, "fields"), i, f)
    {
        cmat_buf v = {0};
        char name[32];
        const json_t *goal = json_object_get(f, "goal");
        snprintf(name, sizeof name, "f%zu", i);
        const bool sent = web_param(form, name, &v);
        if (json_is_boolean(goal))
            right &= sent == json_is_true(goal);
        else
            right &= strcmp(cmat_buf_str(&v), json_string_value(goal)) == 0;
        cmat_buf_clear(&v);
    }
    finish(st, right, out);
}

static const char *menu_label(const json_t *item)
{
    return json_is_string(item) ? json_string_value(item) : str(item, "label");
}

/* The item at "/m/1/0"; *on_way: it begins (or is) the goal. */
static const json_t *menu_at(const json_t *site, const char *path, bool *is_goal)
{
    const json_t *items = json_object_get(site, "items"), *item = NULL;
    const json_t *goal = json_object_get(site, "goal");
    size_t depth = 0;
    *is_goal = true;
    for (const char *p = path; *p == '/';) {
        char *end;
        const unsigned long k = strtoul(p + 1, &end, 10);
        if (end == p + 1 || !(item = json_array_get(items, k)))
            return NULL;
        *is_goal &= json_integer_value(json_array_get(goal, depth++)) == (json_int_t)k;
        items = json_is_object(item) ? json_object_get(item, "items") : NULL;
        p = end;
    }
    *is_goal &= json_is_string(item) && depth == json_array_size(goal);
    return item;
}

static bool menu_page(const json_t *site, web_site_state *st, const char *path, cmat_buf *out)
{
    const char *below = strncmp(path, "/m", 2) == 0 ? path + 2 : "";
    bool goal = false;
    const json_t *item = *below ? menu_at(site, below, &goal) : NULL, *sub;
    size_t i;
    if (*below && !item)
        return false;
    if (item) {
        cmat_buf_puts(out, "<h2>");
        text(out, menu_label(item));
        cmat_buf_puts(out, "</h2>");
    }
    if (json_is_string(item)) {
        cmat_buf_puts(out, "<p>This is the page ");
        text(out, menu_label(item));
        cmat_buf_puts(out, ".</p>");
        st->won |= goal;
        st->done |= goal;
        return true;
    }
    cmat_buf_puts(out, "<ul>");
    json_array_foreach(json_object_get(item ? item : site, "items"), i, sub)
    {
        char href[300];
        snprintf(href, sizeof href, "/m%s/%zu", below, i);
        cmat_buf_puts(out, "<li>");
        link_to(out, href, menu_label(sub));
        cmat_buf_puts(out, "</li>");
    }
    cmat_buf_puts(out, "</ul>");
    return true;
}

static void month_link(cmat_buf *out, int year, int month, const char *label)
{
    char href[64];
    year += month < 1 ? -1 : month > 12;
    month = month < 1 ? 12 : month > 12 ? 1 : month;
    snprintf(href, sizeof href, "/?m=%04d-%02d", year, month);
    link_to(out, href, label);
}

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

static void date_page(const json_t *site, const char *query, cmat_buf *out)
{
    cmat_buf m = {0};
    int year = 0, month = 0;
    web_param(query, "m", &m);
    if (!web_month_read(cmat_buf_str(&m), &year, &month))
        web_month_read(str(site, "month"), &year, &month);
    cmat_buf_clear(&m);
    const int n = web_month_days(year, month), day = param_int(query, "d", 0);
    cmat_buf_printf(out, "<h2>%s %d</h2><p>", months[month - 1], year);
    month_link(out, year, month - 1, "Previous month");
    month_link(out, year, month + 1, "Next month");
    cmat_buf_puts(out,
                  "</p><table><tr><th>Mo</th><th>Tu</th><th>We</th><th>Th</th><th>Fr</th>"
                  "<th>Sa</th><th>Su</th></tr>");
    for (int cell = -web_month_first(year, month); cell < n;) {
        cmat_buf_puts(out, "<tr>");
        for (int k = 0; k < 7; k++, cell++) {
            cmat_buf_puts(out, "<td>");
            if (cell >= 0 && cell < n)
                cmat_buf_printf(out, "<a href=\"/?m=%04d-%02d&amp;d=%d\">%d</a>", year, month,
                                cell + 1, cell + 1);
            cmat_buf_puts(out, "</td>");
        }
        cmat_buf_puts(out, "</tr>");
    }
    cmat_buf_puts(out, "</table>");
    if (day < 1 || day > n)
        return;
    cmat_buf_printf(out,
                    "<form method=\"post\" action=\"/send\"><p>Chosen: %d %s %d</p><input "
                    "type=\"hidden\" name=\"date\" value=\"%04d-%02d-%02d\">",
                    day, months[month - 1], year, year, month, day);
    button(out, str(site, "submit"));
    cmat_buf_puts(out, "</form>");
}

static void date_send(const json_t *site, web_site_state *st, const char *form, web_response *out)
{
    cmat_buf v = {0};
    web_param(form, "date", &v);
    finish(st, strcmp(cmat_buf_str(&v), str(site, "goal")) == 0, out);
    cmat_buf_clear(&v);
}

static void table_page(const json_t *site, cmat_buf *out)
{
    const json_t *row, *cell;
    size_t r, c;
    cmat_buf_puts(out, "<table><tr>");
    json_array_foreach(json_object_get(site, "columns"), c, cell)
    {
        cmat_buf_puts(out, "<th>");
        text(out, json_string_value(cell));
        cmat_buf_puts(out, "</th>");
    }
    cmat_buf_puts(out, "<th></th></tr>");
    json_array_foreach(json_object_get(site, "rows"), r, row)
    {
        cmat_buf_puts(out, "<tr>");
        json_array_foreach(row, c, cell)
        {
            cmat_buf_puts(out, "<td>");
            text(out, json_string_value(cell));
            cmat_buf_puts(out, "</td>");
        }
        cmat_buf_printf(out,
                        "<td><form method=\"post\" action=\"/send\"><input type=\"hidden\" "
                        "name=\"row\" value=\"%zu\">",
                        r);
        button(out, str(site, "submit"));
        cmat_buf_puts(out, "</form></td></tr>");
    }
    cmat_buf_puts(out, "</table>");
}

static bool paging_page(const json_t *site, const char *path, const char *query, cmat_buf *out)
{
    const json_t *items = json_object_get(site, "items");
    const int n = (int)json_array_size(items), per = (int)cmat_json_int(site, "per_page", 5);
    const int n_pages = (n + per - 1) / per;
    if (strncmp(path, "/item/", 6) == 0) {
        const int k = atoi(path + 6);
        if (k < 0 || k >= n)
            return false;
        cmat_buf_puts(out, "<h2>");
        text(out, json_string_value(json_array_get(items, (size_t)k)));
        cmat_buf_printf(out,
                        "</h2><form method=\"post\" action=\"/send\"><input type=\"hidden\" "
                        "name=\"row\" value=\"%d\">",
                        k);
        button(out, str(site, "submit"));
        cmat_buf_printf(out, "</form><p><a href=\"/?page=%d\">Back to the list</a></p>",
                        k / per + 1);
        return true;
    }
    int page = param_int(query, "page", 1);
    page = page < 1 ? 1 : page > n_pages ? n_pages : page;
    cmat_buf_printf(out, "<p>Page %d of %d</p><ul>", page, n_pages);
    for (int k = (page - 1) * per; k < n && k < page * per; k++) {
        cmat_buf_printf(out, "<li><a href=\"/item/%d\">", k);
        text(out, json_string_value(json_array_get(items, (size_t)k)));
        cmat_buf_puts(out, "</a></li>");
    }
    cmat_buf_puts(out, "</ul><p>");
    if (page > 1)
        cmat_buf_printf(out, "<a href=\"/?page=%d\">Previous</a> ", page - 1);
    if (page < n_pages)
        cmat_buf_printf(out, "<a href=\"/?page=%d\">Next</a>", page + 1);
    cmat_buf_puts(out, "</p>");
    return true;
}

static void row_send(const json_t *site, web_site_state *st, const char *form, web_response *out)
{
    finish(st, param_int(form, "row", -1) == cmat_json_int(site, "goal", -2), out);
}

static void login_page(const json_t *site, const web_site_state *st, const char *query,
                       cmat_buf *out)
{
    const json_t *s;
    size_t i;
    if (!st->in) {
        if (param_int(query, "wrong", 0))
            cmat_buf_puts(out, "<p role=\"alert\">Wrong user name or password.</p>");
        cmat_buf_puts(
            out,
            "<form method=\"post\" action=\"/login\"><p><label for=\"u\">User name</label> "
            "<input type=\"text\" id=\"u\" name=\"user\"></p><p><label "
            "for=\"p\">Password</label> <input type=\"password\" id=\"p\" "
            "name=\"password\"></p>");
        button(out, "Log in");
        cmat_buf_puts(out, "</form>");
        return;
    }
    cmat_buf_puts(out, "<p>Logged in as ");
    text(out, str(site, "user"));
    cmat_buf_puts(out,
                  ". <a href=\"/logout\">Log out</a></p><form method=\"post\" action=\"/send\">");
    json_array_foreach(json_object_get(site, "settings"), i, s)
    {
        cmat_buf_printf(out, "<p><label for=\"s%zu\">", i);
        text(out, str(s, "label"));
        cmat_buf_printf(out, "</label> <select id=\"s%zu\" name=\"s%zu\">", i, i);
        put_options(out, json_object_get(s, "options"), str(s, "now"));
        cmat_buf_puts(out, "</select></p>");
    }
    button(out, "Save");
    cmat_buf_puts(out, "</form>");
}

static void login_post(const json_t *site, web_site_state *st, const char *path, const char *form,
                       web_response *out)
{
    const json_t *s, *goal = json_object_get(site, "goal");
    size_t i;
    cmat_buf user = {0}, password = {0};
    bool right = true;
    if (strcmp(path, "/login") == 0) {
        web_param(form, "user", &user);
        web_param(form, "password", &password);
        st->in = strcmp(cmat_buf_str(&user), str(site, "user")) == 0 &&
                 strcmp(cmat_buf_str(&password), str(site, "password")) == 0;
        send_to(out, st->in ? "/" : "/?wrong=1");
        cmat_buf_clear(&user);
        cmat_buf_clear(&password);
        return;
    }
    if (!st->in) {
        send_to(out, "/");
        return;
    }
    json_array_foreach(json_object_get(site, "settings"), i, s)
    {
        cmat_buf v = {0};
        char name[32];
        const bool wanted = json_integer_value(json_array_get(goal, 0)) == (json_int_t)i;
        const size_t k = (size_t)json_integer_value(json_array_get(goal, 1));
        const char *should =
            wanted ? json_string_value(json_array_get(json_object_get(s, "options"), k))
                   : str(s, "now");
        snprintf(name, sizeof name, "s%zu", i);
        web_param(form, name, &v);
        right &= strcmp(cmat_buf_str(&v), should) == 0;
        cmat_buf_clear(&v);
    }
    finish(st, right, out);
}

/* ---- requests ---- */

static bool is_kind(const json_t *site, const char *kind)
{
    return strcmp(str(site, "kind"), kind) == 0;
}

static void post(const json_t *site, web_site_state *st, const char *path, const char *form,
                 web_response *out)
{
    if (is_kind(site, "login"))
        login_post(site, st, path, form, out);
    else if (is_kind(site, "form"))
        form_send(site, st, form, out);
    else if (is_kind(site, "date"))
        date_send(site, st, form, out);
    else
        row_send(site, st, form, out);
}

static bool get(const json_t *site, web_site_state *st, const char *path, const char *query,
                cmat_buf *out)
{
    if (is_kind(site, "menu"))
        return menu_page(site, st, path, out);
    if (is_kind(site, "paging"))
        return paging_page(site, path, query, out);
    if (strcmp(path, "/") != 0)
        return false;
    if (is_kind(site, "form"))
        form_page(site, out);
    else if (is_kind(site, "date"))
        date_page(site, query, out);
    else if (is_kind(site, "table"))
        table_page(site, out);
    else
        login_page(site, st, query, out);
    return true;
}

void web_site_respond(const json_t *site, web_site_state *st, const char *target, const char *form,
                      web_response *out)
{
    char path[256];
    const size_t n = strcspn(target, "?#");
    const char *query = target[n] == '?' ? target + n + 1 : "";
    snprintf(path, sizeof path, "%.*s", (int)(n < 255 ? n : 255), target);
    cmat_buf_truncate(&out->body, 0);
    out->status = 200;
    if (form && !st->done) {
        post(site, st, path, form, out);
        return;
    }
    if (is_kind(site, "login") && strcmp(path, "/logout") == 0) {
        st->in = false;
        send_to(out, "/");
        return;
    }
    begin(site, &out->body);
    if (strcmp(path, "/done") == 0 && st->done) {
        cmat_buf_puts(&out->body, "<p>Thank you. Your request was received.</p>");
    } else if (!get(site, st, path, query, &out->body)) {
        out->status = 404;
        cmat_buf_puts(&out->body, "<p>There is no such page.</p>");
    }
    end(&out->body);
}
