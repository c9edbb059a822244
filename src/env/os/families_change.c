/* families_change.c - made tasks: changes, judged by a script that looks at what there is. */
#include "env/os/make.h"

#define WAYS(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

static void check(os_draft *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void check(os_draft *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    cmat_buf_vprintf(&d->check, fmt, ap);
    va_end(ap);
}

static void make_folders(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *names[3];
    os_pick_many(d, os_words, names, 3);
    d->kind = "files";
    os_say(d,
           WAYS("Make the folder /srv/%s and in it the folders %s, %s and %s.",
                "Create /srv/%s with three subfolders: %s, %s, %s."),
           dir, names[0], names[1], names[2]);
    os_gold_add(d, "mkdir -p /srv/%s/{%s,%s,%s}", dir, names[0], names[1], names[2]);
    check(d, "cd /srv/%s && test -d %s && test -d %s && test -d %s && test $(ls | wc -l) = 3", dir,
          names[0], names[1], names[2]);
}

static void write_file(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *words[3];
    os_pick_many(d, os_words, words, 3);
    d->kind = "files";
    cmat_buf_printf(&d->init, "mkdir -p ~/%s\n", dir);
    os_say(
        d,
        WAYS("Write a file ~/%1$s/%2$s.txt with two lines: first \"%3$s\", then \"%4$s\".",
             "Create %2$s.txt in ~/%1$s. Its first line must be \"%3$s\" and its second and last "
             "\"%4$s\"."),
        dir, words[0], words[1], words[2]);
    os_gold_add(d, "printf '%s\\n%s\\n' >~/%s/%s.txt", words[1], words[2], dir, words[0]);
    check(d, "test \"$(cat ~/%s/%s.txt)\" = \"$(printf '%s\\n%s')\"", dir, words[0], words[1],
          words[2]);
}

static void rename_all(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *stems[5], *ext[3];
    const int n = os_between(d, 3, 5);
    os_pick_many(d, os_stems, stems, 5);
    os_pick_many(d, os_extensions, ext, 3);
    d->kind = "files";
    cmat_buf_printf(&d->init, "mkdir -p /srv/%s; cd /srv/%s\n", dir, dir);
    for (int i = 0; i < n; i++)
        cmat_buf_printf(&d->init, "echo %d >%s.%s\n", i, stems[i], ext[0]);
    cmat_buf_printf(&d->init, "echo keep >other.%s\n", ext[2]);
    os_say(
        d,
        WAYS("Rename every file in /srv/%1$s that ends in .%2$s so that it ends in .%3$s instead. "
             "Leave the others alone.",
             "In /srv/%1$s, change the extension of all .%2$s files to .%3$s."),
        dir, ext[0], ext[1]);
    os_gold_add(d, "cd /srv/%s && for f in *.%s; do mv \"$f\" \"${f%%.%s}.%s\"; done", dir, ext[0],
                ext[0], ext[1]);
    check(d,
          "cd /srv/%s && test $(ls *.%s | wc -l) = %d && ! ls *.%s 2>/dev/null && test -f other.%s",
          dir, ext[1], n, ext[0], ext[2]);
    for (int i = 0; i < n; i++)
        check(d, " && test \"$(cat %s.%s)\" = %d", stems[i], ext[1], i);
}

static void replace_word(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *name = os_pick(d, os_stems), *w[5];
    os_pick_many(d, os_words, w, 5);
    d->kind = "text";
    cmat_buf_printf(&d->init,
                    "mkdir -p /opt/%s\nprintf '%%s\\n' '%s and %s' '%s' '%s, %s, %s' 'no %s' "
                    ">/opt/%s/%s.txt\n",
                    dir, w[0], w[2], w[3], w[0], w[0], w[2], w[4], dir, name);
    os_say(d,
           WAYS("Replace every \"%3$s\" in the file /opt/%1$s/%2$s.txt by \"%4$s\".",
                "Change all occurrences of the word %3$s to %4$s in /opt/%1$s/%2$s.txt, in place."),
           dir, name, w[0], w[1]);
    os_gold_add(d, "sed -i 's/%s/%s/g' /opt/%s/%s.txt", w[0], w[1], dir, name);
    check(d,
          "test \"$(cat /opt/%s/%s.txt)\" = \"$(printf '%%s\\n' '%s and %s' '%s' '%s, %s, %s' 'no "
          "%s')\"",
          dir, name, w[1], w[2], w[3], w[1], w[1], w[2], w[4]);
}

static void drop_lines(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *name = os_pick(d, os_stems), *w[3];
    os_pick_many(d, os_words, w, 3);
    d->kind = "text";
    cmat_buf_printf(&d->init,
                    "mkdir -p ~/%s\nfor i in {1..%d}; do echo \"%s $i\"; echo \"%s $i\"; "
                    "done >~/%s/%s.txt\n",
                    dir, os_between(d, 3, 9), w[0], w[1], dir, name);
    cmat_buf_printf(&d->init, "cp ~/%s/%s.txt /var/tmp/before\n", dir, name);
    os_say(
        d,
        WAYS("Delete all lines with the word \"%3$s\" from ~/%1$s/%2$s.txt and keep the rest as it "
             "is.",
             "Remove every line containing %3$s from the file ~/%1$s/%2$s.txt."),
        dir, name, w[0]);
    os_gold_add(d, "sed -i '/%s/d' ~/%s/%s.txt", w[0], dir, name);
    check(d, "cmp ~/%s/%s.txt <(grep -v %s /var/tmp/before)", dir, name, w[0]);
}

static void sort_unique(os_draft *d)
{
    const char *name = os_pick(d, os_stems), *w[6];
    os_pick_many(d, os_words, w, 6);
    d->kind = "text";
    cmat_buf_puts(&d->init, "printf '%s\\n'");
    const int n = os_between(d, 8, 14);
    for (int i = 0; i < n; i++)
        cmat_buf_printf(&d->init, " %s", w[os_below(d, 6)]);
    cmat_buf_printf(&d->init, " >/srv/%s.in\n", name);
    os_say(d,
           WAYS("Write the lines of /srv/%1$s.in to /srv/%1$s.out, sorted and each only once.",
                "Make /srv/%1$s.out from /srv/%1$s.in: alphabetical order, no line twice."),
           name);
    os_gold_add(d, "sort -u /srv/%s.in >/srv/%s.out", name, name);
    check(d, "cmp /srv/%s.out <(sort -u /srv/%s.in)", name, name);
}

static void delete_empty(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *stems[6];
    const int n = os_between(d, 2, 4);
    os_pick_many(d, os_stems, stems, 6);
    d->kind = "files";
    cmat_buf_printf(&d->init, "mkdir -p /home/%s/sub; cd /home/%s\n", dir, dir);
    for (int i = 0; i < 6; i++)
        cmat_buf_printf(&d->init, "%s >%s%s\n", i < n ? ":" : "echo x", i % 2 ? "sub/" : "",
                        stems[i]);
    os_say(d,
           WAYS("Delete all empty files in /home/%s and the folders below it, and nothing else.",
                "Remove every file of size 0 under /home/%s. Keep the others."),
           dir);
    os_gold_add(d, "find /home/%s -type f -empty -delete", dir);
    check(d,
          "test $(find /home/%s -type f | wc -l) = %d && test $(find /home/%s -type f -empty | wc "
          "-l) = 0",
          dir, 6 - n, dir);
}

static void set_mode(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *stems[6];
    static const char *const modes[] = {"640", "600", "440", "700", "755", "664", NULL};
    const char *mode = os_pick(d, modes);
    os_pick_many(d, os_stems, stems, 6);
    d->kind = "permissions";
    cmat_buf_printf(&d->init, "mkdir -p /srv/%s; cd /srv/%s\n", dir, dir);
    for (int i = 0; i < 6; i++)
        cmat_buf_printf(&d->init, "echo x >%s.%s; chmod 666 %s.%s\n", stems[i],
                        i % 2 ? "sh" : "txt", stems[i], i % 2 ? "sh" : "txt");
    os_say(
        d,
        WAYS("Set the permissions of every .sh file in /srv/%1$s to %2$s. The other files stay as "
             "they are.",
             "Give all files in /srv/%1$s that end in .sh the mode %2$s, and only those."),
        dir, mode);
    os_gold_add(d, "chmod %s /srv/%s/*.sh", mode, dir);
    check(d,
          "cd /srv/%s && test \"$(stat -c %%a *.sh | sort -u)\" = %s && test \"$(stat -c %%a *.txt "
          "| sort -u)\" = 666 && test $(ls | wc -l) = 6",
          dir, mode);
}

static void pack(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *stems[4], *to = os_pick(d, os_cities);
    os_pick_many(d, os_stems, stems, 4);
    d->kind = "archives";
    cmat_buf_printf(&d->init, "mkdir -p /home/%s; cd /home/%s\n", dir, dir);
    for (int i = 0; i < 4; i++)
        cmat_buf_printf(&d->init, "echo %d >%s\n", os_between(d, 1, 999), stems[i]);
    os_say(
        d,
        WAYS(
            "Pack the folder /home/%1$s into a gzip-compressed tar archive /srv/%2$s.tar.gz.",
            "Make /srv/%2$s.tar.gz, a compressed tar archive with the folder %1$s of /home in it."),
        dir, to);
    os_gold_add(d, "tar -czf /srv/%s.tar.gz -C /home %s", to, dir);
    check(
        d,
        "gzip -t /srv/%s.tar.gz && mkdir /tmp/check && tar -xzf /srv/%s.tar.gz -C /tmp/check && f="
        "$(find /tmp/check -name %s -type d | head -1) && diff -r \"$f\" /home/%s; s=$?; rm -rf "
        "/tmp/check; exit $s",
        to, to, dir, dir);
}

static void unpack(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *stems[3], *to = os_pick(d, os_words);
    os_pick_many(d, os_stems, stems, 3);
    d->kind = "archives";
    cmat_buf_printf(&d->init, "mkdir -p /tmp/w /opt/%s; cd /tmp/w\n", to);
    for (int i = 0; i < 3; i++)
        cmat_buf_printf(&d->init, "echo %d >%s\n", os_between(d, 1, 999), stems[i]);
    cmat_buf_printf(&d->init,
                    "tar -czf /srv/%s.tgz *; cat /tmp/w/* | md5sum >/var/tmp/sum; rm -rf "
                    "/tmp/w\n",
                    dir);
    os_say(d,
           WAYS("Unpack the archive /srv/%s.tgz into the folder /opt/%s.",
                "Extract what is in /srv/%s.tgz to /opt/%s."),
           dir, to);
    os_gold_add(d, "tar -xzf /srv/%s.tgz -C /opt/%s", dir, to);
    check(d, "cd /opt/%s && test \"$(cat * | md5sum)\" = \"$(cat /var/tmp/sum)\"", to);
}

static void move_old(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *stems[6];
    const int days = os_between(d, 10, 40), n = os_between(d, 2, 4);
    os_pick_many(d, os_stems, stems, 6);
    d->kind = "dates";
    cmat_buf_printf(&d->init, "mkdir -p /srv/%s/old; cd /srv/%s\n", dir, dir);
    for (int i = 0; i < 6; i++)
        cmat_buf_printf(&d->init, "touch -d '%d days ago' %s\n",
                        i < n ? days + os_between(d, 5, 50) : os_between(d, 0, days - 5), stems[i]);
    os_say(
        d,
        WAYS("Move the files in /srv/%1$s that were last changed more than %2$d days ago to "
             "/srv/%1$s/old.",
             "Everything directly in /srv/%1$s that has not been modified for more than %2$d days "
             "belongs into its subfolder old. Move it there."),
        dir, days);
    os_gold_add(d, "find /srv/%s -maxdepth 1 -type f -mtime +%d -exec mv {} /srv/%s/old/ \\;", dir,
                days, dir);
    check(d, "cd /srv/%s", dir);
    for (int i = 0; i < 6; i++)
        check(d, " && test -f %s%s", i < n ? "old/" : "", stems[i]);
}

static void add_user(os_draft *d)
{
    const char *who = os_pick(d, os_people), *group = os_pick(d, os_services);
    const int uid = os_between(d, 1100, 4900);
    d->kind = "users";
    cmat_buf_printf(&d->init, "groupadd %s\n", group);
    os_say(d,
           WAYS("Add a user %s with the user id %d and the login shell /bin/bash, who is also a "
                "member of the group %s. No home folder is needed.",
                "Create the account %s: UID %d, shell /bin/bash, in the supplementary group %s, "
                "without making a home folder."),
           who, uid, group);
    os_gold_add(d, "useradd -M -u %d -s /bin/bash -G %s %s", uid, group, who);
    check(d,
          "test $(id -u %s) = %d && id -nG %s | tr ' ' '\\n' | grep -qx %s && test $(getent passwd "
          "%s | cut -d: -f7) = /bin/bash",
          who, uid, who, group, who);
}

static void change_shell(os_draft *d)
{
    const char *people[3];
    os_pick_many(d, os_people, people, 3);
    d->kind = "users";
    for (int i = 0; i < 3; i++)
        cmat_buf_printf(&d->init, "useradd -M -s /bin/bash %s\n", people[i]);
    os_say(d,
           WAYS("Set the login shell of the user %s to /usr/sbin/nologin.",
                "The user %s must not log in any more: make /usr/sbin/nologin the shell."),
           people[1]);
    os_gold_add(d, "usermod -s /usr/sbin/nologin %s", people[1]);
    check(d,
          "test $(getent passwd %s | cut -d: -f7) = /usr/sbin/nologin && test $(getent passwd %s | "
          "cut -d: -f7) = /bin/bash",
          people[1], people[0]);
}

static void end_process(os_draft *d)
{
    const char *names[2];
    os_pick_many(d, os_services, names, 2);
    d->kind = "processes";
    cmat_buf_printf(&d->init, "cp /bin/sleep /usr/local/bin/%s; cp /bin/sleep /usr/local/bin/%s\n",
                    names[0], names[1]);
    cmat_buf_printf(&d->start, "%s 10000 & %s 10000 & %s 20000 & disown -a", names[0], names[1],
                    names[0]);
    os_say(d,
           WAYS("End all processes called %s. The process %s must go on running.",
                "Kill every running %s, but leave %s alone."),
           names[0], names[1]);
    os_gold_add(d, "pkill -x %s", names[0]);
    check(d, "! pgrep -x %s && pgrep -x %s", names[0], names[1]);
}

static void link_to(os_draft *d)
{
    const char *w[2], *dir = os_pick(d, os_folders);
    os_pick_many(d, os_words, w, 2);
    d->kind = "files";
    cmat_buf_printf(&d->init, "mkdir -p /srv/%s; echo %d >/srv/%s/%s\n", dir, os_between(d, 1, 999),
                    dir, w[0]);
    os_say(
        d,
        WAYS("Make a symbolic link ~/%3$s that points to /srv/%1$s/%2$s.",
             "Create in your home folder a symbolic link called %3$s to the file /srv/%1$s/%2$s."),
        dir, w[0], w[1]);
    os_gold_add(d, "ln -s /srv/%s/%s ~/%s", dir, w[0], w[1]);
    check(d, "test -L ~/%s && test \"$(readlink -f ~/%s)\" = /srv/%s/%s", w[1], w[1], dir, w[0]);
}

static void set_value(os_draft *d)
{
    const char *keys[4], *service = os_pick(d, os_services);
    const int value = os_between(d, 100, 9999);
    os_pick_many(d, os_words, keys, 4);
    d->kind = "text";
    cmat_buf_printf(&d->init, "printf '%%s\\n'");
    for (int i = 0; i < 4; i++)
        cmat_buf_printf(&d->init, " %s=%d", keys[i], i * 11);
    cmat_buf_printf(&d->init, " >/etc/%s.conf\n", service);
    os_say(d,
           WAYS("In /etc/%1$s.conf, change the value of %2$s to %3$d. Nothing else may change.",
                "Set %2$s to %3$d in the settings file /etc/%1$s.conf."),
           service, keys[2], value);
    os_gold_add(d, "sed -i 's/^%s=.*/%s=%d/' /etc/%s.conf", keys[2], keys[2], value, service);
    check(d, "test \"$(cat /etc/%s.conf)\" = \"$(printf '%%s\\n' %s=0 %s=11 %s=%d %s=33)\"",
          service, keys[0], keys[1], keys[2], value, keys[3]);
}

static void new_command(os_draft *d)
{
    static const struct {
        const char *does, *code, *test;
    } all[] = {
        {"prints its arguments in capital letters", "echo \"$*\" | tr a-z A-Z",
         "test \"$(%1$s ab c)\" = 'AB C'"},
        {"prints how many arguments it was given", "echo $#",
         "test \"$(%1$s a b c)\" = 3 && test \"$(%1$s)\" = 0"},
        {"prints the sum of the two numbers it is given", "echo $(($1 + $2))",
         "test \"$(%1$s 17 25)\" = 42 && test \"$(%1$s 1 1)\" = 2"},
        {"prints the number of lines of the file it is given", "wc -l <\"$1\"",
         "printf 'a\\nb\\n' >/tmp/two && test \"$(%1$s /tmp/two)\" -eq 2"},
        {"prints its first argument backwards", "echo \"$1\" | rev", "test \"$(%1$s abc)\" = cba"},
    };
    const char *name = os_pick(d, os_stems);
    const size_t k = os_below(d, sizeof all / sizeof *all);
    d->kind = "commands";
    os_say(d,
           WAYS("Make a command %s, to be called from anywhere, that %s.",
                "I want a new command called %s in /usr/local/bin that %s."),
           name, all[k].does);
    os_gold_add(d,
                "printf '%%s\\n' '#!/bin/bash' '%s' >/usr/local/bin/%s && chmod +x "
                "/usr/local/bin/%s",
                all[k].code, name, name);
    cmat_buf_printf(&d->check, all[k].test, name);
}

const os_family os_families_change[] = {
    {"make_folders", make_folders},
    {"write_file", write_file},
    {"rename_all", rename_all},
    {"replace_word", replace_word},
    {"drop_lines", drop_lines},
    {"sort_unique", sort_unique},
    {"delete_empty", delete_empty},
    {"set_mode", set_mode},
    {"pack", pack},
    {"unpack", unpack},
    {"move_old", move_old},
    {"add_user", add_user},
    {"change_shell", change_shell},
    {"end_process", end_process},
    {"link_to", link_to},
    {"set_value", set_value},
    {"new_command", new_command},
    {0},
};
