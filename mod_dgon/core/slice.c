#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "dgon/slice.h"

#ifdef __linux__
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS 100000 /* the kernel's least */

/* As in linux/sched/types.h, its first version; libc has it from 2.41 on only. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

void dgon_slice_short(void)
{
    struct attributes a;
    memset(&a, 0, sizeof a);
    if (syscall(SYS_sched_getattr, 0, &a, (unsigned)sizeof a, 0u) != 0 || a.policy != SCHED_OTHER)
        return;
    a.size = sizeof a;
    a.runtime = SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &a, 0u);
}
#else
void dgon_slice_short(void)
{
}
#endif
