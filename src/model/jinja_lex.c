/* Cuts a chat template into tokens, as Jinja does with trim_blocks and lstrip_blocks on (which is
 * how transformers renders chat templates). */
#include "model/jinja.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cmat_arena *arena;
    const char *src;
    size_t len, pos;
    int line;
    size_t line_start;
    size_t counted; /* line and line_start are right for this place */
    jinja_tokens *out;
    cmat_error *err;
    int brackets;       /* open ( [ { inside a tag */
    bool line_starting; /* the last tag ended with a newline */
} lexer;

static void place(lexer *x, size_t pos, int *line, int *col)
{
    for (; x->counted < pos; x->counted++) {
        if (x->src[x->counted] == '\n') {
            x->line++;
            x->line_start = x->counted + 1;
        }
    }
    *line = x->line;
    *col = (int)(pos - x->line_start) + 1;
}

static cmat_status fail_at(lexer *x, size_t pos, cmat_status st, const char *what)
{
    int line, col;
    place(x, pos, &line, &col);
    return cmat_fail(x->err, st, "chat template: line %d, column %d: %s", line, col, what);
}

static jinja_token *token_add(lexer *x, jinja_token_kind kind, size_t at, const char *s, size_t len)
{
    jinja_tokens *t = x->out;
    t->items = cmat_xgrow(t->items, &t->cap, t->n + 1, sizeof *t->items);
    jinja_token *k = &t->items[t->n++];
    *k = (jinja_token){.kind = kind, .s = s, .len = len};
    place(x, at, &k->line, &k->col);
    return k;
}

static bool at(const lexer *x, size_t pos, const char *s)
{
    size_t n = strlen(s);
    return x->len - pos >= n && memcmp(x->src + pos, s, n) == 0;
}

/* "\r\n" and "\r" become "\n"; one newline at the very end goes. */
static void source_normalise(lexer *x, const char *src, size_t len)
{
    char *out = cmat_arena_alloc(x->arena, len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (src[i] == '\r') {
            out[n++] = '\n';
            i += i + 1 < len && src[i + 1] == '\n';
        } else {
            out[n++] = src[i];
        }
    }
    if (n > 0 && out[n - 1] == '\n')
        n--;
    x->src = out;
    x->len = n;
}

static bool all_space(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isspace((unsigned char)s[i]))
            return false;
    }
    return n > 0;
}

/* Adds the text before the tag at `end`, cut as the tag's sign says and, for blocks and comments,
 * with the white space between the line's start and the tag removed. */
static void text_add(lexer *x, size_t start, size_t end, char kind, char sign)
{
    size_t n = end - start;
    const char *s = x->src + start;
    if (sign == '-') {
        while (n > 0 && isspace((unsigned char)s[n - 1]))
            n--;
    } else if (sign != '+' && kind != '{') {
        size_t line = n;
        while (line > 0 && s[line - 1] != '\n')
            line--;
        if ((line > 0 || x->line_starting) && all_space(s + line, n - line))
            n = line;
    }
    if (n > 0)
        token_add(x, JT_TEXT, start, s, n);
}

static void after_tag(lexer *x, char sign, bool block)
{
    if (sign == '-') {
        while (x->pos < x->len && isspace((unsigned char)x->src[x->pos]))
            x->pos++;
    } else if (block && sign != '+' && x->pos < x->len && x->src[x->pos] == '\n') {
        x->pos++;
    }
    x->line_starting = x->pos > 0 && x->src[x->pos - 1] == '\n';
}

static cmat_status comment_skip(lexer *x)
{
    size_t start = x->pos;
    const char *end = memmem(x->src + x->pos + 2, x->len - x->pos - 2, "#}", 2);
    if (!end)
        return fail_at(x, start, CMAT_ERR_FORMAT, "comment without an end");
    char sign = end[-1];
    x->pos = (size_t)(end - x->src) + 2;
    after_tag(x, sign, true);
    return CMAT_OK;
}

static size_t escape_hex(const char *s, size_t left, size_t digits, uint32_t *cp)
{
    *cp = 0;
    if (left < digits)
        return 0;
    for (size_t i = 0; i < digits; i++) {
        if (!isxdigit((unsigned char)s[i]))
            return 0;
        int c = tolower((unsigned char)s[i]);
        *cp = *cp * 16 + (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return digits;
}

static size_t utf8_put(char *out, uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3f));
    out[0] = (char)((0xf0 << (4 - n)) | cp);
    return n;
}

