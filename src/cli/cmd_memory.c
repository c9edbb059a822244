/* cmd_memory.c - `cmat memory`: what a run has learned, to look at, search and forget. */
#include "cli/commands.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "memory/lesson.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_common common;
    char *run, *kind;
    int64_t limit;
} memory_opts;

static const cmat_option options[] = {
    {"run", CMAT_OPT_STR, offsetof(memory_opts, run), NULL, 0, 0, NULL, "DIR",
     "the run folder (or its store.db)", 'r'},
    {"kind", CMAT_OPT_STR, offsetof(memory_opts, kind), NULL, 0, 0, NULL, "KIND",
     "lesson or example; both without it", 0},
    {"limit", CMAT_OPT_INT, offsetof(memory_opts, limit), "20", 1, 1e6, NULL, "N",
     "entries at most", 'n'},
    CLI_COMMON_OPTIONS(memory_opts),
    {0},
};

static void print_inert_line(const char *label, const char *s)
{
    cmat_buf b = {0};
    cmat_text_inert(&b, s ? s : "", s ? strlen(s) : 0);
    printf("%s%s\n", label, cmat_buf_str(&b));
    cmat_buf_clear(&b);
}

static json_t *to_json(const cmat_lesson *l)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:i, s:i, s:f}", "id", (json_int_t)l->id,
                     "kind", l->kind, "origin", l->origin, "task", l->task, "lesson", l->lesson,
                     "created", (json_int_t)l->created, "uses", l->uses, "wins", l->wins, "rank",
                     l->rank);
}

static void print_list(const memory_opts *o, const cmat_lesson_list *l, bool whole)
{
    json_t *j = json_array();
    for (size_t i = 0; i < l->n; i++) {
        const cmat_lesson *e = &l->items[i];
        if (o->common.json) {
            json_array_append_new(j, to_json(e));
            continue;
        }
        printf("%lld  %s  used %d, right %d\n", (long long)e->id, e->kind, e->uses, e->wins);
        print_inert_line("    task:   ", e->task);
        print_inert_line("    lesson: ", e->lesson);
        if (whole) {
            print_inert_line("    origin: ", e->origin);
            print_inert_line("    schema: ", e->schema);
        }
    }
    if (o->common.json)
        cli_print_json(j);
    else if (!l->n)
        puts("nothing found");
    json_decref(j);
}

static cmat_status parse_id(const char *s, int64_t *id, cmat_error *err)
{
    char *end;
    *id = strtoll(s, &end, 10);
    return end != s && !*end ? CMAT_OK
                             : cmat_fail(err, CMAT_ERR_ARG, "\"%s\" is not an entry's number", s);
}

static cmat_status with_store(const memory_opts *o, cmat_store *s, int n_args, char **args,
                              cmat_error *err)
{
    cmat_lesson_list l = {0};
    const char *verb = args[0];
    int64_t id = 0;
    cmat_status st;

    if (strcmp(verb, "list") != 0 && n_args < 2)
        return cmat_fail(err, CMAT_ERR_ARG, "cmat memory %s: what? (`cmat memory --help`)", verb);
    if (strcmp(verb, "list") == 0) {
        st = cmat_store_list_lessons(s, o->kind, (size_t)o->limit, &l, err);
    } else if (strcmp(verb, "search") == 0) {
        st = cmat_store_search_lessons(s, args[1], "", o->kind, false, (size_t)o->limit, &l, err);
    } else if ((st = parse_id(args[1], &id, err)) != CMAT_OK) {
        return st;
    } else if (strcmp(verb, "show") == 0) {
        st = cmat_store_get_lesson(s, id, &l, err);
    } else {
        st = cmat_store_forget_lesson(s, id, err);
        if (st == CMAT_OK && !o->common.quiet)
            printf("forgot %lld\n", (long long)id);
        return st;
    }
    if (st == CMAT_OK)
        print_list(o, &l, strcmp(verb, "show") == 0);
    cmat_lesson_list_clear(&l);
    return st;
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    static const char *const verbs[] = {"list", "show", "search", "forget"};
    memory_opts *o = vopts;
    cmat_store *s;
    char *path;
    bool known = false;
    cmat_status st;

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        known = known || strcmp(args[0], verbs[i]) == 0;
    if (!known)
        return cmat_fail(err, CMAT_ERR_ARG,
                         "there is no `cmat memory %s`: list, show, search and forget are",
                         args[0]);
    if (!o->run)
        return cmat_fail(err, CMAT_ERR_ARG, "--run DIR names the run whose memory is meant");
    path = cmat_path_is_dir(o->run) ? cmat_path_join(o->run, "store.db") : cmat_xstrdup(o->run);
    st = cmat_store_open(&s, path, strcmp(args[0], "forget") != 0, err);
    free(path);
    if (st != CMAT_OK)
        return st;
    st = with_store(o, s, n_args, args, err);
    cmat_store_close(s);
    return st;
}

const cli_command cli_memory = {
    .name = "memory",
    .summary = "lessons and worked examples of a run: list, show, search, forget",
    .usage = "--run DIR list|show ID|search TEXT|forget ID",
    .text =
        "Long-term memory: lessons written after failed episodes, worked examples from right "
        "ones.\n\n"
        "Examples:\n"
        "  cmat memory --run runs/shop list\n"
        "  cmat memory --run runs/shop search \"orders in May\"\n"
        "  cmat memory --run runs/shop forget 12",
    .options = options,
    .opts_size = sizeof(memory_opts),
    .min_args = 1,
    .max_args = 2,
    .run = run,
};
