/* env/choices.c - the listed actions as a trie, which a sorted list already is: a state is the
 * range of choices that begin with what was written, and how many bytes that was. */
#include "env/choices.h"
#include "core/buf.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    cmat_acceptor base;
    char *think, *lead, *free_lead;
    int think_max, free_max;
    char free_end;
    size_t n;
    const char **choices; /* (n), pointing into text */
    char *text;
    bool *open; /* (n) */
} choices;

/* Where in the reply: both beginnings possible; in the word that begins a thought; in the thought;
 * before the action; in the action; in its free words; behind them; in those after an open one;
 * somewhere behind a line that was looked at alone. */
typedef enum {
    AT_START,
    IN_MARK,
    IN_THOUGHT,
    IN_LEAD,
    IN_CHOICE,
    IN_FREE,
    BEHIND_FREE,
    IN_OPEN,
    BEYOND
} place;

typedef struct {
    uint8_t at;
    uint8_t n_cont;   /* UTF-8 continuation bytes to come */
    uint8_t free;     /* what was written of the action begins free_lead */
    uint8_t alone;    /* the thought or words only: what follows is not known */
    uint16_t pos;     /* bytes of the mark, the lead or the choice */
    uint16_t thought; /* bytes of it, or of the free words */
    uint32_t lo, hi;  /* choices[lo..hi) agree with what was written */
} state;

static void begin_action(const choices *c, state *s)
{
    s->at = *c->lead ? IN_LEAD : IN_CHOICE;
    s->pos = 0;
    s->lo = 0;
    s->hi = (uint32_t)c->n;
    s->free = c->free_lead != NULL;
}

static void choices_start(const cmat_acceptor *a, void *vs)
{
    const choices *c = (const choices *)a;
    state *s = vs;
    begin_action(c, s);
    if (c->think)
        s->at = AT_START;
}

/* The first of choices[lo..hi) whose byte at pos is not below `byte`. */
static uint32_t lower_bound(const choices *c, const state *s, unsigned byte)
{
    uint32_t lo = s->lo, hi = s->hi;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if ((uint8_t)c->choices[mid][s->pos] < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool choice_step(const choices *c, state *s, uint8_t byte)
{
    if (byte == 0)
        return false;
    const uint32_t lo = lower_bound(c, s, byte), hi = lower_bound(c, s, byte + 1u);
    s->free = s->free && (uint8_t)c->free_lead[s->pos] == byte;
    s->lo = lo;
    s->hi = hi;
    s->pos++;
    if (s->free && !c->free_lead[s->pos]) {
        s->at = IN_FREE;
        s->thought = 0;
    } else if (lo < hi && c->open[lo] && !c->choices[lo][s->pos]) {
        s->at = IN_OPEN;
        s->thought = 0;
    }
    return lo < hi || s->free;
}

/* One more byte of a line of at most max bytes of UTF-8. */
static bool line_step(state *s, uint8_t byte, int max)
{
    if (++s->thought > max)
        return false;
    if (s->n_cont > 0) {
        s->n_cont--;
        return (byte & 0xc0) == 0x80;
    }
    if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && byte < 0xc2) || byte > 0xf4)
        return false;
    if (byte >= 0x80)
        s->n_cont = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
    return s->thought + s->n_cont <= max;
}

static bool free_step(const choices *c, state *s, uint8_t byte)
{
    if (byte == (uint8_t)c->free_end && s->thought > 0 && s->n_cont == 0) {
        s->at = BEHIND_FREE;
        return true;
    }
    if (byte == '[' || byte == ']' || (byte == ' ' && s->thought == 0))
        return false;
    return line_step(s, byte, c->free_max);
}

static bool thought_step(const choices *c, state *s, uint8_t byte)
{
    if (byte == '\n' && s->thought > 0 && s->n_cont == 0) {
        begin_action(c, s);
        if (s->alone)
            s->at = BEYOND;
        return true;
    }
    return line_step(s, byte, c->think_max);
}

static bool mark_step(const choices *c, state *s, uint8_t byte)
{
    if ((uint8_t)c->think[s->pos++] != byte)
        return false;
    if (!c->think[s->pos])
        s->at = IN_THOUGHT;
    return true;
}

static bool lead_step(const choices *c, state *s, uint8_t byte)
{
    if ((uint8_t)c->lead[s->pos++] != byte)
        return false;
    if (!c->lead[s->pos]) {
        begin_action(c, s);
        s->at = IN_CHOICE;
    }
    return true;
}

static bool choices_step(const cmat_acceptor *a, void *vs, uint8_t byte)
{
    const choices *c = (const choices *)a;
    state *s = vs;
    switch (s->at) {
    case AT_START:
        if ((uint8_t)c->think[0] == byte) {
            s->at = IN_MARK;
            return mark_step(c, s, byte);
        }
        begin_action(c, s);
        return choices_step(a, vs, byte);
    case IN_MARK:
        return mark_step(c, s, byte);
    case IN_THOUGHT:
        return thought_step(c, s, byte);
    case IN_LEAD:
        return lead_step(c, s, byte);
    case IN_FREE:
        return free_step(c, s, byte);
    case BEHIND_FREE:
    case BEYOND:
        return false;
    case IN_OPEN:
        return line_step(s, byte, c->free_max);
    default:
        return choice_step(c, s, byte);
    }
}

