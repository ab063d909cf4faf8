/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_vectors.c - the token endpoint against tests/vectors/token-endpoint: each vector is a client, what it sends,
 * and the status, OAuth error and audit reason that it gets. The README there says how they are written.
 *
 * What is asked of every answer is asked here once: how it may be cached, what a refusal never tells, that the log holds
 * no secret, and that a good request gets its token afterwards: nothing but what the vector spoilt was wrong, and
 * what is refused uses nothing up.                                            AUTH-06, AUTH-07, AUTH-10, TOK-02, TOK-04 */
#include <dirent.h>

#include <smartbulk/audit.h>

#include "service_fixture.h"

#include "payer/auth/rates.h"
#include "payer/auth/refusal.h"
#include "vector_assertion.h"

#define FOLDER       SB_TEST_VECTORS "/token-endpoint"
#define CLIENT       "partner"
#define NEGATIVE_MIN 100 /* what was promised */
#define VECTORS_MAX  1000

/* The whole run's: vectors are read once. */
static struct {
    fixture *f;
    json_t *vectors[VECTORS_MAX];
    size_t count;
    json_t *documents;
    json_t *reasons; /* those that were seen, as members */
} all;

/* One vector's service. */
typedef struct trial {
    fixture *f;
    const json_t *vector;
    vector_client client;
    sb_service *service, *of_fixture;
    sb_clients *clients, *broken; /* one that cannot be read */
    sb_replay *replay;
    sb_grants *grants;
    sb_audit *audit;
    char *audit_path;
    sb_rates *rates;
    sb_jwks_cache *keys;
    const char *algs[8];
    char *last; /* the assertion that was sent last */
    reply reply;
} trial;

static const json_t *member(const json_t *object, const char *name)
{
    return json_object_get(object, name);
}

static unsigned number(const json_t *object, const char *name)
{
    return (unsigned)json_integer_value(member(object, name));
}

/* The server */

static sb_status fetch_served(void *impl, const char *url, sb_jwks_answer *out, sb_error *err)
{
    const json_t *server = member(((const trial *)impl)->vector, "server");
    const char *what = sb_json_str(server, "key_sets");
    sb_jwks *set = NULL;
    (void)url;
    if (strcmp(what, "unreachable") == 0)
        return sb_error_set(err, SB_E_NETWORK, "the URL cannot be fetched", "the web is down", "mend it");
    if (strcmp(what, "no set") == 0)
        return sb_buf_add_cstr(&out->body, "<html>sign in</html>") ? SB_OK : SB_E_NOMEM;
    assert_string_equal(what, "served");
    assert_ok(sb_jwks_new(&set, NULL));
    assert_ok(sb_jwks_add(set, vector_key(VECTOR_KEY), NULL));
    SB_AUTOFREE json = sb_jwks_json(set, false);
    sb_jwks_free(set);
    return sb_buf_add_cstr(&out->body, json) ? SB_OK : SB_E_NOMEM;
}

static sb_status find_fails(void *impl, sb_str id, sb_client **out, sb_error *err)
{
    (void)impl, (void)id, (void)out;
    return sb_error_set(err, SB_E_IO, "the register cannot be read", "its disk is gone", "mend it");
}

static void free_nothing(void *impl)
{
    (void)impl;
}

static void add_client(trial *t, sb_client_spec *spec, const json_t *key_names)
{
    SB_AUTOPTR(sb_client) made = NULL;
    if (!spec->jwks_url)
        assert_ok(sb_jwks_new(&spec->jwks, NULL));
    for (size_t i = 0; i < json_array_size(key_names); i++)
        assert_ok(sb_jwks_add(spec->jwks, vector_key(json_string_value(json_array_get(key_names, i))), NULL));
    assert_ok(sb_client_new(spec, &made, NULL));
    assert_ok(sb_clients_add(t->clients, made, NULL));
}

static void add_partner(trial *t)
{
    const json_t *client = member(t->vector, "client"), *keys = member(client, "keys");
    const char *scope = sb_json_str(client, "scope"), *state = sb_json_str(client, "state");
    const char *profile = sb_json_str(client, "profile");
    SB_AUTOJSON usual = json_pack("[s]", VECTOR_KEY);
    sb_client_spec spec = {.id = CLIENT,
                           .scope = scope ? scope : "system/*.rs",
                           .jwks_url = sb_json_str(client, "jwks_url"),
                           .state = SB_CLIENT_ACTIVE,
                           .show_reasons = json_is_true(member(client, "show_reasons")),
                           .tokens_per_minute = number(client, "tokens_per_minute")};
    assert_true(!state || sb_client_state_parse(state, &spec.state));
    assert_true(!profile || sb_client_profile_parse(profile, &spec.profile));
    add_client(t, &spec, spec.jwks_url ? NULL : keys ? keys : usual);
}

