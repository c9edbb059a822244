/* env/kg/link.c - finds labels in a question: every run of words is looked for among the folded
 * labels, in one pass over the graph's nodes. */
#include "env/kg/link.h"
#include "core/mem.h"
#include "core/text.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 400, MAX_RUN = 12 }; /* words of a question that are looked at; of a label */

/* A run of words that may be a label. */
typedef struct {
    size_t at, len; /* in the question */
    char *folded;   /* its text in lower case */
    bool weak;      /* nothing but lower case, or the first word of the sentence */
    char *name;     /* of the best node; NULL: none so far */
    char *label;
    bool exact; /* the label's case is the question's */
    size_t n_triples;
} span;

typedef struct {
    const char *question;
    span *spans; /* (n), in order of their folded texts */
    size_t n, cap;
    cmat_buf text; /* a label in lower case */
} finding;

/* s in lower case, in out. */
static const char *fold(cmat_buf *out, const char *s, size_t n)
{
    cmat_buf_truncate(out, 0);
    cmat_text_lower(out, s, n);
    return cmat_buf_str(out);
}

static bool has_capital_or_digit(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isupper((unsigned char)s[i]) || isdigit((unsigned char)s[i]) || (s[i] & 0x80))
            return true;
    return false;
}

static void span_add(finding *f, size_t at, size_t len, bool first_word)
{
    f->spans = cmat_xgrow(f->spans, &f->cap, f->n + 1, sizeof *f->spans);
    f->spans[f->n++] = (span){.at = at,
                              .len = len,
                              .folded = cmat_xstrdup(fold(&f->text, f->question + at, len)),
                              .weak = first_word || !has_capital_or_digit(f->question + at, len)};
}

/* The run [at, end) as it stands, and without what may stand around a name: quotes and brackets
 * before it, one after the other of the marks after it, the possessive. */
static void run_add(finding *f, size_t at, size_t end, bool first_word)
{
    const char *q = f->question;
    span_add(f, at, end - at, first_word);
    size_t from = at;
    while (from < end && strchr("\"'([{", q[from]))
        from++;
    for (size_t to = end; to > from; to--) {
        if (from != at || to != end)
            span_add(f, from, to - from, first_word);
        if (to > from + 2 && q[to - 1] == 's' && q[to - 2] == '\'')
            span_add(f, from, to - 2 - from, first_word);
        if (!strchr("\"')]}?!.,;:", q[to - 1]))
            break;
    }
}

static void runs_add(finding *f)
{
    size_t begin[MAX_WORDS], end[MAX_WORDS], n = 0;
    const char *q = f->question;
    for (size_t i = 0; q[i] && n < MAX_WORDS;) {
        i += strspn(q + i, " \t\r\n");
        begin[n] = i;
        i += strcspn(q + i, " \t\r\n");
        end[n] = i;
        n += end[n] > begin[n];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n && j < i + MAX_RUN; j++)
            run_add(f, begin[i], end[j], i == 0 && j == 0);
}

static int span_order(const void *pa, const void *pb)
{
    const span *a = pa, *b = pb;
    const int order = strcmp(a->folded, b->folded);
    return order ? order : (a->at > b->at) - (a->at < b->at);
}

static void sort_spans(finding *f)
{
    qsort(f->spans, f->n, sizeof *f->spans, span_order);
}

