/* tests/private_server.c - see private_server.h. */
#include "private_server.h"
#include "core/mem.h"
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The newest of the files that fit, or NULL; the caller's to free(). */
static char *find(const char *pattern)
{
    glob_t g;
    char *path = NULL;
    if (glob(pattern, 0, NULL, &g) == 0 && g.gl_pathc > 0)
        path = cmat_xstrdup(g.gl_pathv[g.gl_pathc - 1]);
    globfree(&g);
    return path;
}

/* PostgreSQL does not run as root. */
static const struct passwd *other_user(void)
{
    const struct passwd *p = geteuid() == 0 ? getpwnam("postgres") : NULL;
    return p ? p : geteuid() == 0 ? getpwnam("nobody") : NULL;
}

static pid_t start(const char *dir, const struct passwd *as, char *const argv[])
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    char *log = cmat_xasprintf("%s/log", dir);
    if (!freopen(log, "a", stdout) || !freopen(log, "a", stderr) || chdir(dir) != 0)
        _exit(126);
    if (as && (setgid(as->pw_gid) != 0 || setuid(as->pw_uid) != 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* another user's process forgets it */
    execvp(argv[0], argv);
    _exit(127);
}

static bool run(const char *dir, const struct passwd *as, char *const argv[])
{
    int status = -1;
    pid_t pid = start(dir, as, argv);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* Runs SQL by the server's own client; false: it did not work. */
static bool admin(const private_server *s, const char *database, const char *sql)
{
    char *socket = cmat_xasprintf("%s/s", s->dir);
    char *maria[] = {access("/usr/bin/mariadb", X_OK) == 0 ? "mariadb" : "mysql",
                     "--no-defaults",
                     "-S",
                     socket,
                     "-e",
                     (char *)sql,
                     NULL};
    char *postgres[] = {"psql",           "-q", "-h",        s->dir, "-U", "postgres", "-d",
                        (char *)database, "-c", (char *)sql, NULL};
    bool ok = run(s->dir, NULL, s->kind == PRIVATE_POSTGRES ? postgres : maria);
    free(socket);
    return ok;
}

static bool wait_for(const private_server *s)
{
    for (int i = 0; i < 1000; i++) {
        if (admin(s, "postgres", "SELECT 1"))
            return true;
        usleep(10000);
    }
    return false;
}

/* MySQL's own server, or NULL: where MariaDB is installed the name is a link to its server. */
static char *find_mysqld(const char *dir)
{
    const char *named = getenv("CMAT_TEST_MYSQLD");
    char *server = find(named ? named : "/usr/sbin/mysqld"), text[256] = "MariaDB";
    char *log = cmat_xasprintf("%s/log", dir);
    char *version[] = {server, "--version", NULL};
    FILE *f = server && run(dir, NULL, version) ? fopen(log, "r") : NULL;
    if (f && !fgets(text, sizeof text, f))
        strcpy(text, "MariaDB");
    if (f)
        fclose(f);
    if (strstr(text, "MariaDB")) {
        free(server);
        server = NULL;
    }
    free(log);
    return server;
}

/* Not one of its files has to outlive the test. */
static bool start_maria_or_mysql(private_server *s)
{
    const bool maria = s->kind == PRIVATE_MARIADB;
    char *server = maria ? find("/usr/sbin/mariadbd") : find_mysqld(s->dir);
    char *install = maria ? find("/usr/bin/mariadb-install-db") : cmat_xstrdup(server);
    char *data = cmat_xasprintf("--datadir=%s/data", s->dir);
    char *socket = cmat_xasprintf("--socket=%s/s", s->dir);
    char *user = cmat_xasprintf("--user=%s", geteuid() == 0 ? "root" : getenv("USER"));
    char *make_maria[] = {install,
                          "--no-defaults",
                          data,
                          "--auth-root-authentication-method=normal",
                          "--skip-test-db",
                          user,
                          "--innodb-log-file-size=4M",
                          NULL};
    char *make_mysql[] = {install, "--no-defaults",
                          data,    "--initialize-insecure",
                          user,    "--innodb-flush-method=nosync",
                          NULL};
    char *serve[] = {server,
                     "--no-defaults",
                     data,
                     socket,
                     user,
                     "--skip-networking",
                     "--skip-log-bin",
                     "--innodb-buffer-pool-size=16M",
                     "--innodb-flush-log-at-trx-commit=0",
                     maria ? NULL : "--innodb-flush-method=nosync",
                     "--secure-file-priv=NULL", /* else a folder that the package makes */
                     "--mysqlx=OFF",
                     NULL};
    bool ok = install && server && run(s->dir, NULL, maria ? make_maria : make_mysql);
    if (ok)
        s->pid = start(s->dir, NULL, serve);
    ok = ok && wait_for(s) &&
         admin(s, NULL,
               "CREATE USER cmat@localhost; CREATE DATABASE shop; GRANT ALL ON shop.* TO "
               "cmat@localhost; GRANT ALL ON `cmat\\_%`.* TO cmat@localhost");
    s->url = cmat_xasprintf("mysql://cmat@localhost/shop?socket=%s/s", s->dir);
    s->admin_url = private_server_url(s, "root", "&allow_superuser=1");
    char *all[] = {install, server, data, socket, user};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return ok;
}

static bool start_postgres(private_server *s)
{
    const struct passwd *as = other_user();
    char *init = find("/usr/lib/postgresql/*/bin/initdb");
    char *server = find("/usr/lib/postgresql/*/bin/postgres");
    char *data = cmat_xasprintf("%s/data", s->dir);
    char *make[] = {
        init, "-D",   data, "-A", "trust", "-U", "postgres", "--no-sync", "--locale=C.UTF-8",
        "-E", "UTF8", NULL};
    char *serve[] = {server,
                     "-D",
                     data,
                     "-k",
                     s->dir,
                     "-c",
                     "listen_addresses=",
                     "-c",
                     "fsync=off",
                     "-c",
                     "shared_buffers=16MB",
                     NULL};
    bool ok = init && server && (!as || chown(s->dir, as->pw_uid, as->pw_gid) == 0) &&
              run(s->dir, as, make);
    if (ok)
        s->pid = start(s->dir, as, serve);
    ok = ok && wait_for(s) && admin(s, "postgres", "CREATE ROLE cmat LOGIN") &&
         admin(s, "postgres", "CREATE DATABASE shop") &&
         admin(s, "shop", "GRANT ALL ON DATABASE shop TO cmat; GRANT ALL ON SCHEMA public TO cmat");
    s->url = cmat_xasprintf("postgresql:///shop?host=%s&user=cmat", s->dir);
    s->admin_url = private_server_url(s, "postgres", "&allow_superuser=1");
    free(init);
    free(server);
    free(data);
    return ok;
}

char *private_server_url(const private_server *s, const char *user, const char *more)
{
    return s->kind == PRIVATE_POSTGRES
               ? cmat_xasprintf("postgresql:///shop?host=%s&user=%s%s", s->dir, user, more)
               : cmat_xasprintf("mysql://%s@localhost/shop?socket=%s/s%s", user, s->dir, more);
}

private_server *private_server_start(private_server_kind kind)
{
    static const char *const names[] = {"MariaDB", "PostgreSQL", "MySQL"};
    private_server *s = cmat_xcalloc(1, sizeof *s);
    char dir[] = "/tmp/cmat-server-XXXXXX";
    s->kind = kind;
    s->dir = cmat_xstrdup(mkdtemp(dir) ? dir : "/tmp");
    chmod(s->dir, 0755);
    if (kind == PRIVATE_POSTGRES ? start_postgres(s) : start_maria_or_mysql(s))
        return s;
    printf("%s: no server here (or it does not start): its tests are left out\n", names[kind]);
    private_server_stop(s);
    return NULL;
}

void private_server_stop(private_server *s)
{
    if (!s)
        return;
    if (s->pid > 0) {
        kill(s->pid, SIGQUIT); /* PostgreSQL: at once */
        if (s->kind != PRIVATE_POSTGRES)
            kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    if (!strncmp(s->dir, "/tmp/cmat-server-", 17)) {
        char *command = cmat_xasprintf("rm -rf '%s'", s->dir);
        if (system(command) != 0)
            printf("%s could not be removed\n", s->dir);
        free(command);
    }
    free(s->url);
    free(s->admin_url);
    free(s->dir);
    free(s);
}
