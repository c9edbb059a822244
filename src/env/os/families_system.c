/* families_system.c - made tasks: archives, dates, users, processes. */
#include "env/os/make.h"

#define WAYS(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

/* ---- archives ---- */

static void begin_archive(os_draft *d, const char **file, const char **stems, size_t n)
{
    const char *dir = os_pick(d, os_folders);
    d->kind = "archives";
    os_pick_many(d, os_stems, stems, n);
    cmat_buf_printf(&d->dir, "/srv/%s.tar.gz", dir);
    *file = d->dir.data;
    cmat_buf_printf(&d->init, "mkdir -p /tmp/w/%s; cd /tmp/w\n", dir);
    for (size_t i = 0; i < n; i++)
        cmat_buf_printf(&d->init, "echo '%s %d' >%s/%s.%s\nhead -c %d /dev/zero >>%s/%s.%s\n",
                        os_pick(d, os_words), os_between(d, 100, 999), dir, stems[i],
                        i % 2 ? "txt" : "dat", os_between(d, 0, 300), dir, stems[i],
                        i % 2 ? "txt" : "dat");
    cmat_buf_printf(&d->init, "tar -czf %s %s; rm -rf /tmp/w\n", *file, dir);
}

static void archive_count(os_draft *d)
{
    const char *file, *stems[10];
    const int n = os_between(d, 4, 10);
    begin_archive(d, &file, stems, (size_t)n);
    d->number = true;
    os_say(d,
           WAYS("How many .txt files are in the archive %s?",
                "Without unpacking it: how many entries of %s end in .txt?"),
           file);
    os_gold_add(d, "tar -tzf %s | grep -c '\\.txt$'", file);
}

static void archive_read(os_draft *d)
{
    const char *file, *stems[6];
    begin_archive(d, &file, stems, 6);
    d->number = true;
    os_say(
        d,
        WAYS("What number stands in the first line of the file %2$s.txt in the archive %1$s?",
             "The archive %1$s holds a file %2$s.txt, whose first line ends in a number. Which?"),
        file, stems[1]);
    os_gold_add(d, "tar -tzf %s", file);
    os_gold_add(d, "tar -xzOf %s --wildcards '*/%s.txt' | head -1 | awk '{ print $2 }'", file,
                stems[1]);
}

static void archive_size(os_draft *d)
{
    const char *file, *stems[5];
    begin_archive(d, &file, stems, 5);
    d->number = true;
    os_say(d,
           WAYS("How many bytes do the files in %s have together when they are unpacked?",
                "Add up the sizes of the files stored in the archive %s."),
           file);
    os_gold_add(d, "tar -tvzf %s | awk '{ s += $3 } END { print s }'", file);
}

/* ---- dates ---- */

static void weekday(os_draft *d)
{
    const char *dir = os_pick(d, os_folders);
    d->kind = "dates";
    cmat_buf_printf(&d->init, "mkdir -p ~/%s\necho 'deadline: %d-%02d-%02d' >~/%s/plan\n", dir,
                    os_between(d, 1990, 2035), os_between(d, 1, 12), os_between(d, 1, 28), dir);
    os_say(d,
           WAYS("~/%s/plan names a deadline. Which day of the week is it? (In English, such as "
                "Monday.)",
                "On which weekday falls the date in the file ~/%s/plan? Answer with its English "
                "name."),
           dir);
    os_gold_add(d, "cat ~/%s/plan", dir);
    os_gold_add(d, "LC_ALL=C date -d \"$(cut -d' ' -f2 ~/%s/plan)\" +%%A", dir);
}

static void days_between(os_draft *d)
{
    const char *a = os_pick(d, os_stems);
    d->kind = "dates";
    d->number = true;
    cmat_buf_printf(&d->init,
                    "cat >/srv/%s.txt <<'END'\nbegin %d-%02d-%02d\nend %d-%02d-%02d\nEND\n", a,
                    os_between(d, 2000, 2012), os_between(d, 1, 12), os_between(d, 1, 28),
                    os_between(d, 2013, 2024), os_between(d, 1, 12), os_between(d, 1, 28));
    os_say(d,
           WAYS("How many days are there from begin to end, the dates in /srv/%s.txt?",
                "/srv/%s.txt gives two dates. How many days lie between them?"),
           a);
    os_gold_add(d, "cat /srv/%s.txt", a);
    os_gold_add(d,
                "b=$(awk '/begin/ { print $2 }' /srv/%s.txt); e=$(awk '/end/ { print $2 }' "
                "/srv/%s.txt); echo $(( ($(date -ud $e +%%s) - $(date -ud $b +%%s)) / 86400 ))",
                a, a);
}

/* ---- users ---- */

/* Without home folders: chown to another user is not possible where there is only one. */
static void make_users(os_draft *d, const char **people, size_t n)
{
    static const char *const shells[] = {"/bin/bash", "/bin/sh", "/usr/sbin/nologin", NULL};
    d->kind = "users";
    os_pick_many(d, os_people, people, n);
    for (size_t i = 0; i < n; i++)
        cmat_buf_printf(&d->init, "useradd -M -u %d -s %s %s\n",
                        1200 + 37 * (int)i + os_between(d, 0, 30), os_pick(d, shells), people[i]);
}

