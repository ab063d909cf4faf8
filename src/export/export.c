/* SPDX-License-Identifier: Apache-2.0 */
/* export.c - an export's object: begun, opened again, looked at, given up. Owns the journal (and with it the folder's
 * lock), the event log, the request. What it does while it runs is run.c's. */
#include <dirent.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "export/export_internal.h"
#include "export/remember.h"
#include "fhir/instant.h"

static void on_event(void *impl, const sb_export_event *event)
{
    sb_export *e = impl;
    (void)pthread_mutex_lock(&e->lock);
    if (event->kind == SB_EXPORT_PROGRESS) {
        (void)snprintf(e->progress, sizeof(e->progress), "%s", event->text);
        e->next_poll_ns = sb_context_now_ns(&e->context) + event->seconds * SB_NS_PER_S;
    } else if (event->kind == SB_EXPORT_MANIFEST_PAGE) {
        (void)snprintf(e->transaction_time, sizeof(e->transaction_time), "%s", event->text);
        e->next_poll_ns = 0;
    }
    (void)pthread_mutex_unlock(&e->lock);
    if (!e->on_event)
        return;
    (void)pthread_mutex_lock(&e->say_lock);
    e->on_event(e->on_event_impl, event);
    (void)pthread_mutex_unlock(&e->say_lock);
}

static sb_status holds_other_files(const char *dir, const char *other, sb_error *err)
{
    return sb_error_set(err, SB_E_USAGE, "the folder holds other files", "%.300s holds %s, and no export",
                        "choose an empty or a new folder", dir, other);
}

/* The name of something in the folder that is none of ours; "" when there is nothing, or no folder. */
static void find_other_file(const char *dir, bool has_journal, char *out, size_t size)
{
    DIR *handle = opendir(dir);
    out[0] = '\0';
    if (!handle) /* missing is fine; what else there may be, opening it will tell */
        return;
    for (struct dirent *entry; !out[0] && (entry = readdir(handle)) != NULL;) {
        static const char *const passed_over[] = {".", "..", SB_FOLDER_STATE, "lost+found"};
        const char *name = entry->d_name;
        bool other = !has_journal || strcmp(name, SB_EVENT_LOG_NAME) != 0; /* which a run that never began has, too */
        for (size_t i = 0; i < SB_ARRAY_LEN(passed_over); i++)
            other &= strcmp(name, passed_over[i]) != 0;
        if (other)
            (void)snprintf(out, size, "%.60s", sb_str_is_text(sb_str_from(name)) ? name : "(an odd name)");
    }
    (void)closedir(handle);
}

/* An export that the payer never heard of (a wrong address, a refusal) does not hold its folder: whoever mends the
 * command can give it again. All its facts are replaced. */
static sb_status take_over_unbegun(sb_export *e, const char *dir, const sb_error *taken, sb_error *err)
{
    sb_export_phase phase;
    SB_AUTOFREE sent = NULL;
    SB_TRY(sb_journal_open(dir, false, false, &e->journal, err));
    SB_TRY(sb_phase_get(e->journal, &phase, err));
    SB_TRY(sb_journal_get(e->journal, "kickoff_sent", &sent, err));
    if (phase == SB_EXPORT_PHASE_NEW && !sent)
        return SB_OK;
    if (err)
        *err = *taken;
    return taken->code;
}

/* Nothing is put among other files: nobody could tell later what came from the payer. */
static sb_status open_new_journal(sb_export *e, const char *dir, sb_error *err)
{
    char other[64];
    sb_error taken = SB_ERROR_INIT;
    SB_AUTOFREE journal = sb_path_join(dir, SB_FOLDER_STATE "/journal.db");
    if (!journal)
        return sb_error_nomem(err);
    bool has_journal = access(journal, F_OK) == 0;
    find_other_file(dir, has_journal, other, sizeof(other));
    if (other[0] && !has_journal)
        return holds_other_files(dir, other, err);
    sb_status status = sb_journal_open(dir, true, false, &e->journal, &taken);
    if (status == SB_E_USAGE && has_journal)
        status = take_over_unbegun(e, dir, &taken, err);
    else if (status != SB_OK && err)
        *err = taken;
    SB_TRY(status);
    return other[0] ? holds_other_files(dir, other, err) : SB_OK;
}

