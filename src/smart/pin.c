/* SPDX-License-Identifier: Apache-2.0 */
/* pin.c - reads, compares and writes one pin file. Owns no state. */
#include "smart/pin.h"

#include <openssl/sha.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "smart/foreign_text.h"

#define PIN_MAX    (80 * 1024) /* five URLs of at most 16 KB */
#define PIN_FORMAT 1

#define NAME_BYTES 16 /* 128 bits tell any number of payers apart */

/* `state_dir`/pins/HASH.json: URLs make no file names. */
static char *pin_path(const char *state_dir, const sb_pin *pin)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char name[2 * NAME_BYTES + 1];
    SB_AUTOFREE who = sb_printf("%s\n%s", pin->fhir_url, pin->client_id ? pin->client_id : "");
    if (!who)
        return NULL;
    (void)SHA256((const unsigned char *)who, strlen(who), hash); /* fails for no input */
    sb_hex(hash, NAME_BYTES, name);
    return sb_printf("%s/pins/%s.json", state_dir, name);
}

static bool differs(const char *pinned, const char *now)
{
    return pinned && now && strcmp(pinned, now) != 0;
}

static sb_status refuse(const char *path, const char *name, const char *pinned, const char *now, const char *option,
                        sb_error *err)
{
    char was[260], is[260];
    sb_error_set(err, SB_E_AUTH, "the payer now names another authorization server than before",
                 "its %s was %s when a token last came, and is %s now; an assertion sent to the wrong server is a "
                 "credential given away",
                 NULL, name, sb_foreign_text(sb_str_from(pinned), was, sizeof(was)),
                 sb_foreign_text(sb_str_from(now), is, sizeof(is)));
    sb_error_fix(err, "ask the payer, by a way you know, whether it moved. Only if it did: rm '%.400s'%s", path,
                 option);
    return SB_E_AUTH;
}

/* The audience is the token endpoint, the issuer, or what a person configured: comparing the first two compares it, and
 * a person who changes the profile is not stopped. */
static sb_status compare(const char *path, const json_t *pinned, const sb_pin *now, sb_error *err)
{
    const char *token_url = sb_json_str(pinned, "token_url");
    const char *issuer = sb_json_str(pinned, "issuer");
    if (!now->token_url_is_configured && differs(token_url, now->token_url))
        return refuse(path, "token endpoint", token_url, now->token_url, "\nor give the new one as token_url", err);
    if (!now->issuer_is_moot && differs(issuer, now->issuer))
        return refuse(path, "issuer", issuer, now->issuer, "", err);
    return SB_OK;
}

/* *out NULL: there is no pin. */
static sb_status read_pin(const char *path, json_t **out, sb_error *err)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_error why = SB_ERROR_INIT;
    *out = NULL;
    sb_status status = sb_file_read_private(path, PIN_MAX, &text, &why);
    if (status == SB_E_NOT_FOUND)
        return SB_OK;
    if (status == SB_OK)
        status = sb_json_parse_object(sb_buf_str(&text), "the pin of this payer", out, &why);
    if (status == SB_OK && (!sb_json_str(*out, "token_url") || !sb_json_str(*out, "audience"))) {
        json_decref(*out);
        *out = NULL;
        status = sb_error_set(&why, SB_E_INVALID, "the pin of this payer could not be understood", "%s is not complete",
                              NULL, path);
    }
    if (status == SB_E_INVALID) { /* never take a damaged pin for none: that would be a way around it */
        sb_error_fix(&why, "if you do not know why, ask your security officer; rm '%.400s' begins anew", path);
        why.code = status = SB_E_USAGE;
    }
    if (status != SB_OK && err)
        *err = why;
    return status;
}

sb_status sb_pin_check(const char *state_dir, const sb_pin *now, sb_error *err)
{
    SB_AUTOJSON pinned = NULL;
    SB_AUTOFREE path = pin_path(state_dir, now);
    if (!path)
        return sb_error_nomem(err);
    SB_TRY(read_pin(path, &pinned, err));
    return pinned ? compare(path, pinned, now, err) : SB_OK;
}

static bool same(const char *was, const char *now)
{
    return was ? now && strcmp(was, now) == 0 : !now;
}

sb_status sb_pin_save(const char *state_dir, const sb_pin *agreed, sb_error *err)
{
    SB_AUTOJSON pinned = NULL;
    SB_AUTOJSON pin = NULL;
    SB_AUTOFREE path = pin_path(state_dir, agreed);
    SB_AUTOFREE dir = sb_path_join(state_dir, "pins");
    if (!path || !dir)
        return sb_error_nomem(err);
    SB_TRY(read_pin(path, &pinned, err));
    const char *was_issuer = sb_json_str(pinned, "issuer");
    const char *issuer = agreed->issuer ? agreed->issuer : was_issuer; /* not asked this time: still true */
    if (pinned && same(sb_json_str(pinned, "token_url"), agreed->token_url) &&
        same(sb_json_str(pinned, "audience"), agreed->audience) && same(was_issuer, issuer))
        return SB_OK;
    if (pinned && agreed->issuer == NULL && !same(sb_json_str(pinned, "token_url"), agreed->token_url))
        issuer = NULL; /* another server, by a person's word: the old one's issuer is not its own */
    pin = json_pack("{s:i, s:s, s:s?, s:s, s:s, s:s*}", "format", PIN_FORMAT, "fhir_url", agreed->fhir_url, "client_id",
                    agreed->client_id, "token_url", agreed->token_url, "audience", agreed->audience, "issuer", issuer);
    SB_AUTOFREE text = pin ? sb_json_dump(pin) : NULL;
    if (!text)
        return sb_error_nomem(err);
    SB_TRY(sb_dir_make(dir, 0700, err));
    return sb_file_write_atomic(path, 0600, sb_str_from(text), err);
}
