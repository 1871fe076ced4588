/* What a graceful restart asks of httpd's parent. */
#ifndef MOD_DGON_RESTART_H
#define MOD_DGON_RESTART_H

/* register_hooks, in the parent. Its hook runs there once a generation's configuration has been
 * read. */
void mod_dgon_restart_register(void);

#endif
