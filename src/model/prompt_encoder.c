/* model/prompt_encoder.c - MLP and LSTM prompt encoders, forward and backward.
 *
 * The LSTM (gates i, f, g, o as in PyTorch, s the logistic function), for each direction:
 *   z_t = W_ih x_t + b_ih + W_hh h_t-1 + b_hh      i, f, o = s(z_i, z_f, z_o), g = tanh(z_g)
 *   c_t = f c_t-1 + i g                            h_t = o tanh(c_t)
 * and layer l+1 reads both directions of layer l side by side. */
#include "model/prompt_encoder.h"
#include "core/mem.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINEAR = 3, MAX_LSTM_LAYERS = 8, MAX_WIDTH = 1 << 24 };
#define MAX_PARAMS ((size_t)1 << 32)

typedef struct {
    int n_in, n_out;
    size_t w, b; /* (n_out, n_in), (n_out): offsets */
    float *y;    /* (n, n_out) after the activation; the last one's lies with the caller */
} linear;

/* One direction of one layer. */
typedef struct {
    int n_in;
    size_t w_ih, w_hh, b_ih, b_hh; /* (4h, n_in), (4h, h), (4h), (4h) */
    float *gates;                  /* (n, 4h), after their nonlinearities */
    float *c, *tanh_c;             /* (n, h) */
} cell;

struct cmat_prompt_encoder {
    cmat_encoder_config config;
    int n_linear, n_cells; /* cells: two a layer, forward and reverse */
    linear linears[MAX_LINEAR];
    cell cells[2 * MAX_LSTM_LAYERS];
    cmat_encoder_tensor *tensors;
    size_t n_tensors, n_params;
    float *layer_y[MAX_LSTM_LAYERS]; /* (n, 2h) */
    float *da, *db;                  /* (n, widest) gradients on the way down */
    float *dgates;                   /* (n, 4h) */
    float *dh, *dc;                  /* (h) */
    float *room;                     /* all of the above */
};

/* ---- layout ---- */

