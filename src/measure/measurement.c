#include "measure/measurement.h"

#include <stdlib.h>
#include <string.h>

#include "run/directory.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/table.h"

#define PS_MEASUREMENT(name) &ps_measurement_##name,
const ps_measurement *const ps_measurements[] = {
#include "measure/measurement_list.def"
    NULL};
#undef PS_MEASUREMENT

enum { DIGEST = 17 };
static const char set_name[] = "measurements", remedy[] = "measure again, or remove what is measured there";
static const char record_name[] = "measurements", checkpoint_name[] = "checkpoint.safetensors";
static const char record_columns[] = "measurement\tcheckpoint\tstep\toptions\tmeasured\twhy";

/* ---- the record of what was measured: tables/measurements.tsv ---- */

/* "probes=2 steps=40": the values of all options of its own, given or not. */
static ps_status describe_options(const ps_measurement *what, char **text) {
    size_t size;
    FILE *stream = open_memstream(text, &size);
    if (stream == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the options of %s", what->name);
    for (const ps_option *o = what->options; o->name != NULL; o++) {
        fprintf(stream, "%s%s=", o == what->options ? "" : " ", o->name);
        if (o->kind == PS_OPTION_INT) fprintf(stream, "%d", *(const int *)o->target);
        else if (o->kind == PS_OPTION_NUMBER) fprintf(stream, "%.15g", *(const double *)o->target);
        else if (o->kind == PS_OPTION_FLAG) fputs(*(const bool *)o->target ? "yes" : "no", stream);
        else fputs(*(const char *const *)o->target, stream);
    }
    return ps_memory_stream_close(stream, text, "the options of a measurement");
}

static const char *cell(const ps_table *record, int row, const char *column) {
    return ps_table_text(record, row, ps_table_column(record, column));
}

static int find_row(const ps_table *record, const ps_measurement *what) {
    return ps_table_find(record, 0, ps_table_column(record, "measurement"), what->name);
}

/* A sentence as a cell of a table. */
static void print_cell(FILE *stream, const char *text) {
    for (; *text != '\0'; text++) fputc(*text == '\t' || *text == '\n' ? ' ' : *text, stream);
}

/* The record with the measurement's line replaced or added. why: it was not measured; NULL: it was. */
static ps_status write_record(const ps_measure *m, const ps_measurement *what, const char *digest, const char *options,
                              const char *why) {
    char *folder = NULL;
    ps_table old = {0};
    FILE *stream;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_file_join(m->out, "tables", &folder));
    if (!m->anew) PS_TRY_CLEANUP(ps_table_read_named(folder, record_name, &old));
    PS_TRY_CLEANUP(ps_measure_table(m, record_name, record_columns, &stream));
    for (int row = 0; row < old.rows; row++)
        if (strcmp(cell(&old, row, "measurement"), what->name) != 0)
            fprintf(stream, "%s\t%s\t%s\t%s\t%s\t%s\n", cell(&old, row, "measurement"), cell(&old, row, "checkpoint"),
                    cell(&old, row, "step"), cell(&old, row, "options"), cell(&old, row, "measured"),
                    cell(&old, row, "why"));
    fprintf(stream, "%s\t%s\t", what->name, digest);
    if (m->checkpoint->weights_only) fprintf(stream, "NA");
    else fprintf(stream, "%llu", (unsigned long long)m->checkpoint->step);
    fprintf(stream, "\t%s\t%d\t", options, why == NULL);
    print_cell(stream, why != NULL ? why : "NA");
    fputc('\n', stream);
cleanup:
    ps_table_clear(&old);
    free(folder);
    return status;
}

static ps_status record(const ps_measure *m, const ps_measurement *what, const char *checkpoint, const char *why) {
    char digest[DIGEST], *options = NULL;
    PS_TRY(describe_options(what, &options));
    ps_status status = ps_checkpoint_digest(checkpoint, digest);
    if (status == PS_OK) status = write_record(m, what, digest, options, why);
    free(options);
    return status;
}

/* ---- one measurement ---- */

/* Tables that do not belong together do not stay beside new ones: their record may be that of others. */
static ps_status begin_set(ps_measure *m) {
    PS_TRY(ps_file_set_begin(m->out, set_name, remedy, &m->set));
    ps_status status = ps_file_set_check(m->out, set_name, remedy, NULL);
    m->anew = status == PS_ERR_INPUT;
    return m->anew ? PS_OK : status;
}

