/* Handler dgon-agent: who may open a link, and RFC 6455's opening handshake. */
#ifndef MOD_DGON_AGENT_H
#define MOD_DGON_AGENT_H

#include "mod_dgon_private.h"

int mod_dgon_agent_handler(request_rec *r);

#endif
