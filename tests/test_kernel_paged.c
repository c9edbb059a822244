/* The paged cache: what kv_store puts there to the bit; attention over it, in each table, against
 * sums in double precision and against the same sequence alone. */
#include "kernel_util.h"

/* NMSE against the keys and values that were given, and against these rounded to halves. A half has
 * a relative error of 2^-12 at most and 1.4e-4 in the mean square: 2e-8 each of scores and values.
 */
static const double ROUNDED = 3e-7, EXACT = 1e-10;

static void each_decoding(void (*fn)(const cmat_kernel_ops *k))
{
    for (int i = 0; cmat_kernels[i]; i++)
        if (cmat_kernels[i]->available() && !cmat_kernels[i]->device)
            fn(cmat_kernels[i]);
}

static uint16_t *halves_of(const float *x, size_t n)
{
    uint16_t *h = cmat_xmalloc(n * sizeof *h);
    for (size_t i = 0; i < n; i++)
        h[i] = cmat_f32_to_f16(x[i]);
    return h;
}

static uint16_t *random_halves(size_t n, uint64_t seed)
{
    float *x = random_floats(n, 1, seed);
    uint16_t *h = halves_of(x, n);
    free(x);
    return h;
}

/* ---- attention against sums in double precision ---- */

typedef struct {
    int H, G, d, page, window;
} shape;

/* Two sequences of N positions, whose rows of q (H, d), k and v (G, d) are there in full. */
enum { N = 140, SEQS = 2 };

typedef struct {
    const cmat_kernel_ops *kernel;
    shape s;
    float *q, *k, *v;   /* (SEQS, N, ...) */
    float *k_of, *v_of; /* k and v as halves hold them */
    int n_pages;        /* of a sequence */
    int32_t *pages;     /* (SEQS, n_pages) */
    cmat_paged_kv kv;
} cache;

static float *as_halves(const float *x, size_t n)
{
    float *y = cmat_xmalloc(n * sizeof *y);
    for (size_t i = 0; i < n; i++)
        y[i] = cmat_f16_to_f32(cmat_f32_to_f16(x[i]));
    return y;
}

static void cache_init(cache *c, const cmat_kernel_ops *k, const shape *s, cmat_type type)
{
    const size_t rows = SEQS * N, width = (size_t)(s->G * s->d);
    *c = (cache){.kernel = k, .s = *s, .n_pages = (N + s->page - 1) / s->page};
    const size_t stride = (size_t)s->page * width + 64; /* something lies between two pages */
    const size_t bytes = (size_t)(SEQS * c->n_pages) * stride *
                         (type == CMAT_TYPE_F16 ? sizeof(uint16_t) : sizeof(float));
    c->q = random_floats(rows * (size_t)(s->H * s->d), 1, 1);
    c->k = random_floats(rows * width, 1, 2);
    c->v = random_floats(rows * width, 1, 3);
    c->k_of = as_halves(c->k, rows * width);
    c->v_of = as_halves(c->v, rows * width);
    c->pages = cmat_xcalloc((size_t)(SEQS * c->n_pages), sizeof *c->pages);
    for (int i = 0; i < SEQS * c->n_pages; i++) /* mixed, from the back */
        c->pages[i] = SEQS * c->n_pages - 1 - (i % c->n_pages * SEQS + i / c->n_pages);
    c->kv =
        (cmat_paged_kv){cmat_xmalloc(bytes), cmat_xmalloc(bytes), type, s->page, s->window, stride};
    memset(c->kv.k, 0xff, bytes); /* NaN: what is not filled is not used */
    memset(c->kv.v, 0xff, bytes);
}

