/* agent/verdict.h - the Checker's reply: `accept`, or `reject: ` and a reason on the same line. */
#ifndef CMAT_AGENT_VERDICT_H
#define CMAT_AGENT_VERDICT_H
#include "core/acceptor.h"
#include "core/buf.h"

#define CMAT_REASON_MAX 200 /* bytes of a reason */

/* Accepts exactly the replies described above. The caller's: cmat_acceptor_free. */
cmat_acceptor *cmat_verdict_acceptor_new(void);

typedef enum { CMAT_VERDICT_ACCEPT, CMAT_VERDICT_REJECT, CMAT_VERDICT_UNCLEAR } cmat_verdict;
/* Reads a reply leniently (remote models are not constrained): the first of the words accept and
 * reject decides; the reason (what follows reject, on its line, inert, cut to CMAT_REASON_MAX) is
 * appended to reason. */
cmat_verdict cmat_verdict_parse(const char *reply, cmat_buf *reason);
#endif
