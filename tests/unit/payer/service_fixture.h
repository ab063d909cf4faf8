/* SPDX-License-Identifier: Apache-2.0 */
/* service_fixture.h - a payer without a socket: made-up data, a clock of the test's own, two clients with keys; and
 * requests handed to it as the server would. For the tests of the payer's side alone. */
#ifndef SB_TEST_SERVICE_FIXTURE_H
#define SB_TEST_SERVICE_FIXTURE_H

#include "scratch.h"

#include "../smart/fake_clock.h"
#include "base/url.h"
#include "forge.h"
#include "payer/auth/client_db.h"
#include "payer/data/generator.h"
#include "payer/routes/service.h"

#define BASE      "https://payer.example"
#define TOKEN_URL BASE "/token"
#define LIFETIME  60
#define JWT_TYPE  "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

typedef struct fixture {
    char *dir, *data_dir, *state_dir;
    fake_clock clock;
    sb_data *data;
    sb_rosters *rosters;
    sb_groups *groups;
    sb_jobs *jobs;
    sb_clients *clients;
    sb_replay *replay;
    sb_grants *grants;
    sb_service *service;
    sb_service_options options;
    sb_jobs_options jobs_options;
    size_t replay_max, grants_max;
    sb_pool *pool;    /* where clients are; NULL: in memory */
    const char *peer; /* NULL: 192.0.2.1 */
    bool from_proxy;  /* the connection is a trusted proxy's */
    sb_key *rsa, *other;
    forge forge; /* of client-1 */
    char reason[64], client[SB_CLIENT_ID_MAX + 1], path[256];
    pthread_mutex_t lock; /* of the three above */
} fixture;

static void fixture_event(void *impl, const sb_service_event *event)
{
    fixture *f = impl;
    (void)pthread_mutex_lock(&f->lock);
    (void)snprintf(f->reason, sizeof(f->reason), "%s", event->reason);
    (void)snprintf(f->client, sizeof(f->client), "%s", event->client);
    (void)snprintf(f->path, sizeof(f->path), "%.*s", (int)event->path.len, event->path.ptr);
    (void)pthread_mutex_unlock(&f->lock);
}

static void fixture_add_client(fixture *f, const char *id, const sb_key *key, const char *scope)
{
    sb_jwks *jwks = NULL;
    SB_AUTOPTR(sb_client) client = NULL;
    assert_ok(sb_jwks_new(&jwks, NULL));
    assert_ok(sb_jwks_add(jwks, key, NULL));
    sb_client_spec spec = {.id = id, .scope = scope, .jwks = jwks, .state = SB_CLIENT_ACTIVE};
    assert_ok(sb_client_new(&spec, &client, NULL));
    (void)sb_clients_remove(f->clients, sb_str_from(id), NULL); /* a database has it from before */
    assert_ok(sb_clients_add(f->clients, client, NULL));
}

static void fixture_open(fixture *f)
{
    f->clock.jumps = false;
    f->jobs_options.state_dir = f->state_dir;
    f->jobs_options.data = f->data;
    f->jobs_options.groups = f->groups;
    f->jobs_options.clock = &f->clock.clock;
    f->jobs_options.open_files = f->options.open_files;
    assert_ok(sb_jobs_new(&f->jobs_options, &f->jobs, NULL));
    assert_ok(f->pool ? sb_clients_db(f->pool, &f->clock.clock, &f->clients, NULL)
                      : sb_clients_memory(60, &f->clients, NULL));
    assert_ok(sb_replay_memory(f->replay_max ? f->replay_max : 1000, &f->replay, NULL));
    assert_ok(sb_grants_memory(&f->clock.clock, LIFETIME, f->grants_max ? f->grants_max : 1000, f->clients, f->replay,
                               &f->grants, NULL));
    fixture_add_client(f, "client-1", f->rsa, "system/*.rs");
    fixture_add_client(f, "client-2", f->other, "system/Patient.rs system/Coverage.read");
    f->options.base_url = BASE;
    f->options.clients = f->clients;
    f->options.grants = f->grants;
    f->options.jobs = f->jobs;
    f->options.data = f->data;
    f->options.groups = f->groups;
    f->options.clock = &f->clock.clock;
    f->options.on_event = fixture_event;
    f->options.on_event_impl = f;
    assert_ok(sb_service_new(&f->options, &f->service, NULL));
    f->forge = (forge){f->rsa, "rsa", "client-1", TOKEN_URL, fake_wall_s(&f->clock)};
}

