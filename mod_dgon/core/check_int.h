/* Checking members of a request's tree, with errors in OpenAI's manner: what, where, which code. */
#ifndef DGON_CHECK_INT_H
#define DGON_CHECK_INT_H

#include "dgon/error.h"

#include <jansson.h>
#include <stddef.h>

#define DGON_CHECK_NAME_MAX 128u

typedef enum dgon_kind {
    DGON_IS_BOOL,
    DGON_IS_INTEGER, /* 5.0 as well */
    DGON_IS_NUMBER,
    DGON_IS_STRING,
    DGON_IS_OBJECT,
    DGON_IS_ARRAY
} dgon_kind;

typedef struct dgon_check {
    dgon_error *e;
    char at[96]; /* "messages[2]", the place of the thing in hand; "" at the top */
} dgon_check;

/* Fills e with status 400; always DGON_EINVAL, as the three below. */
DGON_MUST_USE dgon_status dgon_check_refuse(dgon_error *e, const char *code, const char *param,
                                            const char *fmt, ...) DGON_PRINTF(4, 5);
DGON_MUST_USE dgon_status dgon_check_missing(dgon_check *k, const char *name);
DGON_MUST_USE dgon_status dgon_check_wrong_type(dgon_check *k, const char *name,
                                                const char *expected, const json_t *v);
DGON_MUST_USE dgon_status dgon_check_wrong_value(dgon_check *k, const char *name,
                                                 const char *supported);

/* The full name of a member: "messages[2].role"; name may be "". */
void dgon_check_place(const dgon_check *k, const char *name, char full[DGON_CHECK_NAME_MAX]);
/* Goes into a member: "messages[2]" becomes "messages[2].function"; leave with what enter gave. */
size_t dgon_check_enter(dgon_check *k, const char *name);
void dgon_check_leave(dgon_check *k, size_t mark);
/* For people: "an object". */
const char *dgon_check_type_name(const json_t *v);

/* An optional member: *v is NULL when it is absent or null. */
DGON_MUST_USE dgon_status dgon_check_optional(dgon_check *k, const json_t *o, const char *name,
                                              dgon_kind what, json_t **v);
DGON_MUST_USE dgon_status dgon_check_required(dgon_check *k, const json_t *o, const char *name,
                                              dgon_kind what, json_t **v);

#endif
