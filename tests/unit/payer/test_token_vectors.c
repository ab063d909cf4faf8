/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_vectors.c - the token endpoint against tests/vectors/token-endpoint: each vector is a client, what it sends,
 * and the status, OAuth error and audit reason that it gets. The README there says how they are written.
 *
 * What is asked of every answer is asked here once: how it may be cached, what a refusal never tells, that the log holds
 * no secret, and that a good request gets its token afterwards: nothing but what the vector spoilt was wrong, and
 * what is refused uses nothing up.                                            AUTH-06, AUTH-07, AUTH-10, TOK-02, TOK-04 */
#include <dirent.h>

#include "vector_trial.h"

#define FOLDER       SB_TEST_VECTORS "/token-endpoint"
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
                   "method", "target", "peer", "expect", "good_one_after", "in_memory_only");
    if (member(vector, "client"))
        vector_members(member(vector, "client"), "state", "profile", "keys", "jwks_url", "scope", "show_reasons",
                       "tokens_per_minute");
    if (member(vector, "server"))
        vector_members(member(vector, "server"), "algs", "key_sets", "register_broken", "failures_burst",
                       "tokens_per_minute", "replay_max", "tokens_max");
    assert_true(json_is_string(member(vector, "rule")));
}

/* With its stores in this database; NULL: in memory. */
static void run_vector(const json_t *vector, database *d)
{
    static trial t; /* one that failed is left as it is */
    const json_t *before = member(vector, "before"), *step;
    size_t i;
    check_vector_members(vector);
    trial_open(&t, all.f, vector, d);
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

static void run_in_memory(void **state)
{
    run_vector(*state, NULL);
}

static void run_in_sqlite(void **state)
{
    database *d = database_new(false);
    run_vector(*state, d);
    database_free(d);
}

static void run_in_postgresql(void **state)
{
    SKIP_WITHOUT_POSTGRES(&databases_server);
    database *d = database_new(true);
    run_vector(*state, d);
    database_free(d);
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
    if (fixture_keys(state) != 0 || databases_start(state) != 0 || set_up(&f) != 0)
        return -1;
    all.f = f;
    return 0;
}

static int close_all(void **state)
{
    void *f = all.f;
    int rc = tear_down(&f);
    vector_keys_free();
    (void)databases_stop(state);
    return fixture_keys_free(state) == 0 ? rc : -1;
}

/* What is used once is used at all processes: those vectors are run on both databases too.                  AUTH-10 */
static size_t add_tests(json_t *vector, struct CMUnitTest *out)
{
    const char *name = sb_json_str(vector, "name"), *rule = sb_json_str(vector, "rule");
    out[0] = (struct CMUnitTest){name, run_in_memory, NULL, NULL, vector};
    if (!rule || strcmp(rule, "AUTH-10") != 0 || json_is_true(member(vector, "in_memory_only")))
        return 1;
    out[1] = (struct CMUnitTest){sb_printf("%s (SQLite)", name), run_in_sqlite, NULL, NULL, vector};
    out[2] = (struct CMUnitTest){sb_printf("%s (PostgreSQL)", name), run_in_postgresql, NULL, NULL, vector};
    return 3;
}

static void free_all(struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (tests[i].test_func == run_in_sqlite || tests[i].test_func == run_in_postgresql)
            free((char *)(uintptr_t)tests[i].name);
    }
    json_decref(all.documents);
    json_decref(all.reasons);
}

int main(void)
{
    static const struct CMUnitTest of_all[] = {
        cmocka_unit_test(every_vector_has_a_name_of_its_own),
        cmocka_unit_test(there_are_as_many_that_are_refused_as_was_promised),
        cmocka_unit_test(every_reason_that_the_log_knows_is_some_vectors),
    };
    static struct CMUnitTest tests[3 * VECTORS_MAX + SB_ARRAY_LEN(of_all)];
    size_t count = 0;
    if (!load_all())
        return 1;
    for (size_t i = 0; i < all.count; i++)
        count += add_tests(all.vectors[i], tests + count);
    memcpy(tests + count, of_all, sizeof(of_all));
    int failed = _cmocka_run_group_tests("token vectors", tests, count + SB_ARRAY_LEN(of_all), open_all, close_all);
    free_all(tests, count);
    return failed;
}
