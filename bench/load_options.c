#include "load_options.h"

#include "common.h"

struct load_options opt = {.model = "bench",
                           .streams = 1,
                           .tokens = 64,
                           .slow_rate = 10240,
                           .timeout = 120000,
                           .id = 1,
                           .burst = 1,
                           .phase = 1};

_Noreturn static void usage(void)
{
    fputs("usage: load [options] [http://|https://]HOST:PORT/PATH\n"
          "  --http2 N         streams go over N connections of HTTP/2 (each over its own of 1.1)\n"
          "  --streams N       streams at once (1)\n"
          "  --requests N      requests in all; a stream that ends makes room for the next "
          "(streams)\n"
          "  --duration MS     no new request after this time\n"
          "  --ramp MS         time over which the streams start (0)\n"
          "  --host NAME       Host header (HOST:PORT)\n"
          "  --model NAME      (bench)\n"
          "  --plain           answers that are not streamed\n"
          "  --fresh           a connection for each request (default: kept alive); not with "
          "--http2\n"
          "  --header          a header field tells the backend what to do, not the body; not with "
          "--http2\n"
          "  --tokens N        tokens of an answer (64)\n"
          "  --rate R          tokens a second, 0: flat out (0)\n"
          "  --phase 0|1       0: all streams' tokens at once, 1: spread evenly (1)\n"
          "  --burst N         tokens of one write of the backend (1)\n"
          "  --first-ms N      the backend's delay before the first token, not in the times of it "
          "(0)\n"
          "  --silent          after its tokens the backend neither speaks nor ends\n"
          "  --skip N          first tokens of each stream that are checked but not timed (0)\n"
          "  --slice MS        in the JSON also the p99 of the tokens of each such time, 1,000 of "
          "them at most\n"
          "  --slow K          K of the streams read slowly (0), and are not timed\n"
          "  --slow-rate N     bytes a second that a slow one reads (10240)\n"
          "  --cancel-after MS close stream i at MS + i * gap after the start\n"
          "  --cancel-gap MS   (0)\n"
          "  --id N            id of the first request (1)\n"
          "  --timeout MS      what runs then is an error (120000)\n"
          "  --json            one line of JSON\n"
          "exit code: 0 good, 1 something lost, doubled, reordered, broken or refused, 2 usage\n",
          stderr);
    exit(2);
}

static bool number_option(const char *name, const char *value)
{
    static const struct {
        const char *name;
        uint64_t *value, max;
    } table[] = {
        {"--http2", &opt.http2, 10000},
        {"--streams", &opt.streams, 100000},
        {"--requests", &opt.requests, 1000000000},
        {"--duration", &opt.duration, 86400000},
        {"--ramp", &opt.ramp, 86400000},
        {"--tokens", &opt.tokens, 100000000},
        {"--phase", &opt.phase, 1},
        {"--burst", &opt.burst, 100000000},
        {"--first-ms", &opt.first_ms, 86400000},
        {"--skip", &opt.skip, 100000000},
        {"--slice", &opt.slice, 86400000},
        {"--slow", &opt.slow, 100000},
        {"--slow-rate", &opt.slow_rate, 1000000000},
        {"--cancel-after", &opt.cancel_after, 86400000},
        {"--cancel-gap", &opt.cancel_gap, 86400000},
        {"--id", &opt.id, 1ULL << 40},
        {"--timeout", &opt.timeout, 86400000},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(name, table[i].name) == 0) {
            *table[i].value = option_number(name, value, table[i].max);
            opt.cancel |= strcmp(name, "--cancel-after") == 0;
            return true;
        }
    }
    return false;
}

static bool flag_option(const char *name)
{
    static const struct {
        const char *name;
        bool *value;
    } table[] = {
        {"--plain", &opt.plain},   {"--silent", &opt.silent}, {"--fresh", &opt.fresh},
        {"--header", &opt.header}, {"--json", &opt.json},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(name, table[i].name) == 0) {
            *table[i].value = true;
            return true;
        }
    }
    return false;
}

static void take_target(const char *target)
{
    static char host[512], name[512];
    const char *slash;
    char *colon;

    opt.tls = strncmp(target, "https://", 8) == 0;
    if (opt.tls || strncmp(target, "http://", 7) == 0) {
        target = strstr(target, "://") + 3;
    }
    slash = strchr(target, '/');
    opt.path = slash ? slash : "/v1/chat/completions";
    size_t length = slash ? (size_t)(slash - target) : strlen(target);
    if (length >= sizeof(host)) {
        usage();
    }
    memcpy(host, target, length);
    if (!opt.name) {
        memcpy(name, target, length);
        opt.name = name;
    }
    colon = strrchr(host, ':');
    opt.port = colon ? colon + 1 : opt.tls ? "443" : "80";
    if (colon) {
        *colon = 0;
    }
    opt.host = host;
}

void options_read(int argc, char **argv)
{
    const char *target = NULL;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (flag_option(argv[i])) {
            continue;
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            target = argv[i];
            continue;
        }
        if (!value) {
            usage();
        }
        if (strcmp(argv[i], "--host") == 0) {
            opt.name = value;
        } else if (strcmp(argv[i], "--model") == 0) {
            opt.model = value;
        } else if (strcmp(argv[i], "--rate") == 0) {
            opt.rate = strtod(value, NULL);
        } else if (!number_option(argv[i], value)) {
            usage();
        }
        i++;
    }
    if (!target || !opt.streams || (opt.http2 && (opt.fresh || opt.header))) {
        usage();
    }
    take_target(target);
    if (!opt.requests) {
        opt.requests = opt.streams;
    }
}