static size_t tensor_add(cmat_prompt_encoder *e, const char *name, int rows, int cols)
{
    cmat_encoder_tensor *t = &e->tensors[e->n_tensors++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->rows = rows;
    t->cols = cols;
    t->offset = e->n_params;
    e->n_params += (size_t)rows * (size_t)(cols ? cols : 1);
    return t->offset;
}

static void cells_add(cmat_prompt_encoder *e)
{
    const int h = e->config.hidden;
    for (int i = 0; i < 2 * e->config.n_layers; i++) {
        cell *c = &e->cells[e->n_cells++];
        char name[40];
        const char *end = i % 2 ? "_reverse" : "";
        c->n_in = i < 2 ? e->config.n_in : 2 * h;
        snprintf(name, sizeof name, "lstm_head.weight_ih_l%d%s", i / 2, end);
        c->w_ih = tensor_add(e, name, 4 * h, c->n_in);
        snprintf(name, sizeof name, "lstm_head.weight_hh_l%d%s", i / 2, end);
        c->w_hh = tensor_add(e, name, 4 * h, h);
        snprintf(name, sizeof name, "lstm_head.bias_ih_l%d%s", i / 2, end);
        c->b_ih = tensor_add(e, name, 4 * h, 0);
        snprintf(name, sizeof name, "lstm_head.bias_hh_l%d%s", i / 2, end);
        c->b_hh = tensor_add(e, name, 4 * h, 0);
    }
}

static void linear_add(cmat_prompt_encoder *e, int n_in, int n_out)
{
    linear *l = &e->linears[e->n_linear];
    const char *head = e->config.projection ? "transform" : "mlp_head";
    char name[40];
    l->n_in = n_in;
    l->n_out = n_out;
    /* every second module of the Sequential is an activation */
    snprintf(name, sizeof name, "%s.%d.weight", head, 2 * e->n_linear);
    l->w = tensor_add(e, name, n_out, n_in);
    snprintf(name, sizeof name, "%s.%d.bias", head, 2 * e->n_linear);
    l->b = tensor_add(e, name, n_out, 0);
    e->n_linear++;
}

static void lay_out(cmat_prompt_encoder *e)
{
    const cmat_encoder_config *c = &e->config;
    e->tensors =
        cmat_xcalloc(1 + 2 * MAX_LINEAR + (size_t)(8 * MAX_LSTM_LAYERS), sizeof *e->tensors);
    tensor_add(e, "embedding.weight", c->n, c->n_in);
    if (c->kind == CMAT_ENCODER_LSTM) {
        cells_add(e);
        linear_add(e, 2 * c->hidden, 2 * c->hidden);
        linear_add(e, 2 * c->hidden, c->n_out);
        return;
    }
    linear_add(e, c->n_in, c->hidden);
    if (!c->projection)
        linear_add(e, c->hidden, c->hidden);
    linear_add(e, c->hidden, c->n_out);
}

/* Hands out the parts of room; with room NULL only counts. */
static size_t place(cmat_prompt_encoder *e)
{
    const size_t n = (size_t)e->config.n, h = (size_t)e->config.hidden;
    size_t used = 0, widest = (size_t)e->config.n_in;
#define TAKE(p, count) ((p) = e->room ? e->room + used : NULL, used += (count))
    for (int i = 0; i < e->n_cells; i++) {
        TAKE(e->cells[i].gates, n * 4 * h);
        TAKE(e->cells[i].c, n * h);
        TAKE(e->cells[i].tanh_c, n * h);
        if (i % 2 == 0)
            TAKE(e->layer_y[i / 2], n * 2 * h);
    }
    for (int i = 0; i < e->n_linear; i++) {
        if (i + 1 < e->n_linear)
            TAKE(e->linears[i].y, n * (size_t)e->linears[i].n_out);
        if ((size_t)e->linears[i].n_in > widest)
            widest = (size_t)e->linears[i].n_in;
    }
    TAKE(e->da, n * widest);
    TAKE(e->db, n * widest);
    if (e->n_cells) {
        TAKE(e->dgates, n * 4 * h);
        TAKE(e->dh, h);
        TAKE(e->dc, h);
    }
#undef TAKE
    return used;
}

/* Whether all products of the sizes stay small enough to be computed with. */
static bool fits(const cmat_encoder_config *c)
{
    const double h = c->hidden, n = c->n, in = c->n_in;
    double params = n * in + h * in + h * h + h * (double)c->n_out;
    if (c->kind == CMAT_ENCODER_LSTM)
        params = n * in + 8 * h * (in + h + 2) + 24 * h * h * (c->n_layers - 1) + 4 * h * h +
                 2 * h * (double)c->n_out;
    return h <= MAX_WIDTH / 8 && in <= MAX_WIDTH && c->n_out <= MAX_WIDTH && c->n <= MAX_WIDTH &&
           params < (double)MAX_PARAMS && n * (h * 32 + in) < (double)MAX_PARAMS;
}

cmat_status cmat_prompt_encoder_new(cmat_prompt_encoder **out, const cmat_encoder_config *config,
                                    cmat_error *err)
{
    *out = NULL;
    assert(config->kind != CMAT_ENCODER_NONE && config->n > 0 && config->n_in > 0);
    if (config->hidden < 1 || (config->kind == CMAT_ENCODER_LSTM &&
                               (config->n_layers < 1 || config->n_layers > MAX_LSTM_LAYERS)))
        return cmat_fail(
            err, CMAT_ERR_ARG,
            "prompt encoder: %d hidden units in %d layers (at least 1, 1 to %d layers)",
            config->hidden, config->n_layers, MAX_LSTM_LAYERS);
    if (!fits(config))
        return cmat_fail(err, CMAT_ERR_LIMIT,
                         "prompt encoder: %d hidden units for %d tokens are too many",
                         config->hidden, config->n);
    cmat_prompt_encoder *e = cmat_xcalloc(1, sizeof *e);
    e->config = *config;
    lay_out(e);
    if (!(e->room = cmat_alloc_big(place(e), sizeof(float)))) {
        cmat_prompt_encoder_free(e);
        return cmat_fail(err, CMAT_ERR_NOMEM, "prompt encoder: no memory");
    }
    place(e);
    *out = e;
    return CMAT_OK;
}

void cmat_prompt_encoder_free(cmat_prompt_encoder *e)
{
    if (!e)
        return;
    cmat_free_big(e->room);
    free(e->tensors);
    free(e);
}

const cmat_encoder_config *cmat_prompt_encoder_config(const cmat_prompt_encoder *e)
{
    return &e->config;
}

size_t cmat_prompt_encoder_n_params(const cmat_prompt_encoder *e)
{
    return e->n_params;
}

const cmat_encoder_tensor *cmat_prompt_encoder_tensors(const cmat_prompt_encoder *e, size_t *n)
{
    *n = e->n_tensors;
    return e->tensors;
}

static void uniform(float *p, size_t n, int width, cmat_rng *rng)
{
    const double bound = 1 / sqrt((double)width);
    for (size_t i = 0; i < n; i++)
        p[i] = (float)((2 * cmat_rng_double(rng) - 1) * bound);
}

void cmat_prompt_encoder_init(const cmat_prompt_encoder *e, float *params, cmat_rng *rng)
{
    const cmat_encoder_config *c = &e->config;
    const size_t n_embedding = (size_t)c->n * (size_t)c->n_in;
    for (size_t i = 0; i < n_embedding; i++)
        params[i] = (float)cmat_rng_normal(rng);
    if (e->n_cells)
        uniform(params + n_embedding, e->linears[0].w - n_embedding, c->hidden, rng);
    for (int i = 0; i < e->n_linear; i++) {
        const linear *l = &e->linears[i];
        uniform(params + l->w, (size_t)l->n_in * (size_t)l->n_out + (size_t)l->n_out, l->n_in, rng);
    }
}

/* ---- forward ---- */

static void rows_fill(float *y, const float *b, int n, int width)
{
    for (int i = 0; i < n; i++)
        memcpy(y + (size_t)i * (size_t)width, b, (size_t)width * sizeof *y);
}

static void add_rows(float *sum, const float *x, int n, int width)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < width; j++)
            sum[j] += x[(size_t)i * (size_t)width + (size_t)j];
}

