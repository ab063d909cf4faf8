/* SPDX-License-Identifier: Apache-2.0 */
/* sealed_key.h - a private key as bytes that may lie where others read: encrypted, and bound to words about it.
 *
 * AES-256-GCM under a key that the secret gives. `about` is not in the bytes but belongs to them: with other words, or
 * one bit that is another, nothing opens. What is in the clear of a private key never leaves this file. Any thread. */
#ifndef SB_JOSE_SEALED_KEY_H
#define SB_JOSE_SEALED_KEY_H

#include <smartbulk/key.h>

#include "base/buf.h"

#define SB_SEALING_SECRET_MIN 32 /* characters, drawn at random: 128 bits in hex; it is no passphrase */

/* `key` is private; appends to `out`. */
sb_status sb_key_seal(const sb_key *key, sb_str secret, sb_str about, sb_buf *out, sb_error *err);
/* The key, of algorithm `alg`, its kid the thumbprint. SB_E_INVALID: it was not sealed by this secret with these words. */
sb_status sb_key_unseal(sb_str sealed, sb_str secret, sb_str about, const char *alg, sb_key **out, sb_error *err);

#endif
