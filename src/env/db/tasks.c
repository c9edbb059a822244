/* env/db/tasks.c - the User of databases: drafts from the families, checked by running them. */
#include "env/db/tasks.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "env/db/render.h"
#include "env/db/splits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ANSWER_ROWS = 20, MAX_ANSWER_BYTES = 600, TRIES_A_TURN = 24, MAX_EMPTY_ROUNDS = 12 };

static const db_family *const family_lists[] = {
    db_families_filter, db_families_rank,  db_families_group, db_families_join,
    db_families_nested, db_families_plain, db_families_reach, db_families_write};

/* A set of hashes with counts, open addressing. */
typedef struct {
    uint64_t *keys; /* 0: free */
    uint8_t *counts;
    size_t n, cap;
} hash_set;

static uint8_t *set_slot(hash_set *s, uint64_t key)
{
    if ((s->n + 1) * 2 > s->cap) {
        hash_set big = {.cap = s->cap ? s->cap * 2 : 1024};
        big.keys = cmat_xcalloc(big.cap, sizeof(*big.keys));
        big.counts = cmat_xcalloc(big.cap, 1);
        for (size_t i = 0; i < s->cap; i++)
            if (s->keys[i])
                *set_slot(&big, s->keys[i]) = s->counts[i];
        free(s->keys);
        free(s->counts);
        *s = big;
    }
    key += key == 0;
    size_t i = key & (s->cap - 1);
    while (s->keys[i] && s->keys[i] != key)
        i = (i + 1) & (s->cap - 1);
    if (!s->keys[i]) {
        s->keys[i] = key;
        s->n++;
    }
    return &s->counts[i];
}

static void set_clear(hash_set *s)
{
    free(s->keys);
    free(s->counts);
}

static bool same_value(const db_value *a, const db_value *b)
{
    if (a->type == DB_VALUE_TEXT || b->type == DB_VALUE_TEXT)
        return a->type == b->type && strcmp(a->text, b->text) == 0;
    double x = a->type == DB_VALUE_INT ? (double)a->i : a->d,
           y = b->type == DB_VALUE_INT ? (double)b->i : b->d;
    return a->type != DB_VALUE_NULL && b->type != DB_VALUE_NULL && (x > y ? x - y : y - x) < 1e-9;
}

/* The border of a ranking must be clear: the last one in and the first one out differ. */
static bool rank_clear(db_gen *g, const db_draft *d)
{
    db_result r = {0};
    bool ok = db_conn_run(g->conn, d->rank_sql, &r, NULL) == CMAT_OK && r.ok &&
              r.n_rows >= (size_t)d->top;
    size_t k = (size_t)d->top, w = (size_t)r.n_columns;
    if (ok && r.rows[(k - 1) * w].type == DB_VALUE_NULL)
        ok = false;
    if (ok && r.n_rows > k)
        ok = !same_value(&r.rows[(k - 1) * w], &r.rows[k * w]);
    db_result_clear(&r);
    return ok;
}

static bool answer_fits(const db_draft *d, const db_result *r)
{
    size_t bytes = 0;
    if (r->n_rows < 1 || r->n_rows > MAX_ANSWER_ROWS || r->more ||
        (d->n_rows && r->n_rows != (size_t)d->n_rows))
        return false;
    for (size_t i = 0; i < r->n_rows * (size_t)r->n_columns; i++) {
        const db_value *v = &r->rows[i];
        if (v->type == DB_VALUE_NULL || v->type == DB_VALUE_BLOB)
            return false;
        bytes += v->type == DB_VALUE_TEXT ? v->len : 8;
    }
    bool count = strncmp(d->sql, "SELECT COUNT(", 13) == 0;
    if (count && r->n_rows == 1 && r->rows[0].type == DB_VALUE_INT && r->rows[0].i == 0)
        return false;
    return bytes <= MAX_ANSWER_BYTES;
}

/* Runs the gold SQL; false: the draft is no good. *answer gets what it gave, or NULL for writes. */
static bool draft_check(db_gen *g, const db_draft *d, json_t **answer)
{
    db_result r = {0};
    *answer = NULL;
    bool ok = db_conn_try(g->conn, d->sql, &r, NULL) == CMAT_OK && r.ok;
    if (ok && d->writes) {
        ok = r.changed >= 1 && (d->n_rows == 0 || r.changed == d->n_rows);
    } else if (ok) {
        ok = !r.writes && answer_fits(d, &r) && (d->top == 0 || rank_clear(g, d));
        *answer = ok ? db_result_answer(&r) : NULL;
    }
    db_result_clear(&r);
    return ok;
}

bool db_oracle_accepted(const cmat_acceptor *a, const char *think, const char *sql)
{
    char state[CMAT_ACCEPTOR_STATE_MAX] = {0};
    cmat_buf b = {0};
    bool ok = true;
    cmat_buf_printf(&b, "Think: %s\nFinal: %s", think, sql);
    a->ops->start(a, state);
    for (size_t i = 0; i < b.len && ok; i++)
        ok = a->ops->step(a, state, (uint8_t)b.data[i]);
    cmat_buf_clear(&b);
    return ok && a->ops->done(a, state);
}

size_t db_thought_length(const char *think)
{
    enum { MOST = 150 };
    static const char *const ends[] = {" where ", ": ", " joined with ", ", order by "};
    size_t n = strlen(think);
    for (size_t i = 0; n > MOST && i < sizeof ends / sizeof *ends; i++) {
        const char *p = strstr(think, ends[i]);
        if (p && p > think)
            n = (size_t)(p - think);
    }
    return n > MOST ? cmat_utf8_valid_prefix(think, MOST) : n;
}

