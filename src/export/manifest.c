/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.c - reads one manifest page. Owns the scan, the journal's transaction and the page's file under way. */
#include "export/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "base/secret.h"
#include "export/json_scan.h"
#include "export/links.h"
#include "fhir/instant.h"
#include "smart/foreign_text.h"

#define PART_NAME SB_FOLDER_STATE "/manifest.part"
#define WHAT      "the payer's manifest"
/* 10,000,000 items, which is where the journal stops, of 400 bytes: an endless page must not fill the disk. */
#define PAGE_MAX   (UINT64_C(4) << 30)
#define HEAD_SHOWN 160 /* of a body that is no manifest: enough to recognise a proxy's error page */

/* What was seen already: a member twice would mean that two readers read two manifests. */
enum {
    SEEN_OUTPUT = 1,
    SEEN_ERROR = 2,
    SEEN_OUTCOME = 4,
    SEEN_DELETED = 8,
    SEEN_LINK = 16,
    SEEN_TIME = 32,
    SEEN_TOKEN = 64,
    SEEN_ORGANIZED = 128,
    SEEN_RESOURCE_TYPE = 256,
};

static const struct {
    const char *name;
    unsigned bit;
    sb_scan_want want;
    sb_file_kind kind; /* of a list */
} members[] = {
    {"output", SEEN_OUTPUT, SB_SCAN_ITEMS, SB_FILE_OUTPUT},
    {"error", SEEN_ERROR, SB_SCAN_ITEMS, SB_FILE_ERROR},
    {"outcome", SEEN_OUTCOME, SB_SCAN_ITEMS, SB_FILE_ERROR}, /* BDA4's name for it */
    {"deleted", SEEN_DELETED, SB_SCAN_ITEMS, SB_FILE_DELETED},
    {"link", SEEN_LINK, SB_SCAN_WHOLE, SB_FILE_OUTPUT},
    {"transactionTime", SEEN_TIME, SB_SCAN_WHOLE, SB_FILE_OUTPUT},
    {"requiresAccessToken", SEEN_TOKEN, SB_SCAN_WHOLE, SB_FILE_OUTPUT},
    {"outputOrganizedBy", SEEN_ORGANIZED, SB_SCAN_WHOLE, SB_FILE_OUTPUT},
    {"resourceType", SEEN_RESOURCE_TYPE, SB_SCAN_WHOLE, SB_FILE_OUTPUT},
};

struct sb_manifest_page {
    sb_journal *journal; /* its transaction is ours, while in_journal */
    bool in_journal;
    uint64_t number, bytes;
    sb_url url;
    sb_scan *scan;
    int fd;      /* of PART_NAME */
    sb_buf head; /* the first bytes: to be shown, or an OperationOutcome */
    unsigned seen;
    bool needs_token, any_type, has_time; /* has_time: the journal knows the transactionTime */
    sb_manifest_found found;
};

void sb_manifest_found_cleanup(sb_manifest_found *found)
{
    free(found->next);
    *found = (sb_manifest_found)SB_MANIFEST_FOUND_INIT;
}

const char *sb_manifest_file_name(uint64_t page, char *out, size_t size)
{
    if (page == 0)
        (void)snprintf(out, size, "manifest.json");
    else
        (void)snprintf(out, size, "manifest.%03llu.json", (unsigned long long)page);
    return out;
}

static size_t find_member(const char *name)
{
    size_t i = 0;
    while (i < SB_ARRAY_LEN(members) && strcmp(members[i].name, name) != 0)
        i++;
    return i;
}

/* For the scan's callbacks: sb_manifest_page_feed makes it SB_E_SERVER and adds what was seen. */
static sb_status malformed(sb_error *err, const char *why)
{
    return sb_error_set(err, SB_E_INVALID, WHAT " could not be understood", "%s", "tell the payer", why);
}

static sb_status on_name(void *impl, const char *name, sb_scan_want *want, sb_error *err)
{
    sb_manifest_page *page = impl;
    size_t i = find_member(name);
    if (i == SB_ARRAY_LEN(members))
        return SB_OK; /* `request`, `extension`, and what later versions bring */
    if (page->seen & members[i].bit)
        return malformed(err, "it has the same member twice");
    page->seen |= members[i].bit;
    *want = members[i].want;
    return SB_OK;
}

static sb_status resolve(sb_manifest_page *page, const char *text, const char *what, sb_url *out, sb_error *err)
{
    bool mended;
    SB_TRY(sb_link_resolve(&page->url, text, what, out, &mended, err));
    page->found.urls_mended |= mended;
    return SB_OK;
}

