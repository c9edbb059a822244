/* env/db/families_write.c - task families that change the tables: INSERT, UPDATE, DELETE. */
#include "env/db/tasks.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SET = 12 };

/* ---- INSERT ---- */

/* A new name from parts of two: "Alba Mug" and "Piper Kettle" give "Alba Kettle". */
static const char *blend(db_gen *g, const char *a, const char *b)
{
    if (!strchr(a, ' ') && strpbrk(a, "0123456789")) { /* a code: other digits */
        char *code = cmat_arena_strdup(&g->arena, a);
        for (char *p = code; *p; p++)
            if (*p >= '0' && *p <= '9' && gen_chance(g, 60))
                *p = (char)('0' + gen_below(g, 10));
        return code;
    }
    const char *cut_a = strpbrk(a, " .@-_"), *cut_b = strrchr(b, ' ');
    if (!cut_b)
        cut_b = strpbrk(b, "@.-_");
    if (cut_a && cut_b && cut_a > a && cut_b[1])
        return gen_fmt(g, "%.*s%s", (int)(cut_a - a), a, cut_b);
    return gen_fmt(g, "%s %d", a, 2 + gen_below(g, 8));
}

static const char *new_value(db_gen *g, int t, int c)
{
    const db_column_terms *col = &g->tables[t].cols[c];
    const char *v = gen_value(g, t, c);
    if (!v)
        return NULL;
    if (c == g->tables[t].key) {
        if (!col->whole)
            return col->numeric ? NULL : blend(g, v, gen_value(g, t, c) ? gen_value(g, t, c) : v);
        return gen_fmt(g, "%.0f", col->max + 1 + gen_below(g, 60));
    }
    if (col->role == COL_NUMBER && gen_chance(g, 60)) {
        double x = strtod(v, NULL) * (0.6 + 0.05 * gen_below(g, 16));
        return col->whole ? gen_fmt(g, "%.0f", x) : gen_number(g, x, false);
    }
    if (col->role == COL_NAME) {
        const char *w = gen_value(g, t, c);
        return w ? blend(g, v, w) : NULL;
    }
    return v;
}

typedef struct {
    int n, cols[MAX_SET];
    const char *vals[MAX_SET];
} assignments;

/* Which columns a new row gets: those that it must have, and all others or a part of them. */
static bool pick_new_row(db_gen *g, int t, bool all, assignments *a)
{
    const db_table *tab = &g->s->tables[t];
    a->n = 0;
    if (tab->n_columns > MAX_SET)
        return false;
    bool left_out = false;
    for (int c = 0; c < tab->n_columns; c++) {
        const db_column *col = &tab->columns[c];
        if (col->generated || (col->rowid && !all))
            continue;
        bool must = col->not_null && !col->def;
        if (!all && !must && c != g->tables[t].label &&
            (gen_chance(g, 50) || g->tables[t].cols[c].role == COL_OTHER)) {
            left_out = true;
            continue;
        }
        const char *v = new_value(g, t, c);
        if (!v)
            return false;
        a->cols[a->n] = c;
        a->vals[a->n++] = v;
    }
    return a->n > 0 && (all || left_out || g->tables[t].key >= 0);
}

static void insert_sql(db_gen *g, db_draft *d, int t, const assignments *a)
{
    const char *cols = "", *vals = "";
    for (int i = 0; i < a->n; i++) {
        cols = gen_fmt(g, "%s%s%s", cols, i ? ", " : "", gen_col(g, t, a->cols[i], false));
        vals = gen_fmt(g, "%s%s%s", vals, i ? ", " : "", gen_literal(g, t, a->cols[i], a->vals[i]));
    }
    d->writes = true;
    d->n_rows = 1;
    d->sql = gen_fmt(g, "INSERT INTO %s (%s) VALUES (%s)", gen_tab(g, t), cols, vals);
    d->think = gen_fmt(g, "new row of %s: %s", gen_tab(g, t), cols);
}

/* "name Alba Mug, price 12.5 and stock 3", the parts from `from` on. Now and then in another order.
 */
