/* Tuning: gradients against finite differences, packing, the loop, resuming after a kill. */
#include "core/fs.h"
#include "model/adapter.h"
#include "train/checkpoint.h"
#include "train_util.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_model(void **state)
{
    (void)state;
    char *path = tiny_tmp_path("train.gguf");
    tiny_model_options o = {.std = 0.15F, .seed = 7};
    tiny_model_write(path, &o);
    cmat_status st = cmat_model_open(&model, path, NULL, &err);
    if (st != CMAT_OK)
        fprintf(stderr, "%s\n", err.msg);
    unlink(path);
    free(path);
    return st != CMAT_OK;
}

/* An adapter whose B is not zero, so that every gradient flows. */
static cmat_adapter *new_adapter(int rank, float dropout, unsigned targets, uint64_t seed)
{
    cmat_lora_config c = CMAT_LORA_DEFAULT;
    cmat_rng rng;
    cmat_adapter *a;
    c.rank = rank;
    c.alpha = 2.0F * (float)rank;
    c.dropout = dropout;
    c.targets = targets;
    cmat_rng_init(&rng, seed);
    OK(cmat_adapter_new(&a, model, &c, &rng, &err));
    return a;
}

static void randomise(cmat_adapter *a, uint64_t seed)
{
    cmat_rng rng;
    cmat_rng_init(&rng, seed);
    for (size_t i = 0; i < a->n_params; i++)
        a->params[i] = 0.1F * (float)cmat_rng_normal(&rng);
}

/* (L(p + h dir) - L(p - h dir)) / 2h for one matrix p of n elements. */
static double slope(fixture *f, float *p, const float *dir, size_t n, double h)
{
    float *saved = cmat_xmalloc(n * sizeof *saved);
    memcpy(saved, p, n * sizeof *saved);
    for (size_t i = 0; i < n; i++)
        p[i] = saved[i] + (float)h * dir[i];
    double up = run_all(f, false);
    for (size_t i = 0; i < n; i++)
        p[i] = saved[i] - (float)h * dir[i];
    double down = run_all(f, false);
    memcpy(p, saved, n * sizeof *saved);
    free(saved);
    return (up - down) / (2 * h);
}

static void check_matrix(fixture *f, float *p, const float *grad, size_t n, const char *what,
                         int layer)
{
    float *dir = cmat_xcalloc(n, sizeof *dir);
    double norm = 0;
    size_t biggest = 0;
    for (size_t i = 0; i < n; i++) {
        norm += (double)grad[i] * (double)grad[i];
        biggest = fabsf(grad[i]) > fabsf(grad[biggest]) ? i : biggest;
    }
    norm = sqrt(norm);
    assert_true(norm > 1e-3);
    for (size_t i = 0; i < n; i++)
        dir[i] = (float)((double)grad[i] / norm);
    double along = slope(f, p, dir, n, 0.02);
    memset(dir, 0, n * sizeof *dir);
    dir[biggest] = 1;
    double one = slope(f, p, dir, n, 0.02);
    if (fabs(along - norm) > 0.01 * norm ||
        fabs(one - (double)grad[biggest]) > 0.01 * fabs((double)grad[biggest]) + 2e-3 * norm)
        fail_msg("%s of layer %d: |g| %g, slope %g; largest %g, slope %g", what, layer, norm, along,
                 (double)grad[biggest], one);
    free(dir);
}

static void check_gradients(float dropout, bool rslora)
{
    fixture f;
    cmat_train_set set;
    cmat_adapter *a = new_adapter(4, dropout, 0x7f, 1);
    a->config.rslora = rslora;
    randomise(a, 2);
    make_set(&set, 6, 20, 12, 1, 5);
    fixture_init(&f, &set, &a, 1, 64, true, CMAT_KEEP_F32);
    assert_true(f.p.n_batches > 1);
    f.pass->dropout = dropout > 0;
    run_all(&f, true);
    float *grad = host_grads(&f);
    for (int l = 0; l < model->config.n_layers; l++)
        for (int w = 0; w < CMAT_N_LAYER_WEIGHTS; w++) {
            const cmat_lora_pair *pair = cmat_adapter_pair(a, l, w);
            const cmat_weight *base = &model->layers[l].w[w];
            check_matrix(&f, pair->a, grad + (pair->a - a->params), (size_t)(4 * base->n_in),
                         cmat_weight_names[w], l);
            check_matrix(&f, pair->b, grad + (pair->b - a->params), (size_t)(4 * base->n_out),
                         cmat_weight_names[w], l);
        }
    free(grad);
    fixture_clear(&f);
    cmat_train_set_clear(&set);
    cmat_adapter_free(a);
}

