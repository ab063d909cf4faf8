/* SPDX-License-Identifier: Apache-2.0 */
/* journal_page.c - manifest pages become rows, item by item, in one transaction: new ones are added as they come, a
 * page that is known is collected in the table `incoming` first, then compared. Memory stays the same either way, for
 * SQLite writes to its log what does not fit its cache. Gives out ids and names. */
#include <openssl/sha.h>
#include <stdio.h>

#include "base/url.h"
#include "export/journal_internal.h"

/* A hundred times the largest manifest we know of (STAT-05): an endless one must not fill the disk. */
#define FILES_MAX INT64_C(10000000)
/* No file has so many resources; a larger claim stays wrong when it is cut to this, and sums stay within 64 bits. */
#define COUNT_MAX (INT64_C(1) << 39)

bool sb_file_type_is_safe(const char *type)
{
    size_t len = 0;
    while (len <= SB_EXPORT_TYPE_NAME_MAX && type[len]) {
        if ((unsigned)(type[len] | 0x20) - 'a' >= 26)
            return false;
        len++;
    }
    return len > 0 && len <= SB_EXPORT_TYPE_NAME_MAX;
}

typedef struct item {
    sb_file_kind kind;
    sb_str type, url;
    int64_t count, place;
} item;

static int64_t first_bytes(const unsigned char digest[SHA256_DIGEST_LENGTH])
{
    uint64_t hash = 0;
    for (int i = 0; i < 8; i++)
        hash = hash << 8 | digest[i];
    return (int64_t)hash;
}

/* The part of a URL that names the file: without the host, which balances load, and the query, which is a signature
 * with a date. Hashed to a row's size; who lists the files gains nothing by making two look the same. */
static int64_t path_hash(sb_str url)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    const char *end = url.ptr + url.len, *p = url.ptr;
    for (unsigned slashes = 0; p < end && *p != '?' && *p != '#'; p++)
        if (*p == '/' && ++slashes == 3)
            break;
    const char *stop = p;
    while (stop < end && *stop != '?' && *stop != '#')
        stop++;
    (void)SHA256((const unsigned char *)p, (size_t)(stop - p), digest);
    return first_bytes(digest);
}

/* Two items of one hash are the same: who lists the files gains nothing by making two look so. */
static int64_t item_hash(const item *it)
{
    unsigned char parts[2 * SHA256_DIGEST_LENGTH + 1], digest[SHA256_DIGEST_LENGTH];
    (void)SHA256((const unsigned char *)it->type.ptr, it->type.len, parts);
    (void)SHA256((const unsigned char *)it->url.ptr, it->url.len, parts + SHA256_DIGEST_LENGTH);
    parts[2 * SHA256_DIGEST_LENGTH] = (unsigned char)it->kind;
    (void)SHA256(parts, sizeof(parts), digest);
    return first_bytes(digest);
}

