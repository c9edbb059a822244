/* env/house/game.c - see game.h. Names follow ALFWorld: things of a kind are numbered so that
 * the first in the order of the ids has the highest number. */
#include "env/house/game.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

/* "drawer" for "drawer_bar__plus_02_...", "sinkbasin" where the id ends so; NULL: not a thing with
 * a place. */
static char *kind_of(const char *id)
{
    const char *bar = strstr(id, "_bar_");
    if (!bar)
        return NULL;
    return cmat_xasprintf("%.*s%s", (int)(bar - id), id, strstr(id, "basin") ? "basin" : "");
}

static int kind_order(const void *a, const void *b)
{
    char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* Only what occurs in a fact has a name. Sorting by kind keeps the ids' order within a kind. */
static void name_things(house_game *g)
{
    const house_pddl *p = g->pddl;
    const int n = p->n_objects;
    char **kinds = cmat_xcalloc((size_t)n + 1, sizeof *kinds);
    char **sorted = cmat_xcalloc((size_t)n + 1, sizeof *sorted);
    int *used = cmat_xcalloc((size_t)n + 1, sizeof *used);
    size_t n_kinds = 0, n_sorted = 0;
    g->names = cmat_xcalloc((size_t)n + 1, sizeof *g->names);
    for (int i = 0; i < n; i++) {
        kinds[i] = p->objects[i].named ? kind_of(p->objects[i].name) : NULL;
        if (kinds[i])
            sorted[n_sorted++] = kinds[i];
    }
    if (n_sorted > 0)
        qsort(sorted, n_sorted, sizeof *sorted, kind_order);
    for (size_t i = 0; i < n_sorted; i++) { /* kinds once each, with how many there are */
        if (n_kinds == 0 || strcmp(sorted[n_kinds - 1], sorted[i]) != 0)
            sorted[n_kinds++] = sorted[i];
        used[n_kinds - 1]++;
    }
    for (int i = 0; i < n; i++) {
        if (!kinds[i]) {
            g->names[i] = cmat_xasprintf("%s ", p->objects[i].name);
            continue;
        }
        char **at = bsearch(&kinds[i], sorted, n_kinds, sizeof *sorted, kind_order);
        g->names[i] = cmat_xasprintf("%s %d", kinds[i], used[at - sorted]--);
    }
    for (int i = 0; i < n; i++)
        free(kinds[i]);
    free(kinds);
    free(sorted);
    free(used);
}

/* ---- loading ---- */

static cmat_status hash_parts(house_game *g, const char *domain, const char *grammar,
                              const char *problem)
{
    cmat_buf all = {0};
    cmat_buf_add(&all, domain, strlen(domain) + 1);
    cmat_buf_add(&all, grammar, strlen(grammar) + 1);
    cmat_buf_add(&all, problem, strlen(problem) + 1);
    cmat_sha256_hex(all.data, all.len, g->sha256);
    cmat_buf_clear(&all);
    return CMAT_OK;
}

static cmat_status build(house_game *g, const json_t *j, const char *what, cmat_error *err)
{
    const char *domain, *grammar, *problem;
    house_state start = {0};
    cmat_buf task = {0};
    cmat_status st;
    if ((st = cmat_json_need_str(j, "pddl_domain", what, &domain, err)) != CMAT_OK ||
        (st = cmat_json_need_str(j, "grammar", what, &grammar, err)) != CMAT_OK ||
        (st = cmat_json_need_str(j, "pddl_problem", what, &problem, err)) != CMAT_OK)
        return st;
    hash_parts(g, domain, grammar, problem);
    if ((st = house_pddl_parse(&g->pddl, domain, problem, err)) != CMAT_OK ||
        (st = house_search_new(&g->search, g->pddl, err)) != CMAT_OK ||
        (st = house_grammar_parse(&g->grammar, grammar, err)) != CMAT_OK)
        return cmat_fail_prefix(err, st, "%s", what);
    name_things(g);
    st = house_grammar_bind(g->grammar, g->pddl, (const char *const *)g->names, err);
    if (st != CMAT_OK)
        return cmat_fail_prefix(err, st, "%s", what);
    house_state_init(&start, g->pddl);
    if (!house_grammar_say(g->grammar, &start, "task", &task))
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: grammar: the rule \"task\" gives no text", what);
    house_state_clear(&start);
    cmat_buf_puts(&task, "");
    g->task = cmat_buf_detach(&task);
    const json_t *gold = json_object_get(j, "walkthrough");
    if (json_is_array(gold))
        g->gold = json_deep_copy(gold);
    return st;
}

cmat_status house_game_new(house_game **out, const json_t *j, const char *what, cmat_error *err)
{
    house_game *g = cmat_xcalloc(1, sizeof *g);
    g->refs = 1;
    cmat_status st = json_is_object(j)
                         ? build(g, j, what, err)
                         : cmat_fail(err, CMAT_ERR_FORMAT, "%s: not a JSON object", what);
    *out = st == CMAT_OK ? g : NULL;
    if (st != CMAT_OK)
        house_game_unref(g);
    return st;
}

cmat_status house_game_load(house_game **out, const char *path, cmat_error *err)
{
    char *text = NULL;
    size_t len = 0;
    *out = NULL;
    cmat_status st = cmat_read_file(path, HOUSE_FILE_MAX, &text, &len, err);
    if (st != CMAT_OK)
        return st;
    json_t *j = cmat_json_parse(text, len, path, err);
    free(text);
    st = j ? house_game_new(out, j, path, err) : CMAT_ERR_FORMAT;
    json_decref(j);
    return st;
}

