/* model/forward.c - decoders of llama's shape (arXiv 2302.13971): RMSNorm, rotary positions,
 * grouped-query attention over the paged cache, a gated network; what else an architecture has is
 * in its layers and configuration (model/arch.h). In the last layer only the rows whose logits are
 * wanted go on after attention. */
#include "model/forward.h"
#include "core/mem.h"
#include "model/rope.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Consecutive rows with one adapter, all before or all after row n_decode. */
typedef struct {
    int row, n;
    const cmat_adapter *adapter;
} adapter_run;

/* Rows of the batch as products see them. */
typedef struct {
    int n, n_decode;
    adapter_run *runs;
    int n_runs;
} row_set;

struct cmat_forward {
    const cmat_model *m;
    int max_rows, max_out;
    float *x, *xn, *qkv, *att; /* (rows, D), (rows, D), (rows, (H + 2G) d), (rows, H d) */
    float *gate, *up, *h;      /* (rows, F) */
    float *logits;             /* (max_out, V) */
    float *lora;               /* (rows, rank): grown to the largest rank seen */
    int lora_rank;
    float *before; /* (rows, D): what DoRA's rows are added to; made when such rows come */
    row_set all, wanted;
};

static bool buffer_new(float **out, int rows, int width)
{
    size_t n;
    *out = cmat_mul((size_t)rows, (size_t)width, &n) ? cmat_alloc_big(n, sizeof(float)) : NULL;
    return *out != NULL;
}

cmat_status cmat_forward_new(cmat_forward **out, const cmat_model *m, int max_rows, int max_out,
                             cmat_error *err)
{
    const cmat_model_config *c = &m->config;
    const int q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
    cmat_forward *f = cmat_xcalloc(1, sizeof *f);
    *out = NULL;
    f->m = m;
    f->max_rows = max_rows;
    f->max_out = max_out;
    f->all.runs = cmat_xcalloc((size_t)max_rows, sizeof *f->all.runs);
    f->wanted.runs = cmat_xcalloc((size_t)max_rows, sizeof *f->wanted.runs);
    if (!buffer_new(&f->x, max_rows, c->n_embd) || !buffer_new(&f->xn, max_rows, c->n_embd) ||
        !buffer_new(&f->qkv, max_rows, q + 2 * kv) || !buffer_new(&f->att, max_rows, q) ||
        !buffer_new(&f->gate, max_rows, c->n_ff) || !buffer_new(&f->up, max_rows, c->n_ff) ||
        !buffer_new(&f->h, max_rows, c->n_ff) || !buffer_new(&f->logits, max_out, c->n_vocab)) {
        cmat_forward_free(f);
        return cmat_fail(err, CMAT_ERR_NOMEM, "forward: no memory for a batch of %d tokens",
                         max_rows);
    }
    *out = f;
    return CMAT_OK;
}

void cmat_forward_free(cmat_forward *f)
{
    if (!f)
        return;
    float *buffers[] = {f->x, f->xn, f->qkv, f->att, f->gate, f->up, f->h, f->logits};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        cmat_free_big(buffers[i]);
    free(f->lora);
    free(f->before);
    free(f->all.runs);
    free(f->wanted.runs);
    free(f);
}

static void rows_add(row_set *s, const cmat_adapter *adapter)
{
    adapter_run *last = s->n_runs ? &s->runs[s->n_runs - 1] : NULL;
    if (last && last->adapter == adapter && s->n != s->n_decode)
        last->n++;
    else
        s->runs[s->n_runs++] = (adapter_run){.row = s->n, .n = 1, .adapter = adapter};
    s->n++;
}

static void rows_init(cmat_forward *f, const cmat_batch *b)
{
    int rank = 0;
    f->all.n = f->all.n_runs = f->wanted.n = f->wanted.n_runs = f->wanted.n_decode = 0;
    f->all.n_decode = b->n_decode;
    for (int i = 0; i < b->n_rows; i++) {
        rows_add(&f->all, b->adapters[i]);
        if (b->adapters[i] && b->adapters[i]->config.rank > rank)
            rank = b->adapters[i]->config.rank;
    }
    for (int i = 0; i < b->n_out; i++)
        f->wanted.n_decode += b->out_rows[i] < b->n_decode;
    for (int i = 0; i < b->n_out; i++)
        rows_add(&f->wanted, b->adapters[b->out_rows[i]]);
    if (rank > f->lora_rank) { /* once for the largest adapter, not in every step */
        free(f->lora);
        f->lora = cmat_xmalloc((size_t)f->max_rows * (size_t)rank * sizeof(float));
        f->lora_rank = rank;
    }
}

