/* Attention: plain against finite differences and a plain softmax, other tables against plain;
 * shared prefixes against repeated ones. */
#include "kernel_util.h"

/* A device's products round their factors to 10 bits. */
static const double BOUND = 1e-9, DEVICE_BOUND = 4e-6;

static double bound_of(const cmat_kernel_ops *k)
{
    return k->device ? DEVICE_BOUND : BOUND;
}

static void each_kernel(void (*fn)(const cmat_kernel_ops *k))
{
    for (int i = 0; cmat_kernels[i]; i++)
        if (cmat_kernels[i]->available())
            fn(cmat_kernels[i]);
}

/* One packed batch as in tuning: rows of q (H, d), k (G, d), v (G, d) side by side, ld floats. All
 * in the host's memory. */
typedef struct {
    const cmat_kernel_ops *kernel;
    const cmat_segment *seg;
    int n_seg, T, H, G, d, ld, window;
    float *qkv, *o, *lse, *dout, *dqkv;
} batch;

static void batch_init(batch *b, const cmat_kernel_ops *k, const cmat_segment *seg, int n_seg,
                       int T, int H, int G, int d)
{
    const size_t nq = (size_t)(T * H * d);
    *b = (batch){.kernel = k, .seg = seg, .n_seg = n_seg, .T = T, .H = H, .G = G, .d = d};
    b->ld = (H + 2 * G) * d;
    b->qkv = random_floats((size_t)(T * b->ld), 1, 1);
    b->dout = random_floats(nq, 1, 4);
    b->o = random_floats(nq, 1, 5);
    b->lse = cmat_xcalloc((size_t)(T * H), sizeof(float));
    b->dqkv = random_floats((size_t)(T * b->ld), 1, 6); /* dq is overwritten, dk and dv added to */
}

