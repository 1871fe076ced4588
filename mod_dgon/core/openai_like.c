/* A stream's chunks differ in their text alone, as a rule: what stands around it is kept from the
 * last one that was read piece by piece, and compared as a whole. */
#include "openai_int.h"

#include <string.h>

void dgon_openai_like_keep(dgon_chat_like *like, const char *p, size_t n, const dgon_span *text,
                           unsigned index, bool reasoning)
{
    size_t head = (size_t)(text->p - p), tail = n - head - text->n;
    like->known = false;
    if (head + tail > sizeof like->around)
        return;
    memcpy(like->around, p, head);
    memcpy(like->around + head, text->p + text->n, tail);
    like->head = (uint16_t)head;
    like->tail = (uint16_t)tail;
    like->index = (uint8_t)index;
    like->reasoning = reasoning;
    like->known = true;
}

bool dgon_openai_like_read(const dgon_chat_like *like, const char *p, size_t n, dgon_span *text)
{
    size_t head = like->head, tail = like->tail;
    if (!like->known || n < head + tail || memcmp(p, like->around, head) != 0 ||
        memcmp(p + n - tail, like->around + head, tail) != 0)
        return false;
    dgon_peek c = {p + head, p + n - tail};
    return dgon_peek_string(&c, text) && c.p == c.end;
}
