#include "cli/help.h"

#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "core/file.h"
#include "core/memory.h"
#include "reports/plots.h"

/* ---- files that texts name ---- */

/* Folders of the source tree whose files texts name; they are installed with the same names. */
static const char *const folders[] = {"examples/", "analysis/", "src/"};

static bool has_examples(const char *root) {
    char *path = NULL;
    bool there =
        ps_string_format(&path, "%sexamples/quickstart/experiment.json", root) == PS_OK && ps_file_exists(path);
    free(path);
    return there;
}

/* What goes before the name of a file of the source tree: "" within it; else with '/' at the end; NULL: it is nowhere.
 * Free with free(). */
static char *find_root(void) {
    static const char *const ways[] = {"/../", "/../doc/poolscope/"}; /* of reports, of share/poolscope */
    char *share = NULL, *root = NULL;
    if (has_examples("")) return ps_string_copy("", &root) == PS_OK ? root : NULL;
    if (ps_plots_find_share(&share) != PS_OK) return NULL;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char *way = NULL, *real = NULL;
        bool there = ps_string_format(&way, "%s%s", share, ways[i]) == PS_OK && has_examples(way) &&
                     (real = realpath(way, NULL)) != NULL && ps_string_format(&root, "%s/", real) == PS_OK;
        free(way);
        free(real);
        if (there) break;
    }
    free(share);
    return root;
}

static bool starts_file(const char *text, const char *at) {
    bool word = at == text || strchr(" \n`\"'(", at[-1]) != NULL;
    for (size_t i = 0; word && i < sizeof folders / sizeof *folders; i++)
        if (strncmp(at, folders[i], strlen(folders[i])) == 0) return true;
    return false;
}

static void print_line(const char *text, const char *line, size_t length, const char *root, FILE *stream) {
    bool is_example = line[0] == ' ' && line[1] == ' ';
    for (size_t i = 0; root == NULL && is_example && i < length; i++)
        if (starts_file(text, line + i)) return;
    for (size_t i = 0; i < length; i++) {
        if (root != NULL && starts_file(text, line + i)) fputs(root, stream);
        fputc(line[i], stream);
    }
}

static void print_text(const char *text, const char *root, FILE *stream) {
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n');
        print_line(text, line, length, root, stream);
        line += length;
    }
}

/* The same as a heap string; free with free(). */
static ps_status text_with_files(const char *text, const char *root, char **out) {
    size_t size;
    FILE *memory = open_memstream(out, &size);
    if (memory == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the help");
    print_text(text, root, memory);
    return ps_memory_stream_close(memory, out, "the help");
}

/* ---- help on the terminal ---- */

enum { LINE_WIDTH = 96, OPTION_WIDTH = 36 };

/* Words that go on at `column`, in lines of LINE_WIDTH that begin behind `indent` columns. */
static void print_words(const char *text, int column, int indent, FILE *stream) {
    bool starts = true;
    for (const char *word = text + strspn(text, " \n"); *word != '\0'; word += strspn(word, " \n")) {
        int length = (int)strcspn(word, " \n");
        if (!starts && column + 1 + length > LINE_WIDTH) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
            starts = true;
        }
        fprintf(stream, "%s%.*s", starts ? "" : " ", length, word);
        column += length + !starts;
        starts = false;
        word += length;
    }
    fputc('\n', stream);
}

/* Lines that begin with two spaces are entries of a list, and stay so; what follows an entry's first wide gap goes on
 * beneath it. All others are running text. */
static void print_summary(const char *text, FILE *stream) {
    char line[8192];
    while (*text != '\0') {
        bool entry = strncmp(text, "  ", 2) == 0;
        size_t length = strcspn(text, "\n");
        while (!entry && text[length] == '\n' && text[length + 1] != '\0' && strncmp(text + length + 1, "  ", 2) != 0)
            length += 1 + strcspn(text + length + 1, "\n");
        const char *gap = entry ? strstr(text + 2, "  ") : NULL;
        bool two = gap != NULL && gap < text + length;
        int column = two ? (int)(gap - text) + (int)strspn(gap, " ") : entry ? 2 : 0;
        snprintf(line, sizeof line, "%.*s", (int)length - column, text + column);
        fprintf(stream, "%.*s", column, text);
        if (length < sizeof line) print_words(line, column, column, stream);
        text += length + (text[length] == '\n');
    }
}

