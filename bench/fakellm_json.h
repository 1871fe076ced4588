/* A request's JSON: just enough to find members. */
#ifndef BENCH_FAKELLM_JSON_H
#define BENCH_FAKELLM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes; p == NULL: not there. */
struct text {
    const char *p, *end;
};

/* The value of a member of the object t. */
struct text json_member(struct text t, const char *name);
/* What is not there, or is something else, is `otherwise`. */
double json_number(struct text t, double otherwise);
uint64_t json_whole(struct text t, uint64_t otherwise, uint64_t max);
bool json_truth(struct text t, bool otherwise);

#endif
