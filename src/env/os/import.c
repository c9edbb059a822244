/* import.c - tasks out of AgentBench's os_interaction files.
 *
 * A file is an array (or one object); a script may stand in the file, or in a file of its own below
 * the folder scripts/NAME beside the data ("scripts/dev" for dev.json, "scripts/4" for data/4/ *).
 * The check helpers are known by their names and not read. */
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/os/check.h"
#include "env/os/os.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 64 << 20, SCRIPT_MAX = 1 << 20, DEPTH_MAX = 6 };

/* Scripts of the development set that copies of its data often lack, written anew: known by their
 * name and a word of the task. */
static const struct {
    const char *file, *word, *code;
} spare_scripts[] = {
    {"check/0.sh", "\"calc\"",
     "same() {\n"
     "    got=$(calc \"$1\") || return 1\n"
     "    awk -v a=\"$got\" -v b=\"$2\" 'BEGIN { exit !(a != \"\" && a - b < 1e-5 && b - a < 1e-5) "
     "}'\n"
     "}\n"
     "same '7 + (3 * 12) - 5' 38 && same '2 * (11 - 4) + 6' 20 && same '1 + (2.5 * 8) - 0.5' 20.5 "
     "&&\n"
     "same '9 / (3 + 1) - 2' 0.25 && same '6 * (10 / 4) + 1' 16 && same '100 / 8' 12.5 &&\n"
     "same '(1 + 2) * (3 + 4)' 21 && same '2 * 1' 2 && same '3 - 10' -7\n"},
    {"example/0.sh", "\"calc\"",
     "cat >/usr/local/bin/calc <<'END'\n"
     "#!/bin/bash\n"
     "awk \"BEGIN { printf \\\"%.6f\\\\n\\\", $* }\"\n"
     "END\n"
     "chmod +x /usr/local/bin/calc\n"},
    {"init/stock-log.sh", "/usr/stock.log",
     "names=(Alice Bob)\nactions=(Purchase Sell)\n"
     "for i in {1..401}; do\n"
     "    echo \"${names[RANDOM % 2]} | ${actions[RANDOM % 2]} | $((RANDOM % 100)) | "
     "$((RANDOM % 1000))\"\n"
     "done >>/usr/stock.log\n"},
};

typedef struct {
    const char *path;  /* of the data file */
    const char *about; /* the task's description */
} place;

/* The script file where the benchmark's layout has it: the caller's to free(), or NULL. */
static char *find_script(const char *data, const char *file)
{
    char *dir = cmat_xstrdup(data), *found = NULL;
    const char *base = cmat_path_base(data);
    char *stem = cmat_xstrndup(base, strcspn(base, "."));
    char *slash = strrchr(dir, '/');
    *(slash ? slash : dir) = '\0';
    const char *folder = cmat_path_base(dir), *up = *dir ? dir : ".";
    if (strstr(file, "..") || *file == '/')
        goto done;
    for (int i = 0; i < 6 && !found; i++) {
        const char *name = i % 2 ? folder : stem;
        const char *const rel = i / 2 == 0 ? "" : i / 2 == 1 ? "/.." : "/../..";
        found = cmat_xasprintf("%s%s/scripts/%s/%s", up, rel, name, file);
        if (!cmat_path_exists(found)) {
            free(found);
            found = NULL;
        }
    }
done:
    free(dir);
    free(stem);
    return found;
}

static const char *language_of(const json_t *j, const char *file)
{
    const char *end = file ? strrchr(file, '.') : NULL;
    const char *given = cmat_json_str(j, "language", NULL);
    return given ? given : end && strcmp(end, ".py") == 0 ? "python" : "bash";
}

static json_t *new_script(const char *language, const char *code, size_t n)
{
    json_t *j = json_object();
    json_object_set_new(j, "language", json_string(language));
    json_object_set_new(j, "code", cmat_json_text(code, n));
    return j;
}

static json_t *read_script(const place *at, const json_t *j, const char *file, cmat_error *err)
{
    char *path = find_script(at->path, file), *text = NULL;
    size_t n = 0;
    json_t *script = NULL;
    if (path) {
        if (cmat_read_file(path, SCRIPT_MAX, &text, &n, err) == CMAT_OK)
            script = new_script(language_of(j, file), text, n);
        free(path);
        free(text);
        return script;
    }
    for (size_t i = 0; i < sizeof spare_scripts / sizeof *spare_scripts; i++)
        if (strcmp(spare_scripts[i].file, file) == 0 && strstr(at->about, spare_scripts[i].word))
            return new_script("bash", spare_scripts[i].code, strlen(spare_scripts[i].code));
    cmat_fail(err, CMAT_ERR_NOT_FOUND, "its script %s is not below scripts/ beside the data", file);
    return NULL;
}

