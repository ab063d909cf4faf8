/* SPDX-License-Identifier: Apache-2.0 */
/* visitor.c - who is there, and is this what they want?
 *
 * A session is a secret in a cookie. Where a trusted proxy names the person, that is who it is, and a session is made as
 * well: what a form brings back is derived from its secret, which no other site can read.
 *
 * A POST counts if the browser says that it comes from a page of ours (Sec-Fetch-Site, Origin) and the form has the
 * session's token. Either would do; a browser's fault in one leaves the other. */
#include "base/secret.h"
#include "base/url.h"
#include "http/accept.h"
#include "jose/base64url.h"
#include "payer/portal/portal_internal.h"

/* By the __Host- prefix a browser keeps it to this very host, and to TLS. */
static const char *cookie_name(const sb_portal *portal)
{
    return portal->secure ? "__Host-smartbulk" : "smartbulk";
}

bool sb_visitor_administers(const sb_turn *turn)
{
    return turn->signed_in && turn->person.role == SB_PORTAL_ADMINISTRATOR;
}

/* Cookies */

static sb_str find_cookie(const sb_turn *turn)
{
    sb_str name = sb_str_from(cookie_name(turn->portal));
    for (size_t i = 0; i < turn->request->header_count; i++) {
        if (!sb_str_eq_nocase(sb_str_from(turn->request->headers[i].name), SB_STR_LIT("Cookie")))
            continue;
        sb_str rest = turn->request->headers[i].value, pair, key;
        while (sb_str_split(&rest, ';', &pair)) {
            pair = sb_str_trim(pair);
            if (sb_str_split(&pair, '=', &key) && sb_str_eq(key, name))
                return pair;
        }
    }
    return SB_STR_NULL;
}

/* Strict: not sent with what another site starts, be it a link. Who follows one to a page of theirs loads it again. */
static void set_cookie(sb_turn *turn, const char *value, int64_t max_age_s)
{
    sb_answer_header(turn->answer, "Set-Cookie", "%s=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s",
                     cookie_name(turn->portal), value, (long long)max_age_s, turn->portal->secure ? "; Secure" : "");
}

/* What its forms bring back: of the secret, but not the secret. */
static void derive_token(sb_turn *turn, sb_str secret)
{
    sb_digest digest = sb_digest_of_pair(SB_STR_LIT("portal form"), secret);
    sb_base64url_encode_to(digest.bytes, sizeof(digest.bytes), turn->form_token);
    turn->form_token[SB_PORTAL_SECRET_SIZE - 1] = '\0';
}

static void accept_person(sb_turn *turn, const sb_portal_person *person)
{
    turn->signed_in = true;
    turn->person = *person;
    if (turn->visit)
        memcpy(turn->visit->actor, person->who, strlen(person->who) + 1);
}

sb_status sb_visitor_sign_in(sb_turn *turn, const sb_portal_person *person, sb_error *err)
{
    char secret[SB_PORTAL_SECRET_SIZE];
    SB_TRY(sb_portal_session_new(turn->portal->o.store, person, secret, err));
    set_cookie(turn, secret, SB_PORTAL_SESSION_S);
    derive_token(turn, sb_str_from(secret));
    sb_wipe(secret, sizeof(secret));
    accept_person(turn, person);
    return SB_OK;
}

void sb_visitor_sign_out(sb_turn *turn)
{
    sb_error err = SB_ERROR_INIT;
    sb_str secret = find_cookie(turn);
    if (secret.len > 0 && sb_portal_session_end(turn->portal->o.store, secret, &err) != SB_OK) {
        sb_page_fail(turn, &err); /* the session lives: it must not look ended */
        return;
    }
    set_cookie(turn, "", 0);
    sb_page_redirect(turn, "/portal", NULL);
}

/* Who */

