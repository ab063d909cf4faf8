/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - the file of the audit log: opened with its chain, appended to, brought to disk.
 *
 * A line is with the kernel when sb_audit_add() returns, so that it outlives this process; a thread of its own brings it
 * to disk soon after. Who cannot wait for that (`durable`) shares one fdatasync with all who wait at the time. What
 * could not be written whole is taken back, so that the file always ends in a whole line; when that fails, or a sync
 * does, nobody knows what is on disk, and nothing more is written until a person has looked. */
#include "payer/ops/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/log.h"
#include "payer/ops/audit_line.h"
#include "payer/ops/audit_tail.h"

#define SYNC_EVERY_MS INT64_C(200) /* so much at most is lost when the power fails, of what is not durable */

struct sb_audit {
    char *path;
    const sb_clock *clock;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;  /* something was written, synced, or it is to end */
    int fd;
    uint64_t size; /* of whole lines */
    sb_audit_head head;
    uint64_t synced; /* seq up to which all is on disk */
    bool syncing;    /* somebody is at it, without the lock: fd stays */
    bool broken, ending, has_thread;
    bool failing; /* the last line could not be written: said once */
    pthread_t thread;
};

/* Bringing it to disk */

/* With the lock, which is let go meanwhile. */
static void sync_now(sb_audit *a)
{
    uint64_t seq = a->head.seq;
    int fd = a->fd;
    a->syncing = true;
    (void)pthread_mutex_unlock(&a->lock);
    int failed = fdatasync(fd) != 0 ? errno : 0;
    (void)pthread_mutex_lock(&a->lock);
    a->syncing = false;
    if (failed && !a->broken) {
        sb_error err = SB_ERROR_INIT;
        sb_error_errno(&err, "the audit log could not be brought to disk", a->path, failed);
        sb_log(SB_LOG_ERROR, "%s: %s; nothing more is let in", err.what, err.why);
        a->broken = true; /* a second fdatasync would say yes to what the first one lost */
    } else if (!failed) {
        a->synced = SB_MAX(a->synced, seq);
    }
    (void)pthread_cond_broadcast(&a->wake);
}

static bool sync_up_to(sb_audit *a, uint64_t seq)
{
    while (a->synced < seq && !a->broken) {
        if (a->syncing)
            (void)pthread_cond_wait(&a->wake, &a->lock);
        else
            sync_now(a);
    }
    return a->synced >= seq;
}

static void *sync_thread(void *arg)
{
    sb_audit *a = arg;
    const sb_clock *clock = sb_clock_system(); /* the disk's pace, whatever time it is for others */
    (void)pthread_mutex_lock(&a->lock);
    while (!a->ending) {
        if (a->broken || a->synced >= a->head.seq) {
            (void)pthread_cond_wait(&a->wake, &a->lock);
            continue;
        }
        int64_t until = clock->monotonic_ns(clock->impl) + SYNC_EVERY_MS * SB_NS_PER_MS;
        (void)sync_up_to(a, a->head.seq);
        while (!a->ending && clock->monotonic_ns(clock->impl) < until)
            clock->wait_until(clock->impl, &a->wake, &a->lock, until);
    }
    (void)pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* Opening */

/* One that we make is ours alone, whatever the umask; of one that is there a group may read (who ships it elsewhere, say),
 * and nobody else has any right to it. */
static sb_status claim_file(int fd, const char *path, const struct stat *st, sb_error *err)
{
    mode_t mode = (st->st_mode & 0640) | 0600;
    if (st->st_uid != geteuid() && geteuid() != 0)
        return sb_error_set(err, SB_E_USAGE, "the audit log belongs to somebody else, who could change it",
                            "%s belongs to user %u, and we run as user %u", "run as its owner, or name another file",
                            path, (unsigned)st->st_uid, (unsigned)geteuid());
    if ((st->st_mode & 07777) != mode && fchmod(fd, mode) != 0)
        return sb_error_errno(err, "the audit log's mode could not be set", path, errno);
    return SB_OK;
}

static sb_status open_file(const char *path, bool wait, int *out, sb_error *err)
{
    SB_AUTOFREE copy = sb_str_dup(sb_str_from(path));
    struct stat st;
    if (!copy)
        return sb_error_nomem(err);
    SB_AUTOFD fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (fd < 0)
        return sb_error_errno(err, "the audit log could not be opened", path, errno);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return sb_error_set(err, SB_E_USAGE, "the audit log could not be opened", "%s is not a file",
                            "name a file of its own", path);
    SB_TRY(claim_file(fd, path, &st, err));
    if (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) != 0)
        return sb_error_set(err, SB_E_BUSY, "the audit log could not be opened", "another process has %s open",
                            "give each process a file of its own: chains do not mix", path);
    SB_TRY(sb_dir_sync(dirname(copy), err));
    *out = fd;
    fd = -1;
    return SB_OK;
}

