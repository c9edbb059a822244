/* env_play.c - `cmat env play`: shows what the Actor sees, takes replies, undoes them. */
#include "cli/env_play.h"
#include "cli/line.h"
#include "core/mem.h"
#include "core/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The game so far: what was said, for going back. */
typedef struct {
    cmat_env *env;
    const cmat_task *task;
    cmat_obs obs;
    char **replies;            /* (n) */
    cmat_env_snapshot *before; /* (n): the states before them; empty where there are none */
    size_t n, cap, cap_before;
} game;

void cli_print_inert(const cmat_buf *text)
{
    cmat_buf b = {0};
    cmat_text_inert(&b, cmat_buf_str(text), text->len);
    puts(cmat_buf_str(&b));
    cmat_buf_clear(&b);
}

static void print_text(const char *s)
{
    cmat_buf b = {0};
    cmat_buf_puts(&b, s);
    cli_print_inert(&b);
    cmat_buf_clear(&b);
}

static cli_choices choices_of(cmat_env *env)
{
    cli_choices c = {0};
    if (env->ops->actions)
        c.n = env->ops->actions(env, &c.words);
    return c;
}

/* One line where the actions can be listed, else lines ended by an empty one. */
static bool read_reply(game *g, cmat_buf *reply)
{
    if (g->env->ops->actions) {
        if (!cli_line_read("> ", choices_of(g->env), reply))
            return false;
        return true;
    }
    cmat_buf line = {0};
    bool more = true;
    cmat_buf_truncate(reply, 0);
    while ((more = cli_line_read(reply->len ? "" : "> ", (cli_choices){0}, &line)) && line.len) {
        cmat_buf_add(reply, line.data, line.len);
        cmat_buf_putc(reply, '\n');
        if (line.data[0] == ':')
            break;
    }
    cmat_buf_clear(&line);
    return more || reply->len > 0;
}

static void forget_last(game *g)
{
    free(g->replies[--g->n]);
    cmat_env_snapshot_clear(&g->before[g->n]);
}

static cmat_status step(game *g, const char *reply, cmat_error *err)
{
    cmat_env_snapshot s = {0};
    cmat_status st = CMAT_OK;
    if (g->env->ops->snapshot)
        st = cmat_env_snapshot_take(g->env, &s, err);
    if (st != CMAT_OK && st != CMAT_ERR_UNSUPPORTED)
        return st;
    g->replies = cmat_xgrow(g->replies, &g->cap, g->n + 1, sizeof *g->replies);
    g->before = cmat_xgrow(g->before, &g->cap_before, g->n + 1, sizeof *g->before);
    g->replies[g->n] = cmat_xstrdup(reply);
    g->before[g->n++] = s;
    return cmat_env_step(g->env, reply, &g->obs, err);
}

/* Takes the last reply back: by its snapshot, else by playing what was before it again. */
static cmat_status undo(game *g, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    if (g->n == 0) {
        puts("there is nothing to undo");
        return CMAT_OK;
    }
    if (g->before[g->n - 1].state.len > 0) {
        st = cmat_env_restore(g->env, &g->before[g->n - 1], err);
        forget_last(g);
    } else {
        forget_last(g);
        st = cmat_env_reset(g->env, g->task, &g->obs, err);
        for (size_t i = 0; st == CMAT_OK && i < g->n; i++)
            st = cmat_env_step(g->env, g->replies[i], &g->obs, err);
    }
    g->obs.done = g->env->done;
    if (st == CMAT_OK)
        puts("undone");
    return st;
}

static void list_actions(game *g)
{
    const cli_choices c = choices_of(g->env);
    if (!g->env->ops->actions)
        puts("this environment's actions cannot be listed");
    for (size_t i = 0; i < c.n; i++)
        print_text(c.words[i]);
}

static void hint(game *g)
{
    cmat_buf b = {0};
    if (g->env->ops->oracle && g->env->ops->oracle(g->env, &b))
        cli_print_inert(&b);
    else
        puts("no hint");
    cmat_buf_clear(&b);
}

/* True when the reply was for us (":undo"). */
static bool command(game *g, const char *reply, bool *quit, cmat_status *st, cmat_error *err)
{
    const size_t len = strcspn(reply, "\r\n");
    if (reply[0] != ':')
        return false;
    if (strncmp(reply, ":undo", len) == 0)
        *st = undo(g, err);
    else if (strncmp(reply, ":actions", len) == 0)
        list_actions(g);
    else if (strncmp(reply, ":hint", len) == 0)
        hint(g);
    else if (strncmp(reply, ":quit", len) == 0)
        *quit = true;
    else
        puts(
            ":undo takes the last action back, :actions lists what may be said, :hint tells the "
            "next right action, :quit ends the game");
    return true;
}

static void show_facts(game *g, const char *reply)
{
    cmat_facts facts = {0};
    if (cmat_env_dry_run(g->env, reply, &facts, NULL) == CMAT_OK && facts.text.len) {
        fputs("checker: ", stdout);
        cli_print_inert(&facts.text);
    }
    cmat_facts_clear(&facts);
}

static cmat_status play_task(game *g, bool *quit, cmat_error *err)
{
    cmat_buf reply = {0};
    double score = 0;
    cmat_status st = cmat_env_reset(g->env, g->task, &g->obs, err);
    if (st == CMAT_OK)
        cli_print_inert(&g->obs.text);
    while (st == CMAT_OK && !g->obs.done && !*quit) {
        if (!read_reply(g, &reply)) {
            *quit = true;
            break;
        }
        if (!reply.len || command(g, reply.data, quit, &st, err))
            continue;
        show_facts(g, reply.data);
        if ((st = step(g, reply.data, err)) == CMAT_OK)
            cli_print_inert(&g->obs.text);
        if (g->obs.task_limit)
            puts("(no more steps)");
    }
    if (st == CMAT_OK)
        st = cmat_env_score(g->env, &score, err);
    if (st == CMAT_OK)
        printf("score: %g (%d step%s)\n\n", score, g->env->steps, g->env->steps == 1 ? "" : "s");
    while (g->n > 0)
        forget_last(g);
    cmat_obs_clear(&g->obs);
    cmat_buf_clear(&reply);
    return st;
}

cmat_status cli_env_play(cmat_env *env, const cmat_task_list *tasks, cmat_error *err)
{
    game g = {.env = env};
    bool quit = false;
    cmat_status st = CMAT_OK;
    fputs(env->ops->actions ? "One action a line; Tab completes, :help tells more, Ctrl-D ends the "
                              "game.\n\n"
                            : "Your replies end with an empty line; :help tells more, Ctrl-D ends "
                              "the game.\n\n",
          stderr);
    for (size_t i = 0; st == CMAT_OK && i < tasks->n && !quit; i++) {
        g.task = &tasks->items[i];
        printf("--- task %zu of %zu (%s)\n", i + 1, tasks->n, g.task->kind);
        st = play_task(&g, &quit, err);
    }
    free(g.replies);
    free(g.before);
    return st;
}
