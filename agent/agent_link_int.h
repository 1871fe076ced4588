/* What the two files of a link share, the only ones that know the library. Loop thread. */
#ifndef AGENT_LINK_INT_H
#define AGENT_LINK_INT_H

#include "agent_link.h"

#include <libwebsockets.h>

typedef struct agent_link_item {
    struct agent_link_item *next;
    size_t n;
    unsigned char bytes[]; /* LWS_PRE, then the text */
} agent_link_item;

/* Mask keys, fetched many at a time: each fetch is a system call. */
typedef struct agent_link_keys {
    unsigned char bytes[256];
    size_t left;
} agent_link_keys;

struct agent_dialer {
    agent_loop *loop;
    agent_link_keys keys;
    struct lws_vhost *vhost;
    const agent_link_ops *ops;
    void *user;
    bool tls, insecure;
    uint16_t port;
    char host[256], host_port[272], path[AGENT_CONFIG_PATH_MAX];
};

struct agent_link {
    agent_dialer *dialer;
    struct lws *wsi;
    agent_link_state state;
    agent_link_end end;
    lws_retry_bo_t idle;
    uint64_t since_ms;
    char token[AGENT_CONFIG_SECRET_MAX];
    /* receive */
    dgon_buf rx;
    bool rx_text;
    bool peer_closed; /* the library has its close frame to answer */
    /* send */
    dgon_buf tx; /* LWS_PRE, then records; `at` is the first not sent */
    size_t at;
    agent_link_item *texts, **texts_end;
    unsigned text_count;
    bool choked;         /* a job was told to wait */
    bool broken;         /* a write failed: nothing more is tried */
    unsigned close_code; /* 0 = none asked for */
    bool close_sent;     /* nothing may follow the close frame */
    char close_reason[64];
    void *data;
};

/* The socket did not take all of the last message. */
static inline bool agent_link_is_partial(const agent_link *l)
{
    return lws_partial_buffered(l->wsi) != 0;
}

/* Once all that is packed has left. */
void agent_link_send_close(agent_link *l);

#endif
