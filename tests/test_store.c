/* test_store.c - the run's store: keys, transactions, crashes, lessons, search, eviction. */
#include "core/fs.h"
#include "core/mem.h"
#include "memory/lesson.h"
#include "memory/store.h"
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char *temp_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = cmat_xasprintf("%s/cmat-store-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static void remove_dir(char *dir)
{
    char *cmd = cmat_xasprintf("rm -rf '%s'", dir);
    assert_int_equal(system(cmd), 0);
    free(cmd);
    free(dir);
}

static cmat_store *memory_store(void)
{
    cmat_store *s;
    cmat_error err;
    assert_int_equal(cmat_store_open(&s, ":memory:", false, &err), CMAT_OK);
    return s;
}

static cmat_status put(cmat_store *s, const char *phase, int round, const char *id, int k,
                       double score, const int64_t *lessons, size_t n, bool *added)
{
    json_t *j = json_pack("{s:s}", "note", id);
    const cmat_episode_row row = {.phase = phase,
                                  .round = round,
                                  .task_id = id,
                                  .k = k,
                                  .kind = "count",
                                  .checker = "facts",
                                  .score = score,
                                  .outcome = "completed",
                                  .error_kind = score < 1 ? "wrong column" : NULL,
                                  .n_turns = 2,
                                  .n_prompt = 100,
                                  .n_tokens = 20,
                                  .seconds = 0.5,
                                  .json = j};
    const cmat_verdict_row v[] = {{.step = 0,
                                   .attempt = 0,
                                   .source = "facts",
                                   .accepted = false,
                                   .right = 0,
                                   .reason = "no column x"},
                                  {.step = 0,
                                   .attempt = 1,
                                   .source = "model",
                                   .accepted = true,
                                   .executed = true,
                                   .right = -1}};
    cmat_error err;
    cmat_status st = cmat_store_put_episode(s, &row, v, 2, lessons, n, added, &err);
    json_decref(j);
    return st;
}

typedef struct {
    char text[512];
    int n, n_nan;
} seen;

static bool see(void *user, int64_t id, const cmat_episode_row *row)
{
    seen *s = user;
    assert_true(id > 0);
    size_t len = strlen(s->text);
    snprintf(s->text + len, sizeof s->text - len, "%s/%d/%s/%d ", row->phase, row->round,
             row->task_id, row->k);
    s->n++;
    s->n_nan += isnan(row->score);
    if (row->json)
        assert_string_equal(json_string_value(json_object_get(row->json, "note")), row->task_id);
    return true;
}

static bool see_verdict(void *user, const char *task_id, int k, const cmat_verdict_row *row)
{
    int *n = user;
    assert_string_equal(task_id, "a");
    assert_int_equal(k, 0);
    assert_int_equal(row->right, *n == 0 ? 0 : -1);
    assert_string_equal(row->source, *n == 0 ? "facts" : "model");
    (*n)++;
    return true;
}

static void test_episodes(void **state)
{
    (void)state;
    cmat_store *s = memory_store();
    cmat_error err;
    bool added, found;
    assert_int_equal(put(s, "eval", 1, "b", 0, NAN, NULL, 0, &added), CMAT_OK);
    assert_true(added);
    assert_int_equal(put(s, "eval", 1, "a", 0, 1, NULL, 0, &added), CMAT_OK);
    assert_int_equal(put(s, "collect", 0, "a", 1, 0, NULL, 0, &added), CMAT_OK);
    assert_int_equal(put(s, "eval", 1, "a", 0, 0, NULL, 0, &added), CMAT_OK);
    assert_false(added); /* the same key: the first stays */
    assert_int_equal(cmat_store_has_episode(s, "eval", 1, "a", 0, &found, &err), CMAT_OK);
    assert_true(found);
    assert_int_equal(cmat_store_has_episode(s, "eval", 1, "a", 1, &found, &err), CMAT_OK);
    assert_false(found);
    seen all = {0};
    assert_int_equal(cmat_store_each_episode(s, NULL, -1, true, see, &all, &err), CMAT_OK);
    assert_string_equal(all.text, "collect/0/a/1 eval/1/a/0 eval/1/b/0 ");
    assert_int_equal(all.n_nan, 1);
    int n = 0;
    assert_int_equal(cmat_store_delete_episodes(s, "eval", 1, &err), CMAT_OK);
    assert_int_equal(put(s, "eval", 1, "a", 0, 1, NULL, 0, &added), CMAT_OK);
    assert_int_equal(cmat_store_each_verdict(s, "eval", 1, see_verdict, &n, &err), CMAT_OK);
    assert_int_equal(n, 2); /* those of the deleted episodes went with them */
    cmat_store_close(s);
}

static void test_texts_and_meta(void **state)
{
    (void)state;
    cmat_store *s = memory_store();
    cmat_error err;
    char a[17], b[17], *text = NULL;
    assert_int_equal(cmat_store_put_text(s, "rules", a, &err), CMAT_OK);
    assert_int_equal(cmat_store_put_text(s, "rules", b, &err), CMAT_OK);
    assert_string_equal(a, b);
    assert_int_equal(cmat_store_get_text(s, a, &text, &err), CMAT_OK);
    assert_string_equal(text, "rules");
    free(text);
    assert_int_equal(cmat_store_get_text(s, "none", &text, &err), CMAT_ERR_NOT_FOUND);
    json_t *v = json_pack("{s:i}", "round", 3), *got = NULL;
    assert_int_equal(cmat_store_put_meta(s, "state", v, &err), CMAT_OK);
    json_object_set_new(v, "round", json_integer(4));
    assert_int_equal(cmat_store_put_meta(s, "state", v, &err), CMAT_OK);
    assert_int_equal(cmat_store_get_meta(s, "state", &got, &err), CMAT_OK);
    assert_true(json_equal(got, v));
    json_decref(got);
    json_decref(v);
    assert_int_equal(cmat_store_get_meta(s, "other", &got, &err), CMAT_OK);
    assert_null(got);
    cmat_store_close(s);
}

/* A file that is no store is refused and keeps its bytes. */
static void test_refuses_strangers(void **state)
{
    (void)state;
    char *dir = temp_dir();
    char *path = cmat_path_join(dir, "x.db");
    const char junk[] =
        "this is a text file, long enough to hold a header of SQLite, which has 100 bytes. "
        "And a bit more, so that nobody takes it for an empty one.";
    cmat_error err;
    cmat_store *s;
    assert_int_equal(cmat_store_open(&s, path, true, &err), CMAT_ERR_NOT_FOUND);
    assert_int_equal(cmat_write_file(path, junk, sizeof junk, &err), CMAT_OK);
    assert_int_equal(cmat_store_open(&s, path, false, &err), CMAT_ERR_FORMAT);
    assert_null(s);
    assert_null(strchr(err.msg, '\n'));
    char *data;
    size_t len;
    assert_int_equal(cmat_read_file(path, 4096, &data, &len, &err), CMAT_OK);
    assert_int_equal(len, sizeof junk);
    assert_memory_equal(data, junk, len);
    free(data);
    unlink(path);
    char *cmd = cmat_xasprintf("sqlite3 '%s' 'CREATE TABLE mine(a)' 2>/dev/null", path);
    if (system(cmd) == 0)
        assert_int_equal(cmat_store_open(&s, path, false, &err), CMAT_ERR_FORMAT);
    free(cmd);
    free(path);
    remove_dir(dir);
}

/* Killed in the middle of writing: everything that was reported is there, the file opens. */
static void test_survives_kill(void **state)
{
    (void)state;
    char *dir = temp_dir();
    char *path = cmat_path_join(dir, "store.db");
    for (int round = 0; round < 3; round++) {
        int fd[2];
        assert_int_equal(pipe(fd), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            cmat_store *s;
            if (cmat_store_open(&s, path, false, NULL) != CMAT_OK)
                _exit(1);
            for (int i = 0;; i++) {
                char id[32];
                bool added;
                snprintf(id, sizeof id, "task-%d", i);
                if (put(s, "collect", round, id, 0, 1, NULL, 0, &added) != CMAT_OK ||
                    write(fd[1], "x", 1) != 1)
                    _exit(1);
            }
        }
        close(fd[1]);
        char c;
        int reported = 0;
        while (reported < 20 + 7 * round && read(fd[0], &c, 1) == 1)
            reported++;
        kill(pid, SIGKILL);
        while (read(fd[0], &c, 1) == 1)
            reported++;
        waitpid(pid, NULL, 0);
        close(fd[0]);
        assert_true(reported >= 20);
        cmat_store *s;
        cmat_error err;
        seen all = {0};
        assert_int_equal(cmat_store_open(&s, path, false, &err), CMAT_OK);
        assert_int_equal(cmat_store_each_episode(s, "collect", round, true, see, &all, &err),
                         CMAT_OK);
        assert_in_range(all.n, reported, reported + 1);
        cmat_store_close(s);
    }
    free(path);
    remove_dir(dir);
}

static int64_t add(cmat_store *s, const char *kind, const char *task, const char *schema,
                   const char *lesson, int cap)
{
    const cmat_lesson l = {.origin = "test",
                           .kind = (char *)kind,
                           .task = (char *)task,
                           .schema = (char *)schema,
                           .lesson = (char *)lesson};
    int64_t id = 0;
    cmat_error err;
    if (cmat_store_add_lesson(s, &l, cap, &id, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_true(id > 0);
    return id;
}

static void test_lesson_search(void **state)
{
    (void)state;
    cmat_store *s = memory_store();
    cmat_error err;
    cmat_lesson_list found = {0};
    int64_t orders = add(s, "lesson", "How many orders were placed in May?", "orders customers",
                         "use placed_at", 0);
    add(s, "example", "Which artist has the most albums?", "artists albums", "SELECT ...", 0);
    int64_t other =
        add(s, "lesson", "How many orders were placed in June?", "tickets", "count them", 0);
    assert_int_equal(
        add(s, "lesson", "How many orders were placed in May?", "orders", "use placed_at", 0),
        orders);

    assert_int_equal(cmat_store_search_lessons(s, "how many ORDERS came in may", "orders customers",
                                               NULL, false, 5, &found, &err),
                     CMAT_OK);
    assert_true(found.n >= 2);
    assert_int_equal(found.items[0].id, orders);
    assert_true(found.items[0].rank >= found.items[1].rank);
    cmat_lesson_list_clear(&found);
    /* its own task is left out */
    assert_int_equal(cmat_store_search_lessons(s, "How many orders were placed in May?", NULL,
                                               "lesson", true, 5, &found, &err),
                     CMAT_OK);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.items[0].id, other);
    cmat_lesson_list_clear(&found);
    /* the text is no query: FTS5's own syntax does nothing */
    static const char *const hostile[] = {
        "\"", "orders\" OR task:*",    "NEAR(",          "a AND", "-",
        "",   "'; DROP TABLE lessons", "col:x^2 (orders"};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        assert_int_equal(
            cmat_store_search_lessons(s, hostile[i], hostile[i], NULL, false, 5, &found, &err),
            CMAT_OK);
        cmat_lesson_list_clear(&found);
    }
    assert_int_equal(cmat_store_list_lessons(s, NULL, 0, &found, &err), CMAT_OK);
    assert_int_equal(found.n, 3);
    cmat_lesson_list_clear(&found);
    assert_int_equal(cmat_store_forget_lesson(s, orders, &err), CMAT_OK);
    assert_int_equal(cmat_store_forget_lesson(s, orders, &err), CMAT_ERR_NOT_FOUND);
    assert_int_equal(cmat_store_search_lessons(s, "orders May", NULL, NULL, false, 5, &found, &err),
                     CMAT_OK);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.items[0].id, other);
    cmat_lesson_list_clear(&found);
    int n = 0;
    assert_int_equal(cmat_store_forget_lessons(s, "example", &n, &err), CMAT_OK);
    assert_int_equal(n, 1);
    cmat_store_close(s);
}

