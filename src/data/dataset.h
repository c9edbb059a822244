/* data/dataset.h - conversations to learn from: load, filter, dedupe, mix, split, save.
 *
 * A row is a list of OpenAI messages. Files are JSONL or one JSON array, in OpenAI's form
 * {"messages": [...]}, Alpaca's {"instruction", "input", "output"} or ShareGPT's
 * {"conversations": [{"from", "value"}]}; which one is found out from the rows. Nothing here knows
 * a model. */
#ifndef CMAT_DATA_DATASET_H
#define CMAT_DATA_DATASET_H
#include "cmat/error.h"
#include "core/rng.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    CMAT_DATA_AUTO, /* load: detect */
    CMAT_DATA_MESSAGES,
    CMAT_DATA_ALPACA,
    CMAT_DATA_SHAREGPT
} cmat_data_format;
extern const char *const cmat_data_format_names[]; /* "auto", "messages", "alpaca", "sharegpt" */

typedef struct {
    json_t *messages; /* owned: [{"role", "content", "weight"?}]; weight: of an assistant message */
    json_t *
        extra; /* owned object: the row's other members ("kind", "task", "tools" ...); never NULL */
    char *id;  /* the file's, or 16 hex digits over the messages */
    float weight; /* times the weight of each message; > 0 */
    size_t line;  /* in the file, or 0 */
} cmat_row;

typedef struct {
    cmat_row *items;
    size_t n, cap;
} cmat_dataset; /* all zero is empty */

/* Takes messages, also on failure; checks roles, contents and weights ("loss": false becomes weight
 * 0). id NULL: made from the messages. CMAT_ERR_FORMAT begins with what ("tasks.jsonl: line 3"). */
cmat_status cmat_row_init(cmat_row *out, json_t *messages, const char *id, double weight,
                          const char *what, cmat_error *err);
void cmat_row_clear(cmat_row *r); /* accepts a cleared one */
/* Appends a row and clears *row. */
void cmat_dataset_take_row(cmat_dataset *ds, cmat_row *row);
/* cmat_row_init and cmat_dataset_take_row. */
cmat_status cmat_dataset_add(cmat_dataset *ds, json_t *messages, const char *id, double weight,
                             const char *what, cmat_error *err);
/* Appends a copy of a row (the JSON is shared). */
void cmat_dataset_add_row(cmat_dataset *ds, const cmat_row *row);
/* Appends the rows of a file. format AUTO: detected from the first row; *found (may be NULL) is
 * which. On failure ds is as it was; the message names file and line. */
cmat_status cmat_dataset_load(cmat_dataset *ds, const char *path, cmat_data_format format,
                              cmat_data_format *found, cmat_error *err);
/* JSONL in OpenAI's form, atomically; the same rows give the same bytes. */
cmat_status cmat_dataset_save(const cmat_dataset *ds, const char *path, cmat_error *err);
/* Drops the rows from n on. */
void cmat_dataset_truncate(cmat_dataset *ds, size_t n);
void cmat_dataset_clear(cmat_dataset *ds);

/* Keeps the rows for which keep says true; returns how many were dropped. */
size_t cmat_dataset_filter(cmat_dataset *ds, bool (*keep)(void *user, const cmat_row *row),
                           void *user);
/* Keeps rows of min_chars..max_chars bytes of content (max 0: any) with at least one assistant
 * message that has weight; returns how many were dropped. */
size_t cmat_dataset_filter_length(cmat_dataset *ds, size_t min_chars, size_t max_chars);

typedef struct {
    size_t n_exact, n_near; /* dropped */
} cmat_dedupe_counts;
/* Keeps the first of rows that say the same: exactly (case, white space and weights aside) or, with
 * threshold below 1, when the estimated Jaccard similarity of their word 3-grams is at least
 * threshold (MinHash with 128 hashes, found through bands: Broder 1997). ignore_system: messages of
 * role system do not count, since a long prompt that all rows share would make all alike. */
cmat_dedupe_counts cmat_dataset_dedupe(cmat_dataset *ds, double threshold, bool ignore_system);

typedef struct {
    const cmat_dataset *from;
    double share; /* of the mixture, relative to the other parts; > 0 */
} cmat_mix_part;
/* Appends n rows drawn from the parts by share: each part is gone through in shuffled order, again
 * from the start when it is used up. The same seed gives the same rows. CMAT_ERR_ARG: an empty
 * part. */
cmat_status cmat_dataset_mix(cmat_dataset *out, const cmat_mix_part *parts, size_t n_parts,
                             size_t n, uint64_t seed, cmat_error *err);

/* Splits by a hash of (seed, id): a row stays on its side whatever else is in the file. About
 * fraction of the rows go to b, the rest to a (both appended to). */
void cmat_dataset_split(const cmat_dataset *ds, double fraction, uint64_t seed, cmat_dataset *a,
                        cmat_dataset *b);
/* Shuffles in place. */
void cmat_dataset_shuffle(cmat_dataset *ds, uint64_t seed);
#endif
