/* SPDX-License-Identifier: Apache-2.0 */
/* settle.c - see settle.h for the argument. Owns no state. */
#include "export/settle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "export/download_names.h"
#include "export/sha256.h"

#define SETTLE_BATCH 64
#define CHUNK        ((size_t)1024 * 1024)

static void remember_place(sb_places *places, int fd)
{
    for (size_t i = 0; i < places->n; i++)
        if (places->fds[i] == fd)
            return;
    if (places->n < SB_PLACES_MAX) /* folder.c keeps no more open */
        places->fds[places->n++] = fd;
}

static sb_status hash_file(int fd, const char *name, EVP_MD_CTX *hash, char hex[SB_SHA256_HEX_SIZE], sb_error *err)
{
    SB_AUTOFREE chunk = malloc(CHUNK);
    size_t got = 0;
    if (!chunk || !hash)
        return sb_error_nomem(err);
    SB_TRY(sb_sha256_begin(hash, err));
    do {
        SB_TRY(sb_file_read_some(fd, name, chunk, CHUNK, &got, err));
        SB_TRY(sb_sha256_add(hash, (sb_str){chunk, got}, err));
    } while (got > 0);
    return sb_sha256_finish(hash, hex, err);
}

static sb_status fits(int fd, const sb_journal_file *file, bool *same, sb_error *err)
{
    char hex[SB_SHA256_HEX_SIZE];
    struct stat st;
    *same = false;
    if (fstat(fd, &st) != 0)
        return sb_error_errno(err, "a file could not be examined", file->name, errno);
    if (st.st_uid != geteuid() || (uint64_t)st.st_size != file->bytes)
        return SB_OK; /* without reading what may be many GB */
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    sb_status status = hash_file(fd, file->name, hash, hex, err);
    EVP_MD_CTX_free(hash);
    *same = status == SB_OK && strcmp(hex, file->sha256) == 0;
    return status;
}

/* What is in the place when the part is gone: our own rename put it there, or somebody did. `file` NULL: a list of bad
 * lines, of which the journal has no hash; nothing counts on it. */
static sb_status judge_placed(sb_folder *folder, const char *name, const sb_journal_file *file, sb_error *err)
{
    SB_AUTOFD fd = -1;
    bool same = true;
    SB_TRY(sb_folder_open_file(folder, name, O_RDONLY, &fd, err));
    if (file)
        SB_TRY(fits(fd, file, &same, err));
    if (same)
        return SB_OK;
    return sb_error_set(err, SB_E_USAGE, "a file is in the way, and is never overwritten",
                        "%s/%s is not the file that was received: its owner, size or SHA-256 is another",
                        "it is none of ours: move it away, then resume; the file is fetched again",
                        sb_folder_path(folder), name);
}

static sb_status move(sb_folder *folder, const char *from, const char *to, const sb_journal_file *file,
                      sb_places *places, sb_error *err)
{
    int dir_fd;
    const char *leaf;
    sb_status status = sb_folder_rename_new(folder, from, to, err);
    if (status == SB_E_NOT_FOUND)
        status = judge_placed(folder, to, file, err);
    SB_TRY(status);
    SB_TRY(sb_folder_at(folder, to, false, &dir_fd, &leaf, err));
    remember_place(places, dir_fd);
    return SB_OK;
}

sb_status sb_settle_place(sb_folder *folder, const sb_journal_file *file, sb_places *places, sb_error *err)
{
    char part[SB_PART_NAME_SIZE], list_part[SB_PART_NAME_SIZE], rejected[SB_PLACE_SIZE], list[SB_PLACE_SIZE];
    bool keep = file->state == SB_FILE_KEEPING;
    sb_name_of_part(file->id, part);
    sb_name_of_list_part(file->id, list_part);
    sb_name_of_rejected(file->name, rejected);
    sb_name_of_list(file->name, list);
    SB_TRY(move(folder, part, keep ? file->name : rejected, file, places, err));
    return keep && file->bad_lines == 0 ? SB_OK : move(folder, list_part, list, NULL, places, err);
}

sb_status sb_settle_sync(sb_folder *folder, const sb_places *places, sb_error *err)
{
    for (size_t i = 0; i < places->n; i++)
        if (fsync(places->fds[i]) != 0)
            return sb_error_errno(err, "a folder could not be made durable", sb_folder_path(folder), errno);
    return SB_OK;
}

typedef struct teller {
    void (*warn)(void *impl, const char *text);
    void *impl;
} teller;

