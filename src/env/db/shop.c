/* env/db/shop.c - the demo's database: a shop for the house and the outdoors. */
#include "env/db/shop.h"
#include "core/buf.h"
#include "core/fs.h"
#include "core/mem.h"
#include "core/rng.h"
#include "env/db/shop_bank.h"
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))

enum {
    N_SUPPLIERS = 42,
    N_PRODUCTS = 520,
    N_EMPLOYEES = 38,
    N_CUSTOMERS = 1600,
    N_ORDERS = 4400,
    N_REVIEWS = 2300,
    FIRST_DAY = 0,  /* 1 January 2023 */
    LAST_DAY = 1276 /* 30 June 2026 */
};

static const char *const lines_[] = {"Alba",    "Borea",    "Calla", "Dorren",  "Elvan",   "Fjelle",
                                     "Gable",   "Hollin",   "Isla",  "Juniper", "Kestrel", "Lumen",
                                     "Marlow",  "Norrland", "Ostra", "Piper",   "Quarry",  "Rowan",
                                     "Saffron", "Tamar",    "Umber", "Verano",  "Willow",  "Yarrow",
                                     "Zephyr",  "Ashby",    "Birka", "Cinder",  "Drift",   "Ember"};
static const char *const colours[] = {"black", "white", "grey", "navy", "green",
                                      "red",   "oak",   "sand", "teal", "copper"};
static const char *const given[] = {
    "Anna",  "Luis",   "Marta",  "Jonas",   "Ines",   "Pavel", "Chloe",   "Hugo",   "Sofia",
    "Emil",  "Nora",   "Tomas",  "Giulia",  "Mateo",  "Freya", "Oscar",   "Lena",   "Pedro",
    "Clara", "Andrei", "Elise",  "Viktor",  "Rosa",   "Nils",  "Beatriz", "Felix",  "Amelie",
    "Karel", "Ida",    "Marco",  "Sara",    "Henrik", "Laura", "Diego",   "Eva",    "Stefan",
    "Maja",  "Rui",    "Hanna",  "Paolo",   "Ivana",  "Georg", "Lucie",   "Bruno",  "Agnes",
    "Simon", "Vera",   "Dario",  "Johanna", "Adrian", "Mila",  "Robert",  "Teresa", "Anton",
    "Greta", "Jakub",  "Olivia", "Samuel",  "Carmen", "Filip"};
static const char *const family_a[] = {"Berg", "Silva", "Kova", "Lind", "Mora",  "Novo",
                                       "Ross", "Weber", "Hall", "Duar", "Ferr",  "Kell",
                                       "Mart", "Petr",  "Sant", "Vog",  "Bauer", "Cast",
                                       "Dahl", "Jans",  "Or",   "Rib",  "Tor",   "Walt"};
static const char *const family_b[] = {"",     "strom", "eira", "ini",  "sen",   "ova",
                                       "mann", "es",    "ez",   "elli", "quist", "ko"};
typedef struct {
    const char *city, *country, *code; /* code: the postcode's first digits */
    int weight;
} place;
static const place places[] = {
    {"Lisbon", "Portugal", "11", 9},     {"Porto", "Portugal", "40", 8},
    {"Braga", "Portugal", "47", 3},      {"Madrid", "Spain", "280", 8},
    {"Seville", "Spain", "410", 4},      {"Valencia", "Spain", "460", 4},
    {"Paris", "France", "750", 8},       {"Lyon", "France", "690", 4},
    {"Nantes", "France", "440", 3},      {"Berlin", "Germany", "101", 9},
    {"Hamburg", "Germany", "203", 6},    {"Munich", "Germany", "803", 6},
    {"Leipzig", "Germany", "041", 3},    {"Vienna", "Austria", "10", 5},
    {"Graz", "Austria", "80", 2},        {"Prague", "Czechia", "110", 4},
    {"Brno", "Czechia", "602", 2},       {"Milan", "Italy", "201", 5},
    {"Turin", "Italy", "101", 3},        {"Bologna", "Italy", "401", 2},
    {"Utrecht", "Netherlands", "35", 4}, {"Ghent", "Belgium", "90", 3},
    {"Malmo", "Sweden", "211", 3},       {"Uppsala", "Sweden", "753", 2},
    {"Aarhus", "Denmark", "80", 2},      {"Bergen", "Norway", "50", 2},
    {"Tampere", "Finland", "331", 2},    {"Krakow", "Poland", "310", 4},
    {"Gdansk", "Poland", "808", 2},      {"Dublin", "Ireland", "D0", 3},
};
static const char *const streets[] = {
    "Mill Lane",   "Station Road", "Harbour Street", "Church Square", "Garden Row",
    "High Street", "Old Bridge",   "Linden Avenue",  "Castle Hill",   "Market Place",
    "River Walk",  "Forest Path",  "Chestnut Drive", "School Street", "North Quay"};
