#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "dgon/file.h"

#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], path[96], why[DGON_FILE_WHY];

static void begin(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/dgon-file-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/keys", dir);
}

static void end(void)
{
    char other[128];
    (void)unlink(path);
    (void)snprintf(other, sizeof other, "%s.lock", path);
    (void)unlink(other);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void test_replace_and_read(void)
{
    dgon_file_stamp stamp;
    dgon_buf b;
    struct stat st;
    begin();
    dgon_buf_init(&b, 16);
    CU_ASSERT_EQUAL(dgon_file_read(path, 0, &b, &stamp, why), DGON_ENOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, path));
    CU_ASSERT_EQUAL(dgon_file_replace(path, "one", 3, 0640, why), DGON_OK);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
    CU_ASSERT_EQUAL(dgon_file_read(path, 0027, &b, &stamp, why), DGON_OK);
    CU_ASSERT(b.len == 3 && memcmp(b.data, "one", 3) == 0);
    CU_ASSERT_FALSE(dgon_file_changed(path, &stamp));
    CU_ASSERT_EQUAL(chmod(path, 0600), 0);
    CU_ASSERT_EQUAL(dgon_file_replace(path, "two", 3, 0640, why), DGON_OK);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600); /* the old one's */
    CU_ASSERT(dgon_file_changed(path, &stamp));
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT(dgon_file_changed(path, &stamp));
    dgon_buf_fini(&b);
    end();
}

/* chmod and chown alone: who may read it is as good as another content. */
static void test_changed(void)
{
    dgon_file_stamp stamp, before;
    struct stat st;
    dgon_buf b;
    begin();
    dgon_buf_init(&b, 64);
    CU_ASSERT_EQUAL(dgon_file_replace(path, "one", 3, 0640, why), DGON_OK);
    CU_ASSERT_EQUAL_FATAL(dgon_file_read(path, 0027, &b, &stamp, why), DGON_OK);
    CU_ASSERT_EQUAL(chmod(path, 0644), 0);
    CU_ASSERT(dgon_file_changed(path, &stamp));
    before = stamp;
    CU_ASSERT_EQUAL(dgon_file_read(path, 0027, &b, &stamp, why), DGON_EINVAL);
    CU_ASSERT(dgon_file_changed(path, &stamp)); /* what was refused is looked at again */
    CU_ASSERT_EQUAL(chmod(path, 0600), 0);
    CU_ASSERT_EQUAL(dgon_file_read(path, 0027, &b, &stamp, why), DGON_OK);
    CU_ASSERT_FALSE(dgon_file_changed(path, &stamp));
    CU_ASSERT(stamp.written.seconds == before.written.seconds &&
              stamp.written.nanoseconds == before.written.nanoseconds);
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    if (geteuid() == 0) {
        CU_ASSERT_EQUAL(chown(path, 0, st.st_gid + 1), 0);
        CU_ASSERT(dgon_file_changed(path, &stamp));
    }
    /* a chmod in the tick of the clock in which the file was read */
    CU_ASSERT_EQUAL(chown(path, st.st_uid, st.st_gid), 0);
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    stamp.changed.seconds = (int64_t)st.st_ctim.tv_sec;
    stamp.changed.nanoseconds = (int64_t)st.st_ctim.tv_nsec;
    CU_ASSERT_FALSE(dgon_file_changed(path, &stamp));
    stamp.mode ^= 0040;
    CU_ASSERT(dgon_file_changed(path, &stamp));
    dgon_buf_fini(&b);
    end();
}

static void test_refused(void)
{
    dgon_buf b;
    begin();
    dgon_buf_init(&b, 16);
    CU_ASSERT_EQUAL(dgon_file_replace(path, "0123456789abcdef!", 17, 0644, why), DGON_OK);
    CU_ASSERT_EQUAL(dgon_file_read(path, 0027, &b, NULL, why), DGON_EINVAL);
    CU_ASSERT(strstr(why, "0644") != NULL && strstr(why, "chmod 0640") != NULL);
    CU_ASSERT_EQUAL(dgon_file_read(path, 0, &b, NULL, why), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(dgon_file_read(dir, 0, &b, NULL, why), DGON_EINVAL);
    CU_ASSERT_EQUAL(dgon_file_replace("/nowhere/at/all", "x", 1, 0600, why), DGON_ENOTFOUND);
    CU_ASSERT(dgon_file_lock("/nowhere/at/all", why) < 0);
    dgon_buf_fini(&b);
    end();
}

/* A disk that is full: the old content stays whole, and nothing is left beside it. */
static void test_full_disk(void)
{
    const struct rlimit none = {.rlim_cur = 2, .rlim_max = RLIM_INFINITY};
    struct rlimit before;
    dgon_buf b;
    begin();
    dgon_buf_init(&b, 16);
    CU_ASSERT_EQUAL(dgon_file_replace(path, "old", 3, 0600, why), DGON_OK);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &none), 0);
    dgon_status s = dgon_file_replace(path, "the new content", 15, 0600, why);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    CU_ASSERT(s == DGON_ESYS && strstr(why, path) != NULL);
    CU_ASSERT_EQUAL(dgon_file_read(path, 0077, &b, NULL, why), DGON_OK);
    CU_ASSERT(b.len == 3 && memcmp(b.data, "old", 3) == 0);
    dgon_buf_fini(&b);
    end();
}

/* Many processes count in one file: nothing is lost, and no reader sees a half. */
static void test_together(void)
{
    enum { PROCESSES = 4, TIMES = 25 };
    begin();
    CU_ASSERT_EQUAL_FATAL(dgon_file_replace(path, "0", 1, 0600, why), DGON_OK);
    for (int p = 0; p < PROCESSES; p++)
        if (fork() == 0) {
            for (int i = 0; i < TIMES; i++) {
                dgon_buf b;
                char text[16];
                int lock = dgon_file_lock(path, why);
                dgon_buf_init(&b, 15);
                if (lock < 0 || dgon_file_read(path, 0077, &b, NULL, why) != DGON_OK ||
                    dgon_buf_add(&b, "", 1) != DGON_OK)
                    _exit(1);
                int n = snprintf(text, sizeof text, "%ld", strtol(b.data, NULL, 10) + 1);
                if (dgon_file_replace(path, text, (size_t)n, 0600, why) != DGON_OK)
                    _exit(1);
                dgon_file_unlock(lock);
                dgon_buf_fini(&b);
            }
            _exit(0);
        }
    for (int p = 0, status; p < PROCESSES; p++)
        CU_ASSERT(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    dgon_buf b;
    dgon_buf_init(&b, 16);
    CU_ASSERT_EQUAL(dgon_file_read(path, 0077, &b, NULL, why), DGON_OK);
    CU_ASSERT(b.len == 3 && memcmp(b.data, "100", 3) == 0);
    dgon_buf_fini(&b);
    end();
}

UNIT_MAIN("file", {"replace and read", test_replace_and_read}, {"changed", test_changed},
          {"refused", test_refused}, {"full disk", test_full_disk}, {"together", test_together})
