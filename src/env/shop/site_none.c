/* env/shop/site_none.c - in a build without libmicrohttpd there is no site. */
#include "env/shop/site.h"

cmat_status shop_site_open(shop_site **out, const shop_site_options *o, cmat_error *err)
{
    (void)o;
    *out = NULL;
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                     "shop: this build has no web site (libmicrohttpd-dev was missing)");
}

static cmat_status none(cmat_error *err)
{
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "shop: this build has no web site");
}

void shop_site_close(shop_site *s)
{
    (void)s;
}

int shop_site_port(const shop_site *s)
{
    (void)s;
    return 0;
}

cmat_status shop_site_start(shop_site *s, const cmat_task *task, char url[SHOP_URL_MAX],
                            cmat_error *err)
{
    (void)s;
    (void)task;
    url[0] = 0;
    return none(err);
}

cmat_status shop_site_score(shop_site *s, const char *url, double *score, bool *bought,
                            cmat_error *err)
{
    (void)s;
    (void)url;
    *score = 0;
    *bought = false;
    return none(err);
}

cmat_status shop_site_return(shop_site *s, const char *url, cmat_error *err)
{
    (void)s;
    (void)url;
    return none(err);
}

cmat_status shop_site_get(shop_site *s, const char *url, cmat_buf *out, cmat_error *err)
{
    (void)s;
    (void)url;
    (void)out;
    return none(err);
}

cmat_status shop_site_set(shop_site *s, const char *url, const char *bought, cmat_error *err)
{
    (void)s;
    (void)url;
    (void)bought;
    return none(err);
}

void shop_site_end(shop_site *s, const char *url)
{
    (void)s;
    (void)url;
}

void shop_site_offer(shop_site *s, const cmat_task_list *tasks)
{
    (void)s;
    (void)tasks;
}
