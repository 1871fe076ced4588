/* The request for an OpenAI-compatible backend: the client's own bytes with three values replaced.
 */
#include "dgon/openai.h"
#include "dgon/relay.h"

#include "tree_int.h"

#include <string.h>

#define USAGE "\"include_usage\":true"
#define EDITS 2u

/* body[at..at + len) and what comes in its place. */
typedef struct edit {
    size_t at, len;
    const char *text;
    size_t n;
} edit;

typedef struct found {
    dgon_json_member model, stream, options;
    bool has_model, has_stream, has_options;
    size_t inside; /* behind the opening brace */
} found;

static bool key_is(const char *body, const dgon_json_member *m, const char *key)
{
    return m->key_len == strlen(key) && memcmp(body + m->key, key, m->key_len) == 0;
}

static bool value_is(const char *body, const dgon_json_member *m, const char *text)
{
    return m->value_len == strlen(text) && memcmp(body + m->value, text, m->value_len) == 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* False: the name was there before. */
static bool take(dgon_json_member *to, bool *has, const dgon_json_member *m)
{
    bool first = !*has;
    *to = *m;
    *has = true;
    return first;
}

/* True if the scanner can be trusted with this body: an object and nothing behind it, no escaped
 * name, none of the three given twice. */
static bool find(found *f, const char *body, size_t n)
{
    dgon_json_scan scan;
    dgon_json_member m;
    dgon_status s;
    bool plain = true;
    dgon_json_scan_init(&scan, body, n);
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK && plain) {
        if (memchr(body + m.key, '\\', m.key_len) != NULL)
            plain = false;
        else if (key_is(body, &m, "model"))
            plain = take(&f->model, &f->has_model, &m);
        else if (key_is(body, &m, "stream"))
            plain = take(&f->stream, &f->has_stream, &m);
        else if (key_is(body, &m, "stream_options"))
            plain = take(&f->options, &f->has_options, &m);
    }
    if (!plain || s != DGON_DONE)
        return false;
    while (is_space(body[f->inside]))
        f->inside++;
    f->inside++;
    while (scan.at < n && is_space(body[scan.at]))
        scan.at++;
    return scan.at == n;
}

/* ---- with a tree, where bytes do not tell ---- */

static int tree_options(json_t *root, bool *want_usage)
{
    json_t *options = json_object_get(root, "stream_options");
    int bad = 0;
    *want_usage = json_is_true(json_object_get(options, "include_usage"));
    if (!json_is_object(options)) {
        bad |= json_object_set_new(root, "stream_options", json_object());
        options = json_object_get(root, "stream_options");
    }
    return bad | json_object_set_new(options, "include_usage", json_true());
}

static dgon_status by_tree(dgon_buf *out, const char *body, size_t n, const char *model,
                           bool stream, bool *want_usage)
{
    json_error_t err;
    json_t *root;
    dgon_status s = dgon_tree_load(&root, body, n, 0, &err);
    if (s != DGON_OK)
        return s;
    s = json_is_object(root) ? DGON_OK : DGON_EJSON;
    int bad = 0;
    if (s == DGON_OK) {
        bad |= json_object_set_new(root, "model", json_string(model));
        bad |= json_object_set_new(root, "stream", json_boolean(stream));
        if (stream)
            bad |= tree_options(root, want_usage);
        s = bad == 0 ? dgon_tree_dump(out, root) : DGON_ENOMEM;
    }
    json_decref(root);
    return s;
}

/* ---- with bytes ---- */

/* The edit that makes include_usage true inside the object of stream_options. False: left to the
 * tree. */
static bool edit_options(edit *e, const char *body, const dgon_json_member *options,
                         bool *want_usage)
{
    const char *p = body + options->value;
    dgon_json_scan scan;
    dgon_json_member m, usage = {0};
    dgon_status s;
    bool has_usage = false, empty = true, plain = true;
    dgon_json_scan_init(&scan, p, options->value_len);
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK && plain) {
        empty = false;
        plain = memchr(p + m.key, '\\', m.key_len) == NULL;
        if (plain && key_is(p, &m, "include_usage"))
            plain = take(&usage, &has_usage, &m);
    }
    if (!plain || s != DGON_DONE)
        return false;
    *want_usage = has_usage && value_is(p, &usage, "true");
    if (has_usage)
        *e = (edit){options->value + usage.value, usage.value_len, "true", 4};
    else if (empty)
        *e = (edit){options->value + 1, 0, USAGE, sizeof USAGE - 1};
    else
        *e = (edit){options->value + 1, 0, USAGE ",", sizeof USAGE};
    return true;
}

