/* What a model can do (DGON_CAP_…), in words: on the wire, in our lists and in Ollama's. */
#ifndef DGON_CAPS_INT_H
#define DGON_CAPS_INT_H

#include "dgon/buf.h"

/* The bit; 0: the word (may be NULL) is none of them. */
uint32_t dgon_caps_bit(const char *word);
/* Appends "key":[…]. */
DGON_MUST_USE dgon_status dgon_caps_write(dgon_buf *out, const char *key, uint32_t caps);

#endif