static ps_status end_set(ps_measure *m, ps_status status) {
    ps_file_set *set = m->set;
    m->set = NULL;
    if (status == PS_OK) status = m->anew ? ps_file_set_remove_others(set) : ps_file_set_keep_others(set);
    if (status == PS_OK) return ps_file_set_commit(set);
    ps_file_set_discard(set);
    return status;
}

/* Measurements compare numbers, and a comparison with NaN is false: none is made of such a network. */
static ps_status measure_checkpoint(ps_measure *m, const ps_measurement *what, const char *path) {
    char sentence[1024] = ""; /* of the check that did not hold */
    PS_TRY(ps_net_check_finite(m->checkpoint->session.net, PS_ERR_INPUT, path));
    if (m->out == NULL) return what->measure(m);
    ps_status status = begin_set(m);
    if (status == PS_OK) status = what->measure(m);
    bool held = status != PS_ERR_CHECK;
    if (!held) snprintf(sentence, sizeof sentence, "%s", ps_status_message());
    if (status == PS_OK || !held) status = record(m, what, path, NULL);
    PS_TRY(end_set(m, status));
    return held ? PS_OK : ps_fail(PS_ERR_CHECK, "%s", sentence);
}

/* That there was nothing to measure, and why. */
static ps_status record_lack(ps_measure *m, const ps_measurement *what, const char *path, const char *why) {
    ps_status status = begin_set(m);
    return end_set(m, status == PS_OK ? record(m, what, path, why) : status);
}

/* sentence: what is lacking; copied, for it may be the message of a failure. */
static bool lacks_something(const ps_measurement *what, const ps_checkpoint_session *session, char *sentence,
                            size_t size) {
    const char *lack = what->lacks != NULL ? what->lacks(session) : NULL;
    if (lack != NULL) snprintf(sentence, size, "%s", lack);
    return lack != NULL;
}

ps_status ps_measurement_run(ps_measure *m, const ps_measurement *what, const char *path) {
    char lack[1024] = "";
    if (lacks_something(what, m->checkpoint, lack, sizeof lack)) return ps_fail(PS_ERR_USAGE, "%s", lack);
    return measure_checkpoint(m, what, path);
}

static ps_status table_member(const char *name, char **member) {
    return ps_string_format(member, "tables/%s.tsv", name);
}

ps_status ps_measure_table(const ps_measure *measure, const char *name, const char *columns, FILE **stream) {
    char *member = NULL;
    PS_TRY(table_member(name, &member));
    ps_status status = ps_file_set_add(measure->set, member, stream);
    if (status == PS_OK) fprintf(*stream, "%s\n", columns);
    free(member);
    return status;
}

typedef struct {
    const ps_units *units;
    ps_gate_function *function;
    void *self;
} gate_hook;

static void after_node(void *self, int node, ps_shape shape, const float *y) {
    const gate_hook *hook = self;
    for (int u = 0; u < hook->units->count; u++)
        if (hook->units->unit[u].gate_op == node && !hook->units->unit[u].heads)
            hook->function(hook->self, u, shape, y);
}

ps_status ps_measure_gates(const ps_measure *measure, ps_mode mode, ps_gate_function *function, void *self) {
    ps_session *s = &measure->checkpoint->session;
    if (mode != PS_MODE_EVAL) PS_TRY(ps_net_check_statistics(s->net));
    gate_hook gates = {ps_net_units(s->net), function, self};
    ps_net_hook hook = {&gates, after_node};
    for (int b = 0; b < s->probe_batches; b++) {
        PS_TRY(ps_loader_plain_batch(s->loader, PS_SPLIT_PROBE, b, s->x, s->label, NULL, s->threads));
        ps_net_forward(s->net, s->x, mode, (ps_rng_key){{0, 0}}, &hook);
    }
    return PS_OK;
}

/* ---- the plan of an experiment ---- */

