/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials by HTTP Basic: what is read of any header is bounded; and what an honest client sends is read back. */
#include "base/url.h"
#include "fuzz.h"
#include "jose/base64url.h"
#include "payer/auth/basic_credentials.h"

/* The way back: form-encoded, base64 with padding. */
static void encode(sb_str id, sb_str secret, sb_buf *out)
{
    SB_AUTO(sb_buf) plain = SB_BUF_INIT;
    bool ok = sb_url_encode(id, &plain) && sb_buf_add_char(&plain, ':') && sb_url_encode(secret, &plain) &&
              sb_buf_add_cstr(out, "Basic ") && sb_base64url_encode(plain.ptr, plain.len, out);
    while (ok && (out->len - strlen("Basic ")) % 4 != 0)
        ok = sb_buf_add_char(out, '=');
    FUZZ_REQUIRE("there is memory", ok);
    for (size_t i = strlen("Basic "); i < out->len; i++)
        out->ptr[i] = out->ptr[i] == '-' ? '+' : out->ptr[i] == '_' ? '/' : out->ptr[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_buf) id = SB_BUF_INIT;
    SB_AUTO(sb_buf) secret = SB_BUF_INIT;
    SB_AUTO(sb_buf) id_again = SB_BUF_INIT;
    SB_AUTO(sb_buf) secret_again = SB_BUF_INIT;
    SB_AUTO(sb_buf) header = SB_BUF_INIT;
    if (!sb_basic_read((sb_str){(const char *)data, size}, &id, &secret))
        return 0;
    FUZZ_REQUIRE("decoding makes nothing longer", id.len + secret.len < size);
    encode(sb_buf_str(&id), sb_buf_str(&secret), &header);
    if (header.len > 4096)
        return 0;
    FUZZ_REQUIRE("it is read back", sb_basic_read(sb_buf_str(&header), &id_again, &secret_again));
    FUZZ_REQUIRE("as the same", sb_str_eq(sb_buf_str(&id), sb_buf_str(&id_again)) &&
                                    sb_str_eq(sb_buf_str(&secret), sb_buf_str(&secret_again)));
    return 0;
}
