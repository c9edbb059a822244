/* env/db/wiki_write.c - rows to add to a table and to change in it, told in many ways. */
#include "core/json.h"
#include "env/db/wiki_impl.h"
#include <ctype.h>
#include <string.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))
enum { MAX_SET = 5, N_MANNERS = 11 };

/* ---- values ---- */

/* Another row's value, with its digits changed when it is a number. */
static const char *like_column(wiki *w, int c)
{
    const wiki_table *t = w->t;
    for (int tries = 0; tries < 6; tries++) {
        const char *v = t->rows[wiki_below(w, t->n_rows)][c];
        if (!wiki_sayable(v))
            continue;
        if (!t->numeric[c] && wiki_chance(w, 70))
            return v;
        char *s = cmat_arena_strdup(&w->arena, v);
        bool year = strlen(s) == 4 && (s[0] == '1' || s[0] == '2');
        for (size_t i = year ? 2 : 0; s[i]; i++)
            if (isdigit((unsigned char)s[i]) && wiki_chance(w, 50))
                s[i] = (char)('1' + wiki_below(w, 9));
        return s;
    }
    return NULL;
}

/* A value that the column could hold: of another table with such a column, or like its own. */
static const char *new_value(wiki *w, int c)
{
    const json_t *pool = json_object_get(w->pool.by_header, wiki_lower(w, w->t->columns[c]));
    if (json_array_size(pool) > 0 && wiki_chance(w, w->t->numeric[c] ? 20 : 60))
        return cmat_arena_strdup(&w->arena,
                                 json_string_value(json_array_get(
                                     pool, (size_t)wiki_below(w, (int)json_array_size(pool)))));
    return like_column(w, c);
}

static bool in_column(const wiki_table *t, int c, const char *v)
{
    for (int r = 0; r < t->n_rows; r++)
        if (wiki_same(t->rows[r][c], v))
            return true;
    return false;
}

/* A name that no row has: from the pool, or of two rows' parts. NULL: none found. */
static const char *new_name(wiki *w, int c)
{
    for (int tries = 0; tries < 8; tries++) {
        const char *v = new_value(w, c), *u = like_column(w, c);
        const char *cut = v ? strchr(v, ' ') : NULL, *tail = u ? strrchr(u, ' ') : NULL;
        if (!v)
            return NULL;
        if (in_column(w->t, c, v) && cut && tail)
            v = wiki_fmt(w, "%.*s%s", (int)(cut - v), v, tail);
        if (!in_column(w->t, c, v) && wiki_sayable(v))
            return v;
    }
    return NULL;
}

/* ---- parts of sentences ---- */

/* Column and value side by side, in one of several manners. */
static const char *pair(wiki *w, int manner, int c, const char *value)
{
    const char *column = w->t->columns[c];
    const char *lower = wiki_lower(w, column), *q = wiki_quoted(w, value);
    switch (manner) {
    case 0:
        return wiki_fmt(w, "%s for %s", q, wiki_quoted(w, column));
    case 1:
        return wiki_fmt(w, "%s = %s", column, q);
    case 2:
        return wiki_fmt(w, "%s: %s", column, value);
    case 3:
        return wiki_fmt(w, "%s %s", lower, value);
    case 4:
        return wiki_fmt(w, "%s %s", lower, q);
    case 5:
        return wiki_fmt(w, "%s as the %s", value, lower);
    case 6:
        return wiki_fmt(w, "the %s is %s", lower, value);
    case 7:
        return wiki_fmt(w, "the %s as %s", wiki_quoted(w, column), q);
    case 8:
        return WIKI_FILL(w, "a(n) {c} of {v}", {"c", lower}, {"v", value});
    case 9:
        return wiki_fmt(w, "%s for %s", value, column);
    default: /* as people would tell it */
        return wiki_noun(w, column, value, w->t->numeric[c]);
    }
}

typedef struct {
    int n, cols[WIKI_MAX_COLUMNS];
    const char *vals[WIKI_MAX_COLUMNS];
} cells;

