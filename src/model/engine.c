/* model/engine.c - who runs when: queues of requests and their pages.
 *
 * A request waits until a place and all pages it can ever need are there, so that it never has to
 * be thrown out again. Its whole pages are published as soon as it is admitted: later requests with
 * the same beginning hold them too and run once (or in the same pass in which) they are computed.
 */
#include "core/cancel.h"
#include "core/hash.h"
#include "core/mem.h"
#include "model/engine_impl.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SEQS = 16, DEFAULT_BATCH = 256, MAX_SEQS = 1024, MAX_LOGPROBS = 100 };
/* Of the cache without a size asked for: all sequences at full length, if a quarter of the free
 * memory holds them. A smaller one would forget each episode's beginning before its next turn.
 * Pages cost memory when they are first written. */
#define DEFAULT_KV_BYTES ((size_t)1 << 30) /* always */
#define DEFAULT_KV_PART 4

static void queue_add(cmat_engine_queue *q, cmat_sequence *s)
{
    s->next = NULL;
    if (q->last)
        q->last->next = s;
    else
        q->first = s;
    q->last = s;
    q->n++;
}

static cmat_sequence *queue_take(cmat_engine_queue *q)
{
    cmat_sequence *s = q->first;
    if (!s)
        return NULL;
    q->first = s->next;
    if (!q->first)
        q->last = NULL;
    q->n--;
    s->next = NULL;
    return s;
}

/* Puts a request back to its place among the waiting ones, who stand in order of id. */
static void queue_return(cmat_engine_queue *q, cmat_sequence *s)
{
    cmat_sequence **at = &q->first;
    while (*at && (*at)->id < s->id)
        at = &(*at)->next;
    s->next = *at;
    *at = s;
    if (!s->next)
        q->last = s;
    q->n++;
}

static size_t default_kv_bytes(const cmat_kernel_ops *kernel)
{
    const size_t part = kernel->memory() / DEFAULT_KV_PART;
    return part > DEFAULT_KV_BYTES ? part : DEFAULT_KV_BYTES;
}

static cmat_status options_check(cmat_engine_options *o, const cmat_model *m, int *n_pages,
                                 cmat_error *err)
{
    const cmat_model_config *c = &m->config;
    const size_t page = cmat_kv_page_bytes(c, CMAT_TYPE_F16);
    size_t pages;
    if (o->n_ctx == 0 || o->n_ctx > c->n_ctx)
        o->n_ctx = c->n_ctx;
    o->n_seqs = o->n_seqs ? o->n_seqs : DEFAULT_SEQS;
    o->n_batch = o->n_batch ? o->n_batch : DEFAULT_BATCH;
    if (o->n_ctx < 2 || o->n_seqs < 1 || o->n_seqs > MAX_SEQS || o->n_batch < 1 ||
        o->n_batch > 1 << 16)
        return cmat_fail(err, CMAT_ERR_ARG,
                         "engine: context %d, sequences %d (1 to %d) or batch %d out of range",
                         o->n_ctx, o->n_seqs, MAX_SEQS, o->n_batch);
    pages = ((size_t)o->n_ctx + CMAT_KV_PAGE - 1) / CMAT_KV_PAGE * (size_t)o->n_seqs;
    if (o->kv_bytes == 0 && pages > default_kv_bytes(m->kernel) / page)
        pages = default_kv_bytes(m->kernel) / page;
    if (o->kv_bytes && pages > o->kv_bytes / page)
        pages = o->kv_bytes / page;
    if (pages < 1 || pages > 1 << 24)
        return cmat_fail(err, CMAT_ERR_ARG, "engine: a cache of %zu bytes holds %zu pages of %zu",
                         o->kv_bytes, pages, page);
    *n_pages = (int)pages;
    if ((size_t)o->n_ctx > pages * CMAT_KV_PAGE)
        o->n_ctx = (int)pages * CMAT_KV_PAGE;
    return CMAT_OK;
}

static void room_init(cmat_batch_room *r, int rows, int seqs)
{
    r->tokens = cmat_xcalloc((size_t)rows, sizeof *r->tokens);
    r->pos = cmat_xcalloc((size_t)rows, sizeof *r->pos);
    r->out_rows = cmat_xcalloc((size_t)seqs, sizeof *r->out_rows);
    r->adapters = cmat_xcalloc((size_t)rows, sizeof(void *));
    r->seqs = cmat_xcalloc((size_t)seqs, sizeof *r->seqs);
    r->order = cmat_xcalloc((size_t)seqs, sizeof(void *));
}

