/* SPDX-License-Identifier: Apache-2.0 */
/* clients_show.h - a client of the register, printed: as a row, whole, or as JSON. */
#ifndef SB_CLI_CLIENTS_SHOW_H
#define SB_CLI_CLIENTS_SHOW_H

#include <smartbulk/clients.h>

void clients_show_row(const sb_client_info *client);
void clients_show_all(const sb_client_info *client);
void clients_show_json(const sb_client_info *client); /* one line */

#endif
