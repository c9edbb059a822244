/* env/kg/import.c - AgentBench's and MetaQA's questions as tasks. */
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/kg/closed.h"
#include "env/kg/kg.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cmat_status add_task(cmat_task_list *out, json_t *j, const char *prefix, cmat_error *err)
{
    cmat_buf text = {0};
    char hex[65], id[96];
    cmat_task t;
    cmat_json_print(&text, j);
    cmat_sha256_hex(text.data, text.len, hex); /* without an id yet: of the content alone */
    snprintf(id, sizeof id, "%s-%.16s", prefix, hex);
    json_object_set_new(j, "id", json_string(id));
    const cmat_status st = cmat_task_init(&t, j, err);
    if (st == CMAT_OK)
        cmat_task_list_add(out, t);
    cmat_buf_clear(&text);
    return st;
}

/* ---- AgentBench ---- */

static const char *kind_of(const json_t *actions)
{
    const json_t *call;
    size_t i;
    bool both = false, most = false;
    json_array_foreach(actions, i, call)
    {
        const char *text = json_string_value(call);
        if (text && strncmp(text, "count(", 6) == 0)
            return "count";
        both |= text && strncmp(text, "intersection(", 13) == 0;
        most |= text && strncmp(text, "argm", 4) == 0;
    }
    return most ? "superlative" : both ? "conjunction" : "path";
}

/* Gold calls may start from a node that is not among the question's entities (Freebase's
 * common.topic): it becomes one, or there would be no way to name it. */
static void add_gold_entities(json_t *entities, const json_t *actions)
{
    cmat_buf a = {0}, b = {0};
    const json_t *call, *name;
    const char *label;
    size_t i;
    json_array_foreach(actions, i, call)
    {
        char tool[32];
        const char *text = json_string_value(call);
        if (!text || !kg_gold_split(text, tool, sizeof tool, &a, &b) || a.data[0] == '#')
            continue;
        bool known = false;
        json_object_foreach(entities, label, name) known |=
            json_is_string(name) && strcmp(json_string_value(name), a.data) == 0;
        if (!known)
            json_object_set_new(entities, a.data, json_string(a.data));
    }
    cmat_buf_clear(&a);
    cmat_buf_clear(&b);
}

static cmat_status from_agentbench(const json_t *item, cmat_task_list *out, cmat_error *err)
{
    const char *question;
    const json_t *actions = json_object_get(item, "actions"), *a;
    json_t *entities = json_deep_copy(json_object_get(item, "entities")), *answer = json_array();
    size_t i;
    cmat_status st = cmat_json_need_str(item, "question", "question", &question, err);
    json_array_foreach(json_object_get(item, "answer"), i, a)
        json_array_append(answer, json_object_get(a, "answer_argument"));
    if (st == CMAT_OK && !json_is_object(entities))
        st = cmat_fail(err, CMAT_ERR_FORMAT,
                       "question: member \"entities\" is missing or no object");
    if (st == CMAT_OK) {
        add_gold_entities(entities, actions);
        json_t *task = json_pack("{s:s, s:s, s:s, s:O, s:O, s:s}", "env", "kg", "kind",
                                 kind_of(actions), "instruction", question, "entities", entities,
                                 "answer", answer, "source", cmat_json_str(item, "source", ""));
        if (json_is_array(actions))
            json_object_set(task, "gold", (json_t *)actions);
        st = add_task(out, task, "agentbench", err);
        json_decref(task);
    }
    json_decref(entities);
    json_decref(answer);
    return st;
}

/* ---- MetaQA ---- */