static ps_status find_measurement(const char *name, const char *where, const ps_measurement **found) {
    char known[256] = "";
    for (int i = 0; ps_measurements[i] != NULL; i++) {
        *found = ps_measurements[i];
        if (name != NULL && strcmp((*found)->name, name) == 0) return PS_OK;
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i > 0 ? ", " : "", (*found)->name);
    }
    return ps_fail(PS_ERR_INPUT, "%s: \"measure\" does not know \"%s\"; it knows %s", where, name != NULL ? name : "?",
                   known);
}

/* As it stands on a command line behind '='; NULL for a flag that is set. */
static ps_status format_value(const cJSON *item, const char *where, char **value) {
    *value = NULL;
    if (cJSON_IsTrue(item)) return PS_OK;
    if (cJSON_IsString(item)) return ps_string_copy(item->valuestring, value);
    if (cJSON_IsNumber(item)) return ps_string_format(value, "%.15g", item->valuedouble);
    return ps_fail(PS_ERR_INPUT, "%s: option \"%s\" of a measurement must be a number, a text or true", where,
                   item->string);
}

static ps_status refuse_option(const ps_measurement *what, const char *name, const char *where) {
    char known[256] = "";
    for (const ps_option *o = what->options; o->name != NULL; o++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s--%s", o == what->options ? "" : ", ",
                 o->name);
    return ps_fail(PS_ERR_INPUT, "%s: \"measure\": %s: unknown option --%s; it has %s", where, what->name, name, known);
}

/* An option of an experiment's file is read as the same option of the command line is; only what the measurement itself
 * depends on stands in a file. */
static ps_status set_option(ps_measurement_plan *plan, const ps_measurement *what, const cJSON *item,
                            const char *where) {
    const ps_option *option = ps_option_find(what->options, item->string);
    char **value = &plan->value[plan->values];
    if (plan->values == PS_MAX_MEASUREMENT_OPTIONS)
        return ps_fail(PS_ERR_INPUT, "%s: \"measure\" has more than %d options", where, plan->values);
    if (option == NULL) return refuse_option(what, item->string, where);
    PS_TRY(format_value(item, where, value));
    plan->values++;
    ps_status status = ps_option_set(option, *value);
    if (status == PS_OK) return PS_OK;
    char sentence[1024];
    snprintf(sentence, sizeof sentence, "%s", ps_status_message());
    return ps_fail(PS_ERR_INPUT, "%s: \"measure\": %s: %s", where, what->name, sentence);
}

static ps_status add_to_plan(ps_measurement_plan *plan, const char *name, const cJSON *options, const char *where) {
    const ps_measurement *what;
    PS_TRY(find_measurement(name, where, &what));
    for (int i = 0; i < plan->count; i++)
        if (plan->what[i] == what) return ps_fail(PS_ERR_INPUT, "%s: \"%s\" stands twice in \"measure\"", where, name);
    if (options != NULL && !cJSON_IsObject(options))
        return ps_fail(PS_ERR_INPUT, "%s: \"measure\": \"%s\" needs an object of options, as {} or {\"probes\": 2}",
                       where, name);
    const cJSON *item;
    cJSON_ArrayForEach(item, options) PS_TRY(set_option(plan, what, item, where));
    plan->what[plan->count++] = what;
    return PS_OK;
}

ps_status ps_measurement_plan_read(const cJSON *json, const char *where, ps_measurement_plan *plan) {
    const cJSON *item;
    *plan = (ps_measurement_plan){0};
    for (int i = 0; ps_measurements[i] != NULL; i++) ps_options_reset(ps_measurements[i]->options);
    if (json == NULL) return PS_OK;
    if (!cJSON_IsArray(json) && !cJSON_IsObject(json))
        return ps_fail(PS_ERR_INPUT,
                       "%s: \"measure\" must be a list as [\"ranks\"], or an object as {\"spectrum\": {\"probes\": 2}}",
                       where);
    cJSON_ArrayForEach(item, json) {
        if (cJSON_IsArray(json)) PS_TRY(add_to_plan(plan, cJSON_GetStringValue(item), NULL, where));
        else PS_TRY(add_to_plan(plan, item->string, item, where));
    }
    return PS_OK;
}

void ps_measurement_plan_clear(ps_measurement_plan *plan) {
    for (int i = 0; i < plan->values; i++) free(plan->value[i]);
    *plan = (ps_measurement_plan){0};
}

