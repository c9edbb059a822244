/* test_core.c - statuses, buffers, random numbers, files, JSON, options. */
#include "core/buf.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/option.h"
#include "core/rng.h"
#include "core/text.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/cmat-core-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char cmd[128];
    (void)state;
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", folder);
    return system(cmd);
}

static void test_error(void **state)
{
    cmat_error err;
    (void)state;
    assert_int_equal(cmat_fail(&err, CMAT_ERR_IO, "open %s", "x"), CMAT_ERR_IO);
    assert_string_equal(err.msg, "open x");
    assert_int_equal(cmat_fail_prefix(&err, CMAT_ERR_IO, "run %d", 3), CMAT_ERR_IO);
    assert_string_equal(err.msg, "run 3: open x");
    assert_int_equal(cmat_fail(NULL, CMAT_ERR_ARG, "x"), CMAT_ERR_ARG);
    cmat_fail(&err, CMAT_ERR_IO, "near '%s'", "a\n\033[2J\x7f\tb\xc3\xa9"); /* one line, inert */
    assert_string_equal(err.msg, "near 'a  [2J  b\xc3\xa9'");
    memset(err.msg, 'a', sizeof err.msg - 1);
    err.msg[sizeof err.msg - 1] = '\0';
    cmat_fail_prefix(&err, CMAT_ERR_IO, "p");
    assert_memory_equal(err.msg, "p: aaa", 6);
    assert_true(strlen(err.msg) < sizeof err.msg);
}

static void test_buf_and_arena(void **state)
{
    cmat_buf b = {0};
    cmat_arena a = {0};
    char *s;
    (void)state;
    assert_string_equal(cmat_buf_str(&b), "");
    for (int i = 0; i < 1000; i++)
        cmat_buf_printf(&b, "%d,", i);
    assert_int_equal(b.len, 3890);
    cmat_buf_truncate(&b, 6);
    assert_string_equal(b.data, "0,1,2,");
    s = cmat_buf_detach(&b);
    assert_string_equal(s, "0,1,2,");
    assert_null(b.data);
    free(s);
    for (int i = 0; i < 10000; i++)
        assert_string_equal(cmat_arena_printf(&a, "%d", 7), "7");
    assert_int_equal((uintptr_t)cmat_arena_alloc(&a, 200000) % 16, 0);
    cmat_arena_reset(&a);
    assert_int_equal(a.used, 0);
    cmat_arena_clear(&a);
    assert_null(cmat_alloc_big(SIZE_MAX / 2, 4));
    assert_null(cmat_alloc_big(SIZE_MAX - 10, 1));
}

