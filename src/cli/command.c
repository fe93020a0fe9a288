#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "run/config.h"

const ps_option *ps_command_find_option(const ps_command *command, const char *name) {
    const ps_option *own = ps_option_find(command->options, name);
    return own != NULL ? own : ps_option_find(command->common, name);
}

bool ps_command_has_option(const ps_command *command, const char *name) {
    return ps_command_find_option(command, name) != NULL || ps_run_config_in(command->run_options, name) ||
           strcmp(name, "help") == 0;
}

static void visit_table(const ps_option *table, ps_option_visitor *visit, void *self) {
    char help[600];
    for (const ps_option *o = table; o != NULL && o->name != NULL; o++) {
        bool shown = o->standard != NULL && o->standard[0] != '\0';
        snprintf(help, sizeof help, shown ? "%s [%s]" : "%s", o->help, o->standard);
        visit(self, &(ps_option_text){"Options", o->name, o->argument, help, o->kind == PS_OPTION_FLAG,
                                      o->kind == PS_OPTION_REPEATED});
    }
}

void ps_command_each_option(const ps_command *command, ps_option_visitor *visit, void *self) {
    ps_run_option_text text;
    visit_table(command->options, visit, self);
    visit_table(command->common, visit, self);
    visit(self, &(ps_option_text){"Options", "help", "", "print this and end", true, false});
    for (int i = 0; ps_run_config_describe(i, &text); i++) {
        char name[64];
        ps_option_with_dashes(text.name, name, sizeof name);
        if (!ps_run_config_in(command->run_options, text.name) || ps_command_find_option(command, name) != NULL)
            continue;
        visit(self, &(ps_option_text){text.group, name, text.argument, text.help, text.is_flag, false});
    }
}
