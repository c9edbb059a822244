/* Kernels but attention: plain against finite differences, every other table against plain. */
#include "kernel_util.h"

/* Tables differ from plain in the order of sums, and in the integer products of quantised weights.
 */
static const double F32_BOUND = 1e-9, Q_BOUND = 1e-8, Q_BACKWARD_BOUND = 1e-7, BF16_BOUND = 8e-6;
/* A device's products round their factors to 10 bits. */
static const double DEVICE_BOUND = 1e-6;

static double product_bound(const cmat_kernel_ops *k, double bound)
{
    return k->device ? DEVICE_BOUND : bound;
}

static const cmat_type weight_types[] = {
    CMAT_TYPE_F32,    CMAT_TYPE_F16,   CMAT_TYPE_BF16,  CMAT_TYPE_Q8_0, CMAT_TYPE_Q4_0,
    CMAT_TYPE_Q4_1,   CMAT_TYPE_Q5_0,  CMAT_TYPE_Q5_1,  CMAT_TYPE_Q2_K, CMAT_TYPE_Q3_K,
    CMAT_TYPE_Q4_K,   CMAT_TYPE_Q5_K,  CMAT_TYPE_Q6_K,  CMAT_TYPE_Q8_K, CMAT_TYPE_IQ4_NL,
    CMAT_TYPE_IQ4_XS, CMAT_TYPE_TQ1_0, CMAT_TYPE_TQ2_0, CMAT_TYPE_MXFP4};
enum { N_WEIGHT_TYPES = sizeof weight_types / sizeof *weight_types };

/* Calls fn for every table that this machine can run. */
static void each_kernel(void (*fn)(const cmat_kernel_ops *k))
{
    for (int i = 0; cmat_kernels[i]; i++)
        if (cmat_kernels[i]->available())
            fn(cmat_kernels[i]);
}

/* The reference in double precision straight from the widened weights. */
static void matmul_reference(float *y, const float *x, const cmat_weight *w, int T)
{
    const size_t n_in = (size_t)w->n_in, n = (size_t)w->n_out * n_in;
    float *f = cmat_xmalloc(n * sizeof *f);
    cmat_type_get((int)w->type)->to_f32(w->data, f, n);
    for (int t = 0; t < T; t++)
        for (int o = 0; o < w->n_out; o++) {
            double s = 0;
            for (size_t i = 0; i < n_in; i++)
                s += (double)x[(size_t)t * n_in + i] * (double)f[(size_t)o * n_in + i];
            y[(size_t)t * (size_t)w->n_out + (size_t)o] = (float)s;
        }
    free(f);
}

static void check_matmul(const cmat_kernel_ops *k, cmat_type type, int T, int n_out, int n_in,
                         int uses)
{
    void *data;
    char what[128];
    snprintf(what, sizeof what, "%s matmul %s T=%d %dx%d uses=%d", k->name,
             cmat_type_get((int)type)->name, T, n_out, n_in, uses);
    cmat_weight w = random_weight(type, n_out, n_in, 7, &data);
    const size_t ny = (size_t)T * (size_t)n_out, nx = (size_t)T * (size_t)n_in;
    float *hx = random_floats(nx, 1, 8), *ref = cmat_xmalloc(ny * sizeof *ref);
    float *x = to_table(k, hx, nx), *y = random_in(k, ny, 1, 9);
    if (uses || k->device)
        assert_int_equal(k->prepare(&w, uses, NULL), CMAT_OK);
    matmul_reference(ref, hx, &w, T);
    k->matmul(y, n_out, x, n_in, &w, T, false);
    check_table(k, what, y, ref, ny, product_bound(k, Q_BOUND));
    k->matmul(y, n_out, x, n_in, &w, T, true);
    for (size_t i = 0; i < ny; i++)
        ref[i] *= 2;
    check_table(k, what, y, ref, ny, product_bound(k, Q_BOUND));
    k->release(&w);
    assert_null(w.prepared);
    k->free(x);
    k->free(y);
    free(hx);
    free(ref);
    free(data);
}

static void matmul_all_types(const cmat_kernel_ops *k)
{
    static const int rows[] = {1, 2, 3, 5, 8, 17, 33, 70};
    for (int i = 0; i < N_WEIGHT_TYPES; i++)
        for (int r = 0; r < (int)(sizeof rows / sizeof *rows); r++) {
            const int n_out = 37 + 8 * r, n_in = 256 * (1 + r % 3);
            check_matmul(k, weight_types[i], rows[r], n_out, n_in, 0);
            check_matmul(k, weight_types[i], rows[r], n_out, n_in,
                         CMAT_USE_DECODE | CMAT_USE_PROMPT | CMAT_USE_BACKWARD);
        }
    check_matmul(k, CMAT_TYPE_Q4_1, 3, 576, 1536, CMAT_USE_DECODE);
    check_matmul(k, CMAT_TYPE_Q4_1, 100, 1536, 576, CMAT_USE_PROMPT);
    check_matmul(k, CMAT_TYPE_Q8_0, 1, 192, 576, CMAT_USE_DECODE);
    check_matmul(k, CMAT_TYPE_F32, 9, 5, 3, 0);
}

static void test_matmul(void **state)
{
    (void)state;
    each_kernel(matmul_all_types);
}

