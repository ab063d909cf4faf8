/* SPDX-License-Identifier: Apache-2.0 */
/* load.h - what `smartbulk serve` keeps in its database, put there: members' data, rosters, who opted out.
 *
 * Works beside a serve that runs, in short transactions: an export that begins sees what is loaded by then. Every line of
 * every file is checked before the first is written. Loading again is harmless: a resource is its type and id, a roster
 * its id. */
#ifndef SMARTBULK_LOAD_H
#define SMARTBULK_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smartbulk/error.h>

typedef struct sb_load_counts {
    uint64_t bytes;                    /* of the files read so far; each is read twice */
    uint64_t bad_lines;                /* found when checking: then nothing was written */
    uint64_t added, replaced, deleted; /* resources */
    uint64_t rosters, members;         /* rosters put, and who is in them */
    uint64_t rosters_removed;
    uint64_t opted_out, opted_in;
} sb_load_counts;

/* All borrowed for the call; NULL leaves a thing out. One of config and database. */
typedef struct sb_load_options {
    const char *config;     /* the file that serve runs by */
    const char *database;   /* a file of SQLite, or postgresql://… */
    const char *audit_file; /* as sb_register_options has it */
    const char *actor;      /* who does it, for the audit log: "command line (mary)" */
    const char *folder;     /* *.ndjson: resources, each with an id; a resource that is there is replaced */
    const char *const
        *group_files; /* NDJSON of Group resources: each is a roster; who is in it is replaced   PDEX-01 */
    const char *const *remove_groups; /* ids of rosters, which clients then have no more */
    const char *deleted_file; /* lines "Patient/123": resources to be taken out, and told as deleted     FILE-03 */
    const char *opt_out_file; /* lines "Patient/123" or "123": members who say no from now on            PDEX-07 */
    const char *opt_in_file;  /* who take that back */
    bool check_only;          /* write nothing */
    void (*on_bad_line)(void *impl, const char *file, uint64_t line, const char *why);
    /* Once a piece, and at the end; false stops it there: SB_E_INTERRUPTED. */
    bool (*on_progress)(void *impl, const sb_load_counts *counts);
    void *impl;
} sb_load_options;

#define SB_LOAD_OPTIONS_INIT                                                                                           \
    {                                                                                                                  \
        .config = NULL                                                                                                 \
    }

/* In this order: opt-outs, rosters to be removed, deletions, resources, rosters, opt-ins. When it fails half-way, what
 * was committed stays, and loading again goes on from there. *out is filled in every case. SB_E_INVALID: lines are bad,
 * and nothing was written; SB_E_USAGE: the configuration, or one whose data is a folder that serve reads itself;
 * SB_E_NOT_FOUND: no such database, or roster to be removed; SB_E_IO, SB_E_BUSY: files, database, audit log. */
SB_PUBLIC sb_status sb_load(const sb_load_options *options, sb_load_counts *out, sb_error *err);

#endif
