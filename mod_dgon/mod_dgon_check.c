#include "mod_dgon_check.h"

#include <ap_mpm.h>
#include <http_core.h>
#include <apr_strings.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

typedef struct finding {
    const char *code;
    int level;         /* of httpd's log */
    bool at_start;     /* else a matter of taste, or of what stands around it */
    const char *what;  /* a sentence */
    const char *write; /* the line to write */
} finding;

typedef struct findings {
    server_rec *s;
    apr_pool_t *p;
    apr_array_header_t *list; /* of finding */
} findings;

static void add(findings *f, const char *code, int level, bool at_start, const char *what,
                const char *write)
{
    *(finding *)apr_array_push(f->list) = (finding){code, level, at_start, what, write};
}

static int mpm_number(int what)
{
    int v = 0;
    return ap_mpm_query(what, &v) == APR_SUCCESS ? v : 0;
}

/* ---- the configuration as it was read ---- */

/* Arguments of the last such line outside of all sections; NULL: there is none. MPMs and other
 * modules keep what they read to themselves. */
static const char *line_of(const char *directive)
{
    const char *args = NULL;
    for (const ap_directive_t *d = ap_conftree; d != NULL; d = d->next)
        if (strcasecmp(d->directive, directive) == 0)
            args = d->args;
    return args;
}

static bool has_line(const ap_directive_t *in, const char *directive)
{
    for (const ap_directive_t *d = in; d != NULL; d = d->next)
        if (strcasecmp(d->directive, directive) == 0 ||
            (d->first_child != NULL && has_line(d->first_child, directive)))
            return true;
    return false;
}

/* ---- what holds streams ---- */

/* A suspended stream counts as a connection: mpm_event takes new ones only up to threads + idle *
 * factor. */
static void look_at_factor(findings *f, int64_t jobs, int threads, int daemons)
{
    const char *line = line_of("AsyncRequestWorkerFactor");
    double factor = line != NULL ? strtod(line, NULL) : 2;
    double holds = (1 + factor) * threads * daemons;
    if (threads <= 0 || daemons <= 0 || holds >= (double)jobs)
        return;
    add(f, "DGON0015", APLOG_WARNING, true,
        apr_psprintf(f->p,
                     "AsyncRequestWorkerFactor %g: all children together hold about %.0f streams, "
                     "DgonMaxJobs is %" APR_INT64_T_FMT,
                     factor, holds, (apr_int64_t)jobs),
        apr_psprintf(f->p, "AsyncRequestWorkerFactor %.0f",
                     (double)jobs / ((double)threads * daemons) + 1));
}

static void look_at_mpm(findings *f, const mod_dgon_conf *conf)
{
    int limit = mpm_number(AP_MPMQ_HARD_LIMIT_DAEMONS);
    int threads = mpm_number(AP_MPMQ_MAX_THREADS), daemons = mpm_number(AP_MPMQ_MAX_DAEMONS);
    if (!mpm_number(AP_MPMQ_IS_ASYNC)) {
        add(f, "DGON0011", APLOG_NOTICE, true,
            apr_psprintf(f->p, "MPM %s: each stream and each agent link holds a worker thread",
                         ap_show_mpm()),
            "LoadModule mpm_event_module modules/mod_mpm_event.so");
        return;
    }
    if (limit <= daemons)
        add(f, "DGON0012", APLOG_WARNING, true,
            apr_psprintf(f->p,
                         "ServerLimit %d leaves no spare child: while streams end in old children "
                         "after a graceful restart, new connections wait",
                         limit),
            apr_psprintf(f->p, "ServerLimit %d", 2 * daemons + 1));
    look_at_factor(f, conf->max_jobs, threads, daemons);
    if (ap_find_linked_module("mod_http2.c") != NULL && line_of("H2MaxWorkers") == NULL)
        add(f, "DGON0014", APLOG_NOTICE, true,
            apr_psprintf(f->p,
                         "HTTP/2 streams hold a thread each, at most 1.5 x ThreadsPerChild (%d) at "
                         "once in a child; or write Protocols http/1.1 where streams are many",
                         threads),
            apr_psprintf(f->p, "H2MaxWorkers %d", 4 * threads));
}

static void look_at_files(findings *f, const mod_dgon_conf *conf)
{
    struct rlimit rl;
    rlim_t need =
        (rlim_t)(conf->max_jobs + conf->max_agents + mpm_number(AP_MPMQ_MAX_THREADS) + 64);
    if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur == RLIM_INFINITY || rl.rlim_cur >= need)
        return;
    add(f, "DGON0013", APLOG_WARNING, true,
        apr_psprintf(f->p,
                     "at most %lu open files: too few for DgonMaxJobs %" APR_INT64_T_FMT
                     " in one child; set it before httpd starts (LimitNOFILE of its unit)",
                     (unsigned long)rl.rlim_cur, (apr_int64_t)conf->max_jobs),
        apr_psprintf(f->p, "ulimit -n %lu", (unsigned long)need));
}

