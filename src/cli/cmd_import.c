#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/imported.h"
#include "core/file.h"
#include "core/memory.h"
#include "trace/trace_arm.h"
#include "trace/trace_format.h"
#include "trace/trace_input.h"
#include "trace/trace_quantity.h"
#include "trace/trace_records.h"
#include "trace/trace_task.h"
#include "trace/trace_writer.h"

static const char *out, *arm, *role, *loss_tag, *lr_tag, *test_loss_tag, *accuracy_tag, *compress;
static int seed, test_images;
static bool percent, unfinished, force, list;

static const ps_option options[] = {
    PS_TEXT("out", out, "RUN", NULL, "directory of the run: trace.jsonl is written there"),
    PS_WHOLE("seed", seed, "N", NULL, 0, 2147483647, "seed of the run, by which arms are paired [0]"),
    PS_TEXT("arm", arm, "NAME", NULL, "the arm's name [none]"),
    PS_TEXT("role", role, "ROLE", NULL, "what the arm is: baseline, pool_skip, .. (src/trace/FORMAT.md) [other]"),
    PS_TEXT("loss", loss_tag, "TAG", NULL, "tag or column of the training loss [train/loss, train_loss, loss, ..]"),
    PS_TEXT("lr", lr_tag, "TAG", NULL, "the same of the learning rate [lr, train/lr, learning_rate, ..]"),
    PS_TEXT("test-loss", test_loss_tag, "TAG", NULL, "the same of the loss that is tested [val/loss, test/loss, ..]"),
    PS_TEXT("accuracy", accuracy_tag, "TAG", NULL, "the same of the accuracy [val/acc, val_acc, test/accuracy, ..]"),
    PS_FLAG("percent", percent, "the accuracy is from 0 to 100"),
    PS_WHOLE("test-images", test_images, "N", NULL, 1, PS_OPTION_ANY,
             "images that an evaluation measures, which logs do not say"),
    PS_FLAG("unfinished", unfinished, "the run did not come to its end"),
    PS_TEXT("compress", compress, "HOW", NULL, "pack the trace: gzip or zstd [none]"),
    PS_FLAG("list", list, "only list the tags, with how many values each has"),
    PS_FLAG("force", force, "replace a trace in --out"),
    {0},
};

const ps_command ps_command_import = {
    .name = "import",
    .usage = "DIR|FILE --out RUN [options]",
    .summary =
        "Makes a trace of the scalars that a run without a recorder has logged, so that its losses and accuracies can "
        "be compared as pairs:\n"
        "of a directory of TensorBoard's event files, of one such file, of a table (.csv: a line of names, one of them "
        "\"step\") or of a log of\n"
        "JSON lines (.jsonl: objects with a \"step\"). Nodes were not recorded, so nothing is said of them. Logs do "
        "not say whether a run came to\n"
        "its end; it is taken for granted without --unfinished.",
    .examples =
        "  poolscope import lightning_logs/version_0 --list\n"
        "  poolscope import lightning_logs/version_0 --seed 1 --arm baseline --role baseline \\\n"
        "      --accuracy val_acc --test-images 10000 --out runs/b1\n"
        "  poolscope compare --arm baseline=runs/b1,runs/b2 --arm ps2=runs/p1,runs/p2 --out runs/cmp\n",
    .options = options,
    .min_positional = 1,
    .max_positional = 1,
};

/* What is taken of a log: its option, the tags that are looked for without it, in this order. */
enum { LOSS, LR, TEST_LOSS, ACCURACY, WANTED };
static const struct {
    const char *option, *tags[14];
} wanted[WANTED] = {
    {"loss",
     {"train/loss", "train_loss", "loss/train", "Loss/train", "train/loss_step", "train_loss_step", "training_loss",
      "loss", "Loss", "train_loss_epoch"}},
    {"lr", {"lr", "train/lr", "learning_rate", "train/learning_rate", "lr-SGD", "lr-AdamW", "lr-Adam"}},
    {"test-loss",
     {"test/loss", "test_loss", "loss/test", "Loss/test", "val/loss", "val_loss", "loss/val", "Loss/val", "eval/loss",
      "eval_loss", "valid_loss"}},
    {"accuracy",
     {"test/acc", "test_acc", "test/accuracy", "test_accuracy", "Accuracy/test", "val/acc", "val_acc", "val/accuracy",
      "val_accuracy", "Accuracy/val", "eval/accuracy", "eval_accuracy", "accuracy"}},
};

