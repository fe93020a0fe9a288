#include "analysis/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/answer.h"
#include "analysis/arms.h"
#include "analysis/causes.h"
#include "analysis/curves.h"
#include "analysis/fixed.h"
#include "analysis/identity.h"
#include "analysis/measures.h"
#include "analysis/metric.h"
#include "analysis/outcomes.h"
#include "analysis/relation.h"
#include "analysis/stats/order.h"
#include "analysis/sweep.h"
#include "analysis/verdict.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"

static const struct {
    const char *measure, *definition;
    double threshold;
} definitions[] = {
#define PS_DEFINITION(measure, definition, threshold) {#measure, definition, threshold},
#include "analysis/definition_list.def"
#undef PS_DEFINITION
};
enum { DEFINITIONS = sizeof definitions / sizeof *definitions };

/* ---- one run ---- */

static void write_task_measures(ps_tables *tables, const ps_trace_task *task, const ps_summary *summary) {
    for (int m = 0; m < task->measures; m++) {
        ps_test_name name;
        ps_summary_test_name(&task->measure[m], name);
        ps_tables_cells(tables, PS_TABLE_runs, "d", ps_summary_get(summary, name));
    }
}

/* The measures of runs.tsv are those that its list of columns names from loss_start to record_cost; "{test_measures}"
 * are the task's. */
static void write_measures(ps_tables *tables, const ps_trace_task *task, const ps_summary *summary) {
    static const char last[] = "record_cost";
    char name[64] = "";
    int length = 0;
    for (const char *at = strstr(ps_tables_columns(PS_TABLE_runs), "loss_start"); strcmp(name, last) != 0; at += length)
        if (sscanf(at, "%63s%n", name, &length) == 1 && name[0] != '{')
            ps_tables_cells(tables, PS_TABLE_runs, "d", ps_summary_get(summary, name));
        else write_task_measures(tables, task, summary);
}

static void write_run(ps_tables *tables, const ps_run *run, const ps_arm_run *entry) {
    int shared = 0;
    for (int l = 0; l < run->layer_count; l++) shared += run->layers[l].shared ? run->layers[l].channels : 0;
    ps_tables_cells(tables, PS_TABLE_runs, "slisllidiii", run->arm, run->header->seed, (int)entry->paired,
                    ps_run_status_name(run->status), run->steps_done, run->header->window, run->probe_count,
                    ps_summary_get(&entry->summary, "probe_images"), run->layer_count, run->node_count - shared,
                    shared);
    write_measures(tables, &run->header->task, &entry->summary);
    ps_tables_cells(tables, PS_TABLE_runs, "ddddsssdddl", run->peak_memory_bytes, run->header->parameters,
                    run->header->module_parameters, run->header->macs, run->header->model, run->header->producer,
                    run->header->path, ps_summary_get(&entry->summary, "edge_mean"),
                    ps_summary_get(&entry->summary, "edge_end"), ps_summary_get(&entry->summary, "edge_nodes"),
                    run->header->steps);
    ps_tables_end_row(tables, PS_TABLE_runs);
}

static ps_status read_run(ps_tables *tables, ps_collector *collector, const ps_arm *arm, ps_arm_run *entry) {
    ps_run *run;
    PS_TRY(ps_run_open(entry->path, arm->name, &run));
    ps_status status = ps_metrics_run_varied(run, tables, &entry->summary, collector, entry->varied);
    entry->status = run->status;
    ps_arms_note_layers(entry, run);
    entry->has_end = run->has_end;
    entry->steps = run->steps_done;
    entry->planned = run->header->steps;
    if (run->status == PS_RUN_UNFINISHED) ps_summary_forget_end(&entry->summary);
    if (run->status == PS_RUN_NONFINITE) ps_summary_forget_probes(&entry->summary);
    if (status == PS_OK) write_run(tables, run, entry);
    /* The other seeds of an arm differ in the seed alone, unless they were trained elsewhere. */
    if (status == PS_OK && entry == arm->runs) ps_identity_write(tables, run);
    else if (status == PS_OK) ps_identity_write_class(tables, run);
    ps_run_close(run);
    return status;
}

/* ---- one arm ---- */

typedef struct {
    double sum[PS_COLLECT_VALUES], count[PS_COLLECT_VALUES], least[PS_COLLECT_VALUES], most[PS_COLLECT_VALUES];
    int seeds;
} series_point;

static series_point gather(const ps_collect_entry *entries, size_t count) {
    series_point point;
    memset(&point, 0, sizeof point);
    point.seeds = (int)count;
    for (size_t i = 0; i < count; i++)
        for (int v = 0; v < PS_COLLECT_VALUES; v++) {
            double value = entries[i].value[v];
            if (ps_is_absent(value)) continue;
            if (point.count[v] == 0 || value < point.least[v] || isnan(value)) point.least[v] = value;
            if (point.count[v] == 0 || value > point.most[v] || isnan(value)) point.most[v] = value;
            point.sum[v] += value;
            point.count[v]++;
        }
    for (int v = 0; v < PS_COLLECT_VALUES; v++) {
        if (point.count[v] == 0) point.least[v] = point.most[v] = ps_absent();
        point.sum[v] = ps_ratio(point.sum[v], point.count[v]); /* now the mean */
    }
    return point;
}