static void cache_clear(cache *c)
{
    void *all[] = {c->q, c->k, c->v, c->k_of, c->v_of, c->pages, c->kv.k, c->kv.v};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* o (d): row `at` of sequence i, head h, over the keys and values given. */
static void reference(const cache *c, float *o, const float *k, const float *v, int i, int at,
                      int h)
{
    const int d = c->s.d, width = c->s.G * d, g = h / (c->s.H / c->s.G);
    const int first = c->s.window && at + 1 > c->s.window ? at + 1 - c->s.window : 0;
    const float *q = c->q + ((size_t)(i * N + at) * (size_t)c->s.H + (size_t)h) * (size_t)d;
    double p[N], sum = 0, most = -INFINITY;
    for (int j = first; j <= at; j++) {
        const float *kj = k + (size_t)(i * N + j) * (size_t)width + (size_t)(g * d);
        p[j] = 0;
        for (int x = 0; x < d; x++)
            p[j] += (double)q[x] * (double)kj[x];
        p[j] /= sqrt(d);
        most = p[j] > most ? p[j] : most;
    }
    for (int j = first; j <= at; j++)
        sum += p[j] = exp(p[j] - most);
    for (int x = 0; x < d; x++) {
        double y = 0;
        for (int j = first; j <= at; j++)
            y += p[j] * (double)v[(size_t)(i * N + j) * (size_t)width + (size_t)(g * d + x)];
        o[x] = (float)(y / sum);
    }
}

static void check_rows(const cache *c, const char *what, const float *o, const float *k,
                       const float *v, int past, int n, double bound)
{
    const int H = c->s.H, d = c->s.d;
    char text[128];
    float *want = cmat_xmalloc((size_t)(SEQS * n * H * d) * sizeof *want);
    for (int r = 0; r < SEQS * n * H; r++)
        reference(c, want + (size_t)r * (size_t)d, k, v, r / H / n, past + r / H % n, r % H);
    snprintf(text, sizeof text, "%s: %s, %d/%d heads of %d, pages of %d, window %d, %d after %d",
             c->kernel->name, what, H, c->s.G, d, c->s.page, c->s.window, n, past);
    check_nmse(text, o, want, (size_t)(SEQS * n * H * d), bound);
    free(want);
}

/* Both sequences' positions past .. past+n-1: stored, and what attention gives for them. */
static void feed(const cache *c, int past, int n)
{
    const shape *s = &c->s;
    const size_t q_row = (size_t)(s->H * s->d), row = (size_t)(s->G * s->d);
    cmat_paged_seq seqs[SEQS];
    const size_t q_bytes = (size_t)(SEQS * n) * q_row * sizeof(float);
    const size_t bytes = (size_t)(SEQS * n) * row * sizeof(float);
    float *q = cmat_xmalloc(q_bytes), *o = cmat_xmalloc(q_bytes);
    float *k = cmat_xmalloc(bytes), *v = cmat_xmalloc(bytes);
    for (int i = 0; i < SEQS; i++) {
        const size_t from = (size_t)(i * N + past), to = (size_t)(i * n), m = (size_t)n;
        seqs[i] = (cmat_paged_seq){i * n, n, past, c->pages + (ptrdiff_t)i * c->n_pages};
        memcpy(q + to * q_row, c->q + from * q_row, m * q_row * sizeof *q);
        memcpy(k + to * row, c->k + from * row, m * row * sizeof *k);
        memcpy(v + to * row, c->v + from * row, m * row * sizeof *v);
    }
    c->kernel->kv_store(&c->kv, seqs, SEQS, k, v, (int)row, s->G, s->d);
    c->kernel->attention_paged(o, (int)q_row, q, (int)q_row, &c->kv, seqs, SEQS, s->H, s->G, s->d);
    const bool half = c->kv.type == CMAT_TYPE_F16;
    if (half)
        check_rows(c, "what halves hold", o, c->k_of, c->v_of, past, n, EXACT);
    check_rows(c, half ? "halves" : "floats", o, c->k, c->v, past, n, half ? ROUNDED : EXACT);
    free(q);
    free(k);
    free(v);
    free(o);
}

static void fed_in_pieces(const cmat_kernel_ops *k)
{
    static const shape shapes[] = {
        {6, 2, 64, 16, 0},   {6, 2, 64, 16, 9},  {4, 2, 80, 16, 0},   {3, 1, 96, 16, 25},
        {2, 2, 128, 16, 0},  {3, 1, 128, 16, 1}, {2, 1, 256, 16, 0},  {2, 1, 256, 16, 140},
        {4, 2, 32, 16, 500}, {3, 1, 64, 8, 0},   {4, 2, 64, 32, 100}, {4, 1, 36, 16, 0},
        {2, 1, 6, 5, 3},
    };
    static const int steps[] = {0, 30, 31, 33, 36, 40, 61, 129, 130, N};
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        cache c;
        cache_init(&c, k, &shapes[i / 2], i % 2 ? CMAT_TYPE_F32 : CMAT_TYPE_F16);
        for (size_t s = 0; s + 1 < sizeof steps / sizeof *steps; s++)
            feed(&c, steps[s], steps[s + 1] - steps[s]);
        cache_clear(&c);
    }
}

static void test_pieces(void **state)
{
    (void)state;
    each_decoding(fed_in_pieces);
}

