/* env/kg/words.c - questions in words: what a set is, told from the names of its relations. */
#include "env/kg/make.h"
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The last part of a dotted name, '_' as spaces; of two relations in one both ("cast..actor"). */
static void last_part(const char *name, char *out, size_t size)
{
    const char *dots = strstr(name, ".."), *end = dots ? dots : name + strlen(name), *s = end;
    size_t n = 0;
    while (s > name && !strchr("./:#", s[-1]))
        s--;
    for (; s < end && n + 1 < size; s++)
        out[n++] = *s == '_' ? ' ' : *s;
    out[n] = '\0';
    if (dots && n + 2 < size) {
        char more[KG_LABEL_MAX + 24];
        last_part(dots + 2, more, sizeof more);
        if (strcmp(more, out) != 0)
            snprintf(out + n, size - n, " %.*s", (int)(size - n - 2), more);
    }
}

typedef struct {
    char words[2 * KG_LABEL_MAX];
    bool passive; /* "directed by" */
} relation_words;

static relation_words words_of(const char *name)
{
    static const char *const leads[] = {"has ", "in ", "is "};
    relation_words w = {.passive = false};
    last_part(name + (*name == '^'), w.words, sizeof w.words);
    for (size_t i = 0; i < COUNT(leads); i++) {
        const size_t n = strlen(leads[i]);
        if (strncmp(w.words, leads[i], n) == 0 && w.words[n])
            memmove(w.words, w.words + n, strlen(w.words + n) + 1);
    }
    const size_t n = strlen(w.words);
    w.passive = n > 3 && strcmp(w.words + n - 3, " by") == 0;
    return w;
}

/* "film" of film.film; "thing" where a type has no name of its own. */
static void type_words(const char *type, char *out, size_t size)
{
    const size_t n = strlen(type);
    const bool made = n > 7 && (strcmp(type + n - 7, ".object") == 0 ||
                                (n > 8 && strcmp(type + n - 8, ".subject") == 0));
    if (n == 0 || made)
        snprintf(out, size, "thing");
    else
        last_part(type, out, size);
}

static void phrase(const kg_store *s, const kg_play *p, int i, cmat_rng *rng, cmat_buf *out);

static void neighbors_phrase(const kg_store *s, const kg_play *p, int i, cmat_rng *rng,
                             cmat_buf *out)
{
    const kg_expr *e = &p->exprs[i];
    const relation_words w = words_of(e->name);
    char type[KG_LABEL_MAX + 1];
    cmat_buf of = {0};
    const bool backwards = *e->name == '^', entity = p->exprs[e->a].op == KG_ENTITY;
    const uint64_t way = cmat_rng_below(rng, 3);
    phrase(s, p, e->a, rng, &of);
    type_words(p->items[i].type, type, sizeof type);
    if (!backwards && w.passive)
        cmat_buf_printf(out, way == 0 ? "what %s is %s" : "that which %s is %s", of.data, w.words);
    else if (!backwards && entity && way == 0)
        cmat_buf_printf(out, "%s's %s", of.data, w.words);
    else if (!backwards)
        cmat_buf_printf(out, "the %s of %s", w.words, of.data);
    else if (w.passive)
        cmat_buf_printf(out, way == 0 ? "every %s %s %s" : "the %s %s %s", type, w.words, of.data);
    else if (way == 0)
        cmat_buf_printf(out, "every %s with %s as %s", type, of.data, w.words);
    else
        cmat_buf_printf(out, way == 1 ? "every %s whose %s is %s" : "the %s that has as %s %s",
                        type, w.words, of.data);
    cmat_buf_clear(&of);
}

static void phrase(const kg_store *s, const kg_play *p, int i, cmat_rng *rng, cmat_buf *out)
{
    const kg_expr *e = &p->exprs[i];
    switch (e->op) {
    case KG_ENTITY:
        cmat_buf_puts(out, p->items[i].label);
        break;
    case KG_NEIGHBORS:
        neighbors_phrase(s, p, i, rng, out);
        break;
    case KG_AND: {
        static const char *const between[] = {" and also ", " and at the same time "};
        cmat_buf_puts(out, "what is both ");
        phrase(s, p, e->a, rng, out);
        cmat_buf_puts(out, between[cmat_rng_below(rng, COUNT(between))]);
        phrase(s, p, e->b, rng, out);
        break;
    }
    default:
        phrase(s, p, e->a, rng, out);
        break;
    }
}

static void superlative(const kg_store *s, const kg_play *p, int i, cmat_rng *rng, cmat_buf *out)
{
    static const char *const number[2][3] = {{"greatest", "highest", "largest"},
                                             {"least", "lowest", "smallest"}};
    static const char *const date[2] = {"latest", "earliest"};
    const kg_expr *e = &p->exprs[i];
    const relation_words w = words_of(e->name);
    bool inverse;
    const kg_relation *r = kg_store_relation(s, e->name, &inverse);
    const bool least = e->op == KG_ARGMIN;
    const char *how = r && strcmp(s->types[r->range], KG_DATE) == 0
                          ? date[least]
                          : number[least][cmat_rng_below(rng, 3)];
    if (cmat_rng_below(rng, 2)) {
        cmat_buf_puts(out, "Which of ");
        phrase(s, p, e->a, rng, out);
        cmat_buf_printf(out, " has the %s %s?", how, w.words);
    } else {
        cmat_buf_printf(out, "What has the %s %s of ", how, w.words);
        phrase(s, p, e->a, rng, out);
        cmat_buf_putc(out, '?');
    }
}

void kg_question(const kg_store *s, const kg_play *p, int i, cmat_rng *rng, cmat_buf *out)
{
    static const char *const plain[][2] = {
        {"What is ", "?"}, {"Name ", "."}, {"Find ", "."}, {"Tell me ", "."}, {"I look for ", "."}};
    static const char *const counts[][2] = {
        {"How many are ", "?"}, {"Count ", "."}, {"What is the number of ", "?"}};
    const kg_expr *e = &p->exprs[i];
    const bool count = e->op == KG_COUNT;
    cmat_buf text = {0};
    if (e->op == KG_ARGMAX || e->op == KG_ARGMIN) {
        superlative(s, p, i, rng, out);
        return;
    }
    phrase(s, p, i, rng, &text);
    const char *const *way = count ? counts[cmat_rng_below(rng, COUNT(counts))]
                                   : plain[cmat_rng_below(rng, COUNT(plain))];
    const bool what =
        strncmp(text.data, "what is both ", 13) == 0 && strcmp(way[0], "What is ") == 0;
    cmat_buf_printf(out, "%s%s%s", way[0], text.data + (what ? 8 : 0), way[1]);
    cmat_buf_clear(&text);
}
