#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"
#include "trace/imported.h"
#include "trace/scalar_log.h"
#include "trace/scalar_role.h"
#include "trace/trace_arm.h"
#include "trace/trace_input.h"
#include "trace/trace_schema.h"

static const char *out, *arm, *role, *step_name, *given[PS_SCALAR_IS_COUNT], *compress;
static ps_option_values measures, pairing;
static int seed, test_images;
static bool percent, unfinished, force, list;

static const ps_option options[] = {
    PS_TEXT("out", out, "RUN", NULL, "directory of the run: trace.jsonl is written there"),
    PS_WHOLE("seed", seed, "N", NULL, 0, 2147483647, "seed of the run, by which arms are paired [0]"),
    PS_TEXT("arm", arm, "NAME", NULL, "the arm's name [none]"),
    PS_TEXT("role", role, "ROLE", NULL, "what the arm is: baseline, pool_skip, .. (src/trace/FORMAT.md) [other]"),
    PS_REPEATED("pairing", pairing, "KEY=TEXT",
                "what two runs must share to be a pair, as you know it: backbone, data, order, batch, .. (same file)"),
    PS_TEXT("step", step_name, "NAME", NULL, "column or key of the steps [step, global_step, .., else epoch]"),
    PS_TEXT("loss", given[PS_SCALAR_IS_LOSS], "TAG", NULL, "tag or column of the training loss [guessed]"),
    PS_TEXT("lr", given[PS_SCALAR_IS_LR], "TAG", NULL, "the same of the learning rate [guessed]"),
    PS_TEXT("grad-norm", given[PS_SCALAR_IS_GRAD_NORM], "TAG", NULL, "the same of the gradient's norm [guessed]"),
    PS_TEXT("test-loss", given[PS_SCALAR_IS_TEST_LOSS], "TAG", NULL, "the same of the loss that is tested [guessed]"),
    PS_TEXT("accuracy", given[PS_SCALAR_IS_ACCURACY], "TAG", NULL, "the same of the accuracy that is tested [guessed]"),
    PS_REPEATED("measure", measures, "NAME=TAG",
                "instead of the accuracy: another measure, higher is better; its values are taken as they are"),
    PS_FLAG("percent", percent, "the accuracy is from 0 to 100"),
    PS_WHOLE("test-images", test_images, "N", NULL, 1, PS_OPTION_ANY,
             "images that an evaluation measures, which only logs of poolscope say"),
    PS_FLAG("unfinished", unfinished, "the run did not come to its end"),
    PS_TEXT("compress", compress, "HOW", NULL, "pack the trace: gzip or zstd [none]"),
    PS_FLAG("list", list, "only list the tags: values, steps, and what each is taken for"),
    PS_FLAG("force", force, "replace an imported trace in --out"),
    {0},
};

const ps_command ps_command_import = {
    .name = "import",
    .usage = "DIR|FILE --out RUN [options]",
    .summary =
        "Makes a trace of the scalars that a run without a recorder has logged, so that its losses and accuracies can "
        "be compared as pairs:\n"
        "of a folder of TensorBoard's event files (and of the folders in it), or of tables of `poolscope export`, of "
        "one such file, of a table (.csv, "
        ".tsv: a line of names), of\n"
        "JSON lines (.jsonl) or of Hugging Face's trainer_state.json. Rows have a \"step\"; where none has, epochs "
        "stand for it. Which tag is what is\n"
        "guessed by its words (train/loss, val_acc, lr-SGD) and said; \"none\" as a TAG takes none. An accuracy that "
        "does not say of which\n"
        "images is not taken unasked; of several splits test goes before val.\n"
        "Of two values at a step the later one counts, and a later file that begins at an earlier step (a run that "
        "went on) replaces what\n"
        "stands from there on. Nodes were not recorded, so nothing is said of them; what is not told is not known: "
        "without --pairing runs pair\n"
        "by the seed alone. Logs do not say whether a run came to its end; it is taken for granted without "
        "--unfinished.",
    .examples =
        "  poolscope import lightning_logs/version_0 --list\n"
        "  poolscope import lightning_logs/version_0 --seed 1 --arm baseline --role baseline \\\n"
        "      --accuracy val_acc --test-images 10000 --out runs/b1\n"
        "  poolscope compare --arm baseline=runs/b1,runs/b2 --arm ps2=runs/p1,runs/p2 --out runs/cmp\n",
    .options = options,
    .min_positional = 1,
    .max_positional = 1,
};

static const char *const role_words[PS_SCALAR_IS_COUNT] = {"loss", "lr", "grad-norm", "test-loss", "accuracy"};

/* ---- which tag is what ---- */

