/* generate.c - text from a session's model: complete and chat. */
#include "api/api.h"
#include "core/cancel.h"
#include "core/json.h"
#include "core/mem.h"
#include "grammar/grammar.h"

#include <stdlib.h>
#include <string.h>

#define AT(m) offsetof(cmat_generate_options, m)
const cmat_option cmat_generate_option_table[] = {
    {"max-tokens", CMAT_OPT_INT, AT(max_tokens), "256", 1, 1e6, NULL, "N", "new tokens at most",
     'n'},
    {"temperature", CMAT_OPT_FLOAT, AT(temperature), "0", 0, 10, NULL, "X",
     "0: always the likeliest token", 0},
    {"top-k", CMAT_OPT_INT, AT(top_k), "0", 0, 1e6, NULL, "N",
     "sample among the k likeliest; 0: off", 0},
    {"top-p", CMAT_OPT_FLOAT, AT(top_p), "1", 0, 1, NULL, "X",
     "sample among the likeliest that sum to p; 1: off", 0},
    {"min-p", CMAT_OPT_FLOAT, AT(min_p), "0", 0, 1, NULL, "X",
     "drop tokens below this share of the likeliest; 0: off", 0},
    {"repeat-penalty", CMAT_OPT_FLOAT, AT(repeat_penalty), "1", 0.01, 10, NULL, "X",
     "over the last 64 tokens; 1: off", 0},
    {"seed", CMAT_OPT_INT, AT(seed), "0", 0, 9e15, NULL, "N", "of the sampling", 0},
    {"stop", CMAT_OPT_STR, AT(stop), NULL, 0, 0, NULL, "TEXT", "end before this text", 0},
    {"grammar", CMAT_OPT_STR, AT(grammar), NULL, 0, 0, NULL, "FILE",
     "the text fits this grammar (GBNF)", 0},
    {"json-schema", CMAT_OPT_STR, AT(json_schema), NULL, 0, 0, NULL, "FILE",
     "the text is JSON that fits this schema", 0},
    {"regex", CMAT_OPT_STR, AT(regex), NULL, 0, 0, NULL, "RE",
     "the whole text matches this regular expression", 0},
    {"choices", CMAT_OPT_STR, AT(choices), NULL, 0, 0, NULL, "A,B,C",
     "the text is one of these (\\, is a comma)", 0},
    {"trigger", CMAT_OPT_STR, AT(trigger), NULL, 0, 0, NULL, "TEXT",
     "free text up to this, then one of the above", 0},
    {"trigger-end", CMAT_OPT_STR, AT(trigger_end), NULL, 0, 0, NULL, "TEXT",
     "behind this free text again, up to the next trigger, if any", 0},
    {0},
};

static const char *finish_name(cmat_finish f)
{
    return f == CMAT_FINISH_STOP ? "stop" : f == CMAT_FINISH_CANCELLED ? "cancelled" : "length";
}

/* Runs one request to its end. */
static cmat_status run(cmat_engine *e, const cmat_gen_request *req, cmat_gen_result *res,
                       cmat_error *err)
{
    uint64_t id;
    int n_busy = 1;
    cmat_status st = cmat_engine_submit(e, req, &id, err);

    while (st == CMAT_OK && n_busy > 0) {
        if (cmat_cancelled())
            cmat_engine_cancel(e, id);
        st = cmat_engine_step(e, &n_busy, err);
    }
    if (st != CMAT_OK || !cmat_engine_collect(e, res))
        return st != CMAT_OK ? st : cmat_fail(err, CMAT_ERR_STATE, "the request gave no result");
    return cmat_cancelled() ? cmat_fail(err, CMAT_ERR_CANCELLED, "stopped") : CMAT_OK;
}

