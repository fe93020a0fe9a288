#include "analysis/check/calibrate.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/check/golden.h"
#include "analysis/check/tolerance.h"
#include "analysis/trace_reader.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"

typedef struct {
    char *arm, *producer, *machine;
    long long seed;
    int reference; /* the run it is compared with; itself: it is a reference */
} calibration_run;

static ps_status read_run(const char *path, calibration_run *run) {
    ps_trace_reader *reader;
    PS_TRY(ps_trace_reader_open(path, &reader));
    const ps_trace_header *header = ps_trace_reader_header(reader);
    run->seed = header->seed;
    ps_status status =
        ps_json_text(cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, machine)), &run->machine);
    if (status == PS_OK) status = ps_string_copy(header->arm, &run->arm);
    if (status == PS_OK) status = ps_string_copy(header->producer, &run->producer);
    ps_trace_reader_destroy(reader);
    return status;
}

/* Groups of runs with one arm and seed; *pooled: there are groups of more than one run. */
static ps_status group_runs(const char *const *paths, calibration_run *runs, int count, bool *pooled) {
    int alone = -1;
    *pooled = false;
    for (int r = 0; r < count; r++) {
        PS_TRY(read_run(paths[r], &runs[r]));
        runs[r].reference = 0;
        while (runs[runs[r].reference].seed != runs[r].seed || strcmp(runs[runs[r].reference].arm, runs[r].arm) != 0)
            runs[r].reference++;
        *pooled = *pooled || runs[r].reference < r;
    }
    for (int r = 0; r < count; r++) {
        int members = 0;
        for (int other = 0; other < count; other++) members += runs[other].reference == runs[r].reference;
        if (members == 1) alone = r;
        if (!*pooled) runs[r].reference = 0;
    }
    if (*pooled && alone >= 0)
        return ps_fail(
            PS_ERR_USAGE,
            "%s: is the only run of seed %lld%s%s, so there is nothing to compare it with; give another one of it, "
            "or leave it out",
            paths[alone], runs[alone].seed, runs[alone].arm[0] != '\0' ? ", arm " : "", runs[alone].arm);
    return PS_OK;
}

/* One rounding of a number that is recorded as fp32; see the header. Counts below two million stay exact by it. */
static void raise_to_rounding(ps_tolerances *measured) {
    bool any = false;
    for (size_t i = 0; i < measured->count; i++) any = any || measured->entries[i].differing > 0;
    for (size_t i = 0; any && i < measured->count; i++) {
        ps_tolerance *entry = &measured->entries[i];
        entry->absolute = fmax(entry->absolute, FLT_EPSILON * entry->magnitude);
        entry->relative = fmax(entry->relative, FLT_EPSILON);
    }
}

static void derive(ps_tolerances *measured, double factor) {
    for (size_t i = 0; i < measured->count; i++) {
        measured->entries[i].absolute = measured->entries[i].largest_absolute;
        measured->entries[i].relative = measured->entries[i].largest_relative;
    }
    raise_to_rounding(measured);
    for (size_t i = 0; i < measured->count; i++) {
        measured->entries[i].absolute *= factor;
        measured->entries[i].relative *= factor;
    }
}

static void write_run(FILE *stream, const char *const *paths, const calibration_run *runs, int r) {
    fputs("{\"trace\":", stream);
    ps_json_print_text(stream, paths[r]);
    fputs(",\"producer\":", stream);
    ps_json_print_text(stream, runs[r].producer);
    fputs(",\"arm\":", stream);
    ps_json_print_text(stream, runs[r].arm);
    fprintf(stream, ",\"seed\":%lld,\"compared_with\":", runs[r].seed);
    if (runs[r].reference == r) fputs("null", stream);
    else ps_json_print_text(stream, paths[runs[r].reference]);
    fprintf(stream, ",\"machine\":%s}", runs[r].machine != NULL ? runs[r].machine : "null");
}

static void write_entry(FILE *stream, const ps_tolerance *entry) {
    ps_json_print_text(stream, entry->quantity);
    const double numbers[] = {entry->absolute, entry->relative, entry->largest_absolute, entry->largest_relative};
    static const char *const keys[] = {"absolute", "relative", "largest_absolute", "largest_relative"};
    fputs(":{", stream);
    for (int i = 0; i < 4; i++) {
        fprintf(stream, "\"%s\":", keys[i]);
        ps_json_print_double(stream, numbers[i]);
        fputc(',', stream);
    }
    fprintf(stream, "\"values\":%llu,\"differing\":%llu", (unsigned long long)entry->values,
            (unsigned long long)entry->differing);
    if (ps_tolerance_tells_death(entry->quantity)) fprintf(stream, ",\"flips\":%llu", (unsigned long long)entry->flips);
    fputc('}', stream);
}

