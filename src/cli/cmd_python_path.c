#include <stdio.h>
#include <stdlib.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "core/file.h"
#include "core/memory.h"
#include "reports/plots.h"

const ps_command ps_command_python_path = {
    .name = "python-path",
    .usage = "",
    .summary =
        "Prints the folder of poolscope.py, which brings training in PyTorch here: `record` writes a trace of a model "
        "that trains,\n"
        "`PoolSkip` and `insert_pool_skip` make the arms, `export` writes a network as JSON graph and weights. The "
        "file needs\n"
        "nothing but PyTorch; it may as well be copied beside one's own script. How it is used: "
        "src/python/README.md.",
    .examples =
        "  PYTHONPATH=\"$(poolscope python-path)\" python3 my_training.py\n"
        "  cp \"$(poolscope python-path)/poolscope.py\" .\n",
};

/* Beside the folder with the plots: of the source tree `reports`, else PREFIX/share/poolscope. */
static ps_status find_folder(const char *share, char **folder) {
    static const char *const ways[] = {"/../src/python", "/python"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char *path = NULL, *file = NULL;
        PS_TRY(ps_string_format(&path, "%s%s", share, ways[i]));
        ps_status status = ps_file_join(path, "poolscope.py", &file);
        bool there = status == PS_OK && ps_file_exists(file);
        *folder = there ? realpath(path, NULL) : NULL;
        free(path);
        free(file);
        if (status != PS_OK || *folder != NULL) return status;
    }
    return ps_fail(PS_ERR_IO,
                   "poolscope.py is not beside %s, where it belongs (src/python of the sources, or python below "
                   "share/poolscope); run `make install` again",
                   share);
}

ps_status ps_cmd_python_path(int argc, char **argv) {
    ps_arguments arguments;
    char *share, *folder = NULL;
    PS_TRY(ps_command_parse(&ps_command_python_path, argc, argv, &arguments));
    PS_TRY(ps_plots_find_share(&share));
    ps_status status = find_folder(share, &folder);
    if (status == PS_OK) puts(folder);
    free(folder);
    free(share);
    return status;
}