/* The run's pair for a matrix when it is DoRA's, else NULL. */
static const cmat_lora_pair *dora_pair(const adapter_run *r, int layer, int weight)
{
    const cmat_lora_pair *p = r->adapter ? cmat_adapter_pair(r->adapter, layer, weight) : NULL;
    return p && p->m ? p : NULL;
}

/* Sets aside what the products of DoRA's rows are to be added to: the gain is of the product only.
 */
static void dora_begin(cmat_forward *f, float *y, int ldy, int layer, int weight, const row_set *s)
{
    const size_t n_out = (size_t)f->m->layers[layer].w[weight].n_out;
    for (int i = 0; i < s->n_runs; i++) {
        const adapter_run *r = &s->runs[i];
        for (int j = r->row; dora_pair(r, layer, weight) && j < r->row + r->n; j++) {
            float *row = y + (size_t)j * (size_t)ldy;
            if (!f->before)
                f->before = cmat_xmalloc((size_t)f->max_rows * (size_t)f->m->config.n_embd *
                                         sizeof *f->before);
            memcpy(f->before + (size_t)j * n_out, row, n_out * sizeof *row);
            memset(row, 0, n_out * sizeof *row);
        }
    }
}

static void dora_end(cmat_forward *f, float *y, int ldy, int layer, int weight, const row_set *s,
                     bool accumulate)
{
    const size_t n_out = (size_t)f->m->layers[layer].w[weight].n_out;
    for (int i = 0; i < s->n_runs; i++) {
        const adapter_run *r = &s->runs[i];
        const cmat_lora_pair *p = dora_pair(r, layer, weight);
        for (int j = r->row; p && j < r->row + r->n; j++) {
            float *row = y + (size_t)j * (size_t)ldy;
            const float *before = accumulate ? f->before + (size_t)j * n_out : NULL;
            for (size_t o = 0; o < n_out; o++)
                row[o] = row[o] * p->gain[o] + (before ? before[o] : 0);
        }
    }
}

/* y (n, n_out) += scale (x A^T) B^T for the rows of each adapter. */
static void low_rank(cmat_forward *f, float *y, int ldy, const float *x, int ldx, int layer,
                     int weight, const row_set *s)
{
    const cmat_kernel_ops *k = f->m->kernel;
    const cmat_weight *w = &f->m->layers[layer].w[weight];
    for (int i = 0; i < s->n_runs; i++) {
        const adapter_run *r = &s->runs[i];
        const cmat_lora_pair *pair;
        if (!r->adapter || !(pair = cmat_adapter_pair(r->adapter, layer, weight))->a)
            continue;
        const cmat_lora_rows lora = {
            pair->a, pair->b, w->n_in, w->n_out, r->adapter->config.rank, r->adapter->scale};
        float *yr = y + (size_t)r->row * (size_t)ldy;
        const float *xr = x + (size_t)r->row * (size_t)ldx;
        /* Which of the two is used must not depend on what else is in the batch: what a sequence
         * gets, it gets to the last bit alone and among others (test_engine). */
        if (r->row < s->n_decode)
            k->lora_rows(yr, ldy, xr, ldx, &lora, r->n, f->lora);
        else
            cmat_lora_forward_run(k, yr, ldy, f->lora, lora.rank, xr, ldx, &lora, r->n);
    }
}

/* y += x W^T with the adapters' part, the whole times the gain for DoRA's rows. */
static void product_added(cmat_forward *f, float *y, int ldy, const float *x, int ldx, int layer,
                          int weight, const row_set *s)
{
    const cmat_kernel_ops *k = f->m->kernel;
    const cmat_weight *w = &f->m->layers[layer].w[weight];
    const int nd = s->n_decode;
    dora_begin(f, y, ldy, layer, weight, s);
    if (nd > 0)
        k->matmul(y, ldy, x, ldx, w, nd, true);
    if (nd < s->n)
        k->matmul(y + (size_t)nd * (size_t)ldy, ldy, x + (size_t)nd * (size_t)ldx, ldx, w,
                  s->n - nd, true);
    low_rank(f, y, ldy, x, ldx, layer, weight, s);
    dora_end(f, y, ldy, layer, weight, s, true);
}

