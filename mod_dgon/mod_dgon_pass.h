/* Requests that are passed on as they are: paths of OpenAI's API that need no translation, and what
 * the administrator (DgonPass) and an agent's owner (`allow`) have opened. Bodies of any kind and
 * length go through in both directions without being held. */
#ifndef MOD_DGON_PASS_H
#define MOD_DGON_PASS_H

#include "mod_dgon_client.h"

#include "dgon/pass.h"

/* What every agent offers that has opened anything; not the name of a model. */
#define MOD_DGON_PASS_ANY "*"
/* A body is read in pieces of at most this. */
#define MOD_DGON_PASS_PIECE (16u * 1024u)

typedef struct mod_dgon_pass {
    const char *opening; /* as in pass.h, one */
    const char *path;    /* without methods and star */
    const char *target;  /* what stands for it at the backend; NULL: itself */
    const char *backend_opening;
    unsigned number; /* DGON_NEED_RULE */
} mod_dgon_pass;

/* Configuration: one more opening. NULL, or what is wrong. */
const char *mod_dgon_pass_add(cmd_parms *cmd, apr_array_header_t **passes, const char *methods,
                              const char *path, const char *target);
/* Which of the openings this list of an agent's opens too; both may be NULL. */
uint32_t mod_dgon_pass_opens(const apr_array_header_t *passes, const char *allow);

/* Worker: handler dgon-pass. */
int mod_dgon_pass_handler(request_rec *r);
/* Worker: a path of dgon-api that is nothing else. DECLINED: nor this. */
int mod_dgon_pass_try(request_rec *r, mod_dgon_engine *engine, const char *path);

/* ---- owner of the stream; s->upload is there ---- */

/* Head and end of the request, into the ring. True: something was fed. */
bool mod_dgon_pass_feed_head(mod_dgon_stream *s, dgon_ring *up);
bool mod_dgon_pass_feed_end(mod_dgon_stream *s, dgon_ring *up);
/* Worker only: the next piece of the client's body, once the agent has taken the job and what was
 * read before. False: the client is gone or its body is broken. */
bool mod_dgon_pass_read(mod_dgon_stream *s);
/* The head of the answer that was peeked. False: it is none. */
bool mod_dgon_pass_answer(mod_dgon_stream *s, dgon_ring *down, const dgon_ring_record *rec);
/* Before the first write: status and headers of that head, if it came. */
void mod_dgon_pass_headers(mod_dgon_stream *s);
/* True: it came, and as many bytes as it said. httpd would put the length right that is there. */
bool mod_dgon_pass_is_whole(const mod_dgon_stream *s);
/* n more bytes: false if the head did not come first, or there are more than it said. */
bool mod_dgon_pass_takes(mod_dgon_stream *s, uint32_t n);

#endif