static void write_series(ps_tables *tables, const ps_arm *arm, const ps_collector *collector,
                         const ps_collect_entry *entry, size_t count) {
    series_point p = gather(entry, count);
    const ps_collect_label *label = ps_collect_label_of(collector, entry->table, entry->id);
    if (entry->table == PS_TABLE_dead_arm)
        ps_tables_row(tables, PS_TABLE_dead_arm, "slssiddddd", arm->name, entry->step, label->text[0], label->text[1],
                      p.seeds, p.sum[0], p.least[0], p.most[0], p.sum[1], p.sum[2]);
    else if (entry->table == PS_TABLE_layer_arm)
        ps_tables_row(tables, PS_TABLE_layer_arm, "slsissiddddd", arm->name, entry->step, label->text[0], label->number,
                      label->text[1], label->text[2], p.seeds, p.sum[0], p.least[0], p.most[0], p.sum[1], p.sum[2]);
    else
        ps_tables_row(tables, PS_TABLE_l2l1_arm, "ssisildddddd", arm->name, label->text[0], label->number,
                      label->text[1], p.seeds, entry->step, p.sum[0], p.least[0], p.most[0], p.sum[1], p.least[1],
                      p.most[1]);
}

/* Entries of one row stand together after sorting; those of the last-probe table differ in step between runs of other
 * length. */
static void write_all_series(ps_tables *tables, const ps_arm *arm, ps_collector *collector) {
    ps_collect_sort(collector);
    for (size_t start = 0; start < collector->entry_count;) {
        const ps_collect_entry *first = &collector->entries[start];
        size_t end = start + 1;
        for (; end < collector->entry_count; end++) {
            const ps_collect_entry *next = &collector->entries[end];
            bool same_step = next->step == first->step || first->table == PS_TABLE_l2l1_arm;
            if (next->table != first->table || next->id != first->id || !same_step) break;
        }
        write_series(tables, arm, collector, first, end - start);
        start = end;
    }
}

static ps_status read_arm(ps_tables *tables, ps_arm *arm) {
    ps_collector collector;
    ps_status status = PS_OK;
    memset(&collector, 0, sizeof collector);
    for (int r = 0; r < arm->run_count; r++) PS_TRY_CLEANUP(read_run(tables, &collector, arm, &arm->runs[r]));
    write_all_series(tables, arm, &collector);
    PS_TRY_CLEANUP(ps_curves_write(tables, arm, &collector));
cleanup:
    ps_collect_clear(&collector);
    return status;
}

/* "lr=0.1 (reference: 0.05); width=2 (reference: 1)" */
static void write_settings(const ps_differences *settings, char *text, size_t size) {
    text[0] = '\0';
    for (size_t i = 0; i < settings->count; i++) {
        size_t used = strlen(text);
        const ps_difference *d = &settings->list[i];
        snprintf(text + used, size - used, "%s%.80s=%.200s (reference: %.200s)", i > 0 ? "; " : "", d->key, d->own,
                 d->other);
    }
}

static void write_arm(ps_tables *tables, const ps_arms *arms, int index) {
    const ps_arm *arm = &arms->arms[index];
    const ps_relation *relation = index > 0 ? ps_relation_of(arm, &arms->arms[0]) : NULL;
    int paired = 0, diverged = 0, unfinished = 0, nonfinite = 0;
    char settings[4096];
    for (int r = 0; r < arm->run_count; r++) {
        paired += arm->runs[r].paired;
        diverged += arm->runs[r].status == PS_RUN_DIVERGED;
        unfinished += arm->runs[r].status == PS_RUN_UNFINISHED;
        nonfinite += arm->runs[r].status == PS_RUN_NONFINITE;
    }
    if (relation != NULL) write_settings(&relation->settings, settings, sizeof settings);
    ps_outcome_counts outcome = ps_outcomes_count(arm);
    ps_tables_row(tables, PS_TABLE_arms, "siiiiiiiissssids", arm->name, index, (int)(index == 0), arm->run_count,
                  paired, diverged, (int)arm->has_module, unfinished, nonfinite,
                  relation != NULL ? ps_relation_way(relation) : NULL, relation != NULL ? relation->shares : NULL,
                  relation != NULL ? relation->differs : NULL, relation != NULL ? settings : NULL, outcome.collapsed,
                  outcome.upper, ps_arm_death(arm));
    for (int r = 0; r < arm->run_count; r++) {
        const ps_run_outcome *o = &arm->runs[r].outcome;
        ps_tables_row(tables, PS_TABLE_outcomes, "slssdii", arm->name, arm->runs[r].seed,
                      ps_run_status_name(arm->runs[r].status), ps_learned_word(o->learned), o->learned_p, (int)o->below,
                      (int)o->collapsed);
    }
}

/* ---- contrasts ---- */

static void write_contrast(ps_tables *tables, const ps_arms *arms, const ps_verdict_contrast *v) {
    const ps_contrast *c = &v->contrast;
    char list[32768] = "", left[8192] = "", value[32];
    for (int i = 0; i < c->n; i++) {
        size_t used = strlen(list);
        ps_tables_format_exact(value, c->difference[i]);
        snprintf(list + used, sizeof list - used, "%s%lld:%s%s", i > 0 ? ";" : "", c->seed[i], value,
                 c->diverged[i] ? "*" : "");
        ps_tables_row(tables, PS_TABLE_pairs, "sssldddisl", v->measure, v->arm->name, arms->arms[0].name, c->seed[i],
                      c->reference[i], c->arm[i], c->difference[i], (int)c->diverged[i], "", c->reference_seed[i]);
    }
    for (int i = 0; i < c->left_count; i++) {
        const ps_contrast_left_out *l = &c->left[i];
        size_t used = strlen(left);
        char reason[256];
        snprintf(reason, sizeof reason, "%s %.200s", l->reason, l->detail);
        snprintf(left + used, sizeof left - used, "%sseed %lld %s", i > 0 ? "; " : "", l->seed, reason);
        ps_tables_row(tables, PS_TABLE_pairs, "sssldddisl", v->measure, v->arm->name, arms->arms[0].name, l->seed,
                      l->reference, l->arm, ps_absent(), 0, reason, l->reference_seed);
    }
    bool any = c->n > 0;
    ps_tables_cells(tables, PS_TABLE_comparison, "ssssssiddddddddsd", v->measure, v->title, v->unit,
                    ps_better_name(v->better), v->arm->name, arms->arms[0].name, c->n, c->centre_reference,
                    c->centre_arm, c->centre, c->median, c->least, c->most,
                    c->bounds.given ? c->bounds.low : ps_absent(), c->bounds.given ? c->bounds.high : ps_absent(),
                    c->bounds.given ? "bounds95" : "none", c->bounds.given ? c->bounds.coverage : ps_absent());
    ps_tables_cells(tables, PS_TABLE_comparison, "iiddddissssd", c->wins, c->losses, any ? c->p : ps_absent(),
                    any ? c->p_less : ps_absent(), any ? c->p_greater : ps_absent(), any ? c->best_p : ps_absent(),
                    c->diverged_count, list, ps_contrast_centre_name(c), left,
                    ps_relation_way(ps_relation_of(v->arm, &arms->arms[0])), c->p_rank_sum);
    ps_tables_end_row(tables, PS_TABLE_comparison);
}