static float logistic(float x)
{
    return 1 / (1 + expf(-x));
}

/* The i-th row in the order of time; reverse cells read from the end. */
static size_t row_at(int i, int n, bool reverse)
{
    return (size_t)(reverse ? n - 1 - i : i);
}

/* y (n, 2h), of which this cell fills its half. */
static void cell_forward(const cmat_prompt_encoder *e, const cmat_kernel_ops *k, const cell *c,
                         bool reverse, const float *p, const float *x, float *y)
{
    const int n = e->config.n, h = e->config.hidden;
    const size_t H = (size_t)h, half = reverse ? H : 0;
    rows_fill(c->gates, p + c->b_ih, n, 4 * h);
    for (int t = 0; t < n; t++)
        for (size_t j = 0; j < 4 * H; j++)
            c->gates[(size_t)t * 4 * H + j] += p[c->b_hh + j];
    k->gemm(false, true, n, 4 * h, c->n_in, 1, x, c->n_in, p + c->w_ih, c->n_in, 1, c->gates,
            4 * h);
    for (int t = 0; t < n; t++) {
        const size_t row = row_at(t, n, reverse), before = t ? row_at(t - 1, n, reverse) : 0;
        float *z = c->gates + row * 4 * H, *ct = c->c + row * H;
        if (t)
            k->gemm(false, true, 1, 4 * h, h, 1, y + before * 2 * H + half, h, p + c->w_hh, h, 1, z,
                    4 * h);
        for (size_t j = 0; j < H; j++) {
            const float i = logistic(z[j]), f = logistic(z[H + j]), g = tanhf(z[2 * H + j]),
                        o = logistic(z[3 * H + j]);
            ct[j] = i * g + (t ? f * c->c[before * H + j] : 0);
            c->tanh_c[row * H + j] = tanhf(ct[j]);
            y[row * 2 * H + half + j] = o * c->tanh_c[row * H + j];
            z[j] = i;
            z[H + j] = f;
            z[2 * H + j] = g;
            z[3 * H + j] = o;
        }
    }
}

static const float *cells_input(const cmat_prompt_encoder *e, const float *params, int layer)
{
    return layer ? e->layer_y[layer - 1] : params;
}

static const float *linear_input(const cmat_prompt_encoder *e, const float *params, int i)
{
    if (i)
        return e->linears[i - 1].y;
    return e->n_cells ? e->layer_y[e->n_cells / 2 - 1] : params;
}

void cmat_prompt_encoder_forward(cmat_prompt_encoder *e, const cmat_kernel_ops *k,
                                 const float *params, float *out)
{
    const int n = e->config.n;
    for (int i = 0; i < e->n_cells; i++)
        cell_forward(e, k, &e->cells[i], i % 2, params, cells_input(e, params, i / 2),
                     e->layer_y[i / 2]);
    for (int i = 0; i < e->n_linear; i++) {
        const linear *l = &e->linears[i];
        const size_t count = (size_t)n * (size_t)l->n_out;
        float *y = i + 1 < e->n_linear ? l->y : out;
        rows_fill(y, params + l->b, n, l->n_out);
        k->gemm(false, true, n, l->n_out, l->n_in, 1, linear_input(e, params, i), l->n_in,
                params + l->w, l->n_in, 1, y, l->n_out);
        if (y == out)
            return;
        for (size_t j = 0; j < count; j++)
            y[j] = e->config.projection ? tanhf(y[j]) : fmaxf(y[j], 0);
    }
}

/* ---- backward ---- */

