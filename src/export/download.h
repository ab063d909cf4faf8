/* SPDX-License-Identifier: Apache-2.0 */
/* download.h - the download engine: takes the journal's pending files and leaves them on disk, checked, or rejected.
 *
 * Worker threads, each with its own curl_multi; a file stays on one thread from socket to disk:
 *   socket → (gunzip) → NDJSON validator + SHA-256 → .part → fsync → rename → journal row
 * Workers share the journal, the token source and the counters only. A committer makes many finished files durable with
 * one group commit. Knows nothing of kick-off, polling and manifests. */
#ifndef SB_EXPORT_DOWNLOAD_H
#define SB_EXPORT_DOWNLOAD_H

#include "export/journal.h"

typedef struct sb_download_options {
    sb_payer *payer;
    sb_journal *journal;
    unsigned connections; /* transfers at once; 0: the payer's setting */
    unsigned threads;     /* 0: as many as there are cores, at most `connections` */
    bool urls_are_final;  /* 403/404/410 fail the file: the manifest was asked for again often enough */
    uint64_t allow_bad_lines, max_line_bytes;
    void (*on_event)(void *impl, const sb_export_event *event); /* serialised by the caller */
    void *on_event_impl;
    /* What log.ndjson wants to know: download_request, download_complete, download_error. */
    void (*on_log)(void *impl, const char *event_id, const sb_journal_file *file, int http_status, const char *message);
    void *on_log_impl;
} sb_download_options;

typedef enum sb_download_end {
    SB_DOWNLOAD_ALL,          /* no pending file is left */
    SB_DOWNLOAD_URLS_EXPIRED, /* the file server says 403/404/410: ask for the manifest again              FILE-04 */
} sb_download_end;

typedef struct sb_download sb_download;
sb_status sb_download_new(const sb_download_options *options, sb_download **out, sb_error *err);
/* Blocks until all pending files are done, rejected or failed, or a fatal error (disk, authorization, cancel). Also
 * settles what a crash left half-way. SB_OK: see `end`. SB_E_SERVER for a file host that may not see the token: the
 * other files are there, these stay pending. SB_E_NETWORK: nothing could be had for a while; all stay pending. */
sb_status sb_download_run(sb_download *download, sb_download_end *end, sb_error *err);
/* Add what is under way now (bytes by type, active transfers, wire bytes) to a snapshot that holds the journal's
 * totals. Any thread, while run is under way too. */
void sb_download_live(const sb_download *download, sb_export_snapshot *out);
void sb_download_free(sb_download *download);
SB_DEFINE_FREEP(sb_download)

#endif
