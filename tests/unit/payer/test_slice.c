/* SPDX-License-Identifier: Apache-2.0 */
/* test_slice.c - looking into JSON text: what is found, and that no text leads beyond its end. */
#include "scratch.h"

#include "payer/data/instant.h"
#include "payer/data/line.h"
#include "payer/data/slice.h"

static sb_str found(const char *json, const char *name)
{
    sb_str value;
    return sb_slice_find(sb_str_from(json), sb_str_from(name), &value) ? value : SB_STR_LIT("(none)");
}

static void assert_text(sb_str got, const char *expected)
{
    if (!sb_str_eq(got, sb_str_from(expected)))
        fail_msg("got '%.*s', expected '%s'", (int)got.len, got.ptr, expected);
}

static void a_member_is_found_at_its_own_level_only(void **state)
{
    (void)state;
    assert_text(found("{\"a\":{\"b\":1},\"b\":2}", "b"), "2");
    assert_text(found("{\"a\":[{\"b\":1}], \"c\" : {\"d\":\"}\"} ,\"b\":[1,2]}", "b"), "[1,2]");
    assert_text(found("{\"a\":\"\\\"b\\\":3\",\"x\":true}", "b"), "(none)");
    assert_text(found("{\"a\":\"\\\\\",\"b\":1.50}", "b"), "1.50"); /* digits stay as written */
    assert_text(found("[1]", "b"), "(none)");
    assert_text(found("{}", "b"), "(none)");
}

static void elements_come_one_by_one(void **state)
{
    (void)state;
    sb_str rest, value;
    assert_true(sb_slice_enter(SB_STR_LIT(" [1, {\"a\":[2]} ,\"x,y\"] "), '[', &rest));
    assert_true(sb_slice_element(&rest, &value));
    assert_text(value, "1");
    assert_true(sb_slice_element(&rest, &value));
    assert_text(value, "{\"a\":[2]}");
    assert_true(sb_slice_element(&rest, &value));
    assert_text(value, "\"x,y\"");
    assert_false(sb_slice_element(&rest, &value));
    assert_true(sb_slice_enter(SB_STR_LIT("[]"), '[', &rest));
    assert_false(sb_slice_element(&rest, &value));
}

static void escapes_are_undone(void **state)
{
    (void)state;
    char space[16];
    sb_str text;
    assert_true(sb_slice_text(SB_STR_LIT("\"Patient\\/1\""), space, sizeof(space), &text));
    assert_text(text, "Patient/1");
    assert_true(sb_slice_text(SB_STR_LIT("\"\\u0041\\\\\""), space, sizeof(space), &text));
    assert_text(text, "A\\");
    assert_false(sb_slice_text(SB_STR_LIT("\"\\u00e9\""), space, sizeof(space), &text));
    assert_false(sb_slice_text(SB_STR_LIT("\"\\u00\""), space, sizeof(space), &text));
    assert_false(sb_slice_text(SB_STR_LIT("\"0123456789abcdef\\n\""), space, sizeof(space), &text)); /* no room */
    assert_false(sb_slice_text(SB_STR_LIT("12"), space, sizeof(space), &text));
}

/* Every prefix and every one-byte change of a resource, in memory of exactly its size: the sanitizer sees an overrun.
 */
static void broken_text_is_never_read_beyond_its_end(void **state)
{
    (void)state;
    static const char json[] =
        "{\"resourceType\":\"Coverage\",\"id\":\"c\\/1\",\"meta\":{\"lastUpdated\":"
        "\"2026-01-01T00:00:00Z\"},\"beneficiary\":{\"reference\":\"Patient\\/7\"},\"x\":[1,{}]}";
    static const char bytes[] = "{}[]\"\\:,u9 ";
    for (size_t len = 0; len < sizeof(json); len++) {
        for (size_t change = 0; change < sizeof(bytes); change++) {
            char *copy = malloc(len + 1); /* one byte more than is used, so that malloc(0) is no case of its own */
            assert_non_null(copy);
            memcpy(copy + 1, json, len);
            if (len > 0 && change < sizeof(bytes) - 1)
                copy[1 + (len * 7 + change * 13) % len] = bytes[change];
            sb_line_space space;
            sb_str type;
            sb_data_line line;
            (void)sb_line_read((sb_str){copy + 1, len}, &space, &type, &line, NULL);
            free(copy);
        }
    }
}

