/* metrics.c - Wilson, McNemar, Newcombe. */
#include "eval/metrics.h"
#include <math.h>

cmat_interval cmat_wilson(size_t right, size_t n, double z)
{
    if (n == 0)
        return (cmat_interval){0, 0, 1};
    /* (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) */
    const double m = (double)n, p = (double)right / m, z2 = z * z;
    const double centre = p + z2 / (2 * m);
    const double half = z * sqrt(p * (1 - p) / m + z2 / (4 * m * m));
    const double scale = 1 + z2 / m;
    /* At the ends the formula gives exactly 0 and 1, but for rounding. */
    return (cmat_interval){p, right == 0 ? 0 : (centre - half) / scale,
                           right == n ? 1 : (centre + half) / scale};
}

double cmat_mcnemar(cmat_pairs p)
{
    const size_t n = p.only_a + p.only_b, k = p.only_a < p.only_b ? p.only_a : p.only_b;
    if (n == 0)
        return 1;
    /* 2 * sum_{i<=k} C(n,i) / 2^n, by logarithms so that n may be large */
    double sum = 0;
    for (size_t i = 0; i <= k; i++)
        sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) -
                   (double)n * log(2));
    return 2 * sum < 1 ? 2 * sum : 1;
}

cmat_interval cmat_paired_difference(cmat_pairs p, double z)
{
    const size_t n = p.both + p.only_a + p.only_b + p.neither;
    if (n == 0)
        return (cmat_interval){0, -1, 1};
    const double e = (double)p.both, f = (double)p.only_b, g = (double)p.only_a,
                 h = (double)p.neither;
    const cmat_interval b = cmat_wilson(p.both + p.only_b, n, z),
                        a = cmat_wilson(p.both + p.only_a, n, z);
    /* phi: correlation of the two, with Newcombe's continuity correction where it is positive */
    double phi = 0;
    const double margins = (e + f) * (g + h) * (e + g) * (f + h);
    if (margins > 0) {
        double top = e * h - f * g;
        if (top > 0)
            top = top > (double)n / 2 ? top - (double)n / 2 : 0;
        phi = top / sqrt(margins);
    }
    const double bl = b.rate - b.low, bu = b.high - b.rate, al = a.rate - a.low,
                 au = a.high - a.rate;
    const double diff = b.rate - a.rate;
    const double low = sqrt(fmax(0, bl * bl - 2 * phi * bl * au + au * au));
    const double high = sqrt(fmax(0, bu * bu - 2 * phi * bu * al + al * al));
    return (cmat_interval){diff, diff - low, diff + high};
}
