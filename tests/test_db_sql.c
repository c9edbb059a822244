/* tests/test_db_sql.c - replies, MySQL's habits, comparisons of answers, facts of a dry run. */
#include "core/json.h"
#include "core/mem.h"
#include "env/db/db.h"
#include "env/db/env.h"
#include "env/db/lex.h"
#include "env/db/mysql.h"
#include "env/db/render.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- replies ---- */

static void check_short(const char *reply, db_action_type type, const char *text)
{
    db_action a;
    db_reply_short(reply, &a);
    const char *got = type == DB_ACTION_ANSWER ? cmat_buf_str(&a.text) : cmat_buf_str(&a.sql);
    if (a.type != type || strcmp(got, text) != 0)
        fail_msg("%s: type %d, \"%s\"", reply, a.type, got);
    db_action_clear(&a);
}

static void test_short_replies(void **state)
{
    (void)state;
    check_short("SQL: SELECT 1", DB_ACTION_SQL, "SELECT 1");
    check_short("Think: count them\nFinal: SELECT count(*) FROM t;\n", DB_ACTION_FINAL,
                "SELECT count(*) FROM t;");
    check_short("sql: SELECT 1\nFROM t\nAnswer: [1]", DB_ACTION_SQL, "SELECT 1\nFROM t");
    check_short("SQL:\n```sql\nSELECT 'a``b'\n```\nthat is it", DB_ACTION_SQL, "SELECT 'a``b'");
    check_short("Answer: [\"x\"]", DB_ACTION_ANSWER, "[\"x\"]");
    check_short("SELECT 1", DB_ACTION_NONE, "");
    check_short("OK", DB_ACTION_NONE, "");
    check_short("", DB_ACTION_NONE, "");
    check_short("SQL:", DB_ACTION_SQL, "");
    check_short("Final: ```", DB_ACTION_FINAL, "");
    db_action a;
    db_reply_short("Answer: ['a', 2, None]", &a);
    assert_int_equal(json_array_size(a.answer), 3);
    assert_int_equal(json_integer_value(json_array_get(a.answer, 1)), 2);
    db_action_clear(&a);
    db_reply_short("Answer: about forty", &a);
    assert_string_equal(json_string_value(json_array_get(a.answer, 0)), "about forty");
    db_action_clear(&a);
}

static void check_agentbench(const char *reply, db_action_type type, const char *text)
{
    db_action a;
    db_reply_agentbench(reply, &a);
    const char *got = type == DB_ACTION_ANSWER ? cmat_buf_str(&a.text) : cmat_buf_str(&a.sql);
    if (a.type != type || strcmp(got, text) != 0)
        fail_msg("%s: type %d, \"%s\"", reply, a.type, got);
    db_action_clear(&a);
}

static void test_agentbench_replies(void **state)
{
    (void)state;
    check_agentbench("Look.\nAction: Operation\n```sql\nSELECT 1\nFROM t;\n```", DB_ACTION_SQL,
                     "SELECT 1 FROM t;");
    check_agentbench("Action: Answer\nFinal Answer: [\"a\"]", DB_ACTION_ANSWER, " [\"a\"]");
    check_agentbench("Final Answer: [\"a\"]", DB_ACTION_NONE, ""); /* needs a line end before it */
    check_agentbench("Action: Operation\nSELECT 1", DB_ACTION_NONE, "");
    check_agentbench("Action: Operation", DB_ACTION_NONE, "");
    check_agentbench("Action: Operation \n```sql\nSELECT 1\n```", DB_ACTION_NONE, "");
}

static void check_python(const char *text, const char *json)
{
    json_t *j = db_python_list(text);
    char *s = j ? json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if ((s == NULL) != (json == NULL) || (s && strcmp(s, json) != 0))
        fail_msg("%s: %s", text, s ? s : "none");
    free(s);
    json_decref(j);
}

