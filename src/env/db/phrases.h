/* env/db/phrases.h - questions from interchangeable parts.
 *
 * A template is text with choices "[a|b [c|d]|]" (nested, possibly empty) and slots "{name}". One
 * that starts with '=' is a noun phrase in the singular, with '+' in the plural: it is put into one
 * of many frames ("What is ...?", "Could you tell me ...?"). One that starts with '!' is an order
 * ("!add a customer"), which may become polite. "a(n)" becomes "a" or "an". */
#ifndef CMAT_ENV_DB_PHRASES_H
#define CMAT_ENV_DB_PHRASES_H
#include "core/buf.h"
#include "core/rng.h"

typedef struct {
    const char *name, *value; /* name NULL ends a list */
} phrase_slot;

/* Appends one of the n templates, filled and finished (capital letter, full stop). */
void phrase_say(cmat_buf *out, cmat_rng *rng, const char *const *templates, int n,
                const phrase_slot *slots);
/* Appends a template as it stands: a part of a sentence. */
void phrase_fill(cmat_buf *out, cmat_rng *rng, const char *tmpl, const phrase_slot *slots);

/* "orderItems_shipped-on" -> "order items shipped on". */
void phrase_humanise(cmat_buf *out, const char *identifier);
void phrase_singular(cmat_buf *out, const char *noun);
void phrase_plural(cmat_buf *out, const char *noun); /* of a singular noun */
/* "2007-03-08" as people write it ("8 March 2007"); text that is no date as it is. */
void phrase_date(cmat_buf *out, cmat_rng *rng, const char *iso);
/* "2007-03" as "March 2007". */
void phrase_month(cmat_buf *out, cmat_rng *rng, const char *iso);
/* "May" of "2007-05". */
void phrase_month_name(cmat_buf *out, const char *iso);
#endif
