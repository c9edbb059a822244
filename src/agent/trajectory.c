/* trajectory.c - turns to messages within a budget. */
#include "agent/trajectory.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include <stdlib.h>
#include <string.h>

#define SHORT_BYTES 120      /* what is kept of an old observation */
#define MIN_NEWEST_BYTES 200 /* the newest observation is not cut below this */
#define TURN_OVERHEAD 8      /* tokens that a chat template adds to a turn, about */
#define MARK_BYTES 64        /* of the words that stand for what was left out, about */
#define CELLS 4              /* parts of the budget's size in which old turns are cut */

/* One turn on its way into the prompt. */
typedef struct {
    const cmat_turn *turn;
    size_t keep;     /* bytes of an observation kept */
    size_t n_tokens; /* of the rendered turn */
    size_t cell;     /* which of the parts of the uncut trajectory it begins in */
    bool omitted;
    bool old; /* the world has answered since */
} piece;

typedef struct {
    const cmat_trajectory *t;
    const cmat_prompts *prompts;
    cmat_llm *llm;
    piece *pieces; /* (t->n) */
    size_t total, budget;
} fitting;

void cmat_trajectory_add(cmat_trajectory *t, cmat_turn_kind kind, const char *text)
{
    t->items = cmat_xgrow(t->items, &t->cap, t->n + 1, sizeof *t->items);
    t->items[t->n++] = (cmat_turn){kind, cmat_xstrdup(text)};
}

void cmat_trajectory_drop(cmat_trajectory *t)
{
    if (t->n > 0)
        free(t->items[--t->n].text);
}

void cmat_trajectory_clear(cmat_trajectory *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->items[i].text);
    free(t->items);
    *t = (cmat_trajectory){0};
}

static void add_observation(cmat_buf *out, const char *text, size_t len, size_t keep, bool raw)
{
    size_t kept = keep < len ? cmat_utf8_valid_prefix(text, keep) : len;
    if (raw)
        cmat_text_inert(out, text, kept);
    else
        cmat_prompt_add_data(out, text, kept);
    if (kept < len)
        cmat_buf_printf(out, "%s[%zu of %zu bytes of this observation are left out here]",
                        kept ? " " : "", len - kept, len);
}

/* Bytes of a turn's text that still hold. */
static size_t lasting(const fitting *f, const piece *p)
{
    const char *passing = p->old && f->t->passing ? strstr(p->turn->text, f->t->passing) : NULL;
    return passing ? (size_t)(passing - p->turn->text) : strlen(p->turn->text);
}

static void render(const fitting *f, const piece *p, cmat_buf *out)
{
    const size_t len = lasting(f, p);
    if (p->turn->kind != CMAT_TURN_OBSERVATION) {
        cmat_buf_add(out, p->turn->text, len);
        return;
    }
    cmat_buf text = {0};
    add_observation(&text, p->turn->text, len, p->keep, f->t->raw);
    if (f->t->raw) {
        cmat_buf_puts(out, cmat_buf_str(&text));
    } else {
        const cmat_prompt_var vars[] = {{"observation", cmat_buf_str(&text)}, {0}};
        cmat_prompt_render(f->prompts, CMAT_PROMPT_OBSERVATION, vars, out);
    }
    cmat_buf_clear(&text);
}

static void measure(fitting *f, piece *p)
{
    cmat_buf text = {0};
    render(f, p, &text);
    f->total -= p->n_tokens;
    p->n_tokens = f->llm->ops->count_tokens(f->llm, cmat_buf_str(&text)) + TURN_OVERHEAD;
    f->total += p->n_tokens;
    cmat_buf_clear(&text);
}

static bool over(const fitting *f)
{
    return f->budget > 0 && f->total > f->budget;
}

/* Old turns are cut a whole cell at a time, not just as far as needed now: the prompt then keeps
 * its beginning for many turns, and what a cache holds of it stays good. Cells are counted from the
 * first turn, so that they stay where they are as the trajectory grows; the newest one is still
 * growing. */
static bool goes_on(const fitting *f, size_t i, size_t last_cut)
{
    return over(f) || (last_cut < i && f->pieces[i].cell == f->pieces[last_cut].cell &&
                       f->pieces[i].cell != f->pieces[f->t->n - 1].cell);
}

/* Cuts old observations, the oldest first, to `keep` bytes each until the whole fits. */
static void shorten_old(fitting *f, size_t newest, size_t keep)
{
    size_t last_cut = SIZE_MAX;
    for (size_t i = 0; i < newest && goes_on(f, i, last_cut); i++) {
        piece *p = &f->pieces[i];
        if (p->turn->kind != CMAT_TURN_OBSERVATION || lasting(f, p) <= keep + MARK_BYTES)
            continue;
        p->keep = keep;
        measure(f, p);
        last_cut = i;
    }
}

