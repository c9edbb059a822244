/* tests/fuzz/fuzz_grammar.h - what the fuzz targets of the grammar readers do with an acceptor. */
#ifndef FUZZ_GRAMMAR_H
#define FUZZ_GRAMMAR_H
#include "grammar/grammar.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Walks as the bytes say; a place that is no end and from which nothing goes on is a fault. */
static void fuzz_walk(cmat_acceptor *a, const uint8_t *choices, size_t n)
{
    _Alignas(max_align_t) uint8_t st[CMAT_ACCEPTOR_STATE_MAX] = {0};
    _Alignas(max_align_t) uint8_t next[CMAT_ACCEPTOR_STATE_MAX];
    a->ops->start(a, st);
    for (size_t i = 0; i < n && i < 300; i++) {
        int taken = -1;
        for (int k = 0; k < 256 && taken < 0; k++) {
            const uint8_t byte = (uint8_t)(choices[i] + k);
            memcpy(next, st, sizeof next);
            if (a->ops->step(a, next, byte))
                taken = byte;
        }
        if (taken < 0) {
            if (!a->ops->done(a, st))
                abort();
            return;
        }
        memcpy(st, next, sizeof st);
    }
}

/* The result of a reader: it has a message when it failed. */
static void fuzz_result(cmat_status st, cmat_acceptor *a, const cmat_error *err,
                        const uint8_t *choices, size_t n)
{
    if (st != CMAT_OK) {
        if (a || !err->msg[0] || err->status != st)
            abort();
        return;
    }
    fuzz_walk(a, choices, n);
    cmat_acceptor_free(a);
}
#endif
