/* SPDX-License-Identifier: Apache-2.0 */
/* page_debugger.c - a client assertion is pasted, and each check of the token endpoint is shown passed or failed, with
 * the reason: for the engineer who gets no token. Uses nothing up, and keeps nothing.                          AUTH-06
 *
 * What an assertion says of itself anybody may be told. What the register says of its client (that there is one, its
 * state, its keys) is told to whose client it is, and to administrators. */
#include <ctype.h>

#include "base/json.h"
#include "jose/jws.h"
#include "payer/auth/assertion_explain.h"
#include "payer/portal/own_clients.h"

/* What was pasted, made out. */
typedef struct specimen {
    sb_buf assertion, client_id; /* client_id: of a token request that was pasted whole; else empty */
    sb_jws jws;                  /* of the assertion, as far as it can be read */
    json_t *claims;
} specimen;

static void specimen_cleanup(specimen *s)
{
    sb_buf_cleanup(&s->assertion);
    sb_buf_cleanup(&s->client_id);
    sb_jws_cleanup(&s->jws);
    json_decref(s->claims);
}

/* Making out */

/* The value behind "name=", up to where a form, a shell or a line ends it; false: it is not there. */
static bool find_value(const char *text, const char *name, sb_str *out)
{
    const char *at = strstr(text, name);
    if (!at)
        return false;
    at += strlen(name);
    *out = (sb_str){at, strcspn(at, "& \t\r\n'\"\\")};
    return true;
}

/* An assertion by itself, in however many lines; or a token request's form, or the command that sends it. */
static bool make_out(const char *text, specimen *s)
{
    sb_str value;
    if (find_value(text, "client_id=", &value) && !sb_buf_add_str(&s->client_id, value))
        return false;
    if (find_value(text, "client_assertion=", &value))
        return sb_buf_add_str(&s->assertion, value);
    for (; *text; text++) {
        if (!isspace((unsigned char)*text) && !sb_buf_add_char(&s->assertion, *text))
            return false;
    }
    return true;
}

static void read_parts(specimen *s)
{
    if (sb_jws_parse(sb_buf_str(&s->assertion), &s->jws, NULL) == SB_OK)
        (void)sb_json_parse_object(sb_buf_str(&s->jws.payload), "the claims", &s->claims, NULL);
}

/* Whose client may be spoken of: NULL is everybody's, "" is nobody's. */
static sb_status choose_client(const sb_turn *t, const specimen *s, sb_client **own, const char **of_client,
                               sb_error *err)
{
    const char *iss = s->claims ? sb_json_str(s->claims, "iss") : NULL;
    *of_client = NULL;
    if (sb_visitor_administers(t))
        return SB_OK;
    sb_status status = iss ? sb_own_client_find(t, iss, own, err) : SB_E_NOT_FOUND;
    *of_client = *own ? (*own)->id : "";
    return status == SB_E_NOT_FOUND ? SB_OK : status;
}

/* Showing */

static void ask(sb_turn *t, bool again)
{
    SB_HTML(&t->html, "<section class=\"card\"><h2>{}</h2><form method=\"post\" action=\"/portal/debugger\">",
            again ? "Another one" : "An assertion");
    sb_form_token(t);
    SB_HTML(
        &t->html,
        "<label for=\"assertion\">Paste it</label><p class=\"hint\">The assertion alone, or the whole token request "
        "with <code>client_assertion=</code> in it. It is looked at and not kept, and is not used up: it may still "
        "get a token.</p><textarea id=\"assertion\" name=\"assertion\" spellcheck=\"false\" autocomplete=\"off\" "
        "placeholder=\"eyJhbGciOiJFUzM4NCIs…\"></textarea>"
        "<div class=\"actions\"><button>Look at it</button></div></form></section>");
}

