/* SPDX-License-Identifier: Apache-2.0 */
/* page_register.c - a partner's engineer registers a client: what is wrong is said at the field it is wrong in, and keys
 * are looked at one by one, fetched on the spot when they are at a URL. "Check" looks and keeps nothing.
 *                                                                                                      KEY-05, KEY-07 */
#include <stdio.h>

#include "payer/auth/failures.h"
#include "payer/portal/keyset_review.h"
#include "payer/portal/own_clients.h"
#include "payer/routes/register_internal.h"

#define CLIENTS_OF_ONE 100 /* that one person registered: more is a program's work, for the registration endpoint */
#define SENT_TWICE_S   60
#define PROBLEM_SIZE   512

typedef char problem[PROBLEM_SIZE]; /* what is wrong with a field, for its sender; "": nothing */

/* A form as it was sent, and what is thought of it. Borrowed from the turn. */
typedef struct draft {
    const char *name, *contact, *scope, *url, *set;
    problem name_problem, contact_problem, scope_problem, keys_problem;
    sb_keyset_review review;
    sb_registration registration; /* as far as it is fine */
    bool is_checked;
} draft;

static void draft_cleanup(draft *d)
{
    sb_keyset_review_cleanup(&d->review);
    sb_registration_cleanup(&d->registration);
}

static bool fetches(const sb_turn *t)
{
    return t->service->o.keys && t->service->o.guard;
}

/* The page */

static void field(sb_turn *t, const char *name, const char *label, const char *hint, const char *value,
                  const char *problem_text)
{
    bool bad = problem_text[0] != '\0';
    SB_HTML(&t->html, "<label for=\"{}\">{}</label><p class=\"hint\" id=\"{}-hint\">{}</p>", name, label, name, hint);
    if (bad)
        SB_HTML(&t->html, "<p class=\"problem\" id=\"{}-problem\">{}</p>", name, problem_text);
    SB_HTML(&t->html,
            "<input type=\"text\" id=\"{}\" name=\"{}\" value=\"{}\" autocomplete=\"off\" aria-invalid=\"{}\" "
            "aria-describedby=\"{}-hint {}-problem\">",
            name, name, value, bad ? "true" : "false", name, name);
}

static void review(sb_turn *t, const sb_keyset_review *r)
{
    static const char *const classes[] = {"good", "warn", "bad"}, *const marks[] = {"✓", "!", "✗"};
    static const char *const words[] = {"fine", "look", "wrong"};
    if (r->count == 0)
        return;
    SB_HTML(&t->html, "<h3>What was found</h3><ul class=\"checks\">");
    for (size_t i = 0; i < r->count; i++) {
        const sb_review_line *line = &r->lines[i];
        SB_HTML(&t->html,
                "<li class=\"{}\"><span class=\"mark\" role=\"img\" aria-label=\"{}\">{}</span><strong>{}</strong>",
                classes[line->mark], words[line->mark], marks[line->mark], line->title);
        if (line->text[0])
            SB_HTML(&t->html, "<p>{}</p>", line->text);
        SB_HTML(&t->html, "</li>");
    }
    SB_HTML(&t->html, "</ul>");
}

static void keys(sb_turn *t, const draft *d)
{
    SB_HTML(&t->html, "<section class=\"card\" id=\"keys\"><h2>Its public keys</h2>");
    if (d->keys_problem[0])
        SB_HTML(&t->html, "<p class=\"problem\">{}</p>", d->keys_problem);
    if (fetches(t))
        SB_HTML(
            &t->html,
            "<label for=\"url\">The address of a JWK Set</label><p class=\"hint\">Preferred: you change keys without "
            "asking anybody. https, reachable from here without signing in; fetched now, and again as its "
            "<code>Cache-Control</code> says, at most every 30 seconds.</p><input type=\"url\" id=\"url\" "
            "name=\"url\" value=\"{}\" placeholder=\"https://\" autocomplete=\"off\">",
            d->url);
    SB_HTML(
        &t->html,
        "<label for=\"set\">{}</label><p class=\"hint\">As <code>smartbulk key jwks payer.jwk</code> prints it. The "
        "public half alone: a private key that was sent anywhere has to be replaced.</p>"
        "<textarea id=\"set\" name=\"set\" spellcheck=\"false\" placeholder=\"{}\">{}</textarea>",
        fetches(t) ? "Or the JWK Set itself" : "The JWK Set", "{\"keys\": [ … ]}", d->review.leaked ? "" : d->set);
    review(t, &d->review);
    SB_HTML(&t->html, "</section>");
}