ps_status ps_help_print_commands(FILE *stream) {
    char *root = find_root();
    fprintf(stream, "poolscope %s: singularity analysis and diagnostics for neural-network training\n\n", PS_VERSION);
    fprintf(stream, "usage: poolscope COMMAND [options]\n\nCommands\n");
    for (const ps_command_entry *e = ps_commands; e->name != NULL; e++) {
        fprintf(stream, "  %-12s ", e->name);
        print_words(e->summary, 15, 15, stream);
    }
    fputc('\n', stream);
    print_words(
        "`poolscope help COMMAND` explains a command. Exit status: 0 done and held, 1 a check did not hold, 2 an "
        "error.",
        0, 0, stream);
    fprintf(stream, "\nFirst steps\n");
    print_text(
        "  poolscope train --model plain9 --steps 200 --out runs/first\n"
        "  poolscope experiment examples/quickstart/experiment.json --out runs/quickstart\n",
        root, stream);
    free(root);
    return PS_OK;
}

typedef struct {
    FILE *stream;
    const char *group; /* of the option printed last; NULL: none yet */
} option_printer;

static bool starts_group(option_printer *p, const ps_option_text *o) {
    bool starts = p->group == NULL || strcmp(p->group, o->group) != 0;
    p->group = o->group;
    return starts;
}

static void print_option(void *self, const ps_option_text *o) {
    option_printer *p = self;
    char left[96];
    if (starts_group(p, o)) fprintf(p->stream, "\n%s\n", o->group);
    snprintf(left, sizeof left, "--%s %s", o->name, o->argument);
    fprintf(p->stream, "  %-*s ", OPTION_WIDTH - 3, left);
    print_words(o->help, OPTION_WIDTH, OPTION_WIDTH, p->stream);
}

ps_status ps_help_print_command(const ps_command *command, FILE *stream) {
    char *root = find_root(), *summary = NULL;
    option_printer p = {stream, NULL};
    ps_status status = text_with_files(command->summary, root, &summary);
    if (status != PS_OK) {
        free(root);
        return status;
    }
    fprintf(stream, "poolscope %s%s%s\n\n", command->name, command->usage[0] != '\0' ? " " : "", command->usage);
    print_summary(summary, stream);
    free(summary);
    ps_command_each_option(command, print_option, &p);
    if (command->examples != NULL) {
        fprintf(stream, "\nExamples\n");
        print_text(command->examples, root, stream);
    }
    free(root);
    return PS_OK;
}

/* ---- manual pages ---- */

/* Text as roff: no line is taken for a request, hyphens of options stay what they are. */
static void print_roff(const char *text, FILE *stream) {
    bool at_start = true;
    for (; *text != '\0'; text++) {
        if (at_start && (*text == '.' || *text == '\'')) fputs("\\&", stream);
        if (*text == '\\') fputs("\\e", stream);
        else if (*text == '-') fputs("\\-", stream);
        else if (*text == '`' || *text == '\'') fputs(*text == '`' ? "\\(ga" : "\\(aq", stream);
        else if (*text == '~') fputs("\\(ti", stream);
        else if (*text == '^') fputs("\\(ha", stream);
        else fputc(*text, stream);
        at_start = *text == '\n';
    }
}

static void print_roff_files(const char *text, const char *root, FILE *stream) {
    char *whole = NULL;
    if (text_with_files(text, root, &whole) == PS_OK) print_roff(whole, stream);
    free(whole);
}

static void print_man_option(void *self, const ps_option_text *o) {
    option_printer *p = self;
    if (starts_group(p, o) && strcmp(o->group, "Options") != 0) fprintf(p->stream, ".SS \"%s\"\n", o->group);
    fprintf(p->stream, ".TP\n\\fB\\-\\-");
    print_roff(o->name, p->stream);
    fprintf(p->stream, "\\fR");
    if (o->argument[0] != '\0') {
        fprintf(p->stream, " \\fI");
        print_roff(o->argument, p->stream);
        fprintf(p->stream, "\\fR");
    }
    fputc('\n', p->stream);
    print_roff(o->help, p->stream);
    fputc('\n', p->stream);
}