static bool choices_done(const cmat_acceptor *a, const void *vs)
{
    const choices *c = (const choices *)a;
    const state *s = vs;
    if (s->at == BEHIND_FREE || s->at == IN_OPEN)
        return s->n_cont == 0;
    /* Sorted, so that a choice that ends here is the first of those that go on. */
    return s->at == IN_CHOICE && s->lo < s->hi && s->pos > 0 && !c->choices[s->lo][s->pos];
}

static bool in_line(const state *s)
{
    return s->at == IN_THOUGHT || s->at == IN_FREE || s->at == IN_OPEN;
}

static uint64_t choices_key(const cmat_acceptor *a, const void *vs)
{
    const choices *c = (const choices *)a;
    const state *s = vs;
    if (in_line(s)) { /* near its cap the length decides what fits */
        const int max = s->at == IN_THOUGHT ? c->think_max : c->free_max;
        if (s->thought + CMAT_ACCEPTOR_AHEAD > max)
            return 0;
        return s->at + 1u + 16u * s->n_cont + 64u * (s->thought > 0) + 128u * s->alone;
    }
    return ((uint64_t)s->at + 1 + (s->free ? 16 : 0)) | (uint64_t)s->pos << 8 |
           (uint64_t)s->lo << 24 | (uint64_t)s->hi << 44;
}

/* A thought and free words are alike in all lists of choices. */
static void choices_inner(const cmat_acceptor *a, const void *vs, void *inner)
{
    state *s = inner;
    (void)a;
    *s = *(const state *)vs;
    if (in_line(s))
        s->alone = true;
}

static bool choices_unknown(const cmat_acceptor *a, const void *vs)
{
    (void)a;
    return ((const state *)vs)->at == BEYOND;
}

static void choices_free(cmat_acceptor *a)
{
    choices *c = (choices *)a;
    free(c->think);
    free(c->lead);
    free(c->free_lead);
    free(c->choices);
    free(c->text);
    free(c->open);
    free(c);
}

static const cmat_acceptor_ops choices_ops = {
    .name = "choices",
    .start = choices_start,
    .step = choices_step,
    .done = choices_done,
    .key = choices_key,
    .inner = choices_inner,
    .unknown = choices_unknown,
    .free = choices_free,
};

/* Everything that steps look at; of a line alone, what ends it. */
static void identify(choices *c, size_t text_len)
{
    cmat_buf all = {0};
    const int numbers[] = {c->think_max, c->free_max, (int)c->n};
    cmat_buf_add(&all, numbers, sizeof numbers);
    cmat_buf_printf(&all, "%d%s\n%s\n%d%s\n%c", c->think != NULL, c->think ? c->think : "", c->lead,
                    c->free_lead != NULL, c->free_lead ? c->free_lead : "", c->free_end);
    cmat_buf_add(&all, c->open, c->n * sizeof *c->open);
    cmat_buf_add(&all, c->text, text_len);
    c->base.identity = cmat_acceptor_identity_of(choices_ops.name, all.data, all.len);
    c->base.inner_identity = cmat_acceptor_identity_of("a line of choices", &c->free_end, 1);
    cmat_buf_clear(&all);
}

cmat_acceptor *cmat_choices_new(const cmat_choices_options *o)
{
    choices *c = cmat_xcalloc(1, sizeof *c);
    size_t len = 0, at = 0;
    c->base.ops = &choices_ops;
    c->base.state_size = sizeof(state);
    c->think = cmat_xstrdup(o->think);
    c->think_max = o->think_max > 0 && o->think_max < UINT16_MAX ? o->think_max : 200;
    c->lead = cmat_xstrdup(o->lead ? o->lead : "");
    c->free_lead = cmat_xstrdup(o->free_lead);
    c->free_end = o->free_end;
    c->free_max = o->free_max > 0 && o->free_max < UINT16_MAX ? o->free_max : 200;
    c->n = o->n;
    c->open = cmat_xcalloc(o->n + 1, sizeof *c->open);
    if (o->open)
        memcpy(c->open, o->open, o->n * sizeof *c->open);
    c->choices = cmat_xcalloc(o->n + 1, sizeof *c->choices);
    for (size_t i = 0; i < o->n; i++)
        len += strlen(o->choices[i]) + 1;
    c->text = cmat_xmalloc(len + 1);
    for (size_t i = 0; i < o->n; i++) {
        const size_t n = strlen(o->choices[i]) + 1;
        c->choices[i] = memcpy(c->text + at, o->choices[i], n);
        at += n;
    }
    identify(c, len);
    return &c->base;
}