static void room_clear(cmat_batch_room *r)
{
    free(r->tokens);
    free(r->pos);
    free(r->out_rows);
    free(r->adapters);
    free(r->seqs);
    free(r->order);
}

cmat_status cmat_engine_new(cmat_engine **out, cmat_model *m, const cmat_engine_options *opts,
                            cmat_error *err)
{
    cmat_engine *e = cmat_xcalloc(1, sizeof *e);
    int n_pages = 0, n_rows, n_out;
    size_t n;
    cmat_status st;
    *out = NULL;
    e->model = m;
    if (opts)
        e->opts = *opts;
    e->next_id = 1;
    if ((st = options_check(&e->opts, m, &n_pages, err)) != CMAT_OK ||
        (st = cmat_model_prepare(m, CMAT_USE_DECODE | CMAT_USE_PROMPT, err)) != CMAT_OK ||
        (st = cmat_kv_new(&e->kv, &m->config, CMAT_TYPE_F16, n_pages, err)) != CMAT_OK)
        goto fail;
    n_out = e->opts.n_seqs + CMAT_DRAFT_ROWS;
    n_rows = e->opts.n_batch + n_out;
    if ((st = cmat_forward_new(&e->forward, m, n_rows, n_out, err)) != CMAT_OK)
        goto fail;
    if (!cmat_mul((size_t)n_out, CMAT_SAMPLE_ROOM(m->config.n_vocab), &n) ||
        !(e->scratch = cmat_alloc_big(n, sizeof *e->scratch))) {
        st = cmat_fail(err, CMAT_ERR_NOMEM, "engine: no memory for %d sequences", e->opts.n_seqs);
        goto fail;
    }
    e->active = cmat_xcalloc((size_t)e->opts.n_seqs, sizeof(void *));
    room_init(&e->room, n_rows, n_out);
    *out = e;
    return CMAT_OK;
fail:
    cmat_engine_free(e);
    return st;
}

/* The masks for requests with a constraint. */
static cmat_mask_cache *masks_of(cmat_engine *e)
{
    if (!e->masks) {
        e->trie = cmat_token_trie_new(e->model->tokenizer);
        e->masks = cmat_mask_cache_new(e->trie);
    }
    return e->masks;
}

void cmat_engine_free(cmat_engine *e)
{
    cmat_sequence *s;
    if (!e)
        return;
    for (int i = 0; i < e->n_active; i++)
        cmat_sequence_free(e->active[i]);
    while ((s = queue_take(&e->waiting)) || (s = queue_take(&e->finished)))
        cmat_sequence_free(s);
    cmat_mask_cache_free(e->masks);
    cmat_token_trie_free(e->trie);
    cmat_forward_free(e->forward);
    cmat_kv_free(e->kv);
    cmat_free_big(e->scratch);
    room_clear(&e->room);
    free(e->active);
    free(e);
}

/* What cached pages of an adapter go by: its address and a sample of its weights, so that pages of
 * an adapter that was tuned further, or freed with another at its address, are not taken for its
 * own. */
static uint64_t adapter_key(const cmat_adapter *a)
{
    enum { SAMPLES = 509 };
    uint64_t h = (uint64_t)(uintptr_t)a * 0x9e3779b97f4a7c15u;
    if (!a)
        return 0;
    h ^= cmat_fnv1a(&a->scale, sizeof a->scale);
    for (size_t i = 0; i < SAMPLES && a->n_params; i++) {
        const size_t at = (a->n_params - 1) * i / (SAMPLES - 1);
        h = (h ^ cmat_fnv1a(&a->params[at], sizeof(float))) * 0x100000001b3u;
    }
    return h;
}

