/* option.c - the option table: command line, recipes, environment, help, JSON. */
#include "core/option.h"
#include "core/buf.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Goes through a table and the tables in it: each option with its offset in the outermost struct.
 */
typedef struct {
    struct {
        const cmat_option *table, *next;
        size_t base;
    } level[4];
    int depth;
    cmat_option now;
} option_walk;

static option_walk walk(const cmat_option *table)
{
    return (option_walk){.level[0] = {table, table, 0}};
}

static bool is_shadowed(const option_walk *w, const char *name)
{
    for (int d = 0; d < w->depth; d++)
        for (const cmat_option *o = w->level[d].table; o->name; o++)
            if (strcmp(o->name, name) == 0)
                return true;
    return false;
}

/* shadowed: also those that an option of a table further out goes before. */
static bool walk_on(option_walk *w, bool shadowed)
{
    for (;;) {
        const cmat_option *o = w->level[w->depth].next++;
        size_t base = w->level[w->depth].base;
        if (!o->name && w->depth-- == 0)
            return false;
        if (!o->name)
            continue;
        if (o->type == CMAT_OPT_TABLE) {
            w->depth++; /* tables are the program's own and nested three deep at most */
            w->level[w->depth].table = w->level[w->depth].next = o->of;
            w->level[w->depth].base = base + o->offset;
        } else if (shadowed || !is_shadowed(w, o->name)) {
            w->now = *o;
            w->now.offset += base;
            return true;
        }
    }
}

static void *member(const cmat_option *o, void *opts)
{
    return (char *)opts + o->offset;
}

static bool same_name(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i] && !(strchr("-_", a[i]) && strchr("-_", b[i]) && a[i] && b[i]))
            return false;
    return a[n] == '\0';
}

static bool find(const cmat_option *table, const char *name, size_t n, cmat_option *out)
{
    for (option_walk w = walk(table); walk_on(&w, false);)
        if (strlen(w.now.name) == n && same_name(w.now.name, name, n)) {
            *out = w.now;
            return true;
        }
    return false;
}

/* For "did you mean"; a long name is far from all. */
static size_t distance(const char *a, const char *b)
{
    const size_t m = strlen(b);
    return m >= 63 ? 99 : cmat_text_distance(a, strlen(a), b, m);
}

static cmat_status unknown(const cmat_option *table, const char *name, const char *where,
                           cmat_error *err)
{
    const char *nearest = NULL;
    size_t best = 4;

    for (option_walk w = walk(table); walk_on(&w, false);) {
        size_t d = distance(name, w.now.name);
        if (d < best) {
            best = d;
            nearest = w.now.name;
        }
    }
    return cmat_fail(err, CMAT_ERR_ARG, "%sunknown option %s%s%s%s", where, name,
                     nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "");
}

static cmat_status set_number(const cmat_option *o, void *opts, const char *value,
                              const char *where, cmat_error *err)
{
    char *end;
    double x;

    errno = 0;
    x = strtod(value, &end);
    if (end != value && o->type == CMAT_OPT_INT && *end && !end[1]) {
        static const char suffix[] = "kmg";
        const char *s = strchr(suffix, tolower((unsigned char)*end));
        if (s) {
            x *= pow(1000, (double)(s - suffix + 1));
            end++;
        }
    }
    if (end == value || *end || !isfinite(x))
        return cmat_fail(err, CMAT_ERR_ARG, "%s%s: \"%s\" is not a number", where, o->name, value);
    if (o->type == CMAT_OPT_INT && (x != floor(x) || fabs(x) > 9e15))
        return cmat_fail(err, CMAT_ERR_ARG, "%s%s: \"%s\" is not a whole number", where, o->name,
                         value);
    if ((o->min != 0 || o->max != 0) && (x < o->min || x > o->max))
        return cmat_fail(err, CMAT_ERR_ARG, "%s%s: %s is outside %g to %g", where, o->name, value,
                         o->min, o->max);
    if (o->type == CMAT_OPT_INT)
        *(int64_t *)member(o, opts) = (int64_t)x;
    else
        *(double *)member(o, opts) = x;
    return CMAT_OK;
}