static void gradients_match_finite_differences(void **state)
{
    (void)state;
    check_gradients(0, false);
}

static void gradients_with_dropout(void **state)
{
    (void)state;
    check_gradients(0.3F, false);
}

/* Every way of computing a batch gives the same loss and gradients as samples one by one. */
static void same_gradients(bool share, cmat_keep keep, double bound)
{
    fixture plain, f;
    cmat_train_set set;
    cmat_adapter *a = new_adapter(4, 0, 0x7f, 1);
    randomise(a, 2);
    make_set(&set, 12, 40, 10, 1, 5);
    fixture_init(&plain, &set, &a, 1, 60, false, CMAT_KEEP_F32); /* one sample a batch */
    fixture_init(&f, &set, &a, 1, 200, share, keep);
    assert_true(plain.p.n_batches == 12 && f.p.n_batches < 12);
    double l0 = run_all(&plain, true), l1 = run_all(&f, true);
    assert_true(fabs(l0 - l1) < 1e-5 * l0);
    double d = difference(plain.pass->grads[0], f.pass->grads[0], a->n_params);
    if (!(d < bound))
        fail_msg("gradients differ by %g", d);
    fixture_clear(&plain);
    fixture_clear(&f);
    cmat_train_set_clear(&set);
    cmat_adapter_free(a);
}

static void packing_changes_nothing(void **state)
{
    (void)state;
    same_gradients(false, CMAT_KEEP_F32, 1e-5);
}

static void shared_prefix_changes_nothing(void **state)
{
    (void)state;
    same_gradients(true, CMAT_KEEP_F32, 1e-5);
}

static void keeping_less_changes_little(void **state)
{
    (void)state;
    same_gradients(true, CMAT_KEEP_RECOMPUTE, 1e-5);
    same_gradients(true, CMAT_KEEP_BF16, 0.01);
}

/* The gradients of a set with dropout, computed by k. */
static float *gradients_by(const cmat_kernel_ops *k, const cmat_train_set *set, cmat_adapter *a,
                           cmat_keep keep, double *loss)
{
    fixture f;
    kernel = k;
    fixture_init(&f, set, &a, 1, 200, true, keep);
    kernel = NULL;
    f.pass->dropout = true;
    *loss = run_all(&f, true);
    float *grads = host_grads(&f);
    fixture_clear(&f);
    return grads;
}

/* Every table, with a copy of the base in its own memory, gives the plain one's loss and gradients:
 * a device's products round to 10 bits, so that there the bound is 1 %. */
static void kernels_give_the_same_gradients(void **state)
{
    (void)state;
    cmat_train_set set;
    cmat_adapter *a = new_adapter(4, 0.2F, 0x7f, 1);
    double loss, want_loss;
    randomise(a, 2);
    make_set(&set, 12, 40, 10, 1, 5);
    float *want = gradients_by(cmat_kernel_find("plain"), &set, a, CMAT_KEEP_F32, &want_loss);
    for (int i = 0; cmat_kernels[i]; i++)
        for (int keep = CMAT_KEEP_F32; cmat_kernels[i]->available() && keep <= CMAT_KEEP_RECOMPUTE;
             keep++) {
            const double bound = keep == CMAT_KEEP_BF16 || cmat_kernels[i]->device ? 0.01 : 1e-4;
            float *got = gradients_by(cmat_kernels[i], &set, a, (cmat_keep)keep, &loss);
            const double d = difference(want, got, a->n_params);
            if (!(d < bound) || !(fabs(loss - want_loss) < 0.1 * bound * want_loss))
                fail_msg("%s, keep %d: gradients differ by %g, loss %g and %g",
                         cmat_kernels[i]->name, keep, d, loss, want_loss);
            free(got);
        }
    free(want);
    cmat_train_set_clear(&set);
    cmat_adapter_free(a);
}

