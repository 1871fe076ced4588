#include "dgon/answer.h"

#include <string.h>
#include <strings.h>

enum {
    STATUS_LINE = 0,
    HEADERS,
    LENGTH,     /* a body of stated length */
    UNTIL_END,  /* one that lasts as long as the connection */
    CHUNK_SIZE, /* RFC 9112 7.1 */
    CHUNK_DATA,
    CHUNK_END, /* the line end behind it */
    TRAILERS,
    ENDED,
    BROKEN
};

#define LENGTH_DIGITS 18
#define SIZE_DIGITS   15 /* hex */

void dgon_answer_init(dgon_answer *a, bool bodied)
{
    memset(a, 0, sizeof *a);
    a->bodied = bodied;
    dgon_buf_init(&a->line, DGON_ANSWER_HEAD_MAX);
}

void dgon_answer_fini(dgon_answer *a)
{
    dgon_buf_fini(&a->line);
}

static dgon_answer_event bad(dgon_answer *a, const char *why)
{
    a->state = BROKEN;
    a->why = why;
    return DGON_ANSWER_BAD;
}

/* --- lines --- */

/* The line that begins with what was left of the last call. MORE: its end has not come; BAD: it is
 * too long; BEGIN: here it is. */
static dgon_answer_event take_line(dgon_answer *a, const char *p, size_t n, size_t *used,
                                   const char **line, size_t *len)
{
    const char *lf = n > 0 ? memchr(p, '\n', n) : NULL;
    size_t max = a->state == CHUNK_SIZE || a->state == CHUNK_END ? DGON_ANSWER_SIZE_MAX
                                                                 : DGON_ANSWER_HEAD_MAX - a->head;
    size_t some = lf != NULL ? (size_t)(lf - p) : n;
    *used = lf != NULL ? some + 1 : n;
    if (some > max || a->line.len > max - some) {
        return bad(a, "its head is too long");
    }
    size_t whole = a->line.len + some + 1;
    if (lf != NULL && a->line.len == 0) {
        *line = p;
    } else if (dgon_buf_add(&a->line, p, some) != DGON_OK) {
        return bad(a, "out of memory");
    } else if (lf == NULL) {
        return DGON_ANSWER_MORE;
    } else {
        *line = a->line.data;
        a->used = true;
    }
    *len = whole - 1 > 0 && (*line)[whole - 2] == '\r' ? whole - 2 : whole - 1;
    if (a->state != CHUNK_SIZE && a->state != CHUNK_END) {
        a->head += (uint32_t)(whole < max ? whole : max);
    }
    return DGON_ANSWER_BEGIN;
}

/* --- the head --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* HTTP/1.1 200 OK; the reason may be missing, as may the space before it. */
static dgon_answer_event status_line(dgon_answer *a, const char *p, size_t n)
{
    if (n < 12 || memcmp(p, "HTTP/1.", 7) != 0 || !is_digit(p[7]) || p[8] != ' ' || p[9] < '1' ||
        p[9] > '9' || !is_digit(p[10]) || !is_digit(p[11]) || (n > 12 && p[12] != ' ')) {
        return bad(a, "what it answers is not HTTP/1.1");
    }
    a->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    a->minor = p[7] != '0';
    a->keep = a->minor;
    a->chunked = a->stated = false;
    a->left = 0;
    a->state = HEADERS;
    return DGON_ANSWER_BEGIN;
}

static bool is_name(const dgon_answer *a, const char *name)
{
    return a->name_len == strlen(name) && strncasecmp(a->name, name, a->name_len) == 0;
}

static bool is_value(const dgon_answer *a, const char *value)
{
    return a->value_len == strlen(value) && strncasecmp(a->value, value, a->value_len) == 0;
}

/* A list without regard to case (RFC 9110 5.6.1). */
static bool lists(const dgon_answer *a, const char *token)
{
    size_t n = strlen(token);
    const char *p = a->value, *end = p + a->value_len;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma != NULL ? comma : end;
        while (p < stop && (*p == ' ' || *p == '\t')) {
            p++;
        }
        const char *last = stop;
        while (last > p && (last[-1] == ' ' || last[-1] == '\t')) {
            last--;
        }
        if ((size_t)(last - p) == n && strncasecmp(p, token, n) == 0) {
            return true;
        }
        p = comma != NULL ? comma + 1 : end;
    }
    return false;
}

static bool read_length(dgon_answer *a)
{
    uint64_t n = 0;
    if (a->value_len == 0 || a->value_len > LENGTH_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < a->value_len; i++) {
        if (!is_digit(a->value[i])) {
            return false;
        }
        n = n * 10 + (uint64_t)(a->value[i] - '0');
    }
    if (a->stated && n != a->left) {
        return false;
    }
    a->stated = true;
    a->left = n;
    return true;
}

/* What says where the answer ends must be understood (RFC 9112 6). */
static const char *framing(dgon_answer *a)
{
    switch (a->name_len) {
    case 10:
        if (is_name(a, "Connection")) {
            a->keep = (a->keep || lists(a, "keep-alive")) && !lists(a, "close");
        }
        break;
    case 14:
        if (is_name(a, "Content-Length") && !read_length(a)) {
            return "its Content-Length is none";
        }
        break;
    case 17:
        if (is_name(a, "Transfer-Encoding")) {
            if (a->chunked || !is_value(a, "chunked")) {
                return "its Transfer-Encoding is not chunked";
            }
            a->chunked = true;
        }
        break;
    default:
        break;
    }
    return NULL;
}