static void list_tags(const ps_scalar_log *log, char *text, size_t size) {
    bool first = true;
    text[0] = '\0';
    for (size_t i = 0; i < log->count && strlen(text) + 60 < size; i++) {
        if (log->series[i].count == 0) continue;
        snprintf(text + strlen(text), size - strlen(text), "%s%.40s", first ? "" : ", ", log->series[i].tag);
        first = false;
    }
}

static ps_status find_given(const ps_scalar_log *log, const char *option, const char *tag,
                            const ps_scalar_series **found) {
    char tags[300];
    *found = ps_scalar_log_find(log, tag);
    if (*found != NULL) return PS_OK;
    list_tags(log, tags, sizeof tags);
    return ps_fail(PS_ERR_USAGE, "--%s: %.100s has no tag \"%.60s\"; it has %s", option, log->path, tag, tags);
}

static void say(const char *what, const ps_scalar_series *s) {
    printf("%-10s %s: %zu value%s, steps %lld to %lld", what, s->tag, s->count, s->count == 1 ? "" : "s",
           (long long)s->points[0].step, (long long)s->points[s->count - 1].step);
    if (s->replaced > 0) printf("; %zu earlier ones at the same steps were replaced by later ones", s->replaced);
    if (s->foreign > 0) printf("; %zu texts are no numbers and were left out", s->foreign);
}

/* Given, or guessed; NULL: none. */
static ps_status choose_role(const ps_scalar_log *log, ps_scalar_role which, ps_scalar_split split,
                             const ps_scalar_series **of) {
    int others = 0;
    *of = NULL;
    if (given[which] != NULL && strcmp(given[which], "none") == 0) return PS_OK;
    if (given[which] != NULL) PS_TRY(find_given(log, role_words[which], given[which], of));
    else *of = ps_scalar_role_find(log, which, split, &others);
    if (*of == NULL) return PS_OK;
    say(role_words[which], *of);
    if (given[which] == NULL) printf(" (guessed; --%s TAG names another)", role_words[which]);
    if (others > 0) printf("; %d more could be it", others);
    putchar('\n');
    return PS_OK;
}

/* Loss and accuracy of an evaluation are of the same samples. */
static ps_scalar_split choose_split(const ps_scalar_log *log) {
    static const ps_scalar_role by[] = {PS_SCALAR_IS_ACCURACY, PS_SCALAR_IS_TEST_LOSS};
    ps_scalar_split split = PS_SCALAR_OF_NONE;
    for (int i = 0; split == PS_SCALAR_OF_NONE && i < 2; i++)
        if (given[by[i]] != NULL) ps_scalar_role_of(given[by[i]], &split);
    for (int i = 0; split == PS_SCALAR_OF_NONE && i < measures.count; i++) {
        const char *tag = strchr(measures.value[i], '=');
        if (tag != NULL) ps_scalar_role_of(tag + 1, &split);
    }
    return split != PS_SCALAR_OF_NONE ? split : ps_scalar_split_find(log);
}

