/* model/export.c - cmat_export: which types there are, the proof, and the file's final name. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/engine.h"
#include "model/export_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bounds: several times what SmolLM2-135M loses, whose 4-bit forms are among the worst. */
const cmat_export_type cmat_export_types[] = {
    {"F32", CMAT_TYPE_F32, CMAT_TYPE_F32, CMAT_TYPE_F32, 0, 1e-4},
    {"F16", CMAT_TYPE_F16, CMAT_TYPE_F16, CMAT_TYPE_F16, 1, 1e-3},
    {"BF16", CMAT_TYPE_BF16, CMAT_TYPE_BF16, CMAT_TYPE_BF16, 32, 1e-2},
    {"Q8_0", CMAT_TYPE_Q8_0, CMAT_TYPE_Q8_0, CMAT_TYPE_Q8_0, 7, 2e-2},
    {"Q6_K", CMAT_TYPE_Q6_K, CMAT_TYPE_Q6_K, CMAT_TYPE_Q6_K, 18, 5e-2},
    {"Q5_K_M", CMAT_TYPE_Q5_K, CMAT_TYPE_Q6_K, CMAT_TYPE_Q6_K, 17, 0.3},
    {"Q5_1", CMAT_TYPE_Q5_1, CMAT_TYPE_Q5_1, CMAT_TYPE_Q6_K, 9, 0.3},
    {"Q5_0", CMAT_TYPE_Q5_0, CMAT_TYPE_Q5_0, CMAT_TYPE_Q6_K, 8, 0.3},
    {"Q4_K_M", CMAT_TYPE_Q4_K, CMAT_TYPE_Q6_K, CMAT_TYPE_Q6_K, 15, 1},
    {"Q4_1", CMAT_TYPE_Q4_1, CMAT_TYPE_Q4_1, CMAT_TYPE_Q6_K, 3, 1},
    {"Q4_0", CMAT_TYPE_Q4_0, CMAT_TYPE_Q4_0, CMAT_TYPE_Q6_K, 2, 1},
    {0},
};

const cmat_export_type *cmat_export_type_find(const char *name)
{
    for (const cmat_export_type *t = cmat_export_types; t->name; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

typedef struct {
    const char *name;
    bool merged; /* a model, not an adapter */
    const char *default_type;
    const char *types; /* " F32 F16"; NULL: all */
} form;

static const form formats[] = {
    [CMAT_EXPORT_GGUF_LORA] = {"gguf-lora", false, "F32", " F32"},
    [CMAT_EXPORT_PEFT] = {"peft", false, "F32", " F32 F16 BF16"},
    [CMAT_EXPORT_GGUF] = {"gguf", true, "Q8_0", NULL},
    [CMAT_EXPORT_SAFETENSORS] = {"safetensors", true, "F16", " F32 F16 BF16"},
};

static cmat_status choose_type(const form *f, const char *name, const cmat_export_type **out,
                               cmat_error *err)
{
    char word[16];
    *out = cmat_export_type_find(name ? name : f->default_type);
    snprintf(word, sizeof word, " %.12s", name ? name : f->default_type);
    if (!*out || (f->types && !strstr(f->types, word)))
        return cmat_fail(err, CMAT_ERR_ARG, "%s files hold no %.20s (they hold%s)", f->name, name,
                         f->types ? f->types
                                  : " F32 F16 BF16 Q8_0 Q6_K Q5_K_M Q5_1 Q5_0 Q4_K_M Q4_1 Q4_0");
    return CMAT_OK;
}

/* Refuses what could only go wrong later. */
static cmat_status check(const cmat_model *m, const cmat_adapter *a, const char *out, const form *f,
                         cmat_error *err)
{
    struct stat have, want;
    size_t n_pairs = (size_t)m->config.n_layers * CMAT_N_LAYER_WEIGHTS, n = 0;
    for (size_t i = 0; a && i < n_pairs; i++)
        n += a->pairs[i].a != NULL;
    if (!a && !f->merged)
        return cmat_fail(err, CMAT_ERR_ARG, "format %s needs an adapter", f->name);
    if (a && f->merged && n == 0)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "this adapter changes no weights: there is nothing to merge");
    if (m->path && stat(m->path, &have) == 0 && stat(out, &want) == 0 &&
        have.st_dev == want.st_dev && have.st_ino == want.st_ino)
        return cmat_fail(err, CMAT_ERR_ARG, "%s is the model itself", out);
    return CMAT_OK;
}

static cmat_status write_it(cmat_model *m, const cmat_adapter *a, const char *path,
                            cmat_export_format format, const cmat_export_type *type,
                            cmat_error *err)
{
    switch (format) {
    case CMAT_EXPORT_GGUF_LORA:
        return cmat_adapter_export_gguf(a, path, err);
    case CMAT_EXPORT_PEFT:
        return cmat_adapter_save_as(a, path, type->type, err);
    case CMAT_EXPORT_GGUF:
        return export_gguf(m, a, path, type, err);
    default:
        return export_hf(m, a, path, type, err);
    }
}

static bool has_tokenizer(const char *dir)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "qwen.tiktoken"};
    bool has = false;
    for (size_t i = 0; i < 3; i++) {
        char *path = cmat_path_join(dir, names[i]);
        has |= cmat_path_exists(path);
        free(path);
    }
    return has;
}

