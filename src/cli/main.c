/* main.c - the cmat program: finds the command, fills its options from recipe, environment and
 * command line, runs it. Results go to stdout; progress, logs and errors to stderr. */
#include "cli/cli.h"
#include "core/cancel.h"
#include "core/mem.h"
#include "kernel/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_command *find_command(const char *name)
{
    for (const cli_command *const *c = cli_commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

static void print_usage(FILE *out)
{
    fputs(
        "cmat tunes a small language model into an agent for your database, knowledge, shell, "
        "shop or pages,\non this machine.\n\n"
        "usage: cmat COMMAND [options] [arguments]\n\n",
        out);
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(out, "  %-10s %s\n", (*c)->name, (*c)->summary);
    fputs(
        "\nExamples:\n"
        "  cmat pull                                  get the default model\n"
        "  cmat evolve db --database shop.sqlite      tune an agent for a database\n"
        "  cmat ask shop.sqlite \"How many orders were cancelled in May?\"\n"
        "  cmat evolve kg --world films.tsv           tune one for a knowledge graph\n"
        "  cmat ask films.tsv \"Who directed Leaves of Grass?\"\n"
        "  cmat env list                              the six kinds of world\n\n"
        "`cmat COMMAND --help` says more. Every option has a twin in the environment "
        "(--max-tokens:\n"
        "CMAT_MAX_TOKENS) and in recipes (--config FILE.yaml). Models live in $CMAT_HOME, else in\n"
        "$XDG_DATA_HOME/cmat.\n",
        out);
}

static void print_help(const cli_command *c)
{
    printf("cmat %s - %s\n\nusage: cmat %s %s\n\n%s\n", c->name, c->summary, c->name, c->usage,
           c->text);
    if (c->options) {
        puts("\nOptions:");
        cmat_options_help(c->options, stdout);
    }
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int exit_status(cmat_status st)
{
    switch (st) {
    case CMAT_OK:
        return CLI_OK;
    case CMAT_ERR_ARG:
        return CLI_USAGE;
    case CMAT_ERR_CANCELLED:
        return CLI_INTERRUPTED;
    default:
        return CLI_FAILURE;
    }
}

static int run_command(const cli_command *c, int argc, char **argv)
{
    cmat_error err = {.msg = ""};
    void *opts = cmat_xcalloc(1, c->opts_size ? c->opts_size : sizeof(cli_common));
    const cli_common *common = opts;
    cmat_status st = CMAT_OK;
    int n_args = argc - 1;

    if (c->options) {
        st = cmat_options_init(c->options, opts, &err);
        if (st == CMAT_OK)
            st = cmat_options_parse(c->options, opts, argc, argv, &n_args, &err);
    }
    if (st == CMAT_OK && (n_args < c->min_args || (c->max_args >= 0 && n_args > c->max_args)))
        st = cmat_fail(&err, CMAT_ERR_ARG, "usage: cmat %s %s", c->name, c->usage);
    if (st == CMAT_OK) {
        cmat_set_messages(common->quiet ? CMAT_MESSAGES_WARNINGS : CMAT_MESSAGES_PROGRESS);
        cmat_set_threads((int)common->threads);
        if (common->force_adapter) /* the session option's twin, for whatever opens a model */
            setenv("CMAT_FORCE_ADAPTER", "1", 1);
        st = c->run(opts, n_args, argv + 1, &err);
    }
    if (st == CMAT_OK && (fflush(stdout) != 0 || ferror(stdout)))
        st = cmat_fail(&err, CMAT_ERR_IO, "standard output could not be written");
    if (st != CMAT_OK)
        fprintf(stderr, "cmat %s: %s\n", c->name, *err.msg ? err.msg : cmat_status_name(st));
    if (st == CMAT_ERR_ARG)
        fprintf(stderr, "`cmat %s --help` lists the options.\n", c->name);
    if (c->options)
        cmat_options_clear(c->options, opts);
    free(opts);
    return exit_status(st);
}

/* libgomp's threads spin between two kernels; as long as they do by default, a second busy process
 * on the machine makes them ten times slower. It reads its settings before main, so the program
 * starts anew. */
static void wait_briefly(char **argv)
{
    char self[4096]; /* its path, so that ps goes on to show "cmat" */
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") || n <= 0)
        return;
    self[n] = '\0';
    setenv("GOMP_SPINCOUNT", "20000", 1);
    execv(self, argv); /* on failure the defaults will do */
}

int main(int argc, char **argv)
{
    const cli_command *c;

    wait_briefly(argv);
    cmat_cancel_install();
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        (strcmp(argv[1], "help") == 0 && argc == 2)) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? CLI_USAGE : CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("cmat %s (kernels: %s)\n", CMAT_VERSION, cmat_kernel_best()->name);
        return CLI_OK;
    }
    if (strcmp(argv[1], "help") == 0) {
        argv++;
        argc--;
        c = find_command(argv[1]);
        if (c) {
            print_help(c);
            return CLI_OK;
        }
    } else {
        c = find_command(argv[1]);
    }
    if (!c) {
        fprintf(stderr, "cmat: there is no command \"%s\"; `cmat --help` lists them\n", argv[1]);
        return CLI_USAGE;
    }
    if (asks_help(argc - 1, argv + 1)) {
        print_help(c);
        return CLI_OK;
    }
    return run_command(c, argc - 1, argv + 1);
}
