/* script.c - a shell script's simple commands: words and quotes (POSIX 2.2, 2.3), operators,
 * reserved words where a command begins. */
#include "env/os/script.h"
#include "core/buf.h"
#include "core/mem.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

typedef struct {
    const char *p, *end;
    os_script *out;
    int depth;
} reader;

static void read_commands(reader *r, char close);

void os_script_clear(os_script *s)
{
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->items[i].n; k++)
            free(s->items[i].words[k]);
        free(s->items[i].words);
    }
    for (size_t i = 0; i < s->n_writes; i++)
        free(s->writes[i]);
    for (size_t i = 0; i < s->n_functions; i++)
        free(s->functions[i]);
    free(s->items);
    free(s->writes);
    free(s->functions);
    memset(s, 0, sizeof *s);
}

static void add_text(char ***list, size_t *n, size_t *cap, char *text)
{
    *list = cmat_xgrow(*list, cap, *n + 1, sizeof **list);
    (*list)[(*n)++] = text;
}

static void add_command(os_script *s, os_command *c)
{
    if (c->n == 0)
        return;
    s->items = cmat_xgrow(s->items, &s->cap, s->n + 1, sizeof *s->items);
    s->items[s->n++] = *c;
    *c = (os_command){.sep = ';'};
}

/* ---- words ---- */

/* What stands in $(...) or `...`: commands of their own. */
static void read_nested(reader *r, char close)
{
    if (r->depth >= DEPTH_MAX) {
        r->p = r->end;
        return;
    }
    r->depth++;
    read_commands(r, close);
    r->depth--;
}

/* At a '$': what it expands to is not known, but the commands in it are read. */
static void read_dollar(reader *r, cmat_buf *word)
{
    cmat_buf_putc(word, '$');
    r->p++;
    if (r->p >= r->end)
        return;
    if (*r->p == '(' && r->p + 1 < r->end && r->p[1] == '(') { /* arithmetic */
        int open = 0;
        for (; r->p < r->end; r->p++) {
            open += *r->p == '(' ? 1 : *r->p == ')' ? -1 : 0;
            if (open == 0)
                break;
        }
        r->p += r->p < r->end;
    } else if (*r->p == '(') {
        r->p++;
        read_nested(r, ')');
    } else if (*r->p == '{') {
        const char *close = memchr(r->p, '}', (size_t)(r->end - r->p));
        const char *stop = close ? close + 1 : r->end;
        cmat_buf_add(word, r->p, (size_t)(stop - r->p));
        r->p = stop;
    } else {
        while (r->p < r->end && (isalnum((unsigned char)*r->p) || *r->p == '_'))
            cmat_buf_putc(word, *r->p++);
    }
}

static void read_double_quotes(reader *r, cmat_buf *word)
{
    for (r->p++; r->p < r->end && *r->p != '"';) {
        if (*r->p == '\\' && r->p + 1 < r->end) {
            cmat_buf_putc(word, r->p[1]);
            r->p += 2;
        } else if (*r->p == '$') {
            read_dollar(r, word);
        } else if (*r->p == '`') {
            r->p++;
            cmat_buf_putc(word, '$');
            read_nested(r, '`');
        } else {
            cmat_buf_putc(word, *r->p++);
        }
    }
    r->p += r->p < r->end;
}

static void read_single_quotes(reader *r, cmat_buf *word, bool ansi)
{
    for (r->p++; r->p < r->end && *r->p != '\''; r->p++) {
        if (ansi && *r->p == '\\' && r->p + 1 < r->end)
            r->p++;
        cmat_buf_putc(word, *r->p);
    }
    r->p += r->p < r->end;
}

static bool ends_word(char c)
{
    return isspace((unsigned char)c) || strchr(";&|<>()", c);
}

/* The word at p, without its quotes; `close`: a backquote that ends it. */
static char *read_word(reader *r, char close, bool *dynamic)
{
    cmat_buf word = {0};
    cmat_buf_puts(&word, "");
    while (r->p < r->end && !ends_word(*r->p) && *r->p != close) {
        if (*r->p == '\\' && r->p + 1 < r->end) {
            if (r->p[1] != '\n')
                cmat_buf_putc(&word, r->p[1]);
            r->p += 2;
        } else if (*r->p == '\'') {
            read_single_quotes(r, &word, false);
        } else if (*r->p == '$' && r->p + 1 < r->end && r->p[1] == '\'') {
            r->p++;
            read_single_quotes(r, &word, true);
        } else if (*r->p == '"') {
            read_double_quotes(r, &word);
        } else if (*r->p == '$') {
            *dynamic = true;
            read_dollar(r, &word);
        } else if (*r->p == '`') {
            *dynamic = true;
            r->p++;
            cmat_buf_putc(&word, '$');
            read_nested(r, '`');
        } else {
            cmat_buf_putc(&word, *r->p++);
        }
    }
    return cmat_buf_detach(&word);
}

