/* data/load.c - reads and writes dataset files. */
#include "core/buf.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "data/dataset.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *const cmat_data_format_names[] = {"auto", "messages", "alpaca", "sharegpt", NULL};

/* Takes one row of a file apart: *messages is the caller's, and may be changed like the row. */
typedef cmat_status (*row_reader)(json_t *row, const char *what, json_t **messages,
                                  cmat_error *err);

static void add_message(json_t *messages, const char *role, const char *content)
{
    json_array_append_new(messages, json_pack("{s:s, s:s}", "role", role, "content", content));
}

static cmat_status read_messages(json_t *row, const char *what, json_t **messages, cmat_error *err)
{
    json_t *m = json_object_get(row, "messages");
    if (!json_is_array(m))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: member \"messages\" is not a list", what);
    *messages = json_incref(m);
    return CMAT_OK;
}

/* "history": [[user, assistant], ...] before the last turn. */
static cmat_status read_history(const json_t *history, const char *what, json_t *messages,
                                cmat_error *err)
{
    size_t i;
    json_t *pair;
    json_array_foreach(history, i, pair)
    {
        const char *user = json_string_value(json_array_get(pair, 0));
        const char *reply = json_string_value(json_array_get(pair, 1));
        if (!user || !reply)
            return cmat_fail(err, CMAT_ERR_FORMAT,
                             "%s: \"history\" entry %zu is not a pair of texts", what, i + 1);
        add_message(messages, "user", user);
        add_message(messages, "assistant", reply);
    }
    return CMAT_OK;
}

static cmat_status read_alpaca(json_t *row, const char *what, json_t **messages, cmat_error *err)
{
    const char *instruction, *output, *input = cmat_json_str(row, "input", "");
    const char *sys = cmat_json_str(row, "system", "");
    cmat_status st = cmat_json_need_str(row, "instruction", what, &instruction, err);
    if (st == CMAT_OK)
        st = cmat_json_need_str(row, "output", what, &output, err);
    if (st != CMAT_OK)
        return st;
    *messages = json_array();
    if (*sys)
        add_message(*messages, "system", sys);
    if ((st = read_history(json_object_get(row, "history"), what, *messages, err)) != CMAT_OK) {
        json_decref(*messages);
        return st;
    }
    char *user = *input ? cmat_xasprintf("%s\n%s", instruction, input) : cmat_xstrdup(instruction);
    add_message(*messages, "user", user);
    add_message(*messages, "assistant", output);
    free(user);
    return CMAT_OK;
}

/* ShareGPT's names of the roles; NULL: not one. */
static const char *sharegpt_role(const char *from)
{
    static const char *const names[][2] = {
        {"human", "user"},
        {"user", "user"},
        {"gpt", "assistant"},
        {"assistant", "assistant"},
        {"function_call", "assistant"},
        {"system", "system"},
        {"observation", "tool"},
        {"function", "tool"},
        {"tool", "tool"},
    };
    for (size_t i = 0; from && i < sizeof names / sizeof *names; i++)
        if (strcmp(from, names[i][0]) == 0)
            return names[i][1];
    return NULL;
}

static cmat_status read_sharegpt(json_t *row, const char *what, json_t **messages, cmat_error *err)
{
    const json_t *list = json_object_get(row, "conversations");
    const char *sys = cmat_json_str(row, "system", "");
    size_t i;
    json_t *turn;
    if (!json_is_array(list))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: member \"conversations\" is not a list", what);
    *messages = json_array();
    if (*sys)
        add_message(*messages, "system", sys);
    json_array_foreach(list, i, turn)
    {
        const char *from = cmat_json_str(turn, "from", NULL), *role = sharegpt_role(from);
        const char *value = cmat_json_str(turn, "value", NULL);
        if (!role || !value) {
            json_decref(*messages);
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: turn %zu: %s%.40s%s", what, i + 1,
                             role ? "\"value\" is not a text" : "\"from\" is \"",
                             role ? "" : (from ? from : ""), role ? "" : "\", which is not known");
        }
        json_t *msg = json_pack("{s:s, s:s}", "role", role, "content", value);
        if (json_object_get(turn, "loss"))
            json_object_set(msg, "loss", json_object_get(turn, "loss"));
        if (json_object_get(turn, "weight"))
            json_object_set(msg, "weight", json_object_get(turn, "weight"));
        json_array_append_new(*messages, msg);
    }
    return CMAT_OK;
}

