/* env/os/output.h - what a command printed, as text that may be shown: inert, and cut. */
#ifndef CMAT_ENV_OS_OUTPUT_H
#define CMAT_ENV_OS_OUTPUT_H
#include "core/buf.h"
#include <stddef.h>
#include <stdint.h>

/* Appends the output without terminal escapes; other control characters, invalid UTF-8 and marks
 * that turn text around become U+FFFD, line ends \n. */
void os_output_clean(const char *s, size_t n, cmat_buf *out);
/* Our cut: at most about `budget` bytes, the beginning and the end, with a line between that says
 * how much is left out (total: bytes printed, of which `text` may be the first part). */
void os_output_cut(const char *text, size_t n, uint64_t total, size_t budget, cmat_buf *out);
/* AgentBench's: over 800 characters the first 780 and a note. */
void os_output_cut_agentbench(const char *text, size_t n, cmat_buf *out);
#endif
