/* Shared by the files of the OpenAI mapping and, where said, by the Ollama mapping. */
#ifndef DGON_OPENAI_INT_H
#define DGON_OPENAI_INT_H

#include "dgon/openai.h"

#include <jansson.h>

/* A backend's error, already taken apart (any text may be NULL), as ours: see
 * dgon_openai_backend_error. Also for Ollama, whose errors are a text alone. */
void dgon_backend_error_map(dgon_error *e, int http, const char *message, const char *code,
                            const char *param);

/* The error in a parsed body or stream payload: {"error":{…}}, {"error":"text"},
 * {"object":"error","message":…}, {"detail":…}. False: there is none, e is unchanged. http 0: taken
 * from the object's code, else 502. */
bool dgon_openai_error_in(dgon_error *e, int http, const json_t *root);

/* Is there a URL in a content part that somebody would have to fetch? Looks at every member whose
 * name ends in "url" in any case: servers differ in how they match names. *at names the first one.
 */
bool dgon_openai_has_remote_url(json_t *part, const char **at);

#endif
