/* train/pack.c - an epoch's batches: clusters are shuffled and cut into units that fit a batch,
 * units are put into batches first-fit, batches are shuffled. */
#include "train/pack.h"
#include "core/mem.h"
#include "core/rng.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN_BINS = 64 }; /* batches that may still take a unit */

static int sample_own_rows(const cmat_clusters *c, uint32_t sample, int n_prefix)
{
    return cmat_sample_rows(&c->set->items[sample]) - n_prefix;
}

/* Cuts cluster i, whose samples stand in p->order already, into units. */
static void cut_cluster(cmat_plan *p, const cmat_clusters *c, size_t i)
{
    cmat_pack_unit *u = NULL;
    for (size_t j = c->cluster[i]; j < c->cluster[i + 1]; j++) {
        int own = sample_own_rows(c, p->order[j], c->n_prefix[i]);
        if (!u || u->rows + own > c->max_rows) {
            u = &p->units[p->n_units++];
            *u = (cmat_pack_unit){.first = j, .n_prefix = c->n_prefix[i], .rows = c->n_prefix[i]};
        }
        u->n++;
        u->rows += own;
        if (u->n == 1 && u->n_prefix && j + 1 == c->cluster[i + 1])
            u->n_prefix = 0; /* alone: nothing is shared */
    }
}

typedef struct {
    size_t bin;
    int rows;
} open_bin;

/* Gives each unit a batch number; returns how many batches there are. */
static size_t fill_bins(const cmat_plan *p, int max_rows, size_t *bin_of)
{
    open_bin open[OPEN_BINS];
    size_t n_open = 0, n_bins = 0;
    for (size_t i = 0; i < p->n_units; i++) {
        int rows = p->units[i].rows;
        size_t k = 0, fullest = 0;
        while (k < n_open && open[k].rows + rows > max_rows) {
            fullest = open[k].rows > open[fullest].rows ? k : fullest;
            k++;
        }
        if (k == n_open) {
            k = n_open < OPEN_BINS ? n_open++ : fullest;
            open[k] = (open_bin){.bin = n_bins++};
        }
        open[k].rows += rows;
        bin_of[i] = open[k].bin;
    }
    return n_bins;
}

static int unit_adapter(const cmat_clusters *c, const cmat_plan *p, const cmat_pack_unit *u)
{
    return c->set->items[p->order[u->first]].adapter;
}

/* Stable, by adapter, so that an adapter's rows are consecutive in a batch. */
static void sort_units(const cmat_clusters *c, const cmat_plan *p, cmat_pack_unit *u, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        cmat_pack_unit x = u[i];
        size_t j = i;
        for (; j > 0 && unit_adapter(c, p, &u[j - 1]) > unit_adapter(c, p, &x); j--)
            u[j] = u[j - 1];
        u[j] = x;
    }
}

static void make_batches(cmat_plan *p, const cmat_clusters *c)
{
    size_t *bin_of = cmat_xcalloc(p->n_units, sizeof *bin_of);
    cmat_pack_unit *sorted = cmat_xcalloc(p->n_units, sizeof *sorted);
    p->n_batches = fill_bins(p, c->max_rows, bin_of);
    p->batches = cmat_xcalloc(p->n_batches, sizeof *p->batches);
    for (size_t i = 0; i < p->n_units; i++)
        p->batches[bin_of[i]].n++;
    for (size_t b = 1; b < p->n_batches; b++)
        p->batches[b].first = p->batches[b - 1].first + p->batches[b - 1].n;
    for (size_t b = 0; b < p->n_batches; b++)
        p->batches[b].n = 0;
    for (size_t i = 0; i < p->n_units; i++) {
        cmat_pack_batch *b = &p->batches[bin_of[i]];
        sorted[b->first + b->n++] = p->units[i];
        b->rows += p->units[i].rows;
    }
    free(p->units);
    p->units = sorted;
    for (size_t b = 0; b < p->n_batches; b++)
        sort_units(c, p, p->units + p->batches[b].first, p->batches[b].n);
    free(bin_of);
}

