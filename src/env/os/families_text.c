/* families_text.c - made tasks: logs, tables, settings, words. */
#include "env/os/make.h"

#define WAYS(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

/* Lines "2024-03-07 14:05:09 LEVEL service: words" in ~/dir/name.log, in the order of time. */
static void make_log(os_draft *d, const char *dir, const char *name)
{
    const char *services[3];
    const int n = os_between(d, 18, 40), day = os_between(d, 1, 20), month = os_between(d, 1, 12);
    os_pick_many(d, os_services, services, 3);
    cmat_buf_printf(&d->init, "mkdir -p ~/%s\ncat >~/%s/%s.log <<'END'\n", dir, dir, name);
    for (int i = 0; i < n; i++)
        cmat_buf_printf(&d->init, "2024-%02d-%02d %02d:%02d:%02d %s %s: %s %d\n", month,
                        day + i / 12, 6 + i % 12, os_between(d, 0, 59), os_between(d, 0, 59),
                        os_pick(d, os_levels), services[os_below(d, 3)], os_pick(d, os_words),
                        os_between(d, 1, 500));
    cmat_buf_puts(&d->init, "END\n");
}

static void begin_log(os_draft *d, const char **dir, const char **name)
{
    d->kind = "text";
    *dir = os_pick(d, os_folders);
    *name = os_pick(d, os_stems);
    make_log(d, *dir, *name);
}

static void log_level(os_draft *d)
{
    const char *dir, *name, *level = os_pick(d, os_levels);
    begin_log(d, &dir, &name);
    d->number = true;
    os_say(
        d,
        WAYS("How many lines of ~/%1$s/%2$s.log have the level %3$s?",
             "Count the %3$s entries in the file %2$s.log in the folder %1$s of your home folder."),
        dir, name, level);
    os_gold_add(d, "head -3 ~/%s/%s.log", dir, name);
    os_gold_add(d, "awk '$3 == \"%s\"' ~/%s/%s.log | wc -l", level, dir, name);
}

static void log_service(os_draft *d)
{
    const char *dir, *name;
    begin_log(d, &dir, &name);
    os_say(d,
           WAYS("Which service wrote the most lines to ~/%s/%s.log? (Its name without the colon.)",
                "The log ~/%s/%s.log names a service in each line. Which one comes most often?"),
           dir, name);
    os_gold_add(d, "head -3 ~/%s/%s.log", dir, name);
    os_gold_add(
        d,
        "awk '{ n[$4]++ } END { for (s in n) { if (n[s] == m) b = \"\"; if (n[s] > m) { m = "
        "n[s]; b = s } } print b }' ~/%s/%s.log | tr -d :",
        dir, name);
}

static void log_day(os_draft *d)
{
    const char *dir, *name, *level = os_pick(d, os_levels);
    begin_log(d, &dir, &name);
    d->number = true;
    os_say(d,
           WAYS("On how many different days does ~/%1$s/%2$s.log have a %3$s entry?",
                "Count the distinct dates with at least one %3$s line in ~/%1$s/%2$s.log."),
           dir, name, level);
    os_gold_add(d, "grep ' %s ' ~/%s/%s.log | cut -d' ' -f1 | sort -u | wc -l", level, dir, name);
}

static void log_hours(os_draft *d)
{
    const char *dir, *name;
    const int hour = os_between(d, 8, 15);
    begin_log(d, &dir, &name);
    d->number = true;
    os_say(d,
           WAYS("How many lines of ~/%s/%s.log were written before %02d:00 on their day?",
                "Count the entries of ~/%s/%s.log whose time of day is earlier than %02d:00."),
           dir, name, hour);
    os_gold_add(d, "awk '$2 < \"%02d:00:00\"' ~/%s/%s.log | wc -l", hour, dir, name);
}

static void log_last(os_draft *d)
{
    const char *dir, *name, *level = os_pick(d, os_levels);
    begin_log(d, &dir, &name);
    d->number = true;
    os_say(
        d,
        WAYS("Every line of ~/%1$s/%2$s.log ends in a number. What is it in the last %3$s line?",
             "Find the last line with level %3$s in ~/%1$s/%2$s.log. What number does it end in?"),
        dir, name, level);
    os_gold_add(d, "grep ' %s ' ~/%s/%s.log | tail -1 | awk '{ print $NF }'", level, dir, name);
}

/* ---- tables ---- */