static void user_shell(os_draft *d)
{
    const char *people[8];
    make_users(d, people, (size_t)os_between(d, 4, 8));
    d->number = true;
    const char *shell = os_below(d, 2) ? "/bin/bash" : "/bin/sh";
    os_say(d,
           WAYS("How many users of this system have %s as their login shell?",
                "Count the accounts in /etc/passwd whose shell is exactly %s."),
           shell);
    os_gold_add(d, "awk -F: '$7 == \"%s\"' /etc/passwd | wc -l", shell);
}

static void user_id(os_draft *d)
{
    const char *people[5];
    make_users(d, people, 5);
    d->number = true;
    os_say(d, WAYS("What is the numeric user id of %s?", "Give the UID of the user %s."),
           people[2]);
    os_gold_add(d, "id -u %s", people[2]);
}

static void user_groups(os_draft *d)
{
    const char *people[5], *groups[3];
    make_users(d, people, 5);
    os_pick_many(d, os_services, groups, 3);
    d->number = true;
    const int n = os_between(d, 1, 4);
    cmat_buf_printf(&d->init, "groupadd %s; groupadd %s\n", groups[0], groups[1]);
    for (int i = 0; i < n; i++)
        cmat_buf_printf(&d->init, "usermod -aG %s %s\n", groups[0], people[i]);
    cmat_buf_printf(&d->init, "usermod -aG %s %s\n", groups[1], people[0]);
    os_say(d,
           WAYS("How many members does the group %s have?",
                "Count the users that /etc/group lists as members of %s."),
           groups[0]);
    os_gold_add(d, "getent group %s | cut -d: -f4 | tr ',' '\\n' | grep -c .", groups[0]);
}

static void highest_id(os_draft *d)
{
    const char *people[6];
    make_users(d, people, (size_t)os_between(d, 4, 6));
    os_say(d, WAYS("Which user has the highest user id, nobody aside?",
                   "Leave out nobody: which user name has the largest UID?"));
    os_gold_add(d, "grep -v ^nobody: /etc/passwd | sort -t: -k3,3n | tail -1 | cut -d: -f1");
}

/* ---- processes ---- */

static void count_processes(os_draft *d)
{
    const char *names[2];
    d->kind = "processes";
    d->number = true;
    os_pick_many(d, os_services, names, 2);
    const int n = os_between(d, 1, 5), m = os_between(d, 1, 3);
    cmat_buf_printf(&d->init, "cp /bin/sleep /usr/local/bin/%s; cp /bin/sleep /usr/local/bin/%s\n",
                    names[0], names[1]);
    cmat_buf_printf(&d->start,
                    "for i in {1..%d}; do %s 10000 & done; for i in {1..%d}; do %s 10000 & "
                    "done",
                    n, names[0], m, names[1]);
    os_say(d,
           WAYS("How many processes called %s are running?",
                "Count the running processes whose name is %s."),
           names[0]);
    os_gold_add(d, "pgrep -xc %s", names[0]);
}

static void process_argument(os_draft *d)
{
    const char *name = os_pick(d, os_services);
    d->kind = "processes";
    d->number = true;
    cmat_buf_printf(&d->init, "cp /bin/sleep /usr/local/bin/%s\n", name);
    cmat_buf_printf(&d->start, "%s %d &", name, os_between(d, 2000, 90000));
    os_say(d,
           WAYS("A process called %s is running. What number was it given as its argument?",
                "With which argument has the running process %s been started?"),
           name);
    os_gold_add(d, "ps -C %s -o args= | awk '{ print $2 }'", name);
}

/* Which of several files does something write to, once a moment? */
static void who_writes(os_draft *d)
{
    const char *stems[5];
    d->kind = "processes";
    os_pick_many(d, os_stems, stems, 5);
    cmat_buf_puts(&d->init, "mkdir -p /var/lib/app\ncd /var/lib/app\n");
    for (int i = 0; i < 5; i++)
        cmat_buf_printf(&d->init, "echo x >%s\n", stems[i]);
    cmat_buf_printf(
        &d->start,
        "(exec >/dev/null 2>&1; while :; do echo tick >>/var/lib/app/%s; sleep 0.2; done) "
        "&",
        stems[os_below(d, 5)]);
    os_say(d,
           WAYS("Some process keeps writing to one of the files in /var/lib/app. Which file? (Its "
                "name only.)",
                "One file in /var/lib/app grows all the time. What is its name?"));
    os_gold_add(d, "sleep 0.5; ls -S /var/lib/app | head -1");
}

const os_family os_families_system[] = {
    {"archive_count", archive_count},
    {"archive_read", archive_read},
    {"archive_size", archive_size},
    {"weekday", weekday},
    {"days_between", days_between},
    {"user_shell", user_shell},
    {"user_id", user_id},
    {"user_groups", user_groups},
    {"highest_id", highest_id},
    {"count_processes", count_processes},
    {"process_argument", process_argument},
    {"who_writes", who_writes},
    {0},
};
