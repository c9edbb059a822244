/* log.c - messages to a person. */
#include "core/log.h"
#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    cmat_log_level level;
    void (*fn)(void *user, cmat_log_level level, const char *text);
    void *user;
} sink = {.level = CMAT_LOG_INFO};

void cmat_log_set_level(cmat_log_level level)
{
    sink.level = level;
}

void cmat_log_set_callback(void (*fn)(void *user, cmat_log_level level, const char *text),
                           void *user)
{
    sink.fn = fn;
    sink.user = user;
}

void cmat_log(cmat_log_level level, const char *fmt, ...)
{
    static const char *const prefix[] = {"debug: ", "", "warning: ", "error: "};
    cmat_buf b = {0};
    va_list ap;

    if (level < sink.level)
        return;
    va_start(ap, fmt);
    cmat_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    if (sink.fn)
        sink.fn(sink.user, level, cmat_buf_str(&b));
    else
        fprintf(stderr, "%s%s%s\n", cmat_tty() ? "\r\033[K" : "", prefix[level], cmat_buf_str(&b));
    cmat_buf_clear(&b);
}

int cmat_tty(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

int cmat_tty_colour(void)
{
    const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE");
    if (force && *force && strcmp(force, "0") != 0)
        return 1;
    return cmat_tty() && !(no && *no);
}
