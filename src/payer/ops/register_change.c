/* SPDX-License-Identifier: Apache-2.0 */
/* register_change.c - changes of clients as an operator means them, each told to the audit log.
 *
 * A change, its rosters and its line in the audit log are one: the line is written last in the transaction, so that nothing
 * is ever done that the log does not know, wherever we are killed; at worst it knows of what was not done, and the command,
 * given again, does it. What lets somebody in and cannot be told is not done; what shuts somebody out is, told or not. */
#include "base/names.h"
#include "base/random.h"
#include "base/url.h"
#include "payer/data/roster_db.h"
#include "payer/export/job_withdraw.h"
#include "payer/ops/register_internal.h"

#define SCOPE_DEFAULT "system/*.rs"

/* The audit log */

/* What goes with a change: rosters, and up to two lines of the audit log. */
typedef struct company {
    const sb_register *reg;
    const char *id;
    const sb_client_change *change; /* NULL: no rosters */
    struct {
        const char *event, *detail;
    } lines[2];
    const char *untold; /* what becomes of a change that cannot be told; NULL: it is made all the same */
    unsigned told;
} company;

static bool tell(const company *c, size_t line, const char *outcome)
{
    const sb_register_parts *p = &c->reg->p;
    sb_audit_event event = {.event = c->lines[line].event,
                            .outcome = outcome,
                            .client = c->id,
                            .actor = p->actor,
                            .peer = p->peer,
                            .detail = c->lines[line].detail,
                            .members = -1,
                            .durable = true};
    return sb_audit_add(p->audit, &event);
}

static void tell_all(company *c)
{
    while (c->told < SB_ARRAY_LEN(c->lines) && c->lines[c->told].event && tell(c, c->told, "ok"))
        c->told++;
}

static bool all_told(const company *c)
{
    return c->told == SB_ARRAY_LEN(c->lines) || !c->lines[c->told].event;
}

static sb_status untold(sb_error *err, const char *what_became)
{
    return sb_error_set(err, SB_E_IO, "the audit log could not be written", "%s",
                        "make room on its disk, look at its permissions, and do it again", what_became);
}

static sb_status may_write(const sb_register *reg, sb_error *err)
{
    return reg->p.read_only ? sb_error_set(err, SB_E_USAGE, "the client cannot be changed",
                                           "the register was opened to look at", "open it to write")
                            : SB_OK;
}

/* Rosters */

static sb_status change_groups(sb_db *db, const char *id, const sb_client_change *change, sb_error *err)
{
    for (size_t i = 0; change->give && change->give[i]; i++)
        SB_TRY(sb_roster_give(db, id, sb_str_from(change->give[i]), err));
    for (size_t i = 0; change->take && change->take[i]; i++) {
        SB_TRY(sb_roster_take(db, id, sb_str_from(change->take[i]), err));
        SB_TRY(sb_jobs_withdraw(db, id, sb_str_from(change->take[i]), err));
    }
    return SB_OK;
}

/* Within the transaction of a change, last. */
static sb_status bring_along(void *impl, sb_db *db, sb_error *err)
{
    company *c = impl;
    if (c->change && db)
        SB_TRY(change_groups(db, c->id, c->change, err));
    tell_all(c);
    return all_told(c) || !c->untold ? SB_OK : untold(err, c->untold);
}

/* It was told, and could not be done: that is told, too. */
static sb_status settle(const company *c, sb_status status)
{
    for (unsigned i = 0; status != SB_OK && i < c->told; i++)
        (void)tell(c, i, "failed");
    return status;
}

/* Changing */

static sb_status check_url(const char *text, sb_error *err)
{
    SB_AUTO(sb_url) url = SB_URL_INIT;
    SB_TRY(sb_url_parse(text, &url, err));
    if (strcmp(url.scheme, "https") != 0)
        return sb_error_set(err, SB_E_INVALID, "the key set's URL cannot be registered", "it is not https",
                            "give an https URL, or the key set itself");
    return SB_OK;
}

/* A copy: specs are taken over by the client that is made of them. */
static sb_status copy_jwks(const sb_jwks *jwks, sb_jwks **out, sb_error *err)
{
    SB_AUTOFREE text = sb_jwks_json(jwks, false);
    if (sb_jwks_count(jwks) == 0)
        return sb_error_set(err, SB_E_INVALID, "the client cannot be registered", "its key set holds no key",
                            "give a set with the partner's public keys");
    return text ? sb_jwks_parse(sb_str_from(text), out, NULL, err) : sb_error_nomem(err);
}