/* One thread and two give the same bytes. */
static void threads_change_nothing(void **state)
{
    (void)state;
    cmat_train_set set;
    cmat_tune_options o = default_options();
    cmat_adapter *a[2] = {new_adapter(8, 0.1F, 0x7f, 1), new_adapter(8, 0.1F, 0x7f, 1)};
    make_set(&set, 10, 20, 14, 1, 5);
    o.max_steps = 2;
    o.batch_tokens = 300;
    for (int i = 0; i < 2; i++) {
        cmat_threads_set(i + 1);
        OK(cmat_tune(model, a[i], &set, NULL, &o, NULL, &err));
    }
    cmat_threads_set(1);
    assert_memory_equal(a[0]->params, a[1]->params, a[0]->n_params * sizeof(float));
    cmat_adapter_free(a[0]);
    cmat_adapter_free(a[1]);
    cmat_train_set_clear(&set);
}

static void adapters_share_a_batch(void **state)
{
    (void)state;
    cmat_train_set both, one[2] = {{0}, {0}};
    cmat_adapter *a[2] = {new_adapter(4, 0, 0x7f, 1), new_adapter(8, 0, 0x03, 2)};
    fixture f, g;
    randomise(a[0], 3);
    randomise(a[1], 4);
    make_set(&both, 10, 30, 10, 2, 6);
    for (size_t i = 0; i < both.n; i++)
        cmat_train_set_add(&one[i % 2], both.items[i].tokens, both.items[i].weights,
                           both.items[i].n, 0);
    fixture_init(&f, &both, a, 2, 400, true, CMAT_KEEP_F32);
    assert_int_equal(f.p.n_batches, 1);
    double sum = run_all(&f, true), parts = 0;
    for (int i = 0; i < 2; i++) {
        fixture_init(&g, &one[i], &a[i], 1, 100, true, CMAT_KEEP_F32);
        parts += run_all(&g, true);
        assert_true(difference(g.pass->grads[0], f.pass->grads[i], a[i]->n_params) < 1e-5);
        fixture_clear(&g);
        cmat_train_set_clear(&one[i]);
        cmat_adapter_free(a[i]);
    }
    assert_true(fabs(sum - parts) < 1e-5 * sum);
    fixture_clear(&f);
    cmat_train_set_clear(&both);
}

static void plan_has_every_sample_once(void **state)
{
    (void)state;
    cmat_train_set set;
    cmat_clusters c;
    cmat_plan p;
    cmat_batch b;
    long rows = 0, tokens = 0;
    make_set(&set, 101, 60, 20, 1, 9);
    OK(cmat_clusters_init(&c, &set, 300, true, &err));
    assert_int_equal(c.n_clusters, 2); /* make_set has two beginnings */
    cmat_plan_init(&p, &c, true, 1, 0);
    cmat_batch_init(&b, 300);
    char seen[101] = {0};
    for (size_t i = 0; i < p.n_batches; i++) {
        cmat_batch_fill(&b, &c, &p, i);
        assert_int_equal(b.n_rows, p.batches[i].rows);
        assert_true(b.n_rows <= 300);
        rows += b.n_rows;
        tokens += b.n_tokens;
    }
    for (size_t i = 0; i < set.n; i++)
        assert_int_equal(seen[p.order[i]]++, 0);
    assert_true(rows < tokens * 45 / 100); /* 60 of 80 rows are shared by about ten */
    cmat_batch_clear(&b);
    cmat_plan_clear(&p);
    cmat_clusters_clear(&c);
    assert_int_equal(cmat_clusters_init(&c, &set, 50, true, &err), CMAT_ERR_ARG);
    cmat_clusters_clear(&c);
    cmat_train_set_clear(&set);
}

