/* env/db_wiki.h - practice in AgentBench's form from WikiSQL's training questions.
 *
 * Every task brings its one table inline. WikiSQL's tables come in lower case: headers and cells
 * get the spelling that some question uses, the others a likely one. */
#ifndef CMAT_ENV_DB_WIKI_H
#define CMAT_ENV_DB_WIKI_H
#include "env/env.h"

/* Reads unpacked .jsonl files of questions {table_id, question, agg, sel, conds, answer} and tables
 * {table_id, columns, rows}; appends up to n_select questions whose gold SQL gives the known answer
 * on the table, n_insert rows to add and n_update changes, in many phrasings. The same seed gives
 * the same tasks. */
cmat_status db_wiki_tasks(const char *questions_path, const char *tables_path, size_t n_select,
                          size_t n_insert, size_t n_update, uint64_t seed, cmat_task_list *out,
                          cmat_error *err);
#endif
