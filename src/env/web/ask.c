/* ask.c - what the Actor is shown and may say: numbered elements, or AgentBench's questions with
 * five candidates each. */
#include "core/hash.h"
#include "core/json.h"
#include "core/text.h"
#include "env/web/tree.h"
#include "env/web/web.h"
#include <stdlib.h>
#include <string.h>

enum { LINE_MIN = 60 }; /* bytes of a candidate's line are not cut below this */

const web_page *web_env_page(const web_env *e)
{
    return e->recorded ? &e->page : e->tab ? web_tab_page(e->tab) : &e->browser.page;
}

void web_ask_told(const web_page *p, int node, web_op op, const char *value, cmat_buf *out)
{
    cmat_buf_printf(out, "[%s]  ", web_role(p, node));
    web_name(p, node, out);
    cmat_buf_printf(out, " -> %s", web_op_name(op));
    if (op != WEB_CLICK)
        cmat_buf_printf(out, ": %s", value);
}

/* ---- candidates ---- */

/* Of a recorded step: the task's own, in document order (so are the ids). */
static void recorded_elements(web_env *e)
{
    const json_t *ids = json_object_get(e->task, "candidates"), *id;
    const web_page *p = &e->page;
    size_t k;
    json_t *wanted = json_object();
    json_array_foreach(ids, k, id) json_object_set_new(wanted, json_string_value(id), json_true());
    e->view.n = 0;
    for (int i = 0; i < (int)p->n && e->view.n < WEB_CANDIDATES; i++) {
        const char *own = web_page_attr(p, i, "backend_node_id");
        if (!own || !json_object_get(wanted, own))
            continue;
        json_object_del(wanted, own);
        e->view.elements =
            cmat_xgrow(e->view.elements, &e->view.cap, e->view.n + 1, sizeof *e->view.elements);
        e->view.elements[e->view.n++] = i;
    }
    json_decref(wanted);
}

static bool is_positive(const web_env *e, int node)
{
    const json_t *ids = json_object_get(e->task, "positives"), *id;
    const char *own = web_page_attr(&e->page, node, "backend_node_id");
    size_t k;
    json_array_foreach(ids, k, id) if (own && strcmp(json_string_value(id), own) == 0) return true;
    return false;
}

/* The benchmark asks about ten of a step's candidates, its ranker's first. Where a task has more,
 * they are drawn beside the right ones. */
static void draw_ten(web_env *e, cmat_rng *rng)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n_left; i++)
        if (is_positive(e, e->left[i])) {
            const int own = e->left[i];
            e->left[i] = e->left[n];
            e->left[n++] = own;
        }
    if (e->n_left > n)
        cmat_rng_shuffle(rng, e->left + n, e->n_left - n, sizeof *e->left);
    if (e->n_left > WEB_TOP)
        e->n_left = n > WEB_TOP ? n : WEB_TOP;
}