/* name,city,amount,paid: sums differ. */
static void begin_table(os_draft *d, const char **file)
{
    const char *people[12];
    const int n = os_between(d, 7, 12);
    d->kind = "text";
    cmat_buf_printf(&d->dir, "/srv/%s/%s.csv", os_pick(d, os_folders), os_pick(d, os_stems));
    *file = d->dir.data;
    os_pick_many(d, os_people, people, 12);
    cmat_buf_printf(&d->init,
                    "mkdir -p \"$(dirname %s)\"\ncat >%s <<'END'\nname,city,amount,paid\n", *file,
                    *file);
    for (int i = 0; i < n; i++)
        cmat_buf_printf(&d->init, "%s,%s,%d,%s\n", people[i], os_cities[os_below(d, 5)],
                        os_between(d, 10, 99) * 12 + i, os_below(d, 2) ? "yes" : "no");
    cmat_buf_puts(&d->init, "END\n");
}

static void table_sum(os_draft *d)
{
    const char *file, *city = os_cities[os_below(d, 5)];
    begin_table(d, &file);
    d->number = true;
    os_say(d,
           WAYS("What is the sum of the column amount over all rows of %s with the city %s?",
                "Add up the amounts of %s for the city %s."),
           file, city);
    os_gold_add(d, "head -2 %s", file);
    os_gold_add(d, "awk -F, '$2 == \"%s\" { s += $3 } END { print s + 0 }' %s", city, file);
}

static void table_max(os_draft *d)
{
    const char *file;
    const bool most = os_below(d, 2) != 0;
    begin_table(d, &file);
    os_say(d,
           WAYS("Who has the %2$s amount in %1$s?",
                "Give the name in the row of %1$s with the %2$s amount."),
           file, most ? "largest" : "smallest");
    os_gold_add(d, "tail -n +2 %s | sort -t, -k3,3n | %s -1 | cut -d, -f1", file,
                most ? "tail" : "head");
}

static void table_count(os_draft *d)
{
    const char *file, *paid = os_below(d, 2) ? "yes" : "no";
    const int limit = os_between(d, 3, 10) * 100;
    begin_table(d, &file);
    d->number = true;
    os_say(d,
           WAYS("How many rows of %1$s have an amount above %3$d and \"%2$s\" in the column paid?",
                "In %1$s, count the rows where paid is %2$s and amount is greater than %3$d."),
           file, paid, limit);
    os_gold_add(d, "awk -F, 'NR > 1 && $3 > %d && $4 == \"%s\"' %s | wc -l", limit, paid, file);
}

static void table_distinct(os_draft *d)
{
    const char *file;
    begin_table(d, &file);
    d->number = true;
    os_say(d,
           WAYS("How many different cities occur in %s?",
                "Count the distinct values of the column city in %s."),
           file);
    os_gold_add(d, "tail -n +2 %s | cut -d, -f2 | sort -u | wc -l", file);
}

/* Two lists of names; who is in one only. */
static void list_difference(os_draft *d)
{
    const char *people[12], *dir = os_pick(d, os_folders);
    const int both = os_between(d, 2, 4), only = os_between(d, 1, 4);
    d->kind = "text";
    d->number = true;
    os_pick_many(d, os_people, people, 12);
    cmat_buf_printf(&d->init, "mkdir -p ~/%s; cd ~/%s\nprintf '%%s\\n'", dir, dir);
    for (int i = 0; i < both + only; i++)
        cmat_buf_printf(&d->init, " %s", people[i]);
    cmat_buf_puts(&d->init, " | shuf --random-source=/etc/passwd >invited\nprintf '%s\\n'");
    for (int i = 0; i < both; i++)
        cmat_buf_printf(&d->init, " %s", people[i]);
    cmat_buf_printf(&d->init, " %s | shuf --random-source=/etc/group >came\n", people[11]);
    os_say(
        d,
        WAYS("~/%1$s/invited and ~/%1$s/came hold one name a line. How many of those invited did "
             "not come?",
             "How many names stand in ~/%1$s/invited but not in ~/%1$s/came?"),
        dir);
    os_gold_add(d, "grep -vxFf ~/%s/came ~/%s/invited | wc -l", dir, dir);
}

static void setting(os_draft *d)
{
    const char *services[4], *key[3];
    d->kind = "text";
    d->number = true;
    os_pick_many(d, os_services, services, 4);
    os_pick_many(d, os_words, key, 3);
    const size_t which = os_below(d, 4), k = os_below(d, 3);
    cmat_buf_puts(&d->init, "cat >/etc/site.conf <<'END'\n");
    for (int i = 0; i < 4; i++) {
        cmat_buf_printf(&d->init, "[%s]\n", services[i]);
        for (int j = 0; j < 3; j++)
            cmat_buf_printf(&d->init, "%s = %d\n", key[j], os_between(d, 100, 9999));
        cmat_buf_puts(&d->init, "\n");
    }
    cmat_buf_puts(&d->init, "END\n");
    os_say(
        d,
        WAYS("What is the value of %s in the section [%s] of /etc/site.conf?",
             "/etc/site.conf has sections in brackets. Which value does it give \"%s\" in [%s]?"),
        key[k], services[which]);
    os_gold_add(d, "cat /etc/site.conf");
    os_gold_add(d, "sed -n '/^\\[%s\\]/,/^$/s/^%s = //p' /etc/site.conf", services[which], key[k]);
}