static void batch_clear(batch *b)
{
    float *all[] = {b->qkv, b->o, b->lse, b->dout, b->dqkv};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* Runs one direction in the table's memory; what it writes comes back. */
static void run(batch *b, bool back)
{
    const cmat_kernel_ops *k = b->kernel;
    const size_t nq = (size_t)(b->T * b->H * b->d), n = (size_t)(b->T * b->ld);
    const size_t n_lse = (size_t)(b->T * b->H);
    const int q = b->H * b->d, kv = b->G * b->d;
    float *qkv = to_table(k, b->qkv, n), *o = to_table(k, b->o, nq),
          *lse = to_table(k, b->lse, n_lse);
    float *dout = to_table(k, b->dout, nq), *dqkv = to_table(k, b->dqkv, n);
    if (back) {
        k->attention_backward(dqkv, dqkv + q, dqkv + q + kv, dout, q, o, lse, qkv, b->ld, qkv + q,
                              qkv + q + kv, b->ld, b->seg, b->n_seg, b->H, b->G, b->d, b->window);
        k->download(b->dqkv, dqkv, n * sizeof(float));
    } else {
        k->attention(o, q, lse, qkv, b->ld, qkv + q, qkv + q + kv, b->ld, b->seg, b->n_seg, b->H,
                     b->G, b->d, b->window);
        k->download(b->o, o, nq * sizeof(float));
        k->download(b->lse, lse, n_lse * sizeof(float));
    }
    cmat_error err;
    if (k->check(&err) != CMAT_OK)
        fail_msg("%s", err.msg);
    float *all[] = {qkv, o, lse, dout, dqkv};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        k->free(all[i]);
}

static void forward(batch *b)
{
    run(b, false);
}

static void backward(batch *b)
{
    run(b, true);
}

static double loss(void *ctx)
{
    batch *b = ctx;
    forward(b);
    double s = 0;
    for (int i = 0; i < b->T * b->H * b->d; i++)
        s += (double)b->o[i] * (double)b->dout[i];
    return s;
}

static const cmat_segment with_prefix[] = {
    {0, 5, 0, 0, 0}, {5, 4, 0, 5, 5}, {9, 3, 0, 5, 5}, {12, 7, 0, 0, 0}};

static void gradients_window(const cmat_kernel_ops *k, int window)
{
    batch b;
    if (k->device)
        return; /* finite differences need more bits */
    batch_init(&b, k, with_prefix, 4, 19, 6, 2, 8);
    b.window = window;
    memset(b.dqkv, 0, (size_t)(b.T * b.ld) * sizeof(float));
    forward(&b);
    backward(&b);
    check_gradient("attention", loss, &b, b.qkv, b.dqkv, (size_t)(19 * b.ld), 180, 1e-2, 5e-3);
    batch_clear(&b);
}

static void gradients(const cmat_kernel_ops *k)
{
    gradients_window(k, 0);
    gradients_window(k, 3);
}

static void test_gradients(void **state)
{
    (void)state;
    each_kernel(gradients);
}

/* Any table against plain on one set of segments. */
static void compare_window(const cmat_kernel_ops *k, const cmat_segment *seg, int n_seg, int T,
                           int H, int G, int d, int window)
{
    char what[96];
    batch b, ref;
    batch_init(&b, k, seg, n_seg, T, H, G, d);
    batch_init(&ref, &cmat_kernel_cpu, seg, n_seg, T, H, G, d);
    b.window = ref.window = window;
    forward(&b);
    forward(&ref);
    snprintf(what, sizeof what, "%s attention T=%d H=%d G=%d d=%d window=%d", k->name, T, H, G, d,
             window);
    check_nmse(what, b.o, ref.o, (size_t)(T * H * d), bound_of(k));
    check_nmse(what, b.lse, ref.lse, (size_t)(T * H), bound_of(k));
    backward(&b);
    backward(&ref);
    for (int part = 0; part < 3; part++) { /* dq, dk, dv apart: their sizes differ */
        const int from = part ? (H + (part - 1) * G) * d : 0, width = part ? G * d : H * d;
        for (int t = 0; t < T; t++) {
            memmove(b.o + t * width, b.dqkv + t * b.ld + from, (size_t)width * sizeof(float));
            memmove(ref.o + t * width, ref.dqkv + t * b.ld + from, (size_t)width * sizeof(float));
        }
        snprintf(what, sizeof what, "%s attention_backward %c T=%d H=%d G=%d d=%d window=%d",
                 k->name, "qkv"[part], T, H, G, d, window);
        /* with one key dq and dk are zero: what is left is rounding, not a share of anything */
        check_nmse(what, b.o, ref.o, (size_t)(T * width), T == 1 && k->device ? 1e-4 : bound_of(k));
    }
    batch_clear(&b);
    batch_clear(&ref);
}

static void compare(const cmat_kernel_ops *k, const cmat_segment *seg, int n_seg, int T, int H,
                    int G, int d)
{
    static const int windows[] = {0, 2, 17, 100, 1000};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        compare_window(k, seg, n_seg, T, H, G, d, windows[i]);
}

static void equals_plain(const cmat_kernel_ops *k)
{
    static const cmat_segment one[] = {{0, 1, 0, 0, 0}}, odd[] = {{0, 67, 0, 0, 0}};
    static const cmat_segment mixed[] = {{0, 70, 0, 0, 0},
                                         {70, 33, 0, 70, 70},
                                         {103, 1, 0, 70, 70},
                                         {104, 96, 0, 0, 0},
                                         {200, 30, 104, 96, 96}};
    compare(k, one, 1, 1, 9, 3, 64);
    compare(k, odd, 1, 67, 9, 3, 64);
    compare(k, odd, 1, 67, 4, 4, 40);
    compare(k, odd, 1, 67, 4, 1, 36);
    compare(k, odd, 1, 67, 2, 1, 6);
    compare(k, mixed, 5, 230, 9, 3, 64);
    compare(k, mixed, 5, 230, 8, 2, 128);
    compare(k, mixed, 5, 230, 2, 1, 256);
    compare(k, with_prefix, 4, 19, 6, 2, 8);
}

static void test_equals_plain(void **state)
{
    (void)state;
    each_kernel(equals_plain);
}

/* A row's output does not change with what its window leaves out, and does with the first it sees:
 * without a prefix, and with one that the window begins in. */
static void window_hides(const cmat_kernel_ops *k)
{
    enum { T = 30, H = 2, G = 1, D = 16, LD = (H + 2 * G) * D, W = 7, P = 12, LAST = T - 1 };
    static const cmat_segment plain[] = {{0, T, 0, 0, 0}};
    static const cmat_segment prefix[] = {
        {0, P, 0, 0, 0}, {P, T - P - 6, 0, 0, 0}, {T - 6, 6, 0, P, P}};
    for (int i = 0; i < 2; i++) {
        const cmat_segment *seg = i ? prefix : plain;
        /* with the prefix, LAST is at position P + 5 and sees its 6 and the prefix's last */
        const int first = i ? P - 1 : LAST - W + 1;
        batch b;
        float before[H * D];
        batch_init(&b, k, seg, i ? 3 : 1, T, H, G, D);
        b.window = W;
        forward(&b);
        memcpy(before, b.o + LAST * H * D, sizeof before);
        for (int t = 0; t < first; t++)
            for (int j = H * D; j < LD; j++)
                b.qkv[t * LD + j] += j < (H + G) * D ? 3 : -2;
        forward(&b);
        assert_memory_equal(before, b.o + LAST * H * D, sizeof before);
        b.qkv[first * LD + (H + G) * D] += 1;
        forward(&b);
        assert_true(fabsf(before[0] - b.o[LAST * H * D]) > 1e-4f);
        batch_clear(&b);
    }
}

static void test_window(void **state)
{
    (void)state;
    each_kernel(window_hides);
}

/* A prefix with more samples behind it than fit into one piece of work, then one without. */
static void many_behind_a_prefix(const cmat_kernel_ops *k)
{
    enum { N = 40, P = 70, OWN = 9 };
    cmat_segment seg[N + 3] = {{0, P, 0, 0, 0}};
    int row = P;
    for (int i = 1; i <= N; i++, row += OWN)
        seg[i] = (cmat_segment){row, OWN, 0, P, P};
    seg[N + 1] = (cmat_segment){row, 5, 0, 0, 0};
    seg[N + 2] = (cmat_segment){row + 5, 3, 0, P, P};
    compare(k, seg, N + 3, row + 8, 3, 1, 16);
}

static void test_many_behind_a_prefix(void **state)
{
    (void)state;
    each_kernel(many_behind_a_prefix);
}

/* A prefix shared by two samples: outputs and gradients of repeating it. */
static void shared_prefix(const cmat_kernel_ops *k)
{
    enum { P = 21, A = 9, B = 13, H = 6, G = 3, D = 16, Q = H * D, LD = (H + 2 * G) * D };
    static const cmat_segment shared[] = {{0, P, 0, 0, 0}, {P, A, 0, P, P}, {P + A, B, 0, P, P}};
    static const cmat_segment repeated[] = {{0, P + A, 0, 0, 0}, {P + A, P + B, 0, 0, 0}};
    const double bound = k->device ? DEVICE_BOUND : 1e-11;
    batch s, r;
    batch_init(&s, k, shared, 3, P + A + B, H, G, D);
    batch_init(&r, k, repeated, 2, 2 * P + A + B, H, G, D);
    memset(s.dout, 0, P * Q * sizeof(float)); /* no loss on the prefix */
    memset(s.dqkv, 0, (size_t)(s.T * LD) * sizeof(float));
    memset(r.dqkv, 0, (size_t)(r.T * LD) * sizeof(float));
    float *const from[] = {s.qkv, s.dout}, *const to[] = {r.qkv, r.dout};
    for (int i = 0; i < 2; i++) {
        const size_t w = i ? Q : LD, row = w * sizeof(float);
        memcpy(to[i], from[i], (P + A) * row);
        memcpy(to[i] + (P + A) * w, from[i], P * row);
        memcpy(to[i] + (P + A + P) * w, from[i] + (P + A) * w, B * row);
    }
    forward(&s);
    forward(&r);
    backward(&s);
    backward(&r);
    check_nmse("outputs 1", s.o, r.o, (P + A) * Q, bound);
    check_nmse("outputs 2", s.o + (P + A) * Q, r.o + (P + A + P) * Q, B * Q, bound);
    for (int i = 0; i < P * LD; i++)
        r.dqkv[i] += r.dqkv[(P + A) * LD + i];
    check_nmse("gradients 1", s.dqkv, r.dqkv, (P + A) * LD, bound);
    check_nmse("gradients 2", s.dqkv + (P + A) * LD, r.dqkv + (P + A + P) * LD, B * LD, bound);
    batch_clear(&s);
    batch_clear(&r);
}

static void test_shared_prefix(void **state)
{
    (void)state;
    each_kernel(shared_prefix);
}

static void threads_same_bits(const cmat_kernel_ops *k)
{
    batch b[2];
    for (int i = 0; i < 2; i++) {
        cmat_threads_set(1 + i);
        batch_init(&b[i], k, with_prefix, 4, 19, 6, 2, 8);
        forward(&b[i]);
        backward(&b[i]);
    }
    cmat_threads_set(0);
    assert_memory_equal(b[0].o, b[1].o, 19 * 6 * 8 * sizeof(float));
    assert_memory_equal(b[0].dqkv, b[1].dqkv, (size_t)(19 * b[0].ld) * sizeof(float));
    batch_clear(&b[0]);
    batch_clear(&b[1]);
}

static void test_threads(void **state)
{
    (void)state;
    each_kernel(threads_same_bits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),     cmocka_unit_test(test_equals_plain),
        cmocka_unit_test(test_window),        cmocka_unit_test(test_many_behind_a_prefix),
        cmocka_unit_test(test_shared_prefix), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