static int node_order(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void next_group(web_env *e)
{
    e->n_group = e->n_left < WEB_GROUP ? e->n_left : WEB_GROUP;
    memcpy(e->group, e->left, e->n_group * sizeof *e->group);
    e->n_left -= e->n_group;
    memmove(e->left, e->left + e->n_group, e->n_left * sizeof *e->left);
    qsort(e->group, e->n_group, sizeof *e->group, node_order);
}

static void start_elimination(web_env *e)
{
    cmat_rng rng;
    const char *id = cmat_json_str(e->task, "id", "");
    cmat_rng_init_sub(&rng, e->base.opts.seed, cmat_fnv1a(id, strlen(id)));
    free(e->left);
    e->left = cmat_xcalloc(e->view.n + 1, sizeof *e->left);
    e->n_left = e->view.n;
    if (e->view.n > 0)
        memcpy(e->left, e->view.elements, e->view.n * sizeof *e->left);
    e->picked = WEB_NO_NODE;
    if (e->recorded) {
        draw_ten(e, &rng);
        cmat_rng_shuffle(&rng, e->left, e->n_left, sizeof *e->left);
    }
    next_group(e);
}

bool web_ask_answer(web_env *e, const web_reply *r)
{
    if (r->element >= 1 && (size_t)r->element <= e->n_group) {
        e->pick = *r;
        e->picked = e->group[r->element - 1];
        e->left[e->n_left++] = e->picked; /* there is room: a group was taken out */
    }
    /* The benchmark stops at one that is left even when it was never asked about (6 candidates);
     * here it is asked about. */
    if (e->n_left > 1 || (e->n_left == 1 && e->left[0] != e->picked)) {
        next_group(e);
        return false;
    }
    if (e->n_left == 0) /* turned down in the end */
        e->picked = WEB_NO_NODE;
    e->n_group = 0;
    return true;
}

int web_ask_element(const web_env *e, const web_reply *r)
{
    const int *from = e->agentbench ? e->group : e->view.elements;
    const size_t n = e->agentbench ? e->n_group : e->view.n;
    return r->element >= 1 && (size_t)r->element <= n ? from[r->element - 1] : WEB_NO_NODE;
}

void web_ask_start(web_env *e)
{
    if (e->recorded)
        recorded_elements(e);
    else
        web_view_make(&e->view, web_env_page(e), e->from, (size_t)e->base.opts.obs_budget);
    if (e->agentbench)
        start_elimination(e);
}

/* ---- observations ---- */

/* Appends at most max bytes of s, cut at a space. */
static void put_cut(cmat_buf *out, const char *s, size_t max)
{
    const size_t len = strlen(s);
    if (len <= max) {
        cmat_buf_puts(out, s);
        return;
    }
    size_t keep = cmat_utf8_valid_prefix(s, max);
    while (keep > max / 2 && s[keep] != ' ')
        keep--;
    cmat_buf_add(out, s, cmat_utf8_valid_prefix(s, keep));
    cmat_buf_printf(out, " [%zu more bytes]", len - keep);
}

static void put_before(const web_env *e, const char *none, cmat_buf *out)
{
    const size_t n = json_array_size(e->before);
    for (size_t i = n > WEB_BEFORE ? n - WEB_BEFORE : 0; i < n; i++)
        cmat_buf_printf(out, "%s\n", json_string_value(json_array_get(e->before, i)));
    if (n == 0)
        cmat_buf_puts(out, none);
}

/* A line for each candidate, all shortened alike when they do not fit. */
static void put_candidates(const web_env *e, cmat_buf *out)
{
    const size_t share = (size_t)e->base.opts.obs_budget / (e->view.n ? e->view.n : 1);
    cmat_buf line = {0};
    for (size_t i = 0; i < e->view.n; i++) {
        cmat_buf_truncate(&line, 0);
        web_describe(&e->page, e->view.elements[i], &line);
        cmat_buf_printf(out, "[%zu] ", i + 1);
        put_cut(out, cmat_buf_str(&line), share > LINE_MIN ? share : LINE_MIN);
        cmat_buf_putc(out, '\n');
    }
    cmat_buf_clear(&line);
}

static void ask_short(const web_env *e, cmat_buf *out)
{
    if (e->recorded) {
        const char *site = cmat_json_str(e->task, "website", NULL);
        if (site)
            cmat_buf_printf(out, "Web site: %s\n", site);
        cmat_buf_puts(out, "Done so far:\n");
        put_before(e, "nothing\n", out);
        cmat_buf_puts(out, "'''\n");
        put_candidates(e, out);
        cmat_buf_puts(out, "'''");
        return;
    }
    cmat_buf_puts(out, "'''\n");
    cmat_buf_puts(out, cmat_buf_str(&e->view.text));
    if (e->view.left_out > 0)
        cmat_buf_printf(out, "[%zu more bytes: MORE shows them]\n", e->view.left_out);
    cmat_buf_puts(out, "'''");
}

static void ask_agentbench(const web_env *e, cmat_buf *out)
{
    const web_page *p = web_env_page(e);
    cmat_buf page = {0};
    web_tree_repr(p, e->group, e->n_group, &page);
    cmat_buf_puts(out, "'''\n");
    put_cut(out, cmat_buf_str(&page), (size_t)e->base.opts.obs_budget);
    cmat_buf_printf(out,
                    "\n'''\n\nBased on the HTML webpage above, try to complete the following "
                    "task:\nTask: %s\nPrevious actions:\n",
                    cmat_json_str(e->task, "instruction", ""));
    put_before(e, "None\n", out);
    cmat_buf_puts(out,
                  "What should be the next action? Please select from the following choices (If "
                  "the correct action is not in the page above, please select A. 'None of the "
                  "above'):\n\nA. None of the above\n");
    for (size_t k = 0; k < e->n_group; k++) {
        cmat_buf_truncate(&page, 0);
        web_tree_choice(p, e->group, e->n_group, k, &page);
        cmat_buf_printf(out, "%c. ", 'B' + (int)k);
        put_cut(out, cmat_buf_str(&page), 200);
        cmat_buf_putc(out, '\n');
    }
    cmat_buf_clear(&page);
}

void web_ask(web_env *e, cmat_buf *out)
{
    if (e->agentbench)
        ask_agentbench(e, out);
    else
        ask_short(e, out);
}

/* ---- the actions there are ---- */

typedef struct {
    size_t *at; /* (n) offsets into words */
    bool *open;
    size_t n, cap, cap_open;
    cmat_buf *words;
    /* An action is written: before, its name, and after; or, with a value: with, the value. */
    char before[32], after[32], with[32];
} listing;

static void add_action(listing *l, bool open, web_op op, const char *value)
{
    l->at = cmat_xgrow(l->at, &l->cap, l->n + 1, sizeof *l->at);
    l->open = cmat_xgrow(l->open, &l->cap_open, l->n + 1, sizeof *l->open);
    l->at[l->n] = l->words->len;
    l->open[l->n++] = open;
    cmat_buf_printf(l->words, "%s%s%s%s", l->before, web_op_name(op), value ? l->with : l->after,
                    value ? value : "");
    cmat_buf_add(l->words, "", 1);
}

/* What can be done with an element. On a recorded page a person may have done anything. */
static void add_element(listing *l, const web_env *e, int node)
{
    const web_page *p = web_env_page(e);
    const bool text = web_takes_text(p, node), list = web_page_is(p, node, "select");
    const char *role = web_role(p, node);
    if (e->recorded || (!text && !list))
        add_action(l, false, WEB_CLICK, NULL);
    if (e->recorded || text)
        add_action(l, true, WEB_TYPE, "");
    if (e->recorded && (list || strcmp(role, "combobox") == 0 || strcmp(role, "listbox") == 0)) {
        add_action(l, true, WEB_SELECT, "");
        return;
    }
    if (!list)
        return;
    cmat_buf label = {0};
    for (int o = node + 1; o < p->nodes[node].end; o++) {
        if (!web_page_is(p, o, "option"))
            continue;
        cmat_buf_truncate(&label, 0);
        web_option_label(p, o, &label);
        if (label.len > 0)
            add_action(l, false, WEB_SELECT, label.data);
    }
    cmat_buf_clear(&label);
}

static void add_plain(listing *l, const char *text, web_op op)
{
    snprintf(l->before, sizeof l->before, "%s", text);
    *l->after = '\0';
    add_action(l, false, op, NULL);
}

typedef struct {
    const char *text;
    bool open;
} entry;

static int by_text(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->text, ((const entry *)b)->text);
}

