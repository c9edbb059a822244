/* root.c - the file system that every episode begins with. */
#include "env/os/box/root.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* All of it is as old as this, so that "changed in the last day" means the task's own files. */
enum { AGE = 1704067200 }; /* 2024-01-01 00:00:00 UTC */
enum { COPY_MAX = 1 << 20, DEPTH_MAX = 6 };

static const struct {
    const char *path;
    mode_t mode;
} folders[] = {
    {"base", 0755},
    {"base/boot", 0755},
    {"base/dev", 0755},
    {"base/etc", 0755},
    {"base/etc/default", 0755},
    {"base/etc/profile.d", 0755},
    {"base/etc/cron.d", 0755},
    {"base/etc/cron.daily", 0755},
    {"base/etc/skel", 0755},
    {"base/home", 0755},
    {"base/media", 0755},
    {"base/mnt", 0755},
    {"base/opt", 0755},
    {"base/proc", 0555},
    {"base/root", 0700},
    {"base/run", 0755},
    {"base/run/lock", 01777},
    {"base/srv", 0755},
    {"base/sys", 0555},
    {"base/tmp", 01777},
    {"base/usr", 0755},
    {"base/var", 0755},
    {"base/var/backups", 0755},
    {"base/var/cache", 0755},
    {"base/var/lib", 0755},
    {"base/var/lib/dpkg", 0755},
    {"base/var/local", 02775},
    {"base/var/log", 0755},
    {"base/var/mail", 02775},
    {"base/var/opt", 0755},
    {"base/var/spool", 0755},
    {"base/var/spool/cron", 0755},
    {"base/var/tmp", 01777},
    /* folders of /usr that root may write to, though the host's belong to somebody else */
    {"usr", 0755},
    {"usr/bin", 0755},
    {"usr/games", 0755},
    {"usr/include", 0755},
    {"usr/lib", 0755},
    {"usr/libexec", 0755},
    {"usr/local", 0755},
    {"usr/local/bin", 0755},
    {"usr/local/etc", 0755},
    {"usr/local/games", 0755},
    {"usr/local/include", 0755},
    {"usr/local/lib", 0755},
    {"usr/local/sbin", 0755},
    {"usr/local/share", 0755},
    {"usr/local/src", 0755},
    {"usr/sbin", 0755},
    {"usr/share", 0755},
    {"usr/src", 0755},
    {"mask", 0755},
};

