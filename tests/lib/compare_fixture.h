/* Comparisons of made-up traces: making arms of them, changing what they hold, and reading what came out. Everything is
 * in the test's folder (tests/lib/folder.h). */
#ifndef PS_TESTS_COMPARE_FIXTURE_H
#define PS_TESTS_COMPARE_FIXTURE_H

#include <cjson/cJSON.h>

#include "analysis/compare.h"
#include "tests/lib/folder.h"
#include "tests/lib/trace_fixture.h"

enum { CT_MOST_RUNS = 24 };

typedef struct {
    const char *paths[CT_MOST_RUNS];
    char text[CT_MOST_RUNS][128];
    int count;
} ct_runs;

typedef void ct_change_fixture(ps_fixture *fixture);

/* Traces that are written from here on say that this was registered before them, with seeds 1 to `seeds`; questions:
 * "\"primary\":\"W1\"" and more members. NULL: nothing is registered, as at the start. */
void ct_register(const char *questions, int seeds);
void ct_add(ct_runs *list, const ps_fixture *fixture);
/* Replaces the first `from` in the latest trace of the list. */
void ct_rewrite(const ct_runs *list, const char *from, const char *to);
void ct_start_at_zero(const ct_runs *list);
void ct_make_arms(ct_runs *base, ct_runs *module, int seeds);
ps_status ct_compare(const ct_runs *base, const ct_runs *module);
cJSON *ct_read_verdict(void);
const cJSON *ct_entry(const cJSON *document, const char *list, const char *key, const char *value);
/* Compares one arm, "baseline". */
cJSON *ct_compare_alone(const ct_runs *runs);
double ct_number_in(const cJSON *item, const char *key);
const char *ct_verdict_of(const cJSON *document, const char *id);
const cJSON *ct_prediction_of(const cJSON *document, const char *id);
const char *ct_sentence_of(const cJSON *document, const char *id);
int ct_left_out_of(const cJSON *document, const char *id);
/* Module and controls of pool size e; with `other` the controls of P7 have another one. */
cJSON *ct_compare_controls(int controls_size, int odd_seed);
const cJSON *ct_variation_of(const cJSON *document, const char *id, const char *variation);
const char *ct_text_in(const cJSON *item, const char *key);
void ct_expect_row(const cJSON *document, const char *id, const char *variation, const char *verdict, int same);
void ct_make_changed_arms(ct_runs *base, ct_runs *module, int seeds, ct_change_fixture *change);

#endif