static sb_status resolve_last(sb_payer *payer, json_t *request, sb_error *err)
{
    char fingerprint[SB_FINGERPRINT_SIZE];
    SB_AUTOFREE instant = NULL;
    if (!sb_request_wants_last(request))
        return SB_OK;
    SB_TRY(sb_request_fingerprint(request, sb_payer_fhir_url(payer), sb_payer_client_id(payer), fingerprint, err));
    SB_TRY(sb_remember_since_get(sb_payer_state_dir(payer), fingerprint, &instant, err));
    if (instant)
        return sb_request_set_since(request, instant, err);
    return sb_error_set(err, SB_E_USAGE, "there is no earlier export to go on from",
                        "no complete export of this request to this payer is remembered in %.300s",
                        "make a full export first (leave since out), or give the instant yourself: transactionTime in "
                        "the earlier export's manifest.json",
                        sb_payer_state_dir(payer) ? sb_payer_state_dir(payer) : "a state folder (there is none)");
}

static sb_status write_first_facts(sb_export *e, sb_error *err)
{
    char id[SB_UUID_SIZE], now[SB_INSTANT_SIZE];
    SB_AUTOFREE request = sb_json_dump(e->request);
    SB_AUTOFREE settings = sb_payer_settings(e->payer);
    SB_AUTOFREE options = sb_kept_options_text(&e->kept);
    if (!request || !settings || !options)
        return sb_error_nomem(err);
    sb_random_uuid(id);
    (void)sb_instant_format((sb_instant){sb_context_wall_s(&e->context), 0}, now);
    const sb_fact facts[] = {{"export_id", sb_str_from(id)},
                             {"started", sb_str_from(now)},
                             {"fhir_url", sb_str_from(sb_payer_fhir_url(e->payer))},
                             {"client_id", sb_str_from(sb_payer_client_id(e->payer))},
                             {"settings", sb_str_from(settings)},
                             {"request", sb_str_from(request)},
                             {"options", sb_str_from(options)}};
    return sb_export_set_phase(e, SB_EXPORT_PHASE_NEW, facts, SB_ARRAY_LEN(facts), err);
}

/* What both beginnings have in common, before the journal is there. */
static sb_status make(sb_payer *payer, const sb_export_options *options, sb_export **out, sb_error *err)
{
    sb_export *e = calloc(1, sizeof(*e));
    *out = NULL;
    if (!options->dir || !options->dir[0]) {
        free(e);
        return sb_error_set(err, SB_E_USAGE, "no folder was given", "an export needs one to write to",
                            "name it: --to DIR");
    }
    if (!e)
        return sb_error_nomem(err);
    (void)pthread_mutex_init(&e->say_lock, NULL); /* default mutexes: cannot fail on Linux */
    (void)pthread_mutex_init(&e->lock, NULL);
    e->payer = payer;
    e->kept = (sb_kept_options){options->keep_remote, options->allow_bad_lines, options->max_line_bytes};
    e->connections = options->connections;
    e->threads = options->threads;
    e->on_event = options->on_event;
    e->on_event_impl = options->on_event_impl;
    e->context = (sb_export_context){.payer = payer, .on_event = on_event, .on_event_impl = e};
    *out = e;
    return SB_OK;
}

