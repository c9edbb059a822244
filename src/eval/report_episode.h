/* eval/report_episode.h - episodes of a report, readable step by step. */
#ifndef CMAT_EVAL_REPORT_EPISODE_H
#define CMAT_EVAL_REPORT_EPISODE_H
#include "core/buf.h"
#include "memory/store.h"

/* Appends a section with every episode of a phase, folded, failed ones first. */
cmat_status cmat_report_episodes(cmat_buf *out, cmat_store *store, const char *phase,
                                 const char *label, cmat_error *err);
#endif
