/* complete.c - walks an acceptor through the words that may come next. */
#include "cli/complete.h"
#include "core/mem.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORDS_MAX = 200,  /* more than this: free text */
    WORD_BYTES = 64,  /* of one word */
    STATES_MAX = 5000 /* looked at for one list */
};
typedef struct {
    _Alignas(16) unsigned char bytes[CMAT_ACCEPTOR_STATE_MAX];
} state;

static bool step(const cmat_acceptor *a, const state *from, uint8_t byte, state *to)
{
    *to = *from;
    return a->ops->step(a, to, byte);
}

static bool feed(const cmat_acceptor *a, state *s, const cmat_buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (!a->ops->step(a, s, (uint8_t)text->data[i]))
            return false;
    return true;
}

bool cli_is_whole(const cmat_acceptor *a, const cmat_buf *text)
{
    state s = {{0}};
    a->ops->start(a, &s);
    return feed(a, &s, text) && a->ops->done(a, &s);
}

static bool in_word(uint8_t byte)
{
    return isalnum(byte) || byte == '_' || byte >= 0x80;
}

/* The only byte that may follow, where the text may not end either; 0: none or several. */
static uint8_t forced(const cmat_acceptor *a, const state *s)
{
    uint8_t only = 0;
    state next;
    if (a->ops->done(a, s))
        return 0;
    for (int b = 1; b < 256; b++) {
        if (b == '\n' || !step(a, s, (uint8_t)b, &next))
            continue;
        if (only)
            return 0;
        only = (uint8_t)b;
    }
    return only;
}

static void add_word(cli_completion *c, const cmat_buf *word)
{
    cmat_buf_add(&c->text, cmat_buf_str(word), word->len + 1);
    c->n++;
}

/* Words from s on; false: too many. `n_states` counts down. */
static bool walk(cli_completion *c, const state *s, cmat_buf *word, size_t start, int *n_states)
{
    const cmat_acceptor *a = c->acceptor;
    const size_t len = word->len;
    bool ends = len > start && a->ops->done(a, s);
    state next;
    if (--*n_states < 0 || len - start > WORD_BYTES)
        return false;
    for (int b = 1; b < 256 && !ends; b++)
        ends = len > start && !in_word((uint8_t)b) && step(a, s, (uint8_t)b, &next);
    if (ends)
        add_word(c, word);
    for (int b = 1; b < 256; b++) {
        if (!in_word((uint8_t)b) || !step(a, s, (uint8_t)b, &next))
            continue;
        cmat_buf_putc(word, (char)b);
        const bool ok = c->n <= WORDS_MAX && walk(c, &next, word, start, n_states);
        cmat_buf_truncate(word, len);
        if (!ok)
            return false;
    }
    return true;
}

size_t cli_completion_after(void *user, const cmat_buf *line, const char *const **words)
{
    cli_completion *c = user;
    const cmat_acceptor *a = c->acceptor;
    state s = {{0}}, next;
    cmat_buf word = {0};
    int n_states = STATES_MAX;
    uint8_t b;
    c->n = 0;
    cmat_buf_truncate(&c->text, 0);
    a->ops->start(a, &s);
    if (!feed(a, &s, c->before) || !feed(a, &s, line))
        return 0;
    cmat_buf_add(&word, cmat_buf_str(line), line->len);
    while (word.len - line->len < WORD_BYTES && (b = forced(a, &s)) != 0 && step(a, &s, b, &next)) {
        s = next;
        cmat_buf_putc(&word, (char)b);
    }
    if (word.len > line->len)
        add_word(c, &word);
    else if (!walk(c, &s, &word, word.len, &n_states))
        c->n = 0;
    cmat_buf_clear(&word);
    c->words = cmat_xgrow(c->words, &c->cap, c->n + 1, sizeof *c->words);
    const char *p = cmat_buf_str(&c->text);
    for (size_t i = 0; i < c->n; i++, p += strlen(p) + 1)
        c->words[i] = p;
    *words = c->words;
    return c->n;
}

void cli_completion_clear(cli_completion *c)
{
    cmat_buf_clear(&c->text);
    free(c->words);
    *c = (cli_completion){0};
}
