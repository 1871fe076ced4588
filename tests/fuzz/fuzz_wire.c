/* A binary message: records lie behind each other without a gap, and their headers write back as
 * read. */
#include "dgon/wire.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *p = fuzz_copy(data, size);
    size_t at = 0, before = 0;
    dgon_record r;
    dgon_status st;
    unsigned sum = 0;
    while ((st = dgon_wire_next(p, size, &at, &r)) == DGON_OK) {
        unsigned char h[DGON_WIRE_HEADER];
        FUZZ_ASSERT(r.payload == p + before + DGON_WIRE_HEADER && r.payload + r.len == p + at);
        FUZZ_ASSERT(r.len <= DGON_WIRE_RECORD_MAX && r.type > 0 && r.type < DGON_REC_MAX);
        FUZZ_ASSERT(r.type != DGON_REC_CREDIT || r.len == 4);
        FUZZ_ASSERT(r.type != DGON_REC_STATUS || r.len == 2);
        dgon_wire_put_header(h, &r);
        FUZZ_ASSERT(memcmp(h, p + before, sizeof h) == 0);
        for (uint32_t i = 0; i < r.len; i++)
            sum += r.payload[i];
        before = at;
    }
    FUZZ_ASSERT(at == before && (st == DGON_DONE) == (at == size));
    FUZZ_ASSERT(st == DGON_DONE || st == DGON_EPROTO || st == DGON_ETOOBIG);
    FUZZ_ASSERT(sum <= 255u * size);
    int model = dgon_wire_is_model_name((const char *)p, size);
    FUZZ_ASSERT(!dgon_wire_is_agent_id((const char *)p, size) || model);
    free(p);
    return 0;
}
