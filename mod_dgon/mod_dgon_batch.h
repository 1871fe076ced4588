/* Many inputs to embed, in parts: each part is a job of its own on an idle agent, the parts'
 * answers become one. */
#ifndef MOD_DGON_BATCH_H
#define MOD_DGON_BATCH_H

#include "mod_dgon_client.h"

/* Worker, with a stream that is ready to be run. True: the request was long enough and agents were
 * idle, so it was run in parts to its end, by this thread; *status is what the handler must return.
 * False: nothing was done, it is to be run as it is. */
bool mod_dgon_batch_run(mod_dgon_stream *s, int *status);

#endif
