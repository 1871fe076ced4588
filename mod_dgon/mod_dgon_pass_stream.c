/* What goes through while a request is passed on: its body in pieces, and the answer's head. */
#include "mod_dgon_pass.h"

#include "mod_dgon_body.h"

#include <http_protocol.h>
#include <apr_strings.h>

#include <string.h>

bool mod_dgon_pass_feed_head(mod_dgon_stream *s, dgon_ring *up)
{
    mod_dgon_upload *u = s->upload;
    if (u->head_fed ||
        dgon_ring_put_spsc(up, DGON_REC_HEAD, 0, u->head.data, (uint32_t)u->head.len) != DGON_OK)
        return false;
    u->head_fed = true;
    return true;
}

bool mod_dgon_pass_feed_end(mod_dgon_stream *s, dgon_ring *up)
{
    mod_dgon_upload *u = s->upload;
    if (!u->head_fed || u->more || u->ended || s->body_at < s->body.len ||
        dgon_ring_put_spsc(up, DGON_REC_BODY, 0, NULL, 0) != DGON_OK)
        return false;
    u->ended = true;
    return true;
}

bool mod_dgon_pass_read(mod_dgon_stream *s)
{
    mod_dgon_upload *u = s->upload;
    bool eos = false;
    if (!s->accepted || s->body_at < s->body.len)
        return true;
    if (!u->begun) {
        u->begun = true;
        u->input_at = s->now;
    }
    dgon_buf_reset(&s->body);
    s->body_at = 0;
    /* an HTTP/2 stream has no socket that poll() could watch */
    apr_read_type_e block = s->c->master != NULL ? APR_BLOCK_READ : APR_NONBLOCK_READ;
    if (!mod_dgon_body_some(s->r, u->in, block, MOD_DGON_PASS_PIECE, &s->body, &eos,
                            mod_dgon_client_error(s)))
        return false;
    u->more = !eos;
    u->wants_input = !eos && s->body.len == 0;
    if (!u->wants_input)
        u->input_at = s->bound_at =
            s->now; /* the first byte of the answer is waited for from here */
    if (s->now - u->input_at < (uint64_t)apr_time_as_msec(s->r->server->timeout))
        return true;
    s->r->connection->keepalive = AP_CONN_CLOSE;
    dgon_error_set(mod_dgon_client_error(s), HTTP_REQUEST_TIME_OUT, "timeout", NULL,
                   "The rest of the request body did not come.");
    return false;
}

bool mod_dgon_pass_answer(mod_dgon_stream *s, dgon_ring *down, const dgon_ring_record *rec)
{
    char text[DGON_PASS_HEAD_MAX];
    if (s->upload->answer != NULL || rec->len > sizeof(text))
        return false;
    dgon_pass_head *h = apr_palloc(s->r->pool, sizeof(*h));
    dgon_ring_take_spsc(down, rec, text);
    if (dgon_pass_answer_read(h, text, rec->len) != DGON_OK)
        return false;
    s->upload->answer = h;
    return true;
}

void mod_dgon_pass_headers(mod_dgon_stream *s)
{
    const dgon_pass_head *h = s->upload->answer;
    request_rec *r = s->r;
    if (h == NULL)
        return;
    r->status = h->status;
    r->status_line = ap_get_status_line_ex(r->pool, h->status);
    for (unsigned i = 0; i < h->headers; i++) {
        if (strcasecmp(h->header[i].name, "Content-Type") == 0) {
            ap_set_content_type(r, h->header[i].value);
            if (strncasecmp(h->header[i].value, "text/event-stream", 17) == 0)
                apr_table_setn(r->subprocess_env, "no-gzip", "1");
        } else {
            apr_table_setn(r->headers_out, h->header[i].name, h->header[i].value);
        }
    }
    if (h->length >= 0)
        ap_set_content_length(r, (apr_off_t)h->length);
}

/* Is the length that was said one that is sent? */
static bool has_length(const mod_dgon_stream *s)
{
    const dgon_pass_head *h = s->upload->answer;
    return h->length >= 0 && !s->r->header_only && h->status != HTTP_NO_CONTENT &&
           h->status != HTTP_NOT_MODIFIED;
}

bool mod_dgon_pass_takes(mod_dgon_stream *s, uint32_t n)
{
    mod_dgon_upload *u = s->upload;
    if (u->answer == NULL)
        return false;
    u->passed += n;
    return !has_length(s) || u->passed <= u->answer->length;
}

bool mod_dgon_pass_is_whole(const mod_dgon_stream *s)
{
    const mod_dgon_upload *u = s->upload;
    return u->answer != NULL && (!has_length(s) || u->passed == u->answer->length);
}
