/* grammar/grammar.h - what a text may look like, compiled into an acceptor (core/acceptor.h).
 *
 * Regular expressions, lists of literals, GBNF and JSON schemas all become rules over characters;
 * the acceptor is a push-down automaton that reads them byte by byte. No accepted prefix is a dead
 * end: whatever has been written can always be finished within the depth limit.
 *
 * An acceptor may be used by several threads. It keeps every place it has been to, up to
 * CMAT_GRAMMAR_MAX_BYTES; beyond that it refuses to go on. Every function writes *out, to be freed
 * with cmat_acceptor_free, or leaves NULL there and returns CMAT_ERR_FORMAT (what is wrong and
 * where), CMAT_ERR_UNSUPPORTED (what is not understood, by name) or CMAT_ERR_LIMIT. */
#ifndef CMAT_GRAMMAR_GRAMMAR_H
#define CMAT_GRAMMAR_GRAMMAR_H
#include "cmat/error.h"
#include "core/acceptor.h"
#include <jansson.h>

enum {
    CMAT_GRAMMAR_MAX_DEPTH = 64,       /* rules open at once; a call in the last place is free */
    CMAT_GRAMMAR_MAX_PLACES = 400000,  /* size of a compiled grammar */
    CMAT_GRAMMAR_MAX_BYTES = 256 << 20 /* memory of an acceptor */
};

/* Free text around the constraint. */
typedef struct {
    const char *begin; /* the constraint starts behind the first occurrence of it; NULL: at once */
    /* What ends the constrained part. The text is then free again, up to the next `begin`, any
     * number of times or never. NULL: `begin` must come, once, and the text ends with the
     * constraint. */
    const char *end;
} cmat_grammar_trigger;

/* A whole match of a regular expression. Understood: literals, ".", classes with ranges and
 * \d \w \s and their negations, groups, "|", * + ? {m,n} (a lazy "?" behind them changes nothing),
 * ^ and $ at the ends, \n \t \r \f \v \xHH \uHHHH. Refused: what is not regular (look-around, back
 * references, \b) and flags. trigger may be NULL. */
cmat_status cmat_grammar_regex(cmat_acceptor **out, const char *pattern,
                               const cmat_grammar_trigger *trigger, cmat_error *err);

/* One of n literals. */
cmat_status cmat_grammar_choices(cmat_acceptor **out, const char *const *choices, size_t n,
                                 const cmat_grammar_trigger *trigger, cmat_error *err);

/* llama.cpp's grammar format: `name ::= "text" [a-z] (a | b)* c{2,3} .`, comments with #; the text
 * is what the rule `root` gives. Left recursion is refused with its line and column. */
cmat_status cmat_grammar_gbnf(cmat_acceptor **out, const char *text,
                              const cmat_grammar_trigger *trigger, cmat_error *err);

/* JSON that fits a schema (draft 2020-12). Written as Python's json.dumps does by default: ", " and
 * ": " between things, no other space, properties in the schema's order. What is understood:
 * docs/FORMATS.md; additionalProperties is false when there are properties and it is not there.
 * What is written always fits; of what would fit, not all may be written (long strings of digits,
 * names beside patternProperties). Annotations are passed over; every other keyword, and what
 * cannot be decided, is refused by name. */
cmat_status cmat_grammar_json_schema(cmat_acceptor **out, const json_t *schema,
                                     const cmat_grammar_trigger *trigger, cmat_error *err);
#endif
