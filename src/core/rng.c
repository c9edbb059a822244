/* rng.c - xoshiro256** (Blackman, Vigna 2018), seeded by splitmix64. */
#include "core/rng.h"

#include <math.h>
#include <string.h>

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void cmat_rng_init(cmat_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix(&seed);
}

void cmat_rng_init_sub(cmat_rng *r, uint64_t seed, uint64_t stream)
{
    uint64_t mixed = seed;
    mixed = splitmix(&mixed) ^ (stream * 0xd1342543de82ef95u + 1);
    cmat_rng_init(r, mixed);
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t cmat_rng_u64(cmat_rng *r)
{
    uint64_t *s = r->s, out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

uint64_t cmat_rng_below(cmat_rng *r, uint64_t n)
{
    uint64_t floor = -n % n, x; /* reject the first 2^64 mod n values */

    do
        x = cmat_rng_u64(r);
    while (x < floor);
    return x % n;
}

double cmat_rng_double(cmat_rng *r)
{
    return (double)(cmat_rng_u64(r) >> 11) * 0x1p-53;
}

double cmat_rng_normal(cmat_rng *r)
{
    double u = 1.0 - cmat_rng_double(r), v = cmat_rng_double(r); /* u in (0, 1] */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void cmat_rng_shuffle(cmat_rng *r, void *items, size_t n, size_t size)
{
    unsigned char *p = items, t[256];

    for (size_t i = n; i > 1; i--) {
        unsigned char *a = p + (i - 1) * size, *b = p + cmat_rng_below(r, i) * size;
        for (size_t done = 0; a != b && done < size;) { /* swap in pieces of at most sizeof t */
            size_t k = size - done < sizeof t ? size - done : sizeof t;
            memcpy(t, a + done, k);
            memcpy(a + done, b + done, k);
            memcpy(b + done, t, k);
            done += k;
        }
    }
}
