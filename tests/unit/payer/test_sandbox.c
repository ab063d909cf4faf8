/* SPDX-License-Identifier: Apache-2.0 */
/* test_sandbox.c - the sandbox as a whole, over real sockets and TLS, with libcurl as its client. */
#include "scratch.h"

#include <curl/curl.h>
#include <zlib.h>

#include <smartbulk/sandbox.h>

#include "forge.h"

static sb_key *key;

static int group_set_up(void **state)
{
    (void)state;
    return curl_global_init(CURL_GLOBAL_DEFAULT) == 0 && sb_key_generate("RS384", 2048, "k", &key, NULL) == SB_OK ? 0
                                                                                                                  : -1;
}

static int group_tear_down(void **state)
{
    (void)state;
    sb_key_free(key);
    curl_global_cleanup();
    return 0;
}

typedef struct fixture {
    char *dir;
    sb_buf log;
    sb_sandbox *sandbox;
    sb_sandbox_options options;
    char *jwks_file, *auth; /* "Authorization: Bearer …" */
} fixture;

static void take_line(void *impl, const char *line)
{
    fixture *f = impl;
    assert_true(sb_buf_add_cstr(&f->log, line) && sb_buf_add_char(&f->log, '\n'));
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    void *dir = NULL;
    if (!f || scratch_make(&dir) != 0)
        return -1;
    f->dir = dir;
    sb_jwks *jwks = NULL;
    assert_ok(sb_jwks_new(&jwks, NULL));
    assert_ok(sb_jwks_add(jwks, key, NULL));
    SB_AUTOFREE json = sb_jwks_json(jwks, false);
    sb_jwks_free(jwks);
    scratch_write(f->dir, "jwks.json", sb_str_from(json));
    f->jwks_file = sb_path_join(f->dir, "jwks.json");
    f->options = (sb_sandbox_options){
        .patients = 20, .tls = true, .client_id = "me", .jwks_file = f->jwks_file, .log = take_line, .log_impl = f};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sb_sandbox_free(f->sandbox);
    sb_buf_cleanup(&f->log);
    free(f->jwks_file);
    free(f->auth);
    void *dir = f->dir;
    free(f);
    return scratch_remove(&dir);
}

static void start(fixture *f)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_sandbox_start(&f->options, &f->sandbox, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
}

/* A client */

typedef struct reply {
    long status;
    sb_buf head, body;
} reply;

#define REPLY_INIT                                                                                                     \
    {                                                                                                                  \
        0, SB_BUF_INIT, SB_BUF_INIT                                                                                    \
    }

static void reply_cleanup(reply *r)
{
    sb_buf_cleanup(&r->head);
    sb_buf_cleanup(&r->body);
}

static size_t take(char *bytes, size_t size, size_t count, void *to)
{
    return sb_buf_add(to, bytes, size * count) ? size * count : 0;
}

/* `more`: NULL, or one header line. */
static void ask(const fixture *f, const char *method, const char *url, const char *more, const char *body, reply *r)
{
    CURL *easy = curl_easy_init();
    struct curl_slist *headers = NULL;
    sb_buf_clear(&r->head);
    sb_buf_clear(&r->body);
    if (f->auth)
        headers = curl_slist_append(headers, f->auth);
    if (more)
        headers = curl_slist_append(headers, more);
    if (strstr(url, "$export"))
        headers = curl_slist_append(headers, "Prefer: respond-async");
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, &r->body);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, &r->head);
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, sb_sandbox_ca_file(f->sandbox));
    if (body)
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    if (strcmp(method, "HEAD") == 0)
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    CURLcode code = curl_easy_perform(easy);
    if (code != CURLE_OK)
        fail_msg("%s: %s", url, curl_easy_strerror(code));
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &r->status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
}

static char *token_url(const fixture *f)
{
    const char *fhir = sb_sandbox_fhir_url(f->sandbox);
    return sb_printf("%.*s/token", (int)(strlen(fhir) - strlen("/fhir")), fhir);
}

