/* The tables of commands: which run options they take, what is shown of them, and lines of progress on narrow
 * terminals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "cli/help.h"
#include "run/config.h"
#include "core/file.h"
#include "core/progress.h"

/* ---- lists of run options ---- */

static void lists_of_run_options(void **state) {
    (void)state;
    assert_true(ps_run_config_in("*", "lr"));
    assert_true(ps_run_config_in("*", "pool-skip"));
    assert_true(ps_run_config_in("*", "no-flip"));
    assert_true(ps_run_config_in("Pool Skip", "pool_skip_mode"));
    assert_false(ps_run_config_in("Pool Skip", "model"));
    assert_true(ps_run_config_in("Network,data", "data"));
    assert_false(ps_run_config_in("Network,data", "data_x"));
    assert_false(ps_run_config_in("*,!seed,!arm", "seed"));
    assert_true(ps_run_config_in("*,!seed,!arm", "steps"));
    assert_false(ps_run_config_in("*", "nothing"));
    assert_false(ps_run_config_in("*", "Network"));
    assert_false(ps_run_config_in(NULL, "lr"));
    assert_false(ps_run_config_in("", "lr"));
}

/* Each entry of a command's list must name something: a misspelt one would silently take nothing. */
static bool names_something(const char *entry) {
    ps_run_option_text text;
    if (strcmp(entry, "*") == 0) return true;
    for (int i = 0; ps_run_config_describe(i, &text); i++)
        if (strcmp(text.name, entry) == 0 || strcmp(text.group, entry) == 0) return true;
    return false;
}

static void every_table_is_sound(void **state) {
    (void)state;
    for (const ps_command_entry *e = ps_commands; e->name != NULL; e++) {
        char list[512];
        const ps_command *command = e->command;
        assert_string_equal(command->name, e->name);
        assert_true(command->usage != NULL && command->summary != NULL);
        snprintf(list, sizeof list, "%s", command->run_options != NULL ? command->run_options : "");
        for (char *save = NULL, *entry = strtok_r(list, ",", &save); entry != NULL; entry = strtok_r(NULL, ",", &save))
            if (!names_something(entry + (*entry == '!'))) fail_msg("%s: \"%s\" names no run option", e->name, entry);
        for (const ps_option_hint *h = command->hints; h != NULL && h->name != NULL; h++)
            if (ps_command_has_option(command, h->name))
                fail_msg("%s has --%s, of which a hint says no", e->name, h->name);
    }
}

typedef struct {
    char names[128][64];
    int count;
} name_list;

static void note_name(void *self, const ps_option_text *option) {
    name_list *list = self;
    for (int i = 0; i < list->count; i++) assert_string_not_equal(list->names[i], option->name);
    assert_true(option->help[0] != '\0' && option->is_flag == (option->argument[0] == '\0'));
    assert_true(list->count < 128);
    snprintf(list->names[list->count++], 64, "%s", option->name);
}

static void every_option_is_shown_once_and_taken(void **state) {
    (void)state;
    for (const ps_command_entry *e = ps_commands; e->name != NULL; e++) {
        name_list list = {.count = 0};
        ps_command_each_option(e->command, note_name, &list);
        for (int i = 0; i < list.count; i++) assert_true(ps_command_has_option(e->command, list.names[i]));
    }
}

/* No line of a page is taken for a request that the texts did not mean. */
static void pages_hold_known_requests(void **state) {
    (void)state;
    static const char *const known[] = {".TH ", ".SH ", ".SS ", ".TP\n", ".nf\n", ".fi\n"};
    for (const ps_command_entry *e = ps_commands; e->name != NULL; e++) {
        char *text;
        size_t size;
        FILE *stream = open_memstream(&text, &size);
        assert_int_equal(ps_help_print_man(e->command, stream), PS_OK);
        fclose(stream);
        assert_true(size > 200);
        for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
            bool fine = *line != '.' && *line != '\'';
            for (size_t k = 0; k < sizeof known / sizeof *known; k++)
                fine = fine || strncmp(line, known[k], strlen(known[k])) == 0;
            if (!fine) fail_msg("%s: \"%.40s\" is a request of roff", e->name, line);
        }
        free(text);
    }
}

/* ---- paths ---- */

static void tildes(void **state) {
    (void)state;
    static const char *const left[] = {"~/x", "idx:~/x", "b=~/x", "b=a,~/x", "~", "--out=~/x"};
    static const char *const fine[] = {"a~/x", "a~b", "x~", "max(a[layer=~\"c.*\"])", "", "~user/x", "/tmp/~/x"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        assert_int_equal(ps_file_refuse_tilde(left[i]), PS_ERR_USAGE);
        assert_non_null(strstr(ps_status_message(), "$HOME"));
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) assert_int_equal(ps_file_refuse_tilde(fine[i]), PS_OK);
}

/* ---- progress ---- */

static void the_time_left_stays(void **state) {
    (void)state;
    ps_progress progress = {.title = "baseline", .total = 240, .done = 120};
    const char *bar = "############............", *tail = "loss 1.2345  812 images/s  dead 3.1 %";
    char line[640], whole[640];
    ps_progress_format(whole, sizeof whole, 0, &progress, bar, tail, "1m02s");
    assert_non_null(strstr(whole, tail));
    for (int columns = 1; columns <= 200; columns++) {
        ps_progress_format(line, sizeof line, columns, &progress, bar, tail, "1m02s");
        assert_true((int)strlen(line) <= columns);
        if (columns >= (int)strlen(whole)) assert_string_equal(line, whole);
        if (columns >= 10) assert_non_null(strstr(line, "left 1m02s"));
        if (columns >= 19) assert_non_null(strstr(line, "120/240"));
        if (columns >= 60) assert_non_null(strstr(line, bar));
        ps_progress_format(line, sizeof line, columns, &progress, bar, NULL, "1m02s");
        assert_true((int)strlen(line) <= columns);
        if (columns >= 10) assert_non_null(strstr(line, "left 1m02s"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_run_options),
        cmocka_unit_test(every_table_is_sound),
        cmocka_unit_test(every_option_is_shown_once_and_taken),
        cmocka_unit_test(pages_hold_known_requests),
        cmocka_unit_test(tildes),
        cmocka_unit_test(the_time_left_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