static const char *const makers_a[] = {"Nord",  "Terra", "Vale",   "Casa",   "Stern",
                                       "Atlas", "Mira",  "Ponte",  "Kiefer", "Lago",
                                       "Brisa", "Orvil", "Tessel", "Halden"};
static const char *const makers_b[] = {"craft GmbH", " & Sons", "form",    "works Ltd",
                                       " Studio",    "haus",    " Trading"};
static const char *const titles[][3] = {/* by stars: 1 and 2, 3, 4 and 5 */
                                        {"Broke after a week", "Acceptable", "Love it"},
                                        {"Not as pictured", "Does the job", "Great value"},
                                        {"Disappointed", "Good, but pricey", "Would buy again"},
                                        {"Poor quality", "Average", "Excellent quality"},
                                        {"Arrived damaged", "Smaller than expected",
                                         "Perfect gift"}};
static const char *const comments[] = {"Delivery took longer than promised.",
                                       "My family uses it every day.",
                                       "The colour is different from the photo.",
                                       "Well packed and quick to arrive.",
                                       "I have bought it twice now.",
                                       "The handle feels loose.",
                                       "Exactly what I was looking for.",
                                       "Instructions could be clearer.",
                                       "Sturdy and easy to clean.",
                                       "Customer service was helpful."};
static const char *const notes[] = {"gift wrap",     "leave with neighbour", "call before delivery",
                                    "urgent",        "invoice to company",   "ring the side door",
                                    "second attempt"};
static const char *const reasons[] = {"damaged",   "wrong item",    "changed mind",
                                      "too small", "late delivery", "defective"};

typedef struct {
    sqlite3 *db;
    sqlite3_stmt *stmt; /* the insert at work */
    cmat_rng rng;
    cmat_status st;
    cmat_error *err;
    double price[N_PRODUCTS + 1], cumulative[N_PRODUCTS + 1];
    int product_day[N_PRODUCTS + 1], customer_day[N_CUSTOMERS + 1], customer_place[N_CUSTOMERS + 1];
    double customer_cumulative[N_CUSTOMERS + 1];
    int n_items, n_payments, n_shipments, n_returns;
} shop;

static int pick(shop *s, int n)
{
    return (int)cmat_rng_below(&s->rng, (uint64_t)n);
}

static bool chance(shop *s, double p)
{
    return cmat_rng_double(&s->rng) < p;
}

static double money(double x)
{
    return round(x * 100) / 100;
}

/* The first i in 1..n with cumulative[i] above a uniform number: a draw by weight. */
static int draw(shop *s, const double *cumulative, int n)
{
    double x = cmat_rng_double(&s->rng) * cumulative[n];
    int lo = 1, hi = n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (cumulative[mid] > x)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* Days since 1 January 2023 as "2024-02-29". */
static void day_text(int day, char out[16])
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 2023, month = 0;
    for (;; year++) {
        int n = year % 4 == 0 ? 366 : 365;
        if (day < n)
            break;
        day -= n;
    }
    for (;; month++) {
        int n = lengths[month] + (month == 1 && year % 4 == 0);
        if (day < n)
            break;
        day -= n;
    }
    snprintf(out, 16, "%04d-%02d-%02d", year % 10000, (month + 1) % 100, (day + 1) % 100);
}

static void fail(shop *s)
{
    if (s->st == CMAT_OK)
        s->st = cmat_fail(s->err, CMAT_ERR_IO, "shop: %s", sqlite3_errmsg(s->db));
}

static void table(shop *s, const char *insert)
{
    sqlite3_finalize(s->stmt);
    s->stmt = NULL;
    if (s->st == CMAT_OK && sqlite3_prepare_v2(s->db, insert, -1, &s->stmt, NULL) != SQLITE_OK)
        fail(s);
}

/* Adds a row. format, a letter a value: i int, d double (money), s string (NULL: NULL), n int or
 * NULL when 0, r double or NULL when negative, t day or NULL when negative. */
