/* env/db/sql_grammar.c - words and productions of the replies, with their FIRST sets. */
#include "env/db/sql_grammar.h"
#include <stddef.h>
#include <string.h>

/* What not all servers know. || is OR in MySQL, which casts to types of its own. */
enum {
    SQLITE = 1 << DB_FLAVOUR_SQLITE,
    MYSQL = 1 << DB_FLAVOUR_MYSQL,
    POSTGRES = 1 << DB_FLAVOUR_POSTGRES
};

/* clang-format off */
const db_sql_word db_sql_words[] = {
    {T_THINK, 0, "Think: "}, {T_SQL, 0, "SQL: "}, {T_FINAL, 0, "Final: "}, {T_ANSWER, 0, "Answer: "},
    {T_AB_OP, 0, "Action: Operation\n```sql\n"}, {T_AB_END, 0, "\n```"},
    {T_AB_ANSWER, 0, "Action: Answer\nFinal Answer: "},
    {T_OPEN, 0, "["}, {T_CLOSE, 0, "]"}, {T_JCOMMA, 0, ","}, {T_JCOMMA, 0, ", "},
    {T_SELECT, 0, "SELECT "}, {T_DISTINCT, 0, "DISTINCT "}, {T_STAR, 0, "*"}, {T_FROM, 0, " FROM "},
    {T_JOIN, 0, " JOIN "}, {T_JOIN, 0, " LEFT JOIN "}, {T_ON, 0, " ON "}, {T_EQ, 0, " = "},
    {T_CMP, 0, " > "}, {T_CMP, 0, " < "}, {T_CMP, 0, " >= "}, {T_CMP, 0, " <= "}, {T_CMP, 0, " != "}, {T_CMP, 0, " <> "},
    {T_WHERE, 0, " WHERE "}, {T_AND, 0, " AND "}, {T_OR, 0, " OR "}, {T_LIKE, 0, " LIKE "}, {T_LIKE, 0, " NOT LIKE "},
    {T_IN, 0, " IN ("}, {T_IN, 0, " NOT IN ("}, {T_BETWEEN, 0, " BETWEEN "}, {T_BETWEEN, 0, " NOT BETWEEN "},
    {T_ISNULL, 0, " IS NULL"}, {T_ISNULL, 0, " IS NOT NULL"}, {T_GROUP, 0, " GROUP BY "}, {T_HAVING, 0, " HAVING "},
    {T_ORDER, 0, " ORDER BY "}, {T_DIR, 0, " DESC"}, {T_DIR, 0, " ASC"}, {T_LIMIT, 0, " LIMIT "}, {T_OFFSET, 0, " OFFSET "},
    {T_ARITH, 0, " + "}, {T_ARITH, 0, " - "}, {T_ARITH, 0, " * "}, {T_ARITH, 0, " / "}, {T_ARITH, SQLITE | POSTGRES, " || "},
    {T_LP, 0, "("}, {T_RP, 0, ")"},
    {T_AGG, 0, "SUM("}, {T_AGG, 0, "AVG("}, {T_AGG, 0, "MIN("}, {T_AGG, 0, "MAX("}, {T_COUNT, 0, "COUNT("},
    {T_F1, 0, "LENGTH("}, {T_F1, 0, "LOWER("}, {T_F1, 0, "UPPER("}, {T_F1, 0, "ABS("}, {T_F1, 0, "DATE("}, {T_F1, 0, "TRIM("},
    {T_F2, SQLITE, "STRFTIME("}, {T_F2, MYSQL, "DATE_FORMAT("}, {T_F2, POSTGRES, "TO_CHAR("}, {T_F2, 0, "COALESCE("},
    {T_F2, SQLITE | MYSQL | DB_SQL_HABITS, "IFNULL("}, {T_ROUND, 0, "ROUND("},
    {T_SUBSTR, 0, "SUBSTR("}, {T_F3, 0, "REPLACE("}, {T_CAST, 0, "CAST("},
    {T_AS, SQLITE | POSTGRES, " AS INTEGER)"}, {T_AS, SQLITE | POSTGRES, " AS REAL)"}, {T_AS, SQLITE | POSTGRES, " AS TEXT)"},
    {T_AS, MYSQL, " AS SIGNED)"}, {T_AS, MYSQL, " AS DOUBLE)"}, {T_AS, MYSQL, " AS CHAR)"},
    {T_EXISTS, 0, "EXISTS ("}, {T_EXISTS, 0, "NOT EXISTS ("}, {T_NULL, 0, "NULL"},
    {T_INSERT, 0, "INSERT INTO "}, {T_ICOLS, 0, " ("}, {T_VALUES, 0, ") VALUES ("}, {T_VALUES_ALL, 0, " VALUES ("},
    {T_UPDATE, 0, "UPDATE "}, {T_SET, 0, " SET "}, {T_DELETE, 0, "DELETE FROM "}, {T_COMMA, 0, ", "},
    {0, 0, NULL},
};