static void write_tolerances(FILE *stream, const ps_tolerances *measured, const char *const *paths,
                             const calibration_run *runs, int run_count, bool pooled, double factor) {
    fprintf(stream, "{\"format\":\"%s\",\"version\":1,\"first_steps\":%lld,\"factor\":", PS_TOLERANCES_FORMAT,
            measured->first_steps);
    ps_json_print_double(stream, factor);
    fputs(",\n\"derivation\":{\"method\":", stream);
    ps_json_print_text(
        stream,
        pooled
            ? "Every run was compared, record by record, with the first of its arm and seed. Per quantity: the largest "
              "absolute deviation and the largest relative deviation (to the larger magnitude of the two) of all runs, "
              "but "
              "at least one rounding of fp32 where any runs differ, each times the factor. A value passes when both "
              "errors "
              "are within."
            : "Every run was compared, record by record, with the first; no two are of one arm and seed, so this is "
              "their "
              "spread over seeds. Per quantity: the largest absolute deviation and the largest relative deviation (to "
              "the "
              "larger magnitude of the two), but at least one rounding of fp32 where any runs differ, each times the "
              "factor. A value passes when both errors are within.");
    fputs(",\"runs\":[\n", stream);
    for (int r = 0; r < run_count; r++) {
        if (r > 0) fputs(",\n", stream);
        write_run(stream, paths, runs, r);
    }
    fputs("]},\n\"quantities\":{", stream);
    for (size_t i = 0; i < measured->count; i++) {
        fputs(i > 0 ? ",\n" : "\n", stream);
        write_entry(stream, &measured->entries[i]);
    }
    fputs("\n}}\n", stream);
}

/* A relative tolerance of 1 lets a value vanish, one of 2 lets it change its sign; then the absolute one alone
 * decides. */
static void print_notes(FILE *notes, const ps_tolerances *measured) {
    uint64_t differing = 0;
    const char *gap = "";
    for (size_t i = 0; i < measured->count; i++) {
        const ps_tolerance *entry = &measured->entries[i];
        differing += entry->differing;
        if (entry->flips > 0)
            fprintf(
                notes,
                "warning: %s: %llu times a node was dead in one run and alive in the other; a check finds such a node "
                "whatever the tolerance\n",
                entry->quantity, (unsigned long long)entry->flips);
    }
    if (differing == 0)
        fprintf(notes,
                "warning: the runs do not differ anywhere, so every tolerance is 0; were they made where they should "
                "differ?\n");
    for (size_t i = 0; i < measured->count; i++) {
        if (measured->entries[i].relative < 1) continue;
        fprintf(notes, "%s%s",
                gap[0] == '\0' ? "warning: a relative tolerance of 1 or more lets a value vanish, so that the "
                                 "absolute one alone decides: "
                               : gap,
                measured->entries[i].quantity);
        gap = ", ";
    }
    if (gap[0] != '\0') fprintf(notes, "; compare fewer steps, or with a smaller --factor\n");
}

ps_status ps_tolerances_calibrate(const char *const *paths, int run_count, long long first_steps, double factor,
                                  const char *out, FILE *notes) {
    ps_tolerances measured = {.first_steps = first_steps};
    calibration_run *runs = NULL;
    ps_file_writer writer;
    bool pooled;
    ps_status status;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)run_count, &runs, "runs of a calibration"));
    PS_TRY_CLEANUP(group_runs(paths, runs, run_count, &pooled));
    for (int r = 0; r < run_count; r++)
        if (runs[r].reference != r)
            PS_TRY_CLEANUP(ps_golden_measure(paths[r], paths[runs[r].reference], first_steps, &measured));
    derive(&measured, factor);
    PS_TRY_CLEANUP(ps_file_writer_open(&writer, out));
    write_tolerances(writer.stream, &measured, paths, runs, run_count, pooled, factor);
    PS_TRY_CLEANUP(ps_file_writer_commit(&writer));
    print_notes(notes, &measured);
cleanup:
    for (int r = 0; runs != NULL && r < run_count; r++) {
        free(runs[r].arm);
        free(runs[r].producer);
        free(runs[r].machine);
    }
    ps_free(runs);
    ps_tolerances_clear(&measured);
    return status;
}
