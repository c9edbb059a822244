/* common.c - what several commands share: opening a model, one generation, input and output. */
#include "cli/cli.h"
#include "core/cancel.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/mem.h"
#include "model/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

cmat_status cli_model_open(cli_model *m, const char *name, const char *adapter_dir,
                           const cmat_engine_options *eo, cmat_error *err)
{
    cmat_status st;
    char *path = cmat_model_find(name);

    *m = (cli_model){0};
    if (!path)
        return cmat_fail(err, CMAT_ERR_NOT_FOUND,
                         name ? "model %s: no such file, and none of that name under %s"
                              : "the default model is not here yet%.0s%.0s: `cmat pull` gets it",
                         name ? name : "", "$CMAT_HOME/models");
    st = cmat_model_open(&m->model, path, NULL, err);
    free(path);
    if (st == CMAT_OK)
        st = cmat_model_prepare(m->model, CMAT_USE_DECODE | CMAT_USE_PROMPT, err);
    if (st == CMAT_OK && adapter_dir)
        st = cmat_adapter_load(&m->adapter, m->model, adapter_dir, err);
    if (st == CMAT_OK && eo)
        st = cmat_engine_new(&m->engine, m->model, eo, err);
    if (st != CMAT_OK)
        cli_model_close(m);
    return st;
}

void cli_model_close(cli_model *m)
{
    cmat_engine_free(m->engine);
    cmat_adapter_free(m->adapter);
    cmat_model_free(m->model);
    *m = (cli_model){0};
}

static void print_piece(void *user, const char *text, size_t len)
{
    (void)user;
    fwrite(text, 1, len, stdout);
    fflush(stdout);
}

cmat_status cli_generate_tokens(cli_model *m, const int32_t *tokens, size_t n,
                                const cli_generate_options *o, cmat_gen_result *res,
                                cmat_error *err)
{
    cmat_gen_request req = {.tokens = tokens,
                            .n_tokens = n,
                            .max_tokens = o->max_tokens,
                            .sampling = o->sampling,
                            .adapter = m->adapter,
                            .stop = o->stop,
                            .on_text = o->stream ? print_piece : NULL};
    uint64_t id;
    int n_busy = 1;
    cmat_status st = cmat_engine_submit(m->engine, &req, &id, err);

    while (st == CMAT_OK && n_busy > 0) {
        if (cmat_cancelled())
            cmat_engine_cancel(m->engine, id);
        st = cmat_engine_step(m->engine, &n_busy, err);
    }
    if (st != CMAT_OK || !cmat_engine_collect(m->engine, res))
        return st != CMAT_OK ? st : cmat_fail(err, CMAT_ERR_STATE, "the request gave no result");
    return cmat_cancelled() ? cmat_fail(err, CMAT_ERR_CANCELLED, "stopped") : CMAT_OK;
}

cmat_status cli_generate(cli_model *m, json_t *messages, const cli_generate_options *o,
                         cmat_gen_result *res, cmat_error *err)
{
    int32_t *tokens = NULL;
    size_t n = 0;
    cmat_status st = cmat_model_chat_tokens(m->model, messages, true, &tokens, NULL, &n, err);

    if (st == CMAT_OK)
        st = cli_generate_tokens(m, tokens, n, o, res, err);
    free(tokens);
    return st;
}

char *cli_default_run(const char *database)
{
    const char *base = cmat_path_base(database), *dot = strrchr(base, '.');
    return cmat_xasprintf("runs/%.*s", dot && dot > base ? (int)(dot - base) : (int)strlen(base),
                          base);
}

void cli_print_json(const json_t *j)
{
    json_dumpf(j, stdout, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    putchar('\n');
}

bool cli_confirm(const char *question)
{
    char answer[16];

    if (!isatty(STDIN_FILENO))
        return false;
    fprintf(stderr, "%s [y/N] ", question);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

cmat_status cli_read_input(const char *path, char **text, size_t *len, cmat_error *err)
{
    enum { MAX_INPUT = 256 << 20 };
    return cmat_read_file(strcmp(path, "-") == 0 ? "/dev/stdin" : path, MAX_INPUT, text, len, err);
}
