/* A stream of frames: what is taken for a whole message is one to the last bit, as it can be made
 * again from what was read, and nothing else of the stream is touched. */
#include "dgon/frame.h"

#include "fuzz.h"

#define MESSAGE_MAX 300u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *p = fuzz_copy(data, size);
    for (size_t at = 0; at < size;) {
        size_t n = size - at;
        uint64_t whole = dgon_frame_size(p + at, n);
        dgon_frame f;
        FUZZ_ASSERT(whole == 0 ? n < DGON_FRAME_HEAD_MAX : whole >= 2);
        if (dgon_frame_from_gateway(p + at, n, MESSAGE_MAX, &f)) {
            FUZZ_ASSERT(f.size == whole && f.size <= n && f.len <= MESSAGE_MAX);
            FUZZ_ASSERT(f.payload + f.len == p + at + f.size && f.text == (data[at] == 0x81));
        }
        if (!dgon_frame_message(p + at, n, MESSAGE_MAX, &f)) {
            FUZZ_ASSERT(memcmp(p + at, data + at, n) == 0);
            at += whole == 0 || whole > n ? n : (size_t)whole;
            continue;
        }
        FUZZ_ASSERT(f.size == whole && f.size <= n && f.len <= MESSAGE_MAX);
        FUZZ_ASSERT(f.payload + f.len == p + at + f.size);
        unsigned char again[DGON_FRAME_HEAD_MAX + MESSAGE_MAX];
        memcpy(again + DGON_FRAME_HEAD_MAX, f.payload, f.len);
        size_t head = dgon_frame_binary(again + DGON_FRAME_HEAD_MAX, f.len, f.payload - 4);
        FUZZ_ASSERT(head + f.len == f.size);
        FUZZ_ASSERT(memcmp(again + DGON_FRAME_HEAD_MAX - head, data + at, f.size) == 0);
        at += f.size;
    }
    free(p);
    return 0;
}
