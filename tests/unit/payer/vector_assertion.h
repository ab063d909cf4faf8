/* SPDX-License-Identifier: Apache-2.0 */
/* vector_assertion.h - client assertions from descriptions that hold no key and no signature: both are made here, when
 * the test runs. tests/vectors/token-endpoint/README.md says what a description may hold. */
#ifndef SB_TEST_VECTOR_ASSERTION_H
#define SB_TEST_VECTOR_ASSERTION_H

#include <jansson.h>

#include "base/buf.h"
#include "jose/jwk.h"

#define VECTOR_KEY "ES384" /* which key, where none is named */

/* What an honest client of this registration puts in. */
typedef struct vector_client {
    const char *id, *aud, *typ;
    int64_t now_s;
} vector_client;

/* "ES384", or "stranger ES384": a key of nobody who is registered. Made when it is first asked for. Its kid has hyphens
 * for spaces. Fails the test for a name that is none. */
const sb_key *vector_key(const char *name);
void vector_keys_free(void);

/* The compact text; the caller's. Fails the test for a description that cannot be understood. */
char *vector_assertion(const json_t *description, const vector_client *client);

/* Fails the test when `object` has a member that is not named, so that no word of a vector goes unread. */
#define vector_members(object, ...) vector_members_are(object, (const char *const[]){__VA_ARGS__, NULL})
void vector_members_are(const json_t *object, const char *const *names);

#endif