static void check_matmul_backward(const cmat_kernel_ops *k, cmat_type type, int T, int n_out,
                                  int n_in, int uses)
{
    void *data;
    char what[128];
    snprintf(what, sizeof what, "%s matmul_backward %s T=%d %dx%d", k->name,
             cmat_type_get((int)type)->name, T, n_out, n_in);
    cmat_weight w = random_weight(type, n_out, n_in, 17, &data);
    const size_t ny = (size_t)T * (size_t)n_out, nx = (size_t)T * (size_t)n_in;
    float *hdy = random_floats(ny, 1, 18), *hdx = random_floats(nx, 1, 19);
    float *dy = to_table(k, hdy, ny), *dx = to_table(k, hdx, nx);
    float *f = cmat_xmalloc((size_t)n_out * (size_t)n_in * sizeof *f);
    float *ref = cmat_xcalloc(nx, sizeof *ref), *start = copy_floats(hdx, nx);
    cmat_type_get((int)type)->to_f32(data, f, (size_t)n_out * (size_t)n_in);
    for (int t = 0; t < T; t++)
        for (int i = 0; i < n_in; i++) {
            double s = 0;
            for (int o = 0; o < n_out; o++)
                s += (double)hdy[t * n_out + o] * (double)f[o * n_in + i];
            ref[t * n_in + i] = (float)s;
        }
    if (uses || k->device)
        assert_int_equal(k->prepare(&w, uses, NULL), CMAT_OK);
    k->matmul_backward(dx, n_in, dy, n_out, &w, T, true);
    for (size_t i = 0; i < nx; i++)
        start[i] += ref[i];
    /* AVX-512's may be in bfloat16 */
    const double bound = strcmp(k->name, "avx512") == 0 ? BF16_BOUND : Q_BACKWARD_BOUND;
    check_table(k, what, dx, start, nx, product_bound(k, bound));
    k->matmul_backward(dx, n_in, dy, n_out, &w, T, false);
    check_table(k, what, dx, ref, nx, product_bound(k, bound));
    k->release(&w);
    k->free(dy);
    k->free(dx);
    free(hdy);
    free(hdx);
    free(f);
    free(ref);
    free(start);
    free(data);
}

static void matmul_backward_all_types(const cmat_kernel_ops *k)
{
    for (int i = 0; i < N_WEIGHT_TYPES; i++) {
        check_matmul_backward(k, weight_types[i], 1 + 7 * i, 70 + i, 256, 0);
        check_matmul_backward(k, weight_types[i], 50 + i, 192, 512, CMAT_USE_BACKWARD);
    }
    check_matmul_backward(k, CMAT_TYPE_Q4_1, 67, 1536, 576, CMAT_USE_BACKWARD);
    check_matmul_backward(k, CMAT_TYPE_F32, 9, 5, 3, 0);
}

static void test_matmul_backward(void **state)
{
    (void)state;
    each_kernel(matmul_backward_all_types);
}

/* The three products of a weight that is tuned, each against sums in double. */
static void check_tuned(const cmat_kernel_ops *k, int T, int n_out, int n_in)
{
    const double bound =
        product_bound(k, strcmp(k->name, "avx512") == 0 ? 2 * BF16_BOUND : F32_BOUND);
    const size_t nw = (size_t)n_out * (size_t)n_in, nx = (size_t)T * (size_t)n_in,
                 ny = (size_t)T * (size_t)n_out;
    float *hw = random_floats(nw, 1, 1), *hx = random_floats(nx, 1, 2),
          *hdy = random_floats(ny, 1, 3);
    float *dx_want = cmat_xcalloc(nx, sizeof *dx_want), *y_want = cmat_xcalloc(ny, sizeof *y_want);
    float *dw_want = copy_floats(hw, nw); /* added to */
    for (int t = 0; t < T; t++)
        for (int o = 0; o < n_out; o++) {
            double sum = 0;
            for (int i = 0; i < n_in; i++) {
                sum += (double)hx[t * n_in + i] * (double)hw[o * n_in + i];
                dx_want[t * n_in + i] += hdy[t * n_out + o] * hw[o * n_in + i];
                dw_want[o * n_in + i] += hdy[t * n_out + o] * hx[t * n_in + i];
            }
            y_want[t * n_out + o] = (float)sum;
        }
    float *x = to_table(k, hx, nx), *dy = to_table(k, hdy, ny), *dw = to_table(k, hw, nw);
    float *dx = zeros_in(k, nx), *y = zeros_in(k, ny);
    cmat_weight w = {
        .data = hw, .type = CMAT_TYPE_F32, .n_out = n_out, .n_in = n_in, .tuned = true};
    if (k->device)
        assert_int_equal(k->prepare(&w, CMAT_USE_PROMPT | CMAT_USE_BACKWARD, NULL), CMAT_OK);
    cmat_matmul_set(k, &(cmat_product){y, n_out, &w}, 1, x, n_in, T);
    k->matmul_backward(dx, n_in, dy, n_out, &w, T, false);
    cmat_weight_grad_run(k, &(cmat_outer){dw, n_out, n_in, T, dy, x, n_out, n_in});
    check_table(k, "y of a tuned weight", y, y_want, ny, bound);
    check_table(k, "dx of a tuned weight", dx, dx_want, nx, bound);
    check_table(k, "dW", dw, dw_want, nw, bound);
    float *all = from_table(k, y, ny);
    k->matmul(y, n_out, x + (size_t)(T - 1) * (size_t)n_in, n_in, &w, 1, false);
    float *last = from_table(k, y, (size_t)n_out);
    if (!k->device) /* a row alone is what it was among others */
        assert_memory_equal(last, all + (size_t)(T - 1) * (size_t)n_out,
                            (size_t)n_out * sizeof *all);
    k->release(&w);
    float *const on_table[] = {x, dy, dw, dx, y}, *const here[] = {hw,      hx,     hdy, dx_want,
                                                                   dw_want, y_want, all, last};
    for (size_t i = 0; i < sizeof on_table / sizeof *on_table; i++)
        k->free(on_table[i]);
    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        free(here[i]);
}

