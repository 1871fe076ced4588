/* What a queue costs, by number of jobs that wait: to come to its end, to know one's place, to be
 * bound from it when a slot becomes free, to leave it; and whether a crowd that left still costs.
 */
#include "micro.h"
#include "micro_registry.h"

#define AGENTS 10u
#define JOBS   32768u
#define USERS  10u

struct queue {
    struct gateway gateway;
    dgon_job_ref *waiting; /* in the order of arrival, round and round */
    dgon_job_ref running[AGENTS];
    uint32_t n, first;
};

static void join_and_leave(void *user)
{
    struct queue *q = user;

    dgon_registry_release(q->gateway.registry, gateway_job(&q->gateway, q->gateway.model));
}

static void position(void *user)
{
    struct queue *q = user;
    uint32_t last = (q->first + q->n - 1) % q->n;

    micro_check(dgon_registry_position(q->gateway.registry, q->waiting[last]) == q->n, "position");
}

/* A running job ends, the oldest waiting one is bound, a new one comes. */
static void turn(void *user)
{
    struct queue *q = user;
    uint32_t k = q->first % AGENTS;
    dgon_job_ref bound = q->waiting[q->first];

    gateway_finish(&q->gateway, q->running[k]);
    q->running[k] = bound;
    q->waiting[q->first] = gateway_job(&q->gateway, q->gateway.model);
    q->first = (q->first + 1) % q->n;
}

static void audit(void *user)
{
    dgon_registry_audit(((struct queue *)user)->gateway.registry, 0);
}

/* All slots busy, and n jobs that wait. */
static void fill(struct queue *q)
{
    q->waiting = calloc(q->n, sizeof(*q->waiting));
    micro_check(q->waiting != NULL, "memory");
    for (uint32_t i = 0; i < AGENTS; i++) {
        q->running[i] = gateway_job(&q->gateway, q->gateway.model);
    }
    for (uint32_t i = 0; i < q->n; i++) {
        q->waiting[i] = gateway_job(&q->gateway, q->gateway.model);
    }
}

static void of_users(uint32_t n)
{
    struct queue q = {.gateway = gateway_new(AGENTS, 1, 1, JOBS), .n = n};

    q.gateway.users = USERS;
    fill(&q);
    micro_run("queue position of the last of 10 users; n: waiting jobs", n, 1, 5 * MS, position,
              &q);
    micro_run("queue turn of 10 users; n: waiting jobs", n, 1, 5 * MS, turn, &q);
    free(q.waiting);
    gateway_free(&q.gateway);
}

static void run(uint32_t n)
{
    struct queue q = {.gateway = gateway_new(AGENTS, 1, 1, JOBS), .n = n};

    fill(&q);
    micro_run("queue join and leave; n: waiting jobs", n, 1, 5 * MS, join_and_leave, &q);
    micro_run("queue position of the last; n: waiting jobs", n, 1, 5 * MS, position, &q);
    micro_run("queue turn; n: waiting jobs", n, 1, 5 * MS, turn, &q);
    micro_run("registry audit; n: waiting jobs", n, 1, 5 * MS, audit, &q);
    free(q.waiting);
    gateway_free(&q.gateway);
}

/* n jobs once waited and are gone: does the turn of ten still pay for them? */
static void after_a_crowd(uint32_t n)
{
    struct queue q = {.gateway = gateway_new(AGENTS, 1, 1, JOBS), .n = 10};
    dgon_job_ref *crowd = calloc(n, sizeof(*crowd)), waiting[10];

    micro_check(crowd != NULL, "memory");
    q.waiting = waiting;
    for (uint32_t i = 0; i < AGENTS; i++) {
        q.running[i] = gateway_job(&q.gateway, q.gateway.model);
    }
    for (uint32_t i = 0; i < 10; i++) {
        waiting[i] = gateway_job(&q.gateway, q.gateway.model);
    }
    for (uint32_t i = 0; i < n; i++) {
        crowd[i] = gateway_job(&q.gateway, q.gateway.model);
    }
    for (uint32_t i = 0; i < n; i++) {
        dgon_registry_release(q.gateway.registry, crowd[i]);
    }
    micro_run("queue turn of 10 after a crowd; n: its jobs", n, 1, 5 * MS, turn, &q);
    free(crowd);
    gateway_free(&q.gateway);
}

int main(void)
{
    static const uint32_t waiting[] = {10, 100, 1000, 10000};

    for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
        run(waiting[i]);
    }
    for (size_t i = 1; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
        of_users(waiting[i]);
    }
    for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
        after_a_crowd(waiting[i]);
    }
    return 0;
}