static const char *joined(wiki *w, const char *const *items, int n)
{
    const char *s = "", *last = wiki_chance(w, 20) ? ", " : wiki_chance(w, 30) ? ", and " : " and ";
    for (int i = 0; i < n; i++)
        s = wiki_fmt(w, "%s%s%s", s, i == 0 ? "" : i + 1 < n ? ", " : last, items[i]);
    return s;
}

static const char *pairs(wiki *w, int manner, const cells *x)
{
    const char *items[WIKI_MAX_COLUMNS];
    for (int i = 0; i < x->n; i++)
        items[i] = pair(w, manner, x->cols[i], x->vals[i]);
    return joined(w, items, x->n);
}

static const char *quoted_list(wiki *w, const char *const *items, int n)
{
    const char *q[WIKI_MAX_COLUMNS];
    for (int i = 0; i < n; i++)
        q[i] = wiki_quoted(w, items[i]);
    return joined(w, q, n);
}

/* ---- INSERT ---- */

static const char *const insert_say[] = {
    "Insert a(n) [new |][record|row|entry] into the {Q} table with {x}.",
    "Insert a(n) [new |][record|row|entry] into {Q} [with the values of|where] {x}.",
    "Insert a new row into the {Q} table with the [following |]values: {x}.",
    "[Insert|Add] {L} [into|to] [the table |]{Q} with {r}.",
    "[Insert|Add] {l} [into|to] the {T}[| table] with {r}.",
    "[Add|Create|Make] a[ new|n extra] [row|entry|record] [in|for] the {T}[| table]: {x}.",
    "Insert into [the |]table {Q} with {n} columns {c}. The values are {v}[| in that order| "
    "respectively].",
    "Insert into the {Q} table the values for {c}, which are {v}, respectively.",
    "Insert into {Q} with {n} columns {c}. The values [for|of] these columns are {v}.",
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
    "New in [the |]{T}: {l}, {r}.",
    "The {k} is {l}, {r}. [It|This] [belongs|goes] into [the |]{T}.",
    "[Please|Can you please|I want you to] [add|insert] a row whose {x} [to|into] the {T}[| "
    "table].",
    "[Put|Write] {v} into [the columns |]{c} of a new row of {Q}.",
};
/* {f}: the clause in front, with its comma, or nothing; {r}: the others. */
static const char *const insert_told[] = {
    "{f}{l} [was |is |]{r}.",
    "{f}{l}, {r}, was [recorded|added|entered|listed][| in the {T}[| table]].",
    "{f}{the} {l} [is listed|appears|is recorded] {r}.",
    "{f}{the} {l}, {r}.",
    "{the} {l}, {r}: [record|add|enter|log] [this|it] in the {T}[| table].",
    "The {T} [INSERT INTO |]table contains data [for|about] {l}, {r}.",
    "[Record|Add|Log|Enter] {the} {l} {r} [in|under|to] the {T}[| table].",
    ("{f}{l}, {r}. [This information was inserted into|This was added to|Please put it into|It "
     "was inserted into] the {T}[| table]."),
    "{f}there [was|is] {l}, {r}.",
    "{l}[,|] {r}, and was inserted into the {T} table.",
    "The [record|data|entry] [for|of] {l} [is|was] [added|inserted] [to|into] {Q}: {r}.",
    "{f}{l}, {r}.",
    "The {k} {l} {r}. [Insert it into|Add it to|It belongs in] the {T}[| table].",
    "{f}the {T} [had|has] {l}, {r}.",
};

static bool pick_cells(wiki *w, bool told, cells *x)
{
    bool all = wiki_chance(w, 70);
    x->n = 0;
    for (int c = 0; c < w->t->n_columns; c++) {
        if (!all && c > 0 && wiki_chance(w, 35))
            continue;
        const char *v = new_value(w, c);
        if (!v || (told && !wiki_sayable(v)))
            continue;
        x->cols[x->n] = c;
        x->vals[x->n++] = v;
    }
    return x->n >= 2;
}

