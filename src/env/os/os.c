/* os.c - the os environment: prompts, episodes, actions. */
#include "env/os/os.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/env.h"
#include "env/os/output.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT_STEPS = 8, AGENTBENCH_STEPS = 8, SHORT_BUDGET = 600 };

static const char short_rules[] =
    "You work in a Linux shell as root. Answer questions about the system; change it when asked.\n"
    "You may think in one line first: Think: ...\n"
    "Then write exactly one action:\n"
    "Bash: <command> to run it and look at what it prints\n"
    "Answer: <text> to give the answer, exact and short\n"
    "Finish when the change is done\n";

static const char agentbench_rules[] =
    "You are a person who works at the command line of a Linux (Ubuntu) system. I set you a "
    "problem. In each turn you think first and then do exactly one of three things, in exactly "
    "this form.\n"
    "To run commands:\n\n"
    "Think: why these commands.\n\n"
    "Act: bash\n\n"
    "```bash\n# the commands\n```\n\n"
    "When the problem is solved and no answer was asked for:\n\n"
    "Think: why it is done.\n\n"
    "Act: finish\n\n"
    "When you know the answer to my question:\n\n"
    "Think: how you know it.\n\n"
    "Act: answer(the answer)\n\n"
    "Long output is cut, so keep it short where you can. Give the bare answer, a number as a "
    "number. Here is an example.\n\n"
    "My problem is:\n\nHow many files are in the folder /etc? (Folders do not count.)\n\n"
    "Think: I list the folder first to see what is in it.\n\n"
    "Act: bash\n\n"
    "```bash\nls -p /etc | head -5\n```\n\n"
    "The output of the OS:\n\nadduser.conf\nalternatives/\nbash.bashrc\ncron.d/\ndebian_version\n\n"
    "Think: Folders end with a slash. I leave them out and count the rest, hidden files too.\n\n"
    "Act: bash\n\n"
    "```bash\nls -Ap /etc | grep -vc '/$'\n```\n\n"
    "The output of the OS:\n\n220\n\n"
    "Think: 220 lines, each one file.\n\n"
    "Act: answer(220)\n\n";

/* ---- open and close ---- */

static void os_close(cmat_env *env)
{
    os_env *e = (os_env *)env;
    os_episode_end(e);
    os_sandbox_close(e->sandbox);
    os_host_unref(e->host);
    free(e);
}

static cmat_status os_open(cmat_env **out, const cmat_env_options *opts, cmat_error *err)
{
    os_env *e = cmat_xcalloc(1, sizeof *e);
    cmat_status st = CMAT_OK;
    e->base.opts = *opts;
    e->agentbench = cmat_env_is_agentbench(opts);
    if (e->base.opts.max_steps == 0)
        e->base.opts.max_steps = e->agentbench ? AGENTBENCH_STEPS : SHORT_STEPS;
    if (e->base.opts.max_steps > OS_STEPS_MAX - 1)
        e->base.opts.max_steps = OS_STEPS_MAX - 1;
    if (e->base.opts.obs_budget == 0)
        e->base.opts.obs_budget = SHORT_BUDGET;
    if (opts->like)
        e->host = os_host_ref(((const os_env *)opts->like)->host);
    else
        st = os_host_open(&e->host, err);
    if (st != CMAT_OK) {
        free(e);
        return st;
    }
    *out = &e->base;
    return CMAT_OK;
}

/* ---- reset and step ---- */

static cmat_status os_reset(cmat_env *env, const cmat_task *task, cmat_obs *obs, cmat_error *err)
{
    os_env *e = (os_env *)env;
    cmat_status st = os_episode_begin(e, task, err);
    if (st != CMAT_OK)
        return st;
    cmat_buf_printf(&obs->text, "%s%s",
                    e->agentbench
                        ? "Now I set you a new problem, on a new system. My problem is:\n\n"
                        : "Task: ",
                    task->instruction);
    return CMAT_OK;
}

static void os_prompt(cmat_env *env, cmat_buf *out)
{
    cmat_buf_puts(out, ((os_env *)env)->agentbench ? agentbench_rules : short_rules);
}

void os_env_action(const os_env *e, const char *reply, os_action *a)
{
    if (e->agentbench)
        os_reply_agentbench(reply, a);
    else
        os_reply_short(reply, a);
}

/* What the sandbox did to a command, in one line; NULL: nothing. */
static const char *what_happened(const os_output *o)
{
    if (o->died)
        return "[the system went down and was started again]";
    if (o->flags & BOX_TIMED_OUT)
        return "[killed: it took too long]";
    if (o->flags & BOX_OUT_OF_MEMORY)
        return "[killed: out of memory]";
    if (o->flags & BOX_FLOODED)
        return "[killed: it printed too much]";
    if (o->flags & BOX_SHELL_ENDED)
        return "[the shell ended; this is a new one]";
    return NULL;
}

static void end_line(cmat_buf *b)
{
    if (b->len > 0 && b->data[b->len - 1] != '\n')
        cmat_buf_putc(b, '\n');
}

