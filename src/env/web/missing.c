/* missing.c - in place of the web in a build without gumbo: it is listed, and says what it needs.
 */
#include "env/env.h"

static cmat_status missing_open(cmat_env **out, const cmat_env_options *opts, cmat_error *err)
{
    (void)opts;
    *out = NULL;
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                     "env web: this build has no HTML parser (libgumbo-dev was missing when it was "
                     "made)");
}

static void missing_close(cmat_env *env)
{
    (void)env; /* none was ever opened */
}

extern const cmat_env_ops cmat_env_web;
const cmat_env_ops cmat_env_web = {
    .name = "web",
    .summary = "web pages (not in this build: libgumbo-dev)",
    .open = missing_open,
    .close = missing_close,
};
