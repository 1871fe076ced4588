/* Small files of ours that several processes read and change: credentials, keys, join codes. A
 * reader sees the old content or the new one, never a half. POSIX. */
#ifndef DGON_FILE_H
#define DGON_FILE_H

#include "dgon/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define DGON_FILE_WHY 256u

/* What tells one content from the next, and who may read it. */
typedef struct dgon_file_stamp {
    struct {
        int64_t seconds, nanoseconds;
    } written, changed; /* changed: by chmod and chown as well */
    uint64_t size, inode;
    uint32_t mode, owner,
        group; /* times are coarse: a chmod may come in the same tick as the read */
} dgon_file_stamp;

/* Appends the content (at most out->max) of a regular file whose mode has none of the bits
 * `forbidden` (0027: not writable by the group, nothing for others). *stamp (or NULL) goes with it.
 * DGON_ENOTFOUND, DGON_EINVAL (mode or kind), DGON_ETOOBIG, DGON_ESYS; why says it with the
 * file's name. */
DGON_MUST_USE dgon_status dgon_file_read(const char *path, unsigned forbidden, dgon_buf *out,
                                         dgon_file_stamp *stamp, char why[DGON_FILE_WHY]);
/* Has it another content, owner or mode than at *stamp? Also when it has gone. One stat(). */
bool dgon_file_changed(const char *path, const dgon_file_stamp *stamp);

/* The file that stands for changes of `path` (itself with .lock behind it), locked for this open
 * file; waits for at most ten seconds. What root makes belongs to the directory's owner. Negative:
 * why says it. Gives the lock back by dgon_file_unlock. Whoever reads to change holds it from
 * before the read. */
int dgon_file_lock(const char *path, char why[DGON_FILE_WHY]);
void dgon_file_unlock(int lock);
/* The new content, on disk when it returns, under the old one's owner and mode, or `mode` and the
 * directory's owner if there is none. A failure leaves the old one as it is. */
DGON_MUST_USE dgon_status dgon_file_replace(const char *path, const void *data, size_t n,
                                            unsigned mode, char why[DGON_FILE_WHY]);

#endif
