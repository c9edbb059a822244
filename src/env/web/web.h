/* env/web/web.h - the web: recorded pages (Mind2Web's steps), and sites to act on.
 *
 * Three kinds of task:
 *   recorded  "html", "candidates", "positives", "op", "value": one step of a person on a page, to
 * be guessed (Mind2Web: element accuracy, action F1, step success); ids "GROUP#STEP" site "site": a
 * made site (site.h), acted on until its goal is reached; in the little browser of browse.h, or in
 * Chromium (world "browser") address   "url", "check": a page that a server gives, in Chromium only
 */
#ifndef CMAT_ENV_WEB_WEB_H
#define CMAT_ENV_WEB_WEB_H
#include "env/env.h"
#include "env/shop/site.h"
#include "env/web/browse.h"
#include "env/web/chrome.h"
#include "env/web/reply.h"

enum {
    WEB_GROUP = 5,        /* AgentBench: choices of a question */
    WEB_TOP = 10,         /* and candidates of a step */
    WEB_CANDIDATES = 100, /* of a recorded step at most */
    WEB_BEFORE = 5        /* earlier actions told */
};

typedef struct {
    cmat_env base;
    bool agentbench;
    json_t *task;                /* own reference; NULL: none set */
    bool recorded;               /* what kind the task is */
    web_page page;               /* of a recorded step */
    web_browser browser;         /* of a site without Chromium */
    web_chrome *chrome;          /* shared; NULL: no such world */
    web_tab *tab;                /* the episode's window in it */
    shop_site *shop;             /* the browser's, for tasks of the shop */
    char shop_url[SHOP_URL_MAX]; /* this episode's session there, else \"\" */
    web_view view;               /* of the page now: text and numbered elements */
    size_t from;                 /* byte of the page's text that the Actor sees first (MORE) */
    int n_bad;                   /* replies without an action */

    /* AgentBench: the candidates left, the five in question, what was picked last */
    int *left; /* (n_left) nodes */
    size_t n_left;
    int group[WEB_GROUP]; /* (n_group) in document order */
    size_t n_group;
    web_reply pick;
    int picked;     /* its node, or WEB_NO_NODE */
    json_t *before; /* array of strings: "[button]  Send -> CLICK" */

    bool judged; /* a recorded step has been answered */
    bool element_right;
    double f1;
    const char **actions; /* (n_actions) sorted, pointing into words */
    bool *open;           /* (n_actions) free text follows */
    size_t n_actions;
    cmat_buf words;
} web_env;

/* The page acted on. */
const web_page *web_env_page(const web_env *e);

/* ask.c: what is asked. Takes the page's elements anew (after it changed), puts the next question
 * into view or group, and appends the observation. */
void web_ask_start(web_env *e);
void web_ask(web_env *e, cmat_buf *out);
/* AgentBench's elimination: takes the answer to the group. True: it has come to an end, with
 * e->picked (or WEB_NO_NODE) as the outcome; false: there is a next group. */
bool web_ask_answer(web_env *e, const web_reply *r);
/* The element that a reply names, or WEB_NO_NODE. */
int web_ask_element(const web_env *e, const web_reply *r);
/* Fills e->actions. one_line: as `actions` lists them, else as the Actor writes them. */
void web_ask_actions(web_env *e, bool one_line);
/* "[button]  Send -> CLICK", as Mind2Web tells a step. */
void web_ask_told(const web_page *p, int node, web_op op, const char *value, cmat_buf *out);

/* rules.c, dry_run.c */
void web_env_prompt(cmat_env *env, cmat_buf *out);
cmat_status web_env_dry_run(cmat_env *env, const char *reply, cmat_facts *f, cmat_error *err);

/* snapshot.c */
cmat_status web_env_snapshot(cmat_env *env, cmat_buf *out, cmat_error *err);
cmat_status web_env_restore(cmat_env *env, const void *state, size_t len, cmat_error *err);

/* import.c */
cmat_status web_import(const char *path, cmat_task_list *out, cmat_error *err);
/* One demonstration or file that is already in memory, for tests of the parsers. */
cmat_status web_import_text(const char *text, size_t len, const char *what, cmat_task_list *out,
                            cmat_error *err);
#endif
