/* env/house/spec.c - a house's description to the texts of a game. */
#include "core/json.h"
#include "core/mem.h"
#include "env/house/kinds.h"
#include "env/house/make.h"
#include "env/house/text.h"
#include <stdlib.h>
#include <string.h>

#define MAX_THINGS 500

typedef struct {
    const json_t *receptacles, *objects;
    cmat_buf names, facts; /* of :objects and :init */
    cmat_error *err;
} spec;

static cmat_status wrong(spec *s, const char *msg, const char *name)
{
    return cmat_fail(s->err, CMAT_ERR_FORMAT, "house: %s %.40s", msg, name ? name : "");
}

/* "cabinet_bar_03"; a basin is named as ALFWorld names it: "sink_bar_01_bar_sinkbasin". */
static void thing_id(char *out, size_t size, const char *kind, size_t i)
{
    const size_t n = strlen(kind);
    if (n > 5 && strcmp(kind + n - 5, "basin") == 0)
        snprintf(out, size, "%.*s_bar_%03zu_bar_%s", (int)n - 5, kind, i, kind);
    else
        snprintf(out, size, "%s_bar_%03zu", kind, i);
}

static void object_kind_facts(spec *s, const house_object_kind *k, const char *id)
{
    static const struct {
        int trait;
        const char *predicate;
    } traits[] = {{HOUSE_CLEANABLE, "cleanable"},
                  {HOUSE_HEATABLE, "heatable"},
                  {HOUSE_COOLABLE, "coolable"},
                  {HOUSE_SLICEABLE, "sliceable"},
                  {HOUSE_LAMP, "toggleable"}};
    for (size_t i = 0; i < sizeof traits / sizeof *traits; i++)
        if (k->traits & traits[i].trait)
            cmat_buf_printf(&s->facts, "(%s %s)", traits[i].predicate, id);
    if (!(k->traits & HOUSE_LAMP))
        cmat_buf_printf(&s->facts, "(pickupable %s)", id);
}

static cmat_status add_receptacles(spec *s)
{
    size_t i;
    const json_t *j;
    char id[80];
    json_array_foreach(s->receptacles, i, j)
    {
        const house_receptacle_kind *k =
            json_is_string(j) ? house_receptacle_find(json_string_value(j)) : NULL;
        if (!k)
            return wrong(s, "no such kind of receptacle:", json_string_value(j));
        thing_id(id, sizeof id, k->name, i);
        cmat_buf_printf(&s->names, "%s - receptacle loc_bar_%03zu - location\n", id, i);
        cmat_buf_printf(&s->facts,
                        "(receptacleType %s %sType)(receptacleAtLocation %s loc_bar_%03zu)", id,
                        k->name, id, i);
        if (k->openable)
            cmat_buf_printf(&s->facts, "(openable %s)", id);
        cmat_buf_putc(&s->facts, '\n');
    }
    return CMAT_OK;
}

static cmat_status add_objects(spec *s)
{
    size_t i;
    const json_t *j;
    char id[80], in[80];
    json_array_foreach(s->objects, i, j)
    {
        const char *kind = json_string_value(json_array_get(j, 0));
        const json_int_t place =
            json_is_integer(json_array_get(j, 1)) ? json_integer_value(json_array_get(j, 1)) : -1;
        const house_object_kind *k = kind ? house_object_find(kind) : NULL;
        if (!k)
            return wrong(s, "no such kind of object:", kind);
        if (place < 0 || (size_t)place >= json_array_size(s->receptacles))
            return wrong(s, "an object is in no receptacle:", kind);
        thing_id(id, sizeof id, k->name, i);
        thing_id(in, sizeof in, json_string_value(json_array_get(s->receptacles, (size_t)place)),
                 (size_t)place);
        cmat_buf_printf(&s->names, "%s - object\n", id);
        cmat_buf_printf(&s->facts,
                        "(objectType %s %sType)(inReceptacle %s %s)(objectAtLocation %s "
                        "loc_bar_%03zu)",
                        id, k->name, id, in, id, (size_t)place);
        object_kind_facts(s, k, id);
        cmat_buf_putc(&s->facts, '\n');
    }
    return CMAT_OK;
}

/* Types, and which goes into which. */
static void add_types(spec *s)
{
    for (size_t r = 0; r < house_n_receptacle_kinds; r++)
        cmat_buf_printf(&s->names, "%sType - rtype\n", house_receptacle_kinds[r].name);
    for (size_t o = 0; o < house_n_object_kinds; o++) {
        cmat_buf_printf(&s->names, "%sType - otype\n", house_object_kinds[o].name);
        for (size_t r = 0; r < house_n_receptacle_kinds; r++)
            if (house_goes_into(&house_object_kinds[o], &house_receptacle_kinds[r]))
                cmat_buf_printf(&s->facts, "(canContain %sType %sType)\n",
                                house_receptacle_kinds[r].name, house_object_kinds[o].name);
    }
}