static void cell_step_backward(const cmat_prompt_encoder *e, const cell *c, float *dz,
                               const float *dy, size_t row, size_t before, bool first)
{
    const size_t H = (size_t)e->config.hidden;
    const float *z = c->gates + row * 4 * H;
    for (size_t j = 0; j < H; j++) {
        const float i = z[j], f = z[H + j], g = z[2 * H + j], o = z[3 * H + j],
                    tc = c->tanh_c[row * H + j], dh = dy[j] + e->dh[j],
                    dc = e->dc[j] + dh * o * (1 - tc * tc),
                    c_before = first ? 0 : c->c[before * H + j];
        dz[j] = dc * g * i * (1 - i);
        dz[H + j] = dc * c_before * f * (1 - f);
        dz[2 * H + j] = dc * i * (1 - g * g);
        dz[3 * H + j] = dh * tc * o * (1 - o);
        e->dc[j] = dc * f;
    }
}

/* dy (n, 2h); adds into dx (n, n_in). */
static void cell_backward(const cmat_prompt_encoder *e, const cmat_kernel_ops *k, const cell *c,
                          bool reverse, const float *p, const float *x, const float *y,
                          const float *dy, float *dx, float *dp)
{
    const int n = e->config.n, h = e->config.hidden;
    const size_t H = (size_t)h, half = reverse ? H : 0;
    memset(e->dh, 0, H * sizeof *e->dh);
    memset(e->dc, 0, H * sizeof *e->dc);
    for (int t = n - 1; t >= 0; t--) {
        const size_t row = row_at(t, n, reverse), before = t ? row_at(t - 1, n, reverse) : 0;
        float *dz = e->dgates + row * 4 * H;
        cell_step_backward(e, c, dz, dy + row * 2 * H + half, row, before, t == 0);
        k->gemm(false, false, 1, h, 4 * h, 1, dz, 4 * h, p + c->w_hh, h, 0, e->dh, h);
    }
    /* h_t-1 is the row before in forward cells, the row behind in reverse ones */
    if (n > 1)
        k->gemm(true, false, 4 * h, h, n - 1, 1, e->dgates + (reverse ? 0 : 4 * H), 4 * h,
                y + half + (reverse ? 2 * H : 0), 2 * h, 1, dp + c->w_hh, h);
    k->gemm(true, false, 4 * h, c->n_in, n, 1, e->dgates, 4 * h, x, c->n_in, 1, dp + c->w_ih,
            c->n_in);
    add_rows(dp + c->b_ih, e->dgates, n, 4 * h);
    add_rows(dp + c->b_hh, e->dgates, n, 4 * h);
    k->gemm(false, false, n, c->n_in, 4 * h, 1, e->dgates, 4 * h, p + c->w_ih, c->n_in, 1, dx,
            c->n_in);
}

void cmat_prompt_encoder_backward(cmat_prompt_encoder *e, const cmat_kernel_ops *k,
                                  const float *params, const float *dout, float *dparams)
{
    const int n = e->config.n;
    const float *dy = dout;
    float *dx = e->da;
    for (int i = e->n_linear - 1; i >= 0; i--) {
        const linear *l = &e->linears[i];
        const float *x = linear_input(e, params, i);
        const size_t count = (size_t)n * (size_t)l->n_in;
        k->gemm(true, false, l->n_out, l->n_in, n, 1, dy, l->n_out, x, l->n_in, 1, dparams + l->w,
                l->n_in);
        add_rows(dparams + l->b, dy, n, l->n_out);
        k->gemm(false, false, n, l->n_in, l->n_out, 1, dy, l->n_out, params + l->w, l->n_in, 0, dx,
                l->n_in);
        for (size_t j = 0; i > 0 && j < count; j++)
            dx[j] *= e->config.projection ? 1 - x[j] * x[j] : (x[j] > 0 ? 1.0F : 0.0F);
        dy = dx;
        dx = dx == e->da ? e->db : e->da;
    }
    for (int layer = e->n_cells / 2 - 1; layer >= 0; layer--) {
        const cell *c = &e->cells[(size_t)layer * 2];
        const float *x = cells_input(e, params, layer);
        memset(dx, 0, (size_t)n * (size_t)c->n_in * sizeof *dx);
        for (int r = 0; r < 2; r++)
            cell_backward(e, k, &c[r], r == 1, params, x, e->layer_y[layer], dy, dx, dparams);
        dy = dx;
        dx = dx == e->da ? e->db : e->da;
    }
    const size_t n_embedding = (size_t)n * (size_t)e->config.n_in;
    for (size_t i = 0; i < n_embedding; i++)
        dparams[i] += dy[i];
}
