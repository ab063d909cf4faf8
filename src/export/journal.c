/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - opens the journal, keeps its tables and statements, and the facts and parts in it. Owns folder, database
 * and locks. Pages are journal_page.c's, files journal_files.c's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "export/journal_internal.h"

#define JOURNAL_NAME   SB_FOLDER_STATE "/journal.db"
#define APPLICATION_ID 0x736d426au /* "smBj" */

/* files.page leads to what holds for a whole page, which is known only at its end; place counts within it. place and
 * path_hash: which files are the same when the manifest is asked for again. names: how many names begin with this stem;
 * without regard to case, for file systems that have none. incoming: a page that came again, until it is compared;
 * empty otherwise. */
static const char *const migrations[] = {
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE pages (page INTEGER PRIMARY KEY, needs_token INTEGER NOT NULL, any_type INTEGER NOT NULL, next TEXT);"
    "CREATE TABLE files (id INTEGER PRIMARY KEY, page INTEGER NOT NULL, place INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, state INTEGER NOT NULL,"
    " type TEXT NOT NULL, url TEXT NOT NULL, path_hash INTEGER NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL DEFAULT 0, resources INTEGER NOT NULL DEFAULT 0, bad_lines INTEGER NOT NULL DEFAULT 0,"
    " sha256 TEXT NOT NULL DEFAULT '', problem TEXT);"
    "CREATE UNIQUE INDEX files_name ON files(name);"
    "CREATE INDEX files_page ON files(page);"
    "CREATE INDEX files_pending ON files(state) WHERE state = 0;"
    "CREATE INDEX files_unsettled ON files(state) WHERE state IN (4, 5);"
    "CREATE TABLE names (stem TEXT PRIMARY KEY COLLATE NOCASE, number INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE incoming (place INTEGER PRIMARY KEY, kind INTEGER NOT NULL, type TEXT NOT NULL, url TEXT NOT NULL,"
    " path_hash INTEGER NOT NULL, count INTEGER NOT NULL, is_known INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX incoming_hash ON incoming(path_hash);"
    "CREATE TABLE parts (id INTEGER PRIMARY KEY, validator TEXT NOT NULL, boot_id TEXT NOT NULL)",
    /* Which item of a manifest it is: of kind, type and whole URL. 0: listed before this was kept. */
    "ALTER TABLE files ADD COLUMN item_hash INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE incoming ADD COLUMN item_hash INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX files_item ON files(item_hash);"
    "CREATE INDEX incoming_item ON incoming(item_hash)",
    NULL};

#define FILE_COLUMNS                                                                                                   \
    "f.id, f.kind, f.state, f.type, f.url, f.name, p.needs_token, p.any_type, f.count, f.bytes, f.resources, "         \
    "f.bad_lines, f.sha256, f.problem"

/* Do this page's file f and item i of the page as it came again look like the same? */
#define ALIKE "i.kind = f.kind AND i.type = f.type AND (i.count = f.count OR i.count < 0 OR f.count < 0)"