static void show_short(const os_env *e, const os_output *o, cmat_buf *out)
{
    const char *happened = what_happened(o);
    const uint64_t beyond = o->total > o->out.len ? o->total - o->out.len : 0;
    os_output_cut(cmat_buf_str(&e->printed), e->printed.len, e->printed.len + beyond,
                  (size_t)e->base.opts.obs_budget, out);
    while (out->len > 0 && out->data[out->len - 1] == '\n')
        cmat_buf_truncate(out, out->len - 1);
    if (happened) {
        end_line(out);
        cmat_buf_puts(out, happened);
    } else if (o->status != 0) {
        end_line(out);
        cmat_buf_printf(out, "[exit status %d]", o->status);
    } else if (out->len == 0) {
        cmat_buf_puts(out, "(no output)");
    }
}

static void show_agentbench(const os_env *e, const os_output *o, cmat_buf *out)
{
    const char *happened = what_happened(o);
    cmat_buf text = {0};
    cmat_buf_add(&text, cmat_buf_str(&e->printed), e->printed.len);
    if (happened) {
        end_line(&text);
        cmat_buf_puts(&text, happened);
    }
    if (text.len == 0) {
        cmat_buf_puts(out, "The output of the OS is empty.");
    } else {
        cmat_buf_puts(out, "The output of the OS:\n\n");
        os_output_cut_agentbench(text.data, text.len, out);
    }
    cmat_buf_clear(&text);
}

static cmat_status run_command(os_env *e, const char *script, cmat_obs *obs, cmat_error *err)
{
    os_output o = {0};
    const os_run r = {.script = script, .timeout = os_step_timeout(e)};
    os_sandbox_mark(e->sandbox, e->base.steps);
    cmat_status st = os_sandbox_run(e->sandbox, &r, &o, err);
    if (st == CMAT_OK) {
        cmat_buf_truncate(&e->printed, 0);
        os_output_clean(cmat_buf_str(&o.out), o.out.len, &e->printed);
        if (e->seen.len + e->printed.len < OS_SEEN_MAX)
            cmat_buf_add(&e->seen, cmat_buf_str(&e->printed), e->printed.len);
        obs->error = o.status != 0;
        e->looked = true;
        e->n_failed += o.status != 0;
        if (e->agentbench)
            show_agentbench(e, &o, &obs->text);
        else
            show_short(e, &o, &obs->text);
    }
    os_output_clear(&o);
    return st;
}

static void no_action(os_env *e, cmat_obs *obs)
{
    obs->error = true;
    e->n_none++;
    if (e->agentbench) {
        obs->done = obs->invalid_action = true;
        return;
    }
    obs->invalid_format = true;
    cmat_buf_puts(&obs->text,
                  "error: no action. Write a line that begins with Bash:, Answer: or Finish");
}

static cmat_status os_step(cmat_env *env, const char *reply, cmat_obs *obs, cmat_error *err)
{
    os_env *e = (os_env *)env;
    os_action a;
    cmat_status st = CMAT_OK;
    os_env_action(e, reply, &a);
    e->judged = false;
    switch (a.type) {
    case OS_ACTION_NONE:
        no_action(e, obs);
        break;
    case OS_ACTION_BASH:
        st = run_command(e, cmat_buf_str(&a.text), obs, err);
        break;
    case OS_ACTION_ANSWER:
    case OS_ACTION_FINISH:
        cmat_buf_truncate(&e->answer, 0);
        cmat_buf_puts(&e->answer, a.type == OS_ACTION_FINISH ? "None" : cmat_buf_str(&a.text));
        e->finished = obs->done = true;
        break;
    }
    os_action_clear(&a);
    return st;
}

/* ---- oracle ---- */

void os_say_bash(const os_env *e, const char *script, cmat_buf *out)
{
    if (e->agentbench)
        cmat_buf_printf(out, "Think: I run this.\n\nAct: bash\n\n```bash\n%s\n```", script);
    else if (strchr(script, '\n'))
        cmat_buf_printf(out, "Bash:\n```\n%s\n```", script);
    else
        cmat_buf_printf(out, "Bash: %s", script);
}

void os_say_answer(const os_env *e, const char *text, size_t n, cmat_buf *out)
{
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    while (n > 0 && isspace((unsigned char)*text)) {
        text++;
        n--;
    }
    cmat_buf_puts(out, e->agentbench ? "Think: I know the answer.\n\nAct: answer(" : "Answer: ");
    cmat_buf_add(out, text, n);
    if (e->agentbench)
        cmat_buf_putc(out, ')');
}

/* The gold commands, one a step; then the task's answer, else what the last of them printed. Where
 * the answer does not matter (a chain of scripts without the example in it), "finish". */
