/* tests/fuzz/fuzz_house.c - libFuzzer target: any bytes as part of a game file, then played.
 *
 * The first byte chooses what the rest stands in for: the problem, the domain, the grammar, or the
 * replies of an Actor in a good game. Every error must be one line; a dry run changes nothing. */
#include "core/json.h"
#include "core/mem.h"
#include "env/house/house.h"
#include "env/house/make.h"
#include "fuzz_env.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const cmat_error *err)
{
    if (!err->msg[0] || strchr(err->msg, '\n'))
        abort();
}

static const cmat_task *good_task(void)
{
    static cmat_task_list l;
    if (!l.n && house_generate(0, 1, 7, &l, NULL) != CMAT_OK)
        abort();
    return &l.items[0];
}

static void play_game(const char *member, const char *text)
{
    json_t *j = house_spec_game(json_object_get(good_task()->json, "house"), NULL);
    house_game *g = NULL;
    cmat_error err = {0};
    json_t *part = json_string(text);
    if (part)
        json_object_set_new(j, member, part);
    if (house_game_new(&g, j, "fuzz", &err) != CMAT_OK) {
        check(&err);
    } else {
        house_play p = {0};
        cmat_buf out = {0};
        bool possible;
        house_play_start(&p, g);
        if (house_play_intro(&p, &out, &err) != CMAT_OK || house_play_list(&p, &err) != CMAT_OK)
            check(&err);
        for (size_t i = 0; i < 4 && p.n_commands > 0; i++) {
            char *command = cmat_xstrdup(p.commands[(i * 7) % p.n_commands]);
            const cmat_status st = house_play_say(&p, command, &out, &possible, &err);
            free(command);
            if (st != CMAT_OK || house_play_list(&p, &err) != CMAT_OK) {
                check(&err);
                break;
            }
        }
        house_play_clear(&p);
        cmat_buf_clear(&out);
    }
    house_game_unref(g);
    json_decref(j);
}

static void reply(const char *text, bool agentbench)
{
    static cmat_env *envs[2];
    cmat_env_options o = {.style = agentbench ? "agentbench" : "short"};
    cmat_error err = {0};
    if (!envs[agentbench] && cmat_env_open(&envs[agentbench], "house", &o, &err) != CMAT_OK)
        abort();
    fuzz_reply(envs[agentbench], good_task(), text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const members[] = {"pddl_problem", "pddl_domain", "grammar"};
    if (size < 1)
        return 0;
    const int k = data[0] % 5;
    char *text = cmat_xstrndup((const char *)data + 1, size - 1);
    if (k < 3)
        play_game(members[k], text);
    else
        reply(text, k == 4);
    free(text);
    return 0;
}
