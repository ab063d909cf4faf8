/* SPDX-License-Identifier: Apache-2.0 */
/* serve_tokens.c - tokens that are signed: the secret that seals their keys, the keys, the grants.              RFC 9068 */
#include "base/secret.h"
#include "jose/sealed_key.h"
#include "payer/serve_internal.h"
#include "payer/settings_secret.h"

sb_status sb_serve_token_secret(const sb_settings *set, sb_buf *out, sb_error *err)
{
    SB_TRY(sb_settings_secret(set->token_key_file, out, err));
    if (out->len >= SB_SEALING_SECRET_MIN)
        return SB_OK;
    return sb_error_set(err, SB_E_USAGE, "what seals the keys that sign tokens could be guessed",
                        "%s: it has less than %d characters", "make one with: openssl rand -hex 32",
                        set->token_key_file, SB_SEALING_SECRET_MIN);
}

static sb_status open_keys(sb_serve *s, sb_error *err)
{
    SB_AUTO(sb_buf) secret = SB_BUF_INIT;
    sb_status status = sb_serve_token_secret(s->settings, &secret, err);
    if (status == SB_OK) {
        sb_server_keys_options options = {.pool = s->pool,
                                          .clock = s->clock,
                                          .secret = sb_buf_str(&secret),
                                          .sign_days = s->settings->token_key_days};
        status = sb_server_keys_new(&options, &s->server_keys, err);
    }
    sb_buf_wipe(&secret);
    return status;
}

sb_status sb_serve_signed_tokens(sb_serve *s, sb_grants *beneath, sb_grants **out, sb_error *err)
{
    SB_AUTOFREE fhir_url = sb_printf("%s/" SB_FHIR_ROOT, s->base_url);
    const char *audience = s->settings->token_audience ? s->settings->token_audience : fhir_url;
    sb_status status = audience ? open_keys(s, err) : sb_error_nomem(err);
    if (status != SB_OK) {
        sb_grants_free(beneath);
        return status;
    }
    sb_grants_jwt_options options = {.beneath = beneath,
                                     .keys = s->server_keys,
                                     .pool = s->pool,
                                     .clients = s->clients,
                                     .clock = s->clock,
                                     .issuer = s->base_url,
                                     .audience = audience,
                                     .lifetime_s = s->settings->token_lifetime_s};
    return sb_grants_jwt(&options, out, err);
}
