/* dgon.v1: the link protocol between agent and gateway. This file is its definition.
 *
 * Transport: one WebSocket (RFC 6455), subprotocol "dgon.v1", dialled by the agent without an Origin
 * header. Who it is: "Authorization: Bearer <token>" (then its id is what hello says), or a client
 * certificate that httpd has verified (the id is the certificate's), or neither: then the gateway
 * begins with `challenge`, and `hello` is signed (the id is the one that was enrolled). Until then
 * no message is longer than DGON_WIRE_HELLO_MAX, and twice that is all the gateway reads.
 *
 * Text messages are control: one JSON object with "type", rare, at most DGON_WIRE_CONTROL_MAX
 * bytes. Unknown types and unknown members are ignored.
 *
 * agent -> gateway
 *
 *   {"type":"hello","protocol":[1,1],"agent":"gpu-7","instance":"<16 hex digits>",
 *    "version":"0.1.0","os":"linux","slots":4,"labels":{"room":"b"},"models":[MODEL,...]}
 *       The first message of a link, once. MODEL = {"name":"tiny-chat","backend":"ollama",
 *       "context":8192,"loaded":true,"capabilities":["tools","vision"],"lacks":["embedding"]}. Names
 *       match [A-Za-z0-9._:/@+-]{1,128}, at most DGON_WIRE_MODELS_MAX; agent ids
 *       [A-Za-z0-9._-]{1,64}.
 *   {"type":"models","models":[MODEL,...]}
 *       Replaces the whole list. "allow" in it or in hello: what the node's owner has opened, a list
 *       as in pass.h. "pull" in either: it takes jobs of op "load"; true: the owner lets it get models
 *       that it does not have.
 *       After a challenge hello has "key" as well, the agent's Ed25519 public key (64 hex digits),
 *       and "signature" (128) over sign.h's login text, and its list of models is empty: `models`
 *       follows the welcome.
 *   {"type":"key","key":"<64 hex>","signature":"<128 hex>"}
 *       Answers `rotate`: the agent's next key, signed with that key (sign.h's text of a new key).
 *   {"type":"capacity","slots":4}
 *       The number of slots changed.
 *   {"type":"draining"}
 *       No new jobs on this link; running ones end.
 *   {"type":"alive"}
 *       Reserved; liveness is WebSocket ping and pong.
 *
 * gateway -> agent
 *
 *   {"type":"challenge","nonce":"<64 hex>"}
 *       The first message of a link without token and certificate. Good for this link, once.
 *   {"type":"rotate"}
 *       Make a new key, keep both, answer with `key`. Once the gateway has noted it, a `goaway` with
 *       the reason "rotate" makes the agent log in with it; only then the old one is gone.
 *   {"type":"welcome","protocol":1,"link":3,"child":0,"children":2,"window":12288,"ping":20,
 *    "hangup":35,"agent":"gpu-7","gateway":"<hex>","registry":"<16 hex>"}
 *       agent: the id under which it is known. child: the process at the other end, of `children` that stay; window: credit in bytes that
 *       each job starts with; ping, hangup: seconds, for the agent's liveness timer. registry:
 *       processes with the same one share one queue and one count of the agent's slots.
 *   {"type":"job","job":17,"attempt":1,"op":"chat","model":"tiny-chat","public":"tiny-chat",
 *    "id":"chatcmpl-...","created":1700000000,"stream":true,"body":1234,"deadline":120000}
 *       op: a word of op.h; the body is the client's. body: length of the request body that follows
 *       in BODY records; deadline: ms for the first token, a hint. op "pass" has "http" as well, the
 *       head of the request (pass.h), perhaps no model, and an open body: it ends with an empty
 *       BODY record, and the gateway sends no more than DGON_WIRE_BODY_WINDOW bytes of it before
 *       the agent's CREDIT. op "load" has no model here: its body and events are those of load.h.
 *       traceparent (W3C) is added when the client sent one.
 *   {"type":"goaway","reason":"restart","drain":30,"waiting":5}
 *       This process ends within `drain` seconds (or, for the reasons "rename" and "rotate", this
 *       link does): dial a new link now. Jobs go on coming on this
 *       one until the agent answers `draining`, which it does once another link takes jobs or none
 *       can be had; it then closes this one when its jobs have ended. waiting (absent: 0): so many
 *       requests wait in this registry for a slot of this agent, and no process that stays may know
 *       of them; the whole message comes again when the number changes. Until it is 0, or a newer
 *       link to the same registry is up, the agent does not answer `draining` and lets these
 *       requests go first: to newer registries it tells (`capacity`) only the slots that older ones
 *       do not need.
 *
 * Binary messages are job data: one or more whole records, each a header of 12 bytes, big-endian,
 * then `len` bytes:
 *
 *   u32 job      the gateway's own number of the job on this link, from "job": opaque to the agent
 *   u8  type     dgon_rec
 *   u8  attempt  as in "job"; a record of another attempt is dropped
 *   u16 n        content events inside (for metrics), 0 elsewhere
 *   u32 len      payload bytes, at most DGON_WIRE_RECORD_MAX
 *
 * Life of a job on the link: `job` and BODY… from the gateway; then from the agent, once the body
 * is whole and a slot was taken, STATUS(102), unless the answer begins within a moment, then EVENT…
 * (streamed) or RAW… (not streamed), then exactly one of END, FAIL, CANCELLED. Of op "pass" STATUS
 * comes at once, and HEAD before RAW…. After that last
 * record the number means nothing until the gateway gives it to another job.
 *
 * Flow control: per job, agent -> gateway, in bytes of (len + DGON_WIRE_CREDIT_OVERHEAD) over
 * HEAD, EVENT, EVENT_PART and RAW records. The agent starts with `window` and may go below zero by
 * nothing: it sends a record only if the credit covers it. CREDIT gives more. STATUS, END, FAIL and
 * CANCELLED cost nothing and are at most DGON_WIRE_FINAL_MAX bytes.
 */
