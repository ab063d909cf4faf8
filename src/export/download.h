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
    /* From any of the engine's threads, one call at a time, of on_log too. A file's end is told when it is durable. */
    void (*on_event)(void *impl, const sb_export_event *event);
    void *on_event_impl;
    /* What log.ndjson wants to know: download_request (once a file and run), download_complete (kept or rejected, and
     * durable), download_error (each try that failed; `http_status` 0 when there was no answer). */
    void (*on_log)(void *impl, const char *event_id, const sb_journal_file *file, int http_status, const char *message);
    void *on_log_impl;
    /* Blot out of a server's words what nobody may read there; NULL: nothing. Any thread. */
    void (*hide)(void *impl, char *text);
    void *hide_impl;
} sb_download_options;

typedef enum sb_download_end {
    SB_DOWNLOAD_ALL,          /* no pending file is left */
    SB_DOWNLOAD_URLS_EXPIRED, /* the file server says 403/404/410: ask for the manifest again, then run anew. Whatever
                                 else is left pending comes up again there.                                FILE-04 */
} sb_download_end;

typedef struct sb_download sb_download;
sb_status sb_download_new(const sb_download_options *options, sb_download **out, sb_error *err);
/* Blocks until all pending files are done, rejected or failed, or a fatal error (disk, authorization, cancel). Also
 * settles what a crash left half-way. SB_OK: see `end`. SB_E_SERVER: a file host that may not see the token, or a payer
 * that gave us no file for a while: what else could be had is there, these stay pending. SB_E_NETWORK: likewise, without
 * an answer. SB_E_AUTH: no token, or two fresh ones were refused. SB_E_USAGE: a stranger's file is in a file's place.
 * SB_E_IO: the disk. SB_E_INTERRUPTED. A run may follow a run. */
sb_status sb_download_run(sb_download *download, sb_download_end *end, sb_error *err);
/* Add what is under way now (bytes by type, active transfers, wire bytes) to a snapshot that holds the journal's
 * totals. Any thread, while run is under way too. */
void sb_download_live(const sb_download *download, sb_export_snapshot *out);
void sb_download_free(sb_download *download);
SB_DEFINE_FREEP(sb_download)

#endif