static const struct {
    const char *path;
    mode_t mode;
    const char *text;
} files[] = {
    {"base/etc/passwd", 0644,
     "root:x:0:0:root:/root:/bin/bash\n"
     "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
     "bin:x:2:2:bin:/bin:/usr/sbin/nologin\n"
     "sys:x:3:3:sys:/dev:/usr/sbin/nologin\n"
     "sync:x:4:65534:sync:/bin:/bin/sync\n"
     "games:x:5:60:games:/usr/games:/usr/sbin/nologin\n"
     "man:x:6:12:man:/var/cache/man:/usr/sbin/nologin\n"
     "lp:x:7:7:lp:/var/spool/lpd:/usr/sbin/nologin\n"
     "mail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n"
     "news:x:9:9:news:/var/spool/news:/usr/sbin/nologin\n"
     "proxy:x:13:13:proxy:/bin:/usr/sbin/nologin\n"
     "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
     "backup:x:34:34:backup:/var/backups:/usr/sbin/nologin\n"
     "list:x:38:38:Mailing List Manager:/var/list:/usr/sbin/nologin\n"
     "_apt:x:100:65534::/nonexistent:/usr/sbin/nologin\n"
     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
    {"base/etc/group", 0644,
     "root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nlp:x:7:\n"
     "mail:x:8:\nnews:x:9:\nman:x:12:\nproxy:x:13:\nkmem:x:15:\ndialout:x:20:\nfax:x:21:\n"
     "voice:x:22:\ncdrom:x:24:\nfloppy:x:25:\ntape:x:26:\nsudo:x:27:\naudio:x:29:\ndip:x:30:\n"
     "www-data:x:33:\nbackup:x:34:\noperator:x:37:\nlist:x:38:\nsrc:x:40:\nshadow:x:42:\n"
     "utmp:x:43:\nvideo:x:44:\nsasl:x:45:\nplugdev:x:46:\nstaff:x:50:\ngames:x:60:\n"
     "users:x:100:\nnogroup:x:65534:\n"},
    {"base/etc/shadow", 0640,
     "root:*:19723:0:99999:7:::\ndaemon:*:19723:0:99999:7:::\nbin:*:19723:0:99999:7:::\n"
     "sys:*:19723:0:99999:7:::\nsync:*:19723:0:99999:7:::\ngames:*:19723:0:99999:7:::\n"
     "man:*:19723:0:99999:7:::\nlp:*:19723:0:99999:7:::\nmail:*:19723:0:99999:7:::\n"
     "news:*:19723:0:99999:7:::\nproxy:*:19723:0:99999:7:::\nwww-data:*:19723:0:99999:7:::\n"
     "backup:*:19723:0:99999:7:::\nlist:*:19723:0:99999:7:::\n_apt:*:19723:0:99999:7:::\n"
     "nobody:*:19723:0:99999:7:::\n"},
    {"base/etc/gshadow", 0640, "root:*::\nsudo:*::\nusers:*::\nnogroup:*::\n"},
    {"base/etc/hostname", 0644, "box\n"},
    {"base/etc/hosts", 0644, "127.0.0.1\tlocalhost box\n::1\tlocalhost\n"},
    {"base/etc/resolv.conf", 0644, "# there is no network\n"},
    {"base/etc/fstab", 0644, "# nothing is mounted by name\n"},
    {"base/etc/nsswitch.conf", 0644,
     "passwd: files\ngroup: files\nshadow: files\nhosts: files\nprotocols: files\n"
     "services: files\n"},
    {"base/etc/shells", 0644, "/bin/sh\n/bin/bash\n/usr/bin/bash\n"},
    {"base/etc/issue", 0644, "Debian GNU/Linux\n"},
    {"base/etc/profile", 0644,
     "if [ \"$(id -u)\" -eq 0 ]; then\n"
     "  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
     "else\n"
     "  PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games\n"
     "fi\n"
     "export PATH\n"},
    {"base/etc/bash.bashrc", 0644, ""},
    {"base/etc/environment", 0644, ""},
    {"base/etc/skel/.bashrc", 0644, ""},
    {"base/etc/skel/.profile", 0644, ""},
    {"base/root/.bashrc", 0644, ""},
    {"base/root/.profile", 0644, ""},
    {"base/etc/sudoers", 0440, "root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n"},
    {"base/var/lib/dpkg/status", 0644, ""},
    {"base/var/log/dpkg.log", 0644,
     "2024-01-01 00:00:00 startup archives install\n"
     "2024-01-01 00:00:00 install base-passwd:amd64 <none> 3.6.1\n"
     "2024-01-01 00:00:00 status installed base-passwd:amd64 3.6.1\n"
     "2024-01-01 00:00:00 install libgpg-error0:amd64 <none> 1.46-1\n"
     "2024-01-01 00:00:00 status half-configured libgpg-error0:amd64 1.46-1\n"
     "2024-01-01 00:00:00 status installed libgpg-error0:amd64 1.46-1\n"
     "2024-01-01 00:00:00 startup packages configure\n"},
    {"base/var/log/alternatives.log", 0644,
     "update-alternatives 2024-01-01 00:00:00: run with --install /usr/bin/awk awk "
     "/usr/bin/mawk 5\n"},
    {"base/var/log/lastlog", 0664, ""},
    {"base/var/log/wtmp", 0664, ""},
    {"base/var/log/btmp", 0660, ""},
};

static const struct {
    const char *path, *to;
} links[] = {
    {"base/var/run", "/run"},
    {"base/var/lock", "/run/lock"},
    {"base/etc/mtab", "/proc/self/mounts"},
    {"base/etc/os-release", "../usr/lib/os-release"},
};

/* Of the host's /etc: what programs need to run, nothing that says whose machine it is. */
static const char *const from_etc[] = {
    "adduser.conf",
    "alternatives",
    "bindresvport.blacklist",
    "debconf.conf",
    "debian_version",
    "default/useradd",
    "deluser.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "login.defs",
    "magic",
    "mime.types",
    "pam.conf",
    "pam.d",
    "protocols",
    "python3.11",
    "python3",
    "rpc",
    "security",
    "services",
    "ssl/openssl.cnf",
    "subgid",
    "timezone",
    "vim",
    "xattr.conf",
};

void box_root_age(const char *path)
{
    const struct timespec t[2] = {{.tv_sec = AGE}, {.tv_sec = AGE}};
    utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW);
}

static bool write_file(const char *path, mode_t mode, const void *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return errno == EEXIST;
    bool ok = write(fd, data, n) == (ssize_t)n && fchmod(fd, mode) == 0;
    close(fd);
    box_root_age(path);
    return ok;
}

static void copy_file(const char *from, const char *to, mode_t mode)
{
    static char data[COPY_MAX];
    int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd >= 0 ? read(fd, data, sizeof data) : -1;
    if (fd >= 0)
        close(fd);
    if (n >= 0 && n < COPY_MAX)
        write_file(to, mode & 0755, data, (size_t)n);
}