static dgon_answer_event header(dgon_answer *a, const char *p, size_t n)
{
    const char *colon = memchr(p, ':', n), *end = p + n;
    if (colon == NULL || colon == p || *p == ' ' || *p == '\t' || colon[-1] == ' ' ||
        colon[-1] == '\t' || memchr(p, '\0', n) != NULL || memchr(p, '\r', n) != NULL) {
        return bad(a, "a line of its head is no header");
    }
    a->name = p;
    a->name_len = (size_t)(colon - p);
    for (p = colon + 1; p < end && (*p == ' ' || *p == '\t'); p++)
        ;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    a->value = p;
    a->value_len = (size_t)(end - p);
    const char *why = framing(a);
    return why != NULL ? bad(a, why) : DGON_ANSWER_HEADER;
}

/* RFC 9112 6.3. */
static dgon_answer_event head_ends(dgon_answer *a)
{
    if (a->status == 101) {
        return bad(a, "it changes the protocol");
    }
    if (a->status < 200) {
        a->state = STATUS_LINE;
        return DGON_ANSWER_MORE;
    }
    if (!a->bodied || a->status == 204 || a->status == 304) {
        a->state = ENDED;
    } else if (a->chunked) {
        a->state = CHUNK_SIZE;
        a->keep = a->keep && !a->stated && a->minor;
    } else if (a->stated) {
        a->state = a->left > 0 ? LENGTH : ENDED;
    } else {
        a->state = UNTIL_END;
        a->keep = false;
    }
    return DGON_ANSWER_HEAD;
}

/* --- the body --- */

static int hex(char c)
{
    return is_digit(c)              ? c - '0'
           : (c >= 'a' && c <= 'f') ? c - 'a' + 10
           : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                    : -1;
}

static dgon_answer_event chunk_size(dgon_answer *a, const char *p, size_t n)
{
    size_t i = 0;
    a->left = 0;
    for (; i < n && i < SIZE_DIGITS && hex(p[i]) >= 0; i++) {
        a->left = a->left * 16 + (uint64_t)hex(p[i]);
    }
    if (i == 0 || (i < n && p[i] != ';' && p[i] != ' ' && p[i] != '\t')) {
        return bad(a, "a chunk of it has no size");
    }
    a->state = a->left > 0 ? CHUNK_DATA : TRAILERS;
    return DGON_ANSWER_MORE;
}

static dgon_answer_event body(dgon_answer *a, const char *p, size_t n, size_t *used)
{
    size_t some = a->state != UNTIL_END && a->left < n ? (size_t)a->left : n;
    *used = some;
    if (some == 0) {
        return DGON_ANSWER_MORE;
    }
    a->data = p;
    a->data_len = some;
    if (a->state != UNTIL_END) {
        a->left -= some;
        if (a->left == 0) {
            a->state = a->state == LENGTH ? ENDED : CHUNK_END;
        }
    }
    return DGON_ANSWER_BODY;
}

/* --- one step --- */

/* MORE: nothing to tell of it. */
static dgon_answer_event on_line(dgon_answer *a, const char *p, size_t n)
{
    switch (a->state) {
    case STATUS_LINE:
        return status_line(a, p, n);
    case HEADERS:
        return n > 0 ? header(a, p, n) : head_ends(a);
    case CHUNK_SIZE:
        return chunk_size(a, p, n);
    case CHUNK_END:
        if (n > 0) {
            return bad(a, "a chunk of it is longer than it says");
        }
        a->state = CHUNK_SIZE;
        return DGON_ANSWER_MORE;
    default: /* trailers: of no interest */
        if (n == 0) {
            a->state = ENDED;
            return DGON_ANSWER_END;
        }
        return DGON_ANSWER_MORE;
    }
}

dgon_answer_event dgon_answer_next(dgon_answer *a, const char *p, size_t n, size_t *used)
{
    const char *line = NULL;
    size_t len = 0, some = 0;
    dgon_answer_event e;
    *used = 0;
    do {
        if (a->used) {
            a->used = false;
            dgon_buf_fini(&a->line);
        }
        switch (a->state) {
        case ENDED:
            return DGON_ANSWER_END;
        case BROKEN:
            return DGON_ANSWER_BAD;
        case LENGTH:
        case UNTIL_END:
        case CHUNK_DATA:
            e = body(a, p + *used, n - *used, &some);
            *used += some;
            return e;
        default:
            e = take_line(a, p + *used, n - *used, &some, &line, &len);
            *used += some;
            if (e != DGON_ANSWER_BEGIN) {
                return e;
            }
            e = on_line(a, line, len);
            break;
        }
    } while (e == DGON_ANSWER_MORE);
    return e;
}

bool dgon_answer_eof(const dgon_answer *a)
{
    return a->state == UNTIL_END || a->state == ENDED;
}