/* Fills e in the order of the body; returns the number of edits, 0: left to the tree. */
static size_t plan(edit e[EDITS], const char *body, const found *f, const dgon_buf *name,
                   bool stream, bool *want_usage)
{
    static const char options[] = "\"stream_options\":{" USAGE "},";
    size_t count = 0;
    if (!f->has_model || (stream && !f->has_stream))
        return 0;
    /* "stream": null is false as well */
    if (f->has_stream && value_is(body, &f->stream, "true") != stream)
        return 0;
    e[count++] = (edit){f->model.value, f->model.value_len, name->data, name->len};
    if (!stream)
        return count;
    if (!f->has_options)
        e[count] = (edit){f->inside, 0, options, sizeof options - 1};
    else if (body[f->options.value] != '{')
        e[count] = (edit){f->options.value, f->options.value_len, "{" USAGE "}", sizeof USAGE + 1};
    else if (!edit_options(&e[count], body, &f->options, want_usage))
        return 0;
    if (e[1].at < e[0].at) {
        edit first = e[1];
        e[1] = e[0];
        e[0] = first;
    }
    return count + 1;
}

static dgon_status splice(dgon_buf *out, const char *p, size_t n, const edit *e, size_t count)
{
    size_t at = 0;
    dgon_status s = DGON_OK;
    for (size_t k = 0; k < count && s == DGON_OK; k++) {
        s = dgon_buf_add(out, p + at, e[k].at - at);
        if (s == DGON_OK)
            s = dgon_buf_add(out, e[k].text, e[k].n);
        at = e[k].at + e[k].len;
    }
    return s == DGON_OK ? dgon_buf_add(out, p + at, n - at) : s;
}

dgon_status dgon_openai_request_out(dgon_buf *out, const char *body, size_t n, const char *model,
                                    bool stream, bool *want_usage)
{
    size_t before = out->len, count = 0;
    edit edits[EDITS];
    found f = {0};
    dgon_buf name;
    *want_usage = false;
    dgon_buf_init(&name, 6 * DGON_WIRE_NAME_MAX + 2);
    dgon_status s = dgon_buf_add_json_string(&name, model, strlen(model));
    if (s == DGON_OK && find(&f, body, n))
        count = plan(edits, body, &f, &name, stream, want_usage);
    if (s == DGON_OK)
        s = count > 0 ? splice(out, body, n, edits, count)
                      : by_tree(out, body, n, model, stream, want_usage);
    if (s != DGON_OK)
        out->len = before;
    dgon_buf_fini(&name);
    return s;
}

/* ---- a request that is passed on ---- */

static dgon_status rename_by_tree(dgon_buf *out, const char *body, size_t n, const char *model)
{
    json_error_t err;
    json_t *root;
    dgon_status s = dgon_tree_load(&root, body, n, 0, &err);
    if (s != DGON_OK)
        return s;
    if (!json_is_object(root))
        s = DGON_EJSON;
    else if (json_object_set_new(root, "model", json_string(model)) != 0)
        s = DGON_ENOMEM;
    else
        s = dgon_tree_dump(out, root);
    json_decref(root);
    return s;
}

dgon_status dgon_relay_request_out(dgon_buf *out, const char *body, size_t n, const char *model)
{
    size_t before = out->len;
    found f = {0};
    dgon_buf name;
    dgon_buf_init(&name, 6 * DGON_WIRE_NAME_MAX + 2);
    dgon_status s = dgon_buf_add_json_string(&name, model, strlen(model));
    if (s == DGON_OK && find(&f, body, n) && f.has_model) {
        const edit e = {f.model.value, f.model.value_len, name.data, name.len};
        s = splice(out, body, n, &e, 1);
    } else if (s == DGON_OK) {
        s = rename_by_tree(out, body, n, model);
    }
    if (s != DGON_OK)
        out->len = before;
    dgon_buf_fini(&name);
    return s;
}
