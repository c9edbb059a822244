/* env/db/wiki.h - practice in AgentBench's form from WikiSQL's and WikiTableQuestions' training
 * questions and from the tables themselves.
 *
 * Every task brings its one table inline. WikiSQL's tables come in lower case: headers and cells
 * get the spelling that some question uses, the others a likely one. */
#ifndef CMAT_ENV_DB_WIKI_H
#define CMAT_ENV_DB_WIKI_H
#include "env/env.h"

typedef struct {
    size_t n_select; /* questions of the file */
    size_t n_ask;    /* questions made from the tables alone */
    size_t n_insert, n_update;
    uint64_t seed;
    int split;         /* DB_SPLIT_TRAIN ...: tables of one page are in one split; -1: all tables */
    int part, n_parts; /* only each n_parts-th table, from part on; 0 of 0: all */
} db_wiki_options;

/* Reads unpacked .jsonl files. WikiSQL: questions {table_id, question, agg, sel, conds, answer} and
 * tables {table_id, columns, rows}; WikiTableQuestions: {id, question, table, answer} and {table,
 * columns, rows}, whose SQL is looked for. Appends up to so many tasks of each sort, spread evenly
 * over the tables, those of a table one after another. A question is kept when its SQL gives the
 * known answer. The same options give the same tasks. */
cmat_status db_wiki_tasks(const char *questions_path, const char *tables_path,
                          const db_wiki_options *opts, cmat_task_list *out, cmat_error *err);
/* The split of a table by its id: "2-12328006-1" goes by the page, 12328006. */
int db_wiki_split(const char *table_id);
#endif
