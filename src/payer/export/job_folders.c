/* SPDX-License-Identifier: Apache-2.0 */
/* job_folders.c - making, syncing and emptying the exports' folders. Owns no state. */
#include "payer/export/job_folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "payer/export/tree.h"

#define HALF_MADE_S 3600 /* no file takes that long to compress: who made this one is gone */

typedef DIR *folder;

static void folder_cleanup(folder *f)
{
    if (*f)
        (void)closedir(*f);
}

/* Not through a link: what was planted here is neither read nor emptied. */
static DIR *open_folder(const char *path)
{
    SB_AUTOFD fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir)
        fd = -1; /* its now */
    return dir;
}

/* The next name that is not the folder itself or the one above; NULL: no more. */
static const char *next_name(DIR *dir)
{
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return entry->d_name;
    }
    return NULL;
}

void sb_job_folders_cleanup(sb_job_folders *folders)
{
    free(folders->jobs);
    free(folders->gzip);
    *folders = (sb_job_folders){NULL, NULL};
}

static sb_status make_both(const sb_job_folders *folders, sb_error *err)
{
    SB_TRY(sb_dir_make_own(folders->jobs, err));
    return sb_dir_make_own(folders->gzip, err);
}

sb_status sb_job_folders_open(const char *state_dir, sb_job_folders *out, sb_error *err)
{
    *out = (sb_job_folders){sb_path_join(state_dir, "jobs"), sb_path_join(state_dir, "gzip")};
    return out->jobs && out->gzip ? make_both(out, err) : sb_error_nomem(err);
}

void sb_job_folders_clear(const sb_job_folders *folders)
{
    sb_tree_remove(folders->jobs);
    sb_tree_remove(folders->gzip);
}

char *sb_job_folders_attempt(const sb_job_folders *folders, const char *job, sb_str attempt)
{
    return sb_printf("%s/%s/%.*s", folders->jobs, job, (int)attempt.len, attempt.ptr);
}

sb_status sb_job_folders_make(const sb_job_folders *folders, const char *job, const char *attempt, sb_error *err)
{
    SB_AUTOFREE path = sb_job_folders_attempt(folders, job, sb_str_from(attempt));
    return path ? sb_dir_make(path, 0700, err) : sb_error_nomem(err);
}

int sb_job_folders_read(const sb_job_folders *folders, const char *job, sb_str attempt, const char *name)
{
    const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    SB_AUTOFREE attempt_name = sb_str_dup(attempt);
    SB_AUTOFD jobs_fd = open(folders->jobs, flags);
    SB_AUTOFD job_fd = jobs_fd >= 0 ? openat(jobs_fd, job, flags) : -1;
    SB_AUTOFD attempt_fd = job_fd >= 0 && attempt_name ? openat(job_fd, attempt_name, flags) : -1;
    return attempt_fd >= 0 ? openat(attempt_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
}

static sb_status sync_file(const char *dir, const char *name, sb_error *err)
{
    SB_AUTOFREE path = sb_path_join(dir, name);
    if (!path)
        return sb_error_nomem(err);
    SB_AUTOFD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fsync(fd) != 0)
        return sb_error_errno(err, "an export's file could not be brought to disk", path, errno);
    return SB_OK;
}

sb_status sb_job_folders_sync(const char *attempt_dir, sb_error *err)
{
    SB_AUTO(folder) dir = open_folder(attempt_dir);
    const char *name;
    if (!dir)
        return sb_error_errno(err, "an export's folder could not be read", attempt_dir, errno);
    while ((name = next_name(dir)))
        SB_TRY(sync_file(attempt_dir, name, err));
    SB_AUTOFREE above = sb_printf("%s/..", attempt_dir);
    SB_TRY(above ? sb_dir_sync(attempt_dir, err) : sb_error_nomem(err));
    return sb_dir_sync(above, err);
}

/* Taking away */

/* A reader has the lock, shared: then it stays. What cannot be opened is removed all the same. */
static void remove_unless_read(const char *path)
{
    SB_AUTOFD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return;
    if (unlink(path) != 0 && errno != ENOENT)
        sb_log_warn("%s could not be removed: %s", path, strerrordesc_np(errno));
}

static void empty_attempt(const char *path)
{
    SB_AUTO(folder) dir = open_folder(path);
    const char *name;
    while (dir && (name = next_name(dir))) {
        SB_AUTOFREE file = sb_path_join(path, name);
        if (file)
            remove_unless_read(file);
    }
    (void)rmdir(path); /* not when something is left */
}

void sb_job_folders_bury(const sb_job_folders *folders, const char *job, const char *keep)
{
    SB_AUTOFREE path = sb_path_join(folders->jobs, job);
    SB_AUTO(folder) dir = path ? open_folder(path) : NULL;
    const char *name;
    while (dir && (name = next_name(dir))) {
        SB_AUTOFREE attempt = sb_path_join(path, name);
        if (attempt && (!keep || strcmp(name, keep) != 0))
            empty_attempt(attempt);
    }
    if (dir && !keep)
        (void)rmdir(path);
}

void sb_job_folders_each(const sb_job_folders *folders, sb_job_folder_visit *visit, void *context)
{
    SB_AUTO(folder) dir = open_folder(folders->jobs);
    const char *name;
    while (dir && (name = next_name(dir)) && visit(context, name))
        ;
}

static bool is_of(const sb_data *data, sb_str etag)
{
    size_t count;
    const sb_data_type *types = sb_data_types(data, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < types[i].part_count; j++) {
            if (sb_str_eq(sb_str_from(types[i].parts[j].etag), etag))
                return true;
        }
    }
    return false;
}

static bool is_rubbish(const char *path, sb_str name, const sb_data *data, int64_t now_s)
{
    struct stat st;
    static const sb_str whole = SB_STR_LIT(".gz");
    if (sb_str_ends_with(name, whole))
        return !is_of(data, (sb_str){name.ptr, name.len - whole.len});
    return stat(path, &st) == 0 && st.st_mtime < now_s - HALF_MADE_S;
}

void sb_job_folders_clean_gzip(const sb_job_folders *folders, const sb_data *data, int64_t now_s)
{
    SB_AUTO(folder) dir = open_folder(folders->gzip);
    const char *name;
    while (dir && (name = next_name(dir))) {
        SB_AUTOFREE path = sb_path_join(folders->gzip, name);
        if (path && is_rubbish(path, sb_str_from(name), data, now_s))
            remove_unless_read(path);
    }
}

void sb_job_file_reading(int fd)
{
    (void)flock(fd, LOCK_SH | LOCK_NB); /* who removes it just now does so in any case: the descriptor stays good */
}
