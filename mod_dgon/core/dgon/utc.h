/* Times as RFC 3339 writes them in UTC: 2026-12-31T23:59:59Z. */
#ifndef DGON_UTC_H
#define DGON_UTC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DGON_UTC_SIZE 21u                   /* of a text, with its NUL */
#define DGON_UTC_MAX  INT64_C(253402300799) /* the last second of the year 9999 */

/* Exactly that form, from the year 1970 on; a leap second is the one before it. False: it is none.
 * Any thread. */
bool dgon_utc_read(const char *p, size_t n, int64_t *seconds);
/* 0 <= seconds <= DGON_UTC_MAX; what is outside becomes the nearer end. */
void dgon_utc_write(char out[DGON_UTC_SIZE], int64_t seconds);

#endif
