/* core/text.h - UTF-8 and text meant for people. */
#ifndef CMAT_CORE_TEXT_H
#define CMAT_CORE_TEXT_H
#include "core/buf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the longest prefix of s[0..n) that is whole, valid UTF-8 sequences. */
size_t cmat_utf8_valid_prefix(const char *s, size_t n);
/* True when the bytes s[0..n) could be the start of a valid sequence cut short (n in 1..3). */
bool cmat_utf8_is_partial(const char *s, size_t n);
/* Decodes one code point at s (n > 0 bytes left): its length, or 0 when invalid. */
int cmat_utf8_decode(const char *s, size_t n, uint32_t *cp);
int cmat_utf8_encode(uint32_t cp, char out[4]);
/* Appends s with invalid bytes replaced by U+FFFD, and so every character that is hidden: what may
 * be shown on a terminal or put into a prompt. */
void cmat_text_inert(cmat_buf *b, const char *s, size_t n);
/* Control characters (terminal escapes) except \n and \t, marks that reorder a line or have no
 * width, tag characters. */
bool cmat_text_is_hidden(uint32_t cp);
/* Appends s in lower case (Unicode's simple mapping, character by character); invalid bytes as they
 * are. */
void cmat_text_lower(cmat_buf *b, const char *s, size_t n);
/* Appends s with & < > " ' escaped. */
void cmat_text_html(cmat_buf *b, const char *s, size_t n);
/* "1.2 GB", "3 min 20 s", "1,234": written into out. */
void cmat_text_bytes(char *out, size_t size, double bytes);
void cmat_text_seconds(char *out, size_t size, double seconds);
/* Bytes to insert, delete or change to make one text the other (Levenshtein); m is at most
 * CMAT_DISTANCE_MAX. */
enum { CMAT_DISTANCE_MAX = 255 };
size_t cmat_text_distance(const char *a, size_t n, const char *b, size_t m);
/* Case-insensitive search; NULL when absent. */
const char *cmat_text_find(const char *haystack, const char *needle);
/* Appends n values as a line of block characters, the least lowest, the greatest highest. */
void cmat_text_sparkline(cmat_buf *b, const double *y, size_t n);
#endif
