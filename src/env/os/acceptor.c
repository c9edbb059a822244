/* acceptor.c - what the next reply may look like: a thought if wanted, then one action, whose
 * script has its quotes, parentheses and substitutions closed.
 *
 * Short style:   [Think: line \n] (Bash: script-line | Answer: line | Finish)
 * AgentBench's:  Think: line \n\n Act: (bash \n\n ```bash \n script \n ``` | finish | answer(line))
 *
 * Within a script a stack says what is open: '...', "...", $'...', `...`, (...). That is not all of
 * Bash's grammar (keywords are not counted); it is what small models get wrong most. */
#include "core/acceptor.h"
#include "core/hash.h"
#include "core/mem.h"
#include "env/os/os.h"
#include <stdlib.h>
#include <string.h>

enum { THOUGHT_MAX = 200, LINE_MAX_BYTES = 400, BLOCK_MAX = 1000, ANSWER_MAX = 200, NEST_MAX = 10 };

typedef struct {
    cmat_acceptor base;
    bool agentbench, may_end;
} reply_acceptor;

typedef enum {
    AT_START, /* Think: or an action's word */
    IN_WORD,  /* a fixed text: words[word] */
    IN_THOUGHT,
    IN_LINE,   /* a script of one line */
    IN_BLOCK,  /* one of several, in a ``` block */
    IN_ANSWER, /* a line */
    IN_CALL,   /* answer(...): a line up to the last ")" */
    AT_END
} place;

enum { LINE_BEGINS = 1, FENCE };
typedef enum { IN_SINGLE = 1, IN_DOUBLE, IN_ANSI, IN_BACK, IN_PAREN, IN_SUM } nest;

typedef struct {
    uint8_t at, word, pos; /* pos: bytes of the word */
    uint8_t n_cont;        /* UTF-8 continuation bytes to come */
    uint8_t depth;
    /* of a script: */
    uint8_t last;    /* the byte before, where it matters; 'd': "||" or "&&" */
    uint8_t escaped; /* by a backslash */
    uint8_t comment;
    uint8_t begins; /* a command's name comes next */
    uint8_t need;   /* something must follow (after |, &&, <, >) */
    uint8_t fence;  /* of a block: LINE_BEGINS, or FENCE + backquotes of the closing ``` so far */
    uint8_t less;   /* '<' in a row */
    uint16_t n;     /* bytes of the thought, script or answer */
    uint8_t open[NEST_MAX];
} state;

/* What may stand first, and where each leads; the last two end the episode. */
static const struct {
    const char *text;
    place then;
} words[2][4] = {
    {{"Think: ", IN_THOUGHT}, {"Bash: ", IN_LINE}, {"Answer: ", IN_ANSWER}, {"Finish", AT_END}},
    {{"Think: ", IN_THOUGHT},
     {"bash\n\n```bash\n", IN_BLOCK},
     {"answer(", IN_CALL},
     {"finish", AT_END}},
};
static const char act[] = "\nAct: "; /* after the thought's own line end */

static void begin_script(state *s)
{
    s->n = 0;
    s->last = ' ';
    s->escaped = s->comment = s->less = 0;
    s->fence = LINE_BEGINS;
    s->begins = s->need = 1;
}

static void reply_start(const cmat_acceptor *a, void *vs)
{
    state *s = vs;
    (void)a;
    s->at = AT_START;
}

/* ---- bytes of a line ---- */

static bool text_byte(state *s, uint8_t byte, int max)
{
    if (++s->n > max)
        return false;
    if (s->n_cont > 0) {
        s->n_cont--;
        return (byte & 0xc0) == 0x80;
    }
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f || (byte >= 0x80 && byte < 0xc2) ||
        byte > 0xf4)
        return false;
    if (byte >= 0x80)
        s->n_cont = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
    return s->n + s->n_cont <= max;
}

/* ---- scripts ---- */

static nest top(const state *s)
{
    return s->depth ? (nest)s->open[s->depth - 1] : 0;
}

static bool push(state *s, nest what)
{
    if (s->depth == NEST_MAX)
        return false;
    s->open[s->depth++] = (uint8_t)what;
    return true;
}

static void pop(state *s)
{
    s->open[--s->depth] = 0;
}

/* A backquote closes the innermost one that is open, but not across parentheses. */
static bool backquote(state *s)
{
    if (top(s) == IN_BACK) {
        pop(s);
        return true;
    }
    for (int i = 0; i < s->depth; i++)
        if (s->open[i] == IN_BACK)
            return false;
    return push(s, IN_BACK);
}

static bool quoted_byte(state *s, uint8_t byte)
{
    const nest in = top(s);
    const bool dollar = s->last == '$';
    s->last = 0;
    if (s->escaped) {
        s->escaped = 0;
        return true;
    }
    if (in == IN_SINGLE || in == IN_ANSI) {
        s->escaped = in == IN_ANSI && byte == '\\';
        if (byte == '\'')
            pop(s);
        return true;
    }
    s->escaped = byte == '\\';
    s->last = byte == '$' ? '$' : 0;
    if (byte == '"') {
        pop(s);
    } else if (byte == '(' && dollar) {
        s->last = 'p'; /* "$(": another "(" makes it a sum */
        s->begins = 1;
        return push(s, IN_PAREN);
    } else if (byte == '`') {
        s->begins = 1;
        return backquote(s);
    }
    return true;
}

