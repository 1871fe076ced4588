/* Requests that are passed on as they are: which ones may be, and what is said about them and about
 * their answers on the link.
 *
 * A list of openings is text: "METHODS PATH" with commas between, METHODS is "*" or names with |
 * between, PATH begins with a slash and may end in *, which stands for any rest. The administrator
 * writes one for each DgonPass, the owner of a node another for a backend: a request needs both. */
#ifndef DGON_PASS_H
#define DGON_PASS_H

#include "dgon/buf.h"
#include "dgon/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DGON_PASS_LIST_MAX    4096u /* text of a list */
#define DGON_PASS_RULES_MAX   32u   /* DgonPass lines of a server: a bit of a link each */
#define DGON_PASS_METHOD_MAX  16u
#define DGON_PASS_PATH_MAX    4096u /* with the query */
#define DGON_PASS_HEADERS_MAX 24u
#define DGON_PASS_TEXT_MAX    5120u /* names and values of headers */
#define DGON_PASS_HEAD_MAX    8000u /* written; fits a record */

/* NULL, or what is wrong with the list, for people; static. */
const char *dgon_pass_check(const char *list);
/* path: as in a request line, without its query. */
bool dgon_pass_allows(const char *list, const char *method, const char *path);
/* The path alone, whatever the method. */
bool dgon_pass_has_path(const char *list, const char *path);
/* Is there a request that both allow? */
bool dgon_pass_overlap(const char *a, const char *b);

/* Paths of OpenAI's API that need nobody's leave: the table of what is passed on by itself. */
bool dgon_pass_is_builtin(const char *path);

/* May it stand in a request line: no blank, no control character, no way up (..)? */
bool dgon_pass_is_target(const char *path);

/* The model that a JSON body names. DGON_OK: *at and *len are where the name stands in it, without
 * its quotes; name has it. DGON_ENOTFOUND: none, or the body is no object. DGON_EINVAL: one that is
 * no text, or two. */
DGON_MUST_USE dgon_status dgon_pass_json_model(const char *p, size_t n,
                                               char name[DGON_WIRE_NAME_MAX + 1], size_t *at,
                                               size_t *len);

/* How many members of a JSON object some backend would take for the model: those written in Go tell
 * Model from model no more than from MODEL. -1: it is no JSON object, or has more behind its end. */
int dgon_pass_json_models(const char *p, size_t n);

/* Headers of a request or an answer that go through (lower or upper case). */
bool dgon_pass_request_header(const char *name, size_t n);
bool dgon_pass_answer_header(const char *name, size_t n);

/* A request's head (method, path) or an answer's (status). */
typedef struct dgon_pass_head {
    char method[DGON_PASS_METHOD_MAX + 1];
    char path[DGON_PASS_PATH_MAX + 1]; /* and query */
    int status;
    int64_t length;     /* of the body; -1: not known before its end */
    int64_t model_at;   /* where the model's name stands in the body; -1: nowhere */
    uint32_t model_len; /* without quotes */
    unsigned headers;
    struct {
        const char *name, *value; /* in text */
    } header[DGON_PASS_HEADERS_MAX];
    size_t used;
    char text[DGON_PASS_TEXT_MAX];
} dgon_pass_head;

/* Caller's storage. */
void dgon_pass_head_init(dgon_pass_head *h);
/* False: no room, or a value that cannot stand in a header (RFC 9110 5.5, without tabs and obs-text). */
bool dgon_pass_head_add(dgon_pass_head *h, const char *name, size_t name_len, const char *value,
                        size_t value_len);
/* One JSON object. DGON_ETOOBIG: longer than DGON_PASS_HEAD_MAX. */
DGON_MUST_USE dgon_status dgon_pass_head_write(dgon_buf *out, const dgon_pass_head *h);
/* Hostile input: everything is checked, headers that do not go through are dropped. DGON_EPROTO,
 * DGON_EJSON, DGON_ENOMEM. */
DGON_MUST_USE dgon_status dgon_pass_request_read(dgon_pass_head *h, const char *p, size_t n);
DGON_MUST_USE dgon_status dgon_pass_answer_read(dgon_pass_head *h, const char *p, size_t n);

#endif
