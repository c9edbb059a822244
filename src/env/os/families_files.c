/* families_files.c - made tasks: files and folders, links, permissions, dates of files. */
#include "env/os/make.h"

#define WAYS(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

/* Files of several kinds in a folder and folders below it; some hidden, some empty. */
static void make_tree(os_draft *d, const char *dir, const char *const *ext, size_t n_ext)
{
    const char *below[2], *stems[9];
    os_pick_many(d, os_words, below, 2);
    os_pick_many(d, os_stems, stems, 9);
    cmat_buf_printf(&d->init, "mkdir -p %s/%s %s/%s/%s\n", dir, below[0], dir, below[0], below[1]);
    const int n = os_between(d, 9, 18);
    for (int i = 0; i < n; i++) {
        const char *at[] = {"", below[0], below[1]};
        const size_t k = os_below(d, 3);
        cmat_buf_printf(&d->init, "head -c %d /dev/zero | tr '\\0' x >%s/%s%s%s%s%s%s%d.%s\n",
                        os_below(d, 5) == 0 ? 0 : os_between(d, 1, 900), dir,
                        k == 2 ? below[0] : "", k == 2 ? "/" : "", at[k], k ? "/" : "",
                        os_below(d, 6) == 0 ? "." : "", stems[i % 9], i, ext[os_below(d, n_ext)]);
    }
}

static void begin(os_draft *d, const char *kind, const char **dir, const char **ext)
{
    static const char *const under[] = {"/srv", "/opt", "/home", "/root", "/var/tmp", NULL};
    d->kind = kind;
    cmat_buf_printf(&d->dir, "%s/%s", os_pick(d, under), os_pick(d, os_folders));
    *dir = d->dir.data;
    os_pick_many(d, os_extensions, ext, 3);
    make_tree(d, *dir, ext, 3);
}

static void count_extension(os_draft *d)
{
    const char *dir, *ext[3];
    begin(d, "files", &dir, ext);
    d->number = true;
    if (os_below(d, 2)) {
        os_say(d,
               WAYS("How many files below %s, in all its folders, end in .%s?",
                    "Count the .%2$s files in %1$s and everything under it.",
                    "In the tree %s, how many regular files have the extension \"%s\"?"),
               dir, ext[0]);
        os_gold_add(d, "find %s -type f -name '*.%s' | wc -l", dir, ext[0]);
    } else {
        os_say(d,
               WAYS("How many files directly in %s (not in folders below it) end in .%s? Count "
                    "hidden ones too.",
                    "Count the files with the extension .%2$s that lie in %1$s itself, hidden "
                    "files included, subfolders left aside."),
               dir, ext[0]);
        os_gold_add(d, "find %s -maxdepth 1 -type f -name '*.%s' | wc -l", dir, ext[0]);
    }
}

static void count_empty(os_draft *d)
{
    const char *dir, *ext[3];
    begin(d, "files", &dir, ext);
    d->number = true;
    os_say(d,
           WAYS("How many empty files are there in %s and its subfolders?",
                "Count the files of size 0 anywhere under %s.",
                "%s holds some files with nothing in them. How many, at any depth?"),
           dir);
    os_gold_add(d, "find %s -type f -empty | wc -l", dir);
}

static void count_hidden(os_draft *d)
{
    const char *dir, *ext[3];
    begin(d, "files", &dir, ext);
    d->number = true;
    os_say(d,
           WAYS("How many hidden files (not folders) are under %s at any depth?",
                "Count the dot files anywhere below %s."),
           dir);
    os_gold_add(d, "find %s -type f -name '.*' | wc -l", dir);
}

static void total_size(os_draft *d)
{
    const char *dir, *ext[3];
    begin(d, "files", &dir, ext);
    d->number = true;
    os_say(
        d,
        WAYS("What is the total size in bytes of all .%2$s files under %1$s?",
             "Add up the sizes of the files that end in .%2$s in %1$s and below. How many bytes?"),
        dir, ext[0]);
    os_gold_add(d,
                "find %s -type f -name '*.%s' -printf '%%s\\n' | awk '{ s += $1 } END { print s + "
                "0 }'",
                dir, ext[0]);
}

