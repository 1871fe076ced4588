#include "agent_os.h"

#include "dgon/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int log_fd = STDERR_FILENO;
static int pid_fd = -1;

static void signal_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

static void raise_file_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

void agent_os_prepare(void)
{
    sigset_t set;
    signal_set(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    /* Prompts and tokens are in memory: no core file, no ptrace by the same user. */
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    /* libwebsockets would take this one by itself; the proxy is a key of the configuration only. */
    (void)unsetenv("http_proxy");
    (void)setenv("RES_OPTIONS", "timeout:2 attempts:2", 0);
}

int agent_os_signal_open(void)
{
    sigset_t set;
    signal_set(&set);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

agent_os_signal agent_os_signal_next(int fd)
{
    struct signalfd_siginfo info;
    ssize_t n = read(fd, &info, sizeof info);
    if (n != (ssize_t)sizeof info) {
        return AGENT_OS_SIGNAL_NONE;
    }
    return info.ssi_signo == SIGHUP ? AGENT_OS_SIGNAL_RELOAD : AGENT_OS_SIGNAL_STOP;
}

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

uint64_t agent_os_now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

uint64_t agent_os_slept_ms(void)
{
    uint64_t awake = clock_ms(CLOCK_MONOTONIC), all = clock_ms(CLOCK_BOOTTIME);
    return all > awake ? all - awake : 0;
}

uint32_t agent_os_random(void)
{
    uint32_t v = 0;
    if (getrandom(&v, sizeof v, 0) != (ssize_t)sizeof v) {
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        v = (uint32_t)t.tv_nsec * 2654435761u ^ (uint32_t)getpid();
    }
    return v;
}

void agent_os_wipe(void *p, size_t n)
{
    if (p != NULL) {
        explicit_bzero(p, n);
    }
}

const char *agent_os_name(void)
{
    return "linux";
}

const char *agent_os_default_config(void)
{
    return "/etc/dgon/agent.conf";
}

const char *agent_os_start_command(const char *config)
{
    static char text[600];
    if (strcmp(config, agent_os_default_config()) == 0 &&
        access("/run/systemd/system", F_OK) == 0) {
        return "sudo systemctl enable --now dgon-agent";
    }
    (void)snprintf(text, sizeof text, "dgon-agent --config %s", config);
    return text;
}

const char *agent_os_default_credential(void)
{
    return "/var/lib/dgon-agent/credential";
}

void agent_os_hostname(char *out, size_t size)
{
    if (size == 0 || gethostname(out, size) != 0) {
        (void)snprintf(out, size, "localhost");
    }
    out[size - 1] = '\0';
}

const char *agent_os_getenv(const char *name)
{
    return getenv(name);
}

const char *agent_os_credentials(void)
{
    return getenv("CREDENTIALS_DIRECTORY");
}

static dgon_status read_all(int fd, dgon_buf *out)
{
    for (;;) {
        char piece[4096];
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            agent_os_wipe(piece, sizeof piece);
            return n == 0 ? DGON_OK : DGON_ESYS;
        }
        dgon_status s = dgon_buf_add(out, piece, (size_t)n);
        if (s != DGON_OK) {
            agent_os_wipe(piece, sizeof piece);
            return s;
        }
    }
}

dgon_status agent_os_read_file(const char *path, bool secret, dgon_buf *out, char *why,
                               size_t why_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    dgon_status s = DGON_ESYS;
    if (fd < 0 || fstat(fd, &st) != 0) {
        (void)snprintf(why, why_size, "%s", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        (void)snprintf(why, why_size, "not a regular file");
    } else if (secret && (st.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
        (void)snprintf(why, why_size,
                       "mode %03o lets others read or change a secret; use chmod 600",
                       (unsigned)(st.st_mode & 0777u));
    } else {
        s = read_all(fd, out);
        if (s != DGON_OK) {
            (void)snprintf(why, why_size, "%s",
                           s == DGON_ESYS ? strerror(errno) : dgon_status_str(s));
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return s;
}

bool agent_os_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* The directory of path, made if it is missing; "" when the path is too long. */
static void directory_of(const char *path, bool secret, char *dir, size_t size)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    (void)snprintf(dir, size, "%.*s", (int)n, slash != NULL ? path : ".");
    (void)mkdir(dir, secret ? 0700 : 0755);
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR) {
            continue;
        }
        if (k <= 0) {
            return false;
        }
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* root writes for whoever the directory belongs to: the service's user. */
static bool give_to_owner(int fd, const char *dir)
{
    struct stat st;
    return geteuid() != 0 || (stat(dir, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) == 0);
}

static bool sync_directory(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

dgon_status agent_os_write_file(const char *path, bool secret, const void *p, size_t n, char *why,
                                size_t why_size)
{
    char dir[4096], name[4096];
    int len = snprintf(name, sizeof name, "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof name) {
        (void)snprintf(why, why_size, "the path is too long");
        return DGON_ETOOBIG;
    }
    directory_of(path, secret, dir, sizeof dir);
    (void)unlink(name); /* of one that was killed */
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write_all(fd, p, n) && give_to_owner(fd, dir) &&
              fchmod(fd, secret ? 0600 : 0644) == 0 && fsync(fd) == 0 && rename(name, path) == 0 &&
              sync_directory(dir);
    if (!ok) {
        (void)snprintf(why, why_size, "%s", strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok ? DGON_OK : DGON_ESYS;
}

static bool ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n > m && memcmp(s + n - m, suffix, m) == 0;
}

dgon_status agent_os_list(const char *dir, const char *suffix,
                          void (*fn)(void *user, const char *path), void *user)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, NULL, alphasort);
    if (n < 0) {
        return errno == ENOENT || errno == ENOTDIR ? DGON_OK : DGON_ESYS;
    }
    for (int i = 0; i < n; i++) {
        char path[4096];
        int len = snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && ends_with(names[i]->d_name, suffix) && len > 0 &&
            (size_t)len < sizeof path) {
            fn(user, path);
        }
        free(names[i]);
    }
    free(names);
    return DGON_OK;
}

dgon_status agent_os_pid_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return DGON_ESYS;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        return DGON_EEXIST;
    }
    char text[24];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || write(fd, text, (size_t)n) != n) {
        (void)close(fd);
        return DGON_ESYS;
    }
    pid_fd = fd; /* the lock lives as long as the process */
    return DGON_OK;
}