/* "a,b\,c" as n strings; the caller frees the first one and the list. */
static char **split_choices(const char *text, size_t *n)
{
    char *copy = cmat_xstrdup(text), *to = copy, **list = NULL;
    size_t cap = 0;
    *n = 0;
    list = cmat_xgrow(list, &cap, 1, sizeof(char *));
    list[(*n)++] = copy;
    for (; *text; text++) {
        if (*text == '\\' && (text[1] == ',' || text[1] == '\\')) {
            *to++ = *++text;
        } else if (*text == ',') {
            *to++ = '\0';
            list = cmat_xgrow(list, &cap, *n + 1, sizeof(char *));
            list[(*n)++] = to;
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
    return list;
}

cmat_status cmat_api_constraint(cmat_acceptor **out, const cmat_generate_options *o,
                                cmat_error *err)
{
    const cmat_grammar_trigger trigger = {.begin = o->trigger, .end = o->trigger_end};
    const int n = !!o->grammar + !!o->json_schema + !!o->regex + !!o->choices;
    *out = NULL;
    if (n > 1)
        return cmat_fail(err, CMAT_ERR_ARG,
                         "one of grammar, json-schema, regex and choices can be asked for");
    if (n == 0 && (o->trigger || o->trigger_end))
        return cmat_fail(err, CMAT_ERR_ARG,
                         "a trigger goes with a grammar, json-schema, regex or choices");
    if (o->grammar)
        return cmat_grammar_gbnf(out, o->grammar, &trigger, err);
    if (o->regex)
        return cmat_grammar_regex(out, o->regex, &trigger, err);
    if (o->json_schema) {
        json_t *j = cmat_json_parse(o->json_schema, strlen(o->json_schema), "schema", err);
        cmat_status st = j ? cmat_grammar_json_schema(out, j, &trigger, err) : CMAT_ERR_FORMAT;
        json_decref(j);
        return st;
    }
    if (o->choices) {
        size_t n_choices;
        char **list = split_choices(o->choices, &n_choices);
        cmat_status st =
            cmat_grammar_choices(out, (const char *const *)list, n_choices, &trigger, err);
        free(list[0]);
        free(list);
        return st;
    }
    return CMAT_OK;
}

static cmat_status generate(cmat_session *s, const int32_t *tokens, size_t n, const char *options,
                            cmat_on_text on_text, void *user, char **result, cmat_error *err)
{
    cmat_generate_options o;
    cmat_gen_result res = {0};
    cmat_engine_options eo = {.n_ctx = (int)s->opts.n_ctx, .n_seqs = (int)s->opts.n_seqs};
    cmat_acceptor *constraint = NULL;
    cmat_status st = cmat_api_options(cmat_generate_option_table, &o, options, err);

    if (st != CMAT_OK)
        return st;
    st = cmat_api_constraint(&constraint, &o, err);
    if (st == CMAT_OK && !s->engine)
        st = cmat_engine_new(&s->engine, s->model, &eo, err);
    if (st == CMAT_OK) {
        const char *stop[] = {o.stop, NULL};
        cmat_gen_request req = {.tokens = tokens,
                                .n_tokens = n,
                                .max_tokens = (int)o.max_tokens,
                                .sampling = {.temperature = (float)o.temperature,
                                             .top_k = (int)o.top_k,
                                             .top_p = (float)o.top_p,
                                             .min_p = (float)o.min_p,
                                             .repeat_penalty = (float)o.repeat_penalty,
                                             .seed = (uint64_t)o.seed},
                                .adapter = s->adapter,
                                .constraint = constraint,
                                .stop = o.stop ? stop : NULL,
                                .on_text = on_text,
                                .user = user};
        st = run(s->engine, &req, &res, err);
    }
    if (st == CMAT_OK)
        cmat_api_result(json_pack("{s:o, s:s, s:{s:I, s:I}, s:f}", "text",
                                  cmat_json_text(res.text, res.text_len), "finish_reason",
                                  finish_name(res.finish), "usage", "prompt_tokens",
                                  (json_int_t)res.n_prompt, "completion_tokens",
                                  (json_int_t)res.n_tokens, "seconds", res.seconds),
                        result);
    cmat_gen_result_clear(&res);
    cmat_acceptor_free(constraint);
    cmat_options_clear(cmat_generate_option_table, &o);
    return st;
}

cmat_status cmat_session_complete(cmat_session *s, const char *text, const char *options,
                                  cmat_on_text on_text, void *user, char **result, cmat_error *err)
{
    const cmat_tokenizer *t = s->model->tokenizer;
    int32_t *tokens = NULL;
    size_t n = 0, cap = 0;
    cmat_status st;

    if (cmat_tokenizer_add_bos(t) && cmat_tokenizer_bos(t) >= 0) {
        tokens = cmat_xgrow(tokens, &cap, 1, sizeof *tokens);
        tokens[n++] = cmat_tokenizer_bos(t);
    }
    cmat_tokenizer_encode(t, text, strlen(text), true, &tokens, &n, &cap);
    st = n ? generate(s, tokens, n, options, on_text, user, result, err)
           : cmat_fail(err, CMAT_ERR_ARG, "the text to go on from is empty");
    free(tokens);
    return st;
}

cmat_status cmat_session_chat(cmat_session *s, const char *messages, const char *options,
                              cmat_on_text on_text, void *user, char **result, cmat_error *err)
{
    json_t *j = cmat_json_parse(messages, strlen(messages), "messages", err);
    int32_t *tokens = NULL;
    size_t n = 0;
    cmat_status st = CMAT_ERR_FORMAT;

    if (j)
        st = cmat_model_chat_tokens(s->model, j, true, &tokens, NULL, &n, err);
    if (st == CMAT_OK)
        st = generate(s, tokens, n, options, on_text, user, result, err);
    free(tokens);
    json_decref(j);
    return st;
}
