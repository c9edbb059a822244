/* data/dedupe.c - drops rows that say what an earlier one says.
 *
 * A row's text is normalised (ASCII lower case, runs of anything but letters, digits and bytes of
 * UTF-8 sequences as one space) and hashed for exact copies. For near copies its word 3-grams are
 * hashed and the least value of each of 128 hash functions is kept (MinHash: the share of equal
 * minima estimates the Jaccard similarity, Broder 1997). Rows that agree in one of the bands are
 * compared in full. */
#include "core/buf.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "data/dataset.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { N_HASHES = 128, BAND = 4, N_BANDS = N_HASHES / BAND, GRAM = 3 };

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static void add_normalised(cmat_buf *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (isalnum(c) || c >= 0x80)
            cmat_buf_putc(b, (char)tolower(c));
        else if (b->len && b->data[b->len - 1] != ' ')
            cmat_buf_putc(b, ' ');
    }
}

/* What a row says: for exact copies with every sign, since "a < 5" is not "a > 5". */
static void row_text(cmat_buf *b, const cmat_row *row, bool ignore_system, bool exact)
{
    size_t i;
    json_t *msg;
    cmat_buf_truncate(b, 0);
    json_array_foreach(row->messages, i, msg)
    {
        const char *role = cmat_json_str(msg, "role", "");
        const json_t *content = json_object_get(msg, "content");
        if (ignore_system && strcmp(role, "system") == 0)
            continue;
        if (exact) {
            const char *s = json_string_value(content);
            size_t n = json_string_length(content);
            cmat_buf_puts(b, role);
            cmat_buf_putc(b, '\n');
            for (size_t k = 0; k < n; k++)
                if (!isspace((unsigned char)s[k]))
                    cmat_buf_putc(b, (char)tolower((unsigned char)s[k]));
                else if (b->data[b->len - 1] != ' ')
                    cmat_buf_putc(b, ' ');
        } else
            add_normalised(b, json_string_value(content), json_string_length(content));
        cmat_buf_putc(b, exact ? '\n' : ' ');
    }
}

static void minhash(uint32_t *sig, const char *text, size_t len)
{
    uint64_t words[GRAM] = {0};
    size_t n_words = 0, i = 0;
    memset(sig, 0xff, N_HASHES * sizeof *sig);
    while (i < len) {
        size_t start = i;
        while (i < len && text[i] != ' ')
            i++;
        words[n_words++ % GRAM] = cmat_fnv1a(text + start, i - start);
        while (i < len && text[i] == ' ')
            i++;
        if (n_words < GRAM && i < len)
            continue;
        uint64_t h = 0;
        for (size_t k = 0; k < GRAM; k++) /* oldest word first */
            h = mix(h + words[(n_words + k) % GRAM] + 0x9e3779b97f4a7c15ULL);
        for (uint64_t k = 0; k < N_HASHES; k++) {
            uint32_t x = (uint32_t)(mix(h + k * 0xd1342543de82ef95ULL) >> 32);
            if (x < sig[k])
                sig[k] = x;
        }
    }
}

/* An open table from 64-bit keys to rows; a key may occur several times. */
typedef struct {
    uint64_t *keys;
    size_t *rows; /* row + 1; 0: free */
    size_t size;  /* power of two */
} table;

static void table_init(table *t, size_t n)
{
    t->size = 16;
    while (t->size < 2 * n)
        t->size *= 2;
    t->keys = cmat_xcalloc(t->size, sizeof *t->keys);
    t->rows = cmat_xcalloc(t->size, sizeof *t->rows);
}

static void table_clear(table *t)
{
    free(t->keys);
    free(t->rows);
}

static void table_add(table *t, uint64_t key, size_t row)
{
    size_t i = mix(key) & (t->size - 1);
    while (t->rows[i])
        i = (i + 1) & (t->size - 1);
    t->keys[i] = key;
    t->rows[i] = row + 1;
}

typedef struct {
    table exact, bands;
    uint32_t *sigs; /* (rows, N_HASHES) */
    double threshold;
} finder;

static bool seen_exact(const finder *f, uint64_t key)
{
    for (size_t i = mix(key) & (f->exact.size - 1); f->exact.rows[i];
         i = (i + 1) & (f->exact.size - 1))
        if (f->exact.keys[i] == key)
            return true;
    return false;
}

static bool similar(const finder *f, const uint32_t *a, size_t row)
{
    const uint32_t *b = f->sigs + row * N_HASHES;
    int equal = 0;
    for (int i = 0; i < N_HASHES; i++)
        equal += a[i] == b[i];
    return equal >= f->threshold * N_HASHES;
}

static uint64_t band_key(const uint32_t *sig, int band)
{
    return cmat_fnv1a(sig + band * BAND, BAND * sizeof *sig) + (uint64_t)band;
}

/* Candidates looked at in one band: a band that very many rows share says little. */
enum { MAX_CANDIDATES = 256 };

static bool seen_near(const finder *f, const uint32_t *sig)
{
    const table *t = &f->bands;
    for (int band = 0; band < N_BANDS; band++) {
        uint64_t key = band_key(sig, band);
        int looked = 0;
        for (size_t i = mix(key) & (t->size - 1); t->rows[i] && looked < MAX_CANDIDATES;
             i = (i + 1) & (t->size - 1)) {
            if (t->keys[i] != key)
                continue;
            if (similar(f, sig, t->rows[i] - 1))
                return true;
            looked++;
        }
    }
    return false;
}

cmat_dedupe_counts cmat_dataset_dedupe(cmat_dataset *ds, double threshold, bool ignore_system)
{
    cmat_dedupe_counts counts = {0};
    cmat_dataset kept = {0};
    cmat_buf b = {0};
    finder f = {.threshold = threshold};
    bool near = threshold < 1;
    table_init(&f.exact, ds->n);
    table_init(&f.bands, near ? ds->n * N_BANDS : 0);
    f.sigs = cmat_xcalloc((near ? ds->n : 0) + 1, N_HASHES * sizeof *f.sigs);
    for (size_t i = 0; i < ds->n; i++) {
        uint32_t *sig = f.sigs + (near ? kept.n * N_HASHES : 0);
        row_text(&b, &ds->items[i], ignore_system, true);
        uint64_t key = cmat_fnv1a(cmat_buf_str(&b), b.len);
        if (seen_exact(&f, key)) {
            counts.n_exact++;
            continue;
        }
        if (near) {
            row_text(&b, &ds->items[i], ignore_system, false);
            minhash(sig, cmat_buf_str(&b), b.len);
            if (seen_near(&f, sig)) {
                counts.n_near++;
                continue;
            }
            for (int band = 0; band < N_BANDS; band++)
                table_add(&f.bands, band_key(sig, band), kept.n);
        }
        table_add(&f.exact, key, kept.n);
        cmat_dataset_add_row(&kept, &ds->items[i]);
    }
    cmat_buf_clear(&b);
    table_clear(&f.exact);
    table_clear(&f.bands);
    free(f.sigs);
    cmat_dataset_clear(ds);
    *ds = kept;
    return counts;
}