/* A run that is out of time gives its best, and started again goes on to the same end. */
static void time_limit_stops_and_goes_on(void **state)
{
    (void)state;
    cmat_train_set set;
    cmat_tune_options o = default_options();
    cmat_tune_result r;
    char *dir = tiny_tmp_path("limit");
    cmat_adapter *whole = new_adapter(4, 0.1F, 0x7f, 1), *part;
    make_set(&set, 10, 20, 14, 1, 5);
    o.max_steps = 4;
    o.batch_tokens = 100;
    OK(cmat_tune(model, whole, &set, &set, &o, &r, &err));
    assert_int_equal(r.end, CMAT_TUNE_FINISHED);
    o.run_dir = dir;
    o.max_minutes = 1e-9; /* one step a call */
    for (int i = 1; i <= 4; i++) {
        part = new_adapter(4, 0.1F, 0x7f, 1);
        OK(cmat_tune(model, part, &set, &set, &o, &r, &err));
        assert_int_equal(r.steps, i);
        assert_int_equal(r.end, i < 4 ? CMAT_TUNE_TIME_UP : CMAT_TUNE_FINISHED);
        assert_int_equal(r.best_step[0], i); /* lr is small: each step is better */
        if (i < 4)
            cmat_adapter_free(part);
    }
    assert_memory_equal(whole->params, part->params, part->n_params * sizeof(float));
    cmat_adapter_free(part);
    cmat_adapter_free(whole);
    cmat_train_set_clear(&set);
    remove_dir(dir);
    free(dir);
}

static void unknown_device_is_refused(void **state)
{
    (void)state;
    cmat_train_set set;
    cmat_tune_options o = default_options();
    cmat_adapter *a = new_adapter(4, 0, 0x7f, 1);
    make_set(&set, 4, 20, 14, 1, 5);
    o.device = (char *)"abacus";
    assert_int_equal(cmat_tune(model, a, &set, NULL, &o, NULL, &err), CMAT_ERR_ARG);
    assert_non_null(strstr(err.msg, "abacus"));
    cmat_adapter_free(a);
    cmat_train_set_clear(&set);
}

static void overfits_eight_samples(void **state)
{
    (void)state;
    cmat_train_set set;
    cmat_tune_options o = default_options();
    cmat_tune_result r;
    cmat_adapter *a = new_adapter(16, 0, 0x7f, 1);
    make_set(&set, 8, 20, 14, 1, 5);
    o.lr = 2e-2;
    o.max_steps = 120;
    o.batch_tokens = 512;
    OK(cmat_tune(model, a, &set, NULL, &o, &r, &err));
    assert_int_equal(r.steps, 120);
    assert_true(r.first_loss > 3);
    if (!(r.loss < 0.1))
        fail_msg("loss %g after %g", r.loss, r.first_loss);
    cmat_adapter_free(a);
    cmat_train_set_clear(&set);
}

static void early_stop_keeps_the_best(void **state)
{
    (void)state;
    cmat_train_set set, valid;
    cmat_tune_options o = default_options();
    cmat_tune_result r;
    cmat_adapter *a = new_adapter(16, 0, 0x7f, 1);
    double loss;
    make_set(&set, 8, 20, 14, 1, 5);
    make_set(&valid, 8, 20, 14, 1, 6); /* random tokens: nothing carries over */
    o.lr = 1e-2;
    o.max_steps = 200;
    o.eval_every = 5;
    o.patience = 3;
    o.batch_tokens = 512;
    OK(cmat_tune(model, a, &set, &valid, &o, &r, &err));
    assert_int_equal(r.end, CMAT_TUNE_EARLY_STOP);
    assert_true(r.steps < 200);
    assert_true(r.best_step[0] == r.steps - 15);
    OK(cmat_tune_eval(model, &a, 1, &valid, &o, &loss, &err));
    assert_true(fabs(loss - r.eval_loss[0]) < 1e-5);
    assert_true(loss <= r.eval_start);
    cmat_adapter_free(a);
    cmat_train_set_clear(&set);
    cmat_train_set_clear(&valid);
}

/* ---- killed and resumed ---- */

static int kill_at;

static void kill_step(void *user, const cmat_tune_metrics *m)
{
    (void)user;
    if (m->step == kill_at && !m->has_eval)
        kill(getpid(), SIGKILL);
}

/* A process of its own, started afresh since OpenMP does not outlive a fork: argv as main sees it.
 * Returns its exit status, or -1 when it was killed. */
static const char *self;