void agent_os_pid_file_remove(const char *path)
{
    if (pid_fd >= 0) {
        (void)unlink(path);
        (void)close(pid_fd);
        pid_fd = -1;
    }
}

void agent_os_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = path != NULL ? strlen(path) : 0;
    if (n == 0 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(to.sun_path, path, n);
    if (path[0] == '@') {
        to.sun_path[0] = '\0'; /* abstract name */
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
        (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to, len);
        (void)close(fd);
    }
}

uint32_t agent_os_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())) {
        return 0;
    }
    unsigned long long v = strtoull(usec, NULL, 10) / 2000u;
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

dgon_status agent_os_log_open(const char *path)
{
    int fd = STDERR_FILENO;
    if (path[0] != '\0') {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
        if (fd < 0) {
            return DGON_ESYS;
        }
    }
    if (log_fd != STDERR_FILENO) {
        (void)close(log_fd);
    }
    log_fd = fd;
    return DGON_OK;
}

/* Under the journal a line carries its priority; it has its own clock. Elsewhere the line carries
 * the time. */
static size_t log_prefix(int level, char *out, size_t size)
{
    static const char *const names[8] = {"emerg", "alert",  "crit", "error",
                                         "warn",  "notice", "info", "debug"};
    if (log_fd == STDERR_FILENO && getenv("JOURNAL_STREAM") != NULL) {
        return (size_t)snprintf(out, size, "<%d>", level & 7);
    }
    struct timespec now;
    struct tm tm;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    char when[32];
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    return (size_t)snprintf(out, size, "%s.%03ldZ %s ", when, now.tv_nsec / 1000000,
                            names[level & 7]);
}

void agent_os_log_write(int level, const char *text, size_t n)
{
    char line[1200];
    size_t at = log_prefix(level, line, sizeof line);
    if (n > sizeof line - at - 1) {
        n = sizeof line - at - 1;
    }
    memcpy(line + at, text, n);
    line[at + n] = '\n';
    ssize_t done =
        write(log_fd, line, at + n + 1); /* one write: lines of several processes never mix */
    (void)done;
}
