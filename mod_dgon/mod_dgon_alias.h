/* DgonAlias: public names of models, their targets in order of preference. */
#ifndef MOD_DGON_ALIAS_H
#define MOD_DGON_ALIAS_H

#include "mod_dgon_client.h"

#include "dgon/alias.h"

typedef struct mod_dgon_alias {
    const char *public_name; /* as clients write it */
    const char *name;        /* of this step, in the registry */
    const char *targets;
    const void *line; /* the directive that it stands in */
} mod_dgon_alias;

#define MOD_DGON_ALIAS_NONE (-1)

/* Configuration: one more step of the name. NULL, or what is wrong. */
const char *mod_dgon_alias_add(cmd_parms *cmd, apr_array_header_t **aliases, const char *name,
                               const char *targets);

/* ---- link child, engine thread ---- */

/* What a link of this agent offers, into `list`, which has room for all: the steps that it has a
 * target of, then its own models (but those whose name is an alias). targets[i] becomes the
 * backend's name for alias i, "" for none. Returns how many. */
uint32_t mod_dgon_alias_offers(const apr_array_header_t *aliases, const char *agent,
                               const dgon_ctl *c, dgon_ctl_model *list,
                               char (*targets)[DGON_WIRE_NAME_MAX + 1]);
/* The alias with that name in the registry, or MOD_DGON_ALIAS_NONE. */
int mod_dgon_alias_of_step(const apr_array_header_t *aliases, const char *name);

/* ---- client child, any thread ---- */

/* The first step of a public name, or MOD_DGON_ALIAS_NONE. `aliases` may be NULL. */
int mod_dgon_alias_find(const apr_array_header_t *aliases, const char *name, size_t n);
/* Moves *step to the first one, itself included, that some agent offers, and returns its model. If
 * none does: the first that was ever offered, or DGON_NONE. */
uint32_t mod_dgon_alias_model(dgon_registry *reg, const apr_array_header_t *aliases, int *step);
/* The stream goes on with the next step that can do what it needs. False: there is none. */
bool mod_dgon_alias_advance(mod_dgon_stream *s);
/* Is it the same model on every agent and at every retry? Not if the alias it was asked by has more
 * than one target left. */
bool mod_dgon_alias_is_one_model(const mod_dgon_stream *s);

#endif