/* "mean_iou=val/miou" */
static ps_status choose_measure(const ps_scalar_log *log, const char *text, int m, ps_imported *run) {
    ps_trace_measure *measure = &run->task.measure[m];
    const char *tag = strchr(text, '=');
    size_t length = tag != NULL ? (size_t)(tag - text) : 0;
    if (length == 0 || length >= sizeof measure->name || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") < length)
        return ps_fail(PS_ERR_USAGE,
                       "--measure: \"%.60s\" is no NAME=TAG whose name has at most 31 small letters, digits and _",
                       text);
    *measure = (ps_trace_measure){.higher_is_better = true, .chance = (double)NAN};
    memcpy(measure->name, text, length);
    PS_TRY(find_given(log, "measure", tag + 1, &run->measure[m]));
    say(measure->name, run->measure[m]);
    putchar('\n');
    return PS_OK;
}

static ps_status check_measures(const ps_imported *run) {
    for (int m = 0; m < run->task.measures; m++) {
        const char *name = run->task.measure[m].name;
        bool taken = false;
        for (int k = 0; k < PS_KEY_COUNT; k++)
            taken |= ps_trace_keys[k].object == PS_OBJECT_EVAL && strcmp(ps_trace_keys[k].name, name) == 0;
        for (int k = 0; k < m; k++) taken |= strcmp(run->task.measure[k].name, name) == 0;
        if (taken || strcmp(name, "type") == 0)
            return ps_fail(PS_ERR_USAGE, "--measure: the name \"%s\" is taken; choose another", name);
    }
    return PS_OK;
}

static ps_status choose_measures(const ps_scalar_log *log, ps_scalar_split split, ps_imported *run) {
    ps_trace_task_default(&run->task);
    if (measures.count == 0) return choose_role(log, PS_SCALAR_IS_ACCURACY, split, &run->measure[0]);
    if (given[PS_SCALAR_IS_ACCURACY] != NULL || percent)
        return ps_fail(PS_ERR_USAGE, "--measure stands instead of --accuracy and --percent; leave these out");
    if (measures.count > PS_TRACE_MOST_MEASURES)
        return ps_fail(PS_ERR_USAGE, "--measure: a trace has %d measures at most", PS_TRACE_MOST_MEASURES);
    run->says_task = true;
    run->task = (ps_trace_task){.name = "imported", .measures = measures.count};
    for (int m = 0; m < measures.count; m++) PS_TRY(choose_measure(log, measures.value[m], m, run));
    return check_measures(run);
}

/* What poolscope export has besides, by its own names. */
static void choose_others(const ps_scalar_log *log, ps_imported *run) {
    for (int q = 0; q < PS_STEP_COUNT; q++) {
        char tag[64];
        snprintf(tag, sizeof tag, "train/%s", ps_trace_step_quantities[q].name);
        if (q == PS_STEP_loss || q == PS_STEP_lr || q == PS_STEP_grad_norm) continue;
        run->step[q] = ps_scalar_log_find(log, tag);
        if (run->step[q] == NULL) continue;
        say(ps_trace_step_quantities[q].name, run->step[q]);
        putchar('\n');
    }
}

static bool has_evaluations(const ps_imported *run) {
    bool any = run->test_loss != NULL;
    for (int m = 0; m < run->task.measures; m++) any |= run->measure[m] != NULL;
    return any;
}

static ps_status choose(const ps_scalar_log *log, ps_imported *run) {
    char tags[300];
    ps_scalar_split split = choose_split(log);
    PS_TRY(choose_role(log, PS_SCALAR_IS_LOSS, split, &run->step[PS_STEP_loss]));
    PS_TRY(choose_role(log, PS_SCALAR_IS_LR, split, &run->step[PS_STEP_lr]));
    PS_TRY(choose_role(log, PS_SCALAR_IS_GRAD_NORM, split, &run->step[PS_STEP_grad_norm]));
    choose_others(log, run);
    PS_TRY(choose_role(log, PS_SCALAR_IS_TEST_LOSS, split, &run->test_loss));
    PS_TRY(choose_measures(log, split, run));
    list_tags(log, tags, sizeof tags);
    if (run->step[PS_STEP_loss] == NULL && !has_evaluations(run))
        return ps_fail(PS_ERR_INPUT,
                       "%.100s: none of its tags is known as a loss or an accuracy; name them with --loss, --test-loss "
                       "and --accuracy: %s",
                       log->path, tags);
    if (test_images == 0) run->count = ps_scalar_log_find(log, "test/count"); /* poolscope export says it */
    if (has_evaluations(run) && test_images == 0 && run->count == NULL)
        return ps_fail(PS_ERR_USAGE,
                       "\"%.60s\" was measured on images that the log does not count; give --test-images N",
                       run->measure[0] != NULL  ? run->measure[0]->tag
                       : run->test_loss != NULL ? run->test_loss->tag
                                                : "--measure");
    return ps_imported_check(run);
}

/* ---- the trace ---- */

/* Texts: key and text one after the other, borrowed from *memory, which is freed with free. */
static ps_status read_pairing(ps_imported *run, const char **texts, char **memory) {
    size_t size = 1;
    for (int i = 0; i < pairing.count; i++) size += strlen(pairing.value[i]) + 1;
    *memory = calloc(size, 1);
    if (*memory == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for --pairing");
    char *to = *memory;
    for (int i = 0; i < pairing.count; i++) {
        char *key = strcpy(to, pairing.value[i]), *text = strchr(key, '=');
        to += strlen(key) + 1;
        if (text == NULL || text == key || text[1] == '\0')
            return ps_fail(PS_ERR_USAGE, "--pairing: \"%.60s\" is no KEY=TEXT, as data=cifar10 or order=\"seed 1\"",
                           key);
        *text++ = '\0';
        for (int k = 0; k < i; k++)
            if (strcmp(texts[2 * k], key) == 0) return ps_fail(PS_ERR_USAGE, "--pairing: %.60s stands twice", key);
        texts[2 * i] = key;
        texts[2 * i + 1] = text;
    }
    run->pairing = texts;
    run->pairing_count = pairing.count;
    return PS_OK;
}

/* Whether a trace that is there already was imported: the work of a training is not replaced. */
static ps_status check_earlier(const char *earlier) {
    ps_trace_input *input;
    char *line;
    size_t length;
    cJSON *header = NULL;
    if (!ps_file_exists(earlier)) return PS_OK;
    if (!force)
        return ps_fail(PS_ERR_USAGE, "%s: is there already; choose another --out, or replace it with --force", earlier);
    PS_TRY(ps_trace_input_open(earlier, &input));
    ps_status status = ps_trace_input_line(input, &line, &length);
    if (status == PS_OK && length > 0) status = ps_json_try(line, &header);
    ps_trace_input_close(input);
    const char *producer = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(header, PS_KEY(HEADER, producer)));
    if (status == PS_OK && (producer == NULL || strncmp(producer, PS_IMPORTED_BY, strlen(PS_IMPORTED_BY)) != 0))
        status = ps_fail(PS_ERR_USAGE, "%s: was not imported but recorded, and stays; choose another --out", earlier);
    cJSON_Delete(header);
    return status;
}

/* Whole under another name first, so that what is there stays until then. */
static ps_status write_trace(const ps_imported *run, const char *path, const char *earlier, ps_trace_packing packing) {
    ps_trace_writer *trace;
    char *piece;
    PS_TRY(ps_string_format(&piece, "%s.import-%ld%s", path, (long)getpid(), ps_packing_suffix(packing)));
    ps_status status = ps_trace_create(piece, &trace);
    if (status == PS_OK) {
        status = ps_imported_write(trace, run);
        ps_status closed = ps_trace_close(trace);
        if (status == PS_OK) status = closed;
        if (status == PS_OK) {
            if (strcmp(earlier, path) != 0) remove(earlier);
            if (rename(piece, path) != 0) status = ps_fail(PS_ERR_IO, "%s: cannot be put in place", path);
        }
        if (status != PS_OK) remove(piece);
    }
    free(piece);
    return status;
}

static ps_status put(const ps_imported *run) {
    ps_trace_packing packing;
    char *path = NULL, *earlier = NULL;
    ps_status status = PS_OK;
    PS_TRY(ps_packing_parse(compress, "compress", &packing));
    PS_TRY_CLEANUP(ps_file_make_directories(out));
    PS_TRY_CLEANUP(ps_trace_find(out, &earlier));
    PS_TRY_CLEANUP(check_earlier(earlier));
    PS_TRY_CLEANUP(ps_string_format(&path, "%s/trace.jsonl%s", out, ps_packing_suffix(packing)));
    PS_TRY_CLEANUP(write_trace(run, path, earlier, packing));
cleanup:
    free(path);
    free(earlier);
    return status;
}

static ps_status import(const ps_scalar_log *log) {
    ps_imported run = {.arm = arm, .seed = seed, .percent = percent, .images = test_images, .finished = !unfinished};
    const char *texts[2 * PS_OPTION_MAX_VALUES];
    char *memory = NULL;
    if (out == NULL) return ps_fail(PS_ERR_USAGE, "import: --out RUN is missing: where should the trace go?");
    run.role = role == NULL ? (int)PS_ARM_OTHER : ps_words_find(PS_WORDS_ROLE, role);
    if (run.role < 0)
        return ps_fail(PS_ERR_USAGE, "--role: \"%.40s\" is no role of src/trace/FORMAT.md (baseline, pool_skip, ..)",
                       role);
    ps_status status = read_pairing(&run, texts, &memory);
    if (status == PS_OK) status = choose(log, &run);
    if (status == PS_OK) status = put(&run);
    free(memory);
    return status;
}

/* ---- what is said ---- */

static void print_tags(const ps_scalar_log *log) {
    printf("%8s %10s %10s  %-10s %s\n", "values", "first", "last", "taken for", "tag");
    for (size_t i = 0; i < log->count; i++) {
        const ps_scalar_series *s = &log->series[i];
        ps_scalar_split split;
        ps_scalar_role is = ps_scalar_role_of(s->tag, &split);
        if (s->count == 0) continue;
        printf("%8zu %10lld %10lld  %-10s %s\n", s->count, (long long)s->points[0].step,
               (long long)s->points[s->count - 1].step, is == PS_SCALAR_IS_NONE ? "-" : role_words[is], s->tag);
    }
}

static void print_notes(const ps_scalar_log *log) {
    if (log->cut != NULL)
        fprintf(stderr,
                "note: %s: its last record is cut off (the run was killed, or goes on); all before it was read\n",
                log->cut);
    if (log->by_epoch) fprintf(stderr, "note: %s: has no steps; its epochs stand for them\n", log->path);
    else if (log->without_step > 0)
        fprintf(stderr, "note: %s: %llu rows have no step and were passed over\n", log->path,
                (unsigned long long)log->without_step);
}

ps_status ps_cmd_import(int argc, char **argv) {
    ps_arguments arguments;
    ps_scalar_log log;
    PS_TRY(ps_command_parse(&ps_command_import, argc, argv, &arguments));
    ps_status status = ps_scalar_log_read(arguments.positional[0], step_name, &log);
    if (status == PS_OK) print_notes(&log);
    if (status == PS_OK && list) print_tags(&log);
    else if (status == PS_OK) status = import(&log);
    ps_scalar_log_clear(&log);
    return status;
}
