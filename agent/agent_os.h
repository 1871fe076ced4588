/* Everything the agent asks of the operating system, behind one door: service manager, signals,
 * clocks, files, log sink, name look-up. os/posix/agent_os.c is one implementation; nothing else in
 * agent/ makes POSIX calls, except agent_loop.c (epoll, signalfd). All calls are for the one thread
 * of the agent. */
#ifndef AGENT_OS_H
#define AGENT_OS_H

#include "dgon/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_OS_ADDR_MAX  64 /* text of an IPv6 address with its scope */
#define AGENT_OS_ADDRS_MAX 4

typedef enum agent_os_signal {
    AGENT_OS_SIGNAL_NONE = 0,
    AGENT_OS_SIGNAL_STOP,  /* SIGTERM, SIGINT */
    AGENT_OS_SIGNAL_RELOAD /* SIGHUP */
} agent_os_signal;

/* Once, before any thread or library starts: blocks the signals that the loop reads, raises the
 * limit of open files, switches core dumps off, and takes proxies and slow DNS defaults out of the
 * environment. */
void agent_os_prepare(void);
/* A descriptor that is readable when a signal came; -1 on failure. The caller closes it. */
int agent_os_signal_open(void);
agent_os_signal agent_os_signal_next(int fd);

/* Milliseconds of CLOCK_MONOTONIC: the only clock used for timers. */
uint64_t agent_os_now_ms(void);
/* How long this machine has slept since boot, in ms; it jumps on wake-up. */
uint64_t agent_os_slept_ms(void);
uint32_t agent_os_random(void);
/* Zeroes memory that held a secret, even if nobody reads it again. */
void agent_os_wipe(void *p, size_t n);

const char *agent_os_name(void);
const char *agent_os_default_config(void);
/* What a person types to start the agent with this configuration; static storage, one caller. */
const char *agent_os_start_command(const char *config);
/* Where the secret of the agent as a service is. */
const char *agent_os_default_credential(void);
void agent_os_hostname(char *out, size_t size);
/* An environment variable, or NULL. */
const char *agent_os_getenv(const char *name);
/* Directory of the service manager's credentials, or NULL. */
const char *agent_os_credentials(void);

/* Whole file into `out` (its cap is the limit). With `secret`, a file that others may read or that
 * group or others may write is refused. On failure `why` gets the reason. */
DGON_MUST_USE dgon_status agent_os_read_file(const char *path, bool secret, dgon_buf *out,
                                             char *why, size_t why_size);
/* The file has this content or its old one, and it is on disk on return. A secret is for its owner
 * alone (the directory's, if an administrator writes it). A missing last directory is made. On
 * failure `why` gets the reason. */
DGON_MUST_USE dgon_status agent_os_write_file(const char *path, bool secret, const void *p,
                                              size_t n, char *why, size_t why_size);
bool agent_os_exists(const char *path);
/* Calls fn for each "<dir>/<name>" whose name ends in `suffix`, sorted by name. A missing directory
 * is empty. */
DGON_MUST_USE dgon_status agent_os_list(const char *dir, const char *suffix,
                                        void (*fn)(void *user, const char *path), void *user);

/* Writes and locks the file; a second process with the same file fails with DGON_EEXIST. */
DGON_MUST_USE dgon_status agent_os_pid_file(const char *path);
void agent_os_pid_file_remove(const char *path);

/* Service manager: one datagram to NOTIFY_SOCKET, nothing when there is none. */
void agent_os_notify(const char *state);
/* Half of the watchdog's period in ms, 0 = no watchdog wanted. */
uint32_t agent_os_watchdog_ms(void);

/* The status socket (agent_status.h): a local socket for this user and root only; one that a killed
 * agent left is taken over. -1: it cannot be made. Close removes it; fd -1 is allowed. */
int agent_os_status_listen(const char *path);
void agent_os_status_close(int fd, const char *path);
/* Takes one connection, gives it the text and closes it. Never waits. */
void agent_os_status_answer(int fd, const char *text, size_t n);
/* Where the packaged service has its socket. */
const char *agent_os_status_path(void);
/* The other side: all that is said there, within wait_ms. DGON_ENOTFOUND: nobody listens; else why
 * says what is wrong. */
DGON_MUST_USE dgon_status agent_os_status_ask(const char *path, uint32_t wait_ms, dgon_buf *out,
                                              char *why, size_t why_size);
unsigned agent_os_pid(void);

/* Log sink: stderr until a file is opened. Reopening the same path serves log rotation. */
DGON_MUST_USE dgon_status agent_os_log_open(const char *path);
void agent_os_log_write(int level, const char *text, size_t n);

/* Addresses of a host name as text, most preferred first. May block for seconds: callers avoid it
 * while jobs run. */
unsigned agent_os_resolve(const char *host, unsigned port,
                          char out[AGENT_OS_ADDRS_MAX][AGENT_OS_ADDR_MAX]);
/* Unacknowledged data kills the connection after `dead_s` seconds; keeps small writes undelayed. */
void agent_os_tune_link(int fd, unsigned dead_s);
/* Bounds what the kernel holds of a backend's answer before we read it. */
void agent_os_tune_backend(intptr_t fd);
/* Who a socket is connected to. */
typedef struct agent_os_peer {
    _Alignas(max_align_t) unsigned char address[128];
    uint32_t len;
} agent_os_peer;
/* False: it is not connected. */
bool agent_os_peer_of(int fd, agent_os_peer *peer);
/* A connection to there, as libcurl would make it. *made: it stands; else it is on its way, and
 * when it is ready for output agent_os_is_connected() tells. Never waits. -1: it cannot be made. */
int agent_os_connect_backend(const agent_os_peer *peer, bool *made);
bool agent_os_is_connected(int fd);
/* Closes the socket, with a reset if nobody wants what is still to come from there. */
void agent_os_close_backend(intptr_t fd, bool reset);

#endif