/* On failure spec->jwks is the caller's, as before. */
static sb_status apply(const sb_client_change *change, sb_client_spec *spec, sb_error *err)
{
    if (change->profile && !sb_client_profile_parse(change->profile, &spec->profile))
        return sb_error_set(err, SB_E_INVALID, "the client cannot be registered", "there is no such profile",
                            "it is smart or rfc7523bis");
    if (change->jwks && change->jwks_url)
        return sb_error_set(err, SB_E_INVALID, "the client cannot be registered", "it has keys and a URL of keys",
                            "give one of both");
    spec->name = change->name ? change->name : spec->name;
    spec->contact = change->contact ? change->contact : spec->contact;
    spec->scope = change->scope ? change->scope : spec->scope;
    spec->show_reasons = change->show_reasons < 0 ? spec->show_reasons : change->show_reasons > 0;
    if (change->tokens_per_minute >= 0)
        spec->tokens_per_minute = (unsigned)SB_MIN(change->tokens_per_minute, (int64_t)UINT32_MAX);
    if (!change->jwks && !change->jwks_url)
        return SB_OK;
    sb_jwks *jwks = NULL;
    SB_TRY(change->jwks ? copy_jwks(change->jwks, &jwks, err) : check_url(change->jwks_url, err));
    sb_jwks_free(spec->jwks);
    spec->jwks = jwks;
    spec->jwks_url = change->jwks_url;
    return SB_OK;
}

static sb_status make(sb_client_spec *spec, const sb_client_change *change, sb_client **out, sb_error *err)
{
    sb_status status = change ? apply(change, spec, err) : SB_OK;
    if (status == SB_OK)
        status = sb_client_new(spec, out, err);
    if (status != SB_OK)
        sb_jwks_free(spec->jwks);
    return status;
}

static int64_t now_s(const sb_register *reg)
{
    return reg->p.clock->wall_s(reg->p.clock->impl);
}

sb_status sb_register_add(sb_register *reg, const char *id, const sb_client_change *change, sb_client_info_fn *each,
                          void *impl, sb_error *err)
{
    char drawn[SB_UUID_SIZE];
    SB_AUTOPTR(sb_client) client = NULL;
    SB_TRY(may_write(reg, err));
    sb_random_uuid(drawn);
    sb_client_spec spec = {.id = id ? id : drawn,
                           .scope = SCOPE_DEFAULT,
                           .state = SB_CLIENT_ACTIVE,
                           .created_s = now_s(reg),
                           .changed_s = now_s(reg)};
    SB_TRY(make(&spec, change, &client, err));
    company with = {.reg = reg,
                    .id = client->id,
                    .change = change,
                    .lines = {{"client.added", NULL}},
                    .untold = "so the client was not added"};
    SB_TRY(settle(&with, sb_clients_add_with(reg->p.clients, client, &(sb_clients_also){bring_along, &with}, err)));
    return sb_register_view(reg, client, each, impl, err);
}

static bool changes_keys(const sb_client_change *change)
{
    return change->jwks || change->jwks_url;
}

/* Other keys by an operator's hand: who could change the registration until now might put the old ones back. */
static void confirm_keys(const sb_client_change *change, sb_client_spec *spec)
{
    if (!changes_keys(change))
        return;
    if (!change->keep_registration)
        spec->registration_digest = NULL;
    if (spec->state == SB_CLIENT_ACTIVE)
        spec->admission = SB_ADMISSION_PERSON;
}

/* Another client made of it; `change` NULL: it is as it was. */
static sb_status remake(sb_register *reg, const sb_client *before, const sb_client_change *change,
                        sb_client_state state, sb_client **after, sb_error *err)
{
    SB_AUTOFREE scope = NULL;
    sb_client_spec spec;
    SB_TRY(sb_client_respec(before, &scope, &spec, err));
    spec.changed_s = SB_MAX(now_s(reg), before->changed_s + 1); /* no two changes look like one */
    spec.state = state;
    if (state == SB_CLIENT_ACTIVE && spec.admission == SB_ADMISSION_NONE) {
        spec.admission = SB_ADMISSION_PERSON;
        spec.self_changed = 0;
    }
    if (change)
        confirm_keys(change, &spec);
    return make(&spec, change, after, err);
}

static sb_status find_to_write(sb_register *reg, const char *id, sb_client **out, sb_error *err)
{
    SB_TRY(may_write(reg, err));
    return sb_register_find(reg, id, out, err);
}

