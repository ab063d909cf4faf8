/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c - checks every file of a finished folder again, offline: size, SHA-256, every line, and that nothing else is
 * there. Threads share the journal's cursor and the counters; each owns one buffer and one validator, so that memory is
 * flat whatever the folder. Changes nothing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "export/content.h"
#include "export/log.h"
#include "export/status.h"
#include "fhir/ndjson.h"
#include "fhir/safe_line.h"

#define THREADS_MAX 16
#define BATCH       64
#define CHUNK       ((size_t)1024 * 1024)
#define TEXT_MAX    320

typedef struct verifier {
    sb_journal *journal;
    uint64_t max_line_bytes;
    void (*on_problem)(void *impl, const char *file, const char *text);
    void *impl;
    const atomic_bool *cancel;
    pthread_mutex_t lock; /* guards all that follows, and the callback */
    sb_journal_file batch[BATCH];
    size_t at, len;
    int64_t after_id;
    bool dry;
    sb_verify_result result;
    sb_status status; /* the first failure that ends it all */
    sb_error err;
} verifier;

static void problem(verifier *v, const char *file, const char *fmt, ...) SB_PRINTF(3, 4);
static void problem(verifier *v, const char *file, const char *fmt, ...)
{
    char text[TEXT_MAX], name[TEXT_MAX];
    size_t len = 0;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    name[0] = '\0';
    (void)sb_safe_line_add(name, sizeof(name), &len, sb_str_from(file)); /* whoever made the file chose its name */
    (void)pthread_mutex_lock(&v->lock);
    v->result.problems++;
    if (v->on_problem)
        v->on_problem(v->impl, name, text);
    (void)pthread_mutex_unlock(&v->lock);
}

/* The next file, the caller's then. False: there is none, or all is over. */
static bool draw(verifier *v, sb_journal_file *out)
{
    (void)pthread_mutex_lock(&v->lock);
    if (v->at == v->len && !v->dry && v->status == SB_OK) {
        v->at = v->len = 0;
        v->status = sb_journal_files(v->journal, v->after_id, v->batch, BATCH, &v->len, &v->err);
        v->dry = v->len < BATCH;
        if (v->len > 0)
            v->after_id = v->batch[v->len - 1].id;
    }
    bool some = v->status == SB_OK && v->at < v->len;
    if (some)
        *out = v->batch[v->at++];
    (void)pthread_mutex_unlock(&v->lock);
    return some;
}

static void stop(verifier *v, sb_status status, const sb_error *err)
{
    (void)pthread_mutex_lock(&v->lock);
    if (v->status == SB_OK) {
        v->status = status;
        v->err = *err;
    }
    (void)pthread_mutex_unlock(&v->lock);
}

/* A thread's own. */
typedef struct worker {
    verifier *v;
    pthread_t thread;
    bool started;
    char *chunk;
    sb_ndjson *ndjson;
    EVP_MD_CTX *hash;
} worker;

static sb_status read_all(worker *w, int fd, const char *name, sb_error *err)
{
    for (;;) {
        if (w->v->cancel && atomic_load(w->v->cancel))
            return sb_error_set(err, SB_E_INTERRUPTED, "interrupted", "the check was given up at %s",
                                "run it again: it changes nothing", name);
        size_t got;
        SB_TRY(sb_file_read_some(fd, name, w->chunk, CHUNK, &got, err));
        if (got == 0)
            return SB_OK;
        sb_ndjson_feed(w->ndjson, w->chunk, got);
        SB_TRY(sb_sha256_add(w->hash, (sb_str){w->chunk, got}, err));
    }
}

static void compare(verifier *v, const sb_journal_file *file, const sb_ndjson_counts *counts, const char *sha256)
{
    if (counts->bytes != file->bytes)
        problem(v, file->name, "it has %llu bytes, and had %llu", (unsigned long long)counts->bytes,
                (unsigned long long)file->bytes);
    else if (strcmp(sha256, file->sha256) != 0)
        problem(v, file->name, "it was changed: its SHA-256 is %s, and was %s", sha256, file->sha256);
    if (counts->bad != file->bad_lines)
        problem(v, file->name, "%llu of its lines are bad, and %llu were", (unsigned long long)counts->bad,
                (unsigned long long)file->bad_lines);
    if (counts->resources != file->resources)
        problem(v, file->name, "it holds %llu resources, and held %llu", (unsigned long long)counts->resources,
                (unsigned long long)file->resources);
}