/* Copies what this user may read; what it may not is left out, as the programs then do too. */
static void copy_tree(const char *from, const char *to, int depth)
{
    struct stat st;
    char a[1024], b[1024], target[1024];
    if (lstat(from, &st) != 0 || depth > DEPTH_MAX)
        return;
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlink(from, target, sizeof target - 1);
        if (n > 0) {
            target[n] = '\0';
            if (symlink(target, to) == 0)
                box_root_age(to);
        }
    } else if (S_ISREG(st.st_mode)) {
        copy_file(from, to, st.st_mode);
    } else if (S_ISDIR(st.st_mode)) {
        DIR *d = opendir(from);
        if (!d)
            return;
        mkdir(to, 0755);
        for (struct dirent *e; (e = readdir(d));) {
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                continue;
            if (snprintf(a, sizeof a, "%s/%s", from, e->d_name) < (int)sizeof a &&
                snprintf(b, sizeof b, "%s/%s", to, e->d_name) < (int)sizeof b)
                copy_tree(a, b, depth + 1);
        }
        closedir(d);
        box_root_age(to);
    }
}

/* Makes the folders above path, which lies below the current folder. */
static void make_parents(char *path)
{
    for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
}

/* Folders shown of the host's /usr/share, /usr/lib and /usr; "*" at the end: names that begin so.
 */
static const char *const shown_share[] = {"awk",
                                          "base-files",
                                          "base-passwd",
                                          "bash-completion",
                                          "common-licenses",
                                          "dict",
                                          "file",
                                          "git-core",
                                          "i18n",
                                          "info",
                                          "libc-bin",
                                          "misc",
                                          "nano",
                                          "pam*",
                                          "perl*",
                                          "python3*",
                                          "tabset",
                                          "terminfo",
                                          "vim",
                                          "zoneinfo",
                                          "ca-certificates",
                                          NULL};
static const char *const shown_lib[] = {
    "apt",   "dpkg", "file",    "git-core",  "init",     "locale",           "mime",
    "perl*", "pam*", "python3", "python3.*", "sasl2",    "security",         "sftp-server",
    "ssl",   "sudo", "tar",     "tc",        "terminfo", "x86_64-linux-gnu", "aarch64-linux-gnu",
    NULL};
static const char *const shown_usr[] = {"bin", "games", "lib*", "sbin", "share", NULL};

static bool is_shown(const char *name, const char *const *list)
{
    for (; *list; list++) {
        const size_t n = strlen(*list);
        if (strcmp(*list, name) == 0 || ((*list)[n - 1] == '*' && strncmp(*list, name, n - 1) == 0))
            return true;
    }
    return false;
}

/* Hides the folders of `of` that are not in the list: a whiteout (character device 0:0) in a layer
 * takes the name out of those below. Files and links stay. */
static void hide_others(const char *of, const char *mask, const char *const *list)
{
    char path[512];
    struct stat st;
    DIR *d = opendir(of);
    mkdir(mask, 0755);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (*e->d_name == '.' || is_shown(e->d_name, list))
            continue;
        snprintf(path, sizeof path, "%.200s/%.255s", of, e->d_name);
        if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode))
            continue;
        snprintf(path, sizeof path, "%.200s/%.255s", mask, e->d_name);
        mknod(path, S_IFCHR, makedev(0, 0));
    }
    if (d)
        closedir(d);
    box_root_age(mask);
}

/* /bin, /sbin, /lib*: links into /usr where the host has them so, else folders to be mounted on. */
static void system_links(void)
{
    static const char *const names[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
    char host[32], to[64], target[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat st;
        snprintf(host, sizeof host, "/%s", names[i]);
        snprintf(to, sizeof to, "base/%s", names[i]);
        if (lstat(host, &st) != 0)
            continue;
        ssize_t n = S_ISLNK(st.st_mode) ? readlink(host, target, sizeof target - 1) : -1;
        if (n > 0) {
            target[n] = '\0';
            if (symlink(target, to) == 0)
                box_root_age(to);
        } else {
            mkdir(to, 0755);
        }
    }
}

bool box_root_make(const char *dir, const char **what)
{
    char from[256], to[256];
    *what = dir;
    umask(0);
    if (chdir(dir) != 0)
        return false;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        *what = folders[i].path;
        if (mkdir(folders[i].path, folders[i].mode) != 0 && errno != EEXIST)
            return false;
        chmod(folders[i].path, folders[i].mode);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        *what = files[i].path;
        if (!write_file(files[i].path, files[i].mode, files[i].text, strlen(files[i].text)))
            return false;
    }
    if (chown("base/etc/shadow", 0, 42) != 0 || chown("base/etc/gshadow", 0, 42) != 0)
        errno = 0; /* with one user only they stay root's */
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (symlink(links[i].to, links[i].path) == 0)
            box_root_age(links[i].path);
    for (size_t i = 0; i < sizeof from_etc / sizeof *from_etc; i++) {
        snprintf(from, sizeof from, "/etc/%s", from_etc[i]);
        snprintf(to, sizeof to, "base/etc/%s", from_etc[i]);
        make_parents(to);
        copy_tree(from, to, 0);
    }
    system_links();
    hide_others("/usr", "mask", shown_usr);
    hide_others("/usr/share", "mask/share", shown_share);
    hide_others("/usr/lib", "mask/lib", shown_lib);
    for (size_t i = sizeof folders / sizeof *folders; i-- > 0;)
        box_root_age(folders[i].path);
    return true;
}
