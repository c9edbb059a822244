/* import.c - tasks out of files: Mind2Web's own JSON, its steps one a row or as a question with
 * candidates, MiniWoB demonstrations, our JSONL. What an entry is, its members say.
 *
 * Mind2Web's files are hundreds of megabytes: they are mapped and read one annotated task at a
 * time, and of each page only what stands around the candidates is kept (tree.h), which is all that
 * any question shows of it. */
#include "env/web/import.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "env/web/web.h"
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FOLDERS = 4 };

static cmat_status add_object(web_importing *im, json_t *j, cmat_error *err)
{
    const json_t *instances = json_object_get(j, "instances"), *i;
    size_t k;
    cmat_status st = CMAT_OK;
    if (json_is_array(instances)) {
        json_array_foreach(instances, k, i) if (st == CMAT_OK) st = web_import_instance(im, i, err);
        return st;
    }
    if (json_is_array(json_object_get(j, "actions")) && json_object_get(j, "confirmed_task"))
        return web_import_mind2web(im, j, err);
    if (json_object_get(j, "confirmed_task") && json_object_get(j, "operation"))
        return web_import_mind2web_row(im, j, err);
    if (json_is_array(json_object_get(j, "steps")) && json_object_get(j, "utterance"))
        return web_import_demo(im, j, err);
    cmat_task t;
    st = cmat_task_init(&t, j, err);
    if (st == CMAT_OK)
        cmat_task_list_add(im->out, t);
    return st == CMAT_OK ? st : cmat_fail_prefix(err, st, "%s", im->what);
}

static bool is_gap(char c)
{
    return isspace((unsigned char)c) || c == ',';
}

cmat_status web_import_text(const char *text, size_t len, const char *what, cmat_task_list *out,
                            cmat_error *err)
{
    web_importing im = {.what = what, .out = out};
    const char *p = text, *end = text + len;
    char place[512];
    cmat_status st = CMAT_OK;
    size_t used;
    if ((st = cmat_check_unpacked(what, text, len, err)) != CMAT_OK)
        return st;
    while (p < end && isspace((unsigned char)*p))
        p++;
    const bool array = p < end && *p == '[';
    bool ended = !array;
    p += array;
    for (size_t n = 1; st == CMAT_OK; n++, p += used) {
        while (p < end && is_gap(*p))
            p++;
        ended |= p < end && *p == ']';
        if (p == end || (array && ended))
            break;
        snprintf(place, sizeof place, "%s: entry %zu (byte %zu)", what, n, (size_t)(p - text));
        json_t *j = cmat_json_parse_next(p, (size_t)(end - p), &used, place, err);
        if (!j)
            return err ? err->status : CMAT_ERR_FORMAT;
        im.what = place;
        st = add_object(&im, j, err);
        json_decref(j);
    }
    if (st == CMAT_OK && !ended)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: the list has no end: the file is cut", what);
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
