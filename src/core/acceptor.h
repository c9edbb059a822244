/* core/acceptor.h - which strings may be written next, byte by byte.
 *
 * An environment says what an action may look like as an acceptor: an automaton over bytes whose
 * state is plain data of a fixed size, copied with memcpy. It knows nothing of tokens; the model
 * layer walks its vocabulary through copies of the state to get the mask of allowed tokens. */
#ifndef CMAT_CORE_ACCEPTOR_H
#define CMAT_CORE_ACCEPTOR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cmat_acceptor cmat_acceptor;
typedef struct {
    const char *name;
    /* Writes the start state (state_size bytes, zeroed before). */
    void (*start)(const cmat_acceptor *a, void *state);
    /* Feeds one byte. False: no accepted string continues so; state is then undefined. */
    bool (*step)(const cmat_acceptor *a, void *state, uint8_t byte);
    /* True when the bytes fed so far are a whole accepted string (the text may end here). */
    bool (*done)(const cmat_acceptor *a, const void *state);
    /* Optional (NULL: never cached): states with equal keys allow the same continuations. 0: do
     * not cache this state. */
    uint64_t (*key)(const cmat_acceptor *a, const void *state);
    /* Optional, both or none: masks shared between places that differ only in what comes after the
     * construct they are in. inner writes the state of that construct alone, with nothing known of
     * what is around it. Steps from there are refused when they would be wherever the construct
     * stands, and lead to an `unknown` state when it has ended before the last byte, so that only
     * the full state can tell. */
    void (*inner)(const cmat_acceptor *a, const void *state, void *inner);
    bool (*unknown)(const cmat_acceptor *a, const void *state);
    void (*free)(cmat_acceptor *a);
} cmat_acceptor_ops;

struct cmat_acceptor { /* first member of each implementation's own struct */
    const cmat_acceptor_ops *ops;
    size_t state_size; /* bytes, at most CMAT_ACCEPTOR_STATE_MAX */
    /* Acceptors of the same identity are the same automaton, state by state, so that masks made for
     * one serve all, also when it is gone. 0: none are kept. */
    uint64_t identity;
    uint64_t inner_identity; /* the same of the states that `inner` writes; 0: as identity */
};
#define CMAT_ACCEPTOR_STATE_MAX 512
/* Bytes of the longest token that is walked: a count that is further from its limit than this need
 * not be in a state's key. */
#define CMAT_ACCEPTOR_AHEAD 64

/* One that no other acceptor has; and the one of all of this name and content. */
uint64_t cmat_acceptor_identity_new(void);
uint64_t cmat_acceptor_identity_of(const char *name, const void *content, size_t n);

static inline void cmat_acceptor_free(cmat_acceptor *a)
{
    if (a)
        a->ops->free(a);
}
#endif
