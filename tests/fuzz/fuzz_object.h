/* One JSON object and nothing behind it: what is written for a client must be that. */
#ifndef DGON_TESTS_FUZZ_OBJECT_H
#define DGON_TESTS_FUZZ_OBJECT_H

#include "fuzz.h"

#include "dgon/buf.h"
#include "dgon/json.h"

static inline void fuzz_object(const dgon_buf *b)
{
    dgon_json_scan scan;
    dgon_json_member m;
    dgon_status s;
    dgon_json_scan_init(&scan, b->data, b->len);
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK)
        ;
    FUZZ_ASSERT(s == DGON_DONE && scan.at == b->len);
}

#endif
