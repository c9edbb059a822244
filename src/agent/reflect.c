/* reflect.c - lessons and examples out of the records of episodes. */
#include "agent/reflect.h"
#include "agent/checker.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "memory/lesson.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_WORDS 256  /* of a statement compared */
#define MAX_NAMED 4    /* words named in a lesson */
#define GOLD_BYTES 240 /* of the right statement in a lesson */
#define TRAJECTORY_BYTES 2000
#define LESSON_BYTES 400

/* --- the difference of two statements --- */

typedef struct {
    const char *text;
    size_t len;
} word;

/* Splits a statement into names, numbers, quoted strings and signs. */
static size_t split_words(const char *s, word *out, size_t max)
{
    size_t n = 0;
    while (*s && n < max) {
        const unsigned char c = (unsigned char)*s;
        const char *start = s;
        if (isspace(c)) {
            s++;
            continue;
        }
        if (c == '\'' || c == '"' || c == '`') {
            const char *end = strchr(s + 1, (char)c);
            s = end ? end + 1 : s + strlen(s);
        } else if (isalnum(c) || c == '_' || c >= 0x80) {
            while (isalnum((unsigned char)*s) || *s == '_' || *s == '.' ||
                   (unsigned char)*s >= 0x80)
                s++;
        } else {
            s += strspn(s, "<>=!") ? strspn(s, "<>=!") : 1;
        }
        out[n++] = (word){start, (size_t)(s - start)};
    }
    return n;
}

static bool same_word(word a, word b)
{
    return a.len == b.len && strncasecmp(a.text, b.text, a.len) == 0;
}

static bool has_word(const word *words, size_t n, word w)
{
    for (size_t i = 0; i < n; i++)
        if (same_word(words[i], w))
            return true;
    return false;
}

/* Appends the words of a that b has not, each once; how many. */
static size_t add_difference(cmat_buf *out, const word *a, size_t n_a, const word *b, size_t n_b)
{
    size_t n = 0;
    for (size_t i = 0; i < n_a && n < MAX_NAMED; i++) {
        const bool sign =
            ispunct((unsigned char)a[i].text[0]) && !strchr("'\"`<>=!_", a[i].text[0]);
        if (sign || has_word(b, n_b, a[i]) || has_word(a, i, a[i]))
            continue;
        cmat_buf_puts(out, n ? ", " : "");
        cmat_buf_add(out, a[i].text, a[i].len);
        n++;
    }
    return n;
}

/* The statement of a reply's last line, without what leads it in ("Final: "). */
static const char *statement_of(const char *reply)
{
    const char *line = strrchr(reply, '\n');
    line = line && line[1] ? line + 1 : reply;
    size_t n = 0;
    while (isalpha((unsigned char)line[n]))
        n++;
    return n && line[n] == ':' && line[n + 1] == ' ' ? line + n + 2 : line;
}

bool cmat_reflect_template(const char *task, const char *action, const char *gold,
                           const char *error_kind, const char *observation, cmat_buf *out)
{
    (void)task; /* stands beside the lesson in the store */
    word a[MAX_WORDS], g[MAX_WORDS];
    cmat_buf extra = {0}, missing = {0};
    if (!gold || !*gold)
        return false;
    const size_t n_a = split_words(statement_of(action), a, MAX_WORDS),
                 n_g = split_words(gold, g, MAX_WORDS);
    const size_t n_extra = add_difference(&extra, a, n_a, g, n_g);
    const size_t n_missing = add_difference(&missing, g, n_g, a, n_a);
    if (error_kind)
        cmat_buf_printf(out, "%s: ", error_kind);
    if (n_extra)
        cmat_buf_printf(out, "not %s", extra.data);
    if (n_missing)
        cmat_buf_printf(out, "%sbut %s", n_extra ? " " : "", missing.data);
    if (n_extra || n_missing)
        cmat_buf_puts(out, ". ");
    if (observation && *observation)
        cmat_buf_printf(out, "It failed with: %.*s. ", (int)strcspn(observation, "\n"),
                        observation);
    const size_t len = strlen(gold);
    cmat_buf_puts(out, "Right: ");
    cmat_buf_add(out, gold, len > GOLD_BYTES ? cmat_utf8_valid_prefix(gold, GOLD_BYTES) : len);
    cmat_buf_clear(&extra);
    cmat_buf_clear(&missing);
    return true;
}

/* --- reading the records --- */

/* What is to be remembered of one task. */
typedef struct {
    char *task_id, *task, *schema, *lesson; /* lesson NULL: the model is to write it */
    json_t *json;                           /* of the episode; a reference */
    int k;
    bool right;
} finding;

typedef struct {
    const cmat_reflect_options *opts;
    finding *items; /* (n), one a task */
    size_t n, cap;
} findings;

