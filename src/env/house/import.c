/* env/house/import.c - tasks out of ALFWorld's game files. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/house/house.h"
#include "env/house/make.h"
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define GAME_FILE "game.tw-pddl"
#define MAX_DEPTH 8 /* of folders */

const char *house_kind_of(const char *problem)
{
    static const struct {
        const char *sign, *kind;
    } signs[] = {{"(isClean ", "pick_clean_then_place"},
                 {"(isHot ", "pick_heat_then_place"},
                 {"(isCool ", "pick_cool_then_place"},
                 {"(isToggled ", "look_at_obj"},
                 {"(= ", "pick_two_obj"},
                 {"(inReceptacle ", "pick_and_place"}};
    const char *goal = strstr(problem, "(:goal");
    for (size_t i = 0; goal && i < sizeof signs / sizeof *signs; i++)
        if (strstr(goal, signs[i].sign))
            return signs[i].kind;
    return "other";
}

/* A game file as a task: the file is read again when the task is played, and must be the same. */
static cmat_status add_game(const char *path, cmat_task_list *out, cmat_error *err)
{
    char *text = NULL, real[PATH_MAX], id[40];
    size_t len = 0;
    house_game *g = NULL;
    cmat_task t;
    cmat_status st = cmat_read_file(path, HOUSE_FILE_MAX, &text, &len, err);
    if (st != CMAT_OK)
        return st;
    json_t *j = cmat_json_parse(text, len, path, err);
    free(text);
    st = j ? house_game_new(&g, j, path, err) : CMAT_ERR_FORMAT;
    if (st == CMAT_OK) {
        static const char lead[] = "Your task is to: ";
        const char *said = g->task + (strncmp(g->task, lead, strlen(lead)) ? 0 : strlen(lead));
        snprintf(id, sizeof id, "alfworld-%.16s", g->sha256);
        json_t *task = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:O?}", "id", id, "env", "house",
                                 "kind", house_kind_of(cmat_json_str(j, "pddl_problem", "")),
                                 "instruction", said, "path", realpath(path, real) ? real : path,
                                 "sha256", g->sha256, "gold", g->gold);
        st = cmat_task_init(&t, task, err);
        if (st == CMAT_OK)
            cmat_task_list_add(out, t);
        json_decref(task);
    }
    house_game_unref(g);
    json_decref(j);
    return st;
}

static cmat_status add_folder(const char *path, int depth, cmat_task_list *out, cmat_error *err)
{
    struct dirent **names = NULL;
    const int n = depth > MAX_DEPTH ? 0 : scandir(path, &names, NULL, alphasort);
    cmat_status st = CMAT_OK;
    if (n < 0)
        return cmat_fail(err, CMAT_ERR_IO, "%s: cannot be read", path);
    for (int i = 0; i < n; i++) {
        char *below = cmat_path_join(path, names[i]->d_name);
        if (st == CMAT_OK && strcmp(names[i]->d_name, GAME_FILE) == 0)
            st = add_game(below, out, err);
        else if (st == CMAT_OK && names[i]->d_name[0] != '.' && cmat_path_is_dir(below))
            st = add_folder(below, depth + 1, out, err);
        free(below);
        free(names[i]);
    }
    free(names);
    return st;
}

/* AgentBench's list: {"pick_and_place": ["json_2.1.1/train/.../game.tw-pddl", ...], ...}; the paths
 * are below $ALFWORLD_DATA, or else below the folder that the list is in. */
static cmat_status add_list(const json_t *list, const char *path, cmat_task_list *out,
                            cmat_error *err)
{
    const char *root = getenv("ALFWORLD_DATA"), *kind;
    char *own = cmat_xstrndup(path, (size_t)(cmat_path_base(path) - path));
    const json_t *games, *game;
    size_t i;
    cmat_status st = CMAT_OK;
    json_object_foreach((json_t *)list, kind, games) json_array_foreach(games, i, game)
    {
        char *at = json_is_string(game) ? cmat_path_join(root   ? root
                                                         : *own ? own
                                                                : ".",
                                                         json_string_value(game))
                                        : NULL;
        if (st == CMAT_OK)
            st = at ? add_game(at, out, err)
                    : cmat_fail(err, CMAT_ERR_FORMAT, "%s: %s: not a list of files", path, kind);
        free(at);
    }
    free(own);
    return st;
}

static int id_order(const void *a, const void *b)
{
    return strcmp(((const cmat_task *)a)->id, ((const cmat_task *)b)->id);
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

cmat_status house_import(const char *path, cmat_task_list *out, cmat_error *err)
{
    const size_t before = out->n;
    cmat_status st;
    if (cmat_path_is_dir(path)) {
        st = add_folder(path, 0, out, err);
        if (st == CMAT_OK && out->n == before)
            st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: no %s files below it", path, GAME_FILE);
    } else if (ends_with(path, ".tw-pddl")) {
        st = add_game(path, out, err);
    } else if (ends_with(path, ".json")) {
        json_t *list = cmat_json_load(path, err);
        st = !list                  ? CMAT_ERR_FORMAT
             : json_is_object(list) ? add_list(list, path, out, err)
                                    : cmat_task_list_load(out, path, err);
        json_decref(list);
    } else {
        return cmat_task_list_load(out, path, err);
    }
    if (st == CMAT_OK && out->n > before) /* the ids' order: no matter how the files lie */
        qsort(out->items + before, out->n - before, sizeof *out->items, id_order);
    while (st != CMAT_OK && out->n > before)
        cmat_task_clear(&out->items[--out->n]);
    return st;
}

cmat_status house_task_game(const cmat_task *task, house_game **out, cmat_error *err)
{
    const json_t *house = json_object_get(task->json, "house");
    const char *path = cmat_json_str(task->json, "path", NULL);
    const char *sha = cmat_json_str(task->json, "sha256", NULL);
    cmat_status st;
    *out = NULL;
    if (house) {
        json_t *game = house_spec_game(house, err);
        st = game ? house_game_new(out, game, "house", err) : CMAT_ERR_FORMAT;
        json_decref(game);
    } else if (path) {
        st = house_game_load(out, path, err);
    } else {
        st = cmat_fail(err, CMAT_ERR_FORMAT, "neither \"path\" nor \"house\" says which game");
    }
    if (st == CMAT_OK && sha && strcmp(sha, (*out)->sha256) != 0) {
        house_game_unref(*out);
        *out = NULL;
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: is another game than when the task was made",
                       path ? path : "house");
    }
    return st;
}
