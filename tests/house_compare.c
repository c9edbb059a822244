/* house_compare.c - see house_compare.h. A step is [command, observation, reward, done, commands];
 * a text "md5:..." stands for one that it is the MD5 of (of commands: joined by newlines). */
#include "house_compare.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_text(const char *ours, const char *want)
{
    static const char mark[] = "md5:";
    char hex[33];
    if (strncmp(want, mark, strlen(mark)) != 0)
        return strcmp(ours, want) == 0;
    cmat_md5_hex(ours, strlen(ours), hex);
    return strcmp(hex, want + strlen(mark)) == 0;
}

static void join_commands(const house_play *p, cmat_buf *out)
{
    for (size_t i = 0; i < p->n_commands; i++)
        cmat_buf_printf(out, "%s%s", i ? "\n" : "", p->commands[i]);
}

static void join_strings(const json_t *list, cmat_buf *out)
{
    size_t i;
    const json_t *s;
    json_array_foreach(list, i, s)
        cmat_buf_printf(out, "%s%s", i ? "\n" : "", json_string_value(s));
}

static bool differs(size_t i, const char *what, const char *ours, const char *want)
{
    printf("step %zu: %s\n  ours: %s\n  want: %s\n", i, what, ours, want);
    return false;
}

static bool compare_commands(const house_play *p, size_t i, const json_t *want)
{
    cmat_buf ours = {0}, theirs = {0};
    join_commands(p, &ours);
    if (json_is_string(want))
        cmat_buf_puts(&theirs, json_string_value(want));
    else
        join_strings(want, &theirs);
    const bool same = same_text(cmat_buf_str(&ours), cmat_buf_str(&theirs));
    if (!same)
        differs(i, "commands", cmat_buf_str(&ours), cmat_buf_str(&theirs));
    cmat_buf_clear(&ours);
    cmat_buf_clear(&theirs);
    return same;
}

static bool compare_step(house_play *p, size_t i, const json_t *step)
{
    const char *command = json_string_value(json_array_get(step, 0));
    const char *want = json_string_value(json_array_get(step, 1));
    const bool reward = json_integer_value(json_array_get(step, 2)) == 1;
    const bool done = json_is_true(json_array_get(step, 3));
    cmat_buf out = {0};
    cmat_error err;
    bool possible, same;
    cmat_status st = command ? house_play_say(p, command, &out, &possible, &err)
                             : house_play_intro(p, &out, &err);
    if (st == CMAT_OK)
        st = house_play_list(p, &err);
    if (st != CMAT_OK)
        same = differs(i, "failed", err.msg, "");
    else if (!same_text(cmat_buf_str(&out), want))
        same = differs(i, command ? command : "(start)", cmat_buf_str(&out), want);
    else if (p->won != reward || p->won != done)
        same = differs(i, "reward or end", p->won ? "won" : "not", reward ? "won" : "not");
    else
        same = compare_commands(p, i, json_array_get(step, 4));
    cmat_buf_clear(&out);
    return same;
}

cmat_status house_compare_game(const json_t *walk, const char *dir, house_game **out,
                               cmat_error *err)
{
    json_t *own = json_object_get(walk, "task");
    cmat_task task;
    cmat_status st;
    if (own) {
        if ((st = cmat_task_init(&task, own, err)) != CMAT_OK)
            return st;
        st = house_task_game(&task, out, err);
        cmat_task_clear(&task);
    } else {
        char *path = cmat_path_join(dir, cmat_json_str(walk, "game", ""));
        st = house_game_load(out, path, err);
        free(path);
    }
    return st;
}

bool house_compare_walk(const json_t *walk, house_game *game, size_t *n_steps)
{
    house_play p = {0};
    size_t i;
    const json_t *step;
    bool same = true;
    house_play_start(&p, game);
    json_array_foreach(json_object_get(walk, "steps"), i, step)
    {
        if (!(same = compare_step(&p, i, step)))
            break;
        ++*n_steps;
    }
    house_play_clear(&p);
    return same;
}
