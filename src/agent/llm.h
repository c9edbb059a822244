/* agent/llm.h - where text comes from: our engine, a remote OpenAI-compatible server, or a script.
 *
 * Requests are asynchronous, so that many episodes share one batch: submit, then poll until the
 * wanted ones are there. */
#ifndef CMAT_AGENT_LLM_H
#define CMAT_AGENT_LLM_H
#include "cmat/error.h"
#include "core/acceptor.h"
#include "model/engine.h"
#include <jansson.h>

typedef enum { CMAT_ROLE_USER, CMAT_ROLE_ACTOR, CMAT_ROLE_CHECKER, CMAT_N_ROLES } cmat_role;
extern const char *const cmat_role_names[CMAT_N_ROLES]; /* "user", "actor", "checker" */

typedef struct {
    cmat_role role;   /* chooses the adapter (local) or the model name (remote) */
    json_t *messages; /* [{role, content}]: borrowed during submit only */
    int max_tokens;
    cmat_sampling sampling;
    const cmat_acceptor *constraint; /* borrowed until the reply is taken; remote ignores it */
    const char *const *stop;
    void *tag; /* given back with the reply */
} cmat_llm_request;

typedef struct {
    void *tag;
    char *text; /* owned: cmat_llm_reply_clear */
    size_t n_prompt, n_tokens;
    double seconds;
    bool context_limit; /* the prompt did not fit (AgentBench: context limit); text is "" */
    cmat_status status; /* not CMAT_OK: this request failed for good; err says why */
    cmat_error err;
} cmat_llm_reply;
void cmat_llm_reply_clear(cmat_llm_reply *r);

typedef struct cmat_llm cmat_llm;
typedef struct {
    const char *name;
    cmat_status (*submit)(cmat_llm *llm, const cmat_llm_request *req, cmat_error *err);
    /* Works until at least one reply is ready; *n replies (at most cap) are written to out. 0:
     * nothing is pending. */
    cmat_status (*poll)(cmat_llm *llm, cmat_llm_reply *out, size_t cap, size_t *n, cmat_error *err);
    /* Tokens of a text, for the budget of the trajectory (an estimate for remote). */
    size_t (*count_tokens)(cmat_llm *llm, const char *text);
    int (*n_ctx)(cmat_llm *llm);
    /* Forgets every request that is pending: nothing borrowed by one is used afterwards, none is
     * answered. */
    void (*cancel)(cmat_llm *llm);
    void (*free)(cmat_llm *llm);
} cmat_llm_ops;
struct cmat_llm {
    const cmat_llm_ops *ops;
};

/* local: engine is borrowed; adapters (may hold NULL) by role, borrowed, replaceable between
 * requests. */
cmat_status cmat_llm_local_new(cmat_llm **out, cmat_engine *engine, cmat_model *model,
                               cmat_error *err);
/* The engine's context, where it is not the default (the model's, at most 4096): what prompts are
 * cut to. */
void cmat_llm_local_set_n_ctx(cmat_llm *llm, int n_ctx);
void cmat_llm_local_set_adapter(cmat_llm *llm, cmat_role role, const cmat_adapter *adapter);
/* remote: base URL such as http://127.0.0.1:8080/v1; key may be NULL. Through libcurl's multi
 * interface. */
cmat_status cmat_llm_remote_new(cmat_llm **out, const char *url, const char *model, const char *key,
                                cmat_error *err);
/* A model name for one role (copied), where the server serves tuned ones under names of their own.
 */
void cmat_llm_remote_set_model(cmat_llm *llm, cmat_role role, const char *model);
typedef struct {
    double timeout; /* seconds for one try, connection included */
    double connect_timeout;
    int max_tries;   /* a dropped connection, a time-out, 408, 429 and 5xx are tried again */
    double backoff;  /* seconds before the second try; doubled for each further one, at most 30 */
    size_t max_body; /* bytes of a response; above: CMAT_ERR_LIMIT */
    int max_connections; /* requests in flight at once */
    int n_ctx;           /* tokens that the server's model takes; it does not say */
} cmat_llm_remote_limits;
#define CMAT_LLM_REMOTE_LIMITS_DEFAULT                                         \
    {                                                                          \
        .timeout = 300, .connect_timeout = 10, .max_tries = 5, .backoff = 0.5, \
        .max_body = 8u << 20, .max_connections = 16, .n_ctx = 8192             \
    }
void cmat_llm_remote_set_limits(cmat_llm *llm, const cmat_llm_remote_limits *limits);
/* scripted: fn answers each request with a malloc'd string (NULL: none), for what needs no model.
 */
cmat_llm *cmat_llm_scripted_new(char *(*fn)(void *user, const cmat_llm_request *req), void *user);
/* The context (default 4096); what counts as a token is a started 4 bytes. */
void cmat_llm_scripted_set_n_ctx(cmat_llm *llm, int n_ctx);
/* How a request that fn has no answer to fails (default CMAT_ERR_NOT_FOUND); text is borrowed. */
void cmat_llm_scripted_set_missing(cmat_llm *llm, cmat_status status, const char *text);
void cmat_llm_free(cmat_llm *llm);
#endif
