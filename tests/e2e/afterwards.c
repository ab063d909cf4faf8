/* SPDX-License-Identifier: Apache-2.0 */
/* afterwards.c - somebody's program that uses the library once, closes everything and goes on with its life: what is in
 * its memory then, test_afterwards.py looks at. It allows that: hardened it would not be looked into. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <smartbulk/export.h>
#include <smartbulk/process.h>

enum { PROGRAM, URL, KEY, PASSPHRASE_FILE, SECRET_FILE, CA, FOLDER, STATE, ARGUMENTS };

static const char *given(const char *text)
{
    return text[0] ? text : NULL;
}

static sb_status export_all(sb_payer *payer, const char *folder, sb_error *err)
{
    const sb_export_request request = SB_EXPORT_REQUEST_INIT;
    const sb_export_options options = {.dir = folder};
    sb_export *run = NULL;
    sb_status status = sb_export_start(payer, &request, &options, &run, err);
    if (status == SB_OK)
        status = sb_export_run(run, err);
    sb_export_free(run);
    return status;
}

static sb_status use_once(char **args, sb_error *err)
{
    const sb_payer_options options = {
        .fhir_url = args[URL],
        .client_id = "client-1",
        .key_file = given(args[KEY]),
        .passphrase_file = given(args[PASSPHRASE_FILE]),
        .client_secret_file = given(args[SECRET_FILE]),
        .auth = given(args[SECRET_FILE]) ? "client_secret_basic" : NULL,
        .ca_file = args[CA],
        .state_dir = args[STATE],
    };
    sb_payer *payer = NULL;
    sb_token *token = NULL;
    sb_status status = sb_payer_new(&options, &payer, err);
    if (status == SB_OK)
        status = sb_payer_token(payer, 0, &token, err);
    sb_token_release(token);
    if (status == SB_OK)
        status = export_all(payer, args[FOLDER], err);
    sb_payer_free(payer);
    return status;
}

int main(int argc, char **argv)
{
    sb_error err = SB_ERROR_INIT;
    char byte;
    if (argc != ARGUMENTS)
        return 2;
    sb_process_harden();
    sb_status status = use_once(argv, &err);
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    (void)printf("%d %s: %s\n", (int)status, err.what, err.why);
    (void)fflush(stdout);
    return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 1; /* for as long as it is looked at */
}
