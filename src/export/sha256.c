/* SPDX-License-Identifier: Apache-2.0 */
/* sha256.c - see sha256.h. Owns no state. */
#include "export/sha256.h"

#define DIGEST_SIZE 32

static sb_status done(int rc, sb_error *err)
{
    return rc == 1 ? SB_OK
                   : sb_error_set(err, SB_E_INTERNAL, "a hash could not be computed", "OpenSSL's SHA-256 failed",
                                  "check the libssl3 package");
}

sb_status sb_sha256_begin(EVP_MD_CTX *hash, sb_error *err)
{
    return done(EVP_DigestInit_ex(hash, EVP_sha256(), NULL), err);
}

sb_status sb_sha256_again(EVP_MD_CTX *hash, sb_error *err)
{
    return done(EVP_DigestInit_ex(hash, NULL, NULL), err);
}

sb_status sb_sha256_add(EVP_MD_CTX *hash, sb_str bytes, sb_error *err)
{
    return done(EVP_DigestUpdate(hash, bytes.ptr, bytes.len), err);
}

sb_status sb_sha256_finish(EVP_MD_CTX *hash, char hex[SB_SHA256_HEX_SIZE], sb_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int rc = EVP_DigestFinal_ex(hash, digest, &len);
    SB_TRY(done(len == DIGEST_SIZE ? rc : 0, err));
    sb_hex(digest, len, hex);
    return SB_OK;
}
