/* env/db/sql_grammar.h - the replies that a database agent may write, as an LL(1) grammar.
 *
 * Spacing is fixed, so terminals carry their own blanks (" WHERE ", ", ") and nothing separates
 * tokens. Names and texts are spelled in trees by sql_acceptor.c. */
#ifndef CMAT_ENV_DB_SQL_GRAMMAR_H
#define CMAT_ENV_DB_SQL_GRAMMAR_H
#include "env/db/flavour.h"
#include <stdbool.h>
#include <stdint.h>

/* Terminals, at most 64: a set of them is one word. */
enum {
    T_THINK,
    T_SQL,
    T_FINAL,
    T_ANSWER,
    T_AB_OP,
    T_AB_END,
    T_AB_ANSWER,
    T_OPEN,
    T_CLOSE,
    T_JCOMMA,
    T_SELECT,
    T_DISTINCT,
    T_STAR,
    T_FROM,
    T_JOIN,
    T_ON,
    T_EQ,
    T_CMP,
    T_WHERE,
    T_AND,
    T_OR,
    T_LIKE,
    T_IN,
    T_BETWEEN,
    T_ISNULL,
    T_GROUP,
    T_HAVING,
    T_ORDER,
    T_DIR,
    T_LIMIT,
    T_OFFSET,
    T_ARITH,
    T_LP,
    T_RP,
    T_AGG,
    T_COUNT,
    T_F1,
    T_F2,
    T_ROUND,
    T_SUBSTR,
    T_F3,
    T_CAST,
    T_AS,
    T_EXISTS,
    T_NULL,
    T_INSERT,
    T_ICOLS,
    T_VALUES,
    T_VALUES_ALL,
    T_UPDATE,
    T_SET,
    T_DELETE,
    T_COMMA,
    /* names: from the schema */
    T_COL,
    T_QTAB,
    T_TCOL,
    T_TAB,
    T_WTAB,
    T_ICOL,
    T_UCOL,
    /* lexical classes */
    T_LINE,
    T_STR,
    T_JSTR,
    T_NUM,
    N_TERMINALS
};
_Static_assert(N_TERMINALS <= 64, "a set of terminals is one word");
#define BIT(t) ((uint64_t)1 << (t))

/* Nonterminals follow, then actions, which eat nothing. */
enum {
    N_SHORT = N_TERMINALS,
    N_ACT,
    N_BENCH,
    N_BENCH_ACT,
    N_JSON,
    N_JITEMS,
    N_JREST,
    N_JVAL,
    N_STMT,
    N_SELECT,
    N_DIST,
    N_ITEMS,
    N_ITEM,
    N_ITEMREST,
    N_FROMPART,
    N_JOINS,
    N_QREF,
    N_WHERE,
    N_GROUP,
    N_GREST,
    N_HAVING,
    N_ORDER,
    N_OEXPR,
    N_OREST,
    N_DIR,
    N_LIMIT,
    N_OFFSET,
    N_EXPR,
    N_PRIMREST,
    N_PRIM,
    N_CPRIM,
    N_COUNTARG,
    N_REF,
    N_OPT,
    N_PAREN,
    N_COND,
    N_CREST,
    N_CTERM,
    N_CPAREN,
    N_CMPREST,
    N_INLIST,
    N_LIT,
    N_LITREST,
    N_INSERT,
    N_INSREST,
    N_ICREST,
    N_VALS,
    N_VREST,
    N_VLIT,
    N_UPDATE,
    N_SETS,
    N_SETREST,
    N_SETVAL,
    N_DELETE,
    N_SYMBOLS_END,
    A_PUSH = 200,
    A_POP,
    A_AGG_OFF,
    A_AGG_ON,
    A_DEC
};
enum { N_NONTERMINALS = N_SYMBOLS_END - N_TERMINALS, MAX_PRODUCTION = 10 };

/* How a terminal of fixed text may be spelled: one line a spelling. only: servers that know it,
 * bits of db_flavour and DB_SQL_HABITS (where MySQL's habits are emulated); 0: all. */
enum { DB_SQL_HABITS = 1 << DB_N_FLAVOURS };
typedef struct {
    uint8_t terminal;
    uint8_t only;
    const char *text;
} db_sql_word;
extern const db_sql_word db_sql_words[]; /* text NULL at the end */

typedef struct {
    uint8_t head;
    uint8_t n;
    uint8_t body[MAX_PRODUCTION];
} db_sql_production;
extern const db_sql_production db_sql_productions[]; /* head 0 at the end */

typedef struct {
    uint64_t first[N_NONTERMINALS];
    bool nullable[N_NONTERMINALS];
    uint8_t choice[N_NONTERMINALS][N_TERMINALS]; /* production to take + 1; 0: none */
} db_sql_sets;
void db_sql_sets_make(db_sql_sets *s);
static inline bool db_sql_is_action(int symbol)
{
    return symbol >= A_PUSH;
}
#endif
