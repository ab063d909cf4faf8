/* SPDX-License-Identifier: Apache-2.0 */
/* settings_keys.h - the table of the configuration's keys: names, kinds, bounds, and where each value goes. */
#ifndef SB_PAYER_SETTINGS_KEYS_H
#define SB_PAYER_SETTINGS_KEYS_H

#include <netinet/in.h>

#include "payer/settings.h"

typedef enum sb_settings_kind {
    SB_SETTINGS_TEXT,
    SB_SETTINGS_PATH,        /* resolved against the file's folder */
    SB_SETTINGS_NUMBER,      /* an unsigned */
    SB_SETTINGS_LONG_NUMBER, /* a uint64_t */
    SB_SETTINGS_BOOL,
    SB_SETTINGS_WORD, /* one of `words`: an enum's value is its index */
    SB_SETTINGS_LIST, /* of texts */
    SB_SETTINGS_SERVERS,
} sb_settings_kind;

typedef struct sb_settings_key {
    const char *section; /* "": at the top */
    const char *name;
    sb_settings_kind kind;
    size_t at; /* in sb_settings */
    uint64_t min, max;
    const char *const *words;
    bool restart; /* another value takes a new start */
} sb_settings_key;

extern const sb_settings_key sb_settings_keys[];
extern const size_t sb_settings_key_count;

size_t sb_settings_find_key(const char *section, sb_str name); /* SIZE_MAX: there is none */
const char *sb_settings_find_section(sb_str name);             /* NULL: there is none */
/* The key or section of that section that looks most like `name`; false: none does. */
bool sb_settings_nearest(const char *section, sb_str name, char *out, size_t size);

/* Do they say different things of this key? Files are compared by their names. */
bool sb_settings_differ(const sb_settings_key *key, const sb_settings *a, const sb_settings *b);

/* What keys say together, and what texts mean: `each` hears of every mistake. */
void sb_settings_check(const sb_settings *settings, sb_settings_mistake *each, void *impl);
/* A stranger's text in a message: short, and without what a terminal would obey. */
const char *sb_settings_shown(sb_str text, char out[64]);

bool sb_settings_is_loopback(const char *address); /* a numeric one */
/* "127.0.0.1:8443", "[::1]:0" */
bool sb_settings_split_listen(const char *listen, char address[INET6_ADDRSTRLEN], unsigned *port);
/* "10.1.2.3", "10.0.0.0/8", "fd00::/8" */
bool sb_settings_is_network(const char *text);

/* One that assertions may be signed with: never none, never a shared secret's.                              AUTH-06 */
bool sb_settings_is_algorithm(const char *text);

#endif