static void largest(os_draft *d)
{
    const char *dir, *ext[3];
    begin(d, "files", &dir, ext);
    const int size = os_between(d, 1000, 5000);
    const char *name = os_pick(d, os_cities);
    cmat_buf_printf(&d->init,
                    "head -c %d /dev/zero >\"$(find %s -mindepth 1 -type d | sort | "
                    "head -1)\"/%s.%s\n",
                    size, dir, name, ext[1]);
    os_say(
        d,
        WAYS("What is the name of the largest file under %s? (Its name without folders.)",
             "Which file in %s and its subfolders takes the most bytes? Give only the file name."),
        dir);
    os_gold_add(d, "find %s -type f -printf '%%s %%f\\n' | sort -n | tail -1 | cut -d' ' -f2", dir);
}

static void count_folders(os_draft *d)
{
    const char *dir, *ext[3], *more[4];
    begin(d, "files", &dir, ext);
    d->number = true;
    os_pick_many(d, os_cities, more, 4);
    const int n = os_between(d, 1, 4);
    for (int i = 0; i < n; i++)
        cmat_buf_printf(&d->init, "mkdir -p %s/%s\n", dir, more[i]);
    os_say(d,
           WAYS("How many folders are there below %1$s, at any depth? Do not count %1$s itself.",
                "Count all subfolders of %s, those inside subfolders too."),
           dir);
    os_gold_add(d, "find %s -mindepth 1 -type d | wc -l", dir);
}

static void find_phrase(os_draft *d)
{
    const char *dir, *ext[3], *words[2];
    begin(d, "files", &dir, ext);
    os_pick_many(d, os_words, words, 2);
    const char *name = os_pick(d, os_cities);
    cmat_buf_printf(&d->init,
                    "echo 'the %s is behind the %s' >\"$(find %s -type d | sort | tail "
                    "-1)\"/%s.%s\n",
                    words[0], words[1], dir, name, ext[2]);
    os_say(d,
           WAYS("One file under %s contains the words \"%s is behind\". What is its name, without "
                "the folders?",
                "Which file below %s has a line with \"%s is behind\" in it? Only its name."),
           dir, words[0]);
    os_gold_add(d, "grep -rl '%s is behind' %s | xargs -n1 basename", words[0], dir);
}

static void broken_links(os_draft *d)
{
    const char *dir, *ext[3], *names[6];
    begin(d, "files", &dir, ext);
    d->number = true;
    os_pick_many(d, os_words, names, 6);
    const int n = os_between(d, 3, 6);
    for (int i = 0; i < n; i++)
        cmat_buf_printf(&d->init, "ln -s %s %s/%s\n", os_below(d, 2) ? "/etc/passwd" : "/nowhere/x",
                        dir, names[i]);
    os_say(d,
           WAYS("How many symbolic links in %s point to something that does not exist?",
                "Count the broken symbolic links under %s."),
           dir);
    os_gold_add(d, "find %s -xtype l | wc -l", dir);
}

static void same_content(os_draft *d)
{
    const char *dir, *ext[3], *name = os_pick(d, os_cities);
    begin(d, "files", &dir, ext);
    d->number = true;
    const int n = os_between(d, 1, 4);
    cmat_buf_printf(&d->init, "echo '%s %d' >%s/%s.ref\n", os_pick(d, os_words),
                    os_between(d, 10, 99), dir, name);
    for (int i = 0; i < n; i++)
        cmat_buf_printf(&d->init, "cp %s/%s.ref %s/copy%d.%s\n", dir, name, dir, i * 7 + 1,
                        ext[i % 3]);
    os_say(d,
           WAYS("How many other files under %1$s have exactly the same content as %1$s/%2$s.ref?",
                "Count the copies of %1$s/%2$s.ref under %1$s: files with the same content, not "
                "counting the file itself."),
           dir, name);
    os_gold_add(
        d,
        "h=$(md5sum <%s/%s.ref); find %s -type f ! -name %s.ref -exec sh -c 'md5sum <\"$1\"' "
        "_ {} \\; | grep -c \"$h\"",
        dir, name, dir, name);
}

/* ---- permissions ---- */

