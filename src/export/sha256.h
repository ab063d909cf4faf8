/* SPDX-License-Identifier: Apache-2.0 */
/* sha256.h - the SHA-256 of a file's bytes as they go by, in hex as the journal keeps it. */
#ifndef SB_EXPORT_SHA256_H
#define SB_EXPORT_SHA256_H

#include <openssl/evp.h>

#include "base/buf.h"

#define SB_SHA256_HEX_SIZE 65

/* Looks the algorithm up; sb_sha256_again() begins anew without. All fail with SB_E_INTERNAL only. */
sb_status sb_sha256_begin(EVP_MD_CTX *hash, sb_error *err);
sb_status sb_sha256_again(EVP_MD_CTX *hash, sb_error *err);
sb_status sb_sha256_add(EVP_MD_CTX *hash, sb_str bytes, sb_error *err);
sb_status sb_sha256_finish(EVP_MD_CTX *hash, char hex[SB_SHA256_HEX_SIZE], sb_error *err);

#endif
