/* The one place that prints errors and exits: 0 done and held, 1 a check did not hold, 2 an error. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/help.h"
#include "core/file.h"
#include "kernels/gemm.h"
#include "kernels/processor.h"

/* Wherever it stands among a command's words, whatever else is wrong there. */
static bool asks_for_help(int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

static ps_status dispatch(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "--help";
    const ps_command_entry *entry;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) return ps_help_print_commands(stdout);
    if (strcmp(word, "--version") == 0) {
        printf("poolscope %s (%s)\n", PS_VERSION, ps_gemm_library());
        return PS_OK;
    }
    PS_TRY(ps_command_find(word, &entry));
    return asks_for_help(argc - 2, argv + 2) ? ps_help_print_command(entry->command, stdout)
                                             : entry->run(argc - 2, argv + 2);
}

/* What was printed but could not be written (a full disk behind a redirection) is an error, too. */
static ps_status flush_output(void) {
    if ((fflush(stdout) == 0 && !ferror(stdout)) || ps_file_reader_is_gone(stdout)) return PS_OK;
    return ps_fail(PS_ERR_IO, "standard output could not be written completely; check the place it goes to");
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a closed pager ends in a write error, not in a kill */
    signal(SIGXFSZ, SIG_IGN); /* and so does a file that may not grow */
    ps_gemm_setup();
    ps_status status = ps_processor_check();
    if (status == PS_OK) status = dispatch(argc, argv);
    if (status == PS_OK || status == PS_ERR_CHECK) {
        ps_status flushed = flush_output(); /* that it is lost goes before what it would have said */
        if (flushed != PS_OK) status = flushed;
    }
    if (status == PS_OK) return 0;
    fflush(stdout);
    fprintf(stderr, "poolscope: %s\n", ps_status_message());
    if (getenv("PS_VERBOSE") != NULL) fprintf(stderr, "  (at %s)\n", ps_status_origin());
    return status == PS_ERR_CHECK ? 1 : 2;
}
