#include <stdio.h>
#include <string.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "measure/predict.h"
#include "run/images.h"
#include "run/subject.h"

static const char *out, *images, *split = "test";
static bool pictures, quiet;
static int threads;

static const ps_option options[] = {
    PS_TEXT("out", out, "DIR", NULL, "where label maps and measures go: a new folder, or an empty one"),
    PS_TEXT("images", images, "DIR", NULL,
            "a folder of images without labels instead of --data: pictures, or volumes (CASE_0000, CASE_0001, .. where "
            "channels have files)"),
    PS_TEXT("split", split, "NAME", "test", "samples to predict on: test, train or probe"),
    PS_FLAG("pictures", pictures,
            "also write NAME.overlay.png: image, truth and prediction side by side (of volumes three slices)"),
    PS_FLAG("quiet", quiet, "no progress line"),
    PS_THREADS(threads),
    {0},
};

const ps_command ps_command_predict = {
    .name = "predict",
    .usage = PS_SUBJECT_USAGE " --out DIR [--data SOURCE | --images DIR] [--split NAME]",
    .summary =
        "Writes what a network that was trained on masks makes of whole samples: a label map for each, in the geometry "
        "of its own file\n"
        "(NAME.nii.gz with the header of the volume, or NAME.png with the palette of PASCAL VOC), and measures.json "
        "and "
        "measures.csv with the\n"
        "measures of each case and class where the truth is known. A window of the network's input slides over samples "
        "that are larger. Where --size\n"
        "made samples another size for training, label maps and measures are of the files' own size all the same. With "
        "--images nothing\n"
        "of the data of the training is needed, as the checkpoint says how they were prepared; label maps are all that "
        "is written.",
    .examples =
        "  poolscope predict runs/a --out predicted\n"
        "  poolscope predict runs/a --data msd:DIR --out predicted --mirror-eval --tolerance-mm 2\n"
        "  poolscope predict runs/a --images msd/imagesTs --out predicted\n"
        "  poolscope predict runs/a/checkpoint.safetensors --split train --out looked-at --pictures\n",
    .options = options,
    .run_options = PS_SUBJECT_OPTIONS ",tolerance_mm,mirror_eval",
    .min_positional = 1,
    .max_positional = 1,
};

static ps_status read_split(ps_split *value) {
    static const char *const names[PS_SPLITS] = {
        [PS_SPLIT_TRAIN] = "train", [PS_SPLIT_PROBE] = "probe", [PS_SPLIT_TEST] = "test"};
    for (int i = 0; i < PS_SPLITS; i++) {
        *value = (ps_split)i;
        if (strcmp(split, names[i]) == 0) return PS_OK;
    }
    return ps_fail(PS_ERR_USAGE, "--split takes test, train or probe, not \"%s\"", split);
}

static void print_found(const ps_session *session, const ps_evaluation *e, int samples) {
    char title[PS_TRACE_TASK_TEXT], value[64];
    if (images != NULL) {
        printf("%d label maps in %s; nothing was measured, as the images have no labels\n", samples, out);
        return;
    }
    printf("%d label maps in %s; the truth is known of %d\n", samples, out, e->count);
    for (int m = 0; e->count > 0 && m < session->described.measures; m++) {
        const ps_trace_measure *measure = &session->described.measure[m];
        printf("%-15s %-10s %s\n", ps_trace_measure_title(measure, title),
               ps_trace_measure_show(measure, e->value[m], 2, value, sizeof value), measure->rule);
    }
}

static ps_status predict(ps_checkpoint_session *s, const char *given, ps_split of) {
    ps_evaluation found;
    ps_predict_options asked = {.out = out,
                                .split = of,
                                .pictures = pictures,
                                .quiet = quiet,
                                .checkpoint = given,
                                .unlabelled = images != NULL};
    PS_TRY(ps_net_check_finite(s->session.net, PS_ERR_INPUT, given));
    PS_TRY(ps_predict(&s->session, &asked, &found));
    print_found(&s->session, &found, ps_dataset_count(s->session.dataset, of));
    return PS_OK;
}

static ps_status refuse_data(const ps_run_settings *settings) {
    const char *found = ps_run_settings_find(settings, "data,fold,folds,split_file,train_limit,test_limit,probe");
    if (found == NULL && ps_run_settings_find(settings, "tolerance_mm") != NULL)
        return ps_fail(PS_ERR_USAGE,
                       "predict: --tolerance-mm is of what is measured, and --images have no labels to measure by; "
                       "leave it out");
    if (found == NULL) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "predict: --images names the samples, and --%.*s chooses others; leave one of them out",
                   (int)strcspn(found, "="), found);
}

static ps_status open_subject(ps_checkpoint_session *session, const ps_arguments *arguments, ps_split *of) {
    if (images == NULL) return ps_subject_open(session, arguments->positional[0], &arguments->run, threads);
    PS_TRY(refuse_data(&arguments->run));
    *of = PS_SPLIT_TRAIN;
    return ps_images_open(session, arguments->positional[0], &arguments->run, images, threads);
}

ps_status ps_cmd_predict(int argc, char **argv) {
    ps_arguments arguments;
    ps_checkpoint_session session;
    ps_split of;
    PS_TRY(ps_command_parse(&ps_command_predict, argc, argv, &arguments));
    if (out == NULL) return ps_fail(PS_ERR_USAGE, "predict: needs --out DIR, the folder that label maps go to");
    PS_TRY(read_split(&of));
    PS_TRY(open_subject(&session, &arguments, &of));
    ps_status status = predict(&session, arguments.positional[0], of);
    ps_checkpoint_session_close(&session);
    return status;
}