static sb_status settle_one(sb_journal *journal, sb_journal_file *file, sb_places *places, const teller *tell,
                            sb_error *err)
{
    sb_error inner = SB_ERROR_INIT;
    sb_status status = sb_settle_place(sb_journal_folder(journal), file, places, &inner);
    if (status == SB_OK) {
        file->state = sb_settled(file->state);
        return SB_OK;
    }
    if (status != SB_E_NOT_FOUND) {
        if (err)
            *err = inner;
        return status;
    }
    SB_AUTOFREE text = sb_printf("%s was complete and is gone: it is fetched again", file->name);
    tell->warn(tell->impl, text ? text : "a complete file is gone: it is fetched again");
    file->state = SB_FILE_PENDING;
    file->bytes = file->resources = file->bad_lines = 0;
    file->sha256[0] = '\0';
    return SB_OK;
}

static sb_status settle_batch(sb_journal *journal, sb_journal_file *files, size_t n, const teller *tell, sb_error *err)
{
    sb_places places = {.n = 0};
    for (size_t i = 0; i < n; i++)
        SB_TRY(settle_one(journal, &files[i], &places, tell, err));
    SB_TRY(sb_settle_sync(sb_journal_folder(journal), &places, err));
    return sb_journal_record(journal, files, n, err);
}

sb_status sb_settle_all(sb_journal *journal, void (*warn)(void *impl, const char *text), void *impl, sb_error *err)
{
    const teller tell = {warn, impl};
    sb_journal_file files[SETTLE_BATCH];
    size_t n;
    do {
        SB_TRY(sb_journal_unsettled(journal, -1, files, SETTLE_BATCH, &n, err));
        sb_status status = settle_batch(journal, files, n, &tell, err);
        for (size_t i = 0; i < n; i++)
            sb_journal_file_cleanup(&files[i]);
        SB_TRY(status);
    } while (n == SETTLE_BATCH);
    return SB_OK;
}

/* "123.part" is the part of file 123. */
static bool part_id(const char *leaf, int64_t *id)
{
    uint64_t number;
    sb_str rest = sb_str_from(leaf), digits;
    if (!sb_str_split(&rest, '.', &digits) || !sb_str_eq(rest, SB_STR_LIT("part")) ||
        !sb_str_to_u64(digits, INT64_MAX, &number))
        return false;
    *id = (int64_t)number;
    return true;
}

static sb_status can_go_on(sb_journal *journal, const char *leaf, const char *boot_id, int64_t *id, bool *yes,
                           sb_error *err)
{
    SB_AUTO(sb_journal_part) part = {.id = 0};
    *yes = false;
    if (!boot_id[0] || !part_id(leaf, id))
        return SB_OK;
    SB_TRY(sb_journal_part_get(journal, *id, &part, err));
    *yes = part.validator && strcmp(part.boot_id, boot_id) == 0;
    return SB_OK;
}

static sb_status sweep(sb_journal *journal, DIR *dir, const char *boot_id, int64_t *ids, size_t max, size_t *n,
                       sb_error *err)
{
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(dir)) != NULL) {
        int64_t id = 0;
        bool keep;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        SB_TRY(can_go_on(journal, entry->d_name, boot_id, &id, &keep, err));
        if (keep && *n < max)
            ids[(*n)++] = id;
        else if (unlinkat(dirfd(dir), entry->d_name, 0) != 0 && errno != ENOENT)
            return sb_error_errno(err, "an old part could not be removed", entry->d_name, errno);
        else if (part_id(entry->d_name, &id)) /* nothing is left that its validator could vouch for */
            SB_TRY(sb_journal_part_set(journal, &(sb_journal_part){.id = id}, err));
    }
    return errno == 0 ? SB_OK : sb_error_errno(err, "the parts could not be listed", SB_FOLDER_PARTS, errno);
}

sb_status sb_settle_sweep(sb_journal *journal, const char *boot_id, int64_t *ids, size_t max, size_t *n, sb_error *err)
{
    int dir_fd;
    const char *leaf;
    *n = 0;
    SB_TRY(sb_folder_at(sb_journal_folder(journal), SB_FOLDER_PARTS "/x", true, &dir_fd, &leaf, err));
    SB_AUTOFD fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir)
        return sb_error_errno(err, "the parts could not be listed", SB_FOLDER_PARTS, errno);
    fd = -1; /* it is the DIR's now */
    sb_status status = sweep(journal, dir, boot_id, ids, max, n, err);
    (void)closedir(dir);
    return status;
}
