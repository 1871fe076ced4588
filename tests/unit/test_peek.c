#include "unit.h"

#include "peek_int.h"

#include <string.h>

#define LONGEST 21u /* two words of eight and more */

static bool read_string(const char *p, size_t n, dgon_span *s, const char **behind)
{
    dgon_peek c = {p, p + n};
    bool ok = dgon_peek_string(&c, s);
    *behind = c.p;
    return ok;
}

/* Each byte at each place of strings of each length: one that stands for itself is taken, a quote
 * ends the string, all else is refused. */
static void test_bytes(void)
{
    size_t bad = 0;
    for (size_t n = 1; n <= LONGEST; n++) {
        for (size_t at = 0; at < n; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char text[LONGEST + 3];
                dgon_span s = {0};
                const char *behind;
                memset(text, 'a', sizeof text);
                text[0] = text[n + 1] = '"';
                text[at + 1] = (char)byte;
                bool plain = byte >= 0x20 && byte < 0x7f && byte != '\\';
                size_t size = byte == '"' ? at + 2 : n + 2;
                bool ok = read_string(text, n + 2, &s, &behind);
                bad += ok != plain || (ok && (s.p != text || s.n != size || behind != text + size));
            }
        }
    }
    CU_ASSERT_EQUAL(bad, 0);
}

/* A string that does not end is none, however much of it is there. */
static void test_open(void)
{
    dgon_span s;
    const char *behind;
    char text[LONGEST + 1];
    memset(text, 'a', sizeof text);
    text[0] = '"';
    for (size_t n = 0; n <= LONGEST; n++)
        CU_ASSERT(!read_string(text, n, &s, &behind));
}

/* More than a byte long, at each place. */
static void test_pieces(void)
{
    static const struct {
        const char *piece;
        bool ok;
    } pieces[] = {
        {"\xc3\xa4", true},      {"\xe2\x82\xac", true}, {"\xf0\x9f\x98\x80", true},
        {"\xc3", false},         {"\xe2\x82", false},    {"\xc0\xaf", false},
        {"\xed\xa0\x80", false}, {"\\n", true},          {"\\\"", true},
        {"\\\\", true},          {"\\u00e4", true},      {"\\uD83d", false},
        {"\\u00g0", false},      {"\\x", false},         {"\\", false},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        size_t len = strlen(pieces[i].piece);
        for (size_t at = 0; at + len <= LONGEST; at++) {
            char text[LONGEST + 3];
            dgon_span s;
            const char *behind;
            memset(text, 'a', sizeof text);
            text[0] = text[LONGEST + 1] = '"';
            memcpy(text + 1 + at, pieces[i].piece, len);
            bool ok = read_string(text, LONGEST + 2, &s, &behind);
            CU_ASSERT_EQUAL(ok, pieces[i].ok);
            CU_ASSERT(!ok || (s.n == LONGEST + 2 && behind == text + s.n));
        }
    }
}

/* A key is compared letter by letter, so one that is spelled otherwise is not taken. */
static void test_keys(void)
{
    static const struct {
        const char *text;
        int more;
    } objects[] = {
        {"{\"content\":1}", 1},    {"{\"conten\\u0074\":1}", -1},
        {"{ \"content\" : 1}", 1}, {"{}", 0},
        {"{\"content\"1}", -1},    {"[", -1},
    };
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        dgon_peek c = {objects[i].text, objects[i].text + strlen(objects[i].text)};
        dgon_span key = {0};
        bool open = false;
        CU_ASSERT_EQUAL(dgon_peek_member(&c, &open, &key), objects[i].more);
        CU_ASSERT(objects[i].more != 1 || (dgon_span_is(&key, "content") && *c.p == '1'));
    }
}

UNIT_MAIN("peek", {"bytes", test_bytes}, {"open", test_open}, {"pieces", test_pieces},
          {"keys", test_keys})
