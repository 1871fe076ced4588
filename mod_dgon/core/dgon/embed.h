/* Embeddings on their way from a backend to the client, in the agent. Numbers are copied as the
 * backend wrote them, never printed anew; the SDKs' base64 is made of them when the backend does
 * not. */
#ifndef DGON_EMBED_H
#define DGON_EMBED_H

#include "dgon/chat.h"

#define DGON_EMBED_INPUTS_MAX 65536u                /* of one request */
#define DGON_EMBED_ANSWER_MAX (64u * 1024u * 1024u) /* a backend's answer */

/* Does the client's body ask for encoding_format base64? */
bool dgon_embed_wants_base64(const char *body, size_t n);

/* A whole answer (HTTP 200) of an OpenAI-compatible backend or of Ollama's /api/embed: appends
 * OpenAI's list, in the order of the inputs, to `out`; usage and the end are noted in c. Vectors
 * are arrays of numbers or base64 of little-endian float32 (RFC 4648 section 4), whichever the
 * backend sent, and become what `base64` says. DGON_EBACKEND with c->error: it is no such answer;
 * DGON_ENOMEM, DGON_ETOOBIG. */
DGON_MUST_USE dgon_status dgon_embed_answer(dgon_chat *c, bool base64, dgon_buf *out, const char *p,
                                            size_t n);
/* The same answers, but only the vectors: [[…],…]. */
DGON_MUST_USE dgon_status dgon_embed_vectors(dgon_chat *c, dgon_buf *out, const char *p, size_t n);

#endif
