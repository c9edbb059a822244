/* test_web_browser.c - the web in Chromium: one short session. Made sites look as in the little
 * browser and are solved there; episodes keep apart; nothing but loopback and the allowed hosts is
 * reached; a browser that is killed ends its episodes only. Skipped, with a line, where Chromium or
 * chromedriver is missing or does not start. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/web/web.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <microhttpd.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A server that counts what it is asked for; its page is a format with the other servers'
 * addresses. */
typedef struct {
    struct MHD_Daemon *daemon;
    char address[64]; /* "127.0.0.1:1234" */
    char page[2048];
    int n_requests, n_cookies;
} server;

static enum MHD_Result answer(void *user, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *n_upload, void **state)
{
    server *s = user;
    (void)method, (void)version, (void)upload;
    *n_upload = 0;
    (void)state;
    __atomic_add_fetch(&s->n_requests, 1, __ATOMIC_SEQ_CST);
    if (strcmp(url, "/favicon.ico") != 0 &&
        MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Cookie"))
        __atomic_add_fetch(&s->n_cookies, 1, __ATOMIC_SEQ_CST);
    const char *text = strcmp(url, "/") == 0 ? s->page : "<p>Second page</p>";
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(r, "Content-Type", "text/html");
    MHD_add_response_header(r, "Set-Cookie", "seen=1");
    const enum MHD_Result done = MHD_queue_response(c, 200, r);
    MHD_destroy_response(r);
    return done;
}

static void serve(server *s, in_addr_t address)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = address};
    s->daemon =
        MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer, s,
                         MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at, MHD_OPTION_END);
    if (!s->daemon)
        abort();
    snprintf(s->address, sizeof s->address, "%s:%d", inet_ntoa(at.sin_addr),
             MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
}

