/* tests/test_db_domains.c - practice databases: the same seed the same content, sound keys, many
 * kinds, tasks for all. */
#include "core/fs.h"
#include "core/mem.h"
#include "env/db/domain_plan.h"
#include "env/db/domains.h"
#include "env/db/schema.h"
#include "env/env.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N_SEEDS = 30 };

static char *temp_path(void)
{
    char *path = cmat_xstrdup("/tmp/cmat-test-domains-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return path;
}

static void drop(char *path)
{
    unlink(path);
    free(path);
}

static char *content(uint64_t seed, size_t *n)
{
    cmat_error err;
    char *path = temp_path(), *data = NULL;
    assert_int_equal(db_domain_make(path, seed, &err), CMAT_OK);
    assert_int_equal(cmat_read_file(path, 1 << 24, &data, n, &err), CMAT_OK);
    drop(path);
    return data;
}

static void test_same_seed(void **state)
{
    (void)state;
    size_t na, nb, nc;
    char *a = content(7, &na), *b = content(7, &nb), *c = content(8, &nc);
    assert_true(na == nb && memcmp(a, b, na) == 0);
    assert_true(na != nc || memcmp(a, c, na) != 0);
    free(a);
    free(b);
    free(c);
}

static int count_rows(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int n = 0;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW)
        n++;
    sqlite3_finalize(st);
    return n;
}

static void check_schema(sqlite3 *db, const db_schema *s)
{
    int n_fks = 0;
    assert_in_range(s->n_tables, 3, 8);
    assert_int_equal(count_rows(db, "PRAGMA foreign_key_check"), 0);
    assert_int_equal(count_rows(db, "PRAGMA integrity_check"), 1);
    for (int t = 0; t < s->n_tables; t++) {
        assert_in_range(s->tables[t].n_columns, 2, PLAN_MAX_COLUMNS);
        assert_in_range(s->tables[t].n_rows, 10, 1500);
        assert_true(s->tables[t].n_pk > 0);
        n_fks += s->tables[t].n_fks;
    }
    assert_true(n_fks > 0);
}

static void test_schemas(void **state)
{
    (void)state;
    cmat_error err;
    char *path = temp_path(), *names[N_SEEDS];
    int n_same = 0;
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        sqlite3 *db = NULL;
        db_schema s = {0};
        assert_int_equal(db_domain_make(path, seed, &err), CMAT_OK);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(db_schema_read(&s, db, &err), CMAT_OK);
        check_schema(db, &s);
        cmat_buf b = {0};
        db_schema_prompt_options o = DB_SCHEMA_PROMPT_DEFAULT;
        o.n_samples = 0;
        db_schema_prompt(&s, &o, &b);
        names[seed] = cmat_buf_detach(&b);
        for (uint64_t k = 0; k < seed; k++)
            n_same += strcmp(names[k], names[seed]) == 0;
        db_schema_clear(&s);
        sqlite3_close(db);
    }
    assert_int_equal(n_same, 0);
    for (int i = 0; i < N_SEEDS; i++)
        free(names[i]);
    drop(path);
}

/* Every column's text in the banks can be read, and every reference finds its table. */
static void check_domain(const domain_spec *d)
{
    static const char *const kinds[] = {"person", "first", "last",  "company", "city", "country",
                                        "street", "email", "phone", "text",    "code", "mix",
                                        "of",     "time",  "date",  "after",   "int",  "year",
                                        "flag",   "real",  "money", "pct",     "ref"};
    for (const domain_table *t = d->tables; t->names; t++)
        for (const char *const *c = t->columns; *c; c++) {
            const char *kind = strstr(*c, " = ");
            bool known = false, found = true;
            assert_non_null(kind);
            kind += 3;
            for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
                known = known || (strcspn(kind, " ") == strlen(kinds[i]) &&
                                  strncmp(kind, kinds[i], strlen(kinds[i])) == 0);
            if (strncmp(kind, "ref ", 4) == 0) {
                size_t n = strcspn(kind + 4, "?*");
                n -= kind[4 + n] != 0; /* the blank before */
                found = false;
                for (const domain_table *k = d->tables; k->names; k++)
                    found = found ||
                            (strcspn(k->names, "|") == n && strncmp(k->names, kind + 4, n) == 0);
                /* a table's reference to itself must be allowed to be missing */
                found = found && (strncmp(kind + 4, t->names, n) != 0 || t->names[n] != '|' ||
                                  strchr(kind, '?'));
            }
            if (!known || !found)
                fail_msg("%s, %s: %s", d->name, t->names, *c);
        }
}

static void test_banks(void **state)
{
    (void)state;
    const domain_spec *banks[] = {domain_bank_culture, domain_bank_services, domain_bank_work};
    int n = 0;
    for (size_t i = 0; i < sizeof banks / sizeof *banks; i++)
        for (const domain_spec *d = banks[i]; d->name; d++, n++) {
            int n_tables = 0;
            while (d->tables[n_tables].names)
                n_tables++;
            assert_in_range(n_tables, 6, DOMAIN_MAX_TABLES);
            check_domain(d);
        }
    assert_true(n >= 16);
}

static void test_tasks(void **state)
{
    (void)state;
    cmat_error err;
    char *path = temp_path();
    for (uint64_t seed = 100; seed < 103; seed++) {
        cmat_env *env = NULL;
        cmat_task_list l = {0};
        cmat_env_options o = {.path = path};
        assert_int_equal(db_domain_make(path, seed, &err), CMAT_OK);
        assert_int_equal(cmat_env_open(&env, "db", &o, &err), CMAT_OK);
        assert_int_equal(env->ops->generate(env, 0, 30, seed, &l, &err), CMAT_OK);
        assert_int_equal(l.n, 30);
        cmat_task_list_clear(&l);
        cmat_env_close(env);
    }
    drop(path);
}

static void test_bad_path(void **state)
{
    (void)state;
    cmat_error err;
    assert_int_equal(db_domain_make("/nonexistent/folder/x.sqlite", 1, &err), CMAT_ERR_IO);
    assert_non_null(strstr(err.msg, "/nonexistent/folder"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_banks),    cmocka_unit_test(test_same_seed),
        cmocka_unit_test(test_schemas),  cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_bad_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
