/* env/db/fold.c - text without case and accents: for values named in a question, and for MySQL's
 * collation. Latin, Greek and Cyrillic; other scripts stay as they are. */
#include "core/text.h"
#include "env/db/values.h"
#include <ctype.h>

/* Code points first..last all stand for `to`. In order. */
static const struct {
    unsigned short first, last;
    const char *to;
} folds[] = {
    {0xA0, 0xA0, " "},        {0xC0, 0xC5, "a"},     {0xC6, 0xC6, "ae"},
    {0xC7, 0xC7, "c"},        {0xC8, 0xCB, "e"},     {0xCC, 0xCF, "i"},
    {0xD0, 0xD0, "\xC3\xB0"}, {0xD1, 0xD1, "n"},     {0xD2, 0xD6, "o"},
    {0xD8, 0xD8, "o"},        {0xD9, 0xDC, "u"},     {0xDD, 0xDD, "y"},
    {0xDE, 0xDE, "\xC3\xBE"}, {0xDF, 0xDF, "ss"},    {0xE0, 0xE5, "a"},
    {0xE6, 0xE6, "ae"},       {0xE7, 0xE7, "c"},     {0xE8, 0xEB, "e"},
    {0xEC, 0xEF, "i"},        {0xF1, 0xF1, "n"},     {0xF2, 0xF6, "o"},
    {0xF8, 0xF8, "o"},        {0xF9, 0xFC, "u"},     {0xFD, 0xFD, "y"},
    {0xFF, 0xFF, "y"},        {0x100, 0x105, "a"},   {0x106, 0x10D, "c"},
    {0x10E, 0x111, "d"},      {0x112, 0x11B, "e"},   {0x11C, 0x123, "g"},
    {0x124, 0x127, "h"},      {0x128, 0x131, "i"},   {0x132, 0x133, "ij"},
    {0x134, 0x135, "j"},      {0x136, 0x138, "k"},   {0x139, 0x142, "l"},
    {0x143, 0x149, "n"},      {0x14C, 0x151, "o"},   {0x152, 0x153, "oe"},
    {0x154, 0x159, "r"},      {0x15A, 0x161, "s"},   {0x162, 0x167, "t"},
    {0x168, 0x173, "u"},      {0x174, 0x175, "w"},   {0x176, 0x178, "y"},
    {0x179, 0x17E, "z"},      {0x17F, 0x17F, "s"},   {0x1A0, 0x1A1, "o"},
    {0x1AF, 0x1B0, "u"},      {0x1CD, 0x1CE, "a"},   {0x1CF, 0x1D0, "i"},
    {0x1D1, 0x1D2, "o"},      {0x1D3, 0x1DC, "u"},   {0x1E6, 0x1E7, "g"},
    {0x1E8, 0x1E9, "k"},      {0x218, 0x219, "s"},   {0x21A, 0x21B, "t"},
    {0x300, 0x36F, ""},       {0x386, 0x386, "α"},   {0x388, 0x388, "ε"},
    {0x389, 0x389, "η"},      {0x38A, 0x38A, "ι"},   {0x38C, 0x38C, "ο"},
    {0x38E, 0x38E, "υ"},      {0x38F, 0x38F, "ω"},   {0x3AC, 0x3AC, "α"},
    {0x3AD, 0x3AD, "ε"},      {0x3AE, 0x3AE, "η"},   {0x3AF, 0x3AF, "ι"},
    {0x3C2, 0x3C2, "σ"},      {0x3CC, 0x3CC, "ο"},   {0x3CD, 0x3CD, "υ"},
    {0x3CE, 0x3CE, "ω"},      {0x401, 0x401, "е"},   {0x451, 0x451, "е"},
    {0x1E00, 0x1E01, "a"},    {0x1E02, 0x1E07, "b"}, {0x1E08, 0x1E09, "c"},
    {0x1E0A, 0x1E13, "d"},    {0x1E14, 0x1E1D, "e"}, {0x1E1E, 0x1E1F, "f"},
    {0x1E20, 0x1E21, "g"},    {0x1E22, 0x1E2B, "h"}, {0x1E2C, 0x1E2F, "i"},
    {0x1E30, 0x1E35, "k"},    {0x1E36, 0x1E3D, "l"}, {0x1E3E, 0x1E43, "m"},
    {0x1E44, 0x1E4B, "n"},    {0x1E4C, 0x1E53, "o"}, {0x1E54, 0x1E57, "p"},
    {0x1E58, 0x1E5F, "r"},    {0x1E60, 0x1E69, "s"}, {0x1E6A, 0x1E71, "t"},
    {0x1E72, 0x1E7B, "u"},    {0x1E7C, 0x1E7F, "v"}, {0x1E80, 0x1E89, "w"},
    {0x1E8A, 0x1E8D, "x"},    {0x1E8E, 0x1E8F, "y"}, {0x1E90, 0x1E95, "z"},
    {0x1EA0, 0x1EB7, "a"},    {0x1EB8, 0x1EC7, "e"}, {0x1EC8, 0x1ECB, "i"},
    {0x1ECC, 0x1EE3, "o"},    {0x1EE4, 0x1EF1, "u"}, {0x1EF2, 0x1EF9, "y"},
};

static const char *find_fold(uint32_t cp)
{
    size_t lo = 0, hi = sizeof folds / sizeof *folds;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (cp > folds[mid].last)
            lo = mid + 1;
        else if (cp < folds[mid].first)
            hi = mid;
        else
            return folds[mid].to;
    }
    return NULL;
}

static void fold_wide(cmat_buf *out, uint32_t cp)
{
    const char *to = find_fold(cp);
    char utf8[4];
    if (to) {
        cmat_buf_puts(out, to);
        return;
    }
    if ((cp >= 0x391 && cp <= 0x3A9) || (cp >= 0x410 && cp <= 0x42F))
        cp += 0x20;
    else if (cp >= 0x400 && cp <= 0x40F)
        cp += 0x50;
    cmat_buf_add(out, utf8, (size_t)cmat_utf8_encode(cp, utf8));
}

void db_fold_plain(cmat_buf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        uint32_t cp;
        int len = c < 0x80 ? 1 : cmat_utf8_decode(s + i, n - i, &cp);
        if (c < 0x80)
            cmat_buf_putc(out, (char)tolower(c));
        else if (len == 0)
            cmat_buf_putc(out, (char)c); /* no UTF-8: kept as it is */
        else
            fold_wide(out, cp);
        i += len ? (size_t)len : 1;
    }
}

void db_fold(cmat_buf *out, const char *s, size_t n)
{
    cmat_buf plain = {0};
    bool gap = false, any = false;
    db_fold_plain(&plain, s, n);
    for (size_t i = 0; i < plain.len; i++) {
        bool space = isspace((unsigned char)plain.data[i]) != 0;
        if (!space) {
            if (gap && any)
                cmat_buf_putc(out, ' ');
            cmat_buf_putc(out, plain.data[i]);
            any = true;
        }
        gap = space;
    }
    cmat_buf_clear(&plain);
}