static void word_count(os_draft *d)
{
    const char *words[4], *dir = os_pick(d, os_folders), *name = os_pick(d, os_stems);
    const int n = os_between(d, 30, 60);
    d->kind = "text";
    d->number = true;
    os_pick_many(d, os_words, words, 4);
    cmat_buf_printf(&d->init, "mkdir -p /opt/%s\ncat >/opt/%s/%s.txt <<'END'\n", dir, dir, name);
    for (int i = 0; i < n; i++)
        cmat_buf_printf(&d->init, "%s%s", words[os_below(d, 4)],
                        i % 6 == 5 || i == n - 1 ? "\n" : " ");
    cmat_buf_puts(&d->init, "END\n");
    if (os_below(d, 2)) {
        os_say(d,
               WAYS("How many times does the word \"%3$s\" occur in /opt/%1$s/%2$s.txt? A line may "
                    "hold it several times.",
                    "Count all occurrences of \"%3$s\" in /opt/%1$s/%2$s.txt, not just the lines."),
               dir, name, words[0]);
        os_gold_add(d, "grep -o '%s' /opt/%s/%s.txt | wc -l", words[0], dir, name);
    } else {
        os_say(d,
               WAYS("How many lines of /opt/%1$s/%2$s.txt do not contain the word \"%3$s\"?",
                    "Count the lines in /opt/%1$s/%2$s.txt without \"%3$s\"."),
               dir, name, words[0]);
        os_gold_add(d, "grep -vc '%s' /opt/%s/%s.txt", words[0], dir, name);
    }
}

static void longest_line(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *name = os_pick(d, os_stems);
    const int n = os_between(d, 8, 16);
    d->kind = "text";
    d->number = true;
    cmat_buf_printf(&d->init, "mkdir -p /opt/%s\ncat >/opt/%s/%s.md <<'END'\n", dir, dir, name);
    for (int i = 0; i < n; i++) {
        const int k = os_between(d, 1, 7);
        for (int j = 0; j < k; j++)
            cmat_buf_printf(&d->init, "%s%s", j ? " " : "", os_pick(d, os_words));
        cmat_buf_puts(&d->init, "\n");
    }
    cmat_buf_puts(&d->init, "END\n");
    os_say(d,
           WAYS("How many characters does the longest line of /opt/%s/%s.md have?",
                "What is the length, in characters, of the longest line in /opt/%s/%s.md?"),
           dir, name);
    os_gold_add(d, "awk '{ if (length($0) > m) m = length($0) } END { print m }' /opt/%s/%s.md",
                dir, name);
}

static void nth_line(os_draft *d)
{
    const char *dir = os_pick(d, os_folders), *words[12];
    const int n = os_between(d, 9, 12), k = os_between(d, 2, n - 1);
    d->kind = "text";
    os_pick_many(d, os_words, words, (size_t)n);
    cmat_buf_printf(&d->init, "mkdir -p ~/%s\nprintf '%%s\\n'", dir);
    for (int i = 0; i < n; i++)
        cmat_buf_printf(&d->init, " %s", words[i]);
    cmat_buf_printf(&d->init, " >~/%s/list.txt\n", dir);
    if (os_below(d, 2)) {
        os_say(d,
               WAYS("Which word is on line %2$d of ~/%1$s/list.txt?",
                    "Give line number %2$d of the file list.txt in ~/%1$s."),
               dir, k);
        os_gold_add(d, "sed -n %dp ~/%s/list.txt", k, dir);
    } else {
        os_say(d,
               WAYS("If ~/%1$s/list.txt were sorted by the alphabet, which word would be on line "
                    "%2$d?",
                    "Which is word number %2$d of ~/%1$s/list.txt in alphabetical order?"),
               dir, k);
        os_gold_add(d, "sort ~/%s/list.txt | sed -n %dp", dir, k);
    }
}

const os_family os_families_text[] = {
    {"log_level", log_level},
    {"log_service", log_service},
    {"log_day", log_day},
    {"log_hours", log_hours},
    {"log_last", log_last},
    {"table_sum", table_sum},
    {"table_max", table_max},
    {"table_count", table_count},
    {"table_distinct", table_distinct},
    {"list_difference", list_difference},
    {"setting", setting},
    {"word_count", word_count},
    {"longest_line", longest_line},
    {"nth_line", nth_line},
    {0},
};
