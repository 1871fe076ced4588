#include "mod_dgon_agents.h"

#include <apr_strings.h>
#include <unixd.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS   1000
#define NOTES_MAX 16 /* threads at once that write the file */
#define CLOSE_MS  2000

struct mod_dgon_agents {
    server_rec *server;
    const char *path;
    dgon_agents table;
    dgon_file_stamp stamp;
    bool loaded, changed;
    uint64_t next_look;
    char said[DGON_FILE_WHY]; /* why it cannot be read, told once */
    atomic_int notes;
};

/* ---- at start ---- */

/* Children write beside the file: lock, new content. */
static int check_directory(apr_pool_t *ptemp, server_rec *s, const char *path)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    const char *dir = slash == path ? "/" : apr_pstrndup(ptemp, path, (apr_size_t)(slash - path));
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, APR_FROM_OS_ERROR(errno), s,
                     "DGON0250: DgonAgentFile %s: there is no directory %s: write install -d -o %s "
                     "-m 750 %s",
                     path, dir,
                     ap_unixd_config.user_name != NULL ? ap_unixd_config.user_name : "USER", dir);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (st.st_mode & S_IWOTH) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     "DGON0251: DgonAgentFile %s: everybody may write in %s: write chmod 750 %s",
                     path, dir, dir);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (geteuid() == 0 && st.st_uid != ap_unixd_config.user_id && !(st.st_mode & S_IWGRP))
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, s,
            "DGON0252: DgonAgentFile %s: httpd's children may not write in %s, so no agent "
            "can join: write chown %s %s",
            path, dir, ap_unixd_config.user_name, dir);
    return OK;
}

int mod_dgon_agents_check(apr_pool_t *ptemp, server_rec *s, const char *path)
{
    char why[DGON_FILE_WHY];
    dgon_agents a;
    int rc = check_directory(ptemp, s, path);
    if (rc != OK)
        return rc;
    dgon_agents_init(&a);
    dgon_status st = dgon_agents_load(&a, path, NULL, why);
    dgon_agents_fini(&a);
    if (st == DGON_OK || st == DGON_ENOTFOUND)
        return OK;
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "DGON0253: DgonAgentFile: %s", why);
    return HTTP_INTERNAL_SERVER_ERROR;
}

/* ---- the engine's copy ---- */

static void load(mod_dgon_agents *w)
{
    char why[DGON_FILE_WHY];
    dgon_agents fresh;
    dgon_agents_init(&fresh);
    /* what was read and is wrong is not read again until it changes; what could not be read is */
    w->stamp = (dgon_file_stamp){.inode = 0};
    dgon_status st = dgon_agents_load(&fresh, w->path, &w->stamp, why);
    if (st == DGON_OK) {
        dgon_agents_fini(&w->table);
        w->table = fresh;
        w->loaded = w->changed = true;
        if (w->said[0] != '\0')
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, w->server, "DGON0254: %s is good again",
                         w->path);
        w->said[0] = '\0';
    } else if ((w->loaded || st != DGON_ENOTFOUND) && strcmp(why, w->said) != 0) {
        apr_cpystrn(w->said, why, sizeof(w->said));
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, w->server,
                     "DGON0255: %s. The agents as they were last stay: put it right, or back", why);
    }
}

mod_dgon_agents *mod_dgon_agents_open(server_rec *s, const char *path)
{
    mod_dgon_agents *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    w->server = s;
    w->path = path;
    dgon_agents_init(&w->table);
    load(w);
    w->changed = false;
    return w;
}

bool mod_dgon_agents_look(mod_dgon_agents *w, uint64_t now)
{
    if (now >= w->next_look) {
        w->next_look = now + LOOK_MS;
        if (dgon_file_changed(w->path, &w->stamp))
            load(w);
    }
    bool changed = w->changed;
    w->changed = false;
    return changed;
}

void mod_dgon_agents_refresh(mod_dgon_agents *w)
{
    if (dgon_file_changed(w->path, &w->stamp))
        load(w);
}

const dgon_agents_entry *mod_dgon_agents_by_key(const mod_dgon_agents *w,
                                                const unsigned char hash[DGON_HASH_SIZE])
{
    return dgon_agents_by_key(&w->table, hash);
}

const dgon_agents_entry *mod_dgon_agents_by_id(const mod_dgon_agents *w, const char *id)
{
    return dgon_agents_by_id(&w->table, id);
}

const dgon_agents_entry *mod_dgon_agents_by_serial(const mod_dgon_agents *w,
                                                   const unsigned char serial[DGON_AGENTS_SERIAL])
{
    return dgon_agents_by_serial(&w->table, serial);
}

/* ---- what the engine wants noted ---- */

typedef struct note {
    mod_dgon_agents *w;
    unsigned char serial[DGON_AGENTS_SERIAL], next[DGON_HASH_SIZE];
    bool first;
} note;

static dgon_status make_note(dgon_agents *a, void *user)
{
    const note *n = user;
    return n->first ? dgon_agents_promote(a, n->serial, n->next)
                    : dgon_agents_next(a, n->serial, n->next);
}

static void *write_note(void *user)
{
    char why[DGON_FILE_WHY];
    note *n = user;
    mod_dgon_agents *w = n->w;
    dgon_status st = dgon_agents_change(w->path, make_note, n, why);
    /* another child may have been quicker, or the agent revoked */
    if (st != DGON_OK && why[0] != '\0')
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, w->server,
                     "DGON0256: the new key of an agent could not be noted: %s", why);
    free(n);
    atomic_fetch_sub(&w->notes, 1);
    return NULL;
}

void mod_dgon_agents_note(mod_dgon_agents *w, const unsigned char serial[DGON_AGENTS_SERIAL],
                          const unsigned char next[DGON_HASH_SIZE], bool first)
{
    pthread_t thread;
    note *n = atomic_fetch_add(&w->notes, 1) < NOTES_MAX ? malloc(sizeof(*n)) : NULL;
    if (n != NULL) {
        n->w = w;
        n->first = first;
        memcpy(n->serial, serial, sizeof(n->serial));
        memcpy(n->next, next, sizeof(n->next));
        if (pthread_create(&thread, NULL, write_note, n) == 0) {
            pthread_detach(thread);
            return;
        }
    }
    free(n);
    atomic_fetch_sub(&w->notes, 1);
}

void mod_dgon_agents_close(mod_dgon_agents *w)
{
    for (int i = 0; i < CLOSE_MS / 10 && atomic_load(&w->notes) > 0; i++)
        apr_sleep(apr_time_from_msec(10));
}