/* [{"relation": "next", "url": "…"}]                                                                          STAT-04 */
static sb_status take_links(sb_manifest_page *page, const json_t *links, sb_error *err)
{
    size_t index;
    const json_t *link;
    if (json_is_null(links))
        return SB_OK;
    if (!json_is_array(links))
        return malformed(err, "its `link` is no list");
    json_array_foreach ((json_t *)(uintptr_t)links, index, link) {
        const char *relation = sb_json_str(link, "relation"), *text = sb_json_str(link, "url");
        SB_AUTO(sb_url) url = SB_URL_INIT;
        if (!relation || strcmp(relation, "next") != 0)
            continue;
        if (!text || page->found.next)
            return malformed(err, "it has no URL, or more than one, for its next page");
        SB_TRY(resolve(page, text, "the URL of the manifest's next page", &url, err));
        page->found.next = sb_str_dup(sb_str_from(url.text));
        if (!page->found.next)
            return sb_error_nomem(err);
    }
    return SB_OK;
}

static void take_time(sb_manifest_page *page, const json_t *value)
{
    sb_instant instant;
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strlen(text) < sizeof(page->found.transaction_time) &&
        sb_instant_parse(sb_str_from(text), &instant, NULL) == SB_OK)
        (void)snprintf(page->found.transaction_time, sizeof(page->found.transaction_time), "%s", text);
}

static sb_status on_member(void *impl, const char *name, const json_t *value, sb_error *err)
{
    sb_manifest_page *page = impl;
    const char *text = json_is_string(value) ? json_string_value(value) : NULL;
    switch (members[find_member(name)].bit) {
    case SEEN_LINK:
        return take_links(page, value, err);
    case SEEN_TIME:
        take_time(page, value);
        return SB_OK;
    case SEEN_TOKEN:
        page->found.token_unsaid = !json_is_boolean(value) && !text;
        page->needs_token = !json_is_false(value) && !(text && strcmp(text, "false") == 0);
        return SB_OK;
    case SEEN_ORGANIZED:
        page->any_type = text && text[0];
        return SB_OK;
    case SEEN_RESOURCE_TYPE:
        page->found.is_outcome = text && strcmp(text, "OperationOutcome") == 0;
        return SB_OK;
    default:
        return SB_OK;
    }
}

static uint64_t *counter_of(sb_manifest_found *found, sb_file_kind kind)
{
    return kind == SB_FILE_OUTPUT ? &found->output : kind == SB_FILE_DELETED ? &found->deleted : &found->error;
}

static sb_status on_item(void *impl, const char *name, const json_t *item, sb_error *err)
{
    sb_manifest_page *page = impl;
    sb_file_kind kind = members[find_member(name)].kind;
    SB_AUTO(sb_url) url = SB_URL_INIT;
    const char *text = sb_json_str(item, "url"), *type = sb_json_str(item, "type");
    const json_t *count = json_object_get(item, "count");
    if (!text)
        return malformed(err, "it lists a file without a URL");
    SB_TRY(resolve(page, text, "a file's URL in the manifest", &url, err));
    bool listed;
    SB_TRY(sb_journal_page_is_listed(page->journal, kind, type, url.text, &listed, err));
    if (listed) { /* fetched twice it would be in the data twice, and nobody would see it */
        page->found.repeated++;
        sb_journal_page_pass_over(page->journal);
        return SB_OK;
    }
    page->found.types_unfit += !type || !sb_file_type_is_safe(type);
    ++*counter_of(&page->found, kind);
    return sb_journal_page_item(page->journal, kind, type, url.text,
                                json_is_integer(count) ? json_integer_value(count) : -1, err);
}

static sb_status begin(sb_manifest_page *page, const char *url, sb_error *err)
{
    const sb_scan_sink sink = {page, on_name, on_member, on_item};
    SB_AUTOFREE time = NULL;
    SB_TRY(sb_url_parse(url, &page->url, err));
    SB_TRY(sb_journal_get(page->journal, "transaction_time", &time, err));
    page->has_time = time != NULL;
    SB_TRY(sb_scan_new(&sink, WHAT, &page->scan, err));
    SB_TRY(
        sb_folder_open_file(sb_journal_folder(page->journal), PART_NAME, O_WRONLY | O_CREAT | O_TRUNC, &page->fd, err));
    SB_TRY(sb_journal_page_begin(page->journal, page->number, err));
    page->in_journal = true;
    return SB_OK;
}

sb_status sb_manifest_page_new(sb_journal *journal, uint64_t number, const char *url, sb_manifest_page **out,
                               sb_error *err)
{
    SB_AUTOPTR(sb_manifest_page) page = calloc(1, sizeof(*page));
    *out = NULL;
    if (!page)
        return sb_error_nomem(err);
    page->journal = journal;
    page->number = number;
    page->fd = -1;
    page->needs_token = page->found.token_unsaid = true;
    SB_TRY(begin(page, url, err));
    *out = page;
    page = NULL;
    return SB_OK;
}