static void test_python_literals(void **state)
{
    (void)state;
    check_python(" [\"a\", 'b']", "[\"a\",\"b\"]");
    check_python("(1, 2.5, None, True)", "[1,2.5,null,true]");
    check_python("'a', 'b'", "[\"a\",\"b\"]");
    check_python("\"ab\"", "[\"a\",\"b\"]"); /* list("ab") */
    check_python("('a')", "[\"a\"]");
    check_python("('a',)", "[\"a\"]");
    check_python("[('a', 1), ('b', 2)]", "[[\"a\",1],[\"b\",2]]");
    check_python("['it\\'s', \"caf\\u00e9\"]", "[\"it's\",\"caf\xC3\xA9\"]");
    check_python("[]", "[]");
    check_python("5", NULL); /* list(5) raises */
    check_python("Vienna", NULL);
    check_python("['a'", NULL);
    check_python("[a]", NULL);
    check_python("[\"a\"] and more", NULL);
    check_python("", NULL);
}

/* ---- answers ---- */

static json_t *parse(const char *s)
{
    json_t *j = json_loads(s, 0, NULL);
    assert_non_null(j);
    return j;
}

static void check_answers(const char *a, const char *b, bool strict, bool lenient, bool ours)
{
    json_t *x = parse(a), *y = parse(b);
    if (db_answers_equal(x, y, false) != strict || db_answers_equal(x, y, true) != lenient ||
        db_rows_equal(x, y) != ours)
        fail_msg("%s against %s: %d %d %d", a, b, db_answers_equal(x, y, false),
                 db_answers_equal(x, y, true), db_rows_equal(x, y));
    json_decref(x);
    json_decref(y);
}

static void test_comparison_of_answers(void **state)
{
    (void)state;
    check_answers("[\"7\"]", "[\"7.0\"]", true, true, true);
    check_answers("[7]", "[\"7\"]", true, true, true);
    check_answers("[\"7.001\"]", "[\"7\"]", false, true, false);
    check_answers("[\" x\"]", "[\"x\"]", false, true, false);
    check_answers("[\"X\"]", "[\"x\"]", false, false, false);
    check_answers("[\"a\", \"b\"]", "[\"b\", \"a\", \"a\"]", true, true, true);
    check_answers("[1, 2]", "[\"1\", \"2\"]", false, true, true); /* 1 is not "1" in a set */
    check_answers("[1, 2]", "[1.0, 2.0]", true, true, true);
    check_answers("[\"1,200\"]", "[\"1200\"]", false, true, false);
    check_answers("[\"12%\"]", "[\"12\"]", false, true, false);
    check_answers("[]", "[]", true, true, true);
    check_answers("[]", "[\"a\"]", false, false, false);
    check_answers("[\"nan\"]", "[\"nan\"]", false, true, true);
    check_answers("[[\"a\", \"1\"], [\"b\", \"2\"]]", "[[\"2\", \"b\"], [\"1.0\", \"a\"]]", false,
                  false, true);
    check_answers("[\"a\", \"1\", \"b\", \"2\"]", "[[\"a\", \"1\"], [\"b\", \"2\"]]", false, false,
                  true);
    check_answers("[[\"a\", \"2\"], [\"b\", \"1\"]]", "[[\"a\", \"1\"], [\"b\", \"2\"]]", false,
                  false, false);
}