static cmat_status request_check(const cmat_engine *e, const cmat_gen_request *r, cmat_error *err)
{
    const cmat_sampling *s = &r->sampling;
    if (r->n_tokens == 0 || r->max_tokens < 1)
        return cmat_fail(err, CMAT_ERR_ARG, "engine: %zu prompt tokens, %d new ones asked for",
                         r->n_tokens, r->max_tokens);
    if (r->adapter && r->adapter->tuned)
        return cmat_fail(err, CMAT_ERR_ARG,
                         "engine: full tuning makes a model, not an adapter: open it as one");
    if (r->adapter && r->adapter->n_virtual &&
        r->n_tokens + (size_t)r->adapter->n_virtual >= (size_t)e->opts.n_ctx)
        return cmat_fail(err, CMAT_ERR_LIMIT,
                         "engine: the prompt has %zu tokens and the adapter %d virtual ones, the "
                         "context holds %d",
                         r->n_tokens, r->adapter->n_virtual, e->opts.n_ctx);
    if (r->n_tokens >= (size_t)e->opts.n_ctx)
        return cmat_fail(err, CMAT_ERR_LIMIT,
                         "engine: the prompt has %zu tokens, the context holds %d", r->n_tokens,
                         e->opts.n_ctx);
    for (size_t i = 0; i < r->n_tokens; i++) {
        if (r->tokens[i] < 0 || r->tokens[i] >= e->model->config.n_vocab)
            return cmat_fail(err, CMAT_ERR_ARG, "engine: prompt token %d at place %zu is not one",
                             (int)r->tokens[i], i);
    }
    if (!(s->temperature >= 0) || s->top_k < 0 || !(s->top_p > 0 && s->top_p <= 1) ||
        !(s->min_p >= 0 && s->min_p <= 1) || !(s->repeat_penalty > 0))
        return cmat_fail(
            err, CMAT_ERR_ARG,
            "engine: temperature %g, top_k %d, top_p %g, min_p %g or repeat_penalty %g "
            "out of range",
            (double)s->temperature, s->top_k, (double)s->top_p, (double)s->min_p,
            (double)s->repeat_penalty);
    if (r->n_logprobs < 0 || r->n_logprobs > MAX_LOGPROBS)
        return cmat_fail(err, CMAT_ERR_ARG, "engine: %d log-probabilities, must be 0 to %d",
                         r->n_logprobs, MAX_LOGPROBS);
    if (r->adapter && r->adapter->model != e->model)
        return cmat_fail(err, CMAT_ERR_ARG, "engine: the adapter belongs to another model");
    if (r->constraint && r->constraint->state_size > CMAT_ACCEPTOR_STATE_MAX)
        return cmat_fail(err, CMAT_ERR_ARG,
                         "engine: the constraint's state is %zu bytes, at most %d",
                         r->constraint->state_size, CMAT_ACCEPTOR_STATE_MAX);
    return CMAT_OK;
}

/* How the sequence's positions are turned, by its length now; what was computed in another way is
 * not for it. */
static void stretch_set(cmat_engine *e, cmat_sequence *s)
{
    s->stretch = cmat_config_stretch(&e->model->config, s->n_tokens);
    s->root =
        cmat_kv_root(adapter_key(s->req.adapter) ^ (uint64_t)s->stretch * 0xd6e8feb86659fd93u);
}

/* Tokens that a sequence may get before it is computed anew. */
int cmat_engine_stretch_room(const cmat_engine *e, const cmat_sequence *s)
{
    const cmat_model_config *c = &e->model->config;
    return c->stretch_anew && s->stretch < c->n_stretches
               ? c->stretches[s->stretch].above - (int)s->n_tokens
               : INT32_MAX;
}

cmat_status cmat_engine_submit(cmat_engine *e, const cmat_gen_request *req, uint64_t *id,
                               cmat_error *err)
{
    cmat_sequence *s;
    cmat_status st = request_check(e, req, err);
    if (st != CMAT_OK)
        return st;
    s = cmat_sequence_new(req, e->next_id++, e->model->tokenizer, (size_t)e->opts.n_ctx,
                          req->constraint ? masks_of(e) : NULL);
    s->max_pages = (int)((s->n_limit + CMAT_KV_PAGE - 1) / CMAT_KV_PAGE);
    s->pages = cmat_xcalloc((size_t)s->max_pages, sizeof *s->pages);
    stretch_set(e, s);
    queue_add(&e->waiting, s);
    if (id)
        *id = s->id;
    return CMAT_OK;
}

static void active_remove(cmat_engine *e, int i)
{
    memmove(&e->active[i], &e->active[i + 1], (size_t)(e->n_active - i - 1) * sizeof *e->active);
    e->n_active--;
}

/* Gives an active request's pages back. Those that were not computed yet are no longer to be found.
 */
