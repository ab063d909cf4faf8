/* SPDX-License-Identifier: Apache-2.0 */
/* replay_sqlite.h - a replay guard whose memory outlives the process: one SQLite file, on disk before it answers.
 * Several processes may share the file.                                                                     AUTH-10 */
#ifndef SB_PAYER_REPLAY_SQLITE_H
#define SB_PAYER_REPLAY_SQLITE_H

#include "payer/auth/replay.h"

sb_status sb_replay_sqlite(const char *path, size_t max, sb_replay **out, sb_error *err);

#endif
