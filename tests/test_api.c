/* test_api.c - the public API as a program outside sees it: include/cmat and libcmat.so alone. */
#include "cmat/cmat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static char folder[] = "/tmp/cmat-test-api-XXXXXX", model[80], database[80], rows[80], out[80];
static cmat_session *session;

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state)
{
    char command[512];
    sqlite3 *db;
    cmat_error err;
    (void)state;

    assert_non_null(mkdtemp(folder));
    snprintf(model, sizeof model, "%s/tiny.gguf", folder);
    snprintf(database, sizeof database, "%s/shop.sqlite", folder);
    snprintf(rows, sizeof rows, "%s/rows.jsonl", folder);
    snprintf(out, sizeof out, "%s/adapter", folder);
    snprintf(command, sizeof command, "%s %s", getenv("MAKE_TINY_MODEL"), model);
    assert_int_equal(system(command), 0);
    assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, n INTEGER);"
                                  "INSERT INTO item VALUES (1, 'pen', 3), (2, 'cup', 5)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    write_text(rows,
               "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": "
               "\"assistant\", \"content\": \"bc\"}]}\n"
               "{\"messages\": [{\"role\": \"user\", \"content\": \"d\"}, {\"role\": "
               "\"assistant\", \"content\": \"ef\"}]}\n");
    if (cmat_session_open(&session, model, "{\"n_ctx\": 2048}", &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;

    cmat_session_close(session);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void test_open_says_what_is_wrong(void **state)
{
    cmat_session *s;
    cmat_error err;
    (void)state;

    assert_int_equal(cmat_session_open(&s, "/no/such/model.gguf", NULL, &err), CMAT_ERR_NOT_FOUND);
    assert_null(s);
    assert_non_null(strstr(err.msg, "/no/such/model.gguf"));
    assert_int_equal(cmat_session_open(&s, model, "{\"n_ctcx\": 1}", &err), CMAT_ERR_ARG);
    assert_non_null(strstr(err.msg, "did you mean n-ctx"));
    assert_int_equal(cmat_session_open(&s, model, "{\"n_ctx\":", &err), CMAT_ERR_FORMAT);
    assert_int_equal(cmat_session_open(&s, model, "[1]", &err), CMAT_ERR_FORMAT);
    cmat_session_close(NULL);
}

static void count(void *user, const char *text, size_t len)
{
    (void)text;
    *(size_t *)user += len;
}

static void test_generate(void **state)
{
    cmat_error err;
    char *a, *b;
    size_t n = 0;
    (void)state;

    assert_int_equal(
        cmat_session_complete(session, "abc", "{\"max_tokens\": 8}", count, &n, &a, &err), CMAT_OK);
    assert_non_null(strstr(a, "\"completion_tokens\""));
    assert_int_equal(
        cmat_session_complete(session, "abc", "{\"max_tokens\": 8}", NULL, NULL, NULL, &err),
        CMAT_OK);
    cmat_string_free(a);
    assert_int_equal(cmat_session_chat(session, "[{\"role\": \"user\", \"content\": \"hi\"}]",
                                       "{\"max_tokens\": 4}", NULL, NULL, &b, &err),
                     CMAT_OK);
    assert_non_null(strstr(b, "\"finish_reason\""));
    cmat_string_free(b);
    assert_int_equal(cmat_session_complete(session, "abc",
                                           "{\"json_schema\": {\"type\": \"array\", \"items\": "
                                           "{\"enum\": [7]}, \"maxItems\": 2, \"minItems\": 2}, "
                                           "\"max_tokens\": 20}",
                                           NULL, NULL, &b, &err),
                     CMAT_OK);
    assert_non_null(strstr(b, "\"[7, 7]\""));
    cmat_string_free(b);
    assert_int_equal(cmat_session_complete(session, "abc",
                                           "{\"choices\": \"no\\\\, never,no\\\\, never\"}", NULL,
                                           NULL, &b, &err),
                     CMAT_OK);
    assert_non_null(strstr(b, "\"no, never\""));
    cmat_string_free(b);
    assert_int_equal(cmat_session_complete(session, "abc", "{\"grammar\": \"root ::= a\"}", NULL,
                                           NULL, &b, &err),
                     CMAT_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "line 1, column 10"));
    assert_int_equal(cmat_session_complete(session, "abc", "{\"regex\": \"a\", \"choices\": \"a\"}",
                                           NULL, NULL, &b, &err),
                     CMAT_ERR_ARG);
    assert_int_equal(
        cmat_session_complete(session, "abc", "{\"trigger\": \"x\"}", NULL, NULL, &b, &err),
        CMAT_ERR_ARG);
    assert_int_equal(cmat_session_chat(session, "{]", NULL, NULL, NULL, &b, &err), CMAT_ERR_FORMAT);
    assert_int_equal(cmat_session_complete(session, "", NULL, NULL, NULL, &b, &err), CMAT_ERR_ARG);
}

static void test_tune_then_use(void **state)
{
    const char *files[] = {rows};
    cmat_session *s;
    cmat_error err;
    char *result, options[160];
    (void)state;

    if (cmat_session_tune(
            session, files, 1, out,
            "{\"rank\": 2, \"targets\": \"q,v\", \"max_steps\": 2, \"valid_share\": 0}", &result,
            &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_non_null(strstr(result, "\"steps\": 2"));
    cmat_string_free(result);
    snprintf(options, sizeof options, "{\"adapter\": \"%s\"}", out);
    assert_int_equal(cmat_session_open(&s, model, options, &err), CMAT_OK);
    assert_int_equal(cmat_session_complete(s, "abc", "{\"max_tokens\": 2}", NULL, NULL, NULL, &err),
                     CMAT_OK);
    cmat_session_close(s);
    assert_int_equal(
        cmat_session_tune(session, files, 1, out, "{\"targets\": \"q,w\"}", &result, &err),
        CMAT_ERR_ARG);
    assert_non_null(strstr(err.msg, "\"w\""));
}

static void test_ask_and_eval(void **state)
{
    cmat_error err;
    char *result, options[256];
    (void)state;

    if (cmat_session_ask(session, database, "How many items are there?", "{\"untuned\": true}",
                         &result, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_non_null(strstr(result, "\"episode\""));
    cmat_string_free(result);
    assert_int_equal(cmat_session_ask(session, "/no/such.db", "?", NULL, &result, &err),
                     CMAT_ERR_NOT_FOUND);
    snprintf(options, sizeof options,
             "{\"database\": \"%s\", \"n\": 2, \"max_tokens\": 8, \"max_steps\": 1}", database);
    if (cmat_session_eval(session, "db", options, &result, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_non_null(strstr(result, "\"success\""));
    cmat_string_free(result);
    assert_int_equal(cmat_session_eval(session, "chess", options, &result, &err), CMAT_ERR_ARG);
    assert_int_equal(cmat_session_evolve(session, "db", NULL, &result, &err), CMAT_ERR_ARG);
}

/* A flag set beforehand stops the call; taken back, calls work again. */
static void test_cancel(void **state)
{
    cmat_error err;
    char *result;
    (void)state;

    cmat_cancel();
    assert_int_equal(cmat_session_complete(session, "abc", NULL, NULL, NULL, &result, &err),
                     CMAT_ERR_CANCELLED);
    cmat_uncancel();
    assert_int_equal(
        cmat_session_complete(session, "abc", "{\"max_tokens\": 2}", NULL, NULL, NULL, &err),
        CMAT_OK);
}

static bool say(void *user, const char *sql, int64_t changed)
{
    assert_non_null(strstr(sql, "UPDATE"));
    assert_int_equal(changed, 2);
    return *(bool *)user;
}

static void test_apply(void **state)
{
    const char *sql = "UPDATE item SET n = n + 1";
    bool yes = true, no = false;
    int64_t changed;
    cmat_error err;
    (void)state;

    assert_int_equal(cmat_database_apply(database, sql, say, &no, &changed, &err),
                     CMAT_ERR_CANCELLED);
    assert_int_equal(cmat_database_apply(database, sql, say, &yes, &changed, &err), CMAT_OK);
    assert_int_equal(changed, 2);
    assert_int_equal(cmat_database_apply(database, "DROP TABLE item", NULL, NULL, NULL, &err),
                     CMAT_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_says_what_is_wrong),
        cmocka_unit_test(test_generate),
        cmocka_unit_test(test_tune_then_use),
        cmocka_unit_test(test_ask_and_eval),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_apply),
    };
    cmat_set_messages(CMAT_MESSAGES_NONE);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