static void pages_release(cmat_engine *e, cmat_sequence *s)
{
    e->n_promised -= s->max_pages - s->n_pages;
    for (int i = s->n_pages - 1; i >= 0;
         i--) { /* the end of a text is forgotten before its beginning */
        if (i >= s->n_shared && !cmat_kv_ready(e->kv, s->pages[i]))
            cmat_kv_unpublish(e->kv, s->pages[i]);
        cmat_kv_drop(e->kv, s->pages[i]);
    }
    s->n_pages = s->n_shared = s->n_published = 0;
    s->n_kv = 0;
}

/* Whoever counted on pages that will not be computed any more waits again. */
static void orphans_return(cmat_engine *e)
{
    for (int i = 0; i < e->n_active;) {
        cmat_sequence *s = e->active[i];
        bool orphan = false;
        for (int p = 0; p < s->n_shared && !orphan; p++)
            orphan = !cmat_kv_ready(e->kv, s->pages[p]) && !cmat_kv_published(e->kv, s->pages[p]);
        if (!orphan) {
            i++;
            continue;
        }
        active_remove(e, i);
        pages_release(e, s);
        queue_return(&e->waiting, s);
        i = 0; /* others may have counted on this one */
    }
}

static void retire(cmat_engine *e, cmat_sequence *s)
{
    s->seconds = cmat_now() - s->started;
    queue_add(&e->finished, s);
}

/* Takes the i-th active request out; its text has been delivered. */
static void active_finish(cmat_engine *e, int i)
{
    cmat_sequence *s = e->active[i];
    active_remove(e, i);
    pages_release(e, s);
    orphans_return(e);
    retire(e, s);
}

/* Takes pages for n tokens. */
void cmat_engine_pages_take(cmat_engine *e, cmat_sequence *s, size_t n)
{
    const int need = (int)((n + CMAT_KV_PAGE - 1) / CMAT_KV_PAGE);
    while (s->n_pages < need) {
        s->pages[s->n_pages] = cmat_kv_take(e->kv);
        assert(s->pages[s->n_pages] >= 0); /* promised */
        s->n_pages++;
        e->n_promised--;
    }
}

/* Pages for the tokens that are known; whole ones are published before they are computed. */
static void pages_extend(cmat_engine *e, cmat_sequence *s)
{
    cmat_engine_pages_take(e, s, s->n_tokens);
    for (; (size_t)(s->n_published + 1) * CMAT_KV_PAGE <= s->n_tokens; s->n_published++)
        s->parent = cmat_kv_publish(e->kv, s->pages[s->n_published], s->parent,
                                    s->tokens + (size_t)s->n_published * CMAT_KV_PAGE,
                                    s->req.adapter, false);
}

/* Makes a waiting request active: false when its pages are not to be had now. */
static bool admit(cmat_engine *e, cmat_sequence *s)
{
    /* At least the last token is computed, for its logits, and CMAT_MIN_ROWS with it where there
     * are so many. */
    const size_t computed = s->n_tokens < CMAT_MIN_ROWS ? 1 : CMAT_MIN_ROWS;
    const int most = (int)((s->n_tokens - computed) / CMAT_KV_PAGE);
    int n = 0, n_idle = 0;
    if (cmat_engine_stretch_room(e, s) < 0)
        stretch_set(e, s);
    uint64_t parent = s->root, serial;
    for (; n < most; n++, parent = serial) {
        const int page = cmat_kv_find(e->kv, parent, s->tokens + (size_t)n * CMAT_KV_PAGE, &serial);
        if (page < 0)
            break;
        s->pages[n] = page;
        n_idle += !cmat_kv_held(e->kv, page);
    }
    if (cmat_kv_available(e->kv) - n_idle - e->n_promised < s->max_pages - n)
        return false;
    for (int i = 0; i < n; i++)
        cmat_kv_hold(e->kv, s->pages[i]);
    s->n_pages = s->n_shared = s->n_published = s->n_ready = n;
    s->parent = parent;
    s->n_kv = (size_t)n * CMAT_KV_PAGE;
    if (!s->anew)
        s->n_cached = s->n_kv < s->n_prompt ? s->n_kv : s->n_prompt;
    e->n_promised += s->max_pages - n;
    pages_extend(e, s);
    e->active[e->n_active++] = s;
    return true;
}