void sb_manifest_page_free(sb_manifest_page *page)
{
    if (!page)
        return;
    if (page->in_journal)
        sb_journal_page_abort(page->journal);
    if (page->fd >= 0) {
        (void)close(page->fd);
        (void)sb_folder_remove(sb_journal_folder(page->journal), PART_NAME, NULL);
    }
    sb_scan_free(page->scan);
    sb_url_cleanup(&page->url);
    sb_buf_cleanup(&page->head);
    sb_manifest_found_cleanup(&page->found);
    free(page);
}

/* The payer's fault: say so, with the beginning of what it sent. */
static sb_status no_manifest(const sb_manifest_page *page, const sb_error *inner, sb_error *err)
{
    char head[HEAD_SHOWN];
    (void)sb_foreign_text(sb_buf_str(&page->head), head, sizeof(head));
    return sb_error_set(err, SB_E_SERVER, WHAT " could not be understood", "%.500s%s%s",
                        "look at what the payer sent: an error page of a proxy, or another address than fhir_url's?",
                        inner->why, head[0] ? "; it begins with: " : "", head);
}

sb_status sb_manifest_page_feed(sb_manifest_page *page, sb_str bytes, sb_error *err)
{
    sb_error inner = SB_ERROR_INIT;
    size_t kept = SB_MIN(bytes.len, SB_OUTCOME_MAX_BYTES - page->head.len);
    page->bytes += bytes.len;
    if (!sb_buf_add(&page->head, bytes.ptr, kept))
        return sb_error_nomem(err);
    SB_TRY(sb_file_write_all(page->fd, PART_NAME, bytes, err));
    sb_status status = page->bytes > PAGE_MAX ? malformed(&inner, "it is longer than it can honestly be")
                                              : sb_scan_feed(page->scan, bytes, &inner);
    if (status == SB_E_INVALID)
        return no_manifest(page, &inner, err);
    if (status != SB_OK && err)
        *err = inner;
    return status;
}

void sb_manifest_page_hide(sb_manifest_page *page, sb_str token)
{
    sb_secret_hide(page->head.ptr, page->head.len, token);
}

/* Put the page's bytes in their place. Before the journal knows the page: a crash in between leaves a file that the
 * next try replaces. */
static sb_status keep_file(sb_manifest_page *page, sb_error *err)
{
    char name[32];
    int from_fd, to_fd;
    const char *from, *to;
    sb_folder *folder = sb_journal_folder(page->journal);
    SB_TRY(sb_folder_at(folder, PART_NAME, false, &from_fd, &from, err));
    SB_TRY(sb_folder_at(folder, sb_manifest_file_name(page->number, name, sizeof(name)), false, &to_fd, &to, err));
    if (fdatasync(page->fd) != 0)
        return sb_error_errno(err, "the manifest could not be made durable", name, errno);
    if (renameat(from_fd, from, to_fd, to) != 0)
        return sb_error_errno(err, "the manifest could not be put in its place", name, errno);
    (void)close(page->fd);
    page->fd = -1;
    return sb_folder_sync(folder, to, err);
}

static sb_status commit(sb_manifest_page *page, sb_error *err)
{
    const sb_manifest_found *found = &page->found;
    SB_TRY(keep_file(page, err));
    if (page->number == 0 && !page->has_time && found->transaction_time[0])
        SB_TRY(sb_journal_page_fact(page->journal, "transaction_time", sb_str_from(found->transaction_time), err));
    page->in_journal = false; /* whatever comes of it */
    return sb_journal_page_end(page->journal, page->needs_token, page->any_type, found->next, err);
}

/* A body that is whole JSON, but is it a manifest? */
static sb_status judge(sb_manifest_page *page, sb_error *err)
{
    sb_error inner = SB_ERROR_INIT;
    if (page->found.is_outcome && sb_outcome_parse(sb_buf_str(&page->head), &page->found.outcome, &inner) != SB_OK)
        return no_manifest(page, &inner, err);
    if (page->found.is_outcome || (page->seen & (SEEN_OUTPUT | SEEN_TIME)))
        return SB_OK;
    (void)malformed(&inner, "it has neither `output` nor `transactionTime`");
    return no_manifest(page, &inner, err);
}

sb_status sb_manifest_page_finish(sb_manifest_page *page, sb_manifest_found *found, sb_error *err)
{
    sb_error inner = SB_ERROR_INIT;
    if (sb_scan_finish(page->scan, &inner) != SB_OK)
        return no_manifest(page, &inner, err);
    SB_TRY(judge(page, err));
    if (!page->found.is_outcome)
        SB_TRY(commit(page, err));
    *found = page->found;
    page->found = (sb_manifest_found)SB_MANIFEST_FOUND_INIT;
    return SB_OK;
}
