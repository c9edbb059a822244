/* model/zip.c - a reader for the part of zip that wheels use: a central directory at the end of the
 * file, members stored or deflated, all numbers little-endian.
 *
 * zlib and these lines instead of libarchive: one format and a few members are wanted, and a reader
 * of every archive format there is would be much to trust with a file from the network. */
#include "model/zip.h"

#include "core/fs.h"
#include "core/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define END_SIG 0x06054b50u
#define ENTRY_SIG 0x02014b50u
#define LOCAL_SIG 0x04034b50u
#define END_SIZE 22u
#define ENTRY_SIZE 46u
#define LOCAL_SIZE 30u

typedef struct {
    char *name;
    uint16_t flags, method;
    uint32_t crc;
    uint64_t packed, size,
        header; /* bytes in the archive, unpacked bytes, offset of the local header */
} member;

struct cmat_zip {
    cmat_map map;
    char *path;
    size_t dir, dir_end; /* the central directory */
    member *members;
    size_t n, cap;
};
typedef struct cmat_zip archive;

/* Where content goes: in pieces, in order. */
typedef struct {
    void (*add)(void *to, const void *data, size_t n);
    void *to;
} sink;

static uint32_t le(const unsigned char *p, int n)
{
    uint32_t v = 0;
    for (int i = n - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static cmat_status damaged(const archive *a, const char *what, cmat_error *err)
{
    return cmat_fail(err, CMAT_ERR_FORMAT, "%s: damaged zip file: %s", a->path, what);
}

/* The end record lies in the last 22 + 65535 bytes (a comment may follow it). */
static cmat_status find_directory(archive *a, cmat_error *err)
{
    const unsigned char *p = a->map.data;
    size_t len = a->map.len;
    if (len < END_SIZE)
        return damaged(a, "too short", err);
    size_t lowest = len > END_SIZE + 65535u ? len - END_SIZE - 65535u : 0;
    for (size_t at = len - END_SIZE + 1; at-- > lowest;) {
        if (le(p + at, 4) != END_SIG || le(p + at + 20, 2) != len - at - END_SIZE)
            continue;
        uint32_t size = le(p + at + 12, 4), offset = le(p + at + 16, 4);
        if (size == UINT32_MAX || offset == UINT32_MAX)
            return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "%s: zip64 is not supported", a->path);
        if ((uint64_t)offset + size > at)
            return damaged(a, "its directory lies outside the file", err);
        a->dir = offset;
        a->dir_end = (size_t)offset + size;
        return CMAT_OK;
    }
    return damaged(a, "no end record", err);
}

static cmat_status read_directory(archive *a, cmat_error *err)
{
    for (size_t at = a->dir; at < a->dir_end;) {
        const unsigned char *p = a->map.data + at;
        if (a->dir_end - at < ENTRY_SIZE || le(p, 4) != ENTRY_SIG)
            return damaged(a, "bad directory entry", err);
        size_t n_name = le(p + 28, 2), all = ENTRY_SIZE + n_name + le(p + 30, 2) + le(p + 32, 2);
        if (all > a->dir_end - at)
            return damaged(a, "a directory entry is cut", err);
        a->members = cmat_xgrow(a->members, &a->cap, a->n + 1, sizeof *a->members);
        a->members[a->n++] = (member){.name = cmat_xstrndup((const char *)p + ENTRY_SIZE, n_name),
                                      .flags = (uint16_t)le(p + 8, 2),
                                      .method = (uint16_t)le(p + 10, 2),
                                      .crc = le(p + 16, 4),
                                      .packed = le(p + 20, 4),
                                      .size = le(p + 24, 4),
                                      .header = le(p + 42, 4)};
        at += all;
    }
    return CMAT_OK;
}

/* Where the member's bytes lie, after its local header. */
static cmat_status find_bytes(const archive *a, const member *m, const unsigned char **bytes,
                              cmat_error *err)
{
    if (m->packed == UINT32_MAX || m->size == UINT32_MAX || m->header == UINT32_MAX)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "%s: zip64 is not supported", a->path);
    if (m->flags & 1)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "%s: encrypted", a->path);
    if (m->header + LOCAL_SIZE > a->dir)
        return damaged(a, "a member lies outside the file", err);
    const unsigned char *p = a->map.data + m->header;
    if (le(p, 4) != LOCAL_SIG)
        return damaged(a, "bad member header", err);
    uint64_t from = m->header + LOCAL_SIZE + le(p + 26, 2) + le(p + 28, 2);
    if (from + m->packed > a->dir)
        return damaged(a, "a member lies outside the file", err);
    *bytes = a->map.data + from;
    return CMAT_OK;
}

static cmat_status copy_stored(const archive *a, const member *m, const unsigned char *bytes,
                               sink to, cmat_error *err)
{
    if (m->packed != m->size)
        return damaged(a, "a stored member of two sizes", err);
    if (crc32_z(0, bytes, (size_t)m->size) != m->crc)
        return damaged(a, "the checksum of its content is wrong", err);
    to.add(to.to, bytes, (size_t)m->size);
    return CMAT_OK;
}

