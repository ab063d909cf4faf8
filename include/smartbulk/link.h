/* SPDX-License-Identifier: Apache-2.0 */
/* link.h - sign-in links for the portal of `smartbulk serve`: how the operator lets a person in. */
#ifndef SMARTBULK_LINK_H
#define SMARTBULK_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include <smartbulk/error.h>

/* All is borrowed for the call. */
typedef struct sb_link_options {
    const char *config;         /* the file that serve runs by */
    const char *who;            /* an e-mail address or a user name: it stands in the audit log, and owns clients */
    bool administrator;         /* else a partner, who sees their own clients */
    unsigned minutes;           /* the link is good for; 0: 60. At most 10080, a week */
    const char *const *clients; /* ids of clients that become theirs */
    size_t client_count;
} sb_link_options;

#define SB_LINK_OPTIONS_INIT                                                                                           \
    {                                                                                                                  \
        .config = NULL                                                                                                 \
    }

/* Make a link that is good once. *out is a secret, and the caller's to free. Works while serve runs. SB_E_USAGE: the
 * configuration, or a name that is none; SB_E_NOT_FOUND: there is no such client; SB_E_IO, SB_E_BUSY: the database. */
SB_PUBLIC sb_status sb_link_new(const sb_link_options *options, char **out, sb_error *err);

/* End every session and link of theirs, at once. SB_E_USAGE, SB_E_IO, SB_E_BUSY as above. */
SB_PUBLIC sb_status sb_link_revoke(const char *config, const char *who, size_t *ended, sb_error *err);

#endif
