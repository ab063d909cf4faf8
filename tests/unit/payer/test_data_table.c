/* SPDX-License-Identifier: Apache-2.0 */
/* test_data_table.c - resources in a database: put in, scanned, deleted; on SQLite and PostgreSQL. */
#include "../store/databases.h"
#include "scratch.h"

#include "payer/data/data_table.h"
#include "payer/data/fhir_types.h"
#include "payer/data/line.h"
#include "payer/state/schema.h"

static sb_pool *open_pool(database *d)
{
    sb_pool *pool = NULL;
    if (sb_payer_pool(d->path, 2, &pool, &d->err) != SB_OK)
        fail_msg("%s: %s", d->err.what, d->err.why);
    return pool;
}

static bool put(sb_pool *pool, const char *json)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_line_space space;
    sb_str type;
    sb_data_line line;
    bool is_new;
    sb_error err = SB_ERROR_INIT;
    assert_ok(sb_line_read(sb_str_from(json), &space, &type, &line, NULL));
    assert_ok(sb_lease_take(&lease, pool, NULL));
    if (sb_table_put(lease.db, type, &line, &is_new, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    return is_new;
}

static bool take_out(sb_pool *pool, const char *type, const char *id, int64_t when_us)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    bool was_there;
    assert_ok(sb_lease_take(&lease, pool, NULL));
    assert_ok(sb_table_delete(lease.db, sb_str_from(type), sb_str_from(id), when_us, &was_there, NULL));
    return was_there;
}

/* A visitor that writes lines down, and may need a connection itself. */
typedef struct seen {
    sb_pool *pool;
    sb_buf text;
    size_t lines, bytes;
} seen;

static sb_status see(void *context, const sb_data_line *line, sb_error *err)
{
    seen *s = context;
    SB_AUTO(sb_lease) first = SB_LEASE_INIT;
    SB_AUTO(sb_lease) second = SB_LEASE_INIT; /* all there are: the scan must hold none */
    SB_TRY(sb_lease_take(&first, s->pool, err));
    SB_TRY(sb_lease_take(&second, s->pool, err));
    s->lines++;
    s->bytes += line->json.len;
    if (s->lines <= 10)
        assert_true(sb_buf_printf(&s->text, "%.*s|%.*s|%lld|%.*s\n", (int)line->id.len, line->id.ptr,
                                  (int)line->patient.len, line->patient.ptr,
                                  line->updated_us == SB_UPDATED_NONE ? -1 : (long long)line->updated_us,
                                  (int)SB_MIN(line->json.len, (size_t)90), line->json.ptr));
    return SB_OK;
}

static sb_status scan(sb_data *data, const char *type, seen *s, sb_error *err)
{
    return sb_data_scan(data, sb_data_find(data, sb_str_from(type)), 0, see, s, err);
}

#define PATIENT_B "{\"resourceType\":\"Patient\",\"id\":\"b\",\"meta\":{\"lastUpdated\":\"1970-01-01T00:00:02Z\"}}"
#define PATIENT_A "{\"resourceType\":\"Patient\",\"id\":\"a\"}"
#define COVERAGE  "{\"resourceType\":\"Coverage\",\"id\":\"c\",\"beneficiary\":{\"reference\":\"Patient/b\"}}"

static void what_is_put_in_comes_out_as_it_was(database *d)
{
    SB_AUTOPTR(sb_pool) pool = open_pool(d);
    SB_AUTOPTR(sb_data) data = NULL;
    seen s = {.pool = pool};
    assert_ok(sb_data_table_open(pool, &data, NULL));
    assert_ok(scan(data, "Patient", &s, NULL));
    assert_int_equal(s.lines, 0);
    assert_true(put(pool, PATIENT_B)); /* while the source is open */
    assert_true(put(pool, PATIENT_A));
    assert_true(put(pool, COVERAGE));
    assert_false(put(pool, PATIENT_A));
    assert_ok(scan(data, "Patient", &s, NULL));
    assert_string_equal(sb_buf_cstr(&s.text), "a|a|-1|" PATIENT_A "\nb|b|2000000|" PATIENT_B "\n");
    sb_buf_clear(&s.text);
    assert_ok(scan(data, "Coverage", &s, NULL));
    assert_string_equal(sb_buf_cstr(&s.text), "c|b|-1|" COVERAGE "\n");
    sb_buf_cleanup(&s.text);
}

static int64_t deleted_count(sb_pool *pool, const char *patient)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt = NULL;
    bool row;
    assert_ok(sb_lease_take(&lease, pool, NULL));
    assert_ok(sb_db_cached(lease.db, "SELECT count(*) FROM deleted_resources WHERE patient = ?1", &stmt, NULL));
    sb_stmt_bind_cstr(stmt, 1, patient);
    assert_ok(sb_stmt_step(stmt, &row, NULL));
    int64_t count = sb_stmt_i64(stmt, 0);
    sb_stmt_reset(stmt);
    return count;
}

static void what_was_deleted_is_remembered_until_it_comes_back(database *d)
{
    SB_AUTOPTR(sb_pool) pool = open_pool(d);
    SB_AUTOPTR(sb_data) data = NULL;
    seen s = {.pool = pool};
    assert_ok(sb_data_table_open(pool, &data, NULL));
    assert_true(put(pool, COVERAGE));
    assert_true(take_out(pool, "Coverage", "c", 7));
    assert_false(take_out(pool, "Coverage", "c", 8));
    assert_false(take_out(pool, "Coverage", "never", 8));
    assert_ok(scan(data, "Coverage", &s, NULL));
    assert_int_equal(s.lines, 0);
    assert_int_equal(deleted_count(pool, "b"), 1);
    assert_true(put(pool, COVERAGE));
    assert_int_equal(deleted_count(pool, "b"), 0);
    sb_buf_cleanup(&s.text);
}

