/* The tables of a comparison. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analysis/tables.h"
#include "core/file.h"
#include "tests/lib/compare_fixture.h"

typedef struct {
    char arm[16], seed[8], origin[8], low[16], high[16], level[8], name[16];
    double time, survival;
    int seeds;
} curve_row;

static int read_curves(curve_row *rows, int room) {
    char path[128], line[512];
    int count = 0;
    snprintf(path, sizeof path, "%s/tables/survival.tsv", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    for (; count < room && fgets(line, sizeof line, file) != NULL; count++)
        assert_int_equal(
            sscanf(line, "%15s\t%7s\t%7s\t%lf\t%*s\t%*s\t%*s\t%lf\t%15s\t%15s\t%7s\t%15s\t%d", rows[count].arm,
                   rows[count].seed, rows[count].origin, &rows[count].time, &rows[count].survival, rows[count].low,
                   rows[count].high, rows[count].level, rows[count].name, &rows[count].seeds),
            10);
    assert_true(feof(file));
    fclose(file);
    return count;
}

static bool same_curve(const curve_row *a, const curve_row *b) {
    return strcmp(a->arm, b->arm) == 0 && strcmp(a->origin, b->origin) == 0 && strcmp(a->level, b->level) == 0 &&
           strcmp(a->name, b->name) == 0;
}

/* A seed's survival at a time, and the last time of its curve (-1: none). */
static double seed_survival(const curve_row *rows, int count, const curve_row *of, int seed, double time,
                            double *last) {
    double survival = 1;
    *last = -1;
    for (int j = 0; j < count; j++) {
        if (!same_curve(&rows[j], of) || atoi(rows[j].seed) != seed) continue;
        if (rows[j].time <= time) survival = rows[j].survival;
        *last = fmax(*last, rows[j].time);
    }
    return survival;
}

/* An arm's curve from its seeds' rows: it falls from one time to the next as the mean of those observed at both falls,
 * so that it never rises where one leaves. A layer's and a stage's own curves stand beside it. */
static void survival_of_an_arm_is_the_mean_of_its_seeds(void **state) {
    enum { ROOM = 4000 };
    static curve_row rows[ROOM];
    ct_runs base, module;
    int means = 0, stages = 0, layers = 0, left = 0;
    (void)state;
    ct_make_arms(&base, &module, 4);
    held(ct_compare(&base, &module));
    int count = read_curves(rows, ROOM);
    for (int i = 0; i < count; i++) {
        stages += strcmp(rows[i].level, "stage") == 0;
        layers += strcmp(rows[i].level, "layer") == 0;
        if (strcmp(rows[i].seed, "all") != 0) {
            assert_string_equal(rows[i].low, "NA");
            continue;
        }
        const curve_row *before = i > 0 && rows[i - 1].time < rows[i].time && same_curve(&rows[i - 1], &rows[i]) &&
                                          strcmp(rows[i - 1].seed, "all") == 0
                                      ? &rows[i - 1]
                                      : NULL;
        double sum = 0, sum_before = 0, low = 2, high = -1;
        int seeds = 0, all = 0;
        for (int s = 1; s <= 4; s++) {
            double last, survival = seed_survival(rows, count, &rows[i], s, rows[i].time, &last);
            all += last >= 0;
            if (last < rows[i].time) continue;
            sum += survival;
            sum_before += before != NULL ? seed_survival(rows, count, &rows[i], s, before->time, &last) : survival;
            low = fmin(low, survival);
            high = fmax(high, survival);
            seeds++;
        }
        assert_int_equal(rows[i].seeds, seeds);
        if (before == NULL) assert_float_equal(rows[i].survival, 1, 0);
        else
            assert_float_equal(rows[i].survival,
                               sum_before > 0 ? before->survival * sum / sum_before : before->survival, 1e-6);
        assert_true(before == NULL ||
                    (rows[i].survival <= before->survival && atof(rows[i].high) <= atof(before->high)));
        assert_true(atof(rows[i].low) <= rows[i].survival + 1e-9 && rows[i].survival <= atof(rows[i].high) + 1e-9);
        assert_true(atof(rows[i].low) <= low + 1e-9 && atof(rows[i].high) >= high - 1e-9);
        if (seeds == all) {
            assert_float_equal(rows[i].survival, sum / seeds, 1e-6);
            assert_float_equal(atof(rows[i].low), low, 1e-6);
            assert_float_equal(atof(rows[i].high), high, 1e-6);
        } else left++;
        means++;
    }
    assert_true(means > 20 && stages > 0 && layers > 0 && left > 0);
}

/* Every row has as many cells as the header line. */
static void tables_are_rectangular(void **state) {
    ct_runs base, module;
    (void)state;
    ct_make_arms(&base, &module, 2);
    held(ct_compare(&base, &module));
    for (int t = 0; t < PS_TABLE_COUNT; t++) {
        char path[160], *content;
        snprintf(path, sizeof path, "%s/tables/%s.tsv", folder, ps_tables_name((ps_table_id)t));
        assert_int_equal(ps_file_read(path, &content, NULL), PS_OK);
        int columns = -1, cells = 1, rows = 0;
        for (char *p = content; *p != '\0'; p++) {
            cells += *p == '\t';
            if (*p != '\n') continue;
            if (columns < 0) columns = cells;
            assert_int_equal(cells, columns);
            cells = 1;
            rows++;
        }
        bool may_be_empty = t == PS_TABLE_events || t == PS_TABLE_planted || t == PS_TABLE_sweep ||
                            t == PS_TABLE_saturation || t == PS_TABLE_heads || t == PS_TABLE_eval_classes ||
                            t == PS_TABLE_classes || t == PS_TABLE_class_comparison || t == PS_TABLE_unmatched_layers;
        if (!may_be_empty && rows < 2) fail_msg("%s has no rows", path);
        free(content);
    }
}

/* TABLES.md names every table with exactly its columns. */
static void tables_match_their_document(void **state) {
    char *document, wanted[1024];
    (void)state;
    assert_int_equal(ps_file_read("analysis/TABLES.md", &document, NULL), PS_OK);
    for (int t = 0; t < PS_TABLE_COUNT; t++) {
        snprintf(wanted, sizeof wanted, "| %s.tsv | `%s`", ps_tables_name((ps_table_id)t),
                 ps_tables_columns((ps_table_id)t));
        if (strstr(document, wanted) == NULL) fail_msg("TABLES.md lacks: %s", wanted);
    }
    free(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(survival_of_an_arm_is_the_mean_of_its_seeds, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(tables_are_rectangular, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(tables_match_their_document, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