static cmat_status inflate_to(const archive *a, const member *m, const unsigned char *bytes,
                              sink to, cmat_error *err)
{
    unsigned char out[65536];
    uint64_t total = 0;
    uLong crc = 0;
    int zs;
    /* zlib does not write to next_in; packed is below 2^32 */
    z_stream z = {.next_in = (unsigned char *)bytes, .avail_in = (uInt)m->packed};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK) /* raw: no zlib header */
        return cmat_fail(err, CMAT_ERR_NOMEM, "%s: zlib: no memory", a->path);
    do {
        z.next_out = out;
        z.avail_out = sizeof out;
        zs = inflate(&z, Z_NO_FLUSH);
        size_t n = sizeof out - z.avail_out;
        total += n;
        if (total > m->size)
            break;
        crc = crc32_z(crc, out, n);
        to.add(to.to, out, n);
    } while (zs == Z_OK);
    inflateEnd(&z);
    if (zs != Z_STREAM_END || total != m->size)
        return damaged(a, "its content is not what the directory says", err);
    if (crc != m->crc)
        return damaged(a, "the checksum of its content is wrong", err);
    return CMAT_OK;
}

static cmat_status copy_member(const archive *a, const member *m, sink to, cmat_error *err)
{
    const unsigned char *bytes = NULL;
    cmat_status st = find_bytes(a, m, &bytes, err);
    if (st != CMAT_OK)
        return st;
    if (m->method != 0 && m->method != 8)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "%s: compression method %d is not supported",
                         a->path, m->method);
    return m->method == 0 ? copy_stored(a, m, bytes, to, err) : inflate_to(a, m, bytes, to, err);
}

cmat_status cmat_zip_open(cmat_zip **out, const char *path, cmat_error *err)
{
    archive *a = cmat_xcalloc(1, sizeof *a);
    cmat_status st;
    *out = NULL;
    a->path = cmat_xstrdup(path);
    if ((st = cmat_map_open(&a->map, path, err)) != CMAT_OK ||
        (st = find_directory(a, err)) != CMAT_OK || (st = read_directory(a, err)) != CMAT_OK) {
        cmat_zip_close(a);
        return st;
    }
    *out = a;
    return CMAT_OK;
}

void cmat_zip_close(cmat_zip *z)
{
    if (!z)
        return;
    for (size_t i = 0; i < z->n; i++)
        free(z->members[i].name);
    free(z->members);
    cmat_map_close(&z->map);
    free(z->path);
    free(z);
}

size_t cmat_zip_n(const cmat_zip *z)
{
    return z->n;
}

const char *cmat_zip_name(const cmat_zip *z, size_t i)
{
    return z->members[i].name;
}

uint64_t cmat_zip_size(const cmat_zip *z, size_t i)
{
    return z->members[i].size;
}

static void to_writer(void *to, const void *data, size_t n)
{
    cmat_writer_add(to, data, n);
}

static void to_buf(void *to, const void *data, size_t n)
{
    cmat_buf_add(to, data, n);
}

cmat_status cmat_zip_copy(const cmat_zip *z, size_t i, cmat_writer *w, cmat_error *err)
{
    return copy_member(z, &z->members[i], (sink){to_writer, w}, err);
}

cmat_status cmat_zip_read(const cmat_zip *z, size_t i, size_t max, cmat_buf *out, cmat_error *err)
{
    if (z->members[i].size > max)
        return cmat_fail(err, CMAT_ERR_LIMIT, "%s: %s has %llu bytes, %zu are allowed", z->path,
                         z->members[i].name, (unsigned long long)z->members[i].size, max);
    return copy_member(z, &z->members[i], (sink){to_buf, out}, err);
}

static bool ends_in(const char *s, const char *suffix)
{
    const size_t n = strlen(s), n_suffix = strlen(suffix);
    return n >= n_suffix && strcmp(s + n - n_suffix, suffix) == 0;
}

cmat_status cmat_zip_find(const cmat_zip *z, const char *suffix, size_t *i, cmat_error *err)
{
    size_t found = 0;
    for (size_t k = 0; k < z->n; k++) {
        if (ends_in(z->members[k].name, suffix)) {
            *i = k;
            found++;
        }
    }
    if (found == 0)
        return cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: holds no *%s", z->path, suffix);
    if (found > 1)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: holds %zu *%s, expected one", z->path, found,
                         suffix);
    return CMAT_OK;
}

cmat_status cmat_zip_extract(const char *zip, const char *suffix, const char *dest, uint64_t max,
                             cmat_error *err)
{
    cmat_zip *z = NULL;
    cmat_writer *w = NULL;
    size_t i = 0;
    cmat_status st = cmat_zip_open(&z, zip, err);
    if (st != CMAT_OK || (st = cmat_zip_find(z, suffix, &i, err)) != CMAT_OK)
        goto done;
    if (z->members[i].size > max && z->members[i].size != UINT32_MAX) {
        st = cmat_fail(err, CMAT_ERR_LIMIT, "%s: *%s has %llu bytes, %llu are allowed", zip, suffix,
                       (unsigned long long)z->members[i].size, (unsigned long long)max);
        goto done;
    }
    if ((st = cmat_writer_open(&w, dest, err)) != CMAT_OK)
        goto done;
    if ((st = cmat_zip_copy(z, i, w, err)) == CMAT_OK)
        st = cmat_writer_commit(w, err);
    else
        cmat_writer_abort(w);
done:
    cmat_zip_close(z);
    return st;
}
