/* dgonctl key: the file of API keys. Works on the file alone; the gateway sees the change. */
#include "ctl.h"

#include "dgon/file.h"
#include "dgon/glob.h"
#include "dgon/keys.h"
#include "dgon/utc.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FORBIDDEN 0027u /* mode bits that a key file must not have */
#define NEW_MODE  0640u
#define DAYS_MAX  36500

typedef struct job {
    const ctl *c;
    const char *id, *file;
    const char *expires, *models, *comment; /* options as given; NULL: not given */
    bool is_new;                            /* the file: it was not there */
    dgon_buf text;                          /* its content */
    dgon_keys keys;
} job;

static void write_time(char out[DGON_UTC_SIZE], int64_t seconds)
{
    if (seconds == 0)
        out[0] = '\0';
    else
        dgon_utc_write(out, seconds);
}

/* 90d, 12h, 2026-12-31 (until its end) or 2026-12-31T12:00:00Z. */
static bool read_expiry(const char *text, int64_t now, int64_t *seconds)
{
    char *unit, day[DGON_UTC_SIZE];
    long n = strtol(text, &unit, 10);
    if (n > 0 && n <= DAYS_MAX && text[0] >= '0' && text[0] <= '9' &&
        (strcmp(unit, "d") == 0 || strcmp(unit, "h") == 0)) {
        *seconds = now + n * (*unit == 'd' ? 86400 : 3600);
        return true;
    }
    if (strlen(text) == 10) {
        (void)snprintf(day, sizeof day, "%sT23:59:59Z", text);
        text = day;
    }
    return dgon_utc_read(text, strlen(text), seconds) && *seconds > now;
}

/* ---- the file ---- */

/* A file that is not there holds no keys, when one is to be added. */
static int load(job *j, bool may_be_missing)
{
    char why[DGON_FILE_WHY], what[DGON_KEYS_WHY];
    dgon_buf_init(&j->text, DGON_KEYS_FILE_MAX);
    dgon_status s = dgon_file_read(j->file, FORBIDDEN, &j->text, NULL, why);
    j->is_new = s == DGON_ENOTFOUND && may_be_missing;
    if (s != DGON_OK && !j->is_new)
        return ctl_fail(CTL_FAILED, "%s", why);
    if (dgon_keys_parse(&j->keys, j->text.data != NULL ? j->text.data : "", j->text.len, what) !=
        DGON_OK)
        return ctl_fail(CTL_FAILED, "%s %s", j->file, what);
    return CTL_OK;
}

static void unload(job *j)
{
    dgon_keys_fini(&j->keys);
    dgon_buf_fini(&j->text);
}

/* The content with another line (or none: NULL) in place of the one with that number. */
static dgon_status replace_line(const dgon_buf *text, size_t number, const dgon_key *key,
                                dgon_buf *out)
{
    dgon_status s = DGON_OK;
    const char *p = text->data, *end = p + text->len;
    for (size_t line = 1; p < end && s == DGON_OK; line++) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((eol != NULL ? eol + 1 : end) - p);
        if (line != number)
            s = dgon_buf_add(out, p, n);
        else if (key != NULL)
            s = dgon_key_write(out, key);
        p += n;
    }
    return s;
}

static int save(job *j, const dgon_buf *content, dgon_status s)
{
    char why[DGON_FILE_WHY];
    if (s == DGON_OK)
        s = dgon_file_replace(j->file, content->data, content->len, NEW_MODE, why);
    else
        (void)snprintf(why, sizeof why, "%s: %s", j->file, dgon_status_str(s));
    return s == DGON_OK ? CTL_OK : ctl_fail(CTL_FAILED, "%s", why);
}

/* ---- output ---- */

static json_t *json_of(const dgon_key *key)
{
    char expires[DGON_UTC_SIZE], created[DGON_UTC_SIZE];
    write_time(expires, key->expires);
    write_time(created, key->created);
    return json_pack("{s:s,s:o,s:o,s:o,s:s}", "id", key->id, "expires",
                     expires[0] != '\0' ? json_string(expires) : json_null(), "models",
                     key->models[0] != '\0' ? json_string(key->models) : json_null(), "created",
                     created[0] != '\0' ? json_string(created) : json_null(), "comment",
                     key->comment);
}

