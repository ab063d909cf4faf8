/* SPDX-License-Identifier: Apache-2.0 */
/* manifest_get.h - one GET of a status URL or of a manifest's next page, and what came of it.
 *
 * A 200 streams into the journal as it comes; what else there is stays small. Decides nothing: poll.c and collect.c do.
 */
#ifndef SB_EXPORT_MANIFEST_GET_H
#define SB_EXPORT_MANIFEST_GET_H

#include "export/context.h"
#include "export/manifest.h"

typedef struct sb_manifest_answer {
    int status;                /* of the job: X-Export-Status where the server has it (STAT-03), else of HTTP */
    sb_http_response response; /* its headers; of its body only what is in `body` */
    sb_buf body;               /* of what is no manifest, its beginning */
    bool is_page;              /* a whole page came, and is in the journal */
    sb_manifest_found found;   /* of that page */
    sb_outcome outcome;        /* of what is no page; all zero: none */
    char says[600];            /* words for a person, of what is no page */
} sb_manifest_answer;

#define SB_MANIFEST_ANSWER_INIT                                                                                        \
    {                                                                                                                  \
        .status = 0                                                                                                    \
    }
void sb_manifest_answer_cleanup(sb_manifest_answer *answer);

/* `answer` must be INIT or used before. SB_E_NETWORK, SB_E_SERVER (a body that is no manifest), SB_E_AUTH (401), SB_E_IO,
 * SB_E_INTERRUPTED. */
sb_status sb_manifest_get(const sb_export_context *context, const char *url, uint64_t page, sb_manifest_answer *answer,
                          sb_error *err);

#endif
