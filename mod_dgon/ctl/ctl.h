/* dgonctl: what its commands share. One file a subject; the table of commands is in main.c. */
#ifndef DGON_CTL_TOOL_H
#define DGON_CTL_TOOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

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

/* ctl_agent.c */
int ctl_agent(const ctl *c, int argc, char **argv);
/* ctl_agent_list.c: what is in the file, and what the gateway knows of it, if it answers. */
int ctl_agent_list(const ctl *c, const char *file);

/* Writes "dgonctl: …" to stderr and gives `code` back. */
int ctl_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Likewise, with the command's arguments behind it: CTL_USAGE. */
int ctl_usage(const char *command, const char *why);

/* ---- ctl_ask.c ---- */

/* Asks the gateway; takes the question over. CTL_OK: *answer is the caller's. Else it was said what
 * is wrong. */
int ctl_ask(const ctl *c, json_t *question, json_t **answer);
/* Asks what is answered in lines, and calls fn for each as it comes, which borrows it; takes the
 * question over. */
int ctl_ask_lines(const ctl *c, json_t *question, void (*fn)(void *user, json_t *line), void *user);
/* {"do":what}, asked; with --json printed as it is, and *answer is NULL. */
int ctl_ask_for(const ctl *c, const char *what, json_t **answer);

/* ---- ctl_table.c ---- */

#define CTL_COLUMNS 9u

typedef struct ctl_table {
    const char *title[CTL_COLUMNS];
    unsigned columns;
    unsigned numbers; /* a bit for each column whose texts stand to the right */
    json_t *rows;     /* of arrays of texts */
} ctl_table;

void ctl_table_begin(ctl_table *t, unsigned numbers, const char *const *titles);
/* A row: as many texts (NULL: "-") as there are columns; they are copied. */
void ctl_table_row(ctl_table *t, const char *const *texts);
/* Prints it with columns as wide as they need to be, "none" for no rows, and forgets it. */
void ctl_table_end(ctl_table *t, const char *none);
/* "3 min", in one of a few buffers that take turns. */
const char *ctl_age(json_int_t since);
const char *ctl_number(json_int_t n);
/* Text of a member; "" for none. Control characters never reach a terminal. */
const char *ctl_text(const json_t *o, const char *key);
json_int_t ctl_int(const json_t *o, const char *key);

/* ---- commands ---- */

int ctl_status(const ctl *c, int argc, char **argv);
int ctl_agents(const ctl *c, int argc, char **argv);
int ctl_models(const ctl *c, int argc, char **argv);
int ctl_jobs(const ctl *c, int argc, char **argv);
int ctl_top(const ctl *c, int argc, char **argv);
int ctl_drain(const ctl *c, int argc, char **argv); /* and undrain */
int ctl_cancel(const ctl *c, int argc, char **argv);
int ctl_key(const ctl *c, int argc, char **argv);
int ctl_check(const ctl *c, int argc, char **argv);
int ctl_load(const ctl *c, int argc, char **argv);

/* Prints what `status` and `top` show. */
void ctl_show_fleet(const json_t *status);

#endif