static const char *say_assignments(db_gen *g, int t, const assignments *a, int skip,
                                   const char *each)
{
    int order[MAX_SET], n = 0;
    for (int i = 0; i < a->n; i++)
        if (i != skip)
            order[n++] = i;
    if (gen_chance(g, 40))
        cmat_rng_shuffle(&g->rng, order, (size_t)n, sizeof(*order));
    const char *text = "";
    const char *template = GEN_FILL(g, each, {0});
    for (int k = 0; k < n; k++) {
        int c = a->cols[order[k]];
        const char *said = gen_say_value(g, t, c, a->vals[order[k]]), *part;
        switch (template[0]) {
        case '=':
            part = gen_fmt(g, "%s = %s", g->tables[t].cols[c].human, said);
            break;
        case ':':
            part = gen_fmt(g, "%s: %s", g->tables[t].cols[c].human, said);
            break;
        case '<':
            part = gen_fmt(g, "%s as %s", said, g->tables[t].cols[c].human);
            break;
        case 'i':
            part = gen_fmt(g, "the %s is %s", g->tables[t].cols[c].human, said);
            break;
        default:
            part = gen_fmt(g, "%s %s", g->tables[t].cols[c].human, said);
        }
        text = gen_fmt(g, "%s%s%s", text,
                       k == 0               ? ""
                       : k + 1 < n          ? ", "
                       : template[0] == ':' ? ", "
                                            : " and ",
                       part);
    }
    return text;
}

static const char each_form[] = "[n|n|=|:|<]";

static bool insert_row(db_gen *g, db_draft *d, bool all)
{
    static const char *const say[] = {
        "!add a(n) [new |]{t} with {x}",
        "!insert a [new |]row [into|in] {T} with {x}",
        "!create a [new |]{t} record with {x}",
        "!put a [new |]{t} [into the database|into the {T} table]: {x}",
        "!record a new {t}: {x}",
        "There is a new {t}: {x}. [Add it|Please add it|Insert it|Record it|Save it].",
        "We have a new {t} with {x}. [Please record this|Add it to the {T}|Enter it].",
        "[New {t}|Another {t}]: {x}. [Add it|Store it|Please add it to the database].",
        "!register a(n) {t} with {x}",
        "!enter a new {t} into {T} with the values {x}",
    };
    int t = gen_table(g, true);
    assignments a;
    if (t < 0 || !pick_new_row(g, t, all, &a))
        return false;
    insert_sql(g, d, t, &a);
    GEN_SAY(g, d, say, {"t", g->tables[t].one}, {"T", g->tables[t].many},
            {"x", say_assignments(g, t, &a, -1, each_form)});
    return true;
}
static bool insert_all(db_gen *g, db_draft *d)
{
    return insert_row(g, d, true);
}
static bool insert_some(db_gen *g, db_draft *d)
{
    return insert_row(g, d, false);
}

/* A fact told plainly: the row's name leads, the rest follows. */
static bool insert_told(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "{n} is a new {t}: {x}. [Add it|Please add it|Put it into the database|Record that].",
        "{n} [was added|has joined|is now] among our {T}: {x}. [Record this|Please enter it|Make a "
        "record of it].",
        "We now have {n} as a(n) {t}, {x}[ - add it.|. Please add it.|; add it.]",
        "[On|As of] {day} a new {t} called {n} [is there|exists|came in]: {x}[ - add it.|. Add "
        "it.|. Please record it.]",
        "!add the {t} {n}: {x}",
        "The {T} table lacks {n} ({x}). [Add it|Insert it|Put it in].",
        "{n}, {x}: [enter this|add this|save this] as a new {t}.",
        "A new {t} is called {n}; {x}. [Insert it|Record it|Add a row for it].",
    };
    int t = gen_table(g, true), lead = -1, day = -1;
    assignments a;
    if (t < 0 || !pick_new_row(g, t, false, &a))
        return false;
    for (int i = 0; i < a.n; i++) {
        if (a.cols[i] == g->tables[t].label)
            lead = i;
        else if (g->tables[t].cols[a.cols[i]].role == COL_DATE)
            day = i;
    }
    if (lead < 0 || a.n < 2)
        return false;
    insert_sql(g, d, t, &a);
    /* the date is told among the values anyway: "On <day>" stands only where it is the same one */
    const char *date = day < 0 ? "" : gen_say_value(g, t, a.cols[day], a.vals[day]);
    int n = (int)(sizeof(say) / sizeof(*say)), k = gen_below(g, n);
    if (day < 0 && k == 3)
        k = 4;
    gen_say(g, d, &say[k], 1,
            (phrase_slot[]){{"n", a.vals[lead]},
                            {"t", g->tables[t].one},
                            {"T", g->tables[t].many},
                            {"day", date},
                            {"x", say_assignments(g, t, &a, lead, "[n|n|i|=]")},
                            {0}});
    return true;
}

/* ---- UPDATE ---- */

typedef struct {
    int t;
    const char *where; /* "name = 'Alba Mug'" */
    const char *row;   /* "Alba Mug", "the product with product id 3" */
} target;