/* "code", {"code"}, {"file"}: a script of ours, or a helper's name; NULL with a message. */
static json_t *script_of(const place *at, const json_t *j, cmat_error *err)
{
    if (json_is_string(j))
        return new_script("bash", json_string_value(j), json_string_length(j));
    const char *code = cmat_json_str(j, "code", NULL), *file = cmat_json_str(j, "file", NULL);
    if (code)
        return new_script(language_of(j, NULL), code, strlen(code));
    if (file && os_match_of_file(file))
        return json_pack("{s:s}", "match", os_match_of_file(file));
    if (file)
        return read_script(at, j, file, err);
    cmat_fail(err, CMAT_ERR_FORMAT, "a script has neither \"code\" nor \"file\"");
    return NULL;
}

/* One script or a list of them, null kept: appended to list. */
static cmat_status add_scripts(const place *at, const json_t *j, json_t *list, cmat_error *err)
{
    const json_t *item;
    size_t i;
    if (!j)
        return CMAT_OK;
    if (json_is_null(j)) {
        json_array_append_new(list, json_null());
        return CMAT_OK;
    }
    if (json_is_array(j)) {
        cmat_status st = CMAT_OK;
        json_array_foreach(j, i, item)
        {
            if (st == CMAT_OK)
                st = add_scripts(at, item, list, err);
        }
        return st;
    }
    json_t *s = script_of(at, j, err);
    if (!s)
        return err ? err->status : CMAT_ERR_FORMAT;
    json_array_append_new(list, s);
    return CMAT_OK;
}

static cmat_status add_match(const json_t *match, json_t *task, cmat_error *err)
{
    if (json_is_string(match))
        json_object_set(task, "answer", (json_t *)match);
    else if (cmat_json_str(match, "answer", NULL))
        json_object_set(task, "answer", json_object_get(match, "answer"));
    else if (cmat_json_str(match, "regex", NULL))
        json_object_set(task, "regex", json_object_get(match, "regex"));
    else
        return cmat_fail(err, CMAT_ERR_FORMAT, "\"match\" is neither a text nor a pattern");
    return CMAT_OK;
}

/* What an expert types: the example script. */
static void add_gold(json_t *task)
{
    const char *code = cmat_json_str(json_object_get(task, "example"), "code", NULL);
    json_t *gold = json_array();
    if (code &&
        strcmp(cmat_json_str(json_object_get(task, "example"), "language", ""), "bash") == 0)
        json_array_append_new(gold, json_string(code));
    json_object_set_new(task, "gold", gold);
}

static cmat_status add_evaluation(const place *at, const json_t *entry, json_t *task,
                                  cmat_error *err)
{
    const json_t *ev = json_object_get(entry, "evaluation");
    const json_t *example = json_object_get(ev, "example");
    cmat_status st = CMAT_OK;
    if (!json_is_object(ev))
        return cmat_fail(err, CMAT_ERR_FORMAT, "member \"evaluation\" is missing or no object");
    if (!example)
        example = json_object_get(entry, "example");
    if (example && !json_is_null(example)) {
        json_t *s = script_of(at, example, err);
        if (!s)
            return err ? err->status : CMAT_ERR_FORMAT;
        json_object_set_new(task, "example", s);
    }
    add_gold(task);
    if (json_object_get(ev, "match"))
        return add_match(json_object_get(ev, "match"), task, err);
    json_t *check = json_array();
    st = add_scripts(at, json_object_get(ev, "check"), check, err);
    json_object_set_new(task, "check", check);
    if (st == CMAT_OK && json_array_size(check) == 0)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "\"evaluation\" has neither \"match\" nor \"check\"");
    return st;
}

/* The table's row that a task counts in: its first label, else what its answer is compared as. */
static const char *kind_of(const json_t *entry, const json_t *task)
{
    const char *label = json_string_value(json_array_get(json_object_get(entry, "labels"), 0));
    const json_t *check = json_object_get(task, "check");
    const char *match =
        cmat_json_str(json_array_get(check, json_array_size(check) - 1), "match", "other");
    return label ? label : match;
}