/* Contexts of several chunks, decoded with a window: each table against plain. */
static void paged_long(const cmat_kernel_ops *k)
{
    enum {
        H = 4,
        G = 2,
        D = 32,
        Q = H * D,
        KV = G * D,
        PAGE = 16,
        LONG = 400,
        PAGES = LONG / PAGE
    };
    static const int windows[] = {0, 5, 128, 129, 300};
    int32_t pages[PAGES];
    uint16_t *keys = random_halves(LONG * KV, 1), *values = random_halves(LONG * KV, 2);
    float *q = random_floats(Q, 1, 3), o[Q], want[Q];
    for (int i = 0; i < PAGES; i++)
        pages[i] = PAGES - 1 - i;
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
        for (int past = LONG - 1; past > 100; past -= 133) {
            const cmat_paged_kv kv = {keys, values, CMAT_TYPE_F16, PAGE, windows[i], 0};
            const cmat_paged_seq seq = {0, 1, past, pages};
            k->attention_paged(o, Q, q, Q, &kv, &seq, 1, H, G, D);
            cmat_kernel_cpu.attention_paged(want, Q, q, Q, &kv, &seq, 1, H, G, D);
            check_nmse("paged with a window", o, want, Q, EXACT);
        }
    free(keys);
    free(values);
    free(q);
}

static void test_long(void **state)
{
    (void)state;
    each_decoding(paged_long);
}

/* Sequences that share the pages of a prompt: each gets what it gets alone, to the last bit. */
static void paged_shared(const cmat_kernel_ops *k)
{
    enum { H = 6, G = 2, D = 32, Q = H * D, KV = G * D, PAGE = 16 };
    enum { MANY = 37, COMMON = 18, PAGES = COMMON + 3 * MANY, LONGEST = COMMON + 3 };
    static const int windows[] = {0, 140};
    int32_t pages[MANY][LONGEST];
    cmat_paged_seq seqs[MANY];
    uint16_t *keys = random_halves(PAGES * PAGE * KV, 1);
    uint16_t *values = random_halves(PAGES * PAGE * KV, 2);
    float *q = random_floats(MANY * Q, 1, 3), *o = cmat_xmalloc(MANY * Q * sizeof *o), want[Q];
    for (int s = 0; s < MANY; s++) {
        for (int i = 0; i < LONGEST; i++)
            pages[s][i] = i < COMMON - s % 5 ? i : COMMON + 3 * s + i % 3;
        seqs[s] = (cmat_paged_seq){s, 1, PAGE * COMMON - 40 + 2 * s, pages[s]};
    }
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
        const cmat_paged_kv kv = {keys, values, CMAT_TYPE_F16, PAGE, windows[w], 0};
        k->attention_paged(o, Q, q, Q, &kv, seqs, MANY, H, G, D);
        for (int s = 0; s < MANY; s++) {
            const cmat_paged_seq alone = {0, 1, seqs[s].n_past, pages[s]};
            k->attention_paged(want, Q, q + s * Q, Q, &kv, &alone, 1, H, G, D);
            assert_memory_equal(o + s * Q, want, sizeof want);
            cmat_kernel_cpu.attention_paged(want, Q, q + s * Q, Q, &kv, &alone, 1, H, G, D);
            check_nmse("paged, shared", o + s * Q, want, Q, EXACT);
        }
    }
    free(keys);
    free(values);
    free(q);
    free(o);
}

static void test_shared(void **state)
{
    (void)state;
    each_decoding(paged_shared);
}

/* ---- what is stored ---- */

static uint16_t half_of(float x)
{
    return cmat_f32_to_f16(x > 65504 ? 65504 : x < -65504 ? -65504 : x);
}