static bool add_list(sb_buf *out, const char *what, const char *const *list)
{
    bool ok = true;
    for (size_t i = 0; ok && list && list[i]; i++)
        ok = sb_buf_printf(out, "%s%s %s", out->len ? ", " : "", what, list[i]);
    return ok;
}

/* "scope, keys, gives roster-7" */
static bool name_change(const sb_client_change *c, sb_buf *out)
{
    const struct {
        bool is;
        const char *name;
    } parts[] = {{c->name, "name"},
                 {c->contact, "contact"},
                 {c->scope, "scope"},
                 {c->profile, "profile"},
                 {changes_keys(c), "keys"},
                 {c->show_reasons >= 0, "show reasons"},
                 {c->tokens_per_minute >= 0, "tokens per minute"}};
    bool ok = true;
    for (size_t i = 0; ok && i < SB_ARRAY_LEN(parts); i++)
        ok = !parts[i].is || sb_buf_printf(out, "%s%s", out->len ? ", " : "", parts[i].name);
    return ok && add_list(out, "gives", c->give) && add_list(out, "takes", c->take);
}

/* `event` NULL: the change is all there is to tell. Only in place of what was looked at: a client changes itself, too. */
static sb_status carry_out(sb_register *reg, sb_client *before, sb_client *after, const sb_client_change *change,
                           const char *event, sb_error *err)
{
    SB_AUTO(sb_buf) words = SB_BUF_INIT;
    company with = {.reg = reg, .id = before->id, .change = change, .untold = "so the client is as it was"};
    size_t lines = 0;
    if (!name_change(change, &words))
        return sb_error_nomem(err);
    if (words.len > 0) {
        with.lines[lines].event = changes_keys(change) ? "client.keys_changed" : "client.changed";
        with.lines[lines++].detail = sb_buf_cstr(&words);
    }
    with.lines[lines].event = event;
    return settle(&with,
                  sb_clients_replace_with(reg->p.clients, before, after, &(sb_clients_also){bring_along, &with}, err));
}

sb_status sb_register_change(sb_register *reg, const char *id, const sb_client_change *change, sb_error *err)
{
    SB_AUTOPTR(sb_client) before = NULL;
    SB_AUTOPTR(sb_client) after = NULL;
    SB_TRY(find_to_write(reg, id, &before, err));
    SB_TRY(remake(reg, before, change, before->state, &after, err));
    return carry_out(reg, before, after, change, NULL, err);
}

/* Letting in */

static sb_status let_in(sb_register *reg, sb_client *before, const sb_client_change *change, sb_error *err)
{
    static const sb_client_change nothing = SB_CLIENT_CHANGE_INIT;
    SB_AUTOPTR(sb_client) after = NULL;
    bool is_in = before->state == SB_CLIENT_ACTIVE;
    if (is_in && !change)
        return SB_OK;
    SB_TRY(remake(reg, before, change, SB_CLIENT_ACTIVE, &after, err));
    return carry_out(reg, before, after, change ? change : &nothing, is_in ? NULL : "client.approved", err);
}

static bool is_listed(const char *const *list, const char *text)
{
    for (; *list; list++) {
        if (strcmp(*list, text) == 0)
            return true;
    }
    return false;
}

/* Are these all its keys, and all of these its? */
static bool has_exactly(const sb_jwks *jwks, const char *const *thumbprints)
{
    for (size_t i = 0; i < sb_jwks_count(jwks); i++) {
        if (!is_listed(thumbprints, sb_key_thumbprint(sb_jwks_at(jwks, i))))
            return false;
    }
    for (; *thumbprints; thumbprints++) {
        size_t at = 0;
        while (at < sb_jwks_count(jwks) && strcmp(sb_key_thumbprint(sb_jwks_at(jwks, at)), *thumbprints) != 0)
            at++;
        if (at == sb_jwks_count(jwks))
            return false;
    }
    return true;
}

static bool is_what_was_seen(const sb_client *client, const sb_client_seen *seen)
{
    if (client->jwks_url)
        return seen->jwks_url && !seen->thumbprints && strcmp(seen->jwks_url, client->jwks_url) == 0;
    return seen->thumbprints && !seen->jwks_url && has_exactly(client->jwks, seen->thumbprints);
}

