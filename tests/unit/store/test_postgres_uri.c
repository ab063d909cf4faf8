/* SPDX-License-Identifier: Apache-2.0 */
/* test_postgres_uri.c - which servers have to prove who they are, and that no message has a password. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/postgres_uri.h"

static bool verifies(const char *uri)
{
    SB_AUTOFREE where = NULL;
    bool verify = false;
    assert_int_equal(sb_postgres_uri(uri, &where, &verify), SB_OK);
    return verify;
}

static void another_machine_has_to_prove_who_it_is(void **state)
{
    (void)state;
    assert_true(verifies("postgresql://sb@db.example/payer"));
    assert_true(verifies("postgresql://sb@192.0.2.1/payer"));
    assert_true(verifies("postgresql://sb@[2001:db8::1]:5432/payer"));
    assert_true(verifies("postgresql://127.0.0.1.example/payer"));
    assert_true(verifies("postgresql://127.0.0.1,db.example/payer"));
    assert_true(verifies("postgresql:///payer?host=/run/postgresql,db.example"));
    assert_true(verifies("postgresql://localhost/payer?hostaddr=192.0.2.1"));
}

static void this_machine_need_not(void **state)
{
    (void)state;
    assert_false(verifies("postgresql:///payer"));
    assert_false(verifies("postgresql://localhost/payer"));
    assert_false(verifies("postgresql://127.0.0.1:5433,[::1]/payer"));
    assert_false(verifies("postgresql:///payer?host=/run/postgresql"));
}

static void who_says_how_tls_is_used_is_obeyed(void **state)
{
    (void)state;
    assert_false(verifies("postgresql://db.example/payer?sslmode=require"));
    assert_int_equal(setenv("PGSSLMODE", "verify-ca", 1), 0);
    assert_false(verifies("postgresql://db.example/payer"));
    assert_int_equal(unsetenv("PGSSLMODE"), 0);
}

static void a_host_of_the_environment_counts_where_the_uri_has_none(void **state)
{
    (void)state;
    assert_int_equal(setenv("PGHOST", "db.example", 1), 0);
    assert_true(verifies("postgresql:///payer"));
    assert_false(verifies("postgresql://localhost/payer"));
    assert_int_equal(unsetenv("PGHOST"), 0);
}

static void what_is_said_of_it_has_no_password(void **state)
{
    (void)state;
    SB_AUTOFREE where = NULL;
    SB_AUTOFREE none = NULL;
    bool verify;
    assert_int_equal(sb_postgres_uri("postgresql://sb:hunter2@db.example/payer", &where, &verify), SB_OK);
    assert_string_equal(where, "PostgreSQL db.example/payer");
    assert_int_equal(sb_postgres_uri("postgresql://sb:hunter2@db.example:port/%zz", &none, &verify), SB_E_USAGE);
    /* what is not escaped in a password: libpq would go to the host "sb" or "ter2@db.example", and say so */
    static const char *const torn[] = {
        "postgresql://sb:hun/ter2@db.example/payer", "postgresql://sb:12/34@db.example/payer",
        "postgresql://sb:hun@ter2@db.example/payer", "postgresql://sb:hun/ter2?sslmode=require@db.example/payer"};
    for (size_t i = 0; i < SB_ARRAY_LEN(torn); i++)
        assert_int_equal(sb_postgres_uri(torn[i], &none, &verify), SB_E_USAGE);
    assert_null(none);
}

static void a_password_is_found_however_it_is_written(void **state)
{
    (void)state;
    static const char *const with[] = {"postgresql://sb:hunter2@db.example/payer",
                                       "postgres://sb:hunter2@db1,db2:5433/payer",
                                       "postgresql://sb:hun?ter2@db.example/payer",
                                       "postgresql://sb:hunter2@db.example/payer?password=",
                                       "postgresql://sb:hun/ter2@db.example/payer",
                                       "postgresql://sb:12/34@db.example/payer",
                                       "postgresql://sb:hun@ter2@db.example/payer",
                                       "postgresql://sb:hun/ter2?sslmode=require@db.example/payer",
                                       "postgresql://db.example/payer?password=hunter2",
                                       "postgresql://db.example/payer?p%61ssword=hunter2",
                                       "postgresql://db.example/payer?sslpassword=hunter2",
                                       "postgresql://sb:hunter2@db.example:port/%zz",
                                       "host=db.example password=hunter2",
                                       "host=db.example password = hunter2"};
    static const char *const without[] = {"postgresql://sb@db.example:5432/payer",
                                          "postgresql://sb@[::1]:5432/payer?sslmode=verify-full",
                                          "postgresql:///payer?passfile=/etc/pass",
                                          "postgresql://db.example:5432/payer?user=sb@server",
                                          "postgresql://db1:5432,db2/payer",
                                          "payer.db",
                                          "/var/lib/a@b:c/passwords.db",
                                          ""};
    for (size_t i = 0; i < SB_ARRAY_LEN(with); i++)
        assert_true(sb_postgres_uri_has_password(with[i]));
    for (size_t i = 0; i < SB_ARRAY_LEN(without); i++)
        assert_false(sb_postgres_uri_has_password(without[i]));
}

int main(void)
{
    static const char *const names[] = {"PGHOST", "PGHOSTADDR", "PGSSLMODE"};
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++)
        (void)unsetenv(names[i]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_machine_has_to_prove_who_it_is),
        cmocka_unit_test(this_machine_need_not),
        cmocka_unit_test(who_says_how_tls_is_used_is_obeyed),
        cmocka_unit_test(a_host_of_the_environment_counts_where_the_uri_has_none),
        cmocka_unit_test(what_is_said_of_it_has_no_password),
        cmocka_unit_test(a_password_is_found_however_it_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
