/* env/db/phrases.c - questions from interchangeable parts. */
#include "env/db/phrases.h"
#include "core/mem.h"
#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))

static const char *const frames_singular[] = {
    "What is {np}?",
    "What's {np}?",
    "[Give|Tell|Show] me {np}.",
    "[Please find|Please tell me|Please give me|Find|Report|Get|Work out|Determine] {np}.",
    "I [need|want|would like|'d like] to know {np}.",
    "[Can|Could|Would] you [tell me|give me|find|work out] {np}[|, please]?",
    "I'm [looking for|after] {np}.",
    "We need {np}.",
    "[Do you know|Can anyone tell me] {np}?",
    "[Tell me|Let me know|I wonder|I'd like to know|Find out|Check] what {np} is.",
    "[Could|Can|Would] you [check|look up|tell me] what {np} is?",
    "[I was wondering|I am curious] what {np} is.",
    "[So, what|And what|Hi, what|Quick question: what] is {np}?",
    "[Let me know|Look up|Return|Display|State|Compute] {np}.",
    "Do we know {np}?",
};
static const char *const frames_plural[] = {
    "What are {np}?",
    "[List|Show|Show me|Give me|Find|Return|Get|Display|Tell me] {np}.",
    "[Please list|Please show|Please give me|Please find] {np}.",
    "I [need|want|would like|'d like] [|to see|to know] {np}.",
    "[Can|Could|Would] you [list|show me|give me|find|tell me] {np}[|, please]?",
    "I'm [looking for|after] {np}.",
    "We need [|a list of] {np}.",
    "[Tell me|Let me know|I'd like to know|Find out] what {np} are.",
    "[Could|Can|May] I [see|have|get] {np}[|, please]?",
    "[Let me see|Look up|Print|Fetch|Bring up] {np}.",
    "[Hi, what|And what|So what] are {np}?",
    "[What about|How about] {np}?",
};
static const char *const frames_order[] = {
    "{np}.",
    "{np}.",
    "{np}.",
    "Please {np}.",
    "[Can|Could|Would] you [|please ]{np}?",
    "{np}, please.",
    "I [need|want|would like] you to {np}.",
    "We [need|have] to {np}.",
    "Kindly {np}.",
    "[Could|Would] you {np} for me?",
    "[Go ahead and|Make sure to|Remember to|You should] {np}.",
    "It is time to {np}.",
    "My request: {np}.",
};

static const char *slot_find(const phrase_slot *slots, const char *name, size_t n)
{
    for (; slots && slots->name; slots++)
        if (strlen(slots->name) == n && memcmp(slots->name, name, n) == 0)
            return slots->value;
    assert(0 && "a template names a slot that is not given");
    return "";
}

/* The end of the alternative or group at p: the '|' or ']' of its own level, or the end. */
static const char *part_end(const char *p, const char *end)
{
    for (int depth = 0; p < end; p++) {
        if (*p == '[')
            depth++;
        else if (depth == 0 && (*p == '|' || *p == ']'))
            break;
        else if (*p == ']')
            depth--;
    }
    return p;
}

static void fill(cmat_buf *out, cmat_rng *rng, const char *p, const char *end,
                 const phrase_slot *slots)
{
    while (p < end) {
        if (*p == '{') {
            const char *close = memchr(p, '}', (size_t)(end - p));
            assert(close);
            cmat_buf_puts(out, slot_find(slots, p + 1, (size_t)(close - p - 1)));
            p = close + 1;
        } else if (*p == '[') {
            const char *from[16], *to[16];
            int n = 0;
            for (p++; n < 16; p++) {
                from[n] = p;
                to[n] = p = part_end(p, end);
                n++;
                if (p >= end || *p == ']')
                    break;
            }
            p++;
            int k = (int)cmat_rng_below(rng, (uint64_t)n);
            fill(out, rng, from[k], to[k], slots);
        } else {
            cmat_buf_putc(out, *p++);
        }
    }
}

void phrase_fill(cmat_buf *out, cmat_rng *rng, const char *tmpl, const phrase_slot *slots)
{
    fill(out, rng, tmpl, tmpl + strlen(tmpl), slots);
}