/* Leaves out the oldest reply and what answered it, pair by pair; the last pair stays. */
static void omit_old(fitting *f)
{
    size_t last_cut = SIZE_MAX;
    for (size_t i = 2; i + 3 < f->t->n && goes_on(f, i, last_cut); i += 2) {
        f->pieces[i].omitted = f->pieces[i + 1].omitted = true;
        f->total -= f->pieces[i].n_tokens + f->pieces[i + 1].n_tokens;
        last_cut = i;
    }
}

static void cut_newest(fitting *f, size_t newest)
{
    piece *p = &f->pieces[newest];
    if (newest >= f->t->n || p->turn->kind != CMAT_TURN_OBSERVATION)
        return;
    size_t len = strlen(p->turn->text);
    p->keep = p->keep < len ? p->keep : len;
    while (over(f) && p->keep > MIN_NEWEST_BYTES) {
        p->keep = p->keep / 2 > MIN_NEWEST_BYTES ? p->keep / 2 : MIN_NEWEST_BYTES;
        measure(f, p);
    }
}

static void measure_all(fitting *f)
{
    const size_t size = f->budget / CELLS > 0 ? f->budget / CELLS : 1;
    f->total = 0;
    for (size_t i = 0; i < f->t->n; i++) {
        f->pieces[i].cell = f->total / size;
        measure(f, &f->pieces[i]);
    }
}

/* Every token is at least a byte: a text whose bytes fit needs no counting. Upper bound of the
 * tokens. */
static size_t most_tokens(const fitting *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->t->n; i++) {
        cmat_buf text = {0};
        render(f, &f->pieces[i], &text);
        n += text.len + TURN_OVERHEAD;
        cmat_buf_clear(&text);
    }
    return n;
}

static size_t newest_observation(const cmat_trajectory *t)
{
    for (size_t i = t->n; i-- > 0;)
        if (t->items[i].kind == CMAT_TURN_OBSERVATION)
            return i;
    return t->n;
}

static void add_message(json_t *messages, const char *role, const char *text, size_t len)
{
    json_t *m = json_object();
    json_object_set_new(m, "role", json_string(role));
    json_object_set_new(m, "content", cmat_json_text(text, len));
    json_array_append_new(messages, m);
}

static json_t *to_messages(const fitting *f, int n_omitted)
{
    static const char *const roles[] = {[CMAT_TURN_SYSTEM] = "system",
                                        [CMAT_TURN_TASK] = "user",
                                        [CMAT_TURN_REPLY] = "assistant",
                                        [CMAT_TURN_OBSERVATION] = "user",
                                        [CMAT_TURN_OBJECTION] = "user"};
    json_t *messages = json_array();
    for (size_t i = 0; i < f->t->n; i++) {
        const piece *p = &f->pieces[i];
        if (p->omitted)
            continue;
        cmat_buf text = {0};
        render(f, p, &text);
        if (p->turn->kind == CMAT_TURN_TASK && n_omitted > 0)
            cmat_buf_printf(&text, "\n[NOTICE] %d messages are omitted.", n_omitted);
        add_message(messages, roles[p->turn->kind], cmat_buf_str(&text), text.len);
        cmat_buf_clear(&text);
    }
    return messages;
}

static void report(const fitting *f, cmat_trajectory_cut *cut)
{
    *cut = (cmat_trajectory_cut){.n_tokens = f->total};
    for (size_t i = 0; i < f->t->n; i++) {
        const piece *p = &f->pieces[i];
        cut->n_omitted += p->omitted;
        cut->n_shortened +=
            !p->omitted && p->turn->kind == CMAT_TURN_OBSERVATION && p->keep < lasting(f, p);
    }
}

json_t *cmat_trajectory_messages(const cmat_trajectory *t, const cmat_prompts *prompts,
                                 cmat_llm *llm, size_t budget, cmat_trajectory_cut *cut)
{
    fitting f = {.t = t, .prompts = prompts, .llm = llm, .budget = budget};
    f.pieces = cmat_xcalloc(t->n + 1, sizeof *f.pieces);
    for (size_t i = 0; i < t->n; i++) {
        f.pieces[i].turn = &t->items[i];
        f.pieces[i].keep = SIZE_MAX;
    }
    size_t newest = newest_observation(t);
    for (size_t i = 0; newest < t->n && i < newest; i++)
        f.pieces[i].old =
            t->items[i].kind == CMAT_TURN_OBSERVATION || t->items[i].kind == CMAT_TURN_TASK;
    f.total = most_tokens(&f);
    if (over(&f))
        measure_all(&f);
    shorten_old(&f, newest, SHORT_BYTES);
    shorten_old(&f, newest, 0);
    omit_old(&f);
    cut_newest(&f, newest);
    cmat_trajectory_cut c;
    report(&f, &c);
    if (cut)
        *cut = c;
    json_t *messages = to_messages(&f, c.n_omitted);
    free(f.pieces);
    return messages;
}
