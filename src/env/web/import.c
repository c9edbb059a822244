/* import.c - tasks out of files: Mind2Web's own JSON, its steps as a question with candidates,
 * MiniWoB demonstrations, our JSONL. What a file is, its first object says.
 *
 * Mind2Web's files are hundreds of megabytes: they are mapped and read one annotated task at a
 * time, and of each page only what stands around the candidates is kept (tree.h), which is all that
 * any question shows of it. */
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "env/web/tree.h"
#include "env/web/web.h"
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FOLDERS = 4, WORDS_MAX = 64, IDS_MAX = 20000 };

typedef struct {
    const char *what; /* names the source in messages */
    cmat_task_list *out;
    size_t n_left_out; /* steps whose target is not on the page */
} importing;

/* One step on its way into a task; all borrowed. */
typedef struct {
    const char *source, *kind, *website, *instruction;
    const char *group, *step; /* identities: of the person's whole task, of the step in it */
    const char *html;
    size_t html_len;
    json_t *candidates, *positives; /* arrays of node ids */
    const json_t *before;           /* array of strings */
    const char *op, *value;
    size_t top; /* candidates kept at most */
} step;

/* ---- candidates ---- */

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
static size_t choose(const step *s, const web_page *p, int *out)
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

static void make_id(const step *s, char *id, size_t size)
{
    char group[65], own[65];
    cmat_sha256_hex(s->group, strlen(s->group), group);
    cmat_sha256_hex(s->step, strlen(s->step), own);
    snprintf(id, size, "%s-%.12s#%.12s", s->source, group, own);
}

/* Adds the step as a task, or counts it as left out. */
static cmat_status add_step(importing *im, const step *s, cmat_error *err)
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

/* ---- Mind2Web's own files ---- */

/* Adds the candidates' ids; *ranked: they carry the ranker's places, of which ten count. */
static void add_ids(const json_t *candidates, json_t *ids)
{
    const json_t *c;
    size_t k;
    json_array_foreach(candidates, k, c)
    {
        const char *id = cmat_json_str(c, "backend_node_id", NULL);
        if (id && json_array_size(ids) < IDS_MAX && cmat_json_int(c, "rank", 0) < WEB_TOP)
            json_array_append_new(ids, json_string(id));
    }
}

static cmat_status add_action(importing *im, const json_t *task, size_t k, const json_t *before,
                              cmat_error *err)
{
    const json_t *a = json_array_get(json_object_get(task, "actions"), k);
    const json_t *op = json_object_get(a, "operation");
    const json_t *html = json_object_get(a, "cleaned_html");
    char kind[64], number[24];
    json_t *right = json_array(), *all = json_array();
    if (!json_is_string(html))
        html = json_object_get(a, "raw_html");
    snprintf(kind, sizeof kind, "mind2web %.20s", cmat_json_str(op, "op", ""));
    snprintf(number, sizeof number, "%zu", k);
    add_ids(json_object_get(a, "pos_candidates"), right);
    add_ids(json_object_get(a, "pos_candidates"), all);
    add_ids(json_object_get(a, "neg_candidates"), all);
    const step s = {.source = "mind2web",
                    .kind = kind,
                    .website = cmat_json_str(task, "website", NULL),
                    .instruction = cmat_json_str(task, "confirmed_task", ""),
                    .group = cmat_json_str(task, "annotation_id", ""),
                    .step = cmat_json_str(a, "action_uid", number),
                    .html = json_is_string(html) ? json_string_value(html) : "",
                    .html_len = json_string_length(html),
                    .candidates = all,
                    .positives = right,
                    .before = before,
                    .op = cmat_json_str(op, "op", ""),
                    .value = cmat_json_str(op, "value", ""),
                    .top = WEB_TOP};
    const web_op found = web_op_find(s.op, strlen(s.op));
    cmat_status st = CMAT_OK;
    if (found < WEB_CLICK || found > WEB_SELECT)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: task %s: action %zu: operation is \"%.20s\"",
                       im->what, s.group, k, s.op);
    else if (json_array_size(all) == 0)
        im->n_left_out++;
    else
        st = add_step(im, &s, err);
    json_decref(right);
    json_decref(all);
    return st;
}

