/* env/db/url.c - see url.h. */
#include "env/db/url.h"
#include "core/buf.h"
#include "core/mem.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool db_is_url(const char *path)
{
    size_t n = 0;
    while (path && islower((unsigned char)path[n]))
        n++;
    return n > 0 && !strncmp(path + n, "://", 3);
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* s[0..n) with %41 decoded; NULL for nothing, or for what is no text. */
static char *decoded(const char *s, size_t n)
{
    cmat_buf b = {0};
    for (size_t i = 0; i < n; i++) {
        bool coded = s[i] == '%' && i + 2 < n && isxdigit((unsigned char)s[i + 1]) &&
                     isxdigit((unsigned char)s[i + 2]);
        char c = coded ? (char)(hex_digit(s[i + 1]) * 16 + hex_digit(s[i + 2])) : s[i];
        i += coded ? 2 : 0;
        if (c)
            cmat_buf_putc(&b, c);
    }
    return b.len ? cmat_buf_detach(&b) : NULL;
}

static cmat_status no_password(cmat_error *err)
{
    return cmat_fail(err, CMAT_ERR_ARG,
                     "db: the address holds a password, which would be kept with the run: leave it "
                     "out and give it by ~/.pgpass or PGPASSWORD, ~/.my.cnf or MYSQL_PWD");
}

static bool is_key(const char *p, size_t n, const char *key)
{
    return strlen(key) == n && !strncasecmp(p, key, n);
}

/* "a=b&c=d": ours are taken out, the others stay in u->text. */
static cmat_status parameters(db_url *u, const char *p, cmat_buf *text, cmat_error *err)
{
    for (bool first = true; *p;) {
        size_t n = strcspn(p, "&"), k = strcspn(p, "=&");
        const char *v = p + k + (p[k] == '=');
        size_t m = n - (size_t)(v - p);
        if (is_key(p, k, "password") || is_key(p, k, "sslpassword") || is_key(p, k, "passwd"))
            return no_password(err);
        if (is_key(p, k, "allow_superuser")) {
            u->allow_superuser = m > 0 && *v == '1';
        } else {
            if (is_key(p, k, "socket") || is_key(p, k, "unix_socket")) {
                free(u->socket);
                u->socket = decoded(v, m);
            }
            cmat_buf_putc(text, first ? '?' : '&');
            cmat_buf_add(text, p, n);
            first = false;
        }
        p += n + (p[n] == '&');
    }
    return CMAT_OK;
}

static cmat_status authority(db_url *u, const char *s, size_t n, cmat_error *err)
{
    const char *at = memrchr(s, '@', n);
    if (at) {
        size_t m = (size_t)(at - s);
        if (memchr(s, ':', m))
            return no_password(err);
        u->user = decoded(s, m);
        n -= m + 1;
        s = at + 1;
    }
    size_t host = n;
    if (n && *s == '[') { /* [::1]:3306 */
        const char *close = memchr(s, ']', n);
        if (!close)
            return cmat_fail(err, CMAT_ERR_ARG, "db: address: '[' without ']'");
        u->host = decoded(s + 1, (size_t)(close - s) - 1);
        host = (size_t)(close - s) + 1;
    } else {
        const char *colon = memrchr(s, ':', n);
        host = colon ? (size_t)(colon - s) : n;
        u->host = decoded(s, host);
    }
    if (host < n)
        u->port = decoded(s + host + 1, n - host - 1);
    if (u->port && strspn(u->port, "0123456789") != strlen(u->port) && !strchr(u->port, ','))
        return cmat_fail(err, CMAT_ERR_ARG, "db: address: the port is not a number");
    return CMAT_OK;
}

cmat_status db_url_parse(db_url *u, const char *s, cmat_error *err)
{
    memset(u, 0, sizeof *u);
    if (!db_is_url(s))
        return cmat_fail(err, CMAT_ERR_ARG, "db: %.40s: not an address (scheme://...)", s);
    const char *p = strstr(s, "://");
    u->scheme = decoded(s, (size_t)(p - s));
    p += 3;
    size_t n = strcspn(p, "/?");
    cmat_buf text = {0};
    cmat_status st = authority(u, p, n, err);
    p += n;
    if (*p == '/') {
        n = strcspn(p, "?");
        u->database = decoded(p + 1, n - 1);
        p += n;
    }
    cmat_buf_add(&text, s, (size_t)(p - s));
    if (st == CMAT_OK && *p == '?')
        st = parameters(u, p + 1, &text, err);
    u->text = cmat_buf_detach(&text);
    if (st != CMAT_OK)
        db_url_clear(u);
    return st;
}

void db_url_clear(db_url *u)
{
    char *all[] = {u->scheme, u->user, u->host, u->port, u->database, u->socket, u->text};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    memset(u, 0, sizeof *u);
}
