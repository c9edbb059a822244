/* Attributes, items and slices of values, the methods of strings and dicts, and global functions.
 */
#include "core/text.h"
#include "model/jinja.h"
#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wctype.h>

static const jinja_value undefined = {.kind = JV_UNDEFINED};
static const jinja_value none = {.kind = JV_NONE};

enum { MAX_RANGE = 100000 }; /* as Jinja's sandbox */

/* --- text helpers shared with the filters ------------------------------------------------------
 */

bool jinja_is_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || (cp >= 0x1c && cp <= 0x20) || cp == 0x85 || cp == 0xa0 ||
           cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 ||
           cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

/* Length of the character at s[i]; an invalid byte counts as one. */
static size_t char_len(const char *s, size_t len, size_t i, uint32_t *cp)
{
    int n = cmat_utf8_decode(s + i, len - i, cp);
    if (n > 0)
        return (size_t)n;
    *cp = 0xfffd;
    return 1;
}

static bool in_set(const jinja_value *chars, const char *c, size_t n, uint32_t cp)
{
    if (!chars || chars->kind != JV_STRING)
        return jinja_is_space(cp);
    return memmem(chars->u.str.s, chars->u.str.len, c, n) != NULL;
}

jinja_value jinja_strip(jinja_value s, const jinja_value *chars, int side)
{
    const char *p = s.u.str.s;
    size_t start = 0, end = s.u.str.len, n;
    uint32_t cp;
    while ((side & 1) && start < end) {
        n = char_len(p, end, start, &cp);
        if (!in_set(chars, p + start, n, cp))
            break;
        start += n;
    }
    while ((side & 2) && end > start) {
        size_t at = end - 1;
        while (at > start && end - at < 4 && ((unsigned char)p[at] & 0xc0) == 0x80)
            at--;
        n = char_len(p, end, at, &cp);
        if (at + n != end || !in_set(chars, p + at, n, cp))
            break;
        end = at;
    }
    return jinja_string(p + start, end - start);
}