/* Whose name and key are not the partner's to use. */
static void add_other(trial *t)
{
    SB_AUTOJSON keys = json_pack("[s]", "stranger " VECTOR_KEY);
    sb_client_spec spec = {.id = "other", .scope = "system/*.rs", .state = SB_CLIENT_ACTIVE};
    add_client(t, &spec, keys);
}

static void open_stores(trial *t, const json_t *server)
{
    static const sb_clients_ops broken = {.find = find_fails, .free = free_nothing};
    const sb_clock *clock = &t->f->clock.clock;
    unsigned replay_max = number(server, "replay_max"), tokens_max = number(server, "tokens_max");
    assert_ok(sb_clients_memory(2, &t->clients, NULL));
    assert_ok(sb_clients_new(&broken, NULL, &t->broken, NULL));
    assert_ok(sb_replay_memory(replay_max ? replay_max : 1000, &t->replay, NULL));
    assert_ok(
        sb_grants_memory(clock, LIFETIME, tokens_max ? tokens_max : 1000, t->clients, t->replay, &t->grants, NULL));
    assert_ok(sb_audit_open(t->audit_path, false, clock, &t->audit, NULL));
    assert_ok(sb_rates_new(clock, number(server, "tokens_per_minute"), &t->rates, NULL));
}

static void choose_algs(trial *t, const json_t *algs)
{
    assert_true(json_array_size(algs) < SB_ARRAY_LEN(t->algs));
    for (size_t i = 0; i < json_array_size(algs); i++)
        t->algs[i] = json_string_value(json_array_get(algs, i));
}

static void choose_key_sets(trial *t, const char *key_sets)
{
    sb_jwks_fetcher fetcher = {t, fetch_served};
    unsigned waiting_max = key_sets && strcmp(key_sets, "busy") == 0 ? 0 : 4;
    if (key_sets)
        assert_ok(sb_jwks_cache_new(&fetcher, &t->f->clock.clock, waiting_max, &t->keys, NULL));
}

static void open_service(trial *t, const json_t *server)
{
    sb_service_options options = t->f->options;
    options.audit = t->audit;
    options.rates = t->rates;
    options.failures_burst = options.failures_per_minute = number(server, "failures_burst");
    options.grants = t->grants;
    options.keys = t->keys;
    options.algs = member(server, "algs") ? t->algs : NULL;
    options.clients = json_is_true(member(server, "register_broken")) ? t->broken : t->clients;
    assert_ok(sb_service_new(&options, &t->service, NULL));
    t->of_fixture = t->f->service;
    t->f->service = t->service;
}

static void trial_open(trial *t, fixture *f, const json_t *vector)
{
    const json_t *server = member(vector, "server");
    const char *profile = sb_json_str(member(vector, "client"), "profile");
    bool bis = profile && strcmp(profile, "rfc7523bis") == 0;
    *t = (trial){.f = f, .vector = vector, .reply = {.answer = SB_ANSWER_INIT}};
    t->audit_path = sb_path_join(f->dir, "audit.ndjson");
    (void)unlink(t->audit_path);
    open_stores(t, server);
    choose_algs(t, member(server, "algs"));
    choose_key_sets(t, sb_json_str(server, "key_sets"));
    add_partner(t);
    add_other(t);
    open_service(t, server);
    t->client = (vector_client){.id = CLIENT,
                                .aud = bis ? BASE : TOKEN_URL,
                                .typ = bis ? "client-authentication+jwt" : "JWT",
                                .now_s = fake_wall_s(&f->clock)};
}

static void trial_close(trial *t)
{
    t->f->service = t->of_fixture;
    sb_service_free(t->service);
    sb_jwks_cache_free(t->keys);
    sb_grants_free(t->grants);
    sb_replay_free(t->replay);
    sb_clients_free(t->clients);
    sb_clients_free(t->broken);
    sb_audit_free(t->audit);
    sb_rates_free(t->rates);
    reply_cleanup(&t->reply);
    free(t->audit_path);
    free(t->last);
}

/* Requests */