static const row_reader readers[] = {
    [CMAT_DATA_MESSAGES] = read_messages,
    [CMAT_DATA_ALPACA] = read_alpaca,
    [CMAT_DATA_SHAREGPT] = read_sharegpt,
};

static cmat_data_format detect(const json_t *row)
{
    if (json_object_get(row, "messages"))
        return CMAT_DATA_MESSAGES;
    if (json_object_get(row, "conversations"))
        return CMAT_DATA_SHAREGPT;
    if (json_object_get(row, "instruction"))
        return CMAT_DATA_ALPACA;
    return CMAT_DATA_AUTO;
}

/* What is left of a row when its own members are taken out; changes the row. */
static void keep_extra(cmat_row *out, json_t *row)
{
    static const char *const used[] = {"messages", "conversations", "instruction", "input",
                                       "output",   "system",        "history",     "id",
                                       "weight"};
    json_decref(out->extra);
    out->extra = json_incref(row);
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        json_object_del(row, used[i]);
}

static char *row_id(const json_t *row)
{
    const json_t *id = json_object_get(row, "id");
    if (json_is_integer(id))
        return cmat_xasprintf("%lld", (long long)json_integer_value(id));
    return cmat_xstrdup(json_string_value(id));
}

/* A row of the dataset out of one of the file, which is changed. out->messages stays NULL where
 * there is nothing to learn from. */
static cmat_status take_json(cmat_row *out, json_t *row, cmat_data_format format, size_t line,
                             const char *what, cmat_error *err)
{
    json_t *messages = NULL;
    const json_t *weight = json_object_get(row, "weight");
    *out = (cmat_row){0};
    if (weight && !json_is_number(weight))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: \"weight\" is not a number", what);
    if (weight && json_number_value(weight) == 0)
        return CMAT_OK;
    assert(format != CMAT_DATA_AUTO);
    cmat_status st = readers[format](row, what, &messages, err);
    if (st != CMAT_OK)
        return st;
    char *id = row_id(row);
    st = cmat_row_init(out, messages, id, weight ? json_number_value(weight) : 1, what, err);
    free(id);
    if (st != CMAT_OK)
        return st;
    keep_extra(out, row);
    out->line = line;
    return CMAT_OK;
}

/* The format of the file from its first row. */
static cmat_status choose_format(const json_t *row, const char *what, cmat_data_format *format,
                                 cmat_error *err)
{
    if (!json_is_object(row))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: not an object", what);
    if (*format == CMAT_DATA_AUTO && (*format = detect(row)) == CMAT_DATA_AUTO)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "%s: none of \"messages\", \"conversations\", \"instruction\": not a "
                         "dataset in a format that is known",
                         what);
    return CMAT_OK;
}

/* Row `place` of the file; *format AUTO: this is the first one. */
static cmat_status take_place(cmat_row *out, json_t *row, const char *path, const char *unit,
                              size_t place, cmat_data_format *format, cmat_error *err)
{
    char *what = cmat_xasprintf("%s: %s %zu", path, unit, place);
    cmat_status st = choose_format(row, what, format, err);
    *out = (cmat_row){0};
    if (st == CMAT_OK)
        st = take_json(out, row, *format, place, what, err);
    free(what);
    return st;
}

/* One JSON array of rows. */
static cmat_status load_array(cmat_dataset *ds, const char *path, const char *text, size_t len,
                              cmat_data_format *format, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    json_t *all = cmat_json_parse(text, len, path, err), *row;
    size_t i;
    if (!all)
        return CMAT_ERR_FORMAT;
    json_array_foreach(all, i, row)
    {
        cmat_row r;
        if ((st = take_place(&r, row, path, "row", i + 1, format, err)) != CMAT_OK)
            break;
        if (r.messages)
            cmat_dataset_take_row(ds, &r);
    }
    json_decref(all);
    return st;
}

static bool is_blank(const char *s, size_t n)
{
    while (n && strchr(" \t\r", *s) && *s) {
        s++;
        n--;
    }
    return n == 0;
}

typedef struct {
    const char *text;
    size_t n, line; /* bytes, number */
} text_line;

static cmat_status take_line(cmat_row *out, const text_line *l, const char *path,
                             cmat_data_format *format, cmat_error *err)
{
    char *what = cmat_xasprintf("%s: line %zu", path, l->line);
    json_t *row = cmat_json_parse(l->text, l->n, what, err);
    cmat_status st = CMAT_ERR_FORMAT;
    *out = (cmat_row){0};
    if (row)
        st = take_place(out, row, path, "line", l->line, format, err);
    json_decref(row);
    free(what);
    return st;
}