static void tuned_products(const cmat_kernel_ops *k)
{
    check_tuned(k, 1, 1, 1);
    check_tuned(k, 9, 5, 3);
    check_tuned(k, 67, 100, 70);
    check_tuned(k, 50, 192, 576);
    check_tuned(k, 1031, 53, 33); /* more tokens than one slab has */
    check_tuned(k, 20, 2100, 40); /* more rows than one slab has */
}

static void test_tuned(void **state)
{
    (void)state;
    each_kernel(tuned_products);
}

static void gemm_all_forms(const cmat_kernel_ops *k)
{
    static const int shapes[][3] = {{1, 1, 1},     {7, 5, 3},      {16, 100, 64}, {130, 16, 57},
                                    {64, 96, 200}, {300, 16, 130}, {20, 300, 70}};
    for (int s = 0; s < 7; s++)
        for (int form = 0; form < 8; form++) {
            const bool ta = form & 1, tb = form & 2;
            const float beta = form & 4 ? 0.5f : 0, alpha = 1.5f;
            const int M = shapes[s][0], N = shapes[s][1], K = shapes[s][2];
            const int lda = (ta ? M : K) + 3, ldb = (tb ? K : N) + 2, ldc = N + 1;
            float *A = random_floats((size_t)((ta ? K : M) * lda), 1, 1);
            float *B = random_floats((size_t)((tb ? N : K) * ldb), 1, 2);
            float *C = random_floats((size_t)(M * ldc), 1, 3);
            float *ref = copy_floats(C, (size_t)(M * ldc));
            for (int m = 0; m < M; m++)
                for (int n = 0; n < N; n++) {
                    double sum = 0;
                    for (int i = 0; i < K; i++)
                        sum += (double)(ta ? A[i * lda + m] : A[m * lda + i]) *
                               (double)(tb ? B[n * ldb + i] : B[i * ldb + n]);
                    ref[m * ldc + n] = (float)(1.5 * sum + (double)(beta * C[m * ldc + n]));
                }
            if (beta == 0)
                C[0] = NAN; /* must be overwritten, not multiplied */
            float *a = to_table(k, A, (size_t)((ta ? K : M) * lda));
            float *b = to_table(k, B, (size_t)((tb ? N : K) * ldb));
            float *c = to_table(k, C, (size_t)(M * ldc));
            k->gemm(ta, tb, M, N, K, alpha, a, lda, b, ldb, beta, c, ldc);
            check_table(k, k->name, c, ref, (size_t)(M * ldc), product_bound(k, F32_BOUND));
            k->free(a);
            k->free(b);
            k->free(c);
            free(A);
            free(B);
            free(C);
            free(ref);
        }
}

static void test_gemm(void **state)
{
    (void)state;
    each_kernel(gemm_all_forms);
}

static void embed_all_types(const cmat_kernel_ops *k)
{
    static const int32_t ids[] = {3, 0, 9, 3};
    for (int i = 0; i < N_WEIGHT_TYPES; i++) {
        void *data;
        cmat_weight w = random_weight(weight_types[i], 10, 256, 4, &data);
        float row[10 * 256], *y = zeros_in(k, 4 * 256);
        cmat_type_get((int)w.type)->to_f32(data, row, 10 * 256);
        if (k->device)
            assert_int_equal(k->prepare(&w, CMAT_USE_PROMPT, NULL), CMAT_OK);
        k->embed(y, &w, ids, 4);
        float *out = from_table(k, y, 4 * 256);
        for (int j = 0; j < 4; j++)
            assert_memory_equal(out + j * 256, row + ids[j] * 256, 256 * sizeof *row);
        k->release(&w);
        k->free(y);
        free(out);
        free(data);
    }
}

static void test_embed(void **state)
{
    (void)state;
    each_kernel(embed_all_types);
}

/* A loss for the elementwise operations: sum of c * op(...), so that dy = c. */
typedef struct {
    const cmat_kernel_ops *k;
    float *x, *g, *y, *inv, *c;
    int T, D;
} norm_case;

static double norm_loss(void *ctx)
{
    norm_case *n = ctx;
    const size_t size = (size_t)(n->T * n->D);
    float *x = to_table(n->k, n->x, size), *g = to_table(n->k, n->g, (size_t)n->D);
    float *y = zeros_in(n->k, size), *inv = zeros_in(n->k, (size_t)n->T);
    n->k->rmsnorm(y, inv, x, g, n->T, n->D, 1e-5f);
    n->k->download(n->y, y, size * sizeof *y);
    n->k->download(n->inv, inv, (size_t)n->T * sizeof *inv);
    n->k->free(x);
    n->k->free(g);
    n->k->free(y);
    n->k->free(inv);
    double s = 0;
    for (int i = 0; i < n->T * n->D; i++)
        s += (double)n->c[i] * (double)n->y[i];
    return s;
}

