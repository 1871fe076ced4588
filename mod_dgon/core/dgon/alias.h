/* Public names of models. An alias has steps in order of preference; an agent that has one of a
 * step's targets offers the step under its name. Pure; any thread. */
#ifndef DGON_ALIAS_H
#define DGON_ALIAS_H

#include "dgon/control.h"

#define DGON_ALIAS_STEPS_MAX 8u
#define DGON_ALIAS_MARK      '#' /* in no name that a client or an agent may use */

/* Targets of a step: "[AGENT=]MODEL", several with commas between. NULL, or what is wrong with
 * them, for people; static. */
const char *dgon_alias_check(const char *targets);
/* The first target that this agent has among its n models; NULL: none. */
const dgon_ctl_model *dgon_alias_pick(const char *targets, const char *agent,
                                      const dgon_ctl_model *models, uint32_t n);
/* The name of a step in the registry: the public one for the first (0), "NAME#1" and so on behind
 * it. DGON_ETOOBIG: too long. */
DGON_MUST_USE dgon_status dgon_alias_step_name(char out[DGON_WIRE_NAME_MAX + 1], const char *name,
                                               unsigned step);
/* Length of the public part of such a name. */
size_t dgon_alias_public_len(const char *name);

#endif
