/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - sb_export_run(): goes through the phases, each of which the journal knows, so that a run that was killed in
 * any of them goes on in the same way as one that was not.
 *
 *         kick-off accepted        every page known            every file settled
 *   NEW ────────────────► WAITING ────────────────► DOWNLOAD ─────────────────────► DONE      (payer's copy deleted)
 *    ▲ refused, lost        ▲  │ the job failed        ▲  │ URLs expired: the      │
 *    └ stays NEW            │  └──► FAILED ───┐        └──┘ manifest again         └─► PARTIAL ──┐
 *                           └─ resume asks ───┘                                  DOWNLOAD ◄──────┘ resume tries again
 *   CANCELLED, by sb_export_cancel() from anywhere but the end.
 *
 * What happens between DOWNLOAD and DONE (remember, DELETE) can be done twice: a kill there repeats it. */
#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "export/collect.h"
#include "export/error_files.h"
#include "export/export_internal.h"
#include "export/kickoff.h"
#include "export/remember.h"
#include "fhir/instant.h"
#include "http/retry.h"

/* How often in a row the manifest is asked for again without one more file having come. */
#define REFRESHES_MAX    5
#define REFRESH_FIRST_MS 1000
#define REFRESH_CAP_MS   60000

static void begin_run(sb_export *e)
{
    (void)pthread_mutex_lock(&e->lock);
    e->begun_ns = sb_context_now_ns(&e->context);
    (void)pthread_mutex_unlock(&e->lock);
}

/* FILE-08: `_since` brings what changed, not who joined. */
static void warn_of_group_since(const sb_export *e)
{
    const char *level = sb_json_str(e->request, "level");
    if (level && strcmp(level, "group") == 0 && sb_json_str(e->request, "since"))
        sb_context_warn(&e->context, "since brings what was changed: of members who joined the group meanwhile, older "
                                     "data needs a full export");
}

static sb_status kick_off(sb_export *e, sb_error *err)
{
    SB_AUTOFREE poll_url = NULL;
    const sb_fact sent = {"kickoff_sent", SB_STR_NULL};
    SB_TRY(sb_journal_get(e->journal, "poll_url", &poll_url, err));
    if (!poll_url) { /* else: killed between the answer and the phase */
        warn_of_group_since(e);
        SB_TRY(sb_kickoff(&e->context, &poll_url, err));
    }
    SB_TRY(sb_kickoff_remember_method(&e->context, err));
    SB_TRY(sb_export_set_phase(e, SB_EXPORT_PHASE_WAITING, &sent, 1, err));
    sb_context_tell(&e->context, SB_EXPORT_ACCEPTED, "", 0);
    return SB_OK;
}

static sb_status collect(sb_export *e, bool again, sb_job_verdict *verdict, sb_error *err)
{
    SB_AUTOFREE poll_url = NULL;
    *verdict = SB_JOB_LIVES;
    SB_TRY(sb_journal_get(e->journal, "poll_url", &poll_url, err));
    if (!poll_url)
        return sb_error_set(err, SB_E_INTERNAL, "the export's address got lost", "the journal has no poll_url",
                            "begin a new export in another folder");
    return sb_collect(&e->context, poll_url, again, verdict, err);
}

static sb_status wait_for_manifest(sb_export *e, sb_error *err)
{
    sb_job_verdict verdict;
    const sb_fact facts[] = {{"progress", SB_STR_NULL}, {"next_poll", SB_STR_NULL}};
    sb_status status = collect(e, false, &verdict, err);
    if (status == SB_OK)
        return sb_export_set_phase(e, SB_EXPORT_PHASE_DOWNLOAD, facts, SB_ARRAY_LEN(facts), err);
    if (verdict != SB_JOB_LIVES) {
        sb_error inner = SB_ERROR_INIT;
        if (sb_export_set_phase(e, SB_EXPORT_PHASE_FAILED, facts, SB_ARRAY_LEN(facts), &inner) != SB_OK)
            sb_log_warn("%s: %s", inner.what, inner.why);
    }
    return status;
}

/* download.h's on_log. */
static void on_log(void *impl, const char *event_id, const sb_journal_file *file, int http_status, const char *message)
{
    sb_export *e = impl;
    json_t *detail;
    json_t *url = sb_event_url(file->url);
    if (strcmp(event_id, "download_request") == 0) {
        static const char *const kinds[] = {"output", "deleted", "error"};
        detail = json_pack("{s:o, s:s, s:o}", "fileUrl", url, "itemType", kinds[file->kind], "resourceType",
                           sb_event_text(file->type));
    } else if (strcmp(event_id, "download_complete") == 0) {
        detail = json_pack("{s:o, s:I, s:I}", "fileUrl", url, "resourceCount", (json_int_t)file->resources, "fileSize",
                           (json_int_t)file->bytes);
    } else {
        detail = json_pack("{s:o, s:n, s:o, s:o, s:{}}", "fileUrl", url, "body", "code",
                           http_status ? json_integer(http_status) : json_null(), "message", sb_event_text(message),
                           "responseHeaders");
    }
    sb_event_log_add(e->log, event_id, detail);
}

/* download.h's hide. */
static void hide(void *impl, char *text)
{
    const sb_export *e = impl;
    sb_context_hide(&e->context, text);
}

/* Put a new download where the display sees it; what the one before received is added up. */
static void show_download(sb_export *e, sb_download *download)
{
    (void)pthread_mutex_lock(&e->lock);
    sb_download *before = e->download;
    sb_export_snapshot live = {.files = 0};
    if (before)
        sb_download_live(before, &live);
    e->wire_bytes += live.wire_bytes;
    e->download = download;
    (void)pthread_mutex_unlock(&e->lock);
    sb_download_free(before);
}

static sb_status download_once(sb_export *e, bool urls_are_final, sb_download_end *end, sb_error *err)
{
    sb_download *download = NULL;
    const sb_download_options options = {.payer = e->payer,
                                         .journal = e->journal,
                                         .connections = e->connections,
                                         .threads = e->threads,
                                         .urls_are_final = urls_are_final,
                                         .allow_bad_lines = e->kept.allow_bad_lines,
                                         .max_line_bytes = e->kept.max_line_bytes,
                                         .on_event = e->context.on_event,
                                         .on_event_impl = e->context.on_event_impl,
                                         .on_log = on_log,
                                         .on_log_impl = e,
                                         .hide = hide,
                                         .hide_impl = e};
    SB_TRY(sb_download_new(&options, &download, err));
    show_download(e, download);
    return sb_download_run(download, end, err);
}

/* Ask for the manifest again, for its URLs have expired (FILE-04). *final: there will be no better ones. */
static sb_status refresh_urls(sb_export *e, unsigned refreshes, bool *final, sb_error *err)
{
    sb_error inner = SB_ERROR_INIT;
    sb_job_verdict verdict;
    int64_t wait_ns = refreshes > 1 ? sb_backoff_ns(refreshes - 2, REFRESH_FIRST_MS, REFRESH_CAP_MS) : 0;
    sb_context_tell(&e->context, SB_EXPORT_RETRY, "file URLs have expired: the manifest is asked for again", wait_ns);
    if (wait_ns > 0)
        SB_TRY(sb_context_pause(&e->context, wait_ns, err));
    sb_status status = collect(e, true, &verdict, &inner);
    if (status == SB_OK)
        return SB_OK;
    if (verdict == SB_JOB_LIVES && status != SB_E_SERVER) {
        if (err)
            *err = inner;
        return status;
    }
    sb_context_warn(&e->context, "expired file URLs could not be renewed: %.200s: %.200s", inner.what, inner.why);
    *final = true;
    return SB_OK;
}

static uint64_t files_settled(sb_export *e)
{
    sb_export_snapshot totals = {.files = 0};
    sb_journal_totals(e->journal, &totals);
    return totals.files_done + totals.files_bad;
}

static sb_status download_all(sb_export *e, sb_error *err)
{
    unsigned refreshes = 0;
    bool final = false;
    uint64_t settled = files_settled(e);
    for (;;) {
        sb_download_end end;
        SB_TRY(download_once(e, final, &end, err));
        if (end == SB_DOWNLOAD_ALL)
            return SB_OK;
        if (final)
            return sb_error_set(err, SB_E_INTERNAL, "files were left although their URLs are final",
                                "the download engine says that URLs have expired", "please report this");
        if (files_settled(e) > settled)
            refreshes = 0;
        settled = files_settled(e);
        if (++refreshes > REFRESHES_MAX) {
            sb_context_warn(&e->context, "the payer's file URLs are refused even when they are fresh");
            final = true;
        } else {
            SB_TRY(refresh_urls(e, refreshes, &final, err));
        }
    }
}

/* What the next export of this request goes on from.                                                          FILE-08 */
static sb_status remember(sb_export *e, sb_error *err)
{
    char fingerprint[SB_FINGERPRINT_SIZE];
    SB_AUTOFREE time = NULL;
    sb_instant until, at;
    sb_error inner = SB_ERROR_INIT;
    sb_payer *payer = e->payer;
    const char *until_text = sb_json_str(e->request, "until");
    SB_TRY(sb_journal_get(e->journal, "transaction_time", &time, err));
    if (!time || sb_instant_parse(sb_str_from(time), &at, NULL) != SB_OK)
        return SB_OK;
    const char *next = time;
    if (until_text && sb_instant_parse(sb_str_from(until_text), &until, NULL) == SB_OK &&
        sb_instant_compare(until, at) < 0)
        next = until_text; /* what came after it was not asked for */
    SB_TRY(sb_request_fingerprint(e->request, sb_payer_fhir_url(payer), sb_payer_client_id(payer), fingerprint, err));
    if (sb_remember_since_set(sb_payer_state_dir(payer), fingerprint, next, &inner) != SB_OK)
        sb_context_warn(&e->context, "the next export cannot say `since last`: %.200s: %.200s", inner.what, inner.why);
    return SB_OK;
}

/* Everything is on disk and verified: the payer's copy may go.                                                STAT-07 */
static sb_status release_remote(sb_export *e, bool *deleted, sb_error *err)
{
    sb_error inner = SB_ERROR_INIT;
    *deleted = false;
    if (e->kept.keep_remote)
        return SB_OK;
    sb_status status = sb_export_delete_remote(e, &inner);
    if (status == SB_E_INTERRUPTED) {
        if (err)
            *err = inner;
        return status;
    }
    *deleted = status == SB_OK;
    if (*deleted)
        sb_context_tell(&e->context, SB_EXPORT_REMOTE_DELETED, "", 0);
    else
        sb_context_warn(&e->context, "the payer's copy could not be deleted: %.200s", inner.why);
    return SB_OK;
}

static sb_status log_complete(sb_export *e, const sb_export_snapshot *totals, sb_error *err)
{
    SB_AUTOFREE started = NULL;
    sb_instant at = {sb_context_wall_s(&e->context), 0};
    SB_TRY(sb_journal_get(e->journal, "started", &started, err));
    if (started)
        (void)sb_instant_parse(sb_str_from(started), &at, NULL);
    int64_t ms = SB_MAX(INT64_C(0), sb_context_wall_s(&e->context) - at.s) * 1000;
    sb_event_log_add(e->log, "export_complete",
                     json_pack("{s:I, s:I, s:I, s:i, s:I}", "files", (json_int_t)totals->files_done, "resources",
                               (json_int_t)totals->resources, "bytes", (json_int_t)totals->bytes, "attachments", 0,
                               "duration", (json_int_t)ms));
    return SB_OK;
}

/* Nothing is called complete, deleted at the payer or gone on from when a file came in another's stead. */
static sb_status check_places(sb_export *e, sb_error *err)
{
    SB_AUTOFREE name = NULL;
    SB_TRY(sb_journal_came_twice(e->journal, &name, err));
    if (!name)
        return SB_OK;
    return sb_error_set(
        err, SB_E_SERVER, "a file came twice, so another one is missing",
        "asked for the manifest again, the payer gave its files other URLs, and as it seems another order: "
        "%s holds the same as another file",
        "begin a new export in another folder; tell the payer that its order must stay", name);
}

/* *missing: there is data that the payer did not export, by its own word, or because the token did not cover it (TOK-07).
 * A later export must bring it, so none goes on from here. */
static sb_status look_for_missing(sb_export *e, bool *missing, sb_error *err)
{
    char name[128];
    sb_outcome outcome;
    SB_AUTOFREE uncovered = NULL;
    SB_TRY(sb_journal_get(e->journal, "uncovered", &uncovered, err));
    SB_TRY(sb_error_files_look(e->journal, missing, name, sizeof(name), &outcome, err));
    if (*missing) /* its words may name a person: they stay in the file */
        sb_context_warn(&e->context,
                        "by the payer's own word its export has errors (%s, see %s), so data may be missing; a later "
                        "`since last` does not go on from this export",
                        outcome.code[0] ? outcome.code : "without a code", name);
    if (uncovered)
        sb_context_warn(&e->context,
                        "the token did not cover %.300s, so data may be missing; a later `since last` does not go on "
                        "from this export",
                        uncovered);
    *missing |= uncovered != NULL;
    return SB_OK;
}

static sb_status finish(sb_export *e, sb_error *err)
{
    const sb_fact remote = {"remote", SB_STR_LIT("deleted")};
    sb_export_snapshot totals = {.files = 0};
    bool deleted = false, missing = false;
    sb_journal_totals(e->journal, &totals);
    bool fetched = totals.files_bad == 0;
    SB_TRY(check_places(e, err));
    if (fetched) {
        SB_TRY(look_for_missing(e, &missing, err));
        if (!missing)
            SB_TRY(remember(e, err));
        SB_TRY(release_remote(e, &deleted, err));
    }
    SB_TRY(log_complete(e, &totals, err));
    return sb_export_set_phase(e, fetched && !missing ? SB_EXPORT_PHASE_DONE : SB_EXPORT_PHASE_PARTIAL, &remote,
                               deleted ? 1 : 0, err);
}

static sb_status download(sb_export *e, sb_error *err)
{
    SB_TRY(download_all(e, err));
    return finish(e, err);
}

/* In words, that of the first bad file: a resume that had nothing to do has told of none. */
static sb_status keep_first_problem(void *impl, const sb_journal_file *file, sb_error *err)
{
    char **problem = impl;
    if (*problem || (file->state != SB_FILE_REJECTED && file->state != SB_FILE_FAILED))
        return SB_OK;
    *problem = sb_printf("%s: %s", file->name, file->problem ? file->problem : "bad");
    return *problem ? SB_OK : sb_error_nomem(err);
}

static sb_status is_partial(sb_export *e, sb_error *err)
{
    sb_export_snapshot totals = {.files = 0};
    SB_AUTOFREE problem = NULL;
    sb_journal_totals(e->journal, &totals);
    if (totals.files_bad == 0) /* what look_for_missing() warned of */
        return sb_error_set(
            err, SB_E_PARTIAL, "the export is done in part",
            "every file that the payer listed is here and verified, but there is data that it did not "
            "export: it reports errors of its own, or the token did not cover what was asked for",
            "look into error/ and at the scope (smartbulk token --json tells what was granted); ask the "
            "payer, then export anew");
    SB_TRY(sb_journal_each(e->journal, keep_first_problem, &problem, err));
    return sb_error_set(err, SB_E_PARTIAL, "the export is done in part",
                        "%llu of %llu files are bad or could not be had, %llu lines are bad; the first: %.600s",
                        "look into rejected/ (each file there has a list of its bad lines) and into log.ndjson; "
                        "smartbulk resume tries again what could not be had; what the payer sent wrong, tell the payer",
                        (unsigned long long)totals.files_bad, (unsigned long long)totals.files,
                        (unsigned long long)totals.bad_lines, problem ? problem : "none");
}

static sb_status is_cancelled(sb_error *err)
{
    return sb_error_set(err, SB_E_USAGE, "this export was cancelled", "the payer's job was deleted",
                        "begin a new export in another folder");
}

/* A new run gives another try to what failed before. */
static sb_status reopen(sb_export *e, sb_error *err)
{
    sb_journal_file pending = {.id = 0};
    size_t n = 0;
    if (e->phase == SB_EXPORT_PHASE_FAILED)
        return sb_export_set_phase(e, SB_EXPORT_PHASE_WAITING, NULL, 0, err);
    if (e->phase != SB_EXPORT_PHASE_PARTIAL)
        return SB_OK;
    SB_TRY(sb_journal_retry_failed(e->journal, err));
    SB_TRY(sb_journal_pending(e->journal, -1, &pending, 1, &n, err));
    if (n == 0)
        return SB_OK;
    sb_journal_file_cleanup(&pending);
    return sb_export_set_phase(e, SB_EXPORT_PHASE_DOWNLOAD, NULL, 0, err);
}

static sb_status go_on(sb_export *e, sb_error *err)
{
    SB_TRY(reopen(e, err));
    for (;;) {
        switch (e->phase) { /* only this thread changes it */
        case SB_EXPORT_PHASE_NEW:
            SB_TRY(kick_off(e, err));
            break;
        case SB_EXPORT_PHASE_WAITING:
            SB_TRY(wait_for_manifest(e, err));
            break;
        case SB_EXPORT_PHASE_DOWNLOAD:
            SB_TRY(download(e, err));
            break;
        case SB_EXPORT_PHASE_DONE:
            return SB_OK;
        case SB_EXPORT_PHASE_PARTIAL:
            return is_partial(e, err);
        case SB_EXPORT_PHASE_FAILED: /* wait_for_manifest has returned why */
        case SB_EXPORT_PHASE_CANCELLED:
            return is_cancelled(err);
        }
    }
}

sb_status sb_export_run(sb_export *export_, sb_error *err)
{
    if (!export_->payer)
        return sb_error_set(err, SB_E_USAGE, "an export cannot run without its payer", "none was given",
                            "open it with the payer of sb_export_settings()");
    begin_run(export_);
    return go_on(export_, err);
}
