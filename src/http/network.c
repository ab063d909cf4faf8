/* SPDX-License-Identifier: Apache-2.0 */
/* network.c - addresses, networks, and which of them are everybody's (IANA's special-purpose registries). */
#include "http/network.h"

#include <arpa/inet.h>

#define MAPPED_BITS 96 /* of ::ffff:0:0/96 */
#define NAT64_BITS  96 /* of 64:ff9b::/96, whose last four bytes are an IPv4 address: RFC 6052 */

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void map_v4(const void *four, sb_address *out)
{
    memcpy(out->bytes, mapped, sizeof(mapped));
    memcpy(out->bytes + sizeof(mapped), four, 4);
}

bool sb_address_parse(sb_str text, sb_address *out)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char four[4];
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET6, copy, out->bytes) == 1)
        return true;
    if (inet_pton(AF_INET, copy, four) != 1)
        return false;
    map_v4(four, out);
    return true;
}

bool sb_address_of(const struct sockaddr *socket_address, sb_address *out)
{
    if (socket_address->sa_family == AF_INET) {
        map_v4(&((const struct sockaddr_in *)(const void *)socket_address)->sin_addr, out);
        return true;
    }
    if (socket_address->sa_family != AF_INET6)
        return false;
    memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)socket_address)->sin6_addr, sizeof(out->bytes));
    return true;
}

bool sb_address_is_v4(const sb_address *address)
{
    return memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

uint64_t sb_address_network(const sb_address *address)
{
    unsigned char bytes[8] = {0xff, 0xff, 0xff, 0xff}; /* of multicast: no IPv6 peer is of ffff:ffff::/32 */
    uint64_t network;
    if (sb_address_is_v4(address))
        memcpy(bytes + 4, address->bytes + sizeof(mapped), 4);
    else
        memcpy(bytes, address->bytes, sizeof(bytes));
    memcpy(&network, bytes, sizeof(network));
    return network;
}

size_t sb_network_place(uint64_t network, uint64_t secret, unsigned bits)
{
    uint64_t hash = (network + 1) * secret; /* none is 0, which no multiplier moves */
    hash ^= hash >> 32;                     /* the network's last bits are in the middle now: let them count */
    return (size_t)((hash * secret) >> (64 - bits));
}

void sb_address_write(const sb_address *address, char out[INET6_ADDRSTRLEN])
{
    if (sb_address_is_v4(address))
        (void)inet_ntop(AF_INET, address->bytes + sizeof(mapped), out, INET6_ADDRSTRLEN);
    else
        (void)inet_ntop(AF_INET6, address->bytes, out, INET6_ADDRSTRLEN);
}

bool sb_network_parse(const char *text, sb_network *out)
{
    sb_str rest = sb_str_from(text), address = SB_STR_NULL;
    bool has_bits = strchr(text, '/') != NULL;
    uint64_t bits = 0;
    if (!sb_str_split(&rest, '/', &address) || !sb_address_parse(address, &out->address))
        return false;
    bool v4 = !memchr(address.ptr, ':', address.len);
    unsigned length = v4 ? 32 : 128;
    if (has_bits && !sb_str_to_u64(rest, length, &bits))
        return false;
    out->bits = (has_bits ? (unsigned)bits : length) + (v4 ? MAPPED_BITS : 0);
    return true;
}

bool sb_network_holds(const sb_network *network, const sb_address *address)
{
    const unsigned char *a = address->bytes, *n = network->address.bytes;
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(a, n, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ n[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

static bool is_within(const char *const *networks, size_t count, const sb_address *address)
{
    sb_network network;
    for (size_t i = 0; i < count; i++) {
        if (sb_network_parse(networks[i], &network) && sb_network_holds(&network, address))
            return true;
    }
    return false;
}

/* What is not everybody's, of IPv4. */
static const char *const special_v4[] = {
    "0.0.0.0/8",       "10.0.0.0/8",    "100.64.0.0/10",   "127.0.0.0/8",     "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24",    "192.0.2.0/24",  "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
    "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",  "224.0.0.0/4",    "240.0.0.0/4",
};

/* IPv6 is everybody's in 2000::/3 alone, and there not for tunnels (Teredo, ORCHID, 6to4) and documentation. */
static const char *const global_v6[] = {"2000::/3"};
static const char *const special_v6[] = {"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"};
static const char *const nat64[] = {"64:ff9b::/96"};

bool sb_address_is_public(const sb_address *address)
{
    sb_address inner = *address;
    if (is_within(nat64, SB_ARRAY_LEN(nat64), address))
        map_v4(address->bytes + NAT64_BITS / 8, &inner);
    if (sb_address_is_v4(&inner))
        return !is_within(special_v4, SB_ARRAY_LEN(special_v4), &inner);
    return is_within(global_v6, SB_ARRAY_LEN(global_v6), &inner) &&
           !is_within(special_v6, SB_ARRAY_LEN(special_v6), &inner);
}
