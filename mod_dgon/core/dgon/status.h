/* Status codes of the core: one enum, grouped by whose fault it is. */
#ifndef DGON_STATUS_H
#define DGON_STATUS_H

#if defined(__GNUC__)
#define DGON_MUST_USE     __attribute__((warn_unused_result))
#define DGON_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define DGON_MUST_USE
#define DGON_PRINTF(f, a)
#endif

typedef enum dgon_status {
    DGON_OK = 0,

    /* -1xx: not an error, call again or stop */
    DGON_AGAIN = -100, /* nothing (more) to do until new input or space comes */
    DGON_DONE = -101,  /* the input's own end was seen ([DONE], "done":true) */

    /* -2xx: the peer sent something it must not */
    DGON_EPROTO = -200,   /* not what the protocol allows */
    DGON_EUTF8 = -201,    /* invalid UTF-8 or a control character where none may be */
    DGON_EJSON = -202,    /* not JSON, or not the JSON that was asked for */
    DGON_EBACKEND = -203, /* the backend reported an error of its own */

    /* -3xx: the caller asked for something that is not so */
    DGON_EINVAL = -300,
    DGON_ENOTFOUND = -301,
    DGON_ESTALE = -302, /* the slot or link is no longer the one that was meant */
    DGON_EEXIST = -303,

    /* -4xx: a limit was reached */
    DGON_EFULL = -400,   /* table, queue or ring has no room */
    DGON_ETOOBIG = -401, /* longer than the cap of the buffer or of the format */
    DGON_EDEPTH = -402,  /* nested deeper than allowed */

    /* -5xx: the system */
    DGON_ENOMEM = -500,
    DGON_ESYS = -501 /* errno says which */
} dgon_status;

/* A short text for a log line; never NULL, static storage. Any thread. */
const char *dgon_status_str(dgon_status s);

#endif