static void a_resource_tells_its_patient(void **state)
{
    (void)state;
    static const struct {
        const char *json, *patient;
    } cases[] = {
        {"{\"resourceType\":\"Patient\",\"id\":\"p1\"}", "p1"},
        {"{\"resourceType\":\"Coverage\",\"id\":\"c\",\"beneficiary\":{\"reference\":\"Patient/p2\"}}", "p2"},
        {"{\"resourceType\":\"Observation\",\"id\":\"o\",\"subject\":{\"reference\":\"http://h/r4/Patient/p3/_history/"
         "2\"}}",
         "p3"},
        {"{\"resourceType\":\"Observation\",\"id\":\"o\",\"subject\":{\"reference\":\"Group/p3\"}}", ""},
        {"{\"resourceType\":\"Observation\",\"id\":\"o\",\"subject\":{\"reference\":\"NotPatient/p3\"}}", ""},
        {"{\"resourceType\":\"ExplanationOfBenefit\",\"id\":\"e\",\"item\":[{\"patient\":{\"reference\":\"Patient/"
         "no\"}}],"
         "\"patient\":{\"reference\":\"Patient\\/p4\"}}",
         "p4"},
        {"{\"resourceType\":\"Organization\",\"id\":\"o\",\"subject\":{\"reference\":\"Patient/p5\"}}", ""},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        sb_line_space space;
        sb_str type;
        sb_data_line line;
        assert_ok(sb_line_read(sb_str_from(cases[i].json), &space, &type, &line, NULL));
        assert_text(line.patient, cases[i].patient);
        assert_true(line.updated_us == SB_UPDATED_NONE);
    }
}

static void instants_are_read_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2026-01-01T03:02:28.000000Z", INT64_C(1767236548000000)},
                {"2024-02-29T23:59:59.999999999+00:00", INT64_C(1709251199999999)},
                {"2021-08-17T13:43:00.037-04:00", INT64_C(1629222180037000)},
                {"1969-12-31T23:59:59.5Z", -500000},
                {"1600-03-01T00:00:00Z", INT64_C(-11670912000000000)}};
    static const char *const bad[] = {"",
                                      "2026-01-01",
                                      "2026-01-01T00:00:00",
                                      "2026-02-29T00:00:00Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00 01:00",
                                      "2026-01-01T00:00:00+15:00",
                                      "2026-01-01T00:00:00Zx",
                                      "0000-01-01T00:00:00Z",
                                      "+026-01-01T00:00:00Z"};
    int64_t us;
    for (size_t i = 0; i < SB_ARRAY_LEN(good); i++) {
        assert_ok(sb_instant_parse_us(sb_str_from(good[i].text), &us, NULL));
        assert_true(us == good[i].us);
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++)
        assert_int_equal(sb_instant_parse_us(sb_str_from(bad[i]), &us, NULL), SB_E_INVALID);
}

static void instants_are_written_rounded_up_to_the_millisecond(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {{0, "1970-01-01T00:00:00.000Z"},
                 {1, "1970-01-01T00:00:00.001Z"},
                 {-1, "1970-01-01T00:00:00.000Z"},
                 {-1000, "1969-12-31T23:59:59.999Z"},
                 {INT64_C(1767236548000000), "2026-01-01T03:02:28.000Z"},
                 {INT64_C(1767236547999001), "2026-01-01T03:02:28.000Z"}};
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        char text[SB_INSTANT_SIZE];
        assert_string_equal(sb_instant_format_us(cases[i].us, text), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_found_at_its_own_level_only),
        cmocka_unit_test(elements_come_one_by_one),
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(broken_text_is_never_read_beyond_its_end),
        cmocka_unit_test(a_resource_tells_its_patient),
        cmocka_unit_test(instants_are_read_exactly),
        cmocka_unit_test(instants_are_written_rounded_up_to_the_millisecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
