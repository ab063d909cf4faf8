/* SPDX-License-Identifier: Apache-2.0 */
/* proxies.c - reads X-Forwarded-For from its end, as long as those who wrote it are trusted. */
#include "http/proxies.h"

#include "http/network.h"

struct sb_proxies {
    size_t count;
    sb_network items[SB_PROXIES_MAX];
};

sb_status sb_proxies_new(char *const *networks, size_t count, sb_proxies **out, sb_error *err)
{
    SB_AUTOPTR(sb_proxies) proxies = calloc(1, sizeof(*proxies));
    if (!proxies)
        return sb_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        if (i == SB_PROXIES_MAX || !sb_network_parse(networks[i], &proxies->items[i]))
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

static bool trusts(const sb_proxies *proxies, const sb_address *address)
{
    for (size_t i = 0; i < proxies->count; i++) {
        if (sb_network_holds(&proxies->items[i], address))
            return true;
    }
    return false;
}

bool sb_proxies_trust(const sb_proxies *proxies, const char *address)
{
    sb_address bytes;
    return proxies && sb_address_parse(sb_str_from(address), &bytes) && trusts(proxies, &bytes);
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

/* An entry's address: some proxies write the port, too, and IPv6 in brackets (as RFC 7239 does). */
static bool read_entry(sb_str entry, sb_address *out)
{
    const char *colon = memchr(entry.ptr, ':', entry.len);
    size_t before = colon ? (size_t)(colon - entry.ptr) : entry.len;
    const char *bracket = entry.len > 0 && entry.ptr[0] == '[' ? memchr(entry.ptr, ']', entry.len) : NULL;
    uint64_t port;
    if (bracket) {
        sb_str rest = {bracket + 1, entry.len - (size_t)(bracket + 1 - entry.ptr)};
        if (rest.len > 0 && (rest.ptr[0] != ':' || !sb_str_to_u64((sb_str){rest.ptr + 1, rest.len - 1}, 65535, &port)))
            return false;
        return sb_address_parse((sb_str){entry.ptr + 1, (size_t)(bracket - entry.ptr) - 1}, out) &&
               memchr(entry.ptr, ':', (size_t)(bracket - entry.ptr)) != NULL;
    }
    if (colon && memchr(entry.ptr, '.', before) && /* IPv6 has no dot before its first colon */
        sb_str_to_u64((sb_str){colon + 1, entry.len - before - 1}, 65535, &port))
        entry.len = before;
    return sb_address_parse(entry, out);
}

void sb_proxies_resolve(const sb_proxies *proxies, const sb_str *forwarded, size_t count, char peer[INET6_ADDRSTRLEN])
{
    sb_address address;
    sb_str entry;
    if (!sb_proxies_trust(proxies, peer))
        return;
    for (size_t i = count; i-- > 0;) {
        sb_str list = forwarded[i];
        while (take_last(&list, &entry)) {
            if (!read_entry(entry, &address))
                return; /* nobody whom we trust wrote that */
            sb_address_write(&address, peer);
            if (!trusts(proxies, &address))
                return;
        }
    }
}