static ps_status contrast_arm(ps_tables *tables, const ps_arms *arms, const ps_arm *arm, ps_verdict_document *verdict) {
    int listed;
    const ps_run_measure *measures = ps_run_measures(&listed);
    for (int m = 0; m < listed + arms->task.measures; m++) {
        ps_run_measure of = m < listed ? measures[m] : ps_run_measure_of_task(arms, m - listed);
        PS_TRY(PS_GROW(&verdict->contrasts, &verdict->contrast_capacity, verdict->contrast_count + 1, "contrasts"));
        ps_verdict_contrast *v = &verdict->contrasts[verdict->contrast_count++];
        v->measure = of.name;
        v->title = of.title;
        v->unit = of.unit;
        v->better = of.better;
        v->arm = arm;
        PS_TRY(ps_contrast_of(&arms->arms[0], arm, v->measure, v->better, of.moment, &v->contrast));
        write_contrast(tables, arms, v);
    }
    return PS_OK;
}

/* A description, class by class: so many comparisons would need a correction, and none was asked for. */
static ps_status contrast_class(ps_tables *tables, const ps_arms *arms, const ps_arm *arm, int m, int k,
                                ps_contrast *c) {
    const ps_trace_measure *of = &arms->task.measure[m];
    const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(arms->class_names, k));
    ps_better better = of->higher_is_better ? PS_BETTER_HIGHER : PS_BETTER_LOWER;
    ps_class_measure measure;
    char number[16];
    snprintf(number, sizeof number, "%d", k);
    ps_summary_class_name(of, k, measure);
    PS_TRY(ps_contrast_of(&arms->arms[0], arm, measure, better, PS_AT_LAST_LOSS, c));
    if (c->n == 0) return PS_OK;
    ps_tables_row(tables, PS_TABLE_class_comparison, "sisssssidddddds", of->name, k, name != NULL ? name : number,
                  ps_trace_measure_is_share(of) ? "share" : of->unit, ps_better_name(better), arm->name,
                  arms->arms[0].name, c->n, c->centre_reference, c->centre_arm, c->centre, c->median, c->least, c->most,
                  ps_contrast_centre_name(c));
    return PS_OK;
}

static ps_status contrast_classes(ps_tables *tables, const ps_arms *arms, const ps_arm *arm) {
    ps_contrast *c;
    ps_status status = PS_OK;
    PS_TRY(PS_ALLOC(1, &c, "contrast"));
    for (int m = 0; m < arms->task.measures; m++)
        for (int k = 0; status == PS_OK && k < arms->classes; k++) status = contrast_class(tables, arms, arm, m, k, c);
    ps_free(c);
    return status;
}

static const char *direction_of(const ps_contrast *c) {
    return c->n == 0 ? NULL : c->median < 0 ? "less" : c->median > 0 ? "more" : "equal";
}

static ps_status compare_definitions(ps_tables *tables, const ps_arms *arms, const ps_arm *arm) {
    const char *primary = NULL;
    ps_contrast *c;
    ps_status status = PS_OK;
    PS_TRY(PS_ALLOC(1, &c, "contrast"));
    for (int d = 0; status == PS_OK && d < DEFINITIONS; d++) {
        status = ps_contrast_of(&arms->arms[0], arm, definitions[d].measure, PS_BETTER_LOWER, PS_OVER_TIME, c);
        if (status != PS_OK) break;
        const char *direction = direction_of(c);
        if (d == 0) primary = direction;
        bool known = direction != NULL && primary != NULL;
        ps_tables_row(tables, PS_TABLE_definitions, "sdsssidddddsd", definitions[d].definition,
                      definitions[d].threshold, definitions[d].measure, arm->name, arms->arms[0].name, c->n, c->centre,
                      c->least, c->most, c->n > 0 ? c->p : ps_absent(), c->n > 0 ? c->best_p : ps_absent(), direction,
                      known ? (double)(strcmp(direction, primary) == 0) : ps_absent());
    }
    ps_free(c);
    return status;
}

/* ---- checks, predictions, meta ---- */

static ps_status sum_checks(const ps_arms *arms, ps_verdict_document *verdict) {
    static const struct {
        const char *id, *statement;
    } checks[] = {
#define PS_CHECK(id, statement) {#id, statement},
#include "analysis/check_list.def"
#undef PS_CHECK
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        char name[64];
        PS_TRY(PS_GROW(&verdict->checks, &verdict->check_capacity, i + 1, "checks"));
        ps_verdict_check *check = &verdict->checks[i];
        verdict->check_count = i + 1;
        check->id = checks[i].id;
        check->statement = checks[i].statement;
        snprintf(name, sizeof name, "check_%s", check->id);
        for (int a = 0; a < arms->count; a++)
            for (int r = 0; r < arms->arms[a].run_count; r++) {
                const ps_arm_run *run = &arms->arms[a].runs[r];
                const ps_summary_item *item = ps_summary_find(&run->summary, name);
                if (item == NULL) continue;
                check->cases += item->cases;
                check->violations += item->value;
                if (item->value > 0 && check->first[0] == '\0')
                    snprintf(check->first, sizeof check->first, "%s:%llu", run->path,
                             (unsigned long long)item->first_line);
            }
        verdict->faulty |= check->violations > 0;
    }
    return PS_OK;
}

