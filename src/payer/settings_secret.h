/* SPDX-License-Identifier: Apache-2.0 */
/* settings_secret.h - a secret that the configuration names by its file: one line, readable by its owner alone. */
#ifndef SB_PAYER_SETTINGS_SECRET_H
#define SB_PAYER_SETTINGS_SECRET_H

#include "base/buf.h"

#define SB_SETTINGS_SECRET_MAX 4096 /* bytes: a database's URI is the longest */

/* The line without its end; the caller wipes `out`. SB_E_USAGE: it is not one line, or others may read it. */
sb_status sb_settings_secret(const char *path, sb_buf *out, sb_error *err);

#endif
