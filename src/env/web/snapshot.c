/* snapshot.c - an episode's state as text, and back. */
#include "core/json.h"
#include "env/web/web.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines: what is chosen between (numbers), then the earlier actions, then the browser's state. */
cmat_status web_env_snapshot(cmat_env *env, cmat_buf *out, cmat_error *err)
{
    const web_env *e = (const web_env *)env;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "web: no task has been set");
    if (e->tab)
        return cmat_fail(
            err, CMAT_ERR_UNSUPPORTED,
            "web: a page in a real browser cannot be set back (play it again instead)");
    cmat_buf_printf(out, "%d %d %.17g %d %zu %d %d %d %zu %zu %zu", e->judged, e->element_right,
                    e->f1, e->n_bad, e->from, e->picked, (int)e->pick.op, e->pick.element,
                    e->n_left, e->n_group, json_array_size(e->before));
    for (size_t i = 0; i < e->n_left; i++)
        cmat_buf_printf(out, " %d", e->left[i]);
    for (size_t i = 0; i < e->n_group; i++)
        cmat_buf_printf(out, " %d", e->group[i]);
    cmat_buf_printf(out, "\n%s\n", e->picked == WEB_NO_NODE ? "" : e->pick.value);
    for (size_t i = 0; i < json_array_size(e->before); i++)
        cmat_buf_printf(out, "%s\n", json_string_value(json_array_get(e->before, i)));
    if (!e->recorded)
        web_browser_save(&e->browser, out);
    return CMAT_OK;
}

typedef struct {
    int judged, right, n_bad, picked, op, element;
    double f1;
    size_t from, n_left, n_group, n_before;
    const char *numbers, *lines;
} saved;

static bool read_saved(const char *text, saved *s)
{
    int n = 0;
    const char *end = strchr(text, '\n');
    if (!end || sscanf(text, "%d %d %lg %d %zu %d %d %d %zu %zu %zu%n", &s->judged, &s->right,
                       &s->f1, &s->n_bad, &s->from, &s->picked, &s->op, &s->element, &s->n_left,
                       &s->n_group, &s->n_before, &n) != 11)
        return false;
    s->numbers = text + n;
    s->lines = end + 1;
    return s->n_left <= 100000 && s->n_group <= WEB_GROUP && s->op >= WEB_NO_OP &&
           s->op <= WEB_BACK;
}

/* A line's text into buf; where the next one begins, NULL: there is none. */
static const char *take_line(const char *p, cmat_buf *line)
{
    const size_t len = strcspn(p, "\n");
    cmat_buf_truncate(line, 0);
    cmat_buf_add(line, p, len);
    return p[len] ? p + len + 1 : NULL;
}

static bool valid_nodes(const web_env *e, const int *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (nodes[i] < 0 || nodes[i] >= (int)web_env_page(e)->n)
            return false;
    return true;
}

static bool put_saved(web_env *e, const saved *s)
{
    cmat_buf line = {0};
    const char *p = take_line(s->lines, &line);
    json_t *before = json_array();
    char value[WEB_VALUE_MAX + 1];
    snprintf(value, sizeof value, "%s", cmat_buf_str(&line));
    for (size_t i = 0; p && i < s->n_before; i++) {
        p = take_line(p, &line);
        if (p)
            json_array_append_new(before, cmat_json_text(cmat_buf_str(&line), line.len));
    }
    cmat_buf_clear(&line);
    if (!p || (!e->recorded && !web_browser_load(&e->browser, p, strlen(p)))) {
        json_decref(before);
        return false;
    }
    json_decref(e->before);
    e->before = before;
    e->judged = s->judged;
    e->element_right = s->right;
    e->f1 = s->f1;
    e->n_bad = s->n_bad;
    e->from = s->from;
    web_ask_start(e);
    const size_t room = s->n_left + s->n_group + e->view.n + 1;
    e->left = cmat_xrealloc(e->left, room * sizeof *e->left);
    e->n_left = s->n_left;
    e->n_group = s->n_group;
    char *end = (char *)s->numbers;
    for (size_t i = 0; i < s->n_left; i++)
        e->left[i] = (int)strtol(end, &end, 10);
    for (size_t i = 0; i < s->n_group; i++)
        e->group[i] = (int)strtol(end, &end, 10);
    e->picked = s->picked;
    e->pick = (web_reply){.op = (web_op)s->op, .element = s->element};
    snprintf(e->pick.value, sizeof e->pick.value, "%s", value);
    return valid_nodes(e, e->left, e->n_left) && valid_nodes(e, e->group, e->n_group);
}

cmat_status web_env_restore(cmat_env *env, const void *state, size_t len, cmat_error *err)
{
    web_env *e = (web_env *)env;
    saved s;
    if (!e->task || e->tab)
        return cmat_fail(err, e->tab ? CMAT_ERR_UNSUPPORTED : CMAT_ERR_STATE, "web: %s",
                         e->tab ? "a page in a real browser cannot be set back"
                                : "no task has been set");
    char *text = cmat_xstrndup(state, len);
    const bool ok = strlen(text) == len && read_saved(text, &s) && put_saved(e, &s);
    free(text);
    return ok ? CMAT_OK : cmat_fail(err, CMAT_ERR_STATE, "web: the snapshot is of another task");
}
