/* import_mind2web.c - Mind2Web's own JSON, whole tasks or one step a row, and its steps as
 * questions with candidates. */
#include "core/hash.h"
#include "core/json.h"
#include "env/web/import.h"
#include "env/web/web.h"
#include <stdlib.h>
#include <string.h>

enum { IDS_MAX = 20000 };

/* ---- Mind2Web's own files ---- */

/* The member as it is, or what its text is the JSON of: rows made for tables hold it so. A new
 * reference; NULL: there is none. */
static json_t *member(const json_t *j, const char *key)
{
    json_t *v = json_object_get(j, key);
    return json_is_string(v)
               ? cmat_json_parse(json_string_value(v), json_string_length(v), key, NULL)
               : json_incref(v);
}

/* Adds the candidates' ids. Where they carry the ranker's places, the first ten count. */
static void add_ids(const json_t *action, const char *key, json_t *ids)
{
    json_t *list = member(action, key), *c;
    size_t k;
    json_array_foreach(list, k, c)
    {
        json_t *own = json_is_string(c)
                          ? cmat_json_parse(json_string_value(c), json_string_length(c), key, NULL)
                          : json_incref(c);
        const char *id = cmat_json_str(own, "backend_node_id", NULL);
        if (id && json_array_size(ids) < IDS_MAX && cmat_json_num(own, "rank", 0) < WEB_TOP)
            json_array_append_new(ids, json_string(id));
        json_decref(own);
    }
    json_decref(list);
}

static cmat_status add_action(web_importing *im, const json_t *task, const json_t *action,
                              const char *number, const json_t *before, cmat_error *err)
{
    json_t *operation = member(action, "operation");
    const char *op = cmat_json_str(operation, "op", "");
    const json_t *html = json_object_get(action, "cleaned_html");
    char kind[64];
    json_t *right = json_array(), *all = json_array();
    if (!json_is_string(html))
        html = json_object_get(action, "raw_html");
    snprintf(kind, sizeof kind, "mind2web %.20s", op);
    add_ids(action, "pos_candidates", right);
    json_array_extend(all, right);
    add_ids(action, "neg_candidates", all);
    const web_import_step s = {.source = "mind2web",
                               .kind = kind,
                               .website = cmat_json_str(task, "website", NULL),
                               .instruction = cmat_json_str(task, "confirmed_task", ""),
                               .group = cmat_json_str(task, "annotation_id", ""),
                               .step = cmat_json_str(action, "action_uid", number),
                               .html = json_is_string(html) ? json_string_value(html) : "",
                               .html_len = json_string_length(html),
                               .candidates = all,
                               .positives = right,
                               .before = before,
                               .op = op,
                               .value = cmat_json_str(operation, "value", ""),
                               .top = WEB_TOP};
    const web_op found = web_op_find(op, strlen(op));
    cmat_status st = CMAT_OK;
    if (found < WEB_CLICK || found > WEB_SELECT)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: task %.60s: action %s: operation is \"%.20s\"",
                       im->what, s.group, number, op);
    else if (json_array_size(all) == 0)
        im->n_left_out++;
    else
        st = web_import_add(im, &s, err);
    json_decref(right);
    json_decref(all);
    json_decref(operation);
    return st;
}

cmat_status web_import_mind2web(web_importing *im, const json_t *task, cmat_error *err)
{
    const json_t *told = json_object_get(task, "action_reprs");
    const json_t *actions = json_object_get(task, "actions"), *action;
    json_t *before = json_array();
    cmat_status st = CMAT_OK;
    size_t k;
    json_array_foreach(actions, k, action)
    {
        const char *own = json_string_value(json_array_get(told, k));
        char number[24];
        snprintf(number, sizeof number, "%zu", k);
        if (st == CMAT_OK)
            st = add_action(im, task, action, number, before, err);
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

/* Of "previous_actions", else of the task's "action_reprs" before "target_action_index" (a number
 * or its digits), the last few. */
static json_t *before_of(const json_t *row)
{
    json_t *all = member(row, "previous_actions"), *before = json_array();
    size_t n = json_array_size(all);
    if (!json_is_array(all)) {
        char *at = cmat_json_plain(json_object_get(row, "target_action_index"));
        const size_t index = strtoul(at, NULL, 10);
        free(at);
        json_decref(all);
        all = member(row, "action_reprs");
        n = index < json_array_size(all) ? index : json_array_size(all);
    }
    for (size_t k = n > WEB_BEFORE ? n - WEB_BEFORE : 0; k < n; k++) {
        const char *own = json_string_value(json_array_get(all, k));
        json_array_append_new(before, json_string(own ? own : ""));
    }
    json_decref(all);
    return before;
}

cmat_status web_import_mind2web_row(web_importing *im, const json_t *row, cmat_error *err)
{
    json_t *before = before_of(row);
    cmat_status st = add_action(im, row, row, cmat_json_str(row, "action_uid", "?"), before, err);
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

cmat_status web_import_instance(web_importing *im, const json_t *inst, cmat_error *err)
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
    const web_import_step s = {.source = "mind2web",
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
    cmat_status st = web_import_add(im, &s, err);
    free(instruction);
    cmat_buf_clear(&html);
    json_decref(all);
    json_decref(right);
    json_decref(before);
    return st;
}
