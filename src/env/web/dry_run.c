/* dry_run.c - facts about a reply for the Checker. */
#include "core/json.h"
#include "env/web/web.h"
#include <string.h>

static void add_verdict(cmat_facts *f, cmat_fact_level level, const char *text)
{
    if (level > f->verdict)
        f->verdict = level;
    cmat_buf_printf(&f->text, "%s%s: %s", f->text.len ? "\n" : "",
                    level == CMAT_FACT_BAD ? "wrong" : "note", text);
}

static void element_facts(const web_env *e, const web_reply *r, int node, cmat_facts *f)
{
    const web_page *p = web_env_page(e);
    const char *unfit = web_unfit(p, r->op, node, r->value);
    const bool visible = web_is_visible(p, node);
    cmat_buf told = {0};
    web_ask_told(p, node, r->op, r->value, &told);
    json_object_set_new(f->facts, "exists", json_true());
    json_object_set_new(f->facts, "visible", json_boolean(visible));
    json_object_set_new(f->facts, "fits", json_boolean(!unfit));
    json_object_set_new(f->facts, "outcome", cmat_json_text(told.data, told.len));
    cmat_buf_puts(&f->text, told.data);
    cmat_buf_clear(&told);
    /* a person's recorded step may be at odds with what the recording kept of the page */
    if (unfit)
        add_verdict(f, e->recorded ? CMAT_FACT_NOTE : CMAT_FACT_BAD, unfit);
}

cmat_status web_env_dry_run(cmat_env *env, const char *reply, cmat_facts *f, cmat_error *err)
{
    const web_env *e = (const web_env *)env;
    web_reply r;
    const char *why = "there is neither an answer nor an action";
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "web: no task has been set");
    const bool parses =
        e->agentbench ? web_reply_agentbench(reply, &r) : web_reply_short(reply, &r, &why);
    f->facts = json_pack("{s:b}", "parses", parses);
    if (!parses) {
        add_verdict(f, CMAT_FACT_BAD, why);
        return CMAT_OK;
    }
    if (e->agentbench && r.element == 0) {
        json_object_set_new(f->facts, "outcome", json_string("none"));
        cmat_buf_puts(&f->text, "none of them");
        return CMAT_OK;
    }
    if (!e->agentbench && !e->recorded && (r.op == WEB_BACK || r.op == WEB_MORE)) {
        json_object_set_new(f->facts, "outcome", json_string(web_op_name(r.op)));
        cmat_buf_puts(&f->text, r.op == WEB_BACK ? "goes back" : "shows more of the page");
        return CMAT_OK;
    }
    const int node = web_ask_element(e, &r);
    if (node == WEB_NO_NODE) {
        json_object_set_new(f->facts, "exists", json_false());
        add_verdict(f, CMAT_FACT_BAD,
                    e->agentbench ? "no choice has that letter" : "no element has that number");
    } else if (r.op == WEB_NO_OP) {
        add_verdict(f, CMAT_FACT_BAD, "no action is named (CLICK, TYPE, SELECT)");
    } else {
        element_facts(e, &r, node, f);
    }
    return CMAT_OK;
}
