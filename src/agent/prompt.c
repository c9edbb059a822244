/* prompt.c - reads, checks and fills in the prompt files. */
#include "agent/prompt.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/text.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_PROMPT_BYTES (64u << 10)
#define MAX_VARS 4

typedef struct {
    const char *name;
    const char *needed[MAX_VARS];   /* must occur; NULL-ended when fewer */
    const char *optional[MAX_VARS]; /* may occur */
} prompt_spec;

static const prompt_spec specs[CMAT_N_PROMPTS] = {
    [CMAT_PROMPT_ACTOR_SYSTEM] = {"actor_system", {"environment"}, {0}},
    [CMAT_PROMPT_ACTOR_TASK] = {"actor_task", {"task", "memory"}, {0}},
    [CMAT_PROMPT_OBSERVATION] = {"observation", {"observation"}, {0}},
    [CMAT_PROMPT_REJECT] = {"reject", {"reason"}, {0}},
    [CMAT_PROMPT_CHECKER_SYSTEM] = {"checker_system", {0}, {"environment"}},
    [CMAT_PROMPT_CHECKER_TASK] = {"checker_task", {"task", "action", "facts"}, {"history"}},
    [CMAT_PROMPT_CHECKER_FACTS] = {"checker_facts", {"facts"}, {0}},
    [CMAT_PROMPT_LESSON] = {"lesson", {"lesson"}, {"task"}},
    [CMAT_PROMPT_EXAMPLE] = {"example", {"task", "lesson"}, {0}},
    [CMAT_PROMPT_REFLECT_SYSTEM] = {"reflect_system", {0}, {0}},
    [CMAT_PROMPT_REFLECT_TASK] = {"reflect_task", {"task", "trajectory", "reason"}, {0}},
};

typedef struct {
    char *text; /* without the header line */
    int version;
    char sha256[65];
} prompt;

struct cmat_prompts {
    prompt items[CMAT_N_PROMPTS];
};

/* At "{{name}}": its name and length in all. False: plain text. */
static bool placeholder(const char *p, const char **name, size_t *name_len, size_t *len)
{
    if (p[0] != '{' || p[1] != '{')
        return false;
    const char *end = strstr(p, "}}");
    if (!end || memchr(p, '\n', (size_t)(end - p)))
        return false;
    *name = p + 2;
    *name_len = (size_t)(end - p) - 2;
    *len = (size_t)(end - p) + 2;
    return true;
}

static bool is_name(const char *want, const char *name, size_t len)
{
    return strlen(want) == len && memcmp(want, name, len) == 0;
}

static int find_name(const char *const *names, const char *name, size_t len)
{
    for (int i = 0; i < MAX_VARS && names[i]; i++)
        if (is_name(names[i], name, len))
            return i;
    return -1;
}

static cmat_status check_placeholders(const prompt_spec *spec, const char *text, const char *where,
                                      cmat_error *err)
{
    bool seen[MAX_VARS] = {false};
    int line = 2;
    const char *name;
    size_t name_len, len;
    for (const char *p = text; *p; p++) {
        line += *p == '\n';
        if (!placeholder(p, &name, &name_len, &len))
            continue;
        int i = find_name(spec->needed, name, name_len);
        if (i >= 0)
            seen[i] = true;
        else if (find_name(spec->optional, name, name_len) < 0)
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: line %d: {{%.*s}} is not known here", where,
                             line, (int)(name_len < 40 ? name_len : 40), name);
    }
    for (int i = 0; i < MAX_VARS && spec->needed[i]; i++)
        if (!seen[i])
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: {{%s}} is missing", where, spec->needed[i]);
    return CMAT_OK;
}

static cmat_status prompt_parse(prompt *p, const prompt_spec *spec, const char *want,
                                const char *text, size_t len, const char *where, cmat_error *err)
{
    char name[64];
    int end = 0;
    if (strlen(text) != len || cmat_utf8_valid_prefix(text, len) != len)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: is not UTF-8 text", where);
    if (sscanf(text, "# cmat prompt: %63[^,\n], version %d%n", name, &p->version, &end) != 2 ||
        end == 0 || (text[end] != '\n' && text[end] != '\0') || strcmp(name, want) != 0)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "%s: line 1: should be \"# cmat prompt: %s, version N\"", where, want);
    const char *body = text + end + (text[end] == '\n');
    size_t body_len = len - (size_t)(body - text);
    if (body_len > 0 && body[body_len - 1] == '\n')
        body_len--;
    p->text = cmat_xstrndup(body, body_len);
    cmat_sha256_hex(text, len, p->sha256);
    return check_placeholders(spec, p->text, where, err);
}

static const char *find_builtin(const char *name)
{
    for (const cmat_builtin_prompt *b = cmat_builtin_prompts; b->name; b++)
        if (strcmp(b->name, name) == 0)
            return b->text;
    return NULL;
}

