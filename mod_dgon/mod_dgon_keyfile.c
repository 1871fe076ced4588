#include "mod_dgon_keyfile.h"

#include "mod_dgon_engine.h"

#include "dgon/file.h"
#include "dgon/keys.h"

#include <ap_mpm.h>
#include <http_core.h>
#include <apr_strings.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define WHY_MAX   (DGON_FILE_WHY + DGON_KEYS_WHY)
#define FORBIDDEN 0027u /* nothing for others, no writing for the group */

struct mod_dgon_keyfile {
    const char *path;
    int generation; /* of the configuration that named it last */
    mod_dgon_keyfile *next;
    pthread_rwlock_t lock; /* of keys, held for a look-up or a swap */
    dgon_keys keys;
    /* of the one thread that looks: whoever moved next_look on */
    atomic_uint_least64_t next_look; /* CLOCK_MONOTONIC, ms */
    atomic_flag looking;
    dgon_file_stamp stamp; /* of the content that was read last, good or bad */
    char said[WHY_MAX];    /* of a bad one; "": the last one was good */
};

/* They outlive a restart, for the keys that are good when the file is not: httpd would end. */
typedef struct kept {
    size_t size; /* of one, as the module that made them had it */
    mod_dgon_keyfile *first;
} kept;

static mod_dgon_keyfile **files(void)
{
    static const char name[] = "mod_dgon_keyfile " MOD_DGON_VERSION;
    kept *k = ap_retained_data_get(name);
    if (k == NULL || k->size != sizeof(mod_dgon_keyfile)) {
        k = ap_retained_data_create(name, sizeof(*k));
        k->size = sizeof(mod_dgon_keyfile);
    }
    return &k->first;
}

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

/* ---- a change ---- */

/* s is NULL while the configuration is read: the old servers are gone, the new ones have no log. */
static void refuse(mod_dgon_keyfile *f, server_rec *s, const char *why)
{
    if (strcmp(f->said, why) == 0)
        return;
    apr_cpystrn(f->said, why, sizeof(f->said));
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 "DGON0201: DgonKeyFile %s; the keys read before stay in use", why);
}

static void reload(mod_dgon_keyfile *f, server_rec *s)
{
    char why[sizeof(f->said)];
    dgon_keys keys;
    if (read_keys(f->path, &keys, &f->stamp, why, sizeof(why)) != DGON_OK) {
        refuse(f, s, why);
        return;
    }
    if (f->stamp.size == 0 && f->keys.count > 0) {
        dgon_keys_fini(&keys);
        apr_snprintf(why, sizeof(why), "%s is empty: take keys out with dgonctl key revoke",
                     f->path);
        refuse(f, s, why);
        return;
    }
    (void)pthread_rwlock_wrlock(&f->lock);
    dgon_keys old = f->keys;
    f->keys = keys;
    (void)pthread_rwlock_unlock(&f->lock);
    dgon_keys_fini(&old);
    f->said[0] = '\0';
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                 "DGON0202: DgonKeyFile %s was read anew: %" APR_SIZE_T_FMT " keys", f->path,
                 keys.count);
}

/* ---- configuration ---- */

static mod_dgon_keyfile *find(const char *path)
{
    for (mod_dgon_keyfile *f = *files(); f != NULL; f = f->next)
        if (strcmp(f->path, path) == 0)
            return f;
    return NULL;
}

static mod_dgon_keyfile *make(apr_pool_t *p, const char *path)
{
    pthread_rwlockattr_t writer_first; /* readers that never cease must not keep a revoked key */
    mod_dgon_keyfile *f = apr_pcalloc(p, sizeof(*f));
    f->path = apr_pstrdup(p, path);
    atomic_flag_clear(&f->looking);
    (void)pthread_rwlockattr_init(&writer_first);
    (void)pthread_rwlockattr_setkind_np(&writer_first,
                                        PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    return pthread_rwlock_init(&f->lock, &writer_first) == 0 ? f : NULL;
}

mod_dgon_keyfile *mod_dgon_keyfile_open(cmd_parms *cmd, const char *path, const char **wrong)
{
    char why[WHY_MAX];
    mod_dgon_keyfile *f = find(path);
    if (f != NULL) {
        reload(f, NULL); /* a restart: the keys of before are there */
    } else {
        f = make(cmd->server->process->pool, path);
        if (f == NULL || read_keys(path, &f->keys, &f->stamp, why, sizeof(why)) != DGON_OK) {
            *wrong =
                apr_psprintf(cmd->pool, "DgonKeyFile: %s (dgonctl key add ID --file %s makes one)",
                             f != NULL ? why : "no lock", path);
            return NULL;
        }
        f->next = *files();
        *files() = f;
    }
    f->generation = ap_state_query(AP_SQ_CONFIG_GEN);
    return f;
}

void mod_dgon_keyfile_child(server_rec *s)
{
    for (mod_dgon_keyfile *f = *files(); f != NULL; f = f->next)
        if (f->generation == ap_state_query(AP_SQ_CONFIG_GEN) && access(f->path, R_OK) != 0)
            ap_log_error(
                APLOG_MARK, APLOG_ERR, APR_FROM_OS_ERROR(errno), s,
                "DGON0200: DgonKeyFile %s: httpd's user cannot read it, so no change will "
                "be seen, nor a key that is revoked: chgrp it to httpd's Group, chmod 0640",
                f->path);
}

/* ---- in a child ---- */

static void look(mod_dgon_keyfile *f, server_rec *s)
{
    uint64_t now = mod_dgon_now_ms();
    if (now < atomic_load(&f->next_look) || atomic_flag_test_and_set(&f->looking))
        return;
    if (now >= atomic_load(&f->next_look)) {
        if (dgon_file_changed(f->path, &f->stamp))
            reload(f, s);
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
    look(f, r->server);
    (void)pthread_rwlock_rdlock(&f->lock);
    const dgon_key *key = dgon_keys_find(&f->keys, id, id_len);
    mod_dgon_verdict v = judge(key, hash, apr_time_now());
    if (v == MOD_DGON_KEY_GOOD && key->models[0] != '\0')
        *models = apr_pstrdup(r->pool, key->models);
    (void)pthread_rwlock_unlock(&f->lock);
    return v;
}
