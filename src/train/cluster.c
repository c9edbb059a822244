/* train/cluster.c - finds the samples that begin with the same tokens.
 *
 * Samples are sorted by adapter and tokens; the longest common prefixes of neighbours then make a
 * tree of intervals (Abouelhoda, Kurtz, Ohlebusch 2004): each node is a run of samples with a
 * common beginning, its children are runs with a longer one. A node becomes a cluster when
 * computing its beginning once a batch takes fewer rows than splitting it into its children. */
#include "core/mem.h"
#include "train/pack.h"
#include <assert.h>
#include <stdlib.h>

enum { MIN_PREFIX = 8 }; /* rows; below this a shared beginning is not worth a segment */

int cmat_sample_rows(const cmat_sample *s)
{
    int i = s->n - 1;
    while (i > 0 && s->weights[i] == 0)
        i--;
    return i;
}

int cmat_sample_free_rows(const cmat_sample *s)
{
    int i = 1;
    while (i < s->n && s->weights[i] == 0)
        i++;
    return i - 1;
}

typedef struct {
    const cmat_sample *s;
    uint32_t index;
    int rows, free_rows;
} entry;

static int common_rows(const entry *a, const entry *b)
{
    int n = a->free_rows < b->free_rows ? a->free_rows : b->free_rows, i = 0;
    if (a->s->adapter != b->s->adapter)
        return 0;
    while (i < n && a->s->tokens[i] == b->s->tokens[i])
        i++;
    return i;
}

