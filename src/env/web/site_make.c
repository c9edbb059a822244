/* site_make.c - made sites and their tasks. A goal belongs to the split that its hash says, so that
 * no question and no site of one split occurs in another; each task is solved before it is given
 * out. */
#include "core/hash.h"
#include "core/json.h"
#include "core/text.h"
#include "env/web/browse.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 60 };

static const char *const first_names[] = {
    "Ada",   "Bruno", "Carla", "Dmitri", "Elif",  "Farid", "Greta", "Hugo",  "Ines",  "Jonas",
    "Keiko", "Lars",  "Marta", "Nils",   "Olga",  "Pablo", "Quinn", "Rosa",  "Samir", "Tove",
    "Ugo",   "Vera",  "Wanda", "Xenia",  "Yusuf", "Zoe",   "Anton", "Birte", "Cyril", "Dora",
    "Emil",  "Flora", "Goran", "Hanna",  "Ivo",   "Julia", "Karim", "Lea",   "Milan", "Nora"};
static const char *const last_names[] = {"Abbott", "Berg",   "Castro", "Dahl",   "Evers", "Fiore",
                                         "Grant",  "Holm",   "Ivanov", "Jansen", "Kovac", "Lund",
                                         "Moss",   "Novak",  "Ortega", "Petit",  "Quist", "Rossi",
                                         "Sauer",  "Tanaka", "Unger",  "Vidal",  "Weber", "Yilmaz",
                                         "Zeman",  "Ames",   "Brandt", "Correa", "Drake", "Egger"};
static const char *const cities[] = {
    "Aarhus", "Bergen", "Cardiff", "Dresden", "Evora",   "Florence", "Ghent",  "Helsinki",
    "Izmir",  "Krakow", "Lyon",    "Malaga",  "Nantes",  "Oslo",     "Porto",  "Riga",
    "Split",  "Turin",  "Utrecht", "Vienna",  "Wroclaw", "York",     "Zagreb", "Zurich"};
static const char *const things[] = {"lamp",   "kettle",  "desk",   "chair", "rug",
                                     "mirror", "clock",   "shelf",  "vase",  "blanket",
                                     "basket", "stool",   "pillow", "tray",  "teapot",
                                     "ladder", "curtain", "heater", "radio", "toaster"};
static const char *const makers[] = {
    "Alder",   "Birch",  "Cedar", "Dune", "Ember", "Fjord", "Grove",  "Heron", "Islet", "Juniper",
    "Kestrel", "Linden", "Maple", "Nova", "Onyx",  "Pine",  "Quartz", "Raven", "Sage",  "Tern"};
static const char *const sizes[] = {"Small", "Medium", "Large", "Extra large"};
static const char *const meals[] = {"Meat", "Fish", "Vegetarian", "Vegan"};
static const char *const ways[] = {"Post", "Courier", "Collect in person"};
static const char *const paying[] = {"Invoice", "Card", "Bank transfer"};
static const char *const topics[] = {
    "Help",       "Orders",     "Returns",   "Payments",    "Careers",   "Press",
    "Stores",     "Gifts",      "Repairs",   "Warranty",    "Privacy",   "Delivery",
    "Prices",     "Members",    "Catalogue", "News",        "Events",    "Contact",
    "Partners",   "Safety",     "Recycling", "Spare parts", "Manuals",   "Opening hours",
    "Size guide", "Gift cards", "Sizes",     "Reviews",     "Downloads", "Training"};
static const char *const setting_names[] = {"Newsletter", "Language", "Time zone",
                                            "Theme",      "Currency", "Reminders"};
static const char *const setting_options[][4] = {
    {"Never", "Daily", "Weekly", "Monthly"},  {"English", "German", "French", "Spanish"},
    {"London", "Berlin", "Athens", "Lisbon"}, {"Light", "Dark", "Sepia", "High contrast"},
    {"Euro", "Pound", "Krona", "Zloty"},      {"Off", "By mail", "By text message", "By phone"}};
