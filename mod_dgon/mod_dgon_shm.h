/* The life of the shared segment: made once by the parent before the first fork, kept through
 * restarts, seen by all children of both generations. */
#ifndef MOD_DGON_SHM_H
#define MOD_DGON_SHM_H

#include "mod_dgon_config.h"

#include "dgon/gate.h"
#include "dgon/registry.h"

/* post_config, root parent: makes the segment, its life locks and the children's eventfds, or takes
 * those of the running server if the sizes and the build are the same (else new ones; the old
 * generation ends on the old ones). Never parses the segment. OK or an error after a log line. */
int mod_dgon_shm_create(server_rec *s, const mod_dgon_conf *conf);
/* child_init: attaches and takes a child slot with its life lock. NULL after a log line: this child
 * then answers 503. */
dgon_registry *mod_dgon_shm_join(server_rec *s, uint32_t *child, int *wakefd);
/* The gate of this generation's segment; after mod_dgon_shm_join. Any thread. */
dgon_gate *mod_dgon_shm_gate(void);
/* Does another child's process live, for certain? Any thread. */
bool mod_dgon_shm_alive(void *user, uint32_t child);
/* Is no child with a lower slot alive? One child does what only one must do. Engine. */
bool mod_dgon_shm_is_first(uint32_t child);
/* Clean exit of the child. The handle stays: a worker may still be on its way out. */
void mod_dgon_shm_leave(dgon_registry *r, uint32_t child);
/* Wakes child's engine: registry's host callback, any thread. */
void mod_dgon_shm_wake(void *user, uint32_t child);

#endif
