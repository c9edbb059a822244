/* kernel/avx512_rows.h - how the integer tiles read their rows of x. */
#ifndef CMAT_KERNEL_AVX512_ROWS_H
#define CMAT_KERNEL_AVX512_ROWS_H
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

/* Six rows `ld` bytes apart through two pointers: each address is then one of x86's forms, and none
 * has to be kept in memory. */
typedef struct {
    const char *a, *b;
    size_t ld;
} six;

INLINE six six_of(const void *p, size_t ld)
{
    six r = {p, (const char *)p + 3 * ld, ld};
    __asm__("" : "+r"(r.b)); /* or the compiler takes it for a + 3 ld again */
    return r;
}

INLINE const char *row_of(const six *r, int i)
{
    return (i < 3 ? r->a : r->b) + (size_t)(i % 3) * r->ld;
}

INLINE void six_step(six *r, size_t bytes)
{
    r->a += bytes;
    r->b += bytes;
}

INLINE __m512i broadcast_pair(const char *p)
{
    int32_t pair;
    __builtin_memcpy(&pair, p, 4);
    return _mm512_set1_epi32(pair);
}

INLINE __m512 broadcast_float(const char *p)
{
    float v;
    __builtin_memcpy(&v, p, 4);
    return _mm512_set1_ps(v);
}
#endif
