/*
 * A model server without a model: it writes tokens at a given rate, each with its number and the
 * time at which it was written, and it remembers when clients went away. One thread, one epoll.
 * README.md tells what a request may say in its field "bench".
 */
#include "common.h"
#include "fakellm_conn.h"
#include "fakellm_request.h"
#include "fakellm_route.h"
#include "fakellm_stream.h"
#include "fakellm_timetable.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

/* Setting a timer costs as much as writing a token, on virtual machines above all. So tokens that
 * are due within this time of each other share one: it shows above 20,000 tokens a second only. */
#define TICK (50 * MS / 1000)

static volatile sig_atomic_t stop;

static void on_event(struct conn *c, uint32_t events)
{
    if (!c->dead && events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
        conn_close(c);
    }
    if (!c->dead && events & EPOLLOUT && conn_flush(c)) {
        stream_room(c);
    }
    if (!c->dead && events & EPOLLIN && conn_read(c)) {
        request_serve(c);
        if (!c->dead && !bytes_used(&c->in)) {
            bytes_free(&c->in); /* ten thousand idle buffers would show */
        }
    }
}

static void run_due(void)
{
    uint64_t now = now_ns();
    struct conn *c;

    while ((c = timetable_first()) && c->due <= now) {
        stream_speak(c, now);
    }
}

static void arm(int timer, uint64_t due)
{
    struct itimerspec t = {0};

    due += TICK - due % TICK;
    t.it_value.tv_sec = (time_t)(due / SECOND);
    t.it_value.tv_nsec = (long)(due % SECOND);
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t n = sizeof(a);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(fd, (struct sockaddr *)&a, n) || listen(fd, 4096) ||
        getsockname(fd, (struct sockaddr *)&a, &n)) {
        die("listen");
    }
    printf("listening on http://127.0.0.1:%u\n", (unsigned)ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

static void on_signal(int signo)
{
    (void)signo;
    stop = 1;
}

_Noreturn static void usage(void)
{
    fputs("usage: fakellm [--port N] [--model NAME]... [--ollama] [--tokens N] [--rate R]\n"
          "               [--phase 0|1] [--burst N] [--first-ms N] [--silent]\n"
          "A model server on 127.0.0.1 that writes stamped tokens; port 0: the kernel chooses.\n"
          "rate 0: as fast as possible; phase 1: the streams' tokens are spread evenly.\n",
          stderr);
    exit(2);
}

static uint16_t options(int argc, char **argv)
{
    uint16_t port = 0;
    bool named = false;
    struct plan *p = &route_defaults;

    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(name, "--ollama") == 0) {
            route_ollama = true;
        } else if (strcmp(name, "--silent") == 0) {
            p->silent = true;
        } else if (!value) {
            usage();
        } else if (i++, strcmp(name, "--port") == 0) {
            port = (uint16_t)option_number(name, value, 65535);
        } else if (strcmp(name, "--model") == 0 && route_add_model(value)) {
            named = true;
        } else if (strcmp(name, "--tokens") == 0) {
            p->tokens = option_number(name, value, TOKENS_MAX);
        } else if (strcmp(name, "--rate") == 0) {
            p->rate = strtod(value, NULL);
        } else if (strcmp(name, "--phase") == 0) {
            p->spread = option_number(name, value, 1) == 1;
        } else if (strcmp(name, "--burst") == 0) {
            p->burst = option_number(name, value, TOKENS_MAX);
        } else if (strcmp(name, "--first-ms") == 0) {
            p->first_ms = option_number(name, value, 86400000);
        } else {
            usage();
        }
    }
    if (!named) {
        (void)route_add_model("bench");
    }
    return port;
}

static void add(int epoll, int fd, uint32_t events, void *tag)
{
    struct epoll_event e = {.events = events, .data.ptr = tag};

    if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e)) {
        die("epoll");
    }
}

int main(int argc, char **argv)
{
    static char listener_tag, timer_tag;
    struct epoll_event events[256];
    struct sigaction action = {.sa_handler = on_signal};
    int listener = listen_on(options(argc, argv));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    raise_file_limit();
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    add(epoll, listener, EPOLLIN, &listener_tag);
    add(epoll, timer, EPOLLIN | EPOLLET, &timer_tag); /* nobody reads the count in it */
    while (!stop) {
        const struct conn *first = timetable_first();
        bool due = first && first->due <= now_ns();
        int n;

        if (first && !due) {
            arm(timer, first->due);
        }
        n = epoll_wait(epoll, events, 256, due ? 0 : -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &listener_tag) {
                conn_accept(listener, epoll);
            } else if (events[i].data.ptr != &timer_tag) {
                on_event(events[i].data.ptr, events[i].events);
            }
        }
        run_due();
        conn_bury();
    }
    conn_fini();
    return 0;
}