static void write_part(ps_tables *tables, const ps_prediction_result *result, int part) {
    const ps_prediction *p = result->prediction;
    const ps_prediction_part *of = &p->parts[part];
    const ps_prediction_part_result *r = &result->parts[part];
    const char *arm = r->arm != NULL ? r->arm->name : NULL, *against = r->against != NULL ? r->against->name : NULL;
    char place[24], words[PS_PART_WORDS];
    ps_prediction_part_words(result, part, words);
    ps_tables_cells(tables, PS_TABLE_predictions, "siissssssss", p->id, part + 1, p->part_count, p->title, p->claim_of,
                    ps_question_place(result->order, place), ps_verdict_name(result->verdict), words, arm, against,
                    of->statistic);
    ps_tables_cells(tables, PS_TABLE_predictions, "iiiiidddddddd", r->sign.n, r->sign.beyond, r->sign.against,
                    r->sign.ties, r->sign.neither, r->median, r->bounds.low, r->bounds.high, r->bounds.coverage,
                    r->mean, r->sd, r->pooled, of->margin);
    ps_tables_cells(tables, PS_TABLE_predictions, "ssddiss", p->greater ? "greater" : "less",
                    ps_prediction_unit_name(of->unit), r->sign.p, r->sign.p_against, r->look, p->needs,
                    result->sentence);
    ps_tables_end_row(tables, PS_TABLE_predictions);
    for (int i = 0; result->verdict != PS_VERDICT_NOT_TESTABLE && i < r->n; i++) {
        const ps_prediction_value *v = &r->values[i];
        ps_tables_row(tables, PS_TABLE_prediction_seeds, "sissldidsdddd", p->id, part + 1, arm, against, v->seed,
                      v->value, (int)v->diverged, v->cases, v->no_event ? "no event: says nothing for either side" : "",
                      v->observed, v->expected, v->events_arm, v->events_against);
    }
}

static void write_sensitivity(ps_tables *tables, const ps_sensitivity *s) {
    for (int v = 0; v < s->count; v++) {
        const ps_sensitivity_row *row = &s->rows[v];
        ps_tables_row(tables, PS_TABLE_sensitivity, "ssssddddsds", s->prediction->id, row->variation->id,
                      ps_variation_kind_name(row->variation->kind), ps_sensitivity_verdict_name(row),
                      row->affected ? (double)row->n : ps_absent(), row->estimate, row->low, row->high,
                      ps_sensitivity_verdict_name(&s->primary), ps_sensitivity_same(s, row), row->note);
    }
}

/* What the causes of nodes.tsv mean, for whoever reads the tables alone. */
static void write_cause_texts(ps_tables *tables) {
    for (int i = PS_CAUSE_NONE + 1; i < PS_CAUSE_COUNT; i++) {
        ps_cause cause = (ps_cause)i;
        ps_tables_row(tables, PS_TABLE_cause_texts, "ssss", ps_cause_name(cause), ps_cause_nodes(cause),
                      ps_cause_rule(cause), ps_cause_remedy(cause));
    }
}

/* Whether some run has a number of it of some class. */
static bool is_of_classes(const ps_arms *arms, const ps_trace_measure *measure) {
    ps_class_measure name;
    for (int k = 0; k < arms->classes; k++) {
        ps_summary_class_name(measure, k, name);
        for (int a = 0; a < arms->count; a++)
            for (int r = 0; r < arms->arms[a].run_count; r++)
                if (!ps_is_absent(ps_summary_get(&arms->arms[a].runs[r].summary, name))) return true;
    }
    return false;
}

/* What the numbers of classes.tsv are in. */
static void write_class_units(ps_tables *tables, const ps_arms *arms) {
    for (int m = 0; m < arms->task.measures; m++) {
        const ps_trace_measure *measure = &arms->task.measure[m];
        char key[16 + PS_TRACE_TASK_TEXT];
        if (!is_of_classes(arms, measure)) continue;
        snprintf(key, sizeof key, "class_unit.%s", measure->name);
        ps_tables_row(tables, PS_TABLE_meta, "ss", key, ps_trace_measure_is_share(measure) ? "share" : measure->unit);
        snprintf(key, sizeof key, "class_better.%s", measure->name);
        ps_tables_row(tables, PS_TABLE_meta, "ss", key, measure->higher_is_better ? "higher" : "lower");
    }
}

