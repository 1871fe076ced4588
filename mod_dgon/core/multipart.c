#include "dgon/multipart.h"

#include <string.h>

enum { BODY, AFTER_DELIMITER, HEADER, END };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool begins(const char *p, const char *end, const char *word)
{
    while (*word != '\0' && p < end && lower(*p) == *word) {
        p++;
        word++;
    }
    return *word == '\0';
}

/* The value of the parameter `name` in "…; a=b; c=\"d\""; NULL: it is not there, or not well
 * written. */
static const char *parameter(const char *p, const char *end, const char *name, size_t *n)
{
    while ((p = memchr(p, ';', (size_t)(end - p))) != NULL) {
        for (p++; p < end && (*p == ' ' || *p == '\t');)
            p++;
        bool found = begins(p, end, name) && p + strlen(name) < end && p[strlen(name)] == '=';
        const char *value = memchr(p, '=', (size_t)(end - p));
        if (value == NULL)
            return NULL;
        value++;
        const char *stop = value;
        if (value < end && *value == '"') {
            value++;
            stop = memchr(value, '"', (size_t)(end - value));
            if (stop == NULL)
                return NULL;
        } else {
            while (stop < end && *stop != ';' && *stop != ' ' && *stop != '\t')
                stop++;
        }
        if (found) {
            *n = (size_t)(stop - value);
            return value;
        }
        p = stop;
    }
    return NULL;
}

bool dgon_multipart_init(dgon_multipart *m, const char *content_type)
{
    const char *end = content_type + strlen(content_type);
    size_t n;
    memset(m, 0, sizeof *m);
    if (!begins(content_type, end, "multipart/form-data"))
        return false;
    const char *boundary = parameter(content_type, end, "boundary", &n);
    if (boundary == NULL || n == 0 || n > DGON_MULTIPART_BOUNDARY_MAX)
        return false;
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary, n);
    m->delimiter_len = n + 4;
    m->match = 2; /* the first delimiter has no line before it */
    return memchr(boundary, '\r', n) == NULL && memchr(boundary, '\n', n) == NULL;
}

/* ---- parts ---- */

static void read_header(dgon_multipart *m)
{
    static const char disposition[] = "content-disposition:";
    const char *end = m->line + m->line_len;
    size_t n;
    if (!begins(m->line, end, disposition))
        return;
    const char *name = parameter(m->line, end, "name", &n);
    if (name != NULL)
        m->is_model = n == 5 && memcmp(name, "model", 5) == 0;
}

static void body_begins(dgon_multipart *m)
{
    m->state = BODY;
    m->match = 0;
    m->twice = m->twice || (m->is_model && m->found);
    m->is_model = m->is_model && !m->found;
    if (!m->is_model)
        return;
    m->model_at = m->at;
    m->line_len = 0; /* from here on the value stands in it */
}

static void body_ends(dgon_multipart *m)
{
    if (m->is_model) {
        m->found = true;
        m->model_len = m->at - m->delimiter_len - m->model_at;
        bool fits = m->model_len < sizeof m->model;
        memcpy(m->model, m->line, fits ? (size_t)m->model_len : 0);
        m->model[fits ? m->model_len : 0] = '\0';
    }
    m->state = AFTER_DELIMITER;
    m->is_model = false;
    m->line_len = 0;
}

static void keep(dgon_multipart *m, char c)
{
    if (m->line_len < sizeof m->line)
        m->line[m->line_len++] = c;
}

static void body(dgon_multipart *m, char c)
{
    if (m->is_model)
        keep(m, c); /* the delimiter too: its length is known when it ends */
    if (c == m->delimiter[m->match])
        m->match++;
    else
        m->match = c == '\r';
    if (m->match == m->delimiter_len)
        body_ends(m);
}

/* The rest of the delimiter's line: "--" ends the form, blanks are padding. */
static dgon_status after_delimiter(dgon_multipart *m, char c)
{
    if (c == '\n') {
        m->state = m->line_len > 0 && m->line[0] == '-' ? END : HEADER;
        m->line_len = 0;
        return DGON_OK;
    }
    if (c == '-' && m->line_len < 2) {
        keep(m, c);
        if (m->line_len == 2)
            m->state = END;
        return DGON_OK;
    }
    return c == ' ' || c == '\t' || c == '\r' ? DGON_OK : DGON_EPROTO;
}

static void header(dgon_multipart *m, char c)
{
    if (c != '\n') {
        keep(m, c);
        return;
    }
    while (m->line_len > 0 && m->line[m->line_len - 1] == '\r')
        m->line_len--;
    if (m->line_len == 0) {
        body_begins(m);
        return;
    }
    read_header(m);
    m->line_len = 0;
}

/* Bytes of a part that cannot begin a delimiter, and of which nothing is kept. */
static size_t skip(const dgon_multipart *m, const char *p, size_t n)
{
    if (m->state == END)
        return n;
    if (m->state != BODY || m->is_model || m->match > 0)
        return 0;
    const char *cr = memchr(p, '\r', n);
    return cr != NULL ? (size_t)(cr - p) : n;
}

dgon_status dgon_multipart_feed(dgon_multipart *m, const char *p, size_t n)
{
    dgon_status s = DGON_OK;
    for (size_t i = 0; i < n && s == DGON_OK;) {
        size_t over = skip(m, p + i, n - i);
        m->at += over;
        i += over;
        if (i == n)
            break;
        m->at++;
        if (m->state == BODY)
            body(m, p[i]);
        else if (m->state == AFTER_DELIMITER)
            s = after_delimiter(m, p[i]);
        else
            header(m, p[i]);
        i++;
    }
    return s;
}
