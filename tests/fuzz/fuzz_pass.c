/* What is passed on. The first byte says which part: l two lists of openings with a line between, q
 * the head of a request, a the head of an answer, j a JSON body with a model; the rest is its
 * input.
 */
#include "dgon/pass.h"

#include "fuzz.h"

static void lists(char *text)
{
    char *other = strchr(text, '\n');
    if (other == NULL)
        return;
    *other++ = '\0';
    if (dgon_pass_check(text) != NULL || dgon_pass_check(other) != NULL)
        return;
    FUZZ_ASSERT(dgon_pass_overlap(text, other) == dgon_pass_overlap(other, text));
    if (dgon_pass_allows(text, "GET", "/a/b") && dgon_pass_allows(other, "GET", "/a/b"))
        FUZZ_ASSERT(dgon_pass_overlap(text, other));
    if (dgon_pass_allows(text, "PUT", "/slots"))
        FUZZ_ASSERT(dgon_pass_has_path(text, "/slots"));
}

/* What was read can be written and read again. */
static void head(const char *p, size_t n,
                 dgon_status (*read)(dgon_pass_head *, const char *, size_t))
{
    static dgon_pass_head h, back;
    dgon_buf b;
    if (read(&h, p, n) != DGON_OK)
        return;
    dgon_buf_init(&b, 1u << 20);
    if (dgon_pass_head_write(&b, &h) == DGON_OK) {
        FUZZ_ASSERT(read(&back, b.data, b.len) == DGON_OK);
        FUZZ_ASSERT(back.status == h.status && back.length == h.length &&
                    back.headers == h.headers && back.model_at == h.model_at &&
                    strcmp(back.path, h.path) == 0);
    }
    for (unsigned i = 0; i < h.headers; i++)
        FUZZ_ASSERT(strpbrk(h.header[i].value, "\r\n") == NULL && h.header[i].name[0] != '\0');
    if (h.method[0] != '\0')
        FUZZ_ASSERT(h.path[0] == '/' && strpbrk(h.path, " \r\n#") == NULL);
    dgon_buf_fini(&b);
}

static void model(const char *p, size_t n)
{
    char name[DGON_WIRE_NAME_MAX + 1];
    size_t at, len;
    if (dgon_pass_json_model(p, n, name, &at, &len) == DGON_OK)
        FUZZ_ASSERT(at > 0 && at + len < n && p[at - 1] == '"' && p[at + len] == '"' &&
                    strlen(name) <= len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *p = fuzz_copy(data, size);
    char *text = malloc(size);
    FUZZ_ASSERT(text != NULL);
    memcpy(text, p + 1, size - 1);
    text[size - 1] = '\0';
    switch (p[0]) {
    case 'l':
        lists(text);
        break;
    case 'q':
        head(p + 1, size - 1, dgon_pass_request_read);
        break;
    case 'a':
        head(p + 1, size - 1, dgon_pass_answer_read);
        break;
    default:
        model(p + 1, size - 1);
    }
    free(text);
    free(p);
    return 0;
}
