/* SPDX-License-Identifier: Apache-2.0 */
/* portal_fixture.h - the payer of service_fixture.h with its pages: a database, an audit log, somebody who is signed in;
 * and forms sent as a browser sends them. For the tests of the portal alone. */
#ifndef SB_TEST_PORTAL_FIXTURE_H
#define SB_TEST_PORTAL_FIXTURE_H

#include "service_fixture.h"

#include "payer/ops/audit_search.h"
#include "payer/portal/portal.h"
#include "payer/state/schema.h"

#define FROM_US    "Sec-Fetch-Site: same-origin\n"
#define COOKIE     "__Host-smartbulk"
#define COOKIE_MAX 256

typedef struct desk {
    fixture *f;
    char *database, *audit_file;
    sb_pool *pool;
    sb_portal_store *store;
    sb_portal *portal;
    sb_portal_options options;
    char cookie[COOKIE_MAX]; /* "Cookie: …\n" of who is signed in; "": nobody */
    char event[256];         /* the newest of the audit log: "event outcome reason client actor" */
} desk;

static void desk_open(desk *d)
{
    d->options.base_url = BASE;
    d->options.store = d->store;
    d->options.pool = d->pool;
    d->options.audit_file = d->audit_file;
    assert_ok(sb_portal_new(&d->options, &d->portal, NULL));
    d->f->options.pages = sb_portal_pages(d->portal);
    fixture_reopen(d->f);
}

/* Again with other options. */
static SB_UNUSED void desk_reopen(desk *d)
{
    sb_portal_free(d->portal);
    desk_open(d);
}

static int desk_set_up(void **state)
{
    desk *d = calloc(1, sizeof(*d));
    void *f = NULL;
    if (!d || set_up(&f) != 0)
        return -1;
    d->f = f;
    d->database = sb_path_join(d->f->dir, "payer.db");
    d->audit_file = sb_path_join(d->f->dir, "audit.ndjson");
    assert_ok(sb_payer_pool(d->database, 2, &d->pool, NULL));
    assert_ok(sb_portal_store_new(d->pool, &d->f->clock.clock, &d->store, NULL));
    assert_ok(sb_audit_open(d->audit_file, false, &d->f->clock.clock, &d->f->options.audit, NULL));
    d->options.registration = SB_PORTAL_REGISTRATION_PENDING;
    d->options.token_lifetime_s = LIFETIME;
    d->options.export_keep_s = 3600;
    desk_open(d);
    *state = d;
    return 0;
}

static int desk_tear_down(void **state)
{
    desk *d = *state;
    void *f = d->f;
    sb_audit *audit = d->f->options.audit;
    int rc = tear_down(&f);
    sb_audit_free(audit);
    sb_portal_free(d->portal);
    sb_portal_store_free(d->store);
    sb_pool_free(d->pool);
    free(d->database);
    free(d->audit_file);
    free(d);
    return rc;
}

/* Pages */

static void look(desk *d, const char *target, reply *out)
{
    get(d->f, target, d->cookie, out);
}

/* The value that a form of this page brings back; malloc'ed. */
static char *form_token(const reply *page)
{
    static const char before[] = "name=\"form_token\" value=\"";
    const char *at = strstr(page->body, before);
    assert_non_null(at);
    at += sizeof(before) - 1;
    return sb_str_dup((sb_str){at, strcspn(at, "\"")});
}

/* "name=value&…", already encoded, to be sent by who is signed in, from a page of ours. */
static SB_UNUSED void send_form(desk *d, const char *target, const char *fields, reply *out)
{
    SB_AUTO(reply) page = REPLY_INIT;
    look(d, "/portal", &page);
    SB_AUTOFREE token = form_token(&page);
    SB_AUTOFREE body = sb_printf("form_token=%s&%s", token, fields);
    SB_AUTOFREE headers = sb_printf(FORM FROM_US "%s", d->cookie);
    send_to(d->f, "POST", target, headers, sb_str_from(body), out);
}

static SB_UNUSED bool add_field(sb_buf *form, const char *name, const char *value)
{
    return sb_buf_printf(form, "%s%s=", form->len ? "&" : "", name) && sb_url_encode(sb_str_from(value), form);
}

/* Keep the cookie that an answer sets. */
static void keep_cookie(desk *d, const reply *r)
{
    const char *set = reply_header(r, "Set-Cookie");
    assert_non_null(set);
    (void)snprintf(d->cookie, sizeof(d->cookie), "Cookie: %.*s\n", (int)strcspn(set, ";"), set);
}

/* By a link, as a person does. */
static SB_UNUSED void sign_in(desk *d, const char *who, sb_portal_role role)
{
    char secret[SB_PORTAL_SECRET_SIZE];
    sb_portal_person person;
    SB_AUTO(reply) r = REPLY_INIT;
    assert_ok(sb_portal_person_set(&person, role, sb_str_from(who), NULL));
    assert_ok(sb_portal_link_new(d->store, &person, 60, secret, NULL));
    SB_AUTOFREE body = sb_printf("link=%s", secret);
    send_to(d->f, "POST", "/portal/sign-in", FORM FROM_US, sb_str_from(body), &r);
    assert_int_equal(r.status, 303);
    keep_cookie(d, &r);
}

/* The audit log */

static sb_status on_event_found(void *context, const json_t *event, bool believed, sb_error *err)
{
    static const char *const names[] = {"event", "outcome", "reason", "client", "actor"};
    desk *d = context;
    (void)err;
    assert_true(believed);
    size_t len = 0;
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        const char *text = sb_json_str(event, names[i]);
        int n = snprintf(d->event + len, sizeof(d->event) - len, "%s%s", i ? " " : "", text ? text : "-");
        assert_true(n >= 0 && (size_t)n < sizeof(d->event) - len);
        len += (size_t)n;
    }
    return SB_OK;
}

static SB_UNUSED const char *newest_event(desk *d)
{
    uint64_t next = 0;
    sb_audit_query query = {.limit = 1};
    d->event[0] = '\0';
    assert_ok(sb_audit_search(d->audit_file, &query, on_event_found, d, &next, NULL));
    return d->event;
}

#endif