/* Small ones, and one that is larger than a piece, so that a scan has several. */
static void a_scan_of_many_pieces_gives_each_once(database *d)
{
    enum { MANY = 5000, LARGE = 6 * 1024 * 1024 };
    SB_AUTOPTR(sb_pool) pool = open_pool(d);
    SB_AUTOPTR(sb_data) data = NULL;
    seen s = {.pool = pool};
    size_t bytes = 0;
    assert_ok(sb_data_table_open(pool, &data, NULL));
    {
        SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
        SB_AUTO(sb_tx) tx = SB_TX_INIT;
        assert_ok(sb_lease_take(&lease, pool, NULL));
        assert_ok(sb_tx_begin(&tx, lease.db, NULL));
        for (unsigned i = 0; i < MANY; i++) {
            bool is_new;
            SB_AUTOFREE json = sb_printf("{\"resourceType\":\"Claim\",\"id\":\"%u\",\"x\":\"%0*u\"}", i,
                                         i == MANY / 2 ? LARGE : 1500, i);
            SB_AUTOFREE id = sb_printf("%u", i);
            sb_data_line line = {.json = sb_str_from(json), .id = sb_str_from(id)};
            assert_ok(sb_table_put(lease.db, SB_STR_LIT("Claim"), &line, &is_new, NULL));
            bytes += line.json.len;
        }
        assert_ok(sb_tx_commit(&tx, NULL));
    }
    assert_ok(scan(data, "Claim", &s, NULL));
    assert_int_equal(s.lines, MANY);
    assert_int_equal(s.bytes, bytes);
    sb_buf_cleanup(&s.text);
}

typedef struct gone {
    sb_pool *pool;
    size_t count;
    char last[160];
} gone;

static sb_status see_deletion(void *context, const sb_data_deletion *deletion, sb_error *err)
{
    gone *g = context;
    char name[160];
    SB_AUTO(sb_lease) first = SB_LEASE_INIT;
    SB_AUTO(sb_lease) second = SB_LEASE_INIT; /* all there are: none is held meanwhile */
    SB_TRY(sb_lease_take(&first, g->pool, err));
    SB_TRY(sb_lease_take(&second, g->pool, err));
    (void)snprintf(name, sizeof(name), "%.*s/%.*s of %.*s", (int)deletion->type.len, deletion->type.ptr,
                   (int)deletion->id.len, deletion->id.ptr, (int)deletion->patient.len, deletion->patient.ptr);
    assert_true(strcmp(g->last, name) < 0); /* each once, in order */
    memcpy(g->last, name, sizeof(name));
    g->count++;
    return SB_OK;
}

/* More than a piece holds. */
static void deletions_of_a_time_are_given_once_each(database *d)
{
    enum { MANY = 5000 };
    SB_AUTOPTR(sb_pool) pool = open_pool(d);
    SB_AUTOPTR(sb_data) data = NULL;
    gone all = {.pool = pool}, some = {.pool = pool};
    assert_ok(sb_data_table_open(pool, &data, NULL));
    {
        SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
        SB_AUTO(sb_tx) tx = SB_TX_INIT;
        assert_ok(sb_lease_take(&lease, pool, NULL));
        assert_ok(sb_tx_begin(&tx, lease.db, NULL));
        for (unsigned i = 0; i < MANY; i++) {
            SB_AUTOFREE sql = sb_printf("INSERT INTO deleted_resources VALUES ('%s', '%06u', 'p', %u, 'q')",
                                        i % 2 ? "Claim" : "Coverage", i, i + 1);
            assert_ok(sb_db_exec(lease.db, sql, NULL));
        }
        assert_ok(sb_tx_commit(&tx, NULL));
    }
    assert_ok(sb_data_deletions(data, 0, MANY, see_deletion, &all, NULL));
    assert_int_equal(all.count, MANY);
    assert_string_equal(all.last, "Coverage/004998 of p");
    assert_ok(sb_data_deletions(data, 10, 13, see_deletion, &some, NULL)); /* later than 10, not later than 13 */
    assert_int_equal(some.count, 3);
}

static void every_type_of_fhir_is_offered_in_order(database *d)
{
    SB_AUTOPTR(sb_pool) pool = open_pool(d);
    SB_AUTOPTR(sb_data) data = NULL;
    size_t count;
    assert_ok(sb_data_table_open(pool, &data, NULL));
    const sb_data_type *types = sb_data_types(data, &count);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || strcmp(types[i - 1].name, types[i].name) < 0);
        assert_true(sb_fhir_type_known(sb_str_from(types[i].name)));
    }
    assert_true(sb_data_find(data, SB_STR_LIT("ExplanationOfBenefit"))->in_compartment);
    assert_false(sb_data_find(data, SB_STR_LIT("VerificationResult"))->in_compartment);
    assert_int_equal(sb_data_newest_us(data), SB_UPDATED_NONE);
}

ON_BOTH(what_is_put_in_comes_out_as_it_was)
ON_BOTH(what_was_deleted_is_remembered_until_it_comes_back)
ON_BOTH(a_scan_of_many_pieces_gives_each_once)
ON_BOTH(deletions_of_a_time_are_given_once_each)
ON_BOTH(every_type_of_fhir_is_offered_in_order)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(what_is_put_in_comes_out_as_it_was),     BOTH(what_was_deleted_is_remembered_until_it_comes_back),
        BOTH(a_scan_of_many_pieces_gives_each_once),  BOTH(deletions_of_a_time_are_given_once_each),
        BOTH(every_type_of_fhir_is_offered_in_order),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
