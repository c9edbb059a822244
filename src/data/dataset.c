/* data/dataset.c - rows: adding, filtering, splitting, mixing. */
#include "data/dataset.h"
#include "core/buf.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool role_known(const char *role)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool", "developer"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(role, roles[i]) == 0)
            return true;
    return false;
}

/* Makes "loss": false and "weight" one number member, "weight", or none where it is 1. */
static cmat_status check_weight(json_t *msg, const char *what, size_t i, cmat_error *err)
{
    const json_t *weight = json_object_get(msg, "weight"), *loss = json_object_get(msg, "loss");
    double w = 1;
    if (weight && !json_is_null(weight)) {
        w = json_number_value(weight);
        if (!json_is_number(weight) || w < 0 || w > 1e6)
            return cmat_fail(err, CMAT_ERR_FORMAT,
                             "%s: message %zu: \"weight\" is not a number of at least 0", what,
                             i + 1);
    }
    if (loss && !json_is_null(loss)) {
        if (!json_is_boolean(loss))
            return cmat_fail(err, CMAT_ERR_FORMAT,
                             "%s: message %zu: \"loss\" is neither true nor false", what, i + 1);
        w = json_is_false(loss) ? 0 : w;
    }
    json_object_del(msg, "loss");
    json_object_del(msg, "weight");
    if (w != 1)
        json_object_set_new(msg, "weight", json_real(w));
    return CMAT_OK;
}

static cmat_status check_message(json_t *msg, const char *what, size_t i, cmat_error *err)
{
    const char *role = cmat_json_str(msg, "role", NULL);
    const json_t *content = json_object_get(msg, "content");
    if (!json_is_object(msg) || !role)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: message %zu has no \"role\"", what, i + 1);
    if (!role_known(role))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: message %zu: role \"%.40s\" is not known", what,
                         i + 1, role);
    if ((!content || json_is_null(content)) && json_object_get(msg, "tool_calls"))
        json_object_set_new(msg, "content", json_string("")); /* OpenAI sends null here */
    else if (!json_is_string(content))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: message %zu: \"content\" is not a text", what,
                         i + 1);
    return check_weight(msg, what, i, err);
}

static cmat_status check_messages(json_t *messages, const char *what, cmat_error *err)
{
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: no messages", what);
    for (size_t i = 0; i < json_array_size(messages); i++) {
        cmat_status st = check_message(json_array_get(messages, i), what, i, err);
        if (st != CMAT_OK)
            return st;
    }
    return CMAT_OK;
}

static char *make_id(const json_t *messages)
{
    cmat_buf b = {0};
    cmat_json_print(&b, messages);
    char *id = cmat_xasprintf("%016" PRIx64, cmat_fnv1a(b.data, b.len));
    cmat_buf_clear(&b);
    return id;
}

static void append(cmat_dataset *ds, cmat_row row)
{
    ds->items = cmat_xgrow(ds->items, &ds->cap, ds->n + 1, sizeof *ds->items);
    ds->items[ds->n++] = row;
}

cmat_status cmat_row_init(cmat_row *out, json_t *messages, const char *id, double weight,
                          const char *what, cmat_error *err)
{
    cmat_status st = check_messages(messages, what, err);
    if (st == CMAT_OK && !(weight > 0 && weight <= 1e6))
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: weight %g is not above 0", what, weight);
    *out = (cmat_row){0};
    if (st != CMAT_OK) {
        json_decref(messages);
        return st;
    }
    *out = (cmat_row){.messages = messages,
                      .extra = json_object(),
                      .id = id ? cmat_xstrdup(id) : make_id(messages),
                      .weight = (float)weight};
    return CMAT_OK;
}

cmat_status cmat_dataset_add(cmat_dataset *ds, json_t *messages, const char *id, double weight,
                             const char *what, cmat_error *err)
{
    cmat_row row;
    cmat_status st = cmat_row_init(&row, messages, id, weight, what, err);
    if (st == CMAT_OK)
        append(ds, row);
    return st;
}

void cmat_dataset_take_row(cmat_dataset *ds, cmat_row *row)
{
    append(ds, *row);
    *row = (cmat_row){0};
}

void cmat_dataset_add_row(cmat_dataset *ds, const cmat_row *row)
{
    cmat_row copy = *row;
    copy.messages = json_incref(row->messages);
    copy.extra = json_incref(row->extra);
    copy.id = cmat_xstrdup(row->id);
    append(ds, copy);
}

