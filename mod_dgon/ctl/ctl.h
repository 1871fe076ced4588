/* dgonctl: what its commands share. One file a command, ctl_NAME.c; the table is in main.c. */
#ifndef DGON_CTL_TOOL_H
#define DGON_CTL_TOOL_H

#include <stdbool.h>

/* Exit codes, also in the manual page. */
enum {
    CTL_OK = 0,
    CTL_FAILED = 1,    /* it was tried and did not work, or was refused */
    CTL_USAGE = 2,     /* the command line is wrong */
    CTL_UNREACHED = 3, /* no gateway answers there */
    CTL_NOT_FOUND = 4  /* there is no agent, job, model or key of this name */
};

typedef struct ctl {
    bool json;          /* --json: one JSON value on stdout, for programs */
    const char *socket; /* --socket: of the gateway's administrators; never NULL */
    const char *url;    /* --url: of its admin address instead; NULL: the socket */
} ctl;

typedef struct ctl_command {
    const char *name, *arguments, *what;             /* for --help */
    int (*run)(const ctl *c, int argc, char **argv); /* argv[0] is the command's name */
} ctl_command;

/* Writes "dgonctl: …" to stderr and gives `code` back. */
int ctl_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Likewise, with the command's arguments behind it: CTL_USAGE. */
int ctl_usage(const char *command, const char *why);

/* The commands. */
int ctl_key(const ctl *c, int argc, char **argv);

#endif
