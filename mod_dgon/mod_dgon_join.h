/* Handlers dgon-invite (an administrator gets the command that lets an agent join) and dgon-join
 * (the agent trades the code in it for its entry in DgonAgentFile). Worker threads; they may wait
 * for the file's lock and the disk. */
#ifndef MOD_DGON_JOIN_H
#define MOD_DGON_JOIN_H

#include "mod_dgon_private.h"

int mod_dgon_join_handler(request_rec *r);
int mod_dgon_invite_handler(request_rec *r);
/* The address that agents dial, as this request was addressed. */
const char *mod_dgon_join_link(request_rec *r);

#endif