/* "a(n) order" -> "an order"; runs of blanks become one; none before a stop. */
static void tidy(cmat_buf *out, const char *s)
{
    size_t start = out->len;
    for (; *s; s++) {
        if (strncmp(s, "a(n) ", 5) == 0) {
            cmat_buf_puts(out, strchr("aeiouAEIOU", s[5]) && s[5] ? "an " : "a ");
            s += 4;
        } else if (*s == ' ' && (out->len == start || out->data[out->len - 1] == ' ')) {
            continue;
        } else {
            if (strchr(",.?", *s) && out->len > start && out->data[out->len - 1] == ' ' &&
                (s[1] == ' ' || s[1] == 0))
                cmat_buf_truncate(out, out->len - 1);
            cmat_buf_putc(out, *s);
        }
    }
}

void phrase_say(cmat_buf *out, cmat_rng *rng, const char *const *templates, int n,
                const phrase_slot *slots)
{
    const char *t = templates[cmat_rng_below(rng, (uint64_t)n)];
    cmat_buf raw = {0}, framed = {0};
    phrase_fill(&raw, rng, t + (strchr("=+!", *t) != NULL), slots);
    const char *const *frames = NULL;
    int n_frames = 0;
    if (*t == '=') {
        frames = frames_singular;
        n_frames = LEN(frames_singular);
    } else if (*t == '+') {
        frames = frames_plural;
        n_frames = LEN(frames_plural);
    } else if (*t == '!') {
        frames = frames_order;
        n_frames = LEN(frames_order);
    }
    const char *np = cmat_buf_str(&raw);
    bool terse = frames && *t != '!' && strncmp(np, "the ", 4) == 0 && cmat_rng_below(rng, 12) == 0;
    if (terse) /* as into a search box */
        cmat_buf_puts(&framed, np + 4);
    else if (frames)
        phrase_fill(&framed, rng, frames[cmat_rng_below(rng, (uint64_t)n_frames)],
                    (phrase_slot[]){{"np", cmat_buf_str(&raw)}, {0}});
    else
        cmat_buf_puts(&framed, cmat_buf_str(&raw));
    size_t start = out->len;
    tidy(out, cmat_buf_str(&framed));
    if (out->len > start)
        out->data[start] = (char)toupper((unsigned char)out->data[start]);
    /* people are careless now and then */
    uint64_t slip = cmat_rng_below(rng, 100);
    if (slip < 5 && out->len > start + 1 && strchr("?.", out->data[out->len - 1]))
        cmat_buf_truncate(out, out->len - 1);
    if (slip < 2)
        out->data[start] = (char)tolower((unsigned char)out->data[start]);
    cmat_buf_clear(&raw);
    cmat_buf_clear(&framed);
}

void phrase_humanise(cmat_buf *out, const char *s)
{
    size_t start = out->len;
    for (const char *p = s; *p; p++) {
        bool sep = strchr("_- .\t\n", *p) != NULL;
        bool camel = p > s && isupper((unsigned char)*p) && islower((unsigned char)p[-1]);
        if ((sep || camel) && out->len > start && out->data[out->len - 1] != ' ')
            cmat_buf_putc(out, ' ');
        if (!sep) {
            bool acronym = isupper((unsigned char)*p) && (isupper((unsigned char)p[1]) ||
                                                          (p > s && isupper((unsigned char)p[-1])));
            bool whole = strlen(s) <= 4 && acronym;
            cmat_buf_putc(out, whole ? *p : (char)tolower((unsigned char)*p));
        }
    }
    while (out->len > start && out->data[out->len - 1] == ' ')
        cmat_buf_truncate(out, out->len - 1);
    if (out->len == start)
        cmat_buf_puts(out, s);
}

static bool ends(const char *s, size_t n, const char *tail)
{
    size_t k = strlen(tail);
    return n >= k && strncasecmp(s + n - k, tail, k) == 0;
}

