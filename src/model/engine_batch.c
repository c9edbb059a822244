/* model/engine_batch.c - what goes into the next batch, and the tokens that come of it. */
#include "model/engine_impl.h"
#include <string.h>

static bool generating(const cmat_sequence *s)
{
    return s->n_kv >= s->n_prompt;
}

static bool prefix_ready(const cmat_engine *e, const cmat_sequence *s)
{
    for (int i = s->n_shared - 1; i >= 0; i--) {
        if (!cmat_kv_ready(e->kv, s->pages[i]))
            return false;
    }
    return true;
}

/* Rows of a prompt that go now, of n pending ones: never a few at its end by themselves, since
 * attention has an arithmetic of its own for so few, and results must not depend on where a prompt
 * was cut. */
static int prompt_rows(const cmat_engine *e, int pending, int budget)
{
    int n = pending < budget ? pending : budget;
    if (n < pending && pending - n < CMAT_MIN_ROWS)
        n = pending - CMAT_MIN_ROWS;
    if (n < pending && n < CMAT_MIN_ROWS)
        n = budget < e->opts.n_batch ? 0 : budget; /* a batch that small must do as it can */
    return n;
}

/* Guesses for the sequences whose every token is known after this step, if they are few. */
static void plan_drafts(cmat_engine *e)
{
    int n = 0;
    for (int i = 0; i < e->n_active; i++)
        n += generating(e->active[i]) ? e->active[i]->n_rows : 0;
    for (int i = 0; i < e->n_active; i++) {
        cmat_sequence *s = e->active[i];
        const size_t left = s->n_limit - s->n_tokens;
        int most = n > 0 ? CMAT_DRAFT_ROWS / n - 1 : 0;
        s->draft.n = s->draft.n_run = 0;
        if (e->opts.no_draft || most < 1 || left < 2 || !generating(s) || s->n_rows == 0 ||
            s->n_kv + (size_t)s->n_rows < s->n_tokens)
            continue;
        most = (size_t)most < left - 1 ? most : (int)(left - 1);
        most = most < cmat_engine_stretch_room(e, s) ? most : cmat_engine_stretch_room(e, s);
        cmat_draft_guess(&s->draft, s->tokens, s->n_tokens, most);
        cmat_engine_pages_take(e, s, s->n_tokens + (size_t)s->draft.n_run);
    }
}

/* How many rows each active request gets in this step. */
static void plan_rows(cmat_engine *e)
{
    int budget = e->opts.n_batch;
    for (int pass = 0; pass < 2; pass++) { /* those that generate come first */
        for (int i = 0; i < e->n_active; i++) {
            cmat_sequence *s = e->active[i];
            const int pending = (int)(s->n_tokens - s->n_kv), sure = pass == 0;
            if (generating(s) != (pass == 0))
                continue;
            s->n_rows = 0;
            if (!prefix_ready(e, s))
                continue;
            s->n_rows = !sure                     ? prompt_rows(e, pending, budget)
                        : pending < budget + sure ? pending
                                                  : budget + sure;
            budget -= s->n_rows > sure ? s->n_rows - sure : 0;
            cmat_engine_pages_ready(e, s, s->n_kv + (size_t)s->n_rows);
        }
    }
    plan_drafts(e);
}

/* Sequences with rows: those that generate first, and in each part those with one adapter together,
 * in the order in which the adapters first appear. Returns how many. */
static int order_rows(cmat_engine *e, int *n_generating)
{
    cmat_sequence **order = e->room.order;
    int n = 0;
    for (int pass = 0; pass < 2; pass++) {
        const int begin = n;
        for (int i = 0; i < e->n_active; i++) {
            cmat_sequence *s = e->active[i];
            int at = n;
            if (s->n_rows == 0 || generating(s) != (pass == 0))
                continue;
            for (int k = n - 1; k >= begin; k--) {
                if (order[k]->req.adapter == s->req.adapter) {
                    at = k + 1;
                    break;
                }
            }
            memmove(&order[at + 1], &order[at], (size_t)(n - at) * sizeof *order);
            order[at] = s;
            n++;
        }
        if (pass == 0)
            *n_generating = n;
    }
    return n;
}

