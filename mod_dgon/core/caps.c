#include "caps_int.h"

#include "dgon/control.h"

#include <string.h>

static const struct {
    const char *word;
    uint32_t bit;
} words[] = {{"completion", DGON_CAP_COMPLETION},
             {"tools", DGON_CAP_TOOLS},
             {"vision", DGON_CAP_VISION},
             {"thinking", DGON_CAP_THINKING},
             {"embedding", DGON_CAP_EMBED}};

uint32_t dgon_caps_bit(const char *word)
{
    for (size_t k = 0; word != NULL && k < sizeof(words) / sizeof(words[0]); k++)
        if (strcmp(word, words[k].word) == 0)
            return words[k].bit;
    return 0;
}

dgon_status dgon_caps_write(dgon_buf *out, const char *key, uint32_t caps)
{
    const char *comma = "";
    dgon_status s = dgon_buf_addf(out, "\"%s\":[", key);
    for (size_t k = 0; k < sizeof(words) / sizeof(words[0]) && s == DGON_OK; k++) {
        if ((caps & words[k].bit) == 0)
            continue;
        s = dgon_buf_addf(out, "%s\"%s\"", comma, words[k].word);
        comma = ",";
    }
    return s == DGON_OK ? dgon_buf_adds(out, "]") : s;
}
