/* Handler dgon-api: OpenAI's paths. */
#ifndef MOD_DGON_API_H
#define MOD_DGON_API_H

#include "mod_dgon_private.h"

int mod_dgon_api_handler(request_rec *r);

#endif