/* Every place of two pages, in rows of some width and with rows between that are not the head's. */
static void stored_bits(const cmat_kernel_ops *k)
{
    static const float special[] = {
        0.0F,        -0.0F,      1.0F,      65504.0F, 65519.0F,    65520.0F, -65520.0F,  1e30F,
        -3.4e38F,    INFINITY,   -INFINITY, NAN,      6.1e-5F,     5.97e-8F, -2.9e-8F,   1e-42F,
        1.00048828F, 1.0014648F, 2049.0F,   2051.0F,  0.33333333F, -0.1F,    6.1035e-5F, 8.9e-8F};
    static const int dims[] = {6, 16, 36, 64, 80, 256};
    enum { SPECIAL = sizeof special / sizeof *special, G = 2, PAGE = 16, ROWS = 21, PAST = 5 };
    static const int32_t pages[] = {2, 0};
    for (size_t t = 0; t < sizeof dims / sizeof *dims; t++) {
        const int d = dims[t], ld = 2 * G * d + 3;
        const size_t n = (size_t)(3 * PAGE * G * d);
        float *rows = random_floats((size_t)(ROWS * ld), 3, 7);
        uint16_t *keys = cmat_xcalloc(n, sizeof *keys), *values = cmat_xcalloc(n, sizeof *values);
        const cmat_paged_kv kv = {keys, values, CMAT_TYPE_F16, PAGE, 0, 0};
        const cmat_paged_seq seq = {0, ROWS, PAST, pages};
        for (int i = 0; i < ROWS * ld; i++)
            if (i % 3)
                rows[i] = special[(size_t)(i * 7) % SPECIAL];
        k->kv_store(&kv, &seq, 1, rows, rows + G * d, ld, G, d);
        size_t filled = 0;
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < G * d; c++) {
                const int slot = (PAST + r) % PAGE, g = c / d, i = c % d;
                const size_t head = cmat_page_head(&kv, pages[(PAST + r) / PAGE], g, G, d);
                assert_int_equal(keys[head + (size_t)(i * PAGE + slot)], half_of(rows[r * ld + c]));
                assert_int_equal(values[head + (size_t)(slot * d + i)],
                                 half_of(rows[r * ld + G * d + c]));
            }
        for (size_t i = 0; i < n; i++) /* page 1 and the slots before PAST stay as they were */
            filled += keys[i] != 0 || values[i] != 0;
        assert_true(filled <= (size_t)(2 * ROWS * G * d));
        for (int i = 0; i < PAGE * G * d; i++)
            assert_int_equal(keys[PAGE * G * d + i] | values[PAGE * G * d + i], 0);
        free(rows);
        free(keys);
        free(values);
    }
}

static void test_store(void **state)
{
    (void)state;
    assert_int_equal(half_of(1e30F), 0x7bff);
    assert_int_equal(half_of(-INFINITY), 0xfbff);
    each_decoding(stored_bits);
}

/* Numbers beyond a half's: as prompts and decoded, what comes out is finite, and the same in each
 * table; NaN goes to the rows that see it only. */
static void extreme_values(const cmat_kernel_ops *k)
{
    enum { H = 2, G = 1, D = 32, Q = H * D, PAGE = 16, T = 40, BAD = 25 };
    static const int32_t pages[] = {1, 2, 0};
    uint16_t keys[3 * PAGE * D], values[3 * PAGE * D];
    float *q = random_floats(T * Q, 1, 1), *rows = random_floats(T * D * 2, 1, 2);
    float *o = cmat_xmalloc(T * Q * sizeof *o), *want = cmat_xmalloc(T * Q * sizeof *want);
    const cmat_paged_kv kv = {keys, values, CMAT_TYPE_F16, PAGE, 0, 0};
    const cmat_paged_seq all = {0, T, 0, pages};
    memset(keys, 0, sizeof keys);
    memset(values, 0, sizeof values);
    rows[3 * 2 * D] = 1e30F;            /* a key */
    rows[5 * 2 * D + 7] = -INFINITY;    /* another */
    rows[9 * 2 * D + D + 2] = INFINITY; /* a value */
    rows[11 * 2 * D + D + 4] = -1e9F;
    k->kv_store(&kv, &all, 1, rows, rows + D, 2 * D, G, D);
    k->attention_paged(o, Q, q, Q, &kv, &all, 1, H, G, D);
    cmat_kernel_cpu.attention_paged(want, Q, q, Q, &kv, &all, 1, H, G, D);
    for (int i = 0; i < T * Q; i++)
        assert_true(isfinite(o[i]));
    check_nmse("extreme", o, want, T * Q, 1e-8);
    rows[BAD * 2 * D + D] = NAN;
    k->kv_store(&kv, &all, 1, rows, rows + D, 2 * D, G, D);
    for (int t = 0; t < T; t++) { /* one by one, over what is stored */
        const cmat_paged_seq one = {t, 1, t, pages};
        k->attention_paged(o, Q, q, Q, &kv, &one, 1, H, G, D);
        for (int i = 0; i < Q; i++)
            assert_true(t >= BAD && i % D == 0 ? isnan(o[t * Q + i]) : isfinite(o[t * Q + i]));
        check_nmse("extreme, decoded", o + t * Q + 1, want + t * Q + 1, D - 1, 1e-8);
    }
    free(q);
    free(rows);
    free(o);
    free(want);
}

static void test_extreme(void **state)
{
    (void)state;
    each_decoding(extreme_values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store),  cmocka_unit_test(test_pieces),  cmocka_unit_test(test_long),
        cmocka_unit_test(test_shared), cmocka_unit_test(test_extreme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
