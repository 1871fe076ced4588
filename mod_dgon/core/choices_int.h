/* The number of choices, for the gateway's check as well, which has a tree already. */
#ifndef DGON_CHOICES_INT_H
#define DGON_CHOICES_INT_H

#include "dgon/choices.h"

#include <jansson.h>

/* DGON_EINVAL with e: more than DGON_CHAT_CHOICES_MAX in all. */
DGON_MUST_USE dgon_status dgon_choices_count(dgon_choices *c, dgon_op op, const json_t *root,
                                             dgon_error *e);

#endif
