/* env/db/wiki_clause.c - what a cell says in a sentence: "on 8 March 2007", "against Porto",
 * "5 wins". */
#include "env/db/wiki_impl.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))

typedef struct {
    const char *words; /* one of them in the header, split by | */
    const char *forms;
    bool numeric; /* only of columns of numbers */
} clause;

/* What rows have a number of. */
static const char counted[] =
    "wins|won|losses|lost|draws|drawn|points|goals|tries|assists|rebounds|caps|laps|"
    "gold|silver|bronze|played|games|apps|matches|episodes|votes|seats|touchdowns|yards|byes|"
    "floors|sets|podiums|poles|starts|titles|medals|losing bonus|try bonus";

static const clause clauses[] = {
    {"attendance|crowd|spectators",
     "[with an attendance of {v}|attended by {v} people|before a crowd of {v}|with {v} "
     "spectators|with a crowd of {v}|watched by {v}]",
     false},
    {"directed|director", "directed by {v}", false},
    {"written|writer", "written by {v}", false},
    {"author", "[by {v}|written by {v}]", false},
    {"artist|singer|performer", "[by {v}|performed by {v}|sung by {v}]", false},
    {"producer", "produced by {v}", false},
    {"trainer", "trained by {v}", false},
    {"owner", "owned by {v}", false},
    {"jockey|rider", "[ridden by {v}|with {v} riding]", false},
    {"manager", "[managed by {v}|with {v} as manager]", false},
    {"coach", "[coached by {v}|under the coach {v}]", false},
    {"captain", "[captained by {v}|with {v} as captain]", false},
    {"driver", "driven by {v}", false},
    {"manufacturer|builder|constructor|make|chassis", "[built by {v}|made by {v}|from {v}]", false},
    {"actor|played by|portrayed", "[played by {v}|portrayed by {v}]", false},
    {"opponent|opponents|visitor|runner-up",
     "[against {v}|against {v}|versus {v}|facing {v}|playing {v}]", false},
    {"date|airdate|day", "[on {v}|on {v}|dated {v}]", false},
    {"year", "[in {v}|in {v}|in the year {v}]", false},
    {"season", "[in the {v} season|in {v}|in season {v}]", false},
    {"week", "[in week {v}|in week {v}|for week {v}]", true},
    {"round", "[in round {v}|in the {v} round]", false},
    {"game|match", "[in game {v}|in game number {v}]", true},
    {"venue|stadium|ground|arena|site|circuit|course|track",
     "[at {v}|at {v}|held at {v}|played at {v}]", false},
    {"location|place|city|town|county|state|province|suburb|region|headquarters",
     "[in {v}|in {v}|located in {v}]", false},
    {"nationality|country|nation|hometown", "[from {v}|from {v}|of {v}|representing {v}]", false},
    {"score|result",
     "[with a score of {v}|ending {v}|with the result {v}|the score being {v}|which ended {v}]",
     false},
    {"record", "[bringing the record to {v}|with a record of {v}|for a record of {v}]", false},
    {"position|pos", "[playing as {v}|as {v}|in the position {v}]", false},
    {"team|club", "[for {v}|playing for {v}|of {v}|with the team {v}]", false},
    {"party", "[of the party {v}|for the {v} party|running for {v}]", false},
    {"label", "[on the label {v}|released by {v}]", false},
    {"network|channel|station", "[on {v}|broadcast on {v}]", false},
    {"school|college|university", "[from {v}|attending {v}|of {v}]", false},
    {"rank|standing|finish", "[ranked {v}|placed {v}|finishing {v}|in place {v}]", false},
    {"age", "[aged {v}|age {v}|at the age of {v}|{v} years old]", true},
    {"time", "[in a time of {v}|with a time of {v}|in {v}]", false},
    {"role|character", "[as {v}|in the role of {v}|playing {v}]", false},
    {"population", "[with a population of {v}|with {v} inhabitants|home to {v} people]", false},
    {"capacity", "[with a capacity of {v}|holding {v}]", false},
    {counted, "[{v} {c}|{v} {c}|with {v} {c}|having {v} {c}|and {v} {c}]", true},
    {"built|founded|established|opened|completed|retired|born|died|released|launched|"
     "commissioned|introduced|closed|moved|ended|started",
     "[{c} {v}|{c} in {v}]", false},
    {"height", "[with a height of {v}|{v} tall]", false},
    {"length|distance", "[with a length of {v}|over {v}|{v} long]", false},
    {"weight", "[with a weight of {v}|weighing {v}]", false},
};

static const char plain[] =
    "[with {c} {v}|with {q} as {c}|the {c} being {v}|whose {c} is {v}|{c} {v}|with a(n) {c} of "
    "{v}|with {q} for {c}|({c} {v})|with the {c} {q}]";
static const char plain_number[] =
    "[{c} {v}|with a(n) {c} of {v}|a(n) {c} of {v}|with {c} {v}|({c}: {v})|the {c} being {v}]";

/* A whole word of the header, whatever its case. */
static bool has_word(const char *header, const char *word, size_t n)
{
    for (const char *p = header; *p; p++)
        if (strncasecmp(p, word, n) == 0 && (p == header || !isalpha((unsigned char)p[-1])) &&
            !isalpha((unsigned char)p[n]))
            return true;
    return false;
}

static bool fits(const clause *c, const char *header, bool numeric)
{
    if (c->numeric && !numeric)
        return false;
    for (const char *p = c->words; *p;) {
        size_t n = strcspn(p, "|");
        if (has_word(header, p, n))
            return true;
        p += n + (p[n] == '|');
    }
    return false;
}

const char *wiki_clause(wiki *w, const char *header, const char *value, bool numeric)
{
    const char *form = numeric ? plain_number : plain;
    /* a long header is not split up: "Total number emigrated or forcibly removed" */
    bool known = strlen(header) <= 30 && wiki_chance(w, 85);
    for (int i = 0; i < LEN(clauses) && known; i++)
        if (fits(&clauses[i], header, numeric)) {
            form = clauses[i].forms;
            break;
        }
    const char *quoted = wiki_quoted(w, value);
    return WIKI_FILL(w, form, {"v", wiki_chance(w, 20) ? quoted : value}, {"q", quoted},
                     {"c", wiki_lower(w, header)});
}

const char *wiki_noun(wiki *w, const char *header, const char *value, bool numeric)
{
    const clause count = {counted, "", true};
    const char *form = fits(&count, header, numeric) && wiki_chance(w, 80)
                           ? "{v} {c}"
                           : "[a(n) {c} of {v}|a(n) {c} of {v}|{c} {v}|the {c} {v}|{q} as {c}]";
    const char *quoted = wiki_quoted(w, value);
    return WIKI_FILL(w, form, {"v", wiki_chance(w, 20) ? quoted : value}, {"q", quoted},
                     {"c", wiki_lower(w, header)});
}
