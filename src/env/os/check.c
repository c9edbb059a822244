/* check.c - AgentBench's check helpers, written anew. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "env/os/check.h"
#include "core/buf.h"
#include "core/fs.h"
#include <ctype.h>
#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *s;
    size_t n;
} part;

static part trimmed(const char *s)
{
    part p = {s, strlen(s)};
    while (p.n > 0 && isspace((unsigned char)*p.s)) {
        p.s++;
        p.n--;
    }
    while (p.n > 0 && isspace((unsigned char)p.s[p.n - 1]))
        p.n--;
    return p;
}

/* Python's int(): sign, digits, single underscores between them. The digits without leading zeros
 * go to `digits`, so that any length compares; false: not an integer. */
static bool read_integer(const char *text, cmat_buf *digits, bool *negative)
{
    part p = trimmed(text);
    size_t i = 0;
    *negative = p.n > 0 && *p.s == '-';
    if (p.n > 0 && (*p.s == '-' || *p.s == '+'))
        i++;
    if (i == p.n)
        return false;
    for (size_t first = i; i < p.n; i++) {
        if (p.s[i] == '_' && i > first && i + 1 < p.n && p.s[i - 1] != '_')
            continue;
        if (!isdigit((unsigned char)p.s[i]))
            return false;
        if (p.s[i] != '0' || digits->len > 0)
            cmat_buf_putc(digits, p.s[i]);
    }
    *negative = *negative && digits->len > 0;
    return true;
}

static bool match_integer(const char *answer, const char *expected)
{
    cmat_buf a = {0}, b = {0};
    bool na, nb;
    const bool same = read_integer(answer, &a, &na) && read_integer(expected, &b, &nb) &&
                      na == nb && strcmp(cmat_buf_str(&a), cmat_buf_str(&b)) == 0;
    cmat_buf_clear(&a);
    cmat_buf_clear(&b);
    return same;
}

/* Line ends as \n, spaces at both ends gone. */
static void normal(const char *text, cmat_buf *out)
{
    part p = trimmed(text);
    for (size_t i = 0; i < p.n; i++) {
        if (p.s[i] != '\r')
            cmat_buf_putc(out, p.s[i]);
        else if (i + 1 == p.n || p.s[i + 1] != '\n')
            cmat_buf_putc(out, '\n');
    }
}

static bool compare(const char *answer, const char *expected,
                    bool (*with)(const char *a, const char *b))
{
    cmat_buf a = {0}, b = {0};
    normal(answer, &a);
    normal(expected, &b);
    const bool ok = with(cmat_buf_str(&a), cmat_buf_str(&b));
    cmat_buf_clear(&a);
    cmat_buf_clear(&b);
    return ok;
}

static bool equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool contains(const char *a, const char *b)
{
    return strstr(a, b) != NULL;
}

static bool contained(const char *a, const char *b)
{
    return strstr(b, a) != NULL;
}

static bool match_string(const char *answer, const char *expected)
{
    return compare(answer, expected, equal);
}

static bool match_containing(const char *answer, const char *expected)
{
    return compare(answer, expected, contains);
}

static bool match_in(const char *answer, const char *expected)
{
    return compare(answer, expected, contained);
}

/* "4.0K", "12 MB", "100": bytes. The benchmark's own takes whole numbers only, so that it fails on
 * what `du -h` prints; decimals are taken here. */
static bool read_size(const char *text, double *bytes)
{
    static const char units[] = "BKMGTP";
    part p = trimmed(text);
    char number[64], *end;
    double unit = 1;
    if (p.n > 1 && p.s[p.n - 1] == 'B' && strchr("KMGTP", p.s[p.n - 2]))
        p.n--;
    else if (p.n > 4 && memcmp(p.s + p.n - 4, "Byte", 4) == 0)
        p.n -= 4;
    if (p.n == 0 || p.n >= sizeof number)
        return false;
    const char *u = strchr(units, p.s[p.n - 1]);
    if (u) {
        unit = pow(1024, (double)(u - units));
        p.n--;
    }
    memcpy(number, p.s, p.n);
    number[p.n] = '\0';
    *bytes = strtod(number, &end) * unit;
    return end != number && end[strspn(end, " ")] == '\0' && isfinite(*bytes);
}

static bool match_size(const char *answer, const char *expected)
{
    double a, b;
    return read_size(answer, &a) && read_size(expected, &b) && a == b;
}

static const struct {
    const char *name, *file;
    os_match match;
} helpers[] = {
    {"integer", "integer-match.py", match_integer},
    {"string", "string-match.py", match_string},
    {"size", "size-match.py", match_size},
    {"containing", "containing.py", match_containing},
    {"in", "in.py", match_in},
};

os_match os_match_find(const char *name)
{
    for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++)
        if (strcmp(helpers[i].name, name) == 0)
            return helpers[i].match;
    return NULL;
}

const char *os_match_of_file(const char *file)
{
    for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++)
        if (strcmp(helpers[i].file, cmat_path_base(file)) == 0)
            return helpers[i].name;
    return NULL;
}

bool os_match_regex(const char *text, const char *pattern)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *re =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);
    if (!re)
        return false;
    pcre2_match_data *m = pcre2_match_data_create_from_pattern(re, NULL);
    const int n = m ? pcre2_match(re, (PCRE2_SPTR)text, strlen(text), 0, 0, m, NULL) : -1;
    pcre2_match_data_free(m);
    pcre2_code_free(re);
    return n >= 0;
}