static const char *const sql[SB_SQL_COUNT] = {
    [SB_SQL_FACT_SET] = "INSERT OR REPLACE INTO facts(name, value) VALUES(?1, ?2)",
    [SB_SQL_FACT_FORGET] = "DELETE FROM facts WHERE name = ?1",
    [SB_SQL_FACT_GET] = "SELECT value FROM facts WHERE name = ?1",
    [SB_SQL_PAGES] = "SELECT count(*) FROM pages",
    [SB_SQL_NEXT_PAGE] = "SELECT next FROM pages ORDER BY page DESC LIMIT 1",
    [SB_SQL_PAGE_PUT] = "INSERT OR REPLACE INTO pages(page, needs_token, any_type, next) VALUES(?1, ?2, ?3, ?4)",
    [SB_SQL_NEXT_ID] = "SELECT coalesce(max(id) + 1, 0) FROM files",
    [SB_SQL_NAME_NUMBER] = "INSERT INTO names(stem, number) VALUES(?1, 0) "
                           "ON CONFLICT(stem) DO UPDATE SET number = number + 1 RETURNING number",
    [SB_SQL_FILE_ADD] = "INSERT INTO files(id, page, place, kind, state, type, url, path_hash, name, count, "
                        "item_hash) VALUES(?1, ?2, ?9, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?10)",
    [SB_SQL_INCOMING_ADD] = "INSERT INTO incoming(place, kind, type, url, path_hash, count, item_hash) "
                            "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SB_SQL_INCOMING_EACH] = "SELECT kind, type, url, count, place FROM incoming WHERE is_known = 0 ORDER BY place",
    /* On this page as it came again, or on another that came before it. Of those behind it the URLs are old. */
    [SB_SQL_IS_LISTED] = "SELECT EXISTS (SELECT 1 FROM incoming WHERE item_hash = ?1) OR EXISTS "
                         "(SELECT 1 FROM files WHERE item_hash = ?1 AND page < ?2)",
    [SB_SQL_INCOMING_CLEAR] = "DELETE FROM incoming",
    /* known files; known paths; those of them that came again, alike; ambiguous paths that came; files in the same
     * place, alike */
    [SB_SQL_REFRESH_COUNTS] =
        "SELECT (SELECT count(*) FROM files WHERE page = ?1),"
        " (SELECT count(DISTINCT path_hash) FROM files WHERE page = ?1),"
        " (SELECT count(*) FROM files AS f CROSS JOIN incoming AS i ON i.path_hash = f.path_hash"
        "  WHERE f.page = ?1 AND " ALIKE "),"
        " (SELECT count(*) - count(DISTINCT path_hash) FROM incoming),"
        " (SELECT count(*) FROM files AS f CROSS JOIN incoming AS i ON i.place = f.place WHERE f.page = ?1 AND " ALIKE
        ")",
    [SB_SQL_KNOWN_EACH] = "SELECT id, place, path_hash FROM files WHERE page = ?1 ORDER BY id",
    [SB_SQL_TAKE_BY_PATH] = "UPDATE incoming SET is_known = 1 WHERE path_hash = ?1 RETURNING place, path_hash, url, "
                            "item_hash",
    [SB_SQL_TAKE_BY_PLACE] = "UPDATE incoming SET is_known = 1 WHERE place = ?1 RETURNING place, path_hash, url, "
                             "item_hash",
    [SB_SQL_REFRESH] =
        "UPDATE files SET place = ?2, path_hash = ?3, item_hash = ?5, url = CASE WHEN state IN (0, 3) THEN ?4 ELSE url "
        "END WHERE id = ?1",
    [SB_SQL_PENDING] = "SELECT " FILE_COLUMNS " FROM files AS f INDEXED BY files_pending JOIN pages AS p USING(page) "
                       "WHERE f.state = 0 AND f.id > ?1 ORDER BY f.id LIMIT ?2",
    [SB_SQL_UNSETTLED] = "SELECT " FILE_COLUMNS " FROM files AS f INDEXED BY files_unsettled "
                         "JOIN pages AS p USING(page) WHERE f.state IN (4, 5) AND f.id > ?1 ORDER BY f.id LIMIT ?2",
    [SB_SQL_EACH] = "SELECT " FILE_COLUMNS " FROM files AS f JOIN pages AS p USING(page) "
                    "WHERE f.id > ?1 ORDER BY f.id LIMIT ?2",
    [SB_SQL_FILE_TOTALS] = "SELECT kind, state, type, count, bytes, resources, bad_lines FROM files WHERE id = ?1",
    [SB_SQL_RECORD] = "UPDATE files SET state = ?2, bytes = ?3, resources = ?4, bad_lines = ?5, sha256 = ?6, "
                      "problem = ?7 WHERE id = ?1",
    [SB_SQL_RETRY_FAILED] = "UPDATE files SET state = 0, bytes = 0, resources = 0, bad_lines = 0, sha256 = '', "
                            "problem = NULL WHERE state = 3",
    [SB_SQL_HAS_NAME] = "SELECT count(*) FROM files WHERE name = ?1",
    [SB_SQL_SAME_TWICE] =
        "SELECT max(name) FROM files WHERE state = 1 AND kind <> 2 AND bytes > 0 GROUP BY kind, type, sha256 "
        "HAVING count(*) > 1 LIMIT 1",
    [SB_SQL_SUM] = "SELECT kind, state, type, count(*), sum(max(count, 0)), sum(bytes), sum(resources), "
                   "sum(bad_lines) FROM files GROUP BY kind, type, state ORDER BY min(id)",
    [SB_SQL_PART_SET] = "INSERT OR REPLACE INTO parts(id, validator, boot_id) VALUES(?1, ?2, ?3)",
    [SB_SQL_PART_FORGET] = "DELETE FROM parts WHERE id = ?1",
    [SB_SQL_PART_GET] = "SELECT validator, boot_id FROM parts WHERE id = ?1",
};