/* Who registered itself is whoever it says, until somebody compared its keys; and holds a token to change them. */
static sb_status check_seen(const sb_client *client, const sb_client_seen *seen, sb_error *err)
{
    if (seen)
        return is_what_was_seen(client, seen)
                   ? SB_OK
                   : sb_error_set(err, SB_E_INVALID, "the client was not let in",
                                  client->jwks_url ? "its keys are at a URL, and it is not this one"
                                                   : "its keys are not exactly these",
                                  "show the client again, and compare what is there with its people: by telephone");
    if (client->state == SB_CLIENT_ACTIVE || client->admission != SB_ADMISSION_NONE)
        return SB_OK;
    return sb_error_set(
        err, SB_E_USAGE, "the client was not let in", "it registered itself: only what was looked at can be approved",
        client->jwks_url ? "compare the URL of its keys with what its people tell you, by telephone, and "
                           "say which it is: --keys-at"
                         : "compare the thumbprints of its keys with what its people tell you, by "
                           "telephone, and say which they are: --thumbprint, one for each key");
}

sb_status sb_register_approve(sb_register *reg, const char *id, const sb_client_change *change,
                              const sb_client_seen *seen, sb_error *err)
{
    SB_AUTOPTR(sb_client) before = NULL;
    SB_TRY(find_to_write(reg, id, &before, err));
    SB_TRY(check_seen(before, seen, err));
    return let_in(reg, before, change, err);
}

sb_status sb_register_approve_seen(sb_register *reg, const char *id, const sb_client_change *change,
                                   bool (*is_same)(void *impl, const sb_client *client), void *impl, sb_error *err)
{
    SB_AUTOPTR(sb_client) before = NULL;
    SB_TRY(find_to_write(reg, id, &before, err));
    if (!is_same(impl, before))
        return sb_error_set(err, SB_E_BUSY, "the client was not let in", "it was changed since it was looked at",
                            "look at it again, and decide anew");
    return let_in(reg, before, change, err);
}

/* Shutting out */

sb_status sb_register_suspend(sb_register *reg, const char *id, sb_error *err)
{
    SB_AUTOPTR(sb_client) before = NULL;
    SB_AUTOPTR(sb_client) after = NULL;
    SB_TRY(find_to_write(reg, id, &before, err));
    company with = {.reg = reg, .id = id, .lines = {{"client.suspended", NULL}}};
    if (before->state == SB_CLIENT_SUSPENDED) { /* perhaps it could not be told then */
        tell_all(&with);
        return all_told(&with) ? SB_OK : untold(err, "the client is shut out all the same");
    }
    SB_TRY(remake(reg, before, NULL, SB_CLIENT_SUSPENDED, &after, err));
    SB_TRY(settle(&with,
                  sb_clients_replace_with(reg->p.clients, NULL, after, &(sb_clients_also){bring_along, &with}, err)));
    return all_told(&with) ? SB_OK : untold(err, "the client is shut out all the same");
}

static sb_status remove_told(sb_register *reg, const sb_client *was, const char *id, const char *detail, sb_error *err)
{
    company with = {.reg = reg, .id = id, .lines = {{"client.removed", detail}}};
    SB_TRY(settle(&with, sb_clients_remove_with(reg->p.clients, was, sb_str_from(id),
                                                &(sb_clients_also){bring_along, &with}, err)));
    return all_told(&with) ? SB_OK : untold(err, "the client is removed all the same");
}

sb_status sb_register_remove(sb_register *reg, const char *id, sb_error *err)
{
    SB_TRY(may_write(reg, err));
    return remove_told(reg, NULL, id, NULL, err);
}

typedef struct sweep {
    sb_register *reg;
    int64_t until_s;
    size_t count;
} sweep;

/* One that was approved once, and changed itself, is somebody: a person decides about it. */
static sb_status sweep_one(void *context, sb_client *client, sb_error *err)
{
    sweep *s = context;
    if (client->state != SB_CLIENT_PENDING || client->self_changed || client->created_s > s->until_s)
        return SB_OK;
    sb_status status = remove_told(s->reg, client, client->id, "waited too long", err);
    if (status == SB_E_BUSY) /* it was approved, changed or removed just now */
        return SB_OK;
    s->count += status == SB_OK;
    return status;
}

sb_status sb_register_remove_pending(sb_register *reg, int64_t older_than_s, size_t *count, sb_error *err)
{
    sweep s = {.reg = reg, .until_s = now_s(reg) - older_than_s};
    sb_status status = may_write(reg, err);
    if (status == SB_OK)
        status = sb_clients_each(reg->p.clients, sweep_one, &s, err);
    *count = s.count;
    return status;
}