static int compare_entries(const void *va, const void *vb)
{
    const entry *a = va, *b = vb;
    if (a->s->adapter != b->s->adapter)
        return a->s->adapter < b->s->adapter ? -1 : 1;
    int n = common_rows(a, b);
    if (n < a->free_rows && n < b->free_rows)
        return a->s->tokens[n] < b->s->tokens[n] ? -1 : 1;
    if (a->free_rows != b->free_rows)
        return a->free_rows < b->free_rows ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

typedef struct {
    int lcp;
    size_t lo, hi;     /* entries */
    size_t parent;     /* node, or NONE */
    double split;      /* rows when split: children's best so far, then with the leaves */
    double child_rows; /* rows of the entries that are in children */
    double whole;      /* rows as one cluster */
    bool covered;
} node;
#define NONE SIZE_MAX

typedef struct {
    node *nodes;
    size_t n;
    size_t *order; /* nodes as they were closed: children before their parent */
    size_t n_order;
    const double *sum; /* sum[i]: rows of the entries before i */
    int max_rows;
} tree;

static size_t node_open(tree *t, int lcp, size_t lo)
{
    t->nodes[t->n] = (node){.lcp = lcp, .lo = lo, .parent = NONE};
    return t->n++;
}

static void node_close(tree *t, size_t id, size_t hi)
{
    node *x = &t->nodes[id];
    double rows = t->sum[hi] - t->sum[x->lo];
    double own = rows - (double)x->lcp * (double)(hi - x->lo);
    double batches = own / (double)(t->max_rows - x->lcp);
    x->hi = hi;
    x->split += rows - x->child_rows;
    x->whole = own + (double)x->lcp * (batches > 1 ? batches : 1);
    t->order[t->n_order++] = id;
}

static void node_adopt(tree *t, size_t parent, size_t child)
{
    node *p = &t->nodes[parent], *c = &t->nodes[child];
    c->parent = parent;
    p->split += c->whole < c->split ? c->whole : c->split;
    p->child_rows += t->sum[c->hi] - t->sum[c->lo];
}

static void tree_build(tree *t, const entry *e, size_t n)
{
    size_t *stack = cmat_xmalloc((n + 1) * sizeof *stack), depth = 0;
    stack[depth++] = node_open(t, 0, 0);
    for (size_t i = 1; i <= n; i++) {
        int h = i < n ? common_rows(&e[i - 1], &e[i]) : -1;
        size_t lo = i - 1, last = NONE;
        while (depth && t->nodes[stack[depth - 1]].lcp > h) {
            size_t id = stack[--depth];
            if (last != NONE)
                node_adopt(t, id, last);
            node_close(t, id, i);
            last = id;
            lo = t->nodes[id].lo;
        }
        if (h >= 0 && t->nodes[stack[depth - 1]].lcp < h)
            stack[depth++] = node_open(t, h, lo);
        if (h >= 0 && last != NONE)
            node_adopt(t, stack[depth - 1], last);
    }
    free(stack);
}

/* The chosen nodes' prefix lengths at their first entry, 0 elsewhere; and where they end. */
static void tree_choose(tree *t, int *prefix, size_t *end)
{
    for (size_t i = t->n_order; i-- > 0;) {
        node *x = &t->nodes[t->order[i]];
        x->covered = x->parent != NONE && t->nodes[x->parent].covered;
        if (x->covered || x->lcp < MIN_PREFIX || x->whole >= x->split)
            continue;
        x->covered = true;
        prefix[x->lo] = x->lcp;
        end[x->lo] = x->hi;
    }
}

static void find_clusters(cmat_clusters *c, const entry *e, size_t n, bool share)
{
    int *prefix = cmat_xcalloc(n, sizeof *prefix);
    size_t *end = cmat_xcalloc(n, sizeof *end);
    double *sum = cmat_xcalloc(n + 1, sizeof *sum);
    tree t = {.sum = sum, .max_rows = c->max_rows};
    t.nodes = cmat_xcalloc(n + 1, sizeof *t.nodes);
    t.order = cmat_xcalloc(n + 1, sizeof *t.order);
    for (size_t i = 0; i < n; i++)
        sum[i + 1] = sum[i] + (double)e[i].rows;
    if (share) {
        tree_build(&t, e, n);
        tree_choose(&t, prefix, end);
    }
    for (size_t i = 0; i < n; i = end[i] ? end[i] : i + 1) {
        c->cluster[c->n_clusters] = (uint32_t)i;
        c->n_prefix[c->n_clusters++] = prefix[i];
    }
    c->cluster[c->n_clusters] = (uint32_t)n;
    free(t.nodes);
    free(t.order);
    free(sum);
    free(prefix);
    free(end);
}

cmat_status cmat_clusters_init(cmat_clusters *c, const cmat_train_set *set, int max_rows,
                               bool share, cmat_error *err)
{
    *c = (cmat_clusters){.set = set, .max_rows = max_rows};
    if (!set->n)
        return cmat_fail(err, CMAT_ERR_ARG,
                         "train: no samples to learn from (%zu too long, %zu without loss)",
                         set->n_too_long, set->n_no_loss);
    entry *e = cmat_xcalloc(set->n, sizeof *e);
    for (size_t i = 0; i < set->n; i++) {
        const cmat_sample *s = &set->items[i];
        e[i] = (entry){s, (uint32_t)i, cmat_sample_rows(s), cmat_sample_free_rows(s)};
        if (e[i].rows > max_rows) {
            int rows = e[i].rows;
            free(e);
            return cmat_fail(err, CMAT_ERR_ARG,
                             "train: sample %zu has %d tokens, batches hold %d (raise "
                             "batch-tokens or leave such samples out)",
                             i, rows, max_rows);
        }
    }
    if (share)
        qsort(e, set->n, sizeof *e, compare_entries);
    c->order = cmat_xcalloc(set->n, sizeof *c->order);
    c->cluster = cmat_xcalloc(set->n + 1, sizeof *c->cluster);
    c->n_prefix = cmat_xcalloc(set->n, sizeof *c->n_prefix);
    for (size_t i = 0; i < set->n; i++)
        c->order[i] = e[i].index;
    find_clusters(c, e, set->n, share);
    free(e);
    return CMAT_OK;
}

void cmat_clusters_clear(cmat_clusters *c)
{
    free(c->order);
    free(c->cluster);
    free(c->n_prefix);
    *c = (cmat_clusters){0};
}
