/* env/house/grammar.h - the words of a game: TextWorld's grammar (".twl2"), rules that choose text
 * by what is true.
 *
 * A rule is a name and alternatives in order; the first whose condition holds is taken. Its text
 * holds symbols: #name# another rule; {o.name} an expression over objects; {x | condition} that for
 * each way in which the condition holds; [{x | condition}] the same as a list ("a, b, and c", its
 * signs from the rules list_empty, list_separator, list_last_separator). Conditions are facts
 * joined by '&' ("inreceptacle(o: object, r: receptacle)"), with "not_" for what was made false. */
#ifndef CMAT_ENV_HOUSE_GRAMMAR_H
#define CMAT_ENV_HOUSE_GRAMMAR_H
#include "core/buf.h"
#include "env/house/state.h"

typedef struct house_grammar house_grammar;

/* Reads the grammar's text. CMAT_ERR_FORMAT with the line or the rule, CMAT_ERR_LIMIT. */
cmat_status house_grammar_parse(house_grammar **out, const char *text, cmat_error *err);
void house_grammar_free(house_grammar *g); /* accepts NULL */

/* Ties the grammar to a problem: predicates and actions by name. names: (n_objects) what the
 * objects are called; borrowed. CMAT_ERR_FORMAT: an action has no template. */
cmat_status house_grammar_bind(house_grammar *g, const house_pddl *p, const char *const *names,
                               cmat_error *err);

/* Appends the command of a move; false: the rules go round or the text grows without end. */
bool house_grammar_command(const house_grammar *g, const house_state *s, const house_move *m,
                           cmat_buf *out);
/* Appends what is said after the move, s being the state after it. */
bool house_grammar_feedback(const house_grammar *g, const house_state *s, const house_move *m,
                            cmat_buf *out);
/* Appends rule `name` without any object known ("intro", "task"). */
bool house_grammar_say(const house_grammar *g, const house_state *s, const char *name,
                       cmat_buf *out);
#endif
