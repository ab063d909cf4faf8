/* SPDX-License-Identifier: Apache-2.0 */
/* test_data.c - a folder of NDJSON as a data source: what is indexed, what is refused, and the groups made of it. */
#include "scratch.h"

#include "base/json.h"
#include "payer/data/data.h"
#include "payer/data/groups.h"

#define P(id, stamp) "{\"resourceType\":\"Patient\",\"id\":\"" id "\",\"meta\":{\"lastUpdated\":\"" stamp "\"}}"
#define C(id, patient)                                                                                                 \
    "{\"resourceType\":\"Coverage\",\"id\":\"" id "\",\"beneficiary\":{\"reference\":\"Patient/" patient "\"}}"

static sb_data *open_data(const char *dir)
{
    sb_data *data = NULL;
    sb_error err = SB_ERROR_INIT;
    if (sb_data_ndjson_open(dir, &data, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    return data;
}

static void files_are_grouped_by_what_their_lines_say(void **state)
{
    scratch_write(*state, "b.ndjson", SB_STR_LIT(P("1", "2025-01-01T00:00:00Z") "\n" P("2", "2026-01-01T00:00:00Z")));
    scratch_write(*state, "a.ndjson", SB_STR_LIT("\xEF\xBB\xBF" P("3", "2024-01-01T00:00:00Z") "\r\n\r\n"));
    scratch_write(*state, "z.ndjson", SB_STR_LIT(C("c1", "1") "\n"));
    scratch_write(*state, "empty.ndjson", SB_STR_LIT(""));
    scratch_write(*state, "notes.txt", SB_STR_LIT("not data"));
    SB_AUTOPTR(sb_data) data = open_data(*state);
    size_t count;
    const sb_data_type *types = sb_data_types(data, &count);
    assert_int_equal(count, 2);
    assert_string_equal(types[0].name, "Coverage");
    assert_false(types[0].parts[0].all_dated);
    assert_true(types[0].parts[0].newest_us == SB_UPDATED_NONE);
    assert_string_equal(types[1].name, "Patient");
    assert_int_equal(types[1].part_count, 2);
    assert_int_equal(types[1].resources, 3);
    assert_string_equal(types[1].parts[0].name, "a.ndjson");
    assert_true(types[1].parts[1].all_dated && types[1].in_compartment);
    assert_true(sb_data_newest_us(data) == INT64_C(1767225600000000));
    assert_true(types[1].parts[1].oldest_us == INT64_C(1735689600000000));
    assert_ptr_equal(sb_data_find(data, SB_STR_LIT("Patient")), &types[1]);
    assert_null(sb_data_find(data, SB_STR_LIT("Observation")));
    assert_string_not_equal(types[1].parts[0].etag, types[1].parts[1].etag);
}

typedef struct seen {
    sb_buf text;
    unsigned stop_after;
} seen;

static sb_status note(void *context, const sb_data_line *line, sb_error *err)
{
    seen *s = context;
    assert_true(sb_buf_printf(&s->text, "%.*s@%.*s;", (int)line->id.len, line->id.ptr, (int)line->patient.len,
                              line->patient.ptr));
    if (s->stop_after > 0 && --s->stop_after == 0)
        return sb_error_set(err, SB_E_INTERRUPTED, "enough", NULL, NULL);
    return SB_OK;
}

static void a_scan_gives_each_resource_in_order_and_can_be_stopped(void **state)
{
    scratch_write(*state, "a.ndjson", SB_STR_LIT(C("c1", "1") "\n\n  \n" C("c2", "2") "\r\n" C("c3", "3")));
    SB_AUTOPTR(sb_data) data = open_data(*state);
    const sb_data_type *type = sb_data_find(data, SB_STR_LIT("Coverage"));
    seen all = {SB_BUF_INIT, 0}, some = {SB_BUF_INIT, 2};
    assert_ok(sb_data_scan(data, type, 0, note, &all, NULL));
    assert_string_equal(sb_buf_cstr(&all.text), "c1@1;c2@2;c3@3;");
    assert_int_equal(sb_data_scan(data, type, 0, note, &some, NULL), SB_E_INTERRUPTED);
    assert_string_equal(sb_buf_cstr(&some.text), "c1@1;c2@2;");
    sb_buf_cleanup(&all.text);
    sb_buf_cleanup(&some.text);
}

static void a_line_longer_than_the_buffer_is_read_whole(void **state)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    assert_true(
        sb_buf_add_cstr(&text, P("1", "2025-01-01T00:00:00Z") "\n{\"resourceType\":\"Patient\",\"id\":\"2\",\"x\":\""));
    for (int i = 0; i < 100000; i++)
        assert_true(sb_buf_add_cstr(&text, "0123456789"));
    assert_true(sb_buf_add_cstr(&text, "\"}\n" P("3", "2025-01-01T00:00:00Z") "\n"));
    scratch_write(*state, "a.ndjson", sb_buf_str(&text));
    SB_AUTOPTR(sb_data) data = open_data(*state);
    seen all = {SB_BUF_INIT, 0};
    assert_ok(sb_data_scan(data, sb_data_find(data, SB_STR_LIT("Patient")), 0, note, &all, NULL));
    assert_string_equal(sb_buf_cstr(&all.text), "1@1;2@2;3@3;");
    sb_buf_cleanup(&all.text);
}

#define LETTERS_16  "aaaaaaaaaaaaaaaa"
#define LETTERS_64  LETTERS_16 LETTERS_16 LETTERS_16 LETTERS_16
#define LETTERS_256 LETTERS_64 LETTERS_64 LETTERS_64 LETTERS_64

static void what_cannot_be_served_is_refused_with_file_line_and_reason(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {P("1", "2025-01-01T00:00:00Z") "\n{\"resourceType\":\"Patient\"}\n", "a.ndjson line 2"},
        {"{\"resourceType\":\"Patient\",\"name\":[]}\n", "a.ndjson line 1"},
        {"id,name\n1,Smith\n", "line 1: column 1"},
        {P("1", "2025-01-01T00:00:00Z") "\n" P("2",
                                               "2025-01-01T00:00:00Z") "\n{\"resourceType\":\"Patient\",\"id\":\"3\"",
         "line 3"},
        {"{\n  \"resourceType\": \"Patient\",\n  \"id\": \"1\"\n}\n", "line 1"},
        {P("1", "2025-01-01T00:00:00Z") "\n\n" C("2", "1") "\n", "line 3: it is a Coverage"},
        {P("1", "yesterday") "\n", "lastUpdated is not an instant"},
        {"{\"id\":\"1\"}\n", "line 1"},
        {"{\"resourceType\":\"../Patient\",\"id\":\"1\"}\n", "not the name of a resource type"},
        {"{\"resourceType\":\"P" LETTERS_256 "\",\"id\":\"1\"}\n", "not the name of a resource type"},
        {"{\"resourceType\":\"Patient\",\"id\":7}\n", "line 1"},
        {"{\"resourceType\":\"Patient\",\"id\":\"1\"}\xFF\n", "line 1"},
        {P("1", "2025-01-01T00:00:00Z") "\n{\"resourceType\":\"Patient\",\"id\":\"2\",\"active\":tru}\n", "line 2"},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        scratch_write(*state, "a.ndjson", sb_str_from(cases[i].text));
        sb_data *data = NULL;
        sb_error err = SB_ERROR_INIT;
        assert_int_equal(sb_data_ndjson_open(*state, &data, &err), SB_E_INVALID);
        assert_contains(err.why, "a.ndjson line ");
        assert_contains(err.why, cases[i].why);
        assert_null(data);
    }
}

