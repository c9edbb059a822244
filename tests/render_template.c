/* tests/render_template.c - renders chat templates for tests/compare_templates.py: not a test.
 *
 * Each line of standard input is {"template": TEXT, "vars": {...}}; each line of output is
 * {"text": ...} or {"error": ...}. */
#include "core/json.h"
#include "model/chat_template.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *render(const json_t *j)
{
    const char *source = cmat_json_str(j, "template", "");
    cmat_chat_template *t = NULL;
    cmat_error err = {0};
    cmat_buf out = {0};
    json_t *r;
    cmat_status st = cmat_chat_template_new(&t, source, strlen(source), &err);

    if (st == CMAT_OK)
        st = cmat_chat_template_render(t, json_object_get(j, "vars"), &out, &err);
    r = st == CMAT_OK ? json_pack("{s:o}", "text", cmat_json_text(cmat_buf_str(&out), out.len))
                      : json_pack("{s:s}", "error", err.msg);
    cmat_chat_template_free(t);
    cmat_buf_clear(&out);
    return r;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    while ((len = getline(&line, &cap, stdin)) > 0) {
        cmat_error err = {0};
        json_t *j = cmat_json_parse(line, (size_t)len, "request", &err),
               *r = j ? render(j) : json_pack("{s:s}", "error", err.msg);
        json_dumpf(r, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(r);
        json_decref(j);
    }
    free(line);
    return 0;
}
