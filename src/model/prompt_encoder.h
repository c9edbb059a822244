/* model/prompt_encoder.h - small networks that virtual tokens are tuned through: P-Tuning's MLP and
 * LSTM (arXiv 2103.10385, as in PEFT's PromptEncoder) and prefix tuning's projection (arXiv
 * 2101.00190, as in PEFT's PrefixEncoder).
 *
 *   MLP         out = W3 relu(W2 relu(W1 e + b1) + b2) + b3
 *   LSTM        out = W2 relu(W1 lstm(e) + b1) + b2, the LSTM bidirectional, over the virtual
 * tokens projection  out = W2 tanh(W1 e + b1) + b2
 *
 * where e (n, n_in) is an embedding of each virtual token, itself a parameter. All parameters lie
 * in one block, in the order of PyTorch's state_dict. */
#ifndef CMAT_MODEL_PROMPT_ENCODER_H
#define CMAT_MODEL_PROMPT_ENCODER_H
#include "core/rng.h"
#include "kernel/kernel.h"

typedef enum { CMAT_ENCODER_NONE, CMAT_ENCODER_MLP, CMAT_ENCODER_LSTM } cmat_encoder_kind;

typedef struct {
    cmat_encoder_kind kind;
    bool projection; /* MLP: prefix tuning's two layers with tanh */
    int n;           /* virtual tokens */
    int n_in, hidden, n_out;
    int n_layers; /* of the LSTM */
} cmat_encoder_config;

typedef struct cmat_prompt_encoder cmat_prompt_encoder;

/* One parameter tensor: PyTorch's name, (rows, cols) or (rows), its place in the block. */
typedef struct {
    char name[40];
    int rows, cols; /* cols 0: a vector */
    size_t offset;
} cmat_encoder_tensor;

/* CMAT_ERR_LIMIT: so many parameters are not to be had. */
cmat_status cmat_prompt_encoder_new(cmat_prompt_encoder **out, const cmat_encoder_config *config,
                                    cmat_error *err);
void cmat_prompt_encoder_free(cmat_prompt_encoder *e);
const cmat_encoder_config *cmat_prompt_encoder_config(const cmat_prompt_encoder *e);
size_t cmat_prompt_encoder_n_params(const cmat_prompt_encoder *e);
const cmat_encoder_tensor *cmat_prompt_encoder_tensors(const cmat_prompt_encoder *e, size_t *n);
/* As PyTorch does: normal embeddings, the rest uniform within 1 / sqrt(width). */
void cmat_prompt_encoder_init(const cmat_prompt_encoder *e, float *params, cmat_rng *rng);
/* out (n, n_out); keeps what backward needs. */
void cmat_prompt_encoder_forward(cmat_prompt_encoder *e, const cmat_kernel_ops *k,
                                 const float *params, float *out);
/* Adds the gradient of the parameters that the last forward ran with into dparams. */
void cmat_prompt_encoder_backward(cmat_prompt_encoder *e, const cmat_kernel_ops *k,
                                  const float *params, const float *dout, float *dparams);
#endif
