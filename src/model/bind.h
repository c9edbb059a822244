/* model/bind.h - binds a model's tensors to its layers: each must be there with exactly the shape
 * that the configuration gives. */
#ifndef CMAT_MODEL_BIND_H
#define CMAT_MODEL_BIND_H
#include "model/model.h"

/* Fills m's weights and norms from m->source by m->config; sets n_vocab and tied. What was bound
 * before an error stays for cmat_model_free. */
cmat_status cmat_model_bind(cmat_model *m, cmat_error *err);
#endif