static void sign_in(fixture *f, const char *client_id)
{
    SB_AUTO(reply) r = REPLY_INIT;
    const sb_clock *clock = sb_clock_system();
    SB_AUTOFREE url = token_url(f);
    forge by = {key, "k", client_id, url, clock->wall_s(clock->impl)};
    SB_AUTOFREE assertion = forge_assertion(&by, NULL, NULL);
    SB_AUTOFREE form = sb_printf("grant_type=client_credentials&client_assertion_type="
                                 "urn%%3Aietf%%3Aparams%%3Aoauth%%3Aclient-assertion-type%%3Ajwt-bearer"
                                 "&client_assertion=%s&scope=system%%2F*.read",
                                 assertion);
    sb_charp_cleanup(&f->auth);
    ask(f, "POST", url, NULL, form, &r);
    if (r.status != 200)
        fail_msg("no token: %ld %s", r.status, sb_buf_cstr(&r.body));
    SB_AUTOJSON body = json_loads(sb_buf_cstr(&r.body), 0, NULL);
    f->auth = sb_printf("Authorization: Bearer %s", sb_json_str(body, "access_token"));
}

/* Kick off, poll, and return the manifest. */
static json_t *export_all(const fixture *f)
{
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE url = sb_printf("%s/$export", sb_sandbox_fhir_url(f->sandbox));
    ask(f, "GET", url, NULL, NULL, &r);
    assert_int_equal(r.status, 202);
    const char *location = strcasestr(sb_buf_cstr(&r.head), "Content-Location: ");
    assert_non_null(location);
    location += strlen("Content-Location: ");
    SB_AUTOFREE status = sb_printf("%.*s", (int)strcspn(location, "\r"), location);
    do {
        ask(f, "GET", status, NULL, NULL, &r);
    } while (r.status == 202);
    assert_int_equal(r.status, 200);
    return json_loads(sb_buf_cstr(&r.body), 0, NULL);
}

static const char *file_url(const json_t *manifest, size_t index)
{
    const char *url = sb_json_str(json_array_get(json_object_get(manifest, "output"), index), "url");
    assert_non_null(url);
    return url;
}

/* What it gives */

static void a_folder_of_data_comes_back_byte_for_byte(void **state)
{
    fixture *f = *state;
    static const char patients[] = "{\"resourceType\":\"Patient\",\"id\":\"1\"}\r\n\n"
                                   "{ \"resourceType\" : \"Patient\", \"id\":\"2\", \"x\":\"\xc3\xa9\" }";
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE data = sb_path_join(f->dir, "data");
    assert_ok(sb_dir_make(data, 0700, NULL));
    scratch_write(data, "people.ndjson", sb_str_from(patients));
    f->options.patients = 0;
    f->options.data_dir = data;
    start(f);
    sign_in(f, "me");
    SB_AUTOJSON manifest = export_all(f);
    ask(f, "GET", file_url(manifest, 0), NULL, NULL, &r);
    assert_int_equal(r.status, 200);
    assert_true(sb_str_eq(sb_buf_str(&r.body), sb_str_from(patients)));
}

static void inflate_all(sb_str gz, sb_buf *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)gz.ptr, .avail_in = (uInt)gz.len};
    unsigned char chunk[4096];
    int rc = Z_OK;
    assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
    while (rc == Z_OK) {
        z.next_out = chunk;
        z.avail_out = sizeof(chunk);
        rc = inflate(&z, Z_NO_FLUSH);
        assert_true(sb_buf_add(out, chunk, sizeof(chunk) - z.avail_out));
    }
    assert_int_equal(rc, Z_STREAM_END);
    assert_int_equal(inflateEnd(&z), Z_OK);
}

