/* agent_options.c - the agent's options as a table of their own. */
#include "agent/agent.h"

#include <stddef.h>

typedef struct {
    cmat_agent_options agent; /* first: offsets are those of the bare struct */
} holder;

const cmat_option cmat_agent_option_table[] = {CMAT_AGENT_OPTION_ROWS(holder, agent), {0}};
