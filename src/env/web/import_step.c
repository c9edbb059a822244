/* import_step.c - a recorded step to a task: which candidates, and how much of the page. */
#include "core/hash.h"
#include "core/json.h"
#include "core/text.h"
#include "env/web/import.h"
#include "env/web/tree.h"
#include "env/web/web.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 64 };

typedef struct {
    int node, score;
    bool right;
    uint64_t tie;
} candidate;

/* The words of s in lower case, of three letters and more: into out (WORDS_MAX x 24). */
static size_t words_of(const char *s, char out[][24], size_t n)
{
    while (*s && n < WORDS_MAX) {
        size_t len = 0;
        while (*s && !isalnum((unsigned char)*s))
            s++;
        for (; isalnum((unsigned char)*s); s++)
            if (len < 23)
                out[n][len++] = (char)tolower((unsigned char)*s);
        out[n][len] = '\0';
        n += len >= 3;
    }
    return n;
}

static int score_of(const web_page *p, int node, char words[][24], size_t n)
{
    cmat_buf text = {0};
    int score = 0;
    web_describe(p, node, &text);
    for (size_t i = 0; i < n; i++)
        score += 2 * (cmat_text_find(cmat_buf_str(&text), words[i]) != NULL);
    cmat_buf_clear(&text);
    return score + web_is_actor(p, node);
}

static int best_first(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->right != y->right)
        return x->right ? -1 : 1;
    if (x->score != y->score)
        return y->score - x->score;
    return x->tie < y->tie ? -1 : x->tie > y->tie;
}

static bool holds(const json_t *ids, const char *id)
{
    const json_t *own;
    size_t k;
    json_array_foreach(ids, k, own) if (strcmp(json_string_value(own), id) == 0) return true;
    return false;
}

/* The step's candidates that are on the page, the right ones and then those nearest to the task's
 * words: the best `top` of them, in document order. */
static size_t choose(const web_import_step *s, const web_page *p, int *out)
{
    char words[WORDS_MAX][24];
    size_t n_words = words_of(s->instruction, words, 0), n = 0;
    json_t *wanted = json_object();
    const json_t *id;
    size_t k;
    json_array_foreach(s->candidates, k, id)
        json_object_set_new(wanted, json_string_value(id), json_true());
    json_array_foreach(s->positives, k, id)
        json_object_set_new(wanted, json_string_value(id), json_true());
    candidate *all = cmat_xcalloc(json_object_size(wanted) + 1, sizeof *all);
    for (int i = 0; i < (int)p->n; i++) {
        const char *own = web_page_attr(p, i, "backend_node_id");
        if (!own || json_object_del(wanted, own) != 0)
            continue;
        all[n++] = (candidate){i, score_of(p, i, words, n_words), holds(s->positives, own),
                               cmat_fnv1a(own, strlen(own))};
    }
    json_decref(wanted);
    qsort(all, n, sizeof *all, best_first);
    n = n < s->top ? n : s->top;
    bool *in = cmat_xcalloc(p->n + 1, sizeof *in);
    for (size_t i = 0; i < n; i++)
        in[all[i].node] = true;
    n = 0;
    for (int i = 0; i < (int)p->n; i++)
        if (in[i])
            out[n++] = i;
    free(in);
    free(all);
    return n;
}

static void make_id(const web_import_step *s, char *id, size_t size)
{
    char group[65], own[65];
    cmat_sha256_hex(s->group, strlen(s->group), group);
    cmat_sha256_hex(s->step, strlen(s->step), own);
    snprintf(id, size, "%s-%.12s#%.12s", s->source, group, own);
}

cmat_status web_import_add(web_importing *im, const web_import_step *s, cmat_error *err)
{
    web_page p = {0};
    int nodes[WEB_CANDIDATES];
    char id[64];
    cmat_status st = web_page_parse(&p, s->html, s->html_len, err);
    if (st != CMAT_OK)
        return st;
    const size_t n = choose(s, &p, nodes);
    json_t *ids = json_array(), *right = json_array();
    for (size_t i = 0; i < n; i++) {
        const char *own = web_page_attr(&p, nodes[i], "backend_node_id");
        json_array_append_new(ids, json_string(own));
        if (holds(s->positives, own))
            json_array_append_new(right, json_string(own));
    }
    if (json_array_size(right) == 0 && json_array_size(s->positives) > 0) {
        im->n_left_out++;
        json_decref(ids);
        json_decref(right);
        web_page_clear(&p);
        return CMAT_OK;
    }
    bool *keep = cmat_xcalloc(p.n, sizeof *keep);
    cmat_buf html = {0}, gold = {0};
    web_tree_keep(&p, nodes, n, keep);
    web_page_html(&p, keep, &html);
    const char *target = json_string_value(json_array_get(right, 0));
    if (target) /* else the ranker has left it out: the step counts, and nobody can get it right */
        cmat_buf_printf(&gold, "%s %s%s%s", s->op, target, *s->value ? ": " : "", s->value);
    make_id(s, id, sizeof id);
    json_t *task = json_pack(
        "{s:s, s:s, s:s, s:o, s:s?, s:O, s:o, s:o, s:o, s:s, s:o, s:[o]}", "id", id, "env", "web",
        "kind", s->kind, "instruction", cmat_json_text(s->instruction, strlen(s->instruction)),
        "website", s->website, "before", s->before, "html",
        cmat_json_text(cmat_buf_str(&html), html.len), "candidates", ids, "positives", right, "op",
        s->op, "value", cmat_json_text(s->value, strlen(s->value)), "gold",
        cmat_json_text(cmat_buf_str(&gold), gold.len));
    cmat_task t;
    st = cmat_task_init(&t, task, err);
    if (st == CMAT_OK)
        cmat_task_list_add(im->out, t);
    json_decref(task);
    free(keep);
    cmat_buf_clear(&html);
    cmat_buf_clear(&gold);
    web_page_clear(&p);
    return st;
}
