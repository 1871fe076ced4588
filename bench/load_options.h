/* What the command line asks of load. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct load_options {
    const char *host, *port, *path, *model;
    const char *name; /* of the Host header, TLS's server name and HTTP/2's :authority */
    uint64_t http2;   /* connections that carry the streams; 0: HTTP/1.1, one each */
    uint64_t streams, requests, tokens, skip, slow, slow_rate, phase, id;
    uint64_t burst; /* tokens of one write of the backend */
    uint64_t ramp, duration, first_ms, slice, cancel_after, cancel_gap, timeout; /* milliseconds */
    double rate;
    bool plain, silent, fresh, json, cancel, tls;
    bool header; /* what the backend shall do stands in a field X-Bench, not in the body */
};

extern struct load_options opt;

/* Fills opt; ends the program with exit code 2 when the line makes no sense. */
void options_read(int argc, char **argv);

#endif