static void say_what_follows(sb_turn *t)
{
    if (t->portal->o.registration == SB_PORTAL_REGISTRATION_PENDING)
        SB_HTML(&t->html, "<p class=\"lead\">You get a client id at once. It is good for tokens when a person at the "
                          "payer has approved it, and for the members of the rosters that they give you.</p>");
    else
        SB_HTML(&t->html, "<p class=\"lead\">You get a client id, which is good for tokens at once.</p>");
}

static void say_how_it_went(sb_turn *t, const draft *d, unsigned status)
{
    if (!d->is_checked)
        return;
    if (status >= 400)
        SB_HTML(&t->html, "<div class=\"notice bad\" role=\"alert\"><strong>Not registered</strong><p>What is marked "
                          "below needs another look. Nothing was kept.</p></div>");
    else if (d->review.usable && !d->scope_problem[0])
        sb_notice(t, SB_TONE_GOOD, "These keys can be registered", "Nothing is registered yet.");
    else
        sb_notice(t, SB_TONE_WARN, "This cannot be registered yet", "What is marked below needs another look.");
}

static void show(sb_turn *t, const draft *d, unsigned status)
{
    sb_page_begin(t, "Register a client", "My clients");
    SB_HTML(&t->html, "<h1>Register a client</h1>");
    say_what_follows(t);
    say_how_it_went(t, d, status);
    SB_HTML(&t->html, "<form method=\"post\" action=\"/portal/clients/new\">");
    sb_form_token(t);
    SB_HTML(&t->html, "<section class=\"card\"><h2>The client</h2>");
    field(t, "name", "Name", "What people at the payer will know it by: your organisation, and what the client is for.",
          d->name, d->name_problem);
    field(t, "contact", "Contact", "An address to write to when something is wrong with it.", d->contact,
          d->contact_problem);
    field(t, "scope", "Scope", "The most it will ever ask for, with spaces between.", d->scope, d->scope_problem);
    if (d->registration.scope && strcmp(d->registration.scope, d->scope) != 0)
        SB_HTML(&t->html, "<p class=\"hint\">Of this can be had: <code>{}</code></p>", d->registration.scope);
    SB_HTML(&t->html, "</section>");
    keys(t, d);
    SB_HTML(&t->html, "<div class=\"actions\"><button name=\"do\" value=\"register\">Register</button>"
                      "<button class=\"second\" name=\"do\" value=\"check\">Check the keys</button></div></form>");
    sb_page_end(t, status);
}

static bool is_off(sb_turn *t)
{
    if (t->portal->o.registration != SB_PORTAL_REGISTRATION_OFF)
        return false;
    t->visit->reason = "registration_off";
    sb_page_say(t, 403, "Clients are registered by the payer's team",
                "Send them your public key set, or the address where you publish it.");
    return true;
}

void sb_page_register(sb_turn *t)
{
    SB_AUTO(draft) d = {.name = "", .contact = t->person.who, .url = "", .set = ""};
    d.scope = t->portal->o.registration_scope;
    if (!is_off(t))
        show(t, &d, 200);
}

/* Looking */

static void check_label(const char *text, const char *missing, problem out)
{
    size_t len = strlen(text);
    if (len == 0)
        (void)snprintf(out, PROBLEM_SIZE, "%s", missing);
    else if (len > SB_CLIENT_NAME_MAX || !sb_str_is_text(sb_str_from(text)))
        (void)snprintf(out, PROBLEM_SIZE, "This is one line of at most %d bytes.", SB_CLIENT_NAME_MAX);
}

