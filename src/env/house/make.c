/* env/house/make.c - the generator: a goal, a room in which it makes sense, things in it, and the
 * planner's word that it can be done. */
#include "env/house/make.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/rng.h"
#include "env/house/kinds.h"
#include "env/house/plan.h"
#include <stdlib.h>
#include <string.h>

#define TRIES 2000         /* for one task */
#define LONGEST 30         /* steps of a plan */
#define MAX_RECEPTACLES 64 /* in a room */

typedef enum { PUT, CLEAN, HEAT, COOL, LOOK, TWO, N_KINDS } task_kind;

static const struct {
    const char *name;
    int trait;            /* that the object must have */
    const char *texts[3]; /* $o, $r: object, receptacle; $i: "in" or "on" */
} kinds[N_KINDS] = {
    [PUT] = {"pick_and_place",
             0,
             {"put a $o $i $r.", "put some $o $i $r.", "find some $o and put it $i $r."}},
    [CLEAN] = {"pick_clean_then_place",
               HOUSE_CLEANABLE,
               {"clean some $o and put it $i $r.", "put a clean $o $i $r.",
                "put a clean $o $i $r."}},
    [HEAT] = {"pick_heat_then_place",
              HOUSE_HEATABLE,
              {"heat some $o and put it $i $r.", "put a hot $o $i $r.",
               "heat some $o and put it $i $r."}},
    [COOL] = {"pick_cool_then_place",
              HOUSE_COOLABLE,
              {"cool some $o and put it $i $r.", "put a cool $o $i $r.",
               "cool some $o and put it $i $r."}},
    [LOOK] = {"look_at_obj",
              0,
              {"look at $o under the $r.", "examine the $o with the $r.",
               "look at $o under the $r."}},
    [TWO] = {"pick_two_obj",
             0,
             {"put two $o $i $r.", "find two $o and put them $i $r.", "put two $o $i $r."}},
};

typedef struct {
    cmat_rng *rng;
    task_kind kind;
    const house_object_kind *object;
    const house_receptacle_kind *target; /* NULL where one looks */
    int room;
    const house_receptacle_kind *receptacles[MAX_RECEPTACLES]; /* (n) */
    size_t n;
    json_t *objects;
} draft;

static size_t below(draft *d, size_t n)
{
    return (size_t)cmat_rng_below(d->rng, n);
}

/* The split that a goal belongs to: 8 of 10 train, 1 validation, 1 held out. */
static int split_of(const draft *d)
{
    char *key = cmat_xasprintf("%s %s %s", kinds[d->kind].name, d->object->name,
                               d->target ? d->target->name : "desklamp");
    char hex[65];
    cmat_sha256_hex(key, strlen(key), hex);
    free(key);
    const int part = (int)(strtol((char[]){hex[0], hex[1], hex[2], 0}, NULL, 16) % 10);
    return part == 0 ? 2 : part == 1 ? 1 : 0;
}

/* Object, room and target of the draft's kind; false: they do not go together. */
static bool choose_goal(draft *d)
{
    static const int rooms[] = {HOUSE_KITCHEN, HOUSE_BATHROOM, HOUSE_BEDROOM, HOUSE_LIVING};
    d->kind = (task_kind)below(d, N_KINDS);
    d->object = &house_object_kinds[below(d, house_n_object_kinds)];
    d->room = rooms[below(d, 4)];
    d->target =
        d->kind == LOOK ? NULL : &house_receptacle_kinds[below(d, house_n_receptacle_kinds)];
    const house_object_kind *lamp = house_object_find("desklamp");
    if (!(d->object->rooms & d->room) || (d->object->traits & HOUSE_LAMP) ||
        (d->object->traits & kinds[d->kind].trait) != kinds[d->kind].trait)
        return false;
    if (!d->target)
        return (lamp->rooms & d->room) != 0;
    return (d->target->rooms & d->room) && house_goes_into(d->object, d->target) &&
           !(d->kind == COOL && strcmp(d->target->name, "fridge") == 0) &&
           !(d->kind == HEAT && strcmp(d->target->name, "microwave") == 0) &&
           !(d->kind == CLEAN && strcmp(d->target->name, "sinkbasin") == 0);
}

static void furnish(draft *d)
{
    d->n = 0;
    for (size_t i = 0; i < house_n_receptacle_kinds; i++) {
        const house_receptacle_kind *k = &house_receptacle_kinds[i];
        if (!(k->rooms & d->room))
            continue;
        int n = k->min + (int)below(d, (size_t)(k->max - k->min) + 1);
        n = n == 0 && k == d->target ? 1 : n;
        while (n-- > 0 && d->n < MAX_RECEPTACLES)
            d->receptacles[d->n++] = k;
    }
}

/* Puts a thing somewhere it may be, not in a receptacle of the kind `not`. */
static bool place(draft *d, const house_object_kind *k, const house_receptacle_kind * not )
{
    size_t fit[MAX_RECEPTACLES], n = 0;
    for (size_t i = 0; i < d->n; i++)
        if (d->receptacles[i] != not &&house_goes_into(k, d->receptacles[i]))
            fit[n++] = i;
    if (n == 0)
        return false;
    json_array_append_new(d->objects, json_pack("[s, i]", k->name, (int)fit[below(d, n)]));
    return true;
}