void phrase_singular(cmat_buf *out, const char *s)
{
    size_t n = strlen(s);
    if (ends(s, n, "people")) {
        cmat_buf_add(out, s, n - 6);
        cmat_buf_puts(out, "person");
    } else if (n > 4 && ends(s, n, "ies") && !ends(s, n, "series") && !ends(s, n, "movies")) {
        cmat_buf_add(out, s, n - 3);
        cmat_buf_putc(out, 'y');
    } else if (n > 4 && (ends(s, n, "sses") || ends(s, n, "xes") || ends(s, n, "ches") ||
                         ends(s, n, "shes"))) {
        cmat_buf_add(out, s, n - 2);
    } else if (n > 2 && ends(s, n, "s") && !ends(s, n, "ss") && !ends(s, n, "us") &&
               !ends(s, n, "is") && !ends(s, n, "series") && !ends(s, n, "news")) {
        cmat_buf_add(out, s, n - 1);
    } else {
        cmat_buf_puts(out, s);
    }
}

void phrase_plural(cmat_buf *out, const char *s)
{
    size_t n = strlen(s);
    if (n && ends(s, n, "person")) {
        cmat_buf_add(out, s, n - 6);
        cmat_buf_puts(out, "people");
    } else if (n > 1 && ends(s, n, "y") && !strchr("aeiouAEIOU", s[n - 2])) {
        cmat_buf_add(out, s, n - 1);
        cmat_buf_puts(out, "ies");
    } else if (ends(s, n, "s") || ends(s, n, "x") || ends(s, n, "ch") || ends(s, n, "sh")) {
        cmat_buf_puts(out, s);
        cmat_buf_puts(out, "es");
    } else if (ends(s, n, "data") || ends(s, n, "stock")) {
        cmat_buf_puts(out, s);
    } else {
        cmat_buf_puts(out, s);
        cmat_buf_putc(out, 's');
    }
}

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

void phrase_date(cmat_buf *out, cmat_rng *rng, const char *iso)
{
    int y, m, d, n = 0;
    if (sscanf(iso, "%4d-%2d-%2d%n", &y, &m, &d, &n) != 3 || n != 10 || m < 1 || m > 12) {
        cmat_buf_puts(out, iso);
        return;
    }
    const char *rest = iso + n; /* the time of day, as it is */
    static const char *const ordinals[] = {"th", "st", "nd", "rd"};
    const char *th = ordinals[d % 10 > 3 || d / 10 == 1 ? 0 : d % 10];
    switch (cmat_rng_below(rng, 8)) {
    case 0:
    case 1:
        cmat_buf_printf(out, "%d %s %d", d, months[m - 1], y);
        break;
    case 2:
    case 3:
        cmat_buf_printf(out, "%s %d, %d", months[m - 1], d, y);
        break;
    case 4:
        cmat_buf_printf(out, "%d%s %s %d", d, th, months[m - 1], y);
        break;
    case 5:
        cmat_buf_printf(out, "%d %.3s %d", d, months[m - 1], y);
        break;
    default:
        cmat_buf_printf(out, "%04d-%02d-%02d", y, m, d);
    }
    cmat_buf_puts(out, *rest == 'T' ? " " : "");
    cmat_buf_puts(out, *rest == 'T' ? rest + 1 : rest);
}

void phrase_month(cmat_buf *out, cmat_rng *rng, const char *iso)
{
    int y, m;
    if (sscanf(iso, "%4d-%2d", &y, &m) != 2 || m < 1 || m > 12)
        cmat_buf_puts(out, iso);
    else
        switch (cmat_rng_below(rng, 4)) {
        case 0:
            cmat_buf_printf(out, "%04d-%02d", y, m);
            break;
        case 1:
            cmat_buf_printf(out, "%.3s %d", months[m - 1], y);
            break;
        default:
            cmat_buf_printf(out, "%s %d", months[m - 1], y);
        }
}

void phrase_month_name(cmat_buf *out, const char *iso)
{
    int y, m;
    if (sscanf(iso, "%4d-%2d", &y, &m) == 2 && m >= 1 && m <= 12)
        cmat_buf_puts(out, months[m - 1]);
}