/* And when it is: the log, the types the token must cover, what the display shows. */
static sb_status open_rest(sb_export *e, sb_error *err)
{
    SB_AUTOFREE id = NULL;
    sb_export_snapshot snapshot;
    e->context.journal = e->journal;
    e->context.request = e->request;
    SB_TRY(sb_status_read(e->journal, 0, &snapshot, err));
    e->phase = snapshot.phase;
    e->resumed_files = snapshot.files_done;
    memcpy(e->progress, snapshot.progress, sizeof(e->progress));
    memcpy(e->transaction_time, snapshot.transaction_time, sizeof(e->transaction_time));
    if (!e->payer)
        return SB_OK;
    SB_TRY(sb_journal_get(e->journal, "export_id", &id, err));
    SB_TRY(sb_event_log_open(sb_journal_folder(e->journal), sb_payer_clock(e->payer), id ? id : "", &e->log, err));
    e->context.log = e->log;
    size_t n;
    const char **types = sb_request_list(e->request, "types", &n);
    if (!types)
        return sb_error_nomem(err);
    sb_status status = sb_payer_want_types(e->payer, types, n, err);
    free(types);
    return status;
}

static sb_status start(sb_export *e, const sb_export_request *request, const char *dir, sb_error *err)
{
    SB_TRY(sb_request_new(request, &e->request, err));
    SB_TRY(resolve_last(e->payer, e->request, err));
    SB_TRY(open_new_journal(e, dir, err));
    e->context.journal = e->journal;
    SB_TRY(write_first_facts(e, err));
    return open_rest(e, err);
}

sb_status sb_export_start(sb_payer *payer, const sb_export_request *request, const sb_export_options *options,
                          sb_export **out, sb_error *err)
{
    SB_TRY(make(payer, options, out, err));
    sb_status status = start(*out, request, options->dir, err);
    if (status == SB_OK)
        return SB_OK;
    sb_export_free(*out);
    *out = NULL;
    return status;
}

/* The journal's export is of this payer, or it is not asked for there. */
static sb_status check_payer(sb_export *e, sb_error *err)
{
    SB_AUTOFREE fhir_url = NULL;
    SB_TRY(sb_journal_get(e->journal, "fhir_url", &fhir_url, err));
    if (!e->payer || !fhir_url || strcmp(fhir_url, sb_payer_fhir_url(e->payer)) == 0)
        return SB_OK;
    return sb_error_set(err, SB_E_USAGE, "the export in this folder is of another payer", "it is of %.300s, not %.300s",
                        "resume it without naming a payer: the folder knows its own", fhir_url,
                        sb_payer_fhir_url(e->payer));
}

static sb_status resume(sb_export *e, const char *dir, sb_error *err)
{
    SB_AUTOFREE request = NULL;
    sb_kept_options kept;
    SB_TRY(sb_journal_open(dir, false, false, &e->journal, err));
    SB_TRY(check_payer(e, err));
    SB_TRY(sb_journal_get(e->journal, "request", &request, err));
    SB_TRY(sb_request_read(request ? request : "", &e->request, err));
    SB_TRY(sb_kept_options_get(e->journal, &kept, err));
    e->kept.keep_remote |= kept.keep_remote;
    if (!e->kept.allow_bad_lines)
        e->kept.allow_bad_lines = kept.allow_bad_lines;
    if (!e->kept.max_line_bytes)
        e->kept.max_line_bytes = kept.max_line_bytes;
    return open_rest(e, err);
}

sb_status sb_export_resume(sb_payer *payer, const sb_export_options *options, sb_export **out, sb_error *err)
{
    SB_TRY(make(payer, options, out, err));
    sb_status status = resume(*out, options->dir, err);
    if (status == SB_OK)
        return SB_OK;
    sb_export_free(*out);
    *out = NULL;
    return status;
}

void sb_export_free(sb_export *export_)
{
    if (!export_)
        return;
    sb_download_free(export_->download);
    sb_event_log_free(export_->log);
    sb_journal_free(export_->journal);
    json_decref(export_->request);
    (void)pthread_mutex_destroy(&export_->say_lock);
    (void)pthread_mutex_destroy(&export_->lock);
    free(export_);
}

