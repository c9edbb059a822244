/* env/os/check.h - AgentBench's check helpers, written anew: compare an answer with what is
 * expected. */
#ifndef CMAT_ENV_OS_CHECK_H
#define CMAT_ENV_OS_CHECK_H
#include <stdbool.h>

typedef bool (*os_match)(const char *answer, const char *expected);
/* "integer", "string", "size", "containing" (the answer contains what is expected), "in" (it is
 * part of it); NULL: no such helper. */
os_match os_match_find(const char *name);
/* The helper of a benchmark's file name ("check/integer-match.py"): its name here, or NULL. */
const char *os_match_of_file(const char *file);
/* As Python's re.search; false too when the pattern is none. */
bool os_match_regex(const char *text, const char *pattern);
#endif
