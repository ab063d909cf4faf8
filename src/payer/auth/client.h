/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - who may ask for tokens: clients, and the register that finds them.                       KEY-05, KEY-07
 *
 * A client is constant once made, and counted: who found one keeps it as long as it likes, whatever happens to the
 * register. Where clients are kept is behind a table of functions: in memory here, in a database when a payer runs for
 * longer than a trial. */
#ifndef SB_PAYER_CLIENT_H
#define SB_PAYER_CLIENT_H

#include <stdatomic.h>

#include "jose/jwk.h"
#include "payer/auth/digest.h"
#include "smart/scopes.h"
#include "store/db.h"

#define SB_CLIENT_ID_MAX   255 /* bytes; ids we draw have 36 */
#define SB_CLIENT_NAME_MAX 255

typedef enum sb_client_state {
    SB_CLIENT_PENDING, /* registered itself, waits for a person                                              KEY-07 */
    SB_CLIENT_ACTIVE,
    SB_CLIENT_SUSPENDED
} sb_client_state;

/* On whose word it came in. What a person confirmed (who is behind these keys) holds for nothing else: a client that
 * then changes it by itself waits again. Where nobody confirmed anything, there is nothing to lose.   RFC 7592, KEY-07 */
typedef enum sb_admission {
    SB_ADMISSION_PERSON, /* an operator made or approved it */
    SB_ADMISSION_ITSELF, /* by an initial access token, or where registration is open */
    SB_ADMISSION_NONE,   /* it waits, and never came in as it is now */
} sb_admission;

/* What a person looks at before letting a client in; as bits. */
enum { SB_CLIENT_KEYS = 1, SB_CLIENT_NAME = 2, SB_CLIENT_CONTACT = 4 };
#define SB_CLIENT_CHANGES_SIZE 32 /* of all their names */

/* What its assertions look like.                                                                            AUTH-04 */
typedef enum sb_client_profile {
    SB_PROFILE_SMART,      /* SMART 2.2: aud holds the token URL (or the issuer), typ is JWT if it is there */
    SB_PROFILE_RFC7523BIS, /* aud is the issuer as sole value, typ is client-authentication+jwt */
} sb_client_profile;

typedef struct sb_client {
    char *id;
    char *name;       /* for people; may be "" */
    char *contact;    /* for people: an address to write to; may be "" */
    char *jwks_url;   /* the registered JWKS URL; NULL: the set itself was registered */
    sb_jwks *jwks;    /* the registered set; NULL when there is a URL */
    sb_scopes scopes; /* what it may have at most                                                    TOK-08, EXP-06 */
    sb_client_state state;
    sb_admission admission;
    sb_client_profile profile;
    bool show_reasons;          /* under onboarding: told on the wire why it was refused */
    unsigned tokens_per_minute; /* 0: as the server's configuration says */
    int64_t created_s, changed_s;
    int64_t epoch;         /* its tokens of earlier ones are dead, and stay so if it comes in again */
    bool has_registration; /* it may manage itself by the token of this digest                   RFC 7592 */
    sb_digest registration_digest;
    unsigned self_changed;   /* waits again, for it changed this itself: SB_CLIENT_KEYS …; 0: it is new, or in */
    int64_t registered_from; /* of whom registered it, sb_failures_network(); 0: not known */
    atomic_uint refs;
} sb_client;

/* What a client is made of. Texts are copied; jwks is taken over when it succeeds. */
typedef struct sb_client_spec {
    const char *id, *name, *contact; /* name and contact: NULL is "" */
    const char *scope;
    sb_jwks *jwks;        /* this or jwks_url */
    const char *jwks_url; /* its form (https, host) is checked by who registers it */
    sb_client_state state;
    sb_admission admission; /* of one that is pending: none, whatever stands here */
    sb_client_profile profile;
    bool show_reasons;
    unsigned tokens_per_minute;
    int64_t created_s, changed_s;
    int64_t epoch;           /* 0: its first; looked at if there is no `before` */
    const sb_client *before; /* which it takes the place of: ceasing to be active, it begins an epoch. NULL: none */
    const sb_digest *registration_digest; /* NULL: none */
    unsigned self_changed;
    int64_t registered_from;
} sb_client_spec;

/* SB_E_INVALID: an id that is empty, too long or not printable ASCII, a name or contact too long or with control
 * characters, a scope that is malformed or for people, neither or both of jwks and jwks_url. */
sb_status sb_client_new(const sb_client_spec *spec, sb_client **out, sb_error *err);
/* The first epoch of a client: later than all of one that had its id before, if that was made in an earlier second. */
#define SB_CLIENT_EPOCHS (INT64_C(1) << 20) /* in a second: nobody is suspended as often */
static inline int64_t sb_client_first_epoch(int64_t created_s)
{
    return created_s * SB_CLIENT_EPOCHS;
}
/* A client's spec again, to change something of it: texts are borrowed from the client, but *scope is the caller's to
 * free; jwks is a copy that sb_client_new() takes over (free it if that fails). */