static void list_tags(const ps_imported *log, char *text, size_t size) {
    text[0] = '\0';
    for (size_t i = 0; i < log->count && strlen(text) + 60 < size; i++)
        snprintf(text + strlen(text), size - strlen(text), "%s%.40s", i > 0 ? ", " : "", log->series[i].tag);
}

static ps_status find_series(const ps_imported *log, const char *given, int which, const ps_imported_series **found) {
    char tags[300];
    *found = NULL;
    if (given != NULL) {
        *found = ps_imported_find(log, given);
        list_tags(log, tags, sizeof tags);
        return *found != NULL ? PS_OK
                              : ps_fail(PS_ERR_USAGE, "--%s: %s has no tag \"%.60s\"; it has %s", wanted[which].option,
                                        log->path, given, tags);
    }
    for (size_t i = 0; i < sizeof wanted->tags / sizeof *wanted->tags && wanted[which].tags[i] != NULL; i++) {
        *found = ps_imported_find(log, wanted[which].tags[i]);
        if (*found != NULL) return PS_OK;
    }
    return PS_OK;
}

/* ---- the trace ---- */

static ps_status write_arm(ps_trace_writer *trace) {
    int index = role == NULL ? (int)PS_ARM_OTHER : ps_words_find(PS_WORDS_ROLE, role);
    if (index < 0)
        return ps_fail(PS_ERR_USAGE, "--role: \"%.40s\" is no role of src/trace/FORMAT.md (baseline, pool_skip, ..)",
                       role);
    const ps_arm_role_line *line = &ps_arm_roles[index];
    ps_trace_begin_object(trace, PS_KEY(HEADER, arm_is));
    ps_trace_add_text(trace, PS_KEY(ARM_IS, role), ps_words_at(PS_WORDS_ROLE, index));
    ps_trace_add_whole(trace, PS_KEY(ARM_IS, pool_size), 0);
    ps_trace_add_bool(trace, PS_KEY(ARM_IS, zero_init), false);
    ps_trace_add_text(trace, PS_KEY(ARM_IS, cut), ps_arm_cut_word(line->cut));
    ps_trace_add_text(trace, PS_KEY(ARM_IS, activation), line->leaky ? PS_WORD(ACTIVATION, LEAKY_RELU) : "");
    ps_trace_add_whole(trace, PS_KEY(ARM_IS, reinit_dead), line->renewed);
    ps_trace_close_scope(trace);
    return PS_OK;
}

static void write_quantity(ps_trace_writer *trace, ps_trace_step_quantity quantity) {
    const ps_trace_quantity_line *line = &ps_trace_step_quantities[quantity];
    ps_trace_begin_object(trace, NULL);
    ps_trace_add_text(trace, PS_KEY(QUANTITY, name), line->name);
    ps_trace_add_text(trace, PS_KEY(QUANTITY, unit), line->unit);
    ps_trace_add_text(trace, PS_KEY(QUANTITY, per), ps_words_at(PS_WORDS_PER, PS_PER_STEP));
    ps_trace_add_text(trace, PS_KEY(QUANTITY, record), ps_record_word(PS_RECORD_STEP));
    ps_trace_add_text(trace, PS_KEY(QUANTITY, description), line->description);
    ps_trace_close_scope(trace);
}

static void write_empty(ps_trace_writer *trace, const char *key) {
    ps_trace_begin_object(trace, key);
    ps_trace_close_scope(trace);
}

