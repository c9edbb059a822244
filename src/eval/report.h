/* eval/report.h - a run as one HTML file: works offline, no script needed to read it. */
#ifndef CMAT_EVAL_REPORT_H
#define CMAT_EVAL_REPORT_H
#include "cmat/error.h"

/* Draws what lies in a run folder (run.json, state.json, store.db, rounds/N/ROLE/metrics.jsonl; or
 * eval.json, store.db) into the file path, atomically. Parts that a run has not reached yet are
 * left out. CMAT_ERR_NOT_FOUND: no run there. */
cmat_status cmat_report_run(const char *run_dir, const char *path, cmat_error *err);
#endif
