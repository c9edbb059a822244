/* env_serve.c - `cmat env serve shop`: the shop as a web site on this machine. */
#include "cli/env_serve.h"
#include "core/cancel.h"
#include "env/shop/site.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

cmat_status cli_env_serve(const cmat_env *env, const char *world, const cmat_task_list *tasks,
                          int port, cmat_error *err)
{
    shop_site *site = NULL;
    if (strcmp(env->ops->name, "shop") != 0)
        return cmat_fail(err, CMAT_ERR_ARG, "only the shop is a web site: cmat env serve shop");
    const shop_site_options o = {.path = world, .port = port, .like = env};
    const cmat_status st = shop_site_open(&site, &o, err);
    if (st != CMAT_OK)
        return st;
    shop_site_offer(site, tasks);
    printf("http://127.0.0.1:%d/ (%zu tasks; Ctrl-C ends)\n", shop_site_port(site), tasks->n);
    fflush(stdout);
    while (!cmat_cancelled())
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    shop_site_close(site);
    return CMAT_OK;
}
