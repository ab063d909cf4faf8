/* SPDX-License-Identifier: Apache-2.0 */
/* assertion_check.c - runs the steps until one fails. Where it fails before a signature was tried, or the key is of a size
 * that the signature cannot be of, one is tried all the same: the time to the answer tells nobody which client ids there
 * are, and who knows a kid not how long that key is. */
#include "payer/auth/assertion_check.h"

#include "payer/auth/assertion_steps.h"

static void free_texts(char **texts)
{
    for (char **text = texts; text && *text; text++)
        free(*text);
    free((void *)texts);
}

static sb_status copy_algs(const char *const *algs, char ***out, sb_error *err)
{
    size_t count = 0;
    while (algs[count])
        count++;
    char **copy = (char **)calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = sb_str_dup(sb_str_from(algs[i]));
        if (!copy[i]) {
            free_texts(copy);
            copy = NULL;
        }
    }
    *out = copy;
    return copy ? SB_OK : sb_error_nomem(err);
}

sb_status sb_assertion_checker_new(const sb_assertion_policy *policy, sb_assertion_checker **out, sb_error *err)
{
    SB_AUTOPTR(sb_assertion_checker) checker = calloc(1, sizeof(*checker));
    if (!checker)
        return sb_error_nomem(err);
    checker->clients = policy->clients;
    checker->keys = policy->keys;
    checker->clock = policy->clock;
    checker->token_url = sb_str_dup(sb_str_from(policy->token_url));
    checker->issuer = sb_str_dup(sb_str_from(policy->issuer));
    if (!checker->token_url || !checker->issuer)
        return sb_error_nomem(err);
    SB_TRY(copy_algs(policy->algs, &checker->algs, err));
    SB_TRY(sb_decoy_new(&checker->decoy, err));
    *out = checker;
    checker = NULL;
    return SB_OK;
}

void sb_assertion_checker_free(sb_assertion_checker *checker)
{
    if (!checker)
        return;
    free(checker->token_url);
    free(checker->issuer);
    free_texts(checker->algs);
    sb_decoy_free(checker->decoy);
    free(checker);
}

void sb_assertion_good_cleanup(sb_assertion_good *good)
{
    sb_client_free(good->client);
    free(good->jti);
    *good = (sb_assertion_good)SB_ASSERTION_GOOD_INIT;
}

static sb_refusal take_good(const sb_trial *t, sb_assertion_good *out)
{
    out->jti = sb_str_dup(t->jti);
    if (!out->jti)
        return SB_REFUSAL_INTERNAL;
    out->dead_s = t->exp + SB_ASSERTION_SKEW_S;
    out->client = sb_client_ref(t->client);
    return SB_REFUSAL_NONE;
}

static void tell_claimed(const sb_trial *t, char *claimed)
{
    if (t->iss.len > 0 && t->iss.len <= SB_CLIENT_ID_MAX && sb_str_is_text(t->iss))
        memcpy(claimed, t->iss.ptr, t->iss.len + 1); /* jansson ends its texts with a NUL */
}

/* Did the steps before `end`, where they ended, or that one itself, cost what a signature costs? */
static bool was_tried(const sb_trial *t, size_t end)
{
    return end > SB_CHECK_SIGNATURE || (end == SB_CHECK_SIGNATURE && sb_jws_length_fits(&t->jws, t->key));
}

sb_refusal sb_assertion_check(const sb_assertion_checker *checker, sb_str assertion, sb_str client_id,
                              char claimed[SB_CLIENT_ID_MAX + 1], sb_assertion_good *out)
{
    SB_AUTO(sb_trial) t = SB_TRIAL_INIT;
    sb_refusal refusal = SB_REFUSAL_NONE;
    size_t i = 0;
    sb_trial_begin(&t, checker, assertion, client_id);
    while (i < SB_CHECK_COUNT && (refusal = sb_check_rules[i].run(&t)) == SB_REFUSAL_NONE)
        i++;
    if (i >= SB_CHECK_CLAIMS && !was_tried(&t, i))
        sb_decoy_verify(checker->decoy, &t.jws);
    if (claimed) {
        claimed[0] = '\0';
        tell_claimed(&t, claimed);
    }
    out->show_reason = t.client && t.client->show_reasons;
    return refusal == SB_REFUSAL_NONE ? take_good(&t, out) : refusal;
}
