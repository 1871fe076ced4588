/* A graceful restart without httpd's pause: its old children stop listening at once, but while they
 * hold streams the parent sleeps for a second before it starts new ones. */
#include "mod_dgon_restart.h"

#include <ap_mpm.h>
#include <http_config.h>

#include <signal.h>
#include <time.h>

/* After the configuration was read. By then the parent sleeps; if not, it is as without us. */
#define WAKE_MS 20

static timer_t timer;

static void on_sigcont(int sig)
{
    (void)sig; /* what counts is that apr_sleep() returns */
}

/* The module may be unloaded after this. */
static apr_status_t forget(void *data)
{
    (void)data;
    timer_delete(timer);
    signal(SIGCONT, SIG_DFL);
    return APR_SUCCESS;
}

/* SIGCONT: httpd does not use it, and one that finds no handler does nothing. */
static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)plog;
    (void)ptemp;
    (void)s;
    struct sigaction action = {.sa_handler = on_sigcont};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT};
    struct itimerspec when = {.it_value.tv_nsec = WAKE_MS * 1000000L};
    int generation = 0;
    if (ap_mpm_query(AP_MPMQ_GENERATION, &generation) != APR_SUCCESS || generation == 0 ||
        timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        return OK;
    (void)sigaction(SIGCONT, &action, NULL);
    (void)timer_settime(timer, 0, &when, NULL);
    apr_pool_cleanup_register(pconf, NULL, forget, apr_pool_cleanup_null);
    return OK;
}

void mod_dgon_restart_register(void)
{
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_REALLY_LAST);
}
