/* BTCV ("Beyond the cranial vault", Synapse syn3193805) as it is unpacked: img/imgNNNN.nii.gz and
 * label/labelNNNN.nii.gz, in the folder itself or in Training below it. Its test
 * images have no labels, so that there is no test part. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/volumes.h"

static const char *const organs[] = {"background",
                                     "spleen",
                                     "right kidney",
                                     "left kidney",
                                     "gallbladder",
                                     "esophagus",
                                     "liver",
                                     "stomach",
                                     "aorta",
                                     "inferior vena cava",
                                     "portal and splenic veins",
                                     "pancreas",
                                     "right adrenal gland",
                                     "left adrenal gland"};
enum { CLASSES = sizeof organs / sizeof organs[0] };

/* The folder that has img and label; NULL: neither has. */
static ps_status find_training(const char *folder, char **out) {
    static const char *const places[] = {".", "Training", "RawData/Training"};
    *out = NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char *images = NULL;
        PS_TRY(ps_string_format(&images, "%s/%s/img", folder, places[i]));
        bool there = ps_file_is_directory(images);
        free(images);
        if (there) return i == 0 ? ps_string_copy(folder, out) : ps_file_join(folder, places[i], out);
    }
    return PS_OK;
}

static ps_status add_cases(const ps_volume_names *images, const ps_volume_names *labels, ps_source *out) {
    for (size_t i = 0; i < images->count; i++) {
        const char *stem = images->stem[i], *number = strncmp(stem, "img", 3) == 0 ? stem + 3 : stem;
        char *label = NULL;
        PS_TRY(ps_string_format(&label, "label%s", number));
        int at = ps_volume_names_find(labels, label);
        const char *const image[] = {images->path[i]};
        free(label);
        PS_TRY(ps_volumes_add(out, PS_SOURCE_TRAIN, stem, image, 1, at >= 0 ? labels->path[at] : NULL));
    }
    return PS_OK;
}

/* Label maps without an image are named as images without a label map are. */
static ps_status leave_out_alone(const ps_volume_names *images, const ps_volume_names *labels, ps_source *out) {
    for (size_t i = 0; i < labels->count; i++) {
        const char *stem = labels->stem[i], *number = strncmp(stem, "label", 5) == 0 ? stem + 5 : stem;
        char *image = NULL;
        PS_TRY(ps_string_format(&image, "img%s", number));
        ps_status status = PS_OK;
        if (ps_volume_names_find(images, image) < 0 && ps_volume_names_find(images, number) < 0)
            status = ps_source_leave_out(
                out,
                ps_fail(PS_ERR_INPUT, "%s: has no image (looked for %s in img); add it, or take the label map away",
                        labels->path[i], image));
        free(image);
        PS_TRY(status);
    }
    return PS_OK;
}

static ps_status list_cases(const char *folder, ps_source *out) {
    ps_volume_names images = {0}, labels = {0};
    char *image_folder = NULL, *label_folder = NULL;
    ps_status status = ps_file_join(folder, "img", &image_folder);
    if (status == PS_OK) status = ps_file_join(folder, "label", &label_folder);
    if (status == PS_OK) status = ps_volume_names_read(image_folder, &images);
    if (status == PS_OK) status = ps_volume_names_read(label_folder, &labels);
    if (status == PS_OK) status = add_cases(&images, &labels, out);
    if (status == PS_OK) status = leave_out_alone(&images, &labels, out);
    ps_volume_names_clear(&images);
    ps_volume_names_clear(&labels);
    free(image_folder);
    free(label_folder);
    return status;
}

static ps_status name_all(ps_source *out) {
    PS_TRY(PS_ALLOC(CLASSES, &out->class_names, "class names"));
    for (int i = 0; i < CLASSES; i++) snprintf(out->class_names[i], PS_CLASS_NAME_SIZE, "%s", organs[i]);
    PS_TRY(PS_ALLOC(1, &out->channel_names, "channel names"));
    snprintf(out->channel_names[0], PS_CLASS_NAME_SIZE, "CT");
    ps_volumes_set_channels(out, 1, "scans of BTCV have");
    return ps_volumes_set_classes(out, CLASSES, -1);
}

ps_status ps_btcv_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    (void)options;
    char *folder = NULL;
    PS_TRY(find_training(argument, &folder));
    if (folder == NULL)
        return ps_fail(PS_ERR_INPUT,
                       "%s: holds no folder img, nor Training/img; give the folder that has img and label", argument);
    ps_status status = ps_volumes_start(out);
    if (status == PS_OK) status = name_all(out);
    if (status == PS_OK) status = list_cases(folder, out);
    if (status == PS_OK) status = ps_volumes_finish(out, argument, 0);
    free(folder);
    return status;
}
