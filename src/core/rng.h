/* core/rng.h - seeded random numbers: xoshiro256**, seeded by splitmix64.
 *
 * The state is plain data: save and restore it to resume a run exactly. */
#ifndef CMAT_CORE_RNG_H
#define CMAT_CORE_RNG_H
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t s[4];
} cmat_rng;

void cmat_rng_init(cmat_rng *r, uint64_t seed);
/* A generator for one item (an episode, a task), independent of the order items are done in. */
void cmat_rng_init_sub(cmat_rng *r, uint64_t seed, uint64_t stream);
uint64_t cmat_rng_u64(cmat_rng *r);
uint64_t cmat_rng_below(cmat_rng *r, uint64_t n); /* uniform in 0..n-1, n > 0, without bias */
double cmat_rng_double(cmat_rng *r);              /* uniform in [0, 1) */
double cmat_rng_normal(cmat_rng *r);              /* mean 0, variance 1 */
void cmat_rng_shuffle(cmat_rng *r, void *items, size_t n, size_t size);
#endif
