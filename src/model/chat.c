/* Conversations to tokens. What people, tools and the model wrote must never turn into control
 * tokens, so the template is rendered twice: with the texts in place, and with a placeholder in
 * place of each text. The second rendering tells which bytes of the first are the template's; only
 * there are control tokens looked for. */
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "model/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One text (a message's content, a part of it, a tool call's argument). */
typedef struct {
    const char *s; /* borrowed from the messages */
    size_t len;
    bool assistant;
} chat_text;

/* Bytes [start, end) of the rendering that are a text. */
typedef struct {
    size_t start, end;
    bool assistant;
} chat_span;

typedef struct {
    chat_text *texts;
    size_t n, cap;
    uint32_t nonce; /* makes placeholders that no text contains */
    chat_span *spans;
    size_t n_spans, cap_spans;
} chat;

enum { NONCE_BASE = 0xF0000, N_NONCES = 0x800, DIGIT_BASE = 0xF1000, END_CHAR = 0xF2000 };

/* --- placeholders -------------------------------------------------------------------------------
 */

static void code_point_add(cmat_buf *b, uint32_t cp)
{
    char c[4];
    cmat_buf_add(b, c, (size_t)cmat_utf8_encode(cp, c));
}

/* nonce, digits, end: private-use code points. */
static void placeholder_add(cmat_buf *b, uint32_t nonce, size_t index)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%zu", index);
    code_point_add(b, NONCE_BASE + nonce);
    for (int i = 0; i < n; i++)
        code_point_add(b, DIGIT_BASE + (uint32_t)(digits[i] - '0'));
    code_point_add(b, END_CHAR);
}

/* Reads the placeholder at s: its length, or 0. */
static size_t placeholder_read(const char *s, size_t len, uint32_t nonce, size_t *index)
{
    uint32_t cp = 0;
    size_t at = 0;
    *index = 0;
    for (int i = 0; i < 12 && at < len; i++) {
        int n = cmat_utf8_decode(s + at, len - at, &cp);
        if (n == 0 || (i == 0 && cp != NONCE_BASE + nonce))
            return 0;
        at += (size_t)n;
        if (i > 0 && cp == END_CHAR)
            return at;
        if (i > 0 && (cp < DIGIT_BASE || cp > DIGIT_BASE + 9))
            return 0;
        if (i > 0)
            *index = *index * 10 + (cp - DIGIT_BASE);
    }
    return 0;
}

static bool nonce_used(const json_t *j, const char *mark)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_string(j))
        return strstr(json_string_value(j), mark) != NULL;
    json_array_foreach((json_t *)j, i, item)
    {
        if (nonce_used(item, mark))
            return true;
    }
    json_object_foreach((json_t *)j, key, item)
    {
        if (nonce_used(item, mark))
            return true;
    }
    return false;
}

/* A code point that the messages do not contain. With N_NONCES to choose from, only messages made
 * for it can use them all. */
static cmat_status nonce_choose(chat *c, const json_t *messages, cmat_error *err)
{
    for (c->nonce = 0; c->nonce < N_NONCES; c->nonce++) {
        char mark[5] = "";
        cmat_utf8_encode(NONCE_BASE + c->nonce, mark);
        if (!nonce_used(messages, mark))
            return CMAT_OK;
    }
    return cmat_fail(err, CMAT_ERR_LIMIT, "chat: the messages use all private code points");
}

static bool is_text_key(const char *key)
{
    return strcmp(key, "content") == 0 || strcmp(key, "text") == 0 ||
           strcmp(key, "reasoning_content") == 0 || strcmp(key, "arguments") == 0;
}