static cmat_status add_mind2web(importing *im, const json_t *task, cmat_error *err)
{
    const json_t *told = json_object_get(task, "action_reprs");
    const size_t n = json_array_size(json_object_get(task, "actions"));
    json_t *before = json_array();
    cmat_status st = CMAT_OK;
    for (size_t k = 0; st == CMAT_OK && k < n; k++) {
        const char *own = json_string_value(json_array_get(told, k));
        st = add_action(im, task, k, before, err);
        json_t *next = json_copy(before); /* the tasks share what they have been given */
        json_decref(before);
        before = next;
        json_array_append_new(before, json_string(own ? own : ""));
        if (json_array_size(before) > WEB_BEFORE)
            json_array_remove(before, 0);
    }
    json_decref(before);
    return st;
}

/* ---- its steps as questions ("instances") ---- */

/* What stands between two marks of a text; *len 0: nothing. */
static const char *between(const char *text, const char *from, const char *to, size_t *len)
{
    const char *p = strstr(text, from), *q;
    *len = 0;
    if (!p)
        return NULL;
    p += strlen(from);
    q = strstr(p, to);
    *len = q ? (size_t)(q - p) : strlen(p);
    return p;
}

static json_t *lines_between(const char *text, const char *from, const char *to)
{
    size_t len;
    const char *p = between(text, from, to, &len), *end = p ? p + len : NULL;
    json_t *out = json_array();
    while (p && p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
        p += strspn(p, " ");
        const size_t digits = strspn(p, "0123456789");
        if (digits > 0 && p[digits] == '.' && p + digits + 1 < stop) {
            p += digits + 1;
            p += strspn(p, " ");
            if (p < stop)
                json_array_append_new(out, cmat_json_text(p, (size_t)(stop - p)));
        }
        p = stop + 1;
    }
    return out;
}

/* A candidate that the cut page does not have, as an element of its own: its line says
 * <a bnid="5" class="...">. */
static void put_missing(const char *line, cmat_buf *html)
{
    size_t len;
    const char *id = between(line, "bnid=\"", "\"", &len);
    const size_t name = 1 + strcspn(line + (*line == '<'), " >");
    if (*line != '<' || !id || len == 0 || len > 20)
        return;
    char own[64];
    snprintf(own, sizeof own, "backend_node_id=\"%.*s\"", (int)len, id);
    if (strstr(cmat_buf_str(html), own))
        return;
    const char *rest = id + len + 1, *close = strrchr(rest, '>');
    size_t n = close ? (size_t)(close - rest) : strlen(rest);
    if (n >= 3 && strncmp(rest + n - 3, "...", 3) == 0) { /* cut: its last value has no quote */
        n -= 3;
        cmat_buf_printf(html, "%.*s %s %.*s\">", (int)name, line, own, (int)n, rest);
    } else {
        cmat_buf_printf(html, "%.*s %s %.*s>", (int)name, line, own, (int)n, rest);
    }
    cmat_buf_printf(html, "</%.*s>", (int)name - 1, line + 1);
}

static int hash_order(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    const uint64_t i = cmat_fnv1a(*x, strlen(*x)), j = cmat_fnv1a(*y, strlen(*y));
    return i < j ? -1 : i > j;
}

/* The page with all candidates: they stand in an order that says nothing (gold comes first in the
 * file). */
static void put_page(const char *input, cmat_buf *html)
{
    json_t *lines = lines_between(input, "Available candidate elements", "Current page"), *l;
    size_t n = json_array_size(lines), len, k;
    const char *page = between(input, "```html\n", "\n```", &len), *cut;
    const char **order = cmat_xcalloc(n + 1, sizeof *order);
    if (page && (cut = memmem(page, len, "\n... [HTML truncated", 20)))
        len = (size_t)(cut - page);
    if (page)
        cmat_buf_add(html, page, len);
    const char *open = strrchr(cmat_buf_str(html), '<');
    if (open && !strchr(open, '>')) /* cut within a tag */
        cmat_buf_truncate(html, (size_t)(open - html->data));
    json_array_foreach(lines, k, l) order[k] = json_string_value(l);
    qsort(order, n, sizeof *order, hash_order);
    for (k = 0; k < n; k++)
        put_missing(order[k], html);
    free(order);
    json_decref(lines);
}