/* dg may be NULL. */
static void norm_backward(const norm_case *n, float *dx, float *dg)
{
    const cmat_kernel_ops *k = n->k;
    const size_t size = (size_t)(n->T * n->D), D = (size_t)n->D;
    float *x = to_table(k, n->x, size), *g = to_table(k, n->g, D), *c = to_table(k, n->c, size);
    float *inv = to_table(k, n->inv, (size_t)n->T), *tx = to_table(k, dx, size);
    float *tg = dg ? to_table(k, dg, D) : NULL;
    k->rmsnorm_backward(tx, tg, c, x, g, inv, n->T, n->D);
    k->download(dx, tx, size * sizeof *dx);
    if (dg)
        k->download(dg, tg, D * sizeof *dg);
    float *all[] = {x, g, c, inv, tx, tg};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        k->free(all[i]);
}

static void norm_gradients(const cmat_kernel_ops *k)
{
    enum { T = 5, D = 37 };
    norm_case n = {k,
                   random_floats(T * D, 1, 1),
                   random_floats(D, 1, 2),
                   cmat_xcalloc(T * D, sizeof(float)),
                   cmat_xcalloc(T, sizeof(float)),
                   random_floats(T * D, 1, 3),
                   T,
                   D};
    float *dx = cmat_xcalloc(T * D, sizeof *dx), *dg = cmat_xcalloc(D, sizeof *dg);
    norm_loss(&n);
    for (int t = 0; t < T; t++) { /* y / g has a mean square of 1 */
        double ms = 0;
        for (int i = 0; i < D; i++)
            ms += pow((double)(n.y[t * D + i] / n.g[i]), 2) / D;
        assert_true(fabs(ms - 1) < 1e-3);
    }
    norm_backward(&n, dx, dg);
    check_gradient("rmsnorm dx", norm_loss, &n, n.x, dx, T * D, 60, 1e-2, 2e-3);
    check_gradient("rmsnorm dg", norm_loss, &n, n.g, dg, D, 30, 1e-2, 2e-3);
    float *again = copy_floats(dx, T * D);
    norm_loss(&n);
    norm_backward(&n, again, NULL); /* adds; dg may be NULL */
    for (int i = 0; i < T * D; i++)
        dx[i] *= 2;
    check_nmse("rmsnorm adds", again, dx, T * D, F32_BOUND);
    free(n.x);
    free(n.g);
    free(n.y);
    free(n.inv);
    free(n.c);
    free(dx);
    free(dg);
    free(again);
}

static void test_rmsnorm(void **state)
{
    (void)state;
    each_kernel(norm_gradients);
}

static void rope_turns(const cmat_kernel_ops *k)
{
    enum { T = 6, HEADS = 3, LD = 300, N_CTX = 50 };
    static const int32_t pos[T] = {0, 7, 3, 49, 1, 2};
    static const int dims[] = {64, 20, 2};
    for (int form = 0; form < 6; form++) {
        const int d = dims[form / 2];
        const bool neox = form & 1;
        float *cs = cmat_xmalloc((size_t)(N_CTX * d) * sizeof *cs);
        cmat_rope_table(cs, N_CTX, d, 10000, NULL);
        float *saved = random_floats(T * LD, 1, 5), *tx = to_table(k, saved, T * LD);
        float *tcs = to_table(k, cs, (size_t)(N_CTX * d));
        k->rope(tx, LD, tcs, pos, T, HEADS, d, neox, false);
        float *x = from_table(k, tx, T * LD);
        for (int t = 0; t < T; t++)
            for (int h = 0; h < HEADS; h++)
                for (int i = 0; i < d / 2; i++) {
                    const int a = t * LD + h * d + (neox ? i : 2 * i), b = a + (neox ? d / 2 : 1);
                    const double angle = pos[t] * pow(10000, -2.0 * i / d);
                    const double c = cos(angle), s = sin(angle);
                    const double xa = (double)saved[a], xb = (double)saved[b];
                    assert_true(fabs((double)x[a] - (xa * c - xb * s)) < 1e-5);
                    assert_true(fabs((double)x[b] - (xa * s + xb * c)) < 1e-5);
                }
        k->rope(tx, LD, tcs, pos, T, HEADS, d, neox, true);
        check_table(k, "rope there and back", tx, saved, T * LD, F32_BOUND);
        k->free(tx);
        k->free(tcs);
        free(cs);
        free(x);
        free(saved);
    }
}

static void test_rope(void **state)
{
    (void)state;
    each_kernel(rope_turns);
}