static const char *const buttons[] = {"Send", "Submit", "Confirm", "Apply"};

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define PICK(rng, a) ((a)[cmat_rng_below(rng, COUNT(a))])

static json_t *array_of(const char *const *words, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_string(words[i]));
    return a;
}

static void add_field(json_t *fields, const char *label, const char *type, json_t *options,
                      json_t *goal)
{
    json_array_append_new(fields, json_pack("{s:s, s:s, s:o?, s:o}", "label", label, "type", type,
                                            "options", options, "goal", goal));
}

static json_t *make_form(cmat_rng *rng, cmat_buf *ask)
{
    json_t *fields = json_array();
    char name[80];
    snprintf(name, sizeof name, "%s %s", PICK(rng, first_names), PICK(rng, last_names));
    const char *city = PICK(rng, cities), *size = PICK(rng, sizes), *meal = PICK(rng, meals);
    const char *way = PICK(rng, ways), *pay = PICK(rng, paying);
    const bool news = cmat_rng_below(rng, 2);
    char guests[16];
    snprintf(guests, sizeof guests, "%d", (int)cmat_rng_below(rng, 9) + 1);
    add_field(fields, "Full name", "text", NULL, json_string(name));
    if (cmat_rng_below(rng, 2)) {
        cmat_buf_printf(ask, "Register %s from %s", name, city);
        add_field(fields, "City", "text", NULL, json_string(city));
    } else {
        cmat_buf_printf(ask, "Register %s", name);
    }
    switch (cmat_rng_below(rng, 3)) {
    case 0:
        cmat_buf_printf(ask, " for the course, shirt size %s", size);
        add_field(fields, "Shirt size", "select", array_of(sizes, COUNT(sizes)), json_string(size));
        break;
    case 1:
        cmat_buf_printf(ask, " for the dinner with %s guests, meal %s", guests, meal);
        add_field(fields, "Guests", "text", NULL, json_string(guests));
        add_field(fields, "Meal", "select", array_of(meals, COUNT(meals)), json_string(meal));
        break;
    default:
        cmat_buf_printf(ask, " for the catalogue, delivery %s", way);
        add_field(fields, "Delivery", "radio", array_of(ways, COUNT(ways)), json_string(way));
    }
    if (cmat_rng_below(rng, 2)) {
        cmat_buf_printf(ask, ", payment %s", pay);
        add_field(fields, "Payment", "radio", array_of(paying, COUNT(paying)), json_string(pay));
    }
    cmat_buf_printf(ask, ", %s the newsletter.", news ? "with" : "without");
    add_field(fields, "Newsletter", "checkbox", NULL, json_boolean(news));
    return json_pack("{s:s, s:s, s:s, s:o}", "kind", "form", "title", "Registration", "submit",
                     PICK(rng, buttons), "fields", fields);
}

