/* train/tfevents.h - metrics as TensorBoard reads them: events.out.tfevents.* files.
 *
 * A file is a row of records: u64 length, u32 masked CRC-32C of those 8 bytes, the data, u32 masked
 * CRC-32C of the data, all little-endian. Each data is a protobuf Event { double wall_time = 1;
 * int64 step = 2; string file_version = 3 | Summary summary = 5 | SessionLog session_log = 7 },
 * with Summary { repeated Value { string tag = 1; float simple_value = 2 } value = 1 }. */
#ifndef CMAT_TRAIN_TFEVENTS_H
#define CMAT_TRAIN_TFEVENTS_H
#include "cmat/error.h"
#include <stddef.h>
#include <stdint.h>

typedef struct cmat_tfevents cmat_tfevents;

typedef struct {
    const char *tag; /* "train/loss" */
    double value;
} cmat_tf_scalar;

/* A new file in dir; a run that goes on at `step` (-1: a new one) says so, and TensorBoard drops
 * what earlier files have from there on. */
cmat_status cmat_tfevents_open(cmat_tfevents **out, const char *dir, int64_t step, cmat_error *err);
void cmat_tfevents_close(cmat_tfevents *t); /* NULL is fine */
/* One event, written through at once. */
cmat_status cmat_tfevents_add(cmat_tfevents *t, int64_t step, const cmat_tf_scalar *scalars,
                              size_t n, cmat_error *err);
/* CRC-32C (Castagnoli, reflected 0x82f63b78), rotated and offset as TFRecord has it. */
uint32_t cmat_crc32c_masked(const void *data, size_t n);
#endif