static void add_field(sb_buf *body, const char *name, const char *value)
{
    assert_true((body->len == 0 || sb_buf_add_char(body, '&')) && sb_url_encode(sb_str_from(name), body) &&
                sb_buf_add_char(body, '=') && sb_url_encode(sb_str_from(value), body));
}

/* What honest clients send but for the patch: null leaves a field out, an array sends it as often as it has values. */
static void make_form(const trial *t, const json_t *patch, sb_buf *body)
{
    SB_AUTOJSON form = json_pack("{s:s, s:s, s:s, s:s}", "grant_type", "client_credentials", "client_assertion_type",
                                 JWT_TYPE, "client_assertion", t->last, "scope", "system/Patient.rs");
    const char *name;
    json_t *value;
    assert_non_null(form);
    assert_true(!patch || json_object_update(form, (json_t *)(uintptr_t)patch) == 0);
    json_object_foreach (form, name, value) {
        for (size_t i = 0; i < json_array_size(value); i++)
            add_field(body, name, json_string_value(json_array_get(value, i)));
        if (json_is_string(value))
            add_field(body, name, json_string_value(value));
    }
}

/* The text with each "$assertion" in it replaced, and "$many" by more fields than anybody sends. */
static void make_body(const trial *t, const json_t *text, sb_buf *body)
{
    static const sb_str assertion = SB_STR_LIT("$assertion"), many = SB_STR_LIT("$many");
    sb_str rest = {json_string_value(text), json_string_length(text)};
    while (rest.len > 0) {
        if (sb_str_starts_with(rest, assertion)) {
            assert_true(sb_buf_add_cstr(body, t->last));
            rest = (sb_str){rest.ptr + assertion.len, rest.len - assertion.len};
        } else if (sb_str_starts_with(rest, many)) {
            for (int i = 0; i < 100; i++)
                assert_true(sb_buf_printf(body, "x%d=1&", i));
            rest = (sb_str){rest.ptr + many.len, rest.len - many.len};
        } else {
            assert_true(sb_buf_add_char(body, rest.ptr[0]));
            rest = (sb_str){rest.ptr + 1, rest.len - 1};
        }
    }
}

static void make_headers(const json_t *patch, sb_buf *headers)
{
    SB_AUTOJSON list = json_pack("{s:s}", "Content-Type", "application/x-www-form-urlencoded");
    const char *name;
    json_t *value;
    assert_true(!patch || json_object_update(list, (json_t *)(uintptr_t)patch) == 0);
    json_object_foreach (list, name, value) {
        if (json_is_string(value))
            assert_true(sb_buf_printf(headers, "%s: %s\n", name, json_string_value(value)));
    }
}

static void send_step(trial *t, const json_t *step)
{
    SB_AUTO(sb_buf) body = SB_BUF_INIT;
    SB_AUTO(sb_buf) headers = SB_BUF_INIT;
    SB_AUTOJSON honest = json_object();
    const json_t *described = member(step, "assertion"), *raw = member(step, "body");
    const char *method = sb_json_str(step, "method"), *target = sb_json_str(step, "target");
    const char *again = json_string_value(described);
    if (again) {
        assert_string_equal(again, "the same");
        assert_non_null(t->last);
    } else {
        free(t->last);
        t->last = vector_assertion(described ? described : honest, &t->client);
    }
    if (raw)
        make_body(t, raw, &body);
    else
        make_form(t, member(step, "form"), &body);
    make_headers(member(step, "headers"), &headers);
    t->f->peer = sb_json_str(step, "peer");
    send_to(t->f, method ? method : "POST", target ? target : "/token", sb_buf_cstr(&headers), sb_buf_str(&body),
            &t->reply);
}

/* Answers */

/* The log's last line; and none of it holds what was secret in the request or the answer. */
static json_t *audited(const trial *t)
{
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    SB_AUTOFREE token = reply_member(&t->reply, "access_token");
    sb_str rest, line, last = SB_STR_NULL;
    assert_ok(sb_file_read(t->audit_path, 1 << 20, &log, NULL));
    rest = sb_buf_str(&log);
    while (sb_str_split(&rest, '\n', &line) && line.len > 0)
        last = line;
    assert_true(strlen(t->last) < 40 || !strstr(sb_buf_cstr(&log), t->last));
    assert_true(token[0] == '\0' || !strstr(sb_buf_cstr(&log), token));
    json_t *event = json_loadb(last.ptr, last.len, 0, NULL);
    assert_non_null(event);
    return event;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = sb_json_str(object, name);
    return text ? text : "";
}

