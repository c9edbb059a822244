/* env/db/lex.c - SQL text into tokens, in SQLite's and in MySQL's spelling. */
#include "env/db/lex.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* Length of the quoted text at s, quotes doubled or (escapes) after a backslash; 0: not closed. */
static size_t quoted(const char *s, char close, bool escapes)
{
    for (size_t i = 1; s[i]; i++) {
        if (escapes && s[i] == '\\' && s[i + 1])
            i++;
        else if (s[i] == close && s[i + 1] == close && close != ']')
            i++;
        else if (s[i] == close)
            return i + 1;
    }
    return 0;
}

static size_t space(const char *s, bool mysql)
{
    size_t i = 0;
    for (;;) {
        if (isspace((unsigned char)s[i])) {
            i++;
        } else if ((s[i] == '-' && s[i + 1] == '-') || (mysql && s[i] == '#')) {
            i += strcspn(s + i, "\n");
        } else if (s[i] == '/' && s[i + 1] == '*') {
            const char *end = strstr(s + i + 2, "*/");
            i = end ? (size_t)(end - s) + 2 : i + strlen(s + i);
        } else {
            return i;
        }
    }
}

static size_t number(const char *s)
{
    size_t i = 0;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && isxdigit((unsigned char)s[2])) {
        for (i = 2; isxdigit((unsigned char)s[i]); i++)
            ;
        return i;
    }
    while (isdigit((unsigned char)s[i]))
        i++;
    if (s[i] == '.')
        for (i++; isdigit((unsigned char)s[i]); i++)
            ;
    if (s[i] == 'e' || s[i] == 'E') {
        size_t j = i + 1 + (s[i + 1] == '+' || s[i + 1] == '-');
        if (isdigit((unsigned char)s[j]))
            for (i = j; isdigit((unsigned char)s[i]); i++)
                ;
    }
    return i;
}

static size_t word(const char *s)
{
    size_t i = 0;
    while (name_char(s[i]))
        i++;
    return i;
}

static db_token token(db_token_type type, const char *s, size_t n)
{
    if (n == 0)
        return (db_token){DB_TOKEN_BAD, s, strlen(s)};
    return (db_token){type, s, n};
}

static size_t operator(const char *s)
{
    static const char *const ops[] = {"->>", "<=>", "||", "&&", "<=", ">=", "<>",
                                      "!=",  "==",  "<<", ">>", "->", ":="};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (!strncmp(s, ops[i], strlen(ops[i])))
            return strlen(ops[i]);
    return 1;
}

db_token db_lex(const char *s, bool mysql)
{
    unsigned char c = (unsigned char)*s;
    size_t n = space(s, mysql);
    if (!c)
        return (db_token){DB_TOKEN_END, s, 0};
    if (n)
        return token(DB_TOKEN_SPACE, s, n);
    if ((c == 'x' || c == 'X') && s[1] == '\'') {
        n = quoted(s + 1, '\'', false);
        return token(DB_TOKEN_BLOB, s, n ? n + 1 : 0);
    }
    if (c == '\'' || (c == '"' && mysql))
        return token(DB_TOKEN_STRING, s, quoted(s, *s, mysql));
    if (c == '"' || c == '`')
        return token(DB_TOKEN_QUOTED, s, quoted(s, *s, false));
    if (c == '[')
        return token(DB_TOKEN_QUOTED, s, quoted(s, ']', false));
    if (isdigit(c) || (c == '.' && isdigit((unsigned char)s[1]))) {
        n = number(s);
        size_t w = word(s);
        /* MySQL: a word that begins with digits is a name; SQLite calls it a malformed number. */
        if (w > n && isdigit(c))
            return token(mysql ? DB_TOKEN_NAME : DB_TOKEN_BAD, s, w);
        return token(DB_TOKEN_NUMBER, s, n);
    }
    if (name_char(*s) && c != '$')
        return token(DB_TOKEN_NAME, s, word(s));
    if (c == '?' || ((c == ':' || c == '@' || c == '$') && name_char(s[1])))
        return token(DB_TOKEN_PARAM, s, 1 + word(s + 1));
    if (strchr("+-*/%=<>!|&~,;().:{}^@", c))
        return token(DB_TOKEN_OP, s, operator(s));
    return token(DB_TOKEN_BAD, s, 1);
}

db_token db_lex_next(const char **s, bool mysql)
{
    db_token t;
    do {
        t = db_lex(*s, mysql);
        *s = t.s + t.n;
    } while (t.type == DB_TOKEN_SPACE);
    return t;
}

bool db_token_is(const db_token *t, const char *w)
{
    return (t->type == DB_TOKEN_NAME || t->type == DB_TOKEN_OP) && strlen(w) == t->n &&
           !strncasecmp(t->s, w, t->n);
}

/* MySQL's escapes; \% and \_ keep their backslash, for LIKE. */
static void unescape(char c, cmat_buf *out)
{
    static const char from[] = "0btnrZ", to[] = "\0\b\t\n\r\x1a";
    const char *p = strchr(from, c);
    if (c == '%' || c == '_')
        cmat_buf_putc(out, '\\');
    cmat_buf_putc(out, p && c ? to[p - from] : c);
}

void db_token_text(const db_token *t, bool mysql, cmat_buf *out)
{
    if (t->type != DB_TOKEN_QUOTED && t->type != DB_TOKEN_STRING) {
        cmat_buf_add(out, t->s, t->n);
        return;
    }
    char close = *t->s == '[' ? ']' : *t->s;
    bool escapes = mysql && t->type == DB_TOKEN_STRING;
    for (size_t i = 1; i + 1 < t->n; i++) {
        if (escapes && t->s[i] == '\\' && i + 2 < t->n) {
            unescape(t->s[++i], out);
        } else {
            cmat_buf_putc(out, t->s[i]);
            i += t->s[i] == close && close != ']';
        }
    }
}

bool db_lex_one_statement(const char *sql, bool mysql)
{
    db_token t;
    do
        t = db_lex_next(&sql, mysql);
    while (t.type != DB_TOKEN_END && !db_token_is(&t, ";"));
    do
        t = db_lex_next(&sql, mysql);
    while (db_token_is(&t, ";"));
    return t.type == DB_TOKEN_END;
}
