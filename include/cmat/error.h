/* cmat/error.h - the result of every call that can fail.
 *
 * Whatever can fail returns a cmat_status and takes a cmat_error * last, which may be NULL.
 * The caller owns the message, so that a failed open has one too. */
#ifndef CMAT_ERROR_H
#define CMAT_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    CMAT_OK = 0,
    CMAT_ERR_ARG,         /* an option or argument is out of range or does not fit another */
    CMAT_ERR_IO,          /* the operating system refused: open, read, write, network */
    CMAT_ERR_FORMAT,      /* a file or a peer's message is not what its format says */
    CMAT_ERR_NOMEM,       /* a size that comes from input does not fit in memory */
    CMAT_ERR_LIMIT,       /* a stated cap was reached: length, depth, time */
    CMAT_ERR_UNSUPPORTED, /* well-formed, but not something this build can do */
    CMAT_ERR_NOT_FOUND,   /* the named thing does not exist */
    CMAT_ERR_STATE,       /* the call does not fit the object's present state */
    CMAT_ERR_CANCELLED    /* the user asked to stop (SIGINT) */
} cmat_status;

typedef struct cmat_error {
    cmat_status status;
    char msg[1024]; /* one line, NUL-terminated: "weights: open model.gguf: No such file" */
} cmat_error;

/* Writes a printf-style message into err (which may be NULL) and returns status, so that a
 * failing function can end with `return cmat_fail(err, CMAT_ERR_IO, ...)`. */
cmat_status cmat_fail(cmat_error *err, cmat_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before err's message, for a caller that knows more of where it happened.
 * Returns err's status (or status when err is NULL). */
cmat_status cmat_fail_prefix(cmat_error *err, cmat_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "format error" and so on; never NULL. */
const char *cmat_status_name(cmat_status status);

#ifdef __cplusplus
}
#endif
#endif