/* A download that was cut goes on where it was, compressed or not.                                          FILE-05 */
static void a_cut_download_goes_on_where_it_was(void **state)
{
    fixture *f = *state;
    start(f);
    sign_in(f, "me");
    SB_AUTOJSON manifest = export_all(f);
    const char *url = file_url(manifest, 1); /* ExplanationOfBenefit */
    SB_AUTO(reply) plain = REPLY_INIT;
    ask(f, "GET", url, NULL, NULL, &plain);
    for (int gzip = 0; gzip < 2; gzip++) {
        const char *coding = gzip ? "Accept-Encoding: gzip" : "Accept-Encoding: identity";
        SB_AUTO(reply) whole = REPLY_INIT;
        SB_AUTO(reply) rest = REPLY_INIT;
        SB_AUTO(sb_buf) joined = SB_BUF_INIT;
        do /* until there is a compressed copy */
            ask(f, "GET", url, coding, NULL, &whole);
        while (gzip && !strcasestr(sb_buf_cstr(&whole.head), "Content-Encoding: gzip"));
        assert_int_equal(strcasestr(sb_buf_cstr(&whole.head), "Content-Encoding: gzip") != NULL, gzip);
        const char *etag = strcasestr(sb_buf_cstr(&whole.head), "ETag: ") + strlen("ETag: ");
        SB_AUTOFREE more =
            sb_printf("%s\r\nRange: bytes=1000-\r\nIf-Range: %.*s", coding, (int)strcspn(etag, "\r"), etag);
        ask(f, "GET", url, more, NULL, &rest);
        assert_int_equal(rest.status, 206);
        assert_true(sb_buf_add(&joined, whole.body.ptr, 1000) && sb_buf_add_str(&joined, sb_buf_str(&rest.body)));
        assert_true(sb_str_eq(sb_buf_str(&joined), sb_buf_str(&whole.body)));
        SB_AUTO(sb_buf) text = SB_BUF_INIT;
        if (gzip)
            inflate_all(sb_buf_str(&joined), &text);
        assert_true(sb_str_eq(gzip ? sb_buf_str(&text) : sb_buf_str(&joined), sb_buf_str(&plain.body)));
        SB_AUTOFREE other = sb_printf("%s\r\nRange: bytes=1000-\r\nIf-Range: \"other\"", coding);
        ask(f, "GET", url, other, NULL, &rest);
        assert_int_equal(rest.status, 200);
        SB_AUTOFREE beyond = sb_printf("%s\r\nRange: bytes=99999999-", coding);
        ask(f, "GET", url, beyond, NULL, &rest);
        assert_int_equal(rest.status, 416);
        ask(f, "HEAD", url, coding, NULL, &rest);
        assert_int_equal(rest.status, 200);
        SB_AUTOFREE length = sb_printf("Content-Length: %zu\r", whole.body.len);
        assert_non_null(strcasestr(sb_buf_cstr(&rest.head), length));
    }
}

static void who_registers_is_served(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(sb_buf) jwks = SB_BUF_INIT;
    start(f);
    assert_ok(sb_file_read(f->jwks_file, 10000, &jwks, NULL));
    SB_AUTOFREE body = sb_printf("{\"client_name\":\"a\",\"jwks\":%s}", sb_buf_cstr(&jwks));
    ask(f, "POST", sb_sandbox_register_url(f->sandbox), "Content-Type: application/json", body, &r);
    assert_int_equal(r.status, 201);
    SB_AUTOJSON answer = json_loads(sb_buf_cstr(&r.body), 0, NULL);
    sign_in(f, sb_json_str(answer, "client_id"));
    SB_AUTOJSON manifest = export_all(f);
    assert_int_equal(json_array_size(json_object_get(manifest, "output")), 5);
}