/* The relation of MetaQA's graph between a film and the other word of a question's type. */
static const char *film_relation(const char *word, size_t len)
{
    static const struct {
        const char *word, *relation;
    } all[] = {{"actor", "starred_actors"},
               {"director", "directed_by"},
               {"writer", "written_by"},
               {"tag", "has_tags"},
               {"tags", "has_tags"},
               {"genre", "has_genre"},
               {"language", "in_language"},
               {"year", "release_year"},
               {"imdbrating", "has_imdb_rating"},
               {"imdbvotes", "has_imdb_votes"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strlen(all[i].word) == len && memcmp(all[i].word, word, len) == 0)
            return all[i].relation;
    return NULL;
}

/* "actor_to_movie_to_year": from the entity over its films to their years. False: another type. */
static bool film_path(const char *qtype, const char *entity, json_t *gold)
{
    char from[2100], call[2400];
    snprintf(from, sizeof from, "%.2000s", entity);
    for (int k = 0;; k++) {
        const char *to = strstr(qtype, "_to_");
        if (!to)
            return k > 0;
        const size_t len = (size_t)(to - qtype), next_len = strcspn(to + 4, "_");
        const bool from_film = len == 5 && memcmp(qtype, "movie", 5) == 0;
        const bool to_film = next_len == 5 && memcmp(to + 4, "movie", 5) == 0;
        const char *relation = from_film == to_film ? NULL
                               : from_film          ? film_relation(to + 4, next_len)
                                                    : film_relation(qtype, len);
        if (!relation)
            return false;
        snprintf(call, sizeof call, "get_relations(%s)", from);
        json_array_append_new(gold, json_string(call));
        snprintf(call, sizeof call, "get_neighbors(%s, %s%s)", from, from_film ? "" : "^",
                 relation);
        json_array_append_new(gold, json_string(call));
        snprintf(from, sizeof from, "#%d", k);
        qtype = to + 4;
    }
}

static cmat_status from_metaqa(const json_t *item, cmat_task_list *out, cmat_error *err)
{
    const char *question, *entity, *qtype;
    json_t *gold = json_array();
    cmat_status st = cmat_json_need_str(item, "q", "question", &question, err);
    if (st == CMAT_OK)
        st = cmat_json_need_str(item, "entity", "question", &entity, err);
    if (st == CMAT_OK)
        st = cmat_json_need_str(item, "qtype", "question", &qtype, err);
    if (st == CMAT_OK && !film_path(qtype, entity, gold))
        st =
            cmat_fail(err, CMAT_ERR_FORMAT, "question: \"qtype\" %.60s is none of MetaQA's", qtype);
    if (st == CMAT_OK) {
        char kind[32];
        snprintf(kind, sizeof kind, "%zu-hop", json_array_size(gold) / 2);
        json_t *task = json_pack("{s:s, s:s, s:s, s:{s:s}, s:O, s:O}", "env", "kg", "kind", kind,
                                 "instruction", question, "entities", entity, entity, "gold", gold,
                                 "answer", json_object_get(item, "answers"));
        st = task ? add_task(out, task, "metaqa", err)
                  : cmat_fail(err, CMAT_ERR_FORMAT, "question: member \"answers\" is missing");
        json_decref(task);
    }
    json_decref(gold);
    return st;
}

static int id_order(const void *a, const void *b)
{
    return strcmp(((const cmat_task *)a)->id, ((const cmat_task *)b)->id);
}

/* In the order of their ids; a question that a file has twice counts once. */
static void sort_and_drop(cmat_task_list *l, size_t from)
{
    size_t n = from;
    qsort(l->items + from, l->n - from, sizeof *l->items, id_order);
    for (size_t i = from; i < l->n; i++)
        if (n > from && strcmp(l->items[n - 1].id, l->items[i].id) == 0)
            cmat_task_clear(&l->items[i]);
        else
            l->items[n++] = l->items[i];
    l->n = n;
}

cmat_status kg_import(const char *path, cmat_task_list *out, cmat_error *err)
{
    const size_t before = out->n;
    json_t *all = cmat_jsonl_load(path, err);
    const json_t *first = json_array_get(all, 0), *item;
    size_t i;
    cmat_status st = CMAT_OK;
    if (!all)
        return err ? err->status : CMAT_ERR_FORMAT;
    cmat_status (*take)(const json_t *, cmat_task_list *, cmat_error *) =
        json_object_get(first, "qtype")      ? from_metaqa
        : json_object_get(first, "question") ? from_agentbench
                                             : NULL;
    if (!take) {
        json_decref(all);
        return cmat_task_list_load(out, path, err);
    }
    json_array_foreach(all, i, item)
    {
        if ((st = take(item, out, err)) != CMAT_OK) {
            st = cmat_fail_prefix(err, st, "%s: entry %zu", path, i + 1);
            break;
        }
    }
    json_decref(all);
    if (st == CMAT_OK && out->n > before) /* no matter how the file lists them */
        sort_and_drop(out, before);
    while (st != CMAT_OK && out->n > before)
        cmat_task_clear(&out->items[--out->n]);
    return st;
}
