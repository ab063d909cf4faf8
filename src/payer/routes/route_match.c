/* SPDX-License-Identifier: Apache-2.0 */
/* route_match.c - patterns of paths, a segment at a time. */
#include "payer/routes/route_match.h"

#include <string.h>

bool sb_path_fits(const char *path, const sb_target *target)
{
    sb_str rest = sb_str_from(path), want;
    size_t i = 0;
    for (; sb_str_split(&rest, '/', &want); i++) {
        if (i == target->segment_count)
            return false;
        if (sb_str_eq(want, SB_STR_LIT("**")))
            return true;
        if (!sb_str_eq(want, SB_STR_LIT("*")) && !sb_str_eq(want, target->segments[i]))
            return false;
    }
    return i == target->segment_count;
}

bool sb_method_fits(const char *method, const char *asked)
{
    return strcmp(method, "*") == 0 || strcmp(method, asked) == 0 ||
           (strcmp(asked, "HEAD") == 0 && strcmp(method, "GET") == 0);
}