static ps_status write_header(ps_trace_writer *trace, int64_t steps, const ps_imported_series *const *of) {
    ps_trace_begin_record(trace, PS_RECORD_HEADER);
    ps_trace_add_text(trace, PS_KEY(HEADER, format), PS_WORD(FORMAT, TRACE));
    ps_trace_add_whole(trace, PS_KEY(HEADER, version), PS_TRACE_VERSION);
    ps_trace_add_text(trace, PS_KEY(HEADER, producer), "poolscope import " PS_VERSION);
    ps_trace_add_text(trace, PS_KEY(HEADER, arm), arm != NULL ? arm : "");
    PS_TRY(write_arm(trace));
    ps_trace_add_whole(trace, PS_KEY(HEADER, seed), seed);
    write_empty(trace, PS_KEY(HEADER, config));
    write_empty(trace, PS_KEY(HEADER, pairing));
    write_empty(trace, PS_KEY(HEADER, data));
    write_empty(trace, PS_KEY(HEADER, machine));
    write_empty(trace, PS_KEY(HEADER, model));
    ps_trace_add_whole(trace, PS_KEY(HEADER, window), steps > 0 ? steps : 1);
    ps_trace_add_whole(trace, PS_KEY(HEADER, steps), steps);
    ps_trace_begin_array(trace, PS_KEY(HEADER, layers));
    ps_trace_close_scope(trace);
    ps_trace_begin_array(trace, PS_KEY(HEADER, quantities));
    if (of[LOSS] != NULL) write_quantity(trace, PS_STEP_loss);
    if (of[LR] != NULL) write_quantity(trace, PS_STEP_lr);
    ps_trace_close_scope(trace);
    return ps_trace_end_record(trace);
}

/* The least step at which any of these has a value that was not taken yet; -1: none. */
static int64_t next_step(const ps_imported_series *const *of, const size_t *at, int from, int to) {
    int64_t least = -1;
    for (int w = from; w <= to; w++)
        if (of[w] != NULL && at[w] < of[w]->count && (least < 0 || of[w]->points[at[w]].step < least))
            least = of[w]->points[at[w]].step;
    return least;
}

static bool take_at(const ps_imported_series *const *of, size_t *at, int which, int64_t step, double *value) {
    if (of[which] == NULL || at[which] >= of[which]->count || of[which]->points[at[which]].step != step) return false;
    *value = of[which]->points[at[which]++].value;
    return true;
}

static ps_status write_step(ps_trace_writer *trace, const ps_imported_series *const *of, size_t *at, int64_t step) {
    double value;
    ps_trace_begin_record(trace, PS_RECORD_STEP);
    ps_trace_add_whole(trace, PS_KEY(STEP, step), step);
    if (take_at(of, at, LOSS, step, &value))
        ps_trace_add_double(trace, ps_trace_step_quantities[PS_STEP_loss].name, value);
    if (take_at(of, at, LR, step, &value)) ps_trace_add_double(trace, ps_trace_step_quantities[PS_STEP_lr].name, value);
    return ps_trace_end_record(trace);
}

static ps_status write_evaluation(ps_trace_writer *trace, const ps_imported_series *const *of, size_t *at,
                                  int64_t step) {
    const double factor = percent ? 0.01 : 1;
    ps_trace_task task; /* of a header without one: its measure is the accuracy */
    ps_trace_task_default(&task);
    double loss = NAN, accuracy = NAN;
    bool has_loss = take_at(of, at, TEST_LOSS, step, &loss), has_accuracy = take_at(of, at, ACCURACY, step, &accuracy);
    ps_trace_begin_record(trace, PS_RECORD_EVAL);
    ps_trace_add_whole(trace, PS_KEY(EVAL, step), step);
    ps_trace_add_text(trace, PS_KEY(EVAL, split), PS_WORD(LOSS_OF, TEST));
    if (has_loss) ps_trace_add_double(trace, PS_KEY(EVAL, loss), loss);
    if (has_accuracy) ps_trace_add_double(trace, task.measure[0].name, factor * accuracy);
    ps_trace_add_whole(trace, PS_KEY(EVAL, count), test_images);
    return ps_trace_end_record(trace);
}

static ps_status write_end(ps_trace_writer *trace, int64_t steps) {
    ps_trace_begin_record(trace, PS_RECORD_END);
    ps_trace_add_whole(trace, PS_KEY(END, steps), steps);
    ps_trace_add_text(trace, PS_KEY(END, status), PS_WORD(STATUS, FINISHED));
    return ps_trace_end_record(trace);
}

static ps_status write_trace(ps_trace_writer *trace, const ps_imported_series *const *of) {
    size_t at[WANTED] = {0};
    int64_t steps = 0, step, tested;
    for (int w = 0; w < WANTED; w++)
        if (of[w] != NULL && of[w]->count > 0) {
            int64_t done = of[w]->points[of[w]->count - 1].step + (w == LOSS || w == LR);
            if (done > steps) steps = done;
        }
    PS_TRY(write_header(trace, steps, of));
    while (step = next_step(of, at, LOSS, LR), tested = next_step(of, at, TEST_LOSS, ACCURACY),
           step >= 0 || tested >= 0) {
        if (tested >= 0 && (step < 0 || tested <= step)) PS_TRY(write_evaluation(trace, of, at, tested));
        else PS_TRY(write_step(trace, of, at, step));
    }
    if (!unfinished) PS_TRY(write_end(trace, steps));
    return ps_trace_flush(trace, true);
}

