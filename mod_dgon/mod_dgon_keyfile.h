/* DgonKeyFile: a file of API keys (dgon/keys.h) as httpd uses it. Read at start, then by each child
 * as its own user: a change is in use within a second of the next request. */
#ifndef MOD_DGON_KEYFILE_H
#define MOD_DGON_KEYFILE_H

#include "mod_dgon_private.h"

#include <stddef.h>

#define MOD_DGON_KEYFILE_LOOK_MS 1000 /* between two looks at the file */

typedef struct mod_dgon_keyfile mod_dgon_keyfile;

typedef enum mod_dgon_verdict {
    MOD_DGON_KEY_GOOD = 0,
    MOD_DGON_KEY_UNKNOWN, /* no key with this id: another source may have it */
    MOD_DGON_KEY_WRONG,
    MOD_DGON_KEY_EXPIRED, /* the secret was right */
    MOD_DGON_KEY_BROKEN   /* libcrypto failed */
} mod_dgon_verdict;

/* Configuration: reads the file. The same path gives the same object, also after a restart, when
 * the file may be bad: the keys of before stay then, and the log says so. NULL: *wrong says what is
 * wrong with a file that was never good. */
mod_dgon_keyfile *mod_dgon_keyfile_open(cmd_parms *cmd, const char *path, const char **wrong);
/* child_init: says it loudly if the child's user cannot read them. */
void mod_dgon_keyfile_child(server_rec *s);
/* Any thread of a child. Looks at the file first, if it is time: then one thread reads it. *models
 * (from the pool of r): the models that a good key is restricted to, "" for none. */
mod_dgon_verdict mod_dgon_keyfile_check(mod_dgon_keyfile *f, request_rec *r, const char *id,
                                        size_t id_len, const char *secret, size_t secret_len,
                                        const char **models);

#endif