static void finding_clear(finding *f)
{
    free(f->task_id);
    free(f->task);
    free(f->schema);
    free(f->lesson);
    json_decref(f->json);
}

static const json_t *last_of(const json_t *array)
{
    return json_array_get(array, json_array_size(array) - 1);
}

/* Appends the replies that were run without an error, a line each; else the last reply. */
static void add_replies(cmat_buf *out, const json_t *json, bool right)
{
    const json_t *steps = json_object_get(json, "steps"), *step;
    size_t i;
    json_array_foreach(steps, i, step)
    {
        const char *reply = cmat_json_str(last_of(json_object_get(step, "attempts")), "reply", "");
        const bool good =
            json_object_get(step, "observation") && !cmat_json_bool(step, "error", false);
        if (right ? good : i + 1 == json_array_size(steps))
            cmat_buf_printf(out, "%s%s", out->len ? "\n" : "", reply);
    }
    cmat_buf_puts(out, "");
}

static char *gold_of(const json_t *json)
{
    cmat_buf b = {0};
    size_t i;
    const json_t *g;
    json_array_foreach(json_object_get(json_object_get(json, "task"), "gold"), i,
                       g) if (json_is_string(g))
        cmat_buf_printf(&b, "%s%s", b.len ? "; " : "", json_string_value(g));
    cmat_buf_puts(&b, "");
    return cmat_buf_detach(&b);
}

/* The lesson of an episode, or NULL when only a model could write it. The caller's. */
static char *lesson_of(const json_t *json, bool right)
{
    cmat_buf action = {0}, lesson = {0};
    add_replies(&action, json, right);
    if (right)
        return cmat_buf_detach(&action);
    const json_t *step = last_of(json_object_get(json, "steps"));
    const bool failed = cmat_json_bool(step, "error", false);
    char *gold = gold_of(json);
    const bool said =
        cmat_reflect_template("", action.data, gold, cmat_json_str(json, "error_kind", NULL),
                              failed ? cmat_json_str(step, "observation", "") : NULL, &lesson);
    free(gold);
    cmat_buf_clear(&action);
    return said ? cmat_buf_detach(&lesson) : NULL;
}

/* Keeps, for each task, its first right episode, else its first. Samples of a task come one after
 * another. */
static bool find(void *user, int64_t id, const cmat_episode_row *row)
{
    findings *f = user;
    (void)id;
    const bool right = row->score >= 1;
    const bool judged = right || row->score < 1; /* not NAN */
    finding *last = f->n ? &f->items[f->n - 1] : NULL;
    const bool same = last && strcmp(last->task_id, row->task_id) == 0;
    if (!judged || (same && (last->right || !right)))
        return true;
    if (same) {
        finding_clear(last);
        f->n--;
    }
    f->items = cmat_xgrow(f->items, &f->cap, f->n + 1, sizeof *f->items);
    f->items[f->n++] = (finding){
        .task_id = cmat_xstrdup(row->task_id),
        .task = cmat_xstrdup(cmat_json_str(json_object_get(row->json, "task"), "instruction", "")),
        .schema = cmat_xstrdup(cmat_json_str(row->json, "schema", "")),
        .lesson = lesson_of(row->json, right),
        .json = json_incref(row->json),
        .k = row->k,
        .right = right,
    };
    return true;
}

/* --- lessons by the model --- */

static json_t *reflect_messages(const cmat_prompts *prompts, const finding *f)
{
    cmat_buf did = {0}, data = {0}, system = {0}, task = {0};
    const json_t *step;
    size_t i;
    json_array_foreach(json_object_get(f->json, "steps"), i, step) cmat_buf_printf(
        &did, "%s\n=> %s\n", cmat_json_str(last_of(json_object_get(step, "attempts")), "reply", ""),
        cmat_json_str(step, "observation", "(not run)"));
    size_t from = did.len > TRAJECTORY_BYTES ? did.len - TRAJECTORY_BYTES : 0;
    while (did.len && (did.data[from] & 0xc0) == 0x80)
        from++;
    cmat_prompt_add_data(&data, cmat_buf_str(&did) + from, did.len - from);
    const char *kind = cmat_json_str(f->json, "error_kind", "the answer was not right");
    const cmat_prompt_var vars[] = {
        {"task", f->task}, {"trajectory", cmat_buf_str(&data)}, {"reason", kind}, {0}};
    cmat_prompt_render(prompts, CMAT_PROMPT_REFLECT_SYSTEM, vars, &system);
    cmat_prompt_render(prompts, CMAT_PROMPT_REFLECT_TASK, vars, &task);
    json_t *messages = json_array();
    cmat_add_message(messages, "system", cmat_buf_str(&system));
    cmat_add_message(messages, "user", cmat_buf_str(&task));
    cmat_buf_clear(&did);
    cmat_buf_clear(&data);
    cmat_buf_clear(&system);
    cmat_buf_clear(&task);
    return messages;
}

