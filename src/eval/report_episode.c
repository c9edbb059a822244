/* report_episode.c - episodes of a report, readable step by step. All text in them is data:
 * escaped, and control characters made visible. */
#include "eval/report_episode.h"
#include "core/json.h"
#include "core/text.h"

#include <string.h>

typedef struct {
    cmat_buf *out;
    bool right; /* which half this pass prints */
    size_t n;
} walk;

static void data(cmat_buf *out, const char *s)
{
    cmat_buf inert = {0};
    cmat_text_inert(&inert, s, strlen(s));
    cmat_text_html(out, cmat_buf_str(&inert), inert.len);
    cmat_buf_clear(&inert);
}

static void block(cmat_buf *out, const char *who, const char *text)
{
    if (!text || !*text)
        return;
    cmat_buf_printf(out, "<div class=\"who\">%s</div><pre>", who);
    data(out, text);
    cmat_buf_puts(out, "</pre>");
}

static void attempt(cmat_buf *out, const json_t *a)
{
    block(out, "Actor", cmat_json_str(a, "reply", ""));
    block(out, "Checker, facts from a dry run",
          cmat_json_str(json_object_get(a, "facts"), "text", ""));
    block(out, "Checker, its model", cmat_json_str(json_object_get(a, "checker"), "reply", ""));
    block(out, "sent back", cmat_json_str(a, "objection", ""));
}

/* The score, where it says more than right or wrong, and the environment's measures. */
static void figures(cmat_buf *out, const cmat_episode_row *row)
{
    const char *name;
    json_t *v;
    if (!(row->score > 0 && row->score < 1) && json_object_size(row->measures) == 0)
        return;
    cmat_buf_printf(out, " <span class=\"who\">score %.4g", row->score);
    json_object_foreach((json_t *)row->measures, name, v)
    {
        cmat_buf_puts(out, ", ");
        data(out, name);
        cmat_buf_printf(out, " %.4g", json_number_value(v));
    }
    cmat_buf_puts(out, "</span>");
}

static bool episode(void *user, int64_t id, const cmat_episode_row *row)
{
    walk *w = user;
    size_t i, k;
    json_t *step, *a;
    const json_t *task = json_object_get(row->json, "task");
    const char *question = cmat_json_str(task, "instruction", row->task_id);

    (void)id;
    if ((row->score >= 1) != w->right)
        return true;
    w->n++;
    cmat_buf_printf(w->out, "<details><summary><span class=\"%s\">%s</span> <span class=\"who\">",
                    w->right ? "good" : "bad", w->right ? "right" : "wrong");
    data(w->out, row->kind ? row->kind : "");
    cmat_buf_puts(w->out, "</span> ");
    data(w->out, question);
    figures(w->out, row);
    cmat_buf_puts(w->out, "</summary>\n");
    block(w->out, "what the Actor saw", cmat_json_str(row->json, "start", ""));
    json_array_foreach(json_object_get(row->json, "steps"), i, step)
    {
        json_array_foreach(json_object_get(step, "attempts"), k, a)
        {
            attempt(w->out, a);
        }
        block(w->out, "environment", cmat_json_str(step, "observation", ""));
    }
    if (json_array_size(json_object_get(task, "gold"))) {
        json_array_foreach(json_object_get(task, "gold"), i, a)
        {
            block(w->out, "a right statement", json_string_value(a));
        }
    }
    cmat_buf_puts(w->out, "<div class=\"who\">");
    data(w->out, row->outcome ? row->outcome : "");
    if (row->error_kind) {
        cmat_buf_puts(w->out, ", ");
        data(w->out, row->error_kind);
    }
    cmat_buf_puts(w->out, "</div></details>\n");
    return true;
}

cmat_status cmat_report_episodes(cmat_buf *out, cmat_store *store, const char *phase,
                                 const char *label, cmat_error *err)
{
    walk w = {.out = out};
    size_t start = out->len;
    cmat_status st;

    cmat_buf_printf(out, "<h2>Episodes: %s</h2>\n", label);
    st = cmat_store_each_episode(store, phase, -1, true, episode, &w, err);
    w.right = true;
    if (st == CMAT_OK)
        st = cmat_store_each_episode(store, phase, -1, true, episode, &w, err);
    if (!w.n)
        cmat_buf_truncate(out, start);
    return st;
}