static void write_meta(ps_tables *tables, const ps_arms *arms, const char *question, const char *traces_from) {
    char list[2048] = "", names[2048] = "";
    for (int r = 0; r < arms->arms[0].run_count; r++) {
        size_t used = strlen(list);
        if (arms->arms[0].runs[r].paired)
            snprintf(list + used, sizeof list - used, "%s%lld", used > 0 ? "," : "", arms->arms[0].runs[r].seed);
    }
    for (int a = 0; a < arms->count; a++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used > 0 ? "," : "", arms->arms[a].name);
    }
    char inert[128];
    snprintf(inert, sizeof inert,
             "gradient-driven path length below %g of the norm of the weights at the window's start", PS_FIXED_INERT);
    const char *const rows[][2] = {
        {"version", "2"},
        {"question", question != NULL ? question : ""},
        {"reference", arms->arms[0].name},
        {"arms", names},
        {"paired_seeds", list},
        {"unpaired", arms->unpaired},
        {"pairing_verified", arms->unverified
                                 ? "no: the traces' pairing objects are empty, pairs rest on the seed alone, "
                                   "and no prediction about two arms is judged"
                                 : "yes"},
        {"dead", "no gate output differs from 0 on the probe set, batch mode"},
        {"near_dead", "at least 99 % of the gate outputs on the probe set are 0, but not all"},
        {"edge",
         "the largest value that enters the gate is above 0 by one rounding and not by another "
         "(pre_max_low <= 0 < pre_max_high): neither dead nor alive"},
        {"inert", inert},
        {"thin_loss", "loss.tsv: means over equal stretches of steps, at most 500 rows a run"},
        {"thin_inertia", "inertia.tsv: every k-th node-window of a run, k = 1 + (node-windows - 1) / 20000"},
        {"lifeline_probes", "nodes.tsv: every k-th probe, k = 1 + (probes - 1) / 120"},
        {"registration", arms->registered ? arms->registration.digest : "none"},
        {"traces_from", traces_from},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ps_tables_row(tables, PS_TABLE_meta, "ss", rows[i][0], rows[i][1]);
    const ps_trace_measure *first = &arms->task.measure[0];
    if (!ps_trace_measure_is_share(first))
        ps_tables_row(tables, PS_TABLE_meta, "ss", "measure_unit", first->unit[0] != '\0' ? first->unit : "none");
    write_class_units(tables, arms);
    double chance_loss = ps_summary_get(&arms->arms[0].runs[0].summary, "chance_loss");
    if (!ps_is_absent(chance_loss)) ps_tables_row(tables, PS_TABLE_meta, "sd", "chance_loss", chance_loss);
    if (!isnan(first->chance)) ps_tables_row(tables, PS_TABLE_meta, "sd", "chance_measure", first->chance);
}

/* A probe of n images without an active one bounds the share of active images to 1 - 0.05^(1/n), about 3 / n. */
static ps_status say_probe_size(const ps_arms *arms, ps_verdict_document *verdict) {
    double images = ps_summary_get(&arms->arms[0].runs[0].summary, "probe_images");
    if (!(images > 0)) return PS_OK;
    return ps_verdict_add_sentence(
        verdict,
        "Dead means silent on the probe set of %.0f images: with 95 %% confidence a dead node is active on fewer "
        "than %.2g %% of all images.",
        images, 100 * (1 - pow(0.05, 1 / images)));
}

/* What death can be in an arm's layers; of rectifiers nothing is said. What an activation without zeros of its own
 * rounds to 0 is no dead node. */
static ps_status say_deaths(const char *arm, const ps_arm_run *run, const int *count, const int *first,
                            ps_verdict_document *verdict) {
    if (count[PS_DEATH_NEVER] > 0)
        PS_TRY(ps_verdict_add_sentence(
            verdict,
            "In %d of %d layers of arm %s (%.100s first: %.60s) no node can be exactly dead: "
            "the activation lets gradient through on both sides. What can be said of nodes "
            "is whether they are saturated, constant or dormant.",
            count[PS_DEATH_NEVER], run->layer_count, arm, run->layers[first[PS_DEATH_NEVER]].name,
            run->layers[first[PS_DEATH_NEVER]].activation));
    if (count[PS_DEATH_CEILING] > 0)
        PS_TRY(
            ps_verdict_add_sentence(verdict,
                                    "In %d of %d layers of arm %s a node is dead where every output is 0, and stuck, "
                                    "with no gradient either, where every one is at the activation's ceiling; counts "
                                    "of dead nodes have the first kind alone.",
                                    count[PS_DEATH_CEILING], run->layer_count, arm));
    if (count[PS_DEATH_UNKNOWN] == 0) return PS_OK;
    return ps_verdict_add_sentence(
        verdict,
        "In %d of %d layers of arm %s (%.100s first: %.60s) outputs of exactly 0 do not tell "
        "a dead node; who is dead there is not known, and no count of dead nodes has them.",
        count[PS_DEATH_UNKNOWN], run->layer_count, arm, run->layers[first[PS_DEATH_UNKNOWN]].name,
        run->layers[first[PS_DEATH_UNKNOWN]].activation);
}

static ps_status say_other_activations(const ps_arms *arms, ps_verdict_document *verdict) {
    for (int a = 0; a < arms->count; a++) {
        const ps_arm_run *run = &arms->arms[a].runs[0];
        int count[PS_DEATH_NEVER + 1] = {0}, first[PS_DEATH_NEVER + 1] = {0};
        for (int l = 0; l < run->layer_count; l++) {
            ps_trace_death death = run->layers[l].death;
            if (run->layers[l].heads) continue;
            if (count[death]++ == 0) first[death] = l;
        }
        PS_TRY(say_deaths(arms->arms[a].name, run, count, first, verdict));
    }
    return PS_OK;
}

/* A module that does not start at zero changes the function before the first step, and with it who is dead. */
static ps_status say_changed_starts(const ps_arms *arms, ps_verdict_document *verdict) {
    for (int a = 1; a < arms->count; a++) {
        int changed = 0, pairs = 0;
        for (int r = 0; r < arms->arms[a].run_count; r++) {
            const ps_arm_run *run = &arms->arms[a].runs[r];
            const ps_relation_pair *pair = ps_relation_pair_of(&arms->arms[a], run, &arms->arms[0]);
            if (pair->partner == NULL || pair->differs[0] != '\0') continue;
            pairs++;
            changed += !ps_summary_same_start(&pair->partner->summary, &run->summary);
        }
        if (changed > 0)
            PS_TRY(ps_verdict_add_sentence(
                verdict,
                "In %d of %d pairs arm %s starts with other nodes dead than %s: its modules change the function "
                "before the first step, so differences in deadness are not those of training alone.",
                changed, pairs, arms->arms[a].name, arms->arms[0].name));
    }
    return PS_OK;
}

/* A count, mean over the seeds, to be read: "12", "0.3"; what rounds to nothing there with a digit of its own. */
static const char *mean_count(double sum, int seeds, char text[32]) {
    double mean = sum / seeds;
    if (mean != floor(mean) && mean < 0.05) return ps_text_number(mean, 1, text);
    return ps_text_decimal(mean, mean == floor(mean) ? 0 : 1, text);
}

