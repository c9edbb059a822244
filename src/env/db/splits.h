/* env/db/splits.h - train, validation and held-out tasks of one database share nothing.
 *
 * The gold SQL decides: its hash puts a task, whatever its wording, into one split. */
#ifndef CMAT_ENV_DB_SPLITS_H
#define CMAT_ENV_DB_SPLITS_H
#include "env/env.h"

enum { DB_SPLIT_TRAIN, DB_SPLIT_VALIDATION, DB_SPLIT_HELD_OUT };

/* Where tasks with this gold SQL belong: letter case and white space do not matter. */
int db_split_of(const char *sql);
/* CMAT_OK when no question (letter case, blanks and stops ignored) and no gold SQL stands in both
 * lists. Else CMAT_ERR_STATE, and the message names the first two ids that share one. */
cmat_status db_splits_disjoint(const cmat_task_list *a, const cmat_task_list *b, cmat_error *err);
/* Hash of text with letter case, blanks and closing stops ignored. */
uint64_t db_text_hash(const char *text);
#endif
