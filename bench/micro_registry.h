/* A registry with agents and jobs in it, for measuring what they cost each other. */
#ifndef BENCH_MICRO_REGISTRY_H
#define BENCH_MICRO_REGISTRY_H

#include "dgon/registry.h"

struct gateway {
    dgon_registry *registry;
    void *memory;
    size_t size;
    uint32_t model; /* offered by all agents */
    uint32_t users; /* whose jobs they are, one after the other; 0: nobody told */
    uint32_t jobs;  /* claimed so far */
};

/* agents (at most DGON_REGISTRY_LINKS_MAX) of so many slots each; room for `jobs` jobs. Agent i
 * offers "m" and, when models > 1, one of "m1" ... too. Ends the program when something is out of
 * limits. */
struct gateway gateway_new(uint32_t agents, uint32_t slots, uint32_t models, uint32_t jobs);
void gateway_free(struct gateway *g);
/* The index of "mI". */
uint32_t gateway_model(const struct gateway *g, uint32_t i);

/* Claims and submits a job; it may wait. */
dgon_job_ref gateway_job(struct gateway *g, uint32_t model);
/* Takes a bound job, finishes it as its agent would and lets go of it as its client would. */
void gateway_finish(struct gateway *g, dgon_job_ref ref);

#endif