/* "ExplanationOfBenefit.000.ndjson", "deleted/Bundle.000.ndjson": the n-th of its type. */
static sb_status give_name(sb_journal *journal, const item *it, char *name, size_t size, sb_error *err)
{
    static const char *const folders[] = {
        [SB_FILE_OUTPUT] = "", [SB_FILE_DELETED] = SB_FOLDER_DELETED "/", [SB_FILE_ERROR] = SB_FOLDER_ERROR "/"};
    char stem[SB_EXPORT_TYPE_NAME_MAX + 16];
    sb_str type = it->type.len ? it->type : SB_STR_LIT("Unknown");
    sb_stmt *stmt;
    int64_t number;
    (void)snprintf(stem, sizeof(stem), "%s%.*s", folders[it->kind], (int)type.len, type.ptr);
    SB_TRY(sb_journal_stmt(journal, SB_SQL_NAME_NUMBER, &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, stem);
    SB_TRY(sb_journal_step_i64(stmt, &number, err));
    (void)snprintf(name, size, "%s.%03lld.ndjson", stem, (long long)number);
    return SB_OK;
}

static sb_status add_file(sb_journal *journal, const item *it, sb_error *err)
{
    char name[SB_EXPORT_TYPE_NAME_MAX + 64];
    sb_stmt *stmt;
    if (journal->page.next_id >= FILES_MAX)
        return sb_error_set(err, SB_E_SERVER, "the manifest lists more files than it can honestly need",
                            "more than %lld", "tell the payer; ask for fewer types or a shorter time",
                            (long long)FILES_MAX);
    SB_TRY(give_name(journal, it, name, sizeof(name), err));
    SB_TRY(sb_journal_stmt(journal, SB_SQL_FILE_ADD, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, journal->page.next_id);
    sb_stmt_bind_i64(stmt, 2, (int64_t)journal->page.page);
    sb_stmt_bind_i64(stmt, 3, it->kind);
    sb_stmt_bind_text(stmt, 4, it->type);
    sb_stmt_bind_text(stmt, 5, it->url);
    sb_stmt_bind_i64(stmt, 6, path_hash(it->url));
    sb_stmt_bind_cstr(stmt, 7, name);
    sb_stmt_bind_i64(stmt, 8, it->count);
    sb_stmt_bind_i64(stmt, 9, it->place);
    sb_stmt_bind_i64(stmt, 10, item_hash(it));
    SB_TRY(sb_stmt_run(stmt, err));
    journal->page.next_id++;
    const sb_totals_item counted = {.kind = it->kind, .state = SB_FILE_PENDING, .type = it->type, .count = it->count};
    sb_totals_add(&journal->page.draft, &counted, 1);
    return SB_OK;
}

static sb_status add_incoming(sb_journal *journal, const item *it, sb_error *err)
{
    sb_stmt *stmt;
    if (journal->page.items >= (uint64_t)FILES_MAX)
        return sb_error_set(err, SB_E_SERVER, "a manifest page lists more files than it can honestly need",
                            "more than %lld", "tell the payer", (long long)FILES_MAX);
    SB_TRY(sb_journal_stmt(journal, SB_SQL_INCOMING_ADD, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, it->place);
    sb_stmt_bind_i64(stmt, 2, it->kind);
    sb_stmt_bind_text(stmt, 3, it->type);
    sb_stmt_bind_text(stmt, 4, it->url);
    sb_stmt_bind_i64(stmt, 5, path_hash(it->url));
    sb_stmt_bind_i64(stmt, 6, it->count);
    sb_stmt_bind_i64(stmt, 7, item_hash(it));
    return sb_stmt_run(stmt, err);
}

static sb_status begin(sb_journal *journal, uint64_t page, sb_error *err)
{
    sb_stmt *stmt;
    int64_t pages;
    SB_TRY(sb_tx_begin(&journal->page.tx, journal->db, err));
    SB_TRY(sb_journal_stmt(journal, SB_SQL_PAGES, &stmt, err));
    SB_TRY(sb_journal_step_i64(stmt, &pages, err));
    if (page > (uint64_t)pages)
        return sb_error_set(err, SB_E_INTERNAL, "a manifest page came too early", "page %llu, and %lld are known",
                            "please report this", (unsigned long long)page, (long long)pages);
    SB_TRY(sb_journal_stmt(journal, SB_SQL_NEXT_ID, &stmt, err));
    SB_TRY(sb_journal_step_i64(stmt, &journal->page.next_id, err));
    journal->page.page = page;
    journal->page.items = 0;
    journal->page.known = page < (uint64_t)pages;
    journal->page.draft = journal->totals;
    return SB_OK;
}

sb_status sb_journal_page_begin(sb_journal *journal, uint64_t page, sb_error *err)
{
    (void)pthread_mutex_lock(&journal->lock); /* until end or abort */
    sb_status status = begin(journal, page, err);
    if (status != SB_OK)
        sb_journal_page_abort(journal);
    return status;
}

void sb_journal_page_abort(sb_journal *journal)
{
    sb_tx_cleanup(&journal->page.tx);
    (void)pthread_mutex_unlock(&journal->lock);
}

static item item_of(const sb_journal *journal, sb_file_kind kind, const char *type, const char *url, int64_t count)
{
    return (item){.kind = kind,
                  .type = type && sb_file_type_is_safe(type) ? sb_str_from(type) : SB_STR_LIT(""),
                  .url = sb_str_from(url),
                  .count = count < 0 ? -1 : SB_MIN(count, COUNT_MAX),
                  .place = (int64_t)journal->page.items};
}

sb_status sb_journal_page_is_listed(sb_journal *journal, sb_file_kind kind, const char *type, const char *url,
                                    bool *listed, sb_error *err)
{
    const item it = item_of(journal, kind, type, url, -1);
    sb_stmt *stmt;
    int64_t found;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_IS_LISTED, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, item_hash(&it));
    sb_stmt_bind_i64(stmt, 2, (int64_t)journal->page.page + !journal->page.known); /* a new page's are rows already */
    SB_TRY(sb_journal_step_i64(stmt, &found, err));
    *listed = found != 0;
    return SB_OK;
}

void sb_journal_page_pass_over(sb_journal *journal)
{
    journal->page.items++;
}

sb_status sb_journal_page_item(sb_journal *journal, sb_file_kind kind, const char *type, const char *url, int64_t count,
                               sb_error *err)
{
    const item it = item_of(journal, kind, type, url, count);
    if (it.url.len == 0 || it.url.len > SB_URL_MAX || !sb_str_is_text(it.url))
        return sb_error_set(err, SB_E_SERVER, "the manifest lists a file whose URL cannot be used",
                            "item %llu of page %llu: it is empty, longer than 16 KB, or holds control characters",
                            "tell the payer", (unsigned long long)journal->page.items + 1,
                            (unsigned long long)journal->page.page + 1);
    SB_TRY(journal->page.known ? add_incoming(journal, &it, err) : add_file(journal, &it, err));
    journal->page.items++;
    return SB_OK;
}

/* How are the files we know found among those that came: by path, by place, or not at all? */
static sb_status compare(sb_journal *journal, bool *by_path, sb_error *err)
{
    sb_stmt *stmt;
    bool row;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_REFRESH_COUNTS, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, (int64_t)journal->page.page);
    SB_TRY(sb_stmt_step(stmt, &row, err));
    int64_t known = sb_stmt_i64(stmt, 0), paths = sb_stmt_i64(stmt, 1), matched = sb_stmt_i64(stmt, 2);
    int64_t ambiguous = sb_stmt_i64(stmt, 3), placed = sb_stmt_i64(stmt, 4);
    sb_stmt_reset(stmt);
    *by_path = paths == known && matched == known && ambiguous == 0;
    if (*by_path || placed == known)
        return SB_OK;
    return sb_error_set(err, SB_E_SERVER, "the payer now lists other files than before",
                        "page %llu of the manifest had %lld files, and %lld of them are not there any more",
                        "the payer has prepared the export anew: begin a new export in another folder",
                        (unsigned long long)journal->page.page + 1, (long long)known,
                        (long long)(known - SB_MAX(matched < known ? matched : 0, placed)));
}

/* Give a file what came again in its stead. `take` finds that by path or by place, which compare() has made sure of. */
static sb_status refresh_one(sb_journal *journal, int64_t id, sb_stmt *take, sb_error *err)
{
    sb_stmt *stmt;
    bool row;
    SB_TRY(sb_stmt_step(take, &row, err));
    if (!row)
        return sb_error_set(err, SB_E_INTERNAL, "a file of a manifest page got lost", "file %lld", "please report this",
                            (long long)id);
    SB_TRY(sb_journal_stmt(journal, SB_SQL_REFRESH, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, id);
    sb_stmt_bind_i64(stmt, 2, sb_stmt_i64(take, 0));
    sb_stmt_bind_i64(stmt, 3, sb_stmt_i64(take, 1));
    sb_stmt_bind_text(stmt, 4, sb_stmt_str(take, 2));
    sb_stmt_bind_i64(stmt, 5, sb_stmt_i64(take, 3));
    sb_stmt_reset(take);
    return sb_stmt_run(stmt, err);
}

/* One by one rather than by one statement, which would keep all of them in memory. The page's index stays as it is
 * while we walk along it. */
static sb_status refresh_known(sb_journal *journal, bool by_path, sb_error *err)
{
    sb_stmt *each, *take;
    bool row;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_KNOWN_EACH, &each, err));
    sb_stmt_bind_i64(each, 1, (int64_t)journal->page.page);
    sb_status status = sb_stmt_step(each, &row, err);
    while (status == SB_OK && row) {
        status = sb_journal_stmt(journal, by_path ? SB_SQL_TAKE_BY_PATH : SB_SQL_TAKE_BY_PLACE, &take, err);
        if (status != SB_OK)
            break;
        sb_stmt_bind_i64(take, 1, sb_stmt_i64(each, by_path ? 2 : 1));
        status = refresh_one(journal, sb_stmt_i64(each, 0), take, err);
        if (status == SB_OK)
            status = sb_stmt_step(each, &row, err);
    }
    sb_stmt_reset(each);
    return status;
}

