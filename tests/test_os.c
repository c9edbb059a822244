/* test_os.c - episodes in the sandboxed shell: both styles, snapshots, facts, judging. Skipped,
 * with a line, where no sandbox can be made. */
#include "core/json.h"
#include "core/mem.h"
#include "env/os/os.h"
#include "os_player.h"
#include "player.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- episodes ---- */

static void test_shell_stays(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    cmat_env *env = os_player_open("short");
    cmat_task t = os_player_task();
    cmat_obs obs = {0};
    player_reset(env, &t, &obs);
    assert_string_equal(obs.text.data, "Task: Look around.");
    assert_string_equal(
        player_step(env, "Bash: cd /home; x=$'a\\nb'; f() { echo \"<$1>\"; }", &obs),
        "(no output)");
    assert_string_equal(player_step(env, "Bash: f \"$x\"; pwd; whoami; echo ~", &obs),
                        "<a\nb>\n/home\nroot\n/root");
    assert_string_equal(player_step(env, "Bash: false", &obs), "[exit status 1]");
    assert_true(obs.error && !obs.done);
    assert_string_equal(player_step(env, "Bash: echo $?", &obs), "1");
    /* the shell's end is not the episode's */
    assert_non_null(strstr(player_step(env, "Bash: exit 3", &obs), "the shell ended"));
    assert_string_equal(player_step(env, "Bash: f \"$x\"; pwd", &obs), "<a\nb>\n/home");
    assert_non_null(strstr(player_step(env, "nothing", &obs), "error: no action"));
    assert_true(obs.invalid_format && !obs.done);
    assert_string_equal(player_step(env, "Answer: 42", &obs), "");
    assert_true(obs.done);
    assert_true(player_score(env) == 1);
    /* a new episode knows nothing of the last one */
    player_reset(env, &t, &obs);
    assert_string_equal(player_step(env, "Bash: echo \"[$x]\"; pwd; ls -A /home", &obs),
                        "[]\n/root");
    player_step(env, "Answer: 41", &obs);
    assert_true(player_score(env) == 0);
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
    cmat_env_close(env);
}

static void test_agentbench_style(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    cmat_env *env = os_player_open("agentbench");
    cmat_task t = os_player_task();
    cmat_obs obs = {0};
    player_reset(env, &t, &obs);
    assert_string_equal(player_step(env, "Think: x\n\nAct: bash\n\n```bash\necho hi\n```", &obs),
                        "The output of the OS:\n\nhi\n");
    assert_string_equal(player_step(env, "Act: bash\n```bash\ntrue\n```", &obs),
                        "The output of the OS is empty.");
    assert_non_null(strstr(player_step(env, "Act: bash\n```bash\nseq 1000\n```", &obs),
                           "[truncated because the output is too long]"));
    player_step(env, "I do not know", &obs);
    assert_true(obs.done && obs.invalid_action);
    for (int i = 0; i < 8; i++) {
        if (i == 0)
            player_reset(env, &t, &obs);
        player_step(env, "Act: bash\n```bash\n:\n```", &obs);
    }
    assert_true(obs.done && obs.task_limit);
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
    cmat_env_close(env);
}

/* ---- snapshots ---- */

static const char *const changing[] = {
    "Bash: cd /srv; mkdir -p a/b; echo one >a/b/f; ln a/b/f hard; ln -s a soft; n=1",
    "Bash: echo two >>a/b/f; rm /etc/profile; rm -rf /var/log; mkdir /var/log; echo >/var/log/x",
    "Bash: touch -d '2020-02-02 10:00' old; chmod 600 hard; echo hi >/usr/local/bin/tool; n=2",
    "Bash: mkfifo pipe; echo \xc3\xa4 >'a b'; set -u; alias q=ls",
};
enum { N_CHANGES = sizeof changing / sizeof *changing };

static void test_snapshots(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    cmat_env *one = os_player_open("short"), *other = os_player_open("short");
    cmat_task t = os_player_task();
    cmat_obs obs = {0};
    cmat_error err;
    cmat_env_snapshot at[N_CHANGES + 1] = {{{0}, 0, false}};
    uint64_t hash[N_CHANGES + 1], h;
    player_reset(one, &t, &obs);
    for (size_t i = 0; i <= N_CHANGES; i++) {
        if (cmat_env_snapshot_take(one, &at[i], &err) != CMAT_OK)
            fail_msg("%s", err.msg);
        assert_int_equal(cmat_env_hash(one, &hash[i], &err), CMAT_OK);
        for (size_t k = 0; k < i; k++)
            assert_true(hash[k] != hash[i]);
        if (i < N_CHANGES)
            player_step(one, changing[i], &obs);
    }
    /* back, in another order and in another environment, and forth again */
    player_reset(other, &t, &obs);
    for (size_t k = N_CHANGES + 1; k-- > 0;) {
        cmat_env *env = k % 2 ? one : other;
        if (cmat_env_restore(env, &at[k], &err) != CMAT_OK)
            fail_msg("%s", err.msg);
        assert_int_equal(cmat_env_hash(env, &h, &err), CMAT_OK);
        assert_true(h == hash[k]);
        if (k == N_CHANGES) {
            player_step(env,
                        "Bash: pwd; cat hard; stat -c %a,%Y hard old; echo $n; ls -A /var/log; "
                        "test -e /etc/profile || echo gone",
                        &obs);
            assert_non_null(strstr(obs.text.data, "/srv\none\ntwo\n600,"));
            assert_non_null(strstr(obs.text.data, "644,1580637600\n2\nx\ngone"));
        } else {
            player_step(env, changing[k], &obs);
            assert_int_equal(cmat_env_hash(env, &h, &err), CMAT_OK);
            assert_true(h == hash[k + 1]);
        }
    }
    /* what cannot be saved is refused, and broken bytes are */
    player_reset(one, &t, &obs);
    player_step(one, "Bash: sleep 50 &", &obs);
    cmat_env_snapshot s = {{0}, 0, false};
    assert_int_equal(cmat_env_snapshot_take(one, &s, &err), CMAT_ERR_STATE);
    for (size_t n = 0; n < at[2].state.len; n += 97)
        assert_int_not_equal(one->ops->restore(one, at[2].state.data, n, &err), CMAT_OK);
    for (size_t k = 0; k <= N_CHANGES; k++)
        cmat_env_snapshot_clear(&at[k]);
    cmat_env_snapshot_clear(&s);
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
    cmat_env_close(one);
    cmat_env_close(other);
}

