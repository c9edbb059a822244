/* env/house/kinds.h - what houses are made of: kinds of receptacles and of objects, and what goes
 * where. */
#ifndef CMAT_ENV_HOUSE_KINDS_H
#define CMAT_ENV_HOUSE_KINDS_H
#include <stdbool.h>
#include <stddef.h>

enum { HOUSE_KITCHEN = 1, HOUSE_BATHROOM = 2, HOUSE_BEDROOM = 4, HOUSE_LIVING = 8 };
enum {
    HOUSE_CLEANABLE = 1,
    HOUSE_HEATABLE = 2,
    HOUSE_COOLABLE = 4,
    HOUSE_SLICEABLE = 8,
    HOUSE_LAMP = 16
};

typedef struct {
    const char *name; /* lower case, as in the game's text */
    bool openable;
    int rooms;    /* sum of HOUSE_KITCHEN ... */
    int min, max; /* in a room */
    bool on;      /* things are on it, not in it */
} house_receptacle_kind;

typedef struct {
    const char *name;
    int rooms, traits;
    const char *places; /* kinds of receptacles, between blanks */
} house_object_kind;

extern const house_receptacle_kind house_receptacle_kinds[];
extern const house_object_kind house_object_kinds[];
extern const size_t house_n_receptacle_kinds, house_n_object_kinds;

/* NULL: no such kind. */
const house_receptacle_kind *house_receptacle_find(const char *name);
const house_object_kind *house_object_find(const char *name);
bool house_goes_into(const house_object_kind *o, const house_receptacle_kind *r);
#endif