static void test_lesson_eviction(void **state)
{
    (void)state;
    cmat_store *s = memory_store();
    cmat_error err;
    cmat_lesson_list all = {0};
    bool added;
    int64_t good = add(s, "lesson", "one", "", "good", 3);
    int64_t bad = add(s, "lesson", "two", "", "bad", 3);
    int64_t fresh = add(s, "lesson", "three", "", "fresh", 3);
    assert_int_equal(put(s, "eval", 0, "a", 0, 1, &good, 1, &added), CMAT_OK);
    assert_int_equal(put(s, "eval", 0, "b", 0, 0, &bad, 1, &added), CMAT_OK);
    assert_int_equal(put(s, "eval", 0, "b", 0, 0, &bad, 1, &added), CMAT_OK); /* counted once */
    int64_t new_one = add(s, "lesson", "four", "", "new", 3);
    assert_int_equal(cmat_store_list_lessons(s, "lesson", 0, &all, &err), CMAT_OK);
    assert_int_equal(all.n, 3);
    assert_int_equal(all.items[0].id, new_one);
    assert_int_equal(all.items[1].id, fresh);
    assert_int_equal(all.items[2].id, good);
    assert_int_equal(all.items[2].uses, 1);
    assert_int_equal(all.items[2].wins, 1);
    cmat_lesson_list_clear(&all);
    cmat_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_episodes),          cmocka_unit_test(test_texts_and_meta),
        cmocka_unit_test(test_refuses_strangers), cmocka_unit_test(test_survives_kill),
        cmocka_unit_test(test_lesson_search),     cmocka_unit_test(test_lesson_eviction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