static void print_man_head(const char *title, const char *name, const char *summary, FILE *stream) {
    fprintf(stream, ".TH \"%s\" 1 \"\" \"poolscope %s\" \"poolscope\"\n.SH NAME\n", title, PS_VERSION);
    print_roff(name, stream);
    fputs(" \\- ", stream);
    print_roff(summary, stream);
    fputs("\n.SH SYNOPSIS\n", stream);
}

static const char exit_status[] = ".SH \"EXIT STATUS\"\n0: done and held; 1: a check did not hold; 2: an error.\n";

static void print_man_program(const char *root, FILE *stream) {
    print_man_head("POOLSCOPE", "poolscope", "singularity analysis and diagnostics for neural-network training",
                   stream);
    fputs("\\fBpoolscope\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n.SH COMMANDS\n", stream);
    for (const ps_command_entry *e = ps_commands; e->name != NULL; e++) {
        fprintf(stream, ".TP\n\\fBpoolscope\\-%s\\fR(1)\n", e->name);
        print_roff(e->summary, stream);
        fputc('\n', stream);
    }
    fputs(exit_status, stream);
    if (root == NULL) return;
    fputs(".SH FILES\n.TP\n", stream);
    print_roff(root, stream);
    fputs("\ndocuments, formats and examples\n", stream);
}

static void print_man_command(const ps_command_entry *entry, const char *root, FILE *stream) {
    const ps_command *command = entry->command;
    char name[64], title[64];
    option_printer p = {stream, NULL};
    snprintf(name, sizeof name, "poolscope-%s", entry->name);
    snprintf(title, sizeof title, "POOLSCOPE-%s", entry->name);
    for (char *c = title; *c != '\0'; c++)
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
    print_man_head(title, name, entry->summary, stream);
    fprintf(stream, "\\fBpoolscope %s\\fR ", entry->name);
    print_roff(command->usage, stream);
    fputs("\n.SH DESCRIPTION\n", stream);
    print_roff_files(command->summary, root, stream);
    fputs("\n.SH OPTIONS\n", stream);
    ps_command_each_option(command, print_man_option, &p);
    if (command->examples != NULL) {
        fputs(".SH EXAMPLES\n.nf\n", stream);
        print_roff_files(command->examples, root, stream);
        fputs(".fi\n", stream);
    }
    fputs(exit_status, stream);
    fputs(".SH \"SEE ALSO\"\n\\fBpoolscope\\fR(1)\n", stream);
}

ps_status ps_help_print_man(const ps_command *command, FILE *stream) {
    char *root = find_root();
    if (command == NULL) print_man_program(root, stream);
    for (const ps_command_entry *e = ps_commands; command != NULL && e->name != NULL; e++)
        if (e->command == command) print_man_command(e, root, stream);
    free(root);
    return PS_OK;
}

/* ---- completions ---- */

static void print_bash_option(void *self, const ps_option_text *o) { fprintf(self, " --%s", o->name); }

static void print_names(FILE *stream) {
    for (const ps_command_entry *e = ps_commands; e->name != NULL; e++)
        fprintf(stream, "%s%s", e == ps_commands ? "" : " ", e->name);
}

