/* Datasets: formats, errors with their place, dedupe, mix, split. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "data/dataset.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static cmat_error err;

static char *temp_file(const char *text)
{
    const char *dir = getenv("TMPDIR");
    char *path = cmat_xasprintf("%s/cmat-data-%d.jsonl", dir ? dir : "/tmp", (int)getpid());
    assert_int_equal(cmat_write_file(path, text, strlen(text), &err), CMAT_OK);
    return path;
}

static cmat_status load_text(cmat_dataset *ds, const char *text, cmat_data_format *found)
{
    char *path = temp_file(text);
    cmat_status st = cmat_dataset_load(ds, path, CMAT_DATA_AUTO, found, &err);
    unlink(path);
    free(path);
    return st;
}

static void expect_messages(const cmat_row *row, const char *json)
{
    cmat_buf b = {0};
    cmat_json_print(&b, row->messages);
    json_t *want = json_loads(json, 0, NULL);
    assert_non_null(want);
    if (!json_equal(row->messages, want))
        fail_msg("%s is not %s", cmat_buf_str(&b), json);
    json_decref(want);
    cmat_buf_clear(&b);
}

static void formats_are_detected(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        cmat_data_format format;
        const char *messages;
    } cases[] = {
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", "
         "\"content\": \"b\", \"loss\": false}]}\n",
         CMAT_DATA_MESSAGES,
         "[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": "
         "\"b\", \"weight\": 0.0}]"},
        {"\xef\xbb\xbf\n[{\"instruction\": \"a\", \"input\": \"x\", \"output\": \"b\", "
         "\"history\": [[\"h\", \"i\"]]}]",
         CMAT_DATA_ALPACA,
         "[{\"role\": \"user\", \"content\": \"h\"}, {\"role\": \"assistant\", \"content\": "
         "\"i\"}, {\"role\": \"user\", \"content\": \"a\\nx\"}, {\"role\": \"assistant\", "
         "\"content\": \"b\"}]"},
        {"{\"conversations\": [{\"from\": \"human\", \"value\": \"a\"}, {\"from\": \"gpt\", "
         "\"value\": \"Ok.\", \"loss\": false}, {\"from\": \"observation\", \"value\": \"o\"}, "
         "{\"from\": \"gpt\", \"value\": \"b\", \"loss\": null}], \"system\": \"s\"}",
         CMAT_DATA_SHAREGPT,
         "[{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"a\"}, "
         "{\"role\": \"assistant\", \"content\": \"Ok.\", \"weight\": 0.0}, {\"role\": \"tool\", "
         "\"content\": \"o\"}, {\"role\": \"assistant\", \"content\": \"b\"}]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cmat_dataset ds = {0};
        cmat_data_format found;
        assert_int_equal(load_text(&ds, cases[i].text, &found), CMAT_OK);
        assert_int_equal(found, cases[i].format);
        assert_int_equal(ds.n, 1);
        expect_messages(&ds.items[0], cases[i].messages);
        cmat_dataset_clear(&ds);
    }
}

/* More lines than are read at once: rows in their order, with their numbers; without those of
 * weight 0; of several bad lines the first is told. */
static void many_lines_are_in_order(void **state)
{
    (void)state;
    enum { N = 5000 };
    for (int bad = 0; bad < 2; bad++) {
        cmat_buf b = {0};
        cmat_dataset ds = {0};
        size_t at = 0;
        for (int i = 1; i <= N; i++) {
            if (i % 7 == 0)
                cmat_buf_puts(&b, " \r\n"); /* blank */
            else if (bad && (i == 3210 || i == 2346 || i == 4999))
                cmat_buf_puts(&b, "{\"messages\": 7}\n");
            else
                cmat_buf_printf(&b,
                                "{\"messages\": [{\"role\": \"assistant\", \"content\": "
                                "\"%d\"}], \"n\": %d, \"weight\": %d}\n",
                                i, i, i % 5);
        }
        assert_int_equal(load_text(&ds, b.data, NULL), bad ? CMAT_ERR_FORMAT : CMAT_OK);
        if (bad)
            assert_non_null(strstr(err.msg, "line 2346: member"));
        for (int i = 1; i <= N && !bad; i++) {
            if (i % 7 == 0 || i % 5 == 0)
                continue;
            const cmat_row *r = &ds.items[at++];
            assert_int_equal(r->line, i);
            assert_int_equal(cmat_json_int(r->extra, "n", 0), i);
            assert_int_equal(json_object_size(r->extra), 1);
            assert_true(r->weight == (float)(i % 5));
        }
        assert_int_equal(ds.n, at);
        cmat_dataset_clear(&ds);
        cmat_buf_clear(&b);
    }
}