static bool os_oracle(cmat_env *env, cmat_buf *out)
{
    os_env *e = (os_env *)env;
    if (!e->task)
        return false;
    const char *gold = os_gold(e, (size_t)env->steps);
    const char *answer = cmat_json_str(e->task, "answer", NULL);
    const json_t *check = json_object_get(e->task, "check"), *link;
    size_t i;
    bool compares = false; /* with what the example prints */
    json_array_foreach(check, i, link) compares |= json_is_null(link);
    if (gold)
        os_say_bash(e, gold, out);
    else if (answer)
        os_say_answer(e, answer, strlen(answer), out);
    else if (compares)
        os_say_answer(e, cmat_buf_str(&e->printed), e->printed.len, out);
    else if (json_array_size(check) > 0)
        cmat_buf_puts(out, e->agentbench ? "Think: It is done.\n\nAct: finish" : "Finish");
    else
        return false;
    return true;
}

/* ---- parts that plug in ---- */

static cmat_status os_generate_op(cmat_env *env, int split, size_t n, uint64_t seed,
                                  cmat_task_list *out, cmat_error *err)
{
    cmat_env *own = NULL; /* so that the episode of this one goes on */
    const cmat_env_options o = {.like = env};
    cmat_status st = cmat_env_open(&own, "os", &o, err);
    if (st == CMAT_OK)
        st = os_generate((os_env *)own, split, n, seed, out, err);
    cmat_env_close(own);
    return st;
}

static cmat_status os_constraint(cmat_env *env, cmat_acceptor **out, cmat_error *err)
{
    const os_env *e = (const os_env *)env;
    (void)err;
    /* Where nothing has been looked at there is nothing to answer: small models would guess. */
    *out = os_acceptor_new(e->agentbench, e->agentbench || e->looked);
    return CMAT_OK;
}

/* ---- snapshots ---- */

typedef struct {
    uint32_t finished, looked, n_answer, n_printed, n_seen, reserved;
    int32_t n_failed, n_none;
} snapshot_head;

static cmat_status os_snapshot(cmat_env *env, cmat_buf *out, cmat_error *err)
{
    os_env *e = (os_env *)env;
    const snapshot_head h = {.finished = e->finished,
                             .looked = e->looked,
                             .n_answer = (uint32_t)e->answer.len,
                             .n_printed = (uint32_t)e->printed.len,
                             .n_seen = (uint32_t)e->seen.len,
                             .n_failed = e->n_failed,
                             .n_none = e->n_none};
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "os: no task has been set");
    cmat_buf_add(out, &h, sizeof h);
    cmat_buf_add(out, cmat_buf_str(&e->answer), e->answer.len);
    cmat_buf_add(out, cmat_buf_str(&e->printed), e->printed.len);
    cmat_buf_add(out, cmat_buf_str(&e->seen), e->seen.len);
    return os_sandbox_save(e->sandbox, out, err);
}

static void take(cmat_buf *to, const char **p, size_t n)
{
    cmat_buf_truncate(to, 0);
    cmat_buf_add(to, *p, n);
    *p += n;
}

static cmat_status os_restore(cmat_env *env, const void *state, size_t len, cmat_error *err)
{
    os_env *e = (os_env *)env;
    const char *p = state;
    snapshot_head h;
    if (!e->task || len < sizeof h)
        return cmat_fail(err, CMAT_ERR_STATE, "os: the snapshot is of another task");
    memcpy(&h, p, sizeof h);
    const uint64_t texts = (uint64_t)h.n_answer + h.n_printed + h.n_seen;
    if (texts > len - sizeof h)
        return cmat_fail(err, CMAT_ERR_FORMAT, "os: the snapshot is broken");
    p += sizeof h;
    cmat_status st = os_sandbox_load(e->sandbox, p + texts, len - sizeof h - (size_t)texts, err);
    if (st != CMAT_OK)
        return st;
    take(&e->answer, &p, h.n_answer);
    take(&e->printed, &p, h.n_printed);
    take(&e->seen, &p, h.n_seen);
    e->finished = h.finished != 0;
    e->looked = h.looked != 0;
    e->n_failed = h.n_failed;
    e->n_none = h.n_none;
    e->judged = false;
    return CMAT_OK;
}

static const char *os_error_kind(cmat_env *env)
{
    const os_env *e = (const os_env *)env;
    if (e->judged && e->score > 0)
        return NULL;
    if (e->n_none > 0)
        return "no action";
    if (!e->finished)
        return "not finished";
    if (!e->looked)
        return "answered without looking";
    return e->n_failed > 0 ? "failing commands" : "wrong result";
}

extern const cmat_env_ops cmat_env_os;
const cmat_env_ops cmat_env_os = {
    .name = "os",
    .summary = "a Linux shell in a sandbox: answer questions, make changes",
    .open = os_open,
    .close = os_close,
    .generate = os_generate_op,
    .import = os_import,
    .reset = os_reset,
    .prompt = os_prompt,
    .step = os_step,
    .dry_run = os_env_dry_run,
    .constraint = os_constraint,
    .score = os_episode_score,
    .oracle = os_oracle,
    .snapshot = os_snapshot,
    .restore = os_restore,
    .slip = os_env_slip,
    .error_kind = os_error_kind,
};