/* An address of this machine that is not loopback; 0: it has none. */
static in_addr_t outer_address(void)
{
    struct ifaddrs *all = NULL;
    in_addr_t found = 0;
    if (getifaddrs(&all) != 0)
        return 0;
    for (struct ifaddrs *i = all; i && !found; i = i->ifa_next)
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && !(i->ifa_flags & IFF_LOOPBACK))
            found = ((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr.s_addr;
    freeifaddrs(all);
    return found;
}

#define FORM                                                                                    \
    "{\"id\": \"x\", \"instruction\": \"i\", \"site\": {\"kind\": \"form\", \"title\": \"T\", " \
    "\"submit\": \"Go\", \"fields\": [{\"label\": \"N\", \"type\": \"text\", \"goal\": \"v\"}]}}"

static server near, allowed, forbidden;
static char folder[64]; /* where this program's browsers live */
static cmat_env *env;   /* in the browser */
static bool outer;

/* The processes of the browser that this program has started, by the folder of their own that they
 * name: 0 when there is none. kill_them: SIGKILL to all. */
static int browsers(bool kill_them)
{
    DIR *proc = opendir("/proc");
    int n = 0;
    for (const struct dirent *e; proc && (e = readdir(proc));) {
        char *path = cmat_xasprintf("/proc/%s/cmdline", e->d_name), *line = NULL;
        size_t len = 0;
        if (isdigit((unsigned char)e->d_name[0]) &&
            cmat_read_file(path, 1 << 20, &line, &len, NULL) == CMAT_OK &&
            memmem(line, len, folder, strlen(folder))) {
            n++;
            if (kill_them)
                kill(atoi(e->d_name), SIGKILL);
        }
        free(line);
        free(path);
    }
    if (proc)
        closedir(proc);
    return n;
}

static cmat_task task_of(const char *text)
{
    json_t *j = cmat_json_parse(text, strlen(text), "task", NULL);
    cmat_task t;
    assert_int_equal(cmat_task_init(&t, j, NULL), CMAT_OK);
    json_decref(j);
    return t;
}

static void open_all(void)
{
    char world[128];
    snprintf(folder, sizeof folder, "/tmp/test-web-browser-XXXXXX");
    if (!mkdtemp(folder) || setenv("TMPDIR", folder, 1) != 0)
        abort();
    cmat_error err;
    const in_addr_t address = outer_address();
    outer = address != 0;
    serve(&near, htonl(INADDR_LOOPBACK));
    if (outer) {
        serve(&allowed, address);
        serve(&forbidden, address);
    }
    snprintf(world, sizeof world, "browser%s%s", outer ? ":" : "", allowed.address);
    const cmat_env_options o = {.path = world, .seed = 1, .step_timeout = 300};
    if (cmat_env_open(&env, "web", &o, &err) != CMAT_OK)
        abort();
}

static void close_all(void)
{
    cmat_env_close(env);
    server *all[] = {&near, &allowed, &forbidden};
    for (int i = 0; i < 3; i++)
        if (all[i]->daemon)
            MHD_stop_daemon(all[i]->daemon);
    for (int i = 0; i < 1000 && browsers(false) > 0; i++) /* they end on their own */
        usleep(20000);
    if (browsers(false) > 0 || rmdir(folder) != 0) {
        fprintf(stderr, "%s: something of the browser is left\n", folder);
        abort();
    }
}

static void same_state(cmat_env *a, cmat_env *b, const cmat_obs *x, const cmat_obs *y)
{
    assert_string_equal(x->text.data, y->text.data);
    assert_int_equal(a->done, b->done);
}

/* The oracle's way, in both browsers side by side: every observation is the same. */
static void test_same_pages(void **unused)
{
    (void)unused;
    cmat_task_list l = {0};
    cmat_env *plain = NULL;
    cmat_error err;
    assert_int_equal(web_site_generate(0, 6, 11, &l, &err), CMAT_OK);
    assert_int_equal(cmat_env_open(&plain, "web", NULL, &err), CMAT_OK);
    for (size_t i = 0; i < l.n; i++) {
        cmat_obs a = {0}, b = {0};
        cmat_buf reply = {0}, other = {0};
        cmat_facts f = {0};
        double score = 0;
        if (cmat_env_reset(env, &l.items[i], &a, &err) != CMAT_OK)
            fail_msg("%s", err.msg);
        assert_int_equal(cmat_env_reset(plain, &l.items[i], &b, &err), CMAT_OK);
        same_state(env, plain, &a, &b);
        while (!env->done && env->ops->oracle(env, &reply)) {
            assert_true(plain->ops->oracle(plain, &other));
            assert_string_equal(reply.data, other.data);
            assert_int_equal(cmat_env_dry_run(env, reply.data, &f, &err), CMAT_OK);
            assert_int_equal(f.verdict, CMAT_FACT_OK);
            if (cmat_env_step(env, reply.data, &a, &err) != CMAT_OK)
                fail_msg("%s", err.msg);
            assert_int_equal(cmat_env_step(plain, other.data, &b, &err), CMAT_OK);
            same_state(env, plain, &a, &b);
            cmat_buf_truncate(&reply, 0);
            cmat_buf_truncate(&other, 0);
        }
        assert_int_equal(cmat_env_score(env, &score, &err), CMAT_OK);
        if (score != 1)
            fail_msg("%s: %s", l.items[i].instruction, a.text.data);
        cmat_facts_clear(&f);
        cmat_obs_clear(&a);
        cmat_obs_clear(&b);
        cmat_buf_clear(&reply);
        cmat_buf_clear(&other);
    }
    cmat_env_close(plain);
    cmat_task_list_clear(&l);
}

/* Two episodes of the same site at once, in one browser. */
static void test_apart(void **unused)
{
    (void)unused;
    cmat_env *second = NULL;
    cmat_error err;
    cmat_obs a = {0}, b = {0};
    cmat_task t = task_of(FORM);
    const cmat_env_options o = {.path = env->opts.path, .like = env, .step_timeout = 300};
    assert_int_equal(cmat_env_open(&second, "web", &o, &err), CMAT_OK);
    assert_ptr_equal(((web_env *)second)->chrome, ((web_env *)env)->chrome);
    assert_int_equal(cmat_env_reset(env, &t, &a, &err), CMAT_OK);
    assert_int_equal(cmat_env_reset(second, &t, &b, &err), CMAT_OK);
    assert_int_equal(cmat_env_step(env, "TYPE 2: v", &a, &err), CMAT_OK);
    assert_int_equal(cmat_env_step(second, "TYPE 2: w", &b, &err), CMAT_OK);
    assert_non_null(strstr(a.text.data, "now \"v\""));
    assert_non_null(strstr(b.text.data, "now \"w\""));
    assert_int_equal(cmat_env_step(env, "SELECT 2: x", &a, &err), CMAT_OK);
    assert_true(a.error && strstr(a.text.data, "That cannot be done"));
    assert_int_equal(cmat_env_step(second, "CLICK 3", &b, &err), CMAT_OK);
    assert_true(second->done && !env->done);
    assert_int_equal(cmat_env_step(env, "CLICK 3", &a, &err), CMAT_OK);
    double x = 0, y = 1;
    cmat_env_score(env, &x, NULL);
    cmat_env_score(second, &y, NULL);
    assert_true(x == 1 && y == 0);
    cmat_env_close(second);
    cmat_task_clear(&t);
    cmat_obs_clear(&a);
    cmat_obs_clear(&b);
}

/* A page that asks for everything: only what is allowed is reached, and the Actor sees it told so.
 */
static void test_allow_list(void **unused)
{
    (void)unused;
    char text[256];
    cmat_obs obs = {0};
    cmat_error err;
    const web_chrome *c = ((web_env *)env)->chrome;
    const size_t before = web_chrome_refused(c);
    snprintf(
        near.page, sizeof near.page,
        "<h1>Start</h1><img src=http://%s/a.png><img src=http://%s/b.png><img "
        "src=http://192.0.2.7/c.png>"
        "<img src=http://blocked.example/d.png><script>fetch('http://blocked.example/e', {mode: "
        "'no-cors'}).catch(() => 0);document.title = 'x';</script>"
        "<a href=http://blocked.example/f>Out</a><a href=/second target=_blank>On</a>"
        "<button onclick=\"alert('boo')\">Alarm</button><button style='display:none'>No</button>",
        outer ? allowed.address : "127.0.0.1:1", outer ? forbidden.address : "blocked.example");
    snprintf(text, sizeof text,
             "{\"id\": \"x\", \"instruction\": \"i\", \"url\": \"http://%s/\", \"check\": "
             "{\"text\": \"second "
             "page\"}}",
             near.address);
    cmat_task t = task_of(text);
    if (cmat_env_reset(env, &t, &obs, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_non_null(
        strstr(obs.text.data, "Start\n[1] link \"Out\" [2] link \"On\" [3] button \"Alarm\"\n"));
    assert_true(!outer || allowed.n_requests >= 1);
    assert_int_equal(forbidden.n_requests, 0);
    assert_int_equal(cmat_env_step(env, "CLICK 1", &obs, &err), CMAT_OK);
    assert_non_null(strstr(obs.text.data, "This address is not on the allow-list."));
    assert_true(web_chrome_refused(c) >= before + 2);
    assert_int_equal(cmat_env_step(env, "BACK", &obs, &err), CMAT_OK);
    assert_int_equal(cmat_env_step(env, "CLICK 3", &obs, &err),
                     CMAT_OK); /* the dialog is put away */
    assert_non_null(strstr(obs.text.data, "[2] link \"On\""));
    assert_int_equal(cmat_env_step(env, "CLICK 2", &obs, &err), CMAT_OK);
    double score = 0;
    cmat_env_score(env, &score, NULL);
    assert_true(env->done && score == 1);
    assert_int_equal(forbidden.n_requests, 0);
    /* within an episode cookies are kept (the second page was sent one), the next one brings none
     */
    assert_true(near.n_cookies > 0);
    near.n_cookies = 0;
    snprintf(near.page, sizeof near.page, "<p>Again</p>");
    assert_int_equal(cmat_env_reset(env, &t, &obs, &err), CMAT_OK);
    assert_int_equal(near.n_cookies, 0);
    cmat_env_snapshot s = {0};
    assert_int_equal(cmat_env_snapshot_take(env, &s, &err), CMAT_ERR_UNSUPPORTED);
    cmat_task_clear(&t);
    cmat_obs_clear(&obs);
}

/* A task of the shop's on its web site; the end page does not tell the reward. */
static void test_shop(void **unused)
{
    (void)unused;
    cmat_env *shop = NULL;
    cmat_task_list l = {0};
    cmat_obs obs = {0};
    cmat_buf reply = {0};
    cmat_error err;
    double score = 0;
    assert_int_equal(cmat_env_open(&shop, "shop", NULL, &err), CMAT_OK);
    assert_int_equal(shop->ops->generate(shop, 0, 1, 3, &l, &err), CMAT_OK);
    if (cmat_env_reset(env, &l.items[0], &obs, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    for (int i = 0; i < 20 && !env->done && env->ops->oracle(env, &reply); i++) {
        assert_int_equal(cmat_env_step(env, reply.data, &obs, &err), CMAT_OK);
        cmat_buf_truncate(&reply, 0);
    }
    assert_int_equal(cmat_env_score(env, &score, &err), CMAT_OK);
    if (score != 1)
        fail_msg("%s: %s", l.items[0].instruction, obs.text.data);
    assert_null(strstr(obs.text.data, "1.0"));
    cmat_buf_clear(&reply);
    cmat_obs_clear(&obs);
    cmat_task_list_clear(&l);
    cmat_env_close(shop);
}

/* The browser is killed: the episodes in it end with one line, the next one has another browser. */
static void test_killed(void **unused)
{
    (void)unused;
    cmat_env *second = NULL;
    cmat_error err = {0};
    cmat_obs a = {0}, b = {0};
    cmat_task t = task_of(FORM);
    const cmat_env_options o = {.path = env->opts.path, .like = env, .step_timeout = 300};
    assert_int_equal(cmat_env_open(&second, "web", &o, &err), CMAT_OK);
    assert_int_equal(cmat_env_reset(env, &t, &a, &err), CMAT_OK);
    assert_int_equal(cmat_env_reset(second, &t, &b, &err), CMAT_OK);
    assert_true(browsers(true) > 0);
    assert_int_equal(cmat_env_step(env, "TYPE 2: v", &a, &err), CMAT_ERR_IO);
    assert_string_equal(err.msg, "web: the browser ended, and this episode's page with it");
    assert_int_equal(cmat_env_reset(env, &t, &a, &err), CMAT_OK);
    assert_int_equal(cmat_env_step(second, "TYPE 2: v", &b, &err), CMAT_ERR_IO);
    assert_string_equal(err.msg, "web: the browser ended, and this episode's page with it");
    cmat_env_close(second);
    assert_int_equal(cmat_env_step(env, "TYPE 2: v", &a, &err), CMAT_OK);
    assert_int_equal(cmat_env_step(env, "CLICK 3", &a, &err), CMAT_OK);
    double score = 0;
    cmat_env_score(env, &score, NULL);
    assert_true(env->done && score == 1);
    cmat_task_clear(&t);
    cmat_obs_clear(&a);
    cmat_obs_clear(&b);
}

static void test_bad_world(void **unused)
{
    (void)unused;
    static const char *const worlds[] = {"firefox", "browser:a b", "browser:x;y", "browser2"};
    for (size_t i = 0; i < sizeof worlds / sizeof *worlds; i++) {
        cmat_env *e;
        cmat_error err;
        const cmat_env_options o = {.path = worlds[i]};
        assert_int_equal(cmat_env_open(&e, "web", &o, &err), CMAT_ERR_ARG);
    }
}

/* Starts the browser; false, with a line, where it cannot be. */
static bool browser_starts(void)
{
    cmat_obs obs = {0};
    cmat_error err;
    cmat_task t = task_of(
        "{\"id\": \"x\", \"instruction\": \"i\", \"site\": {\"kind\": \"menu\", \"title\": \"T\", "
        "\"items\": [\"a\"], \"goal\": [0]}}");
    const bool ok = cmat_env_reset(env, &t, &obs, &err) == CMAT_OK;
    if (!ok)
        printf("skipped: %s\n", err.msg);
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
    return ok;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_world), cmocka_unit_test(test_same_pages),
        cmocka_unit_test(test_apart),     cmocka_unit_test(test_allow_list),
        cmocka_unit_test(test_shop),      cmocka_unit_test(test_killed)};
    open_all();
    const int result = browser_starts() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
    close_all();
    return result;
}
