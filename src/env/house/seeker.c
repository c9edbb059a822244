/* env/house/seeker.c - see seeker.h. Everything is read from the game's own sentences, which made
 * houses and ALFWorld's share. */
#include "env/house/seeker.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/house/kinds.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *name; /* "drawer 2" */
    bool closed, looked;
} place;

enum { IN_HAND = -1 };
typedef struct {
    char *name; /* "mug 1" */
    int at;     /* a place, or IN_HAND */
    bool treated;
} thing;

struct house_seeker {
    /* of the task */
    char *object, *target;     /* kinds; NULL: the task was not understood */
    const char *verb, *helper; /* "clean", "sinkbasin"; NULL: the thing stays as it is */
    bool look;                 /* the target is a lamp to be used, not a place */
    bool two;
    place *places; /* (n_places), as the first view names them */
    size_t n_places, cap_places;
    /* of the episode so far */
    thing *things; /* (n_things) wanted things and lamps that were seen */
    size_t n_things, cap_things;
    int at, into;       /* the place where one stands; the target that was chosen; -1: none */
    bool hands_unknown; /* what is in hand has not been seen */
    bool lost;          /* what it said last could not be done */
    cmat_buf said;
};

/* ---- words ---- */

/* "mug 1" is a thing of the kind "mug". */
static bool is_kind(const char *name, const char *kind)
{
    const size_t n = strlen(kind);
    return strncmp(name, kind, n) == 0 && name[n] == ' ';
}

static char *kind_of(const char *name)
{
    return cmat_xstrndup(name, strcspn(name, " "));
}

/* The next name of a list as the game writes it ("a pen 2, and a mug 1."): the caller's, NULL at
 * its end. */
static char *next_name(const char **list)
{
    const char *p = *list + strspn(*list, ", ");
    if (strncmp(p, "and ", 4) == 0)
        p += 4;
    const size_t article = strcspn(p, " .,\n");
    if (p[article] != ' ') /* "nothing.", or the end */
        return NULL;
    p += article + 1;
    const size_t n = strcspn(p, ".,\n");
    *list = p + n;
    return cmat_xstrndup(p, n);
}

/* The list after `mark`, or NULL. */
static const char *list_after(const char *text, const char *mark)
{
    const char *p = strstr(text, mark);
    return p ? p + strlen(mark) : NULL;
}

/* Whether the command is `lead` and a name; *name points to it. */
static bool is_command(const char *command, const char *lead, const char **name)
{
    const size_t n = strlen(lead);
    *name = command + n;
    return strncmp(command, lead, n) == 0;
}

/* ---- the task ---- */

/* Words of tasks that name no thing. */
static const char small_words[] =
    " put find some a an the two clean hot cool heat look at examine it them and in on under with ";

/* What each word asks for beside that. */
static void take_word(house_seeker *s, const char *word)
{
    static const struct {
        const char *word, *verb, *helper;
    } verbs[] = {{"clean", "clean", "sinkbasin"},
                 {"heat", "heat", "microwave"},
                 {"hot", "heat", "microwave"},
                 {"cool", "cool", "fridge"}};
    char *key = cmat_xasprintf(" %s ", word);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(word, verbs[i].word) == 0) {
            s->verb = verbs[i].verb;
            s->helper = verbs[i].helper;
        }
    s->two |= strcmp(word, "two") == 0;
    s->look |= strcmp(word, "look") == 0 || strcmp(word, "examine") == 0;
    if (!strstr(small_words, key)) { /* the thing, then where it is to go */
        char **slot = s->object ? &s->target : &s->object;
        free(*slot);
        *slot = cmat_xstrdup(word);
    }
    free(key);
}

static void read_task(house_seeker *s, const char *task)
{
    static const char ends[] = " .,\n";
    for (const char *p = task + strspn(task, " "); *p && *p != '\n'; p += strspn(p, " .,")) {
        const size_t n = strcspn(p, ends);
        char *word = cmat_xstrndup(p, n);
        take_word(s, word);
        free(word);
        p += n;
    }
}

house_seeker *house_seeker_new(const char *view)
{
    house_seeker *s = cmat_xcalloc(1, sizeof *s);
    const char *list = list_after(view, "you see "), *task = list_after(view, "Your task is to: ");
    char *name;
    house_seeker_forget(s);
    s->hands_unknown = false;
    if (task)
        read_task(s, task);
    while (list && (name = next_name(&list))) {
        s->places = cmat_xgrow(s->places, &s->cap_places, s->n_places + 1, sizeof *s->places);
        s->places[s->n_places++] = (place){.name = name};
    }
    return s;
}

void house_seeker_forget(house_seeker *s)
{
    for (size_t i = 0; i < s->n_things; i++)
        free(s->things[i].name);
    s->n_things = 0;
    for (size_t i = 0; i < s->n_places; i++)
        s->places[i].closed = s->places[i].looked = false;
    s->at = s->into = -1;
    s->hands_unknown = true;
    s->lost = false;
}

