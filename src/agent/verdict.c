/* verdict.c - acceptor and reader of the Checker's reply. */
#include "agent/verdict.h"
#include "core/mem.h"
#include "core/text.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint8_t word;   /* 0: nothing yet, 1: accept, 2: reject */
    uint8_t pos;    /* bytes of the word matched */
    uint8_t n_cont; /* UTF-8 continuation bytes to come */
    bool solid;     /* the reason holds something but spaces */
    uint16_t len;   /* bytes of the reason */
} verdict_state;

static const char *const words[] = {"", "accept", "reject: "};

static void verdict_start(const cmat_acceptor *a, void *state)
{
    (void)a;
    *(verdict_state *)state = (verdict_state){0};
}

static bool reason_step(verdict_state *s, uint8_t b)
{
    if (s->len >= CMAT_REASON_MAX)
        return false;
    s->len++;
    if (s->n_cont > 0) {
        s->n_cont--;
        return (b & 0xc0) == 0x80;
    }
    if (b < 0x20 || b == 0x7f || (b == ' ' && s->len == 1))
        return false;
    if (b >= 0x80) {
        if (b < 0xc2 || b > 0xf4)
            return false;
        s->n_cont = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : 1;
    }
    s->solid = s->solid || b != ' ';
    return s->len + s->n_cont <= CMAT_REASON_MAX;
}

static bool verdict_step(const cmat_acceptor *a, void *state, uint8_t b)
{
    (void)a;
    verdict_state *s = state;
    if (s->word == 0) {
        s->word = b == 'a' ? 1 : b == 'r' ? 2 : 0;
        s->pos = 1;
        return s->word != 0;
    }
    if (words[s->word][s->pos])
        return (uint8_t)words[s->word][s->pos++] == b;
    return s->word == 2 && reason_step(s, b);
}

static bool verdict_done(const cmat_acceptor *a, const void *state)
{
    (void)a;
    const verdict_state *s = state;
    if (s->word == 0 || words[s->word][s->pos])
        return false;
    return s->word == 1 || (s->solid && s->n_cont == 0);
}

static uint64_t verdict_key(const cmat_acceptor *a, const void *state)
{
    (void)a;
    const verdict_state *s = state;
    /* Near its cap the length of the reason decides what fits; before, it does not. */
    if (s->len > CMAT_REASON_MAX - CMAT_ACCEPTOR_AHEAD)
        return 0;
    return 1 + s->word + 4u * s->pos + 64u * s->n_cont + 256u * s->solid + 512u * (s->len > 0);
}

static void verdict_free(cmat_acceptor *a)
{
    free(a);
}

static const cmat_acceptor_ops verdict_ops = {
    .name = "verdict",
    .start = verdict_start,
    .step = verdict_step,
    .done = verdict_done,
    .key = verdict_key,
    .free = verdict_free,
};

cmat_acceptor *cmat_verdict_acceptor_new(void)
{
    cmat_acceptor *a = cmat_xcalloc(1, sizeof *a);
    a->ops = &verdict_ops;
    a->state_size = sizeof(verdict_state);
    a->identity = cmat_acceptor_identity_of(verdict_ops.name, "", 0);
    return a;
}

cmat_verdict cmat_verdict_parse(const char *reply, cmat_buf *reason)
{
    const char *accept = cmat_text_find(reply, "accept");
    const char *reject = cmat_text_find(reply, "reject");
    if (accept && (!reject || accept < reject))
        return CMAT_VERDICT_ACCEPT;
    if (!reject)
        return CMAT_VERDICT_UNCLEAR;
    const char *p = reject + strlen("reject");
    while (isalpha((unsigned char)*p)) /* "rejected" */
        p++;
    while (*p == ':' || *p == ' ' || *p == '*' || *p == '-')
        p++;
    size_t len = strcspn(p, "\r\n");
    if (len > CMAT_REASON_MAX)
        len = cmat_utf8_valid_prefix(p, CMAT_REASON_MAX);
    cmat_text_inert(reason, p, len);
    return CMAT_VERDICT_REJECT;
}
