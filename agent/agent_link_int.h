/* What the files of a link share, the only ones that know libwebsockets. Loop thread. */
#ifndef AGENT_LINK_INT_H
#define AGENT_LINK_INT_H

#include "agent_link.h"

#include "dgon/ws_in.h"

#include <libwebsockets.h>

#define AGENT_LINK_IN_MAX 65536u /* read at once */
#define AGENT_LINK_PONGS  256u   /* bytes of them that leave at once */

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
    unsigned char in[AGENT_LINK_IN_MAX]; /* what is read; of whichever link is being read */
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
    dgon_buf rx; /* as long as libwebsockets reads */
    bool rx_text;
    bool peer_closed; /* its close frame is to be answered */
    dgon_ws_in in;    /* in.ctx: NULL as long as libwebsockets reads */
    unsigned char pongs[LWS_PRE + AGENT_LINK_PONGS];
    size_t pongs_len;
    size_t message_length; /* of the message that comes in parts, as far as it is known */
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

/* Fresh bytes for a frame's mask (RFC 6455, 5.3); NULL: the system gave none. */
const unsigned char *agent_link_next_key(agent_link *l);
/* What wslay has to answer pings with. False: it failed. */
bool agent_link_send_pongs(agent_link *l);
/* A close frame leaves behind what is packed; from here on the link is closing. */
void agent_link_begin_close(agent_link *l, unsigned code, const char *reason);
/* A message, to the owner. */
void agent_link_deliver(agent_link *l, bool text, const void *p, size_t n);
void agent_link_drop_texts(agent_link *l);
void agent_link_note_peer_close(agent_link *l, const unsigned char *p, size_t n);
void agent_link_read_fini(agent_link *l);
/* Once all that is packed has left. */
void agent_link_send_close(agent_link *l);

#endif
