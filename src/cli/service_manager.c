/* SPDX-License-Identifier: Apache-2.0 */
/* service_manager.c - one datagram to the socket that NOTIFY_SOCKET names (sd_notify(3)); the protocol is stable, and a
 * library for it would be its only use here. */
#include "service_manager.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INTERVAL_S 60

void service_manager_say(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char text[128];
    struct timespec now;
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* the abstract namespace */
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int size = strcmp(state, "RELOADING=1") == 0 ? snprintf(text, sizeof(text), "%s\nMONOTONIC_USEC=%lld", state,
                                                            (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000)
                                                 : snprintf(text, sizeof(text), "%s", state);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* one that is gone does not hear us, and that is all */
    (void)sendto(fd, text, (size_t)size, MSG_NOSIGNAL, (const struct sockaddr *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    (void)close(fd);
}

struct timespec service_manager_interval(void)
{
    const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    unsigned long long us = text ? strtoull(text, NULL, 10) / 2 : 0;
    if (us == 0 || (pid && strtol(pid, NULL, 10) != (long)getpid()))
        return (struct timespec){INTERVAL_S, 0};
    return (struct timespec){(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
}
