/* SPDX-License-Identifier: Apache-2.0 */
/* url.h - http and https URLs: parsed once, compared by origin, joined by RFC 3986, never trusted.
 *
 * On libcurl's URL parser, so that what we check is what is connected to. URLs with user info, with control characters
 * or with other schemes are refused. Any thread. */
#ifndef SB_BASE_URL_H
#define SB_BASE_URL_H

#include "base/buf.h"

#define SB_URL_MAX (16 * 1024) /* presigned URLs run to 2 KB; eight times that is nobody's honest URL */

typedef struct sb_url {
    char *text;   /* the whole, normalised, without fragment */
    char *scheme; /* "http" or "https" */
    char *host;   /* lower case; IPv6 without brackets */
    char *path;   /* begins with '/' */
    char *query;  /* NULL when there is none; without '?' */
    unsigned port;
} sb_url;

#define SB_URL_INIT                                                                                                    \
    {                                                                                                                  \
        NULL, NULL, NULL, NULL, NULL, 0                                                                                \
    }

void sb_url_cleanup(sb_url *url);
/* SB_E_INVALID when it is not an absolute http(s) URL. `out` must be SB_URL_INIT or used before (then freed). */
sb_status sb_url_parse(const char *text, sb_url *out, sb_error *err);
/* Resolve `ref` (absolute or relative) against `base`.                                            DISC-03, EXP-04 */
sb_status sb_url_resolve(const sb_url *base, const char *ref, sb_url *out, sb_error *err);
/* `base` as a folder, whether or not it ends with '/', plus a relative `path`.                            DISC-01 */
sb_status sb_url_join(sb_url *out, const char *base, const char *path, sb_error *err);
sb_status sb_url_copy(const sb_url *from, sb_url *out, sb_error *err);

bool sb_url_same_origin(const sb_url *a, const sb_url *b); /* scheme, host, port                      RFC 6454 §5 */
bool sb_url_is_loopback(const sb_url *url);                /* 127.0.0.0/8, ::1, localhost                  DISC-05 */
/* https, or http to a loopback address; else SB_E_USAGE with `what` named ("fhir_url").                    DISC-05 */
sb_status sb_url_require_secure(const sb_url *url, const char *what, sb_error *err);

/* "scheme://host:port/path" with "?…" in place of a query: what may be logged and shown. malloc'ed. */
char *sb_url_redacted(const char *url);
/* Percent-encode everything but RFC 3986's unreserved characters; for form bodies and query values. */
SB_MUST_USE bool sb_url_encode(sb_str in, sb_buf *out);
/* Decode %XX (and '+' as space when `form`); false on a malformed escape or without memory. */
SB_MUST_USE bool sb_url_decode(sb_str in, bool form, sb_buf *out);

#endif