/* Words that are no option are names of files, which bash completes by itself where nothing is offered. */
static void print_bash(FILE *stream) {
    fputs(
        "# Completion of poolscope for bash; written by `poolscope help --completion bash`.\n_poolscope() {\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} options=\n    COMPREPLY=()\n"
        "    local commands='",
        stream);
    print_names(stream);
    fputs(
        "'\n    if [ \"$COMP_CWORD\" = 1 ]; then\n"
        "        COMPREPLY=($(compgen -W \"$commands --help --version\" -- \"$word\"))\n        return\n    fi\n"
        "    case $command in\n",
        stream);
    for (const ps_command_entry *e = ps_commands; e->name != NULL; e++) {
        fprintf(stream, "        %s) options='", e->name);
        ps_command_each_option(e->command, print_bash_option, stream);
        fputs("' ;;\n", stream);
    }
    fputs(
        "    esac\n    if [ \"$command\" = help ] && [ \"${word#-}\" = \"$word\" ]; then options=$commands; fi\n"
        "    case $word in -*) ;; *) [ \"$command\" = help ] || return ;; esac\n"
        "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n}\ncomplete -o default -F _poolscope poolscope\n",
        stream);
}

/* Within single quotes: `special` characters after a backslash, quotes as the shell wants them. */
static void print_quoted(const char *text, const char *special, FILE *stream) {
    for (; *text != '\0'; text++) {
        if (*text == '\'') fputs("'\\''", stream);
        else fprintf(stream, strchr(special, *text) != NULL ? "\\%c" : "%c", *text);
    }
}

static void print_zsh_option(void *self, const ps_option_text *o) {
    FILE *stream = self;
    fprintf(stream, " \\\n            '%s--%s%s[", o->is_repeated ? "*" : "", o->name, o->is_flag ? "" : "=");
    print_quoted(o->help, "[]\\", stream);
    fputc(']', stream);
    if (!o->is_flag) {
        fputc(':', stream);
        print_quoted(o->argument, ":\\", stream);
        fputs(":_files", stream);
    }
    fputc('\'', stream);
}

static void print_zsh(FILE *stream) {
    fputs(
        "#compdef poolscope\n# Completion of poolscope for zsh; written by `poolscope help --completion zsh`.\n"
        "_poolscope() {\n    local -a commands\n    commands=(\n",
        stream);
    for (const ps_command_entry *e = ps_commands; e->name != NULL; e++) {
        fprintf(stream, "        '%s:", e->name);
        print_quoted(e->summary, "\\", stream);
        fputs("'\n", stream);
    }
    fputs(
        "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
        "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n",
        stream);
    for (const ps_command_entry *e = ps_commands; e->name != NULL; e++) {
        fprintf(stream, "        %s) _arguments", e->name);
        ps_command_each_option(e->command, print_zsh_option, stream);
        if (strcmp(e->name, "help") == 0) fputs(" '1:command:{_describe command commands}' ;;\n", stream);
        else fputs(" '*:file:_files' ;;\n", stream);
    }
    fputs("    esac\n}\n_poolscope \"$@\"\n", stream);
}

typedef struct {
    FILE *stream;
    const char *command;
} fish_printer;

static void print_fish_option(void *self, const ps_option_text *o) {
    const fish_printer *p = self;
    fprintf(p->stream, "complete -c poolscope -n '__fish_seen_subcommand_from %s' -l %s%s -d '", p->command, o->name,
            o->is_flag ? "" : " -r");
    for (const char *c = o->help; *c != '\0'; c++) fprintf(p->stream, *c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
    fputs("'\n", p->stream);
}

static void print_fish(FILE *stream) {
    fputs("# Completion of poolscope for fish; written by `poolscope help --completion fish`.\n", stream);
    for (const ps_command_entry *e = ps_commands; e->name != NULL; e++) {
        fish_printer p = {stream, e->name};
        fprintf(stream, "complete -c poolscope -f -n __fish_use_subcommand -a %s -d '", e->name);
        for (const char *c = e->summary; *c != '\0'; c++) fprintf(stream, *c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
        fputs("'\n", stream);
        ps_command_each_option(e->command, print_fish_option, &p);
    }
    fputs("complete -c poolscope -f -n '__fish_seen_subcommand_from help' -a '", stream);
    print_names(stream);
    fputs("'\n", stream);
}

ps_status ps_help_print_completion(const char *shell, FILE *stream) {
    static const struct {
        const char *name;
        void (*print)(FILE *stream);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].print(stream);
            return PS_OK;
        }
    return ps_fail(PS_ERR_USAGE, "there is no completion for \"%s\"; for bash, zsh and fish there is", shell);
}
