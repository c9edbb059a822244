/* env/house/kinds.c - the tables. Names are those that ALFWorld's games use, so that what is
 * learned here holds there. */
#include "env/house/kinds.h"
#include <string.h>

enum { K = HOUSE_KITCHEN, B = HOUSE_BATHROOM, D = HOUSE_BEDROOM, L = HOUSE_LIVING };
enum { C = HOUSE_CLEANABLE, H = HOUSE_HEATABLE, O = HOUSE_COOLABLE, S = HOUSE_SLICEABLE };

const house_receptacle_kind house_receptacle_kinds[] = {
    {"armchair", false, D | L, 0, 2, true},
    {"bathtubbasin", false, B, 0, 1, false},
    {"bed", false, D, 1, 1, true},
    {"cabinet", true, K | B | L, 2, 8, false},
    {"coffeemachine", false, K, 1, 1, false},
    {"coffeetable", false, L, 1, 1, true},
    {"countertop", false, K | B, 1, 3, true},
    {"desk", false, D, 1, 2, true},
    {"diningtable", false, K | L, 0, 1, true},
    {"drawer", true, K | D | L, 2, 8, false},
    {"dresser", false, D | L, 0, 1, true},
    {"fridge", true, K, 1, 1, false},
    {"garbagecan", false, K | B | D | L, 1, 1, false},
    {"handtowelholder", false, B, 1, 2, true},
    {"microwave", true, K, 1, 1, false},
    {"safe", true, D | L, 0, 1, false},
    {"shelf", false, K | B | D | L, 0, 5, true},
    {"sidetable", false, K | D | L, 1, 2, true},
    {"sinkbasin", false, K | B, 1, 2, false},
    {"sofa", false, L, 1, 1, true},
    {"stoveburner", false, K, 2, 4, true},
    {"toaster", false, K, 1, 1, false},
    {"toilet", false, B, 1, 1, true},
    {"toiletpaperhanger", false, B, 1, 1, true},
    {"towelholder", false, B, 0, 1, true},
    {"tvstand", false, L, 1, 1, true},
};
const size_t house_n_receptacle_kinds =
    sizeof house_receptacle_kinds / sizeof *house_receptacle_kinds;

#define SURFACES " countertop diningtable sidetable shelf "
#define FURNITURE " desk dresser sidetable shelf diningtable coffeetable tvstand "
#define FOOD SURFACES " fridge garbagecan sinkbasin microwave "
#define DISHES SURFACES " cabinet sinkbasin "
#define SMALL FURNITURE " drawer cabinet "
#define BATHING " countertop shelf cabinet garbagecan toilet sinkbasin bathtubbasin sidetable "

const house_object_kind house_object_kinds[] = {
    {"alarmclock", D, 0, FURNITURE},
    {"apple", K, C | H | O | S, FOOD},
    {"baseballbat", D, 0, " bed desk sidetable "},
    {"basketball", D, 0, " bed armchair dresser sidetable "},
    {"book", D | L, 0, SMALL " bed sofa armchair "},
    {"bowl", K, C | O, DISHES " fridge microwave "},
    {"box", D | L, 0, FURNITURE " sofa armchair cabinet "},
    {"bread", K, H | O | S, FOOD},
    {"butterknife", K, C, SURFACES " drawer sinkbasin "},
    {"candle", B | L, 0, BATHING " drawer coffeetable tvstand "},
    {"cd", D, 0, SMALL " safe garbagecan "},
    {"cellphone", D | L, 0, SMALL " bed sofa armchair safe "},
    {"cloth", B, C, BATHING " drawer "},
    {"creditcard", D | L, 0, SMALL " sofa armchair bed safe "},
    {"cup", K, C | H | O, DISHES " fridge microwave coffeemachine "},
    {"desklamp", D | L, HOUSE_LAMP, " desk dresser sidetable shelf "},
    {"dishsponge", K, C, SURFACES " drawer cabinet sinkbasin garbagecan "},
    {"egg", K, C | H | O, FOOD},
    {"fork", K, C, SURFACES " drawer sinkbasin "},
    {"handtowel", B, 0, " handtowelholder countertop cabinet sinkbasin "},
    {"kettle", K, C, SURFACES " stoveburner cabinet sinkbasin "},
    {"keychain", D | L, 0, SMALL " sofa armchair bed safe "},
    {"knife", K, C, SURFACES " drawer sinkbasin "},
    {"ladle", K, C, SURFACES " drawer cabinet sinkbasin "},
    {"laptop", D | L, 0, " desk bed sofa armchair coffeetable diningtable dresser "},
    {"lettuce", K, C | O | S, FOOD},
    {"mug", K, C | H | O, DISHES " fridge microwave coffeemachine "},
    {"newspaper", L, 0, SMALL " sofa armchair garbagecan "},
    {"pan", K, C | O, DISHES " stoveburner fridge "},
    {"pen", D | L, 0, SMALL " garbagecan "},
    {"pencil", D | L, 0, SMALL " garbagecan "},
    {"peppershaker", K, 0, SURFACES " drawer cabinet "},
    {"pillow", D | L, 0, " bed sofa armchair "},
    {"plate", K, C | H | O, DISHES " fridge microwave "},
    {"pot", K, C | O, DISHES " stoveburner fridge "},
    {"potato", K, C | H | O | S, FOOD},
    {"remotecontrol", L, 0, SMALL " sofa armchair garbagecan "},
    {"saltshaker", K, 0, SURFACES " drawer cabinet "},
    {"soapbar", B, C, BATHING " drawer "},
    {"soapbottle", K | B, 0, BATHING " drawer "},
    {"spatula", K, C, SURFACES " drawer sinkbasin "},
    {"spoon", K, C, SURFACES " drawer sinkbasin "},
    {"spraybottle", B, 0, BATHING " drawer "},
    {"statue", L, 0, FURNITURE},
    {"tissuebox", B | L, 0, FURNITURE " countertop toilet cabinet drawer garbagecan "},
    {"toiletpaper", B, 0, BATHING " toiletpaperhanger drawer "},
    {"tomato", K, C | H | O | S, FOOD},
    {"towel", B, 0, " towelholder bathtubbasin countertop "},
    {"vase", K | L, 0, FURNITURE " countertop cabinet safe "},
    {"watch", D | L, 0, SMALL " sofa safe "},
    {"wateringcan", L, 0, SMALL},
};
const size_t house_n_object_kinds = sizeof house_object_kinds / sizeof *house_object_kinds;

const house_receptacle_kind *house_receptacle_find(const char *name)
{
    for (size_t i = 0; i < house_n_receptacle_kinds; i++)
        if (strcmp(house_receptacle_kinds[i].name, name) == 0)
            return &house_receptacle_kinds[i];
    return NULL;
}

const house_object_kind *house_object_find(const char *name)
{
    for (size_t i = 0; i < house_n_object_kinds; i++)
        if (strcmp(house_object_kinds[i].name, name) == 0)
            return &house_object_kinds[i];
    return NULL;
}

bool house_goes_into(const house_object_kind *o, const house_receptacle_kind *r)
{
    const size_t n = strlen(r->name);
    for (const char *p = strstr(o->places, r->name); p; p = strstr(p + 1, r->name))
        if (p[-1] == ' ' && p[n] == ' ')
            return true;
    return false;
}
