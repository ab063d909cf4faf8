/* SPDX-License-Identifier: Apache-2.0 */
/* error.h - how every function says that it failed.
 *
 * A function that can fail returns sb_status and fills the caller's sb_error: what failed, why, and what to do about
 * it. The texts are for a person at a terminal; programs look at the status, http_status and oauth_code. No message
 * ever holds a token, an assertion, a key or a patient. */
#ifndef SMARTBULK_ERROR_H
#define SMARTBULK_ERROR_H

#include <stddef.h>

#if defined(__GNUC__)
#define SB_PUBLIC            __attribute__((visibility("default")))
#define SB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define SB_MUST_USE          __attribute__((warn_unused_result))
#else
#define SB_PUBLIC
#define SB_PRINTF(fmt, args)
#define SB_MUST_USE
#endif

/* Each status belongs to one exit code of the program: sb_status_exit_code(). */
typedef enum sb_status {
    SB_OK = 0,
    SB_E_USAGE,       /* a wrong argument, option, configuration, key file: the caller can mend it          exit 2 */
    SB_E_AUTH,        /* the payer refused us: client, key, scope, token                                     exit 3 */
    SB_E_SERVER,      /* the payer failed: its 5xx, its malformed answer, its bad data                       exit 4 */
    SB_E_NETWORK,     /* no answer at all: name, connection, TLS, time-out                                   exit 5 */
    SB_E_PARTIAL,     /* done in part: some files or lines are bad, and listed                               exit 6 */
    SB_E_INTERRUPTED, /* stopped by a signal or by the caller; what was done is kept and resumable           exit 7 */
    SB_E_IO,          /* this machine's disk, folder or file                                                 exit 1 */
    SB_E_BUSY,        /* another process holds the folder or file                                            exit 1 */
    SB_E_NOT_FOUND,   /* what was asked for is not there (a key in a set, a row): often handled by callers   exit 1 */
    SB_E_INVALID,     /* foreign bytes that are not what they claim to be (JWK, JWS, JSON, instant …)        exit 1 */
    SB_E_NOMEM,       /* memory                                                                              exit 1 */
    SB_E_INTERNAL     /* our own mistake                                                                     exit 1 */
} sb_status;

/* A failure. The caller owns it, usually on the stack: `sb_error err = SB_ERROR_INIT;`. Holds no pointers: copy it
 * freely. */
typedef struct sb_error {
    sb_status code;
    int http_status;     /* of the answer that refused us; 0 when there was none */
    char oauth_code[64]; /* RFC 6749 §5.2 `error` of that answer, such as "invalid_client"; "" when there was none */
    char what[256];      /* what failed: one clause, no full stop */
    char why[1024];      /* why: what was seen */
    char fix[1024];      /* what to do; may hold several lines */
} sb_error;

#define SB_ERROR_INIT                                                                                                  \
    {                                                                                                                  \
        .code = SB_OK                                                                                                  \
    }

/* Fill `err` (which may be NULL) and return `code`, so that `return sb_error_set(…)` reads well. `what` and `fix` are
 * taken as they are, `why` is a printf format. Texts too long are cut at a character. Any thread. */
SB_PUBLIC sb_status sb_error_set(sb_error *err, sb_status code, const char *what, const char *why, const char *fix, ...)
    SB_PRINTF(4, 6);

#ifdef __clang_analyzer__ /* which sees one file at a time, and would think that it may return SB_OK */
#define sb_error_set(err, code, ...) ((void)(sb_error_set)(err, code, __VA_ARGS__), (code))
#endif

/* Replace one part of an error that is already filled: for a caller that knows more than the callee did. NULL is
 * ignored. */
SB_PUBLIC void sb_error_what(sb_error *err, const char *fmt, ...) SB_PRINTF(2, 3);
SB_PUBLIC void sb_error_fix(sb_error *err, const char *fmt, ...) SB_PRINTF(2, 3);

/* The three-part text that a person sees, newline-terminated, without the program's name:
 *     the payer refused our client assertion (401 invalid_client)
 *       why: …
 *       fix: …
 * Writes at most `size` bytes with the NUL; returns `buf`. */
SB_PUBLIC const char *sb_error_format(const sb_error *err, char *buf, size_t size);

/* A short constant name, such as "network"; what --json prints. */
SB_PUBLIC const char *sb_status_name(sb_status status);

/* The program's exit code for a status (0 to 7; docs: EXIT STATUS of smartbulk(1)). */
SB_PUBLIC int sb_status_exit_code(sb_status status);

#endif