/* ---- doing it ---- */

static ps_status read_record(const char *directory, ps_table *table) {
    char *folder = NULL;
    PS_TRY(ps_file_join(directory, "tables", &folder));
    ps_status status = ps_table_read_named(folder, record_name, table);
    free(folder);
    return status;
}

static bool done(const ps_measurement *what, const ps_table *table, const char *digest) {
    char *options = NULL;
    int row = find_row(table, what);
    bool same = row >= 0 && strcmp(cell(table, row, "checkpoint"), digest) == 0 &&
                describe_options(what, &options) == PS_OK && strcmp(cell(table, row, "options"), options) == 0;
    free(options);
    return same;
}

/* Marks what is done already; nothing where there is no checkpoint, or no record and tables that belong together. */
static void find_done(const ps_measurement_plan *plan, const char *directory, const char *checkpoint, bool *is_done) {
    char digest[DIGEST];
    ps_table table = {0};
    bool known = false, readable = ps_file_set_check(directory, set_name, remedy, &known) == PS_OK && known &&
                                   ps_checkpoint_digest(checkpoint, digest) == PS_OK &&
                                   read_record(directory, &table) == PS_OK;
    for (int i = 0; i < plan->count; i++) is_done[i] = readable && done(plan->what[i], &table, digest);
    ps_table_clear(&table);
}

bool ps_measurement_plan_done(const ps_measurement_plan *plan, const char *directory) {
    bool is_done[PS_MAX_MEASUREMENTS];
    char *checkpoint = NULL;
    if (plan->count == 0) return true;
    if (ps_file_join(directory, checkpoint_name, &checkpoint) != PS_OK) return false;
    find_done(plan, directory, checkpoint, is_done);
    free(checkpoint);
    for (int i = 0; i < plan->count; i++)
        if (!is_done[i]) return false;
    return true;
}

static ps_status run_one(const ps_measurement *what, ps_checkpoint_session *session, FILE *nowhere,
                         const char *directory, const char *checkpoint) {
    ps_measure m = {.checkpoint = session, .text = nowhere, .out = directory, .quiet = true};
    char lack[1024];
    if (ps_net_check_finite(session->session.net, PS_ERR_INPUT, checkpoint) != PS_OK) {
        fprintf(stderr, "note: %s is not measured: %s\n", what->name, ps_status_message());
        snprintf(lack, sizeof lack, "%s", ps_status_message());
        return record_lack(&m, what, checkpoint, lack);
    }
    if (lacks_something(what, session, lack, sizeof lack)) return record_lack(&m, what, checkpoint, lack);
    ps_status status = measure_checkpoint(&m, what, checkpoint);
    if (status != PS_ERR_CHECK) return status;
    /* The tables say how far it is off; hours of training are not to be held up by it. */
    fprintf(stderr, "note: %s: %s: %s\n", directory, what->name, ps_status_message());
    return PS_OK;
}

ps_status ps_measurement_plan_run(const ps_measurement_plan *plan, const char *directory, int threads,
                                  const char **current) {
    bool is_done[PS_MAX_MEASUREMENTS];
    char *checkpoint = NULL;
    ps_checkpoint_session session = {0};
    ps_status status = PS_OK;
    FILE *nowhere = fopen("/dev/null", "w");
    PS_TRY_CLEANUP(ps_file_join(directory, checkpoint_name, &checkpoint));
    find_done(plan, directory, checkpoint, is_done);
    if (nowhere == NULL) PS_TRY_CLEANUP(ps_fail(PS_ERR_IO, "/dev/null cannot be opened; check the system"));
    for (int i = 0; i < plan->count; i++) {
        if (is_done[i]) continue;
        if (current != NULL) *current = plan->what[i]->name;
        /* Each opens the checkpoint anew: measuring moves running statistics and asks the network for sums. */
        PS_TRY_CLEANUP(ps_checkpoint_session_open(&session, checkpoint, NULL, threads));
        status = run_one(plan->what[i], &session, nowhere, directory, checkpoint);
        ps_checkpoint_session_close(&session);
        if (status != PS_OK) goto cleanup;
    }
cleanup:
    if (nowhere != NULL) fclose(nowhere);
    free(checkpoint);
    return status;
}

/* ---- gathering ---- */