/* The first line of a reply, inert and cut: what the model wrote becomes part of later prompts. */
static char *clean_lesson(const char *text)
{
    cmat_buf b = {0};
    text += strspn(text, " \n\t-*");
    size_t len = strcspn(text, "\n");
    if (len > LESSON_BYTES)
        len = cmat_utf8_valid_prefix(text, LESSON_BYTES);
    if (len == 0)
        return NULL;
    cmat_prompt_add_data(&b, text, len);
    return cmat_buf_detach(&b);
}

static cmat_status ask_model(findings *f, cmat_llm *llm, const cmat_prompts *prompts,
                             cmat_error *err)
{
    size_t n_asked = 0;
    cmat_status st = CMAT_OK;
    for (size_t i = 0; st == CMAT_OK && i < f->n; i++) {
        if (f->items[i].lesson)
            continue;
        json_t *messages = reflect_messages(prompts, &f->items[i]);
        const cmat_llm_request req = {.role = CMAT_ROLE_ACTOR,
                                      .messages = messages,
                                      .max_tokens = f->opts->max_tokens,
                                      .sampling = CMAT_SAMPLING_DEFAULT,
                                      .tag = &f->items[i]};
        st = llm->ops->submit(llm, &req, err);
        n_asked += st == CMAT_OK;
        json_decref(messages);
    }
    while (st == CMAT_OK && n_asked > 0) {
        cmat_llm_reply r[16];
        size_t n = 0;
        st = llm->ops->poll(llm, r, 16, &n, err);
        if (st == CMAT_OK && n == 0)
            st = cmat_fail(err, CMAT_ERR_STATE, "reflect: %s has lost a request", llm->ops->name);
        for (size_t i = 0; i < n; i++) {
            finding *item = r[i].tag;
            if (r[i].status == CMAT_OK)
                item->lesson = clean_lesson(r[i].text);
            else if (st == CMAT_OK && r[i].status != CMAT_ERR_FORMAT &&
                     r[i].status != CMAT_ERR_LIMIT)
                st = cmat_fail(err, r[i].status, "%s", r[i].err.msg);
            cmat_llm_reply_clear(&r[i]);
        }
        n_asked -= n;
    }
    if (st != CMAT_OK)
        llm->ops->cancel(llm);
    return st;
}

/* --- into the store --- */

static cmat_status newest_id(cmat_store *store, int64_t *id, cmat_error *err)
{
    cmat_lesson_list l = {0};
    cmat_status st = cmat_store_list_lessons(store, NULL, 1, &l, err);
    *id = l.n ? l.items[0].id : 0;
    cmat_lesson_list_clear(&l);
    return st;
}

static cmat_status remember(cmat_store *store, const findings *f, const char *phase, int round,
                            cmat_reflect_counts *counts, cmat_error *err)
{
    int64_t newest = 0;
    cmat_status st = newest_id(store, &newest, err);
    for (size_t i = 0; st == CMAT_OK && i < f->n; i++) {
        const finding *x = &f->items[i];
        if (!x->lesson || !*x->lesson)
            continue;
        char *origin = cmat_xasprintf("%s%s%s round %d, task %s, sample %d",
                                      f->opts->origin ? f->opts->origin : "",
                                      f->opts->origin ? " " : "", phase, round, x->task_id, x->k);
        const bool bare = !*x->schema && f->opts->world;
        const cmat_lesson l = {.origin = origin,
                               .kind = (char *)(x->right ? "example" : "lesson"),
                               .task = x->task,
                               .schema = bare ? (char *)cmat_path_base(f->opts->world) : x->schema,
                               .lesson = x->lesson};
        int64_t id = 0;
        st = cmat_store_add_lesson(store, &l, f->opts->max_lessons, &id, err);
        if (st == CMAT_OK && id > newest) {
            newest = id;
            counts->n_examples += x->right;
            counts->n_lessons += !x->right;
        }
        free(origin);
    }
    return st;
}

cmat_status cmat_reflect(cmat_store *store, cmat_llm *llm, const cmat_prompts *prompts,
                         const char *phase, int round, const cmat_reflect_options *opts,
                         cmat_reflect_counts *counts, cmat_error *err)
{
    findings f = {.opts = opts};
    cmat_reflect_counts own = {0};
    cmat_status st = cmat_store_each_episode(store, phase, round, true, find, &f, err);
    if (st == CMAT_OK && opts->by_model && llm)
        st = ask_model(&f, llm, prompts, err);
    if (st == CMAT_OK)
        st = remember(store, &f, phase, round, counts ? counts : &own, err);
    for (size_t i = 0; i < f.n; i++)
        finding_clear(&f.items[i]);
    free(f.items);
    return st;
}
