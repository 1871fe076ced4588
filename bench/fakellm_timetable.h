/* The streams by the time of their next token. */
#ifndef BENCH_FAKELLM_TIMETABLE_H
#define BENCH_FAKELLM_TIMETABLE_H

#include <stdint.h>

struct conn;

/* Puts it in, or moves it. */
void timetable_put(struct conn *c, uint64_t due);
/* Also when it is not in it. */
void timetable_remove(struct conn *c);
/* The one that is due first; NULL: none. */
struct conn *timetable_first(void);

#endif