static void skip_blank(reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' ||
                             (*r->p == '\\' && r->p + 1 < r->end && r->p[1] == '\n')))
        r->p += *r->p == '\\' ? 2 : 1;
}

/* ---- redirections ---- */

static void skip_heredoc(reader *r, const char *mark, bool tabs)
{
    const size_t n = strlen(mark);
    const char *p = memchr(r->p, '\n', (size_t)(r->end - r->p));
    if (!p)
        return;
    /* The rest of this line still belongs to the command; the body is cut out behind it: here it is
     * enough to know where the body ends, as nothing behind << is looked at. */
    for (p++; p < r->end;) {
        const char *line = p, *stop = memchr(p, '\n', (size_t)(r->end - p));
        while (tabs && line < r->end && *line == '\t')
            line++;
        stop = stop ? stop : r->end;
        p = stop < r->end ? stop + 1 : stop;
        if ((size_t)(stop - line) == n && memcmp(line, mark, n) == 0)
            break;
    }
    r->p = p > r->p && p[-1] == '\n' ? p - 1 : p; /* its line end ends the command */
}

/* At '<' or '>' (a number before it has been taken already). */
static void read_redirection(reader *r, char close)
{
    bool dynamic = false;
    const char kind = *r->p;
    if (kind == '<' && r->end - r->p >= 2 && r->p[1] == '<' &&
        !(r->end - r->p >= 3 && r->p[2] == '<')) {
        const bool tabs = r->end - r->p >= 3 && r->p[2] == '-';
        r->p += tabs ? 3 : 2;
        skip_blank(r);
        char *mark = read_word(r, close, &dynamic);
        skip_heredoc(r, mark, tabs);
        free(mark);
        return;
    }
    if ((kind == '<' || kind == '>') && r->end - r->p >= 2 && r->p[1] == '(') {
        r->p += 2;
        read_nested(r, ')');
        return;
    }
    bool descriptor = false;
    while (r->p < r->end && strchr("<>|&", *r->p))
        descriptor = *r->p++ == '&';
    skip_blank(r);
    char *target = read_word(r, close, &dynamic);
    if (kind == '>' && *target &&
        !(descriptor && (isdigit((unsigned char)*target) || *target == '-')))
        add_text(&r->out->writes, &r->out->n_writes, &r->out->cap_writes, target);
    else
        free(target);
}

/* ---- commands ---- */

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

/* After these a command begins again. */
static const char *const openers[] = {"if", "then", "elif", "else", "while",  "until",
                                      "do", "!",    "{",    "time", "coproc", NULL};
static const char *const closers[] = {"fi", "done", "esac", "}", NULL};
/* These run the command that their arguments are. */
static const char *const runners[] = {"sudo", "command", "builtin", "exec", "nohup", "env", NULL};

