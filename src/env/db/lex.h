/* env/db/lex.h - SQL text into tokens: for rewriting, for facts, for one-statement checks. */
#ifndef CMAT_ENV_DB_LEX_H
#define CMAT_ENV_DB_LEX_H
#include "core/buf.h"
#include <stdbool.h>
#include <stddef.h>

typedef enum {
    DB_TOKEN_END,
    DB_TOKEN_SPACE,  /* white space and comments */
    DB_TOKEN_NAME,   /* bare word: keyword or identifier */
    DB_TOKEN_QUOTED, /* `name` or [name], and "name" unless mysql */
    DB_TOKEN_STRING, /* 'text', and "text" when mysql */
    DB_TOKEN_NUMBER,
    DB_TOKEN_BLOB,  /* x'00' */
    DB_TOKEN_PARAM, /* ?1 :a @a $a */
    DB_TOKEN_OP,    /* operators and punctuation, the longest that fits */
    DB_TOKEN_BAD    /* an unclosed quote, a stray character */
} db_token_type;

typedef struct {
    db_token_type type;
    const char *s; /* points into the text */
    size_t n;
} db_token;

/* The token at s (NUL-terminated). mysql: "..." is a string, backslashes escape, # begins a
 * comment, and a name may begin with a digit. */
db_token db_lex(const char *s, bool mysql);
/* The next token that is not white space; *s moves past it. */
db_token db_lex_next(const char **s, bool mysql);
/* True when the token is the bare word or operator (case-insensitive). */
bool db_token_is(const db_token *t, const char *word);
/* What a NAME, QUOTED or STRING stands for, without quotes and escapes: appended to out. */
void db_token_text(const db_token *t, bool mysql, cmat_buf *out);
/* True when nothing but white space and one ';' stands after the end of the first statement. */
bool db_lex_one_statement(const char *sql, bool mysql);
#endif
