/* env/os/box/wire.h - what the program and its sandbox helper say to each other.
 *
 * The helper is one small static program, kept inside the library and run from memory. It has two
 * lives: the keeper, outside the sandbox but in the episode's own user and mount namespaces, holds
 * the file system and starts boxes; the server, process 1 of a box, runs commands.
 *
 *   program --socket--> keeper --bwrap--> server (process 1 of the box) --> bash
 *          \____________socket_____________/
 *
 * A message is a box_head and `len` bytes; numbers in the machine's own order (both ends are one
 * build). The keeper answers BOX_OK (with what was asked for) or BOX_FAILED (a line of text). */
#ifndef CMAT_ENV_OS_BOX_WIRE_H
#define CMAT_ENV_OS_BOX_WIRE_H
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t type, len;
} box_head;

enum { BOX_MESSAGE_MAX = 160 << 20 }; /* bytes of any message: a snapshot of a full disk fits */

enum box_type {
    /* program -> keeper */
    BOX_CONFIG = 1, /* box_config, then its strings */
    BOX_MAPPED,     /* the answer to BOX_MAP_ME: ids are mapped */
    BOX_FRESH,      /* ends all boxes, an empty file system */
    BOX_BEGIN,      /* box_begin: starts a box; BOX_OK brings its socket as SCM_RIGHTS */
    BOX_END,        /* box_begin: ends a box */
    BOX_SAVE,       /* box_times: BOX_OK with what differs from the fresh file system */
    BOX_LOAD,       /* box_times and saved bytes: ends all boxes, puts the file system back */
    BOX_CHANGES,    /* BOX_OK with the trial box's changes, a line each */
    /* keeper -> program */
    BOX_MAP_ME, /* the user namespace is there: write its id maps */
    BOX_OK,
    BOX_FAILED,
    /* server: says READY once, then answers RUN with RESULT */
    BOX_READY,
    BOX_RUN,    /* box_run, then the script; or arguments, each ended by a NUL */
    BOX_RESULT, /* box_result, then output, cwd, shell state */
};

/* Limits of an episode. */
typedef struct {
    uint64_t memory;    /* bytes resident, all processes of a box together */
    uint64_t disk;      /* bytes written, the file system's growth */
    uint64_t inodes;    /* files made */
    uint64_t output;    /* bytes a command may print before it is killed */
    uint32_t processes; /* at once, of one user */
    uint32_t cpu;       /* seconds of a process */
} box_limits;

typedef struct {
    box_limits limits;
    uint32_t drop_uid; /* not 0: the keeper becomes this user first (it was started as root) */
    uint32_t many_ids; /* users and groups can be told apart: ids 0..65535 are mapped */
    /* then, each ended by a NUL: bwrap's path, the root folder ("": the host's /usr) */
} box_config;

enum { BOX_LIVE, BOX_TRIAL };
typedef struct {
    uint32_t which; /* BOX_LIVE, or BOX_TRIAL on a copy of the live one's file system */
} box_begin;

/* Times of the episode, nanoseconds since 1970: so that a saved file system says "changed in step
 * 2" rather than when. */
enum { BOX_TIMES_MAX = 256 };
typedef struct {
    uint32_t n;
    int64_t start[BOX_TIMES_MAX]; /* [0] the reset, [k] the start of step k; ascending */
} box_times;

enum { BOX_RUN_FRESH = 1, BOX_RUN_MERGE = 2 };
typedef struct {
    uint32_t timeout_ms;
    uint32_t cap;   /* bytes of output to bring back */
    uint32_t flags; /* BOX_RUN_FRESH: a process of its own with the arguments that follow, from
                     * folder cwd (the first string), stdout alone unless BOX_RUN_MERGE; else the
                     * script is evaluated in the shell */
} box_run;

enum {
    BOX_TIMED_OUT = 1, /* killed at timeout_ms */
    BOX_OUT_OF_MEMORY = 2,
    BOX_FLOODED = 4,     /* killed for its output */
    BOX_SHELL_ENDED = 8, /* exit, exec: there is a new shell now */
    BOX_BACKGROUND = 16, /* processes other than the shell are there afterwards */
};
typedef struct {
    int32_t status; /* exit status, 128 + signal */
    uint32_t flags, ms;
    uint32_t n_out, n_cwd, n_state; /* bytes that follow; out is cut at cap */
    uint64_t total;                 /* bytes printed in all */
} box_result;
#endif
