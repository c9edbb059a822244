/* env/web/driver.h - a W3C WebDriver client (https://www.w3.org/TR/webdriver2/): chromedriver as a
 * child process, commands as JSON over HTTP on loopback. Of one thread at a time. */
#ifndef CMAT_ENV_WEB_DRIVER_H
#define CMAT_ENV_WEB_DRIVER_H
#include "cmat/error.h"
#include "core/buf.h"
#include <jansson.h>
#include <stdbool.h>

typedef struct web_driver web_driver;

/* Starts chromedriver and a headless Chromium with these arguments (array of strings). Everything
 * they write lies in a folder of their own, which web_driver_close removes; both end when this
 * program does, however it ends. CMAT_ERR_NOT_FOUND: one of them is not installed. */
cmat_status web_driver_open(web_driver **out, const json_t *args, cmat_error *err);
void web_driver_close(web_driver *d); /* accepts NULL */

/* One command of the session: "POST", "/url", {"url": ...}. *value (may be NULL) is a new
 * reference. A WebDriver error of the kind that the page brings about (the element cannot be
 * clicked, it is gone, the page does not load in time ...) gives CMAT_ERR_STATE and its name in
 * err. body is taken. */
cmat_status web_driver_call(web_driver *d, const char *method, const char *path, json_t *body,
                            json_t **value, cmat_error *err);
/* The path of a program: $variable when set, else the first of names (NULL-ended) on the PATH. The
 * caller's to free(); NULL: there is none. */
char *web_program(const char *variable, const char *const *names);
#endif