/* Things that play no part; the goal's own kind stays as rare as it is. */
static void clutter(draft *d)
{
    size_t n = 6 + below(d, 15);
    while (n > 0) {
        const house_object_kind *k = &house_object_kinds[below(d, house_n_object_kinds)];
        if (!(k->rooms & d->room) || (k->traits & HOUSE_LAMP) || k == d->object)
            continue;
        place(d, k, NULL);
        n--;
    }
}

static json_t *task_text(draft *d)
{
    cmat_buf b = {0};
    for (const char *p = kinds[d->kind].texts[below(d, 3)]; *p; p++) {
        if (*p != '$')
            cmat_buf_putc(&b, *p);
        else if (*++p == 'o')
            cmat_buf_puts(&b, d->object->name);
        else if (*p == 'r')
            cmat_buf_puts(&b, d->target ? d->target->name : "desklamp");
        else
            cmat_buf_puts(&b, d->target && d->target->on ? "on" : "in");
    }
    json_t *j = json_string(cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return j;
}

/* The house of a draft, or NULL: the things find no place. */
static json_t *build(draft *d)
{
    json_t *receptacles = json_array();
    size_t copies = (d->kind == TWO ? 2 : 1) + below(d, 2);
    bool ok = true;
    d->objects = json_array();
    furnish(d);
    for (size_t i = 0; i < d->n; i++)
        json_array_append_new(receptacles, json_string(d->receptacles[i]->name));
    while (ok && copies-- > 0)
        ok = place(d, d->object, d->target);
    if (ok && d->kind == LOOK)
        ok = place(d, house_object_find("desklamp"), NULL);
    clutter(d);
    if (!ok) {
        json_decref(receptacles);
        json_decref(d->objects);
        return NULL;
    }
    return json_pack("{s:o, s:o, s:i, s:{s:s, s:s, s:s}, s:o}", "receptacles", receptacles,
                     "objects", d->objects, "at", -1, "goal", "kind", kinds[d->kind].name, "object",
                     d->object->name, "receptacle", d->target ? d->target->name : "desklamp",
                     "text", task_text(d));
}

/* The planner's way, when it is one worth doing. */
static json_t *solve(const json_t *house, cmat_error *err)
{
    json_t *j = house_spec_game(house, err), *way = NULL;
    house_game *game = NULL;
    house_state start = {0};
    if (j && house_game_new(&game, j, "house", err) == CMAT_OK) {
        house_state_init(&start, game->pddl);
        way = house_plan(game, &start);
        if (json_array_size(way) < 2 || json_array_size(way) > LONGEST) {
            json_decref(way);
            way = NULL;
        }
    }
    house_state_clear(&start);
    house_game_unref(game);
    json_decref(j);
    return way;
}

static cmat_status add_task(json_t *house, json_t *gold, json_t *known, cmat_task_list *out,
                            cmat_error *err)
{
    char hex[65], id[32];
    cmat_buf text = {0};
    cmat_task t;
    cmat_json_print(&text, house);
    cmat_sha256_hex(text.data, text.len, hex);
    cmat_buf_clear(&text);
    snprintf(id, sizeof id, "house-%.16s", hex);
    if (json_object_get(known, id))
        return CMAT_OK;
    json_object_set_new(known, id, json_true());
    json_t *j = json_pack("{s:s, s:s, s:O, s:O, s:O, s:O}", "id", id, "env", "house", "kind",
                          json_object_get(json_object_get(house, "goal"), "kind"), "instruction",
                          json_object_get(house, "text"), "gold", gold, "house", house);
    cmat_status st = cmat_task_init(&t, j, err);
    if (st == CMAT_OK)
        cmat_task_list_add(out, t);
    json_decref(j);
    return st;
}

/* Draws houses until one belongs to the split and can be done. */
static cmat_status make_one(cmat_rng *rng, int split, json_t *known, cmat_task_list *out,
                            cmat_error *err)
{
    const size_t before = out->n;
    for (int i = 0; i < TRIES; i++) {
        draft d = {.rng = rng};
        if (!choose_goal(&d) || split_of(&d) != split)
            continue;
        json_t *house = build(&d), *gold = house ? solve(house, err) : NULL;
        cmat_status st = gold ? add_task(house, gold, known, out, err) : CMAT_OK;
        json_decref(house);
        json_decref(gold);
        if (st != CMAT_OK || out->n > before)
            return st;
    }
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "house: no house could be made in %d tries", TRIES);
}

cmat_status house_generate(int split, size_t n, uint64_t seed, cmat_task_list *out, cmat_error *err)
{
    json_t *known = json_object();
    cmat_status st = CMAT_OK;
    for (size_t i = 0; i < n && st == CMAT_OK; i++) {
        cmat_rng rng;
        cmat_rng_init_sub(&rng, seed, 3 * (uint64_t)i + (uint64_t)split);
        st = make_one(&rng, split, known, out, err);
    }
    json_decref(known);
    return st;
}
