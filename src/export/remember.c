/* SPDX-License-Identifier: Apache-2.0 */
/* remember.c - the state folder's files of exports. Owns no state in memory. */
#include "export/remember.h"

#include <openssl/sha.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "fhir/instant.h"

#define FOLDER   "exports"
#define FILE_MAX 4096 /* one member */

static char *path_of(const char *state_dir, const char *kind, const char *id)
{
    return sb_printf("%s/" FOLDER "/%s-%s.json", state_dir, kind, id);
}

/* The text of a file's only member, malloc'ed; NULL when there is no such file. */
static sb_status get(const char *path, const char *member, char **out, sb_error *err)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTOJSON json = NULL;
    *out = NULL;
    sb_status status = sb_file_read_private(path, FILE_MAX, &text, err);
    if (status == SB_E_NOT_FOUND)
        return SB_OK;
    SB_TRY(status);
    const char *value =
        sb_json_parse_object(sb_buf_str(&text), path, &json, NULL) == SB_OK ? sb_json_str(json, member) : NULL;
    if (!value)
        return sb_error_set(err, SB_E_USAGE, "what was remembered of an earlier export cannot be read",
                            "%s is none of ours", "remove it, and begin with a full export", path);
    *out = sb_str_dup(sb_str_from(value));
    return *out ? SB_OK : sb_error_nomem(err);
}

static sb_status set(const char *state_dir, const char *path, const char *member, const char *value, sb_error *err)
{
    SB_AUTOFREE folder = sb_path_join(state_dir, FOLDER);
    SB_AUTOJSON json = json_pack("{s:s}", member, value);
    SB_AUTOFREE text = json ? sb_json_dump(json) : NULL;
    if (!folder || !text)
        return sb_error_nomem(err);
    SB_TRY(sb_dir_make(folder, 0700, err));
    return sb_file_write_atomic(path, 0600, sb_str_from(text), err);
}

sb_status sb_remember_since_get(const char *state_dir, const char *fingerprint, char **out, sb_error *err)
{
    *out = NULL;
    if (!state_dir)
        return SB_OK;
    SB_AUTOFREE path = path_of(state_dir, "since", fingerprint);
    if (!path)
        return sb_error_nomem(err);
    SB_TRY(get(path, "transactionTime", out, err));
    sb_instant instant;
    if (!*out || sb_instant_parse(sb_str_from(*out), &instant, NULL) == SB_OK)
        return SB_OK;
    free(*out);
    *out = NULL;
    return sb_error_set(err, SB_E_USAGE, "what was remembered of an earlier export cannot be read",
                        "%s holds no instant", "remove it, and begin with a full export", path);
}

sb_status sb_remember_since_set(const char *state_dir, const char *fingerprint, const char *instant, sb_error *err)
{
    if (!state_dir)
        return SB_OK;
    SB_AUTOFREE path = path_of(state_dir, "since", fingerprint);
    return path ? set(state_dir, path, "transactionTime", instant, err) : sb_error_nomem(err);
}

static char *method_path(const char *state_dir, const char *fhir_url)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char id[2 * SHA256_DIGEST_LENGTH + 1];
    (void)SHA256((const unsigned char *)fhir_url, strlen(fhir_url), digest);
    sb_hex(digest, sizeof(digest), id);
    return path_of(state_dir, "method", id);
}

sb_export_method sb_remember_method_get(const char *state_dir, const char *fhir_url)
{
    SB_AUTOFREE path = state_dir ? method_path(state_dir, fhir_url) : NULL;
    SB_AUTOFREE value = NULL;
    if (!path || get(path, "method", &value, NULL) != SB_OK || !value)
        return SB_EXPORT_METHOD_AUTO;
    return strcmp(value, "POST") == 0  ? SB_EXPORT_METHOD_POST
           : strcmp(value, "GET") == 0 ? SB_EXPORT_METHOD_GET
                                       : SB_EXPORT_METHOD_AUTO;
}

void sb_remember_method_set(const char *state_dir, const char *fhir_url, sb_export_method method)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOFREE path = state_dir ? method_path(state_dir, fhir_url) : NULL;
    if (!path || sb_remember_method_get(state_dir, fhir_url) == method)
        return;
    if (set(state_dir, path, "method", method == SB_EXPORT_METHOD_POST ? "POST" : "GET", &err) != SB_OK)
        sb_log_info("how this payer is asked was not remembered: %s: %s", err.what, err.why);
}
