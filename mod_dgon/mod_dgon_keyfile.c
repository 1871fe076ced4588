#include "mod_dgon_keyfile.h"

#include "mod_dgon_engine.h"

#include "dgon/file.h"
#include "dgon/keys.h"

#include <http_main.h>
#include <apr_strings.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define FORBIDDEN 0027u /* nothing for others, no writing for the group */

struct mod_dgon_keyfile {
    const char *path;
    mod_dgon_keyfile *next;
    pthread_rwlock_t lock; /* of keys, held for a look-up or a swap */
    dgon_keys keys;
    /* of the one thread that looks: whoever moved next_look on */
    atomic_uint_least64_t next_look; /* CLOCK_MONOTONIC, ms */
    atomic_flag looking;
    dgon_file_stamp stamp;                    /* of the content that was read last, good or bad */
    char said[DGON_FILE_WHY + DGON_KEYS_WHY]; /* of a bad one; "": the last one was good */
};

static mod_dgon_keyfile *files; /* of this configuration; written by the parent alone */

/* Reads and parses. DGON_OK: *keys is the caller's. Else `why` says it, with file and line. */
static dgon_status read_keys(const char *path, dgon_keys *keys, dgon_file_stamp *stamp, char *why,
                             size_t size)
{
    char file_why[DGON_FILE_WHY], keys_why[DGON_KEYS_WHY];
    dgon_buf text;
    dgon_buf_init(&text, DGON_KEYS_FILE_MAX);
    dgon_status s = dgon_file_read(path, FORBIDDEN, &text, stamp, file_why);
    if (s != DGON_OK) {
        apr_cpystrn(why, file_why, size);
    } else {
        s = dgon_keys_parse(keys, text.data != NULL ? text.data : "", text.len, keys_why);
        if (s != DGON_OK)
            apr_snprintf(why, size, "%s %s", path, keys_why);
    }
    dgon_buf_fini(&text);
    return s;
}

/* ---- configuration ---- */

static apr_status_t close_file(void *data)
{
    mod_dgon_keyfile *f = data;
    files = NULL; /* they all go together, with the configuration */
    dgon_keys_fini(&f->keys);
    (void)pthread_rwlock_destroy(&f->lock);
    return APR_SUCCESS;
}

mod_dgon_keyfile *mod_dgon_keyfile_open(cmd_parms *cmd, const char *path, const char **wrong)
{
    char why[DGON_FILE_WHY + DGON_KEYS_WHY];
    for (mod_dgon_keyfile *f = files; f != NULL; f = f->next)
        if (strcmp(f->path, path) == 0)
            return f;
    mod_dgon_keyfile *f = apr_pcalloc(cmd->pool, sizeof(*f));
    f->path = apr_pstrdup(cmd->pool, path);
    atomic_flag_clear(&f->looking);
    if (read_keys(path, &f->keys, &f->stamp, why, sizeof(why)) != DGON_OK) {
        *wrong = apr_psprintf(
            cmd->pool, "DgonKeyFile: %s (make one with: dgonctl key add ID --file %s)", why, path);
        return NULL;
    }
    if (pthread_rwlock_init(&f->lock, NULL) != 0) {
        dgon_keys_fini(&f->keys);
        *wrong = "DgonKeyFile: no lock";
        return NULL;
    }
    f->next = files;
    files = f;
    apr_pool_cleanup_register(cmd->pool, f, close_file, apr_pool_cleanup_null);
    return f;
}

void mod_dgon_keyfile_child(server_rec *s)
{
    for (mod_dgon_keyfile *f = files; f != NULL; f = f->next)
        if (access(f->path, R_OK) != 0)
            ap_log_error(
                APLOG_MARK, APLOG_ERR, APR_FROM_OS_ERROR(errno), s,
                "DGON0200: DgonKeyFile %s: httpd's user cannot read it, so no change will "
                "be seen, nor a key that is revoked: chgrp it to httpd's Group, chmod 0640",
                f->path);
}

/* ---- in a child ---- */

static void refuse(mod_dgon_keyfile *f, const char *why)
{
    if (strcmp(f->said, why) == 0)
        return;
    apr_cpystrn(f->said, why, sizeof(f->said));
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                 "DGON0201: DgonKeyFile %s; the keys read before stay in use", why);
}

static void reload(mod_dgon_keyfile *f)
{
    char why[sizeof(f->said)];
    dgon_keys keys;
    if (read_keys(f->path, &keys, &f->stamp, why, sizeof(why)) != DGON_OK) {
        refuse(f, why);
        return;
    }
    if (f->stamp.size == 0 && f->keys.count > 0) {
        dgon_keys_fini(&keys);
        apr_snprintf(why, sizeof(why), "%s is empty: take keys out with dgonctl key revoke",
                     f->path);
        refuse(f, why);
        return;
    }
    (void)pthread_rwlock_wrlock(&f->lock);
    dgon_keys old = f->keys;
    f->keys = keys;
    (void)pthread_rwlock_unlock(&f->lock);
    dgon_keys_fini(&old);
    f->said[0] = '\0';
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, ap_server_conf,
                 "DGON0202: DgonKeyFile %s was read anew: %" APR_SIZE_T_FMT " keys", f->path,
                 keys.count);
}

static void look(mod_dgon_keyfile *f)
{
    uint64_t now = mod_dgon_now_ms();
    if (now < atomic_load(&f->next_look) || atomic_flag_test_and_set(&f->looking))
        return;
    if (now >= atomic_load(&f->next_look)) {
        if (dgon_file_changed(f->path, &f->stamp))
            reload(f);
        atomic_store(&f->next_look, now + MOD_DGON_KEYFILE_LOOK_MS);
    }
    atomic_flag_clear(&f->looking);
}

static mod_dgon_verdict judge(const dgon_key *key, const unsigned char hash[DGON_HASH_SIZE],
                              apr_time_t now)
{
    static const unsigned char nobody[DGON_HASH_SIZE];
    /* the same steps for an id that does not exist */
    bool same = dgon_hash_same(hash, key != NULL ? key->hash : nobody, DGON_HASH_SIZE);
    if (key == NULL)
        return MOD_DGON_KEY_UNKNOWN;
    if (!same)
        return MOD_DGON_KEY_WRONG;
    return key->expires != 0 && apr_time_sec(now) >= key->expires ? MOD_DGON_KEY_EXPIRED
                                                                  : MOD_DGON_KEY_GOOD;
}

mod_dgon_verdict mod_dgon_keyfile_check(mod_dgon_keyfile *f, request_rec *r, const char *id,
                                        size_t id_len, const char *secret, size_t secret_len,
                                        const char **models)
{
    unsigned char hash[DGON_HASH_SIZE];
    *models = "";
    if (dgon_key_hash(hash, secret, secret_len) != DGON_OK)
        return MOD_DGON_KEY_BROKEN;
    look(f);
    (void)pthread_rwlock_rdlock(&f->lock);
    const dgon_key *key = dgon_keys_find(&f->keys, id, id_len);
    mod_dgon_verdict v = judge(key, hash, apr_time_now());
    if (v == MOD_DGON_KEY_GOOD && key->models[0] != '\0')
        *models = apr_pstrdup(r->pool, key->models);
    (void)pthread_rwlock_unlock(&f->lock);
    return v;
}