void cmat_plan_init(cmat_plan *p, const cmat_clusters *c, bool shuffle, uint64_t seed,
                    uint64_t epoch)
{
    cmat_rng rng;
    *p = (cmat_plan){0};
    p->order = cmat_xmalloc(c->set->n * sizeof *p->order);
    p->units = cmat_xcalloc(c->set->n, sizeof *p->units);
    memcpy(p->order, c->order, c->set->n * sizeof *p->order);
    cmat_rng_init_sub(&rng, seed, epoch);
    for (size_t i = 0; i < c->n_clusters; i++) {
        if (shuffle)
            cmat_rng_shuffle(&rng, p->order + c->cluster[i], c->cluster[i + 1] - c->cluster[i],
                             sizeof *p->order);
        cut_cluster(p, c, i);
    }
    if (shuffle)
        cmat_rng_shuffle(&rng, p->units, p->n_units, sizeof *p->units);
    make_batches(p, c);
    if (shuffle)
        cmat_rng_shuffle(&rng, p->batches, p->n_batches, sizeof *p->batches);
}

void cmat_plan_clear(cmat_plan *p)
{
    free(p->order);
    free(p->units);
    free(p->batches);
    *p = (cmat_plan){0};
}

void cmat_batch_init(cmat_batch *b, int max_rows)
{
    size_t n = (size_t)max_rows;
    *b = (cmat_batch){.max_rows = max_rows};
    b->ids = cmat_xcalloc(n, sizeof *b->ids);
    b->pos = cmat_xcalloc(n, sizeof *b->pos);
    b->seg = cmat_xcalloc(n, sizeof *b->seg);
    b->loss_rows = cmat_xcalloc(n, sizeof *b->loss_rows);
    b->targets = cmat_xcalloc(n, sizeof *b->targets);
    b->loss_weights = cmat_xcalloc(n, sizeof *b->loss_weights);
    b->groups = cmat_xcalloc(CMAT_TUNE_MAX_ADAPTERS, sizeof *b->groups);
    b->loss_groups = cmat_xcalloc(CMAT_TUNE_MAX_ADAPTERS, sizeof *b->loss_groups);
}

void cmat_batch_clear(cmat_batch *b)
{
    free(b->ids);
    free(b->pos);
    free(b->seg);
    free(b->loss_rows);
    free(b->targets);
    free(b->loss_weights);
    free(b->groups);
    free(b->loss_groups);
    *b = (cmat_batch){0};
}

static void group_add(cmat_row_group *groups, int *n_groups, int row, int n, int adapter)
{
    if (n == 0)
        return;
    if (*n_groups && groups[*n_groups - 1].adapter == adapter) {
        groups[*n_groups - 1].n += n;
        return;
    }
    assert(*n_groups < CMAT_TUNE_MAX_ADAPTERS);
    groups[(*n_groups)++] = (cmat_row_group){.row = row, .n = n, .adapter = adapter};
}

/* Tokens from .. to-1 of a sample as a new segment behind n_prefix rows at row prefix. */
static void add_segment(cmat_batch *b, const cmat_sample *s, int from, int to, int prefix,
                        int n_prefix)
{
    int row = b->n_rows, n_loss = b->n_loss;
    assert(row + to - from <= b->max_rows);
    b->seg[b->n_seg++] = (cmat_segment){
        .row = row, .n = to - from, .prefix = prefix, .n_prefix = n_prefix, .pos = from};
    for (int i = from; i < to; i++, b->n_rows++) {
        b->ids[b->n_rows] = s->tokens[i];
        b->pos[b->n_rows] = i;
        if (s->weights[i + 1] == 0)
            continue;
        b->loss_rows[b->n_loss] = b->n_rows;
        b->targets[b->n_loss] = s->tokens[i + 1];
        b->loss_weights[b->n_loss++] = s->weights[i + 1];
    }
    group_add(b->groups, &b->n_groups, row, to - from, s->adapter);
    group_add(b->loss_groups, &b->n_loss_groups, n_loss, b->n_loss - n_loss, s->adapter);
}

void cmat_batch_fill(cmat_batch *b, const cmat_clusters *c, const cmat_plan *p, size_t i)
{
    const cmat_pack_batch *pb = &p->batches[i];
    b->n_rows = b->n_seg = b->n_loss = b->n_groups = b->n_loss_groups = b->n_tokens = 0;
    for (size_t k = 0; k < pb->n; k++) {
        const cmat_pack_unit *u = &p->units[pb->first + k];
        int prefix = b->n_rows;
        if (u->n_prefix)
            add_segment(b, &c->set->items[p->order[u->first]], 0, u->n_prefix, 0, 0);
        for (size_t j = u->first; j < u->first + u->n; j++) {
            const cmat_sample *s = &c->set->items[p->order[j]];
            int rows = cmat_sample_rows(s);
            add_segment(b, s, u->n_prefix, rows, u->n_prefix ? prefix : 0, u->n_prefix);
            b->n_tokens += rows - s->n_virtual;
        }
    }
}
