/* SPDX-License-Identifier: Apache-2.0 */
/* jose_test.h - what the tests of keys and signatures share. */
#ifndef SB_TEST_JOSE_TEST_H
#define SB_TEST_JOSE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/json.h"
#include "base/secret.h"
#include "jose/base64url.h"
#include "jose/jwk.h"
#include "jose/jws.h"

static const char *const all_algs[] = {"ES384", "RS384", "ES256", "RS256", "PS384", "EdDSA"};

static inline sb_key *new_key(const char *alg, const char *kid)
{
    sb_key *key = NULL;
    bool is_rsa = alg[0] != 'E';
    assert_int_equal(sb_key_generate(alg, is_rsa ? 2048 : 0, kid, &key, NULL), SB_OK);
    return key;
}

/* A JWS by that key over `payload`, as text. */
static inline char *sign_text(const sb_key *key, const char *payload)
{
    sb_secret *secret = NULL;
    assert_int_equal(sb_jws_sign(key, NULL, sb_str_from(payload), &secret, NULL), SB_OK);
    char *text = sb_str_dup(sb_secret_str(secret));
    sb_secret_free(secret);
    assert_non_null(text);
    return text;
}

/* What becomes of a text that claims to be signed. */
static inline sb_status judge(const char *text, const sb_key *key, const char *alg)
{
    SB_AUTO(sb_jws) jws = SB_JWS_INIT;
    sb_status status = sb_jws_parse(sb_str_from(text), &jws, NULL);
    return status == SB_OK ? sb_jws_verify(&jws, key, alg, NULL) : status;
}

static inline char *encoded(const void *bytes, size_t len)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    assert_true(sb_base64url_encode(bytes, len, &text));
    return sb_buf_steal(&text);
}

#endif
