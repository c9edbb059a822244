/* model/chat_template.h - renders a model's own chat template: a small interpreter for the Jinja
 * that templates use. What it does not know is refused with line and column, never skipped.
 * Rendering has limits on depth, steps and output, since a template comes with a model file and is
 * not trusted. */
#ifndef CMAT_MODEL_CHAT_TEMPLATE_H
#define CMAT_MODEL_CHAT_TEMPLATE_H
#include "cmat/error.h"
#include "core/buf.h"
#include "model/tokenizer.h"
#include <jansson.h>

typedef struct cmat_chat_template cmat_chat_template;

cmat_status cmat_chat_template_new(cmat_chat_template **out, const char *source, size_t len,
                                   cmat_error *err);
void cmat_chat_template_free(cmat_chat_template *t);
/* vars: a JSON object: messages, add_generation_prompt, tools, bos_token, eos_token ... Appends to
 * out. */
cmat_status cmat_chat_template_render(const cmat_chat_template *t, json_t *vars, cmat_buf *out,
                                      cmat_error *err);
/* SHA-256 of its source, hex. */
const char *cmat_chat_template_hash(const cmat_chat_template *t);
/* Source of the template for a model that has none: of the usual ones that whose control tokens its
 * vocabulary has (Gemma, Llama 3), else ChatML. */
const char *cmat_chat_template_default(const cmat_tokenizer *t);
#endif
