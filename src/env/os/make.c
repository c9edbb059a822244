/* make.c - tasks made from a seed, each verified: its gold is run, its check must fail before and
 * hold after. */
#include "env/os/make.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/os/check.h"
#include "env/os/os.h"
#include "env/os/selfcheck.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES_EACH = 60, ANSWER_MAX = 120 };

/* ---- words ---- */

const char *const os_folders[] = {"projects", "reports",  "invoices", "photos",  "letters",
                                  "recipes",  "lectures", "surveys",  "backups", "tickets",
                                  "drafts",   "catalog",  "minutes",  "orders",  "samples",
                                  "archive",  "exports",  "notes",    NULL};
const char *const os_stems[] = {"alpha",  "birch",  "cedar",   "delta", "ember",  "fjord", "grove",
                                "harbor", "iris",   "juniper", "kelp",  "lagoon", "maple", "nectar",
                                "onyx",   "pine",   "quartz",  "river", "slate",  "tulip", "umber",
                                "violet", "willow", "yarrow",  NULL};
const char *const os_extensions[] = {"txt", "log", "csv", "md", "conf", "dat", "json", "bak", NULL};
const char *const os_people[] = {"anna",  "bruno", "carla", "david", "elena", "felix",
                                 "greta", "hugo",  "ines",  "jonas", "karin", "lukas",
                                 "mona",  "nils",  "olga",  "paulo", NULL};
const char *const os_words[] = {"apple",  "bridge", "candle", "dragon", "engine", "forest",
                                "garden", "hammer", "island", "jacket", "kettle", "ladder",
                                "mirror", "needle", "orange", "pencil", "quiver", "rocket",
                                "saddle", "timber", NULL};
const char *const os_cities[] = {"Lisbon", "Oslo",  "Vienna", "Porto",   "Turin", "Ghent", "Lyon",
                                 "Krakow", "Malmo", "Bergen", "Dresden", "Leeds", NULL};
const char *const os_levels[] = {"ERROR", "WARNING", "INFO", "DEBUG", NULL};
const char *const os_services[] = {"mailer", "indexer",  "gateway", "billing", "scheduler",
                                   "cache",  "uploader", "search",  NULL};

size_t os_below(os_draft *d, size_t n)
{
    return (size_t)cmat_rng_below(d->rng, n);
}

int os_between(os_draft *d, int lo, int hi)
{
    return lo + (int)os_below(d, (size_t)(hi - lo + 1));
}

static size_t length(const char *const *list)
{
    size_t n = 0;
    while (list[n])
        n++;
    return n;
}

const char *os_pick(os_draft *d, const char *const *list)
{
    return list[os_below(d, length(list))];
}

void os_pick_many(os_draft *d, const char *const *list, const char **out, size_t n)
{
    size_t left = length(list), got = 0;
    for (size_t i = 0; got < n; i++, left--)
        if (os_below(d, left) < n - got)
            out[got++] = list[i];
    cmat_rng_shuffle(d->rng, out, n, sizeof *out);
}

void os_gold_add(os_draft *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    cmat_buf_vprintf(&d->gold[d->n_gold++], fmt, ap);
    va_end(ap);
}

void os_say(os_draft *d, const char *const *ways, ...)
{
    const char *way = os_pick(d, ways);
    va_list ap;
    va_start(ap, ways);
    cmat_buf_vprintf(&d->instruction, way, ap);
    va_end(ap);
}

void os_draft_clear(os_draft *d)
{
    cmat_buf_clear(&d->instruction);
    cmat_buf_clear(&d->init);
    cmat_buf_clear(&d->start);
    cmat_buf_clear(&d->check);
    cmat_buf_clear(&d->dir);
    for (int i = 0; i < OS_GOLD_MAX; i++)
        cmat_buf_clear(&d->gold[i]);
    memset(d, 0, sizeof *d);
}

/* ---- drafts into tasks ---- */

static const os_family *const families[] = {os_families_files, os_families_text, os_families_system,
                                            os_families_change};

static const os_family *family_at(size_t i, size_t *n)
{
    *n = 0;
    const os_family *found = NULL;
    for (size_t k = 0; k < sizeof families / sizeof *families; k++)
        for (const os_family *f = families[k]; f->name; f++)
            if ((*n)++ == i)
                found = f;
    return found;
}

/* Which split a task belongs to is a matter of what is typed, with the values in it: 8 in 10 are
 * for training. */
static int split_of(const os_draft *d, const char *family)
{
    cmat_buf b = {0};
    cmat_buf_puts(&b, family);
    for (int i = 0; i < d->n_gold; i++)
        cmat_buf_printf(&b, "\n%s", cmat_buf_str(&d->gold[i]));
    char hex[65];
    cmat_sha256_hex(b.data, b.len, hex);
    cmat_buf_clear(&b);
    const char low[] = {hex[0], hex[1], hex[2], hex[3], '\0'};
    const long k = strtol(low, NULL, 16) % 10;
    return k < 8 ? 0 : k == 8 ? 1 : 2;
}

static json_t *script(const char *code)
{
    return json_pack("{s:s, s:s}", "language", "bash", "code", code);
}