#define P0(h) {h, 0, {0}}
#define P(h, n, ...) {h, n, {__VA_ARGS__}}
const db_sql_production db_sql_productions[] = {
    P(N_SHORT, 3, T_THINK, T_LINE, N_ACT), P(N_SHORT, 1, N_ACT),
    P(N_ACT, 2, T_SQL, N_STMT), P(N_ACT, 2, T_FINAL, N_STMT), P(N_ACT, 2, T_ANSWER, N_JSON),
    P(N_BENCH, 2, T_LINE, N_BENCH_ACT), P(N_BENCH, 1, N_BENCH_ACT),
    P(N_BENCH_ACT, 3, T_AB_OP, N_STMT, T_AB_END), P(N_BENCH_ACT, 2, T_AB_ANSWER, N_JSON),
    P(N_JSON, 2, T_OPEN, N_JITEMS), P(N_JITEMS, 1, T_CLOSE), P(N_JITEMS, 2, N_JVAL, N_JREST),
    P(N_JREST, 3, T_JCOMMA, N_JVAL, N_JREST), P(N_JREST, 1, T_CLOSE), P(N_JVAL, 1, T_JSTR), P(N_JVAL, 1, T_NUM),
    P(N_STMT, 1, N_SELECT), P(N_STMT, 1, N_INSERT), P(N_STMT, 1, N_UPDATE), P(N_STMT, 1, N_DELETE),

    P(N_SELECT, 6, T_SELECT, A_PUSH, N_DIST, N_ITEMS, N_FROMPART, A_POP),
    P(N_DIST, 1, T_DISTINCT), P0(N_DIST),
    P(N_ITEMS, 1, T_STAR), P(N_ITEMS, 2, N_ITEM, N_ITEMREST),
    P(N_ITEM, 1, N_EXPR), P(N_ITEM, 3, T_EXISTS, N_SELECT, T_RP),
    P(N_ITEMREST, 3, T_COMMA, N_ITEM, N_ITEMREST), P0(N_ITEMREST),
    P(N_FROMPART, 7, T_FROM, T_TAB, N_JOINS, N_WHERE, N_GROUP, N_ORDER, N_LIMIT), P0(N_FROMPART),
    P(N_JOINS, 7, T_JOIN, T_TAB, T_ON, N_QREF, T_EQ, N_QREF, N_JOINS), P0(N_JOINS),
    P(N_QREF, 2, T_QTAB, T_TCOL),
    P(N_WHERE, 2, T_WHERE, N_COND), P0(N_WHERE),
    P(N_GROUP, 4, T_GROUP, N_EXPR, N_GREST, N_HAVING), P0(N_GROUP),
    P(N_GREST, 3, T_COMMA, N_EXPR, N_GREST), P0(N_GREST),
    P(N_HAVING, 2, T_HAVING, N_COND), P0(N_HAVING),
    P(N_ORDER, 3, T_ORDER, N_OEXPR, N_OREST), P0(N_ORDER),
    P(N_OEXPR, 2, N_EXPR, N_DIR), P(N_DIR, 1, T_DIR), P0(N_DIR),
    P(N_OREST, 3, T_COMMA, N_OEXPR, N_OREST), P0(N_OREST),
    P(N_LIMIT, 3, T_LIMIT, T_NUM, N_OFFSET), P0(N_LIMIT), P(N_OFFSET, 2, T_OFFSET, T_NUM), P0(N_OFFSET),

    P(N_EXPR, 2, N_PRIM, N_PRIMREST), P(N_PRIMREST, 3, T_ARITH, N_PRIM, N_PRIMREST), P0(N_PRIMREST),
    P(N_PRIM, 1, N_CPRIM), P(N_PRIM, 2, T_LP, N_PAREN),
    P(N_CPRIM, 1, N_REF), P(N_CPRIM, 1, T_NUM), P(N_CPRIM, 1, T_STR),
    P(N_CPRIM, 5, T_AGG, A_AGG_OFF, N_EXPR, T_RP, A_AGG_ON), P(N_CPRIM, 3, T_COUNT, N_COUNTARG, T_RP),
    P(N_CPRIM, 3, T_F1, N_EXPR, T_RP), P(N_CPRIM, 5, T_F2, N_EXPR, T_COMMA, N_EXPR, T_RP),
    P(N_CPRIM, 4, T_ROUND, N_EXPR, N_OPT, T_RP), P(N_CPRIM, 6, T_SUBSTR, N_EXPR, T_COMMA, N_EXPR, N_OPT, T_RP),
    P(N_CPRIM, 7, T_F3, N_EXPR, T_COMMA, N_EXPR, T_COMMA, N_EXPR, T_RP), P(N_CPRIM, 3, T_CAST, N_EXPR, T_AS),
    P(N_COUNTARG, 1, T_STAR), P(N_COUNTARG, 2, T_DISTINCT, N_REF), P(N_COUNTARG, 1, N_REF),
    P(N_REF, 1, T_COL), P(N_REF, 1, N_QREF), P(N_OPT, 2, T_COMMA, N_EXPR), P0(N_OPT),
    P(N_PAREN, 2, N_SELECT, T_RP), P(N_PAREN, 2, N_EXPR, T_RP),

    P(N_COND, 2, N_CTERM, N_CREST),
    P(N_CREST, 3, T_AND, N_CTERM, N_CREST), P(N_CREST, 3, T_OR, N_CTERM, N_CREST), P0(N_CREST),
    P(N_CTERM, 3, N_CPRIM, N_PRIMREST, N_CMPREST), P(N_CTERM, 2, T_LP, N_CPAREN), P(N_CTERM, 3, T_EXISTS, N_SELECT, T_RP),
    P(N_CPAREN, 4, N_SELECT, T_RP, N_PRIMREST, N_CMPREST), P(N_CPAREN, 2, N_COND, T_RP),
    P(N_CMPREST, 2, T_EQ, N_EXPR), P(N_CMPREST, 2, T_CMP, N_EXPR), P(N_CMPREST, 2, T_LIKE, T_STR),
    P(N_CMPREST, 3, T_IN, N_INLIST, T_RP), P(N_CMPREST, 4, T_BETWEEN, N_EXPR, T_AND, N_EXPR), P(N_CMPREST, 1, T_ISNULL),
    P(N_INLIST, 1, N_SELECT), P(N_INLIST, 2, N_LIT, N_LITREST), P(N_LIT, 1, T_STR), P(N_LIT, 1, T_NUM),
    P(N_LITREST, 3, T_COMMA, N_LIT, N_LITREST), P0(N_LITREST),

    P(N_INSERT, 5, T_INSERT, A_PUSH, T_WTAB, N_INSREST, A_POP),
    P(N_INSREST, 5, T_ICOLS, T_ICOL, N_ICREST, T_VALUES, N_VALS), P(N_INSREST, 2, T_VALUES_ALL, N_VALS),
    P(N_ICREST, 3, T_COMMA, T_ICOL, N_ICREST), P0(N_ICREST),
    P(N_VALS, 4, N_VLIT, A_DEC, N_VREST, T_RP), P(N_VREST, 4, T_COMMA, N_VLIT, A_DEC, N_VREST), P0(N_VREST),
    P(N_VLIT, 1, T_STR), P(N_VLIT, 1, T_NUM), P(N_VLIT, 1, T_NULL),
    P(N_UPDATE, 7, T_UPDATE, A_PUSH, T_WTAB, T_SET, N_SETS, N_WHERE, A_POP),
    P(N_SETS, 4, T_UCOL, T_EQ, N_SETVAL, N_SETREST), P(N_SETREST, 2, T_COMMA, N_SETS), P0(N_SETREST),
    P(N_SETVAL, 1, T_NULL), P(N_SETVAL, 1, N_EXPR),
    P(N_DELETE, 5, T_DELETE, A_PUSH, T_WTAB, N_WHERE, A_POP),
    P0(0),
};
/* clang-format on */