static void fixture_close(fixture *f)
{
    sb_service_free(f->service);
    sb_jobs_free(f->jobs);
    sb_grants_free(f->grants);
    sb_replay_free(f->replay);
    sb_clients_free(f->clients);
}

/* Again with other options. */
static SB_UNUSED void fixture_reopen(fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

/* Keys are dear under sanitizers: once for all tests of a program. */
static sb_key *fixture_rsa, *fixture_other;

static int fixture_keys(void **state)
{
    (void)state;
    if (sb_key_generate("RS384", 2048, "rsa", &fixture_rsa, NULL) != SB_OK)
        return -1;
    return sb_key_generate("RS384", 2048, "other", &fixture_other, NULL) == SB_OK ? 0 : -1;
}

static int fixture_keys_free(void **state)
{
    (void)state;
    sb_key_free(fixture_rsa);
    sb_key_free(fixture_other);
    return 0;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    void *dir = NULL;
    if (!f || scratch_make(&dir) != 0 || pthread_mutex_init(&f->lock, NULL) != 0)
        return -1;
    f->dir = dir;
    f->data_dir = sb_path_join(f->dir, "data");
    f->state_dir = sb_path_join(f->dir, "state");
    f->rsa = fixture_rsa;
    f->other = fixture_other;
    fake_clock_init(&f->clock);
    f->options.registration = SB_REGISTRATION_OPEN;
    assert_ok(sb_generator_write(f->data_dir, 10, 0, NULL));
    assert_ok(sb_data_ndjson_open(f->data_dir, &f->data, NULL));
    assert_ok(sb_rosters_sandbox(f->data, &f->rosters, NULL));
    assert_ok(sb_groups_sandbox(f->rosters, &f->groups, NULL));
    fixture_open(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    fixture_close(f);
    sb_groups_free(f->groups);
    sb_rosters_free(f->rosters);
    sb_data_free(f->data);
    free(f->data_dir);
    free(f->state_dir);
    void *dir = f->dir;
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
    return scratch_remove(&dir);
}

/* Requests */

typedef struct reply {
    unsigned status;
    char *body; /* "" for a file */
    sb_answer answer;
} reply;

static void reply_cleanup(reply *r)
{
    free(r->body);
    sb_answer_cleanup(&r->answer);
    *r = (reply){.answer = SB_ANSWER_INIT};
}

#define REPLY_INIT                                                                                                     \
    {                                                                                                                  \
        .answer = SB_ANSWER_INIT                                                                                       \
    }

/* `headers`: "Name: value\n…", or NULL. */
static void parse_headers(const char *text, sb_buf *storage, sb_server_header *headers, size_t *count)
{
    sb_str rest = sb_str_from(text), line, name;
    assert_true(sb_buf_reserve(storage, rest.len + 1));
    while (sb_str_split(&rest, '\n', &line)) {
        if (line.len == 0)
            continue;
        assert_true(sb_str_split(&line, ':', &name));
        headers[*count].name = storage->ptr + storage->len;
        assert_true(sb_buf_add_str(storage, name) && sb_buf_add_char(storage, '\0'));
        headers[(*count)++].value = sb_str_trim(line);
    }
}

static void send_by(const sb_server_handler *handler, const fixture *f, const char *method, const char *target,
                    const char *headers, sb_str body, reply *out)
{
    SB_AUTO(sb_buf) names = SB_BUF_INIT;
    sb_server_header list[16];
    sb_server_request request = {.method = method, .raw_target = target, .headers = list, .from_proxy = f->from_proxy};
    size_t body_max = 0;
    reply_cleanup(out);
    (void)snprintf(request.peer, sizeof(request.peer), "%s", f->peer ? f->peer : "192.0.2.1");
    parse_headers(headers ? headers : "", &names, list, &request.header_count);
    assert_ok(sb_target_parse(sb_str_from(target), &request.target, NULL));
    if (handler->begin(handler->impl, &request, &body_max, &out->answer)) {
        assert_true(body.len <= body_max);
        request.body = body;
        handler->respond(handler->impl, &request, &out->answer);
    }
    assert_false(out->answer.broken);
    out->status = out->answer.status;
    handler->answered(handler->impl, &request, out->status, out->answer.body.len, 0);
    handler->release(handler->impl, &request);
    sb_target_cleanup(&request.target);
    out->body = sb_str_dup(sb_buf_str(&out->answer.body));
    assert_non_null(out->body);
}

static void send_to(fixture *f, const char *method, const char *target, const char *headers, sb_str body, reply *out)
{
    sb_server_handler handler = sb_service_handler(f->service);
    send_by(&handler, f, method, target, headers, body, out);
}

static SB_UNUSED void get(fixture *f, const char *target, const char *headers, reply *out)
{
    send_to(f, "GET", target, headers, SB_STR_NULL, out);
}

static SB_UNUSED const char *reply_header(const reply *r, const char *name)
{
    for (size_t i = 0; i < r->answer.header_count; i++) {
        if (strcasecmp(r->answer.headers[i].name, name) == 0)
            return r->answer.headers[i].value;
    }
    return NULL;
}

/* A member of a JSON body, as malloc'ed text. */
static SB_UNUSED char *reply_member(const reply *r, const char *name)
{
    SB_AUTOJSON body = json_loads(r->body, 0, NULL);
    const char *text = sb_json_str(body, name);
    return sb_str_dup(sb_str_from(text ? text : ""));
}

/* Tokens */

static SB_UNUSED char *token_form(const char *assertion, const char *scope)
{
    SB_AUTO(sb_buf) form = SB_BUF_INIT;
    assert_true(
        sb_buf_add_cstr(&form, "grant_type=client_credentials&client_assertion_type=" JWT_TYPE "&client_assertion=") &&
        sb_buf_add_cstr(&form, assertion) && sb_buf_add_cstr(&form, "&scope=") &&
        sb_url_encode(sb_str_from(scope), &form));
    return sb_buf_steal(&form);
}

#define FORM "Content-Type: application/x-www-form-urlencoded\n"

static SB_UNUSED void ask_token(fixture *f, const char *assertion, const char *scope, reply *out)
{
    SB_AUTOFREE form = token_form(assertion, scope);
    send_to(f, "POST", "/token", FORM, sb_str_from(form), out);
}

static SB_UNUSED forge forge_of(fixture *f, int client)
{
    forge it = f->forge;
    it.now_s = fake_wall_s(&f->clock);
    if (client == 2) {
        it.key = f->other;
        it.kid = "other";
        it.client_id = "client-2";
    }
    return it;
}

/* "Authorization: Bearer …\n" of a new token, malloc'ed. */
static SB_UNUSED char *bearer(fixture *f, int client, const char *scope)
{
    SB_AUTO(reply) r = REPLY_INIT;
    forge by = forge_of(f, client);
    SB_AUTOFREE assertion = forge_assertion(&by, NULL, NULL);
    ask_token(f, assertion, scope, &r);
    if (r.status != 200)
        fail_msg("no token: %s (%s)", r.body, f->reason);
    SB_AUTOFREE token = reply_member(&r, "access_token");
    return sb_printf("Authorization: Bearer %s\n", token);
}

#endif
