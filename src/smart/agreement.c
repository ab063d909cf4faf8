/* SPDX-License-Identifier: Apache-2.0 */
/* agreement.c - see the header. Owns no state; what it returns is the caller's. */
#include "smart/agreement.h"

#include "base/log.h"
#include "smart/scopes.h"

void sb_agreement_cleanup(sb_agreement *agreement)
{
    free(agreement->token_url);
    free(agreement->audience);
    free(agreement->scope);
    sb_discovery_cleanup(&agreement->discovery);
    *agreement = (sb_agreement)SB_AGREEMENT_INIT;
}

static bool wants_issuer(const sb_agreement_wish *wish)
{
    if (!wish->wants_audience)
        return false;
    return wish->audience ? strcmp(wish->audience, "issuer") == 0 : wish->profile == SB_PROFILE_RFC7523BIS;
}

/* Ask the payer, unless nothing it could say would matter. With a configured token_url only the issuer is worth failing
 * for: the scope has a safe default (REAL-09). */
static sb_status discover(const sb_transport *transport, const sb_agreement_wish *wish, sb_discovery *out,
                          sb_error *err)
{
    sb_error why = SB_ERROR_INIT;
    bool needs_scope = !wish->scope && wish->wants_scope;
    if (wish->token_url && !needs_scope && !wants_issuer(wish))
        return SB_OK;
    sb_status status = sb_discovery_fetch(transport, wish->fhir_url, out, &why);
    if (status == SB_OK)
        return SB_OK;
    bool needed = !wish->token_url || wants_issuer(wish) || status == SB_E_INTERRUPTED || status == SB_E_NOMEM;
    if (!needed) {
        sb_log_info("%s: %s; going on with the configured token_url", why.what, why.why);
        return SB_OK;
    }
    if (err)
        *err = why;
    return status;
}

static sb_status choose_audience(const sb_agreement_wish *wish, sb_agreement *out, sb_error *err)
{
    const char *audience = wish->audience ? wish->audience : out->token_url; /* AUTH-02 */
    if (!wish->wants_audience)
        audience = "";
    else if (wants_issuer(wish) && !out->discovery.issuer)
        return sb_error_set(err, SB_E_SERVER, "the payer does not say who its issuer is",
                            "the audience is to be its issuer, and its SMART configuration has no `issuer`",
                            "ask the payer for its issuer and give it as audience (--audience URI)");
    else if (wants_issuer(wish))
        audience = out->discovery.issuer; /* AUTH-04 */
    out->audience = sb_str_dup(sb_str_from(audience));
    return out->audience ? SB_OK : sb_error_nomem(err);
}

static sb_status choose_scope(const sb_agreement_wish *wish, sb_agreement *out, sb_error *err)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    out->scope_is_default = !wish->scope && wish->wants_scope;
    bool ok = true;
    if (wish->scope)
        ok = sb_buf_add_cstr(&text, wish->scope); /* REAL-09: the user's own string always wins */
    else if (wish->wants_scope)
        ok = sb_scopes_default(wish->types, wish->n_types, sb_discovery_wants_v2(&out->discovery), &text);
    out->scope = ok ? sb_buf_steal(&text) : NULL;
    return out->scope ? SB_OK : sb_error_nomem(err);
}

static sb_pin pin_of(const sb_agreement *agreement, const sb_agreement_wish *wish)
{
    return (sb_pin){
        .fhir_url = wish->fhir_url,
        .client_id = wish->client_id,
        .token_url = agreement->token_url,
        .audience = agreement->audience,
        .issuer = agreement->discovery.issuer,
        .token_url_is_configured = wish->token_url != NULL,
        .issuer_is_moot = wish->token_url && !wants_issuer(wish),
    };
}

static sb_status reach(const sb_transport *transport, const sb_agreement_wish *wish, sb_agreement *out, sb_error *err)
{
    SB_TRY(discover(transport, wish, &out->discovery, err));
    out->token_url = sb_str_dup(sb_str_from(wish->token_url ? wish->token_url : out->discovery.token_url));
    if (!out->token_url)
        return sb_error_nomem(err);
    SB_TRY(choose_audience(wish, out, err));
    SB_TRY(choose_scope(wish, out, err));
    sb_pin pin = pin_of(out, wish);
    return sb_pin_check(wish->state_dir, &pin, err);
}

sb_status sb_agreement_reach(const sb_transport *transport, const sb_agreement_wish *wish, sb_agreement *out,
                             sb_error *err)
{
    sb_agreement made = SB_AGREEMENT_INIT;
    sb_status status = reach(transport, wish, &made, err);
    if (status != SB_OK) {
        sb_agreement_cleanup(&made);
        return status;
    }
    sb_agreement_cleanup(out);
    *out = made;
    return SB_OK;
}

sb_status sb_agreement_confirm(const sb_agreement *agreement, const sb_agreement_wish *wish, sb_error *err)
{
    sb_pin pin = pin_of(agreement, wish);
    return sb_pin_save(wish->state_dir, &pin, err);
}
