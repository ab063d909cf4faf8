/* SPDX-License-Identifier: Apache-2.0 */
/* answers.h - the bodies of answers: JSON, OAuth errors, OperationOutcomes. */
#ifndef SB_PAYER_ANSWERS_H
#define SB_PAYER_ANSWERS_H

#include <jansson.h>

#include "http/server.h"

#define SB_JSON      "application/json"
#define SB_FHIR_JSON "application/fhir+json"

void sb_answer_json(sb_answer *answer, unsigned status, const char *content_type, const json_t *json);
/* RFC 6749 §5.2, 7591 §3.2.2. */
void sb_answer_oauth(sb_answer *answer, unsigned status, const char *error, const char *description);
/* `code` is a FHIR issue type. */
void sb_answer_outcome(sb_answer *answer, unsigned status, const char *code, const char *diagnostics);
/* An error of the export jobs: its http_status, its three parts. Of an error of our own, nothing. */
void sb_answer_error(sb_answer *answer, const sb_error *err);

#endif
