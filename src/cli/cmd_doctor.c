/* cmd_doctor.c - `cmat doctor`: what this machine has, and what that means for cmat. */
#include "cli/commands.h"
#include "core/cancel.h"
#include "core/fs.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/os/selfcheck.h"
#include "model/pull.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

typedef struct {
    cli_common common;
    bool sandbox;
} doctor_opts;
static const cmat_option options[] = {
    {"sandbox", CMAT_OPT_BOOL, offsetof(doctor_opts, sandbox), NULL, 0, 0, NULL, NULL,
     "the whole list of attempts to get out of a shell task's sandbox, with their results", 0},
    CLI_COMMON_OPTIONS(doctor_opts),
    {0}};

static json_t *cpu_features(void)
{
    json_t *j = json_object();
#if defined(__x86_64__)
    __builtin_cpu_init();
    json_object_set_new(j, "avx2", json_boolean(__builtin_cpu_supports("avx2")));
    json_object_set_new(j, "fma", json_boolean(__builtin_cpu_supports("fma")));
    json_object_set_new(j, "avx512f", json_boolean(__builtin_cpu_supports("avx512f")));
    json_object_set_new(j, "avx512vnni", json_boolean(__builtin_cpu_supports("avx512vnni")));
    json_object_set_new(j, "avx512bf16", json_boolean(__builtin_cpu_supports("avx512bf16")));
#endif
    return j;
}

/* The value of a "Key:   value" line of a /proc file, or "". */
static void proc_value(const char *path, const char *key, char *out, size_t size)
{
    char line[256];
    FILE *f = fopen(path, "r");

    *out = '\0';
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0) {
            const char *v = line + strcspn(line, ":");
            snprintf(out, size, "%s", v + strspn(v, ": \t"));
            out[strcspn(out, "\n")] = '\0';
            break;
        }
    if (f)
        fclose(f);
}

static double free_disk(const char *home)
{
    struct statvfs v;
    char *dir = cmat_xstrdup(home);
    double bytes = 0;

    while (statvfs(dir, &v) != 0 && strrchr(dir, '/') > dir)
        *strrchr(dir, '/') = '\0'; /* the folder may not exist yet */
    if (statvfs(dir, &v) == 0)
        bytes = (double)v.f_bavail * (double)v.f_frsize;
    free(dir);
    return bytes;
}

/* Tries to get out of a shell task's sandbox: {"works", "attempts", "held", "ids", "memory":
 * "cgroup v2" | "cgroup v1" | "watched", "error", "list"}. */
static json_t *examine_sandbox(void)
{
    static const char *const memory[] = {"watched", "cgroup v1", "cgroup v2"};
    os_host *host = NULL;
    json_t *report = NULL, *item, *j = json_object();
    cmat_error err = {0};
    size_t i, held = 0;
    cmat_status st = os_host_open(&host, &err);

    if (st == CMAT_OK)
        st = os_selfcheck(host, 0, &report, &err);
    json_array_foreach(report, i, item) held +=
        strcmp(json_string_value(json_object_get(item, "result")), "held") == 0;
    json_object_set_new(j, "works", json_boolean(st == CMAT_OK));
    json_object_set_new(j, "attempts", json_integer((json_int_t)json_array_size(report)));
    json_object_set_new(j, "held", json_integer((json_int_t)held));
    json_object_set_new(j, "ids", json_integer(host ? os_host_ids(host) : 0));
    json_object_set_new(j, "memory", json_string(memory[host ? os_host_confined(host) : 0]));
    json_object_set_new(j, "error", st == CMAT_OK ? json_null() : json_string(err.msg));
    json_object_set_new(j, "list", report ? report : json_array());
    os_host_unref(host);
    return j;
}