static cmat_status set_bool(const cmat_option *o, void *opts, const char *v, const char *where,
                            cmat_error *err)
{
    static const char *const words[][2] = {
        {"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (int b = 0; b < 2; b++)
            if (strcmp(v, words[i][b]) == 0) {
                *(bool *)member(o, opts) = b != 0;
                return CMAT_OK;
            }
    return cmat_fail(err, CMAT_ERR_ARG, "%s%s: \"%s\" is neither true nor false", where, o->name,
                     v);
}

/* Index of v in "a|b|c", or -1. */
static int choice_index(const char *choices, const char *v)
{
    size_t n = strlen(v);
    int i = 0;
    for (const char *s = choices;; i++) {
        size_t len = strcspn(s, "|");
        if (len == n && memcmp(s, v, n) == 0)
            return i;
        if (!s[len])
            return -1;
        s += len + 1;
    }
}

static void choice_name(const char *choices, int index, char *out, size_t size)
{
    const char *s = choices;
    while (index-- > 0 && strchr(s, '|'))
        s = strchr(s, '|') + 1;
    snprintf(out, size, "%.*s", (int)strcspn(s, "|"), s);
}

static cmat_status set_value(const cmat_option *o, void *opts, const char *value, const char *where,
                             cmat_error *err)
{
    switch (o->type) {
    case CMAT_OPT_BOOL:
        return set_bool(o, opts, value, where, err);
    case CMAT_OPT_INT:
    case CMAT_OPT_FLOAT:
        return set_number(o, opts, value, where, err);
    case CMAT_OPT_STR: {
        char **p = member(o, opts);
        char *copy = cmat_xstrdup(value);
        free(*p);
        *p = copy;
        return CMAT_OK;
    }
    case CMAT_OPT_ENUM: {
        int i = choice_index(o->of, value);
        if (i < 0)
            return cmat_fail(err, CMAT_ERR_ARG, "%s%s: \"%s\" is none of %s", where, o->name, value,
                             (const char *)o->of);
        *(int *)member(o, opts) = i;
        return CMAT_OK;
    }
    case CMAT_OPT_TABLE:
        break;
    }
    return CMAT_ERR_ARG;
}

cmat_status cmat_options_set(const cmat_option *table, void *opts, const char *name,
                             const char *value, const char *where, cmat_error *err)
{
    cmat_option o;
    return find(table, name, strlen(name), &o) ? set_value(&o, opts, value, where, err)
                                               : unknown(table, name, where, err);
}

static cmat_status from_environment(const cmat_option *o, void *opts, cmat_error *err)
{
    char name[64], where[96];
    const char *value;
    int n = snprintf(name, sizeof name, "CMAT_%s", o->name);

    for (int i = 0; i < n && name[i]; i++)
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
    value = getenv(name);
    if (!value || !*value)
        return CMAT_OK;
    snprintf(where, sizeof where, "%s in the environment, ", name);
    return set_value(o, opts, value, where, err);
}

static void set_zero(const cmat_option *o, void *opts)
{
    switch (o->type) {
    case CMAT_OPT_BOOL:
        *(bool *)member(o, opts) = false;
        break;
    case CMAT_OPT_INT:
        *(int64_t *)member(o, opts) = 0;
        break;
    case CMAT_OPT_FLOAT:
        *(double *)member(o, opts) = 0;
        break;
    case CMAT_OPT_STR:
        *(char **)member(o, opts) = NULL;
        break;
    case CMAT_OPT_ENUM:
        *(int *)member(o, opts) = 0;
        break;
    case CMAT_OPT_TABLE:
        break;
    }
}

cmat_status cmat_options_init(const cmat_option *table, void *opts, cmat_error *err)
{
    cmat_status st = CMAT_OK;

    for (option_walk w = walk(table); walk_on(&w, true);)
        set_zero(&w.now, opts);
    for (option_walk w = walk(table); st == CMAT_OK && walk_on(&w, true);)
        if (w.now.def)
            st = set_value(&w.now, opts, w.now.def, "default of ", err);
    /* again, as what stands in the outer table may have the same members */
    for (option_walk w = walk(table); st == CMAT_OK && walk_on(&w, false);) {
        if (w.now.def)
            st = set_value(&w.now, opts, w.now.def, "default of ", err);
        if (st == CMAT_OK)
            st = from_environment(&w.now, opts, err);
    }
    return st;
}

void cmat_options_clear(const cmat_option *table, void *opts)
{
    for (option_walk w = walk(table); walk_on(&w, true);)
        if (w.now.type == CMAT_OPT_STR) {
            char **p = member(&w.now, opts);
            free(*p);
            *p = NULL;
        }
}

/* One "--name", "--name=value", "--no-name" or "-x" at argv[*i]; *i moves over its value. */
static cmat_status parse_one(const cmat_option *table, void *opts, int argc, char **argv, int *i,
                             cmat_error *err)
{
    const char *arg = argv[*i], *value = NULL;
    cmat_option o;
    bool found = false;

    if (arg[1] == '-') {
        size_t n = strcspn(arg + 2, "=");
        found = find(table, arg + 2, n, &o);
        if (arg[2 + n] == '=')
            value = arg + 2 + n + 1;
        if (!found && !value && strncmp(arg, "--no-", 5) == 0 &&
            find(table, arg + 5, strlen(arg + 5), &o) && o.type == CMAT_OPT_BOOL)
            return set_value(&o, opts, "false", "--", err);
        if (!found && n == 6 && strncmp(arg + 2, "config", 6) == 0) {
            if (!value && *i + 1 >= argc)
                return cmat_fail(err, CMAT_ERR_ARG, "--config: a file name is missing");
            return cmat_options_load_yaml(table, opts, value ? value : argv[++*i], err);
        }
    } else {
        for (option_walk w = walk(table); !found && walk_on(&w, false);)
            if (w.now.letter && w.now.letter == arg[1] && !arg[2]) {
                o = w.now;
                found = true;
            }
    }
    if (!found) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(arg, "="), arg);
        return unknown(table, name + strspn(name, "-"), "--", err);
    }
    if (o.type == CMAT_OPT_BOOL && !value)
        return set_value(&o, opts, "true", "--", err);
    if (!value) {
        if (*i + 1 >= argc)
            return cmat_fail(err, CMAT_ERR_ARG, "--%s: a value is missing", o.name);
        value = argv[++*i];
    }
    return set_value(&o, opts, value, "--", err);
}

