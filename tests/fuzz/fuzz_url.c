/* SPDX-License-Identifier: Apache-2.0 */
/* URLs: what is parsed reads back the same, stays on its origin, shows no query; encoding comes back. */
#include "base/url.h"
#include "fuzz.h"

static void check_parsed(const sb_url *url)
{
    SB_AUTO(sb_url) again = SB_URL_INIT;
    sb_error err = SB_ERROR_INIT;
    FUZZ_REQUIRE("only http and https pass", strcmp(url->scheme, "http") == 0 || strcmp(url->scheme, "https") == 0);
    FUZZ_REQUIRE("there is a host and a path", url->host[0] && url->path[0] == '/' && url->port > 0);
    FUZZ_REQUIRE("no user info passes",
                 strcspn(strstr(url->text, "://") + 3, "@") >= strcspn(strstr(url->text, "://") + 3, "/?"));
    FUZZ_REQUIRE("the normal form is a URL", sb_url_parse(url->text, &again, &err) == SB_OK);
    FUZZ_REQUIRE("the normal form is its own", strcmp(url->text, again.text) == 0);
    FUZZ_REQUIRE("it is of its own origin", sb_url_same_origin(url, &again));
    SB_AUTOFREE shown = sb_url_redacted(url->text);
    FUZZ_REQUIRE("a query is not shown", shown && (!strchr(shown, '?') || strstr(shown, "?\xE2\x80\xA6")));
    fuzz_check_shown(shown);
}

static void check_encoding(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_buf) encoded = SB_BUF_INIT;
    SB_AUTO(sb_buf) decoded = SB_BUF_INIT;
    SB_AUTO(sb_buf) lenient = SB_BUF_INIT;
    FUZZ_REQUIRE("anything can be encoded", sb_url_encode((sb_str){(const char *)data, size}, &encoded));
    FUZZ_REQUIRE("and decoded again", sb_url_decode(sb_buf_str(&encoded), size & 1, &decoded));
    FUZZ_REQUIRE("to the same bytes", decoded.len == size && (size == 0 || memcmp(decoded.ptr, data, size) == 0));
    (void)!sb_url_decode((sb_str){(const char *)data, size}, true, &lenient);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTOFREE text = fuzz_cstr(data, size);
    SB_AUTO(sb_url) url = SB_URL_INIT;
    SB_AUTO(sb_url) base = SB_URL_INIT;
    SB_AUTO(sb_url) resolved = SB_URL_INIT;
    SB_AUTO(sb_url) joined = SB_URL_INIT;
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_url_parse(text, &url, &err);
    fuzz_check_error(status, &err);
    if (status == SB_OK)
        check_parsed(&url);
    FUZZ_REQUIRE("the base is a URL", sb_url_parse("https://payer.example:8443/fhir/r4/x?y", &base, &err) == SB_OK);
    if (sb_url_resolve(&base, text, &resolved, &err) == SB_OK)
        check_parsed(&resolved);
    if (sb_url_join(&joined, text, ".well-known/smart-configuration", &err) == SB_OK)
        check_parsed(&joined);
    check_encoding(data, size);
    return 0;
}