static void a_folder_without_data_is_a_mistake_of_the_user(void **state)
{
    sb_data *data = NULL;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_data_ndjson_open(*state, &data, &err), SB_E_USAGE);
    scratch_write(*state, "a.ndjson", SB_STR_LIT("\n"));
    assert_int_equal(sb_data_ndjson_open(*state, &data, &err), SB_E_USAGE);
    assert_int_equal(sb_data_ndjson_open("/nonexistent/folder", &data, &err), SB_E_IO);
    assert_contains(err.why, "/nonexistent/folder");
}

static void a_file_that_changed_is_no_longer_served(void **state)
{
    scratch_write(*state, "a.ndjson", SB_STR_LIT(P("1", "2025-01-01T00:00:00Z") "\n"));
    SB_AUTOPTR(sb_data) data = open_data(*state);
    const sb_data_type *type = sb_data_find(data, SB_STR_LIT("Patient"));
    SB_AUTOFD fd = -1;
    assert_ok(sb_data_open(data, type, 0, &fd, NULL));
    scratch_write(*state, "a.ndjson", SB_STR_LIT(P("1", "2025-01-01T00:00:01Z") "\n"));
    sb_error err = SB_ERROR_INIT;
    int other = -1;
    assert_int_equal(sb_data_open(data, type, 0, &other, &err), SB_E_IO);
    seen all = {SB_BUF_INIT, 0};
    assert_int_equal(sb_data_scan(data, type, 0, note, &all, &err), SB_E_IO);
}

