/* urlencoded.c - parameters of forms and queries (application/x-www-form-urlencoded). */
#include "env/web/site.h"
#include <ctype.h>
#include <string.h>

static int hex(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

bool web_param(const char *form, const char *name, cmat_buf *out)
{
    const size_t n = strlen(name);
    for (const char *p = form; p && *p;) {
        const size_t len = strcspn(p, "&");
        if (len > n && strncmp(p, name, n) == 0 && p[n] == '=') {
            for (size_t i = n + 1; i < len; i++) {
                const bool coded =
                    p[i] == '%' && i + 2 < len && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0;
                const int c = coded ? 16 * hex(p[i + 1]) + hex(p[i + 2]) : p[i] == '+' ? ' ' : p[i];
                i += coded ? 2 : 0;
                if (c != 0)
                    cmat_buf_putc(out, (char)c);
            }
            return true;
        }
        p += len + (p[len] == '&');
    }
    return false;
}

void web_urlencode(const char *s, cmat_buf *out)
{
    for (; *s; s++) {
        if (isalnum((unsigned char)*s) || strchr("-_.~", *s))
            cmat_buf_putc(out, *s);
        else if (*s == ' ')
            cmat_buf_putc(out, '+');
        else
            cmat_buf_printf(out, "%%%02X", (unsigned char)*s);
    }
}
