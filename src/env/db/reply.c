/* env/db/reply.c - the action in an Actor's reply. */
#include "env/db/reply.h"
#include "core/json.h"
#include "core/text.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void db_action_clear(db_action *a)
{
    cmat_buf_clear(&a->sql);
    cmat_buf_clear(&a->text);
    json_decref(a->answer);
    memset(a, 0, sizeof *a);
}

/* ---- Python literals ---- */

typedef struct {
    const char *s;
    int depth;
    bool bad;
} reader;

static json_t *read_value(reader *r);

static void skip_space(reader *r)
{
    while (*r->s && isspace((unsigned char)*r->s))
        r->s++;
}

static void read_escape(reader *r, cmat_buf *b)
{
    static const char from[] = "ntr0abfv", to[] = "\n\t\r\0\a\b\f\v";
    char c = *r->s++, utf8[4];
    const char *p = strchr(from, c);
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits) {
        char hex[9] = {0};
        for (int i = 0; i < digits && isxdigit((unsigned char)*r->s); i++)
            hex[i] = *r->s++;
        cmat_buf_add(b, utf8, (size_t)cmat_utf8_encode((uint32_t)strtoul(hex, NULL, 16), utf8));
    } else if (p && c) {
        cmat_buf_putc(b, to[p - from]);
    } else {
        if (!strchr("\\'\"", c))
            cmat_buf_putc(b, '\\'); /* Python keeps an unknown escape as it is */
        cmat_buf_putc(b, c);
    }
}