/* A copy of j with the texts replaced; inside: everything below is a text. */
static json_t *texts_take(chat *c, const json_t *j, bool inside, bool assistant)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_string(j) && inside) {
        cmat_buf b = {0};
        c->texts = cmat_xgrow(c->texts, &c->cap, c->n + 1, sizeof *c->texts);
        c->texts[c->n] = (chat_text){json_string_value(j), json_string_length(j), assistant};
        placeholder_add(&b, c->nonce, c->n++);
        json_t *out = json_stringn(b.data, b.len);
        cmat_buf_clear(&b);
        return out;
    }
    if (json_is_array(j)) {
        json_t *out = json_array();
        json_array_foreach((json_t *)j, i, item) json_array_append_new(
            out, texts_take(c, item, inside && !json_is_object(item), assistant));
        return out;
    }
    if (json_is_object(j)) {
        json_t *out = json_object();
        json_object_foreach((json_t *)j, key, item) json_object_set_new(
            out, key, texts_take(c, item, inside || is_text_key(key), assistant));
        return out;
    }
    return json_deep_copy(j);
}

static json_t *messages_mark(chat *c, const json_t *messages)
{
    json_t *out = json_array(), *m;
    size_t i;
    json_array_foreach((json_t *)messages, i, m)
    {
        const char *role = json_string_value(json_object_get(m, "role"));
        json_array_append_new(out, texts_take(c, m, false, role && strcmp(role, "assistant") == 0));
    }
    return out;
}

/* --- matching the two renderings
 * ------------------------------------------------------------------ */

static void span_add(chat *c, size_t start, size_t end, bool assistant)
{
    c->spans = cmat_xgrow(c->spans, &c->cap_spans, c->n_spans + 1, sizeof *c->spans);
    c->spans[c->n_spans++] = (chat_span){start, end, assistant};
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The forms in which templates print a text: as it is, without white space at both ends, at the
 * start, at the end, as JSON. false: no more forms. */
static bool text_form(const chat_text *t, int form, cmat_buf *out)
{
    size_t from = 0, to = t->len;
    cmat_buf_truncate(out, 0);
    if (form > 4)
        return false;
    if (form == 4) {
        json_t *j = json_stringn_nocheck(t->s, t->len);
        char *s = json_dumps(j, JSON_ENCODE_ANY);
        size_t n = s ? strlen(s) : 0;
        if (n >= 2)
            cmat_buf_add(out, s + 1, n - 2);
        free(s);
        json_decref(j);
        return true;
    }
    while ((form == 1 || form == 2) && from < to && is_space(t->s[from]))
        from++;
    while ((form == 1 || form == 3) && from < to && is_space(t->s[to - 1]))
        to--;
    cmat_buf_add(out, t->s + from, to - from);
    return true;
}

/* Length of the template's text at s, up to a placeholder or the end. */
static size_t literal_len(const chat *c, const char *s, size_t len)
{
    size_t index;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] >= 0xf0 && placeholder_read(s + i, len - i, c->nonce, &index))
            return i;
    }
    return len;
}

/* Finds where the texts stand in `real`, given the same rendering with placeholders. false: the
 * template changed or looked into a text, so the two do not match. */
static bool spans_match(chat *c, const cmat_buf *marked, const cmat_buf *real)
{
    size_t m = 0, r = 0, n = literal_len(c, cmat_buf_str(marked), marked->len);
    cmat_buf form = {0};
    bool ok = n <= real->len && memcmp(cmat_buf_str(marked), cmat_buf_str(real), n) == 0;
    c->n_spans = 0;
    m = r = n;
    while (ok && m < marked->len) {
        size_t index, used = placeholder_read(marked->data + m, marked->len - m, c->nonce, &index);
        if (!(ok = used > 0 && index < c->n))
            break;
        m += used;
        n = literal_len(c, marked->data + m, marked->len - m);
        ok = false;
        for (int k = 0; !ok && text_form(&c->texts[index], k, &form); k++) {
            if (form.len > real->len - r || n > real->len - r - form.len)
                continue;
            ok = (form.len == 0 || memcmp(real->data + r, form.data, form.len) == 0) &&
                 memcmp(marked->data + m, real->data + r + form.len, n) == 0 &&
                 (m + n < marked->len || r + form.len + n == real->len);
        }
        if (ok)
            span_add(c, r, r + form.len, c->texts[index].assistant);
        r += form.len + n;
        m += n;
    }
    cmat_buf_clear(&form);
    return ok && r == real->len;
}