/* What came again and is not known yet becomes new rows. */
static sb_status add_new_ones(sb_journal *journal, sb_error *err)
{
    sb_stmt *each;
    bool row;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_INCOMING_EACH, &each, err));
    SB_TRY(sb_stmt_step(each, &row, err));
    while (row) {
        const item it = {.kind = (sb_file_kind)sb_stmt_i64(each, 0),
                         .type = sb_stmt_str(each, 1),
                         .url = sb_stmt_str(each, 2),
                         .count = sb_stmt_i64(each, 3),
                         .place = sb_stmt_i64(each, 4)};
        sb_status status = add_file(journal, &it, err);
        if (status == SB_OK)
            status = sb_stmt_step(each, &row, err);
        if (status != SB_OK) {
            sb_stmt_reset(each);
            return status;
        }
    }
    return SB_OK;
}

static sb_status refresh(sb_journal *journal, sb_error *err)
{
    bool by_path;
    sb_stmt *stmt;
    SB_TRY(compare(journal, &by_path, err));
    SB_TRY(refresh_known(journal, by_path, err));
    if (!by_path)
        SB_TRY(sb_journal_page_fact(journal, MATCHED_BY_PLACE, SB_STR_LIT("1"), err));
    SB_TRY(add_new_ones(journal, err));
    SB_TRY(sb_journal_stmt(journal, SB_SQL_INCOMING_CLEAR, &stmt, err));
    return sb_stmt_run(stmt, err);
}

