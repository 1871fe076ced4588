/* What the files of the control messages share. */
#ifndef DGON_CONTROL_INT_H
#define DGON_CONTROL_INT_H

#include "dgon/control.h"

#define DGON_CTL_TYPES 11u

extern const char *const dgon_ctl_type_names[DGON_CTL_TYPES]; /* by dgon_ctl_type */

int dgon_ctl_is_traceparent(const char *s, size_t n);
/* The `job` message as our gateway writes it, without a tree: one comes with each request. False:
 * anything else, and *c is as dgon_ctl_init leaves it; the tree then says what is wrong, if it is.
 */
bool dgon_ctl_peek_job(dgon_ctl *c, const char *p, size_t n);

#endif
