/* SPDX-License-Identifier: Apache-2.0 */
/* job_request.c - one table says under which name each part of a request is kept. */
#include "payer/export/job_request.h"

#include <stddef.h>

#include "base/json.h"

static const struct {
    const char *name;
    size_t offset;
} lists[] =
    {
        {"types", offsetof(sb_job_request, types)},       {"elements", offsetof(sb_job_request, elements)},
        {"patients", offsetof(sb_job_request, patients)}, {"filters", offsetof(sb_job_request, type_filters)},
        {"others", offsetof(sb_job_request, others)},
},
  texts[] = {
      {"group", offsetof(sb_job_request, group_id)},
      {"since", offsetof(sb_job_request, since)},
      {"until", offsetof(sb_job_request, until)},
      {"format", offsetof(sb_job_request, output_format)},
      {"exportType", offsetof(sb_job_request, export_type)},
};

/* Kept when the export has run, too. */
static const char *const lasting[] = {"url", "level", "group", "scope", "partial", NULL};

static bool save_list(json_t *to, const char *name, const sb_job_list *list)
{
    SB_AUTOJSON items = json_array();
    for (size_t i = 0; i < list->count; i++) {
        if (json_array_append_new(items, json_stringn(list->items[i].ptr, list->items[i].len)) != 0)
            return false;
    }
    return list->count == 0 || json_object_set(to, name, items) == 0;
}

sb_status sb_job_request_save(const sb_job_request *request, char **out, sb_error *err)
{
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    SB_AUTOJSON json = json_pack("{s:s, s:i, s:b, s:b}", "url", request->request_url, "level", (int)request->level,
                                 "lenient", request->lenient, "partial", request->partial);
    bool ok = json != NULL;
    for (size_t i = 0; ok && i < SB_ARRAY_LEN(lists); i++)
        ok = save_list(json, lists[i].name,
                       (const sb_job_list *)(const void *)((const char *)request + lists[i].offset));
    for (size_t i = 0; ok && i < SB_ARRAY_LEN(texts); i++) {
        const sb_str *text = (const sb_str *)(const void *)((const char *)request + texts[i].offset);
        ok = text->len == 0 || json_object_set_new(json, texts[i].name, json_stringn(text->ptr, text->len)) == 0;
    }
    if (ok && request->scopes)
        ok = sb_scopes_format(request->scopes, &scope) &&
             json_object_set_new(json, "scope", json_string(sb_buf_cstr(&scope))) == 0;
    *out = ok ? sb_json_dump(json) : NULL;
    return *out ? SB_OK : sb_error_nomem(err);
}

void sb_kept_request_cleanup(sb_kept_request *kept)
{
    json_decref(kept->document);
    free(kept->texts);
    sb_scopes_cleanup(&kept->scopes);
    *kept = (sb_kept_request)SB_KEPT_REQUEST_INIT;
}

static sb_status damaged(sb_error *err)
{
    return sb_error_set(err, SB_E_INVALID, "an export's request could not be read again",
                        "its row in the database is not as it was written", "look who else writes into the database");
}

static bool as_text(const json_t *json, sb_str *out)
{
    *out = (sb_str){json_string_value(json), json_string_length(json)};
    return json_is_string(json);
}

static bool load_lists(sb_kept_request *kept)
{
    size_t at = 0;
    for (size_t i = 0; i < SB_ARRAY_LEN(lists); i++) {
        const json_t *items = json_object_get(kept->document, lists[i].name);
        sb_job_list *list = (sb_job_list *)(void *)((char *)&kept->request + lists[i].offset);
        *list = (sb_job_list){kept->texts + at, json_array_size(items)};
        for (size_t j = 0; j < list->count; j++) {
            if (!as_text(json_array_get(items, j), &kept->texts[at++]))
                return false;
        }
    }
    return true;
}

static size_t count_texts(const json_t *document)
{
    size_t count = 0;
    for (size_t i = 0; i < SB_ARRAY_LEN(lists); i++)
        count += json_array_size(json_object_get(document, lists[i].name));
    return count;
}

sb_status sb_kept_request_load(sb_str text, const char *client_id, sb_kept_request *out, sb_error *err)
{
    if (sb_json_parse_object(text, "an export's request", &out->document, err) != SB_OK)
        return damaged(err);
    const json_t *level = json_object_get(out->document, "level"), *scope = json_object_get(out->document, "scope");
    sb_job_request *request = &out->request;
    *request = (sb_job_request){.client_id = client_id,
                                .request_url = sb_json_str(out->document, "url"),
                                .level = (sb_job_level)json_integer_value(level),
                                .lenient = json_is_true(json_object_get(out->document, "lenient")),
                                .partial = json_is_true(json_object_get(out->document, "partial"))};
    if (!request->request_url || !json_is_integer(level) || request->level > SB_JOB_GROUP)
        return damaged(err);
    out->texts = calloc(count_texts(out->document) + 1, sizeof(*out->texts));
    if (!out->texts)
        return sb_error_nomem(err);
    if (!load_lists(out))
        return damaged(err);
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++) {
        const json_t *value = json_object_get(out->document, texts[i].name);
        if (value && !as_text(value, (sb_str *)(void *)((char *)request + texts[i].offset)))
            return damaged(err);
    }
    if (!scope)
        return SB_OK;
    if (!json_is_string(scope) || sb_scopes_parse(json_string_value(scope), &out->scopes, err) != SB_OK)
        return damaged(err);
    request->scopes = &out->scopes;
    return SB_OK;
}

sb_status sb_kept_request_shorten(const sb_kept_request *kept, char **out, sb_error *err)
{
    SB_AUTOJSON json = json_object();
    for (const char *const *name = lasting; *name; name++) {
        json_t *value = json_object_get(kept->document, *name);
        if (value && json_object_set(json, *name, value) != 0)
            return sb_error_nomem(err);
    }
    *out = json ? sb_json_dump(json) : NULL;
    return *out ? SB_OK : sb_error_nomem(err);
}
