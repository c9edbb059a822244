/* common.c - what several commands share: opening a model, one generation, input and output. */
#include "api/api.h"
#include "cli/cli.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

cmat_status cli_model_open(cli_model *m, const char *name, const char *adapter_dir,
                           const cmat_engine_options *eo, cmat_error *err)
{
    cmat_status st;

    *m = (cli_model){0};
    cmat_session_options so = {0};
    st = cmat_options_init(cmat_session_option_table, &so, err);
    if (st == CMAT_OK)
        st = cmat_api_model_open(&m->model, name, err);
    if (st == CMAT_OK)
        m->model->any_adapter = so.force_adapter;
    cmat_options_clear(cmat_session_option_table, &so);
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

cmat_status cli_session_open(cmat_session **out, const char *model, const char *adapter,
                             int64_t n_ctx, cmat_error *err)
{
    json_t *j = json_pack("{s:s?, s:I}", "adapter", adapter, "n_ctx", (json_int_t)n_ctx);
    char *options = json_dumps(j, 0);
    cmat_status st = cmat_session_open(out, model, options, err);

    free(options);
    json_decref(j);
    return st;
}

char *cli_options_text(const cmat_option *table, const void *opts)
{
    json_t *j = cmat_options_to_json(table, opts);
    char *text = json_dumps(j, 0);

    json_decref(j);
    return text;
}

json_t *cli_take_result(char *text)
{
    json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);

    cmat_string_free(text);
    return j;
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
