/* env/shop/site_session.c - see site_session.h. */
#include "env/shop/site_session.h"
#include "core/json.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void free_session(shop_session *s)
{
    shop_goal_clear(&s->goal);
    json_decref(s->task);
    shop_world_unref(s->world);
    free(s);
}

/* Not to be guessed: pages of one session must not reach another's. */
static cmat_status draw_id(char id[SHOP_SESSION_ID + 1], cmat_error *err)
{
    unsigned char bytes[SHOP_SESSION_ID / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return cmat_fail(err, CMAT_ERR_IO, "shop: no random numbers are to be had");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    return CMAT_OK;
}

cmat_status shop_session_new(shop_sessions *all, shop_pool *pool, shop_world *own,
                             const json_t *task, shop_session **out, cmat_error *err)
{
    shop_session *s = cmat_xcalloc(1, sizeof *s);
    cmat_status st = draw_id(s->id, err);
    *out = NULL;
    if (st == CMAT_OK)
        st = shop_task_world(pool, own, task, &s->world, err);
    if (st == CMAT_OK)
        st = shop_goal_init(&s->goal, json_object_get(task, "goal"), cmat_json_str(task, "id", ""),
                            err);
    if (st != CMAT_OK) {
        free_session(s);
        return st;
    }
    s->task = json_incref((json_t *)task);
    shop_session_return(s);
    s->next = all->newest;
    all->newest = s;
    if (++all->n > SHOP_SESSIONS_MAX) {
        shop_session *oldest = s;
        while (oldest->next)
            oldest = oldest->next;
        shop_session_end(all, oldest);
    }
    *out = s;
    return CMAT_OK;
}

shop_session *shop_session_find(const shop_sessions *all, const char *address)
{
    const char *id = strstr(address, "/s/");
    if (!id)
        return NULL;
    id += 3;
    for (shop_session *s = all->newest; s; s = s->next)
        if (strncmp(s->id, id, SHOP_SESSION_ID) == 0 &&
            (id[SHOP_SESSION_ID] == '/' || !id[SHOP_SESSION_ID]))
            return s;
    return NULL;
}

void shop_session_end(shop_sessions *all, shop_session *s)
{
    for (shop_session **p = &all->newest; s && *p; p = &(*p)->next)
        if (*p == s) {
            *p = s->next;
            all->n--;
            free_session(s);
            return;
        }
}

void shop_sessions_clear(shop_sessions *all)
{
    while (all->newest)
        shop_session_end(all, all->newest);
}

void shop_session_return(shop_session *s)
{
    s->bought = NULL;
    s->reward = 0;
    for (size_t i = 0; i < SHOP_OPTIONS_MAX; i++)
        s->chosen[i] = -1;
}

void shop_session_buy(shop_session *s, const shop_product *p, const int *chosen)
{
    const char *values[SHOP_OPTIONS_MAX];
    size_t n = 0;
    if (s->bought)
        return;
    s->bought = p;
    for (size_t i = 0; i < p->n_options; i++) {
        s->chosen[i] = chosen[i];
        if (chosen[i] >= 0)
            values[n++] = p->options[i].values.items[chosen[i]];
    }
    s->reward = shop_reward_of(p, &s->goal, values, n).total;
}

void shop_session_print(const shop_session *s, cmat_buf *out)
{
    if (!s->bought)
        return;
    cmat_buf_puts(out, s->bought->asin);
    for (size_t i = 0; i < s->bought->n_options; i++)
        if (s->chosen[i] >= 0)
            cmat_buf_printf(out, " %zu=%d", i, s->chosen[i]);
}

bool shop_session_parse(shop_session *s, const char *line)
{
    char asin[16];
    int chosen[SHOP_OPTIONS_MAX], used = 0;
    for (size_t i = 0; i < SHOP_OPTIONS_MAX; i++)
        chosen[i] = -1;
    if (!*line) {
        shop_session_return(s);
        return true;
    }
    if (sscanf(line, "%15s%n", asin, &used) != 1)
        return false;
    const shop_product *p = shop_world_find(s->world, asin);
    for (line += used; p && *line;) {
        unsigned option, value;
        if (sscanf(line, " %u=%u%n", &option, &value, &used) != 2 || option >= p->n_options ||
            value >= p->options[option].values.n)
            return false;
        chosen[option] = (int)value;
        line += used;
    }
    if (!p)
        return false;
    shop_session_return(s);
    shop_session_buy(s, p, chosen);
    return true;
}