sb_status sb_journal_stmt(sb_journal *journal, sb_journal_sql which, sb_stmt **out, sb_error *err)
{
    sb_stmt **stmt = &journal->stmts[which];
    if (!*stmt)
        SB_TRY(sb_db_prepare(journal->db, sql[which], stmt, err));
    sb_stmt_reset(*stmt);
    *out = *stmt;
    return SB_OK;
}

sb_status sb_journal_step_i64(sb_stmt *stmt, int64_t *out, sb_error *err)
{
    bool row;
    SB_TRY(sb_stmt_step(stmt, &row, err));
    *out = row ? sb_stmt_i64(stmt, 0) : 0;
    sb_stmt_reset(stmt);
    return SB_OK;
}

/* SQLite finds these by their names, and believes them: each is a file of ours, or it is not there. */
static sb_status check_name(const sb_folder *folder, int dir_fd, const char *name, bool *found, sb_error *err)
{
    struct stat st;
    *found = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!*found)
        return errno == ENOENT
                   ? SB_OK
                   : sb_error_errno(err, "the export's journal could not be looked for", sb_folder_path(folder), errno);
    if (S_ISREG(st.st_mode) && st.st_uid == geteuid())
        return SB_OK;
    return sb_error_set(err, SB_E_IO, "the export's journal is not used as it is", "%s/" SB_FOLDER_STATE "/%s is %s",
                        "look at it (ls -l), and move it away", sb_folder_path(folder), name,
                        S_ISLNK(st.st_mode)   ? "a symbolic link"
                        : S_ISREG(st.st_mode) ? "somebody else's"
                                              : "not a regular file");
}

static sb_status exists(sb_folder *folder, bool *found, sb_error *err)
{
    static const char *const companions[] = {"-wal", "-shm", "-journal"};
    int dir_fd;
    const char *leaf;
    SB_TRY(sb_folder_at(folder, JOURNAL_NAME, false, &dir_fd, &leaf, err));
    for (size_t i = 0; i < SB_ARRAY_LEN(companions); i++) {
        char name[64];
        bool there;
        (void)snprintf(name, sizeof(name), "%s%s", leaf, companions[i]);
        SB_TRY(check_name(folder, dir_fd, name, &there, err));
    }
    return check_name(folder, dir_fd, leaf, found, err);
}

static sb_status open_db(sb_journal *journal, bool create, bool read_only, sb_error *err)
{
    SB_AUTOFREE path = sb_path_join(sb_folder_path(journal->folder), JOURNAL_NAME);
    if (!path)
        return sb_error_nomem(err);
    const sb_db_options options = {.path = path,
                                   .what = "the export's journal",
                                   .migrations = migrations,
                                   .application_id = APPLICATION_ID,
                                   .must_exist = !create};
    SB_TRY(sb_db_open(&options, &journal->db, err));
    /* A page of 100,000 files makes a log of many MB: it is cut again at the next checkpoint. */
    return sb_db_exec(journal->db, read_only ? "PRAGMA query_only = ON" : "PRAGMA journal_size_limit = 4194304", err);
}

static sb_status no_export(const sb_folder *folder, sb_error *err)
{
    return sb_error_set(err, SB_E_NOT_FOUND, "there is no export in this folder", "%s has no " JOURNAL_NAME,
                        "check the folder; `smartbulk export` begins a new one", sb_folder_path(folder));
}

/* A run that was killed before it wrote the first fact leaves an empty journal: that is as good as none. */
static sb_status check_empty(sb_journal *journal, sb_error *err)
{
    SB_AUTOPTR(sb_stmt) stmt = NULL;
    int64_t rows;
    SB_TRY(
        sb_db_prepare(journal->db, "SELECT (SELECT count(*) FROM facts) + (SELECT count(*) FROM pages)", &stmt, err));
    SB_TRY(sb_journal_step_i64(stmt, &rows, err));
    if (rows == 0)
        return SB_OK;
    return sb_error_set(err, SB_E_USAGE, "this folder holds an export already", "%s has a journal",
                        "go on with it (smartbulk resume DIR), or choose another folder",
                        sb_folder_path(journal->folder));
}

