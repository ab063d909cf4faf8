/* SPDX-License-Identifier: Apache-2.0 */
/* guarded.h - GET a small document from a URL that somebody else chose, without being made to speak to what is not
 * everybody's (SSRF).                                                                                       AUTH-08
 *
 * https alone (plain http to a loopback address that is allowed); the address that is connected to is looked at when
 * its socket is made, so that no name can resolve to something else meanwhile; no proxy, no redirects, no cookies, no
 * credentials; bounded in bytes and in time, name lookup included. Any thread. */
#ifndef SB_HTTP_GUARDED_H
#define SB_HTTP_GUARDED_H

#include "base/buf.h"

#define SB_GUARDED_TIMEOUT_S    5
#define SB_GUARDED_URL_MAX      2048 /* bytes of a URL that is registered: longer ones are nobody's */
#define SB_GUARDED_NETWORKS_MAX 64

typedef struct sb_guard sb_guard;

typedef struct sb_guard_options {
    char *const *networks; /* that may be spoken to although they are not everybody's: "10.0.0.0/8" */
    size_t network_count;
    const char *ca_file; /* PEM; NULL: the system's */
} sb_guard_options;

/* SB_E_USAGE: a network is none, the CA file cannot be used. */
sb_status sb_guard_new(const sb_guard_options *options, sb_guard **out, sb_error *err);
void sb_guard_free(sb_guard *guard); /* NULL is fine */
SB_DEFINE_FREEP(sb_guard)

/* Could this URL be fetched, by what it says itself? SB_E_INVALID: not https, too long, with user info or a fragment,
 * or its host is an address that is not allowed. */
sb_status sb_guard_check_url(const sb_guard *guard, const char *url, sb_error *err);

typedef struct sb_guarded_answer {
    sb_buf body;
    bool has_max_age;   /* it says how long it may be kept */
    unsigned max_age_s; /* what is left of that */
} sb_guarded_answer;

#define SB_GUARDED_ANSWER_INIT                                                                                         \
    {                                                                                                                  \
        .body = SB_BUF_INIT                                                                                            \
    }

/* SB_OK: a 200 with at most `max` bytes. Else SB_E_INVALID (the URL), SB_E_NETWORK, SB_E_SERVER (another status, too
 * long); `err` is fit for whoever registered the URL: it tells nothing of networks that are not everybody's. */
sb_status sb_guarded_get(const sb_guard *guard, const char *url, const char *accept, size_t max, sb_guarded_answer *out,
                         sb_error *err);

#endif
