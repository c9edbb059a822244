/* api/api.h - behind the public header: what a session is, and the options of its calls as tables
 * (for JSON here, for flags and --help in the command line). */
#ifndef CMAT_API_API_H
#define CMAT_API_API_H
#include "agent/agent.h"
#include "cmat/cmat.h"
#include "core/option.h"
#include "evolve/evolve.h"
#include "model/adapter.h"
#include "model/engine.h"
#include "train/train.h"

typedef struct {
    char *adapter;
    int64_t n_ctx, n_seqs;
    bool force_adapter;
} cmat_session_options;
extern const cmat_option cmat_session_option_table[];

struct cmat_session {
    cmat_model *model;
    cmat_adapter *adapter; /* NULL: the base */
    cmat_engine *engine;   /* of chat and complete; made on first use */
    cmat_session_options opts;
};

typedef struct {
    int64_t max_tokens, top_k, seed;
    double temperature, top_p, min_p, repeat_penalty;
    char *stop;
    char *grammar, *json_schema, *regex, *choices, *trigger, *trigger_end; /* texts, not files */
} cmat_generate_options;
extern const cmat_option cmat_generate_option_table[];
/* The acceptor that the options ask for, to be freed with cmat_acceptor_free; NULL: none. */
cmat_status cmat_api_constraint(cmat_acceptor **out, const cmat_generate_options *o,
                                cmat_error *err);

typedef struct {
    char *adapter, *valid;
    int64_t max_len;
    double valid_share;
    bool find_lr, plan;
    double find_from, find_to;
    cmat_method_options method;
    cmat_tune_options tune;
} cmat_session_tune_options;
extern const cmat_option cmat_session_tune_option_table[];

typedef struct {
    char *world, *tasks, *actor, *checker_adapter, *run, *url, *url_model, *style;
    int64_t n;
    int split;
    cmat_agent_options agent;
} cmat_session_eval_options;
extern const cmat_option cmat_session_eval_option_table[];

/* Of a cmat_evolve_options: its files and folder too. */
extern const cmat_option cmat_session_evolve_option_table[];

typedef struct {
    char *run, *checker, *entities;
    int64_t rows;
    bool untuned;
} cmat_ask_options;
extern const cmat_option cmat_ask_option_table[];

typedef struct {
    char *adapter, *type;
    int format;
    double max_kl;
} cmat_session_export_options;
extern const cmat_option cmat_session_export_option_table[];

/* The model of that name or path (NULL: the default one), ready for prompts and decoding. On
 * failure *out may be a model, which the caller frees. */
cmat_status cmat_api_model_open(cmat_model **out, const char *name, cmat_error *err);
/* What is wrong with a call before its model is opened: CMAT_ERR_ARG, CMAT_ERR_NOT_FOUND. */
cmat_status cmat_api_check_eval(const char *env, const cmat_session_eval_options *o,
                                cmat_error *err);
/* False: a server or the tasks' gold acts. */
bool cmat_api_eval_needs_model(const cmat_session_eval_options *o);
cmat_status cmat_api_check_evolve(const char *env, const cmat_evolve_options *o, cmat_error *err);
/* A call's options out of its JSON text (may be NULL) over the defaults. On failure *opts is
 * cleared. */
cmat_status cmat_api_options(const cmat_option *table, void *opts, const char *json,
                             cmat_error *err);
/* A result as text; takes the reference. out may be NULL. */
void cmat_api_result(json_t *j, char **out);
/* A world is a file that is there, or a server's address without a password. */
cmat_status cmat_api_find_world(const char *world, cmat_error *err);
/* "runs/NAME" for "path/to/NAME.sqlite" or "mysql://host/NAME": the caller's to free(). */
char *cmat_api_default_run(const char *world);
#endif