static cmat_status add_task(const db_family *f, const db_draft *d, json_t *answer,
                            cmat_task_list *out, cmat_error *err)
{
    char id[32];
    cmat_buf key = {0};
    cmat_buf_printf(&key, "%s\n%s", cmat_buf_str(&d->text), d->sql);
    snprintf(id, sizeof id, "db-%016llx", (unsigned long long)cmat_fnv1a(key.data, key.len));
    cmat_buf_clear(&key);
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[s], s:s}", "id", id, "env", "db",
                          "kind", f->name, "type", d->writes ? "write" : "select", "instruction",
                          cmat_buf_str(&d->text), "sql", d->sql, "gold", d->sql, "think", d->think);
    if (d->writes && j)
        json_object_set_new(j, "writes", json_true());
    if (answer && j)
        json_object_set(j, "answer", answer);
    cmat_task t;
    cmat_status st = j ? cmat_task_init(&t, j, err)
                       : cmat_fail(err, CMAT_ERR_FORMAT, "tasks: a draft is not UTF-8");
    if (st == CMAT_OK)
        cmat_task_list_add(out, t);
    json_decref(j);
    return st;
}

typedef struct {
    db_gen g;
    int split;
    uint64_t seed, attempt;
    hash_set questions, statements;
    const db_family **turns; /* each family as often as its weight */
    size_t n_turns, cap_turns;
    cmat_acceptor *acceptor; /* what the Actor will be held to: no gold may lie outside it */
    cmat_task_list *out;
} maker;

static void draft_clear(db_gen *g, db_draft *d)
{
    cmat_buf_clear(&d->text);
    cmat_arena_reset(&g->arena);
}

/* One family's turn: up to TRIES_A_TURN drafts until one is good. */
static cmat_status take_turn(maker *m, const db_family *f, cmat_error *err)
{
    for (int i = 0; i < TRIES_A_TURN; i++) {
        db_draft d = {0};
        json_t *answer = NULL;
        cmat_status st = CMAT_OK;
        bool done = false;
        cmat_rng_init_sub(&m->g.rng, m->seed * 3 + (uint64_t)m->split, m->attempt++);
        bool made = f->make(&m->g, &d);
        if (made)
            d.think = gen_fmt(&m->g, "%.*s", (int)db_thought_length(d.think), d.think);
        if (made && db_split_of(d.sql) == m->split && d.text.len <= 400) {
            uint8_t *q = set_slot(&m->questions, db_text_hash(cmat_buf_str(&d.text)));
            uint8_t *s = set_slot(&m->statements, db_text_hash(d.sql));
            /* one statement in few wordings: more of them would be weight, not practice */
            if (*q == 0 && *s < (m->split == DB_SPLIT_TRAIN ? 3 : 1) &&
                db_oracle_accepted(m->acceptor, d.think, d.sql) &&
                draft_check(&m->g, &d, &answer)) {
                st = add_task(f, &d, answer, m->out, err);
                *q = 1;
                (*s)++;
                done = true;
            }
        }
        json_decref(answer);
        draft_clear(&m->g, &d);
        if (done || st != CMAT_OK)
            return st;
    }
    return CMAT_OK;
}

static void collect_turns(maker *m)
{
    for (size_t l = 0; l < sizeof(family_lists) / sizeof(*family_lists); l++)
        for (const db_family *f = family_lists[l]; f->name; f++)
            for (int w = 0; w < f->weight; w++) {
                m->turns = cmat_xgrow(m->turns, &m->cap_turns, m->n_turns + 1, sizeof(*m->turns));
                m->turns[m->n_turns++] = f;
            }
}

cmat_status db_generate(db_world *world, int split, size_t n, uint64_t seed, cmat_task_list *out,
                        cmat_error *err)
{
    maker m = {.split = split, .seed = seed, .out = out};
    cmat_status st = db_gen_open(&m.g, world, err);
    db_constraint_input in = {.schema = &world->schema,
                              .values = &world->values,
                              .question = "",
                              .mysql = db_world_mysql(world, world->mysql),
                              .quote = db_world_quote(world, world->mysql),
                              .flavour = db_world_flavour(world)};
    if (st == CMAT_OK && world->schema.n_tables > 0 &&
        (st = db_constraint(&m.acceptor, &in, err)) != CMAT_OK)
        db_gen_close(&m.g);
    if (st != CMAT_OK)
        return st;
    collect_turns(&m);
    size_t start = out->n;
    cmat_rng order;
    cmat_rng_init_sub(&order, seed, 0x6f72646572u + (uint64_t)split);
    for (int empty = 0; out->n - start < n && empty < MAX_EMPTY_ROUNDS && st == CMAT_OK;) {
        size_t before = out->n;
        cmat_rng_shuffle(&order, m.turns, m.n_turns, sizeof(*m.turns));
        for (size_t i = 0; i < m.n_turns && out->n - start < n && st == CMAT_OK; i++)
            st = take_turn(&m, m.turns[i], err);
        empty = out->n == before ? empty + 1 : 0;
    }
    if (st == CMAT_OK && out->n == start && n > 0)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND,
                       "tasks: nothing can be asked of this database: no rows, or no values");
    else if (st == CMAT_OK && out->n - start < n)
        cmat_warn("tasks: the database gives only %zu of %zu different tasks", out->n - start, n);
    free(m.turns);
    set_clear(&m.questions);
    set_clear(&m.statements);
    cmat_acceptor_free(m.acceptor);
    db_gen_close(&m.g);
    return st;
}
