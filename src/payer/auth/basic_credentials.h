/* SPDX-License-Identifier: Apache-2.0 */
/* basic_credentials.h - who says he is whom by HTTP Basic (RFC 7617), as OAuth has it: both parts form-encoded (RFC 6749 §2.3.1). */
#ifndef SB_PAYER_BASIC_CREDENTIALS_H
#define SB_PAYER_BASIC_CREDENTIALS_H

#include "base/buf.h"

/* Of "Basic aWQ6c2VjcmV0" the id and the secret, decoded; the caller wipes the secret, also when it is false: it is
 * another scheme, too long, or no base64 of "id:secret". */
bool sb_basic_read(sb_str header, sb_buf *id, sb_buf *secret);

#endif