/* One matrix of a layer and where its product goes. */
typedef struct {
    int weight;
    float *y;
    int ldy;
} target;

/* y = x W^T likewise for matrices that share x. */
static void products(cmat_forward *f, const target *t, int n, const float *x, int ldx, int layer,
                     const row_set *s)
{
    cmat_product p[CMAT_N_LAYER_WEIGHTS];
    for (int first = 0; first<s->n; first = s->n_decode> first ? s->n_decode : s->n) {
        const int rows = first < s->n_decode ? s->n_decode : s->n - first;
        for (int i = 0; i < n; i++)
            p[i] = (cmat_product){t[i].y + (size_t)first * (size_t)t[i].ldy, t[i].ldy,
                                  &f->m->layers[layer].w[t[i].weight]};
        cmat_matmul_set(f->m->kernel, p, n, x + (size_t)first * (size_t)ldx, ldx, rows);
    }
    for (int i = 0; i < n; i++) {
        low_rank(f, t[i].y, t[i].ldy, x, ldx, layer, t[i].weight, s);
        dora_end(f, t[i].y, t[i].ldy, layer, t[i].weight, s, false);
    }
}

/* x (T, D): embeddings of tokens and virtual tokens. Rows of a prefix hold nothing that is read. */
static void embed_rows(cmat_forward *f, const cmat_batch *b)
{
    const size_t D = (size_t)f->m->config.n_embd;
    for (int i = 0, n; i < b->n_rows; i += n) {
        const cmat_adapter *a = b->adapters[i];
        float *x = f->x + (size_t)i * D;
        for (n = 0; i + n < b->n_rows && b->tokens[i + n] >= 0;)
            n++;
        if (n > 0) {
            f->m->kernel->embed(x, &f->m->token_embd, b->tokens + i, n);
            if (f->m->config.embd_scale != 1)
                f->m->kernel->scale(x, f->m->config.embd_scale, (size_t)n * D);
            continue;
        }
        n = 1;
        if (cmat_adapter_is_prefix(a))
            memset(x, 0, D * sizeof *x);
        else
            memcpy(x, cmat_adapter_embedding(a, CMAT_VIRTUAL_TOKEN(b->tokens[i])), D * sizeof *x);
    }
}

/* Rows of prefixes take the key and value that were tuned in place of the computed ones. */
static void put_prefixes(const cmat_batch *b, float *key, float *value, int ld, int layer,
                         size_t width)
{
    for (int i = 0; i < b->n_rows; i++) {
        const cmat_adapter *a = b->adapters[i];
        const size_t at = (size_t)i * (size_t)ld;
        if (b->tokens[i] >= 0 || !cmat_adapter_is_prefix(a))
            continue;
        const int v = CMAT_VIRTUAL_TOKEN(b->tokens[i]);
        memcpy(key + at, a->served + cmat_adapter_prefix_at(a, layer, 0, v), width * sizeof *key);
        memcpy(value + at, a->served + cmat_adapter_prefix_at(a, layer, 1, v),
               width * sizeof *value);
    }
}

/* att (T, H d) of one layer from x. */
static void attention(cmat_forward *f, cmat_kv *kv, const cmat_batch *b, int layer)
{
    const cmat_model_config *c = &f->m->config;
    const cmat_kernel_ops *k = f->m->kernel;
    const cmat_layer *l = &f->m->layers[layer];
    const cmat_paged_kv *pages = cmat_kv_layer(kv, layer);
    const int d = c->head_dim, q_dim = c->n_heads * d, kv_dim = c->n_kv_heads * d;
    const int ld = q_dim + 2 * kv_dim;
    const float *turn = cmat_model_rope(f->m, layer);
    float *q = f->qkv, *key = q + q_dim, *value = key + kv_dim;
    k->rmsnorm(f->xn, NULL, f->x, l->attn_norm, b->n_rows, c->n_embd, c->rms_eps);
    products(f, (target[]){{CMAT_W_Q, q, ld}, {CMAT_W_K, key, ld}, {CMAT_W_V, value, ld}}, 3, f->xn,
             c->n_embd, layer, &f->all);
    if (l->qkv_bias)
        k->add_row(q, ld, l->qkv_bias, b->n_rows, ld);
    if (l->q_norm) {
        k->head_norm(q, ld, NULL, l->q_norm, b->n_rows, c->n_heads, d, c->rms_eps);
        k->head_norm(key, ld, NULL, l->k_norm, b->n_rows, c->n_kv_heads, d, c->rms_eps);
    }
    cmat_rope_heads(k, c, q, ld, turn, b->pos, b->n_rows, c->n_heads, false);
    cmat_rope_heads(k, c, key, ld, turn, b->pos, b->n_rows, c->n_kv_heads, false);
    cmat_rope_logn(c, q, ld, b->pos, b->n_rows);
    put_prefixes(b, key, value, ld, layer, (size_t)kv_dim);
    k->kv_store(pages, b->seqs, b->n_seqs, key, value, ld, c->n_kv_heads, d);
    k->attention_paged(f->att, q_dim, q, ld, pages, b->seqs, b->n_seqs, c->n_heads, c->n_kv_heads,
                       d);
}

