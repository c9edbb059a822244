/* eval/svg.h - charts as inline SVG, readable without a script and without colour. */
#ifndef CMAT_EVAL_SVG_H
#define CMAT_EVAL_SVG_H
#include "core/buf.h"
#include <stddef.h>

typedef struct {
    const char *label;      /* escaped by the chart */
    double rate, low, high; /* 0..1; low = high: no interval drawn */
    size_t right, n;        /* shown as "right / n" */
} cmat_svg_bar;
/* Horizontal bars with 95 % intervals, one below the other. */
void cmat_svg_bars(cmat_buf *out, const char *title, const cmat_svg_bar *bars, size_t n);

typedef struct {
    const char *name;
    const double *y; /* (n) */
    size_t n;
} cmat_svg_line;
/* Lines over x = 0..n-1 of the longest; y from 0 (or the least value, when negative) to the
 * greatest. */
void cmat_svg_lines(cmat_buf *out, const char *title, const char *x_label,
                    const cmat_svg_line *lines, size_t n);
/* The same as a file that stands by itself. */
void cmat_svg_lines_file(cmat_buf *out, const char *title, const char *x_label,
                         const cmat_svg_line *lines, size_t n);
#endif
