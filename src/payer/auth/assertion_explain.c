/* SPDX-License-Identifier: Apache-2.0 */
/* assertion_explain.c - runs every step whose needs are met, and says in words what it found. */
#include "payer/auth/assertion_explain.h"

#include <stdarg.h>

#include "payer/auth/assertion_steps.h"

#define SHOWN_MAX 100 /* bytes of a text that is not ours: enough to recognise it */

SB_PRINTF(2, 3) static void say(sb_check_step *step, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(step->detail, sizeof(step->detail), fmt, args);
    va_end(args);
}

/* A text of the assertion's, fit to be shown: cut at a character. */
static const char *shown(sb_str text, char buf[SHOWN_MAX + 4])
{
    if (!sb_str_is_text(text))
        return "(not printable)";
    size_t len = SB_MIN(text.len, (size_t)SHOWN_MAX);
    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    (void)snprintf(buf, SHOWN_MAX + 4, "%.*s%s", (int)len, text.ptr, len < text.len ? "..." : "");
    return buf;
}

static void say_text(sb_check_step *step, const char *name, sb_str text)
{
    char buf[SHOWN_MAX + 4];
    if (text.len > 0)
        say(step, "%s is %s", name, shown(text, buf));
}

/* How far a time is from ours. */
static void say_time(sb_check_step *step, const sb_trial *t, const char *name)
{
    const json_t *value = json_object_get(t->claims, name);
    if (!value) {
        say(step, "%s is not there", name);
        return;
    }
    double away = json_is_number(value) ? json_number_value(value) - (double)t->now : 0;
    if (!json_is_number(value) || away > 1e9 || away < -1e10)
        say(step, "%s is no time in seconds since 1970", name);
    else if (away >= 0)
        say(step, "%s is %.0f s ahead of this server's clock", name, away);
    else
        say(step, "%s is %.0f s behind this server's clock", name, -away);
}

static void say_algs(sb_check_step *step, const sb_trial *t)
{
    SB_AUTO(sb_buf) list = SB_BUF_INIT;
    char buf[SHOWN_MAX + 4];
    for (char *const *alg = t->checker->algs; *alg; alg++) {
        if (!sb_buf_printf(&list, "%s%s", list.len ? ", " : "", *alg))
            return;
    }
    say(step, "alg is %s; allowed are %s", shown(sb_str_from(t->jws.alg), buf), sb_buf_cstr(&list));
}

/* The kids there are, where the one that was named is not among them. */
static void say_kids(sb_check_step *step, const sb_trial *t)
{
    SB_AUTO(sb_buf) list = SB_BUF_INIT;
    char buf[SHOWN_MAX + 4], kid[SHOWN_MAX + 4];
    const sb_jwks *set = t->client->jwks ? t->client->jwks : t->keyset ? t->keyset->jwks : NULL;
    if (!set) {
        say(step, "%.180s: %.180s", t->key_err.why, t->key_err.fix);
        return;
    }
    for (size_t i = 0; i < sb_jwks_count(set) && list.len < SB_CHECK_DETAIL_SIZE / 2; i++) {
        const char *one = shown(sb_str_from(sb_key_kid(sb_jwks_at(set, i))), kid);
        if (!sb_buf_printf(&list, "%s%s", list.len ? ", " : "", one))
            return;
    }
    say(step, "kid is %s; registered are %s", shown(sb_str_from(t->jws.kid), buf), sb_buf_cstr(&list));
}

static void say_aud(sb_check_step *step, const sb_trial *t)
{
    char buf[SHOWN_MAX + 4];
    const json_t *aud = json_object_get(t->claims, "aud");
    bool smart = t->client->profile == SB_PROFILE_SMART;
    const char *want = smart ? t->checker->token_url : t->checker->issuer;
    sb_str text = sb_trial_text(t->claims, "aud");
    if (json_is_string(aud))
        say(step, "aud is %s; it %s %.150s", shown(text, buf), smart ? "must be" : "must be, alone,", want);
    else
        say(step, "aud has %zu values; %s %.150s", json_array_size(aud), smart ? "one must be" : "it must be, alone,",
            want);
}

static void describe_client(sb_check_step *step, const sb_trial *t, sb_check check)
{
    switch (check) {
    case SB_CHECK_STATE:
        say(step, "it is %s", sb_client_state_name(t->client->state));
        break;
    case SB_CHECK_PROFILE:
        say(step, "its profile is %s", sb_client_profile_name(t->client->profile));
        break;
    case SB_CHECK_JKU:
        say_text(step, "jku", sb_trial_text(t->jws.header, "jku"));
        break;
    case SB_CHECK_KEY:
        say_kids(step, t);
        break;
    case SB_CHECK_KEY_ALG:
        say(step, "the key is %s, for %s; alg is %s", sb_key_kind(t->key), sb_key_alg(t->key), t->alg);
        break;
    case SB_CHECK_AUD:
        say_aud(step, t);
        break;
    default:
        break;
    }
}

static void describe(sb_check_step *step, const sb_trial *t, sb_check check)
{
    switch (check) {
    case SB_CHECK_SIZE:
        say(step, "it has %zu bytes; %d are allowed", t->assertion.len, SB_JWS_MAX_BYTES);
        break;
    case SB_CHECK_TYP:
        say_text(step, "typ", sb_trial_text(t->jws.header, "typ"));
        break;
    case SB_CHECK_ALG:
        say_algs(step, t);
        break;
    case SB_CHECK_KID:
        say_text(step, "kid", sb_str_from(t->jws.kid));
        break;
    case SB_CHECK_ISS:
        say_text(step, "iss", t->iss);
        break;
    case SB_CHECK_SUB:
        say_text(step, "sub", sb_trial_text(t->claims, "sub"));
        break;
    case SB_CHECK_EXP:
        say_time(step, t, "exp");
        break;
    case SB_CHECK_IAT:
        say_time(step, t, "iat");
        break;
    case SB_CHECK_NBF:
        say_time(step, t, "nbf");
        break;
    case SB_CHECK_JTI:
        say(step, "jti has %zu bytes; %d are allowed. Whether it was used before is not tried here", t->jti.len,
            SB_ASSERTION_JTI_MAX);
        break;
    default:
        describe_client(step, t, check);
    }
}

static void run_step(sb_trial *t, sb_check check, uint32_t *passed, sb_explanation *out)
{
    const sb_check_rule *rule = &sb_check_rules[check];
    sb_check_step *step = &out->steps[check];
    *step = (sb_check_step){.name = rule->name, .title = rule->title, .result = SB_CHECK_NOT_REACHED};
    if ((rule->needs & *passed) != rule->needs)
        return;
    step->refusal = rule->run(t);
    step->result = step->refusal == SB_REFUSAL_NONE ? SB_CHECK_PASSED : SB_CHECK_FAILED;
    if (step->result == SB_CHECK_PASSED)
        *passed |= SB_CHECK_BIT(check);
    else if (out->refusal == SB_REFUSAL_NONE)
        out->refusal = step->refusal;
    describe(step, t, check);
}

void sb_assertion_explain(const sb_assertion_checker *checker, sb_str assertion, sb_str client_id,
                          const char *of_client, sb_explanation *out)
{
    SB_AUTO(sb_trial) t = SB_TRIAL_INIT;
    uint32_t passed = 0;
    *out = (sb_explanation){.refusal = SB_REFUSAL_NONE};
    sb_trial_begin(&t, checker, assertion, client_id);
    t.of_client = of_client;
    for (size_t i = 0; i < SB_CHECK_COUNT; i++)
        run_step(&t, (sb_check)i, &passed, out);
}