static json_t *make_menu(cmat_rng *rng, cmat_buf *ask)
{
    const char *words[COUNT(topics)];
    size_t next = 0;
    const size_t n_top = 3 + cmat_rng_below(rng, 2), depth = 2 + cmat_rng_below(rng, 2);
    memcpy(words, topics, sizeof words);
    cmat_rng_shuffle(rng, words, COUNT(words), sizeof *words);
    json_t *items = json_array(), *goal = json_array();
    const size_t want = cmat_rng_below(rng, n_top);
    cmat_buf_puts(ask, PICK(rng, ((const char *const[]){"Open the page", "Go to the page"})));
    cmat_buf path = {0};
    for (size_t i = 0; i < n_top; i++) {
        json_t *below = json_array();
        const char *top = words[next++];
        const size_t n_sub = 2 + cmat_rng_below(rng, 2), want_sub = cmat_rng_below(rng, n_sub);
        if (i == want) {
            json_array_append_new(goal, json_integer((json_int_t)i));
            json_array_append_new(goal, json_integer((json_int_t)want_sub));
            cmat_buf_puts(&path, top);
        }
        for (size_t k = 0; k < n_sub; k++) {
            const char *sub = words[next++];
            const bool way = i == want && k == want_sub;
            if (way)
                cmat_buf_printf(&path, " > %s", sub);
            if (depth == 3 && way && next + 2 < COUNT(words)) {
                const size_t leaf = cmat_rng_below(rng, 2);
                json_t *leaves = json_array();
                json_array_append_new(goal, json_integer((json_int_t)leaf));
                cmat_buf_printf(&path, " > %s", words[next + leaf]);
                json_array_append_new(leaves, json_string(words[next]));
                json_array_append_new(leaves, json_string(words[next + 1]));
                next += 2;
                json_array_append_new(below,
                                      json_pack("{s:s, s:o}", "label", sub, "items", leaves));
            } else {
                json_array_append_new(below, json_string(sub));
            }
        }
        json_array_append_new(items, json_pack("{s:s, s:o}", "label", top, "items", below));
    }
    cmat_buf_printf(ask, " %s.", cmat_buf_str(&path));
    cmat_buf_clear(&path);
    return json_pack("{s:s, s:s, s:o, s:o}", "kind", "menu", "title", "Information", "items", items,
                     "goal", goal);
}

static json_t *make_date(cmat_rng *rng, cmat_buf *ask)
{
    static const char *const names[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
    static const char *const what[] = {"a table", "a room", "the hall", "a boat", "a tennis court"};
    const int at = 12 * (2024 + (int)cmat_rng_below(rng, 6)) + (int)cmat_rng_below(rng, 12);
    const int goal = at + (int)cmat_rng_below(rng, 6) - 2;
    const int day =
        1 + (int)cmat_rng_below(rng, (uint64_t)web_month_days(goal / 12, goal % 12 + 1));
    char month[32], date[40];
    snprintf(month, sizeof month, "%04d-%02d", at / 12, at % 12 + 1);
    snprintf(date, sizeof date, "%04d-%02d-%02d", goal / 12, goal % 12 + 1, day);
    const char *thing = PICK(rng, what);
    if (cmat_rng_below(rng, 2))
        cmat_buf_printf(ask, "Book %s for %d %s %d.", thing, day, names[goal % 12], goal / 12);
    else
        cmat_buf_printf(ask, "Book %s for %s.", thing, date);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", "date", "title", "Booking", "submit",
                     "Book", "month", month, "goal", date);
}

/* A table whose rows have different codes, names and prices. */
static json_t *make_table(cmat_rng *rng, cmat_buf *ask)
{
    static const char *const columns[] = {"Code", "Item", "Price", "Stock"};
    const size_t n = 5 + cmat_rng_below(rng, 6), want = cmat_rng_below(rng, n);
    const size_t ask_for = cmat_rng_below(rng, 3), base = cmat_rng_below(rng, 400);
    const char *thing = PICK(rng, things);
    json_t *rows = json_array();
    size_t best = n;
    int least = 0, most = 0;
    char code[16] = "", item[64] = "";
    size_t order[16], maker[COUNT(makers)];
    for (size_t i = 0; i < 16; i++)
        order[i] = i;
    for (size_t i = 0; i < COUNT(makers); i++)
        maker[i] = i;
    cmat_rng_shuffle(rng, order, n, sizeof *order);
    cmat_rng_shuffle(rng, maker, COUNT(makers), sizeof *maker);
    const bool cheapest = cmat_rng_below(rng, 2);
    for (size_t i = 0; i < n; i++) {
        char c[16], it[64], price[32], stock[16];
        const bool same = ask_for == 2 ? i < 3 || cmat_rng_below(rng, 2) : false;
        const int cents = 500 + (int)(37 * order[i] + base) * 25 % 9000;
        snprintf(c, sizeof c, "%c%d", 'A' + (char)cmat_rng_below(rng, 6),
                 100 + (int)(order[i] * 53 + base) % 900);
        snprintf(it, sizeof it, "%s %s", makers[maker[i]], same ? thing : PICK(rng, things));
        snprintf(price, sizeof price, "%d.%02d", cents / 100, cents % 100);
        snprintf(stock, sizeof stock, "%d", (int)cmat_rng_below(rng, 60));
        json_array_append_new(rows, json_pack("[s, s, s, s]", c, it, price, stock));
        if (i == want) {
            snprintf(code, sizeof code, "%s", c);
            snprintf(item, sizeof item, "%s", it);
        }
        const char *kind = strchr(it, ' ') + 1;
        if (ask_for == 2 && strcmp(kind, thing) == 0 &&
            (best == n || (cheapest ? cents < least : cents > most))) {
            best = i;
            least = most = cents;
        }
    }
    if (ask_for == 0)
        cmat_buf_printf(ask, "Order the item with code %s.", code);
    else if (ask_for == 1)
        cmat_buf_printf(ask, "Order the %s.", item);
    else
        cmat_buf_printf(ask, "Order the %s %s.", cheapest ? "cheapest" : "most expensive", thing);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:i}", "kind", "table", "title", "Stock list",
                     "submit", "Order", "columns", array_of(columns, COUNT(columns)), "rows", rows,
                     "goal", (int)(ask_for == 2 ? best : want));
}