static void check_words(const trial *t, const json_t *expected, const char *error, const char *reason)
{
    const json_t *client = member(t->vector, "client");
    const char *said = text_of(expected, "said");
    SB_AUTOFREE description = reply_member(&t->reply, "error_description");
    if (said[0])
        assert_contains(description, said);
    else if (strcmp(error, "invalid_client") == 0)
        assert_string_equal(description, "the client could not be authenticated"); /* one for all        AUTH-06 */
    if (!json_is_true(member(client, "show_reasons")) && t->reply.status != 200)
        assert_null(strstr(t->reply.body, reason));
    assert_null(strlen(t->last) < 40 ? NULL : strstr(t->reply.body, t->last)); /* nothing is echoed */
    for (const char *c = description; *c; c++)                                 /* RFC 6749 §5.2 */
        assert_true((unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7F && *c != '"' && *c != '\\');
}

/* What holds of every answer of this endpoint.                                                       TOK-02, TOK-04 */
static void check_manners(const trial *t)
{
    unsigned status = t->reply.status;
    assert_string_equal(reply_header(&t->reply, "Cache-Control"), "no-store");
    assert_string_equal(reply_header(&t->reply, "Pragma"), "no-cache");
    assert_string_equal(t->reply.answer.content_type, "application/json");
    assert_int_equal(status == 401, reply_header(&t->reply, "WWW-Authenticate") != NULL);
    assert_int_equal(status == 429 || status == 503, reply_header(&t->reply, "Retry-After") != NULL);
    assert_int_equal(status == 405, reply_header(&t->reply, "Allow") != NULL);
}

static void check_step(const trial *t, const json_t *expected, const char *where)
{
    SB_AUTOFREE error = reply_member(&t->reply, "error");
    SB_AUTOFREE scope = reply_member(&t->reply, "scope");
    SB_AUTOJSON event = audited(t);
    const char *reason = text_of(expected, "reason"), *want = text_of(expected, "error");
    vector_members(expected, "status", "error", "reason", "scope", "said", "event", "client");
    if (t->reply.status != number(expected, "status") || strcmp(error, want) != 0 ||
        strcmp(text_of(event, "reason"), reason) != 0)
        fail_msg("%s: %u '%s' for '%s', not %u '%s' for '%s'", where, t->reply.status, error, text_of(event, "reason"),
                 number(expected, "status"), want, reason);
    assert_int_equal(t->reply.status == 200, error[0] == '\0');
    assert_string_equal(scope, t->reply.status == 200 ? text_of(expected, "scope") : "");
    const char *named = text_of(expected, "event"), *usual = error[0] ? "token.refused" : "token.issued";
    assert_string_equal(text_of(event, "event"), named[0] ? named : usual);
    if (member(expected, "client"))
        assert_string_equal(text_of(event, "client"), text_of(expected, "client"));
    check_manners(t);
    check_words(t, expected, error, reason);
    assert_int_equal(json_object_set_new(all.reasons, reason, json_true()), 0);
}

/* Of the same client with the same jti, if it had one: but for what was spoilt, it would have been good. */
static void check_good_one_after(trial *t)
{
    const json_t *after = member(t->vector, "good_one_after"), *assertion = member(t->vector, "assertion");
    const json_t *claims = member(assertion, "claims"), *jti = member(claims, "jti");
    unsigned want = after ? (unsigned)json_integer_value(after) : 200;
    SB_AUTOJSON step = json_pack("{s:{s:{}}, s:s}", "assertion", "claims", "peer", "198.51.100.77");
    bool refused = number(member(t->vector, "expect"), "status") != 200;
    if (refused && json_is_string(jti) && json_string_length(jti) > 0 && json_string_length(jti) <= 256)
        (void)json_object_set(json_object_get(json_object_get(step, "assertion"), "claims"), "jti",
                              (json_t *)(uintptr_t)jti);
    send_step(t, step);
    if (t->reply.status != want)
        fail_msg("a good one after it: %u for '%s', not %u", t->reply.status, t->f->reason, want);
}

/* One vector */

static void check_vector_members(const json_t *vector)
{
    vector_members(vector, "name", "rule", "client", "server", "before", "assertion", "form", "body", "headers",
                   "method", "target", "peer", "expect", "good_one_after");
    if (member(vector, "client"))
        vector_members(member(vector, "client"), "state", "profile", "keys", "jwks_url", "scope", "show_reasons",
                       "tokens_per_minute");
    if (member(vector, "server"))
        vector_members(member(vector, "server"), "algs", "key_sets", "register_broken", "failures_burst",
                       "tokens_per_minute", "replay_max", "tokens_max");
    assert_true(json_is_string(member(vector, "rule")));
}

static void run_vector(void **state)
{
    static trial t; /* one that failed is left as it is */
    const json_t *vector = *state, *before = member(vector, "before"), *step;
    size_t i;
    check_vector_members(vector);
    trial_open(&t, all.f, vector);
    json_array_foreach ((json_t *)(uintptr_t)before, i, step) {
        vector_members(step, "assertion", "form", "body", "headers", "method", "target", "peer", "expect");
        send_step(&t, step);
        check_step(&t, member(step, "expect"), "a step before");
    }
    send_step(&t, vector);
    check_step(&t, member(vector, "expect"), "it");
    check_good_one_after(&t);
    trial_close(&t);
}

/* All of them */

static void every_vector_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < all.count; i++) {
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(sb_json_str(all.vectors[i], "name"), sb_json_str(all.vectors[k], "name"));
    }
}