/* Sorted, equal ones once. */
static void keep_listing(web_env *e, const listing *l)
{
    entry *all = cmat_xcalloc(l->n + 1, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        all[i] = (entry){cmat_buf_str(&e->words) + l->at[i], l->open[i]};
    qsort(all, l->n, sizeof *all, by_text);
    e->actions = cmat_xrealloc(e->actions, (l->n + 1) * sizeof *e->actions);
    e->open = cmat_xrealloc(e->open, (l->n + 1) * sizeof *e->open);
    for (size_t i = 0; i < l->n; i++) {
        if (n > 0 && strcmp(e->actions[n - 1], all[i].text) == 0)
            continue;
        e->actions[n] = all[i].text;
        e->open[n++] = all[i].open;
    }
    e->n_actions = n;
    free(all);
}

void web_ask_actions(web_env *e, bool one_line)
{
    listing l = {.words = &e->words};
    const int *nodes = e->agentbench ? e->group : e->view.elements;
    const size_t n = e->agentbench ? e->n_group : e->view.n;
    const char *gap = one_line ? " " : "\n";
    cmat_buf_truncate(&e->words, 0);
    for (size_t k = 0; k < n; k++) {
        if (e->agentbench) {
            snprintf(l.before, sizeof l.before, "Answer: %c.%sAction: ", 'B' + (int)k, gap);
            snprintf(l.with, sizeof l.with, "%sValue: ", gap);
        } else {
            snprintf(l.after, sizeof l.after, " %zu", k + 1);
            snprintf(l.with, sizeof l.with, " %zu: ", k + 1);
        }
        add_element(&l, e, nodes[k]);
    }
    if (e->agentbench)
        add_plain(&l, "Answer: A.", WEB_NO_OP);
    else if (!e->recorded)
        add_plain(&l, "", WEB_BACK);
    if (!e->agentbench && e->view.left_out > 0)
        add_plain(&l, "", WEB_MORE);
    keep_listing(e, &l);
    free(l.at);
    free(l.open);
}
