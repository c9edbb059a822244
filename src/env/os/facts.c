/* facts.c - what the Checker learns before a command is run: does it parse, do its commands exist,
 * what did it print and change when it was tried on a copy of the file system. */
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/os/os.h"
#include "env/os/output.h"
#include "env/os/script.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_OUTPUT = 200, SHOWN_CHANGES = 6, NAMES_MAX = 64 };
#define TRIAL_TIMEOUT 5.0

static void worse(cmat_facts *f, cmat_fact_level level)
{
    if (level > f->verdict)
        f->verdict = level;
}

static void say(cmat_facts *f, cmat_fact_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void say(cmat_facts *f, cmat_fact_level level, const char *fmt, ...)
{
    va_list ap;
    worse(f, level);
    if (f->text.len > 0)
        cmat_buf_putc(&f->text, '\n');
    cmat_buf_puts(&f->text, level == CMAT_FACT_BAD    ? "wrong: "
                            : level == CMAT_FACT_NOTE ? "note: "
                                                      : "");
    va_start(ap, fmt);
    cmat_buf_vprintf(&f->text, fmt, ap);
    va_end(ap);
}

/* ---- answers ---- */

static bool asks_for_number(const char *instruction)
{
    static const char *const words[] = {"how many", "count ", "number of", "total ", NULL};
    for (size_t i = 0; words[i]; i++)
        if (cmat_text_find(instruction, words[i]))
            return true;
    return false;
}

static bool is_number(const char *s)
{
    char *end;
    strtod(s, &end);
    return end != s && end[strspn(end, " KMGTBiB%\n")] == '\0';
}

static void answer_facts(const os_env *e, const char *answer, cmat_facts *f)
{
    const bool seen = *answer && strstr(cmat_buf_str(&e->seen), answer);
    json_object_set_new(f->facts, "action", json_string("answer"));
    json_object_set_new(f->facts, "looked", json_boolean(e->looked));
    json_object_set_new(f->facts, "seen", json_boolean(seen));
    if (!*answer) {
        say(f, CMAT_FACT_BAD, "the answer is empty");
        return;
    }
    if (!e->looked)
        say(f, CMAT_FACT_NOTE, "no command has been run yet");
    else if (!seen)
        say(f, CMAT_FACT_NOTE, "this stands in no output so far");
    else
        say(f, CMAT_FACT_OK, "this stands in the output");
    if (strpbrk(answer, " \n") && !is_number(answer) &&
        asks_for_number(cmat_json_str(e->task, "instruction", "")))
        say(f, CMAT_FACT_NOTE, "a bare number is asked for");
}

static void finish_facts(const os_env *e, cmat_facts *f)
{
    json_object_set_new(f->facts, "action", json_string("finish"));
    json_object_set_new(f->facts, "looked", json_boolean(e->looked));
    if (!e->looked)
        say(f, CMAT_FACT_NOTE, "no command has been run yet");
    if (asks_for_number(cmat_json_str(e->task, "instruction", "")))
        say(f, CMAT_FACT_NOTE, "an answer is asked for");
}

/* ---- commands ---- */

/* The first line of what Bash says, without "bash: -c: line 1: ". */
static void say_syntax_error(const char *said, cmat_facts *f)
{
    const char *line = strstr(said, "line ");
    const char *p = line ? strchr(line, ':') : NULL;
    p = p ? p + 1 + (p[1] == ' ') : said;
    say(f, CMAT_FACT_BAD, "does not parse: %.*s", (int)strcspn(p, "\n"), p);
}

static cmat_status parses(os_env *e, const char *script, cmat_facts *f, bool *ok, cmat_error *err)
{
    const char *argv[] = {"bash", "-n", "-c", script, NULL};
    const os_run r = {.argv = argv, .timeout = 10, .trial = true, .with_errors = true};
    os_output o = {0};
    cmat_buf said = {0};
    cmat_status st = os_sandbox_run(e->sandbox, &r, &o, err);
    *ok = st == CMAT_OK && o.status == 0;
    if (st == CMAT_OK && !*ok) {
        os_output_clean(cmat_buf_str(&o.out), o.out.len, &said);
        say_syntax_error(cmat_buf_str(&said), f);
    }
    json_object_set_new(f->facts, "parses", json_boolean(*ok));
    cmat_buf_clear(&said);
    os_output_clear(&o);
    return st;
}

static void add_quoted(cmat_buf *b, const char *s)
{
    cmat_buf_putc(b, '\'');
    for (; *s; s++) {
        if (*s == '\'')
            cmat_buf_puts(b, "'\\''");
        else
            cmat_buf_putc(b, *s);
    }
    cmat_buf_putc(b, '\'');
}

/* Names the shell does not know, as an array; asks it about all of them at once. */
static cmat_status unknown_commands(os_env *e, const os_script *s, json_t *unknown, cmat_error *err)
{
    cmat_buf script = {0};
    os_output o = {0};
    size_t n = 0;
    cmat_buf_puts(&script, "for __box_n in");
    for (size_t i = 0; i < s->n && n < NAMES_MAX; i++) {
        const os_command *c = &s->items[i];
        if (c->dynamic || !*c->words[0] || os_script_defines(s, c->words[0]))
            continue;
        cmat_buf_putc(&script, ' ');
        add_quoted(&script, c->words[0]);
        n++;
    }
    cmat_buf_puts(&script,
                  "; do builtin type -t -- \"$__box_n\" >/dev/null || builtin printf "
                  "'%s\\n' \"$__box_n\"; done");
    const os_run r = {.script = script.data, .timeout = 10, .trial = true};
    cmat_status st = n ? os_sandbox_run(e->sandbox, &r, &o, err) : CMAT_OK;
    for (const char *p = cmat_buf_str(&o.out); *p;) {
        const size_t len = strcspn(p, "\n");
        json_t *name = cmat_json_text(p, len);
        bool twice = false;
        for (size_t i = 0; i < json_array_size(unknown); i++)
            twice |= json_equal(json_array_get(unknown, i), name) != 0;
        if (twice)
            json_decref(name);
        else
            json_array_append_new(unknown, name);
        p += len + (p[len] == '\n');
    }
    os_output_clear(&o);
    cmat_buf_clear(&script);
    return st;
}

static void say_changes(const char *lines, cmat_facts *f)
{
    json_t *changed = json_array();
    cmat_buf text = {0};
    size_t n = 0;
    for (const char *p = lines; *p; n++) {
        char *path;
        const char kind = *p;
        const long long size = strtoll(p + 1, &path, 10);
        const size_t len = strcspn(p, "\n");
        const size_t n_path = (size_t)(p + len - path) - 1;
        json_t *name = cmat_json_text(path + 1, n_path);
        json_array_append_new(changed, json_pack("{s:s, s:o, s:I}", "change",
                                                 kind == 'A'   ? "new"
                                                 : kind == 'D' ? "gone"
                                                               : "changed",
                                                 "path", name, "bytes", (json_int_t)size));
        if (n < SHOWN_CHANGES)
            cmat_buf_printf(&text, "%s%s %.*s", n ? ", " : "",
                            kind == 'A'   ? "new"
                            : kind == 'D' ? "gone"
                                          : "changed",
                            (int)n_path, path + 1);
        p += len + (p[len] == '\n');
    }
    if (n > SHOWN_CHANGES)
        cmat_buf_printf(&text, " and %zu more", n - SHOWN_CHANGES);
    if (n > 0)
        say(f, CMAT_FACT_OK, "files: %s", text.data);
    json_object_set_new(f->facts, "changed", changed);
    json_object_set_new(f->facts, "writes", json_boolean(n > 0));
    cmat_buf_clear(&text);
}

static void say_output(const os_output *o, cmat_facts *f)
{
    cmat_buf clean = {0}, cut = {0};
    os_output_clean(cmat_buf_str(&o->out), o->out.len, &clean);
    os_output_cut(cmat_buf_str(&clean), clean.len,
                  clean.len + (o->total > o->out.len ? o->total - o->out.len : 0), SHOWN_OUTPUT,
                  &cut);
    while (cut.len > 0 && isspace((unsigned char)cut.data[cut.len - 1]))
        cmat_buf_truncate(&cut, cut.len - 1);
    json_object_set_new(f->facts, "output", cmat_json_text(cmat_buf_str(&cut), cut.len));
    json_object_set_new(f->facts, "output_bytes", json_integer((json_int_t)o->total));
    if (cut.len > 0)
        say(f, CMAT_FACT_OK, "prints: %s", cut.data);
    cmat_buf_clear(&clean);
    cmat_buf_clear(&cut);
}

static void say_end(const os_output *o, cmat_facts *f)
{
    json_object_set_new(f->facts, "exit", json_integer(o->status));
    json_object_set_new(f->facts, "timed_out", json_boolean((o->flags & BOX_TIMED_OUT) != 0));
    json_object_set_new(f->facts, "background", json_boolean((o->flags & BOX_BACKGROUND) != 0));
    if (o->flags & BOX_BACKGROUND)
        say(f, CMAT_FACT_OK, "starts a process in the background");
    if (o->flags & BOX_TIMED_OUT)
        say(f, CMAT_FACT_NOTE, "it was not done after %g seconds", TRIAL_TIMEOUT);
    else if (o->flags & BOX_OUT_OF_MEMORY)
        say(f, CMAT_FACT_NOTE, "it needs more memory than there is");
    else if (o->flags & BOX_FLOODED)
        say(f, CMAT_FACT_NOTE, "it prints without end");
    else if (o->flags & BOX_SHELL_ENDED || o->died)
        say(f, CMAT_FACT_NOTE, "it ends the shell");
    else if (o->status != 0)
        say(f, CMAT_FACT_NOTE, "its exit status is %d", o->status);
}

/* Runs it in the trial's shell. A name that is not there makes the action wrong when nothing came
 * of it; `npm -v || echo no` is right without npm. */
static cmat_status try_script(os_env *e, const char *script, const json_t *unknown, cmat_facts *f,
                              cmat_error *err)
{
    const double limit = os_step_timeout(e);
    const os_run r = {
        .script = script, .timeout = limit < TRIAL_TIMEOUT ? limit : TRIAL_TIMEOUT, .trial = true};
    os_output o = {0};
    cmat_buf changes = {0};
    cmat_status st = os_sandbox_run(e->sandbox, &r, &o, err);
    if (st == CMAT_OK)
        st = os_sandbox_trial_changes(e->sandbox, &changes, err);
    if (st == CMAT_OK) {
        const char *missing = json_string_value(json_array_get(unknown, 0));
        if (missing)
            say(f, o.status == 127 ? CMAT_FACT_BAD : CMAT_FACT_NOTE,
                "there is no command \"%.60s\"", missing);
        say_output(&o, f);
        say_changes(cmat_buf_str(&changes), f);
        say_end(&o, f);
        if (o.total == 0 && changes.len == 0 && o.status == 0 && !o.flags)
            say(f, CMAT_FACT_OK, "prints nothing and changes no file");
    }
    os_output_clear(&o);
    cmat_buf_clear(&changes);
    return st;
}

static cmat_status bash_facts(os_env *e, const char *script, cmat_facts *f, cmat_error *err)
{
    os_script s = {0};
    json_t *unknown = json_array(), *names = json_array();
    bool ok = false;
    os_script_read(script, &s);
    json_object_set_new(f->facts, "action", json_string("bash"));
    for (size_t i = 0; i < s.n && i < NAMES_MAX; i++)
        json_array_append_new(names,
                              cmat_json_text(s.items[i].words[0], strlen(s.items[i].words[0])));
    json_object_set_new(f->facts, "commands", names);
    json_object_set_new(f->facts, "unknown", unknown);
    const char *danger = os_script_danger(&s);
    json_object_set_new(f->facts, "destructive", danger ? json_string(danger) : json_null());
    if (danger)
        say(f, CMAT_FACT_NOTE, "it %s", danger);
    cmat_status st = os_sandbox_trial_begin(e->sandbox, err);
    if (st == CMAT_OK)
        st = parses(e, script, f, &ok, err);
    if (st == CMAT_OK && ok)
        st = unknown_commands(e, &s, unknown, err);
    if (st == CMAT_OK && ok)
        st = try_script(e, script, unknown, f, err);
    os_sandbox_trial_end(e->sandbox);
    os_script_clear(&s);
    return st;
}

cmat_status os_env_dry_run(cmat_env *env, const char *reply, cmat_facts *f, cmat_error *err)
{
    os_env *e = (os_env *)env;
    os_action a;
    cmat_status st = CMAT_OK;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "os: no task has been set");
    os_env_action(e, reply, &a);
    f->facts = json_object();
    json_object_set_new(f->facts, "parses", json_boolean(a.type != OS_ACTION_NONE));
    if (a.type == OS_ACTION_NONE)
        say(f, CMAT_FACT_BAD, "there is no action");
    else if (a.type == OS_ACTION_BASH)
        st = bash_facts(e, cmat_buf_str(&a.text), f, err);
    else if (a.type == OS_ACTION_ANSWER)
        answer_facts(e, cmat_buf_str(&a.text), f);
    else
        finish_facts(e, f);
    os_action_clear(&a);
    return st;
}