static bool has_control(const cmat_tokenizer *t, const char *s, size_t len)
{
    size_t pos;
    int id;
    return cmat_tokenizer_find_special(t, s, len, &pos, &id) > 0;
}

/* For templates that look into texts (to drop an earlier turn's thoughts, say): looks for the texts
 * one after the other. Texts that are not found as they are could hide a control token anywhere, so
 * then none may contain one. */
static cmat_status spans_search(chat *c, const cmat_tokenizer *t, const cmat_buf *real,
                                cmat_error *err)
{
    size_t at = 0;
    cmat_buf form = {0};
    bool whole = true, controls = false;
    c->n_spans = 0;
    for (size_t i = 0; i < c->n; i++) {
        bool found = false;
        controls |= has_control(t, c->texts[i].s, c->texts[i].len);
        for (int k = 0; !found && text_form(&c->texts[i], k, &form); k++) {
            const char *hit =
                form.len ? memmem(real->data + at, real->len - at, form.data, form.len) : NULL;
            if ((found = hit != NULL)) {
                at = (size_t)(hit - real->data);
                span_add(c, at, at + form.len, c->texts[i].assistant);
                at += form.len;
            }
        }
        /* What follows a thought is kept when the thought itself is dropped. */
        const char *end = found ? NULL : memmem(c->texts[i].s, c->texts[i].len, "</think>", 8);
        if (end) {
            chat_text rest = {end + 8, c->texts[i].len - (size_t)(end + 8 - c->texts[i].s), false};
            text_form(&rest, 1, &form);
            const char *hit =
                form.len ? memmem(real->data + at, real->len - at, form.data, form.len) : NULL;
            if (hit) {
                at = (size_t)(hit - real->data);
                span_add(c, at, at + form.len, c->texts[i].assistant);
                at += form.len;
            }
        }
        whole &= found || c->texts[i].len == 0;
    }
    cmat_buf_clear(&form);
    if (controls)
        return cmat_fail(
            err, CMAT_ERR_UNSUPPORTED,
            "chat: a message contains the text of a control token and this model's template "
            "changes messages%s: refused, since they could not be told apart",
            whole ? "" : " (one is not found in its output)");
    return CMAT_OK;
}

/* --- rendering
 * ------------------------------------------------------------------------------------- */

static void token_var(json_t *vars, const char *key, const cmat_tokenizer *t, int token)
{
    size_t len = 0;
    const char *s = token >= 0 ? cmat_tokenizer_bytes(t, token, &len) : "";
    json_object_set_new(vars, key, cmat_json_text(s, len));
}

static cmat_status render(const cmat_model *m, json_t *messages, bool add_generation_prompt,
                          cmat_buf *out, cmat_error *err)
{
    if (!m->chat_template)
        return cmat_fail(
            err, m->chat_template_error.status ? m->chat_template_error.status : CMAT_ERR_STATE,
            "%s", m->chat_template_error.msg);
    json_t *vars = json_object();
    json_object_set(vars, "messages", messages);
    json_object_set_new(vars, "add_generation_prompt", json_boolean(add_generation_prompt));
    json_object_set_new(vars, "tools", json_null());
    json_object_set_new(vars, "documents", json_null());
    token_var(vars, "bos_token", m->tokenizer, cmat_tokenizer_bos(m->tokenizer));
    token_var(vars, "eos_token", m->tokenizer, cmat_tokenizer_eos(m->tokenizer));
    cmat_status st = cmat_chat_template_render(m->chat_template, vars, out, err);
    json_decref(vars);
    return st;
}