/* The first span whose folded text is the label's; NULL: none. */
static span *first_span(finding *f, const char *label)
{
    const char *folded = fold(&f->text, label, strlen(label));
    size_t lo = 0, hi = f->n;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (strcmp(f->spans[mid].folded, folded) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < f->n && strcmp(f->spans[lo].folded, folded) == 0 ? &f->spans[lo] : NULL;
}

/* kg_graph_ops.find calls this for each node. */
static bool is_named(void *user, const char *label)
{
    return first_span(user, label) != NULL;
}

static void found_node(void *user, const char *label, const char *name, size_t n_triples)
{
    finding *f = user;
    const span *first = first_span(f, label);
    for (size_t i = first ? (size_t)(first - f->spans) : f->n;
         i < f->n && strcmp(f->spans[i].folded, first->folded) == 0; i++) {
        span *s = &f->spans[i];
        const bool exact =
            strlen(label) == s->len && memcmp(label, f->question + s->at, s->len) == 0;
        if (s->name && (s->exact > exact || (s->exact == exact && s->n_triples >= n_triples)))
            continue;
        free(s->name);
        free(s->label);
        s->name = cmat_xstrdup(name);
        s->label = cmat_xstrdup(label);
        s->exact = exact;
        s->n_triples = n_triples;
    }
}

/* Longest first; of equal ones the first. */
static int longest_first(const void *pa, const void *pb)
{
    const span *a = pa, *b = pb;
    if (a->len != b->len)
        return a->len > b->len ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

static bool overlaps(const span *a, const span *b)
{
    return a->at < b->at + b->len && b->at < a->at + a->len;
}

/* Takes the found spans of that strength that do not overlap with those taken before. */
static void take(finding *f, bool weak, json_t *out)
{
    span *taken = cmat_xcalloc(f->n + 1, sizeof *taken);
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        const span *s = &f->spans[i];
        bool free_place = s->name && s->weak == weak;
        for (size_t k = 0; k < n && free_place; k++)
            free_place = !overlaps(s, &taken[k]);
        if (!free_place)
            continue;
        taken[n++] = *s;
        json_object_set_new(out, s->label, json_string(s->name));
    }
    free(taken);
}

static void finding_clear(finding *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->spans[i].folded);
        free(f->spans[i].name);
        free(f->spans[i].label);
    }
    free(f->spans);
    cmat_buf_clear(&f->text);
}

cmat_status kg_link(kg_graph *g, const char *question, json_t **out, cmat_error *err)
{
    finding f = {.question = question};
    *out = NULL;
    if (!g->ops->find)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "kg: an endpoint's labels are not looked through: say which entities the "
                         "question is about (--entities)");
    runs_add(&f);
    sort_spans(&f);
    const cmat_status st = g->ops->find(g, is_named, found_node, &f, err);
    if (st == CMAT_OK) {
        *out = json_object();
        qsort(f.spans, f.n, sizeof *f.spans, longest_first);
        take(&f, false, *out);
        if (json_object_size(*out) == 0)
            take(&f, true, *out);
    }
    finding_clear(&f);
    return st;
}

/* One label or name: the spans are one. */
static cmat_status link_one(kg_graph *g, const char *name, json_t *out, cmat_error *err)
{
    finding f = {.question = name};
    cmat_buf label = {0};
    cmat_status st = CMAT_OK;
    if (!g->ops->find || (g->ops->has && g->ops->has(g, name))) {
        g->ops->label(g, name, &label);
        json_object_set_new(out, cmat_buf_str(&label), json_string(name));
        cmat_buf_clear(&label);
        return CMAT_OK;
    }
    span_add(&f, 0, strlen(name), false);
    sort_spans(&f);
    st = g->ops->find(g, is_named, found_node, &f, err);
    if (st == CMAT_OK && !f.spans[0].name)
        st =
            cmat_fail(err, CMAT_ERR_NOT_FOUND, "kg: the graph has no node that is called %s", name);
    else if (st == CMAT_OK)
        json_object_set_new(out, f.spans[0].label, json_string(f.spans[0].name));
    finding_clear(&f);
    return st;
}

cmat_status kg_link_named(kg_graph *g, const char *names, json_t **out, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    *out = json_object();
    for (const char *p = names; st == CMAT_OK && *p;) {
        const char *end = p + strcspn(p, ";"), *from = p + strspn(p, " ");
        size_t n = from < end ? (size_t)(end - from) : 0;
        while (n > 0 && from[n - 1] == ' ')
            n--;
        if (n > 0) {
            char *name = cmat_xstrndup(from, n);
            st = link_one(g, name, *out, err);
            free(name);
        }
        p = *end ? end + 1 : end;
    }
    if (st != CMAT_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return st;
}
