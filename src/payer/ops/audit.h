/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h - who did what, when, about which group, and how it ended: an append-only log whose lines are chained by
 * hash, so that none can be changed, taken out or put in between unseen.                                    PDEX-08
 *
 * One file a process, one JSON object a line: seq, time, event, …, prev (the hash of the line before), hash. Holds no
 * tokens, no assertions, no member data: events have no field for them. Any thread. */
#ifndef SB_PAYER_AUDIT_H
#define SB_PAYER_AUDIT_H

#include <smartbulk/clock.h>

#include "base/buf.h"

/* What happened. Everything is borrowed for the call; NULL and "" mean "not known" and are left out. Texts of strangers
 * (client, when only claimed) may be passed as they came: they are made safe here. */
typedef struct sb_audit_event {
    const char *event;   /* a constant: "token.issued", "token.refused", "export.started", "client.approved" … */
    const char *outcome; /* "ok", "refused" or "failed" */
    const char *reason;  /* a constant word: sb_refusal_name() … */
    const char *client;  /* proved; or, in a refusal, perhaps only claimed */
    const char *actor;   /* who did it, when it was no client: a person of the portal, "command line" */
    const char *peer;    /* the address it came from */
    const char *group;   /* the roster */
    const char *job;     /* the export's id */
    const char *detail;  /* a few words more: "types Patient, Coverage" */
    int64_t members;     /* how many members it was about; < 0: not known */
    bool durable;        /* on disk when sb_audit_add() returns; else a power cut may take the last moments' */
} sb_audit_event;

#define SB_AUDIT_EVENT_INIT                                                                                            \
    {                                                                                                                  \
        .members = -1                                                                                                  \
    }

typedef struct sb_audit sb_audit;

/* Append to `path` (0600; made when there is none), going on with its chain, whose last line is checked (all of it:
 * <smartbulk/audit.h>). A last line that a crash cut off is moved to PATH.torn, not lost. `clock` is borrowed. With
 * `wait`, waits for another process that has it. SB_E_INVALID: the file's chain is broken; SB_E_BUSY: another process
 * has it. */
sb_status sb_audit_open(const char *path, bool wait, const sb_clock *clock, sb_audit **out, sb_error *err);
void sb_audit_free(sb_audit *audit); /* synced before; NULL is fine */
SB_DEFINE_FREEP(sb_audit)

/* When the file at the path is another, because the one before was renamed, go on in that, with the same chain. */
sb_status sb_audit_reopen(sb_audit *audit, sb_error *err);

/* Append one. False: it could not be written (and the log says why): who was to be let in is not. NULL: true, nothing
 * is done. */
SB_MUST_USE bool sb_audit_add(sb_audit *audit, const sb_audit_event *event);

/* Could one be written now? For the question whether this process is ready. */
bool sb_audit_writable(sb_audit *audit);

#endif
