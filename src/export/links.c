/* SPDX-License-Identifier: Apache-2.0 */
/* links.c - a payer's URLs: resolved, never less protected than the answer they came in. Owns no state. */
#include "export/links.h"

#define HTTP_PORT 80 /* what a server thinks it has when its proxy does TLS on 443 */

static sb_status unusable(const char *what, const char *why, const char *fix, sb_error *err)
{
    sb_error_set(err, SB_E_SERVER, NULL, "%s", NULL, why);
    sb_error_what(err, "%s cannot be used", what);
    sb_error_fix(err, "%s", fix);
    return SB_E_SERVER;
}

/* The same path and query at the origin of `base`. */
static sb_status move_to_origin(const sb_url *base, const sb_url *url, sb_url *out, sb_error *err)
{
    bool v6 = strchr(base->host, ':') != NULL;
    SB_AUTOFREE text = sb_printf("%s://%s%s%s:%u%s%s%s", base->scheme, v6 ? "[" : "", base->host, v6 ? "]" : "",
                                 base->port, url->path, url->query ? "?" : "", url->query ? url->query : "");
    return text ? sb_url_parse(text, out, err) : sb_error_nomem(err);
}

sb_status sb_link_resolve(const sb_url *base, const char *text, const char *what, sb_url *out, bool *mended,
                          sb_error *err)
{
    sb_error inner = SB_ERROR_INIT;
    *mended = false;
    if (sb_url_resolve(base, text, out, &inner) != SB_OK)
        return inner.code == SB_E_NOMEM ? sb_error_nomem(err)
                                        : unusable(what, inner.why, "tell the payer: its URL is malformed", err);
    if (strcmp(out->scheme, "https") == 0)
        return SB_OK;
    if (strcmp(base->scheme, "https") == 0) {
        if (strcmp(out->host, base->host) != 0 || (out->port != base->port && out->port != HTTP_PORT))
            return unusable(what, "it leads from https to plain http",
                            "tell the payer: behind a TLS proxy its server must know that its address is https", err);
        SB_AUTO(sb_url) plain = *out;
        *out = (sb_url)SB_URL_INIT;
        *mended = true;
        return move_to_origin(base, &plain, out, err);
    }
    return sb_url_is_loopback(out) ? SB_OK
                                   : unusable(what, "it is a plain http address of another machine",
                                              "tell the payer: use https addresses alone", err); /* DISC-05 */
}
