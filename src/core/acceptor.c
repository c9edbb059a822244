/* core/acceptor.c - who an acceptor is. */
#include "core/acceptor.h"
#include "core/hash.h"
#include <stdatomic.h>
#include <string.h>

#define OF_CONTENT (1ull << 63)

uint64_t cmat_acceptor_identity_new(void)
{
    static atomic_uint_fast64_t last;
    return (atomic_fetch_add(&last, 1) + 1) & ~OF_CONTENT;
}

uint64_t cmat_acceptor_identity_of(const char *name, const void *content, size_t n)
{
    const uint64_t parts[] = {cmat_fnv1a(name, strlen(name)), cmat_fnv1a(content, n)};
    return cmat_fnv1a(parts, sizeof parts) | OF_CONTENT;
}