static sb_status open_journal(sb_journal *journal, const char *dir, bool create, bool read_only, sb_error *err)
{
    bool found = false;
    SB_TRY(sb_folder_open(dir,
                          create      ? SB_FOLDER_BEGIN
                          : read_only ? SB_FOLDER_LOOK
                                      : SB_FOLDER_GO_ON,
                          &journal->folder, err));
    if (!read_only)
        SB_TRY(sb_folder_lock(journal->folder, err));
    SB_TRY(exists(journal->folder, &found, err));
    if (!found && !create)
        return no_export(journal->folder, err);
    SB_TRY(open_db(journal, !found, read_only, err));
    if (found && create)
        SB_TRY(check_empty(journal, err));
    return sb_journal_sum(journal, &journal->totals, err);
}

sb_status sb_journal_open(const char *dir, bool create, bool read_only, sb_journal **out, sb_error *err)
{
    SB_AUTOPTR(sb_journal) journal = calloc(1, sizeof(*journal));
    *out = NULL;
    if (!journal)
        return sb_error_nomem(err);
    (void)pthread_mutex_init(&journal->lock, NULL); /* default mutexes: cannot fail on Linux */
    (void)pthread_mutex_init(&journal->totals_lock, NULL);
    SB_TRY(open_journal(journal, dir, create, read_only, err));
    *out = journal;
    journal = NULL;
    return SB_OK;
}

void sb_journal_free(sb_journal *journal)
{
    if (!journal)
        return;
    for (size_t i = 0; i < SB_SQL_COUNT; i++)
        sb_stmt_free(journal->stmts[i]);
    sb_db_free(journal->db);
    sb_folder_free(journal->folder); /* last: it gives the lock back */
    (void)pthread_mutex_destroy(&journal->lock);
    (void)pthread_mutex_destroy(&journal->totals_lock);
    free(journal);
}

sb_folder *sb_journal_folder(sb_journal *journal)
{
    return journal->folder;
}

static sb_status put_fact(sb_journal *journal, const sb_fact *fact, sb_error *err)
{
    sb_stmt *stmt;
    bool forget = fact->value.ptr == NULL;
    SB_TRY(sb_journal_stmt(journal, forget ? SB_SQL_FACT_FORGET : SB_SQL_FACT_SET, &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, fact->name);
    if (!forget)
        sb_stmt_bind_text(stmt, 2, fact->value);
    return sb_stmt_run(stmt, err);
}

static sb_status put_facts(sb_journal *journal, const sb_fact *facts, size_t n, sb_error *err)
{
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    SB_TRY(sb_tx_begin(&tx, journal->db, err));
    for (size_t i = 0; i < n; i++)
        SB_TRY(put_fact(journal, &facts[i], err));
    return sb_tx_commit(&tx, err);
}

sb_status sb_journal_set_all(sb_journal *journal, const sb_fact *facts, size_t n, sb_error *err)
{
    (void)pthread_mutex_lock(&journal->lock);
    sb_status status = put_facts(journal, facts, n, err);
    (void)pthread_mutex_unlock(&journal->lock);
    return status;
}

sb_status sb_journal_page_fact(sb_journal *journal, const char *name, sb_str value, sb_error *err)
{
    const sb_fact fact = {name, value};
    return put_fact(journal, &fact, err); /* the page holds the lock and the transaction */
}

sb_status sb_journal_set(sb_journal *journal, const char *name, sb_str value, sb_error *err)
{
    const sb_fact fact = {name, value};
    return sb_journal_set_all(journal, &fact, 1, err);
}

/* The first column of the statement's first row, copied; NULL when there is none. */
static sb_status take_text(sb_stmt *stmt, char **out, sb_error *err)
{
    bool row;
    *out = NULL;
    SB_TRY(sb_stmt_step(stmt, &row, err));
    if (!row)
        return SB_OK;
    bool null = sb_stmt_is_null(stmt, 0);
    if (!null)
        *out = sb_str_dup(sb_stmt_str(stmt, 0));
    sb_stmt_reset(stmt);
    return null || *out ? SB_OK : sb_error_nomem(err);
}

static sb_status get_fact(sb_journal *journal, const char *name, char **out, sb_error *err)
{
    sb_stmt *stmt;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_FACT_GET, &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, name);
    return take_text(stmt, out, err);
}