house_game *house_game_ref(house_game *g)
{
    g->refs++;
    return g;
}

void house_game_unref(house_game *g)
{
    if (!g || --g->refs > 0)
        return;
    for (int i = 0; g->names && i < g->pddl->n_objects; i++)
        free(g->names[i]);
    free(g->names);
    free(g->task);
    json_decref(g->gold);
    house_grammar_free(g->grammar);
    house_search_free(g->search);
    house_pddl_free(g->pddl);
    free(g);
}

/* ---- playing ---- */

void house_play_start(house_play *p, house_game *game)
{
    house_game_ref(game);
    house_game_unref(p->game);
    p->game = game;
    house_state_init(&p->state, game->pddl);
    p->won = p->fresh = false;
}

void house_play_clear(house_play *p)
{
    house_game_unref(p->game);
    house_state_clear(&p->state);
    free(p->moves);
    free(p->commands);
    free(p->move_of);
    cmat_buf_clear(&p->text);
    *p = (house_play){0};
}

static cmat_status no_words(cmat_error *err)
{
    return cmat_fail(err, CMAT_ERR_FORMAT,
                     "house: the game's grammar goes round, or names a rule that is not there");
}

cmat_status house_play_intro(house_play *p, cmat_buf *out, cmat_error *err)
{
    return house_grammar_say(p->game->grammar, &p->state, "intro", out) ? CMAT_OK : no_words(err);
}

typedef struct {
    const char *text;
    size_t move;
} named_move;

/* By text; equal ones in the order in which they were found, whose first is what is done. */
static int move_order(const void *a, const void *b)
{
    const named_move *x = a, *y = b;
    const int c = strcmp(x->text, y->text);
    return c ? c : (x->move > y->move) - (x->move < y->move);
}

static void sort_commands(house_play *p, const size_t *at)
{
    named_move *all = cmat_xcalloc(p->n_moves + 1, sizeof *all);
    for (size_t i = 0; i < p->n_moves; i++)
        all[i] = (named_move){p->text.data + at[i], i};
    if (p->n_moves > 0)
        qsort(all, p->n_moves, sizeof *all, move_order);
    if (p->cap_commands < p->n_moves) {
        p->cap_commands = p->n_moves + 32;
        p->commands = cmat_xrealloc(p->commands, p->cap_commands * sizeof *p->commands);
        p->move_of = cmat_xrealloc(p->move_of, p->cap_commands * sizeof *p->move_of);
    }
    p->n_commands = 0;
    for (size_t i = 0; i < p->n_moves; i++) {
        if (p->n_commands > 0 && strcmp(p->commands[p->n_commands - 1], all[i].text) == 0)
            continue;
        p->commands[p->n_commands] = all[i].text;
        p->move_of[p->n_commands++] = all[i].move;
    }
    free(all);
}

cmat_status house_play_list(house_play *p, cmat_error *err)
{
    const house_game *g = p->game;
    if (p->fresh)
        return CMAT_OK;
    p->n_moves = house_moves(g->search, &p->state, &p->moves, &p->cap_moves);
    if (p->n_moves == SIZE_MAX) {
        p->n_moves = p->n_commands = 0;
        return cmat_fail(err, CMAT_ERR_LIMIT, "house: the game's conditions are too hard");
    }
    size_t *at = cmat_xcalloc(p->n_moves + 1, sizeof *at);
    bool ok = true;
    cmat_buf_truncate(&p->text, 0);
    for (size_t i = 0; i < p->n_moves && ok; i++) {
        at[i] = p->text.len;
        ok = house_grammar_command(g->grammar, &p->state, &p->moves[i], &p->text);
        cmat_buf_putc(&p->text, '\0');
    }
    if (ok)
        sort_commands(p, at);
    free(at);
    p->fresh = ok;
    return ok ? CMAT_OK : no_words(err);
}

/* The place of a command among those listed, or n_commands. */
static size_t find_command(const house_play *p, const char *command, size_t len)
{
    size_t lo = 0, hi = p->n_commands;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        int c = strncmp(p->commands[mid], command, len);
        if (c == 0 && p->commands[mid][len])
            c = 1;
        if (c == 0)
            return mid;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return p->n_commands;
}

cmat_status house_play_say(house_play *p, const char *command, cmat_buf *out, bool *possible,
                           cmat_error *err)
{
    const house_game *g = p->game;
    cmat_status st = house_play_list(p, err);
    command += strspn(command, " \t\r\n\f\v");
    size_t len = strlen(command);
    while (len > 0 && strchr(" \t\r\n\f\v", command[len - 1]))
        len--;
    *possible = false;
    if (st != CMAT_OK)
        return st;
    const size_t i = find_command(p, command, len);
    if (i == p->n_commands) {
        cmat_buf_puts(out, "Nothing happens.");
        return CMAT_OK;
    }
    const house_move m = p->moves[p->move_of[i]];
    *possible = true;
    house_apply(g->pddl, &p->state, &m);
    p->fresh = false;
    p->won = house_goal(g->search, &p->state);
    return house_grammar_feedback(g->grammar, &p->state, &m, out) ? CMAT_OK : no_words(err);
}
