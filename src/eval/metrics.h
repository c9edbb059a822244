/* eval/metrics.h - the statistics of a benchmark run: intervals and tests. */
#ifndef CMAT_EVAL_METRICS_H
#define CMAT_EVAL_METRICS_H
#include <stddef.h>

#define CMAT_Z95 1.959963984540054 /* two-sided 95 % of the normal distribution */

typedef struct {
    double rate, low, high; /* 0..1 */
} cmat_interval;

/* right of n with Wilson's score interval at z (E. B. Wilson 1927). n = 0: {0, 0, 1}. */
cmat_interval cmat_wilson(size_t right, size_t n, double z);

/* Two runs over the same n tasks. */
typedef struct {
    size_t both, only_a, only_b, neither; /* right in */
} cmat_pairs;
/* McNemar's test, exact: the two-sided binomial probability of so uneven a split of the tasks on
 * which the two differ, in 0..1. */
double cmat_mcnemar(cmat_pairs p);
/* The difference of the rates, b - a, with Newcombe's interval for paired proportions (method 10 in
 * Statistics in Medicine 17, 1998, pages 2635-2650). */
cmat_interval cmat_paired_difference(cmat_pairs p, double z);
#endif
