/* tests/model_util.h - opening models for tests: a tiny random one, or the real one when it is
 * there. */
#ifndef MODEL_UTIL_H
#define MODEL_UTIL_H
#include "core/fs.h"
#include "core/mem.h"
#include "model/model.h"
#include "tiny_model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* A tiny model, its file removed again (it stays mapped). */
static inline cmat_model *tiny_model_open(const tiny_model_options *o, const char *kernel)
{
    char *path = tiny_tmp_path("model.gguf");
    cmat_error err = {0};
    cmat_model *m = NULL;
    tiny_model_write(path, o);
    if (cmat_model_open(&m, path, kernel ? cmat_kernel_find(kernel) : NULL, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    unlink(path);
    free(path);
    return m;
}

/* CMAT_TEST_MODEL, or the default model where `cmat pull` puts it: the caller's to free(); NULL:
 * absent. */
static inline char *real_model_path(void)
{
    const char *given = getenv("CMAT_TEST_MODEL");
    char *home, *dir, *path;
    if (given && *given)
        return cmat_xstrdup(given);
    home = cmat_data_home();
    dir = cmat_path_join(home, "models");
    path = cmat_path_join(dir, "SmolLM2-135M-Instruct.Q4_1.gguf");
    free(home);
    free(dir);
    if (cmat_path_exists(path))
        return path;
    free(path);
    return NULL;
}
#endif