static json_t *id_list(const json_t *a)
{
    json_t *out = json_array();
    const json_t *s;
    size_t k;
    json_array_foreach(a, k, s) if (json_is_string(s))
        json_array_append_new(out, json_copy((json_t *)s));
    return out;
}

static cmat_status add_instance(importing *im, const json_t *inst, cmat_error *err)
{
    const json_t *m = json_object_get(inst, "metadata");
    const char *input = cmat_json_str(inst, "input", NULL), *op = cmat_json_str(m, "op", "");
    const char *id = cmat_json_str(inst, "instance_id", "");
    size_t len;
    const char *task = input ? between(input, "Task: ", "\n", &len) : NULL;
    const web_op found = web_op_find(op, strlen(op));
    if (!task || found < WEB_CLICK || found > WEB_SELECT)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "%s: instance %.60s: no task, or no operation of ours", im->what, id);
    char *instruction = cmat_xstrndup(task, len), kind[40];
    cmat_buf html = {0};
    json_t *all = id_list(json_object_get(m, "candidate_bnids"));
    json_t *right = id_list(json_object_get(m, "target_bnids"));
    json_t *before = lines_between(input, "Previous actions", "Available candidate");
    while (json_array_size(before) > WEB_BEFORE)
        json_array_remove(before, 0);
    put_page(input, &html);
    snprintf(kind, sizeof kind, "mind2web %s", web_op_name(found));
    const step s = {.source = "mind2web",
                    .kind = kind,
                    .website = cmat_json_str(m, "website", NULL),
                    .instruction = instruction,
                    .group = cmat_json_str(m, "annotation_id", id),
                    .step = cmat_json_str(m, "action_uid", id),
                    .html = cmat_buf_str(&html),
                    .html_len = html.len,
                    .candidates = all,
                    .positives = right,
                    .before = before,
                    .op = web_op_name(found),
                    .value = cmat_json_str(m, "value", ""),
                    .top = WEB_TOP};
    cmat_status st = add_step(im, &s, err);
    free(instruction);
    cmat_buf_clear(&html);
    json_decref(all);
    json_decref(right);
    json_decref(before);
    return st;
}

/* ---- MiniWoB demonstrations ---- */

static void put_attr(cmat_buf *html, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    cmat_buf_printf(html, " %s=\"", name);
    cmat_text_html(html, value, strlen(value));
    cmat_buf_putc(html, '"');
}

/* "input_text" is <input type="text">, "t" a text, which we call a label: it can be clicked.
 * Options go into the list before them. */
static void put_miniwob(const json_t *elements, json_t *ids, cmat_buf *html)
{
    const json_t *e;
    size_t k;
    bool in_list = false;
    cmat_buf_puts(html, "<html>");
    json_array_foreach(elements, k, e)
    {
        const char *tag = cmat_json_str(e, "tag", "div"), *id = cmat_json_str(e, "id", NULL);
        const char *text = cmat_json_str(e, "text", NULL), *value = cmat_json_str(e, "value", NULL);
        const bool input = strncmp(tag, "input_", 6) == 0, option = strcmp(tag, "option") == 0;
        const bool plain = strcmp(tag, "div") == 0 || strcmp(tag, "form") == 0;
        char ref[24], name[24];
        size_t n = strspn(tag, "abcdefghijklmnopqrstuvwxyz0123456789");
        snprintf(ref, sizeof ref, "%lld", (long long)cmat_json_int(e, "ref", 0));
        snprintf(name, sizeof name, "%.*s", (int)(n < 20 ? n : 20), tag);
        if (strcmp(name, "t") == 0)
            snprintf(name, sizeof name, "label");
        if (in_list && !option)
            cmat_buf_puts(html, "</select>");
        in_list &= option;
        cmat_buf_printf(html, "<%s", input ? "input" : n ? name : "div");
        put_attr(html, "backend_node_id", ref);
        put_attr(html, "type", input ? tag + 6 : NULL);
        put_attr(html, "id", id);
        put_attr(html, "class", cmat_json_str(e, "classes", NULL));
        put_attr(html, "value", value);
        cmat_buf_putc(html, '>');
        if (text)
            cmat_text_html(html, text, strlen(text));
        if (strcmp(name, "select") == 0)
            in_list = true;
        else if (!input)
            cmat_buf_printf(html, "</%s>", n ? name : "div");
        /* boxes around everything are no candidates (they may be the target all the same) */
        if (!plain || (text && *text))
            json_array_append_new(ids, json_string(ref));
    }
}