/* "12 of 240 nodes of baseline (0.42 % of them at a probe)", means over the arm's seeds; false where none of its runs
 * says. */
static bool describe_edge(const ps_arm *arm, char *text, size_t size) {
    double nodes = 0, all = 0, share = 0;
    char mean[32], total[32];
    int known = 0;
    for (int r = 0; r < arm->run_count; r++) {
        const ps_summary_item *item = ps_summary_find(&arm->runs[r].summary, "edge_nodes");
        if (item == NULL || ps_is_absent(item->value)) continue;
        nodes += item->value;
        all += item->cases;
        share += ps_summary_get(&arm->runs[r].summary, "edge_mean");
        known++;
    }
    if (known > 0)
        snprintf(text, size, "%s of %s nodes of %.200s (%.2g %% of them at a probe)", mean_count(nodes, known, mean),
                 mean_count(all, known, total), arm->name, 100 * share / known);
    return known > 0;
}

/* How many nodes stood on the edge, in each arm that tells. */
static ps_status say_edge(const ps_arms *arms, ps_verdict_document *verdict) {
    char known[2400] = "", unknown[1200] = "", text[320];
    for (int a = 0; a < arms->count; a++) {
        bool told = describe_edge(&arms->arms[a], text, sizeof text);
        char *list = told ? known : unknown;
        size_t used = strlen(list), size = told ? sizeof known : sizeof unknown;
        snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", told ? text : arms->arms[a].name);
    }
    if (known[0] != '\0')
        PS_TRY(ps_verdict_add_sentence(
            verdict,
            "On the edge, where rounding decides whether a gate ever opens, stood at one "
            "probe at least, on average over the seeds: %s. There they count as neither dead nor "
            "alive.",
            known));
    if (unknown[0] == '\0') return PS_OK;
    return ps_verdict_add_sentence(verdict,
                                   "Which nodes stand on the edge, where rounding decides whether a gate ever opens, "
                                   "is not known of %s: the traces do not hold pre_max_low and pre_max_high, so that "
                                   "deaths and revivals there may be those of rounding.",
                                   unknown);
}

static ps_status say_status(const ps_trace_task *task, const ps_arm *arm, const ps_arm_run *run,
                            ps_verdict_document *verdict) {
    char planned[32] = "", title[PS_TRACE_TASK_TEXT];
    if (run->status == PS_RUN_DIVERGED)
        return ps_verdict_add_sentence(verdict,
                                       "Seed %lld of arm %s diverged; contrasts rank it worst, and what is said of its "
                                       "arm alone counts it up to its last finite probe.",
                                       run->seed, arm->name);
    if (run->status == PS_RUN_NONFINITE)
        return ps_verdict_add_sentence(
            verdict,
            "Seed %lld of arm %s came to its end, but at its last probing values are not finite or not there: what was "
            "probed at the end or goes over all probings does not exist for it (NA), and it is left out of such "
            "differences and predictions; its loss and %s stand.",
            run->seed, arm->name, ps_trace_measure_title(&task->measure[0], title));
    if (run->planned > 0) snprintf(planned, sizeof planned, " of %lld", run->planned);
    return ps_verdict_add_sentence(verdict,
                                   "Seed %lld of arm %s stopped after %lld%s steps (%s): what belongs to the end of a "
                                   "run or goes over all of it does not exist for it (NA), and it is left out of such "
                                   "differences and of every prediction; curves show it up to its last step.",
                                   run->seed, arm->name, run->steps, planned,
                                   run->has_end ? "its end comes early" : "its trace has no end");
}

/* "lr (0.01 instead of 0.05), batch (128 instead of 64)": where there is room for them at all, both values of each. */
static void list_differences(const ps_differences *all, char *text, size_t size) {
    text[0] = '\0';
    for (size_t i = 0; i < all->count; i++) {
        size_t used = strlen(text);
        const ps_difference *d = &all->list[i];
        char own[120], other[120];
        ps_text_difference(d->own, d->other, own, sizeof own);
        ps_text_difference(d->other, d->own, other, sizeof other);
        if (ps_key_is_digest(d->key) || strlen(d->own) >= sizeof own || strlen(d->other) >= sizeof other)
            snprintf(text + used, size - used, "%s%.80s", i > 0 ? ", " : "", d->key);
        else snprintf(text + used, size - used, "%s%.80s (%s instead of %s)", i > 0 ? ", " : "", d->key, own, other);
    }
}

/* What an arm shares with the reference and what it does not, where that is more than the arm. What the configurations
 * say reads better than the keys that follow from them. */
static ps_status say_relations(const ps_arms *arms, ps_verdict_document *verdict) {
    for (int a = 1; a < arms->count; a++) {
        const ps_relation *relation = ps_relation_of(&arms->arms[a], &arms->arms[0]);
        bool configured = relation->settings.count > 0;
        char list[1600];
        if (relation->differs[0] == '\0') continue;
        list_differences(configured ? &relation->settings : &relation->keys, list, sizeof list);
        PS_TRY(ps_verdict_add_sentence(
            verdict, "Arms %s and %s differ in more than the arm: in %s%s%s. They share %s. %s", arms->arms[a].name,
            arms->arms[0].name, configured ? relation->differs : list, configured ? "; by their settings in " : "",
            configured ? list : "", relation->shares[0] != '\0' ? relation->shares : "nothing that the traces name",
            relation->by_index
                ? "No seed has the same backbone in both, so runs stand side by side by index, the places "
                  "of their seeds in rising order. No prediction that needs pairs is judged."
                : "Runs stand side by side by seed. No prediction that needs pairs is judged."));
    }
    return PS_OK;
}

