/* env/db/sql_parse.h - where a reply stands: its tokens so far, as a parser's stack, and which
 * tables its names may belong to.
 *
 * sql_grammar.c says which terminals may come; scopes (one a SELECT) keep which tables a name may
 * belong to:
 * - before FROM, plain columns narrow the tables that FROM may name; "table.column" makes that
 * table needed, by FROM or by a JOIN, which then must come;
 * - after FROM of one table, its columns may stand plain; with a JOIN all columns are qualified. */
#ifndef CMAT_ENV_DB_SQL_PARSE_H
#define CMAT_ENV_DB_SQL_PARSE_H
#include "core/acceptor.h"
#include "env/db/db.h"
#include "env/db/sql_grammar.h"
#include "env/db/word_tree.h"

enum {
    DB_SQL_MAX_STACK = 112,
    DB_SQL_MAX_SCOPES = 4,
    DB_SQL_MAX_BRANCHES = 80 /* a statement's commas, ANDs, operators: a small model may loop */
};

typedef struct {
    uint64_t need; /* tables of qualified columns seen before FROM */
    uint64_t cand; /* tables that have all the plain columns seen before FROM */
    uint64_t tabs; /* after FROM: its tables */
    uint8_t n_joins;
    bool plain;              /* a plain column was used */
    bool star, agg, grouped; /* "*" or an aggregate was used; aggregates may come; GROUP BY or an
                                aggregate came */
} db_sql_scope;

/* M_BEYOND: behind a text or line that was looked at alone */
typedef enum {
    M_START,
    M_WORD,
    M_NUM,
    M_STR,
    M_STR_END,
    M_JSON,
    M_JSON_ESCAPE,
    M_LINE,
    M_BEYOND
} db_sql_mode;
typedef enum { NUM_SIGN, NUM_ZERO, NUM_INT, NUM_DOT, NUM_FRAC } db_sql_num;

typedef struct {
    uint64_t allowed; /* terminals that may come; of the parser, computed at each token's start */
    uint64_t columns; /* tables whose plain columns may come */
    uint64_t tables;  /* tables that may be named */
    uint64_t used;    /* INSERT: columns named so far */
    db_sql_scope scopes[DB_SQL_MAX_SCOPES + 1];
    uint32_t node;     /* M_WORD */
    int16_t table;     /* of the "table." before a column; else 0 */
    int16_t target;    /* the table written to */
    uint16_t n_values; /* INSERT: values still to come */
    uint16_t n_branches;
    uint8_t mode, num;
    bool whole;              /* LIMIT: no sign, no decimals */
    bool alone;              /* a text or line only: what follows is not known */
    uint8_t length;          /* bytes of the text, line or number so far */
    uint8_t rest, low, high; /* UTF-8: bytes still to come, and the next one's range */
    uint8_t depth;           /* scopes[1..depth] are open */
    uint8_t sp;
    uint8_t stack[DB_SQL_MAX_STACK];
} db_sql_state;
_Static_assert(sizeof(db_sql_state) <= CMAT_ACCEPTOR_STATE_MAX, "the state fits");

typedef struct {
    cmat_acceptor base;
    const db_schema *schema;
    db_sql_sets sets;
    db_word_tree tree;
    uint32_t root;        /* keywords, tables, plain columns */
    uint32_t *table_root; /* of each table: its columns */
    uint64_t writable;    /* tables that are no views */
    bool mysql, agentbench;
    char quote;
} db_sql_acceptor;

static inline uint64_t db_sql_table_bit(int t)
{
    return (uint64_t)1 << (t < 63 ? t : 63);
}

/* The terminals that may follow, from the stack alone. *whole: nothing needs to. */
uint64_t db_sql_follow(const db_sql_acceptor *a, const db_sql_state *s, bool *whole);
/* At a token's start: sets what may come (allowed, columns, tables). */
void db_sql_prepare(const db_sql_acceptor *a, db_sql_state *s);
/* The token t, spelled down to s->node, is complete: moves on to the next. False: it may not be. */
bool db_sql_finish(const db_sql_acceptor *a, db_sql_state *s, int t);
#endif
