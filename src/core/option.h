/* core/option.h - one table of options feeds --flags, --help, YAML recipes and run.json.
 *
 * An option is a member of a caller's struct, named by its offset. The name is written with dashes
 * on the command line ("--max-steps"), with either dashes or underscores in a recipe, and with
 * underscores in JSON ("max_steps"). Environment twin: CMAT_MAX_STEPS. */
#ifndef CMAT_CORE_OPTION_H
#define CMAT_CORE_OPTION_H
#include "cmat/error.h"
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

typedef enum {
    CMAT_OPT_BOOL,  /* bool: --name, --no-name */
    CMAT_OPT_INT,   /* int64_t, within min..max; suffixes k, m, g (powers of 1000) accepted */
    CMAT_OPT_FLOAT, /* double, within min..max */
    CMAT_OPT_STR,   /* char *, NULL by default or a copy; freed by cmat_options_clear */
    CMAT_OPT_ENUM,  /* int: the index in choices "off|facts|model|both" */
    CMAT_OPT_TABLE  /* a struct with a table of its own: its options are taken over */
} cmat_opt_type;

typedef struct cmat_option cmat_option;
struct cmat_option {
    const char *name; /* "max-steps"; NULL ends the table */
    cmat_opt_type type;
    size_t offset;   /* offsetof(struct, member) */
    const char *def; /* default as text; NULL: false, 0 or a NULL string */
    double min, max; /* INT and FLOAT, inclusive; both 0: no limits */
    /* ENUM: its choices, "a|b|c". TABLE: the cmat_option table of the struct at `offset`. An option
     * of the same name in the outer table goes before the one in it, which then only ever has its
     * default; at the same member, it is that option with another default or text. Nested three
     * deep at most. */
    const void *of;
    const char *arg;  /* placeholder in --help: "FILE", "N" */
    const char *text; /* one line for --help */
    char letter;      /* short form, or 0 */
};
/* The row for a struct with a table of its own. */
#define CMAT_OPTION_TABLE(OFFSET, SUB)                                      \
    {                                                                       \
        .name = "", .type = CMAT_OPT_TABLE, .offset = (OFFSET), .of = (SUB) \
    }

/* Sets every member to its default (and from the environment twin when it is set and valid). */
cmat_status cmat_options_init(const cmat_option *table, void *opts, cmat_error *err);
void cmat_options_clear(const cmat_option *table, void *opts);
/* Sets one from text, as the command line and recipes do. `where` prefixes the message. */
cmat_status cmat_options_set(const cmat_option *table, void *opts, const char *name,
                             const char *value, const char *where, cmat_error *err);
/* Parses argv[1..]: options anywhere, "--" ends them, `--config FILE` reads a recipe first when
 * the table has no option of that name. Positional arguments are moved to the front of argv[1..]
 * and counted in *n_args. CMAT_ERR_ARG for an unknown option (with the nearest name), a missing
 * value. */
cmat_status cmat_options_parse(const cmat_option *table, void *opts, int argc, char **argv,
                               int *n_args, cmat_error *err);
/* Reads a flat YAML mapping (nested mappings are joined with a dash). Unknown key or wrong type:
 * CMAT_ERR_FORMAT with line and column. */
cmat_status cmat_options_load_yaml(const cmat_option *table, void *opts, const char *path,
                                   cmat_error *err);
/* One line an option, wrapped at 80 columns, with default and range. */
void cmat_options_help(const cmat_option *table, FILE *out);
json_t *cmat_options_to_json(const cmat_option *table, const void *opts); /* new reference */
cmat_status cmat_options_from_json(const cmat_option *table, void *opts, const json_t *j,
                                   const char *where, cmat_error *err);
#endif