static cmat_status add_entry(const char *path, const json_t *entry, cmat_task_list *out,
                             cmat_error *err)
{
    const char *about = cmat_json_str(entry, "description", NULL);
    const json_t *create = json_object_get(entry, "create");
    const place at = {path, about};
    char hex[65], id[32];
    cmat_buf b = {0};
    cmat_task t;
    if (!about)
        return cmat_fail(err, CMAT_ERR_FORMAT, "member \"description\" is missing or no text");
    json_t *task = json_pack("{s:s, s:s}", "env", "os", "instruction", about);
    json_t *init = json_array();
    /* The first version of the protocol begins in "/", the later one, whose tasks have no labels,
     * in the home folder. */
    json_object_set_new(task, "cwd", json_string(json_object_get(entry, "labels") ? "/" : "/root"));
    cmat_status st = CMAT_OK;
    if (json_is_object(create))
        st = add_scripts(&at, json_object_get(create, "init"), init, err);
    json_object_set_new(task, "init", init);
    if (cmat_json_str(entry, "start", NULL))
        json_object_set(task, "start", json_object_get(entry, "start"));
    if (st == CMAT_OK)
        st = add_evaluation(&at, entry, task, err);
    if (st == CMAT_OK) {
        json_object_set_new(task, "kind", json_string(kind_of(entry, task)));
        cmat_json_print(&b, task);
        cmat_sha256_hex(cmat_buf_str(&b), b.len, hex);
        snprintf(id, sizeof id, "agentbench-%.12s", hex);
        json_object_set_new(task, "id", json_string(id));
        st = cmat_task_init(&t, task, err);
        if (st == CMAT_OK)
            cmat_task_list_add(out, t);
    }
    cmat_buf_clear(&b);
    json_decref(task);
    return st;
}

static bool is_jsonl(const char *path)
{
    const char *end = strrchr(path, '.');
    return end && strcmp(end, ".jsonl") == 0;
}

static cmat_status add_file(const char *path, cmat_task_list *out, cmat_error *err)
{
    if (is_jsonl(path))
        return cmat_task_list_load(out, path, err);
    json_t *all = cmat_json_load(path, err), *entry;
    if (!all)
        return err ? err->status : CMAT_ERR_FORMAT;
    cmat_status st = CMAT_OK;
    size_t i;
    if (json_is_object(all)) {
        st = add_entry(path, all, out, err);
        if (st != CMAT_OK)
            cmat_fail_prefix(err, st, "%s", path);
    } else if (!json_is_array(all)) {
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: neither a list of tasks nor a task", path);
    }
    json_array_foreach(all, i, entry)
    {
        if ((st = add_entry(path, entry, out, err)) != CMAT_OK) {
            cmat_fail_prefix(err, st, "%s: entry %zu", path, i + 1);
            break;
        }
    }
    json_decref(all);
    return st;
}

static cmat_status add_folder(const char *path, int depth, cmat_task_list *out, cmat_error *err)
{
    struct dirent **names = NULL;
    const int n = depth > DEPTH_MAX ? 0 : scandir(path, &names, NULL, alphasort);
    cmat_status st = CMAT_OK;
    if (n < 0)
        return cmat_fail(err, CMAT_ERR_IO, "%s: cannot be read", path);
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name, *end = strrchr(name, '.');
        char *below = cmat_path_join(path, name);
        if (st == CMAT_OK && *name != '.' && cmat_path_is_dir(below))
            st = strcmp(name, "scripts") == 0 ? CMAT_OK : add_folder(below, depth + 1, out, err);
        else if (st == CMAT_OK && end && strcmp(end, ".json") == 0)
            st = add_file(below, out, err);
        free(below);
        free(names[i]);
    }
    free(names);
    return st;
}

cmat_status os_import(const char *path, cmat_task_list *out, cmat_error *err)
{
    const size_t n = out->n;
    cmat_status st =
        cmat_path_is_dir(path) ? add_folder(path, 0, out, err) : add_file(path, out, err);
    if (st == CMAT_OK && out->n == n)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: no tasks are in it", path);
    while (st != CMAT_OK && out->n > n)
        cmat_task_clear(&out->items[--out->n]);
    return st;
}
