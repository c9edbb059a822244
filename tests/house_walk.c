/* house_walk.c - not a test: plays recorded walks (tests/vectors/house_record.py) and compares
 * every observation, list of commands, reward and end; or writes tasks as game files for TextWorld
 * to play. usage: house_walk GAME_DIR WALKS.jsonl ... house_walk --export TASKS.jsonl GAME_DIR */
#include "core/fs.h"
#include "core/json.h"
#include "env/house/make.h"
#include "house_compare.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    size_t n_walks, n_steps, n_random, n_expert, n_different;
} tally;

static void walk(const char *dir, const json_t *w, tally *t)
{
    const char *name =
        cmat_json_str(w, "game", cmat_json_str(json_object_get(w, "task"), "id", ""));
    house_game *g = NULL;
    cmat_error err;
    bool same = house_compare_game(w, dir, &g, &err) == CMAT_OK;
    if (!same)
        printf("%s\n", err.msg);
    else
        same = house_compare_walk(w, g, &t->n_steps);
    if (!same)
        printf("in %s\n", name);
    t->n_walks++;
    t->n_random += strcmp(cmat_json_str(w, "walk", ""), "random") == 0;
    t->n_expert += strcmp(cmat_json_str(w, "walk", ""), "expert") == 0;
    t->n_different += !same;
    house_game_unref(g);
}

static int export_games(const char *path, const char *dir)
{
    cmat_task_list l = {0};
    cmat_error err;
    cmat_status st = cmat_task_list_load(&l, path, &err);
    for (size_t i = 0; i < l.n && st == CMAT_OK; i++) {
        json_t *game = house_spec_game(json_object_get(l.items[i].json, "house"), &err);
        char *folder = cmat_path_join(dir, l.items[i].id);
        char *file = cmat_path_join(folder, "game.tw-pddl");
        st = game ? cmat_mkdir_p(folder, &err) : CMAT_ERR_FORMAT;
        if (st == CMAT_OK) {
            json_object_set(game, "walkthrough", json_object_get(l.items[i].json, "gold"));
            json_object_set(game, "task", l.items[i].json);
            st = cmat_json_save(file, game, &err);
        }
        json_decref(game);
        free(folder);
        free(file);
    }
    cmat_task_list_clear(&l);
    if (st != CMAT_OK)
        fprintf(stderr, "%s\n", err.msg);
    return st != CMAT_OK;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--export") == 0)
        return export_games(argv[2], argv[3]);
    tally t = {0};
    for (int a = 2; a < argc; a++) {
        cmat_error err;
        json_t *walks = cmat_jsonl_load(argv[a], &err), *w;
        size_t i;
        if (!walks)
            return fprintf(stderr, "%s\n", err.msg), 1;
        json_array_foreach(walks, i, w) walk(argv[1], w, &t);
        json_decref(walks);
    }
    printf("%zu walks (%zu random, %zu expert), %zu steps the same, %zu walks differ\n", t.n_walks,
           t.n_random, t.n_expert, t.n_steps, t.n_different);
    return t.n_different ? 1 : 0;
}
