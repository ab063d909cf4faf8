/* SPDX-License-Identifier: Apache-2.0 */
/* admin_guard.c - who may, in this order:
 *
 *   1. no web page, by whichever browser: Sec-Fetch-Site, where there is one, says that a person typed the address; there
 *      is no Origin, and nothing that a form could send. There are no pages here that could be meant.
 *   2. without a token: Host is an address or localhost. A site whose name was made to lead to 127.0.0.1 (DNS rebinding)
 *      is of our own origin to a browser, but its name stands in Host. A token is what no such site has.
 *   3. the token, where there is one. */
#include <stdio.h>

#include "base/secret.h"
#include "http/accept.h"
#include "http/network.h"
#include "payer/admin/admin_internal.h"
#include "payer/routes/bearer.h"

/* "127.0.0.1:9443", "[::1]", "localhost": what no stranger's name server can make lead here. */
static bool is_nobodys_name(sb_str host)
{
    sb_address address;
    sb_str name = host, rest = host;
    if (host.len > 0 && host.ptr[0] == '[') {
        const char *end = memchr(host.ptr, ']', host.len);
        if (!end)
            return false;
        name = (sb_str){host.ptr + 1, (size_t)(end - host.ptr) - 1};
        rest = (sb_str){end + 1, host.len - name.len - 2};
        if (rest.len > 0 && rest.ptr[0] != ':')
            return false;
    } else {
        (void)sb_str_split(&rest, ':', &name);
    }
    return sb_str_eq_nocase(name, SB_STR_LIT("localhost")) || sb_address_parse(name, &address);
}

static bool host_is_ours(const sb_server_request *request)
{
    return sb_server_header_count(request, "Host") == 1 && is_nobodys_name(sb_server_header_first(request, "Host"));
}

static bool is_no_site(const sb_server_request *request)
{
    sb_str site = sb_server_header_first(request, "Sec-Fetch-Site");
    return sb_server_header_count(request, "Origin") == 0 && (site.len == 0 || sb_str_eq(site, SB_STR_LIT("none")));
}

/* What a form of any page can send, in browsers that are too old to say Origin. */
static bool is_form(const sb_server_request *request)
{
    static const char *const kinds[] = {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"};
    sb_str type = sb_server_header_first(request, "Content-Type");
    bool is = false;
    for (size_t i = 0; i < SB_ARRAY_LEN(kinds); i++)
        is = is || sb_content_type_is(type, kinds[i]);
    return is;
}

/* The digests are compared, in constant time: how far a guess was right is not to be seen. */
static bool shows_token(const sb_server_request *request, const sb_digest *token)
{
    sb_digest shown = sb_digest_of(sb_bearer_of(request));
    return sb_secret_equal(shown.bytes, token->bytes, sizeof(shown.bytes));
}

static bool token_of(sb_admin *admin, sb_digest *out)
{
    (void)pthread_mutex_lock(&admin->lock);
    bool has = admin->has_token;
    *out = admin->token;
    (void)pthread_mutex_unlock(&admin->lock);
    return has;
}

/* One line a second stands for all of them: nobody fills the disk by knocking. */
static void tell(sb_admin_turn *t)
{
    sb_admin *admin = t->admin;
    char more[64] = "";
    int64_t now = admin->o.clock->wall_s(admin->o.clock->impl), last = atomic_load(&admin->refused_s);
    if (last == now || !atomic_compare_exchange_strong(&admin->refused_s, &last, now)) {
        (void)atomic_fetch_add(&admin->left_out, 1);
        return;
    }
    uint64_t before = atomic_exchange(&admin->left_out, 0);
    if (before > 0)
        (void)snprintf(more, sizeof(more), "and %llu like it before", (unsigned long long)before);
    sb_audit_event event = {.event = "admin.refused",
                            .outcome = "refused",
                            .reason = t->reason,
                            .peer = t->request->peer,
                            .detail = more,
                            .members = -1};
    if (!sb_audit_add(admin->o.audit, &event))
        t->reason = "audit_unwritable"; /* it is refused all the same */
}

static void ask_for_token(sb_admin_turn *t)
{
    bool sent = sb_server_header_count(t->request, "Authorization") > 0;
    sb_admin_refuse(t, 401, sent ? "token_invalid" : "token_missing",
                    "the administration's token is missing, or another: Authorization: Bearer");
    sb_answer_header(t->answer, "WWW-Authenticate", "Bearer realm=\"smartbulk administration\"");
}

static bool judge(sb_admin_turn *t)
{
    sb_digest token;
    bool guarded = token_of(t->admin, &token);
    t->trusted = !guarded || shows_token(t->request, &token);
    if (!is_no_site(t->request) || is_form(t->request))
        sb_admin_refuse(t, 403, "cross_site", "no web page may ask here");
    else if (!guarded && !host_is_ours(t->request))
        sb_admin_refuse(t, 421, "host_unknown", "ask by the address, not by a name");
    else if (!t->trusted && !(t->route && t->route->is_open))
        ask_for_token(t);
    return !t->reason;
}

bool sb_admin_may(sb_admin_turn *t)
{
    bool may = judge(t);
    if (!may)
        tell(t);
    return may;
}
