/* model/export_gguf.c - a merged model as GGUF. */
#include "core/json.h"
#include "core/mem.h"
#include "model/export_internal.h"

#include <stdlib.h>
#include <string.h>

/* Which layers get more bits in llama.cpp's "_M" mixes: the first and last eighth, and every third
 * between. */
static bool more_bits(int layer, int n_layers)
{
    return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

/* For rows that are no whole blocks: the next wider type whose blocks fit. */
static cmat_type fitting(cmat_type type, int64_t n_in)
{
    if (n_in % cmat_type_get((int)type)->block_weights == 0)
        return type;
    if (n_in % 32)
        return CMAT_TYPE_F16;
    return type == CMAT_TYPE_Q6_K   ? CMAT_TYPE_Q8_0
           : type == CMAT_TYPE_Q5_K ? CMAT_TYPE_Q5_1
                                    : CMAT_TYPE_Q5_0;
}

/* Of a matrix in a GGUF of that mix. */
static cmat_type type_in(const cmat_model *m, const export_tensor *t, const cmat_export_type *mix)
{
    cmat_type type = mix->type;
    if (t->module == CMAT_MODULE_OUTPUT || (t->module == CMAT_MODULE_TOKEN_EMBD && m->config.tied))
        type = mix->head;
    else if ((t->module == CMAT_W_V || t->module == CMAT_W_DOWN || t->module == CMAT_MODULE_QKV) &&
             more_bits(t->layer, m->config.n_layers))
        type = mix->more;
    return fitting(type, t->n_in);
}

/* Adds the adapter's name to those merged before. */
static void set_merged(cmat_gguf_writer *w, const cmat_model *m, const cmat_adapter *a)
{
    const char *before = cmat_model_merged(m);
    char *names = !a       ? cmat_xstrdup(before)
                  : before ? cmat_xasprintf("%s, %s", before, a->name ? a->name : "adapter")
                           : cmat_xstrdup(a->name ? a->name : "adapter");
    if (names)
        cmat_gguf_writer_str(w, CMAT_KEY_MERGED, names);
    free(names);
}

/* Tensors of the file that the model has no place for, such as rope_freqs, as they are. */
static void copy_others(cmat_gguf_writer *w, const cmat_gguf *g, const export_plan *p)
{
    for (size_t i = 0; i < cmat_gguf_n_tensors(g); i++) {
        const cmat_gguf_tensor *t = cmat_gguf_tensor_at(g, i);
        size_t k = 0;
        while (k < p->n && strcmp(p->tensors[k].name, t->name) != 0)
            k++;
        if (k == p->n)
            cmat_gguf_writer_tensor(w, t->name, t->type, t->n_dims, t->ne, t->data);
    }
}

cmat_status export_gguf(const cmat_model *m, const cmat_adapter *a, const char *path,
                        const cmat_export_type *mix, cmat_error *err)
{
    static const char *const own[] = {"general.file_type", "general.quantization_version", "cmat.",
                                      NULL};
    export_plan p;
    if (!m->gguf && !m->path)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "the model's own files are not known");
    cmat_gguf_writer *w = cmat_gguf_writer_new();
    cmat_status st = export_plan_init(&p, m, a, false, err);
    if (st == CMAT_OK && m->gguf)
        cmat_gguf_writer_copy(w, m->gguf, own);
    if (st == CMAT_OK && !m->gguf)
        st = export_gguf_config(w, m, err);
    if (st == CMAT_OK && !m->gguf)
        st = export_gguf_tokenizer(w, m, err);
    if (st != CMAT_OK)
        goto done;
    cmat_gguf_writer_u32(w, "general.file_type", (uint32_t)mix->file_type);
    cmat_gguf_writer_u32(w, "general.quantization_version", 2);
    cmat_gguf_writer_str(w, CMAT_KEY_ORIGIN, cmat_model_origin((cmat_model *)m)); /* a cache */
    set_merged(w, m, a);
    for (size_t i = 0; i < p.n; i++) {
        export_tensor *t = &p.tensors[i];
        if (t->w)
            t->type = type_in(m, t, mix);
        cmat_gguf_writer_rows(w, t->name, t->type, t->w ? 2 : 1, (int64_t[]){t->n_in, t->n_rows},
                              export_rows, t);
    }
    if (m->gguf)
        copy_others(w, m->gguf, &p);
    p.progress = cmat_progress_new("export", p.total);
    st = cmat_gguf_writer_save(w, path, err);
    cmat_progress_free(p.progress);
done:
    cmat_gguf_writer_free(w);
    export_plan_clear(&p);
    return st;
}