static int run_self(const char *what, const char *dir, int at, const char *out)
{
    char number[16];
    snprintf(number, sizeof number, "%d", at);
    pid_t pid = fork();
    if (pid == 0) {
        execl(self, self, what, dir, number, out, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* One run, killed at step `at` (0: not); its parameters go to out. */
static int tune_child(const char *dir, int at, const char *out)
{
    cmat_train_set set, valid;
    cmat_tune_options o = default_options();
    cmat_adapter *a = new_adapter(8, 0.1F, 0x7f, 1);
    make_set(&set, 40, 20, 14, 1, 5);
    make_set(&valid, 4, 20, 14, 1, 5);
    o.lr = 3e-3;
    o.epochs = 2.5;
    o.batch_tokens = 100;
    o.grad_accum = 2;
    o.eval_every = 4;
    o.save_every = 3;
    o.patience = 0;
    o.run_dir = (char *)dir;
    o.on_step = kill_step;
    kill_at = at;
    cmat_status st = cmat_tune(model, a, &set, &valid, &o, NULL, &err);
    if (st == CMAT_OK)
        st = cmat_write_file(out, a->params, a->n_params * sizeof(float), &err);
    if (st != CMAT_OK)
        fprintf(stderr, "child: %s\n", err.msg);
    return st != CMAT_OK;
}

static void resumed_run_is_identical(void **state)
{
    (void)state;
    static const int kills[] = {1, 2, 3, 4, 5, 7, 8, 9};
    char *dir = tiny_tmp_path("run"), *dir2 = tiny_tmp_path("run2");
    char *out = tiny_tmp_path("params"), *out2 = tiny_tmp_path("params2");
    char *a, *b;
    size_t na, nb;
    remove_dir(dir);
    remove_dir(dir2);
    assert_int_equal(run_self("tune", dir, 0, out), 0);
    for (size_t i = 0; i < sizeof kills / sizeof *kills; i++)
        assert_int_equal(run_self("tune", dir2, kills[i], out2), -1);
    assert_int_equal(run_self("tune", dir2, 0, out2), 0);
    OK(cmat_read_file(out, SIZE_MAX, &a, &na, &err));
    OK(cmat_read_file(out2, SIZE_MAX, &b, &nb, &err));
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    free(a);
    free(b);
    /* a finished run gives its result again */
    assert_int_equal(run_self("tune", dir2, 1, out2), 0);
    remove_dir(dir);
    remove_dir(dir2);
    unlink(out);
    unlink(out2);
    free(dir);
    free(dir2);
    free(out);
    free(out2);
}

static cmat_status tune_in(const char *dir, uint64_t data_seed)
{
    cmat_train_set set;
    cmat_tune_options o = default_options();
    cmat_adapter *a = new_adapter(8, 0, 0x7f, 1);
    make_set(&set, 4, 20, 14, 1, data_seed);
    o.max_steps = 2;
    o.batch_tokens = 200;
    o.run_dir = (char *)dir;
    cmat_status st = cmat_tune(model, a, &set, NULL, &o, NULL, &err);
    cmat_adapter_free(a);
    cmat_train_set_clear(&set);
    return st;
}

static void damaged_checkpoints_are_refused(void **state)
{
    (void)state;
    char *dir = tiny_tmp_path("damaged"), *file = cmat_path_join(dir, "checkpoint.cmat");
    char *data;
    size_t n;
    remove_dir(dir);
    OK(tune_in(dir, 1));
    assert_int_equal(tune_in(dir, 2), CMAT_ERR_STATE); /* other data */
    OK(cmat_read_file(file, SIZE_MAX, &data, &n, &err));
    for (size_t cut = 0; cut < n; cut += n / 50 + 1) {
        OK(cmat_write_file(file, data, cut, &err));
        assert_int_equal(tune_in(dir, 1), CMAT_ERR_FORMAT);
    }
    data[n - 5] ^= 1;
    OK(cmat_write_file(file, data, n, &err));
    assert_int_equal(tune_in(dir, 1), CMAT_ERR_FORMAT);
    free(data);
    remove_dir(dir);
    free(dir);
    free(file);
}

static int full_child(const char *dir)
{
    struct rlimit lim = {20000, 20000};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &lim);
    cmat_status st = tune_in(dir, 1);
    bool good = st == CMAT_ERR_IO && strstr(err.msg, "too large") && !strchr(err.msg, '\n');
    if (!good)
        fprintf(stderr, "child: %s: %s\n", cmat_status_name(st), err.msg);
    return !good;
}

static void full_disk_is_one_error(void **state)
{
    (void)state;
    char *dir = tiny_tmp_path("full"), *file = cmat_path_join(dir, "checkpoint.cmat");
    remove_dir(dir);
    assert_int_equal(run_self("full", dir, 0, ""), 0);
    assert_false(cmat_path_exists(file));
    char *cmd = cmat_xasprintf("test $(ls '%s' | wc -l) -eq 1", dir); /* metrics.jsonl alone */
    assert_int_equal(system(cmd), 0);
    free(cmd);
    remove_dir(dir);
    free(dir);
    free(file);
}

static void too_little_memory_is_refused(void **state)
{
    (void)state;
    cmat_train_set set;
    cmat_tune_options o = default_options();
    cmat_adapter *a = new_adapter(8, 0, 0x7f, 1);
    make_set(&set, 4, 20, 14, 1, 1);
    o.memory = 100000;
    assert_int_equal(cmat_tune(model, a, &set, NULL, &o, NULL, &err), CMAT_ERR_NOMEM);
    assert_non_null(strstr(err.msg, "MB"));
    cmat_adapter_free(a);
    cmat_train_set_clear(&set);
}

static void weights_follow_messages(void **state)
{
    (void)state;
    cmat_train_set set = {0};
    cmat_dataset ds = {0};
    OK(cmat_dataset_add(&ds,
                        json_loads("[{\"role\":\"user\",\"content\":\"hi\"},"
                                   "{\"role\":\"assistant\",\"content\":\"no\",\"loss\":false},"
                                   "{\"role\":\"user\",\"content\":\"more\"},"
                                   "{\"role\":\"assistant\",\"content\":\"yes\",\"weight\":0.5}]",
                                   0, NULL),
                        NULL, 2, "test", &err));
    OK(cmat_train_set_add_dataset(&set, model, &ds, 0, 0, &err));
    assert_int_equal(set.n, 1);
    const cmat_sample *s = &set.items[0];
    cmat_buf learned = {0};
    for (int i = 0; i < s->n; i++) {
        if (s->weights[i] == 0)
            continue;
        assert_true(s->weights[i] == 1.0F);
        cmat_tokenizer_decode(model->tokenizer, &s->tokens[i], 1, true, &learned);
    }
    assert_string_equal(cmat_buf_str(&learned), "yes<|im_end|>");
    cmat_buf_clear(&learned);
    OK(cmat_train_set_add_dataset(&set, model, &ds, 5, 0, &err));
    assert_int_equal(set.n_too_long, 1);
    cmat_dataset_clear(&ds);
    cmat_train_set_clear(&set);
}

int main(int argc, char **argv)
{
    self = argv[0];
    cmat_threads_set(1); /* the matrices are tiny; one test takes two */
    if (argc == 5) {     /* started by run_self */
        if (open_model(NULL) != 0)
            return 2;
        bool tune = strcmp(argv[1], "tune") == 0;
        /* not return: what a child still holds is not a leak of the code under test */
        _exit(tune ? tune_child(argv[2], atoi(argv[3]), argv[4]) : full_child(argv[2]));
    }
    if (argc == 2)
        cmocka_set_test_filter(argv[1]); /* one test by name; * and ? are understood */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_finite_differences),
        cmocka_unit_test(gradients_with_dropout),
        cmocka_unit_test(packing_changes_nothing),
        cmocka_unit_test(shared_prefix_changes_nothing),
        cmocka_unit_test(keeping_less_changes_little),
        cmocka_unit_test(kernels_give_the_same_gradients),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(time_limit_stops_and_goes_on),
        cmocka_unit_test(unknown_device_is_refused),
        cmocka_unit_test(adapters_share_a_batch),
        cmocka_unit_test(plan_has_every_sample_once),
        cmocka_unit_test(overfits_eight_samples),
        cmocka_unit_test(early_stop_keeps_the_best),
        cmocka_unit_test(resumed_run_is_identical),
        cmocka_unit_test(damaged_checkpoints_are_refused),
        cmocka_unit_test(full_disk_is_one_error),
        cmocka_unit_test(too_little_memory_is_refused),
        cmocka_unit_test(weights_follow_messages),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
