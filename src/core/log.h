/* core/log.h - messages to a person, on stderr unless a callback takes them. */
#ifndef CMAT_CORE_LOG_H
#define CMAT_CORE_LOG_H

typedef enum {
    CMAT_LOG_DEBUG,
    CMAT_LOG_INFO,
    CMAT_LOG_WARN,
    CMAT_LOG_ERROR,
    CMAT_LOG_NONE
} cmat_log_level;

/* Messages below the level are dropped (NONE: all); the default is CMAT_LOG_INFO. */
void cmat_log_set_level(cmat_log_level level);
/* NULL restores stderr. The text has no newline at its end. */
void cmat_log_set_callback(void (*fn)(void *user, cmat_log_level level, const char *text),
                           void *user);
void cmat_log(cmat_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define cmat_debug(...) cmat_log(CMAT_LOG_DEBUG, __VA_ARGS__)
#define cmat_info(...) cmat_log(CMAT_LOG_INFO, __VA_ARGS__)
#define cmat_warn(...) cmat_log(CMAT_LOG_WARN, __VA_ARGS__)

/* True when stderr is a terminal that may be drawn on (not TERM=dumb); colour also respects
 * NO_COLOR and CLICOLOR_FORCE. */
int cmat_tty(void);
int cmat_tty_colour(void);
#endif