cmat_status cmat_options_parse(const cmat_option *table, void *opts, int argc, char **argv,
                               int *n_args, cmat_error *err)
{
    int n = 0;
    bool ended = false;

    for (int i = 1; i < argc; i++) {
        if (!ended && strcmp(argv[i], "--") == 0) {
            ended = true;
        } else if (!ended && argv[i][0] == '-' && argv[i][1]) {
            cmat_status st = parse_one(table, opts, argc, argv, &i, err);
            if (st != CMAT_OK)
                return st;
        } else {
            argv[1 + n++] = argv[i];
        }
    }
    *n_args = n;
    return CMAT_OK;
}

cmat_status cmat_options_load_yaml(const cmat_option *table, void *opts, const char *path,
                                   cmat_error *err)
{
    enum { MAX_DEPTH = 8 };
    char prefix[MAX_DEPTH][64] = {""}, key[64] = "";
    int depth = 0;
    yaml_parser_t parser;
    yaml_event_t ev;
    cmat_status st = CMAT_OK;
    bool end = false, have_key = false;
    FILE *f = fopen(path, "rb");

    if (!f)
        return cmat_fail(err, CMAT_ERR_IO, "recipe: open %s: %s", path, strerror(errno));
    if (!yaml_parser_initialize(&parser)) {
        fclose(f);
        return cmat_fail(err, CMAT_ERR_NOMEM, "recipe: %s: no memory for the parser", path);
    }
    yaml_parser_set_input_file(&parser, f);
    while (!end && st == CMAT_OK) {
        char where[256];
        if (!yaml_parser_parse(&parser, &ev)) {
            st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: line %zu, column %zu: %s", path,
                           parser.problem_mark.line + 1, parser.problem_mark.column + 1,
                           parser.problem ? parser.problem : "not YAML");
            break;
        }
        snprintf(where, sizeof where, "%s: line %zu, column %zu: ", path, ev.start_mark.line + 1,
                 ev.start_mark.column + 1);
        switch (ev.type) {
        case YAML_STREAM_END_EVENT:
            end = true;
            break;
        case YAML_MAPPING_START_EVENT:
            if (depth + 1 >= MAX_DEPTH)
                st = cmat_fail(err, CMAT_ERR_LIMIT, "%snested too deeply", where);
            else {
                snprintf(prefix[depth + 1], sizeof prefix[0], "%s", have_key ? key : "");
                depth++;
            }
            have_key = false;
            break;
        case YAML_MAPPING_END_EVENT:
            depth--;
            have_key = false;
            break;
        case YAML_SCALAR_EVENT: {
            const char *v = (const char *)ev.data.scalar.value;
            if (depth == 0) {
                st = cmat_fail(err, CMAT_ERR_FORMAT, "%sa mapping of options is wanted", where);
            } else if (!have_key) {
                snprintf(key, sizeof key, "%s%s%s", prefix[depth], *prefix[depth] ? "-" : "", v);
                have_key = true;
            } else {
                st = cmat_options_set(table, opts, key, v, where, err);
                if (st == CMAT_ERR_ARG) {
                    st = CMAT_ERR_FORMAT;
                    if (err)
                        err->status = st;
                }
                have_key = false;
            }
            break;
        }
        case YAML_SEQUENCE_START_EVENT:
        case YAML_ALIAS_EVENT:
            st = cmat_fail(err, CMAT_ERR_FORMAT, "%slists and aliases are not options", where);
            break;
        default:
            break;
        }
        yaml_event_delete(&ev);
    }
    yaml_parser_delete(&parser);
    fclose(f);
    return st;
}