/* "On 8 March 2007, " of one of the clauses, which is then left out; "" where none fits there. */
static const char *take_front(wiki *w, const char **items, int *n)
{
    for (int i = 0; i < *n; i++)
        if ((!strncmp(items[i], "on ", 3) || !strncmp(items[i], "in ", 3) ||
             !strncmp(items[i], "at ", 3)) &&
            wiki_chance(w, 60)) {
            const char *s = wiki_fmt(w, "%s, ", items[i]);
            memmove(items + i, items + i + 1, sizeof(*items) * (size_t)(*n - i - 1));
            --*n;
            return s;
        }
    return "";
}

static void tell_insert(wiki *w, wiki_draft *d, const cells *x, int lead)
{
    const char *items[WIKI_MAX_COLUMNS], *v = x->vals[lead];
    int n = 0;
    for (int i = 0; i < x->n; i++)
        if (i != lead)
            items[n++] =
                wiki_clause(w, w->t->columns[x->cols[i]], x->vals[i], w->t->numeric[x->cols[i]]);
    if (wiki_chance(w, 30))
        cmat_rng_shuffle(&w->rng, items, (size_t)n, sizeof(*items));
    const char *front = take_front(w, items, &n), *k = wiki_lower(w, w->t->columns[x->cols[lead]]);
    phrase_say(&d->text, &w->rng, insert_told, LEN(insert_told),
               (phrase_slot[]){{"f", front},
                               {"l", wiki_chance(w, 15) ? wiki_quoted(w, v) : v},
                               {"the", wiki_chance(w, 40) ? wiki_fmt(w, "the %s", k) : ""},
                               {"k", k},
                               {"r", joined(w, items, n)},
                               {"T", w->t->name},
                               {"Q", wiki_quoted(w, w->t->name)},
                               {0}});
}

static void order_insert(wiki *w, wiki_draft *d, const cells *x, int lead)
{
    int manner = wiki_below(w, N_MANNERS);
    cells rest = {0};
    const char *names[WIKI_MAX_COLUMNS];
    for (int i = 0; i < x->n; i++) {
        names[i] = w->t->columns[x->cols[i]];
        if (i == lead)
            continue;
        rest.cols[rest.n] = x->cols[i];
        rest.vals[rest.n++] = x->vals[i];
    }
    const char *name = w->t->name;
    phrase_say(
        &d->text, &w->rng, insert_say, LEN(insert_say),
        (phrase_slot[]){{"Q", wiki_below(w, 3) ? wiki_quoted(w, name) : wiki_fmt(w, "`%s`", name)},
                        {"T", name},
                        {"x", pairs(w, manner, x)},
                        {"r", pairs(w, manner, &rest)},
                        {"l", x->vals[lead]},
                        {"L", wiki_quoted(w, x->vals[lead])},
                        {"k", names[lead]},
                        {"n", wiki_fmt(w, "%d", x->n)},
                        {"c", quoted_list(w, names, x->n)},
                        {"v", quoted_list(w, x->vals, x->n)},
                        {0}});
}

bool wiki_insert(wiki *w, wiki_draft *d)
{
    cells x = {0};
    bool told = wiki_chance(w, 45);
    if (!pick_cells(w, told, &x))
        return false;
    int lead = 0;
    while (lead + 1 < x.n && w->t->numeric[x.cols[lead]])
        lead++;
    /* What is told of a name that some row has could as well be a change of that row. */
    if (told || wiki_chance(w, 50)) {
        const char *v = new_name(w, x.cols[lead]);
        if (v)
            x.vals[lead] = v;
        else if (told)
            return false;
    }
    const char *into = "", *values = "";
    for (int i = 0; i < x.n; i++) {
        into = wiki_fmt(w, "%s%s%s", into, i ? ", " : "", wiki_col(w, x.cols[i]));
        values = wiki_fmt(w, "%s%s%s", values, i ? ", " : "", wiki_text(w, x.vals[i]));
    }
    d->kind = "INSERT";
    d->writes = true;
    d->sql = wiki_fmt(w, "INSERT INTO %s (%s) VALUES (%s)", wiki_name(w, w->t->name), into, values);
    d->think = wiki_fmt(w, "new row of %s: %s", wiki_name(w, w->t->name), into);
    if (told)
        tell_insert(w, d, &x, lead);
    else
        order_insert(w, d, &x, lead);
    return true;
}

/* ---- UPDATE ---- */