static const json_t *element_of(const json_t *elements, int64_t ref)
{
    const json_t *e;
    size_t k;
    json_array_foreach(elements, k, e) if (cmat_json_int(e, "ref", 0) == ref) return e;
    return NULL;
}

static cmat_status add_demo_step(importing *im, const json_t *demo, size_t k,
                                 const json_t *elements, json_t **before, cmat_error *err)
{
    const json_t *st = json_array_get(json_object_get(demo, "steps"), k);
    const int64_t ref = cmat_json_int(st, "ref", INT64_MIN);
    const char *op = cmat_json_str(st, "op", ""), *value = cmat_json_str(st, "value", "");
    const char *name = cmat_json_str(demo, "demo", ""), *part = strchr(name, '/');
    char kind[64], number[24], target[24];
    const web_op found = web_op_find(op, strlen(op));
    if (found < WEB_CLICK || found > WEB_SELECT || !element_of(elements, ref)) {
        im->n_left_out++;
        return CMAT_OK;
    }
    snprintf(kind, sizeof kind, "miniwob%s%.*s", part ? " " : "",
             part ? (int)strcspn(part + 1, "/") : 0, part ? part + 1 : "");
    snprintf(number, sizeof number, "%03zu", k);
    snprintf(target, sizeof target, "%lld", (long long)ref);
    cmat_buf html = {0}, told = {0};
    json_t *all = json_array(), *right = json_pack("[s]", target);
    put_miniwob(elements, all, &html);
    const step s = {.source = "miniwob",
                    .kind = kind,
                    .instruction = cmat_json_str(demo, "utterance", ""),
                    .group = name,
                    .step = number,
                    .html = cmat_buf_str(&html),
                    .html_len = html.len,
                    .candidates = all,
                    .positives = right,
                    .before = *before,
                    .op = web_op_name(found),
                    .value = found == WEB_CLICK ? "" : value,
                    .top = WEB_CANDIDATES};
    cmat_status status = add_step(im, &s, err);
    web_page p = {0};
    if (status == CMAT_OK && web_page_parse(&p, html.data, html.len, NULL) == CMAT_OK) {
        const int node = web_page_find(&p, "backend_node_id", target);
        if (node != WEB_NO_NODE)
            web_ask_told(&p, node, found, s.value, &told);
        json_t *next = json_copy(*before);
        json_decref(*before);
        *before = next;
        json_array_append_new(next, cmat_json_text(cmat_buf_str(&told), told.len));
        if (json_array_size(next) > WEB_BEFORE)
            json_array_remove(next, 0);
    }
    web_page_clear(&p);
    cmat_buf_clear(&html);
    cmat_buf_clear(&told);
    json_decref(all);
    json_decref(right);
    return status;
}

static cmat_status add_demo(importing *im, const json_t *demo, cmat_error *err)
{
    const json_t *steps = json_object_get(demo, "steps"), *s, *elements = NULL;
    json_t *before = json_array();
    size_t k;
    cmat_status st = CMAT_OK;
    json_array_foreach(steps, k, s)
    {
        if (json_is_array(json_object_get(s, "elements"))) /* else the page is as it was */
            elements = json_object_get(s, "elements");
        if (st == CMAT_OK)
            st = add_demo_step(im, demo, k, elements, &before, err);
    }
    json_decref(before);
    return st;
}

/* ---- files ---- */

static cmat_status add_object(importing *im, json_t *j, cmat_error *err)
{
    const json_t *instances = json_object_get(j, "instances"), *i;
    size_t k;
    cmat_status st = CMAT_OK;
    if (json_is_array(instances)) {
        json_array_foreach(instances, k, i) if (st == CMAT_OK) st = add_instance(im, i, err);
        return st;
    }
    if (json_is_array(json_object_get(j, "actions")) && json_object_get(j, "confirmed_task"))
        return add_mind2web(im, j, err);
    if (json_is_array(json_object_get(j, "steps")) && json_object_get(j, "utterance"))
        return add_demo(im, j, err);
    cmat_task t;
    st = cmat_task_init(&t, j, err);
    if (st == CMAT_OK)
        cmat_task_list_add(im->out, t);
    return st == CMAT_OK ? st : cmat_fail_prefix(err, st, "%s", im->what);
}