static sb_status check_file(worker *w, const sb_journal_file *file, sb_error *err)
{
    char hex[SB_SHA256_HEX_SIZE];
    sb_ndjson_counts counts;
    SB_AUTOFD fd = -1;
    sb_error inner = SB_ERROR_INIT;
    const sb_ndjson_options rules = sb_content_rules(file, w->v->max_line_bytes);
    sb_status status = sb_folder_open_file(sb_journal_folder(w->v->journal), file->name, O_RDONLY, &fd, &inner);
    if (status == SB_E_NOT_FOUND)
        problem(w->v, file->name, "it is missing");
    else if (status != SB_OK)
        problem(w->v, file->name, "it cannot be read: %.200s", inner.why);
    if (status != SB_OK)
        return SB_OK;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    SB_TRY(sb_ndjson_reset(w->ndjson, &rules, err));
    SB_TRY(sb_sha256_begin(w->hash, err));
    SB_TRY(read_all(w, fd, file->name, err));
    sb_ndjson_finish(w->ndjson, &counts);
    SB_TRY(sb_sha256_finish(w->hash, hex, err));
    compare(w->v, file, &counts, hex);
    (void)pthread_mutex_lock(&w->v->lock);
    w->v->result.files++;
    w->v->result.bytes += counts.bytes;
    w->v->result.resources += counts.resources;
    (void)pthread_mutex_unlock(&w->v->lock);
    return SB_OK;
}

static void *work(void *impl)
{
    worker *w = impl;
    sb_journal_file file;
    while (draw(w->v, &file)) {
        sb_error err = SB_ERROR_INIT;
        sb_status status = SB_OK;
        if (file.state == SB_FILE_DONE)
            status = check_file(w, &file, &err);
        else if (file.state == SB_FILE_REJECTED || file.state == SB_FILE_REJECTING)
            problem(w->v, file.name, "it was rejected: %s", file.problem ? file.problem : "see rejected/");
        else if (file.state == SB_FILE_FAILED)
            problem(w->v, file.name, "it could not be had: %s", file.problem ? file.problem : "the payer failed");
        else
            problem(w->v, file.name, "it was not downloaded yet");
        sb_journal_file_cleanup(&file);
        if (status != SB_OK)
            stop(w->v, status, &err);
    }
    return NULL;
}

static sb_status worker_init(worker *w, verifier *v, sb_error *err)
{
    w->v = v;
    w->chunk = malloc(CHUNK);
    w->hash = EVP_MD_CTX_new();
    if (!w->chunk || !w->hash)
        return sb_error_nomem(err);
    return sb_ndjson_new(NULL, &w->ndjson, err);
}

static void worker_free(worker *w)
{
    if (w->started)
        (void)pthread_join(w->thread, NULL);
    free(w->chunk);
    EVP_MD_CTX_free(w->hash);
    sb_ndjson_free(w->ndjson);
}

/* One thread a core; the first is our own, so that there is always one. */
static sb_status check_files(verifier *v, sb_error *err)
{
    worker workers[THREADS_MAX] = {{.started = false}};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = (size_t)SB_MAX(1L, SB_MIN(cores, (long)THREADS_MAX));
    sb_status status = SB_OK;
    for (size_t i = 0; i < n && status == SB_OK; i++)
        status = worker_init(&workers[i], v, err);
    for (size_t i = 1; i < n && status == SB_OK; i++)
        workers[i].started = pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0;
    if (status == SB_OK)
        (void)work(&workers[0]);
    for (size_t i = 0; i < n; i++)
        worker_free(&workers[i]);
    for (; v->at < v->len; v->at++)
        sb_journal_file_cleanup(&v->batch[v->at]);
    if (status == SB_OK && v->status != SB_OK && err)
        *err = v->err;
    return status != SB_OK ? status : v->status;
}

static bool is_manifest(const char *name)
{
    size_t digits = sb_str_starts_with(sb_str_from(name), SB_STR_LIT("manifest."))
                        ? strspn(name + strlen("manifest."), "0123456789")
                        : 0;
    return strcmp(name, "manifest.json") == 0 || (digits >= 3 && strcmp(name + 9 + digits, ".json") == 0);
}

/* Is it ours?  `name` is below the folder, without the steps that lead to rejected/. */
static sb_status is_known(verifier *v, const char *folder, const char *name, bool *known, sb_error *err)
{
    static const sb_str list = {".bad-lines.ndjson", 17};
    static const sb_str rejected = {SB_FOLDER_REJECTED "/", sizeof(SB_FOLDER_REJECTED)};
    SB_AUTOFREE path = sb_printf("%s%s", folder, name);
    if (!path)
        return sb_error_nomem(err);
    *known = folder[0] == '\0' && (strcmp(name, SB_EVENT_LOG_NAME) == 0 || is_manifest(name));
    if (*known)
        return SB_OK;
    sb_str rest = sb_str_from(path);
    if (sb_str_starts_with(rest, rejected)) {
        rest = (sb_str){rest.ptr + rejected.len, rest.len - rejected.len};
        if (sb_str_ends_with(rest, list))
            rest.len -= list.len;
    }
    SB_AUTOFREE file = sb_str_dup(rest);
    return file ? sb_journal_has_name(v->journal, file, known, err) : sb_error_nomem(err);
}