/* ---- what was asked ---- */

static ps_status check_accuracy(const ps_imported_series *accuracy) {
    for (size_t i = 0; accuracy != NULL && i < accuracy->count; i++) {
        double value = accuracy->points[i].value, most = percent ? 100 : 1;
        if (value >= 0 && value <= most) continue;
        return ps_fail(PS_ERR_INPUT, "the accuracy \"%.60s\" is %g at step %lld, which must be from 0 to %g%s",
                       accuracy->tag, value, (long long)accuracy->points[i].step, most,
                       !percent && value <= 100 ? "; give --percent where it is one" : "");
    }
    return PS_OK;
}

static ps_status choose(const ps_imported *log, const ps_imported_series **of) {
    const char *given[WANTED] = {loss_tag, lr_tag, test_loss_tag, accuracy_tag};
    char tags[300];
    for (int w = 0; w < WANTED; w++) PS_TRY(find_series(log, given[w], w, &of[w]));
    list_tags(log, tags, sizeof tags);
    if (of[LOSS] == NULL && of[TEST_LOSS] == NULL && of[ACCURACY] == NULL)
        return ps_fail(PS_ERR_INPUT,
                       "%s: none of its tags is known as a loss or an accuracy; name them with --loss, "
                       "--test-loss and --accuracy: %s",
                       log->path, tags);
    if ((of[TEST_LOSS] != NULL || of[ACCURACY] != NULL) && test_images == 0)
        return ps_fail(PS_ERR_USAGE,
                       "\"%.60s\" was measured on images that the log does not count; give --test-images N",
                       of[ACCURACY] != NULL ? of[ACCURACY]->tag : of[TEST_LOSS]->tag);
    return check_accuracy(of[ACCURACY]);
}

static void print_taken(const ps_imported_series *const *of) {
    for (int w = 0; w < WANTED; w++)
        if (of[w] != NULL) printf("%-10s %s, %zu values\n", wanted[w].option, of[w]->tag, of[w]->count);
}

static ps_status import(const ps_imported *log) {
    const ps_imported_series *of[WANTED];
    ps_trace_packing packing;
    ps_trace_writer *trace;
    char *path = NULL, *earlier = NULL;
    ps_status status = PS_OK;
    if (out == NULL) return ps_fail(PS_ERR_USAGE, "import: --out RUN is missing: where should the trace go?");
    PS_TRY(ps_packing_parse(compress, "compress", &packing));
    PS_TRY(choose(log, of));
    PS_TRY_CLEANUP(ps_file_make_directories(out));
    PS_TRY_CLEANUP(ps_trace_find(out, &earlier));
    if (ps_file_exists(earlier) && !force) {
        status =
            ps_fail(PS_ERR_USAGE, "%s: is there already; choose another --out, or replace it with --force", earlier);
        goto cleanup;
    }
    PS_TRY_CLEANUP(ps_string_format(&path, "%s/trace.jsonl%s", out, ps_packing_suffix(packing)));
    remove(earlier);
    PS_TRY_CLEANUP(ps_trace_create(path, &trace));
    status = write_trace(trace, of);
    ps_status closed = ps_trace_close(trace);
    if (status == PS_OK) status = closed;
    if (status != PS_OK) remove(path);
    else print_taken(of);
cleanup:
    free(path);
    free(earlier);
    return status;
}

ps_status ps_cmd_import(int argc, char **argv) {
    ps_arguments arguments;
    ps_imported log;
    PS_TRY(ps_command_parse(&ps_command_import, argc, argv, &arguments));
    ps_status status = ps_imported_read(arguments.positional[0], &log);
    if (status == PS_OK && list)
        for (size_t i = 0; i < log.count; i++) printf("%8zu  %s\n", log.series[i].count, log.series[i].tag);
    else if (status == PS_OK) status = import(&log);
    ps_imported_clear(&log);
    return status;
}