static void swiglu_matches(const cmat_kernel_ops *k)
{
    enum { T = 3, F = 131, N = T * F };
    float *gate = random_floats(N, 3, 1), *up = random_floats(N, 1, 2),
          *dh = random_floats(N, 1, 3);
    gate[0] = -200, gate[1] = 200; /* no overflow on either side */
    float *th = zeros_in(k, N), *tgate = to_table(k, gate, N), *tup = to_table(k, up, N),
          *tdh = to_table(k, dh, N);
    k->swiglu(th, tgate, tup, T, F);
    k->swiglu_backward(tgate, tup, tdh, tgate, tup, T, F); /* in place */
    float *h = from_table(k, th, N), *dgate = from_table(k, tgate, N), *dup = from_table(k, tup, N);
    for (int i = 0; i < N; i++) {
        const double g = (double)gate[i], u = (double)up[i], s = 1 / (1 + exp(-g));
        const double want[3] = {g * s * u, (double)dh[i] * u * s * (1 + g * (1 - s)),
                                (double)dh[i] * g * s};
        assert_true(fabs((double)h[i] - want[0]) <= 1e-5 * (1 + fabs(want[0])));
        assert_true(fabs((double)dgate[i] - want[1]) <= 1e-5 * (1 + fabs(want[1])));
        assert_true(fabs((double)dup[i] - want[2]) <= 1e-5 * (1 + fabs(want[2])));
    }
    k->free(th);
    k->free(tgate);
    k->free(tup);
    k->free(tdh);
    free(gate);
    free(up);
    free(dh);
    free(h);
    free(dgate);
    free(dup);
}

static void test_swiglu(void **state)
{
    (void)state;
    each_kernel(swiglu_matches);
}

/* Few rows through A and B, with every remainder of rows, rank and columns, and each row alone. */
static void lora_rows_match(const cmat_kernel_ops *k)
{
    static const struct {
        int n_in, n_out, rank, n;
    } cases[] = {
        {64, 64, 16, 5}, {72, 40, 8, 1}, {50, 24, 3, 9}, {33, 17, 4, 2}, {576, 192, 16, 32}};
    if (k->device)
        return; /* for decoding */
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const int n_in = cases[c].n_in, n_out = cases[c].n_out, rank = cases[c].rank,
                  n = cases[c].n;
        const size_t ny = (size_t)(n * n_out);
        float *a = random_floats((size_t)(rank * n_in), 1, 1),
              *b = random_floats((size_t)(n_out * rank), 1, 2);
        float *x = random_floats((size_t)(n * n_in), 1, 3), *y = random_floats(ny, 1, 4);
        float *want = copy_floats(y, ny), *alone = copy_floats(y, ny);
        float *tmp = random_floats((size_t)(n * rank), 1, 5);
        const cmat_lora_rows l = {a, b, n_in, n_out, rank, 0.5F};
        cmat_kernel_cpu.lora_rows(want, n_out, x, n_in, &l, n, tmp);
        k->lora_rows(y, n_out, x, n_in, &l, n, tmp);
        check_nmse(k->name, y, want, ny, F32_BOUND);
        for (int i = 0; i < n; i++)
            k->lora_rows(alone + i * n_out, n_out, x + i * n_in, n_in, &l, 1, tmp);
        assert_memory_equal(y, alone, ny * sizeof *y);
        float *all[] = {a, b, x, y, want, alone, tmp};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
}

/* Many rows, forward and backward, against the products that they stand for; u and y of a row do
 * not depend on the other rows. */
static void lora_many_match(const cmat_kernel_ops *k)
{
    static const struct {
        int n_in, n_out, rank, n;
    } cases[] = {
        {64, 96, 16, 130}, {72, 40, 8, 1}, {50, 24, 3, 97}, {33, 17, 20, 49}, {192, 576, 32, 1000}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const int n_in = cases[c].n_in, n_out = cases[c].n_out, rank = cases[c].rank,
                  n = cases[c].n, ldu = rank + 3;
        const size_t nx = (size_t)(n * n_in), ny = (size_t)(n * n_out), nr = (size_t)(n * ldu);
        const size_t na = (size_t)(rank * n_in), nb = (size_t)(n_out * rank);
        float *a = random_in(k, na, 1, 1), *b = random_in(k, nb, 1, 2), *x = random_in(k, nx, 1, 3);
        float *dy = random_in(k, ny, 1, 4), *u[2], *y[2], *dx[2], *da[2], *db[2], *du[2], *h;
        const cmat_lora_rows l = {a, b, n_in, n_out, rank, 0.5F};
        cmat_kernel_ops by_gemm = *k;
        by_gemm.lora_forward = NULL;
        by_gemm.lora_backward = NULL;
        for (int i = 0; i < 2; i++) {
            const cmat_kernel_ops *with = i ? k : &by_gemm;
            u[i] = zeros_in(k, nr), du[i] = zeros_in(k, nr);
            y[i] = random_in(k, ny, 1, 5), dx[i] = random_in(k, nx, 1, 6);
            da[i] = random_in(k, na, 1, 7), db[i] = random_in(k, nb, 1, 8);
            cmat_lora_forward_run(with, y[i], n_out, u[i], ldu, x, n_in, &l, n);
            cmat_lora_grads g = {&l,  n,     dy,    x,     u[i],  n_out, n_in,
                                 ldu, du[i], da[i], db[i], dx[i], n_in};
            cmat_lora_backward_run(with, &g);
            g.dx = NULL;
            cmat_lora_backward_run(with, &g); /* adds once more */
        }
        const struct {
            float **v;
            size_t n;
        } results[] = {{y, ny}, {u, nr}, {dx, nx}, {da, na}, {db, nb}};
        for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
            h = from_table(k, results[i].v[0], results[i].n);
            check_table(k, "low rank", results[i].v[1], h, results[i].n,
                        product_bound(k, F32_BOUND));
            free(h);
        }
        h = from_table(k, y[1], ny);
        k->free(y[0]);
        y[0] = random_in(k, ny, 1, 5);
        for (int i = 0; i < n && !k->device; i += 37)
            cmat_lora_forward_run(k, y[0] + i * n_out, n_out, u[0], ldu, x + i * n_in, n_in, &l, 1);
        for (int i = 0; i < n && !k->device; i += 37)
            assert_memory_equal(y[0] + i * n_out, h + i * n_out, (size_t)n_out * sizeof *h);
        free(h);
        float *all[] = {a,     b,     x,     dy,    u[0],  u[1],  y[0],  y[1],
                        dx[0], dx[1], da[0], da[1], db[0], db[1], du[0], du[1]};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            k->free(all[i]);
    }
}

