/* Text: white space, letters' case, and the methods of strings. */
#include "core/text.h"
#include "model/jinja.h"
#include <ctype.h>
#include <string.h>
#include <utf8proc.h>

static const jinja_value undefined = {.kind = JV_UNDEFINED};
static const jinja_value none = {.kind = JV_NONE};

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
static bool before_word(uint32_t cp, char mode)
{
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    if (mode == 'w')
        return cp == '-' || (cp && cp < 0x80 && strchr("({[<", (int)cp)) || jinja_is_space(cp);
    return mode == 't' && c != UTF8PROC_CATEGORY_LU && c != UTF8PROC_CATEGORY_LL &&
           c != UTF8PROC_CATEGORY_LT;
}

jinja_value jinja_case(jinja_run *r, jinja_value s, char mode)
{
    /* one character for one; in Python some become two */
    char *out = jinja_alloc(r, s.u.str.len * 2 + 4);
    size_t n_out = 0;
    bool start = true;
    for (size_t i = 0, n; out && i < s.u.str.len; i += n) {
        uint32_t cp, mapped;
        n = char_len(s.u.str.s, s.u.str.len, i, &cp);
        if (mode == 'u' || (mode == 'w' && start))
            mapped = (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp);
        else if (mode != 'l' && start)
            mapped = (uint32_t)utf8proc_totitle((utf8proc_int32_t)cp);
        else
            mapped = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
        if (mapped == cp) { /* also bytes that are no character */
            memcpy(out + n_out, s.u.str.s + i, n);
            n_out += n;
        } else {
            n_out += (size_t)cmat_utf8_encode(mapped, out + n_out);
        }
        start = before_word(cp, mode);
    }
    return out ? jinja_string(out, n_out) : undefined;
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

bool jinja_string_method(jinja_run *r, const jinja_node *at, jinja_value s, const char *name,
                         const jinja_args *args, jinja_value *out)
{
    for (int m = 0; m < N_METHODS; m++) {
        if (strcmp(method_names[m], name) == 0) {
            *out = string_method(r, at, s, (method)m, args);
            return true;
        }
    }
    return false;
}
