/* How fast a trace is read and analysed, and in how much memory: trace_bench [megabytes] (1000). Numbers have 9 digits,
 * as in a real trace; 20 layers of 1,000 nodes. Rates are by processor time (user and system), so that other load on
 * the machine does not count. Exit 1 when a rate or the memory misses its bound. The trace is deleted at the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "analysis/compare.h"
#include "analysis/run.h"
#include "core/memory.h"
#include "core/rng.h"

enum { LAYERS = 20, CHANNELS = 1000, WINDOW_STEPS = 40 };
enum { LEAST_RATE = 150, MOST_MEMORY = 200 }; /* MB/s, MB */

static ps_rng_key key;
static uint64_t draws;

/* Counts are whole numbers of up to six digits, as in a real trace; the others have nine. */
static void put_value(FILE *out, ps_trace_quantity q, bool behind, double share) {
    const char *name = ps_quantity_name(q);
    if (behind) putc(',', out);
    if (strncmp(name, "nonzero", 7) == 0) fprintf(out, "%.0f", share * 2048);
    else if (strcmp(name, "images_active") == 0) fprintf(out, "%.0f", share * 512);
    else if (strstr(name, "_steps") != NULL) fprintf(out, "%.0f", share * WINDOW_STEPS);
    else fprintf(out, "%.9g", share);
}

static void put_values(FILE *out, bool window) {
    bool first = true;
    for (int q = 0; q < PS_Q_COUNT; q++) {
        if (ps_quantity_is_window((ps_trace_quantity)q) != window || ps_quantity_is_layer((ps_trace_quantity)q))
            continue;
        if (strncmp(ps_quantity_name((ps_trace_quantity)q), "pool", 4) == 0) continue;
        fprintf(out, "%s\"%s\":[", first ? "" : ",", ps_quantity_name((ps_trace_quantity)q));
        first = false;
        for (int c = 0; c < CHANNELS; c++)
            put_value(out, (ps_trace_quantity)q, c > 0, 0.001 + (double)ps_rng_uniform(key, draws++) * 0.998);
        putc(']', out);
    }
}

static void put_probe(FILE *out, int step) {
    for (int l = 0; l < LAYERS; l++) {
        fprintf(out, "{\"type\":\"probe\",\"step\":%d,\"layer\":\"l%d\",\"images\":512,\"elements\":8192,\"values\":{",
                step, l);
        put_values(out, false);
        fputs("}}\n", out);
    }
}

static void put_trace(FILE *out, double megabytes) {
    fputs(
        "{\"type\":\"header\",\"format\":\"poolscope-trace\",\"version\":2,\"producer\":\"bench\",\"arm\":\"\",\"arm_"
        "is\":{\"role\":\"baseline\",\"pool_size\":0,\"zero_init\":false,\"cut\":\"none\",\"activation\":\"relu\","
        "\"reinit_dead\":0},"
        "\"seed\":1,\"config\":{},\"pairing\":{},\"data\":{},\"machine\":{},\"model\":{},\"window\":40,\"steps\":0,"
        "\"quantities\":[",
        out);
    for (int q = 0; q < PS_Q_COUNT; q++)
        fprintf(out, "%s{\"name\":\"%s\",\"unit\":\"1\",\"per\":\"%s\",\"record\":\"%s\",\"description\":\"\"}",
                q ? "," : "", ps_quantity_name((ps_trace_quantity)q),
                ps_quantity_is_layer((ps_trace_quantity)q) ? "layer" : "node",
                ps_quantity_is_window((ps_trace_quantity)q) ? "window" : "probe");
    fputs("],\"layers\":[", out);
    for (int l = 0; l < LAYERS; l++)
        fprintf(out,
                "%s{\"name\":\"l%d\",\"gate\":\"r%d\",\"kind\":\"conv\",\"channels\":%d,\"position\":%d,\"depth\":%d,"
                "\"stage\":\"\",\"activation\":\"relu\",\"norm\":null,\"pool_skip\":null,\"bias\":true,\"fan_in\":9,"
                "\"inputs\":[],\"elements\":16}",
                l ? "," : "", l, l, CHANNELS, l, l);
    fputs("]}\n", out);
    put_probe(out, 0);
    for (int w = 0; (double)ftell(out) < megabytes * 1e6; w++) {
        for (int s = 0; s < WINDOW_STEPS; s++)
            fprintf(out, "{\"type\":\"step\",\"step\":%d,\"loss\":2.3,\"lr\":0.1}\n", w * WINDOW_STEPS + s);
        for (int l = 0; l < LAYERS; l++) {
            fprintf(out, "{\"type\":\"window\",\"window\":%d,\"first\":%d,\"last\":%d,\"layer\":\"l%d\",\"values\":{",
                    w, w * WINDOW_STEPS, (w + 1) * WINDOW_STEPS - 1, l);
            put_values(out, true);
            fputs("}}\n", out);
        }
        put_probe(out, (w + 1) * WINDOW_STEPS);
    }
}

static ps_status ignore_frame(void *context, const ps_frame *frame) {
    (void)context;
    (void)frame;
    return PS_OK;
}

static ps_status ignore_record(void *context, const ps_trace_record *record) {
    (void)context;
    (void)record;
    return PS_OK;
}

static bool judge(const char *what, double value, const char *unit, double bound, bool least) {
    bool pass = least ? value >= bound : value < bound;
    printf("%-32s %8.0f %-5s %s %g: %s\n", what, value, unit, least ? "at least" : "below", bound,
           pass ? "pass" : "FAIL");
    return pass;
}

static double seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

int main(int argc, char **argv) {
    double megabytes = argc > 1 ? atof(argv[1]) : 1000;
    char folder[] = "/tmp/ps_trace_bench_XXXXXX", path[64], command[96];
    ps_run *run;
    key = ps_rng_key_of(1, "bench");
    if (mkdtemp(folder) == NULL) return 2;
    snprintf(path, sizeof path, "%s/trace.jsonl", folder);
    FILE *out = fopen(path, "wb");
    if (out == NULL) return 2;
    put_trace(out, megabytes);
    double size = (double)ftell(out) / 1e6;
    fclose(out);
    double start = seconds();
    ps_run_visitor nothing = {NULL, ignore_frame, ignore_record};
    ps_status status = ps_run_open(path, "bench", &run);
    double first = seconds() - start;
    start = seconds();
    if (status == PS_OK) status = ps_run_stream(run, &nothing);
    double second = seconds() - start;
    ps_run_close(run);
    const char *paths[] = {path};
    ps_compare_arm arm = {"bench", paths, 1};
    start = seconds();
    if (status == PS_OK)
        status = ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true});
    double whole = seconds() - start;
    if (status == PS_ERR_CHECK) status = PS_OK; /* made-up numbers contradict each other */
    if (status != PS_OK) fprintf(stderr, "%s\n", ps_status_message());
    printf("Trace of %.0f MB, by processor time:\n", size);
    bool pass = judge("first pass (states)", size / first, "MB/s", LEAST_RATE, true);
    pass = judge("second pass (all numbers)", size / second, "MB/s", LEAST_RATE, true) && pass;
    pass = judge("compare as a whole (both passes)", size / whole, "MB/s", LEAST_RATE, true) && pass;
    pass = judge("peak memory", (double)ps_memory_peak_bytes() / 1e6, "MB", MOST_MEMORY, false) && pass;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0 || status != PS_OK || !pass;
}
