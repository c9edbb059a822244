/* env/os/script.h - what can be said of a shell script without running it. */
#ifndef CMAT_ENV_OS_SCRIPT_H
#define CMAT_ENV_OS_SCRIPT_H
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char **words; /* (n), without quotes; the first is the command's name */
    size_t n, cap;
    bool dynamic; /* the name has an expansion in it, so it is not known */
    char sep;     /* before it: '|' when the one before pipes into it, else ';' */
} os_command;

/* Simple commands in their order, those inside $(...) and `...` too. Not a parser of all that Bash
 * takes: where it is in doubt it says nothing. */
typedef struct {
    os_command *items;
    size_t n, cap;
    char **writes; /* (n_writes): files that output goes to */
    size_t n_writes, cap_writes;
    char **functions; /* (n_functions) defined in it */
    size_t n_functions, cap_functions;
} os_script;
void os_script_read(const char *text, os_script *s); /* s is cleared first: give it zeroed */
void os_script_clear(os_script *s);
bool os_script_defines(const os_script *s, const char *name);

/* What is hard to undo, in a few words ("removes / with all that is in it"); NULL: nothing of the
 * kind was found. Looks for the well-known accidents, not for malice. */
const char *os_script_danger(const os_script *s);
#endif
