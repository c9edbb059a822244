/* tests/fuzz/fuzz_web.c - libFuzzer target: any bytes as a page, a data file, a reply, a saved
 * state or a request to a made site.
 *
 * The first byte chooses. Every error must be one line; what was read must be playable: any task
 * that resets takes its oracle's steps; a dry run changes nothing. */
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/web/tree.h"
#include "env/web/web.h"
#include "fuzz_env.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const cmat_error *err)
{
    if (!err->msg[0] || strchr(err->msg, '\n'))
        abort();
}

static void page(const char *data, size_t size)
{
    web_page p, q;
    web_view v = {0};
    cmat_buf out = {0};
    if (web_page_parse(&p, data, size, NULL) != CMAT_OK)
        return;
    for (int i = 0; i < (int)p.n; i++)
        if (p.nodes[i].end <= i || p.nodes[i].end > (int)p.n ||
            (!p.nodes[i].tag == !p.nodes[i].text))
            abort();
    web_view_make(&v, &p, 0, 500);
    web_view_make(&v, &p, v.text.len, 500);
    if (v.text.len > 500 || cmat_utf8_valid_prefix(cmat_buf_str(&v.text), v.text.len) != v.text.len)
        abort();
    for (size_t i = 0; i + 1 < v.n && i < 3; i++) {
        web_tree_repr(&p, v.elements + i, 2, &out);
        web_tree_choice(&p, v.elements + i, 2, 1, &out);
    }
    cmat_buf_truncate(&out, 0);
    web_page_html(&p, NULL, &out);
    if (web_page_parse(&q, cmat_buf_str(&out), out.len, NULL) != CMAT_OK)
        abort();
    web_page_clear(&q);
    web_page_clear(&p);
    web_view_clear(&v);
    cmat_buf_clear(&out);
}

static cmat_env *env_of(bool agentbench)
{
    static cmat_env *envs[2];
    const cmat_env_options o = {.style = agentbench ? "agentbench" : "short"};
    if (!envs[agentbench] && cmat_env_open(&envs[agentbench], "web", &o, NULL) != CMAT_OK)
        abort();
    return envs[agentbench];
}

static void play(const cmat_task *t, bool agentbench)
{
    cmat_env *env = env_of(agentbench);
    cmat_obs obs = {0};
    cmat_buf reply = {0};
    cmat_error err = {0};
    cmat_acceptor *a = NULL;
    if (cmat_env_reset(env, t, &obs, &err) != CMAT_OK) {
        check(&err);
        return;
    }
    if (env->ops->constraint(env, &a, &err) != CMAT_OK)
        abort();
    cmat_acceptor_free(a);
    for (int i = 0; i < 5 && !env->done && env->ops->oracle(env, &reply); i++) {
        if (cmat_env_step(env, reply.data, &obs, &err) != CMAT_OK)
            abort();
        cmat_buf_truncate(&reply, 0);
    }
    cmat_buf_clear(&reply);
    cmat_obs_clear(&obs);
}

static void file(const char *data, size_t size)
{
    cmat_task_list l = {0};
    cmat_error err = {0};
    if (web_import_text(data, size, "fuzz", &l, &err) != CMAT_OK)
        check(&err);
    for (size_t i = 0; i < l.n && i < 3; i++) {
        play(&l.items[i], false);
        play(&l.items[i], true);
    }
    cmat_task_list_clear(&l);
}

static const cmat_task *good_task(void)
{
    static cmat_task_list l;
    if (!l.n && web_site_generate(0, 6, 7, &l, NULL) != CMAT_OK)
        abort();
    return l.items;
}

static void reply(const char *text, bool agentbench)
{
    fuzz_reply(env_of(agentbench), good_task(), text);
}

static void state(const char *data, size_t size)
{
    web_browser b = {0};
    web_browser_start(&b, json_object_get(good_task()[4].json, "site"), NULL);
    cmat_buf saved = {0};
    if (web_browser_load(&b, data, size))
        web_browser_save(&b, &saved);
    web_browser_clear(&b);
    cmat_buf_clear(&saved);
}

static void request(char *text)
{
    char *form = strchr(text, '\n');
    if (form)
        *form++ = '\0';
    for (int i = 0; i < 6; i++) {
        web_site_state st = {0};
        web_response r = {0};
        web_site_respond(json_object_get(good_task()[i].json, "site"), &st, text, form, &r);
        cmat_buf_clear(&r.body);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *text = cmat_xstrndup((const char *)data + 1, size - 1);
    switch (data[0] % 6) {
    case 0:
        page(text, size - 1);
        break;
    case 1:
        file(text, size - 1);
        break;
    case 4:
        state(text, size - 1);
        break;
    case 5:
        request(text);
        break;
    default:
        reply(text, data[0] % 6 == 3);
    }
    free(text);
    return 0;
}