/* What a crash cut off is kept beside. */
static sb_status keep_torn(const sb_audit *a, sb_str torn, sb_error *err)
{
    SB_AUTOFREE path = sb_printf("%s.torn", a->path);
    SB_AUTOFREE copy = sb_str_dup(sb_str_from(a->path));
    struct stat st;
    if (!path || !copy)
        return sb_error_nomem(err);
    SB_AUTOFD fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return sb_error_errno(err, "what is left of the audit log's last line could not be kept", path, errno);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return sb_error_set(err, SB_E_USAGE, "what is left of the audit log's last line could not be kept",
                            "%s is not a file", "move it away", path);
    SB_TRY(claim_file(fd, path, &st, err));
    SB_TRY(sb_file_write_all(fd, path, torn, err));
    SB_TRY(sb_file_write_all(fd, path, SB_STR_LIT("\n"), err));
    if (fdatasync(fd) != 0)
        return sb_error_errno(err, "what is left of the audit log's last line could not be kept", path, errno);
    return sb_dir_sync(dirname(copy), err);
}

/* The bytes, at the end of the whole lines: over what is left there, not behind it. */
static sb_status write_over(sb_audit *a, sb_str bytes, sb_error *err)
{
    int flags = fcntl(a->fd, F_GETFL);
    if (flags < 0 || fcntl(a->fd, F_SETFL, flags & ~O_APPEND) != 0 || lseek(a->fd, (off_t)a->size, SEEK_SET) < 0)
        return sb_error_errno(err, "the audit log could not be repaired", a->path, errno);
    SB_TRY(sb_file_write_all(a->fd, a->path, bytes, err));
    if (ftruncate(a->fd, (off_t)(a->size + bytes.len)) != 0 || fdatasync(a->fd) != 0 ||
        fcntl(a->fd, F_SETFL, flags) != 0)
        return sb_error_errno(err, "the audit log could not be repaired", a->path, errno);
    return SB_OK;
}

/* An unfinished line is kept beside, and the one that says so takes its place: dying at any moment leaves one or the other,
 * so that what was cut off is never gone without a word. */
static sb_status repair(sb_audit *a, sb_str torn, sb_error *err)
{
    sb_audit_head next;
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    SB_AUTOFREE detail = sb_printf("%zu bytes of an unfinished line were moved to a file beside", torn.len);
    sb_audit_event event = SB_AUDIT_EVENT_INIT;
    event.event = "audit.repaired";
    event.outcome = "ok";
    event.detail = detail;
    if (!detail || !sb_audit_line_write(&event, a->clock->wall_s(a->clock->impl), &a->head, &line, &next))
        return sb_error_nomem(err);
    SB_TRY(keep_torn(a, torn, err));
    SB_TRY(write_over(a, sb_buf_str(&line), err));
    a->size += line.len;
    a->head = next;
    return SB_OK;
}

static sb_status broken_chain(const sb_audit *a, const char *why, sb_error *err)
{
    return sb_error_set(err, SB_E_INVALID, "the audit log cannot be gone on with", "%s: %s",
                        "smartbulk audit verify FILE tells more; keep the file, and name a new one", a->path, why);
}

/* Where the chain stands, by its last whole line. */
static sb_status find_end(sb_audit *a, sb_error *err)
{
    char prev[SB_AUDIT_HASH_SIZE];
    SB_AUTO(sb_audit_tail) tail = SB_AUDIT_TAIL_INIT;
    sb_error reason = SB_ERROR_INIT;
    SB_TRY(sb_audit_tail_read(a->fd, a->path, &tail, err));
    sb_audit_head_init(&a->head);
    a->size = tail.whole;
    if (tail.line.ptr && sb_audit_line_read(tail.line, &a->head, prev, NULL, &reason) != SB_OK)
        return broken_chain(a, reason.why, err);
    return tail.torn.len > 0 ? repair(a, tail.torn, err) : SB_OK;
}

static sb_status begin(sb_audit *a, bool wait, sb_error *err)
{
    SB_TRY(open_file(a->path, wait, &a->fd, err));
    SB_TRY(find_end(a, err));
    a->synced = a->head.seq;
    if (pthread_create(&a->thread, NULL, sync_thread, a) != 0)
        return sb_error_nomem(err);
    a->has_thread = true;
    return SB_OK;
}

