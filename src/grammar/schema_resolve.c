/* grammar/schema_resolve.c - "$ref" as pointers from the root: what "$id", "$anchor" and percent
 * signs make of them (JSON Schema Core 2020-12, section 8.2; RFC 3986, section 5) is settled before
 * anything is read, so that the reader only knows "#/a/b". References that lead to no schema here
 * stay as they are, for the reader to refuse. */
#include "core/mem.h"
#include "grammar/schema.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEEP = 1000 };

typedef struct {
    json_t
        *places; /* URIs, absolute where there is a base, of anchors "uri#name", to "#/$defs/a" */
    bool rewriting; /* places are known */
} resolver;

/* ---- URIs ---- */

/* Bytes of the scheme with its colon; 0: the reference is relative. */
static size_t scheme_len(const char *s)
{
    size_t n = 0;
    while ((n ? isalnum((unsigned char)s[n]) : isalpha((unsigned char)s[n])) ||
           (n && strchr("+-.", s[n]) && s[n]))
        n++;
    return n && s[n] == ':' ? n + 1 : 0;
}

/* Where the path of a URI begins. */
static size_t path_start(const char *s)
{
    size_t n = scheme_len(s);
    if (strncmp(s + n, "//", 2) == 0)
        n += 2 + strcspn(s + n + 2, "/?#");
    return n;
}

/* Takes "." and ".." out of a path, in place. */
static void remove_dots(char *path)
{
    char *out = path, *in = path;
    while (*in) {
        const size_t len = strcspn(in + 1, "/") + 1; /* "/segment", or the first one */
        const char *segment = in + (*in == '/');
        const size_t n = len - (*in == '/');
        const bool dot = n == 1 && segment[0] == '.',
                   dots = n == 2 && segment[0] == '.' && segment[1] == '.';
        if (dots)
            while (out > path && *--out != '/')
                ;
        if (!dot && !dots) {
            memmove(out, in, len);
            out += len;
        } else if (!in[len]) {
            *out++ = '/';
        }
        in += len;
    }
    *out = '\0';
}

/* The URI that `ref` means where `base` is the base, without a fragment; the caller's to free(). */
static char *uri_resolve(const char *base, const char *ref)
{
    const int n = (int)strcspn(ref, "#");
    const size_t start = path_start(base);
    char *out;
    if (scheme_len(ref))
        return cmat_xasprintf("%.*s", n, ref);
    if (n == 0)
        return cmat_xasprintf("%.*s", (int)strcspn(base, "#"), base);
    if (strncmp(ref, "//", 2) == 0)
        return cmat_xasprintf("%.*s%.*s", (int)scheme_len(base), base, n, ref);
    const char *slash = strrchr(base + start, '/');
    out = ref[0] == '/' ? cmat_xasprintf("%.*s%.*s", (int)start, base, n, ref)
          : slash       ? cmat_xasprintf("%.*s%.*s", (int)(slash + 1 - base), base, n, ref)
                        : cmat_xasprintf("%.*s%s%.*s", (int)start, base,
                                   start && start != scheme_len(base) ? "/" : "", n, ref);
    remove_dots(out + path_start(out));
    return out;
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static void percent_decode(cmat_buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
            cmat_buf_putc(out, (char)(hex(s[1]) << 4 | hex(s[2])));
            s += 2;
        } else {
            cmat_buf_putc(out, *s);
        }
    }
}

/* ---- places ---- */

static const char *find(const resolver *r, const char *uri)
{
    return json_string_value(json_object_get(r->places, uri));
}

static void add(resolver *r, const char *uri, const char *pointer)
{
    if (!find(r, uri))
        json_object_set_new(r->places, uri, json_string(pointer));
}

static void add_anchor(resolver *r, const json_t *s, const char *keyword, const char *base,
                       const char *pointer)
{
    const char *name = json_string_value(json_object_get(s, keyword));
    if (!name)
        return;
    char *uri = cmat_xasprintf("%s#%s", base, name);
    add(r, uri, pointer);
    free(uri);
}