static cmat_status add_goal(spec *s, const json_t *goal, cmat_buf *out)
{
    static const struct {
        const char *kind, *text; /* $o, $r: the types */
    } goals[] = {
        {"pick_and_place",
         "(exists (?r - receptacle ?o - object) (and (inReceptacle ?o ?r) "
         "(objectType ?o $o) (receptacleType ?r $r)))"},
        {"pick_clean_then_place",
         "(exists (?r - receptacle ?o - object) (and (cleanable ?o) (objectType ?o $o) "
         "(receptacleType ?r $r) (isClean ?o) (inReceptacle ?o ?r)))"},
        {"pick_heat_then_place",
         "(exists (?r - receptacle ?o - object) (and (heatable ?o) (objectType ?o $o) "
         "(receptacleType ?r $r) (isHot ?o) (inReceptacle ?o ?r)))"},
        {"pick_cool_then_place",
         "(exists (?r - receptacle ?o - object) (and (coolable ?o) (objectType ?o $o) "
         "(receptacleType ?r $r) (isCool ?o) (inReceptacle ?o ?r)))"},
        {"look_at_obj",
         "(and (exists (?t - object ?r - receptacle ?a - agent ?l - location) (and "
         "(objectType ?t $r) (toggleable ?t) (isToggled ?t) "
         "(receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?t ?r))) "
         "(exists (?o - object ?a - agent) (and (objectType ?o $o) (holds ?a ?o))))"},
        {"pick_two_obj",
         "(exists (?r - receptacle ?o - object ?p - object) (and (not (= ?o ?p)) "
         "(objectType ?o $o) (objectType ?p $o) (receptacleType ?r $r) (inReceptacle ?o ?r) "
         "(inReceptacle ?p ?r)))"},
    };
    const char *kind = cmat_json_str(goal, "kind", ""), *o = cmat_json_str(goal, "object", ""),
               *r = cmat_json_str(goal, "receptacle", "");
    const bool look = strcmp(kind, "look_at_obj") == 0;
    if (!house_object_find(o) ||
        !(look ? house_object_find(r) != NULL : house_receptacle_find(r) != NULL))
        return wrong(s, "the goal speaks of no kind of thing", o);
    for (size_t i = 0; i < sizeof goals / sizeof *goals; i++) {
        if (strcmp(goals[i].kind, kind) != 0)
            continue;
        for (const char *p = goals[i].text; *p; p++) {
            if (*p == '$')
                cmat_buf_printf(out, "%sType", *++p == 'o' ? o : r);
            else
                cmat_buf_putc(out, *p);
        }
        return CMAT_OK;
    }
    return wrong(s, "no such kind of goal:", kind);
}

/* The task's sentence stands inside a JSON string inside the grammar: nothing that ends either. */
static bool is_plain(const char *text)
{
    if (!*text || strlen(text) > 200)
        return false;
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || strchr("\"\\#[]{}|<>;", *text))
            return false;
    return true;
}

json_t *house_spec_game(const json_t *house, cmat_error *err)
{
    spec s = {.receptacles = json_object_get(house, "receptacles"),
              .objects = json_object_get(house, "objects"),
              .err = err};
    const char *text = cmat_json_str(house, "text", "");
    const int64_t at = cmat_json_int(house, "at", -1);
    const size_t n = json_array_size(s.receptacles);
    cmat_buf goal = {0}, problem = {0}, grammar = {0};
    json_t *game = NULL;
    cmat_status st = CMAT_OK;
    if (n == 0 || n > MAX_THINGS || json_array_size(s.objects) > MAX_THINGS)
        st = wrong(&s, "no receptacles, or too many things", NULL);
    else if (at < -1 || at >= (int64_t)n)
        st = wrong(&s, "one starts nowhere", NULL);
    else if (!is_plain(text))
        st = wrong(&s, "\"text\" is missing or holds signs that it must not", NULL);
    if (st == CMAT_OK)
        st = add_receptacles(&s);
    if (st == CMAT_OK)
        st = add_objects(&s);
    if (st == CMAT_OK)
        st = add_goal(&s, json_object_get(house, "goal"), &goal);
    if (st == CMAT_OK) {
        add_types(&s);
        cmat_buf_printf(&s.names, "agent1 - agent loc_bar_start - location\n");
        if (at < 0)
            cmat_buf_puts(&s.facts, "(atLocation agent1 loc_bar_start)\n");
        else
            cmat_buf_printf(&s.facts, "(atLocation agent1 loc_bar_%03d)\n", (int)at);
        cmat_buf_printf(&problem,
                        "(define (problem house) (:domain house)\n(:objects\n%s)\n(:init\n%s)\n"
                        "(:goal %s))\n",
                        cmat_buf_str(&s.names), cmat_buf_str(&s.facts), cmat_buf_str(&goal));
        const char *hole = strstr(house_grammar_text, "%s");
        cmat_buf_add(&grammar, house_grammar_text, (size_t)(hole - house_grammar_text));
        cmat_buf_puts(&grammar, text);
        cmat_buf_puts(&grammar, hole + 2);
        game = json_pack("{s:s, s:s, s:s}", "pddl_domain", house_domain, "pddl_problem",
                         problem.data, "grammar", grammar.data);
        if (!game)
            wrong(&s, "\"text\" is not UTF-8", NULL);
    }
    cmat_buf_clear(&s.names);
    cmat_buf_clear(&s.facts);
    cmat_buf_clear(&goal);
    cmat_buf_clear(&problem);
    cmat_buf_clear(&grammar);
    return game;
}
