/* SPDX-License-Identifier: Apache-2.0 */
/* cache_control.c - a list of directives, names in any case, values perhaps quoted. What is not understood is passed
 * over. */
#include "http/cache_control.h"

/* The next directive, up to a comma outside of quotes. */
static bool next_directive(sb_str *rest, sb_str *out)
{
    bool quoted = false;
    size_t i = 0;
    if (rest->len == 0)
        return false;
    for (; i < rest->len; i++) {
        if (rest->ptr[i] == '"')
            quoted = !quoted;
        else if (rest->ptr[i] == '\\' && quoted)
            i++;
        else if (rest->ptr[i] == ',' && !quoted)
            break;
    }
    i = SB_MIN(i, rest->len);
    *out = sb_str_trim((sb_str){rest->ptr, i});
    i += i < rest->len;
    *rest = (sb_str){rest->ptr + i, rest->len - i};
    return true;
}

/* RFC 9111 §1.2.2: a number too large to be held is a very large one; anything else is none. */
static bool read_seconds(sb_str text, unsigned *out)
{
    uint64_t number = 0;
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        text = (sb_str){text.ptr + 1, text.len - 2};
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    if (text.len == 0)
        return false;
    *out = sb_str_to_u64(text, SB_CACHE_AGE_MAX_S, &number) ? (unsigned)number : SB_CACHE_AGE_MAX_S;
    return true;
}

bool sb_cache_control_max_age(sb_str value, unsigned *out)
{
    sb_str directive, name;
    bool found = false;
    while (next_directive(&value, &directive)) {
        sb_str rest = directive;
        if (!sb_str_split(&rest, '=', &name))
            continue;
        name = sb_str_trim(name);
        if (sb_str_eq_nocase(name, SB_STR_LIT("no-store")) || sb_str_eq_nocase(name, SB_STR_LIT("no-cache"))) {
            *out = 0;
            return true;
        }
        if (!found && sb_str_eq_nocase(name, SB_STR_LIT("max-age")) && rest.ptr)
            found = read_seconds(sb_str_trim(rest), out);
    }
    return found;
}