static void row_add(const cmat_model *m, cmat_batch_room *r, cmat_batch *b, const cmat_sequence *s,
                    int32_t token, size_t pos)
{
    r->tokens[b->n_rows] = token;
    r->pos[b->n_rows] = cmat_model_rope_row(m, s->stretch, pos);
    r->adapters[b->n_rows] = s->req.adapter;
    b->n_rows++;
}

/* The sequence's rows and, each as a sequence of its own, its guesses: these are then computed as
 * they would be one after the other. */
static void rows_add(const cmat_model *m, cmat_batch_room *r, cmat_batch *b, cmat_sequence *s)
{
    r->seqs[b->n_seqs++] = (cmat_paged_seq){
        .row = b->n_rows, .n = s->n_rows, .n_past = (int)s->n_kv, .pages = s->pages};
    for (int k = 0; k < s->n_rows; k++, s->n_kv++)
        row_add(m, r, b, s, s->tokens[s->n_kv], s->n_kv);
    s->out = -1;
    if (s->n_kv < s->n_tokens)
        return;
    s->out = b->n_out;
    r->out_rows[b->n_out++] = b->n_rows - 1;
    for (int k = 0; k < s->draft.n_run; k++) {
        const size_t pos = s->n_kv + (size_t)k;
        r->seqs[b->n_seqs++] =
            (cmat_paged_seq){.row = b->n_rows, .n = 1, .n_past = (int)pos, .pages = s->pages};
        r->out_rows[b->n_out++] = b->n_rows;
        row_add(m, r, b, s, s->draft.tokens[k], pos);
    }
}

/* Lays out and runs the batch. Returns the number of sequences in it. */
int cmat_engine_run_batch(cmat_engine *e, int *n_out)
{
    cmat_batch_room *r = &e->room;
    cmat_batch b = {.tokens = r->tokens,
                    .pos = r->pos,
                    .adapters = r->adapters,
                    .seqs = r->seqs,
                    .out_rows = r->out_rows};
    int n_generating = 0;
    plan_rows(e);
    const int n = order_rows(e, &n_generating);
    for (int i = 0; i < n; i++) {
        rows_add(e->model, r, &b, r->order[i]);
        if (i < n_generating)
            b.n_decode = b.n_rows;
    }
    if (b.n_rows > 0)
        cmat_forward_run(e->forward, e->kv, &b);
    *n_out = b.n_out;
    return n;
}

/* One token, and one more for each guess that turns out right: its row then holds the logits that
 * follow. */
static void advance(cmat_engine *e, cmat_sequence *s, float *logits)
{
    const size_t base = s->n_tokens, V = (size_t)e->model->config.n_vocab;
    cmat_draft *d = &s->draft;
    int right = 0;
    while (!s->ended && base + (size_t)right == s->n_tokens) {
        const size_t row = (size_t)s->out + (size_t)right;
        cmat_sequence_advance(s, e->model->kernel, logits + row * V, (int)V,
                              e->scratch + row * CMAT_SAMPLE_ROOM(V));
        while (right < d->n_run && base + (size_t)right < s->n_tokens &&
               s->tokens[base + (size_t)right] == d->tokens[right])
            right++;
    }
    s->n_kv += (size_t)right;
    if (s->n_tokens > base)
        cmat_draft_judge(d, right, s->tokens[base]);
}

void cmat_engine_choose_tokens(cmat_engine *e, int n_seqs, int n_out)
{
    float *logits = cmat_forward_head(e->forward, 0, n_out);
#pragma omp parallel for schedule(dynamic, 1) num_threads(cmat_threads()) if (n_out > 1)
    for (int i = 0; i < n_seqs; i++)
        if (e->room.order[i]->out >= 0)
            advance(e, e->room.order[i], logits);
}
