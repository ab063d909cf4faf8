/* SPDX-License-Identifier: Apache-2.0 */
/* serve.h - a payer's side as it is run: authorization server and export server by a configuration file.
 *
 * docs/serve.yaml explains the file. Several may run on one database. Any thread may call what takes a running one, but
 * sb_serve_stop() and sb_serve_free(). */
#ifndef SMARTBULK_SERVE_H
#define SMARTBULK_SERVE_H

#include <stdbool.h>

#include <smartbulk/clock.h>
#include <smartbulk/error.h>

/* One mistake in the file: its line and what is wrong, for a person. Borrowed for the call. */
typedef void sb_serve_mistake_fn(void *impl, unsigned long line, const char *text);

/* Read the file and check it whole; `each` (may be NULL) hears of every mistake. Files that it names are opened as at a
 * start, but nothing is listened on, no database is touched. SB_E_USAGE: there are mistakes; `err` has the first. */
SB_PUBLIC sb_status sb_serve_check(const char *config, sb_serve_mistake_fn *each, void *impl, sb_error *err);

typedef struct sb_serve sb_serve;

/* One line of the log, secrets already replaced, without a newline. Called from any thread, one line at a time. */
typedef void sb_serve_log_fn(void *impl, const char *line);

typedef struct sb_serve_options {
    const char *config;   /* the file; copied */
    sb_serve_log_fn *log; /* NULL: none */
    void *log_impl;
    const sb_clock *clock; /* NULL: the system's */
} sb_serve_options;

#define SB_SERVE_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        .config = NULL                                                                                                 \
    }

/* Listen and answer. When it returns SB_OK, requests are being answered. SB_E_USAGE: the configuration, a file that it
 * names, or an address; SB_E_IO, SB_E_BUSY, SB_E_NETWORK: the database or a folder. */
SB_PUBLIC sb_status sb_serve_start(const sb_serve_options *options, sb_serve **out, sb_error *err);

/* Read the configuration and the files it names again: certificate, limits, algorithms, registration, what is logged.
 * No request is dropped. On failure all stays as it was, and the log says why. What only a new start changes (addresses, database, folders) is
 * said in the log and stays, too. */
SB_PUBLIC sb_status sb_serve_reload(sb_serve *serve, sb_error *err);

/* Take no more connections, and give requests under way the configuration's `drain` seconds. */
SB_PUBLIC void sb_serve_stop(sb_serve *serve);
SB_PUBLIC void sb_serve_free(sb_serve *serve); /* stops first; NULL is fine */

SB_PUBLIC const char *sb_serve_fhir_url(const sb_serve *serve);
SB_PUBLIC unsigned sb_serve_port(const sb_serve *serve);       /* where it listens: also when the file says 0 */
SB_PUBLIC unsigned sb_serve_admin_port(const sb_serve *serve); /* 0: there is no admin listener */

#endif