/* Rows of layers that have no counterpart; returns how many. */
static int write_unmatched(ps_tables *tables, const ps_arm *arm, const ps_arm_run *run, const ps_arm *against,
                           const ps_arm_run *other) {
    int count = 0;
    for (int l = 0; l < run->layer_count; l++) {
        const char *fault = ps_arms_layer_fault(run, l, other);
        if (fault == NULL) continue;
        ps_tables_row(tables, PS_TABLE_unmatched_layers, "slslsiis", arm->name, run->seed, against->name, other->seed,
                      run->layers[l].name, l, run->layers[l].channels, fault);
        count++;
    }
    return count;
}

/* Layers of the first pair of each arm that do not correspond: a renamed one would else be missing without a word. */
static ps_status say_layers(ps_tables *tables, const ps_arms *arms, ps_verdict_document *verdict) {
    for (int a = 1; a < arms->count; a++) {
        const ps_arm *arm = &arms->arms[a], *against = &arms->arms[0];
        char own[400], other[400];
        int r = 0;
        while (r < arm->run_count && ps_relation_partner(arm, &arm->runs[r], against) == NULL) r++;
        if (r == arm->run_count) continue;
        const ps_arm_run *run = &arm->runs[r], *partner = ps_relation_partner(arm, run, against);
        if (ps_arms_same_layers(run, partner)) continue;
        const char *lacks = NULL;
        for (int l = 0; l < run->layer_count && lacks == NULL; l++) lacks = ps_arms_layer_fault(run, l, partner);
        bool renamed = lacks != NULL && strcmp(lacks, PS_ARMS_NO_NAMESAKE) == 0;
        int count = write_unmatched(tables, arm, run, against, partner);
        write_unmatched(tables, against, partner, arm, run);
        PS_TRY(ps_arms_name_layers(run, partner, own, other, sizeof own));
        PS_TRY(ps_verdict_add_sentence(
            verdict,
            "%d of the %d layers of %.60s have no counterpart in %.60s (unmatched_layers.tsv has all): %.160s, against "
            "%.160s. Runs are compared as a whole, nodes are not.%s",
            count, run->layer_count, arm->name, against->name, own, other,
            renamed
                ? " Where a module only moved the names of what follows it (nn.Sequential), tell the recorder those "
                  "of the network without it."
                : ""));
    }
    return PS_OK;
}

/* How arms were recorded, where their headers say more than that every step was. */
static ps_status say_recording(const ps_arms *arms, ps_verdict_document *verdict) {
    for (int a = 0; a < arms->count; a++) {
        const ps_arm_run *run = &arms->arms[a].runs[0];
        if (run->recording[0] != '\0')
            PS_TRY(ps_verdict_add_sentence(verdict, "Arm %.100s was recorded %.400s.", arms->arms[a].name,
                                           run->recording));
        if (run->untold[0] != '\0')
            PS_TRY(ps_verdict_add_sentence(verdict,
                                           "Of arm %.100s these are not judged, as they do not hold for all its "
                                           "optimisers, or the header does not "
                                           "name these: %.350s.",
                                           arms->arms[a].name, run->untold));
    }
    return PS_OK;
}

static ps_status say_sweeps(const ps_arms *arms, ps_verdict_document *verdict) {
    ps_sweep sweep;
    for (int number = 0; ps_sweep_find(arms, number, &sweep); number++) {
        char names[1200] = "", low[32], high[32];
        for (int i = 0; i < sweep.count; i++) {
            size_t used = strlen(names);
            snprintf(names + used, sizeof names - used, "%s%.200s", i > 0 ? ", " : "", sweep.arm[i]->name);
        }
        PS_TRY(ps_verdict_add_sentence(
            verdict, "Arms %s differ in %.80s alone, from %s to %s: dead share and %s against it stand in sweep.tsv.",
            names, sweep.factor, ps_text_number(sweep.low, 6, low), ps_text_number(sweep.high, 6, high),
            arms->measure[0].title));
    }
    return PS_OK;
}

static ps_status say_pairs(const ps_arms *arms, ps_verdict_document *verdict) {
    if (arms->unpaired[0] != '\0')
        PS_TRY(ps_verdict_add_sentence(verdict, "Without a partner, and left out of paired statistics: %.800s.",
                                       arms->unpaired));
    if (arms->unverified)
        PS_TRY(ps_verdict_add_sentence(
            verdict,
            "The traces' pairing objects are empty: differences pair runs by the seed alone, and no "
            "prediction about two arms is judged."));
    for (int a = 0; a < arms->count; a++)
        for (int r = 0; r < arms->arms[a].run_count; r++) {
            const ps_arm_run *run = &arms->arms[a].runs[r];
            if (run->status != PS_RUN_FINISHED) PS_TRY(say_status(&arms->task, &arms->arms[a], run, verdict));
        }
    return PS_OK;
}

/* So that no arm is compared in silence when one of its runs is ill. */
static ps_status say_ill(const ps_arms *arms, ps_verdict_document *verdict) {
    char list[1024] = "";
    for (int a = 0; a < arms->count && strlen(list) + 100 < sizeof list; a++) {
        const ps_arm *arm = &arms->arms[a];
        int ill = 0;
        for (int r = 0; r < arm->run_count; r++) ill += ps_summary_get(&arm->runs[r].summary, "findings_serious") > 0;
        size_t used = strlen(list);
        if (ill > 0)
            snprintf(list + used, sizeof list - used, "%s%.64s (%d of %d)", used > 0 ? ", " : "", arm->name, ill,
                     arm->run_count);
    }
    if (list[0] == '\0') return PS_OK;
    return ps_verdict_add_sentence(verdict, "Ill runs (serious or critical findings; findings.tsv): %s.", list);
}

