/* env/db_wiki.c - tasks in AgentBench's form: WikiSQL's questions, and rows to add and to change
 * told in many ways. */
#include "env/db_wiki.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/text.h"
#include "env/db.h"
#include "env/db_phrases.h"
#include "env/db_render.h"
#include "env/db_tasks.h"
#include "env/db_wiki_table.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))
enum { MAX_COLUMNS = 14, MAX_SET = 3, MAX_QUESTION = 300 };

typedef struct {
    json_t *tables;   /* array */
    json_t *by_table; /* table id -> array of its questions */
    cmat_rng rng;
    cmat_task_list *out;
    cmat_error *err;
    cmat_arena arena; /* one task */
} wiki;

static const char *fmt(wiki *w, const char *f, ...) __attribute__((format(printf, 2, 3)));
static const char *fmt(wiki *w, const char *f, ...)
{
    va_list ap;
    cmat_buf b = {0};
    va_start(ap, f);
    cmat_buf_vprintf(&b, f, ap);
    va_end(ap);
    const char *s = cmat_arena_strndup(&w->arena, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return s;
}

static const char *name_sql(wiki *w, const char *name)
{
    cmat_buf b = {0};
    db_name_add(&b, name, '`');
    const char *s = cmat_arena_strdup(&w->arena, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return s;
}

static const char *text_sql(wiki *w, const char *v)
{
    cmat_buf b = {0};
    db_literal_add(&b, v);
    const char *s = cmat_arena_strdup(&w->arena, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return s;
}

static int below(wiki *w, int n)
{
    return (int)cmat_rng_below(&w->rng, (uint64_t)n);
}

typedef struct {
    const char *kind, *sql, *think;
    cmat_buf text;
    bool writes;
    json_t *answer; /* owned */
} wiki_draft;

static cmat_status add_task(wiki *w, const wiki_table *t, const wiki_draft *d)
{
    char id[40];
    cmat_buf key = {0}, note = {0};
    cmat_buf_printf(&key, "%s\n%s", cmat_buf_str(&d->text), d->sql);
    snprintf(id, sizeof id, "wiki-%016llx", (unsigned long long)cmat_fnv1a(key.data, key.len));
    cmat_buf_printf(&note, "The name of this table is %s, and the headers of this table are ",
                    t->name);
    for (int c = 0; c < t->n_columns; c++)
        cmat_buf_printf(&note, "%s%s", c ? "," : "", t->columns[c]);
    cmat_buf_putc(&note, '.');
    json_t *j =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[s], s:s, s:b, s:o}", "id", id, "env",
                  "db", "kind", d->kind, "type", d->writes ? "write" : "select", "instruction",
                  cmat_buf_str(&d->text), "note", cmat_buf_str(&note), "sql", d->sql, "gold",
                  d->sql, "think", d->think, "mysql", 1, "table", wiki_table_json(t));
    cmat_buf_clear(&key);
    cmat_buf_clear(&note);
    if (j && d->writes)
        json_object_set_new(j, "writes", json_true());
    if (j && d->answer)
        json_object_set(j, "answer", d->answer);
    cmat_task task;
    cmat_status st = j ? cmat_task_init(&task, j, w->err)
                       : cmat_fail(w->err, CMAT_ERR_FORMAT, "wiki: text is not UTF-8");
    if (st == CMAT_OK)
        cmat_task_list_add(w->out, task);
    json_decref(j);
    return st;
}

static bool accepted(db_world *world, const wiki_draft *d)
{
    cmat_acceptor *a = NULL;
    db_constraint_input in = {
        .schema = &world->schema, .values = &world->values, .question = "", .mysql = true};
    bool ok = db_constraint(&a, &in, NULL) == CMAT_OK && db_oracle_accepted(a, d->think, d->sql);
    cmat_acceptor_free(a);
    return ok;
}

/* Runs the statement on the table alone. changed, answer: what came out; answer may be NULL. */
static bool run_gold(const wiki_table *t, const wiki_draft *d, int64_t *changed, json_t **answer)
{
    json_t *table = wiki_table_json(t);
    db_world *world = NULL;
    db_conn *conn = NULL;
    db_result r = {0};
    db_conn_options o = {.timeout = 2, .max_rows = 100, .mysql = true, .max_columns = MAX_COLUMNS};
    bool ok = db_world_inline(&world, table, true, NULL) == CMAT_OK &&
              db_conn_open(&conn, world->image, &o, NULL) == CMAT_OK &&
              db_conn_run(conn, d->sql, &r, NULL) == CMAT_OK && r.ok && accepted(world, d);
    if (ok) {
        *changed = r.changed;
        if (answer)
            *answer = db_result_answer(&r);
    }
    db_result_clear(&r);
    db_conn_close(conn);
    db_world_unref(world);
    json_decref(table);
    return ok;
}

/* ---- questions ---- */

static bool number_of(const char *s, double *x)
{
    cmat_buf b = {0};
    for (; *s; s++)
        if (*s != ',')
            cmat_buf_putc(&b, *s);
    char *end = NULL;
    *x = strtod(cmat_buf_str(&b), &end);
    bool ok = b.len && *end == 0 && isfinite(*x);
    cmat_buf_clear(&b);
    return ok;
}

static bool same_answer(const char *a, const char *b)
{
    double x, y;
    if (number_of(a, &x) && number_of(b, &y))
        return fabs(x - y) <= 1e-6 * (1 + fabs(x));
    return wiki_same(a, b);
}

/* Both are sets of texts: each of one is in the other. */
static bool same_answers(const json_t *got, const json_t *known)
{
    size_t i, k;
    const json_t *x, *y;
    for (int way = 0; way < 2; way++) {
        json_array_foreach(way ? known : got, i, x)
        {
            bool found = false;
            json_array_foreach(way ? got : known, k, y) found =
                found || (json_is_string(x) && json_is_string(y) &&
                          same_answer(json_string_value(x), json_string_value(y)));
            if (!found)
                return false;
        }
    }
    return json_array_size(got) > 0;
}

/* The SQL of WikiSQL's {agg, sel, conds}; NULL: a value is not in the table. */
static const char *question_sql(wiki *w, const wiki_table *t, const json_t *q, bool *compares)
{
    int sel = (int)cmat_json_int(q, "sel", -1);
    const char *agg = cmat_json_str(q, "agg", ""), *where = "";
    if (sel < 0 || sel >= t->n_columns)
        return NULL;
    size_t i;
    const json_t *cond;
    json_array_foreach(json_object_get(q, "conds"), i, cond)
    {
        int c = (int)json_integer_value(json_array_get(cond, 0));
        const char *op = json_string_value(json_array_get(cond, 1)),
                   *v = json_string_value(json_array_get(cond, 2));
        double x;
        if (!op || !v || c < 0 || c >= t->n_columns || strpbrk(v, "\\\n\t`"))
            return NULL;
        const char *lit;
        if (*op == '=') {
            int r = wiki_find(t, c, v);
            if (r < 0)
                return NULL;
            lit = text_sql(w, t->rows[r][c]);
        } else {
            if (!number_of(v, &x))
                return NULL;
            lit = fmt(w, "%.12g", x);
            *compares = true;
        }
        where = fmt(w, "%s%s%s %s %s", where, i ? " AND " : " WHERE ", name_sql(w, t->columns[c]),
                    op, lit);
    }
    const char *col = name_sql(w, t->columns[sel]);
    return fmt(w, "SELECT %s FROM %s%s", *agg ? fmt(w, "%s(%s)", agg, col) : col,
               name_sql(w, t->name), where);
}

static cmat_status add_question(wiki *w, const wiki_table *t, const json_t *q, bool *added)
{
    const char *text = cmat_json_str(q, "question", ""), *agg = cmat_json_str(q, "agg", "");
    bool compares = false;
    json_t *answer = NULL;
    int64_t changed;
    cmat_status st = CMAT_OK;
    *added = false;
    const char *sql =
        strlen(text) > MAX_QUESTION || !*text ? NULL : question_sql(w, t, q, &compares);
    if (sql) {
        const char *where = strstr(sql, " WHERE "), *from = strstr(sql, " FROM ");
        wiki_draft d = {.kind = !strcmp(agg, "COUNT") ? "counting"
                                : *agg                ? fmt(w, "aggregation-%s", agg)
                                : compares            ? "comparison"
                                                      : "other",
                        .sql = sql};
        d.think = fmt(w, "%.*s of %s%s%s", (int)(from - sql - 7), sql + 7, name_sql(w, t->name),
                      where ? " where " : "", where ? where + 7 : "");
        if (run_gold(t, &d, &changed, &answer) &&
            same_answers(answer, json_object_get(q, "answer"))) {
            d.answer = answer;
            cmat_buf_puts(&d.text, text);
            st = add_task(w, t, &d);
            cmat_buf_clear(&d.text);
            *added = st == CMAT_OK;
        }
    }
    json_decref(answer);
    return st;
}

/* ---- rows to add and to change ---- */

static bool sayable(const char *v)
{
    size_t n = strlen(v);
    return n > 0 && n <= 60 && !strpbrk(v, "\\\n`\"") && v[0] != ' ' && v[n - 1] != ' ' &&
           !strstr(v, "  ") && !strstr(v, " ,") && !strstr(v, " .") && !strstr(v, " ?") &&
           strcmp(v, "-") && strcmp(v, "–") && strcmp(v, "—");
}

/* A value like those of the column: another row's, with its digits changed when it is a number. */
static const char *like_column(wiki *w, const wiki_table *t, int c)
{
    for (int tries = 0; tries < 6; tries++) {
        const char *v = t->rows[below(w, t->n_rows)][c];
        if (!sayable(v))
            continue;
        if (!t->numeric[c] && below(w, 100) < 70)
            return v;
        char *s = cmat_arena_strdup(&w->arena, v);
        bool year = strlen(s) == 4 && (s[0] == '1' || s[0] == '2');
        for (size_t i = year ? 2 : 0; s[i]; i++)
            if (isdigit((unsigned char)s[i]) && below(w, 2))
                s[i] = (char)('1' + below(w, 9));
        return s;
    }
    return NULL;
}

static const char *quoted(wiki *w, const char *v)
{
    return strchr(v, '\'') ? fmt(w, "\"%s\"", v) : fmt(w, "'%s'", v);
}

/* Column and value side by side, in one of several manners. */
static const char *pair(wiki *w, int manner, const char *column, const char *value)
{
    cmat_buf low = {0};
    for (const char *p = column; *p; p++)
        cmat_buf_putc(&low, p == column || !isupper((unsigned char)p[1])
                                ? (char)tolower((unsigned char)*p)
                                : *p);
    const char *lower = cmat_arena_strdup(&w->arena, cmat_buf_str(&low)), *q = quoted(w, value);
    cmat_buf_clear(&low);
    switch (manner) {
    case 0:
        return fmt(w, "%s for %s", q, quoted(w, column));
    case 1:
        return fmt(w, "%s = %s", column, q);
    case 2:
        return fmt(w, "%s: %s", column, value);
    case 3:
        return fmt(w, "%s %s", lower, value);
    case 4:
        return fmt(w, "%s %s", lower, q);
    case 5:
        return fmt(w, "%s as the %s", value, lower);
    case 6:
        return fmt(w, "the %s is %s", lower, value);
    case 7:
        return fmt(w, "the %s as %s", quoted(w, column), q);
    case 8:
        return fmt(w, "a %s of %s", lower, value);
    default:
        return fmt(w, "%s for %s", value, column);
    }
}
enum { N_MANNERS = 10 };

static const char *pairs(wiki *w, int manner, const wiki_table *t, const int *cols,
                         const char *const *vals, int n)
{
    const char *s = "";
    for (int i = 0; i < n; i++)
        s = fmt(w, "%s%s%s", s,
                i == 0      ? ""
                : i + 1 < n ? ", "
                            : " and ",
                pair(w, manner, t->columns[cols[i]], vals[i]));
    return s;
}

static const char *list(wiki *w, const char *const *items, int n, bool quote)
{
    const char *s = "";
    for (int i = 0; i < n; i++)
        s = fmt(w, "%s%s%s", s,
                i == 0      ? ""
                : i + 1 < n ? ", "
                            : " and ",
                quote ? quoted(w, items[i]) : items[i]);
    return s;
}

static const char *const insert_say[] = {
    "Insert a [new |][record|row|entry] into the {Q} table with {x}.",
    "Insert a [new |][record|row|entry] into {Q} [with the values of|where] {x}.",
    "[Insert|Add] {L} [into|to] [the table |]{Q} with {r}.",
    "[Insert|Add] {l} [into|to] the {T}[| table] with {r}.",
    "[Add|Create|Make] a[ new|n extra] [row|entry|record] [in|for] the {T}[| table]: {x}.",
    "Insert into [the |]table {Q} with {n} columns {c}. The values are {v}[| in that order| "
    "respectively].",
    "Insert data into the table [named|called] {T}, with [values |]{x}.",
    "Insert the values {v} into the columns {c} of the {T}[| table].",
    "[Record|Enter|Register|Log] {l} [in|under|into] the {T}[| table] with {r}.",
    "Add {l}, {r}, to the {T}[| table].",
    "The {T} table [has|gets|receives|is given] a new [row|entry|record] with {x}.",
    "A new [row|entry|record] [was|has been|is] [added|inserted] [to|into] the {Q} table, with "
    "{x}.",
    "The {T} INSERT INTO table contains data [for|about] {l}, with {r}.",
    "The [record|entry|data] for {l} was inserted into the {Q} table with the following values: "
    "{x}.",
    "The {T} table is being updated with data for {l}. The data includes {r}.",
    "{l} has {r}. [Add this|Record this|This information was inserted|This was added] [to|in] the "
    "{T}[| table].",
    "For {l}, {r}. [Please add|Add|Insert] [this|it] [to|into] the {T}[| table].",
    "{l} [appears|is listed|is recorded] with {r}.",
    "[In the {T}, t|T]here is {l} with {r}.",
    "New in [the |]{T}: {l}, {r}.",
    "{l}: {r}.",
    "The {k} is {l}, {r}. [It|This] [belongs|goes] into [the |]{T}.",
    "[Please|Can you please|I want you to] [add|insert] a row whose {x} [to|into] the {T}[| "
    "table].",
    "[Put|Write] {v} into [the columns |]{c} of a new row of {Q}.",
};

static bool make_insert(wiki *w, const wiki_table *t, wiki_draft *d)
{
    int cols[MAX_COLUMNS], n = 0;
    const char *vals[MAX_COLUMNS], *names[MAX_COLUMNS];
    bool all = below(w, 100) < 70;
    for (int c = 0; c < t->n_columns; c++) {
        if (!all && c > 0 && below(w, 100) < 35)
            continue;
        const char *v = like_column(w, t, c);
        if (!v)
            continue;
        cols[n] = c;
        names[n] = t->columns[c];
        vals[n++] = v;
    }
    if (n < 2)
        return false;
    int lead = 0;
    while (lead + 1 < n && t->numeric[cols[lead]])
        lead++;
    const char *into = "", *values = "";
    for (int i = 0; i < n; i++) {
        into = fmt(w, "%s%s%s", into, i ? ", " : "", name_sql(w, names[i]));
        values = fmt(w, "%s%s%s", values, i ? ", " : "", text_sql(w, vals[i]));
    }
    d->kind = "INSERT";
    d->writes = true;
    d->sql = fmt(w, "INSERT INTO %s (%s) VALUES (%s)", name_sql(w, t->name), into, values);
    d->think = fmt(w, "new row of %s: %s", name_sql(w, t->name), into);
    int manner = below(w, N_MANNERS), rest_cols[MAX_COLUMNS], m = 0;
    const char *rest[MAX_COLUMNS];
    for (int i = 0; i < n; i++)
        if (i != lead) {
            rest_cols[m] = cols[i];
            rest[m++] = vals[i];
        }
    phrase_say(&d->text, &w->rng, insert_say, LEN(insert_say),
               (phrase_slot[]){{"Q", below(w, 3) ? quoted(w, t->name) : fmt(w, "`%s`", t->name)},
                               {"T", t->name},
                               {"x", pairs(w, manner, t, cols, vals, n)},
                               {"r", pairs(w, manner, t, rest_cols, rest, m)},
                               {"l", vals[lead]},
                               {"L", quoted(w, vals[lead])},
                               {"k", names[lead]},
                               {"n", fmt(w, "%d", n)},
                               {"c", list(w, names, n, true)},
                               {"v", list(w, vals, n, true)},
                               {0}});
    return true;
}

static const char *const update_one_say[] = {
    "Change the {c} of {k} [|in the {T}[| table] ]to {v}.",
    "Change the value of {C} to {V} in the {Q} table for the [entry|row|record] with {KC} as {KV}.",
    ("[Set|Change|Alter] the {C} [value |]to {V} for the [entry|row|record] [with|whose] {KC} "
     "[equal to|being] {KV} in the {Q} table."),
    "Set the {c} [value |]to {v} for {k} in the {T}[| table].",
    "In the {Q} table, [update|set|change] the {C} column to {V} where the {KC} column equals {k}.",
    "In the {Q} table, [update|set] {C} to {V} for the {KC} {k}.",
    "The {C} column of the {Q} [table |]was updated to {V} for {k}.",
    "The {c} [of|for] {k} [has been|was|is] [updated|changed|set|corrected] to {v}.",
    "The {c} of {k} is now {v}.",
    "For {k}, the {c} is {v}[| now|. Update the {T} table|. Correct the table].",
    "[Correct|Fix|Replace] the {c} of {k}[| in {T}]: it should be {v}.",
    "{k} [now has|has] {v} as its {c}.",
    "[Modify|Edit] the {T} so that the {c} of {k} [is|becomes|reads] {v}.",
};
static const char *const update_say[] = {
    "Update the {T}[| table] [to set|by setting] {x} where the {kc} is {KV}.",
    "Update the {T}[| table]: set {x} for {k}.",
    "Update {k} [in|of] the {T}[| table] with {x}.",
    "Update the row [where|in which] {KC} is {KV} in {Q} with {x}.",
    "[For|In] the {kc} {k}, update the {T} table to set {x}.",
    "In the row for {k}, [set|change] {x}[| in the {T}].",
    "The [row|record|entry] for {k} [has been|was|is] updated with {x}.",
    "The {T} table [for {k} |]is being updated to [reflect|show] {x} for the {kc} {k}.",
    "The [statistics|data|figures|details] for {k} have been updated with {x}.",
    "[Set|Change] {x} for the [entry|row|record] with {KC} {KV} [in|of] the {T}[| table].",
    "{k} [now has|has] {x}.",
    "{k}: {x}. [Update it|Change the table|Bring the table up to date].",
    "[Modify|Edit|Revise] the {T} for {k} so that it has {x}.",
};

/* A column and a cell that name a row: unique, and rather a name than a number. */
static int pick_key(wiki *w, const wiki_table *t, int *row)
{
    for (int tries = 0; tries < 12; tries++) {
        int c = below(w, 3) ? below(w, t->n_columns < 3 ? t->n_columns : 3)
                            : below(w, t->n_columns),
            same = 0;
        *row = below(w, t->n_rows);
        const char *v = t->rows[*row][c];
        for (int r = 0; r < t->n_rows; r++)
            same += wiki_same(t->rows[r][c], v);
        if (same == 1 && sayable(v) && (!t->numeric[c] || strlen(v) == 4 || below(w, 3) == 0))
            return c;
    }
    return -1;
}

static bool make_update(wiki *w, const wiki_table *t, wiki_draft *d)
{
    int row, key = pick_key(w, t, &row), cols[MAX_SET], n = 0,
             want = below(w, 10) < 6 ? 1 : 2 + below(w, 2), extra = -1;
    const char *vals[MAX_SET], *set = "";
    for (int tries = 0; tries < 12 && n < want && key >= 0; tries++) {
        int c = below(w, t->n_columns);
        const char *v = like_column(w, t, c);
        bool again = c == key || !v || strcmp(v, t->rows[row][c]) == 0;
        for (int i = 0; i < n; i++)
            again = again || cols[i] == c;
        if (!again) {
            cols[n] = c;
            vals[n++] = v;
        }
    }
    if (n == 0)
        return false;
    for (int i = 0; i < n; i++)
        set = fmt(w, "%s%s%s = %s", set, i ? ", " : "", name_sql(w, t->columns[cols[i]]),
                  text_sql(w, vals[i]));
    const char *kv = t->rows[row][key], *kc = t->columns[key], *said = kv;
    const char *where = fmt(w, "%s = %s", name_sql(w, kc), text_sql(w, kv));
    /* now and then a second condition */
    if (below(w, 100) < 18) {
        extra = below(w, t->n_columns);
        bool taken = extra == key || !sayable(t->rows[row][extra]);
        for (int i = 0; i < n; i++)
            taken = taken || cols[i] == extra;
        if (!taken) {
            where = fmt(w, "%s AND %s = %s", where, name_sql(w, t->columns[extra]),
                        text_sql(w, t->rows[row][extra]));
            said = fmt(w, "%s (%s)", kv, pair(w, 3, t->columns[extra], t->rows[row][extra]));
        }
    }
    d->kind = "UPDATE";
    d->writes = true;
    d->sql = fmt(w, "UPDATE %s SET %s WHERE %s", name_sql(w, t->name), set, where);
    d->think = "change ";
    for (int i = 0; i < n; i++)
        d->think = fmt(w, "%s%s%s", d->think, i ? " and " : "", name_sql(w, t->columns[cols[i]]));
    d->think = fmt(w, "%s where %s", d->think, where);
    /* with a second condition only the forms that show it as a part of the row's name */
    bool whole = said != kv;
    cmat_buf low = {0};
    for (const char *p = t->columns[cols[0]]; *p; p++)
        cmat_buf_putc(&low, (char)tolower((unsigned char)*p));
    const char *lower =
        below(w, 3) ? cmat_arena_strdup(&w->arena, cmat_buf_str(&low)) : t->columns[cols[0]];
    cmat_buf_clear(&low);
    phrase_slot slots[] = {{"T", t->name},
                           {"Q", quoted(w, t->name)},
                           {"c", lower},
                           {"C", quoted(w, t->columns[cols[0]])},
                           {"v", below(w, 2) ? vals[0] : quoted(w, vals[0])},
                           {"V", quoted(w, vals[0])},
                           {"k", said},
                           {"kc", kc},
                           {"KC", quoted(w, kc)},
                           {"KV", whole ? said : quoted(w, kv)},
                           {"x", pairs(w, below(w, N_MANNERS), t, cols, vals, n)},
                           {0}};
    if (n == 1 && below(w, 100) < 75)
        phrase_say(&d->text, &w->rng, update_one_say, LEN(update_one_say), slots);
    else
        phrase_say(&d->text, &w->rng, update_say, LEN(update_say), slots);
    return true;
}

/* ---- the whole ---- */

static json_t *group_questions(const json_t *questions)
{
    json_t *by = json_object();
    size_t i;
    json_t *q;
    json_array_foreach(questions, i, q)
    {
        const char *id = cmat_json_str(q, "table_id", "");
        json_t *list_ = json_object_get(by, id);
        if (!list_)
            json_object_set_new(by, id, list_ = json_array());
        json_array_append(list_, q);
    }
    return by;
}

static cmat_status add_write(wiki *w, const wiki_table *t,
                             bool (*make)(wiki *, const wiki_table *, wiki_draft *), size_t *left)
{
    wiki_draft d = {0};
    int64_t changed = 0;
    cmat_status st = CMAT_OK;
    if (*left && make(w, t, &d) && d.text.len <= 500 && run_gold(t, &d, &changed, NULL) &&
        changed >= 1) {
        st = add_task(w, t, &d);
        *left -= st == CMAT_OK;
    }
    cmat_buf_clear(&d.text);
    return st;
}

/* One pass over the tables, a few tasks each, until enough are made. */
static cmat_status make_all(wiki *w, size_t n_select, size_t n_insert, size_t n_update)
{
    size_t n = json_array_size(w->tables), *order = cmat_xcalloc(n + 1, sizeof(*order));
    cmat_status st = CMAT_OK;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    cmat_rng_shuffle(&w->rng, order, n, sizeof(*order));
    for (size_t pass = 0; pass < 6 && st == CMAT_OK && n_select + n_insert + n_update > 0; pass++)
        for (size_t i = 0; i < n && st == CMAT_OK && n_select + n_insert + n_update > 0; i++) {
            const json_t *table = json_array_get(w->tables, order[i]);
            const json_t *questions =
                json_object_get(w->by_table, cmat_json_str(table, "table_id", ""));
            wiki_table t;
            if (!wiki_table_make(&t, table, questions, &w->rng))
                continue;
            bool added = false;
            const json_t *q = json_array_get(questions, pass);
            if (n_select && q)
                st = add_question(w, &t, q, &added);
            n_select -= added;
            if (st == CMAT_OK)
                st = add_write(w, &t, make_insert, &n_insert);
            if (st == CMAT_OK)
                st = add_write(w, &t, make_update, &n_update);
            wiki_table_clear(&t);
            cmat_arena_reset(&w->arena);
        }
    free(order);
    return st;
}

cmat_status db_wiki_tasks(const char *questions_path, const char *tables_path, size_t n_select,
                          size_t n_insert, size_t n_update, uint64_t seed, cmat_task_list *out,
                          cmat_error *err)
{
    wiki w = {.out = out, .err = err};
    cmat_status st = CMAT_OK;
    json_t *questions = cmat_jsonl_load(questions_path, err);
    if (!questions)
        return err ? err->status : CMAT_ERR_FORMAT;
    w.tables = cmat_jsonl_load(tables_path, err);
    if (w.tables) {
        cmat_rng_init(&w.rng, seed);
        w.by_table = group_questions(questions);
        st = make_all(&w, n_select, n_insert, n_update);
    } else {
        st = err ? err->status : CMAT_ERR_FORMAT;
    }
    json_decref(w.by_table);
    json_decref(w.tables);
    json_decref(questions);
    cmat_arena_clear(&w.arena);
    return st;
}
