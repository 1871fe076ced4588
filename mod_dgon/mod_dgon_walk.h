/* httpd's walk through the directories of a request that no file answers. */
#ifndef MOD_DGON_WALK_H
#define MOD_DGON_WALK_H

/* Parent, before the configuration is read: hooks itself in. */
void mod_dgon_walk_register(void);

#endif
