/* SPDX-License-Identifier: Apache-2.0 */
/* accept.h - what a request's header lists say: Accept, Accept-Encoding, Prefer, Content-Type. Owns nothing. Any
 * thread. */
#ifndef SB_HTTP_ACCEPT_H
#define SB_HTTP_ACCEPT_H

#include "base/buf.h"

/* Does an Accept value (RFC 9110 §12.5.1) admit this media type? By the most specific range that fits; q=0 refuses. An
 * empty value admits all. Parameters of ranges other than q are passed over. */
bool sb_accept_media(sb_str accept, const char *media_type);

/* Does an Accept-Encoding value name this coding (or *) with a q above 0? An empty value does not. */
bool sb_accept_coding(sb_str accept_encoding, const char *coding);

/* Is this preference in a Prefer value (RFC 7240), alone ("respond-async") or with that value ("handling", "lenient")?
 */
bool sb_prefer_has(sb_str prefer, const char *name, const char *value);

/* Is a Content-Type this media type, whatever its parameters? */
bool sb_content_type_is(sb_str content_type, const char *media_type);

#endif