/* An instrument check that failed comes before every answer. */
static ps_status say_faulty(const ps_arms *arms, ps_verdict_document *verdict) {
    if (!verdict->faulty) return PS_OK;
    PS_TRY(ps_verdict_add_sentence(
        verdict, "An instrument check did not hold: the traces contradict themselves, so no prediction counts."));
    for (int a = 0; a < arms->count; a++)
        for (int r = 0; r < arms->arms[a].run_count; r++) {
            const ps_arm_run *run = &arms->arms[a].runs[r];
            const ps_summary_item *item = ps_summary_find(&run->summary, "unnamed_module");
            if (item == NULL) continue;
            return ps_verdict_add_sentence(
                verdict,
                "Arm %.100s has modules, but its header says \"%s\": null of layer %.100s, where a gradient comes "
                "through "
                "a shut gate (%.200s:%llu): where a module stands between what feeds the gate and the gate, name it "
                "there.",
                arms->arms[a].name, PS_KEY(LAYER, pool_skip), run->layers[(int)item->cases].name, run->path,
                (unsigned long long)item->first_line);
        }
    return PS_OK;
}

static ps_status conclude(ps_tables *tables, ps_arms *arms, const ps_compare_options *options,
                          ps_verdict_document *verdict) {
    const ps_registration *registration = options->registration;
    const char *question = options->question;
    ps_outcomes_judge(arms, registration != NULL ? registration : arms->registered ? &arms->registration : NULL);
    write_meta(tables, arms, question, verdict->traces_from);
    write_cause_texts(tables);
    for (int a = 0; a < arms->count; a++) write_arm(tables, arms, a);
    for (int a = 1; a < arms->count; a++) {
        PS_TRY(contrast_arm(tables, arms, &arms->arms[a], verdict));
        PS_TRY(contrast_classes(tables, arms, &arms->arms[a]));
        PS_TRY(compare_definitions(tables, arms, &arms->arms[a]));
    }
    PS_TRY(ps_sweeps_write(tables, arms));
    PS_TRY(sum_checks(arms, verdict));
    PS_TRY(ps_questions_of(arms, registration, &verdict->questions));
    const ps_questions *questions = &verdict->questions;
    PS_TRY(ps_predictions_judge(arms, questions, verdict->faulty, verdict->predictions));
    PS_TRY(PS_ALLOC((size_t)questions->count, &verdict->sensitivity, "sensitivity of predictions"));
    PS_TRY(ps_sensitivity_judge(arms, questions, verdict->faulty, verdict->predictions, verdict->sensitivity));
    for (int i = 0; i < questions->count; i++)
        for (int p = 0; p < questions->prediction[i]->part_count; p++) write_part(tables, &verdict->predictions[i], p);
    PS_TRY(ps_predictions_write_terms(questions, verdict->predictions, tables));
    for (int i = 0; i < questions->count; i++) write_sensitivity(tables, &verdict->sensitivity[i]);
    PS_TRY(say_faulty(arms, verdict));
    PS_TRY(ps_answer_say(verdict));
    PS_TRY(say_ill(arms, verdict));
    verdict->answer_count = verdict->sentence_count;
    if (options->settled != NULL) *options->settled = verdict->settled;
    PS_TRY(say_relations(arms, verdict));
    PS_TRY(say_layers(tables, arms, verdict));
    PS_TRY(say_recording(arms, verdict));
    PS_TRY(say_sweeps(arms, verdict));
    PS_TRY(say_changed_starts(arms, verdict));
    PS_TRY(say_probe_size(arms, verdict));
    PS_TRY(say_edge(arms, verdict));
    PS_TRY(say_other_activations(arms, verdict));
    return say_pairs(arms, verdict);
}

static ps_status compare(ps_arms *arms, const ps_compare_options *options) {
    ps_status status = PS_OK;
    FILE *document;
    ps_file_set *set = NULL;
    ps_tables *tables = NULL;
    ps_verdict_document *verdict = NULL;
    PS_TRY_CLEANUP(PS_ALLOC(1, &verdict, "verdict"));
    verdict->arms = arms;
    PS_TRY_CLEANUP(ps_file_set_begin(options->out_directory, PS_COMPARE_SET, PS_COMPARE_REMEDY, &set));
    PS_TRY_CLEANUP(ps_tables_open(set, &arms->task, &tables));
    PS_TRY_CLEANUP(ps_file_set_add(set, "verdict.json", &document));
    PS_TRY_CLEANUP(ps_file_way(options->out_directory, ".", &verdict->traces_from));
    for (int a = 0; a < arms->count; a++) PS_TRY_CLEANUP(read_arm(tables, &arms->arms[a]));
    PS_TRY_CLEANUP(ps_relations_check_recorded(arms));
    PS_TRY_CLEANUP(conclude(tables, arms, options, verdict));
    PS_TRY_CLEANUP(ps_tables_check(tables));
    ps_verdict_write(verdict, document);
    if (options->gather != NULL) PS_TRY_CLEANUP(options->gather(options->gather_self, set));
    PS_TRY_CLEANUP(ps_file_set_remove_others(set));
    status = ps_file_set_commit(set);
    set = NULL;
    if (status != PS_OK) goto cleanup;
    if (!options->quiet) PS_TRY_CLEANUP(ps_verdict_print(verdict, stdout));
    if (verdict->faulty)
        status =
            ps_fail(PS_ERR_CHECK, "an instrument check did not hold; %s/verdict.json says which, where and how often",
                    options->out_directory);
cleanup:
    ps_file_set_discard(set);
    if (verdict != NULL) ps_verdict_clear(verdict);
    ps_free(verdict);
    ps_tables_close(tables);
    return status;
}

ps_status ps_compare_run(const ps_compare_arm *given, int arm_count, const ps_compare_options *options) {
    ps_arms arms;
    ps_status status = ps_arms_load(given, arm_count, &arms);
    if (status == PS_OK) status = ps_relations_find(&arms);
    if (status == PS_OK) status = compare(&arms, options);
    ps_relations_clear(&arms);
    ps_arms_clear(&arms);
    return status;
}
