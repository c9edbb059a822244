/* What a tuning run shows of itself: event files, the loss curve, the learning-rate range test. */
#include "core/json.h"
#include "core/text.h"
#include "eval/loss_curve.h"
#include "model_util.h"
#include "train/find_lr.h"
#include "train/tfevents.h"
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static cmat_error err;

static void remove_dir(const char *dir)
{
    char *cmd = cmat_xasprintf("rm -rf '%s'", dir);
    assert_int_equal(system(cmd), 0);
    free(cmd);
}

/* The customary check value of CRC-32C, for "123456789", is 0xe3069283. */
static void crc_is_castagnolis(void **state)
{
    (void)state;
    const uint32_t crc = 0xe3069283u;
    assert_int_equal(cmat_crc32c_masked("123456789", 9), (crc >> 15 | crc << 17) + 0xa282ead8u);
}

static char *only_file(const char *dir)
{
    DIR *d = opendir(dir);
    char *path = NULL;
    for (struct dirent *e; (e = readdir(d));)
        if (strncmp(e->d_name, "events.out.tfevents.", 20) == 0) {
            assert_null(path);
            path = cmat_path_join(dir, e->d_name);
        }
    closedir(d);
    assert_non_null(path);
    return path;
}

/* Every record is whole and carries its checksums; the scalars are in it as protobuf has them. */
static void event_files_are_tfrecords(void **state)
{
    (void)state;
    char *dir = tiny_tmp_path("events"), *data;
    size_t len, n_records = 0;
    cmat_tfevents *t;
    assert_int_equal(cmat_mkdir_p(dir, &err), CMAT_OK);
    assert_int_equal(cmat_tfevents_open(&t, dir, 6, &err), CMAT_OK);
    assert_int_equal(
        cmat_tfevents_add(t, 300, (const cmat_tf_scalar[]){{"a", 1.5}, {"train/loss", 2}}, 2, &err),
        CMAT_OK);
    cmat_tfevents_close(t);
    char *path = only_file(dir);
    assert_int_equal(cmat_read_file(path, 1 << 20, &data, &len, &err), CMAT_OK);
    for (size_t at = 0; at < len; n_records++) {
        uint64_t n;
        uint32_t crc;
        memcpy(&n, data + at, sizeof n);
        memcpy(&crc, data + at + 8, sizeof crc);
        assert_int_equal(crc, cmat_crc32c_masked(&n, sizeof n));
        assert_true(at + 16 + n <= len);
        memcpy(&crc, data + at + 12 + n, sizeof crc);
        const unsigned char *body = (const unsigned char *)data + at + 12;
        assert_int_equal(crc, cmat_crc32c_masked(body, n));
        assert_int_equal(body[0], 1 << 3 | 1); /* wall_time, 8 bytes, then step */
        if (n_records == 1) {                  /* goes on: session_log { status: START } at 7 */
            static const unsigned char want[] = {2 << 3, 7, 7 << 3 | 2, 2, 1 << 3, 1};
            assert_memory_equal(body + 9, want, sizeof want);
        }
        if (n_records == 2) {
            static const unsigned char want[] = {2 << 3,     (300 & 0x7f) | 0x80,
                                                 300 >> 7,   5 << 3 | 2,
                                                 29,         1 << 3 | 2,
                                                 8,          1 << 3 | 2,
                                                 1,          'a',
                                                 2 << 3 | 5, 0,
                                                 0,          0xc0,
                                                 0x3f,       1 << 3 | 2,
                                                 17,         1 << 3 | 2,
                                                 10,         't',
                                                 'r',        'a',
                                                 'i',        'n',
                                                 '/',        'l',
                                                 'o',        's',
                                                 's',        2 << 3 | 5,
                                                 0,          0,
                                                 0,          0x40};
            assert_int_equal(n, 9 + sizeof want);
            assert_memory_equal(body + 9, want, sizeof want);
        }
        at += 16 + n;
    }
    assert_int_equal(n_records, 3);
    assert_int_equal(cmat_tfevents_open(&t, "/nonexistent", -1, &err), CMAT_ERR_IO);
    assert_null(t);
    free(data);
    free(path);
    remove_dir(dir);
    free(dir);
}

