/* SPDX-License-Identifier: Apache-2.0 */
/* bearer.h - the token that a request shows. */
#ifndef SB_PAYER_BEARER_H
#define SB_PAYER_BEARER_H

#include "http/server.h"

/* Of "Authorization: Bearer xyz": xyz; empty when it is another scheme, nothing, or there are several. */
sb_str sb_bearer_of(const sb_server_request *request);

#endif