static json_t *examine(void)
{
    json_t *j = json_object(), *kernels = json_array(), *devices = json_array();
    char cpu[128], mem[64], avail[64], *model = cmat_model_find(NULL), *home = cmat_data_home();

    proc_value("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    proc_value("/proc/meminfo", "MemTotal", mem, sizeof mem);
    proc_value("/proc/meminfo", "MemAvailable", avail, sizeof avail);
    for (const cmat_kernel_ops *const *k = cmat_kernels; *k; k++)
        if ((*k)->available())
            json_array_append_new(kernels, json_string((*k)->name));
    for (const cmat_kernel_ops *const *k = cmat_kernels; *k; k++)
        if ((*k)->device)
            json_array_append_new(devices,
                                  json_pack("{s:s, s:b, s:s}", "kernel", (*k)->name, "available",
                                            (int)(*k)->available(), "text", (*k)->describe()));
    json_object_set_new(j, "version", json_string(CMAT_VERSION));
    json_object_set_new(j, "cpu", json_string(cpu));
    json_object_set_new(j, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_set_new(j, "threads", json_integer(cmat_threads()));
    json_object_set_new(j, "cpu_features", cpu_features());
    json_object_set_new(j, "kernels", kernels);
    json_object_set_new(j, "devices", devices);
    json_object_set_new(j, "kernel", json_string(cmat_kernel_best()->name));
    json_object_set_new(j, "memory_bytes", json_real(strtod(mem, NULL) * 1024));
    json_object_set_new(j, "memory_available_bytes", json_real(strtod(avail, NULL) * 1024));
    json_object_set_new(j, "home", json_string(home));
    json_object_set_new(j, "home_free_bytes", json_real(free_disk(home)));
    json_object_set_new(j, "model", model ? json_string(model) : json_null());
    json_object_set_new(j, "sqlite", json_string(sqlite3_libversion()));
    json_object_set_new(j, "fts5", json_boolean(sqlite3_compileoption_used("ENABLE_FTS5")));
    json_object_set_new(j, "sandbox", examine_sandbox());
    free(model);
    free(home);
    return j;
}

static void line(const char *mark, const char *name, const char *text)
{
    printf("  %s %-12s %s\n", mark, name, text);
}

static const char *memory_line(const json_t *s)
{
    const char *memory = json_string_value(json_object_get(s, "memory"));
    return strcmp(memory, "cgroup v2") == 0   ? "memory bound by a cgroup (version 2)"
           : strcmp(memory, "cgroup v1") == 0 ? "memory bound by a cgroup (version 1)"
                                              : "memory watched (no cgroup may be made here)";
}

static void print_sandbox(const json_t *s)
{
    char buf[1200];
    const int n = (int)json_integer_value(json_object_get(s, "attempts"));

    if (json_is_true(json_object_get(s, "works")))
        snprintf(buf, sizeof buf, "shell tasks run here: %d attempts to get out, all held; %s%s", n,
                 memory_line(s),
                 json_integer_value(json_object_get(s, "ids")) > 1 ? "" : "; one user only");
    else
        snprintf(buf, sizeof buf, "no shell tasks: %s",
                 json_string_value(json_object_get(s, "error")));
    line(json_is_true(json_object_get(s, "works")) ? "+" : "-", "sandbox", buf);
}

static void print_attempts(const json_t *s)
{
    const json_t *item;
    const char *wall = "";
    size_t i;

    json_array_foreach(json_object_get(s, "list"), i, item)
    {
        const char *of = json_string_value(json_object_get(item, "wall"));
        const char *result = json_string_value(json_object_get(item, "result"));
        if (strcmp(of, wall) != 0)
            printf("%s\n", of);
        wall = of;
        printf("  %s %s%s\n", strcmp(result, "held") == 0 ? "+" : "-",
               json_string_value(json_object_get(item, "attempt")),
               strcmp(result, "held") == 0  ? ""
               : strcmp(result, "out") == 0 ? ": got out"
                                            : ": could not be tried");
    }
    printf("%d of %d attempts to get out were held\n",
           (int)json_integer_value(json_object_get(s, "held")),
           (int)json_integer_value(json_object_get(s, "attempts")));
    printf("%s\n", memory_line(s));
}

static void print_text(const json_t *j)
{
    char buf[256], a[32], b[32];
    const char *key;
    json_t *v;
    size_t n = 0;
    const json_t *model = json_object_get(j, "model");

    snprintf(buf, sizeof buf, "%s, %d cores, %d threads used",
             json_string_value(json_object_get(j, "cpu")),
             (int)json_integer_value(json_object_get(j, "cores")),
             (int)json_integer_value(json_object_get(j, "threads")));
    line("+", "processor", buf);
    buf[0] = '\0';
    json_object_foreach(json_object_get(j, "cpu_features"), key, v)
    {
        if (json_is_true(v))
            n += (size_t)snprintf(buf + n, sizeof buf - n, "%s%s", n ? " " : "", key);
    }
    snprintf(buf + n, sizeof buf - n, "%skernels in use: %s", n ? "; " : "",
             json_string_value(json_object_get(j, "kernel")));
    line("+", "features", buf);
    json_array_foreach(json_object_get(j, "devices"), n, v)
    {
        const bool ok = json_is_true(json_object_get(v, "available"));
        snprintf(buf, sizeof buf, "%s%s", json_string_value(json_object_get(v, "text")),
                 ok ? " (`cmat tune --device cuda`)" : "");
        line(ok ? "+" : "-", json_string_value(json_object_get(v, "kernel")), buf);
    }
    cmat_text_bytes(a, sizeof a, json_number_value(json_object_get(j, "memory_bytes")));
    cmat_text_bytes(b, sizeof b, json_number_value(json_object_get(j, "memory_available_bytes")));
    snprintf(buf, sizeof buf, "%s, %s available (tuning the default model takes about 2 GB)", a, b);
    line(json_number_value(json_object_get(j, "memory_available_bytes")) > 2e9 ? "+" : "-",
         "memory", buf);
    cmat_text_bytes(a, sizeof a, json_number_value(json_object_get(j, "home_free_bytes")));
    snprintf(buf, sizeof buf, "%s free under %s", a, json_string_value(json_object_get(j, "home")));
    line("+", "disk", buf);
    line(json_is_string(model) ? "+" : "-", "model",
         json_is_string(model) ? json_string_value(model)
                               : "none yet: `cmat pull` gets the default one");
    snprintf(buf, sizeof buf, "SQLite %s, full-text search %s",
             json_string_value(json_object_get(j, "sqlite")),
             json_is_true(json_object_get(j, "fts5")) ? "on"
                                                      : "missing: lessons cannot be searched");
    line(json_is_true(json_object_get(j, "fts5")) ? "+" : "-", "database", buf);
    print_sandbox(json_object_get(j, "sandbox"));
}

/* The list, and an error when a wall does not hold: for scripts. */
static cmat_status run_sandbox(const doctor_opts *o, cmat_error *err)
{
    json_t *s = examine_sandbox();
    cmat_status st = CMAT_OK;

    if (o->common.json)
        cli_print_json(s);
    else if (json_array_size(json_object_get(s, "list")) > 0)
        print_attempts(s);
    if (!json_is_true(json_object_get(s, "works")))
        st = cmat_fail(err, cmat_cancelled() ? CMAT_ERR_CANCELLED : CMAT_ERR_STATE, "%s",
                       json_string_value(json_object_get(s, "error")));
    json_decref(s);
    return st;
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    doctor_opts *o = vopts;
    json_t *j;

    (void)n_args;
    (void)args;
    if (o->sandbox)
        return run_sandbox(o, err);
    j = examine();
    if (o->common.json)
        cli_print_json(j);
    else
        print_text(j);
    json_decref(j);
    return CMAT_OK;
}

const cli_command cli_doctor = {
    .name = "doctor",
    .summary = "what this machine has: processor, memory, model, sandbox",
    .usage = "[--sandbox] [--json]",
    .text =
        "Lines marked + are in order; those marked - say what is missing and what it is for.\n\n"
        "Examples:\n"
        "  cmat doctor\n"
        "  cmat doctor --sandbox\n"
        "  cmat doctor --json",
    .options = options,
    .opts_size = sizeof(doctor_opts),
    .run = run,
};