#ifndef DGON_WIRE_H
#define DGON_WIRE_H

#include "dgon/status.h"

#include <stddef.h>
#include <stdint.h>

#define DGON_WIRE_PROTOCOL "dgon.v1"
#define DGON_WIRE_VERSION  1
#define DGON_WIRE_HEADER   12u
#define DGON_WIRE_RECORD_MAX \
    8192u /* payload of one record; a longer event is cut into EVENT_PARTs */
#define DGON_WIRE_CREDIT_OVERHEAD \
    16u /* charged per record beside its payload (>= the ring's own header) */
#define DGON_WIRE_BODY_OPEN   UINT64_MAX /* length of a body that ends with an empty record */
#define DGON_WIRE_BODY_WINDOW (256u * 1024u)
#define DGON_WIRE_FINAL_MAX   2048u          /* payload of STATUS, END, FAIL, CANCELLED */
#define DGON_WIRE_MESSAGE_MAX (256u * 1024u) /* one binary message */
#define DGON_WIRE_CONTROL_MAX (256u * 1024u) /* one text message */
#define DGON_WIRE_HELLO_MAX   (16u * 1024u)  /* one message before it is known who sends */
#define DGON_WIRE_MODELS_MAX  256u
#define DGON_WIRE_SLOTS_MAX   16384u
#define DGON_WIRE_NAME_MAX    128u /* model name */
#define DGON_WIRE_ID_MAX      64u  /* agent id */

typedef enum dgon_rec {
    DGON_REC_NONE = 0,
    DGON_REC_BODY = 1,   /* gateway -> agent: next piece of the request body; empty: its end */
    DGON_REC_STATUS = 2, /* agent -> gateway: u16 big-endian; 102 = accepted */
    DGON_REC_EVENT = 3,  /* one JSON text in UTF-8 without control characters, or its last piece;
                            before it, where op.h says so, the event's name and a blank */
    DGON_REC_EVENT_PART = 4, /* a piece of a long event, more follows; may cut a character */
    DGON_REC_RAW = 5,        /* piece of a non-streamed JSON answer */
    DGON_REC_END = 6,       /* success; JSON {"usage":{…}|null,"finish":"stop","timings":{…}} */
    DGON_REC_FAIL = 7,      /* JSON of dgon_error_pack() */
    DGON_REC_CANCELLED = 8, /* the agent's slot is free again after a CANCEL; empty */
    DGON_REC_CREDIT = 9,    /* u32 big-endian, bytes added to the job's credit; from an agent: to that
                               of an open body */
    DGON_REC_CANCEL = 10,   /* gateway -> agent: stop this job; empty. Answered by CANCELLED, or
                               END/FAIL if that was under way */
    DGON_REC_HEAD = 11,     /* agent -> gateway: head of an answer that is passed on, pass.h */
    DGON_REC_MAX = 12
} dgon_rec;

/* WebSocket close codes of our own (4400-4499) beside RFC 6455's 1000, 1008, 1011, 1012 (restart),
 * 1013 (try later). */
typedef enum dgon_close {
    DGON_CLOSE_PROTOCOL = 4400, /* malformed control message or record; no hello within 5 s */
    DGON_CLOSE_UNKNOWN = 4401, /* not the key or signature of an enrolled agent; after 60 s */
    DGON_CLOSE_REVOKED = 4403, /* the agent's entry is gone; retry after 60 s */
    DGON_CLOSE_TIMEOUT = 4408,  /* a cancel was never confirmed */
    DGON_CLOSE_DUPLICATE =
        4409, /* another instance with this agent id is alive; retry after 60 s */
    DGON_CLOSE_TOO_BIG = 4413,
    DGON_CLOSE_VERSION = 4426, /* no common protocol version; retry after 60 s */
    DGON_CLOSE_FULL = 4429     /* agent, link or model table is full; retry after 60 s */
} dgon_close;

typedef struct dgon_record {
    uint32_t job;
    uint8_t type;
    uint8_t attempt;
    uint16_t n;
    uint32_t len;
    const unsigned char *payload; /* into the message */
} dgon_record;

/* Writes the 12 header bytes. Any thread. */
void dgon_wire_put_header(unsigned char out[DGON_WIRE_HEADER], const dgon_record *r);
/* Reads the record at p[*at]; on DGON_OK *at is behind it. DGON_DONE: the message ended exactly
 * here. DGON_EPROTO: cut, or type out of range, or a length that is not the type's own (STATUS 2,
 * CREDIT 4, CANCEL and CANCELLED 0); DGON_ETOOBIG: len over DGON_WIRE_RECORD_MAX (over
 * DGON_WIRE_FINAL_MAX for END and FAIL). Checks the header before any addition. */
DGON_MUST_USE dgon_status dgon_wire_next(const unsigned char *p, size_t n, size_t *at,
                                         dgon_record *r);
const char *dgon_rec_str(uint8_t type);

/* [A-Za-z0-9._:/@+-]{1,128} and [A-Za-z0-9._-]{1,64}: 1 if so, else 0. */
int dgon_wire_is_model_name(const char *s, size_t n);
int dgon_wire_is_agent_id(const char *s, size_t n);

void dgon_put_u16(unsigned char *p, uint16_t v);
void dgon_put_u32(unsigned char *p, uint32_t v);
uint16_t dgon_get_u16(const unsigned char *p);
uint32_t dgon_get_u32(const unsigned char *p);

#endif