static void log_sum_exp_matches(const cmat_kernel_ops *k)
{
    static const int lengths[] = {1, 7, 8, 1000, 49152};
    for (size_t l = 0; k->log_sum_exp && l < sizeof lengths / sizeof *lengths; l++) {
        const int n = lengths[l];
        float *x = random_floats((size_t)n, 8, l);
        double sum = 0;
        x[n / 2] = 30;
        x[n - 1] = n > 1 ? -INFINITY : 30; /* as a constraint leaves it */
        for (int i = 0; i < n; i++)
            sum += exp((double)x[i]);
        assert_true(fabs((double)k->log_sum_exp(x, n) - log(sum)) < 1e-5);
        for (int i = 0; i < n; i++)
            x[i] = -INFINITY;
        assert_true(k->log_sum_exp(x, n) == -INFINITY);
        free(x);
    }
}

static void test_log_sum_exp(void **state)
{
    (void)state;
    each_kernel(log_sum_exp_matches);
}

static void test_lora_rows(void **state)
{
    (void)state;
    each_kernel(lora_rows_match);
    each_kernel(lora_many_match);
}

static double gelu(double x)
{
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

static void geglu_matches(const cmat_kernel_ops *k)
{
    enum { T = 3, F = 131, N = T * F };
    float *gate = random_floats(N, 3, 1), *up = random_floats(N, 1, 2),
          *dh = random_floats(N, 1, 3);
    gate[0] = -200, gate[1] = 200; /* no overflow on either side */
    float *th = zeros_in(k, N), *tgate = to_table(k, gate, N), *tup = to_table(k, up, N),
          *tdh = to_table(k, dh, N);
    k->geglu(th, tgate, tup, T, F);
    k->geglu_backward(tgate, tup, tdh, tgate, tup, T, F); /* in place */
    float *h = from_table(k, th, N), *dgate = from_table(k, tgate, N), *dup = from_table(k, tup, N);
    for (int i = 0; i < N; i++) {
        const double g = (double)gate[i], e = 1e-5, slope = (gelu(g + e) - gelu(g - e)) / (2 * e);
        const double want[3] = {gelu(g) * (double)up[i], (double)dh[i] * (double)up[i] * slope,
                                (double)dh[i] * gelu(g)};
        assert_true(fabs((double)h[i] - want[0]) <= 1e-5 * (1 + fabs(want[0])));
        assert_true(fabs((double)dgate[i] - want[1]) <= 1e-5 * (1 + fabs(want[1])));
        assert_true(fabs((double)dup[i] - want[2]) <= 1e-5 * (1 + fabs(want[2])));
    }
    k->free(th);
    k->free(tgate);
    k->free(tup);
    k->free(tdh);
    free(gate);
    free(up);
    free(dh);
    free(h);
    free(dgate);
    free(dup);
}

static void test_geglu(void **state)
{
    (void)state;
    each_kernel(geglu_matches);
}

/* Heads among others' columns: as rmsnorm and its backward on each head by itself. */
static void head_norm_matches(const cmat_kernel_ops *k)
{
    enum { T = 5, H = 3, D = 20, LD = H * D + 7, N = T * LD };
    float *x = random_floats(N, 2, 1), *dy = random_floats(N, 1, 2), *g = random_floats(D, 1, 3);
    float *tx = to_table(k, x, N), *ty = to_table(k, x, N), *tdx = to_table(k, dy, N);
    float *tg = to_table(k, g, D), *inv = zeros_in(k, T * H);
    k->head_norm(ty, LD, inv, tg, T, H, D, 1e-5f);
    k->head_norm_backward(tdx, LD, tx, LD, tg, inv, T, H, D);
    float *y = from_table(k, ty, N), *dx = from_table(k, tdx, N);
    for (int t = 0; t < T; t++) {
        for (int h = 0; h < H; h++) {
            const int at = t * LD + h * D;
            float want[D], want_inv, dwant[D] = {0};
            cmat_kernel_cpu.rmsnorm(want, &want_inv, x + at, g, 1, D, 1e-5f);
            cmat_kernel_cpu.rmsnorm_backward(dwant, NULL, dy + at, x + at, g, &want_inv, 1, D);
            check_nmse("head norm", y + at, want, D, F32_BOUND);
            check_nmse("head norm backward", dx + at, dwant, D, F32_BOUND);
        }
        for (int i = H * D; i < LD; i++) { /* what is beside the heads stays */
            assert_true(y[t * LD + i] == x[t * LD + i]);
            assert_true(dx[t * LD + i] == dy[t * LD + i]);
        }
    }
    k->add_row(ty, LD, tg, T, D);
    for (int t = 0; t < T; t++)
        for (int i = 0; i < D; i++)
            y[t * LD + i] += g[i];
    check_table(k, "a row added", ty, y, N, F32_BOUND);
    k->head_norm(tx, LD, NULL, tg, T, H, D, 1e-5f); /* inv_rms may be NULL */
    float *all[] = {tx, ty, tdx, tg, inv};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        k->free(all[i]);
    free(x);
    free(y);
    free(dy);
    free(dx);
    free(g);
}

static void test_head_norm(void **state)
{
    (void)state;
    each_kernel(head_norm_matches);
}

static void cross_entropy_matches(const cmat_kernel_ops *k)
{
    enum { N = 7, V = 1003 };
    const float scale = 0.25f;
    float *x = random_floats(N * V, 4, 1), *w = random_floats(N, 1, 2);
    int32_t targets[N];
    x[5] = 3000, x[V + 1] = -3000;
    w[3] = 0;
    double want = 0;
    for (int t = 0; t < N; t++)
        targets[t] = (t * 331) % V;
    targets[0] = 5;
    float *logits = to_table(k, x, N * V);
    const double loss = k->cross_entropy(logits, targets, w, N, V, scale);
    float *dx = from_table(k, logits, N * V);
    k->free(logits);
    for (int t = 0; t < N; t++) {
        double max = -INFINITY, sum = 0;
        for (int i = 0; i < V; i++)
            max = fmax(max, (double)x[t * V + i]);
        for (int i = 0; i < V; i++)
            sum += exp((double)x[t * V + i] - max);
        want += (double)w[t] * (max + log(sum) - (double)x[t * V + targets[t]]);
        for (int i = 0; i < V; i++) {
            const double p = exp((double)x[t * V + i] - max) / sum;
            const double g = (p - (i == targets[t])) * (double)w[t] * (double)scale;
            assert_true(fabs((double)dx[t * V + i] - g) < 1e-6);
        }
    }
    assert_true(fabs(loss - want) < 1e-5 * fabs(want));
    free(x);
    free(w);
    free(dx);
}

static void test_cross_entropy(void **state)
{
    (void)state;
    each_kernel(cross_entropy_matches);
}

static void adamw_matches(const cmat_kernel_ops *k)
{
    enum { N = 1003 };
    float *p = random_floats(N, 1, 1), *tp = to_table(k, p, N), *m = zeros_in(k, N),
          *v = zeros_in(k, N);
    double *rp = cmat_xcalloc(N, sizeof *rp), *rm = cmat_xcalloc(N, sizeof *rm),
           *rv = cmat_xcalloc(N, sizeof *rv);
    for (int i = 0; i < N; i++)
        rp[i] = (double)p[i];
    for (int t = 1; t <= 3; t++) {
        float *g = random_floats(N, 0.01, (uint64_t)(10 + t));
        float *tg = to_table(k, g, N);
        k->adamw(tp, tg, m, v, N, 1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, t);
        k->download(p, tp, N * sizeof *p);
        k->free(tg);
        for (int i = 0; i < N; i++) {
            const double gi = (double)g[i];
            rm[i] = 0.9 * rm[i] + 0.1 * gi;
            rv[i] = 0.95 * rv[i] + 0.05 * gi * gi;
            rp[i] -= 1e-2 * (rm[i] / (1 - pow(0.9, t)) / (sqrt(rv[i] / (1 - pow(0.95, t))) + 1e-8) +
                             0.1 * rp[i]);
            assert_true(fabs((double)p[i] - rp[i]) < 1e-5);
        }
        free(g);
    }
    k->free(tp);
    k->free(m);
    k->free(v);
    free(p);
    free(rp);
    free(rm);
    free(rv);
}

static void test_adamw(void **state)
{
    (void)state;
    each_kernel(adamw_matches);
}

static void add_scale_match(const cmat_kernel_ops *k)
{
    enum { N = 10007 };
    float *x = random_floats(N, 1, 1), *ref = random_floats(N, 1, 2);
    float *tx = to_table(k, x, N), *ty = to_table(k, ref, N);
    k->add(ty, tx, N);
    k->scale(ty, 0.5f, N);
    float *y = from_table(k, ty, N);
    k->free(tx);
    k->free(ty);
    for (int i = 0; i < N; i++)
        assert_true(y[i] == (ref[i] + x[i]) * 0.5f);
    free(x);
    free(y);
    free(ref);
}

static void test_add_scale(void **state)
{
    (void)state;
    each_kernel(add_scale_match);
}

/* The moves are exact, so that a device's dropout makes the processor's choices. */
static void moves_match(const cmat_kernel_ops *k)
{
    enum { N = 7, D = 131, LD = 140, ALL = 12 * LD };
    static const int32_t rows[N] = {3, 11, 0, 5, 9, 1, 7};
    static const cmat_dropout drop = {.rate = 0.3F, .seed = 99, .row = 5};
    const cmat_kernel_ops *const plain = &cmat_kernel_cpu;
    float *x = random_floats(ALL, 3, 1), *want = random_floats(ALL, 1, 2);
    uint16_t *narrow = cmat_xcalloc(ALL, sizeof *narrow);
    x[0] = 1e-41F, x[1] = -0.0F, x[2] = 3.3e38F;
    float *tx = to_table(k, x, ALL), *ty = to_table(k, want, ALL), *got;
    uint16_t *tn = k->alloc(ALL * sizeof *tn);
    for (int step = 0; step < 7; step++) {
        const cmat_kernel_ops *const two[] = {plain, k};
        float *const from[] = {x, tx}, *const to[] = {want, ty};
        for (int i = 0; i < 2; i++)
            switch (step) {
            case 0:
                two[i]->gather(to[i], from[i], rows, N, D);
                break;
            case 1:
                two[i]->scatter(to[i], from[i], rows, N, D);
                break;
            case 2:
                two[i]->dropout(to[i], LD, from[i], D, 11, D, &drop, false);
                break;
            case 3:
                two[i]->dropout(to[i], D, from[i], LD, 11, D, &drop, true);
                break;
            case 4:
                two[i]->copy(to[i] + 3, from[i], 50);
                break;
            case 5:
                two[i]->zero(to[i] + 8, 33);
                break;
            default:
                two[i]->narrow(i ? tn : narrow, from[i], ALL);
                two[i]->widen(to[i], i ? tn : narrow, ALL);
            }
        got = from_table(k, ty, ALL);
        if (memcmp(got, want, ALL * sizeof *got) != 0)
            fail_msg("%s: move %d differs", k->name, step);
        free(got);
    }
    assert_true(fabs(k->norm(tx + 3, ALL - 3) - plain->norm(x + 3, ALL - 3)) <
                1e-6 * plain->norm(x + 3, ALL - 3));
    k->narrow(tn, tx, 0); /* nothing is no error */
    k->add(ty, tx, 0);
    k->gather(ty, tx, rows, 0, D);
    assert_int_equal(k->check(NULL), CMAT_OK);
    k->free(tx);
    k->free(ty);
    k->free(tn);
    free(x);
    free(want);
    free(narrow);
}

static void test_moves(void **state)
{
    (void)state;
    each_kernel(moves_match);
}

/* The same bits with one thread and with two, and for a row whatever other rows there are. */
static void threads_same_bits(const cmat_kernel_ops *k)
{
    enum { T = 67, N_OUT = 201, N_IN = 512 };
    void *data;
    cmat_weight w = random_weight(CMAT_TYPE_Q4_1, N_OUT, N_IN, 3, &data);
    assert_int_equal(k->prepare(&w, CMAT_USE_DECODE | CMAT_USE_PROMPT, NULL), CMAT_OK);
    float *x = random_in(k, T * N_IN, 1, 1), *y[3], *dx[3];
    double loss[3];
    for (int i = 0; i < 3; i++) {
        float *ty = random_in(k, T * N_OUT, 1, 2), *tdx = random_in(k, T * N_IN, 1, 4);
        int32_t targets[T] = {0};
        float *weights = random_floats(T, 1, 3);
        cmat_threads_set(1 + i);
        k->matmul(ty, N_OUT, x, N_IN, &w, T, true);
        k->matmul(ty, N_OUT, x, N_IN, &w, 3, true);
        k->matmul_backward(tdx, N_IN, ty, N_OUT, &w, T, true);
        loss[i] = k->cross_entropy(ty, targets, weights, T, N_OUT, 1);
        y[i] = from_table(k, ty, T * N_OUT);
        dx[i] = from_table(k, tdx, T * N_IN);
        k->free(ty);
        k->free(tdx);
        free(weights);
    }
    cmat_threads_set(0);
    for (int i = 1; i < 3; i++) {
        assert_memory_equal(y[0], y[i], T * N_OUT * sizeof(float));
        assert_memory_equal(dx[0], dx[i], T * N_IN * sizeof(float));
        assert_true(loss[0] == loss[i]);
    }
    float one[N_OUT], few[4 * N_OUT];
    if (!k->device) {
        k->matmul(few, N_OUT, x, N_IN, &w, 4, false);
        for (int t = 0; t < 4; t++) {
            k->matmul(one, N_OUT, x + t * N_IN, N_IN, &w, 1, false);
            assert_memory_equal(one, few + t * N_OUT, sizeof one);
        }
    }
    for (int i = 0; i < 3; i++) {
        free(y[i]);
        free(dx[i]);
    }
    k->release(&w);
    k->free(x);
    free(data);
}

static void test_threads(void **state)
{
    (void)state;
    each_kernel(threads_same_bits);
}

static void test_best(void **state)
{
    (void)state;
    assert_non_null(cmat_kernel_best());
    assert_string_equal(cmat_kernel_find("plain")->name, "plain");
    assert_null(cmat_kernel_find("no such"));
    setenv("CMAT_KERNEL", "plain", 1);
    assert_ptr_equal(cmat_kernel_best(), cmat_kernel_find("plain"));
    unsetenv("CMAT_KERNEL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul),    cmocka_unit_test(test_matmul_backward),
        cmocka_unit_test(test_tuned),     cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_embed),     cmocka_unit_test(test_rmsnorm),
        cmocka_unit_test(test_rope),      cmocka_unit_test(test_log_sum_exp),
        cmocka_unit_test(test_lora_rows), cmocka_unit_test(test_swiglu),
        cmocka_unit_test(test_geglu),     cmocka_unit_test(test_head_norm),
        cmocka_unit_test(test_adamw),     cmocka_unit_test(test_cross_entropy),
        cmocka_unit_test(test_add_scale), cmocka_unit_test(test_moves),
        cmocka_unit_test(test_threads),   cmocka_unit_test(test_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