static sb_status check_scope(sb_turn *t, draft *d, sb_error *err)
{
    sb_error why = SB_ERROR_INIT;
    if (sb_registration_clip(d->scope, t->portal->o.registration_scope, &d->registration.scope, &why) == SB_OK)
        return SB_OK;
    if (why.code == SB_E_NOMEM)
        return sb_error_nomem(err);
    (void)snprintf(d->scope_problem, PROBLEM_SIZE, "%.230s: %.230s.", why.why, why.fix);
    return SB_OK;
}

/* Fetching holds a thread of the server, and speaks to whom somebody else names: in turn with registering, so many times
 * from one address. */
static bool may_fetch(sb_turn *t)
{
    if (sb_failures_exceeded(t->service->registrations, t->request->peer))
        return false;
    sb_failures_add(t->service->registrations, t->request->peer);
    return true;
}

static sb_status check_url(sb_turn *t, draft *d, sb_error *err)
{
    sb_error why = SB_ERROR_INIT;
    SB_AUTOPTR(sb_keyset) set = NULL;
    sb_status status = sb_guard_check_url(t->service->o.guard, d->url, &why);
    if (status == SB_OK && !may_fetch(t))
        status = sb_error_set(&why, SB_E_BUSY, "The address was not fetched", "too many were of late",
                              "try again in a minute");
    if (status == SB_OK)
        status = sb_jwks_cache_check(t->service->o.keys, d->url, &set, &why);
    if (status == SB_E_NOMEM)
        return sb_error_nomem(err);
    if (status != SB_OK)
        return sb_keyset_review_error(&why, &d->review, err);
    SB_TRY(sb_keyset_review_set(set->jwks, set->passed_over, t->service->o.algs, &d->review, err));
    d->registration.jwks_url = sb_str_dup(sb_str_from(d->url));
    return d->registration.jwks_url ? SB_OK : sb_error_nomem(err);
}

static sb_status check_keys(sb_turn *t, draft *d, sb_error *err)
{
    bool url = d->url[0] != '\0', set = sb_str_trim(sb_str_from(d->set)).len > 0;
    if (url && set)
        (void)snprintf(d->keys_problem, PROBLEM_SIZE, "Give one of the two: the address, or the set itself.");
    else if (url && fetches(t))
        return check_url(t, d, err);
    else if (set)
        return sb_keyset_review_text(sb_str_from(d->set), t->service->o.algs, &d->review, &d->registration.jwks, err);
    else
        (void)snprintf(d->keys_problem, PROBLEM_SIZE, "The keys are missing.");
    return SB_OK;
}

static sb_status check(sb_turn *t, draft *d, sb_error *err)
{
    d->is_checked = true;
    check_label(d->name, "The client needs a name.", d->name_problem);
    check_label(d->contact, "Somebody must be reachable.", d->contact_problem);
    SB_TRY(check_scope(t, d, err));
    SB_TRY(check_keys(t, d, err));
    d->registration.name = sb_str_dup(sb_str_from(d->name));
    d->registration.contact = sb_str_dup(sb_str_from(d->contact));
    return d->registration.name && d->registration.contact ? SB_OK : sb_error_nomem(err);
}

/* Keeping */

static bool is_fine(const draft *d)
{
    return !d->name_problem[0] && !d->contact_problem[0] && !d->scope_problem[0] && !d->keys_problem[0] &&
           d->review.usable;
}

static sb_status check_room(sb_turn *t, sb_error *err)
{
    SB_AUTO(sb_portal_owned) owned = SB_PORTAL_OWNED_INIT;
    SB_TRY(sb_portal_owned_of(t->portal->o.store, t->person.who, &owned, err));
    return owned.count < CLIENTS_OF_ONE
               ? SB_OK
               : sb_error_set(err, SB_E_INVALID, "the client cannot be registered",
                              "you have registered %d clients; the payer's team can register more", "ask them",
                              CLIENTS_OF_ONE);
}