static json_t *task_of(const os_draft *d, const char *family)
{
    json_t *gold = json_array(), *init = json_array(), *check = json_array();
    for (int i = 0; i < d->n_gold; i++)
        json_array_append_new(gold, json_string(cmat_buf_str(&d->gold[i])));
    if (d->init.len > 0)
        json_array_append_new(init, script(d->init.data));
    json_t *t = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "env", "os", "kind", d->kind,
                          "family", family, "instruction", cmat_buf_str(&d->instruction), "cwd",
                          "/root", "gold", gold, "init", init);
    if (d->start.len > 0)
        json_object_set_new(t, "start", json_string(d->start.data));
    if (d->check.len > 0) {
        json_array_append_new(check, script(d->check.data));
        json_object_set(t, "check", check);
    }
    json_decref(check);
    return t;
}

/* ---- verifying ---- */

/* Types the gold commands; *answer gets what the last one prints, trimmed. False: one failed. */
static bool run_gold(os_env *e, cmat_buf *answer, cmat_error *err)
{
    const char *command;
    bool ok = true;
    for (size_t i = 0; ok && (command = os_gold(e, i)); i++) {
        os_output o = {0};
        const os_run r = {.script = command, .timeout = 20};
        ok = os_sandbox_run(e->sandbox, &r, &o, err) == CMAT_OK && o.status == 0 &&
             !(o.flags & ~BOX_BACKGROUND);
        cmat_buf_truncate(answer, 0);
        const char *p = cmat_buf_str(&o.out);
        size_t n = o.out.len;
        while (n > 0 && isspace((unsigned char)p[n - 1]))
            n--;
        cmat_buf_add(answer, p, n);
        os_output_clear(&o);
    }
    return ok;
}

static bool usable_answer(const char *s, bool number)
{
    const size_t n = strlen(s);
    if (n == 0 || n > ANSWER_MAX || strchr(s, '\n') || isspace((unsigned char)*s))
        return false;
    return !number || os_match_find("integer")(s, s);
}

static bool holds(os_env *e, const char *answer, cmat_error *err)
{
    double score = 0;
    e->finished = true;
    e->judged = false;
    cmat_buf_truncate(&e->answer, 0);
    cmat_buf_puts(&e->answer, answer);
    return os_episode_score(&e->base, &score, err) == CMAT_OK && score == 1;
}

/* True when the task can be done as the gold does it, and not by doing nothing. Sets "answer". */
static bool verify(os_env *e, json_t *task, bool number, cmat_error *err)
{
    cmat_task t;
    cmat_buf answer = {0};
    bool ok = false;
    json_object_set_new(task, "id", json_string("draft"));
    if (cmat_task_init(&t, task, err) != CMAT_OK)
        return false;
    const bool change = json_object_get(task, "check") != NULL;
    if (os_episode_begin(e, &t, err) == CMAT_OK && !(change && holds(e, "None", err)) &&
        run_gold(e, &answer, err)) {
        if (change) {
            ok = holds(e, "None", err);
        } else if (usable_answer(cmat_buf_str(&answer), number)) {
            json_object_set_new(task, "answer", cmat_json_text(answer.data, answer.len));
            if (number)
                json_object_set_new(task, "match", json_string("integer"));
            ok = true;
        }
    }
    cmat_buf_clear(&answer);
    cmat_task_clear(&t);
    return ok;
}

static void set_id(json_t *task)
{
    cmat_buf b = {0};
    char hex[65], id[24];
    json_object_del(task, "id");
    cmat_json_print(&b, task);
    cmat_sha256_hex(cmat_buf_str(&b), b.len, hex);
    cmat_buf_clear(&b);
    snprintf(id, sizeof id, "os-%.12s", hex);
    json_object_set_new(task, "id", json_string(id));
}

static bool is_new(const cmat_task_list *l, size_t from, const char *instruction)
{
    for (size_t i = from; i < l->n; i++)
        if (strcmp(l->items[i].instruction, instruction) == 0)
            return false;
    return true;
}

cmat_status os_generate(os_env *e, int split, size_t n, uint64_t seed, cmat_task_list *out,
                        cmat_error *err)
{
    const size_t from = out->n;
    size_t n_families;
    cmat_status st = os_selfcheck_once(e->host, err);
    family_at(0, &n_families);
    for (size_t made = 0, tries = 0; made < n && st == CMAT_OK; tries++) {
        cmat_rng rng;
        cmat_error why = {0};
        cmat_rng_init_sub(&rng, seed, tries);
        os_draft d = {.rng = &rng};
        if (tries > TRIES_EACH * (n + 10)) {
            st = cmat_fail(err, CMAT_ERR_LIMIT, "os: only %zu of %zu tasks could be made", made, n);
            break;
        }
        /* Families in turn, each as often as the others. */
        const os_family *f = family_at((made + tries / TRIES_EACH) % n_families, &n_families);
        f->make(&d);
        if (split_of(&d, f->name) == split && is_new(out, from, cmat_buf_str(&d.instruction))) {
            cmat_task t;
            json_t *task = task_of(&d, f->name);
            if (verify(e, task, d.number, &why)) {
                set_id(task);
                st = cmat_task_init(&t, task, err);
                if (st == CMAT_OK)
                    cmat_task_list_add(out, t);
                made++;
            } else if (!e->sandbox && why.status != CMAT_ERR_STATE) {
                if (err)
                    *err = why; /* not the draft's fault: there is no sandbox */
                st = why.status;
            }
            json_decref(task);
        }
        os_draft_clear(&d);
    }
    return st;
}