/* Prints text wrapped to `width`, continuing lines indented by `indent`. */
static void wrap(FILE *out, const char *text, int indent, int width)
{
    int col = indent;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (col > indent && col + 1 + n > width) {
            fprintf(out, "\n%*s", indent, "");
            col = indent;
        } else if (col > indent) {
            fputc(' ', out);
            col++;
        }
        fprintf(out, "%.*s", n, text);
        col += n;
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

static void help_one(const cmat_option *o, FILE *out)
{
    enum { LEFT = 30, WIDTH = 90 };
    cmat_buf left = {0}, text = {0};
    const char *arg = o->type == CMAT_OPT_ENUM   ? o->of
                      : o->arg                   ? o->arg
                      : o->type == CMAT_OPT_BOOL ? ""
                      : o->type == CMAT_OPT_STR  ? "TEXT"
                                                 : "N";

    cmat_buf_puts(&left, "  ");
    if (o->letter)
        cmat_buf_printf(&left, "-%c, ", o->letter);
    else
        cmat_buf_puts(&left, "    ");
    cmat_buf_printf(&left, "--%s%s%s", o->name, *arg ? " " : "", arg);
    cmat_buf_puts(&text, o->text ? o->text : "");
    if (o->def && *o->def && strcmp(o->def, "false") != 0)
        cmat_buf_printf(&text, " [%s]", o->def);
    fprintf(out, "%-*s", LEFT, cmat_buf_str(&left));
    if (left.len >= LEFT)
        fprintf(out, "\n%*s", LEFT, "");
    wrap(out, cmat_buf_str(&text), LEFT, WIDTH);
    cmat_buf_clear(&left);
    cmat_buf_clear(&text);
}

void cmat_options_help(const cmat_option *table, FILE *out)
{
    for (option_walk w = walk(table); walk_on(&w, false);)
        help_one(&w.now, out);
}

static json_t *value_to_json(const cmat_option *o, const void *opts)
{
    const void *p = (const char *)opts + o->offset;
    const char *s;
    char word[64];

    switch (o->type) {
    case CMAT_OPT_BOOL:
        return json_boolean(*(const bool *)p);
    case CMAT_OPT_INT:
        return json_integer(*(const int64_t *)p);
    case CMAT_OPT_FLOAT:
        return json_real(*(const double *)p);
    case CMAT_OPT_STR:
        s = *(char *const *)p;
        return s ? cmat_json_text(s, strlen(s)) : json_null();
    case CMAT_OPT_ENUM:
        choice_name(o->of, *(const int *)p, word, sizeof word);
        return json_string(word);
    case CMAT_OPT_TABLE:
        break;
    }
    return NULL;
}

json_t *cmat_options_to_json(const cmat_option *table, const void *opts)
{
    json_t *j = json_object();

    for (option_walk w = walk(table); walk_on(&w, false);) {
        char key[64];
        snprintf(key, sizeof key, "%s", w.now.name);
        for (char *s = key; *s; s++)
            if (*s == '-')
                *s = '_';
        json_object_set_new(j, key, value_to_json(&w.now, opts));
    }
    return j;
}

cmat_status cmat_options_from_json(const cmat_option *table, void *opts, const json_t *j,
                                   const char *where, cmat_error *err)
{
    const char *key;
    json_t *v;
    cmat_status st = CMAT_OK;

    if (!json_is_object(j))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%san object of options is wanted", where);
    json_object_foreach((json_t *)(uintptr_t)j, key, v)
    {
        char text[64], *dump = NULL;
        const char *value = text;

        if (json_is_null(v))
            continue;
        if (json_is_string(v))
            value = json_string_value(v);
        else if (json_is_boolean(v))
            value = json_is_true(v) ? "true" : "false";
        else if (json_is_integer(v))
            snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
        else if (json_is_real(v))
            snprintf(text, sizeof text, "%.17g", json_real_value(v));
        else /* a string option takes JSON as its text */
            value = dump = json_dumps(v, 0);
        st = cmat_options_set(table, opts, key, value, where, err);
        free(dump);
        if (st != CMAT_OK)
            return st;
    }
    return st;
}