/* The pointer that "$ref" comes to, or NULL. */
static char *target(const resolver *r, const char *base, const char *ref)
{
    char *uri = uri_resolve(base, ref), *anchor = NULL, *out = NULL;
    const char *fragment = strchr(ref, '#'), *at = find(r, uri);
    cmat_buf text = {0};
    fragment = fragment ? fragment + 1 : "";
    if (at && (!*fragment || *fragment == '/')) {
        cmat_buf_puts(&text, at);
        percent_decode(&text, fragment);
        out = cmat_buf_detach(&text);
    } else {
        anchor = cmat_xasprintf("%s#%s", uri, fragment);
        at = find(r, anchor);
        out = at && *fragment ? cmat_xstrdup(at) : NULL;
    }
    cmat_buf_clear(&text);
    free(anchor);
    free(uri);
    return out;
}

/* ---- the schemas in a schema ---- */

static const struct {
    const char *name;
    char holds; /* 's': a schema (or, of old, a list), 'l': a list, 'm': a mapping */
} members[] = {
    {"$defs", 'm'},
    {"definitions", 'm'},
    {"properties", 'm'},
    {"patternProperties", 'm'},
    {"dependentSchemas", 'm'},
    {"allOf", 'l'},
    {"anyOf", 'l'},
    {"oneOf", 'l'},
    {"prefixItems", 'l'},
    {"items", 's'},
    {"additionalProperties", 's'},
    {"unevaluatedProperties", 's'},
    {"unevaluatedItems", 's'},
    {"contains", 's'},
    {"propertyNames", 's'},
    {"not", 's'},
    {"if", 's'},
    {"then", 's'},
    {"else", 's'},
};

static void walk(resolver *r, json_t *s, const char *base, cmat_buf *pointer, int depth);

static void walk_member(resolver *r, json_t *s, const char *base, cmat_buf *pointer,
                        const char *name, int depth)
{
    const size_t len = pointer->len;
    cmat_buf_putc(pointer, '/');
    for (; *name; name++) {
        if (*name == '~' || *name == '/')
            cmat_buf_puts(pointer, *name == '~' ? "~0" : "~1");
        else
            cmat_buf_putc(pointer, *name);
    }
    walk(r, s, base, pointer, depth);
    cmat_buf_truncate(pointer, len);
}

static void walk_all(resolver *r, json_t *all, const char *base, cmat_buf *pointer,
                     const char *keyword, char holds, int depth)
{
    const size_t len = pointer->len;
    const char *name;
    json_t *child;
    size_t i;
    cmat_buf_printf(pointer, "/%s", keyword);
    if (holds == 'm')
        json_object_foreach(all, name, child) walk_member(r, child, base, pointer, name, depth);
    else if (holds == 's' && json_is_object(all))
        walk(r, all, base, pointer, depth);
    else
        json_array_foreach(all, i, child)
        {
            char index[32];
            snprintf(index, sizeof index, "%zu", i);
            walk_member(r, child, base, pointer, index, depth);
        }
    cmat_buf_truncate(pointer, len);
}

static void walk(resolver *r, json_t *s, const char *base, cmat_buf *pointer, int depth)
{
    const char *id = json_string_value(json_object_get(s, "$id")),
               *ref = json_string_value(json_object_get(s, "$ref"));
    if (!json_is_object(s) || depth > MAX_DEEP)
        return;
    char *own = id ? uri_resolve(base, id) : cmat_xstrdup(base);
    if (r->rewriting && ref) {
        char *to = target(r, own, ref);
        if (to)
            json_object_set_new(s, "$ref", json_string(to));
        free(to);
    }
    if (!r->rewriting) {
        if (id || depth == 0)
            add(r, own, cmat_buf_str(pointer));
        add_anchor(r, s, "$anchor", own, cmat_buf_str(pointer));
        add_anchor(r, s, "$dynamicAnchor", own, cmat_buf_str(pointer));
    }
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_t *child = json_object_get(s, members[i].name);
        if (child)
            walk_all(r, child, own, pointer, members[i].name, members[i].holds, depth + 1);
    }
    free(own);
}

json_t *schema_resolved(const json_t *root)
{
    json_t *copy = json_deep_copy(root);
    resolver r = {.places = json_object()};
    for (int pass = 0; pass < 2; pass++) {
        cmat_buf pointer = {0};
        cmat_buf_putc(&pointer, '#');
        r.rewriting = pass;
        walk(&r, copy, "", &pointer, 0);
        cmat_buf_clear(&pointer);
    }
    json_decref(r.places);
    return copy;
}
