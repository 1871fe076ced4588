#include "dgon/sse.h"

#include <string.h>

/* The one data line of an event is not copied while its event is whole inside the bytes being fed:
 * it is borrowed from there, and only what is still open at their end goes into s->data. */
typedef struct feed {
    dgon_sse *s;
    const char *data; /* borrowed, or NULL */
    size_t len;
} feed;

void dgon_sse_init(dgon_sse *s, size_t max, dgon_sse_fn fn, void *user)
{
    *s = (dgon_sse){.fn = fn, .user = user};
    dgon_buf_init(&s->line, max);
    dgon_buf_init(&s->data, max);
}

void dgon_sse_fini(dgon_sse *s)
{
    dgon_buf_fini(&s->line);
    dgon_buf_fini(&s->data);
}

static dgon_status keep_borrowed(feed *f)
{
    if (f->data == NULL)
        return DGON_OK;
    const char *data = f->data;
    f->data = NULL;
    return dgon_buf_add(&f->s->data, data, f->len);
}

static dgon_status take_data(feed *f, const char *value, size_t n, bool borrow)
{
    dgon_sse *s = f->s;
    if (!s->have_data) {
        s->have_data = true;
        if (!borrow)
            return dgon_buf_add(&s->data, value, n);
        f->data = value;
        f->len = n;
        return DGON_OK;
    }
    size_t before = f->data != NULL ? f->len : s->data.len;
    if (n >= s->data.max || before > s->data.max - n - 1)
        return DGON_ETOOBIG;
    dgon_status st = keep_borrowed(f);
    if (st == DGON_OK)
        st = dgon_buf_add(&s->data, "\n", 1);
    if (st == DGON_OK)
        st = dgon_buf_add(&s->data, value, n);
    return st;
}

static bool is_field(const char *line, size_t n, const char *name, size_t len)
{
    return n == len && memcmp(line, name, len) == 0;
}

static void take_event(dgon_sse *s, const char *value, size_t n)
{
    s->event_len = n < sizeof s->event ? n : sizeof s->event;
    if (s->event_len > 0)
        memcpy(s->event, value, s->event_len);
}

/* A line of the form "name: value", "name:value" or "name". */
static dgon_status take_field(feed *f, const char *line, size_t n, bool borrow)
{
    const char *colon = memchr(line, ':', n);
    size_t name = colon != NULL ? (size_t)(colon - line) : n;
    size_t value = colon != NULL ? name + 1 : n;
    if (value < n && line[value] == ' ')
        value++;
    if (is_field(line, name, "data", 4))
        return take_data(f, line + value, n - value, borrow);
    if (is_field(line, name, "error", 5)) {
        f->s->error_field = true;
        return take_data(f, line + value, n - value, borrow);
    }
    if (is_field(line, name, "event", 5))
        take_event(f->s, line + value, n - value);
    return DGON_OK;
}

/* The blank line. The reader is ready for the next event before the callback runs; what the
 * callback sees stays untouched until the next byte is taken. */
static dgon_status dispatch(feed *f)
{
    dgon_sse *s = f->s;
    dgon_sse_event ev = {.event = s->event, .event_len = s->event_len};
    bool have = s->have_data;
    ev.error_field = s->error_field;
    ev.data = f->data != NULL ? f->data : s->data.data;
    ev.data_len = f->data != NULL ? f->len : s->data.len;
    if (ev.data == NULL)
        ev.data = "";
    f->data = NULL;
    s->event_len = 0;
    s->have_data = false;
    s->error_field = false;
    dgon_buf_reset(&s->data);
    return have ? s->fn(s->user, &ev) : DGON_OK;
}

static dgon_status take_line(feed *f, const char *line, size_t n, bool borrow)
{
    dgon_sse *s = f->s;
    if (n > s->line.max)
        return DGON_ETOOBIG;
    if (!s->bom_checked) {
        s->bom_checked = true;
        if (n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
            line += 3;
            n -= 3;
        }
    }
    return n > 0 ? take_field(f, line, n, borrow) : dispatch(f);
}

/* The line that s->line holds together with the piece p[0..n). */
static dgon_status take_joined(feed *f, const char *p, size_t n)
{
    dgon_buf *line = &f->s->line;
    dgon_status st = dgon_buf_add(line, p, n);
    if (st != DGON_OK)
        return st;
    n = line->len;
    dgon_buf_reset(line);
    return take_line(f, line->data, n, false);
}

/* The next of c at or after p; `known` is the one found before, so that no byte is searched twice.
 */
static const char *next_char(const char *known, const char *p, const char *end, char c)
{
    if (known != NULL && known >= p)
        return known;
    const char *found = memchr(p, c, (size_t)(end - p));
    return found != NULL ? found : end;
}

static dgon_status take_lines(feed *f, const char *p, const char *end)
{
    dgon_sse *s = f->s;
    const char *lf = next_char(NULL, p, end, '\n');
    const char *cr = next_char(NULL, p, end, '\r');
    while (p < end) {
        if (s->skip_lf) {
            s->skip_lf = false;
            if (*p == '\n') {
                p++;
                continue;
            }
        }
        lf = next_char(lf, p, end, '\n');
        cr = next_char(cr, p, end, '\r');
        const char *eol = lf < cr ? lf : cr;
        size_t n = (size_t)(eol - p);
        if (eol == end)
            return dgon_buf_add(&s->line, p, n);
        s->skip_lf = *eol == '\r';
        dgon_status st = s->line.len > 0 ? take_joined(f, p, n) : take_line(f, p, n, true);
        if (st != DGON_OK)
            return st;
        p = eol + 1;
    }
    return DGON_OK;
}

dgon_status dgon_sse_feed(dgon_sse *s, const char *p, size_t n)
{
    feed f = {.s = s};
    if (n == 0)
        return DGON_OK;
    dgon_status st = take_lines(&f, p, p + n);
    return st == DGON_OK ? keep_borrowed(&f) : st;
}

dgon_status dgon_sse_end(dgon_sse *s)
{
    feed f = {.s = s};
    if (s->line.len > 0) {
        dgon_status st = take_joined(&f, NULL, 0);
        if (st != DGON_OK)
            return st;
    }
    return dispatch(&f);
}

static dgon_status write_block(dgon_buf *out, const char *prefix, const char *text, size_t n)
{
    size_t len = strlen(prefix);
    if (n > out->max) /* before any addition */
        return DGON_ETOOBIG;
    dgon_status st = dgon_buf_reserve(out, len + n + 2);
    if (st != DGON_OK)
        return st;
    char *to = out->data + out->len;
    memcpy(to, prefix, len);
    if (n > 0)
        memcpy(to + len, text, n);
    memcpy(to + len + n, "\n\n", 2);
    out->len += len + n + 2;
    return DGON_OK;
}

dgon_status dgon_sse_write_data(dgon_buf *out, const char *json, size_t n)
{
    return write_block(out, "data: ", json, n);
}

dgon_status dgon_sse_write_comment(dgon_buf *out, const char *text)
{
    return write_block(out, ": ", text, strlen(text));
}
