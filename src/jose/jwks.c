/* SPDX-License-Identifier: Apache-2.0 */
/* jwks.c - a set of public keys (RFC 7517 §5): filled by us, or read from somebody. Owns its keys.      KEY-02, AUTH-08 */
#include "jose/key_internal.h"

#include "base/json.h"

struct sb_jwks {
    sb_key *keys[SB_JWKS_MAX_KEYS]; /* public halves */
    size_t count;
};

sb_status sb_jwks_new(sb_jwks **out, sb_error *err)
{
    *out = calloc(1, sizeof(**out));
    return *out ? SB_OK : sb_error_nomem(err);
}

void sb_jwks_free(sb_jwks *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        sb_key_free(set->keys[i]);
    free(set);
}

const sb_key *sb_jwks_find(const sb_jwks *set, sb_str kid)
{
    for (size_t i = 0; i < set->count; i++)
        if (sb_str_eq(sb_str_from(set->keys[i]->kid), kid))
            return set->keys[i];
    return NULL;
}

size_t sb_jwks_count(const sb_jwks *set)
{
    return set->count;
}

const sb_key *sb_jwks_at(const sb_jwks *set, size_t index)
{
    return index < set->count ? set->keys[index] : NULL;
}

sb_status sb_jwks_add(sb_jwks *set, const sb_key *key, sb_error *err)
{
    const sb_key *same_kid = sb_jwks_find(set, sb_str_from(key->kid));
    if (same_kid && sb_key_same(same_kid, key) && same_kid->alg == key->alg)
        return SB_OK;
    if (same_kid)
        return sb_error_set(err, SB_E_USAGE, "two keys have the same kid",
                            "kid %.255s belongs to two different keys, or to one for two algorithms",
                            "give one of them another: make it again with --kid, or without (its thumbprint is unique)",
                            key->kid);
    if (set->count == SB_JWKS_MAX_KEYS)
        return sb_error_set(err, SB_E_USAGE, "a JWK Set cannot hold more keys", "it has %d",
                            "leave out those that are no longer used", SB_JWKS_MAX_KEYS);
    SB_TRY(sb_key_public_copy(key, &set->keys[set->count], err));
    set->count++;
    return SB_OK;
}

char *sb_jwks_json(const sb_jwks *set, bool pretty)
{
    SB_AUTOJSON keys = json_array();
    for (size_t i = 0; i < set->count; i++)
        if (json_array_append_new(keys, sb_key_to_public_jwk(set->keys[i])) != 0)
            return NULL;
    SB_AUTOJSON root = json_pack("{s:O}", "keys", keys);
    return root ? json_dumps(root, pretty ? JSON_INDENT(2) : JSON_COMPACT) : NULL;
}

/* One entry of a foreign set. Those of kinds that are not ours are passed over. */
static sb_status take_entry(sb_jwks *set, const json_t *entry, bool is_alone, size_t *passed_over, sb_error *err)
{
    SB_AUTOPTR(sb_key) key = NULL;
    sb_status status = sb_key_from_jwk(entry, false, &key, err);
    if (status == SB_E_NOT_FOUND) {
        ++*passed_over;
        return SB_OK;
    }
    if (status != SB_OK)
        return status;
    if (!key->kid_was_given && !is_alone)
        return sb_error_set(err, SB_E_INVALID, NULL, "it has no kid, and there are several keys",
                            "give each key a kid");
    if (sb_jwks_find(set, sb_str_from(key->kid)))
        return sb_error_set(err, SB_E_INVALID, NULL, "its kid is that of another key in the set",
                            "a kid must be unique in its set");
    set->keys[set->count++] = key;
    key = NULL;
    return SB_OK;
}

sb_status sb_jwks_parse(sb_str text, sb_jwks **out, size_t *passed_over, sb_error *err)
{
    size_t ignored = 0, i;
    SB_AUTOJSON root = NULL;
    SB_AUTOPTR(sb_jwks) set = NULL;
    const json_t *entry;
    if (text.len > SB_JWKS_MAX_BYTES)
        return sb_error_set(err, SB_E_INVALID, "a JWK Set is too large", "it has %zu bytes; %d are allowed",
                            "publish the keys that are in use, and bare members only", text.len, SB_JWKS_MAX_BYTES);
    SB_TRY(sb_json_parse_object(text, "the JWK Set", &root, err));
    const json_t *keys = json_object_get(root, "keys");
    if (!json_is_array(keys) || json_array_size(keys) > SB_JWKS_MAX_KEYS)
        return sb_error_set(err, SB_E_INVALID, "a JWK Set could not be understood",
                            "it has no array 'keys', or one with more than %d keys", "send {\"keys\": [ … ]}",
                            SB_JWKS_MAX_KEYS);
    SB_TRY(sb_jwks_new(&set, err));
    json_array_foreach (keys, i, entry) {
        sb_error inner = SB_ERROR_INIT;
        sb_status status = take_entry(set, entry, json_array_size(keys) == 1, &ignored, &inner);
        if (status != SB_OK)
            return sb_error_set(err, status, "a JWK Set holds a key that cannot be used", "key %zu of %zu: %s",
                                inner.fix, i + 1, json_array_size(keys), inner.why);
    }
    if (set->count == 0)
        return sb_error_set(err, SB_E_INVALID, "a JWK Set holds no key that can be used",
                            "it has %zu keys, none of a kind that is supported",
                            "RSA, EC on P-256 or P-384, and Ed25519 keys that sign are supported",
                            json_array_size(keys));
    if (passed_over)
        *passed_over = ignored;
    *out = set;
    set = NULL;
    return SB_OK;
}
