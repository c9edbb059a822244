/* env/kg/ontology.c - see ontology.h. */
#include "env/kg/ontology.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64u << 20)

static void append(json_t *lists, const char *key, const char *value)
{
    json_t *list = json_object_get(lists, key);
    if (!list) {
        list = json_array();
        json_object_set_new(lists, key, list);
    }
    json_array_append_new(list, json_string(value));
}

static cmat_status read_roles(kg_ontology *o, const char *path, cmat_error *err)
{
    char *text = NULL, *rest = NULL, *line_rest = NULL;
    size_t len;
    int number = 0;
    cmat_status st = cmat_read_file(path, FILE_MAX, &text, &len, err);
    if (st != CMAT_OK)
        return st;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const char *domain = strtok_r(line, " \t\r", &line_rest);
        const char *relation = strtok_r(NULL, " \t\r", &line_rest);
        const char *range = strtok_r(NULL, " \t\r", &line_rest);
        number++;
        json_t *pair = domain && relation && range ? json_pack("[s, s]", domain, range) : NULL;
        if (!pair || json_object_set_new(o->relations, relation, pair) != 0) {
            st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: line %d: not \"domain relation range\"", path,
                           number);
            break;
        }
    }
    free(text);
    return st;
}

static cmat_status read_vocab(kg_ontology *o, const char *path, cmat_error *err)
{
    json_t *vocab = cmat_json_load(path, err), *name;
    size_t i;
    if (!vocab)
        return CMAT_ERR_FORMAT;
    json_array_foreach(json_object_get(vocab, "relations"), i, name) if (json_is_string(name))
        kg_list_add(&o->listed, json_string_value(name));
    json_array_foreach(json_object_get(vocab, "attributes"), i, name) if (json_is_string(name))
        kg_list_add(&o->listed_attributes, json_string_value(name));
    kg_list_sort(&o->listed);
    kg_list_sort(&o->listed_attributes);
    json_decref(vocab);
    if (o->listed.n == 0)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: has no \"relations\"", path);
    return CMAT_OK;
}

cmat_status kg_ontology_load(kg_ontology *o, const char *folder, cmat_error *err)
{
    char *roles = cmat_path_join(folder, "fb_roles"), *vocab = cmat_path_join(folder, "vocab.json");
    cmat_status st = cmat_path_exists(roles) ? CMAT_OK : CMAT_ERR_NOT_FOUND;
    *o = (kg_ontology){0};
    if (st == CMAT_OK) {
        o->relations = json_object();
        o->by_domain = json_object();
        o->attributes = json_object();
        st = read_roles(o, roles, err);
    }
    if (st == CMAT_OK && cmat_path_exists(vocab))
        st = read_vocab(o, vocab, err);
    for (int turn = 0; st == CMAT_OK && turn < 2; turn++) {
        const kg_list *l = turn ? &o->listed_attributes : &o->listed;
        for (size_t i = 0; i < l->n; i++) {
            const char *domain = kg_ontology_domain(o, kg_list_get(l, i));
            if (domain)
                append(turn ? o->attributes : o->by_domain, domain, kg_list_get(l, i));
        }
    }
    if (st != CMAT_OK)
        kg_ontology_clear(o);
    free(roles);
    free(vocab);
    return st;
}

void kg_ontology_clear(kg_ontology *o)
{
    json_decref(o->relations);
    json_decref(o->by_domain);
    json_decref(o->attributes);
    kg_list_clear(&o->listed);
    kg_list_clear(&o->listed_attributes);
    memset(o, 0, sizeof *o);
}

const char *kg_ontology_domain(const kg_ontology *o, const char *relation)
{
    return json_string_value(json_array_get(json_object_get(o->relations, relation), 0));
}

const char *kg_ontology_range(const kg_ontology *o, const char *relation)
{
    return json_string_value(json_array_get(json_object_get(o->relations, relation), 1));
}
