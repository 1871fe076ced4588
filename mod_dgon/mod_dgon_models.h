/* GET /v1/models and /v1/models/{id}: one list over all agents. */
#ifndef MOD_DGON_MODELS_H
#define MOD_DGON_MODELS_H

#include "mod_dgon_engine.h"

#include "dgon/error.h"

/* Index of the model that a client named; tags: "name" and "name:latest" are the same, as Ollama
 * has it. *alias: the step it was found by, or MOD_DGON_ALIAS_NONE. DGON_NONE: unknown. Any thread.
 */
uint32_t mod_dgon_models_find(mod_dgon_engine *e, const char *name, bool tags, int *alias);
/* Which models the user of r may use, under their public names. False: not this one, and e says
 * why. The request's thread; costs next to nothing where no condition is. */
bool mod_dgon_models_may(request_rec *r, mod_dgon_engine *e, uint32_t model, dgon_error *why);
/* What the user of r is told of the model with that index, under its public name. False: nothing.
 */
bool mod_dgon_models_shown(request_rec *r, mod_dgon_engine *e, uint32_t model,
                           dgon_registry_model_info *info);

/* Worker. `id` is NULL for the list, else the decoded id. Returns what the handler must return. */
int mod_dgon_models_list(request_rec *r, mod_dgon_engine *e);
int mod_dgon_models_one(request_rec *r, mod_dgon_engine *e, const char *id);

#endif