/* Strings that are not texts (names, ids, roles) must not hold control tokens at all. */
static cmat_status names_check(const cmat_tokenizer *t, const json_t *j, bool inside,
                               cmat_error *err)
{
    const char *key;
    json_t *item;
    size_t i;
    cmat_status st = CMAT_OK;
    if (json_is_string(j) && !inside && has_control(t, json_string_value(j), json_string_length(j)))
        return cmat_fail(err, CMAT_ERR_ARG,
                         "chat: a role, name or id contains a control token: \"%.60s\"",
                         json_string_value(j));
    json_array_foreach((json_t *)j, i, item)
    {
        if ((st = names_check(t, item, inside && !json_is_object(item), err)) != CMAT_OK)
            return st;
    }
    json_object_foreach((json_t *)j, key, item)
    {
        if (has_control(t, key, strlen(key)))
            return cmat_fail(err, CMAT_ERR_ARG,
                             "chat: a member's name contains a control token: \"%.60s\"", key);
        if ((st = names_check(t, item, inside || is_text_key(key), err)) != CMAT_OK)
            return st;
    }
    return st;
}

static cmat_status messages_check(const json_t *messages, cmat_error *err)
{
    json_t *m;
    size_t i;
    if (!json_is_array(messages))
        return cmat_fail(err, CMAT_ERR_ARG, "chat: the messages are not an array");
    json_array_foreach((json_t *)messages, i, m)
    {
        if (!json_is_string(json_object_get(m, "role")))
            return cmat_fail(err, CMAT_ERR_ARG, "chat: message %zu has no role", i + 1);
    }
    return CMAT_OK;
}

/* --- tokens
 * ---------------------------------------------------------------------------------------- */

typedef struct {
    int32_t *tokens;
    size_t n, cap;
    uint8_t *mask;
    size_t mask_cap;
    size_t span; /* the first span that does not end before the present place */
} chat_out;

/* A stretch of the rendering between control tokens. */
typedef struct {
    const char *s;
    size_t start, end; /* in the rendering */
    cmat_text_place place;
} chat_run;

/* How many bytes of the tokens of a run stand for what lies before byte `at` of the rendering. */
static size_t run_offset(const cmat_tokenizer *t, const chat_run *r, size_t at)
{
    at = at < r->end ? at : r->end;
    return at > r->start ? cmat_tokenizer_normal_len(t, r->s, at - r->start, r->place) : 0;
}

/* Marks tokens [from, n), those of a run, that hold bytes of an assistant's text: one may begin
 * with the template's space before it. Spans lie within runs: what is in one is never taken for a
 * control token. */
static void mask_run(const chat *c, const cmat_tokenizer *t, chat_out *o, size_t from,
                     const chat_run *r)
{
    size_t at = 0, start = 0, end = 0;
    const chat_span *s = NULL;
    o->mask = cmat_xgrow(o->mask, &o->mask_cap, o->n + 1, sizeof *o->mask);
    for (size_t i = from; i < o->n; i++) {
        size_t len;
        (void)cmat_tokenizer_bytes(t, o->tokens[i], &len);
        while (!s || end <= at) {
            o->span += s != NULL;
            if (o->span == c->n_spans || c->spans[o->span].start >= r->end)
                break;
            s = &c->spans[o->span];
            start = run_offset(t, r, s->start);
            end = run_offset(t, r, s->end);
        }
        o->mask[i] = s && at < end && at + len > start && s->assistant;
        at += len;
    }
}

/* The next control token at or after `from` that lies wholly in the template's own text. */
static size_t control_next(const chat *c, const cmat_tokenizer *t, const cmat_buf *text,
                           size_t from, size_t *pos, int *id)
{
    size_t at = from;
    for (size_t i = 0; i <= c->n_spans; i++) {
        size_t end = i < c->n_spans ? c->spans[i].start : text->len, rel;
        if (end > at) {
            size_t n = cmat_tokenizer_find_special(t, text->data + at, end - at, &rel, id);
            if (n > 0) {
                *pos = at + rel;
                return n;
            }
        }
        if (i < c->n_spans && c->spans[i].end > at)
            at = c->spans[i].end;
    }
    *pos = text->len;
    return 0;
}