/* Decodes the escape after the backslash at s[0]: bytes used, 0 when malformed. */
static size_t escape_decode(const char *s, size_t left, char *out, size_t *n)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    const char *k = left > 1 ? memchr(from, s[1], sizeof from - 1) : NULL;
    if (k) {
        out[(*n)++] = to[k - from];
        return 2;
    }
    if (left > 1 && s[1] == '\n')
        return 2;
    uint32_t cp = 0;
    size_t digits = left > 1 ? (s[1] == 'x' ? 2 : s[1] == 'u' ? 4 : s[1] == 'U' ? 8 : 0) : 0;
    if (digits) {
        if (!escape_hex(s + 2, left - 2, digits, &cp) || cp > 0x10ffff ||
            (cp >= 0xd800 && cp < 0xe000))
            return 0;
        *n += utf8_put(out + *n, cp);
        return 2 + digits;
    }
    out[(*n)++] = '\\'; /* an unknown escape stays as it is, as in Python */
    return 1;
}

static cmat_status string_lex(lexer *x)
{
    size_t start = x->pos, n = 0, end = start + 1;
    char quote = x->src[start];
    while (end < x->len && x->src[end] != quote)
        end += x->src[end] == '\\' ? 2 : 1;
    if (end >= x->len)
        return fail_at(x, start, CMAT_ERR_FORMAT, "string without an end");
    char *out = cmat_arena_alloc(x->arena, end - start + 1);
    for (size_t i = start + 1; i < end;) {
        if (x->src[i] != '\\') {
            out[n++] = x->src[i++];
            continue;
        }
        size_t used = escape_decode(x->src + i, end - i, out, &n);
        if (used == 0)
            return fail_at(x, i, CMAT_ERR_FORMAT, "bad escape in a string");
        i += used;
    }
    token_add(x, JT_STRING, start, out, n);
    x->pos = end + 1;
    return CMAT_OK;
}

static cmat_status number_lex(lexer *x)
{
    char text[64];
    size_t start = x->pos, n = 0;
    bool is_float = false;
    for (; x->pos < x->len; x->pos++) {
        char c = x->src[x->pos];
        bool point = c == '.' && !is_float && x->pos + 1 < x->len &&
                     isdigit((unsigned char)x->src[x->pos + 1]);
        bool exponent = (c == 'e' || c == 'E') && x->pos + 1 < x->len &&
                        (isdigit((unsigned char)x->src[x->pos + 1]) || x->src[x->pos + 1] == '-');
        if (!isdigit((unsigned char)c) && c != '_' && !point && !exponent &&
            !(c == '-' && n > 0 && text[n - 1] == 'e'))
            break;
        is_float |= point || exponent;
        if (n + 1 >= sizeof text)
            return fail_at(x, start, CMAT_ERR_FORMAT, "number is too long");
        if (c != '_')
            text[n++] = exponent ? 'e' : c;
    }
    text[n] = '\0';
    jinja_token *k =
        token_add(x, is_float ? JT_FLOAT : JT_INT, start, x->src + start, x->pos - start);
    if (is_float)
        k->f = strtod(text, NULL);
    else if (n > 18)
        return fail_at(x, start, CMAT_ERR_FORMAT, "number is too large");
    else
        k->i = strtoll(text, NULL, 10);
    return CMAT_OK;
}

static cmat_status op_lex(lexer *x)
{
    static const char *const ops[] = {"==", "!=", "<=", ">=", "//", "**", "+", "-", "*",
                                      "/",  "%",  "~",  "<",  ">",  "=",  "|", "(", ")",
                                      "[",  "]",  "{",  "}",  ",",  ":",  "."};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!at(x, x->pos, ops[i]))
            continue;
        char c = *ops[i];
        if (c == '(' || c == '[' || c == '{')
            x->brackets++;
        else if (c == ')' || c == ']' || c == '}')
            x->brackets--;
        token_add(x, JT_OP, x->pos, ops[i], strlen(ops[i]));
        x->pos += strlen(ops[i]);
        return CMAT_OK;
    }
    return fail_at(x, x->pos, CMAT_ERR_FORMAT, "unexpected character in a tag");
}

/* True at the end of the tag; *sign and *n describe it. */
static bool tag_end(const lexer *x, const char *end, char *sign, size_t *n)
{
    char c = x->src[x->pos];
    *sign = c == '-' || c == '+' ? c : '\0';
    *n = *sign ? 3 : 2;
    if (*sign == '+' && *end == '}')
        return false;
    return at(x, x->pos + (*sign != '\0'), end);
}