/* A run's directory, whether it was named by it or by its trace; its seed; what was measured there on the checkpoint
 * that is there now. */
typedef struct {
    char *directory;
    int seed;
    bool current[PS_MAX_MEASUREMENTS];
    char *why[PS_MAX_MEASUREMENTS]; /* it was to be measured, and could not be; NULL: else; owned */
} measured_run;

static ps_status find_current(measured_run *run, const ps_table *table, const char *digest, bool quiet) {
    for (int i = 0; ps_measurements[i] != NULL; i++) {
        int row = find_row(table, ps_measurements[i]);
        if (row < 0) continue;
        bool same = strcmp(cell(table, row, "checkpoint"), digest) == 0;
        if (strcmp(cell(table, row, "measured"), "1") != 0) {
            if (same) PS_TRY(ps_string_copy(cell(table, row, "why"), &run->why[i]));
            continue;
        }
        run->current[i] = same;
        if (!run->current[i] && !quiet)
            fprintf(stderr,
                    "note: %s: %s was measured on another checkpoint than the one that is there now; left out (run "
                    "`poolscope %s` again)\n",
                    run->directory, ps_measurements[i]->name, ps_measurements[i]->name);
    }
    return PS_OK;
}

static ps_status look_at_run(const char *path, measured_run *run, bool quiet) {
    char *checkpoint = NULL, digest[DIGEST];
    ps_run_config config;
    ps_table table = {0};
    ps_status status = PS_OK;
    *run = (measured_run){0};
    PS_TRY(ps_string_copy(path, &run->directory));
    if (!ps_file_is_directory(path)) {
        char *slash = strrchr(run->directory, '/');
        if (slash != NULL) *slash = '\0';
        else strcpy(run->directory, ".");
    }
    PS_TRY(read_record(run->directory, &table));
    if (table.rows == 0) goto cleanup;
    PS_TRY_CLEANUP(ps_file_join(run->directory, checkpoint_name, &checkpoint));
    if (!ps_file_exists(checkpoint)) goto cleanup;
    PS_TRY_CLEANUP(ps_file_set_check(run->directory, set_name, remedy, NULL));
    PS_TRY_CLEANUP(ps_checkpoint_digest(checkpoint, digest));
    PS_TRY_CLEANUP(find_current(run, &table, digest, quiet));
    PS_TRY_CLEANUP(ps_run_config_init(&config));
    status = ps_run_read_config(run->directory, &config);
    run->seed = config.seed;
    ps_run_config_clear(&config);
cleanup:
    ps_table_clear(&table);
    free(checkpoint);
    return status;
}

static bool same_columns(const ps_table *a, const ps_table *b) {
    if (a->columns != b->columns) return false;
    for (int c = 0; c < a->columns; c++)
        if (strcmp(ps_table_name(a, c), ps_table_name(b, c)) != 0) return false;
    return true;
}

static void print_rows(FILE *stream, const ps_table *table, const char *arm, int seed) {
    for (int row = 0; row < table->rows; row++) {
        fprintf(stream, "%s\t%d", arm, seed);
        for (int c = 0; c < table->columns; c++) fprintf(stream, "\t%s", ps_table_text(table, row, c));
        fputc('\n', stream);
    }
}

typedef struct {
    const ps_compare_arm *arms;
    int arm_count;
    bool quiet;
    measured_run *run; /* arm after arm */
} gathering;

/* Appends one run's table; the first one's columns head the file. */
static ps_status add_run(const measured_run *run, const char *arm, const char *name, FILE *stream, ps_table *first) {
    char *folder = NULL;
    ps_table table;
    PS_TRY(ps_file_join(run->directory, "tables", &folder));
    ps_status status = ps_table_read_named(folder, name, &table);
    free(folder);
    PS_TRY(status);
    if (table.columns == 0) return PS_OK;
    bool starts = first->columns == 0;
    if (!starts && !same_columns(first, &table))
        status = ps_fail(PS_ERR_INPUT,
                         "%s/tables/%s.tsv has other columns than the same table of the runs before; measure them all "
                         "with one version of poolscope",
                         run->directory, name);
    for (int c = 0; starts && c < table.columns; c++)
        fprintf(stream, "%s%s", c == 0 ? "arm\tseed\t" : "\t", ps_table_name(&table, c));
    if (starts) fputc('\n', stream);
    if (status == PS_OK) print_rows(stream, &table, arm, run->seed);
    if (starts) *first = table;
    else ps_table_clear(&table);
    return status;
}

