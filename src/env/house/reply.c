/* env/house/reply.c - see reply.h. BLEU: Papineni et al. 2002; its smoothing: Chen and Cherry
 * 2014, method 4, with NLTK's constants. */
#include "env/house/reply.h"
#include "core/text.h"
#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_WORDS 64
#define MAX_BYTES 128 /* of a command compared byte by byte */

static void add_lower(cmat_buf *out, const char *s, size_t n)
{
    while (n > 0 && isspace((unsigned char)*s)) {
        s++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        cmat_buf_putc(out, (char)tolower((unsigned char)s[i]));
}

static bool is_thought(const char *line)
{
    line += strspn(line, " \t");
    return strncasecmp(line, "think:", 6) == 0 || strncasecmp(line, "thought:", 8) == 0;
}

bool house_reply_short(const char *reply, cmat_buf *command)
{
    cmat_buf_truncate(command, 0);
    while (*reply) {
        const size_t len = strcspn(reply, "\n");
        if (!is_thought(reply))
            add_lower(command, reply, len);
        if (command->len > 0)
            return true;
        reply += len + (reply[len] == '\n');
    }
    return false;
}

bool house_reply_agentbench(const char *reply, cmat_buf *command)
{
    const char *p = strstr(reply, "ACTION:");
    cmat_buf_truncate(command, 0);
    if (!p)
        return false;
    p += strlen("ACTION:");
    cmat_buf_puts(command, "");
    add_lower(command, p, strcspn(p, "\n"));
    return true;
}

bool house_reply_thought(const char *reply)
{
    for (; *reply; reply += strcspn(reply, "\n"), reply += *reply == '\n')
        if (is_thought(reply))
            return true;
    return false;
}

/* ---- BLEU ---- */

typedef struct {
    const char *text;
    size_t len;
} word;

static size_t split(const char *s, word *out)
{
    size_t n = 0;
    while (n < MAX_WORDS) {
        s += strspn(s, " \t\r\n\f\v");
        const size_t len = strcspn(s, " \t\r\n\f\v");
        if (len == 0)
            break;
        out[n++] = (word){s, len};
        s += len;
    }
    return n;
}

static bool same_run(const word *a, const word *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].len != b[i].len || memcmp(a[i].text, b[i].text, a[i].len) != 0)
            return false;
    return true;
}

/* Runs of n words of the candidate that the reference has, each at most as often as there. */
static size_t matches(const word *ref, size_t n_ref, const word *cand, size_t n_cand, size_t n)
{
    bool used[MAX_WORDS] = {false};
    size_t hits = 0;
    for (size_t i = 0; i + n <= n_cand; i++)
        for (size_t j = 0; j + n <= n_ref; j++)
            if (!used[j] && same_run(cand + i, ref + j, n)) {
                used[j] = true;
                hits++;
                break;
            }
    return hits;
}

double house_bleu(const char *reference, const char *candidate)
{
    word ref[MAX_WORDS], cand[MAX_WORDS];
    const size_t n_ref = split(reference, ref), n_cand = split(candidate, cand);
    double sum = 0, halves = 1;
    for (size_t n = 1; n <= 4; n++) {
        const double total = n_cand >= n ? (double)(n_cand - n + 1) : 1;
        double hits = (double)matches(ref, n_ref, cand, n_cand, n);
        if (n == 1 && hits == 0)
            return 0;
        if (hits == 0 && n_cand > 1) {
            halves *= 2;
            hits = log((double)n_cand) / (5 * halves);
        }
        if (hits > 0)
            sum += 0.25 * log(hits / total);
    }
    const double brevity = n_cand > n_ref ? 1 : exp(1 - (double)n_ref / (double)n_cand);
    return brevity * exp(sum);
}

const char *house_closest_bleu(const char *const *commands, size_t n, const char *said)
{
    const char *best = NULL;
    double most = 0.01;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(commands[i], said) == 0)
            return commands[i];
        const double b = house_bleu(commands[i], said);
        if (b > most) {
            most = b;
            best = commands[i];
        }
    }
    return best;
}

/* ---- edit distance ---- */

const char *house_closest_edit(const char *const *commands, size_t n, const char *said)
{
    const size_t n_said = strnlen(said, MAX_BYTES);
    const char *best = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        const size_t d =
            cmat_text_distance(said, n_said, commands[i], strnlen(commands[i], MAX_BYTES));
        if (d < least) {
            least = d;
            best = commands[i];
        }
    }
    return best;
}