static int print_json(json_t *value)
{
    bool ok = value != NULL && json_dumpf(value, stdout, JSON_COMPACT) == 0;
    json_decref(value);
    return ok && putchar('\n') != EOF ? CTL_OK : ctl_fail(CTL_FAILED, "no output");
}

/* The one time that the secret is seen. On stdout there is nothing else, for $(…). */
static int print_new(const job *j, const dgon_key *key, const char *secret)
{
    char text[DGON_KEY_ID_MAX + DGON_KEY_SECRET_SIZE + 1], expires[DGON_UTC_SIZE];
    (void)snprintf(text, sizeof text, "%s.%s", key->id, secret);
    if (j->c->json) {
        json_t *value = json_of(key);
        if (value != NULL)
            (void)json_object_set_new(value, "key", json_string(text));
        return print_json(value);
    }
    write_time(expires, key->expires);
    (void)fprintf(stderr, "The key is shown this once. It is valid %s%s.\n",
                  expires[0] != '\0' ? "until " : "for ever", expires);
    return puts(text) != EOF ? CTL_OK : ctl_fail(CTL_FAILED, "no output");
}

/* ---- what can be done ---- */

static int find(const job *j, const dgon_key **key)
{
    *key = dgon_keys_find(&j->keys, j->id, strlen(j->id));
    return *key != NULL ? CTL_OK
                        : ctl_fail(CTL_NOT_FOUND, "%s holds no key \"%s\"", j->file, j->id);
}

static int add(job *j)
{
    char secret[DGON_KEY_SECRET_SIZE];
    int64_t now = (int64_t)time(NULL);
    dgon_key key = {.id = j->id,
                    .created = now,
                    .models = j->models != NULL ? j->models : "",
                    .comment = j->comment != NULL ? j->comment : ""};
    if (!dgon_key_is_id(j->id, strlen(j->id)))
        return ctl_usage("key", "an id is 3 to 32 of a-z, 0-9, _ and -");
    if (j->expires != NULL && !read_expiry(j->expires, now, &key.expires))
        return ctl_usage("key", "--expires takes 90d, 12h, or a day to come such as 2030-12-31");
    if (j->models != NULL && !dgon_glob_is_list(j->models, strlen(j->models)))
        return ctl_usage("key", "--models takes names with commas between them, * in them");
    if (!dgon_key_is_comment(key.comment, strlen(key.comment)))
        return ctl_usage("key", "--comment takes one line of at most 128 bytes");
    if (dgon_keys_find(&j->keys, j->id, strlen(j->id)) != NULL)
        return ctl_fail(CTL_FAILED, "%s holds a key \"%s\" already: rotate or revoke it", j->file,
                        j->id);
    dgon_status s = dgon_key_make(secret, key.hash);
    if (s == DGON_OK && j->text.len == 0)
        s = dgon_buf_adds(&j->text,
                          "# id, SHA-256 of the secret, expires, models, created, comment; "
                          "changed by dgonctl key\n");
    if (s == DGON_OK)
        s = dgon_key_write(&j->text, &key);
    int rc = save(j, &j->text, s);
    if (rc == CTL_OK && j->is_new)
        (void)fprintf(stderr, "Let httpd's user read it: chgrp www-data %s\n", j->file);
    return rc == CTL_OK ? print_new(j, &key, secret) : rc;
}

