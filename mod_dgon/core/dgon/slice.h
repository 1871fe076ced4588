/* How long a thread's turns on a busy processor are. */
#ifndef DGON_SLICE_H
#define DGON_SLICE_H

/* Asks for the shortest turns for the calling thread, which works in bursts of microseconds: it
 * then waits less behind threads that work longer, and gets no more of the processor than before.
 * Linux from 6.12 on does it (sched_setattr(2), sched_runtime of SCHED_OTHER), others as if never
 * asked. */
void dgon_slice_short(void);

#endif
