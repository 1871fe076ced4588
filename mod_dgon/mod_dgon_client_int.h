/* What the files of a client's stream share. Owner of the stream only: its worker, or the engine.
 */
#ifndef MOD_DGON_CLIENT_INT_H
#define MOD_DGON_CLIENT_INT_H

#include "mod_dgon_client.h"

#define MOD_DGON_CLIENT_TRIM_MS 1000 /* a stream that lasts longer gives memory back */

/* Enters the stream as the one whom news of its job slot are for; a suspended one only once the
 * engine has it. */
void mod_dgon_client_listen(mod_dgon_stream *s);
/* Claims a slot for the spec as it stands and submits it. On failure s->error says why and there is
 * no job. */
dgon_status mod_dgon_client_submit(mod_dgon_stream *s);
/* Tries another agent, as long as nothing of the answer went out. True: the job goes on. */
bool mod_dgon_client_retry(mod_dgon_stream *s);
/* Is it a stream between whose events comments may stand? */
bool mod_dgon_client_comments(const mod_dgon_stream *s);
/* Before the first byte: the headers of a good answer. */
void mod_dgon_client_begin(mod_dgon_stream *s);
/* Sends `out` (emptied) and, with `last`, the end of the body. False: the connection is dead. */
bool mod_dgon_client_write(mod_dgon_stream *s, dgon_buf *out, bool last);

#endif
