#include "dgon/utf8.h"

#include "utf8_int.h"

#include <string.h>

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Between two bytes of a character the state holds what may follow: bits 0-7 bytes missing, bits
 * 8-15 and 16-23 the smallest and the largest next byte. */
static uint32_t expect(unsigned missing, unsigned lo, unsigned hi)
{
    return missing | lo << 8 | hi << 16;
}

/* State after the first byte c >= 0x80 of a character; 0 when none starts so (RFC 3629 section 4).
 */
static uint32_t lead(unsigned char c)
{
    if (c < 0xc2 || c > 0xf4)
        return 0;
    if (c < 0xe0)
        return expect(1, 0x80, 0xbf);
    if (c < 0xf0)
        return expect(2, c == 0xe0 ? 0xa0 : 0x80, c == 0xed ? 0x9f : 0xbf);
    return expect(3, c == 0xf0 ? 0x90 : 0x80, c == 0xf4 ? 0x8f : 0xbf);
}

static bool fits(uint32_t state, unsigned char c)
{
    return c >= (state >> 8 & 0xff) && c <= (state >> 16 & 0xff);
}

static uint32_t follow(uint32_t state)
{
    unsigned missing = (state & 0xff) - 1;
    return missing > 0 ? expect(missing, 0x80, 0xbf) : 0;
}

/* Index behind the plain ASCII that starts at i; stops at the first byte >= 0x80, and with `line`
 * at the first below 0x20. */
static size_t skip_ascii(const unsigned char *p, size_t i, size_t n, bool line)
{
    const uint64_t below = line ? ONES * 0x20 : 0;
    for (; n - i >= 8; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        if (((w | ((w - below) & ~w)) & HIGHS) != 0)
            break;
    }
    while (i < n && p[i] < 0x80 && !(line && p[i] < 0x20))
        i++;
    return i;
}

size_t dgon_utf8_span(dgon_utf8 *u, const unsigned char *p, size_t n, bool line)
{
    size_t i = 0;
    uint32_t state = u->state;
    u->state = 0;
    while (i < n) {
        if (state == 0) {
            i = p[i] < 0x80 ? skip_ascii(p, i, n, line) : i;
            if (i == n)
                break;
            state = lead(p[i]);
            if (state == 0)
                return i;
        } else {
            if (!fits(state, p[i]))
                return i;
            state = follow(state);
        }
        i++;
    }
    u->state = state;
    return n;
}

dgon_status dgon_utf8_feed(dgon_utf8 *u, const void *p, size_t n, bool line)
{
    return dgon_utf8_span(u, p, n, line) == n ? DGON_OK : DGON_EUTF8;
}

bool dgon_utf8_complete(const dgon_utf8 *u)
{
    return u->state == 0;
}

size_t dgon_utf8_sequence(const unsigned char *p, size_t n, bool *valid)
{
    *valid = p[0] < 0x80;
    if (*valid)
        return 1;
    uint32_t state = lead(p[0]);
    size_t i = 1;
    for (; state != 0 && i < n && fits(state, p[i]); i++) {
        state = follow(state);
        if (state == 0) {
            *valid = true;
            return i + 1;
        }
    }
    return i;
}

size_t dgon_utf8_repair(char *dst, const char *src, size_t n)
{
    const unsigned char *p = (const unsigned char *)src;
    size_t len = 0;
    for (size_t i = 0; i < n;) {
        size_t end = skip_ascii(p, i, n, false);
        bool valid = true;
        if (end == i)
            end += dgon_utf8_sequence(p + i, n - i, &valid);
        if (valid) {
            memcpy(dst + len, src + i, end - i);
            len += end - i;
        } else {
            memcpy(dst + len, "\xef\xbf\xbd", 3);
            len += 3;
        }
        i = end;
    }
    return len;
}

size_t dgon_utf8_cut(const char *s, size_t n, size_t max)
{
    if (n <= max)
        return n;
    while (max > 0 && ((unsigned char)s[max] & 0xc0) == 0x80)
        max--;
    return max;
}