static void errors_name_the_line(void **state)
{
    (void)state;
#define GOOD "{\"messages\": [{\"role\": \"assistant\", \"content\": \"b\"}]}\n\n"
    static const char *const cases[][2] = {
        {GOOD "{\"messages\": [", "line 3"},
        {GOOD "{\"messages\": 3}", "line 3: member \"messages\""},
        {GOOD "{\"messages\": []}", "line 3: no messages"},
        {GOOD "{\"messages\": [{\"role\": \"robot\", \"content\": \"\"}]}", "\"robot\""},
        {GOOD "{\"messages\": [{\"role\": \"user\"}]}", "line 3: message 1: \"content\""},
        {GOOD "{\"messages\": [{\"role\": \"user\", \"content\": \"\", \"weight\": -1}]}",
         "\"weight\""},
        {GOOD "7", "line 3: not an object"},
        {"{\"text\": \"\"}", "line 1: none of"},
        {"{\"conversations\": [{\"from\": \"cat\", \"value\": \"\"}]}", "\"cat\""},
        {"[{\"instruction\": \"a\"}]", "row 1: member \"output\""},
        {"\n \n", "no rows"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cmat_dataset ds = {0};
        assert_int_equal(load_text(&ds, cases[i][0], NULL), CMAT_ERR_FORMAT);
        if (!strstr(err.msg, cases[i][1]))
            fail_msg("\"%s\" does not say \"%s\"", err.msg, cases[i][1]);
        assert_int_equal(ds.n, 0);
        cmat_dataset_clear(&ds);
    }
}

static void saved_rows_load_again(void **state)
{
    (void)state;
    cmat_dataset ds = {0}, again = {0};
    assert_int_equal(
        load_text(&ds,
                  "{\"id\": 7, \"kind\": \"count\", \"weight\": 0.5, \"messages\": [{\"role\": "
                  "\"assistant\", \"content\": \"b\", \"weight\": 2}]}\n"
                  "{\"weight\": 0, \"messages\": [{\"role\": \"user\", \"content\": \"\"}]}\n",
                  NULL),
        CMAT_OK);
    assert_int_equal(ds.n, 1); /* weight 0: nothing to learn */
    char *path = temp_file("");
    assert_int_equal(cmat_dataset_save(&ds, path, &err), CMAT_OK);
    assert_int_equal(cmat_dataset_load(&again, path, CMAT_DATA_AUTO, NULL, &err), CMAT_OK);
    assert_int_equal(again.n, 1);
    assert_string_equal(again.items[0].id, "7");
    assert_true(again.items[0].weight == 0.5F);
    assert_string_equal(cmat_json_str(again.items[0].extra, "kind", ""), "count");
    assert_true(json_equal(ds.items[0].messages, again.items[0].messages));
    unlink(path);
    free(path);
    cmat_dataset_clear(&ds);
    cmat_dataset_clear(&again);
}

static void add(cmat_dataset *ds, const char *sys, const char *user, const char *reply)
{
    json_t *m = json_pack("[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]", "role", "system", "content", sys,
                          "role", "user", "content", user, "role", "assistant", "content", reply);
    assert_int_equal(cmat_dataset_add(ds, m, NULL, 1, "test", &err), CMAT_OK);
}

#define LONG_TEXT                                                                        \
    "the quick brown fox jumps over the lazy dog while seven wizards quietly mix green " \
    "potions in a tower above the sleeping town and nobody there hears a single sound at all"

static void dedupe_drops_copies(void **state)
{
    (void)state;
    cmat_dataset ds = {0};
    add(&ds, "s", "How many?", "SELECT a FROM t WHERE x < 5");
    add(&ds, "s", "how  MANY?", "SELECT a FROM t WHERE x < 5");
    add(&ds, "s", "How many?", "SELECT a FROM t WHERE x > 5"); /* another sign, another thing */
    add(&ds, "s", LONG_TEXT, "SELECT 1");
    add(&ds, "s", LONG_TEXT " today", "SELECT 1");
    add(&ds, LONG_TEXT, "one", "two");
    add(&ds, LONG_TEXT, "three", "four");
    cmat_dataset exact = {0};
    for (size_t i = 0; i < ds.n; i++)
        cmat_dataset_add_row(&exact, &ds.items[i]);
    cmat_dedupe_counts c = cmat_dataset_dedupe(&exact, 1, false);
    assert_int_equal(c.n_exact, 1);
    assert_int_equal(c.n_near, 0);
    assert_int_equal(exact.n, 6);
    cmat_dataset_truncate(&ds, 7);
    cmat_dataset near = {0};
    for (size_t i = 2; i < ds.n; i++)
        cmat_dataset_add_row(&near, &ds.items[i]);
    c = cmat_dataset_dedupe(&near, 0.8, true);
    assert_int_equal(c.n_exact, 0);
    assert_int_equal(c.n_near, 1);
    assert_int_equal(near.n, 4);
    cmat_dataset_clear(&exact);
    cmat_dataset_clear(&near);
    cmat_dataset_clear(&ds);
}

static void fill(cmat_dataset *ds, const char *word, int n)
{
    for (int i = 0; i < n; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s %d", word, i);
        add(ds, "s", text, "yes");
    }
}

static void split_depends_on_the_row_alone(void **state)
{
    (void)state;
    cmat_dataset ds = {0}, a = {0}, b = {0}, a2 = {0}, b2 = {0};
    fill(&ds, "row", 1000);
    cmat_dataset_split(&ds, 0.2, 1, &a, &b);
    assert_true(b.n > 150 && b.n < 250 && a.n + b.n == 1000);
    cmat_dataset_shuffle(&ds, 5);
    cmat_dataset_truncate(&ds, 500);
    cmat_dataset_split(&ds, 0.2, 1, &a2, &b2);
    for (size_t i = 0; i < b2.n; i++) {
        size_t found = 0;
        for (size_t k = 0; k < b.n; k++)
            found += strcmp(b.items[k].id, b2.items[i].id) == 0;
        assert_int_equal(found, 1);
    }
    cmat_dataset_clear(&ds);
    cmat_dataset_clear(&a);
    cmat_dataset_clear(&b);
    cmat_dataset_clear(&a2);
    cmat_dataset_clear(&b2);
}

static void mix_keeps_shares(void **state)
{
    (void)state;
    cmat_dataset x = {0}, y = {0}, out = {0}, none = {0};
    size_t from_x = 0;
    fill(&x, "x", 10);
    fill(&y, "y", 50);
    const cmat_mix_part parts[] = {{&x, 1}, {&y, 3}};
    assert_int_equal(cmat_dataset_mix(&out, parts, 2, 80, 1, &err), CMAT_OK);
    assert_int_equal(out.n, 80);
    for (size_t i = 0; i < out.n; i++) {
        const json_t *msg = json_array_get(out.items[i].messages, 1);
        from_x += cmat_json_str(msg, "content", "")[0] == 'x';
    }
    assert_int_equal(from_x, 20); /* each of the ten twice */
    const cmat_mix_part bad[] = {{&x, 1}, {&none, 1}};
    assert_int_equal(cmat_dataset_mix(&out, bad, 2, 1, 1, &err), CMAT_ERR_ARG);
    cmat_dataset_clear(&x);
    cmat_dataset_clear(&y);
    cmat_dataset_clear(&out);
}

static void length_filter(void **state)
{
    (void)state;
    cmat_dataset ds = {0};
    add(&ds, "s", "short", "a");
    add(&ds, "s", LONG_TEXT, "a");
    json_t *m = json_pack("[{s:s, s:s}]", "role", "user", "content", "nobody answers");
    assert_int_equal(cmat_dataset_add(&ds, m, NULL, 1, "test", &err), CMAT_OK);
    assert_int_equal(cmat_dataset_filter_length(&ds, 0, 100), 2);
    assert_int_equal(ds.n, 1);
    cmat_dataset_clear(&ds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_detected), cmocka_unit_test(many_lines_are_in_order),
        cmocka_unit_test(errors_name_the_line), cmocka_unit_test(saved_rows_load_again),
        cmocka_unit_test(dedupe_drops_copies),  cmocka_unit_test(split_depends_on_the_row_alone),
        cmocka_unit_test(mix_keeps_shares),     cmocka_unit_test(length_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