/* One row, by its name or its key. */
static bool pick_row(db_gen *g, target *r, bool by_key)
{
    r->t = gen_table(g, true);
    int c = r->t < 0 ? -1 : by_key ? g->tables[r->t].key : g->tables[r->t].label;
    const char *v = c < 0 ? NULL : gen_value(g, r->t, c);
    if (!v)
        return false;
    const char *said = gen_say_value(g, r->t, c, v);
    r->where = gen_fmt(g, "%s = %s", gen_col(g, r->t, c, false), gen_literal(g, r->t, c, v));
    r->row =
        GEN_FILL(g,
                 by_key ? "[|the ]{t} [{v}|number {v}|with {k} {v}|{v}]"
                        : "[{v}|{v}|the {t} {v}|the {t} [named|called] {v}]",
                 {"t", g->tables[r->t].one}, {"v", said}, {"k", g->tables[r->t].cols[c].human});
    return true;
}

static int settable(db_gen *g, int t, int except)
{
    int c = gen_column(g, t, COL_NUMBER | COL_CATEGORY | COL_DATE | COL_TEXT | COL_FLAG, except);
    return c >= 0 && (g->s->tables[t].columns[c].generated || g->s->tables[t].columns[c].pk) ? -1
                                                                                             : c;
}

static const char *const set_say[] = {
    "!set the {c} of {r} to {v}",
    "!change the {c} of {r} to {v}",
    "!update the {c} of {r} to {v}",
    "!update {r}: [the |]{c} is [now |]{v}",
    "The {c} of {r} [is now|has changed to|should be|must be|is in fact] {v}[. Update it.|. Please "
    "correct it.|; please change that.| - fix it.]",
    "!make {v} the {c} of {r}",
    "!correct the {c} of {r}: it [is|should be] {v}",
    "{r} [now has|should have] {v} as {c}[. Update it.|. Change it accordingly.| - please change "
    "it.]",
    "For {r}, [set|change] the {c} to {v}.",
};

static void set_sql(db_gen *g, db_draft *d, int t, const char *set, const char *where,
                    const char *what)
{
    d->writes = true;
    d->sql = gen_fmt(g, "UPDATE %s SET %s WHERE %s", gen_tab(g, t), set, where);
    d->think = gen_fmt(g, "change %s of %s where %s", what, gen_tab(g, t), where);
}

static bool update_row(db_gen *g, db_draft *d, bool by_key)
{
    target r;
    if (!pick_row(g, &r, by_key))
        return false;
    int c = settable(g, r.t, -1);
    const char *v = c < 0 ? NULL : new_value(g, r.t, c);
    if (!v)
        return false;
    const char *name = gen_col(g, r.t, c, false);
    d->n_rows = 1;
    set_sql(g, d, r.t, gen_fmt(g, "%s = %s", name, gen_literal(g, r.t, c, v)), r.where, name);
    GEN_SAY(g, d, set_say, {"c", g->tables[r.t].cols[c].human}, {"r", r.row},
            {"v", gen_say_value(g, r.t, c, v)});
    return true;
}
static bool update_name(db_gen *g, db_draft *d)
{
    return update_row(g, d, false);
}
static bool update_key(db_gen *g, db_draft *d)
{
    return update_row(g, d, true);
}

static bool update_two(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "!set the {c} of {r} to {v} and [its|the] {e} to {w}",
        "!change {c} and {e} of {r} to {v} and {w}",
        "!update {r}: {c} {v}, {e} {w}",
        "The {c} of {r} is now {v} and its {e} {w}. [Update it|Please correct both|Change them].",
        "For {r}, set {c} = {v} and {e} = {w}.",
        "{r} has a new {c}, {v}, and a new {e}, {w}. [Update both|Please record that].",
    };
    target r;
    if (!pick_row(g, &r, gen_chance(g, 50)))
        return false;
    int c = settable(g, r.t, -1), e = settable(g, r.t, c);
    const char *v = c < 0 ? NULL : new_value(g, r.t, c), *w = e < 0 ? NULL : new_value(g, r.t, e);
    if (!v || !w)
        return false;
    const char *cn = gen_col(g, r.t, c, false), *en = gen_col(g, r.t, e, false);
    d->n_rows = 1;
    set_sql(g, d, r.t,
            gen_fmt(g, "%s = %s, %s = %s", cn, gen_literal(g, r.t, c, v), en,
                    gen_literal(g, r.t, e, w)),
            r.where, gen_fmt(g, "%s and %s", cn, en));
    GEN_SAY(g, d, say, {"c", g->tables[r.t].cols[c].human}, {"e", g->tables[r.t].cols[e].human},
            {"r", r.row}, {"v", gen_say_value(g, r.t, c, v)}, {"w", gen_say_value(g, r.t, e, w)});
    return true;
}