static cmat_status tag_lex(lexer *x, bool block)
{
    size_t start = x->pos;
    const char *end = block ? "%}" : "}}";
    token_add(x, block ? JT_BLOCK_BEGIN : JT_VAR_BEGIN, start, x->src + start, 2);
    x->pos += 2;
    if (x->pos < x->len && (x->src[x->pos] == '-' || x->src[x->pos] == '+'))
        x->pos++;
    x->brackets = 0;
    while (x->pos < x->len) {
        char c = x->src[x->pos], sign;
        size_t n;
        cmat_status st = CMAT_OK;
        if (isspace((unsigned char)c)) {
            x->pos++;
        } else if (x->brackets <= 0 && tag_end(x, end, &sign, &n)) {
            token_add(x, block ? JT_BLOCK_END : JT_VAR_END, x->pos, end, 2);
            x->pos += n;
            after_tag(x, sign, block);
            return CMAT_OK;
        } else if (isalpha((unsigned char)c) || c == '_') {
            size_t from = x->pos;
            while (x->pos < x->len &&
                   (isalnum((unsigned char)x->src[x->pos]) || x->src[x->pos] == '_'))
                x->pos++;
            token_add(x, JT_NAME, from, x->src + from, x->pos - from);
        } else if (isdigit((unsigned char)c)) {
            st = number_lex(x);
        } else if (c == '"' || c == '\'') {
            st = string_lex(x);
        } else {
            st = op_lex(x);
        }
        if (st != CMAT_OK)
            return st;
    }
    return fail_at(x, start, CMAT_ERR_FORMAT, "tag without an end");
}

/* {% raw %} ... {% endraw %}: true when the tag at pos is one; its text is added. */
static bool raw_tag(const lexer *x, size_t pos, const char *name, char *begin, char *sign,
                    size_t *end)
{
    if (!at(x, pos, "{%"))
        return false;
    pos += 2;
    *begin = pos < x->len ? x->src[pos] : '\0';
    pos += *begin == '-' || *begin == '+';
    while (pos < x->len && isspace((unsigned char)x->src[pos]))
        pos++;
    if (!at(x, pos, name))
        return false;
    pos += strlen(name);
    while (pos < x->len && isspace((unsigned char)x->src[pos]))
        pos++;
    *sign = pos < x->len ? x->src[pos] : '\0';
    pos += *sign == '-' || *sign == '+';
    *end = pos + 2;
    return at(x, pos, "%}");
}

static cmat_status raw_lex(lexer *x, bool *is_raw)
{
    char begin, sign;
    size_t end;
    *is_raw = raw_tag(x, x->pos, "raw", &begin, &sign, &end);
    if (!*is_raw)
        return CMAT_OK;
    size_t tag = x->pos;
    x->pos = end;
    after_tag(x, sign, true);
    for (size_t p = x->pos; p < x->len; p++) {
        if (raw_tag(x, p, "endraw", &begin, &sign, &end)) {
            text_add(x, x->pos, p, '%', begin);
            x->pos = end;
            after_tag(x, sign, true);
            return CMAT_OK;
        }
    }
    return fail_at(x, tag, CMAT_ERR_FORMAT, "raw without endraw");
}

static size_t next_tag(const lexer *x, size_t from)
{
    for (size_t p = from; p + 1 < x->len; p++) {
        if (x->src[p] == '{' &&
            (x->src[p + 1] == '{' || x->src[p + 1] == '%' || x->src[p + 1] == '#'))
            return p;
    }
    return x->len;
}

cmat_status jinja_lex(cmat_arena *a, const char *src, size_t len, jinja_tokens *t, cmat_error *err)
{
    lexer x = {.arena = a, .line = 1, .out = t, .err = err, .line_starting = true};
    cmat_status st = CMAT_OK;
    source_normalise(&x, src, len);
    while (x.pos < x.len && st == CMAT_OK) {
        size_t tag = next_tag(&x, x.pos);
        if (tag == x.len) {
            token_add(&x, JT_TEXT, x.pos, x.src + x.pos, x.len - x.pos);
            break;
        }
        char kind = x.src[tag + 1], sign = tag + 2 < x.len ? x.src[tag + 2] : '\0';
        bool raw = false;
        text_add(&x, x.pos, tag, kind, sign);
        x.pos = tag;
        if (kind == '#')
            st = comment_skip(&x);
        else if (kind == '{')
            st = tag_lex(&x, false);
        else if ((st = raw_lex(&x, &raw)) == CMAT_OK && !raw)
            st = tag_lex(&x, true);
    }
    if (st == CMAT_OK)
        token_add(&x, JT_EOF, x.len, "", 0);
    return st;
}