static const char *const update_one_say[] = {
    "Change the {c} of {k} [|in the {T}[| table] ]to {v}.",
    "Change the {c} [for|of] {k} to {V} in the {T} table.",
    "Change the value of {C} to {V} in the {Q} table for the [entry|row|record] with {KC} as {KV}.",
    ("[Set|Change|Alter] the {C} [value |]to {V} for the [entry|row|record] [with|whose] {KC} "
     "[equal to|being] {KV} in the {Q} table."),
    "Set the {c} [value |]to {v} for {k} in the {T}[| table].",
    "Set the {c} [value |]to {v} for the {kcl} [named |called |]{k} in the {T}[| database].",
    "In the {Q} table, [update|set|change] the {C} column to {V} where the {KC} column equals {k}.",
    "In the {Q} table, [update|set] {C} to {V} for the {KC} {k}.",
    "Update the {c} of the {T} to {V} for the {kcl} [of |]{k}.",
    "Update the {c} [of|for] the {kcl} {k} to {v}[| in the {T}[| table]].",
    "Update the {c} of {k} to {v}.",
    "The {C} column of the {Q} [table |]was updated to {V} for {k}.",
    "The {c} [of|for] {k} [has been|was|is] [updated|changed|set|corrected] to {v}.",
    "The {c} of {k} is now {v}.",
    "For {k}, the {c} is {v}[| now|. Update the {T} table|. Correct the table].",
    "[Correct|Fix|Replace] the {c} of {k}[| in {T}]: it should be {v}.",
    "{k} [now has|has] {v} as its {c}.",
    "[Modify|Edit] the {T} so that the {c} of {k} [is|becomes|reads] {v}.",
    "Change the {c} [of|in] the {T}[| table] to {V} where the {kcl} is {KV}.",
};
static const char *const update_say[] = {
    "Update the {T}[| table] [to set|by setting] {x} where the {kc} is {KV}.",
    "Update the {T}[| table]: set {x} for {k}.",
    "Update {k} [in|of] the {T}[| table] with {x}.",
    "Update the row [where|in which] {KC} is {KV} in {Q} with {x}.",
    "Update the table {Q} by setting {x} where the {kcl} is {KV}.",
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
/* {kk}: the row in a sentence, "in week 19"; {t}: what is new, as clauses. */
static const char *const update_told[] = {
    "Update the [results|details|data|entry|record|row] of {k} with {t}.",
    "Update the {T}[| table] {kk}: {t}.",
    "{kk}, update the {T}[| table] to {x}.",
    "{kk}, update the {T}[| table] so [that |]{i}.",
    "The [statistics|data|figures|details|table] {kk} [have|has] been updated with {t}.",
    "The {T} [for {k}|entry of {k}] has been updated with {t}.",
    "{k} [now |]has {t}.",
    "{k} is now listed with {t}.",
    "Update the [entry|row|record] {kk} [in|of] the {T} to {t}.",
    "The {T} is being updated to [reflect|show] that {i} {kk}.",
    "{kk}, {i}. [Update the {T}|Correct the table|Change it in the {T}].",
    "Update {k} in the {T}: {t}.",
};

/* A column and a cell that name a row: unique, and rather a name than a number. */
static int pick_key(wiki *w, int *row)
{
    const wiki_table *t = w->t;
    for (int tries = 0; tries < 12; tries++) {
        int n = wiki_below(w, 3) && t->n_columns > 3 ? 3 : t->n_columns, c = wiki_below(w, n),
            same = 0;
        *row = wiki_below(w, t->n_rows);
        const char *v = t->rows[*row][c];
        for (int r = 0; r < t->n_rows; r++)
            same += wiki_same(t->rows[r][c], v);
        if (same == 1 && wiki_sayable(v) &&
            (!t->numeric[c] || strlen(v) == 4 || wiki_below(w, 3) == 0))
            return c;
    }
    return -1;
}

static bool pick_changes(wiki *w, int key, int row, cells *x)
{
    int want = wiki_chance(w, 50) ? 1 : 2 + wiki_below(w, MAX_SET - 1);
    x->n = 0;
    for (int tries = 0; tries < 20 && x->n < want; tries++) {
        int c = wiki_below(w, w->t->n_columns);
        const char *v = new_value(w, c);
        bool again = c == key || !v || strcmp(v, w->t->rows[row][c]) == 0;
        for (int i = 0; i < x->n; i++)
            again = again || x->cols[i] == c;
        if (again)
            continue;
        x->cols[x->n] = c;
        x->vals[x->n++] = v;
    }
    return x->n > 0;
}

static void say_update(wiki *w, wiki_draft *d, const cells *x, int key, const char *kv,
                       const char *said)
{
    const char *kc = w->t->columns[key], *c = w->t->columns[x->cols[0]], *told[WIKI_MAX_COLUMNS];
    bool whole = said != kv; /* with a second condition: only as a part of the row's name */
    for (int i = 0; i < x->n; i++)
        told[i] = pair(w, N_MANNERS - 1, x->cols[i], x->vals[i]);
    phrase_slot slots[] = {
        {"T", w->t->name},
        {"Q", wiki_quoted(w, w->t->name)},
        {"c", wiki_below(w, 3) ? wiki_lower(w, c) : c},
        {"C", wiki_quoted(w, c)},
        {"v", wiki_below(w, 2) ? x->vals[0] : wiki_quoted(w, x->vals[0])},
        {"V", wiki_quoted(w, x->vals[0])},
        {"k", said},
        {"kc", kc},
        {"kcl", wiki_lower(w, kc)},
        {"KC", wiki_quoted(w, kc)},
        {"KV", whole ? said : wiki_quoted(w, kv)},
        {"kk", whole ? wiki_fmt(w, "for %s", said) : wiki_clause(w, kc, kv, w->t->numeric[key])},
        {"x", pairs(w, wiki_below(w, N_MANNERS), x)},
        {"i", pairs(w, 6, x)},
        {"t", joined(w, told, x->n)},
        {0}};
    if (x->n == 1 && wiki_chance(w, 75))
        phrase_say(&d->text, &w->rng, update_one_say, LEN(update_one_say), slots);
    else if (wiki_chance(w, 50))
        phrase_say(&d->text, &w->rng, update_say, LEN(update_say), slots);
    else
        phrase_say(&d->text, &w->rng, update_told, LEN(update_told), slots);
}

bool wiki_update(wiki *w, wiki_draft *d)
{
    int row, key = pick_key(w, &row), extra = wiki_below(w, w->t->n_columns);
    cells x = {0};
    if (key < 0 || !pick_changes(w, key, row, &x))
        return false;
    const char *set = "", *changed = "", *kv = w->t->rows[row][key], *said = kv;
    for (int i = 0; i < x.n; i++) {
        const char *col = wiki_col(w, x.cols[i]);
        set = wiki_fmt(w, "%s%s%s = %s", set, i ? ", " : "", col, wiki_text(w, x.vals[i]));
        changed = wiki_fmt(w, "%s%s%s", changed, i ? " and " : "", col);
    }
    const char *where = wiki_fmt(w, "%s = %s", wiki_col(w, key), wiki_text(w, kv));
    bool taken = extra == key || !wiki_sayable(w->t->rows[row][extra]);
    for (int i = 0; i < x.n; i++)
        taken = taken || x.cols[i] == extra;
    if (!taken && wiki_chance(w, 18)) { /* a second condition */
        const char *v = w->t->rows[row][extra];
        where = wiki_fmt(w, "%s AND %s = %s", where, wiki_col(w, extra), wiki_text(w, v));
        said = wiki_chance(w, 50)
                   ? wiki_fmt(w, "%s (%s)", kv, pair(w, 3, extra, v))
                   : wiki_fmt(w, "%s and the %s %s", kv, wiki_lower(w, w->t->columns[extra]), v);
    }
    d->kind = "UPDATE";
    d->writes = true;
    d->sql = wiki_fmt(w, "UPDATE %s SET %s WHERE %s", wiki_name(w, w->t->name), set, where);
    d->think = wiki_fmt(w, "change %s where %s", changed, where);
    say_update(w, d, &x, key, kv, said);
    return true;
}