static sb_status end(sb_journal *journal, bool needs_token, bool any_type, const char *next_page, sb_error *err)
{
    sb_stmt *stmt;
    if (journal->page.known)
        SB_TRY(refresh(journal, err));
    SB_TRY(sb_journal_stmt(journal, SB_SQL_PAGE_PUT, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, (int64_t)journal->page.page);
    sb_stmt_bind_i64(stmt, 2, needs_token);
    sb_stmt_bind_i64(stmt, 3, any_type);
    sb_stmt_bind_cstr(stmt, 4, next_page);
    SB_TRY(sb_stmt_run(stmt, err));
    SB_TRY(sb_tx_commit(&journal->page.tx, err));
    sb_journal_publish(journal, &journal->page.draft);
    return SB_OK;
}

sb_status sb_journal_page_end(sb_journal *journal, bool needs_token, bool any_type, const char *next_page,
                              sb_error *err)
{
    sb_status status = end(journal, needs_token, any_type, next_page, err);
    sb_journal_page_abort(journal); /* after a commit there is nothing left to roll back */
    return status;
}

sb_status sb_journal_add_page(sb_journal *journal, uint64_t page, const sb_journal_file *files, size_t n,
                              const char *next_page, sb_error *err)
{
    SB_TRY(sb_journal_page_begin(journal, page, err));
    for (size_t i = 0; i < n; i++) {
        const sb_journal_file *f = &files[i];
        sb_status status = sb_journal_page_item(journal, f->kind, f->type, f->url, f->count, err);
        if (status != SB_OK) {
            sb_journal_page_abort(journal);
            return status;
        }
    }
    return sb_journal_page_end(journal, n > 0 && files[0].needs_token, n > 0 && files[0].any_type, next_page, err);
}
