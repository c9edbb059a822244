/* env/os/reply.h - the action in a reply. */
#ifndef CMAT_ENV_OS_REPLY_H
#define CMAT_ENV_OS_REPLY_H
#include "core/buf.h"
#include <stdbool.h>

typedef enum { OS_ACTION_NONE, OS_ACTION_BASH, OS_ACTION_ANSWER, OS_ACTION_FINISH } os_action_type;
typedef struct {
    os_action_type type;
    cmat_buf text; /* the script, or the answer */
    bool thought;
} os_action;
void os_action_clear(os_action *a);

/* Our style: an optional line "Think: ...", then "Bash: <script>" (to the end, or a ``` block),
 * "Answer: <text>" or "Finish". */
void os_reply_short(const char *reply, os_action *a);
/* AgentBench's rules: of all "Act: ..." the last that begins with bash, finish or answer(...);
 * the script is all ```bash blocks, an empty line between them. */
void os_reply_agentbench(const char *reply, os_action *a);
#endif
