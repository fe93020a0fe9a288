/* Rows of a table put into groups. */
#include "reports/plot_data_internal.h"

#include <string.h>

#include "core/digest.h"
#include "core/memory.h"

bool ps_plot_same_cells(const ps_table *table, int a, int b, const int *columns, int count) {
    for (int i = 0; i < count; i++)
        if (strcmp(ps_table_text(table, a, columns[i]), ps_table_text(table, b, columns[i])) != 0) return false;
    return true;
}

static uint64_t hash_cells(const ps_table *table, int row, const int *columns, int count) {
    ps_digest digest = ps_digest_start();
    for (int i = 0; i < count; i++) {
        const char *text = ps_table_text(table, row, columns[i]);
        ps_digest_bytes(&digest, text, strlen(text) + 1);
    }
    return ps_digest_value(&digest);
}

void ps_plot_grouping_clear(ps_plot_grouping *groups) {
    ps_free(groups->group);
    ps_free(groups->start);
    ps_free(groups->order);
    *groups = (ps_plot_grouping){0};
}

/* Fills start and order from group (a counting sort, so rows keep their order within a group). */
static ps_status order_groups(ps_plot_grouping *groups, int row_count) {
    PS_TRY(PS_ALLOC((size_t)groups->count + 1, &groups->start, "the groups of a plot"));
    PS_TRY(PS_ALLOC((size_t)row_count + 1, &groups->order, "the rows of a plot"));
    for (int i = 0; i < row_count; i++) groups->start[groups->group[i]]++;
    for (int g = 0, sum = 0; g <= groups->count; g++) {
        int here = g < groups->count ? groups->start[g] : 0;
        groups->start[g] = sum;
        sum += here;
    }
    int *next = NULL;
    PS_TRY(PS_ALLOC((size_t)groups->count + 1, &next, "the groups of a plot"));
    memcpy(next, groups->start, (size_t)groups->count * sizeof *next);
    for (int i = 0; i < row_count; i++) groups->order[next[groups->group[i]]++] = i;
    ps_free(next);
    return PS_OK;
}

ps_status ps_plot_group_rows(const ps_table *table, const int *rows, int row_count, const int *columns,
                             int column_count, ps_plot_grouping *groups) {
    size_t slots = 64;
    while (slots < (size_t)row_count * 2) slots *= 2;
    int *first = NULL, *number = NULL;
    ps_status status = PS_OK;
    *groups = (ps_plot_grouping){0};
    PS_TRY_CLEANUP(PS_ALLOC(slots, &first, "the groups of a plot"));
    PS_TRY_CLEANUP(PS_ALLOC(slots, &number, "the groups of a plot"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)row_count + 1, &groups->group, "the groups of a plot"));
    for (int i = 0; i < row_count; i++) {
        size_t slot = hash_cells(table, rows[i], columns, column_count) & (slots - 1);
        while (first[slot] && !ps_plot_same_cells(table, first[slot] - 1, rows[i], columns, column_count))
            slot = (slot + 1) & (slots - 1);
        if (!first[slot]) {
            first[slot] = rows[i] + 1;
            number[slot] = groups->count++;
        }
        groups->group[i] = number[slot];
    }
    status = order_groups(groups, row_count);
cleanup:
    ps_free(first);
    ps_free(number);
    if (status != PS_OK) ps_plot_grouping_clear(groups);
    return status;
}

void ps_plot_find_columns(const ps_table *table, char *const *names, int count, int *columns) {
    for (int i = 0; i < count; i++) columns[i] = ps_table_column(table, names[i]);
}

int ps_plot_arm_of(const ps_plot_source *source, int row, int arm_column) {
    return ps_table_find(&source->arms, 0, ps_table_column(&source->arms, "arm"),
                         ps_table_text(&source->table, row, arm_column));
}

ps_status ps_plot_group_arms(const ps_plot_source *source, const int *rows, int row_count, ps_plot_grouping *groups) {
    int column = ps_table_column(&source->table, "arm"), last = -1;
    *groups = (ps_plot_grouping){.count = source->arms.rows + 1};
    ps_status status = PS_ALLOC((size_t)row_count + 1, &groups->group, "the groups of a plot");
    for (int i = 0; i < row_count && status == PS_OK; i++) {
        /* Rows of an arm stand together, so the row before mostly knows. */
        if (i == 0 || strcmp(ps_table_text(&source->table, rows[i], column),
                             ps_table_text(&source->table, rows[i - 1], column)) != 0)
            last = ps_plot_arm_of(source, rows[i], column);
        groups->group[i] = last < 0 ? source->arms.rows : last;
    }
    if (status == PS_OK) status = order_groups(groups, row_count);
    if (status != PS_OK) ps_plot_grouping_clear(groups);
    else groups->count = source->arms.rows;
    return status;
}

int ps_plot_compare_keys(const void *a, const void *b) {
    const ps_plot_key *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->group > y->group) - (x->group < y->group);
}
