/* SPDX-License-Identifier: Apache-2.0 */
/* export.h - one export into one folder: kick-off, wait, manifest, download, check; resumable at any instant.
 *
 * The folder's journal (DIR/.smartbulk/) is the truth. What was downloaded and verified is never fetched again. One
 * process a folder. An sb_export is driven by one thread (sb_export_run); sb_export_snapshot() may be called by others.
 */
#ifndef SMARTBULK_EXPORT_H
#define SMARTBULK_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <smartbulk/error.h>
#include <smartbulk/payer.h>

typedef enum sb_export_level { SB_EXPORT_SYSTEM, SB_EXPORT_PATIENT, SB_EXPORT_GROUP } sb_export_level; /* EXP-01 */
typedef enum sb_export_method { SB_EXPORT_METHOD_AUTO, SB_EXPORT_METHOD_GET, SB_EXPORT_METHOD_POST } sb_export_method;

/* What is asked of the payer (EXP-03). Pointers are borrowed for the call; lists end with NULL; NULL: not sent. */
typedef struct sb_export_request {
    sb_export_level level;
    const char *group_id;            /* for SB_EXPORT_GROUP */
    const char *const *types;        /* _type: resource types */
    const char *const *type_filters; /* _typeFilter: one search each, "ExplanationOfBenefit?service-date=ge2020" */
    const char *const *patients;     /* patient: References or bare ids; makes the request a POST */
    const char *const *elements;     /* _elements */
    const char *const *include_associated_data; /* includeAssociatedData codes */
    const char *output_format;                  /* _outputFormat */
    const char *since;                          /* _since: instant, date, or "last" (FILE-08) */
    const char *until;                          /* _until: instant or date */
    const char *organize_output_by;
    bool allow_partial_manifests;
    bool lenient;            /* Prefer: handling=lenient */
    sb_export_method method; /* AUTO: what the CapabilityStatement says, POST to GET fallback                EXP-02 */
} sb_export_request;

#define SB_EXPORT_REQUEST_INIT                                                                                         \
    {                                                                                                                  \
        .level = SB_EXPORT_PATIENT                                                                                     \
    }

/* Things that happened, in order. Texts are borrowed for the call, terminal-safe, and hold no secrets. */
typedef enum sb_export_event_kind {
    SB_EXPORT_KICKOFF,       /* text: the kick-off URL without query */
    SB_EXPORT_ACCEPTED,      /* the payer accepted the job */
    SB_EXPORT_PROGRESS,      /* text: X-Progress; seconds: until the next poll */
    SB_EXPORT_MANIFEST_PAGE, /* files: on this page; text: transactionTime */
    SB_EXPORT_FILE_DONE,     /* file, type, bytes, resources */
    SB_EXPORT_FILE_REJECTED, /* file, bad_lines; text: why, and where its list is */
    SB_EXPORT_FILE_FAILED,   /* file; text: why */
    SB_EXPORT_RETRY,         /* text: what is tried again; seconds: after how long */
    SB_EXPORT_WARNING,       /* text */
    SB_EXPORT_REMOTE_DELETED /* the payer's copy is gone (STAT-07) */
} sb_export_event_kind;

typedef struct sb_export_event {
    sb_export_event_kind kind;
    const char *text, *file, *type;
    uint64_t files, bytes, resources, bad_lines;
    unsigned seconds;
} sb_export_event;

typedef struct sb_export_options {
    const char *dir;          /* created when missing (0700) */
    bool keep_remote;         /* do not DELETE the job at the payer after success */
    unsigned connections;     /* 0: the payer's setting */
    unsigned threads;         /* 0: as many as there are cores, at most `connections` */
    uint64_t allow_bad_lines; /* so many bad lines a file are tolerated: they are listed, the file is kept whole */
    uint64_t max_line_bytes;  /* 0: 256 MiB; a longer line is bad, and never buffered */
    /* Called from whichever thread sees the event, one call at a time. */
    void (*on_event)(void *impl, const sb_export_event *event);
    void *on_event_impl;
} sb_export_options;

#define SB_EXPORT_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        .dir = NULL                                                                                                    \
    }

typedef enum sb_export_phase {
    SB_EXPORT_PHASE_NEW,      /* no kick-off was answered yet */
    SB_EXPORT_PHASE_WAITING,  /* the payer prepares the files */
    SB_EXPORT_PHASE_DOWNLOAD, /* files are fetched and checked */
    SB_EXPORT_PHASE_DONE,     /* everything is on disk and verified */
    SB_EXPORT_PHASE_PARTIAL,  /* all that can be had is on disk; some is bad or missing, and listed */
    SB_EXPORT_PHASE_FAILED,   /* the payer's job failed or is gone */
    SB_EXPORT_PHASE_CANCELLED
} sb_export_phase;