/* The end of the JSON value that begins at p, by its brackets alone. */
static const char *value_end(const char *p, const char *end)
{
    int depth = 0;
    for (bool quoted = false; p < end; p++) {
        if (quoted) {
            p += *p == '\\';
            quoted = p >= end || *p != '"';
        } else if (*p == '"') {
            quoted = true;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if ((*p == '}' || *p == ']') && --depth <= 0) {
            return p + 1;
        }
    }
    return end;
}

static bool is_gap(char c)
{
    return isspace((unsigned char)c) || c == ',';
}

cmat_status web_import_text(const char *text, size_t len, const char *what, cmat_task_list *out,
                            cmat_error *err)
{
    importing im = {.what = what, .out = out};
    const char *p = text, *end = text + len;
    cmat_status st = CMAT_OK;
    if (len >= 6 && memcmp(text,
                           "\xfd"
                           "7zXZ",
                           5) == 0)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: is packed; unpack it first (xz -dk FILE)",
                         what);
    while (p < end && isspace((unsigned char)*p))
        p++;
    const bool array = p < end && *p == '[';
    p += array;
    for (size_t n = 1; st == CMAT_OK; n++) {
        while (p < end && is_gap(*p))
            p++;
        if (p == end || (array && *p == ']'))
            break;
        char place[256];
        const char *stop = *p == '{' ? value_end(p, end) : end;
        snprintf(place, sizeof place, "%s: entry %zu", what, n);
        json_t *j = cmat_json_parse(p, (size_t)(stop - p), place, err);
        if (!j)
            return err ? err->status : CMAT_ERR_FORMAT;
        im.what = place;
        st = add_object(&im, j, err);
        json_decref(j);
        p = stop;
    }
    if (st == CMAT_OK && im.n_left_out > 0)
        cmat_info("%s: %zu steps left out, whose target is not on the page", what, im.n_left_out);
    return st;
}

static cmat_status import_file(const char *path, cmat_task_list *out, cmat_error *err)
{
    cmat_map m;
    cmat_status st = cmat_map_open(&m, path, err);
    if (st != CMAT_OK)
        return st;
    if (m.len == 0)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: is empty", path);
    else
        st = web_import_text((const char *)m.data, m.len, path, out, err);
    cmat_map_close(&m);
    return st;
}

static bool is_data(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && name[0] != '.' && (strcmp(dot, ".json") == 0 || strcmp(dot, ".jsonl") == 0);
}

static cmat_status import_folder(const char *path, int depth, cmat_task_list *out, cmat_error *err)
{
    struct dirent **names = NULL;
    const int n = depth > MAX_FOLDERS ? 0 : scandir(path, &names, NULL, alphasort);
    cmat_status st = CMAT_OK;
    if (n < 0)
        return cmat_fail(err, CMAT_ERR_IO, "%s: cannot be read", path);
    for (int i = 0; i < n; i++) {
        char *below = cmat_path_join(path, names[i]->d_name);
        if (st == CMAT_OK && names[i]->d_name[0] != '.' && cmat_path_is_dir(below))
            st = import_folder(below, depth + 1, out, err);
        else if (st == CMAT_OK && is_data(names[i]->d_name))
            st = import_file(below, out, err);
        free(below);
        free(names[i]);
    }
    free(names);
    return st;
}

static int id_order(const void *a, const void *b)
{
    return strcmp(((const cmat_task *)a)->id, ((const cmat_task *)b)->id);
}

cmat_status web_import(const char *path, cmat_task_list *out, cmat_error *err)
{
    const size_t before = out->n;
    cmat_status st =
        cmat_path_is_dir(path) ? import_folder(path, 0, out, err) : import_file(path, out, err);
    if (st == CMAT_OK && out->n == before)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: there are no web tasks in it", path);
    if (st == CMAT_OK) /* no matter how the files lie */
        qsort(out->items + before, out->n - before, sizeof *out->items, id_order);
    while (st != CMAT_OK && out->n > before)
        cmat_task_clear(&out->items[--out->n]);
    return st;
}
