/* SPDX-License-Identifier: Apache-2.0 */
/* foreign_text.c - a server's words for a person: redaction first, then what no terminal may get. Owns no state. */
#include "smart/foreign_text.h"

#include "base/log.h"
#include "fhir/safe_line.h"

#define LOOK_AT_MAX (8 * 1024) /* nothing that is shown is longer; the rest of a megabyte is not worth redacting */

const char *sb_foreign_text(sb_str text, char *out, size_t size)
{
    SB_AUTO(sb_buf) redacted = SB_BUF_INIT;
    size_t len = 0;
    out[0] = '\0';
    if (text.len > 0 && sb_redact((sb_str){text.ptr, SB_MIN(text.len, (size_t)LOOK_AT_MAX)}, &redacted))
        (void)sb_safe_line_add(out, size, &len, sb_str_trim(sb_buf_str(&redacted))); /* a cut shows its ellipsis */
    return out; /* rather nothing than something that was not redacted */
}
