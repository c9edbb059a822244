/* A chat template: its source's tree, and one rendering of it. */
#include "model/chat_template.h"
#include "core/hash.h"
#include "model/jinja.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_SOURCE = 1 << 20 }; /* bytes of a template's text */

struct cmat_chat_template {
    cmat_arena arena;
    jinja_node *body;
    char sha256[65];
};

static const char chatml[] =
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/* Gemma has no turn of the system's: its text begins the first turn. */
static const char gemma[] =
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{% set intro = messages[0]['content'] + '\n\n' %}{% set turns = messages[1:] %}{% else %}"
    "{% set intro = '' %}{% set turns = messages %}{% endif %}"
    "{% for m in turns %}{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else "
    "m['role']) + '\n' + (intro if loop.first else '') + m['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}";

static const char llama3[] =
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + "
    "'<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
    "{% endif %}";

static const struct {
    const char *start, *end, *source; /* control tokens, and the template that uses them */
} known[] = {
    {"<|im_start|>", "<|im_end|>", chatml},
    {"<start_of_turn>", "<end_of_turn>", gemma},
    {"<|start_header_id|>", "<|eot_id|>", llama3},
};

static bool has_control(const cmat_tokenizer *t, const char *text)
{
    const int token = cmat_tokenizer_find(t, text);
    return token >= 0 && cmat_tokenizer_is_special(t, token);
}

const char *cmat_chat_template_default(const cmat_tokenizer *t)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (has_control(t, known[i].start) && has_control(t, known[i].end))
            return known[i].source;
    }
    return chatml;
}

cmat_status cmat_chat_template_new(cmat_chat_template **out, const char *source, size_t len,
                                   cmat_error *err)
{
    *out = NULL;
    if (len > MAX_SOURCE)
        return cmat_fail(err, CMAT_ERR_LIMIT, "chat template: %zu bytes, more than %d", len,
                         MAX_SOURCE);
    cmat_chat_template *t = cmat_xcalloc(1, sizeof *t);
    jinja_tokens tokens = {0};
    cmat_status st = jinja_lex(&t->arena, source, len, &tokens, err);
    if (st == CMAT_OK)
        st = jinja_parse(&t->arena, &tokens, &t->body, err);
    free(tokens.items);
    if (st != CMAT_OK) {
        cmat_chat_template_free(t);
        return st;
    }
    cmat_sha256_hex(source, len, t->sha256);
    *out = t;
    return CMAT_OK;
}

const char *cmat_chat_template_hash(const cmat_chat_template *t)
{
    return t->sha256;
}

void cmat_chat_template_free(cmat_chat_template *t)
{
    if (!t)
        return;
    cmat_arena_clear(&t->arena);
    free(t);
}

cmat_status cmat_chat_template_render(const cmat_chat_template *t, json_t *vars, cmat_buf *out,
                                      cmat_error *err)
{
    cmat_arena arena = {0};
    cmat_buf text = {0};
    jinja_run r = {.arena = &arena, .out = &text, .err = err};
    jinja_scope scope = {0};
    if (!json_is_object(vars))
        return cmat_fail(err, CMAT_ERR_ARG, "chat template: the variables are not an object");
    jinja_value globals = jinja_from_json(&r, vars, 0);
    if (r.st == CMAT_OK) {
        scope.vars = *globals.u.dict;
        r.scope = r.globals = &scope;
        jinja_exec(&r, t->body);
    }
    if (r.st == CMAT_OK)
        cmat_buf_add(out, cmat_buf_str(&text), text.len);
    cmat_buf_clear(&text);
    cmat_arena_clear(&arena);
    return r.st;
}
