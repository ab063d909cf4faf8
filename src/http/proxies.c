/* SPDX-License-Identifier: Apache-2.0 */
/* proxies.c - networks as sixteen bytes and a number of bits: IPv4 in its mapped form, so that one comparison is enough
 * and ::ffff:10.0.0.1 is 10.0.0.1. */
#include "http/proxies.h"

#include <arpa/inet.h>

typedef struct network {
    unsigned char bytes[16];
    unsigned bits;
} network;

struct sb_proxies {
    size_t count;
    network items[SB_PROXIES_MAX];
};

#define MAPPED_BITS 96 /* of ::ffff:0:0/96 */

/* `*bits`: how long such an address is. */
static bool read_address(sb_str text, unsigned char bytes[16], unsigned *bits)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *bits = 128;
    if (inet_pton(AF_INET6, copy, bytes) == 1)
        return true;
    memset(bytes, 0, 10);
    bytes[10] = bytes[11] = 0xff;
    *bits = 32;
    return inet_pton(AF_INET, copy, bytes + 12) == 1;
}

static bool read_network(const char *text, network *out)
{
    sb_str rest = sb_str_from(text), address = SB_STR_NULL;
    bool has_bits = strchr(text, '/') != NULL;
    unsigned length = 0;
    uint64_t bits = 0;
    if (!sb_str_split(&rest, '/', &address) || !read_address(address, out->bytes, &length) ||
        (has_bits && !sb_str_to_u64(rest, length, &bits)))
        return false;
    out->bits = (has_bits ? (unsigned)bits : length) + (length == 32 ? MAPPED_BITS : 0);
    return true;
}

sb_status sb_proxies_new(char *const *networks, size_t count, sb_proxies **out, sb_error *err)
{
    SB_AUTOPTR(sb_proxies) proxies = calloc(1, sizeof(*proxies));
    if (!proxies)
        return sb_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        if (i == SB_PROXIES_MAX || !read_network(networks[i], &proxies->items[i]))
            return sb_error_set(err, SB_E_USAGE, "the trusted proxies cannot be used",
                                "one of them is no address and no network, or there are more than 64",
                                "write them as 10.1.2.3, 10.0.0.0/8, fd00::/8");
        proxies->count++;
    }
    *out = proxies;
    proxies = NULL;
    return SB_OK;
}

void sb_proxies_free(sb_proxies *proxies)
{
    free(proxies);
}

static bool within(const unsigned char bytes[16], const network *n)
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(bytes, n->bytes, whole) != 0)
        return false;
    return rest == 0 || ((bytes[whole] ^ n->bytes[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

static bool trust_bytes(const sb_proxies *proxies, const unsigned char bytes[16])
{
    for (size_t i = 0; i < proxies->count; i++) {
        if (within(bytes, &proxies->items[i]))
            return true;
    }
    return false;
}

bool sb_proxies_trust(const sb_proxies *proxies, const char *address)
{
    unsigned char bytes[16];
    unsigned bits;
    return proxies && read_address(sb_str_from(address), bytes, &bits) && trust_bytes(proxies, bytes);
}

/* The last entry of a list, which loses it. False: there is none left. */
static bool take_last(sb_str *list, sb_str *out)
{
    if (!list->ptr)
        return false;
    size_t at = list->len;
    while (at > 0 && list->ptr[at - 1] != ',')
        at--;
    *out = sb_str_trim((sb_str){list->ptr + at, list->len - at});
    *list = at > 0 ? (sb_str){list->ptr, at - 1} : SB_STR_NULL;
    return true;
}

static void write_address(const unsigned char bytes[16], unsigned bits, char out[INET6_ADDRSTRLEN])
{
    if (bits == 32)
        (void)inet_ntop(AF_INET, bytes + 12, out, INET6_ADDRSTRLEN);
    else
        (void)inet_ntop(AF_INET6, bytes, out, INET6_ADDRSTRLEN);
}

void sb_proxies_resolve(const sb_proxies *proxies, const sb_str *forwarded, size_t count, char peer[INET6_ADDRSTRLEN])
{
    unsigned char bytes[16];
    unsigned bits;
    sb_str entry;
    if (!sb_proxies_trust(proxies, peer))
        return;
    for (size_t i = count; i-- > 0;) {
        sb_str list = forwarded[i];
        while (take_last(&list, &entry)) {
            if (!read_address(entry, bytes, &bits))
                return; /* nobody whom we trust wrote that */
            write_address(bytes, bits, peer);
            if (!trust_bytes(proxies, bytes))
                return;
        }
    }
}