static bool update_where(db_gen *g, db_draft *d)
{
    int t = gen_table(g, true), c = settable(g, t, -1);
    const char *v = c < 0 ? NULL : gen_value(g, t, c);
    db_cond w;
    if (!v || !gen_cond(g, t, COND_COMMON | COND_NULL | COND_LIKE, c, false, &w))
        return false;
    const char *name = gen_col(g, t, c, false);
    set_sql(g, d, t, gen_fmt(g, "%s = %s", name, gen_literal(g, t, c, v)), w.sql, name);
    GEN_SAY(g, d, set_say, {"c", g->tables[t].cols[c].human}, {"v", gen_say_value(g, t, c, v)},
            {"r", GEN_FILL(g, "[all {T} {w}|every {t} {w}|each {t} {w}]", {"T", g->tables[t].many},
                           {"t", g->tables[t].one}, {"w", w.post})});
    return true;
}

static bool update_step(db_gen *g, db_draft *d)
{
    static const char *const up[] = {
        "!increase the {c} of {r} by {n}",
        "!raise the {c} of {r} by {n}",
        "!add {n} to the {c} of {r}",
        ("The {c} of {r} [has gone up|went up|rose] by {n}. [Update it|Record that|Please change "
         "it]."),
        "{r} gets {n} more {c}. [Update it|Record that].",
        "!bump the {c} of {r} up by {n}",
    };
    static const char *const down[] = {
        "!decrease the {c} of {r} by {n}",
        "!lower the {c} of {r} by {n}",
        "!subtract {n} from the {c} of {r}",
        ("The {c} of {r} [has gone down|went down|fell] by {n}. [Update it|Record that|Please "
         "change it]."),
        "!reduce the {c} of {r} by {n}",
        "!take {n} off the {c} of {r}",
    };
    target r;
    bool one = gen_chance(g, 65);
    if (!pick_row(g, &r, gen_chance(g, 50)))
        return false;
    int c = gen_column(g, r.t, COL_NUMBER, -1);
    db_cond w;
    if (c < 0 || (!one && !gen_cond(g, r.t, COND_COMMON, c, false, &w)))
        return false;
    if (!one) {
        r.where = w.sql;
        r.row = gen_fmt(g, "all %s %s", g->tables[r.t].many, w.post);
    }
    bool more = gen_chance(g, 60);
    const char *name = gen_col(g, r.t, c, false);
    const char *n = g->tables[r.t].cols[c].whole || gen_chance(g, 60)
                        ? gen_fmt(g, "%d", 1 + gen_below(g, 30))
                        : gen_number(g, 0.25 * (1 + gen_below(g, 40)), false);
    d->n_rows = one ? 1 : 0;
    set_sql(g, d, r.t, gen_fmt(g, "%s = %s %c %s", name, name, more ? '+' : '-', n), r.where, name);
    gen_say(g, d, more ? up : down, 6,
            (phrase_slot[]){{"c", g->tables[r.t].cols[c].human}, {"r", r.row}, {"n", n}, {0}});
    return true;
}

static bool update_percent(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "!{raise} the {c} of {r} by {n}[%| percent| per cent]",
        "!{raise} by {n}[%| percent] the {c} of {r}",
        "The {c} of {r} goes {up} by {n}[%| percent]. [Update it|Record that|Please change it].",
        "For {r}, {raise} the {c} by {n}[%| percent].",
        "!update the {c} of {r}: {n}[%| percent] {more}",
        "!make the {c} of {r} {n}[%| percent] {higher}",
    };
    target r;
    bool one = gen_chance(g, 40);
    if (!pick_row(g, &r, gen_chance(g, 50)))
        return false;
    int c = gen_column(g, r.t, COL_NUMBER, -1);
    db_cond w;
    if (c < 0 || g->tables[r.t].cols[c].whole ||
        (!one && !gen_cond(g, r.t, COND_COMMON, c, false, &w)))
        return false;
    if (!one) {
        r.where = w.sql;
        r.row = gen_fmt(g, "all %s %s", g->tables[r.t].many, w.post);
    }
    static const int steps[] = {5, 10, 15, 20, 25, 30, 50};
    int n = steps[gen_below(g, 7)];
    bool more = gen_chance(g, 60);
    const char *name = gen_col(g, r.t, c, false);
    const char *factor = gen_number(g, (100 + (more ? n : -n)) / 100.0, false);
    d->n_rows = one ? 1 : 0;
    set_sql(g, d, r.t, gen_fmt(g, "%s = %s * %s", name, name, factor), r.where, name);
    GEN_SAY(g, d, say, {"c", g->tables[r.t].cols[c].human}, {"r", r.row},
            {"n", gen_fmt(g, "%d", n)},
            {"raise",
             more ? GEN_FILL(g, "[raise|increase]", {0}) : GEN_FILL(g, "[lower|reduce|cut]", {0})},
            {"up", more ? "up" : "down"}, {"more", more ? "more" : "less"},
            {"higher", more ? "higher" : "lower"});
    return true;
}

