/* SPDX-License-Identifier: Apache-2.0 */
/* export_internal.h - an sb_export from inside: for export.c (begin, resume, look, cancel) and run.c (the phases). */
#ifndef SB_EXPORT_EXPORT_INTERNAL_H
#define SB_EXPORT_EXPORT_INTERNAL_H

#include <pthread.h>

#include <jansson.h>

#include "export/context.h"
#include "export/download.h"
#include "export/status.h"

struct sb_export {
    sb_payer *payer; /* borrowed; NULL: there is none to ask */
    sb_journal *journal;
    sb_event_log *log;
    json_t *request;
    sb_kept_options kept;
    unsigned connections, threads;
    sb_export_context context;

    pthread_mutex_t say_lock; /* one event at a time */
    void (*on_event)(void *impl, const sb_export_event *event);
    void *on_event_impl;

    pthread_mutex_t lock; /* what the display reads */
    /* Under lock. */
    sb_export_phase phase;
    char progress[128];
    char transaction_time[48];
    int64_t next_poll_ns; /* 0: none is planned */
    int64_t begun_ns;     /* of this run; 0: it has not begun */
    uint64_t resumed_files;
    sb_download *download; /* the last one: its numbers hold when it has ended, too */
    uint64_t wire_bytes;   /* of those before it */
};

/* Write the phase, and what holds with it, in one transaction. */
sb_status sb_export_set_phase(sb_export *export_, sb_export_phase phase, const sb_fact *more, size_t n, sb_error *err);

/* DELETE the job at the payer (STAT-07). SB_OK also when it is gone already. */
sb_status sb_export_delete_remote(sb_export *export_, sb_error *err);

#endif