sb_status sb_client_respec(const sb_client *client, char **scope, sb_client_spec *out, sb_error *err);
/* In what would this be another than the client, to a person who decides? Bits of SB_CLIENT_KEYS …; keys in another order
 * are the same. */
unsigned sb_client_differs(const sb_client *client, const sb_client_spec *spec);
/* "keys, name" */
const char *sb_client_changes(unsigned bits, char out[SB_CLIENT_CHANGES_SIZE]);
const char *sb_admission_name(sb_admission admission); /* "person", "itself", "none" */
bool sb_admission_parse(const char *text, sb_admission *out);
const char *sb_client_state_name(sb_client_state state);       /* "pending" … */
const char *sb_client_profile_name(sb_client_profile profile); /* "smart", "rfc7523bis" */
bool sb_client_state_parse(const char *text, sb_client_state *out);
bool sb_client_profile_parse(const char *text, sb_client_profile *out);
sb_client *sb_client_ref(sb_client *client);
void sb_client_free(sb_client *client); /* lets go of one reference; NULL is fine */
SB_DEFINE_FREEP(sb_client)

/* Called for each, in the order of their ids; anything but SB_OK ends it, and is returned. */
typedef sb_status sb_client_visit(void *context, sb_client *client, sb_error *err);

/* What is written together with a change, in its transaction, when the rest of it is; anything but SB_OK takes all of it
 * back. `db` is NULL in a register that is in memory. NULL: nothing. */
typedef struct sb_clients_also {
    sb_status (*run)(void *impl, sb_db *db, sb_error *err);
    void *impl;
} sb_clients_also;

typedef struct sb_clients_ops {
    /* *out is a reference, or NULL: there is none. */
    sb_status (*find)(void *impl, sb_str id, sb_client **out, sb_error *err);
    /* SB_E_USAGE: the id is taken. SB_E_BUSY: there are as many as there may be. Keeps a reference of its own. */
    sb_status (*add)(void *impl, sb_client *client, const sb_clients_also *also, sb_error *err);
    /* In place of the one with its id. SB_E_NOT_FOUND. With `was`: only if that is what is there (by its state and the
     * second it was changed in); else SB_E_BUSY. */
    sb_status (*replace)(void *impl, const sb_client *was, sb_client *client, const sb_clients_also *also,
                         sb_error *err);
    /* SB_E_NOT_FOUND. `was` as above. */
    sb_status (*remove)(void *impl, const sb_client *was, sb_str id, const sb_clients_also *also, sb_error *err);
    sb_status (*each)(void *impl, sb_client_visit *visit, void *context, sb_error *err);
    void (*free)(void *impl);
} sb_clients_ops;

typedef struct sb_clients sb_clients;

/* The answers of every register to a change of a client that is not there (SB_E_NOT_FOUND), or is not as it was
 * (SB_E_BUSY). For those who implement one, as is the next. */
sb_status sb_clients_no_such(sb_error *err);
sb_status sb_clients_changed(sb_error *err);
/* Takes `impl` over, also on failure. */
sb_status sb_clients_new(const sb_clients_ops *ops, void *impl, sb_clients **out, sb_error *err);
void sb_clients_free(sb_clients *clients); /* NULL is fine */
SB_DEFINE_FREEP(sb_clients)

/* Any thread. A client that is found may be some seconds old when another process changed it (a register says how
 * many); who approves or suspends looks it up by sb_clients_find_now(). */
sb_status sb_clients_find(sb_clients *clients, sb_str id, sb_client **out, sb_error *err);
/* As it is where clients are kept, at this moment: for who decides about one, or waits for a decision. */
sb_status sb_clients_find_now(sb_clients *clients, const char *id, sb_client **out, sb_error *err);
sb_status sb_clients_add(sb_clients *clients, sb_client *client, sb_error *err);
sb_status sb_clients_replace(sb_clients *clients, sb_client *client, sb_error *err);
/* Only if nobody changed it since `was` was found: who changes one thing does not undo another's suspension. SB_E_BUSY:
 * somebody did. */
sb_status sb_clients_replace_if(sb_clients *clients, const sb_client *was, sb_client *client, sb_error *err);
sb_status sb_clients_remove(sb_clients *clients, sb_str id, sb_error *err);
sb_status sb_clients_remove_if(sb_clients *clients, const sb_client *was,
                               sb_error *err); /* as sb_clients_replace_if() */
/* The same, with what belongs to it; `was` NULL: whatever is there. */
sb_status sb_clients_add_with(sb_clients *clients, sb_client *client, const sb_clients_also *also, sb_error *err);
sb_status sb_clients_replace_with(sb_clients *clients, const sb_client *was, sb_client *client,
                                  const sb_clients_also *also, sb_error *err);
sb_status sb_clients_remove_with(sb_clients *clients, const sb_client *was, sb_str id, const sb_clients_also *also,
                                 sb_error *err);
sb_status sb_clients_each(sb_clients *clients, sb_client_visit *visit, void *context, sb_error *err);

/* A register in memory, of at most `max` clients. */
sb_status sb_clients_memory(size_t max, sb_clients **out, sb_error *err);

#endif
