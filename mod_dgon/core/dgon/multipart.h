/* A look into a body of multipart/form-data (RFC 7578, RFC 2046 5.1) on its way: the field that
 * names the model, and where it stands. Nothing is kept but that. Input comes in any pieces. */
#ifndef DGON_MULTIPART_H
#define DGON_MULTIPART_H

#include "dgon/status.h"
#include "dgon/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DGON_MULTIPART_BOUNDARY_MAX 70u /* RFC 2046 */
#define DGON_MULTIPART_LINE_MAX     1024u /* of a part's header; the rest of a longer one is not read \
                                           */

typedef struct dgon_multipart {
    char delimiter[DGON_MULTIPART_BOUNDARY_MAX + 5]; /* CR LF - - boundary */
    size_t delimiter_len, match;
    int state;
    uint64_t at; /* bytes read */
    char line[DGON_MULTIPART_LINE_MAX];
    size_t line_len;
    bool is_model; /* the part that is being read */
    bool found;    /* the field was there, whole; what follows is of the first one */
    bool twice;
    char model[DGON_WIRE_NAME_MAX + 1]; /* its value; "" when it is too long to be a name */
    uint64_t model_at, model_len;
} dgon_multipart;

/* content_type: the header's value. False: no multipart/form-data with a boundary. Any thread. */
bool dgon_multipart_init(dgon_multipart *m, const char *content_type);
/* DGON_OK also behind the end. DGON_EPROTO: no form. */
DGON_MUST_USE dgon_status dgon_multipart_feed(dgon_multipart *m, const char *p, size_t n);

#endif
