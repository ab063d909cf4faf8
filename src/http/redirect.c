/* SPDX-License-Identifier: Apache-2.0 */
/* redirect.c - the policy for one redirect step. Makes no request.                                           USE-03 */
#include "http/client.h"

static sb_status forbidden(const sb_url *from, const char *why, const char *fix, sb_error *err)
{
    return sb_error_set(err, SB_E_SERVER, "the server redirects to where we must not go", "%s: %s", fix, from->host,
                        why);
}

sb_status sb_http_redirect(const sb_url *from, const char *location, sb_url *to, bool *keep_credentials, sb_error *err)
{
    *keep_credentials = false;
    SB_AUTO(sb_url) target = SB_URL_INIT;
    sb_error parse = SB_ERROR_INIT;
    if (sb_url_resolve(from, location, &target, &parse) != SB_OK)
        return forbidden(from, parse.why, "tell the payer: its Location header is not a usable http(s) URL", err);
    bool from_tls = strcmp(from->scheme, "https") == 0;
    bool to_tls = strcmp(target.scheme, "https") == 0;
    if (from_tls && !to_tls)
        return forbidden(from, "from https to plain http",
                         "tell the payer: behind a TLS proxy its server must know that its address is https", err);
    if (!to_tls && !sb_url_is_loopback(&target))
        return forbidden(from, "to a plain http address", "tell the payer: use https addresses alone", err);
    *keep_credentials = sb_url_same_origin(from, &target);
    sb_url_cleanup(to);
    *to = target;
    target = (sb_url)SB_URL_INIT;
    return SB_OK;
}
