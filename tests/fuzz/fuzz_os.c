/* tests/fuzz/fuzz_os.c - libFuzzer target: any bytes as a reply, a script, a command's output, or a
 * task file of the os environment. Nothing is run. */
#include "core/fs.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/os/check.h"
#include "env/os/os.h"
#include "env/os/output.h"
#include "env/os/script.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void reply(const char *text)
{
    os_action a;
    os_reply_short(text, &a);
    os_action_clear(&a);
    os_reply_agentbench(text, &a);
    os_action_clear(&a);
}

static void script(const char *text)
{
    os_script s = {0};
    os_script_read(text, &s);
    for (size_t i = 0; i < s.n; i++)
        if (s.items[i].n == 0)
            abort();
    os_script_danger(&s);
    os_script_clear(&s);
}

/* What comes out is inert, and stays as it is when it goes through again. */
static void output(const char *bytes, size_t n)
{
    cmat_buf clean = {0}, again = {0}, cut = {0};
    os_output_clean(bytes, n, &clean);
    for (size_t i = 0; i < clean.len; i++) {
        const unsigned char c = (unsigned char)clean.data[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            abort();
    }
    os_output_clean(cmat_buf_str(&clean), clean.len, &again);
    if (strcmp(cmat_buf_str(&clean), cmat_buf_str(&again)) != 0)
        abort();
    os_output_cut(cmat_buf_str(&clean), clean.len, clean.len + n, 1 + n % 90, &cut);
    os_output_cut_agentbench(cmat_buf_str(&clean), clean.len, &cut);
    if (cmat_utf8_valid_prefix(cmat_buf_str(&cut), cut.len) != cut.len)
        abort();
    cmat_buf_clear(&clean);
    cmat_buf_clear(&again);
    cmat_buf_clear(&cut);
}

/* What the acceptor takes as whole is an action. */
static void accepted(const char *text, bool agentbench)
{
    _Alignas(16) unsigned char state[CMAT_ACCEPTOR_STATE_MAX] = {0};
    cmat_acceptor *a = os_acceptor_new(agentbench, true);
    bool ok = true;
    a->ops->start(a, state);
    for (const char *p = text; *p && ok; p++)
        ok = a->ops->step(a, state, (uint8_t)*p);
    if (ok && a->ops->done(a, state)) {
        os_action action;
        (agentbench ? os_reply_agentbench : os_reply_short)(text, &action);
        if (action.type == OS_ACTION_NONE)
            abort();
        os_action_clear(&action);
    }
    cmat_acceptor_free(a);
}

static void tasks(const char *text, size_t n)
{
    char path[] = "/tmp/fuzz_os-XXXXXX.json";
    const int fd = mkstemps(path, 5);
    cmat_task_list l = {0};
    cmat_error err = {0};
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        abort();
    close(fd);
    if (os_import(path, &l, &err) != CMAT_OK && (!err.msg[0] || strchr(err.msg, '\n')))
        abort();
    cmat_task_list_clear(&l);
    remove(path);
}

static void compare(const char *text)
{
    static const char *const names[] = {"integer", "string", "size", "containing", "in"};
    const size_t half = strlen(text) / 2;
    char *a = cmat_xstrndup(text, half);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        os_match_find(names[i])(a, text + half);
    os_match_regex(a, text + half);
    free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *text = cmat_xstrndup((const char *)data + 1, size - 1);
    switch (data[0] % 7) {
    case 0:
        reply(text);
        break;
    case 1:
        script(text);
        break;
    case 2:
        output((const char *)data + 1, size - 1);
        break;
    case 3:
        accepted(text, false);
        break;
    case 4:
        accepted(text, true);
        break;
    case 5:
        tasks(text, size - 1);
        break;
    default:
        compare(text);
        break;
    }
    free(text);
    return 0;
}