void house_seeker_free(house_seeker *s)
{
    if (!s)
        return;
    house_seeker_forget(s);
    for (size_t i = 0; i < s->n_places; i++)
        free(s->places[i].name);
    free(s->places);
    free(s->things);
    free(s->object);
    free(s->target);
    cmat_buf_clear(&s->said);
    free(s);
}

/* ---- seeing ---- */

static int find_place(const house_seeker *s, const char *name)
{
    for (size_t i = 0; i < s->n_places; i++)
        if (strcmp(s->places[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* A thing that was seen or is in hand now. */
static thing *note_thing(house_seeker *s, const char *name, size_t len, int at)
{
    size_t i = 0;
    while (i < s->n_things &&
           (strncmp(s->things[i].name, name, len) != 0 || s->things[i].name[len] != '\0'))
        i++;
    if (i == s->n_things) {
        s->things = cmat_xgrow(s->things, &s->cap_things, i + 1, sizeof *s->things);
        s->things[s->n_things++] = (thing){.name = cmat_xstrndup(name, len)};
    }
    s->things[i].at = at;
    return &s->things[i];
}

/* What is in a place, or in hand, as the answer lists it. */
static void note_list(house_seeker *s, const char *list, int at)
{
    char *name;
    while ((name = next_name(&list))) {
        note_thing(s, name, strlen(name), at);
        free(name);
    }
}

static void look_into(house_seeker *s, int at, const char *answer)
{
    const char *list = list_after(answer, "you see ");
    if (at < 0)
        return;
    s->places[at].closed = strstr(answer, " is closed.") != NULL;
    if (s->places[at].closed || !list)
        return;
    s->places[at].looked = true;
    note_list(s, list, at);
}

/* Commands with two names, `between` them ("take", " from "); false: it is none of them. */
static bool move_thing(house_seeker *s, const char *command, const char *lead, const char *between,
                       bool taken)
{
    const char *name, *other;
    if (!is_command(command, lead, &name) || !(other = strstr(name, between)))
        return false;
    const int where = find_place(s, other + strlen(between));
    note_thing(s, name, (size_t)(other - name), taken ? IN_HAND : where >= 0 ? where : s->at);
    s->hands_unknown = false;
    return true;
}

static void treat_thing(house_seeker *s, const char *command)
{
    const char *name, *with = strstr(command, " with ");
    const size_t n = s->verb ? strlen(s->verb) : 0;
    if (!with || n == 0 || strncmp(command, s->verb, n) != 0 || command[n] != ' ')
        return;
    name = command + n + 1;
    if (name < with)
        note_thing(s, name, (size_t)(with - name), IN_HAND)->treated = true;
}

/* One cannot go where one is: two places may be side by side, which the first view does not say.
 * Nothing else that it says should fail. */
static void see_failure(house_seeker *s, const char *command)
{
    const char *name;
    const int to = is_command(command, "go to ", &name) ? find_place(s, name) : -1;
    if (to >= 0 && to != s->at)
        s->at = to;
    else
        s->lost |= strcmp(command, cmat_buf_str(&s->said)) == 0;
}

void house_seeker_see(house_seeker *s, const char *command, const char *answer)
{
    const char *name, *list;
    if (strncmp(answer, "Nothing happens.", strlen("Nothing happens.")) == 0) {
        see_failure(s, command);
        return;
    }
    if (is_command(command, "go to ", &name)) {
        s->at = find_place(s, name);
        look_into(s, s->at, answer);
    } else if (is_command(command, "open ", &name) || is_command(command, "examine ", &name)) {
        look_into(s, find_place(s, name), answer);
    } else if (is_command(command, "close ", &name)) {
        const int at = find_place(s, name);
        if (at >= 0)
            s->places[at].closed = true;
    } else if (strcmp(command, "inventory") == 0) {
        s->hands_unknown = false;
        if ((list = list_after(answer, "You are carrying: ")))
            note_list(s, list, IN_HAND);
    } else if (!move_thing(s, command, "take ", " from ", true) &&
               !move_thing(s, command, "move ", " to ", false)) {
        treat_thing(s, command);
    }
}

/* ---- choosing ---- */

static const thing *in_hand(const house_seeker *s)
{
    for (size_t i = 0; i < s->n_things; i++)
        if (s->things[i].at == IN_HAND)
            return &s->things[i];
    return NULL;
}

/* Whether the thing lies where it is to end, as it is to be. */
static bool is_done(const house_seeker *s, const thing *t)
{
    return t->at >= 0 && t->at == s->into && (!s->verb || t->treated);
}

/* A thing of the kind that was seen and is not done yet. */
static const thing *find_thing(const house_seeker *s, const char *kind)
{
    for (size_t i = 0; i < s->n_things; i++)
        if (s->things[i].at >= 0 && is_kind(s->things[i].name, kind) && !is_done(s, &s->things[i]))
            return &s->things[i];
    return NULL;
}

/* The last place of a kind as the first view names them: the one with number 1. */
static int place_of_kind(const house_seeker *s, const char *kind)
{
    for (size_t i = s->n_places; i-- > 0;)
        if (is_kind(s->places[i].name, kind))
            return (int)i;
    return -1;
}

/* Of two things one may lie where it is to be: the other is then brought to it. */
static int choose_target(const house_seeker *s)
{
    for (size_t i = 0; s->two && i < s->n_things; i++)
        if (s->things[i].at >= 0 && is_kind(s->things[i].name, s->object) &&
            is_kind(s->places[s->things[i].at].name, s->target))
            return s->things[i].at;
    return place_of_kind(s, s->target);
}

/* How late a thing of the kind is looked for there: 0 to 3. */
static int rank_of(const house_seeker *s, const place *p, const char *kind)
{
    char *name = kind_of(p->name);
    const house_receptacle_kind *r = house_receptacle_find(name);
    const house_object_kind *o = house_object_find(kind);
    /* Where it is to go it hardly is, or nothing would have been to do. */
    const bool aim = !s->look && !s->verb && strcmp(name, s->target) == 0;
    const bool likely = !aim && (!o || !r || house_goes_into(o, r));
    free(name);
    return 2 * !likely + (r && r->openable);
}

/* The first place of the lowest rank that has not been looked at; -1: none. */
static int next_place(const house_seeker *s, const char *kind)
{
    int best = -1, best_rank = 4;
    for (size_t i = 0; i < s->n_places; i++) {
        const int rank = s->places[i].looked ? 4 : rank_of(s, &s->places[i], kind);
        if (rank < best_rank) {
            best = (int)i;
            best_rank = rank;
        }
    }
    return best;
}

/* Goes to the place, opens it, or looks at what has not been seen of it; false: that is all done.
 */
static bool approach(const house_seeker *s, int to, cmat_buf *out)
{
    const place *p = &s->places[to];
    if (s->at == to && !p->closed && p->looked)
        return false;
    cmat_buf_printf(out, "%s %s", s->at != to ? "go to" : p->closed ? "open" : "examine", p->name);
    return true;
}

/* One step towards a thing of the kind; *found: it is here. False: there is nowhere to look. */
static bool seek(const house_seeker *s, const char *kind, const thing **found, cmat_buf *out)
{
    const thing *t = find_thing(s, kind);
    const int to = t ? t->at : next_place(s, kind);
    *found = NULL;
    if (to < 0)
        return false;
    if (!approach(s, to, out))
        *found = t;
    return true;
}

/* The thing wanted is in hand. */
static bool deliver(house_seeker *s, const thing *held, cmat_buf *out)
{
    const thing *lamp;
    if (s->look) {
        if (!seek(s, s->target, &lamp, out))
            return false;
        if (lamp)
            cmat_buf_printf(out, "use %s", lamp->name);
        return true;
    }
    if (s->verb && !held->treated) {
        const int at = place_of_kind(s, s->helper);
        if (at < 0)
            return false;
        if (s->at != at)
            cmat_buf_printf(out, "go to %s", s->places[at].name);
        else
            cmat_buf_printf(out, "%s %s with %s", s->verb, held->name, s->places[at].name);
        return true;
    }
    if (s->into < 0)
        s->into = choose_target(s);
    if (s->into < 0)
        return false;
    if (!approach(s, s->into, out))
        cmat_buf_printf(out, "move %s to %s", held->name, s->places[s->into].name);
    return true;
}

static bool choose(house_seeker *s, cmat_buf *out)
{
    const thing *held = in_hand(s), *found;
    if (s->lost || !s->object || !s->target)
        return false;
    if (s->hands_unknown) {
        cmat_buf_puts(out, "inventory");
        return true;
    }
    if (held && is_kind(held->name, s->object))
        return deliver(s, held, out);
    if (held) { /* put down where one stands */
        if (s->at < 0)
            cmat_buf_printf(out, "go to %s", s->places[0].name);
        else if (!approach(s, s->at, out))
            cmat_buf_printf(out, "move %s to %s", held->name, s->places[s->at].name);
        return s->n_places > 0;
    }
    if (!seek(s, s->object, &found, out))
        return false;
    if (found)
        cmat_buf_printf(out, "take %s from %s", found->name, s->places[found->at].name);
    return true;
}

bool house_seeker_next(house_seeker *s, cmat_buf *out)
{
    cmat_buf_truncate(&s->said, 0);
    if (!choose(s, &s->said) || s->said.len == 0)
        return false;
    cmat_buf_add(out, s->said.data, s->said.len);
    return true;
}