static void step(sb_turn *t, const sb_check_step *s)
{
    static const char *const classes[] = {"plain", "good", "bad"}, *const marks[] = {"–", "✓", "✗"};
    static const char *const words[] = {"not reached", "passed", "failed"};
    SB_HTML(&t->html,
            "<li class=\"{}\"><span class=\"mark\" role=\"img\" aria-label=\"{}\">{}</span><strong>{}</strong>",
            classes[s->result], words[s->result], marks[s->result], s->title);
    if (s->result == SB_CHECK_FAILED)
        SB_HTML(&t->html, "<p>{} <code>{}</code></p>", sb_refusal_text(s->refusal), sb_refusal_name(s->refusal));
    if (s->result == SB_CHECK_NOT_REACHED)
        SB_HTML(&t->html, "<p class=\"soft\">Not reached: what it needs has failed.</p>");
    else if (s->detail[0])
        SB_HTML(&t->html, "<p class=\"soft\">{}</p>", s->detail);
    SB_HTML(&t->html, "</li>");
}

static void verdict(sb_turn *t, const sb_explanation *e)
{
    if (e->refusal == SB_REFUSAL_NONE) {
        sb_notice(
            t, SB_TONE_GOOD, "Every check passes",
            "It gets a token, if it was not used before and the scope that is sent with it is granted: neither is "
            "tried here.");
        return;
    }
    SB_HTML(
        &t->html,
        "<div class=\"notice bad\" role=\"status\"><strong>It gets no token: <code>{}</code></strong><p>That is the "
        "first check that fails, and the reason in the payer's audit log. On the wire it is called "
        "<code>invalid_client</code>, whatever the reason.</p></div>",
        sb_refusal_name(e->refusal));
}

static void checks(sb_turn *t, const sb_explanation *e)
{
    SB_HTML(&t->html, "<section class=\"card\"><h2>The checks, in their order</h2><ol class=\"checks\">");
    for (size_t i = 0; i < SB_CHECK_COUNT; i++)
        step(t, &e->steps[i]);
    SB_HTML(&t->html, "</ol></section>");
}

static void part(sb_turn *t, const char *title, const json_t *json)
{
    SB_AUTOFREE text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    SB_HTML(&t->html, "<h3>{}</h3><pre tabindex=\"0\">{}</pre>", title, text ? text : "It cannot be read.");
}

static void parts(sb_turn *t, const specimen *s)
{
    SB_HTML(&t->html, "<section class=\"card\"><h2>What it says</h2>");
    part(t, "Header", s->jws.header);
    part(t, "Claims", s->claims);
    SB_HTML(&t->html, "</section>");
}

static void begin(sb_turn *t)
{
    sb_page_begin(t, "Token debugger", "Token debugger");
    SB_HTML(&t->html,
            "<h1>Token debugger</h1><p class=\"lead\">Why does the token endpoint refuse an assertion? The very "
            "checks that it makes, one by one.</p>");
}

void sb_page_debugger(sb_turn *t)
{
    begin(t);
    ask(t, false);
    sb_page_end(t, 200);
}

static void show(sb_turn *t, const specimen *s, const char *of_client)
{
    sb_explanation e;
    sb_assertion_explain(t->service->checker, sb_buf_str(&s->assertion), sb_buf_str(&s->client_id), of_client, &e);
    begin(t);
    if (e.refusal == SB_REFUSAL_CLIENT_UNKNOWN && of_client) /* which need not be what the token endpoint says */
        sb_notice(
            t, SB_TONE_WARN, "It names no client of yours",
            "What is known of a client is shown to whose client it is alone. The payer's team can make one yours.");
    else
        verdict(t, &e);
    SB_HTML(&t->html, "<div class=\"grid top\">");
    checks(t, &e);
    parts(t, s);
    SB_HTML(&t->html, "</div>");
    ask(t, true);
    sb_page_end(t, 200);
}

void sb_page_debugger_do(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOPTR(sb_client) own = NULL;
    SB_AUTO(specimen) s = {.claims = NULL};
    const char *of_client = "";
    sb_status status = make_out(sb_turn_field(t, "assertion"), &s) ? SB_OK : sb_error_nomem(&err);
    if (status == SB_OK) {
        read_parts(&s);
        status = choose_client(t, &s, &own, &of_client, &err);
    }
    if (status == SB_OK)
        show(t, &s, of_client);
    else
        sb_page_fail(t, &err);
}
