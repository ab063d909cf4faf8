/* SPDX-License-Identifier: Apache-2.0 */
/* service_manager.h - a word to the service manager (systemd's notification protocol): ready, reloading, alive. Where
 * there is none, nothing is said. */
#ifndef CLI_SERVICE_MANAGER_H
#define CLI_SERVICE_MANAGER_H

#include <time.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1"; "RELOADING=1" gets the time that goes with it. */
void service_manager_say(const char *state);
/* How long to wait before the next WATCHDOG=1: half of what the service manager waits; a minute when it does not. */
struct timespec service_manager_interval(void);

#endif