jinja_value jinja_replace(jinja_run *r, jinja_value s, jinja_value from, jinja_value to,
                          int64_t count)
{
    cmat_buf b = {0};
    const char *p = s.u.str.s, *end = p + s.u.str.len;
    for (; count != 0 && b.len <= JINJA_MAX_OUTPUT; count--) {
        const char *hit =
            from.u.str.len ? memmem(p, (size_t)(end - p), from.u.str.s, from.u.str.len) : NULL;
        if (!hit)
            break;
        cmat_buf_add(&b, p, (size_t)(hit - p));
        cmat_buf_add(&b, to.u.str.s, to.u.str.len);
        p = hit + from.u.str.len;
    }
    cmat_buf_add(&b, p, (size_t)(end - p));
    jinja_value v = jinja_copy(r, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return v;
}

/* Whether a word of mode 't' (str.title: letters) or 'w' (the filter title) may start after cp. */
static bool before_word(uint32_t cp, char mode, locale_t l)
{
    if (mode == 'w')
        return cp == '-' || (cp < 0x80 && strchr("({[<", (int)cp)) || jinja_is_space(cp);
    return mode == 't' && !(l ? iswalpha_l((wint_t)cp, l) : isalpha((int)(cp & 0x7f)) || cp > 0x7f);
}

jinja_value jinja_case(jinja_run *r, jinja_value s, char mode)
{
    /* the mapping of single characters; it knows nothing of one that becomes two */
    locale_t l = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    char *out = jinja_alloc(r, s.u.str.len * 2 + 4);
    size_t n_out = 0;
    bool start = true;
    for (size_t i = 0, n; out && i < s.u.str.len; i += n) {
        uint32_t cp;
        n = char_len(s.u.str.s, s.u.str.len, i, &cp);
        const bool up = mode == 'u' || (mode != 'l' && start);
        uint32_t mapped = cp;
        if (l)
            mapped = (uint32_t)(up ? towupper_l((wint_t)cp, l) : towlower_l((wint_t)cp, l));
        else if (cp < 0x80)
            mapped = (uint32_t)(up ? toupper((int)cp) : tolower((int)cp));
        if (mapped == cp) { /* also bytes that are no character */
            memcpy(out + n_out, s.u.str.s + i, n);
            n_out += n;
        } else {
            n_out += (size_t)cmat_utf8_encode(mapped, out + n_out);
        }
        start = before_word(cp, mode, l);
    }
    if (l)
        freelocale(l);
    return out ? jinja_string(out, n_out) : undefined;
}

jinja_value jinja_pair(jinja_run *r, jinja_value a, jinja_value b)
{
    jinja_value v = jinja_list_new(r, 2);
    v.tuple = true;
    jinja_list_add(r, v, a);
    jinja_list_add(r, v, b);
    return v;
}

/* --- attributes, items, slices -----------------------------------------------------------------
 */

static jinja_value loop_attribute(jinja_run *r, const jinja_node *at, const jinja_loop *l,
                                  const char *name)
{
    int64_t i = (int64_t)l->index0, n = (int64_t)l->items->n;
    if (strcmp(name, "index") == 0)
        return jinja_int(i + 1);
    if (strcmp(name, "index0") == 0)
        return jinja_int(i);
    if (strcmp(name, "revindex") == 0)
        return jinja_int(n - i);
    if (strcmp(name, "revindex0") == 0)
        return jinja_int(n - i - 1);
    if (strcmp(name, "first") == 0)
        return jinja_bool(i == 0);
    if (strcmp(name, "last") == 0)
        return jinja_bool(i + 1 == n);
    if (strcmp(name, "length") == 0)
        return jinja_int(n);
    if (strcmp(name, "depth") == 0 || strcmp(name, "depth0") == 0)
        return jinja_int(name[5] ? 0 : 1);
    if (strcmp(name, "previtem") == 0)
        return i > 0 ? l->items->items[i - 1] : undefined;
    if (strcmp(name, "nextitem") == 0)
        return i + 1 < n ? l->items->items[i + 1] : undefined;
    return jinja_fail(r, CMAT_ERR_UNSUPPORTED, at, "not supported: loop.%s", name);
}

static jinja_value of_undefined(jinja_run *r, const jinja_node *at, jinja_value v, const char *what,
                                size_t len)
{
    return jinja_fail(r, CMAT_ERR_ARG, at, "'%s' is undefined and has no '%.*s'",
                      v.u.undefined ? v.u.undefined : "value", (int)(len < 60 ? len : 60), what);
}

jinja_value jinja_attribute(jinja_run *r, const jinja_node *at, jinja_value v, const char *name,
                            size_t len)
{
    const jinja_value *found = NULL;
    if (v.kind == JV_UNDEFINED)
        return of_undefined(r, at, v, name, len);
    if (v.kind == JV_LOOP)
        return loop_attribute(r, at, v.u.loop, name);
    if (v.kind == JV_DICT || v.kind == JV_NAMESPACE)
        found = jinja_dict_find(v.u.dict, name, len);
    return found ? *found : (jinja_value){.kind = JV_UNDEFINED, .u.undefined = at->name};
}

/* Byte offset of character i of s (0 <= i <= characters). */
static size_t char_offset(const char *s, size_t len, size_t i)
{
    size_t at = 0;
    while (i > 0 && at < len) {
        for (at++; at < len && ((unsigned char)s[at] & 0xc0) == 0x80;)
            at++;
        i--;
    }
    return at;
}

jinja_value jinja_item(jinja_run *r, const jinja_node *at, jinja_value v, jinja_value key)
{
    if (v.kind == JV_UNDEFINED)
        return of_undefined(r, at, v, key.kind == JV_STRING ? key.u.str.s : "item",
                            key.kind == JV_STRING ? key.u.str.len : 4);
    if (v.kind == JV_DICT || v.kind == JV_NAMESPACE) {
        const jinja_value *found = jinja_dict_get(v.u.dict, key);
        jinja_value missing = undefined;
        if (!found && key.kind == JV_STRING)
            missing.u.undefined = cmat_arena_strndup(r->arena, key.u.str.s, key.u.str.len);
        return found ? *found : missing;
    }
    if (key.kind == JV_STRING && v.kind == JV_LOOP)
        return loop_attribute(r, at, v.u.loop,
                              cmat_arena_strndup(r->arena, key.u.str.s, key.u.str.len));
    if ((key.kind != JV_INT && key.kind != JV_BOOL) || (v.kind != JV_LIST && v.kind != JV_STRING))
        return undefined;
    int64_t i = key.kind == JV_INT ? key.u.i : key.u.b;
    int64_t n = (int64_t)(v.kind == JV_LIST ? v.u.list->n : jinja_chars(v.u.str.s, v.u.str.len));
    i += i < 0 ? n : 0;
    if (i < 0 || i >= n)
        return undefined;
    if (v.kind == JV_LIST)
        return v.u.list->items[i];
    size_t from = char_offset(v.u.str.s, v.u.str.len, (size_t)i);
    return jinja_string(v.u.str.s + from, char_offset(v.u.str.s + from, v.u.str.len - from, 1));
}

/* One end of a slice: clamped to lo..hi as Python does; def when it is none. */
static int64_t slice_end(jinja_value v, int64_t n, int64_t lo, int64_t hi, int64_t def)
{
    if (v.kind != JV_INT && v.kind != JV_BOOL)
        return def;
    int64_t i = v.kind == JV_INT ? v.u.i : v.u.b;
    if (i < 0)
        i = i < -n ? -1 : i + n;
    return i < lo ? lo : i > hi ? hi : i;
}

jinja_value jinja_slice(jinja_run *r, const jinja_node *at, jinja_value v,
                        const jinja_value part[3])
{
    jinja_list *l;
    for (int k = 0; k < 3; k++) {
        if (part[k].kind != JV_INT && part[k].kind != JV_NONE && part[k].kind != JV_BOOL)
            return jinja_fail(r, CMAT_ERR_ARG, at, "a slice by a %s", jinja_kind_name(part[k]));
    }
    if ((v.kind != JV_LIST && v.kind != JV_STRING) || !jinja_iterate(r, v, &l))
        return v.kind == JV_UNDEFINED
                   ? of_undefined(r, at, v, "slice", 5)
                   : jinja_fail(r, CMAT_ERR_ARG, at, "a %s has no slices", jinja_kind_name(v));
    int64_t n = (int64_t)l->n, by = part[2].kind == JV_INT ? part[2].u.i : 1;
    if (by == 0)
        return jinja_fail(r, CMAT_ERR_ARG, at, "a slice by steps of 0");
    int64_t from =
        by > 0 ? slice_end(part[0], n, 0, n, 0) : slice_end(part[0], n, -1, n - 1, n - 1);
    int64_t to = by > 0 ? slice_end(part[1], n, 0, n, n) : slice_end(part[1], n, -1, n - 1, -1);
    by = by > n ? n + 1 : by < -n ? -n - 1 : by;
    jinja_value out = jinja_list_new(r, 0);
    cmat_buf b = {0};
    for (int64_t i = from; (by > 0 ? i < to : i > to) && r->st == CMAT_OK; i += by) {
        if (v.kind == JV_LIST)
            jinja_list_add(r, out, l->items[i]);
        else
            cmat_buf_add(&b, l->items[i].u.str.s, l->items[i].u.str.len);
    }
    out.tuple = v.tuple;
    if (v.kind == JV_STRING)
        out = jinja_copy(r, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return out;
}

/* --- methods of strings ------------------------------------------------------------------------
 */

static jinja_value split_space(jinja_run *r, jinja_value s, int64_t max)
{
    jinja_value out = jinja_list_new(r, 0);
    jinja_value left = jinja_strip(s, NULL, 1);
    while (left.u.str.len > 0 && r->st == CMAT_OK) {
        size_t n = 0, k;
        uint32_t cp;
        if (max == 0) {
            jinja_list_add(r, out, jinja_strip(left, NULL, 2));
            break;
        }
        while (n < left.u.str.len) {
            k = char_len(left.u.str.s, left.u.str.len, n, &cp);
            if (jinja_is_space(cp))
                break;
            n += k;
        }
        jinja_list_add(r, out, jinja_string(left.u.str.s, n));
        left = jinja_strip(jinja_string(left.u.str.s + n, left.u.str.len - n), NULL, 1);
        max--;
    }
    return out;
}

static jinja_value split(jinja_run *r, const jinja_node *at, jinja_value s, const jinja_args *args)
{
    jinja_value sep = jinja_arg_get(args, 0, "sep", none),
                max = jinja_arg_get(args, 1, "maxsplit", jinja_int(-1));
    int64_t left = max.kind == JV_INT ? max.u.i : -1;
    if (sep.kind == JV_NONE)
        return split_space(r, s, left);
    if (sep.kind != JV_STRING || sep.u.str.len == 0)
        return jinja_fail(r, CMAT_ERR_ARG, at, "split by something that is not text");
    jinja_value out = jinja_list_new(r, 0);
    const char *p = s.u.str.s, *end = p + s.u.str.len, *hit;
    for (; left != 0 && r->st == CMAT_OK; left--, p = hit + sep.u.str.len) {
        hit = memmem(p, (size_t)(end - p), sep.u.str.s, sep.u.str.len);
        if (!hit)
            break;
        jinja_list_add(r, out, jinja_string(p, (size_t)(hit - p)));
    }
    jinja_list_add(r, out, jinja_string(p, (size_t)(end - p)));
    return out;
}

/* The last place of needle in s, or NULL. */
static const char *find_last(jinja_value s, jinja_value needle)
{
    for (size_t i = s.u.str.len + 1; i-- > 0;) {
        if (s.u.str.len - i >= needle.u.str.len &&
            memcmp(s.u.str.s + i, needle.u.str.s, needle.u.str.len) == 0)
            return s.u.str.s + i;
    }
    return NULL;
}

static jinja_value rsplit(jinja_run *r, const jinja_node *at, jinja_value s, const jinja_args *args)
{
    jinja_value sep = jinja_arg_get(args, 0, "sep", none),
                max = jinja_arg_get(args, 1, "maxsplit", jinja_int(-1));
    if (max.kind != JV_INT || max.u.i < 0)
        return split(r, at, s, args);
    if (sep.kind != JV_STRING || sep.u.str.len == 0)
        return jinja_fail(r, CMAT_ERR_UNSUPPORTED, at,
                          "not supported: rsplit by white space with a limit");
    jinja_value back = jinja_list_new(r, 0), out = jinja_list_new(r, 0);
    const char *hit;
    for (int64_t left = max.u.i; left > 0 && (hit = find_last(s, sep)) && r->st == CMAT_OK;
         left--) {
        const char *from = hit + sep.u.str.len;
        jinja_list_add(r, back, jinja_string(from, (size_t)(s.u.str.s + s.u.str.len - from)));
        s.u.str.len = (size_t)(hit - s.u.str.s);
    }
    jinja_list_add(r, out, s);
    for (size_t i = back.u.list->n; i-- > 0;)
        jinja_list_add(r, out, back.u.list->items[i]);
    return out;
}

static jinja_value splitlines(jinja_run *r, jinja_value s)
{
    jinja_value out = jinja_list_new(r, 0);
    const char *p = s.u.str.s, *end = p + s.u.str.len;
    while (p < end && r->st == CMAT_OK) {
        const char *nl = p;
        while (nl < end && *nl != '\n' && *nl != '\r')
            nl++;
        jinja_list_add(r, out, jinja_string(p, (size_t)(nl - p)));
        p = nl + (end - nl > 1 && nl[0] == '\r' && nl[1] == '\n' ? 2 : 1);
    }
    return out;
}

static bool has_affix(jinja_value s, jinja_value affix, bool at_end)
{
    if (affix.kind != JV_STRING || affix.u.str.len > s.u.str.len)
        return false;
    const char *p = s.u.str.s + (at_end ? s.u.str.len - affix.u.str.len : 0);
    return memcmp(p, affix.u.str.s, affix.u.str.len) == 0;
}

static jinja_value affix_test(jinja_run *r, const jinja_node *at, jinja_value s,
                              const jinja_args *args, bool at_end)
{
    jinja_value affix = jinja_arg_get(args, 0, NULL, none);
    if (args->n != 1 || (affix.kind != JV_STRING && !(affix.kind == JV_LIST && affix.tuple)))
        return jinja_fail(r, CMAT_ERR_ARG, at, "%s takes one text or a tuple of texts",
                          at_end ? "endswith" : "startswith");
    if (affix.kind == JV_STRING)
        return jinja_bool(has_affix(s, affix, at_end));
    for (size_t i = 0; i < affix.u.list->n; i++) {
        if (has_affix(s, affix.u.list->items[i], at_end))
            return jinja_bool(true);
    }
    return jinja_bool(false);
}

static jinja_value find(jinja_value s, jinja_value needle, bool last)
{
    const char *hit = last ? find_last(s, needle)
                           : memmem(s.u.str.s, s.u.str.len, needle.u.str.s, needle.u.str.len);
    return jinja_int(hit ? (int64_t)jinja_chars(s.u.str.s, (size_t)(hit - s.u.str.s)) : -1);
}

static jinja_value partition(jinja_run *r, jinja_value s, jinja_value sep, bool last)
{
    const char *hit =
        last ? find_last(s, sep) : memmem(s.u.str.s, s.u.str.len, sep.u.str.s, sep.u.str.len);
    jinja_value out = jinja_list_new(r, 3), empty = jinja_text("");
    out.tuple = true;
    size_t n = hit ? (size_t)(hit - s.u.str.s) : 0;
    if (!hit) {
        jinja_list_add(r, out, last ? empty : s);
        jinja_list_add(r, out, empty);
        jinja_list_add(r, out, last ? s : empty);
        return out;
    }
    jinja_list_add(r, out, jinja_string(s.u.str.s, n));
    jinja_list_add(r, out, sep);
    jinja_list_add(r, out, jinja_string(hit + sep.u.str.len, s.u.str.len - n - sep.u.str.len));
    return out;
}

static jinja_value count(jinja_value s, jinja_value needle)
{
    int64_t n = 0;
    const char *p = s.u.str.s, *end = p + s.u.str.len;
    if (!needle.u.str.s || needle.u.str.len == 0)
        return jinja_int((int64_t)jinja_chars(p, s.u.str.len) + 1);
    while ((p = memmem(p, (size_t)(end - p), needle.u.str.s, needle.u.str.len))) {
        p += needle.u.str.len;
        n++;
    }
    return jinja_int(n);
}

static jinja_value char_class(jinja_value s, char kind)
{
    bool ok = s.u.str.len > 0;
    for (size_t i = 0, n; ok && i < s.u.str.len; i += n) {
        uint32_t cp;
        n = char_len(s.u.str.s, s.u.str.len, i, &cp);
        bool digit = cp >= '0' && cp <= '9', letter = cp < 128 && isalpha((int)cp);
        ok = kind == 'd'   ? digit
             : kind == 'a' ? letter
             : kind == 'n' ? digit || letter
                           : jinja_is_space(cp);
    }
    return jinja_bool(ok);
}

static jinja_value join(jinja_run *r, const jinja_node *at, jinja_value sep, jinja_value of)
{
    jinja_list *l;
    cmat_buf b = {0};
    if (!jinja_iterate(r, of, &l))
        return jinja_fail(r, CMAT_ERR_ARG, at, "join of a %s", jinja_kind_name(of));
    for (size_t i = 0; i < l->n && r->st == CMAT_OK; i++) {
        if (l->items[i].kind != JV_STRING)
            jinja_fail(r, CMAT_ERR_ARG, at, "join of a %s", jinja_kind_name(l->items[i]));
        if (i)
            cmat_buf_add(&b, sep.u.str.s, sep.u.str.len);
        jinja_print(r, &b, l->items[i], false);
    }
    jinja_value v = jinja_copy(r, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return v;
}

/* "{} {0} {name}".format(...): without conversions and format specifications. */
static jinja_value format(jinja_run *r, const jinja_node *at, jinja_value s, const jinja_args *args)
{
    cmat_buf b = {0};
    size_t next = 0;
    for (size_t i = 0; i < s.u.str.len && r->st == CMAT_OK; i++) {
        char c = s.u.str.s[i];
        bool twice = i + 1 < s.u.str.len && s.u.str.s[i + 1] == c;
        if ((c != '{' && c != '}') || twice) {
            cmat_buf_putc(&b, c);
            i += (c == '{' || c == '}') && twice;
            continue;
        }
        const char *end = c == '{' ? memchr(s.u.str.s + i, '}', s.u.str.len - i) : NULL;
        size_t n = end ? (size_t)(end - s.u.str.s) - i - 1 : 0;
        char name[64];
        if (!end || n >= sizeof name || memchr(s.u.str.s + i + 1, ':', n) ||
            memchr(s.u.str.s + i + 1, '!', n)) {
            jinja_fail(r, CMAT_ERR_UNSUPPORTED, at, "not supported: this format");
            break;
        }
        memcpy(name, s.u.str.s + i + 1, n);
        name[n] = '\0';
        size_t index = n == 0 ? next++ : SIZE_MAX;
        if (n > 0 && n < 4 && strspn(name, "0123456789") == n)
            sscanf(name, "%zu", &index);
        jinja_value v = jinja_arg_get(args, index, name, undefined);
        if (v.kind == JV_UNDEFINED)
            jinja_fail(r, CMAT_ERR_ARG, at, "format: no argument '%s'", name);
        jinja_print(r, &b, v, false);
        i += n + 1;
    }
    jinja_value v = jinja_copy(r, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return v;
}

typedef enum {
    M_STRIP,
    M_LSTRIP,
    M_RSTRIP,
    M_SPLIT,
    M_RSPLIT,
    M_SPLITLINES,
    M_STARTSWITH,
    M_ENDSWITH,
    M_UPPER,
    M_LOWER,
    M_TITLE,
    M_CAPITALIZE,
    M_REPLACE,
    M_FIND,
    M_RFIND,
    M_COUNT,
    M_JOIN,
    M_ISDIGIT,
    M_ISALPHA,
    M_ISALNUM,
    M_ISSPACE,
    M_FORMAT,
    M_REMOVEPREFIX,
    M_REMOVESUFFIX,
    M_PARTITION,
    M_RPARTITION,
    N_METHODS
} method;

static const char *const method_names[N_METHODS] = {
    "strip",      "lstrip",     "rstrip",  "split",  "rsplit",       "splitlines",
    "startswith", "endswith",   "upper",   "lower",  "title",        "capitalize",
    "replace",    "find",       "rfind",   "count",  "join",         "isdigit",
    "isalpha",    "isalnum",    "isspace", "format", "removeprefix", "removesuffix",
    "partition",  "rpartition",
};

static jinja_value string_method(jinja_run *r, const jinja_node *at, jinja_value s, method m,
                                 const jinja_args *args)
{
    static const char kinds[] = "dans", cases[] = "ultc";
    jinja_value a = jinja_arg_get(args, 0, NULL, none), b = jinja_arg_get(args, 1, NULL, none);
    jinja_value n = jinja_arg_get(args, 2, "count", jinja_int(-1));
    bool needs_text = m == M_FIND || m == M_RFIND || m == M_COUNT || m == M_REMOVEPREFIX ||
                      m == M_REPLACE || m == M_REMOVESUFFIX || m == M_PARTITION ||
                      m == M_RPARTITION;
    if (needs_text && (a.kind != JV_STRING || (m == M_REPLACE && b.kind != JV_STRING)))
        return jinja_fail(r, CMAT_ERR_ARG, at, "%s takes text", method_names[m]);
    switch (m) {
    case M_STRIP:
    case M_LSTRIP:
    case M_RSTRIP:
        return jinja_strip(s, &a, m == M_STRIP ? 3 : m == M_LSTRIP ? 1 : 2);
    case M_SPLIT:
        return split(r, at, s, args);
    case M_RSPLIT:
        return rsplit(r, at, s, args);
    case M_SPLITLINES:
        return splitlines(r, s);
    case M_STARTSWITH:
    case M_ENDSWITH:
        return affix_test(r, at, s, args, m == M_ENDSWITH);
    case M_UPPER:
    case M_LOWER:
    case M_TITLE:
    case M_CAPITALIZE:
        return jinja_case(r, s, cases[m - M_UPPER]);
    case M_REPLACE:
        return jinja_replace(r, s, a, b, n.kind == JV_INT ? n.u.i : -1);
    case M_FIND:
    case M_RFIND:
        return find(s, a, m == M_RFIND);
    case M_COUNT:
        return count(s, a);
    case M_JOIN:
        return join(r, at, s, a);
    case M_ISDIGIT:
    case M_ISALPHA:
    case M_ISALNUM:
    case M_ISSPACE:
        return char_class(s, kinds[m - M_ISDIGIT]);
    case M_FORMAT:
        return format(r, at, s, args);
    case M_REMOVEPREFIX:
        return has_affix(s, a, false)
                   ? jinja_string(s.u.str.s + a.u.str.len, s.u.str.len - a.u.str.len)
                   : s;
    case M_REMOVESUFFIX:
        return has_affix(s, a, true) ? jinja_string(s.u.str.s, s.u.str.len - a.u.str.len) : s;
    default:
        return partition(r, s, a, m == M_RPARTITION);
    }
}

/* --- methods of dicts ---------------------------------------------------------------------------
 */

static bool dict_method(jinja_run *r, jinja_value v, const char *name, const jinja_args *args,
                        jinja_value *out)
{
    const jinja_dict *d = v.u.dict;
    char what = strcmp(name, "items") == 0 ? 'i' : strcmp(name, "keys") == 0 ? 'k' : 'v';
    if (strcmp(name, "get") == 0) {
        const jinja_value *found = jinja_dict_get(d, jinja_arg_get(args, 0, "key", none));
        *out = found ? *found : jinja_arg_get(args, 1, "default", none);
        return true;
    }
    if (what == 'v' && strcmp(name, "values") != 0)
        return false;
    *out = jinja_list_new(r, d->n);
    for (size_t i = 0; i < d->n && r->st == CMAT_OK; i++)
        jinja_list_add(r, *out,
                       what == 'i'   ? jinja_pair(r, d->keys[i], d->values[i])
                       : what == 'k' ? d->keys[i]
                                     : d->values[i]);
    return true;
}

jinja_value jinja_method_call(jinja_run *r, const jinja_node *at, jinja_value v, const char *name,
                              size_t len, const jinja_args *args)
{
    jinja_value out;
    if (v.kind == JV_UNDEFINED)
        return of_undefined(r, at, v, name, len);
    for (int m = 0; v.kind == JV_STRING && m < N_METHODS; m++) {
        if (strcmp(method_names[m], name) == 0)
            return string_method(r, at, v, (method)m, args);
    }
    if (v.kind == JV_DICT && dict_method(r, v, name, args, &out))
        return out;
    if (v.kind == JV_LOOP && strcmp(name, "cycle") == 0 && args->n > 0)
        return args->pos[v.u.loop->index0 % args->n];
    return jinja_fail(r, CMAT_ERR_UNSUPPORTED, at, "not supported: method '%s' of a %s", name,
                      jinja_kind_name(v));
}

/* --- global functions --------------------------------------------------------------------------
 */

enum { B_RANGE, B_NAMESPACE, B_DICT, B_RAISE, B_STRFTIME, N_BUILTINS };

int jinja_builtin_find(const char *name, size_t len)
{
    static const char *const names[N_BUILTINS] = {"range", "namespace", "dict", "raise_exception",
                                                  "strftime_now"};
    for (int i = 0; i < N_BUILTINS; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return i;
    }
    return -1;
}

static jinja_value range(jinja_run *r, const jinja_node *at, const jinja_args *args)
{
    int64_t part[3] = {0, 0, 1};
    for (size_t i = 0; i < args->n && i < 3; i++) {
        if (args->pos[i].kind != JV_INT)
            return jinja_fail(r, CMAT_ERR_ARG, at, "range of a %s", jinja_kind_name(args->pos[i]));
        part[i] = args->pos[i].u.i;
    }
    if (args->n == 1) {
        part[1] = part[0];
        part[0] = 0;
    }
    if (args->n == 0 || args->n > 3 || part[2] == 0)
        return jinja_fail(r, CMAT_ERR_ARG, at, "range takes 1 to 3 numbers, the step not 0");
    jinja_value out = jinja_list_new(r, 0);
    for (int64_t i = part[0]; (part[2] > 0 ? i < part[1] : i > part[1]) && r->st == CMAT_OK;) {
        if (out.u.list->n >= MAX_RANGE)
            return jinja_fail(r, CMAT_ERR_LIMIT, at, "range has more than %d numbers", MAX_RANGE);
        jinja_list_add(r, out, jinja_int(i));
        if (__builtin_add_overflow(i, part[2], &i))
            break;
    }
    return out;
}

static jinja_value dict_of(jinja_run *r, const jinja_args *args, jinja_kind kind)
{
    jinja_value v = jinja_dict_new(r);
    if (args->n == 1 && args->pos[0].kind == JV_DICT) {
        const jinja_dict *from = args->pos[0].u.dict;
        for (size_t i = 0; i < from->n; i++)
            jinja_dict_set(r, v.u.dict, from->keys[i], from->values[i]);
    }
    for (size_t i = 0; i < args->n_named; i++)
        jinja_dict_set(r, v.u.dict, jinja_text(args->names[i]), args->named[i]);
    v.kind = kind;
    return v;
}

static jinja_value time_text(jinja_run *r, const jinja_node *at, jinja_value format_text)
{
    char text[256];
    time_t now = time(NULL);
    struct tm tm;
    if (format_text.kind != JV_STRING || !localtime_r(&now, &tm))
        return jinja_fail(r, CMAT_ERR_ARG, at, "strftime_now takes a format");
    char *fmt = cmat_arena_strndup(r->arena, format_text.u.str.s, format_text.u.str.len);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = strftime(text, sizeof text, fmt, &tm);
#pragma GCC diagnostic pop
    return jinja_copy(r, text, n);
}

jinja_value jinja_builtin_call(jinja_run *r, const jinja_node *at, int builtin,
                               const jinja_args *args)
{
    jinja_value a = jinja_arg_get(args, 0, NULL, none);
    switch (builtin) {
    case B_RANGE:
        return range(r, at, args);
    case B_NAMESPACE:
        return dict_of(r, args, JV_NAMESPACE);
    case B_DICT:
        return dict_of(r, args, JV_DICT);
    case B_STRFTIME:
        return time_text(r, at, a);
    default:
        if (a.kind != JV_STRING)
            a = jinja_text("raise_exception was called");
        return jinja_fail(r, CMAT_ERR_ARG, at, "%.*s", (int)(a.u.str.len < 400 ? a.u.str.len : 400),
                          a.u.str.s);
    }
}