static void count_mode(os_draft *d)
{
    static const struct {
        const char *ways[3];
        const char *test;
    } all[] = {
        {{"How many files under %s may be executed by their owner?",
          "Count the files below %s that are executable for the user who owns them.", NULL},
         "-perm -u+x"},
        {{"How many files under %s can anybody write to?",
          "Count the world-writable files below %s.", NULL},
         "-perm -o+w"},
        {{"How many files under %s may be read by their owner only, that is, have mode 600?",
          "Count the files below %s whose permissions are exactly 600.", NULL},
         "-perm 600"},
        {{"How many files under %s have the set-group-ID bit?",
          "Count the files below %s with the setgid bit set.", NULL},
         "-perm -g+s"},
    };
    const char *dir, *ext[3];
    begin(d, "permissions", &dir, ext);
    d->number = true;
    const size_t k = os_below(d, sizeof all / sizeof *all);
    cmat_buf_printf(&d->init,
                    "i=0; for f in $(find %s -type f | sort); do set -- 644 600 755 666 2755 640; "
                    "shift $(( (i * %d + %d) %% 6 )); chmod $1 $f; i=$((i + 1)); done\n",
                    dir, os_between(d, 1, 5), os_between(d, 0, 5));
    os_say(d, all[k].ways, dir);
    os_gold_add(d, "find %s -type f %s | wc -l", dir, all[k].test);
}

static void mode_of(os_draft *d)
{
    static const char *const modes[] = {"640",  "751", "604",  "4755", "710", "664",
                                        "1777", "500", "2750", "444",  NULL};
    const char *name = os_pick(d, os_stems), *mode = os_pick(d, modes),
               *dir = os_pick(d, os_folders);
    d->kind = "permissions";
    cmat_buf_printf(&d->init, "mkdir -p /srv/%s\necho %s >/srv/%s/%s.sh\nchmod %s /srv/%s/%s.sh\n",
                    dir, name, dir, name, mode, dir, name);
    os_say(d,
           WAYS("What are the permissions of /srv/%s/%s.sh as an octal number?",
                "Give the octal mode (such as 644) of the file /srv/%s/%s.sh."),
           dir, name);
    os_gold_add(d, "stat -c %%a /srv/%s/%s.sh", dir, name);
}

/* ---- dates of files ---- */

static void recent(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *stems[8], *ext = os_pick(d, os_extensions);
    const int days = os_between(d, 2, 20);
    os_pick_many(d, os_stems, stems, 8);
    d->kind = "dates";
    d->number = true;
    cmat_buf_printf(&d->init, "mkdir -p ~/%s\n", dir);
    for (int i = 0; i < 8; i++) /* never close to the boundary */
        cmat_buf_printf(&d->init, "touch -d '%d days ago' ~/%s/%s.%s\n",
                        os_below(d, 2) ? os_between(d, 0, days - 2 > 0 ? days - 2 : 0)
                                       : os_between(d, days + 2, days + 60),
                        dir, stems[i], ext);
    os_say(d,
           WAYS("How many files in ~/%s were changed in the last %d days?",
                "Count the files in the folder %s of your home folder that were modified less than "
                "%d days ago."),
           dir, days);
    os_gold_add(d, "find ~/%s -type f -mtime -%d | wc -l", dir, days);
}

static void oldest(os_draft *d)
{
    const bool newest = os_below(d, 2) != 0;
    const char *dir = os_pick(d, os_folders), *stems[7];
    os_pick_many(d, os_stems, stems, 7);
    d->kind = "dates";
    cmat_buf_printf(&d->init, "mkdir -p /home/%s\n", dir);
    for (int i = 0; i < 7; i++)
        cmat_buf_printf(&d->init, "touch -d '%d-%02d-%02d %02d:00' /home/%s/%s.txt\n", 2015 + i % 3,
                        os_between(d, 1, 12), os_between(d, 1, 28), i + 3, dir, stems[i]);
    if (newest)
        os_say(d,
               WAYS("Which file in /home/%s was changed last? Give its name.",
                    "Name the most recently modified file in /home/%s."),
               dir);
    else
        os_say(d,
               WAYS("Which file in /home/%s has not been changed for the longest time? Give its "
                    "name.",
                    "Name the oldest file, by time of change, in /home/%s."),
               dir);
    os_gold_add(d, "ls -t%s /home/%s | head -1", newest ? "" : "r", dir);
}

const os_family os_families_files[] = {
    {"count_extension", count_extension},
    {"count_empty", count_empty},
    {"count_hidden", count_hidden},
    {"total_size", total_size},
    {"largest", largest},
    {"count_folders", count_folders},
    {"find_phrase", find_phrase},
    {"broken_links", broken_links},
    {"same_content", same_content},
    {"count_mode", count_mode},
    {"mode_of", mode_of},
    {"recent", recent},
    {"oldest", oldest},
    {0},
};
