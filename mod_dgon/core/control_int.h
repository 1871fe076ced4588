/* What the files of the control messages share. */
#ifndef DGON_CONTROL_INT_H
#define DGON_CONTROL_INT_H

#include "dgon/control.h"

#include <jansson.h>

#define DGON_CTL_TYPES 11u

extern const char *const dgon_ctl_type_names[DGON_CTL_TYPES]; /* by dgon_ctl_type */

int dgon_ctl_is_traceparent(const char *s, size_t n);
/* The `job` message as our gateway writes it, without a tree: one comes with each request. False:
 * anything else, and *c is as dgon_ctl_init leaves it; the tree then says what is wrong, if it is.
 */
bool dgon_ctl_peek_job(dgon_ctl *c, const char *p, size_t n);

/* ---- control_read.c ---- */

/* One message on its way in: the first complaint wins. */
typedef struct dgon_ctl_reader {
    dgon_ctl *c;
    char *why;
    size_t why_size;
} dgon_ctl_reader;

/* Notes what is wrong, returns s. */
DGON_PRINTF(3, 4)
dgon_status dgon_ctl_complain(const dgon_ctl_reader *rd, dgon_status s, const char *fmt, ...);

enum { DGON_CTL_OPTIONAL = 0, DGON_CTL_REQUIRED = 1 };

/* A member is not there: a complaint if it is required. */
dgon_status dgon_ctl_missing(const dgon_ctl_reader *rd, const char *key, int required);
/* A member of o; one that is not there leaves *out as it is. */
dgon_status dgon_ctl_read_u64(const dgon_ctl_reader *rd, const json_t *o, const char *key,
                              int required, uint64_t lo, uint64_t hi, uint64_t *out);
dgon_status dgon_ctl_read_u32(const dgon_ctl_reader *rd, const json_t *o, const char *key,
                              int required, uint32_t lo, uint32_t hi, uint32_t *out);
/* Not there is false. */
dgon_status dgon_ctl_read_bool(const dgon_ctl_reader *rd, const json_t *o, const char *key,
                               bool *out);
typedef int (*dgon_ctl_name_fn)(const char *s, size_t n);
/* A string of 1..size-1 bytes that passes `is_valid`, copied with a NUL. */
dgon_status dgon_ctl_read_name(const dgon_ctl_reader *rd, const json_t *o, const char *key,
                               int required, dgon_ctl_name_fn is_valid, char *out, size_t size);
/* 16 hex digits, required. */
dgon_status dgon_ctl_read_hex64(const dgon_ctl_reader *rd, const json_t *o, const char *key,
                                uint64_t *out);

#endif