static void test_python_floats(void **state)
{
    (void)state;
    static const struct {
        double d;
        const char *text;
    } cases[] = {{20, "20.0"},
                 {0.1, "0.1"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1e16, "1e+16"},
                 {1e15, "1000000000000000.0"},
                 {-2.5, "-2.5"},
                 {1e-5, "1e-05"},
                 {0.0001, "0.0001"},
                 {123456.789, "123456.789"},
                 {0, "0.0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cmat_buf b = {0};
        db_python_float(cases[i].d, &b);
        assert_string_equal(b.data, cases[i].text);
        cmat_buf_clear(&b);
    }
}

/* ---- MySQL ---- */

static const char *const table_json =
    "{\"id\": \"m\", \"instruction\": \"Add a row with rank 9 for Peru\", \"type\": \"write\", "
    "\"mysql\": true,"
    " \"gold\": [\"SELECT 1\"], \"table\": {\"table_name\": \"1952 Medal Table\", \"table_info\": "
    "{\"columns\":"
    " [{\"name\": \"Rank\"}, {\"name\": \"Nation\"}, {\"name\": \"Gold (total)\"}, {\"name\": "
    "\"1st\"}], \"rows\":"
    " [[\"1\", \"Perú\", \"12\", \"a\"], [\"2\", \"Montréal\", \"9\", \"b\"], [\"10\", \"Japan\", "
    "\"100\", \"c\"],"
    " [\"11\", \"O'Land\", \"1,000\", null]]}}}";

static cmat_env *mysql_env(const char *style)
{
    cmat_env *env = NULL;
    cmat_error err = {0};
    cmat_env_options o = {.style = style};
    cmat_obs obs = {0};
    cmat_task t;
    json_t *j = parse(table_json);
    assert_int_equal(cmat_task_init(&t, j, &err), CMAT_OK);
    if (cmat_env_open(&env, "db", &o, &err) != CMAT_OK ||
        cmat_env_reset(env, &t, &obs, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
    json_decref(j);
    return env;
}

static void check_mysql(cmat_env *env, const char *sql, const char *want)
{
    cmat_obs obs = {0};
    char *reply = cmat_xasprintf("Action: Operation\n```sql\n%s\n```", sql);
    env->done = false;
    env->steps = 0;
    assert_int_equal(cmat_env_step(env, reply, &obs, NULL), CMAT_OK);
    if (!strstr(cmat_buf_str(&obs.text), want))
        fail_msg("%s: %s, not %s", sql, cmat_buf_str(&obs.text), want);
    cmat_obs_clear(&obs);
    free(reply);
}

static void test_mysql_habits(void **state)
{
    (void)state;
    cmat_env *env = mysql_env("agentbench");
    check_mysql(env, "SELECT Rank FROM `1952 Medal Table` WHERE Nation = \"montreal\";",
                "[('2',)]");
    check_mysql(env, "SELECT `Rank` FROM `1952 Medal Table` WHERE Nation LIKE 'PER%'", "[('1',)]");
    check_mysql(env, "SELECT Nation FROM `1952 Medal Table` WHERE Nation = 'o\\'land'",
                "[(\"O'Land\",)]");
    check_mysql(env, "SELECT Nation FROM `1952 Medal Table` WHERE Rank > 9 ORDER BY Rank LIMIT 1",
                "[('Japan',)]");
    check_mysql(
        env, "SELECT Nation FROM `1952 Medal Table` WHERE `1952 Medal Table`.Rank BETWEEN 2 AND 3",
        "[('Montréal',)]");
    check_mysql(env, "SELECT 1st FROM `1952 Medal Table` WHERE Rank = 10 AND 1st = 'C'",
                "[('c',)]");
    check_mysql(env, "SELECT COUNT(*), SUM(Rank) FROM `1952 Medal Table`", "[(4, 24.0)]");
    check_mysql(env,
                "SELECT CONCAT(Nation, '-', Rank), IF(Rank > 5, 'hi', 'lo') FROM `1952 Medal "
                "Table` LIMIT 1",
                "[('Perú-1', 'lo')]");
    check_mysql(env, "SELECT SUBSTRING_INDEX('a.b.c', '.', 2), SUBSTRING_INDEX('a.b.c', '.', -1)",
                "[('a.b', 'c')]");
    check_mysql(env, "SELECT LEFT('Perú', 4), RIGHT('Montréal', 4), CAST('12abc' AS UNSIGNED)",
                "[('Perú', 'réal', 12)]");
    check_mysql(env, "SELECT 7 / 2, 7 MOD 2, MOD(7, 4), GREATEST(1, 3)", "[(3.5, 1, 3, 3)]");
    check_mysql(env,
                "SELECT CHAR_LENGTH('Perú'), LENGTH('Perú'), REVERSE('úa'), FORMAT(1234567.891, 2)",
                "[(4, 5, 'aú', '1,234,567.89')]");
    check_mysql(env, "SELECT GROUP_CONCAT(Rank SEPARATOR '/') FROM `1952 Medal Table`",
                "[('1/2/10/11',)]");
    check_mysql(env, "SELECT 'a' 'b', \"it's\", 'x\\ny'", "[('ab', \"it's\", 'x\\ny')]");
    check_mysql(env, "SELECT Nation FROM `1952 Medal Table` WHERE Nation REGEXP '^ja'",
                "[('Japan',)]");
    check_mysql(env, "SELECT 1 # a comment", "[(1,)]");
    check_mysql(env, "SELECT NULL, 1 <=> 1, TRUE && FALSE", "[(None, 1, 0)]");
    check_mysql(env, "SHOW TABLES", "[('1952 Medal Table',)]");
    check_mysql(env, "DESCRIBE `1952 Medal Table`", "[('Rank', 'text', 'YES', '', None, ''), (");
    check_mysql(env, "SHOW COLUMNS FROM `1952 Medal Table`", "('1st', 'text'");
    check_mysql(env, "SELECT x FROM `1952 Medal Table`",
                "1054 (42S22): Unknown column 'x' in 'field list'");
    check_mysql(env, "SELECT * FROM Nope", "1146 (42S02): Table 'Nope' doesn't exist");
    check_mysql(env, "SELEC 1", "1064 (42000): You have an error in your SQL syntax");
    check_mysql(env, "INSERT INTO `1952 Medal Table` (Rank) VALUES (1, 2)", "1136 (21S01)");
    check_mysql(env, "SELECT NOSUCH(1)", "1305 (42000): FUNCTION NOSUCH does not exist");
    check_mysql(env, "INSERT INTO `1952 Medal Table` (Rank, Nation) VALUES (22.950, 'a\\\\b')",
                "[]");
    check_mysql(env, "SELECT Rank, Nation FROM `1952 Medal Table` WHERE Rank = '22.950'",
                "[('22.950', 'a\\\\b')]");
    check_mysql(env, "UPDATE `1952 Medal Table` SET Nation = 'X' WHERE `Gold (total)` < 10", "[]");
    check_mysql(env, "SELECT COUNT(*) FROM `1952 Medal Table` WHERE Nation = 'x'",
                "[(2,)]"); /* 9, and '1,000' is 1 */
    check_mysql(env, "SELECT HEX(ZEROBLOB(900)) FROM `1952 Medal Table`", "[TRUNCATED]");
    check_mysql(env, "ATTACH '/etc/passwd' AS x", "not allowed here");
    cmat_env_close(env);
}

static void test_mysql_collation(void **state)
{
    (void)state;
    static const char *const same[][2] = {{"Montréal", "montreal"},
                                          {"STRASSE", "straße"},
                                          {"Øre", "ore"},
                                          {"e\xCC\x81", "E"},
                                          {"Ё", "е"}};
    static const char *const less[][2] = {{"a", "b"},  {"A", "b"}, {"1", "a"}, {" ", "1"},
                                          {"a", "ab"}, {"-", "1"}, {"–", "a"}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_int_equal(
            db_mysql_compare(same[i][0], strlen(same[i][0]), same[i][1], strlen(same[i][1])), 0);
    for (size_t i = 0; i < sizeof less / sizeof *less - 1; i++)
        assert_true(
            db_mysql_compare(less[i][0], strlen(less[i][0]), less[i][1], strlen(less[i][1])) < 0);
    assert_true(db_mysql_compare("1-0", 3, "1–0", 5) != 0);
}

/* ---- facts ---- */

static cmat_facts facts_of(cmat_env *env, const char *reply)
{
    cmat_facts f = {0};
    cmat_error err = {0};
    if (cmat_env_dry_run(env, reply, &f, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return f;
}

static void check_fact(cmat_env *env, const char *reply, cmat_fact_level verdict, const char *want)
{
    cmat_facts f = facts_of(env, reply);
    if (f.verdict != verdict || !strstr(cmat_buf_str(&f.text), want))
        fail_msg("%s: verdict %d, \"%s\"", reply, f.verdict, cmat_buf_str(&f.text));
    cmat_facts_clear(&f);
}

static void test_facts(void **state)
{
    (void)state;
    cmat_env *env = mysql_env(NULL);
    char before[33], after[33];
    db_conn *c = ((db_env *)env)->conn;
    db_conn_hash(c, NULL, NULL, before, NULL);
    check_fact(env, "SQL: SELECT Nation FROM `1952 Medal Table` WHERE Rank = '2'", CMAT_FACT_OK,
               "reads; 1 row\nNation\nMontréal");
    check_fact(env, "OK", CMAT_FACT_BAD, "no action");
    check_fact(env, "SQL: SELECT Natoin FROM `1952 Medal Table`", CMAT_FACT_BAD,
               "there is no column Natoin; the nearest name is Nation");
    check_fact(env, "SQL: SELECT * FROM `1952 Medals Table`", CMAT_FACT_BAD,
               "there is no table 1952 Medals Table; the nearest name is 1952 Medal Table");
    check_fact(env, "SQL: SELECT FROM", CMAT_FACT_BAD, "does not parse");
    check_fact(env, "SQL: SELECT * FROM `1952 Medal Table` WHERE Nation = 'Jappan'", CMAT_FACT_NOTE,
               "0 rows match");
    check_fact(env, "SQL: SELECT * FROM `1952 Medal Table` WHERE Nation = 'Jappan'", CMAT_FACT_NOTE,
               "the nearest is 'Japan'");
    check_fact(env, "SQL: SELECT Nation FROM `1952 Medal Table` WHERE 1st = 'Japan'",
               CMAT_FACT_NOTE, "'Japan' is not in 1st; it is in 1952 Medal Table.Nation");
    check_fact(env, "SQL: SELECT MAX(Nation) FROM `1952 Medal Table` WHERE Rank = '77'",
               CMAT_FACT_NOTE, "NULL");
    check_fact(env, "SQL: SELECT SUM(Nation) FROM `1952 Medal Table`", CMAT_FACT_NOTE,
               "SUM of 1952 Medal Table.Nation");
    check_fact(env, "SQL: SELECT MAX(Rank) FROM `1952 Medal Table`", CMAT_FACT_NOTE,
               "compares texts");
    check_fact(env, "Final: SELECT * FROM `1952 Medal Table`", CMAT_FACT_NOTE, "asks for a change");
    check_fact(env, "Final: UPDATE `1952 Medal Table` SET Rank = '9' WHERE Nation = 'Chile'",
               CMAT_FACT_NOTE, "nothing would change");
    check_fact(env, "Final: DELETE FROM `1952 Medal Table`", CMAT_FACT_NOTE,
               "as many rows as table");
    check_fact(env, "Final: INSERT INTO `1952 Medal Table` (Rank, Nation) VALUES ('9', 'Peru')",
               CMAT_FACT_OK, "1 row would change");
    check_fact(env, "Final: INSERT INTO `1952 Medal Table` (Rank, Nation) VALUES ('9', 'Bolivia')",
               CMAT_FACT_NOTE, "'Bolivia' is neither in the request nor in the data");
    check_fact(env, "SQL: DROP TABLE `1952 Medal Table`", CMAT_FACT_NOTE, "changes the schema");
    check_fact(env, "SQL: ATTACH 'x' AS y", CMAT_FACT_BAD, "not allowed here");
    check_fact(env, "Answer: []", CMAT_FACT_NOTE, "the answer is empty");
    ((db_env *)env)->instruction = "What is the rank of Japan?";
    check_fact(env, "Final: SELECT Rank FROM `1952 Medal Table`", CMAT_FACT_NOTE,
               "the request names 'Japan': Nation, the statement does not");
    check_fact(env, "Final: SELECT Rank FROM `1952 Medal Table` WHERE Nation = 'Japan'",
               CMAT_FACT_OK, "1 row");
    db_conn_hash(c, NULL, NULL, after, NULL);
    assert_string_equal(before, after);
    cmat_facts f = facts_of(env, "SQL: SELECT Natoin FROM `1952 Medal Table`");
    json_t *u = json_array_get(json_object_get(f.facts, "unknown"), 0);
    assert_string_equal(cmat_json_str(u, "nearest", ""), "Nation");
    cmat_facts_clear(&f);
    cmat_env_close(env);
}

static const char *kind_after(const char *reply)
{
    cmat_env *env = mysql_env(NULL);
    db_env *e = (db_env *)env;
    cmat_obs obs = {0};
    json_object_set_new(
        e->task, "gold",
        json_string("UPDATE `1952 Medal Table` SET Rank = '9' WHERE Nation = 'Japan'"));
    assert_int_equal(cmat_env_step(env, reply, &obs, NULL), CMAT_OK);
    const char *kind = env->ops->error_kind(env);
    cmat_obs_clear(&obs);
    cmat_env_close(env);
    return kind;
}

static void test_error_kinds(void **state)
{
    (void)state;
    assert_string_equal(kind_after("OK, done."), "bare OK");
    assert_string_equal(kind_after("Final: SELECT * FROM `1952 Medal Table`"), "misread request");
    assert_string_equal(
        kind_after("Final: UPDATE `1952 Medal Table` SET 1st = '9' WHERE Nation = 'Japan'"),
        "wrong column");
    assert_string_equal(
        kind_after("Final: UPDATE `1952 Medal Table` SET Rank = '8' WHERE Nation = 'Japan'"),
        "wrong value");
    assert_null(
        kind_after("Final: UPDATE `1952 Medal Table` SET Rank = '9' WHERE Nation = 'japan'"));
}

static void check_final(const char *label, const char *sql, double want)
{
    cmat_env *env = mysql_env(NULL);
    db_env *e = (db_env *)env;
    cmat_obs obs = {0};
    double score = -1;
    e->write_task = false;
    json_object_set_new(e->task, "answer", json_pack("[s]", label));
    assert_int_equal(cmat_env_step(env, sql, &obs, NULL), CMAT_OK);
    assert_int_equal(cmat_env_score(env, &score, NULL), CMAT_OK);
    if (score != want)
        fail_msg("%s: %g", sql, score);
    cmat_obs_clear(&obs);
    cmat_env_close(env);
}

static void test_rows_as_benchmark_answers(void **state)
{
    (void)state;
    check_final("2.0", "Final: SELECT Rank FROM `1952 Medal Table` WHERE Nation = 'montreal'", 1);
    check_final("none", "Final: SELECT Rank FROM `1952 Medal Table` WHERE Nation = 'Chile'", 1);
    check_final("none", "Final: SELECT MAX(Rank) FROM `1952 Medal Table` WHERE Nation = 'Chile'",
                1);
    check_final("2", "Final: SELECT Rank, Nation FROM `1952 Medal Table` WHERE Nation = 'Montréal'",
                0);
    check_final("2", "Final: SELECT Rank FROM `1952 Medal Table`", 0);
}

/* ---- observations ---- */

static void test_observation_budget(void **state)
{
    (void)state;
    db_value cells[200];
    const char *names[] = {"number", "text"};
    for (int i = 0; i < 100; i++) {
        cells[2 * i] = (db_value){.type = DB_VALUE_INT, .i = i};
        cells[2 * i + 1] =
            (db_value){.type = DB_VALUE_TEXT, .text = "some \x1b[31mtext", .len = 14};
    }
    db_result r = {.ok = true, .n_columns = 2, .columns = names, .rows = cells, .n_rows = 100};
    for (size_t budget = 0; budget < 700; budget += 7) {
        cmat_buf b = {0};
        db_render_short(&r, budget, &b);
        assert_true(b.len <= (budget < 80 ? 80 : budget)); /* header and note stand in any case */
        assert_non_null(strstr(b.data, "of 100 rows shown)"));
        assert_null(strchr(b.data, '\x1b'));
        cmat_buf_clear(&b);
    }
    cmat_buf b = {0};
    r.n_rows = 2;
    db_render_short(&r, 600, &b);
    assert_non_null(strstr(b.data, "number | text\n0 | "));
    assert_non_null(strstr(b.data, "(2 rows)"));
    cmat_buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_replies),      cmocka_unit_test(test_agentbench_replies),
        cmocka_unit_test(test_python_literals),    cmocka_unit_test(test_comparison_of_answers),
        cmocka_unit_test(test_python_floats),      cmocka_unit_test(test_mysql_habits),
        cmocka_unit_test(test_mysql_collation),    cmocka_unit_test(test_facts),
        cmocka_unit_test(test_error_kinds),        cmocka_unit_test(test_rows_as_benchmark_answers),
        cmocka_unit_test(test_observation_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