static bool is_assignment(const char *w)
{
    const size_t n = strspn(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && !isdigit((unsigned char)*w) &&
           (w[n] == '=' || (w[n] == '+' && w[n + 1] == '=') || w[n] == '[');
}

/* Up to the `word` that ends a part of for, case, [[: nothing in it is a command. */
static void skip_to(reader *r, const char *word)
{
    const size_t n = strlen(word);
    for (; r->p + n <= r->end; r->p++)
        if (memcmp(r->p, word, n) == 0 && (r->p + n == r->end || ends_word(r->p[n]))) {
            r->p += n;
            return;
        }
    r->p = r->end;
}

static void skip_line(reader *r)
{
    while (r->p < r->end && *r->p != ';' && *r->p != '\n')
        r->p++;
}

typedef struct {
    os_command now;
    bool begins;  /* the next word is a command's name */
    bool pattern; /* of case: up to ')' */
    int cases;
} line;

static void end_command(reader *r, line *l, char sep)
{
    add_command(r->out, &l->now);
    l->now.sep = sep;
    l->begins = true;
}

/* A word where a command begins: true when it is part of the grammar, not a name. */
static bool reserved(reader *r, line *l, const char *w)
{
    if (is_one_of(w, openers))
        return true;
    if (is_one_of(w, runners)) {
        os_command alone = {.sep = l->now.sep};
        add_text(&alone.words, &alone.n, &alone.cap, cmat_xstrdup(w));
        add_command(r->out, &alone);
        skip_blank(r);
        if (r->p < r->end && *r->p == '-') /* its options may take words: which is not known */
            skip_line(r);
        return true;
    }
    if (is_one_of(w, closers)) {
        l->cases -= strcmp(w, "esac") == 0 && l->cases > 0;
        return true;
    }
    if (strcmp(w, "for") == 0 || strcmp(w, "select") == 0) {
        skip_line(r);
        return true;
    }
    if (strcmp(w, "case") == 0) {
        skip_to(r, "in");
        l->cases++;
        l->pattern = true;
        return true;
    }
    if (strcmp(w, "[[") == 0) {
        skip_to(r, "]]");
        return true;
    }
    if (strcmp(w, "function") == 0) {
        bool dynamic = false;
        skip_blank(r);
        add_text(&r->out->functions, &r->out->n_functions, &r->out->cap_functions,
                 read_word(r, '\0', &dynamic));
        if (r->end - r->p >= 2 && r->p[0] == '(')
            r->p += 2;
        return true;
    }
    return false;
}

static void take_word(reader *r, line *l, char close)
{
    bool dynamic = false;
    const char *from = r->p;
    char *w = read_word(r, close, &dynamic);
    if (r->p == from) { /* nothing that could be a word: step over it */
        free(w);
        r->p++;
        return;
    }
    if (r->p < r->end && (*r->p == '<' || *r->p == '>') && w[strspn(w, "0123456789")] == '\0') {
        free(w); /* a descriptor's number */
        return;
    }
    if (l->begins && r->end - r->p >= 2 && r->p[0] == '(' && r->p[1] == ')') {
        add_text(&r->out->functions, &r->out->n_functions, &r->out->cap_functions, w);
        r->p += 2;
        return;
    }
    if (l->begins && is_assignment(w)) {
        if (r->p < r->end && *r->p == '(') { /* an array */
            while (r->p < r->end && *r->p != ')')
                r->p++;
            r->p += r->p < r->end;
        }
        free(w);
        return;
    }
    if (l->begins && reserved(r, l, w)) {
        free(w);
        return;
    }
    if (l->begins) {
        l->now.dynamic = dynamic;
        l->begins = false;
    }
    add_text(&l->now.words, &l->now.n, &l->now.cap, w);
}

/* Operators at p; false: a word begins here. */
static bool take_operator(reader *r, line *l, char close)
{
    const char c = *r->p;
    if (c == '#') {
        while (r->p < r->end && *r->p != '\n')
            r->p++;
    } else if (c == '\n' || c == ';' || c == '&' || c == '|') {
        if (c == '&' && r->end - r->p >= 2 && r->p[1] == '>') {
            r->p++;
            read_redirection(r, close);
            return true;
        }
        const bool twice = r->end - r->p >= 2 && r->p[1] == c;
        if (c == ';' && twice && l->cases > 0)
            l->pattern = true;
        end_command(r, l, c == '|' && !twice ? '|' : ';');
        r->p += twice ? 2 : 1;
        if (c == '|' && !twice && r->p < r->end && *r->p == '&')
            r->p++;
    } else if (c == '(' && r->end - r->p >= 2 && r->p[1] == '(' && l->begins) {
        skip_to(r, "))");
    } else if (c == '(') {
        end_command(r, l, ';');
        r->p++;
        read_nested(r, ')');
    } else if (c == ')') {
        end_command(r, l, ';');
        r->p++;
    } else if (c == '<' || c == '>') {
        read_redirection(r, close);
    } else {
        return false;
    }
    return true;
}

static void read_commands(reader *r, char close)
{
    line l = {.begins = true, .now = {.sep = ';'}};
    while (r->p < r->end) {
        skip_blank(r);
        if (r->p >= r->end)
            break;
        if (l.pattern) {
            bool dynamic = false;
            while (r->p < r->end && isspace((unsigned char)*r->p))
                r->p++;
            if (r->end - r->p >= 4 && memcmp(r->p, "esac", 4) == 0) {
                l.pattern = false;
                continue;
            }
            while (r->p < r->end && *r->p != ')') {
                free(read_word(r, close, &dynamic));
                r->p += r->p < r->end && *r->p != ')';
            }
            r->p += r->p < r->end;
            l.pattern = false;
            continue;
        }
        if (close && *r->p == close)
            break;
        if (!take_operator(r, &l, close))
            take_word(r, &l, close);
    }
    end_command(r, &l, ';');
    free(l.now.words);
    r->p += close && r->p < r->end;
}

void os_script_read(const char *text, os_script *s)
{
    reader r = {.p = text, .end = text + strlen(text), .out = s};
    while (r.p < r.end)
        read_commands(&r, '\0');
}

bool os_script_defines(const os_script *s, const char *name)
{
    for (size_t i = 0; i < s->n_functions; i++)
        if (strcmp(s->functions[i], name) == 0)
            return true;
    return false;
}

/* ---- what is hard to undo ---- */

static bool has_flag(const os_command *c, char letter, const char *word)
{
    for (size_t i = 1; i < c->n; i++) {
        const char *w = c->words[i];
        if (w[0] == '-' && w[1] == '-' && word && strcmp(w + 2, word) == 0)
            return true;
        if (w[0] == '-' && w[1] != '-' && strchr(w + 1, letter))
            return true;
    }
    return false;
}

/* The system's own folders, with or without what follows. */
static bool is_system_folder(const char *w)
{
    static const char *const all[] = {"/",       "/*",    "/bin", "/boot", "/dev",  "/etc", "/home",
                                      "/lib",    "/root", "/usr", "/var",  "/sbin", "~",    "$HOME",
                                      "${HOME}", ".",     "..",   "*",     "./*",   "../*", "~/*",
                                      "$HOME/*", "/.",    "/..",  NULL};
    char name[32];
    size_t n = strlen(w);
    if (n >= sizeof name)
        return false;
    memcpy(name, w, n + 1);
    if (is_one_of(name, all))
        return true;
    if (n > 2 && strcmp(name + n - 2, "/*") == 0)
        name[n - 2] = '\0';
    else if (n > 1 && name[n - 1] == '/')
        name[n - 1] = '\0';
    return *name == '/' && is_one_of(name, all);
}

static bool names_system_folder(const os_command *c)
{
    for (size_t i = 1; i < c->n; i++)
        if (c->words[i][0] != '-' && is_system_folder(c->words[i]))
            return true;
    return false;
}

static bool is_disk(const char *w)
{
    return strncmp(w, "/dev/sd", 7) == 0 || strncmp(w, "/dev/nvme", 9) == 0 ||
           strncmp(w, "/dev/vd", 7) == 0 || strncmp(w, "/dev/hd", 7) == 0 ||
           strncmp(w, "/dev/mmcblk", 11) == 0;
}

static const char *command_danger(const os_command *c, const os_command *before)
{
    static const char *const ends[] = {"shutdown", "reboot", "halt", "poweroff", "killall5", NULL};
    static const char *const disks[] = {"fdisk", "sfdisk", "parted", "wipefs", "mkswap", NULL};
    static const char *const shells[] = {"sh", "bash", "dash", "zsh", NULL};
    const char *slash = strrchr(c->words[0], '/'), *name = slash ? slash + 1 : c->words[0];
    if (strcmp(name, "rm") == 0 && (has_flag(c, 'r', "recursive") || has_flag(c, 'R', NULL)) &&
        names_system_folder(c))
        return "removes a whole system folder";
    if (strcmp(name, "find") == 0 && c->n > 1 && is_system_folder(c->words[1]))
        for (size_t i = 2; i < c->n; i++)
            if (strcmp(c->words[i], "-delete") == 0)
                return "deletes all over the system";
    if ((strcmp(name, "chmod") == 0 || strcmp(name, "chown") == 0 || strcmp(name, "chgrp") == 0) &&
        has_flag(c, 'R', "recursive") && names_system_folder(c))
        return "changes the owner or the permissions of a whole system folder";
    if (strcmp(name, "mv") == 0 && c->n > 2 && is_system_folder(c->words[1]))
        return "moves a whole system folder away";
    if (strncmp(name, "mkfs", 4) == 0 || is_one_of(name, disks))
        return "overwrites a disk";
    for (size_t i = 1; strcmp(name, "dd") == 0 && i < c->n; i++)
        if (strncmp(c->words[i], "of=", 3) == 0 && is_disk(c->words[i] + 3))
            return "overwrites a disk";
    if (strcmp(name, "kill") == 0 && c->n > 1 && strcmp(c->words[c->n - 1], "-1") == 0)
        return "ends every process";
    if (is_one_of(name, ends))
        return "ends the system";
    if (before && c->sep == '|' && is_one_of(name, shells) &&
        (strcmp(before->words[0], "curl") == 0 || strcmp(before->words[0], "wget") == 0))
        return "runs what it loads from the network";
    return NULL;
}

/* name() { name | name & }: each call makes two. */
static bool is_fork_bomb(const os_script *s)
{
    for (size_t f = 0; f < s->n_functions; f++)
        for (size_t i = 1; i < s->n; i++)
            if (s->items[i].sep == '|' && strcmp(s->items[i].words[0], s->functions[f]) == 0 &&
                strcmp(s->items[i - 1].words[0], s->functions[f]) == 0)
                return true;
    return false;
}

const char *os_script_danger(const os_script *s)
{
    static const char *const accounts[] = {"/etc/passwd", "/etc/shadow", "/etc/group", NULL};
    if (is_fork_bomb(s))
        return "multiplies itself without end";
    for (size_t i = 0; i < s->n; i++) {
        const char *danger = command_danger(&s->items[i], i ? &s->items[i - 1] : NULL);
        if (danger)
            return danger;
    }
    for (size_t i = 0; i < s->n_writes; i++) {
        if (is_disk(s->writes[i]))
            return "overwrites a disk";
        if (is_one_of(s->writes[i], accounts))
            return "overwrites the list of users or groups";
    }
    return NULL;
}
