/* Names of models with * in them, and lists of such: who may use which model. */
#ifndef DGON_GLOB_H
#define DGON_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#define DGON_GLOB_LIST_MAX 1024u /* characters of a list */

/* Is p[0..n) the name of a model, in which * may stand for any characters? Any thread, as all. */
bool dgon_glob_is(const char *p, size_t n);
/* Does it fit the whole name? Takes at most n times the name's length. */
bool dgon_glob_fits(const char *p, size_t n, const char *name);
/* Such patterns with commas between them; at least one. */
bool dgon_glob_is_list(const char *p, size_t n);
/* Does any of the list fit? */
bool dgon_glob_list_fits(const char *list, const char *name);

#endif
