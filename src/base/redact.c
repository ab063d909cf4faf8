/* SPDX-License-Identifier: Apache-2.0 */
/* redact.c - what is replaced before a line is logged. Knows the shapes of secrets, not where they come from:
 *   Bearer xxx, Basic xxx          the word after an authentication scheme
 *   eyJ….….…                       three base64url parts: a JWS
 *   "name": "value", name=value    where the name is one that holds a secret or a member
 *   http(s)://…?query              the query or fragment of a URL (presigned URLs are credentials; searches name
 * patients) Control characters become '?' so that no peer writes our log lines. */
#include "base/log.h"

#define REDACTED "[redacted]"

static const char *const secret_names[] = {
    "client_assertion", "access_token", "refresh_token", "id_token", "client_secret", "authorization",
    "password",         "passphrase",   "patient",       "code",     "assertion",
};

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '~' || c == '+' || c == '/' || c == '=';
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static size_t token_len(sb_str s)
{
    size_t n = 0;
    while (n < s.len && is_token_char(s.ptr[n]))
        n++;
    return n;
}

static sb_str tail(sb_str s, size_t from)
{
    return (sb_str){s.ptr + from, s.len - from};
}

/* Each matcher looks at the front of `s`: *keep bytes are copied, the next *drop are replaced. */
static bool match_scheme(sb_str s, size_t *keep, size_t *drop)
{
    static const char *const schemes[] = {"bearer ", "basic "};
    for (size_t i = 0; i < SB_ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (s.len <= len || !sb_str_eq_nocase((sb_str){s.ptr, len}, (sb_str){schemes[i], len}))
            continue;
        *keep = len;
        *drop = token_len(tail(s, len));
        return *drop >= 8; /* "bearer token" in a sentence is no credential */
    }
    return false;
}

static bool match_jws(sb_str s, size_t *keep, size_t *drop)
{
    if (!sb_str_starts_with(s, SB_STR_LIT("eyJ")))
        return false;
    *keep = 0;
    *drop = token_len(s);
    return memchr(s.ptr, '.', *drop) != NULL;
}

/* What sb_url_redacted() put in a query's place, and with it the end of the URL: text goes on behind it. */
static bool is_redacted_query(sb_str s)
{
    static const sb_str mark = SB_STR_LIT("…");
    return sb_str_starts_with(s, mark) && (s.len == mark.len || strchr(" :,;)\"", s.ptr[mark.len]));
}

static bool match_url(sb_str s, size_t *keep, size_t *drop)
{
    static const char *const schemes[] = {"https://", "http://"};
    bool known = false;
    for (size_t i = 0; i < SB_ARRAY_LEN(schemes) && !known; i++)
        known = sb_str_eq_nocase((sb_str){s.ptr, SB_MIN(s.len, strlen(schemes[i]))}, sb_str_from(schemes[i]));
    if (!known)
        return false;
    size_t end = 0, query = 0;
    while (end < s.len && (unsigned char)s.ptr[end] > ' ' && s.ptr[end] != '"' && s.ptr[end] != '<' &&
           s.ptr[end] != '>') {
        if ((s.ptr[end] == '?' || s.ptr[end] == '#') && !query)
            query = end + 1;
        end++;
        if (end == query && is_redacted_query(tail(s, end)))
            break;
    }
    *keep = query ? query : end;
    *drop = query ? end - query : 0;
    return true;
}

/* Behind ':' or '=': past spaces and an opening quote, to where a value begins. */
static size_t value_begin(sb_str s, size_t n)
{
    while (n < s.len && s.ptr[n] == ' ')
        n++;
    return n + (n < s.len && s.ptr[n] == '"');
}

static size_t plain_end(sb_str s, size_t n)
{
    size_t keep, drop;
    while (n < s.len && !strchr(" \t\r\n&,", s.ptr[n])) {
        if (match_scheme(tail(s, n), &keep, &drop)) /* "authorization: Bearer xxx": the value has a blank inside */
            return n + keep + drop;
        n += match_url(tail(s, n), &keep, &drop) ? keep + drop : 1; /* which may hold a '&' or ',' */
    }
    return n;
}

static size_t quoted_end(sb_str s, size_t n)
{
    while (n < s.len && s.ptr[n] != '"')
        n += s.ptr[n] == '\\' && n + 1 < s.len ? 2 : 1;
    return n;
}

/* Where the value that begins at `n` (1 or more) ends. Was it itself a name, then where that name's value ends. */
static size_t value_end(sb_str s, size_t n)
{
    for (;;) {
        bool quoted = s.ptr[n - 1] == '"';
        size_t end = quoted ? quoted_end(s, n) : plain_end(s, n);
        size_t next = end;
        while (next < s.len && (s.ptr[next] == ' ' || s.ptr[next] == '"'))
            next++;
        bool is_name = quoted ? next < s.len && s.ptr[next] == ':' : end > n && strchr(":=", s.ptr[end - 1]);
        if (!is_name || end >= s.len)
            return end;
        n = value_begin(s, quoted ? next + 1 : end);
        if (n >= s.len)
            return n;
    }
}

/* name, optional closing quote, spaces, ':' or '=', spaces, optional quote: then the value. */
static bool match_named(sb_str s, size_t *keep, size_t *drop)
{
    size_t n = 0;
    while (n < s.len && is_word_char(s.ptr[n]))
        n++;
    bool known = false;
    for (size_t i = 0; i < SB_ARRAY_LEN(secret_names) && !known; i++)
        known = sb_str_eq_nocase((sb_str){s.ptr, n}, sb_str_from(secret_names[i]));
    if (!known)
        return false;
    if (n < s.len && s.ptr[n] == '"')
        n++;
    while (n < s.len && s.ptr[n] == ' ')
        n++;
    if (n >= s.len || (s.ptr[n] != ':' && s.ptr[n] != '='))
        return false;
    n = value_begin(s, n + 1);
    size_t end = value_end(s, n);
    *keep = n;
    *drop = end - n;
    return end > n;
}

bool sb_redact(sb_str text, sb_buf *out)
{
    size_t i = 0;
    bool in_word = false;
    while (i < text.len) {
        sb_str s = tail(text, i);
        size_t keep = 0, drop = 0;
        bool hit = !in_word && (match_scheme(s, &keep, &drop) || match_jws(s, &keep, &drop) ||
                                match_named(s, &keep, &drop) || match_url(s, &keep, &drop));
        if (!hit) {
            keep = 1;
            drop = 0;
        }
        for (size_t k = 0; k < keep; k++) {
            char c = s.ptr[k];
            if (!sb_buf_add_char(out, (unsigned char)c < 0x20 || c == 0x7F ? '?' : c))
                return false;
        }
        if (drop > 0 && !sb_buf_add_cstr(out, REDACTED))
            return false;
        in_word = is_word_char(s.ptr[keep > 0 ? keep - 1 : 0]) && drop == 0;
        i += keep + drop;
    }
    return true;
}