sb_status sb_audit_open(const char *path, bool wait, const sb_clock *clock, sb_audit **out, sb_error *err)
{
    sb_audit *bare = calloc(1, sizeof(*bare));
    if (!bare || pthread_mutex_init(&bare->lock, NULL) != 0) {
        free(bare);
        return sb_error_nomem(err);
    }
    if (sb_cond_init(&bare->wake) != 0) {
        (void)pthread_mutex_destroy(&bare->lock);
        free(bare);
        return sb_error_nomem(err);
    }
    SB_AUTOPTR(sb_audit) a = bare;
    a->fd = -1;
    a->clock = clock;
    a->path = sb_str_dup(sb_str_from(path));
    if (!a->path)
        return sb_error_nomem(err);
    SB_TRY(begin(a, wait, err));
    *out = a;
    a = NULL;
    return SB_OK;
}

void sb_audit_free(sb_audit *a)
{
    if (!a)
        return;
    if (a->has_thread) {
        (void)pthread_mutex_lock(&a->lock);
        a->ending = true;
        (void)pthread_cond_broadcast(&a->wake);
        (void)pthread_mutex_unlock(&a->lock);
        (void)pthread_join(a->thread, NULL);
        (void)pthread_mutex_lock(&a->lock);
        (void)sync_up_to(a, a->head.seq);
        (void)pthread_mutex_unlock(&a->lock);
    }
    sb_fd_cleanup(&a->fd);
    (void)pthread_cond_destroy(&a->wake);
    (void)pthread_mutex_destroy(&a->lock);
    free(a->path);
    free(a);
}

/* With the lock: the next file in place of the present one, which is on disk. A file with lines has a chain of its own,
 * that would end here. */
static sb_status change_over(sb_audit *a, sb_error *err)
{
    struct stat st, now;
    SB_AUTOFD fd = -1;
    if (stat(a->path, &now) == 0 && fstat(a->fd, &st) == 0 && st.st_dev == now.st_dev && st.st_ino == now.st_ino)
        return SB_OK;
    SB_TRY(open_file(a->path, false, &fd, err));
    if (fstat(fd, &now) != 0 || now.st_size != 0)
        return sb_error_set(err, SB_E_USAGE, "the audit log could not be changed over", "%s is not empty",
                            "move the file away; a new one is made", a->path);
    while (a->syncing || (a->synced < a->head.seq && !a->broken)) { /* others may write while the lock is let go */
        if (a->syncing)
            (void)pthread_cond_wait(&a->wake, &a->lock);
        else
            sync_now(a);
    }
    if (a->broken)
        return sb_error_set(err, SB_E_IO, "the audit log could not be changed over",
                            "%s: what was written is not on disk", "look at the disk that it is on", a->path);
    sb_fd_cleanup(&a->fd);
    a->fd = fd;
    a->size = 0;
    fd = -1;
    return SB_OK;
}

sb_status sb_audit_reopen(sb_audit *a, sb_error *err)
{
    (void)pthread_mutex_lock(&a->lock);
    sb_status status = change_over(a, err);
    (void)pthread_mutex_unlock(&a->lock);
    return status;
}

/* Appending */

/* All of it, or the file as it was. */
static bool append(sb_audit *a, sb_str line)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_file_write_all(a->fd, a->path, line, &err) == SB_OK) {
        a->size += line.len;
        a->failing = false;
        return true;
    }
    if (ftruncate(a->fd, (off_t)a->size) != 0)
        a->broken = true;
    if (!a->failing)
        sb_log(SB_LOG_ERROR, "the audit log cannot be written, so nobody is let in: %s", err.why);
    a->failing = true;
    return false;
}

static bool add_locked(sb_audit *a, const sb_audit_event *event)
{
    sb_audit_head next;
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    if (a->broken || !sb_audit_line_write(event, a->clock->wall_s(a->clock->impl), &a->head, &line, &next) ||
        !append(a, sb_buf_str(&line)))
        return false;
    if (a->synced == a->head.seq) /* the thread may be waiting for something to do */
        (void)pthread_cond_broadcast(&a->wake);
    a->head = next;
    return !event->durable || sync_up_to(a, next.seq);
}

bool sb_audit_add(sb_audit *a, const sb_audit_event *event)
{
    if (!a)
        return true;
    (void)pthread_mutex_lock(&a->lock);
    bool ok = add_locked(a, event);
    (void)pthread_mutex_unlock(&a->lock);
    return ok;
}

bool sb_audit_writable(sb_audit *a)
{
    struct statvfs fs;
    if (!a)
        return true;
    (void)pthread_mutex_lock(&a->lock);
    bool ok = !a->broken && fstatvfs(a->fd, &fs) == 0 && fs.f_bavail > 0 && !(fs.f_flag & ST_RDONLY);
    (void)pthread_mutex_unlock(&a->lock);
    return ok;
}