sb_status sb_journal_get(sb_journal *journal, const char *name, char **out, sb_error *err)
{
    *out = NULL;
    (void)pthread_mutex_lock(&journal->lock);
    sb_status status = get_fact(journal, name, out, err);
    (void)pthread_mutex_unlock(&journal->lock);
    return status;
}

static sb_status came_twice(sb_journal *journal, char **name, sb_error *err)
{
    SB_AUTOFREE by_place = NULL;
    sb_stmt *stmt;
    SB_TRY(get_fact(journal, MATCHED_BY_PLACE, &by_place, err));
    if (!by_place)
        return SB_OK;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_SAME_TWICE, &stmt, err));
    return take_text(stmt, name, err);
}

sb_status sb_journal_came_twice(sb_journal *journal, char **name, sb_error *err)
{
    *name = NULL;
    (void)pthread_mutex_lock(&journal->lock);
    sb_status status = came_twice(journal, name, err);
    (void)pthread_mutex_unlock(&journal->lock);
    return status;
}

static sb_status get_pages(sb_journal *journal, uint64_t *pages, char **next_page, sb_error *err)
{
    sb_stmt *stmt;
    int64_t count;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_PAGES, &stmt, err));
    SB_TRY(sb_journal_step_i64(stmt, &count, err));
    *pages = (uint64_t)count;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_NEXT_PAGE, &stmt, err));
    return take_text(stmt, next_page, err);
}

sb_status sb_journal_pages(sb_journal *journal, uint64_t *pages, char **next_page, sb_error *err)
{
    *pages = 0;
    *next_page = NULL;
    (void)pthread_mutex_lock(&journal->lock);
    sb_status status = get_pages(journal, pages, next_page, err);
    (void)pthread_mutex_unlock(&journal->lock);
    return status;
}

void sb_journal_part_cleanup(sb_journal_part *part)
{
    free(part->validator);
    free(part->boot_id);
    *part = (sb_journal_part){.id = 0};
}

static sb_status set_part(sb_journal *journal, const sb_journal_part *part, sb_error *err)
{
    sb_stmt *stmt;
    SB_TRY(sb_journal_stmt(journal, part->validator ? SB_SQL_PART_SET : SB_SQL_PART_FORGET, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, part->id);
    if (part->validator) {
        sb_stmt_bind_cstr(stmt, 2, part->validator);
        sb_stmt_bind_cstr(stmt, 3, part->boot_id ? part->boot_id : "");
    }
    return sb_stmt_run(stmt, err);
}

/* Not durable on purpose: after a crash of the machine a part proves nothing (boot_id), and short of one what the
 * kernel was given is there. So that knowing a part costs no wait for the disk. */
sb_status sb_journal_part_set(sb_journal *journal, const sb_journal_part *part, sb_error *err)
{
    (void)pthread_mutex_lock(&journal->lock);
    sb_status status = sb_db_exec(journal->db, "PRAGMA synchronous = NORMAL", err);
    if (status == SB_OK)
        status = set_part(journal, part, err);
    sb_status back = sb_db_exec(journal->db, "PRAGMA synchronous = FULL", status == SB_OK ? err : NULL);
    (void)pthread_mutex_unlock(&journal->lock);
    return status != SB_OK ? status : back;
}

static sb_status get_part(sb_journal *journal, int64_t id, sb_journal_part *part, sb_error *err)
{
    sb_stmt *stmt;
    bool row;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_PART_GET, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, id);
    SB_TRY(sb_stmt_step(stmt, &row, err));
    if (!row)
        return SB_OK;
    part->validator = sb_str_dup(sb_stmt_str(stmt, 0));
    part->boot_id = sb_str_dup(sb_stmt_str(stmt, 1));
    sb_stmt_reset(stmt);
    if (part->validator && part->boot_id)
        return SB_OK;
    sb_journal_part_cleanup(part);
    return sb_error_nomem(err);
}

sb_status sb_journal_part_get(sb_journal *journal, int64_t id, sb_journal_part *part, sb_error *err)
{
    *part = (sb_journal_part){.id = id};
    (void)pthread_mutex_lock(&journal->lock);
    sb_status status = get_part(journal, id, part, err);
    (void)pthread_mutex_unlock(&journal->lock);
    return status;
}
