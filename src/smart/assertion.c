/* SPDX-License-Identifier: Apache-2.0 */
/* assertion.c - the claims and the header; jose/ signs. Owns no state. */
#include "smart/assertion.h"

#include "base/json.h"
#include "base/random.h"
#include "jose/jws.h"

/* One audience as a string, several as an array (RFC 7519 §4.1.3). NULL without memory or with none. */
static json_t *audience_json(const char *text)
{
    json_t *list = json_array();
    sb_str rest = sb_str_from(text), one;
    while (list && sb_str_split(&rest, ' ', &one)) {
        if (one.len > 0 && json_array_append_new(list, json_stringn(one.ptr, one.len)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    if (json_array_size(list) != 1)
        return list;
    json_t *single = json_incref(json_array_get(list, 0));
    json_decref(list);
    return single;
}

static sb_status check_audience(const sb_assertion_claims *claims, sb_error *err)
{
    sb_str text = sb_str_trim(sb_str_from(claims->audience));
    if (text.len == 0)
        return sb_error_set(err, SB_E_INTERNAL, "an assertion without an audience", "it would be good anywhere",
                            "report this as a mistake of smartbulk");
    if (claims->profile == SB_PROFILE_RFC7523BIS && memchr(text.ptr, ' ', text.len))
        return sb_error_set(err, SB_E_USAGE, "the audience has to be one value",
                            "the profile rfc7523bis allows the issuer as sole audience, and %.300s is several",
                            "give one audience, or use profile smart", claims->audience);
    return SB_OK;
}

static json_t *make_header(const sb_assertion_claims *claims)
{
    const char *typ = claims->profile == SB_PROFILE_RFC7523BIS ? "client-authentication+jwt" : "JWT"; /* AUTH-01, 04 */
    return json_pack("{s:s, s:s*}", "typ", typ, "jku", claims->jku);
}

static json_t *make_claims(const sb_assertion_claims *claims)
{
    char jti[SB_UUID_SIZE];
    sb_random_uuid(jti); /* AUTH-02: 122 random bits, new each time (AUTH-05) */
    json_t *audience = audience_json(claims->audience);
    if (!audience)
        return NULL;
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:s}", "iss", claims->client_id, "sub", claims->client_id, "aud",
                     audience, "iat", (json_int_t)claims->now_s, /* AUTH-03 */
                     "exp", (json_int_t)claims->now_s + claims->lifetime_s, "jti", jti);
}

sb_status sb_assertion_make(const sb_key *key, const sb_assertion_claims *claims, sb_secret **out, sb_error *err)
{
    SB_TRY(check_audience(claims, err));
    SB_AUTOJSON header = make_header(claims);
    SB_AUTOJSON payload = make_claims(claims);
    SB_AUTOFREE text = payload ? sb_json_dump(payload) : NULL;
    if (!header || !text)
        return sb_error_nomem(err);
    return sb_jws_sign(key, header, sb_str_from(text), out, err);
}
