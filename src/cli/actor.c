/* SPDX-License-Identifier: Apache-2.0 */
/* actor.c - asks the system who we are. */
#include "actor.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void actor_name(char out[ACTOR_SIZE])
{
    const struct passwd *user = getpwuid(getuid());
    const char *sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL;
    char number[32];
    (void)snprintf(number, sizeof(number), "user %u", (unsigned)getuid());
    (void)snprintf(out, ACTOR_SIZE, "command line (%s%s%s)", user ? user->pw_name : number, sudo ? " for " : "",
                   sudo ? sudo : "");
}
