/* AuthType Bearer: API keys <id>.<secret>, as OpenAI's SDKs send them (Authorization: Bearer) and
 * Anthropic's (x-api-key). The user is the id. */
#ifndef MOD_DGON_BEARER_H
#define MOD_DGON_BEARER_H

#include "mod_dgon_private.h"

#define MOD_DGON_BEARER_MAX 1024u /* bytes of a key; a longer one is none */

void mod_dgon_bearer_register(void);

#endif
