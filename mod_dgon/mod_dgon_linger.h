/* HTTP/2: a stream of ours ends behind its request's body. */
#ifndef MOD_DGON_LINGER_H
#define MOD_DGON_LINGER_H

/* Waits for a client that sends nothing this long at most, and for the whole of a body that long.
 */
#define MOD_DGON_LINGER_SILENT_MS 250
#define MOD_DGON_LINGER_MS        2000

/* Parent, before the configuration is read: hooks itself in. */
void mod_dgon_linger_register(void);

#endif
