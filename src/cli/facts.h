/* SPDX-License-Identifier: Apache-2.0 */
/* facts.h - what a snapshot says, in words that several displays share. Pure. */
#ifndef SB_CLI_FACTS_H
#define SB_CLI_FACTS_H

#include <smartbulk/export.h>

#define FACT_SIZE 192

typedef struct fact {
    char text[FACT_SIZE]; /* "": there is nothing to say */
} fact;

const char *phase_words(sb_export_phase phase); /* "downloading and checking" */
const char *phase_name(sb_export_phase phase);  /* for machines: "download"; documented in smartbulk-export(1) */

fact fact_files(const sb_export_snapshot *s);    /* "19 of 37 files" */
fact fact_bad(const sb_export_snapshot *s);      /* "2 bad files, 5 bad lines" */
fact fact_renewals(const sb_export_snapshot *s); /* "token renewed 3 times" */
fact fact_resumed(const sb_export_snapshot *s);  /* "12 files were here already" */

/* DIR as a shell takes it: quoted only when it must be. Cut when absurdly long. */
typedef struct shell_word {
    char text[4 * 1024];
} shell_word;
shell_word shell_quote(const char *text);

#endif
