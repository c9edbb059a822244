/* env/os/box/modes.h - the helper's two lives. */
#ifndef CMAT_ENV_OS_BOX_MODES_H
#define CMAT_ENV_OS_BOX_MODES_H

/* Descriptors that a life begins with. */
enum {
    BOX_FD_SOCKET = 3,
    BOX_FD_SELF = 4,   /* keeper: the helper's own program */
    BOX_FD_FILTER = 5, /* given to bwrap */
};

int box_keeper(void);                  /* does not return before its socket closes */
int box_server(int argc, char **argv); /* process 1 of a box; arguments: the limits */
int box_probe(int argc, char **argv);  /* one attempt to get out (selfcheck.c has the list) */
#endif
