/* env/db/facts.c - what a dry run finds out about a statement before it is let near the database.
 *
 * The verdict is BAD only for what cannot be right: no action, an error, a name that does not
 * exist, something forbidden. All else is a note for the model's judgement; that no row matches is
 * the most telling. */
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/db/env.h"
#include "env/db/lex.h"
#include "env/db/render.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FIRST_ROWS = 3, FIRST_BYTES = 200, MAX_NOTES = 5 };

typedef struct {
    db_env *e;
    cmat_facts *out;
    json_t *notes;
} finder;

static void note(finder *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(finder *f, const char *fmt, ...)
{
    cmat_buf b = {0}, inert = {0};
    va_list ap;
    if (json_array_size(f->notes) >= MAX_NOTES)
        return;
    va_start(ap, fmt);
    cmat_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    cmat_text_inert(&inert, cmat_buf_str(&b), b.len);
    json_array_append_new(f->notes, json_string(cmat_buf_str(&inert)));
    cmat_buf_printf(&f->out->text, "note: %s\n", cmat_buf_str(&inert));
    if (f->out->verdict == CMAT_FACT_OK)
        f->out->verdict = CMAT_FACT_NOTE;
    cmat_buf_clear(&b);
    cmat_buf_clear(&inert);
}

static void bad(finder *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void bad(finder *f, const char *fmt, ...)
{
    cmat_buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    cmat_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    f->out->verdict = CMAT_FACT_BAD;
    cmat_buf_puts(&f->out->text, "wrong: ");
    cmat_text_inert(&f->out->text, cmat_buf_str(&b), b.len);
    cmat_buf_putc(&f->out->text, '\n');
    cmat_buf_clear(&b);
}

static void set(finder *f, const char *key, json_t *v)
{
    json_object_set_new(f->out->facts, key, v);
}

/* ---- errors ---- */

static void unknown(finder *f, const char *what, const char *name, const char *nearest)
{
    json_t *list = json_object_get(f->out->facts, "unknown");
    if (!list)
        json_object_set_new(f->out->facts, "unknown", list = json_array());
    json_array_append_new(
        list, json_pack("{s:s, s:s, s:s*}", "what", what, "name", name, "nearest", nearest));
    if (nearest)
        bad(f, "there is no %s %s; the nearest name is %s", what, name, nearest);
    else
        bad(f, "there is no %s %s", what, name);
}

/* The tables that hold a column of this name: "orders, items". */
static bool column_elsewhere(finder *f, const char *name, cmat_buf *out)
{
    const db_schema *s = &f->e->world->schema;
    for (int i = 0; i < s->n_tables; i++)
        if (db_table_find_column(&s->tables[i], name) >= 0)
            cmat_buf_printf(out, "%s%s", out->len ? ", " : "", s->tables[i].name);
    return out->len > 0;
}

static void explain_error(finder *f, const db_result *r)
{
    const db_schema *s = &f->e->world->schema;
    cmat_buf where = {0};
    set(f, "error", cmat_json_text(r->error, strlen(r->error)));
    if (r->wrong == DB_WRONG_TABLE) {
        unknown(f, "table", r->name, db_schema_nearest(s, -1, false, r->name));
    } else if (r->wrong == DB_WRONG_COLUMN && column_elsewhere(f, r->name, &where)) {
        unknown(f, "column", r->name, NULL);
        cmat_buf_printf(&f->out->text, "%s is a column of %s\n", r->name, where.data);
    } else if (r->wrong == DB_WRONG_COLUMN) {
        unknown(f, "column", r->name, db_schema_nearest(s, -1, true, r->name));
    } else if (r->wrong == DB_WRONG_SYNTAX) {
        set(f, "parses", json_false());
        bad(f, "it does not parse: %s", r->error);
    } else {
        const char *instead = db_flavour_instead(db_world_flavour(f->e->world), r->error);
        bad(f, "%s", r->error);
        if (instead)
            note(f, "here it is %s", instead);
    }
    cmat_buf_clear(&where);
}

/* ---- literals ---- */

/* Letters and digits only, folded: 'Tokyo , Japan' is "Tokyo, Japan", 'it''s' is "it's", 1–0 is
 * 1-0. */
static void squeeze(cmat_buf *out, const char *s)
{
    cmat_buf f = {0};
    db_fold(&f, s, strlen(s));
    for (size_t i = 0; i < f.len; i++) {
        unsigned char c = (unsigned char)f.data[i];
        if (c == 0xE2 && i + 2 < f.len && (unsigned char)f.data[i + 1] == 0x80)
            i += 2; /* dashes and quotation marks */
        else if (isalnum(c) || c >= 0x80)
            cmat_buf_putc(out, (char)c);
    }
    cmat_buf_clear(&f);
}

static bool holds(const char *whole, const char *part)
{
    cmat_buf w = {0}, p = {0};
    squeeze(&w, whole);
    squeeze(&p, part);
    bool yes = strstr(cmat_buf_str(&w), cmat_buf_str(&p)) != NULL;
    cmat_buf_clear(&w);
    cmat_buf_clear(&p);
    return yes;
}

static const char *label_of(const finder *f, const db_value_entry *v, cmat_buf *b)
{
    const db_table *t = &f->e->world->schema.tables[v->table];
    cmat_buf_truncate(b, 0);
    cmat_buf_printf(b, "%s.%s", t->name, t->columns[v->column].name);
    return b->data;
}

/* The literal is compared with a column of this name: is it there? True: it was found, or nobody
 * can say. */
static bool in_column(const finder *f, const char *column, const char *text,
                      const db_value_entry **near)
{
    const db_world *w = f->e->world;
    bool known = false;
    *near = NULL;
    for (int i = 0; i < w->schema.n_tables; i++) {
        int c = db_table_find_column(&w->schema.tables[i], column);
        size_t n = 0;
        bool complete = false;
        if (c < 0)
            continue;
        db_values_column(&w->values, i, c, &n, &complete);
        if (!complete)
            return true;
        known = true;
        for (const db_value_entry *e = db_values_find(&w->values, text, strlen(text)); e;
             e = db_values_next(&w->values, e))
            if (e->table == i && e->column == c && (f->e->mysql || !strcmp(e->text, text)))
                return true;
        const db_value_entry *candidate = db_values_nearest(&w->values, i, c, text);
        if (candidate && !*near)
            *near = candidate;
    }
    return !known;
}

/* A text that a WHERE compares with a column. */
static void check_compared(finder *f, const char *column, const char *text)
{
    const db_value_entry *near, *e;
    cmat_buf b = {0};
    if (!*text || in_column(f, column, text, &near))
        return;
    if (near && !strcasecmp(near->text, text))
        note(f, "%s holds '%s', spelled so, not '%s'", label_of(f, near, &b), near->text, text);
    else if ((e = db_values_find(&f->e->world->values, text, strlen(text))))
        note(f, "'%s' is not in %s; it is in %s", text, column, label_of(f, e, &b));
    else if (near)
        note(f, "'%s' is not in %s; the nearest is '%s'", text, label_of(f, near, &b), near->text);
    else
        note(f, "'%s' is not in column %s", text, column);
    cmat_buf_clear(&b);
}

/* A value to be stored: from the question or the data, or made up? */
static void check_stored(finder *f, const char *text)
{
    if (*text && !holds(cmat_buf_str(&f->e->question), text) &&
        !db_values_find(&f->e->world->values, text, strlen(text)))
        note(f, "the value '%s' is neither in the request nor in the data", text);
}

static bool is_equals(const db_token *t)
{
    return db_token_is(t, "=") || db_token_is(t, "==") || db_token_is(t, "IS") ||
           db_token_is(t, "<>") || db_token_is(t, "!=");
}

/* Walks the statement: literals by where they stand, sums over texts. */
static void check_literals(finder *f, const char *sql)
{
    bool mysql = f->e->mysql, storing = false, in_list = false;
    cmat_buf column = {0}, text = {0};
    db_token before = {DB_TOKEN_END, "", 0}, t;
    while ((t = db_lex_next(&sql, mysql)).type != DB_TOKEN_END && t.type != DB_TOKEN_BAD) {
        if (db_token_is(&t, "SET") || db_token_is(&t, "VALUES"))
            storing = true;
        else if (db_token_is(&t, "WHERE") || db_token_is(&t, "SELECT"))
            storing = false;
        in_list = (in_list || db_token_is(&before, "IN")) && !db_token_is(&t, ")") &&
                  !db_token_is(&t, "SELECT");
        cmat_buf_truncate(&text, 0);
        db_token_text(&t, mysql, &text);
        if (t.type == DB_TOKEN_STRING && storing)
            check_stored(f, cmat_buf_str(&text));
        else if (t.type == DB_TOKEN_STRING && column.len && (is_equals(&before) || in_list))
            check_compared(f, column.data, cmat_buf_str(&text));
        else if (t.type == DB_TOKEN_QUOTED ||
                 (t.type == DB_TOKEN_NAME && !sqlite3_keyword_check(t.s, (int)t.n))) {
            cmat_buf_truncate(&column, 0);
            cmat_buf_puts(&column, cmat_buf_str(&text));
        }
        before = t;
    }
    cmat_buf_clear(&column);
    cmat_buf_clear(&text);
}

/* What the request names and the data holds, but the statement does not use: a forgotten condition.
 */
static void check_unused(finder *f, const char *sql)
{
    const db_world *w = f->e->world;
    cmat_buf hints = {0}, text = {0};
    db_hints_options o = {.max_hints = 4};
    db_hints_add(&w->values, &w->schema, f->e->instruction, &o, &hints);
    for (const char *line = cmat_buf_str(&hints); *line; line = strchr(line, '\n') + 1) {
        db_token t = db_lex(line, false); /* 'value': table.column, ... */
        cmat_buf_truncate(&text, 0);
        db_token_text(&t, false, &text);
        const char *value = cmat_buf_str(&text);
        /* Spelt as in the data, so that "average" is not taken for the title 'Average'. */
        if (strstr(f->e->instruction, value) && !holds(sql, value))
            note(f, "the request names %.*s, the statement does not", (int)strcspn(line, "\n"),
                 line);
    }
    cmat_buf_clear(&hints);
    cmat_buf_clear(&text);
}

/* ---- aggregates ---- */

static bool is_number(const char *s)
{
    char *end;
    strtod(s, &end);
    return end != s && !*end;
}

/* SUM or AVG of a column whose values are texts; MAX or MIN of numbers kept as text. */
static void check_aggregate(finder *f, const char *function, const char *column)
{
    const db_world *w = f->e->world;
    bool sums = !strcasecmp(function, "SUM") || !strcasecmp(function, "AVG");
    for (int i = 0; i < w->schema.n_tables; i++) {
        const db_table *t = &w->schema.tables[i];
        int c = db_table_find_column(t, column);
        size_t n = 0;
        bool complete;
        if (c < 0 || t->columns[c].affinity != DB_AFFINITY_TEXT)
            continue;
        const db_value_entry *e = db_values_column(&w->values, i, c, &n, &complete);
        size_t numbers = 0, looked = n < 20 ? n : 20;
        for (size_t k = 0; k < looked; k++)
            numbers += is_number(e[k].text);
        if (sums && looked && numbers * 2 < looked)
            note(f, "%s of %s.%s, which holds texts such as '%s'", function, t->name,
                 t->columns[c].name, e->text);
        else if (!sums && looked > 1 && numbers == looked)
            note(f, "%s of %s.%s compares texts ('9' above '10'): use CAST", function, t->name,
                 t->columns[c].name);
        return;
    }
}

static void check_aggregates(finder *f, const char *sql)
{
    static const char *const names[] = {"SUM", "AVG", "MAX", "MIN", NULL};
    db_token a = {DB_TOKEN_END, "", 0}, b = a, t;
    while ((t = db_lex_next(&sql, f->e->mysql)).type != DB_TOKEN_END && t.type != DB_TOKEN_BAD) {
        for (size_t i = 0; names[i]; i++)
            if (db_token_is(&a, names[i]) && db_token_is(&b, "(") &&
                (t.type == DB_TOKEN_NAME || t.type == DB_TOKEN_QUOTED)) {
                cmat_buf column = {0};
                db_token_text(&t, f->e->mysql, &column);
                check_aggregate(f, names[i], cmat_buf_str(&column));
                cmat_buf_clear(&column);
            }
        a = b;
        b = t;
    }
}

/* ---- read or write ---- */

/* Light: the request's first verb. */
static bool asks_for_change(const char *q)
{
    static const char *const verbs[] = {"insert",   "add",    "update",  "change",   "set",
                                        "delete",   "remove", "replace", "register", "increase",
                                        "decrease", "mark",   "rename",  "correct",  "raise",
                                        "lower",    "record", "modify",  NULL};
    static const char *const polite[] = {"please", "can", "could", "you", "kindly", "now", NULL};
    for (int words = 0; words < 4; words++) {
        while (*q && !isalpha((unsigned char)*q))
            q++;
        size_t n = 0;
        while (isalpha((unsigned char)q[n]))
            n++;
        bool skip = false;
        for (size_t i = 0; verbs[i]; i++)
            if (n == strlen(verbs[i]) && !strncasecmp(q, verbs[i], n))
                return true;
        for (size_t i = 0; polite[i]; i++)
            skip |= n == strlen(polite[i]) && !strncasecmp(q, polite[i], n);
        if (!skip)
            return false;
        q += n;
    }
    return false;
}

static bool asks_question(const char *q)
{
    static const char *const words[] = {"what", "which", "who",   "how",
                                        "when", "where", "whose", NULL};
    size_t n = 0;
    while (isalpha((unsigned char)q[n]))
        n++;
    for (size_t i = 0; words[i]; i++)
        if (n == strlen(words[i]) && !strncasecmp(q, words[i], n))
            return true;
    return false;
}

static void check_direction(finder *f, const db_action *a, const db_result *r)
{
    const char *q = f->e->instruction;
    if (a->type == DB_ACTION_FINAL && !r->writes && asks_for_change(q) &&
        !db_conn_written(f->e->conn))
        note(f, "the request asks for a change, but this statement only reads");
    else if (r->writes && asks_question(q))
        note(f, "the request asks a question, but this statement changes the data");
}

/* ---- what it gives ---- */

static void first_rows(finder *f, const db_result *r)
{
    db_result head = *r;
    cmat_buf b = {0};
    head.n_rows = r->n_rows < FIRST_ROWS ? r->n_rows : FIRST_ROWS;
    head.more = false;
    db_render_short(&head, FIRST_BYTES, &b);
    if (b.len && b.data[b.len - 1] == ')') /* the count stands above */
        while (b.len && b.data[b.len - 1] != '\n')
            cmat_buf_truncate(&b, b.len - 1);
    set(f, "first", cmat_json_text(cmat_buf_str(&b), b.len));
    cmat_buf_add(&f->out->text, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
}

/* A name for what a statement comes to: the rows that it gives, or for a change its own words. */
static void set_outcome(finder *f, const db_result *r, const char *sql)
{
    cmat_buf b = {0};
    char hex[17];
    db_token t;
    for (size_t i = 0; !r->writes && i < r->n_rows * (size_t)r->n_columns; i++) {
        const db_value *v = &r->rows[i];
        if (v->type == DB_VALUE_INT)
            cmat_buf_printf(&b, "%lld", (long long)v->i);
        else if (v->type == DB_VALUE_REAL)
            cmat_buf_printf(&b, "%.12g", v->d);
        else if (v->type != DB_VALUE_NULL)
            cmat_buf_add(&b, v->text, v->len);
        cmat_buf_putc(&b, i % (size_t)r->n_columns + 1 < (size_t)r->n_columns ? '\t' : '\n');
    }
    while (r->writes && (t = db_lex_next(&sql, f->e->mysql)).type != DB_TOKEN_END &&
           t.type != DB_TOKEN_BAD) {
        cmat_buf_add(&b, t.s, t.n);
        cmat_buf_putc(&b, ' ');
    }
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)cmat_fnv1a(cmat_buf_str(&b), b.len));
    set(f, "outcome", json_string(hex));
    cmat_buf_clear(&b);
}

static void report_read(finder *f, const db_result *r)
{
    set(f, "rows", json_integer((json_int_t)r->n_rows));
    if (r->n_rows == 0) {
        cmat_buf_puts(&f->out->text, "0 rows match\n");
        f->out->verdict = CMAT_FACT_NOTE;
        return;
    }
    cmat_buf_printf(&f->out->text, "reads; %s%zu row%s\n", r->more ? "more than " : "", r->n_rows,
                    r->n_rows == 1 ? "" : "s");
    first_rows(f, r);
    if (r->n_rows == 1 && r->n_columns == 1 && r->rows[0].type == DB_VALUE_NULL)
        note(f, "the only value is NULL: no row matches, or the column is empty");
    else if (r->n_rows == 1 && r->n_columns == 1 && r->rows[0].type == DB_VALUE_INT &&
             r->rows[0].i == 0)
        note(f, "the result is 0: 0 rows match");
}

static void report_write(finder *f, const db_result *r)
{
    const db_schema *s = &f->e->world->schema;
    set(f, "changed", json_integer(r->changed));
    if (r->ddl) {
        cmat_buf_puts(&f->out->text, "changes the schema\n");
        note(f, "%s changes the schema, not the rows", r->head);
        return;
    }
    cmat_buf_printf(&f->out->text, "writes; %lld row%s would change\n", (long long)r->changed,
                    r->changed == 1 ? "" : "s");
    if (r->changed == 0)
        note(f, "0 rows match: nothing would change");
    for (int i = 0; i < s->n_tables; i++)
        if (r->changed > 1 && strcmp(r->head, "INSERT") != 0 && r->changed == s->tables[i].n_rows)
            note(f, "as many rows as table %s has would change", s->tables[i].name);
}

static cmat_status check_statement(finder *f, const db_action *a, cmat_error *err)
{
    db_result r = {0};
    const char *sql = cmat_buf_str(&a->sql);
    cmat_status st = db_conn_try(f->e->conn, sql, &r, err);
    if (st != CMAT_OK)
        return st;
    set(f, "parses", json_true());
    set(f, "verb", json_string(r.head));
    if (!r.ok) {
        explain_error(f, &r);
    } else {
        db_plan plan = {0};
        set(f, "writes", json_boolean(r.writes));
        set_outcome(f, &r, sql);
        if (r.writes)
            report_write(f, &r);
        else
            report_read(f, &r);
        check_direction(f, a, &r);
        check_literals(f, sql);
        if (a->type == DB_ACTION_FINAL && !r.ddl)
            check_unused(f, sql);
        check_aggregates(f, sql);
        if (db_conn_plan(f->e->conn, sql, &plan) && plan.text.len)
            set(f, "plan",
                cmat_json_text(plan.text.data, plan.text.len > 500 ? 500 : plan.text.len));
        if (plan.cost >= 0)
            set(f, "cost", json_real(plan.cost));
        if (plan.rows >= 0)
            set(f, "expected_rows", json_real(plan.rows));
        db_plan_clear(&plan);
    }
    db_result_clear(&r);
    return CMAT_OK;
}

static void check_answer(finder *f, const db_action *a)
{
    set(f, "answer", json_incref(a->answer));
    cmat_buf_printf(&f->out->text, "answers with %zu value%s\n", json_array_size(a->answer),
                    json_array_size(a->answer) == 1 ? "" : "s");
    if (json_array_size(a->answer) == 0)
        note(f, "the answer is empty");
    if (asks_for_change(f->e->instruction) && !db_conn_written(f->e->conn))
        note(f, "the request asks for a change, but nothing has been changed yet");
    else if (f->e->n_statements == 0)
        note(f, "the database has not been looked at yet");
}

cmat_status db_env_dry_run(cmat_env *env, const char *reply, cmat_facts *facts, cmat_error *err)
{
    static const char *const names[] = {"none", "sql", "final", "answer"};
    db_env *e = (db_env *)env;
    db_action a;
    cmat_status st = CMAT_OK;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "db: no task has been set");
    db_env_action(e, reply, &a);
    facts->facts = json_object();
    finder f = {.e = e, .out = facts, .notes = json_array()};
    set(&f, "action", json_string(names[a.type]));
    if (a.type == DB_ACTION_NONE)
        bad(&f, "the reply holds no action");
    else if (a.type == DB_ACTION_ANSWER)
        check_answer(&f, &a);
    else
        st = check_statement(&f, &a, err);
    set(&f, "notes", f.notes);
    db_action_clear(&a);
    return st;
}