static void look_at_times(findings *f, const mod_dgon_conf *conf)
{
    const char *line = line_of("GracefulShutdownTimeout");
    long seconds = line != NULL ? strtol(line, NULL, 10) : 0;
    if (seconds > 0 && seconds * 1000 < conf->drain_timeout)
        add(f, "DGON0016", APLOG_WARNING, false,
            apr_psprintf(f->p,
                         "GracefulShutdownTimeout %ld ends streams before DgonDrainTimeout (%d s) "
                         "does, and without a word to their clients",
                         seconds, (int)(conf->drain_timeout / 1000)),
            apr_psprintf(f->p, "GracefulShutdownTimeout %d",
                         (int)(conf->drain_timeout / 1000) + 5));
}

/* ---- what serves ---- */

static void look_at_slashes(findings *f, server_rec *v)
{
    const core_dir_config *core = ap_get_core_module_config(v->lookup_defaults);
    if (core->allow_encoded_slashes && !core->decode_encoded_slashes)
        return;
    add(f, "DGON0017", APLOG_NOTICE, false,
        apr_psprintf(f->p,
                     "%s: names of models that hold a slash come as %%2F, which httpd answers with "
                     "404 or decodes",
                     v->is_virtual ? apr_psprintf(f->p, "virtual host %s",
                                                  v->server_hostname != NULL ? v->server_hostname
                                                                             : "(no name)")
                                   : "main server"),
        "AllowEncodedSlashes NoDecode");
}

/* The handler that this section sets, if it is one of ours. */
static const char *handler_in(const ap_directive_t *section)
{
    for (const ap_directive_t *d = section->first_child; d != NULL; d = d->next)
        if (strcasecmp(d->directive, "SetHandler") == 0 && strncmp(d->args, "dgon-", 5) == 0)
            return d->args;
    return NULL;
}

/* Sections that open something to whoever can reach the server. What other sections for the same
 * address say is not looked at: that is said in the sentence. */
static void look_at_sections(findings *f, const ap_directive_t *d)
{
    for (; d != NULL; d = d->next) {
        if (d->first_child == NULL)
            continue;
        look_at_sections(f, d->first_child);
        const char *handler = handler_in(d);
        if (handler == NULL || strcmp(handler, "dgon-agent") == 0 ||
            strcmp(handler, "dgon-join") == 0 || has_line(d->first_child, "Require"))
            continue;
        add(f, "DGON0018", APLOG_WARNING, false,
            apr_psprintf(f->p,
                         "%s:%d: %s %s: no Require in this section: unless another one has it, "
                         "whoever reaches this server may use it",
                         d->filename, d->line_num, d->directive, d->args),
            strcmp(handler, "dgon-metrics") == 0 ? "Require local"
                                                 : "AuthType …, and Require valid-user");
    }
}

static bool anybody_trusts_ssl(server_rec *s)
{
    for (; s != NULL; s = s->next)
        if (mod_dgon_config_get(s)->trust & MOD_DGON_TRUST_SSL)
            return true;
    return false;
}

static apr_array_header_t *look(server_rec *s, apr_pool_t *p)
{
    findings f = {.s = s, .p = p, .list = apr_array_make(p, 8, sizeof(finding))};
    const mod_dgon_conf *conf = mod_dgon_config_get(s);
    if (conf->token_file == NULL && conf->agent_file == NULL && !anybody_trusts_ssl(s))
        add(&f, "DGON0010", APLOG_WARNING, true,
            "no DgonAgentFile and no DgonAgentTokenFile: no agent can connect",
            "DgonAgentFile /var/lib/dgon/agents");
    look_at_mpm(&f, conf);
    look_at_files(&f, conf);
    look_at_times(&f, conf);
    for (server_rec *v = s; v != NULL; v = v->next)
        look_at_slashes(&f, v);
    look_at_sections(&f, ap_conftree);
    return f.list;
}

void mod_dgon_check_log(server_rec *s)
{
    apr_pool_t *p;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS)
        return;
    const apr_array_header_t *list = look(s, p);
    for (int i = 0; i < list->nelts; i++) {
        const finding *f = &APR_ARRAY_IDX(list, i, finding);
        if (f->at_start)
            ap_log_error(APLOG_MARK, f->level, 0, s, "%s: %s. Write %s", f->code, f->what,
                         f->write);
    }
    apr_pool_destroy(p);
}

static dgon_status member(dgon_buf *out, const char *key, const char *value)
{
    dgon_status st = dgon_buf_adds(out, key);
    return st == DGON_OK ? dgon_buf_add_json_string(out, value, strlen(value)) : st;
}

dgon_status mod_dgon_check_write(server_rec *s, apr_pool_t *p, dgon_buf *out)
{
    const apr_array_header_t *list = look(s, p);
    dgon_status st = dgon_buf_adds(out, "{\"findings\":[");
    for (int i = 0; i < list->nelts && st == DGON_OK; i++) {
        const finding *f = &APR_ARRAY_IDX(list, i, finding);
        st = member(out, i > 0 ? ",{\"code\":" : "{\"code\":", f->code);
        if (st == DGON_OK)
            st = member(out, ",\"level\":", f->level == APLOG_WARNING ? "warning" : "notice");
        if (st == DGON_OK)
            st = member(out, ",\"what\":", f->what);
        if (st == DGON_OK)
            st = member(out, ",\"write\":", f->write);
        if (st == DGON_OK)
            st = dgon_buf_adds(out, "}");
    }
    return st == DGON_OK ? dgon_buf_adds(out, "]}") : st;
}
