/* tests/hostile.h - what a hostile world may say, for the tests of environments.
 *
 * A page, a file, a cell or a name can hold anything: orders to the model, the marks of a chat
 * template, terminal escapes, megabytes in one line, bytes that are no text. A test puts each of
 * hostile_texts() where its world keeps text, then has what came out checked:
 *
 *   size_t n;
 *   const hostile_text *h = hostile_texts(&n);
 *   for (size_t i = 0; i < n; i++) {
 *       ... a world with h[i].text (h[i].len bytes), reset, step ...
 *       hostile_check(h[i].name, &obs, budget);
 *   }
 *
 * Link hostile_dep and the agent layer (tests/meson.build). */
#ifndef HOSTILE_H
#define HOSTILE_H
#include "env/env.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *name; /* "template tokens" */
    const char *text; /* len bytes and a NUL; borrowed, alive until the program ends */
    size_t len;
    bool utf8; /* valid UTF-8 without NUL: may go through JSON and command lines */
} hostile_text;

/* All of them; the two of 10 MB stand last. */
const hostile_text *hostile_texts(size_t *n);

/* Fails the running test, with the text's name, unless the observation is fit to be seen: valid
 * UTF-8, nothing hidden (no controls but \n and \t, no bidirectional or zero-width marks, no tag
 * characters), at most budget bytes (0: CMAT_OBS_MAX) and a note of at most 80; and, put into the
 * prompt as the agent does, it stays between the marks and holds no token of a chat template. */
void hostile_check(const char *name, const cmat_obs *obs, size_t budget);
/* The same of any text that an environment hands to a prompt (facts, rules). */
void hostile_check_text(const char *name, const cmat_buf *text, size_t budget);
/* Only of a prompt's finished text: no template token, no mark of ours, nothing hidden. */
void hostile_check_data(const char *name, const char *text, size_t len);
#endif
