/* SPDX-License-Identifier: Apache-2.0 */
/* loader.h - files of resources, rosters, deletions and opt-outs, checked line by line, and written into the payer's
 * database in short transactions.
 *
 * The same walk checks and writes, so that what was found good is what is written. Knows nothing of configurations or
 * the audit log: who starts it is asked before a roster's transaction is committed. */
#ifndef SB_PAYER_LOADER_H
#define SB_PAYER_LOADER_H

#include <smartbulk/load.h>

#include "base/buf.h"
#include "store/db.h"

typedef enum sb_load_kind {
    SB_LOAD_RESOURCES, /* NDJSON */
    SB_LOAD_ROSTERS,   /* NDJSON of Group */
    SB_LOAD_DELETIONS, /* "Type/id" a line */
    SB_LOAD_OPT_OUTS,  /* "Patient/id" or "id" a line */
    SB_LOAD_OPT_INS,
} sb_load_kind;

typedef struct sb_loader {
    sb_db *db;     /* NULL: check only */
    int64_t now_s; /* of what changes */
    sb_load_counts *counts;
    void (*on_bad_line)(void *impl, const char *file, uint64_t line, const char *why);
    bool (*on_progress)(void *impl, const sb_load_counts *counts);
    void *impl;
    /* A roster is about to be committed. Anything but SB_OK takes it back. */
    sb_status (*on_roster)(void *impl, const char *id, uint64_t members, sb_error *err);
    void *on_roster_impl;
} sb_loader;

/* Without a database bad lines are told and counted, and SB_OK is returned; with one the first ends it. SB_E_INTERRUPTED,
 * SB_E_IO, SB_E_BUSY, SB_E_INVALID. */
sb_status sb_loader_file(const sb_loader *loader, sb_load_kind kind, const char *path, sb_error *err);

/* Every *.ndjson in the folder, by name. SB_E_USAGE: there is none. */
sb_status sb_loader_folder(const sb_loader *loader, const char *dir, sb_error *err);

#endif
