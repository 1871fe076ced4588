/* GET /v1/models and /v1/models/{id}: one list over all agents. */
#ifndef MOD_DGON_MODELS_H
#define MOD_DGON_MODELS_H

#include "mod_dgon_engine.h"

/* Worker. `id` is NULL for the list, else the decoded id. Returns what the handler must return. */
int mod_dgon_models_list(request_rec *r, mod_dgon_engine *e);
int mod_dgon_models_one(request_rec *r, mod_dgon_engine *e, const char *id);

#endif
