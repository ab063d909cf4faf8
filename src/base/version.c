/* SPDX-License-Identifier: Apache-2.0 */
/* version.c - the version, which meson.build decides, and the day CHANGELOG.md gives it. */
#include <smartbulk/version.h>

#define RELEASE_DATE "2026-11-24"

const char *sb_version(void)
{
    return SB_VERSION;
}

const char *sb_release_date(void)
{
    return RELEASE_DATE;
}