/* The session of the cookie, if there is one. */
static sb_status find_session(sb_turn *turn, sb_portal_person *out, bool *found, sb_error *err)
{
    sb_str secret = find_cookie(turn);
    *found = false;
    if (secret.len != SB_PORTAL_SECRET_SIZE - 1)
        return SB_OK;
    sb_status status = sb_portal_session_find(turn->portal->o.store, secret, out, err);
    *found = status == SB_OK;
    if (*found)
        derive_token(turn, secret);
    return status == SB_E_NOT_FOUND ? SB_OK : status;
}

/* Whom a trusted proxy names. Two such headers are one too many: one of them is not the proxy's. */
static bool named_by_proxy(const sb_turn *turn, sb_portal_person *out)
{
    const sb_portal_options *o = &turn->portal->o;
    if (!o->user_header || !turn->request->from_proxy || sb_server_header_count(turn->request, o->user_header) != 1)
        return false;
    sb_str who = sb_server_header_first(turn->request, o->user_header);
    if (sb_portal_person_set(out, SB_PORTAL_PARTNER, who, NULL) != SB_OK)
        return false;
    for (size_t i = 0; i < o->administrator_count; i++) {
        if (sb_str_eq(who, sb_str_from(o->administrators[i])))
            out->role = SB_PORTAL_ADMINISTRATOR;
    }
    return true;
}

static sb_status find_person(sb_turn *turn, sb_error *err)
{
    sb_portal_person named, person;
    bool found;
    SB_TRY(find_session(turn, &person, &found, err));
    if (!named_by_proxy(turn, &named)) {
        if (found)
            accept_person(turn, &person);
        return SB_OK;
    }
    if (!found || strcmp(person.who, named.who) != 0 || person.role != named.role)
        return sb_visitor_sign_in(turn, &named, err); /* another's, or of before a change: not theirs to go on with */
    accept_person(turn, &named);
    return SB_OK;
}

bool sb_visitor_find(sb_turn *turn)
{
    sb_error err = SB_ERROR_INIT;
    if (find_person(turn, &err) == SB_OK)
        return true;
    sb_page_fail(turn, &err);
    return false;
}

/* Meant */

static bool is_our_origin(const sb_portal *portal, sb_str origin)
{
    SB_AUTO(sb_url) theirs = SB_URL_INIT;
    SB_AUTO(sb_url) ours = SB_URL_INIT;
    SB_AUTOFREE text = sb_str_dup(origin);
    return text && sb_url_parse(text, &theirs, NULL) == SB_OK && sb_url_parse(portal->base_url, &ours, NULL) == SB_OK &&
           sb_url_same_origin(&theirs, &ours);
}

/* What the browser says of where the form was: pages cannot forge it. */
static bool is_from_our_page(const sb_turn *turn)
{
    sb_str site = sb_server_header_first(turn->request, "Sec-Fetch-Site");
    if (site.len > 0)
        return sb_str_eq(site, SB_STR_LIT("same-origin"));
    return is_our_origin(turn->portal, sb_server_header_first(turn->request, "Origin"));
}

static bool has_token(const sb_turn *turn)
{
    const sb_form_field *field = sb_form_find(&turn->form, "form_token");
    size_t len = strlen(turn->form_token);
    if (!turn->signed_in)
        return true; /* signing in: there is nothing yet that another site could use; the link is the proof */
    return field && len > 0 && field->value.len == len && sb_secret_equal(field->value.ptr, turn->form_token, len);
}

bool sb_visitor_meant(sb_turn *turn)
{
    sb_error err = SB_ERROR_INIT;
    if (!sb_content_type_is(sb_server_header_first(turn->request, "Content-Type"),
                            "application/x-www-form-urlencoded") ||
        sb_form_parse(turn->request->body, SB_PORTAL_FIELDS_MAX, &turn->form, &err) != SB_OK) {
        sb_page_say(turn, 400, "This form cannot be read", "Go back, load the page again and send the form once more.");
        return false;
    }
    if (is_from_our_page(turn) && has_token(turn))
        return true;
    turn->visit->reason = "cross_site";
    sb_page_say(turn, 403, "This form was not taken",
                "It did not come from a page of this portal that was opened in this session. Load the page again and "
                "send the form once more; come by the portal's own address.");
    return false;
}
