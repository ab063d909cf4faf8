/* SPDX-License-Identifier: Apache-2.0 */
/* content.h - what becomes of a file's bytes on their way to the disk: decoded, hashed, judged line by line, written.
 *
 * Each piece passes through all of it while it is in the cache. Memory is the same whatever the file. Knows nothing of
 * HTTP; belongs to one thread. */
#ifndef SB_EXPORT_CONTENT_H
#define SB_EXPORT_CONTENT_H

#include <stdatomic.h>

#include "export/bad_lines.h"
#include "export/gunzip.h"
#include "export/journal.h"
#include "export/sha256.h"

#define SB_CONTENT_HEAD ((size_t)64 * 1024) /* of the beginning, kept to explain what is no NDJSON at all */

typedef struct sb_content {
    sb_folder *folder;
    uint64_t max_line_bytes;
    const sb_journal_file *file; /* borrowed, from begin to release or discard; NULL: none */
    sb_part part;
    sb_bad_lines bad;
    sb_ndjson *ndjson;
    EVP_MD_CTX *hash;
    sb_gunzip *gunzip; /* made for the first compressed file */
    bool gzip;         /* this file is compressed */
    sb_buf head;
    sb_error *err; /* of the call under way, for callbacks that cannot return one */
    sb_status status;
    /* How much was decoded, and how many resources were in it: read by the display while we write. */
    _Atomic uint64_t bytes, resources;
} sb_content;

/* What every line must be, by the kind of file.                                                            FILE-03 */
sb_ndjson_options sb_content_rules(const sb_journal_file *file, uint64_t max_line_bytes);

sb_status sb_content_init(sb_content *content, sb_folder *folder, uint64_t max_line_bytes, sb_error *err);
void sb_content_cleanup(sb_content *content); /* files that are there stay there */

/* Begin a file; with `keep`, behind the first `keep` bytes of its part, which sb_content_reread() goes through first.
 */
sb_status sb_content_begin(sb_content *content, const sb_journal_file *file, uint64_t keep, sb_error *err);
/* The next of the bytes that are in the part already. *more: there are others. SB_E_NOT_FOUND: fewer than promised. */
sb_status sb_content_reread(sb_content *content, bool *more, sb_error *err);
/* What comes is the whole file from its beginning, whatever came before. */
sb_status sb_content_restart(sb_content *content, bool gzip, sb_error *err);
/* The next bytes as received. SB_E_INVALID: they cannot be decoded; SB_E_IO: they cannot be written. */
sb_status sb_content_feed(sb_content *content, sb_str bytes, sb_error *err);
/* All bytes are in: counts, hash. SB_E_INVALID when a compressed stream is not whole. */
sb_status sb_content_finish(sb_content *content, sb_ndjson_counts *counts, char sha256[SB_SHA256_HEX_SIZE],
                            sb_error *err);
/* Forget the file; its parts are removed. */
void sb_content_discard(sb_content *content);
/* Forget the file; its parts stay, their descriptors are the caller's (list_fd -1: there is no list). */
void sb_content_release(sb_content *content, int *part_fd, int *list_fd);

#endif
