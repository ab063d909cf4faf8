/* SPDX-License-Identifier: Apache-2.0 */
/* network.h - addresses and networks as sixteen bytes: IPv4 in its mapped form, so that one comparison is enough and
 * ::ffff:10.0.0.1 is 10.0.0.1. Any thread. */
#ifndef SB_HTTP_NETWORK_H
#define SB_HTTP_NETWORK_H

#include <netinet/in.h>

#include "base/buf.h"

typedef struct sb_address {
    unsigned char bytes[16];
} sb_address;

typedef struct sb_network {
    sb_address address;
    unsigned bits; /* of the sixteen bytes */
} sb_network;

/* "10.1.2.3", "fd00::1". */
bool sb_address_parse(sb_str text, sb_address *out);
/* AF_INET or AF_INET6; false: another family. */
bool sb_address_of(const struct sockaddr *socket_address, sb_address *out);
bool sb_address_is_v4(const sb_address *address);
/* Whose it is, as far as that can be told: all of an IPv4 address, the /64 of an IPv6 one, which is one customer's. */
uint64_t sb_address_network(const sb_address *address);
/* Its place in a table of 2^bits. `secret` is random and odd: nobody chooses who shares whose. */
size_t sb_network_place(uint64_t network, uint64_t secret, unsigned bits);
void sb_address_write(const sb_address *address, char out[INET6_ADDRSTRLEN]);

/* "10.1.2.3", "10.0.0.0/8", "fd00::/8". */
bool sb_network_parse(const char *text, sb_network *out);
bool sb_network_holds(const sb_network *network, const sb_address *address);

/* May a stranger make us speak to this address? One that is reachable from everywhere: none of this machine, of private
 * networks, of links, of documentation or of tunnels which could lead to such.                              AUTH-08 */
bool sb_address_is_public(const sb_address *address);

#endif