/* A folder's weights by its config.json, without a tokenizer where none could be written. */
static cmat_status open_folder(cmat_model **out, const char *dir, const cmat_kernel_ops *kernel,
                               cmat_error *err)
{
    char *config_path = cmat_path_join(dir, "config.json"),
         *weights_path = cmat_path_join(dir, "model.safetensors");
    cmat_model_config config;
    cmat_safetensors *weights = NULL;
    if (has_tokenizer(dir)) {
        free(config_path);
        free(weights_path);
        return cmat_model_open(out, dir, kernel, err);
    }
    json_t *j = cmat_json_load(config_path, err);
    cmat_status st = j ? cmat_config_from_json(&config, j, err) : CMAT_ERR_FORMAT;
    if (st == CMAT_OK)
        st = cmat_safetensors_open(&weights, weights_path, err);
    if (st == CMAT_OK)
        st =
            cmat_model_open_source(out, cmat_source_safetensors(&weights, 1), &config, kernel, err);
    json_decref(j);
    free(config_path);
    free(weights_path);
    return st;
}

/* Reads what was written and compares. */
static cmat_status prove(cmat_model *m, const cmat_adapter *a, const char *path, const form *f,
                         cmat_export_result *r, cmat_error *err)
{
    cmat_model *m2 = NULL;
    cmat_adapter *a2 = NULL;
    cmat_status st = !f->merged               ? cmat_adapter_load(&a2, m, path, err)
                     : cmat_path_is_dir(path) ? open_folder(&m2, path, m->kernel, err)
                                              : cmat_model_open(&m2, path, m->kernel, err);
    if (st == CMAT_OK)
        st = export_compare(m, a, m2 ? m2 : m, a2, r, err);
    cmat_adapter_free(a2);
    cmat_model_free(m2);
    if (st != CMAT_OK)
        return cmat_fail_prefix(err, st, "reading back");
    if (!(r->mean_kl <= r->max_kl))
        return cmat_fail(err, CMAT_ERR_STATE,
                         "the file read back is too far from its source: mean KL %.3g "
                         "nats a token, bound %.3g, largest difference of logits %.3g (--max-kl "
                         "sets another bound)",
                         r->mean_kl, r->max_kl, r->max_diff);
    return CMAT_OK;
}

/* ---- the final name ---- */

typedef struct {
    uint64_t bytes;
    cmat_error *err;
    cmat_status st;
} walk;

/* fn for each file of a folder, or the one file; then the folder itself goes. */
static void each_file(const char *path, const char *to, walk *w,
                      void (*fn)(walk *w, const char *from, const char *to))
{
    DIR *dir = opendir(path);
    struct dirent *e;
    if (!dir) {
        fn(w, path, to);
        return;
    }
    while ((e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        char *from = cmat_path_join(path, e->d_name), *dest = cmat_path_join(to, e->d_name);
        fn(w, from, dest);
        free(from);
        free(dest);
    }
    closedir(dir);
    rmdir(path);
}

static void remove_file(walk *w, const char *from, const char *to)
{
    (void)w;
    (void)to;
    unlink(from);
}

static void move_file(walk *w, const char *from, const char *to)
{
    struct stat sb;
    if (stat(from, &sb) == 0)
        w->bytes += (uint64_t)sb.st_size;
    if (w->st == CMAT_OK)
        w->st = cmat_rename(from, to, w->err);
}

cmat_status cmat_export(cmat_model *m, const cmat_adapter *adapter, const char *out,
                        const cmat_export_options *o, cmat_export_result *r, cmat_error *err)
{
    const form *f = &formats[o->format];
    const cmat_export_type *type;
    walk w = {.err = err};
    *r = (cmat_export_result){0};
    cmat_status st = choose_type(f, o->type, &type, err);
    if (st != CMAT_OK || (st = check(m, adapter, out, f, err)) != CMAT_OK)
        return st;
    r->type = type->name;
    r->max_kl = o->max_kl > 0 ? o->max_kl : type->max_kl;
    char *unproved = cmat_xasprintf("%s.unproved", out);
    each_file(unproved, "", &w, remove_file); /* of an export that was killed */
    st = write_it(m, adapter, unproved, o->format, type, err);
    if (st == CMAT_OK)
        st = prove(m, adapter, unproved, f, r, err);
    if (st == CMAT_OK && cmat_path_is_dir(unproved))
        st = cmat_mkdir_p(out, err);
    if (st == CMAT_OK) {
        each_file(unproved, out, &w, move_file);
        st = w.st;
        r->bytes = w.bytes;
    }
    if (st != CMAT_OK)
        each_file(unproved, "", &w, remove_file);
    free(unproved);
    return st;
}
