/* SPDX-License-Identifier: Apache-2.0 */
/* test_generator.c - the generated people: the same everywhere, whole, and nobody real. */
#include "scratch.h"

#include <openssl/evp.h>

#include "base/json.h"
#include "payer/data/generator.h"
#include "payer/data/roster.h"

#define FILE_MAX ((size_t)64 * 1024 * 1024)

static void generate(const char *dir, uint64_t patients, uint64_t file_bytes)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_generator_write(dir, patients, file_bytes, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
}

static void read_into(const char *dir, const char *name, sb_buf *out)
{
    SB_AUTOFREE path = sb_path_join(dir, name);
    assert_ok(sb_file_read(path, FILE_MAX, out, NULL));
}

static void hash_of(sb_str bytes, char hex[65])
{
    unsigned char digest[32];
    assert_int_equal(EVP_Digest(bytes.ptr, bytes.len, digest, NULL, EVP_sha256(), NULL), 1);
    for (int i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* The bytes are a promise: documentation shows them, and people compare. A new hash here is a change to announce. */
static void the_same_count_gives_the_same_bytes_on_every_machine(void **state)
{
    static const struct {
        const char *name, *sha256;
    } files[] = {
        {"Coverage.000.ndjson", "ea3f8f01d629a1b92c82bcd4d8738a1b10baf432a5df3e3e06c97809b7492077"},
        {"ExplanationOfBenefit.000.ndjson", "c72655264d9b9e1b0fdc96192f5db9bb60be3b248f48f89a0913065b346c4a9f"},
        {"Organization.000.ndjson", "e759b4ccda3bfde2557aaadcb001c1c2cf6ea646f6cbcb733c893d867719ecf5"},
        {"Patient.000.ndjson", "75358632a15b561de436412f0e230f3e90370b5b8ad3a343a3c6a3fe9e2b7ef3"},
        {"Practitioner.000.ndjson", "c9e5595920aaf22ac83daf2d74082b889a87fe7a419d49842cf9596489eecff9"},
    };
    generate(*state, 100, 0);
    assert_int_equal(scratch_count(*state), SB_ARRAY_LEN(files));
    for (size_t i = 0; i < SB_ARRAY_LEN(files); i++) {
        SB_AUTO(sb_buf) text = SB_BUF_INIT;
        char hex[65];
        read_into(*state, files[i].name, &text);
        hash_of(sb_buf_str(&text), hex);
        assert_string_equal(hex, files[i].sha256);
    }
}

static void more_patients_leave_the_first_as_they_were(void **state)
{
    SB_AUTOFREE small = sb_path_join(*state, "small");
    SB_AUTOFREE large = sb_path_join(*state, "large");
    static const char *const names[] = {"Patient.000.ndjson", "Coverage.000.ndjson", "ExplanationOfBenefit.000.ndjson"};
    generate(small, 3, 0);
    generate(large, 9, 0);
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        SB_AUTO(sb_buf) few = SB_BUF_INIT, many = SB_BUF_INIT;
        read_into(small, names[i], &few);
        read_into(large, names[i], &many);
        assert_true(many.len > few.len);
        assert_true(sb_str_starts_with(sb_buf_str(&many), sb_buf_str(&few)));
    }
}

static void files_are_cut_at_the_size_asked_for(void **state)
{
    SB_AUTOFREE whole = sb_path_join(*state, "whole");
    SB_AUTOFREE cut = sb_path_join(*state, "cut");
    generate(whole, 4, 0);
    generate(cut, 4, 50000);
    SB_AUTO(sb_buf) one = SB_BUF_INIT, joined = SB_BUF_INIT;
    read_into(whole, "ExplanationOfBenefit.000.ndjson", &one);
    for (unsigned i = 0; joined.len < one.len; i++) {
        SB_AUTOFREE name = sb_printf("ExplanationOfBenefit.%03u.ndjson", i);
        size_t before = joined.len;
        read_into(cut, name, &joined);
        assert_in_range(joined.len - before, 1, 50000);
    }
    assert_true(sb_str_eq(sb_buf_str(&one), sb_buf_str(&joined)));
}

typedef struct checks {
    const sb_rosters *rosters;
    size_t claims;
} checks;

static const char *at(const json_t *json, const char *a, const char *b)
{
    const char *text = json_string_value(json_object_get(json_object_get(json, a), b));
    return text ? text : "";
}

static double amount(const json_t *list, size_t index)
{
    return json_number_value(json_object_get(json_object_get(json_array_get(list, index), "amount"), "value"));
}

static sb_status check_claim(void *context, const sb_data_line *line, sb_error *err)
{
    checks *c = context;
    SB_AUTOJSON claim = NULL;
    SB_TRY(sb_json_parse_object(line->json, "a generated claim", &claim, err));
    assert_in_range(line->json.len, 2000, 40000);
    assert_true(sb_rosters_know(c->rosters, line->patient));
    assert_contains(at(claim, "provider", "reference"), "Organization/");
    SB_AUTOFREE coverage = sb_printf("Coverage/%.*s-cov", (int)line->patient.len, line->patient.ptr);
    assert_string_equal(at(json_array_get(json_object_get(claim, "insurance"), 0), "coverage", "reference"), coverage);
    double net = 0;
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(claim, "item"), i, item)
        net += json_number_value(json_object_get(json_object_get(item, "net"), "value"));
    const json_t *total = json_object_get(claim, "total");
    assert_float_equal(net, amount(total, 0), 0.005);
    assert_float_equal(amount(total, 1), amount(total, 4) + amount(total, 5),
                       0.005); /* allowed = paid + the member's */
    c->claims++;
    return SB_OK;
}