static bool update_null(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "!clear the {c} of {r}",
        "!remove the {c} of {r}",
        "!set the {c} of {r} to null",
        ("The {c} of {r} is [unknown|no longer known|not valid any more]. [Clear it|Empty it|Set "
         "it "
         "to null]."),
        "!empty the {c} of {r}",
        "!delete the {c} of {r}, but keep the {t}",
    };
    target r;
    if (!pick_row(g, &r, gen_chance(g, 50)))
        return false;
    int c = settable(g, r.t, -1);
    if (c < 0 || g->s->tables[r.t].columns[c].not_null)
        return false;
    const char *name = gen_col(g, r.t, c, false);
    if (gen_double(g, gen_fmt(g, "SELECT COUNT(*) FROM %s WHERE %s AND %s IS NOT NULL",
                              gen_tab(g, r.t), r.where, name)) != 1)
        return false;
    d->n_rows = 1;
    set_sql(g, d, r.t, gen_fmt(g, "%s = NULL", name), r.where, name);
    GEN_SAY(g, d, say, {"c", g->tables[r.t].cols[c].human}, {"r", r.row},
            {"t", g->tables[r.t].one});
    return true;
}

/* ---- DELETE ---- */

static const char *const delete_say[] = {
    "!delete {r}",
    "!remove {r} [|from the database|from the {T} table]",
    "!erase {r}",
    ("{r} [should be deleted|is to be deleted|must go|can be removed]. [Delete it.|Please do "
     "that.|Remove it.]"),
    "!drop {r} from the {T}",
    "We no longer need {r}[. Delete it.|; please delete it.|, so remove it.]",
    "!get rid of {r}",
};

static void delete_sql(db_gen *g, db_draft *d, int t, const char *where)
{
    d->writes = true;
    d->sql = gen_fmt(g, "DELETE FROM %s WHERE %s", gen_tab(g, t), where);
    d->think = gen_fmt(g, "delete from %s where %s", gen_tab(g, t), where);
}

static bool delete_row(db_gen *g, db_draft *d)
{
    target r;
    if (!pick_row(g, &r, gen_chance(g, 60)))
        return false;
    d->n_rows = 1;
    delete_sql(g, d, r.t, r.where);
    GEN_SAY(g, d, delete_say, {"r", r.row}, {"T", g->tables[r.t].many});
    return true;
}

static bool delete_where(db_gen *g, db_draft *d)
{
    int t = gen_table(g, true);
    db_cond a, b;
    if (!gen_cond(g, t, COND_ANY, -1, false, &a))
        return false;
    const char *where = a.sql, *post = a.post;
    if (gen_chance(g, 40) && gen_cond(g, t, COND_COMMON, a.column, false, &b)) {
        where = gen_fmt(g, "%s AND %s", where, b.sql);
        post = gen_fmt(g, "%s and %s", post, b.post);
    }
    delete_sql(g, d, t, where);
    GEN_SAY(g, d, delete_say,
            {"r", GEN_FILL(g, "[all {T} {w}|all the {T} {w}|every {t} {w}|the {T} {w}]",
                           {"T", g->tables[t].many}, {"t", g->tables[t].one}, {"w", post})},
            {"T", g->tables[t].many});
    return true;
}

const db_family db_families_write[] = {
    {"insert_all", 3, insert_all},
    {"insert_some", 4, insert_some},
    {"insert_told", 3, insert_told},
    {"update_name", 4, update_name},
    {"update_key", 4, update_key},
    {"update_two", 3, update_two},
    {"update_where", 3, update_where},
    {"update_step", 3, update_step},
    {"update_percent", 2, update_percent},
    {"update_null", 1, update_null},
    {"delete_row", 3, delete_row},
    {"delete_where", 3, delete_where},
    {0},
};
