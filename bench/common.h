/* What both measuring programs share: the clock, growing bytes, option numbers. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define MS     1000000ULL
#define SECOND 1000000000ULL

static inline uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

_Noreturn static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(2);
}

/* The number after an option; ends the program when it is none or outside of [0, max]. */
static inline uint64_t option_number(const char *name, const char *text, uint64_t max)
{
    char *end = NULL;
    unsigned long long v;

    errno = 0;
    v = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    if (!end || *end || errno || v > max) {
        fprintf(stderr, "%s takes a number up to %llu\n", name, (unsigned long long)max);
        exit(2);
    }
    return (uint64_t)v;
}

static inline void raise_file_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* Bytes [at, len) of p are in use. */
struct bytes {
    char *p;
    size_t at, len, cap;
};

static inline size_t bytes_used(const struct bytes *b)
{
    return b->len - b->at;
}

static inline char *bytes_begin(const struct bytes *b)
{
    return b->p + b->at;
}

static inline void bytes_free(struct bytes *b)
{
    free(b->p);
    *b = (struct bytes){0};
}

/* Room for n more bytes behind the used ones. */
static inline char *bytes_room(struct bytes *b, size_t n)
{
    if (b->at == b->len) {
        b->at = b->len = 0;
    }
    if (b->cap - b->len < n && b->at) {
        memmove(b->p, b->p + b->at, b->len - b->at);
        b->len -= b->at;
        b->at = 0;
    }
    if (b->cap - b->len < n) {
        size_t cap = b->cap ? b->cap * 2 : 512;

        while (cap - b->len < n) {
            cap *= 2;
        }
        b->p = realloc(b->p, cap);
        if (!b->p) {
            die("memory");
        }
        b->cap = cap;
    }
    return b->p + b->len;
}

static inline void bytes_add(struct bytes *b, const char *p, size_t n)
{
    if (n) {
        memcpy(bytes_room(b, n), p, n);
        b->len += n;
    }
}

__attribute__((format(printf, 2, 3))) static inline void bytes_printf(struct bytes *b,
                                                                      const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        die("vsnprintf");
    }
    va_start(args, format);
    vsnprintf(bytes_room(b, (size_t)n + 1), (size_t)n + 1, format, args);
    va_end(args);
    b->len += (size_t)n;
}

#endif