static void claims_add_up_and_refer_to_what_is_there(void **state)
{
    generate(*state, 20, 0);
    SB_AUTOPTR(sb_data) data = NULL;
    SB_AUTOPTR(sb_rosters) rosters = NULL;
    assert_ok(sb_data_ndjson_open(*state, &data, NULL));
    assert_ok(sb_rosters_sandbox(data, &rosters, NULL));
    checks c = {rosters, 0};
    sb_error err = SB_ERROR_INIT;
    const sb_data_type *type = sb_data_find(data, SB_STR_LIT("ExplanationOfBenefit"));
    if (sb_data_scan(data, type, 0, check_claim, &c, &err) != SB_OK)
        fail_msg("%s", err.why);
    assert_in_range(c.claims, 20 * 6, 20 * 14);
    assert_true(type->parts[0].all_dated);
}

static void no_provider_number_can_be_anybodys(void **state)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    generate(*state, 1, 0);
    read_into(*state, "Practitioner.000.ndjson", &text);
    read_into(*state, "Organization.000.ndjson", &text);
    static const char mark[] = "us-npi\",\"value\":\"";
    unsigned found = 0;
    for (const char *p = sb_buf_cstr(&text); (p = strstr(p, mark)); found++) {
        p += sizeof(mark) - 1;
        assert_int_equal(*p, '9');
    }
    assert_int_equal(found, 93);
}

static void a_count_that_cannot_be_is_refused(void **state)
{
    assert_int_equal(sb_generator_write(*state, 0, 0, NULL), SB_E_USAGE);
    assert_int_equal(sb_generator_write(*state, SB_GENERATOR_PATIENTS_MAX + 1, 0, NULL), SB_E_USAGE);
    assert_int_equal(sb_generator_write("/proc/nowhere", 1, 0, NULL), SB_E_IO);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_folder(the_same_count_gives_the_same_bytes_on_every_machine),
        with_folder(more_patients_leave_the_first_as_they_were),
        with_folder(files_are_cut_at_the_size_asked_for),
        with_folder(claims_add_up_and_refer_to_what_is_there),
        with_folder(no_provider_number_can_be_anybodys),
        with_folder(a_count_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
