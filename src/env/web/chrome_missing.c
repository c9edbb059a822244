/* chrome_missing.c - in place of chrome.c in a build without libmicrohttpd. */
#include "env/web/chrome.h"
#include <assert.h>
#include <stddef.h>

cmat_status web_chrome_open(web_chrome **out, const char *allow, cmat_error *err)
{
    (void)allow;
    *out = NULL;
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                     "web: this build has no browser (libmicrohttpd-dev was missing when it was "
                     "made)");
}

web_chrome *web_chrome_ref(web_chrome *c)
{
    return c;
}

void web_chrome_unref(web_chrome *c)
{
    assert(!c);
}

size_t web_chrome_refused(const web_chrome *c)
{
    (void)c;
    return 0;
}

/* There is no web_chrome in this build, hence no tab. */

cmat_status web_chrome_shop(web_chrome *c, shop_site **out, cmat_error *err)
{
    (void)c;
    *out = NULL;
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "web: this build has no browser");
}

cmat_status web_tab_open(web_tab **out, web_chrome *c, const web_tab_options *o, cmat_error *err)
{
    (void)c, (void)o;
    *out = NULL;
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "web: this build has no browser");
}

void web_tab_close(web_tab *t)
{
    assert(!t);
}

const web_page *web_tab_page(const web_tab *t)
{
    (void)t;
    return NULL;
}

const char *web_tab_url(const web_tab *t)
{
    (void)t;
    return "";
}

web_site_state web_tab_state(const web_tab *t)
{
    (void)t;
    return (web_site_state){0};
}

cmat_status web_tab_act(web_tab *t, web_op op, int node, const char *value, bool *ok,
                        cmat_buf *note, cmat_error *err)
{
    (void)t, (void)op, (void)node, (void)value, (void)note;
    *ok = false;
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "web: this build has no browser");
}