static void revoked_tokens_are_refused_and_counted(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    sb_sandbox_counts counts;
    start(f);
    sign_in(f, "me");
    SB_AUTOFREE url = sb_printf("%s/Group", sb_sandbox_fhir_url(f->sandbox));
    ask(f, "GET", url, NULL, NULL, &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(sb_sandbox_revoke_tokens(f->sandbox), 1);
    ask(f, "GET", url, NULL, NULL, &r);
    assert_int_equal(r.status, 401);
    sign_in(f, "me");
    ask(f, "GET", url, NULL, NULL, &r);
    assert_int_equal(r.status, 200);
    sb_sandbox_stop(f->sandbox);
    sb_sandbox_count(f->sandbox, &counts);
    assert_int_equal(counts.token_requests, 2);
    assert_int_equal(counts.tokens_issued, 2);
    assert_int_equal(counts.unauthorized, 1);
    assert_int_equal(counts.requests, 5);
}

/* What it says */

static void the_log_has_a_line_a_request_and_no_secret(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    f->options.log_json = true;
    start(f);
    sign_in(f, "me");
    SB_AUTOFREE url = sb_printf("%s/Group?identifier=all", sb_sandbox_fhir_url(f->sandbox));
    ask(f, "GET", url, NULL, NULL, &r);
    sb_sandbox_stop(f->sandbox);
    sb_str rest = sb_buf_str(&f->log), line;
    size_t lines = 0;
    while (sb_str_split(&rest, '\n', &line) && line.len > 0) {
        SB_AUTOJSON object = json_loadb(line.ptr, line.len, 0, NULL);
        assert_string_equal(sb_json_str(object, "event"), "request");
        assert_string_equal(sb_json_str(object, "client"), "me");
        lines++;
    }
    assert_int_equal(lines, 2);
    assert_contains(sb_buf_cstr(&f->log), "\"reason\":\"granted\"");
    assert_null(strstr(sb_buf_cstr(&f->log), f->auth + strlen("Authorization: Bearer ")));
    assert_null(strstr(sb_buf_cstr(&f->log), "identifier"));
    assert_null(strstr(sb_buf_cstr(&f->log), "eyJ"));
}

static void a_strangers_text_makes_no_line_of_its_own(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    f->options.log_json = true;
    start(f);
    SB_AUTOFREE url = sb_printf("%s/%%1b[31m%%0a\"}%%c3", sb_sandbox_fhir_url(f->sandbox));
    ask(f, "GET", url, NULL, NULL, &r);
    assert_int_equal(r.status, 401);
    SB_AUTOFREE malformed = sb_printf("%s/%%zz?patient=1", sb_sandbox_fhir_url(f->sandbox));
    ask(f, "GET", malformed, NULL, NULL, &r);
    assert_int_equal(r.status, 400);
    assert_contains(sb_buf_cstr(&r.body), "OperationOutcome");
    sb_sandbox_stop(f->sandbox);
    assert_contains(sb_buf_cstr(&f->log), "\"path\":\"/fhir/…\""); /* it is no word */
    f->log.len = (size_t)(strchr(f->log.ptr, '\n') - f->log.ptr);
    SB_AUTOJSON object = json_loadb(f->log.ptr, f->log.len, 0, NULL);
    assert_non_null(object);
    assert_null(memchr(f->log.ptr, 0x1b, f->log.len));
}

/* What it leaves */

static void nothing_is_left_of_it(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE tmp = sb_path_join(f->dir, "tmp");
    assert_ok(sb_dir_make(tmp, 0700, NULL));
    SB_AUTOFREE before = sb_str_dup(sb_str_from(getenv("TMPDIR")));
    assert_int_equal(setenv("TMPDIR", tmp, 1), 0);
    start(f);
    assert_int_equal(strncmp(sb_sandbox_ca_file(f->sandbox), tmp, strlen(tmp)), 0);
    sign_in(f, "me");
    SB_AUTOJSON manifest = export_all(f);
    assert_true(scratch_count(tmp) > 0);
    sb_sandbox_free(f->sandbox);
    f->sandbox = NULL;
    assert_int_equal(before ? setenv("TMPDIR", before, 1) : unsetenv("TMPDIR"), 0);
    assert_int_equal(rmdir(tmp), 0); /* it is empty */
}

/* The status that an assertion gets, made for an address that is the same after a restart. */
static long use_up(const fixture *f, const char *assertion)
{
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE url = sb_printf("https://localhost:%u/token", sb_sandbox_port(f->sandbox));
    SB_AUTOFREE form = sb_printf("grant_type=client_credentials&client_assertion_type="
                                 "urn%%3Aietf%%3Aparams%%3Aoauth%%3Aclient-assertion-type%%3Ajwt-bearer"
                                 "&client_assertion=%s&scope=system%%2F*.read",
                                 assertion);
    ask(f, "POST", url, NULL, form, &r);
    return r.status;
}

static void a_state_folder_remembers_clients_and_used_assertions(void **state)
{
    fixture *f = *state;
    const sb_clock *clock = sb_clock_system();
    forge by = {key, "k", "me", "https://localhost/token", clock->wall_s(clock->impl)};
    SB_AUTOFREE dir = sb_path_join(f->dir, "state");
    f->options.state_dir = dir;
    f->options.base_url = "https://localhost";
    start(f);
    SB_AUTOFREE assertion = forge_assertion(&by, NULL, NULL);
    SB_AUTOFREE another = forge_assertion(&by, NULL, NULL);
    assert_int_equal(use_up(f, assertion), 200);
    sb_sandbox_free(f->sandbox);
    f->sandbox = NULL;
    static const char *const gone[] = {"ca.pem", "certificate.pem", "key.pem", "data"};
    for (size_t i = 0; i < SB_ARRAY_LEN(gone); i++) {
        SB_AUTOFREE path = sb_path_join(dir, gone[i]);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    f->options.client_id = f->options.jwks_file = NULL;
    start(f);
    assert_int_equal(use_up(f, assertion), 401);
    assert_int_equal(use_up(f, another), 200);
}

static void two_cannot_have_one_state_folder(void **state)
{
    fixture *f = *state;
    sb_error err = SB_ERROR_INIT;
    sb_sandbox *second = NULL;
    SB_AUTOFREE dir = sb_path_join(f->dir, "state");
    f->options.state_dir = dir;
    start(f);
    assert_int_equal(sb_sandbox_start(&f->options, &second, &err), SB_E_BUSY);
    sign_in(f, "me"); /* and the first is none the worse */
    SB_AUTOJSON manifest = export_all(f);
    assert_non_null(manifest);
}

static bool at_the_third_look(void *impl)
{
    return ++*(int *)impl == 3;
}

static void an_end_while_data_is_made_leaves_nothing(void **state)
{
    fixture *f = *state;
    int looks = 0;
    SB_AUTOFREE tmp = sb_path_join(f->dir, "state");
    f->options.state_dir = tmp;
    f->options.patients = 100000;
    f->options.cancelled = at_the_third_look;
    f->options.cancelled_impl = &looks;
    assert_int_equal(sb_sandbox_start(&f->options, &f->sandbox, NULL), SB_E_INTERRUPTED);
    assert_int_equal(scratch_count(tmp), 1); /* the lock */
}

/* Options that do not fit */

static void what_does_not_fit_is_refused_with_the_fix(void **state)
{
    fixture *f = *state;
    static const struct {
        sb_sandbox_options options;
        const char *why;
    } cases[] = {
        {{.patients = 5, .data_dir = "/tmp"}, "both"},
        {{.client_id = "me"}, "belong together"},
        {{.jwks_file = "x"}, "belong together"},
        {{.client_scope = "system/*.rs"}, "no client"},
        {{.no_registration = true}, "nobody"},
        {{.port = 70000}, "65535"},
        {{.address = "0.0.0.0"}, "without TLS"},
        {{.address = "0.0.0.0", .tls = true}, "every address"},
        {{.base_url = "http://payer.example"}, "http"},
        {{.base_url = "https://payer.example/path"}, "scheme and a host"},
        {{.base_url = "nonsense"}, ""},
        {{.data_dir = "/nonexistent"}, ""},
        {{.client_id = "me", .jwks_file = "/nonexistent"}, ""},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        sb_error err = SB_ERROR_INIT;
        sb_sandbox *sandbox = NULL;
        sb_status status = sb_sandbox_start(&cases[i].options, &sandbox, &err);
        if (status == SB_OK || sandbox || !err.what[0] || !err.why[0] || !err.fix[0])
            fail_msg("case %zu: %d %s / %s / %s", i, status, err.what, err.why, err.fix);
        assert_contains(err.why, cases[i].why);
    }
    f->options.client_scope = "user/*.read";
    sb_error err = SB_ERROR_INIT;
    assert_int_not_equal(sb_sandbox_start(&f->options, &f->sandbox, &err), SB_OK);
}

#define IN_SANDBOX(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SANDBOX(a_folder_of_data_comes_back_byte_for_byte),
        IN_SANDBOX(a_cut_download_goes_on_where_it_was),
        IN_SANDBOX(who_registers_is_served),
        IN_SANDBOX(revoked_tokens_are_refused_and_counted),
        IN_SANDBOX(the_log_has_a_line_a_request_and_no_secret),
        IN_SANDBOX(a_strangers_text_makes_no_line_of_its_own),
        IN_SANDBOX(nothing_is_left_of_it),
        IN_SANDBOX(a_state_folder_remembers_clients_and_used_assertions),
        IN_SANDBOX(an_end_while_data_is_made_leaves_nothing),
        IN_SANDBOX(two_cannot_have_one_state_folder),
        IN_SANDBOX(what_does_not_fit_is_refused_with_the_fix),
    };
    return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
