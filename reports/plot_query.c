/* A request for data, read from the words of a plot's script. */
#include "reports/plot_data_internal.h"

#include <stdlib.h>
#include <string.h>

static int cut_list(char *text, char **items, int most) {
    int count = 0;
    for (char *save = NULL, *item = strtok_r(text, ",", &save); item && count < most; item = strtok_r(NULL, ",", &save))
        items[count++] = item;
    return count;
}

static bool parse_filter(ps_plot_query *request, char *word) {
    char *equals = strchr(word, '=');
    if (!equals || request->filter_count == PS_PLOT_MOST_FILTERS) return false;
    *equals = '\0';
    request->filters[request->filter_count++] = (ps_plot_filter){word, equals + 1};
    return true;
}

/* One keyword with its argument; false where it is not known. */
static bool parse_word(ps_plot_query *request, const char *keyword, char *argument) {
    if (strcmp(keyword, "where") == 0) return parse_filter(request, argument);
    if (strcmp(keyword, "split") == 0)
        return (request->split_count = cut_list(argument, request->split, PS_PLOT_MOST_COLUMNS)) > 0;
    if (strcmp(keyword, "by") == 0)
        return (request->by_count = cut_list(argument, request->by, PS_PLOT_MOST_COLUMNS)) > 0;
    if (strcmp(keyword, "pick") == 0)
        return (request->pick_count = cut_list(argument, request->picks, PS_PLOT_MOST_PICKS)) > 0;
    if (strcmp(keyword, "thin") == 0) return (request->thin = atoi(argument)) > 0;
    if (strcmp(keyword, "rows") == 0) return (request->rows = atoi(argument)) > 0;
    char **slot = strcmp(keyword, "x") == 0         ? &request->x
                  : strcmp(keyword, "y") == 0       ? &request->y
                  : strcmp(keyword, "value") == 0   ? &request->value
                  : strcmp(keyword, "label") == 0   ? &request->label
                  : strcmp(keyword, "columns") == 0 ? &request->columns
                                                    : NULL;
    if (slot) *slot = argument;
    return slot != NULL;
}

bool ps_plot_query_parse(char *line, ps_plot_query *request) {
    *request = (ps_plot_query){0};
    char *save = NULL;
    request->name = strtok_r(line, " ", &save);
    request->kind = strtok_r(NULL, " ", &save);
    request->table = strtok_r(NULL, " ", &save);
    if (!request->table) return false;
    for (char *word = strtok_r(NULL, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (strcmp(word, "steps") == 0) {
            request->steps = true;
            continue;
        }
        char *argument = strtok_r(NULL, " ", &save);
        if (!argument || !parse_word(request, word, argument)) return false;
    }
    if (strcmp(request->kind, "from") == 0) return request->pick_count > 0;
    if (strcmp(request->kind, "grid") == 0)
        return request->x && request->y && request->value && request->columns && atoi(request->columns) > 0 &&
               request->rows > 0;
    return strcmp(request->kind, "pivot") == 0 && request->columns && request->value;
}
