/* SPDX-License-Identifier: Apache-2.0 */
/* url.c - http(s) URLs on libcurl's parser. Owns no state. */
#include "base/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>

static inline void curlu_cleanup(CURLU **u)
{
    curl_url_cleanup(*u);
}

void sb_url_cleanup(sb_url *url)
{
    free(url->text);
    free(url->scheme);
    free(url->host);
    free(url->path);
    free(url->query);
    *url = (sb_url)SB_URL_INIT;
}

static sb_status bad_url(sb_error *err, const char *why)
{
    return sb_error_set(err, SB_E_INVALID, "a URL is not usable", "%s", "give an absolute http or https URL", why);
}

/* One part, copied out of curl's allocator into ours. A part that is not there leaves NULL. */
static bool take_part(CURLU *u, CURLUPart part, unsigned flags, char **out)
{
    char *text = NULL;
    CURLUcode rc = curl_url_get(u, part, &text, flags);
    if (rc == CURLUE_NO_QUERY)
        return true;
    if (rc != CURLUE_OK)
        return false;
    *out = sb_str_dup(sb_str_from(text));
    curl_free(text);
    return *out != NULL;
}

static bool has_part(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

static sb_status fill(CURLU *u, sb_url *out, sb_error *err)
{
    sb_url url = SB_URL_INIT;
    char *port = NULL;
    if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
        return bad_url(err, "it carries a user name or password");
    (void)curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    uint64_t number = 0;
    bool ok = take_part(u, CURLUPART_URL, 0, &url.text) && take_part(u, CURLUPART_SCHEME, 0, &url.scheme) &&
              take_part(u, CURLUPART_HOST, 0, &url.host) && take_part(u, CURLUPART_PATH, 0, &url.path) &&
              take_part(u, CURLUPART_QUERY, 0, &url.query) && take_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, &port) &&
              sb_str_to_u64(sb_str_from(port), 65535, &number) && number > 0 && url.host && url.scheme;
    free(port);
    if (!ok) {
        sb_url_cleanup(&url);
        return bad_url(err, "it cannot be parsed");
    }
    url.port = (unsigned)number;
    size_t len = strlen(url.host);
    if (len >= 2 && url.host[0] == '[') { /* IPv6 without its brackets */
        memmove(url.host, url.host + 1, len - 2);
        url.host[len - 2] = '\0';
    }
    for (char *p = url.host; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + ('a' - 'A'));
    sb_status status = SB_OK;
    if (strcmp(url.scheme, "http") != 0 && strcmp(url.scheme, "https") != 0)
        status = bad_url(err, "only http and https are spoken here");
    else if (url.host[0] == '\0')
        status = bad_url(err, "it names no host");
    if (status != SB_OK) {
        sb_url_cleanup(&url);
        return status;
    }
    sb_url_cleanup(out);
    *out = url;
    return SB_OK;
}

static sb_status set_text(CURLU *u, const char *text, sb_error *err)
{
    size_t len = strlen(text);
    if (len == 0 || len > SB_URL_MAX)
        return bad_url(err, len == 0 ? "it is empty" : "it is longer than 16 KB");
    if (!sb_str_is_text((sb_str){text, len}) || memchr(text, ' ', len) || memchr(text, '\\', len))
        return bad_url(err, "it holds spaces, backslashes or control characters");
    CURLUcode rc = curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    return rc == CURLUE_OK ? SB_OK : bad_url(err, curl_url_strerror(rc));
}

sb_status sb_url_parse(const char *text, sb_url *out, sb_error *err)
{
    __attribute__((cleanup(curlu_cleanup))) CURLU *u = curl_url();
    if (!u)
        return sb_error_nomem(err);
    SB_TRY(set_text(u, text, err));
    return fill(u, out, err);
}

sb_status sb_url_resolve(const sb_url *base, const char *ref, sb_url *out, sb_error *err)
{
    __attribute__((cleanup(curlu_cleanup))) CURLU *u = curl_url();
    if (!u)
        return sb_error_nomem(err);
    SB_TRY(set_text(u, base->text, err));
    SB_TRY(set_text(u, ref, err)); /* curl resolves a relative URL against the one that is set */
    return fill(u, out, err);
}

sb_status sb_url_copy(const sb_url *from, sb_url *out, sb_error *err)
{
    return sb_url_parse(from->text, out, err);
}

sb_status sb_url_join(sb_url *out, const char *base, const char *path, sb_error *err)
{
    SB_AUTO(sb_url) parsed = SB_URL_INIT;
    SB_TRY(sb_url_parse(base, &parsed, err));
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    if (parsed.query || memchr(base, '#', len))
        return bad_url(err, "a base URL carries no query and no fragment");
    while (*path == '/')
        path++;
    SB_AUTOFREE text = sb_printf("%.*s/%s", (int)SB_MIN(len, (size_t)SB_URL_MAX), base, path);
    if (!text)
        return sb_error_nomem(err);
    return sb_url_parse(text, out, err);
}

bool sb_url_same_origin(const sb_url *a, const sb_url *b)
{
    return a->port == b->port && strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0;
}

bool sb_url_is_loopback(const sb_url *url)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (strcmp(url->host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, url->host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, url->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

sb_status sb_url_require_secure(const sb_url *url, const char *what, sb_error *err)
{
    if (strcmp(url->scheme, "https") == 0 || sb_url_is_loopback(url))
        return SB_OK;
    sb_error_set(err, SB_E_USAGE, NULL, "%s://%s would send credentials in the clear",
                 "use the payer's https address; plain http is for loopback addresses alone", url->scheme, url->host);
    sb_error_what(err, "%s is not https", what);
    return SB_E_USAGE;
}

char *sb_url_redacted(const char *url)
{
    const char *query = strchr(url, '?');
    if (!query)
        return sb_str_dup(sb_str_from(url));
    return sb_printf("%.*s?…", (int)SB_MIN((size_t)(query - url), (size_t)SB_URL_MAX), url);
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

bool sb_url_encode(sb_str in, sb_buf *out)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.ptr[i];
        char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
        if (is_unreserved(c) ? !sb_buf_add_char(out, (char)c) : !sb_buf_add(out, escaped, sizeof(escaped)))
            return false;
    }
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool sb_url_decode(sb_str in, bool form, sb_buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%') {
            int high = in.len - i > 2 ? hex_value(in.ptr[i + 1]) : -1;
            int low = in.len - i > 2 ? hex_value(in.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        if (!sb_buf_add_char(out, c))
            return false;
    }
    return true;
}