/* Within $((...)): parentheses and quotes count, nothing else does. */
static bool sum_byte(state *s, uint8_t byte)
{
    s->last = byte == '$' ? '$' : 0;
    s->need = 0;
    if (byte == '(')
        return push(s, IN_SUM);
    if (byte == ')')
        pop(s);
    return byte != '\'' && byte != '"' && byte != '`' && byte != '\\' && byte != '#';
}

/* ; & | with what they may follow. */
static bool separator(state *s, uint8_t byte, uint8_t before)
{
    s->begins = 1;
    s->last = byte;
    if (byte != ';' && before == byte) { /* || or && */
        s->last = 'd';
        s->need = 1;
        return true;
    }
    if (before == 'd' ||
        (s->need && !(byte == '&' && (before == '>' || before == '<' || before == '|'))))
        return false;
    if (byte == '&' && (before == '>' || before == '<')) {
        s->begins = 0;
        return true;
    }
    s->need = s->need || byte == '|';
    return true;
}

static bool parenthesis(state *s, uint8_t before)
{
    if (before == 'p') { /* the second of "$((" */
        s->open[s->depth - 1] = IN_SUM;
        s->last = 0;
        return push(s, IN_SUM);
    }
    if (!s->begins && before != '$' && before != '<' && before != '>' && before != '=')
        return false;
    s->last = before == '$' ? 'p' : '(';
    s->need = 0;
    s->begins = before != '=';
    return push(s, IN_PAREN);
}

/* A byte outside quotes. A here-document cannot end on its line, so that << is refused but <<<. */
static bool open_byte(state *s, uint8_t byte)
{
    const uint8_t before = s->last;
    if (s->comment) {
        s->comment = byte != '\n';
        s->last = '\n';
        s->begins |= byte == '\n';
        return true;
    }
    if (s->escaped) {
        s->escaped = s->last = s->begins = s->need = 0;
        return byte != '\n';
    }
    if (top(s) == IN_SUM)
        return sum_byte(s, byte);
    if (byte != '<' && s->less == 2)
        return false;
    s->less = byte == '<' ? s->less + 1 : 0;
    s->last = 0;
    switch (byte) {
    case ' ':
    case '\t':
    case '\n':
        s->begins |= byte == '\n';
        s->last = ' ';
        return byte != '\n' || !(before == '<' || before == '>');
    case ';':
    case '|':
    case '&':
        return separator(s, byte, before);
    case '<':
    case '>':
        s->last = byte;
        s->need = 1;
        return s->less < 4;
    case '(':
        return parenthesis(s, before);
    case ')':
        if (top(s) != IN_PAREN || s->need)
            return false;
        pop(s);
        s->begins = 0;
        return true;
    case '#':
        if (before == ' ' || before == ';') {
            s->comment = s->depth == 0;
            return s->comment && !s->need;
        }
        break;
    case '\\':
        s->escaped = 1;
        return true;
    default:
        break;
    }
    s->begins = s->need = 0;
    if (byte == '\'')
        return push(s, before == '$' ? IN_ANSI : IN_SINGLE);
    if (byte == '"')
        return push(s, IN_DOUBLE);
    if (byte == '`') {
        s->begins = 1;
        return backquote(s);
    }
    s->last = byte == '$' || byte == '=' ? byte : 0;
    return true;
}

static bool script_byte(state *s, uint8_t byte, int max, bool block)
{
    if (byte == '\n' && block && s->n_cont == 0) {
        if (++s->n > max)
            return false;
    } else if (!text_byte(s, byte, max)) {
        return false;
    }
    if (byte >= 0x80) { /* a character of a word */
        const bool bare = s->less != 2;
        s->escaped = s->last = s->less = s->begins = s->need = 0;
        return bare;
    }
    const nest in = top(s);
    return in == IN_SINGLE || in == IN_DOUBLE || in == IN_ANSI ? quoted_byte(s, byte)
                                                               : open_byte(s, byte);
}

static bool script_whole(const state *s)
{
    return s->depth == 0 && !s->escaped && !s->need && s->less == 0 && s->n_cont == 0 && s->n > 0;
}

/* In a block: a line that begins with ``` ends it, where the script can end; no other line begins
 * with a backquote, since whoever reads the reply stops at the first such line. */
static bool block_byte(state *s, uint8_t byte)
{
    if (s->fence >= FENCE && byte == '`') {
        if (++s->fence == FENCE + 3)
            s->at = AT_END;
        return true;
    }
    if (s->fence > FENCE || (s->fence == LINE_BEGINS && byte == '`'))
        return false;
    const bool could_end = script_whole(s);
    if (!script_byte(s, byte, BLOCK_MAX, true))
        return false;
    s->fence = byte != '\n' ? 0 : could_end ? FENCE : LINE_BEGINS;
    return true;
}