/* First masks and forced beginnings of those that may be admitted now. */
static void begin_waiting(cmat_engine *e)
{
    cmat_sequence **list = e->room.order;
    int n = 0;
    for (cmat_sequence *s = e->waiting.first; s && n < e->opts.n_seqs - e->n_active; s = s->next) {
        if (!s->begun)
            list[n++] = s;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(cmat_threads()) if (n > 1)
    for (int i = 0; i < n; i++)
        cmat_sequence_begin(list[i]);
}

static void admit_waiting(cmat_engine *e)
{
    if (e->waiting.first && e->n_active < e->opts.n_seqs)
        begin_waiting(e);
    while (e->waiting.first && e->n_active < e->opts.n_seqs) {
        cmat_sequence *s = e->waiting.first;
        if (!s->begun)
            return;
        if (s->ended) { /* the constraint left nothing to choose */
            queue_take(&e->waiting);
            cmat_sequence_deliver(s, true);
            retire(e, s);
            continue;
        }
        if (!admit(e, s)) /* first come, first served: nobody overtakes */
            return;
        s = queue_take(&e->waiting);
        cmat_sequence_deliver(s, false);
    }
}

/* Pages that are whole up to position n serve others. Within a step they serve the requests that
 * follow in it, too: in each layer keys and values are stored before anybody attends to them. */
void cmat_engine_pages_ready(cmat_engine *e, cmat_sequence *s, size_t n)
{
    for (; (size_t)(s->n_ready + 1) * CMAT_KV_PAGE <= n; s->n_ready++)
        cmat_kv_set_ready(e->kv, s->pages[s->n_ready]);
}

/* A sequence that has grown past what its stretch is made for waits again, to be computed anew by
 * the next one: its texts are then what they would be if all of it had been given at once. */
static bool outgrown_return(cmat_engine *e, int i)
{
    cmat_sequence *s = e->active[i];
    if (cmat_engine_stretch_room(e, s) >= 0)
        return false;
    active_remove(e, i);
    pages_release(e, s);
    orphans_return(e);
    s->anew = true;
    queue_return(&e->waiting, s);
    return true;
}

cmat_status cmat_engine_step(cmat_engine *e, int *n_busy, cmat_error *err)
{
    int n_seqs, n_out = 0;
    (void)err; /* nothing in a step can fail today; the contract leaves room for devices that can */
    admit_waiting(e);
    if (e->n_active > 0) {
        n_seqs = cmat_engine_run_batch(e, &n_out);
        assert(n_seqs > 0);
        if (n_out > 0)
            cmat_engine_choose_tokens(e, n_seqs, n_out);
        for (int i = 0; i < e->n_active;) {
            cmat_sequence *s = e->active[i];
            cmat_sequence_deliver(s, false);
            if (s->ended) {
                active_finish(e, i);
                i = 0; /* others may have left, too; what is delivered stays so */
                continue;
            }
            if (outgrown_return(e, i)) {
                i = 0;
                continue;
            }
            pages_extend(e, s);
            cmat_engine_pages_ready(e, s, s->n_kv);
            i++;
        }
    }
    if (n_busy)
        *n_busy = e->n_active + e->waiting.n;
    return CMAT_OK;
}

bool cmat_engine_collect(cmat_engine *e, cmat_gen_result *r)
{
    cmat_sequence *s = queue_take(&e->finished);
    if (!s)
        return false;
    cmat_sequence_result(s, r);
    cmat_sequence_free(s);
    return true;
}

void cmat_engine_cancel(cmat_engine *e, uint64_t id)
{
    for (int i = 0; i < e->n_active; i++) {
        cmat_sequence *s = e->active[i];
        if (s->id == id) {
            s->ended = true;
            s->finish = CMAT_FINISH_CANCELLED;
            cmat_sequence_deliver(s, true);
            active_finish(e, i);
            return;
        }
    }
    for (int i = 0, n = e->waiting.n; i < n; i++) { /* once around the queue, in its order */
        cmat_sequence *s = queue_take(&e->waiting);
        if (s->id != id) {
            queue_add(&e->waiting, s);
            continue;
        }
        s->ended = true;
        s->finish = CMAT_FINISH_CANCELLED;
        cmat_sequence_deliver(s, true);
        retire(e, s);
    }
}

void cmat_engine_forget(cmat_engine *e, const cmat_adapter *adapter)
{
    cmat_kv_forget(e->kv, adapter);
}

void cmat_gen_result_clear(cmat_gen_result *r)
{
    free(r->text);
    free(r->tokens);
    free(r->logprobs);
    free(r->top_tokens);
    free(r->top_logprobs);
    memset(r, 0, sizeof *r);
}