static void test_rng(void **state)
{
    cmat_rng a, b;
    int items[100], seen[7] = {0};
    double sum = 0, sq = 0;
    (void)state;
    cmat_rng_init(&a, 1);
    cmat_rng_init(&b, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(cmat_rng_u64(&a), cmat_rng_u64(&b));
    cmat_rng_init_sub(&a, 1, 5);
    cmat_rng_init_sub(&b, 1, 6);
    assert_int_not_equal(cmat_rng_u64(&a), cmat_rng_u64(&b));
    for (int i = 0; i < 7000; i++)
        seen[cmat_rng_below(&a, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 850, 1150);
    for (int i = 0; i < 20000; i++) {
        double x = cmat_rng_normal(&a);
        sum += x;
        sq += x * x;
    }
    assert_true(sum / 20000 < 0.03 && sum / 20000 > -0.03);
    assert_true(sq / 20000 > 0.95 && sq / 20000 < 1.05);
    for (int i = 0; i < 100; i++)
        items[i] = i;
    cmat_rng_shuffle(&a, items, 100, sizeof *items);
    int moved = 0, total = 0;
    for (int i = 0; i < 100; i++) {
        moved += items[i] != i;
        total += items[i];
    }
    assert_int_equal(total, 4950);
    assert_true(moved > 80);
}

static void test_hash(void **state)
{
    char hex[65], md5[33];
    (void)state;
    cmat_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cmat_md5_hex("abc", 3, md5);
    assert_string_equal(md5, "900150983cd24fb0d6963f7d28e17f72");
}

static void test_files(void **state)
{
    char *path = cmat_path_join(folder, "a/b/c.txt"), *dir = cmat_path_join(folder, "a/b"), *data;
    size_t len;
    cmat_error err;
    cmat_map map;
    cmat_writer *w;
    (void)state;

    assert_int_equal(cmat_mkdir_p(dir, &err), CMAT_OK);
    assert_int_equal(cmat_write_file(path, "hello", 5, &err), CMAT_OK);
    assert_int_equal(cmat_read_file(path, 100, &data, &len, &err), CMAT_OK);
    assert_string_equal(data, "hello");
    free(data);
    assert_int_equal(cmat_read_file(path, 4, &data, &len, &err), CMAT_ERR_LIMIT);
    assert_null(data);
    assert_int_equal(cmat_read_file(dir, 4, &data, &len, &err), CMAT_ERR_IO);
    assert_int_equal(cmat_map_open(&map, path, &err), CMAT_OK);
    assert_memory_equal(map.data, "hello", 5);
    cmat_map_close(&map);
    assert_int_equal(cmat_map_open(&map, dir, &err), CMAT_ERR_IO);
    assert_int_equal(cmat_map_open(&map, "/nonexistent", &err), CMAT_ERR_NOT_FOUND);
    assert_int_equal(cmat_mkdir_p(path, &err), CMAT_ERR_IO);
    /* an aborted write leaves the old content */
    assert_int_equal(cmat_writer_open(&w, path, &err), CMAT_OK);
    cmat_writer_add(w, "other", 5);
    cmat_writer_abort(w);
    assert_int_equal(cmat_read_file(path, 100, &data, &len, &err), CMAT_OK);
    assert_string_equal(data, "hello");
    free(data);
    free(path);
    free(dir);
}

/* What is no file keeps its place: a pipe (/dev/stdout, say) gets the bytes, a link its target. */
static void test_special_files(void **state)
{
    char *fifo = cmat_path_join(folder, "fifo"), *link = cmat_path_join(folder, "link");
    char *file = cmat_path_join(folder, "linked"), text[8] = "";
    struct stat sb;
    cmat_error err;
    (void)state;

    assert_int_equal(mkfifo(fifo, 0600), 0);
    int fd = open(fifo, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(cmat_write_file(fifo, "hello", 5, &err), CMAT_OK);
    assert_int_equal(read(fd, text, sizeof text), 5);
    assert_string_equal(text, "hello");
    close(fd);
    assert_int_equal(cmat_write_file(file, "old", 3, &err), CMAT_OK);
    assert_int_equal(cmat_rename(file, fifo, &err), CMAT_ERR_IO);
    assert_non_null(strstr(err.msg, "is not a regular file"));
    assert_true(lstat(fifo, &sb) == 0 && S_ISFIFO(sb.st_mode));
    assert_int_equal(symlink("linked", link), 0);
    assert_int_equal(cmat_write_file(link, "longer", 6, &err), CMAT_OK);
    assert_true(lstat(link, &sb) == 0 && S_ISLNK(sb.st_mode));
    assert_true(stat(file, &sb) == 0 && sb.st_size == 6);
    free(fifo);
    free(link);
    free(file);
}

static void test_packed(void **state)
{
    static const struct {
        const char *data, *how;
    } cases[] = {{"\xfd\x37zXZ and more", "xz -dk a.json"},
                 {"\x1f\x8b\x08", "gunzip -k a.json"},
                 {"PK\x03\x04..", "unzip a.json"}};
    cmat_error err;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(cmat_check_unpacked("a.json", cases[i].data, strlen(cases[i].data), &err),
                         CMAT_ERR_FORMAT);
        assert_non_null(strstr(err.msg, cases[i].how));
    }
    assert_int_equal(cmat_check_unpacked("a.json", "\x1f", 1, &err), CMAT_OK);
    assert_int_equal(cmat_check_unpacked("a.json", "{\"a\": 1}", 8, &err), CMAT_OK);
}

/* A file-size limit stands in for a full disk: one error, and the old content stays. */
static void test_full_disk(void **state)
{
    char *path = cmat_path_join(folder, "full.bin"), *big = calloc(1, 1 << 20), *data;
    struct rlimit old, small = {.rlim_cur = 4096};
    size_t len;
    cmat_error err;
    (void)state;

    assert_int_equal(cmat_write_file(path, "old", 3, &err), CMAT_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(cmat_write_file(path, big, 1 << 20, &err), CMAT_ERR_IO);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(cmat_read_file(path, 100, &data, &len, &err), CMAT_OK);
    assert_string_equal(data, "old");
    free(data);
    free(big);
    free(path);
}

static void test_json(void **state)
{
    cmat_error err;
    char *path = cmat_path_join(folder, "rows.jsonl");
    json_t *rows, *text;
    (void)state;

    assert_null(cmat_json_parse("{\"a\": }", 7, "x.json", &err));
    assert_non_null(strstr(err.msg, "x.json: line 1, column"));
    cmat_write_file(path, "{\"a\":1}\n\n{\"a\":2}", 16, NULL);
    rows = cmat_jsonl_load(path, &err);
    assert_int_equal(json_array_size(rows), 2);
    assert_int_equal(cmat_json_int(json_array_get(rows, 1), "a", 0), 2);
    assert_int_equal(cmat_json_int(json_array_get(rows, 1), "b", 9), 9);
    json_decref(rows);
    cmat_write_file(path, "{\"a\":1}\n{\"a\":", 13, NULL);
    assert_null(cmat_jsonl_load(path, &err));
    assert_non_null(strstr(err.msg, "line 2"));
    text = cmat_json_text(
        "a\xff"
        "b",
        3);
    assert_string_equal(json_string_value(text),
                        "a\xef\xbf\xbd"
                        "b");
    json_decref(text);
    free(path);
}

static void test_text(void **state)
{
    cmat_buf b = {0};
    char out[32];
    uint32_t cp;
    (void)state;

    assert_int_equal(cmat_utf8_valid_prefix("a\xc3\xa9\xe2\x82", 5), 3);
    assert_true(cmat_utf8_is_partial("\xe2\x82", 2));
    assert_false(cmat_utf8_is_partial("\xed\xa0", 2)); /* a surrogate can never become valid */
    assert_int_equal(cmat_utf8_decode("\xf0\x9f\x98\x80", 4, &cp), 4);
    assert_int_equal(cp, 0x1f600);
    assert_int_equal(cmat_utf8_encode(cp, out), 4);
    assert_memory_equal(out, "\xf0\x9f\x98\x80", 4);
    cmat_text_inert(&b, "a\033[31m\n\xff", 8);
    assert_string_equal(b.data, "a\xef\xbf\xbd[31m\n\xef\xbf\xbd");
    cmat_buf_clear(&b);
    cmat_text_lower(&b, "A\xc3\x84\xe2\x82\xacZ\xff", 8);
    assert_string_equal(b.data, "a\xc3\xa4\xe2\x82\xacz\xff");
    cmat_buf_clear(&b);
    cmat_text_html(&b, "<a href=\"x\">&'", 14);
    assert_string_equal(b.data, "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    cmat_buf_clear(&b);
    cmat_text_bytes(out, sizeof out, 98362432);
    assert_string_equal(out, "98 MB");
    cmat_text_seconds(out, sizeof out, 200);
    assert_string_equal(out, "3 min 20 s");
}

typedef struct {
    bool flag;
    int64_t count;
    double lr;
    char *name;
    int mode;
} opts;
static const cmat_option table[] = {
    {"flag", CMAT_OPT_BOOL, offsetof(opts, flag), "true", 0, 0, NULL, NULL, "a flag", 'f'},
    {"max-count", CMAT_OPT_INT, offsetof(opts, count), "5", 1, 10000, NULL, "N", "a count", 'n'},
    {"train-lr", CMAT_OPT_FLOAT, offsetof(opts, lr), "0.5", 0, 1, NULL, NULL, "a rate", 0},
    {"name", CMAT_OPT_STR, offsetof(opts, name), NULL, 0, 0, NULL, "FILE", "a name", 0},
    {"mode", CMAT_OPT_ENUM, offsetof(opts, mode), "facts", 0, 0, "off|facts|both", NULL, "a mode",
     0},
    {0},
};

static void test_options(void **state)
{
    opts o = {0}, p = {0};
    cmat_error err;
    int n;
    char *path = cmat_path_join(folder, "r.yaml");
    char *argv[] = {"x",    "one", "--no-flag", "--max_count=2k", "--name", "a b", "two", "--mode",
                    "both", "--",  "-z"};
    (void)state;

    assert_int_equal(cmat_options_init(table, &o, &err), CMAT_OK);
    assert_true(o.flag && o.count == 5 && o.lr == 0.5 && !o.name && o.mode == 1);
    assert_int_equal(cmat_options_parse(table, &o, 11, argv, &n, &err), CMAT_OK);
    assert_int_equal(n, 3);
    assert_string_equal(argv[1], "one");
    assert_string_equal(argv[3], "-z");
    assert_true(!o.flag && o.count == 2000 && o.mode == 2);
    assert_string_equal(o.name, "a b");

    json_t *j = cmat_options_to_json(table, &o);
    assert_int_equal(cmat_options_init(table, &p, &err), CMAT_OK);
    assert_int_equal(cmat_options_from_json(table, &p, j, "run.json: ", &err), CMAT_OK);
    assert_true(p.count == 2000 && p.mode == 2 && !p.flag);
    assert_string_equal(p.name, "a b");
    json_decref(j);

    char *bad[][3] = {{"x", "--max-count", "0"}, {"x", "--max-count", "1.5"},
                      {"x", "--mode", "all"},    {"x", "--max-cuont", "3"},
                      {"x", "-q", "3"},          {"x", "one", "--name"}};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(cmat_options_parse(table, &p, 3, bad[i], &n, &err), CMAT_ERR_ARG);
    char *typo[] = {"x", "--max-cuont=3"};
    cmat_options_parse(table, &p, 2, typo, &n, &err);
    assert_non_null(strstr(err.msg, "did you mean max-count?"));

    cmat_write_file(path, "max_count: 7\ntrain:\n  lr: 0.25\nflag: yes\n", 41, NULL);
    assert_int_equal(cmat_options_load_yaml(table, &p, path, &err), CMAT_OK);
    assert_true(p.count == 7 && p.lr == 0.25 && p.flag);
    cmat_write_file(path, "max_count: 7\nlr: 0.25\n", 22, NULL);
    assert_int_equal(cmat_options_load_yaml(table, &p, path, &err), CMAT_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "line 2, column 5"));
    cmat_write_file(path, "max_count: 8x\n", 14, NULL);
    assert_int_equal(cmat_options_load_yaml(table, &p, path, &err), CMAT_ERR_FORMAT);
    cmat_options_clear(table, &o);
    cmat_options_clear(table, &p);
    free(path);
}

/* A table in a table: the outer one's option of a name goes before, and may be the inner member
 * with another default. */
static void test_options_nested(void **state)
{
    typedef struct {
        int64_t count;
        opts inner;
        double lr;
    } outer;
    static const cmat_option outer_table[] = {
        {"max-count", CMAT_OPT_INT, offsetof(outer, count), "3", 1, 9, NULL, "N", "own", 0},
        {"mode", CMAT_OPT_ENUM, offsetof(outer, inner.mode), "both", 0, 0, "off|facts|both", NULL,
         "inner, other default", 0},
        CMAT_OPTION_TABLE(offsetof(outer, inner), table),
        {"rate", CMAT_OPT_FLOAT, offsetof(outer, lr), "0.125", 0, 1, NULL, NULL, "after it", 0},
        {0},
    };
    outer o;
    cmat_error err;
    int n;
    char *argv[] = {"x", "--max-count", "9", "--name", "abc", "--rate", "0.25", "--no-flag"};
    (void)state;

    assert_int_equal(cmat_options_init(outer_table, &o, &err), CMAT_OK);
    assert_true(o.count == 3 && o.inner.count == 5 && o.inner.mode == 2 && o.inner.flag);
    assert_true(o.lr == 0.125 && o.inner.lr == 0.5);
    assert_int_equal(cmat_options_parse(outer_table, &o, 8, argv, &n, &err), CMAT_OK);
    assert_true(o.count == 9 && o.inner.count == 5 && o.lr == 0.25 && !o.inner.flag);
    assert_string_equal(o.inner.name, "abc");
    json_t *j = cmat_options_to_json(outer_table, &o);
    assert_int_equal(json_object_size(j), 6);
    assert_int_equal(json_integer_value(json_object_get(j, "max_count")), 9);
    json_decref(j);
    cmat_options_clear(outer_table, &o);
    assert_null(o.inner.name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_buf_and_arena),
        cmocka_unit_test(test_rng),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_special_files),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_options_nested),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
