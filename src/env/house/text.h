/* env/house/text.h - the rules and the words of our own houses, in PDDL and in TextWorld's grammar.
 */
#ifndef CMAT_ENV_HOUSE_TEXT_H
#define CMAT_ENV_HOUSE_TEXT_H

extern const char house_domain[];
/* With %s where the task's sentence goes. */
extern const char house_grammar_text[];
#endif