/* True when an assistant's text ends at `at` (with only the template's white space between). */
static bool follows_assistant(const chat *c, const cmat_buf *text, size_t at)
{
    for (size_t i = c->n_spans; i-- > 0;) {
        const chat_span *s = &c->spans[i];
        if (s->end > at)
            continue;
        size_t k = s->end;
        while (k < at && is_space(text->data[k]))
            k++;
        return s->assistant && k == at;
    }
    return false;
}

static void tokens_make(const chat *c, const cmat_tokenizer *t, const cmat_buf *text, chat_out *o)
{
    size_t at = 0, pos, before;
    int id = -1;
    while (at < text->len) {
        size_t n = control_next(c, t, text, at, &pos, &id);
        before = o->n;
        const chat_run run = {text->data + at, at, pos,
                              at > 0 ? CMAT_TEXT_AFTER_CONTROL : CMAT_TEXT_START};
        cmat_tokenizer_encode_at(t, run.s, pos - at, false, run.place, &o->tokens, &o->n, &o->cap);
        mask_run(c, t, o, before, &run);
        if (n > 0) {
            o->tokens = cmat_xgrow(o->tokens, &o->cap, o->n + 1, sizeof *o->tokens);
            o->mask = cmat_xgrow(o->mask, &o->mask_cap, o->n + 1, sizeof *o->mask);
            o->tokens[o->n] = id;
            o->mask[o->n++] = cmat_tokenizer_is_end(t, id) && follows_assistant(c, text, pos);
        }
        at = pos + n;
    }
}

static void bos_add(const cmat_tokenizer *t, chat_out *o, const cmat_buf *text)
{
    int bos = cmat_tokenizer_bos(t), id = -1;
    size_t pos;
    bool there = text->len > 0 &&
                 cmat_tokenizer_find_special(t, text->data, text->len, &pos, &id) > 0 && pos == 0 &&
                 id == bos;
    if (!cmat_tokenizer_add_bos(t) || there)
        return;
    o->tokens = cmat_xgrow(o->tokens, &o->cap, 1, sizeof *o->tokens);
    o->mask = cmat_xgrow(o->mask, &o->mask_cap, 1, sizeof *o->mask);
    o->tokens[0] = bos;
    o->mask[0] = 0;
    o->n = 1;
}

cmat_status cmat_model_chat_tokens(const cmat_model *m, json_t *messages,
                                   bool add_generation_prompt, int32_t **tokens, uint8_t **mask,
                                   size_t *n, cmat_error *err)
{
    chat c = {0};
    chat_out o = {0};
    cmat_buf real = {0}, marked = {0};
    json_t *marks = NULL;
    cmat_status st = messages_check(messages, err);
    if (st == CMAT_OK)
        st = names_check(m->tokenizer, messages, false, err);
    if (st == CMAT_OK)
        st = nonce_choose(&c, messages, err);
    if (st == CMAT_OK)
        st = render(m, messages, add_generation_prompt, &real, err);
    if (st != CMAT_OK)
        goto done;
    marks = messages_mark(&c, messages);
    if (render(m, marks, add_generation_prompt, &marked, NULL) != CMAT_OK ||
        !spans_match(&c, &marked, &real))
        st = spans_search(&c, m->tokenizer, &real, err);
    if (st != CMAT_OK)
        goto done;
    o.tokens = cmat_xgrow(NULL, &o.cap, real.len / 3 + 16, sizeof *o.tokens);
    o.mask = cmat_xgrow(NULL, &o.mask_cap, real.len / 3 + 16, sizeof *o.mask);
    bos_add(m->tokenizer, &o, &real);
    tokens_make(&c, m->tokenizer, &real, &o);
    *tokens = o.tokens;
    *n = o.n;
    if (mask)
        *mask = o.mask;
    else
        free(o.mask);
done:
    json_decref(marks);
    free(c.texts);
    free(c.spans);
    cmat_buf_clear(&real);
    cmat_buf_clear(&marked);
    return st;
}
