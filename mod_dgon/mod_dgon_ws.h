/* Server side of one WebSocket over a connection of the engine's: what knows wslay, with ws_in.h.
 * Engine thread. */
#ifndef MOD_DGON_WS_H
#define MOD_DGON_WS_H

#include "mod_dgon_conn.h"

#include <stdint.h>

typedef struct mod_dgon_ws mod_dgon_ws;

/* A whole message; p is valid during the call. False: nothing more of what was read is handed on
 * (the owner has closed it). */
typedef bool (*mod_dgon_ws_message)(void *user, bool text, const unsigned char *p, size_t n);

/* NULL when memory is short. max: longest message. */
mod_dgon_ws *mod_dgon_ws_create(mod_dgon_conn *mc, size_t max, mod_dgon_ws_message fn, void *user);
/* From now on: the longest message, and how many more bytes are read at all (0: any number). */
void mod_dgon_ws_limit(mod_dgon_ws *ws, size_t message, size_t bytes);
void mod_dgon_ws_destroy(mod_dgon_ws *ws);
/* Reads what is there and hands on whole messages. False: the peer is gone or has broken the
 * protocol; destroy it. */
bool mod_dgon_ws_read(mod_dgon_ws *ws);
/* Queue a message; it is copied. False when memory is short. */
bool mod_dgon_ws_text(mod_dgon_ws *ws, const char *p, size_t n);
bool mod_dgon_ws_binary(mod_dgon_ws *ws, const unsigned char *p, size_t n);
bool mod_dgon_ws_ping(mod_dgon_ws *ws);
void mod_dgon_ws_close(mod_dgon_ws *ws, uint16_t code, const char *reason);
/* Sends what is queued as far as the socket takes it. False: the peer is gone, or a close was sent:
 * destroy it. */
bool mod_dgon_ws_flush(mod_dgon_ws *ws);
/* Bytes queued and not yet handed to the connection. */
size_t mod_dgon_ws_queued(const mod_dgon_ws *ws);
/* Something came from the peer since the last call. */
bool mod_dgon_ws_heard(mod_dgon_ws *ws);

#endif