/* Reads the prompt `name` from dir or the program; *found is false when there is none. */
static cmat_status prompt_load(prompt *p, const prompt_spec *spec, const char *name,
                               const char *dir, bool *found, cmat_error *err)
{
    char *path = dir ? cmat_xasprintf("%s/%s.txt", dir, name) : NULL;
    char *text = NULL;
    size_t len = 0;
    const char *builtin = find_builtin(name);
    cmat_status st = CMAT_OK;
    *found = true;
    if (path && cmat_path_exists(path)) {
        if ((st = cmat_read_file(path, MAX_PROMPT_BYTES, &text, &len, err)) == CMAT_OK)
            st = prompt_parse(p, spec, name, text, len, path, err);
    } else if (builtin) {
        st = prompt_parse(p, spec, name, builtin, strlen(builtin), name, err);
    } else {
        *found = false;
    }
    free(text);
    free(path);
    return st;
}

/* The environment's own prompt, else the general one. */
static cmat_status prompt_find(prompt *p, const prompt_spec *spec, const char *dir, const char *env,
                               cmat_error *err)
{
    bool found = false;
    cmat_status st = CMAT_OK;
    if (env) {
        char *name = cmat_xasprintf("%s_%s", env, spec->name);
        st = prompt_load(p, spec, name, dir, &found, err);
        free(name);
    }
    if (st == CMAT_OK && !found)
        st = prompt_load(p, spec, spec->name, dir, &found, err);
    if (st == CMAT_OK && !found)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "prompt %s is not built in", spec->name);
    return st;
}

cmat_status cmat_prompts_load(cmat_prompts **out, const char *dir, cmat_error *err)
{
    return cmat_prompts_load_env(out, dir, NULL, err);
}

cmat_status cmat_prompts_load_env(cmat_prompts **out, const char *dir, const char *env,
                                  cmat_error *err)
{
    *out = NULL;
    if (!dir)
        dir = getenv("CMAT_PROMPTS");
    if (dir && !*dir)
        dir = NULL;
    if (dir && !cmat_path_is_dir(dir))
        return cmat_fail(err, CMAT_ERR_NOT_FOUND, "prompts: %s is not a folder", dir);
    cmat_prompts *p = cmat_xcalloc(1, sizeof *p);
    for (int i = 0; i < CMAT_N_PROMPTS; i++) {
        cmat_status st = prompt_find(&p->items[i], &specs[i], dir, env, err);
        if (st != CMAT_OK) {
            cmat_prompts_free(p);
            return st;
        }
    }
    *out = p;
    return CMAT_OK;
}

void cmat_prompts_free(cmat_prompts *p)
{
    if (!p)
        return;
    for (int i = 0; i < CMAT_N_PROMPTS; i++)
        free(p->items[i].text);
    free(p);
}

json_t *cmat_prompts_identity(const cmat_prompts *p)
{
    json_t *j = json_object();
    for (int i = 0; i < CMAT_N_PROMPTS; i++)
        json_object_set_new(
            j, specs[i].name,
            json_pack("{s:i, s:s}", "version", p->items[i].version, "sha256", p->items[i].sha256));
    return j;
}

void cmat_prompt_render(const cmat_prompts *p, cmat_prompt_id id, const cmat_prompt_var *vars,
                        cmat_buf *out)
{
    const char *name;
    size_t name_len, len;
    for (const char *t = p->items[id].text; *t;) {
        if (!placeholder(t, &name, &name_len, &len)) {
            cmat_buf_putc(out, *t++);
            continue;
        }
        for (const cmat_prompt_var *v = vars; v && v->name; v++)
            if (is_name(v->name, name, name_len))
                cmat_buf_puts(out, v->value ? v->value : "");
        t += len;
    }
}

/* What must not appear in data as it is: our marks and the control tokens of chat templates. */
static bool is_mark(const char *p)
{
    static const char *const marks[] = {"<data",          "</data",       "<|",    "<\xef\xbd\x9c",
                                        "<start_of_turn", "<end_of_turn", "<s>",   "</s>",
                                        "<bos>",          "<eos>",        "<pad>", "<unk>",
                                        "<<SYS",          "<</SYS",       "[INST", "[/INST"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strncasecmp(p, marks[i], strlen(marks[i])) == 0)
            return true;
    return false;
}

void cmat_prompt_add_data(cmat_buf *out, const char *text, size_t len)
{
    cmat_buf inert = {0};
    cmat_text_inert(&inert, text, len);
    for (const char *p = cmat_buf_str(&inert); *p; p++) {
        cmat_buf_putc(out, *p);
        if ((*p == '<' || *p == '[') && is_mark(p))
            cmat_buf_putc(out, ' ');
    }
    cmat_buf_clear(&inert);
}
