/* top: the fleet, again and again, until q or Ctrl-C. */
#include "ctl.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int sig)
{
    (void)sig;
    stopped = 1;
}

/* Keys at once and without an echo. False: not a terminal. */
static bool keys(struct termios *before)
{
    if (tcgetattr(STDIN_FILENO, before) != 0)
        return false;
    struct termios now = *before;
    now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    return tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0;
}

static bool wait_for_key(int seconds, bool terminal)
{
    struct pollfd p = {.fd = terminal ? STDIN_FILENO : -1, .events = POLLIN};
    char key = '\0';
    if (poll(&p, 1, seconds * 1000) > 0 && read(STDIN_FILENO, &key, 1) == 1)
        return key == 'q' || key == 'Q';
    return false;
}

static int show(const ctl *c, bool clear)
{
    json_t *answer;
    char when[32];
    time_t now = time(NULL);
    int code = ctl_ask(c, json_pack("{s:s}", "do", "status"), &answer);
    if (code != CTL_OK)
        return code;
    if (clear)
        (void)printf("\033[H\033[2J");
    if (c->json) {
        (void)json_dumpf(answer, stdout, JSON_COMPACT);
        (void)printf("\n");
    } else {
        (void)strftime(when, sizeof when, "%H:%M:%S", localtime(&now));
        (void)printf("%s  ", when);
        ctl_show_fleet(answer);
    }
    (void)fflush(stdout);
    json_decref(answer);
    return CTL_OK;
}

int ctl_top(const ctl *c, int argc, char **argv)
{
    struct termios before;
    int every = 1, code;
    bool once = argc == 2 && strcmp(argv[1], "--once") == 0;
    if (argc == 2 && !once) {
        char *end;
        long n = strtol(argv[1], &end, 10);
        if (*end != '\0' || n < 1 || n > 3600)
            return ctl_usage(argv[0], "seconds between two looks: 1 to 3600");
        every = (int)n;
    } else if (argc > 2) {
        return ctl_usage(argv[0], "it takes one argument");
    }
    if (once)
        return show(c, false);
    const struct sigaction action = {.sa_handler = stop};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    bool terminal = isatty(STDIN_FILENO) && keys(&before);
    bool clear = isatty(STDOUT_FILENO) && !c->json;
    do {
        code = show(c, clear);
    } while (code == CTL_OK && !stopped && !wait_for_key(every, terminal) && !stopped);
    if (terminal)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return code;
}