/* ---- facts ---- */

static void test_facts(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    cmat_env *env = os_player_open("short");
    cmat_task t = player_task(
        "{\"id\": \"t\", \"instruction\": \"How many files?\", \"answer\": "
        "\"3\"}");
    cmat_obs obs = {0};
    player_reset(env, &t, &obs);
    player_facts(env, "Answer: 3", CMAT_FACT_NOTE, "no command has been run");
    player_step(env, "Bash: cd /srv; touch a b c; n=5", &obs);
    player_facts(env, "Bash: ls | wc -l; echo $n", CMAT_FACT_OK, "prints: 3\n5");
    player_facts(env, "Bash: rm a; echo hi >>b; mkdir d; chmod 700 .", CMAT_FACT_OK,
                 "files: changed /srv, gone /srv/a, changed /srv/b, new /srv/d");
    player_facts(env, "Bash: echo 'x", CMAT_FACT_BAD, "wrong: does not parse: unexpected EOF");
    player_facts(env, "Bash: lss", CMAT_FACT_BAD, "wrong: there is no command \"lss\"");
    player_facts(env, "Bash: lss || ls", CMAT_FACT_NOTE, "note: there is no command \"lss\"");
    player_facts(env, "Bash: rm -rf /*", CMAT_FACT_NOTE, "note: it removes a whole system folder");
    player_facts(env, "Bash: exit 3", CMAT_FACT_NOTE, "ends the shell");
    player_facts(env, "Bash: :", CMAT_FACT_OK, "prints nothing and changes no file");
    player_facts(env, "Bash: sleep 100 & disown", CMAT_FACT_OK, "in the background");
    player_facts(env, "Bash: printf '\\033[31mred\\n'", CMAT_FACT_OK, "prints: red");
    player_facts(env, "hello", CMAT_FACT_BAD, "there is no action");
    player_facts(env, "Finish", CMAT_FACT_NOTE, "an answer is asked for");
    assert_string_equal(player_step(env, "Bash: ls; echo $n", &obs), "a\nb\nc\n5");
    player_facts(env, "Answer: 5", CMAT_FACT_OK, "stands in the output");
    player_facts(env, "Answer: There are 9 of them", CMAT_FACT_NOTE, "a bare number is asked for");
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
    cmat_env_close(env);
}

/* ---- judging ---- */

static void test_judging(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    static const struct {
        const char *task, *reply;
        double score;
    } all[] = {
        {"\"regex\": \"^4[0-9]$\"", "Answer: 42", 1},
        {"\"regex\": \"^4[0-9]$\"", "Answer: 142", 0},
        {"\"check\": [null, {\"match\": \"integer\"}], \"example\": {\"code\": \"ls /srv | wc "
         "-l\"}",
         "Answer: 2", 1},
        {"\"check\": [null, {\"match\": \"integer\"}], \"example\": {\"code\": \"ls /srv | wc "
         "-l\"}",
         "Answer: 3", 0},
        {"\"check\": [{\"code\": \"test -f /srv/a\"}]", "Finish", 1},
        {"\"check\": [{\"code\": \"test -f /srv/c\"}]", "Finish", 0},
        {"\"check\": [{\"code\": \"echo $1\"}, {\"language\": \"bash\", \"code\": \"test $1$2 = "
         "xx\"}]",
         "Answer: x", 1},
    };
    cmat_env *env = os_player_open("short");
    cmat_obs obs = {0};
    cmat_error err;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char *json = cmat_xasprintf(
            "{\"id\": \"t\", \"instruction\": \"x\", \"init\": [{\"code\": "
            "\"touch /srv/a /srv/b\"}], %s}",
            all[i].task);
        cmat_task t = player_task(json);
        player_reset(env, &t, &obs);
        player_step(env, all[i].reply, &obs);
        if (player_score(env) != all[i].score)
            fail_msg("%s: %s", all[i].task, all[i].reply);
        cmat_task_clear(&t);
        free(json);
    }
    cmat_task bad = player_task(
        "{\"id\": \"t\", \"instruction\": \"x\", \"init\": [{\"code\": \"exit "
        "4\"}]}");
    assert_int_equal(cmat_env_reset(env, &bad, &obs, &err), CMAT_ERR_STATE);
    assert_non_null(strstr(err.msg, "init script 1 ended with status 4"));
    cmat_task_clear(&bad);
    cmat_obs_clear(&obs);
    cmat_env_close(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shell_stays), cmocka_unit_test(test_agentbench_style),
        cmocka_unit_test(test_snapshots),   cmocka_unit_test(test_facts),
        cmocka_unit_test(test_judging),
    };
    return cmocka_run_group_tests_name("os", tests, NULL, os_player_end);
}
