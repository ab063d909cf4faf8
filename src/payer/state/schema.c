/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c - the tables, as scripts: one a version, for SQLite and PostgreSQL alike (store/db.h says how). Times end in
 * their unit: _s are seconds since 1970 on the wall clock, _us microseconds. */
#include "payer/state/schema.h"

#define APPLICATION_ID 0x53425059u /* "SBPY" */

static const char *const migrations[] = {
    /* Who may ask for tokens. jwks or jwks_url; state is pending, active or suspended.                KEY-05, KEY-07 */
    "CREATE TABLE clients (id TEXT PRIMARY KEY, state TEXT NOT NULL, name TEXT NOT NULL, contact TEXT NOT NULL,"
    " jwks TEXT, jwks_url TEXT, scope TEXT NOT NULL, profile TEXT NOT NULL, show_reasons BIGINT NOT NULL,"
    " tokens_per_minute BIGINT NOT NULL, registration_digest BYTEA, created_s BIGINT NOT NULL,"
    " changed_s BIGINT NOT NULL);"
    /* What is held in memory is read again when its version is another. */
    "CREATE TABLE versions (name TEXT PRIMARY KEY, version BIGINT NOT NULL);"
    "INSERT INTO versions VALUES ('clients', 0);"
    /* Assertions that were used, by the digest of (iss, jti).                                               AUTH-10 */
    "CREATE TABLE used_assertions (digest BYTEA PRIMARY KEY, expires_s BIGINT NOT NULL);"
    "CREATE INDEX used_assertions_expires ON used_assertions (expires_s);"
    /* Opaque access tokens, and signed ones that were revoked before their end, by digest. */
    "CREATE TABLE tokens (digest BYTEA PRIMARY KEY, client_id TEXT NOT NULL, scope TEXT NOT NULL,"
    " issued_s BIGINT NOT NULL, expires_s BIGINT NOT NULL, revoked BIGINT NOT NULL);"
    "CREATE INDEX tokens_expires ON tokens (expires_s);"
    /* Keys that sign access tokens; published before they sign, and after, until the last token has ended. `sealed` is
     * the private one, encrypted: whoever reads the database, or a copy of it, forges no token. Of several processes that
     * make the next key, one gets its serial. */
    "CREATE TABLE server_keys (serial BIGINT PRIMARY KEY, kid TEXT NOT NULL, alg TEXT NOT NULL, sealed BYTEA NOT NULL,"
    " published_s BIGINT NOT NULL, signs_from_s BIGINT NOT NULL, signs_until_s BIGINT NOT NULL,"
    " ends_s BIGINT NOT NULL);"
    /* Rosters: groups of members, and the clients each is for.                                     PDEX-01, PDEX-07 */
    "CREATE TABLE rosters (id TEXT PRIMARY KEY, name TEXT NOT NULL, resource TEXT NOT NULL, changed_s BIGINT NOT NULL);"
    "CREATE TABLE roster_identifiers (roster_id TEXT NOT NULL, system TEXT NOT NULL, value TEXT NOT NULL);"
    "CREATE INDEX roster_identifiers_value ON roster_identifiers (value);"
    "CREATE TABLE roster_members (roster_id TEXT NOT NULL, patient_id TEXT NOT NULL, from_s BIGINT NOT NULL,"
    " until_s BIGINT NOT NULL, PRIMARY KEY (roster_id, patient_id));"
    "CREATE TABLE roster_clients (client_id TEXT NOT NULL, roster_id TEXT NOT NULL,"
    " PRIMARY KEY (client_id, roster_id));"
    /* Members who said no; looked at when an export runs.                                                   PDEX-07 */
    "CREATE TABLE opt_outs (patient_id TEXT PRIMARY KEY, since_s BIGINT NOT NULL);"
    /* Exports: whose, what was asked, who works at it and until when that is believed, what came of it. */
    "CREATE TABLE jobs (id TEXT PRIMARY KEY, client_id TEXT NOT NULL, state TEXT NOT NULL, request TEXT NOT NULL,"
    " created_us BIGINT NOT NULL, transaction_us BIGINT NOT NULL, owner TEXT NOT NULL, lease_us BIGINT NOT NULL,"
    " done BIGINT NOT NULL, total BIGINT NOT NULL, outputs TEXT, error TEXT, finished_s BIGINT NOT NULL,"
    " expires_s BIGINT NOT NULL);"
    "CREATE INDEX jobs_client ON jobs (client_id);"
    "CREATE INDEX jobs_state ON jobs (state, created_us);"
    /* Data kept in the database instead of a folder. patient is empty for what belongs to no member. */
    "CREATE TABLE resources (type TEXT NOT NULL, id TEXT NOT NULL, patient TEXT NOT NULL, updated_us BIGINT NOT NULL,"
    " json TEXT NOT NULL, PRIMARY KEY (type, id));"
    "CREATE INDEX resources_patient ON resources (type, patient);"
    "CREATE TABLE deleted_resources (type TEXT NOT NULL, id TEXT NOT NULL, patient TEXT NOT NULL,"
    " deleted_us BIGINT NOT NULL, PRIMARY KEY (type, id));"
    /* One-time links to the portal, and the sessions they opened, by digest. */
    "CREATE TABLE portal_links (digest BYTEA PRIMARY KEY, role TEXT NOT NULL, who TEXT NOT NULL,"
    " expires_s BIGINT NOT NULL);"
    "CREATE TABLE portal_sessions (digest BYTEA PRIMARY KEY, role TEXT NOT NULL, who TEXT NOT NULL,"
    " expires_s BIGINT NOT NULL);"
    /* Who registered a client there: it is theirs to look at. created_s is the client's own: one that is made later with
     * the same id is another. */
    "CREATE TABLE portal_clients (client_id TEXT PRIMARY KEY, who TEXT NOT NULL, created_s BIGINT NOT NULL);"
    "CREATE INDEX portal_clients_who ON portal_clients (who);",
    /* On whose word a client came in (person, itself, none), what it changed itself since (bits of auth/client.h), and the
     * network it was registered from. Of those that are in already nobody knows any more: as if a person had looked. */
    "ALTER TABLE clients ADD COLUMN admission TEXT NOT NULL DEFAULT 'person';"
    "ALTER TABLE clients ADD COLUMN self_changed BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE clients ADD COLUMN registered_from BIGINT NOT NULL DEFAULT 0;"
    "UPDATE clients SET admission = 'none' WHERE state = 'pending';",
    /* Which of a client's tokens are dead: those of an earlier epoch than its own. 1048576: SB_CLIENT_EPOCHS. */
    "ALTER TABLE clients ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE tokens ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;"
    "UPDATE clients SET epoch = created_s * 1048576;"
    "UPDATE tokens SET epoch = coalesce((SELECT clients.epoch FROM clients WHERE clients.id = tokens.client_id), 0);",
    /* Whom a resource that was deleted was about besides `patient`: ids, with '/' between them. */
    "ALTER TABLE deleted_resources ADD COLUMN others TEXT NOT NULL DEFAULT '';",
    NULL,
};

sb_status sb_payer_pool(const char *database, unsigned connections, sb_pool **out, sb_error *err)
{
    sb_db_options options = {
        .path = database, .what = "the payer's database", .migrations = migrations, .application_id = APPLICATION_ID};
    return sb_pool_new(&options, connections, out, err);
}
