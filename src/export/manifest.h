/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.h - one page of a payer's manifest: from bytes as they come to rows of the journal and a file of the folder.
 *
 * Memory stays flat for any number of files: items go to the journal one by one, in one transaction. The page is kept as
 * received, byte for byte: the first as manifest.json, the next as manifest.001.json and so on; nothing is merged, so
 * that what the payer said can be shown to it. (They hold file URLs, which may be capabilities: 0600.) Knows nothing of
 * HTTP, of polling and of which page comes next. One thread's.                                     STAT-04 … STAT-06 */
#ifndef SB_EXPORT_MANIFEST_H
#define SB_EXPORT_MANIFEST_H

#include "base/url.h"
#include "export/journal.h"
#include "fhir/operation_outcome.h"

typedef struct sb_manifest_page sb_manifest_page;

/* What was found on a page; of a page that was an OperationOutcome instead (REAL-06) nothing but that. */
typedef struct sb_manifest_found {
    bool is_outcome;
    sb_outcome outcome;
    uint64_t output, deleted, error; /* files */
    char transaction_time[48];       /* as received, if it is an instant; else "" */
    char *next;                      /* URL of the next page; NULL: this was the last */
    /* What the caller should say aloud. */
    bool urls_mended;  /* http URLs of the payer's own host were read as https                              REAL-06 */
    bool token_unsaid; /* no requiresAccessToken: it is taken for true, as the token only goes where it may */
    uint64_t repeated; /* items that were listed before, kind, type and URL: left out */
    uint64_t types_unfit; /* items whose `type` can be no resource type */
} sb_manifest_found;

#define SB_MANIFEST_FOUND_INIT                                                                                         \
    {                                                                                                                  \
        .is_outcome = false                                                                                            \
    }
void sb_manifest_found_cleanup(sb_manifest_found *found);

/* The name of a page's file, such as "manifest.json"; `size` at least 32. */
const char *sb_manifest_file_name(uint64_t page, char *out, size_t size);

/* Page `page` (from 0) begins; `url` is where it comes from: relative URLs are resolved against it. Until finish or free
 * the journal is this thread's alone. */
sb_status sb_manifest_page_new(sb_journal *journal, uint64_t page, const char *url, sb_manifest_page **out,
                               sb_error *err);
/* The next bytes. SB_E_SERVER, showing the first bytes that came, for what is no manifest; SB_E_IO for the disk's
 * failures. After a failure only free may follow. */
sb_status sb_manifest_page_feed(sb_manifest_page *page, sb_str bytes, sb_error *err);
/* Blot out the token, which the payer may repeat, in what is kept to be shown. */
void sb_manifest_page_hide(sb_manifest_page *page, sb_str token);
/* It has ended: commits it, all or nothing, and fills `found`. Its fact "transaction_time" comes with the first page;
 * when the manifest was asked for again the first answer's stays, for the files are its own.                 FILE-08 */
sb_status sb_manifest_page_finish(sb_manifest_page *page, sb_manifest_found *found, sb_error *err);
/* Without finish: nothing of it stays. NULL is fine. */
void sb_manifest_page_free(sb_manifest_page *page);
SB_DEFINE_FREEP(sb_manifest_page)

#endif