/* A table that no run has is no part of the comparison; one of an earlier comparison goes. */
static ps_status gather_table(const gathering *g, ps_file_set *set, int measurement, const char *name) {
    char *member = NULL;
    FILE *stream;
    ps_table first = {0};
    PS_TRY(table_member(name, &member));
    ps_status status = ps_file_set_add(set, member, &stream);
    free(member);
    PS_TRY(status);
    const measured_run *run = g->run;
    for (int a = 0; a < g->arm_count; a++)
        for (int r = 0; r < g->arms[a].run_count && status == PS_OK; r++, run++)
            if (run->current[measurement]) status = add_run(run, g->arms[a].name, name, stream, &first);
    if (status == PS_OK && first.columns == 0) ps_file_set_withdraw(set);
    ps_table_clear(&first);
    return status;
}

/* Once an arm: its runs have one network. */
static void note_lack(const gathering *g, int arm, const char *measurement, int runs, const char *why) {
    if (g->quiet || runs == 0) return;
    fprintf(stderr, "note: %s: not measured in arm %s (%d of %d runs): %s\n", measurement, g->arms[arm].name, runs,
            g->arms[arm].run_count, why);
}

/* What was to be measured and could not be: tables/unmeasured.tsv, and a note each. */
static ps_status gather_lacks(const gathering *g, ps_file_set *set) {
    FILE *stream;
    int rows = 0;
    PS_TRY(ps_file_set_add(set, "tables/unmeasured.tsv", &stream));
    fputs("measurement\tarm\tseed\twhy\n", stream);
    for (int i = 0; ps_measurements[i] != NULL; i++) {
        const measured_run *run = g->run;
        for (int a = 0; a < g->arm_count; a++) {
            const char *why = NULL;
            int lacking = 0;
            for (int r = 0; r < g->arms[a].run_count; r++, run++) {
                if (run->why[i] == NULL) continue;
                if (lacking++ == 0) why = run->why[i];
                fprintf(stream, "%s\t%s\t%d\t%s\n", ps_measurements[i]->name, g->arms[a].name, run->seed, run->why[i]);
            }
            note_lack(g, a, ps_measurements[i]->name, lacking, why);
            rows += lacking;
        }
    }
    if (rows == 0) ps_file_set_withdraw(set);
    return PS_OK;
}

static void clear_run(measured_run *run) {
    free(run->directory);
    for (int i = 0; i < PS_MAX_MEASUREMENTS; i++) free(run->why[i]);
}

static ps_status gather(void *self, ps_file_set *set) {
    gathering *g = self;
    int runs = 0, seen = 0;
    ps_status status = PS_OK;
    for (int a = 0; a < g->arm_count; a++) runs += g->arms[a].run_count;
    PS_TRY(PS_ALLOC((size_t)runs, &g->run, "runs"));
    for (int a = 0; a < g->arm_count; a++)
        for (int r = 0; r < g->arms[a].run_count; r++)
            PS_TRY_CLEANUP(look_at_run(g->arms[a].runs[r], &g->run[seen++], g->quiet));
    for (int i = 0; ps_measurements[i] != NULL; i++) {
        char list[256];
        snprintf(list, sizeof list, "%s", ps_measurements[i]->tables);
        for (char *save = NULL, *name = strtok_r(list, ",", &save); name != NULL; name = strtok_r(NULL, ",", &save))
            PS_TRY_CLEANUP(gather_table(g, set, i, name));
    }
    PS_TRY_CLEANUP(gather_lacks(g, set));
cleanup:
    for (int i = 0; i < runs; i++) clear_run(&g->run[i]);
    ps_free(g->run);
    return status;
}

ps_status ps_measurement_compare(const ps_compare_arm *arms, int arm_count, const ps_compare_options *options) {
    gathering g = {arms, arm_count, options->quiet, NULL};
    ps_compare_options with = *options;
    with.gather = gather;
    with.gather_self = &g;
    return ps_compare_run(arms, arm_count, &with);
}