static void curves_are_read_and_drawn(void **state)
{
    (void)state;
    static const char lines[] =
        "{\"eval_loss\": 4, \"step\": 0}\n{\"loss\": 3, \"step\": 1}\n"
        "{\"loss\": 1, \"step\": 2}\n{\"eval_loss\": 2, \"step\": 2}\n\n"
        "{\"loss\": 0.5, \"step\": 4}\n";
    char *dir = tiny_tmp_path("curve"), *metrics = cmat_path_join(dir, "metrics.jsonl"),
         *svg = cmat_path_join(dir, "loss.svg"), *text;
    cmat_loss_curve c;
    cmat_buf b = {0};
    double means[8];
    size_t len;
    assert_int_equal(cmat_mkdir_p(dir, &err), CMAT_OK);
    assert_int_equal(cmat_loss_curve_load(&c, dir, &err), CMAT_ERR_NOT_FOUND);
    assert_int_equal(cmat_write_file(metrics, lines, sizeof lines - 1, &err), CMAT_OK);
    assert_int_equal(cmat_loss_curve_load(&c, dir, &err), CMAT_OK);
    assert_int_equal(c.n, 4);
    assert_true(c.loss[0] == 3 && c.loss[1] == 1 && c.loss[2] == 1 && c.loss[3] == 0.5);
    assert_true(c.eval[0] == 4 && c.eval[1] == 2 && c.eval[3] == 2);
    assert_int_equal(cmat_loss_curve_means(&c, means, 2), 2);
    assert_true(means[0] == 2 && means[1] == 0.75);
    assert_int_equal(cmat_loss_curve_means(&c, means, 8), 4);
    cmat_text_sparkline(&b, means, 4);
    assert_string_equal(cmat_buf_str(&b), "█▂▂▁");
    assert_int_equal(cmat_loss_curve_save(&c, svg, &err), CMAT_OK);
    assert_int_equal(cmat_read_file(svg, 1 << 20, &text, &len, &err), CMAT_OK);
    assert_non_null(strstr(text, "<svg xmlns="));
    assert_non_null(strstr(text, ">validation<"));
    assert_non_null(strstr(text, "</svg>\n"));
    free(text);
    cmat_loss_curve_clear(&c);
    assert_int_equal(cmat_write_file(metrics, "{\"loss\": 1}\n", 12, &err), CMAT_OK);
    assert_int_equal(cmat_loss_curve_load(&c, dir, &err), CMAT_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "line 1"));
    cmat_buf_clear(&b);
    remove_dir(dir);
    free(dir);
    free(metrics);
    free(svg);
}

static void range_test_suggests_a_rate(void **state)
{
    (void)state;
    cmat_model *m = tiny_model_open(&tiny_model_small, NULL);
    const cmat_lora_config c = {.rank = 4, .alpha = 8, .targets = 0x7f};
    cmat_train_set set = {0};
    cmat_tune_options o = {0};
    cmat_lr_range r;
    cmat_adapter *a;
    cmat_rng rng;
    cmat_rng_init(&rng, 1);
    assert_int_equal(cmat_options_init(cmat_tune_option_table, &o, &err), CMAT_OK);
    assert_int_equal(cmat_adapter_new(&a, m, &c, &rng, &err), CMAT_OK);
    float *before = cmat_xmalloc(a->n_params * sizeof *before);
    memcpy(before, a->params, a->n_params * sizeof *before);
    for (int i = 0; i < 8; i++) {
        int32_t tokens[24];
        for (int j = 0; j < 24; j++)
            tokens[j] = (j * 7 + 3 * (i % 2)) % 250;
        cmat_train_set_add(&set, tokens, NULL, 24, 0);
    }
    o.batch_tokens = 64;
    if (cmat_find_lr(&r, m, a, &set, &o, 1e-5, 10, 60, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(r.n, 60);
    assert_true(fabs(r.points[0].lr / 1e-5 - 1) < 1e-9);
    for (size_t i = 1; i < r.n; i++) /* equal factors */
        assert_true(fabs(log(r.points[i].lr / r.points[i - 1].lr) - log(1e6) / 59) < 1e-9);
    assert_true(r.suggested > 1e-3 && r.suggested < 0.1);
    assert_true(r.suggested <= r.steepest && r.suggested <= r.lowest / 10);
    assert_memory_equal(before, a->params, a->n_params * sizeof *before);
    cmat_lr_range_clear(&r);

    assert_int_equal(cmat_find_lr(&r, m, a, &set, &o, 1, 1e-3, 60, &err), CMAT_ERR_ARG);
    assert_int_equal(cmat_find_lr(&r, m, a, &set, &o, 1e-12, 1e-11, 20, &err), CMAT_ERR_STATE);
    assert_null(r.points);
    free(before);
    cmat_adapter_free(a);
    cmat_train_set_clear(&set);
    cmat_options_clear(cmat_tune_option_table, &o);
    cmat_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_is_castagnolis),
        cmocka_unit_test(event_files_are_tfrecords),
        cmocka_unit_test(curves_are_read_and_drawn),
        cmocka_unit_test(range_test_suggests_a_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
