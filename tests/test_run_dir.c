/* test_run_dir.c - a run's folder: stages survive, other runs' folders are refused, one process at
 * a time. */
#include "core/fs.h"
#include "evolve/run_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/cmat-run-XXXXXX";

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

static json_t *identity(double lr)
{
    return json_pack("{s:s, s:{s:f, s:i}}", "command", "evolve", "options", "lr", lr, "seed", 1);
}

static void test_stages(void **state)
{
    cmat_run_dir d;
    cmat_error err;
    char *path = cmat_path_join(folder, "a/run");
    json_t *id = identity(0.5);
    (void)state;

    assert_int_equal(cmat_run_dir_open(&d, path, id, &err), CMAT_OK);
    assert_null(cmat_run_dir_stage(&d, "x"));
    assert_int_equal(cmat_run_dir_finish(&d, "x", json_pack("{s:i}", "n", 3), &err), CMAT_OK);
    cmat_run_dir_close(&d);
    assert_int_equal(cmat_run_dir_open(&d, path, id, &err), CMAT_OK);
    assert_int_equal(json_integer_value(json_object_get(cmat_run_dir_stage(&d, "x"), "n")), 3);
    cmat_run_dir_close(&d);
    json_decref(id);
    free(path);
}

static void test_other_run(void **state)
{
    cmat_run_dir d;
    cmat_error err;
    char *path = cmat_path_join(folder, "b");
    json_t *id = identity(0.5), *other = identity(0.25);
    (void)state;

    assert_int_equal(cmat_run_dir_open(&d, path, id, &err), CMAT_OK);
    cmat_run_dir_close(&d);
    assert_int_equal(cmat_run_dir_open(&d, path, other, &err), CMAT_ERR_STATE);
    assert_non_null(strstr(err.msg, "options.lr (0.5 there, 0.25 now)"));
    assert_null(d.path);
    json_decref(id);
    json_decref(other);
    free(path);
}

static void test_two_processes(void **state)
{
    cmat_run_dir d;
    cmat_error err;
    char *path = cmat_path_join(folder, "c");
    json_t *id = identity(0.5);
    int status;
    pid_t child;
    (void)state;

    assert_int_equal(cmat_run_dir_open(&d, path, id, &err), CMAT_OK);
    child = fork();
    if (child == 0) {
        cmat_run_dir mine;
        _exit(cmat_run_dir_open(&mine, path, id, &err) == CMAT_ERR_STATE ? 0 : 1);
    }
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    cmat_run_dir_close(&d);
    json_decref(id);
    free(path);
}

static void test_damaged_state(void **state)
{
    cmat_run_dir d;
    cmat_error err;
    char *path = cmat_path_join(folder, "d"), *file = cmat_path_join(path, "state.json");
    json_t *id = identity(0.5);
    (void)state;

    assert_int_equal(cmat_run_dir_open(&d, path, id, &err), CMAT_OK);
    cmat_run_dir_close(&d);
    assert_int_equal(cmat_write_file(file, "{\"x\":", 5, &err), CMAT_OK);
    assert_int_equal(cmat_run_dir_open(&d, path, id, &err), CMAT_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "state.json"));
    json_decref(id);
    free(file);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_other_run),
        cmocka_unit_test(test_two_processes),
        cmocka_unit_test(test_damaged_state),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
