/* What is said to be whole begins with a line of its own, and stays whole when more follows. */
#include "dgon/request.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t line = 0, shorter = 0;
    if (size == 0)
        return 0;
    char *text = fuzz_copy(data, size);
    size_t whole = dgon_request_whole(text, size, &line);
    if (whole != 0) {
        FUZZ_ASSERT(whole <= size && dgon_request_whole(text, whole, &shorter) == whole);
        FUZZ_ASSERT(dgon_request_whole(text, whole - 1, &shorter) == 0);
        FUZZ_ASSERT(line >= 5 && line + 4 <= size && memcmp(text, "POST ", 5) == 0);
        FUZZ_ASSERT(text[line] == '\r' && memchr(text, '\n', line) == NULL);
        FUZZ_ASSERT(dgon_request_line_hash(text, line) != 0);
        /* more bytes never make it less whole, and without any it is none */
        char *longer = malloc(size + 1);
        FUZZ_ASSERT(longer != NULL);
        memcpy(longer, text, size);
        longer[size] = 'x';
        FUZZ_ASSERT(dgon_request_whole(longer, size + 1, &shorter) == whole && shorter == line);
        FUZZ_ASSERT(dgon_request_whole(longer, line + 2, &shorter) == 0);
        free(longer);
    }
    free(text);
    return 0;
}
