/* run_dir.c - the folder of a run. */
#include "evolve/run_dir.h"
#include "core/buf.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

char *cmat_run_dir_path(const cmat_run_dir *d, const char *fmt, ...)
{
    cmat_buf b = {0};
    va_list ap;

    cmat_buf_printf(&b, "%s/", d->path);
    va_start(ap, fmt);
    cmat_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    return cmat_buf_detach(&b);
}

/* The first member in which two objects differ, as "a.b", written into where; false: none. */
static bool first_difference(const json_t *a, const json_t *b, cmat_buf *where, cmat_buf *values)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)a, key, v)
    {
        json_t *w = json_object_get(b, key);
        size_t len = where->len;
        if (json_equal(v, w))
            continue;
        cmat_buf_printf(where, "%s%s", len ? "." : "", key);
        if (json_is_object(v) && json_is_object(w) && first_difference(v, w, where, values))
            return true;
        cmat_json_print(values, v);
        cmat_buf_puts(values, " there, ");
        if (w)
            cmat_json_print(values, w);
        else
            cmat_buf_puts(values, "nothing");
        cmat_buf_puts(values, " now");
        return true;
    }
    return false;
}

static cmat_status check_identity(const char *path, const json_t *there, const json_t *now,
                                  cmat_error *err)
{
    cmat_buf where = {0}, values = {0};
    cmat_status st = CMAT_OK;

    if (first_difference(there, now, &where, &values))
        st = cmat_fail(
            err, CMAT_ERR_STATE,
            "%s holds a run with another %s (%.200s); use a new folder or the same options", path,
            cmat_buf_str(&where), cmat_buf_str(&values));
    else if (!json_equal(there, now))
        st = cmat_fail(err, CMAT_ERR_STATE, "%s holds a run with other options; use a new folder",
                       path);
    cmat_buf_clear(&where);
    cmat_buf_clear(&values);
    return st;
}

static cmat_status take_lock(cmat_run_dir *d, cmat_error *err)
{
    char *path = cmat_run_dir_path(d, "lock");
    cmat_status st = CMAT_OK;

    d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (d->lock < 0)
        st = cmat_fail(err, CMAT_ERR_IO, "open %s: %s", path, strerror(errno));
    else if (flock(d->lock, LOCK_EX | LOCK_NB) != 0)
        st = cmat_fail(err, CMAT_ERR_STATE, "another cmat works in %s", d->path);
    free(path);
    return st;
}

cmat_status cmat_run_dir_open(cmat_run_dir *d, const char *path, const json_t *identity,
                              cmat_error *err)
{
    char *run, *state;
    json_t *there = NULL;
    cmat_status st;

    *d = (cmat_run_dir){.path = cmat_xstrdup(path), .lock = -1};
    run = cmat_run_dir_path(d, "run.json");
    state = cmat_run_dir_path(d, "state.json");
    if ((st = cmat_mkdir_p(path, err)) != CMAT_OK || (st = take_lock(d, err)) != CMAT_OK)
        goto done;
    if (!cmat_path_exists(run)) {
        st = cmat_json_save(run, identity, err);
    } else if (!(there = cmat_json_load(run, err))) {
        st = CMAT_ERR_FORMAT;
    } else {
        st = check_identity(path, there, identity, err);
    }
    if (st == CMAT_OK && cmat_path_exists(state)) {
        d->state = cmat_json_load(state, err);
        st = !d->state ? CMAT_ERR_FORMAT
             : json_is_object(d->state)
                 ? CMAT_OK
                 : cmat_fail(err, CMAT_ERR_FORMAT, "%s: not an object", state);
    } else if (st == CMAT_OK) {
        d->state = json_object();
    }
done:
    json_decref(there);
    free(run);
    free(state);
    if (st != CMAT_OK)
        cmat_run_dir_close(d);
    return st;
}

void cmat_run_dir_close(cmat_run_dir *d)
{
    if (d->lock >= 0)
        close(d->lock);
    json_decref(d->state);
    free(d->path);
    *d = (cmat_run_dir){.lock = -1};
}

const json_t *cmat_run_dir_stage(const cmat_run_dir *d, const char *name)
{
    return json_object_get(d->state, name);
}

cmat_status cmat_run_dir_finish(cmat_run_dir *d, const char *name, json_t *result, cmat_error *err)
{
    char *path = cmat_run_dir_path(d, "state.json");
    cmat_status st;

    json_object_set_new(d->state, name, result);
    st = cmat_json_save(path, d->state, err);
    free(path);
    return st;
}