/* The next lines that are not blank, at most max. *line: the number of the one at *at. */
static size_t next_lines(const char **at, const char *end, size_t *line, text_line *lines,
                         size_t max)
{
    size_t n = 0;
    while (*at < end && n < max) {
        const char *nl = memchr(*at, '\n', (size_t)(end - *at)), *stop = nl ? nl : end;
        if (!is_blank(*at, (size_t)(stop - *at)))
            lines[n++] = (text_line){*at, (size_t)(stop - *at), *line};
        *at = stop + 1;
        ++*line;
    }
    return n;
}

/* Lines are read by all threads, some at a time, and added in their order; the first line alone,
 * since it tells the format. The error is that of the first line that has one. */
static cmat_status load_lines(cmat_dataset *ds, const char *path, const char *text, size_t len,
                              cmat_data_format *format, cmat_error *err)
{
    enum { AT_ONCE = 1024 };
    typedef struct {
        cmat_row row;
        cmat_status st;
    } result;
    const char *end = text + len;
    text_line *lines = cmat_xcalloc(AT_ONCE, sizeof *lines);
    result *results = cmat_xcalloc(AT_ONCE, sizeof *results);
    cmat_status st = CMAT_OK;
    size_t line = 1, n;
    while (st == CMAT_OK && (n = next_lines(&text, end, &line, lines,
                                            *format == CMAT_DATA_AUTO ? 1 : AT_ONCE)) > 0) {
#pragma omp parallel for schedule(dynamic, 16) if (n > 1)
        for (size_t i = 0; i < n; i++) {
            cmat_data_format f = *format;
            results[i].st = take_line(&results[i].row, &lines[i], path, &f, NULL);
        }
        if (*format == CMAT_DATA_AUTO) { /* once more, for the format */
            cmat_row_clear(&results[0].row);
            results[0].st = take_line(&results[0].row, &lines[0], path, format, err);
        }
        for (size_t i = 0; i < n; i++) {
            if (st == CMAT_OK && results[i].st != CMAT_OK) /* once more, for the message */
                st = take_line(&results[i].row, &lines[i], path, format, err);
            if (st == CMAT_OK && results[i].row.messages)
                cmat_dataset_take_row(ds, &results[i].row);
            cmat_row_clear(&results[i].row);
        }
    }
    free(lines);
    free(results);
    return st;
}

cmat_status cmat_dataset_load(cmat_dataset *ds, const char *path, cmat_data_format format,
                              cmat_data_format *found, cmat_error *err)
{
    enum { MAX_FILE = 1 << 30 };
    char *text = NULL;
    size_t len = 0, before = ds->n, start = 0;
    cmat_status st = cmat_read_file(path, MAX_FILE, &text, &len, err);
    if (st != CMAT_OK)
        return st;
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        start = 3; /* a byte order mark */
    while (start < len && strchr(" \t\r\n", text[start]) && text[start])
        start++;
    if (start < len && text[start] == '[')
        st = load_array(ds, path, text + start, len - start, &format, err);
    else /* from the start of the file, so that lines are counted right */
        st = load_lines(ds, path, text + (start >= 3 && text[0] == '\xef' ? 3 : 0),
                        len - (start >= 3 && text[0] == '\xef' ? 3 : 0), &format, err);
    free(text);
    if (st == CMAT_OK && format == CMAT_DATA_AUTO)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: no rows", path);
    if (st != CMAT_OK)
        cmat_dataset_truncate(ds, before);
    if (found)
        *found = format;
    return st;
}

cmat_status cmat_dataset_save(const cmat_dataset *ds, const char *path, cmat_error *err)
{
    cmat_writer *w;
    cmat_buf b = {0};
    cmat_status st = cmat_writer_open(&w, path, err);
    if (st != CMAT_OK)
        return st;
    for (size_t i = 0; i < ds->n; i++) {
        const cmat_row *r = &ds->items[i];
        json_t *j = json_copy(r->extra);
        json_object_set(j, "messages", r->messages);
        json_object_set_new(j, "id", json_string(r->id));
        if (r->weight != 1)
            json_object_set_new(j, "weight", json_real((double)r->weight));
        cmat_buf_truncate(&b, 0);
        cmat_json_print(&b, j);
        cmat_buf_putc(&b, '\n');
        cmat_writer_add(w, b.data, b.len);
        json_decref(j);
    }
    cmat_buf_clear(&b);
    return cmat_writer_commit(w, err);
}