sb_status sb_export_set_phase(sb_export *export_, sb_export_phase phase, const sb_fact *more, size_t n, sb_error *err)
{
    sb_fact facts[8] = {{"phase", sb_str_from(sb_phase_name(phase))}};
    if (n > SB_ARRAY_LEN(facts) - 1)
        return sb_error_set(err, SB_E_INTERNAL, "too many facts at once", "%zu", "please report this", n);
    for (size_t i = 0; i < n; i++)
        facts[i + 1] = more[i];
    SB_TRY(sb_journal_set_all(export_->journal, facts, n + 1, err));
    (void)pthread_mutex_lock(&export_->lock);
    export_->phase = phase;
    export_->next_poll_ns = 0;
    (void)pthread_mutex_unlock(&export_->lock);
    return SB_OK;
}

void sb_export_snapshot_get(sb_export *export_, sb_export_snapshot *out)
{
    int64_t now_ns = export_->payer ? sb_context_now_ns(&export_->context) : 0;
    *out = (sb_export_snapshot){.files = 0};
    sb_journal_totals(export_->journal, out);
    (void)pthread_mutex_lock(&export_->lock);
    out->phase = export_->phase;
    memcpy(out->progress, export_->progress, sizeof(out->progress));
    memcpy(out->transaction_time, export_->transaction_time, sizeof(out->transaction_time));
    if (export_->next_poll_ns > now_ns)
        out->next_poll_s = (unsigned)((export_->next_poll_ns - now_ns + SB_NS_PER_S - 1) / SB_NS_PER_S);
    out->resumed_files = export_->resumed_files;
    out->elapsed_ns = export_->begun_ns ? now_ns - export_->begun_ns : 0;
    out->wire_bytes = export_->wire_bytes;
    if (export_->download)
        sb_download_live(export_->download, out);
    (void)pthread_mutex_unlock(&export_->lock);
    out->token_fetches = export_->payer ? sb_payer_token_fetches(export_->payer) : 0;
}

sb_status sb_export_delete_remote(sb_export *export_, sb_error *err)
{
    SB_AUTO(sb_http_response) response = SB_HTTP_RESPONSE_INIT;
    SB_AUTOFREE poll_url = NULL;
    sb_outcome outcome;
    char says[400];
    SB_TRY(sb_journal_get(export_->journal, "poll_url", &poll_url, err));
    if (!poll_url)
        return SB_OK; /* the payer never had one */
    sb_http_request request = {.method = "DELETE", .url = poll_url, .accept = "application/fhir+json"};
    SB_TRY(sb_context_send(&export_->context, &request, &response, err));
    if ((response.status >= 200 && response.status < 300) || response.status == 404 || response.status == 410)
        return SB_OK;
    (void)sb_context_says(&export_->context, sb_buf_str(&response.body), &outcome, says, sizeof(says));
    sb_error_set(err, response.status == 403 ? SB_E_AUTH : SB_E_SERVER, "the payer did not delete its copy",
                 "DELETE of the export answered %d%s%s",
                 "it will expire by itself; until then it may count against what this client may have", response.status,
                 says[0] ? ": " : "", says);
    if (err)
        err->http_status = response.status;
    return response.status == 403 ? SB_E_AUTH : SB_E_SERVER;
}

sb_status sb_export_cancel(sb_export *export_, sb_error *err)
{
    const sb_fact deleted = {"remote", SB_STR_LIT("deleted")};
    if (!export_->payer)
        return sb_error_set(err, SB_E_USAGE, "an export cannot be cancelled without its payer", "none was given",
                            "open it with the payer of sb_export_settings()");
    sb_export_phase phase = export_->phase;
    SB_TRY(sb_export_delete_remote(export_, err));
    bool finished = phase == SB_EXPORT_PHASE_DONE || phase == SB_EXPORT_PHASE_PARTIAL;
    SB_TRY(sb_export_set_phase(export_, finished ? phase : SB_EXPORT_PHASE_CANCELLED, &deleted, 1, err));
    sb_context_tell(&export_->context, SB_EXPORT_REMOTE_DELETED, "", 0);
    return SB_OK;
}
