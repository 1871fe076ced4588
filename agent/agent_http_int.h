/* What the files of agent_http share. */
#ifndef AGENT_HTTP_INT_H
#define AGENT_HTTP_INT_H

#include "agent_http.h"
#include "agent_http_conn.h"

#include "dgon/answer.h"

#define AGENT_HTTP_READ_MAX   16384u /* at once; of what a paused request has left, at most */
#define AGENT_HTTP_PIECE_MAX  16384u /* of an upload, at once */
#define AGENT_HTTP_CHUNK_LINE 24u    /* more than a chunk's size and its line ends take */

struct agent_http {
    agent_http_conns *conns;
    agent_request *list;
    agent_request *over, **over_end; /* to be reported, in order */
    char in[AGENT_HTTP_READ_MAX];    /* what is being read, for whichever request */
    char piece[AGENT_HTTP_PIECE_MAX];
};

struct agent_request {
    agent_request *prev, *next, *next_over;
    agent_http *http;
    agent_http_conn *conn;
    const agent_http_ops *ops; /* NULL once released */
    void *user;
    dgon_buf head; /* what goes out before the body; of an upload, its pieces as well */
    dgon_buf body;
    size_t sent;         /* of both */
    int64_t upload_left; /* negative: nobody knows */
    dgon_answer answer;
    dgon_buf held; /* while it is paused: what was read and not taken */
    size_t held_body;
    uint64_t begun_ms, released_ms;
    uint32_t connect_timeout_s, total_timeout_s;
    char *origin; /* and behind its NUL the CA file */
    const char *reason;
    bool connected, reused, fresh, began, got, paused, over, complete;
    bool upload, chunked, uploaded, waiting, unsendable;
};

/* agent_http.c */

/* The request is over; reason NULL: its answer is complete. on_done is called from the end of the
 * turn: who has called us may not expect it now. */
void agent_http_finish(agent_request *r, const char *reason);
/* Once more, on a connection that nobody had before. False: that is not to be. */
bool agent_http_try_anew(agent_request *r);
void agent_http_drop_conn(agent_request *r, bool reset);
/* It holds the backend's key. */
void agent_http_drop_head(agent_request *r);

/* agent_http_talk.c */

/* As much as goes out now. */
void agent_http_send(agent_request *r);
void agent_http_ready(agent_request *r, unsigned events);

#endif
