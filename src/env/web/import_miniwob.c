/* import_miniwob.c - MiniWoB demonstrations: element lists and what was done with them. */
#include "core/json.h"
#include "core/text.h"
#include "env/web/import.h"
#include "env/web/web.h"
#include <string.h>

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

static cmat_status add_demo_step(web_importing *im, const json_t *demo, size_t k,
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
    const web_import_step s = {.source = "miniwob",
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
    cmat_status status = web_import_add(im, &s, err);
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

cmat_status web_import_demo(web_importing *im, const json_t *demo, cmat_error *err)
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
