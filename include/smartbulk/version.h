/* SPDX-License-Identifier: Apache-2.0 */
/* version.h - which smartbulk this is. */
#ifndef SMARTBULK_VERSION_H
#define SMARTBULK_VERSION_H

#include <smartbulk/error.h>

/* The version of the library that is linked, as "1.2.3". A constant string; any thread. */
SB_PUBLIC const char *sb_version(void);

/* The day this version was released, as "2026-11-24"; what log.ndjson calls softwareReleaseDate. Any thread. */
SB_PUBLIC const char *sb_release_date(void);

#endif
