#include "reports/classes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

/* Tables are anyone's: more than that is no table of classes. */
enum { MOST_CLASSES = 4096, MOST_MEASURES = 64 };

typedef struct {
    int arm, measure, class_index, name, value;
} columns;

static columns columns_of(const ps_table *table) {
    return (columns){ps_table_column(table, "arm"), ps_table_column(table, "measure"), ps_table_column(table, "class"),
                     ps_table_column(table, "name"), ps_table_column(table, "value")};
}

/* -1: no class. */
static int class_of(const ps_table *table, int row, const columns *c) {
    double number = ps_table_number(table, row, c->class_index);
    return number >= 0 && number < MOST_CLASSES && number == floor(number) ? (int)number : -1;
}

static int find_text(const char *const *list, int count, const char *text) {
    for (int i = 0; i < count; i++)
        if (strcmp(list[i], text) == 0) return i;
    return -1;
}

static int find_arm(const ps_report_content *content, const char *name) {
    return ps_table_find(&content->arms, 0, ps_table_column(&content->arms, "arm"), name);
}

static ps_status find_sides(const ps_table *table, const columns *c, ps_report_classes *out) {
    for (int row = 0; row < table->rows; row++) {
        const char *measure = ps_table_text(table, row, c->measure);
        int k = class_of(table, row, c);
        if (k >= out->classes) out->classes = k + 1;
        if (out->measures < MOST_MEASURES && find_text(out->measure, out->measures, measure) < 0)
            out->measure[out->measures++] = measure;
    }
    return PS_ALLOC((size_t)out->classes, &out->name, "the table of classes");
}

static void add(ps_report_class_value *to, double value) {
    if (!isfinite(value)) return;
    if (to->count == 0) *to = (ps_report_class_value){0, value, value, 0};
    to->mean += (value - to->mean) / ++to->count;
    to->low = fmin(to->low, value);
    to->high = fmax(to->high, value);
}

static size_t place_of(const ps_report_classes *c, int measure, int class_index, int arm) {
    return ((size_t)measure * (size_t)c->classes + (size_t)class_index) * (size_t)c->arms + (size_t)arm;
}

static void take_rows(const ps_report_content *content, const columns *c, ps_report_classes *out) {
    const ps_table *table = &content->classes;
    for (int row = 0; row < table->rows; row++) {
        int measure = find_text(out->measure, out->measures, ps_table_text(table, row, c->measure)),
            arm = find_arm(content, ps_table_text(table, row, c->arm)), k = class_of(table, row, c);
        if (k >= 0 && out->name[k] == NULL) out->name[k] = ps_table_text(table, row, c->name);
        if (measure >= 0 && arm >= 0 && k >= 0)
            add(&out->value[place_of(out, measure, k, arm)], ps_table_number(table, row, c->value));
    }
}

static ps_status read_classes(const ps_report_content *content, ps_report_classes *out) {
    const ps_table *table = &content->classes;
    columns c = columns_of(table);
    out->arms = content->arms.rows;
    PS_TRY(PS_ALLOC(MOST_MEASURES, &out->measure, "the table of classes"));
    PS_TRY(find_sides(table, &c, out));
    PS_TRY(PS_ALLOC((size_t)out->measures * (size_t)out->classes * (size_t)out->arms, &out->value,
                    "the table of classes"));
    take_rows(content, &c, out);
    return PS_OK;
}

ps_status ps_report_classes_read(const ps_report_content *content, ps_report_classes *classes) {
    *classes = (ps_report_classes){.measure = NULL};
    if (content->classes.rows == 0) return PS_OK;
    ps_status status = read_classes(content, classes);
    if (status != PS_OK) ps_report_classes_clear(classes);
    return status;
}

void ps_report_classes_clear(ps_report_classes *classes) {
    ps_free(classes->measure);
    ps_free(classes->name);
    ps_free(classes->value);
    *classes = (ps_report_classes){.measure = NULL};
}

const ps_report_class_value *ps_report_class_value_of(const ps_report_classes *classes, int measure, int class_index,
                                                      int arm) {
    return &classes->value[place_of(classes, measure, class_index, arm)];
}

ps_report_class_value ps_report_class_whole(const ps_report_content *content, const char *measure, const char *arm) {
    const ps_table *runs = &content->runs;
    ps_report_class_value whole = {.count = 0};
    char column[128];
    snprintf(column, sizeof column, "test_%s", measure);
    int arms = ps_table_column(runs, "arm"), at = ps_table_column(runs, column);
    for (int row = ps_table_find(runs, 0, arms, arm); row >= 0; row = ps_table_find(runs, row + 1, arms, arm))
        add(&whole, ps_table_number(runs, row, at));
    return whole;
}

const char *ps_report_class_title(const char *measure) {
    static const char mean[] = "mean_";
    bool is_mean = strncmp(measure, mean, sizeof mean - 1) == 0 && measure[sizeof mean - 1] != '\0';
    return is_mean ? measure + sizeof mean - 1 : measure;
}

const char *ps_report_class_unit(const ps_report_content *content, const char *measure) {
    char key[128];
    snprintf(key, sizeof key, "class_unit.%s", measure);
    return ps_report_meta(content, key);
}

const char *ps_report_class_better(const ps_report_content *content, const char *measure) {
    char key[128];
    snprintf(key, sizeof key, "class_better.%s", measure);
    return ps_report_meta(content, key);
}
