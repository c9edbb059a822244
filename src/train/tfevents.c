/* train/tfevents.c */
#include "train/tfevents.h"
#include "core/buf.h"
#include "core/mem.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct cmat_tfevents {
    FILE *f;
    char *path;
};

uint32_t cmat_crc32c_masked(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* ---- protobuf ---- */

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void put_varint(cmat_buf *b, uint64_t x)
{
    unsigned char bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (unsigned char)(x & 0x7f);
        x >>= 7;
        bytes[n++] |= x ? 0x80 : 0;
    } while (x);
    cmat_buf_add(b, bytes, n);
}

static void put_key(cmat_buf *b, int field, int wire)
{
    put_varint(b, (uint64_t)(field << 3 | wire));
}

static void put_bytes(cmat_buf *b, int field, const void *data, size_t n)
{
    put_key(b, field, WIRE_BYTES);
    put_varint(b, n);
    cmat_buf_add(b, data, n);
}

static void put_event(cmat_buf *b, int64_t step)
{
    struct timespec now;
    double wall;
    clock_gettime(CLOCK_REALTIME, &now);
    wall = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    put_key(b, 1, WIRE_64);
    cmat_buf_add(b, &wall, sizeof wall);
    put_key(b, 2, WIRE_VARINT);
    put_varint(b, (uint64_t)step);
}

static void put_scalar(cmat_buf *summary, const cmat_tf_scalar *s)
{
    cmat_buf value = {0};
    const float x = (float)s->value;
    put_bytes(&value, 1, s->tag, strlen(s->tag));
    put_key(&value, 2, WIRE_32);
    cmat_buf_add(&value, &x, sizeof x);
    put_bytes(summary, 1, value.data, value.len);
    cmat_buf_clear(&value);
}

/* ---- records ---- */

static cmat_status record_write(cmat_tfevents *t, const cmat_buf *data, cmat_error *err)
{
    const uint64_t len = data->len;
    const uint32_t len_crc = cmat_crc32c_masked(&len, sizeof len),
                   crc = cmat_crc32c_masked(data->data, data->len);
    cmat_buf b = {0};
    cmat_buf_add(&b, &len, sizeof len);
    cmat_buf_add(&b, &len_crc, sizeof len_crc);
    cmat_buf_add(&b, data->data, data->len);
    cmat_buf_add(&b, &crc, sizeof crc);
    const bool ok = fwrite(b.data, 1, b.len, t->f) == b.len && fflush(t->f) == 0;
    cmat_buf_clear(&b);
    return ok ? CMAT_OK
              : cmat_fail(err, CMAT_ERR_IO, "train: write %s: %s", t->path, strerror(errno));
}

static cmat_status begin(cmat_tfevents *t, int64_t step, cmat_error *err)
{
    static const char version[] = "brain.Event:2";
    static const unsigned char start[] = {1 << 3 | WIRE_VARINT, 1}; /* SessionLog.status = START */
    cmat_buf b = {0};
    put_event(&b, 0);
    put_bytes(&b, 3, version, sizeof version - 1);
    cmat_status st = record_write(t, &b, err);
    if (st == CMAT_OK && step >= 0) {
        cmat_buf_clear(&b);
        put_event(&b, step + 1); /* the first step that will be written again */
        put_bytes(&b, 7, start, sizeof start);
        st = record_write(t, &b, err);
    }
    cmat_buf_clear(&b);
    return st;
}

cmat_status cmat_tfevents_open(cmat_tfevents **out, const char *dir, int64_t step, cmat_error *err)
{
    cmat_tfevents *t = cmat_xcalloc(1, sizeof *t);
    cmat_status st = CMAT_OK;
    char host[64] = "localhost";
    gethostname(host, sizeof host - 1);
    for (int i = 0; !t->f; i++) { /* a name of its own, later than those of earlier files */
        free(t->path);
        t->path = cmat_xasprintf("%s/events.out.tfevents.%010lld.%s.%d.%d", dir,
                                 (long long)time(NULL), host, (int)getpid(), i);
        t->f = fopen(t->path, "wbx");
        if (!t->f && errno != EEXIST) {
            st = cmat_fail(err, CMAT_ERR_IO, "train: open %s: %s", t->path, strerror(errno));
            break;
        }
    }
    if (st == CMAT_OK)
        st = begin(t, step, err);
    if (st != CMAT_OK) {
        cmat_tfevents_close(t);
        t = NULL;
    }
    *out = t;
    return st;
}

void cmat_tfevents_close(cmat_tfevents *t)
{
    if (!t)
        return;
    if (t->f)
        fclose(t->f);
    free(t->path);
    free(t);
}

cmat_status cmat_tfevents_add(cmat_tfevents *t, int64_t step, const cmat_tf_scalar *scalars,
                              size_t n, cmat_error *err)
{
    cmat_buf b = {0}, summary = {0};
    for (size_t i = 0; i < n; i++)
        put_scalar(&summary, &scalars[i]);
    put_event(&b, step);
    put_bytes(&b, 5, summary.data, summary.len);
    cmat_status st = record_write(t, &b, err);
    cmat_buf_clear(&summary);
    cmat_buf_clear(&b);
    return st;
}
