/* SPDX-License-Identifier: Apache-2.0 */
/* clients.h - the register of clients of `smartbulk serve`, as its operator keeps it: who may ask for tokens, by which
 * keys, for what and for which rosters.
 *
 * Works on the database that serve runs on, while it runs: it sees a change within two seconds. Each change is written
 * into an audit log. A register belongs to one thread at a time. */
#ifndef SMARTBULK_CLIENTS_H
#define SMARTBULK_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smartbulk/error.h>
#include <smartbulk/key.h>

typedef struct sb_register sb_register;

/* All borrowed for the call. One of config and database. */
typedef struct sb_register_options {
    const char *config;     /* the file that serve runs by */
    const char *database;   /* a file of SQLite, or postgresql://… */
    const char *audit_file; /* NULL: with config, its audit.file with ".commands" at its end (one of its own, for a
                               chain has one writer); with database, none */
    bool read_only;         /* to look at: no audit log is opened, and nothing can be changed */
    const char *actor;      /* who does it, for the audit log: "command line (mary)" */
} sb_register_options;

#define SB_REGISTER_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        .config = NULL                                                                                                 \
    }

/* SB_E_USAGE: the configuration; SB_E_NOT_FOUND: no such database; SB_E_IO, SB_E_BUSY, SB_E_INVALID: the database, or the
 * audit log. */
SB_PUBLIC sb_status sb_register_open(const sb_register_options *options, sb_register **out, sb_error *err);
SB_PUBLIC void sb_register_free(sb_register *reg);                    /* NULL is fine */
SB_PUBLIC const char *sb_register_audit_file(const sb_register *reg); /* NULL: changes are in no audit log */

typedef struct sb_client_key {
    const char *kid, *alg, *kind; /* kid: as its owner chose it; kind is for people: "EC P-384" */
    const char *thumbprint;       /* RFC 7638, SHA-256: stands for this key and no other                       KEY-04 */
} sb_client_key;

/* One client. Borrowed for the call; texts are never NULL but where it says so. */
typedef struct sb_client_info {
    const char *id, *name, *contact;
    const char *state;    /* "pending", "active" or "suspended" */
    const char *profile;  /* "smart" or "rfc7523bis"                                                         AUTH-04 */
    const char *scope;    /* what it may have at most */
    const char *jwks_url; /* NULL: the keys were registered themselves; else whoever answers there is believed */
    const sb_client_key *keys;
    size_t key_count;
    const char *const *groups; /* ids of the rosters it may use; "*" for all */
    size_t group_count;
    bool show_reasons;
    unsigned tokens_per_minute; /* 0: as the configuration says */
    int64_t created_s, changed_s;
    bool manages_itself; /* somebody has a token to change its registration by                           RFC 7592 */
    const char
        *changed_itself; /* it waits again, for it changed this since it was approved: "keys, name"; NULL: not so */
} sb_client_info;

/* Anything but SB_OK ends it, and is returned. */
typedef sb_status sb_client_info_fn(void *impl, const sb_client_info *client, sb_error *err);

/* All, by their ids; those of one state (NULL: any). SB_E_USAGE: no such state. */
SB_PUBLIC sb_status sb_register_each(sb_register *reg, const char *state, sb_client_info_fn *each, void *impl,
                                     sb_error *err);
SB_PUBLIC sb_status sb_register_show(sb_register *reg, const char *id, sb_client_info_fn *each, void *impl,
                                     sb_error *err); /* SB_E_NOT_FOUND */

/* A client as it is to be. NULL leaves what is there; in a new one, the default. */
typedef struct sb_client_change {
    const char *name, *contact;
    const char *scope;         /* default: all types, read only */
    const char *profile;       /* default: smart */
    const sb_jwks *jwks;       /* these keys, and no others, in place of keys or URL; or … */
    const char *jwks_url;      /* … this URL, https */
    bool keep_registration;    /* with other keys: who could change the registration still can        RFC 7592 */
    int show_reasons;          /* 0, 1; < 0: as it is */
    int64_t tokens_per_minute; /* < 0: as it is */
    const char *const *give, *const *take; /* rosters, NULL-terminated */
} sb_client_change;

#define SB_CLIENT_CHANGE_INIT                                                                                          \
    {                                                                                                                  \
        .show_reasons = -1, .tokens_per_minute = -1                                                                    \
    }

/* A new client, active at once. id NULL: one is drawn. `each` (may be NULL) is shown it. SB_E_USAGE: the id is taken;
 * SB_E_INVALID: something of it cannot be; SB_E_NOT_FOUND: there is no such roster; then nothing is changed. */
SB_PUBLIC sb_status sb_register_add(sb_register *reg, const char *id, const sb_client_change *change,
                                    sb_client_info_fn *each, void *impl, sb_error *err);
/* SB_E_NOT_FOUND too: no such client. Rosters to be taken that it has not got are SB_E_NOT_FOUND. */
SB_PUBLIC sb_status sb_register_change(sb_register *reg, const char *id, const sb_client_change *change, sb_error *err);

/* What somebody looked at, and let its owner confirm by another way than the registration. */
typedef struct sb_client_seen {
    const char *const *thumbprints; /* of all its keys, NULL-terminated; or … */
    const char *jwks_url;           /* … where they are */
} sb_client_seen;

/* From pending or suspended to active, with these changes made at once (NULL: none). What is so already stays so.
 * `seen` NULL is for a client that came in before and was suspended; of one that registered itself, or changed itself
 * since, only what was seen is let in: SB_E_USAGE, nothing is said to have been seen; SB_E_INVALID, its keys are others. */
SB_PUBLIC sb_status sb_register_approve(sb_register *reg, const char *id, const sb_client_change *change,
                                        const sb_client_seen *seen, sb_error *err);
/* Its tokens end at once, its exports stay. */
SB_PUBLIC sb_status sb_register_suspend(sb_register *reg, const char *id, sb_error *err);
SB_PUBLIC sb_status sb_register_remove(sb_register *reg, const char *id, sb_error *err); /* with its tokens */
/* All that registered themselves this long ago, or longer, and never were approved. *count: how many were removed, also
 * on failure. */
SB_PUBLIC sb_status sb_register_remove_pending(sb_register *reg, int64_t older_than_s, size_t *count, sb_error *err);

#endif