/* FIRST of a production's body; *empty: it can be empty. */
static uint64_t body_first(const db_sql_sets *s, const db_sql_production *p, bool *empty)
{
    uint64_t set = 0;
    for (int i = 0; i < p->n; i++) {
        int x = p->body[i];
        if (db_sql_is_action(x))
            continue;
        if (x < N_TERMINALS) {
            *empty = false;
            return set | BIT(x);
        }
        set |= s->first[x - N_TERMINALS];
        if (!s->nullable[x - N_TERMINALS]) {
            *empty = false;
            return set;
        }
    }
    *empty = true;
    return set;
}

void db_sql_sets_make(db_sql_sets *s)
{
    memset(s, 0, sizeof *s);
    for (bool changed = true; changed;) {
        changed = false;
        for (const db_sql_production *p = db_sql_productions; p->head; p++) {
            bool empty;
            int h = p->head - N_TERMINALS;
            uint64_t f = body_first(s, p, &empty) | s->first[h];
            bool n = empty || s->nullable[h];
            changed = changed || f != s->first[h] || n != s->nullable[h];
            s->first[h] = f;
            s->nullable[h] = n;
        }
    }
    for (int i = 0; db_sql_productions[i].head; i++) {
        const db_sql_production *p = &db_sql_productions[i];
        bool empty;
        uint64_t f = body_first(s, p, &empty);
        for (int t = 0; t < N_TERMINALS; t++)
            if (f & BIT(t))
                s->choice[p->head - N_TERMINALS][t] = (uint8_t)(i + 1);
    }
}
