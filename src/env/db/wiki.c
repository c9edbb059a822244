/* env/db/wiki.c - tasks in AgentBench's form on one table each: the driver, and WikiSQL's
 * questions. */
#include "env/db/wiki.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/text.h"
#include "env/db/render.h"
#include "env/db/splits.h"
#include "env/db/tasks.h"
#include "env/db/wiki_impl.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_QUESTION = 300, MAX_ANSWER = 20 };

/* ---- text ---- */

const char *wiki_fmt(wiki *w, const char *f, ...)
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

const char *wiki_fill(wiki *w, const char *tmpl, const phrase_slot *slots)
{
    cmat_buf b = {0};
    phrase_fill(&b, &w->rng, tmpl, slots);
    const char *s = cmat_arena_strndup(&w->arena, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return s;
}

const char *wiki_name(wiki *w, const char *name)
{
    cmat_buf b = {0};
    db_name_add(&b, name, '`');
    const char *s = cmat_arena_strdup(&w->arena, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return s;
}

const char *wiki_text(wiki *w, const char *v)
{
    cmat_buf b = {0};
    db_literal_add(&b, v);
    const char *s = cmat_arena_strdup(&w->arena, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return s;
}

const char *wiki_col(wiki *w, int c)
{
    return wiki_name(w, w->t->columns[c]);
}

const char *wiki_number(wiki *w, int c)
{
    const char *name = wiki_col(w, c);
    for (int r = 0; r < w->t->n_rows; r++)
        if (strchr(w->t->rows[r][c], ','))
            return wiki_fmt(w, "REPLACE(%s, ',', '') + 0", name);
    return wiki_fmt(w, "%s + 0", name);
}

const char *wiki_compared(wiki *w, int c)
{
    const char *x = wiki_number(w, c);
    return strncmp(x, "REPLACE(", 8) == 0 ? x : wiki_col(w, c);
}

const char *wiki_lower(wiki *w, const char *header)
{
    cmat_buf b = {0};
    if (strpbrk(header, "abcdefghijklmnopqrstuvwxyz") == NULL) /* "W-L-T" */
        return cmat_arena_strdup(&w->arena, header);
    for (const char *p = header; *p; p++) {
        bool again = isupper((unsigned char)p[1]) || (p > header && isupper((unsigned char)p[-1]));
        cmat_buf_putc(&b, again ? *p : (char)tolower((unsigned char)*p));
    }
    const char *s = cmat_arena_strdup(&w->arena, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return s;
}

const char *wiki_quoted(wiki *w, const char *v)
{
    return strchr(v, '\'') ? wiki_fmt(w, "\"%s\"", v) : wiki_fmt(w, "'%s'", v);
}

int wiki_below(wiki *w, int n)
{
    return (int)cmat_rng_below(&w->rng, (uint64_t)n);
}

bool wiki_chance(wiki *w, int percent)
{
    return wiki_below(w, 100) < percent;
}

bool wiki_sayable(const char *v)
{
    size_t n = strlen(v);
    return n > 0 && n <= 60 && !strpbrk(v, "\\\n`\"") && v[0] != ' ' && v[n - 1] != ' ' &&
           !strstr(v, "  ") && !strstr(v, " ,") && !strstr(v, " .") && !strstr(v, " ?") &&
           strcmp(v, "-") && strcmp(v, "–") && strcmp(v, "—");
}

bool wiki_number_of(const char *s, double *x)
{
    cmat_buf b = {0};
    for (; *s; s++)
        if (*s != ',')
            cmat_buf_putc(&b, *s);
    char *end = NULL;
    *x = strtod(cmat_buf_str(&b), &end);
    bool ok = b.len && *end == 0 && isfinite(*x) && !strpbrk(cmat_buf_str(&b), "nNxX");
    cmat_buf_clear(&b);
    return ok;
}

/* ---- the present table ---- */

bool wiki_begin(wiki *w, const wiki_table *t)
{
    db_conn_options o = {
        .timeout = 2, .max_rows = 100, .mysql = true, .max_columns = WIKI_MAX_COLUMNS};
    w->t = t;
    w->json = wiki_table_json(t);
    bool ok = db_world_inline(&w->world, w->json, true, NULL, NULL) == CMAT_OK &&
              db_conn_open(&w->conn, w->world->image, &o, NULL) == CMAT_OK;
    if (ok) {
        db_constraint_input in = {.schema = &w->world->schema,
                                  .values = &w->world->values,
                                  .question = "",
                                  .mysql = true};
        ok = db_constraint(&w->acceptor, &in, NULL) == CMAT_OK;
    }
    return ok;
}

static void keep_cells(wiki *w)
{
    for (int c = 0; c < w->t->n_columns; c++) {
        const char *header = wiki_lower(w, w->t->columns[c]);
        const char *v = w->t->rows[wiki_below(w, w->t->n_rows)][c];
        json_t *list = json_object_get(w->pool.by_header, header);
        if (!wiki_sayable(v) || cmat_utf8_valid_prefix(header, strlen(header)) != strlen(header))
            continue;
        if (!list)
            json_object_set_new(w->pool.by_header, header, list = json_array());
        if (json_array_size(list) < WIKI_POOL)
            json_array_append_new(list, cmat_json_text(v, strlen(v)));
        else
            json_array_set_new(list, (size_t)wiki_below(w, WIKI_POOL),
                               cmat_json_text(v, strlen(v)));
    }
}

void wiki_end(wiki *w)
{
    if (w->t && w->pool.by_header)
        keep_cells(w);
    cmat_acceptor_free(w->acceptor);
    db_conn_close(w->conn);
    db_world_unref(w->world);
    json_decref(w->json);
    w->acceptor = NULL;
    w->conn = NULL;
    w->world = NULL;
    w->json = NULL;
    w->t = NULL;
    cmat_arena_reset(&w->arena);
}

/* The cells of all rows in one list, as a benchmark's label puts them. */
static json_t *flat(json_t *answer)
{
    json_t *list = json_array(), *row, *cell;
    size_t i, k;
    json_array_foreach(answer, i, row)
    {
        if (!json_is_array(row))
            json_array_append(list, row);
        json_array_foreach(row, k, cell) json_array_append(list, cell);
    }
    json_decref(answer);
    return list;
}

static bool run(wiki *w, const char *sql, int64_t *changed, json_t **answer)
{
    db_result r = {0};
    bool ok = db_conn_try(w->conn, sql, &r, NULL) == CMAT_OK && r.ok;
    for (size_t i = 0; ok && i < r.n_rows * (size_t)r.n_columns; i++)
        ok = r.rows[i].type != DB_VALUE_NULL;
    if (ok) {
        *changed = r.changed;
        *answer = flat(db_result_answer(&r));
    }
    db_result_clear(&r);
    return ok;
}

json_t *wiki_answer(wiki *w, const char *sql)
{
    json_t *answer = NULL;
    int64_t changed;
    return run(w, sql, &changed, &answer) ? answer : NULL;
}

static bool same_answer(const char *a, const char *b)
{
    double x, y;
    if (wiki_number_of(a, &x) && wiki_number_of(b, &y))
        return fabs(x - y) <= 1e-6 * (1 + fabs(x));
    return wiki_same(a, b);
}

bool wiki_same_answers(const json_t *got, const json_t *known)
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

/* An answer that says something: neither empty nor endless nor zero. */
static bool is_clear(const json_t *answer)
{
    const char *first = json_string_value(json_array_get(answer, 0));
    size_t n = json_array_size(answer);
    return n > 0 && n <= MAX_ANSWER && first && *first && strcmp(first, "0") != 0;
}

static cmat_status add_task(wiki *w, const wiki_draft *d, const json_t *answer)
{
    char id[40];
    const wiki_table *t = w->t;
    cmat_buf key = {0}, note = {0};
    cmat_buf_printf(&key, "%s\n%s", cmat_buf_str(&d->text), d->sql);
    snprintf(id, sizeof id, "wiki-%016llx", (unsigned long long)cmat_fnv1a(key.data, key.len));
    cmat_buf_printf(&note, "The name of this table is %s, and the headers of this table are ",
                    t->name);
    for (int c = 0; c < t->n_columns; c++)
        cmat_buf_printf(&note, "%s%s", c ? "," : "", t->columns[c]);
    cmat_buf_putc(&note, '.');
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[s], s:s, s:b, s:O}", "id", id,
                          "env", "db", "kind", d->kind, "type", d->writes ? "write" : "select",
                          "instruction", cmat_buf_str(&d->text), "note", cmat_buf_str(&note), "sql",
                          d->sql, "gold", d->sql, "think", d->think, "mysql", 1, "table", w->json);
    cmat_buf_clear(&key);
    cmat_buf_clear(&note);
    if (j && d->writes)
        json_object_set_new(j, "writes", json_true());
    else if (j)
        json_object_set(j, "answer", (json_t *)answer);
    cmat_task task;
    cmat_status st = j ? cmat_task_init(&task, j, w->err)
                       : cmat_fail(w->err, CMAT_ERR_FORMAT, "wiki: text is not UTF-8");
    if (st == CMAT_OK)
        cmat_task_list_add(w->out, task);
    json_decref(j);
    return st;
}

cmat_status wiki_keep(wiki *w, wiki_draft *d, bool *added)
{
    json_t *answer = NULL;
    int64_t changed = 0;
    cmat_status st = CMAT_OK;
    d->think = wiki_fmt(w, "%.*s", (int)db_thought_length(d->think), d->think);
    *added = d->text.len > 0 && d->text.len <= 500 && run(w, d->sql, &changed, &answer) &&
             (d->writes  ? changed >= 1
              : d->known ? wiki_same_answers(answer, d->known)
                         : is_clear(answer)) &&
             db_oracle_accepted(w->acceptor, d->think, d->sql);
    if (*added)
        st = add_task(w, d, answer);
    json_decref(answer);
    cmat_buf_clear(&d->text);
    return st;
}

/* ---- WikiSQL's questions ---- */

/* WikiSQL's {agg, sel, conds} as SQL; NULL: a value is not in the table. numbers: columns that are
 * added up or compared are taken as numbers. */
static const char *question_sql(wiki *w, const json_t *q, bool numbers, bool *compares)
{
    const wiki_table *t = w->t;
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
        const char *lit, *name = wiki_col(w, c);
        if (*op == '=') {
            int r = wiki_find(t, c, v);
            if (r < 0)
                return NULL;
            lit = wiki_text(w, t->rows[r][c]);
        } else {
            if (!wiki_number_of(v, &x))
                return NULL;
            lit = wiki_fmt(w, "%.12g", x);
            name = numbers ? wiki_compared(w, c) : name;
            *compares = true;
        }
        where = wiki_fmt(w, "%s%s%s %s %s", where, i ? " AND " : " WHERE ", name, op, lit);
    }
    bool count = !strcmp(agg, "COUNT"), texts = *agg && !count && t->numeric[sel] && numbers;
    const char *col = texts ? wiki_number(w, sel) : wiki_col(w, sel);
    return wiki_fmt(w, "SELECT %s FROM %s%s", *agg ? wiki_fmt(w, "%s(%s)", agg, col) : col,
                    wiki_name(w, t->name), where);
}

static cmat_status add_question(wiki *w, const json_t *q, bool *added)
{
    const char *text = cmat_json_str(q, "question", ""), *agg = cmat_json_str(q, "agg", "");
    cmat_status st = CMAT_OK;
    *added = false;
    for (int numbers = 1; numbers >= 0 && !*added && st == CMAT_OK; numbers--) {
        bool compares = false;
        const char *sql =
            strlen(text) > MAX_QUESTION || !*text ? NULL : question_sql(w, q, numbers, &compares);
        if (!sql)
            return CMAT_OK;
        const char *where = strstr(sql, " WHERE "), *from = strstr(sql, " FROM ");
        wiki_draft d = {.kind = !strcmp(agg, "COUNT") ? "counting"
                                : *agg                ? wiki_fmt(w, "aggregation-%s", agg)
                                : compares            ? "comparison"
                                                      : "other",
                        .sql = sql,
                        .known = json_object_get(q, "answer")};
        d.think =
            wiki_fmt(w, "%.*s of %s%s%s", (int)(from - sql - 7), sql + 7, wiki_name(w, w->t->name),
                     where ? " where " : "", where ? where + 7 : "");
        cmat_buf_puts(&d.text, text);
        st = wiki_keep(w, &d, added);
    }
    return st;
}

/* ---- the whole ---- */

int db_wiki_split(const char *table_id)
{
    const char *page = strchr(table_id, '-'), *end = page ? strrchr(table_id, '-') : NULL;
    bool three = page && end > page + 1;
    char key[64];
    snprintf(key, sizeof key, "wiki page %.*s", three ? (int)(end - page - 1) : 40,
             three ? page + 1 : table_id);
    cmat_rng rng;
    cmat_rng_init(&rng, cmat_fnv1a(key, strlen(key)));
    uint64_t k = cmat_rng_below(&rng, 100);
    return k < 94 ? DB_SPLIT_TRAIN : k < 97 ? DB_SPLIT_VALIDATION : DB_SPLIT_HELD_OUT;
}

static const char *table_id(const json_t *j)
{
    const char *id = cmat_json_str(j, "table_id", NULL);
    return id ? id : cmat_json_str(j, "table", "");
}

static json_t *group_questions(const json_t *questions)
{
    json_t *by = json_object();
    size_t i;
    json_t *q;
    json_array_foreach(questions, i, q)
    {
        const char *id = table_id(q);
        json_t *list = json_object_get(by, id);
        if (!list)
            json_object_set_new(by, id, list = json_array());
        json_array_append(list, q);
    }
    return by;
}

/* Of `left` tasks over n tables, how many this one gives: on average its share. */
static size_t share(wiki *w, size_t left, size_t n)
{
    if (n == 0) /* a late pass: what is missing comes from the tables that can give it */
        return left > 0;
    return left / n + (cmat_rng_below(&w->rng, n) < left % n);
}

static cmat_status add_questions(wiki *w, const json_t *questions, size_t want, size_t *left)
{
    size_t total = json_array_size(questions),
           start = total ? (size_t)wiki_below(w, (int)total) : 0;
    cmat_status st = CMAT_OK;
    for (size_t i = 0; i < total && want && st == CMAT_OK; i++) {
        const json_t *q = json_array_get(questions, (start + i) % total);
        bool added = false;
        st = json_object_get(q, "conds") ? add_question(w, q, &added)
                                         : wiki_search_question(w, q, &added);
        want -= added;
        *left -= added;
    }
    return st;
}

static cmat_status add_made(wiki *w, bool (*make)(wiki *, wiki_draft *), size_t want, size_t *left)
{
    cmat_status st = CMAT_OK;
    for (size_t tries = 4 * want; tries > 0 && want && st == CMAT_OK; tries--) {
        wiki_draft d = {0};
        bool added = false;
        if (make(w, &d))
            st = wiki_keep(w, &d, &added);
        cmat_buf_clear(&d.text);
        if (!added)
            continue;
        want--;
        --*left;
    }
    return st;
}

static cmat_status use_table(wiki *w, const json_t *table, const json_t *questions,
                             db_wiki_options *left, size_t n)
{
    wiki_table t;
    cmat_status st = CMAT_OK;
    const size_t n_select = json_array_size(questions) ? share(w, left->n_select, n) : 0,
                 n_ask = share(w, left->n_ask, n), n_insert = share(w, left->n_insert, n),
                 n_update = share(w, left->n_update, n);
    if (n_select + n_ask + n_insert + n_update == 0 ||
        !wiki_table_make(&t, table, questions, &w->rng))
        return CMAT_OK;
    if (wiki_begin(w, &t)) {
        st = add_questions(w, questions, n_select, &left->n_select);
        if (st == CMAT_OK)
            st = add_made(w, wiki_ask, n_ask, &left->n_ask);
        if (st == CMAT_OK)
            st = add_made(w, wiki_insert, n_insert, &left->n_insert);
        if (st == CMAT_OK)
            st = add_made(w, wiki_update, n_update, &left->n_update);
    }
    wiki_end(w);
    wiki_table_clear(&t);
    return st;
}

/* The tables of the split and part, in an order that the seed gives. *n of them. */
static const json_t **choose_tables(wiki *w, const json_t *tables, const db_wiki_options *o,
                                    size_t *n)
{
    const json_t **list = cmat_xcalloc(json_array_size(tables) + 1, sizeof(*list)), *t;
    size_t i;
    *n = 0;
    json_array_foreach(tables, i, t) if ((o->split < 0 || db_wiki_split(table_id(t)) == o->split) &&
                                         (o->n_parts <= 1 || i % (size_t)o->n_parts ==
                                                                 (size_t)o->part)) list[(*n)++] = t;
    cmat_rng_shuffle(&w->rng, list, *n, sizeof(*list));
    return list;
}

/* Passes over the tables, a table's share of tasks each, until enough are made. */
static cmat_status make_all(wiki *w, const json_t *tables, const json_t *by_table,
                            const db_wiki_options *opts)
{
    size_t n = 0;
    const json_t **list = choose_tables(w, tables, opts, &n);
    db_wiki_options left = *opts;
    cmat_status st = CMAT_OK;
    for (size_t pass = 0; pass < 12 && st == CMAT_OK; pass++) {
        if (pass) /* questions have had their turn */
            left.n_select = 0;
        for (size_t i = 0; i < n && st == CMAT_OK; i++)
            if (left.n_select + left.n_ask + left.n_insert + left.n_update > 0)
                st = use_table(w, list[i], json_object_get(by_table, table_id(list[i])), &left,
                               pass < 3 ? n - i : 0);
    }
    free(list);
    return st;
}

cmat_status db_wiki_tasks(const char *questions_path, const char *tables_path,
                          const db_wiki_options *opts, cmat_task_list *out, cmat_error *err)
{
    wiki w = {.out = out, .err = err, .pool.by_header = json_object()};
    cmat_status st = CMAT_OK;
    json_t *questions = cmat_jsonl_load(questions_path, err), *tables = NULL;
    if (questions && (tables = cmat_jsonl_load(tables_path, err))) {
        json_t *by_table = group_questions(questions);
        cmat_rng_init(&w.rng, opts->seed);
        st = make_all(&w, tables, by_table, opts);
        json_decref(by_table);
    } else {
        st = err ? err->status : CMAT_ERR_FORMAT;
    }
    json_decref(tables);
    json_decref(questions);
    json_decref(w.pool.by_header);
    cmat_arena_clear(&w.arena);
    return st;
}
