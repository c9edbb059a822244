/* eval/loss_curve.h - what metrics.jsonl says of a tuning run, as a picture. */
#ifndef CMAT_EVAL_LOSS_CURVE_H
#define CMAT_EVAL_LOSS_CURVE_H
#include "cmat/error.h"
#include "core/buf.h"
#include <stddef.h>

typedef struct {
    double *loss; /* (n) by step; steps that are not in the file have the one before */
    double *eval; /* (n) the newest validation loss at each step; NULL: there was none */
    size_t n;
} cmat_loss_curve; /* all zero is empty */

/* Reads dir/metrics.jsonl. CMAT_ERR_FORMAT names the line. */
cmat_status cmat_loss_curve_load(cmat_loss_curve *c, const char *dir, cmat_error *err);
void cmat_loss_curve_clear(cmat_loss_curve *c);
/* At most n means of equal parts of the losses, into out; returns how many. */
size_t cmat_loss_curve_means(const cmat_loss_curve *c, double *out, size_t n);
/* An SVG file that stands by itself. */
cmat_status cmat_loss_curve_save(const cmat_loss_curve *c, const char *path, cmat_error *err);
#endif
