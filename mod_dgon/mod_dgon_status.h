/* What is going on: the handlers dgon-status (JSON, live, a page for people) and dgon-metrics
 * (Prometheus, health), and lines in mod_status' page. They show names of agents and models, never
 * anything of a request; who may look is for httpd's authorization to say. */
#ifndef MOD_DGON_STATUS_H
#define MOD_DGON_STATUS_H

#include "mod_dgon_engine.h"

/* Worker. */
int mod_dgon_status_handler(request_rec *r);
int mod_dgon_metrics_handler(request_rec *r);

/* register_hooks, pre_config. */
void mod_dgon_status_register(void);

/* Appends {"type":"cluster_status","data":{…}}. Any thread. */
dgon_status mod_dgon_status_write(mod_dgon_engine *e, dgon_buf *out);
/* Worker: the page. */
int mod_dgon_status_page(request_rec *r, mod_dgon_engine *e);
/* Worker: the same JSON as a stream, one object a second when something has changed; events: as
 * text/event-stream, else a line each. Returns what the handler must return. */
int mod_dgon_status_live(request_rec *r, mod_dgon_engine *e, bool events);
/* Engine: ends all such streams of this child. */
void mod_dgon_status_live_end(mod_dgon_engine *e);

#endif