static void there_are_as_many_that_are_refused_as_was_promised(void **state)
{
    (void)state;
    size_t refused = 0;
    for (size_t i = 0; i < all.count; i++)
        refused += number(member(all.vectors[i], "expect"), "status") != 200;
    assert_true(refused >= NEGATIVE_MIN);
}

/* Last: after all others ran. */
static void every_reason_that_the_log_knows_is_some_vectors(void **state)
{
    (void)state;
    for (int i = 0; i < SB_REFUSAL_COUNT; i++) {
        if (!member(all.reasons, sb_refusal_name((sb_refusal)i)))
            fail_msg("no vector is refused for '%s'", sb_refusal_name((sb_refusal)i));
    }
}

static int is_seen(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Every file of the folder but its README. False, with a word, for one that is no set of vectors. */
static bool load_file(const char *name)
{
    SB_AUTOFREE path = sb_path_join(FOLDER, name);
    json_error_t why;
    if (strcmp(name, "README.md") == 0)
        return true;
    json_t *document = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why), *vector;
    size_t i;
    if (!document || !json_is_string(member(document, "about")) || json_object_size(document) != 2 ||
        json_array_size(member(document, "vectors")) == 0) {
        (void)fprintf(stderr, "%s is no set of vectors: %s (line %d)\n", path, document ? "about, vectors" : why.text,
                      document ? 0 : why.line);
        return false;
    }
    (void)json_array_append_new(all.documents, document);
    json_array_foreach (json_object_get(document, "vectors"), i, vector) {
        if (all.count == VECTORS_MAX || !sb_json_str(vector, "name"))
            return false;
        all.vectors[all.count++] = vector;
    }
    return true;
}

static bool load_all(void)
{
    struct dirent **entries = NULL;
    int n = scandir(FOLDER, &entries, is_seen, alphasort);
    bool ok = n > 0;
    all.documents = json_array();
    all.reasons = json_object();
    for (int i = 0; i < n; i++) {
        ok = load_file(entries[i]->d_name) && ok;
        free(entries[i]);
    }
    free(entries);
    return ok;
}

static int open_all(void **state)
{
    void *f = NULL;
    if (fixture_keys(state) != 0 || set_up(&f) != 0)
        return -1;
    all.f = f;
    return 0;
}

static int close_all(void **state)
{
    void *f = all.f;
    int rc = tear_down(&f);
    vector_keys_free();
    json_decref(all.documents);
    json_decref(all.reasons);
    return fixture_keys_free(state) == 0 ? rc : -1;
}

int main(void)
{
    static const struct CMUnitTest of_all[] = {
        cmocka_unit_test(every_vector_has_a_name_of_its_own),
        cmocka_unit_test(there_are_as_many_that_are_refused_as_was_promised),
        cmocka_unit_test(every_reason_that_the_log_knows_is_some_vectors),
    };
    static struct CMUnitTest tests[VECTORS_MAX + SB_ARRAY_LEN(of_all)];
    if (!load_all())
        return 1;
    for (size_t i = 0; i < all.count; i++)
        tests[i] = (struct CMUnitTest){sb_json_str(all.vectors[i], "name"), run_vector, NULL, NULL, all.vectors[i]};
    memcpy(tests + all.count, of_all, sizeof(of_all));
    return _cmocka_run_group_tests("token vectors", tests, all.count + SB_ARRAY_LEN(of_all), open_all, close_all);
}
