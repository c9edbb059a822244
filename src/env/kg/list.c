/* env/kg/list.c - lists of strings, names, labels, values: what all parts of the graph share. */
#include "core/mem.h"
#include "core/text.h"
#include "env/kg/graph.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ---- */

void kg_list_add(kg_list *l, const char *s)
{
    l->at = cmat_xgrow(l->at, &l->cap, l->n + 1, sizeof *l->at);
    l->at[l->n++] = l->text.len;
    cmat_buf_add(&l->text, s, strlen(s) + 1);
}

const char *kg_list_get(const kg_list *l, size_t i)
{
    return l->text.data + l->at[i];
}

static int order(const void *a, const void *b, void *text)
{
    return strcmp((const char *)text + *(const size_t *)a, (const char *)text + *(const size_t *)b);
}

void kg_list_sort(kg_list *l)
{
    size_t n = 0;
    if (l->n == 0)
        return;
    qsort_r(l->at, l->n, sizeof *l->at, order, l->text.data);
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || strcmp(kg_list_get(l, n - 1), kg_list_get(l, i)) != 0)
            l->at[n++] = l->at[i];
    l->n = n;
}

bool kg_list_has(const kg_list *l, const char *s)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int c = strcmp(kg_list_get(l, mid), s);
        if (c == 0)
            return true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

/* Of short strings. */
static size_t distance(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    return n >= 127 || m >= 127 ? SIZE_MAX : cmat_text_distance(a, n, b, m);
}

const char *kg_list_nearest(const kg_list *l, const char *s)
{
    const char *best = NULL;
    size_t least = strlen(s) / 2 + 1;
    for (size_t i = 0; i < l->n; i++) {
        const size_t d = distance(kg_list_get(l, i), s);
        if (d < least) {
            least = d;
            best = kg_list_get(l, i);
        }
    }
    return best;
}

void kg_list_clear(kg_list *l)
{
    cmat_buf_clear(&l->text);
    free(l->at);
    memset(l, 0, sizeof *l);
}

void kg_expr_clear(kg_expr *e)
{
    free(e->name);
    free(e->set.ids);
    memset(e, 0, sizeof *e);
}

/* ---- names and labels ---- */

void kg_clean_name(cmat_buf *out, const char *s, size_t len)
{
    cmat_buf inert = {0};
    const size_t start = out->len;
    cmat_text_inert(&inert, s, len > 4 * KG_LABEL_MAX ? 4 * KG_LABEL_MAX : len);
    for (size_t i = 0; i < inert.len && out->len - start < KG_WORD_MAX;) {
        uint32_t cp = 0;
        const int n = cmat_utf8_decode(inert.data + i, inert.len - i, &cp);
        const unsigned char c = (unsigned char)inert.data[i];
        if (n > 1 && cp >= 0xc0 && cp < 0x2000) /* letters of most scripts; no marks, no spaces */
            cmat_buf_add(out, inert.data + i, (size_t)n);
        else
            cmat_buf_putc(out, n == 1 && (isalnum(c) || strchr("_.:-/~", c)) ? (char)c : '_');
        i += n > 0 ? (size_t)n : 1;
    }
    if (out->len == start)
        cmat_buf_putc(out, '_');
    cmat_buf_clear(&inert);
}

void kg_clean_label(cmat_buf *out, const char *s, size_t len)
{
    cmat_buf inert = {0};
    const bool cut = len > KG_LABEL_MAX;
    cmat_text_inert(&inert, s, cut ? KG_LABEL_MAX : len);
    size_t n = inert.len > KG_LABEL_MAX ? KG_LABEL_MAX : inert.len;
    n = cmat_utf8_valid_prefix(cmat_buf_str(&inert), n);
    for (size_t i = 0; i < n; i++)
        cmat_buf_putc(out, inert.data[i] == '\n' || inert.data[i] == '\t' ? ' ' : inert.data[i]);
    if (cut)
        cmat_buf_puts(out, "...");
    cmat_buf_clear(&inert);
}

/* ---- values ---- */

static bool digits(const char *s, int n)
{
    for (int i = 0; i < n; i++)
        if (!isdigit((unsigned char)s[i]))
            return false;
    return true;
}

/* "[-]YYYY-MM[-DD[T...]]" as years and parts of one, so that it orders with bare years. */
static bool date(const char *s, double *out)
{
    const bool before = *s == '-';
    s += before;
    if (strlen(s) < 7 || !digits(s, 4) || s[4] != '-' || !digits(s + 5, 2))
        return false;
    const int month = atoi(s + 5);
    double day = 1, rest = 0;
    if (month < 1 || month > 12)
        return false;
    if (s[7] == '-' && digits(s + 8, 2)) {
        day = atoi(s + 8);
        if (s[10] == 'T' && strlen(s) >= 16 && digits(s + 11, 2) && digits(s + 14, 2))
            rest = (atoi(s + 11) * 60 + atoi(s + 14)) / 1440.0;
        else if (s[10] && s[10] != 'T' && s[10] != 'Z' && s[10] != '+' && s[10] != '-')
            return false;
    } else if (s[7] && s[7] != 'Z' && s[7] != '+' && s[7] != '-') {
        return false;
    }
    if (day < 1 || day > 31)
        return false;
    *out = atoi(s) + (month - 1 + (day - 1 + rest) / 31) / 12;
    if (before)
        *out = -*out;
    return true;
}

bool kg_number(const char *s, double *out, bool *is_date)
{
    char *end;
    *is_date = false;
    if (!*s || strlen(s) > 40)
        return false;
    if (date(s, out)) {
        *is_date = true;
        return true;
    }
    if (!isdigit((unsigned char)*s) && *s != '-' && *s != '+' && *s != '.')
        return false;
    if (s[strspn(s, "0123456789+-.eE")])
        return false; /* no hexadecimal, no "inf" */
    *out = strtod(s, &end);
    return end != s && !*end && isfinite(*out);
}