/* Moves the wanted rows of x and att to the front. */
static void keep_wanted(cmat_forward *f, const cmat_batch *b)
{
    const size_t D = (size_t)f->m->config.n_embd;
    const size_t q_dim = (size_t)f->m->config.n_heads * (size_t)f->m->config.head_dim;
    for (int i = 0; i < b->n_out; i++) {
        const size_t from = (size_t)b->out_rows[i], to = (size_t)i;
        if (from == to)
            continue;
        memcpy(f->x + to * D, f->x + from * D, D * sizeof(float));
        memcpy(f->att + to * q_dim, f->att + from * q_dim, q_dim * sizeof(float));
    }
}

/* x += y W^T, or x += norm(y W^T) where the architecture has a norm there. */
static void add_product(cmat_forward *f, const float *y, int ldy, int layer, int weight,
                        const float *norm, const row_set *s)
{
    const cmat_model_config *c = &f->m->config;
    const int D = c->n_embd;
    if (!norm) {
        product_added(f, f->x, D, y, ldy, layer, weight, s);
        return;
    }
    products(f, &(target){weight, f->xn, D}, 1, y, ldy, layer, s);
    f->m->kernel->rmsnorm(f->xn, NULL, f->xn, norm, s->n, D, c->rms_eps);
    f->m->kernel->add(f->x, f->xn, (size_t)s->n * (size_t)D);
}

/* x += o(att); x += down(act(gate(norm x)) * up(norm x)) */
static void feed_forward(cmat_forward *f, int layer, const row_set *s)
{
    const cmat_model_config *c = &f->m->config;
    const cmat_kernel_ops *k = f->m->kernel;
    const cmat_layer *l = &f->m->layers[layer];
    const int D = c->n_embd, F = c->n_ff;
    add_product(f, f->att, c->n_heads * c->head_dim, layer, CMAT_W_O, l->post_attn_norm, s);
    k->rmsnorm(f->xn, NULL, f->x, l->ffn_norm, s->n, D, c->rms_eps);
    products(f, (target[]){{CMAT_W_GATE, f->gate, F}, {CMAT_W_UP, f->up, F}}, 2, f->xn, D, layer,
             s);
    (c->arch->gelu ? k->geglu : k->swiglu)(f->h, f->gate, f->up, s->n, F);
    add_product(f, f->h, F, layer, CMAT_W_DOWN, l->post_ffn_norm, s);
}

void cmat_forward_run(cmat_forward *f, cmat_kv *kv, const cmat_batch *b)
{
    const int n_layers = f->m->config.n_layers;
    assert(b->n_rows <= f->max_rows && b->n_out <= b->n_rows);
    rows_init(f, b);
    embed_rows(f, b);
    for (int l = 0; l < n_layers - 1; l++) {
        attention(f, kv, b, l);
        feed_forward(f, l, &f->all);
    }
    attention(f, kv, b, n_layers - 1);
    keep_wanted(f, b);
    if (b->n_out > 0)
        feed_forward(f, n_layers - 1, &f->wanted);
}

float *cmat_forward_head(cmat_forward *f, int first, int n)
{
    const cmat_model_config *c = &f->m->config;
    const float *x = f->x + (size_t)first * (size_t)c->n_embd;
    assert(first + n <= f->wanted.n && n <= f->max_out);
    f->m->kernel->rmsnorm(f->xn, NULL, x, f->m->output_norm, n, c->n_embd, c->rms_eps);
    f->m->kernel->matmul(f->logits, c->n_vocab, f->xn, c->n_embd, &f->m->output, n, false);
    return f->logits;
}
