/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - reads an export's facts; looks at a folder that another process may be working in. Owns no state. */
#include "export/status.h"

#include <stdio.h>

#include <smartbulk/clock.h>

#include "base/json.h"
#include "fhir/instant.h"

static const char *const phases[] = {
    [SB_EXPORT_PHASE_NEW] = "new",
    [SB_EXPORT_PHASE_WAITING] = "waiting",
    [SB_EXPORT_PHASE_DOWNLOAD] = "download",
    [SB_EXPORT_PHASE_DONE] = "done",
    [SB_EXPORT_PHASE_PARTIAL] = "partial",
    [SB_EXPORT_PHASE_FAILED] = "failed",
    [SB_EXPORT_PHASE_CANCELLED] = "cancelled",
};

const char *sb_phase_name(sb_export_phase phase)
{
    return phases[phase];
}

bool sb_phase_is_over(sb_export_phase phase)
{
    return phase >= SB_EXPORT_PHASE_DONE;
}

sb_status sb_phase_get(sb_journal *journal, sb_export_phase *out, sb_error *err)
{
    SB_AUTOFREE text = NULL;
    SB_TRY(sb_journal_get(journal, "phase", &text, err));
    for (size_t i = 0; i < SB_ARRAY_LEN(phases) && text; i++)
        if (strcmp(phases[i], text) == 0) {
            *out = (sb_export_phase)i;
            return SB_OK;
        }
    return sb_error_set(err, SB_E_INVALID, "the export's journal could not be understood", "its phase is %.40s",
                        "use the version of smartbulk that made it", text ? text : "missing");
}

sb_status sb_kept_options_get(sb_journal *journal, sb_kept_options *out, sb_error *err)
{
    SB_AUTOFREE text = NULL;
    SB_AUTOJSON json = NULL;
    *out = (sb_kept_options){.keep_remote = false};
    SB_TRY(sb_journal_get(journal, "options", &text, err));
    if (!text)
        return SB_OK;
    SB_TRY(sb_json_parse_object(sb_str_from(text), "the journal's options", &json, err));
    out->keep_remote = json_is_true(json_object_get(json, "keepRemote"));
    out->allow_bad_lines = (uint64_t)json_integer_value(json_object_get(json, "allowBadLines"));
    out->max_line_bytes = (uint64_t)json_integer_value(json_object_get(json, "maxLineBytes"));
    return SB_OK;
}

char *sb_kept_options_text(const sb_kept_options *options)
{
    SB_AUTOJSON json = json_pack("{s:b, s:I, s:I}", "keepRemote", options->keep_remote, "allowBadLines",
                                 (json_int_t)SB_MIN(options->allow_bad_lines, (uint64_t)INT64_MAX), "maxLineBytes",
                                 (json_int_t)SB_MIN(options->max_line_bytes, (uint64_t)INT64_MAX));
    return json ? sb_json_dump(json) : NULL;
}

static sb_status copy_fact(sb_journal *journal, const char *name, char *out, size_t size, sb_error *err)
{
    SB_AUTOFREE text = NULL;
    SB_TRY(sb_journal_get(journal, name, &text, err));
    (void)snprintf(out, size, "%s", text ? text : "");
    return SB_OK;
}

sb_status sb_status_read(sb_journal *journal, int64_t wall_s, sb_export_snapshot *out, sb_error *err)
{
    char next_poll[SB_INSTANT_SIZE];
    sb_instant next;
    *out = (sb_export_snapshot){.files = 0};
    SB_TRY(sb_phase_get(journal, &out->phase, err));
    SB_TRY(copy_fact(journal, "progress", out->progress, sizeof(out->progress), err));
    SB_TRY(copy_fact(journal, "transaction_time", out->transaction_time, sizeof(out->transaction_time), err));
    SB_TRY(copy_fact(journal, "next_poll", next_poll, sizeof(next_poll), err));
    if (out->phase == SB_EXPORT_PHASE_WAITING && sb_instant_parse(sb_str_from(next_poll), &next, NULL) == SB_OK &&
        next.s > wall_s)
        out->next_poll_s = (unsigned)SB_MIN(next.s - wall_s, INT64_C(86400));
    sb_journal_totals(journal, out);
    return SB_OK;
}

sb_status sb_export_status(const char *dir, sb_export_snapshot *out, sb_error *err)
{
    SB_AUTOPTR(sb_journal) journal = NULL;
    const sb_clock *clock = sb_clock_system();
    SB_TRY(sb_journal_open(dir, false, true, &journal, err));
    return sb_status_read(journal, clock->wall_s(clock->impl), out, err);
}

sb_status sb_export_settings(const char *dir, char **out, sb_error *err)
{
    SB_AUTOPTR(sb_journal) journal = NULL;
    *out = NULL;
    SB_TRY(sb_journal_open(dir, false, true, &journal, err));
    SB_TRY(sb_journal_get(journal, "settings", out, err));
    if (*out)
        return SB_OK;
    return sb_error_set(err, SB_E_NOT_FOUND, "there is no export in this folder",
                        "the run that was to begin one in %s was stopped before it had written down what for",
                        "give the same `smartbulk export` again: it begins there", dir);
}