static void row(shop *s, const char *format, ...)
{
    if (s->st != CMAT_OK)
        return;
    va_list ap;
    va_start(ap, format);
    for (int k = 1; *format; format++, k++) {
        int i = strchr("int", *format) ? va_arg(ap, int) : 0;
        double d = strchr("dr", *format) ? va_arg(ap, double) : 0;
        char day[16];
        if (*format == 's') {
            sqlite3_bind_text(s->stmt, k, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
        } else if (*format == 'i' || (*format == 'n' && i)) {
            sqlite3_bind_int(s->stmt, k, i);
        } else if (*format == 'd' || (*format == 'r' && d >= 0)) {
            sqlite3_bind_double(s->stmt, k, money(d));
        } else if (*format == 't' && i >= 0) {
            day_text(i, day);
            sqlite3_bind_text(s->stmt, k, day, -1, SQLITE_TRANSIENT);
        } else {
            sqlite3_bind_null(s->stmt, k);
        }
    }
    va_end(ap);
    if (sqlite3_step(s->stmt) != SQLITE_DONE)
        fail(s);
    sqlite3_reset(s->stmt);
}

static void person(shop *s, char *name, size_t size, char *mail, size_t mail_size, int id)
{
    const char *first = given[pick(s, LEN(given))], *a = family_a[pick(s, LEN(family_a))];
    const char *b = family_b[pick(s, LEN(family_b))];
    static const char *const hosts[] = {"example.com", "example.org", "example.net",
                                        "mail.example"};
    snprintf(name, size, "%s %s%s", first, a, b);
    if (mail) {
        snprintf(mail, mail_size, "%s.%s%s%d@%s", first, a, b, id, hosts[pick(s, LEN(hosts))]);
        for (char *p = mail; *p; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    }
}

static void make_suppliers(shop *s)
{
    table(s, "INSERT INTO categories VALUES (?,?,?)");
    for (int i = 0; i < DB_SHOP_CATEGORIES; i++)
        row(s, "iss", i + 1, db_shop_categories[i].name, db_shop_categories[i].department);
    table(s, "INSERT INTO suppliers VALUES (?,?,?,?,?,?)");
    int order[LEN(makers_a) * LEN(makers_b)];
    for (int i = 0; i < LEN(order); i++)
        order[i] = i;
    cmat_rng_shuffle(&s->rng, order, LEN(order), sizeof(*order));
    for (int i = 0; i < N_SUPPLIERS; i++) {
        char name[64], mail[64];
        const char *a = makers_a[order[i] % LEN(makers_a)];
        snprintf(name, sizeof name, "%s%s", a, makers_b[order[i] / LEN(makers_a)]);
        snprintf(mail, sizeof mail, "sales%d@%c%s.example", i + 1, a[0] + 32, a + 1);
        row(s, "isssri", i + 1, name, places[pick(s, LEN(places))].country,
            chance(s, 0.8) ? mail : NULL, chance(s, 0.85) ? 2.5 + pick(s, 26) / 10.0 : -1.0,
            1988 + pick(s, 36));
    }
}

/* A price that ends as prices do. */
static double shelf_price(shop *s, const db_shop_category *c)
{
    double x =
        c->low * pow(c->high / c->low, (cmat_rng_double(&s->rng) + cmat_rng_double(&s->rng)) / 2);
    static const double ends[] = {0.99, 0.99, 0.95, 0.50, 0.0, 0.90};
    return floor(x) + ends[pick(s, LEN(ends))];
}

static void make_products(shop *s)
{
    table(s, "INSERT INTO products VALUES (?,?,?,?,?,?,?,?,?,?)");
    enum { N_NAMES = DB_SHOP_CATEGORIES * 8 * LEN(lines_) };
    bool *used = cmat_xcalloc(N_NAMES, sizeof(bool));
    for (int id = 1; id <= N_PRODUCTS; id++) {
        int ci, noun, line, n_nouns = 0;
        do {
            ci = pick(s, DB_SHOP_CATEGORIES);
            for (n_nouns = 0; n_nouns < 8 && db_shop_categories[ci].nouns[n_nouns]; n_nouns++)
                ;
            noun = pick(s, n_nouns);
            line = pick(s, LEN(lines_));
        } while (used[(ci * 8 + noun) * LEN(lines_) + line]);
        used[(ci * 8 + noun) * LEN(lines_) + line] = true;
        const db_shop_category *c = &db_shop_categories[ci];
        char name[64];
        snprintf(name, sizeof name, "%s %s", lines_[line], c->nouns[noun]);
        double price = shelf_price(s, c);
        s->price[id] = price;
        s->product_day[id] = chance(s, 0.6) ? pick(s, 60) : pick(s, 1150);
        /* a few best-sellers: weights fall as a power of a random rank, dear things sell less */
        double weight = pow(1 + pick(s, N_PRODUCTS), -0.7) / (1 + price / 150);
        s->cumulative[id] = s->cumulative[id - 1] + weight;
        int stock = chance(s, 0.06) ? 0 : (int)(pow(cmat_rng_double(&s->rng), 2) * 240) + 1;
        row(s, "isiiddisrt", id, name, ci + 1, 1 + pick(s, N_SUPPLIERS), price,
            price * (0.42 + 0.3 * cmat_rng_double(&s->rng)), stock,
            chance(s, 0.7) ? colours[pick(s, LEN(colours))] : NULL,
            chance(s, 0.9) ? c->weight * (0.4 + 1.3 * cmat_rng_double(&s->rng)) : -1.0,
            s->product_day[id]);
    }
    free(used);
}

static void make_employees(shop *s)
{
    static const char *const jobs[] = {"Sales Assistant", "Sales Assistant", "Warehouse Clerk",
                                       "Buyer",           "Accountant",      "Support Agent",
                                       "Driver"};
    static const double pay[] = {27000, 27500, 26000, 38000, 43000, 29000, 28000};
    table(s, "INSERT INTO employees VALUES (?,?,?,?,?,?,?)");
    char seen[N_EMPLOYEES + 1][48];
    for (int id = 1; id <= N_EMPLOYEES; id++) {
        bool again = true;
        while (again) {
            person(s, seen[id], sizeof seen[id], NULL, 0, id);
            again = false;
            for (int i = 1; i < id; i++)
                again = again || strcmp(seen[i], seen[id]) == 0;
        }
        const char *city = places[pick(s, 4) * 3].city;
        double raise = 100 * pick(s, 60);
        if (id == 1)
            row(s, "isssdtn", id, seen[id], "Managing Director", "Lisbon", 118000.0, 5, 0);
        else if (id <= 5)
            row(s, "isssdtn", id, seen[id], "Store Manager", places[(id - 2) * 3].city,
                52000 + raise, pick(s, 300), 1);
        else {
            int j = pick(s, LEN(jobs));
            row(s, "isssdtn", id, seen[id], jobs[j], city, pay[j] + raise, pick(s, 1240),
                2 + pick(s, 4));
        }
    }
}

static int draw_place(shop *s)
{
    int total = 0, i = 0;
    for (i = 0; i < LEN(places); i++)
        total += places[i].weight;
    int x = pick(s, total);
    for (i = 0; x >= places[i].weight; i++)
        x -= places[i].weight;
    return i;
}

static void make_customers(shop *s)
{
    table(s, "INSERT INTO customers VALUES (?,?,?,?,?,?,?,?)");
    for (int id = 1; id <= N_CUSTOMERS; id++) {
        char name[64], mail[96], phone[48];
        person(s, name, sizeof name, mail, sizeof mail, id);
        snprintf(phone, sizeof phone, "+%d %d %d", 31 + pick(s, 20), 200 + pick(s, 700),
                 100000 + pick(s, 900000));
        int p = s->customer_place[id] = draw_place(s);
        int day = s->customer_day[id] = (int)(pow(cmat_rng_double(&s->rng), 1.2) * 1270);
        /* most buy once or twice, some are regulars; who came early had more time */
        s->customer_cumulative[id] =
            s->customer_cumulative[id - 1] + pow(cmat_rng_double(&s->rng), 3) * (1300 - day) + 15;
        row(s, "issssstn", id, name, mail, chance(s, 0.72) ? phone : NULL, places[p].city,
            places[p].country, day, 1);
    }
    table(s, "INSERT INTO addresses VALUES (?,?,?,?,?,?,?)");
    for (int id = 1, n = 0; id <= N_CUSTOMERS; id++) {
        bool two = chance(s, 0.2);
        for (int k = 0; k < (two ? 2 : 1); k++) {
            char street[64], code[16];
            const place *p = &places[k ? draw_place(s) : s->customer_place[id]];
            snprintf(street, sizeof street, "%d %s", 1 + pick(s, 180),
                     streets[pick(s, LEN(streets))]);
            snprintf(code, sizeof code, "%s%02d", p->code, pick(s, 100));
            row(s, "iisssss", ++n, id, street, code, p->city, p->country,
                k     ? "shipping"
                : two ? "billing"
                      : "both");
        }
    }
    if (s->st == CMAT_OK &&
        sqlite3_exec(
            s->db,
            "UPDATE customers SET points = (customer_id * 7919 % 480) * 5 * (customer_id % 3 > 0)",
            NULL, NULL, NULL) != SQLITE_OK)
        fail(s);
}

/* More is sold each year, most before Christmas. */
static int order_day(shop *s, int from)
{
    for (;;) {
        int day = from + pick(s, LAST_DAY - from + 1);
        int in_year = day % 365;
        double season = in_year > 310 && in_year < 357   ? 1.0
                        : in_year > 120 && in_year < 190 ? 0.65
                                                         : 0.5;
        if (chance(s, season * (0.6 + 0.4 * day / LAST_DAY)))
            return day;
    }
}

typedef struct {
    int product, quantity, discount;
} order_line;

static const char *order_status(shop *s, int day)
{
    if (chance(s, 0.05))
        return "cancelled";
    if (day > LAST_DAY - 4)
        return chance(s, 0.5) ? "pending" : "processing";
    if (day > LAST_DAY - 10)
        return chance(s, 0.6) ? "shipped" : "delivered";
    return chance(s, 0.03) ? "returned" : "delivered";
}

static double fill_order(shop *s, int day, order_line *lines, int *n)
{
    double total = 0;
    *n = 1 + (chance(s, 0.5) ? 1 + pick(s, 3) : 0);
    for (int i = 0; i < *n; i++) {
        int p = draw(s, s->cumulative, N_PRODUCTS);
        for (int k = 0; k < 8 && s->product_day[p] > day; k++)
            p = draw(s, s->cumulative, N_PRODUCTS);
        lines[i] = (order_line){p, chance(s, 0.75) ? 1 : 2 + pick(s, 5),
                                chance(s, 0.15) ? 5 * (1 + pick(s, 4)) : 0};
        for (int k = 0; k < i; k++)
            if (lines[k].product == p) { /* a product stands once in an order */
                i--;
                (*n)--;
                break;
            }
    }
    for (int i = 0; i < *n; i++)
        total +=
            money(s->price[lines[i].product] * lines[i].quantity * (100 - lines[i].discount) / 100);
    return money(total);
}

typedef struct {
    int day, n;
    double total;
    const char *status;
    order_line lines[4];
} order;

static void make_orders(shop *s, order *orders)
{
    static const char *const channels[] = {"web", "web", "web", "app", "app", "store", "phone"};
    table(s, "INSERT INTO orders VALUES (?,?,?,?,?,?,?,?)");
    for (int id = 1; id <= N_ORDERS; id++) {
        order *o = &orders[id];
        int c = draw(s, s->customer_cumulative, N_CUSTOMERS);
        o->day = order_day(s, s->customer_day[c]);
        o->status = order_status(s, o->day);
        o->total = fill_order(s, o->day, o->lines, &o->n);
        const char *channel = channels[pick(s, LEN(channels))];
        bool served = channel[0] == 's' || channel[0] == 'p';
        row(s, "iintssds", id, c, served ? 6 + pick(s, N_EMPLOYEES - 5) : 0, o->day, o->status,
            channel, o->total, chance(s, 0.12) ? notes[pick(s, LEN(notes))] : NULL);
    }
    table(s, "INSERT INTO order_items VALUES (?,?,?,?,?,?)");
    for (int id = 1; id <= N_ORDERS; id++)
        for (int i = 0; i < orders[id].n; i++) {
            const order_line *l = &orders[id].lines[i];
            row(s, "iiiidi", ++s->n_items, id, l->product, l->quantity, s->price[l->product],
                l->discount);
        }
}

static void make_fulfilment(shop *s, const order *orders)
{
    static const char *const methods[] = {"card",          "card",      "card", "paypal",
                                          "bank transfer", "gift card", "cash"};
    static const char *const carriers[] = {"DHL", "DHL", "UPS", "PostNord", "GLS", "DPD"};
    table(s, "INSERT INTO payments VALUES (?,?,?,?,?)");
    for (int id = 1; id <= N_ORDERS; id++) {
        const order *o = &orders[id];
        if (strcmp(o->status, "cancelled") == 0)
            continue;
        int paid = o->day + (chance(s, 0.85) ? 0 : 1 + pick(s, 14));
        row(s, "iisdt", ++s->n_payments, id, methods[pick(s, LEN(methods))], o->total,
            paid > LAST_DAY ? -1 : paid);
    }
    table(s, "INSERT INTO shipments VALUES (?,?,?,?,?,?)");
    for (int id = 1; id <= N_ORDERS; id++) {
        const order *o = &orders[id];
        if (strchr("cp", o->status[0]))
            continue;
        char code[24];
        snprintf(code, sizeof code, "%c%c%08d", 'A' + pick(s, 26), 'A' + pick(s, 26),
                 10000000 + pick(s, 89999999));
        int sent = o->day + 1 + pick(s, 3),
            there = sent + 1 + (chance(s, 0.9) ? pick(s, 5) : 5 + pick(s, 15));
        if (sent > LAST_DAY)
            sent = LAST_DAY;
        bool lost = strcmp(o->status, "shipped") == 0 || there > LAST_DAY || chance(s, 0.01);
        row(s, "iisstt", ++s->n_shipments, id, carriers[pick(s, LEN(carriers))], code, sent,
            lost ? -1 : there);
    }
    table(s, "INSERT INTO returns VALUES (?,?,?,?,?)");
    for (int id = 1, item = 0; id <= N_ORDERS; id++)
        for (int i = 0; i < orders[id].n; i++) {
            const order *o = &orders[id];
            item++;
            bool back =
                strcmp(o->status, "returned") == 0 || (o->status[0] == 'd' && chance(s, 0.05));
            int day = o->day + 6 + pick(s, 24);
            if (back && day <= LAST_DAY)
                row(s, "iisrt", ++s->n_returns, item, reasons[pick(s, LEN(reasons))],
                    chance(s, 0.85) ? s->price[o->lines[i].product] * o->lines[i].quantity : -1.0,
                    day);
        }
}

static void make_reviews(shop *s, const order *orders)
{
    table(s, "INSERT INTO reviews SELECT ?,?,customer_id,?,?,?,? FROM orders WHERE order_id = ?");
    for (int n = 0; n < N_REVIEWS && s->st == CMAT_OK;) {
        int id = 1 + pick(s, N_ORDERS);
        const order *o = &orders[id];
        int day = o->day + 7 + pick(s, 40);
        if (o->status[0] != 'd' || day > LAST_DAY)
            continue;
        static const int stars_by_chance[] = {1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5};
        int stars = stars_by_chance[pick(s, LEN(stars_by_chance))];
        row(s, "iiisstn", ++n, o->lines[pick(s, o->n)].product, stars,
            titles[pick(s, LEN(titles))][stars < 3    ? 0
                                         : stars == 3 ? 1
                                                      : 2],
            chance(s, 0.6) ? comments[pick(s, LEN(comments))] : NULL, day, id);
    }
}

static void make_all(shop *s)
{
    order *orders = cmat_xcalloc(N_ORDERS + 1, sizeof(*orders));
    make_suppliers(s);
    make_products(s);
    make_employees(s);
    make_customers(s);
    make_orders(s, orders);
    make_fulfilment(s, orders);
    make_reviews(s, orders);
    free(orders);
    sqlite3_finalize(s->stmt);
    s->stmt = NULL;
}

cmat_status db_shop_make(const char *path, uint64_t seed, cmat_error *err)
{
    char *tmp = cmat_xasprintf("%s.tmp-%ld", path, (long)getpid());
    shop *s = cmat_xcalloc(1, sizeof(*s));
    s->err = err;
    cmat_rng_init(&s->rng, seed);
    unlink(tmp);
    if (sqlite3_open_v2(tmp, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK) {
        s->st = cmat_fail(err, CMAT_ERR_IO, "shop: create %s: %s", tmp, sqlite3_errmsg(s->db));
        goto done;
    }
    if (sqlite3_exec(s->db, db_shop_schema, NULL, NULL, NULL) != SQLITE_OK)
        fail(s);
    else
        make_all(s);
    if (s->st == CMAT_OK && sqlite3_exec(s->db, db_shop_indexes, NULL, NULL, NULL) != SQLITE_OK)
        fail(s);
done:
    if (sqlite3_close(s->db) != SQLITE_OK && s->st == CMAT_OK)
        s->st = cmat_fail(err, CMAT_ERR_IO, "shop: close %s", tmp);
    if (s->st == CMAT_OK)
        s->st = cmat_rename(tmp, path, err);
    if (s->st != CMAT_OK)
        unlink(tmp);
    cmat_status st = s->st;
    free(s);
    free(tmp);
    return st;
}