void cmat_row_clear(cmat_row *r)
{
    json_decref(r->messages);
    json_decref(r->extra);
    free(r->id);
    *r = (cmat_row){0};
}

void cmat_dataset_truncate(cmat_dataset *ds, size_t n)
{
    while (ds->n > n)
        cmat_row_clear(&ds->items[--ds->n]);
}

void cmat_dataset_clear(cmat_dataset *ds)
{
    cmat_dataset_truncate(ds, 0);
    free(ds->items);
    *ds = (cmat_dataset){0};
}

size_t cmat_dataset_filter(cmat_dataset *ds, bool (*keep)(void *user, const cmat_row *row),
                           void *user)
{
    size_t n = 0, before = ds->n;
    for (size_t i = 0; i < before; i++) {
        if (keep(user, &ds->items[i]))
            ds->items[n++] = ds->items[i];
        else
            cmat_row_clear(&ds->items[i]);
    }
    ds->n = n;
    return before - n;
}

typedef struct {
    size_t min, max;
} length_range;

static bool length_fits(void *user, const cmat_row *row)
{
    const length_range *r = user;
    size_t len = 0, i;
    bool learns = false;
    json_t *msg;
    json_array_foreach(row->messages, i, msg)
    {
        len += json_string_length(json_object_get(msg, "content"));
        learns = learns || (strcmp(cmat_json_str(msg, "role", ""), "assistant") == 0 &&
                            cmat_json_num(msg, "weight", 1) > 0);
    }
    return learns && len >= r->min && (!r->max || len <= r->max);
}

size_t cmat_dataset_filter_length(cmat_dataset *ds, size_t min_chars, size_t max_chars)
{
    length_range r = {min_chars, max_chars};
    return cmat_dataset_filter(ds, length_fits, &r);
}

/* One part of a mixture being gone through. */
typedef struct {
    size_t *order, n, next;
    double given; /* rows drawn so far, over the share */
} mix_state;

static const cmat_row *mix_next(mix_state *s, const cmat_mix_part *part, cmat_rng *rng)
{
    if (s->next == s->n) {
        cmat_rng_shuffle(rng, s->order, s->n, sizeof *s->order);
        s->next = 0;
    }
    s->given += 1 / part->share;
    return &part->from->items[s->order[s->next++]];
}

cmat_status cmat_dataset_mix(cmat_dataset *out, const cmat_mix_part *parts, size_t n_parts,
                             size_t n, uint64_t seed, cmat_error *err)
{
    for (size_t p = 0; p < n_parts; p++)
        if (!parts[p].from->n || !(parts[p].share > 0))
            return cmat_fail(err, CMAT_ERR_ARG, "mix: part %zu %s", p + 1,
                             parts[p].from->n ? "has no share above 0" : "has no rows");
    if (!n_parts)
        return cmat_fail(err, CMAT_ERR_ARG, "mix: no parts");
    mix_state *s = cmat_xcalloc(n_parts, sizeof *s);
    cmat_rng rng;
    cmat_rng_init(&rng, seed);
    for (size_t p = 0; p < n_parts; p++) {
        s[p].n = s[p].next = parts[p].from->n;
        s[p].order = cmat_xcalloc(s[p].n, sizeof *s[p].order);
        for (size_t i = 0; i < s[p].n; i++)
            s[p].order[i] = i;
    }
    for (size_t i = 0; i < n; i++) { /* the part that is furthest behind its share is next */
        size_t best = 0;
        for (size_t p = 1; p < n_parts; p++)
            if (s[p].given < s[best].given)
                best = p;
        cmat_dataset_add_row(out, mix_next(&s[best], &parts[best], &rng));
    }
    for (size_t p = 0; p < n_parts; p++)
        free(s[p].order);
    free(s);
    return CMAT_OK;
}

void cmat_dataset_split(const cmat_dataset *ds, double fraction, uint64_t seed, cmat_dataset *a,
                        cmat_dataset *b)
{
    for (size_t i = 0; i < ds->n; i++) {
        cmat_rng rng;
        cmat_rng_init_sub(&rng, seed, cmat_fnv1a(ds->items[i].id, strlen(ds->items[i].id)));
        cmat_dataset_add_row(cmat_rng_double(&rng) < fraction ? b : a, &ds->items[i]);
    }
}

void cmat_dataset_shuffle(cmat_dataset *ds, uint64_t seed)
{
    cmat_rng rng;
    cmat_rng_init(&rng, seed);
    cmat_rng_shuffle(&rng, ds->items, ds->n, sizeof *ds->items);
}