static json_t *make_paging(cmat_rng *rng, cmat_buf *ask)
{
    const int per = 4 + (int)cmat_rng_below(rng, 3);
    const size_t n = (size_t)per * (3 + cmat_rng_below(rng, 3)) - cmat_rng_below(rng, 3);
    size_t order[COUNT(first_names)];
    json_t *items = json_array();
    for (size_t i = 0; i < COUNT(order); i++)
        order[i] = i;
    cmat_rng_shuffle(rng, order, COUNT(order), sizeof *order);
    const size_t want = cmat_rng_below(rng, n);
    for (size_t i = 0; i < n; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s %s", first_names[order[i]], PICK(rng, last_names));
        json_array_append_new(items, json_string(name));
        if (i == want)
            cmat_buf_printf(
                ask,
                PICK(rng, ((const char *const[]){"Find %s in the list and call back.",
                                                 "Ask %s from the list to call back."})),
                name);
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:i, s:i}", "kind", "paging", "title", "People",
                     "submit", "Ask to call back", "items", items, "per_page", per, "goal",
                     (int)want);
}

static json_t *make_login(cmat_rng *rng, cmat_buf *ask)
{
    char user[32], password[16];
    const size_t n = 2 + cmat_rng_below(rng, 2), want = cmat_rng_below(rng, n);
    size_t order[COUNT(setting_names)], option = 0;
    json_t *settings = json_array();
    snprintf(user, sizeof user, "%s%d", PICK(rng, first_names), 10 + (int)cmat_rng_below(rng, 90));
    user[0] = (char)tolower((unsigned char)user[0]);
    for (int i = 0; i < 7; i++)
        password[i] = "abcdefghjkmnpqrstuvwxyz23456789"[cmat_rng_below(rng, 31)];
    password[7] = '\0';
    for (size_t i = 0; i < COUNT(order); i++)
        order[i] = i;
    cmat_rng_shuffle(rng, order, COUNT(order), sizeof *order);
    for (size_t i = 0; i < n; i++) {
        const size_t s = order[i], now = cmat_rng_below(rng, 4);
        json_array_append_new(settings, json_pack("{s:s, s:o, s:s}", "label", setting_names[s],
                                                  "options", array_of(setting_options[s], 4), "now",
                                                  setting_options[s][now]));
        if (i == want) {
            option = (now + 1 + cmat_rng_below(rng, 3)) % 4;
            cmat_buf_printf(ask, "Log in as %s with the password %s and set %s to %s.", user,
                            password, setting_names[s], setting_options[s][option]);
        }
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:[i, i]}", "kind", "login", "title",
                     "Your account", "user", user, "password", password, "settings", settings,
                     "goal", (int)want, (int)option);
}

