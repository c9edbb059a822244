/* error.c - statuses and messages. */
#include "cmat/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One line that a terminal shows as it is, whatever a broken file or a library put into it. */
static void keep_to_one_line(char *msg)
{
    for (unsigned char *p = (unsigned char *)msg; *p; p++)
        if (*p < ' ' || *p == 127)
            *p = ' ';
}

cmat_status cmat_fail(cmat_error *err, cmat_status status, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        err->status = status;
        vsnprintf(err->msg, sizeof err->msg, fmt, ap);
        va_end(ap);
        keep_to_one_line(err->msg);
    }
    return status;
}

cmat_status cmat_fail_prefix(cmat_error *err, cmat_status status, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return status;
    char prefix[256], old[sizeof err->msg];
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    memcpy(old, err->msg, sizeof old);
    snprintf(err->msg, sizeof err->msg, "%s: %.*s", prefix, (int)(sizeof old - sizeof prefix - 3),
             old);
    keep_to_one_line(err->msg);
    return err->status;
}

const char *cmat_status_name(cmat_status status)
{
    static const char *const names[] = {
        "ok",
        "bad argument",
        "input/output error",
        "format error",
        "out of memory",
        "limit reached",
        "not supported",
        "not found",
        "wrong state",
        "cancelled",
    };
    return (size_t)status < sizeof names / sizeof *names ? names[status] : "unknown status";
}