static const char *const our_folders[] = {"",
                                          SB_FOLDER_DELETED "/",
                                          SB_FOLDER_ERROR "/",
                                          SB_FOLDER_REJECTED "/",
                                          SB_FOLDER_REJECTED "/" SB_FOLDER_DELETED "/",
                                          SB_FOLDER_REJECTED "/" SB_FOLDER_ERROR "/"};

static bool is_our_folder(const char *folder, const char *name)
{
    size_t len = strlen(folder);
    for (size_t i = 1; i < SB_ARRAY_LEN(our_folders); i++)
        if (strncmp(our_folders[i], folder, len) == 0 && strncmp(our_folders[i] + len, name, strlen(name)) == 0 &&
            strcmp(our_folders[i] + len + strlen(name), "/") == 0)
            return true;
    return len == 0 && (strcmp(name, SB_FOLDER_STATE) == 0 || strcmp(name, "lost+found") == 0);
}

static sb_status look_at(verifier *v, int dir_fd, const char *folder, const char *name, sb_error *err)
{
    struct stat st;
    bool known = false;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return SB_OK;
    if (S_ISDIR(st.st_mode))
        known = is_our_folder(folder, name);
    else if (S_ISREG(st.st_mode))
        SB_TRY(is_known(v, folder, name, &known, err));
    if (known)
        return SB_OK;
    SB_AUTOFREE path = sb_printf("%s%s", folder, name);
    problem(v, path ? path : name, "it is not of this export");
    return SB_OK;
}

static inline void dirp_cleanup(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static sb_status look_into(verifier *v, const char *folder, sb_error *err)
{
    int at;
    const char *leaf;
    sb_error inner = SB_ERROR_INIT;
    sb_status status = sb_folder_at(sb_journal_folder(v->journal), folder, false, &at, &leaf, &inner);
    if (status == SB_E_NOT_FOUND)
        return SB_OK;
    int fd = status == SB_OK ? openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    __attribute__((cleanup(dirp_cleanup))) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return sb_error_errno(err, "a folder could not be read", folder[0] ? folder : ".", errno);
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        SB_TRY(look_at(v, fd, folder, entry->d_name, err));
    return SB_OK;
}

static sb_status check_finished(sb_journal *journal, sb_error *err)
{
    sb_export_phase phase;
    SB_TRY(sb_phase_get(journal, &phase, err));
    if (phase == SB_EXPORT_PHASE_DONE || phase == SB_EXPORT_PHASE_PARTIAL)
        return SB_OK;
    return sb_error_set(err, SB_E_USAGE, "the export in this folder is not finished", "its phase is \"%s\"",
                        "finish it first: smartbulk resume DIR", sb_phase_name(phase));
}

static sb_status verify(verifier *v, sb_error *err)
{
    sb_kept_options kept;
    SB_TRY(check_finished(v->journal, err));
    SB_TRY(sb_kept_options_get(v->journal, &kept, err));
    v->max_line_bytes = kept.max_line_bytes;
    SB_TRY(check_files(v, err));
    for (size_t i = 0; i < SB_ARRAY_LEN(our_folders); i++)
        SB_TRY(look_into(v, our_folders[i], err));
    if (v->result.problems == 0)
        return SB_OK;
    return sb_error_set(err, SB_E_PARTIAL, "not everything in the folder is as it was", "%llu problems were found",
                        "what was changed or lost can be had by a new export in another folder",
                        (unsigned long long)v->result.problems);
}

sb_status sb_export_verify(const char *dir, void (*on_problem)(void *impl, const char *file, const char *text),
                           void *impl, const atomic_bool *cancel, sb_verify_result *out, sb_error *err)
{
    SB_AUTOPTR(sb_journal) journal = NULL;
    *out = (sb_verify_result){.files = 0};
    SB_TRY(sb_journal_open(dir, false, true, &journal, err));
    verifier v = {.journal = journal, .on_problem = on_problem, .impl = impl, .cancel = cancel, .after_id = -1};
    (void)pthread_mutex_init(&v.lock, NULL); /* a default mutex: cannot fail on Linux */
    sb_status status = verify(&v, err);
    (void)pthread_mutex_destroy(&v.lock);
    *out = v.result;
    return status;
}
