/* SPDX-License-Identifier: Apache-2.0 */
/* id.c - see id.h. */
#include "fhir/id.h"

bool sb_fhir_is_id(sb_str text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    if (text.len == 0 || text.len > SB_FHIR_ID_MAX || sb_str_eq(text, SB_STR_LIT(".")) ||
        sb_str_eq(text, SB_STR_LIT("..")))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!memchr(allowed, text.ptr[i], sizeof(allowed) - 1))
            return false;
    }
    return true;
}
