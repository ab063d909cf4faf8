/* SPDX-License-Identifier: Apache-2.0 */
/* accept.c - header lists taken apart. Quoted strings are not looked into: none of what is read here needs one, and a
 * comma inside one makes at worst an item that fits nothing. */
#include "http/accept.h"

/* Is q above 0? "q=0", "q=0.", "q=0.000" say no; everything else says yes. */
static bool q_is_positive(sb_str q)
{
    for (size_t i = 0; i < q.len; i++) {
        if (q.ptr[i] != '0' && q.ptr[i] != '.')
            return true;
    }
    return q.len == 0;
}

/* "name; q=0.5; x=y": the name, and whether q lets it be. */
static sb_str read_item(sb_str item, bool *wanted)
{
    sb_str rest = item, name = SB_STR_NULL, parameter;
    *wanted = true;
    (void)sb_str_split(&rest, ';', &name);
    while (sb_str_split(&rest, ';', &parameter)) {
        parameter = sb_str_trim(parameter);
        if (parameter.len > 2 && sb_str_eq_nocase((sb_str){parameter.ptr, 2}, SB_STR_LIT("q=")))
            *wanted = q_is_positive((sb_str){parameter.ptr + 2, parameter.len - 2});
    }
    return sb_str_trim(name);
}

/* 3: this very type; 2: "application/" + "*"; 1: all; 0: another. */
static int specificity(sb_str range, sb_str type)
{
    if (sb_str_eq_nocase(range, type))
        return 3;
    if (sb_str_eq(range, SB_STR_LIT("*/*")) || sb_str_eq(range, SB_STR_LIT("*")))
        return 1;
    const char *slash = memchr(type.ptr, '/', type.len);
    size_t main_len = slash ? (size_t)(slash - type.ptr) + 1 : type.len;
    return range.len == main_len + 1 && range.ptr[main_len] == '*' &&
                   sb_str_eq_nocase((sb_str){range.ptr, main_len}, (sb_str){type.ptr, main_len})
               ? 2
               : 0;
}

static bool admits(sb_str list, sb_str name, bool by_default)
{
    int best = 0;
    bool answer = by_default, wanted;
    sb_str item;
    while (sb_str_split(&list, ',', &item)) {
        int fits = specificity(read_item(item, &wanted), name);
        if (fits > best) {
            best = fits;
            answer = wanted;
        }
    }
    return answer;
}

bool sb_accept_media(sb_str accept, const char *media_type)
{
    return admits(accept, sb_str_from(media_type), sb_str_trim(accept).len == 0);
}

bool sb_accept_coding(sb_str accept_encoding, const char *coding)
{
    return admits(accept_encoding, sb_str_from(coding), false);
}

static sb_str unquote(sb_str s)
{
    return s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"' ? (sb_str){s.ptr + 1, s.len - 2} : s;
}

bool sb_prefer_has(sb_str prefer, const char *name, const char *value)
{
    sb_str item;
    while (sb_str_split(&prefer, ',', &item)) {
        sb_str head = SB_STR_NULL, key = SB_STR_NULL;
        (void)sb_str_split(&item, ';', &head);
        bool has_value = head.len > 0 && memchr(head.ptr, '=', head.len);
        (void)sb_str_split(&head, '=', &key);
        if (!sb_str_eq_nocase(sb_str_trim(key), sb_str_from(name)))
            continue;
        if (value ? has_value && sb_str_eq_nocase(unquote(sb_str_trim(head)), sb_str_from(value)) : !has_value)
            return true;
    }
    return false;
}

bool sb_content_type_is(sb_str content_type, const char *media_type)
{
    sb_str type = SB_STR_NULL;
    (void)sb_str_split(&content_type, ';', &type);
    return sb_str_eq_nocase(sb_str_trim(type), sb_str_from(media_type));
}