static void groups_are_halves_of_the_patients(void **state)
{
    scratch_write(*state, "a.ndjson",
                  SB_STR_LIT(P("p3", "2025-01-01T00:00:00Z") "\n" P("p1", "2025-01-01T00:00:00Z") "\n"));
    scratch_write(*state, "b.ndjson", SB_STR_LIT(P("p2", "2025-01-01T00:00:00Z") "\n"));
    SB_AUTOPTR(sb_data) data = open_data(*state);
    SB_AUTOPTR(sb_rosters) rosters = NULL;
    assert_ok(sb_rosters_sandbox(data, &rosters, NULL));
    const sb_roster *all = sb_rosters_find(rosters, SB_STR_LIT("all"));
    const sb_roster *first = sb_rosters_find(rosters, SB_STR_LIT("first-half"));
    const sb_roster *second = sb_rosters_find(rosters, SB_STR_LIT("second-half"));
    assert_int_equal(sb_roster_size(all), 3);
    assert_true(sb_roster_has(first, SB_STR_LIT("p3")) && sb_roster_has(first, SB_STR_LIT("p1")));
    assert_false(sb_roster_has(first, SB_STR_LIT("p2")));
    assert_true(sb_roster_has(second, SB_STR_LIT("p2")));
    assert_int_equal(sb_roster_size(second), 1);
    assert_true(sb_rosters_know(rosters, SB_STR_LIT("p2")));
    assert_false(sb_rosters_know(rosters, SB_STR_LIT("p")));
    assert_null(sb_rosters_find(rosters, SB_STR_LIT("nobody")));
}

static size_t search_groups(sb_groups *groups, sb_group_search search, const char *first)
{
    SB_AUTOJSON found = json_array();
    assert_ok(sb_groups_search(groups, "anybody", &search, found, NULL));
    if (first)
        assert_string_equal(sb_json_str(json_array_get(found, 0), "id"), first);
    return json_array_size(found);
}

static void groups_are_searched_and_shown(void **state)
{
    scratch_write(*state, "a.ndjson", SB_STR_LIT(P("p1", "2025-01-01T00:00:00Z") "\n"));
    SB_AUTOPTR(sb_data) data = open_data(*state);
    SB_AUTOPTR(sb_rosters) rosters = NULL;
    SB_AUTOPTR(sb_groups) groups = NULL;
    SB_AUTOJSON group = NULL;
    assert_ok(sb_rosters_sandbox(data, &rosters, NULL));
    assert_ok(sb_groups_sandbox(rosters, &groups, NULL));
    static const sb_str urn = SB_STR_LIT("urn:smartbulk:roster|first-half"), any = SB_STR_LIT("|all"),
                        other = SB_STR_LIT("urn:x|all"), named = SB_STR_LIT("All members");
    assert_int_equal(search_groups(groups, (sb_group_search){.max = 9}, "all"), 3);
    assert_int_equal(search_groups(groups, (sb_group_search){.max = 1}, "all"), 1);
    assert_int_equal(search_groups(groups, (sb_group_search){.max = 9, .after = SB_STR_LIT("all")}, "first-half"), 2);
    assert_int_equal(search_groups(groups, (sb_group_search){.max = 9, .after = SB_STR_LIT("z")}, NULL), 0);
    assert_int_equal(search_groups(groups, (sb_group_search){.max = 9, .identifier = urn}, "first-half"), 1);
    assert_int_equal(search_groups(groups, (sb_group_search){.max = 9, .identifier = any}, "all"), 1);
    assert_int_equal(search_groups(groups, (sb_group_search){.max = 9, .identifier = other}, NULL), 0);
    assert_int_equal(search_groups(groups, (sb_group_search){.max = 9, .name = named}, "all"), 1);
    assert_int_equal(search_groups(groups, (sb_group_search){.max = 9, .name = urn}, NULL), 0);
    assert_ok(sb_groups_get(groups, "anybody", SB_STR_LIT("all"), 10, &group, NULL));
    assert_int_equal(json_array_size(json_object_get(group, "member")), 1);
    assert_int_equal(json_integer_value(json_object_get(group, "quantity")), 1);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_folder(files_are_grouped_by_what_their_lines_say),
        with_folder(a_scan_gives_each_resource_in_order_and_can_be_stopped),
        with_folder(a_line_longer_than_the_buffer_is_read_whole),
        with_folder(what_cannot_be_served_is_refused_with_file_line_and_reason),
        with_folder(a_folder_without_data_is_a_mistake_of_the_user),
        with_folder(a_file_that_changed_is_no_longer_served),
        with_folder(groups_are_halves_of_the_patients),
        with_folder(groups_are_searched_and_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
