/* llm.c - what all sources of text share. */
#include "agent/llm.h"
#include <stdlib.h>

const char *const cmat_role_names[CMAT_N_ROLES] = {"user", "actor", "checker"};

void cmat_llm_reply_clear(cmat_llm_reply *r)
{
    free(r->text);
    *r = (cmat_llm_reply){0};
}

void cmat_llm_free(cmat_llm *llm)
{
    if (llm)
        llm->ops->free(llm);
}
