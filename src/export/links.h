/* SPDX-License-Identifier: Apache-2.0 */
/* links.h - URLs that a payer hands out: of its status, of the manifest's next page, of files. No state; any thread. */
#ifndef SB_EXPORT_LINKS_H
#define SB_EXPORT_LINKS_H

#include "base/url.h"

/* Resolve `text` (absolute, or relative as some servers have it: EXP-04, STAT-05) against the answer it came in.
 *
 * Never from https to plain http. A server behind a TLS proxy often does not know that it is (REAL-06): an http URL of
 * the very host that `base` names is read as `base`'s origin, and *mended says so; any other is SB_E_SERVER, as is what
 * is no http(s) URL at all. `what` names it in errors ("the status URL"). */
sb_status sb_link_resolve(const sb_url *base, const char *text, const char *what, sb_url *out, bool *mended,
                          sb_error *err);

#endif
