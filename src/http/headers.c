/* SPDX-License-Identifier: Apache-2.0 */
/* headers.c - answer headers: collected within bounds, looked up, freed. Owns what each sb_http_headers owns. */
#include "http/headers.h"

#include "base/secret.h"

#define GROW_BY 16 /* items at a time; a usual answer needs one step */

void sb_http_headers_clear(sb_http_headers *headers)
{
    for (size_t i = 0; i < headers->len; i++) {
        free(headers->items[i].name);
        free(headers->items[i].value);
    }
    free(headers->items);
    *headers = (sb_http_headers){NULL, 0};
}

void sb_http_headers_hide(sb_http_headers *headers, sb_str secret)
{
    for (size_t i = 0; i < headers->len; i++)
        sb_secret_hide(headers->items[i].value, strlen(headers->items[i].value), secret);
}

const char *sb_http_header_get(const sb_http_headers *headers, const char *name)
{
    for (size_t i = 0; i < headers->len; i++)
        if (sb_str_eq_nocase(sb_str_from(headers->items[i].name), sb_str_from(name)))
            return headers->items[i].value;
    return NULL;
}

/* RFC 9110 §5.6.2: what a header's name is made of. */
static bool is_name(sb_str s)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && (c == '\0' || !strchr(others, c)))
            return false;
    }
    return s.len > 0;
}

static char *clean_copy(sb_str s)
{
    char *text = sb_str_dup(s);
    for (size_t i = 0; text && i < s.len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            text[i] = text[i] == '\t' ? ' ' : '?';
    return text;
}

/* RFC 9112 §5.2: an old server's folded line goes on with the value before it. */
static sb_status add_folded(sb_http_headers *headers, sb_str more, sb_error *err)
{
    if (headers->len == 0 || more.len == 0)
        return SB_OK;
    char **value = &headers->items[headers->len - 1].value;
    SB_AUTOFREE rest = clean_copy(more);
    char *joined = rest ? sb_printf("%s %s", *value, rest) : NULL;
    if (!joined)
        return sb_error_nomem(err);
    free(*value);
    *value = joined;
    return SB_OK;
}

static sb_status append(sb_http_headers *headers, sb_str name, sb_str value, sb_error *err)
{
    if (headers->len % GROW_BY == 0) {
        void *grown = realloc(headers->items, (headers->len + GROW_BY) * sizeof(headers->items[0]));
        if (!grown)
            return sb_error_nomem(err);
        headers->items = grown;
    }
    char *own_name = sb_str_dup(name);
    char *own_value = clean_copy(value);
    if (!own_name || !own_value) {
        free(own_name);
        free(own_value);
        return sb_error_nomem(err);
    }
    headers->items[headers->len].name = own_name;
    headers->items[headers->len].value = own_value;
    headers->len++;
    return SB_OK;
}

sb_status sb_http_headers_add(sb_http_headers *headers, sb_str line, size_t *bytes, sb_error *err)
{
    *bytes += line.len;
    if (*bytes > SB_HTTP_HEADER_BYTES_MAX || headers->len >= SB_HTTP_HEADERS_MAX)
        return sb_error_set(err, SB_E_SERVER, "the server's answer has more headers than it can honestly need",
                            "more than %d lines or %d KB of them", "check that the URL is the payer's, not a proxy's",
                            SB_HTTP_HEADERS_MAX, SB_HTTP_HEADER_BYTES_MAX / 1024);
    if (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
        return add_folded(headers, sb_str_trim(line), err);
    const char *colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
    sb_str name = {line.ptr, colon ? (size_t)(colon - line.ptr) : 0};
    if (!is_name(name))
        return SB_OK;
    return append(headers, name, sb_str_trim((sb_str){colon + 1, line.len - name.len - 1}), err);
}
