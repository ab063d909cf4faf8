/* SPDX-License-Identifier: Apache-2.0 */
/* payer_internal.h - an sb_payer from inside: for authorized.c, and for tests that put their own payer in the network's
 * place. */
#ifndef SB_SMART_PAYER_INTERNAL_H
#define SB_SMART_PAYER_INTERNAL_H

#include <pthread.h>

#include <smartbulk/payer.h>

#include "base/secret.h"
#include "smart/settings.h"
#include "smart/token_cache.h"

struct sb_payer {
    sb_settings settings; /* constant once made */
    const sb_clock *clock;
    const atomic_bool *cancel; /* NULL: none */
    atomic_bool closing;
    sb_http *http;
    sb_transport transport;
    sb_key *key;       /* NULL: none is used */
    sb_secret *secret; /* the same */

    pthread_mutex_t lock;
    /* Under lock until `source` is there; constant after that. */
    char **types;
    size_t n_types;
    sb_token_client *client;
    sb_token_cache *cache; /* NULL: tokens are not shared */
    _Atomic(sb_token_source *) source;
};

/* As sb_payer_new, with this in the place of HTTP when it is not NULL. */
sb_status sb_payer_new_over(const sb_payer_options *options, const sb_transport *transport, sb_payer **out,
                            sb_error *err);

#endif
