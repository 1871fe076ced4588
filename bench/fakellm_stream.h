/* An answer's life: when it speaks, and when it has ended. */
#ifndef BENCH_FAKELLM_STREAM_H
#define BENCH_FAKELLM_STREAM_H

#include "fakellm_conn.h"

/* The request that c->plan, c->model and c->ollama tell of begins. */
void stream_start(struct conn *c, bool streamed);
/* Its next token is due. Puts it into the timetable again, or ends the answer. */
void stream_speak(struct conn *c, uint64_t now);
/* Its reader has room again. */
void stream_room(struct conn *c);

#endif
