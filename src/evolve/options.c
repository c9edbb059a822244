/* options.c - the loop's options as a table of their own, for run.json. */
#include "evolve/evolve.h"

const cmat_option cmat_evolve_option_table[] = {CMAT_EVOLVE_OPTION_ROWS(cmat_evolve_options, ),
                                                {0}};