static json_t *read_string(reader *r)
{
    cmat_buf b = {0};
    char q = *r->s++;
    while (*r->s && *r->s != q && *r->s != '\n') {
        if (*r->s == '\\' && r->s[1]) {
            r->s++;
            read_escape(r, &b);
        } else {
            cmat_buf_putc(&b, *r->s++);
        }
    }
    r->bad |= *r->s != q;
    if (*r->s)
        r->s++;
    json_t *j = cmat_json_text(cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return j;
}

static json_t *read_number(reader *r)
{
    char *end, *int_end;
    double d = strtod(r->s, &end);
    long long i = strtoll(r->s, &int_end, 10);
    if (end == r->s) {
        r->bad = true;
        return NULL;
    }
    bool whole = int_end == end;
    r->s = end;
    return whole ? json_integer(i) : json_real(d);
}

static json_t *read_list(reader *r)
{
    char close = *r->s == '[' ? ']' : *r->s == '(' ? ')' : '}';
    json_t *list = json_array();
    bool comma = false;
    r->s++;
    for (skip_space(r); !r->bad && *r->s != close; skip_space(r)) {
        json_t *v = read_value(r);
        if (!v || r->bad) {
            json_decref(v);
            r->bad = true;
            break;
        }
        json_array_append_new(list, v);
        skip_space(r);
        comma = *r->s == ',';
        if (comma)
            r->s++;
        else if (*r->s != close)
            r->bad = true;
    }
    if (*r->s)
        r->s++;
    /* ("a") is a string, ("a",) a tuple of one. */
    if (!r->bad && close == ')' && json_array_size(list) == 1 && !comma) {
        json_t *only = json_incref(json_array_get(list, 0));
        json_decref(list);
        return only;
    }
    return list;
}

static json_t *read_value(reader *r)
{
    skip_space(r);
    if (++r->depth > 50) {
        r->bad = true;
        return NULL;
    }
    json_t *v = NULL;
    if (*r->s == '[' || *r->s == '(' || *r->s == '{')
        v = read_list(r);
    else if (*r->s == '\'' || *r->s == '"')
        v = read_string(r);
    else if (isdigit((unsigned char)*r->s) || strchr("+-.", *r->s))
        v = read_number(r);
    else if (!strncmp(r->s, "None", 4) && (r->s += 4))
        v = json_null();
    else if (!strncmp(r->s, "True", 4) && (r->s += 4))
        v = json_true();
    else if (!strncmp(r->s, "False", 5) && (r->s += 5))
        v = json_false();
    else
        r->bad = true;
    r->depth--;
    return v;
}

/* list("abc") is its characters. */
static json_t *characters(const char *s)
{
    json_t *list = json_array();
    for (uint32_t cp; *s;) {
        int n = cmat_utf8_decode(s, strlen(s), &cp);
        n = n ? n : 1;
        json_array_append_new(list, cmat_json_text(s, (size_t)n));
        s += n;
    }
    return list;
}

json_t *db_python_list(const char *text)
{
    reader r = {.s = text};
    json_t *v = read_value(&r), *list = NULL;
    skip_space(&r);
    /* A bare "a", "b" is a tuple. */
    if (!r.bad && v && *r.s == ',') {
        list = json_array();
        json_array_append(list, v);
        while (!r.bad && *r.s == ',') {
            r.s++;
            skip_space(&r);
            if (!*r.s)
                break;
            json_t *next = read_value(&r);
            if (next)
                json_array_append_new(list, next);
            skip_space(&r);
        }
    } else if (!r.bad && json_is_array(v)) {
        list = json_incref(v);
    } else if (!r.bad && json_is_string(v)) {
        list = characters(json_string_value(v));
    }
    json_decref(v);
    if (r.bad || *r.s) {
        json_decref(list);
        return NULL;
    }
    return list;
}

/* ---- our own style ---- */

static const struct {
    const char *word;
    db_action_type type;
} heads[] = {{"SQL:", DB_ACTION_SQL}, {"Final:", DB_ACTION_FINAL}, {"Answer:", DB_ACTION_ANSWER}};

/* The action that the line at s begins with, and what follows its word. */
static db_action_type head_of(const char *s, const char **rest)
{
    while (*s == ' ' || *s == '\t' || *s == '*')
        s++;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (!strncasecmp(s, heads[i].word, strlen(heads[i].word))) {
            *rest = s + strlen(heads[i].word);
            return heads[i].type;
        }
    return DB_ACTION_NONE;
}

static const char *next_line(const char *s)
{
    s += strcspn(s, "\n");
    return *s ? s + 1 : s;
}

/* s[0..n) without blanks around it and without a code fence. */
static void add_trimmed(cmat_buf *out, const char *s, size_t n)
{
    while (n && isspace((unsigned char)*s))
        s++, n--;
    if (n >= 3 && !strncmp(s, "```", 3)) {
        size_t skip = 3;
        while (skip < n && isalpha((unsigned char)s[skip]))
            skip++;
        s += skip;
        n -= skip;
        for (size_t i = 0; i + 3 <= n; i++)
            if (!strncmp(s + i, "```", 3))
                n = i;
    }
    while (n && isspace((unsigned char)*s))
        s++, n--;
    while (n && isspace((unsigned char)s[n - 1]))
        n--;
    cmat_buf_add(out, s, n);
}

/* A JSON list, a Python list, or else the text itself as the one answer. */
static json_t *read_answer(const char *text)
{
    json_t *j = cmat_json_parse(text, strlen(text), "answer", NULL);
    if (!json_is_array(j)) {
        json_decref(j);
        j = *text == '[' || *text == '(' ? db_python_list(text) : NULL;
    }
    if (!j) {
        j = json_array();
        json_array_append_new(j, cmat_json_text(text, strlen(text)));
    }
    return j;
}

void db_reply_short(const char *reply, db_action *a)
{
    const char *rest = NULL, *line = reply, *other;
    memset(a, 0, sizeof *a);
    while (*line && (a->type = head_of(line, &rest)) == DB_ACTION_NONE) {
        a->thought |= !isspace((unsigned char)*line);
        line = next_line(line);
    }
    if (a->type == DB_ACTION_NONE)
        return;
    const char *end = next_line(rest);
    while (*end && head_of(end, &other) == DB_ACTION_NONE)
        end = next_line(end);
    add_trimmed(a->type == DB_ACTION_ANSWER ? &a->text : &a->sql, rest, (size_t)(end - rest));
    if (a->type == DB_ACTION_ANSWER)
        a->answer = read_answer(cmat_buf_str(&a->text));
}

/* ---- AgentBench v0.2 ---- */

/* The first "Action: " that a line end follows: its text up to there. */
static bool action_is(const char *reply, const char *want)
{
    const char *p = strstr(reply, "Action: ");
    if (!p)
        return false;
    p += strlen("Action: ");
    size_t n = strcspn(p, "\n");
    return p[n] == '\n' && n == strlen(want) && !strncmp(p, want, n);
}

static bool sql_block(const char *reply, cmat_buf *sql)
{
    const char *p = strstr(reply, "```sql\n");
    const char *end = p ? strstr(p + 7, "\n```") : NULL;
    if (!end)
        return false;
    for (p += 7; p < end; p++)
        cmat_buf_putc(sql, *p == '\n' ? ' ' : *p);
    return true;
}

void db_reply_agentbench(const char *reply, db_action *a)
{
    memset(a, 0, sizeof *a);
    a->thought = strncmp(reply, "Action:", 7) != 0;
    if (action_is(reply, "Operation")) {
        if (sql_block(reply, &a->sql))
            a->type = DB_ACTION_SQL;
        return;
    }
    const char *p = strstr(reply, "\nFinal Answer:");
    if (!p)
        return;
    p += strlen("\nFinal Answer:");
    a->type = DB_ACTION_ANSWER;
    cmat_buf_add(&a->text, p, strcspn(p, "\n"));
    const char *text = cmat_buf_str(&a->text);
    a->answer = db_python_list(text);
    if (!a->answer) {
        a->answer = json_array();
        json_array_append_new(a->answer, cmat_json_text(text, strlen(text)));
    }
}
