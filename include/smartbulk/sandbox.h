/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.h - a payer to try things on, within one process: authorization server and export server over made-up or
 * given data.
 *
 * A real server, the one that serve.h runs: it listens, checks every assertion, lets tokens expire. What it keeps is in a
 * private folder that goes with it, unless a state folder is given. Any thread may call what takes
 * a running sandbox. */
#ifndef SMARTBULK_SANDBOX_H
#define SMARTBULK_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <smartbulk/clock.h>
#include <smartbulk/error.h>

typedef struct sb_sandbox sb_sandbox;

/* One line of the log, secrets already replaced, without a newline. Called from any thread, one line at a time. */
typedef void sb_sandbox_log_fn(void *impl, const char *line);

/* All pointers are borrowed for the call and copied (but `clock` and `log_impl`: for the sandbox's life). */
typedef struct sb_sandbox_options {
    uint64_t patients;    /* to make up; 0: 100. Not with data_dir */
    const char *data_dir; /* a folder of *.ndjson, served byte for byte; NULL: made-up patients */
    const char *address;  /* numeric, to listen on; NULL: 127.0.0.1. Without tls only a loopback address    DISC-05 */
    unsigned port;        /* 0: a free one */
    bool tls;             /* with a CA and a certificate made now: sb_sandbox_ca_file() */
    const char *base_url; /* how clients reach it, such as "https://payer.example"; NULL: by address and port  TOK-10 */
    const char *state_dir; /* clients, tokens, used assertions and exports are kept there, over restarts; NULL: a folder
                              of its own, which is removed at the end                                       AUTH-10 */
    unsigned token_lifetime_s; /* 0: 300                                                                    TOK-02 */
    unsigned job_seconds;      /* an export takes at least this long; 0: as long as it takes */
    unsigned keep_seconds;     /* from an export's end to its Expires; 0: 3600 */
    uint64_t file_bytes;       /* about the size of one made-up or filtered file; 0: 32 MiB */
    uint64_t file_rate;        /* bytes a second of each file that is sent, to try out interruptions; 0: all there is */
    unsigned threads;          /* that answer; 0: 4 */
    bool open_files;           /* manifests say requiresAccessToken false, files refuse a token             USE-02 */
    bool no_registration;      /* POST /register is off: the client below is the only one                   KEY-07 */
    const char *client_id, *jwks_file; /* a client that is known from the start; both or none */
    const char *client_scope;          /* what it may have; NULL: all types, read only */
    bool (*cancelled)(void *impl);     /* asked now and then while data is made; true: SB_E_INTERRUPTED. May be NULL */
    void *cancelled_impl;
    sb_sandbox_log_fn *log; /* one line a request; NULL: none */
    void *log_impl;
    bool log_json;         /* lines are JSON objects: time, method, path, status, bytes, ms, peer, client, reason */
    const sb_clock *clock; /* NULL: the system's */
} sb_sandbox_options;

#define SB_SANDBOX_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        .patients = 0                                                                                                  \
    }

/* Make or read the data, listen, answer. When it returns SB_OK, requests are being answered. SB_E_USAGE for options
 * that do not fit, an address that cannot be had, data or a key set that cannot be used; SB_E_IO; SB_E_INTERRUPTED; SB_E_BUSY: another
 * sandbox has the state folder. */
SB_PUBLIC sb_status sb_sandbox_start(const sb_sandbox_options *options, sb_sandbox **out, sb_error *err);

/* Take no more requests, and give those under way two seconds. What was counted can still be asked for. */
SB_PUBLIC void sb_sandbox_stop(sb_sandbox *sandbox);
/* Stop if that has not been done, remove what was made. NULL is fine. */
SB_PUBLIC void sb_sandbox_free(sb_sandbox *sandbox);

/* Borrowed, for the sandbox's life. */
SB_PUBLIC const char *sb_sandbox_fhir_url(const sb_sandbox *sandbox);     /* what `export` takes */
SB_PUBLIC unsigned sb_sandbox_port(const sb_sandbox *sandbox);            /* that it listens on */
SB_PUBLIC const char *sb_sandbox_register_url(const sb_sandbox *sandbox); /* POST a registration there */
SB_PUBLIC const char *sb_sandbox_ca_file(const sb_sandbox *sandbox);      /* PEM; NULL without tls */
SB_PUBLIC const char *sb_sandbox_data_dir(const sb_sandbox *sandbox);     /* the files that are served */

/* Another one-time link that signs a browser in at the portal, as an administrator; the caller frees it. SB_E_IO. */
SB_PUBLIC sb_status sb_sandbox_portal_link(const sb_sandbox *sandbox, char **out, sb_error *err);

/* All tokens are unknown from now on, as after an incident; clients get new ones. Returns how many there were. */
SB_PUBLIC size_t sb_sandbox_revoke_tokens(sb_sandbox *sandbox);

/* What was done so far. */
typedef struct sb_sandbox_counts {
    uint64_t requests;
    uint64_t token_requests, tokens_issued, tokens_refused;
    uint64_t unauthorized; /* requests refused for want of a good token */
    uint64_t exports;      /* accepted kick-offs */
    uint64_t files;        /* file requests answered with bytes or not modified */
    uint64_t bytes;        /* of answers' bodies */
} sb_sandbox_counts;
SB_PUBLIC void sb_sandbox_count(const sb_sandbox *sandbox, sb_sandbox_counts *out);

#endif