/* The keys of both are at the same address, or are the same set. */
static bool same_keys(const sb_client *client, const sb_registration *r)
{
    if (client->jwks_url || r->jwks_url)
        return client->jwks_url && r->jwks_url && strcmp(client->jwks_url, r->jwks_url) == 0;
    SB_AUTOFREE theirs = sb_jwks_json(client->jwks, false);
    SB_AUTOFREE ours = sb_jwks_json(r->jwks, false);
    return theirs && ours && strcmp(theirs, ours) == 0;
}

/* A form that is sent twice, by a double click or by going back, is one wish. *out is a reference, or NULL. */
static sb_status find_same(sb_turn *t, const sb_registration *r, sb_client **out, sb_error *err)
{
    SB_AUTO(sb_own_clients) own = SB_OWN_CLIENTS_INIT;
    int64_t now = t->service->o.clock->wall_s(t->service->o.clock->impl);
    SB_TRY(sb_own_clients_load(t, &own, err));
    *out = NULL;
    for (size_t i = 0; i < own.count && !*out; i++) {
        sb_client *client = own.items[i];
        SB_AUTO(sb_buf) scope = SB_BUF_INIT;
        if (now - client->created_s < SENT_TWICE_S && strcmp(client->name, r->name) == 0 &&
            strcmp(client->contact, r->contact) == 0 && same_keys(client, r) &&
            sb_scopes_format(&client->scopes, &scope) && strcmp(sb_buf_cstr(&scope), r->scope) == 0)
            *out = sb_client_ref(client);
    }
    return SB_OK;
}

/* Theirs, or not at all: one that is nobody's could be seen by nobody. */
static sb_status keep(sb_turn *t, draft *d, sb_error *err)
{
    SB_AUTOPTR(sb_client) client = NULL;
    bool pending = t->portal->o.registration == SB_PORTAL_REGISTRATION_PENDING;
    SB_TRY(find_same(t, &d->registration, &client, err));
    if (client) {
        sb_page_redirect(t, "/portal/client?id=", client->id);
        return SB_OK;
    }
    SB_TRY(check_room(t, err));
    SB_TRY(sb_registration_keep(t->service, &d->registration, pending ? SB_CLIENT_PENDING : SB_CLIENT_ACTIVE,
                                t->request->peer, NULL, &client, err));
    sb_status status = sb_portal_own(t->portal->o.store, t->person.who, client, err);
    if (status != SB_OK) {
        (void)sb_clients_remove(t->service->o.clients, sb_str_from(client->id), NULL);
        return status;
    }
    t->visit->audit = "client.registered";
    t->visit->reason = pending ? "registration_pending" : "registered";
    memcpy(t->visit->client, client->id, strlen(client->id) + 1);
    sb_page_redirect(t, "/portal/client?id=", client->id);
    return SB_OK;
}

static void refuse(sb_turn *t, const draft *d)
{
    t->visit->audit = "client.registration_refused";
    t->visit->reason = "invalid_client_metadata";
    show(t, d, 400);
}

void sb_page_register_do(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTO(draft)
    d = {.name = sb_turn_field(t, "name"),
         .contact = sb_turn_field(t, "contact"),
         .scope = sb_turn_field(t, "scope"),
         .url = sb_turn_field(t, "url"),
         .set = sb_turn_field(t, "set")};
    bool only_check = strcmp(sb_turn_field(t, "do"), "check") == 0;
    if (is_off(t))
        return;
    sb_status status = check(t, &d, &err);
    if (status == SB_OK && only_check)
        show(t, &d, 200);
    else if (status == SB_OK && !is_fine(&d))
        refuse(t, &d);
    else if (status == SB_OK)
        status = keep(t, &d, &err);
    if (status != SB_OK)
        sb_page_fail(t, &err);
}
