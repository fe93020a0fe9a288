#include "reports/plot_words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/title.h"

static void copy_plain(char *out, size_t size, const char *text, const char *signs) {
    size_t used = 0;
    for (; *text != '\0' && used + 1 < size; text++)
        if (isalnum((unsigned char)*text) || strchr(signs, *text) != NULL) out[used++] = *text;
    out[used] = '\0';
}

void ps_plot_words_of(const ps_table *runs, const ps_table *meta, ps_plot_words *words) {
    static const char prefix[] = "test_";
    int loss = ps_table_column(runs, "test_loss");
    const char *name = loss >= 0 && loss + 1 < runs->columns ? ps_table_name(runs, loss + 1) : "";
    bool named = strncmp(name, prefix, sizeof prefix - 1) == 0;
    int row = ps_table_find(meta, 0, ps_table_column(meta, "key"), "measure_unit");
    copy_plain(words->measure, sizeof words->measure, named ? name + sizeof prefix - 1 : "measure", "_");
    ps_title_of_key(words->measure, words->title, sizeof words->title);
    words->share = row < 0;
    const char *unit = row < 0 ? "%" : ps_table_text(meta, row, ps_table_column(meta, "value"));
    copy_plain(words->unit, sizeof words->unit, unit, " %/.-");
}

static void print_field(FILE *stream, const ps_plot_words *words, int field) {
    bool has_unit = strcmp(words->unit, "none") != 0;
    switch (field) {
        case 0: fputs(words->measure, stream); break;
        case 1: fputs(words->title, stream); break;
        case 2: fputs(words->share ? "100" : "1", stream); break;
        case 3:
            if (has_unit) fprintf(stream, ", %s", words->unit);
            break;
        default:
            if (has_unit) fprintf(stream, " (%s)", words->share ? "pp" : words->unit);
    }
}

ps_status ps_plot_words_fill(const ps_plot_words *words, const char *text, char **out) {
    static const char *const fields[] = {"{measure}", "{measure title}", "{factor}", "{, unit}", "{ (pp)}"};
    enum { FIELDS = sizeof fields / sizeof *fields };
    size_t size = 0;
    FILE *stream = open_memstream(out, &size);
    if (stream == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the words of a plot");
    while (*text != '\0') {
        int field = 0;
        while (*text == '{' && field < FIELDS && strncmp(text, fields[field], strlen(fields[field])) != 0) field++;
        if (*text == '{' && field < FIELDS) {
            print_field(stream, words, field);
            text += strlen(fields[field]);
        } else {
            putc(*text++, stream);
        }
    }
    return fclose(stream) == 0 ? PS_OK : ps_fail(PS_ERR_MEMORY, "no memory for the words of a plot");
}