/* Plays the solver; the replies that it gave, in the short style. NULL: it did not get there. */
static json_t *gold_of(const json_t *site)
{
    web_browser b = {0};
    web_move m = {0};
    json_t *gold = json_array();
    cmat_buf note = {0};
    web_browser_start(&b, site, NULL);
    for (int i = 0; i < MAX_STEPS && !b.state.done && web_site_solve(site, &b.page, &m); i++) {
        cmat_buf reply = {0};
        web_view v = {0};
        size_t k = 0;
        web_view_make(&v, &b.page, 0, 0);
        while (k < v.n && v.elements[k] != m.node)
            k++;
        cmat_buf_printf(&reply, m.op == WEB_CLICK ? "%s %zu" : "%s %zu: %s", web_op_name(m.op),
                        k + 1, m.value);
        json_array_append_new(gold, json_string(cmat_buf_str(&reply)));
        web_browser_act(&b, m.op, m.node, m.value, &note);
        cmat_buf_clear(&reply);
        web_view_clear(&v);
    }
    const bool won = b.state.won;
    web_browser_clear(&b);
    cmat_buf_clear(&note);
    if (won)
        return gold;
    json_decref(gold);
    return NULL;
}

/* What was asked decides the split: 8 of 10 train, 1 validation, 1 held out. */
static int split_of(const char *ask)
{
    const uint64_t h = cmat_fnv1a(ask, strlen(ask)) % 10;
    return h < 8 ? 0 : h == 8 ? 1 : 2;
}

static cmat_status add_task(const char *kind, const char *ask, json_t *site, json_t *gold,
                            cmat_task_list *out, cmat_error *err)
{
    char hex[65], id[64], name[32];
    cmat_buf text = {0};
    cmat_task t;
    cmat_buf_puts(&text, ask);
    cmat_json_print(&text, site);
    cmat_sha256_hex(text.data, text.len, hex);
    cmat_buf_clear(&text);
    snprintf(id, sizeof id, "web-%s-%.16s", kind, hex);
    snprintf(name, sizeof name, "site %s", kind);
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "id", id, "env", "web", "kind", name,
                          "instruction", ask, "site", site, "gold", gold);
    cmat_status st = cmat_task_init(&t, j, err);
    json_decref(j);
    if (st == CMAT_OK)
        cmat_task_list_add(out, t);
    return st;
}

cmat_status web_site_generate(int split, size_t n, uint64_t seed, cmat_task_list *out,
                              cmat_error *err)
{
    static const struct {
        const char *kind;
        json_t *(*make)(cmat_rng *rng, cmat_buf *ask);
    } kinds[] = {{"form", make_form},   {"menu", make_menu},     {"date", make_date},
                 {"table", make_table}, {"paging", make_paging}, {"login", make_login}};
    const size_t before = out->n;
    json_t *seen = json_object();
    cmat_status st = CMAT_OK;
    for (uint64_t draw = 0, idle = 0; st == CMAT_OK && out->n - before < n && idle < 2000; draw++) {
        const size_t k = (out->n - before) % COUNT(kinds);
        cmat_rng rng;
        cmat_buf ask = {0};
        cmat_rng_init_sub(&rng, seed, draw);
        json_t *site = kinds[k].make(&rng, &ask), *gold = NULL;
        if (split_of(cmat_buf_str(&ask)) == split && !json_object_get(seen, ask.data) &&
            (gold = gold_of(site))) {
            json_object_set_new(seen, ask.data, json_true());
            st = add_task(kinds[k].kind, ask.data, site, gold, out, err);
            idle = 0;
        } else {
            json_decref(site);
            idle++;
        }
        cmat_buf_clear(&ask);
    }
    json_decref(seen);
    return st == CMAT_OK && out->n - before < n
               ? cmat_fail(err, CMAT_ERR_LIMIT, "web: only %zu different tasks were found",
                           out->n - before)
               : st;
}