#define SB_EXPORT_TYPE_NAME_MAX  64
#define SB_EXPORT_SNAPSHOT_TYPES 64 /* of one manifest; more are added up under "(others)" */

/* One row of the closing table. */
typedef struct sb_export_type_totals {
    char type[SB_EXPORT_TYPE_NAME_MAX + 1];
    uint64_t files, files_done, files_bad;
    uint64_t resources, resources_expected; /* expected: 0 when the manifest gave no counts */
    uint64_t bytes;                         /* of the files on disk and under way, decompressed */
} sb_export_type_totals;

typedef struct sb_export_snapshot {
    sb_export_phase phase;
    char progress[128];        /* the payer's own X-Progress, terminal-safe */
    unsigned next_poll_s;      /* seconds until the next poll, in WAITING */
    char transaction_time[48]; /* "" before the manifest */
    uint64_t files, files_done, files_bad;
    uint64_t resources, bytes; /* bytes: decompressed, written */
    uint64_t wire_bytes;       /* as received in this run */
    uint64_t bad_lines;
    uint64_t active; /* transfers now */
    uint64_t token_fetches;
    uint64_t resumed_files; /* done before this run */
    int64_t elapsed_ns;     /* of this run */
    size_t n_types;
    sb_export_type_totals types[SB_EXPORT_SNAPSHOT_TYPES];
} sb_export_snapshot;

typedef struct sb_export sb_export;

/* Begin a new export in options->dir: lock the folder, write the journal. Nothing is asked of the payer yet. `payer` is
 * borrowed for the export's life. SB_E_USAGE: a bad request (wrong type name, bad instant, `since` "last" without an
 * earlier complete export of this request), in which case no folder is made; the folder holds an export already (the fix
 * names `resume`; one that the payer never heard of is replaced) or other files. SB_E_BUSY: another process. */
SB_PUBLIC sb_status sb_export_start(sb_payer *payer, const sb_export_request *request, const sb_export_options *options,
                                    sb_export **out, sb_error *err);

/* What a folder's journal says of the payer: JSON settings for sb_payer_options.settings, malloc'ed; caller frees. */
SB_PUBLIC sb_status sb_export_settings(const char *dir, char **out, sb_error *err);

/* Continue the export in options->dir, from whatever moment its last run ended at. keep_remote, allow_bad_lines and
 * max_line_bytes that are not given are those it began with. `payer` may be NULL to look only (sb_export_snapshot_get());
 * SB_E_USAGE when it is not the payer the export is of. */
SB_PUBLIC sb_status sb_export_resume(sb_payer *payer, const sb_export_options *options, sb_export **out, sb_error *err);

/* Go through all that is left: kick-off, poll, manifest, download, DELETE. Blocks for as long as it takes. SB_OK: done,
 * all of it verified; SB_E_PARTIAL: see the folder's `rejected/` (the payer's copy is kept then, and running again tries
 * once more what could not be had), or the payer did not export all, by its own word in `error/` or for want of scope; SB_E_INTERRUPTED: the payer's cancel flag was set, resumable; others: failed,
 * resumable unless the fix says otherwise. SB_E_NETWORK in SB_EXPORT_PHASE_NEW may mean that the answer to the kick-off
 * was lost: running again asks for another job, and warns of the one that nobody knows. */
SB_PUBLIC sb_status sb_export_run(sb_export *export_, sb_error *err);

/* Give the job up: DELETE at the payer (STAT-07), mark the folder cancelled. Downloaded files stay. Of an export that is
 * done only the payer's copy goes. When the payer could not be told nothing is marked: try again. */
SB_PUBLIC sb_status sb_export_cancel(sb_export *export_, sb_error *err);

/* Where it stands. Cheap; any thread, also while sb_export_run() is under way. */
SB_PUBLIC void sb_export_snapshot_get(sb_export *export_, sb_export_snapshot *out);

SB_PUBLIC void sb_export_free(sb_export *export_); /* releases the folder; NULL is fine */

/* Read-only look at a folder that another process may be working in. */
SB_PUBLIC sb_status sb_export_status(const char *dir, sb_export_snapshot *out, sb_error *err);

/* Check every file of a finished folder again, offline: size, SHA-256, every line; nothing is changed. `on_problem` (may
 * be NULL) is told each difference (missing, changed, bad line, rejected, unknown file), one call at a time, from several
 * threads; texts are terminal-safe. SB_OK; SB_E_PARTIAL when there were problems; SB_E_USAGE for an export that is not
 * finished; SB_E_INTERRUPTED. */
typedef struct sb_verify_result {
    uint64_t files, bytes, resources, problems;
} sb_verify_result;
SB_PUBLIC sb_status sb_export_verify(const char *dir,
                                     void (*on_problem)(void *impl, const char *file, const char *text), void *impl,
                                     const atomic_bool *cancel, sb_verify_result *out, sb_error *err);

#endif
