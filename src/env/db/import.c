/* env/db/import.c - files of tasks: our own (members "instruction", "id"), or AgentBench's dbbench:
 * one JSON object a line with description, add_description, type, label, table, and answer_md5 for
 * changes. */
#include "core/hash.h"
#include "core/json.h"
#include "env/db/db.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_write(const char *type)
{
    return !strcmp(type, "INSERT") || !strcmp(type, "UPDATE") || !strcmp(type, "DELETE");
}

static cmat_status add_own(json_t *in, cmat_task_list *out, cmat_error *err)
{
    cmat_task t;
    cmat_status st = cmat_task_init(&t, in, err);
    if (st == CMAT_OK)
        cmat_task_list_add(out, t);
    return st;
}

static cmat_status add(json_t *in, size_t line, const char *path, cmat_task_list *out,
                       cmat_error *err)
{
    if (json_object_get(in, "instruction"))
        return add_own(in, out, err);
    const char *description = cmat_json_str(in, "description", NULL);
    const json_t *types = json_object_get(in, "type"), *label = json_object_get(in, "label");
    const char *type = json_is_string(types) ? json_string_value(types)
                                             : json_string_value(json_array_get(types, 0));
    json_t *table = json_object_get(in, "table");
    if (!description || !type || !json_is_array(label) || !table)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "%s: entry %zu: not AgentBench's format (description, type, "
                         "label, table)",
                         path, line);
    /* The id is made from the text, so that it does not depend on the order of the file. */
    char id[40];
    char *whole = json_dumps(in, JSON_COMPACT | JSON_SORT_KEYS);
    if (!whole)
        return cmat_fail(err, CMAT_ERR_NOMEM, "%s: entry %zu: out of memory", path, line);
    snprintf(id, sizeof id, "dbbench-%016llx",
             (unsigned long long)cmat_fnv1a(whole, strlen(whole)));
    free(whole);
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:O}", "id", id, "env", "db", "kind",
                          type, "type", is_write(type) ? "write" : "select", "instruction",
                          description, "mysql", 1, "table", table);
    const char *note = cmat_json_str(in, "add_description", NULL);
    const char *md5 = cmat_json_str(in, "answer_md5", NULL);
    if (note)
        json_object_set_new(j, "note", json_string(note));
    if (md5)
        json_object_set_new(j, "answer_md5", json_string(md5));
    /* A change's label is its gold statement; a question's label is its answer. */
    json_object_set(j, is_write(type) ? "gold" : "answer", (json_t *)label);
    cmat_status st = add_own(j, out, err);
    json_decref(j);
    return st;
}

cmat_status db_import(const char *path, cmat_task_list *out, cmat_error *err)
{
    json_t *all = cmat_jsonl_load(path, err);
    if (!all)
        return err ? err->status : CMAT_ERR_FORMAT;
    cmat_status st = CMAT_OK;
    for (size_t i = 0; st == CMAT_OK && i < json_array_size(all); i++)
        st = add(json_array_get(all, i), i + 1, path, out, err);
    json_decref(all);
    return st;
}
