/* httpd takes the address of each request for a file's, and asks the system about it and each
 * directory on the way, as it does not find it: six calls before a request for a model is read. It
 * asks about a file that is there once, so it is told that ours are. All that stands in <Directory>
 * sections holds as before. */
#include "mod_dgon_walk.h"

#include "mod_dgon_error.h"

#include <http_request.h>

#include <string.h>

/* A name with an ending would have one more meaning as a file's: to mod_mime, to <FilesMatch>. */
static bool has_ending(const char *path)
{
    const char *name = strrchr(path, '/');
    return strchr(name != NULL ? name : path, '.') != NULL;
}

static apr_status_t dirwalk_stat(apr_finfo_t *finfo, request_rec *r, apr_int32_t wanted)
{
    if ((wanted & APR_FINFO_LINK) != 0 || finfo != &r->finfo || r->filename == NULL ||
        has_ending(r->filename) || !mod_dgon_error_for_api(r))
        return AP_DECLINED;
    memset(finfo, 0, sizeof(*finfo));
    finfo->pool = r->pool;
    finfo->valid = APR_FINFO_TYPE;
    finfo->filetype = APR_REG;
    return APR_SUCCESS;
}

void mod_dgon_walk_register(void)
{
    ap_hook_dirwalk_stat(dirwalk_stat, NULL, NULL, APR_HOOK_FIRST);
}
