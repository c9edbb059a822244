/* env/web/tree.h - Mind2Web's view of a page (Deng et al. 2023, arXiv 2306.06070, section 3; the
 * rules of its prune_tree and get_tree_repr): what stands around the candidates, as one line of
 * tags with their telling attributes. */
#ifndef CMAT_ENV_WEB_TREE_H
#define CMAT_ENV_WEB_TREE_H
#include "env/web/page.h"

/* Marks in keep (page->n, cleared before) the nodes that stand around the candidates (n node
 * numbers): each with its ancestors, its first 50 descendants down to depth 5, its three siblings
 * on either side, and the texts of all these. */
void web_tree_keep(const web_page *page, const int *candidates, size_t n, bool *keep);

/* Appends the page's line; the candidates have "id=K", K being their place in candidates (which are
 * in document order). */
void web_tree_repr(const web_page *page, const int *candidates, size_t n, cmat_buf *out);
/* The first ten words of what web_tree_repr gives for candidate k alone. */
void web_tree_choice(const web_page *page, const int *candidates, size_t n, size_t k,
                     cmat_buf *out);
#endif
