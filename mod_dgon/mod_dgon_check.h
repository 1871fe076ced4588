/* What of this server's configuration will not hold what it promises, each with the line to write:
 * said at start in the log, and to dgonctl check at any time. */
#ifndef MOD_DGON_CHECK_H
#define MOD_DGON_CHECK_H

#include "mod_dgon_config.h"

#include "dgon/buf.h"

/* post_config: logs what concerns everybody. */
void mod_dgon_check_log(server_rec *s);
/* Any thread: appends {"findings":[{"code":…,"level":…,"what":…,"write":…}]}, all there are. */
dgon_status mod_dgon_check_write(server_rec *s, apr_pool_t *p, dgon_buf *out);

#endif
