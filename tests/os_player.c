/* tests/os_player.c - see os_player.h. */
#include "os_player.h"
#include "env/os/os.h"
#include "env/os/sandbox_impl.h"
#include "player.h"
#include <stdio.h>

static cmat_env *first; /* what the others share their host with; NULL: none yet */

bool os_player_works(void)
{
    static int works = -1;
    if (works < 0) {
        os_host *h = NULL;
        os_sandbox *s = NULL;
        cmat_error err = {0};
        works = os_host_open(&h, &err) == CMAT_OK &&
                os_sandbox_open(&s, h, &os_limits_default, &err) == CMAT_OK &&
                os_sandbox_fresh(s, "/", &err) == CMAT_OK;
        if (!works)
            printf("no sandbox here, its tests are skipped: %s\n", err.msg);
        os_sandbox_close(s);
        os_host_unref(h);
    }
    return works;
}

cmat_env *os_player_open(const char *style)
{
    if (!first) {
        first = player_open("os", (cmat_env_options){0});
        ((os_env *)first)->host->checked = true; /* test_os_box makes the attempts */
    }
    return player_open("os", (cmat_env_options){.style = style, .like = first, .step_timeout = 60});
}

cmat_task os_player_task(void)
{
    return player_task(
        "{\"id\": \"t\", \"env\": \"os\", \"instruction\": \"Look around.\", "
        "\"answer\": \"42\"}");
}

int os_player_end(void **state)
{
    (void)state;
    cmat_env_close(first);
    first = NULL;
    return 0;
}