/* revoke: without the line; rotate: with a new secret in it. */
static int change(job *j, bool rotate)
{
    char secret[DGON_KEY_SECRET_SIZE];
    const dgon_key *old;
    int rc = find(j, &old);
    if (rc != CTL_OK)
        return rc;
    dgon_key key = *old;
    dgon_buf out;
    dgon_buf_init(&out, DGON_KEYS_FILE_MAX);
    dgon_status s = rotate ? dgon_key_make(secret, key.hash) : DGON_OK;
    if (s == DGON_OK)
        s = replace_line(&j->text, old->line, rotate ? &key : NULL, &out);
    if (s == DGON_OK && out.len == 0) /* an empty file would look like one written by half */
        s = dgon_buf_adds(&out, "# no keys\n");
    rc = save(j, &out, s);
    dgon_buf_fini(&out);
    if (rc != CTL_OK)
        return rc;
    if (rotate)
        return print_new(j, &key, secret);
    if (j->c->json)
        return print_json(json_of(old));
    (void)printf("%s is revoked\n", j->id);
    return CTL_OK;
}

static int list(job *j)
{
    json_t *all = j->c->json ? json_array() : NULL;
    if (!j->c->json && j->keys.count > 0)
        (void)printf("%-24s %-20s %-20s %-24s %s\n", "ID", "EXPIRES", "CREATED", "MODELS",
                     "COMMENT");
    for (size_t i = 0; i < j->keys.count; i++) {
        const dgon_key *key = &j->keys.list[i];
        char expires[DGON_UTC_SIZE], created[DGON_UTC_SIZE];
        if (j->c->json) {
            (void)json_array_append_new(all, json_of(key));
            continue;
        }
        write_time(expires, key->expires);
        write_time(created, key->created);
        (void)printf("%-24s %-20s %-20s %-24s %s\n", key->id, expires[0] != '\0' ? expires : "-",
                     created[0] != '\0' ? created : "-", key->models[0] != '\0' ? key->models : "*",
                     key->comment);
    }
    return j->c->json ? print_json(all) : CTL_OK;
}

static int run_locked(job *j, const char *verb)
{
    char why[DGON_FILE_WHY];
    int lock = dgon_file_lock(j->file, why);
    if (lock < 0)
        return ctl_fail(CTL_FAILED, "%s", why);
    bool is_add = strcmp(verb, "add") == 0;
    int rc = load(j, is_add);
    if (rc == CTL_OK)
        rc = is_add ? add(j) : change(j, strcmp(verb, "rotate") == 0);
    unload(j);
    dgon_file_unlock(lock);
    return rc;
}

static bool read_options(job *j, int argc, char **argv)
{
    static const struct option options[] = {
        {"expires", required_argument, NULL, 'e'},
        {"models", required_argument, NULL, 'm'},
        {"comment", required_argument, NULL, 'c'},
        {"file", required_argument, NULL, 'f'},
        {NULL, 0, NULL, 0},
    };
    int o;
    optind = 0; /* begins anew */
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (o) {
        case 'e':
            j->expires = optarg;
            break;
        case 'm':
            j->models = optarg;
            break;
        case 'c':
            j->comment = optarg;
            break;
        case 'f':
            j->file = optarg;
            break;
        default:
            return false;
        }
    return true;
}

int ctl_key(const ctl *c, int argc, char **argv)
{
    job j = {.c = c, .file = CTL_KEYS};
    if (!read_options(&j, argc, argv))
        return ctl_usage("key", "that option does not exist, or lacks its value");
    int n = argc - optind;
    const char *verb = n > 0 ? argv[optind] : "";
    bool is_add = strcmp(verb, "add") == 0, is_list = strcmp(verb, "list") == 0;
    if (!is_add && !is_list && strcmp(verb, "revoke") != 0 && strcmp(verb, "rotate") != 0)
        return ctl_usage("key", "say add, list, revoke or rotate");
    if (n != (is_list ? 1 : 2))
        return ctl_usage("key", is_list ? "list takes no id" : "one id is needed");
    if (!is_add && (j.expires != NULL || j.models != NULL || j.comment != NULL))
        return ctl_usage("key", "--expires, --models and --comment belong to add");
    if (!is_list) {
        j.id = argv[optind + 1];
        return run_locked(&j, verb);
    }
    int rc = load(&j, false);
    if (rc == CTL_OK)
        rc = list(&j);
    unload(&j);
    return rc;
}
