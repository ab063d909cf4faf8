/* SPDX-License-Identifier: Apache-2.0 */
/* server_peers.c - addresses that have connections, in chains; one that has none left is forgotten, so there are never more
 * than there are connections. libmicrohttpd has such a limit too, but for everybody alike. */
#include "http/server_peers.h"

#include <pthread.h>

#include <smartbulk/clock.h>

#include "base/log.h"
#include "base/random.h"
#include "http/network.h"

#define CHAIN_BITS   12                 /* ten thousand connections of as many addresses: three a chain */
#define SAY_AGAIN_NS (60 * SB_NS_PER_S) /* between two lines of the log about it: a flood makes no flood of lines */

struct sb_peer {
    uint64_t network;
    unsigned connections;
    sb_peer *next;
};

struct sb_peers {
    pthread_mutex_t lock;
    unsigned each;
    const sb_proxies *proxies;
    uint64_t multiplier; /* secret: nobody chooses whose chain is long */
    bool has_said;
    int64_t said_ns;
    sb_peer *chains[1 << CHAIN_BITS];
};

sb_status sb_peers_new(unsigned each, const sb_proxies *proxies, sb_peers **out, sb_error *err)
{
    sb_peers *peers = calloc(1, sizeof(*peers));
    if (!peers || pthread_mutex_init(&peers->lock, NULL) != 0) {
        free(peers);
        return sb_error_nomem(err);
    }
    peers->each = each;
    peers->proxies = proxies;
    sb_random_bytes(&peers->multiplier, sizeof(peers->multiplier));
    peers->multiplier |= 1;
    *out = peers;
    return SB_OK;
}

void sb_peers_free(sb_peers *peers)
{
    if (!peers)
        return;
    for (size_t i = 0; i < SB_ARRAY_LEN(peers->chains); i++) {
        while (peers->chains[i]) {
            sb_peer *peer = peers->chains[i];
            peers->chains[i] = peer->next;
            free(peer);
        }
    }
    (void)pthread_mutex_destroy(&peers->lock);
    free(peers);
}

/* Where the address's peer is, or would be. */
static sb_peer **find(sb_peers *peers, uint64_t network)
{
    sb_peer **at = &peers->chains[sb_network_place(network, peers->multiplier, CHAIN_BITS)];
    while (*at && (*at)->network != network)
        at = &(*at)->next;
    return at;
}

static bool is_proxy(const sb_peers *peers, const sb_address *address)
{
    char text[INET6_ADDRSTRLEN];
    sb_address_write(address, text);
    return sb_proxies_trust(peers->proxies, text);
}

/* Is it time to say it again? Under the lock. */
static bool is_news(sb_peers *peers)
{
    const sb_clock *clock = sb_clock_system();
    int64_t now = clock->monotonic_ns(clock->impl);
    if (peers->has_said && now - peers->said_ns < SAY_AGAIN_NS)
        return false;
    peers->has_said = true;
    peers->said_ns = now;
    return true;
}

bool sb_peers_has_room(sb_peers *peers, const struct sockaddr *socket_address)
{
    sb_address address;
    char text[INET6_ADDRSTRLEN];
    if (!sb_address_of(socket_address, &address))
        return true;
    (void)pthread_mutex_lock(&peers->lock);
    const sb_peer *peer = *find(peers, sb_address_network(&address));
    bool full = peer && peer->connections >= peers->each && !is_proxy(peers, &address);
    bool news = full && is_news(peers);
    (void)pthread_mutex_unlock(&peers->lock);
    sb_address_write(&address, text);
    if (news)
        sb_log_warn("%s has %u connections, and gets no more: a proxy of yours belongs into trusted_proxies", text,
                    peers->each);
    return !full;
}

sb_peer *sb_peers_enter(sb_peers *peers, const struct sockaddr *socket_address)
{
    sb_address address;
    if (!sb_address_of(socket_address, &address) || is_proxy(peers, &address))
        return NULL;
    uint64_t network = sb_address_network(&address);
    (void)pthread_mutex_lock(&peers->lock);
    sb_peer **at = find(peers, network);
    if (!*at) /* without memory it is not counted: that connection has less to fear than we */
        *at = calloc(1, sizeof(**at));
    sb_peer *peer = *at;
    if (peer) {
        peer->network = network;
        peer->connections++;
    }
    (void)pthread_mutex_unlock(&peers->lock);
    return peer;
}

void sb_peers_leave(sb_peers *peers, sb_peer *peer)
{
    if (!peer)
        return;
    (void)pthread_mutex_lock(&peers->lock);
    if (--peer->connections == 0) {
        *find(peers, peer->network) = peer->next;
        free(peer);
    }
    (void)pthread_mutex_unlock(&peers->lock);
}
