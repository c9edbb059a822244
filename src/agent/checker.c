/* agent/checker.c - what the Checker is shown: its prompt, what was done before, what a dry run
 * holds against an action. */
#include "agent/checker.h"
#include "core/json.h"
#include "core/text.h"
#include <string.h>

#define HISTORY_BYTES 600 /* of earlier steps in the Checker's prompt, the newest of them */
#define HISTORY_OBSERVATION 120

void cmat_episode_history(const json_t *steps, size_t n, cmat_buf *out)
{
    cmat_buf all = {0};
    for (size_t i = 0; i < n; i++) {
        const json_t *step = json_array_get(steps, i),
                     *attempts = json_object_get(step, "attempts");
        const char *observation = cmat_json_str(step, "observation", NULL);
        if (!observation)
            continue;
        const json_t *last = json_array_get(attempts, json_array_size(attempts) - 1);
        const size_t len = strlen(observation);
        const size_t shown = len > HISTORY_OBSERVATION
                                 ? cmat_utf8_valid_prefix(observation, HISTORY_OBSERVATION)
                                 : len;
        cmat_buf_printf(&all, "%s\n=> %.*s%s\n", cmat_json_str(last, "reply", ""), (int)shown,
                        observation, shown < len ? " ..." : "");
    }
    if (all.len > 0) {
        size_t from = all.len > HISTORY_BYTES ? all.len - HISTORY_BYTES : 0;
        while ((all.data[from] & 0xc0) == 0x80)
            from++;
        cmat_buf_printf(out, "Done so far:\n<data>\n%s", from ? "... " : "");
        cmat_prompt_add_data(out, all.data + from, all.len - from);
        cmat_buf_puts(out, "</data>\n");
    }
    cmat_buf_clear(&all);
}

json_t *cmat_checker_messages(const cmat_prompts *prompts, const char *system, const char *task,
                              const char *history, const char *action, const char *facts)
{
    cmat_buf text = {0}, act = {0}, shown = {0};
    cmat_prompt_add_data(&act, action, strlen(action));
    if (facts && *facts) {
        cmat_buf data = {0};
        cmat_prompt_add_data(&data, facts, strlen(facts));
        const cmat_prompt_var vars[] = {{"facts", cmat_buf_str(&data)}, {0}};
        cmat_prompt_render(prompts, CMAT_PROMPT_CHECKER_FACTS, vars, &shown);
        cmat_buf_clear(&data);
    }
    const cmat_prompt_var vars[] = {{"task", task},
                                    {"history", history},
                                    {"action", cmat_buf_str(&act)},
                                    {"facts", cmat_buf_str(&shown)},
                                    {0}};
    cmat_prompt_render(prompts, CMAT_PROMPT_CHECKER_TASK, vars, &text);
    json_t *messages = json_array();
    cmat_add_message(messages, "system", system);
    cmat_add_message(messages, "user", cmat_buf_str(&text));
    cmat_buf_clear(&text);
    cmat_buf_clear(&act);
    cmat_buf_clear(&shown);
    return messages;
}

void cmat_add_message(json_t *messages, const char *role, const char *content)
{
    json_t *m = json_object();
    json_object_set_new(m, "role", json_string(role));
    json_object_set_new(m, "content", cmat_json_text(content, strlen(content)));
    json_array_append_new(messages, m);
}

void cmat_facts_reason(const char *text, cmat_buf *out)
{
    static const char *const marks[] = {"wrong: ", "note: "};
    const size_t before = out->len;
    for (const char *line = text; *line;) {
        const size_t len = strcspn(line, "\n");
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
            const size_t skip = strlen(marks[i]);
            if (len <= skip || strncmp(line, marks[i], skip) != 0)
                continue;
            cmat_buf_puts(out, out->len > before ? "; " : "");
            cmat_buf_add(out, line + skip, len - skip);
        }
        line += len + (line[len] == '\n');
    }
    if (out->len == before)
        cmat_buf_puts(out, text);
}