/* ---- the reply ---- */

static void enter(state *s, place at)
{
    s->at = (uint8_t)at;
    s->pos = 0;
    s->n = 0;
    if (at == IN_LINE || at == IN_BLOCK)
        begin_script(s);
}

/* The first of the two words that end an episode; "Act: ", and then one of three. */
enum { WORD_ANSWER = 2, WORD_ACT = 4, WORD_ANY = 5 };

static int n_words(const reply_acceptor *a)
{
    return a->may_end ? 4 : WORD_ANSWER;
}

static bool start_byte(const reply_acceptor *a, state *s, uint8_t byte)
{
    for (int i = 0; i < (a->agentbench ? 1 : n_words(a)); i++)
        if ((uint8_t)words[a->agentbench][i].text[0] == byte) {
            s->at = IN_WORD;
            s->word = (uint8_t)i;
            s->pos = 1;
            return true;
        }
    return false;
}

static bool word_byte(const reply_acceptor *a, state *s, uint8_t byte)
{
    if (s->word == WORD_ANY) {
        for (int i = 1; i < n_words(a); i++)
            if ((uint8_t)words[a->agentbench][i].text[0] == byte) {
                s->word = (uint8_t)i;
                s->pos = 1;
                return true;
            }
        return false;
    }
    const char *text = s->word == WORD_ACT ? act : words[a->agentbench][s->word].text;
    if ((uint8_t)text[s->pos] != byte)
        return false;
    if (text[++s->pos])
        return true;
    if (s->word == WORD_ACT) {
        s->word = WORD_ANY;
        s->pos = 0;
    } else {
        enter(s, words[a->agentbench][s->word].then);
    }
    return true;
}

static bool thought_byte(const reply_acceptor *a, state *s, uint8_t byte)
{
    if (byte != '\n')
        return text_byte(s, byte, THOUGHT_MAX);
    if (s->n == 0 || s->n_cont > 0)
        return false;
    s->at = IN_WORD;
    s->pos = 0;
    s->word = a->agentbench ? WORD_ACT : WORD_ANY;
    return true;
}

static bool reply_step(const cmat_acceptor *va, void *vs, uint8_t byte)
{
    const reply_acceptor *a = (const reply_acceptor *)va;
    state *s = vs;
    switch ((place)s->at) {
    case AT_START:
        return start_byte(a, s, byte);
    case IN_WORD:
        return word_byte(a, s, byte);
    case IN_THOUGHT:
        return thought_byte(a, s, byte);
    case IN_LINE:
        return script_byte(s, byte, LINE_MAX_BYTES, false);
    case IN_BLOCK:
        return block_byte(s, byte);
    case IN_ANSWER:
        return !(s->n == 0 && byte == ' ') && text_byte(s, byte, ANSWER_MAX);
    case IN_CALL:
        if (byte == ')' && s->n > 0 && s->n_cont == 0) {
            s->at = AT_END;
            return true;
        }
        return byte != '(' && byte != ')' && text_byte(s, byte, ANSWER_MAX);
    default:
        return false;
    }
}

static bool reply_done(const cmat_acceptor *a, const void *vs)
{
    const state *s = vs;
    (void)a;
    switch ((place)s->at) {
    case AT_END:
        return true;
    case IN_LINE:
        return script_whole(s);
    case IN_ANSWER:
        return s->n > 0 && s->n_cont == 0;
    default:
        return false;
    }
}

/* The number of bytes matters only where it is zero or close to its limit. */
static uint64_t reply_key(const cmat_acceptor *a, const void *vs)
{
    static const uint16_t limits[] = {
        [IN_THOUGHT] = THOUGHT_MAX, [IN_LINE] = LINE_MAX_BYTES, [IN_BLOCK] = BLOCK_MAX,
        [IN_ANSWER] = ANSWER_MAX,   [IN_CALL] = ANSWER_MAX,     [AT_END] = 0};
    state s = *(const state *)vs;
    (void)a;
    if (s.n > 2 && s.n + CMAT_ACCEPTOR_AHEAD < limits[s.at])
        s.n = 2;
    return cmat_fnv1a(&s, sizeof s) | 1;
}

static void reply_free(cmat_acceptor *a)
{
    free(a);
}

static const cmat_acceptor_ops ops = {.name = "os",
                                      .start = reply_start,
                                      .step = reply_step,
                                      .done = reply_done,
                                      .key = reply_key,
                                      .free = reply_free};

cmat_acceptor *os_acceptor_new(bool agentbench, bool may_end)
{
    const bool which[] = {agentbench, may_end};
    reply_acceptor *a = cmat_xcalloc(1, sizeof *a);
    _Static_assert(sizeof(state) <= CMAT_ACCEPTOR_STATE_MAX, "state");
    a->base.ops = &ops;
    a->base.state_size = sizeof(state);
    a->base.identity = cmat_acceptor_identity_of(ops.name, which, sizeof which);
    a->agentbench = agentbench;
    a->may_end = may_end;
    return &a->base;
}
