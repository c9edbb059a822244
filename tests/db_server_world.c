/* tests/db_server_world.c - see db_server_world.h. */
#include "db_server_world.h"
#include "core/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

const db_dialect db_dialects[2] = {
    {.kind = PRIVATE_MARIADB,
     .name = "mariadb",
     .nowhere = "mysql://localhost/?socket=/nowhere",
     .shop = {"CREATE TABLE customers(customer_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) "
              "NOT NULL, city VARCHAR(40), vip BOOLEAN)",
              "CREATE TABLE orders(order_id INT AUTO_INCREMENT PRIMARY KEY, customer_id INT NOT "
              "NULL, placed_on DATE, total DECIMAL(10, 2), `Ship To` TEXT, FOREIGN KEY "
              "(customer_id) REFERENCES customers(customer_id))",
              "CREATE VIEW big AS SELECT * FROM orders WHERE total > 20", NULL},
     .view = "SELECT concat((SELECT group_concat(concat_ws('/', customer_id, name, city, vip) "
             "ORDER BY customer_id) FROM customers), '; ', (SELECT group_concat(concat_ws('/', "
             "order_id, customer_id, placed_on, total) ORDER BY order_id) FROM orders), '; ', "
             "(SELECT group_concat(table_name ORDER BY table_name) FROM information_schema.tables "
             "WHERE table_schema = 'shop'), '; ', (SELECT count(*) FROM "
             "information_schema.schemata WHERE schema_name LIKE 'cmat%'))",
     .connections = "SELECT count(*) FROM information_schema.processlist WHERE user = 'cmat'",
     .places = "SELECT group_concat(schema_name) FROM information_schema.schemata WHERE "
               "schema_name LIKE 'cmat%'",
     .roles = {"CREATE USER wide@localhost", "GRANT SELECT ON mysql.* TO wide@localhost",
               "CREATE USER filer@localhost", "GRANT FILE ON *.* TO filer@localhost",
               "GRANT ALL ON shop.* TO filer@localhost", "GRANT ALL ON shop.* TO wide@localhost",
               NULL},
     .owner = "root",
     .slow = "SELECT COUNT(*) FROM information_schema.collations a, information_schema.collations "
             "b, information_schema.collations c",
     .shown = "MariaDB",
     .quoted = "`Ship To`",
     .own = "shop",
     .lower_case = "exist",
     .set_schema = "syntax"},
    {.kind = PRIVATE_POSTGRES,
     .name = "postgres",
     .nowhere = "postgresql:///x?host=/nowhere",
     .shop = {"SET ROLE cmat",
              "CREATE TABLE customers(customer_id SERIAL PRIMARY KEY, name VARCHAR(40) NOT NULL, "
              "city TEXT, vip BOOLEAN)",
              "CREATE TABLE orders(order_id INT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
              "customer_id INT NOT NULL REFERENCES customers, placed_on DATE, total NUMERIC(10, "
              "2), \"Ship To\" TEXT)",
              "CREATE VIEW big AS SELECT * FROM orders WHERE total > 20", "RESET ROLE", NULL},
     .view = "SELECT concat((SELECT string_agg(concat_ws('/', customer_id, name, city, vip), ',' "
             "ORDER BY customer_id) FROM public.customers), '; ', (SELECT "
             "string_agg(concat_ws('/', order_id, customer_id, placed_on, total), ',' ORDER BY "
             "order_id) FROM public.orders), '; ', (SELECT string_agg(table_name, ',' ORDER BY "
             "table_name) FROM information_schema.tables WHERE table_schema = 'public'), '; ', "
             "(SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE 'cmat%'))",
     .connections = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'cmat'",
     .places = "SELECT string_agg(nspname, ',') FROM pg_namespace WHERE nspname LIKE 'cmat%'",
     .roles = {"CREATE ROLE wide LOGIN CREATEDB", "CREATE ROLE filer LOGIN",
               "GRANT pg_read_server_files TO filer", NULL},
     .owner = "postgres",
     .slow = "SELECT COUNT(*) FROM generate_series(1, 1000000000) a",
     .shown = "PostgreSQL",
     .quoted = "\"Ship To\"",
     .own = "public",
     .lower_case = "19",
     .set_schema = "not allowed here"},
};

const private_server *db_world_server;
const db_dialect *db_world_dialect;
static private_server *running;
static db_server *owner; /* its own connection; NULL: none yet */
static db_link *owners;

static const char *const rows[] = {
    "INSERT INTO customers(name, city, vip) VALUES ('Ana Lima', 'Porto', true), ('Bo Berg', "
    "'Oslo', false), ('Zoe', NULL, false), ('Rui', 'Porto', true), ('Ida', 'Lund', false)",
    "INSERT INTO orders(customer_id, placed_on, total) VALUES (1, '2024-05-01', 12.50), (1, "
    "'2024-05-03', 7), (2, '2024-06-01', 40.25), (4, '2025-01-09', 99.90), (5, '2024-05-21', "
    "3.10), (2, '2025-02-11', 61)",
    NULL};

int db_world_start(void **state)
{
    const db_dialect *d = db_world_dialect;
    db_server *server = NULL;
    cmat_error err = {0};
    (void)state;
    /* A library that the build lacks is told before any server is started. */
    if (db_server_open(&server, d->nowhere, &err) == CMAT_ERR_UNSUPPORTED) {
        printf("%s\n", err.msg);
        return 0;
    }
    db_world_server = running = private_server_start(d->kind);
    if (running) {
        free(db_world_do(d->shop));
        free(db_world_do(rows));
    }
    return 0;
}

int db_world_stop(void **state)
{
    (void)state;
    if (owners)
        owners->ops->close(owners);
    db_server_unref(owner);
    owner = NULL;
    owners = NULL;
    private_server_stop(running);
    db_world_server = running = NULL;
    return 0;
}

/* The owner's own connection, for as long as the server runs. */
static db_link *owner_link(void)
{
    cmat_error err = {0};
    if (!owner && (db_server_open(&owner, running->admin_url, &err) != CMAT_OK ||
                   db_server_link(owner, &owners, &err) != CMAT_OK))
        fail_msg("%s", err.msg);
    return owners;
}

char *db_world_do(const char *const *sql)
{
    db_link *l = owner_link();
    db_result r = {0};
    cmat_error err = {0};
    for (; *sql; sql++)
        if (db_link_do(l, &r, &err, "%s", *sql) != CMAT_OK)
            fail_msg("%s: %s", *sql, err.msg);
    cmat_buf cell = {0};
    if (r.n_rows && r.rows[0].type == DB_VALUE_INT)
        cmat_buf_printf(&cell, "%lld", (long long)r.rows[0].i);
    else
        cmat_buf_puts(&cell, db_cell(&r, 0, 0));
    db_result_clear(&r);
    return cmat_buf_detach(&cell);
}

static char *ask(const char *sql)
{
    return db_world_do((const char *const[]){sql, NULL});
}

char *db_world_view(void)
{
    return ask(db_world_dialect->view);
}

char *db_world_places(void)
{
    return ask(db_world_dialect->places);
}

int db_world_connections(void)
{
    int n = -1;
    for (int i = 0; i < 200 && n != 0; i++) {
        const struct timespec t = {0, 5000000};
        char *count = ask(db_world_dialect->connections);
        n = atoi(count);
        free(count);
        if (n != 0)
            nanosleep(&t, NULL);
    }
    return n;
}
