/* env_play.c - `cmat env play`: shows what the Actor sees, takes replies, undoes them. */
#include "cli/env_play.h"
#include "cli/complete.h"
#include "cli/line.h"
#include "core/mem.h"
#include "core/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was said, and where: for going back. */
typedef struct {
    char *reply;
    char *seen;              /* what was observed before it */
    cmat_env_snapshot state; /* before it; empty where there is none */
} move;

/* The game so far. */
typedef struct {
    cmat_env *env;
    const cmat_task *task;
    cmat_obs obs;
    move *moves; /* (n) */
    size_t n, cap;
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

/* Lines up to an empty one, or until they are a whole reply by the constraint (NULL: none). */
static bool read_lines(const cmat_acceptor *a, cmat_buf *reply)
{
    cmat_buf line = {0};
    cli_completion c = {.acceptor = a, .before = reply};
    const cli_choices choices = {.after = a ? cli_completion_after : NULL, .user = &c};
    bool more = true;
    cmat_buf_truncate(reply, 0);
    while ((more = cli_line_read(reply->len ? ". " : "> ", choices, &line)) && line.len) {
        const bool first = reply->len == 0;
        cmat_buf_add(reply, line.data, line.len);
        if ((first && line.data[0] == ':') || (a && cli_is_whole(a, reply)))
            break;
        cmat_buf_putc(reply, '\n');
    }
    cli_completion_clear(&c);
    cmat_buf_clear(&line);
    return more || reply->len > 0;
}

/* One line where the actions can be listed. */
static bool read_reply(game *g, cmat_buf *reply)
{
    cmat_acceptor *a = NULL;
    if (g->env->ops->actions)
        return cli_line_read("> ", choices_of(g->env), reply);
    if (g->env->ops->constraint && g->env->ops->constraint(g->env, &a, NULL) != CMAT_OK)
        a = NULL;
    const bool more = read_lines(a, reply);
    cmat_acceptor_free(a);
    return more;
}

static void forget_last(game *g)
{
    move *m = &g->moves[--g->n];
    free(m->reply);
    free(m->seen);
    cmat_env_snapshot_clear(&m->state);
}

static cmat_status step(game *g, const char *reply, cmat_error *err)
{
    cmat_env_snapshot s = {0};
    cmat_status st = CMAT_OK;
    if (g->env->ops->snapshot)
        st = cmat_env_snapshot_take(g->env, &s, err);
    if (st != CMAT_OK && st != CMAT_ERR_UNSUPPORTED)
        return st;
    g->moves = cmat_xgrow(g->moves, &g->cap, g->n + 1, sizeof *g->moves);
    g->moves[g->n++] = (move){
        .reply = cmat_xstrdup(reply), .seen = cmat_xstrdup(cmat_buf_str(&g->obs.text)), .state = s};
    return cmat_env_step(g->env, reply, &g->obs, err);
}

/* The world before the last move: by its snapshot, else by playing what was before it again. */
static cmat_status go_back(game *g, cmat_error *err)
{
    const move *last = &g->moves[g->n - 1];
    if (last->state.state.len > 0)
        return cmat_env_restore(g->env, &last->state, err);
    cmat_status st = cmat_env_reset(g->env, g->task, &g->obs, err);
    for (size_t i = 0; st == CMAT_OK && i + 1 < g->n; i++)
        st = cmat_env_step(g->env, g->moves[i].reply, &g->obs, err);
    return st;
}

/* Takes the last reply back and shows what was seen before it. */
static cmat_status undo(game *g, cmat_error *err)
{
    if (g->n == 0) {
        puts("there is nothing to undo");
        return CMAT_OK;
    }
    cmat_status st = go_back(g, err);
    g->obs.done = g->env->done;
    if (st != CMAT_OK)
        return st;
    cmat_buf_truncate(&g->obs.text, 0);
    cmat_buf_puts(&g->obs.text, g->moves[g->n - 1].seen);
    forget_last(g);
    puts("undone; back to:");
    cli_print_inert(&g->obs.text);
    return CMAT_OK;
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

/* ":undo", or its beginning. */
static bool is_command(const char *reply, const char *name)
{
    const size_t len = strcspn(reply, "\r\n");
    return len > 1 && strncmp(reply, name, len) == 0;
}

/* True when the reply was for us. */
static bool command(game *g, const char *reply, bool *quit, cmat_status *st, cmat_error *err)
{
    if (reply[0] != ':')
        return false;
    if (is_command(reply, ":undo"))
        *st = undo(g, err);
    else if (is_command(reply, ":actions"))
        list_actions(g);
    else if (is_command(reply, ":hint"))
        hint(g);
    else if (is_command(reply, ":quit"))
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

/* What would have been right, once the game is over. */
static void show_gold(const game *g)
{
    const json_t *gold = json_object_get(g->task->json, "gold"), *action;
    size_t i;
    if (json_array_size(gold) == 0 || !json_is_string(json_array_get(gold, 0)))
        return;
    puts("This would have been right:");
    json_array_foreach(gold, i, action)
    {
        fputs("  ", stdout);
        print_text(json_string_value(action));
    }
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
        printf("score: %g (%d step%s)\n", score, g->env->steps, g->env->steps == 1 ? "" : "s");
    if (st == CMAT_OK && score < 1 && !*quit)
        show_gold(g);
    putchar('\n');
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
                            : "Replies as the rules above say; an empty line ends one that goes "
                              "over several lines. Tab completes, :help tells more, Ctrl-D ends "
                              "the game.\n\n",
          stderr);
    for (size_t i = 0; st == CMAT_OK && i < tasks->n && !quit; i++) {
        g.task = &tasks->items[i];
        printf("--- task %zu of %zu (%s)\n", i + 1, tasks->n, g.task->kind);
        st = play_task(&g, &quit, err);
    }
    free(g.moves);
    return st;
}
