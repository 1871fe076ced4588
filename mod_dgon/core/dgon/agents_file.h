/* The file of enrolled agents (agents.h) on disk: httpd's children, its parent at start and dgonctl
 * read and change it. POSIX, may block (disk, lock): not for the engine's thread but for the first
 * call. */
#ifndef DGON_AGENTS_FILE_H
#define DGON_AGENTS_FILE_H

#include "dgon/agents.h"
#include "dgon/file.h"

/* Replaces the table by the file's; *stamp (or NULL) goes with it. A file that others may read or
 * write is refused. DGON_ENOTFOUND, DGON_EINVAL, DGON_EPROTO, DGON_ETOOBIG, DGON_ESYS, DGON_ENOMEM:
 * the table is empty, `why` says file, line and reason. */
DGON_MUST_USE dgon_status dgon_agents_load(dgon_agents *a, const char *path, dgon_file_stamp *stamp,
                                           char why[DGON_FILE_WHY]);
/* Under the file's lock: loads it (none yet: empty), calls fn, and writes what fn has made of it if
 * that says DGON_OK. Gives fn's status back, or the file's; `why` is for the latter, "" for fn's.
 */
DGON_MUST_USE dgon_status dgon_agents_change(const char *path,
                                             dgon_status (*fn)(dgon_agents *a, void *user),
                                             void *user, char why[DGON_FILE_WHY]);

#endif
